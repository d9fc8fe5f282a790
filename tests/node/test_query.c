// SPDX-License-Identifier: Apache-2.0
// A stranger's SQL against a fold: what is granted is answered, and every way around columns, rows, tables, time and memory that we know
// of is refused. Secrets of the fixture: the column version, the rows of db-1, the tables behind the view.
#include "tests/node/fold_fixture.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *granted[] = { "name", "size", "serial" };
static struct wf_row_term of_web[] = {
    { .column = "host", .comparison = WF_CMP_EQ, .literal = WF_LIT_TEXT, .text = "web-1" }
};

static void set_up(void)
{
    fixture_up("query.db");
    add(WF_OP_PUT, "{\"host\":\"web-1\",\"name\":\"nginx\",\"serial\":\"1\",\"version\":\"1.22\","
                   "\"size\":\"10\"}");
    add(WF_OP_PUT, "{\"host\":\"web-1\",\"name\":\"zlib\",\"serial\":\"2\",\"version\":\"1.2\","
                   "\"size\":\"20\"}");
    add(WF_OP_PUT, "{\"host\":\"db-1\",\"name\":\"secret\",\"serial\":\"3\",\"version\":\"9\","
                   "\"size\":\"30\"}");
    entry("web-1");
    commit();
}

static struct wf_fold_query limited(const char *sql)
{
    struct wf_fold_query q = query_of(sql);

    q.limited = true;
    q.columns = granted;
    q.column_count = WF_COUNT(granted);
    q.rows = of_web;
    q.row_count = WF_COUNT(of_web);
    return q;
}

static enum weft_err run(const struct wf_fold_query *q, char text[256])
{
    struct wf_fold_result r;
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_fold_run(q, &r, &diag);

    snprintf(text, 256, "%s", diag.text);
    if (!err)
        wf_fold_result_fini(&r);
    return err;
}

// ---- what is granted -----------------------------------------------------------------------------------------------------

static const struct {
    const char *sql, *want;
} answers[] = {
    { "SELECT * FROM assets ORDER BY name",
        "nginx,10,1,servers,web-1,1789999995000000,5;zlib,20,2,servers,web-1,1789999995000000,5" },
    { "SELECT count(*) FROM assets", "2" },
    { "SELECT count(*), sum(size), max(name) FROM assets", "2,30,zlib" },
    { "SELECT 'x' FROM assets", "x;x" },
    { "SELECT a.name, b.name FROM assets a JOIN assets b ON b.size > a.size", "nginx,zlib" },
    { "SELECT name FROM (SELECT name, size FROM assets WHERE size > 10)", "zlib" },
    { "WITH big AS (SELECT name FROM assets WHERE size > 10) SELECT * FROM big", "zlib" },
    { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5) SELECT sum(i) "
      "FROM n",
        "15" },
    { "SELECT name, row_number() OVER (ORDER BY size DESC) FROM assets ORDER BY 2",
        "zlib,1;nginx,2" },
    { "SELECT name FROM assets WHERE size IN (SELECT max(size) FROM assets) UNION SELECT 'end' "
      "ORDER BY 1",
        "end;zlib" },
    { "SELECT name FROM temp.assets ORDER BY name LIMIT 1;  ", "nginx" },
    { "SELECT upper(substr(name, 1, 2)) || printf('%03d', size) FROM ASSETS ORDER BY 1",
        "NG010;ZL020" },
};

START_TEST(a_query_over_what_is_granted_is_answered)
{
    struct wf_fold_query q = limited(answers[_i].sql);

    ck_assert_str_eq(answer(&q), answers[_i].want);
}
END_TEST

START_TEST(a_product_with_a_dash_has_a_name_without)
{
    product.name = "my-assets";
    ck_assert_str_eq(ask("SELECT count(*) FROM my_assets"), "3");
    ck_assert_str_eq(ask("SELECT count(*) FROM \"my-assets\""), "3");
}
END_TEST

// ---- what is refused -----------------------------------------------------------------------------------------------------

#define PLUS_10 "+1+1+1+1+1+1+1+1+1+1"
#define PLUS_50 PLUS_10 PLUS_10 PLUS_10 PLUS_10 PLUS_10

