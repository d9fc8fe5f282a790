// SPDX-License-Identifier: Apache-2.0
// What run stores: names, types, each record once (also when it is killed at any write), schemas that change, files it refuses.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domains/monitoring/batch/refill.h"
#include "domains/monitoring/batch/store_sqlite.h"
#include "domains/monitoring/common/code_sqlite.h"
#include "domains/monitoring/common/watch.h"
#include "tests/domains/monitor_rig.h"
#include "tests/support/support.h"

// ---- names -------------------------------------------------------------------------------------------------------------

START_TEST(names_are_plain_and_never_reserved)
{
    static const struct {
        const char *from, *table, *why;
    } rows[] = {
        { "servers/cpu", "servers_cpu", "domain and product" },
        { "servers/port-inventory", "servers_port_inventory", "dashes" },
        { "sqlite/stat", "p_sqlite_stat", "SQLite keeps names that begin with sqlite_" },
        { "sqlite-x/y", "p_sqlite_x_y", "the same behind a dash" },
        { "_a/b", "p__a_b", "names with _ first are the monitor's" },
        { "a/b\"c", "a_b_c", "no quote gets into a statement" },
    };
    char name[WF_MON_NAME];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wf_mon_table_name(rows[i].from, name);
        ck_assert_msg(strcmp(name, rows[i].table) == 0, "%s: %s", rows[i].why, name);
    }
    wf_mon_column_name("_time", name);
    ck_assert_str_eq(name, "f_time");
    wf_mon_numbered("load", 3, name);
    ck_assert_str_eq(name, "load_3");
}
END_TEST

// ---- types -------------------------------------------------------------------------------------------------------------

// The key of a row in a rule's window is made of all members: one that stayed from the value before would name another row.
START_TEST(a_cell_holds_nothing_of_the_value_before)
{
    static const struct weft_value values[] = {
        { .type = WEFT_T_INT, .integer = 7 },
        { .type = WEFT_T_DOUBLE, .real = 1.5 },
        { .type = WEFT_T_TEXT, .bytes = { "web", 3 } },
        { 0 },
    };
    struct wf_mon_cell used = { 0 };

    for (size_t i = 0; i < WF_COUNT(values); i++)
        for (size_t k = 0; k < WF_COUNT(values); k++) {
            struct wf_mon_cell fresh = { 0 };
            wf_mon_value_cell(&values[i], &used);
            wf_mon_value_cell(&values[k], &used);
            wf_mon_value_cell(&values[k], &fresh);
            ck_assert_int_eq(used.class, fresh.class);
            ck_assert_int_eq(used.integer, fresh.integer);
            ck_assert(memcmp(&used.real, &fresh.real, sizeof used.real) == 0);
            ck_assert_ptr_eq(used.ptr, fresh.ptr);
            ck_assert_uint_eq(used.len, fresh.len);
        }
}
END_TEST

START_TEST(a_delete_has_its_key_alone_and_marks_have_nothing)
{
    const char *path = rig_path();
    struct fake_product *p =
        fake_product("servers/load", WEFT_INVENTORY, "load1", "weft.test.Load");
    struct wf_buf m = { 0 };

    fake_record(p, WEFT_SNAPSHOT_BEGIN, &m, 1);
    fake_text(&m, 1, "web-0");
    fake_varint(&m, 3, 5);
    fake_record(p, WEFT_DELETE, &m, 2);
    fake_record(p, WEFT_SNAPSHOT_END, &m, 3);
    fake_batch(p, "web-0", 1);
    rig_run(path);
    ck_assert_str_eq(
        rig_ask(path, "SELECT host || coalesce(tasks, '-') FROM servers_load WHERE _op "
                      "= 'delete'"),
        "web-0-");
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM servers_load WHERE host IS NULL AND up "
                                      "IS NULL AND _op LIKE 'snapshot-%'"),
        2);
    wf_buf_fini(&m);
}
END_TEST

// ---- once --------------------------------------------------------------------------------------------------------------

