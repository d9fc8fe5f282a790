// SPDX-License-Identifier: Apache-2.0
// Rules and records. See engine.h.
#include "domains/monitoring/speed/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/bound.h"

struct wf_engine *wf_engine_new(const struct wf_engine_limits *limits, wf_observe_fn fn, void *arg)
{
    struct wf_engine *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->limits.series = limits && limits->series ? limits->series : WF_ENGINE_SERIES;
    e->limits.bytes = limits && limits->bytes ? limits->bytes : WF_ENGINE_BYTES;
    if (limits) {
        e->limits.sql = limits->sql;
        e->limits.guests = limits->guests;
    }
    e->fn = fn;
    e->arg = arg;
    return e;
}

static void remove_one(void *arg, struct wf_series *s)
{
    wf_series_remove(arg, s);
}

void wf_engine_free(struct wf_engine *e)
{
    if (!e)
        return;
    wf_series_each(e, remove_one, e);
    while (e->bounds)
        wf_engine_forget(e, e->bounds->shape);
    wf_shares_fini(&e->shares);
    wf_sql_end(e);
    free(e);
}

int64_t wf_row_time(int64_t time_ms, int64_t newest_ms, int64_t append_ms, bool late)
{
    if (late || time_ms > append_ms + WF_AHEAD_MS)
        return append_ms - (newest_ms > time_ms ? newest_ms - time_ms : 0);
    return time_ms;
}

// ---- what is said -----------------------------------------------------------------------------------------------------------

static bool template_value(void *arg, const char *name, struct wf_expr_value *ret)
{
    struct wf_judged *j = arg;
    const struct wf_expr *x = &j->s->rule->when.expr;

    for (unsigned i = 0; i < x->field_count; i++) {
        if (strcmp(x->fields[i], name) == 0) {
            *ret = j->values[i];
            return true;
        }
    }
    return false;
}

void wf_observe(struct wf_judged *j, enum wf_truth truth, const struct wf_expr_value *shown,
    int64_t time_ms, bool gone)
{
    struct wf_labels labels;
    const struct wf_series *s = j->s;
    struct wf_observed o = { .rule = s->rule,
        .labels = &labels,
        .truth = truth,
        .anew = j->anew,
        .gone = gone,
        .record = j->row != NULL,
        .has_value = shown && shown->kind == WF_KIND_NUMBER,
        .value = shown && shown->kind == WF_KIND_NUMBER ? shown->number : 0,
        .time_ms = time_ms,
        .product = s->shape ? s->shape->product : s->rule->product,
        .origin = s->origin,
        .offset = s->offset,
        .detail = j->detail,
        .get = template_value,
        .get_arg = j };

    wf_series_labels(s, &labels);
    j->e->stats.judged++;
    j->e->fn(j->e->arg, &o);
}

// ---- values -----------------------------------------------------------------------------------------------------------------

static void number(struct wf_expr_value *ret, double v)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = v };
}

static void text(struct wf_expr_value *ret, const char *s)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = s, .len = strlen(s) };
}

static void value_beside(
    const struct wf_row *row, int beside, int64_t now_ms, struct wf_expr_value *ret)
{
    switch (beside) {
    case WF_BESIDE_ORIGIN:
        text(ret, row->origin);
        break;
    case WF_BESIDE_DOMAIN:
        text(ret, row->shape->domain);
        break;
    case WF_BESIDE_PRODUCT:
        text(ret, row->shape->product);
        break;
    case WF_BESIDE_TIME:
        number(ret, (double)row->time_ms / 1000);
        break;
    case WF_BESIDE_APPEND:
        number(ret, (double)row->append_ms / 1000);
        break;
    case WF_BESIDE_NOW:
        number(ret, (double)now_ms / 1000);
        break;
    case WF_BESIDE_LATE:
        *ret = (struct wf_expr_value){ .kind = WF_KIND_TRUTH, .number = row->late };
        break;
    default:
        number(ret, (double)(row->append_ms - row->time_ms) / 1000);
        break;
    }
}

static void value_of(const struct wf_row *row, int field, int64_t now_ms, struct wf_expr_value *ret)
{
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NONE };
    if (field < 0)
        value_beside(row, field, now_ms, ret);
    else
        row->get(row->arg, (size_t)field, ret);
}

