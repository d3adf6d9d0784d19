/*
 * The power-cut proof: nights are recorded (scenes.h), cut before every one of
 * their operations, and what the medium may then hold (cut.h) is opened by the
 * vault and must keep its promises. Then the failing calls: each call of a
 * night fails, and each allocation, once and from then on for ever.
 *
 *   power_cut              a sample: some hundred states of each scene
 *   power_cut --full       at least 100,000 states (-j N: on N cores)
 *   power_cut --state ID   one of them again, with the log; ID as printed:
 *                          scene:operation:number, or scene!call!error!how
 *   power_cut --list       the scenes
 *   power_cut … --only S   one scene
 *   power_cut … --count    how many states there would be; none is opened
 *
 * Bounds, all of them: at each operation the states that cut_fixed() counts
 * and then FULL_RANDOM random ones (a sample: at some of the operations, two
 * of the first and SHORT_RANDOM). States that are the same, byte for byte, are
 * counted once in a scene. In the full form each call fails in each way; in a
 * sample each call fails in one.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "alloc.h"
#include "cut.h"
#include "scenes.h"

#include <errno.h>
#include <fcntl.h>

#define FULL_RANDOM  480
#define SHORT_RANDOM 3
/* Of a scene, before those are left out that are the same; under the
 * sanitizers each costs seven times as much. */
#ifdef __SANITIZE_ADDRESS__
#define SHORT_STATES 100
#define SHORT_CALLS  12
#else
#define SHORT_STATES 500
#define SHORT_CALLS  60
#endif
#define JOBS_MAX      16
#define FAILURES_MAX  10
#define STATE_SECONDS 120

/* What the workers tell. */
struct report {
	char id[96]; /* under way */
	uint64_t states, in, calls;
	unsigned failures;
	struct failed {
		char id[96], why[96];
	} failed[FAILURES_MAX];
};

static struct {
	bool full, count;
	const char *only; /* a scene's name, or NULL */
	unsigned jobs;
	char top[40]; /* a folder in memory */
	struct report *reports; /* shared */
} run;

/* --- a scene, recorded -------------------------------------------------------------- */

struct take {
	const struct scene *scene;
	struct stage stage;
	struct record rec;
	unsigned allocs;
};

static void make_folder(char *out, size_t cap, const char *name)
{
	snprintf(out, cap, "%s/%.16s", run.top, name);
	rig_remove(out);
	if (mkdir(out, 0755) < 0) {
		perror(out);
		exit(2);
	}
}

static void take_prepare(struct take *t, const struct scene *scene)
{
	memset(t, 0, sizeof(*t));
	t->scene = t->stage.scene = scene;
	make_folder(t->stage.r.dir, sizeof(t->stage.r.dir), "scene");
	if (scene->prepare && scene->prepare(&t->stage)) {
		fprintf(stderr, "%s cannot be prepared\n", scene->name);
		exit(2);
	}
	record_begin(&t->rec, t->stage.r.dir);
	t->stage.rec = &t->rec;
}

static void take_record(struct take *t, const struct scene *scene)
{
	take_prepare(t, scene);
	alloc_begin(FAULT_NONE, 0);
	if (scene_play(scene, &t->stage)) {
		fprintf(stderr, "%s does not play\n", scene->name);
		exit(2);
	}
	t->allocs = alloc_end();
	rig_remove(t->stage.r.dir);
}

/* --- one state ------------------------------------------------------------------------ */

