#include "night.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "prune.h"
#include "relpath.h"

#define LOG_MODULE "vault"
#include "log.h"

#define COPY_BUFFER (256u << 10)
#define MOVE_PAGE   64 /* nodes of a moved folder that are held at a time */

struct store_file {
	struct vault_night *n;
	bool writing;
	struct staging_file st;
	int fd;
	char rel[]; /* of a file that is written */
};

/* The part below the UDID; all paths were checked before they came here. */
static enum rc rel_of(struct vault_night *n, const char *path, const char **rel)
{
	size_t len = strlen(n->p->udid);

	if (strncmp(path, n->p->udid, len) != 0)
		return RC_REFUSED;
	if (path[len] == '\0')
		*rel = path + len;
	else if (path[len] == '/' && path[len + 1] != '\0')
		*rel = path + len + 1;
	else
		return RC_REFUSED;
	return RC_OK;
}

/* --- looking ---------------------------------------------------------------- */

static void node_stat(const struct view_node *node, struct store_stat *st)
{
	st->kind = node->kind;
	st->size = node->kind == STORE_FILE ? node->size : 0;
	st->mtime = node->mtime;
}

static enum rc get(
    struct vault_night *n, const char *path, struct view_node *node)
{
	const char *rel;
	enum rc rc = rel_of(n, path, &rel);

	return rc ? rc : view_get(n->view, rel, node);
}

static enum rc night_stat(void *ctx, const char *path, struct store_stat *out)
{
	struct vault_night *n = ctx;
	struct view_node node;
	enum rc rc;

	view_hold(n->view);
	rc = get(n, path, &node);
	if (!rc)
		node_stat(&node, out);
	return rc;
}

struct list_arg {
	store_list_fn fn;
	void *arg;
};

static enum rc list_one(
    void *arg, const char *path, const struct view_node *node)
{
	struct list_arg *a = arg;
	const char *slash = strrchr(path, '/');
	struct store_stat st;

	node_stat(node, &st);
	return a->fn(a->arg, slash ? slash + 1 : path, &st);
}

static enum rc night_list(
    void *ctx, const char *path, store_list_fn fn, void *arg)
{
	struct vault_night *n = ctx;
	struct list_arg a = { .fn = fn, .arg = arg };
	struct view_walk walk = { .after = "", .children = true };
	struct view_node node;
	enum rc rc = rel_of(n, path, &walk.rel);

	view_hold(n->view);
	if (!rc)
		rc = view_get(n->view, walk.rel, &node);
	if (!rc && node.kind != STORE_DIR)
		rc = RC_NOTDIR;
	return rc ? rc : view_each(n->view, &walk, list_one, &a);
}

/* See lend.h: RC_NOTFOUND hides Status.plist. */
static enum rc open_for_phone(struct vault_night *n,
    const struct view_node *node, const char *rel, int *fd, uint64_t *size)
{
	enum rc rc;

	*size = node->size;
	if (node->staged || n->lend == LEND_ALL)
		return night_open_file(n, node, rel, fd);
	if (n->lend == LEND_NO_STATUS && strcmp(rel, "Status.plist") == 0)
		return RC_NOTFOUND;
	if (n->lend == LEND_PRUNED_MANIFEST &&
	    strcmp(rel, "Manifest.db") == 0) {
		rc = lend_manifest(n->p, fd, size);
		if (!rc)
			return RC_OK;
		*size = node->size; /* what was not asked for stays damaged */
	}
	return night_open_file(n, node, rel, fd);
}

static enum rc night_open(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	struct vault_night *n = ctx;
	struct view_node node;
	struct store_file *f;
	const char *rel;
	enum rc rc = rel_of(n, path, &rel);
	uint64_t bytes = 0;
	int fd = -1;

	if (!rc)
		rc = view_get(n->view, rel, &node);
	if (!rc)
		rc = open_for_phone(n, &node, rel, &fd, &bytes);
	if (rc)
		return rc;
	f = calloc(1, sizeof(*f));
	if (!f) {
		n->p->ops->close(n->p->ops->ctx, fd);
		return RC_NOMEM;
	}
	f->n = n;
	f->fd = fd;
	*size = bytes;
	*out = f;
	return RC_OK;
}

