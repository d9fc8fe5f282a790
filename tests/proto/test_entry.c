// SPDX-License-Identifier: Apache-2.0
// Entries: one encoding each, views and no copies, a hash that covers every field, and the order of a log.
#include <check.h>
#include <stdio.h>

#include "proto/base/pb_v1.h"
#include "tests/support/stream.h"

// Stand-ins: an entry does not look into them.
#define HEADER  WF_STR("a header's envelope")
#define PAYLOAD WF_STR("stored bytes")

enum sample { BATCH, LATE, LOSS, FIRST_LOG, NEXT_LOG, EXTREME, LOST_LOG, SAMPLE_COUNT };

static struct wf_entry batch_entry(enum sample which)
{
    struct wf_entry e = {
        .log_id = wf_test_incarnation(9),
        .offset = 13,
        .append_ms = WF_TEST_BASE_MS,
        .epoch = 5,
        .previous = wf_test_hash("previous entry"),
        .header = HEADER,
        .payload = PAYLOAD,
    };

    e.late = which == LATE;
    if (which == LOSS)
        e.payload = wf_bytes(NULL, 0);
    if (which == EXTREME) {
        e.offset = e.epoch = UINT64_MAX;
        e.append_ms = WF_MAX_TIME_MS;
        e.log_id = (struct wf_incarnation){ .random = 1 };
    }
    return e;
}

// What two chains of one origin, and one of another, lost.
static struct wf_bytes losses(void)
{
    static struct wf_buf packed;
    struct wf_lost l = { .incarnation = wf_test_incarnation(3), .from_seq = 40, .to_seq = 60 };

    if (packed.len)
        return wf_buf_view(&packed);
    memset(l.origin.b, 0x11, WF_KEY_LEN);
    memcpy(l.subject, "node-1", 7);
    struct wf_lost more = l, other = l;
    more.incarnation = wf_test_incarnation(4);
    more.from_seq = 0;
    memset(other.origin.b, 0x12, WF_KEY_LEN);
    memcpy(other.subject, "web-1", 6);
    other.to_seq = UINT64_MAX;
    ck_assert_int_eq(wf_lost_put(&packed, &l, NULL), WEFT_OK);
    ck_assert_int_eq(wf_lost_put(&packed, &more, &l), WEFT_OK);
    ck_assert_int_eq(wf_lost_put(&packed, &other, &more), WEFT_OK);
    return wf_buf_view(&packed);
}

static struct wf_entry sample(enum sample which)
{
    struct wf_entry e = { .log_id = wf_test_incarnation(9), .is_reset = true };

    if (which != FIRST_LOG && which != NEXT_LOG && which != LOST_LOG)
        return batch_entry(which);
    if (which == LOST_LOG)
        e.lost = losses();
    e.append_ms = WF_TEST_BASE_MS;
    if (which == FIRST_LOG)
        return e;
    e.offset = e.end_offset = 13;
    e.previous_log = wf_test_incarnation(8);
    e.head_hash = wf_test_hash("head");
    return e;
}

static struct wf_buf pack(const struct wf_entry *e)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_entry_pack(e, &out), WEFT_OK);
    return out;
}

static void compare(const struct wf_entry *a, const struct wf_entry *b)
{
    ck_assert(wf_incarnation_eq(&a->log_id, &b->log_id));
    ck_assert(a->offset == b->offset && a->append_ms == b->append_ms && a->epoch == b->epoch);
    ck_assert(wf_hash_eq(&a->previous, &b->previous));
    ck_assert(wf_bytes_eq(a->header, b->header) && wf_bytes_eq(a->payload, b->payload));
    ck_assert(a->late == b->late && a->is_reset == b->is_reset);
    ck_assert(wf_incarnation_eq(&a->previous_log, &b->previous_log));
    ck_assert(a->end_offset == b->end_offset && wf_hash_eq(&a->head_hash, &b->head_hash));
    ck_assert(wf_bytes_eq(a->lost, b->lost));
}

static const char *const stems[SAMPLE_COUNT] = { "stream/301-entry-batch", "stream/302-entry-late",
    "stream/303-entry-loss", "stream/304-entry-first-log", "stream/305-entry-next-log",
    "stream/306-entry-extreme", "stream/307-entry-lost-log" };

