// SPDX-License-Identifier: Apache-2.0
// A database in memory that rules ask: one table for the recent records of a product, or for the current rows of an inventory, with the columns
// that the batch layer's table of it has. Owns the tables. What asks it can only read, and only what it named; its steps, its memory and the
// length of a value are bounded, and so are the tables: what finds no room pushes out the oldest records, and the table says since when it is
// cut. No file; time is what the caller says it is, also for date('now'). SQLite is spoken in query*_sqlite.c alone.
// Thread rule: one owner; while a question is open SQLite's heap limit holds for the whole process.
#ifndef WF_MONITORING_QUERY_H
#define WF_MONITORING_QUERY_H

#include "domains/monitoring/common/table.h"

#define WF_QUERY_BYTES  (256u * 1024 * 1024) // of all tables
#define WF_QUERY_ROWS   500000u              // of one table
#define WF_QUERY_STEPS  10000000u // of SQLite's machine, for one question: some tenths of a second
#define WF_QUERY_MEMORY (64u * 1024 * 1024) // for one question
#define WF_QUERY_LENGTH (256u * 1024)       // of a value or a row
#define WF_QUERY_TEXT   16384u              // of a question
#define WF_QUERY_USES   8u                  // tables of a question
#define WF_QUERY_FIELDS 512u                // columns of a table

struct wf_query_limits {
    size_t bytes, rows; // 0: the defaults
    uint64_t steps;
    size_t memory, length;
    // Of the processor's time for one question, 0: no bound. Steps are the same on every machine and are what people meet; but one of
    // them may be a function over long texts, which only time bounds.
    int64_t cpu_ms;
};

struct wf_query;
struct wf_query_table;

// NULL without memory.
struct wf_query *wf_query_new(const struct wf_query_limits *limits);
void wf_query_free(struct wf_query *q);
const char *wf_query_problem(const struct wf_query *q); // of the last failure

struct wf_query_field {
    const char *name, *type; // type: of wf_mon_sql_type, NULL: any
    bool key;
};

// A table without fields. `current`: one row for each key and origin, else every record. NOMEM.
WEFT_MUST_USE enum weft_err wf_query_table_new(
    struct wf_query *q, const char *product, bool current, struct wf_query_table **ret);
void wf_query_table_free(struct wf_query *q, struct wf_query_table *t);
// From now on rows have these fields. Columns are added, never taken away: rows that are there keep theirs. TOO_BIG, NOMEM.
WEFT_MUST_USE enum weft_err wf_query_table_fields(struct wf_query *q, struct wf_query_table *t,
    const struct wf_query_field *fields, size_t count);

struct wf_query_row {
    int64_t time_us, received_us;
    const char *domain, *origin;
    uint64_t offset;
    bool deleted;
    const void *arg;
    // One value; its bytes live until the next call.
    enum weft_err (*cell)(const void *arg, size_t field, struct wf_mon_cell *ret);
};
// Puts a record in; of a current table a deletion takes the row out. A record that is there is replaced. FULL: there is no room for it, or it is
// too long; NOMEM.
WEFT_MUST_USE enum weft_err wf_query_put(
    struct wf_query *q, struct wf_query_table *t, const struct wf_query_row *row);
// An origin said all its rows again, from that offset on: those of it that it did not say are gone.
WEFT_MUST_USE enum weft_err wf_query_sweep(
    struct wf_query *q, struct wf_query_table *t, const char *origin, uint64_t from);
// Records that are not newer than that go.
WEFT_MUST_USE enum weft_err wf_query_expire(
    struct wf_query *q, struct wf_query_table *t, int64_t until_us);
size_t wf_query_rows(const struct wf_query_table *t);
// How much of the bounds is used.
struct wf_query_usage {
    size_t bytes, most_bytes; // of all tables
    size_t rows, most_rows;   // of the table that has most
    uint64_t pushed;          // records that left before their time, since the beginning
};
void wf_query_usage(struct wf_query *q, struct wf_query_usage *ret);
// Records up to this time were pushed out for want of room; 0: none.
int64_t wf_query_cut_us(const struct wf_query_table *t);
// "1200..1320 of web-1, 80..200 of web-2 and 3 more": the offsets of what is newer, of one origin or all.
void wf_query_range(struct wf_query *q, const struct wf_query_table *t, const char *origin,
    int64_t after_us, char *out, size_t size);

struct wf_query_ask {
    const char *sql;
    struct {
        const struct wf_query_table *table;
        int64_t after_us; // records that are newer
        const char *name; // of what the table is named after; NULL: its product
    } uses[WF_QUERY_USES];
    size_t use_count;
    int64_t now_ms;
};
struct wf_query_error {
    int at; // byte of the SQL, -1: no place
    char text[240];
};
// SQL: not a SELECT that is permitted; FULL: it takes too much; NOMEM. An open question is ended by wf_query_end, also after a failure.
WEFT_MUST_USE enum weft_err wf_query_begin(
    struct wf_query *q, const struct wf_query_ask *ask, struct wf_query_error *error);
// OK with a row, NOT_FOUND at the end.
WEFT_MUST_USE enum weft_err wf_query_step(struct wf_query *q, struct wf_query_error *error);
size_t wf_query_columns(const struct wf_query *q);
const char *wf_query_column(const struct wf_query *q, size_t column);
void wf_query_cell(struct wf_query *q, size_t column, struct wf_mon_cell *ret);
void wf_query_end(struct wf_query *q);
uint64_t wf_query_steps(const struct wf_query *q); // of the last question
int64_t wf_query_cpu_ms(const struct wf_query *q); // what it took of the processor's time

#endif
