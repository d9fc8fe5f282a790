// SPDX-License-Identifier: Apache-2.0
// What time alone changes: silence, conditions that hold, occurrences that grow old, dates that come near, series that are not needed any
// more. What is not seen is not judged: that its product is blind is a finding of its own. See engine.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/bound.h"

#define KEEP_MS 3600000 // a series that says nothing is kept so long, or as long as its window

struct tick {
    struct wf_engine *e;
    int64_t now_ms;
};

static void say_age(char *out, size_t size, const char *what, int64_t ms)
{
    if (ms < 120000)
        snprintf(out, size, "%s for %.0f s", what, (double)ms / 1000);
    else
        snprintf(out, size, "%s for %.0f min", what, (double)ms / 60000);
}

// 0: neither the rule nor the product says how long is too long.
static int64_t silence_of(const struct wf_rule *rule, const struct wf_shape *shape)
{
    if (rule->when.silent_ms)
        return rule->when.silent_ms;
    return shape->freshness_ms > 0 && shape->freshness_ms < INT64_MAX / 8 ? 3 * shape->freshness_ms
                                                                          : 0;
}

int64_t wf_stale_ms(const struct wf_shape *shape)
{
    return !shape->inventory && shape->freshness_ms > 0 && shape->freshness_ms < INT64_MAX / 8
               ? 3 * shape->freshness_ms
               : 0;
}

static void give_up(struct wf_judged *j)
{
    snprintf(j->detail, sizeof j->detail, "given up: no record for longer than the rule waits");
    wf_observe(j, WF_UNKNOWN, NULL, j->now_ms, true);
    wf_series_remove(j->e, j->s);
}

// What was read again after a restart says that it is over, and nothing of it comes any more.
static void pay(struct wf_judged *j)
{
    struct wf_series *s = j->s;

    if (!s->owed || s->truth == WF_TRUE || !s->shape->seen)
        return;
    s->owed = false;
    wf_observe(j, WF_FALSE, NULL, j->now_ms, false);
}

static void tick_silent(struct wf_judged *j)
{
    struct wf_series *s = j->s;
    int64_t most = silence_of(s->rule, s->shape), age = j->now_ms - s->append_ms;
    struct wf_expr_value shown = { .kind = WF_KIND_NUMBER, .number = (double)age / 1000 };

    if (age > s->rule->forget_ms) {
        give_up(j);
        return;
    }
    if (!s->shape->seen || !most || age <= most) {
        pay(j);
        return;
    }
    if (s->truth != WF_TRUE) {
        s->truth = WF_TRUE;
        s->true_ms = s->append_ms + most;
        s->told = false;
    }
    // Told until it held long enough, then once a minute: the value is its age.
    if (s->told && (age / 1000) % 60 != 0)
        return;
    s->told = j->now_ms - s->true_ms >= s->rule->when.for_ms;
    say_age(j->detail, sizeof j->detail, "no record", age);
    wf_observe(j, WF_TRUE, &shown, j->now_ms, false);
}

// Occurrences in windows grow old; dates come near.
static void tick_timed(struct wf_judged *j)
{
    struct wf_series *s = j->s;
    const struct wf_expr *x = &s->rule->when.expr;
    struct wf_expr_value shown;

    for (unsigned i = 0; i < x->window_count; i++)
        if (!s->windows[i].base)
            wf_window_advance(&s->windows[i].points, x->windows[i].span_ms, j->now_ms);
    for (unsigned i = 0; i < x->field_count && s->kept; i++) {
        j->values[i] = s->kept[i];
        if (s->bound->fields[i] == WF_BESIDE_NOW)
            j->values[i].number = (double)j->now_ms / 1000;
    }
    enum wf_truth truth = wf_judge(j, &shown), was = s->truth;
    if (truth == WF_UNKNOWN || (truth == was && (truth == WF_FALSE || s->told)))
        return;
    if (truth != was) {
        s->truth = truth;
        s->true_ms = j->now_ms;
    }
    s->told = truth == WF_TRUE && j->now_ms - s->true_ms >= s->rule->when.for_ms;
    wf_observe(j, truth, &shown, j->now_ms, false);
}

// The condition was true in the newest record, and no newer one is due yet: it holds.
static void tick_holding(struct wf_judged *j)
{
    struct wf_series *s = j->s;
    int64_t stale_ms = wf_stale_ms(s->shape);

    if (s->truth != WF_TRUE || s->told || j->now_ms <= s->time_ms)
        return;
    // What came last is not what is so now: it is old, or what came after it was lost.
    if ((stale_ms && j->now_ms - s->append_ms > stale_ms) || wf_lost_is_open(j))
        return;
    if (j->now_ms - s->true_ms < s->rule->when.for_ms)
        return;
    s->told = true;
    wf_observe(j, WF_TRUE, NULL, j->now_ms, false);
}

