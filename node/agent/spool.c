// SPDX-License-Identifier: Apache-2.0
// Records of this host into signed batches in the spool. A chain has no holes: what could not be kept (the spool is full, the disk failed) is
// said by a signed loss batch as soon as one can be kept. Acknowledgements come from the spool's thread through one box.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/say.h"
#include "node/storage.h"
#include "proto/stream/batch.h"
#include "sdk/disk.h"

// A batch on its way to the disk.
struct pending {
    struct pending *next;
    struct wf_agent_product *product;
    struct wf_incarnation incarnation;
    uint64_t first_seq;
    uint32_t count;
    size_t bytes;
    bool is_loss;
    struct wf_hash id;
    uint8_t publisher[WF_PUBLISHER_LEN];
    uint64_t publisher_next; // 0: none
    struct wf_spool_waiter *waiters;
    enum weft_err err;
};

// Filled by the spool's thread, emptied by the loop. Lives until its letter was read and the room has closed.
struct wf_spool_box {
    pthread_mutex_t lock;
    struct pending *first, **end;
    struct wf_mail mail;
    struct wf_node *node; // NULL: closed
    bool posted;
};

// ---- what was kept ---------------------------------------------------------------------------------------------------

void wf_spool_tell(struct wf_node *n, struct wf_spool_waiter *w, enum weft_err err)
{
    while (w) {
        struct wf_spool_waiter *next = w->next;
        if (w->done)
            w->done(n, w->arg, err);
        free(w);
        w = next;
    }
}

void wf_spool_lose(struct wf_agent_product *p, uint64_t records, const char *why)
{
    p->lost += records;
    p->node->uplink->lost_records += records;
    snprintf(p->lost_why, sizeof p->lost_why, "%s", why);
}

static const char *why_lost(const struct wf_agent_product *p)
{
    const struct wf_uplink_room *u = p->node->uplink;

    return p->held                       ? "spool share full"
           : u->told == WEFT_E_FULL      ? "spool full"
           : u->told == WEFT_E_READ_ONLY ? "disk read-only"
           : u->told == WEFT_E_NO_FILES  ? "no file descriptor left"
           : u->told                     ? "disk full"
                                         : "batch could not be made";
}

// A disk whose quota is used up reports room, takes what is appended, and fails the write: only the acknowledgement knows.
static void note_written(struct wf_node *n, enum weft_err err)
{
    bool failed = err == WEFT_E_NOSPACE;

    if (!failed && (err || !n->uplink->unwritten))
        return;
    n->uplink->unwritten = failed;
    wf_spool_note_full(n, err);
}

static void settle_publisher(struct wf_node *n, const struct pending *q)
{
    struct wf_spool_publisher *u =
        q->publisher_next ? wf_spool_publisher(n, &q->product->collect->product.id, q->publisher)
                          : NULL;

    if (!u)
        return;
    if (q->err) {
        u->ahead = u->durable;
        return;
    }
    if (q->publisher_next > u->durable)
        u->durable = q->publisher_next;
    n->uplink->publishers_dirty = true;
}

static void settle(struct wf_node *n, struct pending *q)
{
    struct wf_agent_product *p = q->product;
    struct wf_spool_chain *c = NULL;
    bool current = wf_incarnation_eq(&p->incarnation, &q->incarnation);

    p->pending--;
    note_written(n, q->err);
    settle_publisher(n, q);
    if (!q->err && !wf_spool_chain_need(n, &p->collect->product.id, &q->incarnation, &c)) {
        c->head = q->first_seq + q->count;
        c->bytes += q->bytes;
        if (!c->waits_since_ms)
            c->waits_since_ms = wf_node_now_unix_ms(n);
    }
    if (!q->err && q->is_loss && q->publisher_next)
        n->uplink->lost_records += q->count;
    if (!q->err && current) {
        p->durable_seq = q->first_seq + q->count;
        p->durable_last = q->id;
    } else if (q->err && current) {
        p->failing = true;
        if (q->is_loss && !q->publisher_next)
            p->lost += q->count; // counted already
        else
            wf_spool_lose(p, q->publisher_next ? 0 : q->count,
                n->uplink->unwritten ? why_lost(p) : "spool write failed");
    }
    if (p->failing && p->pending == 0) {
        p->next_seq = p->durable_seq;
        p->last = p->durable_last;
        p->failing = false;
    }
    wf_spool_tell(n, q->waiters, q->err);
    free(q);
}

