// SPDX-License-Identifier: Apache-2.0
// Catalogs that gossip over a simulated network which loses and delays. Time is virtual; every run is named by its seed, which is
// printed when it fails: WEFT_SIM_SEED=N repeats it.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/gossip.h"
#include "tests/support/registry.h"

#define NODES      8
#define MAILS      4096
#define DIGEST_CAP 128

enum mail_kind { MAIL_SYNC, MAIL_DIGESTS, MAIL_GET, MAIL_DOCUMENTS, MAIL_NEWS, MAIL_FAILED };
struct mail {
    enum mail_kind kind;
    int from, to;
    int64_t at_ms;
    struct wf_digest *digests;
    size_t count;
    bool more;
    struct wf_buf *documents;
    struct wf_domain_root roots[WF_TEST_DOMAINS];
    size_t root_count, skip;
};

struct sim;
struct sim_node {
    struct sim *sim;
    int self;
    struct wf_store *store;
    struct wf_catalog *catalog;
    struct wf_gossip *gossip;
    unsigned refused, diverges;
    bool got;
};
struct sim {
    uint64_t seed, random;
    unsigned loss_percent;
    int64_t now_ms;
    struct sim_node nodes[NODES];
    struct mail mails[MAILS];
    size_t mail_count;
    uint64_t bodies;
};

static struct wf_test_mesh mesh;
static struct sim sim; // big

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

static void mail_fini(struct mail *m)
{
    for (size_t i = 0; m->documents && i < m->count; i++)
        wf_buf_fini(&m->documents[i]);
    free(m->documents);
    free(m->digests);
}

// A lost request fails at its sender; a lost answer likewise; lost news are not missed.
static void post(struct mail m)
{
    bool lost = wf_test_rand(&sim.random) % 100 < sim.loss_percent;

    if (lost) {
        mail_fini(&m);
        if (m.kind == MAIL_NEWS)
            return;
        int asker = m.kind == MAIL_SYNC || m.kind == MAIL_GET ? m.from : m.to;
        int asked = asker == m.from ? m.to : m.from;
        m = (struct mail){ .kind = MAIL_FAILED, .from = asked, .to = asker };
    }
    m.at_ms = sim.now_ms + 1 + (int64_t)(wf_test_rand(&sim.random) % 200);
    ck_assert_uint_lt(sim.mail_count, MAILS);
    sim.mails[sim.mail_count++] = m;
}

static struct wf_digest *copy_digests(const struct wf_digest *d, size_t count)
{
    struct wf_digest *v = calloc(count ? count : 1, sizeof *v);

    ck_assert_ptr_nonnull(v);
    if (count)
        memcpy(v, d, count * sizeof *v);
    return v;
}

static void send_sync(struct sim_node *n, int to, size_t skip)
{
    struct mail m = { .kind = MAIL_SYNC, .from = n->self, .to = to, .skip = skip };

    m.root_count = wf_catalog_domain_roots(n->catalog, m.roots, WF_TEST_DOMAINS);
    post(m);
}

static void act(void *arg, const struct wf_gossip_action *a)
{
    struct sim_node *n = arg;

    switch (a->kind) {
    case WF_GOSSIP_SYNC:
        send_sync(n, (int)a->peer, 0);
        break;
    case WF_GOSSIP_GET:
        n->got = true;
        post((struct mail){ .kind = MAIL_GET,
            .from = n->self,
            .to = (int)a->peer,
            .digests = copy_digests(a->digests, a->count),
            .count = a->count });
        break;
    case WF_GOSSIP_NEWS:
        post((struct mail){ .kind = MAIL_NEWS,
            .from = n->self,
            .to = (int)a->peer,
            .digests = copy_digests(a->digests, a->count),
            .count = a->count });
        break;
    case WF_GOSSIP_REFUSED:
        n->refused++;
        break;
    case WF_GOSSIP_DIVERGES:
        n->diverges++;
        break;
    case WF_GOSSIP_LEARNED:
        break;
    }
}

static int64_t unix_now(void)
{
    return WF_TEST_NOW + sim.now_ms;
}

