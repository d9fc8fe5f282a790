// SPDX-License-Identifier: Apache-2.0
// The replay window: its edges, and a long random run against a plain list of what was seen.
#include <check.h>
#include <stdlib.h>

#include "proto/session/window.h"
#include "tests/support/support.h"

#define W WF_REPLAY_WINDOW

// Checks and, like a message that decrypts, marks.
static enum weft_err take(struct wf_window *w, uint64_t nonce)
{
    enum weft_err err = wf_window_check(w, nonce);

    if (!err)
        wf_window_mark(w, nonce);
    return err;
}

static const struct step {
    const char *why;
    uint64_t nonces[8]; // the last one is judged, the others are taken; ends with END
    enum weft_err want;
} steps[] = {
#define END UINT64_MAX
    { "the first nonce", { 0, END }, WEFT_OK },
    { "the first nonce twice", { 0, 0, END }, WEFT_E_REPLAY },
    { "a start in the middle", { 5000, END }, WEFT_OK },
    { "before a start in the middle", { 5000, 4999, END }, WEFT_OK },
    { "reordered by one", { 0, 2, 1, END }, WEFT_OK },
    { "reordered, then again", { 0, 2, 1, 1, END }, WEFT_E_REPLAY },
    { "the oldest nonce of the window", { W - 1, 0, END }, WEFT_OK },
    { "one older than the window", { W, 0, END }, WEFT_E_REPLAY },
    { "the oldest after a jump", { 10, 10 + 10 * W, 10 + 9 * W + 1, END }, WEFT_OK },
    { "one older after a jump", { 10, 10 + 10 * W, 10 + 9 * W, END }, WEFT_E_REPLAY },
    { "an old bit does not survive a jump of one window", { 7, 7 + W + 64, 8 + 64, END }, WEFT_OK },
    { "a slot used again by a later word", { 64, 64 + 33 * 64, 64 + 33 * 64 - 2047, END },
        WEFT_OK },
    { "a jump beyond all words", { 3, 3 + 100 * W, 3 + 100 * W - 1, END }, WEFT_OK },
    { "the highest nonce in use", { UINT64_MAX - (1u << 13) - 1, END }, WEFT_OK },
    { "the highest twice", { UINT64_MAX - (1u << 13) - 1, UINT64_MAX - (1u << 13) - 1, END },
        WEFT_E_REPLAY },
    { "its window's end", { UINT64_MAX - (1u << 13) - 1, UINT64_MAX - (1u << 13) - W, END },
        WEFT_OK },
    { "beyond its window's end",
        { UINT64_MAX - (1u << 13) - 1, UINT64_MAX - (1u << 13) - W - 1, END }, WEFT_E_REPLAY },
    { "from 0 to the highest", { 0, UINT64_MAX - (1u << 13) - 1, 0, END }, WEFT_E_REPLAY },
};

START_TEST(each_edge_has_its_verdict)
{
    const struct step *s = &steps[_i];
    struct wf_window w = { 0 };
    const uint64_t *n = s->nonces;

    for (; n[1] != END; n++)
        ck_assert_int_eq(take(&w, *n), WEFT_OK);
    ck_assert_msg(take(&w, *n) == s->want, "%s", s->why);
}
END_TEST

START_TEST(a_check_alone_changes_nothing)
{
    struct wf_window w = { 0 }, before = { 0 };

    ck_assert_int_eq(wf_window_check(&w, 1u << 20), WEFT_OK);
    ck_assert_mem_eq(&w, &before, sizeof w);
}
END_TEST

START_TEST(every_nonce_of_a_full_window_is_taken_once_in_any_order)
{
    struct wf_window w = { 0 };

    ck_assert_int_eq(take(&w, W), WEFT_OK);
    for (uint64_t n = W; n-- > 1;)
        ck_assert_int_eq(take(&w, n), WEFT_OK);
    for (uint64_t n = 0; n <= W; n++)
        ck_assert_int_eq(take(&w, n), WEFT_E_REPLAY);
}
END_TEST

START_TEST(a_long_random_run_agrees_with_a_plain_list)
{
    enum { COUNT = 200000, SPAN = 3 * W };
    uint8_t *seen = calloc(1, COUNT + SPAN + 1);
    struct wf_window w = { 0 };
    uint64_t seed = 42, top = 0;
    bool any = false;

    ck_assert_ptr_nonnull(seen);
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t nonce = i + wf_test_rand(&seed) % SPAN;
        bool old = any && nonce <= top && top - nonce >= W;
        enum weft_err want = old || seen[nonce] ? WEFT_E_REPLAY : WEFT_OK;
        ck_assert_msg(take(&w, nonce) == want, "step %llu", (unsigned long long)i);
        seen[nonce] = 1;
        if (!any || nonce > top)
            top = nonce;
        any = true;
    }
    free(seen);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("window");
    TCase *t = tcase_create("window");

    tcase_add_loop_test(t, each_edge_has_its_verdict, 0, WF_COUNT(steps));
    tcase_add_test(t, a_check_alone_changes_nothing);
    tcase_add_test(t, every_nonce_of_a_full_window_is_taken_once_in_any_order);
    tcase_add_test(t, a_long_random_run_agrees_with_a_plain_list);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
