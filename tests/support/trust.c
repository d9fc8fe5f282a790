// SPDX-License-Identifier: Apache-2.0
#include "tests/support/trust.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

void wf_test_must(enum weft_err err)
{
    if (err == WEFT_OK)
        return;
    fprintf(stderr, "test support: %s\n", weft_err_name(err));
    abort();
}

struct wf_hash wf_test_hash(const char *label)
{
    struct wf_hash h;

    wf_blake2b(wf_bytes_str(label), &h);
    return h;
}

struct wf_secret wf_test_sign_key(const char *label, struct wf_sign_pub *ret_pub)
{
    struct wf_hash seed = wf_test_hash(label);
    struct wf_secret s = { 0 };

    wf_test_must(wf_crypto_init());
    wf_test_must(wf_sign_from_seed(wf_hash_view(&seed), &s, ret_pub));
    return s;
}

struct wf_secret wf_test_dh_key(const char *label, struct wf_dh_pub *ret_pub)
{
    struct wf_hash seed = wf_test_hash(label);
    struct wf_secret s = { 0 };

    wf_test_must(wf_crypto_init());
    wf_test_must(wf_secret_copy(wf_hash_view(&seed), &s));
    wf_dh_public(&s, ret_pub);
    return s;
}

static struct wf_buf vector_text(const char *comment, struct wf_bytes content)
{
    struct wf_buf text = { 0 };
    char hex[65];

    wf_test_must(wf_buf_printf(&text, "# %s\n", comment));
    for (size_t at = 0; at < content.len; at += 32) {
        size_t n = content.len - at < 32 ? content.len - at : 32;
        wf_hex_put(wf_bytes(content.ptr + at, n), hex);
        wf_test_must(wf_buf_printf(&text, "%s\n", hex));
    }
    return text;
}

void wf_test_same_vector(const char *name, const char *comment, struct wf_bytes content)
{
    char path[512];
    const char *root = getenv("WEFT_SOURCE_DIR"), *update = getenv("WEFT_UPDATE_VECTORS");
    struct wf_buf text = vector_text(comment, content);

    snprintf(path, sizeof path, "%s/tests/vectors/%s.hex", root ? root : ".", name);
    if (update && strcmp(update, "1") == 0) {
        FILE *f = fopen(path, "wb");
        ck_assert_msg(f != NULL, "cannot write %s", path);
        ck_assert_uint_eq(fwrite(text.ptr, 1, text.len, f), text.len);
        ck_assert_int_eq(fclose(f), 0);
    }
    struct wf_buf file = wf_test_file(path);
    ck_assert_msg(wf_bytes_eq(wf_buf_view(&file), wf_buf_view(&text)),
        "%s differs from what the generator makes; a wire format changed? (WEFT_UPDATE_VECTORS=1)",
        path);
    wf_buf_fini(&file);
    wf_buf_fini(&text);
}

void wf_test_refused_vector(
    const char *stem, enum weft_err want, const char *why, struct wf_bytes content)
{
    char name[96], comment[256];

    snprintf(name, sizeof name, "%s-%s", stem, weft_err_name(want));
    for (char *p = name; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        if (*p == '_')
            *p = '-';
    }
    snprintf(comment, sizeof comment, "refused %s: %s", weft_err_name(want), why);
    wf_test_same_vector(name, comment, content);
}

void wf_test_trust_vector(const char *name, const char *comment, struct wf_bytes content)
{
    char path[96];

    snprintf(path, sizeof path, "trust/%s", name);
    wf_test_same_vector(path, comment, content);
}

void wf_test_trust_refused(
    unsigned number, const char *doc, enum weft_err want, const char *why, struct wf_bytes content)
{
    char stem[96];

    snprintf(stem, sizeof stem, "trust/%03u-%s", number, doc);
    wf_test_refused_vector(stem, want, why, content);
}
