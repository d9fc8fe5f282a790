// SPDX-License-Identifier: Apache-2.0
// What may go: whole closed segments, oldest first, by age and bytes, never one with a pinned offset; in spools also what
// is wholly released. The newest segment stays, because its table of heads is what remembers quiet products.
#include "node/log/log_priv.h"

// Does a product still need an offset of the segment?
static bool is_kept(struct wf_log *log, const struct wf_segment *s)
{
    bool kept = false;

    pthread_mutex_lock(&log->lock);
    for (const struct wf_part *part = s->parts; part && !kept; part = part->next) {
        const struct wf_product *p = part->product;
        if (part->items == 0)
            continue;
        kept = part->end > p->pin ||
               (part->end == p->pin && part->runs[part->run_count - 1].empty_tail);
        kept = kept || (log->conf.keep_unreleased && part->end > p->floor);
    }
    pthread_mutex_unlock(&log->lock);
    return kept;
}

static bool is_released(struct wf_log *log, const struct wf_segment *s)
{
    bool released = s->readable;

    pthread_mutex_lock(&log->lock);
    for (const struct wf_part *part = s->parts; part && released; part = part->next)
        released = part->items == 0 || part->end <= part->product->floor;
    pthread_mutex_unlock(&log->lock);
    return released;
}

// Makes sure that the segment is not the newest, by beginning another.
static bool supersede(struct wf_log *log, const struct wf_segment *s, int64_t now_ms)
{
    if (s->head.number != wf_log_last_number(log))
        return true;
    if (s->items == 0 && s->readable)
        return false; // an empty one would only be replaced by an empty one
    if (log->active)
        wf_log_seal(log, false);
    return wf_log_roll(log, now_ms) == WEFT_OK;
}

static bool is_due(const struct wf_log *log, const struct wf_segment *s, int64_t now_ms)
{
    const struct wf_log_conf *c = &log->conf;

    if (c->retain_ms > 0 && s->time_ms <= now_ms - c->retain_ms)
        return true;
    return c->retain_bytes > 0 && atomic_load(&log->bytes) > c->retain_bytes;
}

void wf_log_do_retain(struct wf_log *log, int64_t now_ms)
{
    for (size_t i = 0; i < log->segment_count;) {
        struct wf_segment *s = log->segments[i];
        bool due = is_due(log, s, now_ms) && !is_kept(log, s);
        if (!due || !supersede(log, s, now_ms) || !wf_log_drop_segment(log, i))
            i++;
    }
}

void wf_log_do_gc(struct wf_log *log)
{
    for (size_t i = 0; i < log->segment_count;) {
        struct wf_segment *s = log->segments[i];
        bool newest = i + 1 == log->segment_count;
        bool released = is_released(log, s) && is_kept(log, s) == false;
        // A small newest segment is not worth a new file.
        if (newest && (s != log->active || s->items == 0 || s->end < log->conf.segment_bytes / 4))
            break;
        if (!released || !supersede(log, s, s->time_ms) || !wf_log_drop_segment(log, i))
            i++;
    }
}
