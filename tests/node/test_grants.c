// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/access/grants.h"
#include "tests/support/support.h"

static char path[512];
static struct wf_grants *grants;
static struct wf_arena arena;

static void setup(void)
{
    static int number;
    snprintf(path, sizeof path, "%s/access-%d.db", wf_test_tmpdir(), ++number);
    ck_assert_int_eq(wf_grants_open(path, &grants, NULL), WEFT_OK);
    wf_arena_init(&arena, 1u << 20);
}

static void teardown(void)
{
    wf_arena_fini(&arena);
    wf_grants_close(grants);
}

static struct wf_grant sample(uint8_t holder, enum wf_grant_state state)
{
    struct wf_grant g = { .products = "cpu mem",
        .verbs = "query",
        .columns = "",
        .purpose = "audit",
        .label = "monitoring/m",
        .how = "hand",
        .state = state,
        .made_ms = 1000,
        .issued_ms = 1000,
        .expires_ms = 5000,
        .token = WF_STR("token"),
        .has_token = true };

    memset(g.holder.b, holder, sizeof g.holder.b);
    wf_random(g.token_id.b, sizeof g.token_id.b);
    return g;
}

START_TEST(a_row_comes_back_as_it_was)
{
    struct wf_grant g = sample(1, WF_GRANT_PENDING), back;
    g.has_request = true;
    g.rows = "host == 'a'";
    g.rate_per_minute = 7;
    g.duration_ms = 42;
    memset(g.request_id, 9, sizeof g.request_id);
    ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
    ck_assert_int_ne(g.id, 0);
    ck_assert_int_eq(wf_grants_by_request(grants, WF_BYTES(g.request_id), &arena, &back), WEFT_OK);
    ck_assert_str_eq(back.products, "cpu mem");
    ck_assert_str_eq(back.rows, "host == 'a'");
    ck_assert_str_eq(back.reason, "");
    ck_assert_uint_eq(back.rate_per_minute, 7);
    ck_assert_int_eq(back.duration_ms, 42);
    ck_assert(wf_bytes_is(back.token, "token"));
    ck_assert_int_eq(wf_grants_by_token(grants, &g.token_id, &arena, &back), WEFT_OK);
    ck_assert_int_eq(back.id, g.id);
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
    struct wf_grant back;
    struct wf_hash id = { { 3 } };
    struct wf_buf list = { 0 };
    ck_assert_int_eq(wf_grants_by_request(grants, WF_STR("none"), &arena, &back), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_grants_by_token(grants, &id, &arena, &back), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_grants_get_list(grants, &list), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(a_request_id_belongs_to_one_row)
{
    struct wf_grant a = sample(1, WF_GRANT_PENDING), b = sample(2, WF_GRANT_PENDING);
    a.has_request = b.has_request = true;
    ck_assert_int_eq(wf_grants_put(grants, &a), WEFT_OK);
    ck_assert_int_eq(wf_grants_put(grants, &b), WEFT_E_EXISTS);
    a.state = WF_GRANT_DENIED;
    a.reason = "no";
    ck_assert_int_eq(wf_grants_put(grants, &a), WEFT_OK);
    ck_assert_int_eq(wf_grants_by_request(grants, WF_BYTES(a.request_id), &arena, &b), WEFT_OK);
    ck_assert_int_eq(b.state, WF_GRANT_DENIED);
    ck_assert_str_eq(b.reason, "no");
}
END_TEST

// What counts as the same question.
static const struct like {
    const char *why;
    const char *products, *verbs, *columns, *purpose;
    uint8_t holder;
    bool same;
} likes[] = {
    { "all equal", "cpu mem", "query", "", "audit", 1, true },
    { "another product", "cpu", "query", "", "audit", 1, false },
    { "another verb", "cpu mem", "subscribe", "", "audit", 1, false },
    { "fewer columns", "cpu mem", "query", "name", "audit", 1, false },
    { "another purpose", "cpu mem", "query", "", "fun", 1, false },
    { "any purpose", "cpu mem", "query", "", NULL, 1, true },
    { "another holder", "cpu mem", "query", "", "audit", 2, false },
};

START_TEST(the_same_question_is_known)
{
    const struct like *l = &likes[_i];
    struct wf_grant g = sample(1, WF_GRANT_GRANTED), ask = sample(l->holder, 0), back;
    ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
    ask.products = l->products;
    ask.verbs = l->verbs;
    ask.columns = l->columns;
    ask.purpose = l->purpose;
    enum weft_err err = wf_grants_like(grants, &ask, WF_GRANT_GRANTED, &arena, &back);
    ck_assert_msg((err == WEFT_OK) == l->same, "%s: %s", l->why, weft_err_name(err));
    ck_assert_int_eq(
        wf_grants_like(grants, &ask, WF_GRANT_DENIED, &arena, &back), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(pending_ones_are_counted_by_holder)
{
    size_t n = 0;
    for (uint8_t i = 0; i < 5; i++) {
        struct wf_grant g = sample(i < 2 ? 1 : 2, i == 4 ? WF_GRANT_DENIED : WF_GRANT_PENDING);
        ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
    }
    struct wf_grant one = sample(1, WF_GRANT_PENDING);
    ck_assert_int_eq(wf_grants_pending(grants, &one.holder, &n), WEFT_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(wf_grants_pending(grants, NULL, &n), WEFT_OK);
    ck_assert_uint_eq(n, 4);
}
END_TEST

START_TEST(a_revoked_product_is_remembered_for_its_holder)
{
    static const struct {
        const char *products, *asked;
        bool revoked;
    } rows[] = { { "cpu mem", "cpu", true }, { "cpu mem", "mem", true }, { "cpu mem", "me", false },
        { "cpu-all mem", "cpu", false }, { "*", "disk", true } };
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_grant g = sample((uint8_t)(10 + i), WF_GRANT_GRANTED), other = sample(99, 0);
        bool revoked = true;
        g.products = rows[i].products;
        ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
        ck_assert_int_eq(
            wf_grants_was_revoked(grants, &g.holder, rows[i].asked, &revoked), WEFT_OK);
        ck_assert(!revoked);
        ck_assert_int_eq(wf_grants_revoke_holder(grants, &g.holder), WEFT_OK);
        ck_assert_int_eq(
            wf_grants_was_revoked(grants, &g.holder, rows[i].asked, &revoked), WEFT_OK);
        ck_assert_msg(revoked == rows[i].revoked, "%s of %s", rows[i].asked, rows[i].products);
        ck_assert_int_eq(
            wf_grants_was_revoked(grants, &other.holder, rows[i].asked, &revoked), WEFT_OK);
        ck_assert(!revoked);
    }
}
END_TEST

static enum weft_err count_row(void *arg, const struct wf_grant *row)
{
    (void)row;
    return ++*(int *)arg == 3 ? WEFT_E_PARTIAL : WEFT_OK;
}

START_TEST(listing_stops_when_told)
{
    int n = 0;
    for (int i = 0; i < 5; i++) {
        struct wf_grant g = sample(1, WF_GRANT_GRANTED);
        ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
    }
    ck_assert_int_eq(wf_grants_each(grants, 0, count_row, &n), WEFT_E_PARTIAL);
    ck_assert_int_eq(n, 3);
    n = -10;
    ck_assert_int_eq(wf_grants_each(grants, WF_GRANT_PENDING, count_row, &n), WEFT_OK);
    ck_assert_int_eq(n, -10);
}
END_TEST

START_TEST(old_rows_are_forgotten)
{
    struct wf_grant live = sample(1, WF_GRANT_GRANTED), dead = sample(1, WF_GRANT_GRANTED),
                    asked = sample(1, WF_GRANT_PENDING), back;
    live.expires_ms = 9000;
    asked.made_ms = 10;
    ck_assert_int_eq(wf_grants_put(grants, &live), WEFT_OK);
    ck_assert_int_eq(wf_grants_put(grants, &dead), WEFT_OK);
    ck_assert_int_eq(wf_grants_put(grants, &asked), WEFT_OK);
    wf_grants_prune(grants, 6000, 500);
    ck_assert_int_eq(wf_grants_by_token(grants, &live.token_id, &arena, &back), WEFT_OK);
    ck_assert_int_eq(wf_grants_by_token(grants, &dead.token_id, &arena, &back), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_grants_by_token(grants, &asked.token_id, &arena, &back), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(everything_survives_a_restart_in_a_private_file)
{
    struct wf_grant g = sample(1, WF_GRANT_GRANTED), back;
    struct wf_buf list = { 0 };
    struct stat st;
    ck_assert_int_eq(wf_grants_put(grants, &g), WEFT_OK);
    ck_assert_int_eq(wf_grants_put_list(grants, WF_STR("one")), WEFT_OK);
    ck_assert_int_eq(wf_grants_put_list(grants, WF_STR("two")), WEFT_OK);
    wf_grants_close(grants);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(wf_grants_open(path, &grants, NULL), WEFT_OK);
    ck_assert_int_eq(wf_grants_by_token(grants, &g.token_id, &arena, &back), WEFT_OK);
    ck_assert_int_eq(wf_grants_get_list(grants, &list), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&list), "two"));
    wf_buf_fini(&list);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused)
{
    struct wf_grants *g = NULL;
    struct wf_diag diag = { 0 };
    char other[600];
    snprintf(other, sizeof other, "%s.bad", path);
    FILE *f = fopen(other, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 500; i++)
        fputs("this is not a database ", f);
    fclose(f);
    ck_assert_int_eq(wf_grants_open(other, &g, &diag), WEFT_E_DAMAGED);
    ck_assert_ptr_null(g);
    ck_assert_msg(strstr(diag.text, other) != NULL, "%s", diag.text);
}
END_TEST

static enum weft_err count_hand(void *arg, const struct wf_grant *row)
{
    ck_assert_str_eq(row->how, "hand");
    ++*(size_t *)arg;
    return WEFT_OK;
}

START_TEST(what_persons_gave_and_lives_is_told_from_all_else)
{
    struct wf_grant rows[] = { sample(1, WF_GRANT_GRANTED), sample(2, WF_GRANT_GRANTED),
        sample(3, WF_GRANT_REVOKED), sample(4, WF_GRANT_PENDING), sample(5, WF_GRANT_GRANTED) };
    size_t count = 0;

    rows[1].how = "policy";
    rows[4].expires_ms = 3000;
    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_int_eq(wf_grants_put(grants, &rows[i]), WEFT_OK);
    ck_assert_int_eq(wf_grants_by_hand(grants, 3000, count_hand, &count), WEFT_OK);
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(a_warning_is_remembered_as_long_as_its_grant)
{
    struct wf_grant row = sample(1, WF_GRANT_GRANTED);
    unsigned percent = 1;

    ck_assert_int_eq(wf_grants_put(grants, &row), WEFT_OK);
    ck_assert_int_eq(wf_grants_warned(grants, row.id, &percent), WEFT_OK);
    ck_assert_uint_eq(percent, 0);
    ck_assert_int_eq(wf_grants_set_warned(grants, row.id, 75), WEFT_OK);
    ck_assert_int_eq(wf_grants_set_warned(grants, row.id, 90), WEFT_OK);
    wf_grants_close(grants);
    ck_assert_int_eq(wf_grants_open(path, &grants, NULL), WEFT_OK);
    wf_grants_prune(grants, row.expires_ms, 0);
    ck_assert_int_eq(wf_grants_warned(grants, row.id, &percent), WEFT_OK);
    ck_assert_uint_eq(percent, 90);
    wf_grants_prune(grants, row.expires_ms + 1, 0); // with it the number of the row is free again
    ck_assert_int_eq(wf_grants_warned(grants, row.id, &percent), WEFT_OK);
    ck_assert_uint_eq(percent, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grants");
    TCase *t = tcase_create("grants");

    if (wf_crypto_init())
        return EXIT_FAILURE;
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_row_comes_back_as_it_was);
    tcase_add_test(t, what_persons_gave_and_lives_is_told_from_all_else);
    tcase_add_test(t, a_warning_is_remembered_as_long_as_its_grant);
    tcase_add_test(t, what_is_not_there_is_not_found);
    tcase_add_test(t, a_request_id_belongs_to_one_row);
    tcase_add_loop_test(t, the_same_question_is_known, 0, (int)WF_COUNT(likes));
    tcase_add_test(t, pending_ones_are_counted_by_holder);
    tcase_add_test(t, a_revoked_product_is_remembered_for_its_holder);
    tcase_add_test(t, listing_stops_when_told);
    tcase_add_test(t, old_rows_are_forgotten);
    tcase_add_test(t, everything_survives_a_restart_in_a_private_file);
    tcase_add_test(t, a_file_that_is_no_database_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
