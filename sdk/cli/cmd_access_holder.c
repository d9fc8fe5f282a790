// SPDX-License-Identifier: Apache-2.0
// weft access request|explain|import|show: whoever wants to read asks the owner, and keeps what it grants.
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/print.h"
#include "sdk/cli/access.h"
#include "sdk/cli/problem.h"
#include "sdk/cli/setup.h"
#include "sdk/client.h"
#include "sdk/conf/file.h"
#include "sdk/loop/loop.h"

// ---- asking the owner ------------------------------------------------------------------------------------------------

struct asking {
    struct wf_target target;
    const Weft__V1__Request *request;
    struct wf_client_wait *wait;
    struct weft_client *client;
    // the answer
    struct wf_buf token;
    char state[16], reason[256];
    struct wf_buf request_id;
    struct wf_buf steps;
    bool granted;
};

static void take_access(struct asking *a, const Weft__V1__AccessReply *r)
{
    snprintf(a->state, sizeof a->state, "%s", r->state);
    snprintf(a->reason, sizeof a->reason, "%s", r->reason);
    a->request_id.len = a->token.len = 0;
    if (wf_buf_append(&a->request_id, wf_pb_view(r->request_id)) ||
        wf_buf_append(&a->token, wf_pb_view(r->token)))
        snprintf(a->state, sizeof a->state, "lost");
}

static void on_reply(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct asking *a = arg;
    struct weft_problem p = { 0 };

    if (err) {
        wf_problem_from_reply(&p, err, reply, a->target.product.s);
        wf_client_done(a->wait, err, &p);
        return;
    }
    if (reply->kind_case == WEFT__V1__REPLY__KIND_ACCESS)
        take_access(a, reply->access);
    if (reply->kind_case == WEFT__V1__REPLY__KIND_EXPLAIN) {
        a->granted = reply->explain->granted;
        for (size_t i = 0; i < reply->explain->n_steps && !err; i++) {
            wf_text_clean(reply->explain->steps[i], "");
            err = wf_buf_printf(&a->steps, "%s\n", reply->explain->steps[i]);
        }
    }
    wf_client_done(a->wait, err, NULL);
}

static void on_owner(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    struct asking *a = arg;

    (void)product;
    if (!err)
        err = wf_link_request(link, a->request, 0, on_reply, a);
    if (err)
        wf_client_done(a->wait, err, problem);
}

static void begin(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct asking *a = arg;

    a->wait = w;
    wf_client_owner(c, &a->target, on_owner, a);
}

// With the holder's own identity, never through the local node.
static enum weft_err connect_as(
    const struct wf_cli *cli, struct weft_client **ret, struct weft_problem *p)
{
    const struct weft_options options = { .dir = cli->dir, .flags = WEFT_REMOTE_ONLY };

    return weft_connect(&options, ret, p);
}

static int ask(struct weft_client *c, struct asking *a)
{
    struct weft_problem p = { 0 };

    return wf_client_run(c, begin, a, &p) ? wf_cli_problem(&p) : 0;
}

// ---- request ---------------------------------------------------------------------------------------------------------

static int import_raw(const struct wf_cli *cli, struct wf_bytes raw)
{
    struct wf_identity_dir *id = NULL;
    struct wf_diag diag = { 0 };
    char *path = NULL;
    int status = wf_cli_identity(cli, NULL, &id);

    if (status)
        return status;
    enum weft_err err = wf_identity_import_token(id, raw, wf_cli_now_ms(), &path, &diag);
    if (err)
        status = wf_cli_diag(err, &diag, "token");
    else if (wf_cli_for_programs(cli))
        status = wf_access_say_token("weft.access-import/v1", raw, path, false);
    else
        printf("%s\n", path);
    free(path);
    wf_identity_free(id);
    return status;
}

