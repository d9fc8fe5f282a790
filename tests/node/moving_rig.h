// SPDX-License-Identifier: Apache-2.0
// Two stream rooms of one domain, node-2 and node-3, on one disk in memory, and what is between them, played: the registry of each, the issuer's
// node, the links. An agent and a program on the home's host go on all the while; outside it is known what they were told. Files that are no log are
// counted, and the power may go before or after each of them. Static; link with the wraps named in CMakeLists.txt.
#ifndef WF_TESTS_MOVING_RIG_H
#define WF_TESTS_MOVING_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/join/room.h"
#include "proto/trust/move.h"
#include "sdk/disk.h"
#include "sdk/link.h"
#include "tests/support/clock.h"
#include "tests/support/memroom.h"
#include "tests/support/registry.h"
#include "tests/support/streamrig.h"
#include "tests/support/support.h"

#define TURNS   4000 // after which nothing comes any more
#define BATCHES 256
#define ASKS    16

enum { OLD, NEW, NODES };
static const char *const names[NODES] = { "node-2", "node-3" };

static struct streamrig rigs[NODES];
static struct wf_store *stores[NODES];
static struct wf_catalog *catalogs[NODES];
static struct wf_memdisk *disk;
static struct wf_test_mesh *mesh;
static bool up;
// A node of another domain that mirrors the product, and what it tells of a home that is lost.
static struct {
    bool there;
    struct wf_buf ends;
} mirror;
static bool deaf; // the old home does not answer when it is told to stop
static unsigned told_to_stop;
static enum { HONEST, LEAVES_OUT, NAMES_IT } word; // of the old home about its second entry
static struct {
    long files;                   // written or removed, since the order
    long stop_before, stop_after; // the one; 0: never
    bool stopped;
} power;

// What the issuer's node has on its disk: it is not the one that stops here.
static struct {
    struct wf_buf order, home; // empty: none
    uint64_t order_term, term;
    bool lost; // the order at hand
    int home_is;
    uint64_t sequence;
} issuer;

static struct streamrig_origin agent;
static struct {
    struct wf_buf batches[BATCHES];
    uint64_t ends[BATCHES];
    size_t said, told; // batches signed; acknowledged
    bool waiting;
    int by;           // who has it
    int first[NODES]; // batch that this node acknowledged first, -1
    int last[NODES];
} ledger;

// A program on the host of whoever is home: its records are numbered from 0.
static const uint8_t program[WF_PUBLISHER_LEN] = { 4 };
static struct {
    uint64_t told;
    bool waiting;
} published;

static int place_of(const struct wf_node *n)
{
    return n == &rigs[NEW].node ? NEW : OLD;
}

// ---- files that are no log -------------------------------------------------------------------------------------------

enum weft_err __real_wf_disk_replace(
    const char *path, struct wf_bytes content, struct wf_diag *diag);
enum weft_err __wrap_wf_disk_replace(
    const char *path, struct wf_bytes content, struct wf_diag *diag);
enum weft_err __real_wf_disk_remove(const char *path, struct wf_diag *diag);
enum weft_err __wrap_wf_disk_remove(const char *path, struct wf_diag *diag);

static void stop_now(void)
{
    power.stopped = true;
    wf_memdisk_crash(disk, 0);
}

static bool log_works(void)
{
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    int fd = -1;

    if (vfs.open(vfs.ctx, "/probe", WF_VFS_REPLACE, &fd))
        return false;
    vfs.close(vfs.ctx, fd);
    return true;
}

// Both disks of both nodes stop at one moment.
static bool may_write(void)
{
    if (!power.stopped && !log_works())
        power.stopped = true;
    if (!power.stopped && ++power.files == power.stop_before)
        stop_now();
    return !power.stopped;
}

static enum weft_err written(enum weft_err err)
{
    if (power.files == power.stop_after)
        stop_now();
    return err;
}

enum weft_err __wrap_wf_disk_replace(
    const char *path, struct wf_bytes content, struct wf_diag *diag)
{
    return may_write() ? written(__real_wf_disk_replace(path, content, diag)) : WEFT_E_IO;
}

