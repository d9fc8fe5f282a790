// SPDX-License-Identifier: Apache-2.0
// The table of series, bounded in number and bytes. See engine_int.h.
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine_int.h"

static uint64_t hash_of(const struct wf_rule *rule, const char *text, size_t len)
{
    return wf_sum(rule->id, text, len);
}

struct wf_series *wf_series_find(
    const struct wf_engine *e, const struct wf_rule *rule, const struct wf_labels *labels)
{
    uint64_t hash = hash_of(rule, labels->text, labels->len);
    struct wf_series *s = e->bucket_count ? e->buckets[hash % e->bucket_count] : NULL;

    while (s && (s->hash != hash || s->rule != rule || s->labels_len != labels->len ||
                    memcmp(s->labels, labels->text, labels->len) != 0))
        s = s->next;
    return s;
}

static bool grow(struct wf_engine *e)
{
    size_t count = e->bucket_count ? e->bucket_count * 2 : 256;

    if (e->stats.series < e->bucket_count)
        return true;
    struct wf_series **buckets = calloc(count, sizeof(struct wf_series *));
    if (!buckets)
        return e->bucket_count > 0;
    for (size_t i = 0; i < e->bucket_count; i++) {
        for (struct wf_series *s = e->buckets[i], *next; s; s = next) {
            next = s->next;
            s->next = buckets[s->hash % count];
            buckets[s->hash % count] = s;
        }
    }
    free(e->buckets);
    e->buckets = buckets;
    e->bucket_count = count;
    return true;
}

static size_t fixed_bytes(const struct wf_series *s)
{
    size_t n = sizeof *s + s->rule->when.expr.window_count * sizeof s->windows[0] + s->labels_len;

    return n + (s->kept ? WF_EXPR_FIELDS * (sizeof *s->kept + WF_KEPT_TEXT) : 0);
}

static void release(struct wf_series *s)
{
    for (unsigned i = 0; i < s->rule->when.expr.window_count; i++) {
        wf_window_fini(&s->windows[i].points);
        if (s->windows[i].base)
            wf_baseline_fini(s->windows[i].base);
        free(s->windows[i].base);
    }
    free(s->labels);
    free(s->kept);
    free(s->kept_text);
    free(s);
}

static bool make_room(struct wf_series *s, const struct wf_bound_rule *b)
{
    const struct wf_expr *x = &b->rule->when.expr;
    bool ok = true;

    if (b->uses_now) {
        s->kept = calloc(WF_EXPR_FIELDS, sizeof *s->kept);
        s->kept_text = calloc(WF_EXPR_FIELDS, WF_KEPT_TEXT);
        ok = s->kept && s->kept_text;
    }
    for (unsigned i = 0; i < x->window_count && ok; i++) {
        if (x->windows[i].fn != WF_WINDOW_DEVIATION)
            continue;
        s->windows[i].base = calloc(1, sizeof *s->windows[i].base);
        ok = s->windows[i].base != NULL;
    }
    return ok;
}

struct wf_series *wf_series_add(
    struct wf_engine *e, const struct wf_bound_rule *b, const struct wf_labels *labels)
{
    unsigned windows = b->rule->when.expr.window_count;

    if (e->stats.series >= e->limits.series || !wf_series_may_grow(e)) {
        e->stats.refused++;
        memcpy(e->stats.refused_rule, b->rule->name, strlen(b->rule->name) + 1);
        return NULL;
    }
    struct wf_series *s = grow(e) ? calloc(1, sizeof *s + windows * sizeof s->windows[0]) : NULL;
    if (!s)
        return NULL;
    s->rule = b->rule;
    s->labels_len = labels->len;
    s->labels = malloc(labels->len + 1);
    if (!s->labels || !make_room(s, b)) {
        release(s);
        return NULL;
    }
    memcpy(s->labels, labels->text, labels->len);
    s->hash = hash_of(b->rule, labels->text, labels->len);
    s->next = e->buckets[s->hash % e->bucket_count];
    e->buckets[s->hash % e->bucket_count] = s;
    e->stats.series++;
    e->stats.bytes += fixed_bytes(s);
    for (unsigned i = 0; i < windows && e->find; i++)
        if (s->windows[i].base && e->find(e->find_arg, s->hash, i, s->windows[i].base))
            e->stats.bytes += s->windows[i].base->bytes;
    return s;
}

void wf_series_remove(struct wf_engine *e, struct wf_series *s)
{
    struct wf_series **at = &e->buckets[s->hash % e->bucket_count];

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    e->stats.series--;
    e->stats.bytes -= fixed_bytes(s);
    for (unsigned i = 0; i < s->rule->when.expr.window_count; i++) {
        e->stats.bytes -= wf_window_bytes(&s->windows[i].points);
        e->stats.bytes -= s->windows[i].base ? s->windows[i].base->bytes : 0;
    }
    release(s);
}

void wf_series_each(struct wf_engine *e, void (*fn)(void *arg, struct wf_series *s), void *arg)
{
    for (size_t i = 0; i < e->bucket_count; i++) {
        for (struct wf_series *s = e->buckets[i], *next; s; s = next) {
            next = s->next;
            fn(arg, s);
        }
    }
}

void wf_series_labels(const struct wf_series *s, struct wf_labels *ret)
{
    memcpy(ret->text, s->labels, s->labels_len);
    ret->len = s->labels_len;
    ret->count = 0;
    for (size_t i = 0; i < ret->len; i++)
        ret->count += !ret->text[i];
    ret->count /= 2;
}

bool wf_series_may_grow(const struct wf_engine *e)
{
    return e->stats.bytes < e->limits.bytes;
}
