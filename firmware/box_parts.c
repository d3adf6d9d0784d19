/* The parts of the box: roles in processes of their own, begun, heard, and begun
 * again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box_int.h"
#include "last_run.h"
#include "log.h"
#include "mono.h"

#define LOG_MODULE "box"

#define CRASHES  3 /* then the box says so */
#define PEACE_MS (10 * 60 * 1000)
#define HUNG_MS  (60 * 1000) /* six times ALIVE_EVERY_MS */
#define KILL_MS  (60 * 1000) /* what was killed has ended by then */

void box_start_part(struct box *b, struct box_part *part)
{
	char port[16], tls_port[16];
	const struct config *c = b->config;
	const char *args[] = { config_nic_name(c->nic), c->interface, c->listen,
		port, c->address, c->gateway, c->box_name,
		config_open_name(c->open), tls_port,
		box_wifi_is_wanted(c) ? "wifi" : "cable", NULL };
	const char *disk_args[] = { c->vault, c->boot_disk, c->state, NULL };
	bool is_web = part == &b->web;
	const char *const *mux =
	    part == &b->usbmux && b->mux.own ? b->mux.args : NULL;

	snprintf(port, sizeof(port), "%d", c->port);
	snprintf(tls_port, sizeof(tls_port), "%d", c->tls_port);
	part->start_ms = 0;
	part->alive_ms = part->hung_ms = 0;
	part->begins++;
	/* What parses bytes of the LAN sees no other part's lines. */
	if (child_start(&part->child, part->role,
		is_web              ? args
		: part == &b->disks ? disk_args
				    : mux,
		is_web ? b->web_ring_fd : b->ring_fd, false))
		part->start_ms = mono_ms() + 5000;
	else if (part == &b->wifi)
		box_send_wifi(b);
	else if (is_web) {
		box_send_pin(b);
		box_send_tls(b);
		box_send_mqtt(b);
		box_send_settings(b);
		box_send_sntp(b);
		box_send_hook(b);
		b->web_behind = true;
	}
}

void box_start_census(struct box *b)
{
	struct msg m = { .type = MSG_START };

	m.u.start.job = MSG_JOB_CENSUS;
	m.u.start.log_level = (uint8_t)log_get_level();
	snprintf(m.u.start.vault_dir, sizeof(m.u.start.vault_dir), "%s",
	    b->config->vault);
	m.u.start.keep = b->config->keep;
	memcpy(m.u.start.udid, b->dismiss, sizeof(m.u.start.udid));
	b->dismiss[0] = '\0';
	b->census_ms = mono_ms();
	for (unsigned i = 0; i < b->n_phones; i++)
		b->phones[i].counted = false;
	box_start_part(b, &b->census);
	if (b->census.child.fd >= 0 && msg_send(b->census.child.fd, &m))
		child_kill(&b->census.child);
}

/* What led to it, for whoever reads a report after the next start. Only the
 * image has a start of its own to tell of. */
void box_keep_log(struct box *b)
{
	const struct log_ring *rings[] = { b->web_ring, b->ring, NULL };
	enum rc rc;

	if (!b->config->notices[0] || !b->ring || !b->web_ring)
		return;
	b->log_kept_ms = mono_ms();
	rc = last_run_keep_log(b->config->state, rings);
	if (rc)
		log_warn("the log is not kept: %s", rc_words(rc));
}

static void count_crash(struct box *b, struct box_part *part)
{
	char words[64];

	if (mono_ms() - part->crash_ms > PEACE_MS)
		part->crashes = 0;
	part->crash_ms = mono_ms();
	part->crashes++;
	child_words(&part->child, words, sizeof(words));
	log_error(
	    "the part %s ended: %s times=%u", part->role, words, part->crashes);
	if (!b->log_kept_ms || mono_ms() - b->log_kept_ms > PEACE_MS)
		box_keep_log(b);
	if (part->crashes >= CRASHES)
		snprintf(b->fault, sizeof(b->fault),
		    "The part %s ended %u times (%s).", part->role,
		    part->crashes, words);
}

