// SPDX-License-Identifier: Apache-2.0
// A product moves between two nodes, and both lose the power after each step that leaves something on a disk: each file written or removed
// (before and after it), each operation of the logs and checkpoints. WEFT_FAULT_MOVE: stop at every n-th operation of the logs (default 9; 1: all).
#include <limits.h>

#include "node/stream/ends.h"
#include "node/stream/takeover.h"
#include "proto/stream/lost.h"
#include "tests/node/moving_rig.h"

static struct {
    unsigned runs, stops, called_off, batches;
} sum;

// ---- what is there ---------------------------------------------------------------------------------------------------

struct look {
    const struct wf_hash *product;
    struct wf_log_head head;
    uint64_t next, own;          // of the agent; of all nodes' chains
    uint64_t hole_from, hole_to; // one hole that there may be in the agent's
    size_t entries;
};

static bool look_at_entry(void *arg, const struct wf_log_view *v)
{
    struct look *l = arg;
    struct wf_entry e;
    struct wf_batch_header h = { .count = 0 };

    ck_assert_int_eq(v->status, WEFT_OK);
    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (l->entries++)
        ck_assert_int_eq(wf_entry_follows(&l->head, &e), WEFT_OK);
    if (!e.is_reset) {
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        bool own = memcmp(h.signer.b, agent.identity.cert.sign_key.b, WF_KEY_LEN) != 0;
        if (!own && l->hole_to && l->next == l->hole_from)
            l->next = l->hole_to;
        ck_assert_msg(own || h.first_seq == l->next, "%llu where %llu is next",
            (unsigned long long)h.first_seq, (unsigned long long)l->next);
        *(own ? &l->own : &l->next) += h.count;
    }
    l->head.log_id = e.log_id;
    l->head.next_offset = e.offset + h.count;
    wf_entry_hash(&e, l->product, e.is_reset ? NULL : &h.id, &l->head.hash);
    return true;
}

static void look_at_log(int at, struct look *l)
{
    struct wf_home_product *p = rigs[at].node.stream->products;
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = p->log_key,
        .max_bytes = 64u * WF_MIB,
        .visit = look_at_entry,
        .arg = l,
        .scratch = &scratch };

    l->product = &p->collect->product.id;
    ck_assert_int_eq(wf_log_read(rigs[at].node.log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
}

// At its home every batch that the agent was told of, once, in order, linked.
static void check_home(const char *when)
{
    struct wf_home_product *p = wf_stream_find(&rigs[issuer.home_is].node, "depth", 0);
    struct look l = { 0 };

    look_at_log(issuer.home_is, &l);
    uint64_t told = ledger.told ? ledger.ends[ledger.told - 1] : 0;
    ck_assert_msg(l.next >= told, "%s: told of %llu, the home has %llu", when,
        (unsigned long long)told, (unsigned long long)l.next);
    ck_assert_msg(l.own >= published.told, "%s: the program was told of %llu, the home has %llu",
        when, (unsigned long long)published.told, (unsigned long long)l.own);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rigs[issuer.home_is].node, p, program), l.own);
    ck_assert_uint_eq(wf_stream_origin_mark(&rigs[issuer.home_is].node, p,
                          &agent.identity.cert.sign_key, &agent.incarnation),
        l.next);
    ck_assert_msg(ledger.first[NEW] < 0 || ledger.last[OLD] < ledger.first[NEW],
        "%s: the old home took batch %d, the new one %d before", when, ledger.last[OLD],
        ledger.first[NEW]);
    ck_assert_msg(!takes(OLD) || !takes(NEW), "%s: two homes", when);
}

// ---- one move --------------------------------------------------------------------------------------------------------

struct stop {
    long before, after, operation; // 0: not there
    bool call_off;                 // by the issuer, when both are up again
};

