// SPDX-License-Identifier: Apache-2.0
// Bytes that rot: flips and truncations of any file of a store. The store opens, nothing wrong is delivered, and every
// change is seen: as a gap by readers or as a note at open.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/segment.h"
#include "tests/support/logrig.h"
#include "tests/support/support.h"

#define FILES_MAX 32u

// All files of a store, to begin from again and again.
struct image {
    size_t count;
    char names[FILES_MAX][64];
    struct wf_buf content[FILES_MAX];
};

static void take_image(struct rig *r, struct image *m)
{
    static const char *const suffixes[] = { ".seg", ".idx", ".meta" };
    size_t len = 0;

    *m = (struct image){ 0 };
    for (size_t k = 0; k < WF_COUNT(suffixes); k++)
        for (size_t i = 0; wf_memdisk_name(r->disk, i, suffixes[k]); i++) {
            const char *name = wf_memdisk_name(r->disk, i, suffixes[k]);
            const uint8_t *p = wf_memdisk_file(r->disk, name, &len);
            ck_assert_uint_lt(m->count, FILES_MAX);
            snprintf(m->names[m->count], sizeof m->names[0], "%s", name);
            ck_assert_int_eq(wf_bytes_dup(wf_bytes(p, len), &m->content[m->count++]), WEFT_OK);
        }
}

static void put_image(struct rig *r, const struct image *m)
{
    enum weft_err err = r->vfs.mkdir(r->vfs.ctx, "/log");

    ck_assert_int_eq(err, WEFT_OK);
    for (size_t i = 0; i < m->count; i++)
        wf_memdisk_put(r->disk, m->names[i], wf_buf_view(&m->content[i]));
}

static void free_image(struct image *m)
{
    for (size_t i = 0; i < m->count; i++)
        wf_buf_fini(&m->content[i]);
}

static void fill_store(struct rig *r, uint64_t heads[3])
{
    for (int i = 0; i < 12; i++)
        for (unsigned p = 0; p < 3; p++)
            rig_fill(r, p, 5, 100 + 300 * p);
    for (unsigned p = 0; p < 3; p++)
        heads[p] = rig_head(r, p);
}

// Reads all and counts what readers were told is missing. Delivered and missing offsets make up all there were.
static uint64_t read_all(struct rig *r, const uint64_t heads[3], bool heads_known)
{
    static struct rig_read got;
    uint64_t missing = 0;

    for (unsigned p = 0; p < 3; p++) {
        rig_read(r, p, 0, 5000, &got);
        missing += got.gap_offsets;
        if (heads_known)
            ck_assert_uint_eq(got.offsets + got.gap_offsets, heads[p]);
        else
            missing += heads[p] - (got.offsets + got.gap_offsets);
    }
    return missing;
}

static const struct damage {
    const char *name;
    bool closed;   // was the store closed in order?
    bool truncate; // or flip a bit
    int count;
} damages[] = {
    { "bit flips, closed store", true, false, 200 },
    { "truncations, closed store", true, true, 200 },
    { "bit flips, after a crash", false, false, 200 },
    { "truncations, after a crash", false, true, 200 },
};

// Changes one file at random; the seed decides.
static void hurt(struct rig *r, const struct image *m, bool truncate, uint64_t *seed)
{
    size_t file = (size_t)(wf_test_rand(seed) % m->count);
    struct wf_bytes b = wf_buf_view(&m->content[file]);
    size_t at = (size_t)(wf_test_rand(seed) % b.len);

    if (truncate) {
        wf_memdisk_put(r->disk, m->names[file], wf_bytes(b.ptr, at));
        return;
    }
    uint8_t *p = wf_memdisk_file(r->disk, m->names[file], &b.len);
    p[at] ^= (uint8_t)(1u << wf_test_rand(seed) % 8);
}

START_TEST(every_damage_is_detected_and_nothing_wrong_is_delivered)
{
    const struct damage *d = &damages[_i];
    struct image image;
    uint64_t heads[3], seed = 1000 + (uint64_t)_i, lost = 0, noted = 0;
    struct rig r;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    r.conf.storage_key = NULL;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    fill_store(&r, heads);
    if (d->closed)
        rig_close(&r);
    else
        rig_crash(&r, false, &seed);
    take_image(&r, &image);
    rig_fini(&r);
    for (int i = 0; i < d->count; i++) {
        rig_init(&r, NULL);
        r.conf.segment_bytes = 16384;
        r.conf.storage_key = NULL;
        put_image(&r, &image);
        hurt(&r, &image, d->truncate, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        uint64_t missing = read_all(&r, heads, d->closed);
        ck_assert_msg(missing > 0 || r.note_count > 0, "%s %d was not noticed", d->name, i);
        lost += missing;
        noted += r.note_count > 0;
        for (unsigned p = 0; p < 3; p++) // it goes on where it was, or where the tail was cut
            rig_fill(&r, p, 2, 100);
        rig_close(&r);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        rig_fini(&r);
    }
    printf("%s: %d, all detected (%llu noted at open), %llu offsets of %d times %llu missing\n",
        d->name, d->count, (unsigned long long)noted, (unsigned long long)lost, d->count,
        (unsigned long long)(heads[0] + heads[1] + heads[2]));
    free_image(&image);
}
END_TEST

// One segment, cut at every byte: whole items before the cut are there, the rest is gone or a gap, and it goes on.
static void cut_everywhere(bool closed)
{
    struct image image;
    uint64_t seed = 3;
    struct rig r;
    size_t whole = 0, cuts = 0;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 40);
    if (closed)
        rig_close(&r);
    else
        rig_crash(&r, false, &seed);
    take_image(&r, &image);
    struct wf_bytes all = wf_buf_view(&image.content[0]);
    uint64_t before = 0;
    for (size_t len = 0; len < all.len; len += len < 4000 ? 13 : 1, cuts++) {
        struct rig c;
        static struct rig_read got;
        rig_init(&c, NULL);
        c.conf.storage_key = NULL;
        put_image(&c, &image);
        wf_memdisk_put(c.disk, image.names[0], wf_bytes(all.ptr, len));
        ck_assert_int_eq(rig_open(&c), WEFT_OK);
        rig_read(&c, 1, 0, 4096, &got);
        ck_assert_uint_ge(got.items, before); // never fewer with more bytes
        ck_assert_uint_le(got.items, before + 1);
        before = got.items;
        ck_assert_uint_eq(got.offsets + got.gap_offsets, closed ? 8 : got.items);
        whole += c.note_count == 0;
        rig_fill(&c, 1, 3, 40);
        rig_read(&c, 1, rig_floor(&c, 1), 4096, &got);
        ck_assert_uint_eq(got.items, before + 3);
        rig_fini(&c);
    }
    // Without a sidecar a cut right between two items can't be seen by the log; heads that peers witnessed tell.
    ck_assert_uint_eq(whole, closed ? 0 : 9);
    printf("cut at %zu places\n", cuts);
    free_image(&image);
    rig_fini(&r);
}

