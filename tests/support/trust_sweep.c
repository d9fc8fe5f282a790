// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "tests/support/trust.h"

// The bytes in memory of their exact size, so that reading one past the end is seen by ASan.
static enum weft_err open_exact(struct wf_bytes in, wf_test_open_fn open, void *context)
{
    uint8_t *exact = malloc(in.len ? in.len : 1);

    ck_assert_ptr_nonnull(exact);
    if (in.len)
        memcpy(exact, in.ptr, in.len);
    enum weft_err err = open(wf_bytes(exact, in.len), context);
    free(exact);
    return err;
}

void wf_test_truncations(struct wf_bytes document, wf_test_open_fn open, void *context)
{
    struct wf_buf longer = { 0 };

    ck_assert_int_eq(open_exact(document, open, context), WEFT_OK);
    for (size_t len = 0; len < document.len; len++) {
        enum weft_err err = open_exact(wf_bytes(document.ptr, len), open, context);
        ck_assert_msg(err != WEFT_OK && err != WEFT_E_NOMEM && err != WEFT_E_INTERNAL,
            "cut to %zu of %zu bytes: %s", len, document.len, weft_err_name(err));
    }
    ck_assert_int_eq(wf_buf_append(&longer, document), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&longer, 0), WEFT_OK);
    ck_assert_msg(open_exact(wf_buf_view(&longer), open, context) != WEFT_OK, "a byte after it");
    wf_buf_fini(&longer);
}

void wf_test_bit_flips(struct wf_bytes document, size_t step, wf_test_open_fn open, void *context)
{
    struct wf_buf copy = { 0 };

    ck_assert_int_eq(wf_bytes_dup(document, &copy), WEFT_OK);
    for (size_t bit = 0; bit < document.len * 8; bit += step) {
        copy.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum weft_err err = open_exact(wf_buf_view(&copy), open, context);
        copy.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_msg(err != WEFT_OK && err != WEFT_E_NOMEM && err != WEFT_E_INTERNAL,
            "bit %zu of byte %zu flipped: %s", bit % 8, bit / 8, weft_err_name(err));
    }
    wf_buf_fini(&copy);
}

void wf_test_purposes(struct wf_bytes body, enum wf_doc own, const struct wf_secret *key,
    wf_test_open_fn open, void *context)
{
    for (int d = 0; d < WF_DOC_COUNT; d++) {
        struct wf_buf sealed = { 0 };
        ck_assert_int_eq(wf_envelope_seal((enum wf_doc)d, body, key, &sealed), WEFT_OK);
        enum weft_err err = open(wf_buf_view(&sealed), context);
        ck_assert_msg(err == ((enum wf_doc)d == own ? WEFT_OK : WEFT_E_PURPOSE), "as %s: %s",
            wf_doc_type((enum wf_doc)d), weft_err_name(err));
        wf_buf_fini(&sealed);
    }
}
