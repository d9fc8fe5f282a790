// SPDX-License-Identifier: Apache-2.0
// weft node status.
#include "proto/base/print.h"
#include "sdk/cli/local.h"
#include "sdk/cli/protoc.h"
#include "sdk/cli/top.h"

static void line(const char *name, const char *value)
{
    printf("%-13s %s\n", name, value[0] ? value : "-");
}

static void list(const char *name, char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        line(i ? "" : name, v[i]);
}

static void print_head(const Weft__V1__StatusReply *r)
{
    char text[512], when[48], at[WF_CLI_AT];
    struct wf_buf mesh = { 0 };

    snprintf(text, sizeof text, "%s/%s (%s), fingerprint %s, weft %s",
        r->domain[0] ? r->domain : "?", r->subject[0] ? r->subject : "?", r->kind, r->fingerprint,
        r->version);
    line("identity", text);
    if (r->mesh_id.len && !wf_print(WF_PREFIX_MESH, wf_pb_view(r->mesh_id), &mesh)) {
        wf_cli_at(r->charter_expires_ms, at);
        snprintf(text, sizeof text, "%s, charter version %llu, expires %s", r->mesh,
            (unsigned long long)r->charter_version, at);
        line("mesh", text);
        line("mesh id", (const char *)mesh.ptr);
    }
    wf_buf_fini(&mesh);
    wf_cli_at(r->certificate_expires_ms, at);
    snprintf(text, sizeof text, "expires %s", at);
    line("certificate", r->certificate_expires_ms ? text : "none yet");
    list("listening", r->listeners, r->n_listeners);
    line("data", r->data_dir);
    wf_cli_ago(r->time_ms - r->started_ms, when);
    // A small disk's last megabytes are what this line is read for.
    bool large = r->total_disk >= (UINT64_C(4) << 30);
    double unit = large ? 1u << 30 : 1u << 20;
    snprintf(text, sizeof text, "%s; %.1f of %.1f %s free on its disk", when,
        (double)r->free_disk / unit, (double)r->total_disk / unit, large ? "GiB" : "MiB");
    line("running for", text);
    if (r->agent) {
        const Weft__V1__PeerState *up = r->n_peers ? r->peers[0] : NULL;
        char heard[48] = "never";
        if (up)
            wf_cli_heard(up->heard_ms, heard);
        snprintf(text, sizeof text, "%s, heard %s%s%s", up && up->address[0] ? up->address : "none",
            heard, up && up->error[0] ? ": " : "", up ? up->error : "");
        line("uplink", text);
        snprintf(text, sizeof text, "%llu bytes, %llu records wait; %llu lost",
            (unsigned long long)r->agent->spool_bytes, (unsigned long long)r->agent->spool_records,
            (unsigned long long)r->agent->lost_records);
        line("spool", text);
    }
    list("protections", r->protections, r->n_protections);
    list("ALARMS", r->alarms, r->n_alarms);
    list("warnings", r->warnings, r->n_warnings);
}

static enum weft_err product_rows(const struct wf_cli *cli, const Weft__V1__StatusReply *r)
{
    static const char *const columns[] = { "product", "state", "head", "floor", "epoch", "leases",
        "records", "endpoint", "last", "silent" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.node-products/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_products && !err; i++) {
        const Weft__V1__ProductState *p = r->products[i];
        wf_table_text(t, p->name);
        wf_table_text(t, p->state);
        wf_table_number(t, (int64_t)p->head);
        wf_table_number(t, (int64_t)p->floor);
        wf_table_number(t, (int64_t)p->epoch);
        wf_table_number(t, p->leases);
        wf_table_number(t, (int64_t)p->records);
        wf_table_text(t, p->endpoint[0] ? p->endpoint : NULL);
        wf_table_since(t, p->last_append_ms);
        wf_table_bool(t, wf_top_is_silent(r, p));
    }
    return err ? err : wf_table_done(t);
}

static enum weft_err source_rows(const struct wf_cli *cli, const Weft__V1__StatusReply *r)
{
    static const char *const columns[] = { "source", "state", "last_record", "restarts", "error" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.node-sources/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_sources && !err; i++) {
        const Weft__V1__SourceState *s = r->sources[i];
        wf_table_text(t, s->product);
        wf_table_text(t, s->state);
        wf_table_since(t, s->last_record_ms);
        wf_table_number(t, s->restarts);
        wf_table_text(t, s->error[0] ? s->error : NULL);
    }
    return err ? err : wf_table_done(t);
}

static enum weft_err mirror_rows(const struct wf_cli *cli, const Weft__V1__StatusReply *r)
{
    static const char *const columns[] = { "mirror", "state", "head", "home_head", "floor", "bytes",
        "readers", "home_heard", "why" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.node-mirrors/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_mirrors && !err; i++) {
        const Weft__V1__MirrorState *m = r->mirrors[i];
        char heard[48] = "not yet";
        if (m->heard_ms >= 0)
            wf_cli_ago(m->heard_ms, heard);
        wf_table_text(t, m->product);
        wf_table_text(t, m->state);
        wf_table_number(t, (int64_t)m->head);
        wf_table_number(t, (int64_t)m->home_head);
        wf_table_number(t, (int64_t)m->floor);
        wf_table_number(t, (int64_t)m->bytes);
        wf_table_number(t, m->readers);
        wf_table_text(t, heard);
        wf_table_text(t, m->why[0] ? m->why : NULL);
    }
    return err ? err : wf_table_done(t);
}

