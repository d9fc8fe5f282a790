// SPDX-License-Identifier: Apache-2.0
// Names, patterns, addresses, certificates: each rule of docs/protocol/identity.md refused for its own reason.
#include <check.h>

#include "proto/base/pb_v1.h"
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

// ---- names and patterns

static const struct {
    const char *why, *pattern, *name;
    bool match;
} matches[] = {
    { "a name matches itself", "cpu", "cpu", true },
    { "and not a longer one", "cpu", "cpu-load", false },
    { "nor a shorter one", "cpu-load", "cpu", false },
    { "a star alone matches all", "*", "anything", true },
    { "a prefix matches what begins with it", "disk-*", "disk-io", true },
    { "but not the name without the dash", "disk-*", "disk", false },
    { "a prefix without a dash matches itself", "disk*", "disk", true },
    { "letters count", "disk-*", "diskio", false },
};

START_TEST(pattern_matches_what_it_says)
{
    struct wf_pattern p;

    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(matches[_i].pattern), &p), WEFT_OK);
    ck_assert_msg(
        wf_pattern_match(&p, matches[_i].name) == matches[_i].match, "%s", matches[_i].why);
}
END_TEST

static const struct {
    const char *why, *wide, *narrow;
    bool covers;
} covers[] = {
    { "equal names", "cpu", "cpu", true },
    { "a star covers a star", "*", "*", true },
    { "a star covers a name", "*", "cpu", true },
    { "a star covers a prefix", "*", "cpu*", true },
    { "a name does not cover a star", "cpu", "*", false },
    { "a name does not cover its own prefix", "cpu", "cpu*", false },
    { "a prefix covers itself", "cpu-*", "cpu-*", true },
    { "a prefix covers a longer prefix", "cpu-*", "cpu-load-*", true },
    { "a prefix does not cover a shorter one", "cpu-load-*", "cpu-*", false },
    { "a prefix does not cover a star", "c*", "*", false },
    { "a prefix covers a name below it", "cpu-*", "cpu-load", true },
    { "a prefix does not cover another name", "cpu-*", "disk", false },
};

START_TEST(pattern_covers_only_what_is_narrower)
{
    struct wf_pattern wide, narrow;

    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(covers[_i].wide), &wide), WEFT_OK);
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(covers[_i].narrow), &narrow), WEFT_OK);
    ck_assert_msg(wf_pattern_covers(&wide, &narrow) == covers[_i].covers, "%s", covers[_i].why);
}
END_TEST

static const char long_name[] =
    "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"; // 63

START_TEST(bad_names_and_patterns_are_refused)
{
    static const char *const bad[] = { "", "-", "A", "1a", "a_b", "a.b", "a b", "a-", "**", "a*b",
        "*a", "-*", "A*", "a.*", "caf\xc3\xa9" };
    struct wf_pattern p;
    struct wf_name n;
    char text[80];

    for (size_t i = 0; i < WF_COUNT(bad); i++) {
        ck_assert_msg(
            wf_pattern_from(wf_bytes_str(bad[i]), &p) == WEFT_E_NAME, "pattern '%s'", bad[i]);
        ck_assert_msg(wf_name_from(wf_bytes_str(bad[i]), &n) == WEFT_E_NAME, "name '%s'", bad[i]);
    }
    ck_assert_int_eq(wf_name_from(WF_STR(long_name), &n), WEFT_OK);
    ck_assert_int_eq(wf_pattern_from(WF_STR(long_name), &p), WEFT_OK);
    snprintf(text, sizeof text, "%s*", long_name);
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(text), &p), WEFT_OK);
    ck_assert(wf_pattern_match(&p, long_name));
    snprintf(text, sizeof text, "%sd", long_name);
    ck_assert_int_eq(wf_name_from(wf_bytes_str(text), &n), WEFT_E_NAME);
    snprintf(text, sizeof text, "%sd*", long_name);
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str(text), &p), WEFT_E_NAME);
}
END_TEST

