// SPDX-License-Identifier: Apache-2.0
// Judging a condition. Depth is the reader's limit. See expr.h.
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/speed/expr.h"

struct judge {
    const struct wf_expr *e;
    const struct wf_expr_source *source;
    struct wf_expr_value shown; // left side of the first comparison that is true, else of the first
    bool shown_true;
};

static struct wf_expr_value value_of(struct judge *j, unsigned node);

static struct wf_expr_value of_number(double v)
{
    struct wf_expr_value out = { .kind = WF_KIND_NUMBER, .number = v };

    // 0/0 and x/0 say nothing: an alert must not rest on them.
    if (!isfinite(v))
        out.kind = WF_KIND_NONE;
    return out;
}

static struct wf_expr_value of_truth(bool v)
{
    return (struct wf_expr_value){ .kind = WF_KIND_TRUTH, .number = v };
}

static enum wf_truth truth_of(const struct wf_expr_value *v)
{
    if ((v->kind != WF_KIND_TRUTH && v->kind != WF_KIND_NUMBER) || v->side != WF_SIDE_EXACT)
        return WF_UNKNOWN;
    return v->number != 0 ? WF_TRUE : WF_FALSE;
}

static enum wf_expr_side other_side(enum wf_expr_side s)
{
    return s == WF_SIDE_LEAST ? WF_SIDE_MOST : s == WF_SIDE_MOST ? WF_SIDE_LEAST : WF_SIDE_EXACT;
}

static struct wf_expr_value unknown(void)
{
    return (struct wf_expr_value){ .kind = WF_KIND_NONE };
}

static struct wf_expr_value from_truth(enum wf_truth t)
{
    return t == WF_UNKNOWN ? unknown() : of_truth(t == WF_TRUE);
}

// Of a + b. False where one may be more and the other less: then nothing is known of both together.
static bool side_of_sum(enum wf_expr_side a, enum wf_expr_side b, enum wf_expr_side *ret)
{
    *ret = a == WF_SIDE_EXACT ? b : a;
    return a == b || a == WF_SIDE_EXACT || b == WF_SIDE_EXACT;
}

static struct wf_expr_value together(double v, enum wf_expr_side a, enum wf_expr_side b)
{
    struct wf_expr_value out = of_number(v);

    return side_of_sum(a, b, &out.side) ? out : unknown();
}

// x times, or through, a number that is known.
static struct wf_expr_value scaled(double v, enum wf_expr_side x, double by)
{
    return together(v, by < 0 ? other_side(x) : by > 0 ? x : WF_SIDE_EXACT, WF_SIDE_EXACT);
}

static struct wf_expr_value arithmetic(
    enum wf_expr_op op, const struct wf_expr_value *a, const struct wf_expr_value *b)
{
    if (a->kind == WF_KIND_NONE || a->kind == WF_KIND_TEXT || b->kind == WF_KIND_NONE ||
        b->kind == WF_KIND_TEXT)
        return unknown();
    switch (op) {
    case WF_EXPR_ADD:
        return together(a->number + b->number, a->side, b->side);
    case WF_EXPR_SUB:
        return together(a->number - b->number, a->side, other_side(b->side));
    case WF_EXPR_MUL:
        if (a->side == WF_SIDE_EXACT)
            return scaled(a->number * b->number, b->side, a->number);
        return b->side == WF_SIDE_EXACT ? scaled(a->number * b->number, a->side, b->number)
                                        : unknown();
    default:
        return b->side == WF_SIDE_EXACT ? scaled(a->number / b->number, a->side, b->number)
                                        : unknown();
    }
}

static bool text_like(const struct wf_expr_value *a, const struct wf_expr_value *b)
{
    char text[1024], pattern[1024];

    snprintf(text, sizeof text, "%.*s", (int)a->len, a->ptr);
    snprintf(pattern, sizeof pattern, "%.*s", (int)b->len, b->ptr);
    return fnmatch(pattern, text, 0) == 0;
}

static bool holds(enum wf_expr_op op, double a, double b)
{
    switch (op) {
    case WF_EXPR_LT:
        return a < b;
    case WF_EXPR_LE:
        return a <= b;
    case WF_EXPR_GT:
        return a > b;
    case WF_EXPR_GE:
        return a >= b;
    case WF_EXPR_EQ:
        return a == b;
    default:
        return a != b;
    }
}

// Whether that is so wherever a - b is on this side of what is known of it.
static bool stays(enum wf_expr_op op, double a, double b, enum wf_expr_side side)
{
    double far = side == WF_SIDE_LEAST ? INFINITY : -INFINITY;

    if (side == WF_SIDE_EXACT)
        return true;
    if (op == WF_EXPR_EQ || op == WF_EXPR_NE) // as long as they do not meet
        return side == WF_SIDE_LEAST ? a > b : a < b;
    return holds(op, far, 0) == holds(op, a, b);
}

static enum wf_truth compare_numbers(
    enum wf_expr_op op, const struct wf_expr_value *a, const struct wf_expr_value *b)
{
    enum wf_expr_side side = WF_SIDE_EXACT;