static int finish_request(const struct wf_cli *cli, struct asking *a)
{
    char hex[2 * WF_HASH_LEN + 1] = "";

    if (a->request_id.len <= WF_HASH_LEN)
        wf_hex_put(wf_buf_view(&a->request_id), hex);
    if (strcmp(a->state, "granted") == 0)
        return import_raw(cli, wf_buf_view(&a->token));
    if (strcmp(a->state, "denied") == 0)
        return wf_cli_fail(WEFT_E_DENIED, "denied%s%s", a->reason[0] ? ": " : "", a->reason);
    fprintf(stderr,
        "request %s waits for %s to decide; ask again with: weft access request --id %s %s/%s\n",
        hex, a->target.domain.s, hex, a->target.domain.s, a->target.product.s);
    return weft_err_exit(WEFT_E_PENDING);
}

struct request_options {
    const char *purpose, *duration, *id, **verbs, **columns;
    bool wait;
};

// The request's parts borrow from o, a and id, which outlive it.
static int fill_request(const struct request_options *o, struct asking *a, char **name,
    struct wf_buf *id, Weft__V1__AccessRequest *r)
{
    int status = wf_cli_take_duration("for", o->duration, 1000, &r->duration_ms);

    if (status)
        return status;
    if (o->id && wf_hex_take(wf_bytes_str(o->id), id))
        return wf_cli_fail(WEFT_E_USAGE, "--id takes the hex digits that the request printed");
    if (!o->verbs && !o->id)
        return wf_cli_fail(
            WEFT_E_USAGE, "what do you want to do with it? --verb subscribe, query, call:METHOD …");
    *name = a->target.product.s;
    r->products = name;
    r->n_products = 1;
    r->domain = a->target.domain.s;
    r->verbs = (char **)(uintptr_t)o->verbs;
    while (o->verbs && o->verbs[r->n_verbs])
        r->n_verbs++;
    r->columns = (char **)(uintptr_t)o->columns;
    while (o->columns && o->columns[r->n_columns])
        r->n_columns++;
    r->purpose = wf_pb_str(o->purpose);
    r->request_id = wf_pb_bin(wf_buf_view(id));
    return 0;
}

// Asks, and with wait again and again, under the request id that the owner gave.
static int ask_until_decided(
    struct weft_client *c, struct asking *a, Weft__V1__Request *q, bool wait)
{
    uint8_t key[16];

    for (;;) {
        wf_random(key, sizeof key);
        q->idempotency = wf_pb_bin(WF_BYTES(key));
        int status = ask(c, a);
        if (status || !wait || strcmp(a->state, "pending") != 0)
            return status;
        q->access->request_id = wf_pb_bin(wf_buf_view(&a->request_id));
        sleep(1);
    }
}

int wf_cmd_access_request(struct wf_cli *cli, int argc, char **argv)
{
    struct request_options o = { 0 };
    const struct wf_opt opts[] = {
        { "verb", 0, .list = &o.verbs },
        { "column", 0, .list = &o.columns },
        { "purpose", 0, .value = &o.purpose },
        { "for", 0, .value = &o.duration },
        { "id", 0, .value = &o.id },
        { "wait", 0, .flag = &o.wait },
    };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AccessRequest r = WEFT__V1__ACCESS_REQUEST__INIT;
    struct asking a = { .request = &q };
    struct weft_client *c = NULL;
    struct weft_problem p = { 0 };
    struct wf_buf id = { 0 };
    char *product = NULL, *name = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    if (status >= 0)
        goto out;
    status = wf_target_parse(product, false, &a.target, &p) ? wf_cli_problem(&p)
                                                            : fill_request(&o, &a, &name, &id, &r);
    q.kind_case = WEFT__V1__REQUEST__KIND_ACCESS;
    q.access = &r;
    if (!status)
        status =
            connect_as(cli, &c, &p) ? wf_cli_problem(&p) : ask_until_decided(c, &a, &q, o.wait);
    if (!status)
        status = finish_request(cli, &a);
    weft_close(c);
out:
    wf_buf_fini(&id);
    wf_buf_fini(&a.token);
    wf_buf_fini(&a.request_id);
    free(o.verbs);
    free(o.columns);
    return status;
}

// ---- explain ---------------------------------------------------------------------------------------------------------

// The owner's steps tell what was shown to it, and an expired token is not.
static void say_ended(
    const struct wf_identity_dir *id, const struct wf_target *t, enum wf_verb v, const char *method)
{
    char at[WF_CLI_AT];
    int64_t ended =
        wf_identity_token_ended_ms(id, t->domain.s, t->product.s, v, method, wf_cli_now_ms());

    if (!ended)
        return;
    wf_cli_at(ended, at);
    printf("held here: a token for it that expired %s\n", at);
}

