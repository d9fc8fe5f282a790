// SPDX-License-Identifier: Apache-2.0
// discover [TEXT]: every product of the mesh whose name or description has TEXT, with the columns of its schema.
//
// Nothing is configured: what a product says of itself, signed by its owner, is fetched from the mesh and verified here.
#include <inttypes.h>
#include <stdio.h>
#include <weft/weft.h>

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "discover: %s\n", p->text);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

static enum weft_err print_columns(
    struct weft_client *client, const struct weft_product_info *info, struct weft_problem *problem)
{
    struct weft_product *product;
    char name[160];

    snprintf(name, sizeof name, "%s/%s", info->domain, info->name);
    enum weft_err err = weft_describe(client, name, &product, problem);
    if (err)
        return err;
    for (size_t i = 0; i < weft_product_field_count(product); i++) {
        const struct weft_field *f = weft_product_field(product, i);
        printf("    %s%s%s%s%s\n", f->name, f->key ? " (key)" : "", f->unit[0] ? " [" : "", f->unit,
            f->unit[0] ? "]" : "");
    }
    weft_product_free(product);
    return WEFT_OK;
}

int main(int argc, char **argv)
{
    struct weft_client *client;
    struct weft_catalog *catalog;
    struct weft_problem problem;

    if (argc > 2) {
        fprintf(stderr, "usage: discover [TEXT]\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);
    enum weft_err err = weft_discover(client, NULL, argv[1], &catalog, &problem);
    if (err) {
        weft_close(client);
        return fail(&problem);
    }
    for (size_t i = 0; !err && i < weft_catalog_count(catalog); i++) {
        const struct weft_product_info *p = weft_catalog_at(catalog, i);
        printf("%s/%s %s: %s (%s)\n", p->domain, p->name, p->version, p->title, p->owner);
        printf("  signed %" PRId64 " s ago%s\n", p->age_ms / 1000,
            p->gone ? ", its node does not answer" : "");
        err = print_columns(client, p, &problem);
    }
    weft_catalog_free(catalog);
    weft_close(client);
    return err ? fail(&problem) : 0;
}