static void step(struct sim_node *n, const struct wf_gossip_event *e)
{
    wf_gossip_step(n->gossip, sim.now_ms, unix_now(), mesh.charter, e, act, n);
}

static void answer_sync(struct sim_node *n, const struct mail *m)
{
    struct wf_digest page[DIGEST_CAP];
    struct mail reply = { .kind = MAIL_DIGESTS, .from = n->self, .to = m->from };

    // Pages of eight, so that more than one page is usual.
    reply.count =
        wf_gossip_answer(n->catalog, m->roots, m->root_count, false, m->skip, page, 8, &reply.more);
    reply.digests = copy_digests(page, reply.count);
    reply.skip = m->skip + reply.count;
    post(reply);
}

static void answer_get(struct sim_node *n, struct mail *m)
{
    struct mail reply = { .kind = MAIL_DOCUMENTS,
        .from = n->self,
        .to = m->from,
        .digests = copy_digests(m->digests, m->count),
        .count = m->count };

    reply.documents = calloc(m->count, sizeof *reply.documents);
    ck_assert_ptr_nonnull(reply.documents);
    for (size_t i = 0; i < m->count; i++) {
        const struct wf_known *k = wf_catalog_by_id(n->catalog, &m->digests[i].id);
        if (k)
            ck_assert_int_eq(wf_bytes_dup(k->raw, &reply.documents[i]), WEFT_OK);
        sim.bodies += k != NULL;
    }
    post(reply);
}

static void take_digests(struct sim_node *n, const struct mail *m)
{
    struct wf_gossip_event e = { .kind = WF_GOSSIP_DIGESTS,
        .peer = (uint32_t)m->from,
        .digests = m->digests,
        .digest_count = m->count,
        .is_news = m->kind == MAIL_NEWS,
        .more = m->more };

    n->got = false;
    step(n, &e);
    if (m->more && !n->got)
        send_sync(n, m->from, m->skip);
}

static void take_documents(struct sim_node *n, const struct mail *m)
{
    struct wf_bytes views[WF_MAX_GET];
    struct wf_gossip_event e = { .kind = WF_GOSSIP_DOCUMENTS,
        .peer = (uint32_t)m->from,
        .digests = m->digests,
        .digest_count = m->count,
        .documents = views };

    for (size_t i = 0; i < m->count; i++)
        views[i] = wf_buf_view(&m->documents[i]);
    step(n, &e);
}

static void deliver(struct mail *m)
{
    struct sim_node *n = &sim.nodes[m->to];
    struct wf_gossip_event failed = { .kind = WF_GOSSIP_FAILED, .peer = (uint32_t)m->from };

    switch (m->kind) {
    case MAIL_SYNC:
        answer_sync(n, m);
        break;
    case MAIL_GET:
        answer_get(n, m);
        break;
    case MAIL_DIGESTS:
    case MAIL_NEWS:
        take_digests(n, m);
        break;
    case MAIL_DOCUMENTS:
        take_documents(n, m);
        break;
    case MAIL_FAILED:
        step(n, &failed);
        break;
    }
    mail_fini(m);
}

static void run_until(int64_t end_ms)
{
    for (; sim.now_ms < end_ms; sim.now_ms += 10) {
        for (size_t i = 0; i < sim.mail_count;) {
            if (sim.mails[i].at_ms > sim.now_ms) {
                i++;
                continue;
            }
            struct mail m = sim.mails[i];
            sim.mails[i] = sim.mails[--sim.mail_count];
            deliver(&m);
        }
        struct wf_gossip_event tick = { .kind = WF_GOSSIP_TICK };
        for (int i = 0; i < NODES && sim.now_ms % 1000 == 0; i++) {
            wf_catalog_expire(sim.nodes[i].catalog, unix_now());
            step(&sim.nodes[i], &tick);
        }
    }
}