int wf_cmd_access_explain(struct wf_cli *cli, int argc, char **argv)
{
    const char *verb = "subscribe";
    const struct wf_opt opts[] = { { "verb", 0, .value = &verb } };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__ExplainRequest r = WEFT__V1__EXPLAIN_REQUEST__INIT;
    struct asking a = { .request = &q };
    struct weft_client *c = NULL;
    struct wf_identity_dir *id = NULL;
    struct wf_token *token = NULL;
    struct weft_problem p = { 0 };
    struct wf_pattern method;
    enum wf_verb v;
    char *product = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    if (status >= 0)
        return status;
    status = wf_target_parse(product, false, &a.target, &p) ? wf_cli_problem(&p) : 0;
    if (!status && wf_verb_parse(wf_bytes_str(verb), &v, &method))
        status = wf_cli_fail(WEFT_E_USAGE,
            "--verb %s: subscribe, replay, query, call:METHOD, mirror or delegate", verb);
    if (!status)
        status = wf_cli_identity(cli, NULL, &id);
    if (!status && wf_identity_find_token(id, a.target.domain.s, a.target.product.s, v, method.s,
                       wf_cli_now_ms(), &token) == WEFT_OK)
        r.token = wf_pb_bin(wf_buf_view(&token->raw));
    r.domain = a.target.domain.s;
    r.product = a.target.product.s;
    r.verb = wf_pb_str(verb);
    q.kind_case = WEFT__V1__REQUEST__KIND_EXPLAIN;
    q.explain = &r;
    if (!status)
        status = connect_as(cli, &c, &p) ? wf_cli_problem(&p) : ask(c, &a);
    if (!status) {
        fwrite(a.steps.ptr, 1, a.steps.len, stdout);
        say_ended(id, &a.target, v, method.s);
        puts(a.granted ? "→ granted" : "→ refused");
        status = a.granted ? 0 : weft_err_exit(WEFT_E_NO_CAPABILITY);
    }
    weft_close(c);
    wf_token_free(token);
    wf_identity_free(id);
    wf_buf_fini(&a.steps);
    return status;
}

// ---- import and show -------------------------------------------------------------------------------------------------

int wf_access_read_token(const char *path, struct wf_token **ret)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(path, 16384, WF_FILE_ANY, &text, &diag);

    if (err)
        return wf_cli_diag(err, &diag, path);
    err = wf_token_parse(wf_buf_view(&text), ret, &diag);
    wf_buf_fini(&text);
    return err ? wf_cli_fail(err,
                     "%s: not a valid token (weftcap1…): %s%s%s; ask whoever sent it for another",
                     path, weft_err_text(err), diag.text[0] ? ": " : "", diag.text)
               : 0;
}

int wf_cmd_access_import(struct wf_cli *cli, int argc, char **argv)
{
    struct wf_token *t = NULL;
    char *file = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &file, &count);

    if (status >= 0)
        return status;
    status = wf_access_read_token(file, &t);
    if (!status)
        status = import_raw(cli, wf_buf_view(&t->raw));
    wf_token_free(t);
    return status;
}

