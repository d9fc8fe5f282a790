// SPDX-License-Identifier: Apache-2.0
// Records payloads: what is accepted is the only encoding of what it says, and protobuf-c reads as many records from it.
#include <stdlib.h>

#include "proto/base/pb_v1.h"
#include "proto/stream/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_protobuf(struct wf_bytes raw, uint32_t count)
{
    struct wf_arena a;
    Weft__V1__Records *m = NULL;

    wf_arena_init(&a, WF_MAX_UNPACK);
    enum weft_err err = wf_pb_unpack(&weft__v1__records__descriptor, raw, WF_PB_CANONICAL, &a, &m);
    if (err ? err != WEFT_E_BUDGET : m->n_records != count)
        abort();
    wf_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t base_us = 1767225600000000LL;
    struct wf_bytes raw = wf_bytes(data, size), rest = raw;
    struct wf_buf again = { 0 };
    struct wf_record_view r;
    uint32_t count = 0;
    int64_t min_us = 0, max_us = 0;

    while (rest.len && wf_records_next(&rest, base_us, &r) == WEFT_OK)
        if (wf_records_add(&again, r.op, r.time_us, base_us, r.data))
            abort();
    if (again.len != size - rest.len || (again.len && memcmp(again.ptr, data, again.len) != 0))
        abort();
    if (wf_records_check(raw, base_us, &count, &min_us, &max_us) == WEFT_OK) {
        if (rest.len)
            abort();
        check_protobuf(raw, count);
    }
    wf_buf_fini(&again);
    return 0;
}
