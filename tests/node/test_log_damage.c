// SPDX-License-Identifier: Apache-2.0
// Bytes that rot: flips and truncations of any file of a store, a home's or a spool. The store opens, nothing wrong is delivered, and
// every change is seen: as a gap by readers or as a note at open; and a look at the store beforehand, which changes nothing, names
// each one and exactly the offsets that readers will miss. WEFT_FAULT_DAMAGES: how many in all (default 1,000).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/look.h"
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

#define PRODUCTS 3u

static void fill_store(struct rig *r, bool spool, uint64_t heads[PRODUCTS])
{
    for (int i = 0; i < 12; i++) {
        for (unsigned p = 0; p < PRODUCTS; p++)
            rig_fill(r, p, 5, 100 + 300 * p);
        if (spool && i % 4 == 3) // what the home has is forgotten
            for (unsigned p = 0; p < PRODUCTS; p++) {
                struct wf_hash id = rig_product(p);
                ck_assert_int_eq(wf_log_release(r->log, &id, rig_head(r, p) - 12), WEFT_OK);
                rig_run(r);
            }
    }
    for (unsigned p = 0; p < PRODUCTS; p++)
        heads[p] = rig_head(r, p);
}

// ---- what a look says ------------------------------------------------------------------------------------------------

struct looked {
    uint64_t damages, others;
    bool lost[PRODUCTS][RIG_SEEN]; // by offset
};

static void on_flaw(void *arg, const struct wf_log_flaw *f)
{
    struct looked *l = arg;

    ck_assert_str_ne(wf_log_flaw_name(f->kind), "?");
    if (wf_log_flaw_is_damage(f->kind))
        l->damages++;
    else
        l->others++;
    if (f->kind != WF_FLAW_LOST)
        return;
    for (unsigned p = 0; p < PRODUCTS; p++) {
        struct wf_hash id = rig_product(p);
        if (wf_hash_eq(&id, &f->product))
            for (uint64_t o = f->first; o < f->end && o < RIG_SEEN; o++)
                l->lost[p][o] = true;
    }
}

// A hash of every file: a look leaves them as they are.
static struct wf_hash disk_hash(struct rig *r)
{
    struct image m;
    struct wf_buf all = { 0 };
    struct wf_hash hash;

    take_image(r, &m);
    for (size_t i = 0; i < m.count; i++)
        ck_assert_int_eq(wf_buf_append(&all, wf_buf_view(&m.content[i])), WEFT_OK);
    wf_blake2b(wf_buf_view(&all), &hash);
    wf_buf_fini(&all);
    free_image(&m);
    return hash;
}

static void look_at(struct rig *r, struct looked *ret)
{
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;
    struct wf_hash before = disk_hash(r);

    *ret = (struct looked){ 0 };
    ck_assert_int_eq(wf_log_look_open(&r->vfs,
                         &(struct wf_log_look_conf){ .dir = "/log", .now_ms = r->now_ms }, &look),
        WEFT_OK);
    ck_assert(!wf_log_look_in_use(look));
    ck_assert_int_eq(wf_log_look_check(look, on_flaw, ret, &tally), WEFT_OK);
    ck_assert_uint_eq(tally.damages, ret->damages);
    ck_assert_uint_eq(tally.others, ret->others);
    wf_log_look_close(look);
    struct wf_hash after = disk_hash(r);
    ck_assert(wf_hash_eq(&before, &after));
    ck_assert_ptr_null(wf_memdisk_name(r->disk, 0, ".tmp"));
}

// ---- readers ---------------------------------------------------------------------------------------------------------

// Reads all and counts what readers were told is missing: exactly what the look named. Delivered and missing offsets make up all there were.
static uint64_t read_all(
    struct rig *r, const struct looked *looked, const uint64_t heads[PRODUCTS], bool heads_known)
{
    static struct rig_read got;
    uint64_t missing = 0;

