#include "recorder.h"

#include <string.h>

#include "digest.h"

#define WORD sizeof(uint64_t)

enum {
	MARK,
	SERIAL,
	LENGTH,
	CHECK,
	HEAD
};

static const char mark_text[WORD + 1] = "NiteTail";

static uint64_t mark(void)
{
	uint64_t w;

	memcpy(&w, mark_text, WORD);
	return w;
}

static size_t room_of(const struct recorder *r)
{
	size_t room = (r->half - HEAD) * WORD;

	return room < RECORDER_TEXT ? room : RECORDER_TEXT;
}

static enum rc check_of(
    uint64_t serial, const char *text, size_t len, uint64_t *out)
{
	const uint64_t head[] = { serial, len };
	struct digest *d = digest_new();
	uint8_t sum[DIGEST_LEN];

	if (!d)
		return RC_NOMEM;
	digest_begin(d);
	digest_update(d, head, sizeof(head));
	digest_update(d, text, len);
	digest_final(d, sum);
	digest_free(d);
	memcpy(out, sum, sizeof(*out));
	return RC_OK;
}

static enum rc read_half(const volatile uint64_t *half, size_t room, char *out,
    size_t *len, uint64_t *serial)
{
	uint64_t n = half[LENGTH], check;
	enum rc rc;

	*serial = half[SERIAL];
	if (half[MARK] != mark() || n > room)
		return RC_NOTFOUND;
	for (size_t at = 0; at < n; at += WORD) {
		uint64_t w = half[HEAD + at / WORD];

		memcpy(out + at, &w, n - at < WORD ? n - at : WORD);
	}
	rc = check_of(*serial, out, n, &check);
	if (!rc && check != half[CHECK])
		rc = RC_NOTFOUND;
	*len = n;
	return rc;
}

enum rc recorder_open(struct recorder *r, volatile uint64_t *words, size_t len)
{
	r->words = NULL;
	r->half = len / WORD / 2;
	r->serial = 0;
	if (r->half <= HEAD)
		return RC_LIMIT;
	r->words = words;
	for (int i = 0; i < 2; i++)
		if (words[i * r->half + MARK] == mark() &&
		    words[i * r->half + SERIAL] > r->serial)
			r->serial = words[i * r->half + SERIAL];
	return RC_OK;
}

enum rc recorder_read(const struct recorder *r, char *out, size_t *len)
{
	static char other[RECORDER_TEXT];
	uint64_t serial[2];
	size_t n;
	enum rc rc;

	*len = 0;
	if (!r->words)
		return RC_NOTFOUND;
	rc = read_half(r->words, room_of(r), out, len, &serial[0]);
	if (read_half(r->words + r->half, room_of(r), other, &n, &serial[1]) ||
	    (!rc && serial[0] > serial[1]))
		return rc;
	memcpy(out, other, n);
	*len = n;
	return RC_OK;
}

enum rc recorder_write(struct recorder *r, const char *text, size_t len)
{
	uint64_t serial = r->serial + 1, check;
	volatile uint64_t *half;
	enum rc rc;

	if (!r->words)
		return RC_OK;
	if (len > room_of(r)) {
		text += len - room_of(r);
		len = room_of(r);
	}
	rc = check_of(serial, text, len, &check);
	if (rc)
		return rc;
	half = r->words + serial % 2 * r->half;
	half[MARK] = 0; /* a reset from here on finds the other half */
	for (size_t at = 0; at < len; at += WORD) {
		uint64_t w = 0;

		memcpy(&w, text + at, len - at < WORD ? len - at : WORD);
		half[HEAD + at / WORD] = w;
	}
	half[SERIAL] = serial;
	half[LENGTH] = len;
	half[CHECK] = check;
	half[MARK] = mark();
	r->serial = serial;
	return RC_OK;
}

void recorder_clear(struct recorder *r)
{
	if (!r->words)
		return;
	r->words[MARK] = 0;
	r->words[r->half + MARK] = 0;
	r->serial = 0;
}
