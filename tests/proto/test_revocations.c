// SPDX-License-Identifier: Apache-2.0
// Revocation lists: what they say, who may say it, and that nobody can use up their numbers.
#include <check.h>
#include <stdio.h>

#include "proto/trust/doc.h"
#include "tests/support/trust_mesh.h"

#define NOW WF_TEST_NOW

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers, *network;
static struct wf_revoked_token tokens[2];
static struct wf_revoked_key holders[2], origins[1];

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    network = &mesh.d[WF_TEST_NETWORK];
    for (size_t i = 0; i < 2; i++) {
        memset(tokens[i].id.b, (int)i + 1, WF_HASH_LEN);
        memset(holders[i].key.b, (int)i + 1, WF_KEY_LEN);
        tokens[i].expires_ms = NOW + WF_TEST_DAY;
        holders[i].at_ms = NOW - (int64_t)i;
    }
    memset(origins[0].key.b, 9, WF_KEY_LEN);
    origins[0].at_ms = NOW;
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

static struct wf_revocations fields(void)
{
    return (struct wf_revocations){ .mesh_id = mesh.charter->mesh_id,
        .domain = { "servers" },
        .version = 7,
        .issued_ms = NOW,
        .issuer_raw = wf_buf_view(&servers->issuer_cert),
        .token_count = 2,
        .tokens = tokens,
        .holder_count = 2,
        .holders = holders,
        .origin_count = 1,
        .origins = origins };
}

static struct wf_buf sealed(void)
{
    struct wf_revocations f = fields();
    struct wf_buf out = { 0 };
    enum weft_err err = wf_revocations_sign(&f, &servers->issuer, &out);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    return out;
}

static enum weft_err open_list(struct wf_bytes raw, void *context)
{
    struct wf_revocations *r = NULL;
    enum weft_err err = wf_revocations_open(raw, &r);

    (void)context;
    wf_revocations_free(r);
    return err;
}

