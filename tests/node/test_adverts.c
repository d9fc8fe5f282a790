// SPDX-License-Identifier: Apache-2.0
// The registry is written once for all products of a node, at its start and when their adverts are due again, however many there are: each write waits for
// the disk on the loop thread. The stream room is real, with its logs in memory; the catalog's store counts.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/stream/priv.h"
#include "tests/support/clock.h"
#include "tests/support/countstore.h"
#include "tests/support/memroom.h"
#include "tests/support/registry.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct countstore store;
static struct wf_catalog *catalog;
static struct wf_memdisk *disk;
static char a_registry; // is there; nobody looks into it

struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    (void)n;
    return catalog;
}

static enum weft_err learn(enum wf_entry_kind kind, struct wf_bytes raw)
{
    enum wf_learned learned;

    return wf_catalog_learn(
        catalog, kind, raw, rig.mesh.charter, wf_test_clock_unix_ms(), &learned);
}

enum weft_err wf_gossip_advertise(struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw)
{
    (void)n;
    return learn(kind, raw);
}

void wf_gossip_hold(struct wf_node *n)
{
    (void)n;
    wf_catalog_hold(catalog);
}

enum weft_err wf_gossip_release(struct wf_node *n)
{
    (void)n;
    return wf_catalog_release(catalog);
}

#define ASKED_MAX 64u

static struct asked { // of the issuer's node
    char product[32];
    wf_gossip_issuer_fn done;
    void *arg;
} asked[ASKED_MAX];
static unsigned asked_count;

enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    struct asked *a = &asked[asked_count];

    (void)n;
    if (request->home->wants_manifests || asked_count == ASKED_MAX)
        return WEFT_E_UNREACHABLE;
    snprintf(a->product, sizeof a->product, "%s", request->home->product);
    a->done = done;
    a->arg = arg;
    asked_count++;
    return WEFT_OK;
}

static void open_catalog(struct wf_store *inner)
{
    countstore_init(&store, inner);
    ck_assert_int_eq(wf_catalog_new(&store.base, (struct wf_quota){ 0 }, rig.mesh.charter,
                         wf_test_clock_unix_ms(), NULL, &catalog),
        WEFT_OK);
}

// The issuer said it: that this node is home.
static struct wf_buf home_of(const char *name)
{
    struct wf_test_entry e = { .domain = WF_TEST_SERVERS,
        .name = name,
        .term = 1,
        .sequence = (uint64_t)wf_test_clock_unix_ms(),
        .node = "node-1" };

    return wf_test_home(&rig.mesh, &e);
}

static void say_home(const char *name)
{
    struct wf_buf raw = home_of(name);

    ck_assert_int_eq(learn(WF_ENTRY_HOME, wf_buf_view(&raw)), WEFT_OK);
    wf_buf_fini(&raw);
}

static void setup(void)
{
    static char dir[600];
    static unsigned number;
    struct wf_store *inner = NULL;

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    snprintf(dir, sizeof dir, "%s/%u", wf_test_tmpdir(), ++number);
    streamrig_init(&rig, dir);
    rig.by_hand = true;
    rig.node.gossip = (struct wf_gossip_room *)(void *)&a_registry;
    ck_assert_int_eq(wf_store_mem_new(&inner), WEFT_OK);
    open_catalog(inner);
    asked_count = 0;
    streamrig_open(&rig);
}

static void teardown(void)
{
    streamrig_close(&rig);
    wf_catalog_free(catalog);
    wf_store_free(&store.base);
    streamrig_fini(&rig);
    wf_memdisk_free(disk);
}

static void make_products(int count, bool homes)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        struct wf_diag diag = { 0 };
        snprintf(name, sizeof name, "p-%d", i);
        struct wf_collect c = streamrig_manifest(name, WF_PRODUCT_EVENT);
        if (homes)
            say_home(name);
        ck_assert_msg(!streamrig_apply(&rig, &c, "sample", &diag), "%s", diag.text);
    }
}

// The catalog as a start finds it, and the room.
static void start_again(void)
{
    struct wf_store *inner = store.inner;

    streamrig_close(&rig);
    wf_catalog_free(catalog);
    open_catalog(inner);
    ck_assert_uint_eq(store.rows, 0); // what was read is not written
    streamrig_open(&rig);
}

