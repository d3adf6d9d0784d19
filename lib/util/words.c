/* How the sentences of the table (words_table.c) are filled in. */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"
#include "words_table.h"

void words_phone_name(const struct status_phone *p, char *out, size_t cap)
{
	if (!p)
		snprintf(out, cap, "the iPhone");
	else if (!utf8_clean(out, cap, p->name) &&
		 !utf8_clean(out, cap, p->model))
		snprintf(out, cap, "the iPhone");
}

/* What a phone keeps in a domain of its Manifest.db, for a person. */
static const struct {
	const char *domain, *what;
} domains[] = {
	{ "", "files" },
	{ "CameraRollDomain", "photos and videos" },
	{ "MediaDomain", "attachments and voice memos" },
	{ "HomeDomain", "messages, contacts and notes" },
	{ "HealthDomain", "health records" },
	{ "KeychainDomain", "passwords" },
};

static void put_what(const char *domain, char *out, size_t cap)
{
	const char *app = strchr(domain, '-');

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		if (!strcmp(domains[i].domain, domain)) {
			snprintf(out, cap, "%s", domains[i].what);
			return;
		}
	/* AppDomain-com.example.app, AppDomainGroup-group.example */
	if (!strncmp(domain, "AppDomain", 9) && app && app[1])
		snprintf(out, cap, "files of the app %s", app + 1);
	else
		snprintf(out, cap, "files of %s", domain);
}

/* What the placeholders of a row stand for. */
struct facts {
	char phone[128];
	unsigned pct;
	int64_t eta_s;
	uint32_t days;
	int mb_code;
	uint64_t missing_bytes;
	char why[256];
	const char *sum;
	uint64_t damaged, files, bytes;
	bool wants_full;
	uint32_t loss_pct;
	int64_t now_at, loss_at;
	char domain[128];
};

static void facts_of_phone(const struct status_phone *p, struct facts *f)
{
	memset(f, 0, sizeof(*f));
	f->eta_s = -1;
	f->sum = "";
	words_phone_name(p, f->phone, sizeof(f->phone));
	if (!p)
		return;
	f->pct = p->pct_x100 > 10000 ? 100 : p->pct_x100 / 100;
	f->eta_s = p->eta_s;
	f->days = p->overdue_days;
	f->mb_code = p->mb_code;
	f->missing_bytes = p->missing_bytes;
	utf8_clean(f->why, sizeof(f->why), p->detail);
	f->damaged = p->damaged_files;
	f->wants_full = p->wants_full;
	f->loss_pct = p->loss_pct;
	f->loss_at = p->loss_at;
	utf8_clean(f->domain, sizeof(f->domain), p->loss_domain);
}

static void put_left(const struct facts *f, char *out, size_t cap)
{
	char text[64];

	if (f->eta_s < 0) {
		out[0] = '\0';
	} else if (f->eta_s < 60) {
		snprintf(out, cap, "Less than a minute left. ");
	} else {
		words_duration(f->eta_s, text, sizeof(text));
		snprintf(out, cap, "About %s left. ", text);
	}
}

/* The reason in words; a failure without a code tells its detail. */
static void put_reason(const struct facts *f, char *out, size_t cap)
{
	const char *reason;
	const char *helps;

	if (!words_reason(f->mb_code, &reason, &helps) && f->mb_code == 0 &&
	    f->why[0])
		reason = f->why;
	snprintf(out, cap, "%s", reason);
}

static void put_damaged(const struct facts *f, char *out, size_t cap)
{
	char count[40];

	words_count(f->damaged, count, sizeof(count));
	if (f->damaged == 1)
		snprintf(out, cap, "A file of %s's newest backup is", f->phone);
	else
		snprintf(out, cap, "%s files of %s's newest backup are", count,
		    f->phone);
}

static void put_fetch(const struct facts *f, char *out, size_t cap)
{
	if (f->wants_full)
		snprintf(out, cap,
		    "Plug it in tonight: the box fetches everything again, "
		    "which takes longer.");
	else
		snprintf(out, cap,
		    "Plug it in tonight: the box fetches %s again.",
		    f->damaged == 1 ? "it" : "them");
}

