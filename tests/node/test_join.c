// SPDX-License-Identifier: Apache-2.0
// Redeeming a ticket: what its proof binds, what the ticket limits, and that nothing is told before the proof is right. The control plane,
// the signer and the revocation list are played (linked with --wrap).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/join/priv.h"
#include "node/signer/signer.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/trust_mesh.h"

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_control control;
static struct wf_test_mesh mesh;
static struct wf_ticket_row ticket;
static struct wf_live_session *session;
static bool revoked;
static struct wf_cert issued;
static unsigned issued_count;
static enum weft_err answered; // the refusal's code, or OK

// ---- the rest of the node --------------------------------------------------------------------------------------------

bool __wrap_wf_signer_here(const struct wf_node *n);
bool __wrap_wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return true;
}

enum weft_err __wrap_wf_signer_issue(
    struct wf_node *n, const struct wf_cert *fields, struct wf_buf *out);
enum weft_err __wrap_wf_signer_issue(
    struct wf_node *n, const struct wf_cert *fields, struct wf_buf *out)
{
    (void)n;
    issued = *fields;
    issued_count++;
    return wf_buf_append_str(out, "certificate");
}

enum weft_err __wrap_wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret);
enum weft_err __wrap_wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret)
{
    (void)n;
    *ret = wf_bytes_str("issuer");
    return WEFT_OK;
}

enum weft_err __wrap_wf_identity_charter(
    const struct wf_identity_dir *d, uint64_t version, struct wf_buf *ret);
enum weft_err __wrap_wf_identity_charter(
    const struct wf_identity_dir *d, uint64_t version, struct wf_buf *ret)
{
    (void)d, (void)version;
    return wf_buf_append_str(ret, "charter");
}

bool __wrap_wf_access_origin_revoked(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms);
bool __wrap_wf_access_origin_revoked(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms)
{
    (void)n, (void)key, (void)at_ms;
    return revoked;
}

void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply);
void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply)
{
    (void)c;
    ck_assert_int_eq(reply->kind_case, WEFT__V1__REPLY__KIND_JOIN);
    answered = WEFT_OK;
}

void __wrap_wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...);
void __wrap_wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...)
{
    (void)c, (void)format;
    answered = err;
}

void __wrap_wf_call_refuse_with(struct wf_call *c, const Weft__V1__Refusal *refusal);
void __wrap_wf_call_refuse_with(struct wf_call *c, const Weft__V1__Refusal *refusal)
{
    (void)c;
    answered = (enum weft_err)refusal->code;
}

// ---- the newcomer ----------------------------------------------------------------------------------------------------

struct newcomer {
    struct wf_sign_pub sign;
    struct wf_dh_pub dh;
    uint8_t id[WF_TICKET_ID_LEN], secret[WF_TICKET_SECRET_LEN];
    uint8_t hash[WF_NOISE_HASH_LEN]; // of the handshake it makes its proof for
    size_t id_cut, sign_cut, dh_cut; // bytes that its request lacks
    const char *name, *address;
};

// The session's key shook hands; the ticket is the one that was made.
static struct newcomer honest(void)
{
    struct newcomer who = { .dh = session->s.peer, .name = "web-1", .address = "10.0.0.7" };

    memset(who.sign.b, 0x51, WF_KEY_LEN);
    memcpy(who.id, ticket.id, sizeof who.id);
    memcpy(who.secret, ticket.secret, sizeof who.secret);
    memcpy(who.hash, session->s.handshake_hash, sizeof who.hash);
    return who;
}

static enum weft_err join(const struct newcomer *who)
{
    Weft__V1__Request request = WEFT__V1__REQUEST__INIT;
    Weft__V1__JoinRequest q = WEFT__V1__JOIN_REQUEST__INIT;
    struct wf_caller caller = { .session = session->s.id };
    struct wf_arena arena;
    uint8_t proof[WF_HASH_LEN];

    wf_ticket_proof(
        WF_BYTES(who->secret), who->id, WF_BYTES(who->hash), &who->sign, &who->dh, proof);
    snprintf(caller.address, sizeof caller.address, "%s", who->address);
    q.ticket_id = wf_pb_bin(wf_bytes(who->id, sizeof who->id - who->id_cut));
    q.proof = wf_pb_bin(WF_BYTES(proof));
    q.sign_key = wf_pb_bin(wf_bytes(who->sign.b, WF_KEY_LEN - who->sign_cut));
    q.dh_key = wf_pb_bin(wf_bytes(who->dh.b, WF_KEY_LEN - who->dh_cut));
    q.name = wf_pb_str(who->name);
    request.kind_case = WEFT__V1__REQUEST__KIND_JOIN;
    request.join = &q;
    wf_arena_init(&arena, WF_MIB);
    struct wf_call call = {
        .node = &node, .caller = &caller, .request = &request, .arena = &arena
    };
    wf_join_handle(&node, &call);
    wf_arena_fini(&arena);
    return answered;
}

