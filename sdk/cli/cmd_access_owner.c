// SPDX-License-Identifier: Apache-2.0
// weft access list|grant|deny|revoke: the owner decides, at its own node.
#include <stdlib.h>

#include "proto/base/print.h"
#include "proto/trust/capability.h"
#include "sdk/cli/access.h"
#include "sdk/cli/local.h"
#include "sdk/disk.h"

#define SHORT_ID 8 // bytes of an id in a table

static size_t list_len(const char **list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static int ask(const struct wf_cli *cli, Weft__V1__GrantRequest *g, struct wf_arena *arena,
    Weft__V1__Reply **ret)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;

    q.kind_case = WEFT__V1__REQUEST__KIND_GRANT;
    q.grant = g;
    return wf_local_ask(cli, NULL, &q, 0, arena, ret);
}

int wf_access_parse_holder(const char *text, struct wf_sign_pub *ret)
{
    struct wf_dh_pub dh;
    struct wf_buf key = { 0 };
    enum weft_err err = wf_id_parse(wf_bytes_str(text), ret, &dh);

    if (err == WEFT_E_PREFIX) {
        err = wf_print_parse(WF_PREFIX_SIGN, wf_bytes_str(text), &key);
        if (!err && key.len != WF_KEY_LEN)
            err = WEFT_E_KEY;
        if (!err)
            memcpy(ret->b, key.ptr, WF_KEY_LEN);
        wf_buf_fini(&key);
    }
    return err ? wf_cli_fail(err, "%s: not an identity (weftid1… of: weft key show): %s", text,
                     weft_err_text(err))
               : 0;
}

static struct wf_bytes id_of(const Weft__V1__GrantInfo *g)
{
    return wf_pb_view(g->token_id.len ? g->token_id : g->request_id);
}

// Copies the one id of that length that begins so, as logs and tables show it.
static int match_id(const Weft__V1__GrantReply *r, const char *text, size_t len, struct wf_buf *ret)
{
    size_t found = 0;

    for (size_t i = 0; i < r->n_grants; i++) {
        struct wf_bytes id = id_of(r->grants[i]);
        char hex[2 * WF_HASH_LEN + 1];
        if (id.len != len || len > WF_HASH_LEN)
            continue;
        wf_hex_put(id, hex);
        if (strncmp(hex, text, strlen(text)) != 0)
            continue;
        found++;
        ret->len = 0;
        enum weft_err err = wf_buf_append(ret, id);
        if (err)
            return wf_cli_fail(err, "%s", weft_err_text(err));
    }
    if (found == 1)
        return 0;
    return wf_cli_fail(found ? WEFT_E_USAGE : WEFT_E_NOT_FOUND, "%s: %s; see: weft access list",
        text, found ? "several ids begin so" : "no id begins so");
}

// An id of len bytes in hex, or at least eight digits of its beginning, which then must be one that weft access list shows.
static int parse_id(const struct wf_cli *cli, const char *text, size_t len, struct wf_buf *ret)
{
    Weft__V1__GrantRequest g = WEFT__V1__GRANT_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    size_t digits = strspn(text, "0123456789abcdef");

    if (text[digits] || digits < 8 || digits > 2 * len)
        return wf_cli_fail(WEFT_E_USAGE,
            "%s: an id has %zu hex digits, of which the first 8 may do; see: weft access list",
            text, 2 * len);
    if (digits == 2 * len)
        return wf_hex_take(wf_bytes_str(text), ret) ? wf_cli_fail(WEFT_E_NOMEM, "out of memory")
                                                    : 0;
    g.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_LIST;
    int status = ask(cli, &g, &arena, &reply);
    if (status)
        return status;
    status = reply->kind_case == WEFT__V1__REPLY__KIND_GRANT
                 ? match_id(reply->grant, text, len, ret)
                 : wf_cli_fail(WEFT_E_PROTOCOL, "%s", weft_err_text(WEFT_E_PROTOCOL));
    wf_arena_fini(&arena);
    return status;
}

// ---- list ------------------------------------------------------------------------------------------------------------

static void join_texts(char **v, size_t n, struct wf_buf *out)
{
    out->len = 0;
    for (size_t i = 0; i < n; i++)
        if (wf_buf_printf(out, "%s%s", i ? "," : "", v[i]))
            return;
}

