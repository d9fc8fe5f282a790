// SPDX-License-Identifier: Apache-2.0
// See monitor_rig.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/domains/monitor_rig.h"
#include "tests/support/support.h"

const char *rig_path(void)
{
    static char path[512];
    static unsigned n;

    snprintf(path, sizeof path, "%s/monitor-%u.db", wf_test_tmpdir(), n++);
    return path;
}

struct fake_product *rig_load(void)
{
    return fake_product("servers/load", WEFT_METRIC, "load1", "weft.test.Load");
}

struct wf_mon_options rig_options(const char *where)
{
    struct wf_mon_options o = { .once = true, .discover_ms = 10000, .most = 20 };
    bool is_pq = wf_mon_store_is_pq(where);

    snprintf(o.db, sizeof o.db, "%s", is_pq ? rig_path() : where);
    o.database = is_pq ? where : NULL;
    return o;
}

struct wf_mon_store *rig_open(const char *where)
{
    struct wf_mon_store *s = NULL;
    struct weft_problem problem = { 0 };

    ck_assert_msg(wf_mon_store_open(where, &s, &problem) == WEFT_OK, "%s", problem.text);
    return s;
}

void rig_run(const char *where)
{
    struct wf_mon_options o = rig_options(where);

    ck_assert_int_eq(wf_mon_cmd_store(&o), 0);
}

const char *rig_ask(const char *path, const char *sql)
{
    static char out[4096];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;

    out[0] = '\0';
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(
        sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
        snprintf(out, sizeof out, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
    return out;
}

long long rig_number(const char *path, const char *sql)
{
    return strtoll(rig_ask(path, sql), NULL, 10);
}

void rig_change(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *problem = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &problem) == SQLITE_OK, "%s: %s", sql, problem);
    ck_assert_msg(
        sqlite3_total_changes(db) > 0 || strncmp(sql, "ALTER", 5) == 0, "%s changed nothing", sql);
    sqlite3_close(db);
}

void rig_store(struct wf_mon_store *s, struct fake_product *p, size_t from, size_t to, bool commit)
{
    struct wf_mon_table *t = NULL;
    struct weft_product *schema = fake_described(p);

    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(s, fake_event(p, from)->product, &t), WEFT_OK);
    for (size_t i = from; i < to; i++) {
        const struct weft_event *e = fake_event(p, i);
        enum weft_err err = e->kind == WEFT_EV_LOSS
                                ? wf_mon_store_loss(s, t, e, 1)
                                : wf_mon_store_records(s, t, schema, e, 1700000000000000);
        ck_assert_msg(!err, "event %zu: %s: %s", i, weft_err_text(err), wf_mon_store_problem(s));
    }
    if (commit)
        ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    else
        wf_mon_store_rollback(s);
    weft_product_free(schema);
}

void rig_see(void *arg, const struct wf_mon_difference *d)
{
    char *out = arg;

    snprintf(out, 400, "%s %lld %s: %s", d->table, d->has_offset ? (long long)d->offset : -1LL,
        d->column, d->text);
}
