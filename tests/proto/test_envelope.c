// SPDX-License-Identifier: Apache-2.0
// Envelopes: DSSE's published encoding, every reason to refuse the structure, and that nothing opens which was changed.
#include <check.h>

#include "proto/base/limits.h"
#include "tests/support/trust.h"

static struct wf_secret alice, bob;
static struct wf_sign_pub alice_pub, bob_pub;

static void setup(void)
{
    alice = wf_test_sign_key("alice", &alice_pub);
    bob = wf_test_sign_key("bob", &bob_pub);
}

static void teardown(void)
{
    wf_secret_fini(&alice);
    wf_secret_fini(&bob);
}

static struct wf_buf sealed_sample(void)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, WF_STR("a body of some bytes"), &alice, &out), WEFT_OK);
    return out;
}

static enum weft_err open_as(struct wf_bytes raw, enum wf_doc doc, struct wf_opened *ret)
{
    struct wf_arena arena;
    struct wf_sealed sealed;

    wf_arena_init(&arena, 2 * WF_MAX_ENVELOPE + 65536);
    enum weft_err err = wf_envelope_read(raw, doc, &arena, &sealed);
    if (!err)
        err = wf_envelope_open(&sealed, ret);
    wf_arena_fini(&arena);
    return err;
}

static enum weft_err open_home(struct wf_bytes raw, void *context)
{
    struct wf_opened opened;

    (void)context;
    return open_as(raw, WF_DOC_HOME, &opened);
}

START_TEST(encoding_is_that_of_the_dsse_protocol)
{
    struct wf_buf out = { 0 };
    static const char want[] = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";

    ck_assert_int_eq(wf_pae("http://example.com/HelloWorld", WF_STR("hello world"), &out), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&out), wf_bytes_str(want)));
    struct wf_hash whole, streamed;
    wf_blake2b(wf_buf_view(&out), &whole);
    wf_pae_hash("http://example.com/HelloWorld", WF_STR("hello world"), &streamed);
    ck_assert(wf_hash_eq(&whole, &streamed));
    wf_buf_fini(&out);
}
END_TEST

START_TEST(sealed_document_opens_with_body_id_and_signer)
{
    struct wf_buf raw = sealed_sample();
    struct wf_opened o;
    struct wf_hash id;

    ck_assert_int_eq(open_as(wf_buf_view(&raw), WF_DOC_HOME, &o), WEFT_OK);
    ck_assert(wf_bytes_is(o.body, "a body of some bytes"));
    ck_assert(o.body.ptr > raw.ptr && o.body.ptr < raw.ptr + raw.len);
    ck_assert_mem_eq(o.signer.b, alice_pub.b, WF_KEY_LEN);
    wf_pae_hash("weft/home/v1", WF_STR("a body of some bytes"), &id);
    ck_assert(wf_hash_eq(&id, &o.id));
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(id_does_not_depend_on_who_signed)
{
    struct wf_buf one = sealed_sample(), two = { 0 };
    struct wf_opened a, b;

    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, WF_STR("a body of some bytes"), &bob, &two), WEFT_OK);
    ck_assert_int_eq(open_as(wf_buf_view(&one), WF_DOC_HOME, &a), WEFT_OK);
    ck_assert_int_eq(open_as(wf_buf_view(&two), WF_DOC_HOME, &b), WEFT_OK);
    ck_assert(wf_hash_eq(&a.id, &b.id));
    ck_assert_mem_ne(a.signer.b, b.signer.b, WF_KEY_LEN);
    wf_buf_fini(&one);
    wf_buf_fini(&two);
}
END_TEST

