// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL: what they may do, what they see, what their rows make of alerts, and what happens when something of it is missing.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/speed/rules_sql.h"
#include "tests/domains/monitor_rig.h"

#define MONDAY_MS 1767571200000

// ---- files -----------------------------------------------------------------------------------------------------------------

static struct wf_rules *rules_of(const char *text, char *errors, size_t size)
{
    struct weft_conf *c = NULL;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "r.yaml", &c, NULL), WEFT_OK);
    struct wf_rules *rules = wf_rules_read(c);
    ck_assert_ptr_nonnull(rules);
    snprintf(errors, size, "%s", weft_conf_errors(c));
    weft_conf_free(c);
    return rules;
}

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

START_TEST(a_question_can_do_nothing_but_read_what_it_names)
{
    static const struct {
        const char *sql, *says, *why;
    } rows[] = {
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
    struct base b;
    char out[300];

    base_init(&b, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum weft_err err = ask(&b, rows[i].sql, out, sizeof out);
        ck_assert_msg(err == WEFT_E_SQL && strstr(out, rows[i].says), "%s (%s): %s", rows[i].sql,
            rows[i].why, out);
        err = ask(&b, "SELECT count(*) FROM servers_disks", out, sizeof out);
        ck_assert_msg(!err && strcmp(out, "1") == 0, "behind %s: %s", rows[i].sql, out);
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

// ---- rules and records -----------------------------------------------------------------------------------------------------

#define SEEN 32u

struct seen {
    struct {
        enum wf_truth truth;
        bool gone, record, has_value;
        double value;
        uint64_t offset;
        char rule[64], labels[200], product[64], origin[64], detail[200], owner[64];
    } all[SEEN];
    size_t count;
};

static void on_observed(void *arg, const struct wf_observed *o)
{
    struct seen *s = arg;
    struct wf_expr_value v = { .kind = WF_KIND_NONE };

    ck_assert_uint_lt(s->count, SEEN);
    s->all[s->count].truth = o->truth;
    s->all[s->count].gone = o->gone;
    s->all[s->count].record = o->record;
    s->all[s->count].has_value = o->has_value;
    s->all[s->count].value = o->value;
    s->all[s->count].offset = o->offset;
    snprintf(s->all[s->count].rule, 64, "%s", o->rule->name);
    wf_labels_print(o->labels, s->all[s->count].labels, 200);
    snprintf(s->all[s->count].product, 64, "%s", o->product);
    snprintf(s->all[s->count].origin, 64, "%s", o->origin);
    snprintf(s->all[s->count].detail, 200, "%s", o->detail);
    s->all[s->count].owner[0] = '\0';
    if (o->get && o->get(o->get_arg, "owner", &v) && v.kind == WF_KIND_TEXT)
        snprintf(s->all[s->count].owner, 64, "%.*s", (int)v.len, v.ptr);
    s->count++;
}

static const struct wf_shape_field disk_fields[] = { { "disk", false, true, "TEXT" },
    { "used", false, false, "REAL" } };
static const struct wf_shape_field owner_fields[] = { { "host", true, true, "TEXT" },
    { "owner", false, false, "TEXT" } };

struct rig {
    struct wf_engine *e;
    struct wf_rules *rules;
    struct wf_shape disks, owners;
    struct seen seen;
    uint64_t offset;
};

static void rig_rules(struct rig *g, const char *rules, int64_t at_s)
{
    char errors[512];
    struct wf_rules *old = g->rules;

    g->rules = rules_of(rules, errors, sizeof errors);
    ck_assert_str_eq(errors, "");
    wf_engine_rules(g->e, g->rules, MONDAY_MS + at_s * 1000);
    wf_rules_free(old);
}

static void rig_begin(struct rig *g, const char *rules, const struct wf_engine_limits *limits)
{
    memset(g, 0, sizeof *g);
    g->disks = (struct wf_shape){ .product = "servers/disks",
        .domain = "servers",
        .freshness_ms = 60000,
        .fields = disk_fields,
        .field_count = 2,
        .seen = true };
    g->owners = (struct wf_shape){ .product = "servers/owners",
        .domain = "servers",
        .inventory = true,
        .fields = owner_fields,
        .field_count = 2,
        .seen = true };
    g->e = wf_engine_new(limits, on_observed, &g->seen);
    ck_assert_ptr_nonnull(g->e);
    rig_rules(g, rules, 0);
    ck_assert_int_eq(wf_engine_reshape(g->e, &g->disks), WEFT_OK);
    ck_assert_int_eq(wf_engine_reshape(g->e, &g->owners), WEFT_OK);
}

static void rig_end(struct rig *g)
{
    wf_engine_free(g->e);
    wf_rules_free(g->rules);
}

struct pair {
    const char *text;
    double number; // where text 2 is NULL
    const char *second;
};

static void pair_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct pair *p = arg;
    const char *text = field == 0 ? p->text : p->second;

    *ret = text ? (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = text, .len = strlen(text) }
                : (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = p->number };
}

static void say(struct rig *g, const char *origin, const char *disk, int64_t at_s, double used)
{
    const struct pair p = { disk, used, NULL };
    const struct wf_row row = { .shape = &g->disks,
        .time_ms = MONDAY_MS + at_s * 1000,
        .append_ms = MONDAY_MS + at_s * 1000,
        .offset = g->offset++,
        .origin = origin,
        .arg = &p,
        .get = pair_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

static void own(struct rig *g, const char *host, const char *owner)
{
    const struct pair p = { host, 0, owner ? owner : "" };
    const struct wf_row row = { .shape = &g->owners,
        .deleted = !owner,
        .time_ms = MONDAY_MS,
        .append_ms = MONDAY_MS,
        .offset = g->offset++,
        .origin = "cmdb",
        .arg = &p,
        .get = pair_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

static void tick(struct rig *g, int64_t at_s)
{
    ck_assert_int_eq(wf_engine_tick(g->e, MONDAY_MS + at_s * 1000), WEFT_OK);
}

struct wanted {
    const char *rule;
    struct wf_engine_sql found;
    char reason[300];
};

static void on_sql(void *arg, const struct wf_engine_sql *s)
{
    struct wanted *w = arg;

    if (strcmp(s->rule->name, w->rule) != 0)
        return;
    w->found = *s;
    snprintf(w->reason, sizeof w->reason, "%s", s->reason);
}

static void is_state(struct rig *g, const char *rule, enum wf_sql_state state, const char *reason)
{
    struct wanted w = { .rule = rule, .found.state = WF_SQL_WAITS };
    struct wf_engine_stats stats;

    wf_engine_each_sql(g->e, on_sql, &w);
    ck_assert_msg(
        w.found.state == state && (reason[0] ? strstr(w.reason, reason) != NULL : !w.reason[0]),
        "%s is %s: %s", rule, wf_sql_state_name(w.found.state), w.reason);
    wf_engine_stats(g->e, &stats);
    ck_assert_msg(strstr(stats.problem, reason), "status says \"%s\"", stats.problem);
}

#define OWNED                                                                                      \
    "rules: {r: {sql: 'SELECT d._origin AS host, disk, owner, used AS value, d._origin, "          \
    "d._offset "                                                                                   \
    "FROM servers_disks d JOIN servers_owners o ON o.host = d._origin WHERE used > 0.9 AND "       \
    "d._time = (SELECT max(_time) FROM servers_disks WHERE _origin = d._origin)', over: "          \
    "'servers/disks for 5m, servers/owners', by: [host, disk]}}"

START_TEST(each_row_is_a_series_with_labels_value_columns_and_evidence)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    own(&g, "web-1", "shop");
    say(&g, "web-1", "sda", 0, 0.5);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "web-1", "sda", 60, 0.95);
    tick(&g, 29);
    ck_assert_uint_eq(g.seen.count, 0); // not due
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_TRUE);
    ck_assert_str_eq(g.seen.all[0].labels, "{disk=\"sda\", host=\"web-1\"}");
    ck_assert(g.seen.all[0].has_value && g.seen.all[0].record);
    ck_assert_double_eq(g.seen.all[0].value, 0.95);
    ck_assert_str_eq(g.seen.all[0].product, "servers/disks");
    ck_assert_str_eq(g.seen.all[0].origin, "web-1");
    ck_assert_uint_eq(g.seen.all[0].offset, 3);
    ck_assert_str_eq(g.seen.all[0].owner, "shop");
    say(&g, "web-1", "sda", 90, 0.5);
    tick(&g, 90);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[1].labels, g.seen.all[0].labels);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(a_row_without_a_record_rests_on_the_window)
{
    struct rig g;

    rig_begin(&g,
        "rules: {all: {sql: 'SELECT avg(used) AS value FROM servers_disks HAVING value > 0.9', "
        "over: "
        "servers/disks for 5m}, each: {sql: 'SELECT _origin, avg(used) FROM servers_disks GROUP BY "
        "_origin HAVING avg(used) > 0.9', over: servers/disks for 5m, by: _origin}}",
        NULL);
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 1, 0.95);
    say(&g, "web-1", "sda", 2, 0.95);
    tick(&g, 3);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert_str_eq(g.seen.all[0].labels, "{}");
    ck_assert_str_eq(g.seen.all[0].detail, "over servers/disks 0..2 of web-1, 1..1 of web-2");
    ck_assert(g.seen.all[0].record);
    ck_assert_uint_eq(g.seen.all[0].offset, 2); // the newest
    ck_assert_str_eq(g.seen.all[0].origin, "web-1");
    ck_assert_str_eq(g.seen.all[2].labels, "{_origin=\"web-2\"}");
    ck_assert_str_eq(g.seen.all[2].detail, "over servers/disks 1..1 of web-2");
    ck_assert_uint_eq(g.seen.all[2].offset, 1);
    ck_assert(!g.seen.all[2].has_value);
    rig_end(&g);
}
END_TEST

// What proves nothing ends nothing.
START_TEST(what_is_missing_is_unknown)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    own(&g, "web-1", "shop");
    own(&g, "web-2", "shop");
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    g.owners.seen = false;
    g.owners.cause = "node unreachable";
    tick(&g, 30);
    is_state(&g, "r", WF_SQL_UNKNOWN, "servers/owners is not seen: node unreachable");
    ck_assert_uint_eq(g.seen.count, 2);
    g.owners.seen = true;
    for (int64_t s = 60; s <= 360; s += 60)
        say(&g, "web-2", "sda", s, 0.5); // web-1 says nothing any more
    tick(&g, 360);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert_int_eq(g.seen.all[2].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[2].labels, "{disk=\"sda\", host=\"web-2\"}");
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1 in servers/disks for too long");
    say(&g, "web-1", "sda", 370, 0.5);
    tick(&g, 390);
    ck_assert_uint_eq(g.seen.count, 4);
    ck_assert_int_eq(g.seen.all[3].truth, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(an_aggregate_needs_all_who_were_there)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(DISTINCT _origin) AS value FROM servers_disks WHERE used > "
        "0.9 HAVING "
        "value > 1', over: servers/disks for 10m}}",
        NULL);
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    for (int64_t s = 60; s <= 720; s += 60)
        say(&g, "web-2", "sda", s, 0.95);
    tick(&g, 720);
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    g.disks.events = true; // of occurrences none is none
    tick(&g, 750);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    rig_end(&g);
}
END_TEST

// Silent for three times the promise: its records are still there, and prove nothing.
START_TEST(a_silent_host_is_missed_before_its_window_is_empty)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT _origin, count(*) AS value FROM servers_disks GROUP BY _origin "
        "HAVING value > "
        "2', over: servers/disks for 10m, by: _origin}}",
        NULL);
    for (int64_t s = 0; s <= 120; s += 60)
        say(&g, "web-1", "sda", s, 0.95);
    tick(&g, 120);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 600 + 30); // two of three are left
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    rig_end(&g);
}
END_TEST

