// SPDX-License-Identifier: Apache-2.0
// Conditions and files of rules: what they mean, and what is said of a wrong one and where.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/rules.h"

// ---- conditions ------------------------------------------------------------------------------------------------------------

struct fields {
    const struct wf_expr *e;
    bool without_total; // total has no value
};

static void field(void *arg, unsigned slot, struct wf_expr_value *ret)
{
    const struct fields *f = arg;
    const char *name = f->e->fields[slot];

    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER };
    if (strcmp(name, "used") == 0)
        ret->number = 90;
    else if (strcmp(name, "total") == 0)
        *ret = (struct wf_expr_value){ .kind = f->without_total ? WF_KIND_NONE : WF_KIND_NUMBER,
            .number = 100 };
    else if (strcmp(name, "state") == 0)
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = "running", .len = 7 };
    else if (strcmp(name, "remote") == 0)
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TRUTH, .number = 1 };
}

static void window(void *arg, unsigned slot, struct wf_expr_value *ret)
{
    (void)arg;
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = slot + 5 };
}

static enum wf_truth judge(const char *text, bool without_total, struct wf_expr_value *ret_shown)
{
    struct wf_pool pool = { NULL };
    struct wf_condition *c = calloc(1, sizeof *c);
    struct wf_expr_error error = { 0 };
    struct fields f = { .without_total = without_total };

    ck_assert_ptr_nonnull(c);
    ck_assert_msg(wf_condition_read(text, &pool, c, &error), "%s: %s", text, error.text);
    f.e = &c->expr;
    const struct wf_expr_source source = { .arg = &f, .field = field, .window = window };
    enum wf_truth t = wf_expr_judge(&c->expr, &source, ret_shown);
    ret_shown->ptr = NULL; // its text goes with the pool
    wf_pool_fini(&pool);
    free(c);
    return t;
}

