// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/token_block.h"

#include "proto/trust/product_doc.h"

// ---- taking a block

static enum weft_err take_patterns(
    const Weft__V1__TokenBlock *m, struct wf_arena *arena, struct wf_block *b)
{
    enum weft_err err = WEFT_OK;

    if (m->n_products == 0)
        return WEFT_E_MISSING_FIELD;
    if (m->n_products > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    b->products = wf_arena_calloc(arena, m->n_products, sizeof *b->products);
    if (!b->products)
        return wf_arena_err(arena);
    for (size_t i = 0; !err && i < m->n_products; i++)
        err = wf_pattern_from(wf_bytes_str(m->products[i]), &b->products[i]);
    b->product_count = m->n_products;
    return err;
}

static enum weft_err take_verbs(
    const Weft__V1__TokenBlock *m, struct wf_arena *arena, struct wf_block *b)
{
    if (m->n_verbs == 0)
        return WEFT_E_MISSING_FIELD;
    if (m->n_verbs > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    b->methods = wf_arena_calloc(arena, m->n_verbs, sizeof *b->methods);
    if (!b->methods)
        return wf_arena_err(arena);
    for (size_t i = 0; i < m->n_verbs; i++) {
        enum wf_verb verb;
        struct wf_pattern method;
        if (wf_verb_parse(wf_bytes_str(m->verbs[i]), &verb, &method))
            return WEFT_E_UNKNOWN_CAVEAT;
        b->verbs |= verb;
        if (verb == WF_VERB_CALL)
            b->methods[b->method_count++] = method;
    }
    return WEFT_OK;
}

static enum weft_err take_columns(const Weft__V1__TokenBlock *m, struct wf_block *b)
{
    enum weft_err err =
        wf_take_strings(m->columns, m->n_columns, WF_MAX_FULL_NAME, &b->columns, &b->column_count);

    for (size_t i = 0; !err && i < m->n_columns; i++)
        if (!wf_identifier_is_valid(m->columns[i], true))
            err = WEFT_E_SYNTAX;
    b->limits_columns = m->limits_columns;
    return !err && m->n_columns && !m->limits_columns ? WEFT_E_SYNTAX : err;
}

bool wf_number_is_valid(struct wf_bytes text)
{
    size_t at = text.len && text.ptr[0] == '-' ? 1 : 0, digits = 0;
    bool zero = at < text.len && text.ptr[at] == '0';

    if (text.len > WF_MAX_NUMBER_TEXT)
        return false;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        digits++;
    if (digits == 0 || (zero && digits > 1))
        return false;
    if (at < text.len && text.ptr[at] == '.')
        for (at++, digits = 0; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
            digits++;
    if (digits == 0)
        return false;
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-'))
            at++;
        for (digits = 0; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
            digits++;
    }
    return digits > 0 && at == text.len;
}

static enum weft_err take_literal(const Weft__V1__RowTerm *m, struct wf_row_term *t)
{
    switch (m->literal_case) {
    case WEFT__V1__ROW_TERM__LITERAL_TEXT:
        t->literal = WF_LIT_TEXT;
        t->text = m->text;
        return wf_take_text(m->text, WF_MAX_TEXT, false);
    case WEFT__V1__ROW_TERM__LITERAL_NUMBER:
        t->literal = WF_LIT_NUMBER;
        t->text = m->number;
        return wf_number_is_valid(wf_bytes_str(m->number)) ? WEFT_OK : WEFT_E_SYNTAX;
    case WEFT__V1__ROW_TERM__LITERAL_FLAG:
        t->literal = WF_LIT_FLAG;
        t->text = "";
        t->flag = m->flag;
        return t->comparison <= WF_CMP_NE ? WEFT_OK : WEFT_E_SYNTAX; // true is not more than false
    default:
        return WEFT_E_MISSING_FIELD;
    }
}

static enum weft_err take_rows(
    const Weft__V1__TokenBlock *m, struct wf_arena *arena, struct wf_block *b)
{
    enum weft_err err = WEFT_OK;

    if (m->n_rows > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    b->rows = wf_arena_calloc(arena, m->n_rows, sizeof *b->rows);
    if (!b->rows)
        return wf_arena_err(arena);
    for (size_t i = 0; !err && i < m->n_rows; i++) {
        const Weft__V1__RowTerm *row = m->rows[i];
        err = wf_take_text(row->column, WF_MAX_FULL_NAME, true);
        if (!err && !wf_identifier_is_valid(row->column, true))
            err = WEFT_E_SYNTAX;
        if (!err && ((int)row->comparison < WF_CMP_EQ || (int)row->comparison > WF_CMP_GE))
            err = WEFT_E_UNKNOWN_CAVEAT;
        b->rows[i].column = row->column;
        b->rows[i].comparison = (enum wf_comparison)row->comparison;
        if (!err)
            err = take_literal(row, &b->rows[i]);
    }
    b->row_count = m->n_rows;
    return err;
}

static enum weft_err take_limits(const Weft__V1__TokenBlock *m, struct wf_block *b)
{
    enum weft_err err =
        wf_take_strings(m->regions, m->n_regions, WF_MAX_NAME, &b->regions, &b->region_count);

    for (size_t i = 0; !err && i < m->n_regions; i++)
        if (!wf_name_is_valid(wf_bytes_str(m->regions[i])))
            err = WEFT_E_NAME;
    if (!err)
        err = wf_take_text(m->purpose, WF_MAX_TEXT, false);
    b->purpose = m->purpose;
    b->rate_per_minute = m->rate_per_minute;
    return err;
}

static enum weft_err take_times(const Weft__V1__TokenBlock *m, struct wf_block *b)
{
    enum weft_err err = wf_take_time(m->issued_ms, &b->issued_ms);

    if (!err)
        err = wf_take_time(m->not_before_ms, &b->not_before_ms);
    if (!err)
        err = wf_take_time(m->expires_ms, &b->expires_ms);
    if (err)
        return err;
    return b->issued_ms == 0 || b->not_before_ms >= b->expires_ms ||
                   b->expires_ms - b->not_before_ms > WF_MAX_TOKEN_LIFE_MS
               ? WEFT_E_RANGE
               : WEFT_OK;
}

static enum weft_err take_place(
    const Weft__V1__TokenBlock *m, const struct wf_opened *opened, struct wf_block *b)
{
    enum weft_err err = wf_doc_signer(m->signer, opened);

    b->id = opened->id;
    b->signer = opened->signer;
    if (!err)
        err = wf_take_hash(m->mesh_id, &b->mesh_id);
    if (!err)
        err = wf_take_name(m->domain, &b->domain);
    if (!err && m->previous.len)
        err = wf_take_hash(m->previous, &b->previous);
    if (!err)
        err = wf_take_sign_key(m->holder, &b->holder);
    if (!err && m->nonce.len != sizeof b->nonce)
        err = m->nonce.len ? WEFT_E_SYNTAX : WEFT_E_MISSING_FIELD;
    if (!err)
        memcpy(b->nonce, m->nonce.data, sizeof b->nonce);
    return err;
}

enum weft_err wf_block_open(struct wf_bytes raw, struct wf_arena *arena, struct wf_block *ret)
{
    struct wf_sealed sealed;
    struct wf_opened opened;
    struct wf_block b = { 0 };
    Weft__V1__TokenBlock *m = NULL;
    enum weft_err err = wf_envelope_read(raw, WF_DOC_TOKEN_BLOCK, arena, &sealed);

    if (!err)
        err = wf_envelope_open(&sealed, &opened);
    if (err)
        return err;
    err = wf_pb_unpack(&weft__v1__token_block__descriptor, opened.body, WF_PB_CANONICAL, arena, &m);
    if (err)
        return err == WEFT_E_UNKNOWN_FIELD ? WEFT_E_UNKNOWN_CAVEAT : err;
    err = take_place(m, &opened, &b);
    if (!err)
        err = take_patterns(m, arena, &b);
    if (!err)
        err = take_verbs(m, arena, &b);
    if (!err)
        err = take_times(m, &b);
    if (!err)
        err = take_columns(m, &b);
    if (!err)
        err = take_rows(m, arena, &b);
    if (!err)
        err = take_limits(m, &b);
    if (err)
        return err;
    *ret = b;
    return WEFT_OK;
}

// ---- shrinking

bool wf_strings_have(const char *const *list, size_t count, const char *s)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], s) == 0)
            return true;
    return false;
}

