/*
 * AFC (protocols.md 7.4): one request, one answer; little endian; the packet
 * number comes back. Held by CHECKS 44 for the form of its answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afc_tree.h"
#include "link.h"
#include "phone_private.h"
#include "values.h"

#define AFC_HEAD        40
#define AFC_PACKET_MAX  (16u << 20)
#define AFC_HANDLES_MAX 64
#define AFC_READ_MAX    (8u << 20)

enum afc_op {
	OP_STATUS = 1,
	OP_DATA = 2,
	OP_READ_DIR = 3,
	OP_TRUNCATE = 7,
	OP_REMOVE = 8,
	OP_MAKE_DIR = 9,
	OP_FILE_INFO = 0x0a,
	OP_DEVICE_INFO = 0x0b,
	OP_OPEN = 0x0d,
	OP_OPEN_RESULT = 0x0e,
	OP_READ = 0x0f,
	OP_WRITE = 0x10,
	OP_SEEK = 0x11,
	OP_TELL = 0x12,
	OP_TELL_RESULT = 0x13,
	OP_CLOSE = 0x14,
	OP_SET_SIZE = 0x15,
	OP_RENAME = 0x18,
	OP_SET_FS_BLOCK = 0x19,
	OP_SET_SOCKET_BLOCK = 0x1a,
	OP_LOCK = 0x1b,
	OP_MAKE_LINK = 0x1c,
	OP_SET_TIME = 0x1e,
	OP_REMOVE_ALL = 0x22
};

struct afc_handle {
	struct afc_node *node; /* NULL: free */
	uint64_t pos;
	uint64_t mode;
	bool has_shared;
};

struct afc {
	struct phone *ph;
	struct link *l;
	struct afc_tree *tree;
	struct afc_handle handles[AFC_HANDLES_MAX];
	/* the request */
	uint64_t number;
	char *body; /* NUL-terminated */
	size_t len;
	/* its answer */
	enum afc_op reply;
	char *out;
	size_t out_len;
	bool out_in_head; /* counts as part of the header, as results do */
};

/* --- bytes ----------------------------------------------------------------
 */

static uint64_t get64(const char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static void put64(char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (char)(v >> 8 * i);
}

/* Argument i of the request, all u64; 0 when it is not there. */
static uint64_t afc_arg(const struct afc *a, size_t i)
{
	return a->len >= 8 * (i + 1) ? get64(a->body + 8 * i) : 0;
}

/* The text behind n bytes of other arguments; NULL when there is none. */
static const char *afc_path(const struct afc *a, size_t n)
{
	return a->len > n ? a->body + n : NULL;
}

static const char *afc_second(const struct afc *a, const char *first)
{
	const char *next = first + strlen(first) + 1;

	return next < a->body + a->len ? next : NULL;
}

static enum afc_status afc_data(struct afc *a, const void *p, size_t n)
{
	a->out = malloc(n + 1);
	if (!a->out)
		return AFC_RESOURCES;
	memcpy(a->out, p, n);
	a->out_len = n;
	a->reply = OP_DATA;
	return AFC_OK;
}

static enum afc_status afc_number(struct afc *a, enum afc_op op, uint64_t v)
{
	char buf[8];
	enum afc_status st;

	put64(buf, v);
	st = afc_data(a, buf, sizeof(buf));
	a->reply = op;
	a->out_in_head = true;
	return st;
}

/* NUL-separated words, growing. */
static int words_add(FILE *f, const char *word)
{
	return fwrite(word, 1, strlen(word) + 1, f) == strlen(word) + 1 ? 0
									: -1;
}

static int words_pair(FILE *f, const char *key, unsigned long long value)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%llu", value);
	return words_add(f, key) || words_add(f, buf) ? -1 : 0;
}

static enum afc_status words_done(struct afc *a, FILE *f, char **buf, size_t *n)
{
	if (fclose(f)) {
		free(*buf);
		return AFC_RESOURCES;
	}
	a->out = *buf;
	a->out_len = *n;
	a->reply = OP_DATA;
	return AFC_OK;
}

/* --- folders and names ----------------------------------------------------
 */

static enum afc_status op_read_dir(struct afc *a)
{
	const char *path = afc_path(a, 0);
	struct afc_node *n = path ? afc_tree_find(a->tree, path) : NULL;
	char *buf = NULL;
	size_t len = 0;
	FILE *f;

