// SPDX-License-Identifier: Apache-2.0
// The clock as a security input: its floor over restarts and steps back, and what a node says when it sees nothing new of others.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/priv.h"
#include "node/wall.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/registry.h"

#define AHEAD_MS (36500 * WF_TEST_DAY) // beyond any build of this

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_gossip_room gossip;
static struct wf_test_mesh mesh;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    gossip = (struct wf_gossip_room){ 0 };
    node = (struct wf_node){ .core = &core,
        .conf = &conf,
        .charter = mesh.charter,
        .gossip = &gossip,
        .has_certificate = true };
    node.identity.cert.domain = (struct wf_name){ "network" };
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(wf_store_mem_new(&gossip.store), WEFT_OK);
    ck_assert_int_eq(wf_catalog_new(gossip.store, (struct wf_quota){ 0 }, mesh.charter,
                         wf_test_clock_unix_ms(), NULL, &gossip.catalog),
        WEFT_OK);
    gossip.charter_version = mesh.charter->version;
}

static void teardown(void)
{
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
    wf_catalog_free(gossip.catalog);
    wf_store_free(gossip.store);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

static bool alarmed(const char *name)
{
    for (const struct wf_alarm *a = core.alarms; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return true;
    return false;
}

static int64_t now_after(int64_t step_ms)
{
    wf_test_clock_step(step_ms);
    wf_loop_turn(node.loop, 0);
    wf_wall_check(&node);
    return wf_node_now_unix_ms(&node);
}

// ---- the floor -------------------------------------------------------------------------------------------------------

static void write_wall(const char *text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/wall", conf.data);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(time_is_never_before_the_build)
{
    wf_wall_load(&node);
    // The tests' clock runs from the first of 2026: before this was built.
    ck_assert_int_gt(wf_node_now_unix_ms(&node), WF_TEST_NOW + WF_TEST_DAY);
    now_after(-wf_test_clock_unix_ms());
    ck_assert_int_gt(wf_node_now_unix_ms(&node), WF_TEST_NOW + WF_TEST_DAY);
    ck_assert(alarmed("clock-behind"));
}
END_TEST

static const struct step {
    const char *why;
    int64_t ms;
    bool alarm;
} steps[] = {
    { "a leap second", -1000, false },
    { "within the tolerance", -59000, false },
    { "an hour", -WF_TEST_HOUR, true },
    { "a day", -WF_TEST_DAY, true },
    { "to 1970", -WF_TEST_NOW - AHEAD_MS, true },
};

START_TEST(a_clock_set_back_does_not_set_back_time)
{
    int64_t seen = now_after(AHEAD_MS); // beyond the build
    wf_wall_load(&node);
    ck_assert_int_eq(wf_node_now_unix_ms(&node), seen);
    wf_wall_save(&node);
    ck_assert_int_ge(now_after(steps[_i].ms), seen);
    ck_assert_msg(alarmed("clock-behind") == steps[_i].alarm, "%s", steps[_i].why);
    // Nor does a restart.
    core.wall_floor_ms = 0;
    wf_wall_load(&node);
    ck_assert_int_ge(wf_node_now_unix_ms(&node), seen);
    // Set right again, the alarm ends and time goes on.
    ck_assert_int_ge(now_after(WF_TEST_HOUR - steps[_i].ms), seen + WF_TEST_HOUR);
    ck_assert(!alarmed("clock-behind"));
}
END_TEST

START_TEST(a_clock_set_forward_is_believed)
{
    int64_t before = now_after(AHEAD_MS);

    wf_wall_load(&node);
    ck_assert_int_ge(now_after(WF_TEST_DAY), before + WF_TEST_DAY);
    ck_assert(!alarmed("clock-behind"));
}
END_TEST

static const char *const bad_walls[] = { "", "rubbish", "-5", "0", "99999999999999999999",
    "32503680000001" };

// ---- steps -----------------------------------------------------------------------------------------------------------

static const char *alarm_text(const char *name)
{
    for (const struct wf_alarm *a = core.alarms; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return a->text;
    return "";
}

static void an_hour_of_ticks(void)
{
    for (int i = 0; i < 61; i++) {
        wf_test_clock_skip(60000);
        now_after(0);
    }
}

static const struct jump {
    const char *why;
    int64_t ms;
    const char *told; // NULL: no alarm
} jumps[] = {
    { "set right a little", 59000, NULL },
    { "set right a little, back", -59000, NULL },
    // Half a second each: the two clocks are not read in one instant.
    { "two minutes forward", 120500, "went forward by 0 h 2 min 0 s" },
    { "an hour and a half back", -5400500, "went back by 1 h 30 min 0 s" },
    { "a year forward", 365 * WF_TEST_DAY + 500, "went forward by 8760 h 0 min 0 s" },
};

START_TEST(a_step_of_the_clock_is_told_for_an_hour)
{
    const struct jump *j = &jumps[_i];

    now_after(AHEAD_MS);
    now_after(j->ms);
    ck_assert_msg(alarmed("clock-step") == (j->told != NULL), "%s", j->why);
    if (j->told)
        ck_assert_msg(strstr(alarm_text("clock-step"), j->told) != NULL, "%s: %s", j->why,
            alarm_text("clock-step"));
    ck_assert_uint_eq(node.clock_back_steps, j->told && j->ms < 0);
    an_hour_of_ticks();
    ck_assert_msg(!alarmed("clock-step"), "%s: %s", j->why, alarm_text("clock-step"));
}
END_TEST

// A wrong minute must not cost a year: neither this process nor the next remembers a jump that was taken back.
START_TEST(a_jump_forward_that_is_taken_back_leaves_no_floor)
{
    int64_t right = now_after(AHEAD_MS);

    wf_wall_load(&node);
    ck_assert_int_ge(now_after(365 * WF_TEST_DAY), right + 365 * WF_TEST_DAY); // believed meanwhile
    wf_wall_save(&node); // every ten minutes, and at the end
    wf_test_clock_skip(600000);
    now_after(0);
    wf_wall_save(&node);
    int64_t back = now_after(-365 * WF_TEST_DAY);
    ck_assert_int_ge(back, right + 600000);
    ck_assert_int_lt(back, right + 600000 + WF_CLOCK_TOLERANCE_MS);
    ck_assert(!alarmed("clock-step") && !alarmed("clock-behind"));
    core.wall_floor_ms = 0;
    wf_wall_load(&node);
    ck_assert_int_lt(wf_node_now_unix_ms(&node), right + 600000 + WF_CLOCK_TOLERANCE_MS);
    // The time that has passed is kept all the same: setting it back further does not set back time.
    now_after(-WF_TEST_DAY);
    ck_assert_int_ge(wf_node_now_unix_ms(&node), right);
    ck_assert(alarmed("clock-behind"));
}
END_TEST

START_TEST(a_jump_forward_that_stays_becomes_the_time)
{
    int64_t right = now_after(AHEAD_MS);

    wf_wall_load(&node);
    now_after(WF_TEST_DAY);
    an_hour_of_ticks();
    wf_wall_save(&node);
    core.wall_floor_ms = 0;
    wf_wall_load(&node);
    now_after(-WF_TEST_DAY);
    ck_assert_int_ge(wf_node_now_unix_ms(&node), right + WF_TEST_DAY);
    ck_assert(alarmed("clock-behind"));
}
END_TEST

START_TEST(a_floor_that_can_not_be_is_ignored)
{
    int64_t seen = now_after(AHEAD_MS);

    write_wall(bad_walls[_i]);
    wf_wall_load(&node);
    ck_assert_int_eq(wf_node_now_unix_ms(&node), seen);
}
END_TEST

// ---- nothing new -----------------------------------------------------------------------------------------------------

static void learn(int domain, int64_t signed_ms)
{
    struct wf_buf raw = wf_test_node_advert(&mesh,
        &(struct wf_test_entry){
            .domain = domain, .sequence = (uint64_t)signed_ms, .life_ms = WF_GOSSIP_LIFE_MS });
    enum wf_learned learned;

    ck_assert_int_eq(wf_catalog_learn(gossip.catalog, WF_ENTRY_NODE, wf_buf_view(&raw),
                         mesh.charter, signed_ms, &learned),
        WEFT_OK);
    wf_buf_fini(&raw);
}

static void let_pass(int64_t ms)
{
    wf_test_clock_skip(ms);
    wf_loop_turn(node.loop, 0);
    wf_gossip_stale_tick(&node);
}

START_TEST(a_node_that_knows_no_other_says_what_to_do)
{
    wf_loop_turn(node.loop, 0);
    wf_gossip_stale_tick(&node);
    let_pass(WF_GOSSIP_ALONE_MS - 1000);
    ck_assert_msg(!core.alarms, "others that know this node had no time to dial");
    let_pass(1000);
    ck_assert(alarmed("alone"));
    ck_assert_msg(
        strstr(core.alarms->text, "of 3 domains: name one under seeds:"), "%s", core.alarms->text);
    gossip.peer_count = 1;
    let_pass(1);
    ck_assert(!alarmed("alone"));
}
END_TEST

START_TEST(a_domain_of_which_nothing_new_is_heard_is_named)
{
    gossip.peer_count = 1;
    wf_loop_turn(node.loop, 0);
    wf_gossip_stale_tick(&node);
    ck_assert_msg(!core.alarms, "who just started has not asked anybody");
    let_pass(WF_GOSSIP_STALE_MS - 1000);
    learn(WF_TEST_SERVERS, wf_test_clock_unix_ms());
    learn(WF_TEST_SECURITY, wf_test_clock_unix_ms());
    let_pass(1000);
    ck_assert(!core.alarms);
    // From here on somebody shows the old state of servers for ever, though security's news come.
    for (int64_t past = 0; past <= WF_GOSSIP_STALE_MS; past += WF_GOSSIP_STALE_EVERY_MS) {
        learn(WF_TEST_SECURITY, wf_test_clock_unix_ms());
        let_pass(WF_GOSSIP_STALE_EVERY_MS);
    }
    ck_assert(alarmed("stale-servers"));
    ck_assert(!alarmed("stale-security"));
    ck_assert(!alarmed("stale-network"));
    learn(WF_TEST_SERVERS, wf_test_clock_unix_ms());
    let_pass(WF_GOSSIP_STALE_EVERY_MS);
    ck_assert(!alarmed("stale-servers"));
}
END_TEST

START_TEST(a_domain_never_heard_of_is_named)
{
    gossip.peer_count = 1;
    wf_loop_turn(node.loop, 0);
    wf_gossip_stale_tick(&node);
    let_pass(WF_GOSSIP_STALE_MS);
    ck_assert(alarmed("stale-servers"));
    ck_assert(alarmed("stale-security"));
    ck_assert(!alarmed("stale-network"));
}
END_TEST

START_TEST(an_expired_charter_is_an_alarm)
{
    wf_loop_turn(node.loop, 0);
    wf_gossip_charter_tick(&node);
    ck_assert(!alarmed("charter-expired"));
    wf_test_clock_skip(365 * WF_TEST_DAY + WF_CLOCK_TOLERANCE_MS + 1);
    wf_loop_turn(node.loop, 0);
    wf_gossip_charter_tick(&node);
    ck_assert(alarmed("charter-expired"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("time");
    TCase *c = tcase_create("clock");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, time_is_never_before_the_build);
    tcase_add_loop_test(c, a_clock_set_back_does_not_set_back_time, 0, (int)WF_COUNT(steps));
    tcase_add_test(c, a_clock_set_forward_is_believed);
    tcase_add_loop_test(c, a_step_of_the_clock_is_told_for_an_hour, 0, (int)WF_COUNT(jumps));
    tcase_add_test(c, a_jump_forward_that_is_taken_back_leaves_no_floor);
    tcase_add_test(c, a_jump_forward_that_stays_becomes_the_time);
    tcase_add_loop_test(c, a_floor_that_can_not_be_is_ignored, 0, (int)WF_COUNT(bad_walls));
    tcase_add_test(c, a_node_that_knows_no_other_says_what_to_do);
    tcase_add_test(c, a_domain_of_which_nothing_new_is_heard_is_named);
    tcase_add_test(c, a_domain_never_heard_of_is_named);
    tcase_add_test(c, an_expired_charter_is_an_alarm);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