START_TEST(a_condition_means_what_it_says)
{
    static const struct {
        const char *text;
        bool without_total;
        enum wf_truth is;
        double shown;
        const char *why;
    } rows[] = {
        { "used > 89", false, WF_TRUE, 90, "greater" },
        { "used > 90", false, WF_FALSE, 90, "not greater than itself" },
        { "used >= 90", false, WF_TRUE, 90, "or equal" },
        { "used < 90 or used <= 90", false, WF_TRUE, 90, "either" },
        { "used / total > 89%", false, WF_TRUE, 0.9, "percent are hundredths" },
        { "used / total > 89%", true, WF_UNKNOWN, 0, "a value that is missing" },
        { "used / (total - 100) > 1", false, WF_UNKNOWN, 0, "divided by nothing" },
        { "0 / (total - 100) > 1", false, WF_UNKNOWN, 0, "nothing by nothing" },
        { "total > 1 or used > 1", true, WF_TRUE, 90, "unknown or true is true" },
        { "total > 1 or used < 1", true, WF_UNKNOWN, 90, "unknown or false is unknown" },
        { "total > 1 and used < 1", true, WF_FALSE, 90, "unknown and false is false" },
        { "total > 1 and used > 1", true, WF_UNKNOWN, 90, "unknown and true is unknown" },
        { "not total > 1", true, WF_UNKNOWN, 0, "not unknown" },
        { "not used > 100", false, WF_TRUE, 90, "not" },
        { "used > 1 or used > 1 and used < 1", false, WF_TRUE, 90, "and binds closer than or" },
        { "(used > 1 or used > 1) and used < 1", false, WF_FALSE, 90, "unless brackets say else" },
        { "2 + 3 * 4 == 14", false, WF_TRUE, 14, "* binds closer than +" },
        { "10 - 3 - 2 == 5", false, WF_TRUE, 5, "from the left" },
        { "-used < -89", false, WF_TRUE, -90, "a sign" },
        { "abs(used - total) == 10", false, WF_TRUE, 10, "without its sign" },
        { "used > 1KiB", false, WF_FALSE, 90, "1,024" },
        { "used < 2m", false, WF_TRUE, 90, "120 seconds" },
        { "state == \"running\"", false, WF_TRUE, 0, "a text" },
        { "state != 'running'", false, WF_FALSE, 0, "the other quotation mark" },
        { "state ~ 'run*'", false, WF_TRUE, 0, "a pattern" },
        { "state !~ '*ing'", false, WF_FALSE, 0, "none of a pattern" },
        { "state == used", false, WF_UNKNOWN, 0, "a text and a number are not comparable" },
        { "state > 1", false, WF_UNKNOWN, 0, "a text has no order here" },
        { "remote", false, WF_TRUE, 0, "a field that is true" },
        { "not remote or used > 1", false, WF_TRUE, 90, "and one that is not" },
        { "remote == true", false, WF_TRUE, 1, "as a number" },
        { "rate(used, 5m) == 5 and avg(total, 1h) == 6", false, WF_TRUE, 5, "windows in order" },
        { "sum((state == 'x') * used, 5m) == 5", false, WF_TRUE, 5, "conditions count in windows" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_expr_value shown;
        enum wf_truth t = judge(rows[i].text, rows[i].without_total, &shown);
        ck_assert_msg(t == rows[i].is, "%s (%s): %d", rows[i].text, rows[i].why, (int)t);
        ck_assert_msg(
            (shown.kind == WF_KIND_NUMBER || shown.kind == WF_KIND_TRUTH ? shown.number : 0) ==
                rows[i].shown,
            "%s (%s): shows %g", rows[i].text, rows[i].why, shown.number);
    }
}
END_TEST

START_TEST(what_is_wrong_with_a_condition_is_said_with_its_place)
{
    static const struct {
        const char *text;
        size_t at;
        const char *says, *why;
    } rows[] = {
        { "", 0, "want a value at the end", "nothing" },
        { "used", 0, "", "a field may be a condition" },
        { "90", 0, "a rule wants a condition, this is a number", "a number is none" },
        { "used + 1", 0, "a rule wants a condition, this is a number", "nor is a sum" },
        { "'a'", 0, "a rule wants a condition, this is a text", "nor a text" },
        { "used > ", 7, "want a value at the end", "half a comparison" },
        { "used = 1", 5, "a comparison is written ==", "C's habit" },
        { "used > 1 2", 9, "want and, or, for, by or the end", "something behind it" },
        { "used > 1x", 8, "unknown unit \"x\"", "a unit that is none" },
        { "used > 1 and", 12, "want a value at the end", "half an and" },
        { "used > 1 and 2", 9, "and wants a condition, this is a number", "a number in an and" },
        { "(used > 1", 9, "want ')'", "a bracket" },
        { "used > 'a'", 5, "an order wants a number, this is a text", "a text has no order" },
        { "'a' + 1 > 2", 4, "+ wants a number, this is a text", "a text in a sum" },
        { "'a' == 1", 4, "a text is never a number", "never equal" },
        { "state ~ used", 6, "~ wants a pattern in quotation marks", "a pattern is written out" },
        { "rate(used) > 1", 9, "want ',' and a span", "a window without a span" },
        { "rate(used, x) > 1", 11, "want a span", "a span that is none" },
        { "rate(used, 400d) > 1", 11, "want a span", "longer than a year" },
        { "rate(rate(used, 5m), 5m) > 1", 0, "rate of what is a window already", "nested" },
        { "rote(used, 5m) > 1", 0, "no function rote; there are rate,", "a misspelt function" },
        { "used > \"a", 7, "the quotation has no end", "an open quotation" },
        { "used > 1 for", 12, "want a duration behind for", "for what" },
        { "used > 1 for 2m by", 18, "want a label", "by what" },
        { "used > 1 by a,", 14, "want a label", "and what" },
        { "silent > 0s", 9, "want a duration, as in silent > 5m", "at once silent" },
        { "silent and used > 1", 7, "want and, or, for, by or the end", "silence stands alone" },
        { "used > 1e999", 7, "a number beyond all bounds", "infinite" },
        { "used > and", 7, "want a value before \"and\"", "a word of the language" },
        { "used & 1", 5, "unexpected '&'", "no such sign" },
        { "used \x01 1", 5, "unexpected byte 0x01", "nor such a byte" },
    };
    struct wf_condition *c = calloc(1, sizeof *c);

    ck_assert_ptr_nonnull(c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_pool pool = { NULL };
        struct wf_expr_error error = { 0 };
        bool ok = wf_condition_read(rows[i].text, &pool, c, &error);
        ck_assert_msg(ok == !rows[i].says[0], "%s (%s)", rows[i].text, rows[i].why);
        ck_assert_msg(ok || (error.at == rows[i].at && strstr(error.text, rows[i].says)),
            "%s (%s): at %zu: %s", rows[i].text, rows[i].why, error.at, error.text);
        wf_pool_fini(&pool);
    }
    free(c);
}
END_TEST

// LEFT, COUNT times, then MIDDLE, then RIGHT as often.
static char *repeated(const char *left, const char *middle, const char *right, unsigned count)
{
    char *out = calloc(1, strlen(middle) + count * (strlen(left) + strlen(right)) + 1), *p = out;

    ck_assert_ptr_nonnull(out);
    for (unsigned i = 0; i < count; i++, p += strlen(left))
        memcpy(p, left, strlen(left));
    memcpy(p, middle, strlen(middle));
    p += strlen(middle);
    for (unsigned i = 0; i < count; i++, p += strlen(right))
        memcpy(p, right, strlen(right));
    return out;
}

START_TEST(a_condition_is_bounded)
{
    static const struct {
        const char *left, *middle, *right;
        unsigned count;
        const char *says;
    } rows[] = {
        { "(", "used > 1", ")", 15, "" },
        { "(", "used > 1", ")", 33, "nested more than 32 deep" },
        { "used > 1 and ", "used > 1", "", 20, "" },
        { "used > 1 and ", "used > 1", "", 40, "more than 128 parts" },
        { "", "used > 1", " ", 5000, "more than 4096 bytes" },
        { "- ", "used > 1", "", 2, "want a value" },
    };
    struct wf_condition *c = calloc(1, sizeof *c);

    ck_assert_ptr_nonnull(c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_pool pool = { NULL };
        struct wf_expr_error error = { 0 };
        char *text = repeated(rows[i].left, rows[i].middle, rows[i].right, rows[i].count);
        bool ok = wf_condition_read(text, &pool, c, &error);
        ck_assert_msg(ok == !rows[i].says[0] && (ok || strstr(error.text, rows[i].says)),
            "%s x %u: %s", rows[i].left, rows[i].count, error.text);
        free(text);
        wf_pool_fini(&pool);
    }
    free(c);
}
END_TEST

// ---- files -----------------------------------------------------------------------------------------------------------------

static struct wf_rules *rules_of(const char *text, char *errors, size_t size)
{
    struct weft_conf *c = NULL;
    struct wf_rules *rules;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "r.yaml", &c, NULL), WEFT_OK);
    rules = wf_rules_read(c);
    ck_assert_ptr_nonnull(rules);
    snprintf(errors, size, "%s", weft_conf_errors(c));
    weft_conf_free(c);
    return rules;
}

