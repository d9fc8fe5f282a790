// SPDX-License-Identifier: Apache-2.0
// Limits of a node's memory, each at its edge: one below goes, one more is refused or takes the place of the oldest. Each test has the name of
// its limit.
#include "node/admit.h"
#include "node/replays.h"
#include "tests/node/stream_reader.h"

// ---- WF_PUBLISHERS_MAX, WF_OLD_LOGS_MAX, WF_EPOCHS_KEPT_MAX -----------------------------------------------------------------

static void publisher_id(uint32_t n, uint8_t id[WF_PUBLISHER_LEN])
{
    memset(id, 0, WF_PUBLISHER_LEN);
    wf_store_be32(id, n + 1);
}

static bool has_publisher(uint32_t n)
{
    uint8_t id[WF_PUBLISHER_LEN];

    publisher_id(n, id);
    return wf_publisher_find(product, id) != NULL;
}

static void need_publisher(uint32_t n)
{
    uint8_t id[WF_PUBLISHER_LEN];
    struct wf_publisher *u = NULL;

    publisher_id(n, id);
    ck_assert_int_eq(wf_publisher_need(product, id, 1000 + n, &u), WEFT_OK);
}

START_TEST(publishers_max_one_more_takes_the_place_of_the_longest_unused)
{
    for (uint32_t i = 0; i < WF_PUBLISHERS_MAX; i++)
        need_publisher(i);
    ck_assert_uint_eq(product->publisher_count, WF_PUBLISHERS_MAX);
    ck_assert(has_publisher(0));
    need_publisher(WF_PUBLISHERS_MAX);
    ck_assert_uint_eq(product->publisher_count, WF_PUBLISHERS_MAX);
    ck_assert(!has_publisher(0));
    ck_assert(has_publisher(1) && has_publisher(WF_PUBLISHERS_MAX));
}
END_TEST

// `weft publish` a thousand times must not cost a writer its place in its own numbers.
START_TEST(publishers_of_one_process_go_before_those_that_come_again)
{
    uint8_t id[WF_PUBLISHER_LEN] = { 0 };
    struct wf_publisher *u = NULL;

    need_publisher(0);
    for (uint32_t i = 0; i < 2 * WF_PUBLISHERS_MAX; i++) {
        wf_store_be32(id + WF_PUBLISHER_BRIEF, i + 1);
        ck_assert_int_eq(wf_publisher_need(product, id, 2000 + i, &u), WEFT_OK);
    }
    ck_assert_uint_eq(product->publisher_count, WF_PUBLISHERS_MAX);
    ck_assert(has_publisher(0));
    need_publisher(1); // and another one that stays finds a place
    ck_assert(has_publisher(0) && has_publisher(1));
    ck_assert_ptr_nonnull(wf_publisher_find(product, id));
}
END_TEST

// ---- WF_MAX_CURSOR_MARKS: the origins of a product --------------------------------------------------------------------------

#define DAY 86400000ll

static struct wf_sign_pub origin_key(uint32_t n)
{
    struct wf_sign_pub key = { { 0 } };

    wf_store_be32(key.b, n + 1);
    return key;
}

// One whose last batch came so long ago.
static void need_origin(uint32_t n, int64_t age_ms)
{
    const struct wf_sign_pub key = origin_key(n);
    struct wf_origin *o = NULL;

    ck_assert_int_eq(wf_origin_need(product, &key, &o), WEFT_OK);
    o->durable.incarnation = o->ahead.incarnation = (struct wf_incarnation){ n + 1, 7 };
    o->durable.next_seq = o->ahead.next_seq = 100 + n;
    o->last_ms = wf_node_now_unix_ms(&rig.node) - age_ms;
}

static bool has_origin(uint32_t n)
{
    const struct wf_sign_pub key = origin_key(n);

    return wf_origin_find(product, &key) != NULL;
}

static enum weft_err one_more_origin(uint32_t n)
{
    const struct wf_sign_pub key = origin_key(n);
    struct wf_origin *o = NULL;

    return wf_origin_need(product, &key, &o);
}

