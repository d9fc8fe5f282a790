// SPDX-License-Identifier: Apache-2.0
// Tickets, a domain's public part, printed identities.
#include <check.h>
#include <stdio.h>

#include "proto/base/pb_v1.h"
#include "proto/base/print.h"
#include "tests/support/trust_mesh.h"

static struct wf_ticket ticket;
static struct wf_domain_public domain;

static void fill_seed(struct wf_seed *s, const char *address)
{
    struct wf_secret dh = wf_test_dh_key(address, &s->dh_key);

    snprintf(s->address, sizeof s->address, "%s", address);
    wf_secret_fini(&dh);
}

static void setup(void)
{
    struct wf_hash secret = wf_test_hash("ticket secret"), id = wf_test_hash("ticket id");
    struct wf_secret root;

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ticket = (struct wf_ticket){ .mesh_id = wf_test_hash("mesh"),
        .domain = { "servers" },
        .name = { "web-1" },
        .kind = WF_ID_AGENT,
        .seed_count = 2,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR };
    fill_seed(&ticket.seeds[0], "10.0.0.1:7400");
    fill_seed(&ticket.seeds[1], "[2001:db8::1]:7400");
    memcpy(ticket.id, id.b, sizeof ticket.id);
    ck_assert_int_eq(wf_secret_copy(wf_hash_view(&secret), &ticket.secret), WEFT_OK);
    domain = (struct wf_domain_public){ .name = { "servers" }, .seed_count = 1 };
    root = wf_test_sign_key("servers/root", &domain.root_key);
    wf_secret_fini(&root);
    fill_seed(&domain.seeds[0], "10.0.0.1:7400");
}

static void teardown(void)
{
    wf_ticket_fini(&ticket);
}

static enum weft_err open_ticket(struct wf_bytes text, void *context)
{
    struct wf_ticket t;
    enum weft_err err = wf_ticket_parse(text, &t);

    (void)context;
    if (!err)
        wf_ticket_fini(&t);
    return err;
}

static enum weft_err open_domain(struct wf_bytes text, void *context)
{
    struct wf_domain_public d;

    (void)context;
    return wf_domain_public_parse(text, &d);
}

START_TEST(printed_ticket_reads_back_whole)
{
    struct wf_buf text = { 0 };
    struct wf_ticket t;

    ck_assert_int_eq(wf_ticket_print(&ticket, &text), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&text), WF_STR("wefttkt1")));
    ck_assert_int_eq(wf_ticket_parse(wf_buf_view(&text), &t), WEFT_OK);
    ck_assert(wf_hash_eq(&t.mesh_id, &ticket.mesh_id));
    ck_assert_str_eq(t.domain.s, "servers");
    ck_assert_str_eq(t.name.s, "web-1");
    ck_assert_int_eq((int)t.kind, WF_ID_AGENT);
    ck_assert_uint_eq(t.seed_count, 2);
    ck_assert_mem_eq(&t.seeds[1].dh_key, &ticket.seeds[1].dh_key, WF_KEY_LEN);
    ck_assert_str_eq(t.seeds[1].address, "[2001:db8::1]:7400");
    ck_assert_int_eq(t.expires_ms, ticket.expires_ms);
    ck_assert_mem_eq(t.id, ticket.id, sizeof t.id);
    ck_assert(wf_bytes_eq(wf_secret_view(&t.secret), wf_secret_view(&ticket.secret)));
    wf_test_trust_vector("200-ticket",
        "accepted: the printed form, as text, of a ticket for agent web-1", wf_buf_view(&text));
    wf_ticket_fini(&t);
    ck_assert_ptr_null(t.secret.ptr);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(ticket_may_leave_the_name_open)
{
    struct wf_buf text = { 0 };
    struct wf_ticket t;

    ticket.name.s[0] = '\0';
    snprintf(ticket.name_prefix.s, sizeof ticket.name_prefix.s, "web-");
    ck_assert_int_eq(wf_ticket_print(&ticket, &text), WEFT_OK);
    ck_assert_int_eq(wf_ticket_parse(wf_buf_view(&text), &t), WEFT_OK);
    ck_assert_str_eq(t.name_prefix.s, "web-");
    ck_assert_str_eq(t.name.s, "");
    wf_ticket_fini(&t);
    wf_buf_fini(&text);
}
END_TEST