    for (unsigned p = 0; p < PRODUCTS; p++) {
        uint64_t floor = rig_floor(r, p), head = rig_head(r, p);
        rig_read(r, p, floor, 5000, &got);
        missing += got.gap_offsets;
        for (uint64_t o = floor; o < head; o++)
            ck_assert_msg(looked->lost[p][o] == !got.seen[o],
                "product %u offset %llu: a reader %s it, the look said %s", p,
                (unsigned long long)o, got.seen[o] ? "gets" : "misses",
                looked->lost[p][o] ? "lost" : "there");
        if (heads_known)
            ck_assert_uint_eq(head, heads[p]);
        else
            missing += heads[p] - head;
    }
    return missing;
}

static const struct damage {
    const char *name;
    bool spool;
    bool closed;   // was the store closed in order?
    bool truncate; // or flip a bit
} damages[] = {
    { "bit flips, closed log", false, true, false },
    { "truncations, closed log", false, true, true },
    { "bit flips, log after a crash", false, false, false },
    { "truncations, log after a crash", false, false, true },
    { "bit flips, closed spool", true, true, false },
    { "truncations, closed spool", true, true, true },
    { "bit flips, spool after a crash", true, false, false },
    { "truncations, spool after a crash", true, false, true },
};

static int damages_each(void)
{
    const char *text = getenv("WEFT_FAULT_DAMAGES");
    long all = text ? strtol(text, NULL, 10) : 1000;

    ck_assert_msg(all > 0, "WEFT_FAULT_DAMAGES=%s is no count", text);
    return (int)((all + (long)WF_COUNT(damages) - 1) / (long)WF_COUNT(damages));
}

// Zeros behind the items of a segment that was not closed are nothing: to cut there takes nothing away.
static size_t written(struct wf_bytes file)
{
    size_t len = file.len;

    while (len > 0 && file.ptr[len - 1] == 0)
        len--;
    return len;
}

// Changes one file at random; the seed decides.
static void hurt(struct rig *r, const struct image *m, bool truncate, uint64_t *seed)
{
    size_t file = (size_t)(wf_test_rand(seed) % m->count);
    struct wf_bytes b = wf_buf_view(&m->content[file]);
    size_t at = (size_t)(wf_test_rand(seed) % (truncate ? written(b) : b.len));

    if (truncate) {
        wf_memdisk_put(r->disk, m->names[file], wf_bytes(b.ptr, at));
        return;
    }
    uint8_t *p = wf_memdisk_file(r->disk, m->names[file], &b.len);
    p[at] ^= (uint8_t)(1u << wf_test_rand(seed) % 8);
}

static void rig_of(struct rig *r, const struct damage *d)
{
    rig_init(r, NULL);
    r->conf.segment_bytes = 16384;
    r->conf.storage_key = NULL;
    r->conf.keep_unreleased = r->conf.forget_empty = d->spool;
}

// One damaged copy of the store, from the look to going on. True when the look named the damage.
static bool one_damage(
    struct rig *r, const struct damage *d, const uint64_t heads[PRODUCTS], uint64_t *ret_lost)
{
    static struct looked looked;

    look_at(r, &looked);
    ck_assert_int_eq(rig_open(r), WEFT_OK);
    uint64_t missing = read_all(r, &looked, heads, d->closed);
    // Of a spool also what was released can rot: nobody reads it, and only a look sees it.
    ck_assert_msg(missing > 0 || r->note_count > 0 || (d->spool && looked.damages > 0),
        "%s was not noticed", d->name);
    for (unsigned p = 0; p < PRODUCTS; p++) // it goes on where it was, or where the tail was cut
        rig_fill(r, p, 2, 100);
    rig_close(r);
    ck_assert_int_eq(rig_open(r), WEFT_OK);
    *ret_lost += missing;
    return looked.damages + looked.others > 0;
}

