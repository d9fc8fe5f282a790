// SPDX-License-Identifier: Apache-2.0
// The decision. Every block is asked about everything; the first that refuses is named, with what was asked and what it grants.
#include <stdarg.h>
#include <stdio.h>

#include "proto/schema/known.h"
#include "proto/trust/token_block.h"

static enum weft_err refuse(
    struct wf_decision *d, enum weft_err err, const char *caveat, const char *asked)
{
    d->err = err;
    snprintf(d->caveat, sizeof d->caveat, "%s", caveat);
    snprintf(d->asked, sizeof d->asked, "%s", asked ? asked : "");
    return err;
}

// Adds one item to the list of what is granted; what does not fit is left out.
__attribute__((format(printf, 2, 3))) static void grants(
    struct wf_decision *d, const char *format, ...)
{
    size_t len = strlen(d->granted);
    va_list args;

    if (len && len + 1 < sizeof d->granted)
        d->granted[len++] = ',';
    va_start(args, format);
    vsnprintf(d->granted + len, sizeof d->granted - len, format, args);
    va_end(args);
}

static void print_time(int64_t unix_ms, char out[WF_MOMENT_TEXT])
{
    struct wf_moment m = { .seconds = unix_ms / 1000,
        .nanos = (int32_t)(unix_ms % 1000) * 1000000 };

    if (unix_ms < 0 || unix_ms > WF_MAX_TIME_MS)
        snprintf(out, WF_MOMENT_TEXT, "%lld ms", (long long)unix_ms);
    else
        wf_timestamp_print(m, out);
}

static enum weft_err check_time(
    const struct wf_block *b, int64_t now_unix_ms, struct wf_decision *d)
{
    enum weft_err err = wf_check_period(b->not_before_ms, b->expires_ms, now_unix_ms);
    char now[WF_MOMENT_TEXT], limit[WF_MOMENT_TEXT];

    if (!err)
        return WEFT_OK;
    print_time(now_unix_ms, now);
    print_time(err == WEFT_E_EXPIRED ? b->expires_ms : b->not_before_ms, limit);
    grants(d, "%s", limit);
    return refuse(d, err, err == WEFT_E_EXPIRED ? "expires" : "not-before", now);
}

static enum weft_err check_product(
    const struct wf_block *b, const struct wf_access *asked, struct wf_decision *d)
{
    for (size_t i = 0; i < b->product_count; i++)
        if (wf_pattern_match(&b->products[i], asked->product))
            return WEFT_OK;
    for (size_t i = 0; i < b->product_count; i++)
        grants(d, "%s", b->products[i].s);
    return refuse(d, WEFT_E_PRODUCT, "products", asked->product);
}

static bool is_verb_granted(const struct wf_block *b, const struct wf_access *asked)
{
    if (!(b->verbs & asked->verb))
        return false;
    if (asked->verb != WF_VERB_CALL)
        return true;
    for (size_t i = 0; asked->method && i < b->method_count; i++)
        if (wf_pattern_match(&b->methods[i], asked->method))
            return true;
    return false;
}

static enum weft_err check_verb(
    const struct wf_block *b, const struct wf_access *asked, struct wf_decision *d)
{
    char text[80];

    if (is_verb_granted(b, asked))
        return WEFT_OK;
    for (uint32_t v = WF_VERB_SUBSCRIBE; v <= WF_VERB_DELEGATE; v <<= 1)
        if ((b->verbs & v) && v != WF_VERB_CALL)
            grants(d, "%s", wf_verb_name((enum wf_verb)v));
    for (size_t i = 0; i < b->method_count; i++)
        grants(d, "call:%s", b->methods[i].s);
    snprintf(text, sizeof text, "%s%s%s", wf_verb_name(asked->verb),
        asked->verb == WF_VERB_CALL ? ":" : "",
        asked->verb == WF_VERB_CALL && asked->method ? asked->method : "");
    return refuse(d, WEFT_E_VERB, "verbs", text);
}

// Who may see some columns or rows only must not read the stream, where all of them are; nor hold it for others.
static enum weft_err check_whole(
    const struct wf_block *b, const struct wf_access *asked, struct wf_decision *d)
{
    if (!(asked->verb & (WF_VERB_SUBSCRIBE | WF_VERB_REPLAY | WF_VERB_MIRROR)))
        return WEFT_OK;
    if (!b->limits_columns && b->row_count == 0)
        return WEFT_OK;
    grants(d, "query");
    return refuse(
        d, WEFT_E_CAVEAT, b->limits_columns ? "columns" : "rows", wf_verb_name(asked->verb));
}

