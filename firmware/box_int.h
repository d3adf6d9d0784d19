/* What the box's files share; not for use outside of box*.c. */
#ifndef BOX_INT_H
#define BOX_INT_H

#include "child.h"
#include "config.h"
#include "disk.h"
#include "health.h"
#include "led.h"
#include "ledger.h"
#include "log_ring.h"
#include "meter.h"
#include "msg.h"
#include "muxplan.h"
#include "outbox.h"
#include "outcome.h"
#include "phone_fsm.h"
#include "policy.h"
#include "recorder.h"
#include "status.h"
#include "timekeeper.h"
#include "tlscert.h"
#include "wdog.h"

/* A box that was just switched on has better things to do. */
#define BOX_SCRUB_FIRST_MS (10 * 60 * 1000)

enum box_eject {
	BOX_EJECT_NO,
	BOX_EJECT_ASKED, /* what runs on the disk is ending */
	BOX_EJECT_STILL, /* it has: told first, as the next step may last */
	BOX_EJECT_TOLD, /* the role that mounts takes it away, and tells */
	BOX_EJECT_DONE /* by the box itself; where a role mounts, NO again */
};

struct box_phone {
	char udid[48];
	enum phone_state state;
	int64_t state_ms; /* since when */
	int64_t deadline_ms; /* 0: none */
	bool attached;
	bool replugged; /* came back while its session was ending */
	bool unconfirmed; /* usbmux began anew and has not named it yet */
	int64_t unplugged_ms;
	int64_t dropped_ms; /* its last session ended as it went away; 0: not */
	struct policy_phone policy;
	struct child session;
	struct child watch; /* in `missed`: waits for an unlock */
	int64_t session_ms; /* when it began */
	bool asked; /* the request reached the phone */
	bool has_result;
	bool stopped; /* its owner asked for that */
	/* For the session that begins; lent by who asks for it. */
	const struct password_change *password;
	struct msg_result result;
	struct msg_kept kept; /* its udid is "" until one came */
	const char *killed; /* why, or NULL */
	bool next_fresh, next_full;
	bool counted; /* the census that runs has named it */
	struct meter meter;
	struct status_phone shown;
};

enum box_update_job {
	BOX_UPDATE_LOOK, /* at the file of the disk */
	BOX_UPDATE_INSTALL, /* it, into the card's other slot */
	BOX_UPDATE_RECEIVE, /* as it is sent, likewise, to wait there */
	BOX_UPDATE_TAKE, /* what waits there is to be tried */
	BOX_UPDATE_CONFIRM /* the one that runs on trial */
};

struct box_update {
	bool has; /* this machine has slots */
	bool trial; /* what runs is being tried */
	bool served; /* the page was reachable since the start */
	char card[256], board[16];
	char tried[32]; /* version of the last try; "-" */
	struct child child;
	enum box_update_job job;
	bool done; /* it has said what came of it */
	struct {
		int64_t size, mtime;
		uint64_t ino;
	} seen; /* the file that was looked at */
	struct {
		char version[32]; /* "" none, or nothing is believed */
		char why[128]; /* it can't be installed; "" it can */
		uint64_t build;
		bool older;
	} offer; /* of the disk */
	struct {
		char version[32]; /* "" none */
		uint64_t build;
		bool older;
	} sent; /* waits on the card; a new start forgets it */
	uint8_t pct;
	char said[128]; /* why the last one was not taken */
	bool said_sent; /* … which came through the page */
	struct msg_update last; /* what the child said at its end */
	int64_t look_ms;
	int64_t restart_ms; /* the machine is restarted then; 0: not */
};

/* An update that is sent through the page. */
struct box_upload {
	bool wanted; /* once another child of `update` has ended */
	bool behind; /* `said` was not sent yet */
	struct web_upload_said said;
};

/* A device on USB, by its place there. */
#define BOX_ON_BUS 16u /* as many as the driver knows */
struct box_on_bus {
	bool in_use;
	struct msg_on_bus m;
	int64_t since_ms, since_at; /* when it was told */
};

/* A role that runs all the time, or is started again. */
struct box_part {
	const char *role;
	struct child child;
	int64_t start_ms; /* not before; 0: never */
	unsigned begins;
	unsigned crashes; /* since the last peace */
	int64_t crash_ms;
	int64_t alive_ms; /* when it said so last; 0: it says no such thing */
	int64_t hung_ms; /* when it was killed for its silence; 0: it was not */
};

