// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/capability.h"

#include "proto/base/print.h"
#include "proto/trust/token_block.h"

// ---- opening

static enum weft_err check_first(
    const struct wf_block *b, const struct wf_cert *issuer, struct wf_diag *diag)
{
    if (!wf_hash_is_zero(&b->previous)) {
        wf_diag_set(diag, 0, 0, "the chain begins in its middle");
        return WEFT_E_ORDER;
    }
    if (memcmp(b->signer.b, issuer->sign_key.b, WF_KEY_LEN) != 0) {
        wf_diag_set(
            diag, 0, 0, "block 0 is not signed by the issuer whose certificate is enclosed");
        return WEFT_E_CHAIN;
    }
    if (!wf_name_eq(&b->domain, &issuer->domain)) {
        wf_diag_set(diag, 0, 0, "the issuer of %s grants for %s", issuer->domain.s, b->domain.s);
        return WEFT_E_WRONG_DOMAIN;
    }
    return WEFT_OK;
}

static enum weft_err take_blocks(
    const Weft__V1__Token *m, struct wf_arena *arena, struct wf_token *t, struct wf_diag *diag)
{
    if (m->n_blocks == 0 || m->issuer.len == 0)
        return WEFT_E_MISSING_FIELD;
    if (m->n_blocks > WF_MAX_TOKEN_BLOCKS)
        return WEFT_E_TOO_BIG;
    t->blocks = wf_arena_calloc(arena, m->n_blocks, sizeof *t->blocks);
    if (!t->blocks)
        return wf_arena_err(arena);
    enum weft_err err = wf_cert_open(wf_pb_view(m->issuer), &t->issuer);
    if (err) {
        wf_diag_set(diag, 0, 0, "issuer's certificate: %s", weft_err_text(err));
        return err;
    }
    for (size_t i = 0; i < m->n_blocks; i++) {
        err = wf_block_open(wf_pb_view(m->blocks[i]), arena, &t->blocks[i]);
        if (err) {
            wf_diag_set(diag, 0, 0, "block %zu: %s", i, weft_err_text(err));
            return err;
        }
        err = i ? wf_block_check_within(&t->blocks[i - 1], &t->blocks[i], i, diag)
                : check_first(&t->blocks[0], &t->issuer, diag);
        if (err)
            return err;
    }
    t->block_count = m->n_blocks;
    return WEFT_OK;
}

enum weft_err wf_token_open(struct wf_bytes raw, struct wf_token **ret, struct wf_diag *diag)
{
    struct wf_token *t = NULL;
    Weft__V1__Token *m = NULL;
    struct wf_arena arena;

    wf_diag_set(diag, 0, 0, "%s", "");
    if (raw.len > WF_MAX_TOKEN)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, 2 * wf_doc_budget(WF_MAX_TOKEN));
    enum weft_err err =
        wf_pb_unpack(&weft__v1__token__descriptor, raw, WF_PB_CANONICAL, &arena, &m);
    if (err)
        goto out;
    t = wf_arena_calloc(&arena, 1, sizeof *t);
    err = t ? take_blocks(m, &arena, t, diag) : wf_arena_err(&arena);
    if (err)
        goto out;
    err = wf_bytes_dup(raw, &t->raw);
    if (err)
        goto out;
    t->arena = arena; // from here on the token owns itself
    *ret = t;
    return WEFT_OK;
out:
    wf_arena_fini(&arena);
    return err;
}

void wf_token_free(struct wf_token *t)
{
    if (!t)
        return;
    struct wf_arena arena = t->arena; // t lies in it
    wf_buf_fini(&t->raw);
    wf_arena_fini(&arena);
}

enum weft_err wf_token_verify(
    const struct wf_token *t, const struct wf_charter *charter, int64_t now_unix_ms)
{
    if (!wf_hash_eq(&t->blocks[0].mesh_id, &charter->mesh_id))
        return WEFT_E_WRONG_MESH;
    return wf_issuer_verify(&t->issuer, charter, WF_USE_TOKEN, now_unix_ms);
}

// ---- what all blocks together say

int64_t wf_token_expires_ms(const struct wf_token *t)
{
    int64_t least = t->blocks[0].expires_ms;

    for (size_t i = 1; i < t->block_count; i++)
        if (t->blocks[i].expires_ms < least)
            least = t->blocks[i].expires_ms;
    return least;
}

unsigned wf_life_warning(int64_t from_ms, int64_t until_ms, int64_t now_ms)
{
    if (now_ms < from_ms || now_ms >= until_ms)
        return 0;
    int64_t life = until_ms - from_ms, left = until_ms - now_ms;
    return left <= life / 10 ? 90 : left <= life / 4 ? 75 : 0;
}

uint32_t wf_token_rate(const struct wf_token *t)
{
    uint32_t least = 0;

    for (size_t i = 0; i < t->block_count; i++) {
        uint32_t rate = t->blocks[i].rate_per_minute;
        if (rate && (least == 0 || rate < least))
            least = rate;
    }
    return least;
}