static enum weft_err grant_rows(const struct wf_cli *cli, const Weft__V1__GrantReply *r)
{
    static const char *const columns[] = { "id", "state", "holder", "products", "verbs", "expires",
        "how", "purpose", "warning" };
    struct wf_table *t = NULL;
    struct wf_buf text = { 0 };
    enum weft_err err = wf_table_new(cli, "weft.grants/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_grants && !err; i++) {
        const Weft__V1__GrantInfo *g = r->grants[i];
        struct wf_bytes id = id_of(g);
        char hex[2 * WF_HASH_LEN + 1] = "", over[48], print[WF_FINGERPRINT_LEN];
        // In a table as short as in the log; every command takes that much of it.
        if (cli->format == WF_OUT_TABLE)
            id = wf_bytes(id.ptr, id.len < SHORT_ID ? id.len : SHORT_ID);
        if (id.len <= WF_HASH_LEN)
            wf_hex_put(id, hex);
        wf_table_text(t, hex);
        wf_table_text(t, g->state);
        wf_fingerprint(wf_pb_view(g->holder_key), print); // as the holder's weft key show has it
        wf_table_text(t, g->holder[0] ? g->holder : print);
        join_texts(g->products, g->n_products, &text);
        wf_table_text(t, text.len ? (const char *)text.ptr : NULL);
        join_texts(g->verbs, g->n_verbs, &text);
        wf_table_text(t, text.len ? (const char *)text.ptr : NULL);
        wf_table_when(t, g->expires_ms);
        wf_table_text(t, g->how);
        wf_table_text(t, g->purpose[0] ? g->purpose : NULL);
        snprintf(over, sizeof over, "%u %% of its life is over", g->over_percent);
        wf_table_text(t, g->over_percent ? over : NULL);
    }
    wf_buf_fini(&text);
    return err ? err : wf_table_done(t);
}

static enum weft_err refused_rows(const struct wf_cli *cli, const Weft__V1__GrantReply *r)
{
    static const char *const columns[] = { "refused", "what", "code", "count", "last", "first",
        "from", "audit_id" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.refused/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_refused && !err; i++) {
        const Weft__V1__RefusedAttempt *m = r->refused[i];
        wf_table_text(t, m->who);
        wf_table_text(t, m->code ? m->what : "(older ones, only counted)");
        wf_table_text(t, m->code ? weft_err_name((enum weft_err)m->code) : NULL);
        wf_table_number(t, (int64_t)m->count);
        wf_table_when(t, m->last_ms);
        wf_table_when(t, m->first_ms);
        wf_table_text(t, m->from[0] ? m->from : NULL);
        wf_table_text(t, m->audit_id[0] ? m->audit_id : NULL);
    }
    return err ? err : wf_table_done(t);
}

static int list_one(const struct wf_cli *cli, Weft__V1__GrantRequest__Action action, bool below)
{
    Weft__V1__GrantRequest g = WEFT__V1__GRANT_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    enum weft_err err = WEFT_OK;

    g.action = action;
    int status = ask(cli, &g, &arena, &reply);
    if (status)
        return status;
    if (reply->kind_case != WEFT__V1__REPLY__KIND_GRANT) {
        err = WEFT_E_PROTOCOL;
    } else if (action != WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REFUSED) {
        err = grant_rows(cli, reply->grant);
    } else if (!below || reply->grant->n_refused) {
        if (below)
            putchar('\n');
        err = refused_rows(cli, reply->grant);
    }
    wf_arena_fini(&arena);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// People see below the grants who was refused; a program asks for one or the other.
int wf_cmd_access_list(struct wf_cli *cli, int argc, char **argv)
{
    bool pending = false, refused = false;
    const struct wf_opt opts[] = { { "pending", 0, .flag = &pending },
        { "refused", 0, .flag = &refused } };
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count);

    if (status >= 0)
        return status;
    if (pending && refused)
        return wf_cli_fail(WEFT_E_USAGE, "weft access list --pending, or: --refused");
    status = refused ? 0
                     : list_one(cli,
                           pending ? WEFT__V1__GRANT_REQUEST__ACTION__ACTION_PENDING
                                   : WEFT__V1__GRANT_REQUEST__ACTION__ACTION_LIST,
                           false);
    if (!status && (refused || (!pending && cli->format == WF_OUT_TABLE)))
        status = list_one(cli, WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REFUSED, !refused);
    return status;
}