bool wf_row_term_eq(const struct wf_row_term *a, const struct wf_row_term *b)
{
    return strcmp(a->column, b->column) == 0 && a->comparison == b->comparison &&
           a->literal == b->literal &&
           (a->literal == WF_LIT_FLAG ? a->flag == b->flag : strcmp(a->text, b->text) == 0);
}

static bool is_covered(const struct wf_pattern *narrow, const struct wf_pattern *wide, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (wf_pattern_covers(&wide[i], narrow))
            return true;
    return false;
}

static bool patterns_shrink(const struct wf_pattern *wide, size_t wide_count,
    const struct wf_pattern *narrow, size_t narrow_count)
{
    for (size_t i = 0; i < narrow_count; i++)
        if (!is_covered(&narrow[i], wide, wide_count))
            return false;
    return true;
}

static bool strings_shrink(
    const char *const *wide, size_t wide_count, const char *const *narrow, size_t narrow_count)
{
    for (size_t i = 0; i < narrow_count; i++)
        if (!wf_strings_have(wide, wide_count, narrow[i]))
            return false;
    return true;
}

// Each term of the parent still stands; more may have come.
static bool rows_shrink(const struct wf_block *parent, const struct wf_block *block)
{
    for (size_t i = 0; i < parent->row_count; i++) {
        bool kept = false;
        for (size_t j = 0; j < block->row_count && !kept; j++)
            kept = wf_row_term_eq(&parent->rows[i], &block->rows[j]);
        if (!kept)
            return false;
    }
    return true;
}

