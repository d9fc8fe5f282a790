// SPDX-License-Identifier: Apache-2.0
// The writing side, on the worker's thread: a group of queued items becomes one write and at most one sync, then one call
// of done. A segment that failed a write or a sync is never written again, so an acknowledgement can't follow a hole; what
// was unacknowledged in it fails, and items behind fail by ORDER until their owner starts again at the head.
#include <assert.h>
#include <stdlib.h>

#include "node/log/log_priv.h"

#define GROUP_BYTES (8u * 1024u * 1024u)
#define FLOORS_MAX  256u           // marks in one write
#define AHEAD_MAX   (128u * 1024u) // a sync that meets them takes longer: not by much
#define AHEAD_GROUP (64u * 1024u)  // of larger ones the sync costs more than the file's new size
#define AHEAD_SOON  (32u * 1024u)  // of groups up to here the next zeros have a sync of their own
#define SPACE_US    100000
#define SPACE_BYTES (1u * 1024u * 1024u)

static uint64_t item_len(const struct wf_log_node *n)
{
    return WF_ITEM_HEAD_LEN + (uint64_t)n->item.body_len;
}

static void ack(struct wf_log *log, const struct wf_log_node *n, enum weft_err err)
{
    assert(log->ack_count < WF_LOG_GROUP);
    log->acks[log->ack_count++] = (struct wf_log_ack){
        .token = n->token, .err = err, .first = n->item.first, .count = n->item.count
    };
}

static void send_acks(struct wf_log *log)
{
    size_t count = log->ack_count;

    if (count == 0)
        return;
    log->conf.done(log->conf.done_arg, log->acks, count);
    log->ack_count = 0;
    pthread_mutex_lock(&log->worker->lock);
    log->finished += count;
    pthread_mutex_unlock(&log->worker->lock);
}

// Does the item follow in its product? Room in the index is taken now, so that nothing can fail once it is on the disk.
static enum weft_err prepare(struct wf_log *log, struct wf_log_node *n)
{
    const struct wf_seg_item *item = &n->item;
    struct wf_product *p = NULL;
    enum weft_err err;

    pthread_mutex_lock(&log->lock);
    err = wf_index_add(&log->index, &item->product, &p);
    if (err)
        goto out;
    uint64_t tail = p->pending ? p->tail : p->head;
    bool any = p->fresh && p->pending == 0;
    bool jump = (item->flags & WF_ITEM_JUMP) && item->first > tail;
    err = any || jump || item->first == tail ? WEFT_OK : WEFT_E_ORDER;
    if (!err)
        err = wf_part_reserve(p, log->active, 1, &n->part);
    if (err)
        goto out;
    p->pending++;
    p->tail = item->first + item->count;
    p->waits_disk = p->waits_disk || n->durability == WF_LOG_DISK;
    n->waits_disk = p->waits_disk;
out:
    pthread_mutex_unlock(&log->lock);
    return err;
}

static void encode(struct wf_log *log, struct wf_log_node *n, uint64_t at)
{
    const uint8_t *salt = log->active->head.salt;
    uint8_t *body = n->bytes + WF_ITEM_HEAD_LEN;

    n->at = at;
    if (n->item.flags & WF_ITEM_SEALED)
        wf_seg_body_seal(log->key.ptr, &n->item, salt, body, n->plain_len);
    wf_seg_body_check(
        salt, at, n->lent.ptr ? n->lent : wf_bytes(body, n->item.body_len), n->item.body_check);
    wf_seg_item_put(&n->item, salt, at, n->bytes);
}

// What is written of it; a lent body stands apart from its head.
static size_t put_parts(const struct wf_log_node *n, struct iovec parts[2])
{
    parts[0] = (struct iovec){ (void *)(uintptr_t)n->bytes, (size_t)item_len(n) - n->lent.len };
    parts[1] = (struct iovec){ (void *)(uintptr_t)n->lent.ptr, n->lent.len };
    return n->lent.len ? 2 : 1;
}

