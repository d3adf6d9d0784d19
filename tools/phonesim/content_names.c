#include "content_names.h"

#include <stdio.h>
#include <string.h>

#define KIB 1024u
#define MIB (1024u * KIB)

static const char *const words[] = { "archive", "banking", "camera", "chat",
	"cooking", "diary", "fitness", "games", "hiking", "mail", "maps",
	"music", "news", "notes", "parking", "podcast", "radio", "reader",
	"scanner", "shop", "sleep", "tickets", "trains", "travel", "video",
	"wallet", "weather", "yoga" };
#define WORDS (sizeof(words) / sizeof(*words))

static const char *const vendors[] = { "example", "acme", "northwind",
	"bluebird", "lighthouse", "oakwood", "riverside", "sunrise",
	"greenfield", "silverline", "mountain", "harbour", "meadow" };
#define VENDORS (sizeof(vendors) / sizeof(*vendors))

/* Names that people give: both Unicode forms, scripts, more than 16 bits. */
static const char *const titles[] = { "report", "\303\234bersicht",
	"gr\303\266\303\237e", "Zu\314\210rich", "\345\206\231\347\234\237",
	"\343\203\241\343\203\242",
	"\320\267\320\260\320\274\320\265\321\202\320\272\320\270",
	"\331\205\331\204\331\201", "\360\237\217\226\357\270\217 Urlaub",
	"e\314\201te\314\201", "list", "a b  c", "50% off",
	"\355\225\234\352\270\200" };
#define TITLES (sizeof(titles) / sizeof(*titles))

static const char *const extensions[] = { "plist", "sqlite", "json", "pdf",
	"txt", "db", "data" };
#define EXTENSIONS (sizeof(extensions) / sizeof(*extensions))

void content_uuid(struct content_rng *r, char out[37])
{
	uint64_t a = content_rng_next(r), b = content_rng_next(r);

	snprintf(out, 37, "%08X-%04X-4%03X-%04X-%012llX", (unsigned)(a >> 32),
	    (unsigned)(a >> 16) & 0xFFFF, (unsigned)a & 0xFFF,
	    0x8000 | (unsigned)(b >> 50),
	    (unsigned long long)(b & 0xFFFFFFFFFFFF));
}

void content_bundle(uint64_t app, char *out, size_t cap)
{
	uint64_t round = app / (WORDS * VENDORS);
	const char *vendor = vendors[app % VENDORS];
	const char *word = words[app % WORDS];

	/* 28 and 13 have no common factor: each pair comes once a round */
	if (round)
		snprintf(out, cap, "com.%s.%s%llu", vendor, word,
		    (unsigned long long)round);
	else
		snprintf(out, cap, "com.%s.%s", vendor, word);
}

/* Many small ones, each doubling as likely as the one before. */
static uint64_t spread(struct content_rng *r, unsigned bits)
{
	uint64_t base = (uint64_t)1 << content_rng_below(r, bits);

	return base + content_rng_below(r, base);
}

static uint64_t between(struct content_rng *r, uint64_t low, uint64_t high)
{
	return low + content_rng_below(r, high - low);
}

static void domain(struct content_name *o, const char *name)
{
	snprintf(o->domain, sizeof(o->domain), "%s", name);
}

/* Cameras count to 999 in a folder. */
static unsigned folder_of(uint64_t n)
{
	return (unsigned)(100 + n / 999);
}

static unsigned shot_of(uint64_t n)
{
	return (unsigned)(n % 9999 + 1);
}

static void photo(uint64_t n, struct content_rng *r, struct content_name *o)
{
	const char *ext = n == 0 ? "JPG" : n % 5 == 3 ? "PNG" : "HEIC";

	domain(o, "CameraRollDomain");
	o->size = between(r, MIB, 4 * MIB);
	if (n % 60 == 59) {
		ext = "MOV";
		o->size = between(r, 15 * MIB, 90 * MIB);
	}
	snprintf(o->path, sizeof(o->path), "Media/DCIM/%uAPPLE/IMG_%04u.%s",
	    folder_of(n), shot_of(n), ext);
}