enum weft_err __wrap_wf_disk_remove(const char *path, struct wf_diag *diag)
{
    return may_write() ? written(__real_wf_disk_remove(path, diag)) : WEFT_E_IO;
}

// ---- the registry and the issuer's node ------------------------------------------------------------------------------

struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    return catalogs[place_of(n)];
}

static enum weft_err learn(int place, enum wf_entry_kind kind, struct wf_bytes raw)
{
    enum wf_learned learned;

    return wf_catalog_learn(
        catalogs[place], kind, raw, mesh->charter, wf_test_clock_unix_ms(), &learned);
}

enum weft_err wf_gossip_advertise(struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw)
{
    return learn(place_of(n), kind, raw);
}

static void sign_home(int place, uint64_t term)
{
    const struct wf_test_domain *d = &mesh->d[WF_TEST_SERVERS];
    struct wf_home_fields f = { .mesh_id = mesh->charter->mesh_id,
        .domain = "servers",
        .product = "depth",
        .node = names[place],
        .term = term,
        .sequence = ++issuer.sequence,
        .expires_ms = wf_test_clock_unix_ms() + WF_HOME_LIFE_MS,
        .issuer_cert = wf_buf_view(&d->issuer_cert) };

    issuer.home.len = 0;
    ck_assert_int_eq(wf_home_sign(&f, &d->issuer, &issuer.home), WEFT_OK);
    issuer.term = term;
    issuer.home_is = place;
}

static inline void sign_order(bool lost)
{
    const struct wf_test_domain *d = &mesh->d[WF_TEST_SERVERS];
    struct wf_move m = { .mesh_id = mesh->charter->mesh_id,
        .domain = { "servers" },
        .product = { "depth" },
        .from = { "node-2" },
        .to = { "node-3" },
        .term = issuer.term + 1,
        .sequence = (uint64_t)wf_test_clock_unix_ms(),
        .expires_ms = wf_test_clock_unix_ms() + WF_TEST_DAY,
        .lost = lost };

    issuer.order.len = 0;
    ck_assert_int_eq(
        wf_move_sign(&m, wf_buf_view(&d->issuer_cert), &d->issuer, &issuer.order), WEFT_OK);
    issuer.order_term = m.term;
    issuer.lost = lost;
}

// As node/join does: a home document for its home, or for whom the order at hand names.
static enum weft_err decide(int asker, bool moved)
{
    if (issuer.term == 0) {
        sign_home(asker, 1);
    } else if (issuer.home_is != asker) {
        if (!moved || !issuer.order.len || asker != NEW)
            return WEFT_E_NOT_HOME;
        sign_home(NEW, issuer.order_term);
        issuer.order.len = 0;
    }
    return WEFT_OK;
}

// ---- requests on their way -------------------------------------------------------------------------------------------

enum { AT_OLD, AT_MIRROR, AT_ISSUER, PLACES };

static struct ask {
    int from; // -1: free
    int to;
    struct wf_buf packed;
    wf_link_fn done;
    void *arg;
} asks[ASKS];

static enum weft_err put_ask(
    int from, int to, const Weft__V1__Request *q, wf_link_fn done, void *arg)
{
    for (size_t i = 0; i < ASKS; i++)
        if (asks[i].from < 0) {
            asks[i] = (struct ask){ from, to, { 0 }, done, arg };
            return wf_pb_pack(q, &asks[i].packed);
        }
    return WEFT_E_BUSY;
}

static struct far { // what a link of the room is here
    int from, to;
} far[NODES][PLACES];

enum weft_err wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret)
{
    int to = strcmp(domain, "servers") == 0 ? AT_OLD : AT_MIRROR, from = place_of(n);

    ck_assert_str_eq(subject, to == AT_OLD ? names[OLD] : "node-1");
    far[from][to] = (struct far){ from, to };
    *ret = (struct wf_link *)(void *)&far[from][to]; // never looked into
    return WEFT_OK;
}

enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg)
{
    const struct far *f = (const struct far *)(const void *)l;

    (void)deadline_ms;
    return put_ask(f->from, f->to, request, done, arg);
}

enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    return put_ask(place_of(n), AT_ISSUER, request, done, arg);
}

static void answer_issuer(struct ask *a, const Weft__V1__Request *q)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HomeReply home = WEFT__V1__HOME_REPLY__INIT;
    enum weft_err err = q->home->wants_manifests ? WEFT_OK : decide(a->from, q->home->moved);

    if (!q->home->wants_manifests)
        home.home = wf_pb_bin(wf_buf_view(&issuer.home));
    reply.kind_case = WEFT__V1__REPLY__KIND_HOME;
    reply.home = &home;
    a->done(a->arg, err, err ? NULL : &reply);
}

static void answer_documents(struct ask *a)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__GetReply get = WEFT__V1__GET_REPLY__INIT; // nobody has any of them

    reply.kind_case = WEFT__V1__REPLY__KIND_GET;
    reply.get = &get;
    a->done(a->arg, WEFT_OK, &reply);
}

static void answer_mirror(struct ask *a, const Weft__V1__Request *q)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HandoverReply r = WEFT__V1__HANDOVER_REPLY__INIT;
    Weft__V1__HandoverProduct p = WEFT__V1__HANDOVER_PRODUCT__INIT, *list[] = { &p };

    ck_assert_int_eq(q->handover->step, WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENDS);
    p.product_id = wf_pb_bin(wf_hash_view(&rigs[OLD].node.stream->products->collect->product.id));
    p.head = p.floor = 1;
    p.marks = wf_pb_bin(wf_buf_view(&mirror.ends));
    r.products = list;
    r.n_products = 1;
    reply.kind_case = WEFT__V1__REPLY__KIND_HANDOVER;
    reply.handover = &r;
    a->done(a->arg, mirror.there ? WEFT_OK : WEFT_E_UNREACHABLE, mirror.there ? &reply : NULL);
}

