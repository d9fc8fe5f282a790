// SPDX-License-Identifier: Apache-2.0
// The reader of conditions: one pass, recursive descent to a stated depth, kinds checked as the tree grows. See expr.h.
#include "domains/monitoring/speed/expr.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum token { T_END, T_NUMBER, T_TEXT, T_WORD, T_SIGN };

struct reader {
    const char *text, *at; // at: behind the token
    struct wf_pool *pool;
    struct wf_condition *out;
    struct wf_expr_error *error;
    bool failed;
    unsigned depth;
    enum token token;
    const char *begin; // of the token
    size_t len;
    double number;
};

__attribute__((format(printf, 3, 4))) static void fail(
    struct reader *r, const char *at, const char *format, ...)
{
    va_list args;

    if (r->failed)
        return;
    r->failed = true;
    r->error->at = (size_t)(at - r->text);
    va_start(args, format);
    vsnprintf(r->error->text, sizeof r->error->text, format, args);
    va_end(args);
    r->token = T_END;
}

// ---- tokens --------------------------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    double factor;
} units[] = { { "%", 0.01 }, { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
    { "d", 86400 }, { "w", 604800 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1048576 },
    { "GiB", 1073741824 }, { "TiB", 1099511627776 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 } };

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void take_number(struct reader *r)
{
    char *end = NULL;
    size_t len = 0;

    r->token = T_NUMBER;
    r->number = strtod(r->begin, &end);
    if (*end == '%')
        len = 1;
    while (len == 0 ? is_word(end[len]) : *end != '%' && is_word(end[len]))
        len++;
    r->at = end + len;
    if (!isfinite(r->number)) {
        fail(r, r->begin, "a number beyond all bounds");
        return;
    }
    for (size_t i = 0; len && i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == len && strncmp(units[i].name, end, len) == 0) {
            r->number *= units[i].factor;
            return;
        }
    }
    if (len)
        fail(r, end, "unknown unit \"%.*s\" (%% ms s m h d w B KiB MiB GiB TiB k M G)",
            (int)(len > 40 ? 40 : len), end);
}

static void take_text(struct reader *r)
{
    const char *end = strchr(r->begin + 1, *r->begin);

    if (!end) {
        fail(r, r->begin, "the quotation has no end");
        return;
    }
    r->token = T_TEXT;
    r->at = end + 1;
    r->begin++;
    r->len = (size_t)(end - r->begin);
}

static void take_sign(struct reader *r)
{
    static const char *const signs[] = { "<=", ">=", "==", "!=", "!~", "<", ">", "~", "+", "-", "*",
        "/", "(", ")", "," };

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strncmp(r->begin, signs[i], strlen(signs[i])) != 0)
            continue;
        r->token = T_SIGN;
        r->len = strlen(signs[i]);
        r->at = r->begin + r->len;
        return;
    }
    if (*r->begin == '=')
        fail(r, r->begin, "a comparison is written ==");
    else if (isprint((unsigned char)*r->begin))
        fail(r, r->begin, "unexpected '%c'", *r->begin);
    else
        fail(r, r->begin, "unexpected byte 0x%02x", (unsigned char)*r->begin);
}

static void next(struct reader *r)
{
    if (r->failed)
        return;
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')
        r->at++;
    r->begin = r->at;
    if (!*r->at) {
        r->token = T_END;
        r->len = 0;
    } else if (isdigit((unsigned char)*r->at)) {
        take_number(r);
    } else if (*r->at == '"' || *r->at == '\'') {
        take_text(r);
    } else if (is_word(*r->at)) {
        r->token = T_WORD;
        while (is_word(*r->at))
            r->at++;
        r->len = (size_t)(r->at - r->begin);
    } else {
        take_sign(r);
    }
}

static bool is_sign(const struct reader *r, const char *sign)
{
    return r->token == T_SIGN && strlen(sign) == r->len && strncmp(r->begin, sign, r->len) == 0;
}