static unsigned written_by_tick(int64_t later_ms)
{
    unsigned before = store.waits;

    wf_test_clock_skip(later_ms);
    streamrig_turn(&rig);
    wf_stream_room.tick(&rig.node);
    return store.waits - before;
}

START_TEST(a_start_writes_the_registry_once_for_all_products)
{
    static const int counts[] = { 1, 40 };

    make_products(counts[_i], true);
    ck_assert_uint_eq(store.rows, 2 * (unsigned)counts[_i]);
    wf_test_clock_skip(1000);
    start_again();
    ck_assert_uint_eq(store.rows, (unsigned)counts[_i]);
    ck_assert_uint_eq(store.waits, 1);
    ck_assert_uint_eq(written_by_tick(1000), 0); // nothing is due
    ck_assert_uint_eq(written_by_tick(WF_ADVERT_EVERY_MS), 1);
    ck_assert_uint_eq(store.rows, 2 * (unsigned)counts[_i]);
}
END_TEST

START_TEST(a_registry_that_could_not_be_written_is_said_and_tried_again)
{
    make_products(2, true);
    store.commit_says = WEFT_E_NOSPACE;
    ck_assert_uint_eq(written_by_tick(WF_ADVERT_EVERY_MS), 1);
    const struct wf_alarm *a = rig.core.alarms;
    while (a && strcmp(a->name, "adverts") != 0)
        a = a->next;
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(strstr(a->text, "could not be kept"));
    store.commit_says = WEFT_OK;
    ck_assert_uint_eq(written_by_tick(6000), 1);
    for (a = rig.core.alarms; a; a = a->next)
        ck_assert_str_ne(a->name, "adverts");
}
END_TEST

static void answer(unsigned i, enum weft_err err)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HomeReply r = WEFT__V1__HOME_REPLY__INIT;
    struct wf_buf raw = home_of(asked[i].product);

    r.term = 1;
    r.home = wf_pb_bin(wf_buf_view(&raw));
    reply.kind_case = WEFT__V1__REPLY__KIND_HOME;
    reply.home = &r;
    asked[i].done(asked[i].arg, err, err ? NULL : &reply);
    wf_buf_fini(&raw);
}

START_TEST(the_issuers_answers_of_one_turn_are_written_once)
{
    make_products(40, false);
    ck_assert_uint_eq(asked_count, 40); // the issuer is asked for each
    ck_assert_uint_eq(store.waits, 0);
    for (unsigned i = 0; i < 40; i++)
        answer(i, i == 7 ? WEFT_E_UNREACHABLE : WEFT_OK);
    ck_assert_uint_eq(store.rows, 0);
    streamrig_turn(&rig);
    ck_assert_uint_eq(store.rows, 39);
    ck_assert_uint_eq(store.waits, 1);
    ck_assert_uint_eq(written_by_tick(1000), 1); // their adverts
    ck_assert_uint_eq(store.rows, 2 * 39);
    (void)written_by_tick(6000);
    ck_assert_uint_eq(asked_count, 41); // who had no answer asks again
    answer(40, WEFT_OK);
    streamrig_turn(&rig);
    ck_assert_uint_eq(store.rows, 2 * 39 + 1);
}
END_TEST

START_TEST(an_answer_that_could_not_be_written_is_said_and_a_stop_drops_those_that_wait)
{
    make_products(3, false);
    store.commit_says = WEFT_E_NOSPACE;
    answer(0, WEFT_OK);
    streamrig_turn(&rig);
    struct wf_home_product *p = wf_stream_find(&rig.node, asked[0].product, 0);
    ck_assert_int_eq(p->home_err, WEFT_E_NOSPACE);
    ck_assert(!p->home_asked);
    answer(1, WEFT_OK); // its turn does not end before the room does
    streamrig_close(&rig);
    answer(2, WEFT_OK); // and this one comes when the room is gone
    ck_assert_uint_eq(store.waits, 1);
    streamrig_open(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.adverts");
    TCase *t = tcase_create("adverts");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_start_writes_the_registry_once_for_all_products, 0, 2);
    tcase_add_test(t, a_registry_that_could_not_be_written_is_said_and_tried_again);
    tcase_add_test(t, the_issuers_answers_of_one_turn_are_written_once);
    tcase_add_test(t, an_answer_that_could_not_be_written_is_said_and_a_stop_drops_those_that_wait);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