START_TEST(a_rule_has_what_its_file_says)
{
    char errors[2048];
    struct wf_rules *r =
        rules_of("rules:\n"
                 "  disk:\n"
                 "    servers/filesystems: used_ratio > 0.9 for 2m by host, mountpoint\n"
                 "    severity: critical\n"
                 "    summary: \"{{mountpoint}} is {{value|percent}} full\"\n"
                 "    runbook: https://example.org/disk\n"
                 "    labels: {team: storage}\n"
                 "  quiet:\n"
                 "    servers/*: silent > 10m\n"
                 "    for: 1m\n"
                 "    by: [origin]\n"
                 "    forget: 7d\n",
            errors, sizeof errors);
    const struct wf_rule *disk = wf_rules_find(r, "disk"), *quiet = wf_rules_find(r, "quiet");

    ck_assert_str_eq(errors, "");
    ck_assert_uint_eq(r->count, 2);
    ck_assert_str_eq(disk->product, "servers/filesystems");
    ck_assert_int_eq(disk->when.for_ms, 120000);
    ck_assert_uint_eq(disk->when.by_count, 2);
    ck_assert_str_eq(disk->when.by[1], "mountpoint");
    ck_assert_int_eq(disk->severity, WF_CRITICAL);
    ck_assert_str_eq(disk->labels[0].value, "storage");
    ck_assert(!disk->many);
    ck_assert(quiet->many && quiet->when.silent);
    ck_assert_int_eq(quiet->when.silent_ms, 600000);
    ck_assert_int_eq(quiet->when.for_ms, 60000);
    ck_assert_int_eq(quiet->forget_ms, 7 * 86400000LL);
    ck_assert_int_eq(quiet->severity, WF_WARNING);
    ck_assert_ptr_null(wf_rules_find(r, "none"));
    wf_rules_free(r);
}
END_TEST