bool box_watch_parts(struct box *b, int64_t now_ms)
{
	bool all_end = true;

	for (unsigned i = 0; box_part_at(b, i); i++) {
		struct box_part *part = box_part_at(b, i);

		if (!child_is_running(&part->child) || !part->alive_ms ||
		    now_ms - part->alive_ms <= HUNG_MS)
			continue;
		if (!part->hung_ms) {
			log_error("the part %s does not answer any more: it is "
				  "ended",
			    part->role);
			part->hung_ms = now_ms;
			child_kill(&part->child);
		}
		all_end = all_end && now_ms - part->hung_ms <= KILL_MS;
	}
	return all_end;
}

void box_forgive_parts(struct box *b, int64_t now_ms)
{
	for (unsigned i = 0; b->fault[0] && box_part_at(b, i); i++)
		if (now_ms - box_part_at(b, i)->crash_ms <= PEACE_MS)
			return;
	b->fault[0] = '\0';
}

/* 1, 2, 4 … 64 s. */
static int64_t back_off_ms(const struct box_part *part)
{
	unsigned n = part->crashes < 7 ? part->crashes : 7;

	return n ? 500LL << n : 500;
}

static void part_ended(struct box *b, struct box_part *part)
{
	bool clean = WIFEXITED(part->child.status) &&
		     WEXITSTATUS(part->child.status) == 0;

	if (part == &b->scrub) {
		box_scrub_ended(b);
		return;
	}
	/* A census that could not read a disk that is being pulled has said so
	 * and ended: that is no crash. */
	if (part == &b->census && clean && b->disk.state == DISK_FIT)
		box_phones_counted(b, b->census_ms);
	if (part == &b->census && WIFEXITED(part->child.status))
		clean = true;
	if (!clean && !b->stop)
		count_crash(b, part);
	child_close(&part->child);
	if (part == &b->census) {
		b->has_census = true;
		if (b->census_again && b->disk.state == DISK_FIT)
			box_start_census(b);
		b->census_again = false;
		return;
	}
	part->start_ms = mono_ms() + back_off_ms(part);
	if (part == &b->web)
		box_upload_web_lost(b);
	if (part == &b->usbmux)
		box_bus_lost(b);
	if (part == &b->usbmux && !b->usbmux_lost_ms) {
		b->usbmux_lost_ms = mono_ms();
		for (unsigned i = 0; i < b->n_phones; i++)
			b->phones[i].unconfirmed = b->phones[i].attached;
	}
}

/* Phones that a new usbmux does not name are gone. */
void box_drop_unconfirmed(struct box *b, int64_t now_ms)
{
	if (!b->usbmux_lost_ms || now_ms - b->usbmux_lost_ms < BOX_CONFIRM_MS)
		return;
	b->usbmux_lost_ms = 0;
	for (unsigned i = 0; i < b->n_phones; i++)
		if (b->phones[i].unconfirmed) {
			b->phones[i].unconfirmed = false;
			box_phone_detached(b, b->phones[i].udid);
		}
}

static bool part_message(
    struct box *b, struct box_part *part, const struct msg *m)
{
	if (m->type == MSG_ALIVE &&
	    (part == &b->web || part == &b->usbmux || part == &b->wifi)) {
		part->alive_ms = mono_ms();
		return true;
	}
	if (part == &b->usbmux && m->type == MSG_ATTACHED) {
		box_phone_attached(b, m->u.device.udid);
		return true;
	}
	if (part == &b->usbmux && m->type == MSG_DETACHED) {
		box_phone_detached(b, m->u.device.udid);
		return true;
	}
	if (part == &b->usbmux && m->type == MSG_ON_BUS) {
		box_bus_told(b, &m->u.on_bus);
		return true;
	}
	if (part == &b->disks && m->type == MSG_DISK) {
		b->found = m->u.disk;
		if (b->found.state != DISK_FIT)
			status_smart_unknown(&b->smart);
		box_eject_told(b);
		box_look_at_disk(b);
		if (b->disk.state != DISK_FIT)
			b->has_census = true; /* there is none to wait for */
		return true;
	}
	if (part == &b->wifi && m->type == MSG_WIFI) {
		box_wifi_told(b, &m->u.wifi);
		return true;
	}
	if (part == &b->disks && m->type == MSG_DISK_SMART) {
		b->smart = m->u.smart;
		return true;
	}
	if (part == &b->census && m->type == MSG_KEPT) {
		box_phone_kept(b, &m->u.kept);
		return true;
	}
	if (part == &b->scrub && m->type == MSG_KEPT) {
		box_phone_kept(b, &m->u.kept);
		return true;
	}
	if (part == &b->scrub && m->type == MSG_SCRUBBED) {
		box_scrub_told(b, &m->u.scrubbed);
		return true;
	}
	if (part == &b->web && m->type == MSG_SERVING) {
		box_update_served(b);
		if (b->config->nic == CONFIG_NIC_SLIRP)
			log_note("the page: http://%s:%d/", b->config->listen,
			    m->u.serving.port);
		else
			log_note("the page: port %d of the box's own addresses",
			    m->u.serving.port);
		return true;
	}
	if (part == &b->web && m->type == MSG_EVENT_OVER) {
		box_hook_over(b, &m->u.event_over);
		return true;
	}
	if (part == &b->web && m->type == MSG_TIME) {
		box_time_heard(b, STATUS_CLOCK_SNTP, m->u.time.at_ms,
		    m->u.time.mono_ms, m->u.time.from);
		return true;
	}
	if (part == &b->web && m->type == MSG_SETTINGS) {
		box_set_settings(b, &m->u.settings);
		return true;
	}
	if (part == &b->web && m->type == MSG_UPLOAD) {
		box_upload_message(b, m);
		return true;
	}
	if (part == &b->web && m->type == MSG_COMMAND)
		return box_command(b, &m->u.command);
	return false;
}

