// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/cursor.h"

#include "proto/base/sorted.h"
#include "proto/stream/wire.h"

enum { F_PRODUCT_ID = 1, F_LOG = 2, F_MARK = 3, F_LOST = 4, F_OWNED = 5 };            // Cursor
enum { F_LOG_ID = 1, F_END_OFFSET = 2 };                                              // LogEnd
enum { F_ORIGIN = 1, F_INCARNATION = 2, F_NEXT_SEQ = 3, F_LOST_THEN = 4, F_DAY = 5 }; // Mark
enum { ROW_LOGS = 1, ROW_MARK = 2, ROW_KEY = 1u + WF_HASH_LEN };                      // rows

#define LOG_MAX  (WF_WIRE_INCARNATION + WF_WIRE_VARINT)
#define MARK_MAX (WF_WIRE_HASH + WF_WIRE_INCARNATION + 2u * WF_WIRE_VARINT + 1u + DAY_LEN)
#define DAY_LEN  3u // of its varint
#define DAY_MAX  ((1u << 21) - 1)
#define DAY_MS   86400000
#define HEAD_MAX (WF_WIRE_HASH + 2u * WF_WIRE_VARINT) // product_id, lost and owned
// With their own tag and length, which is below 128.
#define LOG_ITEM  (2u + LOG_MAX)
#define MARK_ITEM (2u + MARK_MAX)

_Static_assert(WF_KEY_LEN == WF_HASH_LEN, "an origin takes as much room as a hash");
_Static_assert(HEAD_MAX + WF_MAX_CURSOR_LOGS * LOG_ITEM <= WF_CURSOR_VALUE_MAX, "logs row");
_Static_assert(WF_WIRE_HASH + MARK_ITEM <= WF_CURSOR_VALUE_MAX, "mark row");
_Static_assert(
    HEAD_MAX + WF_MAX_CURSOR_LOGS * LOG_ITEM + WF_MAX_CURSOR_MARKS * MARK_ITEM <= WF_MAX_CURSOR,
    "the largest cursor is within its limit");

void wf_cursor_init(struct wf_cursor *c, const struct wf_hash *product_id)
{
    *c = (struct wf_cursor){ .product_id = *product_id };
}

void wf_cursor_fini(struct wf_cursor *c)
{
    wf_buf_fini(&c->store);
    *c = (struct wf_cursor){ 0 };
}

// ---- logs --------------------------------------------------------------------------------------------------------------

void wf_cursor_position(
    const struct wf_cursor *c, struct wf_incarnation *ret_log, uint64_t *ret_offset)
{
    const struct wf_log_end *last = c->log_count ? &c->logs[c->log_count - 1] : NULL;

    *ret_log = last ? last->log_id : (struct wf_incarnation){ 0 };
    *ret_offset = last ? last->end_offset : 0;
}

static struct wf_log_end *find_log(struct wf_cursor *c, const struct wf_incarnation *log_id)
{
    for (size_t i = 0; i < c->log_count; i++)
        if (wf_incarnation_eq(&c->logs[i].log_id, log_id))
            return &c->logs[i];
    return NULL;
}

void wf_cursor_advance(
    struct wf_cursor *c, const struct wf_incarnation *log_id, uint64_t end_offset)
{
    struct wf_log_end *known = find_log(c, log_id);

    if (known) {
        known->end_offset = end_offset > known->end_offset ? end_offset : known->end_offset;
        return;
    }
    if (c->log_count == WF_MAX_CURSOR_LOGS) {
        memmove(c->logs, c->logs + 1, (WF_MAX_CURSOR_LOGS - 1) * sizeof c->logs[0]);
        c->log_count--;
    }
    c->logs[c->log_count++] = (struct wf_log_end){ .log_id = *log_id, .end_offset = end_offset };
}

// ---- marks -------------------------------------------------------------------------------------------------------------

