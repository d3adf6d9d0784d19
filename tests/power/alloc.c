#include "alloc.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
	bool on;
	unsigned paused, calls, at;
	enum record_fault fault;
} mem;

static bool fails(void)
{
	bool fails;

	if (!mem.on || mem.paused > 0)
		return false;
	mem.calls++;
	fails = (mem.fault == FAULT_ONCE && mem.calls == mem.at) ||
		(mem.fault == FAULT_EVER && mem.calls >= mem.at);
	if (fails)
		errno = ENOMEM;
	return fails;
}

void alloc_begin(enum record_fault fault, unsigned at)
{
	mem.on = true;
	mem.paused = mem.calls = 0;
	mem.fault = fault;
	mem.at = at;
}

unsigned alloc_end(void)
{
	mem.on = false;
	return mem.calls;
}

void alloc_pause(void)
{
	mem.paused++;
}

void alloc_resume(void)
{
	mem.paused--;
}

/* --- the linker's --wrap: names are given by it ---------------------------- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_asprintf(char **out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

int __wrap_asprintf(char **out, const char *format, ...)
{
	va_list ap;
	int n;

	if (fails())
		return -1;
	va_start(ap, format);
	n = vasprintf(out, format, ap);
	va_end(ap);
	return n;
}

/* --- SQLite's own ------------------------------------------------------------ */

static sqlite3_mem_methods real;

static void *sql_malloc(int n)
{
	return fails() ? NULL : real.xMalloc(n);
}

static void *sql_realloc(void *p, int n)
{
	return fails() ? NULL : real.xRealloc(p, n);
}

void alloc_init(void)
{
	sqlite3_mem_methods mine;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		abort();
	mine = real;
	mine.xMalloc = sql_malloc;
	mine.xRealloc = sql_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) != SQLITE_OK)
		abort();
}
