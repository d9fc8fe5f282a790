// SPDX-License-Identifier: Apache-2.0
// The accounts of passwd(5) and group(5) as rows of weft.common.v1.User. Pure: text in, rows out. Invariant: an account is in the rows when
// and only when getpwnam(3) of the GNU C library finds it in that file, with the numbers found there: what is missing in a line, and how numbers
// are written, is judged as there, so that nobody hides an account behind a line that looks damaged.
#ifndef WF_COMMON_ACCOUNTS_H
#define WF_COMMON_ACCOUNTS_H

#include "domains/common/out.h"

// TOO_BIG beyond WF_HOST_MAX_ROWS accounts or groups, or WF_HOST_MAX_MEMBERS names in groups; NOMEM.
WEFT_MUST_USE enum weft_err wf_accounts_put(
    struct wf_out *out, struct wf_text passwd, struct wf_text group);

#endif
