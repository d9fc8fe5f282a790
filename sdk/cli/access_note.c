// SPDX-License-Identifier: Apache-2.0
// What a grant names and the catalog does not: a name may be mistyped, or come later, so it is told and not refused.
#include <stdio.h>
#include <string.h>

#include "proto/base/limits.h"
#include "sdk/cli/access.h"
#include "sdk/cli/client.h"
#include "sdk/cli/local.h"

static bool own_domain(const struct wf_cli *cli, char out[WF_MAX_NAME + 1])
{
    struct wf_arena arena;
    const Weft__V1__StatusReply *r = wf_local_status(cli, &arena);

    if (!r)
        return false;
    bool known = r->domain[0];
    if (known)
        snprintf(out, WF_MAX_NAME + 1, "%s", r->domain);
    wf_arena_fini(&arena);
    return known;
}

static const struct weft_product_info *find(const struct weft_catalog *cat, const char *name)
{
    for (size_t i = 0; i < weft_catalog_count(cat); i++)
        if (strcmp(weft_catalog_at(cat, i)->name, name) == 0)
            return weft_catalog_at(cat, i);
    return NULL;
}

// What the verb is for, when it is for nothing of this kind; NULL: it fits.
static const char *meant_for(const char *verb, enum weft_product_kind kind)
{
    bool is_call = strncmp(verb, "call:", 5) == 0;

    if (strcmp(verb, "query") == 0)
        return kind == WEFT_INVENTORY ? NULL : "inventories";
    if (is_call)
        return kind == WEFT_API_PRODUCT ? NULL : "APIs";
    if (strcmp(verb, "delegate") == 0)
        return NULL;
    return kind == WEFT_API_PRODUCT ? "products with records" : NULL;
}

// Taken all the same: with patterns or several products one verb need not fit each.
static void note_verbs(const struct weft_product_info *p, const char *const *verbs)
{
    static const char *const kinds[] = { [WEFT_METRIC] = "a metric",
        [WEFT_EVENT] = "an event",
        [WEFT_INVENTORY] = "an inventory",
        [WEFT_API_PRODUCT] = "an API" };

    for (size_t i = 0; verbs && verbs[i]; i++) {
        const char *meant = meant_for(verbs[i], p->kind);
        if (meant)
            fprintf(stderr,
                "weft: note: %s is for %s; %s/%s is %s, of which it opens nothing: %s\n", verbs[i],
                meant, p->domain, p->name,
                (size_t)p->kind < WF_COUNT(kinds) && kinds[p->kind] ? kinds[p->kind]
                                                                    : "another kind",
                p->kind == WEFT_API_PRODUCT ? "call:METHOD does" : "subscribe or replay does");
    }
}

static void note_columns(
    struct weft_client *c, const char *domain, const char *name, const char *const *columns)
{
    struct weft_product *product = NULL;
    char target[2 * WF_MAX_NAME + 2];

    snprintf(target, sizeof target, "%s/%s", domain, name);
    if (weft_describe(c, target, &product, NULL))
        return;
    for (size_t i = 0; columns[i]; i++) {
        size_t at = 0, count = weft_product_field_count(product);
        while (at < count && strcmp(weft_product_field(product, at)->name, columns[i]) != 0)
            at++;
        if (at == count)
            fprintf(stderr, "weft: note: %s has no column %s; see: weft describe %s\n", target,
                columns[i], target);
    }
    weft_product_free(product);
}

void wf_access_note(const struct wf_cli *cli, char *const *products, size_t count,
    const char *const *columns, const char *const *verbs)
{
    const struct weft_options options = { .dir = cli->dir, .socket = cli->socket };
    struct weft_client *c = NULL;
    struct weft_catalog *cat = NULL;
    char domain[WF_MAX_NAME + 1];

    if (!own_domain(cli, domain) || weft_connect(&options, &c, NULL))
        return;
    if (!weft_discover(c, domain, NULL, &cat, NULL))
        for (size_t i = 0; i < count; i++) {
            if (strchr(products[i], '*'))
                continue;
            const struct weft_product_info *p = find(cat, products[i]);
            if (!p) {
                fprintf(stderr,
                    "weft: note: %s has no product %s now; the token is good once there is one\n",
                    domain, products[i]);
                continue;
            }
            note_verbs(p, verbs);
            if (columns)
                note_columns(c, domain, products[i], columns);
        }
    weft_catalog_free(cat);
    weft_close(c);
}
