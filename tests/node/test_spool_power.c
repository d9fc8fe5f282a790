// SPDX-License-Identifier: Apache-2.0
// The power goes while applications publish on a host whose agent spools and pushes; the spool and its meta files lie on a disk in memory that
// drops or tears what was not synced, the home keeps what it got. What was told to the applications is held against what the home has once the
// agent has started again and pushed all. WEFT_FAULT_POWER: how many losses (default 100).
#include "tests/node/numbered.h"
#include "tests/node/power.h"
#include "tests/node/uplink_rig.h"
#include "tests/support/suite.h"

#define PRODUCTS 2     // durability disk; process
#define SEEN     65536 // batches of one life

static struct writer writers[PRODUCTS][WRITERS];
static uint64_t there[PRODUCTS][WRITERS]; // at the home, each once and in order

static struct {
    uint64_t twice, batches, again;
} pushed;

// ---- the home's ledger -------------------------------------------------------------------------------------------------

// Every number of a chain that was ever seen, with what stood under it.
static struct seen {
    struct wf_incarnation chain;
    uint64_t first_seq;
    struct wf_hash id;
} seen[SEEN];

static void same_under_its_number(const struct wf_batch_header *h)
{
    size_t i = (size_t)((h->incarnation.random ^ h->first_seq * 0x9e3779b97f4a7c15u) % SEEN);

    while (seen[i].chain.random && !(wf_incarnation_eq(&seen[i].chain, &h->incarnation) &&
                                       seen[i].first_seq == h->first_seq))
        i = (i + 1) % SEEN;
    if (seen[i].chain.random)
        ck_assert_msg(wf_hash_eq(&seen[i].id, &h->id), "a number was used again");
    seen[i] = (struct seen){ h->incarnation, h->first_seq, h->id };
}

static void take_number(void *arg, uint64_t number)
{
    size_t who = (size_t)((number - 1) % WRITERS);
    uint64_t *next = (uint64_t *)arg + who; // of that product

    number = (number - 1) / WRITERS;
    ck_assert_msg(number == *next, "writer %zu: %llu came and %llu is next", who,
        (unsigned long long)number, (unsigned long long)*next);
    ++*next;
}

static void look(size_t product, const struct wf_batch_header *h, struct wf_bytes batch, bool again)
{
    pushed.batches++;
    pushed.again += again;
    same_under_its_number(h);
    if (again)
        return;
    ck_assert_int_eq(h->kind, WF_BATCH_DATA); // nothing was lost
    each_number_of(h, batch, take_number, there[product]);
}

// ---- applications ------------------------------------------------------------------------------------------------------

static void publish(size_t product, size_t who, uint32_t count)
{
    struct writer *w = &writers[product][who];
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };
    uint8_t id[WF_PUBLISHER_LEN];
    char name[16];

    for (uint32_t i = 0; i < count; i++)
        put_numbered(&r, wf_test_clock_unix_ms() * 1000, (w->asked + i) * WRITERS + who + 1);
    writer_id(product * WRITERS + who, id);
    snprintf(name, sizeof name, "p%zu", product);
    struct wf_origin_records o = { .raw = wf_buf_view(&r.raw),
        .base_us = r.base_us,
        .count = count,
        .publisher = id,
        .publisher_seq = w->asked };
    struct letter *l = letter(w, w->asked + count);
    enum weft_err err = wf_uplink_originate(&node, name, &o, on_done, l, &diag);
    if (err)
        on_done(&node, l, err);
    else
        w->asked += count;
    wf_records_fini(&r);
}

// Who was refused begins again where the agent says, as libweft does.
static void settle(void)
{
    for (int i = 0; outstanding; i++) {
        ck_assert_int_lt(i, 100000);
        rig_turn(1);
    }
    rig_settle();
    for (size_t p = 0; p < PRODUCTS; p++)
        for (size_t who = 0; who < WRITERS; who++) {
            uint8_t id[WF_PUBLISHER_LEN];
            writer_id(p * WRITERS + who, id);
            const struct wf_spool_publisher *u = wf_spool_publisher(
                &node, &wf_uplink_find(&node, p ? "p1" : "p0")->collect->product.id, id);
            writers[p][who].asked = u ? u->durable : 0;
        }
}

static void wait_half_a_second(void)
{
    settle();
    wf_memdisk_skip(disk, HALF_S);
    rig_turn(0);
    rig_turn(0);
    for (size_t who = 0; who < WRITERS && works(); who++)
        writers[1][who].safe = writers[1][who].told;
}

