// SPDX-License-Identifier: Apache-2.0
// PUBLISH requests that overtake each other on the local socket.
#include <check.h>
#include <unistd.h>

#include "node/early.h"
#include "tests/support/streamrig.h"

#define EACH 10u // records in a request

static const uint8_t publisher[16] = { 7 }, stranger[16] = { 8 };
static struct streamrig rig;
static struct wf_home_product *product;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

// Request `index` of a publisher: its records [index * EACH, (index + 1) * EACH).
static struct streamrig_call *request(const uint8_t *id, unsigned index)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__PublishRequest *q = wf_arena_alloc(&c->arena, sizeof *q);
    struct wf_records rows = streamrig_rows((int64_t)index * EACH, EACH);
    uint8_t *raw = wf_arena_alloc(&c->arena, rows.raw.len);

    memcpy(raw, rows.raw.ptr, rows.raw.len);
    weft__v1__publish_request__init(q);
    q->product = (char *)(uintptr_t) "rows";
    q->publisher = wf_pb_bin(wf_bytes(id, 16));
    q->seq = (uint64_t)index * EACH;
    q->records = wf_pb_bin(wf_bytes(raw, rows.raw.len));
    q->base_us = rows.base_us;
    q->count = EACH;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_PUBLISH;
    c->request.publish = q;
    c->caller.local = true;
    c->caller.uid = (uint32_t)getuid();
    wf_records_fini(&rows);
    return c;
}

static void send(struct streamrig_call *c)
{
    streamrig_send(&rig, c, wf_publish_handle);
}

// The publisher opens: from then on its numbering counts from 0.
static void open_publisher(const uint8_t *id)
{
    struct streamrig_call *c = request(id, 0);

    c->request.publish->records.len = 0;
    send(c);
    ck_assert(c->answered);
    ck_assert_int_eq(c->err, WEFT_OK);
    streamrig_call_free(c);
}

static const unsigned orders[][4] = {
    { 0, 1, 2, 3 },
    { 1, 0, 2, 3 },
    { 3, 2, 1, 0 },
    { 2, 3, 0, 1 },
    { 1, 3, 2, 0 },
};

START_TEST(requests_in_any_order_are_taken_in_their_own)
{
    struct streamrig_call *calls[4];

    open_publisher(publisher);
    for (size_t i = 0; i < 4; i++) {
        calls[i] = request(publisher, orders[_i][i]);
        send(calls[i]);
    }
    ck_assert_uint_eq(rig.control.early_count, 0);
    for (size_t i = 0; i < 4; i++) {
        STREAMRIG_UNTIL(&rig, calls[i]->answered);
        ck_assert_int_eq(calls[i]->err, WEFT_OK);
        streamrig_call_free(calls[i]);
    }
    ck_assert_uint_eq(wf_home_head(product), 4 * EACH);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, product, publisher), 4 * EACH);
}
END_TEST

// The publisher's word that its records [from, end) are dropped.
static enum weft_err say_dropped(uint64_t from, uint64_t end)
{
    struct streamrig_call *c = request(publisher, 0);
    Weft__V1__PublishRequest *q = c->request.publish;

    q->records.len = 0;
    q->seq = from;
    q->count = (uint32_t)(end - from);
    q->lost = true;
    send(c);
    STREAMRIG_UNTIL(&rig, c->answered);
    enum weft_err err = c->err;
    streamrig_call_free(c);
    return err;
}

static bool add_loss(void *arg, const struct wf_log_view *v)
{
    uint64_t *sums = arg; // records, lost
    struct wf_entry e;
    struct wf_batch_header h;

    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (e.is_reset)
        return true;
    ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
    sums[h.kind == WF_BATCH_LOSS] += h.count;
    if (h.kind == WF_BATCH_LOSS)
        ck_assert_mem_eq(h.publisher, publisher, sizeof publisher);
    return true;
}

static void check_log(uint64_t records, uint64_t lost)
{
    uint64_t sums[2] = { 0, 0 }, next = 0;
    struct wf_log_reader r = { .product = product->collect->product.id,
        .max_bytes = 1u << 20,
        .visit = add_loss,
        .arg = sums,
        .scratch = &rig.node.stream->scratch };

    ck_assert_int_eq(wf_log_read(rig.node.log, &r, &next), WEFT_OK);
    ck_assert_msg(sums[0] == records && sums[1] == lost, "%llu records, %llu lost",
        (unsigned long long)sums[0], (unsigned long long)sums[1]);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, product, publisher), records + lost);
}

