// SPDX-License-Identifier: Apache-2.0
// The log as its users see it: append, read, reopen, sealing, lock, limits.
#include <check.h>

#include "node/log_metrics.h"
#include "tests/support/logrig.h"
#include "tests/support/support.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig, NULL);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static void open_ok(void)
{
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
}

static void reopen(void)
{
    rig_close(&rig);
    open_ok();
}

// Everything between the floor and the head is there.
static void expect_whole(unsigned product, uint64_t offsets)
{
    struct rig_read got;

    rig_read(&rig, product, rig_floor(&rig, product), 4096, &got);
    ck_assert_uint_eq(got.gap_count, 0);
    ck_assert_uint_eq(got.offsets, offsets);
    ck_assert_uint_eq(got.next, rig_head(&rig, product));
}

START_TEST(what_is_appended_is_read_back_in_order_by_product)
{
    open_ok();
    for (unsigned i = 0; i < 50; i++)
        for (unsigned p = 0; p < 3; p++)
            rig_append(&rig, &(struct rig_item){
                                 .product = p, .first = i * (p + 1), .count = p + 1, .mean = 900 });
    rig_run(&rig);
    ck_assert_uint_eq(rig.acked, 150);
    ck_assert_uint_eq(rig.failed, 0);
    for (unsigned p = 0; p < 3; p++)
        expect_whole(p, 50 * (p + 1));
}
END_TEST

START_TEST(nothing_is_acknowledged_or_readable_before_its_durability_is_met)
{
    open_ok();
    uint64_t t = rig_append(&rig, &(struct rig_item){ .product = 1, .count = 1 });
    struct rig_read got;

    ck_assert_int_eq(rig_ack(&rig, t), RIG_UNKNOWN);
    rig_read(&rig, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.items, 0);
    long syncs = wf_memdisk_calls(rig.disk, WF_MEM_SYNC);
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, t), WEFT_OK);
    ck_assert_int_gt(wf_memdisk_calls(rig.disk, WF_MEM_SYNC), syncs);

    syncs = wf_memdisk_calls(rig.disk, WF_MEM_SYNC);
    t = rig_append(
        &rig, &(struct rig_item){ .product = 2, .count = 1, .durability = WF_LOG_PROCESS });
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, t), WEFT_OK);
    ck_assert_int_eq(wf_memdisk_calls(rig.disk, WF_MEM_SYNC), syncs);
    expect_whole(2, 1);
}
END_TEST

static void on_written(void *arg, const struct wf_log_ack *acks, size_t count)
{
    struct rig *r = arg;

    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(acks[i].err, WEFT_OK);
        ck_assert_int_eq(rig_ack(r, acks[i].token), RIG_UNKNOWN);
        ck_assert_uint_eq(rig_head(r, 1), 0); // nor readable yet
        r->now_ms += 1000;
    }
}

START_TEST(a_written_item_is_told_of_before_its_sync)
{
    int64_t before = rig.now_ms;

    rig.conf.written = on_written;
    open_ok();
    rig_append(&rig, &(struct rig_item){ .product = 1, .count = 1 });
    rig_append(&rig, &(struct rig_item){ .product = 2, .count = 1, .durability = WF_LOG_PROCESS });
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 1, .count = 1 });
    rig_run(&rig);
    ck_assert_int_eq(rig.now_ms, before + 2003); // the one for the process needs no telling
    ck_assert_uint_eq(rig.acked, 3);
}
END_TEST

START_TEST(one_sync_covers_a_group)
{
    open_ok();
    rig_fill(&rig, 1, 1, 100);
    long syncs = wf_memdisk_calls(rig.disk, WF_MEM_SYNC);
    rig_fill(&rig, 1, 200, 100);
    ck_assert_int_eq(wf_memdisk_calls(rig.disk, WF_MEM_SYNC), syncs + 1);
}
END_TEST