// A file system of SQLite that kills the process at the nth write or sync. The log and the database have methods of their own.
static long writes_left;
static sqlite3_io_methods dying[2];
static const sqlite3_io_methods *real[2];
static sqlite3_vfs dying_vfs, *real_vfs;

static const sqlite3_io_methods *live_or_die(const sqlite3_file *f)
{
    if (writes_left > 0 && --writes_left == 0)
        _exit(99);
    return real[f->pMethods == &dying[1]];
}

static int dying_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return live_or_die(f)->xWrite(f, p, n, at);
}

static int dying_sync(sqlite3_file *f, int flags)
{
    return live_or_die(f)->xSync(f, flags);
}

static int dying_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    int rc = real_vfs->xOpen(real_vfs, name, f, flags, ret_flags);
    size_t which = (flags & SQLITE_OPEN_WAL) != 0;

    (void)vfs;
    if (rc == SQLITE_OK && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) {
        real[which] = f->pMethods;
        dying[which] = *f->pMethods;
        dying[which].xWrite = dying_write;
        dying[which].xSync = dying_sync;
        f->pMethods = &dying[which];
    }
    return rc;
}

static int run_that_dies(const char *path, long nth)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        real_vfs = sqlite3_vfs_find(NULL);
        dying_vfs = *real_vfs;
        dying_vfs.zName = "dying";
        dying_vfs.pNext = NULL;
        dying_vfs.xOpen = dying_open;
        sqlite3_vfs_register(&dying_vfs, 1);
        writes_left = nth;
        struct wf_mon_options o = rig_options(path);
        _exit(wf_mon_cmd_store(&o));
    }
    ck_assert(child > 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_run_killed_at_any_write_loses_nothing_and_doubles_nothing)
{
    struct fake_product *p = rig_load();
    bool whole = false;
    long kills = 0;

    fake_fill(p, 6, 5);
    for (long nth = 1; !whole && nth < 2000; nth += 1 + nth / 16) {
        const char *path = rig_path();
        int status = run_that_dies(path, nth);
        ck_assert_msg(status == 99 || status == 0, "write %ld: exit %d", nth, status);
        whole = status == 0;
        kills += !whole;
        rig_run(path);
        ck_assert_msg(
            rig_number(path, "SELECT count(*) FROM servers_load") == 30, "write %ld", nth);
        ck_assert_int_eq(rig_number(path, "SELECT count(DISTINCT _offset) FROM servers_load"), 30);
        ck_assert_int_eq(rig_number(path, "SELECT records FROM _status"), 30);
        ck_assert_int_eq(rig_number(path, "SELECT sum(count) FROM _batch"), 30);
    }
    ck_assert(whole);
    ck_assert_int_gt(kills, 10);
}
END_TEST

// ---- schemas that change -----------------------------------------------------------------------------------------------