START_TEST(what_a_rule_lacks_is_said)
{
    struct rig g;

    rig_begin(&g,
        "rules: {gone: {sql: SELECT 1 FROM servers_nothing, over: servers/nothing for 5m}, late: "
        "{sql: SELECT 1 "
        "FROM servers_owners, over: servers/owners}, wrong: {sql: SELECT 1 FROM servers_disks, "
        "over: "
        "servers/disks}}",
        NULL);
    g.owners.field_count = 0;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.owners), WEFT_OK);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0);
    struct wanted w = { .rule = "gone" };
    wf_engine_each_sql(g.e, on_sql, &w);
    ck_assert_int_eq(w.found.state, WF_SQL_UNKNOWN);
    ck_assert_str_eq(w.reason, "servers/nothing is not read: nobody granted it, or there is none");
    w = (struct wanted){ .rule = "late" };
    wf_engine_each_sql(g.e, on_sql, &w);
    ck_assert_int_eq(w.found.state, WF_SQL_UNKNOWN);
    ck_assert_str_eq(w.reason, "the schema of servers/owners is not known yet");
    is_state(&g, "wrong", WF_SQL_BROKEN, "servers/disks is no inventory: say how long");
    g.owners.field_count = 2;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.owners), WEFT_OK);
    own(&g, "web-1", "shop");
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_str_eq(g.seen.all[0].rule, "late");
    rig_end(&g);
}
END_TEST