static const struct {
    const char *why, *sql;
    enum weft_err want;
} refused[] = {
    // statements
    { "another statement", "DELETE FROM assets", WEFT_E_SQL },
    { "a write to the table behind", "UPDATE row SET name = 'x'", WEFT_E_SQL },
    { "a table made", "CREATE TABLE t(x)", WEFT_E_SQL },
    { "a temporary table", "CREATE TEMP TABLE t AS SELECT * FROM assets", WEFT_E_SQL },
    { "a view of its own", "CREATE TEMP VIEW v AS SELECT * FROM main.row", WEFT_E_SQL },
    { "another file", "ATTACH '/etc/passwd' AS p", WEFT_E_SQL },
    { "a copy elsewhere", "VACUUM INTO '/tmp/out.db'", WEFT_E_SQL },
    { "a setting", "PRAGMA query_only = 0", WEFT_E_SQL },
    { "a writable schema", "PRAGMA writable_schema = 1", WEFT_E_SQL },
    { "the list of databases", "PRAGMA database_list", WEFT_E_SQL },
    { "two statements", "SELECT 1 FROM assets; SELECT 2", WEFT_E_SQL },
    { "a second statement that is no SELECT", "SELECT 1 FROM assets; DROP TABLE row", WEFT_E_SQL },
    { "a plan", "EXPLAIN QUERY PLAN SELECT * FROM assets", WEFT_E_SQL },
    { "the program of a query", "EXPLAIN SELECT * FROM assets", WEFT_E_SQL },
    { "nothing", "", WEFT_E_SQL },
    { "a comment", "-- SELECT", WEFT_E_SQL },
    { "values alone read nothing, and are no SELECT of the view", "BEGIN", WEFT_E_SQL },
    { "an end of the transaction", "COMMIT", WEFT_E_SQL },
    // tables
    { "the table behind, by name", "SELECT * FROM row", WEFT_E_SQL },
    { "the table behind, in main", "SELECT * FROM main.row", WEFT_E_SQL },
    { "its number of rows", "SELECT count(*) FROM row", WEFT_E_SQL },
    { "that it has rows", "SELECT 1 FROM row LIMIT 1", WEFT_E_SQL },
    { "the origins", "SELECT * FROM origin", WEFT_E_SQL },
    { "the position", "SELECT * FROM fold", WEFT_E_SQL },
    { "the schema", "SELECT * FROM sqlite_master", WEFT_E_SQL },
    { "the schema by its other name", "SELECT sql FROM sqlite_schema", WEFT_E_SQL },
    { "the temporary schema, which tells the view", "SELECT sql FROM sqlite_temp_master",
        WEFT_E_SQL },
    { "the same, qualified", "SELECT sql FROM temp.sqlite_master", WEFT_E_SQL },
    { "the columns of the table", "SELECT * FROM pragma_table_info('row')", WEFT_E_SQL },
    { "the databases", "SELECT name FROM pragma_database_list", WEFT_E_SQL },
    { "the functions there are", "SELECT * FROM pragma_function_list", WEFT_E_SQL },
    { "the pages", "SELECT * FROM dbstat", WEFT_E_SQL },
    { "the pages' bytes", "SELECT data FROM sqlite_dbpage", WEFT_E_SQL },
    { "a table function", "SELECT * FROM json_each('[1]')", WEFT_E_SQL },
    { "a CTE with the view's name around the table",
        "WITH assets AS (SELECT * FROM main.row) SELECT * FROM assets", WEFT_E_SQL },
    { "the same without a schema", "WITH assets AS (SELECT * FROM row) SELECT * FROM assets",
        WEFT_E_SQL },
    { "a subquery with the view's name", "SELECT * FROM (SELECT * FROM row) AS assets",
        WEFT_E_SQL },
    { "an alias of the view's name", "SELECT count(*) FROM row AS assets", WEFT_E_SQL },
    { "a subquery in a condition", "SELECT name FROM assets WHERE EXISTS (SELECT 1 FROM row)",
        WEFT_E_SQL },
    { "a scalar subquery", "SELECT (SELECT count(*) FROM row) FROM assets", WEFT_E_SQL },
    { "a union", "SELECT name FROM assets UNION SELECT 1 FROM row", WEFT_E_SQL },
    { "a join", "SELECT a.name FROM assets a JOIN row r", WEFT_E_SQL },
    { "an ORDER BY", "SELECT name FROM assets ORDER BY (SELECT 1 FROM row LIMIT 1)", WEFT_E_SQL },
    { "a window", "SELECT count(*) OVER (ORDER BY (SELECT 1 FROM row)) FROM assets", WEFT_E_SQL },
    // columns that are not granted
    { "by name", "SELECT version FROM assets", WEFT_E_COLUMN },
    { "in quotes, which must be no text", "SELECT \"version\" FROM assets", WEFT_E_COLUMN },
    { "in brackets", "SELECT [version] FROM assets", WEFT_E_COLUMN },
    { "through an alias", "SELECT a.version FROM assets AS a", WEFT_E_COLUMN },
    { "through a subquery", "SELECT v FROM (SELECT version AS v FROM assets)", WEFT_E_COLUMN },
    { "through a CTE", "WITH c AS (SELECT version FROM assets) SELECT * FROM c", WEFT_E_COLUMN },
    { "in a condition", "SELECT name FROM assets WHERE version LIKE '1%'", WEFT_E_COLUMN },
    { "in an order", "SELECT name FROM assets ORDER BY version", WEFT_E_COLUMN },
    { "in a group", "SELECT count(*) FROM assets GROUP BY version", WEFT_E_COLUMN },
    { "in a HAVING", "SELECT count(*) FROM assets GROUP BY name HAVING max(version) > '1'",
        WEFT_E_COLUMN },
    { "in a natural join", "SELECT * FROM assets a JOIN assets b USING (version)", WEFT_E_SQL },
    { "the key", "SELECT _key FROM assets", WEFT_E_COLUMN },
    { "the generation", "SELECT _generation FROM assets", WEFT_E_COLUMN },
    { "the append time", "SELECT _append FROM assets", WEFT_E_COLUMN },
    { "the filter's own column", "SELECT host FROM assets", WEFT_E_COLUMN },
    // functions
    { "a library", "SELECT load_extension('/tmp/x.so') FROM assets", WEFT_E_SQL },
    { "a file", "SELECT readfile('/etc/passwd') FROM assets", WEFT_E_SQL },
    { "a pointer to code", "SELECT fts3_tokenizer('x') FROM assets", WEFT_E_SQL },
    { "memory at will", "SELECT zeroblob(1000000) FROM assets", WEFT_E_SQL },
    { "randomness at will", "SELECT hex(randomblob(1000000)) FROM assets", WEFT_E_SQL },
    { "the version", "SELECT sqlite_version() FROM assets", WEFT_E_SQL },
    { "the state of the connection", "SELECT total_changes() FROM assets", WEFT_E_SQL },
    // size
    { "a text beyond a message", "SELECT group_concat(printf('%.600000c', 'x')) FROM assets",
        WEFT_E_TOO_BIG },
    // Operators in a row: how many parentheses are too many differs between releases of SQLite.
    { "an expression too deep", "SELECT 1" PLUS_50 PLUS_50 PLUS_50 " FROM assets", WEFT_E_SQL },
    { "too many parts",
        "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION "
        "SELECT 7 "
        "UNION SELECT 8 UNION SELECT 9 UNION SELECT 10 UNION SELECT 11",
        WEFT_E_SQL },
};

