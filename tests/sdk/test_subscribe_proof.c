// SPDX-License-Identifier: Apache-2.0
// Who may have said it, and where: a batch is of the product that its header names, lies within the numbers of a log, and was taken by the home
// while its certificate held or could still be renewed. And whose lease it is.
#include "proto/trust/product.h"
#include "sdk/subscribe_int.h"
#include "tests/sdk/reader_rig.h"

#define COUNT 2u

// An entry that somebody makes who has an origin's key: one batch in the place after the head, but for what is named here.
struct odd {
    const struct wf_hash *product_id; // NULL: the right one
    uint64_t offset;                  // 0: the head
    int64_t append_ms;                // 0: now
    unsigned origin;
};

static struct wf_hash make(const struct odd *odd, struct wf_buf *packed, struct wf_entry *e)
{
    struct wf_home_origin *o = &h.origins[odd->origin];
    struct wf_records r = { 0 };
    struct wf_buf envelope = { 0 };
    struct wf_hash id;

    for (unsigned i = 0; i < COUNT; i++) {
        char data[40]; // a Reading with its first field, the station's name
        int len = snprintf(
            data + 2, sizeof data - 2, "%u-%llu", odd->origin, (unsigned long long)(o->seq + i));
        data[0] = 0x0a;
        data[1] = (char)len;
        ck_assert_int_eq(
            wf_records_put(&r, WF_OP_PUT, WF_TEST_NOW * 1000, wf_bytes(data, 2 + (size_t)len)),
            WEFT_OK);
    }
    struct wf_batch_header f = { .kind = WF_BATCH_DATA,
        .product_id = odd->product_id ? *odd->product_id : h.product_id,
        .schema_hash = h.schema,
        .certificate = o->cert,
        .incarnation = o->incarnation,
        .first_seq = o->seq,
        .previous = o->last,
        .count = COUNT,
        .base_us = r.base_us,
        .min_us = r.min_us,
        .max_us = r.max_us,
        .raw_len = (uint32_t)r.raw.len };
    ck_assert_int_eq(wf_batch_sign(&f, wf_buf_view(&r.raw), &o->key, &envelope, &id), WEFT_OK);
    *e = (struct wf_entry){ .log_id = h.log_id,
        .offset = odd->offset ? odd->offset : h.head,
        .append_ms = odd->append_ms ? odd->append_ms : wf_test_clock_unix_ms(),
        .epoch = h.epoch,
        .previous = h.head_hash,
        .header = wf_buf_view(&envelope),
        .payload = wf_buf_view(&r.raw) };
    ck_assert_int_eq(wf_entry_pack(e, packed), WEFT_OK);
    wf_buf_fini(&envelope);
    wf_records_fini(&r);
    return id;
}

// As a frame: whoever holds the epoch key can send it.
static void send_odd(const struct odd *odd)
{
    struct wf_buf packed = { 0 }, sealed = { 0 };
    struct wf_entry e;

    pthread_mutex_lock(&h.mutex);
    make(odd, &packed, &e);
    struct wf_frame f = { .entry_count = 1, .entries = { wf_buf_view(&packed) } };
    ck_assert_int_eq(wf_frame_seal(&h.sealer, &f, &sealed), WEFT_OK);
    ck_assert_int_eq(wf_net_pub_send(h.pub, &sealed), WEFT_OK);
    wf_buf_fini(&sealed);
    wf_buf_fini(&packed);
    pthread_mutex_unlock(&h.mutex);
}

// Into the home's log, as a home would that did not look.
static void append_odd(const struct odd *odd)
{
    struct wf_entry e;

    pthread_mutex_lock(&h.mutex);
    struct wf_home_origin *o = &h.origins[odd->origin];
    struct wf_home_entry *to = &h.log[h.count++];
    *to = (struct wf_home_entry){ .log_id = h.log_id, .offset = h.head, .end = h.head + COUNT };
    o->last = make(odd, &to->packed, &e);
    wf_entry_hash(&e, &h.product_id, &o->last, &h.head_hash);
    o->seq += COUNT;
    h.head += COUNT;
    pthread_mutex_unlock(&h.mutex);
}

static void check_refused(const struct odd *odd)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(2, 3);
    take_until_got(6);
    take_until_state(WEFT_STREAM_LIVE);
    ck_assert_uint_eq(stats().verify_failures, 0);
    send_odd(odd);
    append(2, 3); // behind it on the same connection
    for (int left = PATIENCE_MS; !stats().verify_failures && got == 6 && left > 0; left -= 20)
        take(20);
    ck_assert_uint_eq(stats().verify_failures, 1);
    take_until_got(12);
    ck_assert_uint_eq(stats().verify_failures, 1);
    ck_assert_uint_eq(lost, 0);
}

// Everything in it is right, and its origin may publish both products: it was signed for the other.
START_TEST(a_batch_of_another_product_is_refused)
{
    struct wf_hash another;

    wf_product_id(&m.mesh.charter->mesh_id, "servers", "hosts", 1, &another);
    check_refused(&(struct odd){ .product_id = &another });
}
END_TEST

START_TEST(a_batch_beyond_the_last_number_of_a_log_is_refused)
{
    check_refused(&(struct odd){ .offset = UINT64_MAX - COUNT + 1 });
}
END_TEST

