// SPDX-License-Identifier: Apache-2.0
// What the segments of a store tell the index. Closed ones come from their sidecars or a scan; the last is always
// scanned: what the power left of bytes that no sync covered is cut from its first damage on, damage before that stays and becomes a gap.
// A read error in the last segment fails the open, because cutting there would destroy what a retry could still read.
#include "node/log/log_priv.h"

#define SIDECAR_MAX (256u * 1024u * 1024u)
#define HEADS_NEAR  (16u * 1024u) // a table of 340 products

static enum weft_err take_heads(struct wf_log *log, bool oldest, const uint8_t *body, size_t len)
{
    for (; len >= WF_LOG_HEADS_ROW; body += WF_LOG_HEADS_ROW, len -= WF_LOG_HEADS_ROW) {
        struct wf_hash id;
        struct wf_product *p = NULL;
        uint64_t head = wf_load_be64(body + WF_HASH_LEN);
        uint64_t floor = wf_load_be64(body + WF_HASH_LEN + 8);
        memcpy(id.b, body, WF_HASH_LEN);
        enum weft_err err = wf_index_add(&log->index, &id, &p);
        if (err)
            return err;
        wf_product_rewind(p, head); // what lies beyond was never acknowledged
        p->head = head;
        // Before the oldest segment there is nothing any more.
        uint64_t least = oldest ? head : floor;
        if (p->floor < least)
            p->floor = least < head ? least : head;
        p->fresh = false;
    }
    return WEFT_OK;
}

static enum weft_err take_data(
    struct wf_log *log, struct wf_segment *s, const struct wf_seg_item *item, uint64_t at)
{
    struct wf_product *p = NULL;
    struct wf_part *part = NULL;
    enum weft_err err = wf_index_add(&log->index, &item->product, &p);

    if (err)
        return err;
    if (!p->fresh && item->first < p->head) {
        const struct wf_part *last = p->part_count ? p->parts[p->part_count - 1] : NULL;
        if (last && last->segment == s)
            return WEFT_OK; // no writer of ours does that
        wf_product_rewind(p, item->first);
    }
    err = wf_part_reserve(p, s, 1, &part);
    if (err)
        return err;
    wf_part_add(part, item, at);
    s->items++;
    if (item->time_ms > s->time_ms)
        s->time_ms = item->time_ms;
    return WEFT_OK;
}

static enum weft_err take_item(struct wf_log *log, struct wf_segment *s,
    const struct wf_seg_item *item, const uint8_t *body, uint64_t at)
{
    if (item->kind == WF_ITEM_HEADS)
        return take_heads(log, s == log->segments[0], body, item->body_len);
    if (item->kind == WF_ITEM_FLOOR) {
        struct wf_product *p = wf_index_find(&log->index, &item->product);
        if (p && p->floor < item->first)
            p->floor = item->first < p->head ? item->first : p->head;
        return WEFT_OK;
    }
    return item->kind <= WF_LOG_KIND_MAX ? take_data(log, s, item, at) : WEFT_OK;
}

// Offsets of an item whose body is damaged are used all the same, even when nothing of its product follows.
static enum weft_err take_rotten(struct wf_log *log, const struct wf_seg_item *item)
{
    struct wf_product *p = NULL;
    enum weft_err err;

    if (item->kind > WF_LOG_KIND_MAX)
        return WEFT_OK;
    err = wf_index_add(&log->index, &item->product, &p);
    if (err)
        return err;
    if (p->fresh)
        p->floor = p->head = item->first;
    p->fresh = false;
    if (p->head < item->first + item->count)
        p->head = item->first + item->count;
    return WEFT_OK;
}

// ---- scanning --------------------------------------------------------------------------------------------------------

struct scan {
    struct wf_log *log;
    struct wf_segment *s;
    struct wf_buf bad; // struct bad each: damage since the last intact item
    uint64_t intact;   // after the last intact item
    uint64_t synced;   // before this everything was on the disk
    bool damaged, has_heads;
};
struct bad {
    struct wf_seg_item item;
    uint64_t at, len;
    bool has_item;
};

