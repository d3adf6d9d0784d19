/*
 * A config file, byte by byte. Whatever is taken has to print, and what is
 * printed is the same config again; whatever is not taken is told with its
 * line. An input that begins with a zero byte is "KEY", zero, "VALUE" as the
 * command line gives them.
 */
#include "fuzz.h"

#include "board.h"
#include "config.c" /* firmware is in no archive */

const struct board board = {
	.id = "fuzz",
	.name = "box",
	.state_dir = "/var/lib/nightstand",
	.vault_dir = "/mnt/disk",
	.led_backend = "none",
	.led_dir = "/sys/class/leds",
	.led_ok = "",
	.led_alert = "",
	.button = "none",
	.nic = "slirp",
	.interface = "",
	.listen = "127.0.0.1",
	.port = 8080,
	.watchdog = "",
};

struct text {
	char *data;
	size_t len;
};

/* What `text` makes of the defaults; *said is what it complained of. */
static enum rc read_text(
    struct config *c, const void *text, size_t len, struct text *said)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, len, "r");
	FILE *err = open_memstream(&said->data, &said->len);
	enum rc rc;

	if (!in || !err)
		abort();
	config_defaults(c);
	rc = config_read_stream(c, in, "f", err);
	fclose(in);
	fclose(err);
	return rc;
}

static struct text print(const struct config *c)
{
	struct text t;
	FILE *out = open_memstream(&t.data, &t.len);

	if (!out)
		abort();
	config_print(c, out);
	fclose(out);
	return t;
}

static void check_texts(const struct config *c)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (keys[i].type == KEY_TEXT &&
		    strnlen(field_of_const(c, &keys[i]), keys[i].cap) ==
			keys[i].cap)
			abort();
	for (unsigned i = 0; i < c->n_allow; i++)
		if (c->n_allow > LIMIT_PHONES ||
		    strnlen(c->allow[i], sizeof(c->allow[i])) ==
			sizeof(c->allow[i]))
			abort();
}

static void check_accepted(const struct config *c)
{
	struct text said, first = print(c), second;
	struct config again;

	check_texts(c);
	if (read_text(&again, first.data, first.len, &said) || said.len > 0)
		abort();
	second = print(&again);
	if (first.len != second.len ||
	    memcmp(first.data, second.data, first.len) != 0 ||
	    c->reserve_bytes != again.reserve_bytes ||
	    c->quiet_from != again.quiet_from || c->n_allow != again.n_allow)
		abort();
	free(first.data);
	free(second.data);
	free(said.data);
}

static void check_file(const uint8_t *data, size_t len)
{
	struct text said;
	struct config c;
	enum rc rc = read_text(&c, data, len, &said);

	/* Each complaint is a line "f:LINE: …", and there is one if it fails. */
	if ((rc == RC_OK) != (said.len == 0) ||
	    (said.len && (strncmp(said.data, "f:", 2) != 0 ||
			     said.data[said.len - 1] != '\n')))
		abort();
	if (rc == RC_OK)
		check_accepted(&c);
	else
		check_texts(&c);
	free(said.data);
}

static void check_option(const uint8_t *data, size_t len)
{
	char *both = calloc(1, len + 2);
	FILE *err = fopen("/dev/null", "w");
	struct config c;

	if (!both || !err)
		abort();
	if (len > 0)
		memcpy(both, data, len);
	config_defaults(&c);
	if (config_set(&c, both, both + strlen(both) + 1, err) == RC_OK)
		check_accepted(&c);
	fclose(err);
	free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 0 && data[0] == 0)
		check_option(data + 1, len - 1);
	else if (len > 0)
		check_file(data, len);
	return 0;
}
