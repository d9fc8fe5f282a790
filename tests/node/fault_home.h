// SPDX-License-Identifier: Apache-2.0
// A home on a disk in memory of which one call fails, and an outside ledger of what one publisher was told: its records are numbered from 0.
// What failed once must go on without a restart, and be there after a power loss. Test code.
#ifndef WF_TESTS_FAULT_HOME_H
#define WF_TESTS_FAULT_HOME_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>

#include "tests/node/numbered.h"
#include "tests/support/fault.h"
#include "tests/support/memroom.h"
#include "tests/support/streamrig.h"
#include "tests/support/support.h"

#define PATIENCE 400 // turns after which nothing comes any more

static struct streamrig rig;
static struct wf_memdisk *disk;
static struct wf_home_product *product;
static const uint8_t publisher[16] = { 4 };
static struct {
    uint64_t asked, told; // records handed over and not refused; acknowledged
    unsigned waiting;     // for acknowledgements
    enum weft_err err;    // of the last refusal
} ledger;

// Turns until it holds, or nothing comes any more.
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int turns_ = 0; turns_ < PATIENCE && !(condition); turns_++)                          \
            streamrig_turn(&rig);                                                                  \
    } while (0)

static void on_told(struct wf_node *n, void *arg, enum weft_err err)
{
    uint64_t end = (uint64_t)(uintptr_t)arg;

    (void)n;
    ck_assert_uint_gt(ledger.waiting, 0);
    ledger.waiting--;
    if (err)
        ledger.err = err;
    else if (end > ledger.told)
        ledger.told = end;
}

// Hands over the next records of the publisher.
static enum weft_err hand_over(uint32_t count)
{
    struct wf_records rows = streamrig_rows((int64_t)ledger.asked, count);
    struct wf_origin_records o = { .raw = wf_buf_view(&rows.raw),
        .base_us = rows.base_us,
        .count = count,
        .publisher = publisher,
        .publisher_seq = ledger.asked };
    struct wf_diag diag = { 0 };

    ledger.waiting++;
    enum weft_err err = wf_stream_originate(
        &rig.node, product, &o, on_told, (void *)(uintptr_t)(ledger.asked + count), &diag);
    if (err)
        ledger.waiting--;
    else
        ledger.asked += count;
    wf_fault_spare(true);
    wf_records_fini(&rows);
    wf_fault_spare(false);
    return err;
}

// Until they are acknowledged or refused; who was refused begins again behind what the home has.
static inline enum weft_err publish(uint32_t count)
{
    ledger.err = WEFT_OK;
    enum weft_err err = hand_over(count);
    TURN_UNTIL(!ledger.waiting);
    if (!err)
        err = ledger.waiting ? WEFT_E_TIMEOUT : ledger.err;
    ledger.asked = wf_stream_publisher_mark(&rig.node, product, publisher);
    return err;
}

static void find_product(void)
{
    product = wf_stream_find(&rig.node, "rows", 0);
    if (product)
        TURN_UNTIL((wf_stream_room.tick(&rig.node), !wf_incarnation_is_none(&product->log_id)));
}

// What lies on the real disk: manifests and documents.
static int wipe(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    if (at->level > 1 || (at->level == 1 && type == FTW_F))
        ck_assert_int_eq(remove(path), 0);
    return 0;
}

static void begin_home(void)
{
    static bool once;

    if (!once)
        streamrig_init(&rig, wf_test_tmpdir());
    once = true;
    ck_assert_int_eq(nftw(rig.conf.data, wipe, 16, FTW_DEPTH | FTW_PHYS), 0);
    memset(&ledger, 0, sizeof ledger);
    rig.by_hand = true;
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    streamrig_open(&rig);
}

static inline void begin_product(void)
{
    begin_home();
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
}

static inline void begin_with_records(void)
{
    begin_product();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(publish(5), WEFT_OK);
}

// ---- what is there -----------------------------------------------------------------------------------------------------

static void next_number(void *arg, uint64_t number)
{
    uint64_t *last = arg;

    ck_assert_uint_eq(number, ++*last); // each once, in order
}

// All that was acknowledged is there, once and in order, and the publisher's mark is where the log ends.
static void check_home(void)
{
    uint64_t there = 0;
    struct walk w = { .what = "rows",
        .product = &wf_home_descriptor(product)->id,
        .fn = next_number,
        .arg = &there };

    ck_assert_uint_eq(walk_log(rig.node.log, &w), wf_home_head(product));
    ck_assert_msg(there >= ledger.told, "told of %llu, the log has %llu",
        (unsigned long long)ledger.told, (unsigned long long)there);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, product, publisher), there);
    ledger.asked = there;
}

// What failed once goes on without a restart; then the power goes, and everything acknowledged is there.
static void lose_power(void)
{
    uint64_t seed = 7;

    TURN_UNTIL(!ledger.waiting);
    ck_assert_uint_eq(ledger.waiting, 0); // everybody was told
    find_product();
    ck_assert_ptr_nonnull(product);
    ledger.asked = wf_stream_publisher_mark(&rig.node, product, publisher);
    enum weft_err err = publish(3);
    if (err) // what was behind a failed append is refused with it
        err = publish(3);
    ck_assert_msg(!err, "it does not go on: %s", weft_err_name(err));
    wf_memdisk_crash(disk, 0);
    streamrig_close(&rig);
    wf_memdisk_restart(disk, true, &seed);
    streamrig_open(&rig);
    find_product();
    ck_assert_ptr_nonnull(product);
    check_home();
    ck_assert_int_eq(publish(2), WEFT_OK);
}

static void close_home(void)
{
    streamrig_close(&rig);
    wf_memdisk_free(disk);
}

static inline void end_home(enum weft_err err)
{
    (void)err;
    lose_power();
    close_home();
}

#endif
