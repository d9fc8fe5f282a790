// SPDX-License-Identifier: Apache-2.0
// The fold of an inventory's log: what puts, deletes and snapshots make of the rows, whose row is whose, where the fold stands, and what
// a restart, another schema and a damaged file do to it.
#include "tests/node/fold_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static void set_up(void)
{
    fixture_up("fold.db");
}

static const char *rows(void)
{
    commit();
    return ask("SELECT _origin, name, serial, version FROM assets ORDER BY 1, 2, 3");
}

static void put(const char *name, const char *version)
{
    char json[200];

    snprintf(
        json, sizeof json, "{\"name\":\"%s\",\"serial\":\"1\",\"version\":\"%s\"}", name, version);
    add(WF_OP_PUT, json);
}

START_TEST(puts_replace_and_deletes_remove_by_key)
{
    put("a", "1");
    put("b", "1");
    put("a", "2");
    add(WF_OP_PUT,
        "{\"name\":\"a\",\"serial\":\"2\",\"version\":\"1\"}"); // the other half of the key
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,a,1,2;web-1,a,2,1;web-1,b,1,1");
    add(WF_OP_DELETE, "{\"name\":\"a\",\"serial\":\"1\"}");
    add(WF_OP_DELETE, "{\"name\":\"nobody\",\"serial\":\"1\"}");
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,a,2,1;web-1,b,1,1");
}
END_TEST

// "ab","c" and "a","bc" are different keys, and so are a name that looks like an origin and an origin.
START_TEST(keys_never_run_into_each_other)
{
    add(WF_OP_PUT, "{\"name\":\"web-1\",\"serial\":\"1\"}");
    add(WF_OP_PUT, "{\"name\":\"web\",\"serial\":\"3255307777713450285\"}"); // "-1------"
    add(WF_OP_PUT, "{\"name\":\"\",\"serial\":\"1\"}");
    add(WF_OP_PUT, "{\"name\":\"\",\"serial\":\"18446744073709551615\"}");
    entry("web-1");
    add(WF_OP_PUT, "{\"name\":\"web-1\",\"serial\":\"1\"}");
    entry("web");
    commit();
    ck_assert_str_eq(ask("SELECT count(*) FROM assets"), "5");
}
END_TEST

START_TEST(an_origin_writes_and_deletes_only_its_own_rows)
{
    put("a", "of-1");
    entry("web-1");
    put("a", "of-2");
    entry("web-2");
    ck_assert_str_eq(rows(), "web-1,a,1,of-1;web-2,a,1,of-2");
    add(WF_OP_DELETE, "{\"name\":\"a\",\"serial\":\"1\"}");
    entry("web-2");
    ck_assert_str_eq(rows(), "web-1,a,1,of-1");
    add(WF_OP_SNAPSHOT_BEGIN, NULL);
    add(WF_OP_SNAPSHOT_END, NULL);
    entry("web-2");
    ck_assert_str_eq(rows(), "web-1,a,1,of-1");
}
END_TEST

START_TEST(shared_rows_have_one_owner_at_a_time)
{
    wf_fold_close(fold);
    unlink(path);
    product.rows_shared = true;
    fold_open();
    put("a", "of-1");
    put("b", "of-1");
    entry("web-1");
    put("a", "of-2");
    entry("web-2");
    ck_assert_str_eq(rows(), "web-1,b,1,of-1;web-2,a,1,of-2");
    add(WF_OP_DELETE, "{\"name\":\"b\",\"serial\":\"1\"}");
    entry("web-2");
    ck_assert_str_eq(rows(), "web-2,a,1,of-2");
    add(WF_OP_SNAPSHOT_BEGIN, NULL); // of web-1: what web-2 wrote meanwhile stays
    put("c", "of-1");
    add(WF_OP_SNAPSHOT_END, NULL);
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,c,1,of-1;web-2,a,1,of-2");
}
END_TEST

// What a snapshot does not name is gone at its end, not before; a snapshot that never ended takes nothing away.
START_TEST(a_snapshot_replaces_the_origins_rows_at_its_end)
{
    put("a", "1");
    put("b", "1");
    entry("web-1");
    add(WF_OP_SNAPSHOT_BEGIN, NULL);
    put("b", "2");
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,a,1,1;web-1,b,1,2");
    put("c", "2");
    add(WF_OP_SNAPSHOT_END, NULL);
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,b,1,2;web-1,c,1,2");
    add(WF_OP_SNAPSHOT_BEGIN, NULL); // cut off, then begun anew
    put("d", "3");
    entry("web-1");
    add(WF_OP_SNAPSHOT_BEGIN, NULL);
    put("e", "4");
    add(WF_OP_SNAPSHOT_END, NULL);
    put("f", "4"); // after it
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,e,1,4;web-1,f,1,4");
    add(WF_OP_SNAPSHOT_END, NULL); // of nothing
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,e,1,4;web-1,f,1,4");
}
END_TEST

