// SPDX-License-Identifier: Apache-2.0
// Heartbeats: the home's signed word on where a product's log stands, so that a lost tail shows and silence has an age.
// Whether the signer is the home is the caller's question (the lease names its key). Thread rule: functions of arguments.
#ifndef WF_STREAM_HEARTBEAT_H
#define WF_STREAM_HEARTBEAT_H

#include "proto/stream/stream.h"

struct wf_heartbeat {
    struct wf_hash id;                    // of the envelope
    struct wf_hash product_id, head_hash; // head_hash: of the log's last entry
    struct wf_hash commitment;            // to the epoch key; zero exactly when epoch is 0
    uint64_t term;                        // of the home, from 1
    uint64_t head_offset, floor_offset;   // one past the last record; the oldest record kept
    uint64_t epoch, next_epoch;           // next: announced before a rotation, 0 = none
    struct wf_incarnation log_id;
    int64_t time_ms, next_by_ms; // unix; a later heartbeat comes before next_by
    struct wf_sign_pub signer;
    bool stopped;  // the owner stopped or removed the product
    bool stopping; // the home is about to end
};

// Signs fields (id and signer are not read) and appends the envelope. Refuses what wf_heartbeat_open would refuse.
WF_MUST_USE enum weft_err wf_heartbeat_sign(
    const struct wf_heartbeat *fields, const struct wf_secret *home, struct wf_buf *out);
// Verifies under the key it names, canonical, within limits: TOO_BIG, MISSING_FIELD, RANGE, SIGNATURE and the codes of
// envelope and decoding.
WF_MUST_USE enum weft_err wf_heartbeat_open(struct wf_bytes envelope, struct wf_heartbeat *ret);

#endif