static void show_block(size_t index, const struct wf_block *b)
{
    char holder[WF_FINGERPRINT_LEN], from[WF_CLI_AT], until[WF_CLI_AT], id[17];

    wf_fingerprint(wf_bytes(b->holder.b, WF_KEY_LEN), holder);
    wf_cli_at(b->not_before_ms, from);
    wf_cli_at(b->expires_ms, until);
    wf_hex_put(wf_bytes(b->id.b, 8), id);
    printf("block %zu (%s)\n  holder   %s\n  products", index, id, holder);
    for (size_t i = 0; i < b->product_count; i++)
        printf(" %s/%s", b->domain.s, b->products[i].s);
    printf("\n  verbs   ");
    for (uint32_t v = 1; v <= WF_VERB_DELEGATE; v <<= 1)
        if ((b->verbs & v) && v != WF_VERB_CALL)
            printf(" %s", wf_verb_name((enum wf_verb)v));
    for (size_t i = 0; i < b->method_count; i++)
        printf(" call:%s", b->methods[i].s);
    printf("\n  begins   %s\n  expires  %s\n", from, until);
    if (b->limits_columns) {
        printf("  columns ");
        for (size_t i = 0; i < b->column_count; i++)
            printf(" %s", b->columns[i]);
        putchar('\n');
    }
    if (b->region_count) {
        printf("  regions ");
        for (size_t i = 0; i < b->region_count; i++)
            printf(" %s", b->regions[i]);
        putchar('\n');
    }
    if (b->row_count) {
        struct wf_buf rows = { 0 };
        bool whole =
            !wf_row_filter_print(b->rows, b->row_count, &rows) && !wf_buf_append_byte(&rows, 0);
        printf("  rows     ");
        wf_cli_put(stdout, whole ? (const char *)rows.ptr : "?", "");
        putchar('\n');
        wf_buf_fini(&rows);
    }
    if (b->purpose[0]) {
        printf("  purpose  ");
        wf_cli_put(stdout, b->purpose, "");
        putchar('\n');
    }
    if (b->rate_per_minute)
        printf("  rate     %u a minute\n", b->rate_per_minute);
}

// A later token for all of this is here.
static bool is_followed(const struct wf_identity_dir *id, const struct wf_token *t)
{
    const struct wf_block *b = wf_token_last(t);
    const char *method = b->method_count ? b->methods[0].s : NULL;
    bool followed = true;

    for (uint32_t v = 1; v <= WF_VERB_DELEGATE && followed; v <<= 1)
        for (size_t i = 0; i < b->product_count && followed && (b->verbs & v); i++) {
            struct wf_token *other = NULL;
            followed = !wf_identity_find_token(id, b->domain.s, b->products[i].s, (enum wf_verb)v,
                           method, wf_cli_now_ms(), &other) &&
                       wf_token_expires_ms(other) > wf_token_expires_ms(t);
            wf_token_free(other);
        }
    return followed;
}

// What the owner is warned of, too. id: where to look for a later token; may be NULL.
static void warn_of_end(const struct wf_identity_dir *id, const struct wf_token *t)
{
    const struct wf_block *b = wf_token_last(t);
    int64_t until = wf_token_expires_ms(t);
    unsigned over = wf_life_warning(b->not_before_ms, until, wf_cli_now_ms());
    char when[48];

    wf_cli_when(until, when);
    if (until <= wf_cli_now_ms())
        printf("  EXPIRED  %s, and opens nothing any more\n", when);
    if (!over || (id && is_followed(id, t)))
        return;
    printf(
        "  warning  %u %% of its life is over, it ends %s; what a rule gives comes anew by itself, "
        "else: weft access request %s/%s\n",
        over, when, b->domain.s, b->products[0].s);
}

static void show_token(const struct wf_identity_dir *id, const char *path, const struct wf_token *t)
{
    char hex[2 * WF_HASH_LEN + 1];

    wf_hex_put(wf_hash_view(wf_token_id(t)), hex);
    printf("%s\ntoken %s\n", path, hex);
    warn_of_end(id, t);
    for (size_t i = 0; i < t->block_count; i++)
        show_block(i, &t->blocks[i]);
}

