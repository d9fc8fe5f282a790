// SPDX-License-Identifier: Apache-2.0
// Noise: every IK vector through the code that weft runs; every other vector of the same primitives through the pattern
// interpreter, which shares the symmetric state. Then what a hostile peer may send.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/proto/noise_patterns.h"

// Keys after Split and the transport messages of a vector: the Noise framing, counters from 0 in each direction.
struct transport {
    uint8_t key[2][WF_KEY_LEN];
    uint64_t n[2];
};

static void check_transport(
    struct transport *t, const json_t *message, bool by_initiator, const char *name)
{
    struct wf_buf payload = wf_test_json_hex(message, "payload"),
                  want = wf_test_json_hex(message, "ciphertext");
    uint8_t nonce[WF_NONCE_LEN], *sealed = malloc(payload.len + WF_TAG_LEN),
                                 *plain = malloc(payload.len + 1);
    unsigned d = by_initiator ? 0 : 1;

    ck_assert(sealed && plain);
    wf_noise_nonce(t->n[d]++, nonce);
    wf_chacha_seal(t->key[d], nonce, wf_bytes(NULL, 0), wf_buf_view(&payload), sealed);
    ck_assert_msg(wf_bytes_eq(wf_bytes(sealed, payload.len + WF_TAG_LEN), wf_buf_view(&want)),
        "%s: transport", name);
    ck_assert_int_eq(
        wf_chacha_open(t->key[d], nonce, wf_bytes(NULL, 0), wf_buf_view(&want), plain), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_bytes(plain, payload.len), wf_buf_view(&payload)));
    free(sealed);
    free(plain);
    wf_buf_fini(&payload);
    wf_buf_fini(&want);
}

static void check_hash(const json_t *vector, const uint8_t h[WF_NOISE_HASH_LEN], const char *name)
{
    struct wf_buf want = wf_test_json_hex(vector, "handshake_hash");

    if (want.len)
        ck_assert_msg(wf_bytes_eq(wf_buf_view(&want), wf_bytes(h, WF_NOISE_HASH_LEN)),
            "%s: handshake hash", name);
    wf_buf_fini(&want);
}

// One IK vector through wf_noise_ik_*, both roles.

struct ik_keys {
    struct wf_secret is, ie, rs, re;
    struct wf_dh_pub is_pub, rs_pub;
    struct wf_buf prologue;
};

static void load(const json_t *v, const char *name, struct wf_secret *ret)
{
    struct wf_buf b = wf_test_json_hex(v, name);

    ck_assert_int_eq(wf_secret_copy(wf_buf_view(&b), ret), WEFT_OK);
    wf_buf_fini(&b);
}

static void ik_load(const json_t *v, struct ik_keys *k)
{
    load(v, "init_static", &k->is);
    load(v, "init_ephemeral", &k->ie);
    load(v, "resp_static", &k->rs);
    load(v, "resp_ephemeral", &k->re);
    wf_dh_public(&k->is, &k->is_pub);
    wf_dh_public(&k->rs, &k->rs_pub);
    k->prologue = wf_test_json_hex(v, "init_prologue");
}

static void ik_free(struct ik_keys *k)
{
    wf_secret_fini(&k->is);
    wf_secret_fini(&k->ie);
    wf_secret_fini(&k->rs);
    wf_secret_fini(&k->re);
    wf_buf_fini(&k->prologue);
}

