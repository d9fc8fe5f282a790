// SPDX-License-Identifier: Apache-2.0
// Sealed entries: the form in which a mirror holds another's product. The head (place and signed header) is in clear, so that
// signatures and entry hashes can be checked; the payload is sealed under an epoch key, which only the home gives, to readers.
// Invariant: the box is bound to its head, product and epoch; moved to another head it does not open.
// Thread rule: functions of their arguments.
#ifndef WF_STREAM_SEALED_H
#define WF_STREAM_SEALED_H

#include "proto/stream/entry.h"

struct wf_sealed_entry {
    struct wf_bytes head;  // view: an Entry without its payload
    struct wf_entry entry; // the head, parsed; its payload is empty
    uint64_t epoch;        // under whose key the payload is sealed; 0 exactly when there is none
    const uint8_t *nonce;  // WF_XNONCE_LEN; NULL without a box
    struct wf_bytes box;   // stored bytes and tag
};

// Appends a packed entry in its sealed form. Without a payload (reset, loss) key, epoch and nonce are not looked at. nonce: fresh
// random bytes for every call. The codes of wf_entry_parse; KEY for a key of another length, RANGE for epoch 0.
WF_MUST_USE enum weft_err wf_sealed_entry_pack(struct wf_bytes entry,
    const struct wf_hash *product_id, uint64_t epoch, const struct wf_secret *key,
    const uint8_t nonce[WF_XNONCE_LEN], struct wf_buf *out);
// Views into `in`. TOO_BIG, TRUNCATED, SYNTAX (a nonce of another length), NOT_CANONICAL, UNKNOWN_FIELD (a payload in the head, a box
// beside a reset), MISSING_FIELD (no head; one of epoch, nonce, box without the others), and the codes of an entry for the head.
WF_MUST_USE enum weft_err wf_sealed_entry_parse(struct wf_bytes in, struct wf_sealed_entry *ret);
// Does the box go with the opened header? MISSING_FIELD: data without one; UNKNOWN_FIELD: a loss with one; TRUNCATED, TRAILING: of
// another length than the header says.
WF_MUST_USE enum weft_err wf_sealed_entry_fits(
    const struct wf_sealed_entry *s, const struct wf_batch_header *header);
// Appends the packed entry, payload and all. What is sealed is not believed yet: its header is still to be verified and names the
// payload's hash. KEY for a key of another length, AEAD when it is not the one or a byte changed.
WF_MUST_USE enum weft_err wf_sealed_entry_open(const struct wf_sealed_entry *s,
    const struct wf_hash *product_id, const struct wf_secret *key, struct wf_buf *out);

#endif