static bool is_name(const struct reader *r, const char *word)
{
    return r->token == T_WORD && strlen(word) == r->len && strncmp(r->begin, word, r->len) == 0;
}

static void want_sign(struct reader *r, const char *sign, const char *why)
{
    if (is_sign(r, sign))
        next(r);
    else
        fail(r, r->begin, "want '%s' %s", sign, why);
}

// ---- the tree --------------------------------------------------------------------------------------------------------------

static const char *kind_name(enum wf_expr_kind kind)
{
    static const char *const names[] = { "nothing", "a number", "a text", "a condition",
        "a field" };

    return names[kind];
}

static enum wf_expr_kind kind_of(const struct reader *r, unsigned node)
{
    return (enum wf_expr_kind)r->out->expr.nodes[node].kind;
}

// Node 0 stands for what could not be read.
static unsigned add(struct reader *r, struct wf_expr_node node, enum wf_expr_kind kind)
{
    struct wf_expr *e = &r->out->expr;

    if (r->failed)
        return 0;
    if (e->count >= WF_EXPR_NODES) {
        fail(r, r->begin, "a condition of more than %u parts", WF_EXPR_NODES);
        return 0;
    }
    node.kind = (unsigned char)kind;
    e->nodes[e->count] = node;
    return e->count++;
}

static void want_kind(
    struct reader *r, unsigned node, enum wf_expr_kind kind, const char *at, const char *what)
{
    enum wf_expr_kind is = kind_of(r, node);

    if (!r->failed && is != kind && is != WF_KIND_ANY)
        fail(r, at, "%s wants %s, this is %s", what, kind_name(kind), kind_name(is));
}

// A condition counts as 0 or 1: sum(code != 0, 5m).
static void want_amount(struct reader *r, unsigned node, const char *at, const char *what)
{
    if (kind_of(r, node) != WF_KIND_TRUTH)
        want_kind(r, node, WF_KIND_NUMBER, at, what);
}

static const char *keep(struct reader *r, const char *s, size_t len)
{
    const char *out = wf_pool_text(r->pool, s, len);

    if (!out)
        fail(r, r->begin, "out of memory");
    return out ? out : "";
}

static unsigned add_field(struct reader *r)
{
    struct wf_expr *e = &r->out->expr;
    unsigned slot = 0;

    if (r->len >= WF_EXPR_NAME) {
        fail(r, r->begin, "a name of more than %u letters", WF_EXPR_NAME - 1);
        return 0;
    }
    while (slot < e->field_count &&
           (strlen(e->fields[slot]) != r->len || memcmp(e->fields[slot], r->begin, r->len) != 0))
        slot++;
    if (slot == WF_EXPR_FIELDS) {
        fail(r, r->begin, "a condition of more than %u fields", WF_EXPR_FIELDS);
        return 0;
    }
    if (slot == e->field_count)
        e->fields[e->field_count++] = keep(r, r->begin, r->len);
    next(r);
    return add(r, (struct wf_expr_node){ .op = WF_EXPR_FIELD, .slot = slot }, WF_KIND_ANY);
}

static unsigned read_or(struct reader *r);
static unsigned read_sum(struct reader *r);

static const struct {
    const char *name;
    bool spanned;
} functions[] = { [WF_WINDOW_RATE] = { "rate", true },
    [WF_WINDOW_INCREASE] = { "increase", true },
    [WF_WINDOW_CHANGE] = { "change", true },
    [WF_WINDOW_SLOPE] = { "slope", true },
    [WF_WINDOW_MIN] = { "min", true },
    [WF_WINDOW_MAX] = { "max", true },
    [WF_WINDOW_AVG] = { "avg", true },
    [WF_WINDOW_SUM] = { "sum", true },
    [WF_WINDOW_COUNT] = { "count", true },
    [WF_WINDOW_CHANGES] = { "changes", true },
    [WF_WINDOW_RESETS] = { "resets", true },
    [WF_WINDOW_DEVIATION] = { "deviation", false } };
