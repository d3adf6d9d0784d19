#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "outcome.h"
#include "relpath.h"
#include "settings_file.h"

struct option_row {
	enum cli_option bit;
	const char *name, *arg;
	const char *key; /* of the config, or NULL */
	const char *help;
};

/* clang-format off */
static const struct option_row rows[] = {
	{ CLI_CONFIG, "config", "FILE", NULL, "read this config first" },
	{ CLI_VAULT, "vault", "DIR", "box.vault",
		"the disk; backups lie in DIR/Nightstand" },
	{ CLI_STATE, "state", "DIR", "box.state",
		"folder for what outlives a restart" },
	{ CLI_UDID, "udid", "UDID", NULL, "this phone only" },
	{ CLI_FULL, "full", NULL, NULL,
		"ask the phone for everything, not for what is new" },
	{ CLI_WAIT, "wait", "SECONDS", NULL,
		"how long to wait for a phone; default: until one comes" },
	{ CLI_COPY, "copy", NULL, NULL,
		"copy the files; the folder stays as it is" },
	{ CLI_SNAPSHOT, "snapshot", "N", NULL,
		"this one; default: the newest good one" },
	{ CLI_JSON, "json", NULL, NULL, "for programs" },
	{ CLI_QUICK, "quick", NULL, NULL,
		"look at places and sizes only, read nothing" },
	{ CLI_READ_DATA, "read-data", NULL, NULL,
		"read every byte from the disk: the default" },
	{ CLI_MINUTES, "minutes", "N", "scrub.minutes",
		"stop after so many minutes; 0: no limit" },
	{ CLI_GIB, "gib", "N", "scrub.gib",
		"stop after so many GiB; 0: no limit" },
	{ CLI_NO_WEB, "no-web", NULL, NULL, "serve no page" },
	{ CLI_PORT, "port", "N", "web.port", "port of the page" },
	{ CLI_LED, "led", "KIND", "led.backend", "none, sysfs or terminal" },
	{ CLI_LOG, "log", "LEVEL", "box.log",
		"error, warn, note, info or debug" },
	{ CLI_PRINT_CONFIG, "print-config", NULL, NULL,
		"print the config as understood, and end" },
	{ CLI_SVG, "svg", NULL, NULL, "as a picture" },
	{ CLI_LABEL, "label", NULL, NULL, "as a label to cut out" },
	{ CLI_WORDS, "words", NULL, NULL,
		"what is said in each, as a Markdown table" },
	{ CLI_DRY_RUN, "dry-run", NULL, NULL, "only say what would be done" },
	{ CLI_UNPIN, "unpin", NULL, NULL,
		"let the rules have the pinned backups, too" },
	{ CLI_FORCE, "force", NULL, NULL,
		"also when the catalogue is whole: compare it with the disk" },
	{ CLI_OFF, "off", NULL, NULL,
		"switch encryption off: backups without a password" },
	{ CLI_KEY, "key", "HEX", NULL,
		"trust this public key (Ed25519) and no other" },
	{ CLI_TEST, "test", NULL, NULL,
		"only try it on a backup that is kept; no phone is needed" },
	{ CLI_HELP, "help", NULL, NULL, "this" },
};
/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Every command can tell its help. */
static bool takes(const struct cli_command *cmd, const struct option_row *row)
{
	return row->bit == CLI_HELP || (cmd->options & row->bit);
}

static int usage(const struct cli_command *cmd)
{
	fprintf(stderr, "Try `nightstand help %s`.\n", cmd->name);
	return EXIT_USAGE;
}

static bool to_number(const char *text, long long max, long long *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && end != text && !*end && *out >= 0 && *out <= max;
}

