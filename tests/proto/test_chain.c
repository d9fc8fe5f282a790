// SPDX-License-Identifier: Apache-2.0
// Certificate chains: that each leads to a root of the charter, and each way in which one does not.
#include <check.h>

#include "tests/support/trust_mesh.h"

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers, *network;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    network = &mesh.d[WF_TEST_NETWORK];
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

enum link {
    GOOD_NODE,
    GOOD_ISSUER,
    NODE_ALONE,
    REVERSED,
    OTHER_DOMAINS_ISSUER,
    STRANGE_ISSUER_KEY,
    ISSUER_OF_OTHER_ROOT,
    DOMAIN_WITHOUT_SEAT,
    ISSUER_WITHOUT_USAGE,
    NODE_AS_ISSUER,
    ISSUER_BY_ISSUER,
    ISSUER_BY_ITS_OWN_KIND,
    LINKS
};

static struct wf_buf issue(const char *domain, enum wf_identity_kind kind, const char *subject,
    uint32_t usages, const struct wf_secret *signer)
{
    struct wf_cert c = wf_test_cert(domain, kind, subject);

    c.usages = usages;
    if (!(usages & WF_USE_BATCH))
        c.pattern_count = 0;
    return wf_test_cert_issue(&c, signer);
}

static struct wf_buf join(struct wf_buf cert, struct wf_buf issuer)
{
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&issuer));

    wf_buf_fini(&cert);
    wf_buf_fini(&issuer);
    return chain;
}

static struct wf_buf copy(const struct wf_buf *b)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_bytes_dup(wf_buf_view(b), &out), WEFT_OK);
    return out;
}

static struct wf_buf make_chain(enum link link)
{
    uint32_t node = wf_usages_of(WF_ID_NODE), all = wf_usages_of(WF_ID_ISSUER);
    struct wf_sign_pub pub;
    struct wf_secret stranger = wf_test_sign_key("stranger", &pub);
    struct wf_buf out = { 0 };

    switch (link) {
    case GOOD_NODE:
        out = copy(&servers->node_chain);
        break;
    case GOOD_ISSUER:
        out = copy(&servers->issuer_chain);
        break;
    case NODE_ALONE:
        out = wf_test_chain(wf_buf_view(&servers->node_cert), wf_bytes(NULL, 0));
        break;
    case REVERSED:
        out = wf_test_chain(wf_buf_view(&servers->issuer_cert), wf_buf_view(&servers->node_cert));
        break;
    case OTHER_DOMAINS_ISSUER:
        out = join(issue("servers", WF_ID_NODE, "web", node, &network->issuer),
            copy(&network->issuer_cert));
        break;
    case STRANGE_ISSUER_KEY:
        out =
            join(issue("servers", WF_ID_NODE, "web", node, &stranger), copy(&servers->issuer_cert));
        break;
    case ISSUER_OF_OTHER_ROOT:
        out = join(issue("servers", WF_ID_NODE, "web", node, &servers->issuer),
            issue("servers", WF_ID_ISSUER, "issuer", all, &network->root));
        break;
    case DOMAIN_WITHOUT_SEAT:
        out = join(issue("storage", WF_ID_NODE, "web", node, &servers->issuer),
            issue("storage", WF_ID_ISSUER, "issuer", all, &servers->root));
        break;
    case ISSUER_WITHOUT_USAGE:
        out = join(issue("servers", WF_ID_NODE, "web", node, &servers->issuer),
            issue("servers", WF_ID_ISSUER, "issuer", WF_USE_TOKEN, &servers->root));
        break;
    case NODE_AS_ISSUER:
        out = join(issue("servers", WF_ID_USER, "eve", WF_USE_DELEGATE, &servers->node),
            copy(&servers->node_cert));
        break;
    case ISSUER_BY_ISSUER:
        out = join(issue("servers", WF_ID_ISSUER, "second", all, &servers->issuer),
            copy(&servers->issuer_cert));
        break;
    case ISSUER_BY_ITS_OWN_KIND: {
        struct wf_buf second = issue("servers", WF_ID_ISSUER, "second", all, &servers->issuer);
        out = wf_test_chain(wf_buf_view(&second), wf_bytes(NULL, 0));
        wf_buf_fini(&second);
        break;
    }
    case LINKS:
        break;
    }
    wf_secret_fini(&stranger);
    return out;
}

