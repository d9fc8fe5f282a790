// SPDX-License-Identifier: Apache-2.0
// One message of a sock_diag dump as a row of weft.common.v1.Socket. Apart from the collector so that tests and the
// fuzzer can hand it messages of their own.
#ifndef WF_COMMON_SOCKETS_H
#define WF_COMMON_SOCKETS_H

#include "domains/common/collector.h"

struct nlmsghdr;
struct wf_owners;

struct wf_sockets {
    struct wf_out *out;
    const struct wf_owners *owners;
    size_t rows_before, text_before; // this dump, which may be interrupted and begun again
    uint8_t protocol;                // IPPROTO_TCP, IPPROTO_UDP
    bool listening_only;
};

WEFT_MUST_USE enum weft_err wf_sockets_on_message(const struct nlmsghdr *message, void *sockets);

#endif
