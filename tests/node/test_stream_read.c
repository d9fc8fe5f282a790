// SPDX-License-Identifier: Apache-2.0
// Leases, ranges and pulls.
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "node/pool.h"
#include "tests/node/stream_reader.h"

struct ask {
    struct wf_incarnation log_id;
    uint64_t from, to;
    uint32_t max_bytes, wait_ms;
    Weft__V1__RangeRequest__Start start;
    int64_t time_ms;
    bool pull;
};

static struct streamrig_call *ask(const struct streamrig_call *lease, const struct ask *a)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__RangeRequest *q = wf_arena_alloc(&c->arena, sizeof *q);
    Weft__V1__PullRequest *p = wf_arena_alloc(&c->arena, sizeof *p);
    Weft__V1__Incarnation *i = wf_arena_alloc(&c->arena, sizeof *i);

    weft__v1__range_request__init(q);
    weft__v1__pull_request__init(p);
    weft__v1__incarnation__init(i);
    i->counter = a->log_id.counter;
    i->random = a->log_id.random;
    if (!wf_incarnation_is_none(&a->log_id))
        q->log_id = i;
    q->lease_id = lease->reply->lease->lease_id;
    q->from = a->from;
    q->to = a->to;
    q->max_bytes = a->max_bytes;
    q->start = a->start;
    q->time_ms = a->time_ms;
    p->range = q;
    p->wait_ms = a->wait_ms;
    if (a->pull) {
        c->request.kind_case = WEFT__V1__REQUEST__KIND_PULL;
        c->request.pull = p;
    } else {
        c->request.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
        c->request.range = q;
    }
    streamrig_send(&rig, c, a->pull ? wf_pull_handle : wf_range_handle);
    if (!a->wait_ms)
        STREAMRIG_UNTIL(&rig, c->answered); // what is large is read on a worker
    return c;
}

struct got {
    size_t entries, resets;
    uint64_t first, end;  // offsets of entries with records
    struct wf_entry head; // the first entry
};

static struct got look(const struct streamrig_call *c)
{
    struct got g = { .first = UINT64_MAX };

    ck_assert(c->answered);
    ck_assert_msg(c->err == WEFT_OK, "%s", weft_err_name(c->err));
    for (size_t i = 0; i < c->reply->range->n_entries; i++) {
        struct wf_entry e;
        struct wf_batch_header h;
        ck_assert_int_eq(wf_entry_parse(wf_pb_view(c->reply->range->entries[i]), &e), WEFT_OK);
        if (i == 0)
            g.head = e;
        g.entries++;
        g.resets += e.is_reset;
        if (e.is_reset)
            continue;
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        if (g.first == UINT64_MAX)
            g.first = e.offset;
        g.end = e.offset + h.count;
    }
    return g;
}

// ---- leases ----------------------------------------------------------------------------------------------------------

START_TEST(a_lease_opens_the_stream)
{
    publish(0, 3);
    struct streamrig_call *c = lease();
    const Weft__V1__LeaseReply *r = c->reply->lease;
    struct wf_heartbeat beat;
    struct wf_secret key;
    struct wf_hash commitment;

    ck_assert_uint_eq(r->lease_id.len, 16);
    ck_assert_uint_eq(r->n_keys, 1);
    ck_assert_int_eq(wf_heartbeat_open(wf_pb_view(r->heartbeat), &beat), WEFT_OK);
    ck_assert_uint_eq(beat.head_offset, 3);
    ck_assert_uint_eq(beat.epoch, r->keys[0]->epoch);
    ck_assert(memcmp(r->home_key.data, beat.signer.b, WF_KEY_LEN) == 0);
    ck_assert_int_eq(wf_secret_copy(wf_pb_view(r->keys[0]->key), &key), WEFT_OK);
    ck_assert_int_eq(wf_hash_from(wf_pb_view(r->keys[0]->commitment), &commitment), WEFT_OK);
    ck_assert_int_eq(
        wf_epoch_check(&key, &wf_home_descriptor(product)->id, beat.epoch, &commitment), WEFT_OK);
    ck_assert_int_eq(r->endpoint[0], ':');
    ck_assert_int_gt(strtol(r->endpoint + 1, NULL, 10), 0);
    ck_assert_uint_eq(r->n_schemas, 1);
    struct streamrig_call *again = lease_renewed(&r->lease_id);
    ck_assert_int_eq(again->err, WEFT_OK);
    ck_assert_uint_eq(product->lease_count, 1);
    ck_assert_uint_eq(rig.audited, 1); // a renewal is no new reading
    wf_secret_fini(&key);
    streamrig_call_free(again);
    streamrig_call_free(c);
}
END_TEST

