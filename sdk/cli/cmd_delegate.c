// SPDX-License-Identifier: Apache-2.0
// weft access delegate: the holder of a token makes one for somebody else, with no more than its own. Nobody is asked: the block is signed
// with this identity's key, and whoever decides later checks the chain.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/base/print.h"
#include "sdk/cli/access.h"
#include "sdk/cli/setup.h"
#include "sdk/client.h"

struct delegation {
    const struct wf_cli *cli;
    const char *to, *duration, *rows, *out, **verbs, **columns;
    struct wf_identity_dir *id;
    struct wf_token *from;
    struct wf_arena arena;
    struct wf_pattern product; // the one that was named
    struct wf_block b;
};

// From a file, or the one here that lets the product be handed on.
static int find(struct delegation *d, const char *what)
{
    struct wf_target target;
    struct weft_problem p = { 0 };

    if (access(what, F_OK) == 0)
        return wf_access_read_token(what, &d->from);
    if (wf_target_parse(what, false, &target, &p))
        return wf_cli_fail(
            p.err, "%s: neither a file with a token nor a product: %s", what, p.text);
    enum weft_err err = wf_identity_find_token(d->id, target.domain.s, target.product.s,
        WF_VERB_DELEGATE, NULL, wf_cli_now_ms(), &d->from);
    if (err)
        return wf_cli_fail(err,
            "no token here lets %s be handed on; its owner grants it with: --verb delegate, and "
            "see: "
            "weft access show",
            what);
    snprintf(d->product.s, sizeof d->product.s, "%s", target.product.s);
    d->b.products = &d->product;
    d->b.product_count = 1;
    return 0;
}

// What --verb names; without it all but the right to hand on further.
static int take_verbs(struct delegation *d, const struct wf_block *last)
{
    size_t count = 0;

    d->b.verbs = last->verbs & ~(uint32_t)WF_VERB_DELEGATE;
    d->b.methods = last->methods;
    d->b.method_count = last->method_count;
    if (!d->verbs)
        return 0;
    while (d->verbs[count])
        count++;
    d->b.verbs = 0;
    d->b.method_count = 0;
    d->b.methods = wf_arena_calloc(&d->arena, count, sizeof *d->b.methods);
    if (!d->b.methods)
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    for (size_t i = 0; i < count; i++) {
        enum wf_verb v = WF_VERB_SUBSCRIBE;
        struct wf_pattern method;
        if (wf_verb_parse(wf_bytes_str(d->verbs[i]), &v, &method))
            return wf_cli_fail(WEFT_E_USAGE,
                "--verb %s: subscribe, replay, query, call:METHOD, mirror or delegate",
                d->verbs[i]);
        d->b.verbs |= v;
        if (v == WF_VERB_CALL)
            d->b.methods[d->b.method_count++] = method;
    }
    return 0;
}

// A block has every row term of the one before it, and may have more.
static enum weft_err more_rows(
    struct delegation *d, const struct wf_block *last, struct wf_diag *diag)
{
    struct wf_row_term *own = NULL;
    size_t count = 0;
    enum weft_err err = wf_row_filter_parse(wf_bytes_str(d->rows), &d->arena, &own, &count, diag);

    if (err)
        return err;
    d->b.rows = wf_arena_calloc(&d->arena, last->row_count + count, sizeof *own);
    if (!d->b.rows)
        return wf_arena_err(&d->arena);
    if (last->row_count)
        memcpy(d->b.rows, last->rows, last->row_count * sizeof *own);
    memcpy(d->b.rows + last->row_count, own, count * sizeof *own);
    d->b.row_count = last->row_count + count;
    return WEFT_OK;
}

static int take_limits(struct delegation *d, const struct wf_block *last)
{
    struct wf_diag diag = { 0 };

    d->b.limits_columns = last->limits_columns || d->columns;
    d->b.columns = d->columns ? d->columns : last->columns;
    d->b.column_count = d->columns ? 0 : last->column_count;
    while (d->columns && d->columns[d->b.column_count])
        d->b.column_count++;
    d->b.rows = last->rows;
    d->b.row_count = last->row_count;
    enum weft_err err = d->rows ? more_rows(d, last, &diag) : WEFT_OK;
    return err ? wf_cli_fail(WEFT_E_USAGE, "--rows, column %u: %s", diag.column,
                     diag.text[0] ? diag.text : weft_err_text(err))
               : 0;
}

