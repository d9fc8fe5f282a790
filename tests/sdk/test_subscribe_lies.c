// SPDX-License-Identifier: Apache-2.0
// What a reader does not believe: heartbeats of another key, batches of who may not sign them, keys that do not fit their commitment,
// frames of nobody's epoch. And when it asks again: not all readers at one moment.
#include <check.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "sdk/subscribe_int.h"
#include "tests/support/fakehome.h"

#define PATIENCE_MS 100000

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_subscription *s;
static enum weft_stream_state state;
static uint64_t got;

static void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };
    struct weft_problem problem;

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    got = 0;
    s = NULL;
    state = WEFT_STREAM_CONNECTING;
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
}

static void subscribe(void)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST };
    struct weft_problem problem;

    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
}

static void take(int timeout_ms)
{
    const struct weft_event *e = NULL;
    struct weft_problem problem;

    if (weft_next(s, timeout_ms, &e, &problem))
        return;
    if (e->kind == WEFT_EV_STATE)
        state = e->state;
    got += e->record_count;
}

// The condition is looked at once a turn: it may be over a moment later.
#define TAKE_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int left_ = PATIENCE_MS;                                                                   \
        for (; !(condition) && left_ > 0; left_ -= 20)                                             \
            take(20);                                                                              \
        ck_assert_msg(left_ > 0, "in vain for %s; state %d", #condition, (int)state);              \
    } while (0)

static uint64_t verify_failures(void)
{
    struct weft_stats st;

    weft_subscription_stats(s, &st);
    return st.verify_failures;
}

static void send(struct wf_frame_sealer *sealer, const struct wf_frame *f)
{
    struct wf_buf sealed = { 0 };

    ck_assert_int_eq(wf_frame_seal(sealer, f, &sealed), WEFT_OK);
    ck_assert_int_eq(wf_net_pub_send(h.pub, &sealed), WEFT_OK);
    wf_buf_fini(&sealed);
}

static void send_locked(struct wf_frame_sealer *sealer, const struct wf_frame *f)
{
    pthread_mutex_lock(&h.mutex);
    send(sealer, f);
    pthread_mutex_unlock(&h.mutex);
}

// ---- heartbeats ------------------------------------------------------------------------------------------------------

static struct wf_buf beat_of(const struct wf_secret *signer)
{
    int64_t now = wf_test_clock_unix_ms();
    struct wf_buf out = { 0 };
    struct wf_heartbeat b = { .product_id = h.product_id,
        .head_hash = h.head_hash,
        .term = 1,
        .head_offset = h.head,
        .epoch = h.epoch,
        .log_id = h.log_id,
        .time_ms = now,
        .next_by_ms = now + 1000,
        .stopped = true };

    wf_epoch_commitment(&h.key, &h.product_id, h.epoch, &b.commitment);
    ck_assert_int_eq(wf_heartbeat_sign(&b, signer, &out), WEFT_OK);
    return out;
}

// Whoever holds the epoch key can seal a frame; only the home can sign what stands in it.
static void send_beat(const struct wf_secret *signer)
{
    pthread_mutex_lock(&h.mutex);
    struct wf_buf beat = beat_of(signer);
    struct wf_frame f = { .heartbeat = wf_buf_view(&beat) };
    send(&h.sealer, &f);
    pthread_mutex_unlock(&h.mutex);
    wf_buf_fini(&beat);
}

START_TEST(a_heartbeat_of_another_key_says_nothing)
{
    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_LIVE);
    send_beat(&m.mesh.d[WF_TEST_SECURITY].node);
    TAKE_UNTIL(verify_failures() == 1);
    ck_assert_int_ne(state, WEFT_STREAM_STOPPED);
    wf_fakehome_append(&h, 0, 3);
    TAKE_UNTIL(got == 3);
    // The same word, signed by the home, is taken. It says so with each of its own from now on: one alone may be overtaken before we look.
    atomic_store(&h.stopped, true);
    send_beat(&m.mesh.d[WF_TEST_SERVERS].node);
    TAKE_UNTIL(state == WEFT_STREAM_STOPPED);
}
END_TEST

// ---- origins ---------------------------------------------------------------------------------------------------------

static void show_certificate(const char *domain, int of, const char *pattern)
{
    struct wf_home_origin *o = &h.origins[1];
    struct wf_test_domain *d = &m.mesh.d[of];
    struct wf_cert f = wf_test_cert(domain, WF_ID_AGENT, "web-1"), cert;

    wf_secret_fini(&o->key);
    o->key = wf_test_sign_key("lies/web-1", &f.sign_key);
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(pattern), &f.patterns[0]), WEFT_OK);
    struct wf_buf raw = wf_test_cert_issue(&f, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&d->issuer_cert));
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&raw), &cert), WEFT_OK);
    o->cert = cert.id;
    wf_fakemesh_add(h.m, &o->cert, wf_buf_view(&chain));
    wf_buf_fini(&raw);
    wf_buf_fini(&chain);
}

