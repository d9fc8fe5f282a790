// SPDX-License-Identifier: Apache-2.0
// A small file of text that one process writes again and again and others read: no database, so none that is locked or away keeps it from
// being written. The writer holds a lock on it as long as it lives, so a file without one tells of a process that ended.
// Thread rule: one thread each.
#ifndef WF_MONITORING_SLATE_H
#define WF_MONITORING_SLATE_H

#include <stdbool.h>

#include <weft/weft.h>

#define WF_MON_SLATE                                                                               \
    2048u // bytes of one, written in one go: a reader finds all of the old text or all of the new one

// Creates or takes over the file (0600) and locks it. IN_USE: another process writes it; IO, TOO_BIG (the path).
WEFT_MUST_USE enum weft_err wf_mon_slate_create(const char *path, int *ret_fd);
// Text without NUL, at most WF_MON_SLATE - 1 bytes; what is longer is cut.
WEFT_MUST_USE enum weft_err wf_mon_slate_write(int fd, const char *text);
// *ret_alive: its writer lives. NOT_FOUND: there is none; IO.
WEFT_MUST_USE enum weft_err wf_mon_slate_read(
    const char *path, char ret[WF_MON_SLATE + 1], bool *ret_alive);

#endif
