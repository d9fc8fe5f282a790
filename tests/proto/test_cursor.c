// SPDX-License-Identifier: Apache-2.0
// Cursors: each record once, in whatever log and how often it comes; one encoding; rows put together to the whole again.
#include <check.h>
#include <stdio.h>

#include "proto/base/pb_v1.h"
#include "proto/stream/cursor.h"
#include "tests/support/stream.h"

static struct wf_hash product;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    product = wf_test_hash("product");
}

static struct wf_sign_pub origin(unsigned n)
{
    struct wf_sign_pub k = { { 0 } };

    wf_store_be32(k.b, n);
    return k;
}

static struct wf_batch_header batch(
    unsigned who, uint64_t incarnation, uint64_t first_seq, uint32_t count)
{
    return (struct wf_batch_header){
        .product_id = product,
        .signer = origin(who),
        .incarnation = wf_test_incarnation(incarnation),
        .first_seq = first_seq,
        .count = count,
    };
}

#define DAY_MS      86400000ll
#define APPENDED_MS (20000 * DAY_MS + 5)

static void mark(struct wf_cursor *c, unsigned who, uint64_t incarnation, uint64_t next_seq)
{
    struct wf_batch_header h = batch(who, incarnation, next_seq - 1, 1);

    ck_assert_int_eq(wf_cursor_mark(c, &h, APPENDED_MS), WEFT_OK);
}

// Two logs and three marks, put in out of order.
static struct wf_cursor sample(void)
{
    struct wf_cursor c;
    struct wf_incarnation old = wf_test_incarnation(8), now = wf_test_incarnation(9);

    wf_cursor_init(&c, &product);
    wf_cursor_advance(&c, &old, 13);
    wf_cursor_advance(&c, &now, 200);
    mark(&c, 2, 7, 40);
    wf_cursor_lose(&c, 70);
    mark(&c, 1, 7, 300);
    wf_cursor_lose(&c, 230);
    mark(&c, 3, 4, 1);
    c.owned = 10;
    return c;
}

static void compare(const struct wf_cursor *a, const struct wf_cursor *b)
{
    ck_assert(wf_hash_eq(&a->product_id, &b->product_id));
    ck_assert(a->lost == b->lost && a->owned == b->owned);
    ck_assert_uint_eq(a->log_count, b->log_count);
    for (size_t i = 0; i < a->log_count; i++)
        ck_assert(wf_incarnation_eq(&a->logs[i].log_id, &b->logs[i].log_id) &&
                  a->logs[i].end_offset == b->logs[i].end_offset);
    ck_assert_uint_eq(a->mark_count, b->mark_count);
    ck_assert_uint_eq(a->day, b->day);
    for (size_t i = 0; i < a->mark_count; i++)
        ck_assert(memcmp(a->marks[i].origin.b, b->marks[i].origin.b, WF_KEY_LEN) == 0 &&
                  wf_incarnation_eq(&a->marks[i].incarnation, &b->marks[i].incarnation) &&
                  a->marks[i].next_seq == b->marks[i].next_seq &&
                  a->marks[i].lost == b->marks[i].lost && a->marks[i].day == b->marks[i].day);
}

static enum weft_err load(struct wf_cursor *c, const struct wf_cursor_row *r)
{
    return wf_cursor_load_row(c, wf_bytes(r->key, r->key_len), wf_bytes(r->value, r->value_len));
}

// ---- marks ---------------------------------------------------------------------------------------------------------------

