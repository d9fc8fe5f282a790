// SPDX-License-Identifier: Apache-2.0
// What lies on the disk of a home: sealed records, sealed keys of epochs, and both gone with retention.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/node/stream_reader.h"

static void start_again(void)
{
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(product);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
}

static void restart(void)
{
    streamrig_close(&rig);
    start_again();
}

// ---- the disk --------------------------------------------------------------------------------------------------------

static struct wf_bytes wanted;
static size_t found_in;

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type != FTW_F || strstr(path, "storage.key"))
        return 0;
    struct wf_buf file = wf_test_file(path);
    found_in += memmem(file.ptr, file.len, wanted.ptr, wanted.len) != NULL;
    wf_buf_fini(&file);
    return 0;
}

// How many files of the state directory hold these bytes.
static size_t on_disk(struct wf_bytes what)
{
    wanted = what;
    found_in = 0;
    ck_assert_int_eq(nftw(rig.conf.data, look, 16, FTW_PHYS), 0);
    return found_in;
}

// ---- keys of epochs --------------------------------------------------------------------------------------------------

struct epoch_seen {
    uint64_t number;
    uint8_t key[WF_KEY_LEN];
};

static struct epoch_seen epoch_of_lease(void)
{
    struct streamrig_call *l = lease();
    const Weft__V1__EpochKey *k = l->reply->lease->keys[0];
    struct epoch_seen e = { .number = k->epoch };

    memcpy(e.key, k->key.data, WF_KEY_LEN);
    streamrig_call_free(l);
    return e;
}

static enum weft_err open_kept(const struct epoch_seen *e, bool *ret_same)
{
    struct wf_secret key = { 0 };
    enum weft_err err = wf_epochs_open(product, e->number, &key);

    *ret_same = !err && memcmp(key.ptr, e->key, WF_KEY_LEN) == 0;
    wf_secret_fini(&key);
    return err;
}

static void expect_kept(const struct epoch_seen *e)
{
    bool same = false;

    ck_assert_int_eq(open_kept(e, &same), WEFT_OK);
    ck_assert(same);
}

static void expect_gone(const struct epoch_seen *e)
{
    bool same = false;

    ck_assert_int_eq(open_kept(e, &same), WEFT_E_EPOCH);
}

// A rotation without leases needs none; the rig's leases end with it.
static struct epoch_seen next_epoch(void)
{
    wf_stream_rotate(&rig.node, "rows");
    return epoch_of_lease();
}

START_TEST(keys_of_kept_entries_are_there_and_sealed)
{
    struct epoch_seen e[3];

    for (size_t i = 0; i < 3; i++) {
        e[i] = i ? next_epoch() : epoch_of_lease();
        publish((int64_t)i, 1);
    }
    for (int start = 0; start < 2; start++) {
        for (size_t i = 0; i < 3; i++) {
            expect_kept(&e[i]);
            ck_assert_uint_eq(on_disk(WF_BYTES(e[i].key)), 0);
        }
        restart();
    }
    product->room->storage_key.ptr[0] ^= 1;
    bool same = false;
    ck_assert_int_eq(open_kept(&e[0], &same), WEFT_E_AEAD);
}
END_TEST

START_TEST(a_key_is_on_the_disk_before_the_first_entry_under_it)
{
    struct epoch_seen e = epoch_of_lease();

    // As a crash would leave it: what is in memory is forgotten, the file read again.
    product->kept_count = 0;
    ck_assert_int_eq(wf_epochs_load(product), WEFT_OK);
    expect_kept(&e);
}
END_TEST

START_TEST(an_epoch_without_entries_leaves_no_key)
{
    struct epoch_seen empty = epoch_of_lease(), used = next_epoch();

    publish(1, 1);
    expect_gone(&empty);
    expect_kept(&used);
    (void)next_epoch();
    restart();
    expect_gone(&empty);
    expect_kept(&used);
    ck_assert_uint_eq(product->kept_count, 1);
}
END_TEST

