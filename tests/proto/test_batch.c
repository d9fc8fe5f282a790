// SPDX-License-Identifier: Apache-2.0
// Batches: a payload opens only as its header was signed, its records bear the header out, and a chain has no holes.
#include <check.h>

#include "proto/base/pb_v1.h"
#include "tests/support/stream.h"

static struct wf_secret origin;
static struct wf_sign_pub origin_pub;
static struct wf_records three;

static void setup(void)
{
    origin = wf_test_sign_key("origin", &origin_pub);
    wf_test_three_records(&three);
}

static void teardown(void)
{
    wf_secret_fini(&origin);
    wf_records_fini(&three);
}

static struct wf_buf sign(enum wf_test_batch which, struct wf_hash *ret_id)
{
    struct wf_batch_header h = wf_test_batch(which, &three);
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_batch_sign(&h, wf_test_stored(which, &three), &origin, &out, ret_id), WEFT_OK);
    return out;
}

// ---- payloads ------------------------------------------------------------------------------------------------------------

// With a decompressor that is kept over what it refused, and where records that were not compressed lie.
START_TEST(a_view_of_a_payload_is_what_opening_gives)
{
    const enum wf_compression hows[] = { WF_COMPRESS_ZSTD, WF_COMPRESS_NONE, WF_COMPRESS_LZ4,
        WF_COMPRESS_ZSTD };
    struct wf_decompressor d = { 0 };
    struct wf_buf text = { 0 };

    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(wf_buf_printf(&text, "fan %d of rack 3 turns; ", i), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(hows); i++) {
        struct wf_batch_header fields = wf_test_batch(WF_TEST_DATA, &three);
        struct wf_buf stored = { 0 }, envelope = { 0 }, raw = { 0 }, opened = { 0 };
        struct wf_bytes records = { 0 };
        ck_assert_int_eq(
            wf_compress(hows[i], wf_buf_view(&text), &stored, &fields.compression), WEFT_OK);
        fields.raw_len = (uint32_t)text.len;
        struct wf_batch_header h =
            wf_test_signed(&fields, wf_buf_view(&stored), &origin, &envelope);
        ck_assert_int_eq(wf_batch_open_payload(&h, wf_buf_view(&stored), &opened), WEFT_OK);
        ck_assert_int_eq(
            wf_batch_view_payload(&d, &h, wf_buf_view(&stored), &raw, &records), WEFT_OK);
        ck_assert(wf_bytes_eq(records, wf_buf_view(&opened)));
        ck_assert((records.ptr == stored.ptr) == (hows[i] == WF_COMPRESS_NONE));
        stored.ptr[stored.len / 2] ^= 1;
        ck_assert_int_eq(
            wf_batch_view_payload(&d, &h, wf_buf_view(&stored), &raw, &records), WEFT_E_HASH);
        wf_blake2b(wf_buf_view(&stored), &h.payload_hash); // as if the origin had signed this
        h.compression = WF_COMPRESS_ZSTD;
        ck_assert_int_eq(
            wf_batch_view_payload(&d, &h, wf_bytes(stored.ptr, stored.len), &raw, &records),
            WEFT_E_COMPRESSION);
        wf_buf_fini(&stored);
        wf_buf_fini(&envelope);
        wf_buf_fini(&raw);
        wf_buf_fini(&opened);
    }
    wf_decompressor_fini(&d);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(payload_opens_only_as_signed)
{
    struct wf_buf envelope = { 0 }, raw = { 0 }, copy = { 0 };
    struct wf_batch_header fields = wf_test_batch(WF_TEST_DATA, &three);
    struct wf_bytes stored = wf_test_stored(WF_TEST_DATA, &three);
    struct wf_batch_header h = wf_test_signed(&fields, stored, &origin, &envelope);

    ck_assert_int_eq(wf_batch_open_payload(&h, stored, &raw), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&raw), stored));
    ck_assert_int_eq(wf_batch_check_records(&h, wf_buf_view(&raw)), WEFT_OK);
    ck_assert_int_eq(wf_bytes_dup(stored, &copy), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&copy, 0), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_payload(&h, wf_buf_view(&copy), &raw), WEFT_E_TRAILING);
    for (size_t len = 0; len < stored.len; len++)
        ck_assert_int_eq(
            wf_batch_open_payload(&h, wf_bytes(copy.ptr, len), &raw), WEFT_E_TRUNCATED);
    for (size_t bit = 0; bit < stored.len * 8; bit++) {
        copy.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(
            wf_batch_open_payload(&h, wf_bytes(copy.ptr, stored.len), &raw), WEFT_E_HASH);
        copy.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_uint_eq(raw.len, stored.len);
    wf_buf_fini(&envelope);
    wf_buf_fini(&raw);
    wf_buf_fini(&copy);
}
END_TEST