static void put_read(const struct facts *f, char *out, size_t cap)
{
	char count[40], bytes[40];

	words_count(f->files, count, sizeof(count));
	words_bytes(f->bytes, bytes, sizeof(bytes));
	snprintf(
	    out, cap, "%s file%s, %s", count, f->files == 1 ? "" : "s", bytes);
}

static void put_value(
    const struct facts *f, const char *key, size_t len, char *out, size_t cap)
{
	const char *reason;
	const char *helps;

#define IS(name) (len == sizeof(name) - 1 && !memcmp(key, name, len))
	out[0] = '\0';
	if (IS("phone"))
		snprintf(out, cap, "%s", f->phone);
	else if (IS("pct"))
		snprintf(out, cap, "%u", f->pct);
	else if (IS("left"))
		put_left(f, out, cap);
	else if (IS("days"))
		snprintf(
		    out, cap, "%u day%s", f->days, f->days == 1 ? "" : "s");
	else if (IS("reason"))
		put_reason(f, out, cap);
	else if (IS("missing") && f->missing_bytes)
		words_bytes(f->missing_bytes, out, cap);
	else if (IS("missing"))
		snprintf(out, cap, "room");
	else if (IS("why"))
		snprintf(out, cap, "%s", f->why);
	else if (IS("sum"))
		snprintf(out, cap, "%s", f->sum);
	else if (IS("damaged"))
		put_damaged(f, out, cap);
	else if (IS("fetch"))
		put_fetch(f, out, cap);
	else if (IS("read"))
		put_read(f, out, cap);
	else if (IS("count"))
		words_count(f->files, out, cap);
	else if (IS("loss"))
		snprintf(out, cap, "%u", f->loss_pct);
	else if (IS("what"))
		put_what(f->domain, out, cap);
	else if (IS("when"))
		words_when(f->now_at, f->loss_at, out, cap);
	else if (IS("helps")) {
		words_reason(f->mb_code, &reason, &helps);
		snprintf(out, cap, "%s", helps);
	}
#undef IS
}

static size_t append(char *out, size_t cap, size_t n, const char *s, size_t len)
{
	if (len > cap - 1 - n)
		len = utf8_cut(s, cap - 1 - n);
	memcpy(out + n, s, len);
	out[n + len] = '\0';
	return n + len;
}

static void append_text(char *out, size_t cap, const char *s)
{
	append(out, cap, strlen(out), s, strlen(s));
}

static void fill(char *out, size_t cap, const char *text, const struct facts *f)
{
	char value[320];
	size_t n = 0;

	out[0] = '\0';
	while (*text) {
		size_t len = strcspn(text, "{");
		const char *end;

		n = append(out, cap, n, text, len);
		text += len;
		end = *text ? strchr(text, '}') : NULL;
		if (!end)
			continue;
		put_value(f, text + 1, (size_t)(end - text - 1), value,
		    sizeof(value));
		n = append(out, cap, n, value, strlen(value));
		text = end + 1;
	}
	while (n > 0 && out[n - 1] == ' ')
		out[--n] = '\0';
	/* Ours may stand first in a sentence; a phone's own name stays. */
	if (!strcmp(f->phone, "the iPhone") && !strncmp(out, f->phone, 10))
		out[0] = 'T';
}

struct words_row words_row(enum status_state s)
{
	const struct row *row = words_row_of(s);
	struct words_row out = { row->headline, row->sentence, row->led };

	return out;
}

static void put_small(struct words *out, int mb_code, const char *detail)
{
	char text[128];

	out->small[0] = '\0';
	if (!mb_code)
		return;
	snprintf(out->small, sizeof(out->small), "MBErrorDomain %d", mb_code);
	if (!utf8_clean(text, sizeof(text), detail))
		return;
	append_text(out->small, sizeof(out->small), ": ");
	append_text(out->small, sizeof(out->small), text);
}

/* Which files; the page and the terminal show them small. */
static void put_names(struct words *out, const struct status_phone *p)
{
	char name[64];

	out->small[0] = '\0';
	for (unsigned i = 0; i < LIMIT_DAMAGED_NAMES && p->damaged[i][0]; i++) {
		utf8_clean(name, sizeof(name), p->damaged[i]);
		if (i)
			append_text(out->small, sizeof(out->small), ", ");
		append_text(out->small, sizeof(out->small), name);
	}
	if (p->damaged_files > LIMIT_DAMAGED_NAMES)
		append_text(out->small, sizeof(out->small), " \u2026");
}

