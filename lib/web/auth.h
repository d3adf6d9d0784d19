/*
 * Who may do what: the PIN, the sessions that it opens, and the token that
 * each form of such a page carries. Pure: no I/O, the clock is handed in.
 *
 * The PIN itself is not here: a salted hash of it is, and a PIN has a million
 * values. What protects it is that wrong tries are slowed: each client's
 * after three, and those of all clients together after thirty an hour.
 */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_SALT   16
#define AUTH_HASH   32 /* SHA-256 of salt and PIN */
#define AUTH_TOKEN  64 /* hex digits */
#define AUTH_CLIENT 46 /* an address as text, with its end */

#define AUTH_SESSIONS 16
#define AUTH_CLIENTS  32
#define AUTH_IDLE_MS  (7LL * 24 * 3600 * 1000)

/* What may be read without the PIN. */
enum auth_open {
	AUTH_OPEN_ALL, /* a PC's own page on 127.0.0.1 */
	AUTH_OPEN_GLANCE, /* is all safe? No names */
	AUTH_OPEN_NOTHING
};

struct auth {
	bool has_pin;
	uint8_t salt[AUTH_SALT], hash[AUTH_HASH];
	char csrf[AUTH_TOKEN + 1];
	struct auth_session {
		char token[AUTH_TOKEN + 1]; /* "" free */
		int64_t used_ms;
	} sessions[AUTH_SESSIONS];
	struct auth_client {
		char name[AUTH_CLIENT]; /* "" free */
		unsigned wrong;
		int64_t next_ms; /* no try before */
		int64_t last_ms;
	} clients[AUTH_CLIENTS];
	unsigned wrong; /* of all, in the hour that began at hour_ms */
	int64_t hour_ms, next_ms;
	uint64_t refused; /* tries that were wrong, ever */
};

enum auth_result {
	AUTH_OK,
	AUTH_WRONG,
	AUTH_WAIT, /* too early: it was not looked at */
	AUTH_NO_PIN /* none is set: nobody gets in */
};

/* False: no randomness. */
bool auth_init(struct auth *a);

/* Another PIN than before ends all sessions. */
void auth_set_pin(struct auth *a, const uint8_t salt[AUTH_SALT],
    const uint8_t hash[AUTH_HASH]);

/* token: of the new session, with AUTH_OK. *wait_s: seconds until the next
 * try counts, with AUTH_WRONG and AUTH_WAIT. */
enum auth_result auth_login(struct auth *a, const char *client, const char *pin,
    int64_t now_ms, char token[AUTH_TOKEN + 1], int *wait_s);

/* Is it a session? It lives on for another AUTH_IDLE_MS then. */
bool auth_is_session(struct auth *a, const char *token, int64_t now_ms);
void auth_logout(struct auth *a, const char *token);

/* The token of this run's forms; only pages of a session show it. */
const char *auth_csrf(const struct auth *a);
bool auth_csrf_fits(const struct auth *a, const char *token);

/* SHA-256 of salt and PIN. */
void auth_hash_pin(
    const uint8_t salt[AUTH_SALT], const char *pin, uint8_t hash[AUTH_HASH]);

#endif