START_TEST(keys_go_with_their_entries)
{
    struct wf_conf_class keep = { .name = "default", .age_ms = 1 };
    struct epoch_seen first = epoch_of_lease();

    publish(0, 3);
    rig.conf.retention.items = &keep;
    rig.conf.retention.count = 1;
    restart();
    struct epoch_seen second = epoch_of_lease();
    expect_kept(&first);
    STREAMRIG_UNTIL(&rig, (product->room->retain_due_ms = 0, wf_stream_room.tick(&rig.node),
                              product->kept_count == 1));
    expect_gone(&first);
    expect_kept(&second); // in force: entries may follow
    restart();
    expect_gone(&first);
}
END_TEST

START_TEST(damaged_keys_cost_nothing_else)
{
    char path[512], hex[33];
    struct epoch_seen e = epoch_of_lease();

    publish(0, 1);
    wf_hex_put(wf_bytes(product->collect->product.id.b, 16), hex);
    snprintf(path, sizeof path, "%s/meta/e-%s.meta", rig.conf.data, hex);
    streamrig_close(&rig);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, -1, SEEK_END), 0);
    ck_assert_int_eq(fputc(0x5a, f), 0x5a);
    fclose(f);
    start_again();
    expect_gone(&e);
    publish(1, 1);
    ck_assert_uint_eq(wf_home_head(product), 2);
    e = next_epoch();
    expect_kept(&e);
}
END_TEST

static void lose_checkpoint(void)
{
    char path[512], hex[33];

    wf_hex_put(wf_bytes(product->collect->product.id.b, 16), hex);
    snprintf(path, sizeof path, "%s/meta/p-%s.meta", rig.conf.data, hex);
    streamrig_close(&rig);
    ck_assert_int_eq(remove(path), 0);
    start_again();
}

START_TEST(every_start_has_a_fresh_epoch_under_a_higher_number)
{
    struct epoch_seen before = epoch_of_lease();
    uint8_t nonce[sizeof product->sealer];

    memcpy(nonce, &product->sealer, sizeof nonce);
    if (_i)
        lose_checkpoint(); // as from an older copy of the disk
    else
        restart();
    struct epoch_seen after = epoch_of_lease();
    ck_assert_uint_gt(after.number, before.number);
    ck_assert_mem_ne(after.key, before.key, WF_KEY_LEN);
    ck_assert_mem_ne(nonce, &product->sealer, sizeof nonce);
}
END_TEST

// ---- records ---------------------------------------------------------------------------------------------------------

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
    static const char secret[] = "a-host-that-nobody-must-read-of";
    struct wf_collect c = streamrig_manifest("kept", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };
    struct wf_records r = { 0 };

    c.product.classification = classes[_i].classification;
    ck_assert_msg(streamrig_apply(&rig, &c, "sample", &diag) == WEFT_OK, "%s", diag.text);
    struct wf_home_product *p = wf_stream_find(&rig.node, "kept", 0);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&p->log_id));
    struct wf_buf row = streamrig_row(secret, 1);
    ck_assert_int_eq(
        wf_records_put(&r, WF_OP_PUT, wf_node_now_unix_ms(&rig.node) * 1000, wf_buf_view(&row)),
        WEFT_OK);
    struct wf_origin_records o = {
        .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = r.count
    };
    ck_assert_int_eq(
        wf_stream_originate(&rig.node, p, &o, streamrig_on_done, &rig, &diag), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
    ck_assert_int_eq(on_disk(wf_bytes_str(secret)) > 0, classes[_i].in_clear);
    wf_records_fini(&r);
    wf_buf_fini(&row);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_keys");
    TCase *t = tcase_create("disk");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, keys_of_kept_entries_are_there_and_sealed);
    tcase_add_test(t, a_key_is_on_the_disk_before_the_first_entry_under_it);
    tcase_add_test(t, an_epoch_without_entries_leaves_no_key);
    tcase_add_test(t, keys_go_with_their_entries);
    tcase_add_test(t, damaged_keys_cost_nothing_else);
    tcase_add_loop_test(t, every_start_has_a_fresh_epoch_under_a_higher_number, 0, 2);
    tcase_add_loop_test(t, records_lie_sealed_by_their_class, 0, (int)WF_COUNT(classes));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
