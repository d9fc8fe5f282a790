// SPDX-License-Identifier: Apache-2.0
// What a stop with many products costs, in syncs of the disk: one for each file that changed, and one of their directory for all. The stream room is
// real, with its logs and meta files in memory.
#include <check.h>
#include <stdio.h>

#include "tests/support/memroom.h"
#include "tests/support/streamrig.h"
#include "tests/support/suite.h"

#define MANY 40u

static struct streamrig rig;
static struct wf_memdisk *disk;

static void open_room(void)
{
    static char dir[600];
    static unsigned number;

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    snprintf(dir, sizeof dir, "%s/%u", wf_test_tmpdir(), ++number);
    streamrig_init(&rig, dir);
    rig.by_hand = true;
    streamrig_open(&rig);
}

static void end_room(void)
{
    streamrig_fini(&rig);
    wf_memdisk_free(disk);
}

static void name_of(unsigned i, char out[16])
{
    snprintf(out, 16, "p-%u", i);
}

static struct wf_home_product *product_of(unsigned i)
{
    char name[16];

    name_of(i, name);
    struct wf_home_product *p = wf_stream_find(&rig.node, name, 0);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void make_products(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        struct wf_diag diag = { 0 };
        name_of(i, name);
        struct wf_collect c = streamrig_manifest(name, WF_PRODUCT_METRIC);
        ck_assert_msg(!streamrig_apply(&rig, &c, "sample", &diag), "%s", diag.text);
        struct wf_home_product *p = product_of(i);
        STREAMRIG_UNTIL(
            &rig, (wf_stream_room.tick(&rig.node), !wf_incarnation_is_none(&p->log_id)));
    }
}

// A record into each, and with `keys` one that began and ended with its readers.
static void change_products(unsigned count, bool keys)
{
    for (unsigned i = 0; i < count; i++) {
        struct wf_home_product *p = product_of(i);
        size_t done = rig.done_count;
        ck_assert_int_eq(streamrig_publish(&rig, p, 0, 1, NULL, 0), WEFT_OK);
        STREAMRIG_UNTIL(&rig, rig.done_count > done);
        if (keys) {
            ck_assert_int_eq(wf_epoch_need(p), WEFT_OK);
            wf_epoch_end(p);
        }
    }
}

struct syncs {
    long files, dirs;
};

static struct syncs syncs_now(void)
{
    return (struct syncs){ wf_memdisk_calls(disk, WF_MEM_SYNC),
        wf_memdisk_calls(disk, WF_MEM_SYNC_DIR) };
}

static struct syncs syncs_of_a_stop(unsigned products, bool keys)
{
    open_room();
    make_products(products);
    change_products(products, keys);
    struct syncs before = syncs_now();
    streamrig_close(&rig);
    struct syncs after = syncs_now();
    streamrig_open(&rig); // what was written is believed
    for (unsigned i = 0; i < products; i++)
        ck_assert_uint_eq(wf_home_head(product_of(i)), 1);
    end_room();
    return (struct syncs){ after.files - before.files, after.dirs - before.dirs };
}

START_TEST(a_stop_syncs_each_changed_file_once_and_their_directory_once_for_all)
{
    bool keys = _i == 1;
    struct syncs one = syncs_of_a_stop(1, keys), many = syncs_of_a_stop(MANY, keys);

    ck_assert_int_eq(many.files - one.files, (MANY - 1) * (keys ? 2 : 1));
    ck_assert_int_eq(many.dirs, one.dirs);
}
END_TEST

START_TEST(a_product_that_did_not_change_is_not_written_by_a_stop)
{
    open_room();
    make_products(MANY);
    change_products(MANY, false);
    wf_home_checkpoint_all(rig.node.stream);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert(!product_of(i)->dirty);
    long renamed = wf_memdisk_calls(disk, WF_MEM_RENAME);
    wf_home_checkpoint_all(rig.node.stream);
    ck_assert_int_eq(wf_memdisk_calls(disk, WF_MEM_RENAME), renamed);
    end_room();
}
END_TEST

START_TEST(a_checkpoint_that_fails_stays_to_be_written_and_takes_no_other_with_it)
{
    open_room();
    make_products(3);
    change_products(3, false);
    wf_memdisk_fail(disk, WF_MEM_RENAME, 2, 1, WEFT_E_IO);
    wf_home_checkpoint_all(rig.node.stream);
    unsigned dirty = 0;
    for (unsigned i = 0; i < 3; i++)
        dirty += product_of(i)->dirty;
    ck_assert_uint_eq(dirty, 1);
    wf_home_checkpoint_all(rig.node.stream);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!product_of(i)->dirty);
    end_room();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_stop");
    TCase *t = tcase_create("stop");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(
        t, a_stop_syncs_each_changed_file_once_and_their_directory_once_for_all, 0, 2);
    tcase_add_test(t, a_product_that_did_not_change_is_not_written_by_a_stop);
    tcase_add_test(t, a_checkpoint_that_fails_stays_to_be_written_and_takes_no_other_with_it);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