// Steps of SQLite's machine since the last look.
static long long steps_of(struct wf_mon_store *s)
{
    long long steps = 0;

    for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(wf_mon_sqlite(s)->db, st)) != NULL;)
        steps += sqlite3_stmt_status(st, SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

// A plan that walks the product's batches for each new one makes a day's catching up a week's.
START_TEST(a_batch_costs_no_more_because_many_are_stored)
{
    struct fake_product *p = rig_load();
    struct weft_problem problem = { 0 };
    struct wf_mon_store *s = NULL;
    const size_t few = 20, many = 400;

    fake_fill(p, many + few, 1);
    ck_assert_int_eq(wf_mon_store_open(rig_path(), &s, &problem), WEFT_OK);
    rig_store(s, p, 0, few, true); // what is prepared and made once
    (void)steps_of(s);
    rig_store(s, p, few, 2 * few, true);
    long long at_first = steps_of(s);
    rig_store(s, p, 2 * few, many, true);
    (void)steps_of(s);
    rig_store(s, p, many, many + few, true);
    long long at_last = steps_of(s);
    ck_assert_int_gt(at_first, 0);
    ck_assert_msg(at_last < 2 * at_first, "%lld steps, then %lld", at_first, at_last);
    wf_mon_store_close(s);
}
END_TEST

START_TEST(a_product_without_records_has_its_table)
{
    const char *path = rig_path();

    struct fake_product *p = rig_load();
    fake_state(p, WEFT_STREAM_LIVE, WEFT_OK, "");
    rig_run(path);
    ck_assert_int_eq(rig_number(path, "SELECT count(host) FROM servers_load"), 0);
}
END_TEST

// The greeting and 63 batches are what one turn takes at most: behind them nothing makes the descriptor readable.
START_TEST(a_run_whose_last_turn_took_all_it_may_ends_by_itself)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);
    int64_t began_ms = wf_mon_now_ms();

    fake_fill(rig_load(), 63, 2);
    o.seconds = 40;
    ck_assert_int_eq(wf_mon_cmd_store(&o), 0);
    ck_assert_str_eq(rig_ask(path, "SELECT count(*) FROM servers_load"), "126");
    ck_assert_msg(wf_mon_now_ms() - began_ms < 40000, "it ended by --seconds");
}
END_TEST

START_TEST(only_wanted_products_are_stored)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);

    fake_fill(rig_load(), 1, 1);
    fake_fill(fake_product("network/load", WEFT_METRIC, "load1", "weft.test.Load"), 1, 1);
    o.patterns[0] = "net*/lo?d";
    o.pattern_count = 1;
    ck_assert_int_eq(wf_mon_cmd_store(&o), 0);
    ck_assert_str_eq(rig_ask(path, "SELECT group_concat(product) FROM _table"), "network/load");
}
END_TEST

// ---- files -------------------------------------------------------------------------------------------------------------

START_TEST(the_file_is_private_and_has_one_writer)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL, *second = NULL;
    struct weft_problem problem = { 0 };
    struct stat st;

    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(wf_mon_store_open(path, &second, &problem), WEFT_E_IN_USE);
    ck_assert_ptr_nonnull(strstr(problem.text, "another weft-monitor"));
    wf_mon_store_close(s);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_E_FILE_MODE);
    ck_assert_ptr_nonnull(strstr(problem.text, "0600"));
}
END_TEST

START_TEST(other_files_are_refused_and_not_changed)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_store *s = NULL;
    const char *path = rig_path();

    rig_change(path, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_E_VERSION);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM sqlite_schema"), 1);

    path = rig_path();
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 300; i++)
        fputs("this is no database ", f);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_E_DAMAGED);
    ck_assert_int_eq(wf_mon_store_open("/nonexistent/monitor.db", &s, &problem), WEFT_E_IO);
}
END_TEST

START_TEST(a_full_disk_loses_nothing)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL;
    struct wf_mon_table *t = NULL;
    struct fake_product *p = rig_load();
    enum weft_err err = WEFT_OK;

    fake_fill(p, 40, 60);
    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    rig_store(s, p, 0, 2, true);
    struct weft_product *schema = fake_described(p);
    ck_assert_int_eq(
        sqlite3_exec(wf_mon_sqlite(s)->db, "PRAGMA max_page_count = 60", NULL, NULL, NULL),
        SQLITE_OK);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(s, "servers/load", &t), WEFT_OK);
    for (size_t i = 2; i < 40 && !err; i++)
        err = wf_mon_store_records(s, t, schema, fake_event(p, i), 1);
    ck_assert_int_eq(err, WEFT_E_NOSPACE);
    ck_assert(wf_mon_store_may_retry(err));
    ck_assert_ptr_nonnull(strstr(wf_mon_store_problem(s), "full"));
    wf_mon_store_rollback(s);
    ck_assert_int_eq(
        sqlite3_exec(wf_mon_sqlite(s)->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
        SQLITE_OK);
    rig_store(s, p, 2, 40, true);
    weft_product_free(schema);
    wf_mon_store_close(s);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM servers_load"), 2400);
}
END_TEST