static void start(uint64_t seed, unsigned loss_percent)
{
    memset(&sim, 0, sizeof sim);
    sim.seed = sim.random = seed;
    sim.loss_percent = loss_percent;
    for (int i = 0; i < NODES; i++) {
        struct sim_node *n = &sim.nodes[i];
        n->sim = &sim;
        n->self = i;
        ck_assert_int_eq(wf_store_mem_new(&n->store), WEFT_OK);
        ck_assert_int_eq(wf_catalog_new(n->store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW,
                             NULL, &n->catalog),
            WEFT_OK);
        ck_assert_int_eq(wf_gossip_new(n->catalog, seed * 31 + (uint64_t)i, &n->gossip), WEFT_OK);
    }
}

static void stop(void)
{
    for (size_t i = 0; i < sim.mail_count; i++)
        mail_fini(&sim.mails[i]);
    for (int i = 0; i < NODES; i++) {
        wf_gossip_free(sim.nodes[i].gossip);
        wf_catalog_free(sim.nodes[i].catalog);
        wf_store_free(sim.nodes[i].store);
    }
}

static void befriend(int a, int b)
{
    ck_assert_int_eq(wf_gossip_peer_add(sim.nodes[a].gossip, (uint32_t)b, "servers"), WEFT_OK);
    ck_assert_int_eq(wf_gossip_peer_add(sim.nodes[b].gossip, (uint32_t)a, "servers"), WEFT_OK);
}

static void line(void)
{
    for (int i = 0; i + 1 < NODES; i++)
        befriend(i, i + 1);
}

// The node learns a document of its own and tells.
static void publish(int at, enum wf_entry_kind kind, struct wf_buf raw)
{
    struct sim_node *n = &sim.nodes[at];
    enum wf_learned learned;

    ck_assert_int_eq(
        wf_catalog_learn(n->catalog, kind, wf_buf_view(&raw), mesh.charter, unix_now(), &learned),
        WEFT_OK);
    for (const struct wf_known *k = wf_catalog_next(n->catalog, NULL); k;
         k = wf_catalog_next(n->catalog, k)) {
        struct wf_digest d;
        if (!wf_bytes_eq(k->raw, wf_buf_view(&raw)))
            continue;
        wf_digest_of(k, &d);
        struct wf_gossip_event e = { .kind = WF_GOSSIP_OWN, .digests = &d, .digest_count = 1 };
        step(n, &e);
    }
    wf_buf_fini(&raw);
}

static void publish_some(int at, int domain, int products)
{
    struct wf_test_entry e = {
        .domain = domain, .sequence = (uint64_t)unix_now(), .term = 1, .life_ms = WF_TEST_DAY
    };
    char name[16];

    publish(at, WF_ENTRY_NODE, wf_test_node_advert(&mesh, &e));
    publish(at, WF_ENTRY_REVOCATIONS, wf_test_list(&mesh, &e));
    e.name = name;
    for (int i = 0; i < products; i++) {
        snprintf(name, sizeof name, "p%d", i);
        publish(at, WF_ENTRY_HOME, wf_test_home(&mesh, &e));
        publish(at, WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &e));
    }
}

static bool converged(void)
{
    struct wf_hash first, other;

    wf_catalog_root(sim.nodes[0].catalog, &first);
    for (int i = 1; i < NODES; i++) {
        wf_catalog_root(sim.nodes[i].catalog, &other);
        if (!wf_hash_eq(&first, &other))
            return false;
    }
    return true;
}

static void must_converge(int64_t within_ms)
{
    int64_t end = sim.now_ms + within_ms;

    while (sim.now_ms < end && !converged())
        run_until(sim.now_ms + 1000);
    ck_assert_msg(converged(), "not converged after %lld ms, WEFT_SIM_SEED=%llu",
        (long long)within_ms, (unsigned long long)sim.seed);
}

