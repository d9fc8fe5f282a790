// SPDX-License-Identifier: Apache-2.0
// What the files of weft subscribe share: the cursor's file, and the lines that are printed.
#ifndef WF_SDK_CLI_SUBSCRIBE_H
#define WF_SDK_CLI_SUBSCRIBE_H

#include "sdk/cli/cli.h"
#include "sdk/client.h"

// ---- subscribe_cursor.c

struct wf_cursor_file_row { // "KEY VALUE" in hex, one a line
    struct wf_buf key, value;
};
struct wf_cursor_file {
    const char *path; // NULL: none is kept
    struct wf_cursor_file_row *rows;
    size_t count;
    bool changed;
};
// libweft's cursor stands between batches. A run that -n ended within one notes how far it printed it in a row of the command's own, so
// that the next one prints the rest of it alone.
WF_MUST_USE enum weft_err wf_cursor_file_part(
    struct wf_cursor_file *f, const char *product, const char *batch, uint64_t next_offset);
// The offset within that batch from which on nothing was printed; 0: all of it is new.
uint64_t wf_cursor_file_printed(
    const struct wf_cursor_file *f, const char *product, const char *batch);
// Exit statuses; what was wrong is told. A file that is not there has no rows.
int wf_cursor_file_load(struct wf_cursor_file *f);
int wf_cursor_file_save(struct wf_cursor_file *f);
WF_MUST_USE enum weft_err wf_cursor_file_put(
    struct wf_cursor_file *f, struct wf_bytes key, struct wf_bytes value);
// The rows as libweft takes them, to be freed; they live as long as the file's.
int wf_cursor_file_views(
    const struct wf_cursor_file *f, struct weft_cursor_row **ret, size_t *ret_count);
void wf_cursor_file_fini(struct wf_cursor_file *f);

// ---- subscribe_print.c: one line each; `line` is used again

// As a source would print it, or with `envelope` the record and all that is known of it.
WF_MUST_USE enum weft_err wf_print_record(struct wf_buf *line, const struct weft_event *e,
    const struct weft_product *product, const struct weft_record *record, bool envelope);
// In place of the records, for programs that read them; and in words, on standard error.
WF_MUST_USE enum weft_err wf_print_loss(struct wf_buf *line, const struct weft_event *e);
void wf_say_loss(const struct weft_event *e);
// On standard error.
void wf_print_subscription_stats(const char *product, const struct weft_stats *s, int64_t now_ms);

#endif
