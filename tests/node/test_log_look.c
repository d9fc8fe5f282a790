// SPDX-License-Identifier: Apache-2.0
// What a look at a store says of each kind of damage: its name, segment, place and length, and the offsets it took; that a torn tail
// is none; and what it does beside a process that has the store.
#include <check.h>
#include <stdlib.h>

#include "node/log/look.h"
#include "node/log/meta.h"
#include "node/log/segment.h"
#include "tests/support/logrig.h"
#include "tests/support/support.h"

#define FLAWS_MAX 16u

struct told {
    size_t count;
    struct wf_log_flaw flaws[FLAWS_MAX];
};

static void on_flaw(void *arg, const struct wf_log_flaw *f)
{
    struct told *t = arg;

    ck_assert_uint_lt(t->count, FLAWS_MAX);
    t->flaws[t->count++] = *f;
}

static enum weft_err open_look(struct rig *r, const struct wf_secret *key, struct wf_log_look **ret)
{
    const struct wf_log_look_conf conf = { .dir = "/log", .key = key, .now_ms = r->now_ms };

    return wf_log_look_open(&r->vfs, &conf, ret);
}

static struct wf_log_tally look_at(struct rig *r, const struct wf_secret *key, struct told *ret)
{
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;

    *ret = (struct told){ 0 };
    ck_assert_int_eq(open_look(r, key, &look), WEFT_OK);
    ck_assert_int_eq(wf_log_look_check(look, on_flaw, ret, &tally), WEFT_OK);
    wf_log_look_close(look);
    return tally;
}

// The item of product 1 at an offset, in segment 1: its header's place.
static uint64_t place_of(struct rig *r, uint64_t offset, size_t *ret_len)
{
    uint8_t body[400];
    size_t len = 0, n = rig_body(1, offset, 100, body, sizeof body);
    const uint8_t *p = wf_memdisk_file(r->disk, "/log/0000000000000001.seg", &len);
    const uint8_t *hit = memmem(p, len, body, n);

    ck_assert_ptr_nonnull(hit);
    *ret_len = WF_ITEM_HEAD_LEN + 8 + n;
    return (uint64_t)(hit - p) - 8 - WF_ITEM_HEAD_LEN;
}

static void flip(struct rig *r, const char *path, uint64_t at)
{
    size_t len = 0;
    uint8_t *p = wf_memdisk_file(r->disk, path, &len);

    ck_assert_ptr_nonnull(p);
    ck_assert_uint_lt(at, len);
    p[at] ^= 16;
}

#define SEG "/log/0000000000000001.seg"
#define IDX "/log/0000000000000001.idx"

enum where { HEAD_1, HEAD_2, ZEROS, BODY, HEADER, LAST_BODY, INDEX, STORE };

// A closed store of one segment: product 1 has offsets 0 to 7, product 2 has one after them.
static const struct damage {
    enum where where;
    const char *why;
    size_t count; // flaws
    enum wf_log_flaw_kind kind;
    bool lost; // and the second is LOST, of offsets first..end
    uint64_t first, end;
} damages[] = {
    { HEAD_1, "one copy of the header", 1, WF_FLAW_HEADER, false, 0, 0 },
    { HEAD_2, "the other copy", 1, WF_FLAW_HEADER, false, 0, 0 },
    { ZEROS, "between the copies", 1, WF_FLAW_HEADER, false, 0, 0 },
    { BODY, "a body in the middle", 2, WF_FLAW_ITEM, true, 3, 4 },
    { HEADER, "an item's header", 2, WF_FLAW_BYTES, true, 3, 4 },
    { LAST_BODY, "the last body of its product", 2, WF_FLAW_ITEM, true, 7, 8 },
    { INDEX, "the index file: the next start makes it anew", 1, WF_FLAW_INDEX, false, 0, 0 },
    { STORE, "the identity: the segments say the same", 1, WF_FLAW_STORE, false, 0, 0 },
};