START_TEST(a_broken_rule_stops_no_other)
{
    static const struct wf_engine_limits limits = { .sql.steps = 100000 };
    struct rig g;

    rig_begin(&g,
        "rules: {ends: {sql: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT "
        "sum(i) FROM n', over: servers/disks for 5m}, column: {sql: SELECT size FROM "
        "servers_disks, over: "
        "servers/disks for 5m}, many: {sql: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
        "1 FROM n "
        "WHERE i < 1001) SELECT i FROM n', over: servers/disks for 5m, by: i}, value: {sql: SELECT "
        "disk FROM "
        "servers_disks, over: servers/disks for 5m}}",
        &limits);
    say(&g, "web-1", "sda", 0, 1);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 1); // of 1,001 rows not one was said
    ck_assert_str_eq(g.seen.all[0].rule, "value");
    is_state(&g, "ends", WF_SQL_BROKEN, "stopped: it takes more than 100000 steps");
    struct wanted w = { .rule = "column" };
    wf_engine_each_sql(g.e, on_sql, &w);
    ck_assert_int_eq(w.found.state, WF_SQL_BROKEN);
    ck_assert_str_eq(w.reason, "no such column: size");
    w = (struct wanted){ .rule = "many" };
    wf_engine_each_sql(g.e, on_sql, &w);
    ck_assert_int_eq(w.found.state, WF_SQL_BROKEN);
    ck_assert_str_eq(w.reason, "the answer has more than 1000 rows");
    rig_end(&g);
}
END_TEST

