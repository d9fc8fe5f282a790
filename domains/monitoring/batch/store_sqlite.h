// SPDX-License-Identifier: Apache-2.0
// The inside of the store, shared by store_sqlite.c (file and transactions), tables_sqlite.c (products), rows_sqlite.c (what
// arrives) and state_sqlite.c (status).
#ifndef WF_MONITORING_STORE_SQLITE_H
#define WF_MONITORING_STORE_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/batch/store_ops.h"
#include "domains/monitoring/common/code_sqlite.h"

#define WF_MON_APPLICATION 0x77656674 // "weft", in the file's header
#define WF_MON_VERSION     5

// How records of one schema go into the table: made when the schema changes.
struct wf_mon_plan {
    struct wf_mon_shape shape;
    int64_t schema_id;
    sqlite3_stmt *insert; // NULL: no plan
};

enum wf_mon_sql {
    WF_MON_SQL_TABLE_GET,
    WF_MON_SQL_TABLE_ADD,
    WF_MON_SQL_STATUS_ADD,
    WF_MON_SQL_COUNTS_GET,
    WF_MON_SQL_COUNTS_SET,
    WF_MON_SQL_COLUMN_GET,
    WF_MON_SQL_COLUMN_ADD,
    WF_MON_SQL_SCHEMA_GET,
    WF_MON_SQL_SCHEMA_ADD,
    WF_MON_SQL_CHAIN_GET,
    WF_MON_SQL_CHAIN_ADD,
    WF_MON_SQL_BATCH_ADD,
    WF_MON_SQL_BATCH_PARTS,
    WF_MON_SQL_ORIGIN_SET,
    WF_MON_SQL_CURSOR_SET,
    WF_MON_SQL_CURSOR_GET,
    WF_MON_SQL_LOSS_ADD,
    WF_MON_SQL_STATUS_SET,
    WF_MON_SQL_BEAT_SET,
    WF_MON_SQL_LATE_COUNT,
    WF_MON_SQL_LATE_NAMES,
    WF_MON_SQL_AGENT_TABLE,
    WF_MON_SQL_KEPT_FROM,
    WF_MON_SQL_BATCH_TRIM,
    WF_MON_SQL_COUNT
};

struct wf_mon_sqlite {
    struct wf_mon_store base;
    sqlite3 *db;
    int lock_fd;
    sqlite3_stmt *sql[WF_MON_SQL_COUNT]; // prepared at their first use
};

// The store as what it is: ops lead here from a store that wf_mon_sqlite_open made.
static inline struct wf_mon_sqlite *wf_mon_sqlite(struct wf_mon_store *s)
{
    return (struct wf_mon_sqlite *)s;
}

// Notes what SQLite says and gives our code for it.
enum weft_err wf_mon_sqlite_err(struct wf_mon_store *s, int rc, const char *doing);
// A statement, reset and ready to bind. IO, NOMEM, DAMAGED, INTERNAL.
WEFT_MUST_USE enum weft_err wf_mon_sqlite_get(
    struct wf_mon_store *s, enum wf_mon_sql which, sqlite3_stmt **ret);
// Runs a statement that gives no rows, and resets it.
WEFT_MUST_USE enum weft_err wf_mon_sqlite_run(
    struct wf_mon_store *s, sqlite3_stmt *st, const char *doing);
WEFT_MUST_USE enum weft_err wf_mon_sqlite_exec(
    struct wf_mon_store *s, const char *sql, const char *doing);
// Counts of tables that this transaction changed.
WEFT_MUST_USE enum weft_err wf_mon_sqlite_flush(struct wf_mon_store *s);

// The parts of wf_mon_store_ops.
enum weft_err wf_mon_sqlite_load(struct wf_mon_store *s, struct wf_mon_table *t);
enum weft_err wf_mon_sqlite_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p);
enum weft_err wf_mon_sqlite_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us);
enum weft_err wf_mon_sqlite_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms);
enum weft_err wf_mon_sqlite_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count);
enum weft_err wf_mon_sqlite_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms);
enum weft_err wf_mon_sqlite_beat(struct wf_mon_store *s, const struct wf_mon_beat *beat);
enum weft_err wf_mon_sqlite_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret);
enum weft_err wf_mon_sqlite_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more);
void wf_mon_sqlite_plan_fini(struct wf_mon_plan *p);

static inline void wf_mon_bind_text(sqlite3_stmt *st, int at, const char *s)
{
    sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
}

static inline void wf_mon_bind_blob(sqlite3_stmt *st, int at, const void *ptr, size_t len)
{
    if (len == 0)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_blob64(st, at, ptr, len, SQLITE_STATIC);
}

static inline const char *wf_mon_column_text(sqlite3_stmt *st, int at)
{
    const char *s = (const char *)sqlite3_column_text(st, at);

    return s ? s : "";
}

#endif
