// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/take.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct weft_conf *c;
    struct wf_take *out;
};

static const char *keep(struct reader *r, const char *s)
{
    const char *out = wf_pool_text(&r->out->pool, s, strlen(s));

    if (!out)
        weft_conf_error(r->c, 0, 0, "out of memory");
    return out ? out : "";
}

static void wrong(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    weft_conf_error(r->c, n->line, n->column, "%s", text);
}

static size_t read_names(
    struct reader *r, const struct weft_conf_node *n, const char *ret[WF_TAKE_NAMES])
{
    const struct weft_conf_node *one = n->kind == WEFT_CONF_LIST ? n->child : n;
    size_t count = 0;

    for (; one; one = n->kind == WEFT_CONF_LIST ? one->next : NULL) {
        if (one->kind != WEFT_CONF_VALUE || !one->text[0])
            wrong(r, one, "want the name of a rule, or a pattern over names");
        else if (count == WF_TAKE_NAMES)
            weft_conf_error(r->c, one->line, one->column, "more than %u names", WF_TAKE_NAMES);
        else
            ret[count++] = keep(r, one->text);
    }
    return count;
}

static void read_severity(
    struct reader *r, const struct weft_conf_node *n, struct wf_take_change *change)
{
    for (int i = WF_INFO; i <= WF_CRITICAL; i++) {
        if (n->kind != WEFT_CONF_VALUE ||
            strcmp(n->text, wf_severity_name((enum wf_severity)i)) != 0)
            continue;
        change->severity = (enum wf_severity)i;
        change->has_severity = true;
        return;
    }
    wrong(r, n, "want info, warning or critical");
}

static void read_change(struct reader *r, const struct weft_conf_node *n, struct wf_take_item *item)
{
    static const char *const known[] = { "severity", "for", NULL };
    struct wf_take_change *change = &item->changes[item->change_count];

    if (item->change_count == WF_TAKE_NAMES) {
        weft_conf_error(r->c, n->key_line, n->key_column, "more than %u names", WF_TAKE_NAMES);
        return;
    }
    if (n->kind != WEFT_CONF_MAP) {
        wrong(r, n, "want what is other, as in {severity: critical, for: 5m}");
        return;
    }
    item->change_count++;
    *change = (struct wf_take_change){ .name = keep(r, n->key), .for_ms = -1 };
    weft_conf_known(r->c, n, known);
    const struct weft_conf_node *severity = weft_conf_get(n, "severity"),
                                *hold = weft_conf_get(n, "for");
    if (severity)
        read_severity(r, severity, change);
    if (hold && (hold->kind != WEFT_CONF_VALUE || weft_conf_duration(hold->text, &change->for_ms) ||
                    change->for_ms > 366 * 86400000LL))
        wrong(r, hold, "want a duration of at most 366d, such as 90s, 5m or 1h30m");
}

static void read_details(
    struct reader *r, const struct weft_conf_node *n, struct wf_take_item *item)
{
    static const char *const known[] = { "only", "except", "change", "with", NULL };
    const struct weft_conf_node *only = weft_conf_get(n, "only"),
                                *except = weft_conf_get(n, "except"),
                                *change = weft_conf_get(n, "change"),
                                *with = weft_conf_get(n, "with");

    weft_conf_known(r->c, n, known);
    if (with)
        item->with_count = read_names(r, with, item->with);
    if (only)
        item->only_count = read_names(r, only, item->only);
    if (except)
        item->except_count = read_names(r, except, item->except);
    if (change && change->kind != WEFT_CONF_MAP)
        wrong(r, change, "want rules by their names, each with what is other");
    else if (change)
        for (const struct weft_conf_node *k = change->child; k; k = k->next)
            read_change(r, k, item);
}

static struct wf_take_item *add(
    struct reader *r, const char *pattern, unsigned line, unsigned column)
{
    if (!strchr(pattern, '/')) {
        weft_conf_error(
            r->c, line, column, "want products, as in servers/filesystems or servers/*");
        return NULL;
    }
    if (r->out->count == WF_TAKE_PATTERNS) {
        weft_conf_error(r->c, line, column, "more than %u patterns", WF_TAKE_PATTERNS);
        return NULL;
    }
    struct wf_take_item *item = &r->out->items[r->out->count++];
    item->pattern = keep(r, pattern);
    return item;
}

