// SPDX-License-Identifier: Apache-2.0
// What a sender lends to a connection in place of copying it into a message.
#ifndef WF_NET_LENT_H
#define WF_NET_LENT_H

#include "proto/base/bytes.h"

// Bytes that go out in the midst of a message, before its byte `at`, from where they lie. back is called exactly once, when they are not needed any
// more: sent, or given up.
struct wf_net_lent {
    struct wf_bytes bytes;
    size_t at;
    void (*back)(void *arg);
    void *arg;
};

#endif
