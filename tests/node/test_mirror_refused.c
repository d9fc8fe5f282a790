// SPDX-License-Identifier: Apache-2.0
// A mirror that its owner refuses: how often it asks again, and what lets it ask at once.
#include "tests/node/mirror_home.h"

static int64_t skipped_ms;

static void refuse(void)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AccessReply r = WEFT__V1__ACCESS_REPLY__INIT;

    ck_assert_int_eq(asked_home.q->kind_case, WEFT__V1__REQUEST__KIND_ACCESS);
    r.state = wf_pb_str("denied");
    reply.kind_case = WEFT__V1__REPLY__KIND_ACCESS;
    reply.access = &r;
    answer(WEFT_OK, &reply);
}

// Lets so much time pass, a second at a time; how often the owner was asked, and refused.
static unsigned pass(int64_t ms)
{
    unsigned asked = 0;

    for (; ms > 0; ms -= 1000) {
        wf_test_clock_skip(1000);
        skipped_ms += 1000;
        wf_mirror_room.tick(&n);
        for (int i = 0; i < 3; i++)
            wf_loop_turn(n.loop, 0);
        if (asked_home.q) {
            refuse();
            asked++;
        }
    }
    return asked;
}

static void be_refused(void)
{
    begin();
    ck_assert_int_eq(try_start(), WEFT_OK);
    ck_assert_uint_ge(pass(1200000), 1);
    ck_assert_int_eq(m->state, WF_MIRROR_REFUSED);
}

static void done(void)
{
    stop();
    leave();
    wf_test_clock_skip(-skipped_ms);
    skipped_ms = 0;
}

START_TEST(an_owner_that_refuses_is_asked_every_few_minutes)
{
    be_refused();
    unsigned asked = pass(3600000);
    ck_assert_msg(asked >= 3600 / 450 - 1 && asked <= 3600 / 300, "%u times in an hour", asked);
    done();
}
END_TEST

START_TEST(a_token_that_was_imported_is_used_at_once)
{
    be_refused();
    hold_token();
    wf_mirror_room.tick(&n);
    for (int i = 0; i < 100 && !asked_home.q; i++)
        wf_loop_turn(n.loop, 1);
    (void)follow();
    ck_assert_msg(has_all(), "%s", m->why);
    done();
}
END_TEST

START_TEST(another_advert_is_asked_about_at_once_and_once)
{
    struct wf_test_entry flows = { .domain = WF_TEST_NETWORK,
        .name = "flows",
        .term = 1,
        .sequence = (uint64_t)WF_TEST_NOW + 1000,
        .life_ms = 40 * WF_TEST_DAY };

    be_refused();
    learn(WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &flows));
    ck_assert_uint_eq(pass(2000), 1);
    done();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.mirror_refused");
    TCase *t = tcase_create("refused");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_owner_that_refuses_is_asked_every_few_minutes);
    tcase_add_test(t, a_token_that_was_imported_is_used_at_once);
    tcase_add_test(t, another_advert_is_asked_about_at_once_and_once);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