static uint64_t do_damage(struct rig *r, const struct damage *d, size_t *ret_len)
{
    uint64_t at = 0;

    *ret_len = d->where == ZEROS ? WF_SEG_COPY_AT - WF_SEG_HEAD_LEN : WF_SEG_HEAD_LEN;
    switch (d->where) {
    case HEAD_1:
        flip(r, SEG, 20);
        return 0;
    case HEAD_2:
        flip(r, SEG, WF_SEG_COPY_AT + 20);
        return WF_SEG_COPY_AT;
    case ZEROS:
        flip(r, SEG, 1000);
        return WF_SEG_HEAD_LEN;
    case BODY:
    case LAST_BODY:
        at = place_of(r, d->first, ret_len);
        flip(r, SEG, at + WF_ITEM_HEAD_LEN + 9);
        return at;
    case HEADER:
        at = place_of(r, d->first, ret_len);
        flip(r, SEG, at + 33);
        return at;
    case INDEX:
        flip(r, IDX, 30);
        break;
    default:
        flip(r, "/log/store.meta", 50);
    }
    *ret_len = 0;
    return 0;
}

START_TEST(each_damage_is_named_with_its_place_and_the_offsets_it_took)
{
    const struct damage *d = &damages[_i];
    struct wf_hash one = rig_product(1);
    struct told told;
    struct rig r;
    size_t len = 0;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    rig_fill(&r, 2, 1, 100);
    rig_close(&r);
    struct wf_log_tally whole = look_at(&r, NULL, &told);
    ck_assert_uint_eq(told.count, 0);
    ck_assert_uint_eq(whole.segments, 1);
    ck_assert_uint_eq(whole.items, 1 + 8 + 1); // the table of heads counts
    uint64_t at = do_damage(&r, d, &len);
    struct wf_log_tally tally = look_at(&r, NULL, &told);
    ck_assert_msg(told.count == d->count, "%s: %zu flaws", d->why, told.count);
    ck_assert_uint_eq(tally.damages, d->count);
    ck_assert_msg(
        told.flaws[0].kind == d->kind, "%s: %s", d->why, wf_log_flaw_name(told.flaws[0].kind));
    ck_assert_uint_eq(told.flaws[0].segment, d->kind == WF_FLAW_STORE ? 0 : 1);
    ck_assert_uint_eq(told.flaws[0].at, at);
    ck_assert_uint_eq(told.flaws[0].len, len);
    if (d->kind == WF_FLAW_ITEM) {
        ck_assert(told.flaws[0].has_product && wf_hash_eq(&told.flaws[0].product, &one));
        ck_assert_uint_eq(told.flaws[0].first, d->first);
    }
    if (d->lost) {
        const struct wf_log_flaw *f = &told.flaws[1];
        ck_assert_int_eq(f->kind, WF_FLAW_LOST);
        ck_assert(wf_hash_eq(&f->product, &one));
        ck_assert_uint_eq(f->first, d->first);
        ck_assert_uint_eq(f->end, d->end);
        ck_assert_uint_eq(f->segment, 1);
        ck_assert_uint_eq(f->at, at); // the damage that took them
    }
    rig_fini(&r);
}
END_TEST

START_TEST(a_torn_tail_is_told_and_is_no_damage)
{
    struct told told;
    struct rig r;
    size_t len = 0;
    uint64_t seed = 4;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    rig_crash(&r, false, &seed);
    wf_memdisk_file(r.disk, SEG, &len);
    wf_memdisk_cut(r.disk, SEG, len - 10);
    size_t item = 0;
    uint64_t at = 0;
    struct wf_log_tally tally = look_at(&r, NULL, &told);
    ck_assert_uint_eq(tally.damages, 0);
    ck_assert_uint_eq(tally.others, 1);
    ck_assert_int_eq(told.flaws[0].kind, WF_FLAW_TORN);
    ck_assert_int_eq(rig_open(&r), WEFT_OK); // cuts what the look said
    ck_assert_uint_eq(r.last_notes[WF_LOG_NOTE_TORN].at, told.flaws[0].at);
    ck_assert_uint_eq(r.last_notes[WF_LOG_NOTE_TORN].len, told.flaws[0].len);
    at = place_of(&r, 6, &item);
    ck_assert_uint_eq(told.flaws[0].at, at + item);
    ck_assert_uint_eq(told.flaws[0].len, len - 10 - at - item);
    rig_fini(&r);
}
END_TEST

