// SPDX-License-Identifier: Apache-2.0
// From a YAML tree to a rule that is SQL. See rules_sql.h.
#include "domains/monitoring/speed/rules_sql.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *const wf_rules_sql_keys[] = { "sql", "over", "every", "value", NULL };

#define SPAN_MS  (7 * 86400000LL) // most that a window may be
#define EVERY_MS 1000             // least between two questions

struct reader {
    struct weft_conf *c;
    struct wf_pool *pool;
    const struct wf_shipped *shipped; // NULL: the monitor's own
    struct wf_rule_sql *out;
    bool bad;
};

static void wrong(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    weft_conf_error(r->c, n->line, n->column, "%s", text);
    r->bad = true;
}

static const char *keep(struct reader *r, const struct weft_conf_node *n, const char *s, size_t len)
{
    const char *out = wf_pool_text(r->pool, s, len);

    if (!out)
        wrong(r, n, "out of memory");
    return out ? out : "";
}

void wf_rules_sql_place(
    const struct weft_conf_node *n, size_t at, unsigned *ret_line, unsigned *ret_column)
{
    size_t len = strlen(n->text);
    bool block =
        len && n->text[len - 1] == '\n'; // |: lines stay lines, two further in than the key
    size_t begin = 0;

    *ret_line = n->line + block;
    if (!block) {
        *ret_column = n->column + (n->plain ? 0u : 1u) + (unsigned)at;
        return;
    }
    for (size_t i = 0; i < at && i < len; i++) {
        if (n->text[i] != '\n')
            continue;
        begin = i + 1;
        ++*ret_line;
    }
    *ret_column = n->key_column + 2 + (unsigned)(at - begin);
}

static bool is_product(const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);

    if (!slash || slash == s || slash == s + len - 1 || len >= WF_RULE_PATTERN)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("/-_.", s[i]))
            return false;
    return true;
}

struct words {
    char text[256];
    char *at[4];
    size_t count;
};

static void split(struct words *w, const char *text, size_t len)
{
    char *rest = NULL;

    *w = (struct words){ .count = 0 };
    if (len < sizeof w->text)
        memcpy(w->text, text, len);
    for (char *p = strtok_r(w->text, " \t\n", &rest); p && w->count < 4;
         p = strtok_r(NULL, " \t\n", &rest))
        w->at[w->count++] = p;
}

static void add_table(
    struct reader *r, const struct weft_conf_node *n, const char *product, int64_t span_ms)
{
    struct wf_rule_sql *out = r->out;
    const size_t most = r->shipped ? WF_SHIPPED_OVER : WF_RULE_TABLES;

    for (size_t i = 0; i < out->over_count; i++) {
        if (strcmp(out->over[i].product, product) != 0)
            continue;
        wrong(r, n, "a product is named twice");
        return;
    }
    if (out->over_count == most) {
        wrong(r, n, r->shipped ? "more than 4 products" : "more than 8 products");
        return;
    }
    product = keep(r, n, product, strlen(product));
    out->over[out->over_count].product = product;
    // An owner's file is the same whatever its domain is called.
    out->over[out->over_count].name = r->shipped ? strchr(product, '/') + 1 : NULL;
    out->over[out->over_count++].span_ms = span_ms;
}

// "filesystems for 10m": its own product, or an inventory beside it, whose domain is the product's.
static void read_own_table(
    struct reader *r, const struct weft_conf_node *n, const char *name, int64_t span_ms)
{
    const char *own = strchr(r->shipped->product, '/') + 1;
    char product[WF_RULE_PATTERN];

    snprintf(product, sizeof product, "%.*s%s", (int)(own - r->shipped->product),
        r->shipped->product, name);
    if (strchr(name, '/'))
        wrong(r, n,
            "rules that come with a product read that product and inventories beside it: want "
            "names without a domain");
    else if (!is_product(product, strlen(product)))
        wrong(r, n, "want NAME for DURATION, or the NAME of an inventory");
    else if (span_ms && strcmp(name, own) != 0)
        wrong(r, n, "of other products the rows of now alone: want the NAME of an inventory");
    else if (span_ms > WF_SHIPPED_OVER_MS)
        wrong(r, n, "a window of SQL that comes with a product has at most 1d");
    else
        add_table(r, n, product, span_ms);
}

// It is the product's rule: what it says is about that.
static void check_own_table(struct reader *r, const struct weft_conf_node *n)
{
    for (size_t i = 0; i < r->out->over_count; i++)
        if (strcmp(r->out->over[i].product, r->shipped->product) == 0)
            return;
    if (!r->bad)
        weft_conf_error(r->c, n->line, n->column, "want the product itself in over: %s for 5m",
            strchr(r->shipped->product, '/') + 1);
    r->bad = true;
}

// "servers/filesystems for 10m", "servers/owners"
static void read_table(
    struct reader *r, const struct weft_conf_node *n, const char *text, size_t len)
{
    struct words w;
    int64_t ms = 0;