START_TEST(nobody_reads_without_a_grant_or_under_anothers_lease)
{
    publish(0, 3);
    rig.access = WEFT_E_VERB;
    struct streamrig_call *refused = lease_renewed(NULL);
    ck_assert_int_eq(refused->err, WEFT_E_VERB);
    ck_assert_uint_eq(product->lease_count, 0);
    ck_assert_uint_eq(product->epoch.number, 0);
    rig.access = WEFT_OK;
    struct streamrig_call *l = lease();
    rig.reader.identity.cert.sign_key.b[3] ^= 1; // somebody else
    struct streamrig_call *other = ask(l, &(struct ask){ 0 });
    ck_assert_int_eq(other->err, WEFT_E_LEASE);
    struct streamrig_call *renew = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_int_eq(renew->err, WEFT_E_LEASE);
    rig.reader.identity.cert.sign_key.b[3] ^= 1;
    // A renewal that is refused ends the lease.
    rig.access = WEFT_E_REVOKED;
    struct streamrig_call *late = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_int_eq(late->err, WEFT_E_REVOKED);
    ck_assert_uint_eq(product->lease_count, 0);
    ck_assert_uint_eq(product->epoch.number, 0); // the key went with its last reader
    struct streamrig_call *after = ask(l, &(struct ask){ 0 });
    ck_assert_int_eq(after->err, WEFT_E_LEASE);
    streamrig_call_free(refused);
    streamrig_call_free(l);
    streamrig_call_free(other);
    streamrig_call_free(renew);
    streamrig_call_free(late);
    streamrig_call_free(after);
}
END_TEST

START_TEST(leases_end_with_their_time_and_their_product)
{
    rig.conf.lease_ms = 1;
    struct streamrig_call *l = lease();
    STREAMRIG_UNTIL(&rig, (wf_leases_tick(rig.node.stream), product->lease_count == 0));
    struct streamrig_call *gone = ask(l, &(struct ask){ 0 });
    ck_assert_int_eq(gone->err, WEFT_E_LEASE);
    rig.conf.lease_ms = 600000;
    struct streamrig_call *second = lease();
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };
    struct streamrig_call *pull =
        ask(second, &(struct ask){ .pull = true, .from = 0, .start = 2, .wait_ms = 20000 });
    ck_assert(pull->parked && !pull->answered);
    c.removed = true;
    ck_assert_int_eq(streamrig_apply(&rig, &c, NULL, &diag), WEFT_OK);
    ck_assert(pull->answered);
    ck_assert_uint_eq(product->lease_count, 0);
    streamrig_call_free(l);
    streamrig_call_free(gone);
    streamrig_call_free(second);
    streamrig_call_free(pull);
}
END_TEST

// ---- ranges ----------------------------------------------------------------------------------------------------------

