#include "np.h"

#include <stdlib.h>

#include "pl.h"
#include "wire.h"

#define MESSAGE_MAX 65536u

struct np {
	struct wire wire;
};

enum rc np_new(struct stream stream, struct np **out)
{
	struct np *np = calloc(1, sizeof(*np));
	enum rc rc = np ? wire_init(&np->wire, stream, NULL, NULL) : RC_NOMEM;

	*out = NULL;
	if (rc) {
		stream.ops->close(stream.ctx);
		free(np);
		return rc;
	}
	*out = np;
	return RC_OK;
}

void np_free(struct np *np)
{
	if (!np)
		return;
	wire_fini(&np->wire);
	free(np);
}

static enum rc send_command(
    struct np *np, const char *command, const char *name)
{
	struct pl *dict = pl_new_dict();
	uint8_t *bytes = NULL;
	size_t len = 0;
	enum rc rc;

	pl_set(dict, "Command", pl_new_str(command));
	pl_set(dict, "Name", pl_new_str(name));
	rc = pl_to_xml(dict, &bytes, &len);
	if (!rc)
		rc = wire_send_frame(&np->wire, bytes, len);
	pl_bytes_free(bytes);
	pl_free(dict);
	return rc;
}

enum rc np_observe(struct np *np, const char *name)
{
	return send_command(np, "ObserveNotification", name);
}

enum rc np_post(struct np *np, const char *name)
{
	return send_command(np, "PostNotification", name);
}

static enum rc one_message(const uint8_t *body, size_t len,
    void (*fn)(void *arg, const char *name), void *arg)
{
	struct pl *msg = NULL;
	const char *name;
	enum rc rc = pl_parse(body, len, &msg);

	if (rc)
		return rc;
	if (pl_is_str(pl_get(msg, "Command"), "ProxyDeath"))
		rc = RC_GONE;
	else if (pl_is_str(pl_get(msg, "Command"), "RelayNotification") &&
		 pl_str(pl_get(msg, "Name"), &name) == RC_OK)
		fn(arg, name);
	pl_free(msg);
	return rc;
}

enum rc np_poll(
    struct np *np, void (*fn)(void *arg, const char *name), void *arg)
{
	for (;;) {
		const uint8_t *body;
		size_t len;
		enum rc rc =
		    wire_poll_frame(&np->wire, MESSAGE_MAX, &body, &len);

		if (rc == RC_TIMEOUT)
			return RC_OK;
		if (!rc)
			rc = one_message(body, len, fn, arg);
		if (rc)
			return rc;
	}
}
