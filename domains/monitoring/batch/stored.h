// SPDX-License-Identifier: Apache-2.0
// The database as those see it who only look: status, sql, verify. Its connection can't write (opened read-only, query_only) and never
// checkpoints, so that run stays the one who does. Thread rule: one thread; views live until the next call of the same function.
#ifndef WF_MONITORING_STORED_H
#define WF_MONITORING_STORED_H

#include "domains/monitoring/batch/store.h"

struct wf_mon_db;
// `where` as in wf_mon_store_open. NOT_FOUND, VERSION, DAMAGED, PERMISSION, IO, NOMEM.
WEFT_MUST_USE enum weft_err wf_mon_db_open(
    const char *where, struct wf_mon_db **ret, struct weft_problem *problem);
void wf_mon_db_close(struct wf_mon_db *db);
const char *wf_mon_db_problem(const struct wf_mon_db *db);

// ---- status ------------------------------------------------------------------------------------------------------------------

WEFT_MUST_USE enum weft_err wf_mon_db_beat(struct wf_mon_db *db, struct wf_mon_beat *ret);
// All lines in order of products (malloc'd).
WEFT_MUST_USE enum weft_err wf_mon_db_lines(
    struct wf_mon_db *db, struct wf_mon_line **ret, size_t *ret_count);

// Records that will never come, the newest loss first, at most 500 of them.
struct wf_mon_lost {
    char product[WF_MON_PRODUCT], code[24],
        origin[64]; // origin "": [from, to) are offsets; else seqs of that origin
    uint64_t from, to;
    int64_t at_ms;
};
typedef void (*wf_mon_loss_fn)(void *arg, const struct wf_mon_lost *l);
WEFT_MUST_USE enum weft_err wf_mon_db_losses(struct wf_mon_db *db, wf_mon_loss_fn fn, void *arg);

// ---- any SELECT ----------------------------------------------------------------------------------------------------------------

// SQL: not a read of tables alone, more than one statement, or it does not parse; the text says which.
WEFT_MUST_USE enum weft_err wf_mon_db_query(struct wf_mon_db *db, const char *sql);
size_t wf_mon_db_columns(const struct wf_mon_db *db);
const char *wf_mon_db_column(const struct wf_mon_db *db, size_t column); // until the next query
// The next row of the query: OK, NOT_FOUND at the end, SQL, IO, DAMAGED.
WEFT_MUST_USE enum weft_err wf_mon_db_step(struct wf_mon_db *db);
void wf_mon_db_cell(struct wf_mon_db *db, size_t column, struct wf_mon_cell *ret);

// ---- proofs --------------------------------------------------------------------------------------------------------------------

struct wf_mon_batch {
    int64_t id, schema;
    const char *product, *batch, *origin, *table;
    uint64_t offset, first_seq, count;
    int64_t kept_from_us; // rows of a time before may have been let go
    const void *header, *payload, *chain;
    size_t header_len, payload_len, chain_len;
};
struct wf_mon_batches {
    const char *product; // NULL: all
    const char *table;   // with `offset`: the batches that say they hold this row
    uint64_t offset;
};
// The batch after id `after`; NOT_FOUND at the end.
WEFT_MUST_USE enum weft_err wf_mon_db_batch(struct wf_mon_db *db,
    const struct wf_mon_batches *which, int64_t after, struct wf_mon_batch *ret);

struct wf_mon_schema {
    const char *hash, *message, *keys;
    const void *set;
    size_t set_len;
};
WEFT_MUST_USE enum weft_err wf_mon_db_schema(
    struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret);
// The column in which a field of this type is kept; NOT_FOUND.
WEFT_MUST_USE enum weft_err wf_mon_db_column_of(struct wf_mon_db *db, const char *table,
    const char *field, enum weft_type type, char ret[WF_MON_NAME]);
// A proven value as this database can keep it: PostgreSQL has no U+0000 in texts. The cell's bytes live until the next call.
WEFT_MUST_USE enum weft_err wf_mon_db_as_stored(struct wf_mon_db *db, struct wf_mon_cell *cell);
// Starts a query (step, cell, column as above) over all columns of the rows of one batch, in order of offsets; _offset is cell 0.
WEFT_MUST_USE enum weft_err wf_mon_db_rows(struct wf_mon_db *db, const char *table, int64_t batch);
// As wf_mon_db_rows: (product, table) of every product.
WEFT_MUST_USE enum weft_err wf_mon_db_tables(struct wf_mon_db *db);
// As wf_mon_db_rows: (_offset, _batch) of rows whose batch is not kept, or is another product's. With an offset: of rows with it alone, and
// also those that their batch does not reach.
WEFT_MUST_USE enum weft_err wf_mon_db_orphans(
    struct wf_mon_db *db, const char *product, const char *table, const uint64_t *offset);

#endif
