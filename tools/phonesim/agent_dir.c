#include "agent.h"

#include <stdlib.h>
#include <string.h>

static int agent_names_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool agent_names_has(const struct agent_names *names, const char *name)
{
	return names->n > 0 &&
	       bsearch(&name, names->name, names->n, sizeof(*names->name),
		   agent_names_cmp) != NULL;
}

void agent_names_free(struct agent_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	memset(names, 0, sizeof(*names));
}

bool agent_is_file_id(const char *s)
{
	return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

/* Each entry must at least tell its type. */
static int agent_names_read(plist_t dict, struct agent_names *out)
{
	uint32_t size = plist_dict_get_size(dict);
	plist_dict_iter it = NULL;
	int r = -1;

	if (size == 0)
		return 0;
	out->name = calloc(size, sizeof(*out->name));
	if (!out->name)
		return -1;
	plist_dict_new_iter(dict, &it);
	for (;;) {
		char *key = NULL;
		plist_t entry = NULL, type;

		plist_dict_next_item(dict, it, &key, &entry);
		if (!key) {
			r = 0;
			break;
		}
		out->name[out->n++] = key;
		if (plist_get_node_type(entry) != PLIST_DICT)
			break;
		type = plist_dict_get_item(entry, "DLFileType");
		if (!type || plist_get_node_type(type) != PLIST_STRING)
			break;
		if (out->n == size) {
			r = 0;
			break;
		}
	}
	free(it);
	return r;
}

int agent_list(struct agent *a, const char *path, struct agent_names *out)
{
	struct dl_status st;
	int r;

	memset(out, 0, sizeof(*out));
	r = agent_check_dl(a, dl_list(a->dl, path, &st));
	if (r != 0)
		return r;
	if (st.code == DL_CODE_NOT_FOUND)
		goto out;
	if (st.code != DL_CODE_OK) {
		r = agent_fail_host(
		    a, "Error listing directory", path, st.code);
		goto out;
	}
	if (plist_get_node_type(st.result) != PLIST_DICT ||
	    agent_names_read(st.result, out) != 0) {
		agent_names_free(out);
		a->desync = true;
		r = agent_fail(a, AGENT_INTERNAL, "Invalid directory contents");
		goto out;
	}
	if (out->n > 0)
		qsort(out->name, out->n, sizeof(*out->name), agent_names_cmp);
out:
	dl_status_clear(&st);
	return r;
}