static enum rc night_read(
    struct store_file *f, void *buf, size_t cap, size_t *len)
{
	const struct fileops *ops = f->n->p->ops;
	ssize_t got = ops->read(ops->ctx, f->fd, buf, cap);

	*len = got > 0 ? (size_t)got : 0;
	return fileops_rc(got);
}

static void night_close(struct store_file *f)
{
	if (!f)
		return;
	f->n->p->ops->close(f->n->p->ops->ctx, f->fd);
	free(f);
}

/* --- changing: first all checks, then the rows ------------------------------ */

static bool parent_of(const char *rel, char out[LIMIT_DL_PATH + 1])
{
	const char *slash = strrchr(rel, '/');
	size_t len = slash ? (size_t)(slash - rel) : 0;

	if (rel[0] == '\0')
		return false; /* the top has none */
	memcpy(out, rel, len);
	out[len] = '\0';
	return true;
}

static enum rc put_dir(struct vault_night *n, const char *rel)
{
	return night_poison(n, view_put_dir(n->view, rel, time(NULL)));
}

/* The place of a folder in the night's memory; NULL: its name is too long. */
static char *folder_slot(struct vault_night *n, const char *rel)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	size_t len = strlen(rel);

	if (len == 0 || len >= NIGHT_FOLDER_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)rel[i]) * 16777619u;
	return n->folders[(h ^ h >> 16) % NIGHT_FOLDERS];
}

static void forget_folders(struct vault_night *n)
{
	memset(n->folders, 0, sizeof(n->folders));
}

/* Makes what is missing between the top and `rel`. RC_NOTDIR: a file is in
 * the way. */
static enum rc ensure_parents(struct vault_night *n, const char *rel)
{
	char parent[LIMIT_DL_PATH + 1];
	struct view_node node;
	char *slot;
	enum rc rc;

	if (!parent_of(rel, parent))
		return RC_OK;
	slot = folder_slot(n, parent);
	if (slot && strcmp(slot, parent) == 0)
		return RC_OK;
	rc = view_get(n->view, parent, &node);
	if (!rc && node.kind != STORE_DIR)
		return RC_NOTDIR;
	if (rc == RC_NOTFOUND) {
		/* As deep as the path has slashes: a few hundred at most. */
		rc = ensure_parents(n, parent);
		if (!rc)
			rc = put_dir(n, parent);
	}
	if (!rc && slot)
		memcpy(slot, parent, strlen(parent) + 1);
	return rc;
}

/* A path that a file is to come to. */
struct target {
	const char *rel;
	bool staged; /* it shows a file of this night, at `place` */
	struct layout_place place;
};

/* May a file come to `rel`? */
static enum rc check_target(
    struct vault_night *n, const char *rel, struct target *t)
{
	struct view_node node;
	enum rc rc = view_get(n->view, rel, &node);

	*t = (struct target){ .rel = rel };
	if (rc == RC_NOTFOUND)
		return ensure_parents(n, rel);
	if (rc)
		return rc;
	t->staged = node.staged;
	t->place = node.place;
	return node.kind == STORE_DIR ? RC_ISDIR : RC_OK;
}

/* Shows staged `num` at a path that has just been checked. */
static enum rc put_file(
    struct vault_night *n, const struct target *t, uint32_t num)
{
	enum rc rc = RC_OK;

	if (t->staged) {
		n->owes = true;
		rc = view_drop_staged(n->view, t->place.num);
		if (!rc)
			rc = staging_doom(&n->p->staging, &t->place);
	}
	if (!rc)
		rc = view_put_file(n->view, t->rel, num);
	return night_poison(n, rc);
}

static enum rc night_make_dir(void *ctx, const char *path)
{
	struct vault_night *n = ctx;
	struct view_node node;
	const char *rel;
	enum rc rc = rel_of(n, path, &rel);

	if (!rc)
		rc = night_change(n);
	if (rc)
		return rc;
	rc = view_get(n->view, rel, &node);
	if (!rc)
		return RC_EXISTS;
	if (rc != RC_NOTFOUND)
		return night_poison(n, rc);
	rc = ensure_parents(n, rel);
	if (!rc)
		rc = put_dir(n, rel);
	return rc ? rc : night_changed(n);
}