    if (!side_of_sum(a->side, other_side(b->side), &side) || !stays(op, a->number, b->number, side))
        return WF_UNKNOWN;
    return holds(op, a->number, b->number) ? WF_TRUE : WF_FALSE;
}

// UNKNOWN when one side is, or when text meets a number.
static enum wf_truth compare(
    enum wf_expr_op op, const struct wf_expr_value *a, const struct wf_expr_value *b)
{
    bool text = a->kind == WF_KIND_TEXT;

    if (a->kind == WF_KIND_NONE || b->kind == WF_KIND_NONE || text != (b->kind == WF_KIND_TEXT))
        return WF_UNKNOWN;
    if (op == WF_EXPR_LIKE || op == WF_EXPR_UNLIKE)
        return text ? (text_like(a, b) == (op == WF_EXPR_LIKE) ? WF_TRUE : WF_FALSE) : WF_UNKNOWN;
    if (!text)
        return compare_numbers(op, a, b);
    bool same = a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
    if (op != WF_EXPR_EQ && op != WF_EXPR_NE)
        return WF_UNKNOWN;
    return same == (op == WF_EXPR_EQ) ? WF_TRUE : WF_FALSE;
}

static struct wf_expr_value comparison(
    struct judge *j, const struct wf_expr_node *n) // NOLINT(misc-no-recursion)
{
    struct wf_expr_value a = value_of(j, n->a), b = value_of(j, n->b);
    enum wf_truth t = compare(n->op, &a, &b);

    if (a.kind != WF_KIND_NONE &&
        (j->shown.kind == WF_KIND_NONE || (t == WF_TRUE && !j->shown_true))) {
        j->shown = a;
        j->shown_true = t == WF_TRUE;
    }
    return from_truth(t);
}

// Both sides are always looked at: a window that nobody asks would not be shown.
static struct wf_expr_value joined(
    struct judge *j, const struct wf_expr_node *n) // NOLINT(misc-no-recursion)
{
    struct wf_expr_value x = value_of(j, n->a), y = value_of(j, n->b);
    enum wf_truth a = truth_of(&x), b = truth_of(&y);
    enum wf_truth decides = n->op == WF_EXPR_AND ? WF_FALSE : WF_TRUE;

    if (a == decides || b == decides)
        return from_truth(decides);
    return from_truth(a == WF_UNKNOWN || b == WF_UNKNOWN ? WF_UNKNOWN
                      : decides == WF_FALSE              ? WF_TRUE
                                                         : WF_FALSE);
}

static struct wf_expr_value unary(
    struct judge *j, const struct wf_expr_node *n) // NOLINT(misc-no-recursion)
{
    struct wf_expr_value a = value_of(j, n->a);
    enum wf_truth t = truth_of(&a);

    if (n->op == WF_EXPR_NOT)
        return from_truth(t == WF_UNKNOWN ? t : t == WF_TRUE ? WF_FALSE : WF_TRUE);
    if (a.kind == WF_KIND_NONE || a.kind == WF_KIND_TEXT)
        return unknown();
    if (n->op != WF_EXPR_ABS)
        return together(-a.number, other_side(a.side), WF_SIDE_EXACT);
    // What may be on both sides of 0 has no size that is known.
    if (a.number < 0)
        a.side = other_side(a.side);
    return a.side == WF_SIDE_MOST ? unknown() : together(fabs(a.number), a.side, WF_SIDE_EXACT);
}

static struct wf_expr_value value_of(struct judge *j, unsigned node) // NOLINT(misc-no-recursion)
{
    const struct wf_expr_node *n = &j->e->nodes[node];
    struct wf_expr_value a, b, out = { .kind = WF_KIND_NONE };

    switch (n->op) {
    case WF_EXPR_NUMBER:
        return of_number(n->number);
    case WF_EXPR_TRUTH:
        return of_truth(n->number != 0);
    case WF_EXPR_TEXTUAL:
        return (
            struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = n->text, .len = strlen(n->text) };
    case WF_EXPR_FIELD:
        j->source->field(j->source->arg, n->slot, &out);
        return out;
    case WF_EXPR_WINDOW:
        j->source->window(j->source->arg, n->slot, &out);
        return out;
    case WF_EXPR_NEG:
    case WF_EXPR_NOT:
    case WF_EXPR_ABS:
        return unary(j, n);
    case WF_EXPR_AND:
    case WF_EXPR_OR:
        return joined(j, n);
    case WF_EXPR_ADD:
    case WF_EXPR_SUB:
    case WF_EXPR_MUL:
    case WF_EXPR_DIV:
        a = value_of(j, n->a);
        b = value_of(j, n->b);
        return arithmetic(n->op, &a, &b);
    default:
        return comparison(j, n);
    }
}

void wf_expr_value(const struct wf_expr *e, unsigned node, const struct wf_expr_source *source,
    struct wf_expr_value *ret)
{
    struct judge j = { .e = e, .source = source };

    *ret = value_of(&j, node);
}

enum wf_truth wf_expr_judge(
    const struct wf_expr *e, const struct wf_expr_source *source, struct wf_expr_value *ret_shown)
{
    struct judge j = { .e = e, .source = source };
    struct wf_expr_value v = value_of(&j, e->root);

    *ret_shown = j.shown;
    return truth_of(&v);
}
