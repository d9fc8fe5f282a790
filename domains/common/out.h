// SPDX-License-Identifier: Apache-2.0
// Rows as proto3 JSON: one object a row, in memory until the whole sample or snapshot is there, so that a collector
// that fails half-way prints nothing. Owns the text and the list of rows. Invariant: between open and close of a row
// the text is a prefix of valid JSON in valid UTF-8. Errors stick: later calls do nothing, wf_out_close_row tells.
// Thread rule: one owner.
#ifndef WF_COMMON_OUT_H
#define WF_COMMON_OUT_H

#include "domains/common/text.h"

struct wf_row {
    size_t start, key_end, end; // in wf_out.ptr: '{', behind the last key field, behind '}'
};

struct wf_out {
    char *ptr;
    size_t len, cap;
    struct wf_row *rows;
    size_t row_count, row_cap;
    struct wf_row row; // the one being written
    enum weft_err err;
};

void wf_out_fini(struct wf_out *o);
// Forgets the rows and keeps the memory.
void wf_out_reset(struct wf_out *o);
// Keeps the rows and no memory beyond them.
void wf_out_fit(struct wf_out *o);

// A row: open, key fields, key_done (inventories only), other fields, close. Names are our own and need no escaping.
void wf_out_open_row(struct wf_out *o);
void wf_out_key_done(struct wf_out *o);
WEFT_MUST_USE enum weft_err wf_out_close_row(struct wf_out *o);

// Strings are cut at WF_HOST_MAX_VALUE; bytes that are no UTF-8 become U+FFFD, as JSON has no bytes.
void wf_out_str(struct wf_out *o, const char *name, struct wf_text value);
void wf_out_u32(struct wf_out *o, const char *name, uint32_t value);
void wf_out_u64(struct wf_out *o, const char *name,
    uint64_t value); // in quotes, as proto3 JSON has 64-bit integers
void wf_out_double(
    struct wf_out *o, const char *name, double value); // shortest text that reads back as value
void wf_out_bool(struct wf_out *o, const char *name, bool value);
void wf_out_time(struct wf_out *o, const char *name, int64_t unix_ms); // RFC 3339 in UTC
void wf_out_open_list(struct wf_out *o, const char *name);
void wf_out_item(struct wf_out *o, struct wf_text value);
void wf_out_open_item(struct wf_out *o); // an object in a list; ends with wf_out_close_object
void wf_out_close_list(struct wf_out *o);
void wf_out_open_object(struct wf_out *o, const char *name);
void wf_out_close_object(struct wf_out *o);

// As above without a name, for text that is not a row.
void wf_out_raw(struct wf_out *o, const char *text, size_t len);
// "2026-01-31T23:59:59.250Z" of a time in the years 0001 to 9999; earlier and later ones are pulled to that range.
#define WF_OUT_TIME_LEN 96u // more than needed: compilers do not know the ranges of struct tm
void wf_out_time_text(int64_t unix_ms, char out[WF_OUT_TIME_LEN]);

#endif
