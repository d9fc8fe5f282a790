// SPDX-License-Identifier: Apache-2.0
// Publishers and services over a node's local socket: everything published arrives once, whatever happens to requests and replies; what
// does not fit the schema is refused at once with its path; a full queue waits and then says so; handlers answer calls.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/fakehome.h"

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_publisher *p;
static struct weft_problem problem;

static void setup(void)
{
    struct weft_options o = { .socket = m.socket, .flags = WEFT_LOCAL_ONLY, .deadline_ms = 30000 };

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, true);
    wf_fakehome_init(&h, &m);
    p = NULL;
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    (void)weft_publisher_close(p, 0, NULL);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
}

static void publisher(const struct weft_publish_options *o)
{
    ck_assert_msg(
        weft_publisher_open(c, "readings", o, &p, &problem) == WEFT_OK, "%s", problem.text);
}

static void publish(uint64_t from, uint64_t to)
{
    char json[80];

    for (uint64_t i = from; i < to; i++) {
        snprintf(
            json, sizeof json, "{\"station\":\"s%llu\",\"warmth\":1.5}", (unsigned long long)i);
        ck_assert_msg(weft_publish_json(p, json, 0, &problem) == WEFT_OK, "%s", problem.text);
    }
}

static void flush(void)
{
    ck_assert_msg(weft_publisher_flush(p, 20000, &problem) == WEFT_OK, "%s", problem.text);
}

// The home has exactly the records [0, count), in order.
static void check_seen(uint64_t count)
{
    char name[40];

    pthread_mutex_lock(&h.mutex);
    ck_assert_uint_eq(h.mark, count);
    for (uint64_t i = 0; i < count; i++) {
        int len = snprintf(name, sizeof name, "s%llu", (unsigned long long)i);
        ck_assert_uint_gt(h.seen[i].len, (size_t)len + 2);
        ck_assert_int_eq(memcmp(h.seen[i].ptr + 2, name, (size_t)len), 0);
    }
    pthread_mutex_unlock(&h.mutex);
}

// ---- publishing ------------------------------------------------------------------------------------------------------------

START_TEST(everything_published_arrives_in_batches)
{
    // However slow the machine is, size and not time ends a batch.
    const struct weft_publish_options o = { .linger_us = 500000 };

    publisher(&o);
    ck_assert_uint_eq(weft_publisher_mark(p), 0);
    publish(0, 20000);
    flush();
    check_seen(20000);
    ck_assert_int_lt(atomic_load(&h.published), 400);
}
END_TEST

START_TEST(batches_have_the_size_that_the_product_says)
{
    const struct weft_publish_options o = { .linger_us = 60000000 };

    atomic_store(&h.batch_bytes, 1024);
    publisher(&o);
    publish(0, 10000);
    flush();
    check_seen(10000);
    ck_assert_uint_gt(atomic_load(&h.largest), 512);
    ck_assert_uint_le(atomic_load(&h.largest), 8 * 1024); // while others wait to be sent
}
END_TEST

// Some 300 KiB: five batches of 64 KiB, and one of what the product says.
START_TEST(a_product_of_large_batches_has_few)
{
    const struct weft_publish_options o = { .linger_us = 60000000 };

    atomic_store(&h.batch_bytes, 504 * 1024);
    publisher(&o);
    publish(0, 15000);
    ck_assert_int_eq(atomic_load(&h.published), 0);
    flush();
    check_seen(15000);
    ck_assert_int_eq(atomic_load(&h.published), 1);
    ck_assert_uint_gt(atomic_load(&h.largest), 128 * 1024);
}
END_TEST

START_TEST(a_single_record_leaves_with_its_linger)
{
    publisher(NULL);
    publish(0, 1);
    struct weft_whoami who;
    for (int i = 0; i < 20000 && atomic_load(&h.published) == 0; i++)
        ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
    ck_assert_int_eq(atomic_load(&h.published), 1);
    flush();
    check_seen(1);
}
END_TEST

static const struct {
    enum weft_err code;
    const char *why;
} passing[] = {
    { WEFT_E_BUSY, "the node is busy" },
    { WEFT_E_FULL, "its log is behind" },
    { WEFT_E_NOSPACE, "its disk is full for now" },
    { WEFT_E_CLOSED, "it is about to stop" },
};

START_TEST(a_refusal_that_passes_is_tried_again)
{
    publisher(NULL);
    atomic_store(&h.publish_code, passing[_i].code);
    publish(0, 6000);
    atomic_store(&h.refuse_publish, 3);
    flush();
    publish(6000, 9000);
    flush();
    check_seen(9000);
}
END_TEST

