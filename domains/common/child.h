// SPDX-License-Identifier: Apache-2.0
// One run of another program for what it prints. Owns the process: it is reaped or killed before the call returns.
// Invariant: no shell, no search path, an empty environment but for LC_ALL and HOME, no inherited descriptor but
// standard error; bounded in bytes and time.
#ifndef WF_COMMON_CHILD_H
#define WF_COMMON_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "domains/common/text.h"

// argv[0] is the absolute path. NOT_FOUND, TIMEOUT after limit_ms, TOO_BIG beyond max, PROVIDER when it ends in any
// other way than with status 0 (whatever it had printed is dropped).
WEFT_MUST_USE enum weft_err wf_child_read(
    const char *const *argv, size_t max, int limit_ms, struct wf_file *ret);

// Waits so long for the end of a child of this process, and takes its status; at once with 0. True when it has ended.
bool wf_child_gone(pid_t pid, int wait_ms);
int64_t wf_monotonic_ms(void);

#endif