START_TEST(metrics_show_how_long_syncs_take_and_how_much_each_covers)
{
    static const char *const lines[] = {
        "weft_log_appended_items_total 204\n",
        "weft_log_synced_items_bucket{le=\"1\"} 1\n", // of 1, 3 and 200 items
        "weft_log_synced_items_bucket{le=\"4\"} 2\n",
        "weft_log_synced_items_bucket{le=\"128\"} 2\n",
        "weft_log_synced_items_bucket{le=\"+Inf\"} 3\n",
        "weft_log_synced_items_sum 204.000000\n",
        "weft_log_sync_seconds_bucket{le=\"5e-05\"} 3\n", // the memory disk takes 1 us
        "weft_log_sync_seconds_bucket{le=\"2\"} 3\n",
        "weft_log_sync_seconds_sum 0.000003\n",
        "weft_log_sync_seconds_count 3\n",
    };
    struct wf_buf text = { 0 };

    open_ok();
    rig_fill(&rig, 1, 1, 100);
    rig_fill(&rig, 1, 3, 100);
    rig_fill(&rig, 1, 200, 100);
    struct wf_metrics m = { .out = &text };
    wf_log_metrics(rig.log, &m);
    ck_assert_int_eq(m.err, WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&text, wf_bytes("", 1)), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(lines); i++)
        ck_assert_msg(
            strstr((const char *)text.ptr, lines[i]) != NULL, "no %s in %s", lines[i], text.ptr);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(a_reopened_log_has_the_same_content_and_goes_on)
{
    rig.conf.segment_bytes = 32768;
    open_ok();
    for (unsigned round = 1; round <= 5; round++) {
        rig_fill(&rig, 1, 100, 300);
        rig_fill(&rig, 2, 10, 30);
        reopen();
        ck_assert_uint_eq(rig.note_count, 0);
        expect_whole(1, 100 * round);
        expect_whole(2, 10 * round);
    }
    struct wf_log_stats st;
    wf_log_stats(rig.log, &st);
    ck_assert_uint_gt(st.segments, 4);
    ck_assert_uint_eq(st.items, 550);
}
END_TEST

START_TEST(a_process_that_ends_without_closing_loses_nothing_acknowledged)
{
    uint64_t seed = 1;

    open_ok();
    rig_fill(&rig, 1, 20, 300);
    uint64_t t = rig_append(
        &rig, &(struct rig_item){ .product = 2, .count = 5, .durability = WF_LOG_PROCESS });
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, t), WEFT_OK);
    rig_crash(&rig, false, &seed);
    open_ok();
    expect_whole(1, 20);
    expect_whole(2, 5);
    rig_fill(&rig, 1, 20, 300);
    expect_whole(1, 40);
}
END_TEST

START_TEST(an_offset_that_does_not_follow_is_refused_in_order)
{
    open_ok();
    rig_fill(&rig, 1, 3, 100);
    static const struct {
        const char *why;
        uint64_t first;
        bool jump;
        enum weft_err want;
    } rows[] = {
        { "before the head", 2, false, WEFT_E_ORDER },
        { "before the head, jump or not", 2, true, WEFT_E_ORDER },
        { "beyond the head", 4, false, WEFT_E_ORDER },
        { "at the head", 3, false, WEFT_OK },
        { "at the head with a jump of none", 4, true, WEFT_OK },
        { "a jump", 100, true, WEFT_OK },
        { "after the jump", 101, false, WEFT_OK },
    };
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        uint64_t t = rig_append(
            &rig, &(struct rig_item){
                      .product = 1, .first = rows[i].first, .count = 1, .jump = rows[i].jump });
        rig_run(&rig);
        ck_assert_msg(rig_ack(&rig, t) == rows[i].want, "%s", rows[i].why);
    }
    struct rig_read got;
    rig_read(&rig, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.items, 7);
    ck_assert_uint_eq(got.gap_count, 1);
    ck_assert_uint_eq(got.gaps[0].first, 5);
    ck_assert_uint_eq(got.gaps[0].end, 100);
    ck_assert_int_eq(got.gaps[0].why, WEFT_E_LOST);
}
END_TEST

START_TEST(after_a_refused_item_those_queued_behind_it_are_refused_too)
{
    open_ok();
    rig_fill(&rig, 1, 1, 100);
    uint64_t bad = rig_append(&rig, &(struct rig_item){ .product = 1, .first = 7, .count = 1 });
    uint64_t next = rig_append(&rig, &(struct rig_item){ .product = 1, .first = 8, .count = 1 });
    uint64_t other = rig_append(&rig, &(struct rig_item){ .product = 2, .first = 8, .count = 1 });
    uint64_t good = rig_append(&rig, &(struct rig_item){ .product = 1, .first = 1, .count = 1 });
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, bad), WEFT_E_ORDER);
    ck_assert_int_eq(rig_ack(&rig, next), WEFT_E_ORDER);
    ck_assert_int_eq(rig_ack(&rig, other), WEFT_OK); // a new product begins anywhere
    ck_assert_int_eq(rig_ack(&rig, good), WEFT_OK);
}
END_TEST

