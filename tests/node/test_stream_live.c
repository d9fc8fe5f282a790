// SPDX-License-Identifier: Apache-2.0
// Frames over a real socket, heartbeats, rotation, the window; taps and replays.
#include <stdio.h>

#include "sdk/net/sub.h"
#include "tests/node/stream_reader.h"

// ---- frames ----------------------------------------------------------------------------------------------------------

#define FRAMES_MAX 2048
static struct {
    pthread_mutex_t lock;
    struct wf_net_msg *frames[FRAMES_MAX];
    size_t count;
    bool up;
} heard = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool hear(void *arg, const struct wf_net_event *e)
{
    bool taken = true;

    (void)arg;
    pthread_mutex_lock(&heard.lock);
    if (e->what == WF_NET_UP)
        heard.up = true;
    if (e->what == WF_NET_FRAME) {
        taken = heard.count < FRAMES_MAX;
        if (taken)
            heard.frames[heard.count++] = e->msg;
    }
    pthread_mutex_unlock(&heard.lock);
    return taken;
}

static size_t heard_count(void)
{
    pthread_mutex_lock(&heard.lock);
    size_t count = heard.count;
    pthread_mutex_unlock(&heard.lock);
    return count;
}

static bool heard_up(void)
{
    pthread_mutex_lock(&heard.lock);
    bool up = heard.up;
    pthread_mutex_unlock(&heard.lock);
    return up;
}

static struct wf_net_sub *dial(const struct streamrig_call *l)
{
    struct wf_net_sub *sub = NULL;
    char where[64];

    snprintf(where, sizeof where, "127.0.0.1%s", l->reply->lease->endpoint);
    struct wf_net_sub_conf conf = { .post = hear, .where = where, .loop = rig.node.loop };
    ck_assert_int_eq(wf_net_sub_new(&conf, &sub), WEFT_OK);
    STREAMRIG_UNTIL(&rig, heard_up());
    return sub;
}

static void hang_up(struct wf_net_sub *sub)
{
    wf_net_sub_free(sub);
    for (size_t i = 0; i < heard.count; i++)
        wf_net_msg_free(heard.frames[i]);
    heard.count = 0;
    heard.up = false;
}

static struct wf_secret key_of(const struct streamrig_call *l)
{
    struct wf_secret key;

    ck_assert_int_eq(wf_secret_copy(wf_pb_view(l->reply->lease->keys[0]->key), &key), WEFT_OK);
    return key;
}

// Entries and heartbeats that this key opens among all heard.
static void count_opened(const struct wf_secret *key, size_t *ret_entries, size_t *ret_beats)
{
    *ret_entries = *ret_beats = 0;
    for (size_t i = 0; i < heard_count(); i++) {
        struct wf_buf plain = { 0 };
        struct wf_frame f;
        if (!wf_frame_open(wf_net_msg_view(heard.frames[i]), key, &plain, &f)) {
            *ret_entries += f.entry_count;
            *ret_beats += f.heartbeat.len > 0;
        }
        wf_buf_fini(&plain);
    }
}

START_TEST(records_and_heartbeats_go_out_sealed)
{
    struct streamrig_call *l = lease();
    struct wf_net_sub *sub = dial(l);
    struct wf_secret key = key_of(l), other;
    size_t entries = 0, beats = 0;

    for (int i = 0; i < 5; i++)
        publish(i, 1);
    STREAMRIG_UNTIL(&rig, (count_opened(&key, &entries, &beats), entries == 5 && beats > 0));
    ck_assert_int_eq(wf_secret_random(WF_KEY_LEN, &other), WEFT_OK);
    count_opened(&other, &entries, &beats);
    ck_assert_uint_eq(entries + beats, 0);
    for (size_t i = 0; i < heard_count(); i++) {
        struct wf_bytes f = wf_net_msg_view(heard.frames[i]);
        ck_assert_ptr_null(memmem(f.ptr, f.len, "rows", 4));
    }
    wf_secret_fini(&key);
    wf_secret_fini(&other);
    hang_up(sub);
    streamrig_call_free(l);
}
END_TEST

START_TEST(after_a_forced_rotation_the_old_key_opens_nothing_new)
{
    struct streamrig_call *l = lease();
    struct wf_net_sub *sub = dial(l);
    struct wf_secret old = key_of(l);
    size_t entries = 0, beats = 0;

    publish(0, 1);
    STREAMRIG_UNTIL(&rig, (count_opened(&old, &entries, &beats), entries == 1));
    wf_stream_rotate(&rig.node, "rows");
    // The rig's lease has no token that could be judged again: it is over.
    ck_assert_uint_eq(product->lease_count, 0);
    struct streamrig_call *second = lease();
    struct wf_secret fresh = key_of(second);
    ck_assert(memcmp(old.ptr, fresh.ptr, WF_KEY_LEN) != 0);
    ck_assert_uint_gt(second->reply->lease->keys[0]->epoch, l->reply->lease->keys[0]->epoch);
    publish(1, 1);
    STREAMRIG_UNTIL(&rig, (count_opened(&fresh, &entries, &beats), entries == 1));
    count_opened(&old, &entries, &beats);
    ck_assert_uint_eq(entries, 1);
    wf_secret_fini(&old);
    wf_secret_fini(&fresh);
    hang_up(sub);
    streamrig_call_free(l);
    streamrig_call_free(second);
}
END_TEST

