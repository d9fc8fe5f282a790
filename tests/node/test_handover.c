// SPDX-License-Identifier: Apache-2.0
// Who gets the records of a product that moves: the node that the issuer's order at hand names, over its own session, and nobody else.
#include "tests/node/moving_rig.h"

static void begin(void)
{
    static char dirs[NODES][600];
    struct wf_diag diag = { 0 };

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    for (size_t i = 0; i < ASKS; i++)
        asks[i].from = -1;
    for (int i = 0; i < NODES; i++) {
        snprintf(dirs[i], sizeof dirs[i], "%s/%s", wf_test_tmpdir(), names[i]);
        streamrig_init_as(&rigs[i], dirs[i], names[i]);
        rigs[i].by_hand = true;
    }
    mesh = &rigs[OLD].mesh;
    issuer.sequence = (uint64_t)wf_test_clock_unix_ms();
    open_nodes();
    struct wf_collect c = streamrig_manifest("depth", WF_PRODUCT_EVENT);
    ck_assert_msg(!streamrig_apply(&rigs[OLD], &c, "sample", &diag), "%s", diag.text);
    for (int i = 0; i < TURNS && !takes(OLD); i++)
        turn();
    ck_assert(takes(OLD) && issuer.home_is == OLD && issuer.term == 1);
    ck_assert_int_eq(learn(OLD, WF_ENTRY_HOME, wf_buf_view(&issuer.home)), WEFT_OK);
}

static void end(void)
{
    close_nodes();
    wf_buf_fini(&issuer.home);
    for (int i = 0; i < NODES; i++)
        streamrig_fini(&rigs[i]);
    wf_memdisk_free(disk);
}

// ---- who may take it -------------------------------------------------------------------------------------------------

struct order {
    const char *from, *to;
    int signer; // of which domain's issuer
    uint64_t term;
    int64_t signed_ms, expires_ms; // from now
};

static struct wf_buf order_of(const struct order *o)
{
    const struct wf_test_domain *d = &mesh->d[o->signer];
    struct wf_move m = { .mesh_id = mesh->charter->mesh_id,
        .product = { "depth" },
        .term = o->term,
        .sequence = (uint64_t)(wf_test_clock_unix_ms() + o->signed_ms),
        .expires_ms = wf_test_clock_unix_ms() + o->expires_ms };
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_name_from(wf_bytes_str(d->name), &m.domain), WEFT_OK);
    ck_assert_int_eq(wf_name_from(wf_bytes_str(o->from), &m.from), WEFT_OK);
    ck_assert_int_eq(wf_name_from(wf_bytes_str(o->to), &m.to), WEFT_OK);
    ck_assert_int_eq(wf_move_sign(&m, wf_buf_view(&d->issuer_cert), &d->issuer, &out), WEFT_OK);
    return out;
}

// What the old home says to who shows the order, before anything is moved.
static enum weft_err ask_for_records(const struct wf_cert *who, const struct wf_buf *order)
{
    struct streamrig_call *c = streamrig_call(&rigs[OLD]);
    Weft__V1__HandoverRequest q = WEFT__V1__HANDOVER_REQUEST__INIT;

    q.step = WEFT__V1__HANDOVER_REQUEST__STEP__STEP_BEGIN;
    q.order = wf_pb_bin(wf_buf_view(order));
    c->caller.identity = rigs[NEW].node.identity;
    c->caller.identity.cert = *who;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_HANDOVER;
    c->request.handover = &q;
    streamrig_send(&rigs[OLD], c, wf_handover_handle);
    ck_assert(c->answered);
    enum weft_err err = c->err;
    streamrig_call_free(c);
    return err;
}

static const struct {
    const char *why;
    struct order order;
    enum weft_err want;
} orders[] = {
    { "the order at hand", { "node-2", "node-3", WF_TEST_SERVERS, 2, 0, WF_TEST_DAY }, WEFT_OK },
    { "another node is named", { "node-2", "node-9", WF_TEST_SERVERS, 2, 0, WF_TEST_DAY },
        WEFT_E_NOT_OWNER },
    { "of another home", { "node-9", "node-3", WF_TEST_SERVERS, 2, 0, WF_TEST_DAY },
        WEFT_E_NOT_HOME },
    { "another domain's issuer orders its own",
        { "node-2", "node-3", WF_TEST_NETWORK, 2, 0, WF_TEST_DAY }, WEFT_E_WRONG_DOMAIN },
    { "it has expired", { "node-2", "node-3", WF_TEST_SERVERS, 2, -WF_TEST_HOUR, -60000 },
        WEFT_E_EXPIRED },
    { "signed in the future", { "node-2", "node-3", WF_TEST_SERVERS, 2, WF_TEST_HOUR, WF_TEST_DAY },
        WEFT_E_FUTURE },
    { "of a term that has a home already",
        { "node-2", "node-3", WF_TEST_SERVERS, 1, 0, WF_TEST_DAY }, WEFT_E_STALE },
};

START_TEST(only_what_the_issuer_ordered_is_handed_over)
{
    begin();
    for (size_t i = 0; i < WF_COUNT(orders); i++) {
        struct wf_buf order = order_of(&orders[i].order);
        enum weft_err err = ask_for_records(&rigs[NEW].node.identity.cert, &order);
        ck_assert_msg(err == orders[i].want, "%s: %s", orders[i].why, weft_err_name(err));
        wf_buf_fini(&order);
    }
    end();
}
END_TEST

START_TEST(only_the_node_that_the_order_names_gets_the_records)
{
    const struct order to = { "node-2", "node-3", WF_TEST_SERVERS, 2, 0, WF_TEST_DAY };
    begin();
    struct wf_buf order = order_of(&to);
    struct wf_cert who = rigs[NEW].node.identity.cert;

    ck_assert_str_eq(who.subject.s, "node-3");
    who.kind = WF_ID_AGENT; // a host of the same name
    ck_assert_int_eq(ask_for_records(&who, &order), WEFT_E_KIND);
    who = rigs[NEW].node.identity.cert;
    ck_assert_int_eq(wf_name_from(WF_STR("network"), &who.domain), WEFT_OK);
    ck_assert_int_eq(ask_for_records(&who, &order), WEFT_E_WRONG_DOMAIN);
    who = rigs[NEW].node.identity.cert;
    ck_assert_int_eq(wf_name_from(WF_STR("node-4"), &who.subject), WEFT_OK);
    ck_assert_int_eq(ask_for_records(&who, &order), WEFT_E_NOT_OWNER);
    for (int i = 0; i < NODES; i++) {
        rigs[i].has_revoked = true;
        rigs[i].revoked = rigs[NEW].node.identity.cert.sign_key;
    }
    ck_assert_int_eq(ask_for_records(&rigs[NEW].node.identity.cert, &order), WEFT_E_REVOKED);
    rigs[OLD].has_revoked = rigs[NEW].has_revoked = false;
    order.ptr[order.len - 1] ^= 1; // the signature
    ck_assert_int_eq(ask_for_records(&rigs[NEW].node.identity.cert, &order), WEFT_E_SIGNATURE);
    wf_buf_fini(&order);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.handover");
    TCase *t = tcase_create("handover");

    tcase_set_timeout(t, 100);
    tcase_add_test(t, only_what_the_issuer_ordered_is_handed_over);
    tcase_add_test(t, only_the_node_that_the_order_names_gets_the_records);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
