// SPDX-License-Identifier: Apache-2.0
// What lost records make unknown of rules that are conditions. A series knows of its losses where its next record comes; until then its product
// does. Where `by` does not tell origins apart a loss of any origin counts. See engine_int.h; of rules that are SQL sql_window.c knows.
#include <inttypes.h>
#include <stdio.h>

#include "domains/monitoring/speed/engine_int.h"

#define LEAST_MS                                                                                   \
    60000 // a loss that nothing came behind is looked at so long, whatever the rules' windows

static int64_t span_of(const struct wf_bound *b)
{
    int64_t span = 0;

    for (size_t i = 0; i < b->count; i++)
        if (wf_rule_span(b->rules[i].rule) > span)
            span = wf_rule_span(b->rules[i].rule);
    return span;
}

enum weft_err wf_engine_lose(
    struct wf_engine *e, struct wf_shape *shape, const struct wf_loss *loss)
{
    wf_sql_lose_all(e, shape, loss);
    if (!shape->bound || !shape->bound->count)
        return WEFT_OK;
    return wf_holes_lose(&shape->holes, loss, span_of(shape->bound));
}

void wf_lost_before(struct wf_judged *j, int64_t time_ms)
{
    struct wf_series *s = j->s;
    int64_t from_ms = time_ms - wf_rule_span(s->rule);
    struct wf_hole_view v;

    wf_holes_view(j->row->shape->holes, j->b->by_origin ? j->row->origin : NULL, &v);
    if (v.number == s->losses)
        return;
    if (wf_hole_is_within(&v.hole, from_ms)) {
        if (!s->lost_until_ms || s->lost_until_ms <= from_ms)
            s->lost_after_ms = s->shape ? s->time_ms : INT64_MIN;
        s->lost_until_ms = v.hole.open || v.hole.ms > time_ms ? time_ms : v.hole.ms;
    }
    if (!v.hole.open) // else it may reach beyond this record: of another origin
        s->losses = v.number;
}

static bool is_behind(const struct wf_judged *j, struct wf_hole_view *ret)
{
    const struct wf_series *s = j->s;

    wf_holes_view(s->shape->holes, j->b->by_origin ? s->origin : NULL, ret);
    return ret->number != s->losses;
}

bool wf_lost_is_open(const struct wf_judged *j)
{
    struct wf_hole_view v;

    return is_behind(j, &v) && v.hole.open;
}

enum wf_window_hole wf_lost_in(struct wf_judged *j, int64_t span_ms)
{
    const struct wf_series *s = j->s;
    int64_t from_ms = (j->row ? s->time_ms : j->now_ms) - span_ms;
    struct wf_hole_view v;
    bool behind = is_behind(j, &v) && wf_hole_is_within(&v.hole, from_ms);

    if (!behind && (!s->lost_until_ms || s->lost_until_ms <= from_ms))
        return WF_HOLE_NONE;
    if (!j->detail[0])
        snprintf(j->detail, sizeof j->detail,
            "records were lost in this time: it is what is known without them");
    return behind || s->lost_after_ms < from_ms ? WF_HOLE_AT_END : WF_HOLE_BETWEEN;
}

void wf_lost_tell(const struct wf_engine *e, char *out, size_t size)
{
    for (const struct wf_bound *b = e->bounds; b; b = b->next) {
        struct wf_hole_view v;
        wf_holes_view(b->shape->holes, NULL, &v);
        if (!v.hole.count || !span_of(b))
            continue;
        snprintf(out, size,
            "%" PRIu64 " records of %s are lost: what rules say of windows that held them is at "
            "least that, or unknown",
            v.hole.count, b->shape->product);
        return;
    }
}

void wf_lost_tick(const struct wf_engine *e, int64_t now_ms)
{
    for (const struct wf_bound *b = e->bounds; b; b = b->next) {
        int64_t span = b->shape->holes ? span_of(b) : 0;
        if (b->shape->holes)
            wf_holes_tick(b->shape->holes, now_ms, span > LEAST_MS ? span : LEAST_MS);
    }
}
