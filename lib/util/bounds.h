/*
 * Every bound on what a phone, a disk, a browser or a config file may ask
 * for. A number stands here once, with its reason.
 */
#ifndef BOUNDS_H
#define BOUNDS_H

/* A UDID is 40 hex digits or 8-16 hex digits with a dash (25). */
#define LIMIT_UDID 44

/* A device-link message: the largest are MoveItems and the like with up to
 * 1,000 paths; 16 MiB leaves a hundredfold. */
#define LIMIT_DL_MESSAGE (16u << 20)

/* A lockdown reply; Info.plist data (icons) travels in other services. */
#define LIMIT_LOCKDOWN_MESSAGE (16u << 20)

/* A path in a device-link stream, in bytes. Real ones have 60 to 90. */
#define LIMIT_DL_PATH 1024

/* One data chunk of an upload. iPhones send 262,144 bytes; a future one may
 * send more, and what is read in pieces costs no memory. */
#define LIMIT_DL_CHUNK (256u << 20)

/* Files in one upload or download message; phones use 200, at most 1,000. */
#define LIMIT_DL_ITEMS 100000u

/* Text of an end code or an error from the phone. */
#define LIMIT_DL_TEXT 4096u

/* Bytes of data in one frame to the phone: BackupAgent2 keeps a whole frame
 * in memory and is killed when that is large (protocols.md 5.6). */
#define LIMIT_DL_SEND_FRAME 32768u

/* Phones that the status has room for. */
#define LIMIT_PHONES 8

/* Damaged files that the status names; it counts all. */
#define LIMIT_DAMAGED_NAMES 3

/* Backups of a phone whose size the status tells, the newest ones; the usual
 * rules keep at most 59. */
#define LIMIT_SIZES 64

/* Ledger lines in the status. */
#define LIMIT_NIGHTS 30

#endif