START_TEST(records_below_the_mark_are_skipped)
{
    static const struct {
        const char *why;
        unsigned who;
        uint64_t incarnation, first_seq;
        uint32_t count, skip;
    } rows[] = {
        { "an origin never heard of", 9, 7, 0, 10, 0 },
        { "the next batch", 1, 7, 300, 10, 0 },
        { "a batch after a hole", 1, 7, 400, 10, 0 },
        { "the last one again", 1, 7, 290, 10, 10 },
        { "one from long ago", 1, 7, 0, 10, 10 },
        { "half of it", 1, 7, 295, 10, 5 },
        { "all but the last record", 1, 7, 291, 10, 9 },
        { "a newer incarnation from its start", 1, 8, 0, 10, 0 },
        { "a newer incarnation in the middle", 1, 8, 290, 10, 0 },
        { "an older incarnation", 1, 6, 5000, 10, 10 },
        { "a huge batch over the mark", 1, 7, 0, UINT32_MAX, 300 },
        { "at the end of the seqs", 1, 7, UINT64_MAX - 10, 10, 0 },
    };
    struct wf_cursor c = sample();

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_batch_header h =
            batch(rows[i].who, rows[i].incarnation, rows[i].first_seq, rows[i].count);
        uint32_t skip = wf_cursor_skip(&c, &h);
        ck_assert_msg(skip == rows[i].skip, "%s: %u", rows[i].why, skip);
    }
    // The same counter with another random number is another incarnation, ordered by it.
    struct wf_batch_header h = batch(1, 7, 0, 10);
    h.incarnation.random--;
    ck_assert_uint_eq(wf_cursor_skip(&c, &h), 10);
    h.incarnation.random += 2;
    ck_assert_uint_eq(wf_cursor_skip(&c, &h), 0);
    wf_cursor_fini(&c);
}
END_TEST

START_TEST(a_hole_is_told_but_for_what_was_told_by_offset_since)
{
    // The sample: marks of 1 (7, 300; 230 were lost since), 2 (7, 40; 300 since) and 3 (4, 1; none since). Of all 300, 10 have found their origin.
    static const struct {
        const char *why;
        unsigned who;
        uint64_t incarnation, first_seq;
        bool hole;
        struct wf_gap want;
    } rows[] = {
        { "an origin never heard of", 9, 7, 50, false, { 0 } },
        { "the next batch", 3, 4, 1, false, { 0 } },
        { "one that came before", 3, 4, 0, false, { 0 } },
        { "an older incarnation", 3, 3, 9, false, { 0 } },
        { "one number left out", 3, 4, 2, true, { 1, 1, 2 } },
        { "a newer incarnation from its start", 3, 5, 0, false, { 0 } },
        { "a newer incarnation in the middle", 3, 5, 3, true, { 0, 0, 3 } },
        { "as many as were told as lost since", 1, 7, 530, true, { 300, 530, 530 } },
        { "one more than were told", 1, 7, 531, true, { 300, 530, 531 } },
        { "told since an older mark, but for what was others'", 2, 7, 341, true, { 40, 330, 341 } },
        { "the largest hole", 3, 4, UINT64_MAX, true, { 1, 1, UINT64_MAX } },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_cursor c = sample();
        struct wf_batch_header h = batch(rows[i].who, rows[i].incarnation, rows[i].first_seq, 1);
        struct wf_gap gap = { 0 }, again = { 77, 77, 77 };
        ck_assert_msg(wf_cursor_hole(&c, &h, &gap) == rows[i].hole, "%s", rows[i].why);
        ck_assert_msg(memcmp(&gap, &rows[i].want, sizeof gap) == 0, "%s: %llu, %llu, %llu",
            rows[i].why, (unsigned long long)gap.from, (unsigned long long)gap.told,
            (unsigned long long)gap.to);
        ck_assert_uint_eq(c.owned, 10 + gap.told - gap.from);
        ck_assert_msg(!wf_cursor_hole(&c, &h, &again), "%s: told twice", rows[i].why);
        ck_assert_uint_eq(again.from, 77);
        if (rows[i].hole) {
            ck_assert_uint_eq(wf_cursor_skip(&c, &h), 0); // the batch itself is still to come
            ck_assert_uint_eq(wf_cursor_find(&c, &h.signer)->next_seq, rows[i].first_seq);
        }
        wf_cursor_fini(&c);
    }
    struct wf_cursor c = sample();
    wf_cursor_lose(&c, UINT64_MAX);
    ck_assert_uint_eq(c.lost, UINT64_MAX);
    wf_cursor_fini(&c);
}
END_TEST