struct box {
	const struct config *config; /* `own`: the page may change it */
	struct config own;
	struct policy policy;
	struct ledger *ledger;
	struct led *led;
	struct button *button; /* NULL: none */
	int64_t button_heard_ms; /* the light says so since then; 0: not */
	struct wdog *wdog;
	int signals, listen; /* -1: none */
	struct log_ring *ring, *web_ring; /* NULL: none */
	int64_t log_kept_ms; /* 0: not yet */
	struct recorder recorder; /* without words: none */
	uint64_t recorded_end; /* of both rings, when it was written last */
	enum status_reset last_reset;
	int ring_fd, web_ring_fd;
	int64_t web_again_ms; /* it begins again then; 0: not */
	int64_t report_ms; /* the last one was made */
	bool stop;
	int64_t began_ms, tick_ms, kick_ms;
	struct muxplan mux;
	struct box_part usbmux, web, census, scrub, disks, wifi;
	struct msg_wifi wifi_now; /* what `wifi` told last */
	struct status_smart smart; /* of the disk that is mounted */
	struct msg_disk found; /* what `disks` told last */
	int64_t scrub_ms; /* not before; 0: when a backup is safe */
	int64_t scrubbed_ms; /* when the last one had its time; 0: never */
	bool scrub_killed;
	bool has_census; /* what the vault holds is known */
	int64_t census_ms; /* the last one began */
	bool census_again; /* it changed while it was read */
	int64_t usbmux_lost_ms; /* phones are unconfirmed since; 0: not */
	bool web_behind; /* the newest status was not sent yet */
	struct disk disk;
	enum box_eject eject;
	int64_t eject_ms; /* who still runs on it is killed then */
	uint64_t eject_dev; /* what lies at its place since */
	bool eject_mount; /* that is a mount point, not a folder of one */
	bool eject_gone; /* nothing is mounted there any more */
	enum rc eject_rc; /* what came of it: see disk_leave() */
	char eject_why[200];
	struct health health;
	int64_t weak_power_at; /* Unix seconds; 0: never */
	int64_t weak_power_ms;
	uint32_t weak_power_times;
	int64_t night; /* wall_night_number() of the last turn */
	struct outbox *outbox; /* NULL: no webhook */
	bool hook_sent; /* its first event is with the page's role */
	struct timekeeper time;
	int64_t time_at; /* since when its source is what it is */
	int64_t time_keep_ms; /* the moment is kept again; 0: not begun */
	bool time_unkept; /* the last try failed */
	struct box_update update;
	struct box_upload upload;
	char zone[64]; /* that of the phones; "" none, or not asked for */
	char fault[200];
	char notice[256]; /* of the system, at the start; "" none */
	bool settings_unkept; /* the notice says so */
	char pin[32]; /* of the page; "" none */
	struct tlscert cert; /* of the page; its cert_len is 0: none */
	char dismiss[48]; /* the phone whose warning is to go; "" none */
	unsigned n_phones;
	struct box_phone phones[LIMIT_PHONES];
	struct box_on_bus on_bus[BOX_ON_BUS];
	struct status status, sent;
};

/* --- box_phone.c: one phone ------------------------------------------------- */

/* NULL when there is no room for one more. */
struct box_phone *box_phone_get(struct box *b, const char *udid);

void box_phone_post(struct box *b, struct box_phone *p, enum phone_event ev);
void box_phone_attached(struct box *b, const char *udid);
void box_phone_detached(struct box *b, const char *udid);

/* The supply dips now: names it for a phone that has just gone. */
void box_phone_weak_power(struct box *b);

/* A message of its session; false: not one that a session may send. */
bool box_phone_message(struct box *b, struct box_phone *p, const struct msg *m);

/* A message of its watch; false as above. */
bool box_phone_watched(struct box *b, struct box_phone *p, const struct msg *m);

/* Its session's process has ended. */
void box_phone_ended(struct box *b, struct box_phone *p);

/* Fires the deadline when it has passed. */
void box_phone_turn(struct box *b, struct box_phone *p, int64_t now_ms);

void box_phone_kept(struct box *b, const struct msg_kept *kept);
/* A census has read all of the disk since then: who was not named has nothing
 * there. */
void box_phones_counted(struct box *b, int64_t began_ms);

/* Its session tells the phone, and ends; what was sent is kept. */
void box_phone_stop(struct box_phone *p);

/* --- box_bus.c: what is on USB, and does not talk --------------------------------- */

void box_bus_told(struct box *b, const struct msg_on_bus *m);
/* The driver ended: the next one tells all again. */
void box_bus_lost(struct box *b);
/* STATE_SEEN: it talks, or is not there. */
enum status_state box_bus_state(const struct box *b, const char *udid);
/* Of a phone that the box knows: its port, and why it does not talk. */
void box_bus_fill(
    const struct box *b, const struct box_phone *p, struct status_phone *out);
/* Adds those that it does not know. */
void box_bus_strangers(const struct box *b, struct status *st);

/* --- box_password.c: the backup password ----------------------------------------- */

/* Begins a session that changes it and then backs up; when that can't be, a
 * line of the ledger says why. */
