/*
 * The store of a night as the device-link engine sees it, compared with a
 * plain model of a folder: lists, moves, removals, copies, and what a phone
 * must not be able to do.
 */
#include "vault_rig.h"

#include <inttypes.h>

struct names {
	unsigned n, dirs;
	char all[4096];
};

static enum rc add_name(
    void *arg, const char *name, const struct store_stat *st)
{
	struct names *l = arg;
	size_t len = strlen(l->all);

	l->n++;
	l->dirs += st->kind == STORE_DIR;
	snprintf(l->all + len, sizeof(l->all) - len, "%s ", name);
	return RC_OK;
}

static const char *list(struct rig *r, const char *path, struct names *l)
{
	memset(l, 0, sizeof(*l));
	assert_int_equal(r->s->ops->list(r->s->ctx, path, add_name, l), RC_OK);
	return l->all;
}

static enum rc stat_of(struct rig *r, const char *path, struct store_stat *st)
{
	return r->s->ops->stat(r->s->ctx, path, st);
}

static const char *read_all(struct rig *r, const char *path)
{
	static char buf[8192];
	struct store_file *f;
	size_t got = 1, n = 0;
	uint64_t size;

	if (r->s->ops->open(r->s->ctx, path, &f, &size))
		return NULL;
	while (got > 0) {
		assert_int_equal(
		    r->s->ops->read(f, buf + n, sizeof(buf) - 1 - n, &got),
		    RC_OK);
		n += got;
	}
	r->s->ops->close(f);
	assert_int_equal(n, size);
	buf[n] = '\0';
	return buf;
}

static enum rc put_text(struct rig *r, const char *rel, const char *text)
{
	return rig_put(r, rel, text, strlen(text));
}

#define U RIG_UDID

static void begin(struct rig *r)
{
	rig_new(r);
	assert_int_equal(rig_open(r), RC_OK);
	assert_int_equal(rig_begin(r, true), RC_OK);
}

/* A second night, over one of seven files; `ops` NULL: the usual ones. */
static void begin_over(struct rig *r, const struct fileops *ops,
    struct rig_world *w, struct vault_snapshot *snap)
{
	rig_first_world(w, 7);
	rig_new(r);
	if (ops)
		r->ops = ops;
	assert_int_equal(rig_open(r), RC_OK);
	assert_int_equal(rig_night(r, NULL, w, snap), RC_OK);
	assert_int_equal(rig_begin(r, false), RC_OK);
}

static void finish(struct rig *r)
{
	vault_night_end(r->n, false);
	rig_free(r);
}

static void lists_show_direct_children_only(void **state)
{
	struct names l;
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(put_text(&r, "ab/one", "1"), RC_OK);
	assert_int_equal(put_text(&r, "ab/two", "2"), RC_OK);
	assert_int_equal(put_text(&r, "ab-x", "3"), RC_OK); /* '-' < '/' */
	assert_int_equal(put_text(&r, "ab0", "4"), RC_OK); /* '0' > '/' */
	assert_int_equal(put_text(&r, "ab/deep/er/file", "5"), RC_OK);
	assert_int_equal(put_text(&r, "zz/z", "6"), RC_OK);
	assert_string_equal(list(&r, U, &l), "ab ab-x ab0 zz ");
	assert_int_equal(l.dirs, 2);
	assert_string_equal(list(&r, U "/ab", &l), "deep one two ");
	assert_string_equal(list(&r, U "/ab/deep", &l), "er ");
	assert_int_equal(
	    r.s->ops->list(r.s->ctx, U "/no", add_name, &l), RC_NOTFOUND);
	assert_int_equal(
	    r.s->ops->list(r.s->ctx, U "/ab0", add_name, &l), RC_NOTDIR);
	finish(&r);
}