// The node looked at the second batch before the first one, and its answer came after the first one's: it has lost nothing.
START_TEST(a_batch_that_overtook_another_goes_again)
{
    publisher(NULL);
    publish(0, 1);
    flush();
    atomic_store(&m.knobs->withheld, 0);
    atomic_store(&m.knobs->in_turn, true);
    atomic_store(&m.knobs->hold, true);
    for (uint64_t i = 1; i < 3; i++) {
        publish(i, i + 1);
        while (atomic_load(&m.knobs->withheld) < (int)i)
            ck_assert_int_eq(weft_publisher_flush(p, 10, &problem), WEFT_E_TIMEOUT);
    }
    atomic_store(&h.publish_code, WEFT_E_ORDER);
    atomic_store(&h.take_first, 1);
    atomic_store(&h.refuse_publish, 1);
    atomic_store(&m.knobs->hold, false);
    flush();
    check_seen(3);
}
END_TEST

START_TEST(a_lost_reply_doubles_nothing)
{
    publisher(NULL);
    for (uint64_t i = 0; i < 10; i++) {
        atomic_store(&h.lose_reply, true);
        publish(i * 1000, (i + 1) * 1000);
        flush();
    }
    check_seen(10000);
}
END_TEST

START_TEST(a_lost_connection_doubles_nothing)
{
    publisher(NULL);
    for (uint64_t i = 0; i < 5; i++) {
        atomic_store(&m.knobs->hang_up, true);
        publish(i * 1000, (i + 1) * 1000);
        flush();
    }
    check_seen(5000);
}
END_TEST

START_TEST(a_publisher_with_its_own_id_goes_on_at_its_mark)
{
    const uint8_t id[16] = "an application 1";
    struct weft_publish_options o = { .id = id };

    publisher(&o);
    publish(0, 100);
    ck_assert_int_eq(weft_publisher_close(p, 20000, &problem), WEFT_OK);
    ck_assert_int_eq(memcmp(h.publisher, id, sizeof id), 0);
    publisher(&o);
    ck_assert_uint_eq(weft_publisher_mark(p), 100);
    publish(100, 150);
    flush();
    check_seen(150);
}
END_TEST

START_TEST(a_final_refusal_sticks_and_names_its_reason)
{
    publisher(NULL);
    atomic_store(&h.publish_code, WEFT_E_PERMISSION);
    atomic_store(&h.refuse_publish, 1);
    publish(0, 1);
    ck_assert_int_eq(weft_publisher_flush(p, 20000, &problem), WEFT_E_PERMISSION);
    ck_assert_msg(strstr(problem.text, "not now") != NULL, "%s", problem.text);
    ck_assert_int_eq(weft_publish_json(p, "{\"station\":\"x\"}", 0, &problem), WEFT_E_PERMISSION);
}
END_TEST

START_TEST(a_node_without_our_earlier_records_is_an_error_not_a_loop)
{
    publisher(NULL);
    publish(0, 10);
    flush();
    pthread_mutex_lock(&h.mutex);
    for (uint64_t i = 5; i < 10; i++)
        wf_buf_fini(&h.seen[i]);
    h.mark = 5;
    pthread_mutex_unlock(&h.mutex);
    publish(10, 11);
    ck_assert_int_eq(weft_publisher_flush(p, 20000, &problem), WEFT_E_ORDER);
}
END_TEST

static void publish_large(unsigned count, size_t len)
{
    uint8_t *record = malloc(len);

    ck_assert_ptr_nonnull(record);
    memset(record, 'a', len);
    record[0] = 0x0a; // its station
    wf_varint_put(record + 1, len - 4);
    for (unsigned i = 0; i < count; i++)
        ck_assert_msg(
            weft_publish(p, WEFT_PUT, record, len, 0, &problem) == WEFT_OK, "%s", problem.text);
    free(record);
}

static void wait_until_held(int count)
{
    while (atomic_load(&m.knobs->withheld) < count)
        ck_assert_int_eq(weft_publisher_flush(p, 10, &problem), WEFT_E_TIMEOUT);
}

