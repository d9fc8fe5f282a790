// SPDX-License-Identifier: Apache-2.0
// The list of refused attempts: bounded, over restarts, and fair. Whoever floods it loses rows of its own and nobody else's.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/access/refused.h"
#include "tests/support/support.h"

#define NOW   INT64_C(1767225600000)
#define MAX   20000u
#define HOSTS 1000

static struct wf_refused *r;
static char path[600];
static const struct wf_refused_row *rows[MAX];
static size_t count;
static int64_t now;

static void open_it(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_refused_open(path, &r, &diag) == WEFT_OK, "%s", diag.text);
}

static void setup(void)
{
    static int number;

    snprintf(path, sizeof path, "%s/refused-%d.db", wf_test_tmpdir(), ++number);
    now = NOW;
    open_it();
}

static void teardown(void)
{
    wf_refused_close(r);
}

static void attempt(const char *who, const char *what, enum weft_err code)
{
    struct wf_refused_row a = {
        .code = (uint32_t)code, .last_ms = now++, .from = "192.0.2.7:1", .audit_id = "7f-1"
    };

    snprintf(a.who, sizeof a.who, "%s", who);
    snprintf(a.what, sizeof a.what, "%s", what);
    wf_refused_note(r, &a);
}

static void read_all(void)
{
    count = wf_refused_recent(r, rows, MAX);
}

static const struct wf_refused_row *row_of(const char *who, const char *what)
{
    read_all();
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i]->who, who) == 0 && strcmp(rows[i]->what, what) == 0)
            return rows[i];
    return NULL;
}

// How many attempts all rows stand for: none is ever lost from the count.
static uint64_t total(void)
{
    uint64_t sum = 0;

    read_all();
    for (size_t i = 0; i < count; i++)
        sum += rows[i]->count;
    return sum;
}

START_TEST(the_same_attempt_again_is_one_row_with_a_count)
{
    for (int i = 0; i < 5; i++)
        attempt("network/mon-1", "servers/hosts query", WEFT_E_NO_CAPABILITY);
    attempt("network/mon-1", "servers/hosts query", WEFT_E_EXPIRED);
    attempt("network/mon-2", "servers/hosts query", WEFT_E_NO_CAPABILITY);
    read_all();
    ck_assert_uint_eq(count, 3);
    const struct wf_refused_row *first = rows[2];
    ck_assert_str_eq(first->who, "network/mon-1");
    ck_assert_uint_eq(first->code, WEFT_E_NO_CAPABILITY);
    ck_assert_uint_eq(first->count, 5);
    ck_assert_int_eq(first->first_ms, NOW);
    ck_assert_int_eq(first->last_ms, NOW + 4);
    ck_assert_str_eq(first->from, "192.0.2.7:1");
    ck_assert_str_eq(first->audit_id, "7f-1");
    ck_assert_msg(rows[0]->last_ms > rows[1]->last_ms, "the most recent one comes first");
    ck_assert_uint_eq(wf_refused_recent(r, rows, 1), 1);
    ck_assert_str_eq(rows[0]->who, "network/mon-2");
}
END_TEST

START_TEST(a_subject_that_tries_everything_keeps_its_last_places_and_hides_nobody)
{
    char what[64];

    attempt("network/quiet", "servers/secrets query", WEFT_E_NO_CAPABILITY);
    for (int i = 0; i < HOSTS; i++) {
        snprintf(what, sizeof what, "servers/p-%d query", i);
        attempt("network/loud", what, WEFT_E_NO_CAPABILITY);
    }
    ck_assert_ptr_nonnull(row_of("network/quiet", "servers/secrets query"));
    ck_assert_uint_eq(count, 1 + WF_REFUSED_OF_SUBJECT + 1);
    ck_assert_ptr_nonnull(row_of("network/loud", what));
    ck_assert_ptr_null(row_of("network/loud", "servers/p-0 query"));
    const struct wf_refused_row *rest = row_of("network/*", "");
    ck_assert_ptr_nonnull(rest);
    ck_assert_uint_eq(rest->count, HOSTS - WF_REFUSED_OF_SUBJECT);
    ck_assert_int_eq(rest->first_ms, NOW + 1);
    ck_assert_uint_eq(total(), HOSTS + 1);
}
END_TEST

