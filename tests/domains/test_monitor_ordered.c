// SPDX-License-Identifier: Apache-2.0
// A backfill of an SQLite file while its storing process runs: that process does it, in its own transactions; the command shows how far it is.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domains/monitoring/batch/ordered.h"
#include "domains/monitoring/common/pulse.h"
#include "tests/domains/monitor_rig.h"

static struct fake_product *load(void)
{
    struct fake_product *p = rig_load();

    fake_fill(p, 8, 5);
    fake_state(p, WEFT_STREAM_LIVE, WEFT_OK, "");
    return p;
}

// A batch is gone, of another one a part, and the middle of a third is all that is left of it.
static void lose_some(const char *path)
{
    rig_change(path, "DELETE FROM servers_load WHERE _offset BETWEEN 5 AND 9");
    rig_change(path, "DELETE FROM _batch WHERE \"offset\" = 5");
    rig_change(path, "DELETE FROM servers_load WHERE _offset IN (20, 21)");
    rig_change(path,
        "UPDATE _batch SET \"offset\" = 22, first_seq = first_seq + 2, count = 3 WHERE "
        "\"offset\" = 20");
    rig_change(path, "DELETE FROM servers_load WHERE _offset IN (30, 31, 33, 34)");
    rig_change(path,
        "UPDATE _batch SET \"offset\" = 32, first_seq = first_seq + 2, count = 1 WHERE "
        "\"offset\" = 30");
    rig_change(path, "UPDATE _status SET records = records - 11 WHERE records > 0");
}

static pid_t start_store(const char *path)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct wf_mon_options o = rig_options(path);
        o.once = false;
        o.seconds = 50;
        _exit(wf_mon_cmd_store(&o));
    }
    for (int i = 0; i < 3000;
         i++) { // until it tells; its lock is not tried, as it may be the one that does not get it
        struct wf_mon_pulse read[WF_MON_PULSES];
        if (wf_mon_pulses_read(path, read) == 1 && read[0].alive && read[0].pid == pid)
            return pid;
        usleep(10000);
    }
    ck_abort_msg("it does not run");
    return -1;
}

static void stop_store(pid_t pid)
{
    int status = -1;

    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void expect_whole(const char *path)
{
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM servers_load"), 40);
    ck_assert_int_eq(rig_number(path, "SELECT count(DISTINCT _offset) FROM servers_load"), 40);
    ck_assert_int_eq(rig_number(path, "SELECT sum(count) FROM _batch"), 40);
    ck_assert_int_eq(rig_number(path, "SELECT sum(records) FROM _status"), 40);
}

START_TEST(what_is_missing_comes_back_once_while_the_storing_process_runs)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);
    char cursor[200];

    load();
    fake_state(fake_product("servers/refused", WEFT_METRIC, "load1", "weft.test.Load"),
        WEFT_STREAM_REFUSED, WEFT_E_VERB, "verb");
    rig_run(path);
    lose_some(path);
    snprintf(cursor, sizeof cursor, "%s",
        rig_ask(path, "SELECT hex(value) FROM _cursor WHERE product = 'servers/load'"));
    pid_t store = start_store(path);
    o.args[0] = "servers/load";
    o.word_count = 1;
    for (int times = 0; times < 2; times++) {
        ck_assert_int_eq(wf_mon_cmd_backfill(&o), 0);
        expect_whole(path);
    }
    ck_assert_str_eq(
        rig_ask(path, "SELECT hex(value) FROM _cursor WHERE product = 'servers/load'"), cursor);
    o.args[0] = "servers/refused"; // the storing goes on after an order that came to nothing
    ck_assert_int_eq(wf_mon_cmd_backfill(&o), weft_err_exit(WEFT_E_VERB));
    stop_store(store);
    o.word_count = 0;
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
}
END_TEST

// ---- step by step ------------------------------------------------------------------------------------------------------

struct rig {
    const char *path;
    struct wf_mon_store *s;
    struct wf_mon_ordered d;
    struct wf_mon_order order;
    int fd;
};

static void set_up(struct rig *r)
{
    *r = (struct rig){ .path = rig_path(), .fd = -1 };
    load();
    rig_run(r->path);
    lose_some(r->path);
    ck_assert_int_eq(wf_mon_store_open(r->path, &r->s, NULL), WEFT_OK);
    r->d = (struct wf_mon_ordered){ .db = r->path, .fd = -1 };
    r->order = (struct wf_mon_order){
        .id = "1.2", .product = "servers/load", .place = { .from = WEFT_FROM_EARLIEST }
    };
    ck_assert_int_eq(wf_mon_order_create(r->path, &r->order, &r->fd), WEFT_OK);
    wf_mon_ordered_look(&r->d, NULL, 1000);
    ck_assert(r->d.active);
}