static void ik_first(
    const struct ik_keys *k, const json_t *message, struct wf_noise_ik *i, struct wf_noise_ik *r)
{
    struct wf_noise_keys own = { .s = &k->is, .e = &k->ie, .s_pub = &k->is_pub };
    struct wf_buf payload = wf_test_json_hex(message, "payload"),
                  want = wf_test_json_hex(message, "ciphertext");
    uint8_t out[512], plain[512];

    wf_noise_ik_init(i, wf_buf_view(&k->prologue), &k->rs_pub);
    wf_noise_ik_init(r, wf_buf_view(&k->prologue), &k->rs_pub);
    ck_assert_uint_eq(want.len, WF_NOISE_FIRST_LEN + payload.len);
    ck_assert_int_eq(wf_noise_ik_write_first(i, &own, wf_buf_view(&payload), out), WEFT_OK);
    ck_assert_mem_eq(out, want.ptr, want.len);
    ck_assert_int_eq(wf_noise_ik_read_first(r, &k->rs, wf_buf_view(&want), plain), WEFT_OK);
    ck_assert_mem_eq(plain, payload.ptr, payload.len);
    ck_assert_mem_eq(r->rs.b, k->is_pub.b, WF_KEY_LEN);
    wf_buf_fini(&payload);
    wf_buf_fini(&want);
}

static void ik_second(
    const struct ik_keys *k, const json_t *message, struct wf_noise_ik *i, struct wf_noise_ik *r)
{
    struct wf_noise_keys own = { .s = &k->is, .e = &k->ie, .s_pub = &k->is_pub };
    struct wf_buf payload = wf_test_json_hex(message, "payload"),
                  want = wf_test_json_hex(message, "ciphertext");
    uint8_t out[512], plain[512];

    ck_assert_uint_eq(want.len, WF_NOISE_SECOND_LEN + payload.len);
    ck_assert_int_eq(wf_noise_ik_write_second(r, &k->re, wf_buf_view(&payload), out), WEFT_OK);
    ck_assert_mem_eq(out, want.ptr, want.len);
    ck_assert_int_eq(wf_noise_ik_read_second(i, &own, wf_buf_view(&want), plain), WEFT_OK);
    ck_assert_mem_eq(plain, payload.ptr, payload.len);
    ck_assert_mem_eq(i->state.h, r->state.h, WF_NOISE_HASH_LEN);
    wf_buf_fini(&payload);
    wf_buf_fini(&want);
}

static void run_ik(const json_t *v, const char *name)
{
    const json_t *messages = json_object_get(v, "messages");
    struct ik_keys k = { 0 };
    struct wf_noise_ik i, r;
    struct transport ti = { 0 }, tr = { 0 };

    ik_load(v, &k);
    ik_first(&k, json_array_get(messages, 0), &i, &r);
    ik_second(&k, json_array_get(messages, 1), &i, &r);
    check_hash(v, i.state.h, name);
    wf_noise_split(&i.state, ti.key[0], ti.key[1]);
    wf_noise_split(&r.state, tr.key[0], tr.key[1]);
    ck_assert_mem_eq(ti.key, tr.key, sizeof ti.key);
    for (size_t m = 2; m < json_array_size(messages); m++)
        check_transport(&ti, json_array_get(messages, m), m % 2 == 0, name);
    ik_free(&k);
}

// Any vector through the interpreter, both roles.

static void pattern_message(struct np_party *from, struct np_party *to, const struct np_pattern *p,
    unsigned m, const json_t *message)
{
    struct wf_buf payload = wf_test_json_hex(message, "payload"),
                  want = wf_test_json_hex(message, "ciphertext");
    struct wf_buf out = { 0 }, plain = { 0 };

    np_write(from, p, m, wf_buf_view(&payload), &out);
    ck_assert_msg(wf_bytes_eq(wf_buf_view(&out), wf_buf_view(&want)), "%s: message %u", p->name, m);
    ck_assert_int_eq(np_read(to, p, m, wf_buf_view(&want), &plain), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&plain), wf_buf_view(&payload)));
    wf_buf_fini(&payload);
    wf_buf_fini(&want);
    wf_buf_fini(&out);
    wf_buf_fini(&plain);
}

