/*
 * Inside the vault only: what an opened vault is made of.
 */
#ifndef VAULT_INT_H
#define VAULT_INT_H

#include "fileops.h"
#include "vault.h"

struct vault {
	const struct fileops *ops;
	char *path; /* DIR/Nightstand */
	int root; /* the same, opened */
	char id[33];
};

#endif