START_TEST(what_is_packed_parses_to_views_of_the_same)
{
    struct wf_entry want = sample((enum sample)_i), e;
    struct wf_buf out = pack(&want);

    wf_test_same_vector(stems[_i], "accepted", wf_buf_view(&out));
    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&out), &e), WEFT_OK);
    compare(&want, &e);
    if (e.payload.len)
        ck_assert(e.payload.ptr > out.ptr && e.payload.ptr < out.ptr + out.len);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(protobuf_c_reads_and_writes_the_same_bytes)
{
    struct wf_entry e = sample((enum sample)_i);
    struct wf_buf out = pack(&e), again = { 0 };
    Weft__V1__Entry *m = weft__v1__entry__unpack(NULL, out.len, out.ptr);

    ck_assert_ptr_nonnull(m);
    ck_assert(m->log_id->counter == e.log_id.counter && m->log_id->random == e.log_id.random);
    ck_assert(m->offset == e.offset && m->append_ms == e.append_ms && m->epoch == e.epoch);
    ck_assert(wf_bytes_eq(wf_pb_view(m->header), e.header) && m->late == e.late);
    ck_assert((m->reset != NULL) == e.is_reset);
    ck_assert_int_eq(wf_pb_pack(m, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&out)));
    weft__v1__entry__free_unpacked(m, NULL);
    wf_buf_fini(&out);
    wf_buf_fini(&again);
}
END_TEST

// ---- refusals ------------------------------------------------------------------------------------------------------------

// L = a log id, P = a previous hash, H = a header, B = a payload, R = the reset of a later log at offset 13.
#define L "0a120909000000000000001109 09090909090909"
#define P "2a20 0101010101010101010101010101010101010101010101010101010101010101"
#define H "320161"
#define B "3a0162"
#define R                                                                                          \
    "4238 0a1209080000000000000011 0808080808080808 100d 1a20 "                                    \
    "0202020202020202020202020202020202020202020202020202020202020202"