START_TEST(list_opens_with_every_field)
{
    struct wf_buf raw = sealed();
    struct wf_revocations *r = NULL;

    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &r), WEFT_OK);
    ck_assert_str_eq(r->domain.s, "servers");
    ck_assert(wf_hash_eq(&r->mesh_id, &mesh.charter->mesh_id));
    ck_assert_uint_eq(r->version, 7);
    ck_assert_int_eq(r->issued_ms, NOW);
    ck_assert_mem_eq(r->signer.b, servers->issuer_pub.b, WF_KEY_LEN);
    ck_assert_str_eq(r->issuer.subject.s, "issuer");
    ck_assert(wf_bytes_eq(r->issuer_raw, wf_buf_view(&servers->issuer_cert)));
    ck_assert_uint_eq(r->token_count, 2);
    ck_assert_int_eq(r->tokens[1].expires_ms, NOW + WF_TEST_DAY);
    ck_assert_uint_eq(r->holder_count, 2);
    ck_assert_int_eq(r->holders[1].at_ms, NOW - 1);
    ck_assert_uint_eq(r->origin_count, 1);
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW), WEFT_OK);
    wf_test_trust_vector("260-revocations", "accepted: of servers, version 7", wf_buf_view(&raw));
    wf_revocations_free(r);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(empty_list_is_a_list)
{
    struct wf_revocations f = fields();
    struct wf_buf raw = { 0 };

    f.token_count = f.holder_count = f.origin_count = 0;
    ck_assert_int_eq(wf_revocations_sign(&f, &servers->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(open_list(wf_buf_view(&raw), NULL), WEFT_OK);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(looking_up_finds_what_stands_there)
{
    struct wf_buf raw = sealed();
    struct wf_revocations *r = NULL;
    struct wf_hash other = wf_test_hash("another token");

    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &r), WEFT_OK);
    ck_assert(wf_revocations_has_token(r, &tokens[0].id));
    ck_assert(wf_revocations_has_token(r, &tokens[1].id));
    ck_assert(!wf_revocations_has_token(r, &other));
    // A holder's tokens are void when issued before; an origin's deeds are refused from then on.
    ck_assert(wf_revocations_has_holder(r, &holders[0].key, NOW - 1));
    ck_assert(!wf_revocations_has_holder(r, &holders[0].key, NOW));
    ck_assert(!wf_revocations_has_holder(r, &origins[0].key, 0));
    ck_assert(wf_revocations_has_origin(r, &origins[0].key, NOW));
    ck_assert(!wf_revocations_has_origin(r, &origins[0].key, NOW - 1));
    ck_assert(!wf_revocations_has_origin(r, &holders[0].key, NOW));
    wf_revocations_free(r);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(large_list_is_searched_right)
{
    enum { COUNT = 1000 };
    static struct wf_revoked_token many[COUNT];
    struct wf_revocations f = fields(), *r = NULL;
    struct wf_buf raw = { 0 };
    struct wf_hash odd = { { 0 } };

    for (uint32_t i = 0; i < COUNT; i++) {
        wf_store_be32(many[i].id.b, 2 * i);
        many[i].expires_ms = NOW;
    }
    f.tokens = many;
    f.token_count = COUNT;
    ck_assert_int_eq(wf_revocations_sign(&f, &servers->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &r), WEFT_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        wf_store_be32(odd.b, 2 * i + 1);
        ck_assert(wf_revocations_has_token(r, &many[i].id));
        ck_assert(!wf_revocations_has_token(r, &odd));
    }
    wf_revocations_free(r);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(list_stands_under_charter_issuer_and_time)
{
    struct wf_buf raw = sealed();
    struct wf_revocations *r = NULL;
    struct wf_cert c = wf_test_cert("servers", WF_ID_ISSUER, "issuer");

    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &r), WEFT_OK);
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW - 60000), WEFT_OK);
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW - 60001), WEFT_E_FUTURE);
    // Its issuer is judged when it was issued, not now.
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW + 1000 * WF_TEST_DAY), WEFT_OK);
    r->mesh_id = wf_test_hash("another mesh");
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW), WEFT_E_WRONG_MESH);
    r->mesh_id = mesh.charter->mesh_id;
    r->issued_ms = NOW - WF_TEST_DAY; // before the issuer's certificate began
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW), WEFT_E_NOT_YET);
    r->issued_ms = NOW;
    mesh.charter->members[WF_TEST_SERVERS].root_key = network->root_pub;
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW), WEFT_E_CHAIN);
    mesh.charter->members[WF_TEST_SERVERS].root_key = servers->root_pub;
    wf_revocations_free(r);
    wf_buf_fini(&raw);
    // An issuer that may grant but not revoke.
    c.usages = WF_USE_TOKEN;
    struct wf_buf cert = wf_test_cert_issue(&c, &servers->root);
    struct wf_revocations f = fields();
    f.issuer_raw = wf_buf_view(&cert);
    ck_assert_int_eq(wf_revocations_sign(&f, &servers->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &r), WEFT_OK);
    ck_assert_int_eq(wf_revocations_verify(r, mesh.charter, NOW), WEFT_E_PURPOSE);
    wf_revocations_free(r);
    wf_buf_fini(&cert);
    wf_buf_fini(&raw);
}
END_TEST

#define CHANGE(name, code)                                                                         \
    static void name(struct wf_revocations *f)                                                     \
    {                                                                                              \
        (void)f;                                                                                   \
        code;                                                                                      \
    }