// What one origin lost by offset does not hide what another lost.
START_TEST(a_loss_by_offset_accounts_for_one_origin_only)
{
    struct wf_cursor c;
    struct wf_gap gap;

    wf_cursor_init(&c, &product);
    mark(&c, 1, 7, 10);
    mark(&c, 2, 7, 10);
    wf_cursor_lose(&c, 10);
    struct wf_batch_header one = batch(1, 7, 20, 1), other = batch(2, 7, 17, 1);
    ck_assert(wf_cursor_hole(&c, &one, &gap) && gap.from == 10 && gap.told == 20 && gap.to == 20);
    ck_assert(wf_cursor_hole(&c, &other, &gap) && gap.from == 10 && gap.told == 10 && gap.to == 17);
    wf_cursor_fini(&c);
}
END_TEST

START_TEST(what_a_home_says_it_lost_is_news_but_for_what_was_read)
{
    static const struct {
        const char *why;
        unsigned who;
        uint64_t incarnation, from_seq, to_seq;
        bool news;
        struct wf_gap want;
    } rows[] = {
        { "beyond the mark", 3, 4, 1, 6, true, { 1, 1, 6 } },
        { "in part read before", 3, 4, 0, 6, true, { 1, 1, 6 } },
        { "all of it read before", 3, 4, 0, 1, false, { 0 } },
        { "of an incarnation that the reader is beyond", 3, 3, 0, 9, false, { 0 } },
        { "of a newer one, of which nothing came", 3, 5, 0, 9, true, { 0, 0, 9 } },
        { "told by their offsets since", 1, 7, 300, 310, true, { 300, 310, 310 } },
        { "an origin never heard of", 9, 1, 2, 4, true, { 2, 2, 4 } },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_cursor c = sample();
        struct wf_lost l = { .origin = origin(rows[i].who),
            .incarnation = wf_test_incarnation(rows[i].incarnation),
            .from_seq = rows[i].from_seq,
            .to_seq = rows[i].to_seq };
        struct wf_gap gap = { 0 };
        ck_assert_msg(wf_cursor_lost(&c, &l, &gap) == rows[i].news, "%s", rows[i].why);
        ck_assert_msg(memcmp(&gap, &rows[i].want, sizeof gap) == 0, "%s: %llu, %llu, %llu",
            rows[i].why, (unsigned long long)gap.from, (unsigned long long)gap.told,
            (unsigned long long)gap.to);
        ck_assert_msg(!wf_cursor_lost(&c, &l, &gap), "%s: told twice", rows[i].why);
        // The origin goes on behind it, and that is no hole.
        struct wf_batch_header next = batch(rows[i].who, rows[i].incarnation, rows[i].to_seq, 1);
        ck_assert_msg(!wf_cursor_hole(&c, &next, &gap), "%s: told again", rows[i].why);
        wf_cursor_fini(&c);
    }
}
END_TEST

START_TEST(marks_stay_sorted_and_never_move_back)
{
    struct wf_cursor c = sample();
    struct wf_sign_pub one = origin(1), none = origin(9);

    for (size_t i = 1; i < c.mark_count; i++)
        ck_assert_int_lt(memcmp(c.marks[i - 1].origin.b, c.marks[i].origin.b, WF_KEY_LEN), 0);
    mark(&c, 1, 7, 200);
    ck_assert_uint_eq(wf_cursor_find(&c, &one)->next_seq, 300);
    mark(&c, 1, 6, 900);
    ck_assert_uint_eq(wf_cursor_find(&c, &one)->next_seq, 300);
    mark(&c, 1, 7, 301);
    ck_assert_uint_eq(wf_cursor_find(&c, &one)->next_seq, 301);
    mark(&c, 1, 8, 5);
    ck_assert_uint_eq(wf_cursor_find(&c, &one)->next_seq, 5);
    ck_assert_uint_eq(wf_cursor_find(&c, &one)->incarnation.counter, 8);
    ck_assert_uint_eq(c.mark_count, 3);
    ck_assert_ptr_null(wf_cursor_find(&c, &none));
    wf_cursor_fini(&c);
}
END_TEST

