// SPDX-License-Identifier: Apache-2.0
// `weft log show --records`: what the batches of a product hold, a record a line, read through the schema that each batch names, as the
// directory keeps it beside the log. What can't be read says why in its record's place.
#include <stdio.h>
#include <stdlib.h>

#include "node/inspect/inspect.h"
#include "proto/schema/known.h"
#include "proto/schema/record_json.h"
#include "proto/stream/batch.h"
#include "proto/stream/records.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define SCHEMAS_MAX 256u

struct wf_inspect_schema {
    struct wf_hash hash;
    struct wf_schema *schema; // NULL: not here, or none
    const char *why;
};

static enum weft_err compile(
    const struct wf_inspect *x, const struct wf_hash *hash, struct wf_schema **ret)
{
    char hex[2 * WF_HASH_LEN + 1], name[sizeof hex + 16], *path = NULL;
    struct wf_buf set = { 0 };
    struct wf_hash found;
    struct wf_diag diag = { 0 };

    if (!x->data)
        return WEFT_E_NOT_FOUND;
    wf_hex_put(wf_hash_view(hash), hex);
    snprintf(name, sizeof name, "documents/%s", hex);
    enum weft_err err = wf_disk_join(x->data, name, &path);
    if (!err)
        err = wf_file_read(path, WF_MAX_DOCUMENT, WF_FILE_ANY, &set, NULL);
    if (!err) {
        wf_blake2b(wf_buf_view(&set), &found);
        err = wf_hash_eq(&found, hash) ? WEFT_OK : WEFT_E_HASH;
    }
    if (!err)
        err = wf_schema_compile(wf_buf_view(&set), ret, &diag);
    wf_buf_fini(&set);
    free(path);
    return err;
}

static const struct wf_inspect_schema *schema_of(struct wf_inspect *x, const struct wf_hash *hash)
{
    static const struct wf_inspect_schema none = { .why = "no memory for its schema" };

    for (size_t i = 0; i < x->schema_count; i++)
        if (wf_hash_eq(&x->schemas[i].hash, hash))
            return &x->schemas[i];
    if (!x->schemas)
        x->schemas = calloc(SCHEMAS_MAX, sizeof *x->schemas);
    if (!x->schemas || x->schema_count == SCHEMAS_MAX)
        return &none;
    struct wf_inspect_schema *s = &x->schemas[x->schema_count++];
    *s = (struct wf_inspect_schema){ .hash = *hash, .why = "" };
    enum weft_err err = compile(x, hash, &s->schema);
    if (err)
        s->why = err == WEFT_E_NOT_FOUND || err == WEFT_E_IO ? "its schema is not here"
                                                             : "its schema here is damaged";
    return s;
}

void wf_inspect_schemas_fini(struct wf_inspect *x)
{
    for (size_t i = 0; i < x->schema_count; i++)
        wf_schema_free(x->schemas[i].schema);
    free(x->schemas);
}

static void put_time(struct wf_json_out *o, int64_t us)
{
    struct wf_moment m = { .seconds = us / 1000000, .nanos = (int32_t)(us % 1000000) * 1000 };
    char text[WF_MOMENT_TEXT];

    if (m.nanos < 0) {
        m.seconds--;
        m.nanos += 1000000000;
    }
    if (wf_timestamp_is_valid(m))
        wf_json_out_member(o, "time", wf_bytes(text, wf_timestamp_print(m, text)));
}

// The record as JSON, or why not and its bytes.
static void put_data(struct wf_inspect *x, struct wf_json_out *o, const struct wf_inspect_schema *s,
    const char *message, struct wf_bytes data)
{
    const struct wf_schema_message *m =
        s->schema && message ? wf_schema_find_message(s->schema, wf_bytes_str(message)) : NULL;
    const char *why = s->schema ? "no manifest here names its message" : s->why;
    struct wf_diag diag = { 0 };

    x->json.len = 0;
    if (m) {
        enum weft_err err = wf_record_json(m, data, NULL, &x->json, &diag);
        why = err ? (diag.text[0] ? diag.text : weft_err_text(err)) : NULL;
    }
    if (!why) {
        wf_json_out_key(o, WF_STR("record"));
        wf_json_out_raw(o, wf_buf_view(&x->json));
        return;
    }
    wf_json_out_member(o, "why", wf_bytes_str(why));
    wf_json_out_key(o, WF_STR("bytes"));
    wf_json_out_base64(o, data);
}

static void put_record(struct wf_inspect *x, const struct wf_inspect_item *item,
    const struct wf_record_view *r, uint64_t offset, uint64_t seq)
{
    static const char *const ops[] = { "put", "delete", "snapshot-begin", "snapshot-end" };
    const struct wf_inspect_origin *origin =
        wf_inspect_origin(x, &item->h.certificate, item->h.max_us / 1000);
    struct wf_json_out o;
    char hex[2 * WF_HASH_LEN + 1];

    wf_inspect_line(x, &o, "weft.log.record/v1");
    wf_json_out_member(&o, "product", wf_bytes_str(wf_inspect_product(x, &item->h.product_id)));
    wf_json_out_member_int(&o, "offset", (int64_t)offset);
    put_time(&o, r->time_us);
    wf_hex_put(wf_hash_view(&item->h.certificate), hex);
    wf_json_out_member(&o, "origin", wf_bytes_str(origin->text[0] ? origin->text : hex));
    wf_json_out_member_int(&o, "seq", (int64_t)seq);
    wf_json_out_member(&o, "op", wf_bytes_str(ops[r->op]));
    if (r->op == WF_OP_PUT || r->op == WF_OP_DELETE)
        put_data(x, &o, schema_of(x, &item->h.schema_hash),
            wf_inspect_message(x, &item->h.product_id), r->data);
    wf_inspect_print(x, &o);
}

enum weft_err wf_inspect_put_records(struct wf_inspect *x, const struct wf_inspect_item *item,
    uint64_t offset, struct wf_inspect_slice *s)
{
    struct wf_record_view r;
    struct wf_bytes in;

    x->raw.len = 0;
    enum weft_err err = wf_batch_open_payload(&item->h, item->payload, &x->raw);
    if (!err)
        err = wf_batch_check_records(&item->h, wf_buf_view(&x->raw));
    in = wf_buf_view(&x->raw);
    for (uint64_t i = 0; in.len && !err && !s->full; i++) {
        err = wf_records_next(&in, item->h.base_us, &r);
        if (err || offset + i < s->from || offset + i >= s->to)
            continue;
        if (s->limit && s->shown == s->limit) {
            s->full = true;
            s->next = offset + i;
            break;
        }
        s->shown++;
        put_record(x, item, &r, offset + i, item->h.first_seq + i);
    }
    return err;
}