/* A device that fails while it takes data is not trusted any further; a full
 * one is, because nothing is lost. */
static enum rc staging_failed(struct vault_night *n, enum rc rc)
{
	return rc == RC_NOSPC ? rc : night_poison(n, rc);
}

static enum rc night_create(
    void *ctx, const char *path, struct store_file **out)
{
	struct vault_night *n = ctx;
	struct store_file *f;
	const char *rel;
	enum rc rc = rel_of(n, path, &rel);

	if (!rc && rel[0] == '\0')
		rc = RC_ISDIR;
	if (!rc)
		rc = night_change(n);
	if (!rc)
		rc = ensure_parents(n, rel);
	if (rc)
		return rc;
	f = malloc(sizeof(*f) + strlen(rel) + 1);
	if (!f)
		return RC_NOMEM;
	f->n = n;
	f->writing = true;
	f->fd = -1;
	memcpy(f->rel, rel, strlen(rel) + 1);
	rc = staging_create(&n->p->staging, rel, &f->st);
	if (rc) {
		free(f);
		return staging_failed(n, rc);
	}
	*out = f;
	return RC_OK;
}

static enum rc night_write(struct store_file *f, const void *data, size_t len)
{
	enum rc rc = staging_write(&f->st, data, len);

	return rc ? staging_failed(f->n, rc) : RC_OK;
}

static enum rc add_row(struct vault_night *n, const struct staging_file *st)
{
	enum rc rc = view_add_staged(
	    n->view, &st->place, st->size, time(NULL), st->digest);

	if (!rc)
		rereader_add(n->rereader, &st->place, st->size, st->quick_hash);
	return night_poison(n, rc);
}

static void night_discard(struct store_file *f)
{
	if (!f)
		return;
	staging_discard(&f->st);
	free(f);
}

static enum rc night_finish(struct store_file *f)
{
	struct vault_night *n = f->n;
	struct target to;
	enum rc rc = staging_close(&f->st);

	if (rc)
		rc = staging_failed(n, rc);
	else
		rc = night_change(n);
	if (!rc) /* again: other commands may have come in between */
		rc = check_target(n, f->rel, &to);
	if (!rc)
		rc = night_told_file(n, f->rel, &f->st.place);
	if (rc) {
		night_discard(f);
		return rc;
	}
	rc = add_row(n, &f->st);
	if (!rc)
		rc = put_file(n, &to, f->st.place.num);
	free(f);
	return rc ? rc : night_changed(n);
}

static enum rc copy_bytes(
    struct vault_night *n, int fd, struct staging_file *to)
{
	const struct fileops *ops = n->p->ops;
	char *buf = malloc(COPY_BUFFER);
	enum rc rc = RC_OK;
	ssize_t got = 1;

	if (!buf)
		return RC_NOMEM;
	while (!rc && got > 0) {
		got = ops->read(ops->ctx, fd, buf, COPY_BUFFER);
		rc = fileops_rc(got);
		if (!rc && got > 0)
			rc = staging_write(to, buf, (size_t)got);
	}
	free(buf);
	return rc;
}

/* A new staged file with the bytes of `node`, which is to come to `dest`, and
 * its row. */
static enum rc copy_to_staged(struct vault_night *n,
    const struct view_node *node, const char *rel, const char *dest,
    uint32_t *num)
{
	struct staging_file to;
	int fd = -1;
	enum rc rc = night_open_file(n, node, rel, &fd);

	if (rc)
		return rc;
	rc = staging_create(&n->p->staging, dest, &to);
	if (rc)
		goto out;
	rc = copy_bytes(n, fd, &to);
	if (!rc)
		rc = staging_close(&to);
	/* The copy must not spread what rotted on the disk. */
	if (!rc && memcmp(to.digest, node->digest, DIGEST_LEN) != 0)
		rc = RC_CORRUPT;
	if (rc) {
		staging_discard(&to);
		goto out;
	}
	rc = add_row(n, &to);
	*num = to.place.num;
out:
	n->p->ops->close(n->p->ops->ctx, fd);
	return rc;
}

/*
 * A file of this night changes its path; one of the base is copied, because
 * the older snapshot still needs its bytes where they are (V1). Phones move
 * only what they have just sent.
 */
