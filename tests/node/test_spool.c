// SPDX-License-Identifier: Apache-2.0
// An agent's spool on a real disk, without a node to push to: what does not fit is counted and told in the chain; what is kept is sealed
// where its class says so, and comes back bit for bit.
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/core.h"
#include "proto/stream/batch.h"
#include "sdk/disk.h"
#include "tests/support/stream.h"
#include "tests/support/trust_mesh.h"

#define WAIT_MS 20000

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_uplink_room uplink;
static struct wf_agent_product product;
static struct wf_collect collect;
static struct wf_test_mesh mesh;
static uint64_t seed = 11;

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_ = wf_node_now_ms(&node) + WAIT_MS;                                          \
        while (!(condition)) {                                                                     \
            wf_loop_turn(node.loop, 10);                                                           \
            ck_assert_msg(wf_node_now_ms(&node) < until_, "waited for %s", #condition);            \
        }                                                                                          \
    } while (0)

static void open_spool(void)
{
    struct wf_diag diag = { 0 };

    uplink = (struct wf_uplink_room){ .node = &node, .vfs = wf_vfs_posix };
    node.uplink = &uplink;
    ck_assert_int_eq(wf_disk_join(conf.data, "meta", &uplink.meta_dir), WEFT_OK);
    ck_assert_int_eq(wf_disk_mkdir(uplink.meta_dir, &diag), WEFT_OK);
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_msg(wf_spool_open(&node, &diag) == WEFT_OK, "%s", diag.text);
    product = (struct wf_agent_product){
        .node = &node, .collect = &collect, .linger = { .fire = wf_spool_linger }
    };
    uplink.products = &product;
    ck_assert_int_eq(wf_spool_begin_chain(&product), WEFT_OK);
}

static void close_spool(void)
{
    uplink.closed = true;
    wf_spool_close(&node);
    free(uplink.meta_dir);
    wf_loop_free(node.loop);
    wf_records_fini(&product.open);
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
}

static void setup(void)
{
    char *identity = NULL;
    struct wf_diag diag = { 0 };

    wf_test_mesh_init(&mesh);
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    conf.spool.bytes = 1u << 20;
    conf.spool.age_ms = 72 * WF_TEST_HOUR;
    conf.min_free_percent = 1;
    conf.linger_ms = 1;
    node = (struct wf_node){ .core = &core, .conf = &conf, .is_agent = true };
    node.keys.sign = wf_test_sign_key("servers/web-1", &node.keys.sign_pub);
    node.has_certificate = true;
    node.identity.cert.id = wf_test_hash("certificate");
    collect = (struct wf_collect){ .product = { .name = "rows",
                                       .id = wf_test_hash("product"),
                                       .schema_hash = wf_test_hash("schema"),
                                       .durability = WF_DURABILITY_DISK } };
    ck_assert_int_eq(wf_disk_join(conf.data, "identity", &identity), WEFT_OK);
    ck_assert_int_eq(wf_disk_mkdir(identity, &diag), WEFT_OK);
    free(identity);
    open_spool();
}

static void teardown(void)
{
    close_spool();
    wf_secret_fini(&node.keys.sign);
    wf_test_mesh_fini(&mesh);
}