static struct wf_revoked_token many_tokens[WF_MAX_REVOCATIONS / 8];
CHANGE(nothing, (void)0)
CHANGE(no_domain, f->domain.s[0] = '\0')
CHANGE(bad_domain, f->domain.s[0] = '9')
CHANGE(other_domain, f->domain = (struct wf_name){ "network" })
CHANGE(no_version, f->version = 0)
CHANGE(last_version, f->version = UINT64_MAX)
CHANGE(version_ahead, f->version = (uint64_t)NOW + 1)
CHANGE(highest_version, f->version = NOW)
CHANGE(negative, f->issued_ms = -1)
CHANGE(far, f->issued_ms = WF_MAX_TIME_MS + 1)
CHANGE(no_issuer, f->issuer_raw.len = 0)
CHANGE(other_issuer, f->issuer_raw = wf_buf_view(&network->issuer_cert))
CHANGE(node_issuer, f->issuer_raw = wf_buf_view(&servers->node_cert))
CHANGE(cut_issuer, f->issuer_raw.len--)
CHANGE(token_twice, tokens[1].id = tokens[0].id)
CHANGE(tokens_unsorted, tokens[0].id.b[0] = 5)
CHANGE(token_expiry, tokens[0].expires_ms = -1)
CHANGE(holder_twice, holders[1].key = holders[0].key)
CHANGE(holders_unsorted, holders[0].key.b[0] = 5)
CHANGE(holder_zero, memset(holders[0].key.b, 0, WF_KEY_LEN))
CHANGE(holder_time, holders[0].at_ms = WF_MAX_TIME_MS + 1)
CHANGE(origin_time, origins[0].at_ms = -1)
CHANGE(too_long, (f->tokens = many_tokens, f->token_count = WF_COUNT(many_tokens)))

static const struct {
    const char *why;
    void (*change)(struct wf_revocations *);
    enum weft_err want;
} rows[] = {
    { "unchanged", nothing, WEFT_OK },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a bad domain", bad_domain, WEFT_E_NAME },
    { "another domain than the issuer's", other_domain, WEFT_E_WRONG_DOMAIN },
    { "version 0", no_version, WEFT_E_RANGE },
    { "the last version there is", last_version, WEFT_E_RANGE },
    { "a version ahead of its time", version_ahead, WEFT_E_RANGE },
    { "the highest version of its time", highest_version, WEFT_OK },
    { "issued before 1970", negative, WEFT_E_RANGE },
    { "issued beyond the year 9999", far, WEFT_E_RANGE },
    { "no issuer", no_issuer, WEFT_E_MISSING_FIELD },
    { "another domain's issuer enclosed", other_issuer, WEFT_E_CHAIN },
    { "a node's certificate enclosed", node_issuer, WEFT_E_CHAIN },
    { "half a certificate enclosed", cut_issuer, WEFT_E_TRUNCATED },
    { "a token twice", token_twice, WEFT_E_ORDER },
    { "tokens out of order", tokens_unsorted, WEFT_E_ORDER },
    { "a token that expires before 1970", token_expiry, WEFT_E_RANGE },
    { "a holder twice", holder_twice, WEFT_E_ORDER },
    { "holders out of order", holders_unsorted, WEFT_E_ORDER },
    { "a holder of zeros", holder_zero, WEFT_E_KEY },
    { "a holder's time beyond the year 9999", holder_time, WEFT_E_RANGE },
    { "an origin's time before 1970", origin_time, WEFT_E_RANGE },
    { "longer than a document", too_long, WEFT_E_TOO_BIG },
};

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_revocations f = fields();
    struct wf_buf raw = { 0 };

    for (uint32_t i = 0; i < WF_COUNT(many_tokens); i++)
        wf_store_be32(many_tokens[i].id.b, i);
    rows[_i].change(&f);
    // Signing opens what it made, so the reason is the reader's.
    enum weft_err err = wf_revocations_sign(&f, &servers->issuer, &raw);
    ck_assert_msg(err == rows[_i].want, "%s: %s", rows[_i].why, weft_err_name(err));
    ck_assert((raw.len == 0) == (err != WEFT_OK));
    wf_buf_fini(&raw);
}
END_TEST

// The same over messages, for what no fields can say.
#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__RevocationList *m)                                                  \
    {                                                                                              \
        code;                                                                                      \
    }
