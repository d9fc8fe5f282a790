// SPDX-License-Identifier: Apache-2.0
// What a product knows after a start: a checkpoint (meta "p-HEX", rebuildable) and every entry of the log after it, read through the same
// function that takes in durable entries. Layout of the checkpoint: docs/internals/streams.md.
#include <stdio.h>
#include <stdlib.h>

#include "node/restored.h"
#include "node/stream/priv.h"

#define CHECKPOINT_VERSION 2u
#define READ_BYTES         (1u * WF_MIB)

// ---- checkpoint ------------------------------------------------------------------------------------------------------

static void meta_name(const struct wf_home_product *p, char out[40])
{
    out[0] = 'p';
    out[1] = '-';
    wf_hex_put(wf_bytes(p->collect->product.id.b, 16), out + 2);
}

static enum weft_err put64(struct wf_buf *b, uint64_t v)
{
    uint8_t be[8];

    wf_store_be64(be, v);
    return wf_buf_append(b, WF_BYTES(be));
}

static enum weft_err put_incarnation(struct wf_buf *b, const struct wf_incarnation *i)
{
    enum weft_err err = put64(b, i->counter);

    return err ? err : put64(b, i->random);
}

static enum weft_err put_origin(struct wf_buf *b, const struct wf_origin *o)
{
    enum weft_err err = wf_buf_append(b, WF_BYTES(o->key.b));

    if (!err)
        err = put_incarnation(b, &o->durable.incarnation);
    if (!err)
        err = put64(b, o->durable.first_seq);
    if (!err)
        err = put64(b, o->durable.next_seq);
    if (!err)
        err = wf_buf_append(b, wf_hash_view(&o->durable.last));
    if (!err)
        err = wf_buf_append(b, wf_hash_view(&o->durable.previous));
    if (!err)
        err = put64(b, (uint64_t)o->last_ms);
    if (!err)
        err = put64(b, o->snapshot);
    if (!err)
        err = put64(b, o->opened);
    return err ? err : wf_buf_append(b, wf_hash_view(&o->cert));
}

static enum weft_err put_ended(struct wf_buf *b, const struct wf_ended *c)
{
    enum weft_err err = wf_buf_append(b, WF_BYTES(c->key.b));

    if (!err)
        err = put_incarnation(b, &c->incarnation);
    if (!err)
        err = put64(b, c->next_seq);
    if (!err)
        err = put64(b, (uint64_t)c->last_ms);
    return err ? err : wf_buf_append(b, wf_hash_view(&c->cert));
}

static enum weft_err put_lists(const struct wf_home_product *p, struct wf_buf *b)
{
    enum weft_err err = put64(b, p->log_count);

    for (size_t i = 0; i < p->log_count && !err; i++) {
        err = put_incarnation(b, &p->logs[i].id);
        if (!err)
            err = put64(b, p->logs[i].end);
    }
    if (!err)
        err = put64(b, p->publisher_count);
    for (size_t i = 0; i < p->publisher_count && !err; i++) {
        err = wf_buf_append(b, WF_BYTES(p->publishers[i].id));
        if (!err)
            err = put64(b, p->publishers[i].durable);
        if (!err)
            err = put64(b, (uint64_t)p->publishers[i].used_ms);
    }
    if (!err)
        err = put64(b, p->origin_count);
    for (size_t i = 0; i < p->origin_count && !err; i++)
        err = put_origin(b, &p->origins[i]);
    if (!err)
        err = put64(b, p->ended_count);
    for (size_t i = 0; i < p->ended_count && !err; i++)
        err = put_ended(b, &p->ended[i]);
    return err;
}

enum weft_err wf_checkpoint_pack(const struct wf_home_product *p, struct wf_buf *out)
{
    enum weft_err err = put64(out, CHECKPOINT_VERSION);

    if (!err)
        err = put64(out, p->head);
    if (!err)
        err = put_incarnation(out, &p->last_log);
    if (!err)
        err = wf_buf_append(out, wf_hash_view(&p->head_hash));
    if (!err)
        err = put64(out, p->last_epoch);
    if (!err)
        err = put64(out, (uint64_t)p->last_append_ms);
    return err ? err : put_lists(p, out);
}