START_TEST(a_way_around_is_refused_with_its_reason)
{
    struct wf_fold_query q = limited(refused[_i].sql);
    char text[256];
    enum weft_err err = run(&q, text);

    ck_assert_msg(err == refused[_i].want, "%s: %s (%s): %s", refused[_i].why, weft_err_name(err),
        text, refused[_i].sql);
    ck_assert_msg(text[0], "%s: no reason", refused[_i].why);
    ck_assert_str_eq(ask("SELECT count(*) FROM assets"), "3"); // and nothing was done
}
END_TEST

// SQLite before 3.41 has a row number for views; it is nothing.
START_TEST(the_rows_number_is_refused_or_nothing)
{
    struct wf_fold_query q =
        limited("SELECT count(rowid) + count(_rowid_) + count(oid) FROM assets");
    char text[256];

    if (run(&q, text) == WEFT_OK)
        ck_assert_str_eq(answer(&q), "0");
    else
        ck_assert_int_eq(run(&q, text), WEFT_E_COLUMN);
}
END_TEST

// Products may be called as our tables are.
START_TEST(a_product_named_as_a_table_behind_opens_nothing)
{
    static const char *const names[] = { "row", "origin", "fold", "granted", "main", "temp" };
    char sql[128], text[256];

    product.name = names[_i];
    snprintf(sql, sizeof sql, "SELECT count(*), max(name) FROM \"%s\"", names[_i]);
    struct wf_fold_query q = limited(sql);
    ck_assert_str_eq(answer(&q), "2,zlib");
    snprintf(sql, sizeof sql, "SELECT version FROM \"%s\"", names[_i]);
    q = limited(sql);
    ck_assert_msg(run(&q, text) == WEFT_E_COLUMN, "%s: %s", names[_i], text);
    q = limited("SELECT * FROM main.row");
    ck_assert_msg(run(&q, text) == WEFT_E_SQL, "%s: %s", names[_i], text);
}
END_TEST

