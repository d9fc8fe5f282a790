// SPDX-License-Identifier: Apache-2.0
// A log that lost its end, or is gone: the reset of the next one says what of each origin was acknowledged and is there no more.
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/stream/ends.h"
#include "proto/stream/lost.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_home_product *product;
static struct streamrig_origin agent, gone;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    agent = streamrig_agent(&rig, "web-1");
    gone = streamrig_agent(&rig, "web-2");
    ck_assert_int_eq(
        wf_documents_put(&rig.node, wf_buf_view(&agent.chain), &agent.identity.cert.id), WEFT_OK);
}

static void teardown(void)
{
    streamrig_agent_fini(&agent);
    streamrig_agent_fini(&gone);
    streamrig_fini(&rig);
}

// ---- the state directory -----------------------------------------------------------------------------------------------

static char copy_from[512], copy_to[512];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int copy_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    char to[1024];

    (void)st;
    (void)at;
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (kind == FTW_D)
        return mkdir(to, 0700);
    struct wf_buf content = wf_test_file(path);
    FILE *f = fopen(to, "wb");
    bool done = f && fwrite(content.ptr, 1, content.len, f) == content.len;
    done = f && fclose(f) == 0 && done;
    wf_buf_fini(&content);
    return done ? chmod(to, 0600) : -1;
}