// Until this start's log has begun the checkpoint before holds; one that is taken over has none but its marks.
static bool has_checkpoint(const struct wf_home_product *p)
{
    return !wf_incarnation_is_none(&p->log_id) || p->incoming;
}

static void write_checkpoint(struct wf_meta_group *g, struct wf_home_product *p)
{
    struct wf_buf b = { 0 };
    char name[40];
    enum weft_err err = wf_checkpoint_pack(p, &b);

    meta_name(p, name);
    if (err)
        g->done(g->arg, p, err);
    else
        wf_meta_add(g, name, wf_buf_view(&b), p);
    wf_buf_fini(&b);
}

static void written(void *arg, void *tag, enum weft_err err)
{
    if (arg)
        *(enum weft_err *)arg = err;
    if (!err)
        ((struct wf_home_product *)tag)->dirty = false;
}

enum weft_err wf_home_checkpoint(struct wf_home_product *p)
{
    struct wf_meta_group g;
    enum weft_err err = WEFT_OK;

    if (!has_checkpoint(p))
        return WEFT_OK;
    wf_meta_group_init(&g, &p->room->vfs, p->room->meta_dir, written, &err);
    write_checkpoint(&g, p);
    wf_meta_commit(&g);
    return err;
}

static void written_or_said(void *arg, void *tag, enum weft_err err)
{
    const struct wf_home_product *p = tag;

    written(NULL, tag, err);
    if (err)
        wf_say(arg, WF_LOG_WARN, "stream", "a checkpoint could not be written", "product",
            p->collect->product.name, NULL);
}

void wf_home_checkpoint_all(struct wf_stream_room *r)
{
    struct wf_meta_group g;

    wf_meta_group_init(&g, &r->vfs, r->meta_dir, written_or_said, r->node);
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (p->dirty && has_checkpoint(p))
            write_checkpoint(&g, p);
    wf_meta_commit(&g);
}

// ---- reading it ------------------------------------------------------------------------------------------------------

struct cut {
    struct wf_bytes in;
    bool bad;
};

static struct wf_bytes take(struct cut *c, size_t len)
{
    struct wf_bytes got = { c->in.ptr, len };

    if (c->bad || c->in.len < len) {
        c->bad = true;
        return wf_bytes(NULL, 0);
    }
    c->in = wf_bytes(c->in.ptr + len, c->in.len - len);
    return got;
}

static uint64_t take64(struct cut *c)
{
    struct wf_bytes b = take(c, 8);

    return b.len ? wf_load_be64(b.ptr) : 0;
}

static struct wf_incarnation take_incarnation(struct cut *c)
{
    struct wf_incarnation i = { .counter = take64(c) };

    i.random = take64(c);
    return i;
}

static void take_into(struct cut *c, void *out, size_t len)
{
    struct wf_bytes b = take(c, len);

    if (b.len)
        memcpy(out, b.ptr, len);
}

static size_t take_count(struct cut *c, size_t max)
{
    uint64_t v = take64(c);

    if (v > max)
        c->bad = true;
    return c->bad ? 0 : (size_t)v;
}

static enum weft_err take_origin(struct cut *c, struct wf_home_product *p)
{
    struct wf_origin o = { 0 }, *at = NULL;

    take_into(c, o.key.b, WF_KEY_LEN);
    o.durable.incarnation = take_incarnation(c);
    o.durable.first_seq = take64(c);
    o.durable.next_seq = take64(c);
    take_into(c, o.durable.last.b, WF_HASH_LEN);
    take_into(c, o.durable.previous.b, WF_HASH_LEN);
    o.last_ms = (int64_t)take64(c);
    o.snapshot = take64(c);
    o.opened = take64(c);
    take_into(c, o.cert.b, WF_HASH_LEN);
    enum weft_err err = c->bad ? WEFT_E_DAMAGED : wf_origin_need(p, &o.key, &at);
    if (!err)
        *at = o;
    return err;
}

