// SPDX-License-Identifier: Apache-2.0
// From a YAML tree to tests of rules. See trial.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/speed/trial.h"

#define BEGIN_MS 1767571200000 // Monday, 2026-01-05 00:00 UTC

struct reader {
    struct weft_conf *c;
    struct wf_pool *pool;
};

static void wrong(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    weft_conf_error(r->c, n->line, n->column, "%s", text);
}

static const char *keep(struct reader *r, const char *s)
{
    const char *out = wf_pool_text(r->pool, s, strlen(s));

    if (!out)
        weft_conf_error(r->c, 0, 0, "out of memory");
    return out ? out : "";
}

static const char *text_of(
    struct reader *r, const struct weft_conf_node *map, const char *key, bool must)
{
    const struct weft_conf_node *n = weft_conf_get(map, key);

    if (n && n->kind == WEFT_CONF_VALUE)
        return keep(r, n->text);
    if (n)
        wrong(r, n, "want a text");
    else if (must)
        weft_conf_error(r->c, map->line, map->column, "%s is missing", key);
    return "";
}

static int64_t duration(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    int64_t ms = 0;

    if (strcmp(text, "0") != 0 && (weft_conf_duration(text, &ms) || ms > 366 * 86400000LL))
        wrong(r, n, "want a duration, such as 90s, 5m or 1h30m");
    return ms;
}

static int64_t duration_of(
    struct reader *r, const struct weft_conf_node *map, const char *key, int64_t without)
{
    const struct weft_conf_node *n = weft_conf_get(map, key);

    if (!n)
        return without;
    if (n->kind == WEFT_CONF_VALUE)
        return duration(r, n, n->text);
    wrong(r, n, "want a duration");
    return without;
}

// "5m" or "5m..7m".
static void range_of(struct reader *r, const struct weft_conf_node *map, const char *key,
    int64_t without, int64_t ret[2])
{
    const struct weft_conf_node *n = weft_conf_get(map, key);
    char first[64];

    ret[0] = ret[1] = without;
    if (!n)
        return;
    const char *dots = n->kind == WEFT_CONF_VALUE ? strstr(n->text, "..") : NULL;
    if (n->kind != WEFT_CONF_VALUE) {
        wrong(r, n, "want a duration, or two with .. between");
        return;
    }
    snprintf(first, sizeof first, "%.*s", dots ? (int)(dots - n->text) : 60, n->text);
    ret[0] = duration(r, n, first);
    ret[1] = dots ? duration(r, n, dots + 2) : ret[0];
}

static void span_of(
    struct reader *r, const struct weft_conf_node *map, const char *key, struct wf_trial_span *ret)
{
    static const char *const known[] = { "from", "until", "by", NULL };
    const struct weft_conf_node *n = weft_conf_get(map, key);

    if (!n)
        return;
    weft_conf_known(r->c, n, known);
    ret->is_set = true;
    ret->from_ms = duration_of(r, n, "from", 0);
    ret->until_ms = duration_of(r, n, "until", INT64_MAX / 4);
    const char *by = text_of(r, n, "by", false);
    if (by[0])
        ret->by_ms = by[0] == '-' ? -duration(r, n, by + 1) : duration(r, n, by);
}

static void names_of(struct reader *r, const struct weft_conf_node *map, const char *key,
    const char **ret, size_t *ret_count)
{
    const struct weft_conf_node *n = weft_conf_get(map, key);

    for (const struct weft_conf_node *k = n && n->kind == WEFT_CONF_LIST ? n->child : NULL; k;
         k = k->next) {
        if (k->kind != WEFT_CONF_VALUE || *ret_count == WF_TRIAL_FIELDS)
            wrong(r, k, "want at most 16 names of fields");
        else
            ret[(*ret_count)++] = keep(r, k->text);
    }
    if (n && n->kind != WEFT_CONF_LIST)
        wrong(r, n, "want a list of names");
}

// The first of the pairs below `key`; NULL when there are none. A list has items without keys, and is told.
static const struct weft_conf_node *pairs_of(
    struct reader *r, const struct weft_conf_node *map, const char *key)
{
    const struct weft_conf_node *n = weft_conf_get(map, key);