START_TEST(type_strings_are_distinct_and_end_in_the_version)
{
    for (int i = 0; i < WF_DOC_COUNT; i++) {
        struct wf_bytes t = wf_bytes_str(wf_doc_type((enum wf_doc)i));
        ck_assert(wf_bytes_has_prefix(t, WF_STR("weft/")));
        ck_assert(wf_bytes_is(wf_bytes(t.ptr + t.len - 3, 3), "/v1"));
        for (int j = 0; j < i; j++)
            ck_assert(!wf_bytes_is(t, wf_doc_type((enum wf_doc)j)));
    }
}
END_TEST

START_TEST(each_type_opens_as_itself_only)
{
    for (int d = 0; d < WF_DOC_COUNT; d++)
        for (int as = 0; as < WF_DOC_COUNT; as++) {
            struct wf_buf raw = { 0 };
            struct wf_opened o;
            ck_assert_int_eq(
                wf_envelope_seal((enum wf_doc)d, WF_STR("body"), &alice, &raw), WEFT_OK);
            ck_assert_int_eq(open_as(wf_buf_view(&raw), (enum wf_doc)as, &o),
                d == as ? WEFT_OK : WEFT_E_PURPOSE);
            wf_buf_fini(&raw);
        }
}
END_TEST

// "@" stands for a key, "!" for a signature of zeros, "T" for the type of a home; the rest is hex.
static const struct shape {
    const char *why, *form;
    enum weft_err want;
} shapes[] = {
    { "type, body and one signature: well formed but not signed by that key",
        "0a0c T 120161 1a64 0a20 @ 1240 !", WEFT_E_SIGNATURE },
    { "nothing at all", "", WEFT_E_MISSING_FIELD },
    { "no type", "120161 1a64 0a20 @ 1240 !", WEFT_E_MISSING_FIELD },
    { "no body", "0a0c T 1a64 0a20 @ 1240 !", WEFT_E_MISSING_FIELD },
    { "an empty body written out", "0a0c T 1200 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "an empty type written out", "0a00 120161 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "no signature", "0a0c T 120161", WEFT_E_MISSING_FIELD },
    { "the type twice", "0a0c T 0a0c T 120161 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "the body twice", "0a0c T 120161 120161 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "the body after the signature", "0a0c T 120161 1a64 0a20 @ 1240 ! 120161",
        WEFT_E_NOT_CANONICAL },
    { "a field 4", "0a0c T 120161 1a64 0a20 @ 1240 ! 220161", WEFT_E_UNKNOWN_FIELD },
    { "a field 3 inside a signature", "0a0c T 120161 1a67 0a20 @ 1240 ! 1a0161",
        WEFT_E_UNKNOWN_FIELD },
    { "a number where bytes belong", "0a0c T 1001 1a64 0a20 @ 1240 !", WEFT_E_SYNTAX },
    { "a group", "0b", WEFT_E_SYNTAX },
    { "wire type 7", "0f", WEFT_E_SYNTAX },
    { "field number 0", "0200", WEFT_E_SYNTAX },
    { "a tag in two bytes", "8a000c T 120161 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "a length in two bytes", "0a8c00 T 120161 1a64 0a20 @ 1240 !", WEFT_E_NOT_CANONICAL },
    { "a length beyond the end", "0a0c T 127f61", WEFT_E_TRUNCATED },
    { "a length of 2^64 - 1", "0a0c T 12ffffffffffffffffff01 61", WEFT_E_TRUNCATED },
    { "an eleven byte length", "0a0c T 12ffffffffffffffffffff01 61", WEFT_E_SYNTAX },
    { "a key of 31 bytes",
        "0a0c T 120161 1a63 0a1f 00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddee 1240 ! 00",
        WEFT_E_KEY },
    { "a signature without a key", "0a0c T 120161 1a42 1240 !", WEFT_E_KEY },
    { "a key without a signature", "0a0c T 120161 1a22 0a20 @", WEFT_E_SIGNATURE },
    { "a signature of 1 byte", "0a0c T 120161 1a25 0a20 @ 120100", WEFT_E_SIGNATURE },
    { "signature before key", "0a0c T 120161 1a64 1240 ! 0a20 @", WEFT_E_NOT_CANONICAL },
    { "the same key twice", "0a0c T 120161 1a64 0a20 @ 1240 ! 1a64 0a20 @ 1240 !", WEFT_E_ORDER },
    { "an empty signature", "0a0c T 120161 1a00 1a64 0a20 @ 1240 !", WEFT_E_KEY },
};

static struct wf_buf expand(const char *form)
{
    struct wf_buf hex = { 0 };

    for (const char *p = form; *p; p++) {
        struct wf_buf more = { 0 };
        if (*p == '@')
            for (int i = 0; i < 32; i++)
                ck_assert_int_eq(wf_buf_append_str(&more, "07"), WEFT_OK);
        else if (*p == '!')
            for (int i = 0; i < 64; i++)
                ck_assert_int_eq(wf_buf_append_str(&more, "00"), WEFT_OK);
        else if (*p == 'T')
            ck_assert_int_eq(wf_buf_append_str(&more, "776566742f686f6d652f7631"), WEFT_OK);
        else
            ck_assert_int_eq(wf_buf_append_byte(&more, (uint8_t)*p), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&hex, wf_buf_view(&more)), WEFT_OK);
        wf_buf_fini(&more);
    }
    ck_assert_int_eq(wf_buf_append_byte(&hex, 0), WEFT_OK);
    struct wf_buf out = wf_test_hex((const char *)hex.ptr);
    wf_buf_fini(&hex);
    return out;
}

