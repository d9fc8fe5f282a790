// SPDX-License-Identifier: Apache-2.0
// Names, patterns, certificates and chains: each rule of docs/protocol/identity.md refused for its own reason.
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

// ---- chains

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

    ck_assert_msg(err == links[_i].want, "%s: %s", links[_i].why, weft_err_name(err));
    if (links[_i].want)
        wf_test_trust_refused(
            (unsigned)(150 + _i), "chain", links[_i].want, links[_i].why, wf_buf_view(&chain));
    else
        wf_test_trust_vector(_i == GOOD_NODE ? "150-chain-node" : "151-chain-issuer",
            "accepted under 300-charter at 2026-01-01T00:00:00Z", wf_buf_view(&chain));
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
