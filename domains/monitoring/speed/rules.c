// SPDX-License-Identifier: Apache-2.0
// From a YAML tree to rules. See rules.h.
#include "domains/monitoring/speed/rules.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/rules_sql.h"

struct reader {
    struct weft_conf *c;
    struct wf_rules *out;
    const struct wf_shipped *shipped; // NULL: the monitor's own
};

static void wrong(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    weft_conf_error(r->c, n->line, n->column, "%s", text);
}

static const char *keep(struct reader *r, const char *s)
{
    const char *out = wf_pool_text(&r->out->pool, s, strlen(s));

    if (!out)
        weft_conf_error(r->c, 0, 0, "out of memory");
    return out ? out : "";
}

// Where a byte of a value stands. Of a text over several lines only the beginning is known.
static unsigned column_at(const struct weft_conf_node *n, size_t at)
{
    return n->column + (n->plain ? 0u : 1u) + (unsigned)at;
}

static const char *text_of(struct reader *r, const struct weft_conf_node *n, size_t most)
{
    if (n->kind != WEFT_CONF_VALUE)
        wrong(r, n, "want a text");
    else if (strlen(n->text) > most)
        weft_conf_error(r->c, n->line, n->column, "a text of more than %zu bytes", most);
    else
        return keep(r, n->text);
    return "";
}

static const char *template_of(struct reader *r, const struct weft_conf_node *n)
{
    const char *text = text_of(r, n, (r->shipped ? WF_SHIPPED_TEXT : WF_RULE_TEXT) - 1), *why = "";
    size_t at = 0;

    for (const char *s = text; *s && r->shipped; s++)
        if (iscntrl((unsigned char)*s) && *s != '\n') {
            wrong(r, n, "a text with control characters");
            break;
        }
    if (!wf_template_check(text, &at, &why))
        weft_conf_error(r->c, n->line, column_at(n, at), "%s", why);
    return text;
}

static int64_t duration_of(struct reader *r, const struct weft_conf_node *n)
{
    int64_t ms = 0;

    if (n->kind != WEFT_CONF_VALUE || weft_conf_duration(n->text, &ms) || ms > 366 * 86400000LL)
        wrong(r, n, "want a duration of at most 366d, such as 90s, 5m or 1h30m");
    return ms;
}

static bool is_label(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

// By these the monitor tells alerts apart and finds who is told.
static bool is_taken(const char *label)
{
    static const char *const names[] = { "alertname", "rule", "id", "severity", "product", "domain",
        "origin", "host" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], label) == 0)
            return true;
    return false;
}

static void read_labels(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    const size_t most = r->shipped ? WF_SHIPPED_LABELS : WF_RULE_LABELS;

    if (n->kind != WEFT_CONF_MAP) {
        wrong(r, n, "want labels, as in {team: storage}");
        return;
    }
    for (const struct weft_conf_node *l = n->child; l; l = l->next) {
        if (!is_label(l->key) || strlen(l->key) >= WF_EXPR_NAME) {
            weft_conf_error(r->c, l->key_line, l->key_column, "a label's name is [A-Za-z0-9_]");
        } else if (r->shipped && is_taken(l->key)) {
            weft_conf_error(r->c, l->key_line, l->key_column,
                "the label %s is not for rules that come with a product", l->key);
        } else if (rule->label_count == most) {
            weft_conf_error(r->c, l->key_line, l->key_column, "more than %zu labels", most);
        } else {
            rule->labels[rule->label_count].name = keep(r, l->key);
            rule->labels[rule->label_count++].value = template_of(r, l);
        }
    }
}

