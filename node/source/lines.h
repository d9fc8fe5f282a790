// SPDX-License-Identifier: Apache-2.0
// Lines of a source into records (docs/internals/sources.md). Pure but for memory: bytes in, a Records payload out.
#ifndef WF_NODE_SOURCE_LINES_H
#define WF_NODE_SOURCE_LINES_H

#include "proto/schema/schema.h"
#include "proto/stream/batch.h"
#include "proto/stream/records.h"

#define WF_SOURCE_LINE_MAX (256u * 1024u)

struct wf_lines {
    // What the product permits, set by the owner: without keys (events, metrics) there is no @op.
    const char *const *keys;
    size_t key_count;
    struct wf_buf partial; // a line whose end has not come
    bool skipping;         // it was too long: drop up to its end
    uint64_t lines, refused;
    char last_error[256];
    // What was read since the last wf_lines_clear
    struct wf_buf raw, scratch;
    int64_t base_us;
    uint32_t count;
};

void wf_lines_fini(struct wf_lines *l);
// Takes bytes; each whole line becomes a record of m, or is refused singly (counted, named in last_error). Stops taking when the payload reaches
// `enough` bytes and returns in *ret_taken how many bytes were used. NOMEM.
WF_MUST_USE enum weft_err wf_lines_feed(struct wf_lines *l, const struct wf_schema_message *m,
    struct wf_bytes in, int64_t now_us, size_t enough, size_t *ret_taken);
void wf_lines_clear(struct wf_lines *l);
void wf_lines_trim(struct wf_lines *l); // gives back memory that holds nothing

#endif