static enum weft_err firewall_rows(const struct wf_cli *cli, const Weft__V1__StatusReply *r)
{
    static const char *const columns[] = { "direction", "protocol", "address", "purpose" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.firewall/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_firewall && !err; i++) {
        wf_table_text(t, r->firewall[i]->direction);
        wf_table_text(t, "tcp");
        wf_table_text(t, r->firewall[i]->address);
        wf_table_text(t, r->firewall[i]->purpose);
    }
    return err ? err : wf_table_done(t);
}

static enum weft_err products_json(struct wf_buf *out, const Weft__V1__StatusReply *r)
{
    enum weft_err err = wf_buf_append_str(out, ",\"products\":[");

    for (size_t i = 0; i < r->n_products && !err; i++) {
        const Weft__V1__ProductState *p = r->products[i];
        err = wf_buf_printf(out,
            "%s{\"product\":\"%s\",\"state\":\"%s\",\"head\":%llu,\"floor\":%llu,\"epoch\":%llu,"
            "\"leases\":%u,\"records\":%llu,\"endpoint\":",
            i ? "," : "", p->name, p->state, (unsigned long long)p->head,
            (unsigned long long)p->floor, (unsigned long long)p->epoch, p->leases,
            (unsigned long long)p->records);
        if (!err)
            err = wf_cli_json_string(out, p->endpoint);
        if (!err)
            err = wf_buf_printf(out, ",\"last_append_ms\":%lld,\"silent\":%s}",
                (long long)p->last_append_ms, wf_top_is_silent(r, p) ? "true" : "false");
    }
    return err ? err : wf_buf_append_byte(out, ']');
}

static enum weft_err place_json(struct wf_buf *out, const Weft__V1__StatusReply *r)
{
    struct wf_buf mesh = { 0 };
    enum weft_err err = wf_cli_json_member(out, "version", r->version);

    if (!err)
        err = wf_cli_json_member(out, "mesh", r->mesh);
    if (!err && r->mesh_id.len)
        err = wf_print(WF_PREFIX_MESH, wf_pb_view(r->mesh_id), &mesh);
    if (!err && mesh.len)
        err = wf_cli_json_member(out, "mesh_id", (const char *)mesh.ptr);
    if (!err)
        err = wf_cli_json_member(out, "data", r->data_dir);
    wf_buf_fini(&mesh);
    return err;
}

static enum weft_err sources_json(struct wf_buf *out, const Weft__V1__StatusReply *r)
{
    enum weft_err err = wf_buf_append_str(out, ",\"sources\":[");

    for (size_t i = 0; i < r->n_sources && !err; i++) {
        const Weft__V1__SourceState *s = r->sources[i];
        err = wf_buf_printf(out,
            "%s{\"product\":\"%s\",\"state\":\"%s\",\"last_record_ms\":%lld,\"restarts\":%u,"
            "\"error\":",
            i ? "," : "", s->product, s->state, (long long)s->last_record_ms, s->restarts);
        if (!err)
            err = wf_cli_json_string(out, s->error);
        if (!err)
            err = wf_buf_append_byte(out, '}');
    }
    if (!err && r->agent)
        err = wf_buf_printf(out,
            "],\"spool_bytes\":%llu,\"spool_records\":%llu,\"lost_records\":%llu",
            (unsigned long long)r->agent->spool_bytes, (unsigned long long)r->agent->spool_records,
            (unsigned long long)r->agent->lost_records);
    else if (!err)
        err = wf_buf_append_byte(out, ']');
    return err;
}

static enum weft_err mirrors_json(struct wf_buf *out, const Weft__V1__StatusReply *r)
{
    enum weft_err err = wf_buf_append_str(out, ",\"mirrors\":[");

    for (size_t i = 0; i < r->n_mirrors && !err; i++) {
        const Weft__V1__MirrorState *m = r->mirrors[i];
        err = wf_buf_printf(out,
            "%s{\"product\":\"%s\",\"state\":\"%s\",\"home\":\"%s\",\"head\":%llu,\"home_head\":%"
            "llu,"
            "\"floor\":%llu,\"bytes\":%llu,\"readers\":%u,\"heard_ms\":%lld,\"why\":",
            i ? "," : "", m->product, m->state, m->home, (unsigned long long)m->head,
            (unsigned long long)m->home_head, (unsigned long long)m->floor,
            (unsigned long long)m->bytes, m->readers, (long long)m->heard_ms);
        if (!err)
            err = wf_cli_json_string(out, m->why);
        if (!err)
            err = wf_buf_append_byte(out, '}');
    }
    return err ? err : wf_buf_append_byte(out, ']');
}