START_TEST(a_range_gives_what_was_asked_for)
{
    for (int i = 0; i < 6; i++)
        publish(10 * i, 10);
    struct streamrig_call *l = lease();
    struct wf_incarnation log = wf_home_log_id(product);
    struct streamrig_call *all = ask(l, &(struct ask){ .start = 1 });
    struct got g = look(all);
    ck_assert_uint_eq(g.resets, 1);
    ck_assert_uint_eq(g.first, 0);
    ck_assert_uint_eq(g.end, 60);
    ck_assert_uint_eq(all->reply->range->next, 60);
    struct streamrig_call *some = ask(l, &(struct ask){ .log_id = log, .from = 25, .to = 40 });
    g = look(some);
    ck_assert_uint_eq(g.first, 20); // the entry that holds it
    ck_assert_uint_eq(g.end, 40);
    struct streamrig_call *small =
        ask(l, &(struct ask){ .log_id = log, .from = 20, .max_bytes = 1 });
    g = look(small);
    ck_assert_uint_eq(g.entries, 1); // at least one, or nobody would get further
    ck_assert_uint_eq(small->reply->range->next, 30);
    struct streamrig_call *none = ask(l, &(struct ask){ .log_id = log, .from = 60 });
    ck_assert_uint_eq(look(none).entries, 0);
    ck_assert_uint_gt(none->reply->range->heartbeat.len, 0);
    struct streamrig_call *beyond = ask(l, &(struct ask){ .log_id = log, .from = 61 });
    ck_assert_int_eq(beyond->err, WEFT_E_RANGE);
    log.random ^= 1;
    struct streamrig_call *foreign = ask(l, &(struct ask){ .log_id = log, .from = 10 });
    ck_assert_int_eq(foreign->err, WEFT_E_LOG_ID);
    struct streamrig_call *late =
        ask(l, &(struct ask){ .start = 3, .time_ms = wf_node_now_unix_ms(&rig.node) + 100000 });
    ck_assert_uint_eq(look(late).entries, 0);
    ck_assert_uint_eq(late->reply->range->next, 60);
    struct streamrig_call *calls[] = { l, all, some, small, none, beyond, foreign, late };
    for (size_t i = 0; i < WF_COUNT(calls); i++)
        streamrig_call_free(calls[i]);
}
END_TEST

static atomic_bool unreadable;
static atomic_size_t read_bytes; // of the log

static enum weft_err read_or_fail(
    void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len)
{
    if (atomic_load(&unreadable))
        return WEFT_E_IO;
    enum weft_err err = wf_vfs_posix.read(ctx, file, at, out, len, ret_len);
    if (!err)
        atomic_fetch_add(&read_bytes, *ret_len);
    return err;
}

enum weft_err __real_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret);
enum weft_err __wrap_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret);
enum weft_err __wrap_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret)
{
    struct wf_vfs v = *vfs;

    v.read = read_or_fail;
    return __real_wf_log_worker_new(&v, thread, ret);
}

START_TEST(who_catches_up_has_each_entry_read_once)
{
    static const uint8_t id[WF_PUBLISHER_LEN] = { 1 }; // its batches stay whole
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };
    size_t served = 0;

    c.product.packing = WF_PACKING_NONE;
    ck_assert_msg(!streamrig_apply(&rig, &c, "sample", &diag), "%s", diag.text);
    for (uint64_t n = 0; n < 240000; n += 20000)
        ck_assert(!streamrig_publish(&rig, product, (int64_t)n, 20000, id, n));
    STREAMRIG_UNTIL(&rig, rig.done_count == 12);
    struct streamrig_call *l = lease();
    atomic_store(&read_bytes, 0);
    for (uint64_t next = 0; next < wf_home_head(product);) {
        struct streamrig_call *part = ask(l, &(struct ask){ .pull = true, .from = next });
        ck_assert_int_eq(part->err, WEFT_OK);
        next = part->reply->range->next;
        for (size_t i = 0; i < part->reply->range->n_entries; i++)
            served += part->reply->range->entries[i].len;
        streamrig_call_free(part);
    }
    ck_assert_uint_gt(served, 3000000); // in four answers, and none takes a fourth entry
    ck_assert_uint_le(atomic_load(&read_bytes), served + served / 20);
    streamrig_call_free(l);
}
END_TEST

// A disk that hangs or was pulled may come back: whoever was told of a loss would pass over what is there.
START_TEST(what_cannot_be_read_now_is_no_loss)
{
    publish(0, 10);
    publish(10, 10);
    struct streamrig_call *l = lease();
    struct ask all = { .log_id = wf_home_log_id(product), .from = 0 };
    atomic_store(&unreadable, true);
    struct streamrig_call *now = ask(l, &all);
    ck_assert_int_eq(now->err, WEFT_E_IO);
    ck_assert(product->unread);
    atomic_store(&unreadable, false);
    struct streamrig_call *later = ask(l, &all);
    struct got g = look(later);
    ck_assert(g.first == 0 && g.end == 20);
    ck_assert_uint_eq(later->reply->range->n_losses, 0);
    ck_assert(!product->unread);
    streamrig_call_free(l);
    streamrig_call_free(now);
    streamrig_call_free(later);
}
END_TEST

