// SPDX-License-Identifier: Apache-2.0
// The inside of a take-over, shared by its files: takeover.c goes from step to step, takeover_copy.c brings entries and what they cite,
// takeover_check.c judges them, takeover_mirrors.c names what is lost. Loop thread only, but for the check.
#ifndef WF_NODE_STREAM_TAKEOVER_H
#define WF_NODE_STREAM_TAKEOVER_H

#include "node/stream/priv.h"
#include "sdk/link.h"

#define WF_TAKEOVER_MAJORS 16u
#define WF_TAKEOVER_SEEN   1024u

enum wf_takeover_step {
    WF_TAKE_LIST,
    WF_TAKE_DETAIL,
    WF_TAKE_COPY,
    WF_TAKE_FREEZE,
    WF_TAKE_MARKS,
    WF_TAKE_MIRRORS, // of a lost home
    WF_TAKE_CLAIM
};

struct wf_takeover_part { // a major
    struct wf_hash id;
    struct wf_home_product *p; // once its manifest is here
    struct wf_hash manifest;   // that p has, as the old home signed it
    uint64_t head;             // at the old home
    struct wf_hash head_hash;
    struct wf_incarnation log_id;
};

struct wf_takeover_asking { // outlives what asked
    struct wf_takeover *t;
};

struct wf_takeover {
    struct wf_moving *m;
    enum wf_takeover_step step;
    bool frozen; // the old home is
    struct wf_takeover_part parts[WF_TAKEOVER_MAJORS];
    size_t count, at;
    struct wf_takeover_asking *asking;
    struct wf_copy_check *check; // at work, or waiting for its documents
    bool working;                // a worker has the check
    bool little;                 // of the last reply
    struct wf_ends *ends;        // as mirrors told them so far
    struct wf_hash ends_of;
    size_t mirror_at;
    unsigned mirror_parts;
    size_t names_left; // of its chains, when it was asked for them last
    uint64_t mirror_from;
    int64_t due_ms, retry_ms;
    enum weft_err err;
    char why[200];
    struct wf_hash seen[WF_TAKEOVER_SEEN]; // documents that are here, or nowhere
};

// ---- takeover_check.c

// Entries of an old home, judged as a reader would judge them, on a worker.
struct wf_copied {
    struct wf_entry entry; // views into the check's given bytes
    struct wf_batch_header header;
    struct wf_buf raw; // records of an inventory
};
struct wf_copy_check {
    struct wf_job job;     // first
    struct wf_takeover *t; // NULL: it ended
    struct wf_hash product_id;
    bool inventory;
    int64_t now_unix_ms;
    struct wf_given given;
    struct wf_copied *entries;
    size_t count;
    enum weft_err err;
};
// What the reply holds is copied. NOMEM.
WF_MUST_USE enum weft_err wf_copy_check_new(
    const struct wf_home_product *p, const Weft__V1__RangeReply *r, struct wf_copy_check **ret);
// ORDER: it does not continue what is here, or itself; those of entries, headers and payloads.
void wf_copy_check_run(struct wf_copy_check *k);
void wf_copy_check_free(struct wf_copy_check *k);

// ---- takeover.c

// The step was done: the next one at once.
void wf_takeover_go_on(struct wf_takeover *t);
// It is tried again after a growing pause; what and text say why, for people.
void wf_takeover_fail(struct wf_takeover *t, enum weft_err err, const char *what, const char *text);
const char *wf_takeover_text(const Weft__V1__Reply *reply); // of a refusal; NULL
// The part at hand is done: the next one, or after the last `then`.
void wf_takeover_next(struct wf_takeover *t, enum wf_takeover_step then);
// To the old home. In done, the argument leads to the take-over: NULL when it has ended.
void wf_takeover_ask(struct wf_takeover *t, const Weft__V1__Request *q, wf_link_fn done);
// To any node. Unless it is OK, done is not called.
WF_MUST_USE enum weft_err wf_takeover_ask_at(struct wf_takeover *t, const char *domain,
    const char *node, const Weft__V1__Request *q, wf_link_fn done);
void wf_takeover_ask_home(struct wf_takeover *t, Weft__V1__HandoverRequest__Step what,
    const struct wf_hash *product, Weft__V1__RangeRequest *range, wf_link_fn done);
struct wf_takeover *wf_takeover_answered(void *arg);

// ---- takeover_copy.c

void wf_takeover_copy(struct wf_takeover *t); // the part at hand: one request further
bool wf_takeover_has_all(const struct wf_takeover_part *at);
struct wf_known;
// Documents by their hashes, at most WF_MAX_GET, of any node. As wf_takeover_ask_at.
WF_MUST_USE enum weft_err wf_takeover_get_at(struct wf_takeover *t, const struct wf_known *node,
    const struct wf_hash *hashes, size_t count, wf_link_fn done);
void wf_takeover_take_document(struct wf_takeover *t, struct wf_bytes content);
// The schemas that the product had before; asks for those that are not here.
void wf_takeover_earlier(struct wf_takeover *t, const struct wf_collect *c);

// ---- takeover_mirrors.c

void wf_takeover_mirrors(
    struct wf_takeover *t); // the next part of the mirror at hand, or the next mirror

#endif
