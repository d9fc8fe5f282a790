// SPDX-License-Identifier: Apache-2.0
#include "node/stream/slice.h"

static enum weft_err add_loss(struct wf_slice *s, uint64_t from, uint64_t to, enum weft_err code)
{
    Weft__V1__Loss *last = s->loss_count ? s->losses[s->loss_count - 1] : NULL;

    if (last && last->to == from && last->code == (uint32_t)code) {
        last->to = to;
        return WEFT_OK;
    }
    if (s->loss_count == WF_SLICE_LOSSES)
        return WEFT_E_FULL;
    Weft__V1__Loss *l = wf_arena_alloc(s->arena, sizeof *l);
    if (!l)
        return WEFT_E_NOMEM;
    weft__v1__loss__init(l);
    l->from = from;
    l->to = to;
    l->code = (uint32_t)code;
    s->losses[s->loss_count++] = l;
    return WEFT_OK;
}

static enum weft_err add_entry(struct wf_slice *s, const struct wf_log_view *v)
{
    struct wf_bytes copy;

    if (v->first == v->end) {
        struct wf_incarnation log_id;
        enum weft_err err = s->log_of_reset(v->body, &log_id);
        if (err || wf_incarnation_cmp(&log_id, &s->after) <= 0)
            return WEFT_OK; // a reset that the reader's position lies behind
        s->after = log_id;
    }
    if (s->entry_count == WF_SLICE_ENTRIES ||
        (s->has_records && s->bytes + v->body.len > s->max_bytes))
        return WEFT_E_FULL;
    enum weft_err err = wf_arena_dup(s->arena, v->body, &copy);
    if (err)
        return err;
    s->entries[s->entry_count++] = wf_pb_bin(copy);
    s->bytes += copy.len;
    s->has_records = s->has_records || v->end > v->first;
    return WEFT_OK;
}

// A body that has no place would be read, checked and left, and once more for the next slice.
static bool has_room(void *arg, size_t body_len)
{
    const struct wf_slice *s = arg;

    return s->entry_count < WF_SLICE_ENTRIES &&
           (!s->has_records || s->bytes + body_len <= s->max_bytes);
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct wf_slice *s = arg;
    uint64_t first = v->first > s->from ? v->first : s->from;
    // Entries that the log has, and whose acknowledgement the loop has not seen yet, wait for it.
    bool beyond = (s->to && v->first >= s->to) || v->first > s->head || v->end > s->head;

    if (beyond) {
        s->done = true;
        return false;
    }
    s->err = v->status ? add_loss(s, first, v->end, v->status) : add_entry(s, v);
    if (s->err)
        return false;
    s->next = v->end;
    return true;
}

enum weft_err wf_slice_read(struct wf_slice *s)
{
    uint64_t next = 0;

    // Not filled with zeros: of 64 kB a few rows are used.
    s->entries = wf_arena_alloc(s->arena, WF_SLICE_ENTRIES * sizeof *s->entries);
    s->losses = wf_arena_alloc(s->arena, WF_SLICE_LOSSES * sizeof *s->losses);
    if (!s->entries || !s->losses)
        return WEFT_E_NOMEM;
    s->next = s->from;
    while (s->next < s->head || s->entry_count == 0) {
        uint64_t at = s->next;
        struct wf_log_reader reader = { .product = s->product,
            .from = at,
            .max_bytes = s->max_bytes,
            .visit = on_view,
            .has_room = has_room,
            .arg = s,
            .scratch = s->scratch };
        enum weft_err err = wf_log_read(s->log, &reader, &next);
        if (err == WEFT_E_IO && s->entry_count)
            return WEFT_OK; // an answer as far as it goes; the next request says it
        if (err)
            return err;
        if (s->err)
            return s->err == WEFT_E_FULL ? WEFT_OK : s->err;
        if (s->next == at || s->done)
            break; // nothing more up to `to` or the head
    }
    return WEFT_OK;
}

void wf_slice_reply(const struct wf_slice *s, Weft__V1__RangeReply *ret)
{
    ret->entries = s->entries;
    ret->n_entries = s->entry_count;
    ret->losses = s->losses;
    ret->n_losses = s->loss_count;
    ret->next = s->next;
}
