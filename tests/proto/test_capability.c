// SPDX-License-Identifier: Apache-2.0
// Tokens as documents: that a chain holds together and only ever shrinks.
#include <check.h>
#include <stdio.h>

#include "proto/base/print.h"
#include "tests/support/trust_token.h"

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers, *network;
static struct wf_test_holders who;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&who);
    servers = &mesh.d[WF_TEST_SERVERS];
    network = &mesh.d[WF_TEST_NETWORK];
}

static void teardown(void)
{
    wf_test_holders_fini(&who);
    wf_test_mesh_fini(&mesh);
}

static void block_init(struct wf_test_block *b, const struct wf_sign_pub *holder)
{
    wf_test_block_init(b, &mesh.charter->mesh_id, "servers", holder);
}

static struct wf_buf grant(const struct wf_test_block *b)
{
    struct wf_buf raw = { 0 };
    enum weft_err err =
        wf_token_grant(&b->fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    return raw;
}

static struct wf_token *open_token(const struct wf_buf *raw)
{
    struct wf_token *t = NULL;
    struct wf_diag diag;
    enum weft_err err = wf_token_open(wf_buf_view(raw), &t, &diag);

    ck_assert_msg(err == WEFT_OK, "%s: %s", weft_err_name(err), diag.text);
    return t;
}

// A limited block for alice and one for bob below it.
static struct wf_buf sample_chain(void)
{
    struct wf_test_block first, second;
    struct wf_buf raw, longer = { 0 };

    block_init(&first, &who.alice_pub);
    block_init(&second, &who.bob_pub);
    wf_test_block_limit(&first);
    wf_test_block_limit(&second);
    raw = grant(&first);
    struct wf_token *t = open_token(&raw);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.alice, &longer), WEFT_OK);
    wf_token_free(t);
    wf_buf_fini(&raw);
    return longer;
}

static enum weft_err open_raw(struct wf_bytes raw, void *context)
{
    struct wf_token *t = NULL;
    enum weft_err err = wf_token_open(raw, &t, NULL);

    (void)context;
    wf_token_free(t);
    return err;
}

// ---- whole tokens

START_TEST(granted_token_opens_with_every_field)
{
    struct wf_test_block b;

    block_init(&b, &who.alice_pub);
    wf_test_block_limit(&b);
    struct wf_buf raw = grant(&b);
    struct wf_token *t = open_token(&raw);
    const struct wf_block *got = wf_token_last(t);
    ck_assert_uint_eq(t->block_count, 1);
    ck_assert(wf_hash_eq(&got->mesh_id, &mesh.charter->mesh_id));
    ck_assert_str_eq(got->domain.s, "servers");
    ck_assert_mem_eq(got->signer.b, servers->issuer_pub.b, WF_KEY_LEN);
    ck_assert_mem_eq(got->holder.b, who.alice_pub.b, WF_KEY_LEN);
    ck_assert(wf_hash_is_zero(&got->previous));
    ck_assert_uint_eq(got->product_count, 2);
    ck_assert_str_eq(got->products[1].s, "disk-*");
    ck_assert_uint_eq(got->verbs, b.fields.verbs);
    ck_assert_uint_eq(got->method_count, 1);
    ck_assert_str_eq(got->methods[0].s, "Get*");
    ck_assert_int_eq(got->issued_ms, WF_TEST_NOW);
    ck_assert_int_eq(got->expires_ms, WF_TEST_NOW + WF_TEST_DAY);
    ck_assert(got->limits_columns);
    ck_assert_str_eq(got->columns[1], "host");
    ck_assert_uint_eq(got->row_count, 2);
    ck_assert_str_eq(got->rows[1].text, "0.5");
    ck_assert_int_eq((int)got->rows[1].comparison, WF_CMP_GT);
    ck_assert_str_eq(got->regions[0], "eu-west");
    ck_assert_str_eq(got->purpose, "capacity planning");
    ck_assert_uint_eq(got->rate_per_minute, 60);
    ck_assert_mem_eq(got->nonce, b.fields.nonce, sizeof got->nonce);
    ck_assert_str_eq(t->issuer.domain.s, "servers");
    ck_assert(wf_hash_eq(wf_token_id(t), &got->id));
    ck_assert_int_eq(wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_OK);
    wf_test_trust_vector("400-token", "accepted: one block, servers to alice", wf_buf_view(&raw));
    wf_token_free(t);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(delegated_token_is_the_intersection_of_its_blocks)
{
    struct wf_test_block first, second;
    struct wf_buf raw, longer = { 0 };
    struct wf_arena arena;
    bool limited = false;
    const char **columns;
    size_t count = 0;

    block_init(&first, &who.alice_pub);
    block_init(&second, &who.bob_pub);
    wf_test_block_limit(&first);
    wf_test_block_limit(&second);
    second.fields.expires_ms -= WF_TEST_HOUR;
    second.fields.rate_per_minute = 6;
    second.fields.column_count = 1;
    raw = grant(&first);
    struct wf_token *t = open_token(&raw);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.alice, &longer), WEFT_OK);
    wf_token_free(t);
    t = open_token(&longer);
    ck_assert_uint_eq(t->block_count, 2);
    ck_assert_mem_eq(wf_token_last(t)->holder.b, who.bob_pub.b, WF_KEY_LEN);
    ck_assert_int_eq(wf_token_expires_ms(t), WF_TEST_NOW + WF_TEST_DAY - WF_TEST_HOUR);
    ck_assert_uint_eq(wf_token_rate(t), 6);
    wf_arena_init(&arena, 4096);
    ck_assert_int_eq(wf_token_columns(t, &arena, &limited, &columns, &count), WEFT_OK);
    ck_assert(limited);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(columns[0], "name");
    wf_test_trust_vector(
        "401-token-delegated", "accepted: servers to alice, alice to bob", wf_buf_view(&longer));
    wf_arena_fini(&arena);
    wf_token_free(t);
    wf_buf_fini(&raw);
    wf_buf_fini(&longer);
}
END_TEST

