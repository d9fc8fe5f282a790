// SPDX-License-Identifier: Apache-2.0
// verify on either database: what was changed is named; a row that is asked about is proven, or named with the step that failed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"
#include "tests/support/support.h"

START_TEST(verify_names_each_change)
{
    static const struct {
        const char *change, *want;
    } rows[] = {
        { "UPDATE servers_load SET load = load + 1 WHERE _offset = 4", "servers_load 4 load: " },
        { "UPDATE servers_load SET _time = _time + 1 WHERE _offset = 4", "servers_load 4 _time: " },
        { "UPDATE servers_load SET host = NULL WHERE _offset = 4", "servers_load 4 host: " },
        { "DELETE FROM servers_load WHERE _offset = 4", "servers_load 4 : the row is missing" },
        { "UPDATE _batch SET origin = 'x' WHERE \"offset\" = 3", "_batch.origin: " },
        { "UPDATE servers_load SET _batch = 0 WHERE _offset = 5",
            "servers_load 5 _batch: a row without a batch" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *where = pq_rig_place(_i);
        char seen[400] = "";
        struct wf_mon_db *db = NULL;
        struct wf_mon_proof proof = { 0 };
        struct wf_mon_verify what = { .fn = rig_see, .arg = seen };
        fake_reset();
        fake_fill(rig_load(), 3, 3);
        rig_run(where);
        pq_rig_change(where, rows[i].change);
        ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
        ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
        ck_assert_uint_ge(proof.differences, 1);
        ck_assert_msg(strstr(seen, rows[i].want), "%s: %s", rows[i].change, seen);
        wf_mon_db_close(db);
    }
}
END_TEST

// The row with offset 4 is of the second batch, 3 to 5, of web-1.
START_TEST(a_row_that_is_asked_about_is_named_with_the_step_that_failed)
{
    static const struct {
        const char *change, *want;
    } rows[] = {
        { "UPDATE servers_load SET load = load + 1 WHERE _offset = 4", "load: stored" },
        { "DELETE FROM servers_load WHERE _offset = 4", ": the row is missing" },
        { "UPDATE _batch SET header = NULL WHERE \"offset\" = 3", ": its header is not kept" },
        { "UPDATE _batch SET header = payload WHERE \"offset\" = 3",
            ": not proven: the header's signature" },
        { "UPDATE _batch SET payload = header WHERE \"offset\" = 3",
            ": not proven: the stored bytes" },
        { "UPDATE _batch SET chain = chain + 100 WHERE \"offset\" = 3", ": its chain is not kept" },
        { "UPDATE _batch SET schema = 99 WHERE \"offset\" = 3", ": its schema 99 is not kept" },
        { "DELETE FROM _batch WHERE \"offset\" = 3", "_batch: a row without a batch" },
        // A second one beside it, of a batch that is there and has no such record.
        { "INSERT INTO servers_load(_time, _offset, _batch, load) SELECT 5, 4, id, 99 FROM _batch "
          "WHERE \"offset\" = 6",
            "_batch: a row without a batch" },
        { "INSERT INTO servers_load(_time, _offset, load) VALUES(5, 4, 99)",
            "_batch: a row without a batch: NULL" },
        { "UPDATE servers_load SET _batch = (SELECT id FROM _batch WHERE \"offset\" = 6) WHERE "
          "_offset = 4",
            "_batch: a row without a batch" },
        { "UPDATE _table SET kept_from_us = 9000000000000000; DELETE FROM servers_load WHERE "
          "_offset = 4",
            ": the row is older than what is kept" },
    };

    for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
        bool revoked = i == sizeof rows / sizeof *rows;
        const char *where = pq_rig_place(_i),
                   *want =
                       revoked ? ": not proven: the origin's certificate: revoked" : rows[i].want;
        char seen[400] = "";
        struct wf_mon_db *db = NULL;
        struct wf_mon_proof proof = { 0 };
        struct wf_mon_verify what = {
            .table = "servers_load", .offset = 4, .fn = rig_see, .arg = seen
        };
        struct wf_mon_options o = rig_options(where);
        fake_reset();
        fake_fill(rig_load(), 3, 3);
        rig_run(where);
        o.row = "servers_load:4";
        ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
        if (revoked)
            fake_revoked = "web-1";
        else
            pq_rig_change(where, rows[i].change);
        ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
        ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
        wf_mon_db_close(db);
        ck_assert_uint_ge(proof.differences, 1);
        ck_assert_msg(
            strncmp(seen, "servers_load 4 ", 15) == 0 && strstr(seen, want), "%s: %s", want, seen);
        ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
        o.row = "servers_load:1"; // of another batch and host
        ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
        fake_revoked = NULL;
    }
}
END_TEST

// Both products have one schema, and every cell is what was signed: for the other.
START_TEST(a_batch_that_is_filed_under_another_product_is_named)
{
    static const char file_it[] = "UPDATE _batch SET product = 'servers/peak'"
                                  " WHERE product = 'servers/load' AND \"offset\" = 3";
    static const char *const moves[] = {
        file_it,
        "INSERT INTO servers_peak SELECT * FROM servers_load WHERE _offset BETWEEN 3 AND 5",
        "DELETE FROM servers_load WHERE _offset BETWEEN 3 AND 5",
    };
    const char *where = pq_rig_place(_i);
    char seen[400] = "";
    struct wf_mon_db *db = NULL;
    struct wf_mon_proof proof = { 0 };
    struct wf_mon_verify what = { .fn = rig_see, .arg = seen };
    struct wf_mon_options o = rig_options(where);

    fake_fill(rig_load(), 3, 3);
    fake_fill(fake_product("servers/peak", WEFT_METRIC, "load1", "weft.test.Load"), 1, 3);
    rig_run(where);
    o.row = "servers_peak:4";
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1); // no such row
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        pq_rig_change(where, moves[i]);
    ck_assert_int_eq(wf_mon_db_open(where, &db, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
    ck_assert_uint_eq(proof.differences, 1);
    ck_assert_str_eq(seen, "servers_peak -1 _batch.product: stored 'servers/peak', proven "
                           "'servers/load'");
    what.table = "servers_peak";
    what.offset = 4;
    ck_assert_int_eq(wf_mon_prove(db, &what, &proof), WEFT_OK);
    ck_assert_uint_eq(proof.differences, 1);
    wf_mon_db_close(db);
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 1);
    o.row = "servers_peak:1"; // its own
    ck_assert_int_eq(wf_mon_cmd_verify(&o), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_audit");
    TCase *c = tcase_create("each");
    const int back_ends = pq_rig_start() ? 2 : 1;

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 100);
    tcase_add_loop_test(c, verify_names_each_change, 0, back_ends);
    tcase_add_loop_test(
        c, a_row_that_is_asked_about_is_named_with_the_step_that_failed, 0, back_ends);
    tcase_add_loop_test(c, a_batch_that_is_filed_under_another_product_is_named, 0, back_ends);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pq_rig_stop();
    return failed != 0;
}