START_TEST(every_damage_is_named_and_nothing_wrong_is_delivered)
{
    const struct damage *d = &damages[_i];
    struct image image;
    uint64_t heads[PRODUCTS], seed = 1000 + (uint64_t)_i, lost = 0;
    int count = damages_each(), named = 0;
    struct rig r;

    rig_of(&r, d);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    fill_store(&r, d->spool, heads);
    if (d->closed)
        rig_close(&r);
    else
        rig_crash(&r, false, &seed);
    take_image(&r, &image);
    rig_fini(&r);
    for (int i = 0; i < count; i++) {
        rig_of(&r, d);
        put_image(&r, &image);
        hurt(&r, &image, d->truncate, &seed);
        named += one_damage(&r, d, heads, &lost);
        rig_fini(&r);
    }
    // A cut right between two items of a segment that was never closed leaves no trace in the store: the heads that others saw tell.
    int clean_cuts = count - named;
    ck_assert_msg(clean_cuts == 0 || (d->truncate && !d->closed && clean_cuts <= count / 20 + 1),
        "%s: %d of %d not named", d->name, clean_cuts, count);
    printf("%s: %d, named by a look %d, cut between two items %d, %llu offsets of %d times %llu "
           "missing\n",
        d->name, count, named, clean_cuts, (unsigned long long)lost, count,
        (unsigned long long)heads[0] + heads[1] + heads[2]);
    free_image(&image);
}
END_TEST

START_TEST(a_whole_store_has_no_flaw)
{
    const struct damage *d = &damages[_i];
    uint64_t heads[PRODUCTS], seed = 5;
    static struct looked looked;
    struct rig r;

    rig_of(&r, d);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    fill_store(&r, d->spool, heads);
    if (d->closed)
        rig_close(&r);
    else
        rig_crash(&r, false, &seed);
    look_at(&r, &looked);
    ck_assert_uint_eq(looked.damages, 0);
    ck_assert_uint_eq(looked.others, 0);
    rig_fini(&r);
}
END_TEST

// Zeros ahead of the items are nothing when they are found again, wherever the file ends within them; one byte among them that is none is a torn write.
START_TEST(zeros_written_ahead_are_told_from_a_torn_write)
{
    struct image image;
    uint64_t seed = 4;
    struct rig r;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 40);
    rig_crash(&r, false, &seed);
    take_image(&r, &image);
    rig_fini(&r);
    struct wf_bytes all = wf_buf_view(&image.content[0]);
    size_t end = written(all);
    ck_assert_uint_gt(all.len, end + 1000); // there are some
    for (size_t at = end; at < all.len; at += 97) {
        for (int torn = 0; torn < 2; torn++) {
            struct rig c;
            size_t len = 0;
            rig_init(&c, NULL);
            c.conf.segment_bytes = 16384;
            c.conf.storage_key = NULL;
            put_image(&c, &image);
            if (torn)
                wf_memdisk_file(c.disk, image.names[0], &len)[at] = 1;
            else
                wf_memdisk_put(c.disk, image.names[0], wf_bytes(all.ptr, at));
            ck_assert_int_eq(rig_open(&c), WEFT_OK);
            ck_assert_uint_eq(rig_head(&c, 1), 8);
            ck_assert_uint_eq(c.note_count, (unsigned)torn);
            ck_assert_uint_eq(c.notes[WF_LOG_NOTE_TORN], (unsigned)torn);
            rig_close(&c); // in order: nothing stands behind the items any more
            wf_memdisk_file(c.disk, image.names[0], &len);
            ck_assert_uint_eq(len, end);
            rig_fini(&c);
        }
    }
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
    all.len = written(all);
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

