// SPDX-License-Identifier: Apache-2.0
// The table-driven reader: every type, list and bound, and what it says about a value that does not fit.
#include <check.h>
#include <stdlib.h>

#include "sdk/conf/keys.h"
#include "tests/support/support.h"

enum colour { RED = 1, GREEN, BLUE };

struct inner {
    uint32_t a, b;
};

struct named {
    const char *name;
    uint64_t age_ms;
};

struct outer {
    bool flag;
    uint32_t count;
    const char *text, *name, *pattern, *path;
    uint64_t age_ms, bytes;
    struct wf_address address;
    int colour;
    struct inner inner;
    WF_LIST(const char *) tags;
    WF_LIST(uint32_t) numbers;
    WF_LIST(struct inner) inners;
    WF_LIST(struct named) classes;
    WF_LIST(const char *) run;
    unsigned custom;
};

static enum weft_err check_inner(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    const struct inner *in = member;

    if (in->b && in->a > in->b)
        wf_reader_error(r, WEFT_E_RANGE, wf_yaml_get(node, "a"), "a is above b");
    return WEFT_OK;
}

static enum weft_err read_length(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    (void)r;
    *(unsigned *)member = (unsigned)node->text.len;
    return WEFT_OK;
}

static const struct wf_key inner_keys[] = {
    { "a", WF_KEY_U32, WF_KEY_REQUIRED, offsetof(struct inner, a), 1, 100 },
    { "b", WF_KEY_U32, 0, offsetof(struct inner, b), 1, 100 },
};
static const struct wf_key_table inner_table = { sizeof(struct inner), inner_keys,
    WF_COUNT(inner_keys), check_inner };

static const struct wf_key named_keys[] = {
    { "age", WF_KEY_DURATION, WF_KEY_REQUIRED, offsetof(struct named, age_ms), 1000, 60000 },
};
static const struct wf_key_table named_table = { sizeof(struct named), named_keys,
    WF_COUNT(named_keys), NULL };

static const struct wf_key_word colours[] = { { "red", RED }, { "green", GREEN }, { "blue", BLUE },
    { NULL, 0 } };

#define AT(member) offsetof(struct outer, member)
static const struct wf_key outer_keys[] = {
    { "flag", WF_KEY_BOOL, 0, AT(flag) },
    { "count", WF_KEY_U32, 0, AT(count), 2, 9 },
    { "text", WF_KEY_STRING, 0, AT(text), 2, 5 },
    { "name", WF_KEY_NAME, 0, AT(name) },
    { "pattern", WF_KEY_PATTERN, 0, AT(pattern) },
    { "path", WF_KEY_PATH, 0, AT(path) },
    { "age", WF_KEY_DURATION, 0, AT(age_ms), 1000, 3600000 },
    { "bytes", WF_KEY_SIZE, 0, AT(bytes) },
    { "address", WF_KEY_ADDRESS, 0, AT(address), 1 },
    { "colour", WF_KEY_ENUM, 0, AT(colour), .words = colours },
    { "inner", WF_KEY_TABLE, 0, AT(inner), .table = &inner_table },
    { "tags", WF_KEY_NAME, WF_KEY_LIST | WF_KEY_SINGLE, AT(tags) },
    { "numbers", WF_KEY_U32, WF_KEY_LIST, AT(numbers), 0, 10 },
    { "inners", WF_KEY_TABLE, WF_KEY_LIST, AT(inners), .table = &inner_table },
    { "classes", WF_KEY_TABLE, WF_KEY_MAP, AT(classes), .table = &named_table },
    { "run", WF_KEY_STRING, WF_KEY_LIST | WF_KEY_REPEAT, AT(run) },
    { "custom", WF_KEY_CUSTOM, 0, AT(custom), .read = read_length },
};
#undef AT
static const struct wf_key_table outer_table = { sizeof(struct outer), outer_keys,
    WF_COUNT(outer_keys), NULL };

struct result {
    struct wf_arena arena;
    struct wf_diags diags;
    struct outer out;
    struct wf_buf said;
};

static struct result read_outer(const char *text)
{
    struct result res = { 0 };
    struct wf_yaml_doc doc;

    wf_arena_init(&res.arena, WF_YAML_ARENA);
    wf_diags_init(&res.diags, "f");
    enum weft_err err = wf_yaml_parse(wf_bytes_str(text), &res.arena, &res.diags, &doc);
    if (!err) {
        struct wf_reader r = { &res.arena, &res.diags, "/etc/weft", doc.partial };
        err = wf_keys_read(&r, doc.root, &outer_table, &res.out);
    }
    // No assertion: allocations may fail just now.
    if (err && !wf_diags_err(&res.diags))
        abort();
    return res;
}

