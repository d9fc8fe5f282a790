// SPDX-License-Identifier: Apache-2.0
// Frames: only the key opens them, nothing but version, tag, nonce and a rounded length shows, and what a holder of the key
// puts into one is still read strictly.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/pb_v1.h"
#include "proto/stream/frame.h"
#include "tests/support/trust.h"

static struct wf_secret key, other_key, short_key;
static struct wf_hash product;
static const uint8_t boot[WF_FRAME_BOOT] = "sixteen byteboot";

static struct wf_secret secret(const char *text)
{
    struct wf_hash h = wf_test_hash(text);
    struct wf_secret s = { 0 };

    ck_assert_int_eq(wf_secret_copy(wf_hash_view(&h), &s), WEFT_OK);
    return s;
}

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    key = secret("epoch key");
    other_key = secret("another epoch key");
    ck_assert_int_eq(wf_secret_new(16, &short_key), WEFT_OK);
    product = wf_test_hash("product");
}

static void teardown(void)
{
    wf_secret_fini(&key);
    wf_secret_fini(&other_key);
    wf_secret_fini(&short_key);
}

static struct wf_frame_sealer sealer(size_t bucket)
{
    struct wf_frame_sealer s;

    ck_assert_int_eq(wf_frame_sealer_init(&s, &key, &product, boot, bucket), WEFT_OK);
    return s;
}

static struct wf_frame two_and_heartbeat(void)
{
    return (struct wf_frame){
        .entry_count = 2,
        .entries = { WF_STR("the first entry"), WF_STR("the second") },
        .heartbeat = WF_STR("a heartbeat"),
    };
}

static struct wf_buf seal(size_t bucket, const struct wf_frame *f)
{
    struct wf_frame_sealer s = sealer(bucket);
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_frame_seal(&s, f, &out), WEFT_OK);
    ck_assert_uint_eq(s.counter, 1);
    return out;
}

static enum weft_err open_frame(struct wf_bytes in, void *context)
{
    struct wf_buf plain = { 0 };
    struct wf_frame f = { .entry_count = 42 };
    enum weft_err err = wf_frame_open(in, context ? context : &key, &plain, &f);

    if (err && (plain.len || f.entry_count != 42))
        err = WEFT_E_INTERNAL; // something was written all the same
    wf_buf_fini(&plain);
    return err;
}

static void compare(const struct wf_frame *a, const struct wf_frame *b)
{
    ck_assert_uint_eq(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++)
        ck_assert(wf_bytes_eq(a->entries[i], b->entries[i]));
    ck_assert(wf_bytes_eq(a->heartbeat, b->heartbeat));
}

START_TEST(what_is_sealed_opens_to_views_of_the_same)
{
    static const struct {
        const char *why;
        size_t entries, heartbeat, bucket;
    } rows[] = {
        { "one entry", 1, 0, 1 },
        { "a heartbeat alone", 0, 11, 1 },
        { "entries and a heartbeat", 3, 11, 1 },
        { "as many as a frame holds", WF_MAX_FRAME_ENTRIES, WF_MAX_HEARTBEAT, 1 },
        { "padded to 256", 3, 11, 256 },
        { "padded to 64 KiB", 1, 0, 65536 },
    };
    static uint8_t bytes[WF_MAX_HEARTBEAT] = { 7 };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_frame f = { .entry_count = rows[i].entries,
            .heartbeat = wf_bytes(bytes, rows[i].heartbeat) };
        struct wf_frame got;
        struct wf_buf plain = { 0 };
        for (size_t k = 0; k < f.entry_count; k++)
            f.entries[k] = wf_bytes(bytes, 1 + 13 * k);
        struct wf_buf out = seal(rows[i].bucket, &f);
        ck_assert_uint_eq((out.len - WF_FRAME_HEAD - WF_TAG_LEN) % rows[i].bucket, 0);
        ck_assert_int_eq(wf_buf_append_str(&plain, "before"), WEFT_OK);
        ck_assert_msg(
            wf_frame_open(wf_buf_view(&out), &key, &plain, &got) == WEFT_OK, "%s", rows[i].why);
        compare(&f, &got);
        ck_assert(wf_bytes_has_prefix(wf_buf_view(&plain), WF_STR("before")));
        if (got.entry_count)
            ck_assert(got.entries[0].ptr > plain.ptr && got.entries[0].ptr < plain.ptr + plain.len);
        wf_buf_fini(&out);
        wf_buf_fini(&plain);
    }
}
END_TEST

