// SPDX-License-Identifier: Apache-2.0
// What every database has to keep, asked of each in the same words: _i = 0 is SQLite, 1 is PostgreSQL.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_ops.h"
#include "domains/monitoring/common/watch.h"
#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"
#include "tests/support/support.h"

#define BACK_ENDS 2

// The first cell as `weft-monitor sql` prints it, '' around texts; "" without rows.
static const char *ask(const char *where, const char *sql)
{
    static char out[2048];
    struct wf_mon_db *db = NULL;
    struct wf_mon_cell cell;
    struct weft_problem problem = { 0 };

    out[0] = '\0';
    ck_assert_msg(wf_mon_db_open(where, &db, &problem) == WEFT_OK, "%s", problem.text);
    ck_assert_msg(wf_mon_db_query(db, sql) == WEFT_OK, "%s: %s", sql, wf_mon_db_problem(db));
    if (wf_mon_db_step(db) == WEFT_OK) {
        wf_mon_db_cell(db, 0, &cell);
        wf_mon_cell_print(&cell, out, sizeof out);
    }
    wf_mon_db_close(db);
    return out;
}

static long long number(const char *where, const char *sql)
{
    return strtoll(ask(where, sql), NULL, 10);
}

// As run does before it reads: the product is this store's.
static bool claim(struct wf_mon_store *s, const char *product)
{
    const struct wf_mon_beat beat = { .pid = 1, .state = "running", .subject = "monitoring/watch" };

    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_beat(s, &beat), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    enum weft_err err = wf_mon_store_claim(s, &product, 1);
    ck_assert_msg(!err, "%s", wf_mon_store_problem(s));
    return wf_mon_store_holds(s, product);
}

// ---- values ------------------------------------------------------------------------------------------------------------

static void full_record(struct wf_buf *m)
{
    static const uint8_t raw[] = { 0, 255 };
    struct wf_buf at = { 0 };

    fake_varint(&at, 1, 1700000000);
    fake_varint(&at, 2, 5000);
    fake_text(m, 1, "web-0");
    fake_double(m, 2, 0.1);
    fake_varint(m, 3, UINT64_MAX);
    fake_varint(m, 4, 1);
    fake_bytes(m, 5, raw, sizeof raw);
    fake_varint(m, 6, 1);
    fake_varint(m, 7, 9); // zigzag -5
    fake_bytes(m, 8, at.ptr, at.len);
    fake_text(m, 9, "a");
    fake_text(m, 9, "b");
    fake_text(m, 11, "noon");
    fake_text(m, 12, "x'y\\\t\"z");
    wf_buf_fini(&at);
}

START_TEST(every_type_is_kept_as_it_is)
{
    static const struct {
        const char *sql, *want;
    } rows[] = {
        { "SELECT host FROM servers_load", "'web-0'" },
        { "SELECT load FROM servers_load", "0.10000000000000001" },
        { "SELECT tasks FROM servers_load", "x'3138343436373434303733373039353531363135'" },
        { "SELECT mood FROM servers_load", "'MOOD_CALM'" },
        { "SELECT raw FROM servers_load", "x'00ff'" },
        { "SELECT up FROM servers_load", "1" },
        { "SELECT delta FROM servers_load", "-5" },
        { "SELECT at FROM servers_load", "1700000000000005" },
        { "SELECT tags FROM servers_load", "'[\"a\",\"b\"]'" },
        { "SELECT maybe FROM servers_load", "NULL" },
        { "SELECT f_time FROM servers_load", "'noon'" },
        { "SELECT \"group\" FROM servers_load", "'x'y\\?\"z'" },
        { "SELECT _time FROM servers_load", "1700000000000123" },
        { "SELECT _domain FROM servers_load", "'servers'" },
        { "SELECT _origin FROM servers_load", "'web-0'" },
        { "SELECT _offset FROM servers_load", "0" },
        { "SELECT _op FROM servers_load", "'put'" },
        { "SELECT unit || role || type FROM _columns WHERE col = 'load'", "'1gaugedouble'" },
        { "SELECT is_key FROM _columns WHERE col = 'host'", "1" },
        { "SELECT count(*) FROM servers_load r JOIN _batch b ON b.id = r._batch", "1" },
    };
    const char *where = pq_rig_place(_i);
    struct fake_product *p = rig_load();
    struct wf_buf m = { 0 };

    full_record(&m);
    fake_record(p, WEFT_PUT, &m, 1700000000000123);
    fake_batch(p, "web-0", 1700000000000);
    rig_run(where);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(strcmp(ask(where, rows[i].sql), rows[i].want) == 0, "%s: %s", rows[i].sql,
            ask(where, rows[i].sql));
    wf_buf_fini(&m);
}
END_TEST

