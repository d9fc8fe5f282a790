// SPDX-License-Identifier: Apache-2.0
// What the monitor's tests share: a database below the temporary directory, questions to it, and runs that store all there is.
#ifndef WF_TESTS_MONITOR_RIG_H
#define WF_TESTS_MONITOR_RIG_H

#include <check.h>
#include <sqlite3.h>

#include "domains/monitoring/batch/store.h"
#include "domains/monitoring/batch/verify.h"
#include "domains/monitoring/common/monitor.h"
#include "tests/domains/fake_weft.h"

// A path that no test used before.
const char *rig_path(void);
// The metric that most of them store.
struct fake_product *rig_load(void);
// Options of run --once into a file or a PostgreSQL database.
struct wf_mon_options rig_options(const char *where);
// run --once; asserts that it ends well.
void rig_run(const char *where);
// The database as its writer has it; asserts that it can be had.
struct wf_mon_store *rig_open(const char *where);
// The first cell as text, "" for NULL and without rows; valid until the next call.
const char *rig_ask(const char *path, const char *sql);
long long rig_number(const char *path, const char *sql);
// Changes the database as somebody with the file could.
void rig_change(const char *path, const char *sql);
// Stores events [from, to) of the product in one transaction that is committed or rolled back.
void rig_store(struct wf_mon_store *s, struct fake_product *p, size_t from, size_t to, bool commit);
// For wf_mon_verify.fn: the last difference as "TABLE OFFSET COLUMN: TEXT" into a char[400], offset -1 for none.
void rig_see(void *arg, const struct wf_mon_difference *d);

#endif