START_TEST(a_domain_of_many_names_hides_no_other_domain)
{
    char who[64];

    attempt("security/mon-1", "servers/hosts query", WEFT_E_NO_CAPABILITY);
    attempt("newcomer", "join", WEFT_E_TICKET);
    for (int i = 0; i < HOSTS; i++) {
        snprintf(who, sizeof who, "network/n-%d", i);
        attempt(who, "servers/hosts query", WEFT_E_NO_CAPABILITY);
    }
    ck_assert_ptr_nonnull(row_of("security/mon-1", "servers/hosts query"));
    ck_assert_ptr_nonnull(row_of("newcomer", "join"));
    ck_assert_uint_eq(count, 2 + WF_REFUSED_OF_DOMAIN + 1);
    ck_assert_uint_eq(total(), HOSTS + 2);
}
END_TEST

// Within a domain that is full, the one with the most rows gives way to one that has few.
START_TEST(in_a_full_domain_the_loudest_gives_way)
{
    char who[64], what[64];

    for (int s = 0; s < 4; s++)
        for (int i = 0; i < 16; i++) {
            snprintf(who, sizeof who, "network/loud-%d", s);
            snprintf(what, sizeof what, "servers/p-%d query", i);
            attempt(who, what, WEFT_E_NO_CAPABILITY);
        }
    for (int s = 0; s < 40; s++) {
        snprintf(who, sizeof who, "network/quiet-%d", s);
        attempt(who, "servers/hosts query", WEFT_E_NO_CAPABILITY);
    }
    for (int s = 0; s < 40; s++) {
        snprintf(who, sizeof who, "network/quiet-%d", s);
        ck_assert_msg(row_of(who, "servers/hosts query"), "%s was hidden", who);
    }
    ck_assert_uint_eq(count, WF_REFUSED_OF_DOMAIN + 1);
    ck_assert_uint_eq(total(), 104);
}
END_TEST

START_TEST(more_domains_than_a_mesh_has_share_one_place)
{
    char who[64];

    for (int i = 0; i < 400; i++) {
        snprintf(who, sizeof who, "d-%d/n", i);
        attempt(who, "join", WEFT_E_WRONG_MESH);
    }
    ck_assert_ptr_nonnull(row_of("d-0/n", "join"));
    ck_assert_ptr_nonnull(row_of("d-399/n", "join"));
    ck_assert_uint_eq(count, WF_REFUSED_DOMAINS - 1 + WF_REFUSED_OF_DOMAIN + 1);
    ck_assert_uint_eq(total(), 400);
}
END_TEST

START_TEST(rows_and_counts_outlive_a_restart)
{
    char what[64];

    for (int i = 0; i < 20; i++) {
        snprintf(what, sizeof what, "servers/p-%d query", i);
        attempt("network/loud", what, WEFT_E_NO_CAPABILITY);
    }
    attempt("newcomer", "join", WEFT_E_TICKET);
    wf_refused_close(r);
    open_it();
    ck_assert_uint_eq(total(), 21);
    ck_assert_uint_eq(count, WF_REFUSED_OF_SUBJECT + 2);
    ck_assert_uint_eq(row_of("network/*", "")->count, 4);
    attempt("newcomer", "join", WEFT_E_TICKET); // goes on counting
    const struct wf_refused_row *row = row_of("newcomer", "join");
    ck_assert_uint_eq(row->count, 2);
    ck_assert_int_eq(row->first_ms, NOW + 20);
    ck_assert_uint_eq(row->code, WEFT_E_TICKET);
}
END_TEST