    if (n && n->kind != WEFT_CONF_MAP)
        weft_conf_error(r->c, n->line, n->column, "want %s as name: value", key);
    return n && n->kind == WEFT_CONF_MAP ? n->child : NULL;
}

static void read_product(
    struct reader *r, const struct weft_conf_node *n, struct wf_trial_product *p)
{
    static const char *const known[] = { "kind", "freshness", "keys", "labels", "blind", "lost",
        NULL };

    weft_conf_known(r->c, n, known);
    p->name = keep(r, n->key);
    char *domain = wf_pool_text(r->pool, n->key, strcspn(n->key, "/"));
    p->domain = domain ? domain : "";
    p->events = strcmp(text_of(r, n, "kind", false), "event") == 0;
    p->inventory = strcmp(text_of(r, n, "kind", false), "inventory") == 0;
    p->freshness_ms = duration_of(r, n, "freshness", 0);
    names_of(r, n, "keys", p->keys, &p->key_count);
    names_of(r, n, "labels", p->labels, &p->label_count);
    span_of(r, n, "blind", &p->blind);
    span_of(r, n, "lost", &p->lost);
}

static void read_fields(struct reader *r, const struct weft_conf_node *first, int64_t every_ms,
    bool fixed, struct wf_trial_input *in)
{
    char why[160];

    for (const struct weft_conf_node *n = first; n; n = n->next) {
        struct wf_trial_field f = { .name = keep(r, n->key) };
        if (n->kind != WEFT_CONF_VALUE || in->field_count == WF_TRIAL_FIELDS) {
            wrong(r, n, "want a value for each of at most 16 fields");
            continue;
        }
        if (!wf_written_read(n->text, every_ms, r->pool, &f.values, &f.count, why, sizeof why)) {
            wrong(r, n, why);
            continue;
        }
        if (fixed && (f.count != 1 || !n->plain)) { // a text of several words, or a quoted number
            f.values[0] = (struct wf_written){ .text = keep(r, n->text) };
            f.count = 1;
        }
        if (!fixed)
            in->count = f.count > in->count ? f.count : in->count;
        in->fields[in->field_count++] = f;
    }
}

static void read_input(struct reader *r, const struct weft_conf_node *n, struct wf_trial *t)
{
    static const char *const known[] = { "product", "origin", "set", "values", "clock", "held",
        "gone", "lost", NULL };
    struct wf_trial_input *in = &t->inputs[t->input_count];
    const char *product = text_of(r, n, "product", t->product_count != 1);

    weft_conf_known(r->c, n, known);
    while (product[0] && in->product < t->product_count &&
           strcmp(t->products[in->product].name, product) != 0)
        in->product++;
    if (in->product == t->product_count) {
        wrong(r, n, "the product is none of the test's");
        return;
    }
    in->origin = text_of(r, n, "origin", true);
    read_fields(r, pairs_of(r, n, "set"), t->every_ms, true, in);
    read_fields(r, pairs_of(r, n, "values"), t->every_ms, false, in);
    span_of(r, n, "clock", &in->clock);
    span_of(r, n, "held", &in->held);
    span_of(r, n, "lost", &in->lost);
    if (weft_conf_get(n, "gone")) {
        in->gone.is_set = true;
        in->gone.from_ms = duration_of(r, n, "gone", 0);
    }
    t->input_count++;
    if ((int64_t)in->count * t->every_ms > t->end_ms)
        t->end_ms = (int64_t)in->count * t->every_ms;
}

static void read_fire(struct reader *r, const struct weft_conf_node *n, struct wf_trial *t)
{
    static const char *const known[] = { "rule", "labels", "from", "until", NULL };
    struct wf_trial_fire *f = &t->fires[t->fire_count++];
    const struct weft_conf_node *labels = pairs_of(r, n, "labels");

    weft_conf_known(r->c, n, known);
    f->rule = text_of(r, n, "rule", true);
    f->line = n->line;
    wf_labels_init(&f->labels);
    for (const struct weft_conf_node *l = labels; l; l = l->next)
        if (l->kind != WEFT_CONF_VALUE ||
            !wf_labels_set(&f->labels, l->key, l->text, strlen(l->text)))
            wrong(r, l, "want a text for each of few labels");
    if (!weft_conf_get(n, "from"))
        wrong(r, n, "from is missing: when it begins to fire");
    range_of(r, n, "from", 0, f->from_ms);
    range_of(r, n, "until", -1, f->until_ms);
}

