// SPDX-License-Identifier: Apache-2.0
// Product manifests: every key reaches the product, and what is said about each mistake (golden files).
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "sdk/conf/manifest.h"
#include "tests/support/golden.h"

static void read_manifest(struct wf_bytes text, const char *name, struct wf_buf *out)
{
    struct wf_diags diags;
    struct wf_manifest *m = NULL;

    wf_diags_init(&diags, name);
    enum weft_err err = wf_manifest_parse(text, "/etc/weft", &diags, &m);
    ck_assert_int_eq(err, wf_diags_err(&diags));
    ck_assert((m != NULL) == (err == WEFT_OK));
    ck_assert_int_eq(wf_diags_print(&diags, out), WEFT_OK);
    wf_manifest_free(m);
    wf_diags_fini(&diags);
}

START_TEST(what_is_said_about_each_file_is_as_written_down)
{
    ck_assert_uint_ge(wf_golden_check("manifest", read_manifest), 16);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_read_without_harm)
{
    ck_assert_uint_ge(wf_golden_truncate("manifest", read_manifest), 16);
}
END_TEST

static struct wf_manifest *load(const char *name)
{
    char path[WF_GOLDEN_PATH];
    struct wf_diags diags;
    struct wf_manifest *m = NULL;

    wf_golden_path("manifest", name, path);
    wf_diags_init(&diags, name);
    enum weft_err err = wf_manifest_load(path, WF_FILE_ANY, &diags, &m);
    ck_assert_msg(!err, "%s", diags.count ? diags.items[0].text : "no text");
    wf_diags_fini(&diags);
    return m;
}

// Paths in the file begin where the file is.
static void assert_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    ck_assert_ptr_nonnull(slash);
    ck_assert_str_eq(slash + 1, name);
    ck_assert_ptr_nonnull(strstr(path, "/tests/vectors/manifest/"));
}

START_TEST(every_key_of_a_metric_reaches_the_product)
{
    struct wf_manifest *m = load("001-good-metric.yaml");
    const struct wf_product *p = &m->product;

    ck_assert_str_eq(p->name, "cpu");
    ck_assert_int_eq(p->kind, WF_PRODUCT_METRIC);
    ck_assert_str_eq(p->version, "1.4.2");
    ck_assert_uint_eq(p->major, 1);
    ck_assert_str_eq(p->title, "Processor time of every server");
    ck_assert_ptr_nonnull(strstr(p->description, "/proc/stat"));
    ck_assert_str_eq(p->owner_name, "Server team");
    ck_assert_str_eq(p->owner_contact, "servers@example.org");
    ck_assert_str_eq(p->message, "servers.v1.Cpu");
    ck_assert_str_eq(p->service, "");
    assert_beside(m->proto, "cpu.proto");
    assert_beside(m->descriptor, "cpu.desc");
    ck_assert_uint_eq(p->key_count, 2);
    ck_assert_str_eq(p->keys[1], "cpu");
    ck_assert_int_eq(p->classification, WF_CLASS_INTERNAL);
    ck_assert_uint_eq(p->region_count, 2);
    ck_assert_str_eq(p->regions[0], "eu-central");
    ck_assert_int_eq(p->freshness_ms, 90000);
    ck_assert_int_eq(p->retention_ms, 7 * 86400000LL);
    ck_assert_uint_eq(p->retention_bytes, 1u << 30);
    ck_assert_str_eq(m->retention_class, "short");
    assert_beside(m->rules, "cpu.rules.yaml");
    ck_assert_uint_eq(p->tag_count, 2);
    ck_assert_int_eq(p->durability, WF_DURABILITY_PROCESS);
    ck_assert_int_eq(p->packing, WF_PACKING_ZSTD);
    ck_assert_uint_eq(p->linger_us, 250000);
    ck_assert_uint_eq(p->batch_bytes, 16384);
    ck_assert(p->drops);
    ck_assert(!p->rows_shared);
    ck_assert_uint_eq(m->run.count, 4);
    ck_assert_str_eq(m->run.items[0], "weft-host");
    ck_assert_uint_eq(m->every_ms, 30000);
    ck_assert_uint_eq(m->hosts.count, 2);
    ck_assert_str_eq(m->hosts.items[0], "web-*");
    wf_manifest_free(m);
}
END_TEST

START_TEST(access_rules_reach_the_product)
{
    struct wf_manifest *m = load("001-good-metric.yaml");
    const struct wf_access_rule *rules = m->product.rules;

    ck_assert_uint_eq(m->product.rule_count, 2);
    ck_assert_str_eq(rules[0].domain, "monitoring");
    ck_assert_str_eq(rules[0].subject, "");
    ck_assert_uint_eq(rules[0].verb_count, 2);
    ck_assert_str_eq(rules[0].verbs[1], "replay");
    ck_assert_int_eq(rules[0].duration_ms, 86400000);
    ck_assert_uint_eq(rules[0].column_count, 0);
    ck_assert_str_eq(rules[1].subject, "soc-*");
    ck_assert_str_eq(rules[1].verbs[0], "query");
    ck_assert_uint_eq(rules[1].column_count, 2);
    ck_assert_int_eq(rules[1].duration_ms, 86400000); // the default
    wf_manifest_free(m);
}
END_TEST

