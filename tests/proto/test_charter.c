// SPDX-License-Identifier: Apache-2.0
// The charter: its own rules, its genesis, and its succession under two quorums (ATTACKS M1-M5, S1; TUF 5.3.4-5.3.8).
#include <check.h>
#include <stdio.h>

#include "proto/base/pb.h"
#include "tests/support/trust_mesh.h"

#define NOW WF_TEST_NOW
enum { A = 1, B = 2, C = 4, D = 8, E = 16, STRANGER = 32, KEYS = 6 };

static struct wf_secret roots[KEYS];
static struct wf_sign_pub pubs[KEYS];
static const char *const names[KEYS] = { "alpha", "bravo", "charlie", "delta", "echo", "stranger" };
static struct wf_charter *first; // genesis of alpha, bravo, charlie with quorum 2

// Fields of a charter whose members are those of the mask.
struct plan {
    struct wf_charter c;
    struct wf_member members[KEYS];
};

static void plan_init(struct plan *p, unsigned members, uint32_t quorum)
{
    memset(p, 0, sizeof *p);
    p->c = (struct wf_charter){ .mesh = "example",
        .version = 1,
        .quorum = quorum,
        .min_protocol = 1,
        .created_ms = NOW,
        .expires_ms = NOW + 365 * WF_TEST_DAY,
        .members = p->members };
    for (unsigned i = 0; i < KEYS; i++)
        if (members & 1u << i) {
            struct wf_member *m = &p->members[p->c.member_count++];
            snprintf(m->name.s, sizeof m->name.s, "%s", names[i]);
            m->root_key = pubs[i];
        }
}

static void plan_next(struct plan *p, const struct wf_charter *before)
{
    p->c.version = before->version + 1;
    p->c.previous = before->id;
    p->c.mesh_id = before->mesh_id;
}

static struct wf_buf sign(struct wf_bytes body, unsigned signers)
{
    struct wf_buf envelope = { 0 };

    for (unsigned i = 0; i < KEYS; i++) {
        struct wf_buf more = { 0 };
        if (!(signers & 1u << i))
            continue;
        enum weft_err err = wf_charter_sign(
            envelope.len ? wf_buf_view(&envelope) : body, envelope.len > 0, &roots[i], &more);
        ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
        wf_buf_fini(&envelope);
        envelope = more;
    }
    return envelope;
}

static struct wf_buf make(const struct plan *p, unsigned signers)
{
    struct wf_buf body = { 0 };
    enum weft_err err = wf_charter_body(&p->c, &body);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    struct wf_buf envelope = sign(wf_buf_view(&body), signers);
    wf_buf_fini(&body);
    return envelope;
}

static void setup(void)
{
    struct plan p;

    for (size_t i = 0; i < KEYS; i++)
        roots[i] = wf_test_sign_key(names[i], &pubs[i]);
    plan_init(&p, A | B | C, 2);
    struct wf_buf raw = make(&p, A | B | C);
    ck_assert_int_eq(wf_charter_open_genesis(wf_buf_view(&raw), NULL, &first), WEFT_OK);
    wf_buf_fini(&raw);
}

static void teardown(void)
{
    wf_charter_free(first);
    for (size_t i = 0; i < KEYS; i++)
        wf_secret_fini(&roots[i]);
}

static enum weft_err open_genesis(struct wf_bytes raw, void *context)
{
    struct wf_charter *c = NULL;
    enum weft_err err = wf_charter_open_genesis(raw, context, &c);

    wf_charter_free(c);
    return err;
}

static enum weft_err open_next(struct wf_bytes raw, void *context)
{
    struct wf_charter *c = NULL;
    enum weft_err err = wf_charter_open_next(raw, context ? context : first, &c);

    wf_charter_free(c);
    return err;
}

// ---- genesis

