/* The command line: one table of options, one of commands. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "update_file.h"

enum cli_option {
	CLI_CONFIG = 1 << 0,
	CLI_VAULT = 1 << 1,
	CLI_STATE = 1 << 2,
	CLI_UDID = 1 << 3,
	CLI_FULL = 1 << 4,
	CLI_WAIT = 1 << 5,
	CLI_SNAPSHOT = 1 << 6,
	CLI_JSON = 1 << 7,
	CLI_NO_WEB = 1 << 8,
	CLI_PORT = 1 << 9,
	CLI_PRINT_CONFIG = 1 << 10,
	CLI_SVG = 1 << 11,
	CLI_LABEL = 1 << 12,
	CLI_LOG = 1 << 13,
	CLI_LED = 1 << 14,
	CLI_HELP = 1 << 15, /* every command has it */
	CLI_DRY_RUN = 1 << 16,
	CLI_UNPIN = 1 << 17,
	CLI_COPY = 1 << 18,
	CLI_FORCE = 1 << 19,
	CLI_QUICK = 1 << 20,
	CLI_READ_DATA = 1 << 21,
	CLI_MINUTES = 1 << 22,
	CLI_GIB = 1 << 23,
	CLI_OFF = 1 << 25,
	CLI_FOLDER = 1 << 24, /* a word on the command line: cli.word */
	CLI_TEST = 1 << 26,
	CLI_WORDS = 1 << 27,
	CLI_FILE = 1 << 28, /* likewise */
	CLI_KEY = 1 << 29
};

struct cli {
	struct config config; /* the file's, then the options' */
	char udid[48]; /* "" any */
	bool full, copy;
	int wait_s; /* -1: for ever */
	int64_t snapshot; /* 0: the newest good one */
	bool json, print_config, svg, label, words;
	bool quick, read_data;
	struct update_keys key; /* n 0: none given */
	bool dry_run, unpin, force, off, test;
	bool help; /* wanted: nothing else was looked at */
	bool has_log; /* --log, or the file, names a level */
	const char *word; /* the first word that is no option, or NULL */
};

/* A command: its words on the command line, what it does, what it takes. */
struct cli_command {
	const char *name;
	int (*run)(const struct cli *cli);
	unsigned options; /* of enum cli_option */
	const char *summary; /* NULL: an older name of the one before it */
	const char *details; /* lines for its help, or NULL */
};

/* 0, or an exit status after a complaint on stderr. */
int cli_parse(
    const struct cli_command *cmd, int argc, char **argv, struct cli *out);

/* The options of a command, for its help. */
void cli_print_options(const struct cli_command *cmd, FILE *out);

#endif
