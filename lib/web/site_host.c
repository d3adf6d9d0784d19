#include "site.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_address(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;
	char inner[64];
	size_t len = strlen(name);

	if (inet_pton(AF_INET, name, &v4) == 1)
		return true;
	if (len < 4 || len >= sizeof(inner) || name[0] != '[' ||
	    name[len - 1] != ']')
		return false;
	memcpy(inner, name + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, &v6) == 1;
}

/* "name:8080" to "name"; false when what follows the colon is no port. */
static bool cut_port(char *host)
{
	char *bracket = strchr(host, ']');
	char *colon = strchr(bracket ? bracket : host, ':');

	if (!colon)
		return true;
	if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	*colon = '\0';
	return true;
}

bool site_host_is_ours(const char *host, const char *allow)
{
	char name[HTTP_REQUEST_HOST_MAX + 1];
	size_t len = strlen(host);

	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len + 1);
	if (!cut_port(name))
		return false;
	len = strlen(name);
	if (len && name[len - 1] == '.')
		name[len - 1] = '\0';
	return is_address(name) || !strcasecmp(name, "localhost") ||
	       !strcasecmp(name, "nightstand.local") ||
	       (allow && allow[0] && !strcasecmp(name, allow));
}

bool site_host_name(const char *host, char *out, size_t cap)
{
	size_t len = strlen(host);

	if (!len || len >= cap)
		return false;
	memcpy(out, host, len + 1);
	return cut_port(out);
}