static void of_another_key(void)
{
    wf_secret_fini(&h.origins[1].key);
    h.origins[1].key = wf_test_sign_key("lies/another", &h.origins[1].pub);
}

static void of_another_domain(void)
{
    show_certificate("security", WF_TEST_SECURITY, "*");
}

static void of_another_product(void)
{
    show_certificate("servers", WF_TEST_SERVERS, "hosts");
}

static void all_right(void)
{
    show_certificate("servers", WF_TEST_SERVERS, "*");
}

static const struct {
    const char *why;
    void (*change)(void);
    bool taken;
} signers[] = {
    { "its certificate has another key", of_another_key, false },
    { "its certificate is of another domain", of_another_domain, false },
    { "its certificate allows another product", of_another_product, false },
    { "nothing is wrong with it", all_right, true },
};

START_TEST(a_batch_is_believed_by_the_certificate_that_it_names)
{
    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_LIVE);
    wf_fakehome_append(&h, 0, 3);
    TAKE_UNTIL(got == 3);
    pthread_mutex_lock(&h.mutex);
    signers[_i].change();
    pthread_mutex_unlock(&h.mutex);
    wf_fakehome_append(&h, 1, 2);
    TAKE_UNTIL(signers[_i].taken ? got == 5 : verify_failures() > 0);
    ck_assert_msg(got == (signers[_i].taken ? 5 : 3), "%s: %llu records", signers[_i].why,
        (unsigned long long)got);
}
END_TEST

// ---- keys ------------------------------------------------------------------------------------------------------------

START_TEST(a_key_that_does_not_fit_its_commitment_is_not_used)
{
    atomic_store(&h.wrong_commitment, true);
    wf_fakehome_append(&h, 0, 3);
    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_REFUSED);
    ck_assert_uint_eq(got, 0);
    atomic_store(&h.wrong_commitment, false);
    TAKE_UNTIL(got == 3);
}
END_TEST

struct probe {
    struct wf_mail mail;
    atomic_bool done;
    size_t bytes, count;
};

static void look(struct wf_mail *mail)
{
    struct probe *p = (struct probe *)(void *)mail;

    p->bytes = s->unknown_bytes;
    p->count = s->unknown_count;
    atomic_store(&p->done, true);
}

static struct probe held_now(void)
{
    struct probe p = { .mail = { .open = look, .drop = look, .must = true } };

    ck_assert_int_eq(wf_loop_post(wf_client_loop(c), &p.mail), WEFT_OK);
    TAKE_UNTIL(atomic_load(&p.done));
    return p;
}

static const struct flood {
    const char *why;
    size_t frames, frame_bytes;
} floods[] = {
    { "many small ones", 3 * WF_SUB_UNKNOWNS, 300 },
    { "large ones", 200, 100000 },
};

static void seal_under(const struct wf_secret *key, struct wf_frame_sealer *sealer)
{
    uint8_t boot[WF_FRAME_BOOT] = { 1 };

    ck_assert_int_eq(wf_frame_sealer_init(sealer, key, &h.product_id, boot, 1), WEFT_OK);
}

START_TEST(frames_of_an_unknown_epoch_wait_within_bounds)
{
    struct wf_secret stranger = { 0 };
    struct wf_frame_sealer sealer;
    struct wf_buf filler = { 0 };
    struct weft_stats before, now;

    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_LIVE);
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &stranger), WEFT_OK);
    seal_under(&stranger, &sealer);
    ck_assert_int_eq(wf_buf_reserve(&filler, floods[_i].frame_bytes), WEFT_OK);
    filler.len = floods[_i].frame_bytes;
    memset(filler.ptr, 7, filler.len);
    struct wf_frame f = { .entry_count = 1, .entries = { wf_buf_view(&filler) } };
    weft_subscription_stats(s, &before);
    for (size_t i = 0; i < floods[_i].frames; i++) {
        send_locked(&sealer, &f);
        if (i % 16 == 15) // within what NNG queues
            TAKE_UNTIL((weft_subscription_stats(s, &now),
                now.bytes - before.bytes >= i * floods[_i].frame_bytes));
    }
    // The renewal that the first of them caused may have let them go just now; the next comes after seconds.
    struct probe p = { .count = 0 };
    TAKE_UNTIL((send_locked(&sealer, &f), p = held_now(), p.count > 0));
    ck_assert_msg(p.count <= WF_SUB_UNKNOWNS, "%zu frames: %s", p.count, floods[_i].why);
    ck_assert_msg(p.bytes <= WF_SUB_UNKNOWN, "%zu bytes: %s", p.bytes, floods[_i].why);
    wf_fakehome_append(&h, 0, 3);
    TAKE_UNTIL(got == 3);
    wf_buf_fini(&filler);
    wf_secret_fini(&stranger);
}
END_TEST

