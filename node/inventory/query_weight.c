// SPDX-License-Identifier: Apache-2.0
// How large SQLite would make a query before it runs one step. It copies a common table expression at each place that names it, so that
// twenty of them, each naming the one before twice, become a million; it does so while it prepares, where no clock and no memory cap of
// ours reaches (measured with 3.40: 20 levels take 7 s and 1.8 GB). So the copies are counted first: pure, over tokens, never too low.
#include "node/inventory/fold.h"

#define NAMED_MAX 32u    // WITH parts of one query
#define COPIES    10000u // of them, after all are put in

struct token {
    const char *at;
    size_t len;   // of a name: without its quotes
    char kind;    // 'n' a name, else the character itself
    char quote;   // of a name, 0 = bare
    uint8_t part; // 1 + the part that a name stands for
};

struct part {
    const struct token *name;
    size_t from, to; // its body's tokens
    uint32_t copies;
};

struct query {
    struct token *tokens;
    size_t count, part_count;
    struct part parts[NAMED_MAX];
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

// Behind a comment, or where it stands when there is none.
static const char *after_comment(const char *p)
{
    if (p[0] == '-' && p[1] == '-')
        return p + strcspn(p, "\n");
    if (p[0] != '/' || p[1] != '*')
        return p;
    const char *end = strstr(p + 2, "*/");
    return end ? end + 2 : p + strlen(p);
}

// A quoted text may be a name as well, so all of them count as names.
static const char *take_quoted(const char *p, struct token *t)
{
    char close = *p == '[' ? ']' : *p;

    *t = (struct token){ .at = p + 1, .kind = 'n', .quote = close };
    for (p++; *p; p++) {
        if (*p != close)
            continue;
        if (close == ']' || p[1] != close)
            break;
        p++;
    }
    t->len = (size_t)(p - t->at);
    return *p ? p + 1 : p;
}

static const char *take_token(const char *p, struct token *t)
{
    if (strchr("'\"`[", *p))
        return take_quoted(p, t);
    *t = (struct token){ .at = p, .len = 1, .kind = *p };
    if (!is_name_char(*p))
        return p + 1;
    while (is_name_char(p[t->len]))
        t->len++;
    t->kind = 'n';
    return p + t->len;
}

static void split(const char *p, struct query *q)
{
    while (*p) {
        const char *next = after_comment(p);
        if (next != p)
            p = next;
        else if (strchr(" \t\r\n\f\v", *p))
            p++;
        else
            p = take_token(p, &q->tokens[q->count++]);
    }
}

// The next character of a name, a doubled quote as one; -1 at its end.
static int name_char(const struct token *t, size_t *i)
{
    if (*i >= t->len)
        return -1;
    char c = t->at[(*i)++];
    if (c == t->quote && t->quote && t->quote != ']')
        (*i)++;
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool same_name(const struct token *a, const struct token *b)
{
    size_t i = 0, k = 0;
    int c = name_char(a, &i), d = name_char(b, &k);

    for (; c == d && c >= 0; c = name_char(a, &i), d = name_char(b, &k))
        ;
    return c == d;
}

static bool is_word(const struct query *q, size_t at, const char *word)
{
    const struct token name = { .at = word, .len = strlen(word), .kind = 'n' };

    return at < q->count && q->tokens[at].kind == 'n' && !q->tokens[at].quote &&
           same_name(&q->tokens[at], &name);
}

// The token behind the bracket that closes the one at `at`.
static size_t after_brackets(const struct query *q, size_t at)
{
    size_t depth = 0;

    for (; at < q->count; at++) {
        depth += q->tokens[at].kind == '(';
        if (q->tokens[at].kind == ')' && --depth == 0)
            return at + 1;
    }
    return at;
}

// NAME [(columns)] AS [NOT] [MATERIALIZED] ( ... ): where the body begins, or 0.
static size_t body_of(const struct query *q, size_t at)
{
    if (q->tokens[at].kind != 'n')
        return 0;
    at++;
    if (at < q->count && q->tokens[at].kind == '(')
        at = after_brackets(q, at);
    if (!is_word(q, at, "as"))
        return 0;
    at++;
    at += is_word(q, at, "not");
    at += is_word(q, at, "materialized");
    return at < q->count && q->tokens[at].kind == '(' ? at : 0;
}

static bool find_parts(struct query *q)
{
    for (size_t i = 0; i < q->count; i++) {
        size_t body = body_of(q, i);
        if (!body)
            continue;
        if (q->part_count == NAMED_MAX)
            return false;
        q->parts[q->part_count++] =
            (struct part){ &q->tokens[i], body, after_brackets(q, body), 1 };
    }
    for (size_t i = 0; i < q->count; i++)
        for (size_t k = 0; q->tokens[i].kind == 'n' && k < q->part_count; k++)
            if (same_name(&q->tokens[i], q->parts[k].name))
                q->tokens[i].part = (uint8_t)(k + 1);
    return true;
}

static uint32_t copies_in(const struct query *q, size_t from, size_t to)
{
    uint32_t sum = 1;

    for (size_t i = from; i < to && sum <= COPIES; i++)
        if (q->tokens[i].part)
            sum += q->parts[q->tokens[i].part - 1].copies;
    return sum;
}

// One round a part carries the counts through any order of naming; what names itself in a circle, other than directly, grows to the limit.
static bool is_small(struct query *q)
{
    for (size_t round = 0; round < q->part_count; round++)
        for (size_t i = 0; i < q->part_count; i++) {
            uint32_t own = q->parts[i].copies;
            q->parts[i].copies = 0; // a recursive one is not put into itself
            q->parts[i].copies = copies_in(q, q->parts[i].from, q->parts[i].to);
            if (q->parts[i].copies < own)
                q->parts[i].copies = own;
        }
    return copies_in(q, 0, q->count) <= COPIES;
}

enum weft_err wf_query_weigh(const char *sql, struct wf_arena *arena)
{
    struct query q = { .tokens = wf_arena_alloc(arena, (strlen(sql) + 1) * sizeof *q.tokens) };

    if (!q.tokens)
        return wf_arena_err(arena);
    split(sql, &q);
    return find_parts(&q) && is_small(&q) ? WEFT_OK : WEFT_E_TOO_BIG;
}
