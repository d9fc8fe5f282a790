// SPDX-License-Identifier: Apache-2.0
#include <check.h>

#include "tests/support/trust.h"

void wf_test_allocations(struct wf_bytes document, wf_test_open_fn open, void *context)
{
    for (long nth = 1;; nth++) {
        wf_test_fail_alloc(nth);
        enum weft_err err = open(document, context);
        long seen = wf_test_alloc_count();
        wf_test_fail_alloc(-1);
        if (err == WEFT_OK && seen < nth)
            break;
        ck_assert_msg(err == WEFT_E_NOMEM, "allocation %ld failed: %s", nth, weft_err_name(err));
        ck_assert_int_lt(nth, 10000);
    }
}
