/*
 * From how the device-link ended to why the session ended. Pure.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "dlink.h"
#include "rc.h"
#include "session.h"

/* rc: what dlink_serve() returned. Fills end, rc, mb_code, text and what else
 * `res` knows. */
void verdict_of(
    enum rc rc, const struct dlink_result *res, struct session_result *out);

/* The same of a ChangePassword: the Response alone tells. Sets out->unsure. */
void verdict_of_password(
    enum rc rc, const struct dlink_result *res, struct session_result *out);

/* The code that goes with an end: RC_OK for DONE and NO_LAST_WORD only. */
enum rc verdict_rc(enum session_end end);

#endif
