// SPDX-License-Identifier: Apache-2.0
// Runs one test: records are delivered in order of their appends, time goes in steps of ten seconds, and what fired is compared with what was
// expected. See trial.h.
#include "domains/monitoring/speed/trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/alert.h"

#define TICK_MS  10000
#define EPISODES 1024u
#define TOLD     16384u

struct delivery {
    int64_t append_ms, time_ms;
    size_t order;
    unsigned product;
    uint64_t lost;                       // no record, but that so many never come
    const struct wf_trial_input *input;  // NULL: a loss of nobody knows whom
    const struct wf_shape_field *fields; // of its product's shape
    size_t step;
    bool late, deleted;
};

struct episode {
    char rule[WF_RULE_FULL];
    struct wf_labels labels;
    int64_t from_ms, until_ms; // until -1: it still fires
    bool expected;
};

struct run {
    const struct wf_trial *t;
    struct wf_engine *engine;
    struct wf_alerts *alerts;
    struct wf_shape shapes[WF_TRIAL_PRODUCTS];
    struct wf_shape_field fields[WF_TRIAL_PRODUCTS][WF_TRIAL_FIELDS * 4];
    uint64_t offsets[WF_TRIAL_PRODUCTS], lost[WF_TRIAL_PRODUCTS];
    struct delivery *deliveries;
    size_t count;
    struct episode *episodes;
    size_t episode_count;
    enum weft_err err;
    struct wf_trial_result *out;
};

__attribute__((format(printf, 2, 3))) static void tell(struct run *r, const char *format, ...)
{
    size_t len = strlen(r->out->told);
    va_list args;

    va_start(args, format);
    vsnprintf(r->out->told + len, TOLD - len, format, args);
    va_end(args);
}

// ---- what fires ---------------------------------------------------------------------------------------------------------------

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    struct run *r = arg;

    if (step == WF_STEP_FIRING && r->episode_count < EPISODES) {
        struct episode *e = &r->episodes[r->episode_count++];
        memcpy(e->rule, a->rule, sizeof e->rule);
        e->labels = a->series;
        e->from_ms = a->fired_ms - r->t->begin_ms;
        e->until_ms = -1;
    }
    for (size_t i = r->episode_count; step == WF_STEP_RESOLVED && i-- > 0;) {
        struct episode *e = &r->episodes[i];
        if (strcmp(e->rule, a->rule) != 0 || !wf_labels_eq(&e->labels, &a->series))
            continue;
        e->until_ms = a->resolved_ms - r->t->begin_ms;
        return;
    }
}

static void on_observed(void *arg, const struct wf_observed *o)
{
    struct run *r = arg;
    enum weft_err err = wf_alerts_observe(r->alerts, o);

    if (err)
        r->err = err;
}

// ---- records ------------------------------------------------------------------------------------------------------------------

static const struct wf_written *written(const struct wf_trial_field *f, size_t step)
{
    return f->count == 1 ? f->values : step < f->count ? &f->values[step] : NULL;
}

static void get_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct delivery *d = arg;
    const struct wf_written *w = NULL;

    for (size_t i = 0; i < d->input->field_count; i++)
        if (strcmp(d->input->fields[i].name, d->fields[field].name) == 0)
            w = written(&d->input->fields[i], d->step);
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NONE };
    if (!w || w->missing || (d->deleted && !d->fields[field].key))
        return;
    ret->kind = w->text ? WF_KIND_TEXT : WF_KIND_NUMBER;
    ret->number = w->number;
    ret->ptr = w->text;
    ret->len = w->text ? strlen(w->text) : 0;
}

static bool has_record(const struct wf_trial_input *in, size_t step)
{
    for (size_t i = 0; i < in->field_count; i++) {
        const struct wf_written *w = written(&in->fields[i], step);
        if (in->fields[i].count > 1 && w && !w->missing)
            return true;
    }
    return in->count == 1 && step == 0;
}