START_TEST(kinds_have_names_and_only_what_they_need_to_sign)
{
    enum wf_identity_kind k = 0;

    for (int i = WF_ID_ISSUER; i <= WF_ID_USER; i++) {
        const char *name = wf_identity_kind_name((enum wf_identity_kind)i);
        ck_assert_int_eq(wf_identity_kind_parse(wf_bytes_str(name), &k), WEFT_OK);
        ck_assert_int_eq((int)k, i);
        // No kind but the issuer signs identities, tokens, homes or revocations.
        uint32_t issuing = WF_USE_CERTIFICATE | WF_USE_TOKEN | WF_USE_HOME | WF_USE_REVOCATIONS;
        ck_assert_uint_eq(
            wf_usages_of((enum wf_identity_kind)i) & issuing, i == WF_ID_ISSUER ? issuing : 0);
    }
    ck_assert_int_eq(wf_identity_kind_parse(WF_STR("root"), &k), WEFT_E_KIND);
    ck_assert_str_eq(wf_identity_kind_name(0), "unknown");
    ck_assert_uint_eq(wf_usages_of(6), 0);
}
END_TEST

static const struct {
    const char *why, *address;
    enum weft_err want;
} addresses[] = {
    { "IPv4", "127.0.0.1:7400", WEFT_OK },
    { "a name", "node-1.example.org:7400", WEFT_OK },
    { "IPv6 in brackets", "[2001:db8::1]:7400", WEFT_OK },
    { "IPv4 in IPv6", "[::ffff:10.0.0.1]:1", WEFT_OK },
    { "IPv6 without brackets", "2001:db8::1:7400", WEFT_E_SYNTAX },
    { "an open bracket", "[::1:7400", WEFT_E_SYNTAX },
    { "empty brackets", "[]:7400", WEFT_E_SYNTAX },
    { "nothing", "", WEFT_E_SYNTAX },
    { "no host", ":7400", WEFT_E_SYNTAX },
    { "no port", "host", WEFT_E_SYNTAX },
    { "an empty port", "host:", WEFT_E_SYNTAX },
    { "port 0", "host:0", WEFT_E_SYNTAX },
    { "port 65536", "host:65536", WEFT_E_SYNTAX },
    { "a named port", "host:http", WEFT_E_SYNTAX },
    { "a scheme", "tcp://host:1", WEFT_E_SYNTAX },
    { "white space", "host :1", WEFT_E_SYNTAX },
    { "something after it", "host:1/x", WEFT_E_SYNTAX },
};

START_TEST(address_has_host_and_numeric_port)
{
    enum weft_err err = wf_address_check(wf_bytes_str(addresses[_i].address));

    ck_assert_msg(err == addresses[_i].want, "%s: %s", addresses[_i].why, weft_err_name(err));
}
END_TEST

START_TEST(address_longer_than_its_room_is_refused)
{
    char text[WF_MAX_ADDR + 8];

    memset(text, 'a', sizeof text);
    memcpy(text + WF_MAX_ADDR - 1 - 2, ":1", 3);
    ck_assert_uint_eq(strlen(text), WF_MAX_ADDR - 1);
    ck_assert_int_eq(wf_address_check(wf_bytes_str(text)), WEFT_OK);
    memcpy(text + WF_MAX_ADDR - 2, ":1", 3);
    ck_assert_int_eq(wf_address_check(wf_bytes_str(text)), WEFT_E_TOO_BIG);
}
END_TEST

// ---- certificates

static enum weft_err open_cert(struct wf_bytes raw, void *context)
{
    struct wf_cert c;

    (void)context;
    return wf_cert_open(raw, &c);
}

