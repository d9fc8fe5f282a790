// SPDX-License-Identifier: Apache-2.0
// weft-monitor sql: one SELECT over what is stored.
#include <stdlib.h>

#include "domains/monitoring/batch/stored.h"
#include "domains/monitoring/common/monitor.h"

static enum weft_err print_rows(
    const struct wf_mon_options *o, struct wf_mon_db *db, const char *const *columns, size_t count)
{
    struct wf_mon_print *p =
        wf_mon_print_new(o->format, "weft.monitor-sql/v1", NULL, columns, count);
    struct wf_mon_cell cell;
    enum weft_err err = p ? WEFT_OK : WEFT_E_NOMEM;

    while (!err) {
        err = wf_mon_db_step(db);
        for (size_t i = 0; i < count && !err; i++) {
            wf_mon_db_cell(db, i, &cell);
            wf_mon_print_cell(p, &cell);
        }
    }
    if (err == WEFT_E_NOT_FOUND) // the end of the rows
        err = WEFT_OK;
    enum weft_err done = wf_mon_print_done(p);
    return err ? err : done;
}

int wf_mon_cmd_sql(const struct wf_mon_options *o)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_db *db = NULL;
    const char **columns = NULL;
    enum weft_err err = wf_mon_db_open(wf_mon_where(o), &db, &problem);

    if (err)
        return wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), "");
    err = wf_mon_db_query(db, o->sql);
    if (!err) {
        size_t count = wf_mon_db_columns(db);
        columns = calloc(count + 1, sizeof *columns);
        err = columns ? WEFT_OK : WEFT_E_NOMEM;
        for (size_t i = 0; i < count && !err; i++)
            columns[i] = wf_mon_db_column(db, i);
        if (!err)
            err = print_rows(o, db, columns, count);
    }
    int status = 0;
    if (err)
        status =
            wf_mon_fail(err, wf_mon_db_problem(db)[0] ? wf_mon_db_problem(db) : weft_err_text(err),
                err == WEFT_E_SQL
                    ? "the tables: weft-monitor sql 'SELECT * FROM _table'; their columns: _columns"
                    : "");
    free(columns);
    wf_mon_db_close(db);
    return status;
}