#define FUNCTIONS (sizeof functions / sizeof *functions)

const char *wf_window_name(enum wf_window_fn fn)
{
    return functions[fn].name;
}

static bool holds_window(const struct wf_expr *e, unsigned from)
{
    for (unsigned i = from; i < e->count; i++)
        if (e->nodes[i].op == WF_EXPR_WINDOW)
            return true;
    return false;
}

static int64_t read_span(struct reader *r)
{
    int64_t ms = 0;

    if (r->token == T_NUMBER && r->number >= 1 && r->number <= 366 * 86400.0)
        ms = (int64_t)(r->number * 1000);
    else
        fail(r, r->begin, "want a span between 1s and 366d, as in rate(rx_bytes, 5m)");
    next(r);
    return ms;
}

// The name was read, the opening bracket is the token.
static unsigned read_window(struct reader *r, enum wf_window_fn fn, const char *at)
{
    struct wf_expr *e = &r->out->expr;
    struct wf_expr_window w = { .fn = fn };
    unsigned before = e->count, slot = e->window_count;

    next(r);
    w.arg = read_or(r);
    if (!r->failed && holds_window(e, before))
        fail(r, at, "%s of what is a window already", functions[fn].name);
    if (fn != WF_WINDOW_CHANGES)
        want_amount(r, w.arg, at, functions[fn].name);
    if (functions[fn].spanned) {
        want_sign(r, ",", "and a span, as in rate(rx_bytes, 5m)");
        w.span_ms = read_span(r);
    }
    want_sign(r, ")", "at the end");
    if (slot == WF_EXPR_WINDOWS)
        fail(r, at, "a condition of more than %u windows", WF_EXPR_WINDOWS);
    if (r->failed)
        return 0;
    e->windows[e->window_count++] = w;
    return add(r, (struct wf_expr_node){ .op = WF_EXPR_WINDOW, .slot = slot }, WF_KIND_NUMBER);
}

static unsigned read_call(struct reader *r)
{
    const char *at = r->begin;
    size_t len = r->len;

    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (strlen(functions[i].name) != len || strncmp(functions[i].name, at, len) != 0)
            continue;
        next(r);
        return read_window(r, (enum wf_window_fn)i, at);
    }
    if (len == 3 && strncmp(at, "abs", 3) == 0) {
        next(r);
        next(r);
        unsigned a = read_sum(r);
        want_kind(r, a, WF_KIND_NUMBER, at, "abs");
        want_sign(r, ")", "at the end");
        return add(r, (struct wf_expr_node){ .op = WF_EXPR_ABS, .a = a }, WF_KIND_NUMBER);
    }
    fail(r, at,
        "no function %.*s; there are rate, increase, change, slope, min, max, avg, sum, count, "
        "changes, resets, deviation, abs",
        (int)(len > 40 ? 40 : len), at);
    return 0;
}

static bool is_reserved(const struct reader *r)
{
    return is_name(r, "and") || is_name(r, "or") || is_name(r, "not") || is_name(r, "for") ||
           is_name(r, "by") || is_name(r, "silent");
}

static unsigned read_word(struct reader *r)
{
    const char *p = r->at;
    bool truth = is_name(r, "true");

    while (*p == ' ')
        p++;
    if (truth || is_name(r, "false")) {
        next(r);
        return add(r, (struct wf_expr_node){ .op = WF_EXPR_TRUTH, .number = truth }, WF_KIND_TRUTH);
    }
    if (is_reserved(r)) {
        fail(r, r->begin, "want a value before \"%.*s\"", (int)r->len, r->begin);
        return 0;
    }
    return *p == '(' ? read_call(r) : add_field(r);
}