// One group within one segment: nodes from first up to but not including end.
struct group {
    struct wf_log_node *first, *end;
    size_t items, part_count;
    uint64_t start; // file position
    bool disk;      // something waits for the sync
    bool failed;    // something could not be prepared
};

// Prepares and encodes nodes while they fit into the active segment.
static void form(struct wf_log *log, struct wf_log_node *first, struct group *g)
{
    struct wf_log_node *n = first;
    uint64_t at = log->end;

    *g = (struct group){ .first = first, .start = at };
    for (; n; n = n->next) {
        bool alone = g->items == 0 && log->active->items == 0;
        if (at + item_len(n) > log->conf.segment_bytes && !alone)
            break;
        n->err = prepare(log, n);
        g->failed = g->failed || n->err;
        if (n->err)
            continue;
        n->item.flags &= (uint8_t)~WF_ITEM_SYNCED;
        if (g->items == 0 && !log->unsynced)
            n->item.flags |= WF_ITEM_SYNCED;
        encode(log, n, at);
        at += item_len(n);
        g->items++;
        g->part_count += put_parts(n, log->parts + g->part_count);
        g->disk = g->disk || n->waits_disk;
    }
    g->end = n;
    log->end = at;
}

// Makes nodes visible to readers and acknowledges them: those that wait for the disk, or those that do not.
static void commit(struct wf_log *log, const struct group *g, bool disk)
{
    struct wf_segment *s = log->active;
    uint64_t end = s->end, before = s->end;

    pthread_mutex_lock(&log->lock);
    for (struct wf_log_node *n = g->first; n != g->end; n = n->next) {
        if (n->err || n->waits_disk != disk)
            continue;
        wf_part_add(n->part, &n->item, n->at);
        n->part->product->pending--;
        n->part->product->waits_disk = false;
        s->items++;
        if (n->item.time_ms > s->time_ms)
            s->time_ms = n->item.time_ms;
        if (n->at + item_len(n) > end)
            end = n->at + item_len(n);
        log->stats.appended_items++;
        log->stats.appended_bytes += item_len(n);
    }
    s->end = end;
    pthread_mutex_unlock(&log->lock);
    atomic_fetch_add(&log->bytes, end - before);
    log->space_bytes += end - before;
    for (struct wf_log_node *n = g->first; n != g->end; n = n->next)
        if (!n->err && n->waits_disk == disk)
            ack(log, n, WEFT_OK);
}

// After a failed write or sync: everything that is not acknowledged yet fails, and room in the index is given back.
static void abandon(struct wf_log *log, const struct group *g, bool disk_only, enum weft_err err)
{
    pthread_mutex_lock(&log->lock);
    for (struct wf_log_node *n = g->first; n != g->end; n = n->next) {
        if (n->err || (disk_only && !n->waits_disk))
            continue;
        n->part->reserved = 0;
        n->part->product->pending = 0;
        n->part->product->waits_disk = false;
        n->err = err;
    }
    pthread_mutex_unlock(&log->lock);
}

// Tells early of what still waits for the sync.
static void tell_written(struct wf_log *log, const struct group *g)
{
    size_t count = 0;

    if (!log->conf.written)
        return;
    for (struct wf_log_node *n = g->first; n != g->end; n = n->next)
        if (!n->err && n->waits_disk)
            log->acks[count++] = (struct wf_log_ack){
                .token = n->token, .first = n->item.first, .count = n->item.count
            };
    log->conf.written(log->conf.done_arg, log->acks, count);
}

// Where small groups end at a sync, zeros are written ahead of them, as much again as the segment holds: a sync that finds the file as long as
// it was commits no metadata. What is there is not counted, and not told from nothing when it is read again.
static bool takes_zeros(const struct wf_log *log, uint64_t group)
{
    uint64_t most = log->conf.segment_bytes;

    return group > 0 && group <= AHEAD_GROUP && !log->ahead_failed && log->ahead < most &&
           log->end >= most / 1024;
}

