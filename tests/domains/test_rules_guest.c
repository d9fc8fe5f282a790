// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL and came with products: what their owners may ask, and that a hostile one neither reads what is not its own nor slows or
// blinds the monitor's own rules and those of other domains.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/taken.h"
#include "domains/monitoring/speed/sql.h"
#include "tests/domains/sql_rig.h"

#define OWN                                                                                        \
    "rules: {mine: {sql: 'SELECT _origin, max(used) AS value, _offset FROM servers_disks GROUP "   \
    "BY _origin HAVING value > 0.9', over: servers/disks for 5m, by: _origin, every: 1s}}\n"

// What products bring, taken as `take` says, beside the monitor's own.
struct guests {
    struct wf_taken *taken;
    struct wf_take *take;
    struct wf_rules *own;
};

static struct weft_conf *parse(const char *text)
{
    struct weft_conf *c = NULL;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "f", &c, NULL), WEFT_OK);
    return c;
}

static void take_begin(struct guests *t, const char *own, const char *take)
{
    struct weft_conf *c = parse(take);
    char errors[512];

    t->taken = wf_taken_new();
    t->take = wf_take_read(c);
    t->own = rules_of(own, errors, sizeof errors);
    ck_assert_str_eq(errors, "");
    ck_assert_msg(!weft_conf_errors(c)[0], "%s", weft_conf_errors(c));
    weft_conf_free(c);
}

static void bring(struct guests *t, const char *product, const char *text)
{
    const struct wf_taken_word w = {
        .product = product, .version = "1.0.0", .owner = "Owner", .hash = text, .text = text
    };

    ck_assert_msg(
        wf_taken_hear(t->taken, t->take, &w, MONDAY_MS), "%s", wf_taken_problem(t->taken));
}

static void use(struct rig *g, struct guests *t)
{
    struct wf_rules *old = g->rules;

    g->rules = wf_taken_rules(t->taken, t->own);
    wf_engine_rules(g->e, g->rules, MONDAY_MS);
    wf_rules_free(old);
    wf_taken_settle(t->taken);
}

static void take_end(struct rig *g, struct guests *t)
{
    rig_end(g);
    wf_taken_free(t->taken);
    wf_take_free(t->take);
    wf_rules_free(t->own);
}

static size_t seen_of(const struct rig *g, const char *rule)
{
    size_t n = 0;

    for (size_t i = 0; i < g->seen.count; i++)
        n += strcmp(g->seen.all[i].rule, rule) == 0;
    return n;
}

// ---- what an owner may ask ---------------------------------------------------------------------------------------------------

