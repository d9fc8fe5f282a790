// SPDX-License-Identifier: Apache-2.0
// The database in memory that rules ask: what a question may do and how much of it, tables that lose what finds no room, and a rule's SQL compiled
// before there are records, as what a file says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/query.h"
#include "domains/monitoring/speed/rules_sql.h"
#include "tests/domains/sql_rig.h"

// ---- what a question may do ------------------------------------------------------------------------------------------------

struct base {
    struct wf_query *q;
    struct wf_query_table *disks, *owners, *others;
};

static enum weft_err no_cell(const void *arg, size_t field, struct wf_mon_cell *ret)
{
    (void)arg;
    *ret = field == 0 ? wf_mon_text("web-1")
                      : (struct wf_mon_cell){ .class = WF_MON_REAL, .real = 0.5 };
    return WEFT_OK;
}

static void put(struct base *b, struct wf_query_table *t, uint64_t offset, int64_t at_s)
{
    const struct wf_query_row row = { .time_us = (MONDAY_MS + at_s * 1000) * 1000,
        .domain = "servers",
        .origin = offset % 2 ? "web-1" : "web-2",
        .offset = offset,
        .cell = no_cell };

    ck_assert_int_eq(wf_query_put(b->q, t, &row), WEFT_OK);
}

static void base_init(struct base *b, const struct wf_query_limits *limits)
{
    static const struct wf_query_field fields[] = { { "host", "TEXT", true }, { "used", "REAL" } };
    struct {
        const char *product;
        struct wf_query_table **to;
    } tables[] = { { "servers/disks", &b->disks }, { "servers/owners", &b->owners },
        { "network/secrets", &b->others } };

    b->q = wf_query_new(limits);
    ck_assert_ptr_nonnull(b->q);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(
            wf_query_table_new(b->q, tables[i].product, i == 1, tables[i].to), WEFT_OK);
        ck_assert_int_eq(wf_query_table_fields(b->q, *tables[i].to, fields, 2), WEFT_OK);
        put(b, *tables[i].to, 1, 0);
    }
}

// The first cell of the answer as people see it, or what is wrong.
static enum weft_err ask(struct base *b, const char *sql, char *out, size_t size)
{
    const struct wf_query_ask a = { .sql = sql,
        .uses = { { b->disks, (MONDAY_MS - 60000) * 1000 }, { b->owners, 0 } },
        .use_count = 2,
        .now_ms = MONDAY_MS };
    struct wf_query_error error;
    struct wf_mon_cell cell;
    enum weft_err err = wf_query_begin(b->q, &a, &error);

    if (!err)
        err = wf_query_step(b->q, &error);
    snprintf(out, size, "%s", err ? error.text : "");
    if (!err) {
        wf_query_cell(b->q, 0, &cell);
        wf_mon_cell_print(&cell, out, size);
        while (!err)
            err = wf_query_step(b->q, &error);
        err = err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
        if (err)
            snprintf(out, size, "%s", error.text);
    }
    wf_query_end(b->q);
    return err;
}

START_TEST(a_question_reads_what_it_names_at_the_time_that_it_is_told)
{
    static const struct {
        const char *sql, *want, *why;
    } rows[] = {
        { "SELECT host FROM servers_disks;", "'web-1'", "a table" },
        { "SELECT count(*) FROM servers_disks -- so many", "1", "a comment behind it" },
        { "SELECT count(*) FROM SERVERS_DISKS d JOIN servers_owners o ON o.host = d.host", "1",
            "a join" },
        { "SELECT _product FROM servers_owners", "'servers/owners'", "whose it is" },
        { "SELECT _offset || _op || _domain FROM servers_disks", "'1putservers'",
            "beside its fields" },
        { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT "
          "sum(i) FROM n",
            "55", "recursion" },
        { "WITH a AS (SELECT 1) SELECT count(*) FROM a", "1", "a part of its own" },
        { "SELECT value FROM json_each('[7]')", "7", "a list" },
        { "SELECT sum(used) OVER (ORDER BY _time) FROM servers_disks", "0.5", "a window function" },
        { "SELECT datetime('now')", "'2026-01-05 00:00:00'", "now is what the caller says" },
        { "SELECT unixepoch(CURRENT_TIMESTAMP)", "1767571200", "by any name" },
        { "SELECT :now - _time FROM servers_disks", "0", "in the unit of times" },
        { "SELECT unixepoch('now', '-1 day')", "1767484800", "and before" },
    };
    struct base b;
    char out[300];

    base_init(&b, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum weft_err err = ask(&b, rows[i].sql, out, sizeof out);
        ck_assert_msg(
            !err && strcmp(out, rows[i].want) == 0, "%s (%s): %s", rows[i].sql, rows[i].why, out);
    }
    wf_query_free(b.q);
}
END_TEST

