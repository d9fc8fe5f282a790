// SPDX-License-Identifier: Apache-2.0
// Segments as files: making, closing and dropping them. A segment's name is its number; a number is never used twice.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/log_priv.h"
#include "proto/base/limits.h"

#define CREATE_TRIES 16     // files left by failed creations that could not be removed either
#define SYNC_WORST   10000u // us: as slow as counts
// Of the active segment the newest stay in the page cache: as much as a stream is ahead of its fastest reader, so that those who follow close behind
// it are served from memory.
#define CACHED_BYTES (16u * WF_MIB)
#define CACHED_STEP  (1u * WF_MIB) // what is older is given back in pieces of
#define CACHED_MAX   2u // and at its end a segment as a whole, when another came after it

void wf_log_path(
    const struct wf_log *log, uint64_t number, const char *suffix, char out[WF_LOG_PATH])
{
    int n =
        snprintf(out, WF_LOG_PATH, "%s/%016llx%s", log->dir, (unsigned long long)number, suffix);

    assert(n > 0 && n < (int)WF_LOG_PATH); // wf_log_open limits dir
    (void)n;
}

void wf_log_note(const struct wf_log *log, const struct wf_log_note *note)
{
    if (log->conf.note)
        log->conf.note(log->conf.note_arg, note);
}

void wf_log_note_at(struct wf_log *log, enum wf_log_note_kind kind, const struct wf_segment *s,
    uint64_t at, uint64_t len)
{
    wf_log_note(log,
        &(struct wf_log_note){ .kind = kind, .segment = s->head.number, .at = at, .len = len });
}

uint64_t wf_log_last_number(const struct wf_log *log)
{
    return log->segment_count ? log->segments[log->segment_count - 1]->head.number : 0;
}

enum weft_err wf_log_add_segment(struct wf_log *log, struct wf_segment *s)
{
    enum weft_err err = WEFT_OK;

    pthread_mutex_lock(&log->lock);
    if (log->segment_count == log->segment_cap) {
        size_t cap = log->segment_cap ? 2 * log->segment_cap : 16;
        struct wf_segment **more = realloc(log->segments, cap * sizeof(struct wf_segment *));
        if (more) {
            log->segments = more;
            log->segment_cap = cap;
        } else {
            err = WEFT_E_NOMEM;
        }
    }
    if (!err) {
        log->segments[log->segment_count++] = s;
        if (s->file >= 0)
            log->open_files++;
    }
    pthread_mutex_unlock(&log->lock);
    return err;
}

// Products that the table of heads must carry on. One with nothing left may be forgotten when the owner wants that.
static bool has_row(const struct wf_log *log, const struct wf_product *p)
{
    bool empty = p->part_count == 0 && p->floor >= p->head;

    return !p->fresh && !(log->conf.forget_empty && empty);
}

// The whole start of a segment: both headers and the table of heads as its first item.
static enum weft_err build_start(
    struct wf_log *log, const struct wf_seg_head *head, struct wf_buf *out)
{
    struct wf_seg_item item = { .kind = WF_ITEM_HEADS, .time_ms = head->created_ms };
    struct wf_product *p;
    size_t slot = 0, body_at = WF_SEG_DATA + WF_ITEM_HEAD_LEN;
    uint8_t *row;

    out->len = 0;
    enum weft_err err = wf_buf_reserve(out, body_at + log->index.product_count * WF_LOG_HEADS_ROW);
    if (err)
        return err;
    memset(out->ptr, 0, body_at);
    row = out->ptr + body_at;
    pthread_mutex_lock(&log->lock); // floors move under it
    log->dirty_floors =
        0; // the table has them all; should it not be written, no other segment can be before one is
    for (p = wf_index_next(&log->index, &slot); p; p = wf_index_next(&log->index, &slot)) {
        p->floor_dirty = false;
        if (!has_row(log, p))
            continue;
        memcpy(row, p->id.b, WF_HASH_LEN);
        wf_store_be64(row + WF_HASH_LEN, p->head);
        wf_store_be64(row + WF_HASH_LEN + 8, p->floor);
        row += WF_LOG_HEADS_ROW;
        item.count++;
    }
    pthread_mutex_unlock(&log->lock);
    out->len = (size_t)(row - out->ptr);
    item.body_len = (uint32_t)(out->len - body_at);
    wf_seg_body_check(
        head->salt, WF_SEG_DATA, wf_bytes(out->ptr + body_at, item.body_len), item.body_check);
    wf_seg_head_put(head, out->ptr);
    wf_seg_head_put(head, out->ptr + WF_SEG_COPY_AT);
    wf_seg_item_put(&item, head->salt, WF_SEG_DATA, out->ptr + WF_SEG_DATA);
    return WEFT_OK;
}

