// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/hole.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wf_hole_open(struct wf_hole *h, const struct wf_loss *loss, int64_t span_ms)
{
    if (!wf_hole_is_within(h, loss->now_ms - span_ms))
        h->count = 0;
    h->open = true;
    h->count += loss->count;
}

void wf_hole_close(struct wf_hole *h, int64_t append_ms)
{
    if (!h->open)
        return;
    h->open = false;
    h->ms = append_ms > h->ms ? append_ms : h->ms;
}

bool wf_hole_is_within(const struct wf_hole *h, int64_t from_ms)
{
    return h->open || (h->ms && h->ms > from_ms);
}

// ---- of a product --------------------------------------------------------------------------------------------------------------

struct one {
    char origin[64]; // first; "": nobody knows of which
    struct one *next;
    struct wf_hole hole;
    uint64_t number;
    int64_t told_ms;
};

struct wf_holes {
    void *tree; // by origin, tsearch(3)
    struct one *all;
    size_t count, open;
    struct wf_hole_view every;
};

static int by_origin(const void *left, const void *right) // an origin, or one, which begins with it
{
    return strcmp(left, right);
}

static struct one *find(const struct wf_holes *h, const char *origin)
{
    char key[64];

    snprintf(key, sizeof key, "%s", origin);
    struct one *const *at = tfind(key, &h->tree, by_origin);
    return at ? *at : NULL;
}

// NULL without memory.
static struct one *one_of(struct wf_holes *h, const char *origin)
{
    struct one *o = find(h, origin);

    if (!o && h->count >= WF_HOLE_ORIGINS) {
        origin = "";
        o = find(h, origin);
    }
    if (o)
        return o;
    o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    snprintf(o->origin, sizeof o->origin, "%s", origin);
    if (!tsearch(o, &h->tree, by_origin)) {
        free(o);
        return NULL;
    }
    o->next = h->all;
    h->all = o;
    h->count++;
    return o;
}

static void settle(struct wf_holes *h, struct one *o, int64_t append_ms)
{
    if (!o->hole.open)
        return;
    wf_hole_close(&o->hole, append_ms);
    h->open--;
    h->every.hole.open = h->open > 0;
    h->every.hole.ms = append_ms > h->every.hole.ms ? append_ms : h->every.hole.ms;
}

enum weft_err wf_holes_lose(struct wf_holes **at, const struct wf_loss *loss, int64_t span_ms)
{
    struct wf_holes *h = *at ? *at : calloc(1, sizeof *h);
    struct one *o = h ? one_of(h, loss->origin ? loss->origin : "") : NULL;

    *at = h;
    if (!o)
        return WEFT_E_NOMEM;
    h->open += !o->hole.open;
    wf_hole_open(&o->hole, loss, span_ms);
    wf_hole_open(&h->every.hole, loss, span_ms);
    o->told_ms = loss->now_ms;
    o->number = ++h->every.number;
    return WEFT_OK;
}

void wf_holes_heard(struct wf_holes *h, const char *origin, int64_t append_ms)
{
    if (!h || !h->open)
        return;
    struct one *o = find(h, origin), *any = find(h, "");
    if (o)
        settle(h, o, append_ms);
    if (any)
        settle(h, any, append_ms);
}

static void add_to(struct wf_hole_view *ret, const struct one *o)
{
    if (!o)
        return;
    ret->hole.open = ret->hole.open || o->hole.open;
    ret->hole.ms = o->hole.ms > ret->hole.ms ? o->hole.ms : ret->hole.ms;
    ret->hole.count += o->hole.count;
    ret->number = o->number > ret->number ? o->number : ret->number;
}

void wf_holes_view(const struct wf_holes *h, const char *origin, struct wf_hole_view *ret)
{
    *ret = (struct wf_hole_view){ .number = 0 };
    if (h && !origin) {
        *ret = h->every;
    } else if (h) {
        add_to(ret, find(h, origin));
        add_to(ret, find(h, ""));
    }
}

void wf_holes_tick(struct wf_holes *h, int64_t now_ms, int64_t span_ms)
{
    for (struct one **at = h ? &h->all : NULL; at && *at;) {
        struct one *o = *at;
        if (o->hole.open && now_ms - o->told_ms > span_ms)
            settle(h, o, o->told_ms);
        if (wf_hole_is_within(&o->hole, now_ms - span_ms)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        tdelete(o, &h->tree, by_origin);
        free(o);
        h->count--;
    }
    if (h && !h->count)
        h->every.hole = (struct wf_hole){ .open = false };
}

void wf_holes_free(struct wf_holes *h)
{
    if (!h)
        return;
    for (struct one *o = h->all, *next; o; o = next) {
        next = o->next;
        tdelete(o, &h->tree, by_origin);
        free(o);
    }
    free(h);
}