// An error that only a hidden row can raise would tell of that row.
START_TEST(no_expression_sees_a_row_that_is_not_granted)
{
    static const struct {
        const char *why, *sql;
    } rows[] = {
        { "an overflow", "SELECT count(*) FROM assets WHERE CASE WHEN name = 'secret' THEN "
                         "abs(-9223372036854775807 - 1) ELSE 1 END" },
        { "bad JSON",
            "SELECT count(*) FROM assets WHERE iif(size = 30, json_extract('{', '$.a'), 1)" },
        { "an overflow in a join",
            "SELECT count(*) FROM assets a JOIN assets b ON a.name = b.name AND "
            "iif(a.name = 'secret', abs(-9223372036854775807 - 1), 1)" },
        { "an overflow in an aggregate",
            "SELECT count(DISTINCT iif(name = 'secret', abs(-9223372036854775807 "
            "- 1), name)) FROM assets" },
        { "an overflow in a subquery",
            "SELECT count(*) FROM (SELECT * FROM assets WHERE iif(size = 30, "
            "abs(-9223372036854775807 - 1), 1))" },
    };
    struct wf_fold_query q = limited(rows[_i].sql);
    char text[256];

    ck_assert_str_eq(answer(&q), "2");
    q.row_count = 0; // without the filter the row is there, and raises it
    ck_assert_msg(run(&q, text) != WEFT_OK, "%s raises nothing", rows[_i].why);
}
END_TEST

START_TEST(a_filter_holds_for_values_of_its_type_alone)
{
    static const struct {
        const char *why;
        struct wf_row_term term;
        const char *want;
    } rows[] = {
        { "a number is below every text", { "size", WF_CMP_LT, WF_LIT_TEXT, "zzz", false }, "0" },
        { "a number is not a text", { "size", WF_CMP_NE, WF_LIT_TEXT, "10", false }, "0" },
        { "a text is above every number", { "name", WF_CMP_GT, WF_LIT_NUMBER, "0", false }, "0" },
        { "nothing is not another text", { "note", WF_CMP_NE, WF_LIT_TEXT, "x", false }, "0" },
        { "a number", { "size", WF_CMP_GE, WF_LIT_NUMBER, "20", false }, "2" },
        { "a text", { "name", WF_CMP_NE, WF_LIT_TEXT, "nginx", false }, "2" },
        { "a flag", { "up", WF_CMP_EQ, WF_LIT_FLAG, "", false }, "3" },
        { "the origin", { "_origin", WF_CMP_EQ, WF_LIT_TEXT, "web-1", false }, "3" },
        { "a text with quotes", { "name", WF_CMP_EQ, WF_LIT_TEXT, "x' OR '1'='1", false }, "0" },
    };
    struct wf_fold_query q = query_of("SELECT count(*) FROM assets");

    q.rows = &rows[_i].term;
    q.row_count = 1;
    ck_assert_msg(strcmp(answer(&q), rows[_i].want) == 0, "%s: %s", rows[_i].why, answer(&q));
}
END_TEST

START_TEST(a_filter_on_a_column_that_is_not_there_opens_nothing)
{
    struct wf_row_term term = { "no such", WF_CMP_NE, WF_LIT_TEXT, "x", false };
    struct wf_fold_query q = query_of("SELECT count(*) FROM assets");
    char text[256];

    q.rows = &term;
    q.row_count = 1;
    ck_assert_int_eq(run(&q, text), WEFT_E_SQL);
}
END_TEST

START_TEST(the_file_is_never_changed)
{
    struct stat before, after;
    char text[256];

    ck_assert_int_eq(stat(path, &before), 0);
    for (size_t i = 0; i < WF_COUNT(refused); i++) {
        struct wf_fold_query q = limited(refused[i].sql);
        (void)run(&q, text);
    }
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_int_eq(before.st_size, after.st_size);
}
END_TEST

