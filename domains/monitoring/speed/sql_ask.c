// SPDX-License-Identifier: Apache-2.0
// One rule is asked: its answer's rows are the series for which it is true. See sql_int.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domains/monitoring/speed/engine_int.h"
#include "domains/monitoring/speed/sql_int.h"

#define BACK_OFF 5u // a rule that was stopped waits at most 2^5 times

enum special { VALUE, ORIGIN, OFFSET, PRODUCT, SPECIALS };

struct answer_row {
    struct wf_expr_value *values;
    int64_t offset; // -1: none
};

// The whole answer, taken before anything is said: a question that is stopped half-way says nothing.
struct answer {
    struct wf_sql *s;
    struct wf_sql_ask *a;
    int64_t now_ms;
    struct wf_pool pool;
    const char *columns[WF_SQL_COLUMNS];
    size_t column_count;
    int special[SPECIALS]; // columns, -1: none
    int by[WF_EXPR_BY];
    struct answer_row rows[WF_SQL_ROWS];
    size_t row_count;
    size_t text;    // bytes
    size_t doubles; // rows with the labels of another one
    size_t refused; // rows for which there is no room
    char cut[240];  // why it is judged on less; ""
    char ranges[200];
    bool has_ranges;
};

// ---- states -------------------------------------------------------------------------------------------------------------------

static void set_state(
    struct wf_sql_ask *a, enum wf_sql_state state, const char *reason, int64_t now_ms)
{
    if (a->state != state || !a->since_ms)
        a->since_ms = now_ms;
    a->state = state;
    snprintf(a->reason, sizeof a->reason, "%s", reason);
}

// Asked again after twice as long, that it does not cost others their time.
static void set_broken(struct wf_sql_ask *a, const char *reason, int64_t now_ms)
{
    set_state(a, WF_SQL_BROKEN, reason, now_ms);
    a->wait = a->asked + (1 << (a->failures < BACK_OFF ? a->failures : BACK_OFF));
    a->failures++;
}

static int64_t after_ms(const struct wf_sql_ask *a, size_t use, int64_t now_ms)
{
    return a->windows[use]->current ? INT64_MIN : now_ms - a->rule->sql->over[use].span_ms;
}

// Whether all that it looks at is seen.
static enum wf_sql_state look(const struct wf_sql_ask *a, char *why, size_t size)
{
    for (size_t i = 0; i < a->rule->sql->over_count; i++) {
        const struct wf_sql_window *w = a->windows[i];
        const struct wf_shape *shape = w->shape;
        if (!shape)
            snprintf(why, size, "%s is not read: nobody granted it, or there is none", w->product);
        else if (!shape->field_count)
            snprintf(why, size, "the schema of %s is not known yet", w->product);
        else if (w->current && !shape->inventory)
            snprintf(why, size, "%s is no inventory: say how long, as in %s for 10m", w->product,
                w->product);
        else if (w->why[0])
            snprintf(why, size, "%s", w->why);
        else if (!shape->seen)
            snprintf(why, size, "%s is not seen: %.100s", w->product,
                shape->cause ? shape->cause : "behind its head");
        else
            continue;
        bool broken =
            shape && shape->field_count && (w->why[0] || (w->current && !shape->inventory));
        return broken ? WF_SQL_BROKEN : WF_SQL_UNKNOWN;
    }
    return WF_SQL_OK;
}

static enum wf_sql_state look_for_cuts(
    const struct wf_sql_ask *a, int64_t now_ms, char *why, size_t size)
{
    for (size_t i = 0; i < a->rule->sql->over_count; i++) {
        const struct wf_sql_window *w = a->windows[i];
        int64_t cut_ms = wf_query_cut_us(w->table) / 1000, from_ms = after_ms(a, i, now_ms);
        if (!w->current && cut_ms > from_ms)
            snprintf(why, size, "%s reaches back %lld s instead of %lld: there is no room for more",
                w->product, (long long)(now_ms - cut_ms) / 1000,
                (long long)(now_ms - from_ms) / 1000);
        else if (w->refused)
            snprintf(why, size, "%llu records of %s found no room", (unsigned long long)w->refused,
                w->product);
        else
            continue;
        return WF_SQL_CUT;
    }
    return WF_SQL_OK;
}

// ---- the answer ---------------------------------------------------------------------------------------------------------------

