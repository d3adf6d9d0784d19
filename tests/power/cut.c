#include "cut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SECTOR 512u
#define PAGE   4096u
#define SINGLE 48 /* changes that are taken alone */

struct bytes {
	uint8_t *p;
	size_t len, cap;
};

struct list {
	uint32_t *p;
	size_t n, cap;
};

struct node {
	struct bytes synced, now;
	struct bytes ghost; /* what stood at each place before */
	struct list pending; /* operations */
	uint64_t synced_hash;
	bool named; /* by the newest names */
	/* of the disk that is made: */
	struct bytes made;
	bool has_made; /* else `synced` is it */
};

struct slot {
	uint32_t now;
	uint32_t journaled, plain; /* what is synced, on each kind of disk */
	uint32_t made;
};

struct cut {
	const struct record *r;
	size_t at;
	unsigned marks;
	struct node *nodes;
	struct slot *slots;
	/* Changes of names that are not synced, on each kind of disk. */
	struct list journaled, plain;
	struct list data; /* inodes with unsynced bytes */
	uint64_t seed;
};

static uint64_t dice(struct cut *c)
{
	uint64_t z = (c->seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static bool chance(struct cut *c, unsigned percent)
{
	return dice(c) % 100 < percent;
}

static void *checked(void *p)
{
	if (!p) {
		fprintf(stderr, "cut: no memory\n");
		abort();
	}
	return p;
}

static void push(struct list *l, uint32_t v)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->p = checked(realloc(l->p, l->cap * sizeof(*l->p)));
	}
	l->p[l->n++] = v;
}

static void resize(struct bytes *b, size_t len)
{
	if (len > b->cap) {
		b->cap = len + len / 2 + 256;
		b->p = checked(realloc(b->p, b->cap));
	}
	if (len > b->len)
		memset(b->p + b->len, 0, len - b->len);
	b->len = len;
}

static void copy(struct bytes *to, const struct bytes *from)
{
	resize(to, from->len);
	if (from->len)
		memcpy(to->p, from->p, from->len);
}

static void put(struct bytes *b, uint64_t at, const uint8_t *p, size_t len)
{
	if (at + len > b->len)
		resize(b, (size_t)(at + len));
	memcpy(b->p + at, p, len);
}

/* --- following the record ----------------------------------------------------- */

static void set_synced(struct node *n)
{
	copy(&n->synced, &n->now);
	n->synced_hash = XXH3_64bits(n->synced.p, n->synced.len);
	n->pending.n = 0;
}

struct cut *cut_new(const struct record *r)
{
	struct cut *c = checked(calloc(1, sizeof(*c)));

	c->r = r;
	c->nodes = checked(calloc(r->n_inodes, sizeof(*c->nodes)));
	c->slots = checked(calloc(r->n_slots + 1, sizeof(*c->slots)));
	for (size_t i = 1; i < r->n_inodes; i++) {
		const struct record_inode *in = &r->inodes[i];

		if (in->base_len)
			put(&c->nodes[i].now, 0, in->base, in->base_len);
		else
			resize(&c->nodes[i].now, 0);
		set_synced(&c->nodes[i]);
	}
	for (size_t i = 0; i < r->n_slots; i++) {
		struct slot *s = &c->slots[i];

		s->now = s->journaled = s->plain = r->slots[i].base;
		c->nodes[s->now].named = true;
	}
	return c;
}

void cut_free(struct cut *c)
{
	for (size_t i = 0; i < c->r->n_inodes; i++) {
		struct node *n = &c->nodes[i];

		free(n->synced.p);
		free(n->now.p);
		free(n->ghost.p);
		free(n->made.p);
		free(n->pending.p);
	}
	free(c->nodes);
	free(c->slots);
	free(c->journaled.p);
	free(c->plain.p);
	free(c->data.p);
	free(c);
}

static void sync_file(struct cut *c, uint32_t ino)
{
	size_t k = 0;

	set_synced(&c->nodes[ino]);
	for (size_t i = 0; i < c->data.n; i++)
		if (c->data.p[i] != ino)
			c->data.p[k++] = c->data.p[i];
	c->data.n = k;
}