START_TEST(a_forced_rotation_discards_the_key_that_was_announced)
{
    uint8_t announced[WF_KEY_LEN];

    rig.conf.epoch_ms = 1200;
    rig.reader.local = true; // its lease outlives the rotation
    struct streamrig_call *l = lease();
    STREAMRIG_UNTIL(&rig, product->next_epoch.number);
    uint64_t number = product->next_epoch.number;
    memcpy(announced, product->next_epoch.key.ptr, WF_KEY_LEN);
    wf_stream_rotate(&rig.node, "rows");
    ck_assert_uint_eq(product->next_epoch.number, 0);
    ck_assert_uint_gt(product->epoch.number, number);
    ck_assert_mem_ne(product->epoch.key.ptr, announced, WF_KEY_LEN);
    streamrig_call_free(l);
}
END_TEST

START_TEST(the_next_key_is_announced_before_it_is_used)
{
    rig.conf.epoch_ms = 1200;
    struct streamrig_call *l = lease(), *renewed = NULL;
    uint64_t first = product->epoch.number;

    STREAMRIG_UNTIL(&rig, product->next_epoch.number);
    ck_assert_uint_eq(product->epoch.number, first);
    renewed = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_uint_eq(renewed->reply->lease->n_keys, 2);
    struct wf_heartbeat beat;
    ck_assert_int_eq(
        wf_heartbeat_open(wf_pb_view(renewed->reply->lease->heartbeat), &beat), WEFT_OK);
    ck_assert_uint_eq(beat.next_epoch, renewed->reply->lease->keys[1]->epoch);
    STREAMRIG_UNTIL(&rig, product->epoch.number != first);
    ck_assert_uint_eq(product->epoch.number, renewed->reply->lease->keys[1]->epoch);
    ck_assert(
        memcmp(product->epoch.key.ptr, renewed->reply->lease->keys[1]->key.data, WF_KEY_LEN) == 0);
    streamrig_call_free(l);
    streamrig_call_free(renewed);
}
END_TEST

// So often in one request: a reader of many products says all its places at once.
static struct streamrig_call *say_positions(
    struct wf_bytes lease_id, struct wf_incarnation id, uint64_t offset, size_t times)
{
    struct streamrig_call *c = streamrig_call(&rig);
    static Weft__V1__PositionRequest q;
    static Weft__V1__Position at, *list[WF_LEASES_PER_KEY + 1];
    static Weft__V1__Incarnation log;

    weft__v1__position_request__init(&q);
    weft__v1__position__init(&at);
    weft__v1__incarnation__init(&log);
    log.counter = id.counter;
    log.random = id.random;
    at.lease_id = wf_pb_bin(lease_id);
    at.log_id = &log;
    at.offset = offset;
    for (size_t i = 0; i < times; i++)
        list[i] = &at;
    q.positions = list;
    q.n_positions = times;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_POSITION;
    c->request.position = &q;
    streamrig_send(&rig, c, wf_position_handle);
    return c;
}

static struct streamrig_call *say_position(const struct streamrig_call *l, uint64_t offset)
{
    return say_positions(wf_pb_view(l->reply->lease->lease_id), wf_home_log_id(product), offset, 1);
}

START_TEST(the_stream_runs_no_further_than_its_window)
{
    struct streamrig_call *l = lease();
    static const uint8_t publisher[16] = { 1 };

    for (uint64_t i = 0; i < WF_AHEAD_BATCHES + 20; i++)
        ck_assert_int_eq(streamrig_publish(&rig, product, (int64_t)i, 1, publisher, i), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == WF_AHEAD_BATCHES + 20);
    ck_assert_uint_eq(product->sent_count, WF_AHEAD_BATCHES);
    ck_assert_uint_gt(product->count.paused, 0);
    // Publishing and the log went on; what the reader says opens the window.
    ck_assert_uint_eq(wf_home_head(product), WF_AHEAD_BATCHES + 20);
    struct streamrig_call *at = say_position(l, WF_AHEAD_BATCHES);
    ck_assert_int_eq(at->err, WEFT_OK);
    ck_assert_uint_eq(at->reply->position->n_heartbeats, 1);
    ck_assert_uint_eq(product->sent_count, 0);
    struct streamrig_call *wild = say_position(l, 1000000);
    ck_assert_int_eq(wild->err, WEFT_OK);
    streamrig_call_free(l);
    streamrig_call_free(at);
    streamrig_call_free(wild);
}
END_TEST

