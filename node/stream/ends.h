// SPDX-License-Identifier: Apache-2.0
// Where the chains of a product end, gathered from entries' heads: what a mirror, which can't read records, knows of a home that is lost. In the form
// of a checkpoint's marks. Thread rule: whoever has it.
#ifndef WF_NODE_STREAM_ENDS_H
#define WF_NODE_STREAM_ENDS_H

#include "proto/base/bytes.h"
#include "proto/stream/entry.h"

struct wf_ends;
struct wf_home_product;
WF_MUST_USE enum weft_err wf_ends_new(struct wf_ends **ret); // NOMEM
void wf_ends_free(struct wf_ends *e);
// An entry with records, and its opened header. FULL: more origins than a product has.
WF_MUST_USE enum weft_err wf_ends_add(
    struct wf_ends *e, const struct wf_entry *entry, const struct wf_batch_header *h);
WF_MUST_USE enum weft_err wf_ends_pack(const struct wf_ends *e, struct wf_buf *out);
// What another one packed: the later of two ends of a chain counts. DAMAGED, FULL, NOMEM.
WF_MUST_USE enum weft_err wf_ends_merge(struct wf_ends *e, struct wf_bytes packed);
// Certificates that its chains cite, from the i-th chain on; false: there is none.
bool wf_ends_certificate(const struct wf_ends *e, size_t i, struct wf_hash *ret);
// What the product's log lacks of it, and what it was known to lack before, is said by its next reset. e is empty then. NOMEM.
WF_MUST_USE enum weft_err wf_ends_compare(struct wf_ends *e, struct wf_home_product *p);

// What the next reset is to say is on the disk (meta "l-HEX": chains, as marks, and behind which entry), until that reset is: no start in between
// may lose what only mirrors knew. NOSPACE, IO, PERMISSION, NOMEM: it is not.
WF_MUST_USE enum weft_err wf_ends_keep(struct wf_home_product *p);
// At a start, when the log was read. Passed over where the log goes on behind that entry: it was said. DAMAGED, IO, NOMEM: nothing is known of it.
WF_MUST_USE enum weft_err wf_ends_recall(struct wf_home_product *p);
void wf_ends_forget(
    struct wf_home_product *p); // it was said, or is nobody's business here any more

#endif
