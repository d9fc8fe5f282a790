// SPDX-License-Identifier: Apache-2.0
// Bytes of an agent's spool that rot while its node is away: flips and truncations of any file of the spool and its meta files. The agent starts
// and pushes what is whole: no wrong record comes to the home, none twice, and each that does not come is told as lost, in the chain or as an
// alarm. WEFT_FAULT_DAMAGES: how many in all (default 40).
#include "node/log/look.h"
#include "tests/node/damage.h"
#include "tests/node/uplink_rig.h"
#include "tests/support/memroom.h"

#define RECORDS 60

static const struct kind {
    const char *name;
    bool closed; // was the agent stopped in order?
    bool truncate;
} kinds[] = {
    { "bit flips, closed spool", true, false },
    { "truncations, closed spool", true, true },
    { "bit flips, spool after a crash", false, false },
    { "truncations, spool after a crash", false, true },
};

static struct wf_memdisk *disk;
static struct image image;
static bool came[RECORDS + 1];
static struct {
    uint64_t came, missing, told, named, silent;
} sum;

static void take(size_t product, const struct wf_batch_header *h, struct wf_bytes batch, bool again)
{
    struct wf_bytes envelope, payload;
    struct wf_buf raw = { 0 };
    struct wf_record_view r;

    (void)product;
    if (again || h->kind != WF_BATCH_DATA)
        return;
    ck_assert_mem_eq(h->signer.b, node.keys.sign_pub.b, WF_KEY_LEN);
    ck_assert_int_eq(wf_batch_split(batch, &envelope, &payload), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_payload(h, payload, &raw), WEFT_OK);
    for (struct wf_bytes rest = wf_buf_view(&raw); rest.len;) {
        uint64_t v = 0;
        ck_assert_int_eq(wf_records_next(&rest, h->base_us, &r), WEFT_OK);
        struct wf_bytes used = wf_bytes(r.data.ptr + 4, r.data.len - 4); // after host "h"
        ck_assert_int_eq(wf_varint_take(&used, &v), WEFT_OK);
        ck_assert(v >= 1 && v <= RECORDS && !came[v]);
        came[v] = true;
    }
    wf_buf_fini(&raw);
}

static void publish(uint64_t number)
{
    uint8_t row[4 + WF_VARINT_MAX] = { 1 << 3 | 2, 1, 'h', 2 << 3 };
    size_t len = 4 + wf_varint_put(row + 4, number);
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_records_put(&r, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_bytes(row, len)), WEFT_OK);
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

static void count_flaw(void *arg, const struct wf_log_flaw *f)
{
    (void)f;
    ++*(size_t *)arg;
}

// Does the agent's own code see that this file was changed?
static bool is_seen(const char *name)
{
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;
    size_t flaws = 0;
    char dir[300], base[64];
    const char *slash = strrchr(name, '/');

    snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    if (strstr(dir, "/meta")) {
        struct wf_buf value = { 0 };
        snprintf(base, sizeof base, "%.*s", (int)strlen(slash + 1) - 5, slash + 1);
        enum weft_err err = wf_meta_get(&vfs, dir, base, &value);
        wf_buf_fini(&value);
        return err == WEFT_E_DAMAGED;
    }
    ck_assert_int_eq(wf_log_look_open(&vfs, dir, NULL, 0, &look), WEFT_OK);
    ck_assert_int_eq(wf_log_look_check(look, count_flaw, &flaws, &tally), WEFT_OK);
    wf_log_look_close(look);
    return flaws > 0;
}

static void one_damage(const struct kind *k, uint64_t *seed)
{
    uint64_t missing = 0, bytes = 0, waiting = 1;

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    put_image(disk, &image);
    memset(&home, 0, sizeof home);
    memset(came, 0, sizeof came);
    const char *name = hurt(disk, &image, k->truncate, seed);
    bool seen = is_seen(name);
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
    ck_assert_msg(seen || (k->truncate && !k->closed), "%s: %s was not noticed", k->name, name);
    sum.came += RECORDS - missing;
    sum.missing += missing;
    sum.told += home.lost[0];
    sum.named += seen;
    sum.silent += !seen;
    rig_close();
    wf_memdisk_free(disk);
}

START_TEST(no_wrong_record_comes_and_what_does_not_come_is_told)
{
    const struct kind *k = &kinds[_i];
    uint64_t seed = 3000 + (uint64_t)_i;
    int count = damages_each(WF_COUNT(kinds), 40);

    make_image(k->closed);
    for (int i = 0; i < count; i++)
        one_damage(k, &seed);
    free_image(&image);
    printf(
        "%s: %d, %llu named by the store, %llu clean cuts; %llu records came, %llu were missing, "
        "%llu told as lost, 0 wrong\n",
        k->name, count, (unsigned long long)sum.named, (unsigned long long)sum.silent,
        (unsigned long long)sum.came, (unsigned long long)sum.missing,
        (unsigned long long)sum.told);
    if (count >= 100)
        ck_assert_uint_gt(sum.missing, 0); // else nothing was hit
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.spool_damage");
    TCase *t = tcase_create("damage");

    tcase_set_timeout(t, 1700);
    tcase_add_loop_test(
        t, no_wrong_record_comes_and_what_does_not_come_is_told, 0, WF_COUNT(kinds));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
