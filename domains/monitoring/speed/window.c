// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct wf_point *point(const struct wf_window *w, unsigned i)
{
    return &w->points[(w->first + i) % w->room];
}

static bool grow(struct wf_window *w)
{
    unsigned room = w->room ? w->room * 2 : 4;
    struct wf_point *points = malloc(room * sizeof *points);

    if (!points)
        return false;
    for (unsigned i = 0; i < w->count; i++)
        points[i] = *point(w, i);
    free(w->points);
    w->points = points;
    w->first = 0;
    w->room = room;
    return true;
}

static void drop_first(struct wf_window *w)
{
    w->first = (w->first + 1) % w->room;
    w->count--;
}

void wf_window_advance(struct wf_window *w, int64_t span_ms, int64_t now_ms)
{
    while (w->count && now_ms - point(w, 0)->ms > span_ms)
        drop_first(w);
}

bool wf_window_push(struct wf_window *w, int64_t span_ms, const struct wf_point *new, bool may_grow)
{
    wf_window_advance(w, span_ms, new->ms);
    if (w->count && point(w, w->count - 1)->ms == new->ms) {
        w->points[(w->first + w->count - 1) % w->room].value = new->value;
        return true;
    }
    // Without memory it stays as it is, and the oldest leaves.
    if (w->count == w->room && w->room < WF_WINDOW_POINTS && may_grow)
        (void)grow(w);
    if (w->count == w->room) {
        if (!w->room)
            return false;
        drop_first(w);
        w->cut++;
    }
    w->points[(w->first + w->count) % w->room] = *new;
    w->count++;
    return true;
}

// What a counter grew by: behind a step back it began again at 0.
static double increase(const struct wf_window *w)
{
    double sum = 0;

    for (unsigned i = 1; i < w->count; i++) {
        double step = point(w, i)->value - point(w, i - 1)->value;
        sum += step >= 0 ? step : point(w, i)->value;
    }
    return sum;
}

static double slope(const struct wf_window *w)
{
    double n = w->count, t = 0, v = 0, tt = 0, tv = 0;
    int64_t begin = point(w, 0)->ms;

    for (unsigned i = 0; i < w->count; i++) {
        double x = (double)(point(w, i)->ms - begin) / 1000, y = point(w, i)->value;
        t += x;
        v += y;
        tt += x * x;
        tv += x * y;
    }
    return (n * tv - t * v) / (n * tt - t * t);
}

static double count_steps(const struct wf_window *w, bool down)
{
    double n = 0;

    for (unsigned i = 1; i < w->count; i++) {
        double a = point(w, i - 1)->value, b = point(w, i)->value;
        n += down ? b < a : b != a;
    }
    return n;
}

static double fold(const struct wf_window *w, enum wf_window_fn fn)
{
    double sum = 0, least = INFINITY, most = -INFINITY;

    for (unsigned i = 0; i < w->count; i++) {
        double v = point(w, i)->value;
        sum += v;
        least = fmin(least, v);
        most = fmax(most, v);
    }
    return fn == WF_WINDOW_MIN   ? least
           : fn == WF_WINDOW_MAX ? most
           : fn == WF_WINDOW_SUM ? sum
                                 : sum / w->count;
}

static bool is_any_negative(const struct wf_window *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (point(w, i)->value < 0)
            return true;
    return false;
}

// What is known of a value when points of its window were lost. False: nothing.
static bool side_of(const struct wf_window *w, enum wf_window_fn fn, enum wf_window_hole hole,
    enum wf_expr_side *ret)
{
    *ret = WF_SIDE_LEAST;
    switch (fn) {
    case WF_WINDOW_RATE:
    case WF_WINDOW_INCREASE: // a counter goes on counting, unless it began anew where nobody saw it
        if (count_steps(w, true) == 0 && (hole == WF_HOLE_BETWEEN || fn == WF_WINDOW_RATE))
            *ret = WF_SIDE_EXACT;
        return true;
    case WF_WINDOW_CHANGE:
    case WF_WINDOW_SLOPE:
        *ret = WF_SIDE_EXACT;
        return hole == WF_HOLE_BETWEEN;
    case WF_WINDOW_MIN:
        *ret = WF_SIDE_MOST;
        return true;
    case WF_WINDOW_AVG:
        return false;
    case WF_WINDOW_SUM:
        return !is_any_negative(w);
    default: // count, changes, resets, max
        return true;
    }
}

void wf_window_value(const struct wf_window *w, enum wf_window_fn fn, enum wf_window_hole hole,
    struct wf_expr_value *ret)
{
    int64_t ms = w->count ? point(w, w->count - 1)->ms - point(w, 0)->ms : 0;
    double v = NAN;

    switch (fn) {
    case WF_WINDOW_COUNT:
        v = w->count;
        break;
    case WF_WINDOW_INCREASE:
        v = increase(w);
        break;
    case WF_WINDOW_CHANGES:
    case WF_WINDOW_RESETS:
        v = count_steps(w, fn == WF_WINDOW_RESETS);
        break;
    case WF_WINDOW_SUM:
        v = w->count ? fold(w, fn) : 0;
        break;
    case WF_WINDOW_RATE:
        v = ms ? increase(w) * 1000 / (double)ms : NAN;
        break;
    case WF_WINDOW_CHANGE:
        v = ms ? point(w, w->count - 1)->value - point(w, 0)->value : NAN;
        break;
    case WF_WINDOW_SLOPE:
        v = w->count >= 3 ? slope(w) : NAN;
        break;
    default:
        v = w->count ? fold(w, fn) : NAN;
        break;
    }
    *ret =
        (struct wf_expr_value){ .kind = isfinite(v) ? WF_KIND_NUMBER : WF_KIND_NONE, .number = v };
    if (hole != WF_HOLE_NONE && !side_of(w, fn, hole, &ret->side))
        ret->kind = WF_KIND_NONE;
}

size_t wf_window_bytes(const struct wf_window *w)
{
    return w->room * sizeof *w->points;
}

void wf_window_fini(struct wf_window *w)
{
    free(w->points);
    memset(w, 0, sizeof *w);
}
