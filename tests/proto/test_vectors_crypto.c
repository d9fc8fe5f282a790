// SPDX-License-Identifier: Apache-2.0
// Public vectors through our wrappers: every Wycheproof file that is in the folder, found by what it says it is, and the
// Ed25519 edge tables, whose verdicts are pinned so that a change of library is noticed. A case that our fixed-size
// arguments can't even express (another nonce, key, tag or signature length) counts as refused at the wrapper.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/support.h"

struct tally {
    unsigned cases, passed, refused; // refused: by the type of our arguments
};

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_json(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

// Calls fn for every JSON file of a folder below the vectors, in the order of names; how many there were.
static int for_each_file(const char *folder, void (*fn)(const char *name, json_t *file))
{
    char path[1024];
    struct dirent **names = NULL;

    snprintf(path, sizeof path, "%s/%s", wf_test_vectors_dir(), folder);
    int n = scandir(path, &names, is_json, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", wf_test_vectors_dir(), folder, names[i]->d_name);
        json_t *file = wf_test_json(path);
        fn(names[i]->d_name, file);
        json_decref(file);
        free(names[i]);
    }
    free(names);
    return n;
}

// Wycheproof: Ed25519

static bool ed25519_accepts(struct wf_bytes pk, struct wf_bytes message, struct wf_bytes signature)
{
    struct wf_sign_pub pub;
    struct wf_sig sig;

    memcpy(pub.b, pk.ptr, WF_KEY_LEN);
    memcpy(sig.b, signature.ptr, WF_SIG_LEN);
    return wf_crypto_verify(&pub, message, &sig) == WEFT_OK;
}

static void run_eddsa(const json_t *group, const json_t *test, struct tally *t)
{
    const json_t *key = json_object_get(group, "publicKey");
    struct wf_buf pk = wf_test_json_hex(key ? key : json_object_get(group, "key"), "pk");
    struct wf_buf msg = wf_test_json_hex(test, "msg"), sig = wf_test_json_hex(test, "sig");
    bool valid = strcmp(text(test, "result"), "valid") == 0,
         expressible = pk.len == WF_KEY_LEN && sig.len == WF_SIG_LEN;

    t->refused += !expressible;
    bool accepted =
        expressible && ed25519_accepts(wf_buf_view(&pk), wf_buf_view(&msg), wf_buf_view(&sig));
    t->passed += accepted == valid;
    wf_buf_fini(&pk);
    wf_buf_fini(&msg);
    wf_buf_fini(&sig);
}

// Wycheproof: X25519. "acceptable" are peculiar public keys: the result must be right, except that an all-zero one must be
// refused (RFC 7748, section 6.1).

static void run_xdh(const json_t *group, const json_t *test, struct tally *t)
{
    static const uint8_t zero[WF_KEY_LEN];
    struct wf_buf public = wf_test_json_hex(test, "public"),
                  private = wf_test_json_hex(test, "private");
    struct wf_buf shared = wf_test_json_hex(test, "shared");
    struct wf_dh_pub pub;
    struct wf_secret secret = { 0 };
    uint8_t out[WF_KEY_LEN];

    (void)group;
    if (public.len != WF_KEY_LEN || private.len != WF_KEY_LEN) {
        t->refused++;
        t->passed += strcmp(text(test, "result"), "valid") != 0;
    } else {
        memcpy(pub.b, public.ptr, WF_KEY_LEN);
        ck_assert_int_eq(wf_secret_copy(wf_buf_view(&private), &secret), WEFT_OK);
        enum weft_err err = wf_dh(&secret, &pub, out);
        bool is_zero = wf_bytes_eq(wf_buf_view(&shared), WF_BYTES(zero));
        t->passed +=
            is_zero ? err == WEFT_E_KEY : !err && wf_bytes_eq(wf_buf_view(&shared), WF_BYTES(out));
        wf_secret_fini(&secret);
    }
    wf_buf_fini(&public);
    wf_buf_fini(&private);
    wf_buf_fini(&shared);
}

// Wycheproof: the two AEADs

struct aead_case {
    struct wf_buf key, iv, aad, msg, sealed; // sealed: ciphertext and tag
    size_t tag_len;
};

static void aead_load(const json_t *test, struct aead_case *c)
{
    struct wf_buf tag = wf_test_json_hex(test, "tag");

    *c = (struct aead_case){ .key = wf_test_json_hex(test, "key"),
        .iv = wf_test_json_hex(test, "iv"),
        .aad = wf_test_json_hex(test, "aad"),
        .msg = wf_test_json_hex(test, "msg"),
        .sealed = wf_test_json_hex(test, "ct"),
        .tag_len = tag.len };
    ck_assert_int_eq(wf_buf_append(&c->sealed, wf_buf_view(&tag)), WEFT_OK);
    wf_buf_fini(&tag);
}

static void aead_free(struct aead_case *c)
{
    wf_buf_fini(&c->key);
    wf_buf_fini(&c->iv);
    wf_buf_fini(&c->aad);
    wf_buf_fini(&c->msg);
    wf_buf_fini(&c->sealed);
}

static enum weft_err aead_open(const struct aead_case *c, size_t nonce_len, uint8_t *plain)
{
    if (nonce_len == WF_XNONCE_LEN)
        return wf_xchacha_open(
            c->key.ptr, c->iv.ptr, wf_buf_view(&c->aad), wf_buf_view(&c->sealed), plain);
    return wf_chacha_open(
        c->key.ptr, c->iv.ptr, wf_buf_view(&c->aad), wf_buf_view(&c->sealed), plain);
}

static void aead_seal(const struct aead_case *c, size_t nonce_len, uint8_t *out)
{
    if (nonce_len == WF_XNONCE_LEN)
        wf_xchacha_seal(c->key.ptr, c->iv.ptr, wf_buf_view(&c->aad), wf_buf_view(&c->msg), out);
    else
        wf_chacha_seal(c->key.ptr, c->iv.ptr, wf_buf_view(&c->aad), wf_buf_view(&c->msg), out);
}

// Valid: opens to the message, and sealing the message gives the same bytes. Invalid: does not open.
static bool aead_passes(const struct aead_case *c, size_t nonce_len, bool valid)
{
    uint8_t *plain = calloc(1, c->sealed.len + 1), *sealed = calloc(1, c->msg.len + WF_TAG_LEN);

    ck_assert(plain && sealed);
    enum weft_err err = aead_open(c, nonce_len, plain);
    bool pass = valid ? err == WEFT_OK : err == WEFT_E_AEAD;
    if (valid) {
        aead_seal(c, nonce_len, sealed);
        pass = pass && wf_bytes_eq(wf_bytes(plain, c->msg.len), wf_buf_view(&c->msg)) &&
               wf_bytes_eq(wf_bytes(sealed, c->msg.len + WF_TAG_LEN), wf_buf_view(&c->sealed));
    }
    free(plain);
    free(sealed);
    return pass;
}

static void run_aead(const json_t *test, size_t nonce_len, struct tally *t)
{
    struct aead_case c;
    bool valid = strcmp(text(test, "result"), "valid") == 0;

    aead_load(test, &c);
    if (c.key.len != WF_KEY_LEN || c.iv.len != nonce_len || c.tag_len != WF_TAG_LEN) {
        t->refused++;
        t->passed += !valid;
    } else {
        t->passed += aead_passes(&c, nonce_len, valid);
    }
    aead_free(&c);
}

static void run_chacha(const json_t *group, const json_t *test, struct tally *t)
{
    (void)group;
    run_aead(test, WF_NONCE_LEN, t);
}

static void run_xchacha(const json_t *group, const json_t *test, struct tally *t)
{
    (void)group;
    run_aead(test, WF_XNONCE_LEN, t);
}

static const struct suite {
    const char *algorithm, *type,
        *curve; // curve: of the group or its key; empty where there is none
    void (*run)(const json_t *group, const json_t *test, struct tally *t);
} suites[] = {
    { "EDDSA", "EddsaVerify", "edwards25519", run_eddsa },
    { "XDH", "XdhComp", "curve25519", run_xdh },
    { "CHACHA20-POLY1305", "AeadTest", "", run_chacha },
    { "XCHACHA20-POLY1305", "AeadTest", "", run_xchacha },
};

static unsigned files_used[WF_COUNT(suites)], files_unused;

static const struct suite *suite_of(const json_t *file, const json_t *group)
{
    const json_t *key = json_object_get(group, "publicKey");
    const char *curve = text(group, "curve");

    if (!*curve)
        curve = text(key ? key : json_object_get(group, "key"), "curve");
    for (size_t i = 0; i < WF_COUNT(suites); i++)
        if (!strcmp(suites[i].algorithm, text(file, "algorithm")) &&
            !strcmp(suites[i].type, text(group, "type")) && !strcmp(suites[i].curve, curve))
            return &suites[i];
    return NULL;
}

static void run_wycheproof(const char *name, json_t *file)
{
    struct tally t = { 0 };
    unsigned others = 0;
    const struct suite *used = NULL;
    size_t g, i;
    const json_t *group, *test;

    json_array_foreach(json_object_get(file, "testGroups"), g, group)
    {
        const struct suite *s = suite_of(file, group);
        const json_t *tests = json_object_get(group, "tests");
        if (!s) {
            others += (unsigned)json_array_size(tests);
            continue;
        }
        used = s;
        json_array_foreach(tests, i, test)
        {
            unsigned before = t.passed;
            t.cases++;
            s->run(group, test, &t);
            ck_assert_msg(t.passed == before + 1, "%s case %lld: %s", name,
                (long long)json_integer_value(json_object_get(test, "tcId")),
                text(test, "comment"));
        }
    }
    if (used)
        files_used[used - suites]++;
    else
        files_unused++;
    printf("%s: %u of %u right, %u of them refused by the type of our arguments, %u of other "
           "algorithms\n",
        name, t.passed, t.cases, t.refused, others);
    if (json_is_integer(json_object_get(file, "numberOfTests")))
        ck_assert_int_eq(
            json_integer_value(json_object_get(file, "numberOfTests")), t.cases + others);
}

START_TEST(every_wycheproof_case_has_the_right_verdict)
{
    int files = for_each_file("wycheproof", run_wycheproof);

    printf("%d files, %u without a case for us\n", files, files_unused);
    for (size_t i = 0; i < WF_COUNT(suites); i++)
        ck_assert_msg(files_used[i] > 0, "no file for %s", suites[i].algorithm);
}
END_TEST

// The Ed25519 edge tables. libsodium refuses S >= L, points of small order and encodings that are not canonical, and
// checks the equation without the cofactor; the tables are pinned to exactly that.

static const int speccheck_accepted[] = { 3 };

static const int cctv_accepted[] = { 7, 29, 50, 117, 139, 161, 182, 249, 305, 411, 425, 438, 465,
    473, 481, 489, 497, 511, 525, 538, 565, 573, 581, 589, 597, 611, 625, 638, 665, 673, 681, 689,
    697, 711, 725, 738, 765, 773, 781, 789, 797, 832, 899 };

static bool listed(const int *list, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

// What the flags of a CCTV case say about our rules: any of these makes the signature unacceptable.
static bool cctv_flags_refuse(const json_t *test)
{
    static const char *const fatal[] = { "low_order_A", "low_order_R", "low_order_residue",
        "non_canonical_A", "non_canonical_R", "reencoded_k" };
    size_t i;
    const json_t *flag;

    json_array_foreach(json_object_get(test, "flags"), i,
        flag) for (size_t k = 0; k < WF_COUNT(fatal);
                   k++) if (!strcmp(json_string_value(flag), fatal[k])) return true;
    return false;
}

static bool edge_accepts(const json_t *test, bool cctv)
{
    struct wf_buf pk = wf_test_json_hex(test, cctv ? "key" : "pub_key");
    struct wf_buf sig = wf_test_json_hex(test, cctv ? "sig" : "signature");
    struct wf_buf hex = cctv ? (struct wf_buf){ 0 } : wf_test_json_hex(test, "message");
    struct wf_bytes message = cctv ? wf_bytes_str(text(test, "msg")) : wf_buf_view(&hex);

    ck_assert_uint_eq(pk.len, WF_KEY_LEN);
    ck_assert_uint_eq(sig.len, WF_SIG_LEN);
    bool accepted = ed25519_accepts(wf_buf_view(&pk), message, wf_buf_view(&sig));
    wf_buf_fini(&pk);
    wf_buf_fini(&sig);
    wf_buf_fini(&hex);
    return accepted;
}

static unsigned edge_tables;

static void run_edges(const char *name, json_t *file)
{
    bool cctv = json_object_get(json_array_get(file, 0), "flags") != NULL;
    unsigned accepted = 0;
    size_t i;
    const json_t *test;

    json_array_foreach(file, i, test)
    {
        bool got = edge_accepts(test, cctv);
        bool want = cctv ? listed(cctv_accepted, WF_COUNT(cctv_accepted), (int)i)
                         : listed(speccheck_accepted, WF_COUNT(speccheck_accepted), (int)i);
        ck_assert_msg(got == want, "%s case %zu is %s", name, i, got ? "accepted" : "refused");
        if (cctv)
            ck_assert_msg(got != cctv_flags_refuse(test), "%s case %zu against its flags", name, i);
        accepted += got;
    }
    printf("%s: %u of %zu accepted, as pinned\n", name, accepted, json_array_size(file));
    ck_assert_uint_eq(json_array_size(file), cctv ? 914 : 12);
    edge_tables |= cctv ? 1u : 2u;
}

START_TEST(ed25519_edge_cases_have_the_pinned_verdicts)
{
    for_each_file("ed25519-edge", run_edges);
    ck_assert_uint_eq(edge_tables, 3);
}
END_TEST

int main(void)
{
    if (!wf_test_vectors_dir()) {
        printf("skipped: no public vectors (set WEFT_VECTORS)\n");
        return WF_TEST_SKIP;
    }
    if (wf_crypto_init())
        return 1;
    Suite *s = suite_create("vectors_crypto");
    TCase *t = tcase_create("vectors_crypto");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, every_wycheproof_case_has_the_right_verdict);
    tcase_add_test(t, ed25519_edge_cases_have_the_pinned_verdicts);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