static enum weft_err check_columns(
    const struct wf_block *b, const struct wf_access *asked, struct wf_decision *d)
{
    if (asked->verb != WF_VERB_QUERY || !b->limits_columns)
        return WEFT_OK;
    for (size_t i = 0; i < asked->column_count; i++)
        if (!wf_strings_have(b->columns, b->column_count, asked->columns[i])) {
            for (size_t j = 0; j < b->column_count; j++)
                grants(d, "%s", b->columns[j]);
            return refuse(d, WEFT_E_COLUMN, "columns", asked->columns[i]);
        }
    return WEFT_OK;
}

static enum weft_err check_place(
    const struct wf_block *b, const struct wf_access *asked, struct wf_decision *d)
{
    if (b->region_count &&
        !(asked->region && wf_strings_have(b->regions, b->region_count, asked->region))) {
        for (size_t i = 0; i < b->region_count; i++)
            grants(d, "%s", b->regions[i]);
        return refuse(d, WEFT_E_REGION, "regions", asked->region);
    }
    if (b->purpose[0] && !(asked->purpose && strcmp(asked->purpose, b->purpose) == 0)) {
        grants(d, "%s", b->purpose);
        return refuse(d, WEFT_E_PURPOSE_CLAIM, "purpose", asked->purpose);
    }
    return WEFT_OK;
}

static enum weft_err check_block(const struct wf_block *b, const struct wf_access *asked,
    int64_t now_unix_ms, struct wf_decision *d)
{
    enum weft_err err = check_time(b, now_unix_ms, d);

    if (!err)
        err = check_product(b, asked, d);
    if (!err)
        err = check_verb(b, asked, d);
    if (!err)
        err = check_whole(b, asked, d);
    if (!err)
        err = check_columns(b, asked, d);
    return err ? err : check_place(b, asked, d);
}

// Is the token meant for this place and this session?
static enum weft_err check_audience(
    const struct wf_token *t, const struct wf_access *asked, struct wf_decision *d)
{
    const struct wf_block *last = wf_token_last(t);

    if (!wf_hash_eq(&last->mesh_id, asked->mesh_id))
        return refuse(d, WEFT_E_WRONG_MESH, "mesh", NULL);
    if (strcmp(last->domain.s, asked->domain) != 0) {
        grants(d, "%s", last->domain.s);
        return refuse(d, WEFT_E_WRONG_DOMAIN, "domain", asked->domain);
    }
    if (memcmp(last->holder.b, asked->who.b, WF_KEY_LEN) == 0)
        return WEFT_OK;
    d->block = t->block_count - 1;
    return refuse(d, WEFT_E_HOLDER, "holder", NULL);
}

static enum weft_err check_revoked(const struct wf_token *t, const struct wf_revocations *r,
    int64_t now_unix_ms, struct wf_decision *d)
{
    if (!r || now_unix_ms - r->issued_ms > WF_MAX_LIST_AGE_MS ||
        !wf_hash_eq(&r->mesh_id, &t->blocks[0].mesh_id) ||
        !wf_name_eq(&r->domain, &t->blocks[0].domain))
        return refuse(d, WEFT_E_STALE_LIST, "revocations", NULL);
    if (wf_revocations_has_origin(r, &t->blocks[0].signer, t->blocks[0].issued_ms))
        return refuse(d, WEFT_E_REVOKED, "issuer", NULL);
    for (size_t i = 0; i < t->block_count; i++) {
        const struct wf_block *b = &t->blocks[i];
        d->block = i;
        if (wf_revocations_has_token(r, &b->id))
            return refuse(d, WEFT_E_REVOKED, "token", NULL);
        if (wf_revocations_has_holder(r, &b->holder, b->issued_ms))
            return refuse(d, WEFT_E_REVOKED, "holder", NULL);
    }
    d->block = 0;
    return WEFT_OK;
}

enum weft_err wf_token_decide(const struct wf_token *t, const struct wf_access *asked,
    const struct wf_revocations *revocations, int64_t now_unix_ms, struct wf_decision *ret)
{
    *ret = (struct wf_decision){ .err = WEFT_OK };
    enum weft_err err = check_audience(t, asked, ret);
    if (!err)
        err = check_revoked(t, revocations, now_unix_ms, ret);
    for (size_t i = 0; !err && i < t->block_count; i++) {
        ret->block = i;
        err = check_block(&t->blocks[i], asked, now_unix_ms, ret);
    }
    if (!err)
        ret->block = t->block_count - 1;
    return err;
}
