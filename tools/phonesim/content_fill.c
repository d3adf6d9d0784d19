/*
 * A new phone from a plan. Two passes: the first adds up what real files of
 * these kinds would weigh, the second makes the rows, with sizes scaled so
 * that the total is about what was asked for. Both draw from generators that
 * hang on the file's number alone, so nothing is kept between them.
 */
#include <stdio.h>
#include <string.h>

#include "content_bytes.h"
#include "content_int.h"
#include "content_names.h"

#define RUN          8 /* files of a kind in a row */
#define FIRST_PHOTOS 6 /* every phone has some */
#define SEEN         4096 /* folders remembered; a power of two */
#define SMALL        4096 /* files up to here are not scaled */
#define EPOCH_FIRST  1546300800 /* 2019 */
#define EPOCH_SPAN   (6 * 365 * 86400)
#define EPOCH_OLDEST 315532800 /* 1980: the least Birth on record */
#define SCALE_ONE    (1 << 20)

struct fill {
	struct content *c;
	const struct content_plan *plan;
	struct content_scope scope;
	uint64_t counters[SHAPE_COUNT];
	uint64_t inode, rows;
	uint64_t seen[SEEN];
	double scale, scale_small;
};

/* Shares of the kinds, in percent. */
static const struct {
	enum content_shape shape;
	unsigned share;
} mix[] = {
	{ SHAPE_PHOTO, 10 },
	{ SHAPE_THUMB, 9 },
	{ SHAPE_ATTACHMENT, 3 },
	{ SHAPE_PREFERENCE, 17 },
	{ SHAPE_HOME, 16 },
	{ SHAPE_APP, 31 },
	{ SHAPE_CHAT, 3 },
	{ SHAPE_GROUP, 8 },
	{ SHAPE_PLUGIN, 3 },
};

static enum content_shape shape_of(uint64_t seed, uint64_t i)
{
	unsigned v = (unsigned)(content_mix(seed ^ 0x5157, i / RUN) % 100);

	for (size_t k = 0; k < sizeof(mix) / sizeof(*mix); k++) {
		if (v < mix[k].share)
			return mix[k].shape;
		v -= mix[k].share;
	}
	return SHAPE_APP;
}

/* Name and real size of the i-th file. */
static void name_file(struct fill *f, uint64_t i, struct content_name *o)
{
	struct content_rng r = { content_mix(f->plan->seed, i) };
	enum content_shape s;

	if (i < content_single_count(0)) {
		content_single(0, i, o);
		return;
	}
	s = i < content_single_count(0) + FIRST_PHOTOS
		? SHAPE_PHOTO
		: shape_of(f->plan->seed, i);
	content_name_of(s, f->counters[s]++, &f->scope, &r, o);
}

static void name_enc_only(struct fill *f, uint64_t i, struct content_name *o)
{
	struct content_rng r = { content_mix(~f->plan->seed, i) };

	if (i < content_single_count(1))
		content_single(1, i, o);
	else
		content_name_of(SHAPE_HEALTH, f->counters[SHAPE_HEALTH]++,
		    &f->scope, &r, o);
}

static uint64_t scaled(const struct fill *f, uint64_t size)
{
	if (f->plan->fixed_size)
		return f->plan->fixed_size;
	if (size <= SMALL)
		return (uint64_t)((double)size * f->scale_small);
	return (uint64_t)((double)size * f->scale);
}

static void weigh(struct fill *f)
{
	struct content_name n;
	double small = 0, large = 0, want = (double)f->plan->bytes;

	f->scale = f->scale_small = 1;
	if (!f->plan->bytes || f->plan->fixed_size)
		return;
	for (uint64_t i = 0; i < f->plan->files; i++) {
		name_file(f, i, &n);
		*(n.size <= SMALL ? &small : &large) += (double)n.size;
	}
	memset(f->counters, 0, sizeof(f->counters));
	if (large > 0 && want > small) {
		f->scale = (want - small) / large;
	} else if (small + large > 0) {
		f->scale = f->scale_small = want / (small + large);
	}
}

/* ---- rows ---- */

static void owner(uint64_t v, struct content_item *it)
{
	static const int32_t rare[][2] = { { 501, 0 }, { 0, 0 }, { 33, 33 },
		{ 25, 25 }, { 501, -2 }, { 0, 501 } };

	it->uid = it->gid = 501;
	if (v % 100 < 3) {
		it->uid = it->gid = -2;
	} else if (v % 100 < 10) {
		it->uid = rare[v / 100 % 6][0];
		it->gid = rare[v / 100 % 6][1];
	}
}

