// SPDX-License-Identifier: Apache-2.0
// Which rules are SQL, and when each is asked. See sql.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine_int.h"
#include "domains/monitoring/speed/sql_int.h"

#define WAITS_MS 600000 // until a rule that waits is told

struct wf_sql *wf_sql_new(const struct wf_query_limits *limits, wf_observe_fn fn, void *arg)
{
    struct wf_sql *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->query = wf_query_new(limits);
    s->fn = fn;
    s->arg = arg;
    if (s->query)
        return s;
    free(s);
    return NULL;
}

static void free_ask(struct wf_sql_ask *a)
{
    for (size_t i = 0; i < a->firing_count; i++)
        free(a->firing[i].labels);
    free(a->firing);
    free(a);
}

void wf_sql_free(struct wf_sql *s)
{
    if (!s)
        return;
    while (s->asks) {
        struct wf_sql_ask *a = s->asks;
        s->asks = a->next;
        free_ask(a);
    }
    while (s->windows) {
        struct wf_sql_window *w = s->windows;
        s->windows = w->next;
        wf_sql_window_free(s, w);
    }
    wf_query_free(s->query);
    free(s);
}

const char *wf_sql_state_name(enum wf_sql_state state)
{
    static const char *const names[] = { "waits", "ok", "cut", "unknown", "broken" };

    return names[state];
}

// ---- rules --------------------------------------------------------------------------------------------------------------------

// Takes the asks whose rules are the same over; those that are left are over.
static struct wf_sql_ask *take_ask(struct wf_sql_ask **old, const struct wf_rule *rule)
{
    for (struct wf_sql_ask **at = old; *at; at = &(*at)->next) {
        struct wf_sql_ask *a = *at;
        if (strcmp(a->rule->name, rule->name) != 0 || a->rule->id != rule->id)
            continue;
        *at = a->next;
        a->next = NULL;
        return a;
    }
    return calloc(1, sizeof(struct wf_sql_ask));
}

static enum weft_err add_ask(struct wf_sql *s, struct wf_sql_ask *a, const struct wf_rule *rule)
{
    a->rule = rule;
    for (size_t i = 0; i < rule->sql->over_count; i++) {
        int64_t span = rule->sql->over[i].span_ms;
        struct wf_sql_window *w = wf_sql_window_of(s, rule->sql->over[i].product, !span);
        if (!w)
            return WEFT_E_NOMEM;
        w->wanted = true;
        if (span > w->span_ms) {
            w->span_ms = span;
            w->read = false;
        }
        a->windows[i] = w;
    }
    return WEFT_OK;
}

// Windows of no rule go.
static void drop_windows(struct wf_sql *s)
{
    for (struct wf_sql_window **at = &s->windows; *at;) {
        struct wf_sql_window *w = *at;
        if (w->wanted) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        wf_sql_window_free(s, w);
    }
}

enum weft_err wf_sql_rules(struct wf_sql *s, const struct wf_rules *rules, int64_t now_ms)
{
    struct wf_sql_ask *old = s->asks, **end = &s->asks;
    enum weft_err err = WEFT_OK;

    s->asks = NULL;
    s->last = NULL;
    s->problem[0] = '\0';
    for (struct wf_sql_window *w = s->windows; w; w = w->next)
        w->wanted = false;
    for (size_t i = 0; i < rules->count && !err; i++) {
        if (!rules->rules[i]->sql)
            continue;
        struct wf_sql_ask *a = take_ask(&old, rules->rules[i]);
        if (!a) {
            err = WEFT_E_NOMEM;
            break;
        }
        *end = a;
        end = &a->next;
        err = add_ask(s, a, rules->rules[i]);
    }
    while (old) {
        struct wf_sql_ask *a = old;
        old = a->next;
        while (a->firing_count)
            wf_sql_firing_end(s, a, a->firing_count - 1, now_ms, "its rule was removed or changed");
        free_ask(a);
    }
    drop_windows(s);
    return err;
}

enum weft_err wf_sql_was_true(struct wf_sql *s, const char *rule, const struct wf_labels *labels,
    const char *product, const char *origin)
{
    struct wf_sql_ask *a = s->asks;

    while (a && strcmp(a->rule->name, rule) != 0)
        a = a->next;
    if (!a)
        return WEFT_OK;
    struct wf_sql_firing *f = wf_sql_firing_add(a, labels);
    if (!f)
        return WEFT_E_NOMEM;
    snprintf(f->product, sizeof f->product, "%s", product);
    snprintf(f->origin, sizeof f->origin, "%s", origin);
    return WEFT_OK;
}

// ---- time ---------------------------------------------------------------------------------------------------------------------

static int64_t number_of(const struct wf_sql_ask *a, int64_t now_ms)
{
    return now_ms / a->rule->sql->every_ms;
}