static void run_pattern(const json_t *v, const struct np_pattern *p, const char *name)
{
    const json_t *messages = json_object_get(v, "messages");
    unsigned count = np_message_count(p);
    struct np_party i, r;
    struct transport t = { 0 };

    np_init(&i, p, v, true);
    np_init(&r, p, v, false);
    ck_assert_uint_ge(json_array_size(messages), count);
    for (unsigned m = 0; m < count; m++)
        pattern_message(m % 2 ? &r : &i, m % 2 ? &i : &r, p, m, json_array_get(messages, m));
    ck_assert_mem_eq(i.state.h, r.state.h, WF_NOISE_HASH_LEN);
    check_hash(v, i.state.h, name);
    wf_noise_split(&i.state, t.key[0], t.key[1]);
    for (size_t m = count; m < json_array_size(messages); m++)
        check_transport(&t, json_array_get(messages, m), m % 2 == 0 || np_is_one_way(p), name);
    np_fini(&i);
    np_fini(&r);
}

static unsigned ik_count, pattern_count, other_count;

static void run_file(const char *path)
{
    json_t *file = wf_test_json(path);
    const json_t *v;
    size_t n;

    json_array_foreach(json_object_get(file, "vectors"), n, v)
    {
        const char *name = json_string_value(json_object_get(v, "protocol_name"));
        struct np_pattern p;
        ck_assert_ptr_nonnull(name);
        if (!np_pattern_of(name, &p)) {
            other_count++;
            continue;
        }
        run_pattern(v, &p, name);
        pattern_count++;
        if (strcmp(name, WF_NOISE_NAME) == 0) {
            run_ik(v, name);
            ik_count++;
        }
    }
    json_decref(file);
}

START_TEST(every_vector_of_the_folder_is_reproduced)
{
    char path[1024];
    unsigned files = 0;

    snprintf(path, sizeof path, "%s/noise", wf_test_vectors_dir());
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!strstr(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/noise/%s", wf_test_vectors_dir(), e->d_name);
        unsigned before = ik_count;
        run_file(path);
        printf("%s: %u IK\n", e->d_name, ik_count - before);
        files++;
    }
    closedir(d);
    printf("%u files: %u vectors of our primitives reproduced, %u of them IK; %u of other "
           "primitives or patterns\n",
        files, pattern_count, ik_count, other_count);
    ck_assert_uint_gt(ik_count, 0);
}
END_TEST

START_TEST(the_derivation_is_hkdf_over_hmac_blake2b)
{
    uint8_t ck[WF_NOISE_HASH_LEN], out[3][WF_NOISE_HASH_LEN];
    char text[2 * WF_NOISE_HASH_LEN + 1];

    // Computed with Python's hmac and hashlib.
    static const char *const want[3] = {
        "a94ec1ceaa5ac0280eafc97980003e4019176e4bf7c914c45fb0bbda0b22a995"
        "4d01f3697bbf32817ed0fccbf6dd1ebd24c0b05611051e63dc56e131af4f7c10",
        "f9d83f6c5d34695529eb8e35c8a2ed78658092e7c3b38fdf0cea2a2096b6f6e5"
        "42af644e298508f37da08860db285a8ad4b604c1f160f23356df6b28c183508d",
        "bb6f14b645bac5dd79c98ce583e3357b43b431c22400c9b79d690c1d2fe2d391"
        "ab8372b0b08553b56e802dc6badace75398c1b8a973d0aab18d857d431c3a48f"
    };
    for (size_t i = 0; i < sizeof ck; i++)
        ck[i] = (uint8_t)i;
    wf_noise_hkdf(ck, WF_STR("input key material"), 3, out);
    for (unsigned i = 0; i < 3; i++) {
        wf_hex_put(WF_BYTES(out[i]), text);
        ck_assert_str_eq(text, want[i]);
    }
}
END_TEST

// A handshake with fixed keys for the hostile cases.

struct pair {
    struct wf_secret is, ie, rs, re;
    struct wf_dh_pub is_pub, rs_pub;
    struct wf_noise_ik i, r;
    uint8_t first[WF_NOISE_FIRST_LEN + 4], second[WF_NOISE_SECOND_LEN + 4];
};

static void fixed_secret(uint8_t value, struct wf_secret *ret)
{
    uint8_t b[WF_KEY_LEN];

    memset(b, value, sizeof b);
    ck_assert_int_eq(wf_secret_copy(WF_BYTES(b), ret), WEFT_OK);
}

