// SPDX-License-Identifier: Apache-2.0
// Which rules look at a product, and where they find their fields and labels in its records. See engine_int.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/bound.h"

static int field_of(const struct wf_shape *shape, const char *name)
{
    static const struct {
        const char *name;
        enum wf_beside beside;
    } besides[] = { { "_origin", WF_BESIDE_ORIGIN }, { "_domain", WF_BESIDE_DOMAIN },
        { "_product", WF_BESIDE_PRODUCT }, { "_time", WF_BESIDE_TIME },
        { "_append", WF_BESIDE_APPEND }, { "_late", WF_BESIDE_LATE }, { "_delay", WF_BESIDE_DELAY },
        // Fields of the product go before these.
        { "now", WF_BESIDE_NOW }, { "origin", WF_BESIDE_ORIGIN }, { "host", WF_BESIDE_ORIGIN },
        { "domain", WF_BESIDE_DOMAIN }, { "product", WF_BESIDE_PRODUCT } };

    for (size_t i = 0; i < shape->field_count; i++)
        if (strcmp(shape->fields[i].name, name) == 0)
            return (int)i;
    for (size_t i = 0; i < sizeof besides / sizeof *besides; i++)
        if (strcmp(besides[i].name, name) == 0)
            return besides[i].beside;
    return WF_BESIDE_NOTHING;
}

static void add_label(struct wf_bound_rule *b, const char *name, int field)
{
    if (b->label_count == WF_BOUND_LABELS)
        return;
    b->by_origin = b->by_origin || field == WF_BESIDE_ORIGIN;
    b->label_names[b->label_count] = name;
    b->labels[b->label_count++] = field;
}

// Without `by`: the key, or what the schema calls labels, and always the origin.
static void default_labels(struct wf_bound_rule *b, const struct wf_shape *shape)
{
    bool keys = false;

    for (size_t i = 0; i < shape->field_count; i++)
        keys = keys || shape->fields[i].key;
    add_label(b, "origin", WF_BESIDE_ORIGIN);
    b->by_key = keys;
    for (size_t i = 0; i < shape->field_count && !b->rule->when.silent; i++)
        if (keys ? shape->fields[i].key : shape->fields[i].label)
            add_label(b, shape->fields[i].name, (int)i);
}

// False with a problem when a name is nothing that the product has.
static bool bind_labels(
    struct wf_bound_rule *b, const struct wf_shape *shape, char *problem, size_t size)
{
    const struct wf_condition *c = &b->rule->when;

    b->by_key = true;
    if (!c->has_by)
        default_labels(b, shape);
    for (unsigned i = 0; i < c->by_count; i++) {
        int field = field_of(shape, c->by[i]);
        if (field == WF_BESIDE_NOTHING) {
            snprintf(problem, size, "rule %s: %s has no field %s to tell series apart",
                b->rule->name, shape->product, c->by[i]);
            return false;
        }
        b->by_key = b->by_key && (field < 0 || shape->fields[field].key);
        add_label(b, c->by[i], field);
    }
    if (b->rule->many)
        add_label(b, "product", WF_BESIDE_PRODUCT);
    return true;
}

static bool bind_fields(
    struct wf_bound_rule *b, const struct wf_shape *shape, char *problem, size_t size)
{
    const struct wf_expr *x = &b->rule->when.expr;

    for (unsigned i = 0; i < x->field_count; i++) {
        b->fields[i] = field_of(shape, x->fields[i]);
        if (b->fields[i] == WF_BESIDE_NOTHING) {
            snprintf(problem, size, "rule %s: %s has no field %s", b->rule->name, shape->product,
                x->fields[i]);
            return false;
        }
        b->uses_now = b->uses_now || b->fields[i] == WF_BESIDE_NOW;
    }
    return true;
}

