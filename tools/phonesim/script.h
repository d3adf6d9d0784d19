/*
 * --script FILE: the control socket's commands, one a line, in order; `wait`
 * and `wait-event` make the pace, '#' begins a comment. The first error ends
 * the script and is said on stderr.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

struct phone_set;
struct script;

/* Runs it in a thread. NULL with a message on stderr. */
struct script *script_start(struct phone_set *set, const char *path);
/* 1 when a command has failed so far, else 0. */
int script_failed(struct script *s);
/* Waits for its end; close the events first. */
void script_free(struct script *s);

#endif