static enum weft_err create_file(struct wf_log *log, struct wf_segment *s, char path[WF_LOG_PATH])
{
    enum weft_err err = WEFT_E_EXISTS;

    for (int i = 0; i < CREATE_TRIES && err == WEFT_E_EXISTS; i++) {
        s->head.number++;
        wf_log_path(log, s->head.number, ".seg", path);
        err = log->vfs->open(log->vfs->ctx, path, WF_VFS_CREATE, &s->file);
    }
    return err == WEFT_E_EXISTS ? WEFT_E_IO : err;
}

// Header, heads and the name are on the disk before the first item is written.
static enum weft_err write_start(struct wf_log *log, struct wf_segment *s)
{
    const struct wf_vfs *vfs = log->vfs;
    struct wf_buf *start = &log->scratch;
    const struct wf_secret *key = log->conf.storage_key;

    wf_seg_head_secure(&s->head, key, key ? log->key.ptr : NULL);
    enum weft_err err = build_start(log, &s->head, start);
    if (err)
        return err;
    struct iovec part = { start->ptr, start->len };
    err = vfs->write(vfs->ctx, s->file, 0, &part, 1);
    if (!err)
        err = vfs->sync(vfs->ctx, s->file);
    if (!err)
        err = vfs->sync_dir(vfs->ctx, log->dir);
    s->end = start->len;
    return err;
}

// What is read again soon is new. Pages that are given back are written to next: on a virtual machine, whose host takes memory that lies
// idle, a fresh page costs many times what it takes to fill it (docs/internals/performance.md). Call after a sync.
void wf_log_uncache(struct wf_log *log)
{
    const struct wf_vfs *vfs = log->vfs;
    uint64_t to = log->end / CACHED_STEP * CACHED_STEP;

    if (!vfs->uncache || to < log->given + CACHED_BYTES + CACHED_STEP)
        return;
    to -= CACHED_BYTES;
    vfs->uncache(vfs->ctx, log->active->file, log->given, to);
    log->given = to;
}

// The rest of it, and what readers of long ago brought back.
static void uncache_older(struct wf_log *log)
{
    struct wf_segment *s = NULL;
    int file = -1;

    pthread_mutex_lock(&log->lock);
    if (log->vfs->uncache && log->segment_count > CACHED_MAX)
        s = log->segments[log->segment_count - 1 - CACHED_MAX];
    if (s)
        s->readers++;
    pthread_mutex_unlock(&log->lock);
    if (!s)
        return;
    if (!wf_log_borrow(log, s, &file))
        log->vfs->uncache(log->vfs->ctx, file, 0, 0);
    wf_log_return(log, s);
}

enum weft_err wf_log_roll(struct wf_log *log, int64_t created_ms)
{
    const struct wf_segment *prev =
        log->segment_count ? log->segments[log->segment_count - 1] : NULL;
    struct wf_segment *s = calloc(1, sizeof *s);
    char path[WF_LOG_PATH];
    enum weft_err err;

    assert(!log->active);
    if (!s)
        return WEFT_E_NOMEM;
    s->file = -1;
    s->readable = true;
    s->time_ms = created_ms;
    s->head = (struct wf_seg_head){ .store_id = log->conf.store_id,
        .number = wf_log_last_number(log),
        .prev_number = prev ? prev->head.number : 0,
        .prev_end = prev ? prev->end : 0,
        .created_ms = created_ms };
    snprintf(s->head.class_name, WF_SEG_CLASS, "%s", log->conf.class_name);
    err = create_file(log, s, path);
    if (err)
        goto out;
    err = write_start(log, s);
    if (!err)
        err = wf_log_add_segment(log, s);
    if (err) {
        log->vfs->close(log->vfs->ctx, s->file);
        (void)log->vfs->unlink(log->vfs->ctx, path);
        goto out;
    }
    pthread_mutex_lock(&log->lock);
    log->active = s;
    pthread_mutex_unlock(&log->lock);
    log->end = log->ahead = s->end;
    log->given = 0;
    log->unsynced = log->ahead_failed = false;
    atomic_fetch_add(&log->bytes, s->end);
    s = NULL;
    uncache_older(log);
out:
    free(s);
    return err;
}