START_TEST(a_locked_database_is_busy_and_nothing_happened)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL;
    sqlite3 *other = NULL;

    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_E_BUSY);
    ck_assert(!wf_mon_store_is_open(s));
    ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    sqlite3_close(other);
    wf_mon_store_close(s);
}
END_TEST

// A file system on which waiting costs nothing, and the one who holds the database lets go after a second of it.
static sqlite3 *holder;
static long waited_us;

static int wait_for_holder(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    waited_us += us;
    if (waited_us >= 1000000 && holder) {
        sqlite3_close(holder);
        holder = NULL;
    }
    return us;
}

START_TEST(a_start_waits_for_who_holds_the_file_and_a_change_does_not)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL;
    sqlite3_vfs waiting = *sqlite3_vfs_find(NULL);

    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    wf_mon_store_close(s);
    ck_assert_int_eq(sqlite3_open(path, &holder), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(holder, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE", NULL, NULL, NULL),
        SQLITE_OK);
    waiting.zName = "waiting";
    waiting.pNext = NULL;
    waiting.xSleep = wait_for_holder;
    ck_assert_int_eq(sqlite3_vfs_register(&waiting, 1), SQLITE_OK);
    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    ck_assert_ptr_null(holder);

    waited_us = 0;
    ck_assert_int_eq(sqlite3_open(path, &holder), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_E_BUSY);
    ck_assert_int_lt(waited_us, 1000000);
    sqlite3_close(holder);
    wf_mon_store_close(s);
    sqlite3_vfs_unregister(&waiting);
}
END_TEST

// ---- options -----------------------------------------------------------------------------------------------------------

START_TEST(a_place_is_an_offset_a_time_or_a_time_back)
{
    static const struct {
        const char *text;
        enum weft_from from;
        uint64_t offset;
        int64_t time_ms;
    } rows[] = {
        { "earliest", WEFT_FROM_EARLIEST, 0, 0 },
        { "1042", WEFT_FROM_OFFSET, 1042, 0 },
        { "7d", WEFT_FROM_TIME, 0, 1700000000000 - 7 * 86400000LL },
        { "2h", WEFT_FROM_TIME, 0, 1700000000000 - 2 * 3600000LL },
        { "2026-11-21", WEFT_FROM_TIME, 0, 1795219200000 },
        { "2026-11-21T10:00:00Z", WEFT_FROM_TIME, 0, 1795255200000 },
    };
    static const char *const bad[] = { "", "latest", "-1", "7y", "2026-13-01", "2026-11-21 10:00",
        "0d", "99999999999999999999" };
    struct wf_mon_place place;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(wf_mon_place_parse(rows[i].text, 1700000000000, &place), "%s", rows[i].text);
        ck_assert_int_eq(place.from, rows[i].from);
        if (place.from == WEFT_FROM_OFFSET)
            ck_assert_uint_eq(place.offset, rows[i].offset);
        if (place.from == WEFT_FROM_TIME)
            ck_assert_msg(place.time_ms == rows[i].time_ms, "%s: %lld", rows[i].text,
                (long long)place.time_ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!wf_mon_place_parse(bad[i], 1700000000000, &place), "%s", bad[i]);
}
END_TEST

