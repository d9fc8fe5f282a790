// SPDX-License-Identifier: Apache-2.0
// Rules that come with products: what strangers may write, what the monitor takes of it, and what goes on when it is wrong, changes or ends.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/alert.h"
#include "domains/monitoring/alert/taken.h"

#define NOW 1767571200000

static struct weft_conf *parse(const char *text)
{
    struct weft_conf *c = NULL;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "f", &c, NULL), WEFT_OK);
    return c;
}

static struct wf_take *chosen(const char *text)
{
    struct weft_conf *c = parse(text);
    struct wf_take *t = wf_take_read(c);

    ck_assert_ptr_nonnull(t);
    ck_assert_msg(!weft_conf_errors(c)[0], "%s", weft_conf_errors(c));
    weft_conf_free(c);
    return t;
}

// ---- what strangers may write ------------------------------------------------------------------------------------------------

static const char good[] = "rules:\n"
                           "  full:\n"
                           "    when: used > 90% for 2m by host\n"
                           "    summary: \"{{host}} is full\"\n"
                           "    labels: {team: storage}\n"
                           "    runbook: https://servers.example.org/full\n"
                           "  silent-host: {when: silent}\n";

START_TEST(rules_of_a_product_look_at_it_and_bear_its_name)
{
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "Servers, 1.0.0" };
    struct weft_conf *c = parse(good);
    struct wf_rules *r = wf_rules_read_shipped(c, &shipped);

    ck_assert_msg(!weft_conf_errors(c)[0], "%s", weft_conf_errors(c));
    weft_conf_free(c);
    ck_assert_uint_eq(r->count, 2);
    ck_assert_str_eq(r->rules[0]->name, "servers/disks:full");
    ck_assert_str_eq(r->rules[0]->product, "servers/disks");
    ck_assert_str_eq(r->rules[0]->by, "Servers, 1.0.0");
    ck_assert(r->rules[0]->taken && !r->rules[0]->many);
    ck_assert(r->rules[1]->when.silent);
    wf_rules_free(r);
}
END_TEST

static const struct {
    const char *text, *told, *why;
} refused[] = {
    { "rules:\n  a: {network/ports: up == 0}\n", "2:7: rules that come with a product look at that",
        "another product" },
    { "rules:\n  a: {\"*/*\": silent}\n", "look at that product alone", "all products" },
    { "rules:\n  a: {monitor/products: lag > 1}\n", "look at that product alone", "the monitor" },
    { "rules:\n  a: {severity: info}\n", "2:3: no condition: want when", "no condition" },
    { "rules:\n  a: {sql: SELECT 1, over: network/ports}\n", "names without a domain",
        "a question about others" },
    { "rules: {}\nnotify: {to: [{command: [/bin/sh]}]}\n", "2:1: notify is the monitor's to say",
        "a command" },
    { "rules: {}\ntake: ['*/*']\n", "2:1: take is the monitor's to say", "taking others" },
    { "rules: {}\npublish: alerts\n", "publish is the monitor's to say", "publishing" },
    { "rules:\n  a: {when: 'x > 1', labels: {alertname: b}}\n", "the label alertname is not for",
        "another rule's name" },
    { "rules:\n  a: {when: 'x > 1', labels: {severity: b}}\n", "the label severity is not for",
        "a severity beside its own" },
    { "rules:\n  a: {when: 'x > 1', labels: {product: b/c}}\n", "the label product is not for",
        "another product's name" },
    { "rules:\n  a: {when: 'x > 1', runbook: 'javascript:1'}\n", "want the address of a runbook",
        "a runbook that is no address" },
    { "rules:\n  a: {when: 'x > 1', summary: \"a\\u001b[2Jb\"}\n", "control characters",
        "what a terminal obeys" },
    { "rules:\n  a: {when: 'avg(x, 9d) > 1'}\n", "at most 8d", "a window of nine days" },
    { "rules:\n  a: {when: 'x >> 1'}\n", "want a value", "no condition at all" },
    { "rules:\n  a: {whem: 'x > 1'}\n", "did you mean \"when\"", "a key that is none" },
};

