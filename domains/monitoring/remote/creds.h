// SPDX-License-Identifier: Apache-2.0
// How this monitor proves to a receiver who it is: a file with one line, "basic USER:PASSWORD" or "bearer TOKEN", that nobody else may read.
// Owns the bytes, which are wiped. Thread rule: one owner.
#ifndef WF_MONITORING_REMOTE_CREDS_H
#define WF_MONITORING_REMOTE_CREDS_H

#include <weft/weft.h>

#define WF_REMOTE_CREDS 4096u // with its NUL

struct wf_remote_creds {
    char text[WF_REMOTE_CREDS];
    const char *user, *password, *bearer; // into it; NULL: not that kind
};
// FILE_MODE: others may read it, or it is another's; CONFIG: not such a line; IO, NOT_FOUND, TOO_BIG. With a text about it.
WEFT_MUST_USE enum weft_err wf_remote_creds_read(
    const char *path, struct wf_remote_creds *ret, struct weft_problem *problem);
// The line alone, in place. False: it is none.
bool wf_remote_creds_parse(struct wf_remote_creds *c);
void wf_remote_creds_wipe(struct wf_remote_creds *c);

#endif