static bool columns_shrink(const struct wf_block *parent, const struct wf_block *block)
{
    if (!parent->limits_columns)
        return true;
    return block->limits_columns && strings_shrink(parent->columns, parent->column_count,
                                        block->columns, block->column_count);
}

static bool regions_shrink(const struct wf_block *parent, const struct wf_block *block)
{
    if (parent->region_count == 0)
        return true;
    return block->region_count && strings_shrink(parent->regions, parent->region_count,
                                      block->regions, block->region_count);
}

// The name of the first caveat that grants more than the parent's, or NULL.
static const char *widened(const struct wf_block *p, const struct wf_block *b)
{
    if (!patterns_shrink(p->products, p->product_count, b->products, b->product_count))
        return "products";
    if ((b->verbs & ~p->verbs) ||
        !patterns_shrink(p->methods, p->method_count, b->methods, b->method_count))
        return "verbs";
    if (b->issued_ms < p->issued_ms)
        return "issued";
    if (b->not_before_ms < p->not_before_ms)
        return "not-before";
    if (b->expires_ms > p->expires_ms)
        return "expires";
    if (!columns_shrink(p, b))
        return "columns";
    if (!rows_shrink(p, b))
        return "rows";
    if (!regions_shrink(p, b))
        return "regions";
    if (p->purpose[0] && strcmp(p->purpose, b->purpose) != 0)
        return "purpose";
    if (p->rate_per_minute && (b->rate_per_minute == 0 || b->rate_per_minute > p->rate_per_minute))
        return "rate";
    return NULL;
}

enum weft_err wf_block_check_within(
    const struct wf_block *parent, const struct wf_block *block, size_t index, struct wf_diag *diag)
{
    const char *caveat = NULL;

    if (!wf_hash_eq(&block->previous, &parent->id)) {
        wf_diag_set(diag, 0, 0, "block %zu does not follow block %zu", index, index - 1);
        return WEFT_E_ORDER;
    }
    if (memcmp(block->signer.b, parent->holder.b, WF_KEY_LEN) != 0) {
        wf_diag_set(
            diag, 0, 0, "block %zu is not signed by the holder of block %zu", index, index - 1);
        return WEFT_E_HOLDER;
    }
    if (!wf_hash_eq(&block->mesh_id, &parent->mesh_id))
        return WEFT_E_WRONG_MESH;
    if (!wf_name_eq(&block->domain, &parent->domain))
        return WEFT_E_WRONG_DOMAIN;
    if (!(parent->verbs & WF_VERB_DELEGATE)) {
        wf_diag_set(diag, 0, 0, "block %zu does not grant 'delegate', so no block may follow it",
            index - 1);
        return WEFT_E_VERB;
    }
    caveat = widened(parent, block);
    if (!caveat)
        return WEFT_OK;
    wf_diag_set(diag, 0, 0, "block %zu: '%s' grants more than block %zu", index, caveat, index - 1);
    return WEFT_E_SCOPE;
}

// ---- sealing a block

