// SPDX-License-Identifier: Apache-2.0
// Sealed entries: the head is in clear and proves order and origin, the payload opens under its epoch's key alone and only beside
// its own head.
#include <check.h>
#include <stdio.h>

#include "proto/base/pb_v1.h"
#include "proto/stream/sealed.h"
#include "tests/support/stream.h"

static struct wf_secret key, other_key, short_key, origin;
static struct wf_hash product;
static const uint8_t nonce[WF_XNONCE_LEN] = "twenty-four byte nonces";

static struct wf_secret secret(const char *text)
{
    struct wf_hash h = wf_test_hash(text);
    struct wf_secret s = { 0 };

    ck_assert_int_eq(wf_secret_copy(wf_hash_view(&h), &s), WEFT_OK);
    return s;
}

static void setup(void)
{
    struct wf_sign_pub pub;

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    key = secret("epoch key");
    other_key = secret("another epoch key");
    ck_assert_int_eq(wf_secret_new(16, &short_key), WEFT_OK);
    origin = wf_test_sign_key("origin", &pub);
    product = wf_test_hash("product");
}

static void teardown(void)
{
    wf_secret_fini(&key);
    wf_secret_fini(&other_key);
    wf_secret_fini(&short_key);
    wf_secret_fini(&origin);
}

enum sample { DATA, LOSS, FIRST_LOG, SAMPLE_COUNT };

// A packed entry; of a batch with a genuine header, which is returned.
static struct wf_buf entry(enum sample which, struct wf_batch_header *ret_header)
{
    struct wf_records three = { 0 };
    struct wf_buf envelope = { 0 }, out = { 0 };
    struct wf_entry e = { .log_id = wf_test_incarnation(9),
        .append_ms = WF_TEST_BASE_MS,
        .is_reset = which == FIRST_LOG };
    enum wf_test_batch batch = which == LOSS ? WF_TEST_LOSS : WF_TEST_DATA;

    wf_test_three_records(&three);
    if (which != FIRST_LOG) {
        struct wf_batch_header fields = wf_test_batch(batch, &three);
        *ret_header = wf_test_signed(&fields, wf_test_stored(batch, &three), &origin, &envelope);
        e.offset = 13;
        e.epoch = 5;
        e.previous = wf_test_hash("previous entry");
        e.header = wf_buf_view(&envelope);
        e.payload = wf_test_stored(batch, &three);
    }
    ck_assert_int_eq(wf_entry_pack(&e, &out), WEFT_OK);
    wf_records_fini(&three);
    wf_buf_fini(&envelope);
    return out;
}

static struct wf_buf seal(struct wf_bytes packed)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_sealed_entry_pack(packed, &product, 6, &key, nonce, &out), WEFT_OK);
    return out;
}

static enum weft_err parse(struct wf_bytes in, void *context)
{
    struct wf_sealed_entry s = { .epoch = 42 };
    enum weft_err err = wf_sealed_entry_parse(in, &s);

    (void)context;
    return err && s.epoch != 42 ? WEFT_E_INTERNAL : err; // something was written all the same
}

static enum weft_err open_with(struct wf_bytes in, void *context)
{
    struct wf_sealed_entry s;
    struct wf_batch_header h;
    struct wf_buf out = { 0 };
    enum weft_err err = wf_sealed_entry_parse(in, &s);

    if (!err && !s.entry.is_reset)
        err = wf_batch_open_header(s.entry.header, &h);
    if (!err && !s.entry.is_reset)
        err = wf_sealed_entry_fits(&s, &h);
    if (!err)
        err = wf_sealed_entry_open(&s, &product, context ? context : &key, &out);
    if (err && out.len)
        err = WEFT_E_INTERNAL;
    wf_buf_fini(&out);
    return err;
}

static const char *const stems[SAMPLE_COUNT] = { "stream/701-sealed-data", "stream/702-sealed-loss",
    "stream/703-sealed-first-log" };