// Sixteen of 500 KB would be all of a publisher's queue: nothing would wait, so nothing would grow.
START_TEST(batches_grow_while_others_wait_and_are_bounded_in_bytes_under_way)
{
    publisher(NULL);
    atomic_store(&m.knobs->withheld, 0);
    atomic_store(&m.knobs->hold, true);
    publish(0, 1);
    wait_until_held(1); // the first goes alone
    publish_large(31, 250000);
    atomic_store(&h.then_hold, true);
    atomic_store(&m.knobs->hold, false);
    wait_until_held(1 + 8); // 250 KB, seven of 500 KB
    ck_assert_int_eq(weft_publisher_flush(p, 50, &problem), WEFT_E_TIMEOUT);
    ck_assert_int_eq(atomic_load(&m.knobs->withheld), 1 + 8);
    atomic_store(&m.knobs->hold, false);
    flush();
    ck_assert_uint_gt(atomic_load(&h.largest), 500000);
    ck_assert_uint_le(atomic_load(&h.largest), 504 * 1024);
    ck_assert_uint_eq(h.mark, 32);
}
END_TEST

START_TEST(a_full_queue_waits_then_says_so)
{
    struct weft_publish_options o = { .queue_bytes = 4000, .block_ms = 50 };
    enum weft_err err = WEFT_OK;

    publisher(&o);
    atomic_store(&m.knobs->hold, true);
    for (int i = 0; i < 1000 && !err; i++)
        err =
            weft_publish_json(p, "{\"station\":\"a long enough name of a station\"}", 0, &problem);
    ck_assert_int_eq(err, WEFT_E_FULL);
    ck_assert_int_eq(weft_publisher_flush(p, 20, &problem), WEFT_E_TIMEOUT);
    ck_assert_msg(
        strstr(problem.text, "records were not acknowledged") != NULL, "%s", problem.text);
    atomic_store(&m.knobs->hold, false);
    flush();
}
END_TEST

// What was dropped has its numbers, between those that came.
static void check_dropped(uint64_t count)
{
    char name[40];
    uint64_t missing = 0;

    pthread_mutex_lock(&h.mutex);
    ck_assert_uint_eq(h.mark, count);
    for (uint64_t i = 0; i < count; i++) {
        int len = snprintf(name, sizeof name, "s%llu", (unsigned long long)i);
        bool same = h.seen[i].len > (size_t)len + 2 &&
                    memcmp(h.seen[i].ptr + 2, name, (size_t)len) == 0 && h.seen[i].ptr[1] == len;
        ck_assert_msg(same || h.seen[i].len == 0, "another record in the place of %s", name);
        missing += !same;
    }
    ck_assert_uint_eq(missing, h.dropped);
    ck_assert_uint_eq(weft_publisher_dropped(p), h.dropped);
    pthread_mutex_unlock(&h.mutex);
}

START_TEST(a_full_queue_of_a_product_that_drops_never_waits_and_counts)
{
    struct weft_publish_options o = { .queue_bytes = 4000, .block_ms = 60000 };

    atomic_store(&h.drops, true);
    publisher(&o);
    publish(0, 10);
    flush();
    ck_assert_uint_eq(weft_publisher_dropped(p), 0);
    atomic_store(&h.publish_code, WEFT_E_NOSPACE);
    atomic_store(&h.refuse_publish, 1000000);
    publish(10, 3000);
    uint64_t dropped = weft_publisher_dropped(p);
    ck_assert(dropped > 1000 && dropped < 2990);
    ck_assert_int_eq(weft_publisher_flush(p, 50, &problem), WEFT_E_TIMEOUT);
    atomic_store(&h.lose_reply, true); // what comes twice counts once
    atomic_store(&h.refuse_publish, 2);
    flush();
    check_dropped(3000);
    publish(3000, 3010); // and there is room again
    flush();
    check_dropped(3010);
    ck_assert_uint_eq(weft_publisher_dropped(p), dropped);
}
END_TEST

START_TEST(a_loss_that_is_under_way_keeps_its_count)
{
    struct weft_publish_options o = {
        .queue_bytes = 4000, .block_ms = 60000, .linger_us = 1000000
    };
    uint64_t i = 10;

    atomic_store(&h.drops, true);
    publisher(&o);
    publish(0, i);
    flush();
    atomic_store(&m.knobs->withheld, 0);
    atomic_store(&m.knobs->in_turn, true);
    atomic_store(&m.knobs->hold, true);
    for (; weft_publisher_dropped(p) < 5; i++)
        publish(i, i + 1);
    wait_until_held(2); // what filled the queue, and the loss
    publish(i, i + 7);
    ck_assert_uint_eq(weft_publisher_dropped(p), 12);
    atomic_store(&m.knobs->hold, false);
    flush();
    check_dropped(i + 7);
    publish(i + 7, i + 17);
    flush();
    check_dropped(i + 17);
    ck_assert_uint_eq(weft_publisher_dropped(p), 12);
}
END_TEST