START_TEST(layout_is_the_one_written_down)
{
    struct wf_frame f = two_and_heartbeat();
    struct wf_buf out = seal(64, &f);
    uint8_t tag[WF_FRAME_TAG_LEN], plain[128];

    wf_test_same_vector("stream/401-frame",
        "accepted: epoch key BLAKE2b-256('epoch key'), bucket 64, counter 0", wf_buf_view(&out));
    ck_assert_uint_eq(out.ptr[0], WF_FRAME_VERSION);
    wf_frame_tag(&key, &product, tag);
    ck_assert_mem_eq(out.ptr + 1, tag, WF_FRAME_TAG_LEN);
    ck_assert_mem_eq(out.ptr + 9, boot, WF_FRAME_BOOT);
    ck_assert_uint_eq(wf_load_be64(out.ptr + 25), 0);
    struct wf_bytes sealed = wf_bytes(out.ptr + 33, out.len - 33);
    ck_assert_uint_eq(sealed.len, 64 + 16);
    ck_assert_int_eq(
        wf_xchacha_open(key.ptr, out.ptr + 9, wf_bytes(out.ptr, 33), sealed, plain), WEFT_OK);
    size_t content_len = wf_load_be32(plain);
    for (size_t i = 4 + content_len; i < 64; i++)
        ck_assert_uint_eq(plain[i], 0);
    Weft__V1__FrameContent *m = weft__v1__frame_content__unpack(NULL, content_len, plain + 4);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->n_entries, 2);
    ck_assert(wf_bytes_eq(wf_pb_view(m->entries[0]), f.entries[0]));
    ck_assert(wf_bytes_eq(wf_pb_view(m->heartbeat), f.heartbeat));
    weft__v1__frame_content__free_unpacked(m, NULL);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_nonce_is_used_once)
{
    struct wf_frame_sealer s = sealer(1);
    struct wf_frame f = two_and_heartbeat(), empty = { 0 };
    struct wf_buf out = { 0 };
    size_t len = 0;

    for (uint64_t i = 0; i < 300; i++) {
        size_t start = out.len;
        ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_OK);
        ck_assert_uint_eq(wf_load_be64(out.ptr + start + 25), i);
        ck_assert(i == 0 || memcmp(out.ptr + start + 33, out.ptr + start - len + 33, 32) != 0);
        len = out.len - start;
        ck_assert_int_eq(wf_frame_seal(&s, &empty, &out), WEFT_E_MISSING_FIELD);
    }
    s.counter = UINT64_MAX;
    len = out.len;
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_STATE);
    ck_assert(s.counter == UINT64_MAX && out.len == len);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_sealer_wants_a_whole_key_and_a_bucket)
{
    struct wf_frame_sealer s = { .counter = 42 };

    ck_assert_int_eq(wf_frame_sealer_init(&s, &short_key, &product, boot, 1), WEFT_E_KEY);
    ck_assert_int_eq(wf_frame_sealer_init(&s, &key, &product, boot, 0), WEFT_E_RANGE);
    ck_assert_int_eq(
        wf_frame_sealer_init(&s, &key, &product, boot, WF_MAX_FRAME + 1), WEFT_E_RANGE);
    ck_assert_uint_eq(s.counter, 42);
}
END_TEST

START_TEST(what_would_be_refused_is_not_sealed)
{
    static uint8_t huge[WF_MAX_ENTRY + 1];
    struct wf_frame_sealer s = sealer(1);
    struct wf_buf out = { 0 };
    struct wf_frame f = { .heartbeat = wf_bytes(huge, WF_MAX_HEARTBEAT + 1) };

    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_TOO_BIG);
    f = (struct wf_frame){ .entry_count = 1, .entries = { WF_BYTES(huge) } };
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_TOO_BIG);
    f = (struct wf_frame){ .entry_count = WF_MAX_FRAME_ENTRIES + 1 };
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_TOO_BIG);
    f = (struct wf_frame){ .entry_count = 1 };
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_MISSING_FIELD);
    f = (struct wf_frame){ .entry_count = 2,
        .entries = { wf_bytes(huge, WF_MAX_ENTRY), wf_bytes(huge, WF_MAX_ENTRY) } };
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_TOO_BIG);
    f.entry_count = 1;
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_OK);
    ck_assert_uint_le(out.len, WF_MAX_FRAME);
    s.bucket = WF_MAX_FRAME; // the padding alone would be over
    ck_assert_int_eq(wf_frame_seal(&s, &f, &out), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(s.counter, 1);
    wf_buf_fini(&out);
}
END_TEST

// ---- opening -------------------------------------------------------------------------------------------------------------

