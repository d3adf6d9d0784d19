/* Models and builds that exist, as far as tests and eyes need them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone_private.h"
#include "values.h"

/* clang-format off */
static const struct values_model models[] = {
	{ "iPhone6,1",  "N51AP",   "s5l8960x", "iPhone 5s",         "ME432", 0x8960, 0x00, "arm64",  "iPhone" },
	{ "iPhone8,1",  "N71AP",   "s8000",    "iPhone 6s",         "MKQJ2", 0x8000, 0x04, "arm64",  "iPhone" },
	{ "iPhone9,3",  "D101AP",  "t8010",    "iPhone 7",          "MN922", 0x8010, 0x0c, "arm64",  "iPhone" },
	{ "iPhone10,6", "D221AP",  "t8015",    "iPhone X",          "MQAC2", 0x8015, 0x0e, "arm64",  "iPhone" },
	{ "iPhone11,6", "D331pAP", "t8020",    "iPhone XS Max",     "MT502", 0x8020, 0x1a, "arm64e", "iPhone" },
	{ "iPhone11,8", "N841AP",  "t8020",    "iPhone XR",         "MRY42", 0x8020, 0x0c, "arm64e", "iPhone" },
	{ "iPhone12,1", "N104AP",  "t8030",    "iPhone 11",         "MWLT2", 0x8030, 0x04, "arm64e", "iPhone" },
	{ "iPhone13,2", "D53gAP",  "t8101",    "iPhone 12",         "MGJ53", 0x8101, 0x0c, "arm64e", "iPhone" },
	{ "iPhone14,2", "D63AP",   "t8110",    "iPhone 13 Pro",     "MLVA3", 0x8110, 0x0c, "arm64e", "iPhone" },
	{ "iPhone14,5", "D17AP",   "t8110",    "iPhone 13",         "MLPF3", 0x8110, 0x0a, "arm64e", "iPhone" },
	{ "iPhone15,2", "D73AP",   "t8120",    "iPhone 14 Pro",     "MPXV3", 0x8120, 0x0c, "arm64e", "iPhone" },
	{ "iPhone15,4", "D37AP",   "t8120",    "iPhone 15",         "MTP03", 0x8120, 0x08, "arm64e", "iPhone" },
	{ "iPhone16,1", "D83AP",   "t8130",    "iPhone 15 Pro",     "MTUW3", 0x8130, 0x04, "arm64e", "iPhone" },
	{ "iPhone17,1", "D93AP",   "t8140",    "iPhone 16 Pro",     "MYND3", 0x8140, 0x0c, "arm64e", "iPhone" },
	{ "iPhone17,3", "D47AP",   "t8140",    "iPhone 16",         "MYDR3", 0x8140, 0x08, "arm64e", "iPhone" },
	{ "iPad13,18",  "J271AP",  "t8101",    "iPad (10th generation)", "MPQ03", 0x8101, 0x14, "arm64e", "iPad" },
};

static const char *const builds[][2] = {
	{ "9.3.5",  "13G36" },  { "10.3.3", "14G60" },  { "11.4.1", "15G77" },
	{ "12.1.1", "16C50" },  { "12.5.7", "16H81" },  { "13.3.1", "17D50" },
	{ "14.3",   "18C66" },  { "15.0.2", "19A404" }, { "15.7.1", "19H117" },
	{ "16.1",   "20B82" },  { "16.7",   "20H19" },  { "17.0",   "21A329" },
	{ "17.4",   "21E219" }, { "17.5.1", "21F90" },  { "18.0",   "22A3354" },
	{ "18.1",   "22B83" },  { "18.5",   "22F76" },  { "26.0",   "23A341" },
};
/* clang-format on */

const struct values_model *values_model(const char *product_type)
{
	static const struct values_model unknown = { "iPhone", "D99AP", "t8120",
		"iPhone", "MZZZ3", 0x8120, 0x08, "arm64e", "iPhone" };
	size_t n = sizeof(models) / sizeof(*models);

	for (size_t i = 0; i < n; i++)
		if (strcmp(models[i].product_type, product_type) == 0)
			return &models[i];
	if (strncmp(product_type, "iPad", 4) == 0)
		return &models[n - 1];
	return &unknown;
}

/* Apple's builds begin with the major version and a fixed distance. */
const char *values_build(const char *ios)
{
	static _Thread_local char guess[16];
	int major = atoi(ios), minor = 0;
	const char *dot = strchr(ios, '.');

	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++)
		if (strcmp(builds[i][0], ios) == 0)
			return builds[i][1];
	if (dot)
		minor = atoi(dot + 1);
	snprintf(guess, sizeof(guess), "%d%c100",
	    major >= 26 ? major - 3 : major + 4, 'A' + (minor & 15));
	return guess;
}

unsigned values_chip_id(struct phone *ph)
{
	return values_model(ph->id.product_type)->chip_id;
}

uint64_t values_ecid(struct phone *ph)
{
	const char *dash = strchr(ph->id.udid, '-');
	unsigned char d[32];
	uint64_t ecid = 0;

	if (dash) /* the second half of the UDID is the ECID */
		return strtoull(dash + 1, NULL, 16);
	phone_derive(ph, "ecid", d);
	for (int i = 0; i < 7; i++)
		ecid = ecid << 8 | d[i];
	return ecid & 0x001fffffffffffff;
}
