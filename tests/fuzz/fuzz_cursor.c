// SPDX-License-Identifier: Apache-2.0
// Cursors: what parses packs to the same bytes, and put into rows and loaded again it is the same cursor.
#include <stdlib.h>

#include "proto/stream/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct wf_cursor *c, const struct wf_cursor_row *r)
{
    if (wf_cursor_load_row(c, wf_bytes(r->key, r->key_len), wf_bytes(r->value, r->value_len)))
        abort();
}

static void through_rows(const struct wf_cursor *c, struct wf_bytes in)
{
    struct wf_cursor again;
    struct wf_cursor_row row;
    struct wf_buf out = { 0 };

    wf_cursor_init(&again, &c->product_id);
    for (size_t i = c->mark_count; i > 0; i--) {
        wf_cursor_mark_row(c, &c->marks[i - 1], &row);
        load(&again, &row);
    }
    wf_cursor_logs_row(c, &row);
    load(&again, &row);
    if (wf_cursor_pack(&again, &out) || !wf_bytes_eq(wf_buf_view(&out), in))
        abort();
    wf_buf_fini(&out);
    wf_cursor_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_cursor c;
    struct wf_buf out = { 0 };

    if (wf_cursor_parse(in, &c))
        return 0;
    if (wf_cursor_pack(&c, &out) || !wf_bytes_eq(wf_buf_view(&out), in))
        abort();
    through_rows(&c, in);
    wf_buf_fini(&out);
    wf_cursor_fini(&c);
    return 0;
}
