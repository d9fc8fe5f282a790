// SPDX-License-Identifier: Apache-2.0
// What an earlier process left in the ledger: the series with where each one stands, and the samples that were on their way. What can't be of
// ours there, as a series without labels, is left where it lies.
#include <stdlib.h>

#include "domains/monitoring/remote/ledger.h"

struct restoring {
    struct wf_remote_table *table;
    struct wf_remote_batch *batch;
    int64_t now_ms;
    struct wf_remote_series **all; // in order of ids
    size_t count;
};

static enum weft_err take_series(void *arg, const char *product, int64_t id, const void *labels,
    size_t len, int64_t last_ms, bool stale)
{
    struct restoring *r = arg;
    struct wf_remote_product *own = wf_remote_product(r->table, product);
    struct wf_remote_series *s = own ? wf_remote_restore(r->table, own, id, labels, len) : NULL;
    struct wf_remote_series **all =
        realloc(r->all, (r->count + 1) * sizeof(struct wf_remote_series *));

    if (all)
        r->all = all;
    if (!own || !all)
        return WEFT_E_NOMEM;
    if (!s)
        return WEFT_OK;
    s->last_ms = last_ms;
    s->stale = stale;
    s->heard_ms = r->now_ms;
    r->all[r->count++] = s;
    return WEFT_OK;
}

static int by_id(const void *key, const void *member)
{
    int64_t id = *(const int64_t *)key, other = (*(struct wf_remote_series *const *)member)->id;

    return id < other ? -1 : id > other;
}

static enum weft_err take_sample(
    void *arg, int64_t series, int64_t time_ms, uint64_t bits, uint64_t offset)
{
    struct restoring *r = arg;
    struct wf_remote_series **s =
        r->count ? bsearch(&series, r->all, r->count, sizeof(struct wf_remote_series *), by_id)
                 : NULL;

    if (!s)
        return WEFT_OK;
    return wf_remote_batch_add(r->batch, *s, time_ms, bits, offset) ? WEFT_OK : WEFT_E_NOMEM;
}

enum weft_err wf_ledger_restore(
    struct wf_ledger *l, struct wf_remote_table *t, int64_t now_ms, struct wf_remote_batch *batch)
{
    struct restoring r = { .table = t, .batch = batch, .now_ms = now_ms };
    enum weft_err err = wf_ledger_series(l, take_series, &r);

    if (!err)
        err = wf_ledger_outbox(l, take_sample, &r);
    free(r.all);
    return err;
}