static void read_lists(struct reader *r, const struct weft_conf_node *n, struct wf_trial *t)
{
    const struct weft_conf_node *products = weft_conf_get(n, "products");
    const struct weft_conf_node *input = weft_conf_get(n, "input");
    const struct weft_conf_node *fires = weft_conf_get(n, "fires");

    if (!products || products->kind != WEFT_CONF_MAP || products->count > WF_TRIAL_PRODUCTS)
        weft_conf_error(r->c, n->line, n->column, "want products, at most %u", WF_TRIAL_PRODUCTS);
    else
        for (const struct weft_conf_node *k = products->child; k; k = k->next)
            read_product(r, k, &t->products[t->product_count++]);
    if (!input || input->kind != WEFT_CONF_LIST || input->count > WF_TRIAL_INPUTS)
        weft_conf_error(r->c, n->line, n->column, "want input, at most %u", WF_TRIAL_INPUTS);
    else
        for (const struct weft_conf_node *k = input->child; k; k = k->next)
            read_input(r, k, t);
    if (!fires || fires->kind != WEFT_CONF_LIST || fires->count > WF_TRIAL_FIRES)
        weft_conf_error(r->c, n->line, n->column,
            "want fires, a list of at most %u; [] where nothing may fire", WF_TRIAL_FIRES);
    else
        for (const struct weft_conf_node *k = fires->child; k; k = k->next)
            read_fire(r, k, t);
}

static void read_trial(struct reader *r, const struct weft_conf_node *n, struct wf_trial *t)
{
    static const char *const known[] = { "name", "about", "every", "begin", "until", "products",
        "input", "fires", NULL };
    const char *begin = text_of(r, n, "begin", false);
    struct tm tm = { .tm_year = 0 };

    weft_conf_known(r->c, n, known);
    t->name = text_of(r, n, "name", true);
    t->line = n->line;
    t->begin_ms = BEGIN_MS;
    t->every_ms = duration_of(r, n, "every", 60000);
    if (t->every_ms < 1000) {
        wrong(r, n, "every is at least 1s");
        return;
    }
    const char *rest = begin[0] ? strptime(begin, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    if (rest && !*rest)
        t->begin_ms = (int64_t)timegm(&tm) * 1000;
    else if (begin[0])
        wrong(r, n, "begin is a time like 2026-01-05T00:00:00Z");
    read_lists(r, n, t);
    t->end_ms = duration_of(r, n, "until", t->end_ms);
}

struct wf_trials *wf_trials_read(struct weft_conf *c)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(c), "tests");
    struct wf_trials *out = calloc(1, sizeof *out);
    struct reader r = { .c = c };

    if (!out)
        return NULL;
    r.pool = &out->pool;
    if (!n || n->kind != WEFT_CONF_LIST || n->count == 0 || n->count > WF_TRIAL_TESTS) {
        weft_conf_error(
            c, n ? n->line : 0, n ? n->column : 0, "want tests, a list of 1 to %u", WF_TRIAL_TESTS);
        return out;
    }
    out->trials = calloc(n->count, sizeof(struct wf_trial *));
    for (const struct weft_conf_node *k = n->child; k && out->trials; k = k->next) {
        struct wf_trial *t = wf_pool_get(&out->pool, sizeof *t);
        if (!t) {
            weft_conf_error(c, 0, 0, "out of memory");
            break;
        }
        out->trials[out->count++] = t;
        read_trial(&r, k, t);
    }
    if (!out->trials)
        weft_conf_error(c, 0, 0, "out of memory");
    return out;
}

void wf_trials_free(struct wf_trials *t)
{
    if (!t)
        return;
    wf_pool_fini(&t->pool);
    free(t->trials);
    free(t);
}