static void thumb(uint64_t n, struct content_rng *r, struct content_name *o)
{
	domain(o, "CameraRollDomain");
	o->size = between(r, 8 * KIB, 60 * KIB);
	snprintf(o->path, sizeof(o->path),
	    "Media/PhotoData/Thumbnails/V2/DCIM/%uAPPLE/IMG_%04u.HEIC/5005.JPG",
	    folder_of(n), shot_of(n));
}

static void attachment(
    uint64_t n, struct content_rng *r, struct content_name *o)
{
	char uuid[37];

	content_uuid(r, uuid);
	domain(o, "MediaDomain");
	o->size = between(r, 30 * KIB, 1500 * KIB);
	snprintf(o->path, sizeof(o->path),
	    "Library/SMS/Attachments/%02x/%02u/%s/IMG_%04u.heic",
	    (unsigned)(n * 37 % 256), (unsigned)(n % 16), uuid, shot_of(n));
}

static void preference(
    uint64_t n, struct content_rng *r, struct content_name *o)
{
	domain(o, "HomeDomain");
	o->size = 42 + spread(r, 11);
	o->pclass = 4;
	snprintf(o->path, sizeof(o->path),
	    "Library/Preferences/com.apple.%s%llu.plist", words[n % WORDS],
	    (unsigned long long)(n / WORDS));
}

static void home(uint64_t n, struct content_rng *r, struct content_name *o)
{
	static const char *const places[] = { "UserNotifications", "Mail",
		"Accounts", "Reminders/Container_v1", "Voicemail",
		"PersonalizationPortrait", "SpringBoard", "DataAccess" };
	const char *place = places[n / 12 % 8];

	domain(o, "HomeDomain");
	o->size = content_rng_below(r, 20) ? spread(r, 14) : 0;
	o->pclass = 4;
	snprintf(o->path, sizeof(o->path), "Library/%s/%s-%llu/%s-%llu.%s",
	    place, words[n / 12 % WORDS], (unsigned long long)(n / 12),
	    titles[n % TITLES], (unsigned long long)n,
	    extensions[n % EXTENSIONS]);
}

static void app(uint64_t n, const struct content_scope *s,
    struct content_rng *r, struct content_name *o)
{
	static const char *const places[] = { "Documents", "Library",
		"Library/Application Support", "Library/Preferences",
		"Documents/Inbox", "Library/Cookies",
		"Library/Application Support/Store/v1/a/b/c/d/e/f/g/h/i/j/k" };
	char bundle[100];

	content_bundle(n / 12 % s->apps, bundle, sizeof(bundle));
	snprintf(o->domain, sizeof(o->domain), "AppDomain-%s", bundle);
	o->size = content_rng_below(r, 33) ? spread(r, 17) : 0;
	snprintf(o->path, sizeof(o->path), "%s/%s/%s %llu.%s", places[n % 7],
	    titles[n / 12 % TITLES], titles[n % TITLES], (unsigned long long)n,
	    extensions[n % EXTENSIONS]);
}

static void chat(uint64_t n, struct content_rng *r, struct content_name *o)
{
	char uuid[37];

	content_uuid(r, uuid);
	domain(o, "AppDomainGroup-group.com.bluebird.chat.shared");
	o->size = between(r, 40 * KIB, 400 * KIB);
	snprintf(o->path, sizeof(o->path),
	    "Message/Media/%llu@g.us/%x/%x/%s.jpg",
	    (unsigned long long)(4900000000 + n / 200), (unsigned)uuid[0] % 16,
	    (unsigned)uuid[1] % 16, uuid);
}

static void group(uint64_t n, const struct content_scope *s,
    struct content_rng *r, struct content_name *o)
{
	char bundle[100];

