// SPDX-License-Identifier: Apache-2.0
// Opening and closing, the queue, and what is answered from memory.
#include "node/log/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/log_priv.h"

#define SEGMENT_BYTES (64u * 1024u * 1024u)
#define SEGMENT_MIN   (4u * WF_SEG_COPY_AT)
#define QUEUE_BYTES   (64u * 1024u * 1024u)
#define STOP_PERMILLE 50u

// ---- open and close ----------------------------------------------------------------------------------------------------

static void free_log(struct wf_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct wf_segment *s = log->segments[i];
        assert(s->readers == 0);
        if (s->file >= 0)
            log->vfs->close(log->vfs->ctx, s->file);
        free(s);
    }
    free(log->segments);
    wf_index_fini(&log->index);
    if (log->lock_file >= 0)
        log->vfs->close(log->vfs->ctx, log->lock_file);
    wf_secret_fini(&log->key);
    wf_buf_fini(&log->scratch);
    pthread_mutex_destroy(&log->lock);
    free(log->dir);
    free(log);
}

static enum weft_err check_conf(const struct wf_log_conf *conf)
{
    if (!conf->done || !wf_name_is_valid(wf_bytes_str(conf->class_name)))
        return WEFT_E_USAGE;
    if (conf->storage_key && conf->storage_key->len != WF_KEY_LEN)
        return WEFT_E_KEY;
    return strlen(conf->dir) > WF_LOG_PATH - 64 ? WEFT_E_TOO_BIG : WEFT_OK;
}

static void set_defaults(struct wf_log_conf *conf)
{
    if (conf->segment_bytes == 0) {
        conf->segment_bytes = SEGMENT_BYTES;
        if (conf->retain_bytes && conf->segment_bytes > conf->retain_bytes / 8)
            conf->segment_bytes = conf->retain_bytes / 8; // dropping one is to be a small step
    }
    if (conf->segment_bytes < SEGMENT_MIN)
        conf->segment_bytes = SEGMENT_MIN;
    if (conf->segment_bytes > WF_SEG_MAX / 2)
        conf->segment_bytes = WF_SEG_MAX / 2;
    if (conf->queue_bytes == 0)
        conf->queue_bytes = QUEUE_BYTES;
    if (conf->stop_free_permille == 0)
        conf->stop_free_permille = STOP_PERMILLE;
}

// One allocation for both names.
static enum weft_err copy_names(struct wf_log *log)
{
    size_t dir = strlen(log->conf.dir) + 1, name = strlen(log->conf.class_name) + 1;

    log->dir = malloc(dir + name);
    if (!log->dir)
        return WEFT_E_NOMEM;
    memcpy(log->dir, log->conf.dir, dir);
    memcpy(log->dir + dir, log->conf.class_name, name);
    log->conf.dir = log->dir;
    log->conf.class_name = log->dir + dir;
    return WEFT_OK;
}

// Makes a new directory's name durable.
static enum weft_err sync_parent(struct wf_log *log)
{
    char parent[WF_LOG_PATH];
    const char *slash = strrchr(log->dir, '/');

    if (!slash)
        return log->vfs->sync_dir(log->vfs->ctx, ".");
    size_t len = slash == log->dir ? 1 : (size_t)(slash - log->dir);
    memcpy(parent, log->dir, len);
    parent[len] = '\0';
    return log->vfs->sync_dir(log->vfs->ctx, parent);
}

static enum weft_err take_dir(struct wf_log *log)
{
    const struct wf_vfs *vfs = log->vfs;
    char path[WF_LOG_PATH];
    enum weft_err err = vfs->mkdir(vfs->ctx, log->dir);

    if (!err)
        err = sync_parent(log);
    if (err && err != WEFT_E_EXISTS)
        return err;
    snprintf(path, sizeof path, "%s/lock", log->dir);
    return vfs->lock(vfs->ctx, path, &log->lock_file);
}

