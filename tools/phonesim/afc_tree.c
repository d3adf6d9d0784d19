/* The media folder in memory; see afc_tree.h. */
#include "afc_tree.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TREE_BYTES_MAX ((uint64_t)256 << 20)
#define TREE_NODES_MAX 100000
#define TREE_NAME_MAX  255
#define TREE_DEPTH_MAX 64

struct afc_tree {
	pthread_mutex_t lock;
	struct afc_node root;
	uint64_t bytes;
	unsigned nodes;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000;
}

void afc_tree_lock(struct afc_tree *t)
{
	pthread_mutex_lock(&t->lock);
}

void afc_tree_unlock(struct afc_tree *t)
{
	pthread_mutex_unlock(&t->lock);
}

uint64_t afc_tree_bytes(struct afc_tree *t)
{
	return t->bytes;
}

/* The next part of a path: its length, 0 at the end. */
static size_t path_part(const char **path)
{
	while (**path == '/')
		++*path;
	return strcspn(*path, "/");
}

static struct afc_node *node_child(
    struct afc_node *dir, const char *name, size_t n)
{
	struct afc_node *c = dir->child;

	while (c && (strncmp(c->name, name, n) != 0 || c->name[n]))
		c = c->next;
	return c;
}

static struct afc_node *node_step(
    struct afc_node *at, const char *part, size_t n)
{
	if (n == 1 && part[0] == '.')
		return at;
	if (n == 2 && part[0] == '.' && part[1] == '.')
		return at->parent ? at->parent : at;
	return at->is_dir ? node_child(at, part, n) : NULL;
}

struct afc_node *afc_tree_find(struct afc_tree *t, const char *path)
{
	struct afc_node *at = &t->root;
	size_t n;

	while (at && (n = path_part(&path)) > 0) {
		at = node_step(at, path, n);
		path += n;
	}
	return at;
}

/* The folder of a path's last part, and that part. */
static struct afc_node *tree_parent(
    struct afc_tree *t, const char *path, const char **name, size_t *len)
{
	struct afc_node *at = &t->root;
	size_t n = path_part(&path);
	int depth = 0;

	while (at && n > 0 && ++depth < TREE_DEPTH_MAX) {
		const char *rest = path + n;
		size_t more = path_part(&rest);

		if (more == 0) {
			*name = path;
			*len = n;
			return at->is_dir ? at : NULL;
		}
		at = node_step(at, path, n);
		path = rest;
		n = more;
	}
	return NULL;
}

static void node_free(struct afc_tree *t, struct afc_node *n)
{
	struct afc_node *c;

	while ((c = n->child)) {
		n->child = c->next;
		c->parent = NULL;
		if (c->refs == 0)
			node_free(t, c);
	}
	t->bytes -= n->size;
	t->nodes--;
	free(n->data);
	free(n->target);
	free(n->name);
	free(n);
}

static void node_link(struct afc_node *dir, struct afc_node *n)
{
	struct afc_node **at = &dir->child;

	while (*at)
		at = &(*at)->next;
	*at = n;
	n->next = NULL;
	n->parent = dir;
	dir->mtime_ns = now_ns();
}

static void node_unlink(struct afc_node *n)
{
	struct afc_node **at = &n->parent->child;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->parent->mtime_ns = now_ns();
	n->parent = NULL;
	n->next = NULL;
}

enum afc_status afc_tree_make(
    struct afc_tree *t, const char *path, bool is_dir, struct afc_node **out)
{
	struct afc_node *dir, *n;
	const char *name;
	size_t len;

	*out = NULL;
	n = afc_tree_find(t, path);
	if (n) {
		*out = n;
		return n->is_dir == is_dir ? AFC_OK : AFC_EXISTS;
	}
	dir = tree_parent(t, path, &name, &len);
	if (!dir)
		return AFC_NOT_FOUND;
	if (len > TREE_NAME_MAX)
		return AFC_INVALID;
	n = t->nodes < TREE_NODES_MAX ? calloc(1, sizeof(*n)) : NULL;
	if (n)
		n->name = strndup(name, len);
	if (!n || !n->name) {
		free(n);
		return AFC_NO_SPACE;
	}
	n->is_dir = is_dir;
	n->birth_ns = n->mtime_ns = now_ns();
	t->nodes++;
	node_link(dir, n);
	*out = n;
	return AFC_OK;
}

/* Out of the tree; its memory goes with the last handle. */
static void tree_drop(struct afc_tree *t, struct afc_node *n)
{
	node_unlink(n);
	if (n->refs == 0)
		node_free(t, n);
}