	if (!n)
		return AFC_NOT_FOUND;
	if (!n->is_dir)
		return AFC_INVALID;
	f = open_memstream(&buf, &len);
	if (!f)
		return AFC_RESOURCES;
	words_add(f, ".");
	words_add(f, "..");
	for (struct afc_node *c = n->child; c; c = c->next)
		words_add(f, c->name);
	return words_done(a, f, &buf, &len);
}

static enum afc_status op_file_info(struct afc *a)
{
	const char *path = afc_path(a, 0);
	struct afc_node *n = path ? afc_tree_find(a->tree, path) : NULL;
	char *buf = NULL;
	size_t len = 0;
	FILE *f;

	if (!n)
		return AFC_NOT_FOUND;
	f = open_memstream(&buf, &len);
	if (!f)
		return AFC_RESOURCES;
	words_pair(f, "st_size", n->is_dir ? 64 : n->size);
	words_pair(f, "st_blocks", n->is_dir ? 0 : (n->size + 511) / 512);
	words_pair(f, "st_nlink", n->is_dir ? 2 : 1);
	words_add(f, "st_ifmt");
	words_add(f, n->is_dir ? "S_IFDIR" : n->target ? "S_IFLNK" : "S_IFREG");
	words_pair(f, "st_mtime", (unsigned long long)n->mtime_ns);
	words_pair(f, "st_birthtime", (unsigned long long)n->birth_ns);
	if (n->target) {
		words_add(f, "LinkTarget");
		words_add(f, n->target);
	}
	return words_done(a, f, &buf, &len);
}

static enum afc_status op_device_info(struct afc *a)
{
	uint64_t total, left;
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);

	if (!f)
		return AFC_RESOURCES;
	pthread_mutex_lock(&a->ph->lock);
	total = a->ph->total_bytes;
	left = a->ph->free_bytes;
	pthread_mutex_unlock(&a->ph->lock);
	words_add(f, "Model");
	words_add(f, values_model(a->ph->id.product_type)->hardware);
	words_pair(f, "FSTotalBytes", total);
	words_pair(f, "FSFreeBytes", left);
	words_pair(f, "FSBlockSize", 4096);
	return words_done(a, f, &buf, &len);
}

static enum afc_status op_make_dir(struct afc *a)
{
	const char *path = afc_path(a, 0);
	struct afc_node *n;

	return path ? afc_tree_make(a->tree, path, true, &n) : AFC_INVALID;
}

static enum afc_status op_remove(struct afc *a)
{
	const char *path = afc_path(a, 0);

	return path ? afc_tree_remove(a->tree, path, false) : AFC_INVALID;
}

static enum afc_status op_remove_all(struct afc *a)
{
	const char *path = afc_path(a, 0);

	return path ? afc_tree_remove(a->tree, path, true) : AFC_INVALID;
}

static enum afc_status op_rename(struct afc *a)
{
	const char *from = afc_path(a, 0);
	const char *to = from ? afc_second(a, from) : NULL;

	return to ? afc_tree_rename(a->tree, from, to) : AFC_INVALID;
}

static enum afc_status op_make_link(struct afc *a)
{
	const char *target = afc_path(a, 8);
	const char *name = target ? afc_second(a, target) : NULL;
	struct afc_node *n;
	enum afc_status st;

	if (!name || afc_arg(a, 0) != 2) /* symbolic ones only */
		return name ? AFC_NOT_SUPPORTED : AFC_INVALID;
	if (afc_tree_find(a->tree, name))
		return AFC_EXISTS;
	st = afc_tree_make(a->tree, name, false, &n);
	if (st)
		return st;
	n->target = strdup(target);
	return n->target ? AFC_OK : AFC_RESOURCES;
}

static enum afc_status op_truncate(struct afc *a)
{
	const char *path = afc_path(a, 8);
	struct afc_node *n = path ? afc_tree_find(a->tree, path) : NULL;

	if (!n)
		return AFC_NOT_FOUND;
	return n->is_dir ? AFC_IS_DIR
			 : afc_tree_resize(a->tree, n, afc_arg(a, 0));
}

static enum afc_status op_set_time(struct afc *a)
{
	const char *path = afc_path(a, 8);
	struct afc_node *n = path ? afc_tree_find(a->tree, path) : NULL;

	if (!n)
		return AFC_NOT_FOUND;
	n->mtime_ns = (int64_t)afc_arg(a, 0);
	return AFC_OK;
}

/* --- files ----------------------------------------------------------------
 */