static const struct {
    const char *sql, *says, *why;
} forbidden[] = {
    { "INSERT INTO servers_disks(host) VALUES('x')", "not permitted", "writing to a view" },
    { "INSERT INTO main._weft_1(host) VALUES('x')", "not permitted", "to what is behind it" },
    { "UPDATE main._weft_1 SET used = 1", "not permitted", "changing" },
    { "DELETE FROM main._weft_1", "not permitted", "deleting" },
    { "CREATE TABLE t(a)", "not permitted", "making a table" },
    { "CREATE TEMP TABLE t(a)", "not permitted", "or one for itself" },
    { "CREATE VIRTUAL TABLE t USING fts5(a)", "not permitted", "or another kind" },
    { "DROP TABLE main._weft_1", "not permitted", "dropping one" },
    { "DROP VIEW servers_disks", "not permitted", "dropping a view" },
    { "ALTER TABLE main._weft_1 ADD COLUMN x", "not permitted", "altering one" },
    { "ATTACH '/tmp/x.db' AS x", "not permitted", "another file" },
    { "DETACH main", "not permitted", "the other way" },
    { "PRAGMA query_only = 0", "not permitted", "a switch" },
    { "PRAGMA max_page_count = 1000000", "not permitted", "a bound" },
    { "SELECT * FROM pragma_database_list", "not permitted", "a switch as a table" },
    { "SELECT count(*) FROM pragma_database_list", "not permitted", "without its columns" },
    { "VACUUM INTO '/tmp/x.db'", "not permitted", "writing a file" },
    { "REINDEX", "not permitted", "work for nothing" },
    { "ANALYZE", "not permitted", "likewise" },
    { "BEGIN", "not permitted", "a transaction" },
    { "SAVEPOINT a", "not permitted", "or a part of one" },
    { "EXPLAIN SELECT 1", "not permitted", "how it is run" },
    { "EXPLAIN QUERY PLAN SELECT 1", "not permitted", "or will be" },
    { "SELECT 1; DELETE FROM main._weft_1", "more than one statement", "two at once" },
    { "SELECT 1; SELECT 2", "more than one statement", "two harmless ones" },
    { "SELECT load_extension('/tmp/x.so')", "not permitted", "loading code" },
    { "SELECT readfile('/etc/passwd')", "no such function", "reading a file" },
    { "SELECT fts3_tokenizer('simple')", "not permitted", "a pointer" },
    { "SELECT sqlite_version()", "not permitted", "of the program" },
    { "SELECT randomblob(9)", "not permitted", "chance" },
    { "SELECT last_insert_rowid()", "not permitted", "of the database" },
    { "SELECT sql FROM sqlite_master", "not permitted", "the schema" },
    { "SELECT sql FROM sqlite_temp_schema", "not permitted", "of views" },
    { "SELECT * FROM dbstat", "not permitted", "pages" },
    { "SELECT * FROM sqlite_stmt", "not permitted", "statements" },
    { "SELECT host FROM network_secrets", "no such table", "another rule's product" },
    { "SELECT host FROM main._weft_3", "not permitted", "behind its name" },
    { "SELECT count(*) FROM main._weft_3", "not permitted", "how many" },
    { "WITH servers_disks AS (SELECT host FROM main._weft_3) SELECT host FROM servers_disks",
        "not permitted", "under a name of its own" },
    { "SELECT datetime('now', 'localtime')", "time zone", "what the machine thinks" },
    { "SELECT datetime('now', 'utc')", "time zone", "the other way" },
    { "SELECT :other", "the only parameter is :now", "nobody sets it" },
    { "SELECT ?1", "the only parameter is :now", "nor this" },
    { "SELECT \"web-1\" FROM servers_disks", "no such column", "a text in the wrong marks" },
    { "SELECT nowhere FROM servers_disks", "no such column: nowhere", "no column" },
};

