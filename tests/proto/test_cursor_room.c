// SPDX-License-Identifier: Apache-2.0
// A cursor with as many marks as it may have: which of them makes room for the mark of one more origin.
#include <check.h>

#include "proto/base/limits.h"
#include "proto/stream/cursor.h"
#include "tests/support/stream.h"

#define DAY_MS 86400000ll

static const struct wf_hash product = { { 7 } };

static struct wf_sign_pub origin(uint32_t who)
{
    struct wf_sign_pub key = { { 0 } };

    wf_store_be32(key.b, who + 1);
    return key;
}

static enum weft_err mark_on(struct wf_cursor *c, uint32_t who, int64_t day)
{
    const struct wf_batch_header h = { .product_id = product,
        .signer = origin(who),
        .incarnation = { 1, 1 },
        .first_seq = 5,
        .count = 1 };

    return wf_cursor_mark(c, &h, day * DAY_MS + 1);
}

static bool has_mark(const struct wf_cursor *c, uint32_t who)
{
    const struct wf_sign_pub key = origin(who);

    return wf_cursor_find(c, &key) != NULL;
}

// Number 9 was heard of on day 100, number 11 a day later, all others on day 105.
static void fill(struct wf_cursor *c)
{
    wf_cursor_init(c, &product);
    for (uint32_t i = 0; i < WF_MAX_CURSOR_MARKS; i++)
        ck_assert_int_eq(mark_on(c, i, i == 9 ? 100 : i == 11 ? 101 : 105), WEFT_OK);
}

START_TEST(the_mark_moved_longest_ago_makes_room_when_it_is_a_week_old)
{
    struct wf_cursor c;

    fill(&c);
    ck_assert_int_eq(mark_on(&c, 5000, 106), WEFT_E_TOO_BIG);
    ck_assert_int_eq(mark_on(&c, 5000, 107), WEFT_OK);
    ck_assert_msg(!has_mark(&c, 9) && has_mark(&c, 11), "the oldest goes, and no other");
    ck_assert(has_mark(&c, 5000) && c.mark_count == WF_MAX_CURSOR_MARKS);
    ck_assert_int_eq(mark_on(&c, 5001, 107), WEFT_E_TOO_BIG); // number 11 has a day left
    ck_assert_int_eq(mark_on(&c, 11, 120), WEFT_OK);          // one that is there needs no room
    wf_cursor_fini(&c);
}
END_TEST

// What an application kept of a mark that was forgotten since comes back with the others.
START_TEST(rows_of_more_origins_than_there_is_room_for_load_with_the_latest_of_them)
{
    struct wf_cursor c, again;
    struct wf_cursor_row row;

    fill(&c);
    struct wf_mark old = c.marks[9];
    ck_assert_int_eq(mark_on(&c, 5000, 107), WEFT_OK);
    for (int last = 0; last < 2; last++) { // the old row first, and last
        wf_cursor_init(&again, &product);
        for (size_t i = 0; i < c.mark_count + 1; i++) {
            size_t at = last ? i : i - 1;
            bool is_old = last ? i == c.mark_count : i == 0;
            wf_cursor_mark_row(&c, is_old ? &old : &c.marks[at], &row);
            ck_assert_int_eq(wf_cursor_load_row(&again, wf_bytes(row.key, row.key_len),
                                 wf_bytes(row.value, row.value_len)),
                WEFT_OK);
        }
        ck_assert_uint_eq(again.mark_count, WF_MAX_CURSOR_MARKS);
        ck_assert(!has_mark(&again, 9) && has_mark(&again, 11) && has_mark(&again, 5000));
        wf_cursor_fini(&again);
    }
    wf_cursor_fini(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cursor_room");
    TCase *t = tcase_create("room");

    tcase_add_test(t, the_mark_moved_longest_ago_makes_room_when_it_is_a_week_old);
    tcase_add_test(t, rows_of_more_origins_than_there_is_room_for_load_with_the_latest_of_them);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