/* The first n changes of a journaled disk are on the medium. */
static void sync_journaled(struct cut *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct record_op *op = &c->r->ops[c->journaled.p[i]];

		if (op->kind == RECORD_RENAME)
			c->slots[op->from].journaled = 0;
		c->slots[op->to].journaled = op->ino;
	}
	if (c->journaled.n > n) /* else there may be no array */
		memmove(c->journaled.p, c->journaled.p + n,
		    (c->journaled.n - n) * sizeof(*c->journaled.p));
	c->journaled.n -= n;
}

static bool touches(struct cut *c, const struct record_op *op, uint32_t dir)
{
	return c->r->slots[op->to].dir == dir ||
	       (op->kind == RECORD_RENAME && c->r->slots[op->from].dir == dir);
}

/* What of a folder is on a plain disk; dir 0: all of it. A rename between two
 * folders is one change, so that the other folder's half comes along. */
static void sync_plain(struct cut *c, uint32_t dir)
{
	size_t k = 0;

	for (size_t i = 0; i < c->plain.n; i++) {
		const struct record_op *op = &c->r->ops[c->plain.p[i]];

		if (dir != 0 && !touches(c, op, dir)) {
			c->plain.p[k++] = c->plain.p[i];
			continue;
		}
		if (op->kind == RECORD_RENAME)
			c->slots[op->from].plain = 0;
		c->slots[op->to].plain = op->ino;
	}
	c->plain.n = k;
}

static void sync_folder(struct cut *c, uint32_t dir)
{
	size_t upto = 0;

	for (size_t i = 0; i < c->journaled.n; i++)
		if (touches(c, &c->r->ops[c->journaled.p[i]], dir))
			upto = i + 1;
	sync_journaled(c, upto);
	sync_plain(c, dir);
}

static void sync_all(struct cut *c)
{
	while (c->data.n)
		sync_file(c, c->data.p[0]);
	sync_journaled(c, c->journaled.n);
	sync_plain(c, 0);
}

static void change_bytes(struct cut *c, const struct record_op *op)
{
	struct node *n = &c->nodes[op->ino];

	if (n->pending.n == 0)
		push(&c->data, op->ino);
	push(&n->pending, (uint32_t)c->at);
	if (op->kind == RECORD_WRITE) {
		put(&n->now, op->offset, op->data, (size_t)op->len);
	} else {
		if (n->now.len)
			put(&n->ghost, 0, n->now.p, n->now.len);
		resize(&n->now, (size_t)op->len);
	}
}

static void change_name(struct cut *c, const struct record_op *op)
{
	c->nodes[c->slots[op->to].now].named = false;
	if (op->kind == RECORD_RENAME)
		c->slots[op->from].now = 0;
	c->slots[op->to].now = op->ino;
	c->nodes[op->ino].named = true;
	push(&c->journaled, (uint32_t)c->at);
	push(&c->plain, (uint32_t)c->at);
}

void cut_step(struct cut *c)
{
	const struct record_op *op = &c->r->ops[c->at];

	switch (op->kind) {
	case RECORD_NAME:
	case RECORD_RENAME:
		change_name(c, op);
		break;
	case RECORD_WRITE:
	case RECORD_SIZE:
		change_bytes(c, op);
		break;
	case RECORD_SYNC:
		if (c->r->inodes[op->ino].is_dir)
			sync_folder(c, op->ino);
		else
			sync_file(c, op->ino);
		break;
	case RECORD_SYNCFS:
		sync_all(c);
		break;
	case RECORD_MARK:
		c->marks++;
		break;
	}
	c->at++;
}

size_t cut_at(const struct cut *c)
{
	return c->at;
}

unsigned cut_marks(const struct cut *c)
{
	return c->marks;
}

/* --- choosing ------------------------------------------------------------------- */

/* How the unsynced changes of a disk are chosen. */
struct choice {
	bool journaled, random;
	bool all_names, all_data; /* when not random */
	int64_t flip; /* this operation is chosen the other way */
	int64_t upto; /* and those after this one are lost */
	unsigned keep, tear; /* percent, when random */
	unsigned unit; /* what a write may be torn into */
};

static bool keeps(struct cut *c, const struct choice *ch, uint32_t op, bool all)
{
	if (ch->upto >= 0)
		return (int64_t)op <= ch->upto;
	if (ch->random)
		return chance(c, ch->keep);
	return (int64_t)op == ch->flip ? !all : all;
}