static int column_of(const struct answer *w, const char *name)
{
    for (size_t i = 0; i < w->column_count; i++)
        if (strcasecmp(w->columns[i], name) == 0)
            return (int)i;
    return -1;
}

// False with what the answer does not have.
static bool take_columns(struct answer *w, char *why, size_t size)
{
    const struct wf_rule *rule = w->a->rule;
    const char *value = rule->sql->value[0] ? rule->sql->value : "value";
    const char *const names[SPECIALS] = { value, "_origin", "_offset", "_product" };

    w->column_count = wf_query_columns(w->s->query);
    if (w->column_count > WF_SQL_COLUMNS) {
        snprintf(why, size, "the answer has more than %u columns", WF_SQL_COLUMNS);
        return false;
    }
    for (size_t i = 0; i < w->column_count; i++) {
        const char *name = wf_query_column(w->s->query, i);
        w->columns[i] = wf_pool_text(&w->pool, name, strlen(name));
        if (!w->columns[i])
            w->columns[i] = "";
    }
    for (size_t i = 0; i < SPECIALS; i++)
        w->special[i] = column_of(w, names[i]);
    if (rule->sql->value[0] && w->special[VALUE] < 0) {
        snprintf(why, size, "the answer has no column %s, which value names", value);
        return false;
    }
    for (unsigned i = 0; i < rule->when.by_count; i++) {
        w->by[i] = column_of(w, rule->when.by[i]);
        if (w->by[i] >= 0)
            continue;
        snprintf(why, size, "the answer has no column %s, which by names", rule->when.by[i]);
        return false;
    }
    return true;
}

static enum weft_err take_text(
    struct answer *w, const char *ptr, size_t len, struct wf_expr_value *ret)
{
    // Longer ones are told apart by a sum of the whole where they are labels.
    char *copy = wf_pool_text(&w->pool, ptr, len);

    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = copy, .len = len };
    w->text += len;
    return copy ? WEFT_OK : WEFT_E_NOMEM;
}

static enum weft_err take_cell(struct answer *w, size_t column, struct wf_expr_value *ret)
{
    struct wf_mon_cell c;
    char digits[24];

    wf_query_cell(w->s->query, column, &c);
    *ret = (struct wf_expr_value){ .kind = WF_KIND_NONE };
    switch (c.class) {
    case WF_MON_INTEGER:
        *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = (double)c.integer };
        if (llabs(c.integer) < (1LL << 53))
            return WEFT_OK;
        snprintf(
            digits, sizeof digits, "%lld", (long long)c.integer); // a name rather than a number
        return take_text(w, digits, strlen(digits), ret);
    case WF_MON_REAL:
        *ret = (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = c.real };
        return WEFT_OK;
    case WF_MON_TEXT:
        return take_text(w, c.ptr, c.len < WF_RULE_TEXT ? c.len : WF_RULE_TEXT, ret);
    default:
        return WEFT_OK;
    }
}

static enum weft_err take_row(struct answer *w)
{
    struct answer_row *r = &w->rows[w->row_count];
    enum weft_err err = WEFT_OK;
    struct wf_mon_cell c;

    r->values = wf_pool_get(&w->pool, (w->column_count + 1) * sizeof *r->values);
    r->offset = -1;
    if (!r->values)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < w->column_count && !err; i++)
        err = take_cell(w, i, &r->values[i]);
    if (w->special[OFFSET] >= 0) {
        wf_query_cell(w->s->query, (size_t)w->special[OFFSET], &c);
        r->offset = c.class == WF_MON_INTEGER ? c.integer : -1;
    }
    w->row_count++;
    return err;
}

static enum weft_err take(struct answer *w, char *why, size_t size)
{
    struct wf_query_ask ask = {
        .sql = w->a->rule->sql->text, .use_count = w->a->rule->sql->over_count, .now_ms = w->now_ms
    };
    struct wf_query_error error;

    for (size_t i = 0; i < ask.use_count; i++) {
        ask.uses[i].table = w->a->windows[i]->table;
        ask.uses[i].name = w->a->rule->sql->over[i].name;
        if (!w->a->windows[i]->current)
            ask.uses[i].after_us = after_ms(w->a, i, w->now_ms) * 1000;
    }
    enum weft_err err = wf_query_begin(w->s->query, &ask, &error);
    if (!err && !take_columns(w, why, size))
        return WEFT_E_SQL;
    while (!err) {
        err = wf_query_step(w->s->query, &error);
        if (!err && (w->row_count == w->s->bounds.rows || w->text > WF_SQL_TEXT)) {
            snprintf(why, size, "the answer has more than %zu rows or 4 MiB of texts",
                w->s->bounds.rows);
            return WEFT_E_SQL;
        }
        if (!err)
            err = take_row(w);
        if (err == WEFT_E_NOMEM)
            return err;
    }
    if (err != WEFT_E_NOT_FOUND)
        snprintf(why, size, "%s", error.text);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : WEFT_E_SQL;
}

