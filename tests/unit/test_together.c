/* More than one at a time: who makes the vault, who holds a phone's folder,
 * and a reader that stands still while a night commits. */
#include "vault_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "mono.h"
#include "vault_lock.h"

#define MAKERS 8

static void one_of_many_makes_the_vault(void **state)
{
	struct vault *v;
	char first[33] = "";
	struct rig r;

	(void)state;
	for (int turn = 0; turn < 10; turn++) {
		pid_t pids[MAKERS];

		rig_new(&r);
		for (int i = 0; i < MAKERS; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0)
				_exit(vault_open(NULL, r.dir, true, &v));
		}
		for (int i = 0; i < MAKERS; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
		}
		assert_int_equal(vault_open(NULL, r.dir, false, &v), RC_OK);
		assert_string_not_equal(vault_id(v), first);
		snprintf(first, sizeof(first), "%s", vault_id(v));
		vault_close(v);
		rig_free(&r);
	}
}

static void the_holder_is_named(void **state)
{
	struct vault_phone *p = NULL;
	struct vault_holder h;
	struct vault *v;
	char words[160], number[32];
	struct rig r;
	int status;
	pid_t pid;
	char done;
	int fds[2];

	(void)state;
	rig_new(&r);
	assert_int_equal(vault_open(NULL, r.dir, true, &v), RC_OK);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (vault_phone_open(v, RIG_UDID, false, &p) ||
		    write(fds[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(fds[1]); /* a child that ends early is an end of file */
	assert_int_equal(read(fds[0], &done, 1), 1);
	assert_int_equal(vault_phone_open(v, RIG_UDID, false, &p), RC_BUSY);
	assert_int_equal(vault_phone_holder(v, RIG_UDID, &h), RC_OK);
	assert_int_equal(h.pid, pid);
	assert_true(h.since_at > 0 && h.since_at <= time(NULL) + 1);
	assert_true(h.since_at > time(NULL) - 600);
	vault_busy_words(v, RIG_UDID, words, sizeof(words));
	snprintf(number, sizeof(number), "(process %ld)", (long)pid);
	assert_non_null(strstr(words, number));
	/* A reader is let in. */
	assert_int_equal(vault_phone_open(v, RIG_UDID, true, &p), RC_OK);
	vault_phone_close(p);
	/* Killed: nothing is left that could be stale. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(vault_phone_holder(v, RIG_UDID, &h), RC_NOTFOUND);
	assert_int_equal(vault_phone_open(v, RIG_UDID, false, &p), RC_OK);
	vault_phone_close(p);
	vault_close(v);
	close(fds[0]);
	rig_free(&r);
}

/* --- a reader that stands still ----------------------------------------------- */

struct slow {
	struct rig *r;
	struct rig_world *w;
	unsigned seen;
	int64_t commit_ms;
};

/* In the middle of the list the writer commits a whole night. */
static enum rc on_entry(void *arg, const struct vault_entry *e)
{
	struct vault_snapshot snap;
	struct slow *s = arg;
	int64_t began = mono_ms();

	(void)e;
	if (++s->seen != 5)
		return RC_OK;
	assert_int_equal(rig_night(s->r, &s->w[0], &s->w[1], &snap), RC_OK);
	s->commit_ms = mono_ms() - began;
	return RC_OK;
}

static enum rc count(void *arg, const struct vault_entry *e)
{
	(void)e;
	++*(unsigned *)arg;
	return RC_OK;
}

static void a_slow_reader_holds_up_no_commit(void **state)
{
	struct vault_snapshot snap;
	struct vault_phone *reader;
	struct rig_world w[2];
	struct slow s = { .w = w };
	unsigned before = 0;
	struct rig r;

	(void)state;
	rig_first_world(&w[0], 18);
	rig_next_world(&w[1], &w[0], 3);
	rig_new(&r);
	s.r = &r;
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w[0], &snap), RC_OK);
	assert_int_equal(vault_phone_open(r.v, RIG_UDID, true, &reader), RC_OK);
	assert_int_equal(vault_each_entry(reader, 1, count, &before), RC_OK);
	assert_int_equal(vault_each_entry(reader, 1, on_entry, &s), RC_OK);
	assert_int_equal(s.seen, before);
	/* SQLite would wait a minute for a reader that holds its lock. */
	assert_true(s.commit_ms < 20000);
	assert_true(rig_holds(&r, 1, &w[0]));
	assert_true(rig_holds(&r, 2, &w[1]));
	vault_phone_close(reader);
	rig_free(&r);
	rig_free_world(&w[0]);
	rig_free_world(&w[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_many_makes_the_vault),
		cmocka_unit_test(the_holder_is_named),
		cmocka_unit_test(a_slow_reader_holds_up_no_commit),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
