// SPDX-License-Identifier: Apache-2.0
// What a log's reset says of what its home had acknowledged and has no more: numbers of chains, by origin. In the form in which it stands
// in the entry: LostRange fields of a LogReset one after another, ascending by origin and incarnation, one encoding each.
// Thread rule: functions of their arguments.
#ifndef WF_STREAM_LOST_H
#define WF_STREAM_LOST_H

#include "proto/stream/stream.h"

struct wf_lost {
    struct wf_sign_pub origin;
    struct wf_incarnation incarnation;
    uint64_t from_seq, to_seq;     // [from_seq, to_seq) of that incarnation
    char subject[WF_MAX_NAME + 1]; // of the origin's certificate, as its home knew it
};
#define WF_LOST_ITEM_MAX (2u + WF_MAX_NAME + 98u) // bytes of one, with tag and length

// Appends one. MISSING_FIELD (no incarnation), SYNTAX (the subject is no name), RANGE (no number between the two), ORDER (not after the
// last one, which *last is; NULL: it is the first), NOMEM.
WF_MUST_USE enum weft_err wf_lost_put(
    struct wf_buf *out, const struct wf_lost *item, const struct wf_lost *last);
// Is it a whole list? TOO_BIG beyond WF_MAX_RESET_LOST, TRUNCATED, SYNTAX, NOT_CANONICAL, UNKNOWN_FIELD, and the codes of wf_lost_put.
WF_MUST_USE enum weft_err wf_lost_check(struct wf_bytes packed);
// Takes the next one off a list that was checked; false at its end.
bool wf_lost_next(struct wf_bytes *packed, struct wf_lost *ret);

#endif