START_TEST(an_owners_question_fires_on_its_own_product_under_its_name)
{
    struct guests t;
    struct rig g;

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: [servers/*]\n");
    bring(&t, "servers/disks",
        "rules: {two: {sql: \"SELECT _origin AS host, count(DISTINCT disk) AS value, max(_offset) "
        "AS _offset, _origin, 'payments/cards' AS _product FROM disks WHERE used > 0.9 GROUP BY "
        "_origin HAVING value > 1\", over: disks for 5m, every: 10s, by: host, severity: "
        "critical}}\n");
    use(&g, &t);
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-1", "sdb", 1, 0.97);
    say(&g, "web-2", "sda", 1, 0.97);
    tick(&g, 2);
    ck_assert_uint_eq(seen_of(&g, "servers/disks:two"), 1);
    ck_assert_uint_eq(seen_of(&g, "mine"), 2);
    ck_assert_str_eq(g.seen.all[2].rule, "servers/disks:two"); // the monitor's own came first
    ck_assert_str_eq(g.seen.all[2].labels, "{host=\"web-1\"}");
    ck_assert_uint_eq(g.seen.all[2].offset, 1);
    ck_assert_str_eq(g.seen.all[2].product, "servers/disks"); // not whose it says that it is
    is_state(&g, "servers/disks:two", WF_SQL_OK, "");
    take_end(&g, &t);
}
END_TEST

#define JOIN                                                                                       \
    "rules: {owned: {sql: 'SELECT d._origin AS host, o.owner FROM disks d JOIN owners o ON "       \
    "o.host = d._origin WHERE used > 0.9', over: [disks for 5m, owners], by: host}, plain: "       \
    "{when: used > 0.99}}\n"

START_TEST(an_inventory_beside_it_is_read_where_the_monitor_gives_it)
{
    struct guests t;
    struct rig g;

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: [servers/*]\n");
    bring(&t, "servers/disks", JOIN);
    ck_assert_str_eq(wf_taken_problem(t.taken),
        "take: servers/disks:owned is left out, it reads owners as well: give it `with: "
        "[owners]`, or name it in `except`");
    use(&g, &t);
    ck_assert_uint_eq(g.rules->count, 2); // the other one of that product is taken
    struct weft_conf *c = parse("take: {servers/disks: {with: [own*]}}\n");
    wf_take_free(t.take);
    t.take = wf_take_read(c);
    weft_conf_free(c);
    wf_taken_choose(t.taken, t.take, MONDAY_MS);
    ck_assert_str_eq(wf_taken_problem(t.taken), "");
    use(&g, &t);
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.disks), WEFT_OK);
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.owners), WEFT_OK);
    own(&g, "web-1", "shop");
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 30);
    ck_assert_uint_eq(seen_of(&g, "servers/disks:owned"), 1);
    take_end(&g, &t);
}
END_TEST

static const struct {
    const char *rule, *told, *why;
} refused[] = {
    { "{sql: SELECT 1 FROM x, over: network/ports for 5m}", "names without a domain",
        "another domain's" },
    { "{sql: SELECT 1 FROM x, over: servers/disks for 5m}", "names without a domain",
        "its own by its domain, which may be called otherwise" },
    { "{sql: SELECT 1 FROM load, over: [disks for 5m, load for 5m]}", "the rows of now alone",
        "records of a neighbour" },
    { "{sql: SELECT 1 FROM owners, over: owners}", "want the product itself in over",
        "a neighbour alone" },
    { "{sql: SELECT 1 FROM disks, over: disks for 2d}", "has at most 1d", "two days" },
    { "{sql: SELECT 1 FROM disks, over: disks for 5m, every: 1s}", "want a duration of 10s",
        "each second" },
    { "{sql: SELECT 1 FROM disks, over: [disks for 5m, a, b, c, d]}", "more than 4 products",
        "five" },
    { "{sql: SELECT 1 FROM disks, over: '../disks for 5m'}", "names without a domain", "a path" },
    { "{sql: \"SELECT 1 FROM \\\"\\e[2J\\\"\", over: disks for 5m}", "control characters",
        "what a terminal obeys" },
    { "{sql: SELECT 1 FROM disks}", "over: [disks for 10m]", "no window" },
    { "{sql: SELECT 1 FROM disks, over: disks for 5m, when: used > 1}", "a condition beside sql",
        "both" },
    { "{sql: SELECT 1 FROM disks, over: disks for 5m, servers/disks: used > 1}",
        "a condition beside sql", "both, with a domain" },
    { "{sql: SELECT host FROM network_ports, over: disks for 5m}",
        "1:18: no such table: network_ports", "what it does not name" },
    { "{sql: SELECT 1 FROM disks; over: disks for 5m}", "want a text|over", "not YAML as meant" },
};

START_TEST(an_owner_may_not_ask)
{
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "", .compile = true };
    char text[512];

    snprintf(text, sizeof text, "rules: {a: %s}\n", refused[_i].rule);
    struct weft_conf *c = parse(text);
    struct wf_rules *r = wf_rules_read_shipped(c, &shipped);
    const char *second = strchr(refused[_i].told, '|');
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(strstr(weft_conf_errors(c), second ? second + 1 : refused[_i].told) != NULL,
        "%s: \"%s\"", refused[_i].why, weft_conf_errors(c));
    wf_rules_free(r);
    weft_conf_free(c);
}
END_TEST

START_TEST(a_question_has_at_most_4096_bytes)
{
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "" };
    char text[8192];

    for (int extra = 0; extra < 2; extra++) {
        snprintf(text, sizeof text, "rules: {a: {sql: 'SELECT 1 FROM disks%*s -', over: disks}}\n",
            4096 - 19 - 2 + extra, "");
        struct weft_conf *c = parse(text);
        struct wf_rules *r = wf_rules_read_shipped(c, &shipped);
        ck_assert_int_eq(strstr(weft_conf_errors(c), "at most 4096 bytes") != NULL, extra == 1);
        wf_rules_free(r);
        weft_conf_free(c);
    }
}
END_TEST

// ---- attacks -------------------------------------------------------------------------------------------------------------------

#define NUMBERS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"

static const struct {
    const char *sql, *says, *why;
} attacks[] = {
    { "SELECT owner FROM servers_owners", "no such table", "an inventory that it was not given" },
    { "SELECT owner FROM owners", "no such table", "by its short name" },
    { "SELECT used FROM servers_disks", "no such table", "a table of the monitor's own rules" },
    { "SELECT * FROM network_ports", "no such table", "another domain's product" },
    { "SELECT * FROM load", "no such table", "a product of its owner that the rule does not name" },
    { "SELECT * FROM main._weft_1", "not permitted", "what is behind that" },
    { "SELECT count(*) FROM main._weft_1", "not permitted", "or how much" },
    { "SELECT * FROM main._weft_3", "no such table", "or behind what there is not" },
    { "SELECT sql FROM sqlite_schema", "not permitted", "the schema" },
    { "SELECT name FROM temp.sqlite_master", "not permitted", "the schema of views" },
    { "ATTACH '/etc/passwd' AS x", "not permitted", "a file" },
    { "PRAGMA max_page_count = 1000000", "not permitted", "a bound" },
    { "SELECT * FROM pragma_database_list", "not permitted", "a pragma as a table" },
    { "CREATE VIRTUAL TABLE temp.x USING fts5(a)", "not permitted", "a virtual table" },
    { "SELECT * FROM fts3tokenize", "not permitted|no such table", "one that is there" },
    { "SELECT * FROM dbstat", "not permitted|no such table", "pages" },
    { "DELETE FROM main._weft_2", "not permitted", "a deletion" },
    { "SELECT load_extension('x.so')", "not permitted", "code" },
    { "SELECT randomblob(9)", "not permitted", "chance" },
    { "SELECT last_insert_rowid()", "not permitted", "what others did" },
    { "SELECT fts3_tokenizer('simple')", "not permitted|no such function", "a pointer" },
    { "SELECT datetime('now', 'local' || 'time')", "local time unavailable", "where it runs" },
    { NUMBERS ") SELECT sum(i) FROM n", "more than 1000000 steps|ms of the processor",
        "recursion without an end" },
    { NUMBERS " WHERE i < 101) SELECT i FROM n", "more than 100 rows", "too many rows" },
    { "SELECT replace(printf('%15000d', 1), ' ', 'xx')", "more than 16 KiB", "a huge string" },
    { NUMBERS " WHERE i < 4000), t AS (SELECT printf('%5000d', i) AS x FROM n) SELECT x FROM t "
              "ORDER BY x DESC",
        "more than 8 MiB", "much to be sorted" },
    { NUMBERS ") SELECT sum(instr(replace(printf('%16000d', i), ' ', 'a'), "
              "replace(printf('%8000d', i), ' ', 'a') || 'b')) FROM n",
        "more than 250 ms of the processor", "functions over long texts" },
    { NUMBERS ") SELECT sum(replace(printf('%16000d', i), ' ', 'a') LIKE "
              "'%a%a%a%a%a%a%a%a%a%a%a%b') FROM n",
        "more than 250 ms of the processor", "patterns that try everything" },
    { "WITH a AS (SELECT 1 AS x), b AS (SELECT l.x FROM a l, a r), c AS (SELECT l.x FROM b l, b "
      "r), d AS (SELECT l.x FROM c l, c r), e AS (SELECT l.x FROM d l, d r), f AS (SELECT l.x "
      "FROM e l, e r), g AS (SELECT l.x FROM f l, f r), h AS (SELECT l.x FROM g l, g r), i AS "
      "(SELECT l.x FROM h l, h r), j AS (SELECT l.x FROM i l, i r), k AS (SELECT l.x FROM j l, j "
      "r), m AS (SELECT l.x FROM k l, k r), n AS (SELECT l.x FROM m l, m r), o AS (SELECT l.x "
      "FROM n l, n r), p AS (SELECT l.x FROM o l, o r) SELECT count(*) FROM p l, p r, p s",
        "stopped", "parts of parts" },
    { "SELECT count(*) FROM disks a, disks b, disks c, disks d, disks e, disks f, disks g, disks h",
        "more than 1000000 steps|ms of the processor", "everything with everything" },
};

static bool says_one(const char *text, const char *choices)
{
    while (*choices) {
        char one[64];
        size_t len = strcspn(choices, "|");
        snprintf(one, sizeof one, "%.*s", (int)len, choices);
        if (strstr(text, one))
            return true;
        choices += len + (choices[len] == '|');
    }
    return false;
}

struct found {
    const char *rule;
    enum wf_sql_state state;
    char reason[300];
};

static void find(void *arg, const struct wf_engine_sql *s)
{
    struct found *f = arg;

    if (strcmp(s->rule->name, f->rule) != 0)
        return;
    f->state = s->state;
    snprintf(f->reason, sizeof f->reason, "%s", s->reason);
}

START_TEST(a_hostile_question_is_broken_and_the_monitors_own_rule_is_judged_beside_it)
{
    struct found f = { .rule = "servers/disks:bad" };
    struct guests t;
    struct rig g;
    char text[4096];

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: [servers/*]\n");
    snprintf(
        text, sizeof text, "rules: {bad: {over: disks for 5m, sql: \"%s\"}}\n", attacks[_i].sql);
    bring(&t, "servers/load", "rules: {a: {sql: SELECT 1 FROM load WHERE 0, over: load for 5m}}\n");
    bring(&t, "servers/disks", text);
    use(&g, &t);
    own(&g, "web-1", "shop");
    for (int i = 0; i < 40; i++)
        say(&g, "web-1", "sda", i, 0.95);
    tick(&g, 60);
    wf_engine_each_sql(g.e, find, &f);
    ck_assert_msg(f.state == WF_SQL_BROKEN && says_one(f.reason, attacks[_i].says), "%s: %s: %s",
        attacks[_i].why, wf_sql_state_name(f.state), f.reason);
    ck_assert_uint_eq(seen_of(&g, "servers/disks:bad"), 0);
    ck_assert_uint_eq(seen_of(&g, "mine"), 1);
    say(&g, "web-1", "sda", 330, 0.5); // and its records still come in
    tick(&g, 345);
    ck_assert_uint_eq(seen_of(&g, "mine"), 2);
    take_end(&g, &t);
}
END_TEST

START_TEST(records_that_strangers_keep_push_out_nobody_elses)
{
    const struct wf_engine_limits limits = { .guests = { .bytes = 60 * 4096,
                                                 .rows = 10,
                                                 .steps = 100000,
                                                 .memory = 1 << 20,
                                                 .length = 16384 } };
    struct guests t;
    struct rig g;

    rig_begin(&g, "rules: {}", &limits);
    take_begin(&t,
        "rules: {mine: {sql: 'SELECT count(*) AS value FROM servers_disks HAVING value = 50', "
        "over: servers/disks for 5m}}\n",
        "take: [servers/*]\n");
    bring(&t, "servers/disks",
        "rules: {all: {sql: SELECT count(*) AS value FROM disks, over: disks for 5m}}\n");
    use(&g, &t);
    for (int i = 0; i < 50; i++)
        say(&g, "web-1", "sda", i, 0.95);
    tick(&g, 60);
    ck_assert_uint_eq(seen_of(&g, "mine"), 1); // all fifty are there
    is_state(&g, "mine", WF_SQL_OK, "");
    is_state(&g, "servers/disks:all", WF_SQL_CUT, "there is no room for more");
    ck_assert_str_eq(g.seen.all[1].rule, "servers/disks:all");
    ck_assert(g.seen.all[1].value <= 10);
    take_end(&g, &t);
}
END_TEST

START_TEST(a_domain_that_asks_much_waits_for_itself_and_for_nobody_else)
{
    struct wf_shape ports;
    struct guests t;
    struct rig g;
    char text[16384] = "rules:\n";

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: [servers/*, network/*]\n");
    for (unsigned i = 0; i < 32; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
            "  a%u: {every: 10s, over: disks for 5m, sql: \"" NUMBERS
            " WHERE i < 40000) SELECT sum(i) AS value FROM n\"}\n",
            i);
    bring(&t, "servers/disks", text);
    bring(&t, "network/ports",
        "rules: {up: {every: 10s, sql: SELECT 1 FROM ports, over: ports for 5m}}\n");
    use(&g, &t);
    ports = g.disks;
    ports.product = "network/ports";
    ports.domain = "network";
    ports.bound = NULL;
    ck_assert_int_eq(wf_engine_reshape(g.e, &ports), WEFT_OK);
    say(&g, "web-1", "sda", 0, 0.95);
    // Each second the monitor's own is asked, the other domain's within three, and of the greedy one's not more than it may take.
    for (int64_t at = 0; at < 3; at++)
        tick(&g, at);
    is_state(&g, "mine", WF_SQL_OK, "");
    is_state(&g, "network/ports:up", WF_SQL_OK, "");
    ck_assert_uint_ge(seen_of(&g, "mine"), 3);
    is_state(&g, "servers/disks:a0", WF_SQL_OK, "");
    size_t asked = g.seen.count - seen_of(&g, "mine");
    ck_assert_uint_ge(asked, 1);
    ck_assert_uint_le(asked, 3 * WF_SQL_GUEST_TICK / 400000);
    wf_engine_forget(g.e, &ports);
    take_end(&g, &t);
}
END_TEST

// Labels that are others at each question, resting on somebody who is never heard again: none of them could end.
START_TEST(series_of_a_question_do_not_pile_up)
{
    struct guests t;
    struct rig g;

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: [servers/*]\n");
    bring(&t, "servers/disks",
        "rules: {pile: {every: 10s, by: [n, t], over: disks for 5m, sql: \"" NUMBERS
        " WHERE i < 100) SELECT i AS n, CAST(:now AS TEXT) AS t, 'web-9' AS _origin FROM n\"}}\n");
    use(&g, &t);
    say(&g, "web-9", "sda", 0, 0.5);
    g.seen.only = "mine";
    for (int64_t at = 190; at < 300; at += 10)
        tick(&g, at);
    is_state(&g, "servers/disks:pile", WF_SQL_UNKNOWN, "nothing of web-9");
    g.seen.dropped = 0;
    tick(&g, 300);
    ck_assert_uint_eq(g.seen.dropped, 0); // 1,000 are unknown: there is room for no other
    take_end(&g, &t);
}
END_TEST

START_TEST(so_many_domains_have_a_database_and_who_is_beyond_is_named)
{
    struct wf_engine_stats stats;
    struct guests t;
    struct rig g;

    rig_begin(&g, "rules: {}", NULL);
    take_begin(&t, OWN, "take: ['*/*']\n");
    for (unsigned i = 0; i <= WF_SQL_GUESTS; i++) {
        char product[32];
        snprintf(product, sizeof product, "d%u/disks", i);
        bring(&t, product, "rules: {a: {sql: SELECT 1 FROM disks, over: disks for 5m}}\n");
        use(&g, &t);
        wf_engine_stats(g.e, &stats);
        if (i < WF_SQL_GUESTS)
            ck_assert_str_eq(stats.problem, "");
    }
    ck_assert_str_eq(stats.problem,
        "rule d16/disks:a is not judged: rules that are SQL of 16 domains are taken already");
    ck_assert(wf_taken_end(t.taken, "d3/disks"));
    use(&g, &t);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, ""); // who goes leaves its room
    take_end(&g, &t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules_guest");
    TCase *c = tcase_create("all");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, an_owners_question_fires_on_its_own_product_under_its_name);
    tcase_add_test(c, an_inventory_beside_it_is_read_where_the_monitor_gives_it);
    tcase_add_loop_test(c, an_owner_may_not_ask, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(c, a_question_has_at_most_4096_bytes);
    tcase_add_loop_test(c,
        a_hostile_question_is_broken_and_the_monitors_own_rule_is_judged_beside_it, 0,
        (int)(sizeof attacks / sizeof *attacks));
    tcase_add_test(c, records_that_strangers_keep_push_out_nobody_elses);
    tcase_add_test(c, a_domain_that_asks_much_waits_for_itself_and_for_nobody_else);
    tcase_add_test(c, series_of_a_question_do_not_pile_up);
    tcase_add_test(c, so_many_domains_have_a_database_and_who_is_beyond_is_named);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
