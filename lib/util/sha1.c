#include "sha1.h"

#include <openssl/sha.h>

enum rc sha1_of(const void *data, size_t len, uint8_t out[SHA1_LEN])
{
	return SHA1(data, len, out) ? RC_OK : RC_BUG;
}