START_TEST(each_shape_has_its_verdict)
{
    const struct shape *s = &shapes[_i];
    struct wf_buf raw = expand(s->form);
    enum weft_err err = open_home(wf_buf_view(&raw), NULL);

    ck_assert_msg(err == s->want, "%s: %s", s->why, weft_err_name(err));
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct wf_buf raw = sealed_sample();

    wf_test_truncations(wf_buf_view(&raw), open_home, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
    struct wf_buf raw = sealed_sample();

    wf_test_bit_flips(wf_buf_view(&raw), 1, open_home, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(body_up_to_the_limit_opens_and_one_byte_more_does_not)
{
    struct wf_buf body = { 0 }, raw = { 0 };
    struct wf_opened o;

    ck_assert_int_eq(wf_buf_reserve(&body, WF_MAX_DOCUMENT + 1), WEFT_OK);
    memset(body.ptr, 'x', WF_MAX_DOCUMENT + 1);
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, wf_bytes(body.ptr, WF_MAX_DOCUMENT), &alice, &raw), WEFT_OK);
    ck_assert_int_eq(open_as(wf_buf_view(&raw), WF_DOC_HOME, &o), WEFT_OK);
    struct wf_buf more = { 0 };
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, wf_bytes(body.ptr, WF_MAX_DOCUMENT + 1), &alice, &more),
        WEFT_E_TOO_BIG);
    ck_assert_uint_eq(more.len, 0);
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, wf_bytes(NULL, 0), &alice, &more), WEFT_E_MISSING_FIELD);
    wf_buf_fini(&body);
    wf_buf_fini(&raw);
    wf_buf_fini(&more);
}
END_TEST

// Writes an envelope with this many signatures of ascending keys; none of them verifies.
static struct wf_buf many_signatures(unsigned count, size_t body_len)
{
    struct wf_buf out = { 0 };
    uint8_t item[102] = { 0x1a, 100, 0x0a, 32 }, n[WF_VARINT_MAX];

    item[36] = 0x12;
    item[37] = 64;
    ck_assert_int_eq(wf_buf_append_str(&out, "\x0a\x0cweft/home/v1\x12"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&out, wf_bytes(n, wf_varint_put(n, body_len))), WEFT_OK);
    ck_assert_int_eq(wf_buf_reserve(&out, body_len), WEFT_OK);
    memset(out.ptr + out.len, 'b', body_len);
    out.len += body_len;
    for (unsigned i = 0; i < count; i++) {
        wf_store_be32(item + 4, i);
        ck_assert_int_eq(wf_buf_append(&out, WF_BYTES(item)), WEFT_OK);
    }
    return out;
}