enum weft_err wf_log_open(
    struct wf_log_worker *w, const struct wf_log_conf *conf, int64_t now_ms, struct wf_log **ret)
{
    enum weft_err err = check_conf(conf);

    if (err)
        return err;
    struct wf_log *log = calloc(1, sizeof *log);
    if (!log)
        return WEFT_E_NOMEM;
    log->worker = w;
    log->vfs = &w->vfs;
    log->conf = *conf;
    log->lock_file = -1;
    log->queue_tail = &log->queue;
    pthread_mutex_init(&log->lock, NULL);
    set_defaults(&log->conf);
    err = copy_names(log);
    if (!err && conf->storage_key)
        err = wf_secret_new(WF_KEY_LEN, &log->key);
    if (!err)
        err = take_dir(log);
    if (!err)
        err = wf_log_recover(log, now_ms);
    log->conf.diag = NULL; // of the open alone
    if (err) {
        free_log(log);
        return err;
    }
    pthread_mutex_lock(&w->lock);
    log->next = w->logs;
    w->logs = log;
    pthread_mutex_unlock(&w->lock);
    *ret = log;
    return WEFT_OK;
}

// Waits until the worker has done what `done` asks about, or does it here when there is no thread. Under its lock.
static void wait_until(struct wf_log *log, bool (*done)(const struct wf_log *log))
{
    struct wf_log_worker *w = log->worker;

    pthread_cond_signal(&w->wake);
    while (!done(log)) {
        if (w->threaded)
            pthread_cond_wait(&w->idle, &w->lock);
        else
            wf_log_turn_all(w, false);
    }
}

static bool is_closed(const struct wf_log *log)
{
    return log->closed && !log->busy;
}

static bool is_flushed(const struct wf_log *log)
{
    return !log->flush_due;
}

void wf_log_close(struct wf_log *log)
{
    if (!log)
        return;
    struct wf_log_worker *w = log->worker;
    pthread_mutex_lock(&w->lock);
    log->closing = true;
    wait_until(log, is_closed);
    struct wf_log **p = &w->logs;
    while (*p != log)
        p = &(*p)->next;
    *p = log->next;
    pthread_mutex_unlock(&w->lock);
    free_log(log);
}

void wf_log_flush(struct wf_log *log)
{
    pthread_mutex_lock(&log->worker->lock);
    log->flush_due = true;
    log->flush_target = log->appended;
    wait_until(log, is_flushed);
    pthread_mutex_unlock(&log->worker->lock);
}

// ---- append ------------------------------------------------------------------------------------------------------------

static enum weft_err check_item(const struct wf_log *log, const struct wf_log_item *item)
{
    if (item->kind > WF_LOG_KIND_MAX || item->first > UINT64_MAX - item->count)
        return WEFT_E_RANGE;
    if (item->head.len > WF_LOG_BODY_MAX || item->body.len > WF_LOG_BODY_MAX - item->head.len)
        return WEFT_E_TOO_BIG;
    if (item->sealed && !log->conf.storage_key)
        return WEFT_E_KEY;
    return (enum weft_err)atomic_load(&log->stopped);
}

static struct wf_log_node *make_node(const struct wf_log_item *item, uint64_t token)
{
    size_t plain = item->head.len + item->body.len;
    size_t stored = plain + (item->sealed ? WF_ITEM_SEAL_LEN : 0);
    // A body has one check over all of it, so what is lent is lent whole.
    bool lent = item->lent && !item->sealed && !item->head.len;
    struct wf_log_node *n = malloc(sizeof *n + WF_ITEM_HEAD_LEN + (lent ? 0 : stored));