static void read_by(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    const struct weft_conf_node *one = n->kind == WEFT_CONF_LIST ? n->child : n;

    if (rule->when.has_by) {
        wrong(r, n, "the condition has labels already");
        return;
    }
    rule->when.has_by = true;
    for (; one; one = n->kind == WEFT_CONF_LIST ? one->next : NULL) {
        if (one->kind != WEFT_CONF_VALUE || !is_label(one->text) ||
            strlen(one->text) >= WF_EXPR_NAME)
            wrong(r, one, "want a label");
        else if (rule->when.by_count == WF_EXPR_BY)
            weft_conf_error(r->c, one->line, one->column, "more than %u labels", WF_EXPR_BY);
        else
            rule->when.by[rule->when.by_count++] = keep(r, one->text);
    }
}

static void read_severity(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    for (int i = WF_INFO; i <= WF_CRITICAL; i++) {
        if (n->kind != WEFT_CONF_VALUE ||
            strcmp(n->text, wf_severity_name((enum wf_severity)i)) != 0)
            continue;
        rule->severity = (enum wf_severity)i;
        return;
    }
    wrong(r, n, "want info, warning or critical");
}

static bool is_product(const char *key)
{
    return strchr(key, '/') != NULL;
}

// Rules that come with a product say `when`, and look at nothing else.
static const struct weft_conf_node *shipped_condition(
    struct reader *r, const struct weft_conf_node *n)
{
    const struct weft_conf_node *found = weft_conf_get(n, "when");
    bool other = false;

    for (const struct weft_conf_node *k = n->child; k; k = k->next) {
        if (!is_product(k->key))
            continue;
        weft_conf_error(r->c, k->key_line, k->key_column,
            "rules that come with a product look at that product alone: want when: CONDITION");
        other = true;
    }
    if (!found && !other)
        weft_conf_error(r->c, n->key_line, n->key_column,
            "no condition: want when: CONDITION, or sql and over");
    return found;
}

// Exactly one key names products: it says what is looked at, and when that is wrong.
static const struct weft_conf_node *own_condition(struct reader *r, const struct weft_conf_node *n)
{
    const struct weft_conf_node *found = NULL;

    for (const struct weft_conf_node *k = n->child; k; k = k->next) {
        if (!is_product(k->key))
            continue;
        if (found)
            weft_conf_error(r->c, k->key_line, k->key_column,
                "a second condition (the first is in line %u); a rule has one", found->key_line);
        else
            found = k;
    }
    if (!found) {
        weft_conf_error(r->c, n->key_line, n->key_column,
            "no condition: want DOMAIN/PRODUCT: CONDITION, as in servers/filesystems: used_ratio > "
            "90%% for 2m");
        return NULL;
    }
    if (strlen(found->key) >= WF_RULE_PATTERN)
        weft_conf_error(r->c, found->key_line, found->key_column, "no product has so long a name");
    return found;
}

static void check_spans(
    struct reader *r, const struct weft_conf_node *n, const struct wf_condition *when)
{
    for (unsigned i = 0; i < when->expr.window_count; i++)
        if (when->expr.windows[i].span_ms > WF_SHIPPED_SPAN_MS)
            wrong(r, n, "a window of rules that come with a product has at most 8d");
}

static void read_condition(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    const struct weft_conf_node *found = r->shipped ? shipped_condition(r, n) : own_condition(r, n);
    struct wf_expr_error error;

    if (!found)
        return;
    rule->product = keep(r, r->shipped ? r->shipped->product : found->key);
    rule->many = !r->shipped && strpbrk(found->key, "*?[") != NULL;
    rule->condition = text_of(r, found, WF_EXPR_TEXT);
    if (found->kind != WEFT_CONF_VALUE)
        return;
    if (!wf_condition_read(rule->condition, &r->out->pool, &rule->when, &error))
        weft_conf_error(r->c, found->line, column_at(found, error.at), "%s", error.text);
    else if (r->shipped)
        check_spans(r, found, &rule->when);
}

