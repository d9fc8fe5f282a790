// SPDX-License-Identifier: Apache-2.0
// Entries: what parses packs to the same bytes, its views lie within the input, and its hash can be taken.
#include <stdlib.h>

#include "proto/stream/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_view(struct wf_bytes view, struct wf_bytes in)
{
    if (view.len && (view.ptr < in.ptr || view.ptr + view.len > in.ptr + in.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_entry e;
    struct wf_buf again = { 0 };
    struct wf_hash zero = { { 0 } }, hash;

    if (wf_entry_parse(in, &e))
        return 0;
    check_view(e.header, in);
    check_view(e.payload, in);
    if (wf_entry_pack(&e, &again) || !wf_bytes_eq(wf_buf_view(&again), in))
        abort();
    wf_entry_hash(&e, &zero, e.is_reset ? NULL : &zero, &hash);
    wf_buf_fini(&again);
    return 0;
}