START_TEST(marks_are_bounded_and_pack_whole)
{
    struct wf_cursor c, again;
    struct wf_buf out = { 0 };
    uint64_t state = 3;

    wf_cursor_init(&c, &product);
    while (c.mark_count < WF_MAX_CURSOR_MARKS) {
        struct wf_batch_header h = batch(0, UINT64_MAX, 0, 1);
        h.first_seq = UINT64_MAX - 1;
        wf_test_rand_bytes(&state, h.signer.b, WF_KEY_LEN);
        ck_assert_int_eq(wf_cursor_mark(&c, &h, APPENDED_MS), WEFT_OK);
    }
    struct wf_batch_header one_more = batch(77, 1, 0, 1);
    ck_assert_int_eq(wf_cursor_mark(&c, &one_more, APPENDED_MS), WEFT_E_TOO_BIG);
    for (uint64_t i = 1; i <= WF_MAX_CURSOR_LOGS; i++) {
        struct wf_incarnation log = wf_test_incarnation(UINT64_MAX - i);
        wf_cursor_advance(&c, &log, UINT64_MAX);
    }
    ck_assert_int_eq(wf_cursor_pack(&c, &out), WEFT_OK);
    ck_assert_uint_le(out.len, WF_MAX_CURSOR);
    ck_assert_int_eq(wf_cursor_parse(wf_buf_view(&out), &again), WEFT_OK);
    compare(&c, &again);
    wf_cursor_fini(&c);
    wf_cursor_fini(&again);
    wf_buf_fini(&out);
}
END_TEST

// ---- logs ----------------------------------------------------------------------------------------------------------------

START_TEST(position_is_the_end_of_the_newest_log)
{
    struct wf_cursor c;
    struct wf_incarnation log, at;
    uint64_t offset = 7;

    wf_cursor_init(&c, &product);
    wf_cursor_position(&c, &at, &offset);
    ck_assert(wf_incarnation_is_none(&at) && offset == 0);
    for (uint64_t i = 1; i <= WF_MAX_CURSOR_LOGS + 3; i++) {
        log = wf_test_incarnation(i);
        wf_cursor_advance(&c, &log, 10 * i);
        wf_cursor_advance(&c, &log, 10 * i - 5); // never back
        wf_cursor_position(&c, &at, &offset);
        ck_assert(wf_incarnation_eq(&at, &log) && offset == 10 * i);
    }
    ck_assert_uint_eq(c.log_count, WF_MAX_CURSOR_LOGS);
    log = wf_test_incarnation(4);
    ck_assert(wf_incarnation_eq(&c.logs[0].log_id, &log));
    wf_cursor_advance(&c, &log, 1000); // an older log that is known moves, and stays where it is
    ck_assert_uint_eq(c.logs[0].end_offset, 1000);
    wf_cursor_fini(&c);
}
END_TEST

// ---- one message ---------------------------------------------------------------------------------------------------------

static enum weft_err parse(struct wf_bytes in, void *context)
{
    struct wf_cursor c;
    enum weft_err err = wf_cursor_parse(in, &c);

    (void)context;
    if (!err)
        wf_cursor_fini(&c);
    return err;
}

START_TEST(what_is_packed_parses_to_the_same)
{
    struct wf_cursor c = sample(), again;
    struct wf_buf out = { 0 }, third = { 0 };

    ck_assert_int_eq(wf_cursor_pack(&c, &out), WEFT_OK);
    wf_test_same_vector("stream/601-cursor",
        "accepted: two logs, three marks, 300 records lost, 10 of them owned", wf_buf_view(&out));
    ck_assert_int_eq(wf_cursor_parse(wf_buf_view(&out), &again), WEFT_OK);
    compare(&c, &again);
    Weft__V1__Cursor *m = weft__v1__cursor__unpack(NULL, out.len, out.ptr);
    ck_assert_ptr_nonnull(m);
    ck_assert(m->n_logs == 2 && m->n_marks == 3 && m->marks[0]->next_seq == 300);
    ck_assert_int_eq(wf_pb_pack(m, &third), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&third), wf_buf_view(&out)));
    weft__v1__cursor__free_unpacked(m, NULL);
    wf_test_allocations(wf_buf_view(&out), parse, NULL);
    wf_cursor_fini(&c);
    wf_cursor_fini(&again);
    wf_buf_fini(&out);
    wf_buf_fini(&third);
}
END_TEST