// ---- what is true -------------------------------------------------------------------------------------------------------------

enum weft_err wf_sql_firing_add(const struct wf_sql *s, struct wf_sql_ask *a,
    const struct wf_labels *labels, struct wf_sql_firing **ret)
{
    // Rows may leave series behind that are unknown: other labels at each question must not pile up.
    if (a->firing_count >= s->bounds.series)
        return WEFT_E_FULL;
    struct wf_sql_firing *more = realloc(a->firing, (a->firing_count + 1) * sizeof *more);
    if (!more)
        return WEFT_E_NOMEM;
    a->firing = more;
    struct wf_sql_firing *f = &more[a->firing_count];
    *f = (struct wf_sql_firing){
        .sum = wf_sum(0, labels->text, labels->len), .len = labels->len, .true_ms = INT64_MIN
    };
    f->labels = malloc(labels->len + 1);
    if (!f->labels)
        return WEFT_E_NOMEM;
    memcpy(f->labels, labels->text, labels->len);
    a->firing_count++;
    *ret = f;
    return WEFT_OK;
}

static struct wf_sql_firing *firing_find(struct wf_sql_ask *a, const struct wf_labels *labels)
{
    uint64_t sum = wf_sum(0, labels->text, labels->len);

    for (size_t i = 0; i < a->firing_count; i++)
        if (a->firing[i].sum == sum && a->firing[i].len == labels->len &&
            memcmp(a->firing[i].labels, labels->text, labels->len) == 0)
            return &a->firing[i];
    return NULL;
}

struct told {
    const struct answer *w;
    const struct answer_row *row;
};

static bool template_value(void *arg, const char *name, struct wf_expr_value *ret)
{
    const struct told *t = arg;
    int column = column_of(t->w, name);

    if (column >= 0)
        *ret = t->row->values[column];
    return column >= 0;
}

static void name_of(const struct answer *w, const struct answer_row *row, enum special which,
    char *out, size_t size)
{
    const struct wf_expr_value *v = w->special[which] < 0 ? NULL : &row->values[w->special[which]];

    snprintf(out, size, "%.*s", v && v->kind == WF_KIND_TEXT ? (int)v->len : 0,
        v && v->kind == WF_KIND_TEXT ? v->ptr : "");
}

// An answer that names no record rests on windows as a whole: on the newest record, of its origin if it names one.
static void rest_on_window(struct answer *w, const struct wf_sql_firing *f, struct wf_observed *o)
{
    const struct wf_sql_ask *a = w->a;
    size_t use = 0;

    while (use + 1 < a->rule->sql->over_count && strcmp(a->windows[use]->product, f->product) != 0)
        use++;
    const struct wf_sql_window *window = a->windows[use];
    const struct wf_sql_origin *newest =
        f->origin[0] ? wf_sql_origin_find(window, f->origin) : window->newest;
    if (!w->has_ranges) {
        char range[160];
        wf_query_range(w->s->query, window->table, f->origin[0] ? f->origin : NULL,
            window->current ? 0 : after_ms(a, use, w->now_ms) * 1000, range, sizeof range);
        snprintf(w->ranges, sizeof w->ranges, "over %.30s %s", window->product,
            range[0] ? range : "without a record");
        w->has_ranges = !f->origin[0];
    }
    if (!o->detail[0])
        o->detail = w->ranges;
    o->record = newest != NULL;
    o->product = window->product;
    o->origin = newest ? newest->name : "";
    o->offset = newest ? newest->offset : 0;
}