// All of a record's values that the condition names; texts are copied, as a row's live until the next.
static void fetch(struct wf_judged *j)
{
    const struct wf_expr *x = &j->b->rule->when.expr;

    for (unsigned i = 0; i < x->field_count; i++) {
        struct wf_expr_value *v = &j->values[i];
        value_of(j->row, j->b->fields[i], j->now_ms, v);
        if (v->kind != WF_KIND_TEXT)
            continue;
        v->len = v->len < WF_LABEL_VALUE ? v->len : WF_LABEL_VALUE - 1;
        if (v->len)
            memcpy(j->texts[i], v->ptr, v->len);
        v->ptr = j->texts[i];
    }
}

void wf_label_of(struct wf_labels *l, const char *name, const struct wf_expr_value *v)
{
    char digits[40];

    if (v->kind == WF_KIND_NONE || (v->kind == WF_KIND_TEXT && v->len == 0))
        return; // an empty label is none
    if (v->kind == WF_KIND_TEXT) {
        (void)wf_labels_set(l, name, v->ptr, v->len);
        return;
    }
    if (v->kind == WF_KIND_TRUTH)
        snprintf(digits, sizeof digits, "%s", v->number != 0 ? "true" : "false");
    else
        snprintf(digits, sizeof digits, "%.15g", v->number);
    (void)wf_labels_set(l, name, digits, strlen(digits));
}

static void labels_of(const struct wf_judged *j, struct wf_labels *ret)
{
    wf_labels_init(ret);
    for (size_t i = 0; i < j->b->label_count; i++) {
        struct wf_expr_value v;
        value_of(j->row, j->b->labels[i], j->now_ms, &v);
        wf_label_of(ret, j->b->label_names[i], &v);
    }
}

// ---- judging ----------------------------------------------------------------------------------------------------------------

static void judged_field(void *arg, unsigned slot, struct wf_expr_value *ret)
{
    const struct wf_judged *j = arg;

    *ret = j->values[slot];
}

static void deviation(struct wf_judged *j, unsigned slot, struct wf_expr_value *ret)
{
    const struct wf_series_window *w = &j->s->windows[slot];
    struct wf_base_view view;

    *ret = (struct wf_expr_value){ .kind = WF_KIND_NONE };
    if (!w->has_last)
        return;
    wf_baseline_view(w->base, j->row ? j->s->time_ms : j->now_ms, w->last, &view);
    wf_base_explain(&view, w->last, j->detail, sizeof j->detail);
    if (view.of != WF_BASE_NOTHING)
        number(ret, view.deviation);
}

static void judged_window(void *arg, unsigned slot, struct wf_expr_value *ret)
{
    struct wf_judged *j = arg;
    const struct wf_expr_window *w = &j->s->rule->when.expr.windows[slot];

    if (w->fn == WF_WINDOW_DEVIATION)
        deviation(j, slot, ret);
    else
        wf_window_value(&j->s->windows[slot].points, w->fn, wf_lost_in(j, w->span_ms), ret);
}

enum wf_truth wf_judge(struct wf_judged *j, struct wf_expr_value *ret_shown)
{
    const struct wf_expr_source source = {
        .arg = j, .field = judged_field, .window = judged_window
    };

    return wf_expr_judge(&j->s->rule->when.expr, &source, ret_shown);
}

// A text has no place on a line, but whether it is another one is seen by its sum.
static bool as_number(const struct wf_expr_value *v, double *ret)
{
    if (v->kind == WF_KIND_NONE)
        return false;
    *ret = v->kind == WF_KIND_TEXT ? (double)(wf_sum(0, v->ptr, v->len) >> 12) : v->number;
    return true;
}

static void fill_windows(struct wf_judged *j)
{
    const struct wf_expr *x = &j->b->rule->when.expr;
    const struct wf_expr_source source = {
        .arg = j, .field = judged_field, .window = judged_window
    };

    for (unsigned i = 0; i < x->window_count; i++) {
        struct wf_series_window *w = &j->s->windows[i];
        struct wf_expr_value v;
        struct wf_point p = { .ms = j->s->time_ms };
        wf_expr_value(x, x->windows[i].arg, &source, &v);
        bool known = as_number(&v, &p.value);
        w->has_last = known;
        w->last = p.value;
        if (w->base)
            continue;
        size_t before = wf_window_bytes(&w->points);
        uint64_t cut = w->points.cut;
        if (!known)
            wf_window_advance(&w->points, x->windows[i].span_ms, p.ms);
        else if (!wf_window_push(
                     &w->points, x->windows[i].span_ms, &p, wf_series_may_grow(j->e, j->s->share)))
            cut--; // nothing of it is kept
        wf_series_resized(j->e, j->s, before, wf_window_bytes(&w->points));
        j->e->stats.cut += w->points.cut - cut;
    }
}