START_TEST(issued_certificate_opens_with_every_field)
{
    struct wf_cert want = wf_test_cert("servers", WF_ID_AGENT, "web-1"), got;

    want.pattern_count = 2;
    ck_assert_int_eq(wf_pattern_from(WF_STR("cpu"), &want.patterns[0]), WEFT_OK);
    ck_assert_int_eq(wf_pattern_from(WF_STR("disk-*"), &want.patterns[1]), WEFT_OK);
    struct wf_buf raw = wf_test_cert_issue(&want, &servers->issuer);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&raw), &got), WEFT_OK);
    want.id = got.id;
    want.signer = servers->issuer_pub;
    ck_assert_mem_eq(&want, &got, sizeof got);
    ck_assert(wf_cert_may_publish(&got, "cpu") && wf_cert_may_publish(&got, "disk-io"));
    ck_assert(!wf_cert_may_publish(&got, "memory"));
    got.usages = 0;
    ck_assert(!wf_cert_may_publish(&got, "cpu"));
    wf_test_trust_vector("100-certificate",
        "accepted: agent web-1 of servers, keys from 'servers/web-1', signed by 'servers/issuer'",
        wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(certificate_id_names_its_content_not_its_signature)
{
    struct wf_cert c;
    struct wf_hash id;
    struct wf_arena arena;
    struct wf_sealed s;

    ck_assert_int_eq(wf_cert_open(wf_buf_view(&servers->node_cert), &c), WEFT_OK);
    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(
        wf_envelope_read(wf_buf_view(&servers->node_cert), WF_DOC_CERTIFICATE, &arena, &s),
        WEFT_OK);
    wf_pae_hash("weft/certificate/v1", s.body, &id);
    ck_assert(wf_hash_eq(&id, &c.id));
    wf_arena_fini(&arena);
}
END_TEST

#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__Certificate *m)                                                     \
    {                                                                                              \
        code;                                                                                      \
    }
static uint8_t zeros[64];
static char *many_patterns[WF_MAX_CERT_PATTERNS + 1];
MUTATION(nothing, (void)m)
MUTATION(no_domain, m->domain = wf_pb_str(""))
MUTATION(bad_domain, m->domain = wf_pb_str("Servers"))
MUTATION(no_subject, m->subject = wf_pb_str(""))
MUTATION(bad_subject, m->subject = wf_pb_str("web 1"))
MUTATION(no_kind, m->kind = 0)
MUTATION(kind_six, m->kind = 6)
MUTATION(kind_negative, m->kind = -1)
MUTATION(no_sign_key, m->sign_key.len = 0)
MUTATION(short_sign_key, m->sign_key.len = 31)
MUTATION(zero_sign_key, m->sign_key = wf_pb_bin(wf_bytes(zeros, 32)))
MUTATION(long_sign_key, m->sign_key = wf_pb_bin(wf_bytes(zeros, 33)))
MUTATION(no_dh_key, m->dh_key.len = 0)
MUTATION(short_dh_key, m->dh_key.len = 5)
MUTATION(zero_dh_key, m->dh_key = wf_pb_bin(wf_bytes(zeros, 32)))
MUTATION(self_certified, m->sign_key = wf_pb_bin(WF_BYTES(servers->issuer_pub.b)))
MUTATION(issuer_with_dh, (m->kind = 1, m->usages = 1, m->n_products = 0))
MUTATION(no_serial, m->serial = 0)
MUTATION(huge_serial, m->serial = UINT64_MAX)
MUTATION(bad_pattern, m->products[0] = wf_pb_str("disk*io"))
MUTATION(too_many_patterns, (m->n_products = WF_MAX_CERT_PATTERNS + 1, m->products = many_patterns))
MUTATION(reversed_times, m->not_after_ms = m->not_before_ms)
MUTATION(negative_time, m->not_before_ms = -1)
MUTATION(far_time, m->not_after_ms = WF_MAX_TIME_MS + 1)
MUTATION(no_signer, m->signer.len = 0)
MUTATION(other_signer, m->signer = wf_pb_bin(WF_BYTES(network->issuer_pub.b)))
MUTATION(signs_certificates, m->usages |= WF_USE_CERTIFICATE)
MUTATION(unknown_usage, m->usages |= 1u << 31)
MUTATION(patterns_without_batch, m->usages = 0)

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__Certificate *);
    enum weft_err want;
} bad_certs[] = {
    { "unchanged", nothing, WEFT_OK },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a domain in capitals", bad_domain, WEFT_E_NAME },
    { "no subject", no_subject, WEFT_E_MISSING_FIELD },
    { "a subject with a blank", bad_subject, WEFT_E_NAME },
    { "no kind", no_kind, WEFT_E_KIND },
    { "an unknown kind", kind_six, WEFT_E_KIND },
    { "a negative kind", kind_negative, WEFT_E_KIND },
    { "no signing key", no_sign_key, WEFT_E_MISSING_FIELD },
    { "a signing key of 31 bytes", short_sign_key, WEFT_E_KEY },
    { "a signing key of 33 bytes", long_sign_key, WEFT_E_KEY },
    { "a signing key of zeros", zero_sign_key, WEFT_E_KEY },
    { "no Noise key", no_dh_key, WEFT_E_MISSING_FIELD },
    { "a Noise key of 5 bytes", short_dh_key, WEFT_E_KEY },
    { "a Noise key of zeros", zero_dh_key, WEFT_E_KEY },
    { "a key that certifies itself", self_certified, WEFT_E_KEY },
    { "an issuer with a Noise key", issuer_with_dh, WEFT_E_KEY },
    { "serial 0", no_serial, WEFT_E_RANGE },
    { "a serial that leaves no room for a successor", huge_serial, WEFT_E_RANGE },
    { "a pattern with a star inside", bad_pattern, WEFT_E_NAME },
    { "17 patterns", too_many_patterns, WEFT_E_TOO_BIG },
    { "never valid", reversed_times, WEFT_E_RANGE },
    { "valid from before 1970", negative_time, WEFT_E_RANGE },
    { "valid beyond the year 9999", far_time, WEFT_E_RANGE },
    { "names no signer", no_signer, WEFT_E_MISSING_FIELD },
    { "names another signer than signed", other_signer, WEFT_E_SIGNATURE },
    { "an agent that may sign certificates", signs_certificates, WEFT_E_PURPOSE },
    { "an unknown usage", unknown_usage, WEFT_E_PURPOSE },
    { "patterns without the right to sign batches", patterns_without_batch, WEFT_E_PURPOSE },
};

