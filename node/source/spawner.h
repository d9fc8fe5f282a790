// SPDX-License-Identifier: Apache-2.0
// The process that starts programs: forked before any thread exists, so that fork and exec are safe for ever. It holds no key, no socket of
// the node, and does three things: start, signal, report the end. One packet a message on a SOCK_SEQPACKET pair.
#ifndef WF_NODE_SOURCE_SPAWNER_H
#define WF_NODE_SOURCE_SPAWNER_H

#include <sys/types.h>

#include "proto/trust/ident.h"

#define WF_SPAWN_MAX  65536u // one start message: arguments and environment
#define WF_SPAWN_ARGS 64u

enum wf_spawn_kind {
    WF_SPAWN_START =
        1, // to the spawner: id, user, arguments, environment; descriptors stdin, stdout, stderr
    WF_SPAWN_SIGNAL = 2, // to the spawner: id, signal
    WF_SPAWN_ENDED =
        3, // from it: id, status (exit status, or 128 + signal, or 127: could not start)
};

struct wf_spawn_head {
    uint32_t kind, id;
    int32_t value; // START: number of arguments; SIGNAL: signal; ENDED: status
    uint32_t env_count;
    uint32_t uid, gid; // START: 0, 0 = our own
};

// Forks it. *ret_fd is our end. `forget` (may be NULL) are the keys that the caller holds: the child wipes its copy first of all.
WF_MUST_USE enum weft_err wf_spawner_fork(struct wf_keys *forget, int *ret_fd, pid_t *ret_pid);
// Hands a program over; the three descriptors are sent, not closed here. Strings follow one another with their NULs.
WF_MUST_USE enum weft_err wf_spawner_start(
    int fd, const struct wf_spawn_head *head, struct wf_bytes strings, const int fds[3]);
WF_MUST_USE enum weft_err wf_spawner_signal(int fd, uint32_t id, int signal);
// One report, without waiting: NOT_FOUND when none is there, CLOSED when the spawner is gone.
WF_MUST_USE enum weft_err wf_spawner_report(int fd, struct wf_spawn_head *ret);

#endif