static bool is_due(const struct wf_sql_ask *a, int64_t now_ms)
{
    int64_t number = number_of(a, now_ms);

    // A clock that was set back must not stop it.
    return (number > a->asked && number >= a->wait) || number < a->asked - 1;
}

static void give_up_origins(struct wf_sql *s, int64_t now_ms)
{
    if (now_ms / 60000 == s->swept)
        return;
    s->swept = now_ms / 60000;
    for (struct wf_sql_window *w = s->windows; w; w = w->next) {
        int64_t forget = 0;
        for (const struct wf_sql_ask *a = s->asks; a; a = a->next)
            for (size_t i = 0; i < a->rule->sql->over_count; i++)
                if (a->windows[i] == w && a->rule->forget_ms > forget)
                    forget = a->rule->forget_ms;
        wf_sql_give_up(w, now_ms - (forget > w->span_ms ? forget : w->span_ms));
    }
}

static enum weft_err expire(struct wf_sql *s, int64_t now_ms)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql_window *w = s->windows; w && !err; w = w->next)
        if (!w->current)
            err = wf_query_expire(s->query, w->table, (now_ms - w->span_ms) * 1000);
    return err;
}

// The worst of what there is to say. A rule that waits for long waits for nothing that comes.
static void say_problem(struct wf_sql *s, int64_t now_ms)
{
    const struct wf_sql_ask *worst = NULL;

    for (const struct wf_sql_ask *a = s->asks; a; a = a->next)
        if (a->reason[0] && (a->state != WF_SQL_WAITS || now_ms - a->since_ms > WAITS_MS) &&
            (!worst || a->state > worst->state))
            worst = a;
    s->problem[0] = '\0';
    if (worst)
        snprintf(s->problem, sizeof s->problem, "rule %s: %s%s", worst->rule->name,
            worst->state == WF_SQL_BROKEN    ? "broken: "
            : worst->state == WF_SQL_UNKNOWN ? "not judged: "
            : worst->state == WF_SQL_WAITS   ? "waits: "
                                             : "",
            worst->reason);
}

const char *wf_sql_problem(const struct wf_sql *s)
{
    return s->problem;
}

// From where the last tick ended, so many steps: what is left is asked at the next one.
enum weft_err wf_sql_tick(struct wf_sql *s, int64_t now_ms)
{
    enum weft_err err = expire(s, now_ms);
    struct wf_sql_ask *a = s->last && s->last->next ? s->last->next : s->asks, *first = a;
    uint64_t steps = 0;

    if (!a)
        return err;
    do {
        if (!err && is_due(a, now_ms)) {
            a->asked = number_of(a, now_ms);
            err = wf_sql_ask(s, a, now_ms);
            steps += a->steps;
            s->last = a;
        }
        a = a->next ? a->next : s->asks;
    } while (a != first && !err && steps < WF_QUERY_STEPS);
    give_up_origins(s, now_ms);
    say_problem(s, now_ms);
    return err;
}

void wf_sql_each(const struct wf_sql *s, wf_engine_sql_fn fn, void *arg)
{
    for (const struct wf_sql_ask *a = s->asks; a; a = a->next) {
        const struct wf_engine_sql to = { .rule = a->rule,
            .state = a->state,
            .since_ms = a->since_ms,
            .reason = a->reason,
            .rows = a->rows };
        fn(arg, &to);
    }
}

// ---- a part of the engine -----------------------------------------------------------------------------------------------------

static bool has_sql(const struct wf_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->rules[i]->sql)
            return true;
    return false;
}

enum weft_err wf_sql_change(struct wf_engine *e, const struct wf_rules *rules, int64_t now_ms)
{
    if (!e->sql && has_sql(rules))
        e->sql = wf_sql_new(&e->limits.sql, e->fn, e->arg);
    if (!e->sql)
        return has_sql(rules) ? WEFT_E_NOMEM : WEFT_OK;
    return wf_sql_rules(e->sql, rules, now_ms);
}

enum weft_err wf_engine_mark(
    struct wf_engine *e, struct wf_shape *shape, const char *origin, uint64_t offset, bool end)
{
    return e->sql ? wf_sql_mark(e->sql, shape, origin, offset, end) : WEFT_OK;
}

void wf_engine_each_sql(const struct wf_engine *e, wf_engine_sql_fn fn, void *arg)
{
    if (e->sql)
        wf_sql_each(e->sql, fn, arg);
}

enum weft_err wf_engine_was_true(struct wf_engine *e, const char *rule,
    const struct wf_labels *labels, const char *product, const char *origin)
{
    return e->sql ? wf_sql_was_true(e->sql, rule, labels, product, origin) : WEFT_OK;
}

bool wf_engine_lacks(struct wf_engine *e, const char *product)
{
    return e->sql && wf_sql_lacks(e->sql, product);
}
