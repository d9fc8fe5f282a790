// SPDX-License-Identifier: Apache-2.0
// What only PostgreSQL has: comments and partitions, several processes with one database, a server that dies, and a monitor that is killed
// before and after each statement it sends.
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_pq.h"
#include "domains/monitoring/batch/stored.h"
#include "domains/monitoring/common/watch.h"
#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"
#include "tests/domains/pq_tap.h"
#include "tests/support/support.h"

static int run(const char *where)
{
    struct wf_mon_options o = rig_options(where);

    return wf_mon_cmd_store(&o);
}

// A second of a process's life. How many of the products it holds then.
static size_t beat(struct wf_mon_store *s, const char *const *products, size_t count)
{
    const struct wf_mon_beat b = { .pid = 1, .state = "running", .subject = "monitoring/watch" };
    size_t held = 0;

    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_beat(s, &b), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    enum weft_err err = wf_mon_store_claim(s, products, count);
    ck_assert_msg(!err, "%s", wf_mon_store_problem(s));
    for (size_t i = 0; i < count; i++)
        held += wf_mon_store_holds(s, products[i]);
    return held;
}

// ---- the tables --------------------------------------------------------------------------------------------------------

START_TEST(what_is_no_database_is_refused_with_its_reason)
{
    static const struct {
        const char *where, *text;
        enum weft_err err;
    } rows[] = {
        { "postgresql://u:secret@localhost/x", "~/.pgpass", WEFT_E_USAGE },
        { "host=/nowhere password=secret", "~/.pgpass", WEFT_E_USAGE },
        { "nonsense=1", "nonsense", WEFT_E_USAGE },
        { "host=/nowhere dbname=x", "/nowhere", WEFT_E_IO },
    };
    struct weft_problem problem = { 0 };
    struct wf_mon_store *s = NULL;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum weft_err err = wf_mon_store_open(rows[i].where, &s, &problem);
        ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].where, (int)err);
        ck_assert_msg(strstr(problem.text, rows[i].text), "%s: %s", rows[i].where, problem.text);
        ck_assert_ptr_null(strstr(problem.text, "secret"));
    }
    const char *where = pq_rig_where();
    struct wf_mon_db *db = NULL;
    ck_assert_int_eq(wf_mon_db_open(where, &db, &problem), WEFT_E_NOT_FOUND);
    wf_mon_store_close(rig_open(where));
    pq_rig_change(where, "UPDATE _format SET version = 99");
    ck_assert_int_eq(wf_mon_store_open(where, &s, &problem), WEFT_E_VERSION);
    ck_assert_int_eq(wf_mon_db_open(where, &db, &problem), WEFT_E_VERSION);
}
END_TEST

START_TEST(columns_say_what_they_are)
{
    const char *where = pq_rig_where();

    fake_fill(rig_load(), 1, 1);
    ck_assert_int_eq(run(where), 0);
    ck_assert_str_eq(
        pq_rig_ask(where, "SELECT col_description('servers_load'::regclass, attnum) FROM "
                          "pg_attribute WHERE attrelid = 'servers_load'::regclass AND "
                          "attname = 'load'"),
        "[1]");
    ck_assert_str_eq(
        pq_rig_ask(where, "SELECT string_agg(attname || ' ' || format_type(atttypid, "
                          "atttypmod), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid "
                          "= 'servers_load'::regclass AND attname IN ('load', 'tasks', "
                          "'up')"),
        "load double precision,tasks numeric(20,0),up boolean");
}
END_TEST

