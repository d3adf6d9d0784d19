/*
 * The role `web`: one loop for lwIP, its network port and the pipe to the box.
 */
#include "web.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/init.h"
#include "lwip/timeouts.h"

#define LOG_MODULE "web"
#include "http_server.h"
#include "log.h"
#include "mono.h"
#include "net.h"
#include "site.h"
#include "web_nic.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443

struct web {
	struct web_nic nic;
	struct net net;
	struct site *site;
	struct http_server *server;
	struct tls_identity *identity; /* NULL: none yet */
	struct mqtt_link *mqtt; /* NULL: none */
	struct hook_link *hook; /* NULL: none */
	struct sntp_link sntp;
	int64_t now_at, now_ms; /* what the box says; by mono_ms() */
};

/* --- open and close ------------------------------------------------------- */

enum rc web_open(const struct web_opts *opts, struct web **out)
{
	static bool lwip_started;
	struct web *w = calloc(1, sizeof(*w));
	enum rc rc = RC_NOMEM;

	if (!w) {
		opts->nic->ops->close(opts->nic->ctx);
		return RC_NOMEM;
	}
	w->nic = *opts->nic;
	if (!lwip_started)
		lwip_init();
	lwip_started = true;
	rc = net_open(&w->net, &w->nic, &opts->net);
	if (rc)
		goto out;
	rc = tls_init();
	if (rc)
		goto out;
	rc = site_new(w->net.host, opts->open, w->nic.is_lan, &w->site);
	if (rc)
		goto out;
	rc = http_server_open(site_http(w->site), HTTP_PORT, &w->server);
	if (rc)
		goto out;
	if (w->nic.is_lan)
		http_server_limit_addresses(w->server);
	*out = w;
	w = NULL;
out:
	web_close(w);
	return rc;
}

void web_close(struct web *w)
{
	if (!w)
		return;
	mqtt_link_close(w->mqtt);
	hook_link_close(w->hook);
	sntp_link_close(&w->sntp);
	http_server_close(w->server);
	tls_identity_free(w->identity);
	net_close(&w->net);
	w->nic.ops->close(w->nic.ctx);
	site_free(w->site);
	free(w);
}

void web_set_status(struct web *w, const struct status *st)
{
	w->now_at = st->now_at;
	w->now_ms = mono_ms();
	site_set_status(w->site, st);
	if (w->mqtt)
		mqtt_link_status(w->mqtt, st);
}

void web_set_pin(
    struct web *w, const uint8_t salt[AUTH_SALT], const uint8_t hash[AUTH_HASH])
{
	site_set_pin(w->site, salt, hash);
}

enum rc web_set_mqtt(struct web *w, const struct mqtt_opts *opts)
{
	const uint8_t *mac = w->net.netif.hwaddr;
	struct mqtt_opts o = *opts;

	/* Two boxes of one name are two devices. */
	snprintf(o.names.id, sizeof(o.names.id), "%.40s-%02x%02x%02x",
	    opts->names.id, mac[3], mac[4], mac[5]);
	mqtt_link_close(w->mqtt);
	w->mqtt = NULL;
	return mqtt_link_open(&o, &w->mqtt);
}

enum rc web_set_hook(struct web *w, const struct hook_target *target)
{
	hook_link_close(w->hook);
	w->hook = NULL;
	return hook_link_open(target, &w->hook);
}

void web_add_event(struct web *w, const struct hook_event *ev)
{
	if (w->hook)
		hook_link_tell(w->hook, ev);
}

bool web_take_over_event(struct web *w, uint64_t *number, bool *taken)
{
	return w->hook && hook_link_take_over(w->hook, number, taken);
}

void web_set_sntp(struct web *w, const char *host)
{
	sntp_link_open(&w->sntp, host);
}

bool web_take_time(struct web *w, struct sntp_time_said *out)
{
	return sntp_link_take(&w->sntp, out);
}

void web_set_settings(struct web *w, const struct settings_values *v)
{
	site_set_settings(w->site, v);
}

bool web_take_settings(struct web *w, struct settings_values *out)
{
	return site_take_settings(w->site, out);
}

void web_add_report(
    struct web *w, const char *text, size_t offset, size_t len, size_t total)
{
	site_add_report(w->site, text, offset, len, total);
}

enum rc web_set_tls(struct web *w, const uint8_t *key, size_t key_len,
    const uint8_t *cert, size_t cert_len)
{
	struct tls_identity *id;
	enum rc rc = tls_identity_new(key, key_len, cert, cert_len, &id);

	if (rc)
		return rc;
	rc = http_server_add_tls(w->server, HTTPS_PORT, id);
	tls_identity_free(w->identity);
	w->identity = id;
	return rc;
}

bool web_take_upload(struct web *w, struct web_upload *out)
{
	return site_take_upload(w->site, out);
}

void web_upload_said(struct web *w, const struct web_upload_said *said)
{
	site_upload_said(w->site, said);
}

bool web_take_command(struct web *w, struct web_command *out)
{
	return site_take_command(w->site, out);
}

/* --- the loop ------------------------------------------------------------- */

static int sleep_ms(const struct web *w, int max_ms)
{
	u32_t lwip_ms = sys_timeouts_sleeptime();
	int ms = max_ms < 0 ? 1000 : max_ms;

	if (site_has_upload(w->site))
		return 0; /* the box gets it behind this turn */
	if (lwip_ms < (u32_t)ms)
		ms = (int)lwip_ms;
	return http_server_sleep(w->server, mono_ms(), ms);
}

enum rc web_turn(struct web *w, int fd, int max_ms, bool *fd_ready)
{
	struct pollfd fds[1 + WEB_NIC_FDS_MAX] = { { .fd = fd,
	    .events = POLLIN } };
	int ms;
	size_t n;

	*fd_ready = false;
	/* a new status goes out before the loop sleeps */
	if (w->now_at)
		site_clock(w->site, w->now_at + (mono_ms() - w->now_ms) / 1000);
	http_server_tick(w->server, mono_ms());
	ms = sleep_ms(w, max_ms);
	n = w->nic.ops->wait(w->nic.ctx, fds + 1, WEB_NIC_FDS_MAX, &ms);
	if (poll(fds, (nfds_t)(1 + n), ms) < 0) {
		if (errno == EINTR)
			return RC_OK;
		log_error("poll: %s", strerror(errno));
		return RC_IO;
	}
	*fd_ready = fd >= 0 && fds[0].revents;
	w->nic.ops->service(w->nic.ctx, fds + 1, n, &w->net.netif);
	net_tick(&w->net, mono_ms());
	if (w->mqtt)
		mqtt_link_tick(w->mqtt, net_has_address(&w->net), mono_ms());
	if (w->hook)
		hook_link_tick(w->hook, net_has_address(&w->net), mono_ms());
	sntp_link_tick(&w->sntp, net_has_address(&w->net));
	sys_check_timeouts();
	http_server_tick(w->server, mono_ms());
	return RC_OK;
}