static Weft__V1__RevokedToken one_token;
static Weft__V1__RevokedHolder one_holder;
static Weft__V1__RevokedToken *token_list[1] = { &one_token };
static Weft__V1__RevokedHolder *holder_list[1] = { &one_holder };
MUTATION(as_it_is, (void)m)
MUTATION(short_mesh, m->mesh_id.len = 31)
MUTATION(missing_mesh, m->mesh_id.len = 0)
MUTATION(missing_signer, m->signer.len = 0)
MUTATION(other_signer, m->signer = wf_pb_bin(WF_BYTES(network->issuer_pub.b)))
MUTATION(token_without_id, (m->n_tokens = 1, m->tokens = token_list))
MUTATION(holder_without_key, (m->n_holders = 1, m->holders = holder_list))

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__RevocationList *);
    enum weft_err want;
} messages[] = {
    { "unchanged", as_it_is, WEFT_OK },
    { "a mesh id of 31 bytes", short_mesh, WEFT_E_SYNTAX },
    { "no mesh id", missing_mesh, WEFT_E_MISSING_FIELD },
    { "no signer", missing_signer, WEFT_E_MISSING_FIELD },
    { "another signer", other_signer, WEFT_E_SIGNATURE },
    { "a token without id", token_without_id, WEFT_E_MISSING_FIELD },
    { "a holder without key", holder_without_key, WEFT_E_MISSING_FIELD },
};

START_TEST(each_bad_message_has_its_reason)
{
    Weft__V1__RevocationList m = WEFT__V1__REVOCATION_LIST__INIT;
    struct wf_buf raw = { 0 };

    weft__v1__revoked_token__init(&one_token);
    weft__v1__revoked_holder__init(&one_holder);
    m.domain = wf_pb_str("servers");
    m.mesh_id = wf_pb_bin(wf_hash_view(&mesh.charter->mesh_id));
    m.version = 1;
    m.issued_ms = NOW;
    m.signer = wf_pb_bin(WF_BYTES(servers->issuer_pub.b));
    m.issuer = wf_pb_bin(wf_buf_view(&servers->issuer_cert));
    messages[_i].mutate(&m);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_REVOCATIONS, &m, &servers->issuer, &raw), WEFT_OK);
    enum weft_err err = open_list(wf_buf_view(&raw), NULL);
    ck_assert_msg(err == messages[_i].want, "%s: %s", messages[_i].why, weft_err_name(err));
    if (err)
        wf_test_trust_refused(
            (unsigned)(260 + _i), "revocations", err, messages[_i].why, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(damaged_list_is_refused)
{
    struct wf_buf raw = sealed();

    wf_test_truncations(wf_buf_view(&raw), open_list, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 5, open_list, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(list_opens_as_nothing_else)
{
    struct wf_buf raw = sealed();
    struct wf_arena arena;
    struct wf_sealed s;

    wf_arena_init(&arena, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_REVOCATIONS, &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, WF_DOC_REVOCATIONS, &servers->issuer, open_list, NULL);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err sign_and_open(struct wf_bytes in, void *context)
{
    struct wf_revocations f = fields();
    struct wf_buf raw = { 0 };
    enum weft_err err = wf_revocations_sign(&f, &servers->issuer, &raw);

    (void)in;
    if (!err)
        err = open_list(wf_buf_view(&raw), context);
    wf_buf_fini(&raw);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR(""), sign_and_open, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("revocations");
    TCase *t = tcase_create("revocations");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, list_opens_with_every_field);
    tcase_add_test(t, empty_list_is_a_list);
    tcase_add_test(t, looking_up_finds_what_stands_there);
    tcase_add_test(t, large_list_is_searched_right);
    tcase_add_test(t, list_stands_under_charter_issuer_and_time);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(rows));
    tcase_add_loop_test(t, each_bad_message_has_its_reason, 0, (int)WF_COUNT(messages));
    tcase_add_test(t, damaged_list_is_refused);
    tcase_add_test(t, list_opens_as_nothing_else);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
