// SPDX-License-Identifier: Apache-2.0
// A value of a record into a statement of SQLite's, and out of one: for the batch layer's file and for the rules' database in memory alike.
// Owns nothing. Thread rule: the statement's.
#ifndef WF_MONITORING_CELL_SQLITE_H
#define WF_MONITORING_CELL_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/common/table.h"

// SQLite copies what it keeps of texts and bytes; its code when it can't, and what was to be stored is not.
WEFT_MUST_USE int wf_mon_cell_bind(sqlite3_stmt *st, int at, const struct wf_mon_cell *c);
// Texts and bytes are the statement's until its next step; ptr is never NULL.
void wf_mon_cell_read(sqlite3_stmt *st, int at, struct wf_mon_cell *ret);

#endif
