// SPDX-License-Identifier: Apache-2.0
// The reading side, on any thread. A reader takes a run out of the index under the lock, then reads and verifies without
// it. What it delivers follows from offsets alone: whatever lies between the offset expected and the next intact item is a
// gap, so nothing can be skipped in silence, however it was damaged.
#include "node/log/log_priv.h"

struct run_ref {
    struct wf_segment *segment; // with its reader count raised
    struct wf_run run;
    uint64_t end; // offsets from here on are not this part's
};

struct reader {
    struct wf_log *log;
    const struct wf_log_reader *conf;
    uint64_t expected; // offset
    uint64_t bytes;
    bool stop;
    uint64_t seen_number; // of a segment: runs up to this one are done, and it up to seen_end
    uint32_t seen_at, seen_end;
};

// Where the product stands, and the next run to read; *ret_end is the floor or the head.
enum next_kind { NEXT_RUN, NEXT_FLOOR, NEXT_END, NEXT_GONE };

static bool is_seen(const struct reader *r, const struct wf_part *part, const struct wf_run *run)
{
    uint64_t number = part->segment->head.number;

    if (number != r->seen_number)
        return number < r->seen_number;
    return run->at < r->seen_at ||
           run->at_end <= r->seen_end; // the newest run grows while it is read
}

static enum next_kind next_run(struct reader *r, struct run_ref *ref, uint64_t *ret_end)
{
    struct wf_log *log = r->log;
    uint32_t part = 0, run = 0;
    enum next_kind kind = NEXT_GONE;

    pthread_mutex_lock(&log->lock);
    const struct wf_product *p = wf_index_find(&log->index, &r->conf->product);
    if (!p || p->fresh)
        goto out;
    *ret_end = p->floor;
    kind = NEXT_FLOOR;
    if (r->expected < p->floor)
        goto out;
    *ret_end = p->head;
    kind = NEXT_END;
    for (; wf_product_seek(p, r->expected, &part, &run); run++) {
        const struct wf_part *q = p->parts[part];
        if (is_seen(r, q, &q->runs[run]))
            continue;
        *ref = (struct run_ref){ .segment = q->segment, .run = q->runs[run], .end = q->end };
        q->segment->readers++;
        if (q->segment->head.number == r->seen_number && q->runs[run].at == r->seen_at)
            ref->run.at = r->seen_end; // only what was added
        r->seen_number = q->segment->head.number;
        r->seen_at = q->runs[run].at;
        r->seen_end = q->runs[run].at_end;
        kind = NEXT_RUN;
        break;
    }
out:
    pthread_mutex_unlock(&log->lock);
    return kind;
}

static void deliver(struct reader *r, const struct wf_log_view *view)
{
    r->expected = view->end;
    r->bytes += view->body.len;
    if (!r->conf->visit(r->conf->arg, view))
        r->stop = true;
    if (view->end > view->first && r->bytes >= r->conf->max_bytes)
        r->stop =
            true; // never right after an item without offsets: the next call would begin with it again
}

static void gap(struct reader *r, uint64_t end, enum weft_err why)
{
    if (end > r->expected && !r->stop)
        deliver(r, &(struct wf_log_view){ .status = why, .first = r->expected, .end = end });
}

static void count_damage(struct wf_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->stats.damaged_reads++;
    pthread_mutex_unlock(&log->lock);
}

static void deliver_item(
    struct reader *r, const struct wf_segment *s, const struct wf_seg_item *item, uint8_t *body)
{
    struct wf_log_view view = { .first = item->first,
        .end = item->first + item->count,
        .time_ms = item->time_ms,
        .kind = item->kind,
        .sealed = item->flags & WF_ITEM_SEALED,
        .body = wf_bytes(body, item->body_len) };
    uint8_t key[WF_KEY_LEN];

    if (view.sealed) {
        view.status = wf_seg_key(&s->head, r->log->conf.storage_key, key);
        if (!view.status)
            view.status = wf_seg_body_open(key, item, s->head.salt, body, &view.body);
        wf_wipe(key, sizeof key);
        if (view.status) { // a gap like any other, from where the reader stands
            view.body = wf_bytes(NULL, 0);
            view.first = view.first < r->expected ? r->expected : view.first;
        }
    }
    deliver(r, &view);
}

// Is this an item that the reader has not had yet? Its product's, and not void since a later segment has it anew.
static bool is_wanted(
    const struct reader *r, const struct run_ref *ref, const struct wf_seg_item *item)
{
    uint64_t end = item->first + item->count;

    if (item->kind > WF_LOG_KIND_MAX || !wf_hash_eq(&item->product, &r->conf->product) ||
        end > ref->end)
        return false;
    return end > r->expected || (item->count == 0 && item->first >= r->expected);
}

