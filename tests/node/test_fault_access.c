// SPDX-License-Identifier: Apache-2.0
// Grants and revocations with every allocation, write, sync and read failing in turn (tests/support/fault.h): what was granted is listed and can be
// taken back, what was taken back stays so, whatever is lost beside the node's own files.
#include "tests/node/access_ask.h"
#include "tests/support/iddir.h"

static struct wf_buf held;      // the token that was handed out
static struct wf_hash token_id; // its id

// ---- the room's life ---------------------------------------------------------------------------------------------------

static void stop(void)
{
    wf_access_room.close(&node);
}

static enum weft_err try_start(void)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_access_room.open(&node, &diag);

    if (!err)
        err = wf_access_room.start(&node, &diag);
    if (!err)
        node.access->has_product = true;
    return err;
}

// A start, so that what is on the disk is read again.
static void start_again(void)
{
    stop();
    ck_assert_int_eq(try_start(), WEFT_OK);
}

// ---- asking ------------------------------------------------------------------------------------------------------------

static void begin(void)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    setup();
    held.len = 0;
    advertise("cpu", &rule, 1);
    advertise("hosts", NULL, 0);
    wf_access_room.tick(&node); // the domain's first list
    start_again();
}

static void hold(ProtobufCBinaryData token)
{
    struct wf_token *t = NULL;

    wf_fault_spare(true);
    held.len = 0;
    ck_assert_int_eq(wf_buf_append(&held, wf_pb_view(token)), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&held), &t, NULL), WEFT_OK);
    token_id = *wf_token_id(t);
    wf_token_free(t);
    wf_fault_spare(false);
}

static enum weft_err ask_owner(Weft__V1__GrantRequest *q)
{
    call_local();
    call.request.kind_case = WEFT__V1__REQUEST__KIND_GRANT;
    call.request.grant = q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert(call.answered);
    return call.err;
}

static enum weft_err grant_by_hand(void)
{
    char *products[] = { wf_pb_str("cpu") }, *verbs[] = { wf_pb_str("query") };
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    q.products = products;
    q.verbs = verbs;
    q.n_products = q.n_verbs = 1;
    q.holder = wf_pb_bin(WF_BYTES(reader.cert.sign_key.b));
    enum weft_err err = ask_owner(&q);
    if (!err)
        hold(call.reply->grant->token);
    return err;
}

static enum weft_err ask_by_rule(void)
{
    request(&reader, "cpu", "query", true);
    ck_assert(call.answered);
    if (call.err)
        return call.err;
    ck_assert_str_eq(call.reply->access->state, "granted");
    hold(call.reply->access->token);
    return WEFT_OK;
}

// Asked of a person, who grants it; then the asker looks again.
static enum weft_err ask_and_grant(void)
{
    uint8_t id[WF_REQUEST_ID_LEN];
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    enum weft_err err = WEFT_OK;

    request(&reader, "hosts", "query", false);
    if (!call.err && strcmp(call.reply->access->state, "pending") == 0) {
        ck_assert_uint_eq(call.reply->access->request_id.len, sizeof id);
        memcpy(id, call.reply->access->request_id.data, sizeof id);
        q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
        q.request_id = wf_pb_bin(WF_BYTES(id));
        err = ask_owner(&q);
        if (!err)
            request(&reader, "hosts", "query", false);
    }
    if (err || call.err)
        return err ? err : call.err;
    ck_assert_str_eq(call.reply->access->state, "granted");
    hold(call.reply->access->token);
    return WEFT_OK;
}

static enum weft_err revoke_token(void)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE;
    q.token_id = wf_pb_bin(wf_hash_view(&token_id));
    return ask_owner(&q);
}

static enum weft_err revoke_holder(void)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE;
    q.holder = wf_pb_bin(WF_BYTES(reader.cert.sign_key.b));
    return ask_owner(&q);
}

// The next start, with the registry's file lost: what others hold comes back, the domain's own list is this room's matter.
static void lose_registry(void)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    wf_catalog_free(catalog);
    wf_store_free(store);
    ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &catalog),
        WEFT_OK);
    advertise("cpu", &rule, 1);
    advertise("hosts", NULL, 0);
}

static void end_room(void)
{
    rig_close();
}

// ---- what holds --------------------------------------------------------------------------------------------------------