static void make_names(struct cut *c, const struct choice *ch)
{
	const struct list *l = ch->journaled ? &c->journaled : &c->plain;
	size_t n = l->n;

	for (size_t i = 0; i < c->r->n_slots; i++)
		c->slots[i].made =
		    ch->journaled ? c->slots[i].journaled : c->slots[i].plain;
	if (ch->journaled && ch->random)
		n = (size_t)(dice(c) % (l->n + 1));
	for (size_t i = 0; i < n; i++) {
		const struct record_op *op = &c->r->ops[l->p[i]];

		if (!(ch->journaled && ch->random) &&
		    !keeps(c, ch, l->p[i], ch->all_names))
			continue;
		/* A name that two changes gave shows the newer one's file; a
		 * file that a lost rename left keeps its older name only. */
		if (op->ino != 0)
			for (size_t k = 0; k < c->r->n_slots; k++)
				if (c->slots[k].made == op->ino)
					c->slots[k].made = 0;
		if (op->kind == RECORD_RENAME)
			c->slots[op->from].made = 0;
		c->slots[op->to].made = op->ino;
	}
}

/* What stands in a place of the file that nobody wrote. */
static void fill_hole(struct cut *c, struct node *n, size_t from)
{
	unsigned how = (unsigned)(dice(c) % 3);

	for (size_t i = from; how > 0 && i < n->made.len; i++)
		n->made.p[i] = how == 1 && i < n->ghost.len
				   ? n->ghost.p[i]
				   : (uint8_t)(dice(c) >> 24);
}

static void make_write(struct cut *c, const struct choice *ch, struct node *n,
    const struct record_op *op, uint32_t index)
{
	size_t done = 0, old = n->made.len;
	bool keep = keeps(c, ch, index, ch->all_data);

	if (!ch->random || !chance(c, ch->tear)) {
		if (keep) {
			put(&n->made, op->offset, op->data, (size_t)op->len);
			if (ch->random && op->offset > old) {
				size_t end = n->made.len;

				n->made.len = (size_t)op->offset;
				fill_hole(c, n, old);
				n->made.len = end;
			}
		}
		return;
	}
	while (done < op->len) {
		uint64_t at = op->offset + done;
		size_t some = ch->unit - (size_t)(at % ch->unit);

		if (some > op->len - done)
			some = (size_t)op->len - done;
		if (chance(c, ch->keep))
			put(&n->made, at, op->data + done, some);
		done += some;
	}
}

static void make_file(struct cut *c, const struct choice *ch, struct node *n)
{
	size_t old;

	copy(&n->made, &n->synced);
	for (size_t i = 0; i < n->pending.n; i++) {
		const struct record_op *op = &c->r->ops[n->pending.p[i]];

		if (op->kind == RECORD_WRITE)
			make_write(c, ch, n, op, n->pending.p[i]);
		else if (keeps(c, ch, n->pending.p[i], ch->all_data))
			resize(&n->made, (size_t)op->len);
	}
	if (ch->random && chance(c, 25)) {
		/* The size went its own way. */
		old = n->made.len;
		resize(&n->made, chance(c, 50) ? n->now.len : n->synced.len);
		if (n->made.len > old)
			fill_hole(c, n, old);
	}
	n->has_made = true;
}

static void make_bytes(struct cut *c, const struct choice *ch)
{
	for (size_t i = 0; i < c->r->n_inodes; i++)
		c->nodes[i].has_made = false;
	for (size_t i = 0; i < c->data.n; i++)
		make_file(c, ch, &c->nodes[c->data.p[i]]);
	if (ch->journaled || !ch->random)
		return;
	for (size_t i = 0; i < c->r->n_slots; i++) {
		uint32_t ino = c->slots[i].made;
		struct node *n = &c->nodes[ino];

		if (ino == 0 || n->named || c->r->inodes[ino].is_dir ||
		    chance(c, 50))
			continue;
		if (!n->has_made)
			copy(&n->made, &n->synced);
		n->has_made = true;
		for (size_t k = 0; k < n->made.len; k++)
			n->made.p[k] = (uint8_t)(dice(c) >> 24);
	}
}