START_TEST(a_segment_cut_at_any_byte_after_a_crash_keeps_its_whole_items)
{
    cut_everywhere(false);
}
END_TEST

START_TEST(a_closed_segment_cut_at_any_byte_is_noticed_and_keeps_its_head)
{
    cut_everywhere(true);
}
END_TEST

START_TEST(a_damaged_item_in_the_middle_is_a_gap_with_its_exact_range)
{
    for (int closed = 0; closed < 2; closed++)
        for (int where = 0; where < 2; where++) { // in the header or in the body
            struct rig r;
            static struct rig_read got;
            uint64_t seed = 9;
            size_t len = 0, n;
            uint8_t body[200];
            rig_init(&r, NULL);
            ck_assert_int_eq(rig_open(&r), WEFT_OK);
            rig_fill(&r, 1, 20, 100);
            n = rig_body(1, 7, 100, body, sizeof body);
            uint8_t *p = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
            uint8_t *hit = memmem(p, len, body, n);
            ck_assert_ptr_nonnull(hit);
            hit[where ? 5 : -60] ^= 4;
            for (int round = 0; round < 3; round++) { // found by a reader, then by the open
                rig_read(&r, 1, 0, 1 << 20, &got);
                ck_assert_uint_eq(got.items, 19);
                ck_assert_uint_eq(got.gap_count, 1);
                ck_assert_uint_eq(got.gaps[0].first, 7);
                ck_assert_uint_eq(got.gaps[0].end, 8);
                ck_assert_int_eq(got.gaps[0].why, WEFT_E_DAMAGED);
                if (closed)
                    rig_close(&r);
                else
                    rig_crash(&r, false, &seed);
                ck_assert_int_eq(rig_open(&r), WEFT_OK);
                ck_assert_uint_eq(r.notes[WF_LOG_NOTE_DAMAGED], 1);
            }
            rig_fini(&r);
        }
}
END_TEST

START_TEST(a_body_that_looks_like_an_item_is_not_taken_for_one)
{
    struct rig r;
    static struct rig_read got;
    size_t len = 0;
    uint64_t seed = 2;

    // The bytes of a whole segment travel as a body of another log, and the header before it is damaged.
    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 3, 100);
    uint8_t *p = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
    struct wf_buf copy = { 0 };
    ck_assert_int_eq(wf_bytes_dup(wf_bytes(p + WF_SEG_DATA, len - WF_SEG_DATA), &copy), WEFT_OK);
    struct wf_log_item item = {
        .product = rig_product(2), .count = 1, .kind = 2, .body = wf_buf_view(&copy)
    };
    ck_assert_int_eq(wf_log_append(r.log, &item, r.token++), WEFT_OK);
    rig_run(&r);
    rig_fill(&r, 1, 2, 100);
    p = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
    p[WF_SEG_DATA + copy.len + 20] ^= 1; // in the header of the item with the copy
    rig_crash(&r, false, &seed);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_read(&r, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.items, 5);
    ck_assert_uint_eq(got.gap_count, 0);
    rig_read(&r, 2, 0, 4096, &got);
    ck_assert_uint_eq(got.items, 0);
    ck_assert_uint_eq(r.notes[WF_LOG_NOTE_DAMAGED], 1);
    wf_buf_fini(&copy);
    rig_fini(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_damage");
    TCase *t = tcase_create("log_damage");

    tcase_set_timeout(t, 240);
    tcase_add_loop_test(
        t, every_damage_is_detected_and_nothing_wrong_is_delivered, 0, WF_COUNT(damages));
    tcase_add_test(t, a_segment_cut_at_any_byte_after_a_crash_keeps_its_whole_items);
    tcase_add_test(t, a_closed_segment_cut_at_any_byte_is_noticed_and_keeps_its_head);
    tcase_add_test(t, a_damaged_item_in_the_middle_is_a_gap_with_its_exact_range);
    tcase_add_test(t, a_body_that_looks_like_an_item_is_not_taken_for_one);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