const uint32_t wf_log_sync_bounds_us[WF_LOG_SYNC_BOUNDS] = { 50, 100, 200, 500, 1000, 2000, 5000,
    10000, 20000, 50000, 100000, 500000, 2000000 };
const uint32_t wf_log_group_bounds[WF_LOG_GROUP_BOUNDS] = { 1, 2, 4, 8, 16, 32, 64, 128, 256 };

static size_t class_of(const uint32_t *bounds, size_t count, uint64_t value)
{
    size_t i = 0;

    while (i < count && value > bounds[i])
        i++;
    return i;
}

void wf_log_count_group(struct wf_log *log, size_t items)
{
    size_t i = class_of(wf_log_group_bounds, WF_LOG_GROUP_BOUNDS, items);

    pthread_mutex_lock(&log->lock);
    log->stats.group_classes[i]++;
    log->stats.group_items += items;
    if (items > log->stats.group_max)
        log->stats.group_max = items;
    pthread_mutex_unlock(&log->lock);
}

// An average of the last few; one that took very long is forgotten within twenty.
static void note_sync(struct wf_log_worker *w, uint64_t took)
{
    uint32_t us = took < SYNC_WORST ? (uint32_t)took : SYNC_WORST;

    w->sync_us = w->sync_us - w->sync_us / 8 + us / 8;
}

static enum weft_err sync_file(struct wf_log *log)
{
    const struct wf_vfs *vfs = log->vfs;
    int64_t before = vfs->mono_us(vfs->ctx);
    enum weft_err err = vfs->sync(vfs->ctx, log->active->file);
    int64_t passed = vfs->mono_us(vfs->ctx) - before;
    uint64_t took = passed > 0 ? (uint64_t)passed : 0;

    pthread_mutex_lock(&log->lock);
    log->stats.syncs++;
    log->stats.sync_us += took;
    log->stats.sync_classes[class_of(wf_log_sync_bounds_us, WF_LOG_SYNC_BOUNDS, took)]++;
    if (took > log->stats.worst_sync_us)
        log->stats.worst_sync_us = took;
    pthread_mutex_unlock(&log->lock);
    note_sync(log->worker, took);
    if (!err)
        log->unsynced = false;
    return err;
}

void wf_log_write_sidecar(struct wf_log *log, const struct wf_segment *s)
{
    const struct wf_vfs *vfs = log->vfs;
    char temp[WF_LOG_PATH], path[WF_LOG_PATH];
    int file = -1;

    log->scratch.len = 0;
    if (wf_index_save(s, &log->scratch))
        return;
    wf_log_path(log, s->head.number, ".tmp", temp);
    wf_log_path(log, s->head.number, ".idx", path);
    if (vfs->open(vfs->ctx, temp, WF_VFS_REPLACE, &file))
        return;
    struct iovec part = { log->scratch.ptr, log->scratch.len };
    enum weft_err err = vfs->write(vfs->ctx, file, 0, &part, 1);
    vfs->close(vfs->ctx, file);
    if (!err)
        err = vfs->rename(vfs->ctx, temp, path);
    if (err)
        (void)vfs->unlink(vfs->ctx, temp);
}

// Takes the file of a segment that nobody reads when too many are open; the caller closes it. Under the lock.
static int take_idle_file(struct wf_log *log, struct wf_segment *s)
{
    int file = s->file;

    if (s->readers > 0 || file < 0 || s == log->active)
        return -1;
    if (!s->dropped && log->open_files <= WF_LOG_OPEN_MAX)
        return -1;
    s->file = -1;
    log->open_files--;
    return file;
}

void wf_log_seal(struct wf_log *log, bool failed)
{
    const struct wf_vfs *vfs = log->vfs;
    struct wf_segment *s = log->active;

    if (!failed && log->unsynced) {
        enum weft_err err = sync_file(log);
        failed = err != WEFT_OK;
        if (failed)
            wf_log_note(log, &(struct wf_log_note){ .kind = WF_LOG_NOTE_SYNC,
                                 .err = err,
                                 .segment = s->head.number,
                                 .at = s->end });
    }
    // What was never acknowledged goes, so that it can't come back as if it had been. Should this fail too, the next
    // segment's prev_end says the same.
    if (failed && !vfs->truncate(vfs->ctx, s->file, s->end))
        (void)vfs->sync(vfs->ctx, s->file);
    if (!failed && log->ahead > s->end) // zeros that stay after a crash say nothing
        (void)vfs->truncate(vfs->ctx, s->file, s->end);
    if (!failed)
        wf_log_write_sidecar(log, s);
    pthread_mutex_lock(&log->lock);
    log->active = NULL;
    int idle = take_idle_file(log, s);
    pthread_mutex_unlock(&log->lock);
    log->unsynced = false;
    if (idle >= 0)
        vfs->close(vfs->ctx, idle);
}