START_TEST(rows_go_to_the_partition_of_their_day)
{
    const char *where = pq_rig_where();
    struct fake_product *p = rig_load();
    struct wf_buf m = { 0 };
    int64_t now_us = wf_mon_unix_ms() * 1000;
    const int64_t times[] = { now_us, now_us - WF_MON_DAY_US, now_us - WF_MON_DAY_US + 1, 5, -5,
        now_us + 30 * WF_MON_DAY_US };

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        fake_text(&m, 1, "web-0");
        fake_record(p, WEFT_PUT, &m, times[i]);
    }
    fake_batch(p, "web-0", now_us / 1000);
    ck_assert_int_eq(run(where), 0);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 6);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM _rest_servers_load"), 3);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(DISTINCT tableoid) FROM servers_load"), 3);
    // A day of which an early row is in the rest stays there: nothing waits, nothing is lost.
    pq_rig_change(where, "DROP TABLE _rest_servers_load; CREATE TABLE _rest_servers_load PARTITION "
                         "OF servers_load DEFAULT");
    char sql[200];
    snprintf(sql, sizeof sql,
        "INSERT INTO _rest_servers_load(_time, _offset, _batch) VALUES(%lld, 99, 99)",
        (long long)(now_us - 5 * WF_MON_DAY_US));
    pq_rig_change(where, sql);
    fake_text(&m, 1, "web-0");
    fake_record(p, WEFT_PUT, &m, now_us - 5 * WF_MON_DAY_US + 1);
    fake_batch(p, "web-0", now_us / 1000);
    ck_assert_int_eq(run(where), 0);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM _rest_servers_load"), 2);
    wf_buf_fini(&m);
}
END_TEST

START_TEST(an_engine_without_partitions_has_one_table)
{
    const char *where = pq_rig_where();

    wf_mon_store_close(rig_open(where));
    pq_rig_change(where, "UPDATE _format SET partitions = false");
    fake_fill(rig_load(), 3, 3);
    ck_assert_int_eq(run(where), 0);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 9);
    ck_assert_str_eq(pq_rig_ask(where,
                         "SELECT relkind::text FROM pg_class WHERE oid = 'servers_load'::regclass"),
        "r");
}
END_TEST

START_TEST(a_way_that_may_be_in_clear_is_one_that_somebody_chose)
{
    static const struct {
        const char *where, *env; // PGSSLMODE
        bool refused;
    } rows[] = {
        { "host=db.example.org", NULL, true },
        { "postgresql://weft@db.example.org/weft", NULL, true },
        { "postgresql://weft@db.example.org/weft?sslmode=verify-full", NULL, false },
        { "host=db.example.org sslmode=require", NULL, false },
        { "host=db.example.org sslmode=disable", NULL, false },
        { "host=db.example.org sslmode=prefer", NULL, false }, // somebody's word
        { "host=db.example.org", "verify-ca", false },
        { "host=db.example.org gssencmode=require", NULL, false },
        { "host=/run/postgresql,db.example.org", NULL, true },
        { "host=localhost,/run/postgresql", NULL, false },
        { "host=db.example.org hostaddr=127.0.0.1", NULL, false },
        { "host=localhost hostaddr=192.0.2.1", NULL, true },
        { "host=a,b hostaddr=127.0.0.1,", NULL, true },
        { "hostaddr=127.0.0.1,192.0.2.1", NULL, true },
        { "host=127.8.9.1", NULL, false },
        { "host=127.example.org", NULL, true },
        { "host=::1", NULL, false },
        { "host=2001:db8::1", NULL, true },
        { "dbname=weft", NULL, false }, // its own socket
        { "service=far", NULL, true },
        { "service=far sslmode=disable", NULL, false },
        { "service=tls", NULL, false },
        { "service=near", NULL, false },
    };
    char path[600], problem[320];
    FILE *f;

    snprintf(path, sizeof path, "%s/services", wf_test_tmpdir());
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("[far]\nhost=db.example.org\n[tls]\nhost=db.example.org\nsslmode=verify-full\n"
          "[near]\nhost=/run/postgresql\n",
        f);
    fclose(f);
    setenv("PGSERVICEFILE", path, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].env)
            setenv("PGSSLMODE", rows[i].env, 1);
        else
            unsetenv("PGSSLMODE");
        problem[0] = '\0';
        enum weft_err err = wf_mon_pq_check(rows[i].where, problem, sizeof problem);
        ck_assert_msg(
            err == (rows[i].refused ? WEFT_E_USAGE : WEFT_OK), "%s: %s", rows[i].where, problem);
        ck_assert_msg(!rows[i].refused == !strstr(problem, "on that network"), "%s: %s",
            rows[i].where, problem);
    }
    unsetenv("PGSSLMODE");
    struct wf_mon_options o = rig_options(rig_path());
    o.database = "host=db.example.org"; // of every command, and before anybody is asked
    o.sql = "SELECT 1";
    ck_assert_int_eq(wf_mon_cmd_store(&o), 64);
    ck_assert_int_eq(wf_mon_cmd_sql(&o), 64);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 64);
    unsetenv("PGSERVICEFILE");
}
END_TEST

