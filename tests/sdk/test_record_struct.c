// SPDX-License-Identifier: Apache-2.0
// A reader's records as structs of protobuf-c's generated code.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "proto/base/pb.h"
#include "tests/support/fakehome.h"

#define PATIENCE_MS 100000

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_subscription *s;
static struct weft_problem problem;

static void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };
    struct weft_subscribe_options from = { .from = WEFT_FROM_EARLIEST };

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &from, &s, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
}

// What protoc-c makes of a message "Reading" that knows the first field only.
struct reading {
    ProtobufCMessage base;
    char *station;
};

static void reading_init(ProtobufCMessage *message);
static const ProtobufCFieldDescriptor reading_fields[] = {
    { .name = "station",
        .id = 1,
        .label = PROTOBUF_C_LABEL_NONE,
        .type = PROTOBUF_C_TYPE_STRING,
        .offset = offsetof(struct reading, station),
        .default_value = &protobuf_c_empty_string },
};
static const unsigned reading_by_name[] = { 0 };
static const ProtobufCIntRange reading_numbers[] = { { 1, 0 }, { 0, 1 } };
static ProtobufCMessageDescriptor reading_type = { .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.station.v1.Reading",
    .sizeof_message = sizeof(struct reading),
    .n_fields = 1,
    .fields = reading_fields,
    .fields_sorted_by_name = reading_by_name,
    .n_field_ranges = 1,
    .field_ranges = reading_numbers,
    .message_init = reading_init };

static void reading_init(ProtobufCMessage *message)
{
    *(struct reading *)(void *)message =
        (struct reading){ .base = PROTOBUF_C_MESSAGE_INIT(&reading_type),
            .station = (char *)protobuf_c_empty_string };
}

START_TEST(a_record_is_a_struct_when_it_is_asked_for)
{
    const struct weft_event *e = NULL;
    const struct reading *reading = NULL;
    uint8_t unknown_too[] = { 0x0a, 1, 'a', 0x98, 0x06, 7 }, cut[] = { 0x0a, 9, 'a' };
    struct weft_record newer = { .data = unknown_too, .len = sizeof unknown_too };
    struct weft_record wrong = { .data = cut, .len = sizeof cut };

    ck_assert_int_eq(weft_record_struct(s, &newer, &reading_type, &reading), WEFT_E_TYPE);
    wf_fakehome_append(&h, 0, 3);
    do
        ck_assert_int_eq(weft_next(s, PATIENCE_MS, &e, &problem), WEFT_OK);
    while (e->kind != WEFT_EV_RECORDS);
    ck_assert_uint_eq(e->record_count, 3);
    for (size_t i = 0; i < e->record_count; i++) {
        char want[16];
        snprintf(want, sizeof want, "0-%zu", i);
        ck_assert_int_eq(weft_record_struct(s, &e->records[i], &reading_type, &reading), WEFT_OK);
        ck_assert_str_eq(reading->station, want);
    }
    ck_assert_int_eq(weft_record_struct(s, &newer, &reading_type, &reading), WEFT_OK);
    ck_assert_str_eq(reading->station, "a"); // a writer of a later minor version
    ck_assert_int_eq(weft_record_struct(s, &wrong, &reading_type, &reading), WEFT_E_RECORD);
    reading_type.name = "test.station.v1.Station";
    ck_assert_int_eq(weft_record_struct(s, &newer, &reading_type, &reading), WEFT_E_TYPE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.record_struct");
    TCase *t = tcase_create("struct");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_record_is_a_struct_when_it_is_asked_for);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
