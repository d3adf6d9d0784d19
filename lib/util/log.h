/*
 * One line an event on stderr: time, level, module, a sentence, then facts as
 * key=value. errno survives a call. Never log keys, pair records, passwords;
 * names of a phone's files only at debug.
 *
 * Each .c file that logs defines LOG_MODULE before it includes this header.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR, /* a person must act */
	LOG_LEVEL_WARN, /* we coped */
	LOG_LEVEL_NOTE, /* the story of a night: 20 to 50 lines */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* What is above the level is dropped. Default: LOG_LEVEL_NOTE. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Put before each line, e.g. the role or the short UDID; copied, at most 31
 * bytes. */
void log_set_tag(const char *tag);

/* Each line goes there, too, with its end; NULL: nowhere. */
void log_set_second(void (*fn)(const char *line, size_t len));

void log_write(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, LOG_MODULE, __VA_ARGS__)
#define log_note(...)  log_write(LOG_LEVEL_NOTE, LOG_MODULE, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, LOG_MODULE, __VA_ARGS__)

#endif
