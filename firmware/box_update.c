/*
 * A new firmware: found on the backup disk or sent through the page
 * (box_upload.c), offered, installed when a person says so, tried at the next
 * start, and confirmed when the box is well. The work is done by a child
 * (role_update.c).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box_int.h"
#include "init.h"
#include "log.h"
#include "mono.h"
#include "settings_file.h"
#include "wall.h"

#define LOG_MODULE "box"

#define FILE_NAME "nightstand.update"
#define WELL_MS   20000 /* every part has run so long */
#define END_MS    1500 /* for the page to say that it restarts */

static void add_line(struct box *b, enum status_state state, const char *detail)
{
	struct status_night n = { .at = wall_now(), .state = state };

	snprintf(n.detail, sizeof(n.detail), "%.127s", detail);
	box_add_night(b, &n);
}

void box_update_begin(struct box *b)
{
	struct box_update *u = &b->update;
	char mode[8] = "", why[96];
	const char *path = b->config->slots;
	FILE *f = path[0] ? fopen(path, "re") : NULL;

	u->child = CHILD_NONE;
	if (path[0] && !f)
		log_warn(
		    "no slots are told path=%s: %s", path, strerror(errno));
	if (!f)
		return;
	u->has = fscanf(f, "%255s %15s %7s %31s", u->card, u->board, mode,
		     u->tried) == 4;
	fclose(f);
	u->trial = u->has && !strcmp(mode, "trial");
	if (!u->has || strcmp(mode, "back") != 0)
		return;
	snprintf(why, sizeof(why),
	    "version %s did not come up well; the former one runs", u->tried);
	box_update_line(b, why);
}

void box_update_line(struct box *b, const char *why)
{
	add_line(b, STATE_UPDATE_FAILED, why);
}

bool box_update_start(
    struct box *b, enum box_update_job job, const char *const *args)
{
	struct box_update *u = &b->update;

	if (child_start(&u->child, "update", args, b->ring_fd, false))
		return false;
	u->job = job;
	u->done = false;
	return true;
}

/* --- on trial ---------------------------------------------------------------- */

/* Every part has begun once and runs, and the page is there if it was. */
static bool is_well(const struct box *b, int64_t now_ms)
{
	const struct box_part *all[] = { &b->usbmux, &b->web, &b->disks };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->begins != 1 || !child_is_running(&all[i]->child))
			return false;
	return b->has_census && !b->fault[0] && b->led &&
	       now_ms - b->began_ms >= WELL_MS && b->update.served;
}

static void confirm(struct box *b)
{
	const char *const args[] = { "confirm", b->update.card, NULL };

	if (!box_update_start(b, BOX_UPDATE_CONFIRM, args))
		log_error("the update can't be confirmed");
}

/* --- an offer ---------------------------------------------------------------- */

static void path_of(const struct box *b, char *out, size_t cap)
{
	snprintf(out, cap, "%s/" FILE_NAME, b->config->vault);
}

static void forget(struct box_update *u)
{
	memset(&u->offer, 0, sizeof(u->offer));
	memset(&u->seen, 0, sizeof(u->seen));
}

void box_update_disk_lost(struct box *b)
{
	forget(&b->update);
}

/* The file of the disk, once for each that comes. */
static void look(struct box *b)
{
	struct box_update *u = &b->update;
	char path[sizeof(b->config->vault) + sizeof(FILE_NAME) + 1];
	const char *const args[] = { "look", u->board, path, NULL };
	struct stat st;

	path_of(b, path, sizeof(path));
	if (b->disk.state != DISK_FIT || lstat(path, &st) != 0) {
		forget(u);
		return;
	}
	if (st.st_size == u->seen.size && st.st_mtime == u->seen.mtime &&
	    st.st_ino == u->seen.ino)
		return;
	forget(u);
	u->seen.size = st.st_size;
	u->seen.mtime = st.st_mtime;
	u->seen.ino = st.st_ino;
	if (!box_update_start(b, BOX_UPDATE_LOOK, args))
		forget(u);
}

void box_update_turn(struct box *b, int64_t now_ms)
{
	struct box_update *u = &b->update;

	if (!u->has || u->child.pid)
		return;
	if (u->restart_ms && now_ms >= u->restart_ms) {
		u->restart_ms = 0;
		if (getppid() == 1 && kill(1, SIGTERM) == 0)
			return;
		log_error("the machine can't be restarted");
	}
	if (u->restart_ms || now_ms < u->look_ms)
		return;
	u->look_ms = now_ms + 5000;
	if (u->trial && is_well(b, now_ms))
		confirm(b);
	else if (!u->trial)
		look(b);
}

int64_t box_update_next(const struct box *b)
{
	return b->update.restart_ms;
}

bool box_update_runs(const struct box *b)
{
	const struct box_update *u = &b->update;

	return u->restart_ms ||
	       (u->child.pid &&
		   (u->job == BOX_UPDATE_INSTALL || u->job == BOX_UPDATE_TAKE));
}

void box_update_served(struct box *b)
{
	b->update.served = true;
}

static bool install_sent(struct box *b, const char *older)
{
	struct box_update *u = &b->update;
	const char *const args[] = { "take", u->card, older,
		u->served ? "page" : "-", NULL };

	log_note("the update that was sent is installed, as its owner asked "
		 "version=%s",
	    u->sent.version);
	return box_update_start(b, BOX_UPDATE_TAKE, args);
}