static void times(uint64_t v, struct content_item *it)
{
	it->birth = EPOCH_FIRST + (int64_t)(v % EPOCH_SPAN);
	it->mtime = it->birth + (int64_t)(v >> 32) % 86400 * (v >> 20 & 1);
	it->ctime = it->mtime + (int64_t)(v >> 40) % 60;
	if (v % 211 == 0)
		it->birth = EPOCH_OLDEST;
}

static int put_row(struct fill *f, struct content_item *it)
{
	uint64_t v = content_mix(f->plan->seed ^ 0x1D0, f->inode);
	int rc;

	f->inode += 1 + v % 5;
	it->inode = f->inode;
	it->seed = v;
	owner(content_mix(v, 1), it);
	times(content_mix(v, 2), it);
	if (v % 500 == 7)
		it->flags = 128;
	rc = content_put(f->c, it, false);
	if (rc > 0 && !content_enc_only(it->domain, it->path))
		f->rows++;
	return rc;
}

static int put_folder(struct fill *f, const char *domain, const char *path)
{
	struct content_item it = {
		.domain = domain, .path = path, .kind = CONTENT_DIR
	};
	uint64_t v = content_mix(f->plan->seed ^ 0xF01D, f->inode) % 100;

	it.mode = 0040000 | (v < 93 ? 0755 : v < 96 ? 0700 : v < 98 ? 0 : 0711);
	it.pclass = v < 95 ? 0 : v % 3 == 0 ? 4 : v % 3 == 1 ? 3 : 1;
	return put_row(f, &it) < 0 ? -1 : 0;
}

/* Hash of a folder's name, for the memory of folders that are there. */
static uint64_t hash_text(uint64_t h, const char *s, size_t n)
{
	while (n--)
		h = (h ^ (unsigned char)*s++) * 0x100000001B3u;
	return h;
}

static int need_folder(
    struct fill *f, const char *domain, const char *path, size_t len)
{
	char dir[CONTENT_NAME_CAP];
	uint64_t h = hash_text(0xCBF29CE484222325u, domain, strlen(domain));
	uint64_t *slot;

	h = hash_text(h ^ 1, path, len);
	slot = &f->seen[content_mix(h, 0) % SEEN];
	if (*slot == h)
		return 0;
	*slot = h;
	memcpy(dir, path, len);
	dir[len] = '\0';
	return put_folder(f, domain, dir);
}

static int put_parents(struct fill *f, const char *domain, const char *path)
{
	if (need_folder(f, domain, path, 0))
		return -1;
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		if (need_folder(f, domain, path, (size_t)(p - path)))
			return -1;
	return 0;
}

static uint32_t file_mode(uint64_t v)
{
	v %= 100;
	return 0100000 | (v < 60      ? 0600
			     : v < 97 ? 0644
			     : v < 98 ? 0666
			     : v < 99 ? 0
				      : 0400);
}

static int put_file(struct fill *f, const struct content_name *n)
{
	struct content_item it = { .domain = n->domain,
		.path = n->path,
		.kind = CONTENT_FILE,
		.size = scaled(f, n->size),
		.pclass = n->pclass };
	uint64_t v = content_mix(f->plan->seed ^ 0xF11E, f->inode);
	bool early = v % 8 == 0; /* the child before its parent */
	int rc;

	it.mode = file_mode(v >> 8);
	if (!early && put_parents(f, n->domain, n->path))
		return -1;
	rc = put_row(f, &it);
	if (rc < 0 || (early && put_parents(f, n->domain, n->path)))
		return -1;
	return rc;
}

static int put_link(struct fill *f, uint64_t app)
{
	static const char path[] = "Library/WebKit/WebsiteData/IndexedDB/v0";
	struct content_rng r = { content_mix(f->plan->seed ^ 0x11, app) };
	char bundle[100], domain[CONTENT_DOMAIN_CAP], uuid[37], target[160];
	struct content_item it = { .domain = domain,
		.path = path,
		.kind = CONTENT_LINK,
		.mode = 0120755,
		.target = target };

	content_bundle(app, bundle, sizeof(bundle));
	snprintf(domain, sizeof(domain), "AppDomain-%s", bundle);
	content_uuid(&r, uuid);
	snprintf(target, sizeof(target),
	    "/var/mobile/Containers/Data/Application/%s/Library/WebKit/"
	    "WebsiteData/IndexedDB",
	    uuid);
	return put_parents(f, domain, path) || put_row(f, &it) < 0 ? -1 : 0;
}

/* ---- the parts of a phone ---- */

static int fill_skeleton(struct fill *f)
{
	struct content_name n;

	for (uint64_t i = 0; content_skeleton(i, &f->scope, &n); i++)
		if (need_folder(f, n.domain, n.path, strlen(n.path)))
			return -1;
	for (uint64_t app = 0; app < f->scope.apps; app += 8)
		if (put_link(f, app))
			return -1;
	return 0;
}