START_TEST(a_column_that_comes_mends_a_rule)
{
    static const struct wf_shape_field more[] = { { "disk", false, true, "TEXT" },
        { "used", false, false, "REAL" }, { "size", false, false, "REAL" } };
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT max(size) FROM servers_disks', over: servers/disks for 5m, "
        "every: 1s}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    tick(&g, 0);
    is_state(&g, "r", WF_SQL_BROKEN, "no such column: size");
    g.disks.fields = more;
    g.disks.field_count = 3;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.disks), WEFT_OK);
    say(&g, "web-1", "sda", 1, 1);
    tick(&g, 1);
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(rows_of_the_same_labels_are_one_series_and_that_is_said)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT disk, used AS value FROM servers_disks ORDER BY used DESC', "
        "over: servers/disks "
        "for 5m, by: disk}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    say(&g, "web-1", "sda", 1, 2);
    tick(&g, 2);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_double_eq(g.seen.all[0].value, 2); // the first of them
    is_state(&g, "r", WF_SQL_OK, "1 rows have the labels of another one");
    rig_end(&g);
}
END_TEST

START_TEST(a_window_that_was_cut_is_said_with_the_alert)
{
    static const struct wf_engine_limits limits = { .sql.rows = 20 };
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT _origin, max(_offset) AS _offset, count(*) AS value FROM "
        "servers_disks GROUP BY "
        "_origin', over: servers/disks for 5m, by: _origin}}",
        &limits);
    for (int64_t s = 0; s < 60; s++)
        say(&g, "web-1", "sda", s, 1);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert(strstr(g.seen.all[0].detail, "servers/disks reaches back") != NULL);
    is_state(&g, "r", WF_SQL_CUT, "s instead of 300: there is no room for more");
    for (int64_t s = 60; s < 600; s += 60)
        say(&g, "web-1", "sda", s, 1);
    tick(&g, 600);
    is_state(&g, "r", WF_SQL_OK, ""); // what was cut is older than the span now
    rig_end(&g);
}
END_TEST

