// SPDX-License-Identifier: Apache-2.0
// What a newcomer accepts: its ticket's mesh, its own certificate, nothing else; and that a refused answer leaves no trace.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/join.h"
#include "tests/support/trust_mesh.h"

static struct wf_test_mesh mesh;
static struct wf_keys keys;
static struct wf_identity_dir *dir;
static struct wf_ticket ticket;
static int serial;

static void setup(void)
{
    char path[512];
    struct wf_diag diag = { 0 };

    wf_test_mesh_init(&mesh);
    ck_assert_int_eq(wf_keys_new('N', &keys), WEFT_OK);
    snprintf(path, sizeof path, "%s/%d", wf_test_tmpdir(), serial++);
    ck_assert_int_eq(wf_identity_create(path, &keys, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_load(path, WF_TEST_NOW, &dir, &diag), WEFT_OK);
    ticket = (struct wf_ticket){ .mesh_id = mesh.charter->mesh_id,
        .kind = WF_ID_AGENT,
        .seed_count = 1,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR };
    snprintf(ticket.domain.s, sizeof ticket.domain.s, "servers");
    snprintf(ticket.name.s, sizeof ticket.name.s, "web-1");
    snprintf(ticket.seeds[0].address, sizeof ticket.seeds[0].address, "192.0.2.1:7400");
    ticket.seeds[0].dh_key = mesh.d[WF_TEST_SERVERS].node_dh_pub;
}

static void teardown(void)
{
    wf_identity_free(dir);
    wf_keys_fini(&keys);
    wf_test_mesh_fini(&mesh);
}

struct wanted {
    int domain;
    const char *subject;
    enum wf_identity_kind kind;
    bool other_sign, other_dh;
    int64_t at_ms;
};

static enum weft_err accept_with(const struct wanted *w, const struct wf_bytes *charters, size_t n)
{
    const struct wf_test_domain *d = &mesh.d[w->domain];
    struct wf_cert c = wf_test_cert(d->name, w->kind, w->subject);
    struct wf_diag diag = { 0 };

    if (!w->other_sign)
        c.sign_key = keys.sign_pub;
    if (!w->other_dh)
        c.dh_key = keys.dh_pub;
    struct wf_buf cert = wf_test_cert_issue(&c, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&d->issuer_cert));
    enum weft_err err = wf_join_accept(
        dir, &ticket, charters, n, wf_buf_view(&chain), WF_TEST_NOW + w->at_ms, &diag);
    ck_assert_msg(!err || diag.text[0], "a refusal says why");
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    return err;
}

static enum weft_err accept_one(const struct wanted *w)
{
    const struct wf_bytes charter = wf_buf_view(&mesh.charter->raw);

    return accept_with(w, &charter, 1);
}

static const struct wanted good = { WF_TEST_SERVERS, "web-1", WF_ID_AGENT, false, false, 0 };

START_TEST(a_good_answer_becomes_the_identity)
{
    struct wf_identity_dir *again = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(accept_one(&good), WEFT_OK);
    ck_assert_int_eq(accept_one(&good), WEFT_OK); // the call may be repeated
    ck_assert_int_eq(wf_identity_load(dir->dir, WF_TEST_NOW, &again, &diag), WEFT_OK);
    ck_assert(again->has_chain && again->has_mesh);
    ck_assert_str_eq(again->identity.cert.subject.s, "web-1");
    ck_assert_uint_eq(again->charter->version, 1);
    ck_assert_str_eq(again->seeds[0].address, "192.0.2.1:7400");
    wf_identity_free(again);
}
END_TEST

static const struct refusal {
    const char *why;
    struct wanted w;
    enum weft_err want;
} refusals[] = {
    { "another domain's certificate", { WF_TEST_NETWORK, "web-1", WF_ID_AGENT, false, false, 0 },
        WEFT_E_WRONG_DOMAIN },
    { "another name than the ticket's", { WF_TEST_SERVERS, "web-2", WF_ID_AGENT, false, false, 0 },
        WEFT_E_NAME },
    { "another kind", { WF_TEST_SERVERS, "web-1", WF_ID_NODE, false, false, 0 }, WEFT_E_KIND },
    { "another signing key", { WF_TEST_SERVERS, "web-1", WF_ID_AGENT, true, false, 0 },
        WEFT_E_KEY },
    { "another Noise key", { WF_TEST_SERVERS, "web-1", WF_ID_AGENT, false, true, 0 }, WEFT_E_KEY },
    { "a certificate that has run out",
        { WF_TEST_SERVERS, "web-1", WF_ID_AGENT, false, false, 30 * WF_TEST_DAY }, WEFT_E_EXPIRED },
    { "a certificate of another time",
        { WF_TEST_SERVERS, "web-1", WF_ID_AGENT, false, false, -WF_TEST_DAY }, WEFT_E_NOT_YET },
};

