/* What the commands that look into a vault share. */
#ifndef CMD_VAULT_H
#define CMD_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "outcome.h"
#include "vault.h"

#define UDIDS_MAX 64

struct look {
	const struct cli *cli;
	bool write; /* with the lock; else beside a running backup */
	struct vault *vault;
	struct vault_phone *phone;
	char udid[48];
	int64_t snapshot; /* that is asked for */
	cJSON *json; /* an array, or NULL */
	unsigned n_udids;
	char udids[UDIDS_MAX][48];
	unsigned n_found; /* snapshots that fit */
	int status; /* to end with */
};

/*
 * Opens the vault that `cli` names, and calls fn for each phone that is asked
 * for, l->phone being open. Returns the exit status: the last one of fn that
 * was not 0, or why the vault could not be opened, which was told.
 */
int look(struct look *l, int (*fn)(struct look *l));

/* Tells "WHAT: RC in words" and returns `code`. */
int look_say(const char *what, enum rc rc, enum exit_status code);
/* enum exit_status of a failure of the vault. */
int look_exit(enum rc rc);

const char *look_state(enum vault_state s);

/* Prints l->json and frees it. */
void look_print_json(struct look *l);

#endif