    if (!n)
        return NULL;
    *n = (struct wf_log_node){ .token = token,
        .durability = item->durability,
        .plain_len = (uint32_t)plain,
        .lent = lent ? item->body : wf_bytes(NULL, 0),
        .item = { .product = item->product,
            .first = item->first,
            .count = item->count,
            .body_len = (uint32_t)stored,
            .time_ms = item->time_ms,
            .kind = item->kind } };
    n->item.flags =
        (uint8_t)((item->sealed ? WF_ITEM_SEALED : 0) | (item->jump ? WF_ITEM_JUMP : 0));
    uint8_t *body = n->bytes + WF_ITEM_HEAD_LEN + (item->sealed ? WF_XNONCE_LEN : 0);
    if (item->head.len)
        memcpy(body, item->head.ptr, item->head.len);
    if (item->body.len && !lent)
        memcpy(body + item->head.len, item->body.ptr, item->body.len);
    return n;
}

enum weft_err wf_log_append(struct wf_log *log, const struct wf_log_item *item, uint64_t token)
{
    const struct wf_log_conf *conf = &log->conf;
    struct wf_log_worker *w = log->worker;
    enum weft_err err = check_item(log, item);

    if (err)
        return err;
    struct wf_log_node *n = make_node(item, token);
    if (!n)
        return WEFT_E_NOMEM;
    uint64_t len = WF_ITEM_HEAD_LEN + (uint64_t)n->item.body_len;

    pthread_mutex_lock(&w->lock);
    uint64_t all = atomic_load(&log->bytes) + log->queue_bytes + len;
    if (log->closing)
        err = WEFT_E_CLOSED;
    else if (log->queue_bytes + len > conf->queue_bytes)
        err = WEFT_E_FULL;
    else if (conf->keep_unreleased && conf->retain_bytes && all > conf->retain_bytes)
        err = WEFT_E_FULL;
    log->refused += err == WEFT_E_FULL;
    if (!err) {
        *log->queue_tail = n;
        log->queue_tail = &n->next;
        log->queue_items++;
        log->queue_bytes += len;
        log->appended++;
        if (w->hosted && pthread_equal(w->host, pthread_self()))
            w->owed = true; // it comes to wf_log_worker_serve
        else
            pthread_cond_signal(&w->wake);
        n = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    free(n);
    return err;
}

// ---- answers from memory, and requests ---------------------------------------------------------------------------------

// Under the lock.
static void fill_range(const struct wf_product *p, struct wf_log_range *ret)
{
    *ret = (struct wf_log_range){ .floor = p->floor, .head = p->head, .pin = p->pin };
    for (uint32_t i = p->part_count; i > 0 && ret->last_ms == 0; i--) {
        const struct wf_part *part = p->parts[i - 1];
        if (part->items > 0 && part->end > p->floor)
            ret->last_ms = part->time_ms;
    }
}

enum weft_err wf_log_range(
    struct wf_log *log, const struct wf_hash *product, struct wf_log_range *ret)
{
    enum weft_err err = WEFT_E_NOT_FOUND;

    pthread_mutex_lock(&log->lock);
    const struct wf_product *p = wf_index_find(&log->index, product);
    if (p && !p->fresh) {
        fill_range(p, ret);
        err = WEFT_OK;
    }
    pthread_mutex_unlock(&log->lock);
    return err;
}

void wf_log_products(struct wf_log *log, wf_log_product_fn fn, void *arg)
{
    struct wf_log_range range;
    size_t slot = 0;

    pthread_mutex_lock(&log->lock);
    for (const struct wf_product *p = wf_index_next(&log->index, &slot); p;
         p = wf_index_next(&log->index, &slot)) {
        if (p->fresh)
            continue;
        fill_range(p, &range);
        fn(arg, &p->id, &range);
    }
    pthread_mutex_unlock(&log->lock);
}

enum weft_err wf_log_pin(struct wf_log *log, const struct wf_hash *product, uint64_t offset)
{
    enum weft_err err = WEFT_E_NOT_FOUND;

