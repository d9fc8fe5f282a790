// SPDX-License-Identifier: Apache-2.0
// Folds follow the log through the stream room's tap and catch up by replay after a start. Queries run on the pool's workers, so that a
// stranger's SELECT never holds up the loop (query.c).
#include "node/inventory/priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/metrics.h"
#include "node/stream/room.h"
#include "sdk/disk.h"

#define COMMIT_MS 200
#define RETRY_MS  10000 // after a fold failed

// ---- folding ---------------------------------------------------------------------------------------------------------

// The subject of the certificate that a header cites: its chain is kept as a document.
static enum weft_err origin_of(
    struct wf_node *n, const struct wf_hash *certificate, struct wf_name *ret)
{
    struct wf_inventory_room *r = n->inventory;
    struct wf_bytes chain, certs[WF_MAX_CHAIN];
    struct wf_cert c;
    struct wf_arena arena;
    size_t count = 0;

    for (size_t i = 0; i < WF_INVENTORY_ORIGINS; i++)
        if (r->origins[i].subject.s[0] && wf_hash_eq(&r->origins[i].certificate, certificate)) {
            *ret = r->origins[i].subject;
            return WEFT_OK;
        }
    wf_arena_init(&arena, 64u * 1024u);
    enum weft_err err = wf_documents_get(n, certificate, &arena, &chain);
    if (!err)
        err = wf_chain_split(chain, certs, &count);
    if (!err)
        err = wf_cert_open(certs[0], &c);
    if (!err && !wf_hash_eq(&c.id, certificate))
        err = WEFT_E_HASH;
    wf_arena_fini(&arena);
    if (err)
        return err;
    r->origins[r->origin_next++ % WF_INVENTORY_ORIGINS] =
        (struct origin_name){ *certificate, c.subject };
    *ret = c.subject;
    return WEFT_OK;
}

// err OK: it goes again.
static void fail_fold(struct wf_node *n, struct inventory *i, enum weft_err err)
{
    char name[96];

    i->failed = err != WEFT_OK;
    i->retry_ms = wf_node_now_ms(n) + RETRY_MS;
    snprintf(name, sizeof name, "inventory-%.80s", i->path);
    wf_alarm(n, name, err ? weft_err_text(err) : NULL);
}

static void commit_soon(struct wf_node *n, struct inventory *i)
{
    i->dirty = true;
    // Without memory for the timer the next tick commits.
    if (n->inventory->commit.index == 0 &&
        wf_timer_set(n->loop, &n->inventory->commit, wf_node_now_ms(n) + COMMIT_MS))
        return;
}

// What has no rows moves the position on all the same, or every later answer would claim to lag behind the log.
static void apply(struct wf_node *n, struct inventory *i, const struct wf_entry *e,
    const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct wf_name origin;

    if (i->failed)
        return;
    bool has_rows = !e->is_reset && h->kind == WF_BATCH_DATA;
    enum weft_err err = has_rows ? origin_of(n, &h->certificate, &origin) : WEFT_OK;
    if (err == WEFT_E_NOMEM || err == WEFT_E_IO || err == WEFT_E_NO_FILES) {
        fail_fold(n, i, err); // its rows are known, only not now
        return;
    }
    i->nameless += err != WEFT_OK;
    if (err || !has_rows) {
        wf_fold_pass(i->fold, &e->log_id, e->offset + (e->is_reset ? 0 : h->count));
        commit_soon(n, i);
        return;
    }
    struct wf_fold_entry f = { e->log_id, e->offset, e->append_ms, origin.s, raw, h->base_us };
    err = wf_fold_apply(i->fold, &f);
    if (err)
        fail_fold(n, i, err);
    else
        commit_soon(n, i);
}

struct inventory *wf_inventory_find(struct wf_node *n, const struct wf_hash *product_id)
{
    struct inventory *i = n->inventory->first;

    while (i && !wf_hash_eq(&i->product_id, product_id))
        i = i->next;
    return i;
}