static void setup(void)
{
    struct wf_diag diag = { 0 };
    struct wf_session s = { .id = 7, .peer = { { 0xd1 } } };

    wf_test_mesh_init(&mesh);
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    control = (struct wf_control){ 0 };
    node = (struct wf_node){
        .core = &core, .conf = &conf, .charter = mesh.charter, .control = &control
    };
    node.identity.cert.domain = (struct wf_name){ "servers" };
    revoked = false;
    issued_count = 0;
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(wf_sessions_new(&control.sessions), WEFT_OK);
    memset(s.handshake_hash, 0x4a, sizeof s.handshake_hash);
    ck_assert_int_eq(wf_sessions_add(control.sessions, &s, 1, &session), WEFT_OK);
    ck_assert_msg(wf_join_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
    ticket = (struct wf_ticket_row){ .kind = WF_ID_AGENT,
        .prefix = { "web-" },
        .from = "10.0.0.0/24",
        .uses = 2,
        .expires_ms = wf_test_clock_unix_ms() + WF_TEST_HOUR };
    wf_random(ticket.id, sizeof ticket.id);
    wf_random(ticket.secret, sizeof ticket.secret);
    ck_assert_int_eq(wf_tickets_add(node.join->tickets, &ticket), WEFT_OK);
}

static void teardown(void)
{
    wf_join_room.close(&node);
    wf_sessions_free(control.sessions);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(a_good_proof_is_certified_as_the_ticket_says)
{
    struct newcomer who = honest();

    ck_assert_int_eq(join(&who), WEFT_OK);
    ck_assert_str_eq(issued.subject.s, "web-1");
    ck_assert_str_eq(issued.domain.s, "servers");
    ck_assert_int_eq(issued.kind, WF_ID_AGENT);
    ck_assert_mem_eq(issued.sign_key.b, who.sign.b, WF_KEY_LEN);
    ck_assert_mem_eq(issued.dh_key.b, who.dh.b, WF_KEY_LEN);
}
END_TEST

enum {
    UNKNOWN,
    WRONG_SECRET,
    OTHER_SESSION,
    OTHER_KEY,
    CUT_ID,
    CUT_SIGN,
    CUT_DH,
    ADDRESS,
    PREFIX,
    LATE,
    REVOKED,
    CHARTER
};
static const struct bad {
    const char *why;
    int what;
    enum weft_err want;
} bads[] = {
    { "a ticket that nobody made", UNKNOWN, WEFT_E_TICKET },
    { "who does not know the secret", WRONG_SECRET, WEFT_E_TICKET },
    { "a proof that was heard in another session", OTHER_SESSION, WEFT_E_TICKET },
    { "a key agreement key that did not shake hands", OTHER_KEY, WEFT_E_KEY },
    { "half a ticket's number", CUT_ID, WEFT_E_SYNTAX },
    { "a signing key that is no key", CUT_SIGN, WEFT_E_SYNTAX },
    { "a key agreement key that is no key", CUT_DH, WEFT_E_SYNTAX },
    { "from outside of the ticket's addresses", ADDRESS, WEFT_E_TICKET },
    { "under a name beyond its prefix", PREFIX, WEFT_E_TICKET },
    { "after its time", LATE, WEFT_E_EXPIRED },
    { "with a key that was revoked", REVOKED, WEFT_E_REVOKED },
    { "when the charter has expired", CHARTER, WEFT_E_CHARTER_EXPIRED },
};

START_TEST(a_bad_one_is_refused_and_takes_no_use)
{
    struct newcomer good = honest(), who = good;

    if (bads[_i].what == UNKNOWN)
        who.id[0] ^= 1;
    if (bads[_i].what == WRONG_SECRET)
        who.secret[0] ^= 1;
    if (bads[_i].what == OTHER_SESSION)
        who.hash[0] ^= 1;
    if (bads[_i].what == OTHER_KEY)
        who.dh.b[0] ^= 1;
    who.id_cut = bads[_i].what == CUT_ID ? WF_TICKET_ID_LEN / 2 : 0;
    who.sign_cut = bads[_i].what == CUT_SIGN;
    who.dh_cut = bads[_i].what == CUT_DH;
    if (bads[_i].what == ADDRESS)
        who.address = "10.0.1.7";
    if (bads[_i].what == PREFIX)
        who.name = "db-1";
    if (bads[_i].what == LATE)
        wf_test_clock_skip(WF_TEST_HOUR);
    if (bads[_i].what == CHARTER) {
        mesh.charter->expires_ms = wf_test_clock_unix_ms() - WF_CLOCK_TOLERANCE_MS - 1;
    }
    revoked = bads[_i].what == REVOKED;
    wf_loop_turn(node.loop, 0);
    ck_assert_msg(join(&who) == bads[_i].want, "%s: %s", bads[_i].why, weft_err_name(answered));
    ck_assert_uint_eq(issued_count, 0);
    if (bads[_i].what >= LATE)
        return;
    ck_assert_int_eq(join(&good), WEFT_OK);
    good.sign.b[0] ^= 1;
    good.name = "web-2";
    ck_assert_msg(join(&good) == WEFT_OK, "both uses are left");
}
END_TEST

START_TEST(uses_are_bound_to_keys_and_names_to_their_first)
{
    struct newcomer first = honest(), second = first, third = first;

    ck_assert_int_eq(join(&first), WEFT_OK);
    ck_assert_msg(join(&first) == WEFT_OK, "the same key may repeat the call");
    second.sign.b[0] ^= 1;
    ck_assert_int_eq(join(&second), WEFT_E_EXISTS);
    second.name = "web-2";
    ck_assert_int_eq(join(&second), WEFT_OK);
    third.sign.b[0] ^= 2;
    third.name = "web-3";
    ck_assert_int_eq(join(&third), WEFT_E_TICKET_USED);
    ck_assert_uint_eq(issued_count, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.join");
    TCase *c = tcase_create("tickets");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_good_proof_is_certified_as_the_ticket_says);
    tcase_add_loop_test(c, a_bad_one_is_refused_and_takes_no_use, 0, (int)WF_COUNT(bads));
    tcase_add_test(c, uses_are_bound_to_keys_and_names_to_their_first);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