START_TEST(what_a_publisher_dropped_is_a_signed_loss_counted_once)
{
    open_publisher(publisher);
    struct streamrig_call *c = request(publisher, 0);
    send(c);
    STREAMRIG_UNTIL(&rig, c->answered);
    streamrig_call_free(c);
    ck_assert_int_eq(say_dropped(EACH, 500), WEFT_OK);
    check_log(EACH, 500 - EACH);
    ck_assert_int_eq(say_dropped(EACH, 500), WEFT_OK); // it did not hear the answer
    check_log(EACH, 500 - EACH);
    ck_assert_int_eq(say_dropped(EACH, 520), WEFT_OK); // and has dropped more meanwhile
    check_log(EACH, 520 - EACH);
    ck_assert_int_eq(say_dropped(530, 540), WEFT_E_ORDER);
    c = request(publisher, 52); // goes on behind it
    send(c);
    STREAMRIG_UNTIL(&rig, c->answered);
    ck_assert_int_eq(c->err, WEFT_OK);
    streamrig_call_free(c);
    check_log(2 * EACH, 520 - EACH);
    // The mark lies in the log with it.
    streamrig_close(&rig);
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
    check_log(2 * EACH, 520 - EACH);
}
END_TEST

START_TEST(a_loss_with_records_or_without_a_number_is_refused)
{
    open_publisher(publisher);
    struct streamrig_call *c = request(publisher, 0);
    c->request.publish->lost = true;
    send(c);
    ck_assert_int_eq(c->err, WEFT_E_RANGE);
    streamrig_call_free(c);
    ck_assert_int_eq(say_dropped(0, 0), WEFT_E_MISSING_FIELD);
    ck_assert_int_eq(say_dropped(0, WF_MAX_LOSS_RECORDS + 1ull), WEFT_E_RANGE);
    check_log(0, 0);
}
END_TEST

START_TEST(one_whose_predecessor_never_comes_is_refused_in_time)
{
    open_publisher(publisher);
    struct streamrig_call *c = request(publisher, 1);
    int64_t begun = wf_node_now_ms(&rig.node);

    send(c);
    ck_assert(!c->answered);
    ck_assert_uint_eq(rig.control.early_count, 1);
    STREAMRIG_UNTIL(&rig, c->answered);
    ck_assert_int_eq(c->err, WEFT_E_ORDER);
    ck_assert_int_ge(wf_node_now_ms(&rig.node) - begun, WF_EARLY_MS);
    ck_assert_uint_eq(rig.control.early_count, 0);
    ck_assert_uint_eq(wf_home_head(product), 0);
    streamrig_call_free(c);
}
END_TEST

START_TEST(another_publisher_does_not_free_it)
{
    open_publisher(publisher);
    open_publisher(stranger);
    struct streamrig_call *early = request(publisher, 1), *other = request(stranger, 0);

    send(early);
    send(other);
    STREAMRIG_UNTIL(&rig, other->answered);
    ck_assert_int_eq(other->err, WEFT_OK);
    ck_assert(!early->answered);
    STREAMRIG_UNTIL(&rig, early->answered);
    ck_assert_int_eq(early->err, WEFT_E_ORDER);
    streamrig_call_free(early);
    streamrig_call_free(other);
}
END_TEST

START_TEST(one_whose_caller_went_away_is_forgotten)
{
    open_publisher(publisher);
    struct streamrig_call *gone = request(publisher, 1), *next = request(publisher, 0);

    send(gone);
    ck_assert_ptr_nonnull(gone->pub.on_gone);
    gone->pub.on_gone(&gone->pub, gone->pub.gone_arg);
    ck_assert_uint_eq(rig.control.early_count, 0);
    streamrig_call_free(gone);
    send(next);
    STREAMRIG_UNTIL(&rig, next->answered);
    ck_assert_uint_eq(wf_home_head(product), EACH);
    streamrig_call_free(next);
}
END_TEST

START_TEST(only_so_many_wait)
{
    struct streamrig_call *calls[WF_EARLY_MAX + 1];

    open_publisher(publisher);
    for (unsigned i = 0; i <= WF_EARLY_MAX; i++) {
        calls[i] = request(publisher, i + 1);
        send(calls[i]);
        ck_assert_int_eq(calls[i]->answered, i == WF_EARLY_MAX);
    }
    ck_assert_int_eq(calls[WF_EARLY_MAX]->err, WEFT_E_ORDER);
    struct streamrig_call *first = request(publisher, 0);
    send(first);
    for (unsigned i = 0; i <= WF_EARLY_MAX; i++) {
        STREAMRIG_UNTIL(&rig, calls[i]->answered);
        ck_assert_int_eq(calls[i]->err, i == WF_EARLY_MAX ? WEFT_E_ORDER : WEFT_OK);
        streamrig_call_free(calls[i]);
    }
    ck_assert(first->answered);
    streamrig_call_free(first);
    ck_assert_uint_eq(wf_home_head(product), (WF_EARLY_MAX + 1) * EACH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_publish");
    TCase *t = tcase_create("order");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, requests_in_any_order_are_taken_in_their_own, 0, (int)WF_COUNT(orders));
    tcase_add_test(t, what_a_publisher_dropped_is_a_signed_loss_counted_once);
    tcase_add_test(t, a_loss_with_records_or_without_a_number_is_refused);
    tcase_add_test(t, one_whose_predecessor_never_comes_is_refused_in_time);
    tcase_add_test(t, another_publisher_does_not_free_it);
    tcase_add_test(t, one_whose_caller_went_away_is_forgotten);
    tcase_add_test(t, only_so_many_wait);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
