/* `disk`: can this disk hold backups, and at what price? */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cmd.h"
#include "disk_words.h"
#include "outcome.h"
#include "words.h"

static const char *yes(bool is)
{
	return is ? "yes" : "no";
}

static void print_room(const struct fsprobe *p)
{
	char free_bytes[40], total[40], left[40];

	words_bytes(p->free_bytes, free_bytes, sizeof(free_bytes));
	words_bytes(p->total_bytes, total, sizeof(total));
	printf("%s of %s are free", free_bytes, total);
	if (p->total_files) {
		words_count(p->free_files, left, sizeof(left));
		printf(", and room for %s files", left);
	}
	printf(".\n");
}

static void print_abilities(const struct fsprobe *p)
{
	char largest[40], step[40];

	disk_words_piece(p->largest_file, largest, sizeof(largest));
	if (p->time_step_ns >= 1000000)
		snprintf(
		    step, sizeof(step), "%u ms", p->time_step_ns / 1000000);
	else
		snprintf(step, sizeof(step), "%u ns", p->time_step_ns);
	printf("  largest file           %s\n", largest);
	printf("  rename over a file     %s\n", yes(p->rename_over));
	printf("  rename over a folder   %s\n", yes(p->rename_folder_over));
	printf("  names of 200 letters   %s\n", yes(p->long_names));
	printf("  a and A are two names  %s\n", yes(p->case_sensitive));
	printf("  reads past the cache   %s\n", yes(p->direct));
	printf(
	    "  syncs                  %s (%u ms)\n", yes(p->syncs), p->sync_ms);
	printf("  steps of a file's time %s\n", step);
}

static void print_words(const char *dir, enum rc rc, const struct fsprobe *p)
{
	uint64_t files = rc ? 0 : disk_words_files(dir);
	char waste[256];

	printf("%s%s%s%s: %s\n", dir, p->fs[0] ? " (" : "", p->fs,
	    p->fs[0] ? ")" : "", rc ? p->why : "backups can be kept here.");
	if (p->total_bytes)
		print_room(p);
	if (p->largest_file) {
		disk_words_waste(p, files, waste, sizeof(waste));
		printf("%s\n", waste);
		print_abilities(p);
	}
	/* Not when it is simply small. */
	if (!rc && p->total_files && p->piece_bytes && !files &&
	    p->free_files < FSPROBE_TYPICAL_FILES &&
	    p->free_files < p->free_bytes / p->piece_bytes / 2)
		printf("That may be too few files for a phone: format it anew "
		       "with more inodes, or take another disk.\n");
}

static int print_json(const char *dir, enum rc rc, const struct fsprobe *p)
{
	uint64_t files = rc ? 0 : disk_words_files(dir);
	uint64_t n = files ? files : FSPROBE_TYPICAL_FILES;
	const struct {
		const char *key;
		double v;
	} numbers[] = {
		{ "largest_file", (double)p->largest_file },
		{ "total_bytes", (double)p->total_bytes },
		{ "free_bytes", (double)p->free_bytes },
		{ "total_files", (double)p->total_files },
		{ "free_files", (double)p->free_files },
		{ "piece_bytes", p->piece_bytes },
		{ "expected_files", (double)n },
		{ "expected_waste_bytes", (double)fsprobe_waste(p, n) },
		{ "time_step_ns", p->time_step_ns },
		{ "sync_ms", p->sync_ms },
		{ "took_ms", p->took_ms },
	};
	const struct {
		const char *key;
		bool v;
	} flags[] = {
		{ "fit", !rc },
		{ "read_only", p->read_only },
		{ "rename_over", p->rename_over },
		{ "rename_folder_over", p->rename_folder_over },
		{ "long_names", p->long_names },
		{ "case_sensitive", p->case_sensitive },
		{ "direct", p->direct },
		{ "syncs", p->syncs },
	};
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(o, "fs", p->fs);
	cJSON_AddStringToObject(o, "why", p->why);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		cJSON_AddBoolToObject(o, flags[i].key, flags[i].v);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		cJSON_AddNumberToObject(o, numbers[i].key, numbers[i].v);
	text = cJSON_PrintUnformatted(o);
	if (text)
		printf("%s\n", text);
	cJSON_free(text);
	cJSON_Delete(o);
	return text ? 0 : EXIT_FAULT;
}

int cmd_disk(const struct cli *cli)
{
	const char *dir = cli->config.vault;
	struct fsprobe p;
	int status = 0;
	enum rc rc;

	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	rc = fsprobe(dir, FSPROBE_SYNC, &p);
	if (rc == RC_NOTFOUND) {
		fprintf(stderr, "nightstand: there is no folder %s\n", dir);
		return EXIT_NO_DISK;
	}
	if (cli->json)
		status = print_json(dir, rc, &p);
	else
		print_words(dir, rc, &p);
	if (status)
		return status;
	if (rc == RC_NOSPC)
		return EXIT_DISK_FULL;
	if (rc == RC_READONLY || rc == RC_UNSUPPORTED)
		return EXIT_DISK_UNFIT;
	return rc ? EXIT_DISK : EXIT_DONE;
}
