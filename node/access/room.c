// SPDX-License-Identifier: Apache-2.0
// Life of the room.
#include "node/access/room.h"

#include <stdlib.h>

#include "node/access/priv.h"
#include "node/conf.h"
#include "node/metrics.h"
#include "node/signer/signer.h"
#include "sdk/disk.h"

#define PRUNE_EVERY_MS   3600000
#define KEEP_EXPIRED_MS  (30ll * 86400000)
#define KEEP_REQUESTS_MS (90ll * 86400000)

static enum weft_err access_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_access_room *a = calloc(1, sizeof *a);
    uint8_t run[4];
    char *path = NULL;

    if (!a)
        return WEFT_E_NOMEM;
    n->access = a;
    wf_random(run, sizeof run);
    wf_hex_put(WF_BYTES(run), a->audit_prefix);
    a->rates = calloc(WF_ACCESS_RATES, sizeof *a->rates);
    if (!a->rates)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_disk_join(n->conf->data, "access.db", &path);
    if (!err)
        err = wf_grants_open(path, &a->grants, diag);
    free(path);
    path = NULL;
    if (!err)
        err = wf_disk_join(n->conf->data, "refused.db", &path);
    if (!err)
        err = wf_refused_open(path, &a->refused, diag);
    free(path);
    return err;
}

static enum weft_err access_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    wf_access_region_tick(n);
    wf_access_list_tick(n);
    return WEFT_OK;
}

static void access_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    int64_t now = wf_node_now_ms(n), unix_ms = wf_node_now_unix_ms(n);

    wf_access_list_tick(n);
    wf_access_product_tick(n);
    wf_access_audit_tick(n);
    wf_access_ending_tick(n);
    if (now >= a->prune_at_ms) {
        wf_grants_prune(a->grants, unix_ms - KEEP_EXPIRED_MS, unix_ms - KEEP_REQUESTS_MS);
        wf_refused_prune(a->refused, unix_ms - KEEP_EXPIRED_MS);
        a->prune_at_ms = now + PRUNE_EVERY_MS;
    }
}

static void access_close(struct wf_node *n)
{
    struct wf_access_room *a = n->access;

    if (!a)
        return;
    wf_grants_close(a->grants);
    wf_buf_fini(&a->minted);
    free(a->rates);
    wf_refused_close(a->refused);
    wf_access_sources_free(a);
    free(a);
    n->access = NULL;
}

static void access_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    const struct wf_access_room *a = n->access;
    const struct wf_revocations *list = wf_access_revocations(n);
    size_t pending = 0;
    enum weft_err err = wf_grants_pending(a->grants, NULL, &pending);

    m->err = m->err ? m->err : err;
    wf_metric(m, WF_METRIC_GRANTED, (double)a->count.granted);
    wf_metric(m, WF_METRIC_ACCESS_REFUSED, (double)a->count.refused);
    wf_metric(m, WF_METRIC_ACCESS_REQUESTS, (double)a->count.requests);
    wf_metric(m, WF_METRIC_ACCESS_PENDING, (double)pending);
    wf_metric(m, WF_METRIC_LIST_AGE,
        list ? (double)(wf_node_now_unix_ms(n) - list->issued_ms) / 1000 : -1);
}

const struct wf_room wf_access_room = {
    .name = "access",
    .open = access_open,
    .start = access_start,
    .tick = access_tick,
    .close = access_close,
    .metrics = access_metrics,
};
