// SPDX-License-Identifier: Apache-2.0
// What a source writes: the first byte chooses keys and how the stream is cut, the rest are its lines. Cuts must change nothing, and what
// is kept must read back as so many records whose rows fit the schema.
#include <stdlib.h>

#include "node/source/lines.h"
#include "proto/schema/record.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_US INT64_C(1767225600000000)

extern const unsigned char wf_agent_schema[];
extern const unsigned long wf_agent_schema_len;

static const char *const keys[] = { "host" };

static void must(bool right)
{
    if (!right)
        abort();
}

static void feed(
    struct wf_lines *l, const struct wf_schema_message *m, struct wf_bytes in, size_t step)
{
    while (in.len) {
        size_t take = in.len < step ? in.len : step, taken = 0;
        must(!wf_lines_feed(l, m, wf_bytes(in.ptr, take), NOW_US, SIZE_MAX, &taken));
        must(taken == take);
        in = wf_bytes(in.ptr + take, in.len - take);
    }
}

static void read_back(const struct wf_lines *l, const struct wf_schema_message *m)
{
    struct wf_bytes in = wf_buf_view(&l->raw);
    struct wf_diag diag = { 0 };
    uint32_t count = 0;

    for (; in.len; count++) {
        struct wf_record_view v;
        must(!wf_records_next(&in, l->base_us, &v));
        if (v.op == WF_OP_PUT || v.op == WF_OP_DELETE)
            must(!wf_record_check(m, v.data, &diag));
        else
            must(v.data.len == 0);
        must(l->key_count > 0 || v.op == WF_OP_PUT);
    }
    must(count == l->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_schema *schema;
    struct wf_diag diag = { 0 };

    if (!schema)
        must(!wf_schema_compile(wf_bytes(wf_agent_schema, wf_agent_schema_len), &schema, &diag));
    if (size == 0)
        return 0;
    const struct wf_schema_message *m =
        wf_schema_find_message(schema, WF_STR("weft.v1.AgentRecord"));
    struct wf_bytes text = wf_bytes(data + 1, size - 1);
    struct wf_lines whole = { .keys = keys, .key_count = data[0] & 1 }, cut = whole;

    feed(&whole, m, text, SIZE_MAX);
    feed(&cut, m, text, 1 + data[0] / 2);
    read_back(&whole, m);
    must(whole.lines == cut.lines && whole.refused == cut.refused && whole.count == cut.count);
    must(wf_bytes_eq(wf_buf_view(&whole.raw), wf_buf_view(&cut.raw)));
    must(strcmp(whole.last_error, cut.last_error) == 0);
    wf_lines_fini(&whole);
    wf_lines_fini(&cut);
    return 0;
}