START_TEST(a_reader_of_an_older_log_is_led_to_the_next)
{
    struct wf_incarnation first = wf_home_log_id(product), second;

    publish(0, 10);
    streamrig_close(&rig);
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
    second = wf_home_log_id(product);
    publish(10, 5);
    struct streamrig_call *l = lease();
    // At its end, and beyond it: what it read there was lost with the crash.
    for (uint64_t from = 10; from <= 12; from += 2) {
        struct streamrig_call *c = ask(l, &(struct ask){ .log_id = first, .from = from });
        struct got g = look(c);
        ck_assert(g.head.is_reset);
        ck_assert(wf_incarnation_eq(&g.head.log_id, &second));
        ck_assert(wf_incarnation_eq(&g.head.previous_log, &first));
        ck_assert_uint_eq(g.head.end_offset, 10);
        ck_assert_uint_eq(g.resets, 1);
        ck_assert_uint_eq(g.first, 10);
        ck_assert_uint_eq(g.end, 15);
        streamrig_call_free(c);
    }
    // In the middle of the older log everything comes in order; in the newer one no reset comes again.
    struct streamrig_call *middle = ask(l, &(struct ask){ .log_id = first, .from = 3 });
    struct got g = look(middle);
    ck_assert_uint_eq(g.first, 0);
    ck_assert_uint_eq(g.resets, 1);
    ck_assert_uint_eq(g.end, 15);
    struct streamrig_call *newer = ask(l, &(struct ask){ .log_id = second, .from = 10 });
    ck_assert_uint_eq(look(newer).resets, 0);
    streamrig_call_free(middle);
    streamrig_call_free(newer);
    streamrig_call_free(l);
}
END_TEST

// A reply never exceeds a message (the rig checks), and asking on and on gets to the head.
START_TEST(a_long_range_comes_in_pages)
{
    uint64_t at = 0;
    size_t pages = 0;

    for (int i = 0; i < 10; i++)
        publish(20000 * i, 20000);
    struct streamrig_call *l = lease();
    for (; at < wf_home_head(product); pages++) {
        struct streamrig_call *more = ask(l, &(struct ask){ .from = at });
        struct got g = look(more);
        ck_assert_uint_eq(g.first, at);
        ck_assert_uint_eq(g.end, more->reply->range->next);
        ck_assert_uint_gt(g.end, at);
        at = g.end;
        streamrig_call_free(more);
    }
    ck_assert_uint_eq(at, 200000);
    ck_assert_uint_gt(pages, 1);
    streamrig_call_free(l);
}
END_TEST

START_TEST(what_retention_dropped_is_told_with_its_range)
{
    uint8_t noise[60000];
    uint64_t seed = 7;
    struct wf_records r = { 0 };
    struct wf_conf_class keep = { .name = "default", .bytes = 1 };

    rig.conf.retention.items = &keep;
    rig.conf.retention.count = 1;
    streamrig_close(&rig);
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
    for (int i = 0; i < 60; i++) {
        struct wf_buf row = { 0 };
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(0x20 + wf_test_rand(&seed) % 0x5f);
        ck_assert_int_eq(
            wf_buf_append(&row, WF_STR("\x1a\xe0\xd4\x03")), WEFT_OK); // note, 60000 bytes
        ck_assert_int_eq(wf_buf_append(&row, WF_BYTES(noise)), WEFT_OK);
        ck_assert_int_eq(
            wf_records_put(&r, WF_OP_PUT, wf_node_now_unix_ms(&rig.node) * 1000, wf_buf_view(&row)),
            WEFT_OK);
        struct wf_origin_records o = {
            .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = r.count
        };
        struct wf_diag diag = { 0 };
        enum weft_err err =
            wf_stream_originate(&rig.node, product, &o, streamrig_on_done, &rig, &diag);
        ck_assert_msg(err == WEFT_OK, "%s %s", weft_err_name(err), diag.text);
        wf_records_reset(&r);
        wf_buf_fini(&row);
        wf_loop_turn(rig.node.loop, 0);
    }
    STREAMRIG_UNTIL(&rig, rig.done_count == 60);
    // Retention works on the log's own thread; it is over when nothing is left to drop.
    wf_log_retain(rig.node.log, wf_node_now_unix_ms(&rig.node));
    STREAMRIG_UNTIL(&rig, wf_home_floor(product) == 60);
    publish(60, 5);
    struct streamrig_call *l = lease();
    struct streamrig_call *c = ask(l, &(struct ask){ .from = 2 });
    ck_assert_int_eq(c->err, WEFT_OK);
    ck_assert_uint_eq(c->reply->range->n_losses, 1);
    ck_assert_uint_eq(c->reply->range->losses[0]->from, 2);
    ck_assert_uint_eq(c->reply->range->losses[0]->to, 60);
    ck_assert_uint_eq(c->reply->range->losses[0]->code, WEFT_E_RETENTION);
    ck_assert_uint_eq(look(c).first, 60);
    ck_assert_uint_eq(c->reply->range->next, 65);
    wf_records_fini(&r);
    streamrig_call_free(c);
    streamrig_call_free(l);
}
END_TEST

