/* The key bag of an encrypted backup, as a disk or a phone says it. The rounds
 * are few: what is looked for is in the parser. */
#include <stdlib.h>

#include "fuzz.h"
#include "keybag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keybag b;

	if (keybag_read(data, size, &b))
		return 0;
	if (b.salt_len == 0 || b.salt_len > KEYBAG_SALT_MAX ||
	    b.first_salt_len > KEYBAG_SALT_MAX || b.iters == 0 ||
	    b.iters > KEYBAG_ITERS_MAX || b.first_iters > KEYBAG_ITERS_MAX)
		abort();
	if (b.iters <= 100 && b.first_iters <= 100 &&
	    keybag_try(&b, "any") == RC_OK)
		abort(); /* by chance: 1 in 2^64 */
	return 0;
}
