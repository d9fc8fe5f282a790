// SPDX-License-Identifier: Apache-2.0
// A node that was put back: what it waits for, what it says, and how its products and their origins go on.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "node/gossip/room.h"
#include "node/restored.h"
#include "sdk/disk.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static size_t peers;

size_t wf_gossip_peer_count(const struct wf_node *n)
{
    (void)n;
    return peers;
}

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    peers = 0;
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

static void put_mark(const struct wf_restored *mark)
{
    uint8_t bytes[WF_RESTORED_LEN];
    char dir[512];

    wf_restored_put(mark, bytes);
    snprintf(dir, sizeof dir, "%s/meta", rig.conf.data);
    ck_assert_int_eq(wf_meta_put(&wf_vfs_posix, dir, WF_RESTORED_META, WF_BYTES(bytes)), WEFT_OK);
}

static void open_room(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_restored_room.open(&rig.node, &diag), WEFT_OK);
}

static void reopen_room(void)
{
    wf_restored_room.close(&rig.node);
    open_room();
}

static bool alarm_says(const char *name, const char *with)
{
    for (const struct wf_alarm *a = rig.core.alarms; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return !with || strstr(a->text, with) != NULL;
    return false;
}

static bool alarmed(const char *with)
{
    return alarm_says("restored", with);
}

// ---- waiting ---------------------------------------------------------------------------------------------------------

START_TEST(a_node_that_was_never_restored_waits_for_nobody)
{
    ck_assert(!wf_restored_waits(&rig.node));
    open_room();
    peers = 3;
    wf_restored_room.tick(&rig.node);
    ck_assert(!wf_restored_waits(&rig.node));
    ck_assert_int_eq(wf_restored_ms(&rig.node), 0);
    ck_assert(!alarmed(NULL));
    wf_restored_room.close(&rig.node);
}
END_TEST

START_TEST(it_waits_until_all_that_are_known_agree_and_once)
{
    const struct wf_restored mark = { .restored_ms = 2000, .backup_ms = 1000, .waits = true };
    const struct wf_dh_pub one = { { 1 } }, two = { { 2 } };

    put_mark(&mark);
    open_room();
    peers = 2;
    wf_restored_agrees(&rig.node, &one);
    wf_restored_agrees(&rig.node, &one); // the same one twice is one
    wf_restored_room.tick(&rig.node);
    ck_assert(wf_restored_waits(&rig.node));
    ck_assert(alarmed("1 of 2 agree"));
    reopen_room(); // a restart begins anew
    wf_restored_agrees(&rig.node, &two);
    wf_restored_room.tick(&rig.node);
    ck_assert(wf_restored_waits(&rig.node));
    wf_restored_agrees(&rig.node, &one);
    wf_restored_room.tick(&rig.node);
    ck_assert(!wf_restored_waits(&rig.node));
    ck_assert(!alarmed(NULL));
    reopen_room();
    ck_assert(!wf_restored_waits(&rig.node));
    ck_assert_int_eq(
        wf_restored_ms(&rig.node), 2000); // what origins may have said in between stays unknown
    wf_restored_room.close(&rig.node);
}
END_TEST

static const struct {
    const char *why;
    bool waits;
} lonely[] = {
    { "no other node is known", true },
    { "the operator said that none is left", false },
};

START_TEST(who_has_nobody_to_ask_says_so_during_one_start)
{
    const struct wf_restored mark = {
        .restored_ms = 2000, .backup_ms = 1000, .waits = lonely[_i].waits
    };

    put_mark(&mark);
    open_room();
    wf_restored_room.tick(&rig.node);
    ck_assert_msg(!wf_restored_waits(&rig.node), "%s", lonely[_i].why);
    ck_assert_msg(alarmed("revoke it again"), "%s", lonely[_i].why);
    wf_alarm(&rig.node, "restored", NULL);
    reopen_room();
    wf_restored_room.tick(&rig.node);
    ck_assert_msg(!alarmed(NULL), "%s", lonely[_i].why);
    wf_restored_room.close(&rig.node);
}
END_TEST

static void put_word(const char *word)
{
    struct wf_diag diag = { 0 };
    char path[600];

    snprintf(path, sizeof path, "%s/" WF_ANEW_FILE, rig.conf.data);
    ck_assert_int_eq(wf_disk_replace(path, wf_bytes_str(word), &diag), WEFT_OK);
}

// A new issuer knows nobody but whom it was given: that it was given nobody yet is no answer.
START_TEST(who_was_made_anew_waits_until_somebody_was_asked)
{
    const struct wf_dh_pub one = { { 1 } };
    char path[600];

    put_word(WF_ANEW_ASK);
    open_room();
    wf_restored_room.tick(&rig.node);
    ck_assert(wf_restored_waits(&rig.node));
    ck_assert(alarmed("made anew") && alarmed("none is known: seeds:") &&
              alarmed("weft node init --now"));
    snprintf(path, sizeof path, "%s/" WF_ANEW_FILE, rig.conf.data);
    ck_assert_int_ne(access(path, F_OK), 0);
    reopen_room(); // the mark outlasts it
    peers = 1;
    wf_restored_room.tick(&rig.node);
    ck_assert(wf_restored_waits(&rig.node));
    ck_assert(alarmed("0 of 1 agree"));
    wf_restored_agrees(&rig.node, &one);
    wf_restored_room.tick(&rig.node);
    ck_assert(!wf_restored_waits(&rig.node));
    ck_assert(!alarmed(NULL));
    ck_assert_int_eq(wf_restored_ms(&rig.node), 0); // it has no past that origins could be beyond
    reopen_room();
    ck_assert(!wf_restored_waits(&rig.node));
    wf_restored_room.close(&rig.node);
}
END_TEST

START_TEST(who_was_made_anew_with_nobody_left_says_so_during_one_start)
{
    put_word(WF_ANEW_NOW);
    open_room();
    ck_assert(!wf_restored_waits(&rig.node));
    wf_restored_room.tick(&rig.node);
    ck_assert(alarmed("made anew") && alarmed("revoke it again"));
    wf_alarm(&rig.node, "restored", NULL);
    reopen_room();
    wf_restored_room.tick(&rig.node);
    ck_assert(!alarmed(NULL));
    wf_restored_room.close(&rig.node);
}
END_TEST

START_TEST(for_a_week_it_says_that_its_own_end_is_not_known)
{
    static const struct {
        int64_t ago_ms;
        bool says;
    } rows[] = { { 3 * 3600000, true }, { 6 * 86400000ll, true }, { 8 * 86400000ll, false } };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        int64_t then = wf_node_now_unix_ms(&rig.node) - rows[i].ago_ms;
        const struct wf_restored mark = {
            .restored_ms = then, .backup_ms = then - 7200000, .told = true
        };
        put_mark(&mark);
        open_room();
        wf_restored_room.tick(&rig.node);
        ck_assert(alarm_says("restored-own", "own records") == rows[i].says);
        wf_restored_room.close(&rig.node);
    }
    ck_assert(!alarmed(NULL)); // others were asked long ago
}
END_TEST