START_TEST(the_last_word_about_keeping_counts)
{
    static const struct {
        const char *product;
        bool inventory;
        int64_t want;
        const char *why;
    } rows[] = {
        { "network/ports", false, 30 * 86400000000, "the one without a pattern" },
        { "servers/cpu", false, 7 * 86400000000, "its pattern comes later" },
        { "servers/packages", true, 7 * 86400000000, "an inventory that is named" },
        { "network/interfaces", true, 0, "an inventory that nobody named is kept" },
    };
    static const char *const bad[] = { "", "30", "d", "30x", "23h", "0d", "servers/*=", "=30d",
        "-3d", "30dd", "99999999999w" };
    struct wf_mon_options o = { .keeps = { "30d", "servers/*=1w" }, .keep_count = 2 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(wf_mon_keep_us(&o, rows[i].product, rows[i].inventory) == rows[i].want, "%s",
            rows[i].why);
    o.keep_count = 0;
    ck_assert_int_eq(wf_mon_keep_us(&o, "servers/cpu", false), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!wf_mon_keep_is_good(bad[i]), "%s", bad[i]);
    ck_assert(wf_mon_keep_is_good("24h") && wf_mon_keep_is_good("a/*=2w"));
}
END_TEST

START_TEST(each_code_of_sqlite_has_one_meaning)
{
    static const struct {
        int code;
        enum weft_err err;
        const char *why;
    } rows[] = {
        { SQLITE_OK, WEFT_OK, "done" },
        { SQLITE_ROW, WEFT_OK, "a row" },
        { SQLITE_DONE, WEFT_OK, "no more rows" },
        { SQLITE_BUSY, WEFT_E_BUSY, "another process holds the file" },
        { SQLITE_BUSY_SNAPSHOT, WEFT_E_BUSY, "an extended code is its primary one" },
        { SQLITE_LOCKED, WEFT_E_BUSY, "another connection of ours" },
        { SQLITE_FULL, WEFT_E_NOSPACE, "the disk is full" },
        { SQLITE_NOMEM, WEFT_E_NOMEM, "no memory" },
        { SQLITE_CORRUPT, WEFT_E_DAMAGED, "bytes that cannot be" },
        { SQLITE_NOTADB, WEFT_E_DAMAGED, "another file" },
        { SQLITE_READONLY, WEFT_E_PERMISSION, "it may not be written" },
        { SQLITE_IOERR_FSYNC, WEFT_E_IO, "the disk does not do it" },
        { SQLITE_CANTOPEN, WEFT_E_IO, "it can't be opened now" },
        { SQLITE_INTERRUPT, WEFT_E_IO, "stopped from outside" },
        { SQLITE_TOOBIG, WEFT_E_TOO_BIG, "a record beyond SQLite's bound: no try helps" },
        { SQLITE_ERROR, WEFT_E_INTERNAL, "a statement of ours that is wrong" },
        { SQLITE_CONSTRAINT_UNIQUE, WEFT_E_INTERNAL, "the tables are not what we think" },
        { SQLITE_MISUSE, WEFT_E_INTERNAL, "called wrongly" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(wf_mon_sqlite_code(rows[i].code) == rows[i].err, "%s: %s", rows[i].why,
            weft_err_name(wf_mon_sqlite_code(rows[i].code)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_store");
    TCase *c = tcase_create("store");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 100);
    tcase_add_test(c, names_are_plain_and_never_reserved);
    tcase_add_test(c, a_place_is_an_offset_a_time_or_a_time_back);
    tcase_add_test(c, the_last_word_about_keeping_counts);
    tcase_add_test(c, a_cell_holds_nothing_of_the_value_before);
    tcase_add_test(c, a_delete_has_its_key_alone_and_marks_have_nothing);
    tcase_add_test(c, a_run_killed_at_any_write_loses_nothing_and_doubles_nothing);
    tcase_add_test(c, a_batch_costs_no_more_because_many_are_stored);
    tcase_add_test(c, a_product_without_records_has_its_table);
    tcase_add_test(c, a_run_whose_last_turn_took_all_it_may_ends_by_itself);
    tcase_add_test(c, only_wanted_products_are_stored);
    tcase_add_test(c, the_file_is_private_and_has_one_writer);
    tcase_add_test(c, other_files_are_refused_and_not_changed);
    tcase_add_test(c, a_full_disk_loses_nothing);
    tcase_add_test(c, a_locked_database_is_busy_and_nothing_happened);
    tcase_add_test(c, a_start_waits_for_who_holds_the_file_and_a_change_does_not);
    tcase_add_test(c, each_code_of_sqlite_has_one_meaning);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
