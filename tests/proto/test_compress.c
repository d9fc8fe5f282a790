// SPDX-License-Identifier: Apache-2.0
// Compression: every kind comes back, nothing grows, and a bomb is refused by arithmetic before any memory is taken.
#include <check.h>
#include <stdlib.h>

#include "proto/stream/batch_compress.h"
#include "tests/support/trust.h"

enum content { ZEROS, RANDOM, TEXT };

// Text is lines that differ in a few digits, as records do: it shrinks about three times.
static struct wf_buf make(enum content what, size_t len)
{
    static const char line[] = "host-17 cpu user 0.31 system 0.07 idle 0.62;";
    struct wf_buf b = { 0 };
    uint64_t state = 99;

    ck_assert_int_eq(wf_buf_reserve(&b, len + 1), WEFT_OK);
    b.len = len;
    for (size_t i = 0; i < len; i++) {
        uint64_t noise = wf_test_rand(&state) >> 32;
        uint8_t digit = (uint8_t)('0' + noise / 8 % 10);
        uint8_t letter = (uint8_t)line[i % (sizeof line - 1)];
        b.ptr[i] = what == ZEROS ? 0 : what == RANDOM ? (uint8_t)noise : noise % 8 ? letter : digit;
    }
    return b;
}

static const struct trip {
    const char *why;
    enum content what;
    size_t len;
    enum wf_compression how, used;
} trips[] = {
    { "none copies", TEXT, 65536, WF_COMPRESS_NONE, WF_COMPRESS_NONE },
    { "text under lz4", TEXT, 65536, WF_COMPRESS_LZ4, WF_COMPRESS_LZ4 },
    { "text under zstd", TEXT, 65536, WF_COMPRESS_ZSTD, WF_COMPRESS_ZSTD },
    { "the largest payload under lz4", TEXT, WF_MAX_BATCH_RAW, WF_COMPRESS_LZ4, WF_COMPRESS_LZ4 },
    { "noise does not shrink under lz4", RANDOM, 65536, WF_COMPRESS_LZ4, WF_COMPRESS_NONE },
    { "noise does not shrink under zstd", RANDOM, 65536, WF_COMPRESS_ZSTD, WF_COMPRESS_NONE },
    { "one byte can't shrink under lz4", TEXT, 1, WF_COMPRESS_LZ4, WF_COMPRESS_NONE },
    { "one byte can't shrink under zstd", TEXT, 1, WF_COMPRESS_ZSTD, WF_COMPRESS_NONE },
    { "nothing is nothing", TEXT, 0, WF_COMPRESS_ZSTD, WF_COMPRESS_NONE },
    { "lz4 of zeros shrinks 250 times: beyond the ratio", ZEROS, 1u << 20, WF_COMPRESS_LZ4,
        WF_COMPRESS_NONE },
    { "zstd of zeros shrinks 25,000 times: beyond the ratio", ZEROS, 1u << 20, WF_COMPRESS_ZSTD,
        WF_COMPRESS_NONE },
};

START_TEST(what_goes_in_comes_out)
{
    const struct trip *t = &trips[_i];
    struct wf_buf raw = make(t->what, t->len), stored = { 0 }, again = { 0 };
    enum wf_compression used = WF_COMPRESS_LZ4;

    // Both append to what the caller has.
    ck_assert_int_eq(wf_buf_append_str(&stored, "before"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_str(&again, "before"), WEFT_OK);
    ck_assert_int_eq(wf_compress(t->how, wf_buf_view(&raw), &stored, &used), WEFT_OK);
    struct wf_bytes packed = wf_bytes(stored.ptr + 6, stored.len - 6);
    ck_assert_msg(used == t->used, "%s: used %d", t->why, (int)used);
    ck_assert(used == WF_COMPRESS_NONE ? packed.len == raw.len : packed.len < raw.len);
    ck_assert_int_eq(wf_decompress(used, packed, raw.len, &again), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&again), WF_STR("before")));
    ck_assert(wf_bytes_eq(wf_bytes(again.ptr + 6, again.len - 6), wf_buf_view(&raw)));
    wf_buf_fini(&raw);
    wf_buf_fini(&stored);
    wf_buf_fini(&again);
}
END_TEST