static bool is_within(const struct wf_trial_span *s, int64_t ms)
{
    return s->is_set && ms >= s->from_ms && ms < s->until_ms;
}

static int by_append(const void *a, const void *b)
{
    const struct delivery *x = a, *y = b;

    if (x->append_ms != y->append_ms)
        return x->append_ms < y->append_ms ? -1 : 1;
    if (!x->lost != !y->lost) // what is lost lies before what comes
        return x->lost ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void add_deletion(struct run *r, const struct wf_trial_input *in)
{
    const int64_t ms = r->t->begin_ms + in->gone.from_ms;

    if (in->gone.is_set)
        r->deliveries[r->count++] = (struct delivery){ .append_ms = ms,
            .time_ms = ms,
            .order = r->count,
            .product = in->product,
            .input = in,
            .fields = r->fields[in->product],
            .deleted = true };
}

// Where the reader meets it: at the end of the time, or of the test.
static void add_loss(
    struct run *r, unsigned product, const struct wf_trial_input *in, uint64_t lost)
{
    const struct wf_trial_product *p = &r->t->products[product];
    int64_t ms = in ? in->lost.until_ms : p->lost.until_ms;

    if (!lost)
        return;
    if (is_within(&p->blind, ms))
        ms = p->blind.until_ms;
    if (ms > r->t->end_ms)
        ms = r->t->end_ms;
    r->deliveries[r->count++] = (struct delivery){ .append_ms = r->t->begin_ms + ms,
        .order = r->count,
        .product = product,
        .lost = lost,
        .input = in };
}

static void add_input(struct run *r, const struct wf_trial_input *in)
{
    const struct wf_trial_product *p = &r->t->products[in->product];
    uint64_t lost = 0;

    add_deletion(r, in);
    for (size_t k = 0; k < in->count; k++) {
        int64_t ms = (int64_t)k * r->t->every_ms,
                by = is_within(&in->clock, ms) ? in->clock.by_ms : 0;
        struct delivery d = { .input = in,
            .product = in->product,
            .step = k,
            .order = r->count,
            .fields = r->fields[in->product] };
        if (!has_record(in, k))
            continue;
        if (is_within(&p->lost, ms) || is_within(&in->lost, ms)) {
            *(is_within(&p->lost, ms) ? &r->lost[in->product] : &lost) += 1;
            continue;
        }
        d.append_ms = is_within(&in->held, ms) ? in->held.until_ms : ms;
        if (is_within(&p->blind, d.append_ms))
            d.append_ms = p->blind.until_ms;
        d.late = by > WF_AHEAD_MS || by < -WF_AHEAD_MS;
        d.time_ms = r->t->begin_ms + ms + by;
        d.append_ms += r->t->begin_ms;
        r->deliveries[r->count++] = d;
    }
    add_loss(r, in->product, in, lost);
}

static bool set_up(
    struct run *r, const struct wf_rules *rules, const struct wf_engine_limits *limits)
{
    const struct wf_trial *t = r->t;
    size_t most = 1 + t->product_count;

    for (size_t i = 0; i < t->input_count; i++)
        most += t->inputs[i].count + 2;
    r->deliveries = calloc(most, sizeof *r->deliveries);
    r->episodes = calloc(EPISODES, sizeof *r->episodes);
    r->alerts = wf_alerts_new(on_alert, r);
    r->engine = wf_engine_new(limits, on_observed, r);
    if (!r->deliveries || !r->episodes || !r->alerts || !r->engine)
        return false;
    for (size_t i = 0; i < t->input_count; i++)
        add_input(r, &t->inputs[i]);
    for (unsigned i = 0; i < t->product_count; i++)
        add_loss(r, i, NULL, r->lost[i]);
    qsort(r->deliveries, r->count, sizeof *r->deliveries, by_append);
    wf_engine_rules(r->engine, rules, t->begin_ms);
    return true;
}

static bool has_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

// What all values of a field can be in SQL.
static const char *type_of(const struct wf_trial *t, unsigned product, const char *name)
{
    bool whole = true;

    for (size_t i = 0; i < t->input_count; i++) {
        const struct wf_trial_input *in = &t->inputs[i];
        for (size_t k = 0; in->product == product && k < in->field_count; k++) {
            const struct wf_trial_field *f = &in->fields[k];
            for (size_t n = 0; strcmp(f->name, name) == 0 && n < f->count; n++) {
                if (f->values[n].text)
                    return "TEXT";
                whole = whole &&
                        (f->values[n].missing || f->values[n].number == floor(f->values[n].number));
            }
        }
    }
    return whole ? "INTEGER" : "REAL";
}

static void make_shape(struct run *r, unsigned product)
{
    const struct wf_trial_product *p = &r->t->products[product];
    struct wf_shape_field *fields = r->fields[product];
    size_t n = 0;

    for (size_t i = 0; i < r->t->input_count; i++) {
        const struct wf_trial_input *in = &r->t->inputs[i];
        for (size_t k = 0; in->product == product && k < in->field_count; k++) {
            const char *name = in->fields[k].name;
            size_t at = 0;
            while (at < n && strcmp(fields[at].name, name) != 0)
                at++;
            if (at == n && n < WF_TRIAL_FIELDS * 4)
                fields[n++] = (struct wf_shape_field){ .name = name,
                    .key = has_name(p->keys, p->key_count, name),
                    .label = has_name(p->labels, p->label_count, name),
                    .type = type_of(r->t, product, name) };
        }
    }
    r->shapes[product] = (struct wf_shape){ .product = p->name,
        .domain = p->domain,
        .events = p->events,
        .inventory = p->inventory,
        .freshness_ms = p->freshness_ms,
        .fields = fields,
        .field_count = n,
        .seen = true };
}

// ---- running ------------------------------------------------------------------------------------------------------------------

static enum weft_err tell_loss(struct run *r, const struct delivery *d)
{
    const struct wf_loss loss = {
        .origin = d->input ? d->input->origin : NULL, .count = d->lost, .now_ms = d->append_ms
    };

    r->offsets[d->product] += d->lost;
    return wf_engine_lose(r->engine, &r->shapes[d->product], &loss);
}

static enum weft_err deliver(struct run *r, const struct delivery *d)
{
    unsigned product = d->product;
    struct wf_row row = { .shape = &r->shapes[product],
        .time_ms = wf_row_time(d->time_ms, d->time_ms, d->append_ms, d->late),
        .append_ms = d->append_ms,
        .late = d->late,
        .deleted = d->deleted,
        .offset = r->offsets[product]++,
        .origin = d->input->origin,
        .arg = d,
        .get = get_value };

    r->out->records++;
    return wf_engine_row(r->engine, &row);
}

static void look(struct run *r, int64_t ms)
{
    for (size_t i = 0; i < r->t->product_count; i++) {
        const struct wf_trial_product *p = &r->t->products[i];
        r->shapes[i].seen = !is_within(&p->blind, ms);
        r->shapes[i].unseen_ms = r->shapes[i].seen ? 0 : r->t->begin_ms + p->blind.from_ms;
        r->shapes[i].cause = "node unreachable";
    }
}

static enum weft_err tie_shapes(struct run *r)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < r->t->product_count && !err; i++)
        err = wf_engine_reshape(r->engine, &r->shapes[i]);
    return err;
}