static const struct {
    const char *product;
    enum weft_op op;
    const char *json;
    enum weft_err want;
    const char *says;
} bad[] = {
    { "readings", WEFT_PUT, "{\"station\":5}", WEFT_E_TYPE, "station" },
    { "readings", WEFT_PUT, "{\"place\":{\"east\":\"x\"}}", WEFT_E_SYNTAX, "place.east" },
    { "readings", WEFT_PUT, "{\"statoin\":\"a\"}", WEFT_E_UNKNOWN_FIELD, "statoin" },
    { "readings", WEFT_PUT, "{", WEFT_E_SYNTAX, "" },
    { "readings", WEFT_DELETE, "{\"station\":\"a\"}", WEFT_E_RECORD, "only an inventory" },
    { "readings", WEFT_SNAPSHOT_BEGIN, "{}", WEFT_E_RECORD, "only an inventory" },
    { "hosts", (enum weft_op)9, "{}", WEFT_E_RECORD, "" },
};

START_TEST(what_does_not_fit_is_refused_at_once_with_its_place)
{
    ck_assert_int_eq(weft_publisher_open(c, bad[_i].product, NULL, &p, &problem), WEFT_OK);
    enum weft_err err = weft_publish_json_op(p, bad[_i].op, bad[_i].json, 0, &problem);
    ck_assert_msg(
        err == bad[_i].want, "%s: %s: %s", bad[_i].json, weft_err_name(err), problem.text);
    ck_assert_msg(strstr(problem.text, bad[_i].says) != NULL, "%s", problem.text);
    flush();
    ck_assert_int_eq(atomic_load(&h.published), 0);
}
END_TEST

START_TEST(bytes_that_are_no_record_are_refused)
{
    publisher(NULL);
    ck_assert_int_eq(weft_publish(p, WEFT_PUT,
                         "\x0a\x05"
                         "ab",
                         4, 0, &problem),
        WEFT_E_RECORD);
    ck_assert_int_eq(weft_publish(p, WEFT_PUT, "\x0a\x02\xff\xfe", 4, 0, &problem), WEFT_E_RECORD);
}
END_TEST

START_TEST(an_inventory_takes_deletes_and_snapshots)
{
    ck_assert_int_eq(weft_publisher_open(c, "servers/hosts", NULL, &p, &problem), WEFT_OK);
    ck_assert_int_eq(weft_publish_json_op(p, WEFT_SNAPSHOT_BEGIN, NULL, 0, &problem), WEFT_OK);
    ck_assert_int_eq(weft_publish_json(p, "{\"station\":\"a\"}", 0, &problem), WEFT_OK);
    ck_assert_int_eq(weft_publish_json_op(p, WEFT_SNAPSHOT_END, NULL, 0, &problem), WEFT_OK);
    ck_assert_int_eq(
        weft_publish_json_op(p, WEFT_DELETE, "{\"station\":\"a\"}", 0, &problem), WEFT_OK);
    ck_assert_int_eq(weft_publish(p, WEFT_SNAPSHOT_BEGIN, "x", 1, 0, &problem), WEFT_E_RECORD);
    flush();
    ck_assert_uint_eq(h.mark, 4);
}
END_TEST

// Such ids are the library's own, for publishers of one process: their marks are forgotten first.
START_TEST(an_id_of_one_process_is_no_applications_id)
{
    static const uint8_t id[WF_PUBLISHER_LEN] = { 0, 0, 0, 0, 7 };
    const struct weft_publish_options options = { .id = id };

    ck_assert_int_eq(weft_publisher_open(c, "readings", &options, &p, &problem), WEFT_E_RANGE);
    ck_assert_ptr_nonnull(strstr(problem.text, "four zero bytes"));
}
END_TEST