static void tell(struct report *rep, const char *why)
{
	struct failed *f = &rep->failed[rep->failures];

	if (rep->failures++ >= FAILURES_MAX)
		return;
	memcpy(f->id, rep->id, sizeof(f->id));
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void check_state(
    struct take *t, struct cut *c, unsigned n, struct report *rep, unsigned job)
{
	char dir[64], name[16];
	const char *bad;
	bool is_in;

	snprintf(name, sizeof(name), "w%u", job);
	make_folder(dir, sizeof(dir), name);
	snprintf(rep->id, sizeof(rep->id), "%s:%zu:%u", t->scene->name,
	    cut_at(c), n);
	alarm(STATE_SECONDS);
	cut_write(c, dir);
	bad = scene_check(&t->stage, dir, cut_marks(c), n % 2 == 0, &is_in);
	alarm(0);
	rig_remove(dir);
	rep->states++;
	rep->in += is_in;
	if (bad)
		tell(rep, bad);
}

/* --- all of a scene -------------------------------------------------------------------- */

struct seen {
	uint64_t *p;
	size_t n, cap;
};

/* False: it was there. */
static bool seen_add(struct seen *s, uint64_t h)
{
	struct seen old = *s;
	size_t i;

	h |= 1; /* 0 is empty */
	if (2 * (s->n + 1) > s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->p = calloc(s->cap, sizeof(*s->p));
		s->n = 0;
		assert_non_null(s->p);
		for (i = 0; i < old.cap; i++)
			if (old.p[i])
				seen_add(s, old.p[i]);
		free(old.p);
	}
	for (i = h % s->cap; s->p[i]; i = (i + 1) % s->cap)
		if (s->p[i] == h)
			return false;
	s->p[i] = h;
	s->n++;
	return true;
}

static void one_point(struct take *t, struct cut *c, struct seen *seen,
    struct report *rep, unsigned job)
{
	unsigned fixed = cut_fixed(c), random = fixed == 1 ? 0 : FULL_RANDOM;
	unsigned some = run.full ? fixed : (fixed > 1 ? 2 : 1);

	if (!run.full && random)
		random = SHORT_RANDOM;
	for (unsigned i = 0; i < some + random; i++) {
		unsigned n = i < some ? i : fixed + (i - some);
		/* What was promised by then makes a state another one. */
		uint64_t h = cut_make(c, n) + cut_marks(c) * 0x9e3779b9u;

		/* Each worker sees all of them, and does its share. */
		if (!seen_add(seen, h) || (h >> 7) % run.jobs != job)
			continue;
		if (run.count)
			rep->states++;
		else
			check_state(t, c, n, rep, job);
	}
}

static void cut_all(struct take *t, struct report *rep, unsigned job)
{
	size_t step =
	    run.full ? 1 : 1 + t->rec.n_ops * (2 + SHORT_RANDOM) / SHORT_STATES;
	struct cut *c = cut_new(&t->rec);
	struct seen seen = { .n = 0 };

	for (size_t at = 0;; at++) {
		if (at % step == 0 || at == t->rec.n_ops)
			one_point(t, c, &seen, rep, job);
		if (at == t->rec.n_ops)
			break;
		cut_step(c);
	}
	free(seen.p);
	cut_free(c);
}

/* --- failing calls ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS },
	{ "EDQUOT", EDQUOT }, { "EMFILE", EMFILE }, { "EINTR", EINTR },
	{ "short", FAULT_SHORT },
	{ "memory", ENOMEM }, /* the n-th allocation, not the n-th call */
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))
#define MEMORY (ERRORS - 1)

static const char *judge_code(int err, enum rc rc)
{
	if (!rc)
		return NULL;
	if (err == FAULT_SHORT)
		return "a short write or read is no failure";
	if ((err == ENOSPC || err == EDQUOT) && rc != RC_NOSPC)
		return "a full disk is called something else";
	if (err == ENOMEM && rc != RC_NOMEM)
		return "missing memory is called something else";
	if (err == EROFS && rc != RC_READONLY)
		return "a read-only disk is called something else";
	return NULL;
}

/* False: the call was never reached. */
static bool fail_call(const struct scene *scene, struct cut *base, unsigned at,
    size_t e, bool for_ever, struct take *model, struct report *rep,
    unsigned job)
{
	struct stage st = model->stage;
	struct record rec;
	const char *bad;
	char name[16];
	enum record_fault how = for_ever ? FAULT_EVER : FAULT_ONCE;
	bool is_in, reached;
	unsigned marks, allocs;
	enum rc rc;

	snprintf(name, sizeof(name), "w%u", job);
	make_folder(st.r.dir, sizeof(st.r.dir), name);
	cut_make(base, 0);
	cut_write(base, st.r.dir);
	snprintf(rep->id, sizeof(rep->id), "%s!%u!%s!%s", scene->name, at,
	    errors[e].name, for_ever ? "ever" : "once");
	record_begin(&rec, st.r.dir);
	if (e != MEMORY)
		rec.fault = how;
	rec.fault_at = at;
	rec.fault_errno = errors[e].err;
	st.rec = &rec;
	st.n_promises = st.played;
	alarm(STATE_SECONDS);
	alloc_begin(e == MEMORY ? how : FAULT_NONE, at);
	rc = scene_play(scene, &st);
	allocs = alloc_end();
	reached = (e == MEMORY ? allocs : rec.calls) >= at;
	marks = st.n_promises - st.played;
	bad = judge_code(errors[e].err, rc);
	record_free(&rec);
	if (!bad)
		bad = scene_check(&st, st.r.dir, marks, at % 2 == 0, &is_in);
	alarm(0);
	rig_remove(st.r.dir);
	rep->calls += reached;
	if (bad)
		tell(rep, bad);
	return reached;
}