// ---- in the time of its certificate --------------------------------------------------------------------------------------

#define NOT_BEFORE (WF_TEST_NOW - WF_TEST_HOUR) // of the origins' certificates
#define NOT_AFTER  (NOT_BEFORE + 7 * WF_TEST_DAY)

static const struct {
    const char *why;
    int64_t at_ms;
    enum weft_err code;
} times[] = {
    { "a moment too soon", NOT_BEFORE - WF_CLOCK_TOLERANCE_MS - 1, WEFT_E_NOT_YET },
    { "as soon as clocks may differ", NOT_BEFORE - WF_CLOCK_TOLERANCE_MS, WEFT_OK },
    { "while it could be renewed", NOT_AFTER + WF_RENEW_GRACE_MS - 1, WEFT_OK },
    { "from when it could not", NOT_AFTER + WF_RENEW_GRACE_MS, WEFT_E_EXPIRED },
};

START_TEST(a_batch_is_of_the_time_of_its_certificate)
{
    uint64_t refused = times[_i].code ? COUNT : 0;

    append_odd(&(struct odd){ .append_ms = times[_i].at_ms, .origin = 1 });
    wf_fakehome_append(&h, 0, 3);
    subscribe(WEFT_FROM_EARLIEST, 0);
    for (int left = PATIENCE_MS; got + lost < 3 + COUNT && left > 0; left -= 20)
        take(20);
    ck_assert_msg(got == 3 + COUNT - refused && lost == refused, "%s: %llu records, %llu lost",
        times[_i].why, (unsigned long long)got, (unsigned long long)lost);
    ck_assert_msg(
        !refused || last_loss == times[_i].code, "%s: %s", times[_i].why, weft_err_name(last_loss));
    ck_assert_uint_eq(stats().verify_failures, refused ? 1 : 0);
}
END_TEST

// ---- whose lease it is ---------------------------------------------------------------------------------------------------

static wf_fake_fn home;
static atomic_bool other_home; // leases name another key than the advert's signer
static atomic_int other_leases;

static void answer(void *arg, const struct wf_fake_call *call, Weft__V1__Reply *reply)
{
    static struct wf_sign_pub other;

    home(arg, call, reply);
    if (reply->kind_case != WEFT__V1__REPLY__KIND_LEASE || !atomic_load(&other_home))
        return;
    other = m.mesh.d[WF_TEST_SECURITY].node_pub;
    reply->lease->home_key = wf_pb_bin(WF_BYTES(other.b));
    atomic_fetch_add(&other_leases, 1);
}

// The heartbeat in it is still of the home that the advert names: only the key that the lease names says that the product went elsewhere.
START_TEST(a_lease_of_another_home_leads_to_looking_again)
{
    home = m.other;
    atomic_store(&other_home, true);
    atomic_store(&other_leases, 0);
    m.other = answer;
    append(2, 3);
    subscribe(WEFT_FROM_EARLIEST, 0);
    for (int left = PATIENCE_MS; atomic_load(&other_leases) < 3 && !got && left > 0; left -= 20)
        take(20);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_ge(atomic_load(&other_leases), 3); // soon, and again
    take_until_state(WEFT_STREAM_UNREACHABLE);
    ck_assert_uint_eq(stats().verify_failures, 0); // nobody lied
    atomic_store(&other_home, false);
    take_until_got(6);
    take_until_state(WEFT_STREAM_LIVE);
}
END_TEST

static void lose_lease(void)
{
    atomic_store(&h.refuse_lease, WEFT_E_NOT_FOUND);
    atomic_store(&h.forget, true);
    atomic_store(&h.drop, 1);
    append(2, 1); // the first is asked for, and its lease is unknown
    while (state != WEFT_STREAM_UNREACHABLE && state != WEFT_STREAM_REFUSED)
        ck_assert(take(PATIENCE_MS));
}

// A product that moves is missing for a moment, and one that is gone stays missing: readers tell the one from the other by the time it takes, however
// often they ask meanwhile; and each time anew.
START_TEST(a_product_that_stays_missing_is_told_as_refused)
{
    subscribe(WEFT_FROM_EARLIEST, 0);
    append(2, 1);
    take_until_got(2);
    for (uint64_t i = 1; i <= 2; i++) {
        take_until_state(WEFT_STREAM_LIVE);
        lose_lease();
        ck_assert_int_eq(state, WEFT_STREAM_UNREACHABLE);
        wf_test_clock_skip(11000);
        take_until_state(WEFT_STREAM_REFUSED);
        atomic_store(&h.refuse_lease, 0);
        wf_test_clock_skip(2 * WF_SUB_REFUSED_MAX); // it is asked seldom
        take_until_got(2 + 2 * i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_proof");
    TCase *t = tcase_create("proof");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_batch_of_another_product_is_refused);
    tcase_add_test(t, a_batch_beyond_the_last_number_of_a_log_is_refused);
    tcase_add_loop_test(t, a_batch_is_of_the_time_of_its_certificate, 0, WF_COUNT(times));
    tcase_add_test(t, a_lease_of_another_home_leads_to_looking_again);
    tcase_add_test(t, a_product_that_stays_missing_is_told_as_refused);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