START_TEST(coverage_tells_each_origins_last_entry_and_snapshot)
{
    struct wf_fold_query q = query_of("SELECT 1 FROM assets");
    struct wf_fold_result r;

    put("a", "1");
    put("b", "1");
    entry("web-1");
    add(WF_OP_SNAPSHOT_BEGIN, NULL);
    add(WF_OP_SNAPSHOT_END, NULL);
    entry("web-2");
    commit();
    ck_assert_int_eq(wf_fold_run(&q, &r, NULL), WEFT_OK);
    ck_assert_uint_eq(r.origin_count, 2);
    ck_assert_str_eq(r.origins[0].origin, "web-1");
    ck_assert_uint_eq(r.origins[0].rows, 2);
    ck_assert_int_eq(r.origins[0].last_ms, NOW_MS);
    ck_assert_int_eq(r.origins[0].snapshot_ms, 0); // never took one: the answer is partial
    ck_assert_str_eq(r.origins[1].origin, "web-2");
    ck_assert_uint_eq(r.origins[1].rows, 0);
    ck_assert_int_eq(r.origins[1].snapshot_ms, NOW_MS);
    ck_assert_uint_eq(r.offset, 4);
    ck_assert(wf_incarnation_eq(&r.log_id, &log_id));
    wf_fold_result_fini(&r);
}
END_TEST

START_TEST(values_arrive_as_what_they_are)
{
    add(WF_OP_PUT, "{\"name\":\"n\",\"serial\":\"18446744073709551615\",\"size\":\"-"
                   "9223372036854775808\",\"load\":0.25,"
                   "\"up\":true,\"state\":\"STATE_OLD\",\"blob\":\"AAFi\",\"tags\":[\"x\",\"y\"],"
                   "\"place\":{\"room\":\"r1\"}}");
    add(WF_OP_PUT, "{\"name\":\"m\",\"serial\":\"5\",\"note\":\"\"}");
    entry("web-1");
    commit();
    ck_assert_str_eq(
        ask("SELECT serial,size,load,up,state,hex(blob),tags,place,note,typeof(serial) FROM "
            "assets WHERE name='n'"),
        "18446744073709551615,-9223372036854775808,0.25,1,STATE_OLD,000162,[\"x\",\"y\"],{\"room\":"
        "\"r1\"},"
        "null,text");
    // Without presence a field is its default, with it absence shows.
    ck_assert_str_eq(
        ask("SELECT serial,size,load,up,state,quote(note),place,_domain,_origin,_age_s FROM "
            "assets WHERE name='m'"),
        "5,0,0,0,STATE_UNSPECIFIED,'',null,servers,web-1,5");
}
END_TEST

START_TEST(a_record_that_does_not_fit_is_passed_over_alone)
{
    static const uint8_t rubbish[] = { 0x0a, 0x7f, 'x' }; // host: 127 bytes announced, one there

    put("a", "1");
    ck_assert_int_eq(
        wf_records_put(&records, WF_OP_PUT, NOW_MS * 1000, WF_BYTES(rubbish)), WEFT_OK);
    put("b", "1");
    entry("web-1");
    ck_assert_str_eq(rows(), "web-1,a,1,1;web-1,b,1,1");
    ck_assert_uint_eq(next_offset, 3);
}
END_TEST

static uint64_t stands_at(void)
{
    struct wf_incarnation log;
    uint64_t at = 0;

    wf_fold_position(fold, &log, &at);
    return at;
}

START_TEST(a_restart_goes_on_where_the_last_commit_stood)
{
    put("a", "1");
    entry("web-1");
    commit();
    put("b", "1");
    entry("web-1"); // not committed: the process dies here
    wf_fold_close(fold);
    fold_open();
    ck_assert_uint_eq(stands_at(), 1);
    ck_assert_str_eq(rows(), "web-1,a,1,1");
    put("b", "1");
    ck_assert_int_eq(entry_at("web-1", 1), WEFT_OK); // the log has it still
    ck_assert_str_eq(rows(), "web-1,a,1,1;web-1,b,1,1");
    ck_assert_uint_eq(stands_at(), 2);
}
END_TEST