// The row that the token's holder is listed with; how many rows there are.
static size_t listed(char *ret_state, size_t size)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_LIST;
    ck_assert_int_eq(ask_owner(&q), WEFT_OK);
    const Weft__V1__GrantReply *r = call.reply->grant;
    for (size_t i = 0; i < r->n_grants; i++)
        if (held.len && r->grants[i]->token_id.len == WF_HASH_LEN &&
            memcmp(r->grants[i]->token_id.data, token_id.b, WF_HASH_LEN) == 0) {
            ck_assert_int_eq(
                memcmp(r->grants[i]->holder_key.data, reader.cert.sign_key.b, WF_KEY_LEN), 0);
            snprintf(ret_state, size, "%s", r->grants[i]->state);
        }
    return r->n_grants;
}

static enum weft_err decide(const char *product)
{
    struct wf_access asked = { .domain = "servers", .product = product, .verb = WF_VERB_QUERY };
    struct wf_granted granted;

    wf_token_free(call.token);
    call.token = NULL;
    ck_assert_int_eq(wf_token_open(wf_buf_view(&held), &call.token, NULL), WEFT_OK);
    call_by(&reader);
    bool may = wf_access_check(
        &node, &call.pub, &asked, (ProtobufCBinaryData){ 0 }, (ProtobufCBinaryData){ 0 }, &granted);
    ck_assert(may != call.answered);
    wf_token_free(call.token);
    call.token = NULL;
    return may ? WEFT_OK : call.err;
}

// Who was told has a token that works and is listed, once; who was not asks again. Now and after the next start.
static void end_granted(enum weft_err err, enum weft_err (*again)(void), const char *product)
{
    char state[16] = "";

    if (err && again != ask_and_grant) // a request may wait by then
        ck_assert_uint_eq(listed(state, sizeof state), 0);
    for (int start = 0; start < 2; start++) {
        if (err)
            err = again();
        ck_assert_msg(!err, "it does not go on: %s", weft_err_name(err));
        ck_assert_uint_eq(listed(state, sizeof state), 1);
        ck_assert_str_eq(state, "granted");
        ck_assert_int_eq(decide(product), WEFT_OK);
        start_again();
    }
    end_room();
}

static void end_by_hand(enum weft_err err)
{
    end_granted(err, grant_by_hand, "cpu");
}

static void end_by_rule(enum weft_err err)
{
    end_granted(err, ask_by_rule, "cpu");
}

static void end_by_person(enum weft_err err)
{
    end_granted(err, ask_and_grant, "hosts");
}

static bool list_has_it(void)
{
    const struct wf_revocations *r = wf_access_revocations(&node);

    return r && (wf_revocations_has_token(r, &token_id) ||
                    wf_revocations_has_holder(r, &reader.cert.sign_key, WF_TEST_NOW));
}

// Taken back: by the list, in the table, and no rule gives it again; also when the registry is lost.
static void check_revoked(void)
{
    char state[16] = "";

    for (int start = 0; start < 2; start++) {
        ck_assert(list_has_it());
        listed(state, sizeof state);
        ck_assert_str_eq(state, "revoked");
        ck_assert_int_eq(decide("cpu"), WEFT_E_REVOKED);
        unix_ms += 1000;
        ck_assert_int_eq(ask_by_rule(), WEFT_E_NO_CAPABILITY);
        stop();
        lose_registry();
        ck_assert_int_eq(try_start(), WEFT_OK);
        wf_access_room.tick(&node);
    }
}

static void begin_granted(void)
{
    begin();
    ck_assert_int_eq(ask_by_rule(), WEFT_OK);
    start_again();
    dropped = 0;
}

static void end_revoked(enum weft_err err, enum weft_err (*again)(void))
{
    if (err)
        err = again();
    ck_assert_msg(!err, "it does not go on: %s", weft_err_name(err));
    ck_assert_uint_gt(dropped, 0); // sessions end with it
    check_revoked();
    end_room();
}

static void end_token(enum weft_err err)
{
    end_revoked(err, revoke_token);
}

static void end_holder(enum weft_err err)
{
    end_revoked(err, revoke_holder);
}

// ---- a start -----------------------------------------------------------------------------------------------------------

static bool started;

static void begin_stopped(void)
{
    begin_granted();
    ck_assert_int_eq(revoke_token(), WEFT_OK);
    stop();
    lose_registry();
}

static enum weft_err start_and_sign(void)
{
    enum weft_err err = try_start();