static void learn(struct wf_judged *j)
{
    for (unsigned i = 0; i < j->b->rule->when.expr.window_count; i++) {
        struct wf_series_window *w = &j->s->windows[i];
        size_t before = w->base ? w->base->bytes : 0;
        if (!w->base || !w->has_last)
            continue;
        if (!wf_series_may_grow(j->e, j->s->share) ||
            !wf_baseline_learn(w->base, j->s->time_ms, w->last))
            j->e->stats.cut++;
        wf_series_resized(j->e, j->s, before, w->base->bytes);
    }
}

static void keep(struct wf_judged *j)
{
    for (unsigned i = 0; i < j->b->rule->when.expr.field_count && j->s->kept; i++) {
        struct wf_expr_value *to = &j->s->kept[i];
        *to = j->values[i];
        if (to->kind != WF_KIND_TEXT)
            continue;
        to->len = to->len < WF_KEPT_TEXT ? to->len : WF_KEPT_TEXT;
        if (to->len)
            memcpy(j->s->kept_text + i * WF_KEPT_TEXT, to->ptr, to->len);
        to->ptr = j->s->kept_text + i * WF_KEPT_TEXT;
    }
}

// ---- records ----------------------------------------------------------------------------------------------------------------

static void note(struct wf_judged *j)
{
    struct wf_series *s = j->s;
    const struct wf_row *row = j->row;

    if (s->away)
        wf_series_settle(j->e, s, j->b);
    s->shape = row->shape;
    s->bound = j->b;
    // Silence ends when something is heard, whatever time it speaks of.
    s->time_ms = j->b->rule->when.silent ? row->append_ms : row->time_ms;
    s->append_ms = row->append_ms > s->append_ms ? row->append_ms : s->append_ms;
    s->offset = row->offset;
    snprintf(s->origin, sizeof s->origin, "%s", row->origin);
}

// A value that was not heard of for longer than a silence is not known to have been so all the time.
static bool is_gap(const struct wf_series *s, int64_t before_ms)
{
    int64_t stale_ms = wf_stale_ms(s->shape);

    return before_ms && stale_ms && s->time_ms - before_ms > stale_ms;
}

static void decide(struct wf_judged *j, enum wf_truth truth, const struct wf_expr_value *shown)
{
    struct wf_series *s = j->s;
    bool was = s->truth == WF_TRUE;

    if (truth == WF_TRUE && (!was || j->anew)) {
        s->true_ms = s->time_ms;
        s->told = false;
    }
    if (truth != WF_UNKNOWN)
        s->truth = truth;
    if (truth == WF_TRUE && s->time_ms - s->true_ms >= s->rule->when.for_ms)
        s->told = true;
    // Most records say that all is as it should be, again. Who was told otherwise before a restart hears it.
    if (j->row->warm || truth == WF_UNKNOWN)
        return;
    was = was || s->owed;
    s->owed = false;
    if (truth == WF_TRUE || was)
        wf_observe(j, truth, shown, s->time_ms, false);
}

static void judge_record(struct wf_judged *j)
{
    struct wf_expr_value shown = { .kind = WF_KIND_NONE };
    enum wf_truth truth = WF_FALSE; // of silence: it was heard

    if (j->s->shape && j->row->time_ms < j->s->time_ms && !j->b->rule->when.silent) {
        j->e->stats.out_of_order++;
        return;
    }
    int64_t before_ms = j->s->shape ? j->s->time_ms : 0;
    if (!j->b->rule->when.silent)
        wf_lost_before(j, j->row->time_ms);
    note(j);
    j->anew = !j->s->told && is_gap(j->s, before_ms);
    if (!j->b->rule->when.silent) {
        fetch(j);
        fill_windows(j);
        keep(j);
        truth = wf_judge(j, &shown);
        if (!j->row->warm)
            learn(j);
    }
    decide(j, truth, &shown);
}

static void delete_row(struct wf_judged *j)
{
    if (j->b->rule->when.silent) {
        judge_record(j);
        return;
    }
    note(j);
    if (!j->row->warm)
        wf_observe(j, WF_UNKNOWN, NULL, j->s->time_ms, true);
    wf_series_remove(j->e, j->s);
}

