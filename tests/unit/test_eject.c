/* Letting go of the disk: when nothing runs on it any more, what the bare place
 * is taken for, and what ends it. The disk is what a test says lies there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box_eject.c" /* firmware is in no archive */

enum {
	BARE = 7,
	DISK = 42,
	OTHER = 43
}; /* devices */

static struct box box;
static char dir[64];
static uint64_t lies_there; /* 0: not even a folder */
static bool answers_with_errors;
static enum rc leaving; /* what comes of the try */
static unsigned stopped, killed, told;
static struct msg last_told;
static bool role_hears;

/* --- what is around it ------------------------------------------------------ */

bool disk_is_mount_point(const char *path)
{
	(void)path;
	return lies_there && lies_there != BARE;
}

enum rc disk_leave(const char *path, char *who, size_t cap)
{
	(void)path;
	snprintf(who, cap, "%s", leaving == RC_BUSY ? "less" : "");
	if (leaving == RC_OK)
		lies_there = BARE;
	return leaving;
}

void box_look_at_disk(struct box *b)
{
	b->disk = (struct disk){ .state = DISK_MISSING };
	if (lies_there && !answers_with_errors)
		b->disk = (struct disk){ .state = DISK_FIT,
			.dev = lies_there,
			.fs = "ext4",
			.total_bytes = 1000 };
	else if (lies_there)
		b->disk.state = DISK_FAILING;
	if (b->disk.state == DISK_MISSING && b->found.state != DISK_FIT)
		b->disk.state = (enum disk_state)b->found.state;
	box_eject_look(b);
}

void box_scrub_stop(struct box *b)
{
	(void)b;
}

void box_phone_stop(struct box_phone *p)
{
	(void)p;
	stopped++;
}

bool child_is_running(const struct child *c)
{
	return c->pid > 0;
}

void child_kill(struct child *c)
{
	killed++;
	c->pid = 0;
}

enum rc msg_send(int fd, const struct msg *m)
{
	(void)fd;
	told++;
	last_told = *m;
	return role_hears ? RC_OK : RC_GONE;
}

/* --- a box ------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	strcpy(dir, "/tmp/ns-eject-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	strcpy(box.own.state, dir);
	strcpy(box.own.vault, "/mnt/disk");
	box.config = &box.own;
	box.disks.child.fd = 3;
	lies_there = DISK;
	leaving = RC_OK;
	role_hears = true;
	answers_with_errors = false;
	stopped = killed = told = 0;
	box_look_at_disk(&box);
	return 0;
}

static int end(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" MARK, dir);
	unlink(path);
	return rmdir(dir);
}

static bool has_mark(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" MARK, dir);
	return access(path, F_OK) == 0;
}

static void look(uint64_t at, enum disk_state wanted)
{
	lies_there = at;
	box_look_at_disk(&box);
	assert_int_equal(box.disk.state, wanted);
}

static void eject(void)
{
	box_eject(&box);
	box_eject_turn(&box, mono_ms());
	if (box.eject == BOX_EJECT_STILL) /* told to whoever looks */
		box_eject_turn(&box, mono_ms());
}

/* A new start of the program: only the state folder is as before. */
static void start_again(void)
{
	struct config own = box.own;

	memset(&box, 0, sizeof(box));
	box.own = own;
	box.config = &box.own;
	box_look_at_disk(&box);
	box_eject_begin(&box);
}

/* --- by the box itself ---------------------------------------------------------- */

static void what_runs_ends_first(void **state)
{
	int64_t now;

	(void)state;
	box.n_phones = 2;
	box.phones[1].session.pid = 99;
	box.census.child.pid = 98;
	box_eject(&box);
	assert_int_equal(stopped, 2);
	now = mono_ms();
	box_eject_turn(&box, now);
	assert_int_equal(box.eject, BOX_EJECT_ASKED);
	box.census.child.pid = 0; /* it ended, the session hangs */
	box_eject_turn(&box, now + END_MS - 1000);
	assert_int_equal(killed, 0);
	assert_int_equal(lies_there, DISK);
	box_eject_turn(&box, now + END_MS + 1000);
	assert_int_equal(killed, 1);
	box_eject_turn(&box, now + END_MS + 1001);
	assert_int_equal(lies_there, DISK); /* first it is told */
	assert_true(box_eject_runs(&box));
	box_eject_turn(&box, now + END_MS + 1001);
	assert_false(box_eject_runs(&box));
	assert_int_equal(lies_there, BARE);
	assert_int_equal(box.disk.state, DISK_EJECTED);
}

static void the_bare_place_is_no_disk(void **state)
{
	(void)state;
	eject();
	look(BARE, DISK_EJECTED);
	assert_true(box.eject_gone);
	assert_int_equal(box.disk.total_bytes, 0); /* those of another disk */
	box_use_disk(&box);
	look(BARE, DISK_EJECTED);
	look(0, DISK_EJECTED);
	look(BARE, DISK_EJECTED);
	assert_true(has_mark());
	look(DISK, DISK_FIT); /* plugged in: it may have the same number */
	assert_int_equal(box.eject, BOX_EJECT_NO);
	assert_false(has_mark());
	look(BARE, DISK_FIT); /* not ejected: as ever */
}