void box_dismiss(struct box *b, const char *udid)
{
	snprintf(b->dismiss, sizeof(b->dismiss), "%s", udid);
	if (b->disk.state != DISK_FIT)
		return;
	if (b->census.child.pid > 0)
		b->census_again = true;
	else
		box_start_census(b);
}

/* See box_look_again(). A census that runs may have read the vault before the
 * change. */
void box_census_again(struct box *b)
{
	if (b->disk.state != DISK_FIT)
		return;
	if (b->census.child.pid == 0)
		box_start_census(b);
	else
		b->census_again = true;
}

/* --- their messages ---------------------------------------------------------- */

static bool take(struct box *b, const struct box_source *s, const struct msg *m)
{
	if (s->part)
		return part_message(b, s->part, m);
	if (s->child == &b->update.child)
		return box_update_told(b, m);
	if (s->child == &s->phone->watch)
		return box_phone_watched(b, s->phone, m);
	return box_phone_message(b, s->phone, m);
}

/* Takes all that is there; a child that sends what it may not is killed. */
void box_drain(struct box *b, const struct box_source *s)
{
	static struct msg m;
	struct child *c = s->child;
	enum rc rc = RC_OK;

	/* What a message leads to may close its own sender. */
	while (!rc && c->fd >= 0) {
		rc = msg_recv(c->fd, &m);
		if (!rc && !take(b, s, &m))
			rc = RC_PROTO;
		if (m.type == MSG_COMMAND)
			explicit_bzero(&m.u.command, sizeof(m.u.command));
	}
	if (rc == RC_BUSY || c->fd < 0)
		return;
	if (rc != RC_GONE) {
		log_error("a child's message makes no sense pid=%d: %s",
		    (int)c->pid, rc_words(rc));
		child_kill(c);
	}
	close(c->fd);
	c->fd = -1;
}

struct box_part *box_part_at(struct box *b, unsigned i)
{
	struct box_part *parts[] = { &b->usbmux, &b->web, &b->census, &b->scrub,
		&b->disks, &b->wifi };

	return i < BOX_PARTS ? parts[i] : NULL;
}

void box_reap(struct box *b)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; box_part_at(b, i); i++)
			child_note_exit(&box_part_at(b, i)->child, pid, status);
		child_note_exit(&b->update.child, pid, status);
		for (unsigned i = 0; i < b->n_phones; i++) {
			child_note_exit(&b->phones[i].session, pid, status);
			child_note_exit(&b->phones[i].watch, pid, status);
		}
	}
}

void box_settle_children(struct box *b)
{
	for (unsigned i = 0; box_part_at(b, i); i++)
		if (child_is_over(&box_part_at(b, i)->child))
			part_ended(b, box_part_at(b, i));
	if (child_is_over(&b->update.child))
		box_update_ended(b);
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		if (child_is_over(&p->watch))
			child_close(&p->watch);
		/* Over, or it could not even be started. */
		if (child_is_over(&p->session) ||
		    (phone_fsm_has_session(p->state) &&
			!child_is_running(&p->session)))
			box_phone_ended(b, p);
	}
}