static bool is_idle(const struct wf_judged *j)
{
    const struct wf_series *s = j->s;
    int64_t keep = wf_rule_span(s->rule) > KEEP_MS ? wf_rule_span(s->rule) : KEEP_MS;

    for (unsigned i = 0; i < s->rule->when.expr.window_count; i++)
        if (s->windows[i].base)
            keep = s->rule->forget_ms; // what is usual takes weeks to learn
    if (s->shape && 3 * s->shape->freshness_ms > keep && s->shape->freshness_ms < INT64_MAX / 8)
        keep = 3 * s->shape->freshness_ms;
    return s->truth != WF_TRUE && !s->owed && !s->kept && !s->rule->when.silent &&
           j->now_ms - s->append_ms > keep;
}

static void tick_series(void *arg, struct wf_series *s)
{
    const struct tick *t = arg;
    struct wf_judged j;

    j.e = t->e;
    j.b = s->bound;
    j.s = s;
    j.row = NULL;
    j.now_ms = t->now_ms;
    j.anew = false;
    j.detail[0] = '\0';
    if (is_idle(&j)) {
        wf_series_remove(t->e, s);
        return;
    }
    // One that is wrong is forgotten as well, whether its product is there or not.
    if (s->truth == WF_TRUE && j.now_ms - s->append_ms > s->rule->forget_ms) {
        give_up(&j);
        return;
    }
    if (!s->shape || !s->bound)
        return;
    memset(j.values, 0, sizeof j.values);
    if (s->rule->when.silent)
        tick_silent(&j);
    else if (!s->shape->seen)
        return;
    else if (s->owed && s->truth != WF_TRUE)
        pay(&j);
    else if (s->bound->uses_now || s->bound->counted)
        tick_timed(&j);
    else
        tick_holding(&j);
}

// ---- blindness ---------------------------------------------------------------------------------------------------------------

// A product that is not seen is one finding, not one for each of its hosts.
static enum weft_err tick_blind(
    struct tick *t, const struct wf_bound_rule *b, struct wf_shape *shape)
{
    struct wf_labels labels;
    struct wf_judged j = { .e = t->e, .b = b, .now_ms = t->now_ms };
    int64_t most = silence_of(b->rule, shape);
    int64_t age = shape->unseen_ms ? t->now_ms - shape->unseen_ms : 0;
    bool blind = !shape->seen && most && shape->unseen_ms && age > most;
    struct wf_expr_value shown = { .kind = WF_KIND_NUMBER, .number = (double)age / 1000 };

    wf_labels_init(&labels);
    (void)wf_labels_set(&labels, "blind", "yes", 3);
    (void)wf_labels_set(&labels, "product", shape->product, strlen(shape->product));
    j.s = wf_series_find(t->e, b->rule, &labels);
    if (!j.s && !blind)
        return WEFT_OK;
    uint64_t refused = t->e->stats.refused;
    if (!j.s)
        j.s = wf_series_add(t->e, b, &labels, shape->product);
    if (!j.s)
        return t->e->stats.refused > refused ? WEFT_OK : WEFT_E_NOMEM;
    j.s->append_ms = t->now_ms; // never silent itself, never given up
    j.s->shape = shape;
    j.s->bound = b;
    if (!blind) {
        wf_observe(&j, WF_FALSE, NULL, t->now_ms, false);
        wf_series_remove(t->e, j.s);
        return WEFT_OK;
    }
    j.s->truth = WF_TRUE;
    say_age(j.detail, sizeof j.detail, shape->cause ? shape->cause : "not seen", age);
    wf_observe(&j, WF_TRUE, &shown, t->now_ms, false);
    return WEFT_OK;
}

enum weft_err wf_engine_tick(struct wf_engine *e, int64_t now_ms)
{
    struct tick t = { .e = e, .now_ms = now_ms };

    e->now_ms = now_ms;
    if (!e->rules_ms || now_ms < e->rules_ms)
        e->rules_ms = now_ms;
    wf_lost_tick(e, now_ms);
    for (const struct wf_bound *b = e->bounds; b; b = b->next) {
        for (size_t i = 0; i < b->count; i++) {
            enum weft_err err =
                b->rules[i].rule->when.silent ? tick_blind(&t, &b->rules[i], b->shape) : WEFT_OK;
            if (err)
                return err;
        }
    }
    wf_series_each(e, tick_series, &t);
    return wf_sql_tick_all(e, now_ms);
}