static unsigned read_atom(struct reader *r)
{
    struct wf_expr_node n = { .op = WF_EXPR_NUMBER, .number = r->number };

    if (r->token == T_NUMBER) {
        next(r);
        return add(r, n, WF_KIND_NUMBER);
    }
    if (r->token == T_TEXT) {
        n = (struct wf_expr_node){ .op = WF_EXPR_TEXTUAL, .text = keep(r, r->begin, r->len) };
        next(r);
        return add(r, n, WF_KIND_TEXT);
    }
    if (r->token == T_WORD)
        return read_word(r);
    if (is_sign(r, "(")) {
        next(r);
        unsigned node = read_or(r);
        want_sign(r, ")", "at the end");
        return node;
    }
    fail(r, r->begin, r->token == T_END ? "want a value at the end" : "want a value");
    return 0;
}

static unsigned read_unary(struct reader *r)
{
    const char *at = r->begin;

    if (!is_sign(r, "-"))
        return read_atom(r);
    next(r);
    unsigned a = read_atom(r);
    want_kind(r, a, WF_KIND_NUMBER, at, "-");
    return add(r, (struct wf_expr_node){ .op = WF_EXPR_NEG, .a = a }, WF_KIND_NUMBER);
}

struct binary {
    const char *sign;
    enum wf_expr_op op;
};

static unsigned read_arithmetic(
    struct reader *r, const struct binary *ops, size_t count, unsigned (*operand)(struct reader *))
{
    unsigned a = operand(r);

    for (size_t i = 0; i < count && !r->failed;) {
        const char *at = r->begin;
        if (!is_sign(r, ops[i].sign)) {
            i++;
            continue;
        }
        next(r);
        unsigned b = operand(r);
        want_amount(r, a, at, ops[i].sign);
        want_amount(r, b, at, ops[i].sign);
        a = add(r, (struct wf_expr_node){ .op = ops[i].op, .a = a, .b = b }, WF_KIND_NUMBER);
        i = 0;
    }
    return a;
}

static unsigned read_product(struct reader *r)
{
    static const struct binary ops[] = { { "*", WF_EXPR_MUL }, { "/", WF_EXPR_DIV } };

    return read_arithmetic(r, ops, 2, read_unary);
}

static unsigned read_sum(struct reader *r)
{
    static const struct binary ops[] = { { "+", WF_EXPR_ADD }, { "-", WF_EXPR_SUB } };

    if (++r->depth > WF_EXPR_DEPTH)
        fail(r, r->begin, "nested more than %u deep", WF_EXPR_DEPTH);
    unsigned node = r->failed ? 0 : read_arithmetic(r, ops, 2, read_product);
    r->depth--;
    return node;
}

// What both sides of a comparison have to be.
static void check_sides(
    struct reader *r, enum wf_expr_op op, unsigned a, unsigned b, const char *at)
{
    enum wf_expr_kind x = kind_of(r, a), y = kind_of(r, b);

    if (op == WF_EXPR_LIKE || op == WF_EXPR_UNLIKE) {
        want_kind(r, a, WF_KIND_TEXT, at, "~");
        if (!r->failed && r->out->expr.nodes[b].op != WF_EXPR_TEXTUAL)
            fail(r, at, "~ wants a pattern in quotation marks");
    } else if (op == WF_EXPR_EQ || op == WF_EXPR_NE) {
        if (!r->failed && x != y && x != WF_KIND_ANY && y != WF_KIND_ANY)
            fail(r, at, "%s is never %s", kind_name(x), kind_name(y));
    } else {
        want_kind(r, a, WF_KIND_NUMBER, at, "an order");
        want_kind(r, b, WF_KIND_NUMBER, at, "an order");
    }
}

static unsigned read_comparison(struct reader *r)
{
    static const struct binary ops[] = { { "<=", WF_EXPR_LE }, { ">=", WF_EXPR_GE },
        { "==", WF_EXPR_EQ }, { "!=", WF_EXPR_NE }, { "!~", WF_EXPR_UNLIKE }, { "<", WF_EXPR_LT },
        { ">", WF_EXPR_GT }, { "~", WF_EXPR_LIKE } };
    unsigned a = read_sum(r);

    for (size_t i = 0; i < sizeof ops / sizeof *ops && !r->failed; i++) {
        const char *at = r->begin;
        if (!is_sign(r, ops[i].sign))
            continue;
        next(r);
        unsigned b = read_sum(r);
        check_sides(r, ops[i].op, a, b, at);
        return add(r, (struct wf_expr_node){ .op = ops[i].op, .a = a, .b = b }, WF_KIND_TRUTH);
    }
    return a;
}