static struct wf_noise_keys initiator_keys(const struct pair *p)
{
    return (struct wf_noise_keys){ .s = &p->is, .e = &p->ie, .s_pub = &p->is_pub };
}

static void pair_init(struct pair *p)
{
    struct wf_noise_ik r;
    uint8_t payload[4];

    *p = (struct pair){ .first = { 0 } };
    fixed_secret(1, &p->is);
    fixed_secret(2, &p->ie);
    fixed_secret(3, &p->rs);
    fixed_secret(4, &p->re);
    wf_dh_public(&p->is, &p->is_pub);
    wf_dh_public(&p->rs, &p->rs_pub);
    wf_noise_ik_init(&p->i, WF_STR("prologue"), &p->rs_pub);
    wf_noise_ik_init(&p->r, WF_STR("prologue"), &p->rs_pub);
    struct wf_noise_keys own = initiator_keys(p);
    ck_assert_int_eq(wf_noise_ik_write_first(&p->i, &own, WF_STR("ping"), p->first), WEFT_OK);
    r = p->r;
    ck_assert_int_eq(wf_noise_ik_read_first(&r, &p->rs, WF_BYTES(p->first), payload), WEFT_OK);
    ck_assert_int_eq(wf_noise_ik_write_second(&r, &p->re, WF_STR("pong"), p->second), WEFT_OK);
}

static void pair_fini(struct pair *p)
{
    wf_secret_fini(&p->is);
    wf_secret_fini(&p->ie);
    wf_secret_fini(&p->rs);
    wf_secret_fini(&p->re);
}

static enum weft_err read_first(const struct pair *p, struct wf_bytes in)
{
    struct wf_noise_ik r = p->r;
    uint8_t payload[4];

    return wf_noise_ik_read_first(&r, &p->rs, in, payload);
}

static enum weft_err read_second(const struct pair *p, struct wf_bytes in)
{
    struct wf_noise_ik i = p->i;
    struct wf_noise_keys own = initiator_keys(p);
    uint8_t payload[4];

    return wf_noise_ik_read_second(&i, &own, in, payload);
}

START_TEST(a_handshake_message_is_refused_when_cut_at_any_byte)
{
    struct pair p;

    pair_init(&p);
    ck_assert_int_eq(read_first(&p, WF_BYTES(p.first)), WEFT_OK);
    ck_assert_int_eq(read_second(&p, WF_BYTES(p.second)), WEFT_OK);
    for (size_t n = 0; n < sizeof p.first; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, p.first, n);
        enum weft_err want = n < WF_NOISE_FIRST_LEN ? WEFT_E_TRUNCATED : WEFT_E_AEAD;
        ck_assert_int_eq(read_first(&p, wf_bytes(exact, n)), want);
        free(exact);
    }
    for (size_t n = 0; n < sizeof p.second; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, p.second, n);
        enum weft_err want = n < WF_NOISE_SECOND_LEN ? WEFT_E_TRUNCATED : WEFT_E_AEAD;
        ck_assert_int_eq(read_second(&p, wf_bytes(exact, n)), want);
        free(exact);
    }
    pair_fini(&p);
}
END_TEST

