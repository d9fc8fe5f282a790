// SPDX-License-Identifier: Apache-2.0
// What waits for certificates and schemas while asking for them fails: at once, later, or for one of two.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/subscribe_int.h"

static struct weft_client c;
static struct weft_subscription *s;
static bool at_once; // asking fails within the call
static struct {
    void *arg[4];
    unsigned count;
    wf_client_document_fn done;
} asked;

void __wrap_wf_client_documents(struct weft_client *client, struct wf_link *prefer,
    const struct wf_client_wanted *wanted, size_t count, wf_client_document_fn done);

void __wrap_wf_client_documents(struct weft_client *client, struct wf_link *prefer,
    const struct wf_client_wanted *wanted, size_t count, wf_client_document_fn done)
{
    (void)client, (void)prefer;
    asked.done = done;
    for (size_t i = 0; i < count; i++) {
        if (at_once)
            done(wanted[i].arg, WEFT_E_CLOSED, wf_bytes(NULL, 0));
        else
            asked.arg[asked.count++] = wanted[i].arg;
    }
}

static void setup(void)
{
    s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    atomic_init(&s->refs, 2);
    pthread_mutex_init(&s->mutex, NULL);
    s->c = &c;
    s->units_tail = &s->units;
    memset(&asked, 0, sizeof asked);
    at_once = false;
}

static void teardown(void)
{
    ck_assert_uint_eq(atomic_load(&s->refs), 2); // what waits holds one each
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

// A reply of two batches, each by a certificate that is not here.
static void go(void)
{
    struct wf_sub_unit *u = wf_sub_unit_new(2, 0);

    ck_assert_ptr_nonnull(u);
    for (; u->item_count < 2; u->item_count++) {
        struct wf_sub_item *i = calloc(1, sizeof *i);
        ck_assert_ptr_nonnull(i);
        i->header.kind = WF_BATCH_LOSS;
        i->header.certificate.b[0] = (uint8_t)(u->item_count + 1);
        u->items[u->item_count] = i;
    }
    wf_sub_unit_go(s, u);
}

static void nothing_waits(void)
{
    ck_assert_ptr_null(s->units);
    ck_assert_ptr_null(s->needs);
    ck_assert_uint_eq(s->unit_count, 0);
}

START_TEST(what_can_not_even_be_asked_for_is_not_waited_for)
{
    at_once = true;
    go();
    nothing_waits(); // the machine heard that its request failed, and asks again
    at_once = false;
    go();
    ck_assert_uint_eq(asked.count, 2);
    ck_assert_uint_eq(s->unit_count, 1);
    at_once = true;
    for (unsigned i = 0; i < 2; i++)
        asked.done(asked.arg[i], WEFT_E_CLOSED, wf_bytes(NULL, 0));
    nothing_waits();
}
END_TEST

START_TEST(what_comes_while_others_are_asked_for_is_asked_for_after_them)
{
    go();
    ck_assert_uint_eq(asked.count, 2);
    go();
    ck_assert_uint_eq(s->unit_count, 2);
    ck_assert_uint_eq(asked.count, 2);
    asked.done(asked.arg[0], WEFT_E_CLOSED, wf_bytes(NULL, 0));
    asked.done(asked.arg[1], WEFT_E_CLOSED, wf_bytes(NULL, 0));
    nothing_waits();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_needs");
    TCase *t = tcase_create("needs");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_can_not_even_be_asked_for_is_not_waited_for);
    tcase_add_test(t, what_comes_while_others_are_asked_for_is_asked_for_after_them);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