START_TEST(mistyped_or_misplaced_ticket_is_refused)
{
    struct wf_buf text = { 0 }, key = { 0 };

    ck_assert_int_eq(wf_ticket_print(&ticket, &text), WEFT_OK);
    wf_test_truncations(wf_buf_view(&text), open_ticket, NULL);
    wf_test_bit_flips(wf_buf_view(&text), 3, open_ticket, NULL);
    ck_assert_int_eq(wf_print(WF_PREFIX_CAP, WF_STR("x"), &key), WEFT_OK);
    ck_assert_int_eq(open_ticket(wf_buf_view(&key), NULL), WEFT_E_PREFIX);
    ck_assert_int_eq(open_ticket(WF_STR("hello"), NULL), WEFT_E_SYNTAX);
    ck_assert_int_eq(open_ticket(WF_STR(""), NULL), WEFT_E_SYNTAX);
    wf_buf_fini(&text);
    wf_buf_fini(&key);
}
END_TEST

START_TEST(text_over_the_limit_is_refused_before_it_is_read)
{
    static char text[3 * WF_MAX_TICKET];

    memset(text, 'q', sizeof text);
    ck_assert_int_eq(open_ticket(WF_BYTES(text), NULL), WEFT_E_TOO_BIG);
}
END_TEST

#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__Ticket *m)                                                          \
    {                                                                                              \
        code;                                                                                      \
    }
static uint8_t zeros[64];
static Weft__V1__Seed *many_seeds[WF_MAX_SEEDS + 1];
MUTATION(nothing, (void)m)
MUTATION(no_mesh, m->mesh_id.len = 0)
MUTATION(short_mesh, m->mesh_id.len = 31)
MUTATION(no_domain, m->domain = wf_pb_str(""))
MUTATION(bad_domain, m->domain = wf_pb_str("x y"))
MUTATION(issuer_kind, m->kind = 1)
MUTATION(no_kind, m->kind = 0)
MUTATION(kind_six, m->kind = 6)
MUTATION(both_names, m->name_prefix = wf_pb_str("web-"))
MUTATION(bad_name, m->name = wf_pb_str("-"))
MUTATION(bad_prefix, (m->name = wf_pb_str(""), m->name_prefix = wf_pb_str("-web")))
MUTATION(long_prefix, (m->name = wf_pb_str(""),
                          m->name_prefix = wf_pb_str(
                              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")))
MUTATION(no_seeds, m->n_seeds = 0)
MUTATION(many, (m->n_seeds = WF_MAX_SEEDS + 1, m->seeds = many_seeds))
MUTATION(bad_address, m->seeds[0]->address = wf_pb_str("nowhere"))
MUTATION(bad_seed_key, m->seeds[0]->dh_key.len = 1)
MUTATION(zero_seed_key, m->seeds[0]->dh_key = wf_pb_bin(wf_bytes(zeros, 32)))
MUTATION(negative, m->expires_ms = -1)
MUTATION(no_id, m->id.len = 0)
MUTATION(short_id, m->id.len = 15)
MUTATION(no_secret, m->secret.len = 0)
MUTATION(short_secret, m->secret.len = 31)

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__Ticket *);
    enum weft_err want;
} bad_tickets[] = {
    { "unchanged", nothing, WEFT_OK },
    { "no mesh id", no_mesh, WEFT_E_MISSING_FIELD },
    { "a mesh id of 31 bytes", short_mesh, WEFT_E_SYNTAX },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a bad domain", bad_domain, WEFT_E_NAME },
    { "for an issuer", issuer_kind, WEFT_E_KIND },
    { "for no kind", no_kind, WEFT_E_KIND },
    { "for an unknown kind", kind_six, WEFT_E_KIND },
    { "a name and a prefix", both_names, WEFT_E_NAME },
    { "a bad name", bad_name, WEFT_E_NAME },
    { "a bad prefix", bad_prefix, WEFT_E_NAME },
    { "a prefix of 64", long_prefix, WEFT_E_NAME },
    { "no seed", no_seeds, WEFT_E_MISSING_FIELD },
    { "17 seeds", many, WEFT_E_TOO_BIG },
    { "a seed without a port", bad_address, WEFT_E_SYNTAX },
    { "a seed's key of 1 byte", bad_seed_key, WEFT_E_KEY },
    { "a seed's key of zeros", zero_seed_key, WEFT_E_KEY },
    { "expires before 1970", negative, WEFT_E_RANGE },
    { "no id", no_id, WEFT_E_MISSING_FIELD },
    { "an id of 15 bytes", short_id, WEFT_E_SYNTAX },
    { "no secret", no_secret, WEFT_E_MISSING_FIELD },
    { "a secret of 31 bytes", short_secret, WEFT_E_SYNTAX },
};

static struct wf_buf mutated(void (*mutate)(Weft__V1__Ticket *))
{
    Weft__V1__Ticket m = WEFT__V1__TICKET__INIT;
    Weft__V1__Seed seed = WEFT__V1__SEED__INIT, *seeds[] = { &seed };
    struct wf_buf body = { 0 }, text = { 0 };

    seed.address = wf_pb_str("10.0.0.1:7400");
    seed.dh_key = wf_pb_bin(WF_BYTES(ticket.seeds[0].dh_key.b));
    for (size_t i = 0; i < WF_COUNT(many_seeds); i++)
        many_seeds[i] = &seed;
    m.mesh_id = wf_pb_bin(wf_hash_view(&ticket.mesh_id));
    m.domain = ticket.domain.s;
    m.kind = 3;
    m.name = ticket.name.s;
    m.n_seeds = 1;
    m.seeds = seeds;
    m.expires_ms = ticket.expires_ms;
    m.id = wf_pb_bin(WF_BYTES(ticket.id));
    m.secret = wf_pb_bin(wf_secret_view(&ticket.secret));
    mutate(&m);
    ck_assert_int_eq(wf_pb_pack(&m, &body), WEFT_OK);
    ck_assert_int_eq(wf_print(WF_PREFIX_TICKET, wf_buf_view(&body), &text), WEFT_OK);
    wf_buf_fini(&body);
    return text;
}

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_buf text = mutated(bad_tickets[_i].mutate);
    enum weft_err err = open_ticket(wf_buf_view(&text), NULL);

    ck_assert_msg(err == bad_tickets[_i].want, "%s: %s", bad_tickets[_i].why, weft_err_name(err));
    if (_i)
        wf_test_trust_refused((unsigned)(200 + _i), "ticket", bad_tickets[_i].want,
            bad_tickets[_i].why, wf_buf_view(&text));
    wf_buf_fini(&text);
}
END_TEST

