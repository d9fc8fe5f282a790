// SPDX-License-Identifier: Apache-2.0
// The scout and who asks it at once: under TSan each of its locks is missed when it is not there. The catalog is the test's.
#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/common/scout.h"

#define PRODUCTS   8u
#define PATIENCE_S 60

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

// ---- a libweft of a catalog alone ------------------------------------------------------------------------------------------

struct weft_catalog {
    char names[PRODUCTS][16], rules[PRODUCTS][32];
    struct weft_product_info info[PRODUCTS];
};
static atomic_uint generation; // of all rules
static atomic_bool away;
static atomic_ulong looks;

enum weft_err weft_discover(struct weft_client *c, const char *domain, const char *text,
    struct weft_catalog **ret, struct weft_problem *problem)
{
    struct weft_catalog *cat = calloc(1, sizeof *cat);
    unsigned now = atomic_load(&generation);

    (void)c, (void)domain, (void)text;
    atomic_fetch_add(&looks, 1);
    if (atomic_load(&away)) {
        free(cat);
        snprintf(problem->text, sizeof problem->text, "nobody answers");
        return WEFT_E_UNREACHABLE;
    }
    for (unsigned i = 0; i < PRODUCTS; i++) {
        snprintf(cat->names[i], sizeof cat->names[i], "p%u", i);
        snprintf(cat->rules[i], sizeof cat->rules[i], "p%u of %u", i, now);
        cat->info[i] = (struct weft_product_info){ .domain = "servers",
            .name = cat->names[i],
            .version = "1.0.0",
            .owner = "a team",
            .rules = cat->rules[i],
            .kind = WEFT_METRIC };
    }
    *ret = cat;
    return WEFT_OK;
}

size_t weft_catalog_count(const struct weft_catalog *cat)
{
    (void)cat;
    return PRODUCTS;
}

const struct weft_product_info *weft_catalog_at(const struct weft_catalog *cat, size_t index)
{
    return &cat->info[index];
}

void weft_catalog_free(struct weft_catalog *cat)
{
    free(cat);
}

enum weft_err weft_product_rules(
    struct weft_client *c, const char *product, char **ret_text, struct weft_problem *problem)
{
    (void)c, (void)problem;
    poll(NULL, 0, 1); // as long as who takes asks many times, without the scout's lock in between
    *ret_text = strdup(product);
    return *ret_text ? WEFT_OK : WEFT_E_NOMEM;
}

// ---- cases -----------------------------------------------------------------------------------------------------------------

// The next news; asserts that it comes.
static enum weft_err next(struct wf_mon_scout *s, struct wf_mon_finds *ret)
{
    const int64_t end = seconds() + PATIENCE_S;
    struct weft_problem problem = { 0 };
    enum weft_err err;

    while ((err = wf_mon_scout_take(s, ret, &problem)) == WEFT_E_TIMEOUT)
        ck_assert_int_lt(seconds(), end);
    ck_assert_msg(!err || strcmp(problem.text, "nobody answers") == 0, "%s", problem.text);
    return err;
}

static void check(const struct wf_mon_finds *finds)
{
    ck_assert_uint_eq(finds->count, PRODUCTS);
    for (size_t i = 0; i < finds->count; i++) {
        const struct wf_mon_found *f = &finds->found[i];
        unsigned index = 99, of = 0;
        ck_assert_int_eq(sscanf(f->rules, "p%u of %u", &index, &of), 2);
        ck_assert_uint_eq(index, i);
        ck_assert_str_eq(f->problem, "");
        if (f->text)
            ck_assert_str_eq(f->text, f->product);
    }
}

START_TEST(who_takes_asks_and_forgets_while_it_looks_gets_whole_lists)
{
    static const char *const some[] = { "servers/p[0-3]" }, *const all[] = { "servers/*" };
    struct wf_mon_scout *s = NULL;
    size_t texts = 0;

    ck_assert_int_eq(wf_mon_scout_start(NULL, 1, &s), WEFT_OK);
    for (unsigned round = 0; round < 300; round++) {
        struct wf_mon_finds finds = { .count = 0 };
        atomic_store(&generation, round / 10);
        atomic_store(&away, round % 50 == 49);
        if (round % 7 == 0)
            wf_mon_scout_wants(s, round % 2 ? some : all, 1);
        wf_mon_scout_forget(s, "servers/p2");
        if (next(s, &finds))
            continue;
        check(&finds);
        for (size_t i = 0; i < finds.count; i++)
            texts += finds.found[i].text != NULL;
        wf_mon_found_free(finds.found, finds.count);
    }
    ck_assert_uint_gt(texts, 0);
    wf_mon_scout_stop(s);
}
END_TEST

START_TEST(rules_are_handed_over_once_and_again_when_they_change)
{
    static const char *const all[] = { "servers/*" };
    struct wf_mon_scout *s = NULL;
    struct wf_mon_finds finds;
    size_t texts = 0;

    atomic_store(&generation, 1);
    ck_assert_int_eq(wf_mon_scout_start(NULL, 1, &s), WEFT_OK);
    wf_mon_scout_wants(s, all, 1);
    for (unsigned round = 0; round < 20; round++) {
        ck_assert_int_eq(next(s, &finds), WEFT_OK);
        for (size_t i = 0; i < finds.count; i++)
            texts += finds.found[i].text != NULL;
        wf_mon_found_free(finds.found, finds.count);
        if (round == 9) {
            ck_assert_uint_ge(texts, PRODUCTS);
            texts = 0;
            atomic_store(&generation, 2);
        }
    }
    ck_assert_uint_ge(texts, PRODUCTS);
    ck_assert_uint_le(texts, 3 * (size_t)PRODUCTS); // a look under way may bring them again
    wf_mon_scout_stop(s);
}
END_TEST

START_TEST(it_ends_at_any_moment)
{
    for (unsigned round = 0; round < 50; round++) {
        struct wf_mon_scout *s = NULL;
        const int64_t end = seconds() + PATIENCE_S;
        unsigned long before = atomic_load(&looks);
        ck_assert_int_eq(wf_mon_scout_start(NULL, round % 2 ? 60000 : 1, &s), WEFT_OK);
        while (round % 3 && atomic_load(&looks) == before)
            ck_assert_int_lt(seconds(), end);
        if (round % 5 == 0)
            wf_mon_scout_wants(s, NULL, 0);
        wf_mon_scout_stop(s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scout");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 100);
    tcase_add_test(t, who_takes_asks_and_forgets_while_it_looks_gets_whole_lists);
    tcase_add_test(t, rules_are_handed_over_once_and_again_when_they_change);
    tcase_add_test(t, it_ends_at_any_moment);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