static void until_it_is_finished_the_old_file_shows(void **state)
{
	const struct store_ops *ops;
	struct store_file *f;
	struct store_stat st;
	struct rig r;

	(void)state;
	begin(&r);
	ops = r.s->ops;
	assert_int_equal(put_text(&r, "Status.plist", "old"), RC_OK);
	assert_int_equal(ops->create(r.s->ctx, U "/Status.plist", &f), RC_OK);
	assert_int_equal(ops->write(f, "newer", 5), RC_OK);
	assert_string_equal(read_all(&r, U "/Status.plist"), "old");
	assert_int_equal(ops->finish(f), RC_OK);
	assert_string_equal(read_all(&r, U "/Status.plist"), "newer");
	assert_int_equal(ops->create(r.s->ctx, U "/Status.plist", &f), RC_OK);
	ops->discard(f);
	assert_string_equal(read_all(&r, U "/Status.plist"), "newer");
	assert_int_equal(stat_of(&r, U "/Status.plist", &st), RC_OK);
	assert_int_equal(st.size, 5);
	assert_int_equal(st.kind, STORE_FILE);
	/* Two at once. */
	{
		struct store_file *g;

		assert_int_equal(ops->create(r.s->ctx, U "/a", &f), RC_OK);
		assert_int_equal(ops->create(r.s->ctx, U "/b", &g), RC_OK);
		assert_int_equal(ops->write(f, "a", 1), RC_OK);
		assert_int_equal(ops->write(g, "bb", 2), RC_OK);
		assert_int_equal(ops->finish(g), RC_OK);
		assert_int_equal(ops->finish(f), RC_OK);
		assert_string_equal(read_all(&r, U "/a"), "a");
		assert_string_equal(read_all(&r, U "/b"), "bb");
	}
	finish(&r);
}

static void files_and_folders_keep_apart(void **state)
{
	struct store_file *f;
	struct store_stat st;
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(put_text(&r, "d/f", "x"), RC_OK);
	assert_int_equal(put_text(&r, "d", "x"), RC_ISDIR);
	assert_int_equal(put_text(&r, "d/f/g", "x"), RC_NOTDIR);
	assert_int_equal(rig_move(&r, "d/f", "d/f/g"), RC_NOTDIR);
	assert_int_equal(rig_move(&r, "d", "d/e"), RC_REFUSED);
	assert_int_equal(rig_move(&r, "no", "e"), RC_NOTFOUND);
	assert_int_equal(rig_move(&r, "d/f", "d"), RC_ISDIR);
	assert_int_equal(rig_move(&r, "d/f", "d/f"), RC_OK);
	assert_int_equal(rig_rm(&r, "no"), RC_NOTFOUND);
	assert_int_equal(r.s->ops->make_dir(r.s->ctx, U "/d"), RC_EXISTS);
	assert_int_equal(r.s->ops->make_dir(r.s->ctx, U "/d/f/g"), RC_NOTDIR);
	assert_int_equal(r.s->ops->create(r.s->ctx, U, &f), RC_ISDIR);
	assert_int_equal(
	    r.s->ops->create(r.s->ctx, "elsewhere/x", &f), RC_REFUSED);
	assert_int_equal(r.s->ops->create(r.s->ctx, U "x/y", &f), RC_REFUSED);
	assert_int_equal(stat_of(&r, U "/d/f", &st), RC_OK);
	assert_string_equal(read_all(&r, U "/d/f"), "x");
	finish(&r);
}

static void folders_move_with_all_that_is_in_them(void **state)
{
	char rel[64];
	struct names l;
	struct rig r;

	(void)state;
	begin(&r);
	for (int i = 0; i < 200; i++) { /* more than a page */
		snprintf(rel, sizeof(rel), "a/%d/f%d", i % 7, i);
		assert_int_equal(put_text(&r, rel, rel), RC_OK);
	}
	assert_int_equal(rig_move(&r, "a", "b/c"), RC_OK);
	assert_string_equal(list(&r, U, &l), "b ");
	assert_string_equal(list(&r, U "/b/c", &l), "0 1 2 3 4 5 6 ");
	for (int i = 0; i < 200; i++) {
		char path[128];

		snprintf(rel, sizeof(rel), "a/%d/f%d", i % 7, i);
		snprintf(path, sizeof(path), U "/b/c/%d/f%d", i % 7, i);
		assert_string_equal(read_all(&r, path), rel);
	}
	assert_int_equal(rig_rm(&r, "b"), RC_OK);
	assert_string_equal(list(&r, U, &l), "");
	finish(&r);
}