static void commit_all(struct wf_node *n)
{
    for (struct inventory *i = n->inventory->first; i; i = i->next) {
        enum weft_err err = i->dirty && !i->failed ? wf_fold_commit(i->fold) : WEFT_OK;
        i->dirty = false;
        if (err)
            fail_fold(n, i, err);
    }
}

static void on_commit(struct wf_timer *t)
{
    struct wf_inventory_room *r =
        (struct wf_inventory_room *)(void *)((char *)t -
                                             offsetof(struct wf_inventory_room, commit));

    commit_all(r->node);
}

static void on_entry(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct inventory *i = wf_inventory_find(n, &wf_home_descriptor(p)->id);

    (void)arg;
    if (i && !i->replaying)
        apply(n, i, e, h, raw);
}

static void on_replayed_entry(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    (void)p;
    apply(n, arg, e, h, raw);
}

static void on_replayed(struct wf_node *n, void *arg, enum weft_err err)
{
    struct inventory *i = arg;
    struct wf_home_product *p = wf_stream_find_id(n, &i->product_id);
    struct wf_incarnation log;
    uint64_t at = 0;

    wf_fold_position(i->fold, &log, &at);
    i->replaying = false;
    // What was appended while the last slice was read came by before the tap was open for it: once more, from there.
    if (!err && p && at < wf_home_head(p) && !i->failed) {
        i->replaying = true;
        err = wf_stream_replay(n, p, at, on_replayed_entry, i, on_replayed);
    }
    if (err && err != WEFT_E_CLOSED)
        fail_fold(n, i, err);
}

static void close_inventory(struct inventory *i)
{
    wf_fold_close(i->fold);
    free(i->path);
    free(i);
}

// A log that lost its end (a disk put back from a copy) took rows with it: they must not stay here.
static enum weft_err begin_replay(struct wf_node *n, struct inventory *i, struct wf_home_product *p)
{
    struct wf_incarnation log;
    uint64_t at = 0;
    enum weft_err err = WEFT_OK;

    wf_fold_position(i->fold, &log, &at);
    if (at > wf_home_head(p)) {
        err = wf_fold_clear(i->fold);
        at = 0;
    }
    if (at < wf_home_floor(p))
        at = wf_home_floor(p);
    if (err || at >= wf_home_head(p))
        return err;
    err = wf_stream_replay(n, p, at, on_replayed_entry, i, on_replayed);
    i->replaying = !err;
    return err;
}

static enum weft_err open_fold(struct wf_node *n, struct inventory *i, struct wf_home_product *p)
{
    struct wf_fold_conf conf = { i->path, wf_home_descriptor(p), wf_home_message(p) };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_fold_open(&conf, &i->fold, &diag);

    if (err)
        wf_say(n, WF_LOG_ERROR, "inventory", "an inventory could not be opened", "product",
            conf.product->name, "why", diag.text[0] ? diag.text : weft_err_text(err), NULL);
    i->message = conf.message;
    i->generation = wf_home_generation(p);
    return err ? err : begin_replay(n, i, p);
}

static enum weft_err open_inventory(struct wf_node *n, struct wf_home_product *p)
{
    const struct wf_product *d = wf_home_descriptor(p);
    struct inventory *i = calloc(1, sizeof *i);
    struct wf_buf name = { 0 };
    enum weft_err err =
        i ? wf_buf_printf(&name, "inventory/%s.%u.db", d->name, d->major) : WEFT_E_NOMEM;

    if (!err)
        err = wf_disk_join(n->conf->data, (const char *)name.ptr, &i->path);
    wf_buf_fini(&name);
    if (!err)
        err = open_fold(n, i, p);
    if (err) {
        if (i)
            close_inventory(i);
        return err;
    }
    i->product_id = d->id;
    i->next = n->inventory->first;
    n->inventory->first = i;
    return WEFT_OK;
}

