/*
 * Invariants
 * M1 One request is under way at a time (`busy`); the next goes out in tick().
 * M2 What is told, in this order after each connect: online, each entity, the
 *    state; then the state when it has changed, at most once in CALM_MS.
 * M3 lwIP's callbacks only note what happened: it must not be re-entered.
 */
#include "mqtt_link.h"

#include <stdlib.h>
#include <string.h>

#include "lwip/apps/mqtt.h"

#define LOG_MODULE "mqtt"
#include "log.h"
#include "lookup.h"

#define KEEP_ALIVE_S 60
#define CALM_MS      2000
#define PAUSE_MS     5000
#define PAUSE_MAX_MS 300000
#define ANSWER_MS    20000 /* of the name server */
#define STATE_CAP    8192

enum where {
	DOWN,
	ASKING, /* for the broker's address */
	CONNECTING,
	UP
};

struct mqtt_link {
	struct mqtt_opts opts;
	char will[96];
	mqtt_client_t *client;
	enum where where;
	int64_t since_ms, next_ms, sent_ms;
	unsigned failures;
	struct lookup lookup; /* of its address */
	bool accepted, lost; /* the broker's */
	int why;
	bool busy, failed; /* the request under way */
	bool is_online_told;
	unsigned entity; /* the next one to be told */
	bool entities_told, stale;
	struct status st;
	bool has_status;
	char topic[256], payload[STATE_CAP];
};

/* --- lwIP's callbacks ------------------------------------------------------------ */

static void on_connection(
    mqtt_client_t *client, void *arg, mqtt_connection_status_t status)
{
	struct mqtt_link *l = arg;

	(void)client;
	l->accepted = status == MQTT_CONNECT_ACCEPTED;
	l->lost = !l->accepted;
	l->why = (int)status;
}

static void on_request(void *arg, err_t err)
{
	struct mqtt_link *l = arg;

	l->busy = false;
	l->failed = err != ERR_OK;
}

/* --- steps ----------------------------------------------------------------------- */

static const char *reason(int status)
{
	switch (status) {
	case MQTT_CONNECT_REFUSED_USERNAME_PASS:
	case MQTT_CONNECT_REFUSED_NOT_AUTHORIZED_:
		return "user or password is wrong";
	case MQTT_CONNECT_REFUSED_PROTOCOL_VERSION:
	case MQTT_CONNECT_REFUSED_IDENTIFIER:
	case MQTT_CONNECT_REFUSED_SERVER:
		return "it does not want us";
	case MQTT_CONNECT_TIMEOUT:
		return "no answer";
	default:
		return "the connection is gone";
	}
}