static int take_life(struct delegation *d)
{
    int64_t ends = wf_token_expires_ms(d->from), now = wf_cli_now_ms(), ms = 0;
    int status = wf_cli_take_duration("for", d->duration, 1000, &ms);
    char when[WF_CLI_AT];

    if (status)
        return status;
    wf_cli_at(ends, when);
    if (ends <= now)
        return wf_cli_fail(WEFT_E_EXPIRED, "the token ended %s; ask its owner for another", when);
    d->b.issued_ms = d->b.not_before_ms = now;
    d->b.expires_ms = ms ? now + ms : ends;
    if (d->b.expires_ms > ends)
        return wf_cli_fail(WEFT_E_SCOPE,
            "--for %s: the token itself expires %s; nothing made of it lives longer", d->duration,
            when);
    return 0;
}

static int sign(struct delegation *d)
{
    const struct wf_block *last = wf_token_last(d->from);
    struct wf_buf raw = { 0 };
    char print[WF_FINGERPRINT_LEN];

    wf_fingerprint(wf_bytes(last->holder.b, WF_KEY_LEN), print);
    if (memcmp(last->holder.b, d->id->keys.sign_pub.b, WF_KEY_LEN) != 0)
        return wf_cli_fail(WEFT_E_HOLDER,
            "the token was granted to %s, which this identity is not; see: weft key show", print);
    if (!(last->verbs & WF_VERB_DELEGATE))
        return wf_cli_fail(WEFT_E_VERB,
            "the token may not be handed on; its owner grants that with: --verb delegate");
    wf_random(d->b.nonce, sizeof d->b.nonce);
    enum weft_err err = wf_token_delegate(d->from, &d->b, &d->id->keys.sign, &raw);
    int status = err ? wf_cli_fail(err, "%s%s", weft_err_text(err),
                           err == WEFT_E_SCOPE
                               ? ": more is asked than the token gives; see: weft access show"
                               : "")
                     : wf_access_save_token(d->cli, d->out, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    return status;
}

static int delegate(struct delegation *d, const struct wf_cli *cli, const char *what)
{
    int status = wf_cli_new_file(cli, d->out);

    if (!status)
        status = wf_cli_identity(cli, NULL, &d->id);
    if (!status)
        status = wf_access_parse_holder(d->to, &d->b.holder);
    if (!status)
        status = find(d, what);
    if (status)
        return status;
    const struct wf_block *last = wf_token_last(d->from);
    if (!d->b.product_count) {
        d->b.products = last->products;
        d->b.product_count = last->product_count;
    }
    d->b.regions = last->regions;
    d->b.region_count = last->region_count;
    d->b.purpose = last->purpose;
    d->b.rate_per_minute = last->rate_per_minute;
    status = take_verbs(d, last);
    if (!status)
        status = take_limits(d, last);
    if (!status)
        status = take_life(d);
    return status ? status : sign(d);
}

int wf_cmd_access_delegate(struct wf_cli *cli, int argc, char **argv)
{
    struct delegation d = { .cli = cli, .b = { .purpose = "" } };
    const struct wf_opt opts[] = { { "to", 0, .value = &d.to }, { "verb", 0, .list = &d.verbs },
        { "for", 0, .value = &d.duration }, { "column", 0, .list = &d.columns },
        { "rows", 0, .value = &d.rows }, { "out", 0, .value = &d.out } };
    char *what = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &what, &count);

    if (status < 0) {
        wf_arena_init(&d.arena, 65536);
        status = d.to ? delegate(&d, cli, what)
                      : wf_cli_fail(WEFT_E_USAGE,
                            "--to weftid1…: who shall have it, as its weft key show prints it");
        wf_token_free(d.from);
        wf_identity_free(d.id);
        wf_arena_fini(&d.arena);
    }
    free(d.verbs);
    free(d.columns);
    return status;
}
