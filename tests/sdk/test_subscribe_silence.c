// SPDX-License-Identifier: Apache-2.0
// A product that is older than its promise, read over its stream: when its silence is over for who reads it.
#include "sdk/subscribe_int.h"
#include "tests/sdk/reader_rig.h"

struct probe {
    struct wf_mail mail;
    atomic_bool done;
    bool live;
};

static void look(struct wf_mail *mail)
{
    struct probe *p = (struct probe *)(void *)mail;

    p->live = s->mode == WF_REP_LIVE;
    atomic_store(&p->done, true);
}

// The stream is heard and has brought all that there is, whatever is told of it.
static bool is_level(void)
{
    struct probe p = { .mail = { .open = look, .drop = look, .must = true } };

    ck_assert_int_eq(wf_loop_post(wf_client_loop(c), &p.mail), WEFT_OK);
    while (!atomic_load(&p.done))
        take(1);
    return p.live;
}

// The time passes in small steps, so that requests on their way are answered in between.
static void fall_silent(void)
{
    append(1, 1);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_got(1);
    take_until_state(WEFT_STREAM_LIVE);
    for (int passed = 0; passed < 100 && state != WEFT_STREAM_SILENT; passed++) {
        wf_test_clock_skip(1000);
        while (take(20))
            ;
    }
    ck_assert_int_eq(state, WEFT_STREAM_SILENT);
    for (int left = PATIENCE_MS; !is_level() && left > 0; left -= 20)
        take(20);
    ck_assert(is_level());
    ck_assert_int_eq(state, WEFT_STREAM_SILENT);
}

// What was missed meanwhile comes in pages: with the first of them the silence is over, though the head is still to be reached.
START_TEST(a_silence_is_over_with_the_first_records_that_follow_it)
{
    uint64_t in_silence = 0;

    fall_silent();
    atomic_store(&h.drop, 1000);
    wf_fakehome_restart(&h, 0);
    append(200, 1);
    for (int left = PATIENCE_MS; got < 201 && left > 0; left -= 100) {
        uint64_t before = got;
        take(100);
        in_silence += state == WEFT_STREAM_SILENT ? got - before : 0;
    }
    ck_assert_uint_eq(got, 201);
    ck_assert_uint_le(in_silence, 64); // a page of the home's
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_silence");
    TCase *t = tcase_create("silence");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_silence_is_over_with_the_first_records_that_follow_it);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