static void open_box(struct wf_node *n)
{
    struct wf_spool_box *box = n->uplink->box;

    pthread_mutex_lock(&box->lock);
    struct pending *q = box->first;
    box->first = NULL;
    box->end = &box->first;
    pthread_mutex_unlock(&box->lock);
    while (q) {
        struct pending *next = q->next;
        settle(n, q);
        q = next;
    }
}

static void box_free(struct wf_spool_box *b)
{
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static struct wf_spool_box *box_of(struct wf_mail *m)
{
    return (struct wf_spool_box *)(void *)((char *)m - offsetof(struct wf_spool_box, mail));
}

static void box_drop(struct wf_mail *m)
{
    box_free(box_of(m)); // the room closed before the loop ended
}

static void box_opened(struct wf_mail *m)
{
    struct wf_spool_box *b = box_of(m);

    pthread_mutex_lock(&b->lock);
    b->posted = false;
    pthread_mutex_unlock(&b->lock);
    if (!b->node) {
        box_free(b);
        return;
    }
    open_box(b->node);
    wf_pushing(b->node);
}

// On the spool's thread.
static void on_acks(void *arg, const struct wf_log_ack *acks, size_t count)
{
    struct wf_spool_box *b = arg;

    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < count; i++) {
        struct pending *q = (struct pending *)(uintptr_t)acks[i].token;
        q->err = acks[i].err;
        q->next = NULL;
        *b->end = q;
        b->end = &q->next;
    }
    bool post = !b->posted;
    b->posted = true;
    pthread_mutex_unlock(&b->lock);
    // `must`: one letter at most is under way. When the loop is closed, what is in the box is taken at wf_spool_close.
    if (post && wf_loop_post(b->node->loop, &b->mail)) {
        pthread_mutex_lock(&b->lock);
        b->posted = false;
        pthread_mutex_unlock(&b->lock);
    }
}

static void on_note(void *arg, const struct wf_log_note *note)
{
    char text[256];

    (void)arg;
    // On the spool's thread or at open: one line, nothing of the node is touched.
    wf_log_note_text(note, text, sizeof text);
    wf_say_line(WF_LOG_WARN, "spool", text, NULL);
}

// ---- signing ---------------------------------------------------------------------------------------------------------

static enum weft_err append(struct wf_agent_product *p, struct wf_batch_header *h,
    struct wf_bytes stored, struct pending *q)
{
    struct wf_node *n = p->node;
    struct wf_buf envelope = { 0 }, batch = { 0 };
    struct wf_spool_chain *c = NULL;
    enum weft_err err = wf_spool_chain_need(n, &h->product_id, &h->incarnation, &c);

    if (!err)
        err = wf_batch_sign(h, stored, &n->keys.sign, &envelope, &q->id);
    if (!err)
        err = wf_batch_pack(wf_buf_view(&envelope), stored, &batch);
    if (!err) {
        struct wf_log_item item = { .product = c->key,
            .first = h->first_seq,
            .count = h->count,
            .time_ms = wf_node_now_unix_ms(n),
            .kind = (uint8_t)h->kind,
            .sealed = wf_storage_seals(&p->collect->product),
            .durability = p->collect->product.durability == WF_DURABILITY_PROCESS ? WF_LOG_PROCESS
                                                                                  : WF_LOG_DISK,
            .body = wf_buf_view(&batch) };
        q->bytes = batch.len;
        err = wf_log_append(n->log, &item, (uint64_t)(uintptr_t)q);
    }
    wf_buf_fini(&envelope);
    wf_buf_fini(&batch);
    return err;
}

