#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

/* A phone's name as a label's value: quotes, backslashes and line feeds are
 * what the format escapes; control characters are gone already. */
static void put_label(struct markup *m, const char *text)
{
	char clean[128], out[260];
	size_t n = 0;

	utf8_clean(clean, sizeof(clean), text);
	for (const char *p = clean; *p; p++) {
		if (*p == '"' || *p == '\\')
			out[n++] = '\\';
		out[n++] = *p;
	}
	out[n] = '\0';
	markup_raw(m, out);
}

/* --- one value for the box --------------------------------------------------- */

static double box_free(const struct status *st)
{
	return (double)st->disk.free_bytes;
}

static double box_total(const struct status *st)
{
	return (double)st->disk.total_bytes;
}

static double box_disk(const struct status *st)
{
	return st->disk.present;
}

static double box_started(const struct status *st)
{
	return (double)st->started_at;
}

static double box_clock(const struct status *st)
{
	return status_clock_is_known(st->clock);
}

static double box_phones(const struct status *st)
{
	return status_named_phones(st);
}

/* NAN: the box does not tell */
static double box_temperature(const struct status *st)
{
	return st->health.has_temperature ? st->health.temperature_c : NAN;
}

static double box_weak_power(const struct status *st)
{
	return st->health.weak_power_times;
}

static double box_restarts(const struct status *st)
{
	return st->health.restarts;
}

static const struct box_metric {
	const char *name, *help;
	double (*get)(const struct status *st);
} box_metrics[] = {
	{ "nightstand_disk_present", "A disk that can be used is there.",
	    box_disk },
	{ "nightstand_disk_size_bytes", "Size of the disk's file system.",
	    box_total },
	{ "nightstand_disk_free_bytes", "Room on it.", box_free },
	{ "nightstand_start_time_seconds", "When the box began, Unix time.",
	    box_started },
	{ "nightstand_clock_known", "The box knows what time it is.",
	    box_clock },
	{ "nightstand_phones", "Phones that the box knows.", box_phones },
	{ "nightstand_temperature_celsius", "Of the processor.",
	    box_temperature },
	{ "nightstand_weak_power_times", "Dips of the power supply since then.",
	    box_weak_power },
	{ "nightstand_restarts", "Parts of the box begun again since then.",
	    box_restarts },
};

/* --- one value a phone --------------------------------------------------------- */

static double phone_attached(const struct status_phone *p)
{
	return p->attached;
}

static double phone_last_good(const struct status_phone *p)
{
	return (double)p->last_good_at;
}

static double phone_overdue(const struct status_phone *p)
{
	return p->overdue_days;
}

static double phone_versions(const struct status_phone *p)
{
	return p->versions;
}

static double phone_files(const struct status_phone *p)
{
	return (double)p->last_files;
}

static double phone_bytes(const struct status_phone *p)
{
	return (double)p->last_bytes;
}

static double phone_damaged(const struct status_phone *p)
{
	return (double)(p->damaged_files + p->damaged_older);
}

static double phone_battery(const struct status_phone *p)
{
	return p->battery_pct < 0 ? -1 : p->battery_pct / 100.0;
}

static double phone_progress(const struct status_phone *p)
{
	return status_is_busy(p->state) ? p->pct_x100 / 10000.0 : -1;
}

static const struct phone_metric {
	const char *name, *help;
	double (*get)(const struct status_phone *p); /* < 0: unknown */
} phone_metrics[] = {
	{ "nightstand_phone_attached", "It is plugged in.", phone_attached },
	{ "nightstand_phone_last_good_timestamp_seconds",
	    "Its newest good backup, Unix time; 0: there is none.",
	    phone_last_good },
	{ "nightstand_phone_overdue_days",
	    "Days without a backup, once they are too many; else 0.",
	    phone_overdue },
	{ "nightstand_phone_versions", "Good backups that are kept.",
	    phone_versions },
	{ "nightstand_phone_files", "Files in the newest good backup.",
	    phone_files },
	{ "nightstand_phone_size_bytes", "Bytes in the newest good backup.",
	    phone_bytes },
	{ "nightstand_phone_damaged_files",
	    "Files of its backups that are damaged on the disk.",
	    phone_damaged },
	{ "nightstand_phone_battery_ratio", "Charge of its battery, 0 to 1.",
	    phone_battery },
	{ "nightstand_phone_progress_ratio",
	    "How far the running backup is, 0 to 1.", phone_progress },
};

/* --- all of it ------------------------------------------------------------------- */

static void put_head(struct markup *m, const char *name, const char *help)
{
	markup_fmt(m, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_phone_name(
    struct markup *m, const struct status *st, unsigned i)
{
	const struct status_phone *p = &st->phones[i];

	if (!p->udid[0]) {
		markup_fmt(m, "%u", i + 1);
		return;
	}
	put_label(m, p->name[0] ? p->name : p->model);
	/* Two may have one name. */
	markup_fmt(m, " (%.4s)", p->udid + strlen(p->udid) - 4);
}

static void put_phone_metric(
    struct markup *m, const struct status *st, const struct phone_metric *x)
{
	put_head(m, x->name, x->help);
	for (unsigned i = 0; i < status_named_phones(st); i++) {
		double value = x->get(&st->phones[i]);

		if (value < 0)
			continue;
		markup_fmt(m, "%s{phone=\"", x->name);
		put_phone_name(m, st, i);
		markup_fmt(m, "\"} %.15g\n", value);
	}
}

/* One series a state, 1 for the one that is: so they can be alerted on. */
static void put_states(struct markup *m, const struct status *st)
{
	static const char name[] = "nightstand_state";

	put_head(m, name, "What the box says, as in the list of states.");
	for (unsigned s = 0; s < STATE_COUNT_; s++)
		markup_fmt(m, "%s{state=\"%s\"} %d\n", name,
		    status_state_id((enum status_state)s),
		    s == (unsigned)st->state);
}

void metrics_put(const struct status *st, struct markup *m)
{
	put_head(m, "nightstand_info", "Always 1.");
	markup_raw(m, "nightstand_info{version=\"");
	put_label(m, st->version);
	markup_raw(m, "\"} 1\n");
	put_states(m, st);
	for (size_t i = 0; i < sizeof(box_metrics) / sizeof(box_metrics[0]);
	     i++) {
		const struct box_metric *x = &box_metrics[i];

		put_head(m, x->name, x->help);
		if (!isnan(x->get(st)))
			markup_fmt(m, "%s %.15g\n", x->name, x->get(st));
	}
	for (size_t i = 0; i < sizeof(phone_metrics) / sizeof(phone_metrics[0]);
	     i++)
		put_phone_metric(m, st, &phone_metrics[i]);
}
