// SPDX-License-Identifier: Apache-2.0
// A descriptor set from a peer: compile it, look everything up, print it as .proto, and read the same bytes as a record of
// each of its first messages, so that readers meet schemas nobody wrote.
#include <stdlib.h>

#include "proto/schema/record_json.h"
#include "proto/schema/schema_proto.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct wf_schema_message *m)
{
    for (uint32_t i = 0; i < m->field_count; i++) {
        const struct wf_schema_field *f = &m->fields[i];
        if (wf_schema_field_by_number(m, f->number) != f ||
            wf_schema_field_by_name(m, wf_bytes_str(f->name)) != f ||
            wf_schema_field_by_json(m, wf_bytes_str(f->json_name)) != f || !wf_schema_type_name(f))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_schema *schema = NULL;
    struct wf_schema_proto *proto = NULL;
    struct wf_diag diag = { 0 };
    struct wf_buf out = { 0 };
    struct wf_bytes in = wf_bytes(data, size);

    if (wf_schema_compile(in, &schema, &diag)) {
        if (!diag.text[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < wf_schema_message_count(schema); i++) {
        const struct wf_schema_message *m = wf_schema_message_at(schema, i);
        if (wf_schema_find_message(schema, wf_bytes_str(m->full_name)) != m)
            abort();
        look_up(m);
        out.len = 0;
        if (i < 8 && wf_record_check(m, in, NULL) == WEFT_OK &&
            wf_record_json(m, in, NULL, &out, &diag) == WEFT_E_INTERNAL)
            abort();
    }
    out.len = 0;
    if (wf_schema_proto_open(in, &proto, NULL) == WEFT_OK &&
        wf_schema_proto_print_all(proto, &out) == WEFT_E_INTERNAL)
        abort();
    wf_schema_proto_close(proto);
    wf_schema_free(schema);
    wf_buf_fini(&out);
    return 0;
}
