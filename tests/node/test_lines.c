// SPDX-License-Identifier: Apache-2.0
// Lines of sources: what becomes a record, what is refused singly, and that cuts of the stream change nothing.
#include <check.h>
#include <stdlib.h>

#include "node/source/lines.h"
#include "tests/support/support.h"

#define NOW_US INT64_C(1767225600000000)

static struct wf_schema *schema;
static const struct wf_schema_message *message;
static const char *const keys[] = { "host" };

extern const unsigned char wf_agent_schema[];
extern const unsigned long wf_agent_schema_len;

static void setup(void)
{
    struct wf_diag diag = { 0 };
    enum weft_err err =
        wf_schema_compile(wf_bytes(wf_agent_schema, wf_agent_schema_len), &schema, &diag);

    ck_assert_msg(err == WEFT_OK, "%s", diag.text);
    message = wf_schema_find_message(schema, WF_STR("weft.v1.AgentRecord"));
    ck_assert_ptr_nonnull(message);
}

static void teardown(void)
{
    wf_schema_free(schema);
}

static struct wf_lines of_inventory(void)
{
    return (struct wf_lines){ .keys = keys, .key_count = 1 };
}

static void feed(struct wf_lines *l, struct wf_bytes text)
{
    size_t taken = 0;

    ck_assert_int_eq(wf_lines_feed(l, message, text, NOW_US, SIZE_MAX, &taken), WEFT_OK);
    ck_assert_uint_eq(taken, text.len);
}

static struct wf_record_view first_of(const struct wf_lines *l)
{
    struct wf_bytes in = wf_buf_view(&l->raw);
    struct wf_record_view v = { 0 };

    ck_assert_int_eq(wf_records_next(&in, l->base_us, &v), WEFT_OK);
    return v;
}

static const struct line {
    const char *why, *text;
    enum wf_record_op op;
    int64_t time_us;
} lines[] = {
    { "a put without marks", "{\"host\":\"a\",\"state\":\"up\"}\n", WF_OP_PUT, NOW_US },
    { "a put that says so", "{\"@op\":\"put\",\"host\":\"a\"}\n", WF_OP_PUT, NOW_US },
    { "a line of another system", "{\"host\":\"a\"}\r\n", WF_OP_PUT, NOW_US },
    { "a delete with its key", "{\"@op\":\"delete\",\"host\":\"a\"}\n", WF_OP_DELETE, NOW_US },
    { "a snapshot begins", "{\"@op\":\"snapshot-begin\"}\n", WF_OP_SNAPSHOT_BEGIN, NOW_US },
    { "a snapshot ends", "{\"@op\":\"snapshot-end\"}\n", WF_OP_SNAPSHOT_END, NOW_US },
    { "a time in seconds", "{\"@time\":\"2026-01-01T00:00:01Z\",\"host\":\"a\"}\n", WF_OP_PUT,
        NOW_US + 1000000 },
    { "a time with a fraction", "{\"@time\":\"2026-01-01T00:00:00.25Z\",\"host\":\"a\"}\n",
        WF_OP_PUT, NOW_US + 250000 },
    { "integers as strings, as protobuf's JSON has them", "{\"spoolBytes\":\"12\"}\n", WF_OP_PUT,
        NOW_US },
    { "original names", "{\"spool_bytes\":12}\n", WF_OP_PUT, NOW_US },
};

START_TEST(a_line_becomes_one_record)
{
    const struct line *t = &lines[_i];
    struct wf_lines l = of_inventory();

    feed(&l, wf_bytes_str(t->text));
    ck_assert_msg(l.count == 1 && l.refused == 0, "%s: %s", t->why, l.last_error);
    struct wf_record_view v = first_of(&l);
    ck_assert_msg(v.op == t->op, "%s", t->why);
    ck_assert_msg(v.time_us == t->time_us, "%s", t->why);
    wf_lines_fini(&l);
}
END_TEST

static const struct refusal {
    const char *why, *text, *says;
} refusals[] = {
    { "no JSON", "host=a\n", "line 1" },
    { "not whole", "{\"host\":\"a\"\n", "line 1" },
    { "two values", "{} {}\n", "line 1" },
    { "an array", "[1]\n", "not a JSON object" },
    { "an unknown field", "{\"hots\":\"a\"}\n", "host" },
    { "a wrong type", "{\"host\":7}\n", "host" },
    { "an unknown mark", "{\"@seq\":1,\"host\":\"a\"}\n", "unknown member" },
    { "an unknown operation", "{\"@op\":\"drop\",\"host\":\"a\"}\n", "@op" },
    { "a time that is none", "{\"@time\":\"yesterday\",\"host\":\"a\"}\n", "@time" },
    { "a time without a zone", "{\"@time\":\"2026-01-01T00:00:00\"}\n", "@time" },
    { "a snapshot mark with fields", "{\"@op\":\"snapshot-begin\",\"host\":\"a\"}\n", "no fields" },
    { "a delete without its key", "{\"@op\":\"delete\"}\n", "every key field" },
    { "a delete with more than its key", "{\"@op\":\"delete\",\"host\":\"a\",\"state\":\"up\"}\n",
        "no other" },
};