static void read_map(struct reader *r, const struct weft_conf_node *n)
{
    for (const struct weft_conf_node *k = n->child; k; k = k->next) {
        struct wf_take_item *item = add(r, k->key, k->key_line, k->key_column);
        bool all = k->kind == WEFT_CONF_VALUE && (!k->text[0] || strcmp(k->text, "all") == 0);
        if (item && k->kind == WEFT_CONF_MAP)
            read_details(r, k, item);
        else if (item && !all)
            wrong(r, k, "want all, or which rules: {only, except, change, with}");
    }
}

struct wf_take *wf_take_read(struct weft_conf *c)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "take");
    struct wf_take *out = calloc(1, sizeof *out);
    struct reader r = { .c = c, .out = out };

    if (!out || !n)
        return out;
    if (n->kind == WEFT_CONF_VALUE) {
        wrong(&r, n, "want products, as in [servers/*], or products with which of their rules");
    } else if (n->kind == WEFT_CONF_MAP) {
        read_map(&r, n);
    } else {
        for (const struct weft_conf_node *k = n->child; k; k = k->next)
            if (k->kind == WEFT_CONF_VALUE)
                (void)add(&r, k->text, k->line, k->column);
            else
                wrong(&r, k, "want a product or a pattern; details want a mapping of products");
    }
    return out;
}

void wf_take_free(struct wf_take *t)
{
    if (!t)
        return;
    wf_pool_fini(&t->pool);
    free(t);
}

const struct wf_take_item *wf_take_find(const struct wf_take *t, const char *product)
{
    for (size_t i = 0; i < t->count; i++)
        if (fnmatch(t->items[i].pattern, product, 0) == 0)
            return &t->items[i];
    return NULL;
}

// ---- what is taken of a set --------------------------------------------------------------------------------------------------

// A rule's own name, without its product.
static const char *short_name(const struct wf_rule *rule)
{
    const char *colon = strchr(rule->name, ':');

    return colon ? colon + 1 : rule->name;
}

static bool is_among(const char *const *patterns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

static bool fits_any(const struct wf_rules *rules, const char *pattern)
{
    for (size_t i = 0; i < rules->count; i++)
        if (fnmatch(pattern, short_name(rules->rules[i]), 0) == 0)
            return true;
    return false;
}

static const char *unknown_name(const struct wf_take_item *item, const struct wf_rules *rules)
{
    for (size_t i = 0; i < item->only_count; i++)
        if (!fits_any(rules, item->only[i]))
            return item->only[i];
    for (size_t i = 0; i < item->except_count; i++)
        if (!fits_any(rules, item->except[i]))
            return item->except[i];
    for (size_t i = 0; i < item->change_count; i++)
        if (!fits_any(rules, item->changes[i].name))
            return item->changes[i].name;
    return "";
}

static void change_rule(const struct wf_take_item *item, struct wf_rule *rule)
{
    for (size_t i = 0; i < item->change_count; i++) {
        const struct wf_take_change *c = &item->changes[i];
        if (fnmatch(c->name, short_name(rule), 0) != 0)
            continue;
        if (c->has_severity)
            rule->severity = c->severity;
        if (c->for_ms >= 0)
            rule->when.for_ms = c->for_ms;
    }
}

// An inventory that the rule reads beside its own product, and that the choice does not give it; NULL: there is none.
static const char *not_given(const struct wf_take_item *item, const struct wf_rule *rule)
{
    for (size_t i = 0; rule->sql && i < rule->sql->over_count; i++) {
        const char *name = rule->sql->over[i].name;
        if (strcmp(rule->sql->over[i].product, rule->product) != 0 && name &&
            !is_among(item->with, item->with_count, name))
            return name;
    }
    return NULL;
}

void wf_take_apply(
    const struct wf_take_item *item, struct wf_rules *rules, struct wf_take_left *ret_left)
{
    size_t kept = 0;

    *ret_left = (struct wf_take_left){ .unknown = unknown_name(item, rules) };
    for (size_t i = 0; i < rules->count; i++) {
        struct wf_rule *rule = rules->rules[i];
        const char *name = short_name(rule), *inventory;
        if ((item->only_count && !is_among(item->only, item->only_count, name)) ||
            is_among(item->except, item->except_count, name))
            continue;
        inventory = not_given(item, rule);
        if (inventory && !ret_left->rule) {
            ret_left->rule = name;
            ret_left->inventory = inventory;
        }
        if (inventory)
            continue;
        change_rule(item, rule);
        rules->rules[kept++] = rule;
    }
    rules->count = kept;
}