// A header ends with a hash, and one in 256 of them with a zero: to lose that byte changes nothing that is read.
START_TEST(a_header_that_lacks_zeros_at_its_end_is_noticed)
{
    struct image image;
    uint64_t seed = 3;
    bool found = false;

    for (int tries = 0; tries < 10000 && !found; tries++) {
        struct rig r;
        rig_init(&r, NULL);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        rig_fill(&r, 1, 1, 40);
        rig_crash(&r, false, &seed);
        take_image(&r, &image);
        rig_fini(&r);
        found = image.content[0].ptr[WF_SEG_DATA - 1] == 0;
        if (!found)
            free_image(&image);
    }
    ck_assert(found);
    struct rig c;
    rig_init(&c, NULL);
    c.conf.storage_key = NULL;
    put_image(&c, &image);
    wf_memdisk_put(c.disk, image.names[0], wf_bytes(image.content[0].ptr, WF_SEG_DATA - 1));
    ck_assert_int_eq(rig_open(&c), WEFT_OK);
    ck_assert_uint_eq(c.notes[WF_LOG_NOTE_DAMAGED], 1);
    ck_assert_uint_eq(c.last_notes[WF_LOG_NOTE_DAMAGED].at, WF_SEG_COPY_AT);
    rig_fini(&c);
    free_image(&image);
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
            rig_fill(&r, 1, 10, 100);
            rig_fill(&r, 1, 10, 100); // of another write, after a sync: the damage was not its
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

// A disk writes in any order: the second of five items of one write is torn, the others are whole. Whether a sync covered them nobody knows, and
// with the third the numbers of its writer would have a hole. Behind a later write, after a sync, the same is rot.
START_TEST(damage_in_the_last_write_is_cut_with_what_stands_behind_it)
{
    for (int later = 0; later < 2; later++) {
        struct rig r;
        static struct rig_read got;
        uint64_t seed = 9;
        size_t len = 0, n;
        uint8_t body[200];
        rig_init(&r, NULL);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        rig_fill(&r, 1, 5, 100);
        if (later)
            rig_fill(&r, 2, 1, 100);
        n = rig_body(1, 1, 100, body, sizeof body);
        uint8_t *p = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
        uint8_t *hit = memmem(p, len, body, n);
        ck_assert_ptr_nonnull(hit);
        *hit ^= 1;
        rig_crash(&r, false, &seed);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        ck_assert_uint_eq(r.notes[later ? WF_LOG_NOTE_DAMAGED : WF_LOG_NOTE_TORN], 1);
        ck_assert_uint_eq(rig_head(&r, 1), later ? 5 : 1);
        rig_read(&r, 1, 0, 1 << 20, &got);
        ck_assert_uint_eq(got.items, later ? 4 : 1);
        ck_assert_uint_eq(got.gap_count, later ? 1 : 0);
        rig_fini(&r);
    }
}
END_TEST

START_TEST(a_product_whose_last_item_is_damaged_keeps_its_head_when_the_store_was_closed)
{
    struct rig r;
    static struct rig_read got;
    size_t len = 0, n;
    uint8_t body[200];

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    rig_fill(&r, 2, 1, 100); // so that a whole item follows
    rig_close(&r);
    n = rig_body(1, 7, 100, body, sizeof body);
    uint8_t *p = wf_memdisk_file(r.disk, wf_memdisk_name(r.disk, 0, ".seg"), &len);
    uint8_t *hit = memmem(p, len, body, n);
    ck_assert_ptr_nonnull(hit);
    hit[-60] ^= 4; // its header: nothing else in the segment says whose it was
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    ck_assert_uint_eq(rig_head(&r, 1), 8); // offset 7 is never given to another item
    rig_read(&r, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.items, 7);
    ck_assert_uint_eq(got.gap_count, 1);
    ck_assert_uint_eq(got.gaps[0].first, 7);
    ck_assert_int_eq(got.gaps[0].why, WEFT_E_DAMAGED);
    rig_fini(&r);
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
        t, every_damage_is_named_and_nothing_wrong_is_delivered, 0, WF_COUNT(damages));
    tcase_add_loop_test(t, a_whole_store_has_no_flaw, 0, WF_COUNT(damages));
    tcase_add_test(t, zeros_written_ahead_are_told_from_a_torn_write);
    tcase_add_test(t, a_segment_cut_at_any_byte_after_a_crash_keeps_its_whole_items);
    tcase_add_test(t, a_closed_segment_cut_at_any_byte_is_noticed_and_keeps_its_head);
    tcase_add_test(t, a_header_that_lacks_zeros_at_its_end_is_noticed);
    tcase_add_test(t, a_damaged_item_in_the_middle_is_a_gap_with_its_exact_range);
    tcase_add_test(t, damage_in_the_last_write_is_cut_with_what_stands_behind_it);
    tcase_add_test(
        t, a_product_whose_last_item_is_damaged_keeps_its_head_when_the_store_was_closed);
    tcase_add_test(t, a_body_that_looks_like_an_item_is_not_taken_for_one);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