static enum weft_err take_ended(struct cut *c, struct wf_home_product *p)
{
    struct wf_ended e = { 0 };

    take_into(c, e.key.b, WF_KEY_LEN);
    e.incarnation = take_incarnation(c);
    e.next_seq = take64(c);
    e.last_ms = (int64_t)take64(c);
    take_into(c, e.cert.b, WF_HASH_LEN);
    return c->bad ? WEFT_E_DAMAGED : wf_ended_add(p, &e);
}

static enum weft_err take_lists(struct cut *c, struct wf_home_product *p)
{
    enum weft_err err = WEFT_OK;
    size_t count = take_count(c, WF_OLD_LOGS_MAX);

    for (size_t i = 0; i < count && !err; i++) {
        struct wf_incarnation id = take_incarnation(c);
        err = wf_logs_add(p, &id, take64(c));
    }
    count = take_count(c, WF_PUBLISHERS_MAX);
    for (size_t i = 0; i < count && !err; i++) {
        uint8_t id[WF_PUBLISHER_LEN] = { 0 };
        struct wf_publisher *u = NULL;
        take_into(c, id, sizeof id);
        uint64_t mark = take64(c);
        err = wf_publisher_need(p, id, (int64_t)take64(c), &u);
        if (!err)
            u->durable = mark;
    }
    count = take_count(c, WF_MAX_CURSOR_MARKS);
    for (size_t i = 0; i < count && !err; i++)
        err = take_origin(c, p);
    count = take_count(c, WF_ENDED_MAX);
    for (size_t i = 0; i < count && !err; i++)
        err = take_ended(c, p);
    return c->bad ? WEFT_E_DAMAGED : err;
}

void wf_marks_forget(struct wf_home_product *p)
{
    p->origin_count = 0;
    p->publisher_count = 0;
    p->ended_count = 0;
    p->log_count = 0;
    p->head_hash = (struct wf_hash){ 0 };
    p->last_log = (struct wf_incarnation){ 0 };
    p->last_append_ms = 0;
}

enum weft_err wf_checkpoint_take(
    struct wf_home_product *p, struct wf_bytes bytes, uint64_t *ret_head)
{
    struct cut c = { .in = bytes };
    bool known = take64(&c) == CHECKPOINT_VERSION;
    uint64_t head = take64(&c);

    wf_marks_forget(p);
    p->last_log = take_incarnation(&c);
    take_into(&c, p->head_hash.b, WF_HASH_LEN);
    p->last_epoch = take64(&c);
    p->last_append_ms = (int64_t)take64(&c);
    enum weft_err err = known && !c.bad ? take_lists(&c, p) : WEFT_E_DAMAGED;
    if (!err && c.in.len)
        err = WEFT_E_DAMAGED;
    if (!err)
        *ret_head = head;
    return err;
}

struct agreement {
    struct wf_home_product *p;
    uint64_t head; // of the checkpoint
    bool seen;     // what the log has there
    bool agrees;
};

static bool on_last(void *arg, const struct wf_log_view *v)
{
    struct agreement *a = arg;
    struct wf_entry e;
    struct wf_batch_header h;
    struct wf_hash hash;

    if (v->status || v->first > a->head)
        return false; // what can't be read contradicts nothing
    if (v->end > a->head) {
        a->seen = a->seen || v->first < a->head; // an entry lies across
        return false;
    }
    if (wf_entry_parse(v->body, &e) || (!e.is_reset && wf_batch_open_header(e.header, &h)))
        return true;
    wf_entry_hash(&e, &a->p->collect->product.id, e.is_reset ? NULL : &h.id, &hash);
    a->seen = true;
    a->agrees = wf_hash_eq(&hash, &a->p->head_hash);
    return !a->agrees;
}

