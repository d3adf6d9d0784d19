#include "agent_backup.h"

#include "phone.h"

#include <stdio.h>

/* The number in a status; false when the host gave none. */
static bool agent_number(const struct dl_status *st, uint64_t *v)
{
	if (plist_get_node_type(st->result) != PLIST_UINT)
		return false;
	plist_get_uint_val(st->result, v);
	return true;
}

/* Asks the host to make room. *deficit is what is still missing. */
static int agent_purge(struct agent_backup *b, int64_t *deficit)
{
	uint64_t amount = (uint64_t)*deficit + AGENT_PURGE_EXTRA, freed = 0;
	struct dl_status st;
	int r;

	phone_event(b->a->ph, "purge %llu (deficit %lld)",
	    (unsigned long long)amount, (long long)*deficit);
	r = agent_check_dl(b->a, dl_purge(b->a->dl, amount, &st));
	if (r != 0)
		return r;
	if (st.code == DL_CODE_OK && agent_number(&st, &freed) &&
	    freed <= INT64_MAX / 2)
		*deficit -= (int64_t)freed;
	phone_event(b->a->ph, "purge answered %d, %llu freed", st.code,
	    (unsigned long long)freed);
	dl_status_clear(&st);
	return 0;
}

/* Asks for the free space and wants 128 MiB more than there is to send. */
int agent_room(struct agent_backup *b)
{
	uint64_t free_bytes = 0;
	int64_t extra = phone_knob(b->a->ph, "space_extra_bytes", 0);
	int64_t need, deficit;
	struct dl_status st;
	bool known;
	int r = agent_point(b->a, "space", 0);

	if (r == 0)
		r = agent_check_dl(b->a, dl_free_space(b->a->dl, &st));
	if (r != 0)
		return r;
	known = st.code == DL_CODE_OK && agent_number(&st, &free_bytes);
	dl_status_clear(&st);
	need = (int64_t)b->bytes_all + extra + AGENT_SPACE_MARGIN;
	phone_event(b->a->ph, "space upload %lld free %llu%s",
	    (long long)(need - AGENT_SPACE_MARGIN),
	    (unsigned long long)free_bytes, known ? "" : " (not known)");
	if (!known || free_bytes > INT64_MAX / 2)
		return 0;
	deficit = need - (int64_t)free_bytes;
	if (phone_knob(b->a->ph, "purge_rule", 1) == 0)
		return 0;
	if (deficit >= 0)
		r = agent_purge(b, &deficit);
	if (r == 0 && deficit >= 0)
		r = agent_fail_code(b->a, AGENT_NO_ROOM);
	return r;
}

static int agent_folder(struct agent_backup *b, const char *path)
{
	struct dl_status st;
	int r = agent_check_dl(b->a, dl_mkdir(b->a->dl, path, -1.0, &st));

	if (r != 0)
		return r;
	if (st.code != DL_CODE_OK && st.code != DL_CODE_EXISTS)
		r = agent_fail_host(
		    b->a, "Error creating directory", path, st.code);
	dl_status_clear(&st);
	return r;
}

/* `path` and its 256 folders. */
static int agent_folder_tree(struct agent_backup *b, const char *path)
{
	char sub[AGENT_NAME_MAX];
	int r = agent_folder(b, path);

	for (unsigned i = 0; r == 0 && i < 256; i++) {
		snprintf(sub, sizeof(sub), "%s/%02x", path, i);
		r = agent_folder(b, sub);
	}
	return r;
}

int agent_folders(struct agent_backup *b)
{
	char path[AGENT_NAME_MAX];
	int r = agent_point(b->a, "mkdir", 0);

	if (r == 0)
		r = agent_fault_path(b->a, "mkdir");
	snprintf(path, sizeof(path), "%s/Snapshot", b->u);
	if (r == 0)
		r = agent_folder_tree(b, b->u);
	if (r == 0)
		r = agent_folder_tree(b, path);
	return r;
}