START_TEST(printing_refuses_what_reading_would)
{
    struct wf_buf text = { 0 };

    ticket.kind = WF_ID_ISSUER;
    ck_assert_int_eq(wf_ticket_print(&ticket, &text), WEFT_E_KIND);
    ticket.kind = WF_ID_NODE;
    ticket.seed_count = 0;
    ck_assert_int_eq(wf_ticket_print(&ticket, &text), WEFT_E_MISSING_FIELD);
    domain.name.s[0] = 'X';
    ck_assert_int_eq(wf_domain_public_print(&domain, &text), WEFT_E_NAME);
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(proof_binds_secret_session_ticket_and_keys)
{
    uint8_t base[WF_HASH_LEN], other[WF_HASH_LEN], handshake[64] = { 1 }, id[16] = { 2 };
    struct wf_sign_pub sign = { { 3 } };
    struct wf_dh_pub dh = { { 4 } };
    struct wf_bytes secret = wf_secret_view(&ticket.secret);
    uint8_t *const parts[] = { handshake, id, sign.b, dh.b };

    wf_ticket_proof(secret, id, WF_BYTES(handshake), &sign, &dh, base);
    for (size_t i = 0; i < WF_COUNT(parts); i++) {
        parts[i][0] ^= 1;
        wf_ticket_proof(secret, id, WF_BYTES(handshake), &sign, &dh, other);
        ck_assert_msg(memcmp(base, other, WF_HASH_LEN) != 0, "part %zu", i);
        parts[i][0] ^= 1;
    }
    struct wf_hash second = wf_test_hash("another secret");
    wf_ticket_proof(wf_hash_view(&second), id, WF_BYTES(handshake), &sign, &dh, other);
    ck_assert_mem_ne(base, other, WF_HASH_LEN);
    wf_ticket_proof(secret, id, WF_BYTES(handshake), &sign, &dh, other);
    ck_assert_mem_eq(base, other, WF_HASH_LEN);
    wf_test_trust_vector("230-ticket-proof",
        "secret BLAKE2b-256('ticket secret'), handshake hash 01 and 63 zeros, id 02.., keys 03.. "
        "and 04..",
        WF_BYTES(base));
}
END_TEST

START_TEST(printed_domain_reads_back_whole)
{
    struct wf_buf text = { 0 }, other = { 0 };
    struct wf_domain_public d;

    ck_assert_int_eq(wf_domain_public_print(&domain, &text), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&text), WF_STR("weftdom1")));
    ck_assert_int_eq(wf_domain_public_parse(wf_buf_view(&text), &d), WEFT_OK);
    ck_assert_str_eq(d.name.s, "servers");
    ck_assert_mem_eq(d.root_key.b, domain.root_key.b, WF_KEY_LEN);
    ck_assert_uint_eq(d.seed_count, 1);
    ck_assert_str_eq(d.seeds[0].address, "10.0.0.1:7400");
    wf_test_truncations(wf_buf_view(&text), open_domain, NULL);
    wf_test_bit_flips(wf_buf_view(&text), 3, open_domain, NULL);
    wf_test_trust_vector("231-domain",
        "accepted: the printed form, as text, of a domain's public part", wf_buf_view(&text));
    // A domain that says nothing of how to reach it is a domain.
    domain.seed_count = 0;
    ck_assert_int_eq(wf_domain_public_print(&domain, &other), WEFT_OK);
    ck_assert_int_eq(open_domain(wf_buf_view(&other), NULL), WEFT_OK);
    wf_buf_fini(&text);
    wf_buf_fini(&other);
}
END_TEST