START_TEST(a_stranger_may_not)
{
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "" };
    struct weft_conf *c = parse(refused[_i].text);
    struct wf_rules *r = wf_rules_read_shipped(c, &shipped);

    ck_assert_ptr_nonnull(r);
    ck_assert_msg(strstr(weft_conf_errors(c), refused[_i].told) != NULL, "%s: \"%s\"",
        refused[_i].why, weft_conf_errors(c));
    wf_rules_free(r);
    weft_conf_free(c);
}
END_TEST

START_TEST(a_product_brings_thirty_two_rules)
{
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "" };

    for (unsigned count = 32; count <= 33; count++) {
        char text[4096] = "rules:\n";
        for (unsigned i = 0; i < count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "  a%u: {when: x > 1}\n", i);
        struct weft_conf *c = parse(text);
        struct wf_rules *r = wf_rules_read_shipped(c, &shipped);
        ck_assert_ptr_nonnull(r);
        ck_assert_int_eq(strstr(weft_conf_errors(c), "more than 32 rules") != NULL, count == 33);
        wf_rules_free(r);
        weft_conf_free(c);
    }
}
END_TEST

// ---- what is taken -------------------------------------------------------------------------------------------------------------

START_TEST(the_monitor_says_what_it_takes_and_how)
{
    struct wf_take *t = chosen("take:\n"
                               "  servers/disks: {except: silent-*, change: {full: {severity: "
                               "info, for: 10m}}}\n"
                               "  servers/*: all\n");
    const struct wf_shipped shipped = { .product = "servers/disks", .by = "" };
    struct weft_conf *c = parse(good);
    struct wf_rules *r = wf_rules_read_shipped(c, &shipped);
    struct wf_take_left left;

    wf_take_apply(wf_take_find(t, "servers/disks"), r, &left);
    ck_assert_str_eq(left.unknown, "");
    ck_assert_ptr_null(left.rule);
    ck_assert_uint_eq(r->count, 1);
    ck_assert_int_eq(r->rules[0]->severity, WF_INFO);
    ck_assert_int_eq(r->rules[0]->when.for_ms, 600000);
    ck_assert_ptr_nonnull(wf_take_find(t, "servers/load"));
    ck_assert_ptr_null(wf_take_find(t, "network/ports"));
    wf_rules_free(r);
    weft_conf_free(c);
    wf_take_free(t);
}
END_TEST

static const struct {
    const char *text, *told;
} bad_takes[] = {
    { "take: servers\n", "1:7: want products" },
    { "take: [servers]\n", "1:8: want products, as in servers/filesystems" },
    { "take: {servers/*: some}\n", "want all, or which rules" },
    { "take: {servers/*: {exept: a}}\n", "did you mean \"except\"" },
    { "take: {servers/*: {change: {a: {severity: high}}}}\n", "want info, warning or critical" },
    { "take: {servers/*: {change: {a: {for: soon}}}}\n", "want a duration" },
    { "take: {servers/*: {only: {a: b}}}\n", "want the name of a rule" },
};

START_TEST(a_wrong_choice_is_named)
{
    struct weft_conf *c = parse(bad_takes[_i].text);
    struct wf_take *t = wf_take_read(c);

    ck_assert_ptr_nonnull(t);
    ck_assert_msg(
        strstr(weft_conf_errors(c), bad_takes[_i].told) != NULL, "%s", weft_conf_errors(c));
    wf_take_free(t);
    weft_conf_free(c);
}
END_TEST

// ---- over time -----------------------------------------------------------------------------------------------------------------

static struct wf_taken *taken;
static struct wf_take *take;
static struct wf_rules *own;