static int by_origin(const void *mark, const void *origin)
{
    const struct wf_mark *m = mark;
    const struct wf_sign_pub *key = origin;

    return memcmp(m->origin.b, key->b, WF_KEY_LEN);
}

static struct wf_sorted marks(const struct wf_cursor *c)
{
    return (struct wf_sorted){ c->marks, c->mark_count, sizeof *c->marks, by_origin };
}

const struct wf_mark *wf_cursor_find(const struct wf_cursor *c, const struct wf_sign_pub *origin)
{
    const struct wf_sorted s = marks(c);

    return wf_sorted_find(&s, origin);
}

uint32_t wf_cursor_skip(const struct wf_cursor *c, const struct wf_batch_header *h)
{
    const struct wf_mark *m = wf_cursor_find(c, &h->signer);

    if (!m)
        return 0;
    int age = wf_incarnation_cmp(&h->incarnation, &m->incarnation);
    if (age != 0)
        return age < 0 ? h->count : 0;
    if (m->next_seq <= h->first_seq)
        return 0;
    uint64_t overlap = m->next_seq - h->first_seq;
    return overlap < h->count ? (uint32_t)overlap : h->count;
}

// The mark moved longest ago goes when it is a week older than the new one. What comes of its origin later is as of one that was never heard of.
static bool make_room(struct wf_cursor *c, uint32_t day)
{
    size_t oldest = 0;

    for (size_t i = 1; i < c->mark_count; i++)
        if (c->marks[i].day < c->marks[oldest].day)
            oldest = i;
    if (day < c->marks[oldest].day + WF_MARK_DAYS)
        return false;
    c->mark_count--;
    memmove(c->marks + oldest, c->marks + oldest + 1, (c->mark_count - oldest) * sizeof *c->marks);
    c->store.len -= sizeof *c->marks;
    return true;
}

static enum weft_err insert_mark(struct wf_cursor *c, size_t at, const struct wf_mark *mark)
{
    if (c->mark_count == WF_MAX_CURSOR_MARKS)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_buf_reserve(&c->store, sizeof *mark);
    if (err)
        return err;
    c->store.len += sizeof *mark;
    c->marks = (struct wf_mark *)(void *)c->store.ptr; // from malloc: aligned for any type
    memmove(c->marks + at + 1, c->marks + at, (c->mark_count - at) * sizeof *mark);
    c->marks[at] = *mark;
    c->mark_count++;
    c->day = mark->day > c->day ? mark->day : c->day;
    return WEFT_OK;
}

static enum weft_err raise_mark(struct wf_cursor *c, const struct wf_mark *mark)
{
    struct wf_sorted s = marks(c);
    bool found = false;
    size_t at = wf_sorted_place(&s, &mark->origin, &found);

    if (!found && c->mark_count == WF_MAX_CURSOR_MARKS) {
        if (c->day >= mark->day + WF_MARK_DAYS)
            return WEFT_OK; // it is the one to be forgotten
        if (!make_room(c, mark->day))
            return WEFT_E_TOO_BIG;
        s = marks(c);
        at = wf_sorted_place(&s, &mark->origin, &found);
    }
    if (!found)
        return insert_mark(c, at, mark);
    int age = wf_incarnation_cmp(&mark->incarnation, &c->marks[at].incarnation);
    if (age > 0 || (age == 0 && mark->next_seq > c->marks[at].next_seq))
        c->marks[at] = *mark;
    c->day = mark->day > c->day ? mark->day : c->day;
    return WEFT_OK;
}

static uint32_t day_of(int64_t unix_ms)
{
    int64_t day = unix_ms > 0 ? unix_ms / DAY_MS : 0;

    return day > DAY_MAX ? DAY_MAX : (uint32_t)day;
}

enum weft_err wf_cursor_mark(
    struct wf_cursor *c, const struct wf_batch_header *h, int64_t append_ms)
{
    struct wf_mark mark = {
        .origin = h->signer,
        .incarnation = h->incarnation,
        .next_seq = wf_batch_next_seq(h),
        .lost = c->lost,
        .day = day_of(append_ms),
    };

