// SPDX-License-Identifier: Apache-2.0
// Which rules are in force: what goes on when they are others, and what an earlier run knew of them. See engine.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/bound.h"
#include "domains/monitoring/speed/engine_int.h"

// Names are looked for once a rule, not once a series: owners may change theirs as often as they like.
struct pair {
    const struct wf_rule *old, *new;
};

struct change {
    struct wf_engine *e;
    const struct wf_rules *rules;
    struct pair *pairs; // by address of the old one; NULL without memory
    size_t count;
    int64_t now_ms;
};

static int by_old(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return (a->old > b->old) - (a->old < b->old);
}

static const struct wf_rule *find_same(const struct wf_rules *rules, const struct wf_rule *old)
{
    const struct wf_rule *new = wf_rules_find(rules, old->name);

    return new &&new->id == old->id ? new : NULL;
}

static void pair_rules(struct change *c, const struct wf_rules *old)
{
    c->pairs = calloc(old->count + 1, sizeof *c->pairs);
    for (; c->pairs && c->count < old->count; c->count++)
        c->pairs[c->count] = (struct pair){ .old = old->rules[c->count],
            .new = find_same(c->rules, old->rules[c->count]) };
    if (c->pairs)
        qsort(c->pairs, c->count, sizeof *c->pairs, by_old);
}

static const struct wf_rule *same_rule(const struct change *c, const struct wf_rule *old)
{
    const struct pair key = { .old = old }, *found = NULL;

    if (c->pairs)
        found = bsearch(&key, c->pairs, c->count, sizeof key, by_old);
    return found ? found->new : find_same(c->rules, old);
}

static void move_series(void *arg, struct wf_series *s)
{
    struct change *c = arg;
    const struct wf_rule *new = same_rule(c, s->rule);
    struct wf_judged j = { .e = c->e, .s = s, .now_ms = c->now_ms };

    s->bound = NULL;
    if (new) {
        s->rule = new;
        return;
    }
    wf_observe(&j, WF_UNKNOWN, NULL, c->now_ms, true);
    wf_series_remove(c->e, s);
}

static void tie_series(void *arg, struct wf_series *s)
{
    struct wf_bound *b = s->shape ? wf_bound_of(arg, s->shape) : NULL;

    for (size_t i = 0; b && i < b->count; i++)
        if (b->rules[i].rule == s->rule)
            s->bound = &b->rules[i];
}

void wf_engine_rules(struct wf_engine *e, const struct wf_rules *rules, int64_t now_ms)
{
    struct change c = { .e = e, .rules = rules, .now_ms = now_ms };

    e->stats.problem[0] = '\0';
    if (e->rules) {
        pair_rules(&c, e->rules);
        wf_series_each(e, move_series, &c);
        free(c.pairs);
    }
    e->rules = rules;
    e->rules_ms = 0;
    enum weft_err err = wf_sql_change(e, rules, now_ms);
    struct wf_bound *old = e->bounds;
    e->bounds = NULL;
    // Every shape that is there is tied again, also to rules that come only now.
    for (struct wf_bound *b = old, *next; b; b = next) {
        struct wf_shape *shape = b->shape;
        next = b->next;
        shape->bound = NULL;
        free(b->rules);
        free(b);
        if (!err)
            err = wf_bound_of(e, shape) ? WEFT_OK : WEFT_E_NOMEM;
        if (!err)
            err = wf_sql_reshape_all(e, shape);
    }
    wf_series_each(e, tie_series, e);
    if (err)
        snprintf(e->stats.problem, sizeof e->stats.problem, "rules: %s", weft_err_text(err));
}

static bool is_there(const struct wf_engine *e, const struct wf_rule *rule)
{
    for (const struct wf_bound *b = e->bounds; b; b = b->next)
        if (b->shape->field_count && wf_bound_matches(rule, b->shape->product))
            return true;
    return false;
}

void wf_rules_tell_idle(const struct wf_engine *e, char *out, size_t size)
{
    if (!e->rules_ms || e->now_ms - e->rules_ms < WF_SQL_WAITS_MS)
        return;
    for (size_t i = 0; e->rules && i < e->rules->count; i++) {
        const struct wf_rule *rule = e->rules->rules[i];
        if (rule->sql || rule->many || is_there(e, rule))
            continue;
        snprintf(out, size,
            "rule %s: waits: %s is not read: nobody granted it, there is none, or it never had a "
            "record",
            rule->name, rule->product);
        return;
    }
}

bool wf_engine_wants(const struct wf_engine *e, const char *product)
{
    for (size_t i = 0; e->rules && i < e->rules->count; i++)
        if (wf_bound_matches(e->rules->rules[i], product))
            return true;
    return false;
}

int64_t wf_rule_span(const struct wf_rule *rule)
{
    int64_t span = 0;

    for (size_t i = 0; rule->sql && i < rule->sql->over_count; i++)
        if (rule->sql->over[i].span_ms > span)
            span = rule->sql->over[i].span_ms;
    for (unsigned i = 0; i < rule->when.expr.window_count; i++)
        if (rule->when.expr.windows[i].span_ms > span)
            span = rule->when.expr.windows[i].span_ms;
    return span;
}

int64_t wf_engine_span(const struct wf_engine *e, const char *product)
{
    int64_t span = 0;

    for (size_t i = 0; e->rules && i < e->rules->count; i++) {
        int64_t own = wf_rule_span(e->rules->rules[i]);
        if (own > span && wf_bound_matches(e->rules->rules[i], product))
            span = own;
    }
    return span;
}

// ---- alerts over a restart -------------------------------------------------------------------------------------------------

enum weft_err wf_engine_was_true(struct wf_engine *e, const struct wf_engine_kept *kept)
{
    const struct wf_rule *rule = e->rules ? wf_rules_find(e->rules, kept->rule) : NULL;
    uint64_t refused = e->stats.refused;

    if (!rule)
        return WEFT_OK;
    if (rule->sql)
        return wf_sql_was_true_all(e, kept);
    return wf_series_restore(e, rule, kept) || e->stats.refused > refused ? WEFT_OK : WEFT_E_NOMEM;
}
