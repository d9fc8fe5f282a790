// SPDX-License-Identifier: Apache-2.0
// YAML text to a tree: places, limits, and every refusal by golden files.
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "sdk/conf/file.h"
#include "sdk/conf/yaml.h"
#include "tests/support/golden.h"

static void read_yaml(struct wf_bytes text, const char *name, struct wf_buf *out)
{
    struct wf_arena arena;
    struct wf_diags diags;
    struct wf_yaml_doc doc;

    wf_arena_init(&arena, WF_YAML_ARENA);
    wf_diags_init(&diags, name);
    enum weft_err err = wf_yaml_parse(text, &arena, &diags, &doc);
    ck_assert(!err || wf_diags_err(&diags) != WEFT_OK);
    ck_assert_int_eq(wf_diags_print(&diags, out), WEFT_OK);
    wf_diags_fini(&diags);
    wf_arena_fini(&arena);
}

START_TEST(what_is_said_about_each_file_is_as_written_down)
{
    ck_assert_uint_ge(wf_golden_check("yaml", read_yaml), 26);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_read_without_harm)
{
    ck_assert_uint_ge(wf_golden_truncate("yaml", read_yaml), 26);
}
END_TEST

struct parsed {
    struct wf_arena arena;
    struct wf_diags diags;
    struct wf_yaml_doc doc;
    enum weft_err err;
};

static struct parsed parse(struct wf_bytes text)
{
    struct parsed p = { 0 };

    wf_arena_init(&p.arena, WF_YAML_ARENA);
    wf_diags_init(&p.diags, "f.yaml");
    p.err = wf_yaml_parse(text, &p.arena, &p.diags, &p.doc);
    return p;
}

static void drop(struct parsed *p)
{
    wf_diags_fini(&p->diags);
    wf_arena_fini(&p->arena);
}

START_TEST(the_tree_has_kinds_texts_keys_and_places)
{
    struct parsed p = parse(WF_STR("name: web\n"
                                   "list: [a, \"b\"]\n"
                                   "deep:\n"
                                   "  ö: {x: }\n"));

    ck_assert_int_eq(p.err, WEFT_OK);
    ck_assert_int_eq(wf_diags_err(&p.diags), WEFT_OK);
    ck_assert(!p.doc.partial);
    ck_assert_uint_eq(p.doc.root->count, 3);
    const struct wf_yaml_node *name = wf_yaml_get(p.doc.root, "name");
    ck_assert_str_eq((const char *)name->text.ptr, "web");
    ck_assert_str_eq((const char *)name->key.ptr, "name");
    ck_assert_uint_eq(name->line, 1);
    ck_assert_uint_eq(name->column, 7);
    ck_assert_uint_eq(name->key_column, 1);
    const struct wf_yaml_node *list = wf_yaml_get(p.doc.root, "list");
    ck_assert_int_eq(list->kind, WF_YAML_SEQ);
    ck_assert_uint_eq(list->count, 2);
    ck_assert(list->child->plain);
    ck_assert(!list->child->next->plain);
    ck_assert_ptr_null(list->child->next->next);
    const struct wf_yaml_node *deep = wf_yaml_get(wf_yaml_get(p.doc.root, "deep"), "ö");
    ck_assert_int_eq(deep->kind, WF_YAML_MAP);
    ck_assert_uint_eq(deep->line, 4);
    ck_assert_uint_eq(deep->column, 6); // characters, not bytes
    ck_assert_uint_eq(wf_yaml_get(deep, "x")->text.len, 0);
    ck_assert_ptr_null(wf_yaml_get(p.doc.root, "nam"));
    drop(&p);
}
END_TEST

START_TEST(a_broken_text_still_gives_the_tree_before_the_break)
{
    struct parsed p = parse(WF_STR("a: 1\nb: {c: 2}\nd: [\n"));

    ck_assert_int_eq(p.err, WEFT_OK);
    ck_assert_int_eq(wf_diags_err(&p.diags), WEFT_E_SYNTAX);
    ck_assert(p.doc.partial);
    ck_assert_ptr_nonnull(wf_yaml_get(wf_yaml_get(p.doc.root, "b"), "c"));
    drop(&p);
}
END_TEST

static struct wf_buf repeat(const char *unit, size_t count)
{
    struct wf_buf b = { 0 };

    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(wf_buf_append_str(&b, unit), WEFT_OK);
    return b;
}

