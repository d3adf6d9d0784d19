/* One `file` blob of Manifest.db, and the lists that lie beside it. The first
 * byte says which reader gets the rest. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mbfile.h"
#include "plistread.h"

static void check_end(const char *text, size_t cap)
{
	if (!memchr(text, '\0', cap))
		abort();
}

static void read_status(const uint8_t *data, size_t len)
{
	struct plistread_status s;

	if (plistread_status(data, len, &s))
		return;
	check_end(s.version, sizeof(s.version));
	check_end(s.snapshot_state, sizeof(s.snapshot_state));
}

static void read_manifest(const uint8_t *data, size_t len)
{
	struct plistread_manifest m;
	struct plistread_facts f;

	if (!plistread_manifest(data, len, &m)) {
		check_end(m.udid, sizeof(m.udid));
		check_end(m.device_name, sizeof(m.device_name));
		check_end(m.model, sizeof(m.model));
		check_end(m.ios, sizeof(m.ios));
	}
	if (!plistread_facts(data, len, &f)) {
		check_end(f.device_name, sizeof(f.device_name));
		check_end(f.model, sizeof(f.model));
		check_end(f.ios, sizeof(f.ios));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mbfile f;

	if (len == 0)
		return 0;
	if (data[0] % 3 == 1)
		read_status(data + 1, len - 1);
	else if (data[0] % 3 == 2)
		read_manifest(data + 1, len - 1);
	else if (mbfile_parse(data + 1, len - 1, &f) == RC_OK && f.size < 0)
		abort();
	return 0;
}
