// SPDX-License-Identifier: Apache-2.0
// The rules of a charter by itself, whoever signed it.
#include <check.h>
#include <stdio.h>

#include "proto/trust/doc.h"
#include "tests/support/trust_mesh.h"

#define NOW WF_TEST_NOW

static struct wf_secret signer;
static struct wf_sign_pub signer_pub;

static void setup(void)
{
    signer = wf_test_sign_key("alpha", &signer_pub);
}

static void teardown(void)
{
    wf_secret_fini(&signer);
}

#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__Charter *m)                                                         \
    {                                                                                              \
        code;                                                                                      \
    }
static Weft__V1__Member *many_members[WF_MAX_MEMBERS + 1];
static Weft__V1__Seed a_seed, *many_seeds[WF_MAX_SEEDS + 1];
static char *many_names[WF_MAX_CAVEAT_ITEMS + 1], *capitals[1];
static uint8_t zeros[32];
static void swap_members(Weft__V1__Charter *m)
{
    Weft__V1__Member *a = m->members[0];

    m->members[0] = m->members[1];
    m->members[1] = a;
}
MUTATION(nothing, (void)m)
MUTATION(no_mesh, m->mesh = wf_pb_str(""))
MUTATION(bad_mesh, m->mesh = wf_pb_str("My Mesh"))
MUTATION(version_0, m->version = 0)
MUTATION(genesis_with_mesh, m->mesh_id = wf_pb_bin(WF_BYTES(signer_pub.b)))
MUTATION(genesis_with_previous, m->previous = wf_pb_bin(WF_BYTES(signer_pub.b)))
MUTATION(later_without_mesh, (m->version = 2, m->previous = wf_pb_bin(WF_BYTES(signer_pub.b))))
MUTATION(later_without_previous, (m->version = 2, m->mesh_id = wf_pb_bin(WF_BYTES(signer_pub.b))))
MUTATION(short_previous,
    (m->version = 2, m->mesh_id = m->previous = wf_pb_bin(wf_bytes(signer_pub.b, 31))))
MUTATION(no_members, m->n_members = 0)
MUTATION(too_many_members, (m->n_members = WF_COUNT(many_members), m->members = many_members))
MUTATION(same_name, m->members[1]->name = m->members[0]->name)
MUTATION(bad_member, m->members[1]->name = wf_pb_str("b b"))
MUTATION(no_member_name, m->members[1]->name = wf_pb_str(""))
MUTATION(same_key, m->members[2]->root_key = m->members[0]->root_key)
MUTATION(short_key, m->members[2]->root_key.len = 31)
MUTATION(no_key, m->members[2]->root_key.len = 0)
MUTATION(zero_key, m->members[2]->root_key = wf_pb_bin(WF_BYTES(zeros)))
MUTATION(too_many_seeds,
    (m->members[0]->n_seeds = WF_COUNT(many_seeds), m->members[0]->seeds = many_seeds))
MUTATION(bad_seed, (m->members[0]->n_seeds = 1, m->members[0]->seeds = many_seeds,
                       a_seed.address = wf_pb_str("x")))
MUTATION(no_quorum, m->quorum = 0)
MUTATION(half, m->quorum = 1)
MUTATION(more_than_all, m->quorum = 4)
MUTATION(huge_quorum, m->quorum = UINT32_MAX)
MUTATION(half_of_four, (m->n_members = 4, m->members = many_members, m->quorum = 2))
MUTATION(bad_region, (m->policy->n_regions = 1, m->policy->regions = capitals))
MUTATION(bad_class, (m->policy->n_classifications = 1, m->policy->classifications = capitals))
MUTATION(
    many_regions, (m->policy->n_regions = WF_COUNT(many_names), m->policy->regions = many_names))
