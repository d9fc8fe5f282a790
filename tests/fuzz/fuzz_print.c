// SPDX-License-Identifier: Apache-2.0
// Printed forms: whatever parses must print to the same text again, in lower case and without the white space around it.
#include <ctype.h>
#include <stdlib.h>

#include "proto/base/print.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *prefix, struct wf_bytes text, const struct wf_buf *parsed)
{
    struct wf_buf again = { 0 };
    size_t start = 0;

    if (wf_print(prefix, wf_buf_view(parsed), &again))
        abort();
    while (start < text.len && isspace(text.ptr[start]))
        start++;
    if (text.len - start < again.len)
        abort();
    for (size_t i = 0; i < again.len; i++)
        if (tolower(text.ptr[start + i]) != again.ptr[i])
            abort();
    for (size_t i = start + again.len; i < text.len; i++)
        if (!isspace(text.ptr[i]))
            abort();
    wf_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = { WF_PREFIX_ID, WF_PREFIX_SIGN, WF_PREFIX_DH,
        WF_PREFIX_MESH, WF_PREFIX_CAP, WF_PREFIX_TICKET, WF_PREFIX_HASH };
    struct wf_bytes text = wf_bytes(data, size);

    for (size_t i = 0; i < WF_COUNT(prefixes); i++) {
        struct wf_buf parsed = { 0 };
        if (wf_print_parse(prefixes[i], text, &parsed) == WEFT_OK)
            check_round_trip(prefixes[i], text, &parsed);
        wf_buf_fini(&parsed);
    }
    return 0;
}