START_TEST(domain_in_another_encoding_is_refused)
{
    static const struct {
        const char *why, *hex;
        enum weft_err want;
    } rows[] = {
        { "nothing", "", WEFT_E_MISSING_FIELD },
        { "a name alone", "0a0161", WEFT_E_MISSING_FIELD },
        { "a short key", "0a0161 120107", WEFT_E_KEY },
        { "an unknown field", "0a0161 2001", WEFT_E_UNKNOWN_FIELD },
        { "the name twice", "0a0161 0a0161", WEFT_E_NOT_CANONICAL },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_buf body = wf_test_hex(rows[i].hex), text = { 0 };
        ck_assert_int_eq(wf_print(WF_PREFIX_DOMAIN, wf_buf_view(&body), &text), WEFT_OK);
        enum weft_err err = open_domain(wf_buf_view(&text), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&body);
        wf_buf_fini(&text);
    }
}
END_TEST

START_TEST(printed_identity_reads_back_both_keys)
{
    struct wf_buf text = { 0 }, short_text = { 0 };
    struct wf_sign_pub sign = { { 1, 2 } }, got_sign;
    struct wf_dh_pub dh = { { 3, 4 } }, got_dh;

    ck_assert_int_eq(wf_id_print(&sign, &dh, &text), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&text), WF_STR("weftid1")));
    ck_assert_int_eq(wf_id_parse(wf_buf_view(&text), &got_sign, &got_dh), WEFT_OK);
    ck_assert_mem_eq(&sign, &got_sign, sizeof sign);
    ck_assert_mem_eq(&dh, &got_dh, sizeof dh);
    ck_assert_int_eq(wf_print(WF_PREFIX_ID, WF_BYTES(sign.b), &short_text), WEFT_OK);
    ck_assert_int_eq(wf_id_parse(wf_buf_view(&short_text), &got_sign, &got_dh), WEFT_E_KEY);
    text.ptr[text.len - 1] ^= 1;
    ck_assert_int_ne(wf_id_parse(wf_buf_view(&text), &got_sign, &got_dh), WEFT_OK);
    wf_buf_fini(&text);
    wf_buf_fini(&short_text);
}
END_TEST

static enum weft_err print_and_parse(struct wf_bytes in, void *context)
{
    struct wf_buf text = { 0 }, other = { 0 };
    enum weft_err err = wf_ticket_print(&ticket, &text);

    (void)in;
    (void)context;
    if (!err)
        err = open_ticket(wf_buf_view(&text), NULL);
    if (!err)
        err = wf_domain_public_print(&domain, &other);
    if (!err)
        err = open_domain(wf_buf_view(&other), NULL);
    wf_buf_fini(&text);
    wf_buf_fini(&other);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR(""), print_and_parse, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ticket");
    TCase *t = tcase_create("ticket");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, printed_ticket_reads_back_whole);
    tcase_add_test(t, ticket_may_leave_the_name_open);
    tcase_add_test(t, mistyped_or_misplaced_ticket_is_refused);
    tcase_add_test(t, text_over_the_limit_is_refused_before_it_is_read);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(bad_tickets));
    tcase_add_test(t, printing_refuses_what_reading_would);
    tcase_add_test(t, proof_binds_secret_session_ticket_and_keys);
    tcase_add_test(t, printed_domain_reads_back_whole);
    tcase_add_test(t, domain_in_another_encoding_is_refused);
    tcase_add_test(t, printed_identity_reads_back_both_keys);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