START_TEST(an_item_without_offsets_is_read_once_in_its_place)
{
    open_ok();
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 0, .count = 0 });
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 0, .count = 2 });
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 2, .count = 0 });
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 10, .count = 0, .jump = true });
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 10, .count = 1 });
    rig_run(&rig);
    for (int round = 0; round < 2; round++) {
        struct rig_read got;
        rig_read(&rig, 1, 0, 1, &got);
        ck_assert_uint_eq(got.offsets, 3);
        ck_assert_uint_eq(got.items, 5);
        ck_assert_uint_eq(got.gap_count, 1);
        ck_assert_uint_eq(got.next, 11);
        reopen();
    }
}
END_TEST

static bool stop_at_once(void *arg, const struct wf_log_view *v)
{
    *(uint64_t *)arg += 1 + 0 * v->first;
    return false;
}

START_TEST(reading_begins_in_the_middle_of_an_item_and_stops_when_asked)
{
    struct wf_buf scratch = { 0 };
    struct rig_read got;
    uint64_t calls = 0, next = 0;
    struct wf_log_reader reader = { rig_product(1), 0, 1 << 20, stop_at_once, &calls, &scratch };

    open_ok();
    for (unsigned i = 0; i < 10; i++)
        rig_append(&rig, &(struct rig_item){ .product = 1, .first = i * 10, .count = 10 });
    rig_run(&rig);
    rig_read(&rig, 1, 55, 1, &got);
    ck_assert_uint_eq(got.items, 5);
    ck_assert_uint_eq(got.offsets, 50);
    ck_assert_int_eq(wf_log_read(rig.log, &reader, &next), WEFT_OK);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(next, 10);
    reader.from = 100;
    ck_assert_int_eq(wf_log_read(rig.log, &reader, &next), WEFT_OK);
    ck_assert_uint_eq(next, 100);
    reader.from = 101;
    ck_assert_int_eq(wf_log_read(rig.log, &reader, &next), WEFT_E_RANGE);
    reader.product = rig_product(99);
    ck_assert_int_eq(wf_log_read(rig.log, &reader, &next), WEFT_E_NOT_FOUND);
    wf_buf_fini(&scratch);
}
END_TEST

static bool holds(const uint8_t *hay, size_t len, const uint8_t *needle, size_t n)
{
    return memmem(hay, len, needle, n) != NULL;
}

START_TEST(sealed_bodies_are_not_on_the_disk_and_need_the_storage_key)
{
    uint8_t body[2][400];
    size_t len[2];

    open_ok();
    for (unsigned p = 0; p < 2; p++) {
        rig_append(
            &rig, &(struct rig_item){ .product = p, .count = 4, .mean = 300, .sealed = p == 1 });
        len[p] = rig_body(p, 0, 300, body[p], sizeof body[p]);
    }
    rig_run(&rig);
    size_t n = 0;
    const uint8_t *file = wf_memdisk_file(rig.disk, wf_memdisk_name(rig.disk, 0, ".seg"), &n);
    ck_assert(holds(file, n, body[0], len[0]));
    ck_assert(!holds(file, n, body[1] + 20, 24));
    ck_assert(!holds(file, n, rig.key.ptr, WF_KEY_LEN));
    expect_whole(1, 4);
    reopen();
    expect_whole(1, 4);
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 4, .count = 4, .sealed = true });
    rig_run(&rig);
    expect_whole(1, 8);

    struct wf_secret other = { 0 };
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &other), WEFT_OK);
    const struct wf_secret *wrong[] = { &other, NULL };
    for (size_t i = 0; i < WF_COUNT(wrong); i++) {
        struct rig_read got;
        rig.conf.storage_key = wrong[i];
        reopen();
        expect_whole(0, 4);
        rig_read(&rig, 1, 0, 4096, &got);
        ck_assert_uint_eq(got.items, 0);
        ck_assert_uint_eq(got.gap_offsets, 8);
        ck_assert_int_eq(got.gaps[0].why, WEFT_E_KEY);
    }
    uint64_t t = 0;
    ck_assert_int_eq(
        rig_try(
            &rig, &(struct rig_item){ .product = 1, .first = 8, .count = 1, .sealed = true }, &t),
        WEFT_E_KEY);
    rig.conf.storage_key = &rig.key;
    reopen();
    expect_whole(1, 8);
    wf_secret_fini(&other);
}
END_TEST

