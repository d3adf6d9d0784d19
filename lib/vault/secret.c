#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keybag.h"
#include "plistread.h"
#include "vault_secret.h"

#define FILE_NAME "/Manifest.plist"

struct found {
	char *file; /* absolute */
};

static enum rc on_entry(void *arg, const struct vault_entry *e)
{
	struct found *f = arg;
	const char *rest = strchr(e->path, '/'); /* behind the UDID */

	if (!rest || strcmp(rest, FILE_NAME) != 0 || !e->file)
		return RC_OK;
	f->file = strdup(e->file);
	return f->file ? RC_CANCELLED : RC_NOMEM; /* there is one only */
}

static enum rc read_all(int fd, void **data, size_t *len)
{
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) != 0)
		return RC_IO;
	if (st.st_size <= 0 || st.st_size > (off_t)PLISTREAD_MANIFEST_MAX)
		return RC_CORRUPT;
	*len = (size_t)st.st_size;
	*data = malloc(*len);
	if (!*data)
		return RC_NOMEM;
	while (done < *len) {
		ssize_t n = read(fd, (char *)*data + done, *len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? RC_IO : RC_CORRUPT;
		done += (size_t)n;
	}
	return RC_OK;
}

static enum rc read_bag(const char *path, struct keybag *out)
{
	uint8_t raw[KEYBAG_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	void *data = NULL;
	size_t len = 0, raw_len = 0;
	enum rc rc;

	if (fd < 0)
		return rc_from_errno(errno);
	rc = read_all(fd, &data, &len);
	close(fd);
	if (!rc)
		rc = plistread_keybag(data, len, raw, sizeof(raw), &raw_len);
	free(data);
	return rc ? rc : keybag_read(raw, raw_len, out);
}

enum rc vault_try_password(
    struct vault_phone *p, int64_t snapshot, const char *password)
{
	struct found f = { NULL };
	enum rc rc = vault_each_entry(p, snapshot, on_entry, &f);
	struct keybag bag;

	if (rc == RC_OK)
		rc = RC_NOTFOUND;
	else if (rc == RC_CANCELLED)
		rc = read_bag(f.file, &bag);
	free(f.file);
	return rc ? rc : keybag_try(&bag, password);
}