// ---- parts of batches --------------------------------------------------------------------------------------------------

START_TEST(ranges_lose_what_is_stored)
{
    static const struct {
        uint64_t first, count;
        const char *want, *why;
    } rows[] = {
        { 100, 10, "", "all of it" },
        { 90, 30, "", "more than all" },
        { 100, 4, "4+6", "its beginning" },
        { 106, 4, "0+6", "its end" },
        { 103, 2, "0+3 5+5", "its middle" },
        { 90, 10, "0+10", "what lies before" },
        { 110, 10, "0+10", "what lies behind" },
    };
    struct weft_record first = { .seq = 100 };
    struct weft_event e = { .records = &first, .record_count = 10 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_mon_range ranges[WF_MON_RANGES] = { { 0, 10 } };
        char got[80] = "";
        size_t count = wf_mon_ranges_cut(ranges, 1, &e, rows[i].first, rows[i].count);
        for (size_t n = 0; n < count; n++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%zu+%zu", n ? " " : "",
                ranges[n].from, ranges[n].count);
        ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s: %s", rows[i].why, got);
    }
}
END_TEST

START_TEST(a_batch_of_which_a_part_is_there_gets_its_rest)
{
    const char *where = pq_rig_where(), *name = "servers/load";
    struct wf_mon_store *s = rig_open(where);
    struct wf_mon_table *t = NULL;
    struct fake_product *p = rig_load();
    struct weft_product *schema = fake_described(p);

    fake_fill(p, 1, 8);
    ck_assert_uint_eq(beat(s, &name, 1), 1);
    struct weft_event part = *fake_event(p, 0);
    part.records += 3;
    part.record_count = 2;
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(s, name, &t), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_records(s, t, schema, &part, 1), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_records(s, t, schema, fake_event(p, 0), 1), WEFT_OK);
    ck_assert_int_eq(
        wf_mon_store_commit(s), WEFT_E_BUSY); // seen at the end: again, with a look before
    ck_assert(wf_mon_store_may_retry(WEFT_E_BUSY));
    wf_mon_store_rollback(s);
    rig_store(s, p, 0, 1, true);
    wf_mon_store_close(s);
    weft_product_free(schema);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 8);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 8);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM _batch"), 3);
    ck_assert_int_eq(pq_rig_number(where, "SELECT records FROM _status"), 8);
    struct wf_mon_options o = rig_options(where);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
}
END_TEST

// ---- several processes -------------------------------------------------------------------------------------------------

#define PRODUCTS 40u
static const char *names[PRODUCTS];

static void name_products(void)
{
    static char texts[PRODUCTS][32];

    for (size_t i = 0; i < PRODUCTS; i++) {
        snprintf(texts[i], sizeof texts[i], "servers/p%zu", i);
        names[i] = texts[i];
    }
}