static enum weft_err run(struct run *r)
{
    size_t next = 0;

    for (int64_t ms = 0; ms <= r->t->end_ms; ms += TICK_MS) {
        enum weft_err err = WEFT_OK;
        look(r, ms);
        for (; !err && next < r->count; next++) {
            const struct delivery *d = &r->deliveries[next];
            if (d->append_ms > r->t->begin_ms + ms)
                break;
            err = d->lost ? tell_loss(r, d) : deliver(r, d);
        }
        if (!err)
            err = wf_engine_tick(r->engine, r->t->begin_ms + ms);
        if (err || r->err)
            return err ? err : r->err;
    }
    return WEFT_OK;
}

// ---- comparing ---------------------------------------------------------------------------------------------------------------

static bool has_labels(const struct wf_labels *all, const struct wf_labels *some)
{
    const char *name, *value;

    for (size_t at = 0; wf_labels_next(some, &at, &name, &value);) {
        const char *is = wf_labels_get(all, name);
        if (!is || strcmp(is, value) != 0)
            return false;
    }
    return true;
}

static bool is_expected(const struct wf_trial_fire *f, const struct episode *e)
{
    return !e->expected && strcmp(f->rule, e->rule) == 0 && has_labels(&e->labels, &f->labels) &&
           e->from_ms >= f->from_ms[0] && e->from_ms <= f->from_ms[1] &&
           (f->until_ms[0] < 0 ? e->until_ms < 0
                               : e->until_ms >= f->until_ms[0] && e->until_ms <= f->until_ms[1]);
}