static void begin(unsigned number)
{
    static char dirs[NODES][600];

    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    memset(&power, 0, sizeof power);
    for (size_t i = 0; i < ASKS; i++)
        asks[i].from = -1;
    for (int i = 0; i < NODES; i++) {
        snprintf(dirs[i], sizeof dirs[i], "%s/%u-%s", wf_test_tmpdir(), number, names[i]);
        streamrig_init_as(&rigs[i], dirs[i], names[i]);
        rigs[i].by_hand = true;
    }
    mesh = &rigs[OLD].mesh;
    memset(&issuer, 0, sizeof issuer);
    mirror.there = false;
    mirror.ends.len = 0;
    issuer.sequence = (uint64_t)wf_test_clock_unix_ms();
    memset(&ledger, 0, sizeof ledger);
    memset(&published, 0, sizeof published);
    ledger.first[OLD] = ledger.first[NEW] = ledger.last[OLD] = ledger.last[NEW] = -1;
    open_nodes();
    struct wf_collect c = streamrig_manifest("depth", WF_PRODUCT_EVENT);
    struct wf_diag diag = { 0 };
    ck_assert_msg(!streamrig_apply(&rigs[OLD], &c, "sample", &diag), "%s", diag.text);
    agent = streamrig_agent(&rigs[OLD], "web-1");
    for (int i = 0; i < TURNS && ledger.told < 3; i++) {
        turn();
        push(OLD);
        publish(OLD);
    }
    ck_assert_uint_ge(ledger.told, 3);
    ck_assert_uint_gt(published.told, 0);
    ck_assert(takes(OLD) && issuer.home_is == OLD && issuer.term == 1);
}

static void end(void)
{
    close_nodes();
    for (size_t i = 0; i < ledger.said; i++)
        wf_buf_fini(&ledger.batches[i]);
    sum.batches += (unsigned)ledger.told;
    wf_buf_fini(&issuer.home);
    wf_buf_fini(&issuer.order);
    wf_buf_fini(&mirror.ends);
    streamrig_agent_fini(&agent);
    for (int i = 0; i < NODES; i++)
        streamrig_fini(&rigs[i]);
    wf_memdisk_free(disk);
}

// An order that nobody carried out yet: its term is over, and the old home is named again.
static void call_off(void)
{
    if (!issuer.order.len)
        return; // it came too late: the move is in force
    issuer.order.len = 0;
    sign_home(OLD, issuer.order_term + 1);
    sum.called_off++;
}

static void start_again(uint64_t *seed, bool off)
{
    close_nodes();
    wf_memdisk_restart(disk, true, seed);
    memset(&power, 0, sizeof power);
    if (off)
        call_off();
    open_nodes();
    for (int i = 0; i < 10; i++) { // nobody has heard anything yet
        turn();
        push(OLD);
        push(NEW);
        publish(OLD);
        publish(NEW);
    }
    ck_assert_msg(!takes(OLD) || !takes(NEW), "two homes after a start");
    if (issuer.home_is == OLD)
        gossip(OLD);
    give_order();
}

// False: it was over before that step.
static bool move(const struct stop *s)
{
    static unsigned number;
    uint64_t seed = 7919 * (++number);
    char when[96];

    snprintf(when, sizeof when, "before file %ld, after file %ld, at operation %ld, called off %d",
        s->before, s->after, s->operation, s->call_off);
    begin(number);
    power.files = 0;
    power.stop_before = s->before;
    power.stop_after = s->after;
    if (s->operation)
        wf_memdisk_crash(disk, s->operation);
    sign_order(false);
    give_order();
    bool whole = go_on();
    wf_memdisk_crash(disk, whole ? LONG_MAX / 2 : 0); // it was over before
    if (!whole) {
        ck_assert_msg(power.stopped || !log_works(), "%s: it never ended", when);
        start_again(&seed, s->call_off);
        ck_assert_msg(go_on(), "%s: it never ended after a start", when);
        sum.stops++;
    }
    ck_assert_msg(s->call_off || issuer.home_is == NEW, "%s: it did not move", when);
    check_home(when);
    end();
    sum.runs++;
    return !whole;
}

