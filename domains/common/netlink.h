// SPDX-License-Identifier: Apache-2.0
// One netlink dump: open, ask, hand every message of the answer to a callback, close. The only caller of libmnl's
// socket functions. Invariant: a dump that the kernel marks as interrupted by a change is asked for again, never used
// in part: `restart` empties what the callback gathered. Blocks at most WF_HOST_NETLINK_MS a message.
#ifndef WF_COMMON_NETLINK_H
#define WF_COMMON_NETLINK_H

#include <libmnl/libmnl.h>

#include "domains/common/collector.h"

struct wf_dump {
    int bus; // NETLINK_ROUTE, NETLINK_SOCK_DIAG
    uint16_t type;
    const void *request; // the header behind struct nlmsghdr
    size_t request_len;
    // Returns WEFT_OK to go on. The message's length is checked against what was received, its content is not.
    enum weft_err (*message)(const struct nlmsghdr *message, void *context);
    void (*restart)(void *context);
    void *context;
};

// SYNTAX for a message longer than what was received, UNSUPPORTED where the kernel does not know the request, TIMEOUT, IO, or what the callback returned.
WEFT_MUST_USE enum weft_err wf_netlink_dump(const struct wf_dump *d);
// The callback's loop alone, over messages in memory: what the fuzzer and the tests drive.
WEFT_MUST_USE enum weft_err wf_netlink_run(const struct wf_dump *d, const void *messages,
    size_t len, unsigned seq, unsigned port, bool *ret_done);

#endif