// Is the checkpoint's last entry the log's? A log that the power shortened may have grown again, with other entries, past a checkpoint of before.
static enum weft_err check_last(
    struct wf_home_product *p, const struct wf_log_range *range, uint64_t head)
{
    struct wf_stream_room *r = p->room;
    struct agreement a = { .p = p, .head = head };
    struct wf_log_reader reader = { .product = p->log_key,
        .from = head > range->floor ? head - 1 : head,
        .max_bytes = READ_BYTES,
        .visit = on_last,
        .arg = &a,
        .scratch = &r->scratch,
        .pass_unread = true };
    uint64_t next = 0;

    if (wf_hash_is_zero(&p->head_hash))
        return WEFT_OK;
    enum weft_err err = wf_log_read(r->node->log, &reader, &next);
    if (err)
        return err;
    return a.seen && !a.agrees ? WEFT_E_DAMAGED : WEFT_OK;
}

// *ret_from: where the log is to be read from. What it knew of a log that is shorter now, or another one, goes to *ret_past.
static enum weft_err load_checkpoint(struct wf_home_product *p, const struct wf_log_range *range,
    uint64_t *ret_from, struct wf_past *ret_past)
{
    struct wf_buf file = { 0 };
    char name[40];

    meta_name(p, name);
    enum weft_err err = wf_meta_get(&p->room->vfs, p->room->meta_dir, name, &file);
    if (err)
        goto out;
    uint64_t head = 0;
    err = wf_checkpoint_take(p, wf_buf_view(&file), &head);
    // A log that ends before its checkpoint was put back from a copy, or lost what was durable: only what it holds counts.
    bool whole = !err;
    if (!err && head > range->head) {
        p->damaged = true;
        err = WEFT_E_DAMAGED;
    }
    if (!err && range->head != UINT64_MAX)
        err = check_last(p, range, head);
    if (whole && err == WEFT_E_DAMAGED)
        wf_past_take(p, ret_past);
    if (!err)
        *ret_from = head;
out:
    wf_buf_fini(&file);
    if (err == WEFT_E_NOMEM)
        return err;
    if (err) {
        wf_marks_forget(p);
        *ret_from = range->floor;
    }
    return WEFT_OK;
}

// ---- replay ----------------------------------------------------------------------------------------------------------

struct walk {
    struct wf_home_product *p;
    enum weft_err err;
};

static enum weft_err take_entry(struct wf_home_product *p, struct wf_bytes packed)
{
    struct wf_entry e;
    struct wf_batch_header h;
    struct wf_buf raw = { 0 };
    enum weft_err err = wf_entry_parse(packed, &e);

    if (err)
        return err;
    // Resets at the place where the checkpoint ends may have been counted in it.
    if (e.is_reset && wf_incarnation_cmp(&e.log_id, &p->last_log) <= 0)
        return WEFT_OK;
    if (!e.is_reset)
        err = wf_batch_open_header(e.header, &h);
    if (!err && !e.is_reset && p->collect->product.kind == WF_PRODUCT_INVENTORY &&
        h.kind == WF_BATCH_DATA)
        err = wf_batch_open_payload(&h, e.payload, &raw);
    if (!err)
        err = wf_marks_entry(p, &e, e.is_reset ? NULL : &h, wf_buf_view(&raw));
    if (!err) {
        wf_entry_hash(&e, &p->collect->product.id, e.is_reset ? NULL : &h.id, &p->head_hash);
        p->last_log = e.log_id;
    }
    wf_buf_fini(&raw);
    return err;
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct walk *w = arg;
    enum weft_err err = v->status ? v->status : take_entry(w->p, v->body);

    if (err == WEFT_E_NOMEM) {
        w->err = err;
        return false;
    }
    if (err && err != WEFT_E_RETENTION && err != WEFT_E_LOST) {
        w->p->damaged = true;
        w->p->head_hash = (struct wf_hash){ 0 }; // unless an intact entry follows
    }
    return true;
}

// Without them the product serves all it did but what is sealed under old epochs.
static enum weft_err recall_epochs(struct wf_home_product *p)
{
    enum weft_err err = wf_epochs_load(p);

