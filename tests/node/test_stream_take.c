// SPDX-License-Identifier: Apache-2.0
// Sets of pushed batches: verified beside the loop, in the order of their origin, appended by the loop.
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/pool.h"
#include "tests/support/streamrig.h"

#define SETS 24u
#define ROWS 400u // of a batch: more than what is verified at once

static struct streamrig rig;
static struct wf_home_product *product;
static struct streamrig_origin agents[2];
static atomic_bool gate;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    agents[0] = streamrig_agent(&rig, "web-1");
    agents[1] = streamrig_agent(&rig, "web-2");
    atomic_store(&gate, true);
}

static void teardown(void)
{
    atomic_store(&gate, true);
    streamrig_agent_fini(&agents[0]);
    streamrig_agent_fini(&agents[1]);
    streamrig_fini(&rig);
}

// ---- sets ------------------------------------------------------------------------------------------------------------

#define BATCHES 80u
struct set {
    struct wf_stream_set pub; // first
    struct wf_buf bytes[BATCHES];
    ProtobufCBinaryData views[BATCHES];
    unsigned settled, order;
};

static unsigned settled_count;

static void on_settled(struct wf_stream_set *pub)
{
    struct set *s = (struct set *)(void *)pub;

    s->settled++;
    s->order = settled_count++;
}

static struct set *set_new(void)
{
    struct set *s = calloc(1, sizeof *s);

    ck_assert_ptr_nonnull(s);
    s->pub = (struct wf_stream_set){ .product = product,
        .batches = s->views,
        .done = streamrig_on_done,
        .arg = &rig,
        .settled = on_settled };
    return s;
}

static void add(struct set *s, struct wf_buf batch)
{
    ck_assert_uint_lt(s->pub.count, BATCHES);
    s->bytes[s->pub.count] = batch;
    s->views[s->pub.count++] = wf_pb_bin(wf_buf_view(&batch));
}

static struct set *set_of(struct streamrig_origin *o, size_t batches, uint32_t rows)
{
    struct set *s = set_new();

    for (size_t i = 0; i < batches; i++)
        add(s, streamrig_batch(&rig, o, product, (int64_t)o->next_seq, rows));
    return s;
}

static void set_free(struct set *s)
{
    for (size_t i = 0; i < s->pub.count; i++)
        wf_buf_fini(&s->bytes[i]);
    free(s);
}

static void take(struct set *s, const struct streamrig_origin *o)
{
    wf_stream_take(&rig.node, &s->pub, &o->identity);
}

static uint64_t mark(const struct streamrig_origin *o)
{
    return wf_stream_origin_mark(&rig.node, product, &o->identity.cert.sign_key, &o->incarnation);
}

// ---- workers that are busy -------------------------------------------------------------------------------------------

static void block(struct wf_job *j)
{
    (void)j;
    while (!atomic_load(&gate))
        usleep(1000);
}

static void unblocked(struct wf_job *j, enum weft_err err)
{
    (void)err;
    free(j);
}

static void block_all(void)
{
    struct wf_pool_stats s;

    atomic_store(&gate, false);
    wf_pool_get_stats(rig.node.pool, &s);
    for (unsigned i = 0; i < s.workers; i++) {
        struct wf_job *j = calloc(1, sizeof *j);
        ck_assert_ptr_nonnull(j);
        *j = (struct wf_job){ .work = block, .done = unblocked, .class = WF_MAIL_LIVE };
        ck_assert_int_eq(wf_pool_submit(rig.node.pool, j), WEFT_OK);
    }
}

// ---- tests -----------------------------------------------------------------------------------------------------------

START_TEST(the_loop_answers_while_a_flood_of_pushes_is_verified)
{
    struct set *sets[SETS];

    settled_count = 0;
    block_all(); // a verification that does not end
    for (size_t i = 0; i < SETS; i++) {
        sets[i] = set_of(&agents[i % 2], 4, ROWS);
        take(sets[i], &agents[i % 2]);
    }
    ck_assert_uint_eq(settled_count, 0);
    for (int64_t i = 0; i < 5; i++) { // publishing is taken, kept and told meanwhile
        size_t before = rig.done_count;
        ck_assert_int_eq(streamrig_publish(&rig, product, i, 1, NULL, 0), WEFT_OK);
        STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    }
    ck_assert_uint_eq(settled_count, 0);
    ck_assert_uint_eq(wf_home_head(product), 5);
    atomic_store(&gate, true);
    STREAMRIG_UNTIL(&rig, rig.done_count == 5 + 4 * SETS);
    ck_assert_uint_eq(settled_count, SETS);
    for (size_t i = 0; i < SETS; i++) {
        ck_assert_msg(sets[i]->pub.err == WEFT_OK, "%s", sets[i]->pub.diag.text);
        ck_assert_uint_eq(sets[i]->pub.taken, 4);
        ck_assert_uint_eq(sets[i]->settled, 1);
        if (i >= 2) // each origin's in the order in which they came
            ck_assert_uint_gt(sets[i]->order, sets[i - 2]->order);
    }
    for (size_t i = 0; i < SETS; i++)
        set_free(sets[i]);
    ck_assert_uint_eq(mark(&agents[0]), SETS / 2 * 4 * ROWS);
    ck_assert_uint_eq(mark(&agents[1]), SETS / 2 * 4 * ROWS);
}
END_TEST

