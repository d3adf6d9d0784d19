/*
 * `nightstand password --test`: does somebody still know the password of the
 * backups that are kept? Asked of the backup itself; no phone is needed.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_vault.h"
#include "typed.h"
#include "vault_secret.h"

struct test {
	struct look l; /* first: look() hands it back */
	bool has_word;
	int signals;
	char word[PASSWORD_CAP];
};

/* Signals that are to wait while a word is typed: the terminal must get its
 * echo back. */
static bool hold_signals(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL) == 0;
}

/* Once for all phones, and only when a backup wants it. */
static int need_word(struct test *t)
{
	int code;

	if (t->has_word)
		return 0;
	if (!hold_signals(true))
		return EXIT_FAULT;
	code = typed_word(t->signals, "The backup password", t->word);
	t->has_word = !code;
	return hold_signals(false) ? code : EXIT_FAULT;
}

static enum rc choose(const struct look *l, struct vault_snapshot *out)
{
	if (!l->cli->snapshot)
		return vault_newest_good(l->phone, out);
	memset(out, 0, sizeof(*out));
	out->id = l->cli->snapshot;
	out->encrypted = true; /* its own files tell */
	return RC_OK;
}

static int tell(
    const struct look *l, const struct vault_snapshot *s, enum rc rc)
{
	const char *name = s->device_name[0] ? s->device_name : l->udid;
	long long id = (long long)s->id;

	if (rc == RC_OK)
		printf("%s: this password opens backup %lld.\n", name, id);
	else if (rc == RC_UNSUPPORTED)
		printf("%s: backup %lld is not encrypted, it needs none.\n",
		    name, id);
	if (rc == RC_OK || rc == RC_UNSUPPORTED)
		return EXIT_DONE;
	if (rc == RC_REFUSED) {
		fprintf(stderr,
		    "nightstand: %s: this is not the password of backup %lld\n",
		    name, id);
		return EXIT_PASSWORD;
	}
	if (rc == RC_NOTFOUND) {
		fprintf(
		    stderr, "nightstand: %s: there is no such backup\n", name);
		return EXIT_NO_DISK;
	}
	return look_say(name, rc, (enum exit_status)look_exit(rc));
}

static int try_phone(struct look *l)
{
	struct test *t = (struct test *)l;
	struct vault_snapshot s;
	enum rc rc = choose(l, &s);
	int code;

	if (rc)
		return tell(l, &(struct vault_snapshot){ .id = 0 }, rc);
	if (!s.encrypted)
		return tell(l, &s, RC_UNSUPPORTED);
	code = need_word(t);
	if (code)
		return code;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "Trying it, up to half a minute on a small "
				"machine …\n");
	return tell(l, &s, vault_try_password(l->phone, s.id, t->word));
}

int password_test(const struct cli *cli)
{
	static struct test t;
	sigset_t set;
	int code;

	t.l.cli = cli;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	t.signals = signalfd(-1, &set, SFD_CLOEXEC);
	code = t.signals < 0 ? EXIT_FAULT : look(&t.l, try_phone);
	if (t.signals >= 0)
		close(t.signals);
	explicit_bzero(t.word, sizeof(t.word));
	return code;
}