// No field but in windows.
static bool only_windows(const struct wf_expr *x, unsigned node) // NOLINT(misc-no-recursion)
{
    const struct wf_expr_node *n = &x->nodes[node];

    switch (n->op) {
    case WF_EXPR_FIELD:
        return false;
    case WF_EXPR_NUMBER:
    case WF_EXPR_TEXTUAL:
    case WF_EXPR_TRUTH:
    case WF_EXPR_WINDOW:
        return true;
    case WF_EXPR_NEG:
    case WF_EXPR_NOT:
    case WF_EXPR_ABS:
        return only_windows(x, n->a);
    default:
        return only_windows(x, n->a) && only_windows(x, n->b);
    }
}

bool wf_bound_matches(const struct wf_rule *rule, const char *product)
{
    return wf_rule_reads(rule, product);
}

static bool bind_rule(struct wf_engine *e, const struct wf_rule *rule, struct wf_shape *shape,
    struct wf_bound_rule *ret)
{
    char problem[sizeof e->stats.problem];

    *ret = (struct wf_bound_rule){ .rule = rule };
    if (bind_labels(ret, shape, problem, sizeof problem) &&
        (rule->when.silent || bind_fields(ret, shape, problem, sizeof problem))) {
        ret->counted = shape->events && rule->when.expr.window_count > 0 && !rule->when.silent &&
                       only_windows(&rule->when.expr, rule->when.expr.root);
        return true;
    }
    // A pattern may cover products that the rule is not about; of a product without a schema nothing is known yet.
    if (!rule->many && shape->field_count)
        snprintf(e->stats.problem, sizeof e->stats.problem, "%s", problem);
    return false;
}

struct wf_bound *wf_bound_of(struct wf_engine *e, struct wf_shape *shape)
{
    struct wf_bound *b;

    if (shape->bound)
        return shape->bound;
    b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->rules = calloc(e->rules ? e->rules->count + 1 : 1, sizeof *b->rules);
    if (!b->rules) {
        free(b);
        return NULL;
    }
    for (size_t i = 0; e->rules && i < e->rules->count; i++)
        if (!e->rules->rules[i]->sql && wf_bound_matches(e->rules->rules[i], shape->product) &&
            bind_rule(e, e->rules->rules[i], shape, &b->rules[b->count]))
            b->count++;
    b->shape = shape;
    b->next = e->bounds;
    e->bounds = b;
    shape->bound = b;
    return b;
}

static void forget_series(void *arg, struct wf_series *s)
{
    if (s->shape == arg) {
        s->shape = NULL;
        s->bound = NULL;
    }
}

static void drop_bound(struct wf_engine *e, struct wf_shape *shape)
{
    struct wf_bound **at = &e->bounds;

    while (*at != shape->bound)
        at = &(*at)->next;
    *at = shape->bound->next;
    free(shape->bound->rules);
    free(shape->bound);
    shape->bound = NULL;
}

void wf_engine_forget(struct wf_engine *e, struct wf_shape *shape)
{
    wf_sql_forget_all(e, shape);
    wf_holes_free(shape->holes);
    shape->holes = NULL;
    if (!shape->bound)
        return;
    wf_series_each(e, forget_series, shape);
    drop_bound(e, shape);
}

static void tie_series(void *arg, struct wf_series *s)
{
    const struct wf_shape *shape = arg;

    if (!s->shape && s->away && strcmp(s->away, shape->product) == 0)
        s->shape = (struct wf_shape *)(uintptr_t)shape;
    if (s->shape != shape)
        return;
    s->bound = NULL;
    for (size_t i = 0; i < shape->bound->count; i++)
        if (shape->bound->rules[i].rule == s->rule)
            s->bound = &shape->bound->rules[i];
}

enum weft_err wf_engine_reshape(struct wf_engine *e, struct wf_shape *shape)
{
    if (shape->bound)
        drop_bound(e, shape);
    if (!wf_bound_of(e, shape)) {
        wf_series_each(e, forget_series, shape);
        return WEFT_E_NOMEM;
    }
    wf_series_each(e, tie_series, shape);
    return wf_sql_reshape_all(e, shape);
}