START_TEST(processes_share_products_and_each_has_one_holder)
{
    const char *where = pq_rig_where();
    struct wf_mon_store *a = rig_open(where), *b = rig_open(where);

    name_products();
    ck_assert_uint_eq(beat(a, names, PRODUCTS), PRODUCTS); // alone: all
    size_t of_b = beat(b, names, PRODUCTS);
    ck_assert_uint_eq(of_b, 0); // it asks for its share
    size_t of_a = beat(a, names, PRODUCTS);
    of_b = beat(b, names, PRODUCTS);
    ck_assert_uint_eq(of_a + of_b, PRODUCTS);
    ck_assert_uint_gt(of_a, PRODUCTS / 5);
    ck_assert_uint_gt(of_b, PRODUCTS / 5);
    for (size_t i = 0; i < PRODUCTS; i++)
        ck_assert(wf_mon_store_holds(a, names[i]) != wf_mon_store_holds(b, names[i]));
    ck_assert_uint_eq(beat(a, names, PRODUCTS), of_a); // and so it stays
    ck_assert_uint_eq(beat(b, names, PRODUCTS), of_b);
    // A third one joins and is given its share by both.
    struct wf_mon_store *third = rig_open(where);
    ck_assert_uint_eq(beat(third, names, PRODUCTS), 0);
    of_a = beat(a, names, PRODUCTS);
    of_b = beat(b, names, PRODUCTS);
    size_t of_third = beat(third, names, PRODUCTS);
    ck_assert_uint_eq(of_a + of_b + of_third, PRODUCTS);
    ck_assert_uint_gt(of_third, PRODUCTS / 8);
    wf_mon_store_close(third);
    wf_mon_store_close(a); // lets go of its own
    size_t turns = 0;
    while (beat(b, names, PRODUCTS) < PRODUCTS && turns < 20)
        turns++;
    ck_assert_uint_le(turns, WF_MON_PQ_FREE_TURNS + 1);
    wf_mon_store_close(b);
}
END_TEST

START_TEST(what_nobody_else_wants_is_taken_after_a_while)
{
    const char *where = pq_rig_where();
    struct wf_mon_store *a = rig_open(where), *b = rig_open(where);
    size_t turns = 0;

    name_products();
    ck_assert_uint_eq(beat(a, names, 1), 1); // a is set to one product by its patterns
    while (beat(b, names + 1, PRODUCTS - 1) < PRODUCTS - 1 && turns < 20) {
        ck_assert_uint_eq(beat(a, names, 1), 1);
        turns++;
    }
    ck_assert_uint_le(turns, WF_MON_PQ_FREE_TURNS + 1);
    wf_mon_store_close(a);
    wf_mon_store_close(b);
}
END_TEST

START_TEST(who_lost_its_lease_stores_nothing_more)
{
    const char *where = pq_rig_where(), *name = "servers/load";
    struct wf_mon_store *a = rig_open(where), *b = rig_open(where);
    struct wf_mon_table *t = NULL;
    struct fake_product *p = rig_load();
    struct weft_product *schema = fake_described(p);
    size_t turns = 0;

    fake_fill(p, 4, 3);
    ck_assert_uint_eq(beat(a, &name, 1), 1);
    rig_store(a, p, 0, 1, true);
    // a stands still with rows in its hands; its time runs out, and b goes on from the stored cursor.
    ck_assert_int_eq(wf_mon_store_begin(a), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(a, name, &t), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_records(a, t, schema, fake_event(p, 1), 1), WEFT_OK);
    pq_rig_change(where, "UPDATE _lease SET until_ms = 1; UPDATE _monitor SET updated_ms = 1");
    while (beat(b, &name, 1) < 1 && turns < 20)
        turns++;
    rig_store(b, p, 1, 3, true);
    ck_assert_int_eq(wf_mon_store_commit(a), WEFT_E_BUSY);
    ck_assert_ptr_nonnull(strstr(wf_mon_store_problem(a), "another process"));
    wf_mon_store_rollback(a);
    ck_assert_uint_eq(beat(a, &name, 1), 0);
    wf_mon_store_close(a);
    rig_store(b, p, 3, 4, true);
    wf_mon_store_close(b);
    weft_product_free(schema);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 12);
    ck_assert_int_eq(pq_rig_number(where, "SELECT records FROM _status"), 12);
}
END_TEST

// Two find a product free at once: the statement that takes it decides, not what either read before.
static const char *contested;
static void take_it_first(const PGconn *c, const char *sql)
{
    static const char taking[] = "INSERT INTO _lease(product, owner";
    const char *where = contested;

    (void)c;
    if (!where || strncmp(sql, taking, sizeof taking - 1) != 0)
        return;
    contested = NULL;
    pq_rig_change(where, "INSERT INTO _lease(product, owner, process, until_ms) "
                         "VALUES('servers/load', 'b:1', 'b', 9000000000000)");
}

