// SPDX-License-Identifier: Apache-2.0
// The door to libsodium: that each function is the primitive it claims (one published vector each; the large sets are in
// proto.vectors_crypto), what it refuses, and that outputs appear only on success.
#include <check.h>

#include "tests/support/support.h"

static void check_hex(const uint8_t *got, size_t len, const char *want)
{
    char text[257];

    ck_assert_uint_le(len, 128);
    wf_hex_put(wf_bytes(got, len), text);
    ck_assert_str_eq(text, want);
}

START_TEST(blake2b_is_rfc_7693)
{
    uint8_t out[64];

    wf_blake2b_keyed(wf_bytes(NULL, 0), WF_STR("abc"), out, 64);
    check_hex(out, 64,
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}
END_TEST

// Computed with Python's hashlib.
START_TEST(blake2b_lengths_are_part_of_the_hash)
{
    struct wf_hash h;
    uint8_t mac[16];

    wf_blake2b(wf_bytes(NULL, 0), &h);
    check_hex(h.b, WF_HASH_LEN, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    wf_blake2b(WF_STR("weft"), &h);
    check_hex(h.b, WF_HASH_LEN, "94beaa6fde7722e8245459a610c1bf8f2f060f5e8855b59d84301913e54cd683");
    wf_blake2b_keyed(WF_STR("key"), WF_STR("weft"), mac, sizeof mac);
    check_hex(mac, sizeof mac, "93bab7d7db3bc5e5d60791bc649b7c96");
}
END_TEST

START_TEST(hashing_in_pieces_gives_the_same_hash)
{
    uint8_t data[300], whole[64], pieces[64];
    uint64_t seed = 3;

    wf_test_rand_bytes(&seed, data, sizeof data);
    wf_blake2b_keyed(wf_bytes(data, 64), wf_bytes(data, sizeof data), whole, 64);
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        struct wf_hasher h;
        wf_hasher_init(&h, wf_bytes(data, 64), 64);
        wf_hasher_add(&h, wf_bytes(data, cut));
        wf_hasher_add(&h, wf_bytes(data + cut, sizeof data - cut));
        wf_hasher_done(&h, pieces, 64);
        ck_assert_mem_eq(whole, pieces, 64);
    }
}
END_TEST

START_TEST(sha256_is_fips_180_4)
{
    struct wf_hash h;

    wf_sha256(WF_STR("abc"), &h);
    check_hex(h.b, WF_HASH_LEN, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(poly1305_is_rfc_8439)
{
    struct wf_buf key =
        wf_test_hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
    uint8_t tag[WF_TAG_LEN];

    wf_poly1305(key.ptr, WF_STR("Cryptographic Forum Research Group"), tag);
    check_hex(tag, sizeof tag, "a8061dc1305136c6c22b8baf0c0127a9");
    wf_buf_fini(&key);
}
END_TEST

START_TEST(signatures_are_rfc_8032)
{
    struct wf_buf seed =
        wf_test_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    struct wf_secret secret = { 0 };
    struct wf_sign_pub pub, again;
    struct wf_sig sig;

    ck_assert_int_eq(wf_sign_from_seed(wf_buf_view(&seed), &secret, &pub), WEFT_OK);
    check_hex(
        pub.b, WF_KEY_LEN, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    wf_sign_public(&secret, &again);
    ck_assert_mem_eq(pub.b, again.b, WF_KEY_LEN);
    wf_crypto_sign(&secret, WF_STR("r"), &sig);
    check_hex(sig.b, WF_SIG_LEN,
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    ck_assert_int_eq(wf_crypto_verify(&pub, WF_STR("r"), &sig), WEFT_OK);
    ck_assert_int_eq(wf_crypto_verify(&pub, WF_STR("s"), &sig), WEFT_E_SIGNATURE);
    ck_assert_int_eq(wf_crypto_verify(&pub, wf_bytes(NULL, 0), &sig), WEFT_E_SIGNATURE);
    for (size_t i = 0; i < WF_SIG_LEN * 8; i++) {
        sig.b[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_msg(wf_crypto_verify(&pub, WF_STR("r"), &sig) == WEFT_E_SIGNATURE, "bit %zu", i);
        sig.b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    wf_secret_fini(&secret);
    wf_buf_fini(&seed);
}
END_TEST

START_TEST(a_seed_of_another_length_is_no_key)
{
    uint8_t seed[33] = { 0 };
    struct wf_secret secret = { 0 };
    struct wf_sign_pub pub;

    ck_assert_int_eq(wf_sign_from_seed(wf_bytes(seed, 31), &secret, &pub), WEFT_E_KEY);
    ck_assert_int_eq(wf_sign_from_seed(wf_bytes(seed, 33), &secret, &pub), WEFT_E_KEY);
    ck_assert_ptr_null(secret.ptr);
}
END_TEST

START_TEST(new_keys_differ_and_work)
{
    struct wf_secret a = { 0 }, b = { 0 }, c = { 0 };
    struct wf_sign_pub ap;
    struct wf_dh_pub bp, cp;
    struct wf_sig sig;
    uint8_t bc[WF_KEY_LEN], cb[WF_KEY_LEN];

    ck_assert_int_eq(wf_sign_keygen(&a, &ap), WEFT_OK);
    wf_crypto_sign(&a, WF_STR("m"), &sig);
    ck_assert_int_eq(wf_crypto_verify(&ap, WF_STR("m"), &sig), WEFT_OK);
    ck_assert_int_eq(wf_dh_keygen(&b, &bp), WEFT_OK);
    ck_assert_int_eq(wf_dh_keygen(&c, &cp), WEFT_OK);
    ck_assert_mem_ne(bp.b, cp.b, WF_KEY_LEN);
    ck_assert_int_eq(wf_dh(&b, &cp, bc), WEFT_OK);
    ck_assert_int_eq(wf_dh(&c, &bp, cb), WEFT_OK);
    ck_assert_mem_eq(bc, cb, WF_KEY_LEN);
    wf_secret_fini(&a);
    wf_secret_fini(&b);
    wf_secret_fini(&c);
}
END_TEST

START_TEST(an_all_zero_agreement_is_refused)
{
    struct wf_secret s = { 0 };
    struct wf_dh_pub pub, zero = { { 0 } }, one = { { 1 } };
    uint8_t out[WF_KEY_LEN];

    ck_assert_int_eq(wf_dh_keygen(&s, &pub), WEFT_OK);
    ck_assert_int_eq(wf_dh(&s, &zero, out), WEFT_E_KEY);
    ck_assert_int_eq(wf_dh(&s, &one, out), WEFT_E_KEY);
    wf_secret_fini(&s);
}
END_TEST

START_TEST(secrets_are_bounded_zeroed_and_released_twice_without_harm)
{
    static const uint8_t zero[100];
    struct wf_secret s = { 0 };

    ck_assert_int_eq(wf_secret_new(0, &s), WEFT_E_RANGE);
    ck_assert_int_eq(wf_secret_new(65537, &s), WEFT_E_RANGE);
    ck_assert_ptr_null(s.ptr);
    ck_assert_int_eq(wf_secret_new(100, &s), WEFT_OK);
    ck_assert_mem_eq(s.ptr, zero, 100);
    wf_secret_fini(&s);
    ck_assert_ptr_null(s.ptr);
    ck_assert_uint_eq(s.len, 0);
    wf_secret_fini(&s);
    ck_assert_int_eq(wf_secret_random(100, &s), WEFT_OK);
    ck_assert_mem_ne(s.ptr, zero, 100);
    wf_secret_fini(&s);
    ck_assert_int_eq(wf_secret_copy(WF_STR("abc"), &s), WEFT_OK);
    ck_assert(wf_bytes_is(wf_secret_view(&s), "abc"));
    wf_secret_fini(&s);
}
END_TEST

START_TEST(equality_in_constant_time_is_equality)
{
    ck_assert(wf_equal_ct(WF_STR("abc"), WF_STR("abc")));
    ck_assert(!wf_equal_ct(WF_STR("abc"), WF_STR("abd")));
    ck_assert(!wf_equal_ct(WF_STR("abc"), WF_STR("ab")));
    ck_assert(wf_equal_ct(wf_bytes(NULL, 0), wf_bytes(NULL, 0)));
}
END_TEST

START_TEST(wiping_leaves_zeros)
{
    uint8_t p[32], zero[32] = { 0 };

    memset(p, 7, sizeof p);
    wf_wipe(p, sizeof p);
    ck_assert_mem_eq(p, zero, sizeof p);
}
END_TEST

typedef void (*seal_fn)(
    const uint8_t *, const uint8_t *, struct wf_bytes, struct wf_bytes, uint8_t *);
typedef enum weft_err (*open_fn)(
    const uint8_t *, const uint8_t *, struct wf_bytes, struct wf_bytes, uint8_t *);
static const struct aead {
    seal_fn seal;
    open_fn open;
    size_t nonce_len;
} aeads[] = {
    { wf_chacha_seal, wf_chacha_open, WF_NONCE_LEN },
    { wf_xchacha_seal, wf_xchacha_open, WF_XNONCE_LEN },
};

START_TEST(sealed_bytes_open_only_whole_unchanged_and_in_their_context)
{
    const struct aead *a = &aeads[_i];
    uint8_t key[WF_KEY_LEN] = { 1 }, nonce[WF_XNONCE_LEN] = { 2 }, out[64], plain[64];
    struct wf_bytes in = WF_STR("a plain text"), ad = WF_STR("context");
    size_t len = in.len + WF_TAG_LEN;

    a->seal(key, nonce, ad, in, out);
    for (size_t n = 0; n < len; n++)
        ck_assert_int_eq(a->open(key, nonce, ad, wf_bytes(out, n), plain), WEFT_E_AEAD);
    for (size_t i = 0; i < len * 8; i++) {
        out[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_int_eq(a->open(key, nonce, ad, wf_bytes(out, len), plain), WEFT_E_AEAD);
        out[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    ck_assert_int_eq(
        a->open(key, nonce, WF_STR("contexu"), wf_bytes(out, len), plain), WEFT_E_AEAD);
    ck_assert_int_eq(
        a->open(key, nonce, wf_bytes(NULL, 0), wf_bytes(out, len), plain), WEFT_E_AEAD);
    nonce[a->nonce_len - 1] ^= 1;
    ck_assert_int_eq(a->open(key, nonce, ad, wf_bytes(out, len), plain), WEFT_E_AEAD);
    nonce[a->nonce_len - 1] ^= 1;
    ck_assert_int_eq(a->open(key, nonce, ad, wf_bytes(out, len), out), WEFT_OK); // in place
    ck_assert_mem_eq(out, in.ptr, in.len);
}
END_TEST

START_TEST(a_failed_open_shows_no_plaintext)
{
    const struct aead *a = &aeads[_i];
    uint8_t key[WF_KEY_LEN] = { 1 }, nonce[WF_XNONCE_LEN] = { 2 }, out[64], plain[64] = { 0 };
    struct wf_bytes in = WF_STR("a plain text");

    a->seal(key, nonce, wf_bytes(NULL, 0), in, out);
    out[in.len] ^= 1;
    ck_assert_int_eq(
        a->open(key, nonce, wf_bytes(NULL, 0), wf_bytes(out, in.len + WF_TAG_LEN), plain),
        WEFT_E_AEAD);
    ck_assert_mem_ne(plain, in.ptr, in.len);
}
END_TEST

START_TEST(a_passphrase_key_depends_on_passphrase_and_salt)
{
    uint8_t salt[WF_SALT_LEN] = { 1 };
    struct wf_secret a = { 0 }, b = { 0 };

    ck_assert_int_eq(wf_argon2id(WF_STR("correct horse"), salt, &a), WEFT_OK);
    ck_assert_uint_eq(a.len, WF_KEY_LEN);
    ck_assert_int_eq(wf_argon2id(WF_STR("correct horse"), salt, &b), WEFT_OK);
    ck_assert(wf_equal_ct(wf_secret_view(&a), wf_secret_view(&b)));
    wf_secret_fini(&b);
    salt[0] = 2;
    ck_assert_int_eq(wf_argon2id(WF_STR("correct horse"), salt, &b), WEFT_OK);
    ck_assert(!wf_equal_ct(wf_secret_view(&a), wf_secret_view(&b)));
    wf_secret_fini(&a);
    wf_secret_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crypto");
    TCase *t = tcase_create("crypto");

    if (wf_crypto_init())
        return 1;
    tcase_set_timeout(t, 60);
    tcase_add_test(t, blake2b_is_rfc_7693);
    tcase_add_test(t, blake2b_lengths_are_part_of_the_hash);
    tcase_add_test(t, hashing_in_pieces_gives_the_same_hash);
    tcase_add_test(t, sha256_is_fips_180_4);
    tcase_add_test(t, poly1305_is_rfc_8439);
    tcase_add_test(t, signatures_are_rfc_8032);
    tcase_add_test(t, a_seed_of_another_length_is_no_key);
    tcase_add_test(t, new_keys_differ_and_work);
    tcase_add_test(t, an_all_zero_agreement_is_refused);
    tcase_add_test(t, secrets_are_bounded_zeroed_and_released_twice_without_harm);
    tcase_add_test(t, equality_in_constant_time_is_equality);
    tcase_add_test(t, wiping_leaves_zeros);
    tcase_add_loop_test(
        t, sealed_bytes_open_only_whole_unchanged_and_in_their_context, 0, WF_COUNT(aeads));
    tcase_add_loop_test(t, a_failed_open_shows_no_plaintext, 0, WF_COUNT(aeads));
    tcase_add_test(t, a_passphrase_key_depends_on_passphrase_and_salt);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
