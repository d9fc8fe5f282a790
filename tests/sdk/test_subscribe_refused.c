// SPDX-License-Identifier: Apache-2.0
// An owner that refuses to let somebody read: how often it is asked again, and what lets it be asked at once.
#include "tests/sdk/reader_rig.h"
#include "tests/support/trust_token.h"

// Lets so much time pass, ten seconds at a time; the loop looks at its timers with each.
static void pass(int64_t ms)
{
    for (; ms > 0; ms -= 10000) {
        struct weft_catalog *cat = NULL;
        wf_test_clock_skip(10000);
        if (!weft_discover(c, NULL, NULL, &cat, &problem)) // wakes it, and asks nobody for data
            weft_catalog_free(cat);
        take(1);
    }
}

static int asked(void)
{
    return atomic_load(&m.access_asked) + atomic_load(&h.leases);
}

static void be_refused(void)
{
    m.access_state = "refused";
    m.access_reason = "no rule grants it";
    append(1, 2);
    subscribe(WEFT_FROM_EARLIEST, 0);
    take_until_state(WEFT_STREAM_REFUSED);
    ck_assert_msg(strstr(state_text, "no rule grants it") != NULL, "%s", state_text);
    pass(1200000); // to the longest pause: that takes up to 700 s, by chance
}

START_TEST(an_owner_that_refuses_is_asked_every_few_minutes_and_no_more)
{
    be_refused();
    int before = asked();
    pass(3600000);
    int more = asked() - before;
    // On a busy machine a question may still be on its way when its ten seconds are over; it is asked again then. Without the pause it is 80.
    ck_assert_msg(more >= 3600 / 450 - 1 && more <= 2 * 3600 / 300, "%d times in an hour", more);
    m.access_state = "granted";
    pass(460000);
    take_until_got(2);
}
END_TEST

// As `weft access import` does it, in a process of its own.
static void import_token(const char *products)
{
    const struct wf_test_domain *d = &m.mesh.d[WF_TEST_SERVERS];
    struct wf_identity_dir *identity = NULL;
    struct wf_diag diag = { 0 };
    struct wf_test_block b;
    struct wf_buf raw = { 0 };
    int64_t now = wf_test_clock_unix_ms();

    wf_test_block_init(&b, &m.mesh.charter->mesh_id, "servers", &m.keys.sign_pub);
    b.fields.product_count = wf_test_patterns(products, b.products);
    wf_random(b.fields.nonce, sizeof b.fields.nonce);
    b.fields.issued_ms = b.fields.not_before_ms = now;
    b.fields.expires_ms = now + WF_TEST_DAY;
    ck_assert_int_eq(
        wf_token_grant(&b.fields, wf_buf_view(&d->issuer_cert), &d->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(wf_identity_load(m.dir, now, &identity, &diag), WEFT_OK);
    ck_assert_int_eq(
        wf_identity_import_token(identity, wf_buf_view(&raw), now, NULL, &diag), WEFT_OK);
    wf_identity_free(identity);
    wf_buf_fini(&raw);
}

START_TEST(a_token_that_somebody_imports_is_used_at_once)
{
    be_refused();
    int before = asked();
    import_token("other-*");
    pass(20000);
    ck_assert_int_le(asked() - before, 1); // it is for something else
    import_token("read*");
    pass(20000);
    take_until_got(2);
}
END_TEST

START_TEST(an_owner_that_says_something_else_of_its_product_is_asked_at_once)
{
    wf_fakemesh_add_newer(&m);
    be_refused();
    m.access_state = "granted"; // a rule of the newer advert
    atomic_store(&m.tell_newer, true);
    pass(60000);
    take_until_got(2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_refused");
    TCase *t = tcase_create("refused");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_owner_that_refuses_is_asked_every_few_minutes_and_no_more);
    tcase_add_test(t, a_token_that_somebody_imports_is_used_at_once);
    tcase_add_test(t, an_owner_that_says_something_else_of_its_product_is_asked_at_once);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
