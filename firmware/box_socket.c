/* The socket for `nightstand status`, and what others of our programs ask a
 * running box by it. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "box.h"
#include "box_int.h"
#include "log.h"

#define LOG_MODULE "box"

static bool socket_address(const char *state_dir, struct sockaddr_un *out)
{
	int n;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	n = snprintf(
	    out->sun_path, sizeof(out->sun_path), "%s/box.sock", state_dir);
	return state_dir[0] && n > 0 && (size_t)n < sizeof(out->sun_path);
}

static int connect_box(const char *state_dir)
{
	struct sockaddr_un a;
	int fd;

	if (!socket_address(state_dir, &a))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum rc box_ask(const char *state_dir, struct status *out)
{
	static struct msg m;
	int fd = connect_box(state_dir);
	enum rc rc;

	if (fd < 0)
		return RC_NOTFOUND;
	rc = msg_recv(fd, &m);
	if (!rc && m.type == MSG_STATUS)
		*out = m.u.status;
	else if (!rc)
		rc = RC_PROTO;
	close(fd);
	return rc;
}

void box_look_again(const char *state_dir)
{
	int fd = connect_box(state_dir);
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    peer.pid <= 1 || kill(peer.pid, SIGUSR1) != 0)
		log_info("the running box was not told");
	close(fd);
}

/* RC_BUSY: another box runs on this state folder. */
enum rc box_socket_open(struct box *b)
{
	struct sockaddr_un a;
	int fd = connect_box(b->config->state);

	if (fd >= 0) {
		close(fd);
		return RC_BUSY;
	}
	if (!socket_address(b->config->state, &a))
		return RC_OK; /* there is none to listen at */
	unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return RC_IO;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(a.sun_path, 0600) != 0 || listen(fd, 8) != 0) {
		log_warn("no socket for `nightstand status` path=%s: %s",
		    a.sun_path, strerror(errno));
		close(fd);
		return RC_OK;
	}
	b->listen = fd;
	return RC_OK;
}

void box_socket_answer(struct box *b)
{
	static struct msg m;
	int fd = accept4(b->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	m.type = MSG_STATUS;
	m.u.status = b->status;
	if (msg_send(fd, &m))
		log_warn("a reader of the status was gone");
	close(fd);
}

void box_socket_close(struct box *b)
{
	struct sockaddr_un a;

	if (b->listen < 0)
		return;
	close(b->listen);
	if (socket_address(b->config->state, &a))
		unlink(a.sun_path);
}