    split(&w, text, len);
    if ((w.count != 1 && (w.count != 3 || strcmp(w.at[1], "for") != 0)) ||
        (!r->shipped && !is_product(w.at[0], strlen(w.at[0]))))
        wrong(r, n,
            r->shipped ? "want NAME for DURATION, or the NAME of an inventory"
                       : "want DOMAIN/PRODUCT for DURATION, or the DOMAIN/PRODUCT of an inventory");
    else if (w.count == 3 && (weft_conf_duration(w.at[2], &ms) || ms < 1000 || ms > SPAN_MS))
        wrong(r, n, "want a duration of 1s to 7d behind for");
    else if (r->shipped)
        read_own_table(r, n, w.at[0], ms);
    else
        add_table(r, n, w.at[0], ms);
}

// A list of them, or one text with commas between.
static void read_over(struct reader *r, const struct weft_conf_node *map)
{
    const struct weft_conf_node *n = weft_conf_get(map, "over");
    const struct weft_conf_node *one = n && n->kind == WEFT_CONF_LIST ? n->child : n;

    if (!n || n->kind == WEFT_CONF_MAP || !one) {
        weft_conf_error(r->c, n ? n->line : map->key_line, n ? n->column : map->key_column,
            r->shipped
                ? "sql wants over: which products, as in over: [%s for 10m]"
                : "sql wants over: which products, as in over: [%sservers/filesystems for 10m]",
            r->shipped ? strchr(r->shipped->product, '/') + 1 : "");
        r->bad = true;
        return;
    }
    for (; one; one = n->kind == WEFT_CONF_LIST ? one->next : NULL) {
        if (one->kind != WEFT_CONF_VALUE) {
            wrong(r, one, "want DOMAIN/PRODUCT for DURATION");
            continue;
        }
        for (const char *at = one->text;; at++) {
            size_t len = strcspn(at, ",");
            read_table(r, one, at, len);
            at += len;
            if (!*at)
                break;
        }
    }
    if (r->shipped)
        check_own_table(r, n);
}

static void read_every(struct reader *r, const struct weft_conf_node *map)
{
    const struct weft_conf_node *n = weft_conf_get(map, "every");
    int64_t ms = WF_RULE_EVERY_MS, least = r->shipped ? WF_SHIPPED_EVERY : EVERY_MS;

    if (n && (n->kind != WEFT_CONF_VALUE || weft_conf_duration(n->text, &ms) || ms < least ||
                 ms > 86400000))
        wrong(r, n, r->shipped ? "want a duration of 10s to 1d" : "want a duration of 1s to 1d");
    r->out->every_ms = ms;
}

static void read_value(struct reader *r, const struct weft_conf_node *map)
{
    const struct weft_conf_node *n = weft_conf_get(map, "value");

    r->out->value = "";
    if (n && (n->kind != WEFT_CONF_VALUE || !n->text[0] || strlen(n->text) >= WF_EXPR_NAME))
        wrong(r, n, "want the name of a column");
    else if (n)
        r->out->value = keep(r, n, n->text, strlen(n->text));
}

static void read_text(struct reader *r, const struct weft_conf_node *n)
{
    r->out->text = "";
    if (n->kind != WEFT_CONF_VALUE || !n->text[0]) {
        wrong(r, n, "want a SELECT");
        return;
    }
    if (r->shipped && strlen(n->text) > WF_SHIPPED_SQL)
        wrong(r, n, "SQL that comes with a product has at most 4096 bytes");
    // What SQLite says of it is shown to people.
    for (const char *s = n->text; *s && r->shipped; s++)
        if (iscntrl((unsigned char)*s) && !strchr("\n\t", *s)) {
            wrong(r, n, "a text with control characters");
            break;
        }
    r->out->text = keep(r, n, n->text, strlen(n->text));
}

void wf_rules_sql_read(
    const struct wf_rules_sql *to, const struct weft_conf_node *map, struct wf_rule *rule)
{
    struct reader r = { .c = to->c,
        .pool = to->pool,
        .shipped = to->shipped,
        .out = wf_pool_get(to->pool, sizeof *r.out) };
    const struct weft_conf_node *n = weft_conf_get(map, "sql");
    char why[300];
    int at = -1;

    if (!r.out) {
        wrong(&r, n, "out of memory");
        return;
    }
    read_over(&r, map);
    read_every(&r, map);
    read_value(&r, map);
    read_text(&r, n);
    rule->sql = r.out;
    rule->condition = r.out->text;
    rule->product = r.shipped ? keep(&r, n, r.shipped->product, strlen(r.shipped->product))
                    : r.out->over_count ? r.out->over[0].product
                                        : "";
    if (r.bad || (r.shipped && !r.shipped->compile) ||
        wf_sql_compiles(rule, NULL, &at, why, sizeof why))
        return;
    unsigned line = n->line, column = n->column;
    if (at >= 0)
        wf_rules_sql_place(n, (size_t)at, &line, &column);
    weft_conf_error(to->c, line, column, "%s", why);
}
