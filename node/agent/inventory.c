// SPDX-License-Identifier: Apache-2.0
// The built-in inventory DOMAIN/agents: a row a host, told when its state changes, and all rows as a snapshot once an hour, so that a reader
// of the log's end finds them too.
#include "node/agent/agents.h"
#include "node/built_in.h"
#include "node/conf.h"
#include "node/signer/signer.h"
#include "proto/schema/json_out.h"
#include "proto/stream/records.h"
#include "sdk/json.h"

#define PRODUCT "agents"

extern const unsigned char
    wf_agent_schema[]; // made by the build from proto/weft/v1/agent_record.proto
extern const unsigned long wf_agent_schema_len;

// ---- the product -----------------------------------------------------------------------------------------------------

static enum weft_err make_product(struct wf_node *n, struct wf_diag *diag)
{
    static const char *keys[] = { "host" }, *verbs[] = { "subscribe", "replay", "query" };
    struct wf_access_rule rules[WF_MAX_ACCESS_RULES];
    struct wf_product p = { .name = PRODUCT,
        .title = "Agents",
        .description = "The hosts behind this domain's node: whether they are heard, what waits "
                       "on them, how their sources do.",
        .owner_contact = "weft agent list",
        .kind = WF_PRODUCT_INVENTORY,
        .message = "weft.v1.AgentRecord",
        .keys = keys,
        .key_count = 1,
        .classification = WF_CLASS_INTERNAL,
        .freshness_ms = WF_AGENT_SNAPSHOT_MS,
        .retention_ms = 7 * INT64_C(86400000) };

    wf_built_in_allow(&p, rules,
        &(struct wf_built_in_readers){
            n->conf->agents_for.items, n->conf->agents_for.count, verbs, WF_COUNT(verbs) });
    return wf_stream_apply_built_in(n, &p, wf_bytes(wf_agent_schema, wf_agent_schema_len), diag);
}

// ---- rows ------------------------------------------------------------------------------------------------------------

static void put_state(struct wf_json_out *o, const Weft__V1__AgentState *s)
{
    uint32_t failing = 0;
    const char *error = "";

    for (size_t i = 0; i < s->n_sources; i++) {
        if (strcmp(s->sources[i]->state, "failed") != 0 &&
            strcmp(s->sources[i]->state, "stopped") != 0)
            continue;
        if (failing++ == 0)
            error = s->sources[i]->error;
    }
    wf_json_out_key(o, WF_STR("spoolBytes"));
    wf_json_out_uint(o, s->spool_bytes);
    wf_json_out_key(o, WF_STR("spoolRecords"));
    wf_json_out_uint(o, s->spool_records);
    wf_json_out_key(o, WF_STR("lostRecords"));
    wf_json_out_uint(o, s->lost_records);
    wf_json_out_member(o, "version", wf_bytes_str(s->version));
    wf_json_out_member_int(o, "sources", (int64_t)s->n_sources);
    wf_json_out_member_int(o, "sourcesFailing", failing);
    wf_json_out_member(o, "error", wf_bytes_str(error));
}

static enum weft_err row_json(struct wf_node *n, const struct wf_agent *a, struct wf_buf *out)
{
    struct wf_json_out o;
    struct wf_arena arena;

    wf_arena_init(&arena, wf_pb_budget(a->row.state.len));
    wf_json_out_init(&o, out, WF_MAX_RECORD, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "host", wf_bytes_str(a->row.subject.s));
    wf_json_out_member(&o, "state", wf_bytes_str(wf_agent_state_name(wf_agent_state_of(n, a))));
    wf_json_out_member_int(&o, "heardMs", a->row.heard_unix_ms);
    wf_json_out_member_int(&o, "lastBatchMs", a->row.last_batch_unix_ms);
    wf_json_out_member_int(&o, "skewMs", a->row.skew_ms);
    wf_json_out_member_int(&o, "certificateExpiresMs", a->row.certificate_expires_ms);
    wf_json_out_member_int(&o, "startedMs", a->row.started_ms);
    wf_json_out_member(&o, "address", wf_bytes_str(a->row.address));
    wf_json_out_member_int(&o, "replacedMs", a->row.replaced_unix_ms);
    wf_json_out_key(&o, WF_STR("leftRecords"));
    wf_json_out_uint(&o, a->row.left_records);
    const Weft__V1__AgentState *s = wf_agent_last_state(a, &arena);
    if (s)
        put_state(&o, s);
    wf_json_out_end(&o);
    wf_arena_fini(&arena);
    return wf_json_out_done(&o);
}