START_TEST(of_two_that_find_a_product_free_one_takes_it)
{
    const char *where = pq_rig_where(), *name = "servers/load";
    struct wf_mon_store *a = rig_open(where);

    contested = where;
    pq_tap_before = take_it_first;
    ck_assert_uint_eq(beat(a, &name, 1), 0);
    ck_assert_ptr_null(contested);
    ck_assert_str_eq(pq_rig_ask(where, "SELECT owner FROM _lease"), "b:1");
    ck_assert_uint_eq(beat(a, &name, 1), 0);
    wf_mon_store_close(a);
    ck_assert_str_eq(pq_rig_ask(where, "SELECT owner FROM _lease"), "b:1");
}
END_TEST

START_TEST(a_dead_process_of_this_machine_is_not_waited_for)
{
    const char *where = pq_rig_where(), *name = "servers/load";
    pid_t child = fork();

    if (child == 0) {
        struct wf_mon_store *s = rig_open(where);
        _exit(beat(s, &name, 1) == 1 ? 0 : 1); // as kill -9 does: nothing is let go
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(
        pq_rig_number(where, "SELECT count(*) FROM _lease WHERE owner IS NOT NULL"), 1);
    struct wf_mon_store *s = rig_open(where);
    ck_assert_uint_eq(beat(s, &name, 1), 1);
    wf_mon_store_close(s);
}
END_TEST

// ---- ends --------------------------------------------------------------------------------------------------------------

START_TEST(a_server_that_dies_costs_nothing_but_time)
{
    ck_assert(
        pq_rig_start()); // one of its own: a process that nobody waited for would keep the others' from starting again
    const char *where = pq_rig_where(), *name = "servers/load";
    struct wf_mon_store *s = rig_open(where);
    struct wf_mon_table *t = NULL;
    struct fake_product *p = rig_load();
    struct weft_product *schema = fake_described(p);
    int waited = 0;

    fake_fill(p, 4, 3);
    ck_assert_uint_eq(beat(s, &name, 1), 1);
    rig_store(s, p, 0, 2, true);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_table(s, name, &t), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_records(s, t, schema, fake_event(p, 2), 1), WEFT_OK);
    pq_rig_kill();
    enum weft_err err = wf_mon_store_commit(s);
    ck_assert_msg(wf_mon_store_may_retry(err), "%d: %s", (int)err, wf_mon_store_problem(s));
    wf_mon_store_rollback(s);
    ck_assert_int_eq(wf_mon_store_ready(s), WEFT_E_IO);
    pq_rig_again();
    while (wf_mon_store_ready(s) && waited++ < 300)
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    ck_assert_int_eq(wf_mon_store_ready(s), WEFT_OK);
    ck_assert_uint_eq(beat(s, &name, 1), 1);
    rig_store(s, p, 2, 4, true);
    wf_mon_store_close(s);
    weft_product_free(schema);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 12);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 12);
    pq_rig_stop();
}
END_TEST

// The process dies before its nth statement, or right after the server did it and nobody heard.
static long statements_left;

static void live_or_die(const PGconn *c, const char *sql)
{
    (void)c;
    (void)sql;
    if (statements_left > 0 && --statements_left == 0)
        _exit(99);
}