START_TEST(cursor_marks_max_the_longest_silent_origin_makes_room_and_no_living_one)
{
    for (uint32_t i = 0; i < WF_MAX_CURSOR_MARKS; i++)
        need_origin(i, 6 * DAY);
    ck_assert_int_eq(one_more_origin(WF_MAX_CURSOR_MARKS), WEFT_E_FULL);
    need_origin(17, 9 * DAY);
    need_origin(23, 8 * DAY);
    need_origin(29, 20 * DAY);
    wf_origin_find(product, &(struct wf_sign_pub){ { 0, 0, 0, 30 } })->ahead.next_seq++;
    need_origin(WF_MAX_CURSOR_MARKS, 0);
    ck_assert_msg(!has_origin(17) && has_origin(23), "the longest silent goes");
    ck_assert_msg(has_origin(29), "not while a batch of it is on its way");
    ck_assert_uint_eq(product->origin_count, WF_MAX_CURSOR_MARKS);
    const struct wf_ended *e = &product->ended[product->ended_count - 1];
    ck_assert(e->incarnation.counter == 18 && e->next_seq == 117); // where it ended is known still
    ck_assert_int_eq(one_more_origin(17), WEFT_OK);                // it comes back: 23 goes
    ck_assert(!has_origin(23) && has_origin(17));
    for (uint32_t i = 1; i < product->origin_count; i++)
        ck_assert_int_lt(
            memcmp(product->origins[i - 1].key.b, product->origins[i].key.b, WF_KEY_LEN), 0);
}
END_TEST

static enum weft_err range_in_log(const struct streamrig_call *l, uint64_t log)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__RangeRequest q = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__Incarnation id = WEFT__V1__INCARNATION__INIT;

    id.counter = log;
    id.random = 1;
    q.lease_id = l->reply->lease->lease_id;
    q.log_id = &id;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
    c->request.range = &q;
    streamrig_send(&rig, c, wf_range_handle);
    STREAMRIG_UNTIL(&rig, c->answered);
    enum weft_err err = c->err;
    c->request.range = NULL;
    streamrig_call_free(c);
    return err;
}

START_TEST(old_logs_max_a_position_in_an_older_one_is_of_no_log)
{
    struct streamrig_call *l = lease();

    product->log_count = 0;
    for (uint64_t i = 1; i <= WF_OLD_LOGS_MAX; i++)
        ck_assert_int_eq(wf_logs_add(product, &(struct wf_incarnation){ i, 1 }, 0), WEFT_OK);
    ck_assert_uint_eq(product->log_count, WF_OLD_LOGS_MAX);
    ck_assert_int_eq(range_in_log(l, 1), WEFT_OK);
    ck_assert_int_eq(
        wf_logs_add(product, &(struct wf_incarnation){ WF_OLD_LOGS_MAX + 1, 1 }, 0), WEFT_OK);
    ck_assert_uint_eq(product->log_count, WF_OLD_LOGS_MAX);
    ck_assert_int_eq(range_in_log(l, 1), WEFT_E_LOG_ID);
    ck_assert_int_eq(range_in_log(l, 2), WEFT_OK);
    streamrig_call_free(l);
}
END_TEST

// So many kept keys as if each had an entry; the numbers begin with 1.
static void keep_keys(size_t count)
{
    product->kept = realloc(product->kept, (count + 16) * sizeof *product->kept);
    ck_assert_ptr_nonnull(product->kept);
    product->kept_cap = count + 16;
    product->kept_count = count;
    for (size_t i = 0; i < count; i++)
        product->kept[i] = (struct wf_kept_epoch){ .number = i + 1, .first = 0, .end = 1 };
}

static void begin_epoch(uint64_t number)
{
    struct wf_epoch e = { .number = number };

    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &e.key), WEFT_OK);
    ck_assert_int_eq(wf_epochs_begin(product, &e), WEFT_OK);
    wf_secret_fini(&e.key);
}

START_TEST(epochs_kept_max_the_oldest_key_goes)
{
    publish(0, 1);
    keep_keys(WF_EPOCHS_KEPT_MAX - 1);
    begin_epoch(100001);
    ck_assert_uint_eq(product->kept_count, WF_EPOCHS_KEPT_MAX);
    ck_assert_uint_eq(product->kept[0].number, 1);
    product->kept[product->kept_count - 1].first = 0; // it has an entry
    begin_epoch(100002);
    ck_assert_uint_eq(product->kept_count, WF_EPOCHS_KEPT_MAX);
    ck_assert_uint_eq(product->kept[0].number, 2);
    product->kept_count = 0; // the file holds as many
    ck_assert_int_eq(wf_epochs_load(product), WEFT_OK);
    ck_assert_uint_eq(product->kept_count, WF_EPOCHS_KEPT_MAX);
}
END_TEST

// ---- WF_PENDING_MAX, WF_AHEAD_BYTES, WF_SERVED_MAX --------------------------------------------------------------------------

static const uint8_t publisher[WF_PUBLISHER_LEN] = { 1 };

