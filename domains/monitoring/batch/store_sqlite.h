// SPDX-License-Identifier: Apache-2.0
// The inside of the store, shared by store_sqlite.c (file and transactions), tables_sqlite.c (products), rows_sqlite.c (what
// arrives) and state_sqlite.c (status).
#ifndef WF_MONITORING_STORE_SQLITE_H
#define WF_MONITORING_STORE_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/batch/store.h"

#define WF_MON_APPLICATION 0x77656674 // "weft", in the file's header
#define WF_MON_VERSION     3
#define WF_MON_FIXED       7 // _time _received _domain _origin _offset _batch _op

// How records of one schema go into the table: made when the schema changes.
struct wf_mon_plan {
    char *hash, *message, *keys; // NULL: no plan
    int64_t schema_id;
    size_t field_count;
    bool *is_key;
    sqlite3_stmt *insert;
};

struct wf_mon_table {
    struct wf_mon_table *next;
    char product[WF_MON_PRODUCT], domain[WF_MON_PRODUCT], name[WF_MON_NAME];
    bool loaded; // name and counts are the database's
    bool dirty;  // counts changed in this transaction
    uint64_t records, batches, live, repaired, pulled, history, lost;
    int64_t last_time_us, last_append_ms, last_received_ms;
    struct wf_mon_plan plan;
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
    WF_MON_SQL_ORIGIN_SET,
    WF_MON_SQL_CURSOR_SET,
    WF_MON_SQL_CURSOR_GET,
    WF_MON_SQL_LOSS_ADD,
    WF_MON_SQL_STATUS_SET,
    WF_MON_SQL_BEAT_SET,
    WF_MON_SQL_LATE_COUNT,
    WF_MON_SQL_LATE_NAMES,
    WF_MON_SQL_AGENT_TABLE,
    WF_MON_SQL_COUNT
};

struct wf_mon_store {
    sqlite3 *db;
    int lock_fd;
    bool open;
    sqlite3_stmt *sql[WF_MON_SQL_COUNT]; // prepared at their first use
    struct wf_mon_table *tables;
    char problem[320];
};

// Notes what SQLite says and gives our code for it.
enum weft_err wf_mon_sqlite_err(struct wf_mon_store *s, int rc, const char *doing);
enum weft_err wf_mon_sqlite_code(int rc);
// A statement, reset and ready to bind. IO, NOMEM, DAMAGED, INTERNAL.
WEFT_MUST_USE enum weft_err wf_mon_sqlite_get(
    struct wf_mon_store *s, enum wf_mon_sql which, sqlite3_stmt **ret);
// Runs a statement that gives no rows, and resets it.
WEFT_MUST_USE enum weft_err wf_mon_sqlite_run(
    struct wf_mon_store *s, sqlite3_stmt *st, const char *doing);
WEFT_MUST_USE enum weft_err wf_mon_sqlite_exec(
    struct wf_mon_store *s, const char *sql, const char *doing);
enum weft_err wf_mon_sqlite_nomem(struct wf_mon_store *s);
// Name and counts of a product as the database has them; nothing when they are known.
WEFT_MUST_USE enum weft_err wf_mon_table_load(struct wf_mon_store *s, struct wf_mon_table *t);
// Counts of tables that this transaction changed.
WEFT_MUST_USE enum weft_err wf_mon_rows_flush(struct wf_mon_store *s);
// After a rollback nothing known of the tables holds.
void wf_mon_rows_forget(struct wf_mon_store *s);
void wf_mon_rows_fini(struct wf_mon_store *s);

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