// Without its second batch, which the old home names as lost or not.
static void leave_out(Weft__V1__RangeReply *r, struct wf_arena *arena)
{
    struct wf_entry e;
    struct wf_batch_header h;
    size_t i = 1;

    ck_assert_uint_gt(r->n_entries, 3);
    ck_assert_int_eq(wf_entry_parse(wf_pb_view(r->entries[i]), &e), WEFT_OK);
    if (e.is_reset)
        ck_assert_int_eq(wf_entry_parse(wf_pb_view(r->entries[++i]), &e), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
    memmove(&r->entries[i], &r->entries[i + 1], (r->n_entries - i - 1) * sizeof *r->entries);
    r->n_entries--;
    if (word == LEAVES_OUT)
        return;
    Weft__V1__Loss *l = wf_arena_alloc(arena, sizeof *l);
    weft__v1__loss__init(l);
    l->from = e.offset;
    l->to = e.offset + h.count;
    r->losses = wf_arena_calloc(arena, 1, sizeof *r->losses);
    r->losses[r->n_losses++] = l;
}

static void answer_old(struct ask *a, const Weft__V1__Request *q)
{
    if (deaf && q->handover->step == WEFT__V1__HANDOVER_REQUEST__STEP__STEP_FREEZE) {
        told_to_stop++;
        a->done(a->arg, WEFT_E_UNREACHABLE, NULL);
        return;
    }
    struct streamrig_call *c = streamrig_call(&rigs[OLD]);
    c->caller.identity = rigs[a->from].node.identity;
    c->request = *q;
    streamrig_send(&rigs[OLD], c, wf_handover_handle);
    ck_assert_msg(c->answered, "a handover is answered at once");
    if (!c->err && word != HONEST && c->reply->handover->range)
        leave_out(c->reply->handover->range, &c->kept);
    a->done(a->arg, c->err, c->reply);
    streamrig_call_free(c);
}

// Each request that is waiting now; those that its answer leads to come next time.
static void answer_asks(void)
{
    struct ask now[ASKS];

    memcpy(now, asks, sizeof now);
    for (size_t i = 0; i < ASKS; i++)
        asks[i].from = -1;
    for (size_t i = 0; i < ASKS; i++) {
        struct wf_arena arena;
        Weft__V1__Request *q = NULL;
        if (now[i].from < 0)
            continue;
        wf_arena_init(&arena, 4u * WF_MIB);
        ck_assert_int_eq(wf_pb_unpack(&weft__v1__request__descriptor, wf_buf_view(&now[i].packed),
                             WF_PB_STRICT, &arena, &q),
            WEFT_OK);
        if (!up)
            now[i].done(now[i].arg, WEFT_E_CLOSED, NULL);
        else if (now[i].to == AT_ISSUER)
            answer_issuer(&now[i], q);
        else if (q->kind_case == WEFT__V1__REQUEST__KIND_GET)
            answer_documents(&now[i]);
        else if (now[i].to == AT_MIRROR)
            answer_mirror(&now[i], q);
        else
            answer_old(&now[i], q);
        wf_arena_fini(&arena);
        wf_buf_fini(&now[i].packed);
    }
}

// ---- who is home -----------------------------------------------------------------------------------------------------

static bool takes(int at)
{
    struct wf_home_product *p = wf_stream_find(&rigs[at].node, "depth", 0);

    return p && wf_home_is_here(p) && !wf_home_moves(p) && !wf_incarnation_is_none(&p->log_id);
}

// ---- the agent -------------------------------------------------------------------------------------------------------

static void on_told(struct wf_node *n, void *arg, enum weft_err err)
{
    int by = place_of(n);

    (void)arg;
    ledger.waiting = false;
    if (err)
        return;
    if (ledger.first[by] < 0)
        ledger.first[by] = (int)ledger.told;
    ledger.last[by] = (int)ledger.told;
    ledger.told++;
}

// The batch that is not acknowledged yet, or the next one, at that node.
static inline void push(int at)
{
    struct wf_home_product *p = wf_stream_find(&rigs[at].node, "depth", 0);
    struct wf_diag diag = { 0 };

    if (!p || ledger.waiting)
        return;
    if (ledger.told == ledger.said) {
        ck_assert_uint_lt(ledger.said, BATCHES);
        ledger.batches[ledger.said] =
            streamrig_batch(&rigs[at], &agent, p, (int64_t)agent.next_seq, 3);
        ledger.ends[ledger.said++] = agent.next_seq;
    }
    ledger.waiting = true;
    if (wf_stream_accept(&rigs[at].node, p, &agent.identity,
            wf_buf_view(&ledger.batches[ledger.told]), on_told, NULL, &diag))
        ledger.waiting = false;
}

static void on_published(struct wf_node *n, void *arg, enum weft_err err)
{
    (void)n;
    published.waiting = false;
    if (!err)
        published.told = (uint64_t)(uintptr_t)arg;
}

// Two records behind its mark there.
static inline void publish(int at)
{
    struct wf_node *n = &rigs[at].node;
    struct wf_home_product *p = wf_stream_find(n, "depth", 0);
    struct wf_diag diag = { 0 };

    if (!p || published.waiting)
        return;
    uint64_t mark = wf_stream_publisher_mark(n, p, program);
    ck_assert_msg(!takes(at) || mark >= published.told, "%s has its records up to %llu of %llu",
        names[at], (unsigned long long)mark, (unsigned long long)published.told);
    struct wf_records rows = streamrig_rows((int64_t)mark, 2);
    struct wf_origin_records o = { .raw = wf_buf_view(&rows.raw),
        .base_us = rows.base_us,
        .count = 2,
        .publisher = program,
        .publisher_seq = mark };
    published.waiting = true;
    if (wf_stream_originate(n, p, &o, on_published, (void *)(uintptr_t)(mark + 2), &diag))
        published.waiting = false;
    wf_records_fini(&rows);
}

// ---- two nodes -------------------------------------------------------------------------------------------------------

static void open_nodes(void)
{
    static char a_registry; // is there; nobody looks into it

    for (int i = 0; i < NODES; i++) {
        ck_assert_int_eq(wf_store_mem_new(&stores[i]), WEFT_OK);
        ck_assert_int_eq(wf_catalog_new(stores[i], (struct wf_quota){ 0 }, mesh->charter,
                             wf_test_clock_unix_ms(), NULL, &catalogs[i]),
            WEFT_OK);
        rigs[i].node.gossip = (struct wf_gossip_room *)(void *)&a_registry;
        streamrig_open(&rigs[i]);
    }
    up = true;
}

static void close_nodes(void)
{
    up = false;
    for (int i = 0; i < NODES; i++)
        streamrig_close(&rigs[i]);
    answer_asks();
    for (int i = 0; i < NODES; i++) {
        wf_catalog_free(catalogs[i]);
        wf_store_free(stores[i]);
    }
    ck_assert(!ledger.waiting && !published.waiting);
}

static inline void turn(void)
{
    wf_test_clock_skip(20);
    for (int i = 0; i < NODES; i++) {
        wf_stream_room.tick(&rigs[i].node);
        streamrig_turn(&rigs[i]);
    }
    answer_asks();
}

// The new home's registry names the mirror.
static inline void know_mirror(void)
{
    const struct wf_test_domain *d = &mesh->d[WF_TEST_NETWORK];
    static const char *const mirrors[] = { "servers/depth" }, *const addresses[] = {
        "192.0.2.1:7400"
    };
    struct wf_buf advert = { 0 };
    struct wf_node_fields f = { .mesh_id = mesh->charter->mesh_id,
        .domain = d->name,
        .subject = "node-1",
        .sequence = (uint64_t)wf_test_clock_unix_ms(),
        .expires_ms = wf_test_clock_unix_ms() + WF_TEST_HOUR,
        .addresses = addresses,
        .address_count = 1,
        .mirrors = mirrors,
        .mirror_count = 1,
        .dh_key = d->node_dh_pub,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1 };

    ck_assert_int_eq(wf_node_advert_sign(&f, &d->node, &advert), WEFT_OK);
    ck_assert_int_eq(learn(NEW, WF_ENTRY_NODE, wf_buf_view(&advert)), WEFT_OK);
    wf_buf_fini(&advert);
}

// What the issuer said last comes to that node.
static inline void gossip(int to)
{
    if (issuer.home.len)
        (void)learn(to, WF_ENTRY_HOME, wf_buf_view(&issuer.home));
}

// Of a home that is lost the issuer's node kept the manifest.
static inline void give_order(void)
{
    const struct wf_home_product *kept = issuer.lost ? rigs[OLD].node.stream->products : NULL;
    struct wf_bytes manifest = kept ? wf_buf_view(&kept->collect->raw) : wf_bytes(NULL, 0),
                    schema = kept ? wf_buf_view(&kept->schema_set) : wf_bytes(NULL, 0);
    struct wf_diag diag = { 0 };

    if (issuer.order.len) // it may fail for want of a disk, and comes again
        (void)!wf_stream_take_over(
            &rigs[NEW].node, wf_buf_view(&issuer.order), manifest, schema, &diag);
}

// Nothing is on its way, and who is home by the issuer's word takes records; the other one has heard of it.
static inline bool is_over(int heard)
{
    if (issuer.order.len || ledger.waiting || published.waiting || !takes(issuer.home_is))
        return false;
    return issuer.home_is == OLD || (heard > 20 && !takes(OLD) && ledger.first[NEW] >= 0);
}

// Until it is over, or the power goes. The old home hears of the new one late.
static inline bool go_on(void)
{
    int heard = 0;

    for (int i = 0; i < TURNS; i++) {
        turn();
        if (power.stopped || !log_works())
            return false;
        gossip(NEW);
        heard = issuer.home_is == NEW ? heard + 1 : 0;
        if (heard > 10)
            gossip(OLD);
        if (is_over(heard))
            return true;
        push(i % 2 ? OLD : NEW);
        publish(i % 2 ? NEW : OLD);
    }
    return false;
}

#endif
