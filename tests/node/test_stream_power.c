// SPDX-License-Identifier: Apache-2.0
// The power goes while publishers and an agent write to a home, whose log and meta files lie on a disk in memory that drops or tears what was
// not synced. What they were told is held against what the room has after its next start. WEFT_FAULT_POWER: how many losses (default 100).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/node/numbered.h"
#include "tests/node/power.h"
#include "tests/support/streamrig.h"
#include "tests/support/suite.h"

#define SLOT    1000000
#define AGENT   WRITERS // its place among those who write
#define BATCHES 4096

static struct streamrig rig;

static struct product {
    const char *name;
    enum wf_durability durability;
    struct wf_home_product *home;
    struct writer writers[WRITERS + 1];
} products[] = {
    { .name = "disk", .durability = WF_DURABILITY_DISK },
    { .name = "process", .durability = WF_DURABILITY_PROCESS },
};
static struct streamrig_origin agent;
static struct batch {
    struct wf_buf packed;
    uint64_t first, end;
} batches[BATCHES]; // the agent's spool: everything it ever signed, for the first product
static size_t batch_count;

static void publish(struct product *p, size_t who, uint32_t count)
{
    struct writer *w = &p->writers[who];
    struct wf_records rows = streamrig_rows((int64_t)(who * SLOT + w->asked), count);
    struct wf_diag diag = { 0 };
    uint8_t id[WF_PUBLISHER_LEN];

    writer_id(who, id);
    struct wf_origin_records o = { .raw = wf_buf_view(&rows.raw),
        .base_us = rows.base_us,
        .count = count,
        .publisher = id,
        .publisher_seq = w->asked };
    struct letter *l = letter(w, w->asked + count);
    enum weft_err err = wf_stream_originate(&rig.node, p->home, &o, on_done, l, &diag);
    if (err)
        on_done(&rig.node, l, err);
    else
        w->asked += count;
    wf_records_fini(&rows);
}

// The agent signs another batch, or pushes again what it was not told of.
static void push(struct product *p, uint32_t count)
{
    struct writer *w = &p->writers[AGENT];
    size_t i = 0;

    while (i < batch_count && batches[i].first < w->asked)
        i++;
    if (i == batch_count) {
        ck_assert_uint_lt(batch_count, BATCHES);
        batches[i].first = agent.next_seq;
        batches[i].packed =
            streamrig_batch(&rig, &agent, p->home, (int64_t)(AGENT * SLOT + agent.next_seq), count);
        batches[i].end = agent.next_seq;
        batch_count++;
    }
    struct wf_diag diag = { 0 };
    struct letter *l = letter(w, batches[i].end);
    enum weft_err err = wf_stream_accept(
        &rig.node, p->home, &agent.identity, wf_buf_view(&batches[i].packed), on_done, l, &diag);
    if (err)
        on_done(&rig.node, l, err);
    else
        w->asked = batches[i].end;
}

static void settle(void)
{
    for (int i = 0; outstanding; i++) {
        ck_assert_int_lt(i, 100000);
        streamrig_turn(&rig);
    }
    // Who was refused begins again behind what was acknowledged.
    for (size_t k = 0; k < WF_COUNT(products); k++)
        for (size_t who = 0; who <= WRITERS; who++)
            products[k].writers[who].asked = products[k].writers[who].told;
}

static void wait_half_a_second(void)
{
    settle();
    wf_memdisk_skip(disk, HALF_S);
    streamrig_turn(&rig);
    streamrig_turn(&rig);
}

static void work(uint64_t *seed, unsigned steps)
{
    // A sync for one product covers what the other wrote before: one time in three only the one without syncs is written to.
    bool both = wf_test_rand(seed) % 3 != 0;

    for (unsigned i = 0; i < steps; i++) {
        struct product *p = &products[both ? wf_test_rand(seed) % WF_COUNT(products) : 1];
        uint32_t count = 1 + (uint32_t)(wf_test_rand(seed) % 5);
        size_t who = (size_t)(wf_test_rand(seed) % (p == products ? WRITERS + 1 : WRITERS));
        if (who == AGENT)
            push(p, count);
        else
            publish(p, who, count);
        switch (wf_test_rand(seed) % 40) {
        case 0: // a checkpoint may fail, and be older or newer than what the power leaves of the log
            if (i % 2)
                wf_home_checkpoint_all(rig.node.stream);
            else
                (void)!wf_home_checkpoint(p->home);
            break;
        case 1:
            wait_half_a_second();
            if (works())
                for (size_t w = 0; w < WRITERS; w++)
                    products[1].writers[w].safe = products[1].writers[w].told;
            break;
        case 2:
        case 3:
        case 4:
            settle();
            break;
        default:
            break;
        }
    }
    settle();
}

// ---- what is there -----------------------------------------------------------------------------------------------------

struct look {
    const struct product *p;
    uint64_t next[WRITERS + 1];
};

static void look_at_number(void *arg, uint64_t number)
{
    struct look *l = arg;
    uint64_t who = (number - 1) / SLOT;

    number = (number - 1) % SLOT;
    ck_assert_uint_le(who, AGENT);
    ck_assert_msg(number == l->next[who], "%s: writer %llu: %llu where %llu is next", l->p->name,
        (unsigned long long)who, (unsigned long long)number, (unsigned long long)l->next[who]);
    l->next[who]++;
}

