// SPDX-License-Identifier: Apache-2.0
// Who gets a token by asking for it: the rules in the products' own adverts, which every member can read.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/access/requests.h"
#include "node/gossip/room.h"

#define DEFAULT_LIFE_MS 86400000

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Sorted, without doubles, joined by blanks.
static enum weft_err join(
    char *const *items, size_t count, struct wf_arena *arena, const char **ret)
{
    char **v = wf_arena_calloc(arena, count, sizeof *v);
    struct wf_buf text = { 0 };
    enum weft_err err = v ? WEFT_OK : wf_arena_err(arena);

    for (size_t i = 0; i < count && !err; i++)
        v[i] = items[i];
    if (!err && count)
        qsort(v, count, sizeof *v, by_text);
    for (size_t i = 0; i < count && !err; i++)
        if (i == 0 || strcmp(v[i - 1], v[i]) != 0)
            err = wf_buf_printf(&text, "%s%s", text.len ? " " : "", v[i]);
    if (!err)
        err = wf_arena_str(arena, wf_buf_view(&text), ret);
    wf_buf_fini(&text);
    return err;
}

static enum weft_err check_lists(const struct wf_access_lists *in, struct wf_diag *diag)
{
    struct wf_pattern p;
    enum wf_verb verb;

    if (!in->partial && (in->product_count == 0 || in->verb_count == 0)) {
        wf_diag_set(diag, 0, 0, "name at least one product and one verb");
        return WEFT_E_MISSING_FIELD;
    }
    if (in->product_count > WF_MAX_PATTERNS || in->verb_count > WF_MAX_CAVEAT_ITEMS ||
        in->column_count > WF_MAX_CAVEAT_ITEMS || in->region_count > WF_MAX_CAVEAT_ITEMS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < in->product_count; i++)
        if (wf_pattern_from(wf_bytes_str(in->products[i]), &p) ||
            (!in->patterns && !wf_name_is_valid(wf_bytes_str(in->products[i])))) {
            wf_diag_set(diag, 0, 0, "'%.80s' is not the name of a product", in->products[i]);
            return WEFT_E_NAME;
        }
    for (size_t i = 0; i < in->verb_count; i++)
        if (wf_verb_parse(wf_bytes_str(in->verbs[i]), &verb, &p)) {
            wf_diag_set(diag, 0, 0,
                "'%.80s' is no verb (subscribe, replay, query, call:METHOD, mirror, delegate)",
                in->verbs[i]);
            return WEFT_E_VERB;
        }
    for (size_t i = 0; i < in->column_count; i++)
        if (!wf_identifier_is_valid(in->columns[i], true)) {
            wf_diag_set(diag, 0, 0, "'%.80s' is not the name of a column", in->columns[i]);
            return WEFT_E_SYNTAX;
        }
    for (size_t i = 0; i < in->region_count; i++)
        if (!wf_name_is_valid(wf_bytes_str(in->regions[i]))) {
            wf_diag_set(diag, 0, 0, "'%.80s' is not the name of a region", in->regions[i]);
            return WEFT_E_NAME;
        }
    return WEFT_OK;
}

enum weft_err wf_access_read_lists(const struct wf_access_lists *in, struct wf_arena *arena,
    struct wf_grant *row, struct wf_diag *diag)
{
    enum weft_err err = check_lists(in, diag);

    if (!err)
        err = join(in->products, in->product_count, arena, &row->products);
    if (!err)
        err = join(in->verbs, in->verb_count, arena, &row->verbs);
    if (!err)
        err = join(in->columns, in->column_count, arena, &row->columns);
    if (!err)
        err = join(in->regions, in->region_count, arena, &row->regions);
    return err;
}

enum weft_err wf_access_read_request(const Weft__V1__AccessRequest *m, struct wf_arena *arena,
    struct wf_grant *row, struct wf_diag *diag)
{
    struct wf_access_lists in = { .products = m->products,
        .verbs = m->verbs,
        .columns = m->columns,
        .product_count = m->n_products,
        .verb_count = m->n_verbs,
        .column_count = m->n_columns };

    if (strlen(m->purpose) > WF_MAX_TEXT)
        return WEFT_E_TOO_BIG;
    if (m->duration_ms < 0 || m->duration_ms > WF_MAX_TOKEN_LIFE_MS) {
        wf_diag_set(diag, 0, 0, "a token lives at most 366 days");
        return WEFT_E_RANGE;
    }
    row->purpose = m->purpose;
    row->duration_ms = m->duration_ms;
    return wf_access_read_lists(&in, arena, row, diag);
}

// ---- rules -----------------------------------------------------------------------------------------------------------