// A rule is a condition or SQL, and the keys of SQL go with it.
static void check_kind(struct reader *r, const struct weft_conf_node *n)
{
    bool sql = weft_conf_get(n, "sql") != NULL;

    for (const struct weft_conf_node *k = n->child; k; k = k->next) {
        bool of_sql = false;
        for (size_t i = 0; wf_rules_sql_keys[i]; i++)
            of_sql = of_sql || strcmp(k->key, wf_rules_sql_keys[i]) == 0;
        if (sql && (is_product(k->key) || (r->shipped && strcmp(k->key, "when") == 0)))
            weft_conf_error(
                r->c, k->key_line, k->key_column, "a condition beside sql; a rule has one of them");
        if (!sql && of_sql)
            weft_conf_error(r->c, k->key_line, k->key_column, "%s goes with sql", k->key);
    }
}

static void read_summary(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    rule->summary = template_of(r, n);
}

static void read_description(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    rule->description = template_of(r, n);
}

static void read_runbook(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    rule->runbook = template_of(r, n);
    if (r->shipped && strncmp(rule->runbook, "https://", 8) != 0 &&
        strncmp(rule->runbook, "http://", 7) != 0)
        wrong(r, n, "want the address of a runbook: https://...");
}

static void read_forget(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    rule->forget_ms = duration_of(r, n);
}

static void read_for(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    if (rule->when.has_for)
        wrong(r, n, "the condition says for already");
    rule->when.for_ms = duration_of(r, n);
}

static const struct {
    const char *key;
    void (*read)(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule);
} keys[] = { { "severity", read_severity }, { "summary", read_summary },
    { "description", read_description }, { "runbook", read_runbook }, { "labels", read_labels },
    { "forget", read_forget }, { "by", read_by }, { "for", read_for } };
#define KEYS         (sizeof keys / sizeof *keys)
#define PRODUCT_KEYS 8u
#define SQL_KEYS     4u

static void check_keys(struct reader *r, const struct weft_conf_node *n)
{
    const char *known[KEYS + SQL_KEYS + PRODUCT_KEYS + 2] = { NULL };
    size_t count = KEYS;

    for (size_t i = 0; i < KEYS; i++)
        known[i] = keys[i].key;
    for (size_t i = 0; wf_rules_sql_keys[i]; i++)
        known[count++] = wf_rules_sql_keys[i];
    if (r->shipped)
        known[count++] = "when";
    // A product's key is known by its slash; that there may be one alone is said elsewhere.
    for (const struct weft_conf_node *k = n->child; k; k = k->next)
        if (is_product(k->key) && count < KEYS + SQL_KEYS + PRODUCT_KEYS + 1)
            known[count++] = k->key;
    weft_conf_known(r->c, n, known);
}

static void read_rest(struct reader *r, const struct weft_conf_node *n, struct wf_rule *rule)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct weft_conf_node *k = weft_conf_get(n, keys[i].key);
        if (k)
            keys[i].read(r, k, rule);
    }
}

static bool is_name(const char *s)
{
    if (!islower((unsigned char)*s) || strlen(s) >= WF_RULE_NAME)
        return false;
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-')
            return false;
    return true;
}

static uint64_t id_of(const struct wf_rule *rule)
{
    uint64_t h = wf_sum(0, rule->name, strlen(rule->name) + 1);

    for (size_t i = 0; rule->sql && i < rule->sql->over_count; i++) {
        h = wf_sum(h, rule->sql->over[i].product, strlen(rule->sql->over[i].product) + 1);
        h = wf_sum(h, &rule->sql->over[i].span_ms, sizeof rule->sql->over[i].span_ms);
    }
    h = wf_sum(h, rule->product, strlen(rule->product) + 1);
    h = wf_sum(h, rule->condition, strlen(rule->condition) + 1);
    for (unsigned i = 0; i < rule->when.by_count; i++)
        h = wf_sum(h, rule->when.by[i], strlen(rule->when.by[i]) + 1);
    return h;
}

static const char *full_name(struct reader *r, const char *name)
{
    char text[WF_RULE_FULL];

    if (!r->shipped)
        return keep(r, name);
    snprintf(text, sizeof text, "%s:%.*s", r->shipped->product, (int)WF_RULE_NAME - 1, name);
    return keep(r, text);
}