START_TEST(a_damaged_mark_starts_nothing)
{
    static const uint8_t bad[][WF_RESTORED_LEN + 1] = { { 2 },
        { 1, [17] = 8 } }; // another version; flags that do not exist
    struct wf_restored r;

    for (size_t i = 0; i < WF_COUNT(bad); i++)
        ck_assert_int_eq(wf_restored_take(wf_bytes(bad[i], WF_RESTORED_LEN), &r), WEFT_E_DAMAGED);
    ck_assert_int_eq(wf_restored_take(wf_bytes(bad[1], 5), &r), WEFT_E_DAMAGED);
}
END_TEST

// ---- products --------------------------------------------------------------------------------------------------------

static void lose_log(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/log/default", rig.conf.data);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        ck_assert(e->d_name[0] == '.' || unlinkat(dirfd(d), e->d_name, 0) == 0);
    closedir(d);
}

static struct wf_home_product *restored(struct wf_restored_room *room, bool logs)
{
    struct wf_home_product *p;
    int64_t now = wf_node_now_unix_ms(&rig.node);

    streamrig_close(&rig);
    rig.done_count = 0;
    if (!logs)
        lose_log();
    room->mark.restored_ms = now + 1;
    rig.node.restored = room;
    streamrig_open(&rig);
    p = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(p);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&p->log_id));
    return p;
}

static enum weft_err push(
    struct wf_home_product *p, const struct streamrig_origin *o, const struct wf_buf *batch)
{
    struct wf_diag diag = { 0 };

    return wf_stream_accept(
        &rig.node, p, &o->identity, wf_buf_view(batch), streamrig_on_done, &rig, &diag);
}