START_TEST(a_second_opener_and_a_foreign_store_are_refused)
{
    struct wf_log *second = NULL;

    struct wf_log_conf other = rig.conf;

    open_ok();
    rig_close(&rig);
    other.store_id.b[0] ^= 1; // no segment says yet whose it is
    ck_assert_int_eq(wf_log_open(rig.worker, &other, 0, &second), WEFT_E_STATE_DIR);
    open_ok();
    rig_fill(&rig, 1, 3, 100);
    ck_assert_int_eq(wf_log_open(rig.worker, &rig.conf, 0, &second), WEFT_E_IN_USE);
    rig_close(&rig);
    for (int meta = 1; meta >= 0; meta--) { // also when only the segments say whose it is
        other = rig.conf;
        other.store_id.b[31] ^= 1;
        ck_assert_int_eq(wf_log_open(rig.worker, &other, 0, &second), WEFT_E_STATE_DIR);
        other = rig.conf;
        other.class_name = "audit";
        ck_assert_int_eq(wf_log_open(rig.worker, &other, 0, &second), WEFT_E_STATE_DIR);
        if (meta)
            wf_memdisk_cut(rig.disk, "/log/store.meta", 20);
    }
    open_ok();
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_STORE], 1);
    expect_whole(1, 3);
    reopen();
    ck_assert_uint_eq(rig.note_count, 0);
}
END_TEST

struct kept {
    size_t count;
    uint8_t bodies[4][64];
    size_t lens[4];
};

static bool keep(void *arg, const struct wf_log_view *view)
{
    struct kept *k = arg;

    ck_assert_int_eq(view->status, WEFT_OK);
    ck_assert_uint_lt(k->count, WF_COUNT(k->lens));
    memcpy(k->bodies[k->count], view->body.ptr, view->body.len);
    k->lens[k->count++] = view->body.len;
    return true;
}

// One group of what is lent, copied, lent with a head and lent to be sealed. What is only copied may change at once, what is lent is written as it
// is when its turn comes.
START_TEST(a_lent_body_is_written_from_where_it_lies)
{
    static const struct {
        const char *head;
        bool lent, sealed;
        const char *want;
    } rows[] = { { "", true, false, "later" }, { "", false, false, "first" },
        { "head ", true, false, "head first" }, { "", true, true, "first" } };
    static char bodies[WF_COUNT(rows)][6];
    struct kept kept = { 0 };
    struct wf_log_item item = { .product = rig_product(1), .count = 1 };

    open_ok();
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        memcpy(bodies[i], "first", 6);
        item.first = i;
        item.head = wf_bytes_str(rows[i].head);
        item.body = wf_bytes(bodies[i], 5);
        item.lent = rows[i].lent;
        item.sealed = rows[i].sealed;
        ck_assert_int_eq(wf_log_append(rig.log, &item, i), WEFT_OK);
        memcpy(bodies[i], "later", 6);
    }
    rig_run(&rig);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        ck_assert_int_eq(rig_ack(&rig, i), WEFT_OK);
        memset(bodies[i], 'x', 5); // it was acknowledged: nobody needs it
    }
    reopen();
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    const struct wf_log_reader reader = { .product = item.product,
        .max_bytes = 1u << 20,
        .visit = keep,
        .arg = &kept,
        .scratch = &scratch };
    ck_assert_int_eq(wf_log_read(rig.log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
    ck_assert_uint_eq(kept.count, WF_COUNT(rows));
    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert(wf_bytes_is(wf_bytes(kept.bodies[i], kept.lens[i]), rows[i].want));
}
END_TEST

START_TEST(limits_are_refused_at_once)
{
    static uint8_t big[WF_LOG_BODY_MAX + 1];
    struct wf_log_item item = { .product = rig_product(1), .count = 1 };

    rig.conf.queue_bytes = 2 * WF_LOG_BODY_MAX;
    open_ok();
    item.body = wf_bytes(big, sizeof big);
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_E_TOO_BIG);
    item.head = wf_bytes(big, 1);
    item.body = wf_bytes(big, WF_LOG_BODY_MAX);
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_E_TOO_BIG);
    item.head = wf_bytes(big, sizeof big);
    item.body = wf_bytes(NULL, 0);
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_E_TOO_BIG);
    item.head = wf_bytes(NULL, 0);
    item.body = wf_bytes(big, WF_LOG_BODY_MAX);
    item.kind = WF_LOG_KIND_MAX + 1;
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_E_RANGE);
    item.kind = 0;
    item.first = UINT64_MAX;
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_E_RANGE);
    item.first = 0;
    ck_assert_int_eq(wf_log_append(rig.log, &item, 0), WEFT_OK);
    item.first = 1;
    ck_assert_int_eq(wf_log_append(rig.log, &item, 1), WEFT_E_FULL);
    rig_run(&rig);
    ck_assert_int_eq(
        wf_log_append(rig.log, &item, 1), WEFT_OK); // one larger than a segment may be alone in it
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, 1), WEFT_OK);
    ck_assert_uint_eq(rig_head(&rig, 1), 2);
}
END_TEST