// ---- time and memory -----------------------------------------------------------------------------------------------------

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

START_TEST(a_query_that_does_not_end_is_ended)
{
    struct wf_fold_query q = limited(endless);
    char text[256];

    q.budget_ms = 50;
    ck_assert_int_eq(run(&q, text), WEFT_E_BUDGET);
    ck_assert_str_eq(text, "the query takes too long");
    q.sql = "SELECT count(*) FROM assets a, assets b, assets c, assets d, assets e, assets f, "
            "assets g, assets h, "
            "assets i, assets j, assets k, assets l, assets m, assets n, assets o, assets p, "
            "assets q, assets r, "
            "assets s, assets t, assets u, assets v, assets w, assets x, assets y";
    ck_assert_int_eq(run(&q, text), WEFT_E_BUDGET);
}
END_TEST

START_TEST(a_query_that_eats_memory_is_ended)
{
    struct wf_fold_query q = limited(
        "WITH RECURSIVE n(i, s) AS (SELECT 1, printf('%.900000c', 'x') UNION SELECT i + 1, s || '' "
        "FROM n) SELECT count(*) FROM n");
    char text[256];

    q.budget_ms = 600000;
    ck_assert_int_eq(run(&q, text), WEFT_E_BUDGET);
    ck_assert_str_eq(text, "the queries need too much memory");
}
END_TEST

// Each of 24 parts names the one before twice: SQLite would copy 16 million of them before its first step.
static const struct {
    const char *why, *define, *name; // formats with the number of the part, and of the one before
    int parts;
    bool ok;
} growing[] = {
    { "plain", "c%d AS (SELECT 1 x FROM c%d a, c%d b)", "c%d", 24, false },
    { "in capitals", "C%d AS (SELECT 1 x FROM c%d a, C%d b)", "c%d", 24, false },
    { "quoted", "\"c%d\" AS (SELECT 1 x FROM [c%d] a, `c%d` b)", "c%d", 24, false },
    { "as a text, which SQLite takes for a name", "c%d AS (SELECT 1 x FROM 'c%d' a, c%d b)", "c%d",
        24, false },
    { "with a doubled quote", "\"c\"\"%d\" AS (SELECT 1 x FROM [c\"%d] a, `c\"%d` b)", "[c\"%d]",
        24, false },
    { "with columns and hints", "c%d(x) AS NOT MATERIALIZED (SELECT 1 FROM c%d a, c%d b)", "c%d",
        24, false },
    { "with comments", "c%d/**/AS--\n(SELECT 1 x FROM c%d a, c%d b)", "c%d", 24, false },
    { "in subqueries", "c%d AS (SELECT (SELECT 1 FROM c%d) + (SELECT 1 FROM c%d) x)", "c%d", 24,
        false },
    { "many parts", "c%d AS (SELECT 1 x)", "c%d", 35, false },
    { "a few, each named once", "c%d AS (SELECT x FROM c%d WHERE x <> 'it''s %d')", "c%d", 8,
        true },
    { "a few", "c%d AS (SELECT 1 x FROM c%d a, c%d b)", "c%d", 6, true },
};

START_TEST(a_query_that_grows_while_it_is_prepared_is_refused)
{
    char sql[4096], one[256], text[256];
    int last = growing[_i].parts - 2;
    int at = snprintf(sql, sizeof sql, "WITH c0(x) AS (SELECT 1), \"c\"\"0\"(x) AS (SELECT 1)");

    for (int i = 1; i <= last; i++) {
        snprintf(one, sizeof one, growing[_i].define, i, i - 1, i - 1);
        at += snprintf(sql + at, sizeof sql - (size_t)at, ", %s", one);
    }
    snprintf(one, sizeof one, growing[_i].name, last);
    snprintf(sql + at, sizeof sql - (size_t)at, " SELECT count(*) FROM %s", one);
    struct wf_fold_query q = limited(sql);
    enum weft_err err = run(&q, text);
    ck_assert_msg(err == (growing[_i].ok ? WEFT_OK : WEFT_E_TOO_BIG), "%s: %s %s: %s",
        growing[_i].why, weft_err_name(err), text, sql);
}
END_TEST

