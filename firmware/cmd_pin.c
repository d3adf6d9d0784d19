/* `pin`: for somebody who is at the box. */
#include <stdio.h>

#include "cmd.h"
#include "outcome.h"
#include "pin.h"

int cmd_pin(const struct cli *cli)
{
	char pin[PIN_MAX];
	enum rc rc;

	if (!cli->config.state[0]) {
		fprintf(stderr,
		    "nightstand: the box has no state folder, so its PIN is "
		    "nowhere to be read. Give one (--state DIR).\n");
		return EXIT_CONFIG;
	}
	rc = pin_read(cli->config.state, pin);
	if (rc) {
		fprintf(stderr,
		    "nightstand: no PIN in %s/" PIN_FILE ": %s. The box "
		    "makes one when it starts.\n",
		    cli->config.state, rc_words(rc));
		return EXIT_NOT_RUNNING;
	}
	printf("%s\n", pin);
	return 0;
}
