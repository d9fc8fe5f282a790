// SPDX-License-Identifier: Apache-2.0
// The table of series, bounded in number and bytes. See engine_int.h.
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine_int.h"

static uint64_t hash_of(const struct wf_rule *rule, const char *text, size_t len)
{
    return wf_sum(rule->id, text, len);
}

// A balanced tree: labels are what others write, and sums of a known function can be made to meet.
static int by_labels(const void *left, const void *right)
{
    const struct wf_series *a = left, *b = right;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->rule->id != b->rule->id)
        return a->rule->id < b->rule->id ? -1 : 1;
    if (a->labels_len != b->labels_len)
        return a->labels_len < b->labels_len ? -1 : 1;
    return memcmp(a->labels, b->labels, a->labels_len);
}

struct wf_series *wf_series_find(
    const struct wf_engine *e, const struct wf_rule *rule, const struct wf_labels *labels)
{
    const struct wf_series key = { .hash = hash_of(rule, labels->text, labels->len),
        .rule = rule,
        .labels = (char *)(uintptr_t)labels->text,
        .labels_len = labels->len };
    struct wf_series *const *at = tfind(&key, &e->tree, by_labels);

    return at ? *at : NULL;
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
    free(s->away);
    free(s->labels);
    free(s->kept);
    free(s->kept_text);
    free(s);
}

static bool keep_fields(struct wf_series *s)
{
    s->kept = calloc(WF_EXPR_FIELDS, sizeof *s->kept);
    s->kept_text = calloc(WF_EXPR_FIELDS, WF_KEPT_TEXT);
    return s->kept && s->kept_text;
}

static bool make_room(struct wf_series *s, const struct wf_bound_rule *b)
{
    const struct wf_expr *x = &b->rule->when.expr;
    bool ok = !b->uses_now || keep_fields(s);

    for (unsigned i = 0; i < x->window_count && ok; i++) {
        if (x->windows[i].fn != WF_WINDOW_DEVIATION)
            continue;
        s->windows[i].base = calloc(1, sizeof *s->windows[i].base);
        ok = s->windows[i].base != NULL;
    }
    return ok;
}

bool wf_series_may_grow(const struct wf_engine *e, const struct wf_share *share)
{
    return e->stats.bytes < e->limits.bytes &&
           wf_share_has_room(share, share->bytes, e->limits.bytes);
}

void wf_series_resized(struct wf_engine *e, struct wf_series *s, size_t before, size_t now)
{
    e->stats.bytes = e->stats.bytes - before + now;
    s->share->bytes = s->share->bytes - before + now;
}

static bool has_room(const struct wf_engine *e, const struct wf_share *share)
{
    return e->stats.series < e->limits.series &&
           wf_share_has_room(share, share->count, e->limits.series) && wf_series_may_grow(e, share);
}

static void refuse(struct wf_engine *e, const struct wf_bound_rule *b, const char *product)
{
    e->stats.refused++;
    snprintf(e->stats.refused_rule, sizeof e->stats.refused_rule, "%s", b->rule->name);
    snprintf(e->stats.refused_product, sizeof e->stats.refused_product, "%s", product);
}

static struct wf_series *make(const struct wf_bound_rule *b, const struct wf_labels *labels)
{
    size_t windows = b->rule->when.expr.window_count;
    struct wf_series *s = calloc(1, sizeof *s + windows * sizeof s->windows[0]);

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
    return s;
}

struct wf_series *wf_series_add(struct wf_engine *e, const struct wf_bound_rule *b,
    const struct wf_labels *labels, const char *product)
{
    struct wf_share *share = wf_share_of(&e->shares, product, b->rule->taken);

    if (share && !has_room(e, share)) {
        refuse(e, b, product);
        return NULL;
    }
    struct wf_series *s = share ? make(b, labels) : NULL;
    if (s && !tsearch(s, &e->tree, by_labels)) {
        release(s);
        s = NULL;
    }
    if (!s)
        return NULL;
    s->share = share;
    s->next = e->series;
    if (s->next)
        s->next->prev = s;
    e->series = s;
    share->count++;
    e->stats.series++;
    wf_series_resized(e, s, 0, fixed_bytes(s));
    for (unsigned i = 0; i < b->rule->when.expr.window_count && e->find; i++)
        if (s->windows[i].base && e->find(e->find_arg, s->hash, i, s->windows[i].base))
            wf_series_resized(e, s, 0, s->windows[i].base->bytes);
    return s;
}

struct wf_series *wf_series_restore(
    struct wf_engine *e, const struct wf_rule *rule, const struct wf_engine_kept *kept)
{
    const struct wf_bound_rule b = { .rule = rule };
    struct wf_series *s = wf_series_find(e, rule, kept->labels);
    char *away = s ? NULL : strdup(kept->product);

    if (s || !away)
        return s;
    s = wf_series_add(e, &b, kept->labels, kept->product);
    if (!s) {
        free(away);
        return NULL;
    }
    s->away = away;
    s->truth = WF_TRUE;
    s->true_ms = kept->since_ms;
    s->append_ms = kept->last_ms;
    s->told = kept->fired;
    s->owed = true;
    snprintf(s->origin, sizeof s->origin, "%s", kept->origin);
    return s;
}

void wf_series_settle(struct wf_engine *e, struct wf_series *s, const struct wf_bound_rule *b)
{
    size_t before = fixed_bytes(s);

    free(s->away);
    s->away = NULL;
    if (b->uses_now && !s->kept && !keep_fields(s)) {
        free(s->kept);
        free(s->kept_text);
        s->kept = NULL;
        s->kept_text = NULL;
    }
    wf_series_resized(e, s, before, fixed_bytes(s));
}

void wf_series_remove(struct wf_engine *e, struct wf_series *s)
{
    tdelete(s, &e->tree, by_labels);
    if (s->next)
        s->next->prev = s->prev;
    *(s->prev ? &s->prev->next : &e->series) = s->next;
    s->share->count--;
    e->stats.series--;
    wf_series_resized(e, s, fixed_bytes(s), 0);
    for (unsigned i = 0; i < s->rule->when.expr.window_count; i++) {
        wf_series_resized(e, s, wf_window_bytes(&s->windows[i].points), 0);
        wf_series_resized(e, s, s->windows[i].base ? s->windows[i].base->bytes : 0, 0);
    }
    release(s);
}

void wf_series_each(struct wf_engine *e, void (*fn)(void *arg, struct wf_series *s), void *arg)
{
    for (struct wf_series *s = e->series, *next; s; s = next) {
        next = s->next;
        fn(arg, s);
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
