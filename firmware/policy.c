#include "policy.h"

#define HOUR_MS 3600000LL

bool policy_is_quiet(const struct policy *p, const struct policy_now *now)
{
	if (!now->clock_is_set && now->clock_is_awaited)
		return true;
	if (!now->clock_is_set || p->quiet_from == p->quiet_to)
		return false;
	if (p->quiet_from < p->quiet_to)
		return now->minute >= p->quiet_from &&
		       now->minute < p->quiet_to;
	/* Over midnight. */
	return now->minute >= p->quiet_from || now->minute < p->quiet_to;
}

bool policy_is_loose(
    const struct policy *p, const struct policy_now *now, int64_t unplugged_ms)
{
	return policy_is_quiet(p, now) && unplugged_ms != 0 &&
	       now->ms - unplugged_ms < POLICY_LOOSE_MS;
}

bool policy_is_fresh(const struct policy_phone *ph, bool at_start)
{
	return !at_start && ph->loose <= POLICY_LOOSE;
}

/* Ms since the last good backup; very many when there is none. */
static int64_t good_age_ms(
    const struct policy_phone *ph, const struct policy_now *now)
{
	if (ph->good_age_s < 0)
		return INT64_MAX;
	return ph->good_age_s * 1000 + (now->ms - ph->good_ms);
}

static bool is_due(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now)
{
	int64_t age = good_age_ms(ph, now);

	/* What has failed for good is tried once a day, not once a minute. */
	if (ph->tried_ms && (!p->again_hours || now->ms - ph->tried_ms <
						    p->again_hours * HOUR_MS))
		return false;
	if (age == INT64_MAX)
		return true;
	return p->again_hours > 0 && age >= p->again_hours * HOUR_MS;
}

bool policy_may_start(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now)
{
	if (ph->is_fresh)
		return true;
	return is_due(p, ph, now) && !policy_is_quiet(p, now);
}

bool policy_may_ask(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now)
{
	unsigned asks = ph->night == now->night ? ph->asks : 0;

	if (ph->is_fresh)
		return true;
	/* The first ask was the plug's own. */
	return asks <= (unsigned)p->ask_again && !policy_is_quiet(p, now);
}

bool policy_may_retry(const struct policy_phone *ph)
{
	return ph->retries <= POLICY_RETRIES && ph->broken <= POLICY_BROKEN;
}

bool policy_may_retry_now(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now)
{
	return !policy_is_quiet(p, now) ||
	       now->ms - ph->plugged_ms < POLICY_AWAKE_MS;
}

int64_t policy_retry_ms(const struct policy_phone *ph)
{
	static const int64_t steps_ms[POLICY_RETRIES] = { 5000, 30000, 120000,
		600000 };
	unsigned i = ph->retries ? ph->retries - 1 : 0;

	return steps_ms[i < POLICY_RETRIES ? i : POLICY_RETRIES - 1];
}

int64_t policy_again_ms(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now)
{
	int64_t age = good_age_ms(ph, now);
	int64_t since = now->ms - ph->tried_ms;
	int64_t left;

	if (p->again_hours <= 0)
		return 0;
	if (!ph->tried_ms || (age < since))
		since = age;
	left = p->again_hours * HOUR_MS - since;
	/* Due but not yet begun (quiet hours): look again soon. */
	return left > 60000 ? left : 60000;
}