static struct afc_handle *afc_handle(struct afc *a)
{
	uint64_t i = afc_arg(a, 0);

	if (i == 0 || i > AFC_HANDLES_MAX || !a->handles[i - 1].node)
		return NULL;
	return &a->handles[i - 1];
}

static void handle_unlock(struct afc_handle *h)
{
	if (h->has_shared)
		h->node->shared--;
	h->has_shared = false;
	if (h->node->exclusive == h)
		h->node->exclusive = NULL;
}

static void handle_close(struct afc *a, struct afc_handle *h)
{
	handle_unlock(h);
	afc_tree_unref(a->tree, h->node);
	h->node = NULL;
}

/* Modes: 1 r, 2 r+ (creates), 3 w, 4 w+, 5 a, 6 a+. */
static enum afc_status op_open(struct afc *a)
{
	const char *path = afc_path(a, 8);
	uint64_t mode = afc_arg(a, 0);
	struct afc_node *n = path ? afc_tree_find(a->tree, path) : NULL;
	enum afc_status st = AFC_OK;
	size_t i = 0;

	if (!path || mode < 1 || mode > 6)
		return AFC_INVALID;
	if (n && n->is_dir)
		return AFC_IS_DIR;
	while (i < AFC_HANDLES_MAX && a->handles[i].node)
		i++;
	if (i == AFC_HANDLES_MAX)
		return AFC_RESOURCES;
	if (!n && mode == 1)
		return AFC_NOT_FOUND;
	if (!n)
		st = afc_tree_make(a->tree, path, false, &n);
	if (!st && (mode == 3 || mode == 4))
		st = afc_tree_resize(a->tree, n, 0);
	if (st)
		return st;
	afc_tree_ref(n);
	a->handles[i] = (struct afc_handle){ .node = n, .mode = mode };
	return afc_number(a, OP_OPEN_RESULT, i + 1);
}

static enum afc_status op_read(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);
	uint64_t want = afc_arg(a, 1), have;
	enum afc_status st;

	if (!h)
		return AFC_INVALID;
	if (want > AFC_READ_MAX)
		want = AFC_READ_MAX;
	have = h->pos < h->node->size ? h->node->size - h->pos : 0;
	if (want > have)
		want = have;
	st = afc_data(
	    a, have ? h->node->data + h->pos : (const void *)"", (size_t)want);
	if (!st)
		h->pos += want;
	return st;
}

static enum afc_status op_write(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);
	enum afc_status st;

	if (!h)
		return AFC_INVALID;
	if (h->mode == 1)
		return AFC_DENIED;
	if (h->mode >= 5)
		h->pos = h->node->size;
	st = afc_tree_write(a->tree, h->node, h->pos, a->body + 8, a->len - 8);
	if (!st)
		h->pos += a->len - 8;
	return st;
}

static enum afc_status op_seek(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);
	uint64_t whence = afc_arg(a, 1);
	int64_t off = (int64_t)afc_arg(a, 2), base;

	if (!h || whence > 2)
		return AFC_INVALID;
	base = whence == 0   ? 0
	       : whence == 1 ? (int64_t)h->pos
			     : (int64_t)h->node->size;
	if (off > INT32_MAX || off < -(int64_t)INT32_MAX || base + off < 0)
		return AFC_INVALID;
	h->pos = (uint64_t)(base + off);
	return AFC_OK;
}

static enum afc_status op_tell(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);

	return h ? afc_number(a, OP_TELL_RESULT, h->pos) : AFC_INVALID;
}

static enum afc_status op_close(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);

	if (!h)
		return AFC_INVALID;
	handle_close(a, h);
	return AFC_OK;
}

static enum afc_status op_set_size(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);

	return h ? afc_tree_resize(a->tree, h->node, afc_arg(a, 1))
		 : AFC_INVALID;
}

/* flock() with LOCK_NB: 5 shared, 6 exclusive, 12 unlock. */
static enum afc_status op_lock(struct afc *a)
{
	struct afc_handle *h = afc_handle(a);
	uint64_t op = afc_arg(a, 1) & ~(uint64_t)4;
	struct afc_node *n;

	if (!h || (op != 1 && op != 2 && op != 8))
		return AFC_INVALID;
	n = h->node;
	if (op == 8) {
		handle_unlock(h);
		return AFC_OK;
	}
	if (phone_knob(a->ph, "afc_locked", 0) ||
	    (n->exclusive && n->exclusive != h) ||
	    (op == 2 && n->shared > (h->has_shared ? 1 : 0)))
		return AFC_WOULD_BLOCK;
	handle_unlock(h);
	if (op == 2) {
		n->exclusive = h;
	} else {
		n->shared++;
		h->has_shared = true;
	}
	return AFC_OK;
}