static const struct {
    const char *why;
    enum weft_err want;
} links[LINKS] = {
    [GOOD_NODE] = { "a node under its issuer", WEFT_OK },
    [GOOD_ISSUER] = { "an issuer by itself", WEFT_OK },
    [NODE_ALONE] = { "a node without its issuer", WEFT_E_CHAIN },
    [REVERSED] = { "the issuer first", WEFT_E_CHAIN },
    [OTHER_DOMAINS_ISSUER] = { "certified by another domain's issuer", WEFT_E_WRONG_DOMAIN },
    [STRANGE_ISSUER_KEY] = { "certified by a key that is not the issuer's", WEFT_E_CHAIN },
    [ISSUER_OF_OTHER_ROOT] = { "an issuer under another domain's root", WEFT_E_CHAIN },
    [DOMAIN_WITHOUT_SEAT] = { "a domain that is not in the charter", WEFT_E_CHAIN },
    [ISSUER_WITHOUT_USAGE] = { "an issuer that may not sign certificates", WEFT_E_PURPOSE },
    [NODE_AS_ISSUER] = { "a node that plays issuer", WEFT_E_CHAIN },
    [ISSUER_BY_ISSUER] = { "an issuer certified by an issuer", WEFT_E_CHAIN },
    [ISSUER_BY_ITS_OWN_KIND] = { "such an issuer by itself", WEFT_E_CHAIN },
};

START_TEST(each_broken_chain_has_its_reason)
{
    struct wf_buf chain = make_chain((enum link)_i);
    struct wf_identity id;
    enum weft_err err =
        wf_chain_verify(wf_buf_view(&chain), mesh.charter, WF_TEST_NOW, WF_CHAIN_STRICT, &id);

    wf_test_trust_vector("149-charter-mesh", "accepted: network, security, servers, quorum 2",
        wf_buf_view(&mesh.charter->raw));
    ck_assert_msg(err == links[_i].want, "%s: %s", links[_i].why, weft_err_name(err));
    if (links[_i].want)
        wf_test_trust_refused(
            (unsigned)(150 + _i), "chain", links[_i].want, links[_i].why, wf_buf_view(&chain));
    else
        wf_test_trust_vector(_i == GOOD_NODE ? "150-chain-node" : "151-chain-issuer",
            "accepted under 149-charter-mesh at 2026-01-01T00:00:00Z", wf_buf_view(&chain));
    wf_buf_fini(&chain);
}
END_TEST

START_TEST(verified_chain_names_subject_issuer_and_root)
{
    struct wf_identity id;

    ck_assert_int_eq(wf_chain_verify(wf_buf_view(&servers->node_chain), mesh.charter, WF_TEST_NOW,
                         WF_CHAIN_STRICT, &id),
        WEFT_OK);
    ck_assert_str_eq(id.cert.domain.s, "servers");
    ck_assert_str_eq(id.cert.subject.s, "node-1");
    ck_assert_mem_eq(id.issuer.sign_key.b, servers->issuer_pub.b, WF_KEY_LEN);
    ck_assert_mem_eq(id.root.b, servers->root_pub.b, WF_KEY_LEN);
    ck_assert(!id.expired);
}
END_TEST

START_TEST(times_are_judged_with_the_clock_tolerance)
{
    int64_t from = WF_TEST_NOW - WF_TEST_HOUR, to = from + 7 * WF_TEST_DAY;
    const struct {
        const char *why;
        int64_t now;
        unsigned flags;
        enum weft_err want;
        bool expired;
    } rows[] = {
        { "at its beginning", from, 0, WEFT_OK, false },
        { "60 s before it", from - 60000, 0, WEFT_OK, false },
        { "a millisecond earlier", from - 60001, 0, WEFT_E_NOT_YET, false },
        { "in 1970", 0, 0, WEFT_E_NOT_YET, false },
        { "59.999 s after its end", to + 59999, 0, WEFT_OK, false },
        { "60 s after its end", to + 60000, 0, WEFT_E_EXPIRED, false },
        { "far in the future", INT64_MAX, 0, WEFT_E_EXPIRED, false },
        { "expired, to renew only", to + 60000, WF_CHAIN_ALLOW_EXPIRED, WEFT_OK, true },
        { "30 days after, to renew only", to + WF_RENEW_GRACE_MS - 1, WF_CHAIN_ALLOW_EXPIRED,
            WEFT_OK, true },
        { "beyond the grace", to + WF_RENEW_GRACE_MS, WF_CHAIN_ALLOW_EXPIRED, WEFT_E_EXPIRED,
            false },
        { "not yet valid is not excused", from - 60001, WF_CHAIN_ALLOW_EXPIRED, WEFT_E_NOT_YET,
            false },
        { "not expired at all", WF_TEST_NOW, WF_CHAIN_ALLOW_EXPIRED, WEFT_OK, false },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_identity id = { .expired = false };
        enum weft_err err = wf_chain_verify(
            wf_buf_view(&servers->node_chain), mesh.charter, rows[i].now, rows[i].flags, &id);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        ck_assert_msg(err || id.expired == rows[i].expired, "%s", rows[i].why);
    }
}
END_TEST

