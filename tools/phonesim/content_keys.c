/*
 * Passwords and keys of the phone. As on a real one the password lives in the
 * phone's keychain (here: facts), so that only the host's key bags have to be
 * unlocked the slow way. Each password change makes a new bag; a bag's number
 * (its generation) and the phone's seed give all its random parts.
 */
#include <string.h>

#include "content_int.h"

#define PASSWORD_MAX 1024

int content_secret(struct content *c, const char *label, uint64_t a, uint64_t b,
    uint8_t out[CIPHER_KEY])
{
	struct cipher_hash *h = cipher_hash_new(CIPHER_SHA256);
	int rc = -1;

	if (!h)
		return -1;
	if (!cipher_hash_add(h, &c->seed, sizeof(c->seed)) &&
	    !cipher_hash_add(h, label, strlen(label) + 1) &&
	    !cipher_hash_add(h, &a, sizeof(a)) &&
	    !cipher_hash_add(h, &b, sizeof(b)) && !cipher_hash_end(h, out))
		rc = 0;
	cipher_hash_free(h);
	return rc;
}

uint32_t content_key_class(const struct content_item *it)
{
	return it->pclass >= 1 && it->pclass <= 4 ? (uint32_t)it->pclass : 3;
}

static int store_bag(struct content *c, const struct keybag *bag,
    int64_t generation, const char *pw)
{
	uint8_t tlv[KEYBAG_BYTES], keys[KEYBAG_CLASSES][CIPHER_KEY];
	size_t n = keybag_write(bag, tlv, sizeof(tlv));

	if (!n)
		return -1;
	for (unsigned i = 0; i < KEYBAG_CLASSES; i++)
		memcpy(keys[i], bag->classes[i].key, CIPHER_KEY);
	return content_set_fact(c->db, "generation", generation) ||
		       content_set_fact_blob(c->db, "bag", tlv, n) ||
		       content_set_fact_blob(
			   c->db, "keys", keys, sizeof(keys)) ||
		       content_set_fact_blob(
			   c->db, "password", pw ? pw : "", pw ? strlen(pw) : 0)
		   ? -1
		   : 0;
}

int content_keys_make(struct content *c, const char *pw)
{
	int64_t generation = content_fact(c->db, "generation", 0) + 1;
	uint32_t dpic = (uint32_t)content_fact(c->db, "dpic", 0);
	uint32_t iter = (uint32_t)content_fact(c->db, "iter", 0);
	uint8_t secret[CIPHER_KEY];
	struct keybag bag;

	if (content_secret(c, "key bag", (uint64_t)generation, 0, secret) ||
	    keybag_make(&bag, secret, pw, dpic, iter) ||
	    store_bag(c, &bag, generation, pw))
		return -1;
	c->bag = bag;
	c->encrypted = pw != NULL;
	return 0;
}

int content_keys_load(struct content *c)
{
	uint8_t tlv[KEYBAG_BYTES], keys[KEYBAG_CLASSES][CIPHER_KEY];
	char pw[PASSWORD_MAX];
	size_t n = content_fact_blob(c->db, "bag", tlv, sizeof(tlv));

	if (keybag_read(&c->bag, tlv, n) || c->bag.n != KEYBAG_CLASSES ||
	    content_fact_blob(c->db, "keys", keys, sizeof(keys)) !=
		sizeof(keys))
		return -1;
	for (unsigned i = 0; i < KEYBAG_CLASSES; i++)
		memcpy(c->bag.classes[i].key, keys[i], CIPHER_KEY);
	c->bag.open = true;
	c->encrypted = content_fact_blob(c->db, "password", pw, sizeof(pw)) > 0;
	return 0;
}

bool content_is_encrypted(struct content *c)
{
	bool on;

	pthread_mutex_lock(&c->lock);
	on = c->encrypted;
	pthread_mutex_unlock(&c->lock);
	return on;
}

int64_t content_key_generation(struct content *c)
{
	int64_t n;

	pthread_mutex_lock(&c->lock);
	n = content_fact(c->db, "generation", 0);
	pthread_mutex_unlock(&c->lock);
	return n;
}

static bool password_is(struct content *c, const char *pw)
{
	char have[PASSWORD_MAX];
	size_t n = content_fact_blob(c->db, "password", have, sizeof(have));

	return n == strlen(pw) && !memcmp(have, pw, n);
}

int content_change_password(
    struct content *c, const char *old_pw, const char *new_pw)
{
	int rc = -1;

	if (!old_pw)
		old_pw = "";
	if (new_pw && !*new_pw)
		new_pw = NULL;
	if (new_pw && strlen(new_pw) >= PASSWORD_MAX)
		return -1;
	pthread_mutex_lock(&c->lock);
	if (!password_is(c, old_pw))
		rc = 207;
	else if (!content_exec(c->db, "BEGIN IMMEDIATE")) {
		rc = content_keys_make(c, new_pw);
		if (content_exec(c->db, rc ? "ROLLBACK" : "COMMIT"))
			rc = -1;
		if (rc)
			content_keys_load(c);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int content_set_rounds(struct content *c, uint32_t dpic, uint32_t iter)
{
	int rc;

	if (dpic > KEYBAG_MAX_ITERS || iter > KEYBAG_MAX_ITERS)
		return -1;
	pthread_mutex_lock(&c->lock);
	rc = content_set_fact(c->db, "dpic", dpic) ||
		     content_set_fact(c->db, "iter", iter)
		 ? -1
		 : 0;
	pthread_mutex_unlock(&c->lock);
	return rc;
}