START_TEST(odd_values_stay_provable)
{
    const char *where = pq_rig_place(_i);
    struct fake_product *p = rig_load();
    struct wf_buf m = { 0 };
    static const uint64_t naturals[] = { 0, 1, 9999, 10000, 100000000, INT64_MAX,
        (uint64_t)INT64_MAX + 1, 10000000000000000000u };

    fake_double(&m, 2, NAN);
    fake_varint(&m, 4, 77); // no such name
    fake_record(p, WEFT_PUT, &m, 1);
    fake_double(&m, 2, -INFINITY);
    fake_record(p, WEFT_PUT, &m, 2);
    fake_bytes(&m, 12, "a\0b", 3); // a text with U+0000, which PostgreSQL has not
    fake_double(&m, 2, 5e-324);
    fake_record(p, WEFT_PUT, &m, -7); // before 1970
    for (size_t i = 0; i < sizeof naturals / sizeof *naturals; i++) {
        fake_varint(&m, 3, naturals[i]);
        fake_bytes(&m, 5, "", 0);
        fake_record(p, WEFT_PUT, &m, 10 + (int64_t)i);
    }
    fake_bytes(&m, 1, "\xff", 1); // no UTF-8: does not fit the schema
    fake_record(p, WEFT_PUT, &m, 99);
    fake_batch(p, "web-0", 1);
    rig_run(where);
    ck_assert_str_eq(ask(where, "SELECT host FROM servers_load WHERE _time = 99"), "NULL");
    ck_assert_str_eq(ask(where, "SELECT load FROM servers_load WHERE _time = 1"), "'NaN'");
    ck_assert_str_eq(ask(where, "SELECT mood FROM servers_load WHERE _time = 1"), "'77'");
    ck_assert_str_eq(ask(where, "SELECT load FROM servers_load WHERE _time = 2"), "-inf");
    ck_assert_str_eq(ask(where, "SELECT tasks FROM servers_load WHERE _time = 12"), "9999");
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 12);
    struct wf_mon_options o = rig_options(where);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    wf_buf_fini(&m);
}
END_TEST

// ---- once --------------------------------------------------------------------------------------------------------------

START_TEST(each_record_is_stored_once_however_often_it_runs)
{
    const char *where = pq_rig_place(_i);
    struct fake_product *p = rig_load();

    fake_fill(p, 10, 7);
    fake_loss(p, 70, 90);
    rig_run(where);
    fake_fill(p, 2, 3);
    rig_run(where);
    rig_run(where);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 76);
    ck_assert_int_eq(number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 76);
    ck_assert_int_eq(number(where, "SELECT records FROM _status"), 76);
    ck_assert_int_eq(number(where, "SELECT live + repaired + pulled + history FROM _status"), 76);
    ck_assert_int_eq(number(where, "SELECT sum(records) FROM _origin"), 76);
    static const char *const ways[][2] = { { "live", "live" }, { "repaired", "range" },
        { "pulled", "pull" }, { "history", "history" } };
    for (size_t i = 0; i < 4; i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT sum(count) FROM _batch WHERE way = '%s'", ways[i][1]);
        long long by_way = number(where, sql);
        snprintf(sql, sizeof sql, "SELECT %s FROM _status", ways[i][0]);
        ck_assert_int_gt(by_way, 0);
        ck_assert_int_eq(number(where, sql), by_way);
    }
    ck_assert_str_eq(ask(where, "SELECT state FROM _monitor"), "'stopped'");
    ck_assert_int_eq(number(where, "SELECT lost FROM _status"), 20);
    ck_assert_str_eq(
        ask(where, "SELECT code || \"from\" || '-' || \"to\" FROM _loss"), "'RETENTION70-90'");
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _chain"), 2);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _schema"), 1);
}
END_TEST

START_TEST(what_is_handed_over_again_is_not_doubled)
{
    const char *where = pq_rig_place(_i);
    struct wf_mon_store *s = rig_open(where);
    struct fake_product *p = rig_load();

    fake_fill(p, 3, 4);
    ck_assert(claim(s, "servers/load"));
    rig_store(s, p, 0, 2, true);
    rig_store(s, p, 1, 3, true);
    wf_mon_store_close(s);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 12);
    ck_assert_int_eq(number(where, "SELECT records FROM _status"), 12);
    ck_assert_int_eq(number(where, "SELECT batches FROM _status"), 3);
    ck_assert_int_eq(number(where, "SELECT sum(records) FROM _origin"), 12);
}
END_TEST