static void say_time(int64_t ms, char out[32])
{
    if (ms < 0)
        snprintf(out, 32, "the end");
    else if (ms % 60000)
        snprintf(out, 32, "%lldm%llds", (long long)ms / 60000, (long long)ms / 1000 % 60);
    else
        snprintf(out, 32, "%lldm", (long long)ms / 60000);
}

static void compare(struct run *r)
{
    char text[1024], from[32], until[32];

    for (size_t i = 0; i < r->t->fire_count; i++) {
        const struct wf_trial_fire *f = &r->t->fires[i];
        size_t k = 0;
        while (k < r->episode_count && !is_expected(f, &r->episodes[k]))
            k++;
        r->out->expected++;
        if (k < r->episode_count) {
            r->episodes[k].expected = true;
            continue;
        }
        r->out->missed++;
        wf_labels_print(&f->labels, text, sizeof text);
        say_time(f->from_ms[0], from);
        say_time(f->until_ms[0], until);
        tell(r, "missed: %s%s from %s until %s (line %u)\n", f->rule, text, from, until, f->line);
    }
    for (size_t k = 0; k < r->episode_count; k++) {
        const struct episode *e = &r->episodes[k];
        if (e->expected)
            continue;
        r->out->false_firings++;
        wf_labels_print(&e->labels, text, sizeof text);
        say_time(e->from_ms, from);
        say_time(e->until_ms, until);
        tell(r, "fired unexpectedly: %s%s from %s until %s\n", e->rule, text, from, until);
    }
}

enum weft_err wf_trial_run(const struct wf_trial *t, const struct wf_rules *rules,
    const struct wf_engine_limits *limits, struct wf_trial_result *ret)
{
    struct wf_trial_result out = { .told = calloc(1, TOLD) };
    struct run *r = calloc(1, sizeof *r);
    enum weft_err err = WEFT_E_NOMEM;

    if (r && out.told) {
        r->t = t;
        r->out = &out;
        for (unsigned i = 0; i < t->product_count; i++)
            make_shape(r, i);
        if (set_up(r, rules, limits))
            err = tie_shapes(r);
        if (!err)
            err = run(r);
        if (!err) {
            struct wf_engine_stats stats;
            compare(r);
            wf_engine_stats(r->engine, &stats);
            if (stats.problem[0] && (out.missed || out.false_firings))
                tell(r, "%s\n", stats.problem);
        }
        wf_engine_free(r->engine);
        wf_alerts_free(r->alerts);
        free(r->deliveries);
        free(r->episodes);
    }
    free(r);
    if (err)
        wf_trial_result_fini(&out);
    else
        *ret = out;
    return err;
}

void wf_trial_result_fini(struct wf_trial_result *r)
{
    free(r->told);
    r->told = NULL;
}