static void nothing_was_kept(void)
{
    char path[600];

    ck_assert(!dir->has_mesh && !dir->has_chain && !dir->charter);
    snprintf(path, sizeof path, "%s/identity/mesh", dir->dir);
    ck_assert_int_ne(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/identity/chain", dir->dir);
    ck_assert_int_ne(access(path, F_OK), 0);
}

START_TEST(a_false_certificate_is_refused_and_leaves_no_trace)
{
    enum weft_err err = accept_one(&refusals[_i].w);

    ck_assert_msg(err == refusals[_i].want, "%s: %s", refusals[_i].why, weft_err_name(err));
    nothing_was_kept();
}
END_TEST

START_TEST(charters_must_begin_at_the_ticket_s_mesh)
{
    const struct wf_bytes charter = wf_buf_view(&mesh.charter->raw);
    const struct wf_bytes twice[] = { charter, charter };

    ck_assert_int_eq(accept_with(&good, NULL, 0), WEFT_E_MISSING_FIELD);
    ck_assert_int_eq(accept_with(&good, twice, 2), WEFT_E_CHARTER_ORDER);
    ticket.mesh_id = wf_test_hash("another mesh");
    ck_assert_int_eq(accept_one(&good), WEFT_E_WRONG_MESH);
    nothing_was_kept();
}
END_TEST

START_TEST(a_damaged_charter_is_refused)
{
    struct wf_buf raw = { 0 };

    ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&mesh.charter->raw), &raw), WEFT_OK);
    for (size_t i = 0; i < raw.len; i += 7) {
        raw.ptr[i] ^= 1;
        const struct wf_bytes view = wf_buf_view(&raw);
        ck_assert_int_ne(accept_with(&good, &view, 1), WEFT_OK);
        raw.ptr[i] ^= 1;
    }
    nothing_was_kept();
    wf_buf_fini(&raw);
}
END_TEST

static const struct name {
    const char *why, *fixed, *prefix, *asked;
    enum weft_err want;
} names[] = {
    { "the ticket's own", "web-1", "", "web-1", WEFT_OK },
    { "none asked where the ticket knows", "web-1", "", "", WEFT_OK },
    { "another than the ticket's", "web-1", "", "web-2", WEFT_E_TICKET },
    { "within the prefix", "", "web-", "web-7", WEFT_OK },
    { "outside the prefix", "", "web-", "db-7", WEFT_E_TICKET },
    { "no name at all", "", "", "", WEFT_E_NAME },
    { "no valid name", "", "", "Web_1", WEFT_E_NAME },
};

START_TEST(a_name_fits_its_ticket)
{
    const struct name *t = &names[_i];

    snprintf(ticket.name.s, sizeof ticket.name.s, "%s", t->fixed);
    snprintf(ticket.name_prefix.s, sizeof ticket.name_prefix.s, "%s", t->prefix);
    ck_assert_msg(wf_join_check_name(&ticket, t->asked) == t->want, "%s", t->why);
}
END_TEST

static const struct {
    const char *why, *text, *name;
} hosts[] = {
    { "as it is", "web-7", "web-7" },
    { "without its domain", "web-7.example.org", "web-7" },
    { "in lower case", "WEB7", "web7" },
    { "what no name has becomes a dash, but not at the end", "a_b c__", "a-b-c" },
    { "nothing of it makes a name", "...", "" },
    { "a name begins with a letter", "7db.example.org", "n-7db" },
    { "nor does it begin with a dash", "_web_1", "web-1" },
    { "all digits", "10.0.0.7", "n-10" },
    { "cut at the longest name",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
};

START_TEST(a_host_s_name_becomes_a_subject_s)
{
    char name[WF_MAX_NAME + 1];

    wf_join_name_from(hosts[_i].text, name);
    ck_assert_msg(strcmp(name, hosts[_i].name) == 0, "%s: %s", hosts[_i].why, name);
    ck_assert_msg(!name[0] || wf_name_is_valid(wf_bytes_str(name)), "%s: %s", hosts[_i].why, name);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.join");
    TCase *t = tcase_create("join");

    if (wf_crypto_init())
        return 1;
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_good_answer_becomes_the_identity);
    tcase_add_loop_test(
        t, a_false_certificate_is_refused_and_leaves_no_trace, 0, (int)WF_COUNT(refusals));
    tcase_add_test(t, charters_must_begin_at_the_ticket_s_mesh);
    tcase_add_test(t, a_damaged_charter_is_refused);
    tcase_add_loop_test(t, a_name_fits_its_ticket, 0, (int)WF_COUNT(names));
    tcase_add_loop_test(t, a_host_s_name_becomes_a_subject_s, 0, (int)WF_COUNT(hosts));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
