// SPDX-License-Identifier: Apache-2.0
// What an agent does, with every allocation, write, sync and read of it failing in turn (tests/support/fault.h). An application publishes, the
// home is played; what it was told reaches the home, once and in order, after a power loss as well.
#include "tests/node/numbered.h"
#include "tests/node/uplink_rig.h"
#include "tests/support/memroom.h"
#include "tests/support/support.h"

#define PATIENCE 300 // turns after which nothing comes any more

static struct wf_memdisk *disk;
static const uint8_t publisher[WF_PUBLISHER_LEN] = { 7 };
static struct {
    uint64_t asked, told, there; // records handed over; acknowledged; at the home
    unsigned waiting;
    enum weft_err err;
} app;

static void take_number(void *arg, uint64_t number)
{
    (void)arg;
    ck_assert_uint_eq(number, ++app.there);
}

static void take(size_t product, const struct wf_batch_header *h, struct wf_bytes batch, bool again)
{
    (void)product;
    if (again)
        return;
    ck_assert_int_eq(h->kind, WF_BATCH_DATA); // nothing was lost
    each_number_of(h, batch, take_number, NULL);
}

static void on_told(struct wf_node *n, void *arg, enum weft_err err)
{
    uint64_t end = (uint64_t)(uintptr_t)arg;

    (void)n;
    ck_assert_uint_gt(app.waiting, 0);
    app.waiting--;
    if (err)
        app.err = err;
    else if (end > app.told)
        app.told = end;
}

// As libweft does after a refusal: begins again where the agent says.
static void ask_mark(void)
{
    const struct wf_agent_product *p = wf_uplink_find(&node, "p0");
    const struct wf_spool_publisher *u =
        p ? wf_spool_publisher(&node, &p->collect->product.id, publisher) : NULL;

    app.asked = u ? u->durable : 0;
}

static enum weft_err publish(uint32_t count)
{
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };

    wf_fault_spare(true);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t row[4 + WF_VARINT_MAX] = { 1 << 3 | 2, 1, 'h', 2 << 3 };
        size_t len = 4 + wf_varint_put(row + 4, app.asked + i + 1);
        ck_assert_int_eq(
            wf_records_put(&r, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_bytes(row, len)),
            WEFT_OK);
    }
    wf_fault_spare(false);
    struct wf_origin_records o = { .raw = wf_buf_view(&r.raw),
        .base_us = r.base_us,
        .count = count,
        .publisher = publisher,
        .publisher_seq = app.asked };
    app.waiting++;
    app.err = WEFT_OK;
    enum weft_err err = wf_uplink_originate(
        &node, "p0", &o, on_told, (void *)(uintptr_t)(app.asked + count), &diag);
    app.waiting -= err != WEFT_OK;
    wf_records_fini(&r);
    for (int i = 0; i < PATIENCE && app.waiting; i++)
        rig_turn(1);
    if (!err)
        err = app.waiting ? WEFT_E_TIMEOUT : app.err;
    ask_mark();
    return err;
}

static void begin_disk(void)
{
    memset(&app, 0, sizeof app);
    memset(&home, 0, sizeof home);
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
}

static void begin(void)
{
    static bool once;

    begin_disk();
    if (!once) {
        rig_by_hand = true;
        rig_look = take;
        rig_durability[0] = WF_DURABILITY_DISK;
        rig_open();
        rig_products(1);
    } else {
        rig_start_room();
    }
    once = true;
    rig_run();
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p0"));
}

static void turn_and_serve(void)
{
    wf_uplink_room.tick(&node);
    for (int i = 0; i < 10; i++) {
        rig_turn(0);
        while (rig_serve())
            rig_turn(0);
    }
}

// ---- scenarios ---------------------------------------------------------------------------------------------------------

static void end_goes_on(enum weft_err err);

static enum weft_err spool_and_push(void)
{
    enum weft_err err = publish(3);

    turn_and_serve();
    if (!err)
        err = publish(3);
    turn_and_serve();
    return err ? err : app.there == 6 ? WEFT_OK : WEFT_E_PARTIAL;
}

// Records that wait, and a mark, as the power left them.
static void begin_crashed(void)
{
    uint64_t seed = 3;

    begin();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(publish(3), WEFT_OK);
    wf_memdisk_crash(disk, 0);
    rig_close();
    wf_memdisk_restart(disk, true, &seed);
}

static bool started;

static enum weft_err start_and_resume(void)
{
    enum weft_err err = rig_try_start();

    started = !err;
    if (err)
        return err;
    ask_mark();
    turn_and_serve();
    return app.there == 12 ? WEFT_OK : WEFT_E_PARTIAL;
}