static void write_zeros(struct wf_log *log)
{
    static const uint8_t zeros[4096];
    const struct wf_vfs *vfs = log->vfs;
    uint64_t at = log->ahead, most = log->conf.segment_bytes - at;
    uint64_t len = log->end < AHEAD_MAX ? log->end : AHEAD_MAX;
    size_t count = 0;

    len = len < most ? len : most;
    for (uint64_t left = len; left > 0 && count < WF_LOG_GROUP; count++) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        log->parts[count] = (struct iovec){ (void *)(uintptr_t)zeros, n };
        left -= n;
    }
    log->ahead += len;
    log->ahead_failed = vfs->write(vfs->ctx, log->active->file, at, log->parts, count) != WEFT_OK;
}

// A host that waits for the turn has its own to do: the thread comes again for them.
static bool waits_for_nobody(struct wf_log *log)
{
    pthread_mutex_lock(&log->worker->lock);
    bool idle = !log->queue && !log->closing;
    log->room_due = idle && log->worker->serving;
    idle = idle && !log->room_due;
    pthread_mutex_unlock(&log->worker->lock);
    return idle;
}

// The next zeros, with a sync of their own, before a group meets the end of the last ones: else one sync in sixty has the file's new size to
// commit and takes thrice as long, and a batch waits for it.
static void make_room(struct wf_log *log)
{
    uint64_t group = log->last_group;

    if (!log->active || group > AHEAD_SOON || log->ahead >= log->end + 2 * group ||
        !takes_zeros(log, group) || !waits_for_nobody(log))
        return;
    write_zeros(log);
    if (!log->ahead_failed)
        (void)wf_log_sync(log); // whoever was acknowledged has been synced before
}

static void write_group(struct wf_log *log, struct group *g)
{
    const struct wf_vfs *vfs = log->vfs;
    enum weft_err err = WEFT_OK;

    if (g->part_count > 0)
        err = vfs->write(vfs->ctx, log->active->file, g->start, log->parts, g->part_count);
    if (err) {
        wf_log_note(log, &(struct wf_log_note){ .kind = WF_LOG_NOTE_WRITE,
                             .err = err,
                             .segment = log->active->head.number,
                             .at = log->active->end });
        abandon(log, g, false, err);
        wf_log_seal(log, true);
        return;
    }
    if (g->part_count > 0 && !log->unsynced) {
        log->unsynced = true;
        log->unsynced_us = vfs->mono_us(vfs->ctx);
    }
    if (log->end > log->ahead)
        log->ahead = log->end;
    log->last_group = g->disk ? log->end - g->start : 0;
    if (log->ahead == log->end && takes_zeros(log, log->last_group))
        write_zeros(log);
    commit(log, g, false);
    if (!g->disk)
        return;
    send_acks(log);
    tell_written(log, g);
    wf_log_count_group(log, g->items);
    err = wf_log_sync(log);
    if (err) {
        abandon(log, g, true, err);
        return;
    }
    commit(log, g, true);
    wf_log_uncache(log);
}

// Acknowledges what failed in a group. What succeeded already was.
static void fail_rest(struct wf_log *log, struct wf_log_node *first, const struct wf_log_node *end)
{
    size_t failed = 0;

    for (struct wf_log_node *n = first; n != end; n = n->next) {
        if (!n->err)
            continue;
        ack(log, n, n->err);
        failed++;
    }
    pthread_mutex_lock(&log->lock);
    log->stats.failed_items += failed;
    pthread_mutex_unlock(&log->lock);
}

// A segment that can take the node, or why there is none.
static enum weft_err ensure_active(struct wf_log *log, const struct wf_log_node *n)
{
    if (log->active && log->active->items > 0 && log->end + item_len(n) > log->conf.segment_bytes)
        wf_log_seal(log, false);
    return log->active ? WEFT_OK : wf_log_roll(log, n->item.time_ms);
}

// ---- may anything be written? ------------------------------------------------------------------------------------------