static void drop(struct result *res)
{
    wf_buf_fini(&res->said);
    wf_diags_fini(&res->diags);
    wf_arena_fini(&res->arena);
}

static const char everything[] = "flag: on\n"
                                 "count: 9\n"
                                 "text: héé\n"
                                 "name: web-1\n"
                                 "pattern: web-*\n"
                                 "path: keys/a\n"
                                 "age: 1h\n"
                                 "bytes: 64KiB\n"
                                 "address: '[::1]:7400'\n"
                                 "colour: green\n"
                                 "inner: {a: 1, b: 2}\n"
                                 "tags: [x, y]\n"
                                 "numbers: [0, 10]\n"
                                 "inners: [{a: 3, b: 4}, {a: 5, b: 6}]\n"
                                 "classes: {short: {age: 1s}, long: {age: 1m}}\n"
                                 "run: [prog, -v, -v]\n"
                                 "custom: four\n";

START_TEST(every_type_reaches_its_member)
{
    struct result res = read_outer(everything);
    const struct outer *o = &res.out;

    ck_assert_int_eq(wf_diags_err(&res.diags), WEFT_OK);
    ck_assert(o->flag);
    ck_assert_uint_eq(o->count, 9);
    ck_assert_str_eq(o->text, "héé");
    ck_assert_str_eq(o->name, "web-1");
    ck_assert_str_eq(o->pattern, "web-*");
    ck_assert_str_eq(o->path, "/etc/weft/keys/a");
    ck_assert_uint_eq(o->age_ms, 3600000);
    ck_assert_uint_eq(o->bytes, 65536);
    ck_assert_str_eq(o->address.host, "::1");
    ck_assert_uint_eq(o->address.port, 7400);
    ck_assert_int_eq(o->colour, GREEN);
    ck_assert_uint_eq(o->inner.b, 2);
    ck_assert_uint_eq(o->tags.count, 2);
    ck_assert_str_eq(o->tags.items[1], "y");
    ck_assert_uint_eq(o->numbers.count, 2);
    ck_assert_uint_eq(o->numbers.items[1], 10);
    ck_assert_uint_eq(o->inners.count, 2);
    ck_assert_uint_eq(o->inners.items[1].a, 5);
    ck_assert_uint_eq(o->classes.count, 2);
    ck_assert_str_eq(o->classes.items[1].name, "long");
    ck_assert_uint_eq(o->classes.items[1].age_ms, 60000);
    ck_assert_uint_eq(o->run.count, 3);
    ck_assert_uint_eq(o->custom, 4);
    drop(&res);
}
END_TEST