// The certificate as a message to vary: agent web-1 of servers.
static struct wf_buf mutated_cert(void (*mutate)(Weft__V1__Certificate *))
{
    Weft__V1__Certificate m = WEFT__V1__CERTIFICATE__INIT;
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");
    char *products[] = { wf_pb_str("*") };
    struct wf_buf body = { 0 }, raw = { 0 };

    for (size_t i = 0; i < WF_COUNT(many_patterns); i++)
        many_patterns[i] = wf_pb_str("p");
    m.domain = c.domain.s;
    m.subject = c.subject.s;
    m.kind = (Weft__V1__IdentityKind)c.kind;
    m.sign_key = wf_pb_bin(WF_BYTES(c.sign_key.b));
    m.dh_key = wf_pb_bin(WF_BYTES(c.dh_key.b));
    m.serial = c.serial;
    m.n_products = 1;
    m.products = products;
    m.not_before_ms = c.not_before_ms;
    m.not_after_ms = c.not_after_ms;
    m.signer = wf_pb_bin(WF_BYTES(servers->issuer_pub.b));
    m.usages = c.usages;
    mutate(&m);
    ck_assert_int_eq(wf_pb_pack(&m, &body), WEFT_OK);
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_CERTIFICATE, wf_buf_view(&body), &servers->issuer, &raw), WEFT_OK);
    wf_buf_fini(&body);
    return raw;
}

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_buf raw = mutated_cert(bad_certs[_i].mutate);
    enum weft_err err = open_cert(wf_buf_view(&raw), NULL);

    ck_assert_msg(err == bad_certs[_i].want, "%s: %s", bad_certs[_i].why, weft_err_name(err));
    if (_i)
        wf_test_trust_refused((unsigned)(100 + _i), "certificate", bad_certs[_i].want,
            bad_certs[_i].why, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

// Signs bytes that are no canonical certificate body: the signature is right, the encoding is not.
START_TEST(body_that_is_not_canonical_is_refused)
{
    static const struct {
        const char *why;
        const char *more; // appended to a good body
        enum weft_err want;
    } rows[] = {
        { "a field of the future", "a00601", WEFT_E_UNKNOWN_FIELD },
        { "the domain again", "0a0773657276657273", WEFT_E_NOT_CANONICAL },
        { "an empty product pattern", "3a00", WEFT_E_NOT_CANONICAL },
        { "a cut field", "0a07736572", WEFT_E_TRUNCATED },
        { "a zero written out", "5800", WEFT_E_NOT_CANONICAL },
    };
    struct wf_buf good = mutated_cert(nothing);
    struct wf_arena arena;
    struct wf_sealed s;

    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_CERTIFICATE, &arena, &s), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf body = { 0 }, raw = { 0 }, more = wf_test_hex(rows[i].more);
        ck_assert_int_eq(wf_buf_append(&body, s.body), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&body, wf_buf_view(&more)), WEFT_OK);
        ck_assert_int_eq(
            wf_envelope_seal(WF_DOC_CERTIFICATE, wf_buf_view(&body), &servers->issuer, &raw),
            WEFT_OK);
        enum weft_err err = open_cert(wf_buf_view(&raw), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_test_trust_refused(
            (unsigned)(140 + i), "certificate", rows[i].want, rows[i].why, wf_buf_view(&raw));
        wf_buf_fini(&body);
        wf_buf_fini(&raw);
        wf_buf_fini(&more);
    }
    wf_arena_fini(&arena);
    wf_buf_fini(&good);
}
END_TEST