/* The i-th newest change that is not synced; -1: there are fewer. */
static int64_t newest(const struct cut *c, unsigned i)
{
	for (size_t at = c->at; at-- > 0;) {
		const struct record_op *op = &c->r->ops[at];
		const struct list *l = &c->plain;

		if (op->kind == RECORD_WRITE || op->kind == RECORD_SIZE)
			l = &c->nodes[op->ino].pending;
		for (size_t k = l->n; k-- > 0 && l->p[k] >= at;)
			if (l->p[k] == at && i-- == 0)
				return (int64_t)at;
	}
	return -1;
}

static size_t unsynced(const struct cut *c)
{
	size_t n = c->plain.n;

	for (size_t i = 0; i < c->data.n; i++)
		n += c->nodes[c->data.p[i]].pending.n;
	return n;
}

unsigned cut_fixed(const struct cut *c)
{
	size_t n = unsynced(c);

	if (n == 0 && c->journaled.n == 0)
		return 1;
	return 4 + 3 * (unsigned)(n < SINGLE ? n : SINGLE);
}

static struct choice choose(struct cut *c, unsigned n)
{
	static const unsigned percents[] = { 8, 30, 50, 70, 92 };
	struct choice ch = { .flip = -1, .upto = -1, .unit = SECTOR };

	if (n < 4) {
		ch.all_names = n == 0 || n == 2;
		ch.all_data = n == 0 || n == 3;
	} else if (n < cut_fixed(c)) {
		int64_t op = newest(c, (n - 4) / 3);

		ch.all_names = ch.all_data = n % 3 == 1;
		if (n % 3 == 0)
			ch.upto = op;
		else
			ch.flip = op;
	} else {
		ch.random = true;
		ch.journaled = n % 2 == 0;
		ch.keep = percents[dice(c) % 5];
		ch.tear = percents[dice(c) % 5];
		if (chance(c, 50))
			ch.unit = PAGE;
	}
	return ch;
}

/* --- the disk ------------------------------------------------------------------- */

static const struct bytes *content(const struct node *n)
{
	return n->has_made ? &n->made : &n->synced;
}

static uint64_t hash_folder(struct cut *c, uint32_t dir, unsigned depth)
{
	uint64_t sum = 0x5bd1e995u;

	for (size_t i = 0; i < c->r->n_slots && depth < 16; i++) {
		const struct record_slot *rs = &c->r->slots[i];
		uint32_t ino = c->slots[i].made;
		const struct node *n = &c->nodes[ino];
		uint64_t part[2];

		if (rs->dir != dir || ino == 0)
			continue;
		part[0] = i;
		if (c->r->inodes[ino].is_dir)
			part[1] = hash_folder(c, ino, depth + 1);
		else
			part[1] = n->has_made
				      ? XXH3_64bits(n->made.p, n->made.len)
				      : n->synced_hash;
		sum ^= XXH3_64bits_withSeed(part, sizeof(part), 77);
	}
	return sum;
}

uint64_t cut_make(struct cut *c, unsigned n)
{
	struct choice ch;

	c->seed = (uint64_t)c->at * 1000003u + n * 7919u + 1;
	ch = choose(c, n);
	make_names(c, &ch);
	make_bytes(c, &ch);
	return hash_folder(c, RECORD_ROOT, 0);
}

static void write_folder(struct cut *c, uint32_t dir, int fd)
{
	for (size_t i = 0; i < c->r->n_slots; i++) {
		const struct record_slot *rs = &c->r->slots[i];
		uint32_t ino = c->slots[i].made;
		const struct bytes *b = content(&c->nodes[ino]);
		bool ok = true;
		int sub;

		if (rs->dir != dir || ino == 0)
			continue;
		if (c->r->inodes[ino].is_dir) {
			ok = mkdirat(fd, rs->name, 0755) == 0;
			sub = openat(fd, rs->name, O_RDONLY | O_DIRECTORY);
			if (ok && sub >= 0)
				write_folder(c, ino, sub);
		} else {
			sub = openat(
			    fd, rs->name, O_WRONLY | O_CREAT | O_EXCL, 0644);
			ok = sub >= 0 &&
			     (b->len == 0 ||
				 write(sub, b->p, b->len) == (ssize_t)b->len);
		}
		if (!ok || sub < 0) {
			fprintf(stderr, "cut: cannot write %s\n", rs->name);
			abort();
		}
		close(sub);
	}
}

void cut_write(struct cut *c, const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		fprintf(stderr, "cut: no folder\n");
		abort();
	}
	write_folder(c, RECORD_ROOT, fd);
	close(fd);
}