static bool is_passing(enum weft_err err)
{
    return err == WEFT_E_READ_ONLY || err == WEFT_E_NO_FILES;
}

static void set_stopped(struct wf_log *log, enum weft_err why, uint64_t free_bytes)
{
    enum weft_err was = (enum weft_err)atomic_exchange(&log->stopped, (int)why);

    if (why != was)
        wf_log_note(
            log, &(struct wf_log_note){ .kind = why ? WF_LOG_NOTE_STOPPED : WF_LOG_NOTE_RESUMED,
                     .err = why,
                     .len = free_bytes });
}

// What the disk says of itself; one that can't be asked keeps its last answer.
static enum weft_err ask_disk(struct wf_log *log, enum weft_err was, uint64_t *ret_free)
{
    uint64_t total = 0;
    enum weft_err err = log->vfs->space(log->vfs->ctx, log->dir, ret_free, &total);

    if (err == WEFT_E_READ_ONLY)
        return err;
    if (err || log->conf.stop_free_permille >= 1000)
        return was == WEFT_E_NOSPACE ? was : WEFT_OK;
    return *ret_free / 1000 < total / 1000 * log->conf.stop_free_permille / 1000 ? WEFT_E_NOSPACE
                                                                                 : WEFT_OK;
}

// Keeps the reason to refuse appends up to date. What stopped for want of a file or of a disk that takes writes is tried with what the next
// item needs: a fresh segment. One that fails for another reason is left to that item to tell. A moment's small writes share one look.
static bool may_write(struct wf_log *log)
{
    uint64_t free_bytes = 0;
    enum weft_err was = (enum weft_err)atomic_load(&log->stopped);
    int64_t us = log->vfs->mono_us(log->vfs->ctx);

    if (!was && log->space_us && log->space_bytes < SPACE_BYTES && us - log->space_us < SPACE_US)
        return true;
    log->space_us = us;
    log->space_bytes = 0;
    enum weft_err now = ask_disk(log, was, &free_bytes);
    if (!now && is_passing(was) && !log->active) {
        enum weft_err err = wf_log_roll(
            log, log->segment_count ? log->segments[log->segment_count - 1]->time_ms : 0);
        now = is_passing(err) ? err : WEFT_OK;
    }
    set_stopped(log, now, free_bytes);
    return !now;
}

static void write_nodes(struct wf_log *log, struct wf_log_node *list)
{
    while (list) {
        struct group g;
        enum weft_err err = ensure_active(log, list);
        if (err) {
            if (is_passing(err))
                set_stopped(log, err, 0);
            for (struct wf_log_node *n = list; n; n = n->next)
                n->err = err;
            fail_rest(log, list, NULL);
            break;
        }
        form(log, list, &g);
        write_group(log, &g);
        fail_rest(log, g.first, g.end);
        list = g.end;
    }
}

void wf_log_write_floors(struct wf_log *log)
{
    uint8_t marks[FLOORS_MAX * WF_ITEM_HEAD_LEN];
    struct wf_product *p;
    size_t slot = 0, len = 0;
    const struct wf_vfs *vfs = log->vfs;
    struct wf_segment *s = log->active;

    if (!s)
        return; // the next one begins with all floors
    pthread_mutex_lock(&log->lock);
    for (p = wf_index_next(&log->index, &slot); p && log->dirty_floors > 0;
         p = wf_index_next(&log->index, &slot)) {
        if (!p->floor_dirty || len == sizeof marks)
            continue;
        struct wf_seg_item item = {
            .kind = WF_ITEM_FLOOR, .product = p->id, .first = p->floor, .time_ms = s->time_ms
        };
        wf_seg_body_check(s->head.salt, log->end + len, wf_bytes(NULL, 0), item.body_check);
        wf_seg_item_put(&item, s->head.salt, log->end + len, marks + len);
        len += WF_ITEM_HEAD_LEN;
        p->floor_dirty = false;
        log->dirty_floors--;
    }
    pthread_mutex_unlock(&log->lock);
    if (len == 0)
        return;
    struct iovec part = { marks, len };
    enum weft_err err = vfs->write(vfs->ctx, s->file, log->end, &part, 1);
    if (err) {
        wf_log_note(log,
            &(struct wf_log_note){
                .kind = WF_LOG_NOTE_WRITE, .err = err, .segment = s->head.number, .at = s->end });
        wf_log_seal(log, true);
        return;
    }
    if (!log->unsynced) {
        log->unsynced = true;
        log->unsynced_us = vfs->mono_us(vfs->ctx);
    }
    log->end += len;
    pthread_mutex_lock(&log->lock);
    s->end = log->end;
    pthread_mutex_unlock(&log->lock);
    atomic_fetch_add(&log->bytes, len);
}

