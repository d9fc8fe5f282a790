// SPDX-License-Identifier: Apache-2.0
// Answers to mutating requests, kept for a while under (caller, idempotency key): a repeated request gets the first answer and does
// nothing. Owns the packed replies; bounded in count and bytes, the oldest go first. Loop thread only.
#ifndef WF_NODE_REPLAYS_H
#define WF_NODE_REPLAYS_H

#include "proto/base/crypto.h"

#define WF_IDEMPOTENCY_LEN 16u
#define WF_REPLAYS_MAX     4096u
#define WF_REPLAYS_BYTES   (16u * 1024u * 1024u)
#define WF_REPLAYS_MS      600000 // ten minutes; API calls have a durable record of their own (24 h)

struct wf_replays;
WF_MUST_USE enum weft_err wf_replays_new(struct wf_replays **ret);
void wf_replays_free(struct wf_replays *r);

// What this key was used for: NOT_FOUND (go on, then wf_replays_put), RUNNING (still at work), IDEMPOTENCY (another request), OK with
// the packed reply (a view until the next call).
WF_MUST_USE enum weft_err wf_replays_get(struct wf_replays *r, struct wf_bytes caller,
    struct wf_bytes key, const struct wf_hash *request, int64_t now_ms, struct wf_bytes *ret);
// Begins (reply.len == 0) or completes an entry. Without memory nothing is remembered: NOMEM, and the request must not be begun.
WF_MUST_USE enum weft_err wf_replays_put(struct wf_replays *r, struct wf_bytes caller,
    struct wf_bytes key, const struct wf_hash *request, struct wf_bytes reply, int64_t now_ms);
void wf_replays_size(const struct wf_replays *r, size_t *ret_count, size_t *ret_bytes);
void wf_replays_forget(struct wf_replays *r, struct wf_bytes caller, struct wf_bytes key);

#endif
