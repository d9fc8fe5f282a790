// SPDX-License-Identifier: Apache-2.0
// Records from intake to the log and back, over restarts.
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/streamrig.h"

static struct streamrig rig;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

static void restart(void)
{
    streamrig_close(&rig);
    rig.done_count = 0;
    streamrig_open(&rig);
}

static struct wf_home_product *again(const char *name)
{
    struct wf_home_product *p = wf_stream_find(&rig.node, name, 0);

    ck_assert_ptr_nonnull(p);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&p->log_id));
    return p;
}

// ---- reading the log as a reader would -------------------------------------------------------------------------------

struct seen {
    struct wf_home_product *p;
    struct wf_log_head head;
    size_t entries, resets;
    uint64_t records;
    bool linked; // every entry followed the one before
};

static bool look(void *arg, const struct wf_log_view *v)
{
    struct seen *s = arg;
    struct wf_entry e;
    struct wf_batch_header h;

    ck_assert_int_eq(v->status, WEFT_OK);
    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (!e.is_reset)
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
    if (s->entries && wf_entry_follows(&s->head, &e) != WEFT_OK)
        s->linked = false;
    s->head.log_id = e.log_id;
    s->head.next_offset = e.offset + (e.is_reset ? 0 : h.count);
    wf_entry_hash(&e, &wf_home_descriptor(s->p)->id, e.is_reset ? NULL : &h.id, &s->head.hash);
    s->entries++;
    s->resets += e.is_reset;
    s->records += e.is_reset ? 0 : h.count;
    return true;
}

static struct seen read_all(struct wf_home_product *p)
{
    struct seen s = { .p = p, .linked = true };
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = wf_home_descriptor(p)->id,
        .max_bytes = 64u * WF_MIB,
        .visit = look,
        .arg = &s,
        .scratch = &scratch };

    ck_assert_int_eq(wf_log_read(rig.node.log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
    return s;
}

static void forget_checkpoints(void)
{
    char path[512];
    size_t count = 0;

    snprintf(path, sizeof path, "%s/meta", rig.conf.data);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        if (e->d_name[0] == 'p' && e->d_name[1] == '-') {
            snprintf(path, sizeof path, "%s/meta/%s", rig.conf.data, e->d_name);
            ck_assert_int_eq(unlink(path), 0);
            count++;
        }
    closedir(d);
    ck_assert_uint_gt(count, 0);
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(a_product_begins_its_log_with_a_reset)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct seen s = read_all(p);

    ck_assert_uint_eq(s.resets, 1);
    ck_assert_uint_eq(s.records, 0);
    ck_assert_uint_eq(wf_home_head(p), 0);
}
END_TEST

START_TEST(records_are_told_of_when_durable_and_are_linked)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);

    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(streamrig_publish(&rig, p, 10 * i, 10, NULL, 0), WEFT_OK);
    ck_assert_uint_eq(rig.done_count, 0);
    STREAMRIG_UNTIL(&rig, rig.done_count == 5);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
    struct seen s = read_all(p);
    ck_assert_uint_eq(s.records, 50);
    ck_assert(s.linked);
    ck_assert_uint_eq(wf_home_head(p), 50);
    ck_assert(wf_hash_eq(&s.head.hash, &p->head_hash));
}
END_TEST

START_TEST(what_is_small_is_gathered_into_one_batch)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(streamrig_publish(&rig, p, i, 1, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 20);
    ck_assert_uint_le(read_all(p).entries, 3);
}
END_TEST

// Of a source, whose records gather: no linger is over, and none is waited for.
START_TEST(a_batch_leaves_at_the_size_that_the_product_says)
{
    static const struct {
        uint32_t bytes;
        bool left;
    } sizes[] = { { 0, false }, { 1024, true }, { WF_MAX_BATCH_BYTES, false } };
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);

    p->collect->product.linger_us = WF_MAX_LINGER_US;
    p->collect->product.batch_bytes = sizes[_i].bytes;
    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 1, NULL, 0), WEFT_OK);
    ck_assert_uint_eq(p->open.count, 1);
    ck_assert_int_eq(streamrig_publish(&rig, p, 1, 200, NULL, 0), WEFT_OK);
    ck_assert_uint_eq(p->open.count < 100, sizes[_i].left);
    p->collect->product.batch_bytes = 1024;
    ck_assert_int_eq(streamrig_publish(&rig, p, 201, 200, NULL, 0), WEFT_OK);
    wf_intake_flush(p);
    STREAMRIG_UNTIL(&rig, wf_home_head(p) == 401);
    ck_assert_uint_ge(read_all(p).entries, 3);
}
END_TEST

