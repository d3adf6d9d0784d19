/*
 * Runs a fuzz target over its corpus with any compiler: FUZZ-PROGRAM [FILE or
 * FOLDER]. Without an argument: tests/fuzz/corpus/NAME, seen from the root of
 * the project. Each input is also given cut short at eight places.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CUTS 8

static unsigned inputs;

static void run(const uint8_t *data, size_t len)
{
	/* Of its own, so that a sanitizer sees each byte that lies behind. */
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		exit(2);
	if (len > 0)
		memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_file(const char *path)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!f) {
		perror(path);
		exit(2);
	}
	len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	inputs++;
	run(buf, len);
	for (size_t i = 1; i < CUTS; i++)
		run(buf, len * i / CUTS);
}

static void run_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	char file[512];

	if (n < 0) {
		perror(path);
		exit(2);
	}
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			run_file(file);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char corpus[256];
	struct stat st;

	snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s",
	    name ? name + 1 : argv[0]);
	if (argc > 1 && stat(argv[1], &st) == 0 && S_ISREG(st.st_mode))
		run_file(argv[1]);
	else
		run_folder(argc > 1 ? argv[1] : corpus);
	/* In the words of the other unit programs; one that dies says none. */
	printf("# %u inputs\n", inputs);
	printf("[  PASSED  ] %d test(s).\n", inputs > 0);
	return inputs > 0 ? 0 : 1;
}