static const struct bomb {
    const char *why, *unit;
    size_t count;
    enum weft_err want;
} bombs[] = {
    { "flow lists, where libyaml is quadratic", "[", 10000, WEFT_E_TOO_DEEP },
    { "flow lists, a line each", "[\n", 10000, WEFT_E_TOO_DEEP },
    { "a hundred thousand flow lists", "[", 100000, WEFT_E_TOO_DEEP },
    { "flow mappings", "{a: ", 10000, WEFT_E_TOO_DEEP },
    { "block lists", "- ", 10000, WEFT_E_TOO_DEEP },
    { "complex keys, refused one by one before the depth", "? ", 10000, WEFT_E_TYPE },
    { "more values than permitted", "- a\n", 70000, WEFT_E_BUDGET },
    { "more bytes than permitted", "# comment\n", 110000, WEFT_E_TOO_BIG },
    { "one long line", "aaaaaaaaaaaaaaaaaaaa", 50000, WEFT_OK },
};

START_TEST(a_bomb_is_refused_fast)
{
    const struct bomb *b = &bombs[_i];
    struct timespec begin, end;
    struct wf_buf text = repeat(b->unit, b->count);

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    struct parsed p = parse(wf_buf_view(&text));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    // The quadratic reading takes 20 s of processor time and more.
    ck_assert_msg(end.tv_sec - begin.tv_sec < 5, "%s", b->why);
    if (b->want)
        ck_assert_msg(wf_diags_err(&p.diags) == b->want, "%s: %d", b->why, wf_diags_err(&p.diags));
    drop(&p);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(keys_of_one_mapping_are_limited)
{
    struct wf_buf text = { 0 };

    for (unsigned i = 0; i < WF_MAX_YAML_KEYS + 5; i++)
        ck_assert_int_eq(wf_buf_printf(&text, "k%u: 1\n", i), WEFT_OK);
    struct parsed p = parse(wf_buf_view(&text));
    ck_assert_int_eq(wf_diags_err(&p.diags), WEFT_E_BUDGET);
    ck_assert_uint_eq(p.diags.count, 1);
    ck_assert_uint_eq(p.diags.items[0].line, WF_MAX_YAML_KEYS + 1);
    drop(&p);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(errors_beyond_the_limit_are_counted)
{
    struct wf_buf text = repeat("a: 1\n", WF_MAX_DIAGS + 8), said = { 0 };
    struct parsed p = parse(wf_buf_view(&text));

    ck_assert_uint_eq(p.diags.count, WF_MAX_DIAGS);
    ck_assert_int_eq(wf_diags_print(&p.diags, &said), WEFT_OK);
    ck_assert_ptr_nonnull(strstr((const char *)said.ptr, "f.yaml: and 7 more\n"));
    wf_buf_fini(&said);
    drop(&p);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(errors_are_told_in_the_order_of_the_file)
{
    struct wf_diags d;
    struct wf_buf said = { 0 };

    wf_diags_init(&d, "f");
    wf_diags_add(&d, WEFT_E_RANGE, 3, 1, "third");
    wf_diags_add(&d, WEFT_E_SYNTAX, 1, 9, "second");
    wf_diags_add(&d, WEFT_E_SYNTAX, 1, 2, "first");
    wf_diags_add(&d, WEFT_E_SYNTAX, 0, 0, "the file");
    ck_assert_int_eq(wf_diags_err(&d), WEFT_E_RANGE);
    ck_assert_int_eq(wf_diags_print(&d, &said), WEFT_OK);
    ck_assert_str_eq(
        (const char *)said.ptr, "f: the file\nf:1:2: first\nf:1:9: second\nf:3:1: third\n");
    wf_buf_fini(&said);
    wf_diags_fini(&d);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct wf_bytes text = WF_STR("a: 1\na: 2\nb: [x, y, {c: d}]\ne: *f\n");

    for (long nth = 1; nth < 100; nth++) {
        wf_test_fail_alloc(nth);
        struct parsed p = parse(text);
        bool failed = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        ck_assert_int_eq(wf_diags_err(&p.diags), failed ? WEFT_E_NOMEM : WEFT_E_DUPLICATE);
        drop(&p);
        if (!failed)
            return;
    }
    ck_abort_msg("never succeeded");
}
END_TEST

START_TEST(a_small_arena_refuses_by_budget)
{
    struct wf_arena arena;
    struct wf_diags diags;
    struct wf_yaml_doc doc = { 0 };

    wf_arena_init(&arena, 300);
    wf_diags_init(&diags, "f.yaml");
    ck_assert_int_eq(wf_yaml_parse(WF_STR("[a, b, c, d]"), &arena, &diags, &doc), WEFT_E_BUDGET);
    ck_assert_int_eq(wf_diags_err(&diags), WEFT_E_BUDGET);
    ck_assert_ptr_null(doc.root);
    wf_diags_fini(&diags);
    wf_arena_fini(&arena);
}
END_TEST

static void write_file(const char *path, struct wf_bytes content, mode_t mode)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, f), content.len);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static const struct file_row {
    const char *why;
    mode_t mode;
    size_t max;
    enum wf_file_trust trust;
    enum weft_err want;
} file_rows[] = {
    { "a private file is a secret", 0600, 5, WF_FILE_SECRET, WEFT_OK },
    { "read-only for us is one too", 0400, 5, WF_FILE_SECRET, WEFT_OK },
    { "the group may read it", 0640, 5, WF_FILE_SECRET, WEFT_E_PERMISSION },
    { "anybody may read it", 0604, 5, WF_FILE_SECRET, WEFT_E_PERMISSION },
    { "reading is fine for a configuration", 0644, 5, WF_FILE_OWNED, WEFT_OK },
    { "the group may write it", 0664, 5, WF_FILE_OWNED, WEFT_E_PERMISSION },
    { "anybody may write it", 0646, 5, WF_FILE_OWNED, WEFT_E_PERMISSION },
    { "nobody asks", 0666, 5, WF_FILE_ANY, WEFT_OK },
    { "one byte too long", 0600, 4, WF_FILE_ANY, WEFT_E_TOO_BIG },
};

START_TEST(a_file_is_read_only_if_nobody_else_had_a_hand_in_it)
{
    const struct file_row *row = &file_rows[_i];
    struct wf_diag diag = { 0 };
    struct wf_buf got = { 0 };
    char path[300];

    snprintf(path, sizeof path, "%s/file", wf_test_tmpdir());
    write_file(path, WF_STR("hello"), row->mode);
    enum weft_err err = wf_file_read(path, row->max, row->trust, &got, &diag);
    ck_assert_msg(err == row->want, "%s: %s", row->why, diag.text);
    if (err)
        ck_assert_str_ne(diag.text, "");
    else
        ck_assert(wf_bytes_is(wf_buf_view(&got), "hello"));
    wf_buf_fini(&got);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
    struct wf_diag diag = { 0 };
    struct wf_buf got = { 0 };
    char path[300];
    const char *dir = wf_test_tmpdir();

    ck_assert_int_eq(wf_file_read(dir, 9, WF_FILE_ANY, &got, &diag), WEFT_E_TYPE);
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(wf_file_read(path, 9, WF_FILE_ANY, &got, &diag), WEFT_E_TYPE);
    snprintf(path, sizeof path, "%s/absent", dir);
    ck_assert_int_eq(wf_file_read(path, 9, WF_FILE_ANY, &got, &diag), WEFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(diag.text, "No such file"));
    ck_assert_int_eq(wf_file_read("/dev/zero", 9, WF_FILE_ANY, &got, &diag), WEFT_E_TYPE);
}
END_TEST

START_TEST(a_strangers_file_is_refused)
{
    struct wf_diag diag = { 0 };
    struct wf_buf got = { 0 };
    char path[300];

    if (geteuid() != 0)
        return; // giving a file away takes root
    snprintf(path, sizeof path, "%s/file", wf_test_tmpdir());
    write_file(path, WF_STR("hello"), 0600);
    ck_assert_int_eq(chown(path, 12345, 12345), 0);
    ck_assert_int_eq(wf_file_read(path, 9, WF_FILE_OWNED, &got, &diag), WEFT_E_PERMISSION);
    ck_assert_ptr_nonnull(strstr(diag.text, "12345"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("yaml");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_said_about_each_file_is_as_written_down);
    tcase_add_test(t, a_file_cut_anywhere_is_read_without_harm);
    tcase_add_test(t, the_tree_has_kinds_texts_keys_and_places);
    tcase_add_test(t, a_broken_text_still_gives_the_tree_before_the_break);
    tcase_add_loop_test(t, a_bomb_is_refused_fast, 0, WF_COUNT(bombs));
    tcase_add_test(t, keys_of_one_mapping_are_limited);
    tcase_add_test(t, errors_beyond_the_limit_are_counted);
    tcase_add_test(t, errors_are_told_in_the_order_of_the_file);
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    tcase_add_test(t, a_small_arena_refuses_by_budget);
    tcase_add_loop_test(
        t, a_file_is_read_only_if_nobody_else_had_a_hand_in_it, 0, WF_COUNT(file_rows));
    tcase_add_test(t, what_is_no_regular_file_is_refused_without_waiting);
    tcase_add_test(t, a_strangers_file_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