START_TEST(offsets_go_on_over_a_restart_and_logs_are_linked)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct wf_incarnation first = wf_home_log_id(p), second;

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 7, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    restart();
    p = again("rows");
    second = wf_home_log_id(p);
    ck_assert_int_gt(wf_incarnation_cmp(&second, &first), 0);
    ck_assert_uint_eq(wf_home_head(p), 7);
    ck_assert_int_eq(streamrig_publish(&rig, p, 7, 3, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    struct seen s = read_all(p);
    ck_assert_uint_eq(s.records, 10);
    ck_assert_uint_eq(s.resets, 2);
    ck_assert(s.linked);
    const struct wf_old_log *old = wf_logs_find(p, &first);
    ck_assert_ptr_nonnull(old);
    ck_assert_uint_eq(old->end, 7);
}
END_TEST

static void write_file(const char *file, const char *text)
{
    char file_path[600];

    snprintf(file_path, sizeof file_path, "%s/products/rows.1/%s", rig.conf.data, file);
    FILE *f = fopen(file_path, "w");
    ck_assert_msg(f != NULL, "%s", file_path);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(file_path, 0600), 0);
}

static const struct rubbish {
    const char *file, *text;
} rubbish[] = {
    { "away", "seven\n" },
    { "away", "7" }, // cut
    { "away", "7 8\n" },
    { "away", "-7\n" },
    { "away", "0\n" },
    { "away", "99999999999999999999\n" },
    { "away", "\n" },
    { "lost", "\x01\x02\x03\x04\n" },
};

// A damaged "away" that passes for 0 would make this node a second home.
START_TEST(a_number_that_is_none_is_told_and_its_product_stays_out)
{
    const struct rubbish *b = &rubbish[_i];

    streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    streamrig_close(&rig);
    write_file(b->file, b->text);
    streamrig_open(&rig);
    ck_assert_msg(!wf_stream_find(&rig.node, "rows", 0), "%s: %s", b->file, b->text);
    const struct wf_alarm *a = rig.core.alarms;
    ck_assert_ptr_nonnull(a);
    ck_assert_str_eq(a->name, "product-rows.1");
    ck_assert_msg(strstr(a->text, "not loaded: damaged: ") == a->text, "%s", a->text);
    ck_assert_msg(strstr(a->text, "rows.1/") && strstr(a->text, b->file) &&
                      strstr(a->text, "is no number: remove it and start again"),
        "%s", a->text);
    ck_assert_msg(!strstr(a->text, "apply"), "%s", a->text);
}
END_TEST

static const char *const no_times[] = { "1700000000000 or so\n", "1700000000000", "-1\n", "\n",
    "" };

// A removal of long ago would be told to nobody.
START_TEST(a_time_of_removal_that_is_none_is_now)
{
    streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    streamrig_close(&rig);
    write_file("removed", no_times[_i]);
    streamrig_open(&rig);
    const struct wf_home_product *p = rig.node.stream->products;
    ck_assert_ptr_nonnull(p);
    ck_assert(p->removed && p->removed_ms == wf_node_now_unix_ms(&rig.node));
    streamrig_close(&rig);
    write_file("removed", "1700000000000\n");
    streamrig_open(&rig);
    p = rig.node.stream->products;
    ck_assert(p && p->removed && p->removed_ms == 1700000000000);
}
END_TEST

static bool has_checkpoint(void)
{
    char path[512];
    bool found = false;

    snprintf(path, sizeof path, "%s/meta", rig.conf.data);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        found = found || strncmp(e->d_name, "p-", 2) == 0;
    closedir(d);
    return found;
}

// A start after a kill reads at most so much of the log again.
START_TEST(a_checkpoint_is_written_after_a_minute_so_many_bytes_or_batches)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 7, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    for (int i = 0; i < 3; i++) {
        p->dirty = true;
        p->checkpoint_ms = wf_node_now_ms(&rig.node);
        p->checkpoint_bytes = p->count.bytes;
        p->checkpoint_batches = p->count.batches;
        if (has_checkpoint())
            forget_checkpoints();
        wf_stream_room.tick(&rig.node);
        ck_assert(!has_checkpoint());
        p->checkpoint_ms -= i == 0 ? WF_CHECKPOINT_MS : 0;
        p->count.bytes += i == 1 ? WF_CHECKPOINT_BYTES : 0;
        p->count.batches += i == 2 ? WF_CHECKPOINT_COUNT : 0;
        wf_stream_room.tick(&rig.node);
        ck_assert(has_checkpoint() && !p->dirty);
    }
}
END_TEST