START_TEST(a_question_can_do_nothing_but_read_what_it_names)
{
    struct base b;
    char out[300];

    base_init(&b, NULL);
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        enum weft_err err = ask(&b, forbidden[i].sql, out, sizeof out);
        ck_assert_msg(err == WEFT_E_SQL && strstr(out, forbidden[i].says), "%s (%s): %s",
            forbidden[i].sql, forbidden[i].why, out);
        err = ask(&b, "SELECT count(*) FROM servers_disks", out, sizeof out);
        ck_assert_msg(!err && strcmp(out, "1") == 0, "behind %s: %s", forbidden[i].sql, out);
    }
    put(&b, b.disks, 2, 0); // and we still write
    wf_query_free(b.q);
}
END_TEST

START_TEST(a_question_that_takes_too_much_is_stopped)
{
    static const struct {
        const char *sql, *says, *why;
    } rows[] = {
        { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
            "stopped: it takes more than 200000 steps", "without an end" },
        { "SELECT replace(printf('%200000d', 1), ' ', 'xx')",
            "more than 8 MiB or a value of more than 256 KiB", "a long value" },
        { "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000), t AS "
          "(SELECT "
          "printf('%10000d', i) AS x FROM n) SELECT x FROM t ORDER BY x DESC",
            "more than 8 MiB", "much to be sorted" },
        { "WITH a AS (SELECT 1 AS x), b AS (SELECT l.x FROM a l, a r), c AS (SELECT l.x FROM b l, "
          "b r), d AS "
          "(SELECT l.x FROM c l, c r), e AS (SELECT l.x FROM d l, d r), f AS (SELECT l.x FROM e l, "
          "e r), g "
          "AS (SELECT l.x FROM f l, f r), h AS (SELECT l.x FROM g l, g r), i AS (SELECT l.x FROM h "
          "l, h r), "
          "j AS (SELECT l.x FROM i l, i r), k AS (SELECT l.x FROM j l, j r), l AS (SELECT l.x FROM "
          "k l, k "
          "r), m AS (SELECT l.x FROM l l, l r), n AS (SELECT l.x FROM m l, m r), o AS (SELECT l.x "
          "FROM n "
          "l, n r), p AS (SELECT l.x FROM o l, o r), q AS (SELECT l.x FROM p l, p r), r AS (SELECT "
          "l.x "
          "FROM q l, q r), s AS (SELECT l.x FROM r l, r r) SELECT count(*) FROM s",
            "stopped", "parts of parts of parts, before it is run at all" },
    };
    const struct wf_query_limits limits = { .steps = 200000, .memory = 8 << 20 };
    struct base b;
    char out[300];

    base_init(&b, &limits);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum weft_err err = ask(&b, rows[i].sql, out, sizeof out);
        ck_assert_msg(err && strstr(out, rows[i].says), "%s: %s", rows[i].why, out);
        err = ask(&b, "SELECT host FROM servers_disks", out, sizeof out);
        ck_assert_msg(!err && strcmp(out, "'web-1'") == 0, "behind it: %s", out);
    }
    wf_query_free(b.q);
}
END_TEST

// ---- tables ----------------------------------------------------------------------------------------------------------------