START_TEST(what_an_inventory_leaves_out_has_its_default)
{
    struct wf_manifest *m = load("002-good-inventory.yaml");

    ck_assert_int_eq(m->product.kind, WF_PRODUCT_INVENTORY);
    ck_assert_str_eq(m->product.description, "");
    ck_assert_str_eq(m->descriptor, "/usr/share/weft/common.desc");
    ck_assert_ptr_null(m->proto);
    ck_assert_str_eq(m->product.keys[0], "host");
    ck_assert(m->product.rows_shared);
    ck_assert_int_eq(m->product.classification, WF_CLASS_INTERNAL);
    ck_assert_int_eq(m->product.durability, WF_DURABILITY_DISK);
    ck_assert_int_eq(m->product.freshness_ms, 0);
    ck_assert_uint_eq(m->product.linger_us, 0);
    ck_assert_uint_eq(m->product.batch_bytes, 0);
    ck_assert_int_eq(m->product.packing, WF_PACKING_ANY);
    ck_assert(!m->product.drops);
    ck_assert_str_eq(m->retention_class, "default");
    ck_assert_uint_eq(m->run.count, 1);
    ck_assert_uint_eq(m->every_ms, 0);
    ck_assert_uint_eq(m->hosts.count, 1);
    ck_assert_str_eq(m->hosts.items[0], "all");
    ck_assert_uint_eq(m->product.rule_count, 0);
    wf_manifest_free(m);
}
END_TEST

START_TEST(an_api_is_served_at_the_node)
{
    struct wf_manifest *m = load("003-good-api.yaml");

    ck_assert_int_eq(m->product.kind, WF_PRODUCT_API);
    ck_assert_uint_eq(m->product.major, 2);
    ck_assert_str_eq(m->product.service, "network.v1.Ports");
    ck_assert_str_eq(m->product.message, "");
    ck_assert_uint_eq(m->serve.count, 2);
    ck_assert_uint_eq(m->run.count, 0);
    ck_assert_str_eq(m->hosts.items[0], "node");
    wf_manifest_free(m);
}
END_TEST

START_TEST(every_manifest_of_the_tree_is_good)
{
    const char *root = getenv("WEFT_SOURCE_DIR");
    char pattern[WF_GOLDEN_PATH];
    glob_t found = { 0 };

    snprintf(pattern, sizeof pattern, "%s/domains/*/products/*.yaml", root ? root : ".");
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct wf_diags diags;
        struct wf_buf said = { 0 };
        struct wf_manifest *m = NULL;

        wf_diags_init(&diags, found.gl_pathv[i]);
        enum weft_err err = wf_manifest_load(found.gl_pathv[i], WF_FILE_ANY, &diags, &m);
        ck_assert_int_eq(wf_diags_print(&diags, &said), WEFT_OK);
        ck_assert_msg(!err, "%.*s", (int)said.len, (const char *)said.ptr);
        wf_manifest_free(m);
        wf_buf_fini(&said);
        wf_diags_fini(&diags);
    }
    globfree(&found);
}
END_TEST

static const char *const good[] = { "001-good-metric.yaml", "002-good-inventory.yaml",
    "003-good-api.yaml" };

START_TEST(a_good_manifest_can_be_signed_for_the_agents)
{
    struct wf_manifest *m = load(good[_i]);
    struct wf_secret key = { 0 };
    struct wf_sign_pub pub;
    struct wf_buf signed_form = { 0 };

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_sign_keygen(&key, &pub), WEFT_OK);
    struct wf_collect c = {
        .product = m->product,
        .sequence = 1,
        .run = m->run.items,
        .run_count = m->run.count,
        .hosts = m->hosts.items,
        .host_count = m->hosts.count,
        .serve = m->serve.items,
        .serve_count = m->serve.count,
        .every_ms = (int64_t)m->every_ms,
    };
    memset(c.mesh_id.b, 1, sizeof c.mesh_id.b);
    memset(c.product.schema_hash.b, 2, sizeof c.product.schema_hash.b);
    c.product.domain = "servers";
    ck_assert_int_eq(wf_collect_sign(&c, &key, &signed_form), WEFT_OK);
    ck_assert_uint_gt(signed_form.len, 0);
    wf_buf_fini(&signed_form);
    wf_secret_fini(&key);
    wf_manifest_free(m);
}
END_TEST

