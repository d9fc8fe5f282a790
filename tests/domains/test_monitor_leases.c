// SPDX-License-Identifier: Apache-2.0
// Leases of products in a PostgreSQL database: to whom a holder gives way, and with which numbers who takes over goes on.
#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"
#include "tests/support/support.h"

static const char *const load = "servers/load";

// A turn of a process: it says that it lives, and claims. True: it holds the product.
static bool turn(struct wf_mon_store *s, const char *product)
{
    const struct wf_mon_beat b = { .pid = 1, .state = "running", .subject = "monitoring/watch" };

    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_beat(s, &b), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    ck_assert_msg(!wf_mon_store_claim(s, &product, 1), "%s", wf_mon_store_problem(s));
    return wf_mon_store_holds(s, product);
}

static void turn_until_held(struct wf_mon_store *s)
{
    for (int turns = 0; turns < 20 && !turn(s, load); turns++)
        ;
    ck_assert(wf_mon_store_holds(s, load));
}

START_TEST(a_holder_gives_way_to_who_lives)
{
    const char *where = pq_rig_where();
    struct wf_mon_store *a = rig_open(where), *b = rig_open(where);

    ck_assert(turn(a, load));
    pq_rig_change(where, "UPDATE _lease SET asked = 'somebody that went'");
    ck_assert(turn(a, load));
    (void)turn(b, "servers/other");
    pq_rig_change(where, "UPDATE _lease SET asked = (SELECT process FROM _monitor WHERE process "
                         "NOT IN (SELECT process FROM _lease WHERE product = 'servers/load')) "
                         "WHERE product = 'servers/load'");
    ck_assert(!turn(a, load));
    wf_mon_store_close(a);
    wf_mon_store_close(b);
}
END_TEST

// Who had the product before counted on meanwhile: what it counted itself is old.
START_TEST(who_takes_a_product_back_counts_on_from_what_is_stored)
{
    const char *where = pq_rig_where();
    struct wf_mon_store *a = rig_open(where), *b = NULL;
    struct fake_product *p = rig_load();

    fake_fill(p, 3, 3);
    ck_assert(turn(a, load));
    rig_store(a, p, 0, 1, true);
    pq_rig_change(where, "UPDATE _lease SET until_ms = 1; UPDATE _monitor SET updated_ms = 1");
    b = rig_open(where);
    turn_until_held(b);
    rig_store(b, p, 1, 2, true);
    ck_assert(!turn(a, load));
    wf_mon_store_close(b);
    turn_until_held(a);
    rig_store(a, p, 2, 3, true);
    wf_mon_store_close(a);
    ck_assert_int_eq(pq_rig_number(where, "SELECT count(*) FROM servers_load"), 9);
    ck_assert_int_eq(pq_rig_number(where, "SELECT records FROM _status"), 9);
    ck_assert_int_eq(pq_rig_number(where, "SELECT batches FROM _status"), 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.monitor_leases");
    TCase *t = tcase_create("all");

    if (!pq_rig_start())
        return WF_TEST_SKIP;
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, fake_reset, fake_reset);
    tcase_add_test(t, a_holder_gives_way_to_who_lives);
    tcase_add_test(t, who_takes_a_product_back_counts_on_from_what_is_stored);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    pq_rig_stop();
    return failed ? 1 : 0;
}
