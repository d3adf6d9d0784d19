#include "agent_backup.h"

#include "phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int agent_preconditions(struct agent *a)
{
	bool setup_done, locked;

	pthread_mutex_lock(&a->ph->lock);
	a->ph->cancel_backup = false;
	setup_done = a->ph->setup_done;
	locked = a->ph->locked && a->ph->passcode_set;
	pthread_mutex_unlock(&a->ph->lock);
	if (!setup_done)
		return agent_fail_code(a, AGENT_SETUP);
	/* A locked phone of a paired host is backed up as long as it was
	 * unlocked once since it started. */
	if (locked && phone_knob(a->ph, "locked_fails", 0) != 0)
		return agent_fail_code(a, AGENT_LOCKED);
	return 0;
}

static int agent_passcode(struct agent *a, int major, int minor)
{
	const struct phone_identity *id = &a->ph->id;
	int r = agent_point(a, "passcode", 0);

	if (r != 0)
		return r;
	if (id->ios_major < major ||
	    (id->ios_major == major && id->ios_minor < minor))
		return 0;
	switch (phone_ask_passcode(a->ph)) {
	case PASSCODE_ANSWER_OK:
		return 0;
	case PASSCODE_ANSWER_REFUSED:
	case PASSCODE_ANSWER_TIMEOUT:
		return agent_fail_code(a, AGENT_LOCKED);
	case PASSCODE_ANSWER_GONE:
		break;
	}
	return AGENT_END;
}

static int agent_backup_new_data(struct agent_backup *b)
{
	int r = agent_room(b);

	if (r == 0)
		r = agent_folders(b);
	if (r == 0)
		r = agent_upload_status(b, AGENT_SNAPSHOT_UPLOADING);
	if (r == 0)
		r = agent_upload(b);
	if (r == 0)
		r = agent_upload_status(b, AGENT_SNAPSHOT_MOVING);
	return r;
}

/* From the question for Status.plist to the finished, verified backup. */
static int agent_backup_once(struct agent_backup *b)
{
	int r = agent_prepare(b);

	if (r == 0)
		phone_event(b->a->ph, "backup begin %s from %s uuid %s",
		    b->status.full ? "full" : "incremental",
		    agent_status_name(b->from), b->status.uuid);
	if (r == 0 && b->from == AGENT_SNAPSHOT_UPLOADING)
		r = agent_backup_new_data(b);
	if (r == 0 && b->from != AGENT_SNAPSHOT_REMOVING)
		r = agent_move(b);
	if (r == 0)
		r = agent_upload_status(b, AGENT_SNAPSHOT_REMOVING);
	if (r == 0)
		r = agent_remove(b);
	if (r == 0)
		r = agent_upload_status(b, AGENT_SNAPSHOT_FINISHED);
	if (r == 0)
		r = agent_verify(b);
	return r;
}

static void agent_backup_clear(struct agent_backup *b)
{
	manifest_close(b->base);
	b->base = NULL;
	agent_journal_close(b->journal);
	b->journal = NULL;
}

static uint32_t agent_batch_knob(struct agent *a, const char *name, int def)
{
	int64_t v = phone_knob(a->ph, name, def);

	return v < 1 ? 1 : v > AGENT_BATCH_MAX ? AGENT_BATCH_MAX : (uint32_t)v;
}

static void agent_full_next_path(
    const struct agent *a, char out[AGENT_PATH_MAX])
{
	snprintf(out, AGENT_PATH_MAX, "%s/full-next", a->dir);
}

void agent_full_next(struct agent *a, bool yes)
{
	char path[AGENT_PATH_MAX];
	FILE *f;

	agent_full_next_path(a, path);
	if (!yes) {
		(void)remove(path);
		return;
	}
	f = fopen(path, "w");
	if (!f || fclose(f) != 0)
		phone_event(a->ph, "can't note that a full backup is next");
}

static bool agent_is_full_next(const struct agent *a)
{
	char path[AGENT_PATH_MAX];

	agent_full_next_path(a, path);
	return access(path, F_OK) == 0;
}

static void agent_backup_knobs(struct agent_backup *b)
{
	struct phone *ph = b->a->ph;

	b->upload_batch = agent_batch_knob(b->a, "upload_batch", 200);
	b->move_batch = agent_batch_knob(
	    b->a, "move_batch", ph->id.ios_major <= 15 ? 128 : 200);
	b->empty_chunks = phone_knob(ph, "empty_chunks", 0) != 0;
	b->odd_chunks = phone_knob(ph, "odd_chunks", 0) != 0;
	agent_knob_text(b->a, "fail_file", b->fail_file, sizeof(b->fail_file));
	agent_knob_text(b->a, "fail_open", b->fail_open, sizeof(b->fail_open));
}

int agent_backup(struct agent *a, const char *udid, bool force_full)
{
	struct agent_backup *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return AGENT_END;
	b->a = a;
	b->u = udid;
	b->force_full = force_full || agent_is_full_next(a);
	agent_backup_knobs(b);
	phone_event(a->ph, "backup request full=%d", force_full);
	r = agent_passcode(a, 16, 1);
	if (r == 0)
		r = agent_preconditions(a);
	while (r == 0) {
		r = agent_backup_once(b);
		agent_backup_clear(b);
		/* What was cut in its last steps is now whole; the phone has
		 * changed since. */
		if (b->from == AGENT_SNAPSHOT_UPLOADING)
			break;
	}
	if (r == 0)
		agent_full_next(a, false);
	phone_event(a->ph, "backup sent %llu files %llu bytes",
	    (unsigned long long)b->files, (unsigned long long)b->bytes_done);
	free(b);
	return r;
}

int agent_change_password(
    struct agent *a, const char *old_pw, const char *new_pw)
{
	int r = agent_passcode(a, 13, 0);

	if (r != 0)
		return r;
	r = content_change_password(a->content, old_pw, new_pw);
	if (r < 0)
		return agent_fail_code(a, AGENT_INTERNAL);
	if (r > 0)
		return agent_fail(a, r, "Invalid password");
	/* What was staged is of the old keys. */
	agent_journals_forget(a);
	phone_event(a->ph, "encryption %s",
	    content_is_encrypted(a->content) ? "on" : "off");
	return 0;
}

int agent_legacy(struct agent *a, const char *source)
{
	static const char *const names[] = { "Status.plist", "Manifest.plist",
		"Manifest.mbdb" };
	char local[AGENT_PATH_MAX], remote[AGENT_NAME_MAX], under[300];
	int dl_code = 0, r = 0;

	for (size_t i = 0; r == 0 && dl_code == 0 && i < 3; i++) {
		snprintf(remote, sizeof(remote), "%s/%s", source, names[i]);
		snprintf(local, sizeof(local), "%s/legacy", a->dir);
		r = agent_fetch(a, remote, local, &dl_code);
		remove(local);
	}
	if (r != 0)
		return r;
	if (dl_code != DL_CODE_NOT_FOUND)
		return agent_fail(
		    a, AGENT_CORRUPT, "Error reading backup database");
	snprintf(under, sizeof(under),
	    "No such file or directory at path \"%s\"", remote);
	return agent_fail_under(a, AGENT_CORRUPT,
	    "Error reading backup database", AGENT_NOT_FOUND, under);
}
