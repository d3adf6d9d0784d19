/*
 * Names of domains, folders and files as phones have them, each a function of
 * numbers. The domains are those of recorded phones (evidence/backup.md 5).
 */
#ifndef CONTENT_NAMES_H
#define CONTENT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "content_bytes.h"

#define CONTENT_DOMAIN_CAP 160
#define CONTENT_NAME_CAP   1100

struct content_name {
	char domain[CONTENT_DOMAIN_CAP];
	char path[CONTENT_NAME_CAP];
	uint64_t size; /* as on a real phone */
	int pclass;
};

/* Kinds of files, each numbered from 0 on its own. */
enum content_shape {
	SHAPE_PHOTO, /* and, rarely, a film */
	SHAPE_THUMB,
	SHAPE_ATTACHMENT,
	SHAPE_PREFERENCE,
	SHAPE_HOME,
	SHAPE_APP,
	SHAPE_CHAT,
	SHAPE_GROUP,
	SHAPE_PLUGIN,
	SHAPE_HEALTH, /* only in encrypted backups */
	SHAPE_COUNT
};

struct content_scope { /* how large the phone is */
	uint64_t apps, plugins;
};

void content_name_of(enum content_shape shape, uint64_t n,
    const struct content_scope *scope, struct content_rng *r,
    struct content_name *out);

/* Single files that every phone has: 0 … count - 1, the well-known ones
 * first. enc_only: those of encrypted backups. */
uint64_t content_single_count(int enc_only);
void content_single(int enc_only, uint64_t i, struct content_name *out);

/* Domains that hold nothing but empty folders; path gets the n-th folder.
 * 0 when there are no more. */
int content_skeleton(
    uint64_t n, const struct content_scope *scope, struct content_name *out);

/* "com.vendor.product" of an app. */
void content_bundle(uint64_t app, char *out, size_t cap);
void content_uuid(struct content_rng *r, char out[37]);

#endif