/* Pauses of 5 s to 5 minutes; told when it begins, not each time. */
static void fall(struct mqtt_link *l, const char *why, int64_t now_ms)
{
	int64_t pause = PAUSE_MS;

	if (l->where == UP || l->failures == 0)
		log_warn("the MQTT broker %s can't be reached: %s",
		    l->opts.host, why);
	if (l->where == UP)
		l->failures = 0;
	for (unsigned i = 0; i < l->failures && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	l->failures++;
	l->next_ms = now_ms + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
	mqtt_disconnect(l->client);
	l->where = DOWN;
	l->busy = l->failed = l->lost = l->accepted = false;
}

static void go(struct mqtt_link *l, enum where where, int64_t now_ms)
{
	l->where = where;
	l->since_ms = now_ms;
}

static void ask(struct mqtt_link *l, int64_t now_ms)
{
	lookup_begin(&l->lookup, l->opts.host);
	go(l, ASKING, now_ms);
}

static void connect_to(struct mqtt_link *l, int64_t now_ms)
{
	const struct mqtt_opts *o = &l->opts;
	struct mqtt_connect_client_info_t info = {
		.client_id = o->names.id,
		.client_user = o->user[0] ? o->user : NULL,
		.client_pass = o->password[0] ? o->password : NULL,
		.keep_alive = KEEP_ALIVE_S,
		.will_topic = l->will,
		.will_msg = "offline",
		.will_qos = 1,
		.will_retain = 1,
	};

	l->accepted = l->lost = l->busy = l->failed = false;
	l->is_online_told = l->entities_told = false;
	l->entity = 0;
	l->stale = true;
	if (mqtt_client_connect(l->client, &l->lookup.ip, (u16_t)o->port,
		on_connection, l, &info) != ERR_OK)
		fall(l, "no connection could be begun", now_ms);
	else
		go(l, CONNECTING, now_ms);
}

/* --- telling ---------------------------------------------------------------------- */

/* False: there is no room just now. */
static bool publish(struct mqtt_link *l, size_t len)
{
	if (mqtt_publish(l->client, l->topic, l->payload, (u16_t)len, 1, 1,
		on_request, l) != ERR_OK)
		return false;
	l->busy = true;
	return true;
}

static bool tell_online(struct mqtt_link *l)
{
	memcpy(l->topic, l->will, sizeof(l->will));
	memcpy(l->payload, "online", 6);
	return publish(l, 6);
}

/* *more: there was one. False: no room now. */
static bool tell_entity(struct mqtt_link *l, bool *more)
{
	struct markup topic, payload;

	markup_init(&topic, l->topic, sizeof(l->topic));
	markup_init(&payload, l->payload, sizeof(l->payload));
	*more =
	    ha_put_entity(&l->opts.names, &l->st, l->entity, &topic, &payload);
	if (!*more)
		return true;
	l->entity++;
	if (topic.cut || payload.cut)
		return true; /* left out */
	if (publish(l, payload.len))
		return true;
	l->entity--;
	return false;
}

static bool tell_state(struct mqtt_link *l)
{
	struct markup topic, payload;

	markup_init(&topic, l->topic, sizeof(l->topic));
	markup_init(&payload, l->payload, sizeof(l->payload));
	ha_put_state_topic(&l->opts.names, &topic);
	ha_put_state(&l->st, &payload);
	if (payload.cut)
		return true;
	return publish(l, payload.len);
}

static void tell(struct mqtt_link *l, int64_t now_ms)
{
	bool more;

	if (l->busy || !l->has_status)
		return;
	if (!l->is_online_told) {
		l->is_online_told = tell_online(l);
	} else if (!l->entities_told) {
		if (tell_entity(l, &more))
			l->entities_told = !more;
	} else if (l->stale && now_ms - l->sent_ms >= CALM_MS) {
		l->stale = !tell_state(l);
		l->sent_ms = now_ms;
	}
}

/* --- the outside -------------------------------------------------------------------- */

enum rc mqtt_link_open(const struct mqtt_opts *opts, struct mqtt_link **out)
{
	struct mqtt_link *l = calloc(1, sizeof(*l));
	struct markup m;

	if (!l)
		return RC_NOMEM;
	l->opts = *opts;
	markup_init(&m, l->will, sizeof(l->will));
	ha_put_available_topic(&l->opts.names, &m);
	l->client = mqtt_client_new();
	if (!l->client) {
		free(l);
		return RC_NOMEM;
	}
	l->sent_ms = -CALM_MS;
	*out = l;
	return RC_OK;
}

void mqtt_link_close(struct mqtt_link *l)
{
	if (!l)
		return;
	lookup_end(&l->lookup);
	mqtt_disconnect(l->client);
	mqtt_client_free(l->client);
	free(l);
}

static bool has_other_phones(const struct status *a, const struct status *b)
{
	if (a->n_phones != b->n_phones)
		return true;
	for (unsigned i = 0; i < a->n_phones; i++)
		if (strcmp(a->phones[i].udid, b->phones[i].udid) != 0 ||
		    strcmp(a->phones[i].name, b->phones[i].name) != 0)
			return true;
	return false;
}

void mqtt_link_status(struct mqtt_link *l, const struct status *st)
{
	if (l->has_status && has_other_phones(&l->st, st)) {
		l->entity = 0;
		l->entities_told = false;
	}
	l->st = *st;
	l->has_status = true;
	l->stale = true;
}

void mqtt_link_tick(struct mqtt_link *l, bool has_address, int64_t now_ms)
{
	switch (l->where) {
	case DOWN:
		if (has_address && now_ms >= l->next_ms)
			ask(l, now_ms);
		break;
	case ASKING:
		if (l->lookup.state == LOOKUP_FOUND)
			connect_to(l, now_ms);
		else if (l->lookup.state == LOOKUP_MISSED ||
			 now_ms - l->since_ms > ANSWER_MS)
			fall(l, "nobody knows its name", now_ms);
		break;
	case CONNECTING:
		if (l->accepted) {
			log_note(
			    "connected to the MQTT broker %s", l->opts.host);
			l->failures = 0;
			go(l, UP, now_ms);
		} else if (l->lost) {
			fall(l, reason(l->why), now_ms);
		}
		break;
	case UP:
		if (l->lost || l->failed)
			fall(l, reason(l->why), now_ms);
		else
			tell(l, now_ms);
		break;
	}
}