START_TEST(a_truncated_closed_segment_names_what_is_missing_and_the_lost_offsets)
{
    struct told told;
    struct rig r;
    size_t len = 0, item = 0;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    rig_close(&r);
    wf_memdisk_file(r.disk, SEG, &len);
    uint64_t at = place_of(&r, 5, &item); // between two items
    wf_memdisk_cut(r.disk, SEG, at);
    look_at(&r, NULL, &told);
    ck_assert_uint_eq(told.count, 2);
    ck_assert_int_eq(told.flaws[0].kind, WF_FLAW_TRUNCATED);
    ck_assert_uint_eq(told.flaws[0].at, at);
    ck_assert_uint_eq(told.flaws[0].len, len - at);
    ck_assert_int_eq(told.flaws[1].kind, WF_FLAW_LOST);
    ck_assert_uint_eq(told.flaws[1].first, 5);
    ck_assert_uint_eq(told.flaws[1].end, 8);
    ck_assert_uint_eq(told.flaws[1].at, at);
    rig_fini(&r);
}
END_TEST

START_TEST(a_segment_without_headers_and_the_offsets_in_it_are_named)
{
    struct told told;
    struct rig r;

    rig_init(&r, NULL);
    r.conf.segment_bytes = 16384;
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 150, 200);
    rig_close(&r);
    ck_assert_ptr_nonnull(wf_memdisk_name(r.disk, 2, ".seg")); // there are three at least
    flip(&r, "/log/0000000000000002.seg", 20);
    flip(&r, "/log/0000000000000002.seg", WF_SEG_COPY_AT + 20);
    look_at(&r, NULL, &told);
    ck_assert_uint_eq(told.count, 4);
    ck_assert_int_eq(told.flaws[0].kind, WF_FLAW_HEADER);
    ck_assert_int_eq(told.flaws[1].kind, WF_FLAW_HEADER);
    ck_assert_int_eq(told.flaws[2].kind, WF_FLAW_SEGMENT);
    ck_assert_uint_eq(told.flaws[2].segment, 2);
    ck_assert_int_eq(told.flaws[3].kind, WF_FLAW_LOST);
    ck_assert_uint_eq(told.flaws[3].segment, 2);
    ck_assert_uint_gt(told.flaws[3].first, 0);
    ck_assert_uint_lt(told.flaws[3].end, 150);
    rig_fini(&r);
}
END_TEST

// An index whose hash is right and that says what the segment does not hold: another writer's mistake, not the disk's.
START_TEST(an_index_that_does_not_fit_its_segment_is_named)
{
    struct told told;
    struct wf_hash hash;
    struct rig r;
    size_t len = 0;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    rig_close(&r);
    uint8_t *p = wf_memdisk_file(r.disk, IDX, &len);
    p[72 + 56 + 3] += 1; // items of the part
    wf_blake2b(wf_bytes(p, len - WF_HASH_LEN), &hash);
    memcpy(p + len - WF_HASH_LEN, hash.b, WF_HASH_LEN);
    look_at(&r, NULL, &told);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.flaws[0].kind, WF_FLAW_INDEX);
    ck_assert_int_eq(told.flaws[0].err, WEFT_E_ORDER);
    rig_fini(&r);
}
END_TEST

START_TEST(a_sealed_body_is_opened_with_the_key_and_left_closed_without)
{
    struct wf_secret other = { 0 };
    struct told told;
    struct rig r;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_append(&r, &(struct rig_item){ .product = 1, .count = 1, .sealed = true });
    rig_run(&r);
    rig_close(&r);
    look_at(&r, NULL, &told); // its hash needs no key
    ck_assert_uint_eq(told.count, 0);
    look_at(&r, &r.key, &told);
    ck_assert_uint_eq(told.count, 0);
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &other), WEFT_OK);
    look_at(&r, &other, &told); // not this store's key: the same as none
    ck_assert_uint_eq(told.count, 0);
    wf_secret_fini(&other);
    rig_fini(&r);
}
END_TEST

START_TEST(a_store_in_use_is_read_beside_its_owner_and_its_unfinished_tail_is_nothing)
{
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;
    struct told told = { 0 };
    struct rig r;
    size_t len = 0;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 8, 100);
    wf_memdisk_file(r.disk, SEG, &len);
    wf_memdisk_cut(r.disk, SEG, len - 10); // as if the last item were being written
    ck_assert_int_eq(open_look(&r, NULL, &look), WEFT_OK);
    ck_assert(wf_log_look_in_use(look));
    ck_assert_int_eq(wf_log_look_check(look, on_flaw, &told, &tally), WEFT_OK);
    ck_assert_uint_eq(told.count, 0);
    ck_assert_uint_eq(tally.items, 1 + 7);
    wf_log_look_close(look);
    rig_fini(&r);
}
END_TEST