// The damage collected was in the middle, not an unfinished tail.
static enum weft_err keep_bad(struct scan *c)
{
    for (size_t i = 0; i < c->bad.len / sizeof(struct bad); i++) {
        struct bad b;
        memcpy(&b, c->bad.ptr + i * sizeof b, sizeof b);
        wf_log_note_at(c->log, WF_LOG_NOTE_DAMAGED, c->s, b.at, b.len);
        c->damaged = true;
        enum weft_err err = b.has_item ? take_rotten(c->log, &b.item) : WEFT_OK;
        if (err)
            return err;
    }
    c->bad.len = 0;
    return WEFT_OK;
}

static enum weft_err take_step(struct scan *c, const struct wf_seg_found *f, uint64_t at)
{
    struct bad b = {
        .item = f->item, .at = at, .len = f->next - at, .has_item = f->step == WF_SEG_ROTTEN
    };

    if (f->step != WF_SEG_ITEM)
        return wf_buf_append(&c->bad, wf_bytes(&b, sizeof b));
    enum weft_err err = keep_bad(c);
    if (!err)
        err = take_item(c->log, c->s, &f->item, f->body, at);
    c->has_heads = c->has_heads || f->item.kind == WF_ITEM_HEADS;
    c->intact = f->next;
    return err;
}

// Whether damage is rot or a write that the power cut short: the next item that says so tells up to where syncs had come.
static enum weft_err look_ahead(struct scan *c, uint64_t at, uint64_t limit)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };

    wf_seg_window_init(&w, c->log->vfs, c->s->file, limit, &c->log->scratch);
    for (;; at = f.next) {
        enum weft_err err = wf_seg_scan(&w, c->s->head.salt, at, true, &f);
        if (err || f.step == WF_SEG_END)
            return err;
        if (f.step != WF_SEG_HOLE && (f.item.flags & WF_ITEM_SYNCED)) {
            c->synced = at;
            return WEFT_OK;
        }
    }
}

// Stops at damage that no sync is known to have covered: what stands behind it was never acknowledged at durability disk, and would leave a
// hole in its writers' numbers.
static enum weft_err scan_segment(struct scan *c, uint64_t limit)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };

    c->intact = limit < WF_SEG_DATA ? limit : WF_SEG_DATA;
    wf_seg_window_init(&w, c->log->vfs, c->s->file, limit, &c->log->scratch);
    for (uint64_t at = c->intact;; at = f.next) {
        enum weft_err err = wf_seg_scan(&w, c->s->head.salt, at, true, &f);
        if (err || f.step == WF_SEG_END)
            return err;
        if (f.step != WF_SEG_ITEM && at >= c->synced) {
            err = look_ahead(c, f.next, limit);
            if (err || at >= c->synced)
                return err;
            wf_seg_window_init(&w, c->log->vfs, c->s->file, limit, &c->log->scratch);
        }
        err = take_step(c, &f, at);
        if (err)
            return err;
    }
}

static enum weft_err read_sidecar(
    struct wf_log *log, const struct wf_segment *s, struct wf_buf *out, struct wf_sidecar *ret)
{
    const struct wf_vfs *vfs = log->vfs;
    char path[WF_LOG_PATH];
    uint64_t size = 0;
    int file = -1;

    wf_log_path(log, s->head.number, ".idx", path);
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);
    if (err)
        return err;
    err = vfs->size(vfs->ctx, file, &size);
    if (!err && size > SIDECAR_MAX)
        err = WEFT_E_DAMAGED;
    if (!err)
        err = wf_buf_reserve(out, (size_t)size + 1);
    if (!err)
        err = vfs->read(vfs->ctx, file, 0, out->ptr, (size_t)size, &out->len);
    vfs->close(vfs->ctx, file);
    return err ? err : wf_sidecar_take(wf_buf_view(out), s, ret);
}