    return raise_mark(c, &mark);
}

void wf_cursor_lose(struct wf_cursor *c, uint64_t count)
{
    c->lost = count > UINT64_MAX - c->lost ? UINT64_MAX : c->lost + count;
}

// [from, to) of one chain never comes. Told by offset were c->lost - then since its mark moved, of which other origins may have taken theirs.
static void account(
    struct wf_cursor *c, uint64_t then, uint64_t from, uint64_t to, struct wf_gap *ret)
{
    uint64_t since = c->lost > then ? c->lost - then : 0, open = c->lost - c->owned;
    uint64_t told = since < open ? since : open;

    if (told > to - from)
        told = to - from;
    c->owned += told;
    *ret = (struct wf_gap){ from, from + told, to };
}

bool wf_cursor_hole(struct wf_cursor *c, const struct wf_batch_header *h, struct wf_gap *ret)
{
    const struct wf_sorted s = marks(c);
    bool found = false;
    size_t at = wf_sorted_place(&s, &h->signer, &found);

    if (!found)
        return false;
    struct wf_mark *m = &c->marks[at];
    int age = wf_incarnation_cmp(&h->incarnation, &m->incarnation);
    uint64_t from = age > 0 ? 0 : m->next_seq;
    if (age < 0 || h->first_seq <= from)
        return false;
    account(c, m->lost, from, h->first_seq, ret);
    *m = (struct wf_mark){ h->signer, h->incarnation, h->first_seq, c->lost, m->day };
    return true;
}

// An origin without a mark may have lost what was told since the last mark moved.
static uint64_t last_moved(const struct wf_cursor *c)
{
    uint64_t then = 0;

    for (size_t i = 0; i < c->mark_count; i++)
        then = c->marks[i].lost > then ? c->marks[i].lost : then;
    return then;
}

bool wf_cursor_lost(struct wf_cursor *c, const struct wf_lost *lost, struct wf_gap *ret)
{
    const struct wf_mark *m = wf_cursor_find(c, &lost->origin);
    int age = m ? wf_incarnation_cmp(&lost->incarnation, &m->incarnation) : 1;
    uint64_t from = lost->from_seq;

    if (age == 0 && m->next_seq > from)
        from = m->next_seq;
    if (age < 0 || from >= lost->to_seq)
        return false;
    account(c, m ? m->lost : last_moved(c), from, lost->to_seq, ret);
    struct wf_mark mark = { lost->origin, lost->incarnation, lost->to_seq, c->lost, c->day };
    enum weft_err err = raise_mark(c, &mark);
    (void)err; // without it what comes of this origin is as of one that was never heard of
    return true;
}

// ---- writing -----------------------------------------------------------------------------------------------------------

static uint8_t *put_log(uint8_t *p, const struct wf_log_end *l)
{
    uint8_t content[LOG_MAX];
    uint8_t *end = wf_wire_put_incarnation(content, WF_TAG_BYTES(F_LOG_ID), &l->log_id);

    end = wf_wire_put_varint(end, WF_TAG_VARINT(F_END_OFFSET), l->end_offset);
    return wf_wire_put_bytes(p, WF_TAG_BYTES(F_LOG), wf_bytes(content, (size_t)(end - content)));
}

static uint8_t *put_mark(uint8_t *p, const struct wf_mark *m)
{
    uint8_t content[MARK_MAX];
    uint8_t *end = wf_wire_put_bytes(content, WF_TAG_BYTES(F_ORIGIN), WF_BYTES(m->origin.b));

    end = wf_wire_put_incarnation(end, WF_TAG_BYTES(F_INCARNATION), &m->incarnation);
    end = wf_wire_put_varint(end, WF_TAG_VARINT(F_NEXT_SEQ), m->next_seq);
    end = wf_wire_put_varint(end, WF_TAG_VARINT(F_LOST_THEN), m->lost);
    end = wf_wire_put_varint(end, WF_TAG_VARINT(F_DAY), m->day);
    return wf_wire_put_bytes(p, WF_TAG_BYTES(F_MARK), wf_bytes(content, (size_t)(end - content)));
}