// Do all blocks that limit columns have this one?
static bool is_column_granted(const struct wf_token *t, const char *column)
{
    for (size_t i = 0; i < t->block_count; i++) {
        const struct wf_block *b = &t->blocks[i];
        if (b->limits_columns && !wf_strings_have(b->columns, b->column_count, column))
            return false;
    }
    return true;
}

enum weft_err wf_token_columns(const struct wf_token *t, struct wf_arena *arena, bool *ret_limited,
    const char ***ret, size_t *ret_count)
{
    const struct wf_block *limit = NULL;
    size_t count = 0;

    for (size_t i = 0; i < t->block_count && !limit; i++)
        if (t->blocks[i].limits_columns)
            limit = &t->blocks[i];
    const char **list = wf_arena_calloc(arena, limit ? limit->column_count : 0, sizeof *list);
    if (!list)
        return wf_arena_err(arena);
    for (size_t i = 0; limit && i < limit->column_count; i++)
        if (is_column_granted(t, limit->columns[i]) &&
            !wf_strings_have(list, count, limit->columns[i]))
            list[count++] = limit->columns[i];
    *ret_limited = limit != NULL;
    *ret = list;
    *ret_count = count;
    return WEFT_OK;
}

// ---- building

// Packs the blocks with the issuer's certificate, and opens the result: nothing leaves that a verifier would refuse.
static enum weft_err pack_token(
    ProtobufCBinaryData *blocks, size_t count, ProtobufCBinaryData issuer, struct wf_buf *ret_raw)
{
    Weft__V1__Token m = WEFT__V1__TOKEN__INIT;
    struct wf_buf raw = { 0 };
    struct wf_token *check = NULL;

    m.n_blocks = count;
    m.blocks = blocks;
    m.issuer = issuer;
    enum weft_err err = wf_doc_pack(&m, &raw);
    if (!err)
        err = wf_token_open(wf_buf_view(&raw), &check, NULL);
    wf_token_free(check);
    if (err) {
        wf_buf_fini(&raw);
        return err;
    }
    *ret_raw = raw;
    return WEFT_OK;
}

enum weft_err wf_token_grant(const struct wf_block *fields, struct wf_bytes issuer_cert,
    const struct wf_secret *issuer, struct wf_buf *ret_raw)
{
    struct wf_block block = *fields;
    struct wf_buf envelope = { 0 };
    struct wf_arena arena;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    block.previous = (struct wf_hash){ { 0 } };
    enum weft_err err = wf_block_seal(&block, issuer, &arena, &envelope);
    if (!err) {
        ProtobufCBinaryData one = wf_pb_bin(wf_buf_view(&envelope));
        err = pack_token(&one, 1, wf_pb_bin(issuer_cert), ret_raw);
    }
    wf_buf_fini(&envelope);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_token_delegate(const struct wf_token *t, const struct wf_block *fields,
    const struct wf_secret *holder, struct wf_buf *ret_raw)
{
    struct wf_block block = *fields;
    struct wf_buf envelope = { 0 };
    ProtobufCBinaryData blocks[WF_MAX_TOKEN_BLOCKS];
    Weft__V1__Token *m = NULL;
    struct wf_arena arena;

    if (t->block_count >= WF_MAX_TOKEN_BLOCKS)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, WF_MAX_UNPACK);
    block.mesh_id = t->blocks[0].mesh_id;
    block.domain = t->blocks[0].domain;
    block.previous = wf_token_last(t)->id;
    enum weft_err err = wf_pb_unpack(
        &weft__v1__token__descriptor, wf_buf_view(&t->raw), WF_PB_CANONICAL, &arena, &m);
    if (!err)
        err = wf_block_seal(&block, holder, &arena, &envelope);
    if (!err) {
        for (size_t i = 0; i < t->block_count; i++)
            blocks[i] = m->blocks[i];
        blocks[t->block_count] = wf_pb_bin(wf_buf_view(&envelope));
        err = pack_token(blocks, t->block_count + 1, m->issuer, ret_raw);
    }
    wf_buf_fini(&envelope);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_token_print(struct wf_bytes raw, struct wf_buf *out)
{
    return wf_print(WF_PREFIX_CAP, raw, out);
}

enum weft_err wf_token_parse(struct wf_bytes text, struct wf_token **ret, struct wf_diag *diag)
{
    struct wf_buf raw = { 0 };

    // 8 characters for 5 bytes, prefix, checksum, and perhaps white space around it.
    if (text.len > 2 * WF_MAX_TOKEN)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_print_parse(WF_PREFIX_CAP, text, &raw);
    if (!err)
        err = wf_token_open(wf_buf_view(&raw), ret, diag);
    wf_buf_fini(&raw);
    return err;
}
