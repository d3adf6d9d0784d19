/*
 * A form with a file: the first byte says how it is cut, then comes its
 * Content-Type, a line, and the form. However it is cut, it says the same.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "multipart.h"

struct heard {
	char fields[MULTIPART_FIELDS_MAX * 256];
	size_t n_fields;
	unsigned files;
	size_t bytes;
	uint32_t sum;
	bool whole;
};

static struct heard *now;

static void must(bool so)
{
	if (!so)
		abort();
}

static void note(const char *text)
{
	size_t len = strlen(text) + 1;

	must(len <= sizeof(now->fields) - now->n_fields);
	memcpy(now->fields + now->n_fields, text, len);
	now->n_fields += len;
}

static enum rc on_field(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	must(!now->files);
	must(strlen(name) <= MULTIPART_NAME_MAX);
	must(strlen(value) <= MULTIPART_VALUE_MAX);
	note(name);
	note(value);
	return RC_OK;
}

static enum rc on_file(void *ctx)
{
	(void)ctx;
	must(now->files++ == 0);
	return RC_OK;
}

static enum rc on_data(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	must(now->files == 1 && len > 0);
	for (size_t i = 0; i < len; i++)
		now->sum = now->sum * 31 + (unsigned char)data[i];
	now->bytes += len;
	return RC_OK;
}

static const struct multipart_sink sink = { NULL, on_field, on_file, on_data };

/* What is heard before a form turns out to be none may differ. */
static enum rc hear(struct heard *h, const char *type, const uint8_t *form,
    size_t len, size_t step)
{
	struct multipart m;
	enum rc rc = multipart_begin(&m, type, &sink);

	now = h;
	memset(h, 0, sizeof(*h));
	for (size_t at = 0; !rc && at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		size_t before = h->bytes;

		rc = multipart_feed(&m, (const char *)form + at, n);
		must(h->bytes - before <= n + MULTIPART_MARK_MAX);
	}
	h->whole = multipart_is_whole(&m);
	must(!h->whole || h->files == 1);
	must(h->bytes <= len);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct heard all, cut;
	const uint8_t *end;
	char type[512];
	size_t step, n;
	enum rc rc;

	if (len < 2)
		return 0;
	step = 1 + data[0] % 80;
	end = memchr(data + 1, '\n', len - 1);
	if (!end)
		return 0;
	n = (size_t)(end - data - 1);
	if (n >= sizeof(type))
		return 0;
	memcpy(type, data + 1, n);
	type[n] = '\0';
	len -= n + 2;
	rc = hear(&all, type, end + 1, len, len ? len : 1);
	must(hear(&cut, type, end + 1, len, step) == rc);
	if (!rc)
		must(!memcmp(&all, &cut, sizeof(all)));
	return 0;
}
