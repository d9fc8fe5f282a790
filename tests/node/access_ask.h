// SPDX-License-Identifier: Apache-2.0
// What tests of the access room ask of it: rules in adverts, requests, tokens that are shown, revocations by hand. Two readers of another
// domain. On access_rig.h, whose terms hold.
#ifndef WF_TESTS_ACCESS_ASK_H
#define WF_TESTS_ACCESS_ASK_H

#include "tests/node/access_rig.h"

static struct wf_identity reader, other;

static void setup(void)
{
    rig_open();
    reader = identity_of("security", WF_ID_SERVICE, "mon-1");
    other = identity_of("security", WF_ID_SERVICE, "mon-2");
}

// hosts: a rule for monitoring alone (as the sample has it); cpu: the same with the domain that the mesh has.
__attribute__((unused)) static void advertise(
    const char *name, struct wf_access_rule *rules, size_t count)
{
    struct wf_test_domain *d = &mesh.d[WF_TEST_SERVERS];
    struct wf_product p = wf_test_product();
    struct wf_test_entry home = { .domain = WF_TEST_SERVERS,
        .name = name,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .life_ms = 40 * WF_TEST_DAY };
    struct wf_buf out = { 0 };
    struct wf_product_fields f = { .mesh_id = mesh.charter->mesh_id,
        .product = &p,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .expires_ms = unix_ms + 40 * WF_TEST_DAY,
        .node = "node-1",
        .chain = wf_buf_view(&d->node_chain) };

    p.name = name;
    p.rules = rules;
    p.rule_count = count;
    learn(WF_ENTRY_HOME, wf_test_home(&mesh, &home));
    ck_assert_int_eq(wf_product_advert_sign(&f, &d->node, &out), WEFT_OK);
    learn(WF_ENTRY_PRODUCT, out);
}

__attribute__((unused)) static void show(const struct wf_block *fields, int issuer)
{
    struct wf_buf raw = { 0 };
    struct wf_diag diag = { 0 };

    wf_token_free(call.token);
    call.token = NULL;
    ck_assert_int_eq(wf_token_grant(fields, wf_buf_view(&mesh.d[issuer].issuer_cert),
                         &mesh.d[issuer].issuer, &raw),
        WEFT_OK);
    ck_assert_msg(wf_token_open(wf_buf_view(&raw), &call.token, &diag) == WEFT_OK, "%s", diag.text);
    wf_buf_fini(&raw);
}

__attribute__((unused)) static void revoke_by_hand(
    const struct wf_hash *token, const struct wf_sign_pub *holder)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    struct wf_token *shown = call.token;

    call.token = NULL;
    call_local();
    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE;
    if (token)
        q.token_id = wf_pb_bin(wf_hash_view(token));
    if (holder)
        q.holder = wf_pb_bin(WF_BYTES(holder->b));
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
    call.token = shown;
}

__attribute__((unused)) static const char *query_verb = "query";

__attribute__((unused)) static void request(
    const struct wf_identity *who, const char *product, const char *verb, bool policy_only)
{
    static Weft__V1__AccessRequest q;
    static char *products[1], *verbs[1];

    weft__v1__access_request__init(&q);
    products[0] = wf_pb_str(product);
    verbs[0] = wf_pb_str(verb);
    q.products = products;
    q.n_products = 1;
    q.verbs = verbs;
    q.n_verbs = 1;
    q.policy_only = policy_only;
    call_by(who);
    call.request.access = &q;
    wf_access_handle(&node, &call.pub);
}

__attribute__((unused)) static struct wf_access_rule rule_for(
    const char *subject, const char *const *verb, size_t columns)
{
    static const char *names[] = { "host" };

    return (struct wf_access_rule){ .domain = "security",
        .subject = subject,
        .verb_count = 1,
        .verbs = (const char **)(uintptr_t)verb,
        .column_count = columns,
        .columns = names,
        .duration_ms = 10 * WF_TEST_HOUR };
}

#endif
