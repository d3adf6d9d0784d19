/*
 * All simulated phones, the folder of their state, and who wants to know when
 * one is plugged.
 */
#ifndef PHONE_SET_H
#define PHONE_SET_H

#include <stdbool.h>
#include <stddef.h>

struct phone;
struct phone_events;
struct phone_set;

#define PHONE_SET_MAX      16
#define PHONE_SET_WATCHERS 4

typedef void (*phone_set_fn)(void *ctx, struct phone *ph, int id, bool is_here);

/* NULL with a message on stderr when `dir` can't be made. */
struct phone_set *phone_set_new(const char *dir);
/* Unplugs all, waits for their threads, frees. */
void phone_set_free(struct phone_set *s);

/* Makes a phone of `opts` (see phone_options.h) and plugs it unless they say
 * otherwise. NULL with a reason in err. Phones are never taken out again. */
struct phone *phone_set_add(
    struct phone_set *s, const char *opts, char *err, size_t cap);
/* By UDID (dash optional) or name; NULL selector: the only one. */
struct phone *phone_set_find(struct phone_set *s, const char *selector);
struct phone *phone_set_at(struct phone_set *s, size_t i); /* NULL: past it */
struct phone *phone_set_by_id(struct phone_set *s, int device_id);

/* The fronts; before the first phone is there. */
void phone_set_watch(struct phone_set *s, phone_set_fn fn, void *ctx);
void phone_set_unwatch(struct phone_set *s, void *ctx);

const char *phone_set_dir(struct phone_set *s);
struct phone_events *phone_set_events(struct phone_set *s);
int phone_set_next_id(struct phone_set *s); /* DeviceIDs are never reused */
void phone_set_told(
    struct phone_set *s, struct phone *ph, int id, bool is_here);

#endif