START_TEST(every_mistake_of_a_file_is_said_at_once)
{
    char errors[4096];
    struct wf_rules *r = rules_of("rules:\n"
                                  "  Disk:\n"
                                  "    servers/filesystems: used_ratio >> 0.9\n"
                                  "    severty: critical\n"
                                  "  two:\n"
                                  "    servers/a: x > 1\n"
                                  "    servers/b: \"y + 'a' > 1\"\n"
                                  "    severity: loud\n"
                                  "  none:\n"
                                  "    summary: \"{{a\"\n"
                                  "    labels: {a-b: 1}\n"
                                  "  twice:\n"
                                  "    servers/a: x > 1 for 2m by host\n"
                                  "    for: 3m\n"
                                  "    by: host\n"
                                  "  word: 5\n"
                                  "  filter:\n"
                                  "    servers/a: \"x > 'a'\"\n"
                                  "    summary: so {{a|loud}}\n",
        errors, sizeof errors);

    ck_assert_str_eq(errors,
        "r.yaml:2:3: a rule's name is [a-z0-9-], begins with a letter and has at most 63 of them\n"
        "r.yaml:3:38: want a value\n"
        "r.yaml:4:5: unknown key \"severty\" (did you mean \"severity\"?)\n"
        "r.yaml:7:5: a second condition (the first is in line 6); a rule has one\n"
        "r.yaml:8:15: want info, warning or critical\n"
        "r.yaml:9:3: no condition: want DOMAIN/PRODUCT: CONDITION, as in servers/filesystems: "
        "used_ratio > 90% for 2m\n"
        "r.yaml:10:15: {{ has no }}\n"
        "r.yaml:11:14: a label's name is [A-Za-z0-9_]\n"
        "r.yaml:14:10: the condition says for already\n"
        "r.yaml:15:9: the condition has labels already\n"
        "r.yaml:16:9: want the keys of a rule\n"
        "r.yaml:18:19: an order wants a number, this is a text\n"
        "r.yaml:19:17: the filters are percent, bytes and duration\n");
    wf_rules_free(r);
}
END_TEST

START_TEST(a_rule_that_counts_something_else_is_another_one)
{
    static const char *const texts[] = { "rules: {a: {p/q: x > 1, severity: info}}",
        "rules: {a: {p/q: x > 1, severity: critical, summary: s}}", "rules: {a: {p/q: x > 2}}",
        "rules: {a: {p/r: x > 1}}", "rules: {b: {p/q: x > 1}}", "rules: {a: {p/q: x > 1, by: y}}" };
    char errors[512];
    uint64_t first = 0;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wf_rules *r = rules_of(texts[i], errors, sizeof errors);
        ck_assert_str_eq(errors, "");
        if (i == 0)
            first = r->rules[0]->id;
        ck_assert_msg((r->rules[0]->id == first) == (i < 2), "%s", texts[i]);
        wf_rules_free(r);
    }
}
END_TEST