// The table of heads of a segment that comes from its sidecar. Nearly always short: reading on ahead of it would be most of what an open reads.
static enum weft_err load_heads(struct wf_log *log, struct wf_segment *s)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { .next = WF_SEG_DATA };
    uint64_t near = s->end < WF_SEG_DATA + HEADS_NEAR ? s->end : WF_SEG_DATA + HEADS_NEAR;

    wf_seg_window_init(&w, log->vfs, s->file, near, &log->scratch);
    enum weft_err err = wf_seg_scan(&w, s->head.salt, WF_SEG_DATA, true, &f);
    if (!err && f.step != WF_SEG_ITEM && near < s->end) {
        wf_seg_window_init(&w, log->vfs, s->file, s->end, &log->scratch);
        err = wf_seg_scan(&w, s->head.salt, WF_SEG_DATA, true, &f);
    }
    if (err == WEFT_E_IO || (!err && f.step != WF_SEG_ITEM)) {
        wf_log_note_at(log, WF_LOG_NOTE_DAMAGED, s, WF_SEG_DATA, f.next - WF_SEG_DATA);
        return WEFT_OK;
    }
    return err ? err : take_item(log, s, &f.item, f.body, WF_SEG_DATA);
}

// A closed segment: from its sidecar when that is current, else by scan.
static enum weft_err load_closed(struct wf_log *log, struct wf_segment *s)
{
    struct scan c = { .log = log, .s = s, .synced = UINT64_MAX };
    struct wf_buf side_bytes = { 0 };
    struct wf_sidecar side;
    enum weft_err err = read_sidecar(log, s, &side_bytes, &side);

    if (err == WEFT_E_NOMEM)
        goto out;
    if (!err && side.end == s->end) {
        err = load_heads(log, s);
        if (!err)
            err = wf_sidecar_load(&side, &log->index, s);
        goto out;
    }
    wf_log_note_at(log, WF_LOG_NOTE_INDEX, s, 0, 0);
    err = scan_segment(&c, s->end);
    if (err == WEFT_E_IO) {
        wf_log_note_at(log, WF_LOG_NOTE_DAMAGED, s, c.intact, s->end - c.intact);
        err = WEFT_OK;
    }
    if (!err)
        err = keep_bad(&c);
    if (!err)
        wf_log_write_sidecar(log, s);
out:
    wf_buf_fini(&c.bad);
    wf_buf_fini(&side_bytes);
    return err;
}

// Where a closed segment ends by what the next one says; its file may be longer (unacknowledged bytes) or shorter.
static void limit_closed(struct wf_log *log, struct wf_segment *s, const struct wf_segment *next)
{
    if (!next->readable || next->head.prev_number != s->head.number)
        return;
    if (next->head.prev_end > s->end)
        wf_log_note_at(log, WF_LOG_NOTE_TRUNCATED, s, s->end, next->head.prev_end - s->end);
    else
        s->end = next->head.prev_end;
}

// ---- the last segment ------------------------------------------------------------------------------------------------

// How much behind the segment's end was written: zeros up to the file's end were there before anything was.
static enum weft_err torn_length(
    struct wf_log *log, const struct wf_segment *s, uint64_t size, uint64_t *ret)
{
    uint64_t torn = 0;

    for (uint64_t at = s->end; at < size;) {
        uint8_t some[4096];
        size_t got = 0;
        enum weft_err err = log->vfs->read(log->vfs->ctx, s->file, at, some, sizeof some, &got);
        if (err)
            return err;
        if (got == 0)
            break;
        for (size_t i = got; i > 0 && torn < at + i - s->end; i--)
            if (some[i - 1])
                torn = at + i - s->end;
        at += got;
    }
    *ret = torn;
    return WEFT_OK;
}

// Reopens the file for writing, cuts the tail and syncs what will be served.
static enum weft_err settle(struct wf_log *log, struct wf_segment *s, uint64_t size)
{
    uint64_t torn = 0;
    const struct wf_vfs *vfs = log->vfs;
    char path[WF_LOG_PATH];
    int file = -1;