// The packed length of the next batch of one record; it is acknowledged.
static size_t batch_len(uint64_t seq)
{
    size_t before = rig.done_count;

    ck_assert_int_eq(streamrig_publish(&rig, product, 7, 1, publisher, seq), WEFT_OK);
    size_t len = product->room->pending_bytes;
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    ck_assert_uint_eq(product->room->pending_bytes, 0);
    return len;
}

START_TEST(pending_max_what_the_log_has_not_acknowledged_is_bounded)
{
    (void)batch_len(0); // from the second on they are all alike
    size_t len = batch_len(1);

    ck_assert_uint_eq(batch_len(2), len);
    size_t before = rig.done_count;
    product->room->pending_bytes = WF_PENDING_MAX - len + 1;
    ck_assert_int_eq(streamrig_publish(&rig, product, 7, 1, publisher, 3), WEFT_E_FULL);
    ck_assert_uint_eq(product->room->pending_full, 1);
    product->room->pending_bytes = WF_PENDING_MAX - len;
    ck_assert_int_eq(streamrig_publish(&rig, product, 7, 1, publisher, 3), WEFT_OK);
    ck_assert_uint_eq(product->room->pending_bytes, WF_PENDING_MAX);
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
}
END_TEST

START_TEST(ahead_bytes_the_stream_pauses_until_its_fastest_reader_follows)
{
    struct streamrig_call *l = lease();

    (void)batch_len(0); // from the second on they are all alike
    size_t len = batch_len(1);
    ck_assert_uint_eq(product->sent_count, 2);
    product->sent_bytes = WF_AHEAD_BYTES - len;
    ck_assert_uint_eq(batch_len(2), len);
    ck_assert_uint_eq(product->count.paused, 0);
    ck_assert_uint_eq(product->sent_bytes, WF_AHEAD_BYTES);
    product->sent_bytes = WF_AHEAD_BYTES - len + 1;
    ck_assert_uint_eq(batch_len(3), len); // acknowledged all the same
    ck_assert_uint_eq(product->count.paused, 1);
    ck_assert_uint_eq(product->sent_count, 3);
    streamrig_call_free(l);
}
END_TEST

static void put_row(struct wf_records *r, size_t host_len)
{
    static uint8_t row[WF_MAX_RECORD];
    int64_t now_us = wf_node_now_unix_ms(&rig.node) * 1000;

    row[0] = 1 << 3 | 2;
    size_t at = 1 + wf_varint_put(row + 1, host_len);
    memset(row + at, 'h', host_len);
    ck_assert_int_eq(wf_records_put(r, WF_OP_PUT, now_us, wf_bytes(row, at + host_len)), WEFT_OK);
}

// A batch of an agent with about so many bytes, not compressed.
static struct wf_buf batch_with(const struct streamrig_origin *o, size_t bytes)
{
    struct wf_records r = { 0 };

    for (; bytes > 150000; bytes -= 100000)
        put_row(&r, 100000);
    put_row(&r, bytes);
    struct wf_batch_header h = { .product_id = wf_home_descriptor(product)->id,
        .schema_hash = wf_home_descriptor(product)->schema_hash,
        .certificate = o->identity.cert.id,
        .incarnation = o->incarnation,
        .count = r.count,
        .base_us = r.base_us,
        .min_us = r.min_us,
        .max_us = r.max_us };
    struct wf_buf batch = streamrig_batch_of(&h, wf_buf_view(&r.raw), &o->key);
    wf_records_fini(&r);
    return batch;
}

START_TEST(served_max_a_batch_that_fits_no_reply_is_refused)
{
    struct streamrig_origin o = streamrig_agent(&rig, "web-1");
    struct wf_buf guess = batch_with(&o, WF_SERVED_MAX - 1000);
    size_t over = guess.len - (WF_SERVED_MAX - 1000), before = rig.done_count;
    struct wf_diag diag = { 0 };

    for (size_t more = 1; more < 2; more--) {
        struct wf_buf batch = batch_with(&o, WF_SERVED_MAX - over + more);
        ck_assert_uint_eq(batch.len, WF_SERVED_MAX + more);
        enum weft_err err = wf_stream_accept(
            &rig.node, product, &o.identity, wf_buf_view(&batch), streamrig_on_done, &rig, &diag);
        ck_assert_int_eq(err, more ? WEFT_E_TOO_BIG : WEFT_OK);
        wf_buf_fini(&batch);
    }
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
    wf_buf_fini(&guess);
    streamrig_agent_fini(&o);
}
END_TEST

// ---- WF_REPLAYS_MAX, WF_PLACES_MAX --------------------------------------------------------------------------------------------