// Repeated parts may be cut off at their ends; then fewer of them come back, and never others.
START_TEST(a_cut_or_flipped_cursor_is_refused_or_says_something_else)
{
    struct wf_cursor c = sample(), again;
    struct wf_buf out = { 0 }, third = { 0 };

    ck_assert_int_eq(wf_cursor_pack(&c, &out), WEFT_OK);
    for (size_t len = 0; len < out.len; len++)
        if (wf_cursor_parse(wf_bytes(out.ptr, len), &again) == WEFT_OK) {
            ck_assert_uint_lt(
                again.log_count + again.mark_count + (again.lost > 0) + (again.owned > 0), 7);
            wf_cursor_fini(&again);
        }
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        third.len = 0;
        if (wf_cursor_parse(wf_buf_view(&out), &again) == WEFT_OK) {
            ck_assert_int_eq(wf_cursor_pack(&again, &third), WEFT_OK);
            ck_assert(wf_bytes_eq(wf_buf_view(&third), wf_buf_view(&out)));
            wf_cursor_fini(&again);
        }
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wf_cursor_fini(&c);
    wf_buf_fini(&out);
    wf_buf_fini(&third);
}
END_TEST

// P = a product id; K1 and K2 = keys; I = an incarnation.
#define P  "0a20 0101010101010101010101010101010101010101010101010101010101010101"
#define K1 "0a20 1101010101010101010101010101010101010101010101010101010101010101"
#define K2 "0a20 2201010101010101010101010101010101010101010101010101010101010101"
#define I  "120909 0700000000000000"

static const struct refusal {
    const char *stem, *why, *hex;
    enum weft_err want;
} refusals[] = {
    { NULL, "a product, a log, two marks",
        P "120d 0a09090700000000000000 1005 1a2d" K1 I "1a2d" K2 I, WEFT_OK },
    { "610-cursor", "nothing", "", WEFT_E_MISSING_FIELD },
    { "611-cursor", "no product", "120d 0a09090700000000000000 1005", WEFT_E_MISSING_FIELD },
    { "612-cursor", "a product id of 3 bytes", "0a03010101", WEFT_E_SYNTAX },
    { "613-cursor", "a log without id", P "1202 1005", WEFT_E_MISSING_FIELD },
    { "614-cursor", "an empty log", P "1200", WEFT_E_NOT_CANONICAL },
    { "615-cursor", "a log twice", P "120b 0a09090700000000000000 120b 0a09090700000000000000",
        WEFT_E_ORDER },
    { "616-cursor", "an offset of 0 written out", P "120d 0a09090700000000000000 1000",
        WEFT_E_NOT_CANONICAL },
    { "617-cursor", "a log over its size, not there", P "1220", WEFT_E_TOO_BIG },
    { "618-cursor", "a mark without origin", P "1a0b" I, WEFT_E_MISSING_FIELD },
    { "619-cursor", "a mark of no incarnation", P "1a22" K1, WEFT_E_MISSING_FIELD },
    { "620-cursor", "an origin of 2 bytes", P "1a0f 0a020101" I, WEFT_E_SYNTAX },
    { "621-cursor", "marks not sorted", P "1a2d" K2 I "1a2d" K1 I, WEFT_E_ORDER },
    { "622-cursor", "an origin twice", P "1a2d" K1 I "1a2d" K1 I, WEFT_E_ORDER },
    { "623-cursor", "a log after a mark", P "1a2d" K1 I "120b 0a09090700000000000000",
        WEFT_E_NOT_CANONICAL },
    { "624-cursor", "a field 6", P "3001", WEFT_E_UNKNOWN_FIELD },
    { "625-cursor", "a field 6 in a mark", P "1a2f" K1 I "3001", WEFT_E_UNKNOWN_FIELD },
    { "626-cursor", "a field 3 in a log", P "120d 0a09090700000000000000 1801",
        WEFT_E_UNKNOWN_FIELD },
    { "627-cursor", "a mark that is not all there", P "1a2d" K1, WEFT_E_TRUNCATED },
    { "628-cursor", "nine logs",
        P "120b 0a09090100000000000000 120b 0a09090200000000000000 120b 0a09090300000000000000"
          "120b 0a09090400000000000000 120b 0a09090500000000000000 120b 0a09090600000000000000"
          "120b 0a09090700000000000000 120b 0a09090800000000000000 120b 0a09090900000000000000",
        WEFT_E_TOO_BIG },
    { "629-cursor", "nothing lost written out", P "2000", WEFT_E_NOT_CANONICAL },
    { "630-cursor", "a mark after the lost", P "2001 1a2d" K1 I, WEFT_E_NOT_CANONICAL },
    { "631-cursor", "more owned than lost", P "2001 2802", WEFT_E_RANGE },
    { "632-cursor", "a day of the year 7711", P "1a32" K1 I "2880808001", WEFT_E_RANGE },
};

