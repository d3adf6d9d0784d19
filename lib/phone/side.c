#define LOG_MODULE "side"
#include "side.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "infoplist.h"
#include "log.h"
#include "mono.h"

#define COLLECT_MS    90000 /* icons: one round trip an app */
#define LOCK_TRIES    50 /* as other hosts do (protocols.md 5.8) */
#define LOCK_MS       200
#define FILE_MAX      (1u << 20)
#define ITUNES_FOLDER "/iTunes_Control/iTunes/"

struct side {
	/* the thread's own */
	struct device *dev;
	struct device_lockdown *lockdown;
	struct device_afc *afc;
	struct device_icons *icons;
	struct infoplist *ip;
	struct pl *values;
	int64_t deadline;
	int lock_tries; /* left; 0: locked, or given up */
	int64_t lock_at;
	/* shared */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	atomic_bool stop, hurry;
	bool want_ping, ended;
	bool abandoned; /* nobody waits: the thread frees all but dev */
	struct side_news news;
};

static bool is_late(const struct side *s)
{
	return s->stop || s->hurry || mono_ms() >= s->deadline;
}

/* A try, when one is due. Nothing waits for it: a backup without the lock is
 * as good, the lock only keeps other hosts from syncing meanwhile. */
static void try_lock(struct side *s)
{
	enum rc rc;

	if (s->lock_tries == 0 || mono_ms() < s->lock_at)
		return;
	rc = device_afc_lock(s->afc);
	s->lock_at = mono_ms() + LOCK_MS;
	s->lock_tries = rc == RC_BUSY ? s->lock_tries - 1 : 0;
	if (rc && s->lock_tries == 0)
		log_warn("no sync lock: %s; going on without", rc_words(rc));
	if (rc)
		return;
	pthread_mutex_lock(&s->mutex);
	s->news.locked = true;
	pthread_mutex_unlock(&s->mutex);
}

static void begin_lock(struct side *s)
{
	enum rc rc = device_afc_open(s->lockdown, &s->afc);

	if (rc) {
		log_warn("no sync lock: %s; going on without", rc_words(rc));
		return;
	}
	s->lock_tries = LOCK_TRIES;
	try_lock(s);
}

static uint64_t number_of(const struct pl *dict, const char *key)
{
	int64_t v;

	return pl_int(pl_get(dict, key), &v) || v < 0 ? 0 : (uint64_t)v;
}

static void look_at_disk(struct side *s)
{
	struct pl *usage = NULL;
	uint64_t avail, total;

	if (device_lockdown_value(
		s->lockdown, "com.apple.disk_usage", NULL, &usage))
		return;
	avail = number_of(usage, "AmountDataAvailable");
	if (avail == 0)
		avail = number_of(usage, "TotalDataAvailable");
	total = number_of(usage, "TotalDiskCapacity");
	pl_free(usage);
	pthread_mutex_lock(&s->mutex);
	s->news.phone_free_bytes = avail;
	s->news.phone_total_bytes = total;
	s->news.has_disk = true;
	pthread_mutex_unlock(&s->mutex);
}

static void collect_itunes(struct side *s)
{
	struct pl *settings = NULL;
	struct pl *version = NULL;
	enum rc rc;

	rc = device_lockdown_value(
	    s->lockdown, "com.apple.iTunes", NULL, &settings);
	if (rc)
		log_debug("iTunes settings: %s", rc_words(rc));
	rc = device_lockdown_value(s->lockdown, "com.apple.mobile.iTunes",
	    "MinITunesVersion", &version);
	if (rc)
		log_debug("iTunes version: %s", rc_words(rc));
	infoplist_itunes(s->ip, settings, version);
	pl_free(version);
	pl_free(settings);
}

static void collect_file(struct side *s, const char *path, const char *name)
{
	uint8_t *data = NULL;
	size_t len = 0;
	enum rc rc = device_afc_read(s->afc, path, FILE_MAX, &data, &len);

	if (!rc)
		rc = name ? infoplist_file(s->ip, name, data, len)
			  : infoplist_books(s->ip, data, len);
	if (rc && rc != RC_NOTFOUND)
		log_debug("%s: %s", path, rc_words(rc));
	free(data);
}

static void collect_files(struct side *s)
{
	static const char *const names[] = { "ApertureAlbumPrefs",
		"IC-Info.sidb", "IC-Info.sidv", "PhotosFolderAlbums",
		"PhotosFolderName", "PhotosFolderPrefs", "VoiceMemos.plist",
		"iPhotoAlbumPrefs", "iTunesApplicationIDs", "iTunesPrefs",
		"iTunesPrefs.plist" };
	char path[128];

	if (!s->afc)
		return;
	collect_file(s, "/Books/iBooksData2.plist", NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_late(s))
			return;
		strcpy(path, ITUNES_FOLDER);
		strcat(path, names[i]);
		collect_file(s, path, names[i]);
	}
}

static enum rc collect_app(void *arg, const struct pl *app)
{
	struct side *s = arg;
	const char *bundle;
	uint8_t *png = NULL;
	size_t len = 0;
	enum rc rc;

	if (is_late(s))
		return RC_TIMEOUT;
	try_lock(s);
	/* An icon is kept only beside a receipt: don't fetch the others. */
	if (s->icons && pl_get(app, "ApplicationSINF") &&
	    pl_get(app, "iTunesMetadata") &&
	    pl_str(pl_get(app, "CFBundleIdentifier"), &bundle) == RC_OK &&
	    device_icons_get(s->icons, bundle, &png, &len))
		png = NULL;
	rc = infoplist_app(s->ip, app, png, len);
	free(png);
	return rc == RC_PROTO ? RC_OK : rc;
}

