/*
 * What there is to be read and to be done: the routes, and the documents
 * behind them. A document is the status at one moment, rendered once for all
 * who may see so much of it, and kept until the last of them has it.
 *
 *   /             the page                       GET
 *   /api/status   JSON                           GET
 *   /events       the same JSON as events        GET
 *   /live         the changing part of the page  GET
 *   /metrics      for Prometheus                 GET
 *   /api/openapi.json                            GET
 *   /favicon.svg                                 GET
 *   /login        the PIN                        GET, POST
 *   /logout, /do  what a session may             POST
 *   /settings, /api/settings                     GET, POST
 *   /report       what goes to whoever helps     GET
 *   /password     the form for a backup password GET
 *   /update       a new firmware is sent there   GET, POST
 *   /api/update   likewise                       POST, answered in JSON
 *   /api/session  is it one, and its token       GET
 *   /api/login, /api/logout, /api/do             POST, answered in JSON
 */
#ifndef SITE_H
#define SITE_H

#include "auth.h"
#include "command.h"
#include "http_conn.h"
#include "page.h"
#include "rc.h"
#include "settings.h"
#include "status.h"
#include "upload.h"

struct site;

/*
 * `allow`: one more name that a Host header may say, or NULL; lent. is_lan:
 * others may listen on the way: the PIN, sessions and what they may do are
 * over TLS only.
 */
MUST_CHECK enum rc site_new(
    const char *allow, enum auth_open open, bool is_lan, struct site **out);
void site_free(struct site *s);

/* Copies the status. Its now_at is moved on by the clock that is given to
 * site_clock(). */
void site_set_status(struct site *s, const struct status *st);

void site_set_pin(struct site *s, const uint8_t salt[AUTH_SALT],
    const uint8_t hash[AUTH_HASH]);

/* As those of web.h. */
void site_set_settings(struct site *s, const struct settings_values *v);
bool site_take_settings(struct site *s, struct settings_values *out);

/* As web_add_report(). */
void site_add_report(
    struct site *s, const char *text, size_t offset, size_t len, size_t total);

/* As those of web.h. has: take() would give one. */
bool site_has_upload(const struct site *s);
bool site_take_upload(struct site *s, struct web_upload *out);
void site_upload_said(struct site *s, const struct web_upload_said *said);

/* What somebody asked for since; false: nothing. */
bool site_take_command(struct site *s, struct web_command *out);

/* Wall time in Unix seconds. "3 minutes ago" has to grow: a minute makes a
 * new version. */
void site_clock(struct site *s, int64_t now_at);

/* What the HTTP side calls; valid as long as the site. */
const struct http_site *site_http(struct site *s);

/* A Host header that this box goes by: an address, localhost,
 * nightstand.local or `allow`. Anything else is a page of a stranger whose
 * name was made to lead here (DNS rebinding). */
bool site_host_is_ours(const char *host, const char *allow);

/* A Host header without its port. False: there is none, or it does not fit. */
bool site_host_name(const char *host, char *out, size_t cap);

#endif