static void *cancel_soon(void *arg)
{
    struct timespec t = { .tv_nsec = 30000000 };

    nanosleep(&t, NULL);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

START_TEST(a_query_that_nobody_waits_for_ends)
{
    struct wf_fold_query q = limited(endless);
    atomic_bool cancelled = false;
    pthread_t t;
    char text[256];

    q.cancelled = &cancelled;
    ck_assert_int_eq(pthread_create(&t, NULL, cancel_soon, &cancelled), 0);
    ck_assert_int_eq(run(&q, text), WEFT_E_CANCELLED); // long before its budget of 20 s
    pthread_join(t, NULL);
}
END_TEST

START_TEST(rows_and_bytes_are_capped_and_go_on)
{
    struct wf_fold_query q = query_of("SELECT name FROM assets ORDER BY name");
    struct wf_fold_result r;

    q.max_rows = 2;
    ck_assert_int_eq(wf_fold_run(&q, &r, NULL), WEFT_OK);
    ck_assert_uint_eq(r.row_count, 2);
    ck_assert(r.more);
    wf_fold_result_fini(&r);
    q.skip = 2;
    ck_assert_int_eq(wf_fold_run(&q, &r, NULL), WEFT_OK);
    ck_assert_uint_eq(r.row_count, 1);
    ck_assert(!r.more);
    wf_fold_result_fini(&r);
    q.skip = 0;
    q.max_rows = 1000;
    q.max_bytes = 1;
    ck_assert_int_eq(wf_fold_run(&q, &r, NULL), WEFT_OK);
    ck_assert_uint_eq(r.row_count, 1); // one at least, or it would never get on
    ck_assert(r.more);
    wf_fold_result_fini(&r);
}
END_TEST

START_TEST(a_query_longer_than_the_limit_is_refused)
{
    char *sql = malloc(WF_MAX_SQL + 2), text[256];

    memset(sql, ' ', WF_MAX_SQL + 1);
    sql[WF_MAX_SQL + 1] = '\0';
    memcpy(sql, "SELECT 1", 8);
    struct wf_fold_query q = limited(sql);
    ck_assert_int_eq(run(&q, text), WEFT_E_TOO_BIG);
    free(sql);
}
END_TEST

START_TEST(without_a_file_there_is_nothing)
{
    struct wf_fold_query q = limited("SELECT 1 FROM assets");
    char text[256];

    q.path = "/nonexistent/x.db";
    ck_assert_int_eq(run(&q, text), WEFT_E_NOT_FOUND);
}
END_TEST

// A reader sees one state while the fold goes on.
START_TEST(queries_and_folding_go_on_side_by_side)
{
    for (int i = 0; i < 50; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"name\":\"n%d\",\"serial\":\"9\"}", i);
        add(WF_OP_PUT, json);
        entry("web-2");
        if (i % 2)
            commit();
        (void)ask("SELECT count(*) FROM assets");
    }
    commit();
    ck_assert_str_eq(ask("SELECT count(*) FROM assets"), "53");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.query");
    TCase *tc = tcase_create("query");

    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, set_up, fixture_down);
    tcase_add_loop_test(tc, a_query_over_what_is_granted_is_answered, 0, (int)WF_COUNT(answers));
    tcase_add_test(tc, a_product_with_a_dash_has_a_name_without);
    tcase_add_loop_test(tc, a_way_around_is_refused_with_its_reason, 0, (int)WF_COUNT(refused));
    tcase_add_test(tc, the_rows_number_is_refused_or_nothing);
    tcase_add_loop_test(tc, a_product_named_as_a_table_behind_opens_nothing, 0, 6);
    tcase_add_loop_test(tc, no_expression_sees_a_row_that_is_not_granted, 0, 5);
    tcase_add_loop_test(tc, a_filter_holds_for_values_of_its_type_alone, 0, 9);
    tcase_add_test(tc, a_filter_on_a_column_that_is_not_there_opens_nothing);
    tcase_add_test(tc, the_file_is_never_changed);
    tcase_add_test(tc, a_query_that_does_not_end_is_ended);
    tcase_add_test(tc, a_query_that_eats_memory_is_ended);
    tcase_add_loop_test(
        tc, a_query_that_grows_while_it_is_prepared_is_refused, 0, (int)WF_COUNT(growing));
    tcase_add_test(tc, a_query_that_nobody_waits_for_ends);
    tcase_add_test(tc, rows_and_bytes_are_capped_and_go_on);
    tcase_add_test(tc, a_query_longer_than_the_limit_is_refused);
    tcase_add_test(tc, without_a_file_there_is_nothing);
    tcase_add_test(tc, queries_and_folding_go_on_side_by_side);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