START_TEST(unlimited_token_limits_no_columns_and_no_rate)
{
    struct wf_test_block b;
    struct wf_arena arena;
    bool limited = true;
    const char **columns;
    size_t count = 1;

    block_init(&b, &who.alice_pub);
    struct wf_buf raw = grant(&b);
    struct wf_token *t = open_token(&raw);
    wf_arena_init(&arena, 4096);
    ck_assert_int_eq(wf_token_columns(t, &arena, &limited, &columns, &count), WEFT_OK);
    ck_assert(!limited && count == 0);
    ck_assert_uint_eq(wf_token_rate(t), 0);
    wf_arena_fini(&arena);
    wf_token_free(t);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(equal_grants_have_different_ids_by_their_nonce)
{
    struct wf_test_block b;

    block_init(&b, &who.alice_pub);
    struct wf_buf one = grant(&b);
    b.fields.nonce[0] ^= 1;
    struct wf_buf two = grant(&b);
    struct wf_token *t = open_token(&one), *u = open_token(&two);
    ck_assert(!wf_hash_eq(wf_token_id(t), wf_token_id(u)));
    wf_token_free(t);
    wf_token_free(u);
    wf_buf_fini(&one);
    wf_buf_fini(&two);
}
END_TEST

START_TEST(printed_token_reads_back)
{
    struct wf_buf raw = sample_chain(), text = { 0 }, other = { 0 };
    struct wf_token *t = NULL;
    struct wf_diag diag;

    ck_assert_int_eq(wf_token_print(wf_buf_view(&raw), &text), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&text), WF_STR("weftcap1")));
    ck_assert_int_eq(wf_token_parse(wf_buf_view(&text), &t, &diag), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&t->raw), wf_buf_view(&raw)));
    wf_token_free(t);
    text.ptr[40] = text.ptr[40] == 'q' ? 'p' : 'q';
    ck_assert_int_eq(wf_token_parse(wf_buf_view(&text), &t, &diag), WEFT_E_CHECKSUM);
    ck_assert_int_eq(wf_print(WF_PREFIX_TICKET, wf_buf_view(&raw), &other), WEFT_OK);
    ck_assert_int_eq(wf_token_parse(wf_buf_view(&other), &t, &diag), WEFT_E_PREFIX);
    static char big[2 * WF_MAX_TOKEN + 1];
    memset(big, 'q', sizeof big);
    ck_assert_int_eq(wf_token_parse(WF_BYTES(big), &t, &diag), WEFT_E_TOO_BIG);
    wf_buf_fini(&raw);
    wf_buf_fini(&text);
    wf_buf_fini(&other);
}
END_TEST

