// SPDX-License-Identifier: Apache-2.0
// weft_verify on what a subscription with proofs handed over.
#include <check.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/clock.h"
#include "tests/support/fakehome.h"

#define PATIENCE_MS 100000

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_subscription *s;
static struct weft_problem problem;

static void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    s = NULL;
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
}

static void append(unsigned batches, uint32_t count)
{
    for (unsigned i = 0; i < batches; i++)
        wf_fakehome_append(&h, 0, count);
}

// Pushes the clock on, and has the client's loop notice.
static void skip(int64_t ms)
{
    struct weft_whoami who;

    wf_test_clock_skip(ms);
    ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
}

static const struct weft_event *next_records(void)
{
    const struct weft_event *e = NULL;

    do
        ck_assert_msg(weft_next(s, PATIENCE_MS, &e, &problem) == WEFT_OK, "%s", problem.text);
    while (e->kind != WEFT_EV_RECORDS);
    return e;
}

START_TEST(proofs_verify_what_was_delivered)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST, .proofs = true };
    const struct weft_event *e = NULL;
    struct weft_verified v;
    uint8_t payload[256];

    append(1, 3);
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_OK);
    do
        ck_assert_msg(weft_next(s, PATIENCE_MS, &e, &problem) == WEFT_OK, "%s", problem.text);
    while (e->kind != WEFT_EV_RECORDS);
    ck_assert_msg(weft_verify(c, weft_subscription_product(s), e->header, e->header_len, e->payload,
                      e->payload_len, e->chain, e->chain_len, &v, &problem) == WEFT_OK,
        "%s", problem.text);
    ck_assert_str_eq(v.domain, "servers");
    ck_assert_str_eq(v.origin, "web-0");
    ck_assert_str_eq(v.batch, e->batch);
    ck_assert_uint_eq(v.record_count, 3);
    ck_assert_uint_eq(v.records[2].seq, 2);
    weft_verified_free(&v);
    ck_assert_uint_lt(e->payload_len, sizeof payload);
    memcpy(payload, e->payload, e->payload_len);
    payload[e->payload_len - 1] ^= 1;
    ck_assert_int_eq(weft_verify(c, NULL, e->header, e->header_len, payload, e->payload_len,
                         e->chain, e->chain_len, &v, &problem),
        WEFT_E_HASH);
    ck_assert_int_ne(weft_verify(c, NULL, e->header, e->header_len, e->payload, e->payload_len,
                         m.chain.ptr, m.chain.len, &v, &problem),
        WEFT_OK);
}
END_TEST

START_TEST(a_proof_names_its_product_and_what_was_revoked_as_of_its_time)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST, .proofs = true };
    static const char *const others[] = { "servers/reading", "servers/readings/", "server/readings",
        "network/readings", "serversreadings", "/readings", "servers/", "",
        "servers/readings-that-have-a-name-which-no-product-has-as-it-is-longer-than-all-are" };
    struct weft_product *product = NULL;
    struct weft_verified v;

    wf_fakemesh_revoke(&m, &h.origins[0].pub, wf_test_clock_unix_ms() + 30000);
    append(1, 1);
    ck_assert_int_eq(weft_subscribe(c, "servers/readings", &o, &s, &problem), WEFT_OK);
    for (int i = 0; i < 2; i++) { // before the revocation's time, and after it
        const struct weft_event *e = next_records();
        ck_assert_msg(weft_verify(c, NULL, e->header, e->header_len, e->payload, e->payload_len,
                          e->chain, e->chain_len, &v, &problem) == WEFT_OK,
            "%s", problem.text);
        ck_assert_str_eq(v.origin, "web-0");
        ck_assert_msg(v.revoked == (i == 1), "batch %d", i);
        if (i == 0) {
            skip(40000);
            append(1, 1);
        }
        ck_assert_int_eq(weft_describe(c, "servers/readings", &product, &problem), WEFT_OK);
        ck_assert_str_eq(v.product_id, weft_product_info(product)->id);
        weft_product_free(product);
        ck_assert(weft_verified_is_of(&v, "servers/readings"));
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            ck_assert_msg(!weft_verified_is_of(&v, others[k]), "%s", others[k]);
        weft_verified_free(&v);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.verify");
    TCase *t = tcase_create("proofs");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 100);
    tcase_add_test(t, proofs_verify_what_was_delivered);
    tcase_add_test(t, a_proof_names_its_product_and_what_was_revoked_as_of_its_time);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