/* Over a good snapshot: what the overlay hides, moves and copies, and that
 * the snapshot itself does not notice. */
static void the_base_stays_as_it_is(void **state)
{
	struct vault_snapshot snap;
	char a[64], path[128];
	struct rig_world w;
	struct names l;
	struct rig r;

	(void)state;
	begin_over(&r, NULL, &w, &snap);
	assert_false(r.resumed);
	snprintf(a, sizeof(a), "%.2s/%s", w.f[1].id, w.f[1].id);
	snprintf(path, sizeof(path), U "/%s", a);
	assert_int_equal(r.s->ops->copy(r.s->ctx, path, U "/copy"), RC_OK);
	assert_int_equal(rig_move(&r, a, "moved"), RC_OK);
	assert_null(read_all(&r, path));
	assert_non_null(read_all(&r, U "/moved"));
	assert_non_null(read_all(&r, U "/copy"));
	assert_int_equal(rig_move(&r, "moved", a), RC_OK); /* and back */
	assert_non_null(read_all(&r, path));
	a[2] = '\0'; /* its folder */
	assert_int_equal(rig_rm(&r, a), RC_OK);
	assert_null(read_all(&r, path));
	list(&r, U, &l);
	assert_null(strstr(l.all, "moved"));
	assert_int_equal(put_text(&r, a, "a file where a folder was"), RC_OK);
	assert_true(rig_holds(&r, snap.id, &w));
	assert_int_equal(rig_rm(&r, ""), RC_REFUSED);
	assert_int_equal(r.s->ops->remove(r.s->ctx, U), RC_OK);
	assert_int_equal(
	    r.s->ops->list(r.s->ctx, U, add_name, &l), RC_NOTFOUND);
	assert_true(rig_holds(&r, snap.id, &w));
	vault_night_end(r.n, false);
	assert_true(rig_holds(&r, snap.id, &w));
	rig_free(&r);
	rig_free_world(&w);
}

/* --- a random night against a model ------------------------------------------ */

#define MODEL_NAMES 12

/* Paths of the model: 4 folders with 3 names each; 0 = not there. */
struct model {
	unsigned file[MODEL_NAMES];
};

static void model_path(unsigned i, char out[32])
{
	snprintf(out, 32, "d%u/n%u", i / 3, i % 3);
}

static void random_step(struct rig *r, struct model *m, unsigned dice)
{
	unsigned i = dice / 8 % MODEL_NAMES, j = dice / 128 % MODEL_NAMES;
	char a[32], b[32], text[32];
	enum rc rc;

	model_path(i, a);
	model_path(j, b);
	switch (dice % 4) {
	case 0:
	case 1:
		snprintf(text, sizeof(text), "v%u", dice);
		assert_int_equal(put_text(r, a, text), RC_OK);
		m->file[i] = dice;
		break;
	case 2:
		rc = rig_rm(r, a);
		assert_int_equal(rc, m->file[i] ? RC_OK : RC_NOTFOUND);
		m->file[i] = 0;
		break;
	default:
		rc = rig_move(r, a, b);
		assert_int_equal(rc, m->file[i] ? RC_OK : RC_NOTFOUND);
		if (m->file[i] && i != j) {
			m->file[j] = m->file[i];
			m->file[i] = 0;
		}
	}
}

static void compare(struct rig *r, const struct model *m)
{
	char rel[32], path[128], text[32];
	const char *got;

	for (unsigned i = 0; i < MODEL_NAMES; i++) {
		model_path(i, rel);
		snprintf(path, sizeof(path), U "/%s", rel);
		snprintf(text, sizeof(text), "v%u", m->file[i]);
		got = read_all(r, path);
		if (m->file[i])
			assert_string_equal(got, text);
		else
			assert_null(got);
	}
}

