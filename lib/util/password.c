#include "password.h"

#include <string.h>

#include "utf8.h"

bool password_is_fit(const char word[PASSWORD_CAP])
{
	const char *end = memchr(word, '\0', PASSWORD_CAP);

	if (!end)
		return false;
	for (const char *at = word; at < end; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return utf8_is_valid(word, (size_t)(end - word));
}

bool password_change_is_fit(const struct password_change *c)
{
	return password_is_fit(c->old_word) && password_is_fit(c->new_word) &&
	       (c->old_word[0] || c->new_word[0]);
}

void password_wipe(struct password_change *c)
{
	explicit_bzero(c, sizeof(*c));
}

const char *password_did_words(enum password_did did)
{
	switch (did) {
	case PASSWORD_ON:
		return "encrypted backups were switched on";
	case PASSWORD_CHANGED:
		return "the backup password was changed";
	case PASSWORD_OFF:
		return "encrypted backups were switched off";
	case PASSWORD_NOTHING:
	case PASSWORD_DID_COUNT_:
		break;
	}
	return "";
}