static uint64_t seed_of(int i)
{
    const char *fixed = getenv("WEFT_SIM_SEED");

    return fixed ? strtoull(fixed, NULL, 10) : 1000u + (uint64_t)i;
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(a_lossy_line_converges)
{
    start(seed_of(_i), 20);
    line();
    publish_some(0, WF_TEST_SERVERS, 6);
    publish_some(NODES - 1, WF_TEST_NETWORK, 3);
    must_converge(600000);
    ck_assert_uint_eq(wf_catalog_count(sim.nodes[3].catalog), 2 + 12 + 2 + 6);
    stop();
}
END_TEST

START_TEST(news_cross_a_healthy_line_in_seconds)
{
    start(seed_of(_i), 0);
    line();
    publish_some(0, WF_TEST_SERVERS, 1);
    must_converge(NODES * 3000);
    stop();
}
END_TEST

START_TEST(a_converged_mesh_moves_no_bodies)
{
    start(seed_of(_i), 0);
    line();
    publish_some(0, WF_TEST_SERVERS, 4);
    must_converge(120000);
    run_until(sim.now_ms + 5000); // what is under way arrives
    uint64_t before = sim.bodies;
    run_until(sim.now_ms + 60000);
    ck_assert_uint_eq(sim.bodies, before);
    stop();
}
END_TEST

START_TEST(two_halves_that_were_apart_agree_on_an_equivocation)
{
    struct wf_test_entry e = {
        .domain = WF_TEST_SERVERS, .sequence = WF_TEST_SEQ, .life_ms = WF_TEST_DAY, .variant = "a:1"
    };

    start(seed_of(_i), 10);
    for (int i = 0; i + 1 < NODES; i++)
        if (i != NODES / 2 - 1)
            befriend(i, i + 1);
    publish(0, WF_ENTRY_NODE, wf_test_node_advert(&mesh, &e));
    e.variant = "b:1";
    publish(NODES - 1, WF_ENTRY_NODE, wf_test_node_advert(&mesh, &e));
    run_until(60000);
    ck_assert(!converged());
    befriend(NODES / 2 - 1, NODES / 2);
    must_converge(240000);
    for (int i = 0; i < NODES; i++)
        ck_assert_ptr_null(
            wf_catalog_find(sim.nodes[i].catalog, WF_ENTRY_NODE, "servers", "node-1"));
    ck_assert_uint_eq(wf_catalog_count(sim.nodes[0].catalog) > 0, 1);
    stop();
}
END_TEST

START_TEST(a_tombstone_reaches_who_slept)
{
    struct wf_test_entry e = { .domain = WF_TEST_SERVERS,
        .name = "p0",
        .sequence = WF_TEST_SEQ + 5000,
        .term = 1,
        .life_ms = WF_TEST_DAY,
        .removed = true };

    start(seed_of(_i), 10);
    line();
    publish_some(0, WF_TEST_SERVERS, 2);
    must_converge(240000);
    wf_gossip_peer_remove(sim.nodes[NODES - 1].gossip, NODES - 2);
    wf_gossip_peer_remove(sim.nodes[NODES - 2].gossip, NODES - 1);
    publish(0, WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &e));
    run_until(sim.now_ms + 60000);
    befriend(NODES - 2, NODES - 1);
    must_converge(120000);
    const struct wf_known *k =
        wf_catalog_find(sim.nodes[NODES - 1].catalog, WF_ENTRY_PRODUCT, "servers", "p0");
    ck_assert(k && k->removed);
    stop();
}
END_TEST

// A peer whose catalog takes less of a domain than ours never agrees with us on it.
START_TEST(a_domain_that_never_converges_is_backed_off_and_named)
{
    struct sim_node *small = NULL;

    start(seed_of(_i), 0);
    small = &sim.nodes[1];
    wf_gossip_free(small->gossip);
    wf_catalog_free(small->catalog);
    ck_assert_int_eq(wf_catalog_new(small->store, (struct wf_quota){ .entries = 4 }, mesh.charter,
                         WF_TEST_NOW, NULL, &small->catalog),
        WEFT_OK);
    ck_assert_int_eq(wf_gossip_new(small->catalog, 7, &small->gossip), WEFT_OK);
    befriend(0, 1);
    publish_some(0, WF_TEST_SERVERS, 6);
    run_until(120000);
    ck_assert_uint_gt(small->diverges, 0);
    uint64_t before = sim.bodies;
    run_until(180000);
    ck_assert_uint_lt(sim.bodies - before, 30); // not one for each round of a minute
    stop();
}
END_TEST