static void check_mark(struct product *p, size_t who, uint64_t there)
{
    uint8_t id[WF_PUBLISHER_LEN];

    writer_id(who, id);
    uint64_t mark = who == AGENT ? wf_stream_origin_mark(&rig.node, p->home,
                                       &agent.identity.cert.sign_key, &agent.incarnation)
                                 : wf_stream_publisher_mark(&rig.node, p->home, id);
    ck_assert_msg(mark == there, "%s: writer %zu: the mark is %llu, the log has %llu", p->name, who,
        (unsigned long long)mark, (unsigned long long)there);
}

// Each writer's records from 0 on, without a hole, once, linked; all that was acknowledged and not allowed to go.
static void check_product(struct product *p, bool power, uint64_t seed)
{
    struct look l = { .p = p };
    char what[64];
    snprintf(what, sizeof what, "seed %llu: %s", (unsigned long long)seed, p->name);
    struct walk w = {
        .what = what, .product = &wf_home_descriptor(p->home)->id, .fn = look_at_number, .arg = &l
    };

    ck_assert_uint_eq(walk_log(rig.node.log, &w), wf_home_head(p->home));
    for (size_t who = 0; who <= WRITERS; who++) {
        struct writer *to = &p->writers[who];
        bool may_go = power && p->durability == WF_DURABILITY_PROCESS;
        uint64_t least = may_go ? to->safe : to->told;
        ck_assert_msg(l.next[who] >= least,
            "seed %llu: %s: writer %zu was told of %llu and the log has %llu",
            (unsigned long long)seed, p->name, who, (unsigned long long)least,
            (unsigned long long)l.next[who]);
        sum.lost += l.next[who] < to->told ? to->told - l.next[who] : 0;
        check_mark(p, who, l.next[who]);
        to->asked = to->told = to->safe = l.next[who]; // an open syncs what it serves
    }
}

// ---- lives -------------------------------------------------------------------------------------------------------------

static void find_products(void)
{
    for (size_t k = 0; k < WF_COUNT(products); k++) {
        struct product *p = &products[k];
        p->home = wf_stream_find(&rig.node, p->name, 0);
        ck_assert_ptr_nonnull(p->home);
        STREAMRIG_UNTIL(
            &rig, (wf_stream_room.tick(&rig.node), !wf_incarnation_is_none(&p->home->log_id)));
    }
}

static void close_room(void)
{
    streamrig_close(&rig);
}

static void one_loss(uint64_t n, uint64_t *seed)
{
    bool power = wf_test_rand(seed) % 5 != 0;

    wf_memdisk_crash(disk, 1 + (long)(wf_test_rand(seed) % 250));
    work(seed, 150);
    crash(power, seed, close_room);
    if (wf_test_rand(seed) % 2) { // whoever lost the power once may lose it again while starting
        wf_memdisk_crash(disk, 1 + (long)(wf_test_rand(seed) % 60));
        if (!streamrig_try_open(&rig))
            for (int i = 0; i < 5; i++)
                streamrig_turn(&rig);
        crash(power, seed, close_room);
    }
    streamrig_open(&rig);
    find_products();
    for (size_t k = 0; k < WF_COUNT(products); k++)
        check_product(&products[k], power, n);
}

static void make_products(void)
{
    struct wf_diag diag = { 0 };

    for (size_t k = 0; k < WF_COUNT(products); k++) {
        struct wf_collect c = streamrig_manifest(products[k].name, WF_PRODUCT_METRIC);
        c.product.durability = products[k].durability;
        ck_assert_msg(!streamrig_apply(&rig, &c, "sample", &diag), "%s", diag.text);
        memset(products[k].writers, 0, sizeof products[k].writers);
    }
    find_products();
}

START_TEST(what_publishers_and_agents_were_told_is_there_after_a_power_loss)
{
    long losses = losses_wanted();

    streamrig_init(&rig, wf_test_tmpdir());
    rig.by_hand = true;
    for (uint64_t n = 1; sum.power < (uint64_t)losses; n++) {
        uint64_t seed = n * 7919;
        disk = wf_memdisk_new();
        wf_memroom_use(disk);
        streamrig_open(&rig);
        make_products();
        agent = streamrig_agent(&rig, "web-1");
        for (int i = 0; i < LIFE && sum.power < (uint64_t)losses; i++)
            one_loss(n, &seed);
        streamrig_close(&rig);
        for (size_t i = 0; i < batch_count; i++)
            wf_buf_fini(&batches[i].packed);
        batch_count = 0;
        streamrig_agent_fini(&agent);
        wf_memdisk_free(disk);
    }
    printf(
        "%llu power losses and %llu ends of the process: %llu records acknowledged, 0 lost at "
        "durability disk, %llu of the last half second at durability process; 0 twice, 0 holes, 0 "
        "wrong marks; %llu refused meanwhile\n",
        (unsigned long long)sum.power, (unsigned long long)sum.process,
        (unsigned long long)sum.acknowledged, (unsigned long long)sum.lost,
        (unsigned long long)sum.refused);
    ck_assert_uint_gt(sum.acknowledged, 50 * (uint64_t)losses);
    if (losses >= 50)
        ck_assert_uint_gt(sum.lost, 0); // else nothing was at risk
    streamrig_fini(&rig);
}
END_TEST

int main(void)
{
    return wf_suite_main("node.stream_power",
        what_publishers_and_agents_were_told_is_there_after_a_power_loss, 1, 1700);
}