START_TEST(a_place_counts_up_to_the_head_of_this_log)
{
    struct streamrig_call *l = lease();
    struct wf_bytes id = wf_pb_view(l->reply->lease->lease_id);
    struct wf_incarnation log = wf_home_log_id(product), older = { log.counter - 1, log.random };
    static const uint8_t publisher[16] = { 1 };

    ck_assert_int_eq(streamrig_publish(&rig, product, 0, 3, publisher, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, wf_home_head(product) == 3);
    const struct wf_lease *kept = wf_lease_find(product->room, id);
    ck_assert_ptr_nonnull(kept);
    streamrig_call_free(say_positions(id, log, 4, 1));
    ck_assert_msg(!kept->positioned, "beyond the head");
    streamrig_call_free(say_positions(id, older, 3, 1));
    ck_assert_msg(!kept->positioned, "of another log");
    streamrig_call_free(say_positions(id, log, 3, 1));
    ck_assert(kept->positioned);
    ck_assert_uint_eq(kept->position, 3);
    streamrig_call_free(l);
}
END_TEST

START_TEST(as_many_places_are_said_at_once_as_a_key_has_leases)
{
    struct streamrig_call *l = lease();
    struct wf_bytes id = wf_pb_view(l->reply->lease->lease_id);
    struct wf_incarnation log = wf_home_log_id(product);
    static const uint8_t nobodys[WF_LEASE_ID_LEN] = { 9 };

    struct streamrig_call *c = say_positions(id, log, 0, WF_LEASES_PER_KEY);
    ck_assert_int_eq(c->err, WEFT_OK);
    ck_assert_uint_eq(c->reply->position->n_heartbeats, WF_LEASES_PER_KEY);
    streamrig_call_free(c);
    c = say_positions(id, log, 0, WF_LEASES_PER_KEY + 1);
    ck_assert_int_eq(c->err, WEFT_E_TOO_BIG);
    streamrig_call_free(c);
    c = say_positions(WF_BYTES(nobodys), log, 0, 1);
    ck_assert_int_eq(c->err, WEFT_E_LEASE);
    streamrig_call_free(c);
    streamrig_call_free(l);
}
END_TEST

START_TEST(silence_slows_the_heartbeat_but_never_stops_it)
{
    struct streamrig_call *l = lease();
    uint64_t before = product->count.frames;

    STREAMRIG_UNTIL(&rig, product->count.frames >= before + 2);
    ck_assert_int_gt(product->beat_every_ms, WF_BEAT_MS);
    publish(0, 1);
    ck_assert_int_eq(product->beat_every_ms, WF_BEAT_MS);
    streamrig_call_free(l);
}
END_TEST

// ---- taps ------------------------------------------------------------------------------------------------------------

struct fold {
    uint64_t records, replayed;
    bool done;
};

static void on_record_of_other_kinds(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    (void)n, (void)p;
    if (e->is_reset)
        return;
    ck_assert_uint_eq(raw.len, 0);
    ((struct fold *)arg)->records += h->count;
}

static void on_tap(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct fold *f = arg;
    uint32_t count = 0;
    int64_t min, max;

    (void)n, (void)p;
    if (e->is_reset)
        return;
    ck_assert_int_eq(wf_records_check(raw, h->base_us, &count, &min, &max), WEFT_OK);
    ck_assert_uint_eq(count, h->count);
    f->records += count;
}

static void on_replay(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct fold *f = arg, one = { 0 };

    on_tap(n, &one, p, e, h, raw);
    f->replayed += one.records;
}

static void on_replayed(struct wf_node *n, void *arg, enum weft_err err)
{
    (void)n;
    ck_assert_int_eq(err, WEFT_OK);
    ((struct fold *)arg)->done = true;
}

START_TEST(taps_and_replays_see_every_record_once)
{
    struct fold f = { 0 };

    product = streamrig_product(&rig, "stock", WF_PRODUCT_INVENTORY);
    ck_assert_int_eq(wf_stream_tap(&rig.node, on_tap, &f), WEFT_OK);
    for (int i = 0; i < 40; i++)
        publish(10 * i, 10);
    ck_assert_uint_eq(f.records, 400);
    ck_assert_int_eq(wf_stream_replay(&rig.node, product, 0, on_replay, &f, on_replayed), WEFT_OK);
    STREAMRIG_UNTIL(&rig, f.done);
    ck_assert_uint_eq(f.replayed, 400);
}
END_TEST

START_TEST(only_inventories_keep_their_records_for_taps)
{
    struct fold f = { 0 };

    ck_assert_int_eq(wf_stream_tap(&rig.node, on_record_of_other_kinds, &f), WEFT_OK);
    publish(0, 10);
    ck_assert_uint_eq(f.records, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_live");
    TCase *t = tcase_create("live");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, records_and_heartbeats_go_out_sealed);
    tcase_add_test(t, after_a_forced_rotation_the_old_key_opens_nothing_new);
    tcase_add_test(t, a_forced_rotation_discards_the_key_that_was_announced);
    tcase_add_test(t, the_next_key_is_announced_before_it_is_used);
    tcase_add_test(t, the_stream_runs_no_further_than_its_window);
    tcase_add_test(t, a_place_counts_up_to_the_head_of_this_log);
    tcase_add_test(t, as_many_places_are_said_at_once_as_a_key_has_leases);
    tcase_add_test(t, silence_slows_the_heartbeat_but_never_stops_it);
    tcase_add_test(t, taps_and_replays_see_every_record_once);
    tcase_add_test(t, only_inventories_keep_their_records_for_taps);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
