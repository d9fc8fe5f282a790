// SPDX-License-Identifier: Apache-2.0
// verify names what was changed behind the monitor's back: a cell, a row, a batch, a schema; and finds nothing where nothing was.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/verify.h"
#include "tests/domains/monitor_rig.h"

struct seen {
    size_t count;
    char first[600]; // "TABLE OFFSET COLUMN: TEXT"
};

static void see(void *arg, const struct wf_mon_difference *d)
{
    struct seen *s = arg;

    if (s->count++ == 0)
        snprintf(s->first, sizeof s->first, "%s %lld %s: %s", d->table,
            d->has_offset ? (long long)d->offset : -1LL, d->column, d->text);
}

static struct wf_mon_proof prove(const char *path, struct wf_mon_verify what, struct seen *seen)
{
    struct wf_mon_db *db = NULL;
    struct wf_mon_proof proof = { 0 };

    *seen = (struct seen){ 0 };
    what.fn = see;
    what.arg = seen;
    ck_assert_int_eq(wf_mon_db_open(path, &db, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
    ck_assert_uint_eq(proof.differences, seen->count);
    wf_mon_db_close(db);
    return proof;
}

// Two products, two schemas, deletes and marks: 2 x 6 x 3 records, then 3 of another schema.
static const char *store_all(void)
{
    const char *path = rig_path();
    struct fake_product *a = rig_load();
    struct fake_product *b =
        fake_product("network/load", WEFT_INVENTORY, "load1", "weft.test.Load");
    struct wf_buf m = { 0 };

    fake_fill(a, 6, 3);
    fake_fill(b, 6, 3);
    fake_schema(b, "load2", "weft.test.Load");
    fake_record(b, WEFT_SNAPSHOT_BEGIN, &m, 5);
    fake_text(&m, 1, "web-0");
    fake_text(&m, 13, "east");
    fake_record(b, WEFT_PUT, &m, 6);
    fake_text(&m, 1, "web-0");
    fake_record(b, WEFT_DELETE, &m, 7);
    fake_batch(b, "web-0", 8);
    wf_buf_fini(&m);
    rig_run(path);
    return path;
}

START_TEST(all_that_was_stored_is_proven)
{
    struct seen seen;
    const char *path = store_all();
    struct wf_mon_proof p = prove(path, (struct wf_mon_verify){ 0 }, &seen);

    ck_assert_msg(seen.count == 0, "%s", seen.first);
    ck_assert_uint_eq(p.batches, 13);
    ck_assert_uint_eq(p.records, 39);
    ck_assert_uint_eq(p.rows, 39);
    p = prove(path, (struct wf_mon_verify){ .product = "servers/load" }, &seen);
    ck_assert_uint_eq(p.rows, 18);
    p = prove(path, (struct wf_mon_verify){ .table = "servers_load", .offset = 4 }, &seen);
    ck_assert_uint_eq(p.batches, 1);
    ck_assert_uint_eq(p.rows, 1);
}
END_TEST

// What somebody with the file could do, and how often and how verify says it.
static const struct {
    const char *change, *says;
    uint64_t count;
} changes[] = {
    { "UPDATE servers_load SET load = 77 WHERE _offset = 4",
        "servers_load 4 load: stored 77, proven 1.125", 1 },
    { "UPDATE servers_load SET host = 'web-9' WHERE _offset = 0",
        "servers_load 0 host: stored 'web-9', proven 'web-0'", 1 },
    { "UPDATE servers_load SET maybe = 0 WHERE _offset = 5",
        "servers_load 5 maybe: stored 0, proven NULL", 1 },
    { "UPDATE servers_load SET tasks = '101' || '.5' WHERE _offset = 4",
        "servers_load 4 tasks: stored 101.5, proven 101", 1 },
    { "UPDATE servers_load SET _time = _time + 1 WHERE _offset = 17",
        "servers_load 17 _time: stored 1700000000005003, proven 1700000000005002", 1 },
    { "UPDATE servers_load SET _origin = 'web-1' WHERE _offset = 1",
        "servers_load 1 _origin: stored 'web-1', proven 'web-0'", 1 },
    { "UPDATE servers_load SET _domain = 'network' WHERE _offset = 1",
        "servers_load 1 _domain: stored 'network', proven 'servers'", 1 },
    { "UPDATE network_load SET _op = 'put' WHERE _op = 'delete'",
        "network_load 20 _op: stored 'put', proven 'delete'", 1 },
    { "UPDATE network_load SET zone = 'x' WHERE _offset = 3",
        "network_load 3 zone: stored 'x', proven NULL", 1 },
    { "DELETE FROM servers_load WHERE _offset = 7", "servers_load 7 : the row is missing", 1 },
    { "DELETE FROM servers_load WHERE _offset >= 15", "servers_load 15 : the row is missing", 3 },
    { "UPDATE servers_load SET _offset = 100 WHERE _offset = 17",
        "servers_load 17 : the row is missing", 2 },
    { "INSERT INTO servers_load(_offset, _batch) SELECT 99, id FROM _batch WHERE product = "
      "'servers/load' AND \"offset\" = 0",
        "servers_load 99 : a row that no record stands behind", 1 },
    { "INSERT INTO servers_load(_offset, _batch, load) VALUES(50, 999, 1)",
        "servers_load 50 _batch: a row without a batch: 999 is not one of servers/load", 1 },
    { "DELETE FROM _batch WHERE product = 'servers/load' AND \"offset\" = 3",
        "servers_load 3 _batch: a row without a batch", 3 },
    { "UPDATE _batch SET header = CAST(replace(CAST(header AS TEXT), 'web-0', 'web-2') AS "
      "BLOB) WHERE product = 'servers/load' AND \"offset\" = 0",
        "servers_load -1 : not proven: the header's signature", 1 },
    { "UPDATE _batch SET payload = CAST(replace(CAST(payload AS TEXT), 'web', 'wep') AS BLOB) "
      "WHERE product = 'servers/load' AND \"offset\" = 0",
        "servers_load -1 : not proven: the stored bytes", 1 },
    { "UPDATE _batch SET header = NULL WHERE product = 'servers/load' AND \"offset\" = 0",
        "servers_load -1 : its header is not kept", 1 },
    { "UPDATE _batch SET origin = 'web-7' WHERE product = 'servers/load' AND \"offset\" = 0",
        "servers_load -1 _batch.origin: stored 'web-7', proven 'web-0'", 1 },
    { "UPDATE _batch SET count = 99 WHERE product = 'servers/load' AND \"offset\" = 15",
        "servers_load -1 _batch.first_seq: stored 99 records", 1 },
    { "UPDATE _batch SET product = 'servers/load' WHERE product = 'network/load' AND "
      "\"offset\" = 0",
        "servers_load -1 _batch.product (domain): stored 'servers', proven 'network'", 4 },
    { "UPDATE _chain SET bytes = CAST('chain of x' AS BLOB)", "servers_load -1 : not proven", 13 },
    { "DELETE FROM _schema WHERE id = (SELECT schema FROM _batch WHERE product = "
      "'network/load' AND \"offset\" = 18)",
        "network_load -1 : its schema", 1 },
    { "UPDATE _schema SET descriptor = (SELECT descriptor FROM _schema ORDER BY id DESC LIMIT "
      "1) WHERE id = (SELECT min(id) FROM _schema)",
        "_load -1 : its schema is not the kept one", 12 },
    { "UPDATE _schema SET message = 'weft.test.Other'", "_load -1 : its schema: ", 13 },
    { "DELETE FROM _columns WHERE tbl = 'servers_load' AND col = 'up'",
        "servers_load -1 up: the table has no column for this field", 24 },
};

START_TEST(every_change_is_named)
{
    struct seen seen;

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        fake_reset();
        const char *path = store_all();
        rig_change(path, changes[i].change);
        struct wf_mon_proof p = prove(path, (struct wf_mon_verify){ 0 }, &seen);
        ck_assert_msg(
            strstr(seen.first, changes[i].says) != NULL, "%s\n%s", changes[i].change, seen.first);
        ck_assert_msg(p.differences == changes[i].count, "%s\n%s\n%llu", changes[i].change,
            seen.first, (unsigned long long)p.differences);
    }
}
END_TEST

START_TEST(a_column_added_by_hand_is_not_trusted)
{
    const char *path = store_all();
    struct seen seen;

    rig_change(path, "ALTER TABLE servers_load ADD COLUMN verdict TEXT");
    prove(path, (struct wf_mon_verify){ 0 }, &seen);
    ck_assert_uint_eq(seen.count, 0);
    rig_change(path, "UPDATE servers_load SET verdict = 'good' WHERE _offset = 2");
    prove(path, (struct wf_mon_verify){ 0 }, &seen);
    ck_assert_str_eq(seen.first, "servers_load 2 verdict: stored 'good', proven NULL");
}
END_TEST

START_TEST(one_row_is_judged_alone)
{
    const char *path = store_all();
    struct seen seen;

    rig_change(path, "UPDATE servers_load SET load = 77 WHERE _offset = 4");
    prove(path, (struct wf_mon_verify){ .table = "servers_load", .offset = 5 }, &seen);
    ck_assert_uint_eq(seen.count, 0);
    prove(path, (struct wf_mon_verify){ .table = "servers_load", .offset = 4 }, &seen);
    ck_assert_uint_eq(seen.count, 1);
    prove(path, (struct wf_mon_verify){ .product = "network/load" }, &seen);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

START_TEST(the_command_exits_with_its_verdict)
{
    const char *path = store_all();
    struct wf_mon_options o = rig_options(path);

    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    o.row = "servers_load:4";
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    o.row = "servers_load:4444";
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
    o.row = "servers_load";
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 64);
    o.row = NULL;
    rig_change(path, "DELETE FROM servers_load WHERE _offset = 7");
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
    o.format = WF_MON_AS_JSON;
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
    snprintf(o.db, sizeof o.db, "/nonexistent/monitor.db");
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
}
END_TEST

START_TEST(sql_reads_and_nothing_else)
{
    static const struct {
        const char *sql;
        int status;
    } rows[] = {
        { "SELECT host, load FROM servers_load ORDER BY _time", 0 },
        { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT "
          "sum(i) FROM n;",
            0 },
        { "SELECT * FROM servers_load WHERE load > 1e9", 0 },
        { "DELETE FROM servers_load", 65 },
        { "UPDATE _batch SET count = 1", 65 },
        { "CREATE TABLE x(y)", 65 },
        { "ATTACH '/tmp/x.db' AS x", 65 },
        { "PRAGMA query_only = OFF", 65 },
        { "BEGIN IMMEDIATE", 65 },
        { "SELECT load_extension('x')", 65 },
        { "SELECT 1; SELECT 2", 65 },
        { "SELEC 1", 65 },
        { "", 65 },
        { "SELECT * FROM nothing", 65 },
        { "VACUUM INTO '/tmp/x.db'", 65 },
    };
    const char *path = store_all();
    struct wf_mon_options o = rig_options(path);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int format = WF_MON_AS_TABLE; format <= WF_MON_AS_JSONL; format++) {
            o.sql = rows[i].sql;
            o.format = (enum wf_mon_format)format;
            ck_assert_msg(wf_mon_cmd_sql(&o) == rows[i].status, "%s", rows[i].sql);
        }
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM servers_load"), 18);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_verify");
    TCase *c = tcase_create("verify");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 100);
    tcase_add_test(c, all_that_was_stored_is_proven);
    tcase_add_test(c, every_change_is_named);
    tcase_add_test(c, a_column_added_by_hand_is_not_trusted);
    tcase_add_test(c, one_row_is_judged_alone);
    tcase_add_test(c, the_command_exits_with_its_verdict);
    tcase_add_test(c, sql_reads_and_nothing_else);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