START_TEST(each_malformed_cursor_has_its_code)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf in = wf_test_hex(r->hex);
    char stem[64];
    enum weft_err err = parse(wf_buf_view(&in), NULL);

    if (r->stem) {
        snprintf(stem, sizeof stem, "stream/%s", r->stem);
        wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&in));
    }
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    wf_buf_fini(&in);
}
END_TEST

START_TEST(size_and_number_of_marks_are_bounded)
{
    static uint8_t huge[WF_MAX_CURSOR + 1];
    struct wf_buf in = wf_test_hex(P), item = wf_test_hex("1a2d" K1 I), out = { 0 };
    struct wf_cursor none = { 0 };

    ck_assert_int_eq(parse(WF_BYTES(huge), NULL), WEFT_E_TOO_BIG);
    for (uint32_t i = 0; i <= WF_MAX_CURSOR_MARKS; i++) {
        wf_store_be32(item.ptr + 4, i);
        ck_assert_int_eq(wf_buf_append(&in, wf_buf_view(&item)), WEFT_OK);
    }
    ck_assert_int_eq(parse(wf_buf_view(&in), NULL), WEFT_E_TOO_BIG);
    ck_assert_int_eq(parse(wf_bytes(in.ptr, in.len - item.len), NULL), WEFT_OK);
    ck_assert_int_eq(wf_cursor_pack(&none, &out), WEFT_E_MISSING_FIELD);
    wf_buf_fini(&in);
    wf_buf_fini(&item);
}
END_TEST

// ---- rows ----------------------------------------------------------------------------------------------------------------

START_TEST(rows_put_together_are_the_cursor)
{
    struct wf_cursor c = sample(), again;
    struct wf_cursor_row logs, marks[3];

    wf_cursor_logs_row(&c, &logs);
    for (size_t i = 0; i < 3; i++)
        wf_cursor_mark_row(&c, &c.marks[i], &marks[i]);
    ck_assert_uint_eq(logs.key_len, 33);
    ck_assert(logs.key[0] == 1 && memcmp(logs.key + 1, product.b, 32) == 0);
    ck_assert_uint_eq(marks[0].key_len, 65);
    ck_assert(marks[0].key[0] == 2 && memcmp(marks[0].key + 33, c.marks[0].origin.b, 32) == 0);
    wf_test_same_vector("stream/602-cursor-row-logs", "accepted: value of the logs row",
        wf_bytes(logs.value, logs.value_len));
    wf_test_same_vector("stream/603-cursor-row-mark", "accepted: value of a mark row",
        wf_bytes(marks[0].value, marks[0].value_len));
    wf_cursor_init(&again, &product);
    ck_assert_int_eq(load(&again, &marks[2]), WEFT_OK);
    ck_assert_int_eq(load(&again, &logs), WEFT_OK);
    ck_assert_int_eq(load(&again, &marks[0]), WEFT_OK);
    ck_assert_int_eq(load(&again, &marks[1]), WEFT_OK);
    compare(&c, &again);
    wf_cursor_fini(&c);
    wf_cursor_fini(&again);
}
END_TEST