START_TEST(only_the_key_opens)
{
    struct wf_frame f = two_and_heartbeat();
    struct wf_buf out = seal(1, &f);

    ck_assert_int_eq(open_frame(wf_buf_view(&out), &key), WEFT_OK);
    ck_assert_int_eq(open_frame(wf_buf_view(&out), &other_key), WEFT_E_AEAD);
    ck_assert_int_eq(open_frame(wf_buf_view(&out), &short_key), WEFT_E_KEY);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_is_refused)
{
    struct wf_frame f = two_and_heartbeat();
    struct wf_buf out = seal(_i ? 64 : 1, &f);

    wf_test_truncations(wf_buf_view(&out), open_frame, NULL);
    wf_test_bit_flips(wf_buf_view(&out), 1, open_frame, NULL);
    out.ptr[0] = 2;
    ck_assert_int_eq(open_frame(wf_buf_view(&out), NULL), WEFT_E_VERSION);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(the_tag_shows_without_a_key)
{
    static uint8_t huge[WF_MAX_FRAME + 1] = { WF_FRAME_VERSION };
    struct wf_frame f = two_and_heartbeat();
    struct wf_buf out = seal(1, &f);
    uint8_t tag[WF_FRAME_TAG_LEN], want[WF_FRAME_TAG_LEN], other[WF_FRAME_TAG_LEN];
    struct wf_hash another = wf_test_hash("another product");

    wf_frame_tag(&key, &product, want);
    ck_assert_int_eq(wf_frame_peek(wf_buf_view(&out), tag), WEFT_OK);
    ck_assert_mem_eq(tag, want, sizeof tag);
    ck_assert_int_eq(wf_frame_peek(wf_bytes(out.ptr, 52), tag), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_frame_peek(wf_bytes(NULL, 0), tag), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_frame_peek(WF_BYTES(huge), tag), WEFT_E_TOO_BIG);
    out.ptr[0] = 0;
    ck_assert_int_eq(wf_frame_peek(wf_buf_view(&out), tag), WEFT_E_VERSION);
    // It changes with the key and with the product.
    wf_frame_tag(&other_key, &product, other);
    ck_assert_mem_ne(want, other, sizeof want);
    wf_frame_tag(&key, &another, other);
    ck_assert_mem_ne(want, other, sizeof want);
    wf_buf_fini(&out);
}
END_TEST

// Seals any plaintext as a frame, as a reader who holds the key could.
static struct wf_buf forge(struct wf_bytes plain)
{
    struct wf_buf out = { 0 };
    uint8_t head[WF_FRAME_HEAD] = { WF_FRAME_VERSION };

    wf_frame_tag(&key, &product, head + 1);
    memcpy(head + 9, boot, WF_FRAME_BOOT);
    ck_assert_int_eq(wf_buf_append(&out, WF_BYTES(head)), WEFT_OK);
    ck_assert_int_eq(wf_buf_reserve(&out, plain.len + WF_TAG_LEN), WEFT_OK);
    wf_xchacha_seal(key.ptr, head + 9, WF_BYTES(head), plain, out.ptr + out.len);
    out.len += plain.len + WF_TAG_LEN;
    return out;
}

static const struct refusal {
    const char *stem, *why, *plain_hex;
    enum weft_err want;
} refusals[] = {
    { "410-frame", "no length", "000000", WEFT_E_SYNTAX },
    { "428-frame", "no text at all", "", WEFT_E_SYNTAX },
    { "411-frame", "a length beyond the text", "00000004 0a0161", WEFT_E_TRUNCATED },
    { "412-frame", "a length of 2^32 - 1", "ffffffff 0a0161", WEFT_E_TRUNCATED },
    { "413-frame", "nothing in it", "00000000", WEFT_E_MISSING_FIELD },
    { "414-frame", "nothing but padding", "00000000 0000000000", WEFT_E_MISSING_FIELD },
    { "415-frame", "padding that begins with 1", "00000003 0a0161 01", WEFT_E_TRAILING },
    { "416-frame", "padding that ends with 1", "00000003 0a0161 000001", WEFT_E_TRAILING },
    { "417-frame", "padding of ones", "00000003 0a0161 0101", WEFT_E_TRAILING },
    { "418-frame", "an entry that is not all there", "00000003 0a0261", WEFT_E_TRUNCATED },
    { "419-frame", "an empty entry", "00000002 0a00", WEFT_E_MISSING_FIELD },
    { "420-frame", "an empty heartbeat", "00000005 0a0161 1200", WEFT_E_NOT_CANONICAL },
    { "421-frame", "two heartbeats", "00000006 120161 120161", WEFT_E_NOT_CANONICAL },
    { "422-frame", "an entry after the heartbeat", "00000006 120161 0a0161", WEFT_E_NOT_CANONICAL },
    { "423-frame", "a field 3", "00000006 0a0161 1a0161", WEFT_E_UNKNOWN_FIELD },
    { "424-frame", "an entry over its limit, not there", "00000005 0a81c08402", WEFT_E_TOO_BIG },
    { "425-frame", "a heartbeat over its limit, not there", "00000003 128108", WEFT_E_TOO_BIG },
    { "426-frame", "a length in a longer varint", "00000004 0a810061", WEFT_E_NOT_CANONICAL },
    { "427-frame", "an entry as a number", "00000002 0801", WEFT_E_NOT_CANONICAL },
};

START_TEST(a_holder_of_the_key_is_read_strictly)
{
    const struct refusal *r = &refusals[_i];
    struct wf_buf plain = wf_test_hex(r->plain_hex), frame = forge(wf_buf_view(&plain));
    char stem[64];
    enum weft_err err = open_frame(wf_buf_view(&frame), NULL);

    snprintf(stem, sizeof stem, "stream/%s", r->stem);
    wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&frame));
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    wf_buf_fini(&plain);
    wf_buf_fini(&frame);
}
END_TEST

