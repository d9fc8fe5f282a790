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

// ---- ports -------------------------------------------------------------------------------------------------------------

START_TEST(a_node_without_a_free_port_says_which_setting_helps)
{
    struct wf_net_pub_conf any = { 0 };
    struct wf_net_pub *other = NULL;
    uint16_t port = 0;

    ck_assert_int_eq(wf_net_pub_new(rig.control.net, &any, &other), WEFT_OK);
    ck_assert_int_eq(wf_net_pub_listen(other, "127.0.0.1:0", &port), WEFT_OK);
    rig.conf.streams.first = rig.conf.streams.last = port;
    struct streamrig_call *c = lease_renewed(NULL);
    ck_assert_int_eq(c->err, WEFT_E_IN_USE);
    ck_assert_msg(strstr(c->reply->refusal->text, "streams.ports in weftd.yaml"), "%s",
        c->reply->refusal->text);
    ck_assert_uint_eq(product->lease_count, 0);
    streamrig_call_free(c);
    wf_net_pub_free(other);
}
END_TEST

// The sockets of 256 products, opened one after the other for one.
START_TEST(two_hundred_and_fifty_six_products_are_read_by_default)
{
    struct wf_net_pub *open[256];
    struct wf_diag diag = { 0 };

    rig.conf.streams.first = 17400; // node.conf: the default
    rig.conf.streams.last = 17999;
    for (size_t i = 0; i < WF_COUNT(open); i++) {
        ck_assert_msg(wf_publish_open(product, &diag) == WEFT_OK, "%zu: %s", i, diag.text);
        ck_assert(product->port >= 17400 && product->port <= 17999);
        open[i] = product->pub;
        product->pub = NULL;
    }
    for (size_t i = 0; i < WF_COUNT(open); i++)
        wf_net_pub_free(open[i]);
}
END_TEST

// ---- leases that nobody reads by any more ------------------------------------------------------------------------------

START_TEST(a_lease_given_back_is_gone)
{
    Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;
    struct streamrig_call *l = lease(), *other = lease();

    q.lease_id = l->reply->lease->lease_id;
    q.end = true;
    rig.reader.identity.cert.sign_key.b[0]++;
    struct streamrig_call *thief = lease_asked(q);
    ck_assert_int_eq(thief->err, WEFT_E_LEASE);
    rig.reader.identity.cert.sign_key.b[0]--;
    struct streamrig_call *end = lease_asked(q), *again = lease_asked(q);
    ck_assert_int_eq(end->err, WEFT_OK);
    ck_assert(wf_bytes_eq(wf_pb_view(end->reply->lease->lease_id), wf_pb_view(q.lease_id)));
    ck_assert_uint_eq(end->reply->lease->n_keys, 0);
    ck_assert_int_eq(again->err, WEFT_E_LEASE);
    ck_assert(product->lease_count == 1 && product->live_count == 1);
    streamrig_call_free(l);
    streamrig_call_free(other);
    streamrig_call_free(thief);
    streamrig_call_free(end);
    streamrig_call_free(again);
}
END_TEST

START_TEST(a_fresh_lease_replaces_the_one_it_names)
{
    Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;
    struct streamrig_call *l = lease();
    uint64_t epoch = l->reply->lease->keys[0]->epoch;

    for (unsigned i = 1; i < WF_LEASES_PER_KEY; i++)
        ck_assert_int_eq(try_lease(), WEFT_OK);
    ck_assert_int_eq(try_lease(), WEFT_E_BUSY);
    q.replaces = l->reply->lease->lease_id;
    struct streamrig_call *fresh = lease_asked(q); // it takes no more room than the one that goes
    ck_assert_int_eq(fresh->err, WEFT_OK);
    ck_assert_uint_eq(product->lease_count, WF_LEASES_PER_KEY);
    ck_assert_ptr_null(wf_lease_find(product->room, wf_pb_view(q.replaces)));
    ck_assert_uint_eq(fresh->reply->lease->keys[0]->epoch, epoch);
    // Of another holder it replaces nothing.
    q.replaces = fresh->reply->lease->lease_id;
    rig.reader.identity.cert.sign_key.b[0]++;
    struct streamrig_call *theirs = lease_asked(q);
    ck_assert_int_eq(theirs->err, WEFT_OK);
    ck_assert_ptr_nonnull(wf_lease_find(product->room, wf_pb_view(q.replaces)));
    streamrig_call_free(l);
    streamrig_call_free(fresh);
    streamrig_call_free(theirs);
}
END_TEST

START_TEST(a_reader_that_died_makes_room_for_the_next)
{
    rig.pipe = 7;
    struct streamrig_call *dead = lease();
    rig.pipe = 8;
    struct streamrig_call *moved = lease();
    rig.pipe = 9;
    for (unsigned i = 2; i < WF_LEASES_PER_KEY; i++)
        ck_assert_int_eq(try_lease(), WEFT_OK);
    wf_stream_pipe_gone(&rig.node, 7);
    wf_stream_pipe_gone(&rig.node, 8);
    // One came back by another connection; the other is still there, for it may come, too.
    struct streamrig_call *back = lease_renewed(&moved->reply->lease->lease_id);
    ck_assert_int_eq(back->err, WEFT_OK);
    ck_assert_ptr_nonnull(wf_lease_find(product->room, wf_pb_view(dead->reply->lease->lease_id)));
    ck_assert_int_eq(try_lease(), WEFT_OK);
    ck_assert_ptr_null(wf_lease_find(product->room, wf_pb_view(dead->reply->lease->lease_id)));
    ck_assert_int_eq(try_lease(), WEFT_E_BUSY);
    ck_assert_ptr_nonnull(wf_lease_find(product->room, wf_pb_view(moved->reply->lease->lease_id)));
    streamrig_call_free(dead);
    streamrig_call_free(moved);
    streamrig_call_free(back);
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
    tcase_add_test(open, a_node_without_a_free_port_says_which_setting_helps);
    tcase_add_test(open, two_hundred_and_fifty_six_products_are_read_by_default);
    tcase_add_test(open, a_lease_given_back_is_gone);
    tcase_add_test(open, a_fresh_lease_replaces_the_one_it_names);
    tcase_add_test(open, a_reader_that_died_makes_room_for_the_next);
    tcase_add_test(open, a_key_has_so_many_leases_and_all_keys_so_many);
    suite_add_tcase(suite, open);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
