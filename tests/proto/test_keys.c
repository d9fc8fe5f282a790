// SPDX-License-Identifier: Apache-2.0
// Key files, plain and under a passphrase. argon2id takes 256 MiB and part of a second, so sealed files are opened sparingly.
#include <check.h>

#include "proto/base/limits.h"
#include "proto/trust/ident.h"
#include "tests/support/trust.h"

static struct wf_keys keys;

static void setup(void)
{
    keys = (struct wf_keys){ 0 };
    keys.sign = wf_test_sign_key("key file", &keys.sign_pub);
    keys.dh = wf_test_dh_key("key file", &keys.dh_pub);
}

static void teardown(void)
{
    wf_keys_fini(&keys);
}

// The keys of one kind, borrowed from `keys`.
static struct wf_keys part(char kind)
{
    struct wf_keys k = keys;

    if (kind == 'S') {
        k.dh = (struct wf_secret){ 0 };
        k.dh_pub = (struct wf_dh_pub){ 0 };
    }
    if (kind == 'D') {
        k.sign = (struct wf_secret){ 0 };
        k.sign_pub = (struct wf_sign_pub){ 0 };
    }
    return k;
}

static struct wf_buf plain_file(char kind)
{
    struct wf_keys k = part(kind);
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_keys_pack(&k, wf_bytes(NULL, 0), &out), WEFT_OK);
    return out;
}

static void expect_same(const struct wf_keys *a, const struct wf_keys *b)
{
    ck_assert(wf_bytes_eq(wf_secret_view(&a->sign), wf_secret_view(&b->sign)));
    ck_assert(wf_bytes_eq(wf_secret_view(&a->dh), wf_secret_view(&b->dh)));
    ck_assert_mem_eq(&a->sign_pub, &b->sign_pub, sizeof a->sign_pub);
    ck_assert_mem_eq(&a->dh_pub, &b->dh_pub, sizeof a->dh_pub);
}

static enum weft_err open_plain(struct wf_bytes file, void *context)
{
    struct wf_keys k;
    enum weft_err err = wf_keys_unpack(file, wf_bytes(NULL, 0), &k);

    (void)context;
    if (!err)
        wf_keys_fini(&k);
    return err;
}

START_TEST(plain_file_of_each_kind_reads_back)
{
    static const struct {
        char kind;
        const char *vector;
    } kinds[] = { { 'S', "240-keys-sign" }, { 'D', "241-keys-dh" }, { 'N', "242-keys-identity" } };

    for (size_t i = 0; i < WF_COUNT(kinds); i++) {
        struct wf_buf file = plain_file(kinds[i].kind);
        struct wf_keys want = part(kinds[i].kind), got;
        ck_assert(!wf_keys_need_passphrase(wf_buf_view(&file)));
        ck_assert_int_eq(wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &got), WEFT_OK);
        expect_same(&want, &got);
        wf_keys_fini(&got);
        // A passphrase that is not needed does no harm.
        ck_assert_int_eq(wf_keys_unpack(wf_buf_view(&file), WF_STR("pass"), &got), WEFT_OK);
        wf_keys_fini(&got);
        wf_test_trust_vector(kinds[i].vector, "accepted: a plain key file, keys from 'key file'",
            wf_buf_view(&file));
        wf_buf_fini(&file);
    }
}
END_TEST