	content_bundle(n / 6 % s->apps, bundle, sizeof(bundle));
	snprintf(
	    o->domain, sizeof(o->domain), "AppDomainGroup-group.%s", bundle);
	o->size = spread(r, 13);
	snprintf(o->path, sizeof(o->path), "Library/%s/%s.%llu.%s",
	    n % 2 ? "Application Support" : "Preferences", bundle,
	    (unsigned long long)n, extensions[n % EXTENSIONS]);
}

static void plugin_domain(uint64_t k, struct content_name *o)
{
	snprintf(o->domain, sizeof(o->domain),
	    "AppDomainPlugin-com.apple.%s.%sExtension%llu", words[k % WORDS],
	    words[k / WORDS % WORDS], (unsigned long long)(k / WORDS / WORDS));
}

static void plugin(uint64_t n, const struct content_scope *s,
    struct content_rng *r, struct content_name *o)
{
	plugin_domain(n % s->plugins, o);
	o->size = between(r, 42, 900);
	snprintf(o->path, sizeof(o->path),
	    "Library/Preferences/settings%llu.plist",
	    (unsigned long long)(n / s->plugins));
}

static void health(uint64_t n, struct content_rng *r, struct content_name *o)
{
	domain(o, "HealthDomain");
	o->size = spread(r, 17);
	o->pclass = n % 4 == 1 ? 2 : 4;
	snprintf(o->path, sizeof(o->path), "Health/Client/%s/%llu.dat",
	    words[n / 10 % WORDS], (unsigned long long)n);
}

void content_name_of(enum content_shape shape, uint64_t n,
    const struct content_scope *scope, struct content_rng *r,
    struct content_name *out)
{
	out->pclass = 3;
	switch (shape) {
	case SHAPE_PHOTO:
		photo(n, r, out);
		break;
	case SHAPE_THUMB:
		thumb(n, r, out);
		break;
	case SHAPE_ATTACHMENT:
		attachment(n, r, out);
		break;
	case SHAPE_PREFERENCE:
		preference(n, r, out);
		break;
	case SHAPE_HOME:
		home(n, r, out);
		break;
	case SHAPE_APP:
		app(n, scope, r, out);
		break;
	case SHAPE_CHAT:
		chat(n, r, out);
		break;
	case SHAPE_GROUP:
		group(n, scope, r, out);
		break;
	case SHAPE_PLUGIN:
		plugin(n, scope, r, out);
		break;
	case SHAPE_HEALTH:
	case SHAPE_COUNT:
		health(n, r, out);
		break;
	}
}

/* ---- single files ---- */

struct single {
	const char *domain, *path;
	uint32_t size;
	int pclass;
};

#define LONG_STEM                                                              \
	"A name as long as file systems let it be, which is 255 bytes, since " \
	"people do name their recordings after everything that was said in "   \
	"them, one after the other, until the keyboard gives up and the "      \
	"phone says that this is enough, thank you, really"