    wf_log_path(log, s->head.number, ".seg", path);
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_WRITE, &file);
    if (err)
        return err;
    vfs->close(vfs->ctx, s->file);
    s->file = file;
    if (s->end < size) {
        err = torn_length(log, s, size, &torn);
        if (!err && torn)
            wf_log_note_at(log, WF_LOG_NOTE_TORN, s, s->end, torn);
        if (!err)
            err = vfs->truncate(vfs->ctx, file, s->end);
        if (err)
            return err;
    }
    return vfs->sync(vfs->ctx, file);
}

// May new items follow in this segment?
static bool can_go_on(struct wf_log *log, const struct wf_segment *s)
{
    const struct wf_log_conf *conf = &log->conf;

    if (s->end >= conf->segment_bytes / 4 * 3)
        return false;
    if (!conf->storage_key)
        return true;
    return wf_seg_key(&s->head, conf->storage_key, log->key.ptr) == WEFT_OK;
}

static enum weft_err load_last(struct wf_log *log, struct wf_segment *s)
{
    struct scan c = { .log = log, .s = s };
    struct wf_buf side_bytes = { 0 };
    struct wf_sidecar side = { 0 };
    char path[WF_LOG_PATH];
    uint64_t size = s->end;
    enum weft_err err = read_sidecar(log, s, &side_bytes, &side);

    if (err == WEFT_E_NOMEM)
        goto out;
    bool closed = !err; // up to side.end everything was on the disk
    c.synced = closed ? side.end : 0;
    if (err && err != WEFT_E_NOT_FOUND)
        wf_log_note_at(log, WF_LOG_NOTE_INDEX, s, 0, 0);
    err = scan_segment(&c, size);
    s->end = c.intact;
    if (!err && closed && c.intact < side.end) {
        err = keep_bad(&c);
        if (!err)
            err = wf_sidecar_heads(&side, &log->index);
        c.damaged = true;
        if (size < side.end)
            wf_log_note_at(log, WF_LOG_NOTE_TRUNCATED, s, size, side.end - size);
        s->end = size;
    } else if (!err && closed && c.damaged) {
        // What was damaged may have been the last of its product: its offsets are used all the same.
        err = wf_sidecar_heads(&side, &log->index);
    }
    if (!err)
        err = settle(log, s, size);
    if (err)
        goto out;
    if (c.damaged || !c.has_heads || !can_go_on(log, s)) {
        wf_log_write_sidecar(log, s);
        goto out;
    }
    wf_log_path(log, s->head.number, ".idx", path);
    (void)log->vfs->unlink(
        log->vfs->ctx, path); // it would be stale; should it stay, its end gives it away
    log->active = s;
    log->end = log->ahead = s->end;
out:
    wf_buf_fini(&c.bad);
    wf_buf_fini(&side_bytes);
    return err;
}

// Of a segment whose headers are gone, the sidecar still knows which offsets were used.
static enum weft_err load_unreadable(struct wf_log *log, struct wf_segment *s)
{
    struct wf_buf side_bytes = { 0 };
    struct wf_sidecar side;
    enum weft_err err = read_sidecar(log, s, &side_bytes, &side);

    if (!err && side.end > s->end)
        wf_log_note_at(log, WF_LOG_NOTE_TRUNCATED, s, s->end, side.end - s->end);
    if (!err)
        err = wf_sidecar_heads(&side, &log->index);
    wf_buf_fini(&side_bytes);
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

enum weft_err wf_log_load(struct wf_log *log, int64_t now_ms)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct wf_segment *s = log->segments[i];
        const struct wf_segment *next = i + 1 < log->segment_count ? log->segments[i + 1] : NULL;
        enum weft_err err = WEFT_OK;
        s->time_ms = s->readable ? s->head.created_ms : now_ms;
        if (next)
            limit_closed(log, s, next);
        if (s->readable)
            err = next ? load_closed(log, s) : load_last(log, s);
        else
            err = load_unreadable(log, s);
        if (err)
            return err;
        atomic_fetch_add(&log->bytes, s->end);
        if (s == log->active || s->file < 0)
            continue;
        log->vfs->close(log->vfs->ctx, s->file); // readers open it when they need it
        s->file = -1;
        log->open_files--;
    }
    return WEFT_OK;
}
