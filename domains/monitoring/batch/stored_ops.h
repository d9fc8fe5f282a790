// SPDX-License-Identifier: Apache-2.0
// The inside of the database as those see it who only look: what a back-end brings to stored.c. See stored.h for what each does.
#ifndef WF_MONITORING_STORED_OPS_H
#define WF_MONITORING_STORED_OPS_H

#include "domains/monitoring/batch/stored.h"

#define WF_MON_SQL_MAX (64u * 1024)

struct wf_mon_db_ops {
    void (*close)(struct wf_mon_db *db);
    // A statement of ours, whose rows are then stepped through; others may be asked meanwhile.
    enum weft_err (*run)(struct wf_mon_db *db, const char *sql);
    enum weft_err (*query)(struct wf_mon_db *db, const char *sql); // one of a user's
    size_t (*columns)(const struct wf_mon_db *db);
    const char *(*column)(const struct wf_mon_db *db, size_t column);
    enum weft_err (*step)(struct wf_mon_db *db);
    void (*cell)(struct wf_mon_db *db, size_t column, struct wf_mon_cell *ret);
    enum weft_err (*batch)(struct wf_mon_db *db, const struct wf_mon_batches *which, int64_t after,
        struct wf_mon_batch *ret);
    enum weft_err (*schema)(struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret);
    enum weft_err (*column_of)(struct wf_mon_db *db, const char *table, const char *field,
        enum weft_type type, char ret[WF_MON_NAME]);
    // May be NULL: what is proven is stored as it is.
    enum weft_err (*as_stored)(struct wf_mon_db *db, struct wf_mon_cell *cell);
    const char *no_holder; // SQL: true for rows s of _status that no living process stores
};

struct wf_mon_db { // the first member of each back-end's own
    const struct wf_mon_db_ops *ops;
    char problem[400];
};

WEFT_MUST_USE enum weft_err wf_mon_sqlite_db_open(
    const char *path, struct wf_mon_db **ret, struct weft_problem *problem);
WEFT_MUST_USE enum weft_err wf_mon_pq_db_open(
    const char *conninfo, struct wf_mon_db **ret, struct weft_problem *problem);

#endif