START_TEST(a_rollback_forgets_rows_and_cursor_alike)
{
    const char *where = pq_rig_place(_i);
    struct wf_mon_store *s = rig_open(where);
    struct weft_cursor_row *rows = NULL;
    size_t count = 9;
    struct fake_product *p = rig_load();

    fake_fill(p, 4, 3);
    ck_assert(claim(s, "servers/load"));
    rig_store(s, p, 0, 2, false);
    ck_assert_int_eq(wf_mon_store_cursor(s, "servers/load", &rows, &count), WEFT_OK);
    ck_assert_uint_eq(count, 0);
    free(rows);
    if (!wf_mon_store_is_pq(where)) // PostgreSQL has the table since it was claimed
        ck_assert_int_eq(
            rig_number(where, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 's%load'"), 0);
    rig_store(s, p, 0, 3, true);
    rig_store(s, p, 3, 4, false);
    rig_store(s, p, 3, 4, true);
    ck_assert_int_eq(wf_mon_store_cursor(s, "servers/load", &rows, &count), WEFT_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(*(const uint8_t *)rows[0].value, 4);
    free(rows);
    wf_mon_store_close(s);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 12);
    ck_assert_int_eq(number(where, "SELECT records FROM _status"), 12);
}
END_TEST

// ---- schemas -----------------------------------------------------------------------------------------------------------

START_TEST(a_new_schema_adds_columns_within_a_transaction)
{
    const char *where = pq_rig_place(_i);
    struct fake_product *p = rig_load();
    struct wf_buf m = { 0 };

    fake_fill(p, 2, 2);
    fake_schema(p, "load2", "weft.test.Load");
    fake_text(&m, 1, "web-0");
    fake_text(&m, 3, "many");
    fake_text(&m, 13, "east");
    fake_record(p, WEFT_PUT, &m, 9);
    fake_batch(p, "web-0", 9);
    fake_schema(p, "load1", "weft.test.Load");
    fake_fill(p, 1, 1);
    rig_run(where);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 6);
    ck_assert_str_eq(ask(where, "SELECT zone || tasks_2 FROM servers_load WHERE zone IS NOT NULL"),
        "'eastmany'");
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load WHERE tasks IS NULL"), 1);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _schema"), 2);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _columns WHERE field = 'tasks'"), 2);
    struct wf_mon_options o = rig_options(where);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    wf_buf_fini(&m);
}
END_TEST

START_TEST(long_names_and_names_that_meet_have_tables_of_their_own)
{
    static const char *const products[] = {
        "a/a-name-that-goes-on-for-much-longer-than-postgresql-has-room-for-1",
        "a/a-name-that-goes-on-for-much-longer-than-postgresql-has-room-for-2",
        "a/b-c",
        "a-b/c",
    };
    const char *where = pq_rig_place(_i);

    for (size_t i = 0; i < 4; i++)
        fake_fill(fake_product(products[i], WEFT_METRIC, "load1", "weft.test.Load"), 1, 1);
    rig_run(where);
    ck_assert_int_eq(number(where, "SELECT count(DISTINCT tbl) FROM _table"), 4);
    ck_assert_int_eq(number(where, "SELECT sum(records) FROM _status"), 4);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM a_b_c"), 1);
    struct wf_mon_options o = rig_options(where);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
}
END_TEST

// ---- those who look ----------------------------------------------------------------------------------------------------

START_TEST(only_one_select_is_possible)
{
    static const char *const refused[] = { "DELETE FROM servers_load", "DROP TABLE servers_load",
        "SELECT 1; SELECT 2", "", "SELEC 1", "UPDATE _cursor SET value = NULL",
        "CREATE TABLE t(x INTEGER)" };
    const char *where = pq_rig_place(_i);
    struct wf_mon_db *db = NULL;

    fake_fill(rig_load(), 2, 3);
    rig_run(where);
    ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        enum weft_err err = wf_mon_db_query(db, refused[i]);
        ck_assert_msg(err == WEFT_E_SQL, "%s: %d", refused[i], (int)err);
        ck_assert_int_gt((int)strlen(wf_mon_db_problem(db)), 0);
    }
    ck_assert_int_eq(wf_mon_db_query(db, "SELECT * FROM servers_load LIMIT 0"), WEFT_OK);
    ck_assert_uint_gt(wf_mon_db_columns(db), 7);
    ck_assert_int_eq(wf_mon_db_step(db), WEFT_E_NOT_FOUND);
    wf_mon_db_close(db);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 6);
}
END_TEST