// The checkpoint only saves work: without it the log says the same.
START_TEST(a_lost_checkpoint_changes_nothing)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 5 };
    struct streamrig_origin o = streamrig_agent(&rig, "web-1");
    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 7, publisher, 100), WEFT_OK);
    struct wf_buf batch = streamrig_batch(&rig, &o, p, 0, 4);
    struct wf_diag diag = { 0 };
    ck_assert_int_eq(wf_stream_accept(&rig.node, p, &o.identity, wf_buf_view(&batch),
                         streamrig_on_done, &rig, &diag),
        WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    struct wf_hash hash = p->head_hash;
    streamrig_close(&rig);
    forget_checkpoints();
    streamrig_open(&rig);
    p = again("rows");
    const struct wf_origin *origin = wf_origin_find(p, &o.identity.cert.sign_key);
    ck_assert_ptr_nonnull(origin);
    ck_assert_uint_eq(origin->durable.next_seq, 4);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 107);
    ck_assert_uint_eq(wf_home_head(p), 11);
    struct seen s = read_all(p);
    ck_assert(s.linked);
    ck_assert(!wf_hash_eq(&hash, &p->head_hash)); // the second reset follows it
    wf_buf_fini(&batch);
    streamrig_agent_fini(&o);
}
END_TEST

// ---- publishers ------------------------------------------------------------------------------------------------------

START_TEST(what_a_publisher_repeats_is_acknowledged_and_not_doubled)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 9 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 10, publisher, 0), WEFT_OK);
    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 10, publisher, 0), WEFT_OK); // still on its way
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    ck_assert_uint_eq(wf_home_head(p), 10);
    ck_assert_int_eq(streamrig_publish(&rig, p, 5, 10, publisher, 5), WEFT_OK); // half of it is new
    STREAMRIG_UNTIL(&rig, rig.done_count == 3);
    ck_assert_uint_eq(wf_home_head(p), 15);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 15);
    restart();
    p = again("rows");
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 15);
    ck_assert_int_eq(streamrig_publish(&rig, p, 12, 3, publisher, 12), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(p), 15);
}
END_TEST

START_TEST(records_that_a_publisher_left_out_are_asked_for)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 9 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 10, publisher, 0), WEFT_OK);
    ck_assert_int_eq(streamrig_publish(&rig, p, 11, 1, publisher, 11), WEFT_E_ORDER);
    ck_assert_int_eq(streamrig_publish(&rig, p, 10, 1, publisher, 10), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    ck_assert_uint_eq(wf_home_head(p), 11);
}
END_TEST

START_TEST(a_large_publish_spans_batches_that_readers_can_ask_for)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 3 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 60000, publisher, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    struct seen s = read_all(p);
    ck_assert_uint_eq(s.records, 60000);
    ck_assert_uint_ge(s.entries, 3);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 60000);
}
END_TEST

static const struct bad_records {
    const char *why;
    struct {
        const char *bytes;
        size_t len;
    } row;
    enum wf_record_op op;
    uint32_t count; // announced
    enum weft_err want;
} bad_records[] = {
    { "the record is no message", { "\x0a\x05h", 3 }, WF_OP_PUT, 1, WEFT_E_TRUNCATED },
    { "a string is not UTF-8", { "\x0a\x01\xff", 3 }, WF_OP_PUT, 1, WEFT_E_BAD_UTF8 },
    { "a field has another wire type", { "\x08\x01", 2 }, WF_OP_PUT, 1, WEFT_E_TYPE },
    { "fewer records than announced", { "\x0a\x01h", 3 }, WF_OP_PUT, 2, WEFT_E_RECORD },
    { "a metric has no deletes", { "\x0a\x01h", 3 }, WF_OP_DELETE, 1, WEFT_E_RECORD },
};

