// SPDX-License-Identifier: Apache-2.0
// What tests of the join room ask of it: tickets and their redemption, machines by a label, nodes in the registry that were named before. On
// join_rig.h, whose terms hold.
#ifndef WF_TESTS_TICKET_ASK_H
#define WF_TESTS_TICKET_ASK_H

#include "tests/node/join_rig.h"

static inline struct wf_ticket make_ticket(const Weft__V1__TicketRequest *q)
{
    struct wf_ticket t = { 0 };
    Weft__V1__TicketRequest copy = *q;

    call_local();
    call.request.ticket = &copy;
    wf_ticket_handle(&node, &call.pub);
    ck_assert_msg(call.err == WEFT_OK, "%s", call.reply->refusal ? call.reply->refusal->text : "");
    ck_assert_int_eq(wf_ticket_parse(wf_bytes_str(call.reply->ticket->tickets[0]), &t), WEFT_OK);
    return t;
}

static inline Weft__V1__TicketRequest agent_ticket(const char *name)
{
    Weft__V1__TicketRequest q = WEFT__V1__TICKET_REQUEST__INIT;

    q.kind = WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT;
    q.name = wf_pb_str(name);
    return q;
}

enum { HONEST, WRONG_SECRET, ANOTHER_SESSION };

// A machine with keys of its own, by a label.
static inline enum weft_err redeem(
    const struct wf_ticket *t, const char *machine, const char *name, int how)
{
    struct wf_identity none = { 0 };
    Weft__V1__JoinRequest q = WEFT__V1__JOIN_REQUEST__INIT;
    struct wf_sign_pub sign;
    struct wf_dh_pub dh = { { 9 } };
    uint8_t proof[WF_HASH_LEN], secret[WF_TICKET_SECRET_LEN];
    struct wf_secret key = wf_test_sign_key(machine, &sign);

    wf_secret_fini(&key);
    dh.b[1] = sign.b[1];
    session = (struct wf_live_session){ 0 };
    session.s.peer = dh;
    memcpy(secret, wf_secret_view(&t->secret).ptr, sizeof secret);
    if (how == WRONG_SECRET)
        secret[0] ^= 1;
    wf_ticket_proof(
        WF_BYTES(secret), t->id, wf_session_handshake_hash(&session.s), &sign, &dh, proof);
    if (how == ANOTHER_SESSION)
        session.s.peer.b[0] ^= 1;
    call_by(&none);
    call.caller.has_identity = false;
    q.ticket_id = wf_pb_bin(WF_BYTES(t->id));
    q.sign_key = wf_pb_bin(WF_BYTES(sign.b));
    q.dh_key = wf_pb_bin(WF_BYTES(dh.b));
    q.proof = wf_pb_bin(WF_BYTES(proof));
    q.name = wf_pb_str(name);
    call.request.join = &q;
    wf_join_handle(&node, &call.pub);
    return call.err;
}

static inline struct wf_sign_pub key_of(const char *machine)
{
    struct wf_sign_pub key;
    struct wf_secret secret = wf_test_sign_key(machine, &key);

    wf_secret_fini(&secret);
    return key;
}

// A node that the issuer before had named, with its advert in the registry, or not any more.
static inline struct wf_identity node_of(const char *domain, const char *subject, bool shown)
{
    const struct wf_test_domain *d =
        &mesh.d[strcmp(domain, "servers") ? WF_TEST_NETWORK : WF_TEST_SERVERS];
    static const char *const addresses[] = { "192.0.2.1:7400" };
    struct wf_identity id = identity_of(domain, WF_ID_NODE, subject);
    char label[140];
    struct wf_buf cert = { 0 }, advert = { 0 };

    snprintf(label, sizeof label, "%s/%s", domain, subject);
    struct wf_secret key = wf_test_sign_key(label, &id.cert.sign_key);
    struct wf_cert fields = wf_test_cert(domain, WF_ID_NODE, subject);
    fields.sign_key = id.cert.sign_key;
    fields.dh_key = d->node_dh_pub;
    cert = wf_test_cert_issue(&fields, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&d->issuer_cert));
    struct wf_node_fields f = { .mesh_id = mesh.charter->mesh_id,
        .domain = domain,
        .subject = subject,
        .sequence = (uint64_t)unix_ms,
        .expires_ms = unix_ms + 600000,
        .addresses = addresses,
        .address_count = 1,
        .dh_key = d->node_dh_pub,
        .chain = wf_buf_view(&chain),
        .charter_version = 1 };
    ck_assert_int_eq(wf_node_advert_sign(&f, &key, &advert), WEFT_OK);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&cert), &id.cert), WEFT_OK);
    if (shown)
        learn(WF_ENTRY_NODE, advert);
    else
        wf_buf_fini(&advert);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    wf_secret_fini(&key);
    return id;
}

static inline struct wf_identity old_node(const char *subject, bool shown)
{
    return node_of("servers", subject, shown);
}

static inline Weft__V1__TicketRequest node_ticket(const char *name, bool replace)
{
    Weft__V1__TicketRequest q = agent_ticket(name);

    q.kind = WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_NODE;
    q.replace = replace;
    return q;
}

#endif
