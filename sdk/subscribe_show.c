// SPDX-License-Identifier: Apache-2.0
// An item of the queue as the application's event: records are taken apart here, on the application's thread, and into structs only when it asks.
// What is shown lives until the next.
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/pb.h"
#include "proto/base/print.h"
#include "sdk/product_int.h"
#include "sdk/subscribe_int.h"

#define RECORD_MIN 2u // bytes of the shortest

// ---- records -----------------------------------------------------------------------------------------------------------

static bool wants_origin(const struct weft_subscription *s, const char *origin)
{
    for (size_t i = 0; i < s->options.origin_count; i++)
        if (strcmp(s->wanted[i], origin) == 0)
            return true;
    return s->options.origin_count == 0;
}

static bool wants_time(const struct weft_subscription *s, int64_t us)
{
    const struct weft_subscribe_options *o = &s->options;

    return (!o->since_us || us >= o->since_us) && (!o->until_us || us < o->until_us);
}

// A header may count more records than its payload can hold: such a batch gets no room, and decode() refuses it.
static bool can_hold_all(const struct wf_sub_item *i)
{
    return i->header.count <= i->records.len / RECORD_MIN;
}

enum weft_err wf_sub_reserve(struct weft_subscription *s, const struct wf_sub_item *i)
{
    size_t count = i->header.count - i->skip;

    if (i->kind != WEFT_EV_RECORDS || !can_hold_all(i) || s->record_room >= count)
        return WEFT_OK;
    struct weft_record *more = realloc(s->records, count * sizeof *more);
    if (!more)
        return WEFT_E_NOMEM;
    s->records = more;
    s->record_room = count;
    return WEFT_OK;
}

// Decodes what was left out until somebody wants it, into the room that wf_sub_reserve made. An error means that the origin signed records that it did not describe.
static enum weft_err decode(
    struct weft_subscription *s, const struct wf_sub_item *i, size_t *ret_count)
{
    struct wf_bytes in = i->records;
    int64_t min_us = INT64_MAX, max_us = INT64_MIN;
    enum weft_err err = can_hold_all(i) ? WEFT_OK : WEFT_E_RECORD;
    uint32_t at = 0;
    size_t n = 0;

    for (; in.len && !err; at++) {
        struct wf_record_view v;
        err = at < i->header.count ? wf_records_next(&in, i->header.base_us, &v) : WEFT_E_RECORD;
        if (err)
            break;
        min_us = v.time_us < min_us ? v.time_us : min_us;
        max_us = v.time_us > max_us ? v.time_us : max_us;
        if (at < i->skip || !wants_time(s, v.time_us))
            continue;
        s->records[n++] = (struct weft_record){ .op = (enum weft_op)v.op,
            .time_us = v.time_us,
            .offset = i->entry.offset + at,
            .seq = i->header.first_seq + at,
            .data = v.data.ptr,
            .len = v.data.len };
    }
    if (!err)
        err = wf_batch_judge_records(&i->header, at, min_us, max_us);
    if (!err)
        *ret_count = n;
    return err;
}

enum weft_err weft_record_struct(struct weft_subscription *s, const struct weft_record *r,
    const struct ProtobufCMessageDescriptor *type, void *ret_struct)
{
    const struct wf_schema_message *m =
        s->shown && s->shown->product ? wf_product_message(s->shown->product) : NULL;

    if (!m || strcmp(m->full_name, type->name) != 0)
        return WEFT_E_TYPE;
    wf_arena_reset(&s->structs);
    s->structs.cap = wf_pb_budget(r->len);
    enum weft_err err =
        wf_pb_unpack(type, wf_bytes(r->data, r->len), WF_PB_LENIENT, &s->structs, ret_struct);
    return !err || err == WEFT_E_NOMEM ? err : WEFT_E_RECORD;
}

// ---- events ------------------------------------------------------------------------------------------------------------

