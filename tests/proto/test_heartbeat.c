// SPDX-License-Identifier: Apache-2.0
// Heartbeats: what the home signs is what a reader sees, and every rule has its refusal in both directions.
#include <check.h>
#include <stdio.h>

#include "proto/base/pb_v1.h"
#include "tests/support/stream.h"

static struct wf_secret home;
static struct wf_sign_pub home_pub;

static void setup(void)
{
    home = wf_test_sign_key("home", &home_pub);
}

static void teardown(void)
{
    wf_secret_fini(&home);
}

enum sample { LIVE, EMPTY_LOG, BEFORE_ROTATION, WITHOUT_KEY, STOPPED, STOPPING, SAMPLE_COUNT };

static struct wf_heartbeat sample(enum sample which)
{
    struct wf_heartbeat h = wf_test_heartbeat();

    if (which == EMPTY_LOG)
        h.head_offset = h.floor_offset = 0;
    if (which == BEFORE_ROTATION)
        h.next_epoch = h.epoch + 1;
    if (which == WITHOUT_KEY) {
        h.epoch = 0;
        h.commitment = (struct wf_hash){ { 0 } };
    }
    h.stopped = which == STOPPED;
    h.stopping = which == STOPPING;
    return h;
}

static struct wf_buf sign(const struct wf_heartbeat *h)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_heartbeat_sign(h, &home, &out), WEFT_OK);
    return out;
}

static enum weft_err open_heartbeat(struct wf_bytes in, void *context)
{
    struct wf_heartbeat h;

    (void)context;
    return wf_heartbeat_open(in, &h);
}

static const char *const stems[SAMPLE_COUNT] = { "stream/501-heartbeat",
    "stream/502-heartbeat-empty-log", "stream/503-heartbeat-before-rotation",
    "stream/504-heartbeat-without-key", "stream/505-heartbeat-stopped",
    "stream/506-heartbeat-stopping" };

START_TEST(what_is_signed_opens_to_the_same)
{
    struct wf_heartbeat want = sample((enum sample)_i), h;
    struct wf_buf out = sign(&want);

    wf_test_same_vector(
        stems[_i], "accepted: key from seed BLAKE2b-256('home')", wf_buf_view(&out));
    ck_assert_int_eq(wf_heartbeat_open(wf_buf_view(&out), &h), WEFT_OK);
    ck_assert(wf_hash_eq(&h.product_id, &want.product_id));
    ck_assert(wf_hash_eq(&h.head_hash, &want.head_hash));
    ck_assert(wf_hash_eq(&h.commitment, &want.commitment));
    ck_assert(h.term == want.term && h.head_offset == want.head_offset);
    ck_assert(h.floor_offset == want.floor_offset && h.epoch == want.epoch);
    ck_assert(h.next_epoch == want.next_epoch && h.stopped == want.stopped &&
              h.stopping == want.stopping);
    ck_assert(wf_incarnation_eq(&h.log_id, &want.log_id));
    ck_assert(h.time_ms == want.time_ms && h.next_by_ms == want.next_by_ms);
    ck_assert_mem_eq(h.signer.b, home_pub.b, WF_KEY_LEN);
    ck_assert(!wf_hash_is_zero(&h.id));
    wf_buf_fini(&out);
}
END_TEST

START_TEST(the_largest_heartbeat_is_within_its_limit)
{
    struct wf_heartbeat h = wf_test_heartbeat();

    h.term = h.head_offset = h.floor_offset = h.next_epoch = UINT64_MAX;
    h.epoch = UINT64_MAX - 1;
    h.log_id = (struct wf_incarnation){ UINT64_MAX, UINT64_MAX };
    h.time_ms = WF_MAX_TIME_MS;
    h.next_by_ms = h.time_ms + WF_MAX_HEARTBEAT_MS;
    h.stopped = true;
    struct wf_buf out = sign(&h);
    ck_assert_uint_le(out.len, WF_MAX_HEARTBEAT);
    ck_assert_int_eq(open_heartbeat(wf_buf_view(&out), NULL), WEFT_OK);
    wf_buf_fini(&out);
}
END_TEST

typedef Weft__V1__Heartbeat M;
static uint8_t zeros[WF_HASH_LEN], ones[64];

#define CHANGE(name, statement)                                                                    \
    static void name(M *m)                                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }
