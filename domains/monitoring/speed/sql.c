// SPDX-License-Identifier: Apache-2.0
// Which rules are SQL, and when each is asked. See sql.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/sql_int.h"

#define COST_STEPS 20000 // a millisecond of the processor's time is as good as so many

struct wf_sql *wf_sql_new(
    const char *domain, const struct wf_sql_bounds *bounds, wf_observe_fn fn, void *arg)
{
    struct wf_sql *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    snprintf(s->domain, sizeof s->domain, "%s", domain);
    s->bounds = *bounds;
    s->query = wf_query_new(&bounds->query);
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

bool wf_sql_owns(const struct wf_sql *s, const struct wf_rule *rule)
{
    size_t len = strcspn(rule->product, "/");

    if (!rule->sql || rule->taken != (s->domain[0] != '\0'))
        return false;
    return !rule->taken || (strlen(s->domain) == len && memcmp(s->domain, rule->product, len) == 0);
}

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
        if (!wf_sql_owns(s, rules->rules[i]))
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
    struct wf_sql_firing *f = NULL;
    enum weft_err err = wf_sql_firing_add(s, a, labels, &f);
    if (err)
        return err == WEFT_E_FULL ? WEFT_OK : err;
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
        if (a->reason[0] && (a->state != WF_SQL_WAITS || now_ms - a->since_ms > WF_SQL_WAITS_MS) &&
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

// What a question took, counted against what its like may take: strangers' also by time, and the next one of theirs waits.
static void charge(struct wf_sql *s, const struct wf_sql_ask *a, int64_t now_ms, uint64_t *steps)
{
    uint64_t cost = a->steps;

    if (s->bounds.rest && a->cpu_ms > 0) {
        if ((uint64_t)a->cpu_ms * COST_STEPS > cost)
            cost = (uint64_t)a->cpu_ms * COST_STEPS;
        s->rest_ms = now_ms + a->cpu_ms * s->bounds.rest;
    }
    *steps -= cost < *steps ? cost : *steps;
}

// Of a clock that was set back nobody waits for the time before.
static bool is_resting(const struct wf_sql *s, int64_t now_ms)
{
    return now_ms < s->rest_ms &&
           s->rest_ms - now_ms <= (int64_t)s->bounds.rest * 2 * s->bounds.query.cpu_ms;
}

// From where the last tick ended, so many steps: what is left is asked at the next one.
enum weft_err wf_sql_tick(struct wf_sql *s, int64_t now_ms, uint64_t *steps)
{
    enum weft_err err = expire(s, now_ms);
    struct wf_sql_ask *a = s->last && s->last->next ? s->last->next : s->asks, *first = a;

    if (!a)
        return err;
    do {
        if (err || !*steps || is_resting(s, now_ms))
            break;
        if (is_due(a, now_ms)) {
            a->asked = number_of(a, now_ms);
            err = wf_sql_ask(s, a, now_ms);
            charge(s, a, now_ms, steps);
            s->last = a;
        }
        a = a->next ? a->next : s->asks;
    } while (a != first);
    give_up_origins(s, now_ms);
    say_problem(s, now_ms);
    return err;
}

void wf_sql_usage(const struct wf_sql *s, struct wf_query_usage *ret)
{
    wf_query_usage(s->query, ret);
    for (const struct wf_sql_window *w = s->windows; w; w = w->next)
        ret->pushed += w->refused;
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
