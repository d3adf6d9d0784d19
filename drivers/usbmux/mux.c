/* The link: framing, versions, buffers to the phone. See mux.h. */
#include "mux.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mux_priv.h"

#define LOG_MODULE "mux"

#define VERSION_BODY 12u
#define SETUP_BYTE   0x07
#define RX_SEQ_FIRST 0xffff

/* --- buffers to the phone ------------------------------------------------------ */

static bool is_big(const struct mux_tx *tx)
{
	return tx->index < MUX_TX_BIG;
}

void mux_put_back(struct mux *m, struct mux_tx *tx)
{
	struct mux_tx **list = is_big(tx) ? &m->free_big : &m->free_small;

	tx->len = 0;
	tx->next = *list;
	*list = tx;
}

struct mux_tx *mux_take_small(struct mux *m)
{
	struct mux_tx *tx = m->free_small;

	if (tx)
		m->free_small = tx->next;
	return tx;
}

void mux_sent(struct mux *m, struct mux_tx *tx)
{
	mux_put_back(m, tx);
}

static enum rc make_buffers(struct mux *m)
{
	size_t big = (size_t)MUX_TX_BIG * MUX_WIRE_SEND_MAX;

	m->bytes = malloc(big + (size_t)MUX_TX_SMALL * MUX_SMALL);
	if (!m->bytes)
		return RC_NOMEM;
	for (unsigned i = 0; i < MUX_TX_BIG + MUX_TX_SMALL; i++) {
		struct mux_tx *tx = &m->tx[i];

		tx->index = i;
		tx->data =
		    is_big(tx)
			? m->bytes + (size_t)i * MUX_WIRE_SEND_MAX
			: m->bytes + big + (size_t)(i - MUX_TX_BIG) * MUX_SMALL;
		mux_put_back(m, tx);
	}
	return RC_OK;
}

uint32_t mux_head_len(const struct mux *m)
{
	return m->version < 2 ? MUX_WIRE_HEAD1 : MUX_WIRE_HEAD2;
}

void mux_emit(struct mux *m, struct mux_tx *tx, enum mux_wire_protocol protocol)
{
	struct mux_wire_head h = {
		.protocol = protocol,
		.length = (uint32_t)tx->len,
		.tx_seq = m->tx_seq,
		.rx_seq = m->rx_seq,
	};

	mux_wire_put_head(tx->data, m->version, &h);
	if (m->version >= 2)
		m->tx_seq++;
	m->stats.out_packets++;
	m->stats.out_bytes += tx->len;
	m->ops->send(m->ctx, tx);
}

/* --- versions ------------------------------------------------------------------ */

static void send_version(struct mux *m)
{
	struct mux_tx *tx = mux_take_small(m);

	if (!tx)
		return;
	m->want_version = false;
	memset(tx->data, 0, MUX_WIRE_HEAD1 + VERSION_BODY);
	mux_wire_put32(tx->data + MUX_WIRE_HEAD1, 2); /* 2.0 */
	tx->len = MUX_WIRE_HEAD1 + VERSION_BODY;
	mux_emit(m, tx, MUX_WIRE_VERSION);
}

/* The counters of version 2 begin with it. */
static void send_setup(struct mux *m)
{
	struct mux_tx *tx = mux_take_small(m);

	if (!tx)
		return;
	m->want_setup = false;
	m->tx_seq = 0;
	m->rx_seq = RX_SEQ_FIRST;
	tx->data[MUX_WIRE_HEAD2] = SETUP_BYTE;
	tx->len = MUX_WIRE_HEAD2 + 1;
	mux_emit(m, tx, MUX_WIRE_SETUP);
}

static enum rc take_version(struct mux *m)
{
	uint32_t major, minor;

