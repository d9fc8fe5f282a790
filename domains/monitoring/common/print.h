// SPDX-License-Identifier: Apache-2.0
// Rows on standard output: a table for people, JSON or JSON lines for programs. Rows leave as they come; a table is laid out by its
// first WF_MON_LAYOUT_ROWS rows. Thread rule: one owner.
#ifndef WF_MONITORING_PRINT_H
#define WF_MONITORING_PRINT_H

#include "domains/monitoring/common/table.h"

enum wf_mon_format { WF_MON_AS_TABLE = 0, WF_MON_AS_JSON, WF_MON_AS_JSONL };
#define WF_MON_LAYOUT_ROWS 500u

struct wf_mon_print;
// `columns` must outlive the printing. `head`: members of the JSON object before "rows", with a comma at the end, or NULL.
struct wf_mon_print *wf_mon_print_new(enum wf_mon_format format, const char *schema,
    const char *head, const char *const *columns, size_t count);
// The next cell; a row ends with its last column.
void wf_mon_print_cell(struct wf_mon_print *p, const struct wf_mon_cell *c);
void wf_mon_print_text(struct wf_mon_print *p, const char *text); // "" is NULL
void wf_mon_print_number(struct wf_mon_print *p, int64_t v);
// Ends and releases. IO, NOMEM.
WEFT_MUST_USE enum weft_err wf_mon_print_done(struct wf_mon_print *p);

// A string with quotes and escapes (malloc'd), bytes that are no UTF-8 as U+FFFD. NULL without memory.
char *wf_mon_json_string(const char *s, size_t len);
// "3 s", "5 min", "2 h", "4 d"; "-" for less than nothing.
void wf_mon_ago(int64_t ms, char out[24]);

#endif