START_TEST(a_product_that_is_not_there_is_told)
{
    ck_assert_int_eq(weft_publisher_open(c, "nothing", NULL, &p, &problem), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(
        weft_publisher_open(c, "network/readings", NULL, &p, &problem), WEFT_E_WRONG_DOMAIN);
    ck_assert_int_ne(weft_publisher_open(c, "Not a name", NULL, &p, &problem), WEFT_OK);
}
END_TEST

// ---- serving ---------------------------------------------------------------------------------------------------------------

static enum weft_err handle(
    void *arg, const struct weft_request *q, char **ret_json, char **ret_error)
{
    ck_assert_str_eq(q->caller, "network/alice");
    ck_assert_str_eq(q->json, "{\"station\":\"north\"}");
    ck_assert(q->deadline_ms > 0 && q->deadline_ms <= 60000);
    if (strcmp(arg, "fails") == 0) {
        *ret_error = strdup("the station burnt down");
        return WEFT_E_PROVIDER;
    }
    *ret_json = strdup(strcmp(arg, "odd") == 0 ? "{\"warmth\":\"x\"}" : "{\"station\":\"north\"}");
    return WEFT_OK;
}

static const struct {
    const char *how, *method;
    enum weft_err want;
    const char *error;
    size_t len;
} calls[] = {
    { "well", "Last", WEFT_OK, "", 7 },
    { "fails", "Last", WEFT_E_PROVIDER, "the station burnt down", 0 },
    { "odd", "Last", WEFT_E_PROVIDER, "does not fit its schema: warmth", 0 },
    { "well", "Nope", WEFT_E_METHOD, "no method Nope", 0 },
};

START_TEST(a_handler_answers_calls)
{
    struct weft_service *service = NULL;
    char how[16];

    snprintf(how, sizeof how, "%s", calls[_i].how);
    snprintf(h.task_method, sizeof h.task_method, "%s", calls[_i].method);
    ck_assert_int_eq(wf_buf_append(&h.task_request, WF_STR("\x0a\x05north")), WEFT_OK);
    atomic_store(&h.tasks, 1);
    ck_assert_msg(weft_serve(c, "servers/stations", handle, how, &service, &problem) == WEFT_OK,
        "%s", problem.text);
    struct weft_whoami who;
    for (int i = 0; i < 20000 && atomic_load(&h.answers) == 0; i++)
        ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
    weft_service_stop(service);
    ck_assert_int_eq(atomic_load(&h.answers), 1);
    ck_assert_int_eq(atomic_load(&h.answer_code), calls[_i].want);
    ck_assert_msg(strstr(h.answer_error, calls[_i].error) != NULL, "%s", h.answer_error);
    ck_assert_uint_eq(h.answer.len, calls[_i].len);
}
END_TEST

START_TEST(only_an_api_is_served)
{
    struct weft_service *service = NULL;

    ck_assert_int_eq(
        weft_serve(c, "servers/readings", handle, NULL, &service, &problem), WEFT_E_UNSUPPORTED);
    ck_assert_int_eq(
        weft_serve(c, "servers/nothing", handle, NULL, &service, &problem), WEFT_E_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.publish");
    TCase *t = tcase_create("writing");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, everything_published_arrives_in_batches);
    tcase_add_test(t, batches_have_the_size_that_the_product_says);
    tcase_add_test(t, a_product_of_large_batches_has_few);
    tcase_add_test(t, a_single_record_leaves_with_its_linger);
    tcase_add_loop_test(t, a_refusal_that_passes_is_tried_again, 0, (int)WF_COUNT(passing));
    tcase_add_test(t, a_batch_that_overtook_another_goes_again);
    tcase_add_test(t, a_lost_reply_doubles_nothing);
    tcase_add_test(t, a_lost_connection_doubles_nothing);
    tcase_add_test(t, a_publisher_with_its_own_id_goes_on_at_its_mark);
    tcase_add_test(t, a_final_refusal_sticks_and_names_its_reason);
    tcase_add_test(t, a_node_without_our_earlier_records_is_an_error_not_a_loop);
    tcase_add_test(t, batches_grow_while_others_wait_and_are_bounded_in_bytes_under_way);
    tcase_add_test(t, a_full_queue_waits_then_says_so);
    tcase_add_test(t, a_full_queue_of_a_product_that_drops_never_waits_and_counts);
    tcase_add_test(t, a_loss_that_is_under_way_keeps_its_count);
    tcase_add_loop_test(
        t, what_does_not_fit_is_refused_at_once_with_its_place, 0, (int)WF_COUNT(bad));
    tcase_add_test(t, bytes_that_are_no_record_are_refused);
    tcase_add_test(t, an_inventory_takes_deletes_and_snapshots);
    tcase_add_test(t, an_id_of_one_process_is_no_applications_id);
    tcase_add_test(t, a_product_that_is_not_there_is_told);
    tcase_add_loop_test(t, a_handler_answers_calls, 0, (int)WF_COUNT(calls));
    tcase_add_test(t, only_an_api_is_served);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