static uint8_t *put_logs(uint8_t *p, const struct wf_cursor *c)
{
    p = wf_wire_put_hash(p, WF_TAG_BYTES(F_PRODUCT_ID), &c->product_id);
    for (size_t i = 0; i < c->log_count; i++)
        p = put_log(p, &c->logs[i]);
    return p;
}

static uint8_t *put_counts(uint8_t *p, const struct wf_cursor *c)
{
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_LOST), c->lost);
    return wf_wire_put_varint(p, WF_TAG_VARINT(F_OWNED), c->owned);
}

enum weft_err wf_cursor_pack(const struct wf_cursor *c, struct wf_buf *out)
{
    if (wf_hash_is_zero(&c->product_id))
        return WEFT_E_MISSING_FIELD;
    enum weft_err err =
        wf_buf_reserve(out, HEAD_MAX + c->log_count * LOG_ITEM + c->mark_count * MARK_ITEM);
    if (err)
        return err;
    uint8_t *p = put_logs(out->ptr + out->len, c);
    for (size_t i = 0; i < c->mark_count; i++)
        p = put_mark(p, &c->marks[i]);
    p = put_counts(p, c);
    out->len = (size_t)(p - out->ptr);
    return WEFT_OK;
}

static void put_key(struct wf_cursor_row *row, uint8_t kind, const struct wf_cursor *c)
{
    row->key[0] = kind;
    memcpy(row->key + 1, c->product_id.b, WF_HASH_LEN);
    row->key_len = ROW_KEY;
}

void wf_cursor_logs_row(const struct wf_cursor *c, struct wf_cursor_row *ret)
{
    put_key(ret, ROW_LOGS, c);
    uint8_t *p = put_logs(ret->value, c);
    ret->value_len = (size_t)(put_counts(p, c) - ret->value);
}

void wf_cursor_mark_row(
    const struct wf_cursor *c, const struct wf_mark *mark, struct wf_cursor_row *ret)
{
    put_key(ret, ROW_MARK, c);
    memcpy(ret->key + ROW_KEY, mark->origin.b, WF_KEY_LEN);
    ret->key_len += WF_KEY_LEN;
    uint8_t *p = wf_wire_put_hash(ret->value, WF_TAG_BYTES(F_PRODUCT_ID), &c->product_id);
    ret->value_len = (size_t)(put_mark(p, mark) - ret->value);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

static enum weft_err take_log(struct wf_bytes *in, struct wf_cursor *c)
{
    struct wf_bytes body = { 0 };
    struct wf_log_end log = { 0 };
    enum weft_err err = wf_wire_bytes(in, WF_TAG_BYTES(F_LOG), LOG_MAX, &body);

    if (!err)
        err = wf_wire_incarnation(&body, WF_TAG_BYTES(F_LOG_ID), &log.log_id);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_END_OFFSET), &log.end_offset);
    if (!err)
        err = wf_wire_end(body, F_END_OFFSET);
    if (err)
        return err;
    if (wf_incarnation_is_none(&log.log_id))
        return WEFT_E_MISSING_FIELD;
    if (c->log_count == WF_MAX_CURSOR_LOGS)
        return WEFT_E_TOO_BIG;
    if (find_log(c, &log.log_id))
        return WEFT_E_ORDER;
    c->logs[c->log_count++] = log;
    return WEFT_OK;
}

static enum weft_err take_mark(struct wf_bytes *in, struct wf_cursor *c)
{
    struct wf_bytes body = { 0 }, origin = { 0 };
    struct wf_mark mark = { 0 };
    uint64_t day = 0;
    enum weft_err err = wf_wire_bytes(in, WF_TAG_BYTES(F_MARK), MARK_MAX, &body);

