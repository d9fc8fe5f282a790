// SPDX-License-Identifier: Apache-2.0
// Bytes of an agent's spool that rot while its node is away: flips and truncations of any file of the spool and its meta files. The agent starts
// and pushes what is whole: no wrong record comes to the home, none twice, and each that does not come is told as lost, in the chain or as an
// alarm. WEFT_FAULT_DAMAGES: how many in all (default 500).
#include "tests/node/damage.h"
#include "tests/node/numbered.h"
#include "tests/node/uplink_rig.h"
#include "tests/support/memroom.h"

#define RECORDS 60

static struct wf_memdisk *disk;
static struct image image;
static bool came[RECORDS + 1];
static struct {
    uint64_t came, missing, told;
} sum;

static void take_number(void *arg, uint64_t number)
{
    (void)arg;
    ck_assert(number >= 1 && number <= RECORDS && !came[number]);
    came[number] = true;
}

static void take(size_t product, const struct wf_batch_header *h, struct wf_bytes batch, bool again)
{
    (void)product;
    if (again || h->kind != WF_BATCH_DATA)
        return;
    ck_assert_mem_eq(h->signer.b, node.keys.sign_pub.b, WF_KEY_LEN);
    each_number_of(h, batch, take_number, NULL);
}

static void publish(uint64_t number)
{
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };

    put_numbered(&r, wf_test_clock_unix_ms() * 1000, number);
    struct wf_origin_records o = { .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = 1 };
    ck_assert_int_eq(wf_uplink_originate(&node, "p0", &o, NULL, NULL, &diag), WEFT_OK);
    rig_settle();
    wf_records_fini(&r);
}

static void all_down(bool down)
{
    for (size_t i = 0; i < RIG_NODES; i++)
        at[i].down = down;
}

// A spool in which all waits.
static void make_image(bool closed)
{
    uint64_t seed = 5;

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    rig_by_hand = true;
    rig_look = take;
    rig_durability[0] = WF_DURABILITY_DISK;
    rig_open();
    rig_products(1);
    rig_run();
    ck_assert_ptr_nonnull(wf_uplink_find(&node, "p0"));
    all_down(true);
    for (uint64_t i = 1; i <= RECORDS; i++)
        publish(i);
    if (!closed)
        wf_memdisk_crash(disk, 0);
    rig_close();
    if (!closed)
        wf_memdisk_restart(disk, false, &seed);
    take_image(disk, &image);
    wf_memdisk_free(disk);
}

static void one_damage(const struct damage_kind *k, uint64_t *seed)
{
    uint64_t missing = 0, bytes = 0, waiting = 1;

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    memset(&home, 0, sizeof home);
    memset(came, 0, sizeof came);
    const char *name = put_hurt(disk, &image, k, seed);
    all_down(false);
    rig_start_room();
    uint64_t there = 0; // that wait in the spool, damaged or not
    wf_spool_sizes(&node, &bytes, &there);
    const struct wf_agent_product *p = wf_uplink_find(&node, "p0");
    for (int i = 0; waiting || p->lost; i++) {
        ck_assert_msg(
            i < 200, "%s: %s: %llu wait for ever", k->name, name, (unsigned long long)waiting);
        rig_pass(i ? WF_UPLINK_RETRY_MIN_MS : 1);
        wf_spool_sizes(&node, &bytes, &waiting);
    }
    for (uint64_t i = 1; i <= RECORDS; i++)
        missing += !came[i];
    // What was cut off at the end is no longer known to the spool; all it knew of comes, or is told in the chain.
    ck_assert_msg(missing - (RECORDS - there) <= home.lost[0],
        "%s: %s: %llu missing, %llu of them cut off, %llu told", k->name, name,
        (unsigned long long)missing, (unsigned long long)(RECORDS - there),
        (unsigned long long)home.lost[0]);
    sum.came += RECORDS - missing;
    sum.missing += missing;
    sum.told += home.lost[0];
    rig_close();
    wf_memdisk_free(disk);
}

START_TEST(no_wrong_record_comes_and_what_does_not_come_is_told)
{
    const struct damage_kind *k = &damage_kinds[_i];

    make_image(k->closed);
    damage_all(k, 3000 + (uint64_t)_i, one_damage);
    free_image(&image);
    printf("%llu records came, %llu were missing, %llu told as lost, 0 wrong\n",
        (unsigned long long)sum.came, (unsigned long long)sum.missing,
        (unsigned long long)sum.told);
    if (damages.count >= 100)
        ck_assert_uint_gt(sum.missing, 0); // else nothing was hit
}
END_TEST

int main(void)
{
    return wf_suite_main("node.spool_damage", no_wrong_record_comes_and_what_does_not_come_is_told,
        DAMAGE_KINDS, 1700);
}