START_TEST(a_window_that_finds_no_room_loses_its_oldest_records_and_says_so)
{
    static const struct {
        struct wf_query_limits limits;
        size_t put, least, most;
    } rows[] = { { { .rows = 100 }, 1000, 90, 100 },
        { { .bytes = 100 * 4096 }, 20000, 1000, 19000 } };

    for (size_t i = 0; i < 2; i++) {
        struct base b;
        char out[300];
        base_init(&b, &rows[i].limits);
        ck_assert_int_eq(wf_query_cut_us(b.disks), 0);
        for (size_t k = 1; k <= rows[i].put; k++)
            put(&b, b.disks, k, (int64_t)k);
        ck_assert_uint_ge(wf_query_rows(b.disks), rows[i].least);
        ck_assert_uint_le(wf_query_rows(b.disks), rows[i].most);
        int64_t oldest =
            (MONDAY_MS + (int64_t)(rows[i].put - wf_query_rows(b.disks)) * 1000) * 1000;
        ck_assert_int_eq(wf_query_cut_us(b.disks), oldest);
        ck_assert_int_eq(ask(&b, "SELECT count(*) FROM servers_disks", out, sizeof out), WEFT_OK);
        ck_assert_uint_eq(strtoul(out, NULL, 10), wf_query_rows(b.disks));
        ck_assert_uint_eq(wf_query_rows(b.others), 1);
        wf_query_free(b.q);
    }
}
END_TEST

START_TEST(rows_of_an_inventory_are_never_pushed_out)
{
    const struct wf_query_limits limits = { .rows = 1 };
    struct base b;
    const struct wf_query_row other = { .domain = "d", .origin = "web-9", .cell = no_cell };
    const struct wf_query_row same = {
        .domain = "d", .origin = "web-1", .offset = 9, .cell = no_cell
    };
    char out[300];

    base_init(&b, &limits);
    ck_assert_int_eq(wf_query_put(b.q, b.owners, &other), WEFT_E_FULL);
    ck_assert_int_eq(wf_query_put(b.q, b.owners, &same), WEFT_E_FULL);
    wf_query_free(b.q);
    base_init(&b, NULL);
    ck_assert_int_eq(wf_query_put(b.q, b.owners, &same), WEFT_OK);
    ck_assert_uint_eq(wf_query_rows(b.owners), 1);
    ck_assert_int_eq(wf_query_put(b.q, b.owners, &other), WEFT_OK);
    ck_assert_uint_eq(wf_query_rows(b.owners), 2);
    ck_assert_int_eq(ask(&b, "SELECT max(_offset) FROM servers_owners", out, sizeof out), WEFT_OK);
    ck_assert_str_eq(out, "9");
    ck_assert_int_eq(wf_query_sweep(b.q, b.owners, "web-1", 10), WEFT_OK);
    ck_assert_uint_eq(wf_query_rows(b.owners), 1);
    ck_assert_int_eq(wf_query_sweep(b.q, b.owners, "web-9", 0), WEFT_OK);
    ck_assert_uint_eq(wf_query_rows(b.owners), 1);
    wf_query_free(b.q);
}
END_TEST

START_TEST(a_schema_that_grows_keeps_what_is_there)
{
    static const struct wf_query_field more[] = { { "host", "TEXT", true }, { "Used", "INTEGER" },
        { "used", "TEXT" }, { "a.b", NULL }, { "_time", NULL } };
    struct base b;
    char out[300];

    base_init(&b, NULL);
    ck_assert_int_eq(wf_query_table_fields(b.q, b.disks, more, 5), WEFT_OK);
    put(&b, b.disks, 2, 0);
    // Columns differ by more than capitals; a field of another type has a column of its own.
    ck_assert_int_eq(ask(&b,
                         "SELECT group_concat(coalesce(used, '-') || coalesce(used_2, '-') || "
                         "coalesce(used_3, '-') || coalesce(a_b, '-') || coalesce(f_time, '-')) "
                         "FROM (SELECT * FROM servers_disks ORDER BY _offset)",
                         out, sizeof out),
        WEFT_OK);
    ck_assert_str_eq(out, "'0.5----,-0.50.50.50.5'");
    wf_query_free(b.q);
}
END_TEST

// ---- compiling -------------------------------------------------------------------------------------------------------------

static bool get_columns(
    void *arg, const char *product, const struct wf_query_field **ret, size_t *ret_count)
{
    static const struct wf_query_field fields[] = { { "host", "TEXT", true }, { "used", "REAL" } };

    (void)arg;
    *ret = fields;
    *ret_count = 2;
    return strcmp(product, "servers/disks") == 0;
}