// ---- on a worker -----------------------------------------------------------------------------------------------------

// Every worker is busy until the gate opens: what is read on one waits for that long.
static atomic_bool gate;

static void block(struct wf_job *j)
{
    (void)j;
    while (!atomic_load(&gate))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void unblocked(struct wf_job *j, enum weft_err err)
{
    (void)err;
    free(j);
}

static void block_all(void)
{
    struct wf_pool_stats s;

    atomic_store(&gate, false);
    wf_pool_get_stats(rig.node.pool, &s);
    for (unsigned i = 0; i < s.workers; i++) {
        struct wf_job *j = calloc(1, sizeof *j);
        ck_assert_ptr_nonnull(j);
        *j = (struct wf_job){ .work = block, .done = unblocked, .class = WF_MAIL_LIVE };
        ck_assert_int_eq(wf_pool_submit(rig.node.pool, j), WEFT_OK);
    }
}

static struct streamrig_call *begin_big_range(const struct streamrig_call *l)
{
    struct streamrig_call *c =
        ask(l, &(struct ask){ .wait_ms = 1 }); // a range does not wait; ask does not either

    ck_assert(!c->answered);
    ck_assert(c->parked);
    return c;
}

START_TEST(a_big_range_holds_up_nothing_else)
{
    publish(0, 20000);
    struct streamrig_call *l = lease();
    block_all();
    struct streamrig_call *big = begin_big_range(l);
    for (int i = 0; i < 5; i++) {
        struct streamrig_call *another = lease(); // answered at once
        publish(20000 + i, 1);                    // appended, acknowledged, told
        struct streamrig_call *small = ask(another, &(struct ask){ .from = 20000 + (uint64_t)i });
        ck_assert_uint_eq(look(small).end, 20001 + (uint64_t)i);
        streamrig_call_free(another);
        streamrig_call_free(small);
    }
    struct streamrig_call *beat = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_uint_gt(beat->reply->lease->heartbeat.len, 0);
    ck_assert(!big->answered);
    atomic_store(&gate, true);
    STREAMRIG_UNTIL(&rig, big->answered);
    ck_assert_uint_eq(look(big).end, 20000); // what there was when it was asked for
    streamrig_call_free(beat);
    streamrig_call_free(big);
    streamrig_call_free(l);
}
END_TEST

START_TEST(a_lease_that_ends_while_its_range_is_read_ends_the_range)
{
    publish(0, 20000);
    struct streamrig_call *l = lease();
    block_all();
    struct streamrig_call *big = begin_big_range(l);
    rig.access = WEFT_E_REVOKED;
    struct streamrig_call *refused = lease_renewed(&l->reply->lease->lease_id);
    ck_assert_int_eq(refused->err, WEFT_E_REVOKED);
    atomic_store(&gate, true);
    STREAMRIG_UNTIL(&rig, big->answered);
    ck_assert_int_eq(big->err, WEFT_E_LEASE);
    streamrig_call_free(refused);
    streamrig_call_free(big);
    streamrig_call_free(l);
}
END_TEST

START_TEST(a_reader_that_goes_away_or_a_stop_ends_what_is_read)
{
    publish(0, 20000);
    struct streamrig_call *l = lease();
    block_all();
    struct streamrig_call *gone = begin_big_range(l), *late = begin_big_range(l);
    gone->pub.on_gone(&gone->pub, gone->pub.gone_arg);
    streamrig_call_free(gone); // as the control plane does: nothing may touch it any more
    atomic_store(&gate, true);
    wf_pool_stop(rig.node.pool);
    ck_assert(late->answered);
    ck_assert(late->err == WEFT_E_CLOSED || late->err == WEFT_OK); // it waited, or it ran
    // Without workers a part is an answer as well.
    struct streamrig_call *part = ask(l, &(struct ask){ 0 });
    ck_assert_uint_gt(part->reply->range->next, 0);
    ck_assert_uint_le(part->reply->range->next, 20000);
    streamrig_call_free(part);
    streamrig_call_free(late);
    streamrig_call_free(l);
}
END_TEST

// ---- pulls -----------------------------------------------------------------------------------------------------------

START_TEST(a_pull_waits_for_the_next_record)
{
    publish(0, 10);
    struct streamrig_call *l = lease();
    struct wf_incarnation log = wf_home_log_id(product);
    struct streamrig_call *now =
        ask(l, &(struct ask){ .pull = true, .log_id = log, .from = 4, .wait_ms = 20000 });
    ck_assert_uint_eq(look(now).end, 10);
    struct streamrig_call *wait =
        ask(l, &(struct ask){ .pull = true, .log_id = log, .from = 10, .wait_ms = 20000 });
    struct streamrig_call *latest =
        ask(l, &(struct ask){ .pull = true, .start = 2, .wait_ms = 20000 });
    ck_assert(wait->parked && !wait->answered);
    ck_assert(latest->parked && !latest->answered);
    publish(10, 2);
    ck_assert_uint_eq(look(wait).first, 10);
    ck_assert_uint_eq(look(latest).first, 10); // from where it was when it asked
    struct streamrig_call *idle =
        ask(l, &(struct ask){ .pull = true, .log_id = log, .from = 12, .wait_ms = 1 });
    STREAMRIG_UNTIL(&rig, (wf_parked_tick(&rig.node.stream->pulls), idle->answered));
    ck_assert_uint_eq(look(idle).entries, 0);
    ck_assert_uint_eq(idle->reply->range->next, 12);
    // Beyond so many nobody waits: the answer comes at once.
    rig.node.stream->pulls.count += WF_PULLS_MAX;
    struct streamrig_call *many =
        ask(l, &(struct ask){ .pull = true, .log_id = log, .from = 12, .wait_ms = 20000 });
    rig.node.stream->pulls.count -= WF_PULLS_MAX;
    ck_assert(many->answered && !many->parked);
    streamrig_call_free(many);
    // A caller that goes away is forgotten.
    struct streamrig_call *gone =
        ask(l, &(struct ask){ .pull = true, .log_id = log, .from = 12, .wait_ms = 20000 });
    gone->pub.on_gone(&gone->pub, gone->pub.gone_arg);
    streamrig_call_free(gone);
    ck_assert_uint_eq(rig.node.stream->pulls.count, 0);
    publish(12, 1);
    streamrig_call_free(l);
    streamrig_call_free(now);
    streamrig_call_free(wait);
    streamrig_call_free(latest);
    streamrig_call_free(idle);
}
END_TEST

static void open_and_teardown(void)
{
    atomic_store(&gate, true); // also after a test that failed half way
    teardown();
}

int main(void)
{
    Suite *suite = suite_create("node.stream_read");
    TCase *t = tcase_create("read");

    tcase_add_checked_fixture(t, setup, open_and_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_lease_opens_the_stream);
    tcase_add_test(t, nobody_reads_without_a_grant_or_under_anothers_lease);
    tcase_add_test(t, leases_end_with_their_time_and_their_product);
    tcase_add_test(t, a_range_gives_what_was_asked_for);
    tcase_add_test(t, what_cannot_be_read_now_is_no_loss);
    tcase_add_test(t, a_reader_of_an_older_log_is_led_to_the_next);
    tcase_add_test(t, a_long_range_comes_in_pages);
    tcase_add_test(t, what_retention_dropped_is_told_with_its_range);
    tcase_add_test(t, a_big_range_holds_up_nothing_else);
    tcase_add_test(t, a_lease_that_ends_while_its_range_is_read_ends_the_range);
    tcase_add_test(t, a_reader_that_goes_away_or_a_stop_ends_what_is_read);
    tcase_add_test(t, who_catches_up_has_each_entry_read_once);
    tcase_add_test(t, a_pull_waits_for_the_next_record);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