MUTATION(no_policy, m->policy = NULL)
MUTATION(no_life, m->expires_ms = m->created_ms)
MUTATION(negative, m->created_ms = -1)
MUTATION(far, m->expires_ms = WF_MAX_TIME_MS + 1)

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__Charter *);
    enum weft_err want;
} rules[] = {
    { "unchanged", nothing, WEFT_OK },
    { "without a policy", no_policy, WEFT_OK },
    { "no name", no_mesh, WEFT_E_MISSING_FIELD },
    { "a name with a blank", bad_mesh, WEFT_E_NAME },
    { "version 0", version_0, WEFT_E_CHARTER_ORDER },
    { "a genesis that names a mesh", genesis_with_mesh, WEFT_E_CHARTER_ORDER },
    { "a genesis with a predecessor", genesis_with_previous, WEFT_E_CHARTER_ORDER },
    { "version 2 without a mesh", later_without_mesh, WEFT_E_MISSING_FIELD },
    { "version 2 without a predecessor", later_without_previous, WEFT_E_MISSING_FIELD },
    { "a mesh id of 31 bytes", short_previous, WEFT_E_SYNTAX },
    { "no members", no_members, WEFT_E_MISSING_FIELD },
    { "257 members", too_many_members, WEFT_E_TOO_BIG },
    { "members out of order", swap_members, WEFT_E_ORDER },
    { "a member twice", same_name, WEFT_E_ORDER },
    { "a member's name with a blank", bad_member, WEFT_E_NAME },
    { "a member without a name", no_member_name, WEFT_E_MISSING_FIELD },
    { "one key for two members", same_key, WEFT_E_KEY },
    { "a key of 31 bytes", short_key, WEFT_E_KEY },
    { "a member without a key", no_key, WEFT_E_MISSING_FIELD },
    { "a key of zeros", zero_key, WEFT_E_KEY },
    { "17 seeds", too_many_seeds, WEFT_E_TOO_BIG },
    { "a seed without a port", bad_seed, WEFT_E_SYNTAX },
    { "no quorum", no_quorum, WEFT_E_QUORUM },
    { "one of three", half, WEFT_E_QUORUM },
    { "four of three", more_than_all, WEFT_E_QUORUM },
    { "2^32 - 1 of three", huge_quorum, WEFT_E_QUORUM },
    { "two of four: disjoint majorities", half_of_four, WEFT_E_QUORUM },
    { "a region in capitals", bad_region, WEFT_E_NAME },
    { "a classification in capitals", bad_class, WEFT_E_NAME },
    { "65 regions", many_regions, WEFT_E_TOO_BIG },
    { "expires when it is made", no_life, WEFT_E_RANGE },
    { "made before 1970", negative, WEFT_E_RANGE },
    { "expires beyond the year 9999", far, WEFT_E_RANGE },
};

static void fill_members(void)
{
    static Weft__V1__Member members[WF_MAX_MEMBERS + 1];
    static char texts[WF_MAX_MEMBERS + 1][8];
    static struct wf_hash keys[WF_MAX_MEMBERS + 1];

    for (size_t i = 0; i <= WF_MAX_MEMBERS; i++) {
        snprintf(texts[i], sizeof texts[i], "m%03zu", i);
        keys[i] = wf_test_hash(texts[i]);
        weft__v1__member__init(&members[i]);
        members[i].name = texts[i];
        members[i].root_key = wf_pb_bin(wf_hash_view(&keys[i]));
        many_members[i] = &members[i];
    }
}

START_TEST(each_rule_has_its_reason)
{
    Weft__V1__Charter m = WEFT__V1__CHARTER__INIT;
    Weft__V1__Policy policy = WEFT__V1__POLICY__INIT;
    struct wf_buf raw = { 0 };
    struct wf_charter *c = NULL;

    fill_members();
    weft__v1__seed__init(&a_seed);
    a_seed.address = wf_pb_str("10.0.0.1:7400");
    a_seed.dh_key = wf_pb_bin(WF_BYTES(signer_pub.b));
    for (size_t i = 0; i < WF_COUNT(many_seeds); i++)
        many_seeds[i] = &a_seed;
    for (size_t i = 0; i < WF_COUNT(many_names); i++)
        many_names[i] = wf_pb_str("eu-west");
    capitals[0] = wf_pb_str("EU");
    m.mesh = wf_pb_str("example");
    m.version = 1;
    m.n_members = 3;
    m.members = many_members;
    m.quorum = 2;
    m.policy = &policy;
    m.created_ms = NOW;
    m.expires_ms = NOW + WF_TEST_DAY;
    rules[_i].mutate(&m);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_CHARTER, &m, &signer, &raw), WEFT_OK);
    enum weft_err err = wf_charter_read(wf_buf_view(&raw), &c);
    ck_assert_msg(err == rules[_i].want, "%s: %s", rules[_i].why, weft_err_name(err));
    if (err && err != WEFT_E_TOO_BIG)
        wf_test_trust_refused(
            (unsigned)(330 + _i), "charter", err, rules[_i].why, wf_buf_view(&raw));
    wf_charter_free(c);
    wf_buf_fini(&raw);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("charter_rules");
    TCase *t = tcase_create("charter_rules");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, each_rule_has_its_reason, 0, (int)WF_COUNT(rules));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