void box_password_asked(
    struct box *b, struct box_phone *p, const struct password_change *w);
/* Behind the START of a session. */
MUST_CHECK enum rc box_password_send(struct box_phone *p);
/* The phone has taken it. */
void box_password_set(
    struct box *b, struct box_phone *p, enum password_did did);
/* Its session has ended before that. */
void box_password_ended(struct box_phone *p, struct outcome *o);

/* --- box_scrub.c: reading backups again -------------------------------------- */

/* Starts one when it is due and nothing else needs the disk. */
void box_scrub_turn(struct box *b, int64_t now_ms);
/* When the next look is worth it; 0: never. */
int64_t box_scrub_next(const struct box *b);
/* At once: a phone needs the disk. It goes on later. */
void box_scrub_stop(struct box *b);
/* A backup is safe: it may begin. */
void box_scrub_wish(struct box *b);
/* Its messages, and its end. */
void box_scrub_told(struct box *b, const struct msg_scrubbed *m);
void box_scrub_ended(struct box *b);

/* What it needs of the config. */
struct policy box_policy(const struct config *c);

/* --- box_zone.c: the time zone of the phones ---------------------------------- */

/* The config's, or the one that was kept. Before any role begins. */
void box_zone_begin(struct box *b);
/* A phone's: used and kept where nobody has set another. */
void box_zone_heard(struct box *b, const char *name, const char *phone);

/* --- box_socket.c: `nightstand status` and its like -------------------------- */

/* RC_BUSY: another box runs on this state folder. */
MUST_CHECK enum rc box_socket_open(struct box *b);
void box_socket_answer(struct box *b);
void box_socket_close(struct box *b);

/* --- box_parts.c: the roles that run beside the phones' ---------------------- */

#define BOX_PARTS      6
#define BOX_CONFIRM_MS 3000 /* for a new usbmux to name all phones */

/* NULL behind the last one. */
struct box_part *box_part_at(struct box *b, unsigned i);
/* Starts a part now. */
void box_keep_log(struct box *b);
void box_start_part(struct box *b, struct box_part *part);
/* Ends those that have stopped answering. False: one can't be ended, and only
 * a new start of the machine helps. */
bool box_watch_parts(struct box *b, int64_t now_ms);
/* After a long peace the fault that they made is over. */
void box_forgive_parts(struct box *b, int64_t now_ms);
/* Reads what the vault holds; with _again, once more when it is read now. */
void box_start_census(struct box *b);
void box_census_again(struct box *b);
/* Phones that a new usbmux does not name are gone. */
void box_drop_unconfirmed(struct box *b, int64_t now_ms);

/* Who stands behind a descriptor of the poll. */
struct box_source {
	struct child *child;
	struct box_part *part; /* one of the parts, or */
	/* … the session or the watch of this one; neither: an update */
	struct box_phone *phone;
};

/* Takes all that is there; a child that sends what it may not is killed. */
void box_drain(struct box *b, const struct box_source *s);
/* Children have ended: their status is taken, */
void box_reap(struct box *b);
/* and what follows from it is done. */
void box_settle_children(struct box *b);

/* --- box.c ------------------------------------------------------------------- */

/* The machine's temperature and power supply. */
void box_look_at_health(struct box *b);

/* Probes the disk, and posts when it came or went. */
void box_look_at_disk(struct box *b);

/* Reads what the vault holds again, and first forgets what was noticed of
 * this phone. */
void box_dismiss(struct box *b, const char *udid);

/* --- box_eject.c: letting go of the disk ---------------------------------------- */

/* What runs on it ends first; what arrived is kept. */
void box_eject(struct box *b);
void box_eject_turn(struct box *b, int64_t now_ms);
bool box_eject_runs(const struct box *b);
/* It was asked for, and did not go well, or the disk is still there. */
bool box_eject_is_let_go(const struct box *b);
/* After each look at the disk. */
void box_eject_look(struct box *b);
/* The role that mounts has told how it is now. */
void box_eject_told(struct box *b);
/* A box that begins, and let go of a disk before it ended. */
void box_eject_begin(struct box *b);
/* The same again, without unplugging it: while it is still mounted, or by the
 * role that mounts. */
void box_use_disk(struct box *b);
/* Deletes all that is on the disk that can't be used as it is. */
void box_prepare_disk(struct box *b);

/* --- box_button.c: the one button ------------------------------------------------ */

void box_button_open(struct box *b);
void box_button_turn(struct box *b, int64_t now_ms);
/* When the next look is worth it; 0: never. */
int64_t box_button_next(const struct box *b);

/* --- box_wifi.c: the link by Wi-Fi ---------------------------------------------- */