static enum weft_err strings_json(struct wf_buf *out, const char *name, char **v, size_t n)
{
    enum weft_err err = wf_buf_printf(out, ",\"%s\":[", name);

    for (size_t i = 0; i < n && !err; i++) {
        err = i ? wf_buf_append_byte(out, ',') : WEFT_OK;
        if (!err)
            err = wf_cli_json_string(out, v[i]);
    }
    return err ? err : wf_buf_append_byte(out, ']');
}

static enum weft_err print_json(const Weft__V1__StatusReply *r)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_buf_printf(&out,
        "{\"schema\":\"weft.node-status/"
        "v1\",\"domain\":\"%s\",\"subject\":\"%s\",\"kind\":\"%s\",\"fingerprint\":\"%s\","
        "\"charter_version\":%llu,"
        "\"charter_expires_ms\":%lld,\"certificate_expires_ms\":%lld,\"started_ms\":%lld,\"time_"
        "ms\":%lld,\"free_disk\":%llu,\"total_disk\":%llu",
        r->domain, r->subject, r->kind, r->fingerprint, (unsigned long long)r->charter_version,
        (long long)r->charter_expires_ms, (long long)r->certificate_expires_ms,
        (long long)r->started_ms, (long long)r->time_ms, (unsigned long long)r->free_disk,
        (unsigned long long)r->total_disk);

    if (!err)
        err = place_json(&out, r);
    if (!err)
        err = strings_json(&out, "listeners", r->listeners, r->n_listeners);
    if (!err)
        err = strings_json(&out, "protections", r->protections, r->n_protections);
    if (!err)
        err = strings_json(&out, "alarms", r->alarms, r->n_alarms);
    if (!err)
        err = strings_json(&out, "warnings", r->warnings, r->n_warnings);
    if (!err)
        err = products_json(&out, r);
    if (!err)
        err = sources_json(&out, r);
    if (!err)
        err = mirrors_json(&out, r);
    if (!err)
        err = wf_buf_append_str(&out, "}\n");
    if (!err && fwrite(out.ptr, 1, out.len, stdout) != out.len)
        err = WEFT_E_IO;
    wf_buf_fini(&out);
    return err;
}

int wf_cmd_node_status(struct wf_cli *cli, int argc, char **argv)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest s = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    char *node = NULL;
    bool firewall = false;
    const struct wf_opt opts[] = { { .name = "firewall", .flag = &firewall } };
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, 1, 0, 1, &node, &count);

    if (status >= 0)
        return status;
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &s;
    status = wf_local_ask(cli, count ? node : NULL, &q, 0, &arena, &reply);
    if (status)
        return status;
    enum weft_err err =
        reply->kind_case == WEFT__V1__REPLY__KIND_STATUS ? WEFT_OK : WEFT_E_PROTOCOL;
    if (!err && firewall) {
        err = firewall_rows(cli, reply->status);
    } else if (!err && cli->format == WF_OUT_TABLE) {
        print_head(reply->status);
        if (reply->status->n_products) {
            putchar('\n');
            err = product_rows(cli, reply->status);
        }
        if (!err && reply->status->n_sources) {
            putchar('\n');
            err = source_rows(cli, reply->status);
        }
        if (!err && reply->status->n_mirrors) {
            putchar('\n');
            err = mirror_rows(cli, reply->status);
        }
    } else if (!err) {
        err = print_json(reply->status);
    }
    wf_arena_fini(&arena);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// ---- peers -----------------------------------------------------------------------------------------------------------

static enum weft_err peer_rows(const struct wf_cli *cli, const Weft__V1__StatusReply *r)
{
    static const char *const columns[] = { "node", "address", "heard", "seed", "error" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.peers/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_peers && !err; i++) {
        const Weft__V1__PeerState *p = r->peers[i];
        wf_table_textf(
            t, "%s/%s", p->domain[0] ? p->domain : "?", p->subject[0] ? p->subject : "?");
        wf_table_text(t, p->address);
        wf_table_age(t, p->heard_ms);
        wf_table_bool(t, p->static_seed);
        wf_table_text(t, p->error[0] ? p->error : NULL);
    }
    if (!r->n_peers && !cli->quiet)
        fputs("no other node is known here: seeds: in weftd.yaml names the first, see "
              "weftd.yaml(5)\n",
            stderr);
    return err ? err : wf_table_done(t);
}

int wf_cmd_peers(struct wf_cli *cli, int argc, char **argv)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest s = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 0, NULL, &count);

    if (status >= 0)
        return status;
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &s;
    status = wf_local_ask(cli, NULL, &q, 0, &arena, &reply);
    if (status)
        return status;
    enum weft_err err = reply->kind_case == WEFT__V1__REPLY__KIND_STATUS
                            ? peer_rows(cli, reply->status)
                            : WEFT_E_PROTOCOL;
    wf_arena_fini(&arena);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}
