/*
 * The control socket: a line of text is a command, a line of text is the
 * answer ("ok …" or "error …"). README.md lists the commands.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stddef.h>
#include <stdint.h>

struct control;
struct phone_set;

#define CONTROL_LINE 32768

/* NULL with a message on stderr. */
struct control *control_new(struct phone_set *set, const char *path);
void control_free(struct control *c);
/* Lets all go who wait for events; before the two frees. */
void control_close_events(struct phone_set *set);

/* One command; the answer goes to out without a newline. Changes `line`.
 * *cursor is where wait-event looks from. 0, -1 when it begins with "error". */
int control_command(
    struct phone_set *set, char *line, uint64_t *cursor, char *out, size_t cap);

/* control_status.c: "ok {…}" of one phone, or of all (NULL). */
struct phone;
int control_status(
    struct phone_set *set, struct phone *only, char *out, size_t cap);

/* `phonesim ctl SOCKET WORD…`: the exit status. */
int control_client(const char *path, int argc, char **argv);

#endif