// The old home is gone for good between copy and end: the new one goes on with the copy, and the hole is exactly what was acknowledged since.
START_TEST(a_lost_home_leaves_a_hole_of_what_was_acknowledged_since_the_copy)
{
    struct look copied = { 0 }, l = { 0 };

    begin(0);
    deaf = true;
    sign_order(false);
    give_order();
    for (int i = 0; i < TURNS && !told_to_stop; i++)
        turn();
    ck_assert_uint_gt(told_to_stop, 0);
    look_at_log(NEW, &copied);
    ck_assert_uint_gt(copied.next, 0);
    for (size_t more = ledger.told + 4; ledger.told < more;) {
        push(OLD);
        streamrig_turn(&rigs[OLD]);
    }
    uint64_t had = ledger.ends[ledger.told - 1];
    ck_assert_uint_gt(had, copied.next);
    sign_order(true);
    give_order();
    for (int i = 0; i < TURNS && ledger.first[NEW] < 0; i++) {
        gossip(NEW);
        push(NEW);
        turn();
        turn();
    }
    ck_assert(!ledger.waiting);
    ck_assert_int_eq(issuer.home_is, NEW);
    ck_assert_uint_eq(issuer.term, 2);
    l.hole_from = copied.next;
    l.hole_to = had;
    look_at_log(NEW, &l);
    ck_assert_uint_eq(l.next, ledger.ends[ledger.told - 1]);
    // It never comes twice: the next hole of the same agent is an error of its.
    agent.next_seq += 3;
    struct wf_buf odd =
        streamrig_batch(&rigs[NEW], &agent, wf_stream_find(&rigs[NEW].node, "depth", 0), 0, 1);
    struct wf_diag diag = { 0 };
    ck_assert_int_ne(wf_stream_accept(&rigs[NEW].node, wf_stream_find(&rigs[NEW].node, "depth", 0),
                         &agent.identity, wf_buf_view(&odd), on_told, NULL, &diag),
        WEFT_OK);
    wf_buf_fini(&odd);
    gossip(OLD); // it was not gone after all
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert(takes(NEW) && !takes(OLD));
    end();
    deaf = false;
}
END_TEST

// ---- a lost home, and a mirror that knows what it had ----------------------------------------------------------------------

static bool hear_entry(void *arg, const struct wf_log_view *v)
{
    struct wf_entry e;
    struct wf_batch_header h;

    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    if (!e.is_reset) {
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        ck_assert_int_eq(wf_ends_add(arg, &e, &h), WEFT_OK);
    }
    return true;
}

static void read_log_of(int at, bool (*visit)(void *, const struct wf_log_view *), void *arg)
{
    struct wf_buf scratch = { 0 };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = rigs[at].node.stream->products->log_key,
        .max_bytes = 64u * WF_MIB,
        .visit = visit,
        .arg = arg,
        .scratch = &scratch };

    ck_assert_int_eq(wf_log_read(rigs[at].node.log, &reader, &next), WEFT_OK);
    wf_buf_fini(&scratch);
}

// Where the chains of the old home end now.
static void mirror_follows(void)
{
    struct wf_ends *e = NULL;

    ck_assert_int_eq(wf_ends_new(&e), WEFT_OK);
    read_log_of(OLD, hear_entry, e);
    mirror.ends.len = 0;
    ck_assert_int_eq(wf_ends_pack(e, &mirror.ends), WEFT_OK);
    wf_ends_free(e);
    mirror.there = true;
    know_mirror();
}

struct named { // by the resets of a log
    uint64_t of_agent, of_program;
    size_t times;
};

static bool look_at_reset(void *arg, const struct wf_log_view *v)
{
    struct named *n = arg;
    struct wf_entry e;
    struct wf_lost l;

    ck_assert_int_eq(wf_entry_parse(v->body, &e), WEFT_OK);
    struct wf_bytes rest = e.lost;
    while (e.is_reset && wf_lost_next(&rest, &l)) {
        bool its = memcmp(l.origin.b, agent.identity.cert.sign_key.b, WF_KEY_LEN) == 0;
        ck_assert_uint_eq(l.from_seq, 0);
        *(its ? &n->of_agent : &n->of_program) += l.to_seq;
        n->times++;
    }
    return true;
}