static int run_that_dies(int (*command)(const char *where), const char *where, long nth)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        statements_left = nth;
        pq_tap_before = pq_tap_after = live_or_die;
        _exit(command(where));
    }
    ck_assert(child > 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(a_run_killed_around_any_statement_loses_nothing_and_doubles_nothing)
{
    struct fake_product *p = rig_load();
    const char *step = getenv("WEFT_PQ_KILLS"); // "all": at each; else at some
    bool whole = false, all = step && strcmp(step, "all") == 0;
    long kills = 0;

    fake_fill(p, 6, 5);
    for (long nth = 1; !whole && nth < 2000; nth += all ? 1 : 29) {
        const char *where = pq_rig_where();
        int status = run_that_dies(run, where, nth);
        ck_assert_msg(status == 99 || status == 0, "statement %ld: exit %d", nth, status);
        whole = status == 0;
        kills += !whole;
        ck_assert_int_eq(run(where), 0);
        ck_assert_msg(
            pq_rig_number(where, "SELECT count(*) FROM servers_load") == 30, "at %ld", nth);
        ck_assert_int_eq(
            pq_rig_number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 30);
        ck_assert_int_eq(pq_rig_number(where, "SELECT records FROM _status"), 30);
        ck_assert_int_eq(pq_rig_number(where, "SELECT sum(count) FROM _batch"), 30);
        ck_assert_int_eq(pq_rig_number(where, "SELECT sum(records) FROM _origin"), 30);
    }
    ck_assert(whole);
    ck_assert_int_ge(kills, 8);
    printf("%ld kills\n", kills);
}
END_TEST

static int refill(const char *where)
{
    struct wf_mon_options o = rig_options(where);

    o.args[0] = "servers/load";
    o.word_count = 1;
    return wf_mon_cmd_backfill(&o);
}

START_TEST(a_backfill_killed_around_any_statement_adds_each_record_once)
{
    const char *step = getenv("WEFT_PQ_KILLS"), *where = pq_rig_where();
    bool whole = false, all = step && strcmp(step, "all") == 0;
    long kills = 0;

    fake_fill(rig_load(), 6, 5);
    ck_assert_int_eq(run(where), 0);
    for (long nth = 1; !whole && nth < 2000; nth += all ? 1 : 37) {
        pq_rig_change(where, "DELETE FROM servers_load WHERE _offset BETWEEN 5 AND 19");
        pq_rig_change(where, "DELETE FROM _batch WHERE \"offset\" BETWEEN 5 AND 19");
        int status = run_that_dies(refill, where, nth);
        ck_assert_msg(status == 99 || status == 0, "statement %ld: exit %d", nth, status);
        whole = status == 0;
        kills += !whole;
        ck_assert_int_eq(refill(where), 0);
        ck_assert_msg(
            pq_rig_number(where, "SELECT count(*) FROM servers_load") == 30, "at %ld", nth);
        ck_assert_int_eq(
            pq_rig_number(where, "SELECT count(DISTINCT _offset) FROM servers_load"), 30);
        ck_assert_int_eq(pq_rig_number(where, "SELECT sum(count) FROM _batch"), 30);
    }
    ck_assert(whole);
    ck_assert_int_ge(kills, 4);
    printf("%ld kills of a backfill\n", kills);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_pq");
    TCase *c = tcase_create("pq");

    if (!pq_rig_start())
        return WF_TEST_SKIP;
    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, what_is_no_database_is_refused_with_its_reason);
    tcase_add_test(c, columns_say_what_they_are);
    tcase_add_test(c, rows_go_to_the_partition_of_their_day);
    tcase_add_test(c, an_engine_without_partitions_has_one_table);
    tcase_add_test(c, a_way_that_may_be_in_clear_is_one_that_somebody_chose);
    tcase_add_test(c, ranges_lose_what_is_stored);
    tcase_add_test(c, a_batch_of_which_a_part_is_there_gets_its_rest);
    tcase_add_test(c, processes_share_products_and_each_has_one_holder);
    tcase_add_test(c, what_nobody_else_wants_is_taken_after_a_while);
    tcase_add_test(c, who_lost_its_lease_stores_nothing_more);
    tcase_add_test(c, of_two_that_find_a_product_free_one_takes_it);
    tcase_add_test(c, a_dead_process_of_this_machine_is_not_waited_for);
    tcase_add_test(c, a_run_killed_around_any_statement_loses_nothing_and_doubles_nothing);
    tcase_add_test(c, a_backfill_killed_around_any_statement_adds_each_record_once);
    tcase_add_test(c, a_server_that_dies_costs_nothing_but_time);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pq_rig_stop();
    return failed != 0;
}