static void say(struct answer *w, const struct answer_row *row, const struct wf_labels *labels,
    const struct wf_sql_firing *f)
{
    struct told told = { .w = w, .row = row };
    const struct wf_expr_value *v = w->special[VALUE] < 0 ? NULL : &row->values[w->special[VALUE]];
    struct wf_observed o = { .rule = w->a->rule,
        .labels = labels,
        .truth = WF_TRUE,
        .has_value = v && v->kind == WF_KIND_NUMBER,
        .value = v && v->kind == WF_KIND_NUMBER ? v->number : 0,
        .time_ms = w->now_ms,
        .product = f->product,
        .origin = f->origin,
        .offset = row->offset < 0 ? 0 : (uint64_t)row->offset,
        .record = row->offset >= 0 && f->origin[0],
        .detail = w->cut,
        .get = template_value,
        .get_arg = &told };

    if (!o.record)
        rest_on_window(w, f, &o);
    w->s->fn(w->s->arg, &o);
}

static enum weft_err say_row(struct answer *w, const struct answer_row *row)
{
    const struct wf_rule *rule = w->a->rule;
    struct wf_labels labels;

    wf_labels_init(&labels);
    for (unsigned i = 0; i < rule->when.by_count; i++)
        wf_label_of(&labels, rule->when.by[i], &row->values[w->by[i]]);
    struct wf_sql_firing *f = firing_find(w->a, &labels);
    if (f && f->is_true) {
        w->doubles++;
        return WEFT_OK;
    }
    enum weft_err err = f ? WEFT_OK : wf_sql_firing_add(w->s, w->a, &labels, &f);
    w->refused += err == WEFT_E_FULL;
    if (err)
        return err == WEFT_E_FULL ? WEFT_OK : err;
    f->is_true = true;
    f->true_ms = w->now_ms;
    name_of(w, row, ORIGIN, f->origin, sizeof f->origin);
    name_of(w, row, PRODUCT, f->product, sizeof f->product);
    if (!wf_rule_reads(rule, f->product)) // none, or one that it cannot have of its records
        snprintf(f->product, sizeof f->product, "%s", rule->product);
    say(w, row, &labels, f);
    return WEFT_OK;
}

// ---- what is true no more -----------------------------------------------------------------------------------------------------

void wf_sql_firing_end(
    struct wf_sql *s, struct wf_sql_ask *a, size_t i, int64_t now_ms, const char *gone)
{
    struct wf_sql_firing *f = &a->firing[i];
    struct wf_labels labels;
    struct wf_observed o = { .rule = a->rule,
        .labels = &labels,
        .truth = gone ? WF_UNKNOWN : WF_FALSE,
        .gone = gone != NULL,
        .time_ms = now_ms,
        .product = a->rule->product,
        .origin = "",
        .detail = gone ? gone : "" };

    if (wf_labels_unpack(f->labels, f->len, &labels))
        s->fn(s->arg, &o);
    free(f->labels);
    *f = a->firing[--a->firing_count];
}

// Who was heard last before that is missing: for three times what the product promises, or for the whole span.
static int64_t silent_ms(const struct wf_sql_ask *a, size_t use, int64_t now_ms)
{
    int64_t from = after_ms(a, use, now_ms), fresh = a->windows[use]->shape->freshness_ms;

    if (a->windows[use]->current || fresh <= 0 || fresh > INT64_MAX / 8)
        return from;
    return now_ms - 3 * fresh > from ? now_ms - 3 * fresh : from;
}

// A row that is missing proves nothing while records are missing that it could rest on: of the origin that it rested on, or, of rows that name
// none, of any that was in the window when the row was there last.
static const char *missing(
    const struct answer *w, const struct wf_sql_firing *f, const struct wf_sql_origin **ret)
{
    const struct wf_sql_ask *a = w->a;

    for (size_t i = 0; i < a->rule->sql->over_count; i++) {
        const struct wf_sql_window *window = a->windows[i];
        const struct wf_sql_silence silence = { .after_ms = silent_ms(a, i, w->now_ms),
            .there_ms = f->true_ms == INT64_MIN ? INT64_MIN : after_ms(a, i, f->true_ms) };
        *ret = wf_sql_missing(window, f->origin[0] ? f->origin : NULL, &silence);
        if (*ret)
            return window->product;
        // After a restart: what it rested on was not heard of at all.
        if (f->origin[0] && !window->current && !window->shape->events &&
            strcmp(window->product, f->product) == 0 && !wf_sql_origin_find(window, f->origin))
            return window->product;
    }
    return NULL;
}

// Records that were lost are missing as well, whoever is heard.
static const struct wf_hole *hole_of(
    const struct answer *w, const char *origin, const char **ret_origin, size_t *ret_use)
{
    const struct wf_hole *hole = NULL;

    for (size_t i = 0; i < w->a->rule->sql->over_count && !hole; i++) {
        hole = wf_sql_hole_of(w->a->windows[i], origin, after_ms(w->a, i, w->now_ms), ret_origin);
        *ret_use = i;
    }
    return hole;
}