static bool install_of_disk(struct box *b, const char *older)
{
	struct box_update *u = &b->update;
	char path[sizeof(b->config->vault) + sizeof(FILE_NAME) + 1];
	const char *const args[] = { "install", u->card, older,
		u->served ? "page" : "-", path, NULL };

	path_of(b, path, sizeof(path));
	log_note("an update is installed, as its owner asked version=%s",
	    u->offer.version);
	return box_update_start(b, BOX_UPDATE_INSTALL, args);
}

/* What runs on the disk and the phones goes on: only the restart ends it, as
 * an unplugged phone would. */
void box_update_asked(struct box *b, bool older)
{
	struct box_update *u = &b->update;
	const char *word = older ? "older" : "-";
	bool begun;

	if (!u->has || u->child.pid || u->restart_ms || u->trial ||
	    b->upload.wanted ||
	    (!u->sent.version[0] &&
		(!u->offer.version[0] || u->offer.why[0]))) {
		log_warn("there is no update to be installed now");
		return;
	}
	u->pct = 0;
	u->said[0] = '\0';
	u->said_sent = u->sent.version[0];
	begun = u->sent.version[0] ? install_sent(b, word)
				   : install_of_disk(b, word);
	if (!begun)
		log_error("the update can't be installed now");
}

/* SETTINGS.txt of the card counts again; PIN, trust of phones, ledger and
 * backups stay. */
void box_update_reset(struct box *b)
{
	enum rc rc = RC_BUSY;

	if (b->update.has && !box_update_runs(b) && !box_upload_comes(b))
		rc = settings_forget(b->config->state);
	if (rc) {
		log_error("the settings were not reset: %s", rc_words(rc));
		return;
	}
	log_note("the settings are reset, as the owner asked: restarting");
	b->update.restart_ms = mono_ms() + END_MS;
}

/* --- what the child says ------------------------------------------------------- */

static void looked(struct box *b, const struct msg_update *m)
{
	struct box_update *u = &b->update;

	if (!u->seen.ino) /* its disk is away again */
		return;
	memcpy(u->offer.version, m->version, sizeof(u->offer.version));
	memcpy(u->offer.why, m->why, sizeof(u->offer.why));
	u->offer.build = m->build;
	u->offer.older = m->older;
	log_note("an update lies on the disk version=%s build=%llu%s%s",
	    m->version[0] ? m->version : "unknown",
	    (unsigned long long)m->build, m->why[0] ? ": " : "", m->why);
}

static void installed(struct box *b, const struct msg_update *m)
{
	struct box_update *u = &b->update;

	if (!m->rc) {
		log_note("the update is on the card version=%s: restarting",
		    m->version);
		u->restart_ms = mono_ms() + END_MS;
		return;
	}
	log_error("the update was not installed: %s", m->why);
	snprintf(u->said, sizeof(u->said), "%s", m->why);
	add_line(b, STATE_UPDATE_FAILED, m->why);
}

static void confirmed(struct box *b, const struct msg_update *m)
{
	if (m->rc) {
		log_error("the update can't be confirmed: %s", m->why);
		return;
	}
	b->update.trial = false;
	log_note("the update is well version=%s", m->version);
	add_line(b, STATE_UPDATED, m->version);
}

bool box_update_told(struct box *b, const struct msg *m)
{
	struct box_update *u = &b->update;

	if (m->type != MSG_UPDATE || u->done)
		return false;
	if (m->u.update.what == MSG_UPDATE_DONE) {
		u->done = true;
		u->last = m->u.update;
		close(u->child.fd); /* there is nothing more to say */
		u->child.fd = -1;
	} else if (u->job == BOX_UPDATE_RECEIVE) {
		box_upload_progress(b, &m->u.update);
	} else {
		u->pct = m->u.update.pct;
	}
	return true;
}

/* Then the card is unmounted, and what was said counts. */
void box_update_ended(struct box *b)
{
	struct msg_update lost = { .rc = RC_BUG, .why = "it ended too early" };
	struct box_update *u = &b->update;
	bool done = u->done;

	child_close(&u->child);
	u->done = true;
	switch (u->job) {
	case BOX_UPDATE_LOOK:
		if (done)
			looked(b, &u->last);
		break;
	case BOX_UPDATE_INSTALL:
	case BOX_UPDATE_TAKE:
		/* The slot that it wrote to, or that it did not like. */
		memset(&u->sent, 0, sizeof(u->sent));
		installed(b, done ? &u->last : &lost);
		break;
	case BOX_UPDATE_RECEIVE:
		box_upload_over(b, done ? &u->last : NULL);
		break;
	case BOX_UPDATE_CONFIRM:
		if (done)
			confirmed(b, &u->last);
		break;
	}
}

void box_update_status(const struct box *b, struct status_update *out)
{
	const struct box_update *u = &b->update;
	bool sent = u->sent.version[0];

	out->can = u->has;
	out->runs = box_update_runs(b);
	out->comes = box_upload_comes(b);
	out->trial = u->trial;
	out->pct = u->pct;
	out->sent = sent || (u->said[0] && u->said_sent);
	out->older = sent ? u->sent.older : u->offer.older;
	out->build = sent ? u->sent.build : u->offer.build;
	snprintf(out->version, sizeof(out->version), "%s",
	    sent ? u->sent.version : u->offer.version);
	snprintf(out->why, sizeof(out->why), "%s",
	    u->said[0] ? u->said
	    : sent     ? ""
		       : u->offer.why);
}
