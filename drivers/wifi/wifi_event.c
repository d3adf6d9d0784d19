#include "wifi_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A word of the line: names of networks stand in quotes, with blanks escaped
 * or not, so it must begin the line or follow the event's own word. */
static bool has_reason(const char *line, const char *word)
{
	const char *at = strrchr(line, '"'); /* behind the name */

	at = strstr(at ? at : line, word);
	return at && at[-1] == ' ';
}

static bool set(struct wifi_state *s, enum status_wifi_state to)
{
	bool is_new = s->state != to;

	s->state = to;
	if (to != STATUS_WIFI_CONNECTED && to != STATUS_WIFI_WEAK)
		s->signal_dbm = 0;
	return is_new;
}

static bool is_joined(const struct wifi_state *s)
{
	return s->state == STATUS_WIFI_CONNECTED ||
	       s->state == STATUS_WIFI_WEAK;
}

bool wifi_event_take(struct wifi_state *s, const char *line)
{
	if (line[0] == '<' && line[1] && line[2] == '>')
		line += 3;
	if (begins(line, "CTRL-EVENT-CONNECTED"))
		return set(s, STATUS_WIFI_CONNECTED);
	/* A wrong password is known from what follows, and stays known while
	 * it is tried again. */
	if (begins(line, "CTRL-EVENT-DISCONNECTED"))
		return is_joined(s) && set(s, STATUS_WIFI_SEARCHING);
	if (begins(line, "CTRL-EVENT-NETWORK-NOT-FOUND"))
		return set(s, STATUS_WIFI_NOT_FOUND);
	if (begins(line, "CTRL-EVENT-SSID-TEMP-DISABLED"))
		return (has_reason(line, "reason=WRONG_KEY") ||
			   has_reason(line, "reason=AUTH_FAILED")) &&
		       set(s, STATUS_WIFI_PASSWORD);
	if (begins(line, "CTRL-EVENT-ASSOC-REJECT") ||
	    begins(line, "CTRL-EVENT-AUTH-REJECT"))
		/* IEEE 802.11 status 15: challenge failure, as SAE has it */
		return has_reason(line, "status_code=15") &&
		       set(s, STATUS_WIFI_PASSWORD);
	return false;
}

bool wifi_event_signal(struct wifi_state *s, const char *answer)
{
	const char *at = strstr(answer, "RSSI=");
	long dbm = at ? strtol(at + 5, NULL, 10) : 0;
	int bound;

	if (!is_joined(s) || dbm >= 0 || dbm < -120)
		return false;
	s->signal_dbm = (int)dbm;
	bound = s->state == STATUS_WIFI_WEAK ? WIFI_FIRM_DBM : WIFI_WEAK_DBM;
	return set(s, dbm < bound ? STATUS_WIFI_WEAK : STATUS_WIFI_CONNECTED);
}

bool wifi_set_hex(char *out, size_t cap, const char *field, const char *value)
{
	int n = snprintf(out, cap, "SET_NETWORK 0 %s ", field);
	size_t len = strlen(value);

	if (n < 0 || (size_t)n + 2 * len >= cap)
		return false;
	for (size_t i = 0; i < len; i++)
		snprintf(out + n + 2 * i, 3, "%02x", (unsigned char)value[i]);
	return true;
}

/* It ends at the last quote: those inside need no escape. */
bool wifi_set_quoted(
    char *out, size_t cap, const char *field, const char *value)
{
	int n = snprintf(out, cap, "SET_NETWORK 0 %s \"%s\"", field, value);

	return n > 0 && (size_t)n < cap;
}