static void put_words(
    enum status_state state, const struct facts *f, struct words *out)
{
	const struct row *row = words_row_of(state);

	memset(out, 0, sizeof(*out));
	out->id = status_state_id(state);
	fill(out->headline, sizeof(out->headline), row->headline, f);
	fill(out->sentence, sizeof(out->sentence), row->sentence, f);
	out->led = row->led;
	out->severity = row->severity;
}

/* What was missed is shown as missed until it is overdue; then that is the
 * news (words.md, column LED). */
static void as_due(const struct status_phone *p, struct words *out)
{
	if (p->overdue_days > 0 &&
	    (p->state == STATE_UNPLUGGED || p->state == STATE_STOPPED ||
		p->state == STATE_PASSCODE_MISSED ||
		p->state == STATE_PASSWORD_UNCHANGED ||
		p->state == STATE_PASSWORD_UNSURE))
		out->led = LED_OVERDUE;
	if (p->state == STATE_SAFE && !p->attached)
		out->led = LED_READY;
}

static const struct status_phone *phone_at(
    const struct status *st, int64_t phone)
{
	if (phone < 0 || phone >= LIMIT_PHONES || phone >= st->n_phones)
		return NULL;
	return &st->phones[phone];
}

/* Why it was not backed up when it was last here, for the overdue. */
static void append_last_seen(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];
	char line[200];
	struct facts f;

	for (unsigned i = 0; i < st->n_nights && i < LIMIT_NIGHTS; i++) {
		const struct status_night *n = &st->nights[i];

		if (strcmp(n->udid, p->udid) != 0 ||
		    n->state == STATE_READY_OVERDUE ||
		    status_is_aside(n->state))
			continue;
		if (n->state == STATE_SAFE)
			return;
		facts_of_phone(p, &f);
		f.mb_code = n->mb_code;
		f.missing_bytes = n->missing_bytes;
		f.pct = n->pct_x100 > 10000 ? 100 : n->pct_x100 / 100;
		utf8_clean(f.why, sizeof(f.why), n->detail);
		words_when(st->now_at, n->at, when, sizeof(when));
		fill(line, sizeof(line), words_row_of(n->state)->ledger, &f);
		append_text(
		    out->sentence, sizeof(out->sentence), " It was last seen ");
		append_text(out->sentence, sizeof(out->sentence), when);
		append_text(out->sentence, sizeof(out->sentence), "; ");
		append_text(out->sentence, sizeof(out->sentence), line);
		append_text(out->sentence, sizeof(out->sentence), ".");
		return;
	}
}

void words_phone(const struct status *st, unsigned phone, struct words *out)
{
	const struct status_phone *p = phone_at(st, phone);
	struct facts f;

	facts_of_phone(p, &f);
	f.now_at = st->now_at;
	put_words(p ? p->state : STATE_READY, &f, out);
	if (!p)
		return;
	put_small(out, p->mb_code, p->detail);
	if (p->state == STATE_DAMAGED)
		put_names(out, p);
	as_due(p, out);
	if (p->state == STATE_SAFE && !p->attached)
		out->sentence[0] = '\0';
	if (p->state == STATE_WANTS_PASSCODE && p->sets_password)
		snprintf(out->sentence, sizeof(out->sentence),
		    "iOS asks for it before it takes a backup password.");
	if (p->state == STATE_READY_OVERDUE)
		append_last_seen(st, p, out);
}

bool words_hint(const struct status *st, unsigned phone, struct words *out)
{
	const struct status_phone *p = phone_at(st, phone);
	struct facts f;

	if (!p || !p->last_good_at || p->encrypted || p->will_encrypt > 0)
		return false;
	facts_of_phone(p, &f);
	put_words(STATE_NOT_ENCRYPTED, &f, out);
	return true;
}

void words_last_good(
    const struct status *st, unsigned phone, char *out, size_t cap)
{
	const struct status_phone *p = phone_at(st, phone);
	char when[48];

	if (!p || p->last_good_at <= 0) {
		snprintf(out, cap,
		    p && p->damaged_files ? "No backup is whole."
					  : "No backup yet.");
		return;
	}
	words_when_joined(
	    st->now_at, p->last_good_at, ", ", when, sizeof(when));
	snprintf(out, cap, "Last safe backup: %s.", when);
}