// Of what was lost nobody knows what it said: a row that does not come because of it would look fine.
static void look_for_holes(const struct answer *w, char *why, size_t size)
{
    const char *origin = NULL;
    size_t use = 0;
    const struct wf_hole *hole = hole_of(w, NULL, &origin, &use);

    if (!hole)
        return;
    const struct wf_sql_window *window = w->a->windows[use];
    int len = snprintf(why, size, "%llu records of %s%s%s are lost: what rests on them is unknown",
        (unsigned long long)hole->count, window->product, origin ? " from " : "",
        origin ? origin : "");
    if (len < 0 || (size_t)len >= size)
        return;
    if (window->current)
        snprintf(why + len, size - (size_t)len, " until its next whole snapshot");
    else
        snprintf(why + len, size - (size_t)len, " for %llds more",
            (long long)((hole->open ? w->now_ms : hole->ms) - after_ms(w->a, use, w->now_ms)) /
                1000);
}

static void end_others(struct answer *w, char *why, size_t size)
{
    struct wf_sql_ask *a = w->a;
    const struct wf_sql_origin *origin = NULL;
    const char *lost = NULL;
    size_t use = 0;

    for (size_t i = a->firing_count; i-- > 0;) {
        const char *product = a->firing[i].is_true ? NULL : missing(w, &a->firing[i], &origin);
        const char *from = a->firing[i].origin[0] ? a->firing[i].origin : NULL;
        if (a->firing[i].is_true)
            a->firing[i].is_true = false;
        else if (!product && hole_of(w, from, &lost, &use))
            continue; // why is said already
        else if (!product)
            wf_sql_firing_end(w->s, a, i, w->now_ms, NULL);
        else
            snprintf(why, size,
                "nothing of %.63s in %s for too long: what it was part of is "
                "unknown, not over",
                origin ? origin->name : a->firing[i].origin, product);
    }
}

static enum weft_err conclude(struct answer *w)
{
    struct wf_sql_ask *a = w->a;
    char why[240] = "";
    enum weft_err err = WEFT_OK;

    enum wf_sql_state state = look_for_cuts(a, w->now_ms, w->cut, sizeof w->cut);

    a->failures = 0;
    a->rows = w->row_count;
    for (size_t i = 0; i < w->row_count && !err; i++)
        err = say_row(w, &w->rows[i]);
    look_for_holes(w, why, sizeof why);
    end_others(w, why, sizeof why);
    if (why[0]) {
        state = WF_SQL_UNKNOWN;
    } else if (w->refused) {
        state = WF_SQL_CUT;
        snprintf(why, sizeof why,
            "%zu rows found no room: a rule is true of at most %zu series at once", w->refused,
            w->s->bounds.series);
    } else if (w->doubles) {
        snprintf(why, sizeof why,
            "%zu rows have the labels of another one and were left out: by has to tell them apart",
            w->doubles);
    }
    set_state(a, state, why[0] ? why : w->cut, w->now_ms);
    return err;
}

enum weft_err wf_sql_ask(struct wf_sql *s, struct wf_sql_ask *a, int64_t now_ms)
{
    char why[240] = "";
    enum wf_sql_state state = look(a, why, sizeof why);

    a->steps = 0;
    a->cpu_ms = 0;
    if (state == WF_SQL_UNKNOWN && a->state == WF_SQL_WAITS)
        state = WF_SQL_WAITS; // nothing was seen of it yet: it may be nobody's
    if (state != WF_SQL_OK) {
        set_state(a, state, why, now_ms);
        return WEFT_OK;
    }
    struct answer *w = calloc(1, sizeof *w);
    if (!w)
        return WEFT_E_NOMEM;
    w->s = s;
    w->a = a;
    w->now_ms = now_ms;
    enum weft_err err = take(w, why, sizeof why);
    a->steps = wf_query_steps(s->query);
    wf_query_end(s->query);
    a->cpu_ms = wf_query_cpu_ms(s->query);
    if (err == WEFT_E_SQL) {
        set_broken(a, why, now_ms);
        err = WEFT_OK;
    } else if (!err) {
        err = conclude(w);
    }
    wf_pool_fini(&w->pool);
    free(w);
    return err;
}