static void setup(void)
{
    struct weft_conf *c = parse("rules: {mine: {servers/load: load1 > 9}}\n");

    own = wf_rules_read(c);
    weft_conf_free(c);
    take = chosen("take: [servers/*]\n");
    taken = wf_taken_new();
    ck_assert(own && taken);
}

static void teardown(void)
{
    wf_taken_free(taken);
    wf_take_free(take);
    wf_rules_free(own);
}

static bool hear(const char *version, const char *hash, const char *text)
{
    const struct wf_taken_word w = { .product = "servers/disks",
        .version = version,
        .owner = "Servers\033[2J",
        .hash = hash,
        .text = text };

    return wf_taken_hear(taken, take, &w, NOW);
}

static size_t count_rules(const char *name)
{
    struct wf_rules *all = wf_taken_rules(taken, own);
    size_t count = all->count;

    if (name)
        ck_assert_ptr_nonnull(wf_rules_find(all, name));
    wf_rules_free(all);
    wf_taken_settle(taken);
    return count;
}

START_TEST(rules_come_change_and_go_with_their_product)
{
    ck_assert(!hear("1.0.0", "", NULL));
    ck_assert(!hear("1.0.0", "h1", NULL)); // not fetched yet
    ck_assert_uint_eq(count_rules("mine"), 1);
    ck_assert(hear("1.0.0", "h1", good));
    ck_assert_uint_eq(count_rules("servers/disks:full"), 3);
    ck_assert_str_eq(wf_taken_at(taken, 0)->by, "Servers?[2J, servers/disks 1.0.0");
    ck_assert(!hear("1.0.0", "h1", NULL));
    ck_assert(!hear("1.0.0", "h1", good));
    ck_assert(hear("1.0.1", "h1", NULL)); // the same under another version
    ck_assert_str_eq(wf_taken_at(taken, 0)->version, "1.0.1");
    ck_assert(hear("1.1.0", "h2", "rules: {other: {when: used > 1}}\n"));
    ck_assert_uint_eq(count_rules("servers/disks:other"), 2);
    ck_assert(hear("1.2.0", "", NULL));
    ck_assert_uint_eq(count_rules("mine"), 1);
    ck_assert(hear("1.3.0", "h1", good));
    ck_assert(wf_taken_end(taken, "servers/disks"));
    ck_assert(!wf_taken_end(taken, "servers/disks"));
    ck_assert_uint_eq(count_rules("mine"), 1);
}
END_TEST

START_TEST(rules_that_are_wrong_leave_the_last_good_ones)
{
    ck_assert(hear("1.0.0", "h1", good));
    ck_assert(!hear("1.1.0", "h2", "rules: {full: {when: used >>}}\n"));
    ck_assert_uint_eq(count_rules("servers/disks:full"), 3);
    ck_assert_str_eq(wf_taken_at(taken, 0)->version, "1.0.0");
    ck_assert_ptr_nonnull(strstr(wf_taken_problem(taken), "rules of servers/disks:1:"));
    ck_assert(hear("1.2.0", "h3", good));
    ck_assert_str_eq(wf_taken_problem(taken), "");
}
END_TEST

START_TEST(a_choice_of_a_rule_that_is_none_is_named)
{
    wf_take_free(take);
    take = chosen("take: {servers/disks: {except: [ful]}}\n");
    ck_assert(hear("1.0.0", "h1", good));
    ck_assert_str_eq(wf_taken_problem(taken), "take: servers/disks brings no rule ful");
    ck_assert_uint_eq(count_rules(NULL), 3);
}
END_TEST

START_TEST(what_the_monitor_chooses_anew_counts_at_once)
{
    ck_assert(hear("1.0.0", "h1", good));
    wf_take_free(take);
    take = chosen("take: {servers/disks: {only: full}}\n");
    wf_taken_choose(taken, take, NOW);
    ck_assert_uint_eq(count_rules("servers/disks:full"), 2);
    wf_take_free(take);
    take = chosen("take: [network/*]\n");
    wf_taken_choose(taken, take, NOW);
    ck_assert_uint_eq(count_rules("mine"), 1);
}
END_TEST