static void work(uint64_t *seed, unsigned steps)
{
    // One time in three only to the product whose records nobody syncs.
    bool both = wf_test_rand(seed) % 3 != 0;

    for (unsigned i = 0; i < steps; i++) {
        size_t product = both ? (size_t)(wf_test_rand(seed) % PRODUCTS) : 1;
        publish(product, (size_t)(wf_test_rand(seed) % WRITERS),
            1 + (uint32_t)(wf_test_rand(seed) % 5));
        switch (wf_test_rand(seed) % 20) {
        case 0:
            wait_half_a_second();
            break;
        case 1:
        case 2:
            settle();
            break;
        case 3:
        case 4: // a push is answered, or its answer is lost
            rig_turn(0);
            lost_answers = wf_test_rand(seed) % 4 == 0;
            (void)rig_serve();
            lost_answers = false;
            break;
        case 5: // by now whoever had no answer may send again
            wf_test_clock_skip(WF_UPLINK_RETRY_MIN_MS);
            wf_uplink_room.tick(&node);
            break;
        default:
            break;
        }
    }
    settle();
}

// ---- lives -------------------------------------------------------------------------------------------------------------

// After its start the agent pushes all that waits. Then the home has all that may not be lost, and the agent wants what comes next.
static void check(bool power)
{
    rig_start_room();
    uint64_t bytes = 0, waiting = 1;
    for (int i = 0; waiting; i++) {
        ck_assert_int_lt(i, 100);
        rig_pass(i ? WF_UPLINK_RETRY_MIN_MS : 1);
        wf_spool_sizes(&node, &bytes, &waiting);
    }
    settle();
    for (size_t p = 0; p < PRODUCTS; p++)
        for (size_t who = 0; who < WRITERS; who++) {
            struct writer *w = &writers[p][who];
            uint64_t home_has = there[p][who];
            uint64_t least = power && p == 1 ? w->safe : w->told;
            ck_assert_msg(home_has >= least, "product %zu, writer %zu: told of %llu, home has %llu",
                p, who, (unsigned long long)least, (unsigned long long)home_has);
            ck_assert_msg(w->asked == home_has || (power && p == 1),
                "product %zu, writer %zu: wants %llu, home has %llu", p, who,
                (unsigned long long)w->asked, (unsigned long long)home_has);
            sum.lost += home_has < w->told ? w->told - home_has : 0;
            // At durability process the power may take a batch and leave its mark, or take the mark of a batch that the home has.
            pushed.twice += w->asked < home_has ? home_has - w->asked : 0;
            w->told = w->safe = there[p][who] = w->asked;
        }
}

static void one_loss(uint64_t *seed)
{
    bool power = wf_test_rand(seed) % 5 != 0;

    wf_memdisk_crash(disk, 1 + (long)(wf_test_rand(seed) % 150));
    work(seed, 100);
    crash(power, seed, rig_close);
    if (wf_test_rand(seed) % 2) { // whoever lost the power once may lose it again while starting
        wf_memdisk_crash(disk, 1 + (long)(wf_test_rand(seed) % 40));
        if (!rig_try_start())
            for (int i = 0; i < 3; i++)
                rig_turn(0);
        crash(power, seed, rig_close);
    }
    check(power);
}

static void forget(void)
{
    memset(writers, 0, sizeof writers);
    memset(there, 0, sizeof there);
    memset(seen, 0, sizeof seen);
    memset(&home, 0, sizeof home);
}

START_TEST(what_applications_on_a_host_were_told_reaches_the_home_after_a_power_loss)
{
    long losses = losses_wanted();

    rig_by_hand = true;
    rig_look = look;
    rig_durability[0] = WF_DURABILITY_DISK;
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    rig_open();
    rig_products(PRODUCTS);
    rig_run();
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p1"));
    for (uint64_t n = 1; sum.power < (uint64_t)losses; n++) {
        uint64_t seed = n * 7919;
        for (int i = 0; i < LIFE && sum.power < (uint64_t)losses; i++)
            one_loss(&seed);
        rig_close();
        wf_memdisk_free(disk);
        disk = wf_memdisk_new();
        wf_memroom_use(disk);
        forget();
        rig_start_room();
        rig_run();
    }
    rig_close();
    wf_memdisk_free(disk);
    printf("%llu power losses and %llu ends of the process: %llu records acknowledged, 0 lost at "
           "durability disk, %llu of the last half second at durability process and %llu of it "
           "twice; else 0 twice, 0 holes; 0 of %llu batches (%llu sent again) under a used number; "
           "%llu refused meanwhile\n",
        (unsigned long long)sum.power, (unsigned long long)sum.process,
        (unsigned long long)sum.acknowledged, (unsigned long long)sum.lost,
        (unsigned long long)pushed.twice, (unsigned long long)pushed.batches,
        (unsigned long long)pushed.again, (unsigned long long)sum.refused);
    ck_assert_uint_gt(sum.acknowledged, 20 * (uint64_t)losses);
    if (losses >= 50) { // else nothing was at risk
        ck_assert_uint_gt(sum.lost, 0);
        ck_assert_uint_gt(pushed.again, 0);
    }
}
END_TEST

int main(void)
{
    return wf_suite_main("node.spool_power",
        what_applications_on_a_host_were_told_reaches_the_home_after_a_power_loss, 1, 1700);
}