static void read_rule(struct reader *r, const struct weft_conf_node *n)
{
    struct wf_rule *rule = wf_pool_get(&r->out->pool, sizeof *rule);

    if (!rule) {
        weft_conf_error(r->c, 0, 0, "out of memory");
        return;
    }
    r->out->rules[r->out->count++] = rule;
    *rule = (struct wf_rule){ .name = full_name(r, n->key),
        .by = r->shipped ? keep(r, r->shipped->by) : "",
        .taken = r->shipped != NULL,
        .product = "",
        .condition = "",
        .summary = "",
        .description = "",
        .runbook = "",
        .severity = WF_WARNING,
        .forget_ms = WF_RULE_FORGET_MS,
        .line = n->key_line };
    if (!is_name(n->key))
        weft_conf_error(r->c, n->key_line, n->key_column,
            "a rule's name is [a-z0-9-], begins with a letter and has at most 63 of them");
    if (n->kind != WEFT_CONF_MAP) {
        wrong(r, n, "want the keys of a rule");
        return;
    }
    check_keys(r, n);
    check_kind(r, n);
    if (!weft_conf_get(n, "sql"))
        read_condition(r, n, rule);
    read_rest(r, n, rule);
    if (weft_conf_get(n, "sql"))
        wf_rules_sql_read(
            &(struct wf_rules_sql){ .c = r->c, .pool = &r->out->pool, .shipped = r->shipped }, n,
            rule);
    rule->id = id_of(rule);
}

static struct wf_rules *read_all(struct weft_conf *c, const struct wf_shipped *shipped)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "rules");
    const unsigned most = shipped ? WF_SHIPPED_RULES : WF_RULES_MOST;
    struct wf_rules *out = calloc(1, sizeof *out);
    struct reader r = { .c = c, .out = out, .shipped = shipped };

    if (!out)
        return NULL;
    if (n && n->kind != WEFT_CONF_MAP) {
        wrong(&r, n, "want rules, each under its name");
        return out;
    }
    if (!n || n->count == 0)
        return out;
    if (n->count > most) {
        weft_conf_error(c, n->line, n->column, "more than %u rules", most);
        return out;
    }
    out->rules = calloc(n->count, sizeof(struct wf_rule *));
    if (!out->rules) {
        wf_rules_free(out);
        return NULL;
    }
    for (const struct weft_conf_node *k = n->child; k; k = k->next)
        read_rule(&r, k);
    return out;
}

struct wf_rules *wf_rules_read(struct weft_conf *c)
{
    return read_all(c, NULL);
}

struct wf_rules *wf_rules_read_shipped(struct weft_conf *c, const struct wf_shipped *shipped)
{
    static const char *const known[] = { "rules", "notify", "take", "publish", NULL };
    const struct weft_conf_node *root = weft_conf_root(c);

    for (size_t i = 1; known[i]; i++) {
        const struct weft_conf_node *n = weft_conf_get(root, known[i]);
        if (n)
            weft_conf_error(c, n->key_line, n->key_column,
                "%s is the monitor's to say: a product brings rules and nothing else", known[i]);
    }
    weft_conf_known(c, root, known);
    return read_all(c, shipped);
}

void wf_rules_free(struct wf_rules *r)
{
    if (!r)
        return;
    wf_pool_fini(&r->pool);
    free(r->rules);
    free(r);
}

const struct wf_rule *wf_rules_find(const struct wf_rules *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->rules[i]->name, name) == 0)
            return r->rules[i];
    return NULL;
}

bool wf_rule_reads(const struct wf_rule *rule, const char *product)
{
    for (size_t i = 0; rule->sql && i < rule->sql->over_count; i++)
        if (strcmp(rule->sql->over[i].product, product) == 0)
            return true;
    return !rule->sql && fnmatch(rule->product, product, 0) == 0;
}

const char *wf_severity_name(enum wf_severity severity)
{
    static const char *const names[] = { "info", "warning", "critical" };

    return names[severity];
}