static enum rc move_file(struct vault_night *n, const char *from,
    const struct view_node *node, const char *to)
{
	uint32_t num = node->place.num;
	struct target t;
	enum rc rc = check_target(n, to, &t);

	if (!rc && !node->staged)
		rc = copy_to_staged(n, node, from, to, &num);
	if (rc)
		return rc;
	rc = night_poison(n, view_hide(n->view, from));
	return rc ? rc : put_file(n, &t, num);
}

/* --- folders ----------------------------------------------------------------- */

struct move_page {
	struct {
		struct view_node node;
		char *path;
	} rows[MOVE_PAGE];
	unsigned n;
};

static enum rc page_add(
    void *arg, const char *path, const struct view_node *node)
{
	struct move_page *pg = arg;

	pg->rows[pg->n].node = *node;
	pg->rows[pg->n].path = strdup(path);
	if (!pg->rows[pg->n].path)
		return RC_NOMEM;
	pg->n++;
	return RC_OK;
}

static enum rc move_row(struct vault_night *n, const char *path,
    const struct view_node *node, const char *from, const char *to)
{
	char dest[2 * LIMIT_DL_PATH + 4];
	size_t skip = from[0] ? strlen(from) + 1 : 0;
	int len = snprintf(dest, sizeof(dest), "%s/%s", to, path + skip);

	if (len < 0 || len > LIMIT_DL_PATH)
		return RC_LIMIT;
	if (node->kind == STORE_DIR)
		return put_dir(n, dest);
	return move_file(n, path, node, dest);
}

/* A page at a time: the walk must not see its own changes. */
static enum rc move_rows(
    struct vault_night *n, const char *from, const char *to)
{
	char after[LIMIT_DL_PATH + 1] = "";
	struct move_page *pg = calloc(1, sizeof(*pg));
	unsigned got;
	enum rc rc;

	if (!pg)
		return RC_NOMEM;
	do {
		struct view_walk walk = {
			.rel = from, .after = after, .max = MOVE_PAGE
		};

		rc = view_each(n->view, &walk, page_add, pg);
		got = pg->n;
		for (unsigned i = 0; i < got; i++) {
			if (!rc)
				rc = move_row(n, pg->rows[i].path,
				    &pg->rows[i].node, from, to);
			if (i == got - 1)
				snprintf(after, sizeof(after), "%s",
				    pg->rows[i].path);
			free(pg->rows[i].path);
		}
		pg->n = 0;
	} while (!rc && got == MOVE_PAGE);
	free(pg);
	return rc;
}

static enum rc doom_one(void *arg, const struct layout_place *place)
{
	return staging_doom(arg, place);
}

static enum rc remove_tree(struct vault_night *n, const char *rel)
{
	forget_folders(n);
	return night_poison(
	    n, view_hide_tree(n->view, rel, doom_one, &n->p->staging));
}

static bool is_inside(const char *rel, const char *dir)
{
	size_t len = strlen(dir);

	return len == 0 || (strncmp(rel, dir, len) == 0 &&
			       (rel[len] == '/' || rel[len] == '\0'));
}

static enum rc move_dir(struct vault_night *n, const char *from, const char *to)
{
	struct view_node node;
	enum rc rc;

	if (is_inside(to, from))
		return RC_REFUSED;
	rc = view_get(n->view, to, &node);
	if (!rc)
		return RC_EXISTS;
	if (rc != RC_NOTFOUND)
		return rc;
	rc = ensure_parents(n, to);
	if (!rc)
		rc = put_dir(n, to);
	if (!rc)
		rc = move_rows(n, from, to);
	/* Half of a folder is moved: nobody can go on from that. */
	if (rc)
		return night_poison(n, rc);
	return remove_tree(n, from);
}

static bool parent_is_known(struct vault_night *n, const char *rel)
{
	char parent[LIMIT_DL_PATH + 1];
	const char *slot;

	if (!parent_of(rel, parent))
		return false;
	slot = folder_slot(n, parent);
	return slot && strcmp(slot, parent) == 0;
}

static enum rc night_move(void *ctx, const char *from, const char *to)
{
	struct vault_night *n = ctx;
	struct view_node node;
	const char *rfrom, *rto;
	bool moved = false;
	enum rc rc = rel_of(n, from, &rfrom);

