/*
 * A backup with our engine into nothing, or into a plain folder, and how fast
 * it was:
 *
 *	bench_sink [--full] [--verbose] [--into FOLDER]
 *	    [--waits TRUST,UNLOCK,FIRST,NEXT,LAST,PING (ms)] [UDID]
 *
 * The phone is reached as USBMUXD_SOCKET_ADDRESS says. Prints one line
 * "end=… 650 MB/s bytes=… files=… seconds=… cpu=… wait=… requested_ms=…";
 * into nothing, time counts from the first data. Exit status 0 when all data
 * came: into nothing the phone's last look finds no files, which is no fault.
 * Ctrl-C ends it cleanly.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "log.h"
#include "mono.h"
#include "plain_store.h"
#include "session.h"

struct bench {
	int64_t requested_ms;
	int64_t first_data_at;
	bool verbose;
	double pct;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static bool on_cancelled(void *ctx)
{
	(void)ctx;
	return interrupted != 0;
}

static void on_phase(void *ctx, enum session_phase phase)
{
	static const char *const names[SESSION_PHASE_COUNT_] = { "connecting",
		"wants trust", "wants unlock", "wants passcode", "preparing",
		"receiving", "finishing" };
	struct bench *b = ctx;

	if (phase == SESSION_RECEIVING)
		b->first_data_at = mono_ms();
	if (b->verbose)
		fprintf(stderr, "phase: %s\n", names[phase]);
}

static void on_requested(void *ctx, int64_t ms)
{
	struct bench *b = ctx;

	b->requested_ms = ms;
}

static void on_progress(void *ctx, const struct session_progress *p)
{
	struct bench *b = ctx;

	if (p->pct < b->pct)
		fprintf(stderr, "progress went back!\n");
	if (b->verbose && (int)p->pct / 10 != (int)b->pct / 10)
		fprintf(stderr, "%.1f %% files=%llu\n", p->pct,
		    (unsigned long long)p->files_done);
	b->pct = p->pct;
}

static void on_phone(void *ctx, const struct session_phone *p)
{
	struct bench *b = ctx;

	if (b->verbose)
		fprintf(stderr, "phone: %s %s iOS %s free=%llu paired=%d\n",
		    p->name, p->product_type, p->ios,
		    (unsigned long long)p->phone_free_bytes, p->is_paired);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(const struct bench *b, const struct session_result *r,
    int64_t began, int64_t ended)
{
	double s = (double)(ended - began) / 1000;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("end=%s %.0f MB/s bytes=%llu files=%llu seconds=%.2f cpu=%.2f "
	       "wait=%.2f requested_ms=%lld peak_kb=%ld\n",
	    session_end_id(r->end), s > 0 ? (double)r->bytes / 1e6 / s : 0.0,
	    (unsigned long long)r->bytes, (unsigned long long)r->files, s,
	    cpu_seconds(), (double)r->phone_ms / 1000,
	    (long long)b->requested_ms, u.ru_maxrss);
	if (r->text[0])
		printf("text: %s (%d)\n", r->text, r->mb_code);
}

static void parse_waits(const char *text, struct session_opts *o)
{
	if (sscanf(text, "%d,%d,%d,%d,%d,%d", &o->trust_wait_ms,
		&o->unlock_wait_ms, &o->first_wait_ms, &o->next_wait_ms,
		&o->last_wait_ms, &o->ping_ms) != 6)
		fprintf(stderr, "bench_sink: --waits wants six numbers\n");
}

int main(int argc, char **argv)
{
	struct plain_store plain = { 0 };
	struct bench bench = { .requested_ms = -1 };
	struct session_opts opts = { 0 };
	struct session_events ev = { .ctx = &bench,
		.phone = on_phone,
		.phase = on_phase,
		.progress = on_progress,
		.requested = on_requested,
		.cancelled = on_cancelled };
	struct session_result res;
	struct store store;
	int64_t began, ended;
	enum rc rc;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--into") == 0 && i + 1 < argc)
			plain.root = argv[++i];
		else if (strcmp(argv[i], "--full") == 0)
			opts.force_full = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			bench.verbose = true;
		else if (strcmp(argv[i], "--waits") == 0 && i + 1 < argc)
			parse_waits(argv[++i], &opts);
		else
			opts.udid = argv[i];
	}
	log_set_level(bench.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_WARN);
	if (getenv("BENCH_DEBUG"))
		log_set_level(LOG_LEVEL_DEBUG);
	if (plain.root && mkdir(plain.root, 0755) && errno != EEXIST) {
		perror(plain.root);
		return 2;
	}
	signal(SIGINT, on_signal);
	store = plain_store_of(&plain);
	began = mono_ms();
	rc = session_backup(&opts, &store, &ev, &res);
	ended = mono_ms();
	if (!plain.root && bench.first_data_at)
		began = bench.first_data_at;
	report(&bench, &res, began, ended);
	if (!plain.root && res.end == SESSION_END_BROKEN_BACKUP)
		return 0;
	return rc ? 1 : 0;
}