START_TEST(rows_of_the_largest_values_fit)
{
    struct wf_cursor c, again;
    struct wf_cursor_row row;

    wf_cursor_init(&c, &product);
    for (uint64_t i = 0; i < WF_MAX_CURSOR_LOGS; i++) {
        struct wf_incarnation log = { UINT64_MAX, UINT64_MAX - i };
        wf_cursor_advance(&c, &log, UINT64_MAX);
    }
    struct wf_batch_header h = batch(0xffffffff, UINT64_MAX, UINT64_MAX - 1, 1);
    ck_assert_int_eq(wf_cursor_mark(&c, &h, APPENDED_MS), WEFT_OK);
    wf_cursor_init(&again, &product);
    wf_cursor_logs_row(&c, &row);
    ck_assert_uint_le(row.value_len, WF_CURSOR_VALUE_MAX);
    ck_assert_int_eq(load(&again, &row), WEFT_OK);
    wf_cursor_mark_row(&c, &c.marks[0], &row);
    ck_assert_uint_le(row.value_len, WF_CURSOR_VALUE_MAX);
    ck_assert_int_eq(load(&again, &row), WEFT_OK);
    compare(&c, &again);
    wf_cursor_fini(&c);
    wf_cursor_fini(&again);
}
END_TEST

START_TEST(a_row_that_does_not_belong_is_refused)
{
    struct wf_cursor c = sample(), other;
    struct wf_cursor_row logs, one, r;
    struct wf_hash another = wf_test_hash("another product");

    wf_cursor_logs_row(&c, &logs);
    wf_cursor_mark_row(&c, &c.marks[0], &one);
    wf_cursor_init(&other, &another);
    ck_assert_int_eq(load(&other, &logs), WEFT_E_TYPE);
    ck_assert_int_eq(load(&other, &one), WEFT_E_TYPE);
    r = one;
    r.key[64] ^= 1; // of another origin
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    r.key[1] ^= 1; // of another product than its value
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    r.key[0] = 3; // of no kind
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    r.key_len = 5; // too short for any
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    r.key_len = 33; // a mark under a short key
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    memcpy(r.key, logs.key, logs.key_len); // a mark under the key of the logs
    r.key_len = logs.key_len;
    ck_assert_int_eq(load(&c, &r), WEFT_E_SYNTAX);
    r = one;
    r.value_len--;
    ck_assert_int_eq(load(&c, &r), WEFT_E_TRUNCATED);
    ck_assert(other.log_count == 0 && other.mark_count == 0);
    wf_cursor_fini(&c);
    wf_cursor_fini(&other);
}
END_TEST

static enum weft_err mark_many(struct wf_bytes unused, void *context)
{
    struct wf_cursor c;
    enum weft_err err = WEFT_OK;

    (void)unused;
    (void)context;
    wf_cursor_init(&c, &product);
    for (unsigned i = 0; !err && i < 100; i++) {
        struct wf_batch_header h = batch(1000 - i, 7, i, 3);
        err = wf_cursor_mark(&c, &h, APPENDED_MS);
        if (err && c.mark_count != i)
            err = WEFT_E_INTERNAL;
    }
    wf_cursor_fini(&c);
    return err;
}

START_TEST(failing_allocations_leave_the_marks_as_they_were)
{
    wf_test_allocations(wf_bytes(NULL, 0), mark_many, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cursor");
    TCase *t = tcase_create("cursor");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, records_below_the_mark_are_skipped);
    tcase_add_test(t, a_hole_is_told_but_for_what_was_told_by_offset_since);
    tcase_add_test(t, a_loss_by_offset_accounts_for_one_origin_only);
    tcase_add_test(t, what_a_home_says_it_lost_is_news_but_for_what_was_read);
    tcase_add_test(t, marks_stay_sorted_and_never_move_back);
    tcase_add_test(t, marks_are_bounded_and_pack_whole);
    tcase_add_test(t, position_is_the_end_of_the_newest_log);
    tcase_add_test(t, what_is_packed_parses_to_the_same);
    tcase_add_test(t, a_cut_or_flipped_cursor_is_refused_or_says_something_else);
    tcase_add_loop_test(t, each_malformed_cursor_has_its_code, 0, WF_COUNT(refusals));
    tcase_add_test(t, size_and_number_of_marks_are_bounded);
    tcase_add_test(t, rows_put_together_are_the_cursor);
    tcase_add_test(t, rows_of_the_largest_values_fit);
    tcase_add_test(t, a_row_that_does_not_belong_is_refused);
    tcase_add_test(t, failing_allocations_leave_the_marks_as_they_were);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