/* Ways: each of `n` errors from `first` on, once and for ever. */
static void fail_each(struct take *t, struct cut *base, unsigned calls,
    size_t first, size_t n, struct report *rep, unsigned job)
{
	unsigned ways = 2 * (unsigned)n;
	unsigned step = run.full ? 1 : 1 + calls / SHORT_CALLS;

	/* One more than there are, and the run must not see it. */
	for (unsigned at = 1 + job * step; at <= calls + 1;
	     at += run.jobs * step)
		for (unsigned way = 0; way < ways; way++) {
			if (!run.full && way != (at / step) % ways)
				continue;
			fail_call(t->scene, base, at, first + way / 2, way % 2,
			    t, rep, job);
		}
}

static void fail_all(struct take *t, struct report *rep, unsigned job)
{
	struct cut *base = cut_new(&t->rec);

	fail_each(t, base, t->rec.calls, 0, MEMORY, rep, job);
	fail_each(t, base, t->allocs, MEMORY, 1, rep, job);
	cut_free(base);
}

/* --- the run ---------------------------------------------------------------------------------- */

static void work(struct take *t, bool fail, unsigned job)
{
	if (fail)
		fail_all(t, &run.reports[job], job);
	else
		cut_all(t, &run.reports[job], job);
}

/* What the vault has to say is for --state; what killed it is shown. */
static void log_name(unsigned job, char *out, size_t cap)
{
	snprintf(out, cap, "%s/log%u", run.top, job);
}

static void quiet(unsigned job)
{
	char name[80];
	int fd;

	log_name(job, name, sizeof(name));
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	if (fd >= 0 && dup2(fd, STDERR_FILENO) >= 0)
		close(fd);
}

static void died(struct report *rep, unsigned job)
{
	char name[80], line[512];
	FILE *f;

	log_name(job, name, sizeof(name));
	tell(rep, "the program died");
	f = fopen(name, "r");
	if (f && fseek(f, 0, SEEK_END) == 0 && ftell(f) > 8192)
		fseek(f, -8192, SEEK_END);
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	if (f)
		fclose(f);
}

static bool play_scene(const struct scene *scene, bool fail, uint64_t *total)
{
	struct timespec t0, t1;
	struct take t;
	pid_t pids[JOBS_MAX];
	uint64_t sum = 0, in = 0;
	unsigned failures = 0;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	take_record(&t, scene);
	memset(run.reports, 0, JOBS_MAX * sizeof(*run.reports));
	fflush(NULL);
	for (unsigned i = 0; i < run.jobs; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			quiet(i);
			work(&t, fail, i);
			record_free(&t.rec);
			scenes_end();
			exit(0);
		}
	}
	for (unsigned i = 0; i < run.jobs; i++) {
		struct report *rep = &run.reports[i];
		int status = 1;

		if (waitpid(pids[i], &status, 0) != pids[i] || status != 0)
			died(rep, i);
		sum += fail ? rep->calls : rep->states;
		in += rep->in;
		failures += rep->failures;
		for (unsigned k = 0; k < rep->failures && k < FAILURES_MAX; k++)
			printf("FAIL %s: %s\n", rep->failed[k].id,
			    rep->failed[k].why);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	/* Both ends must have been seen: else the cuts hit nothing. */
	if (!fail && !run.count && t.stage.coming && in == 0) {
		printf(
		    "FAIL %s: no state with the new snapshot\n", scene->name);
		failures++;
	}
	printf("%s: %llu %s, %zu operations, %u failures, %.1f s\n",
	    scene->name, (unsigned long long)sum,
	    fail ? "failing calls" : "states", t.rec.n_ops, failures,
	    (double)(t1.tv_sec - t0.tv_sec) +
		(double)(t1.tv_nsec - t0.tv_nsec) / 1e9);
	fflush(stdout);
	record_free(&t.rec);
	*total += sum;
	return failures == 0;
}

