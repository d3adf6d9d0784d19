#include "mux_records.h"

#include <errno.h>
#include <fcntl.h>
#include <plist/plist.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "plist_bounds.h"

#define LOG_MODULE "records"
#define NAME_MAX_  80
#define CONFIG     "SystemConfiguration.plist"

struct mux_records {
	int dir;
	char buid[MUX_RECORDS_BUID]; /* "" not read yet */
};

enum rc mux_records_open(const char *dir, struct mux_records **out)
{
	struct mux_records *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return RC_NOMEM;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		log_warn(
		    "no folder for pair records %s: %s", dir, strerror(errno));
	r->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir < 0) {
		enum rc rc = rc_from_errno(errno);

		log_error("pair records can't be kept in %s: %s", dir,
		    strerror(errno));
		free(r);
		return rc;
	}
	*out = r;
	return RC_OK;
}

void mux_records_close(struct mux_records *r)
{
	if (!r)
		return;
	close(r->dir);
	free(r);
}

int mux_records_fd(const struct mux_records *r)
{
	return r->dir;
}

/* --- files --------------------------------------------------------------------- */

static enum rc read_all(int fd, uint8_t *data, size_t cap, size_t *len)
{
	*len = 0;
	for (;;) {
		ssize_t n = read(fd, data + *len, cap - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rc_from_errno(errno);
		if (n == 0)
			return RC_OK;
		*len += (size_t)n;
		if (*len == cap)
			return RC_CORRUPT; /* longer than any */
	}
}

static enum rc load(
    struct mux_records *r, const char *name, uint8_t **data, size_t *len)
{
	int fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum rc rc;

	*data = NULL;
	if (fd < 0)
		return errno == ENOENT ? RC_NOTFOUND : rc_from_errno(errno);
	*data = malloc(MUX_RECORDS_MAX + 1);
	rc = *data ? read_all(fd, *data, MUX_RECORDS_MAX + 1, len) : RC_NOMEM;
	close(fd);
	if (!rc && plist_bounds_check(*data, *len))
		rc = RC_CORRUPT;
	if (rc) {
		log_warn("%s can't be read: %s", name, rc_words(rc));
		free(*data);
		*data = NULL;
	}
	return rc;
}

static enum rc write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? rc_from_errno(errno) : RC_IO;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? RC_OK : rc_from_errno(errno);
}

static enum rc store(
    struct mux_records *r, const char *name, const uint8_t *data, size_t len)
{
	char beside[NAME_MAX_ + 8];
	enum rc rc;
	int fd;

	snprintf(beside, sizeof(beside), "%s.new", name);
	/* What a cut has left there may be anything. */
	if (unlinkat(r->dir, beside, 0) != 0 && errno != ENOENT)
		return rc_from_errno(errno);
	fd = openat(r->dir, beside,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return rc_from_errno(errno);
	rc = write_all(fd, data, len);
	if (close(fd) != 0 && !rc)
		rc = rc_from_errno(errno);
	/* The bytes first, then the name, then that the name is there. */
	if (!rc && renameat(r->dir, beside, r->dir, name) != 0)
		rc = rc_from_errno(errno);
	if (!rc && fsync(r->dir) != 0)
		rc = rc_from_errno(errno);
	if (rc) {
		log_error("%s can't be stored: %s", name, rc_words(rc));
		unlinkat(r->dir, beside, 0);
	}
	return rc;
}

static void name_of(const char *udid, char out[NAME_MAX_])
{
	snprintf(out, NAME_MAX_, "%s.plist", udid);
}

enum rc mux_records_read(
    struct mux_records *r, const char *udid, uint8_t **data, size_t *len)
{
	char name[NAME_MAX_];

	name_of(udid, name);
	return load(r, name, data, len);
}

enum rc mux_records_save(
    struct mux_records *r, const char *udid, const uint8_t *data, size_t len)
{
	char name[NAME_MAX_];

	if (len > MUX_RECORDS_MAX)
		return RC_LIMIT;
	name_of(udid, name);
	return store(r, name, data, len);
}

enum rc mux_records_delete(struct mux_records *r, const char *udid)
{
	char name[NAME_MAX_];

	name_of(udid, name);
	if (unlinkat(r->dir, name, 0) != 0)
		return errno == ENOENT ? RC_NOTFOUND : rc_from_errno(errno);
	return fsync(r->dir) == 0 ? RC_OK : rc_from_errno(errno);
}

/* --- this computer ------------------------------------------------------------- */

static bool is_buid(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < MUX_RECORDS_BUID &&
	       strspn(s, "0123456789abcdefABCDEF-") == n;
}

static void buid_from(const uint8_t *data, size_t len, char *out)
{
	plist_t root = NULL;
	plist_t node = NULL;
	char *text = NULL;

	if (len >= 8 && memcmp(data, "bplist00", 8) == 0)
		plist_from_bin((const char *)data, (uint32_t)len, &root);
	else
		plist_from_xml((const char *)data, (uint32_t)len, &root);
	if (root && plist_get_node_type(root) == PLIST_DICT)
		node = plist_dict_get_item(root, "SystemBUID");
	if (node && plist_get_node_type(node) == PLIST_STRING)
		plist_get_string_val(node, &text);
	if (text && is_buid(text))
		snprintf(out, MUX_RECORDS_BUID, "%s", text);
	free(text);
	plist_free(root);
}

static enum rc make_buid(struct mux_records *r)
{
	uint8_t b[16];
	char xml[512];
	char buid[MUX_RECORDS_BUID];
	int n;
	enum rc rc;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return RC_BUG;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* a random UUID */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(buid, sizeof(buid),
	    "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
	    "%02X%02X%02X%02X%02X%02X",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
	n = snprintf(xml, sizeof(xml),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
	    "<plist version=\"1.0\">\n<dict>\n\t<key>SystemBUID</key>\n"
	    "\t<string>%s</string>\n</dict>\n</plist>\n",
	    buid);
	rc = store(r, CONFIG, (const uint8_t *)xml, (size_t)n);
	if (!rc)
		snprintf(r->buid, sizeof(r->buid), "%s", buid);
	return rc;
}

enum rc mux_records_buid(struct mux_records *r, char out[MUX_RECORDS_BUID])
{
	uint8_t *data = NULL;
	size_t len = 0;
	enum rc rc = RC_OK;

	if (!r->buid[0]) {
		rc = load(r, CONFIG, &data, &len);
		if (!rc)
			buid_from(data, len, r->buid);
		free(data);
	}
	/* A broken one can't be mended: phones have to be asked again. But a
	 * disk that fails for a moment is no reason to make another. */
	if (!r->buid[0] && (!rc || rc == RC_NOTFOUND || rc == RC_CORRUPT))
		rc = make_buid(r);
	if (!rc)
		snprintf(out, MUX_RECORDS_BUID, "%s", r->buid);
	return rc;
}