// ---- grant -----------------------------------------------------------------------------------------------------------

int wf_access_say_token(
    const char *schema, struct wf_bytes token, const char *file, bool with_itself)
{
    struct wf_token *t = NULL;
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    char id[2 * WF_HASH_LEN + 1], until[WF_CLI_TIME];
    enum weft_err err = wf_token_open(token, &t, &diag);

    if (!err)
        err = wf_token_print(token, &text);
    if (!err)
        err = wf_buf_append_byte(&text, 0);
    if (!err) {
        wf_hex_put(wf_hash_view(wf_token_id(t)), id);
        wf_cli_time(wf_token_expires_ms(t), until);
    }
    const struct wf_fact facts[] = { { "id", id, false }, { "expires", until, false },
        { "file", file, false }, { "token", (const char *)text.ptr, false } };
    int status =
        err ? wf_cli_diag(err, &diag, "token") : wf_cli_object(schema, facts, with_itself ? 4 : 3);
    wf_token_free(t);
    wf_buf_fini(&text);
    return status;
}

int wf_access_save_token(const struct wf_cli *cli, const char *out, struct wf_bytes token)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_token_print(token, &text);

    if (!err)
        err = wf_buf_append_byte(&text, '\n');
    if (!err && out)
        err = wf_disk_replace(out, wf_buf_view(&text), &diag);
    else if (!err && !wf_cli_for_programs(cli) && fwrite(text.ptr, 1, text.len, stdout) != text.len)
        err = WEFT_E_IO;
    wf_buf_fini(&text);
    if (err)
        return wf_cli_diag(err, &diag, out ? out : "token");
    if (wf_cli_for_programs(cli))
        return wf_access_say_token("weft.access-token/v1", token, out, !out);
    if (out)
        fprintf(stderr, "%s: send it to its holder, who runs: weft access import %s\n", out, out);
    return 0;
}

// A decision about what was named so.
static int say_decided(const char *decision, const char *kind, const char *what)
{
    const struct wf_fact facts[] = { { "decision", decision, false }, { kind, what, false } };

    return wf_cli_object("weft.access-decision/v1", facts, WF_COUNT(facts));
}

struct grant_options {
    const struct wf_cli *cli;
    const char *to, *duration, *rows, *purpose, *out, *request, *rate, **verbs, **columns,
        **regions;
};

static int fill_grant(const struct grant_options *o, char **products, int product_count,
    struct wf_sign_pub *holder, struct wf_buf *request_id, Weft__V1__GrantRequest *g)
{
    int64_t ms = 0;
    uint64_t rate = 0;
    int status = wf_cli_take_duration("for", o->duration, 1000, &ms);

    if (!status)
        status = wf_cli_take_number("rate", o->rate, UINT32_MAX, &rate);
    if (status)
        return status;
    g->action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    g->duration_ms = ms;
    g->products = products;
    g->n_products = (size_t)product_count;
    g->verbs = (char **)(uintptr_t)o->verbs;
    g->n_verbs = list_len(o->verbs);
    g->columns = (char **)(uintptr_t)o->columns;
    g->n_columns = list_len(o->columns);
    g->regions = (char **)(uintptr_t)o->regions;
    g->n_regions = list_len(o->regions);
    g->rows = wf_pb_str(o->rows);
    g->purpose = wf_pb_str(o->purpose);
    g->rate_per_minute = (uint32_t)rate;
    if (o->request) {
        status = parse_id(o->cli, o->request, 16, request_id);
        g->request_id = wf_pb_bin(wf_buf_view(request_id));
        return status;
    }
    if (!o->to || product_count == 0 || !o->verbs)
        return wf_cli_fail(WEFT_E_USAGE, "weft access grant PRODUCT… --to weftid1… --verb VERB, "
                                         "or: weft access grant --request ID");
    g->holder = wf_pb_bin(wf_bytes(holder->b, WF_KEY_LEN));
    return wf_access_parse_holder(o->to, holder);
}