CHANGE(no_product, m->product_id.len = 0)
CHANGE(short_product, m->product_id.len = 16)
CHANGE(zero_head, m->head_hash = wf_pb_bin(WF_BYTES(zeros)))
CHANGE(no_head, m->head_hash.len = 0)
CHANGE(no_log, m->log_id = NULL)
CHANGE(zero_log, m->log_id->counter = m->log_id->random = 0)
CHANGE(no_term, m->term = 0)
CHANGE(no_commitment, m->commitment.len = 0)
CHANGE(long_commitment, m->commitment = wf_pb_bin(wf_bytes(ones, 33)))
CHANGE(commitment_to_nothing, m->epoch = 0)
CHANGE(floor_over_head, m->floor_offset = m->head_offset + 1)
CHANGE(next_is_now, m->next_epoch = m->epoch)
CHANGE(next_is_past, m->next_epoch = m->epoch - 1)
CHANGE(no_time, m->time_ms = 0)
CHANGE(time_before_1970, m->time_ms = -1)
CHANGE(time_after_9999, m->time_ms = WF_MAX_TIME_MS + 1; m->next_by_ms = m->time_ms)
CHANGE(next_before_now, m->next_by_ms = m->time_ms - 1)
CHANGE(next_too_late, m->next_by_ms = m->time_ms + WF_MAX_HEARTBEAT_MS + 1)
CHANGE(next_at_the_end, m->next_by_ms = INT64_MAX)
CHANGE(another_signer, m->signer = wf_pb_bin(wf_bytes(ones, 32)))
CHANGE(no_signer, m->signer.len = 0)
CHANGE(nothing, (void)m)

static const struct refusal {
    const char *stem, *why;
    void (*change)(M *m);
    enum weft_err want;
} refusals[] = {
    { NULL, "unchanged", nothing, WEFT_OK },
    { "510-heartbeat", "no product id", no_product, WEFT_E_MISSING_FIELD },
    { "511-heartbeat", "a product id of 16 bytes", short_product, WEFT_E_SYNTAX },
    { "512-heartbeat", "no head hash", no_head, WEFT_E_MISSING_FIELD },
    { "513-heartbeat", "a head hash of zeros", zero_head, WEFT_E_NOT_CANONICAL },
    { "514-heartbeat", "no log id", no_log, WEFT_E_MISSING_FIELD },
    { "515-heartbeat", "a log id of 0", zero_log, WEFT_E_MISSING_FIELD },
    { "516-heartbeat", "no term", no_term, WEFT_E_MISSING_FIELD },
    { "517-heartbeat", "an epoch without commitment", no_commitment, WEFT_E_MISSING_FIELD },
    { "518-heartbeat", "a commitment of 33 bytes", long_commitment, WEFT_E_SYNTAX },
    { "519-heartbeat", "a commitment to no epoch", commitment_to_nothing, WEFT_E_MISSING_FIELD },
    { "520-heartbeat", "a floor above the head", floor_over_head, WEFT_E_RANGE },
    { "521-heartbeat", "the next epoch is this one", next_is_now, WEFT_E_RANGE },
    { "522-heartbeat", "the next epoch is an old one", next_is_past, WEFT_E_RANGE },
    { "523-heartbeat", "no time", no_time, WEFT_E_RANGE },
    { "524-heartbeat", "a time before 1970", time_before_1970, WEFT_E_RANGE },
    { "525-heartbeat", "a time after year 9999", time_after_9999, WEFT_E_RANGE },
    { "526-heartbeat", "the next is due before this one", next_before_now, WEFT_E_RANGE },
    { "527-heartbeat", "silence for more than a minute", next_too_late, WEFT_E_RANGE },
    { "528-heartbeat", "silence for ever", next_at_the_end, WEFT_E_RANGE },
    { "529-heartbeat", "a body that names another signer", another_signer, WEFT_E_SIGNATURE },
    { "530-heartbeat", "a body that names no signer", no_signer, WEFT_E_MISSING_FIELD },
};

// The live heartbeat's message, changed and sealed by the home; suffix follows the body.
static struct wf_buf sealed_change(void (*change)(M *m), struct wf_bytes suffix)
{
    struct wf_heartbeat h = wf_test_heartbeat();
    struct wf_buf good = sign(&h), body = { 0 }, out = { 0 };
    struct wf_arena a;
    struct wf_sealed sealed;
    M *m = NULL;

    wf_arena_init(&a, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_HEARTBEAT, &a, &sealed), WEFT_OK);
    ck_assert_int_eq(
        wf_pb_unpack(&weft__v1__heartbeat__descriptor, sealed.body, WF_PB_CANONICAL, &a, &m),
        WEFT_OK);
    change(m);
    ck_assert_int_eq(wf_pb_pack(m, &body), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&body, suffix), WEFT_OK);
    ck_assert_int_eq(wf_envelope_seal(WF_DOC_HEARTBEAT, wf_buf_view(&body), &home, &out), WEFT_OK);
    wf_arena_fini(&a);
    wf_buf_fini(&good);
    wf_buf_fini(&body);
    return out;
}