START_TEST(late_hosts_are_told_apart_by_their_agents)
{
    const char *where = pq_rig_place(_i);
    struct wf_mon_store *s = rig_open(where);
    struct fake_product *p = rig_load();
    struct wf_mon_table *t = NULL;
    struct wf_mon_late late;

    fake_fill(p, 2, 1); // web-0 and web-1, appended at 1 ms and 2 ms or so
    ck_assert(claim(s, "servers/load"));
    rig_store(s, p, 0, 2, true);
    ck_assert_int_eq(wf_mon_store_table(s, "servers/load", &t), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_late(s, t, INT64_MAX, &late), WEFT_OK);
    ck_assert_uint_eq(late.hosts, 2);
    ck_assert_uint_eq(late.late, 2);
    ck_assert_ptr_nonnull(strstr(late.silent, "web-0"));
    ck_assert_ptr_nonnull(strstr(late.silent, "web-1"));
    ck_assert_int_eq(wf_mon_store_late(s, t, 0, &late), WEFT_OK);
    ck_assert_uint_eq(late.late, 0);
    wf_mon_store_close(s);
}
END_TEST

START_TEST(status_reads_what_the_writer_told)
{
    const char *where = pq_rig_place(_i);
    struct wf_mon_options o = rig_options(where);
    struct fake_product *p = rig_load();

    fake_fill(p, 2, 3);
    fake_state(p, WEFT_STREAM_LIVE, WEFT_OK, "");
    rig_run(where);
    ck_assert_int_eq(wf_mon_cmd_status(&o), 1); // stopped
    ck_assert_str_eq(ask(where, "SELECT state FROM _monitor"), "'stopped'");
    ck_assert_str_eq(ask(where, "SELECT state FROM _status"), "'live'");
    ck_assert_str_eq(ask(where, "SELECT subject FROM _monitor"), "'monitoring/watch'");
}
END_TEST

// ---- backfill ----------------------------------------------------------------------------------------------------------

START_TEST(a_backfill_brings_back_what_is_missing_and_nothing_twice)
{
    const char *where = pq_rig_place(_i);
    struct wf_mon_options o = rig_options(where);
    struct fake_product *p = rig_load();

    fake_fill(p, 8, 5);
    fake_state(p, WEFT_STREAM_LIVE, WEFT_OK, "");
    rig_run(where);
    // A batch is gone, of another one a part, as if a reader had begun inside it, and its middle of a third.
    pq_rig_change(where, "DELETE FROM servers_load WHERE _offset BETWEEN 5 AND 9");
    pq_rig_change(where, "DELETE FROM _batch WHERE \"offset\" = 5");
    pq_rig_change(where, "DELETE FROM servers_load WHERE _offset IN (20, 21)");
    pq_rig_change(where,
        "UPDATE _batch SET \"offset\" = 22, first_seq = first_seq + 2, count = 3 WHERE "
        "\"offset\" = 20");
    pq_rig_change(where, "DELETE FROM servers_load WHERE _offset IN (30, 31, 33, 34)");
    pq_rig_change(where,
        "UPDATE _batch SET \"offset\" = 32, first_seq = first_seq + 2, count = 1 WHERE "
        "\"offset\" = 30");
    pq_rig_change(where, "UPDATE _status SET records = records - 11");
    o.args[0] = "servers/load";
    o.word_count = 1;
    fake_pause = 3; // its owner takes its time, which is no end
    for (int times = 0; times < 2; times++) {
        ck_assert_int_eq(wf_mon_cmd_backfill(&o), 0);
        ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 40);
        ck_assert_int_eq(number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 40);
        ck_assert_int_eq(number(where, "SELECT sum(count) FROM _batch"), 40);
        ck_assert_int_eq(number(where, "SELECT count(*) FROM _batch"), 11);
        ck_assert_int_eq(number(where, "SELECT records FROM _status"), 40);
    }
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
    fake_pause = 0;
    fake_fill(p, 1, 2); // and the storing goes on where it stood
    rig_run(where);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 42);
}
END_TEST

// ---- retention ---------------------------------------------------------------------------------------------------------

static void add(struct fake_product *p, int64_t time_us)
{
    struct wf_buf m = { 0 };

    fake_text(&m, 1, "web-0");
    fake_record(p, WEFT_PUT, &m, time_us);
    wf_buf_fini(&m);
}

