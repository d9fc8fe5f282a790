// SPDX-License-Identifier: Apache-2.0
// Inside proto only: how every signed document is opened, how its fields are taken, how one is built. The takers check
// one field each, so that a decoder reads as the list of its rules. Pure; messages live as long as the arena they came from.
#ifndef WF_TRUST_DOC_H
#define WF_TRUST_DOC_H

#include "proto/base/limits.h"
#include "proto/base/pb_v1.h"
#include "proto/trust/ident.h"

// Room for the document's encoding, its message and what the decoder makes of it.
size_t wf_doc_budget(size_t raw_len);

// Reads the envelope, verifies its one signature, decodes the body canonically. The message is in the arena.
WF_MUST_USE enum weft_err wf_doc_open(struct wf_bytes raw, enum wf_doc doc,
    const ProtobufCMessageDescriptor *type, struct wf_arena *arena, struct wf_opened *ret,
    void *ret_message);
// The body's signer is the key that signed: SIGNATURE; MISSING_FIELD when it names none.
WF_MUST_USE enum weft_err wf_doc_signer(ProtobufCBinaryData named, const struct wf_opened *opened);
// Packs the message and seals it; a new buffer. The caller opens it with its own decoder before it hands it out: nothing
// leaves that we would refuse.
WF_MUST_USE enum weft_err wf_doc_seal(
    enum wf_doc doc, const void *message, const struct wf_secret *key, struct wf_buf *ret_envelope);
// Packs a printed thing (ticket, domain, token): a new buffer that never moved, so that wiping it leaves no copy.
WF_MUST_USE enum weft_err wf_doc_pack(const void *message, struct wf_buf *ret_body);

// One field each. MISSING_FIELD when empty; else SYNTAX (hash), KEY (keys: wrong length or zero), NAME, RANGE (times outside
// 0..WF_MAX_TIME_MS), TOO_BIG (text).
WF_MUST_USE enum weft_err wf_take_hash(ProtobufCBinaryData in, struct wf_hash *ret);
WF_MUST_USE enum weft_err wf_take_sign_key(ProtobufCBinaryData in, struct wf_sign_pub *ret);
WF_MUST_USE enum weft_err wf_take_dh_key(ProtobufCBinaryData in, struct wf_dh_pub *ret);
WF_MUST_USE enum weft_err wf_take_name(const char *in, struct wf_name *ret);
WF_MUST_USE enum weft_err wf_take_time(int64_t in, int64_t *ret);
WF_MUST_USE enum weft_err wf_take_text(const char *in, size_t max, bool required);

// Seeds of a member, a ticket, a domain: at most WF_MAX_SEEDS (TOO_BIG), each a good address (SYNTAX) and key;
// room for count at ret.
WF_MUST_USE enum weft_err wf_take_seeds(
    Weft__V1__Seed *const *in, size_t count, struct wf_seed *ret);
// The reverse: pointers to messages in the arena that borrow the seeds.
WF_MUST_USE enum weft_err wf_put_seeds(
    const struct wf_seed *seeds, size_t count, struct wf_arena *arena, Weft__V1__Seed ***ret);

// Is now within [not before, not after), give or take the clock tolerance? NOT_YET, EXPIRED.
WF_MUST_USE enum weft_err wf_check_period(
    int64_t not_before_ms, int64_t not_after_ms, int64_t now_unix_ms);

#endif