// Nothing of the product goes into the spool now.
static bool is_shut(struct wf_agent_product *p)
{
    return wf_spool_is_full(p->node) || wf_spool_is_held(p);
}

// Everything but kind, count and payload, which the caller has filled in. q is taken on success.
static enum weft_err seal(struct wf_agent_product *p, struct wf_batch_header *h,
    struct wf_bytes stored, struct pending *q)
{
    struct wf_node *n = p->node;

    h->product_id = p->collect->product.id;
    h->schema_hash = p->collect->product.schema_hash;
    h->certificate = n->identity.cert.id;
    h->incarnation = p->incarnation;
    h->first_seq = p->next_seq;
    h->previous = p->last;
    q->product = p;
    q->incarnation = p->incarnation;
    q->first_seq = p->next_seq;
    q->count = h->count;
    q->is_loss = h->kind == WF_BATCH_LOSS;
    p->pending++; // before: the acknowledgement comes from another thread, but is read on this one
    enum weft_err err = append(p, h, stored, q);
    if (err) {
        p->pending--;
        wf_spool_note_full(n, err);
        return err;
    }
    p->next_seq += h->count;
    p->last = q->id;
    if (!n->uplink->unwritten)
        wf_spool_note_full(n, WEFT_OK);
    return WEFT_OK;
}

// What is lost is said before anything else.
static enum weft_err say_loss(struct wf_agent_product *p)
{
    int64_t now_us = wf_node_now_unix_ms(p->node) * 1000;
    struct wf_batch_header h = { .kind = WF_BATCH_LOSS,
        .count = (uint32_t)(p->lost < WF_MAX_LOSS_RECORDS ? p->lost : WF_MAX_LOSS_RECORDS),
        .base_us = now_us,
        .min_us = now_us,
        .max_us = now_us };
    struct pending *q = calloc(1, sizeof *q);

    if (!q)
        return WEFT_E_NOMEM;
    snprintf(h.loss_reason, sizeof h.loss_reason, "%s", p->lost_why);
    enum weft_err err = seal(p, &h, wf_bytes(NULL, 0), q);
    if (err)
        free(q);
    else
        p->lost -= h.count;
    return err;
}

enum weft_err wf_spool_seal_dropped(struct wf_agent_product *p, uint32_t count,
    const uint8_t *publisher, uint64_t publisher_next, struct wf_spool_waiter *waiters)
{
    int64_t now_us = wf_node_now_unix_ms(p->node) * 1000;
    struct wf_batch_header h = { .kind = WF_BATCH_LOSS,
        .count = count,
        .base_us = now_us,
        .min_us = now_us,
        .max_us = now_us,
        .publisher_seq = publisher_next - 1,
        .loss_reason = "dropped: the publisher's queue was full" };
    enum weft_err err = p->lost ? say_loss(p) : WEFT_OK;
    struct pending *q = err ? NULL : calloc(1, sizeof *q);

    if (!q)
        return err ? err : WEFT_E_NOMEM;
    memcpy(h.publisher, publisher, WF_PUBLISHER_LEN);
    memcpy(q->publisher, publisher, WF_PUBLISHER_LEN);
    q->publisher_next = publisher_next;
    q->waiters = waiters;
    err = seal(p, &h, wf_bytes(NULL, 0), q);
    if (err)
        free(q);
    return err;
}

static bool can_seal(const struct wf_agent_product *p)
{
    return !p->failing && p->pending < WF_SPOOL_PENDING && p->node->has_certificate;
}

