/* `update`: what an update file is, and whether it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "outcome.h"
#include "update_keys.h"

static enum rc look(void *ctx, const struct update_head *head)
{
	*(struct update_head *)ctx = *head;
	return RC_OK;
}

static enum rc next_part(void *ctx, const struct update_part *part)
{
	(void)ctx;
	(void)part;
	return RC_OK;
}

static enum rc throw_away(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return RC_OK;
}

static enum rc read_all(
    int fd, const struct update_keys *keys, struct update_head *head)
{
	const struct update_sink sink = { head, look, next_part, throw_away,
		next_part };
	static struct update_take t;
	static uint8_t buf[64 * 1024];
	enum rc rc = update_take_begin(&t, keys, &sink);
	enum rc end;
	ssize_t n = 1;

	while (!rc && n > 0) {
		n = read(fd, buf, sizeof(buf));
		rc = n < 0 ? rc_from_errno(errno)
			   : update_take_feed(&t, buf, (size_t)n);
	}
	end = update_take_end(&t);
	return rc ? rc : end;
}

static const char *why(enum rc rc, const struct update_keys *keys)
{
	if (rc == RC_UNTRUSTED && keys->n)
		return "nobody has signed it whom this program trusts";
	if (rc == RC_UNTRUSTED)
		return "this program was built without a key; give one "
		       "(--key HEX)";
	if (rc == RC_PROTO)
		return "it is no update of a box, or not all of it";
	if (rc == RC_CORRUPT)
		return "it was changed after it was signed";
	return rc == RC_LIMIT ? "it is too large" : rc_words(rc);
}

int cmd_update(const struct cli *cli)
{
	static struct update_head head;
	const struct update_keys *keys = cli->key.n ? &cli->key : update_keys();
	int fd;
	enum rc rc;

	if (!cli->word) {
		fprintf(stderr, "nightstand: which file?\n");
		return EXIT_USAGE;
	}
	fd = open(cli->word, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(
		    stderr, "nightstand: %s: %s\n", cli->word, strerror(errno));
		return EXIT_USAGE;
	}
	rc = read_all(fd, keys, &head);
	close(fd);
	if (rc) {
		fprintf(stderr, "nightstand: %s can't be used: %s.\n",
		    cli->word, why(rc, keys));
		return EXIT_CHECK;
	}
	printf("%s: whole, and signed by a key that is trusted\n"
	       "board %s, version %s, build %" PRIu64 "\n",
	    cli->word, head.board, head.version, head.build);
	for (unsigned i = 0; i < head.n_parts; i++)
		printf("%12" PRIu64 " %s\n", head.parts[i].bytes,
		    head.parts[i].name);
	return EXIT_DONE;
}