// A token a row, as its last block limits it; `weft access show` without -o shows the blocks.
static void show_row(struct wf_table *out, const char *path, const struct wf_token *t)
{
    const struct wf_block *b = wf_token_last(t);
    char hex[2 * WF_HASH_LEN + 1], holder[WF_FINGERPRINT_LEN], verbs[512] = "", products[1024] = "";
    int64_t now = wf_cli_now_ms(), until = wf_token_expires_ms(t);
    size_t len = 0;

    wf_hex_put(wf_hash_view(wf_token_id(t)), hex);
    wf_fingerprint(wf_bytes(b->holder.b, WF_KEY_LEN), holder);
    for (size_t i = 0; i < b->product_count && len < sizeof products; i++)
        len += (size_t)snprintf(products + len, sizeof products - len, "%s%s/%s", i ? " " : "",
            b->domain.s, b->products[i].s);
    len = 0;
    for (uint32_t v = 1; v <= WF_VERB_DELEGATE && len < sizeof verbs; v <<= 1)
        if ((b->verbs & v) && v != WF_VERB_CALL)
            len += (size_t)snprintf(verbs + len, sizeof verbs - len, "%s%s", len ? " " : "",
                wf_verb_name((enum wf_verb)v));
    for (size_t i = 0; i < b->method_count && len < sizeof verbs; i++)
        len += (size_t)snprintf(
            verbs + len, sizeof verbs - len, "%scall:%s", len ? " " : "", b->methods[i].s);
    wf_table_text(out, path);
    wf_table_text(out, hex);
    wf_table_text(out, holder);
    wf_table_text(out, products);
    wf_table_text(out, verbs);
    wf_table_when(out, b->not_before_ms);
    wf_table_when(out, until);
    wf_table_text(out, until <= now ? "expired" : b->not_before_ms > now ? "not yet" : "live");
    wf_table_uint(out, t->block_count);
}

struct showing {
    const struct wf_identity_dir *id;
    const char *domain, *product;
    struct wf_table *table; // NULL: in words
    size_t shown;
};

static void show_one(const struct showing *s, const char *path, const struct wf_token *t)
{
    if (s->table)
        show_row(s->table, path, t);
    else
        show_token(s->id, path, t);
}

static enum weft_err show_match(
    void *arg, const char *path, const struct wf_token *t, enum weft_err err)
{
    struct showing *s = arg;
    bool match = false;

    if (err) {
        fprintf(stderr, "weft: %s: %s\n", path, weft_err_text(err));
        return WEFT_OK;
    }
    for (size_t i = 0; i < t->blocks[0].product_count && !match; i++)
        match = !s->product || (strcmp(t->blocks[0].domain.s, s->domain) == 0 &&
                                   wf_pattern_match(&t->blocks[0].products[i], s->product));
    if (match) {
        show_one(s, path, t);
        s->shown++;
    }
    return WEFT_OK;
}

// Those of the identity, or those of them for a product.
static int show_held(const struct wf_cli *cli, struct showing *s, const char *what)
{
    struct wf_identity_dir *id = NULL;
    int status = wf_cli_identity(cli, NULL, &id);

    if (status)
        return status;
    s->id = id;
    enum weft_err err = wf_identity_tokens(id, show_match, s);
    s->id = NULL;
    wf_identity_free(id);
    if (err)
        return wf_cli_fail(err, "%s", weft_err_text(err));
    return s->shown ? 0
                    : wf_cli_fail(WEFT_E_NOT_FOUND, "no token here%s%s", what ? " for " : "",
                          what ? what : "");
}

static int show_file(const struct showing *s, const char *path)
{
    struct wf_token *t = NULL;
    int status = wf_access_read_token(path, &t);

    if (!status)
        show_one(s, path, t);
    wf_token_free(t);
    return status;
}

int wf_cmd_access_show(struct wf_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "file", "token", "holder", "products", "verbs", "begins",
        "expires", "state", "blocks" };
    struct wf_target target;
    struct weft_problem p = { 0 };
    struct showing s = { 0 };
    enum weft_err err = WEFT_OK;
    char *what = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 1, &what, &count);

    if (status >= 0)
        return status;
    bool is_file = count && access(what, F_OK) == 0;
    if (count && !is_file && wf_target_parse(what, false, &target, &p))
        return wf_cli_fail(p.err, "%s: there is no such file, and it is not DOMAIN/PRODUCT", what);
    if (cli->format != WF_OUT_TABLE)
        err = wf_table_new(cli, "weft.tokens/v1", columns, WF_COUNT(columns), &s.table);
    if (err)
        return wf_cli_fail(err, "%s", weft_err_text(err));
    if (count && !is_file) {
        s.domain = target.domain.s;
        s.product = target.product.s;
    }
    status = is_file ? show_file(&s, what) : show_held(cli, &s, what);
    err = s.table ? wf_table_done(s.table) : WEFT_OK;
    return status || !err ? status : wf_cli_fail(err, "%s", weft_err_text(err));
}
