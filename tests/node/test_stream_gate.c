// SPDX-License-Identifier: Apache-2.0
// Who may connect to a product's stream: hosts that hold a lease of it, or everybody with `gate: off`. And how many leases and waiting pulls
// one key, and all together, may have.
#include <stdio.h>

#include "sdk/net/sub.h"
#include "tests/node/stream_reader.h"

static const struct wf_net_addr here = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 } };
static const struct wf_net_addr elsewhere = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 9 } };

static void setup_gate(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    rig.conf.streams.gate = true;
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
}

static bool ignore(void *arg, const struct wf_net_event *e)
{
    (void)arg;
    if (e->what == WF_NET_FRAME)
        wf_net_msg_free(e->msg);
    return true;
}

static struct wf_net_sub *dial(const struct streamrig_call *l)
{
    struct wf_net_sub *sub = NULL;
    char where[64];

    snprintf(where, sizeof where, "127.0.0.1%s", l->reply->lease->endpoint);
    struct wf_net_sub_conf conf = { .post = ignore, .where = where, .loop = rig.node.loop };
    ck_assert_int_eq(wf_net_sub_new(&conf, &sub), WEFT_OK);
    return sub;
}

static struct wf_net_pub_stats stats(void)
{
    struct wf_net_pub_stats st = { 0 };

    wf_net_pub_get_stats(product->pub, &st);
    return st;
}

START_TEST(only_hosts_with_a_lease_come_in_and_they_leave_with_it)
{
    rig.addr = elsewhere;
    struct streamrig_call *theirs = lease();
    struct wf_net_sub *sub = dial(theirs);
    STREAMRIG_UNTIL(&rig, stats().gated > 0);
    ck_assert_uint_eq(stats().pipes, 0);
    rig.addr = here;
    struct streamrig_call *ours = lease();
    STREAMRIG_UNTIL(&rig, stats().pipes == 1);
    publish(0, 1);
    // One lease of ours ends: the host is shown out, though another host still has one.
    wf_lease_end(
        product->room, wf_lease_find(product->room, wf_pb_view(ours->reply->lease->lease_id)));
    STREAMRIG_UNTIL(&rig, stats().pipes == 0);
    wf_net_sub_free(sub);
    streamrig_call_free(theirs);
    streamrig_call_free(ours);
}
END_TEST

START_TEST(a_lease_that_moves_to_another_host_leaves_the_first)
{
    rig.addr = here;
    struct streamrig_call *l = lease();
    struct wf_net_sub *sub = dial(l);
    STREAMRIG_UNTIL(&rig, stats().pipes == 1);
    rig.addr = elsewhere;
    struct streamrig_call *renewed = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_int_eq(renewed->err, WEFT_OK);
    STREAMRIG_UNTIL(&rig, stats().pipes == 0);
    wf_net_sub_free(sub);
    streamrig_call_free(l);
    streamrig_call_free(renewed);
}
END_TEST

START_TEST(without_the_gate_everybody_may_connect)
{
    ck_assert(!rig.conf.streams.gate);
    rig.addr = elsewhere;
    struct streamrig_call *l = lease();
    struct wf_net_sub *sub = dial(l);
    STREAMRIG_UNTIL(&rig, stats().pipes == 1);
    ck_assert_uint_eq(stats().gated, 0);
    wf_net_sub_free(sub);
    streamrig_call_free(l);
}
END_TEST

// ---- shares ----------------------------------------------------------------------------------------------------------

static enum weft_err try_lease(void)
{
    struct streamrig_call *c = lease_renewed(NULL);
    enum weft_err err = c->err;

    streamrig_call_free(c);
    return err;
}

START_TEST(a_key_has_so_many_leases_and_all_keys_so_many)
{
    for (unsigned i = 0; i < WF_LEASES_PER_KEY; i++)
        ck_assert_int_eq(try_lease(), WEFT_OK);
    ck_assert_int_eq(try_lease(), WEFT_E_BUSY);
    for (unsigned key = 1; key < WF_LEASES_MAX / WF_LEASES_PER_KEY; key++) {
        rig.reader.identity.cert.sign_key.b[0]++;
        for (unsigned i = 0; i < WF_LEASES_PER_KEY; i++)
            ck_assert_int_eq(try_lease(), WEFT_OK);
    }
    rig.reader.identity.cert.sign_key.b[0]++;
    ck_assert_int_eq(try_lease(), WEFT_E_BUSY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_gate");
    TCase *t = tcase_create("gate"), *open = tcase_create("open");

    tcase_add_checked_fixture(t, setup_gate, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, only_hosts_with_a_lease_come_in_and_they_leave_with_it);
    tcase_add_test(t, a_lease_that_moves_to_another_host_leaves_the_first);
    suite_add_tcase(suite, t);
    tcase_add_checked_fixture(open, setup, teardown);
    tcase_set_timeout(open, 60);
    tcase_add_test(open, without_the_gate_everybody_may_connect);
    tcase_add_test(open, a_key_has_so_many_leases_and_all_keys_so_many);
    suite_add_tcase(suite, open);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