	if (m->version) {
		log_info("a second VERSION is not looked at");
		return RC_OK;
	}
	if (m->text_len < 8)
		return RC_PROTO;
	major = mux_wire_get32(m->text);
	minor = mux_wire_get32(m->text + 4);
	if (major != 1 && major != 2) {
		log_warn("the phone speaks version %u.%u", major, minor);
		return RC_PROTO;
	}
	m->version = (int)major;
	m->want_setup = major == 2;
	log_debug("version %u.%u", major, minor);
	m->ops->ready(m->ctx, m->version);
	return RC_OK;
}

/* --- from the phone ------------------------------------------------------------ */

static void log_text(const struct mux *m, const char *what, uint32_t from)
{
	char text[MUX_TEXT + 1];
	uint32_t n = 0;

	for (uint32_t i = from; i < m->text_len; i++) {
		uint8_t ch = m->text[i];

		text[n++] = (char)(ch < 0x20 || ch > 0x7e ? ' ' : ch);
	}
	text[n] = '\0';
	log_info("the phone says (%s): %s", what, text);
}

static void take_control(const struct mux *m)
{
	static const char *const levels[] = { "", "", "", "error", "",
		"warning", "", "info" };
	unsigned level = m->text_len ? m->text[0] : 0;

	log_text(m, level < 8 ? levels[level] : "", 1);
}

static void next_packet(struct mux *m)
{
	m->stage = MUX_STAGE_HEAD1;
	m->have = 0;
	m->need = MUX_WIRE_HEAD1;
	m->target = NULL;
	m->wants_text = false;
}

/* All of the headers is there. */
static enum rc begin_body(struct mux *m)
{
	struct mux_wire_tcp t;
	uint32_t head = mux_head_len(m);

	m->stats.in_packets++;
	m->text_len = 0;
	m->left = m->head.length - m->need;
	m->stage = MUX_STAGE_BODY;
	if (m->version >= 2) {
		mux_wire_get_head2(m->heads + MUX_WIRE_HEAD1, &m->head);
		/* Theirs, not a count of ours: so usbmuxd does it, and phones
		 * are content. */
		m->rx_seq = m->head.rx_seq;
	}
	switch (m->head.protocol) {
	case MUX_WIRE_VERSION:
	case MUX_WIRE_CONTROL:
		m->wants_text = true;
		return RC_OK;
	case MUX_WIRE_TCP_DATA:
		if (!m->version)
			return RC_OK; /* passed over, as usbmuxd does */
		mux_wire_get_tcp(m->heads + head, &t);
		mux_conn_packet(m, &t, m->left);
		return RC_OK;
	default:
		log_info(
		    "a packet of protocol %u is passed over", m->head.protocol);
		return RC_OK;
	}
}

static enum rc take_head1(struct mux *m)
{
	uint32_t head = mux_head_len(m);

	mux_wire_get_head1(m->heads, &m->head);
	if (m->head.protocol == MUX_WIRE_TCP_DATA && m->version)
		head += MUX_WIRE_TCP;
	if (m->head.length < head || m->head.length > MUX_WIRE_RECV_MAX) {
		log_warn("no packet: protocol=%u length=%u", m->head.protocol,
		    m->head.length);
		return RC_PROTO;
	}
	m->need = head;
	m->stage = MUX_STAGE_HEADS;
	return RC_OK;
}

static enum rc end_body(struct mux *m)
{
	enum rc rc = RC_OK;

	if (m->wants_text && m->head.protocol == MUX_WIRE_VERSION)
		rc = take_version(m);
	else if (m->wants_text && m->head.protocol == MUX_WIRE_CONTROL)
		take_control(m);
	else if (m->wants_text && m->text_len)
		log_text(m, "connection over", 0);
	next_packet(m);
	return rc;
}

static void take_body(struct mux *m, const uint8_t *data, uint32_t len)
{
	uint32_t keep = MUX_TEXT - m->text_len;

	if (m->wants_text) {
		keep = len < keep ? len : keep;
		memcpy(m->text + m->text_len, data, keep);
		m->text_len += keep;
	} else if (m->target) {
		mux_conn_body(m->target, data, len);
	}
	m->left -= len;
}

