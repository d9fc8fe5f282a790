// SPDX-License-Identifier: Apache-2.0
// What became of each call, on disk. Loop thread only.
#ifndef WF_NODE_PROVIDER_CALLS_H
#define WF_NODE_PROVIDER_CALLS_H

#include "proto/base/crypto.h"

#define WF_CALL_KEY_LEN  16u
#define WF_CALLS_HELD    64u
#define WF_CALLS_KEEP_MS (24 * INT64_C(3600000))

enum wf_call_state { WF_CALL_RUNNING = 1, WF_CALL_DONE, WF_CALL_NOT_DELIVERED, WF_CALL_UNKNOWN };
const char *wf_call_state_name(enum wf_call_state s);

struct wf_call_record {
    uint8_t key[WF_CALL_KEY_LEN];
    uint8_t caller[WF_KEY_LEN]; // who may ask for it again
    struct wf_hash request;     // of product, method and request bytes
    enum wf_call_state state;
    uint32_t code; // enum weft_err of a failed call
    int64_t started_ms, ended_ms;
    char provider[136], error[512];
    struct wf_buf result; // owned
};
void wf_call_record_fini(struct wf_call_record *r);

struct wf_calls;
// Calls that were running when the process died have an unknown outcome from here on.
WF_MUST_USE enum weft_err wf_calls_open(
    const char *path, struct wf_calls **ret, struct wf_diag *diag);
void wf_calls_close(struct wf_calls *c);
// Durable before the provider sees the call. EXISTS when caller and key are known.
WF_MUST_USE enum weft_err wf_calls_begin(struct wf_calls *c, const struct wf_call_record *r);
// What the disk does not take is held in memory, at most WF_CALLS_HELD records, and written by the next prune; told meanwhile like any other.
// An error: it is not held either, and its outcome will be unknown.
WF_MUST_USE enum weft_err wf_calls_end(struct wf_calls *c, const struct wf_call_record *r);
// UNKNOWN_CALL.
WF_MUST_USE enum weft_err wf_calls_get(struct wf_calls *c, const uint8_t caller[WF_KEY_LEN],
    const uint8_t key[WF_CALL_KEY_LEN], struct wf_call_record *ret);
// Writes what is held, and forgets what is older than WF_CALLS_KEEP_MS.
void wf_calls_prune(struct wf_calls *c, int64_t now_unix_ms);
// How many are held: the disk is to be tried again soon.
size_t wf_calls_held(const struct wf_calls *c);

#endif