START_TEST(genesis_opens_with_every_field)
{
    struct plan p;
    struct wf_charter *c = NULL;
    char *regions[] = { wf_pb_str("eu-west"), wf_pb_str("us-east") };
    char *classes[] = { wf_pb_str("public"), wf_pb_str("internal") };
    struct wf_seed seed = { .address = "10.0.0.1:7400" };

    memset(seed.dh_key.b, 7, WF_KEY_LEN);
    plan_init(&p, A | B | C, 3);
    p.members[1].seeds = &seed;
    p.members[1].seed_count = 1;
    p.c.regions = regions;
    p.c.region_count = 2;
    p.c.classifications = classes;
    p.c.classification_count = 2;
    struct wf_buf raw = make(&p, A | B | C);
    ck_assert_int_eq(wf_charter_open_genesis(wf_buf_view(&raw), NULL, &c), WEFT_OK);
    ck_assert(wf_hash_eq(&c->id, &c->mesh_id));
    ck_assert(wf_hash_is_zero(&c->previous));
    ck_assert_str_eq(c->mesh, "example");
    ck_assert_uint_eq(c->version, 1);
    ck_assert_uint_eq(c->quorum, 3);
    ck_assert_uint_eq(c->min_protocol, 1);
    ck_assert_int_eq(c->expires_ms, NOW + 365 * WF_TEST_DAY);
    ck_assert_uint_eq(c->member_count, 3);
    ck_assert_str_eq(c->members[2].name.s, "charlie");
    ck_assert_uint_eq(c->members[1].seed_count, 1);
    ck_assert_str_eq(c->members[1].seeds[0].address, "10.0.0.1:7400");
    ck_assert_str_eq(c->regions[1], "us-east");
    ck_assert_str_eq(c->classifications[0], "public");
    ck_assert(wf_bytes_eq(wf_buf_view(&c->raw), wf_buf_view(&raw)));
    ck_assert_ptr_eq(wf_charter_member(c, "bravo"), &c->members[1]);
    ck_assert_ptr_null(wf_charter_member(c, "delta"));
    ck_assert_ptr_eq(wf_charter_member_by_root(c, &pubs[2]), &c->members[2]);
    ck_assert_ptr_null(wf_charter_member_by_root(c, &pubs[3]));
    ck_assert(!wf_charter_is_expired(c, c->expires_ms - 1));
    ck_assert(wf_charter_is_expired(c, c->expires_ms));
    ck_assert_int_eq(open_genesis(wf_buf_view(&raw), &c->id), WEFT_OK);
    wf_test_trust_vector("300-charter-genesis",
        "accepted: alpha, bravo, charlie (keys from those labels), quorum 3", wf_buf_view(&raw));
    wf_charter_free(c);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(genesis_needs_every_member_and_nobody_else)
{
    static const struct {
        const char *why;
        unsigned members, signers;
        enum weft_err want;
    } rows[] = {
        { "all three", A | B | C, A | B | C, WEFT_OK },
        { "a mesh of one", A, A, WEFT_OK },
        { "the quorum, but not all", A | B | C, A | B, WEFT_E_QUORUM },
        { "all and a stranger", A | B | C, A | B | C | STRANGER, WEFT_E_UNKNOWN_KEY },
        { "a stranger for a member", A | B | C, A | B | STRANGER, WEFT_E_UNKNOWN_KEY },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct plan p;
        unsigned n = (unsigned)__builtin_popcount(rows[i].members);
        plan_init(&p, rows[i].members, n / 2 + 1);
        struct wf_buf raw = make(&p, rows[i].signers);
        enum weft_err err = open_genesis(wf_buf_view(&raw), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        if (err)
            wf_test_trust_refused(
                (unsigned)(301 + i), "charter-genesis", err, rows[i].why, wf_buf_view(&raw));
        wf_buf_fini(&raw);
    }
}
END_TEST

START_TEST(genesis_of_another_mesh_is_refused_before_it_is_read)
{
    struct wf_hash other = wf_test_hash("another mesh");
    struct plan p;

    ck_assert_int_eq(open_genesis(wf_buf_view(&first->raw), &other), WEFT_E_WRONG_MESH);
    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    struct wf_buf raw = make(&p, A | B | C);
    ck_assert_int_eq(open_genesis(wf_buf_view(&raw), NULL), WEFT_E_CHARTER_ORDER);
    wf_buf_fini(&raw);
}
END_TEST

// ---- succession

static const struct {
    const char *why;
    unsigned members;
    uint32_t quorum;
    unsigned signers;
    enum weft_err want;
} next_rows[] = {
    { "the same members, signed by two of three", A | B | C, 2, A | B, WEFT_OK },
    { "signed by all", A | B | C, 2, A | B | C, WEFT_OK },
    { "signed by one", A | B | C, 2, A, WEFT_E_QUORUM },
    { "signed by nobody who counts", A | B | C, 2, STRANGER, WEFT_E_QUORUM },
    { "a fourth joins, by the old quorum and the new", A | B | C | D, 3, A | B | D, WEFT_OK },
    { "the old quorum, but not the new", A | B | C | D, 3, A | B, WEFT_E_QUORUM },
    { "the new quorum, but not the old", A | C | D | E, 3, A | D | E, WEFT_E_QUORUM },
    { "one leaves, by the others", A | B, 2, A | B, WEFT_OK },
    { "the one who leaves signs too", A | B, 2, A | B | C, WEFT_OK },
    { "two of three throw out the third and let another in", A | B | D, 2, A | B, WEFT_OK },
    { "everybody is replaced", D | E, 2, A | B | D | E, WEFT_OK },
    { "everybody is replaced, by the old alone", D | E, 2, A | B | C, WEFT_E_QUORUM },
    { "everybody is replaced, by the new alone", D | E, 2, D | E, WEFT_E_QUORUM },
    { "with a stranger's signature", A | B | C, 2, A | B | STRANGER, WEFT_E_UNKNOWN_KEY },
    { "the quorum is raised by a quorum of both", A | B | C, 3, A | B | C, WEFT_OK },
    { "the quorum is raised by the old quorum only", A | B | C, 3, A | B, WEFT_E_QUORUM },
};

START_TEST(succession_needs_the_quorum_of_old_and_new)
{
    struct plan p;

    wf_test_trust_vector(
        "310-charter", "accepted: alpha, bravo, charlie, quorum 2", wf_buf_view(&first->raw));
    plan_init(&p, next_rows[_i].members, next_rows[_i].quorum);
    plan_next(&p, first);
    struct wf_buf raw = make(&p, next_rows[_i].signers);
    enum weft_err err = open_next(wf_buf_view(&raw), NULL);
    ck_assert_msg(err == next_rows[_i].want, "%s: %s", next_rows[_i].why, weft_err_name(err));
    if (err)
        wf_test_trust_refused(
            (unsigned)(311 + _i), "charter-next", err, next_rows[_i].why, wf_buf_view(&raw));
    else if (_i == 0)
        wf_test_trust_vector("311-charter-next", "accepted after 310-charter", wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

#define CHANGE(name, code)                                                                         \
    static void name(struct wf_charter *c)                                                         \
    {                                                                                              \
        code;                                                                                      \
    }
CHANGE(skips, c->version += 1)
CHANGE(stays, c->version -= 1)
CHANGE(huge, c->version = UINT64_MAX)
CHANGE(other_previous, c->previous.b[0] ^= 1)
CHANGE(other_mesh, c->mesh_id.b[0] ^= 1)
CHANGE(two_ago, (c->version = 2, c->previous = first->id))

static const struct {
    const char *why;
    void (*change)(struct wf_charter *);
    enum weft_err want;
} order_rows[] = {
    { "skips a version", skips, WEFT_E_CHARTER_ORDER },
    { "the same version again", stays, WEFT_E_CHARTER_ORDER },
    { "fast-forward", huge, WEFT_E_CHARTER_ORDER },
    { "another predecessor", other_previous, WEFT_E_CHARTER_ORDER },
    { "another mesh", other_mesh, WEFT_E_WRONG_MESH },
    { "an old one again", two_ago, WEFT_E_CHARTER_ORDER },
};

START_TEST(succession_has_an_exact_order)
{
    struct plan p;
    struct wf_charter *second = NULL, *third = NULL;

    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    struct wf_buf raw = make(&p, A | B);
    ck_assert_int_eq(wf_charter_open_next(wf_buf_view(&raw), first, &second), WEFT_OK);
    ck_assert(wf_hash_eq(&second->mesh_id, &first->id));
    ck_assert_int_eq(open_next(wf_buf_view(&raw), second), WEFT_E_CHARTER_ORDER); // replayed
    ck_assert_int_eq(open_next(wf_buf_view(&first->raw), second), WEFT_E_CHARTER_ORDER);
    wf_buf_fini(&raw);
    for (size_t i = 0; i < WF_COUNT(order_rows); i++) {
        plan_next(&p, second);
        order_rows[i].change(&p.c);
        raw = make(&p, A | B);
        enum weft_err err = open_next(wf_buf_view(&raw), second);
        ck_assert_msg(err == order_rows[i].want, "%s: %s", order_rows[i].why, weft_err_name(err));
        wf_buf_fini(&raw);
    }
    plan_next(&p, second);
    raw = make(&p, B | C);
    ck_assert_int_eq(wf_charter_open_next(wf_buf_view(&raw), second, &third), WEFT_OK);
    ck_assert_uint_eq(third->version, 3);
    wf_buf_fini(&raw);
    wf_charter_free(second);
    wf_charter_free(third);
}
END_TEST

START_TEST(two_valid_successors_prove_a_fork)
{
    struct plan p;

    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    struct wf_buf one = make(&p, A | B), same = make(&p, B | C);
    p.c.expires_ms++;
    struct wf_buf two = make(&p, B | C), weak = make(&p, C);
    ck_assert(wf_charter_is_fork(first, wf_buf_view(&one), wf_buf_view(&two)));
    ck_assert(wf_charter_is_fork(first, wf_buf_view(&two), wf_buf_view(&one)));
    // The same charter with other signatures is no other charter; one without quorum is none at all.
    ck_assert(!wf_charter_is_fork(first, wf_buf_view(&one), wf_buf_view(&same)));
    ck_assert(!wf_charter_is_fork(first, wf_buf_view(&one), wf_buf_view(&weak)));
    ck_assert(!wf_charter_is_fork(first, wf_buf_view(&one), wf_buf_view(&first->raw)));
    wf_buf_fini(&one);
    wf_buf_fini(&same);
    wf_buf_fini(&two);
    wf_buf_fini(&weak);
}
END_TEST

START_TEST(signatures_are_counted_by_member)
{
    struct plan p;
    bool by[3];
    struct wf_charter *proposal = NULL;

    plan_init(&p, A | C | D, 2);
    plan_next(&p, first);
    struct wf_buf raw = make(&p, A | D);
    ck_assert_int_eq(wf_charter_read(wf_buf_view(&raw), &proposal), WEFT_OK);
    ck_assert_uint_eq(wf_charter_signed_count(first, wf_buf_view(&raw), by), 1);
    ck_assert(by[0] && !by[1] && !by[2]);
    ck_assert_uint_eq(wf_charter_signed_count(proposal, wf_buf_view(&raw), by), 2);
    ck_assert(by[0] && !by[1] && by[2]);
    ck_assert_uint_eq(wf_charter_signed_count(first, WF_STR("rubbish"), by), 0);
    ck_assert(!by[0] && !by[1] && !by[2]);
    ck_assert_uint_eq(wf_charter_signed_count(first, wf_buf_view(&raw), NULL), 1);
    wf_charter_free(proposal);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(signature_that_does_not_verify_is_refused)
{
    struct plan p;
    struct wf_buf body = { 0 }, raw = { 0 };
    struct wf_sig sig;
    struct wf_arena arena;
    struct wf_sealed s;

    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    ck_assert_int_eq(wf_charter_body(&p.c, &body), WEFT_OK);
    wf_crypto_sign(&roots[2], wf_buf_view(&body), &sig); // not over the encoding
    ck_assert_int_eq(
        wf_envelope_assemble(WF_DOC_CHARTER, wf_buf_view(&body), &pubs[2], &sig, &raw), WEFT_OK);
    wf_arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < 2; i++) {
        struct wf_buf more = { 0 };
        ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_CHARTER, &arena, &s), WEFT_OK);
        ck_assert_int_eq(wf_envelope_cosign(&s, &roots[i], &more), WEFT_OK);
        wf_buf_fini(&raw);
        raw = more;
    }
    ck_assert_int_eq(open_next(wf_buf_view(&raw), NULL), WEFT_E_SIGNATURE);
    wf_arena_fini(&arena);
    wf_buf_fini(&body);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(largest_charter_fits_its_limits)
{
    struct plan p;
    static struct wf_member members[WF_MAX_MEMBERS];
    struct wf_charter *c = NULL;
    struct wf_buf body = { 0 }, raw;

    plan_init(&p, A, 1);
    p.c.members = members;
    p.c.member_count = WF_MAX_MEMBERS;
    p.c.quorum = WF_MAX_MEMBERS / 2 + 1;
    for (size_t i = 0; i < WF_MAX_MEMBERS; i++) { // backwards: the builder sorts
        char text[16];
        snprintf(text, sizeof text, "m%03zu", WF_MAX_MEMBERS - 1 - i);
        struct wf_hash key = wf_test_hash(text);
        snprintf(members[i].name.s, sizeof members[i].name.s, "%s", text);
        memcpy(members[i].root_key.b, key.b, WF_KEY_LEN);
    }
    ck_assert_int_eq(wf_charter_body(&p.c, &body), WEFT_OK);
    raw = sign(wf_buf_view(&body), A);
    ck_assert_int_eq(wf_charter_read(wf_buf_view(&raw), &c), WEFT_OK);
    ck_assert_uint_eq(c->member_count, WF_MAX_MEMBERS);
    ck_assert_ptr_eq(wf_charter_member(c, "m000"), &c->members[0]);
    ck_assert_ptr_eq(wf_charter_member(c, "m255"), &c->members[255]);
    wf_charter_free(c);
    wf_buf_fini(&raw);
    wf_buf_fini(&body);
    p.c.member_count = WF_MAX_MEMBERS + 1;
    ck_assert_int_eq(wf_charter_body(&p.c, &body), WEFT_E_TOO_BIG);
}
END_TEST

// ---- damage

START_TEST(damaged_charter_is_refused)
{
    struct plan p;

    wf_test_truncations(wf_buf_view(&first->raw), open_genesis, NULL);
    wf_test_bit_flips(wf_buf_view(&first->raw), 3, open_genesis, NULL);
    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    struct wf_buf raw = make(&p, A | B);
    wf_test_truncations(wf_buf_view(&raw), open_next, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 5, open_next, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(charter_opens_as_nothing_else)
{
    struct plan p;
    struct wf_buf body = { 0 };

    plan_init(&p, A, 1);
    ck_assert_int_eq(wf_charter_body(&p.c, &body), WEFT_OK);
    wf_test_purposes(wf_buf_view(&body), WF_DOC_CHARTER, &roots[0], open_genesis, NULL);
    wf_buf_fini(&body);
}
END_TEST

static enum weft_err build_and_open(struct wf_bytes in, void *context)
{
    struct wf_buf body = { 0 }, one = { 0 }, two = { 0 };
    enum weft_err err = wf_charter_body(context, &body);

    (void)in;
    if (!err)
        err = wf_charter_sign(wf_buf_view(&body), false, &roots[0], &one);
    if (!err)
        err = wf_charter_sign(wf_buf_view(&one), true, &roots[1], &two);
    if (!err)
        err = open_next(wf_buf_view(&two), NULL);
    wf_buf_fini(&body);
    wf_buf_fini(&one);
    wf_buf_fini(&two);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    struct plan p;

    plan_init(&p, A | B | C, 2);
    plan_next(&p, first);
    wf_test_allocations(WF_STR(""), build_and_open, &p.c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("charter");
    TCase *t = tcase_create("charter");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, genesis_opens_with_every_field);
    tcase_add_test(t, genesis_needs_every_member_and_nobody_else);
    tcase_add_test(t, genesis_of_another_mesh_is_refused_before_it_is_read);
    tcase_add_loop_test(t, succession_needs_the_quorum_of_old_and_new, 0, (int)WF_COUNT(next_rows));
    tcase_add_test(t, succession_has_an_exact_order);
    tcase_add_test(t, two_valid_successors_prove_a_fork);
    tcase_add_test(t, signatures_are_counted_by_member);
    tcase_add_test(t, signature_that_does_not_verify_is_refused);
    tcase_add_test(t, largest_charter_fits_its_limits);
    tcase_add_test(t, damaged_charter_is_refused);
    tcase_add_test(t, charter_opens_as_nothing_else);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