/* "1,204 new files, 2.1 GB" */
static void put_new(uint64_t files, uint64_t bytes, char *out, size_t cap)
{
	char count[40];
	char size[40];

	if (files == 0) {
		snprintf(out, cap, "nothing new");
		return;
	}
	words_count(files, count, sizeof(count));
	words_bytes(bytes, size, sizeof(size));
	snprintf(
	    out, cap, "%s new file%s, %s", count, files == 1 ? "" : "s", size);
}

static void glance_safe(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];
	char sum[120];

	if (p->last_good_at <= 0)
		return;
	words_when_joined(
	    st->now_at, p->last_good_at, " at ", when, sizeof(when));
	put_new(p->last_new_files, p->last_new_bytes, sum, sizeof(sum));
	snprintf(out->sentence, sizeof(out->sentence),
	    "Backed up %s \u00b7 %s \u00b7 checked.", when, sum);
}

static void glance_stays(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];

	if (p->last_good_at <= 0)
		return;
	words_when_joined(st->now_at, p->last_good_at, " ", when, sizeof(when));
	append_text(out->sentence, sizeof(out->sentence), " The backup of ");
	append_text(out->sentence, sizeof(out->sentence), when);
	append_text(out->sentence, sizeof(out->sentence),
	    " stays safe until this one is complete.");
}

/* The phone whose last good backup is the oldest: its age is what counts when
 * the box speaks of no phone in particular. */
static int oldest_good(const struct status *st)
{
	int best = -1;

	for (uint32_t i = 0; i < st->n_phones && i < LIMIT_PHONES; i++) {
		int64_t at = st->phones[i].last_good_at;

		if (at > 0 && (best < 0 || at < st->phones[best].last_good_at))
			best = (int)i;
	}
	return best;
}

static void glance_last_good(
    const struct status *st, int phone, struct words *out)
{
	char text[96];

	if (phone < 0)
		phone = oldest_good(st);
	if (phone < 0)
		return;
	words_last_good(st, (unsigned)phone, text, sizeof(text));
	if (out->sentence[0])
		append_text(out->sentence, sizeof(out->sentence), " ");
	append_text(out->sentence, sizeof(out->sentence), text);
}

void words_box(const struct status *st, struct words *out)
{
	const struct status_phone *p = phone_at(st, st->phone);
	struct facts f;

	if (p) {
		words_phone(st, (unsigned)st->phone, out);
	} else {
		facts_of_phone(NULL, &f);
		utf8_clean(f.why, sizeof(f.why), st->detail);
		f.pct = st->update.pct;
		put_words(st->state, &f, out);
	}
	switch (words_row_of(st->state)->glance) {
	case GLANCE_NONE:
		break;
	case GLANCE_LAST_GOOD:
		glance_last_good(st, st->phone, out);
		break;
	case GLANCE_STAYS:
		if (p)
			glance_stays(st, p, out);
		break;
	case GLANCE_SAFE:
		if (p)
			glance_safe(st, p, out);
		break;
	}
}

void words_night(const struct status *st, unsigned night, char *out, size_t cap)
{
	const struct status_night *n;
	char sum[200];
	char took[64];
	struct facts f;

	if (cap == 0)
		return;
	out[0] = '\0';
	if (night >= st->n_nights || night >= LIMIT_NIGHTS)
		return;
	n = &st->nights[night];
	facts_of_phone(NULL, &f);
	utf8_clean(f.phone, sizeof(f.phone), n->phone);
	f.pct = n->pct_x100 > 10000 ? 100 : n->pct_x100 / 100;
	f.mb_code = n->mb_code;
	f.missing_bytes = n->missing_bytes;
	f.files = n->new_files;
	f.bytes = n->new_bytes;
	utf8_clean(f.why, sizeof(f.why), n->detail);
	put_new(n->new_files, n->new_bytes, sum, sizeof(sum));
	words_duration(n->seconds, took, sizeof(took));
	append_text(sum, sizeof(sum), ", ");
	append_text(sum, sizeof(sum), took);
	f.sum = sum;
	fill(out, cap, words_row_of(n->state)->ledger, &f);
}

enum led_pattern words_led(const struct status *st)
{
	struct words w;

	words_box(st, &w);
	return w.led;
}
