#include "agent.h"

#include "phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One file from the host, to a local file or against one. */
struct agent_fetch {
	FILE *f; /* written, or compared with */
	const uint8_t *mem;
	size_t mem_left;
	bool compare, seen, differs;
	int end_code;
};

static int agent_fetch_begin(void *arg, size_t i)
{
	struct agent_fetch *x = arg;

	(void)i;
	x->seen = true;
	return 0;
}

static bool agent_fetch_equal(struct agent_fetch *x, const void *p, size_t n)
{
	uint8_t own[8192];
	const uint8_t *q = p;

	if (!x->f) {
		if (n > x->mem_left || memcmp(p, x->mem, n) != 0)
			return false;
		x->mem += n;
		x->mem_left -= n;
		return true;
	}
	while (n > 0) {
		size_t k = n < sizeof(own) ? n : sizeof(own);

		if (fread(own, 1, k, x->f) != k || memcmp(own, q, k) != 0)
			return false;
		q += k;
		n -= k;
	}
	return true;
}

static int agent_fetch_data(void *arg, const void *p, size_t n)
{
	struct agent_fetch *x = arg;

	if (!x->compare)
		return fwrite(p, 1, n, x->f) == n ? 0 : -1;
	if (!x->differs && !agent_fetch_equal(x, p, n))
		x->differs = true;
	return 0;
}

static int agent_fetch_end(void *arg, size_t i, int code, const char *text)
{
	struct agent_fetch *x = arg;

	(void)i;
	(void)text;
	x->end_code = code;
	return 0;
}

/* Which of the places where a host may say "no" holds: the status, an entry
 * of a multi status, or the end marker alone. */
static int agent_fetch_code(
    const struct agent_fetch *x, const struct dl_status *st, const char *remote)
{
	int code = dl_status_of_path(st, remote);

	if (code != DL_CODE_OK)
		return code;
	if (!x->seen)
		return DL_CODE_GENERIC;
	return x->end_code;
}

static int agent_fetch_run(
    struct agent *a, const char *remote, struct agent_fetch *x, int *dl_code)
{
	struct dl_sink sink = { x, agent_fetch_begin, agent_fetch_data,
		agent_fetch_end };
	struct dl_status st;
	int sunk = 0, r;

	r = agent_check_dl(
	    a, dl_download(a->dl, &remote, 1, 0.0, 0, &sink, &sunk, &st));
	if (r == 0 && sunk != 0)
		r = agent_fail(a, AGENT_LOCAL_SNAPSHOT, "Error storing file");
	if (r == 0)
		*dl_code = agent_fetch_code(x, &st, remote);
	dl_status_clear(&st);
	return r;
}

int agent_fetch(
    struct agent *a, const char *remote, const char *local, int *dl_code)
{
	struct agent_fetch x = { 0 };
	char tmp[AGENT_PATH_MAX + 16];
	int r;

	snprintf(tmp, sizeof(tmp), "%s.download", local);
	x.f = fopen(tmp, "wb");
	if (!x.f)
		return agent_fail(a, AGENT_LOCAL_SNAPSHOT,
		    "Error creating file for \"%s\"", remote);
	r = agent_fetch_run(a, remote, &x, dl_code);
	if (fclose(x.f) != 0 && r == 0)
		r = agent_fail(a, AGENT_LOCAL_SNAPSHOT, "Error storing file");
	if (r == 0 && *dl_code == DL_CODE_OK && rename(tmp, local) != 0)
		r = agent_fail(a, AGENT_LOCAL_SNAPSHOT, "Error storing file");
	if (r != 0 || *dl_code != DL_CODE_OK)
		remove(tmp);
	return r;
}

int agent_compare(struct agent *a, const char *remote, const char *local,
    const void *bytes, size_t n, bool *same)
{
	struct agent_fetch x = { .mem = bytes, .mem_left = n, .compare = true };
	int dl_code = 0, r;

	if (local) {
		x.f = fopen(local, "rb");
		if (!x.f)
			return agent_fail(a, AGENT_LOCAL_SNAPSHOT,
			    "Error opening local snapshot");
	}
	r = agent_fetch_run(a, remote, &x, &dl_code);
	*same = r == 0 && dl_code == DL_CODE_OK && !x.differs &&
		(x.f ? fgetc(x.f) == EOF : x.mem_left == 0);
	if (x.f)
		fclose(x.f);
	return r;
}