static const struct scene *scene_named(const char *id, size_t len)
{
	for (unsigned i = 0; i < n_scenes; i++)
		if (strncmp(scenes[i].name, id, len) == 0 &&
		    scenes[i].name[len] == '\0')
			return &scenes[i];
	fprintf(stderr, "no such scene: %s\n", id);
	exit(2);
}

static void replay_cut(struct take *t, const char *rest, struct report *rep)
{
	struct cut *c = cut_new(&t->rec);
	size_t at;
	unsigned n;

	if (sscanf(rest, ":%zu:%u", &at, &n) != 2 || at > t->rec.n_ops)
		exit(2);
	while (cut_at(c) < at)
		cut_step(c);
	cut_make(c, n);
	check_state(t, c, n, rep, 0);
	cut_free(c);
}

static void replay_fault(struct take *t, const char *rest, struct report *rep)
{
	struct cut *base = cut_new(&t->rec);
	char err[8], how[8];
	unsigned at;

	if (sscanf(rest, "!%u!%7[^!]!%7s", &at, err, how) != 3)
		exit(2);
	for (size_t e = 0; e < ERRORS; e++)
		if (strcmp(errors[e].name, err) == 0)
			fail_call(t->scene, base, at, e,
			    strcmp(how, "ever") == 0, t, rep, 0);
	cut_free(base);
}

static bool replay(const char *id)
{
	size_t len = strcspn(id, ":!");
	struct report rep = { .states = 0 };
	struct take t;

	take_record(&t, scene_named(id, len));
	log_set_level(LOG_LEVEL_DEBUG);
	if (id[len] == '!')
		replay_fault(&t, id + len, &rep);
	else
		replay_cut(&t, id + len, &rep);
	for (unsigned i = 0; i < rep.failures; i++)
		printf("FAIL %s: %s\n", rep.failed[i].id, rep.failed[i].why);
	record_free(&t.rec);
	return rep.failures == 0;
}

static bool play_all(void)
{
	uint64_t states = 0, calls = 0;
	unsigned passed = 0;
	bool all = true;

	for (unsigned i = 0; i < 2 * n_scenes; i++) {
		const struct scene *s = &scenes[i / 2];
		bool fail = i % 2, ok;

		if ((run.only && strcmp(run.only, s->name) != 0) ||
		    (run.count && fail))
			continue;
		ok = play_scene(s, fail, fail ? &calls : &states);

		passed += ok;
		all = all && ok;
		if (!ok)
			printf("[  FAILED  ] %s of %s\n",
			    fail ? "failing calls" : "cuts", s->name);
	}
	/* In the words of the other unit programs. */
	printf("[  PASSED  ] %u test(s).\n", passed);
	printf("failing calls: %llu\n", (unsigned long long)calls);
	printf("power-cut states: %llu\n", (unsigned long long)states);
	if (run.full && !run.only && states < 100000) {
		printf("[  FAILED  ] too few states\n");
		all = false;
	}
	return all;
}

int main(int argc, char **argv)
{
	const char *state = NULL;
	bool ok;

	run.jobs = 2;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--full") == 0)
			run.full = true;
		else if (strcmp(argv[i], "--count") == 0)
			run.count = true;
		else if (strcmp(argv[i], "-j") == 0 && i + 1 < argc)
			run.jobs = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			run.only = argv[++i];
		else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
			state = argv[++i];
		else if (strcmp(argv[i], "--list") == 0)
			for (unsigned k = 0; k < n_scenes; k++)
				printf("%-10s %s\n", scenes[k].name,
				    scenes[k].what);
		else
			return 2;
		if (strcmp(argv[i], "--list") == 0)
			return 0;
	}
	if (run.jobs < 1 || run.jobs > JOBS_MAX)
		run.jobs = 2;
	snprintf(run.top, sizeof(run.top), "%s/power-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	run.reports = mmap(NULL, JOBS_MAX * sizeof(*run.reports),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!mkdtemp(run.top) || run.reports == MAP_FAILED)
		return 2;
	log_set_level(LOG_LEVEL_ERROR);
	alloc_init();
	scenes_begin();
	ok = state ? replay(state) : play_all();
	scenes_end();
	rig_remove(run.top);
	return ok ? 0 : 1;
}