START_TEST(sealed_file_opens_with_its_passphrase_alone)
{
    struct wf_buf file = { 0 };
    struct wf_keys got;
    uint8_t entropy[WF_KEYS_ENTROPY];

    for (size_t i = 0; i < sizeof entropy; i++)
        entropy[i] = (uint8_t)i;
    ck_assert_int_eq(wf_keys_pack_with(&keys, WF_STR("correct horse"), entropy, &file), WEFT_OK);
    ck_assert(wf_keys_need_passphrase(wf_buf_view(&file)));
    wf_test_trust_vector("243-keys-sealed",
        "accepted with the passphrase 'correct horse': argon2id, salt 00..0f, nonce 10..27",
        wf_buf_view(&file));
    ck_assert_int_eq(wf_keys_unpack(wf_buf_view(&file), WF_STR("correct horse"), &got), WEFT_OK);
    expect_same(&keys, &got);
    wf_keys_fini(&got);
    ck_assert_int_eq(
        wf_keys_unpack(wf_buf_view(&file), WF_STR("correct horsf"), &got), WEFT_E_PASSPHRASE);
    ck_assert_int_eq(
        wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &got), WEFT_E_PASSPHRASE);
    // The public part is bound to the secret one.
    file.ptr[12] ^= 1;
    ck_assert_int_eq(
        wf_keys_unpack(wf_buf_view(&file), WF_STR("correct horse"), &got), WEFT_E_PASSPHRASE);
    wf_buf_fini(&file);
}
END_TEST

START_TEST(sealed_file_holds_no_secret_in_clear_and_never_repeats)
{
    struct wf_buf one = { 0 }, two = { 0 };
    struct wf_keys k = part('S');

    ck_assert_int_eq(wf_keys_pack(&k, WF_STR("pass"), &one), WEFT_OK);
    ck_assert_int_eq(wf_keys_pack(&k, WF_STR("pass"), &two), WEFT_OK);
    ck_assert(!wf_bytes_eq(wf_buf_view(&one), wf_buf_view(&two)));
    ck_assert_ptr_null(memmem(one.ptr, one.len, k.sign.ptr, WF_KEY_LEN));
    ck_assert_ptr_nonnull(memmem(one.ptr, one.len, k.sign_pub.b, WF_KEY_LEN));
    wf_buf_fini(&one);
    wf_buf_fini(&two);
}
END_TEST

START_TEST(fresh_keys_differ_and_read_back)
{
    struct wf_keys a, b, none;

    ck_assert_int_eq(wf_keys_new('N', &a), WEFT_OK);
    ck_assert_int_eq(wf_keys_new('N', &b), WEFT_OK);
    ck_assert_mem_ne(a.sign_pub.b, b.sign_pub.b, WF_KEY_LEN);
    ck_assert_mem_ne(a.dh_pub.b, b.dh_pub.b, WF_KEY_LEN);
    wf_keys_fini(&b);
    ck_assert_int_eq(wf_keys_new('S', &b), WEFT_OK);
    ck_assert_ptr_null(b.dh.ptr);
    ck_assert_int_eq(wf_keys_new('X', &none), WEFT_E_TYPE);
    wf_keys_fini(&a);
    wf_keys_fini(&b);
}
END_TEST

// Whoever learns one of the two has nothing of the other.
START_TEST(the_key_that_agrees_is_not_made_of_the_key_that_signs)
{
    struct wf_keys k;
    struct wf_secret seed = { 0 };
    struct wf_dh_pub of_seed;

    ck_assert_int_eq(wf_keys_new('N', &k), WEFT_OK);
    ck_assert_int_eq(wf_secret_copy(wf_bytes(k.sign.ptr, WF_KEY_LEN), &seed), WEFT_OK);
    wf_dh_public(&seed, &of_seed);
    ck_assert_mem_ne(k.dh_pub.b, of_seed.b, WF_KEY_LEN);
    ck_assert_mem_ne(k.dh_pub.b, k.sign_pub.b, WF_KEY_LEN);
    wf_secret_fini(&seed);
    wf_keys_fini(&k);
}
END_TEST

