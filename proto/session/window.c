// SPDX-License-Identifier: Apache-2.0
#include "proto/session/window.h"

_Static_assert(WF_REPLAY_WINDOW % 64 == 0, "the window is whole words");

static size_t slot(uint64_t nonce)
{
    return (size_t)(nonce / 64 % WF_WINDOW_WORDS);
}

enum weft_err wf_window_check(const struct wf_window *w, uint64_t nonce)
{
    if (nonce >= w->next)
        return WEFT_OK;
    if (w->next - nonce > WF_REPLAY_WINDOW)
        return WEFT_E_REPLAY;
    return w->seen[slot(nonce)] >> (nonce % 64) & 1 ? WEFT_E_REPLAY : WEFT_OK;
}

void wf_window_mark(struct wf_window *w, uint64_t nonce)
{
    if (nonce >= w->next) {
        // Words entered for the first time still hold bits of nonces that left the window.
        uint64_t from = w->next ? (w->next - 1) / 64 : 0, words = nonce / 64 - from;
        for (uint64_t i = 1; i <= words && i <= WF_WINDOW_WORDS; i++)
            w->seen[(from + i) % WF_WINDOW_WORDS] = 0;
        w->next = nonce + 1;
    }
    w->seen[slot(nonce)] |= (uint64_t)1 << (nonce % 64);
}