// What was shown is over. Its records' buffer serves a batch to come, so that a busy reader does not go to the kernel for memory each time.
static void retire(struct weft_subscription *s, struct wf_sub_item *i)
{
    if (!i)
        return;
    struct wf_buf *b = i->raw.cap ? &i->raw : &i->bytes;
    pthread_mutex_lock(&s->mutex);
    if (b->cap && b->cap <= WF_SUB_SPARE && s->spare_count < WF_COUNT(s->spares)) {
        b->len = 0;
        s->spares[s->spare_count++] = *b;
        *b = (struct wf_buf){ 0 };
    }
    pthread_mutex_unlock(&s->mutex);
    wf_sub_item_free(i);
}

static void show_loss(
    struct weft_subscription *s, struct weft_event *e, const struct wf_sub_item *i)
{
    if (i->by_origin && !wants_origin(s, i->subject)) {
        e->kind = WEFT_EV_RECORDS; // none: what others lost is left out with what they say
        e->origin = i->subject;
        return;
    }
    e->loss_from = i->loss_from;
    e->loss_to = i->loss_to;
    e->loss_code = i->code;
    e->by_origin = i->by_origin;
    e->loss_told = i->told;
    if (i->by_origin) {
        e->origin = i->subject;
        e->loss_incarnation = i->incarnation;
    }
}

static void show_batch(struct weft_subscription *s, struct weft_event *e, struct wf_sub_item *i)
{
    struct wf_buf *id = &s->printed;

    id->len = 0;
    if (!wf_print(WF_PREFIX_HASH, wf_hash_view(&i->header.id), id) && id->len < sizeof i->batch)
        memcpy(i->batch, id->ptr, id->len + 1); // its nul, too
    e->origin = i->origin->cert.subject.s;
    e->batch = i->batch;
    e->offset = i->entry.offset + i->skip;
    e->append_ms = i->entry.append_ms;
    e->late = i->entry.late;
    e->way = i->way;
    if (!s->options.proofs)
        return;
    e->header = i->entry.header.ptr;
    e->header_len = i->entry.header.len;
    e->payload = i->entry.payload.ptr;
    e->payload_len = i->entry.payload.len;
    e->chain = i->origin->chain.ptr;
    e->chain_len = i->origin->chain.len;
}

static void show_records(struct weft_subscription *s, struct weft_event *e, struct wf_sub_item *i)
{
    size_t count = i->header.count - i->skip, wanted = 0;
    enum weft_err err =
        wants_origin(s, i->origin->cert.subject.s) ? decode(s, i, &wanted) : WEFT_OK;

    if (err) {
        e->kind = WEFT_EV_LOSS;
        e->loss_from = i->entry.offset + i->skip;
        e->loss_to = i->entry.offset + i->header.count;
        e->loss_code = err;
        wf_sub_count(s, &s->stats.verify_failures, 1);
        wf_sub_count(s, &s->stats.lost_records, count);
        return;
    }
    if (wanted < count)
        wf_sub_count(s, &s->stats.filtered_records, count - wanted);
    e->records = s->records;
    e->record_count = wanted;
    if (wanted)
        e->offset = s->records[0].offset;
}

const struct weft_event *wf_sub_show(struct weft_subscription *s, struct wf_sub_item *i)
{
    struct weft_event *e = &s->event;

    retire(s, s->shown);
    s->shown = i;
    *e = (struct weft_event){ .kind = i->kind, .product = s->name, .state = i->state };
    if (i->origin && i->bytes.len)
        show_batch(s, e, i);
    if (i->kind == WEFT_EV_LOSS)
        show_loss(s, e, i);
    else if (i->kind == WEFT_EV_RECORDS)
        show_records(s, e, i);
    else
        e->problem = i->problem;
    for (size_t r = 0; r < i->row_count; r++)
        i->row_views[r] = (struct weft_cursor_row){ i->rows[r].key, i->rows[r].key_len,
            i->rows[r].value, i->rows[r].value_len };
    e->cursor = i->row_views;
    e->cursor_count = i->row_count;
    return e;
}
