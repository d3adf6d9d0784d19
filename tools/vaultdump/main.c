/*
 * vaultdump: what a vault is made of, and whether its parts fit each other.
 * Reads only; see README.md.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "log.h"

enum {
	OPT_ENTRIES = 1000,
	OPT_JSON,
	OPT_UDID,
	OPT_QUICK,
	OPT_ALL,
	OPT_HELP
};

static const char usage_text[] =
    "usage: vaultdump [OPTIONS] DIR\n\n"
    "Prints the vault in DIR (DIR/Nightstand): VAULT, and for each phone its\n"
    "snapshots, the rows of its catalogue, an interrupted night or commit, and\n"
    "what on the disk does not fit the rows. Writes nothing and may run beside\n"
    "a backup.\n\n"
    "  --udid UDID  this phone only\n"
    "  --entries    every row: interval, kind, size, BLAKE3, path\n"
    "  --all        every finding, not the first 20 of a kind\n"
    "  --quick      the catalogue only: the disk is not compared\n"
    "  --json       for programs\n"
    "  --help       this\n\n"
    "Exit status: 0 all fits, 1 something does not, 2 wrong words on the\n"
    "command line, 3 it can't be read.\n";

static const struct option options[] = {
	{ "entries", no_argument, NULL, OPT_ENTRIES },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "udid", required_argument, NULL, OPT_UDID },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct dump_opts o = { .udid = "" };
	int ch;

	log_set_level(LOG_LEVEL_ERROR);
	while ((ch = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (ch) {
		case OPT_ENTRIES:
			o.entries = true;
			break;
		case OPT_ALL:
			o.all = true;
			break;
		case OPT_QUICK:
			o.quick = true;
			break;
		case OPT_JSON:
			o.json = true;
			break;
		case OPT_UDID:
			o.udid = optarg;
			break;
		case 'h':
		case OPT_HELP:
			fputs(usage_text, stdout);
			return DUMP_FITS;
		default:
			fputs("Try vaultdump --help.\n", stderr);
			return DUMP_USAGE;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage_text, stderr);
		return DUMP_USAGE;
	}
	return dump_vault(argv[optind], &o);
}