START_TEST(verification_asks_charter_issuer_and_time)
{
    struct wf_test_block b;
    struct wf_hash id = mesh.charter->mesh_id;

    block_init(&b, &who.alice_pub);
    struct wf_buf raw = grant(&b);
    struct wf_token *t = open_token(&raw);
    ck_assert_int_eq(
        wf_token_verify(t, mesh.charter, WF_TEST_NOW + 400 * WF_TEST_DAY), WEFT_E_EXPIRED);
    mesh.charter->mesh_id = wf_test_hash("another mesh");
    ck_assert_int_eq(wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_E_WRONG_MESH);
    mesh.charter->mesh_id = id;
    // An issuer of the same name under a root that is not the member's.
    mesh.charter->members[WF_TEST_SERVERS].root_key = network->root_pub;
    ck_assert_int_eq(wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_E_CHAIN);
    wf_token_free(t);
    wf_buf_fini(&raw);
    // An issuer that may certify, but not grant.
    struct wf_cert c = wf_test_cert("servers", WF_ID_ISSUER, "issuer");
    c.usages = WF_USE_CERTIFICATE;
    struct wf_buf cert = wf_test_cert_issue(&c, &servers->root);
    mesh.charter->members[WF_TEST_SERVERS].root_key = servers->root_pub;
    ck_assert_int_eq(
        wf_token_grant(&b.fields, wf_buf_view(&cert), &servers->issuer, &raw), WEFT_OK);
    t = open_token(&raw);
    ck_assert_int_eq(wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_E_PURPOSE);
    wf_token_free(t);
    wf_buf_fini(&raw);
    wf_buf_fini(&cert);
}
END_TEST

// ---- chains that do not hold together

START_TEST(broken_chains_have_their_reasons)
{
    struct wf_buf two = sample_chain(), foreign;
    struct wf_test_block other;
    struct wf_arena arena;
    struct wf_bytes b[2], f[2];
    struct wf_bytes issuer = wf_buf_view(&servers->issuer_cert);

    block_init(&other, &who.alice_pub);
    other.fields.nonce[0] ^= 1;
    foreign = grant(&other);
    wf_arena_init(&arena, 1u << 20);
    wf_test_token_blocks(&two, &arena, b);
    wf_test_token_blocks(&foreign, &arena, f);
    const struct {
        const char *why;
        struct wf_bytes blocks[9];
        size_t count;
        struct wf_bytes issuer;
        enum weft_err want;
    } rows[] = {
        { "as it was", { b[0], b[1] }, 2, issuer, WEFT_OK },
        { "no block", { { 0 } }, 0, issuer, WEFT_E_MISSING_FIELD },
        { "no issuer", { b[0] }, 1, { 0 }, WEFT_E_MISSING_FIELD },
        { "an issuer that is no certificate", { b[0] }, 1, b[0], WEFT_E_PURPOSE },
        { "another domain's issuer", { b[0] }, 1, wf_buf_view(&network->issuer_cert),
            WEFT_E_CHAIN },
        { "blocks reordered", { b[1], b[0] }, 2, issuer, WEFT_E_ORDER },
        { "the first block cut off", { b[1] }, 1, issuer, WEFT_E_ORDER },
        { "a block twice", { b[0], b[0] }, 2, issuer, WEFT_E_ORDER },
        { "a block on another token", { f[0], b[1] }, 2, issuer, WEFT_E_ORDER },
        { "nine blocks", { b[0], b[1], b[1], b[1], b[1], b[1], b[1], b[1], b[1] }, 9, issuer,
            WEFT_E_TOO_BIG },
        { "an empty block", { b[0], { (const uint8_t *)"", 0 } }, 2, issuer, WEFT_E_MISSING_FIELD },
    };
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf raw = wf_test_token(rows[i].blocks, rows[i].count, rows[i].issuer);
        enum weft_err err = open_raw(wf_buf_view(&raw), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        if (err && raw.len)
            wf_test_trust_refused(
                (unsigned)(450 + i), "token", err, rows[i].why, wf_buf_view(&raw));
        wf_buf_fini(&raw);
    }
    wf_arena_fini(&arena);
    wf_buf_fini(&two);
    wf_buf_fini(&foreign);
}
END_TEST