static bool goes_on_lost(void)
{
    for (int i = 0; i < TURNS; i++) {
        turn();
        if (power.stopped || !log_works())
            return false;
        gossip(NEW);
        if (takes(NEW) && ledger.first[NEW] >= 0 && !ledger.waiting)
            return true;
        push(NEW);
    }
    return false;
}

// Its registry is on its disk; the mirror has gone once it was not needed any more.
static void start_lost_again(uint64_t *seed)
{
    close_nodes();
    wf_memdisk_restart(disk, true, seed);
    memset(&power, 0, sizeof power);
    mirror.there = issuer.home_is == OLD;
    open_nodes();
    know_mirror();
    gossip(NEW);
    give_order();
}

static bool lose(const struct stop *s)
{
    static unsigned number = 100000;
    uint64_t seed = 7919 * (++number);
    struct named named = { 0 };
    char when[96];

    snprintf(when, sizeof when, "before file %ld, after file %ld, at operation %ld", s->before,
        s->after, s->operation);
    begin(number);
    mirror_follows();
    uint64_t of_agent = ledger.ends[ledger.told - 1], of_program = published.told;
    power.files = 0;
    power.stop_before = s->before;
    power.stop_after = s->after;
    if (s->operation)
        wf_memdisk_crash(disk, s->operation);
    sign_order(true);
    give_order();
    bool whole = goes_on_lost();
    wf_memdisk_crash(disk, whole ? LONG_MAX / 2 : 0);
    if (!whole) {
        ck_assert_msg(power.stopped || !log_works(), "%s: it never ended", when);
        start_lost_again(&seed);
        ck_assert_msg(goes_on_lost(), "%s: it never ended after a start", when);
        sum.stops++;
    }
    read_log_of(NEW, look_at_reset, &named);
    ck_assert_msg(named.of_agent == of_agent && named.of_program == of_program && named.times == 2,
        "%s: %llu and %llu are lost, %zu times named %llu and %llu", when,
        (unsigned long long)of_agent, (unsigned long long)of_program, named.times,
        (unsigned long long)named.of_agent, (unsigned long long)named.of_program);
    ck_assert_ptr_null(rigs[NEW].node.stream->products->missing);
    end();
    sum.runs++;
    return !whole;
}

START_TEST(what_mirrors_know_of_a_lost_home_outlives_a_power_loss_at_any_step)
{
    struct stop before = { .before = 1 }, after = { .after = 1 }, at = { .operation = 1 };

    memset(&sum, 0, sizeof sum);
    while (lose(&before))
        before.before++;
    while (lose(&after))
        after.after++;
    while (lose(&at))
        at.operation++;
    ck_assert_int_gt(before.before, 4);
    ck_assert_int_gt(at.operation, 8);
    printf("%u homes lost, %u power losses of the next one: what was lost is named once, whole\n",
        sum.runs, sum.stops);
}
END_TEST

static bool keeps_ends(void)
{
    for (size_t i = 0; wf_memdisk_name(disk, i, ".meta"); i++)
        if (strstr(wf_memdisk_name(disk, i, ".meta"), "/l-"))
            return true;
    return false;
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        turn();
}

// A disk that takes nothing: nobody claims what could not be named. Called off afterwards: nothing of it stays.
START_TEST(a_lost_home_is_not_claimed_before_what_is_lost_is_kept)
{
    begin(0);
    mirror_follows();
    wf_memdisk_fail(disk, WF_MEM_RENAME, 1, 1000, WEFT_E_NOSPACE);
    sign_order(true);
    give_order();
    turns(200);
    ck_assert_int_eq(issuer.home_is, OLD);
    ck_assert_ptr_nonnull(strstr(rigs[NEW].node.stream->moves->taking->why, "can't be kept"));
    struct wf_buf order = issuer.order;
    issuer.order = (struct wf_buf){ 0 }; // nobody signs the home document
    wf_memdisk_fail(disk, WF_MEM_RENAME, 0, 0, WEFT_OK);
    turns(500);
    ck_assert(keeps_ends());
    issuer.order = order;
    call_off();
    gossip(NEW);
    turns(10);
    ck_assert(!keeps_ends() && !rigs[NEW].node.stream->moves);
    ck_assert_ptr_null(rigs[NEW].node.stream->products->missing);
    end();
}
END_TEST

