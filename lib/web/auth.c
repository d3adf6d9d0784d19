#include "auth.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define FREE_TRIES    3 /* of a client, before it waits */
#define WAIT_MAX_S    3600
#define FORGET_MS     (24LL * 3600 * 1000)
#define HOUR_MS       (3600LL * 1000)
#define WRONG_AN_HOUR 30
#define ALL_WAIT_MS   30000

static bool make_token(char out[AUTH_TOKEN + 1])
{
	uint8_t raw[AUTH_TOKEN / 2];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return false;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	return true;
}

/* In constant time for tokens of the right length. */
static bool same(const char *ours, const char *theirs)
{
	return ours[0] && strlen(theirs) == AUTH_TOKEN &&
	       CRYPTO_memcmp(ours, theirs, AUTH_TOKEN) == 0;
}

bool auth_init(struct auth *a)
{
	memset(a, 0, sizeof(*a));
	return make_token(a->csrf);
}

void auth_hash_pin(
    const uint8_t salt[AUTH_SALT], const char *pin, uint8_t hash[AUTH_HASH])
{
	uint8_t text[AUTH_SALT + 64] = { 0 };
	size_t len = strlen(pin);

	if (len > 64)
		len = 64; /* none is that long: it will not fit */
	memcpy(text, salt, AUTH_SALT);
	memcpy(text + AUTH_SALT, pin, len);
	SHA256(text, AUTH_SALT + len, hash);
	OPENSSL_cleanse(text, sizeof(text));
}

void auth_set_pin(struct auth *a, const uint8_t salt[AUTH_SALT],
    const uint8_t hash[AUTH_HASH])
{
	if (a->has_pin && !memcmp(a->hash, hash, AUTH_HASH) &&
	    !memcmp(a->salt, salt, AUTH_SALT))
		return;
	memcpy(a->salt, salt, AUTH_SALT);
	memcpy(a->hash, hash, AUTH_HASH);
	memset(a->sessions, 0, sizeof(a->sessions));
	a->has_pin = true;
}

/* --- who tries too often ------------------------------------------------------ */

/* Its place, or the one of who has been silent the longest. */
static struct auth_client *client_of(
    struct auth *a, const char *name, int64_t now_ms)
{
	struct auth_client *best = &a->clients[0];

	for (unsigned i = 0; i < AUTH_CLIENTS; i++) {
		struct auth_client *c = &a->clients[i];

		if (c->name[0] && now_ms - c->last_ms > FORGET_MS)
			c->name[0] = '\0';
		if (strcmp(c->name, name) == 0)
			return c;
		if (best->name[0] &&
		    (!c->name[0] || c->last_ms < best->last_ms))
			best = c;
	}
	memset(best, 0, sizeof(*best));
	snprintf(best->name, sizeof(best->name), "%s", name);
	return best;
}

static int seconds_until(int64_t at_ms, int64_t now_ms)
{
	return at_ms > now_ms ? (int)((at_ms - now_ms + 999) / 1000) : 0;
}

static int wait_of(
    const struct auth *a, const struct auth_client *c, int64_t now_ms)
{
	int own = seconds_until(c->next_ms, now_ms);
	int all = seconds_until(a->next_ms, now_ms);

	return own > all ? own : all;
}

/* 1, 2, 4 … seconds for a client; for all together half a minute when there
 * were too many in an hour, from however many addresses. */
static void note_wrong(struct auth *a, struct auth_client *c, int64_t now_ms)
{
	unsigned over;
	int64_t wait_s = 0;

	a->refused++;
	c->wrong++;
	c->last_ms = now_ms;
	if (c->wrong >= FREE_TRIES) {
		over = c->wrong - FREE_TRIES;
		wait_s = over < 12 ? 1LL << over : WAIT_MAX_S;
		if (wait_s > WAIT_MAX_S)
			wait_s = WAIT_MAX_S;
	}
	c->next_ms = now_ms + 1000 * wait_s;
	if (now_ms - a->hour_ms > HOUR_MS) {
		a->hour_ms = now_ms;
		a->wrong = 0;
	}
	if (++a->wrong > WRONG_AN_HOUR)
		a->next_ms = now_ms + ALL_WAIT_MS;
}

/* --- sessions --------------------------------------------------------------------- */

static bool open_session(
    struct auth *a, int64_t now_ms, char token[AUTH_TOKEN + 1])
{
	struct auth_session *best = &a->sessions[0];

	for (unsigned i = 1; i < AUTH_SESSIONS && best->token[0]; i++) {
		struct auth_session *s = &a->sessions[i];

		if (!s->token[0] || s->used_ms < best->used_ms)
			best = s;
	}
	if (!make_token(token))
		return false;
	memcpy(best->token, token, AUTH_TOKEN + 1);
	best->used_ms = now_ms;
	return true;
}

enum auth_result auth_login(struct auth *a, const char *client, const char *pin,
    int64_t now_ms, char token[AUTH_TOKEN + 1], int *wait_s)
{
	struct auth_client *c = client_of(a, client, now_ms);
	uint8_t hash[AUTH_HASH];

	*wait_s = 0;
	if (!a->has_pin)
		return AUTH_NO_PIN;
	*wait_s = wait_of(a, c, now_ms);
	if (*wait_s)
		return AUTH_WAIT;
	auth_hash_pin(a->salt, pin, hash);
	if (CRYPTO_memcmp(hash, a->hash, AUTH_HASH) != 0) {
		note_wrong(a, c, now_ms);
		*wait_s = wait_of(a, c, now_ms);
		return AUTH_WRONG;
	}
	memset(c, 0, sizeof(*c));
	return open_session(a, now_ms, token) ? AUTH_OK : AUTH_NO_PIN;
}

static struct auth_session *find(struct auth *a, const char *token)
{
	for (unsigned i = 0; i < AUTH_SESSIONS; i++)
		if (same(a->sessions[i].token, token))
			return &a->sessions[i];
	return NULL;
}

bool auth_is_session(struct auth *a, const char *token, int64_t now_ms)
{
	struct auth_session *s = find(a, token);

	if (!s)
		return false;
	if (now_ms - s->used_ms > AUTH_IDLE_MS) {
		memset(s, 0, sizeof(*s));
		return false;
	}
	s->used_ms = now_ms;
	return true;
}

void auth_logout(struct auth *a, const char *token)
{
	struct auth_session *s = find(a, token);

	if (s)
		memset(s, 0, sizeof(*s));
}

const char *auth_csrf(const struct auth *a)
{
	return a->csrf;
}

bool auth_csrf_fits(const struct auth *a, const char *token)
{
	return same(a->csrf, token);
}