// ---- inventories -----------------------------------------------------------------------------------------------------------

START_TEST(an_inventory_is_its_rows_of_now)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT host, owner FROM servers_owners', over: servers/owners, by: "
        "[host, owner], every: "
        "1s}}",
        NULL);
    own(&g, "a", "x");
    own(&g, "b", "x");
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    own(&g, "a", "y"); // another row of the same key
    tick(&g, 1);
    ck_assert_uint_eq(g.seen.count, 5);
    own(&g, "b", NULL);
    tick(&g, 2);
    ck_assert_uint_eq(g.seen.count, 7);
    ck_assert_int_eq(g.seen.all[6].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[6].labels, "{host=\"b\", owner=\"x\"}");
    // A snapshot says all rows again: those that it does not say are gone, when it is whole.
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, false), WEFT_OK);
    own(&g, "c", "z");
    tick(&g, 3);
    ck_assert_uint_eq(g.seen.count, 9);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "other", g.offset++, true), WEFT_OK);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, true), WEFT_OK);
    tick(&g, 4);
    ck_assert_uint_eq(g.seen.count, 11);
    ck_assert_int_eq(g.seen.all[10].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[10].labels, "{host=\"a\", owner=\"y\"}");
    rig_end(&g);
}
END_TEST

// ---- restart, reload -------------------------------------------------------------------------------------------------------

START_TEST(an_alert_of_an_earlier_run_ends_when_its_row_is_gone)
{
    struct rig g;
    struct wf_labels labels;

    wf_labels_init(&labels);
    ck_assert(
        wf_labels_set(&labels, "host", "web-1", 5) && wf_labels_set(&labels, "disk", "sda", 3));
    rig_begin(&g, OWNED, NULL);
    ck_assert_int_eq(wf_engine_was_true(g.e, "r", &labels, "servers/disks", "web-1"), WEFT_OK);
    ck_assert_int_eq(wf_engine_was_true(g.e, "other", &labels, "servers/disks", "web-1"), WEFT_OK);
    own(&g, "web-1", "shop");
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0); // not a word of web-1 yet
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    say(&g, "web-1", "sda", 20, 0.5);
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[0].labels, "{disk=\"sda\", host=\"web-1\"}");
    rig_end(&g);
}
END_TEST

START_TEST(a_reload_keeps_what_is_the_same)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    ck_assert(wf_engine_lacks(g.e, "servers/disks") && wf_engine_lacks(g.e, "servers/owners"));
    ck_assert(!wf_engine_lacks(g.e, "servers/disks"));
    own(&g, "web-1", "shop");
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 0);
    rig_rules(&g, OWNED, 10);
    ck_assert(!wf_engine_lacks(g.e, "servers/disks"));
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 2); // the window is there
    rig_rules(
        &g, "rules: {r: {sql: 'SELECT 1 FROM servers_disks', over: 'servers/disks for 9m'}}", 40);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert(g.seen.all[2].gone);
    ck_assert_str_eq(g.seen.all[2].detail, "its rule was removed or changed");
    ck_assert(wf_engine_lacks(g.e, "servers/disks")); // a longer window begins in the past
    ck_assert(!wf_engine_lacks(g.e, "servers/owners"));
    ck_assert_int_eq(wf_engine_span(g.e, "servers/disks"), 540000);
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 4);
    rig_rules(&g, "rules: {}", 70);
    ck_assert_uint_eq(g.seen.count, 5);
    ck_assert(g.seen.all[4].gone);
    ck_assert(!wf_engine_wants(g.e, "servers/disks"));
    rig_end(&g);
}
END_TEST

// A read that begins again brings records a second time.
START_TEST(a_record_that_comes_twice_is_one)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(*) AS value FROM servers_disks', over: servers/disks for "
        "5m, every: 1s}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    g.offset = 0;
    say(&g, "web-1", "sda", 0, 1);
    tick(&g, 0);
    ck_assert_double_eq(g.seen.all[0].value, 1);
    rig_end(&g);
}
END_TEST

// ---- as the batch layer has it ---------------------------------------------------------------------------------------------

static void on_everything(void *arg, const struct wf_observed *o)
{
    struct wf_expr_value v = { .kind = WF_KIND_NONE };

    if (o->get && o->get(o->get_arg, "everything", &v))
        snprintf(arg, 4096, "%.*s", (int)v.len, v.ptr);
}