// Verifies the body and delivers it, after a gap for what is missing before it.
static enum weft_err take_item(struct reader *r, const struct run_ref *ref, struct wf_seg_window *w,
    const struct wf_seg_item *item, uint64_t at)
{
    uint8_t *body = NULL;
    enum weft_err err = wf_seg_window_get(w, at + WF_ITEM_HEAD_LEN, item->body_len, &body);

    if (err && err != WEFT_E_TRUNCATED)
        return err;
    if (err ||
        !wf_seg_body_is_intact(item, ref->segment->head.salt, at, wf_bytes(body, item->body_len))) {
        count_damage(r->log);
        return WEFT_OK;
    }
    gap(r, item->first, (item->flags & WF_ITEM_JUMP) ? WEFT_E_LOST : WEFT_E_DAMAGED);
    if (!r->stop)
        deliver_item(r, ref->segment, item, body);
    return WEFT_OK;
}

static bool has_room(struct reader *r, uint64_t body_len)
{
    if (r->conf->has_room && !r->conf->has_room(r->conf->arg, (size_t)body_len))
        r->stop = true;
    return !r->stop;
}

// Reads what the run spans. Damage needs no care here: the offsets that are missing become a gap later.
static enum weft_err walk(struct reader *r, const struct run_ref *ref)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };
    uint8_t *whole = NULL;
    int file = -1;

    // One item is a run of its own when it is large: nothing of it is read in vain.
    if (ref->run.items == 1 && !has_room(r, ref->run.at_end - ref->run.at - WF_ITEM_HEAD_LEN))
        return WEFT_OK;
    enum weft_err err = wf_log_borrow(r->log, ref->segment, &file);
    if (err)
        return err;
    wf_seg_window_init(&w, r->log->vfs, file, ref->run.at_end, r->conf->scratch);
    err = wf_seg_window_get(&w, ref->run.at, ref->run.at_end - ref->run.at, &whole); // in one read
    if (err && err != WEFT_E_TRUNCATED)
        return err;
    for (uint64_t at = ref->run.at; !r->stop; at = f.next) {
        err = wf_seg_scan(&w, ref->segment->head.salt, at, false, &f);
        if (err || f.step == WF_SEG_END)
            return err;
        if (f.step == WF_SEG_ITEM && is_wanted(r, ref, &f.item) && has_room(r, f.item.body_len))
            err = take_item(r, ref, &w, &f.item, at);
        else if (f.step != WF_SEG_ITEM)
            count_damage(r->log);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// Did retention overtake the reader? Floors move before files go.
static bool is_below_floor(const struct reader *r)
{
    pthread_mutex_lock(&r->log->lock);
    const struct wf_product *p = wf_index_find(&r->log->index, &r->conf->product);
    bool below = p && r->expected < p->floor;
    pthread_mutex_unlock(&r->log->lock);
    return below;
}

static enum weft_err read_run(struct reader *r, const struct run_ref *ref)
{
    uint64_t end = ref->run.end < ref->end ? ref->run.end : ref->end;
    enum weft_err err = walk(r, ref);

    if (err == WEFT_E_IO) // once more: what is told as missing is passed over for good
        err = walk(r, ref);
    wf_log_return(r->log, ref->segment);
    bool passes = err == WEFT_E_NOMEM || err == WEFT_E_NO_FILES;
    if (passes || (err == WEFT_E_IO && !r->conf->pass_unread && !is_below_floor(r)))
        return err; // nothing is lost: what can't be read now may be read later
    if (!err || !is_below_floor(r))
        gap(r, end, err ? WEFT_E_IO : WEFT_E_DAMAGED);
    return WEFT_OK;
}

enum weft_err wf_log_read(struct wf_log *log, const struct wf_log_reader *conf, uint64_t *ret_next)
{
    struct reader r = { .log = log, .conf = conf, .expected = conf->from };
    struct wf_log_range range;
    enum weft_err err = wf_log_range(log, &conf->product, &range);

    if (err)
        return err;
    if (conf->from > range.head)
        return WEFT_E_RANGE;
    while (!r.stop) {
        struct run_ref ref;
        uint64_t end = 0;
        enum next_kind kind = next_run(&r, &ref, &end);
        if (kind == NEXT_RUN) {
            err = read_run(&r, &ref);
            if (err == WEFT_E_IO && r.expected > conf->from)
                break; // what was visited counts; the next call says it
            if (err)
                return err;
        } else if (kind == NEXT_FLOOR) {
            gap(&r, end, WEFT_E_RETENTION);
        } else {
            gap(&r, end, WEFT_E_DAMAGED); // lost at the end of the log
            break;
        }
    }
    *ret_next = r.expected;
    return WEFT_OK;
}

bool wf_log_has_more(
    struct wf_log *log, const struct wf_hash *product, uint64_t from, uint64_t bytes)
{
    uint32_t part = 0, run = 0;
    uint64_t found = 0;

    pthread_mutex_lock(&log->lock);
    const struct wf_product *p = wf_index_find(&log->index, product);
    bool any = p && !p->fresh && wf_product_seek(p, from, &part, &run);
    for (; any && part < p->part_count && found <= bytes; part++, run = 0) {
        const struct wf_part *q = p->parts[part];
        if (run < q->run_count)
            found += q->runs[q->run_count - 1].at_end - q->runs[run].at;
    }
    pthread_mutex_unlock(&log->lock);
    return found > bytes;
}

struct product_time {
    const struct wf_hash *product;
    int64_t time_ms;
};

// Headers of one run until an item as new as wanted.
static enum weft_err find_in_run(struct wf_log *log, const struct run_ref *ref,
    const struct product_time *want, struct wf_buf *scratch, uint64_t *ret_offset)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };
    int file = -1;
    enum weft_err err = wf_log_borrow(log, ref->segment, &file);

    if (err)
        return err;
    wf_seg_window_init(&w, log->vfs, file, ref->run.at_end, scratch);
    for (uint64_t at = ref->run.at;; at = f.next) {
        err = wf_seg_scan(&w, ref->segment->head.salt, at, false, &f);
        if (err || f.step == WF_SEG_END)
            return err ? err : WEFT_E_NOT_FOUND;
        if (f.step == WF_SEG_ITEM && f.item.time_ms >= want->time_ms &&
            wf_hash_eq(&f.item.product, want->product)) {
            *ret_offset = f.item.first;
            return WEFT_OK;
        }
    }
}

