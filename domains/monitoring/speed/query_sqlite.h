// SPDX-License-Identifier: Apache-2.0
// The inside of the database in memory, shared by query_sqlite.c (questions) and query_table_sqlite.c (tables).
#ifndef WF_MONITORING_QUERY_SQLITE_H
#define WF_MONITORING_QUERY_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/common/cell_sqlite.h"
#include "domains/monitoring/speed/query.h"

// SQLite's view of the system: no file, and the clock that it is given.
struct wf_query_system {
    sqlite3_vfs vfs; // first: SQLite knows no more of it
    int64_t now_ms;
};

struct wf_query_column {
    char name[WF_MON_NAME];
    char field[WF_MON_NAME]; // whose it is
    const char *type;        // of wf_mon_sql_type, ""
};

struct wf_query_table {
    struct wf_query_table *next;
    unsigned number;
    char product[WF_MON_PRODUCT];
    bool current;
    struct wf_query_column *columns;
    size_t column_count;
    size_t *column_of; // field of a record -> column
    bool *is_key;
    size_t field_count;
    sqlite3_stmt *insert;
    size_t rows;
    int64_t cut_us;
};

struct wf_query {
    struct wf_query_system system;
    struct wf_query_limits limits;
    sqlite3 *db;
    struct wf_query_table *tables;
    unsigned numbers;
    uint64_t pushed; // records that were pushed out
    // The open question.
    sqlite3_stmt *st;
    bool guarded;
    char names[WF_QUERY_USES][WF_MON_NAME]; // of its views
    unsigned numbers_used[WF_QUERY_USES];
    size_t use_count;
    uint64_t steps;
    int64_t began_us, took_us; // of this thread's time
    char denied[160];
    char problem[240];
};

#define WF_QUERY_PAGE 4096u
// A table's own name, which no question has to know: "_weft_7".
#define WF_QUERY_BASE 24u
void wf_query_base(unsigned number, char ret[WF_QUERY_BASE]);
// Keeps what SQLite says. OK of ROW and DONE.
WEFT_MUST_USE enum weft_err wf_query_err(struct wf_query *q, int rc);
// Runs text of ours; NULL (no memory for it) is NOMEM. Releases it with sqlite3_free.
WEFT_MUST_USE enum weft_err wf_query_exec(struct wf_query *q, char *sql);

#endif