START_TEST(what_is_sealed_opens_to_the_same_entry)
{
    struct wf_batch_header h = { 0 };
    struct wf_buf packed = entry((enum sample)_i, &h), out = seal(wf_buf_view(&packed)),
                  again = { 0 };
    struct wf_sealed_entry s;

    wf_test_same_vector(stems[_i],
        "accepted: epoch key BLAKE2b-256('epoch key'), epoch 6, product BLAKE2b-256('product')",
        wf_buf_view(&out));
    ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(&out), &s), WEFT_OK);
    ck_assert_uint_eq(s.epoch, _i == DATA ? 6 : 0);
    ck_assert(s.entry.payload.len == 0 && s.entry.is_reset == (_i == FIRST_LOG));
    if (_i != FIRST_LOG)
        ck_assert_int_eq(wf_sealed_entry_fits(&s, &h), WEFT_OK);
    ck_assert_int_eq(wf_sealed_entry_open(&s, &product, &key, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&packed)));
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
    wf_buf_fini(&again);
}
END_TEST

START_TEST(protobuf_c_reads_and_writes_the_same_bytes)
{
    struct wf_batch_header h;
    struct wf_buf packed = entry((enum sample)_i, &h), out = seal(wf_buf_view(&packed)),
                  again = { 0 };
    Weft__V1__SealedEntry *m = weft__v1__sealed_entry__unpack(NULL, out.len, out.ptr);

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(wf_pb_pack(m, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&again), wf_buf_view(&out)));
    weft__v1__sealed_entry__free_unpacked(m, NULL);
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
    wf_buf_fini(&again);
}
END_TEST

// Who has no key verifies the origin's signature and the entry's hash, and learns nothing of the records.
START_TEST(the_head_alone_proves_order_and_origin)
{
    struct wf_batch_header h, opened;
    struct wf_buf packed = entry(DATA, &h), out = seal(wf_buf_view(&packed));
    struct wf_entry whole;
    struct wf_sealed_entry s;
    struct wf_hash by_whole, by_head;

    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&packed), &whole), WEFT_OK);
    ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(&out), &s), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_header(s.entry.header, &opened), WEFT_OK);
    ck_assert(wf_hash_eq(&opened.id, &h.id));
    wf_entry_hash(&whole, &product, &h.id, &by_whole);
    wf_entry_hash(&s.entry, &product, &opened.id, &by_head);
    ck_assert(wf_hash_eq(&by_whole, &by_head));
    for (size_t i = 0; i + whole.payload.len <= out.len; i++)
        ck_assert(!wf_bytes_eq(wf_bytes(out.ptr + i, whole.payload.len), whole.payload));
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_box_opens_under_its_key_beside_its_head_alone)
{
    struct wf_batch_header h;
    struct wf_buf packed = entry(DATA, &h), out = seal(wf_buf_view(&packed)), moved = { 0 },
                  again = { 0 };
    struct wf_hash another = wf_test_hash("another product");
    struct wf_sealed_entry s, t;
    struct wf_entry e;

    ck_assert_int_eq(open_with(wf_buf_view(&out), &key), WEFT_OK);
    ck_assert_int_eq(open_with(wf_buf_view(&out), &other_key), WEFT_E_AEAD);
    ck_assert_int_eq(open_with(wf_buf_view(&out), &short_key), WEFT_E_KEY);
    ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(&out), &s), WEFT_OK);
    ck_assert_int_eq(wf_sealed_entry_open(&s, &another, &key, &again), WEFT_E_AEAD);
    t = s;
    t.epoch++;
    ck_assert_int_eq(wf_sealed_entry_open(&t, &product, &key, &again), WEFT_E_AEAD);
    // The same batch one place further: another head.
    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&packed), &e), WEFT_OK);
    e.offset++;
    e.payload = wf_bytes(NULL, 0);
    ck_assert_int_eq(wf_entry_pack(&e, &moved), WEFT_OK);
    t = s;
    t.head = wf_buf_view(&moved);
    ck_assert_int_eq(wf_entry_parse(t.head, &t.entry), WEFT_OK);
    ck_assert_int_eq(wf_sealed_entry_open(&t, &product, &key, &again), WEFT_E_AEAD);
    ck_assert_uint_eq(again.len, 0);
    // The key itself is not the box's: what a frame shows of it opens nothing here.
    ck_assert_int_eq(
        wf_xchacha_open(key.ptr, s.nonce, wf_bytes(NULL, 0), s.box, (uint8_t[4096]){ 0 }),
        WEFT_E_AEAD);
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
    wf_buf_fini(&moved);
}
END_TEST