static enum weft_err add_row(
    struct wf_node *n, struct wf_home_product *p, const struct wf_agent *a, struct wf_records *out)
{
    struct wf_buf json = { 0 }, record = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = row_json(n, a, &json);

    if (!err)
        err = wf_json_to_record(wf_home_message(p), wf_buf_view(&json), &record, &diag);
    if (!err)
        err = wf_records_put(out, WF_OP_PUT, wf_node_now_unix_ms(n) * 1000, wf_buf_view(&record));
    wf_buf_fini(&json);
    wf_buf_fini(&record);
    return err;
}

static enum weft_err publish(struct wf_node *n, struct wf_home_product *p, struct wf_records *rows)
{
    struct wf_diag diag = { 0 };
    struct wf_origin_records r = {
        .raw = wf_buf_view(&rows->raw), .base_us = rows->base_us, .count = rows->count
    };

    return rows->count ? wf_stream_originate(n, p, &r, NULL, NULL, &diag) : WEFT_OK;
}

static struct wf_home_product *product_of(struct wf_node *n)
{
    struct wf_home_product *p = n->agents->has_inventory ? wf_stream_find(n, PRODUCT, 1) : NULL;

    return p && wf_home_message(p) ? p : NULL;
}

void wf_agents_tell(struct wf_node *n, struct wf_agent *a)
{
    enum wf_agent_state now = wf_agent_state_of(n, a);
    struct wf_home_product *p = product_of(n);
    struct wf_records one = { 0 };

    if (now == a->told || !p)
        return;
    if (a->told || now != WF_AGENT_UP)
        wf_say(n, now == WF_AGENT_UP ? WF_LOG_INFO : WF_LOG_WARN, "agents", "an agent's state",
            "agent", a->row.subject.s, "state", wf_agent_state_name(now), NULL);
    enum weft_err err = add_row(n, p, a, &one);
    if (!err)
        err = publish(n, p, &one);
    if (!err)
        a->told = now; // else again at the next tick
    wf_records_fini(&one);
}

// ---- snapshots -------------------------------------------------------------------------------------------------------

static enum weft_err snapshot(struct wf_node *n, struct wf_home_product *p)
{
    struct wf_records rows = { 0 };
    int64_t now_us = wf_node_now_unix_ms(n) * 1000;
    enum weft_err err = wf_records_put(&rows, WF_OP_SNAPSHOT_BEGIN, now_us, wf_bytes(NULL, 0));

    for (size_t i = 0; i < n->agents->count && !err; i++) {
        err = add_row(n, p, n->agents->by_name[i], &rows);
        if (!err && rows.raw.len > 256u * WF_KIB) {
            err = publish(n, p, &rows);
            wf_records_reset(&rows);
        }
    }
    if (!err)
        err = wf_records_put(&rows, WF_OP_SNAPSHOT_END, now_us, wf_bytes(NULL, 0));
    if (!err)
        err = publish(n, p, &rows);
    wf_records_fini(&rows);
    return err;
}

void wf_agents_inventory_tick(struct wf_node *n)
{
    struct wf_agents_room *r = n->agents;
    int64_t now = wf_node_now_ms(n);
    struct wf_diag diag = { 0 };

    if (r->rules_of && r->rules_of != n->conf)
        r->snapshot_due_ms = now; // a new configuration: perhaps other rules
    // One product, one home: the issuer's node. Other nodes of a domain have their own `weft agent list`.
    if (now < r->snapshot_due_ms || !n->has_certificate || !n->stream || n->draining ||
        !wf_signer_here(n))
        return;
    r->snapshot_due_ms = now + 10000; // unless all goes well
    if (r->rules_of != n->conf)
        r->has_inventory = false;
    r->rules_of = n->conf;
    enum weft_err err = r->has_inventory ? WEFT_OK : make_product(n, &diag);
    if (err) {
        wf_say(n, WF_LOG_WARN, "agents", "the inventory of agents could not be made", "why",
            diag.text[0] ? diag.text : weft_err_text(err), NULL);
        return;
    }
    r->has_inventory = true;
    struct wf_home_product *p = product_of(n);
    if (p && !snapshot(n, p))
        r->snapshot_due_ms = now + WF_AGENT_SNAPSHOT_MS;
}