// The same SQL over the same records: `weft-monitor sql` and a rule see the same values of the same types.
START_TEST(a_question_tried_on_the_batch_layer_is_a_rule)
{
    static const char sql[] =
        "SELECT group_concat(_origin || _offset || _op || _domain || quote(host) || typeof(host) "
        "|| quote(load) || "
        "typeof(load) || quote(tasks) || typeof(tasks)) AS everything FROM servers_load";
    char rules[600], seen[4096] = "", errors[300], path[512];
    struct fake_product *p;
    struct wf_mon_store *s = NULL;
    struct weft_problem problem;
    const struct wf_mon_feed feed = { .product = "servers/load", .kind = WEFT_METRIC };
    struct wf_fields f = { .made = false };

    fake_reset();
    p = fake_product("servers/load", WEFT_METRIC, "load1", "weft.test.Load");
    fake_fill(p, 2, 2);
    snprintf(path, sizeof path, "%s", rig_path());
    ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_OK);
    rig_store(s, p, 0, 2, true);
    wf_mon_store_close(s);

    snprintf(rules, sizeof rules, "rules: {r: {sql: \"%s\", over: servers/load for 7d}}", sql);
    struct wf_rules *r = rules_of(rules, errors, sizeof errors);
    ck_assert_str_eq(errors, "");
    struct wf_engine *e = wf_engine_new(NULL, on_everything, seen);
    struct weft_product *schema = fake_described(p);
    wf_engine_rules(e, r, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct weft_event *event = fake_event(p, i);
        ck_assert_int_eq(wf_fields_use(&f, e, &feed, schema), WEFT_OK);
        ck_assert_int_eq(wf_fields_rows(&f, e, schema, event, 0, 0), WEFT_OK);
        f.shape.seen = true;
        ck_assert_int_eq(wf_engine_tick(e, event->append_ms + 1000 + (int64_t)i * 60000), WEFT_OK);
    }
    ck_assert(strlen(seen) > 100);
    ck_assert_str_eq(seen, rig_ask(path, sql));
    wf_fields_fini(&f, e);
    wf_engine_free(e);
    wf_rules_free(r);
    weft_product_free(schema);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.rules_sql");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_rule_has_what_its_file_says);
    tcase_add_test(t, what_is_wrong_with_a_rule_is_said_with_its_place);
    tcase_add_test(t, compiling_knows_columns_or_assumes_them);
    tcase_add_test(t, a_question_reads_what_it_names_at_the_time_that_it_is_told);
    tcase_add_test(t, a_question_can_do_nothing_but_read_what_it_names);
    tcase_add_test(t, a_question_that_takes_too_much_is_stopped);
    tcase_add_test(t, a_window_that_finds_no_room_loses_its_oldest_records_and_says_so);
    tcase_add_test(t, rows_of_an_inventory_are_never_pushed_out);
    tcase_add_test(t, a_schema_that_grows_keeps_what_is_there);
    tcase_add_test(t, each_row_is_a_series_with_labels_value_columns_and_evidence);
    tcase_add_test(t, a_row_without_a_record_rests_on_the_window);
    tcase_add_test(t, what_is_missing_is_unknown);
    tcase_add_test(t, an_aggregate_needs_all_who_were_there);
    tcase_add_test(t, a_silent_host_is_missed_before_its_window_is_empty);
    tcase_add_test(t, what_a_rule_lacks_is_said);
    tcase_add_test(t, a_broken_rule_stops_no_other);
    tcase_add_test(t, a_column_that_comes_mends_a_rule);
    tcase_add_test(t, rows_of_the_same_labels_are_one_series_and_that_is_said);
    tcase_add_test(t, a_window_that_was_cut_is_said_with_the_alert);
    tcase_add_test(t, an_inventory_is_its_rows_of_now);
    tcase_add_test(t, an_alert_of_an_earlier_run_ends_when_its_row_is_gone);
    tcase_add_test(t, a_reload_keeps_what_is_the_same);
    tcase_add_test(t, a_record_that_comes_twice_is_one);
    tcase_add_test(t, a_question_tried_on_the_batch_layer_is_a_rule);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