// What the old home has and does not give is asked for again; what it lost itself it names, and the product goes on without.
START_TEST(entries_that_are_left_out_without_a_word_are_not_passed_over)
{
    begin(0);
    word = LEAVES_OUT;
    sign_order(false);
    give_order();
    for (int i = 0; i < 100; i++)
        turn();
    ck_assert_int_eq(issuer.home_is, OLD);
    ck_assert_uint_eq(rigs[NEW].node.stream->products->head, 0);
    ck_assert_ptr_nonnull(strstr(rigs[NEW].node.stream->moves->taking->why, "can't be believed"));
    word = _i ? NAMES_IT : HONEST;
    for (int i = 0; i < TURNS && issuer.home_is == OLD; i++) {
        turn();
        if (rigs[NEW].node.stream->products->head)
            word = HONEST;
    }
    ck_assert_int_eq(issuer.home_is, NEW);
    gossip(NEW);
    for (int i = 0; i < 100; i++)
        turn();
    ck_assert(takes(NEW));
    if (_i == 0)
        check_home("after an honest word");
    else
        ck_assert_uint_eq(rigs[NEW].node.stream->products->head,
            rigs[OLD].node.stream->products->head); // with a hole, at the same numbers
    end();
}
END_TEST

START_TEST(a_move_that_stops_after_any_file_ends_or_is_undone)
{
    for (int off = 0; off < 2; off++) {
        struct stop before = { .before = 1, .call_off = off },
                    after = { .after = 1, .call_off = off };
        while (move(&before))
            before.before++;
        while (move(&after))
            after.after++;
        ck_assert_int_gt(before.before, 8); // else not every step was there
        ck_assert_int_eq(before.before, after.after);
    }
    printf("%u moves, %u power losses between files, %u called off afterwards: %u batches "
           "acknowledged, 0 lost, 0 twice, never two homes\n",
        sum.runs, sum.stops, sum.called_off, sum.batches);
    ck_assert_uint_gt(sum.called_off, 3);
}
END_TEST

START_TEST(a_move_that_stops_at_any_operation_of_the_logs_ends_or_is_undone)
{
    const char *text = getenv("WEFT_FAULT_MOVE");
    long every = text ? strtol(text, NULL, 10) : 9;

    ck_assert_msg(every > 0, "WEFT_FAULT_MOVE=%s is no count", text);
    struct stop s = { .operation = 1 };
    while (move(&s)) {
        s.operation += every;
        s.call_off = !s.call_off;
    }
    printf("%u moves, %u power losses at operations of the logs, %u called off afterwards: %u "
           "batches acknowledged, 0 lost, 0 twice, never two homes\n",
        sum.runs, sum.stops, sum.called_off, sum.batches);
    ck_assert_uint_gt(sum.stops, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.moving");
    TCase *t = tcase_create("moving");

    tcase_set_timeout(t, 1700);
    tcase_add_test(t, a_lost_home_leaves_a_hole_of_what_was_acknowledged_since_the_copy);
    tcase_add_test(t, what_mirrors_know_of_a_lost_home_outlives_a_power_loss_at_any_step);
    tcase_add_test(t, a_lost_home_is_not_claimed_before_what_is_lost_is_kept);
    tcase_add_loop_test(t, entries_that_are_left_out_without_a_word_are_not_passed_over, 0, 2);
    tcase_add_test(t, a_move_that_stops_after_any_file_ends_or_is_undone);
    tcase_add_test(t, a_move_that_stops_at_any_operation_of_the_logs_ends_or_is_undone);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