static char **put_patterns(const struct wf_pattern *list, size_t count, const char *prefix,
    struct wf_arena *arena, char **out)
{
    for (size_t i = 0; i < count; i++) {
        size_t head = strlen(prefix), len = strlen(list[i].s);
        char *s = wf_arena_alloc(arena, head + len + 1);
        if (!s)
            return NULL;
        memcpy(s, prefix, head);
        memcpy(s + head, list[i].s, len + 1);
        out[i] = s;
    }
    return out + count;
}

// Verbs in the order of their bits, calls last.
static enum weft_err put_verbs(
    const struct wf_block *f, struct wf_arena *arena, Weft__V1__TokenBlock *m)
{
    char **list = wf_arena_calloc(arena, 6 + f->method_count, sizeof *list), **at = list;

    if (!list)
        return wf_arena_err(arena);
    for (uint32_t v = WF_VERB_SUBSCRIBE; v <= WF_VERB_DELEGATE; v <<= 1)
        if ((f->verbs & v) && v != WF_VERB_CALL)
            *at++ = wf_pb_str(wf_verb_name((enum wf_verb)v));
    at = put_patterns(f->methods, f->method_count, "call:", arena, at);
    if (!at)
        return wf_arena_err(arena);
    m->n_verbs = (size_t)(at - list);
    m->verbs = list;
    return WEFT_OK;
}

static enum weft_err put_rows(
    const struct wf_block *f, struct wf_arena *arena, Weft__V1__TokenBlock *m)
{
    Weft__V1__RowTerm *items = wf_arena_calloc(arena, f->row_count, sizeof *items);

    m->rows = wf_arena_calloc(arena, f->row_count, sizeof(Weft__V1__RowTerm *));
    if (!items || !m->rows)
        return wf_arena_err(arena);
    for (size_t i = 0; i < f->row_count; i++) {
        const struct wf_row_term *t = &f->rows[i];
        weft__v1__row_term__init(&items[i]);
        items[i].column = wf_pb_str(t->column);
        items[i].comparison = (Weft__V1__Comparison)t->comparison;
        if (t->literal == WF_LIT_FLAG) {
            items[i].literal_case = WEFT__V1__ROW_TERM__LITERAL_FLAG;
            items[i].flag = t->flag;
        } else if (t->literal == WF_LIT_NUMBER) {
            items[i].literal_case = WEFT__V1__ROW_TERM__LITERAL_NUMBER;
            items[i].number = wf_pb_str(t->text);
        } else {
            items[i].literal_case = WEFT__V1__ROW_TERM__LITERAL_TEXT;
            items[i].text = wf_pb_str(t->text);
        }
        m->rows[i] = &items[i];
    }
    m->n_rows = f->row_count;
    return WEFT_OK;
}

enum weft_err wf_block_seal(const struct wf_block *fields, const struct wf_secret *key,
    struct wf_arena *arena, struct wf_buf *ret_envelope)
{
    Weft__V1__TokenBlock m = WEFT__V1__TOKEN_BLOCK__INIT;
    struct wf_sign_pub signer;

    wf_sign_public(key, &signer);
    m.mesh_id = wf_pb_bin(wf_hash_view(&fields->mesh_id));
    m.domain = wf_pb_str(fields->domain.s);
    if (!wf_hash_is_zero(&fields->previous))
        m.previous = wf_pb_bin(wf_hash_view(&fields->previous));
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    m.holder = wf_pb_bin(WF_BYTES(fields->holder.b));
    m.n_products = fields->product_count;
    m.products = wf_arena_calloc(arena, fields->product_count, sizeof(char *));
    if (!m.products ||
        !put_patterns(fields->products, fields->product_count, "", arena, m.products))
        return wf_arena_err(arena);
    m.issued_ms = fields->issued_ms;
    m.not_before_ms = fields->not_before_ms;
    m.expires_ms = fields->expires_ms;
    m.limits_columns = fields->limits_columns;
    m.n_columns = fields->column_count;
    m.columns = (char **)(uintptr_t)fields->columns;
    m.n_regions = fields->region_count;
    m.regions = (char **)(uintptr_t)fields->regions;
    m.purpose = wf_pb_str(fields->purpose);
    m.rate_per_minute = fields->rate_per_minute;
    m.nonce = wf_pb_bin(WF_BYTES(fields->nonce));
    enum weft_err err = put_verbs(fields, arena, &m);
    if (!err)
        err = put_rows(fields, arena, &m);
    return err ? err : wf_doc_seal(WF_DOC_TOKEN_BLOCK, &m, key, ret_envelope);
}
