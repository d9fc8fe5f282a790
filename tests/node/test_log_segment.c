// SPDX-License-Identifier: Apache-2.0
// The store format itself: what is written is read, and every changed bit of a header, an item or a sidecar is refused.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/index.h"
#include "tests/support/memdisk.h"
#include "tests/support/support.h"

static struct wf_seg_head head;
static struct wf_seg_item item;
static struct wf_secret key;
static uint8_t data_key[WF_KEY_LEN];

static void setup(void)
{
    uint64_t seed = 11;

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &key), WEFT_OK);
    head = (struct wf_seg_head){ .number = 7,
        .prev_number = 6,
        .prev_end = 123456,
        .created_ms = 1700000000123,
        .class_name = "audit" };
    wf_test_rand_bytes(&seed, head.store_id.b, WF_HASH_LEN);
    wf_seg_head_secure(&head, &key, data_key);
    item = (struct wf_seg_item){ .first = 1u << 20,
        .count = 640,
        .body_len = 5,
        .time_ms = 1700000000456,
        .kind = 3,
        .flags = WF_ITEM_JUMP };
    wf_test_rand_bytes(&seed, item.product.b, WF_HASH_LEN);
    wf_seg_body_check(head.salt, 5000, WF_STR("hello"), item.body_check);
}

static void teardown(void)
{
    wf_secret_fini(&key);
}

START_TEST(a_segment_header_round_trips_and_every_flipped_bit_is_refused)
{
    uint8_t bytes[WF_SEG_HEAD_LEN], again[WF_SEG_HEAD_LEN];
    struct wf_seg_head got;

    wf_seg_head_put(&head, bytes);
    ck_assert_int_eq(wf_seg_head_take(bytes, &got), WEFT_OK);
    wf_seg_head_put(&got, again);
    ck_assert_mem_eq(bytes, again, sizeof bytes);
    ck_assert_str_eq(got.class_name, "audit");
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(wf_seg_head_take(bytes, &got), WEFT_E_DAMAGED);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(an_intact_header_of_another_version_is_not_supported)
{
    uint8_t bytes[WF_SEG_HEAD_LEN];
    struct wf_seg_head got;
    struct wf_hash hash;

    wf_seg_head_put(&head, bytes);
    bytes[11] = 2;
    wf_blake2b(wf_bytes(bytes, WF_SEG_HEAD_LEN - WF_HASH_LEN), &hash);
    memcpy(bytes + WF_SEG_HEAD_LEN - WF_HASH_LEN, hash.b, WF_HASH_LEN);
    ck_assert_int_eq(wf_seg_head_take(bytes, &got), WEFT_E_UNSUPPORTED);
}
END_TEST

START_TEST(the_data_key_opens_under_its_storage_key_and_segment_only)
{
    uint8_t got[WF_KEY_LEN];
    struct wf_secret other = { 0 };

    ck_assert_int_eq(wf_seg_key(&head, &key, got), WEFT_OK);
    ck_assert_mem_eq(got, data_key, WF_KEY_LEN);
    ck_assert_int_eq(wf_seg_key(&head, NULL, got), WEFT_E_KEY);
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &other), WEFT_OK);
    ck_assert_int_eq(wf_seg_key(&head, &other, got), WEFT_E_KEY);
    wf_secret_fini(&other);
    head.number++;
    ck_assert_int_eq(wf_seg_key(&head, &key, got), WEFT_E_KEY);
    wf_seg_head_secure(&head, NULL, NULL);
    ck_assert_int_eq(wf_seg_key(&head, &key, got), WEFT_E_KEY);
}
END_TEST

START_TEST(an_item_header_round_trips_only_at_its_place_in_its_segment)
{
    uint8_t bytes[WF_ITEM_HEAD_LEN], again[WF_ITEM_HEAD_LEN];
    struct wf_seg_item got;

    wf_seg_item_put(&item, head.salt, 5000, bytes);
    ck_assert(wf_seg_item_take(bytes, head.salt, 5000, &got));
    wf_seg_item_put(&got, head.salt, 5000, again);
    ck_assert_mem_eq(bytes, again, sizeof bytes);
    ck_assert(!wf_seg_item_take(bytes, head.salt, 5001, &got));
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert(!wf_seg_item_take(bytes, head.salt, 5000, &got));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    head.salt[3] ^= 1;
    ck_assert(!wf_seg_item_take(bytes, head.salt, 5000, &got));
}
END_TEST

