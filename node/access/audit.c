// SPDX-License-Identifier: Apache-2.0
// The trail: each event into the log lines and into DOMAIN/access; refusals of access also into the list that people look at.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/signer/signer.h"
#include "node/stream/room.h"
#include "proto/schema/json_out.h"

extern const unsigned char
    wf_access_schema[]; // made by the build from proto/weft/v1/access_event.proto
extern const unsigned long wf_access_schema_len;

struct event {
    const char *id, *who, *what, *on, *from;
    enum weft_err result;
    const struct wf_hash *token, *chain;
    unsigned count;
};

static void put_hash(struct wf_json_out *o, const char *key, const struct wf_hash *h)
{
    char hex[2 * WF_HASH_LEN + 1];

    if (!h)
        return;
    wf_hex_put(wf_hash_view(h), hex);
    wf_json_out_member(o, key, wf_bytes_str(hex));
}

static enum weft_err event_json(const struct event *e, int64_t now, struct wf_buf *out)
{
    struct wf_json_out o;
    char ended[24];

    snprintf(ended, sizeof ended, "%lld", (long long)now);
    wf_json_out_init(&o, out, 4096, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "endedMs", wf_bytes_str(ended));
    wf_json_out_member(&o, "id", wf_bytes_str(e->id));
    wf_json_out_member(&o, "who", wf_bytes_str(e->who));
    wf_json_out_member(&o, "what", wf_bytes_str(e->what));
    wf_json_out_member(&o, "on", wf_bytes_str(e->on));
    wf_json_out_member(&o, "from", wf_bytes_str(e->from));
    wf_json_out_member(&o, "result", wf_bytes_str(e->result ? weft_err_name(e->result) : "OK"));
    wf_json_out_member_int(&o, "code", e->result);
    wf_json_out_member_int(&o, "count", e->count);
    put_hash(&o, "token", e->token);
    put_hash(&o, "chain", e->chain);
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    return err ? err : wf_buf_append_byte(out, 0); // a C string
}

static void record(struct wf_node *n, const struct event *e)
{
    struct wf_buf json = { 0 };
    char token[17] = "", count[16];

    snprintf(count, sizeof count, "%u", e->count);
    if (e->token)
        wf_hex_put(wf_bytes(e->token->b, 8), token);
    wf_say(n, e->result ? WF_LOG_WARN : WF_LOG_INFO, "access", e->result ? "refused" : "done", "id",
        e->id, "who", e->who, "what", e->what, "on", e->on, "from", e->from, "result",
        e->result ? weft_err_name(e->result) : "OK", "token", token, "count", count, NULL);
    if (!n->access->has_product)
        return;
    if (!event_json(e, wf_node_now_unix_ms(n), &json))
        wf_stream_tell(n, "access", (const char *)json.ptr);
    wf_buf_fini(&json);
}

// Only the issuer's node is home of it: one product, one home. Other nodes of a domain have their log lines.
static enum weft_err make_product(struct wf_node *n, struct wf_diag *diag)
{
    const struct wf_product p = { .name = "access",
        .title = "Access",
        .description = "Who was granted, refused or revoked what of this domain's products, and "
                       "who used it.",
        .owner_contact = "weft access list",
        .kind = WF_PRODUCT_EVENT,
        .message = "weft.v1.AccessEvent",
        .classification = WF_CLASS_CONFIDENTIAL,
        .retention_ms = 90LL * 86400000,
        .retention_bytes = 256ULL * WF_MIB };

    return wf_stream_apply_built_in(n, &p, wf_bytes(wf_access_schema, wf_access_schema_len), diag);
}

void wf_access_product_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    struct wf_diag diag = { 0 };
    int64_t now = wf_node_now_ms(n);

    if (a->has_product || !n->stream || !n->charter || !n->has_certificate || !wf_signer_here(n) ||
        now < a->product_at_ms)
        return;
    enum weft_err err = make_product(n, &diag);
    a->has_product = !err;
    a->product_at_ms = now + 10000;
    if (err)
        wf_say(n, WF_LOG_ERROR, "access", "the product of the trail could not be made", "why",
            diag.text[0] ? diag.text : weft_err_text(err), NULL);
}

void wf_access_next_id(struct wf_access_room *a, char out[24])
{
    snprintf(out, 24, "%s-%llu", a->audit_prefix, (unsigned long long)++a->audit_last);
}

void wf_access_summary(struct wf_node *n, const struct wf_access_source *s, unsigned count)
{
    struct event e = { .id = s->id,
        .who = s->who,
        .what = "refusals",
        .on = "",
        .from = "",
        .result = (enum weft_err)s->code,
        .count = count };

    record(n, &e);
}

// For `weft access list`, whether it was recorded singly or not.
static void note_refusal(struct wf_node *n, const struct event *e)
{
    struct wf_refused_row row = { .code = (uint32_t)e->result, .last_ms = wf_node_now_unix_ms(n) };

    if (!wf_refused_is_access(e->result))
        return;
    snprintf(row.who, sizeof row.who, "%s", e->who);
    snprintf(row.what, sizeof row.what, "%s", e->on[0] ? e->on : e->what);
    snprintf(row.from, sizeof row.from, "%s", e->from);
    snprintf(row.audit_id, sizeof row.audit_id, "%s", e->id);
    wf_refused_note(n->access->refused, &row);
}

const char *wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    struct wf_access_room *a = n->access;
    const char *label = who ? who->label : "this node";
    bool single = !result || !wf_access_only_counted(n, label, result);

    if (single)
        wf_access_next_id(a, a->audit_id);
    struct event e = { .id = a->audit_id,
        .who = label,
        .what = what,
        .on = on ? on : "",
        .from = who ? who->address : "",
        .result = result,
        .token = token_id,
        .chain = who && who->has_identity ? &who->identity.cert.id : NULL,
        .count = 1 };
    if (single)
        record(n, &e);
    if (result)
        note_refusal(n, &e);
    return a->audit_id;
}

void wf_access_audit_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    int64_t now = wf_node_now_ms(n);

    wf_access_sources_tick(n);
    if (now < a->refused_due_ms)
        return;
    a->refused_due_ms = now + WF_ACCESS_REFUSED_SAVE_MS;
    enum weft_err err = wf_refused_save(a->refused);
    wf_alarm(n, "refused", err ? "refused attempts could not be kept on disk" : NULL);
}