    if (!err)
        err = wf_wire_bytes(&body, WF_TAG_BYTES(F_ORIGIN), MARK_MAX, &origin);
    if (!err)
        err = wf_wire_incarnation(&body, WF_TAG_BYTES(F_INCARNATION), &mark.incarnation);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_NEXT_SEQ), &mark.next_seq);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_LOST_THEN), &mark.lost);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_DAY), &day);
    if (!err)
        err = wf_wire_end(body, F_DAY);
    if (!err && day > DAY_MAX)
        err = WEFT_E_RANGE;
    if (err)
        return err;
    mark.day = (uint32_t)day;
    if (!origin.len || wf_incarnation_is_none(&mark.incarnation))
        return WEFT_E_MISSING_FIELD;
    if (origin.len != WF_KEY_LEN)
        return WEFT_E_SYNTAX;
    memcpy(mark.origin.b, origin.ptr, WF_KEY_LEN);
    if (c->mark_count &&
        memcmp(c->marks[c->mark_count - 1].origin.b, mark.origin.b, WF_KEY_LEN) >= 0)
        return WEFT_E_ORDER;
    return insert_mark(c, c->mark_count, &mark);
}

enum weft_err wf_cursor_parse(struct wf_bytes in, struct wf_cursor *ret)
{
    struct wf_cursor c = { 0 };

    if (in.len > WF_MAX_CURSOR)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_wire_hash(&in, WF_TAG_BYTES(F_PRODUCT_ID), &c.product_id);
    if (!err && wf_hash_is_zero(&c.product_id))
        err = WEFT_E_MISSING_FIELD;
    while (!err && wf_wire_at(in, WF_TAG_BYTES(F_LOG)))
        err = take_log(&in, &c);
    while (!err && wf_wire_at(in, WF_TAG_BYTES(F_MARK)))
        err = take_mark(&in, &c);
    if (!err)
        err = wf_wire_varint(&in, WF_TAG_VARINT(F_LOST), &c.lost);
    if (!err)
        err = wf_wire_varint(&in, WF_TAG_VARINT(F_OWNED), &c.owned);
    if (!err)
        err = wf_wire_end(in, F_OWNED);
    if (!err && c.owned > c.lost)
        err = WEFT_E_RANGE;
    if (err) {
        wf_cursor_fini(&c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

// Does the key say what the value holds?
static bool key_fits(struct wf_bytes key, const struct wf_cursor *part)
{
    if (key.ptr[0] == ROW_LOGS)
        return key.len == ROW_KEY && part->mark_count == 0;
    return key.ptr[0] == ROW_MARK && key.len == WF_CURSOR_KEY_MAX && part->log_count == 0 &&
           part->lost == 0 && part->mark_count == 1 && // then none is owned, either
           memcmp(key.ptr + ROW_KEY, part->marks[0].origin.b, WF_KEY_LEN) == 0;
}

enum weft_err wf_cursor_load_row(struct wf_cursor *c, struct wf_bytes key, struct wf_bytes value)
{
    struct wf_cursor part = { 0 };

    if (key.len < ROW_KEY)
        return WEFT_E_SYNTAX;
    enum weft_err err = wf_cursor_parse(value, &part);
    if (err)
        return err;
    if (memcmp(key.ptr + 1, part.product_id.b, WF_HASH_LEN) != 0 || !key_fits(key, &part)) {
        err = WEFT_E_SYNTAX;
        goto out;
    }
    if (!wf_hash_eq(&part.product_id, &c->product_id)) {
        err = WEFT_E_TYPE;
        goto out;
    }
    if (part.mark_count)
        err = raise_mark(c, &part.marks[0]);
    for (size_t i = 0; i < part.log_count; i++)
        wf_cursor_advance(c, &part.logs[i].log_id, part.logs[i].end_offset);
    if (part.lost > c->lost)
        c->lost = part.lost;
    if (part.owned > c->owned)
        c->owned = part.owned;
out:
    wf_cursor_fini(&part);
    return err;
}