/* A name that came twice does not count: another file is made. */
static int fill_files(struct fill *f)
{
	struct content_name n;
	uint64_t put = 0;

	for (uint64_t i = 0; put < f->plan->files; i++) {
		int rc;

		name_file(f, i, &n);
		rc = put_file(f, &n);
		if (rc < 0)
			return -1;
		put += (uint64_t)rc;
	}
	return 0;
}

static int fill_enc_only(struct fill *f)
{
	uint64_t n = f->plan->files / 40;
	struct content_name name;

	if (n < content_single_count(1))
		n = content_single_count(1);
	for (uint64_t i = 0; f->plan->files && i < n; i++) {
		name_enc_only(f, i, &name);
		if (put_file(f, &name) < 0)
			return -1;
	}
	return 0;
}

/* One film beside the others; its size is not scaled. */
static int fill_big(struct fill *f)
{
	static const char domain[] = "CameraRollDomain";
	static const char path[] = "Media/DCIM/100APPLE/IMG_9999.MOV";
	struct content_item it = { .domain = domain,
		.path = path,
		.kind = CONTENT_FILE,
		.size = f->plan->big_file,
		.mode = 0100644,
		.pclass = 3 };

	if (!f->plan->big_file)
		return 0;
	return put_parents(f, domain, path) || put_row(f, &it) < 0 ? -1 : 0;
}

static int fill_rows(struct fill *f)
{
	static const char domain[] = "AppDomain-com.example.archive";
	char path[80];

	if (f->rows < f->plan->rows && put_parents(f, domain, "Documents/x"))
		return -1;
	for (uint64_t i = 0; f->rows < f->plan->rows; i++) {
		if (i % 1000 == 0)
			snprintf(path, sizeof(path), "Documents/%05llu",
			    (unsigned long long)(i / 1000));
		else
			snprintf(path, sizeof(path), "Documents/%05llu/%03u",
			    (unsigned long long)(i / 1000),
			    (unsigned)(i % 1000));
		if (put_folder(f, domain, path))
			return -1;
	}
	return 0;
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

int content_fill(struct content *c, const struct content_plan *plan)
{
	struct fill f = { .c = c, .plan = plan };

	f.scope.apps = clamp(plan->files / 40, 4, 250);
	f.scope.plugins = clamp(plan->files / 3, 2, 365);
	f.inode = 50000;
	weigh(&f);
	if (fill_skeleton(&f) || fill_files(&f) || fill_enc_only(&f) ||
	    fill_big(&f) || fill_rows(&f))
		return -1;
	return content_set_fact(
		   c->db, "photos", (int64_t)f.counters[SHAPE_PHOTO]) ||
		       content_set_fact(c->db, "inode", (int64_t)f.inode) ||
		       content_set_fact(
			   c->db, "fixed_size", (int64_t)plan->fixed_size) ||
		       content_set_fact(
			   c->db, "scale", (int64_t)(f.scale * SCALE_ONE))
		   ? -1
		   : 0;
}

int content_fill_photo(struct content *c, uint64_t seed, int64_t mtime)
{
	struct content_plan plan = { .seed = c->seed };
	struct fill f = { .c = c, .plan = &plan };
	uint64_t n = (uint64_t)content_fact(c->db, "photos", 0);
	struct content_rng r = { seed };
	struct content_name name;
	struct content_item it = { .domain = name.domain,
		.path = name.path,
		.kind = CONTENT_FILE,
		.mode = 0100644,
		.uid = 501,
		.gid = 501,
		.pclass = 3,
		.seed = seed };
	int rc;

	plan.fixed_size = (uint64_t)content_fact(c->db, "fixed_size", 0);
	f.scale_small = 1;
	f.scale = (double)content_fact(c->db, "scale", SCALE_ONE) / SCALE_ONE;
	f.inode = (uint64_t)content_fact(c->db, "inode", 50000);
	do { /* a restored phone may have this photo already */
		content_name_of(SHAPE_PHOTO, n++, &f.scope, &r, &name);
		it.size = scaled(&f, name.size);
		it.inode = f.inode + 1;
		it.mtime = it.ctime = it.birth = mtime;
		if (put_parents(&f, name.domain, name.path))
			return -1;
		it.inode = ++f.inode;
		rc = content_put(c, &it, false);
	} while (rc == 0);
	return rc < 0 || content_set_fact(c->db, "photos", (int64_t)n) ||
		       content_set_fact(c->db, "inode", (int64_t)f.inode)
		   ? -1
		   : 0;
}