    pthread_mutex_lock(&log->lock);
    struct wf_product *p = wf_index_find(&log->index, product);
    if (p && !p->fresh) {
        p->pin = offset;
        err = WEFT_OK;
    }
    pthread_mutex_unlock(&log->lock);
    return err;
}

enum weft_err wf_log_release(struct wf_log *log, const struct wf_hash *product, uint64_t up_to)
{
    enum weft_err err = WEFT_E_NOT_FOUND;
    bool moved = false;

    pthread_mutex_lock(&log->lock);
    struct wf_product *p = wf_index_find(&log->index, product);
    if (p && !p->fresh) {
        uint64_t floor = up_to < p->head ? up_to : p->head;
        moved = floor > p->floor;
        if (moved) {
            p->floor = floor;
            log->dirty_floors += !p->floor_dirty;
            p->floor_dirty = true;
        }
        err = WEFT_OK;
    }
    pthread_mutex_unlock(&log->lock);
    if (moved) {
        pthread_mutex_lock(&log->worker->lock);
        log->gc_due = true;
        pthread_cond_signal(&log->worker->wake);
        pthread_mutex_unlock(&log->worker->lock);
    }
    return err;
}

void wf_log_retain(struct wf_log *log, int64_t now_ms)
{
    pthread_mutex_lock(&log->worker->lock);
    log->retain_due = true;
    log->retain_now = now_ms;
    pthread_cond_signal(&log->worker->wake);
    pthread_mutex_unlock(&log->worker->lock);
}

const char *wf_log_dir(const struct wf_log *log)
{
    return log->dir;
}

void wf_log_stats(struct wf_log *log, struct wf_log_stats *ret)
{
    struct wf_log_stats s;

    pthread_mutex_lock(&log->lock);
    s = log->stats;
    s.segments = log->segment_count;
    s.items = 0;
    for (size_t i = 0; i < log->segment_count; i++)
        s.items += log->segments[i]->items;
    pthread_mutex_unlock(&log->lock);
    s.bytes = atomic_load(&log->bytes);
    s.stopped = (enum weft_err)atomic_load(&log->stopped);
    pthread_mutex_lock(&log->worker->lock);
    s.queue_items = log->queue_items;
    s.queue_bytes = log->queue_bytes;
    s.queue_max = log->conf.queue_bytes;
    s.refused_items = log->refused;
    pthread_mutex_unlock(&log->worker->lock);
    *ret = s;
}

void wf_log_note_text(const struct wf_log_note *n, char *out, size_t len)
{
    static const char *const what[WF_LOG_NOTE_COUNT] = {
        [WF_LOG_NOTE_TORN] = "unfinished tail cut",
        [WF_LOG_NOTE_DAMAGED] = "damaged",
        [WF_LOG_NOTE_TRUNCATED] = "shorter than when it was closed",
        [WF_LOG_NOTE_INDEX] = "index rebuilt",
        [WF_LOG_NOTE_STORE] = "store identity rewritten",
        [WF_LOG_NOTE_WRITE] = "write failed, segment closed",
        [WF_LOG_NOTE_SYNC] = "sync failed, segment closed",
        [WF_LOG_NOTE_DROPPED] = "dropped by retention",
        [WF_LOG_NOTE_STOPPED] = "appends refused",
        [WF_LOG_NOTE_RESUMED] = "appends taken again",
    };
    char product[2 * WF_HASH_LEN + 1];

    if (n->kind == WF_LOG_NOTE_DROPPED) {
        wf_hex_put(wf_bytes(n->product.b, 8), product);
        snprintf(out, len, "segment %llx: %s: product %s offsets %llu to %llu",
            (unsigned long long)n->segment, what[n->kind], product, (unsigned long long)n->first,
            (unsigned long long)n->end);
        return;
    }
    snprintf(out, len, "segment %llx: %s: %llu bytes at %llu%s%s", (unsigned long long)n->segment,
        what[n->kind], (unsigned long long)n->len, (unsigned long long)n->at, n->err ? ": " : "",
        n->err ? weft_err_text(n->err) : "");
}