static void tear_down(struct rig *r)
{
    wf_mon_ordered_fini(&r->d);
    wf_mon_store_close(r->s);
    close(r->fd);
}

static void take(struct rig *r, unsigned max)
{
    ck_assert_int_eq(wf_mon_store_begin(r->s), WEFT_OK);
    ck_assert_int_eq(wf_mon_ordered_take(&r->d, r->s, max, 2000), WEFT_OK);
}

START_TEST(a_transaction_that_is_sent_back_is_read_again_and_stored_once)
{
    struct rig r;
    struct wf_mon_progress p;

    set_up(&r);
    take(&r, 3);
    ck_assert_int_eq(wf_mon_store_commit(r.s), WEFT_OK);
    wf_mon_ordered_committed(&r.d);
    ck_assert_uint_eq(r.d.added, 5);
    take(&r, 4);
    wf_mon_store_rollback(r.s);
    wf_mon_ordered_again(&r.d, NULL, WEFT_E_BUSY, "locked");
    ck_assert(r.d.active);
    while (r.d.active) {
        take(&r, 64);
        ck_assert_int_eq(wf_mon_store_commit(r.s), WEFT_OK);
        wf_mon_ordered_committed(&r.d);
    }
    expect_whole(r.path);
    ck_assert_int_eq(wf_mon_order_progress(r.path, "1.2", &p), WEFT_OK);
    ck_assert(p.over && !p.err);
    ck_assert_uint_eq(p.added, 11);
    ck_assert_uint_eq(p.share, 1000);
    wf_mon_ordered_look(&r.d, NULL, 9000); // the same order is not done again
    ck_assert(!r.d.active);
    tear_down(&r);
}
END_TEST

START_TEST(what_no_try_helps_ends_it_with_its_words)
{
    struct rig r;
    struct wf_mon_progress p;

    set_up(&r);
    take(&r, 3);
    wf_mon_store_rollback(r.s);
    wf_mon_ordered_again(&r.d, NULL, WEFT_E_TOO_BIG, "too many columns");
    ck_assert(!r.d.active);
    ck_assert_int_eq(wf_mon_order_progress(r.path, "1.2", &p), WEFT_OK);
    ck_assert(p.over);
    ck_assert_int_eq(p.err, WEFT_E_TOO_BIG);
    ck_assert_str_eq(p.problem, "too many columns");
    tear_down(&r);
}
END_TEST

START_TEST(a_database_that_sends_everything_back_ends_it_after_some_tries)
{
    struct rig r;
    unsigned tries = 0;

    set_up(&r);
    for (; r.d.active && tries < 100; tries++)
        wf_mon_ordered_again(&r.d, NULL, WEFT_E_BUSY, "locked");
    ck_assert_uint_eq(tries, 9);
    tear_down(&r);
}
END_TEST

START_TEST(an_order_ends_with_who_gave_it_and_is_told_when_who_does_it_ends)
{
    struct rig r;
    struct wf_mon_progress p;
    int second = -1;

    set_up(&r);
    ck_assert_int_eq(wf_mon_order_create(r.path, &r.order, &second), WEFT_E_IN_USE);
    ck_assert_int_eq(wf_mon_order_progress(r.path, "other", &p), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_mon_order_progress(r.path, "1.2", &p), WEFT_OK);
    ck_assert(!p.over);
    close(r.d.fd); // as if it was killed
    ck_assert_int_eq(wf_mon_order_progress(r.path, "1.2", &p), WEFT_E_CLOSED);
    r.d.fd = -1;
    close(r.fd); // the command was interrupted
    wf_mon_ordered_look(&r.d, NULL, 3000);
    ck_assert(!r.d.active);
    memcpy(r.order.id, "1.3", 4);
    ck_assert_int_eq(wf_mon_order_create(r.path, &r.order, &r.fd), WEFT_OK);
    wf_mon_ordered_look(&r.d, NULL, 4000);
    ck_assert(r.d.active);
    wf_mon_ordered_fini(&r.d); // it was stopped in order
    ck_assert_int_eq(wf_mon_order_progress(r.path, "1.3", &p), WEFT_OK);
    ck_assert(p.over);
    ck_assert_int_eq(p.err, WEFT_E_CLOSED);
    tear_down(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_ordered");
    TCase *c = tcase_create("ordered");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, what_is_missing_comes_back_once_while_the_storing_process_runs);
    tcase_add_test(c, a_transaction_that_is_sent_back_is_read_again_and_stored_once);
    tcase_add_test(c, what_no_try_helps_ends_it_with_its_words);
    tcase_add_test(c, a_database_that_sends_everything_back_ends_it_after_some_tries);
    tcase_add_test(c, an_order_ends_with_who_gave_it_and_is_told_when_who_does_it_ends);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad != 0;
}