static void it_is_none_after_a_new_start_either(void **state)
{
	(void)state;
	eject();
	start_again();
	assert_int_equal(box.disk.state, DISK_EJECTED);
	box_use_disk(&box);
	look(BARE, DISK_EJECTED);
	start_again();
	assert_int_equal(box.disk.state, DISK_EJECTED);
	look(OTHER, DISK_FIT);
	assert_false(has_mark());
	/* Plugged in while no box ran. */
	eject();
	lies_there = DISK;
	start_again();
	assert_int_equal(box.disk.state, DISK_FIT);
	assert_false(has_mark());
	start_again();
	assert_int_equal(box.disk.state, DISK_FIT);
}

static void one_that_others_use_stays_until_it_is_away(void **state)
{
	(void)state;
	leaving = RC_BUSY;
	eject();
	assert_int_equal(box.disk.state, DISK_HELD);
	assert_non_null(strstr(box.disk.why, "less uses it"));
	look(DISK, DISK_HELD);
	assert_false(box.eject_gone);
	assert_true(box_eject_is_let_go(&box));
	assert_false(has_mark());
	box_use_disk(&box); /* it is still mounted */
	look(DISK, DISK_FIT);
	eject();
	/* Pulled all the same, and only then unmounted. */
	answers_with_errors = true;
	look(DISK, DISK_HELD);
	assert_false(box.eject_gone);
	answers_with_errors = false;
	look(BARE, DISK_EJECTED);
	assert_true(box.eject_gone && has_mark());
	assert_string_equal(box.disk.why, "");
	look(DISK, DISK_FIT);
}

static void one_that_is_free_again_is_ejected_again(void **state)
{
	(void)state;
	leaving = RC_BUSY;
	eject();
	look(DISK, DISK_HELD);
	leaving = RC_OK;
	eject();
	assert_int_equal(lies_there, BARE);
	look(BARE, DISK_EJECTED);
	assert_true(has_mark());
}

static void a_folder_of_a_larger_disk(void **state)
{
	(void)state;
	leaving = RC_NOTFOUND;
	lies_there = BARE;
	box_look_at_disk(&box);
	eject();
	assert_non_null(strstr(box.disk.why, "eject it there"));
	look(BARE, DISK_HELD);
	look(0, DISK_EJECTED); /* the computer took it away */
	assert_false(has_mark()); /* a new start could not tell the two apart */
	look(BARE, DISK_FIT);
}

static void what_could_not_be_written_is_said(void **state)
{
	(void)state;
	leaving = RC_IO;
	eject();
	assert_int_equal(box.disk.state, DISK_FAILING);
	assert_non_null(strstr(box.disk.why, "may not be whole"));
	box_eject(&box); /* it would be forgotten */
	assert_false(box_eject_runs(&box));
	look(BARE, DISK_FAILING); /* unplugging does not mend it */
	look(0, DISK_FAILING);
	assert_non_null(strstr(box.disk.why, "may not be whole"));
	look(OTHER, DISK_FIT);
	leaving = RC_IO;
	eject();
	box_use_disk(&box);
	look(OTHER, DISK_FIT);
}

static void without_a_disk_there_is_nothing_to_eject(void **state)
{
	(void)state;
	look(0, DISK_MISSING);
	eject();
	assert_int_equal(box.eject, BOX_EJECT_NO);
	look(DISK, DISK_FIT);
}

/* --- by the role that mounts ----------------------------------------------------- */

static void the_role_says(enum disk_state found, uint64_t at)
{
	lies_there = at;
	box.found.state = (uint8_t)found;
	box_eject_told(&box);
	box_look_at_disk(&box);
}

static void the_role_takes_it_away(void **state)
{
	(void)state;
	box.own.disks = true;
	eject();
	assert_int_equal(told, 1);
	assert_int_equal(last_told.u.disk_do.what, MSG_DISK_EJECT);
	/* Until it has, a look at what is still there ends nothing. */
	look(DISK, DISK_FIT);
	assert_int_equal(box.eject, BOX_EJECT_TOLD);
	box.found.let_go = 1;
	the_role_says(DISK_EJECTED, 0);
	assert_int_equal(box.disk.state, DISK_EJECTED);
	assert_true(box_eject_is_let_go(&box));
	box_use_disk(&box);
	assert_int_equal(last_told.u.disk_do.what, MSG_DISK_USE);
	box.found.let_go = 0;
	the_role_says(DISK_FIT, DISK);
	assert_int_equal(box.disk.state, DISK_FIT);
	assert_int_equal(box.eject, BOX_EJECT_NO);
	box_use_disk(&box);
	assert_int_equal(told, 2); /* it is in use */
	eject();
	the_role_says(DISK_EJECTED, 0);
	the_role_says(DISK_MISSING, 0); /* unplugged */
	assert_int_equal(box.disk.state, DISK_MISSING);
	assert_false(has_mark());
}

static void a_role_that_does_not_hear_ejects_nothing(void **state)
{
	(void)state;
	box.own.disks = true;
	role_hears = false;
	eject();
	look(DISK, DISK_FIT);
	assert_int_equal(box.eject, BOX_EJECT_NO);
	role_hears = true;
	eject();
	the_role_says(DISK_FIT, DISK); /* its heir, which knows of nothing */
	assert_int_equal(box.eject, BOX_EJECT_NO);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(what_runs_ends_first),
		CASE(the_bare_place_is_no_disk),
		CASE(it_is_none_after_a_new_start_either),
		CASE(one_that_others_use_stays_until_it_is_away),
		CASE(one_that_is_free_again_is_ejected_again),
		CASE(a_folder_of_a_larger_disk),
		CASE(what_could_not_be_written_is_said),
		CASE(without_a_disk_there_is_nothing_to_eject),
		CASE(the_role_takes_it_away),
		CASE(a_role_that_does_not_hear_ejects_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