    started = !err;
    if (err)
        return err;
    wf_access_room.tick(&node);
    return alarmed[0] ? WEFT_E_PARTIAL : WEFT_OK;
}

// A list that could not be read is no reason to sign one without it.
static void end_stopped(enum weft_err err)
{
    (void)err;
    if (!started) {
        stop();
        ck_assert_int_eq(try_start(), WEFT_OK);
    }
    const struct wf_revocations *r = wf_access_revocations(&node);
    ck_assert(!r || list_has_it());
    now_ms += 60000;
    wf_access_room.tick(&node);
    ck_assert_str_eq(alarmed, "");
    check_revoked();
    end_room();
}

// ---- a holder hands on -------------------------------------------------------------------------------------------------

static struct wf_identity_dir *holder_dir;
static const char *holder_at;

static enum weft_err open_holder(void)
{
    struct wf_diag diag = { 0 };

    wf_identity_free(holder_dir);
    holder_dir = NULL;
    return wf_identity_load(holder_at, unix_ms, &holder_dir, &diag);
}

// The directory of node-1 of security, whom alice hands a shorter token.
static void begin_holder(void)
{
    begin();
    holder_at = wf_test_tmpdir();
    holder_dir = wf_test_identity_dir(&mesh, WF_TEST_SECURITY, holder_at, unix_ms);
}

static enum weft_err delegate(void)
{
    struct wf_test_block b;
    struct wf_buf whole = { 0 }, longer = { 0 };
    struct wf_token *t = NULL;
    struct wf_diag diag = { 0 };

    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &holders.alice_pub);
    enum weft_err err = wf_token_grant(&b.fields, wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert),
        &mesh.d[WF_TEST_SERVERS].issuer, &whole);
    b.fields.holder = mesh.d[WF_TEST_SECURITY].node_pub;
    b.fields.verbs = WF_VERB_QUERY;
    b.fields.method_count = 0;
    if (!err)
        err = wf_token_open(wf_buf_view(&whole), &t, &diag);
    if (!err)
        err = wf_token_delegate(t, &b.fields, &holders.alice, &longer);
    if (!err)
        err = wf_identity_import_token(holder_dir, wf_buf_view(&longer), unix_ms, NULL, &diag);
    wf_token_free(t);
    wf_buf_fini(&whole);
    wf_buf_fini(&longer);
    return err;
}

// Who was told has it after the next start, whole; nobody has half of one.
static void end_delegated(enum weft_err err)
{
    for (int again = 0; again < 2; again++) {
        struct wf_token *t = NULL;
        ck_assert_int_eq(open_holder(), WEFT_OK);
        enum weft_err found = wf_identity_find_token(
            holder_dir, "servers", "hosts", WF_VERB_QUERY, NULL, unix_ms, &t);
        ck_assert_msg(!found || (err && found == WEFT_E_NO_CAPABILITY), "%s, then %s",
            weft_err_name(err), weft_err_name(found));
        wf_token_free(t);
        if (!again) {
            err = delegate();
            ck_assert_msg(!err, "it does not go on: %s", weft_err_name(err));
        }
    }
    wf_identity_free(holder_dir);
    holder_dir = NULL;
    end_room();
}

// What was opened was read whole, to be checked: only a start reads.
#define NO_READS (1u << WF_FAULT_ALLOC | 1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC)
static const struct wf_scenario scenarios[] = {
    { "access, a grant by hand", NO_READS, begin, grant_by_hand, end_by_hand },
    { "access, a grant by a rule", NO_READS, begin, ask_by_rule, end_by_rule },
    { "access, asked of a person", NO_READS, begin, ask_and_grant, end_by_person },
    { "access, a token revoked", NO_READS, begin_granted, revoke_token, end_token },
    { "access, a holder revoked", NO_READS, begin_granted, revoke_holder, end_holder },
    { "access, a start without the registry", 0, begin_stopped, start_and_sign, end_stopped },
    { "access, delegated and kept", NO_READS, begin_holder, delegate, end_delegated },
};

START_TEST(what_was_granted_is_known_and_what_was_revoked_stays_so)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.fault_access");
    TCase *t = tcase_create("fault");

    tcase_set_timeout(t, 1800);
    tcase_add_loop_test(
        t, what_was_granted_is_known_and_what_was_revoked_stays_so, 0, WF_COUNT(scenarios));
    return rig_run(s, t);
}