START_TEST(a_bad_line_is_refused_singly)
{
    const struct refusal *t = &refusals[_i];
    struct wf_lines l = of_inventory();

    feed(&l, wf_bytes_str(t->text));
    ck_assert_msg(l.refused == 1 && l.count == 0, "%s", t->why);
    ck_assert_msg(strstr(l.last_error, t->says) != NULL, "%s: %s", t->why, l.last_error);
    feed(&l, WF_STR("{\"host\":\"b\"}\n"));
    ck_assert_msg(l.count == 1, "%s: the source goes on", t->why);
    wf_lines_fini(&l);
}
END_TEST

START_TEST(events_have_no_operations)
{
    struct wf_lines l = { 0 };

    feed(&l, WF_STR("{\"@op\":\"snapshot-begin\"}\n{\"@op\":\"delete\",\"host\":\"a\"}\n"));
    ck_assert_uint_eq(l.refused, 2);
    feed(&l, WF_STR("{\"host\":\"a\"}\n"));
    ck_assert_uint_eq(l.count, 1);
    wf_lines_fini(&l);
}
END_TEST

START_TEST(cuts_of_the_stream_change_nothing)
{
    static const char text[] = "{\"host\":\"a\",\"state\":\"up\"}\n\n{\"@op\":\"delete\",\"host\":"
                               "\"b\"}\nnonsense\n{\"host\":\"c\"}\n";
    struct wf_lines whole = of_inventory();

    feed(&whole, WF_STR(text));
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct wf_lines l = of_inventory();
        feed(&l, wf_bytes(text, cut));
        feed(&l, wf_bytes(text + cut, sizeof text - 1 - cut));
        ck_assert_msg(wf_bytes_eq(wf_buf_view(&l.raw), wf_buf_view(&whole.raw)), "cut at %zu", cut);
        ck_assert_uint_eq(l.count, 3);
        ck_assert_uint_eq(l.refused, 1);
        wf_lines_fini(&l);
        if (cut == sizeof text - 1)
            break;
    }
    wf_lines_fini(&whole);
}
END_TEST

START_TEST(a_line_without_its_newline_waits)
{
    struct wf_lines l = of_inventory();

    feed(&l, WF_STR("{\"host\":\"a\"}"));
    ck_assert_uint_eq(l.count, 0);
    feed(&l, WF_STR("\n"));
    ck_assert_uint_eq(l.count, 1);
    wf_lines_fini(&l);
}
END_TEST

START_TEST(what_holds_nothing_goes_back_and_what_waits_stays)
{
    struct wf_lines l = of_inventory();

    feed(&l, WF_STR("{\"host\":\"a\"}\n{\"host\":"));
    wf_lines_trim(&l);
    ck_assert_uint_eq(l.count, 1);
    ck_assert_msg(l.raw.len > 0, "a record that nobody has taken yet");
    wf_lines_clear(&l);
    wf_lines_trim(&l);
    ck_assert_ptr_null(l.raw.ptr);
    ck_assert_ptr_null(l.scratch.ptr);
    feed(&l, WF_STR("\"b\"}\n"));
    ck_assert_msg(l.count == 1 && l.refused == 0, "the beginning of a line was lost");
    wf_lines_clear(&l);
    wf_lines_trim(&l);
    ck_assert_ptr_null(l.partial.ptr);
    wf_lines_fini(&l);
}
END_TEST

START_TEST(a_line_too_long_is_dropped_to_its_end)
{
    struct wf_lines l = of_inventory();
    char *big = malloc(WF_SOURCE_LINE_MAX + 2000);

    ck_assert_ptr_nonnull(big);
    memset(big, ' ', WF_SOURCE_LINE_MAX + 2000);
    big[WF_SOURCE_LINE_MAX + 99] = '\n';
    if (_i == 0) { // in one piece
        feed(&l, wf_bytes(big, WF_SOURCE_LINE_MAX + 100));
    } else { // in pieces
        big[WF_SOURCE_LINE_MAX + 99] = ' ';
        feed(&l, wf_bytes(big, 1000));
        feed(&l, wf_bytes(big + 1000, WF_SOURCE_LINE_MAX));
        feed(&l, WF_STR("more\n"));
    }
    ck_assert_uint_eq(l.refused, 1);
    ck_assert_ptr_nonnull(strstr(l.last_error, "256 KiB"));
    feed(&l, WF_STR("{\"host\":\"b\"}\n"));
    ck_assert_uint_eq(l.count, 1);
    free(big);
    wf_lines_fini(&l);
}
END_TEST

START_TEST(it_stops_when_there_is_enough)
{
    struct wf_lines l = of_inventory();
    struct wf_bytes text = WF_STR("{\"host\":\"a\"}\n{\"host\":\"b\"}\n");
    size_t taken = 0;

    ck_assert_int_eq(wf_lines_feed(&l, message, text, NOW_US, 1, &taken), WEFT_OK);
    ck_assert_uint_eq(l.count, 1);
    ck_assert_uint_lt(taken, text.len);
    wf_lines_fini(&l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.lines");
    TCase *t = tcase_create("lines");

    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_line_becomes_one_record, 0, (int)WF_COUNT(lines));
    tcase_add_loop_test(t, a_bad_line_is_refused_singly, 0, (int)WF_COUNT(refusals));
    tcase_add_test(t, events_have_no_operations);
    tcase_add_test(t, cuts_of_the_stream_change_nothing);
    tcase_add_test(t, a_line_without_its_newline_waits);
    tcase_add_test(t, what_holds_nothing_goes_back_and_what_waits_stays);
    tcase_add_loop_test(t, a_line_too_long_is_dropped_to_its_end, 0, 2);
    tcase_add_test(t, it_stops_when_there_is_enough);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
