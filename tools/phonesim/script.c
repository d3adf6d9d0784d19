/* A script of commands; see script.h. */
#include "script.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control.h"

struct script {
	struct phone_set *set;
	FILE *f;
	pthread_t thread;
	atomic_int failed;
	atomic_int stop;
};

/* A long `wait` is cut in pieces, so that the end need not wait for it. */
static int script_wait(struct script *s, long ms)
{
	for (; ms > 0 && !atomic_load(&s->stop); ms -= 50) {
		struct timespec ts = { 0, (ms < 50 ? ms : 50) * 1000000 };

		nanosleep(&ts, NULL);
	}
	return 0;
}

static int script_line(
    struct script *s, char *line, uint64_t *cursor, char *out, size_t cap)
{
	if (strncmp(line, "wait ", 5) == 0)
		return script_wait(s, strtol(line + 5, NULL, 10));
	return control_command(s->set, line, cursor, out, cap);
}

static void *script_thread(void *arg)
{
	char line[CONTROL_LINE], out[CONTROL_LINE] = "";
	struct script *s = arg;
	uint64_t cursor = 0;
	int number = 0;

	while (!atomic_load(&s->stop) && fgets(line, sizeof(line), s->f)) {
		char *at = line + strspn(line, " \t");

		number++;
		at[strcspn(at, "\r\n")] = 0;
		if (!*at || *at == '#')
			continue;
		if (script_line(s, at, &cursor, out, sizeof(out)) == 0)
			continue;
		if (!atomic_load(&s->stop))
			fprintf(stderr, "phonesim: script line %d: %s\n",
			    number, out);
		atomic_store(&s->failed, 1);
		break;
	}
	return NULL;
}

struct script *script_start(struct phone_set *set, const char *path)
{
	struct script *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->set = set;
	atomic_init(&s->failed, 0);
	atomic_init(&s->stop, 0);
	s->f = fopen(path, "r");
	if (s->f && pthread_create(&s->thread, NULL, script_thread, s) == 0)
		return s;
	fprintf(stderr, "phonesim: can't run %s: %s\n", path, strerror(errno));
	if (s->f)
		fclose(s->f);
	free(s);
	return NULL;
}

int script_failed(struct script *s)
{
	return atomic_load(&s->failed);
}

void script_free(struct script *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, 1);
	pthread_join(s->thread, NULL);
	fclose(s->f);
	free(s);
}