// The first run that may hold an item as new as wanted, by the index alone.
static bool seek_time(const struct wf_product *p, int64_t time_ms, struct run_ref *ret)
{
    for (uint32_t i = 0; i < p->part_count; i++) {
        const struct wf_part *part = p->parts[i];
        if (part->items == 0 || part->time_ms < time_ms || part->end <= p->floor)
            continue;
        for (uint32_t r = 0; r < part->run_count; r++)
            if (part->runs[r].time_ms >= time_ms) {
                *ret = (struct run_ref){
                    .segment = part->segment, .run = part->runs[r], .end = part->end
                };
                return true;
            }
    }
    return false;
}

enum weft_err wf_log_find_time(struct wf_log *log, const struct wf_hash *product, int64_t time_ms,
    struct wf_buf *scratch, uint64_t *ret_offset)
{
    struct run_ref ref;
    uint64_t floor = 0, offset = 0;
    bool found = false;

    pthread_mutex_lock(&log->lock);
    const struct wf_product *p = wf_index_find(&log->index, product);
    bool known = p && !p->fresh;
    if (known) {
        floor = p->floor;
        offset = p->head;
        found = seek_time(p, time_ms, &ref);
        if (found)
            ref.segment->readers++;
    }
    pthread_mutex_unlock(&log->lock);
    if (!known)
        return WEFT_E_NOT_FOUND;
    if (found) {
        offset =
            ref.run
                .first; // unless its headers tell more; a damaged run is delivered as a gap anyway
        struct product_time want = { product, time_ms };
        enum weft_err err = find_in_run(log, &ref, &want, scratch, &offset);
        wf_log_return(log, ref.segment);
        if (err == WEFT_E_NOMEM)
            return err;
    }
    *ret_offset = offset > floor ? offset : floor;
    return WEFT_OK;
}

enum weft_err wf_log_tail(
    struct wf_log *log, const struct wf_hash *product, uint32_t items, uint64_t *ret_offset)
{
    uint64_t offset = 0, have = 0;

    pthread_mutex_lock(&log->lock);
    const struct wf_product *p = wf_index_find(&log->index, product);
    bool known = p && !p->fresh;
    if (known) {
        offset = p->head;
        for (uint32_t i = p->part_count; i > 0 && have < items && offset > p->floor; i--) {
            const struct wf_part *part = p->parts[i - 1];
            for (uint32_t r = part->run_count; r > 0 && have < items; r--) {
                if (part->runs[r - 1].first > part->end)
                    continue; // written anew in a later segment
                have += part->runs[r - 1].items;
                offset = part->runs[r - 1].first;
            }
        }
        if (offset < p->floor || have < items)
            offset = p->floor;
    }
    pthread_mutex_unlock(&log->lock);
    if (!known)
        return WEFT_E_NOT_FOUND;
    *ret_offset = offset;
    return WEFT_OK;
}