START_TEST(a_changed_moved_or_cut_body_fails_its_check)
{
    uint8_t body[] = "hello", other[WF_SEG_SALT_LEN];
    struct wf_bytes all = wf_bytes(body, 5);

    ck_assert(wf_seg_body_is_intact(&item, head.salt, 5000, all));
    for (size_t bit = 0; bit < 5 * 8; bit++) {
        body[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert(!wf_seg_body_is_intact(&item, head.salt, 5000, all));
        body[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert(!wf_seg_body_is_intact(&item, head.salt, 5001, all)); // of another place
    memcpy(other, head.salt, sizeof other);
    other[15] ^= 1;
    ck_assert(!wf_seg_body_is_intact(&item, other, 5000, all)); // of another segment
    ck_assert(!wf_seg_body_is_intact(&item, head.salt, 5000, wf_bytes(body, 4)));
    item.body_len = 6;
    ck_assert(!wf_seg_body_is_intact(&item, head.salt, 5000, wf_bytes(body, 6))); // a zero more
}
END_TEST

static const struct {
    const char *why;
    uint64_t first;
    uint32_t count, body_len;
    uint8_t kind;
    bool want;
} limits[] = {
    { "an item of the largest size", 0, 1, WF_ITEM_MAX, 0, true },
    { "one byte over", 0, 1, WF_ITEM_MAX + 1, 0, false },
    { "a table of heads may be longer", 0, 1, WF_ITEM_MAX + 1, WF_ITEM_HEADS, true },
    { "but not any length", 0, 1, UINT32_MAX, WF_ITEM_HEADS, false },
    { "the last offset there is", UINT64_MAX - 1, 1, 5, 0, true },
    { "offsets that wrap", UINT64_MAX, 1, 5, 0, false },
};

START_TEST(an_item_beyond_a_limit_is_refused_whatever_its_hash)
{
    uint8_t bytes[WF_ITEM_HEAD_LEN];
    struct wf_seg_item got;

    item.first = limits[_i].first;
    item.count = limits[_i].count;
    item.body_len = limits[_i].body_len;
    item.kind = limits[_i].kind;
    wf_seg_item_put(&item, head.salt, 5000, bytes);
    ck_assert_msg(
        wf_seg_item_take(bytes, head.salt, 5000, &got) == limits[_i].want, "%s", limits[_i].why);
}
END_TEST

START_TEST(a_sealed_body_is_bound_to_its_item)
{
    uint8_t body[64 + WF_ITEM_SEAL_LEN], copy[sizeof body];
    struct wf_bytes plain;

    memset(body + WF_XNONCE_LEN, 'x', 64);
    item.body_len = sizeof body;
    wf_seg_body_seal(data_key, &item, head.salt, body, 64);
    ck_assert_ptr_null(memmem(body, sizeof body, "xxxxxxxx", 8));
    for (int change = 0; change < 7; change++) {
        struct wf_seg_item other = item;
        uint8_t salt[WF_SEG_SALT_LEN];
        memcpy(salt, head.salt, sizeof salt);
        memcpy(copy, body, sizeof body);
        other.product.b[0] ^= change == 1;
        other.first ^= change == 2;
        other.count ^= change == 3;
        other.time_ms ^= change == 4;
        other.kind ^= change == 5;
        salt[0] ^= change == 6;
        enum weft_err err = wf_seg_body_open(data_key, &other, salt, copy, &plain);
        ck_assert_int_eq(err, change ? WEFT_E_AEAD : WEFT_OK);
        if (!err)
            ck_assert(plain.len == 64 && plain.ptr[63] == 'x');
    }
    for (uint32_t len = 0; len < sizeof body; len++) {
        memcpy(copy, body, sizeof body);
        item.body_len = len;
        ck_assert_int_eq(wf_seg_body_open(data_key, &item, head.salt, copy, &plain), WEFT_E_AEAD);
    }
}
END_TEST

// A segment with two products, as the writer would index it.
static void make_segment(struct wf_index *x, struct wf_segment *s)
{
    *s = (struct wf_segment){
        .head = head, .readable = true, .end = 200000, .time_ms = 99, .file = -1
    };
    for (unsigned n = 0; n < 40; n++) {
        struct wf_product *p = NULL;
        struct wf_part *part = NULL;
        struct wf_seg_item i = item;
        i.product.b[0] = (uint8_t)(n % 2);
        i.first = n / 2;
        i.count = 1;
        ck_assert_int_eq(wf_index_add(x, &i.product, &p), WEFT_OK);
        ck_assert_int_eq(wf_part_reserve(p, s, 1, &part), WEFT_OK);
        wf_part_add(part, &i, WF_SEG_DATA + (uint64_t)n * 4000);
        s->items++;
    }
}

START_TEST(a_sidecar_round_trips_and_every_change_is_refused)
{
    struct wf_index x = { 0 }, y = { 0 };
    struct wf_segment s, t;
    struct wf_buf bytes = { 0 }, again = { 0 };
    struct wf_sidecar side;

    make_segment(&x, &s);
    ck_assert_int_eq(wf_index_save(&s, &bytes), WEFT_OK);
    t = (struct wf_segment){ .head = head, .readable = true, .file = -1 };
    ck_assert_int_eq(wf_sidecar_take(wf_buf_view(&bytes), &t, &side), WEFT_OK);
    ck_assert_int_eq(wf_sidecar_load(&side, &y, &t), WEFT_OK);
    ck_assert_int_eq(wf_index_save(&t, &again), WEFT_OK);
    ck_assert_uint_eq(again.len, bytes.len);
    ck_assert_uint_eq(t.items, 40);
    ck_assert_uint_eq(y.product_count, 2);

    for (size_t n = 0; n < bytes.len; n++)
        ck_assert_int_eq(wf_sidecar_take(wf_bytes(bytes.ptr, n), &t, &side), WEFT_E_DAMAGED);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(wf_sidecar_take(wf_buf_view(&bytes), &t, &side), WEFT_E_DAMAGED);
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    t.head.salt[0] ^= 1;
    ck_assert_int_eq(wf_sidecar_take(wf_buf_view(&bytes), &t, &side), WEFT_E_ORDER);
    t.readable = false; // a segment whose headers are gone is told by its number
    ck_assert_int_eq(wf_sidecar_take(wf_buf_view(&bytes), &t, &side), WEFT_OK);
    t.head.number++;
    ck_assert_int_eq(wf_sidecar_take(wf_buf_view(&bytes), &t, &side), WEFT_E_ORDER);
    wf_index_fini(&x);
    wf_index_fini(&y);
    wf_buf_fini(&bytes);
    wf_buf_fini(&again);
}
END_TEST

START_TEST(a_sidecar_with_a_right_hash_and_wrong_numbers_is_refused)
{
    static const struct {
        const char *why;
        size_t at; // a big-endian 32-bit word
        uint32_t value;
    } rows[] = {
        { "more parts than bytes", 12, 3 },
        { "fewer parts than bytes", 12, 1 },
        { "no parts", 12, 0 },
        { "a part without runs", 72 + 60, 0 },
        { "more runs than bytes", 72 + 60, UINT32_MAX },
        { "a run that begins in the header", 72 + 64 + 24, 100 },
        { "a run that ends before it begins", 72 + 64 + 28, WF_SEG_DATA },
        { "a run that ends beyond the segment", 72 + 64 + 28, 200001 },
        { "a last run that ends beyond it", 72 + 64 + 80 + 28, 200001 },
        { "a run without items", 72 + 64 + 32, 0 },
        { "a run whose offsets run backwards", 72 + 64 + 4, 1000 },
        { "a run before the one before it", 72 + 64 + 40 + 24, WF_SEG_DATA },
        { "runs that overlap", 72 + 64 + 40 + 4, 0 },
        { "a part that does not begin with its runs", 72 + 36, 1 },
        { "a part that does not end with its runs", 72 + 44, 1000 },
        { "another version", 8, 2 },
    };
    struct wf_index x = { 0 };
    struct wf_segment s;
    struct wf_buf good = { 0 };
    struct wf_sidecar side;

    make_segment(&x, &s);
    ck_assert_int_eq(wf_index_save(&s, &good), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf b = { 0 };
        struct wf_hash hash;
        ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&good), &b), WEFT_OK);
        wf_store_be32(b.ptr + rows[i].at, rows[i].value);
        wf_blake2b(wf_bytes(b.ptr, b.len - WF_HASH_LEN), &hash);
        memcpy(b.ptr + b.len - WF_HASH_LEN, hash.b, WF_HASH_LEN);
        ck_assert_msg(
            wf_sidecar_take(wf_buf_view(&b), &s, &side) == WEFT_E_DAMAGED, "%s", rows[i].why);
        wf_buf_fini(&b);
    }
    wf_index_fini(&x);
    wf_buf_fini(&good);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_segment");
    TCase *t = tcase_create("log_segment");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_segment_header_round_trips_and_every_flipped_bit_is_refused);
    tcase_add_test(t, an_intact_header_of_another_version_is_not_supported);
    tcase_add_test(t, the_data_key_opens_under_its_storage_key_and_segment_only);
    tcase_add_test(t, an_item_header_round_trips_only_at_its_place_in_its_segment);
    tcase_add_test(t, a_changed_moved_or_cut_body_fails_its_check);
    tcase_add_loop_test(
        t, an_item_beyond_a_limit_is_refused_whatever_its_hash, 0, WF_COUNT(limits));
    tcase_add_test(t, a_sealed_body_is_bound_to_its_item);
    tcase_add_test(t, a_sidecar_round_trips_and_every_change_is_refused);
    tcase_add_test(t, a_sidecar_with_a_right_hash_and_wrong_numbers_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