static bool alarmed(const char *name)
{
    for (const struct wf_alarm *a = core.alarms; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return true;
    return false;
}

// One batch with one record of bytes that do not compress.
static void say(size_t len)
{
    uint8_t noise[WF_PRODUCT_BATCH];

    ck_assert_uint_le(len, sizeof noise);
    wf_test_rand_bytes(&seed, noise, len);
    ck_assert_int_eq(wf_records_put(&product.open, WF_OP_PUT, wf_node_now_unix_ms(&node) * 1000,
                         wf_bytes(noise, len)),
        WEFT_OK);
    wf_spool_flush(&product);
    UNTIL(product.pending == 0);
}

// ---- reading it back -------------------------------------------------------------------------------------------------

struct seen {
    struct wf_hash last;
    uint64_t next_seq, records, lost;
    struct wf_hash all; // of all bytes
    size_t batches;
    enum wf_batch_kind first_kind;
};

static bool look(void *arg, const struct wf_log_view *v)
{
    struct seen *s = arg;
    struct wf_bytes envelope, payload;
    struct wf_batch_header h;

    if (v->status == WEFT_E_RETENTION)
        return true; // released
    ck_assert_int_eq(v->status, WEFT_OK);
    ck_assert_int_eq(wf_batch_split(v->body, &envelope, &payload), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_header(envelope, &h), WEFT_OK);
    ck_assert_mem_eq(h.signer.b, node.keys.sign_pub.b, WF_KEY_LEN);
    if (!s->batches)
        s->first_kind = h.kind;
    if (s->batches++) {
        ck_assert_uint_eq(h.first_seq, s->next_seq);
        ck_assert(wf_hash_eq(&h.previous, &s->last));
    }
    s->next_seq = h.first_seq + h.count;
    s->last = h.id;
    if (h.kind == WF_BATCH_LOSS)
        s->lost += h.count;
    else
        s->records += h.count;
    struct wf_hasher hash;
    wf_hasher_init(&hash, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&hash, wf_hash_view(&s->all));
    wf_hasher_add(&hash, v->body);
    wf_hasher_done(&hash, s->all.b, WF_HASH_LEN);
    return true;
}

static struct seen read_chain(const struct wf_incarnation *i)
{
    struct seen s = { 0 };
    struct wf_buf scratch = { 0 };
    struct wf_log_range range;
    struct wf_log_reader r = {
        .max_bytes = 1u << 24, .visit = look, .arg = &s, .scratch = &scratch
    };
    uint64_t next = 0;

    wf_spool_key(&collect.product.id, i, &r.product);
    ck_assert_int_eq(wf_log_range(node.log, &r.product, &range), WEFT_OK);
    r.from = range.floor;
    ck_assert_int_eq(wf_log_read(node.log, &r, &next), WEFT_OK);
    ck_assert_uint_eq(next, range.head);
    wf_buf_fini(&scratch);
    return s;
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(what_a_full_spool_drops_is_counted_and_told_in_the_chain)
{
    unsigned kept = 0, dropped = 0;

    while (!alarmed("spool")) {
        say(60000);
        kept += !alarmed("spool");
        ck_assert_uint_lt(kept, 1000);
    }
    for (dropped = 1; dropped < 5; dropped++)
        say(60000);
    ck_assert_msg(product.lost == dropped, "one hole, to be told as one loss");
    struct seen before = read_chain(&product.incarnation);
    ck_assert_uint_eq(before.records, kept);
    ck_assert_uint_eq(before.lost, 0);
    // The node took all of it: there is room, and the loss stands before what is said next.
    ck_assert_int_eq(wf_log_release(node.log, &uplink.chains->key, product.next_seq), WEFT_OK);
    UNTIL(!wf_spool_is_full(&node));
    say(100);
    ck_assert(!alarmed("spool"));
    struct seen after = read_chain(&product.incarnation);
    ck_assert_int_eq(after.first_kind, WF_BATCH_LOSS);
    ck_assert_uint_eq(after.lost, dropped);
    ck_assert_uint_eq(after.next_seq, kept + dropped + 1);
}
END_TEST

static bool ticked_quiet(void)
{
    wf_spool_tick(&node);
    return !alarmed("spool");
}

// A host that has nothing more to say must not be called full for ever.
START_TEST(the_alarm_of_a_full_spool_ends_when_its_node_took_what_waited)
{
    for (unsigned i = 0; !alarmed("spool"); i++) {
        say(60000);
        ck_assert_uint_lt(i, 1000);
    }
    product.lost = 0; // nothing is to be told any more
    wf_spool_tick(&node);
    ck_assert_msg(alarmed("spool"), "it is full still");
    ck_assert_int_eq(wf_log_release(node.log, &uplink.chains->key, product.next_seq), WEFT_OK);
    UNTIL(ticked_quiet());
}
END_TEST

START_TEST(what_waits_is_the_same_bytes_after_a_restart)
{
    struct wf_incarnation first = product.incarnation;

    for (int i = 0; i < 10; i++)
        say(1000);
    struct seen before = read_chain(&first);
    close_spool();
    open_spool();
    struct seen after = read_chain(&first);
    ck_assert_uint_eq(after.batches, 10);
    ck_assert(wf_hash_eq(&before.all, &after.all));
    ck_assert_msg(wf_incarnation_cmp(&product.incarnation, &first) > 0, "a new start, a new chain");
    say(10);
    ck_assert_uint_eq(read_chain(&product.incarnation).next_seq, 1);
}
END_TEST

// The tick cuts what waits into chains, and gives the old ones up.
static bool ticked_to(uint64_t lost)
{
    wf_spool_tick(&node);
    return uplink.lost_records >= lost;
}

START_TEST(what_waits_too_long_is_given_up_by_whole_chains_and_told_in_the_newest)
{
    struct wf_incarnation first = product.incarnation;

    conf.spool.age_ms = 800;
    for (int i = 0; i < 3; i++)
        say(100);
    UNTIL((wf_spool_tick(&node), !wf_incarnation_eq(&first, &product.incarnation)));
    ck_assert_msg(uplink.lost_records == 0, "a new chain alone loses nothing");
    UNTIL(ticked_to(3));
    UNTIL((wf_spool_tick(&node), product.lost == 0 && product.pending == 0));
    struct seen s = read_chain(&product.incarnation);
    ck_assert_uint_eq(s.lost, 3);
    ck_assert_uint_eq(s.records, 0);
    for (const struct wf_spool_chain *c = uplink.chains; c; c = c->next)
        ck_assert_msg(!wf_incarnation_eq(&c->incarnation, &first), "the old chain still waits");
    ck_assert_uint_eq(uplink.lost_records, 3);
}
END_TEST

static const uint8_t publisher[WF_PUBLISHER_LEN] = "an application";

// As a kill would leave it: marks that were not kept yet are gone.
static void kill_spool(void)
{
    uplink.publishers_dirty = false;
    close_spool();
}

static uint64_t durable_mark(void)
{
    const struct wf_spool_publisher *u = wf_spool_publisher(&node, &collect.product.id, publisher);

    return u ? u->durable : 0;
}

// Its batch is all that tells of a mark after the first kill; the batch is released, and the second kill comes before anything else is published.
START_TEST(a_publishers_mark_outlives_its_batch_through_two_kills)
{
    struct wf_records r = { 0 };

    ck_assert_int_eq(wf_records_put(&r, WF_OP_PUT, 1, WF_STR("a record")), WEFT_OK);
    struct wf_spool_publisher *u = NULL;
    ck_assert_int_eq(wf_spool_publisher_need(
                         &node, &collect.product.id, publisher, wf_node_now_unix_ms(&node), &u),
        WEFT_OK);
    ck_assert_int_eq(wf_spool_seal(&product, &r, publisher, 1, NULL), WEFT_OK);
    wf_records_fini(&r);
    UNTIL(product.pending == 0);
    ck_assert_uint_eq(durable_mark(), 1);
    kill_spool();
    open_spool();
    ck_assert_uint_eq(durable_mark(), 1);
    conf.spool.age_ms = 1; // who waits too long is given up: released, as when a node took it
    UNTIL(ticked_to(1));
    kill_spool();
    conf.spool.age_ms = 72 * WF_TEST_HOUR;
    open_spool();
    ck_assert_uint_eq(durable_mark(), 1);
}
END_TEST

// A table full of commands that published once, before and after a restart, does not cost a writer its mark.
START_TEST(publishers_of_one_process_cost_no_other_its_mark)
{
    static const uint8_t writer[WF_PUBLISHER_LEN] = "writer";
    uint8_t once[WF_PUBLISHER_LEN] = { 0 };
    struct wf_spool_publisher *u = NULL;
    const struct wf_hash *id = &collect.product.id;

    ck_assert_int_eq(
        wf_spool_publisher_need(&node, id, writer, wf_node_now_unix_ms(&node), &u), WEFT_OK);
    u->durable = u->ahead = 41;
    for (uint32_t i = 0; i < 3 * WF_UPLINK_PUBLISHERS; i++) {
        wf_store_be32(once + WF_PUBLISHER_BRIEF, i + 1);
        ck_assert_int_eq(
            wf_spool_publisher_need(&node, id, once, wf_node_now_unix_ms(&node), &u), WEFT_OK);
        if (i % WF_UPLINK_PUBLISHERS == WF_UPLINK_PUBLISHERS - 1) {
            uplink.publishers_dirty = true;
            close_spool();
            open_spool();
        }
        ck_assert_ptr_nonnull(wf_spool_publisher(&node, id, writer));
    }
    ck_assert_uint_eq(wf_spool_publisher(&node, id, writer)->durable, 41);
    ck_assert_uint_eq(uplink.publisher_count, WF_UPLINK_PUBLISHERS);
}
END_TEST

// Of those that stay the longest unused goes, also when all of them were read back from the disk.
START_TEST(the_longest_unused_mark_goes_first_after_a_restart_too)
{
    uint8_t named[WF_PUBLISHER_LEN] = { 1 };
    struct wf_spool_publisher *u = NULL;
    const struct wf_hash *id = &collect.product.id;

    for (uint32_t i = 0; i < WF_UPLINK_PUBLISHERS; i++) { // the first one is used last
        wf_store_be32(named + 4, i);
        ck_assert_int_eq(wf_spool_publisher_need(&node, id, named, 5000 - i, &u), WEFT_OK);
    }
    uplink.publishers_dirty = true;
    close_spool();
    open_spool();
    wf_store_be32(named + 4, WF_UPLINK_PUBLISHERS);
    ck_assert_int_eq(wf_spool_publisher_need(&node, id, named, 6000, &u), WEFT_OK);
    wf_store_be32(named + 4, WF_UPLINK_PUBLISHERS - 1);
    ck_assert_ptr_null(wf_spool_publisher(&node, id, named));
    wf_store_be32(named + 4, 0);
    ck_assert_ptr_nonnull(wf_spool_publisher(&node, id, named));
}
END_TEST

static void count_answer(struct wf_node *n, void *arg, enum weft_err err)
{
    unsigned *oks = arg;

    (void)n;
    *oks += err == WEFT_OK;
}

START_TEST(what_a_publisher_dropped_is_told_in_the_chain_once)
{
    struct wf_origin_records r = { .publisher = publisher, .count = 300, .lost = true };
    struct wf_diag diag = { 0 };
    unsigned oks = 0;

    product.message = (const struct wf_schema_message *)(const void
            *)&product; // there are no records to look at with it
    ck_assert_int_eq(wf_uplink_originate(&node, "rows", &r, count_answer, &oks, &diag), WEFT_OK);
    ck_assert_msg(wf_uplink_originate(&node, "rows", &r, count_answer, &oks, &diag) == WEFT_E_BUSY,
        "nothing promises yet that it stays");
    UNTIL(oks == 1);
    ck_assert_int_eq(wf_uplink_originate(&node, "rows", &r, count_answer, &oks, &diag), WEFT_OK);
    ck_assert_uint_eq(oks, 2);
    r.count = 310; // more meanwhile
    ck_assert_int_eq(wf_uplink_originate(&node, "rows", &r, count_answer, &oks, &diag), WEFT_OK);
    UNTIL(oks == 3);
    r.publisher_seq = 400;
    ck_assert_int_eq(
        wf_uplink_originate(&node, "rows", &r, count_answer, &oks, &diag), WEFT_E_ORDER);
    struct seen s = read_chain(&product.incarnation);
    ck_assert(s.lost == 310 && s.records == 0 && s.batches == 2);
    ck_assert_uint_eq(uplink.lost_records, 310);
    kill_spool();
    open_spool();
    ck_assert_uint_eq(durable_mark(), 310);
}
END_TEST

static struct wf_bytes wanted;
static bool found;

static int search(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type == FTW_F) {
        struct wf_buf file = wf_test_file(path);
        found = found || memmem(file.ptr, file.len, wanted.ptr, wanted.len);
        wf_buf_fini(&file);
    }
    return 0;
}

static const struct class
{
    enum wf_classification classification;
    bool in_clear;
} classes[] = {
    { WF_CLASS_INTERNAL, true }, // and so the search finds what is there
    { WF_CLASS_CONFIDENTIAL, false },
    { WF_CLASS_PERSONAL, false },
};

START_TEST(records_lie_sealed_by_their_class)
{
    uint8_t noise[200];
    uint64_t same = 5;

    collect.product.classification = classes[_i].classification;
    seed = same;
    wf_test_rand_bytes(&same, noise, sizeof noise);
    say(sizeof noise);
    wanted = wf_bytes(noise + 50, 100);
    found = false;
    ck_assert_int_eq(nftw(conf.data, search, 16, FTW_PHYS), 0);
    ck_assert_int_eq(found, classes[_i].in_clear);
    ck_assert_uint_eq(read_chain(&product.incarnation).records, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.spool");
    TCase *c = tcase_create("spool");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, what_a_full_spool_drops_is_counted_and_told_in_the_chain);
    tcase_add_test(c, the_alarm_of_a_full_spool_ends_when_its_node_took_what_waited);
    tcase_add_test(c, what_waits_is_the_same_bytes_after_a_restart);
    tcase_add_test(c, what_waits_too_long_is_given_up_by_whole_chains_and_told_in_the_newest);
    tcase_add_test(c, a_publishers_mark_outlives_its_batch_through_two_kills);
    tcase_add_test(c, publishers_of_one_process_cost_no_other_its_mark);
    tcase_add_test(c, the_longest_unused_mark_goes_first_after_a_restart_too);
    tcase_add_test(c, what_a_publisher_dropped_is_told_in_the_chain_once);
    tcase_add_loop_test(c, records_lie_sealed_by_their_class, 0, (int)WF_COUNT(classes));
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