START_TEST(certificate_over_its_limit_is_refused_before_it_is_read)
{
    uint8_t big[WF_MAX_CERT + 1] = { 0 };
    struct wf_cert c;

    ck_assert_int_eq(wf_cert_open(WF_BYTES(big), &c), WEFT_E_TOO_BIG);
}
END_TEST

START_TEST(issuing_refuses_what_opening_would)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");
    struct wf_buf out = { 0 };

    c.not_after_ms = c.not_before_ms;
    ck_assert_int_eq(wf_cert_issue(&c, &servers->issuer, &out), WEFT_E_RANGE);
    c = wf_test_cert("servers", WF_ID_AGENT, "web-1");
    c.usages |= WF_USE_TOKEN;
    ck_assert_int_eq(wf_cert_issue(&c, &servers->issuer, &out), WEFT_E_PURPOSE);
    c.pattern_count = WF_MAX_CERT_PATTERNS + 1;
    ck_assert_int_eq(wf_cert_issue(&c, &servers->issuer, &out), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(out.len, 0);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(damaged_certificate_is_refused)
{
    struct wf_buf raw = mutated_cert(nothing);

    wf_test_truncations(wf_buf_view(&raw), open_cert, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 1, open_cert, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(certificate_opens_as_nothing_else_and_nothing_else_as_it)
{
    struct wf_buf raw = mutated_cert(nothing);
    struct wf_arena arena;
    struct wf_sealed s;

    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_CERTIFICATE, &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, WF_DOC_CERTIFICATE, &servers->issuer, open_cert, NULL);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err issue(struct wf_bytes in, void *context)
{
    struct wf_buf cert = { 0 };
    enum weft_err err = wf_cert_issue(context, &servers->issuer, &cert);

    (void)in;
    wf_buf_fini(&cert);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");

    wf_test_allocations(WF_STR(""), issue, &c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ident");
    TCase *t = tcase_create("ident");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, pattern_matches_what_it_says, 0, (int)WF_COUNT(matches));
    tcase_add_loop_test(t, pattern_covers_only_what_is_narrower, 0, (int)WF_COUNT(covers));
    tcase_add_test(t, bad_names_and_patterns_are_refused);
    tcase_add_test(t, kinds_have_names_and_only_what_they_need_to_sign);
    tcase_add_loop_test(t, address_has_host_and_numeric_port, 0, (int)WF_COUNT(addresses));
    tcase_add_test(t, address_longer_than_its_room_is_refused);
    tcase_add_test(t, issued_certificate_opens_with_every_field);
    tcase_add_test(t, certificate_id_names_its_content_not_its_signature);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(bad_certs));
    tcase_add_test(t, body_that_is_not_canonical_is_refused);
    tcase_add_test(t, certificate_over_its_limit_is_refused_before_it_is_read);
    tcase_add_test(t, issuing_refuses_what_opening_would);
    tcase_add_test(t, damaged_certificate_is_refused);
    tcase_add_test(t, certificate_opens_as_nothing_else_and_nothing_else_as_it);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