static enum afc_status op_fine(struct afc *a)
{
	(void)a;
	return AFC_OK;
}

/* --- the loop -------------------------------------------------------------
 */

/* clang-format off */
static const struct {
	enum afc_op op;
	enum afc_status (*fn)(struct afc *a);
	size_t args; /* bytes there must be */
} ops[] = {
	{ OP_READ_DIR, op_read_dir, 1 },
	{ OP_TRUNCATE, op_truncate, 9 },
	{ OP_REMOVE, op_remove, 1 },
	{ OP_MAKE_DIR, op_make_dir, 1 },
	{ OP_FILE_INFO, op_file_info, 1 },
	{ OP_DEVICE_INFO, op_device_info, 0 },
	{ OP_OPEN, op_open, 9 },
	{ OP_READ, op_read, 16 },
	{ OP_WRITE, op_write, 8 },
	{ OP_SEEK, op_seek, 24 },
	{ OP_TELL, op_tell, 8 },
	{ OP_CLOSE, op_close, 8 },
	{ OP_SET_SIZE, op_set_size, 16 },
	{ OP_RENAME, op_rename, 3 },
	{ OP_SET_FS_BLOCK, op_fine, 0 },
	{ OP_SET_SOCKET_BLOCK, op_fine, 0 },
	{ OP_LOCK, op_lock, 16 },
	{ OP_MAKE_LINK, op_make_link, 10 },
	{ OP_SET_TIME, op_set_time, 9 },
	{ OP_REMOVE_ALL, op_remove_all, 1 },
};
/* clang-format on */

static enum afc_status afc_run(struct afc *a, uint64_t op)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if ((uint64_t)ops[i].op == op)
			return a->len < ops[i].args ? AFC_INVALID
						    : ops[i].fn(a);
	return AFC_NOT_SUPPORTED;
}

static int afc_answer(struct afc *a, enum afc_status st)
{
	char head[AFC_HEAD + 8];
	uint64_t whole, own;

	memcpy(head, "CFA6LPAA", 8);
	put64(head + 24, a->number);
	if (st || !a->out) {
		put64(head + 8, AFC_HEAD + 8);
		put64(head + 16, AFC_HEAD + 8);
		put64(head + 32, OP_STATUS);
		put64(head + 40, (uint64_t)st);
		return link_write(a->l, head, AFC_HEAD + 8);
	}
	whole = AFC_HEAD + a->out_len;
	own = a->out_in_head ? whole : AFC_HEAD;
	put64(head + 8, whole);
	put64(head + 16, own);
	put64(head + 32, (uint64_t)a->reply);
	return link_write2(a->l, head, AFC_HEAD, a->out, a->out_len);
}

static int afc_turn(struct afc *a)
{
	char head[AFC_HEAD];
	enum afc_status st;
	uint64_t whole;
	int rc = -1;

	if (link_read(a->l, head, sizeof(head)))
		return -1;
	whole = get64(head + 8);
	if (memcmp(head, "CFA6LPAA", 8) != 0 || whole < AFC_HEAD ||
	    whole > AFC_PACKET_MAX)
		return -1;
	a->number = get64(head + 24);
	a->len = (size_t)whole - AFC_HEAD;
	a->body = malloc(a->len + 2);
	if (!a->body)
		return -1;
	a->body[a->len] = a->body[a->len + 1] = 0;
	if (!link_read(a->l, a->body, a->len)) {
		afc_tree_lock(a->tree);
		st = afc_run(a, get64(head + 32));
		afc_tree_unlock(a->tree);
		rc = afc_answer(a, st);
	}
	free(a->body);
	free(a->out);
	a->body = a->out = NULL;
	a->out_in_head = false;
	return rc;
}

void afc_serve(struct phone *ph, struct link *l)
{
	struct afc a = { .ph = ph, .l = l, .tree = ph->p->afc };

	while (afc_turn(&a) == 0)
		;
	afc_tree_lock(a.tree);
	for (int i = 0; i < AFC_HANDLES_MAX; i++)
		if (a.handles[i].node)
			handle_close(&a, &a.handles[i]);
	afc_tree_unlock(a.tree);
}
