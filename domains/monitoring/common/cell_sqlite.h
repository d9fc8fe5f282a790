// SPDX-License-Identifier: Apache-2.0
// A value of a record into a statement of SQLite's, and out of one: for the batch layer's file and for the rules' database in memory alike.
// Owns nothing. Thread rule: the statement's.
#ifndef WF_MONITORING_CELL_SQLITE_H
#define WF_MONITORING_CELL_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/common/table.h"

// Both give SQLite's code when it can't: what was to be stored is not.
// What the cell points to, but for its own digits, stays until the statement has run: SQLite does not copy it.
WEFT_MUST_USE int wf_mon_cell_lend(sqlite3_stmt *st, int at, const struct wf_mon_cell *c);
// SQLite copies what it keeps of texts and bytes.
WEFT_MUST_USE int wf_mon_cell_bind(sqlite3_stmt *st, int at, const struct wf_mon_cell *c);
// Texts and bytes are the statement's until its next step; ptr is never NULL.
void wf_mon_cell_read(sqlite3_stmt *st, int at, struct wf_mon_cell *ret);

#endif
