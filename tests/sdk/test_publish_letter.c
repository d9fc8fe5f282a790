// SPDX-License-Identifier: Apache-2.0
// A publisher has one letter to its loop. It lies in the mailbox at most once, whatever looks at the publisher meanwhile.
#include <check.h>
#include <stdlib.h>

#include "sdk/loop/loop.h"
#include "sdk/publish_int.h"

static struct weft_client c;
static struct weft_publisher *p;

static size_t letters(void)
{
    struct wf_loop_stats stats;

    wf_loop_get_stats(c.loop, &stats);
    return stats.mail_count;
}

static void setup(void)
{
    ck_assert_int_eq(wf_loop_new(NULL, &c.loop), WEFT_OK);
    p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->cond, NULL);
    p->c = &c;
    p->last = &p->first;
    p->linger_us = 1000;
    p->mail = (struct wf_mail){
        .open = wf_pub_mail, .drop = wf_pub_drop, .class = WF_MAIL_CONTROL, .must = true
    };
}

static void teardown(void)
{
    wf_loop_free(c.loop);
    wf_pub_unref(p);
}

START_TEST(looking_when_the_linger_ends_does_not_free_the_letter)
{
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
    wf_pub_linger(&p->linger);
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
    ck_assert_uint_eq(atomic_load(&p->refs), 2);
}
END_TEST

START_TEST(once_opened_it_may_be_posted_again)
{
    wf_pub_kick(p);
    wf_loop_turn(c.loop, 0);
    ck_assert_uint_eq(letters(), 0);
    ck_assert_uint_eq(atomic_load(&p->refs), 1);
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.publish_letter");
    TCase *t = tcase_create("letter");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, looking_when_the_linger_ends_does_not_free_the_letter);
    tcase_add_test(t, once_opened_it_may_be_posted_again);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