// Whoever sends what looks like the next epoch's does not make readers ask their home as often as it likes.
START_TEST(an_unknown_epoch_is_asked_for_seldom_however_many_frames_come)
{
    struct wf_secret stranger = { 0 };
    struct wf_frame_sealer sealer;
    const struct wf_frame f = { .entry_count = 1, .entries = { WF_STR("nothing") } };
    int64_t begin = wf_test_clock_unix_ms();

    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_LIVE);
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &stranger), WEFT_OK);
    seal_under(&stranger, &sealer);
    for (uint64_t i = 1; i <= 16; i++) {
        send_locked(&sealer, &f);
        wf_fakehome_append(&h, 0, 1);
        TAKE_UNTIL(got == 2 * i - 1); // and what came before it
        wf_test_clock_skip(600);
        wf_fakehome_append(&h, 0, 1);
        TAKE_UNTIL(got == 2 * i); // what was due has gone out
    }
    TAKE_UNTIL(atomic_load(&h.leases) > 1); // it is asked for, after all
    int64_t elapsed = wf_test_clock_unix_ms() - begin;
    int at_most = 2 + (int)(elapsed / 5000);
    ck_assert_msg(atomic_load(&h.leases) <= at_most, "%d leases in %lld ms", atomic_load(&h.leases),
        (long long)elapsed);
    wf_secret_fini(&stranger);
}
END_TEST

START_TEST(frames_of_the_epoch_before_are_read_beside_those_of_the_next)
{
    struct wf_secret old = { 0 };
    struct wf_frame_sealer before;

    subscribe();
    TAKE_UNTIL(state == WEFT_STREAM_LIVE);
    atomic_store(&h.busy_ranges, true); // nothing of this is repaired
    pthread_mutex_lock(&h.mutex);
    ck_assert_int_eq(wf_secret_copy(wf_secret_view(&h.key), &old), WEFT_OK);
    seal_under(&old, &before);
    pthread_mutex_unlock(&h.mutex);
    wf_fakehome_rotate(&h);
    TAKE_UNTIL(atomic_load(&h.leases) > 1);
    wf_fakehome_append(&h, 0, 3);
    TAKE_UNTIL(got == 3); // its key is here
    atomic_store(&h.drop, 1);
    wf_fakehome_append(&h, 0, 3);
    pthread_mutex_lock(&h.mutex);
    struct wf_frame f = { .entry_count = 1,
        .entries = { wf_buf_view(&h.log[h.count - 1].packed) } };
    send(&before, &f);
    pthread_mutex_unlock(&h.mutex);
    TAKE_UNTIL(got == 6);
    wf_secret_fini(&old);
}
END_TEST

// ---- renewals --------------------------------------------------------------------------------------------------------

#define RENEWALS 8

START_TEST(leases_are_renewed_at_random_moments_of_their_second_half)
{
    int64_t at[RENEWALS + 1], shortest = INT64_MAX, longest = 0;
    unsigned in_time = 0;

    atomic_store(&h.lease_ms, 4000);
    subscribe();
    for (int i = 0; i <= RENEWALS; i++) {
        TAKE_UNTIL(atomic_load(&h.leases) > i);
        at[i] = wf_test_clock_unix_ms();
        wf_test_clock_skip(1900); // what is left to wait for is at random
    }
    for (int i = 0; i < RENEWALS; i++) {
        int64_t after = at[i + 1] - at[i];
        shortest = after < shortest ? after : shortest;
        longest = after > longest ? after : longest;
        in_time += after <= 4000;
    }
    ck_assert_int_ge(shortest, 1900);
    ck_assert_uint_ge(in_time, RENEWALS / 2); // before their end, unless the machine stood still
    ck_assert_msg(longest - shortest > 150, "all after %lld ms", (long long)shortest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subscribe_lies");
    TCase *t = tcase_create("lies");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_heartbeat_of_another_key_says_nothing);
    tcase_add_loop_test(
        t, a_batch_is_believed_by_the_certificate_that_it_names, 0, WF_COUNT(signers));
    tcase_add_test(t, a_key_that_does_not_fit_its_commitment_is_not_used);
    tcase_add_loop_test(t, frames_of_an_unknown_epoch_wait_within_bounds, 0, (int)WF_COUNT(floods));
    tcase_add_test(t, an_unknown_epoch_is_asked_for_seldom_however_many_frames_come);
    tcase_add_test(t, frames_of_the_epoch_before_are_read_beside_those_of_the_next);
    tcase_add_test(t, leases_are_renewed_at_random_moments_of_their_second_half);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