// Where a schema is known it is the measure; columns of other products are taken to be there.
START_TEST(compiling_knows_columns_or_assumes_them)
{
    static const struct {
        const char *sql, *says, *why;
    } rows[] = {
        { "SELECT host, used FROM servers_disks", "", "its columns" },
        { "SELECT host, size FROM servers_disks", "no such column: size", "none of them" },
        { "SELECT d.host, o.owner FROM servers_disks d JOIN servers_owners o ON o.name = d.host",
            "", "columns of a product that nobody knows" },
        { "SELECT d.owner FROM servers_disks d, servers_owners o", "no such column: d.owner",
            "asked of the product that is known" },
        { "SELECT host, owner FROM servers_disks, servers_owners WHERE owner = 'x'", "",
            "asked of none in particular" },
        { "SELECT _time, _received, _domain, _origin, _offset, _op, _product FROM servers_owners",
            "", "what every table has" },
        { "SELECT count(*) AS value FROM servers_owners WHERE value > 9", "",
            "a column that the answer has as well" },
        { "SELECT count(*) AS value FROM servers_disks WHERE host > value", "misuse of aggregate",
            "which it has not, and the one that may is not asked" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct wf_rule_sql sql = { .text = rows[i].sql,
            .over = { { "servers/disks", 60000 }, { "servers/owners", 0 } },
            .over_count = 2,
            .value = "" };
        const struct wf_rule rule = { .sql = &sql };
        const struct wf_sql_columns columns = { .get = get_columns };
        char why[300] = "";
        int at;
        bool ok = wf_sql_compiles(&rule, &columns, &at, why, sizeof why);
        ck_assert_msg(ok == !rows[i].says[0] && (ok || strstr(why, rows[i].says)), "%s (%s): %s",
            rows[i].sql, rows[i].why, why);
    }
}
END_TEST

// ---- files -----------------------------------------------------------------------------------------------------------------

START_TEST(a_rule_has_what_its_file_says)
{
    char errors[1024];
    struct wf_rules *r = rules_of("rules:\n"
                                  "  full:\n"
                                  "    sql: |\n"
                                  "      SELECT host, used AS taken FROM servers_disks\n"
                                  "      JOIN servers_owners USING (host)\n"
                                  "    over: [servers/disks for 10m, servers/owners]\n"
                                  "    every: 1m\n"
                                  "    value: taken\n"
                                  "    by: host\n"
                                  "    for: 2m\n"
                                  "    severity: critical\n"
                                  "  short:\n"
                                  "    sql: SELECT 1 FROM a_b\n"
                                  "    over: a/b for 90s , c/d\n",
        errors, sizeof errors);
    const struct wf_rule *full = wf_rules_find(r, "full"), *less = wf_rules_find(r, "short");

    ck_assert_str_eq(errors, "");
    ck_assert_uint_eq(full->sql->over_count, 2);
    ck_assert_str_eq(full->sql->over[0].product, "servers/disks");
    ck_assert_int_eq(full->sql->over[0].span_ms, 600000);
    ck_assert_str_eq(full->sql->over[1].product, "servers/owners");
    ck_assert_int_eq(full->sql->over[1].span_ms, 0);
    ck_assert_int_eq(full->sql->every_ms, 60000);
    ck_assert_str_eq(full->sql->value, "taken");
    ck_assert_int_eq(full->when.for_ms, 120000);
    ck_assert_int_eq(full->severity, WF_CRITICAL);
    ck_assert(wf_rule_reads(full, "servers/owners") && !wf_rule_reads(full, "servers/disk"));
    ck_assert_int_eq(less->sql->every_ms, 30000);
    ck_assert_int_eq(less->sql->over[0].span_ms, 90000);
    ck_assert_str_eq(less->sql->over[1].product, "c/d");
    wf_rules_free(r);
}
END_TEST

START_TEST(what_is_wrong_with_a_rule_is_said_with_its_place)
{
    static const struct {
        const char *text, *says, *why;
    } rows[] = {
        { "r: {sql: SELECT 1}", "r.yaml:1:9: sql wants over", "no products" },
        { "r: {sql: SELECT 1, over: {a: b}}", "1:34: sql wants over", "a map of them" },
        { "r: {sql: SELECT 1, over: []}", "1:34: sql wants over", "none of them" },
        { "r: {sql: SELECT 1, over: disks}", "1:34: want DOMAIN/PRODUCT", "no domain" },
        { "r: {sql: SELECT 1, over: '*/agents'}", "want DOMAIN/PRODUCT", "a pattern" },
        { "r: {sql: SELECT 1, over: a/b of 5m}", "want DOMAIN/PRODUCT", "another word" },
        { "r: {sql: SELECT 1, over: a/b for}", "want DOMAIN/PRODUCT", "half a span" },
        { "r: {sql: SELECT 1, over: a/b for 5m x}", "want DOMAIN/PRODUCT", "a word too many" },
        { "r: {sql: SELECT 1, over: a/b for 0s}", "want a duration of 1s to 7d", "no span" },
        { "r: {sql: SELECT 1, over: a/b for 8d}", "want a duration of 1s to 7d", "a long one" },
        { "r: {sql: SELECT 1, over: a/b for soon}", "want a duration of 1s to 7d", "not a span" },
        { "r: {sql: SELECT 1, over: [a/b, a/b for 5m]}", "named twice", "one product twice" },
        { "r: {sql: SELECT 1, over: 'a/a,a/b,a/c,a/d,a/e,a/f,a/g,a/h,a/i'}", "more than 8",
            "many" },
        { "r: {sql: SELECT 1, over: a/b, every: 10ms}", "want a duration of 1s to 1d",
            "too often" },
        { "r: {sql: SELECT 1, over: a/b, value: [x]}", "want the name of a column", "a list" },
        { "r: {sql: SELECT 1, over: a/b, value: x}", "no column x, which value names", "no such" },
        { "r: {sql: SELECT 1, over: a/b, by: x}", "no column x, which by names", "no such label" },
        { "r: {sql: [SELECT], over: a/b}", "want a SELECT", "a list" },
        { "r: {sql: '', over: a/b}", "want a SELECT", "nothing" },
        { "r: {sql: '-- nothing', over: a/b}", "want a SELECT", "nothing but a comment" },
        { "r: {sql: SELECT 1, over: a/b, a/b: x > 1}", "a condition beside sql", "both kinds" },
        { "r: {a/b: x > 1, over: a/b}", "over goes with sql", "half of the other kind" },
        { "r: {sql: SELEKT 1, over: a/b}", "1:18: near \"SELEKT\": syntax error", "misspelt" },
        { "r:\n    sql: |\n      SELECT x\n      FROM a_b\n      WHERE x > nosuch(y)\n    over: "
          "a/b",
            "r.yaml:6:17: no such function: nosuch", "a line and a column" },
        { "r: {sql: SELECT x FROM a_c, over: a/b}", "no such table: a_c", "another product" },
        { "r: {sql: SELECT random(), over: a/b}", "the function random is not permitted",
            "chance" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512], errors[1024];
        snprintf(text, sizeof text, strchr(rows[i].text, '\n') ? "rules:\n  %s" : "rules: {%s}",
            rows[i].text);
        struct wf_rules *r = rules_of(text, errors, sizeof errors);
        ck_assert_msg(
            strstr(errors, rows[i].says), "%s (%s): %s", rows[i].text, rows[i].why, errors);
        wf_rules_free(r);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.query");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_question_reads_what_it_names_at_the_time_that_it_is_told);
    tcase_add_test(t, a_question_can_do_nothing_but_read_what_it_names);
    tcase_add_test(t, a_question_that_takes_too_much_is_stopped);
    tcase_add_test(t, a_window_that_finds_no_room_loses_its_oldest_records_and_says_so);
    tcase_add_test(t, rows_of_an_inventory_are_never_pushed_out);
    tcase_add_test(t, a_schema_that_grows_keeps_what_is_there);
    tcase_add_test(t, compiling_knows_columns_or_assumes_them);
    tcase_add_test(t, a_rule_has_what_its_file_says);
    tcase_add_test(t, what_is_wrong_with_a_rule_is_said_with_its_place);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