static const struct refusal {
    const char *stem, *why, *hex;
    enum weft_err want;
} refusals[] = {
    { "310-entry", "nothing", "", WEFT_E_MISSING_FIELD },
    { "311-entry", "no log id", "100d" P H B, WEFT_E_MISSING_FIELD },
    { "312-entry", "an empty log id", "0a00" P H B, WEFT_E_NOT_CANONICAL },
    { "313-entry", "a log id with a counter of 0 written out",
        "0a12 090000000000000000 110900000000000000" P H B, WEFT_E_NOT_CANONICAL },
    { "314-entry", "a log id with a third field", "0a0b 090900000000000000 1801" P H B,
        WEFT_E_UNKNOWN_FIELD },
    { "315-entry", "a log id that ends within", "0a03 090900" P H B, WEFT_E_TRUNCATED },
    { "316-entry", "an offset of 0 written out", L "1000" P H B, WEFT_E_NOT_CANONICAL },
    { "317-entry", "an offset in a longer varint", L "108d00" P H B, WEFT_E_NOT_CANONICAL },
    { "318-entry", "an append time after year 9999", L "1880808080808080807f" P H B, WEFT_E_RANGE },
    { "319-entry", "an append time before 1970", L "18ffffffffffffffffff01" P H B, WEFT_E_RANGE },
    { "320-entry", "a batch without the hash before", L H B, WEFT_E_MISSING_FIELD },
    { "321-entry", "a previous hash of 31 bytes",
        L "2a1f 01010101010101010101010101010101010101010101010101010101010101" H B,
        WEFT_E_SYNTAX },
    { "322-entry", "a previous hash of zeros",
        L "2a20 0000000000000000000000000000000000000000000000000000000000000000" H B,
        WEFT_E_NOT_CANONICAL },
    { "323-entry", "neither batch nor reset", L P, WEFT_E_MISSING_FIELD },
    { "324-entry", "a payload without a header", L P B, WEFT_E_MISSING_FIELD },
    { "325-entry", "an empty header written out", L P "3200" B, WEFT_E_NOT_CANONICAL },
    { "326-entry", "an empty payload written out", L P H "3a00", WEFT_E_NOT_CANONICAL },
    { "327-entry", "a header over its limit, not there", L P "328120", WEFT_E_TOO_BIG },
    { "328-entry", "a payload over its limit, not there", L P H "3a81808402", WEFT_E_TOO_BIG },
    { "329-entry", "late as 2", L P H B "4802", WEFT_E_NOT_CANONICAL },
    { "330-entry", "late as 0 written out", L P H B "4800", WEFT_E_NOT_CANONICAL },
    { "331-entry", "the header twice", L P H H B, WEFT_E_NOT_CANONICAL },
    { "332-entry", "payload before header", L P B H, WEFT_E_NOT_CANONICAL },
    { "333-entry", "a field 10", L P H B "5001", WEFT_E_UNKNOWN_FIELD },
    { "334-entry", "the offset as fixed64", L "110d00000000000000" P H B, WEFT_E_NOT_CANONICAL },
    { "335-entry", "a batch and a reset", L "100d" P H B R, WEFT_E_UNKNOWN_FIELD },
    { "336-entry", "a reset with a hash before it", L "100d" P R, WEFT_E_ORDER },
    { "337-entry", "a reset that is late", L "100d" R "4801", WEFT_E_UNKNOWN_FIELD },
    { "338-entry", "a reset away from its end offset", L "100e" R, WEFT_E_ORDER },
    { "339-entry", "a reset of its own log",
        L "100d 4238 0a1209090000000000000011 0909090909090909 100d 1a20 "
          "0202020202020202020202020202020202020202020202020202020202020202",
        WEFT_E_ORDER },
    { "340-entry", "a reset of a log without head",
        L "4214 0a1209080000000000000011 "
          "0808080808080808",
        WEFT_E_MISSING_FIELD },
    { "341-entry", "a reset of a head without log",
        L "4222 1a20 0202020202020202020202020202020202020202020202020202020202020202",
        WEFT_E_MISSING_FIELD },
    { "342-entry", "a reset over its size, not there", L "42c2e028", WEFT_E_TOO_BIG },
    { "343-entry", "a reset with a field 5", L "42022801", WEFT_E_UNKNOWN_FIELD },
    { "344-entry", "a loss without its origin",
        L "4216221412090903000000000000001828203c2a03776562", WEFT_E_MISSING_FIELD },
    { "345-entry", "a loss with an origin of 31 bytes",
        L "423722350a1f111111111111111111111111111111111111111111111111111111"
          "1111111112090903000000000000001828203c2a03776562",
        WEFT_E_SYNTAX },
    { "346-entry", "a loss without incarnation",
        L "422d222b0a20111111111111111111111111111111111111111111111111111111"
          "11111111111828203c2a03776562",
        WEFT_E_MISSING_FIELD },
    { "347-entry", "a loss of nothing",
        L "423822360a20111111111111111111111111111111111111111111111111111111"
          "11111111111209090300000000000000182820282a03776562",
        WEFT_E_RANGE },
    { "348-entry", "a loss that ends before it begins",
        L "423822360a20111111111111111111111111111111111111111111111111111111"
          "11111111111209090300000000000000182820012a03776562",
        WEFT_E_RANGE },
    { "349-entry", "a loss without a name",
        L "423322310a20111111111111111111111111111111111111111111111111111111"
          "111111111112090903000000000000001828203c",
        WEFT_E_SYNTAX },
    { "364-entry", "a loss with a name that is none",
        L "423822360a20111111111111111111111111111111111111111111111111111111"
          "111111111112090903000000000000001828203c2a03572062",
        WEFT_E_SYNTAX },
    { "357-entry", "the same chain twice",
        L "427022360a20111111111111111111111111111111111111111111111111111111"
          "111111111112090903000000000000001828203c2a0377656222360a2011111111"
          "111111111111111111111111111111111111111111111111111111111209090300"
          "000000000000183d203f2a03776562",
        WEFT_E_ORDER },
    { "358-entry", "losses out of order",
        L "427022360a20111111111111111111111111111111111111111111111111111111"
          "111111111112090904000000000000001828203c2a0377656222360a2011111111"
          "111111111111111111111111111111111111111111111111111111111209090300"
          "0000000000001828203c2a03776562",
        WEFT_E_ORDER },
    { "359-entry", "a loss with a field 6",
        L "423a22380a20111111111111111111111111111111111111111111111111111111"
          "111111111112090903000000000000001828203c2a037765623001",
        WEFT_E_UNKNOWN_FIELD },
    { "360-entry", "a loss whose numbers are out of order",
        L "423822360a20111111111111111111111111111111111111111111111111111111"
          "11111111111209090300000000000000203c18282a03776562",
        WEFT_E_NOT_CANONICAL },
    { "361-entry", "an empty loss", L "42022200", WEFT_E_NOT_CANONICAL },
    { "362-entry", "a loss that ends within", L "4203220a20", WEFT_E_TRUNCATED },
    { "363-entry", "the end offset after a loss",
        L "423a22360a20111111111111111111111111111111111111111111111111111111"
          "111111111112090903000000000000001828203c2a03776562100d",
        WEFT_E_NOT_CANONICAL },
};

