// SPDX-License-Identifier: Apache-2.0
// Every allocation of each room's open fails once: an error with nothing left behind, and then the room opens on the same files.
#include <check.h>
#include <stdlib.h>

#include "tests/support/noderig.h"

#define MOST 4000 // allocations of one open, by far

static struct wf_noderig rig;

static enum weft_err open_failing(size_t room, long nth)
{
    struct wf_diag diag = { 0 };

    wf_test_fail_alloc(nth);
    enum weft_err err = wf_noderig_rooms[room]->open(&rig.node, &diag);
    wf_test_fail_alloc(-1);
    return err;
}

// A failed open is closed as weftd closes it. An open that did without what failed is closed as well, and the next allocation fails,
// until there is none to fail. Threads that a room starts allocate too, so which allocation is the nth may vary.
static void open_room(size_t room)
{
    const char *name = wf_noderig_rooms[room]->name;
    long failed = 0;

    for (long n = 1; n < MOST; n++) {
        enum weft_err err = open_failing(room, n);
        if (!err && wf_test_alloc_count() < n) {
            ck_assert_msg(failed > 0, "%s: nothing failed", name);
            return;
        }
        ck_assert_msg(
            !err || err == WEFT_E_NOMEM, "%s, allocation %ld: %s", name, n, weft_err_name(err));
        failed += err != WEFT_OK;
        wf_noderig_close(&rig, room);
    }
    ck_abort_msg("%s: no end of allocations", name);
}

START_TEST(a_room_opens_whole_or_not_at_all)
{
    wf_noderig_init(&rig);
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        open_room(i);
    for (size_t i = WF_NODERIG_ROOMS; i > 0; i--)
        wf_noderig_close(&rig, i - 1);
    wf_noderig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rooms_oom");
    TCase *t = tcase_create("open");

    tcase_add_test(t, a_room_opens_whole_or_not_at_all);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