// The same entry twice, or one that was folded in part, changes nothing that came after.
START_TEST(folding_an_entry_again_does_nothing)
{
    put("a", "1");
    put("a", "2");
    entry("web-1");
    add(WF_OP_DELETE, "{\"name\":\"a\",\"serial\":\"1\"}");
    entry("web-1");
    commit();
    put("a", "1");
    put("a", "2");
    ck_assert_int_eq(entry_at("web-1", 0), WEFT_OK);
    ck_assert_str_eq(rows(), "");
    ck_assert_uint_eq(stands_at(), 3); // never back
}
END_TEST

START_TEST(entries_without_rows_move_the_position_on)
{
    put("a", "1");
    entry("web-1");
    wf_fold_pass(fold, &log_id, 41); // a loss of forty records
    commit();
    ck_assert_uint_eq(stands_at(), 41);
    wf_fold_pass(fold, &log_id, 5);
    ck_assert_uint_eq(stands_at(), 41);
    struct wf_fold_query q = query_of("SELECT 1 FROM assets");
    struct wf_fold_result r;
    ck_assert_int_eq(wf_fold_run(&q, &r, NULL), WEFT_OK);
    ck_assert_uint_eq(r.offset, 41);
    wf_fold_result_fini(&r);
}
END_TEST

START_TEST(a_cleared_fold_is_as_new)
{
    put("a", "1");
    entry("web-1");
    commit();
    ck_assert_int_eq(wf_fold_clear(fold), WEFT_OK);
    ck_assert_uint_eq(stands_at(), 0);
    ck_assert_str_eq(ask("SELECT count(*) FROM assets"), "0");
    put("b", "1");
    ck_assert_int_eq(entry_at("web-1", 0), WEFT_OK);
    ck_assert_str_eq(rows(), "web-1,b,1,1");
}
END_TEST

START_TEST(a_file_that_cannot_be_used_is_made_anew)
{
    put("a", "1");
    entry("web-1");
    commit();
    wf_fold_close(fold);
    if (_i == 0) { // another schema
        product.schema_hash.b[0] ^= 1;
    } else { // rubbish
        FILE *f = fopen(path, "r+");
        ck_assert_ptr_nonnull(f);
        for (int i = 0; i < 8192; i++)
            fputc(0x5a, f);
        fclose(f);
    }
    fold_open();
    ck_assert_uint_eq(stands_at(), 0);
    put("b", "1");
    ck_assert_int_eq(entry_at("web-1", 0), WEFT_OK);
    ck_assert_str_eq(rows(), "web-1,b,1,1");
}
END_TEST

START_TEST(the_file_is_its_owners_alone)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(without_memory_nothing_is_half_open)
{
    struct wf_fold_conf conf = { path, &product, asset() };
    struct wf_fold *f = NULL;
    long nth = 1;
    enum weft_err err = WEFT_E_NOMEM;

    wf_fold_close(fold);
    fold = NULL;
    for (; err; nth++) {
        wf_test_fail_alloc(nth);
        err = wf_fold_open(&conf, &f, NULL);
        wf_test_fail_alloc(-1);
        ck_assert_msg(!err || err == WEFT_E_NOMEM, "%ld: %s", nth, weft_err_name(err));
    }
    ck_assert_int_gt(nth, 3);
    wf_fold_close(f);
    fold_open();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.inventory");
    TCase *tc = tcase_create("fold");

    tcase_add_checked_fixture(tc, set_up, fixture_down);
    tcase_add_test(tc, puts_replace_and_deletes_remove_by_key);
    tcase_add_test(tc, keys_never_run_into_each_other);
    tcase_add_test(tc, an_origin_writes_and_deletes_only_its_own_rows);
    tcase_add_test(tc, shared_rows_have_one_owner_at_a_time);
    tcase_add_test(tc, a_snapshot_replaces_the_origins_rows_at_its_end);
    tcase_add_test(tc, coverage_tells_each_origins_last_entry_and_snapshot);
    tcase_add_test(tc, values_arrive_as_what_they_are);
    tcase_add_test(tc, a_record_that_does_not_fit_is_passed_over_alone);
    tcase_add_test(tc, a_restart_goes_on_where_the_last_commit_stood);
    tcase_add_test(tc, folding_an_entry_again_does_nothing);
    tcase_add_test(tc, entries_without_rows_move_the_position_on);
    tcase_add_test(tc, a_cleared_fold_is_as_new);
    tcase_add_loop_test(tc, a_file_that_cannot_be_used_is_made_anew, 0, 2);
    tcase_add_test(tc, the_file_is_its_owners_alone);
    tcase_add_test(tc, without_memory_nothing_is_half_open);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