static bool verb_covered(const struct wf_access_rule *rule, struct wf_bytes asked)
{
    enum wf_verb wanted, has;
    struct wf_pattern method, covers;

    if (wf_verb_parse(asked, &wanted, &method))
        return false;
    for (size_t i = 0; i < rule->verb_count; i++)
        if (!wf_verb_parse(wf_bytes_str(rule->verbs[i]), &has, &covers) && has == wanted &&
            (wanted != WF_VERB_CALL || wf_pattern_covers(&covers, &method)))
            return true;
    return false;
}

static bool verbs_covered(const struct wf_access_rule *rule, const char *verbs)
{
    for (const char *at = verbs; *at;) {
        size_t len = strcspn(at, " ");
        struct wf_bytes verb = wf_bytes(at, len);
        bool whole = wf_bytes_is(verb, "subscribe") || wf_bytes_is(verb, "replay") ||
                     wf_bytes_is(verb, "mirror");
        // A token that limits columns opens no stream: such a rule gives queries only.
        if (!verb_covered(rule, verb) || (whole && rule->column_count))
            return false;
        at += len + (at[len] == ' ');
    }
    return true;
}

static bool column_in(const struct wf_access_rule *rule, struct wf_bytes column)
{
    for (size_t i = 0; i < rule->column_count; i++)
        if (wf_bytes_is(column, rule->columns[i]))
            return true;
    return rule->column_count == 0;
}

static bool columns_covered(const struct wf_access_rule *rule, const char *columns)
{
    for (const char *at = columns; *at;) {
        size_t len = strcspn(at, " ");
        if (!column_in(rule, wf_bytes(at, len)))
            return false;
        at += len + (at[len] == ' ');
    }
    return true;
}

static const struct wf_access_rule *find_rule(
    const struct wf_product *p, const struct wf_identity *who, const struct wf_grant *row)
{
    struct wf_pattern subject;

    for (size_t i = 0; i < p->rule_count; i++) {
        const struct wf_access_rule *r = &p->rules[i];
        if (strcmp(r->domain, who->cert.domain.s) != 0)
            continue;
        if (r->subject[0] && (wf_pattern_from(wf_bytes_str(r->subject), &subject) ||
                                 !wf_pattern_match(&subject, who->cert.subject.s)))
            continue;
        if (verbs_covered(r, row->verbs) && columns_covered(r, row->columns))
            return r;
    }
    return NULL;
}

static enum weft_err no_rule(struct wf_diag *diag, const char *product, const char *why)
{
    wf_diag_set(diag, 0, 0, "%s: %s", product, why);
    return WEFT_E_NO_CAPABILITY;
}

static enum weft_err rule_of(struct wf_node *n, const struct wf_identity *who,
    const struct wf_grant *row, const char *product, const struct wf_access_rule **ret,
    struct wf_diag *diag)
{
    const struct wf_known *k =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_PRODUCT, n->identity.cert.domain.s, product);
    const struct wf_revocations *list = wf_access_revocations(n);
    bool was_revoked = false;

    if (!k || k->removed) {
        wf_diag_set(diag, 0, 0, "%s has no product %s", n->identity.cert.domain.s, product);
        return WEFT_E_NOT_FOUND;
    }
    const struct wf_access_rule *r = find_rule(&k->doc->product.product, who, row);
    if (!r)
        return no_rule(diag, product, "no rule of the product gives this");
    // What a person took away is not given back by a rule.
    enum weft_err err =
        wf_grants_was_revoked(n->access->grants, &row->holder, product, &was_revoked);
    if (err)
        return err;
    if (was_revoked || (list && wf_revocations_has_holder(list, &row->holder, 0)))
        return no_rule(diag, product, "access was revoked before");
    *ret = r;
    return WEFT_OK;
}

enum weft_err wf_access_policy(struct wf_node *n, const struct wf_identity *who,
    struct wf_grant *row, struct wf_arena *arena, int64_t *ret_life_ms, struct wf_diag *diag)
{
    const char *columns = NULL;
    int64_t life = row->duration_ms ? row->duration_ms : INT64_MAX;
    enum weft_err err = WEFT_OK;

    for (const char *at = row->products; *at && !err;) {
        const struct wf_access_rule *r = NULL;
        const char *own = NULL;
        char product[WF_MAX_NAME + 1];
        size_t len = strcspn(at, " ");
        snprintf(product, sizeof product, "%.*s", (int)len, at);
        at += len + (at[len] == ' ');
        err = rule_of(n, who, row, product, &r, diag);
        if (err)
            break;
        int64_t longest = r->duration_ms ? r->duration_ms : DEFAULT_LIFE_MS;
        if (longest < life)
            life = longest;
        err = join((char *const *)(uintptr_t)r->columns, r->column_count, arena, &own);
        if (!err && columns && strcmp(columns, own) != 0)
            return no_rule(diag, product, "its columns differ from the others': ask one by one");
        columns = own;
    }
    if (err)
        return err;
    if (!row->columns[0])
        row->columns = columns;
    *ret_life_ms = life;
    return WEFT_OK;
}