START_TEST(a_look_holds_the_lock_of_a_store_that_nobody_has)
{
    struct wf_log_look *look = NULL;
    struct rig r;

    rig_init(&r, NULL);
    ck_assert_int_eq(open_look(&r, NULL, &look), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 2, 100);
    rig_close(&r);
    ck_assert_int_eq(open_look(&r, NULL, &look), WEFT_OK);
    ck_assert(!wf_log_look_in_use(look));
    ck_assert_int_eq(rig_open(&r), WEFT_E_IN_USE);
    wf_log_look_close(look);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fini(&r);
}
END_TEST

static void put_version(struct rig *r, bool meta, uint32_t version)
{
    struct wf_buf b = { 0 };
    struct wf_hash hash;
    size_t len = 0;

    if (meta) {
        ck_assert_int_eq(wf_meta_get(&r->vfs, "/log", "store", &b), WEFT_OK);
        wf_store_be32(b.ptr, version);
        ck_assert_int_eq(wf_meta_put(&r->vfs, "/log", "store", wf_buf_view(&b)), WEFT_OK);
        wf_buf_fini(&b);
        return;
    }
    uint8_t *p = wf_memdisk_file(r->disk, SEG, &len);
    for (unsigned i = 0; i < 2; i++) { // both copies, and whole: another version wrote them
        uint8_t *head = p + (size_t)i * WF_SEG_COPY_AT;
        wf_store_be32(head + 8, version);
        wf_blake2b(wf_bytes(head, WF_SEG_HEAD_LEN - WF_HASH_LEN), &hash);
        memcpy(head + WF_SEG_HEAD_LEN - WF_HASH_LEN, hash.b, WF_HASH_LEN);
    }
}

static const struct {
    const char *file;
    bool meta;
} versions[] = {
    { "/log/store.meta", true }, { SEG, false },
    { SEG, false }, // and store.meta is gone: the segments alone say whose it is
};

START_TEST(a_store_of_another_version_says_which_and_what_to_do)
{
    struct wf_log_look *look = NULL;
    struct wf_diag diag = { 0 }, told = { 0 };
    struct rig r;

    rig_init(&r, NULL);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fill(&r, 1, 2, 100);
    rig_close(&r);
    put_version(&r, versions[_i].meta, 7);
    if (_i == 2)
        wf_memdisk_cut(r.disk, "/log/store.meta", 20);
    r.conf.diag = &diag;
    ck_assert_int_eq(rig_open(&r), WEFT_E_UNSUPPORTED);
    const struct wf_log_look_conf conf = { .dir = "/log", .now_ms = r.now_ms, .diag = &told };
    ck_assert_int_eq(wf_log_look_open(&r.vfs, &conf, &look), WEFT_E_UNSUPPORTED);
    ck_assert_str_eq(diag.text, told.text);
    ck_assert_msg(strstr(diag.text, versions[_i].file) == diag.text, "%s", diag.text);
    ck_assert_msg(
        strstr(diag.text, "its format is 7, this weft's is 1: ") != NULL, "%s", diag.text);
    ck_assert_msg(strstr(diag.text, "start that version here") != NULL, "%s", diag.text);
    put_version(&r, versions[_i].meta, 1); // nothing was changed by those who could not read it
    diag.text[0] = '\0';
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    ck_assert_str_eq(diag.text, "");
    rig_fini(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_look");
    TCase *t = tcase_create("log_look");

    tcase_add_loop_test(
        t, each_damage_is_named_with_its_place_and_the_offsets_it_took, 0, WF_COUNT(damages));
    tcase_add_test(t, a_torn_tail_is_told_and_is_no_damage);
    tcase_add_test(t, a_truncated_closed_segment_names_what_is_missing_and_the_lost_offsets);
    tcase_add_test(t, a_segment_without_headers_and_the_offsets_in_it_are_named);
    tcase_add_test(t, an_index_that_does_not_fit_its_segment_is_named);
    tcase_add_test(t, a_sealed_body_is_opened_with_the_key_and_left_closed_without);
    tcase_add_test(t, a_store_in_use_is_read_beside_its_owner_and_its_unfinished_tail_is_nothing);
    tcase_add_test(t, a_look_holds_the_lock_of_a_store_that_nobody_has);
    tcase_add_loop_test(
        t, a_store_of_another_version_says_which_and_what_to_do, 0, (int)WF_COUNT(versions));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