static unsigned read_not(struct reader *r)
{
    const char *at = r->begin;

    if (!is_name(r, "not"))
        return read_comparison(r);
    next(r);
    unsigned a = read_comparison(r);
    want_kind(r, a, WF_KIND_TRUTH, at, "not");
    return add(r, (struct wf_expr_node){ .op = WF_EXPR_NOT, .a = a }, WF_KIND_TRUTH);
}

static unsigned read_joined(
    struct reader *r, const char *word, enum wf_expr_op op, unsigned (*operand)(struct reader *))
{
    unsigned a = operand(r);

    while (!r->failed && is_name(r, word)) {
        const char *at = r->begin;
        next(r);
        unsigned b = operand(r);
        want_kind(r, a, WF_KIND_TRUTH, at, word);
        want_kind(r, b, WF_KIND_TRUTH, at, word);
        a = add(r, (struct wf_expr_node){ .op = op, .a = a, .b = b }, WF_KIND_TRUTH);
    }
    return a;
}

static unsigned read_and(struct reader *r)
{
    return read_joined(r, "and", WF_EXPR_AND, read_not);
}

static unsigned read_or(struct reader *r)
{
    return read_joined(r, "or", WF_EXPR_OR, read_and);
}

// ---- the line ----------------------------------------------------------------------------------------------------------------

static void read_for(struct reader *r)
{
    next(r);
    if (r->token != T_NUMBER || r->number < 0 || r->number > 366 * 86400.0)
        fail(r, r->begin, "want a duration behind for, as in for 2m");
    r->out->for_ms = (int64_t)(r->number * 1000);
    r->out->has_for = true;
    next(r);
}

static void read_by(struct reader *r)
{
    struct wf_condition *c = r->out;

    c->has_by = true;
    do {
        next(r);
        if (r->token != T_WORD || r->len >= WF_EXPR_NAME)
            fail(r, r->begin, "want a label, as in by host, mountpoint");
        else if (c->by_count == WF_EXPR_BY)
            fail(r, r->begin, "more than %u labels", WF_EXPR_BY);
        else
            c->by[c->by_count++] = keep(r, r->begin, r->len);
        next(r);
    } while (!r->failed && is_sign(r, ","));
}

static void read_silent(struct reader *r)
{
    r->out->silent = true;
    next(r);
    if (!is_sign(r, ">"))
        return;
    next(r);
    if (r->token != T_NUMBER || r->number < 1 || r->number > 366 * 86400.0)
        fail(r, r->begin, "want a duration, as in silent > 5m");
    r->out->silent_ms = (int64_t)(r->number * 1000);
    next(r);
}

bool wf_condition_read(
    const char *text, struct wf_pool *pool, struct wf_condition *ret, struct wf_expr_error *error)
{
    struct reader r = {
        .text = text, .at = text, .begin = text, .pool = pool, .out = ret, .error = error
    };

    memset(ret, 0, sizeof *ret);
    if (strlen(text) > WF_EXPR_TEXT)
        fail(&r, text, "a condition of more than %u bytes", WF_EXPR_TEXT);
    next(&r);
    if (is_name(&r, "silent")) {
        read_silent(&r);
    } else {
        ret->expr.root = read_or(&r);
        want_kind(&r, ret->expr.root, WF_KIND_TRUTH, text, "a rule");
    }
    if (is_name(&r, "for"))
        read_for(&r);
    if (is_name(&r, "by"))
        read_by(&r);
    if (!r.failed && r.token != T_END)
        fail(&r, r.begin, "want and, or, for, by or the end of the condition");
    return !r.failed;
}