START_TEST(each_malformed_entry_has_its_code)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf in = wf_test_hex(r->hex);
    struct wf_entry e = { .offset = 42 };
    char stem[64];
    enum weft_err err = wf_entry_parse(wf_buf_view(&in), &e);

    snprintf(stem, sizeof stem, "stream/%s", r->stem);
    wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&in));
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    ck_assert_uint_eq(e.offset, 42);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(limits_speak_before_lengths)
{
    static uint8_t huge[WF_MAX_ENTRY + 1];
    struct wf_entry e = sample(BATCH), parsed;
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_entry_parse(WF_BYTES(huge), &parsed), WEFT_E_TOO_BIG);
    e.payload = wf_bytes(huge, WF_MAX_BATCH_STORED + 1);
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_TOO_BIG);
    e.payload = wf_bytes(huge, WF_MAX_BATCH_STORED);
    e.header = wf_bytes(huge, WF_MAX_BATCH_HEADER + 1);
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_TOO_BIG);
    e.header = wf_bytes(huge, WF_MAX_BATCH_HEADER);
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_OK);
    ck_assert_uint_le(out.len, WF_MAX_ENTRY);
    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&out), &parsed), WEFT_OK);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(what_would_be_refused_is_not_packed)
{
    struct wf_entry e = sample(BATCH);
    struct wf_buf out = { 0 };

    e.append_ms = -1;
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_RANGE);
    e = sample(BATCH);
    e.log_id = (struct wf_incarnation){ 0 };
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_MISSING_FIELD);
    e = sample(BATCH);
    e.header = wf_bytes(NULL, 0);
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_MISSING_FIELD);
    e = sample(NEXT_LOG);
    e.payload = PAYLOAD;
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_E_UNKNOWN_FIELD);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

// ---- damage --------------------------------------------------------------------------------------------------------------

// A whole entry, or one whose hash or payload differs: never another entry that passes for it.
static void check_damaged(struct wf_bytes in, const struct wf_entry *good)
{
    struct wf_entry e;
    struct wf_buf again = { 0 };
    struct wf_hash product = wf_test_hash("product"), a, b, id_a, id_b;

    if (wf_entry_parse(in, &e) != WEFT_OK)
        return;
    ck_assert_int_eq(wf_entry_pack(&e, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&again), in));
    wf_buf_fini(&again);
    wf_blake2b(good->header, &id_a);
    wf_blake2b(e.header, &id_b);
    wf_entry_hash(good, &product, &id_a, &a);
    wf_entry_hash(&e, &product, &id_b, &b);
    ck_assert(!wf_hash_eq(&a, &b) || !wf_bytes_eq(good->payload, e.payload));
}

START_TEST(a_cut_or_flipped_entry_never_passes_for_the_whole)
{
    struct wf_entry good = sample((enum sample)_i);
    struct wf_buf out = pack(&good);

    for (size_t len = 0; len < out.len; len++)
        check_damaged(wf_bytes(out.ptr, len), &good);
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_damaged(wf_buf_view(&out), &good);
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wf_buf_fini(&out);
}
END_TEST

// ---- hashes --------------------------------------------------------------------------------------------------------------

static void append_be64(struct wf_buf *b, uint64_t v)
{
    uint8_t be[8];

    wf_store_be64(be, v);
    ck_assert_int_eq(wf_buf_append(b, WF_BYTES(be)), WEFT_OK);
}

// The hash as docs/protocol/stream.md writes it down, built independently.
static struct wf_hash hash_by_the_book(
    const struct wf_entry *e, const struct wf_hash *product, const struct wf_hash *batch_id)
{
    struct wf_buf b = { 0 };
    struct wf_hash h;

    ck_assert_int_eq(wf_buf_append_str(&b, "weft/entry/v1"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&b, wf_hash_view(product)), WEFT_OK);
    append_be64(&b, e->log_id.counter);
    append_be64(&b, e->log_id.random);
    append_be64(&b, e->offset);
    append_be64(&b, (uint64_t)e->append_ms);
    append_be64(&b, e->epoch);
    ck_assert_int_eq(wf_buf_append(&b, wf_hash_view(&e->previous)), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&b, e->is_reset ? 2 : 1), WEFT_OK);
    if (e->is_reset) {
        append_be64(&b, e->previous_log.counter);
        append_be64(&b, e->previous_log.random);
        append_be64(&b, e->end_offset);
        ck_assert_int_eq(wf_buf_append(&b, wf_hash_view(&e->head_hash)), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&b, e->lost), WEFT_OK);
    } else {
        ck_assert_int_eq(wf_buf_append(&b, wf_hash_view(batch_id)), WEFT_OK);
    }
    ck_assert_int_eq(wf_buf_append_byte(&b, e->late ? 1 : 0), WEFT_OK);
    wf_blake2b(wf_buf_view(&b), &h);
    wf_buf_fini(&b);
    return h;
}