// The node has other manifests than the agent: they are to be fetched, kept and put in force.
static void begin_new(void)
{
    begin();
    rig_products(1);
    wf_test_clock_skip(WF_LONG_POLL_MS); // the poll that waits is answered
    rig_turn(0);
}

static enum weft_err poll_and_fetch(void)
{
    turn_and_serve();
    const struct wf_agent_product *p = wf_uplink_find(&node, "p0");
    ck_assert_ptr_nonnull(p); // the one in force, until another is
    enum weft_err err = publish(3);
    turn_and_serve();
    return err ? err : wf_hash_eq(&p->collect->id, &rig_ids[0]) ? WEFT_OK : WEFT_E_PARTIAL;
}

static void end_poll(enum weft_err err)
{
    for (int i = 0; i < 8; i++) { // asked again until it is in force
        rig_pass(WF_UPLINK_RETRY_MAX_MS / 2);
    }
    ck_assert(wf_hash_eq(&wf_uplink_find(&node, "p0")->collect->id, &rig_ids[0]));
    end_goes_on(err);
}

// It goes on, and pushes all it told of; after a power loss as well.
static void check_delivered(void)
{
    for (int i = 0; i < 8; i++)
        rig_pass(WF_UPLINK_RETRY_MAX_MS / 4);
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p0"));
    ask_mark();
    enum weft_err err = publish(2);
    if (err) // what was behind a failed append is refused with it
        err = publish(2);
    ck_assert_msg(!err, "it does not go on: %s", weft_err_name(err));
    for (int i = 0; i < 4; i++)
        rig_pass(WF_UPLINK_RETRY_MIN_MS);
    ck_assert_msg(app.there >= app.told, "told of %llu, the home has %llu",
        (unsigned long long)app.told, (unsigned long long)app.there);
    ck_assert_uint_eq(app.there, app.asked);
}

static void end(enum weft_err err)
{
    uint64_t seed = 9;

    (void)err;
    for (int i = 0; i < PATIENCE && app.waiting; i++)
        rig_turn(1);
    ck_assert_uint_eq(app.waiting, 0);
    wf_memdisk_crash(disk, 0);
    rig_close();
    wf_memdisk_restart(disk, true, &seed);
    rig_start_room();
    check_delivered();
    rig_close();
    wf_memdisk_free(disk);
}

static void end_goes_on(enum weft_err err)
{
    check_delivered();
    end(err);
}

static void end_start(enum weft_err err)
{
    if (started) {
        end_goes_on(err);
        return;
    }
    rig_close();
    rig_start_room();
    end_goes_on(err);
}

static const struct wf_scenario scenarios[] = {
    { "agent, spool and push", 0, begin, spool_and_push, end_goes_on },
    { "agent, spool and push, then the power goes", 0, begin, spool_and_push, end },
    { "agent, start with a spool that waits", 0, begin_crashed, start_and_resume, end_start },
    { "agent, poll and manifests", 0, begin_new, poll_and_fetch, end_poll },
};

START_TEST(what_an_application_was_told_reaches_the_home_whatever_failed)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

static const struct disk_state {
    enum weft_err err;
    const char *said;
} disk_states[] = {
    { WEFT_E_READ_ONLY, "can only be read" }, { WEFT_E_NO_FILES, "no file descriptor is left" },
    { WEFT_E_NOSPACE, "no room on the disk" }, // a quota: the disk itself reports room
};

START_TEST(a_disk_that_takes_nothing_is_named_until_it_does_again)
{
    const struct disk_state *d = &disk_states[_i];

    begin();
    wf_memdisk_fail(disk, WF_MEM_WRITE, 1, 1000000, d->err);
    ck_assert_int_eq(publish(1), d->err); // by the spool's thread
    ck_assert_int_eq(publish(1), d->err);
    const char *text = rig_alarm("spool");
    ck_assert_msg(text && strstr(text, d->said), "%s", text ? text : "no alarm");
    wf_memdisk_fail(disk, WF_MEM_WRITE, 1, 0, WEFT_OK);
    turn_and_serve();
    ck_assert_int_eq(publish(1), WEFT_OK);
    ck_assert_ptr_null(rig_alarm("spool"));
    rig_close();
    wf_memdisk_free(disk);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.fault_agent");
    TCase *t = tcase_create("fault");

    tcase_set_timeout(t, 600);
    tcase_add_loop_test(
        t, what_an_application_was_told_reaches_the_home_whatever_failed, 0, WF_COUNT(scenarios));
    tcase_add_loop_test(
        t, a_disk_that_takes_nothing_is_named_until_it_does_again, 0, WF_COUNT(disk_states));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