static struct wf_bytes replay_key(uint32_t n)
{
    static uint8_t key[4];

    wf_store_be32(key, n);
    return WF_BYTES(key);
}

START_TEST(replays_max_the_oldest_reply_is_forgotten)
{
    struct wf_replays *r = NULL;
    struct wf_hash request = wf_test_hash("request");
    struct wf_bytes reply;

    ck_assert_int_eq(wf_replays_new(&r), WEFT_OK);
    for (uint32_t i = 0; i < WF_REPLAYS_MAX; i++)
        ck_assert_int_eq(
            wf_replays_put(r, WF_STR("who"), replay_key(i), &request, WF_STR("reply"), 1), WEFT_OK);
    ck_assert_int_eq(wf_replays_get(r, WF_STR("who"), replay_key(0), &request, 1, &reply), WEFT_OK);
    ck_assert_int_eq(
        wf_replays_put(r, WF_STR("who"), replay_key(WF_REPLAYS_MAX), &request, WF_STR("reply"), 1),
        WEFT_OK);
    ck_assert_int_eq(
        wf_replays_get(r, WF_STR("who"), replay_key(0), &request, 1, &reply), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_replays_get(r, WF_STR("who"), replay_key(1), &request, 1, &reply), WEFT_OK);
    size_t count = 0, bytes = 0;
    wf_replays_size(r, &count, &bytes);
    ck_assert_uint_eq(count, WF_REPLAYS_MAX);
    wf_replays_free(r);
}
END_TEST

static struct wf_addr_key address(uint32_t n)
{
    uint8_t ip[4] = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    struct wf_addr_key key;

    ck_assert_int_eq(wf_addr_key(WF_BYTES(ip), &key), WEFT_OK);
    return key;
}

// Where a known key proved itself, a dry address still lets known keys in; a stranger's does not.
static bool is_place(struct wf_admit *door, uint32_t n)
{
    struct wf_admit_ask ask = { .from = address(n), .first = true, .now_ms = 1000 };
    struct wf_admit_pass pass = { 0 };

    for (int i = 0; i < 1000; i++) {
        if (wf_admit_address(door, &ask, &pass))
            return false;
        if (pass.by == WF_ADMIT_BY_LOOK)
            return true;
    }
    ck_abort_msg("an address that is never dry");
}

static size_t places(uint32_t proved)
{
    struct wf_admit *door = NULL;
    size_t count = 0;

    ck_assert_int_eq(wf_admit_new(&door), WEFT_OK);
    for (uint32_t i = 0; i < proved; i++) {
        struct wf_addr_key from = address(i);
        struct wf_dh_pub key = { { 0 } };
        wf_store_be32(key.b, i);
        wf_admit_prove(door, &key, "servers", &from, (int64_t)i);
    }
    while (is_place(door, UINT16_MAX << 8)) // what all strangers share
        ;
    ck_assert(is_place(door, proved - 1)); // the newest always is
    for (uint32_t i = 0; i < proved - 1; i++)
        count += is_place(door, i);
    wf_admit_free(door);
    return count + 1;
}

START_TEST(places_max_of_more_addresses_the_longest_unseen_are_forgotten)
{
    ck_assert_uint_eq(places(64), 64);
    size_t full = places(4 * WF_PLACES_MAX);
    ck_assert_uint_le(full, WF_PLACES_MAX);
    ck_assert_uint_gt(full, WF_PLACES_MAX * 9 / 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.limits");
    TCase *t = tcase_create("limits"), *alone = tcase_create("alone");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, publishers_of_one_process_go_before_those_that_come_again);
    tcase_add_test(t, publishers_max_one_more_takes_the_place_of_the_longest_unused);
    tcase_add_test(t, cursor_marks_max_the_longest_silent_origin_makes_room_and_no_living_one);
    tcase_add_test(t, old_logs_max_a_position_in_an_older_one_is_of_no_log);
    tcase_add_test(t, epochs_kept_max_the_oldest_key_goes);
    tcase_add_test(t, pending_max_what_the_log_has_not_acknowledged_is_bounded);
    tcase_add_test(t, ahead_bytes_the_stream_pauses_until_its_fastest_reader_follows);
    tcase_add_test(t, served_max_a_batch_that_fits_no_reply_is_refused);
    tcase_add_test(alone, replays_max_the_oldest_reply_is_forgotten);
    tcase_add_test(alone, places_max_of_more_addresses_the_longest_unseen_are_forgotten);
    suite_add_tcase(s, t);
    suite_add_tcase(s, alone);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