static enum weft_err one_rule(struct wf_judged *j)
{
    struct wf_labels labels;
    uint64_t refused = j->e->stats.refused;

    labels_of(j, &labels);
    j->s = wf_series_find(j->e, j->b->rule, &labels);
    if (!j->s && j->row->deleted)
        return WEFT_OK;
    if (!j->s)
        j->s = wf_series_add(j->e, j->b, &labels, j->row->shape->product);
    if (!j->s)
        return j->e->stats.refused > refused ? WEFT_OK : WEFT_E_NOMEM;
    if (j->row->deleted)
        delete_row(j);
    else
        judge_record(j);
    return WEFT_OK;
}

enum weft_err wf_engine_row(struct wf_engine *e, const struct wf_row *row)
{
    const struct wf_bound *b = wf_bound_of(e, row->shape);
    enum weft_err err = b ? WEFT_OK : WEFT_E_NOMEM;

    e->stats.rows++;
    wf_holes_heard(row->shape->holes, row->origin, row->append_ms);
    for (size_t i = 0; b && i < b->count && !err; i++) {
        // Not cleared as a whole: its texts are a page.
        struct wf_judged j;
        j.e = e;
        j.b = &b->rules[i];
        j.s = NULL;
        j.row = row;
        j.now_ms = row->append_ms;
        j.anew = false;
        j.detail[0] = '\0';
        memset(j.values, 0, sizeof j.values);
        if (!row->deleted || j.b->by_key)
            err = one_rule(&j);
    }
    return err ? err : wf_sql_row_all(e, row);
}

enum weft_err wf_engine_heard(
    struct wf_engine *e, struct wf_shape *shape, const char *origin, int64_t append_ms)
{
    const struct wf_bound *b = wf_bound_of(e, shape);
    const struct wf_row row = {
        .shape = shape, .warm = true, .time_ms = append_ms, .append_ms = append_ms, .origin = origin
    };
    enum weft_err err = b ? WEFT_OK : WEFT_E_NOMEM;

    for (size_t i = 0; b && i < b->count && !err; i++) {
        struct wf_judged j = { .e = e, .b = &b->rules[i], .row = &row, .now_ms = append_ms };
        // Labels that are fields of the record are not known any more.
        bool beside = j.b->rule->when.silent;
        for (size_t k = 0; k < j.b->label_count; k++)
            beside = beside && j.b->labels[k] < 0;
        if (beside)
            err = one_rule(&j);
    }
    return err;
}

struct each_heard {
    int64_t since_ms;
    wf_heard_fn fn;
    void *arg;
};

static void heard_of(void *arg, struct wf_series *s)
{
    const struct each_heard *each = arg;

    if (s->rule->when.silent && s->shape && s->origin[0] && s->append_ms > each->since_ms)
        each->fn(each->arg, s->shape->product, s->origin, s->append_ms);
}

void wf_engine_each_heard(const struct wf_engine *e, int64_t since_ms, wf_heard_fn fn, void *arg)
{
    struct each_heard each = { .since_ms = since_ms, .fn = fn, .arg = arg };

    wf_series_each((struct wf_engine *)(uintptr_t)e, heard_of, &each);
}

void wf_engine_stats(const struct wf_engine *e, struct wf_engine_stats *ret)
{
    *ret = e->stats;
    if (!ret->problem[0])
        snprintf(ret->problem, sizeof ret->problem, "%s", wf_sql_problem_all(e));
    if (!ret->problem[0])
        wf_rules_tell_idle(e, ret->problem, sizeof ret->problem);
    if (!ret->problem[0])
        wf_lost_tell(e, ret->problem, sizeof ret->problem);
}

// ---- baselines over a restart ----------------------------------------------------------------------------------------------

struct each_base {
    wf_baseline_fn fn;
    void *arg;
};

static void baselines_of(void *arg, struct wf_series *s)
{
    const struct each_base *each = arg;

    for (unsigned i = 0; i < s->rule->when.expr.window_count; i++)
        if (s->windows[i].base)
            each->fn(each->arg, s->hash, i, s->windows[i].base);
}

void wf_engine_baselines(const struct wf_engine *e, wf_baseline_fn fn, void *arg)
{
    struct each_base each = { .fn = fn, .arg = arg };

    wf_series_each((struct wf_engine *)(uintptr_t)e, baselines_of, &each);
}

void wf_engine_baseline_source(struct wf_engine *e, wf_baseline_find_fn fn, void *arg)
{
    e->find = fn;
    e->find_arg = arg;
}