START_TEST(a_box_has_the_length_that_the_header_says)
{
    static const struct {
        const char *why;
        enum sample which;
        int longer;
        bool box;
        enum weft_err want;
    } rows[] = {
        { "as it was sealed", DATA, 0, true, WEFT_OK },
        { "a byte short", DATA, -1, true, WEFT_E_TRUNCATED },
        { "a byte more", DATA, 1, true, WEFT_E_TRAILING },
        { "data whose box is gone", DATA, 0, false, WEFT_E_MISSING_FIELD },
        { "a loss", LOSS, 0, false, WEFT_OK },
        { "a loss with a box", LOSS, 0, true, WEFT_E_UNKNOWN_FIELD },
    };
    static const uint8_t any[64] = { 1 };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_batch_header h;
        struct wf_buf packed = entry(rows[i].which, &h);
        struct wf_sealed_entry s = { .box = rows[i].box ? WF_BYTES(any) : wf_bytes(NULL, 0) };
        if (rows[i].box && rows[i].which == DATA)
            s.box.len = (size_t)((int)(h.stored_len + WF_TAG_LEN) + rows[i].longer);
        enum weft_err err = wf_sealed_entry_fits(&s, &h);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&packed);
    }
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_is_refused)
{
    struct wf_batch_header h;
    struct wf_buf packed = entry(DATA, &h), out = seal(wf_buf_view(&packed));

    wf_test_truncations(wf_buf_view(&out), open_with, NULL);
    wf_test_bit_flips(wf_buf_view(&out), 1, open_with, NULL);
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
}
END_TEST

// ---- refusals ------------------------------------------------------------------------------------------------------------

// E = the head of a batch, W = one with its payload, R = a reset's. N = a nonce, B = a box.
#define L "0a12 09090000000000000011 0909090909090909"
#define P "2a20 0101010101010101010101010101010101010101010101010101010101010101"
#define E "0a39" L P "320161"
#define W                                                                                          \
    "0a3c" L P "320161"                                                                            \
    "3a0162"
#define R "0a16" L "4200"
#define N "1a18 030303030303030303030303030303030303030303030303"
#define B "2211 0404040404040404040404040404040404"