// What the worker is asked to do in one turn.
struct work {
    struct wf_log_node *list;
    bool gc, retain, flush, room, closing, drained;
    uint64_t flush_target;
    int64_t retain_now;
};

static void take_work(struct wf_log *log, struct work *w)
{
    uint64_t bytes = 0;
    size_t items = 0;
    struct wf_log_node **end = &log->queue;

    pthread_mutex_lock(&log->worker->lock);
    while (*end && items < WF_LOG_GROUP && (items == 0 || bytes + item_len(*end) <= GROUP_BYTES)) {
        bytes += item_len(*end);
        items++;
        end = &(*end)->next;
    }
    *w = (struct work){ .list = log->queue,
        .gc = log->gc_due,
        .retain = log->retain_due,
        .flush = log->flush_due,
        .room = log->room_due,
        .flush_target = log->flush_target,
        .closing = log->closing,
        .retain_now = log->retain_now };
    if (items > 0) {
        log->queue = *end;
        if (!log->queue)
            log->queue_tail = &log->queue;
        *end = NULL;
    }
    log->queue_items -= items;
    log->queue_bytes -= bytes;
    log->gc_due = log->retain_due = log->room_due = false;
    w->drained = !log->queue;
    pthread_mutex_unlock(&log->worker->lock);
}

static void finish(struct wf_log *log, const struct work *w)
{
    if (w->closing && w->drained && log->active) {
        wf_log_write_floors(log);
        if (log->active)
            wf_log_seal(log, false);
    }
    pthread_mutex_lock(&log->worker->lock);
    if (w->flush && log->flush_target == w->flush_target)
        log->flush_due = false;
    if (w->closing && w->drained)
        log->closed = true;
    pthread_cond_broadcast(&log->worker->idle);
    pthread_mutex_unlock(&log->worker->lock);
}

bool wf_log_turn(struct wf_log *log)
{
    struct work w;

    take_work(log, &w);
    bool any = w.list || w.room || w.gc || w.retain || w.flush || w.closing;
    if (w.list && may_write(log)) {
        wf_log_write_floors(log);
        write_nodes(log, w.list);
    } else if (w.list) {
        for (struct wf_log_node *n = w.list; n; n = n->next)
            n->err = (enum weft_err)atomic_load(&log->stopped);
        fail_rest(log, w.list, NULL);
    } else if (atomic_load(&log->stopped)) {
        any = may_write(log) || any;
    }
    send_acks(log);
    if (w.list || w.room)
        make_room(log);
    while (w.list) {
        struct wf_log_node *next = w.list->next;
        free(w.list);
        w.list = next;
    }
    if (w.retain)
        wf_log_do_retain(log, w.retain_now);
    if (w.gc)
        wf_log_do_gc(log);
    int64_t age = log->unsynced ? log->vfs->mono_us(log->vfs->ctx) - log->unsynced_us : 0;
    w.flush = w.flush && log->finished >= w.flush_target;
    if (log->active && log->unsynced && (w.flush || age >= WF_LOG_SYNC_US))
        (void)wf_log_sync(
            log); // its items were acknowledged after the write: no one waits for this
    if (w.flush || w.closing)
        finish(log, &w);
    return any;
}