START_TEST(nothing_to_write_is_refused)
{
    struct wf_keys none = { 0 };
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_keys_pack(&none, wf_bytes(NULL, 0), &out), WEFT_E_TYPE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

// A change at one place of a plain identity file.
static const struct {
    const char *why;
    size_t at;
    uint8_t value;
    enum weft_err want;
} changes[] = {
    { "another magic", 0, 'X', WEFT_E_SYNTAX },
    { "a later version", 7, '2', WEFT_E_VERSION },
    { "an unknown kind", 8, 'Z', WEFT_E_TYPE },
    { "kind S with the length of N", 8, 'S', WEFT_E_TRAILING },
    { "said to be sealed", 9, 1, WEFT_E_TRUNCATED },
    { "an unknown seal", 9, 2, WEFT_E_TYPE },
    { "another signing key in the public part", 10, 0xff, WEFT_E_KEY },
    { "another Noise key in the public part", 42, 0xff, WEFT_E_KEY },
    { "another signing secret", 74, 0xff, WEFT_E_KEY },
    { "another Noise secret", 110, 0xff, WEFT_E_KEY },
};

START_TEST(each_change_has_its_reason)
{
    struct wf_buf file = plain_file('N');

    file.ptr[changes[_i].at] = changes[_i].value;
    enum weft_err err = open_plain(wf_buf_view(&file), NULL);
    ck_assert_msg(err == changes[_i].want, "%s: %s", changes[_i].why, weft_err_name(err));
    wf_test_trust_refused(
        (unsigned)(244 + _i), "keys", changes[_i].want, changes[_i].why, wf_buf_view(&file));
    wf_buf_fini(&file);
}
END_TEST

START_TEST(cut_or_longer_file_is_refused)
{
    struct wf_buf file = plain_file('N');
    uint8_t big[WF_MAX_KEY_FILE + 1] = "WEFTKEY1N";

    wf_test_truncations(wf_buf_view(&file), open_plain, NULL);
    ck_assert_int_eq(open_plain(wf_bytes(file.ptr, 0), NULL), WEFT_E_TRUNCATED);
    ck_assert_int_eq(open_plain(wf_bytes(file.ptr, 9), NULL), WEFT_E_TRUNCATED);
    ck_assert_int_eq(open_plain(WF_STR("-----BEGIN PRIVATE KEY-----"), NULL), WEFT_E_SYNTAX);
    ck_assert_int_eq(open_plain(WF_BYTES(big), NULL), WEFT_E_TOO_BIG);
    ck_assert(!wf_keys_need_passphrase(WF_BYTES(big)));
    wf_buf_fini(&file);
}
END_TEST

// X25519 ignores five bits of a secret (RFC 7748, section 5), so a flip there gives the same key; only those may pass.
START_TEST(flipped_bit_never_opens_another_key)
{
    struct wf_buf file = plain_file('N');

    for (size_t bit = 0; bit < file.len * 8; bit++) {
        struct wf_keys got;
        file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &got) == WEFT_OK) {
            ck_assert_mem_eq(&got.sign_pub, &keys.sign_pub, sizeof got.sign_pub);
            ck_assert_mem_eq(&got.dh_pub, &keys.dh_pub, sizeof got.dh_pub);
            ck_assert_uint_ge(bit / 8, file.len - WF_KEY_LEN);
            wf_keys_fini(&got);
        }
        file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wf_buf_fini(&file);
}
END_TEST

static enum weft_err pack_and_unpack(struct wf_bytes in, void *context)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_keys_pack(&keys, wf_bytes(NULL, 0), &out);

    (void)in;
    (void)context;
    if (!err)
        err = open_plain(wf_buf_view(&out), NULL);
    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR(""), pack_and_unpack, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keys");
    TCase *t = tcase_create("keys");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, plain_file_of_each_kind_reads_back);
    tcase_add_test(t, sealed_file_opens_with_its_passphrase_alone);
    tcase_add_test(t, sealed_file_holds_no_secret_in_clear_and_never_repeats);
    tcase_add_test(t, fresh_keys_differ_and_read_back);
    tcase_add_test(t, the_key_that_agrees_is_not_made_of_the_key_that_signs);
    tcase_add_test(t, nothing_to_write_is_refused);
    tcase_add_loop_test(t, each_change_has_its_reason, 0, (int)WF_COUNT(changes));
    tcase_add_test(t, cut_or_longer_file_is_refused);
    tcase_add_test(t, flipped_bit_never_opens_another_key);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
