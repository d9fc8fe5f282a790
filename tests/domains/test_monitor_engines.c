// SPDX-License-Identifier: Apache-2.0
// Engines that speak PostgreSQL's protocol and are in no distribution: what the monitor sends is held to what their documents permit, on a
// real PostgreSQL, and what it recognises them by is made up here.
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/batch/store_pq.h"
#include "domains/monitoring/common/watch.h"
#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"
#include "tests/domains/pq_tap.h"
#include "tests/support/support.h"

// CockroachDB refuses a change of the schema behind a write of the same
// transaction and has no partitions of this kind; YugabyteDB commits each such change by itself. Either is fine with one that comes alone.
static enum { POSTGRESQL, YUGABYTEDB, COCKROACHDB } engine;
const char *__real_PQparameterStatus(const PGconn *c, const char *name);
const char *__wrap_PQparameterStatus(const PGconn *c, const char *name);

const char *__wrap_PQparameterStatus(const PGconn *c, const char *name)
{
    if (engine == COCKROACHDB && strcmp(name, "crdb_version") == 0)
        return "CockroachDB CCL v23.2.0";
    return __real_PQparameterStatus(c, name);
}

static void suit_engine(const PGconn *c, const char *sql)
{
    static const char *const changes[] = { "CREATE ", "ALTER ", "DROP ", "COMMENT " };
    static const char *const unknown[] = { "PARTITION", "pg_inherits", "advisory", "TEMP", "XMIN" };

    if (engine == POSTGRESQL)
        return;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *at = strstr(sql, changes[i]);
        if (!at)
            continue;
        ck_assert_msg(at == sql && !strchr(sql, ';'), "among others: %s", sql);
        ck_assert_msg(PQtransactionStatus(c) == PQTRANS_IDLE, "in a transaction: %s", sql);
    }
    for (size_t i = 0; engine == COCKROACHDB && i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_msg(!strstr(sql, unknown[i]), "unknown there: %s", sql);
}

static void one_record(struct fake_product *p, int64_t time_us)
{
    struct wf_buf m = { 0 };

    fake_text(&m, 1, "web-0");
    fake_record(p, WEFT_PUT, &m, time_us);
    fake_batch(p, "web-0", 1);
    wf_buf_fini(&m);
}

// The whole life of a product: set-up, rows, a new column, retention, proof.
START_TEST(what_is_sent_suits_other_engines)
{
    const char *where = pq_rig_where(), *name = "servers/load";
    const int64_t now_us = wf_mon_unix_ms() * 1000;
    struct fake_product *p = rig_load();
    struct wf_mon_table *t = NULL;
    bool more = true;

    pq_tap_before = suit_engine;
    engine = _i ? COCKROACHDB : YUGABYTEDB;
    one_record(p, now_us - 9 * WF_MON_DAY_US);
    fake_fill(p, 3, 3);
    rig_run(where);
    fake_schema(p, "load2", "weft.test.Load");
    one_record(p, now_us);
    rig_run(where);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 11);
    struct wf_mon_options o = rig_options(where);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    struct wf_mon_store *s = rig_open(where);
    ck_assert_int_eq(wf_mon_store_claim(s, &name, 1), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(s, name, &t), WEFT_OK);
    struct weft_product *schema = fake_described(p);
    ck_assert_int_eq(wf_mon_store_shape(s, t, schema), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_trim(s, t, now_us - WF_MON_DAY_US, &more), WEFT_OK);
    wf_mon_store_close(s);
    weft_product_free(schema);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 1);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    engine = POSTGRESQL;
    ck_assert_str_eq(pq_rig_ask(where,
                         "SELECT relkind::text FROM pg_class WHERE oid = 'servers_load'::regclass"),
        _i ? "r" : "p");
    ck_assert_int_eq(
        pq_rig_number(where, "SELECT count(*) FROM pg_class WHERE relname LIKE '!_probe%' "
                             "ESCAPE '!' AND relnamespace = current_schema()::regnamespace"),
        0);
}
END_TEST

START_TEST(with_timescaledb_a_table_can_become_a_hypertable)
{
    char where[300];
    const char *plain =
        pq_rig_where(); // ends with the schema and an apostrophe; this schema's pg_extension is to go first
    snprintf(where, sizeof where, "%.*s,pg_catalog'", (int)strlen(plain) - 1, plain);
    pq_rig_change(where,
        "CREATE TABLE pg_extension(extname TEXT); INSERT INTO pg_extension VALUES('timescaledb')");
    fake_fill(rig_load(), 3, 3);
    rig_run(where);
    ck_assert_str_eq(pq_rig_ask(where,
                         "SELECT relkind::text FROM pg_class WHERE oid = 'servers_load'::regclass"),
        "r");
    // Each unique index has to have the column that chunks go by.
    ck_assert_int_eq(
        pq_rig_number(where, "SELECT count(*) FROM pg_indexes WHERE tablename = "
                             "'servers_load' AND schemaname = current_schema() AND indexdef "
                             "LIKE '%UNIQUE%' AND indexdef NOT LIKE '%\\_time%'"),
        0);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_engines");
    TCase *c = tcase_create("engines");

    if (!pq_rig_start())
        return WF_TEST_SKIP;
    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 100);
    tcase_add_loop_test(c, what_is_sent_suits_other_engines, 0, 2);
    tcase_add_test(c, with_timescaledb_a_table_can_become_a_hypertable);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pq_rig_stop();
    return failed != 0;
}
