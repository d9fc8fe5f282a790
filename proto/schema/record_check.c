// SPDX-License-Identifier: Apache-2.0
// wf_record_check: a visitor that looks only at what its reader can't know, the ranges of well-known types. A record that
// passes prints as JSON everywhere.
#include <math.h>

#include "proto/base/limits.h"
#include "proto/schema/known.h"
#include "proto/schema/record.h"
#include "proto/schema/record_reader.h"

struct check {
    struct wf_buf scratch; // a FieldMask path in its JSON form, only tried
    enum wf_known_type known[WF_MAX_RECORD_DEPTH + 2];
};

static enum weft_err check_message(struct check *c, const struct wf_record_event *e)
{
    struct wf_moment t = { 0 };
    enum wf_known_type known = e->message->known;

    c->known[e->depth + 1] = known;
    if (known != WF_KNOWN_TIMESTAMP && known != WF_KNOWN_DURATION)
        return WEFT_OK;
    enum weft_err err = wf_moment_read(e->value.bytes, &t);
    if (err)
        return err;
    if (known == WF_KNOWN_TIMESTAMP && !wf_timestamp_is_valid(t))
        return wf_record_refuse(
            e, WEFT_E_RANGE, "a Timestamp is from year 1 to 9999 with nanos from 0 to 999999999");
    if (known == WF_KNOWN_DURATION && !wf_known_duration_is_valid(t))
        return wf_record_refuse(
            e, WEFT_E_RANGE, "a Duration is at most 315576000000 s with nanos of the same sign");
    return WEFT_OK;
}

static enum weft_err check_event(void *ctx, const struct wf_record_event *e, bool *skip)
{
    struct check *c = ctx;

    (void)skip;
    if (e->what == WF_RECORD_MESSAGE)
        return check_message(c, e);
    if (e->what != WF_RECORD_VALUE)
        return WEFT_OK;
    if (c->known[e->depth] == WF_KNOWN_VALUE && e->value.kind == WF_VALUE_DOUBLE &&
        !isfinite(e->value.d))
        return wf_record_refuse(e, WEFT_E_RANGE, "a Value has no NaN and no infinity");
    if (c->known[e->depth] == WF_KNOWN_FIELD_MASK) {
        c->scratch.len = 0;
        enum weft_err err = wf_mask_path_to_json(e->value.bytes, &c->scratch);
        if (err)
            return wf_record_refuse(e, err, "the path has no JSON form");
    }
    return WEFT_OK;
}

enum weft_err wf_record_check_whole(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_diag *diag)
{
    struct check c;

    c.scratch = (struct wf_buf){ 0 };
    enum weft_err err = wf_record_read(m, record, NULL, check_event, &c, NULL, diag);
    wf_buf_fini(&c.scratch);
    return err;
}

enum weft_err wf_record_check(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_diag *diag)
{
    return wf_record_is_plain(m, record) ? WEFT_OK : wf_record_check_whole(m, record, diag);
}