START_TEST(hash_is_the_one_written_down)
{
    struct wf_entry e = sample((enum sample)_i);
    struct wf_hash product = wf_test_hash("product"), id = wf_test_hash("batch id"), got;
    struct wf_hash want = hash_by_the_book(&e, &product, &id);
    char stem[64];

    wf_entry_hash(&e, &product, e.is_reset ? NULL : &id, &got);
    ck_assert(wf_hash_eq(&got, &want));
    snprintf(stem, sizeof stem, "stream/%d-entry-hash", 350 + _i);
    wf_test_same_vector(stem,
        "hash of entry 301 and so on; product id BLAKE2b-256('product'), batch id "
        "BLAKE2b-256('batch id')",
        wf_hash_view(&got));
}
END_TEST

START_TEST(hash_covers_every_field)
{
    struct wf_entry base = sample(BATCH), e[6];
    struct wf_hash product = wf_test_hash("product"), id = wf_test_hash("id"), seen[10];
    size_t n = 0;

    for (size_t i = 0; i < WF_COUNT(e); i++)
        e[i] = base;
    e[0].log_id.random++;
    e[1].offset++;
    e[2].append_ms++;
    e[3].epoch++;
    e[4].previous.b[31]++;
    e[5].late = true;
    wf_entry_hash(&base, &product, &id, &seen[n++]);
    for (size_t i = 0; i < WF_COUNT(e); i++)
        wf_entry_hash(&e[i], &product, &id, &seen[n++]);
    wf_entry_hash(&base, &id, &id, &seen[n++]);
    wf_entry_hash(&base, &product, &product, &seen[n++]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert(!wf_hash_eq(&seen[i], &seen[j]));
}
END_TEST

// ---- order ---------------------------------------------------------------------------------------------------------------

START_TEST(only_the_next_entry_follows)
{
    struct wf_log_head head = {
        .log_id = wf_test_incarnation(8), .next_offset = 13, .hash = wf_test_hash("head")
    };
    struct wf_entry next = sample(BATCH), reset = sample(NEXT_LOG);

    next.log_id = head.log_id;
    next.previous = head.hash;
    ck_assert_int_eq(wf_entry_follows(&head, &next), WEFT_OK);
    ck_assert_int_eq(wf_entry_follows(&head, &reset), WEFT_OK);
    struct {
        const char *why;
        struct wf_entry e;
    } rows[] = {
        { "another offset", next },
        { "another previous hash", next },
        { "a batch of another log", next },
        { "a reset at another offset", reset },
        { "a reset of another log", reset },
        { "a reset with another head", reset },
        { "a reset within the log", reset },
    };
    rows[0].e.offset++;
    rows[1].e.previous.b[0]++;
    rows[2].e.log_id.random++;
    rows[3].e.offset++;
    rows[4].e.previous_log.random++;
    rows[5].e.head_hash.b[0]++;
    rows[6].e.log_id = head.log_id;
    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_msg(
            wf_entry_follows(&head, &rows[i].e) == WEFT_E_ORDER, "%s followed", rows[i].why);
}
END_TEST

static enum weft_err pack_one(struct wf_bytes payload, void *context)
{
    struct wf_entry e = sample(BATCH);
    struct wf_buf out = { 0 };

    (void)context;
    e.payload = payload;
    enum weft_err err = wf_entry_pack(&e, &out);
    if (err && out.len)
        err = WEFT_E_INTERNAL;
    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(PAYLOAD, pack_one, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("entry");
    TCase *t = tcase_create("entry");

    tcase_add_loop_test(t, what_is_packed_parses_to_views_of_the_same, 0, SAMPLE_COUNT);
    tcase_add_loop_test(t, protobuf_c_reads_and_writes_the_same_bytes, 0, SAMPLE_COUNT);
    tcase_add_loop_test(t, each_malformed_entry_has_its_code, 0, WF_COUNT(refusals));
    tcase_add_test(t, limits_speak_before_lengths);
    tcase_add_test(t, what_would_be_refused_is_not_packed);
    tcase_add_loop_test(t, a_cut_or_flipped_entry_never_passes_for_the_whole, 0, SAMPLE_COUNT);
    tcase_add_loop_test(t, hash_is_the_one_written_down, 0, SAMPLE_COUNT);
    tcase_add_test(t, hash_covers_every_field);
    tcase_add_test(t, only_the_next_entry_follows);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