START_TEST(each_rule_has_its_refusal)
{
    const struct refusal *r = &refusals[_i];
    char stem[64];

    memset(ones, 1, sizeof ones);
    struct wf_buf in = sealed_change(r->change, wf_bytes(NULL, 0));
    if (r->stem) {
        snprintf(stem, sizeof stem, "stream/%s", r->stem);
        wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&in));
    }
    enum weft_err err = open_heartbeat(wf_buf_view(&in), NULL);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    wf_buf_fini(&in);
}
END_TEST

START_TEST(a_body_in_another_form_is_refused)
{
    static const struct {
        const char *stem, *why;
        struct wf_bytes suffix;
        enum weft_err want;
    } rows[] = {
        { "stream/540-heartbeat", "an unknown field 15", { (const uint8_t *)"\x78\x01", 2 },
            WEFT_E_UNKNOWN_FIELD },
        { "stream/541-heartbeat", "the term again", { (const uint8_t *)"\x10\x01", 2 },
            WEFT_E_NOT_CANONICAL },
        { "stream/542-heartbeat", "stopped false, written out", { (const uint8_t *)"\x68\x00", 2 },
            WEFT_E_NOT_CANONICAL },
        { "stream/543-heartbeat", "a group", { (const uint8_t *)"\x6b\x6c", 2 }, WEFT_E_SYNTAX },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf in = sealed_change(nothing, rows[i].suffix);
        wf_test_refused_vector(rows[i].stem, rows[i].want, rows[i].why, wf_buf_view(&in));
        enum weft_err err = open_heartbeat(wf_buf_view(&in), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&in);
    }
}
END_TEST

START_TEST(what_would_be_refused_is_not_signed)
{
    struct wf_heartbeat h = wf_test_heartbeat();
    struct wf_buf out = { 0 };

    h.floor_offset = h.head_offset + 1;
    ck_assert_int_eq(wf_heartbeat_sign(&h, &home, &out), WEFT_E_RANGE);
    h = wf_test_heartbeat();
    h.term = 0;
    ck_assert_int_eq(wf_heartbeat_sign(&h, &home, &out), WEFT_E_MISSING_FIELD);
    h = wf_test_heartbeat();
    h.time_ms = 0;
    ck_assert_int_eq(wf_heartbeat_sign(&h, &home, &out), WEFT_E_RANGE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_is_refused)
{
    struct wf_heartbeat h = wf_test_heartbeat();
    struct wf_buf out = sign(&h);

    wf_test_truncations(wf_buf_view(&out), open_heartbeat, NULL);
    wf_test_bit_flips(wf_buf_view(&out), 1, open_heartbeat, NULL);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_heartbeat_is_a_heartbeat_document_and_of_its_size)
{
    static uint8_t huge[WF_MAX_HEARTBEAT + 1];
    struct wf_heartbeat h = wf_test_heartbeat();
    struct wf_buf good = sign(&h);
    struct wf_arena a;
    struct wf_sealed sealed;

    wf_arena_init(&a, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_HEARTBEAT, &a, &sealed), WEFT_OK);
    wf_test_purposes(sealed.body, WF_DOC_HEARTBEAT, &home, open_heartbeat, NULL);
    ck_assert_int_eq(open_heartbeat(WF_BYTES(huge), NULL), WEFT_E_TOO_BIG);
    wf_arena_fini(&a);
    wf_buf_fini(&good);
}
END_TEST

static enum weft_err sign_and_open(struct wf_bytes unused, void *context)
{
    struct wf_heartbeat h = wf_test_heartbeat();
    struct wf_buf out = { 0 };
    enum weft_err err = wf_heartbeat_sign(&h, &home, &out);

    (void)unused;
    (void)context;
    if (!err)
        err = wf_heartbeat_open(wf_buf_view(&out), &h);
    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(wf_bytes(NULL, 0), sign_and_open, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("heartbeat");
    TCase *t = tcase_create("heartbeat");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_is_signed_opens_to_the_same, 0, SAMPLE_COUNT);
    tcase_add_test(t, the_largest_heartbeat_is_within_its_limit);
    tcase_add_loop_test(t, each_rule_has_its_refusal, 0, WF_COUNT(refusals));
    tcase_add_test(t, a_body_in_another_form_is_refused);
    tcase_add_test(t, what_would_be_refused_is_not_signed);
    tcase_add_test(t, every_truncation_and_flipped_bit_is_refused);
    tcase_add_test(t, a_heartbeat_is_a_heartbeat_document_and_of_its_size);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
