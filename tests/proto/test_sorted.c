// SPDX-License-Identifier: Apache-2.0
// Every place of every length: found where it is, else where it belongs.
#include <check.h>

#include "proto/base/sorted.h"
#include "tests/support/support.h"

static int by_number(const void *item, const void *key)
{
    int a = *(const int *)item, b = *(const int *)key;

    return (a > b) - (a < b);
}

// Items are 0, 2, 4, …; keys from -1 to one beyond the last.
START_TEST(a_key_is_found_or_has_its_place_between_its_neighbours)
{
    int items[33];

    for (int count = 0; count <= 33; count++) {
        const struct wf_sorted s = { count ? items : NULL, (size_t)count, sizeof items[0],
            by_number };
        if (count)
            items[count - 1] = 2 * (count - 1);
        for (int key = -1; key <= 2 * count; key++) {
            bool found = false;
            bool there = key >= 0 && key % 2 == 0 && key < 2 * count;
            size_t at = wf_sorted_place(&s, &key, &found);
            ck_assert_msg(found == there, "%d of %d", key, count);
            ck_assert_uint_eq(at, (size_t)(key + 1) / 2);
            ck_assert_ptr_eq(wf_sorted_find(&s, &key), there ? &items[at] : NULL);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sorted");
    TCase *t = tcase_create("sorted");

    tcase_add_test(t, a_key_is_found_or_has_its_place_between_its_neighbours);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
