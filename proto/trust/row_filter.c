// SPDX-License-Identifier: Apache-2.0
// Row filters as people write them: COLUMN OP LITERAL [and COLUMN OP LITERAL]... OP is == != < <= > >=, a literal is 'text' with ''
// for a quote, a decimal number, true or false. Never SQL: what comes out are terms to be bound.
#include <stdio.h>

#include "proto/trust/token_block.h"

struct scan {
    const uint8_t *start;
    struct wf_bytes in;
    struct wf_arena *arena;
    struct wf_diag *diag;
};

static enum weft_err fail(const struct scan *s, const char *what)
{
    unsigned column = (unsigned)(s->in.ptr - s->start) + 1;

    wf_diag_set(s->diag, 1, column, "column %u: %s", column, what);
    return WEFT_E_SYNTAX;
}

static void skip(struct scan *s, size_t n)
{
    s->in = wf_bytes(s->in.ptr + n, s->in.len - n);
}

static void skip_space(struct scan *s)
{
    while (s->in.len && (s->in.ptr[0] == ' ' || s->in.ptr[0] == '\t'))
        skip(s, 1);
}

// The characters of a column or a word.
static struct wf_bytes peek_word(const struct scan *s)
{
    size_t n = 0;

    while (n < s->in.len) {
        uint8_t c = s->in.ptr[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (n == 0 || !((c >= '0' && c <= '9') || c == '.')))
            break;
        n++;
    }
    return wf_bytes(s->in.ptr, n);
}

static bool is_and(struct wf_bytes word)
{
    return wf_bytes_is(word, "and") || wf_bytes_is(word, "AND");
}

static enum weft_err take_column(struct scan *s, struct wf_row_term *t)
{
    struct wf_bytes word = peek_word(s);

    if (word.len == 0 || is_and(word))
        return fail(s, "a column is wanted here");
    enum weft_err err = wf_arena_str(s->arena, word, &t->column);
    if (err)
        return err;
    skip(s, word.len);
    return WEFT_OK;
}

static enum weft_err take_comparison(struct scan *s, struct wf_row_term *t)
{
    static const struct {
        const char *text;
        enum wf_comparison comparison;
    } table[] = { // the longer first
        { "==", WF_CMP_EQ }, { "!=", WF_CMP_NE }, { "<=", WF_CMP_LE }, { ">=", WF_CMP_GE },
        { "<", WF_CMP_LT }, { ">", WF_CMP_GT }
    };

    for (size_t i = 0; i < WF_COUNT(table); i++)
        if (wf_bytes_has_prefix(s->in, wf_bytes_str(table[i].text))) {
            t->comparison = table[i].comparison;
            skip(s, strlen(table[i].text));
            return WEFT_OK;
        }
    return fail(s, "one of == != < <= > >= is wanted here");
}

static enum weft_err take_text(struct scan *s, struct wf_row_term *t)
{
    size_t n = 1, len = 0;
    char *text = wf_arena_alloc(s->arena, s->in.len);

    if (!text)
        return wf_arena_err(s->arena);
    for (;; n++) {
        if (n == s->in.len)
            return fail(s, "a text without its closing quote");
        if (s->in.ptr[n] == '\'') {
            if (n + 1 == s->in.len || s->in.ptr[n + 1] != '\'')
                break;
            n++;
        }
        text[len++] = (char)s->in.ptr[n];
    }
    text[len] = '\0';
    if (len > WF_MAX_TEXT || strlen(text) != len || !wf_utf8_is_valid(wf_bytes(text, len)))
        return fail(s, "a text that is too long or not UTF-8");
    t->literal = WF_LIT_TEXT;
    t->text = text;
    skip(s, n + 1);
    return WEFT_OK;
}

static enum weft_err take_number(struct scan *s, struct wf_row_term *t)
{
    size_t n = 0;

    while (n < s->in.len && s->in.ptr[n] && strchr("+-.0123456789eE", s->in.ptr[n]))
        n++;
    if (!wf_number_is_valid(wf_bytes(s->in.ptr, n)))
        return fail(s, "'text', a number, true or false is wanted here");
    t->literal = WF_LIT_NUMBER;
    enum weft_err err = wf_arena_str(s->arena, wf_bytes(s->in.ptr, n), &t->text);
    if (err)
        return err;
    skip(s, n);
    return WEFT_OK;
}

static enum weft_err take_literal(struct scan *s, struct wf_row_term *t)
{
    struct wf_bytes word = peek_word(s);

    if (s->in.len && s->in.ptr[0] == '\'')
        return take_text(s, t);
    if (!wf_bytes_is(word, "true") && !wf_bytes_is(word, "false"))
        return take_number(s, t);
    if (t->comparison > WF_CMP_NE)
        return fail(s, "true and false compare with == and != only");
    t->literal = WF_LIT_FLAG;
    t->flag = word.len == 4;
    t->text = "";
    skip(s, word.len);
    return WEFT_OK;
}

static enum weft_err take_term(struct scan *s, struct wf_row_term *t)
{
    enum weft_err err;

    skip_space(s);
    err = take_column(s, t);
    skip_space(s);
    if (!err)
        err = take_comparison(s, t);
    skip_space(s);
    if (!err)
        err = take_literal(s, t);
    skip_space(s);
    return err;
}

enum weft_err wf_row_filter_parse(struct wf_bytes text, struct wf_arena *arena,
    struct wf_row_term **ret, size_t *ret_count, struct wf_diag *diag)
{
    struct scan s = { .start = text.ptr, .in = text, .arena = arena, .diag = diag };
    size_t count = 0;

    if (text.len > WF_MAX_TOKEN)
        return WEFT_E_TOO_BIG;
    struct wf_row_term *list = wf_arena_calloc(arena, WF_MAX_CAVEAT_ITEMS, sizeof *list);
    if (!list)
        return wf_arena_err(arena);
    for (;;) {
        if (count == WF_MAX_CAVEAT_ITEMS)
            return WEFT_E_TOO_BIG;
        enum weft_err err = take_term(&s, &list[count++]);
        if (err)
            return err;
        if (s.in.len == 0)
            break;
        struct wf_bytes word = peek_word(&s);
        if (!is_and(word))
            return fail(&s, "'and' or the end is wanted here");
        skip(&s, word.len);
    }
    *ret = list;
    *ret_count = count;
    return WEFT_OK;
}

static enum weft_err print_text(const char *text, struct wf_buf *out)
{
    enum weft_err err = wf_buf_append_byte(out, '\'');

    for (const char *p = text; !err && *p; p++)
        err = *p == '\'' ? wf_buf_append_str(out, "''") : wf_buf_append_byte(out, (uint8_t)*p);
    return err ? err : wf_buf_append_byte(out, '\'');
}

enum weft_err wf_row_filter_print(const struct wf_row_term *rows, size_t count, struct wf_buf *out)
{
    static const char *const signs[] = { "?", "==", "!=", "<", "<=", ">", ">=" };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; !err && i < count; i++) {
        const struct wf_row_term *t = &rows[i];
        err = wf_buf_printf(out, "%s%s %s ", i ? " and " : "", t->column, signs[t->comparison]);
        if (!err && t->literal == WF_LIT_TEXT)
            err = print_text(t->text, out);
        else if (!err)
            err = wf_buf_append_str(
                out, t->literal == WF_LIT_NUMBER ? t->text : (t->flag ? "true" : "false"));
    }
    return err;
}