static const struct single plain_singles[] = {
	{ "HomeDomain", "Library/SMS/sms.db", 9 * MIB, 3 },
	{ "HomeDomain", "Library/AddressBook/AddressBook.sqlitedb", MIB, 3 },
	{ "CameraRollDomain", "Media/PhotoData/Photos.sqlite", 12 * MIB, 3 },
	{ "CameraRollDomain", "Media/PhotoData/cpl_enabled_marker", 0, 3 },
	{ "HomeDomain", "Library/Calendar/Calendar.sqlitedb", 700 * KIB, 3 },
	{ "HomeDomain", "Library/Preferences/.GlobalPreferences.plist", 911,
	    4 },
	{ "KeychainDomain", "keychain-backup.plist", 120 * KIB, 4 },
	{ "AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite", 2 * MIB,
	    3 },
	{ "RootDomain", "Library/Preferences/com.apple.MobileBackup.plist", 289,
	    4 },
	{ "WirelessDomain",
	    "Library/Preferences/com.apple.commcenter.data.plist", 3100, 4 },
	{ "SystemPreferencesDomain", "SystemConfiguration/preferences.plist",
	    6200, 4 },
	{ "DatabaseDomain", "com.apple.mobileslideshow.db", 40 * KIB, 4 },
	{ "InstallDomain",
	    "Library/MobileInstallation/BackedUpState/"
	    "SystemAppInstallState.plist",
	    1620, 4 },
	{ "KeyboardDomain", "user-dictionary.db", 16 * KIB, 4 },
	{ "ManagedPreferencesDomain", "mobile/com.apple.managed.plist", 181,
	    4 },
	{ "MediaDomain", "Media/Recordings/CloudRecordings.db", 60 * KIB, 4 },
	{ "TonesDomain", "Library/Ringtones/Ringtones.plist", 350, 4 },
	{ "MobileDeviceDomain", "ProvisioningProfiles/example.mobileprovision",
	    7400, 4 },
	{ "NetworkDomain", "Library/Preferences/networkextension.plist", 880,
	    4 },
	{ "AppDomain-com.example.notes",
	    "Documents/Ferien \303\234bersee/Zu\314\210rich "
	    "\360\237\217\224\357\270\217/\346\227\205\350\241\214.txt",
	    2222, 3 },
	{ "AppDomain-com.example.notes",
	    "Documents/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/deep",
	    77, 3 },
	{ "AppDomain-com.example.notes", "Documents/" LONG_STEM ".m4a", 5 * KIB,
	    3 },
	{ "AppDomain-com.example.notes", "Documents/nothing", 0, 3 },
	{ "AppDomain-com.example.notes", "Documents/exactly a block", 16, 3 },
	{ "AppDomain-com.example.notes", "Documents/exactly a chunk", 262144,
	    3 },
	{ "AppDomain-com.example.notes", "Documents/a chunk and a byte", 262145,
	    3 },
};

static const struct single enc_singles[] = {
	{ "HomeDomain", "Library/CallHistoryDB/CallHistory.storedata",
	    200 * KIB, 4 },
	{ "SystemPreferencesDomain",
	    "SystemConfiguration/com.apple.wifi.known-networks.plist", 9000,
	    4 },
	{ "HomeDomain", "Library/Safari/History.db", 800 * KIB, 4 },
	{ "HealthDomain", "Health/healthdb_secure.sqlite", 3 * MIB, 1 },
	{ "HomeKitDomain", "Library/homed/datastore.sqlite", 90 * KIB, 4 },
};

uint64_t content_single_count(int enc_only)
{
	return enc_only ? sizeof(enc_singles) / sizeof(*enc_singles)
			: sizeof(plain_singles) / sizeof(*plain_singles);
}

void content_single(int enc_only, uint64_t i, struct content_name *out)
{
	const struct single *s = enc_only ? &enc_singles[i] : &plain_singles[i];

	domain(out, s->domain);
	snprintf(out->path, sizeof(out->path), "%s", s->path);
	out->size = s->size;
	out->pclass = s->pclass;
}

/* ---- folders with nothing in them ---- */

int content_skeleton(
    uint64_t n, const struct content_scope *scope, struct content_name *out)
{
	static const char *const places[] = { "", "Library",
		"Library/Preferences", "Documents" };
	uint64_t containers = scope->plugins / 5;
	uint64_t k = n / 4;

	snprintf(out->path, sizeof(out->path), "%s", places[n % 4]);
	if (k < scope->plugins) {
		plugin_domain(k, out);
		return 1;
	}
	k -= scope->plugins;
	if (k >= containers)
		return 0;
	snprintf(out->domain, sizeof(out->domain), "%s.%s%llu",
	    k % 2 ? "SysContainerDomain-com.apple"
		  : "SysSharedContainerDomain-systemgroup.com.apple",
	    words[k % WORDS], (unsigned long long)(k / WORDS));
	return 1;
}