START_TEST(a_compressor_keeps_no_content_from_call_to_call)
{
    struct wf_compressor c = { .fast = _i != 0 };
    struct wf_buf big = make(TEXT, 300000), small = make(TEXT, 4096), first = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;

    for (unsigned n = 0; n < 6; n++) {
        struct wf_buf *raw = n % 2 ? &big : &small, stored = { 0 }, again = { 0 };
        ck_assert_int_eq(
            wf_compress_with(&c, WF_COMPRESS_ZSTD, wf_buf_view(raw), &stored, &used), WEFT_OK);
        ck_assert_int_eq(used, WF_COMPRESS_ZSTD);
        ck_assert_int_eq(wf_decompress(used, wf_buf_view(&stored), raw->len, &again), WEFT_OK);
        ck_assert(wf_bytes_eq(wf_buf_view(&again), wf_buf_view(raw)));
        if (n == 0) // whatever came between, the same bytes give the same bytes
            ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&stored), &first), WEFT_OK);
        else if (n % 2 == 0)
            ck_assert(wf_bytes_eq(wf_buf_view(&stored), wf_buf_view(&first)));
        wf_buf_fini(&stored);
        wf_buf_fini(&again);
    }
    wf_compressor_fini(&c);
    wf_buf_fini(&big);
    wf_buf_fini(&small);
    wf_buf_fini(&first);
}
END_TEST

static struct wf_buf packed_with(struct wf_compressor *c, const struct wf_buf *raw, bool fast)
{
    struct wf_buf stored = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;

    c->fast = fast;
    ck_assert_int_eq(
        wf_compress_with(c, WF_COMPRESS_ZSTD, wf_buf_view(raw), &stored, &used), WEFT_OK);
    return stored;
}

// A node has one for all its products.
START_TEST(a_compressor_changes_its_speed_and_forgets_what_did_not_shrink)
{
    struct wf_buf text = make(TEXT, 100000), noise = make(RANDOM, 100000);
    struct wf_compressor c = { 0 };

    for (unsigned n = 0; n < 6; n++) {
        struct wf_compressor fresh = { 0 };
        struct wf_buf want = packed_with(&fresh, &text, n % 2), got = packed_with(&c, &text, n % 2);
        ck_assert(wf_bytes_eq(wf_buf_view(&got), wf_buf_view(&want)));
        struct wf_buf other = packed_with(&fresh, &text, n % 2 == 0);
        ck_assert(!wf_bytes_eq(wf_buf_view(&got), wf_buf_view(&other)));
        struct wf_buf same = packed_with(&c, &noise, n % 2);
        ck_assert(wf_bytes_eq(wf_buf_view(&same), wf_buf_view(&noise)));
        wf_buf_fini(&want);
        wf_buf_fini(&got);
        wf_buf_fini(&other);
        wf_buf_fini(&same);
        wf_compressor_fini(&fresh);
    }
    wf_compressor_fini(&c);
    wf_buf_fini(&text);
    wf_buf_fini(&noise);
}
END_TEST

START_TEST(what_can_not_be_compressed_is_refused)
{
    struct wf_buf raw = make(ZEROS, WF_MAX_BATCH_RAW + 1), out = { 0 };
    enum wf_compression used = WF_COMPRESS_LZ4;

    ck_assert_int_eq(wf_compress(WF_COMPRESS_LZ4, wf_buf_view(&raw), &out, &used), WEFT_E_TOO_BIG);
    ck_assert_int_eq(
        wf_compress((enum wf_compression)3, WF_STR("abc"), &out, &used), WEFT_E_COMPRESSION);
    ck_assert(out.len == 0 && used == WF_COMPRESS_LZ4);
    wf_buf_fini(&raw);
    wf_buf_fini(&out);
}
END_TEST