struct inventory *wf_inventory_of(struct wf_node *n, struct wf_home_product *p)
{
    const struct wf_product *d = wf_home_descriptor(p);
    struct inventory *i = wf_inventory_find(n, &d->id);

    if (i || d->kind != WF_PRODUCT_INVENTORY || !wf_home_message(p))
        return i;
    return open_inventory(n, p) ? NULL : n->inventory->first;
}

// The product was applied anew. With the same schema the fold goes on; with another its file is made anew.
static void reopen(struct wf_node *n, struct inventory *i, struct wf_home_product *p)
{
    enum weft_err err = wf_fold_commit(i->fold);

    wf_fold_close(i->fold);
    i->fold = NULL;
    i->dirty = false;
    if (!err)
        err = open_fold(n, i, p);
    if (err)
        fail_fold(n, i, err);
}

// What failed once (memory, a disk that was full) may go now: from where the fold was committed last, which its file knows.
static void try_again(struct wf_node *n, struct inventory *i, struct wf_home_product *p)
{
    wf_fold_close(i->fold);
    i->fold = NULL;
    i->dirty = false;
    fail_fold(n, i, WEFT_OK);
    enum weft_err err = open_fold(n, i, p);
    if (err)
        fail_fold(n, i, err);
}

// It lived elsewhere meanwhile: what was folded here may not be what its log says now.
static void begin_anew(struct wf_node *n, struct inventory *i, struct wf_home_product *p)
{
    enum weft_err err = wf_fold_clear(i->fold);

    i->generation = wf_home_generation(p);
    if (err)
        fail_fold(n, i, err);
    else
        reopen(n, i, p);
}

// Products come and go by `weft product apply`.
static void inventory_tick(struct wf_node *n)
{
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p)) {
        const struct wf_product *d = wf_home_descriptor(p);
        if (d->kind != WF_PRODUCT_INVENTORY || !wf_home_message(p))
            continue;
        struct inventory *i = wf_inventory_of(n, p);
        if (!i)
            return; // said; tried again at the next tick
        if (i->failed && !i->replaying && wf_node_now_ms(n) >= i->retry_ms)
            try_again(n, i, p);
        else if (i->generation != wf_home_generation(p) && !i->replaying && !i->failed)
            begin_anew(n, i, p);
        else if (i->message != wf_home_message(p) && !i->replaying && !i->failed)
            reopen(n, i, p);
    }
    commit_all(n);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err inventory_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_inventory_room *r = calloc(1, sizeof *r);
    char *dir = NULL;

    if (!r)
        return WEFT_E_NOMEM;
    n->inventory = r;
    r->node = n;
    r->commit.fire = on_commit;
    enum weft_err err = wf_disk_join(n->conf->data, "inventory", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    free(dir);
    return err;
}

static enum weft_err inventory_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    return wf_stream_tap(n, on_entry, NULL);
}

static void inventory_drain(struct wf_node *n)
{
    wf_queries_cancel(n->inventory);
}

static void inventory_close(struct wf_node *n)
{
    struct wf_inventory_room *r = n->inventory;

    if (!r)
        return;
    wf_timer_cancel(n->loop, &r->commit);
    commit_all(n);
    while (r->first) {
        struct inventory *i = r->first;
        r->first = i->next;
        close_inventory(i);
    }
    free(r);
    n->inventory = NULL;
}

static void inventory_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    wf_metric(m, WF_METRIC_QUERIES, (double)n->inventory->queries);
    wf_metric(m, WF_METRIC_QUERIES_REFUSED, (double)n->inventory->refused);
    wf_metric(m, WF_METRIC_QUERIES_RUNNING, (double)n->inventory->running_count);
}

const struct wf_room wf_inventory_room = { .name = "inventory",
    .open = inventory_open,
    .start = inventory_start,
    .tick = inventory_tick,
    .drain = inventory_drain,
    .close = inventory_close,
    .metrics = inventory_metrics };
