/*
 * What only the phone's own files (phone*.c, lockdown*.c, link.c, np.c, the
 * front and the control socket) may touch. (L): under phone.lock.
 */
#ifndef PHONE_PRIVATE_H
#define PHONE_PRIVATE_H

#include <openssl/evp.h>
#include <plist/plist.h>
#include <stdatomic.h>
#include <stddef.h>

#include "phone.h"
#include "services.h"

struct afc_tree;
struct np_client;
struct phone_set;

#define LOCKDOWN_PORT   62078
#define PHONE_LINKS_MAX 256
#define PHONE_PORTS_MAX 64
#define PHONE_HOSTID    80
#define ESCROW_LEN      32

enum trust_dialog {
	TRUST_NONE,
	TRUST_OPEN,
	TRUST_ACCEPTED,
	TRUST_DENIED
};
enum trust_plan {
	TRUST_ASK, /* the dialog opens and waits */
	TRUST_ALWAYS, /* as if somebody had tapped Trust at once */
	TRUST_NEVER /* … or Don't Trust */
};

/* A port on which one service waits for one connection. */
struct phone_port {
	uint16_t port; /* 0: free */
	service_fn fn;
	const char *name;
	bool tls;
	char host_id[PHONE_HOSTID];
};

struct phone_knob {
	struct phone_knob *next;
	char name[48];
	char value[512];
};

struct phone_fault {
	struct phone_fault *next;
	char point[32];
	uint64_t n; /* fires at the first call with this n or more */
	char action[640];
};

struct phone_counter {
	char name[32];
	uint64_t value;
};

struct phone_private {
	struct phone_set *set;
	EVP_PKEY *key; /* the device's own, made once */
	uint64_t plug; /* (L) counts plugs: tells old threads */
	int device_id; /* (L) as usbmuxd says it; 0 unplugged */
	int threads; /* (L) services that run */
	int reboots, reboot_ms; /* (L) replugs to come */
	bool is_closing; /* (L) the program ends */
	struct link *links[PHONE_LINKS_MAX]; /* (L) */
	struct phone_port ports[PHONE_PORTS_MAX]; /* (L) */
	unsigned next_port, next_slot; /* (L) */

	enum trust_dialog trust; /* (L) */
	enum trust_plan trust_plan; /* (L) */
	enum trust_dialog trust_next; /* (L) answer given before the question */
	bool dialog_open; /* (L) the passcode dialog */
	int dialog_answer; /* (L) -1 none, or enum passcode_answer */

	struct phone_knob *knobs; /* (L) */
	struct phone_fault *faults; /* (L) */
	atomic_int_least64_t silent_until; /* mono ms */
	atomic_int_least64_t cut_after; /* bytes left; < 0: not armed */

	plist_t values; /* (L) domain → key → value set by hosts */
	struct np_client *np; /* (L) who observes */
	struct afc_tree *afc;

	pthread_mutex_t stats; /* those below */
	struct phone_counter counters[32];
	char outcome[256];
	char last_point[64];
};

/* --- phone.c: life --- */
struct phone *phone_new(
    struct phone_set *set, const char *opts, char *err, size_t cap);
void phone_free(struct phone *ph);
/* 0, or -1 when it is in that state already. */
int phone_plug(struct phone *ph);
int phone_unplug(struct phone *ph);
/* For good: unplugs, waits until nothing runs any more. */
void phone_close(struct phone *ph);
/* Marks this thread as one of the plug it was started in. */
void phone_thread_enter(uint64_t plug);
bool phone_alive(struct phone *ph); /* (L) is held: see phone_is_plugged */
/* Waits for `changed` up to a time of mono_ms(); (L) is held. */
void phone_wait_until(struct phone *ph, int64_t end_ms);
int phone_link_add(struct phone *ph, struct link *l);
void phone_link_remove(struct phone *ph, struct link *l);
bool phone_is_protected(struct phone *ph); /* (L): locked, and has a code */

/* --- phone_dialog.c: what a person taps --- */
/* Answers the open passcode dialog; -1 when none is open. */
int phone_passcode_now(struct phone *ph, enum passcode_answer a);
/* Answers the trust dialog, or the next one when none is open (returns 1). */
int phone_trust_answer(struct phone *ph, bool yes);

/* --- phone_store.c: identity and what lasts --- */
void phone_identity_fill(struct phone *ph, bool hex40);
int phone_store_open(struct phone *ph);
/* Bytes that depend on the phone's seed and `what` only. */
void phone_derive(struct phone *ph, const char *what, unsigned char out[32]);
bool phone_host_id_ok(const char *host_id);
plist_t phone_host_load(struct phone *ph, const char *host_id);
int phone_host_save(struct phone *ph, const char *host_id, plist_t record);
int phone_host_forget(struct phone *ph, const char *host_id); /* NULL: all */
int phone_hosts_count(struct phone *ph);
int phone_values_save(struct phone *ph); /* (L) is held */

/* --- phone_fault.c --- */
int phone_knob_set(struct phone *ph, const char *name, const char *value);
int phone_fault_arm(
    struct phone *ph, const char *point, uint64_t n, const char *action);
void phone_faults_clear(struct phone *ph);
void phone_fault_free(struct phone *ph);

#endif
