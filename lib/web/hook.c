#include "hook.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PORT 80

/* --- whom to tell ------------------------------------------------------------ */

static bool is_host_char(char c, bool is_v6)
{
	unsigned char u = (unsigned char)c;

	if (is_v6)
		return isxdigit(u) || c == ':' || c == '.';
	return u < 0x80 && (isalnum(u) || c == '-' || c == '.' || c == '_');
}

/* Takes the host off the URL; NULL: there is none that can be one. */
static const char *take_host(const char *at, struct hook_target *out)
{
	bool is_v6 = *at == '[';
	size_t n = 0;

	at += is_v6;
	while (is_host_char(at[n], is_v6))
		n++;
	if (n == 0 || n >= sizeof(out->host))
		return NULL;
	memcpy(out->host, at, n);
	out->host[n] = '\0';
	at += n;
	if (!is_v6)
		return at;
	return *at == ']' ? at + 1 : NULL;
}

static const char *take_port(const char *at, struct hook_target *out)
{
	unsigned long port;
	char *end;

	out->port = PORT;
	if (*at != ':')
		return at;
	if (!isdigit((unsigned char)at[1]))
		return NULL;
	port = strtoul(at + 1, &end, 10);
	if (port < 1 || port > 65535)
		return NULL;
	out->port = (int)port;
	return end;
}

static bool take_path(const char *at, struct hook_target *out)
{
	size_t n = strlen(at);

	if (n == 0) {
		strcpy(out->path, "/");
		return true;
	}
	if (*at != '/' || n >= sizeof(out->path))
		return false;
	for (size_t i = 0; i < n; i++)
		if (at[i] <= ' ' || at[i] >= 0x7f || at[i] == '#')
			return false;
	memcpy(out->path, at, n + 1);
	return true;
}

const char *hook_parse(const char *url, struct hook_target *out)
{
	static const char scheme[] = "http://";
	const char *at;

	memset(out, 0, sizeof(*out));
	if (!strncmp(url, "https://", 8))
		return "https:// is not possible yet: take http:// in the same "
		       "house";
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return "must begin with http://";
	at = take_host(url + sizeof(scheme) - 1, out);
	if (at)
		at = take_port(at, out);
	if (!at || !take_path(at, out))
		return "must be as http://host:port/path";
	return NULL;
}

/* --- the request -------------------------------------------------------------- */

void hook_put_request(const struct hook_target *target,
    const struct hook_event *ev, struct markup *m)
{
	bool is_v6 = strchr(target->host, ':') != NULL;

	markup_fmt(m, "POST %s HTTP/1.1\r\nHost: %s%s%s", target->path,
	    is_v6 ? "[" : "", target->host, is_v6 ? "]" : "");
	if (target->port != PORT)
		markup_fmt(m, ":%d", target->port);
	markup_fmt(m,
	    "\r\nUser-Agent: Nightstand/" NIGHTSTAND_VERSION
	    "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	    "X-Nightstand-Event: %s\r\n",
	    ev->len, ev->id);
	if (ev->signature[0])
		markup_fmt(
		    m, "X-Nightstand-Signature: sha256=%s\r\n", ev->signature);
	markup_raw(m, "Connection: close\r\n\r\n");
	markup_bytes(m, ev->body, ev->len);
}