START_TEST(more_signatures_or_bytes_than_the_limit_are_refused)
{
    static const struct {
        const char *why;
        unsigned count;
        size_t body_len;
        enum weft_err want;
    } rows[] = {
        { "256 signatures: read, but not a single-signer document", WF_MAX_SIGNATURES, 1,
            WEFT_E_SIGNATURE },
        { "257 signatures", WF_MAX_SIGNATURES + 1, 1, WEFT_E_TOO_BIG },
        { "a body over the limit in an envelope within it", 1, WF_MAX_DOCUMENT + 1,
            WEFT_E_TOO_BIG },
        { "an envelope over its limit", 1, WF_MAX_ENVELOPE, WEFT_E_TOO_BIG },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf raw = many_signatures(rows[i].count, rows[i].body_len);
        enum weft_err err = open_home(wf_buf_view(&raw), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&raw);
    }
}
END_TEST

START_TEST(arena_that_is_too_small_gives_budget)
{
    struct wf_buf raw = sealed_sample();
    struct wf_arena arena;
    struct wf_sealed s;

    wf_arena_init(&arena, 64);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_HOME, &arena, &s), WEFT_E_BUDGET);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(cosigning_sorts_and_signs_once)
{
    struct wf_arena arena;
    struct wf_sealed one, two, again;
    struct wf_buf first = sealed_sample(), both = { 0 }, third = { 0 };
    struct wf_opened o;

    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&first), WF_DOC_HOME, &arena, &one), WEFT_OK);
    ck_assert_int_eq(wf_envelope_cosign(&one, &bob, &both), WEFT_OK);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&both), WF_DOC_HOME, &arena, &two), WEFT_OK);
    ck_assert_uint_eq(two.signature_count, 2);
    ck_assert(wf_hash_eq(&one.id, &two.id));
    ck_assert(wf_envelope_signed_by(&two, &alice_pub) && wf_envelope_signed_by(&two, &bob_pub));
    ck_assert(!wf_envelope_signed_by(&one, &bob_pub));
    // A document with two signatures is no single-signer document, though both are right.
    ck_assert_int_eq(wf_envelope_open(&two, &o), WEFT_E_SIGNATURE);
    ck_assert_int_eq(wf_envelope_cosign(&two, &alice, &third), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&third), wf_buf_view(&both)));
    // The order of signing leaves no trace.
    struct wf_buf other = { 0 }, reversed = { 0 };
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_HOME, WF_STR("a body of some bytes"), &bob, &other), WEFT_OK);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&other), WF_DOC_HOME, &arena, &again), WEFT_OK);
    ck_assert_int_eq(wf_envelope_cosign(&again, &alice, &reversed), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&reversed), wf_buf_view(&both)));
    wf_arena_fini(&arena);
    wf_buf_fini(&first);
    wf_buf_fini(&both);
    wf_buf_fini(&third);
    wf_buf_fini(&other);
    wf_buf_fini(&reversed);
}
END_TEST

START_TEST(assembled_from_a_signature_made_elsewhere_is_the_same_document)
{
    struct wf_buf sealed = sealed_sample(), pae = { 0 }, built = { 0 };
    struct wf_sig sig;

    ck_assert_int_eq(wf_pae("weft/home/v1", WF_STR("a body of some bytes"), &pae), WEFT_OK);
    wf_crypto_sign(&alice, wf_buf_view(&pae), &sig);
    ck_assert_int_eq(
        wf_envelope_assemble(WF_DOC_HOME, WF_STR("a body of some bytes"), &alice_pub, &sig, &built),
        WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&sealed), wf_buf_view(&built)));
    wf_buf_fini(&sealed);
    wf_buf_fini(&pae);
    wf_buf_fini(&built);
}
END_TEST

