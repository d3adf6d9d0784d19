#include "wifi_rules.h"

#include <string.h>

const char *wifi_refuses_password(const char *v)
{
	size_t len = strlen(v);

	if (len && (len < 8 || len > 63))
		return "must have 8 to 63 characters";
	for (; *v; v++)
		if (*v < ' ' || *v > '~')
			return "must hold only plain letters, digits and signs";
	return NULL;
}

const char *wifi_refuses_country(const char *v)
{
	if (!v[0] || (strlen(v) == 2 && v[0] >= 'A' && v[0] <= 'Z' &&
			 v[1] >= 'A' && v[1] <= 'Z'))
		return NULL;
	return "must be two capitals, as DE";
}
