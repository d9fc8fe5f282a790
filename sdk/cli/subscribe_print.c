// SPDX-License-Identifier: Apache-2.0
// What weft subscribe prints: records and losses as JSON lines on standard output, the rest on standard error.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/json_out.h"
#include "proto/schema/known.h"
#include "proto/schema/record_json.h"
#include "sdk/cli/subscribe.h"

static const char *op_name(enum weft_op op)
{
    static const char *const names[] = { "put", "delete", "snapshot-begin", "snapshot-end" };

    return (unsigned)op < WF_COUNT(names) ? names[op] : "?";
}

static void put_time(struct wf_json_out *o, const char *key, int64_t us)
{
    char text[WF_MOMENT_TEXT];
    int64_t seconds = us / 1000000 - (us % 1000000 < 0);
    struct wf_moment m = { seconds, (int32_t)(us - seconds * 1000000) * 1000 };

    wf_timestamp_print(m, text);
    wf_json_out_member(o, key, wf_bytes_str(text));
}

static void put_facts(
    struct wf_json_out *o, const struct weft_event *e, const struct weft_record *r)
{
    wf_json_out_member(o, "schema", WF_STR("weft.record/v1"));
    wf_json_out_member(o, "product", wf_bytes_str(e->product));
    wf_json_out_member_int(o, "offset", (int64_t)r->offset);
    wf_json_out_member(o, "origin", wf_bytes_str(e->origin));
    wf_json_out_member(o, "op", wf_bytes_str(op_name(r->op)));
    put_time(o, "time", r->time_us);
    put_time(o, "appended", e->append_ms * 1000);
    wf_json_out_member(o, "batch", wf_bytes_str(e->batch));
    if (e->late)
        wf_json_out_member_bool(o, "late", true);
}

// The members of an object without its braces, after what stands there already.
static void splice(struct wf_json_out *o, struct wf_buf *line, struct wf_bytes object)
{
    enum weft_err err = wf_json_out_done(o); // complete with its closing brace

    if (!err && object.len > 2) {
        line->len--;
        if (line->ptr[line->len - 1] != '{')
            err = wf_buf_append_byte(line, ',');
        if (!err)
            err = wf_buf_append(line, wf_bytes(object.ptr + 1, object.len - 1));
    }
    wf_json_out_fail(o, err);
}

// By default the lines of a source, so that `weft subscribe … | weft publish …` is a copy; with -o jsonl an envelope around each record.
enum weft_err wf_print_record(struct wf_buf *line, const struct weft_event *e,
    const struct weft_product *product, const struct weft_record *record, bool envelope)
{
    struct wf_json_out o;
    char *json = NULL;
    bool has_data = record->op == WEFT_PUT || record->op == WEFT_DELETE;
    enum weft_err err = has_data ? weft_record_json(product, record, &json) : WEFT_OK;

    if (err)
        return err;
    line->len = 0;
    wf_json_out_init(&o, line, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    if (!envelope) {
        if (record->op != WEFT_PUT)
            wf_json_out_member(&o, "@op", wf_bytes_str(op_name(record->op)));
        put_time(&o, "@time", record->time_us);
        wf_json_out_end(&o);
        splice(&o, line, wf_bytes_str(json));
    } else {
        put_facts(&o, e, record);
        if (has_data) {
            wf_json_out_key(&o, WF_STR("record"));
            wf_json_out_raw(&o, wf_bytes_str(json));
        }
        wf_json_out_end(&o);
        wf_json_out_fail(&o, wf_json_out_done(&o));
    }
    free(json);
    err = o.err ? o.err : wf_buf_append_byte(line, '\n');
    if (!err && fwrite(line->ptr, 1, line->len, stdout) != line->len)
        err = WEFT_E_IO;
    return err;
}

enum weft_err wf_print_loss(struct wf_buf *line, const struct weft_event *e)
{
    struct wf_json_out o;

    line->len = 0;
    wf_json_out_init(&o, line, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "schema", WF_STR("weft.loss/v1"));
    wf_json_out_member(&o, "product", wf_bytes_str(e->product));
    if (e->by_origin) {
        wf_json_out_member(&o, "origin", wf_bytes_str(e->origin));
        wf_json_out_member(&o, "incarnation", wf_bytes_str(e->loss_incarnation));
    }
    wf_json_out_member_int(&o, e->by_origin ? "from_seq" : "from", (int64_t)e->loss_from);
    wf_json_out_member_int(&o, e->by_origin ? "to_seq" : "to", (int64_t)e->loss_to);
    wf_json_out_member(&o, "code", wf_bytes_str(weft_err_name(e->loss_code)));
    if (e->loss_told)
        wf_json_out_member_bool(&o, "told", true);
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    err = err ? err : wf_buf_append_byte(line, '\n');
    if (!err && fwrite(line->ptr, 1, line->len, stdout) != line->len)
        err = WEFT_E_IO;
    return err;
}

void wf_say_loss(const struct weft_event *e)
{
    char of[160] = "";

    if (e->by_origin)
        snprintf(of, sizeof of, " of %.63s (%s)", e->origin, e->loss_incarnation);
    fprintf(stderr, "%s: %llu records, %s %llu to %llu%s: %s\n",
        e->loss_told ? "of what was told as lost" : "lost",
        (unsigned long long)(e->loss_to - e->loss_from), e->by_origin ? "numbers" : "offsets",
        (unsigned long long)e->loss_from, (unsigned long long)(e->loss_to - 1), of,
        weft_err_text(e->loss_code));
}

// How old the newest record is that was read, while newer ones are there.
static double lag_seconds(const struct weft_stats *s, int64_t now_ms)
{
    bool behind = s->head_offset > s->next_offset && s->last_append_ms;

    return behind && now_ms > s->last_append_ms ? (double)(now_ms - s->last_append_ms) / 1000 : 0;
}

void wf_print_subscription_stats(const char *product, const struct weft_stats *s, int64_t now_ms)
{
    uint64_t all = s->live_records + s->range_records + s->pulled_records;
    uint64_t lag = s->head_offset > s->next_offset ? s->head_offset - s->next_offset : 0;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = { { "records", s->records }, { "batches", s->batches }, { "bytes", s->bytes },
        { "live_records", s->live_records }, { "range_records", s->range_records },
        { "pulled_records", s->pulled_records }, { "history_records", s->history_records },
        { "mirrored_records", s->mirrored_records }, { "filtered_records", s->filtered_records },
        { "gaps_repaired", s->gaps_repaired }, { "lost_records", s->lost_records },
        { "duplicates", s->duplicates }, { "verify_failures", s->verify_failures },
        { "head_offset", s->head_offset }, { "next_offset", s->next_offset }, { "lag", lag } };

    fprintf(stderr, "{\"schema\":\"weft.subscription-stats/v1\",\"product\":\"%s\"", product);
    for (size_t i = 0; i < WF_COUNT(counts); i++)
        fprintf(stderr, ",\"%s\":%llu", counts[i].name, (unsigned long long)counts[i].value);
    fprintf(stderr, ",\"lag_s\":%.3f,\"pub_share\":%.6f}\n", lag_seconds(s, now_ms),
        all ? (double)s->live_records / (double)all : 0.0);
}
