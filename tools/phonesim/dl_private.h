/* What dl.c, dl_command.c and dl_stream.c share. */
#ifndef DL_PRIVATE_H
#define DL_PRIVATE_H

#include "dl.h"

enum {
	DL_CHUNK_DEFAULT = 262144,
	DL_CHUNK_MAX = 16 << 20,
	DL_FRAME_DEFAULT = 64 << 20,
	DL_FLUSH_AT = 64 << 10,
	DL_NAME_MAX = 4096,
	DL_PIECE = 256 << 10
};

/* A pointer inside some phone's agent, as it was seen on the wire. */
#define DL_CALLBACKS_DEFAULT INT64_C(4955806704)

struct dl {
	struct phone *ph;
	struct link *link;
	int version;
	size_t chunk;
	uint32_t frame_limit;
	bool unbuffered;
	int64_t callbacks;
	uint8_t *out;
	size_t len, cap;
	uint8_t *piece; /* DL_PIECE bytes, for what the host sends */
};

uint32_t dl_get32(const uint8_t *p);
void dl_put32(uint8_t *p, uint32_t v);
/* Flushes first when n more bytes would not fit. */
enum dl_result dl_make_room(struct dl *d, size_t n);
/* After an element was appended. */
enum dl_result dl_appended(struct dl *d);
enum dl_result dl_append(struct dl *d, const void *bytes, size_t n);
/* {} or {DLDeviceIOCallbacks: int}. */
plist_t dl_io_options(const struct dl *d);

#endif
