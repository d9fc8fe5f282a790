// SPDX-License-Identifier: Apache-2.0
// Everything that is wrong with one file, collected before anything is said: `file:line:col: text`, in the file's order.
// Owns its texts. Adding never fails; what no memory or room is left for is counted. Not thread-safe.
#ifndef WF_CONF_DIAGS_H
#define WF_CONF_DIAGS_H

#include "proto/base/bytes.h"

#define WF_MAX_DIAGS 100u // texts kept of one file; further ones are counted

struct wf_diags {
    const char *file; // shown before each line; borrowed
    struct wf_diag *items;
    size_t count, cap;
    size_t dropped;      // beyond WF_MAX_DIAGS
    enum weft_err first; // of the first error added, WEFT_OK when there is none
    bool out_of_memory;  // a text could not be kept: wf_diags_err says NOMEM
};

void wf_diags_init(struct wf_diags *d, const char *file);
void wf_diags_fini(struct wf_diags *d);

// line 0: the whole file is meant. The text has no full stop and no newline.
__attribute__((format(printf, 5, 6))) void wf_diags_add(
    struct wf_diags *d, enum weft_err err, unsigned line, unsigned column, const char *format, ...);

// WEFT_OK when nothing was added, NOMEM when texts were lost, else the code of the first error added.
WF_MUST_USE enum weft_err wf_diags_err(const struct wf_diags *d);
// Sorts by place and appends one line per error.
WF_MUST_USE enum weft_err wf_diags_print(struct wf_diags *d, struct wf_buf *out);

// A word of the file for an error text: quoted, control and non-ASCII bytes as \xHH, cut with "..." after 40 characters.
struct wf_quoted {
    char s[4 * 40 + 8];
};
const char *wf_quote(struct wf_bytes word, struct wf_quoted *ret);

#endif