START_TEST(no_more_entries_than_the_limit_are_taken)
{
    struct wf_buf plain = { 0 };
    uint8_t len[4];

    wf_store_be32(len, 3 * (WF_MAX_FRAME_ENTRIES + 1));
    ck_assert_int_eq(wf_buf_append(&plain, WF_BYTES(len)), WEFT_OK);
    for (unsigned i = 0; i <= WF_MAX_FRAME_ENTRIES; i++)
        ck_assert_int_eq(wf_buf_append_str(&plain, "\x0a\x01x"), WEFT_OK);
    struct wf_buf frame = forge(wf_buf_view(&plain));
    ck_assert_int_eq(open_frame(wf_buf_view(&frame), NULL), WEFT_E_TOO_BIG);
    wf_buf_fini(&plain);
    wf_buf_fini(&frame);
}
END_TEST

// ---- commitments ---------------------------------------------------------------------------------------------------------

START_TEST(a_commitment_binds_key_product_and_epoch)
{
    struct wf_hash c, another = wf_test_hash("another product"), by_the_book;
    struct wf_buf b = { 0 };
    static const uint8_t epoch5[8] = { 0, 0, 0, 0, 0, 0, 0, 5 };

    wf_epoch_commitment(&key, &product, 5, &c);
    wf_test_same_vector("stream/402-commitment",
        "of epoch key BLAKE2b-256('epoch key'), product BLAKE2b-256('product'), epoch 5",
        wf_hash_view(&c));
    ck_assert_int_eq(wf_buf_append_str(&b, "weft/epoch-commitment/v1"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&b, wf_hash_view(&product)), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&b, WF_BYTES(epoch5)), WEFT_OK);
    wf_blake2b_keyed(wf_secret_view(&key), wf_buf_view(&b), by_the_book.b, WF_HASH_LEN);
    ck_assert(wf_hash_eq(&c, &by_the_book));
    ck_assert_int_eq(wf_epoch_check(&key, &product, 5, &c), WEFT_OK);
    ck_assert_int_eq(wf_epoch_check(&key, &product, 6, &c), WEFT_E_COMMITMENT);
    ck_assert_int_eq(wf_epoch_check(&key, &another, 5, &c), WEFT_E_COMMITMENT);
    ck_assert_int_eq(wf_epoch_check(&other_key, &product, 5, &c), WEFT_E_COMMITMENT);
    ck_assert_int_eq(wf_epoch_check(&short_key, &product, 5, &c), WEFT_E_KEY);
    wf_buf_fini(&b);
}
END_TEST

static enum weft_err seal_and_open(struct wf_bytes entry, void *context)
{
    struct wf_frame_sealer s;
    struct wf_frame f = { .entry_count = 1, .entries = { entry } };
    struct wf_buf out = { 0 }, plain = { 0 };
    enum weft_err err = wf_frame_sealer_init(&s, &key, &product, boot, 1);

    (void)context;
    if (!err)
        err = wf_frame_seal(&s, &f, &out);
    if (!err)
        err = wf_frame_open(wf_buf_view(&out), &key, &plain, &f);
    wf_buf_fini(&out);
    wf_buf_fini(&plain);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR("an entry"), seal_and_open, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frame");
    TCase *t = tcase_create("frame");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_sealed_opens_to_views_of_the_same);
    tcase_add_test(t, layout_is_the_one_written_down);
    tcase_add_test(t, a_nonce_is_used_once);
    tcase_add_test(t, a_sealer_wants_a_whole_key_and_a_bucket);
    tcase_add_test(t, what_would_be_refused_is_not_sealed);
    tcase_add_test(t, only_the_key_opens);
    tcase_add_loop_test(t, every_truncation_and_flipped_bit_is_refused, 0, 2);
    tcase_add_test(t, the_tag_shows_without_a_key);
    tcase_add_loop_test(t, a_holder_of_the_key_is_read_strictly, 0, WF_COUNT(refusals));
    tcase_add_test(t, no_more_entries_than_the_limit_are_taken);
    tcase_add_test(t, a_commitment_binds_key_product_and_epoch);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
