// SPDX-License-Identifier: Apache-2.0
// What the printer promises besides the round trip through protoc (proto.print_round_trip).
#include "proto/schema/schema_proto.h"

#include "proto/base/limits.h"
#include "proto/base/pb_descriptor.h"
#include "tests/proto/schema_fixture.h"

static struct wf_schema_proto *open_set(const char *name)
{
    struct wf_buf set = fixture_set(name);
    struct wf_schema_proto *p = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_schema_proto_open(wf_buf_view(&set), &p, &diag) == WEFT_OK, "%s", diag.text);
    wf_buf_fini(&set); // the printer keeps what it needs
    return p;
}

static const char *text_of(struct wf_buf *b)
{
    ck_assert(wf_buf_append_byte(b, 0) == WEFT_OK);
    b->len--;
    return (const char *)b->ptr;
}

START_TEST(files_are_listed_and_the_standard_ones_known)
{
    struct wf_schema_proto *p = open_set("rich");
    size_t count = wf_schema_proto_count(p), own = 0;

    for (size_t i = 0; i < count; i++)
        own += !wf_schema_proto_is_standard(p, i);
    ck_assert_uint_eq(count, 9);
    ck_assert_uint_eq(own, 1);
    ck_assert_str_eq(wf_schema_proto_name(p, count - 1), "rich.proto");
    ck_assert_ptr_null(wf_schema_proto_name(p, count));
    ck_assert(!wf_schema_proto_is_standard(p, count));
    wf_schema_proto_close(p);
    wf_schema_proto_close(NULL);
}
END_TEST

START_TEST(an_only_file_of_ones_own_prints_without_a_heading)
{
    struct wf_schema_proto *p = open_set("rich");
    struct wf_buf out = { 0 };

    ck_assert(wf_buf_append(&out, WF_STR("before ")) == WEFT_OK);
    ck_assert(wf_schema_proto_print_all(p, &out) == WEFT_OK);
    const char *text = text_of(&out);
    ck_assert_int_eq(strncmp(text, "before syntax = \"proto3\";\n", 26), 0);
    ck_assert_ptr_nonnull(strstr(text, "// A disk of a host.\nmessage Disk {\n"));
    ck_assert_ptr_nonnull(strstr(
        text, "  uint64 used_bytes = 2 [(weft.v1.role) = ROLE_GAUGE, (weft.v1.unit) = \"By\"];\n"));
    ck_assert_ptr_null(strstr(text, "message Timestamp"));
    wf_schema_proto_close(p);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(several_files_are_told_apart)
{
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    Google__Protobuf__FileDescriptorProto a = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT, b = a;
    Google__Protobuf__FileDescriptorProto *files[] = { &a, &b };
    char a_name[] = "a.proto", b_name[] = "b/c.proto", *imports[] = { a_name };
    struct wf_buf bytes = { 0 }, out = { 0 };
    struct wf_schema_proto *p = NULL;

    a.name = a_name;
    b.name = b_name;
    b.dependency = imports;
    b.n_dependency = 1;
    set.file = files;
    set.n_file = 2;
    ck_assert(wf_pb_pack(&set, &bytes) == WEFT_OK);
    ck_assert(wf_schema_proto_open(wf_buf_view(&bytes), &p, NULL) == WEFT_OK);
    ck_assert(wf_schema_proto_print_all(p, &out) == WEFT_OK);
    ck_assert_str_eq(text_of(&out),
        "// file: a.proto\nsyntax = \"proto2\";\n\n"
        "// file: b/c.proto\nsyntax = \"proto2\";\n\nimport \"a.proto\";\n");
    ck_assert_int_eq(wf_schema_proto_print(p, 2, &out), WEFT_E_NOT_FOUND);
    wf_schema_proto_close(p);
    wf_buf_fini(&bytes);
    wf_buf_fini(&out);
}
END_TEST

// A comment may hold anything; in the text it stays a comment.
START_TEST(comments_can_not_break_out)
{
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    Google__Protobuf__FileDescriptorProto f = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT,
                                          *files = &f;
    Google__Protobuf__DescriptorProto m = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT, *messages = &m;
    Google__Protobuf__SourceCodeInfo info = GOOGLE__PROTOBUF__SOURCE_CODE_INFO__INIT;
    Google__Protobuf__SourceCodeInfo__Location
        at = GOOGLE__PROTOBUF__SOURCE_CODE_INFO__LOCATION__INIT,
        *locations = &at;
    char file[] = "a.proto", name[] = "M",
         text[] = "one\r\nimport \"x\";\033[2J\302\2332J\342\200\256\n\nlast";
    int32_t path[] = { 4, 0 };
    struct wf_buf bytes = { 0 }, out = { 0 };
    struct wf_schema_proto *p = NULL;

    at.path = path;
    at.n_path = 2;
    at.leading_comments = text;
    info.location = &locations;
    info.n_location = 1;
    m.name = name;
    f.name = file;
    f.message_type = &messages;
    f.n_message_type = 1;
    f.source_code_info = &info;
    set.file = &files;
    set.n_file = 1;
    ck_assert(wf_pb_pack(&set, &bytes) == WEFT_OK);
    ck_assert(wf_schema_proto_open(wf_buf_view(&bytes), &p, NULL) == WEFT_OK);
    ck_assert(wf_schema_proto_print_all(p, &out) == WEFT_OK);
    ck_assert_str_eq(text_of(&out),
        "syntax = \"proto2\";\n\n// one\n// import \"x\"; [2J 2J \n//\n// last\nmessage M {\n}\n");
    wf_schema_proto_close(p);
    wf_buf_fini(&bytes);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_bad_set_is_refused_as_by_the_compiler)
{
    struct wf_schema_proto *p = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_schema_proto_open(WF_STR("\x0a\x05"), &p, &diag), WEFT_E_TRUNCATED);
    ck_assert_ptr_null(p);
    ck_assert_ptr_nonnull(strstr(diag.text, "FileDescriptorSet"));
}
END_TEST

START_TEST(running_out_of_memory_at_any_allocation_leaves_nothing_behind)
{
    struct wf_buf set = fixture_set("options");
    enum weft_err err = WEFT_E_NOMEM;
    long n = 1;

    for (; err == WEFT_E_NOMEM && n < 1000; n++) {
        struct wf_schema_proto *p = NULL;
        struct wf_buf out = { 0 };
        wf_test_fail_alloc(n);
        err = wf_schema_proto_open(wf_buf_view(&set), &p, NULL);
        if (!err)
            err = wf_schema_proto_print_all(p, &out);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || out.len == 0);
        wf_schema_proto_close(p);
        wf_buf_fini(&out);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(n, 5);
    wf_buf_fini(&set);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema_proto");
    TCase *t = tcase_create("schema_proto");

    tcase_add_test(t, files_are_listed_and_the_standard_ones_known);
    tcase_add_test(t, an_only_file_of_ones_own_prints_without_a_heading);
    tcase_add_test(t, several_files_are_told_apart);
    tcase_add_test(t, comments_can_not_break_out);
    tcase_add_test(t, a_bad_set_is_refused_as_by_the_compiler);
    tcase_add_test(t, running_out_of_memory_at_any_allocation_leaves_nothing_behind);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