// A directory of the state takes the place of another one; NULL: nothing does.
static void put(const char *from, const char *to)
{
    snprintf(copy_to, sizeof copy_to, "%s/%s", rig.conf.data, to);
    nftw(copy_to, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (!from)
        return;
    snprintf(copy_from, sizeof copy_from, "%s/%s", rig.conf.data, from);
    ck_assert_int_eq(nftw(copy_from, copy_one, 8, FTW_PHYS), 0);
}

static void open_again(void)
{
    rig.done_count = 0;
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(product);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
}

static void restart(void)
{
    streamrig_close(&rig);
    open_again();
}

static void restart_with(const char *log, const char *meta)
{
    streamrig_close(&rig);
    put(log, "log");
    if (meta)
        put(meta, "meta");
    open_again();
}

static void restart_after_copy(const char *of, const char *to)
{
    streamrig_close(&rig);
    put(of, to);
    open_again();
}

static void own(uint32_t count, uint64_t seq)
{
    static const uint8_t publisher[16] = { 7 };
    size_t done = rig.done_count;

    ck_assert_int_eq(
        streamrig_publish(&rig, product, (int64_t)seq, count, publisher, seq), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == done + 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
}

static void push(struct streamrig_origin *o, uint32_t count)
{
    struct wf_buf batch = streamrig_batch(&rig, o, product, (int64_t)o->next_seq, count);
    struct wf_diag diag = { 0 };
    size_t done = rig.done_count;

    ck_assert_int_eq(wf_stream_accept(&rig.node, product, &o->identity, wf_buf_view(&batch),
                         streamrig_on_done, &rig, &diag),
        WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == done + 1);
    wf_buf_fini(&batch);
}

// ---- what the newest reset says, and what comes after it ---------------------------------------------------------------

struct seen {
    struct wf_buf lost;
    uint64_t resets, loss_records, records;
};

static bool look(void *arg, const struct wf_log_view *v)
{
    struct seen *s = arg;
    struct wf_entry e;
    struct wf_batch_header h;

    if (v->status) {
        ck_assert(v->status == WEFT_E_RETENTION || v->status == WEFT_E_LOST);
        return true;
    }
    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (e.is_reset) {
        s->resets++;
        s->lost.len = 0;
        ck_assert_int_eq(wf_buf_append(&s->lost, e.lost), WEFT_OK);
        return true;
    }
    ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
    *(h.kind == WF_BATCH_LOSS ? &s->loss_records : &s->records) += h.count;
    return true;
}

static struct seen read_all(void)
{
    struct seen s = { .resets = 0 };
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = wf_home_descriptor(product)->id,
        .max_bytes = 64u * WF_MIB,
        .visit = look,
        .arg = &s,
        .scratch = &scratch };

    ck_assert_int_eq(wf_log_read(rig.node.log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
    return s;
}

struct want {
    const char *subject;
    struct wf_incarnation incarnation;
    uint64_t from, to;
};

static void check_lost(const struct want *want, size_t count)
{
    struct seen s = read_all();
    struct wf_bytes in = wf_buf_view(&s.lost);
    struct wf_lost l;
    size_t found = 0;

    while (wf_lost_next(&in, &l)) {
        size_t i = 0;
        while (i < count && (strcmp(want[i].subject, l.subject) != 0 ||
                                !wf_incarnation_eq(&want[i].incarnation, &l.incarnation)))
            i++;
        ck_assert_msg(i < count, "%s [%llu, %llu) is not lost", l.subject,
            (unsigned long long)l.from_seq, (unsigned long long)l.to_seq);
        ck_assert_msg(l.from_seq == want[i].from && l.to_seq == want[i].to,
            "%s: [%llu, %llu), not [%llu, %llu)", l.subject, (unsigned long long)l.from_seq,
            (unsigned long long)l.to_seq, (unsigned long long)want[i].from,
            (unsigned long long)want[i].to);
        found++;
    }
    ck_assert_uint_eq(found, count);
    wf_buf_fini(&s.lost);
}

// ---- cases -------------------------------------------------------------------------------------------------------------

START_TEST(a_start_of_a_whole_log_says_nothing)
{
    own(5, 0);
    push(&agent, 5);
    restart();
    check_lost(NULL, 0);
    ck_assert_ptr_null(product->missing);
}
END_TEST

START_TEST(every_incarnation_that_lost_something_is_named_to_its_end)
{
    const char *me = rig.node.identity.cert.subject.s;

    own(10, 0);
    push(&agent, 10);
    push(&gone, 3);
    struct wf_incarnation first = product->own;
    restart_after_copy("log", "copy");
    struct wf_incarnation agent_first = agent.incarnation;
    own(7, 10); // of a second incarnation of the node, of which the copy has nothing
    struct wf_incarnation second = product->own;
    push(&agent, 4);
    agent.incarnation.counter++;
    agent.next_seq = 0;
    agent.last = (struct wf_hash){ { 0 } };
    push(&agent, 6);
    restart();
    own(2, 17);
    struct wf_incarnation third = product->own;
    ck_assert(!wf_incarnation_eq(&first, &second) && !wf_incarnation_eq(&second, &third));
    restart_with("copy", NULL);
    const struct want want[] = { { me, second, 0, 7 }, { me, third, 0, 2 },
        { "web-1", agent_first, 10, 14 }, { "web-1", agent.incarnation, 0, 6 } };
    check_lost(want, WF_COUNT(want)); // and nothing of web-2
    ck_assert_uint_eq(wf_home_head(product), 23);
    // Its publisher goes on behind what was acknowledged to it, and nothing is said twice.
    own(3, 19);
    struct seen s = read_all();
    ck_assert(s.records == 26 && s.loss_records == 0);
    wf_buf_fini(&s.lost);
    restart();
    check_lost(NULL, 0);
}
END_TEST

// The checkpoint of the log that was lost is not taken for one of the log that is there, however long that grew.
START_TEST(a_crash_after_it_finds_the_new_log_whole)
{
    own(10, 0);
    restart_after_copy("log", "copy");
    own(10, 10);
    restart_after_copy("meta", "checkpoints"); // as of a moment before the next log says it
    restart_with("copy", NULL);
    own(15, 20); // longer than the one that was lost
    ck_assert_uint_eq(wf_home_head(product), 25);
    streamrig_close(&rig);
    put("checkpoints", "meta");
    open_again();
    ck_assert_uint_eq(wf_home_head(product), 25);
    struct seen s = read_all();
    ck_assert_uint_eq(s.records, 25);
    wf_buf_fini(&s.lost);
    check_lost(NULL, 0);
    own(2, 35);
    s = read_all();
    ck_assert(s.records == 27 && s.loss_records == 0);
    wf_buf_fini(&s.lost);
}
END_TEST

START_TEST(what_only_the_publisher_knows_is_a_signed_loss)
{
    own(10, 0);
    restart_after_copy("log", "copy");
    own(10, 10);
    restart_after_copy("meta", "checkpoints");
    own(5, 20); // behind the last checkpoint
    restart_with("copy", "checkpoints");
    own(2, 25);
    struct seen s = read_all();
    ck_assert_uint_eq(s.records, 12);
    ck_assert_uint_eq(s.loss_records, 5);
    wf_buf_fini(&s.lost);
}
END_TEST

START_TEST(a_log_that_is_gone_goes_on_where_it_was)
{
    own(10, 0);
    push(&agent, 10);
    restart_with(NULL, NULL);
    ck_assert_uint_eq(wf_home_head(product), 20);
    own(2, 10);
    push(&agent, 2);
    ck_assert_uint_eq(wf_home_head(product), 24);
    check_lost(NULL, 0); // readers are told by offsets
}
END_TEST

// ---- what mirrors of a lost home know ------------------------------------------------------------------------------------

struct heard { // an entry's head, as a mirror has it
    uint8_t key;
    uint64_t counter, first;
    uint32_t count;
};
static const struct heard one[] = { { 1, 5, 0, 10 }, { 2, 7, 0, 3 }, { 1, 5, 10, 5 },
    { 1, 6, 0, 2 } },
                          other[] = { { 1, 5, 0, 20 }, { 3, 9, 4, 4 } };

static void hear(struct wf_ends *e, const struct heard *h, size_t count)
{
    struct wf_ends *part = NULL;
    struct wf_buf packed = { 0 };

    ck_assert_int_eq(wf_ends_new(&part), WEFT_OK);
    for (size_t i = 0; i < count; i++) {
        const struct wf_entry entry = { .append_ms = 1000 + (int64_t)i };
        const struct wf_batch_header header = { .signer = { { h[i].key } },
            .incarnation = { h[i].counter, 1 },
            .first_seq = h[i].first,
            .count = h[i].count };
        ck_assert_int_eq(wf_ends_add(part, &entry, &header), WEFT_OK);
    }
    ck_assert_int_eq(wf_ends_pack(part, &packed), WEFT_OK);
    ck_assert_int_eq(wf_ends_merge(e, wf_buf_view(&packed)), WEFT_OK);
    ck_assert_int_eq(wf_ends_merge(e, wf_bytes(packed.ptr, packed.len - 1)), WEFT_E_DAMAGED);
    wf_buf_fini(&packed);
    wf_ends_free(part);
}

// Whichever is asked first: of each chain the furthest that anybody has, ascending, once.
START_TEST(of_several_mirrors_the_one_that_has_more_of_a_chain_counts)
{
    static const struct {
        uint8_t key;
        uint64_t counter, to;
    } want[] = { { 1, 5, 20 }, { 1, 6, 2 }, { 2, 7, 3 }, { 3, 9, 8 } };
    struct wf_ends *e = NULL;
    struct wf_buf packed = { 0 };
    struct wf_lost lost;
    size_t found = 0;

    ck_assert_int_eq(wf_ends_new(&e), WEFT_OK);
    hear(e, _i ? other : one, _i ? WF_COUNT(other) : WF_COUNT(one));
    hear(e, _i ? one : other, _i ? WF_COUNT(one) : WF_COUNT(other));
    ck_assert_int_eq(wf_ends_compare(e, product), WEFT_OK);
    ck_assert_int_eq(wf_ends_compare(e, product), WEFT_OK); // said once
    ck_assert_int_eq(wf_missing_pack(product, &packed), WEFT_OK);
    ck_assert_int_eq(wf_lost_check(wf_buf_view(&packed)), WEFT_OK);
    struct wf_bytes rest = wf_buf_view(&packed);
    for (; wf_lost_next(&rest, &lost); found++) {
        ck_assert_uint_lt(found, WF_COUNT(want));
        ck_assert_uint_eq(lost.origin.b[0], want[found].key);
        ck_assert_uint_eq(lost.incarnation.counter, want[found].counter);
        ck_assert_uint_eq(lost.from_seq, 0);
        ck_assert_uint_eq(lost.to_seq, want[found].to);
    }
    ck_assert_uint_eq(found, WF_COUNT(want));
    wf_buf_fini(&packed);
    wf_ends_free(e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_lost");
    TCase *t = tcase_create("lost");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_start_of_a_whole_log_says_nothing);
    tcase_add_test(t, every_incarnation_that_lost_something_is_named_to_its_end);
    tcase_add_test(t, a_crash_after_it_finds_the_new_log_whole);
    tcase_add_test(t, what_only_the_publisher_knows_is_a_signed_loss);
    tcase_add_test(t, a_log_that_is_gone_goes_on_where_it_was);
    tcase_add_loop_test(t, of_several_mirrors_the_one_that_has_more_of_a_chain_counts, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
