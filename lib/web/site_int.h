/* What the site's files share; not for use outside of site*.c. */
#ifndef SITE_INT_H
#define SITE_INT_H

#include "multipart.h"
#include "site.h"

/* Eight phones and thirty nights with the longest names, all escaped. */
#define DOC_CAP (256 * 1024)
/* Versions that slow readers may hold at the same time. */
#define DOC_SLOTS 6

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_JSON  "application/json"
#define NO_STORE   "Cache-Control: no-store\r\n"

#define COMMANDS_MAX 8

enum doc_kind { /* what, for whom (enum page_view) */
	DOC_LIVE,
	DOC_JSON = DOC_LIVE + PAGE_VIEW_COUNT_,
	DOC_LOOSE = DOC_JSON + PAGE_VIEW_COUNT_, /* made for one answer */
	DOC_COUNT
};

struct http_doc {
	unsigned kind;
	unsigned readers;
	uint64_t version; /* 0: empty */
	size_t head_len; /* "data: " and what comes before it */
	size_t body_len, event_len; /* body; head, body and tail */
	char buf[DOC_CAP];
};

/* An update on its way to the box (site_upload.c). */
struct upload {
	bool is_open; /* a connection sends one */
	bool is_form; /* the file is in a form; else it is all of the body */
	bool has_token;
	bool wants; /* the file has begun */
	bool begun, answered; /* the box was told so; it can take it */
	bool whole, ended; /* all came; the box was told so */
	bool over; /* as `said` */
	uint64_t bytes; /* of the file so far */
	uint64_t sent, taken; /* of them: to the box, and by it */
	int64_t waits_ms; /* since when the box owes something */
	int status; /* it is refused here: why; 0: not */
	char why[200];
	struct web_upload_said said;
	struct multipart form;
	struct multipart_sink sink;
	size_t len;
	uint8_t piece[WEB_UPLOAD_PIECE]; /* what the box has not got yet */
	/* outlive it: */
	bool drops; /* the box is to hear that this one was cut off */
	uint32_t drop_number;
	uint32_t number;
};

struct site {
	struct http_site http;
	const char *allow;
	enum auth_open open;
	bool is_lan;
	struct page page;
	struct auth auth;
	struct status st;
	struct status glance; /* what everybody may see of it */
	uint64_t version;
	int64_t minute;
	struct web_command commands[COMMANDS_MAX];
	unsigned n_commands;
	struct settings_values settings; /* as the box has them */
	struct settings_values set; /* as somebody wants them */
	bool has_settings, has_set;
	struct upload upload;
	char report[WEB_REPORT_MAX];
	size_t report_len; /* what came of it */
	int64_t report_ms; /* it is whole since; 0: it is not */
	char headers[768]; /* of the answer that is being made */
	uint64_t loose; /* how many loose documents there were */
	struct http_doc docs[DOC_COUNT][DOC_SLOTS];
};

/* --- site_doc.c: documents ------------------------------------------------- */

/* The document of now, held for one more reader; NULL when there is none. */
struct http_doc *site_doc_take(struct site *s, unsigned kind);
/* An empty one for one answer, held; NULL when there is none. What is sent is
 * sent from where it lies, so no two answers may share a buffer. */
struct http_doc *site_doc_loose(struct site *s);
void site_doc_release(void *ctx, struct http_doc *d);
const struct http_doc *site_doc_crowded(void *ctx);

/* --- site.c ------------------------------------------------------------------ */

void site_add(struct http_answer *a, const void *data, size_t len);
/* The body is made in `m`, then given away; false: there is no room, and the
 * answer says so. */
bool site_body_begin(struct site *s, struct http_answer *a, struct markup *m);
void site_body_end(
    struct http_answer *a, int status, const char *type, struct markup *m);
void site_plain(struct http_answer *a, int status, const char *text);

/* A page within the frame that does not live: its body is made in `m`. */
bool site_still_begin(struct site *s, struct http_answer *a, struct markup *m);
void site_still_end(
    struct site *s, struct http_answer *a, int status, struct markup *m);

/* --- site_do.c: the PIN and actions ------------------------------------------ */

typedef void (*site_route_fn)(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);

/* The form for the PIN; said: about the last try, or "". */
void site_show_login(
    struct site *s, int status, const char *said, struct http_answer *a);
void site_get_login(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
void site_get_session(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
void site_post_login(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
void site_post_logout(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
void site_post_do(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);

/* "So it is": in JSON, or by the way back to the page. */
void site_done(
    struct site *s, const struct http_request *req, struct http_answer *a);
/* why: a text that stays until the answer is made. */
void site_refused(struct site *s, const struct http_request *req,
    struct http_answer *a, int status, const char *why);
/* Does a form carry the token of this run, and the words for one that does
 * not. */
bool site_has_token(struct site *s, const struct http_request *req);
void site_no_token(
    struct site *s, const struct http_request *req, struct http_answer *a);

/* --- site_settings.c ----------------------------------------------------------- */

void site_get_settings(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
void site_post_settings(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);

/* --- site_report.c ------------------------------------------------------------- */

void site_get_report(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);

/* --- site_password.c ----------------------------------------------------------- */

void site_get_password(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
/* The fields of a form; NULL: they fit, else why not. */
const char *site_read_password(const struct site *s,
    const struct http_request *req, struct web_command *c);

/* --- site_upload.c ------------------------------------------------------------- */

#define SITE_TOO_LARGE                                                         \
	"That file is too large for an update: 48 MiB at most. Choose the "    \
	"file nightstand.update."

void site_get_update(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
/* Its body has not come yet: leaves a->status at 0 when it may. */
void site_post_update(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a);
/* As those of struct http_site. */
size_t site_upload_take(void *ctx, const char *data, size_t len);
bool site_upload_over(void *ctx, const struct http_request *req, bool whole,
    struct http_answer *a);
void site_upload_drop(void *ctx);

/* The session that a request names, or "". */
bool site_session(
    struct site *s, const struct http_request *req, char token[AUTH_TOKEN + 1]);

#endif