START_TEST(appends_stop_when_the_disk_is_nearly_full_and_go_on_without_a_restart)
{
    uint64_t t = 0;

    open_ok();
    rig_fill(&rig, 1, 3, 100);
    wf_memdisk_room(rig.disk, UINT64_MAX, 49);
    t = rig_append(&rig, &(struct rig_item){ .product = 1, .first = 3, .count = 1 });
    rig_run(&rig);
    ck_assert_int_eq(rig_ack(&rig, t), WEFT_E_NOSPACE);
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_STOPPED], 1);
    ck_assert_int_eq(rig_try(&rig, &(struct rig_item){ .product = 1, .first = 3, .count = 1 }, &t),
        WEFT_E_NOSPACE);
    expect_whole(1, 3);
    wf_memdisk_room(rig.disk, UINT64_MAX, 51);
    wf_log_worker_turn(rig.worker);
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_RESUMED], 1);
    rig_fill(&rig, 1, 3, 100);
    expect_whole(1, 6);
}
END_TEST

START_TEST(lost_indexes_are_rebuilt)
{
    rig.conf.segment_bytes = 16384;
    open_ok();
    rig_fill(&rig, 1, 200, 300);
    rig_fill(&rig, 2, 50, 300);
    rig_close(&rig);
    size_t n = 0, files = 0;
    for (const char *name; (name = wf_memdisk_name(rig.disk, files, ".idx")) != NULL; files++) {
        uint8_t *p = wf_memdisk_file(rig.disk, name, &n);
        p[(files * 37) % n] ^= 0x10;
    }
    ck_assert_uint_gt(files, 3);
    open_ok();
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_INDEX], files);
    expect_whole(1, 200);
    expect_whole(2, 50);
    reopen();
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_INDEX], 0);
    expect_whole(1, 200);
    expect_whole(2, 50);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_appended_is_read_back_in_order_by_product);
    tcase_add_test(t, nothing_is_acknowledged_or_readable_before_its_durability_is_met);
    tcase_add_test(t, a_written_item_is_told_of_before_its_sync);
    tcase_add_test(t, one_sync_covers_a_group);
    tcase_add_test(t, metrics_show_how_long_syncs_take_and_how_much_each_covers);
    tcase_add_test(t, a_reopened_log_has_the_same_content_and_goes_on);
    tcase_add_test(t, a_process_that_ends_without_closing_loses_nothing_acknowledged);
    tcase_add_test(t, an_offset_that_does_not_follow_is_refused_in_order);
    tcase_add_test(t, after_a_refused_item_those_queued_behind_it_are_refused_too);
    tcase_add_test(t, an_item_without_offsets_is_read_once_in_its_place);
    tcase_add_test(t, reading_begins_in_the_middle_of_an_item_and_stops_when_asked);
    tcase_add_test(t, sealed_bodies_are_not_on_the_disk_and_need_the_storage_key);
    tcase_add_test(t, a_second_opener_and_a_foreign_store_are_refused);
    tcase_add_test(t, a_lent_body_is_written_from_where_it_lies);
    tcase_add_test(t, limits_are_refused_at_once);
    tcase_add_test(t, appends_stop_when_the_disk_is_nearly_full_and_go_on_without_a_restart);
    tcase_add_test(t, lost_indexes_are_rebuilt);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