enum weft_err wf_spool_seal(struct wf_agent_product *p, struct wf_records *r,
    const uint8_t *publisher, uint64_t publisher_next, struct wf_spool_waiter *waiters)
{
    struct wf_batch_header h = { .kind = WF_BATCH_DATA,
        .count = r->count,
        .raw_len = (uint32_t)r->raw.len,
        .base_us = r->base_us,
        .min_us = r->min_us,
        .max_us = r->max_us };
    struct wf_buf stored = { 0 };
    struct pending *q = NULL;
    enum weft_err err = p->lost ? say_loss(p) : WEFT_OK;

    if (!err)
        err = wf_compress(wf_compression_of(p->collect->product.packing, WF_COMPRESS_ZSTD),
            wf_buf_view(&r->raw), &stored, &h.compression);
    q = err ? NULL : calloc(1, sizeof *q);
    if (!err && !q)
        err = WEFT_E_NOMEM;
    if (!err && publisher_next) {
        memcpy(h.publisher, publisher, WF_PUBLISHER_LEN);
        memcpy(q->publisher, publisher, WF_PUBLISHER_LEN);
        h.publisher_seq = publisher_next - 1;
        q->publisher_next = publisher_next;
    }
    if (!err) {
        q->waiters = waiters;
        err = seal(p, &h, wf_buf_view(&stored), q);
        if (err)
            free(q);
    }
    wf_buf_fini(&stored);
    return err;
}

void wf_spool_flush(struct wf_agent_product *p)
{
    struct wf_node *n = p->node;
    struct wf_spool_waiter *w = p->waiters;

    wf_timer_cancel(n->loop, &p->linger);
    if (!p->open.count && !p->lost)
        return;
    if (!can_seal(p)) { // soon again; what gathers meanwhile is bounded by BUSY in originate
        if (!n->uplink->closed && wf_timer_set(n->loop, &p->linger, wf_node_now_ms(n) + 200))
            wf_say(n, WF_LOG_WARN, "spool", "out of memory: a batch waits for the next", NULL);
        return;
    }
    if (!p->open.count) {
        enum weft_err said = is_shut(p) ? WEFT_E_FULL : say_loss(p);
        (void)said; // full still: the alarm says so, and the next flush tries again
        return;
    }
    p->waiters = NULL;
    enum weft_err err = is_shut(p) ? WEFT_E_FULL : wf_spool_seal(p, &p->open, NULL, 0, w);
    if (err) {
        wf_spool_lose(p, p->open.count, why_lost(p));
        wf_spool_tell(n, w, err);
    }
    wf_records_fini(&p->open); // seconds pass before the next
}

void wf_spool_linger(struct wf_timer *t)
{
    wf_spool_flush(
        (struct wf_agent_product *)(void *)((char *)t - offsetof(struct wf_agent_product, linger)));
}

// ---- life ------------------------------------------------------------------------------------------------------------

enum weft_err wf_spool_begin_chain(struct wf_agent_product *p)
{
    struct wf_uplink_room *u = p->node->uplink;
    uint64_t random = 0;
    uint8_t be[8];

    wf_random(&random, sizeof random);
    struct wf_incarnation i =
        wf_incarnation_next(u->last_counter, wf_node_now_unix_ms(p->node), 0, random);
    wf_store_be64(be, i.counter);
    enum weft_err err = wf_meta_put(&u->vfs, u->meta_dir, "incarnation", WF_BYTES(be));
    if (err)
        return err;
    u->last_counter = i.counter;
    p->incarnation = i;
    p->next_seq = p->durable_seq = 0;
    p->last = p->durable_last = (struct wf_hash){ { 0 } };
    p->failing = false;
    return WEFT_OK;
}

static enum weft_err open_log(struct wf_node *n, struct wf_diag *diag)
{
    uint64_t bytes = n->conf->spool.bytes, segment = bytes / 16;
    char *dir = NULL;
    struct wf_log_conf conf = { .class_name = "spool",
        .storage_key = &n->uplink->storage_key,
        .done = on_acks,
        .done_arg = n->uplink->box,
        .note = on_note,
        .diag = diag,
        .segment_bytes = segment < 65536          ? 65536
                         : segment > 16u * WF_MIB ? 16u * WF_MIB
                                                  : segment,
        .retain_bytes = bytes,
        .keep_unreleased = true,
        .forget_empty = true,
        // 0 would mean the log's own default
        .stop_free_permille = n->conf->min_free_percent ? n->conf->min_free_percent * 10 : 1 };
    enum weft_err err = wf_storage_key_load(n->conf->data, &n->uplink->storage_key, diag);

