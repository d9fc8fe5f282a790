// SPDX-License-Identifier: Apache-2.0
// The capped arena: alignment, the cap, reuse, and what it says when it refuses.
#include <check.h>
#include <stdalign.h>

#include "tests/support/support.h"

START_TEST(memory_is_aligned_for_any_type_and_disjoint)
{
    struct wf_arena a;
    uint8_t *p[200];

    wf_arena_init(&a, 1u << 20);
    for (size_t i = 0; i < WF_COUNT(p); i++) {
        p[i] = wf_arena_alloc(&a, i);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % alignof(max_align_t), 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < WF_COUNT(p); i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_eq(p[i][k], (uint8_t)i);
    wf_arena_fini(&a);
}
END_TEST

START_TEST(the_cap_is_exact_and_named)
{
    struct wf_arena a;

    wf_arena_init(&a, 100);
    ck_assert_ptr_null(wf_arena_alloc(&a, 101));
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_BUDGET);
    wf_arena_reset(&a);
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_NOMEM);
    ck_assert_ptr_nonnull(wf_arena_alloc(&a, 100));
    ck_assert_ptr_null(wf_arena_alloc(&a, 1));
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_BUDGET);
    ck_assert_ptr_nonnull(wf_arena_alloc(&a, 0));
    wf_arena_fini(&a);
}
END_TEST

START_TEST(a_sum_of_small_pieces_meets_the_same_cap)
{
    struct wf_arena a;
    size_t n = 0;

    wf_arena_init(&a, 65536);
    while (wf_arena_alloc(&a, 1))
        n++;
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_BUDGET);
    ck_assert_uint_le(n, 65536);
    ck_assert_uint_ge(n, 65536 / alignof(max_align_t));
    wf_arena_fini(&a);
}
END_TEST

START_TEST(a_product_that_overflows_is_refused)
{
    struct wf_arena a;

    wf_arena_init(&a, SIZE_MAX);
    ck_assert_ptr_null(wf_arena_calloc(&a, SIZE_MAX / 2, 3));
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_BUDGET);
    wf_arena_fini(&a);
}
END_TEST

START_TEST(calloc_clears_memory_that_was_used_before)
{
    struct wf_arena a;

    wf_arena_init(&a, 4096);
    memset(wf_arena_alloc(&a, 1000), 0xaa, 1000);
    wf_arena_reset(&a);
    const uint8_t *p = wf_arena_calloc(&a, 100, 10);
    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(p[i], 0);
    wf_arena_fini(&a);
}
END_TEST

START_TEST(reset_gives_the_whole_budget_back)
{
    struct wf_arena a;

    wf_arena_init(&a, 1u << 20);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 16; i++)
            ck_assert_ptr_nonnull(wf_arena_alloc(&a, 1u << 16));
        ck_assert_ptr_null(wf_arena_alloc(&a, 1));
        wf_arena_reset(&a);
        ck_assert_uint_eq(a.used, 0);
    }
    wf_arena_fini(&a);
    ck_assert_ptr_nonnull(wf_arena_alloc(&a, 1)); // fini leaves an empty arena with the same cap
    wf_arena_fini(&a);
}
END_TEST

START_TEST(copies_are_equal_and_strings_end_with_nul)
{
    struct wf_arena a;
    struct wf_bytes copy = { 0 };
    const char *s = NULL;

    wf_arena_init(&a, 4096);
    ck_assert_int_eq(wf_arena_dup(&a, WF_STR("abc"), &copy), WEFT_OK);
    ck_assert(wf_bytes_is(copy, "abc"));
    ck_assert_int_eq(wf_arena_dup(&a, wf_bytes(NULL, 0), &copy), WEFT_OK);
    ck_assert_uint_eq(copy.len, 0);
    ck_assert_int_eq(wf_arena_str(&a, WF_STR("abc"), &s), WEFT_OK);
    ck_assert_str_eq(s, "abc");
    ck_assert_int_eq(wf_arena_str(&a, wf_bytes("a\0c", 3), &s), WEFT_E_SYNTAX);
    ck_assert_str_eq(s, "abc");
    ck_assert_int_eq(wf_arena_str(&a, wf_bytes("abc", 3), &s), WEFT_OK);
    wf_arena_fini(&a);
}
END_TEST

START_TEST(a_copy_beyond_the_cap_is_a_budget_refusal)
{
    struct wf_arena a;
    struct wf_bytes copy = { 0 };
    const char *s = NULL;

    wf_arena_init(&a, 2);
    ck_assert_int_eq(wf_arena_dup(&a, WF_STR("abc"), &copy), WEFT_E_BUDGET);
    ck_assert_int_eq(wf_arena_str(&a, WF_STR("ab"), &s), WEFT_E_BUDGET);
    ck_assert_ptr_null(copy.ptr);
    ck_assert_ptr_null(s);
    wf_arena_fini(&a);
}
END_TEST

START_TEST(a_failed_malloc_is_no_memory_and_loses_nothing)
{
    struct wf_arena a;

    wf_arena_init(&a, 1u << 20);
    wf_test_fail_alloc(1);
    ck_assert_ptr_null(wf_arena_alloc(&a, 10));
    wf_test_fail_alloc(-1);
    ck_assert_int_eq(wf_arena_err(&a), WEFT_E_NOMEM);
    uint8_t *p = wf_arena_alloc(&a, 10);
    ck_assert_ptr_nonnull(p);
    memset(p, 7, 10);
    wf_test_fail_alloc(1);
    ck_assert_ptr_null(wf_arena_alloc(&a, 1u << 16));
    wf_test_fail_alloc(-1);
    ck_assert_uint_eq(p[9], 7);
    ck_assert_ptr_nonnull(wf_arena_alloc(&a, 1u << 16));
    wf_arena_fini(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");

    tcase_add_test(t, memory_is_aligned_for_any_type_and_disjoint);
    tcase_add_test(t, the_cap_is_exact_and_named);
    tcase_add_test(t, a_sum_of_small_pieces_meets_the_same_cap);
    tcase_add_test(t, a_product_that_overflows_is_refused);
    tcase_add_test(t, calloc_clears_memory_that_was_used_before);
    tcase_add_test(t, reset_gives_the_whole_budget_back);
    tcase_add_test(t, copies_are_equal_and_strings_end_with_nul);
    tcase_add_test(t, a_copy_beyond_the_cap_is_a_budget_refusal);
    tcase_add_test(t, a_failed_malloc_is_no_memory_and_loses_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