enum afc_status afc_tree_remove(
    struct afc_tree *t, const char *path, bool with_contents)
{
	struct afc_node *n = afc_tree_find(t, path);

	if (!n)
		return AFC_NOT_FOUND;
	if (n == &t->root)
		return AFC_DENIED;
	if (n->child && !with_contents)
		return AFC_NOT_EMPTY;
	tree_drop(t, n);
	return AFC_OK;
}

static bool node_is_below(const struct afc_node *n, const struct afc_node *top)
{
	while (n && n != top)
		n = n->parent;
	return n != NULL;
}

enum afc_status afc_tree_rename(
    struct afc_tree *t, const char *from, const char *to)
{
	struct afc_node *n = afc_tree_find(t, from), *dir, *old;
	const char *name;
	char *copy;
	size_t len;

	if (!n || n == &t->root)
		return AFC_NOT_FOUND;
	dir = tree_parent(t, to, &name, &len);
	if (!dir)
		return AFC_NOT_FOUND;
	if (node_is_below(dir, n) || len > TREE_NAME_MAX)
		return AFC_INVALID;
	old = node_child(dir, name, len);
	if (old == n)
		return AFC_OK;
	if (old && old->child)
		return AFC_NOT_EMPTY;
	copy = strndup(name, len);
	if (!copy)
		return AFC_RESOURCES;
	if (old)
		tree_drop(t, old);
	node_unlink(n);
	free(n->name);
	n->name = copy;
	node_link(dir, n);
	return AFC_OK;
}

enum afc_status afc_tree_resize(
    struct afc_tree *t, struct afc_node *n, uint64_t size)
{
	uint8_t *p;

	if (size > TREE_BYTES_MAX || t->bytes - n->size + size > TREE_BYTES_MAX)
		return AFC_NO_SPACE;
	if (size > n->room) {
		size_t room = (size_t)size + (size_t)size / 4 + 64;

		p = realloc(n->data, room);
		if (!p)
			return AFC_NO_SPACE;
		n->data = p;
		n->room = room;
	}
	if (size > n->size)
		memset(n->data + n->size, 0, (size_t)size - n->size);
	t->bytes = t->bytes - n->size + size;
	n->size = (size_t)size;
	n->mtime_ns = now_ns();
	return AFC_OK;
}

enum afc_status afc_tree_write(struct afc_tree *t, struct afc_node *n,
    uint64_t at, const void *p, size_t len)
{
	enum afc_status st;

	if (at > TREE_BYTES_MAX || len > TREE_BYTES_MAX)
		return AFC_NO_SPACE;
	if (at + len > n->size) {
		st = afc_tree_resize(t, n, at + len);
		if (st)
			return st;
	}
	if (len > 0)
		memcpy(n->data + at, p, len);
	n->mtime_ns = now_ns();
	return AFC_OK;
}

void afc_tree_ref(struct afc_node *n)
{
	n->refs++;
}

void afc_tree_unref(struct afc_tree *t, struct afc_node *n)
{
	if (--n->refs == 0 && !n->parent && n != &t->root)
		node_free(t, n);
}

/* What a phone has there from the start. */
static int tree_fill(struct afc_tree *t)
{
	static const char *const dirs[] = { "/AirFair", "/Books", "/DCIM",
		"/DCIM/100APPLE", "/Downloads", "/PhotoData", "/Photos",
		"/Purchases", "/Recordings", "/iTunesRestore",
		"/iTunes_Control", "/iTunes_Control/Device",
		"/iTunes_Control/iTunes" };
	static const char *const files[][2] = {
		{ "/Books/iBooksData2.plist", "bplist00\xd0\x08" },
		{ "/iTunes_Control/iTunes/iTunesPrefs", "frpd" },
		{ "/iTunes_Control/iTunes/iTunesPrefs.plist", "bplist00" },
	};
	struct afc_node *n;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (afc_tree_make(t, dirs[i], true, &n))
			return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (afc_tree_make(t, files[i][0], false, &n) ||
		    afc_tree_write(t, n, 0, files[i][1], strlen(files[i][1])))
			return -1;
	return 0;
}

struct afc_tree *afc_tree_new(void)
{
	struct afc_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->root.is_dir = true;
	t->root.birth_ns = t->root.mtime_ns = now_ns();
	if (tree_fill(t)) {
		afc_tree_free(t);
		return NULL;
	}
	return t;
}

void afc_tree_free(struct afc_tree *t)
{
	struct afc_node *c;

	if (!t)
		return;
	while ((c = t->root.child)) {
		t->root.child = c->next;
		node_free(t, c);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}