START_TEST(a_manifest_that_others_may_write_runs_nothing)
{
    char path[300];
    struct wf_diags diags;
    struct wf_manifest *m = NULL;

    snprintf(path, sizeof path, "%s/cpu.yaml", wf_test_tmpdir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs("name: cpu\n", f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    wf_diags_init(&diags, "cpu.yaml");
    ck_assert_int_eq(wf_manifest_load(path, WF_FILE_OWNED, &diags, &m), WEFT_E_PERMISSION);
    ck_assert_uint_eq(diags.count, 1);
    ck_assert_ptr_nonnull(strstr(diags.items[0].text, "chmod go-w"));
    ck_assert_ptr_null(m);
    wf_diags_fini(&diags);
}
END_TEST

static const struct {
    const char *why, *text;
    enum weft_err want;
    const char *told;
} shipped[] = {
    { "rules", "rules:\n  full: {when: used > 90%}\n", WEFT_OK, NULL },
    { "what they say is not looked at", "rules: {full: 7}\n", WEFT_OK, NULL },
    { "no YAML", "rules: {full: [\n", WEFT_E_SYNTAX, "rules.yaml:2:1" },
    { "no rules", "notify: {}\n", WEFT_E_MANIFEST, "rules.yaml:1:1: want \"rules:\"" },
    { "nothing", "", WEFT_E_MANIFEST, "rules.yaml:1:1: want \"rules:\"" },
    { "a list", "- rules\n", WEFT_E_MANIFEST, "want \"rules:\"" },
    { "too much", NULL, WEFT_E_TOO_BIG, "at most 32768 bytes" },
};

START_TEST(rules_of_alerts_come_with_a_product)
{
    char path[300];
    struct wf_manifest m = { .rules = path };
    struct wf_buf got = { 0 }, told = { 0 };
    struct wf_diags diags;

    snprintf(path, sizeof path, "%s/rules.yaml", wf_test_tmpdir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    if (shipped[_i].text)
        ck_assert_int_ge(fputs(shipped[_i].text, f), 0);
    for (size_t i = 0; !shipped[_i].text && i <= WF_MAX_RULES; i++)
        ck_assert_int_eq(fputc('#', f), '#');
    ck_assert_int_eq(fclose(f), 0);
    wf_diags_init(&diags, "rules.yaml");
    enum weft_err err = wf_manifest_rules(&m, &diags, &got);
    ck_assert_msg(err == shipped[_i].want, "%s: %s", shipped[_i].why, weft_err_name(err));
    ck_assert_int_eq(wf_diags_print(&diags, &told), WEFT_OK);
    ck_assert_int_eq(wf_buf_end(&told), WEFT_OK);
    if (err)
        ck_assert_msg(strstr((char *)told.ptr, shipped[_i].told) != NULL, "%s: %s", shipped[_i].why,
            (char *)told.ptr);
    else
        ck_assert(wf_bytes_eq(wf_buf_view(&got), wf_bytes_str(shipped[_i].text)));
    wf_buf_fini(&got);
    wf_buf_fini(&told);
    wf_diags_fini(&diags);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct wf_bytes text = WF_STR("name: a\nkind: metric\nversion: 1.0.0\ntitle: t\n"
                                  "owner: {name: a, contact: b}\n"
                                  "schema: {proto: a.proto, message: a.B}\n"
                                  "access: [{allow: {domain: b}, verbs: [subscribe]}]\n");

    for (long nth = 1; nth < 100; nth++) {
        struct wf_diags diags;
        struct wf_manifest *m = NULL;

        wf_diags_init(&diags, "f");
        wf_test_fail_alloc(nth);
        enum weft_err err = wf_manifest_parse(text, "/etc/weft", &diags, &m);
        bool failed = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        ck_assert_int_eq(err, failed ? WEFT_E_NOMEM : WEFT_OK);
        ck_assert((m != NULL) == !failed);
        wf_manifest_free(m);
        wf_diags_fini(&diags);
        if (!failed)
            return;
    }
    ck_abort_msg("never succeeded");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("manifest");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_said_about_each_file_is_as_written_down);
    tcase_add_test(t, a_file_cut_anywhere_is_read_without_harm);
    tcase_add_test(t, every_key_of_a_metric_reaches_the_product);
    tcase_add_test(t, access_rules_reach_the_product);
    tcase_add_test(t, what_an_inventory_leaves_out_has_its_default);
    tcase_add_test(t, an_api_is_served_at_the_node);
    tcase_add_test(t, every_manifest_of_the_tree_is_good);
    tcase_add_loop_test(t, a_good_manifest_can_be_signed_for_the_agents, 0, WF_COUNT(good));
    tcase_add_test(t, a_manifest_that_others_may_write_runs_nothing);
    tcase_add_loop_test(t, rules_of_alerts_come_with_a_product, 0, WF_COUNT(shipped));
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