static bool value_of(void *arg, const char *name, struct wf_expr_value *ret)
{
    (void)arg;
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = 0.931 };
    if (strcmp(name, "text") == 0)
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = "a/b", .len = 3 };
    if (strcmp(name, "sly") == 0)
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = "{{text}}", .len = 8 };
    if (strcmp(name, "big") == 0)
        ret->number = 5.0 * 1024 * 1024 * 1024;
    if (strcmp(name, "long") == 0)
        ret->number = 9000;
    if (strcmp(name, "absent") == 0)
        ret->kind = WF_KIND_NONE;
    return strcmp(name, "nobody") != 0;
}

START_TEST(a_template_is_filled)
{
    static const struct {
        const char *text, *want;
    } rows[] = { { "{{text}} at {{value}}", "a/b at 0.931" }, { "{{ value | percent }}", "93.1 %" },
        { "{{big|bytes}}", "5 GiB" }, { "{{long|duration}}", "2.5 h" }, { "{{absent}}", "?" },
        { "{{sly}}", "{{text}}" }, { "{{nobody}} {", "{{nobody}} {" }, { "", "" } };
    char out[64];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wf_template_fill(rows[i].text, value_of, NULL, out, sizeof out);
        ck_assert_str_eq(out, rows[i].want);
    }
    wf_template_fill("{{text}}{{text}}", value_of, NULL, out, 5);
    ck_assert_str_eq(out, "a/ba");
}
END_TEST

// ---- labels ----------------------------------------------------------------------------------------------------------------

START_TEST(labels_are_in_order_whatever_the_order_they_came_in)
{
    struct wf_labels a, b;
    char text[128], longer[400];

    wf_labels_init(&a);
    wf_labels_init(&b);
    ck_assert(wf_labels_set(&a, "host", "web-1", 5) && wf_labels_set(&a, "disk", "a\"b", 3));
    ck_assert(wf_labels_set(&b, "disk", "other", 5) && wf_labels_set(&b, "host", "web-1", 5));
    ck_assert(!wf_labels_eq(&a, &b));
    ck_assert(wf_labels_set(&b, "disk", "a\"b", 3));
    ck_assert(wf_labels_eq(&a, &b));
    ck_assert_uint_eq(a.count, 2);
    wf_labels_print(&a, text, sizeof text);
    ck_assert_str_eq(text, "{disk=\"a\\\"b\", host=\"web-1\"}");
    ck_assert_str_eq(wf_labels_get(&a, "host"), "web-1");
    ck_assert_ptr_null(wf_labels_get(&a, "hos"));
    memset(longer, 'x', sizeof longer);
    ck_assert(wf_labels_set(&a, "long", longer, sizeof longer));
    longer[399] = 'y';
    ck_assert(wf_labels_set(&b, "long", longer, sizeof longer));
    ck_assert_msg(!wf_labels_eq(&a, &b), "what was cut away makes no difference");
    ck_assert_uint_lt(strlen(wf_labels_get(&a, "long")), WF_LABEL_VALUE);
    ck_assert(wf_labels_unpack(a.text, a.len, &b) && wf_labels_eq(&a, &b));
    ck_assert(!wf_labels_unpack("b\0x\0a\0x", 8, &b) && !wf_labels_unpack("a\0x", 3, &b));
    for (unsigned i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%u", i);
        if (!wf_labels_set(&a, name, longer, 200))
            return;
    }
    ck_abort_msg("more labels than there is room for");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.rules");
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_condition_means_what_it_says);
    tcase_add_test(t, what_is_wrong_with_a_condition_is_said_with_its_place);
    tcase_add_test(t, a_condition_is_bounded);
    tcase_add_test(t, a_rule_has_what_its_file_says);
    tcase_add_test(t, every_mistake_of_a_file_is_said_at_once);
    tcase_add_test(t, a_rule_that_counts_something_else_is_another_one);
    tcase_add_test(t, a_template_is_filled);
    tcase_add_test(t, labels_are_in_order_whatever_the_order_they_came_in);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