START_TEST(what_was_good_is_good_after_a_restart)
{
    struct wf_taken_item kept = { .product = "servers/disks",
        .hash = "h1",
        .version = "1.0.0",
        .by = "x",
        .text = strdup(good),
        .seen_ms = NOW };

    ck_assert_int_eq(wf_taken_restore(taken, take, &kept), WEFT_OK);
    ck_assert_uint_eq(count_rules("servers/disks:full"), 3);
    ck_assert(!hear("1.0.0", "h1", good)); // fetched again, the same
    snprintf(kept.product, sizeof kept.product, "network/ports");
    ck_assert_int_eq(wf_taken_restore(taken, take, &kept), WEFT_OK); // not chosen any more
    ck_assert_uint_eq(count_rules(NULL), 3);
    ck_assert(!wf_taken_expire(taken, NOW + WF_TAKEN_GONE_MS));
    ck_assert(wf_taken_expire(taken, NOW + WF_TAKEN_GONE_MS + 1));
    ck_assert_uint_eq(count_rules("mine"), 1);
    free(kept.text);
}
END_TEST

// ---- room ------------------------------------------------------------------------------------------------------------------------

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    (void)arg, (void)a, (void)step;
}

static enum weft_err fire(struct wf_alerts *s, const struct wf_rule *rule, unsigned i)
{
    struct wf_labels labels;
    char id[16];
    int len = snprintf(id, sizeof id, "%u", i);
    const struct wf_observed o = { .rule = rule,
        .labels = &labels,
        .truth = WF_TRUE,
        .time_ms = NOW,
        .product = "servers/disks",
        .origin = "web-1",
        .detail = "" };

    wf_labels_init(&labels);
    ck_assert(wf_labels_set(&labels, "id", id, (size_t)len));
    return wf_alerts_observe(s, &o);
}

START_TEST(alerts_of_strangers_rules_leave_room_for_the_monitors_own)
{
    struct wf_alerts *s = wf_alerts_new(on_alert, NULL);
    enum weft_err err = WEFT_OK;
    unsigned count = 0;

    ck_assert(hear("1.0.0", "h1", "rules: {full: {when: used > 1}}\n"));
    const struct wf_rule *rule = wf_taken_at(taken, 0)->rules->rules[0];
    for (; !err && count <= WF_ALERTS_MOST; count++)
        err = fire(s, rule, count);
    ck_assert_int_eq(err, WEFT_E_FULL);
    ck_assert_uint_eq(count - 1, WF_ALERTS_MOST / 8);
    ck_assert_int_eq(fire(s, own->rules[0], 1), WEFT_OK);
    wf_alerts_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("taken");
    TCase *t = tcase_create("all"), *over = tcase_create("over time");

    tcase_add_test(t, rules_of_a_product_look_at_it_and_bear_its_name);
    tcase_add_loop_test(t, a_stranger_may_not, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(t, a_product_brings_thirty_two_rules);
    tcase_add_test(t, the_monitor_says_what_it_takes_and_how);
    tcase_add_loop_test(t, a_wrong_choice_is_named, 0, (int)(sizeof bad_takes / sizeof *bad_takes));
    tcase_add_checked_fixture(over, setup, teardown);
    tcase_set_timeout(over, 60);
    tcase_add_test(over, rules_come_change_and_go_with_their_product);
    tcase_add_test(over, rules_that_are_wrong_leave_the_last_good_ones);
    tcase_add_test(over, a_choice_of_a_rule_that_is_none_is_named);
    tcase_add_test(over, what_the_monitor_chooses_anew_counts_at_once);
    tcase_add_test(over, what_was_good_is_good_after_a_restart);
    tcase_add_test(over, alerts_of_strangers_rules_leave_room_for_the_monitors_own);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, over);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