/* Does one step with at least one byte; *used tells how many. */
static enum rc step(
    struct mux *m, const uint8_t *data, size_t len, size_t *used)
{
	uint32_t want =
	    m->stage == MUX_STAGE_BODY ? m->left : m->need - m->have;
	uint32_t n = len < want ? (uint32_t)len : want;
	enum rc rc = RC_OK;

	*used = n;
	if (m->stage == MUX_STAGE_BODY) {
		take_body(m, data, n);
		return m->left ? RC_OK : end_body(m);
	}
	memcpy(m->heads + m->have, data, n);
	m->have += n;
	if (m->have == m->need && m->stage == MUX_STAGE_HEAD1)
		rc = take_head1(m);
	if (!rc && m->have == m->need)
		rc = begin_body(m);
	if (!rc && m->stage == MUX_STAGE_BODY && m->left == 0)
		rc = end_body(m);
	return rc;
}

enum rc mux_input(
    struct mux *m, const uint8_t *data, size_t len, int64_t now_ms)
{
	enum rc rc = RC_OK;

	if (m->is_shut)
		return RC_OK;
	if (m->is_broken)
		return RC_PROTO;
	m->now_ms = now_ms;
	m->stats.in_bytes += len;
	while (!rc && len) {
		size_t used = 0;

		rc = step(m, data, len, &used);
		data += used;
		len -= used;
	}
	m->is_broken = rc != RC_OK;
	return rc;
}

/* --- life ---------------------------------------------------------------------- */

enum rc mux_new(const struct mux_ops *ops, void *ctx, int64_t now_ms,
    uint32_t first_seq, struct mux **out)
{
	struct mux *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (!m || make_buffers(m)) {
		free(m);
		return RC_NOMEM;
	}
	m->ops = ops;
	m->ctx = ctx;
	m->now_ms = now_ms;
	m->version_ms = now_ms + MUX_VERSION_MS;
	m->first_seq = first_seq;
	m->next_port = 1;
	for (unsigned i = 0; i < MUX_CONNS; i++)
		m->conns[i].m = m;
	next_packet(m);
	m->want_version = true;
	*out = m;
	return RC_OK;
}

void mux_set_patience(struct mux *m, int64_t now_ms, int64_t ms)
{
	m->version_ms = now_ms + ms;
}

void mux_shut(struct mux *m)
{
	if (m->is_shut)
		return;
	m->is_shut = true;
	for (unsigned i = 0; i < MUX_CONNS; i++)
		mux_conn_end(&m->conns[i], RC_GONE);
}

void mux_free(struct mux *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < MUX_CONNS; i++)
		free(m->conns[i].ring);
	free(m->bytes);
	free(m);
}

bool mux_is_ready(const struct mux *m)
{
	return m->version != 0 && !m->is_shut && !m->is_broken;
}

enum rc mux_turn(struct mux *m, int64_t now_ms)
{
	m->now_ms = now_ms;
	if (m->is_shut)
		return RC_OK;
	if (!m->version && now_ms >= m->version_ms)
		return RC_TIMEOUT;
	if (m->want_version)
		send_version(m);
	if (m->want_setup)
		send_setup(m);
	if (m->want_setup)
		return RC_OK; /* nothing goes before it */
	for (unsigned i = 0; i < MUX_CONNS; i++)
		if (m->conns[i].state != MUX_CONN_FREE)
			mux_conn_turn(&m->conns[i]);
	mux_conn_strangers(m);
	return RC_OK;
}

int64_t mux_deadline(const struct mux *m)
{
	int64_t best = m->version ? INT64_MAX : m->version_ms;

	if (m->is_shut)
		return INT64_MAX;
	for (unsigned i = 0; i < MUX_CONNS; i++) {
		const struct mux_conn *c = &m->conns[i];

		if ((c->state == MUX_CONN_SYN || c->state == MUX_CONN_DYING) &&
		    c->deadline_ms < best)
			best = c->deadline_ms;
	}
	return best;
}

void mux_get_stats(const struct mux *m, struct mux_stats *out)
{
	*out = m->stats;
}
