#include "log_ring.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "utf8.h"

struct log_ring {
	_Atomic uint64_t end; /* bytes that were ever written */
	char text[LOG_RING_TEXT];
};

static struct log_ring *mine; /* where this process writes */

static struct log_ring *map(int fd)
{
	void *p = mmap(NULL, sizeof(struct log_ring), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

enum rc log_ring_make(struct log_ring **out, int *fd)
{
	*fd = memfd_create("nightstand-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return RC_NOMEM;
	/* Nobody who joins can make it shorter under a reader's feet. */
	*out = NULL;
	if (ftruncate(*fd, (off_t)sizeof(struct log_ring)) == 0 &&
	    fcntl(*fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		*out = map(*fd);
	if (*out)
		return RC_OK;
	close(*fd);
	*fd = -1;
	return RC_NOMEM;
}

enum rc log_ring_join(int fd, struct log_ring **out)
{
	struct stat st;

	*out = NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == (off_t)sizeof(struct log_ring))
		*out = map(fd);
	close(fd);
	return *out ? RC_OK : RC_NOTFOUND;
}

void log_ring_drop(struct log_ring *r)
{
	if (!r)
		return;
	if (mine == r)
		log_ring_use(NULL);
	munmap(r, sizeof(*r));
}

/* Writers take their place by one addition; a line that is still being copied
 * may be read half. */
static void add(const char *line, size_t len)
{
	uint64_t at;
	size_t head;

	if (len > LOG_RING_TEXT)
		return;
	at = atomic_fetch_add(&mine->end, len) % LOG_RING_TEXT;
	head = LOG_RING_TEXT - at < len ? LOG_RING_TEXT - at : len;
	memcpy(mine->text + at, line, head);
	memcpy(mine->text, line + head, len - head);
}

void log_ring_use(struct log_ring *r)
{
	mine = r;
	log_set_second(r ? add : NULL);
}

/* Any byte that is no text becomes a question mark. */
static void clean(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\n') || c == 0x7f)
			s[i] = '?';
	}
	if (utf8_is_valid(s, len))
		return;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80)
			s[i] = '?';
}

uint64_t log_ring_end(const struct log_ring *r)
{
	return atomic_load(&r->end);
}

size_t log_ring_read(const struct log_ring *r, char *out, size_t cap)
{
	uint64_t end = atomic_load(&r->end);
	uint64_t len = end < LOG_RING_TEXT ? end : LOG_RING_TEXT;
	bool cut = end > LOG_RING_TEXT;
	const char *line;
	size_t n;

	if (cap == 0)
		return 0;
	if (len > cap - 1) {
		len = cap - 1;
		cut = true;
	}
	for (n = 0; n < len; n++)
		out[n] = r->text[(end - len + n) % LOG_RING_TEXT];
	/* The first line is one that lost its beginning. */
	line = cut ? memchr(out, '\n', n) : NULL;
	if (line) {
		n -= (size_t)(line + 1 - out);
		memmove(out, line + 1, n);
	}
	clean(out, n);
	out[n] = '\0';
	return n;
}