START_TEST(only_the_holder_with_delegate_adds_a_block)
{
    struct wf_test_block first, second;
    struct wf_buf raw, out = { 0 };
    struct wf_token *t;

    block_init(&first, &who.alice_pub);
    block_init(&second, &who.bob_pub);
    raw = grant(&first);
    t = open_token(&raw);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.bob, &out), WEFT_E_HOLDER);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &servers->issuer, &out), WEFT_E_HOLDER);
    wf_token_free(t);
    wf_buf_fini(&raw);
    first.fields.verbs &= ~(uint32_t)WF_VERB_DELEGATE;
    second.fields.verbs &= ~(uint32_t)WF_VERB_DELEGATE;
    raw = grant(&first);
    t = open_token(&raw);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.alice, &out), WEFT_E_VERB);
    ck_assert_ptr_null(out.ptr);
    wf_token_free(t);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(nine_blocks_or_four_kilobytes_are_too_much)
{
    struct wf_test_block b;
    struct wf_buf raw;
    const struct wf_secret *keys[] = { &who.alice, &who.bob };
    const struct wf_sign_pub *pubs[] = { &who.alice_pub, &who.bob_pub };

    block_init(&b, &who.alice_pub);
    raw = grant(&b);
    for (size_t i = 1; i <= WF_MAX_TOKEN_BLOCKS; i++) {
        struct wf_token *t = open_token(&raw);
        struct wf_buf longer = { 0 };
        b.fields.holder = *pubs[i % 2];
        enum weft_err err = wf_token_delegate(t, &b.fields, keys[(i + 1) % 2], &longer);
        ck_assert_int_eq(err, i < WF_MAX_TOKEN_BLOCKS ? WEFT_OK : WEFT_E_TOO_BIG);
        wf_token_free(t);
        if (err)
            break;
        wf_buf_fini(&raw);
        raw = longer;
    }
    wf_buf_fini(&raw);
    block_init(&b, &who.alice_pub);
    b.fields.product_count = WF_MAX_CAVEAT_ITEMS;
    for (size_t i = 0; i < WF_MAX_CAVEAT_ITEMS; i++)
        snprintf(b.products[i].s, sizeof b.products[i].s, "%s%02zu",
            "a-product-of-a-long-name-that-takes-room-in-a-block-", i);
    ck_assert_int_eq(
        wf_token_grant(&b.fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw),
        WEFT_E_TOO_BIG);
    uint8_t big[WF_MAX_TOKEN + 1] = { 0 };
    ck_assert_int_eq(open_raw(WF_BYTES(big), NULL), WEFT_E_TOO_BIG);
}
END_TEST

// ---- damage

START_TEST(damaged_token_is_refused)
{
    struct wf_buf raw = sample_chain();

    wf_test_truncations(wf_buf_view(&raw), open_raw, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 5, open_raw, NULL);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err grant_and_delegate(struct wf_bytes in, void *context)
{
    struct wf_test_block *b = context;
    struct wf_buf raw = { 0 }, longer = { 0 };
    struct wf_token *t = NULL;
    enum weft_err err =
        wf_token_grant(&b[0].fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw);

    (void)in;
    if (!err)
        err = wf_token_open(wf_buf_view(&raw), &t, NULL);
    if (!err)
        err = wf_token_delegate(t, &b[1].fields, &who.alice, &longer);
    wf_token_free(t);
    wf_buf_fini(&raw);
    wf_buf_fini(&longer);
    return err;
}

static const struct {
    int64_t now;
    unsigned over;
} lives[] = {
    // from 1000 to 2000
    { 0, 0 },
    { 999, 0 },
    { 1000, 0 },
    { 1749, 0 },
    { 1750, 75 },
    { 1899, 75 },
    { 1900, 90 },
    { 1999, 90 },
    { 2000, 0 },
    { INT64_MAX, 0 },
};

START_TEST(a_life_is_warned_of_from_three_quarters_on_until_it_ends)
{
    unsigned over = wf_life_warning(1000, 2000, lives[_i].now);

    ck_assert_msg(over == lives[_i].over, "%lld: %u", (long long)lives[_i].now, over);
    ck_assert_uint_eq(wf_life_warning(2000, 1000, lives[_i].now), 0);
}
END_TEST

START_TEST(failing_allocations_leave_nothing_behind)
{
    struct wf_test_block b[2];

    block_init(&b[0], &who.alice_pub);
    block_init(&b[1], &who.bob_pub);
    wf_test_allocations(WF_STR(""), grant_and_delegate, b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capability");
    TCase *t = tcase_create("capability");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, granted_token_opens_with_every_field);
    tcase_add_test(t, delegated_token_is_the_intersection_of_its_blocks);
    tcase_add_test(t, unlimited_token_limits_no_columns_and_no_rate);
    tcase_add_test(t, equal_grants_have_different_ids_by_their_nonce);
    tcase_add_test(t, printed_token_reads_back);
    tcase_add_test(t, verification_asks_charter_issuer_and_time);
    tcase_add_test(t, broken_chains_have_their_reasons);
    tcase_add_test(t, only_the_holder_with_delegate_adds_a_block);
    tcase_add_test(t, nine_blocks_or_four_kilobytes_are_too_much);
    tcase_add_test(t, damaged_token_is_refused);
    tcase_add_loop_test(
        t, a_life_is_warned_of_from_three_quarters_on_until_it_ends, 0, (int)WF_COUNT(lives));
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
