// SPDX-License-Identifier: Apache-2.0
// One inventory's rows on disk. Rows are keyed by (origin, key fields), or by key fields alone when rows are shared; an origin's snapshot
// replaces all of its rows. The fold is written in transactions together with the position it stands for.
// Thread rule: a fold belongs to the loop thread; wf_fold_query opens the file by itself and may run anywhere.
#ifndef WF_NODE_INVENTORY_FOLD_H
#define WF_NODE_INVENTORY_FOLD_H

#include <stdatomic.h>

#include "proto/schema/schema.h"
#include "proto/stream/records.h"
#include "proto/stream/stream.h"
#include "proto/trust/capability.h"
#include "proto/trust/product.h"

struct wf_fold;

struct wf_fold_conf {
    const char *path;
    const struct wf_product *product;        // borrowed during open
    const struct wf_schema_message *message; // borrowed for the fold's life
};
// A file of another schema, version or damaged is deleted and made anew (position 0).
WF_MUST_USE enum weft_err wf_fold_open(
    const struct wf_fold_conf *conf, struct wf_fold **ret, struct wf_diag *diag);
void wf_fold_close(struct wf_fold *f);
// As new: no rows, position 0.
WF_MUST_USE enum weft_err wf_fold_clear(struct wf_fold *f);

// Where the fold stands: one past the last record folded, and in which log.
void wf_fold_position(
    const struct wf_fold *f, struct wf_incarnation *ret_log, uint64_t *ret_offset);
// Records of one entry, in order. Records that do not fit are skipped and counted.
struct wf_fold_entry {
    struct wf_incarnation log_id;
    uint64_t offset;
    int64_t append_ms;
    const char *origin;  // subject
    struct wf_bytes raw; // Records payload
    int64_t base_us;
};
WF_MUST_USE enum weft_err wf_fold_apply(struct wf_fold *f, const struct wf_fold_entry *e);
// An entry without rows for the fold (a loss, a reset, an origin that nobody knows): the fold stands at `end` after it. Never goes back.
void wf_fold_pass(struct wf_fold *f, const struct wf_incarnation *log_id, uint64_t end);
// Makes what was applied visible to queries (one transaction a call of this). Once it failed nothing more is taken: closed and opened again the fold
// stands where the last commit left it.
WF_MUST_USE enum weft_err wf_fold_commit(struct wf_fold *f);

// ---- queries -----------------------------------------------------------------------------------------------------------

struct wf_fold_value {
    enum { WF_CELL_NULL, WF_CELL_INT, WF_CELL_REAL, WF_CELL_TEXT, WF_CELL_BLOB } type;
    int64_t integer;
    double real;
    struct wf_bytes bytes;
};
struct wf_fold_origin {
    const char *origin;
    int64_t last_ms, snapshot_ms;
    uint64_t rows;
};
struct wf_fold_query {
    const char *path, *domain,
        *product; // the view's name is the product's, and that with '_' for '-'
    const char *sql;
    bool limited; // only these columns
    const char *const *columns;
    size_t column_count;
    const struct wf_row_term *rows; // all must hold
    size_t row_count;
    size_t max_rows, max_bytes, skip; // skip: rows already given (continuation)
    int64_t budget_ms;
    int64_t now_unix_ms;
    const atomic_bool *cancelled; // NULL, or looked at while it runs
};
struct wf_fold_result {
    struct wf_arena arena; // owns what follows
    const char **columns;
    size_t column_count, row_count;
    struct wf_fold_value *cells; // row_count * column_count
    bool more;                   // cut at max_rows or max_bytes
    struct wf_fold_origin *origins;
    size_t origin_count;
    struct wf_incarnation log_id;
    uint64_t offset;
};
// SQL (not a single read-only SELECT, or it does not parse: text in diag), COLUMN (a column that is not granted), BUDGET (time, memory),
// TOO_BIG, CANCELLED, NOT_FOUND (no file yet), IO, NOMEM. On success wf_fold_result_fini.
WF_MUST_USE enum weft_err wf_fold_run(
    const struct wf_fold_query *q, struct wf_fold_result *ret, struct wf_diag *diag);
void wf_fold_result_fini(struct wf_fold_result *r);
// TOO_BIG: naming its own parts, the query would grow beyond what preparing it may cost. Part of wf_fold_run.
WF_MUST_USE enum weft_err wf_query_weigh(const char *sql, struct wf_arena *arena);

#endif