    if (err && err != WEFT_E_NOMEM) {
        wf_say(p->room->node, WF_LOG_WARN, "stream", "sealed epoch keys could not be read",
            "product", p->collect->product.name, "why", weft_err_text(err), NULL);
        err = WEFT_OK;
    }
    return err;
}

static enum weft_err read_log(
    struct wf_home_product *p, uint64_t at, const struct wf_log_range *range)
{
    struct wf_stream_room *r = p->room;
    struct walk w = { .p = p };
    struct wf_log_reader reader = { .product = p->log_key,
        .max_bytes = READ_BYTES,
        .visit = on_view,
        .arg = &w,
        .scratch = &r->scratch,
        .pass_unread = true };
    enum weft_err err = WEFT_OK;

    for (bool first = true; !err && (first || at < range->head); first = false) {
        uint64_t next = at;
        reader.from = at;
        err = wf_log_read(r->node->log, &reader, &next);
        if (!err)
            err = w.err;
        if (next == at)
            break;
        at = next;
    }
    return err;
}

// The log holds nothing of the product: it is new, or the log was lost, or it was put back without. It goes on where the checkpoint knew it to
// be, so that no offset stands for two entries, and readers are told by offsets what is lost.
static enum weft_err recover_without_log(struct wf_home_product *p)
{
    struct wf_log_range range = { .head = UINT64_MAX };
    struct wf_past none = { 0 };
    uint64_t at = 0;
    enum weft_err err = load_checkpoint(p, &range, &at, &none);

    if (!err && at)
        p->damaged = true; // origins may know more than the checkpoint
    p->head = at;
    return err;
}

static enum weft_err recover_with_log(struct wf_home_product *p, const struct wf_log_range *range)
{
    struct wf_past known = { 0 };
    uint64_t at = 0;
    enum weft_err err = load_checkpoint(p, range, &at, &known);

    if (!err)
        err = read_log(p, at, range);
    if (!err)
        err = wf_past_compare(p, &known);
    wf_past_fini(&known);
    p->head = range->head;
    return err;
}

// Their marks are as of a copy or a checkpoint: each may have said more since.
static void doubt_publishers(struct wf_home_product *p)
{
    int64_t restored_ms = wf_restored_ms(p->room->node);

    for (size_t i = 0; i < p->publisher_count; i++)
        p->publishers[i].unsure = p->damaged || p->publishers[i].used_ms < restored_ms ||
                                  p->publishers[i].used_ms < p->lost_ms;
}

enum weft_err wf_home_recover(struct wf_home_product *p, struct wf_diag *diag)
{
    struct wf_log_range range = { 0 };
    char text[160];
    enum weft_err err = wf_log_range(p->room->node->log, &p->log_key, &range);

    err = err == WEFT_E_NOT_FOUND ? recover_without_log(p)
          : err                   ? err
                                  : recover_with_log(p, &range);
    if (err) {
        wf_diag_set(diag, 0, 0, "the log could not be read: %s", weft_err_text(err));
        return err;
    }
    p->dirty = true;
    doubt_publishers(p);
    wf_marks_roll_back(p);
    if (p->damaged) {
        snprintf(text, sizeof text,
            "the log of %s has damaged or missing entries; readers see gaps",
            p->collect->product.name);
        wf_alarm(p->room->node, "log-damaged", text);
    }
    return recall_epochs(p);
}

// ---- incarnations ----------------------------------------------------------------------------------------------------

enum weft_err wf_stream_incarnation(struct wf_stream_room *r, struct wf_incarnation *ret)
{
    uint64_t random = 0;
    uint8_t be[8];

    wf_random(&random, sizeof random);
    struct wf_incarnation i =
        wf_incarnation_next(r->last_counter, wf_node_now_unix_ms(r->node), 0, random);
    wf_store_be64(be, i.counter);
    enum weft_err err = wf_meta_put(&r->vfs, r->meta_dir, "incarnation", WF_BYTES(be));
    if (err)
        return err;
    r->last_counter = i.counter;
    *ret = i;
    return WEFT_OK;
}
