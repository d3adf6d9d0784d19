#include "meter.h"

#include <stdio.h>
#include <string.h>

#include "model.h"

#define SMOOTH 0.25 /* of a new second against the ones before */

void meter_reset(struct meter *m, struct status_phone *p)
{
	memset(m, 0, sizeof(*m));
	m->phase = -1;
	p->pct_x100 = 0;
	p->bytes_done = 0;
	p->bytes_rate = 0;
	p->files_done = 0;
	p->eta_s = -1;
	p->missing_bytes = 0;
	p->mb_code = 0;
	p->detail[0] = '\0';
}

void meter_phase(struct meter *m, struct status_phone *p, enum msg_phase phase)
{
	if (phase != MSG_PHASE_VERIFYING)
		return;
	/* The check counts from nothing again. */
	m->phase = -1;
	p->pct_x100 = 0;
	p->bytes_done = 0;
	p->bytes_rate = 0;
	p->eta_s = -1;
}

static int64_t eta_s(const struct meter *m, uint32_t pct, int64_t now_ms)
{
	uint32_t done = pct - m->began_pct;
	int64_t took = now_ms - m->began_ms;

	/* Too early to tell. */
	if (pct <= m->began_pct || done < 100 || took < 2000)
		return -1;
	return took * (10000 - pct) / done / 1000;
}

static void begin_phase(
    struct meter *m, const struct msg_progress *in, int64_t now_ms)
{
	m->phase = in->phase;
	m->began_ms = now_ms;
	m->began_pct = in->pct_x100;
	m->last_ms = now_ms;
	m->last_bytes = in->bytes_done;
	m->rate = 0;
}

void meter_progress(struct meter *m, struct status_phone *p,
    const struct msg_progress *in, int64_t now_ms)
{
	int64_t took;

	if (m->phase != in->phase)
		begin_phase(m, in, now_ms);
	took = now_ms - m->last_ms;
	if (took >= 1000 && in->bytes_done >= m->last_bytes) {
		double rate = (double)(in->bytes_done - m->last_bytes) *
			      1000.0 / (double)took;

		m->rate =
		    m->rate > 0 ? m->rate + (rate - m->rate) * SMOOTH : rate;
		m->last_ms = now_ms;
		m->last_bytes = in->bytes_done;
	}
	p->pct_x100 = in->pct_x100;
	p->bytes_done = in->bytes_done;
	p->files_done = in->files_done;
	p->bytes_rate = m->rate > 0 ? (uint64_t)m->rate : 0;
	p->eta_s = eta_s(m, in->pct_x100, now_ms);
}

#define TAKE(to, from)                                                         \
	do {                                                                   \
		if ((from)[0])                                                 \
			snprintf((to), sizeof(to), "%s", (from));              \
	} while (0)

static void take_model(struct status_phone *p, const char *product_type)
{
	TAKE(p->product_type, product_type);
	snprintf(p->model, sizeof(p->model), "%s", model_name(p->product_type));
}

void meter_phone(struct status_phone *p, const struct msg_phone *in)
{
	TAKE(p->name, in->name);
	TAKE(p->ios, in->ios);
	take_model(p, in->product_type);
	p->battery_pct = in->battery_pct;
	p->encrypted = in->encrypted;
	p->will_encrypt = in->encrypted != 0;
}

void meter_kept(struct status_phone *p, const struct msg_kept *in)
{
	/* What the phone itself said is newer than what the vault knows. */
	if (!p->name[0])
		TAKE(p->name, in->name);
	if (!p->ios[0])
		TAKE(p->ios, in->ios);
	if (!p->product_type[0])
		take_model(p, in->product_type);
	p->encrypted = in->encrypted;
	p->versions = in->versions;
	p->n_sizes = in->n_sizes;
	memcpy(p->sizes, in->sizes, sizeof(p->sizes));
	if (in->has_next) {
		p->next_gone_at = in->next_gone_at;
		p->next_gone_bytes = in->next_gone_bytes;
	}
	p->last_good_at = in->at;
	p->last_files = in->files;
	p->last_bytes = in->bytes;
	p->last_new_files = in->new_files;
	p->last_new_bytes = in->new_bytes;
	p->damaged_files = in->damaged_files;
	p->damaged_older = in->damaged_older;
	p->wants_full = in->wants_full;
	memcpy(p->damaged, in->damaged, sizeof(p->damaged));
	p->loss_pct = in->loss_pct;
	p->loss_at = in->loss_at;
	TAKE(p->loss_domain, in->loss_domain);
}

void meter_result(struct status_phone *p, const struct msg_result *in)
{
	p->mb_code = in->mb_code;
	p->missing_bytes = in->missing_bytes;
	snprintf(
	    p->detail, sizeof(p->detail), "%s", in->verified ? "" : in->text);
	p->bytes_rate = 0;
	p->eta_s = -1;
}

enum status_state meter_state(enum msg_phase phase)
{
	switch (phase) {
	case MSG_PHASE_CONNECTING:
		return STATE_SEEN;
	case MSG_PHASE_WANTS_TRUST:
		return STATE_WANTS_TRUST;
	case MSG_PHASE_WANTS_UNLOCK:
		return STATE_WANTS_UNLOCK;
	case MSG_PHASE_WANTS_PASSCODE:
		return STATE_WANTS_PASSCODE;
	case MSG_PHASE_PREPARING:
		return STATE_PREPARING;
	case MSG_PHASE_RECEIVING:
	case MSG_PHASE_FINISHING:
		return STATE_RECEIVING;
	case MSG_PHASE_VERIFYING:
	case MSG_PHASE_COMMITTING:
		return STATE_CHECKING;
	case MSG_PHASE_COUNT_:
		break;
	}
	return STATE_BOX_FAULT;
}
