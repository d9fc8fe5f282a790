// SPDX-License-Identifier: Apache-2.0
// Every product that domains bring, as weftd will take it: the manifest loads without an error, its descriptor set compiles,
// message, service and key fields exist in it, and every field can be labelled or graphed.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/schema/schema.h"
#include "sdk/conf/manifest.h"
#include "tests/support/support.h"

#define MAX_PRODUCTS 64
static char paths[MAX_PRODUCTS][600];
static int path_count;

static const char *share(void)
{
    static char path[500];

    snprintf(path, sizeof path, "%s/share/weft/products", getenv("WEFT_BUILD_DIR"));
    return path;
}

static void find_in(const char *domain)
{
    char folder[550];
    const struct dirent *e;

    snprintf(folder, sizeof folder, "%.400s/%.100s", share(), domain);
    DIR *d = opendir(folder);
    for (e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".yaml") == 0 && path_count < MAX_PRODUCTS)
            snprintf(paths[path_count++], sizeof paths[0], "%.500s/%.80s", folder, e->d_name);
    }
    if (d)
        closedir(d);
}

static struct wf_manifest *load(const char *path)
{
    struct wf_diags diags;
    struct wf_buf said = { 0 };
    struct wf_manifest *m = NULL;

    wf_diags_init(&diags, path);
    enum weft_err err = wf_manifest_load(path, WF_FILE_ANY, &diags, &m);
    ck_assert_int_eq(wf_diags_print(&diags, &said), WEFT_OK);
    ck_assert_msg(!err, "%.*s", (int)said.len, said.ptr ? (const char *)said.ptr : "");
    wf_buf_fini(&said);
    wf_diags_fini(&diags);
    return m;
}

static struct wf_schema *compile(const char *path)
{
    struct wf_buf set = wf_test_file(path);
    struct wf_diag diag = { 0 };
    struct wf_schema *s = NULL;

    enum weft_err err = wf_schema_compile(wf_buf_view(&set), &s, &diag);
    ck_assert_msg(!err, "%s: %s", path, diag.text);
    wf_buf_fini(&set);
    return s;
}

static void assert_fields(const struct wf_manifest *m, const struct wf_schema_message *message)
{
    for (size_t i = 0; i < m->product.key_count; i++)
        ck_assert_msg(wf_schema_field_by_name(message, wf_bytes_str(m->product.keys[i])) != NULL,
            "%s has no key field %s", message->full_name, m->product.keys[i]);
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct wf_schema_field *f = &message->fields[i];
        bool number = f->role == WF_ROLE_GAUGE || f->role == WF_ROLE_COUNTER;
        ck_assert_msg(f->role != WF_ROLE_UNSPECIFIED || f->type == WF_TYPE_MESSAGE,
            "%s.%s has no role", message->full_name, f->name);
        ck_assert_msg(
            !number || f->unit[0] != '\0', "%s.%s has no unit", message->full_name, f->name);
    }
}

START_TEST(a_product_loads_and_its_schema_holds_what_it_names)
{
    struct wf_manifest *m = load(paths[_i]);
    struct wf_schema *s = compile(m->descriptor);

    ck_assert_msg(m->proto && access(m->proto, R_OK) == 0, "%s: its proto is not there", paths[_i]);
    if (m->product.kind == WF_PRODUCT_API) {
        const struct wf_schema_service *service =
            wf_schema_find_service(s, wf_bytes_str(m->product.service));
        ck_assert_msg(service != NULL && service->method_count == 3, "%s", m->product.service);
        ck_assert_uint_ge(m->serve.count, 1);
    } else {
        const struct wf_schema_message *message =
            wf_schema_find_message(s, wf_bytes_str(m->product.message));
        ck_assert_msg(message != NULL, "%s", m->product.message);
        assert_fields(m, message);
        ck_assert_uint_ge(m->run.count, 2);
        ck_assert_msg(m->product.freshness_ms > 0, "%s promises no freshness", paths[_i]);
    }
    wf_schema_free(s);
    wf_manifest_free(m);
}
END_TEST

START_TEST(persons_and_changes_are_not_given_by_policy)
{
    struct wf_manifest *m = load(paths[_i]);

    for (size_t i = 0; i < m->product.rule_count; i++) {
        const struct wf_access_rule *r = &m->product.rules[i];
        ck_assert_msg(m->product.classification != WF_CLASS_PERSONAL,
            "%s is personal and has a policy", paths[_i]);
        for (size_t v = 0; v < r->verb_count; v++)
            ck_assert_msg(!strstr(r->verbs[v], "Set") && !strchr(r->verbs[v], '*'), "%s: %s",
                paths[_i], r->verbs[v]);
    }
    wf_manifest_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("products");
    TCase *tc = tcase_create("products");
    SRunner *runner = srunner_create(suite);

    find_in("servers");
    find_in("network");
    find_in("security");
    if (path_count < 13) {
        fprintf(stderr, "%d products below %s\n", path_count, share());
        return EXIT_FAILURE;
    }
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_product_loads_and_its_schema_holds_what_it_names, 0, path_count);
    tcase_add_loop_test(tc, persons_and_changes_are_not_given_by_policy, 0, path_count);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