START_TEST(one_small_batch_is_taken_at_once_unless_another_of_its_origin_is_before_it)
{
    struct set *first = set_of(&agents[0], 1, 3), *big, *small, *other;

    take(first, &agents[0]);
    ck_assert_uint_eq(first->settled, 1);
    ck_assert_uint_eq(first->pub.taken, 1);
    block_all();
    big = set_of(&agents[0], 4, ROWS);
    small = set_of(&agents[0], 1, 3);
    other = set_of(&agents[1], 1, 3);
    take(big, &agents[0]);
    take(small, &agents[0]);
    take(other, &agents[1]);
    ck_assert_uint_eq(big->settled + small->settled, 0);
    ck_assert_uint_eq(other->settled, 1);
    atomic_store(&gate, true);
    STREAMRIG_UNTIL(&rig, rig.done_count == 7);
    ck_assert_msg(small->pub.err == WEFT_OK, "%s", small->pub.diag.text);
    ck_assert_uint_eq(mark(&agents[0]), 6 + 4 * ROWS);
    set_free(first);
    set_free(big);
    set_free(small);
    set_free(other);
}
END_TEST

START_TEST(the_first_refusal_ends_a_set_and_what_was_before_it_is_kept)
{
    struct set *s = set_of(&agents[0], 2, ROWS), *next;
    struct wf_buf bad = streamrig_batch(&rig, &agents[0], product, 0, ROWS);

    bad.ptr[bad.len - 1] ^= 1; // the payload is not what was signed
    add(s, bad);
    add(s, streamrig_batch(&rig, &agents[0], product, 0, ROWS));
    next = set_of(&agents[0], 2, ROWS);
    take(s, &agents[0]);
    take(next, &agents[0]);
    STREAMRIG_UNTIL(&rig, next->settled && rig.done_count == 2);
    ck_assert_uint_eq(s->pub.taken, 2);
    ck_assert_int_eq(s->pub.err, WEFT_E_HASH);
    ck_assert_uint_eq(next->pub.taken, 0);
    ck_assert_int_eq(next->pub.err, WEFT_E_ORDER);
    ck_assert_uint_eq(mark(&agents[0]), 2 * ROWS);
    set_free(s);
    set_free(next);
}
END_TEST

START_TEST(a_set_longer_than_a_run_goes_through_in_several)
{
    struct set *s = set_of(&agents[0], BATCHES, 30);

    take(s, &agents[0]);
    STREAMRIG_UNTIL(&rig, s->settled && rig.done_count == BATCHES);
    ck_assert_msg(s->pub.err == WEFT_OK, "%s", s->pub.diag.text);
    ck_assert_uint_eq(mark(&agents[0]), BATCHES * 30);
    take(s, &agents[0]); // all of it came before
    STREAMRIG_UNTIL(&rig, s->settled == 2 && rig.done_count == 2 * BATCHES);
    ck_assert_int_eq(s->pub.err, WEFT_OK);
    ck_assert_uint_eq(wf_home_head(product), BATCHES * 30);
    set_free(s);
}
END_TEST

START_TEST(batches_of_an_earlier_schema_are_looked_up_and_taken_in_their_place)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };
    struct set *s = set_of(&agents[0], 3, ROWS);

    c.product.version = "1.1.0";
    ck_assert_msg(streamrig_apply(&rig, &c, "sample_next", &diag) == WEFT_OK, "%s", diag.text);
    add(s, streamrig_batch(&rig, &agents[0], product, 0, ROWS)); // of the new one
    take(s, &agents[0]);
    STREAMRIG_UNTIL(&rig, s->settled && rig.done_count == 4);
    ck_assert_msg(s->pub.err == WEFT_OK, "%s", s->pub.diag.text);
    ck_assert_uint_eq(mark(&agents[0]), 4 * ROWS);
    set_free(s);
}
END_TEST

START_TEST(an_origin_revoked_while_its_push_is_verified_adds_nothing)
{
    struct set *s = set_of(&agents[0], 4, ROWS);

    block_all();
    take(s, &agents[0]);
    rig.revoked = agents[0].identity.cert.sign_key;
    rig.has_revoked = true;
    atomic_store(&gate, true);
    STREAMRIG_UNTIL(&rig, s->settled);
    ck_assert_int_eq(s->pub.err, WEFT_E_REVOKED);
    ck_assert_uint_eq(s->pub.taken, 0);
    ck_assert_uint_eq(wf_home_head(product), 0);
    set_free(s);
}
END_TEST

START_TEST(a_stop_settles_every_set_once)
{
    struct set *sets[6];
    size_t taken = 0;

    block_all();
    for (size_t i = 0; i < 6; i++) {
        sets[i] = set_of(&agents[i % 2], 4, ROWS);
        take(sets[i], &agents[i % 2]);
    }
    atomic_store(&gate, true);
    wf_pool_stop(rig.node.pool);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(sets[i]->settled, 1);
        ck_assert(sets[i]->pub.err == WEFT_OK || sets[i]->pub.err == WEFT_E_CLOSED);
        taken += sets[i]->pub.taken;
    }
    STREAMRIG_UNTIL(&rig, rig.done_count == taken); // what was taken is kept all the same
    ck_assert_uint_eq(mark(&agents[0]) + mark(&agents[1]), taken * ROWS);
    for (size_t i = 0; i < 6; i++)
        set_free(sets[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.stream_take");
    TCase *tc = tcase_create("sets");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_loop_answers_while_a_flood_of_pushes_is_verified);
    tcase_add_test(tc, one_small_batch_is_taken_at_once_unless_another_of_its_origin_is_before_it);
    tcase_add_test(tc, the_first_refusal_ends_a_set_and_what_was_before_it_is_kept);
    tcase_add_test(tc, a_set_longer_than_a_run_goes_through_in_several);
    tcase_add_test(tc, batches_of_an_earlier_schema_are_looked_up_and_taken_in_their_place);
    tcase_add_test(tc, an_origin_revoked_while_its_push_is_verified_adds_nothing);
    tcase_add_test(tc, a_stop_settles_every_set_once);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