START_TEST(without_its_log_a_product_goes_on_where_its_checkpoint_knew_it)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct wf_incarnation first = wf_home_log_id(p);
    struct wf_restored_room room = { 0 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 7, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    p = restored(&room, false);
    ck_assert_uint_eq(wf_home_head(p), 7);
    ck_assert_uint_eq(wf_home_floor(p), 7);
    const struct wf_old_log *old = wf_logs_find(p, &first); // its readers are led on
    ck_assert_ptr_nonnull(old);
    ck_assert_uint_eq(old->end, 7);
    ck_assert_int_eq(streamrig_publish(&rig, p, 7, 2, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(p), 9);
}
END_TEST

// What was acknowledged after the backup is nowhere any more: the rest must come in spite of it, and an ordinary gap must not.
START_TEST(an_origin_and_a_publisher_may_leave_a_gap_once)
{
    static const uint8_t publisher[16] = { 9 };
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct streamrig_origin o = streamrig_agent(&rig, "web-1");
    struct wf_restored_room room = { 0 };
    struct wf_buf batches[5];

    for (size_t i = 0; i < WF_COUNT(batches); i++)
        batches[i] = streamrig_batch(&rig, &o, p, (int64_t)i, 2);
    ck_assert_int_eq(push(p, &o, &batches[0]), WEFT_OK);
    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 3, publisher, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    p = restored(&room, true);
    ck_assert_int_eq(push(p, &o, &batches[2]), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_int_eq(push(p, &o, &batches[4]), WEFT_E_ORDER);
    ck_assert_int_eq(push(p, &o, &batches[3]), WEFT_OK);
    ck_assert_int_eq(streamrig_publish(&rig, p, 9, 1, publisher, 9), WEFT_OK);
    ck_assert_int_eq(streamrig_publish(&rig, p, 12, 1, publisher, 12), WEFT_E_ORDER);
    STREAMRIG_UNTIL(&rig, rig.done_count == 3);
    for (size_t i = 0; i < WF_COUNT(batches); i++)
        wf_buf_fini(&batches[i]);
    streamrig_agent_fini(&o);
}
END_TEST

// Its number is its own word: how many losses are signed for it is bounded before the first.
START_TEST(a_publisher_that_says_it_had_more_than_anybody_can_is_refused_at_once)
{
    static const uint8_t publisher[16] = { 9 };
    const uint64_t most = 3 + (uint64_t)WF_FORGOTTEN_MAX * WF_MAX_LOSS_RECORDS;
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct wf_restored_room room = { 0 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 3, publisher, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    p = restored(&room, true);
    uint64_t head = wf_home_head(p);
    ck_assert_int_eq(streamrig_publish(&rig, p, 9, 1, publisher, UINT64_MAX - 9), WEFT_E_RANGE);
    ck_assert_int_eq(streamrig_publish(&rig, p, 9, 1, publisher, most + 1), WEFT_E_RANGE);
    ck_assert_uint_eq(p->pending_count, 0);
    ck_assert_uint_eq(wf_home_head(p), head); // nothing was signed for it
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 3);
    ck_assert_int_eq(streamrig_publish(&rig, p, 9, 1, publisher, most), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(p), head + most - 3 + 1);
}
END_TEST

START_TEST(nothing_is_taken_from_agents_while_it_waits)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct streamrig_origin o = streamrig_agent(&rig, "web-1");
    struct wf_restored_room room = { .mark = { .waits = true } };
    struct wf_buf batch = streamrig_batch(&rig, &o, p, 0, 2);

    rig.node.restored = &room;
    ck_assert_int_eq(push(p, &o, &batch), WEFT_E_BUSY); // comes again in a second
    room.mark.waits = false;
    ck_assert_int_eq(push(p, &o, &batch), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    wf_buf_fini(&batch);
    streamrig_agent_fini(&o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("restored");
    TCase *t = tcase_create("restored");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_node_that_was_never_restored_waits_for_nobody);
    tcase_add_test(t, it_waits_until_all_that_are_known_agree_and_once);
    tcase_add_loop_test(t, who_has_nobody_to_ask_says_so_during_one_start, 0, WF_COUNT(lonely));
    tcase_add_test(t, for_a_week_it_says_that_its_own_end_is_not_known);
    tcase_add_test(t, a_damaged_mark_starts_nothing);
    tcase_add_test(t, who_was_made_anew_waits_until_somebody_was_asked);
    tcase_add_test(t, who_was_made_anew_with_nobody_left_says_so_during_one_start);
    tcase_add_test(t, without_its_log_a_product_goes_on_where_its_checkpoint_knew_it);
    tcase_add_test(t, an_origin_and_a_publisher_may_leave_a_gap_once);
    tcase_add_test(t, a_publisher_that_says_it_had_more_than_anybody_can_is_refused_at_once);
    tcase_add_test(t, nothing_is_taken_from_agents_while_it_waits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