static const struct refusal {
    const char *stem, *why, *hex;
    enum weft_err want;
} refusals[] = {
    { "710-sealed", "nothing", "", WEFT_E_MISSING_FIELD },
    { "711-sealed", "a box without a head", "1006" N B, WEFT_E_MISSING_FIELD },
    { "712-sealed", "an empty head", "0a00 1006" N B, WEFT_E_NOT_CANONICAL },
    { "713-sealed", "a head over its limit, not there", "0a818429", WEFT_E_TOO_BIG },
    { "714-sealed", "a head that is no entry", "0a02100d", WEFT_E_MISSING_FIELD },
    { "715-sealed", "a payload in clear", W "1006" N B, WEFT_E_UNKNOWN_FIELD },
    { "716-sealed", "a payload in clear and no box", W, WEFT_E_UNKNOWN_FIELD },
    { "717-sealed", "a reset with a box", R "1006" N B, WEFT_E_UNKNOWN_FIELD },
    { "718-sealed", "no epoch", E N B, WEFT_E_MISSING_FIELD },
    { "719-sealed", "an epoch of 0 written out", E "1000" N B, WEFT_E_NOT_CANONICAL },
    { "720-sealed", "no nonce", E "1006" B, WEFT_E_MISSING_FIELD },
    { "721-sealed", "a nonce of 23 bytes",
        E "1006 1a17 0303030303030303030303030303030303030303030303" B, WEFT_E_SYNTAX },
    { "722-sealed", "no box", E "1006" N, WEFT_E_MISSING_FIELD },
    { "723-sealed", "a box that is a tag alone", E "1006" N "2210 04040404040404040404040404040404",
        WEFT_E_TRUNCATED },
    { "724-sealed", "a box over its limit, not there", E "1006" N "2291808402", WEFT_E_TOO_BIG },
    { "725-sealed", "a box that is not all there", E "1006" N "2212 04", WEFT_E_TRUNCATED },
    { "726-sealed", "the nonce after the box", E "1006" B N, WEFT_E_NOT_CANONICAL },
    { "727-sealed", "two boxes", E "1006" N B B, WEFT_E_NOT_CANONICAL },
    { "728-sealed", "a field 5", E "1006" N B "2a0161", WEFT_E_UNKNOWN_FIELD },
    { "729-sealed", "an epoch in a longer varint", E "108600" N B, WEFT_E_NOT_CANONICAL },
};

START_TEST(what_is_not_the_one_encoding_is_refused)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf in = wf_test_hex(r->hex);
    char stem[64];
    enum weft_err err = parse(wf_buf_view(&in), NULL);

    snprintf(stem, sizeof stem, "stream/%s", r->stem);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&in));
    wf_buf_fini(&in);
}
END_TEST

START_TEST(what_would_be_refused_is_not_sealed)
{
    static uint8_t huge[WF_MAX_SEALED + 1];
    struct wf_batch_header h;
    struct wf_buf packed = entry(DATA, &h), reset = entry(FIRST_LOG, &h), out = { 0 };
    struct wf_bytes e = wf_buf_view(&packed);

    ck_assert_int_eq(parse(WF_BYTES(huge), NULL), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_sealed_entry_pack(e, &product, 0, &key, nonce, &out), WEFT_E_RANGE);
    ck_assert_int_eq(wf_sealed_entry_pack(e, &product, 6, &short_key, nonce, &out), WEFT_E_KEY);
    e.len--;
    ck_assert_int_eq(wf_sealed_entry_pack(e, &product, 6, &key, nonce, &out), WEFT_E_TRUNCATED);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(
        wf_sealed_entry_pack(wf_buf_view(&reset), &product, 0, NULL, NULL, &out), WEFT_OK);
    wf_buf_fini(&packed);
    wf_buf_fini(&reset);
    wf_buf_fini(&out);
}
END_TEST

static enum weft_err seal_and_open(struct wf_bytes packed, void *context)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_sealed_entry_pack(packed, &product, 6, &key, nonce, &out);

    if (!err)
        err = open_with(wf_buf_view(&out), context);
    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    struct wf_batch_header h;
    struct wf_buf packed = entry(DATA, &h);

    wf_test_allocations(wf_buf_view(&packed), seal_and_open, NULL);
    wf_buf_fini(&packed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sealed");
    TCase *t = tcase_create("sealed");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_is_sealed_opens_to_the_same_entry, 0, SAMPLE_COUNT);
    tcase_add_loop_test(t, protobuf_c_reads_and_writes_the_same_bytes, 0, SAMPLE_COUNT);
    tcase_add_test(t, the_head_alone_proves_order_and_origin);
    tcase_add_test(t, a_box_opens_under_its_key_beside_its_head_alone);
    tcase_add_test(t, a_box_has_the_length_that_the_header_says);
    tcase_add_test(t, every_truncation_and_flipped_bit_is_refused);
    tcase_add_loop_test(t, what_is_not_the_one_encoding_is_refused, 0, WF_COUNT(refusals));
    tcase_add_test(t, what_would_be_refused_is_not_sealed);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