/* It is to be there. */
bool box_wifi_is_wanted(const struct config *c);
/* What of it was set otherwise before, if anything: it begins again. */
void box_wifi_settings(struct box *b, const struct config *before);
/* To the role that has begun. */
void box_send_wifi(struct box *b);
void box_wifi_told(struct box *b, const struct msg_wifi *m);
void box_wifi_status(const struct box *b, struct status_wifi *out);

/* --- box_update.c: a new firmware ------------------------------------------------ */

void box_update_begin(struct box *b);
void box_update_turn(struct box *b, int64_t now_ms);
int64_t box_update_next(const struct box *b);
/* What lay on the disk is offered no more. */
void box_update_disk_lost(struct box *b);
/* One is written to the card, or the restart after it is near. */
bool box_update_runs(const struct box *b);
/* The page can be reached. */
void box_update_served(struct box *b);
/* The one that is offered is to be installed; older: whatever its age. */
void box_update_asked(struct box *b, bool older);
/* What was set on the page is forgotten, and the machine restarted. */
void box_update_reset(struct box *b);
/* A message of its child; false: not one that it may send. And its end. */
bool box_update_told(struct box *b, const struct msg *m);
void box_update_ended(struct box *b);
void box_update_status(const struct box *b, struct status_update *out);
/* For box_upload.c. */
bool box_update_start(
    struct box *b, enum box_update_job job, const char *const *args);
void box_update_line(struct box *b, const char *why);

/* --- box_upload.c: … that is sent through the page -------------------------------- */

/* A piece of it, from the page's role; and that has ended. */
void box_upload_message(struct box *b, const struct msg *m);
void box_upload_web_lost(struct box *b);
/* Begins when it can. */
void box_upload_turn(struct box *b);
bool box_upload_comes(const struct box *b);
/* Its child says how far it is, and what came of it; NULL: it was cut off. */
void box_upload_progress(struct box *b, const struct msg_update *m);
void box_upload_over(struct box *b, const struct msg_update *m);
/* Sends what the page's role has not got yet. */
void box_upload_send(struct box *b);

/* --- box_command.c: what is asked for on the page ------------------------------ */

/* Hands a salted hash of it to the page's role. */
void box_send_pin(struct box *b);

/* Hands it the key and certificate for HTTPS, and makes them first. */
void box_send_tls(struct box *b);

/* Makes a new one before the old one ends. */
void box_renew_tls(struct box *b);

/* Hands it what may be set there. */
void box_send_settings(struct box *b);

/* What somebody set there: at once where that can be, else from the next
 * decision on. */
void box_set_settings(struct box *b, const struct settings_values *v);
void box_settings_turn(struct box *b, int64_t now_ms);

/* Hands it what an owner may save. */
void box_send_report(struct box *b);

/* Hands it the MQTT broker, if there is one. */
void box_send_mqtt(struct box *b);

/* False: not one that there is. */
bool box_command(struct box *b, const struct msg_command *c);

/* --- box_hook.c: the ledger and the webhook ---------------------------------- */

/* RC_NOMEM, RC_IO. */
MUST_CHECK enum rc box_hook_open(struct box *b);

/* Writes a night down, and has the webhook told. */
void box_add_night(struct box *b, const struct status_night *night);

/* To a page's role that has begun; then in each tick; what it says. */
void box_send_hook(struct box *b);
void box_hook_turn(struct box *b);
void box_hook_over(struct box *b, const struct msg_event_over *m);

/* --- box_time.c: the clock --------------------------------------------------- */

/* RC_NOTFOUND, RC_CORRUPT, RC_IO: the file that stands for the clock. */
MUST_CHECK enum rc box_time_begin(struct box *b);
void box_time_tick(struct box *b);
void box_time_end(struct box *b);

/* SNTP or PHONE says that it was at_ms (Unix) at this moment of mono_ms(). */
void box_time_heard(struct box *b, enum status_clock source, int64_t at_ms,
    int64_t at_mono_ms, const char *from);

/* The hour is not known yet, but may be soon. */
bool box_time_is_awaited(const struct box *b);

void box_time_status(const struct box *b, struct status *st);

/* Tells the page's role whom to ask, if anybody. */
void box_send_sntp(struct box *b);

/* --- box_recorder.c ---------------------------------------------------------- */

/* Where this machine has memory that outlives a reset. */
void box_recorder_open(struct box *b);

/* New lines go there, too; at least so often. */
#define BOX_RECORD_MS 1000
void box_recorder_turn(struct box *b);

/* --- box_status.c ------------------------------------------------------------ */

/* Fills b->status and shows it: LED, page. */
void box_status_update(struct box *b);

/* Sends what the page's role has not got yet. */
void box_status_send(struct box *b);

/* Once a turn of the night: the phones that nobody brought. */
void box_status_night(struct box *b);

struct policy_now box_now(const struct box *b);

#endif