    if (!err)
        err = wf_disk_join(n->conf->data, "spool", &dir);
    // Whose spool it is: the key's, so that a copied directory is not another host's.
    wf_blake2b(wf_bytes(n->keys.sign_pub.b, WF_KEY_LEN), &conf.store_id);
    conf.dir = dir;
    if (!err)
        err = wf_log_worker_new(&n->uplink->vfs, true, &n->uplink->worker);
    if (!err)
        err = wf_log_open(n->uplink->worker, &conf, wf_node_now_unix_ms(n), &n->log);
    if (err && !diag->text[0])
        wf_diag_set(diag, 0, 0, "%s: %s", dir ? dir : "spool", weft_err_text(err));
    free(dir);
    return err;
}

static enum weft_err load_counter(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf kept = { 0 };
    enum weft_err err = wf_meta_get(&u->vfs, u->meta_dir, "incarnation", &kept);

    // Lost or damaged: the clock is above every counter that was used before.
    if (!err && kept.len == 8)
        u->last_counter = wf_load_be64(kept.ptr);
    wf_buf_fini(&kept);
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

enum weft_err wf_spool_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_spool_box *box = calloc(1, sizeof *box);

    if (!box)
        return WEFT_E_NOMEM;
    n->uplink->box = box;
    pthread_mutex_init(&box->lock, NULL);
    box->end = &box->first;
    box->node = n;
    box->mail = (struct wf_mail){
        .open = box_opened, .drop = box_drop, .class = WF_MAIL_LIVE, .must = true
    };
    enum weft_err err = load_counter(n);
    if (!err)
        err = open_log(n, diag);
    return err ? err : wf_spool_recover(n, diag);
}

void wf_spool_tick(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    u->full = WEFT_OK; // the next append tells
    wf_spool_see_room(n);
    wf_pushing_age(n);
    for (struct wf_agent_product *p = u->products; p; p = p->next)
        if (p->lost && !p->open.count && can_seal(p))
            wf_spool_flush(p);
    for (struct wf_agent_product *p = u->products; p; p = p->next)
        if (p->held)
            (void)wf_spool_is_held(p); // the alarm ends with what it is about
    if (u->publishers_dirty && wf_spool_save_publishers(n))
        wf_say(n, WF_LOG_WARN, "spool", "the marks of publishers could not be kept", NULL);
}

void wf_spool_sizes(struct wf_node *n, uint64_t *ret_bytes, uint64_t *ret_records)
{
    struct wf_log_stats stats = { 0 };
    uint64_t records = 0;

    for (const struct wf_spool_chain *c = n->uplink->chains; c; c = c->next)
        records += c->head - c->released;
    if (n->log && records)
        wf_log_stats(n->log, &stats);
    *ret_bytes = stats.bytes;
    *ret_records = records;
}

void wf_spool_close(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    struct wf_spool_box *box = u->box;

    if (!box)
        return;
    for (struct wf_agent_product *p = u->products; p; p = p->next) {
        wf_spool_flush(p);
        wf_timer_cancel(n->loop, &p->linger);
    }
    if (n->log)
        wf_log_close(n->log);
    n->log = NULL;
    open_box(n);
    for (struct wf_agent_product *p = u->products; p; p = p->next) {
        wf_spool_tell(n, p->waiters, WEFT_E_CLOSED);
        p->waiters = NULL;
    }
    if (u->publishers_dirty && wf_spool_save_publishers(n))
        wf_say(n, WF_LOG_WARN, "spool", "the marks of publishers could not be kept", NULL);
    if (u->worker)
        wf_log_worker_free(u->worker);
    wf_secret_fini(&u->storage_key);
    while (u->chains)
        wf_spool_chain_drop(n, u->chains);
    free(u->publishers);
    box->node = NULL;
    if (!box->posted)
        box_free(box);
    u->box = NULL;
}