START_TEST(expired_issuer_ends_its_subjects)
{
    struct wf_cert issuer = wf_test_cert("servers", WF_ID_ISSUER, "issuer");
    struct wf_identity id;

    issuer.not_after_ms = WF_TEST_NOW - 10 * 60000;
    struct wf_buf old = wf_test_cert_issue(&issuer, &servers->root);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&servers->node_cert), wf_buf_view(&old));
    ck_assert_int_eq(
        wf_chain_verify(wf_buf_view(&chain), mesh.charter, WF_TEST_NOW, WF_CHAIN_STRICT, &id),
        WEFT_E_EXPIRED);
    ck_assert_int_eq(wf_chain_verify(wf_buf_view(&chain), mesh.charter, WF_TEST_NOW,
                         WF_CHAIN_ALLOW_EXPIRED, &id),
        WEFT_OK);
    ck_assert(id.expired);
    wf_buf_fini(&old);
    wf_buf_fini(&chain);
}
END_TEST

START_TEST(issuer_may_sign_only_what_its_certificate_says)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_ISSUER, "issuer");

    c.usages = WF_USE_TOKEN;
    struct wf_buf raw = wf_test_cert_issue(&c, &servers->root);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&raw), &c), WEFT_OK);
    ck_assert_int_eq(wf_issuer_verify(&c, mesh.charter, WF_USE_TOKEN, WF_TEST_NOW), WEFT_OK);
    ck_assert_int_eq(wf_issuer_verify(&c, mesh.charter, WF_USE_HOME, WF_TEST_NOW), WEFT_E_PURPOSE);
    ck_assert_int_eq(wf_issuer_verify(&c, mesh.charter, WF_USE_TOKEN, 0), WEFT_E_NOT_YET);
    ck_assert_int_eq(wf_issuer_verify(&c, mesh.charter, WF_USE_TOKEN, INT64_MAX), WEFT_E_EXPIRED);
    wf_buf_fini(&raw);
    // A node's certificate is no issuer's, whatever it claims to be used for.
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&servers->node_cert), &c), WEFT_OK);
    ck_assert_int_eq(wf_issuer_verify(&c, mesh.charter, WF_USE_NODE, WF_TEST_NOW), WEFT_E_CHAIN);
}
END_TEST

static enum weft_err verify_chain(struct wf_bytes raw, void *context)
{
    struct wf_identity id;

    (void)context;
    return wf_chain_verify(raw, mesh.charter, WF_TEST_NOW, WF_CHAIN_STRICT, &id);
}

START_TEST(damaged_chain_is_refused)
{
    wf_test_truncations(wf_buf_view(&servers->node_chain), verify_chain, NULL);
    wf_test_bit_flips(wf_buf_view(&servers->node_chain), 7, verify_chain, NULL);
}
END_TEST

START_TEST(container_of_a_chain_is_strict)
{
    static const struct {
        const char *why, *hex;
        enum weft_err want;
    } rows[] = {
        { "nothing", "", WEFT_E_MISSING_FIELD },
        { "a field 2", "1200", WEFT_E_UNKNOWN_FIELD },
        { "an empty certificate", "0a00", WEFT_E_MISSING_FIELD },
        { "three certificates", "0a00 0a00 0a00", WEFT_E_TOO_BIG },
        { "a length in two bytes", "0a8000", WEFT_E_NOT_CANONICAL },
        { "a certificate over the limit", "0a8120", WEFT_E_TOO_BIG },
        { "cut in the length", "0a80", WEFT_E_TRUNCATED },
        { "cut in the certificate", "0a0500", WEFT_E_TRUNCATED },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf raw = wf_test_hex(rows[i].hex);
        enum weft_err err = verify_chain(wf_buf_view(&raw), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&raw);
    }
    struct wf_bytes three[3] = { { 0 } };
    struct wf_buf out = { 0 };
    ck_assert_int_eq(wf_chain_pack(three, 3, &out), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_chain_pack(three, 0, &out), WEFT_E_MISSING_FIELD);
}
END_TEST

static enum weft_err issue_and_verify(struct wf_bytes raw, void *context)
{
    struct wf_cert c = *(struct wf_cert *)context;
    struct wf_buf cert = { 0 }, chain = { 0 };
    enum weft_err err = wf_cert_issue(&c, &servers->issuer, &cert);
    struct wf_bytes both[] = { wf_buf_view(&cert), raw };

    if (!err)
        err = wf_chain_pack(both, 2, &chain);
    if (!err)
        err = verify_chain(wf_buf_view(&chain), NULL);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");

    wf_test_allocations(wf_buf_view(&servers->issuer_cert), issue_and_verify, &c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain");
    TCase *t = tcase_create("chain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_broken_chain_has_its_reason, 0, LINKS);
    tcase_add_test(t, verified_chain_names_subject_issuer_and_root);
    tcase_add_test(t, times_are_judged_with_the_clock_tolerance);
    tcase_add_test(t, expired_issuer_ends_its_subjects);
    tcase_add_test(t, issuer_may_sign_only_what_its_certificate_says);
    tcase_add_test(t, damaged_chain_is_refused);
    tcase_add_test(t, container_of_a_chain_is_strict);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