// Hand-made, so that no version of a library decides about them. "hello" four times is 20 bytes.
#define LZ4_HELLO "5f 68656c6c6f 0500 00 50 68656c6c6f"
static const struct form {
    const char *stem, *why;
    enum wf_compression how;
    size_t raw_len;
    const char *hex;
    enum weft_err want;
} forms[] = {
    { "stream/140-payload-lz4", "hello, 19 bytes from 5 back, hello", WF_COMPRESS_LZ4, 29,
        LZ4_HELLO, WEFT_OK },
    { "stream/141-payload-lz4", "raw length one too small", WF_COMPRESS_LZ4, 28, LZ4_HELLO,
        WEFT_E_COMPRESSION },
    { "stream/142-payload-lz4", "raw length one too large", WF_COMPRESS_LZ4, 30, LZ4_HELLO,
        WEFT_E_COMPRESSION },
    { "stream/143-payload-lz4", "an offset before the beginning", WF_COMPRESS_LZ4, 29,
        "5f 68656c6c6f 0600 00 50 68656c6c6f", WEFT_E_COMPRESSION },
    { "stream/144-payload-lz4", "an offset of 0", WF_COMPRESS_LZ4, 29,
        "5f 68656c6c6f 0000 00 50 68656c6c6f", WEFT_E_COMPRESSION },
    { "stream/145-payload-zstd", "a frame of one run of 100", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 64 230300 61", WEFT_OK },
    { "stream/146-payload-zstd", "a frame of one raw block", WF_COMPRESS_ZSTD, 14,
        "28b52ffd 20 0e 710000 6162636465666768696a6b6c6d6e", WEFT_E_COMPRESSION },
    { "stream/147-payload-zstd", "content size is not the header's raw length", WF_COMPRESS_ZSTD,
        101, "28b52ffd 20 64 230300 61", WEFT_E_COMPRESSION },
    { "stream/148-payload-zstd", "no content size", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 00 00 230300 61", WEFT_E_COMPRESSION },
    { "stream/149-payload-zstd", "a dictionary is named", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 21 01 64 230300 61", WEFT_E_COMPRESSION },
    { "stream/150-payload-zstd", "two frames", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 32 930100 61 28b52ffd 20 32 930100 61", WEFT_E_COMPRESSION },
    { "stream/151-payload-zstd", "a skippable frame first", WF_COMPRESS_ZSTD, 100,
        "502a4d18 00000000 28b52ffd 20 64 230300 61", WEFT_E_COMPRESSION },
    { "stream/152-payload-zstd", "a byte after the frame", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 64 230300 61 00", WEFT_E_COMPRESSION },
    { "stream/153-payload-zstd", "more content than the frame says", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 64 2b0300 61", WEFT_E_COMPRESSION },
    { "stream/154-payload-zstd", "less content than the frame says", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 64 1b0300 61", WEFT_E_COMPRESSION },
    { "stream/155-payload-zstd", "a block of the reserved kind", WF_COMPRESS_ZSTD, 100,
        "28b52ffd 20 64 270300 61", WEFT_E_COMPRESSION },
    { "stream/156-payload-zstd", "another magic number", WF_COMPRESS_ZSTD, 100,
        "27b52ffd 20 64 230300 61", WEFT_E_COMPRESSION },
    { "stream/157-payload-zstd", "a bomb: 10 bytes for 4 MiB", WF_COMPRESS_ZSTD, WF_MAX_BATCH_RAW,
        "28b52ffd a0 00004000 030020 00", WEFT_E_COMPRESSION },
    { "stream/158-payload-none", "fewer bytes than said", WF_COMPRESS_NONE, 4, "616263",
        WEFT_E_COMPRESSION },
    { "stream/159-payload-none", "more bytes than said", WF_COMPRESS_NONE, 2, "616263",
        WEFT_E_COMPRESSION },
    { "stream/160-payload-lz4", "compressed bytes, and nothing raw", WF_COMPRESS_LZ4, 0, "00",
        WEFT_E_COMPRESSION },
    { "stream/161-payload-3", "a kind that is none", (enum wf_compression)3, 3, "616263",
        WEFT_E_COMPRESSION },
};

START_TEST(each_form_of_stored_bytes_has_its_verdict)
{
    const struct form *f = &forms[_i];
    struct wf_buf stored = wf_test_hex(f->hex), out = { 0 };
    char why[128];

    snprintf(why, sizeof why, "%s; raw length %zu", f->why, f->raw_len);
    if (f->want == WEFT_OK)
        wf_test_same_vector(f->stem, why, wf_buf_view(&stored));
    else
        wf_test_refused_vector(f->stem, f->want, why, wf_buf_view(&stored));
    enum weft_err err = wf_decompress(f->how, wf_buf_view(&stored), f->raw_len, &out);
    ck_assert_msg(err == f->want, "%s: %s", f->why, weft_err_name(err));
    ck_assert_uint_eq(out.len, err ? 0 : f->raw_len);
    wf_buf_fini(&stored);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_bomb_is_refused_before_memory_is_taken)
{
    static const uint8_t stored[1000];
    static const struct {
        const char *why;
        size_t stored_len, raw_len;
        enum weft_err want;
    } rows[] = {
        { "101 times", 1000, 101000, WEFT_E_COMPRESSION },
        { "100 times and one byte", 1000, 100001, WEFT_E_COMPRESSION },
        { "nothing stored", 0, 1, WEFT_E_COMPRESSION },
        { "over the raw limit", 1000, WF_MAX_BATCH_RAW + 1, WEFT_E_TOO_BIG },
        { "a length that wraps", 1000, SIZE_MAX, WEFT_E_TOO_BIG },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++)
        for (int how = WF_COMPRESS_LZ4; how <= WF_COMPRESS_ZSTD; how++) {
            struct wf_buf out = { 0 };
            wf_test_fail_alloc(-1);
            enum weft_err err = wf_decompress((enum wf_compression)how,
                wf_bytes(stored, rows[i].stored_len), rows[i].raw_len, &out);
            long seen = wf_test_alloc_count();
            ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
            ck_assert_msg(seen == 0 && out.cap == 0, "%s: %ld allocations", rows[i].why, seen);
        }
    ck_assert_int_eq(
        wf_compression_check(WF_COMPRESS_NONE, WF_MAX_BATCH_STORED + 1, 1), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_compression_check(WF_COMPRESS_ZSTD, 1000, 100000), WEFT_OK);
    ck_assert_int_eq(wf_compression_check(WF_COMPRESS_LZ4, 1001, 1000), WEFT_E_COMPRESSION);
}
END_TEST

struct stored {
    enum wf_compression how;
    size_t raw_len;
};

static enum weft_err decompress(struct wf_bytes in, void *context)
{
    const struct stored *s = context;
    struct wf_buf out = { 0 };
    enum weft_err err = wf_decompress(s->how, in, s->raw_len, &out);

    wf_buf_fini(&out);
    return err;
}

START_TEST(every_truncation_is_refused)
{
    struct stored s = { .how = (enum wf_compression)_i, .raw_len = 4096 };
    struct wf_buf raw = make(TEXT, s.raw_len), out = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;

    ck_assert_int_eq(wf_compress(s.how, wf_buf_view(&raw), &out, &used), WEFT_OK);
    ck_assert_int_eq(used, s.how);
    wf_test_truncations(wf_buf_view(&out), decompress, &s);
    wf_test_allocations(wf_buf_view(&out), decompress, &s);
    wf_buf_fini(&raw);
    wf_buf_fini(&out);
}
END_TEST

// A flipped bit may give other content of the same length (the payload hash is for that); it must never give another length,
// nor be read out of bounds.
START_TEST(a_flipped_bit_never_changes_the_length)
{
    struct stored s = { .how = (enum wf_compression)_i, .raw_len = 2048 };
    struct wf_buf raw = make(TEXT, s.raw_len), packed = { 0 }, out = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;

    ck_assert_int_eq(wf_compress(s.how, wf_buf_view(&raw), &packed, &used), WEFT_OK);
    for (size_t bit = 0; bit < packed.len * 8; bit++) {
        packed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        out.len = 0;
        enum weft_err err = wf_decompress(s.how, wf_buf_view(&packed), s.raw_len, &out);
        ck_assert(err == WEFT_OK || err == WEFT_E_COMPRESSION);
        ck_assert_uint_eq(out.len, err ? 0 : s.raw_len);
        packed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wf_buf_fini(&raw);
    wf_buf_fini(&packed);
    wf_buf_fini(&out);
}
END_TEST

static enum weft_err compress(struct wf_bytes in, void *context)
{
    struct wf_buf out = { 0 };
    enum wf_compression used = WF_COMPRESS_NONE;
    enum weft_err err = wf_compress(*(enum wf_compression *)context, in, &out, &used);

    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    enum wf_compression how = (enum wf_compression)_i;
    struct wf_buf raw = make(TEXT, 4096);

    wf_test_allocations(wf_buf_view(&raw), compress, &how);
    wf_buf_fini(&raw);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("compress");
    TCase *t = tcase_create("compress");

    tcase_add_loop_test(t, what_goes_in_comes_out, 0, WF_COUNT(trips));
    tcase_add_loop_test(t, a_compressor_keeps_no_content_from_call_to_call, 0, 2);
    tcase_add_test(t, a_compressor_changes_its_speed_and_forgets_what_did_not_shrink);
    tcase_add_test(t, what_can_not_be_compressed_is_refused);
    tcase_add_loop_test(t, each_form_of_stored_bytes_has_its_verdict, 0, WF_COUNT(forms));
    tcase_add_test(t, a_bomb_is_refused_before_memory_is_taken);
    tcase_add_loop_test(t, every_truncation_is_refused, WF_COMPRESS_LZ4, WF_COMPRESS_ZSTD + 1);
    tcase_add_loop_test(
        t, a_flipped_bit_never_changes_the_length, WF_COMPRESS_LZ4, WF_COMPRESS_ZSTD + 1);
    tcase_add_loop_test(
        t, failing_allocations_leave_nothing_behind, WF_COMPRESS_NONE, WF_COMPRESS_ZSTD + 1);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