static bool to_key(const char *hex, struct update_keys *out)
{
	if (strlen(hex) != 2 * SEAL_KEY ||
	    strspn(hex, "0123456789abcdef") != 2 * SEAL_KEY)
		return false;
	for (size_t i = 0; i < SEAL_KEY; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out->keys[0][i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	out->n = 1;
	return true;
}

/* What is no key of the config. */
static bool take_own(
    struct cli *c, const struct option_row *row, const char *value)
{
	long long n;

	if (row->bit == CLI_UDID) {
		if (relpath_check_udid(value))
			return false;
		snprintf(c->udid, sizeof(c->udid), "%s", value);
	} else if (row->bit == CLI_WAIT) {
		if (!to_number(value, 30 * 86400, &n))
			return false;
		c->wait_s = (int)n;
	} else if (row->bit == CLI_SNAPSHOT) {
		if (!to_number(value, INT64_MAX, &n) || n == 0)
			return false;
		c->snapshot = n;
	} else if (row->bit == CLI_KEY) {
		if (!to_key(value, &c->key))
			return false;
	} else {
		c->full |= row->bit == CLI_FULL;
		c->copy |= row->bit == CLI_COPY;
		c->json |= row->bit == CLI_JSON;
		c->force |= row->bit == CLI_FORCE;
		c->off |= row->bit == CLI_OFF;
		c->test |= row->bit == CLI_TEST;
		c->dry_run |= row->bit == CLI_DRY_RUN;
		c->quick |= row->bit == CLI_QUICK;
		c->read_data |= row->bit == CLI_READ_DATA;
		c->svg |= row->bit == CLI_SVG;
		c->label |= row->bit == CLI_LABEL;
		c->words |= row->bit == CLI_WORDS;
		c->print_config |= row->bit == CLI_PRINT_CONFIG;
		c->dry_run |= row->bit == CLI_DRY_RUN;
		c->unpin |= row->bit == CLI_UNPIN;
		if (row->bit == CLI_NO_WEB)
			c->config.web = false;
	}
	return true;
}

static int apply(
    struct cli *c, const struct cli_command *cmd, const char *const *values)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct option_row *row = &rows[i];

		if (!values[i] || row->bit == CLI_CONFIG)
			continue;
		if (row->bit == CLI_LOG)
			c->has_log = true;
		if (row->key) {
			if (config_set(&c->config, row->key, values[i], stderr))
				return usage(cmd);
		} else if (!take_own(c, row, values[i])) {
			fprintf(stderr, "nightstand: --%s can't be %s\n",
			    row->name, values[i]);
			return usage(cmd);
		}
	}
	return 0;
}

static int read_config(struct cli *c, const char *path)
{
	enum log_level before = c->config.log;

	if (path && config_read(&c->config, path, stderr))
		return EXIT_CONFIG;
	c->has_log = c->config.log != before;
	return 0;
}

static void fill_options(const struct cli_command *cmd, struct option *out)
{
	size_t n = 0;

	for (size_t i = 0; i < N_ROWS; i++)
		if (takes(cmd, &rows[i]))
			out[n++] = (struct option){ rows[i].name,
				rows[i].arg ? required_argument : no_argument,
				NULL, (int)i + 1000 };
	out[n] = (struct option){ 0 };
}

static const char *option_value(const char *const *values, enum cli_option bit)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].bit == bit)
			return values[i];
	return NULL;
}

int cli_parse(
    const struct cli_command *cmd, int argc, char **argv, struct cli *out)
{
	struct option options[N_ROWS + 1];
	const char *values[N_ROWS] = { NULL };
	const char *config = NULL, *state;
	int status;
	int ch;

	memset(out, 0, sizeof(*out));
	out->wait_s = -1;
	config_defaults(&out->config);
	fill_options(cmd, options);
	while ((ch = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (ch == 'h' ||
		    (ch >= 1000 && rows[ch - 1000].bit == CLI_HELP)) {
			out->help = true;
			return 0;
		}
		if (ch < 1000)
			return usage(cmd);
		values[ch - 1000] = optarg ? optarg : "";
		if (rows[ch - 1000].bit == CLI_CONFIG)
			config = optarg;
	}
	if (optind < argc)
		out->word = argv[optind++];
	if (optind < argc) {
		fprintf(
		    stderr, "nightstand: too many words: %s\n", argv[optind]);
		return usage(cmd);
	}
	status = read_config(out, config);
	if (status)
		return status;
	/* The page's settings go over the file's, and the options over both. */
	state = option_value(values, CLI_STATE);
	settings_load(state ? state : out->config.state, &out->config);
	return apply(out, cmd, values);
}

void cli_print_options(const struct cli_command *cmd, FILE *out)
{
	char left[40];

	for (size_t i = 0; i < N_ROWS; i++) {
		if (!takes(cmd, &rows[i]))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
		    rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		fprintf(out, "  %-18s %s\n", left, rows[i].help);
	}
}