START_TEST(records_that_do_not_fit_are_refused)
{
    const struct bad_records *b = &bad_records[_i];
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct wf_records one = { 0 };
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_records_put(&one, b->op, WF_TEST_BASE_US, wf_bytes(b->row.bytes, b->row.len)), WEFT_OK);
    struct wf_origin_records r = {
        .raw = wf_buf_view(&one.raw), .base_us = one.base_us, .count = b->count
    };
    enum weft_err err = wf_stream_originate(&rig.node, p, &r, streamrig_on_done, &rig, &diag);
    ck_assert_msg(err == b->want, "%s: %s", b->why, weft_err_name(err));
    ck_assert_msg(diag.text[0], "%s: says why", b->why);
    ck_assert_uint_eq(p->open.count, 0);
    wf_records_fini(&one);
}
END_TEST

// ---- failure ---------------------------------------------------------------------------------------------------------

START_TEST(a_full_disk_refuses_and_recovers)
{
    rig.conf.min_free_percent = 100;
    restart();
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };
    // The product is there, its log waits for space.
    ck_assert_int_eq(streamrig_apply(&rig, &c, "sample", &diag), WEFT_OK);
    struct wf_home_product *p = wf_stream_find(&rig.node, "rows", 0);
    wf_stream_room.tick(&rig.node);
    ck_assert_int_ne(streamrig_publish(&rig, p, 0, 1, NULL, 0), WEFT_OK);
    rig.conf.min_free_percent = 0;
    restart();
    p = again("rows");
    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 1, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
}
END_TEST

// No file may grow any more: the log's write fails in the middle of the stream.
static void limit_files(rlim_t bytes)
{
    struct rlimit limit = { bytes, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_failed_write_takes_nothing_with_it)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 1 };

    ck_assert_int_eq(streamrig_publish(&rig, p, 0, 4, publisher, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    struct wf_incarnation own = p->own;
    limit_files(200);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(streamrig_publish(&rig, p, 4 + (int64_t)i, 1, publisher, 4 + i), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 4);
    ck_assert_int_ne(rig.done_err, WEFT_OK);
    ck_assert(!p->failing);
    ck_assert_uint_eq(p->tail, 4);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 4);
    ck_assert(!wf_incarnation_eq(&p->own, &own)); // no two headers for one place
    limit_files(RLIM_INFINITY);
    // The same records again: each is there once.
    STREAMRIG_UNTIL(&rig, streamrig_publish(&rig, p, 4, 3, publisher, 4) == WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 5);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
    struct seen s = read_all(p);
    ck_assert_uint_eq(s.records, 7);
    ck_assert(s.linked);
    restart();
    p = again("rows");
    ck_assert_uint_eq(wf_home_head(p), 7);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 7);
}
END_TEST

START_TEST(closing_settles_everything)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);

    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(streamrig_publish(&rig, p, i, 1, NULL, 0), WEFT_OK);
    streamrig_close(&rig);
    ck_assert_uint_eq(rig.done_count, 50);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
    streamrig_open(&rig);
    ck_assert_uint_eq(wf_home_head(again("rows")), 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_room");
    TCase *t = tcase_create("log");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_product_begins_its_log_with_a_reset);
    tcase_add_test(t, records_are_told_of_when_durable_and_are_linked);
    tcase_add_test(t, what_is_small_is_gathered_into_one_batch);
    tcase_add_loop_test(t, a_batch_leaves_at_the_size_that_the_product_says, 0, 3);
    tcase_add_loop_test(
        t, a_number_that_is_none_is_told_and_its_product_stays_out, 0, (int)WF_COUNT(rubbish));
    tcase_add_test(t, offsets_go_on_over_a_restart_and_logs_are_linked);
    tcase_add_loop_test(t, a_time_of_removal_that_is_none_is_now, 0, (int)WF_COUNT(no_times));
    tcase_add_test(t, a_checkpoint_is_written_after_a_minute_so_many_bytes_or_batches);
    tcase_add_test(t, a_lost_checkpoint_changes_nothing);
    tcase_add_test(t, what_a_publisher_repeats_is_acknowledged_and_not_doubled);
    tcase_add_test(t, records_that_a_publisher_left_out_are_asked_for);
    tcase_add_test(t, a_large_publish_spans_batches_that_readers_can_ask_for);
    tcase_add_loop_test(t, records_that_do_not_fit_are_refused, 0, (int)WF_COUNT(bad_records));
    tcase_add_test(t, a_full_disk_refuses_and_recovers);
    tcase_add_test(t, a_failed_write_takes_nothing_with_it);
    tcase_add_test(t, closing_settles_everything);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