enum weft_err wf_log_sync(struct wf_log *log)
{
    enum weft_err err = sync_file(log);

    if (err) {
        wf_log_note(log, &(struct wf_log_note){ .kind = WF_LOG_NOTE_SYNC,
                             .err = err,
                             .segment = log->active->head.number,
                             .at = log->active->end });
        wf_log_seal(log, true);
    }
    return err;
}

enum weft_err wf_log_borrow(struct wf_log *log, struct wf_segment *s, int *ret_file)
{
    const struct wf_vfs *vfs = log->vfs;
    char path[WF_LOG_PATH];
    int mine = -1;

    pthread_mutex_lock(&log->lock);
    int file = s->file;
    pthread_mutex_unlock(&log->lock);
    if (file < 0) {
        wf_log_path(log, s->head.number, ".seg", path);
        enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &mine);
        if (err)
            return err;
        pthread_mutex_lock(&log->lock);
        if (s->file < 0) {
            s->file = mine;
            log->open_files++;
            mine = -1;
        }
        file = s->file;
        pthread_mutex_unlock(&log->lock);
        if (mine >= 0)
            vfs->close(vfs->ctx, mine);
    }
    *ret_file = file;
    return WEFT_OK;
}

void wf_log_return(struct wf_log *log, struct wf_segment *s)
{
    pthread_mutex_lock(&log->lock);
    s->readers--;
    int idle = take_idle_file(log, s);
    bool last = s->dropped && s->readers == 0;
    pthread_mutex_unlock(&log->lock);
    if (idle >= 0)
        log->vfs->close(log->vfs->ctx, idle);
    if (last)
        free(s);
}

// Moves the floors past a segment's offsets; says what was dropped unreleased. True when an older segment still has some
// of a product, so that a mark is needed for the next open to know.
static bool raise_floors(struct wf_log *log, const struct wf_segment *s)
{
    bool mark = false;

    for (const struct wf_part *part = s->parts; part; part = part->next) {
        struct wf_product *p = part->product;
        if (part->items == 0)
            continue;
        pthread_mutex_lock(&log->lock);
        uint64_t floor = p->floor;
        if (floor < part->end) {
            p->floor = part->end;
            if (p->parts[0] != part) {
                mark = true;
                log->dirty_floors += !p->floor_dirty;
                p->floor_dirty = true;
            }
        }
        pthread_mutex_unlock(&log->lock);
        if (floor < part->end)
            wf_log_note(log, &(struct wf_log_note){ .kind = WF_LOG_NOTE_DROPPED,
                                 .segment = s->head.number,
                                 .product = p->id,
                                 .first = floor > part->first ? floor : part->first,
                                 .end = part->end });
    }
    return mark;
}

bool wf_log_drop_segment(struct wf_log *log, size_t i)
{
    const struct wf_vfs *vfs = log->vfs;
    struct wf_segment *s = log->segments[i];
    char path[WF_LOG_PATH];

    assert(s != log->active);
    if (raise_floors(log, s)) {
        wf_log_write_floors(log);
        if (log->active && log->unsynced)
            (void)wf_log_sync(log); // at worst the next open calls this range damaged, not dropped
    }
    wf_log_path(log, s->head.number, ".seg", path);
    enum weft_err err = vfs->unlink(vfs->ctx, path);
    if (err && err != WEFT_E_NOT_FOUND)
        return false;
    wf_log_path(log, s->head.number, ".idx", path);
    (void)vfs->unlink(vfs->ctx, path);

    pthread_mutex_lock(&log->lock);
    while (s->parts) {
        struct wf_part *part = s->parts;
        s->parts = part->next;
        wf_part_free(part);
    }
    log->segment_count--;
    memmove(log->segments + i, log->segments + i + 1,
        (log->segment_count - i) * sizeof(struct wf_segment *));
    log->stats.dropped_segments++;
    s->dropped = true;
    uint64_t bytes = s->end;
    int idle = take_idle_file(log, s);
    bool last = s->readers == 0;
    pthread_mutex_unlock(&log->lock); // without `last`, its reader may free it from here on
    atomic_fetch_sub(&log->bytes, bytes);
    if (idle >= 0)
        vfs->close(vfs->ctx, idle);
    if (last)
        free(s);
    return true;
}