START_TEST(signature_of_another_key_under_a_claimed_key_is_refused)
{
    struct wf_buf pae = { 0 }, raw = { 0 };
    struct wf_sig sig;
    struct wf_opened o;

    ck_assert_int_eq(wf_pae("weft/home/v1", WF_STR("x"), &pae), WEFT_OK);
    wf_crypto_sign(&bob, wf_buf_view(&pae), &sig);
    ck_assert_int_eq(
        wf_envelope_assemble(WF_DOC_HOME, WF_STR("x"), &alice_pub, &sig, &raw), WEFT_OK);
    ck_assert_int_eq(open_as(wf_buf_view(&raw), WF_DOC_HOME, &o), WEFT_E_SIGNATURE);
    // Signed over the bare body, without the encoding that binds the type.
    raw.len = 0;
    wf_crypto_sign(&alice, WF_STR("x"), &sig);
    ck_assert_int_eq(
        wf_envelope_assemble(WF_DOC_HOME, WF_STR("x"), &alice_pub, &sig, &raw), WEFT_OK);
    ck_assert_int_eq(open_as(wf_buf_view(&raw), WF_DOC_HOME, &o), WEFT_E_SIGNATURE);
    wf_buf_fini(&pae);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err seal_cosign_open(struct wf_bytes body, void *context)
{
    struct wf_buf first = { 0 }, both = { 0 };
    struct wf_arena arena;
    struct wf_sealed s;
    enum weft_err err = wf_envelope_seal(WF_DOC_HOME, body, &alice, &first);

    (void)context;
    wf_arena_init(&arena, 65536);
    if (!err)
        err = wf_envelope_read(wf_buf_view(&first), WF_DOC_HOME, &arena, &s);
    if (!err)
        err = wf_envelope_cosign(&s, &bob, &both);
    wf_arena_fini(&arena);
    wf_buf_fini(&first);
    wf_buf_fini(&both);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR("body"), seal_cosign_open, NULL);
}
END_TEST

START_TEST(vectors_are_reproduced)
{
    struct wf_buf raw = sealed_sample();

    wf_test_trust_vector("001-envelope",
        "accepted: weft/home/v1 over 'a body of some bytes', key from seed BLAKE2b-256('alice')",
        wf_buf_view(&raw));
    for (size_t i = 1; i < WF_COUNT(shapes); i++) {
        struct wf_buf shape = expand(shapes[i].form);
        wf_test_trust_refused(
            1 + (unsigned)i, "envelope", shapes[i].want, shapes[i].why, wf_buf_view(&shape));
        wf_buf_fini(&shape);
    }
    wf_buf_fini(&raw);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("envelope");
    TCase *t = tcase_create("envelope");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, encoding_is_that_of_the_dsse_protocol);
    tcase_add_test(t, sealed_document_opens_with_body_id_and_signer);
    tcase_add_test(t, id_does_not_depend_on_who_signed);
    tcase_add_test(t, type_strings_are_distinct_and_end_in_the_version);
    tcase_add_test(t, each_type_opens_as_itself_only);
    tcase_add_loop_test(t, each_shape_has_its_verdict, 0, (int)WF_COUNT(shapes));
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, every_flipped_bit_is_refused);
    tcase_add_test(t, body_up_to_the_limit_opens_and_one_byte_more_does_not);
    tcase_add_test(t, more_signatures_or_bytes_than_the_limit_are_refused);
    tcase_add_test(t, arena_that_is_too_small_gives_budget);
    tcase_add_test(t, cosigning_sorts_and_signs_once);
    tcase_add_test(t, assembled_from_a_signature_made_elsewhere_is_the_same_document);
    tcase_add_test(t, signature_of_another_key_under_a_claimed_key_is_refused);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    tcase_add_test(t, vectors_are_reproduced);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