/* Closed and opened now and then: what a kept night shows is what it did. */
static void a_thousand_steps_agree_with_a_model(void **state)
{
	struct model m = { { 0 } };
	unsigned x = 12345;
	struct rig r;

	(void)state;
	begin(&r);
	for (unsigned i = 0; i < 1000; i++) {
		x = x * 1103515245u + 12345u;
		random_step(&r, &m, x >> 8);
		if (i % 100 == 99) {
			compare(&r, &m);
			vault_night_end(r.n, true);
			rig_close(&r);
			assert_int_equal(rig_open(&r), RC_OK);
			assert_int_equal(rig_begin(&r, false), RC_OK);
			assert_true(r.resumed);
			compare(&r, &m);
		}
	}
	finish(&r);
}

/* Opens of the catalogue's journal: SQLite looks at it once a lock. */
static unsigned locks;

static int counting_open(void *ctx, int dir, const char *path, int flags)
{
	locks += strstr(path, "journal") != NULL;
	return fileops_posix()->open(ctx, dir, path, flags);
}

static void may_write(struct rig *r, bool wanted)
{
	char path[256];
	sqlite3 *h;
	int code;

	snprintf(path, sizeof(path), "%s/Nightstand/" U "/catalog.db", r->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	code = sqlite3_exec(h, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
	assert_int_equal(code, wanted ? SQLITE_OK : SQLITE_BUSY);
	sqlite3_close(h);
}

/* What a phone asks before and after a night, over a base: one lock for all
 * of it, which is no change's hindrance and goes with the night. */
static void many_questions_take_one_lock(void **state)
{
	struct fileops ops = *fileops_posix();
	struct vault_snapshot snap;
	struct store_stat st;
	struct rig_world w;
	struct names l;
	struct rig r;

	(void)state;
	ops.open = counting_open;
	begin_over(&r, &ops, &w, &snap);
	locks = 0;
	for (unsigned i = 0; i < 256; i++) {
		list(&r, U, &l);
		assert_int_equal(stat_of(&r, U "/Manifest.db", &st), RC_OK);
	}
	assert_in_range(locks, 1, 2);
	may_write(&r, false);
	assert_true(rig_holds(&r, snap.id, &w));
	assert_int_equal(put_text(&r, "new", "while it is held"), RC_OK);
	assert_non_null(strstr(list(&r, U, &l), "new"));
	vault_night_end(r.n, true);
	may_write(&r, true);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_non_null(strstr(list(&r, U, &l), "new"));
	finish(&r);
	rig_free_world(&w);
}

static void room_is_told_without_the_reserve(void **state)
{
	uint64_t all, less, freed;
	struct rig r;

	(void)state;
	begin(&r);
	vault_night_set_reserve(r.n, 0);
	assert_int_equal(r.s->ops->free_space(r.s->ctx, &all), RC_OK);
	vault_night_set_reserve(r.n, 1 << 20);
	assert_int_equal(r.s->ops->free_space(r.s->ctx, &less), RC_OK);
	assert_true(less < all);
	vault_night_set_reserve(r.n, UINT64_MAX);
	assert_int_equal(r.s->ops->free_space(r.s->ctx, &less), RC_OK);
	assert_int_equal(less, 0);
	assert_int_equal(r.s->ops->purge(r.s->ctx, 1 << 30, &freed), RC_OK);
	assert_int_equal(freed, 0);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_show_direct_children_only),
		cmocka_unit_test(until_it_is_finished_the_old_file_shows),
		cmocka_unit_test(files_and_folders_keep_apart),
		cmocka_unit_test(folders_move_with_all_that_is_in_them),
		cmocka_unit_test(the_base_stays_as_it_is),
		cmocka_unit_test(a_thousand_steps_agree_with_a_model),
		cmocka_unit_test(many_questions_take_one_lock),
		cmocka_unit_test(room_is_told_without_the_reserve),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