	if (!rc)
		rc = rel_of(n, to, &rto);
	if (!rc)
		rc = night_change(n);
	n->owes = true;
	if (!rc && parent_is_known(n, rto))
		rc = night_poison(
		    n, view_move_staged(n->view, rfrom, rto, &moved));
	if (!rc && moved)
		return night_changed(n);
	if (!rc)
		rc = view_get(n->view, rfrom, &node);
	if (rc)
		return rc;
	if (strcmp(rfrom, rto) == 0)
		return RC_OK;
	if (node.kind == STORE_DIR)
		rc = move_dir(n, rfrom, rto);
	else
		rc = move_file(n, rfrom, &node, rto);
	return rc ? rc : night_changed(n);
}

static enum rc remove_file(
    struct vault_night *n, const char *rel, const struct view_node *node)
{
	enum rc rc = RC_OK;

	if (node->staged) {
		rc = view_drop_staged(n->view, node->place.num);
		if (!rc)
			rc = staging_doom(&n->p->staging, &node->place);
	}
	if (!rc)
		rc = view_hide(n->view, rel);
	return night_poison(n, rc);
}

static enum rc night_remove(void *ctx, const char *path)
{
	struct vault_night *n = ctx;
	struct view_node node;
	const char *rel;
	enum rc rc = rel_of(n, path, &rel);

	if (!rc)
		rc = night_change(n);
	if (!rc)
		rc = view_get(n->view, rel, &node);
	if (rc)
		return rc;
	n->owes = true;
	if (node.kind == STORE_DIR)
		rc = remove_tree(n, rel);
	else
		rc = remove_file(n, rel, &node);
	return rc ? rc : night_changed(n);
}

static enum rc night_copy(void *ctx, const char *from, const char *to)
{
	struct vault_night *n = ctx;
	struct view_node node;
	struct target t;
	const char *rfrom, *rto;
	uint32_t num = 0;
	enum rc rc = rel_of(n, from, &rfrom);

	if (!rc)
		rc = rel_of(n, to, &rto);
	if (!rc)
		rc = night_change(n);
	if (!rc)
		rc = view_get(n->view, rfrom, &node);
	if (!rc && node.kind != STORE_FILE)
		rc = RC_ISDIR;
	if (rc)
		return rc;
	if (strcmp(rfrom, rto) == 0)
		return RC_OK;
	rc = check_target(n, rto, &t);
	if (!rc)
		rc = copy_to_staged(n, &node, rfrom, rto, &num);
	if (!rc)
		rc = put_file(n, &t, num);
	return rc ? rc : night_changed(n);
}

/* --- room -------------------------------------------------------------------- */

static enum rc night_free_space(void *ctx, uint64_t *out)
{
	struct vault_night *n = ctx;
	struct statvfs sv;
	uint64_t room;

	if (fstatvfs(n->p->root, &sv) < 0)
		return RC_IO;
	room = (uint64_t)sv.f_bavail * sv.f_frsize;
	*out = room > n->reserve ? room - n->reserve : 0;
	return RC_OK;
}

/* First what this night itself has thrown away, then old snapshots, as far as
 * the owner's rules allow. */
static enum rc night_purge(void *ctx, uint64_t want, uint64_t *freed)
{
	struct vault_night *n = ctx;
	uint64_t before = 0, after = 0, got;
	enum rc rc;

	*freed = 0;
	rc = night_free_space(n, &before);
	if (!rc)
		rc = night_checkpoint(n);
	if (!rc)
		rc = night_free_space(n, &after);
	got = after > before ? after - before : 0;
	if (!rc && got < want && prune_for_room(n->p, want - got))
		log_info("old snapshots could not be dropped");
	if (!rc)
		rc = night_free_space(n, &after);
	if (!rc && after > before)
		*freed = after - before;
	return rc;
}

const struct store_ops night_store_ops = {
	.stat = night_stat,
	.list = night_list,
	.make_dir = night_make_dir,
	.move = night_move,
	.remove = night_remove,
	.copy = night_copy,
	.create = night_create,
	.write = night_write,
	.finish = night_finish,
	.discard = night_discard,
	.open = night_open,
	.read = night_read,
	.close = night_close,
	.free_space = night_free_space,
	.purge = night_purge,
	.confirm = night_confirm,
};