static const struct said_row {
    const char *why, *text, *want;
} said_rows[] = {
    { "unknown, near", "colr: red\n", "f:1:1: unknown key \"colr\" (did you mean \"colour\"?)\n" },
    { "unknown, far", "zzzzzz: 1\n", "f:1:1: unknown key \"zzzzzz\"\n" },
    { "unknown below", "inner: {a: 1, bb: 2}\n",
        "f:1:15: unknown key \"bb\" (did you mean \"b\"?)\n" },
    { "missing below", "inner: {b: 2}\n", "f:1:8: missing key \"a\"\n" },
    { "not a boolean", "flag: yes\n", "f:1:7: want on or off, not \"yes\"\n" },
    { "nothing given", "flag:\n", "f:1:6: want on or off, not nothing\n" },
    { "below the bound", "count: 1\n", "f:1:8: \"1\" is below the least permitted, 2\n" },
    { "above the bound", "count: 10\n", "f:1:8: \"10\" is above the most permitted, 9\n" },
    { "beyond 64 bits", "count: 99999999999999999999\n",
        "f:1:8: \"99999999999999999999\" is above the most permitted, 9\n" },
    { "negative", "count: -1\n", "f:1:8: want a number, not \"-1\"\n" },
    { "text too short", "text: a\n", "f:1:7: want a text, not \"a\"\n" },
    { "text too long", "text: abcdef\n", "f:1:7: a text of at most 5 bytes is permitted\n" },
    { "control character", "text: \"a\\eb\"\n", "f:1:7: control characters are not permitted\n" },
    { "bad name", "name: Web\n",
        "f:1:7: want a name (a-z, 0-9 and -, at most 63, a letter first), not \"Web\"\n" },
    { "two stars", "pattern: a**\n",
        "f:1:10: want a name, a prefix such as web-* or *, not \"a**\"\n" },
    { "star inside", "pattern: a*b\n",
        "f:1:10: want a name, a prefix such as web-* or *, not \"a*b\"\n" },
    { "duration without unit", "age: 30\n",
        "f:1:6: want a duration such as 30s, 1h30m or 7d, not \"30\"\n" },
    { "duration too short", "age: 10ms\n", "f:1:6: \"10ms\" is below the least permitted, 1s\n" },
    { "duration too long", "age: 2h\n", "f:1:6: \"2h\" is above the most permitted, 1h\n" },
    { "size too large for anything", "bytes: 99999999TiB\n", "f:1:8: too large\n" },
    { "decimal size", "bytes: 64KB\n", "f:1:8: want a size such as 64KiB or 1GiB, not \"64KB\"\n" },
    { "address without port", "address: host\n",
        "f:1:10: want an address HOST:PORT, not \"host\"\n" },
    { "port zero", "address: host:0\n", "f:1:10: the port must be at least 1\n" },
    { "port too high", "address: host:70000\n",
        "f:1:10: want a port of at most 65535, not \"host:70000\"\n" },
    { "word, near", "colour: grean\n",
        "f:1:9: want red, green or blue, not \"grean\" (did you mean \"green\"?)\n" },
    { "word, far", "colour: 17\n", "f:1:9: want red, green or blue, not \"17\"\n" },
    { "list for a value", "name: [a]\n", "f:1:7: want a single value, not a list\n" },
    { "value for a list", "numbers: 1\n", "f:1:10: want a list, not \"1\"\n" },
    { "value for a mapping", "inner: x\n", "f:1:8: want a mapping, not \"x\"\n" },
    { "list for a mapping", "classes: [a]\n", "f:1:10: want a mapping, not a list\n" },
    { "the same item twice", "tags: [a, b, a]\n", "f:1:14: \"a\" again (first in line 1)\n" },
    { "bad item", "numbers: [1, 11]\n", "f:1:14: \"11\" is above the most permitted, 10\n" },
    { "bad entry of a mapping", "classes: {x: {age: 2m}}\n",
        "f:1:20: \"2m\" is above the most permitted, 1m\n" },
    { "entry without a name", "classes: {\"\": {age: 1s}}\n",
        "f:1:11: want a name of 1 to 63 characters\n" },
    { "keys that do not go together", "inner: {a: 5, b: 2}\n", "f:1:12: a is above b\n" },
    { "everything at once", "flag: maybe\ncount: x\nnmae: web\n",
        "f:1:7: want on or off, not \"maybe\"\n"
        "f:2:8: want a number, not \"x\"\n"
        "f:3:1: unknown key \"nmae\" (did you mean \"name\"?)\n" },
    { "what came before a break is read, and nothing is missing",
        "nmae: x\ninner: {b: 1}\ncustom: [\n",
        "f:1:1: unknown key \"nmae\" (did you mean \"name\"?)\n"
        "f:4:1: did not find expected node content while parsing a flow node (line 4)\n" },
};

START_TEST(what_does_not_fit_is_said_with_its_place)
{
    const struct said_row *row = &said_rows[_i];
    struct result res = read_outer(row->text);

    ck_assert_int_eq(wf_diags_print(&res.diags, &res.said), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&res.said, 0), WEFT_OK);
    ck_assert_msg(strcmp((const char *)res.said.ptr, row->want) == 0, "%s\n%s", row->why,
        (const char *)res.said.ptr);
    drop(&res);
}
END_TEST

START_TEST(a_list_has_a_limit)
{
    struct wf_buf text = { 0 };

    ck_assert_int_eq(wf_buf_append_str(&text, "run:\n"), WEFT_OK);
    for (unsigned i = 0; i <= WF_MAX_LIST; i++)
        ck_assert_int_eq(wf_buf_append_str(&text, "- a\n"), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&text, 0), WEFT_OK);
    struct result res = read_outer((const char *)text.ptr);
    ck_assert_int_eq(wf_diags_err(&res.diags), WEFT_E_TOO_BIG);
    drop(&res);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    for (long nth = 1; nth < 100; nth++) {
        wf_test_fail_alloc(nth);
        struct result res = read_outer(everything);
        bool failed = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        ck_assert_int_eq(wf_diags_err(&res.diags), failed ? WEFT_E_NOMEM : WEFT_OK);
        drop(&res);
        if (!failed)
            return;
    }
    ck_abort_msg("never succeeded");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("all");

    tcase_add_test(t, every_type_reaches_its_member);
    tcase_add_loop_test(t, what_does_not_fit_is_said_with_its_place, 0, WF_COUNT(said_rows));
    tcase_add_test(t, a_list_has_a_limit);
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
