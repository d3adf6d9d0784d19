#include "role_jail.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail.h"
#include "log.h"
#include "mend.h"
#include "muxplan.h"

#define LOG_MODULE "jail"

#define PATHS_MAX 24

struct paths {
	struct jail_path list[PATHS_MAX];
	size_t n;
	char copies[640];
	char socket[256];
	char folder[256];
};

static void add(struct paths *p, struct jail_path path)
{
	if (path.path[0] && p->n < PATHS_MAX)
		p->list[p->n++] = path;
}

static void add_read(struct paths *p, const char *const *list)
{
	for (; *list; list++)
		add(p, (struct jail_path){ .path = *list });
}

/* The settings of the TLS library; times of day. */
static const char *const of_libraries[] = { "/etc/ssl/openssl.cnf",
	"/usr/lib/ssl", "/etc/localtime", "/usr/share/zoneinfo",
	"/sys/devices/system/cpu", NULL };

/* Where a driver is somewhere else, and has a name. */
static const char *const of_names[] = { "/etc/hosts", "/etc/resolv.conf",
	"/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	"/etc/ld.so.cache", "/usr/lib", "/lib", NULL };

/* The socket itself: whoever makes it anew has new phones. Ours is made anew
 * when the driver begins again, in a folder with none but ours. */
static void add_socket(struct paths *p, const char *socket)
{
	const char *slash = strrchr(socket, '/');
	struct jail_path path = { .path = socket, .may_connect = true };

	if (slash && !strcmp(slash + 1, MUXPLAN_SOCKET)) {
		snprintf(p->folder, sizeof(p->folder), "%.*s",
		    (int)(slash - socket), socket);
		path.path = p->folder;
	}
	add(p, path);
}

/* The socket's path in p->socket; false: it is reached over TCP. */
static bool find_phones(struct paths *p, struct jail_opts *opts)
{
	bool here = muxplan_socket(p->socket, sizeof(p->socket));

	opts->has_phones = true;
	opts->over_tcp = !here;
	if (!here)
		add_read(p, of_names);
	return here;
}

void role_jail_vault(const struct role_jail *j)
{
	struct paths p = { .n = 0 };
	struct jail_opts opts = { .user = "nightstand-vault",
		.paths = p.list,
		.has_vault = true,
		.has_child = j->has_child };
	struct jail got;

	add(&p, (struct jail_path){ .path = j->vault,
		    .may_write = true,
		    .may_make = true,
		    .is_tree = true });
	add_read(&p, of_libraries);
	if (j->state[0]) {
		mend_copies_dir(j->state, p.copies, sizeof(p.copies));
		add(&p, (struct jail_path){ .path = p.copies,
			    .may_write = true,
			    .may_make = true });
	}
	if (j->has_phones && find_phones(&p, &opts))
		add_socket(&p, p.socket);
	/* Who holds the lock of a phone's folder. */
	if (j->has_phones)
		add(&p, (struct jail_path){ .path = "/proc" });
	opts.n_paths = p.n;
	jail_enter_with(&opts, &got);
}

/* The folders on the way, from the top: may anybody pass? */
static bool is_open_to_all(const char *socket)
{
	char way[256];
	struct stat st;

	snprintf(way, sizeof(way), "%s", socket);
	for (char *p = strchr(way, '/'); p; p = strchr(p + 1, '/')) {
		char after = p[1];

		p[1] = '\0';
		if (stat(way, &st) != 0 || !(st.st_mode & S_IXOTH))
			return false;
		p[1] = after;
	}
	return stat(socket, &st) == 0 && (st.st_mode & S_IWOTH);
}

static bool is_roots(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid == 0;
}

/* Anybody may speak to usbmuxd. To our own driver only root may: then its folder
 * is all that is left of the machine's. */
static bool use_folder(struct paths *p, struct jail_opts *opts)
{
	const char *slash = strrchr(p->socket, '/');

	if (geteuid() != 0 || !slash || is_open_to_all(p->socket))
		return false;
	snprintf(p->folder, sizeof(p->folder), "%.*s", (int)(slash - p->socket),
	    p->socket);
	opts->root = p->folder;
	opts->owns_sockets = true;
	opts->opens_all = !is_roots(p->socket) || !is_roots(p->folder);
	add(p, (struct jail_path){ .path = "/", .may_connect = true });
	return true;
}

void role_jail_watch(void)
{
	struct paths p = { .n = 0 };
	struct jail_opts opts = { .user = "nightstand-watch", .paths = p.list };
	bool here = find_phones(&p, &opts);
	char name[256] = "";
	struct jail got;

	if (here && use_folder(&p, &opts))
		snprintf(name, sizeof(name), "%s", p.socket + strlen(p.folder));
	else if (here)
		add_socket(&p, p.socket);
	opts.n_paths = p.n;
	jail_enter_with(&opts, &got);
	if (got.root && muxplan_use(name))
		log_warn("the phones are not found");
}
