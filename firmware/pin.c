#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "pin"
#define DIGITS     6

bool pin_is_one(const char *pin)
{
	size_t len = strlen(pin);

	return len >= DIGITS && len < PIN_MAX &&
	       strspn(pin, "0123456789") == len;
}

enum rc pin_read(const char *state_dir, char pin[PIN_MAX])
{
	char path[600], text[256];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/" PIN_FILE, state_dir);
	f = fopen(path, "r");
	if (!f)
		return rc_from_errno(errno);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	len = strspn(text, "0123456789");
	if (len >= PIN_MAX)
		return RC_CORRUPT;
	memcpy(pin, text, len);
	pin[len] = '\0';
	return pin_is_one(pin) ? RC_OK : RC_CORRUPT;
}

static enum rc write_file(int dir, const char *pin)
{
	static const char after[] =
	    "\nThis is the PIN of the box's page. To have a new one made, "
	    "delete this file and\nswitch the box off and on.\n";
	int fd = openat(dir, PIN_FILE ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return rc_from_errno(errno);
	ok =
	    write(fd, pin, strlen(pin)) == (ssize_t)strlen(pin) &&
	    write(fd, after, sizeof(after) - 1) == (ssize_t)sizeof(after) - 1 &&
	    fsync(fd) == 0;
	if (close(fd) != 0 || !ok)
		return RC_IO;
	if (renameat(dir, PIN_FILE ".new", dir, PIN_FILE) != 0)
		return rc_from_errno(errno);
	return fsync(dir) == 0 ? RC_OK : rc_from_errno(errno);
}

enum rc pin_store(const char *state_dir, const char *pin)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc;

	if (dir < 0)
		return rc_from_errno(errno);
	rc = write_file(dir, pin);
	close(dir);
	return rc;
}

void pin_forget(const char *state_dir)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/" PIN_FILE, state_dir);
	if (unlink(path) != 0 && errno != ENOENT)
		log_warn("the PIN stays: %s", strerror(errno));
}

static enum rc make(char pin[PIN_MAX])
{
	for (int i = 0; i < DIGITS;) {
		unsigned char c;

		if (getrandom(&c, 1, 0) != 1)
			return RC_IO;
		if (c < 250) /* each digit as likely as the others */
			pin[i++] = (char)('0' + c % 10);
	}
	pin[DIGITS] = '\0';
	return RC_OK;
}

enum rc pin_load(const char *state_dir, char pin[PIN_MAX])
{
	enum rc rc;

	if (state_dir[0] && pin_read(state_dir, pin) == RC_OK)
		return RC_OK;
	rc = make(pin);
	if (rc || !state_dir[0])
		return rc;
	rc = pin_store(state_dir, pin);
	if (rc)
		log_warn("a new PIN can't be written to " PIN_FILE ": %s",
		    rc_words(rc));
	else
		log_note(
		    "a new PIN for the page stands in %s/" PIN_FILE, state_dir);
	return RC_OK;
}
