/* The control socket and its client; see control.h. */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "phone_events.h"
#include "phone_set.h"
#include "usbmuxd_wire.h"

#define CONTROL_CLIENTS 32

struct control_peer {
	struct control *c;
	int fd;
	bool used;
};

struct control {
	struct phone_set *set;
	int fd;
	char path[108];
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t gone;
	uint64_t cursor; /* of wait-event, shared by all clients */
	struct control_peer peers[CONTROL_CLIENTS];
};

static int control_say(int fd, const char *line)
{
	char buf[CONTROL_LINE + 1];
	size_t n = strnlen(line, CONTROL_LINE - 1), done = 0;

	memcpy(buf, line, n);
	buf[n++] = '\n';
	while (done < n) {
		ssize_t k = send(fd, buf + done, n - done, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		done += (size_t)k;
	}
	return 0;
}

/* Events until the client goes away, which a write or a look tells. */
static void control_stream(struct control *c, int fd)
{
	struct phone_events *e = phone_set_events(c->set);
	uint64_t cursor = phone_events_now(e);
	char line[PHONE_EVENT_MAX], byte;

	if (control_say(fd, "ok events follow"))
		return;
	for (;;) {
		int rc = phone_events_wait(e, &cursor, NULL, 500, line);

		if (rc < 0 || (rc == 0 && control_say(fd, line)))
			return;
		if (rc == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
			return;
	}
}

static int control_turn(struct control *c, int fd, FILE *in)
{
	char line[CONTROL_LINE], out[CONTROL_LINE];
	uint64_t cursor;

	if (!fgets(line, sizeof(line), in))
		return -1;
	line[strcspn(line, "\r\n")] = 0;
	if (strcmp(line, "events") == 0) {
		control_stream(c, fd);
		return -1;
	}
	pthread_mutex_lock(&c->lock);
	cursor = c->cursor;
	pthread_mutex_unlock(&c->lock);
	control_command(c->set, line, &cursor, out, sizeof(out));
	pthread_mutex_lock(&c->lock);
	if (cursor > c->cursor)
		c->cursor = cursor;
	pthread_mutex_unlock(&c->lock);
	return control_say(fd, out);
}

static void *control_thread(void *arg)
{
	struct control_peer *p = arg;
	struct control *c = p->c;
	FILE *in = fdopen(dup(p->fd), "r");

	while (in && control_turn(c, p->fd, in) == 0)
		;
	if (in)
		fclose(in);
	pthread_mutex_lock(&c->lock);
	close(p->fd);
	p->used = false;
	pthread_cond_broadcast(&c->gone);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void control_accept(struct control *c, int fd)
{
	struct control_peer *p = NULL;
	pthread_t t;

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < CONTROL_CLIENTS && !p; i++)
		if (!c->peers[i].used)
			p = &c->peers[i];
	if (p) {
		*p = (struct control_peer){ .c = c, .fd = fd, .used = true };
		if (pthread_create(&t, NULL, control_thread, p)) {
			p->used = false;
			p = NULL;
		} else {
			pthread_detach(t);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (!p)
		close(fd);
}

static void *control_accept_thread(void *arg)
{
	struct control *c = arg;

	for (;;) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			control_accept(c, fd);
		else if (errno == EMFILE || errno == ENFILE)
			usleep(10000);
		else if (errno != EINTR && errno != ECONNABORTED)
			return NULL;
	}
}

struct control *control_new(struct phone_set *set, const char *path)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->set = set;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->gone, NULL);
	snprintf(c->path, sizeof(c->path), "%s", path);
	c->fd = usbmuxd_wire_listen(path);
	if (c->fd >= 0 &&
	    pthread_create(&c->acceptor, NULL, control_accept_thread, c) == 0)
		return c;
	fprintf(stderr, "phonesim: can't listen at %s: %s\n", path,
	    strerror(errno));
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	return NULL;
}

void control_close_events(struct phone_set *set)
{
	phone_events_close(phone_set_events(set));
}

void control_free(struct control *c)
{
	bool busy = true;

	if (!c)
		return;
	shutdown(c->fd, SHUT_RDWR);
	pthread_join(c->acceptor, NULL);
	close(c->fd);
	unlink(c->path);
	pthread_mutex_lock(&c->lock);
	while (busy) {
		busy = false;
		for (int i = 0; i < CONTROL_CLIENTS; i++) {
			if (!c->peers[i].used)
				continue;
			busy = true;
			/* What it was told last may still be read. */
			shutdown(c->peers[i].fd, SHUT_RD);
		}
		if (busy)
			pthread_cond_wait(&c->gone, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&c->gone);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* --- the client -----------------------------------------------------------
 */

static int client_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int control_client(const char *path, int argc, char **argv)
{
	char line[CONTROL_LINE] = "", answer[CONTROL_LINE + 1];
	int fd = client_connect(path), rc = 1;
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
	size_t n = 0;

	if (!in) {
		fprintf(stderr, "phonesim: no one answers at %s\n", path);
		return 2;
	}
	for (int i = 0; i < argc && n < sizeof(line); i++)
		n += (size_t)snprintf(
		    line + n, sizeof(line) - n, "%s%s", i ? " " : "", argv[i]);
	if (n >= sizeof(line) - 1 || control_say(fd, line))
		goto out;
	while (fgets(answer, sizeof(answer), in)) {
		fputs(answer, stdout);
		fflush(stdout);
		rc = strncmp(answer, "error", 5) == 0;
		if (strcmp(line, "events") != 0)
			break;
	}
out:
	fclose(in);
	return rc;
}
