// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL as a part of the engine: the monitor's own in one database, and those that came with the products of a domain in one for each
// such domain, so that no question of a stranger has anything of others before it, and no record of theirs pushes out another's. Own
// questions are asked first; strangers' have what is theirs of each tick between them, each domain in turn. See sql.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine_int.h"
#include "domains/monitoring/speed/sql_int.h"

static struct wf_sql_bounds bounds_of(const struct wf_engine *e, const char *domain)
{
    static const struct wf_sql_bounds guest = { .query = { .bytes = WF_SQL_GUEST_BYTES,
                                                    .rows = WF_SQL_GUEST_RECORDS,
                                                    .steps = WF_SQL_GUEST_STEPS,
                                                    .memory = WF_SQL_GUEST_MEMORY,
                                                    .length = WF_SQL_GUEST_LENGTH,
                                                    .cpu_ms = WF_SQL_GUEST_CPU_MS },
        .rows = WF_SQL_GUEST_ROWS,
        .series = WF_SQL_GUEST_SERIES,
        .rest = WF_SQL_GUEST_REST };
    const struct wf_sql_bounds own = {
        .query = e->limits.sql, .rows = WF_SQL_ROWS, .series = WF_SQL_SERIES
    };

    if (!domain[0])
        return own;
    struct wf_sql_bounds out = guest;
    if (e->limits.guests.steps)
        out.query = e->limits.guests;
    return out;
}

// ---- which sets there are ------------------------------------------------------------------------------------------------------

static size_t guests(const struct wf_engine *e)
{
    size_t count = 0;

    for (const struct wf_sql *s = e->sql; s; s = s->next)
        count += s->domain[0] != '\0';
    return count;
}

// The set of a rule, made where there is none; behind the monitor's own, which is the first. NULL with *ret_err, OK: there are too many.
static struct wf_sql *set_of(
    struct wf_engine *e, const struct wf_rule *rule, enum weft_err *ret_err)
{
    struct wf_sql **at = &e->sql;
    char domain[WF_MON_PRODUCT] = "";

    *ret_err = WEFT_OK;
    for (struct wf_sql *s = e->sql; s; s = s->next)
        if (wf_sql_owns(s, rule))
            return s;
    if (rule->taken)
        snprintf(domain, sizeof domain, "%.*s", (int)strcspn(rule->product, "/"), rule->product);
    if (domain[0] && guests(e) == WF_SQL_GUESTS)
        return NULL;
    const struct wf_sql_bounds bounds = bounds_of(e, domain);
    struct wf_sql *s = wf_sql_new(domain, &bounds, e->fn, e->arg);
    if (!s) {
        *ret_err = WEFT_E_NOMEM;
        return NULL;
    }
    if (domain[0] && *at && !(*at)->domain[0])
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    return s;
}

static bool has_rules(const struct wf_sql *s, const struct wf_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        if (wf_sql_owns(s, rules->rules[i]))
            return true;
    return false;
}

// A domain whose rules went leaves its room to others.
static void drop_empty(struct wf_engine *e, const struct wf_rules *rules)
{
    for (struct wf_sql **at = &e->sql; *at;) {
        struct wf_sql *s = *at;
        if (!s->domain[0] || has_rules(s, rules)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        wf_sql_free(s);
    }
}

static enum weft_err make_sets(struct wf_engine *e, const struct wf_rules *rules)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < rules->count && !err; i++) {
        const struct wf_rule *rule = rules->rules[i];
        if (rule->sql && !set_of(e, rule, &err) && !err)
            snprintf(e->stats.problem, sizeof e->stats.problem,
                "rule %.200s is not judged: rules that are SQL of %u domains are taken already",
                rule->name, WF_SQL_GUESTS);
    }
    return err;
}

enum weft_err wf_sql_change(struct wf_engine *e, const struct wf_rules *rules, int64_t now_ms)
{
    enum weft_err err = WEFT_OK;

    // Those that go say so before there is another of their names.
    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_rules(s, rules, now_ms);
    drop_empty(e, rules);
    if (!err)
        err = make_sets(e, rules);
    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_rules(s, rules, now_ms);
    return err;
}

void wf_sql_end(struct wf_engine *e)
{
    while (e->sql) {
        struct wf_sql *s = e->sql;
        e->sql = s->next;
        wf_sql_free(s);
    }
}

// ---- records and time ------------------------------------------------------------------------------------------------------------

enum weft_err wf_sql_row_all(struct wf_engine *e, const struct wf_row *row)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_row(s, row);
    return err;
}

enum weft_err wf_sql_reshape_all(struct wf_engine *e, struct wf_shape *shape)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_reshape(s, shape);
    return err;
}

void wf_sql_forget_all(struct wf_engine *e, const struct wf_shape *shape)
{
    for (struct wf_sql *s = e->sql; s; s = s->next)
        wf_sql_forget(s, shape);
}

enum weft_err wf_sql_tick_all(struct wf_engine *e, int64_t now_ms)
{
    struct wf_sql *s = e->sql;
    uint64_t own = e->limits.sql.steps > WF_QUERY_STEPS ? e->limits.sql.steps : WF_QUERY_STEPS;
    uint64_t theirs = WF_SQL_GUEST_TICK;
    size_t count = guests(e), first = count ? e->sql_turn++ % count : 0;
    enum weft_err err = WEFT_OK;

    if (s && !s->domain[0]) {
        err = wf_sql_tick(s, now_ms, &own);
        s = s->next;
    }
    struct wf_sql *begin = s;
    for (size_t i = 0; i < first; i++)
        s = s->next;
    for (size_t i = 0; i < count && !err; i++) {
        err = wf_sql_tick(s, now_ms, &theirs);
        s = s->next ? s->next : begin;
    }
    return err;
}

const char *wf_sql_problem_all(const struct wf_engine *e)
{
    for (const struct wf_sql *s = e->sql; s; s = s->next)
        if (wf_sql_problem(s)[0])
            return wf_sql_problem(s);
    return "";
}

enum weft_err wf_engine_mark(
    struct wf_engine *e, struct wf_shape *shape, const char *origin, uint64_t offset, bool end)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_mark(s, shape, origin, offset, end);
    return err;
}

void wf_sql_lose_all(struct wf_engine *e, const struct wf_shape *shape, const struct wf_loss *loss)
{
    for (struct wf_sql *s = e->sql; s; s = s->next)
        wf_sql_lose(s, shape, loss);
}

void wf_engine_each_usage(const struct wf_engine *e, wf_engine_usage_fn fn, void *arg)
{
    for (const struct wf_sql *s = e->sql; s; s = s->next) {
        struct wf_query_usage usage;
        wf_sql_usage(s, &usage);
        fn(arg, s->domain, &usage);
    }
}

void wf_engine_each_sql(const struct wf_engine *e, wf_engine_sql_fn fn, void *arg)
{
    for (const struct wf_sql *s = e->sql; s; s = s->next)
        wf_sql_each(s, fn, arg);
}

enum weft_err wf_sql_was_true_all(struct wf_engine *e, const struct wf_engine_kept *kept)
{
    enum weft_err err = WEFT_OK;

    for (struct wf_sql *s = e->sql; s && !err; s = s->next)
        err = wf_sql_was_true(s, kept->rule, kept->labels, kept->product, kept->origin);
    return err;
}

bool wf_engine_lacks(struct wf_engine *e, const char *product)
{
    bool lacks = false;

    for (struct wf_sql *s = e->sql; s; s = s->next)
        lacks = wf_sql_lacks(s, product) || lacks;
    return lacks;
}