START_TEST(compressed_payload_opens_to_its_records)
{
    struct wf_records r = { 0 };
    struct wf_buf stored = { 0 }, envelope = { 0 }, raw = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;

    for (int i = 0; i < 640; i++)
        ck_assert_int_eq(wf_records_put(&r, i % 2 ? WF_OP_PUT : WF_OP_DELETE,
                             WF_TEST_BASE_US + i * 7919, WF_STR("\x0a\x0a host-17 cpu")),
            WEFT_OK);
    ck_assert_int_eq(
        wf_compress((enum wf_compression)_i, wf_buf_view(&r.raw), &stored, &used), WEFT_OK);
    ck_assert_int_eq(used, _i);
    struct wf_batch_header fields = wf_test_header(&r);
    fields.compression = used;
    struct wf_batch_header h = wf_test_signed(&fields, wf_buf_view(&stored), &origin, &envelope);
    ck_assert_uint_lt(h.stored_len, h.raw_len);
    ck_assert_int_eq(wf_batch_open_payload(&h, wf_buf_view(&stored), &raw), WEFT_OK);
    ck_assert_int_eq(wf_batch_check_records(&h, wf_buf_view(&raw)), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&raw), wf_buf_view(&r.raw)));
    wf_records_fini(&r);
    wf_buf_fini(&stored);
    wf_buf_fini(&envelope);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(a_signed_payload_that_does_not_decompress_is_refused)
{
    struct wf_batch_header fields = wf_test_batch(WF_TEST_DATA, &three);
    struct wf_buf envelope = { 0 }, raw = { 0 };

    fields.compression = WF_COMPRESS_LZ4;
    fields.raw_len = 40;
    struct wf_batch_header h =
        wf_test_signed(&fields, wf_test_stored(WF_TEST_DATA, &three), &origin, &envelope);
    ck_assert_int_eq(
        wf_batch_open_payload(&h, wf_test_stored(WF_TEST_DATA, &three), &raw), WEFT_E_COMPRESSION);
    ck_assert_uint_eq(raw.len, 0);
    wf_buf_fini(&envelope);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(a_loss_has_no_payload_to_open)
{
    struct wf_batch_header fields = wf_test_batch(WF_TEST_LOSS, &three);
    struct wf_buf envelope = { 0 }, raw = { 0 };
    struct wf_batch_header h =
        wf_test_signed(&fields, wf_test_stored(WF_TEST_LOSS, &three), &origin, &envelope);

    ck_assert_int_eq(wf_batch_open_payload(&h, wf_bytes(NULL, 0), &raw), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_payload(&h, WF_STR("x"), &raw), WEFT_E_TRAILING);
    ck_assert_int_eq(wf_batch_check_records(&h, wf_bytes(NULL, 0)), WEFT_OK);
    ck_assert_int_eq(wf_batch_check_records(&h, WF_STR("\x0a\x00")), WEFT_E_RECORD);
    ck_assert_uint_eq(raw.len, 0);
    wf_buf_fini(&envelope);
}
END_TEST

START_TEST(records_must_bear_out_the_header)
{
    const struct {
        const char *why;
        int64_t base, min, max;
        uint32_t count;
        enum weft_err want;
    } rows[] = {
        { "as they are", 0, 0, 0, 0, WEFT_OK },
        { "one more than there are", 0, 0, 0, 1, WEFT_E_RECORD },
        { "one less than there are", 0, 0, 0, UINT32_MAX, WEFT_E_RECORD },
        { "from a moment earlier", 0, -1, 0, 0, WEFT_E_RANGE },
        { "from a moment later", 0, 1, 0, 0, WEFT_E_RANGE },
        { "to a moment later", 0, 0, 1, 0, WEFT_E_RANGE },
        { "from another base", 5, 0, 0, 0, WEFT_E_RANGE },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_batch_header h = wf_test_batch(WF_TEST_DATA, &three);
        h.base_us += rows[i].base;
        h.min_us += rows[i].min;
        h.max_us += rows[i].max;
        h.count += rows[i].count;
        enum weft_err err = wf_batch_check_records(&h, wf_buf_view(&three.raw));
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
    }
    struct wf_batch_header h = wf_test_batch(WF_TEST_DATA, &three);
    ck_assert_int_eq(wf_batch_check_records(&h, WF_STR("\x0a\x05")), WEFT_E_TRUNCATED);
}
END_TEST

// ---- {header, payload} -----------------------------------------------------------------------------------------------------

START_TEST(a_batch_splits_into_what_was_packed)
{
    struct wf_hash id;
    struct wf_buf header = sign(WF_TEST_DATA, &id), out = { 0 };
    struct wf_bytes h, p;

    ck_assert_int_eq(
        wf_batch_pack(wf_buf_view(&header), wf_test_stored(WF_TEST_DATA, &three), &out), WEFT_OK);
    wf_test_same_vector(
        "stream/280-batch", "accepted: header 201 and payload 101", wf_buf_view(&out));
    ck_assert_int_eq(wf_batch_split(wf_buf_view(&out), &h, &p), WEFT_OK);
    ck_assert(wf_bytes_eq(h, wf_buf_view(&header)) &&
              wf_bytes_eq(p, wf_test_stored(WF_TEST_DATA, &three)));
    Weft__V1__Batch *m = weft__v1__batch__unpack(NULL, out.len, out.ptr);
    ck_assert_ptr_nonnull(m);
    ck_assert(wf_bytes_eq(wf_pb_view(m->header), h) && wf_bytes_eq(wf_pb_view(m->payload), p));
    weft__v1__batch__free_unpacked(m, NULL);
    out.len = 0;
    ck_assert_int_eq(wf_batch_pack(wf_buf_view(&header), wf_bytes(NULL, 0), &out), WEFT_OK);
    ck_assert_int_eq(wf_batch_split(wf_buf_view(&out), &h, &p), WEFT_OK);
    ck_assert(wf_bytes_eq(h, wf_buf_view(&header)) && p.len == 0);
    wf_buf_fini(&header);
    wf_buf_fini(&out);
}
END_TEST

static const struct split_row {
    const char *stem, *why, *hex;
    enum weft_err want;
} split_rows[] = {
    { "stream/281-batch", "no header", "120161", WEFT_E_MISSING_FIELD },
    { "stream/282-batch", "nothing", "", WEFT_E_MISSING_FIELD },
    { "stream/283-batch", "an empty header", "0a00120161", WEFT_E_NOT_CANONICAL },
    { "stream/284-batch", "an empty payload written out", "0a01611200", WEFT_E_NOT_CANONICAL },
    { "stream/285-batch", "payload first", "1201610a0161", WEFT_E_NOT_CANONICAL },
    { "stream/286-batch", "two payloads", "0a0161120161120161", WEFT_E_NOT_CANONICAL },
    { "stream/287-batch", "a field 3", "0a01611a0161", WEFT_E_UNKNOWN_FIELD },
    { "stream/288-batch", "a header over its limit, not there", "0a8120", WEFT_E_TOO_BIG },
    { "stream/289-batch", "a payload over its limit, not there", "0a0161 1281808402",
        WEFT_E_TOO_BIG },
    { "stream/290-batch", "a header that is not all there", "0a0261", WEFT_E_TRUNCATED },
};

START_TEST(each_malformed_batch_has_its_code)
{
    const struct split_row *r = &split_rows[_i];
    struct wf_buf in = wf_test_hex(r->hex);
    struct wf_bytes h = WF_STR("untouched"), p = h;
    enum weft_err err = wf_batch_split(wf_buf_view(&in), &h, &p);

    wf_test_refused_vector(r->stem, r->want, r->why, wf_buf_view(&in));
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    ck_assert(wf_bytes_is(h, "untouched") && wf_bytes_is(p, "untouched"));
    wf_buf_fini(&in);
}
END_TEST

START_TEST(only_batches_within_limits_are_packed)
{
    static uint8_t huge[WF_MAX_BATCH_STORED + 1];
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_batch_pack(wf_bytes(NULL, 0), WF_STR("x"), &out), WEFT_E_MISSING_FIELD);
    ck_assert_int_eq(
        wf_batch_pack(wf_bytes(huge, WF_MAX_BATCH_HEADER + 1), WF_STR("x"), &out), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_batch_pack(WF_STR("x"), WF_BYTES(huge), &out), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

// ---- chains ----------------------------------------------------------------------------------------------------------------

static void set_product(struct wf_batch_header *h)
{
    h->product_id = wf_test_hash("another product");
}
static void set_signer(struct wf_batch_header *h)
{
    h->signer.b[0] ^= 1;
}
static void set_incarnation(struct wf_batch_header *h)
{
    h->incarnation.random++;
}
static void set_hole(struct wf_batch_header *h)
{
    h->first_seq++;
}
static void set_overlap(struct wf_batch_header *h)
{
    h->first_seq--;
}
static void set_previous(struct wf_batch_header *h)
{
    h->previous = wf_test_hash("another previous");
}
static void set_nothing(struct wf_batch_header *h)
{
    (void)h;
}

START_TEST(only_the_next_batch_follows)
{
    const struct {
        const char *why;
        void (*change)(struct wf_batch_header *h);
        enum weft_err want;
    } rows[] = {
        { "the next", set_nothing, WEFT_OK },
        { "of another product", set_product, WEFT_E_ORDER },
        { "of another signer", set_signer, WEFT_E_ORDER },
        { "of another incarnation", set_incarnation, WEFT_E_ORDER },
        { "after a hole", set_hole, WEFT_E_ORDER },
        { "that overlaps", set_overlap, WEFT_E_ORDER },
        { "that names another previous", set_previous, WEFT_E_ORDER },
    };
    struct wf_batch_header last = wf_test_batch(WF_TEST_DATA, &three);

    last.id = wf_test_hash("last");
    last.signer = origin_pub;
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_batch_header next = wf_test_loss(&last.id);
        next.signer = origin_pub;
        rows[i].change(&next);
        enum weft_err err = wf_batch_follows(&last, &next);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
    }
}
END_TEST

static enum weft_err sign_open_all(struct wf_bytes stored, void *context)
{
    struct wf_batch_header h = wf_test_batch(WF_TEST_DATA, &three), opened;
    struct wf_buf envelope = { 0 }, batch = { 0 }, raw = { 0 };
    struct wf_hash id;
    enum weft_err err = wf_batch_sign(&h, stored, &origin, &envelope, &id);

    (void)context;
    if (!err)
        err = wf_batch_pack(wf_buf_view(&envelope), stored, &batch);
    if (!err)
        err = wf_batch_open_header(wf_buf_view(&envelope), &opened);
    if (!err)
        err = wf_batch_open_payload(&opened, stored, &raw);
    wf_buf_fini(&envelope);
    wf_buf_fini(&batch);
    wf_buf_fini(&raw);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(wf_test_stored(WF_TEST_DATA, &three), sign_open_all, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batch");
    TCase *t = tcase_create("batch");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_view_of_a_payload_is_what_opening_gives);
    tcase_add_test(t, payload_opens_only_as_signed);
    tcase_add_loop_test(
        t, compressed_payload_opens_to_its_records, WF_COMPRESS_LZ4, WF_COMPRESS_ZSTD + 1);
    tcase_add_test(t, a_signed_payload_that_does_not_decompress_is_refused);
    tcase_add_test(t, a_loss_has_no_payload_to_open);
    tcase_add_test(t, records_must_bear_out_the_header);
    tcase_add_test(t, a_batch_splits_into_what_was_packed);
    tcase_add_loop_test(t, each_malformed_batch_has_its_code, 0, WF_COUNT(split_rows));
    tcase_add_test(t, only_batches_within_limits_are_packed);
    tcase_add_test(t, only_the_next_batch_follows);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