START_TEST(what_is_too_old_goes_and_all_else_stays_provable)
{
    const int64_t day = 86400000000, now = wf_mon_unix_ms() * 1000;
    const char *where = pq_rig_place(_i), *name = "servers/load";
    struct fake_product *p = rig_load();
    struct wf_mon_table *t = NULL;
    bool more = true;

    for (int i = 0; i < 3; i++) // a batch that goes whole
        add(p, now - 60 * day);
    fake_batch(p, "web-0", 1);
    add(p, now - 40 * day); // one of which a part goes
    add(p, now - 10 * day);
    fake_batch(p, "web-0", 2);
    add(p, now); // one that stays, but for a clock that was off
    add(p, 77);
    fake_batch(p, "web-0", 3);
    struct wf_mon_store *s = rig_open(where);
    ck_assert(claim(s, name));
    rig_store(s, p, 0, 3, true);
    ck_assert_int_eq(wf_mon_store_table(s, name, &t), WEFT_OK);
    enum weft_err err = wf_mon_store_trim(s, t, now - 30 * day, &more);
    ck_assert_msg(!err, "%s", wf_mon_store_problem(s));
    ck_assert(!more);
    wf_mon_store_close(s);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 2);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _batch"), 2);
    char seen[400] = "";
    struct wf_mon_db *db = NULL;
    struct wf_mon_proof proof = { 0 };
    struct wf_mon_verify what = { .fn = rig_see, .arg = seen };
    ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
    wf_mon_db_close(db);
    ck_assert_msg(proof.differences == 0, "%s", seen);
    ck_assert_uint_eq(proof.let_go, 2);
    pq_rig_change(where, "DELETE FROM servers_load WHERE _offset = 5");
    ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
    wf_mon_db_close(db);
    ck_assert_uint_eq(proof.differences, 1);
    ck_assert_ptr_nonnull(strstr(seen, "servers_load 5 : the row is missing"));
}
END_TEST

START_TEST(what_is_too_old_goes_while_the_store_runs)
{
    const int64_t day = 86400000000, now = wf_mon_unix_ms() * 1000;
    const char *where = pq_rig_place(_i);
    struct wf_mon_options o = rig_options(where);
    struct fake_product *p = rig_load();

    for (int i = 0; i < 5; i++) // a day that goes whole, one that stays, and one batch over both
        add(p, now - 3 * day);
    fake_batch(p, "web-0", 1);
    add(p, now - 3 * day);
    add(p, now);
    fake_batch(p, "web-0", 2);
    o.once = false;
    o.seconds = 3;
    o.keeps[o.keep_count++] = "servers/*=1d";
    for (int run = 0; run == 0 || (run < 8 && number(where, "SELECT count(*) FROM _batch") != 1);
         run++) // a busy machine may need more than three seconds
        ck_assert_int_eq(wf_mon_cmd_store(&o), 0);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 1);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM _batch"), 1);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0); // what was let go is not missed
    o.seconds = 0;
    o.once = true;
    add(p, now);
    fake_batch(p, "web-0", 3);
    ck_assert_int_eq(wf_mon_cmd_store(&o), 0);
    ck_assert_int_eq(number(where, "SELECT count(*) FROM servers_load"), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_backends");
    TCase *c = tcase_create("each");
    int last = BACK_ENDS;

    if (!pq_rig_start())
        return WF_TEST_SKIP;
    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 100);
    tcase_add_loop_test(c, every_type_is_kept_as_it_is, 0, last);
    tcase_add_loop_test(c, odd_values_stay_provable, 0, last);
    tcase_add_loop_test(c, each_record_is_stored_once_however_often_it_runs, 0, last);
    tcase_add_loop_test(c, what_is_handed_over_again_is_not_doubled, 0, last);
    tcase_add_loop_test(c, a_rollback_forgets_rows_and_cursor_alike, 0, last);
    tcase_add_loop_test(c, a_new_schema_adds_columns_within_a_transaction, 0, last);
    tcase_add_loop_test(c, long_names_and_names_that_meet_have_tables_of_their_own, 0, last);
    tcase_add_loop_test(c, only_one_select_is_possible, 0, last);
    tcase_add_loop_test(c, late_hosts_are_told_apart_by_their_agents, 0, last);
    tcase_add_loop_test(c, status_reads_what_the_writer_told, 0, last);
    tcase_add_loop_test(c, what_is_too_old_goes_and_all_else_stays_provable, 0, last);
    tcase_add_loop_test(c, what_is_too_old_goes_while_the_store_runs, 0, last);
    tcase_add_loop_test(c, a_backfill_brings_back_what_is_missing_and_nothing_twice, 0, last);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pq_rig_stop();
    return failed != 0;
}