int wf_cmd_access_grant(struct wf_cli *cli, int argc, char **argv)
{
    struct grant_options o = { .cli = cli };
    const struct wf_opt opts[] = {
        { "to", 0, .value = &o.to },
        { "verb", 0, .list = &o.verbs },
        { "for", 0, .value = &o.duration },
        { "column", 0, .list = &o.columns },
        { "region", 0, .list = &o.regions },
        { "rows", 0, .value = &o.rows },
        { "purpose", 0, .value = &o.purpose },
        { "rate", 0, .value = &o.rate },
        { "out", 0, .value = &o.out },
        { "request", 0, .value = &o.request },
    };
    Weft__V1__GrantRequest g = WEFT__V1__GRANT_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_sign_pub holder;
    struct wf_buf request_id = { 0 };
    struct wf_arena arena;
    char *products[64];
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 64, products, &count);

    if (status >= 0)
        goto out;
    status = wf_cli_new_file(cli, o.out);
    if (!status)
        status = fill_grant(&o, products, count, &holder, &request_id, &g);
    if (!status)
        status = ask(cli, &g, &arena, &reply);
    if (!status) {
        bool has = reply->kind_case == WEFT__V1__REPLY__KIND_GRANT && reply->grant->token.len;
        // A request's holder fetches its token by itself; one made here is handed over as a file.
        status = has && (!o.request || o.out)
                     ? wf_access_save_token(cli, o.out, wf_pb_view(reply->grant->token))
                     : 0;
        if (!status && !cli->quiet)
            wf_access_note(cli, products, (size_t)count, o.columns, o.verbs);
        if (o.request && !status && !o.out && wf_cli_for_programs(cli))
            status = say_decided("granted", "request", o.request);
        if (o.request && !status)
            fprintf(stderr, "granted; its asker gets the token with: weft access request --wait\n");
        wf_arena_fini(&arena);
    }
out:
    wf_buf_fini(&request_id);
    free(o.verbs);
    free(o.columns);
    free(o.regions);
    return status;
}

// ---- deny, revoke ----------------------------------------------------------------------------------------------------

int wf_cmd_access_deny(struct wf_cli *cli, int argc, char **argv)
{
    const char *reason = NULL;
    const struct wf_opt opts[] = { { "reason", 0, .value = &reason } };
    Weft__V1__GrantRequest g = WEFT__V1__GRANT_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_buf id = { 0 };
    struct wf_arena arena;
    char *text = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &text, &count);

    if (status >= 0)
        return status;
    status = parse_id(cli, text, 16, &id);
    if (!status) {
        g.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_DENY;
        g.request_id = wf_pb_bin(wf_buf_view(&id));
        g.reason = wf_pb_str(reason);
        status = ask(cli, &g, &arena, &reply);
        if (!status) {
            wf_arena_fini(&arena);
            if (wf_cli_for_programs(cli))
                status = say_decided("denied", "request", text);
        }
    }
    wf_buf_fini(&id);
    return status;
}

int wf_cmd_access_revoke(struct wf_cli *cli, int argc, char **argv)
{
    const char *holder_text = NULL;
    const struct wf_opt opts[] = { { "holder", 0, .value = &holder_text } };
    Weft__V1__GrantRequest g = WEFT__V1__GRANT_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_sign_pub holder;
    struct wf_buf id = { 0 };
    struct wf_arena arena;
    char *text = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 1, &text, &count);

    if (status >= 0)
        return status;
    if ((count == 0) == (holder_text == NULL))
        return wf_cli_fail(
            WEFT_E_USAGE, "weft access revoke TOKEN-ID, or: weft access revoke --holder weftid1…");
    status = holder_text ? wf_access_parse_holder(holder_text, &holder)
                         : parse_id(cli, text, WF_HASH_LEN, &id);
    if (!status) {
        g.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE;
        if (holder_text)
            g.holder = wf_pb_bin(wf_bytes(holder.b, WF_KEY_LEN));
        else
            g.token_id = wf_pb_bin(wf_buf_view(&id));
        status = ask(cli, &g, &arena, &reply);
        if (!status) {
            wf_arena_fini(&arena);
            if (wf_cli_for_programs(cli))
                status = say_decided(
                    "revoked", holder_text ? "holder" : "id", holder_text ? holder_text : text);
            else
                puts("revoked: keys of the products concerned are changed at once");
        }
    }
    wf_buf_fini(&id);
    return status;
}
