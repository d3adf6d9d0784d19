/*
 * DeviceLink, the phone's side: frames of plists and, between them, raw file
 * streams on the same bytes. Facts: libimobiledevice's device_link_service.c
 * and mobilebackup2.c, pymobiledevice3's device_link.py, and recordings of
 * real phones (see README.md, "The backup agent").
 *
 * What is written is gathered in a buffer, which is flushed when it has grown
 * and before each wait for the host.
 */
#ifndef DL_H
#define DL_H

#include <plist/plist.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dl;
struct link;
struct phone;

enum dl_result {
	DL_OK = 0,
	DL_GONE = -1, /* the link ended */
	DL_ILLEGAL = -2, /* the host broke the protocol */
	DL_BYE = -3 /* the host sent DLMessageDisconnect */
};

/* Codes of a DLMessageStatusResponse that the agent looks at. */
enum dl_code {
	DL_CODE_OK = 0,
	DL_CODE_GENERIC = -1,
	DL_CODE_NOT_FOUND = -6,
	DL_CODE_EXISTS = -7,
	DL_CODE_NOT_DIR = -8,
	DL_CODE_IS_DIR = -9,
	DL_CODE_LOOP = -10,
	DL_CODE_IO = -11,
	DL_CODE_MULTI = -13,
	DL_CODE_DISCONNECTED = -14,
	DL_CODE_NO_SPACE = -15
};

/* What a host answered. `result` is owned; dl_status_clear() frees it. */
struct dl_status {
	int code;
	char text[256];
	plist_t result;
};

/* The link stays the caller's. NULL: no memory. */
struct dl *dl_new(struct phone *ph, struct link *l);
void dl_free(struct dl *d);

/* Version exchange up to DLMessageDeviceReady. */
enum dl_result dl_open(struct dl *d);
/* min(the phone's version, the host's number); 0 before dl_open(). */
int dl_version(const struct dl *d);
size_t dl_chunk(const struct dl *d);
struct link *dl_link(const struct dl *d);

/* Sends one message (an array) and frees it, also on failure. It may stay in
 * the buffer until dl_flush() or dl_recv(). */
enum dl_result dl_send(struct dl *d, plist_t msg);
enum dl_result dl_flush(struct dl *d);
/* Bytes as they are; for messages that are wrong on purpose. */
enum dl_result dl_send_raw(struct dl *d, const void *bytes, size_t n);
/* The next message: an array whose first element is a string. Pings are left
 * out. */
enum dl_result dl_recv(struct dl *d, plist_t *out);
/* The name in element 0, lent. */
const char *dl_message_name(plist_t msg);
/* ["DLMessageProcessMessage", dict]; takes dict. */
enum dl_result dl_send_process(struct dl *d, plist_t dict);

/* ---- commands: each waits for the host's status (dl_command.c) ---- */

/* st is set whenever DL_OK is returned. */
enum dl_result dl_wait_status(struct dl *d, struct dl_status *st);
void dl_status_clear(struct dl_status *st);
/* The code that a -13 names for `path`; DL_CODE_GENERIC when it names none. */
int dl_status_of_path(const struct dl_status *st, const char *path);

enum dl_result dl_free_space(struct dl *d, struct dl_status *st);
enum dl_result dl_purge(struct dl *d, uint64_t amount, struct dl_status *st);
enum dl_result dl_list(struct dl *d, const char *path, struct dl_status *st);
enum dl_result dl_mkdir(
    struct dl *d, const char *path, double progress, struct dl_status *st);
/* `items`: dict source → destination; taken. */
enum dl_result dl_move(
    struct dl *d, plist_t items, double progress, struct dl_status *st);
/* `items`: array of paths; taken. */
enum dl_result dl_remove(
    struct dl *d, plist_t items, double progress, struct dl_status *st);

/* ---- phone to host: one upload at a time (dl_stream.c) ---- */

enum dl_result dl_upload_begin(struct dl *d, double progress, uint64_t total);
enum dl_result dl_upload_names(
    struct dl *d, const char *source, const char *dest);
/* One name alone, of any bytes. */
enum dl_result dl_upload_name(struct dl *d, const char *s, size_t n);
/* Room for dl_chunk() bytes. After filling n of them, dl_upload_chunk(). */
enum dl_result dl_upload_room(struct dl *d, uint8_t **room);
enum dl_result dl_upload_chunk(struct dl *d, size_t n);
/* End of a file: code 0, or a DL code (negative) with its text. */
enum dl_result dl_upload_end(struct dl *d, int code, const char *text);
/* End of the list; waits for the status. */
enum dl_result dl_upload_finish(struct dl *d, struct dl_status *st);

/* ---- host to phone ---- */

/*
 * Called as the bytes arrive, files in the order of the request (a host may
 * leave one out). A non-zero return is kept: the rest is still drained, without
 * calls, so that the status comes in step.
 */
struct dl_sink {
	void *arg;
	int (*begin)(void *arg, size_t i);
	int (*data)(void *arg, const void *bytes, size_t n);
	/* code: 0, or the DL code (negative) that the host ended it with. */
	int (*end)(void *arg, size_t i, int code, const char *text);
};

/* sunk (may be NULL) receives the sink's first non-zero return. */
enum dl_result dl_download(struct dl *d, const char *const *paths, size_t n,
    double progress, uint64_t total, const struct dl_sink *sink, int *sunk,
    struct dl_status *st);

#endif
