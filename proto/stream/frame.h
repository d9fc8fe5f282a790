// SPDX-License-Identifier: Apache-2.0
// Frames: entries and a heartbeat sealed under a product's epoch key (XChaCha20-Poly1305). Owns nothing; keys are borrowed.
// A frame shows version, tag and nonce to those without the key, and its length rounded up to the bucket; nothing else.
// Invariant: a nonce never repeats under one key, because its first 16 bytes are fresh random for each sealer.
// Thread rule: a sealer belongs to one thread at a time; everything else is a function of its arguments.
#ifndef WF_STREAM_FRAME_H
#define WF_STREAM_FRAME_H

#include "proto/stream/stream.h"

#define WF_FRAME_VERSION 1u
#define WF_FRAME_TAG_LEN 8u
#define WF_FRAME_HEAD    (1u + WF_FRAME_TAG_LEN + WF_XNONCE_LEN) // in clear: version, tag, nonce
#define WF_FRAME_BOOT    16u // random bytes of the nonce, fresh at every start

// BLAKE2b-256 keyed with the epoch key over "weft/epoch-commitment/v1" || product id || be64 epoch. Without it a sender
// could show two readers one frame that opens to two contents under two keys: the AEAD does not bind its key.
void wf_epoch_commitment(const struct wf_secret *key, const struct wf_hash *product_id,
    uint64_t epoch, struct wf_hash *ret);
// Is this the key that was committed to? KEY for another length, COMMITMENT when not.
WF_MUST_USE enum weft_err wf_epoch_check(const struct wf_secret *key,
    const struct wf_hash *product_id, uint64_t epoch, const struct wf_hash *commitment);
// First 8 bytes of BLAKE2b-256 keyed with the epoch key over "weft/frame-tag/v1" || product id.
void wf_frame_tag(
    const struct wf_secret *key, const struct wf_hash *product_id, uint8_t out[WF_FRAME_TAG_LEN]);

// What a frame holds, on either side. Views.
struct wf_frame {
    size_t entry_count;
    struct wf_bytes entries[WF_MAX_FRAME_ENTRIES]; // packed Entry messages, consecutive
    struct wf_bytes heartbeat;                     // envelope, or empty
};

// One per product and epoch.
struct wf_frame_sealer {
    const struct wf_secret *key; // borrowed; outlives the sealer
    uint8_t tag[WF_FRAME_TAG_LEN], boot[WF_FRAME_BOOT];
    uint64_t counter; // of the next frame
    size_t bucket;
};
// boot: fresh random bytes for this sealer alone, never kept over a start. Sealed texts are padded to a multiple of bucket
// (1 = none). KEY for a key of another length, RANGE for a bucket of 0 or over WF_MAX_FRAME.
WF_MUST_USE enum weft_err wf_frame_sealer_init(struct wf_frame_sealer *s,
    const struct wf_secret *key, const struct wf_hash *product_id,
    const uint8_t boot[WF_FRAME_BOOT], size_t bucket);
// Appends a frame to out. MISSING_FIELD when there is nothing in it, TOO_BIG over WF_MAX_FRAME or a part's own limit, STATE
// for a spent counter. The counter moves exactly when a nonce was used.
WF_MUST_USE enum weft_err wf_frame_seal(
    struct wf_frame_sealer *s, const struct wf_frame *content, struct wf_buf *out);
// The tag of a frame, before any key: SYNTAX when too short, VERSION for another version, TOO_BIG.
WF_MUST_USE enum weft_err wf_frame_peek(struct wf_bytes frame, uint8_t ret_tag[WF_FRAME_TAG_LEN]);

// Opens into out: the plaintext is appended, and the views point into it until out next grows. As wf_frame_peek, then KEY,
// AEAD when the key is not the one or a byte changed. Of the content (its author holds the key, and is not trusted for
// that): TRUNCATED, TRAILING (padding that is not zero), TOO_BIG, MISSING_FIELD, and the codes of a strict parse.
WF_MUST_USE enum weft_err wf_frame_open(
    struct wf_bytes frame, const struct wf_secret *key, struct wf_buf *out, struct wf_frame *ret);

#endif