static struct told {
    unsigned learned, refused, news;
    enum weft_err why;
} told;

static void hear(void *arg, const struct wf_gossip_action *a)
{
    struct told *t = arg;

    t->learned += a->kind == WF_GOSSIP_LEARNED;
    t->refused += a->kind == WF_GOSSIP_REFUSED;
    t->news += a->kind == WF_GOSSIP_NEWS;
    if (a->kind == WF_GOSSIP_REFUSED)
        t->why = a->err;
}

START_TEST(a_document_that_was_not_announced_is_told_to_nobody)
{
    struct wf_test_entry one = {
        .domain = WF_TEST_SERVERS, .name = "p0", .term = 1, .sequence = WF_TEST_SEQ
    };
    struct wf_test_entry other = one;
    struct wf_digest about;
    struct wf_buf home, announced;

    other.name = "p1";
    start(1, 0);
    befriend(0, 1);
    struct sim_node *n = &sim.nodes[0], *of = &sim.nodes[1];
    announced = wf_test_home(&mesh, &one);
    home = wf_test_home(&mesh, &other);
    enum wf_learned learned;
    ck_assert_int_eq(wf_catalog_learn(of->catalog, WF_ENTRY_HOME, wf_buf_view(&announced),
                         mesh.charter, WF_TEST_NOW, &learned),
        WEFT_OK);
    wf_digest_of(wf_catalog_next(of->catalog, NULL), &about);
    struct wf_bytes content = wf_buf_view(&home);
    struct wf_gossip_event e = { .kind = WF_GOSSIP_DOCUMENTS,
        .peer = 1,
        .digests = &about,
        .digest_count = 1,
        .documents = &content };
    told = (struct told){ 0 };
    wf_gossip_step(n->gossip, 0, WF_TEST_NOW, mesh.charter, &e, hear, &told);
    ck_assert(told.refused == 1 && told.why == WEFT_E_HASH && told.learned == 0);
    struct wf_gossip_event tick = { .kind = WF_GOSSIP_TICK };
    wf_gossip_step(n->gossip, 0, WF_TEST_NOW, mesh.charter, &tick, hear, &told);
    ck_assert_uint_eq(told.news, 0);
    wf_buf_fini(&home);
    wf_buf_fini(&announced);
    stop();
}
END_TEST

START_TEST(equal_roots_are_answered_with_nothing)
{
    struct wf_domain_root roots[WF_TEST_DOMAINS];
    struct wf_digest page[DIGEST_CAP];
    bool more = false;

    start(1, 0);
    publish_some(0, WF_TEST_SERVERS, 4);
    publish_some(0, WF_TEST_NETWORK, 2);
    struct wf_catalog *c = sim.nodes[0].catalog;
    size_t count = wf_catalog_domain_roots(c, roots, WF_TEST_DOMAINS);
    ck_assert_uint_eq(wf_gossip_answer(c, roots, count, false, 0, page, DIGEST_CAP, &more), 0);
    ck_assert(!more);
    roots[0].root.b[0] ^= 1;
    size_t some = wf_gossip_answer(c, roots, count, false, 0, page, DIGEST_CAP, &more);
    ck_assert_uint_gt(some, 0);
    for (size_t i = 0; i < some; i++)
        ck_assert(wf_name_eq(&page[i].domain, &roots[0].domain));
    stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gossip");
    TCase *t = tcase_create("gossip");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_lossy_line_converges, 0, 8);
    tcase_add_loop_test(t, news_cross_a_healthy_line_in_seconds, 0, 4);
    tcase_add_loop_test(t, a_converged_mesh_moves_no_bodies, 0, 2);
    tcase_add_loop_test(t, two_halves_that_were_apart_agree_on_an_equivocation, 0, 6);
    tcase_add_loop_test(t, a_tombstone_reaches_who_slept, 0, 4);
    tcase_add_loop_test(t, a_domain_that_never_converges_is_backed_off_and_named, 0, 2);
    tcase_add_test(t, a_document_that_was_not_announced_is_told_to_nobody);
    tcase_add_test(t, equal_roots_are_answered_with_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