START_TEST(a_flood_fills_no_disk)
{
    struct stat st = { 0 };
    char who[64], what[64], wal[640];

    for (int i = 0; i < 50000; i++) {
        snprintf(who, sizeof who, "network/n-%d", i % 500);
        snprintf(what, sizeof what, "servers/p-%d query", i);
        attempt(who, what, WEFT_E_NO_CAPABILITY);
        if (i % 1000 == 0)
            ck_assert_int_eq(wf_refused_save(r), WEFT_OK);
    }
    wf_refused_close(r);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 65536);
    snprintf(wal, sizeof wal, "%s-wal", path);
    ck_assert_msg(stat(wal, &st) != 0, "a clean end leaves no journal");
    open_it();
    ck_assert_uint_eq(total(), 50000);
    ck_assert_uint_eq(count, WF_REFUSED_OF_DOMAIN + 1);
}
END_TEST

START_TEST(what_is_old_is_forgotten_here_and_on_the_disk)
{
    attempt("network/a", "old", WEFT_E_VERB);
    attempt("network/a", "new", WEFT_E_VERB);
    wf_refused_prune(r, NOW + 1);
    ck_assert_ptr_null(row_of("network/a", "old"));
    ck_assert_ptr_nonnull(row_of("network/a", "new"));
    wf_refused_close(r);
    open_it();
    ck_assert_uint_eq(total(), 1);
    wf_refused_prune(r, NOW + 2);
    ck_assert_uint_eq(total(), 0);
}
END_TEST

START_TEST(what_peers_write_is_cut_and_plain)
{
    char longest[400];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    attempt("network/a", "up\x1b[2J \xc3\xa9 \xff", WEFT_E_VERB);
    attempt("network/a", longest, WEFT_E_VERB);
    ck_assert_ptr_nonnull(row_of("network/a", "up?[2J ?? ?"));
    ck_assert_uint_eq(strlen(rows[0]->what), sizeof rows[0]->what - 1);
}
END_TEST

static const struct {
    enum weft_err code;
    bool is_access;
} codes[] = {
    { WEFT_E_NO_CAPABILITY, true },
    { WEFT_E_COLUMN, true },
    { WEFT_E_POLICY, true },
    { WEFT_E_SIGNATURE, true },
    { WEFT_E_REVOKED, true },
    { WEFT_E_TICKET, true },
    { WEFT_E_PERMISSION, true },
    { WEFT_E_NEED_JOIN, true },
    { WEFT_E_PENDING, false },
    { WEFT_E_BUSY, false },
    { WEFT_E_NOT_FOUND, false },
    { WEFT_E_NOT_HOME, false },
    { WEFT_E_LEASE, false },
    { WEFT_E_SQL, false },
    { WEFT_OK, false },
};

START_TEST(only_refusals_of_access_count)
{
    ck_assert_msg(wf_refused_is_access(codes[_i].code) == codes[_i].is_access, "%s",
        weft_err_name(codes[_i].code));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.refused");
    TCase *t = tcase_create("refused");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_same_attempt_again_is_one_row_with_a_count);
    tcase_add_test(t, a_subject_that_tries_everything_keeps_its_last_places_and_hides_nobody);
    tcase_add_test(t, a_domain_of_many_names_hides_no_other_domain);
    tcase_add_test(t, in_a_full_domain_the_loudest_gives_way);
    tcase_add_test(t, more_domains_than_a_mesh_has_share_one_place);
    tcase_add_test(t, rows_and_counts_outlive_a_restart);
    tcase_add_test(t, a_flood_fills_no_disk);
    tcase_add_test(t, what_is_old_is_forgotten_here_and_on_the_disk);
    tcase_add_test(t, what_peers_write_is_cut_and_plain);
    tcase_add_loop_test(t, only_refusals_of_access_count, 0, (int)WF_COUNT(codes));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