static void collect_apps(struct side *s)
{
	enum rc rc = device_icons_open(s->lockdown, &s->icons);

	if (rc)
		log_info("no icons: %s", rc_words(rc));
	rc = device_apps_each(s->lockdown, collect_app, s);
	if (rc)
		log_info("list of apps not complete: %s", rc_words(rc));
	device_icons_close(s->icons);
	s->icons = NULL;
}

static void collect(struct side *s)
{
	uint8_t *info = NULL;
	size_t len = 0;
	enum rc rc = infoplist_new(
	    device_udid(s->dev), s->values, (int64_t)time(NULL), &s->ip);

	if (!rc) {
		collect_itunes(s);
		collect_files(s);
		if (!is_late(s))
			collect_apps(s);
		rc = infoplist_xml(s->ip, &info, &len);
	}
	if (rc)
		log_warn("no Info.plist: %s", rc_words(rc));
	infoplist_free(s->ip);
	s->ip = NULL;
	pthread_mutex_lock(&s->mutex);
	s->news.info = info;
	s->news.info_len = len;
	s->news.info_done = true;
	pthread_mutex_unlock(&s->mutex);
}

/* On a connection of its own: a hung service must not take it along. */
static void ping(struct side *s)
{
	struct device_lockdown *l = NULL;
	bool gone = false;
	enum rc rc = device_lockdown_open(s->dev, &l);

	if (!rc)
		rc = device_lockdown_ping(l);
	device_lockdown_close(l);
	if (rc) {
		gone = !device_is_there(s->dev);
		log_warn("no sign of life: %s, listed=%d", rc_words(rc), !gone);
	}
	pthread_mutex_lock(&s->mutex);
	s->news.failed_pings = rc ? s->news.failed_pings + 1 : 0;
	s->news.gone = gone;
	s->want_ping = false;
	pthread_mutex_unlock(&s->mutex);
}

static void side_free(struct side *s)
{
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->mutex);
	pl_bytes_free(s->news.info);
	pl_free(s->values);
	free(s);
}

/* Until there is a ping to make, a lock to try again, or the end. */
static void wait_for_work(struct side *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOCK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&s->mutex);
	if (s->stop || s->want_ping) {
		/* there is */
	} else if (s->lock_tries > 0) {
		pthread_cond_timedwait(&s->cond, &s->mutex, &until);
	} else {
		pthread_cond_wait(&s->cond, &s->mutex);
	}
	pthread_mutex_unlock(&s->mutex);
}

static bool ping_is_wanted(struct side *s)
{
	bool wanted;

	pthread_mutex_lock(&s->mutex);
	wanted = s->want_ping;
	pthread_mutex_unlock(&s->mutex);
	return wanted;
}

static void *run(void *arg)
{
	struct side *s = arg;
	bool abandoned;

	begin_lock(s);
	look_at_disk(s);
	collect(s);
	while (!s->stop) {
		wait_for_work(s);
		if (s->stop)
			break;
		if (ping_is_wanted(s))
			ping(s);
		try_lock(s);
	}
	device_afc_close(s->afc);
	device_lockdown_close(s->lockdown);
	pthread_mutex_lock(&s->mutex);
	s->ended = true;
	abandoned = s->abandoned;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->mutex);
	if (abandoned)
		side_free(s);
	return NULL;
}

static enum rc start_thread(struct side *s)
{
	pthread_condattr_t attr;
	enum rc rc = RC_NOMEM;

	if (pthread_mutex_init(&s->mutex, NULL))
		return RC_NOMEM;
	if (pthread_condattr_init(&attr))
		goto no_attr;
	if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
	    pthread_cond_init(&s->cond, &attr))
		goto no_cond;
	if (pthread_create(&s->thread, NULL, run, s) == 0)
		rc = RC_OK;
	else
		pthread_cond_destroy(&s->cond);
no_cond:
	pthread_condattr_destroy(&attr);
no_attr:
	if (rc)
		pthread_mutex_destroy(&s->mutex);
	return rc;
}

enum rc side_start(struct device *dev, struct device_lockdown *l,
    const struct pl *values, struct side **out)
{
	struct side *s = calloc(1, sizeof(*s));
	enum rc rc = RC_NOMEM;

	*out = NULL;
	if (!s)
		goto out;
	s->dev = dev;
	s->lockdown = l;
	s->values = values ? pl_copy(values) : NULL;
	s->deadline = mono_ms() + COLLECT_MS;
	rc = start_thread(s);
out:
	if (rc) {
		device_lockdown_close(l);
		if (s)
			pl_free(s->values);
		free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void side_look(struct side *s, struct side_news *out)
{
	pthread_mutex_lock(&s->mutex);
	*out = s->news;
	s->news.locked = false;
	s->news.has_disk = false;
	s->news.info = NULL;
	pthread_mutex_unlock(&s->mutex);
}

void side_ping(struct side *s)
{
	pthread_mutex_lock(&s->mutex);
	s->want_ping = true;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->mutex);
}

void side_hurry(struct side *s)
{
	pthread_mutex_lock(&s->mutex);
	s->hurry = true;
	pthread_mutex_unlock(&s->mutex);
}

bool side_stop(struct side *s, int wait_ms)
{
	struct timespec until;
	bool ended;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_cond_broadcast(&s->cond);
	while (!s->ended && !err)
		err = pthread_cond_timedwait(&s->cond, &s->mutex, &until);
	ended = s->ended;
	s->abandoned = !ended;
	pthread_mutex_unlock(&s->mutex);
	if (!ended) {
		log_warn("the side thread hangs and is left behind");
		pthread_detach(s->thread);
		return false;
	}
	pthread_join(s->thread, NULL);
	side_free(s);
	return true;
}
