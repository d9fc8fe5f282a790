// SPDX-License-Identifier: Apache-2.0
// The replay window of one direction (RFC 6479): remembers which of the last WF_REPLAY_WINDOW nonces were seen. Check
// before decrypting, mark after: a forged message must not move the window. Thread rule: plain values.
#ifndef WF_SESSION_WINDOW_H
#define WF_SESSION_WINDOW_H

#include "proto/base/bytes.h"
#include "proto/base/limits.h"

// One word more than the window, so that the words of the window's two ends never share a slot.
#define WF_WINDOW_WORDS (WF_REPLAY_WINDOW / 64u + 1u)

struct wf_window {
    uint64_t next; // highest nonce seen + 1; 0 at the start
    uint64_t seen[WF_WINDOW_WORDS];
};

// REPLAY when the nonce was seen or has left the window. Nonces stay below 2^64 - 1.
WF_MUST_USE enum weft_err wf_window_check(const struct wf_window *w, uint64_t nonce);
// For a nonce that passed the check.
void wf_window_mark(struct wf_window *w, uint64_t nonce);

#endif