START_TEST(a_handshake_message_is_refused_when_any_bit_differs)
{
    struct pair p;

    pair_init(&p);
    for (size_t i = 0; i < sizeof p.first * 8; i++) {
        p.first[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_msg(
            read_first(&p, WF_BYTES(p.first)) == WEFT_E_AEAD, "first message, bit %zu", i);
        p.first[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t i = 0; i < sizeof p.second * 8; i++) {
        p.second[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_msg(
            read_second(&p, WF_BYTES(p.second)) == WEFT_E_AEAD, "second message, bit %zu", i);
        p.second[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    pair_fini(&p);
}
END_TEST

START_TEST(an_ephemeral_key_of_small_order_is_refused)
{
    struct pair p;

    pair_init(&p);
    memset(p.first, 0, WF_KEY_LEN);
    ck_assert_int_eq(read_first(&p, WF_BYTES(p.first)), WEFT_E_KEY);
    memset(p.second, 0, WF_KEY_LEN);
    ck_assert_int_eq(read_second(&p, WF_BYTES(p.second)), WEFT_E_KEY);
    pair_fini(&p);
}
END_TEST

START_TEST(a_responder_key_of_small_order_is_refused_before_anything_is_sealed)
{
    struct pair p;
    struct wf_dh_pub zero = { { 0 } };
    struct wf_noise_ik i;
    uint8_t out[WF_NOISE_FIRST_LEN], blank[WF_NOISE_FIRST_LEN - WF_KEY_LEN] = { 0 };

    pair_init(&p);
    memset(out, 0, sizeof out);
    struct wf_noise_keys own = initiator_keys(&p);
    wf_noise_ik_init(&i, wf_bytes(NULL, 0), &zero);
    ck_assert_int_eq(wf_noise_ik_write_first(&i, &own, wf_bytes(NULL, 0), out), WEFT_E_KEY);
    ck_assert_mem_eq(out + WF_KEY_LEN, blank, sizeof blank);
    pair_fini(&p);
}
END_TEST

START_TEST(an_initiator_with_a_static_key_of_small_order_is_refused)
{
    struct pair p;
    struct wf_dh_pub zero = { { 0 } };
    struct wf_noise_ik i;
    uint8_t out[WF_NOISE_FIRST_LEN + 4];

    pair_init(&p);
    struct wf_noise_keys own = {
        .s = &p.is, .e = &p.ie, .s_pub = &zero
    }; // claims a key whose agreement all know
    wf_noise_ik_init(&i, WF_STR("prologue"), &p.rs_pub);
    ck_assert_int_eq(wf_noise_ik_write_first(&i, &own, WF_STR("ping"), out), WEFT_OK);
    ck_assert_int_eq(read_first(&p, WF_BYTES(out)), WEFT_E_KEY);
    pair_fini(&p);
}
END_TEST

START_TEST(both_sides_must_mean_the_same_prologue_and_responder)
{
    struct pair p;
    uint8_t payload[4];
    struct wf_noise_ik r;

    pair_init(&p);
    wf_noise_ik_init(&r, WF_STR("prologuf"), &p.rs_pub);
    ck_assert_int_eq(wf_noise_ik_read_first(&r, &p.rs, WF_BYTES(p.first), payload), WEFT_E_AEAD);
    wf_noise_ik_init(&r, WF_STR("prologue"), &p.is_pub);
    ck_assert_int_eq(wf_noise_ik_read_first(&r, &p.rs, WF_BYTES(p.first), payload), WEFT_E_AEAD);
    wf_noise_ik_init(&r, WF_STR("prologue"), &p.is_pub);
    ck_assert_int_eq(wf_noise_ik_read_first(&r, &p.is, WF_BYTES(p.first), payload), WEFT_E_AEAD);
    pair_fini(&p);
}
END_TEST

int main(void)
{
    if (wf_crypto_init())
        return 1;
    Suite *s = suite_create("noise");
    TCase *t = tcase_create("noise");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, the_derivation_is_hkdf_over_hmac_blake2b);
    tcase_add_test(t, a_handshake_message_is_refused_when_cut_at_any_byte);
    tcase_add_test(t, a_handshake_message_is_refused_when_any_bit_differs);
    tcase_add_test(t, an_ephemeral_key_of_small_order_is_refused);
    tcase_add_test(t, a_responder_key_of_small_order_is_refused_before_anything_is_sealed);
    tcase_add_test(t, an_initiator_with_a_static_key_of_small_order_is_refused);
    tcase_add_test(t, both_sides_must_mean_the_same_prologue_and_responder);
    if (wf_test_vectors_dir())
        tcase_add_test(t, every_vector_of_the_folder_is_reproduced);
    else
        printf("public vectors not run: the folder is absent (set WEFT_VECTORS)\n");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    if (failed)
        return 1;
    return wf_test_vectors_dir() ? 0 : WF_TEST_SKIP;
}
