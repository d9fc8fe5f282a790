// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/support/countstore.h"
#include "tests/support/registry.h"

static struct wf_test_mesh mesh;
static char path[512];

static void setup(void)
{
    static int number;
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    snprintf(path, sizeof path, "%s/registry-%d.db", wf_test_tmpdir(), ++number);
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

static struct wf_store *open_store(int which)
{
    struct wf_store *s = NULL;
    enum weft_err err = which ? wf_store_sqlite_open(path, &s, NULL) : wf_store_mem_new(&s);

    ck_assert_int_eq(err, WEFT_OK);
    return s;
}

struct seen {
    int count;
    struct wf_hash last;
};

static enum weft_err see(void *arg, const struct wf_store_row *row)
{
    struct seen *s = arg;

    s->count++;
    s->last = row->id;
    return WEFT_OK;
}

static struct wf_store_row row_of(const char *name, const char *label)
{
    struct wf_store_row r = { .kind = WF_ENTRY_HOME, .id = wf_test_hash(label), .expires_ms = 5 };

    ck_assert_int_eq(wf_name_from(WF_STR("servers"), &r.domain), WEFT_OK);
    ck_assert_int_eq(wf_name_from(wf_bytes_str(name), &r.name), WEFT_OK);
    r.raw = wf_bytes_str(label);
    return r;
}

START_TEST(a_store_replaces_by_key_and_removes)
{
    struct wf_store *s = open_store(_i);
    struct wf_store_row a = row_of("cpu", "one"), b = row_of("cpu", "two"), c = row_of("mem", "x");
    struct seen seen = { 0 };

    ck_assert_int_eq(s->ops->put(s, &a), WEFT_OK);
    ck_assert_int_eq(s->ops->put(s, &b), WEFT_OK);
    ck_assert_int_eq(s->ops->load(s, see, &seen), WEFT_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert(wf_hash_eq(&seen.last, &b.id));
    ck_assert_int_eq(s->ops->put(s, &c), WEFT_OK);
    ck_assert_int_eq(s->ops->remove(s, WF_ENTRY_HOME, "servers", "cpu"), WEFT_OK);
    ck_assert_int_eq(s->ops->remove(s, WF_ENTRY_HOME, "servers", "never"), WEFT_OK);
    seen.count = 0;
    ck_assert_int_eq(s->ops->load(s, see, &seen), WEFT_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert(wf_hash_eq(&seen.last, &c.id));
    wf_store_free(s);
}
END_TEST

static void learn_two(struct wf_store *s, struct wf_hash *ret_root)
{
    struct wf_test_entry e = {
        .domain = WF_TEST_SERVERS, .name = "cpu", .term = 1, .sequence = WF_TEST_SEQ
    };
    struct wf_buf node = wf_test_node_advert(&mesh, &e), home = wf_test_home(&mesh, &e);
    struct wf_catalog *c = NULL;
    enum wf_learned l;

    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &c), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_learn(c, WF_ENTRY_NODE, wf_buf_view(&node), mesh.charter, WF_TEST_NOW, &l),
        WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_learn(c, WF_ENTRY_HOME, wf_buf_view(&home), mesh.charter, WF_TEST_NOW, &l),
        WEFT_OK);
    wf_catalog_root(c, ret_root);
    wf_catalog_free(c);
    wf_buf_fini(&node);
    wf_buf_fini(&home);
}

START_TEST(a_catalog_is_the_same_after_a_restart)
{
    struct wf_store *s = open_store(1);
    struct wf_catalog *c = NULL;
    struct wf_hash before, after;
    struct stat st;
    size_t dropped = 9;

    learn_two(s, &before);
    wf_store_free(s);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    s = open_store(1);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, &dropped, &c),
        WEFT_OK);
    wf_catalog_root(c, &after);
    ck_assert(wf_hash_eq(&before, &after));
    ck_assert_uint_eq(dropped, 0);
    wf_catalog_free(c);
    wf_store_free(s);
}
END_TEST

// Damage that SQLite can't see: each way, one row is dropped and the other is there.
static const char *const damages[] = {
    "UPDATE entry SET raw=zeroblob(200) WHERE kind=1",
    "UPDATE entry SET raw=x'' WHERE kind=1",
    "UPDATE entry SET raw=(SELECT raw FROM entry WHERE kind=3) WHERE kind=1",
    "UPDATE entry SET name='No Name' WHERE kind=1",
    "UPDATE entry SET id=x'00' WHERE kind=1",
    "UPDATE entry SET kind=6 WHERE kind=1",
};

START_TEST(a_damaged_row_is_dropped_and_the_rest_stays)
{
    struct wf_store *s = open_store(1);
    struct wf_catalog *c = NULL;
    struct wf_hash root;
    sqlite3 *db = NULL;

    learn_two(s, &root);
    wf_store_free(s);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, damages[_i], NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_changes(db), 1);
    sqlite3_close(db);
    s = open_store(1);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &c), WEFT_OK);
    ck_assert_uint_eq(wf_catalog_count(c), 1);
    ck_assert_ptr_nonnull(wf_catalog_find(c, WF_ENTRY_HOME, "servers", "cpu"));
    wf_catalog_free(c);
    wf_store_free(s);
}
END_TEST

static int rows_on_disk(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM entry", -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int count = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return count;
}

START_TEST(what_is_held_is_written_in_one_piece)
{
    struct countstore s;
    struct wf_catalog *c = NULL;
    enum wf_learned l;

    countstore_init(&s, open_store(1));
    ck_assert_int_eq(
        wf_catalog_new(&s.base, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &c),
        WEFT_OK);
    wf_catalog_hold(c);
    wf_catalog_hold(c); // one in the other
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "p-%d", i);
        struct wf_test_entry e = {
            .domain = WF_TEST_SERVERS, .name = name, .term = 1, .sequence = WF_TEST_SEQ
        };
        struct wf_buf home = wf_test_home(&mesh, &e);
        ck_assert_int_eq(
            wf_catalog_learn(c, WF_ENTRY_HOME, wf_buf_view(&home), mesh.charter, WF_TEST_NOW, &l),
            WEFT_OK);
        wf_buf_fini(&home);
    }
    ck_assert_uint_eq(wf_catalog_count(c), 6); // it counts at once
    ck_assert_int_eq(wf_catalog_release(c), WEFT_OK);
    ck_assert_int_eq(rows_on_disk(), 0);
    ck_assert_uint_eq(s.waits, 0);
    ck_assert_int_eq(wf_catalog_release(c), WEFT_OK);
    ck_assert_int_eq(rows_on_disk(), 6);
    ck_assert_uint_eq(s.waits, 1);
    // Nothing to write is nothing to wait for.
    wf_catalog_hold(c);
    ck_assert_int_eq(wf_catalog_release(c), WEFT_OK);
    ck_assert_uint_eq(s.waits, 1);
    // What expires goes together, too.
    ck_assert_uint_eq(wf_catalog_expire(c, WF_TEST_NOW + 2 * WF_TEST_HOUR), 6);
    ck_assert_int_eq(rows_on_disk(), 0);
    ck_assert_uint_eq(s.waits, 2);
    wf_catalog_free(c);
    wf_store_free(&s.base);
}
END_TEST

START_TEST(a_newer_format_and_a_foreign_file_are_refused)
{
    struct wf_store *s = open_store(1);
    struct wf_diag diag = { 0 };
    sqlite3 *db = NULL;

    wf_store_free(s);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version=7", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert_int_eq(wf_store_sqlite_open(path, &s, &diag), WEFT_E_VERSION);
    ck_assert_msg(strstr(diag.text, "its format is 7, this weft's is 1") &&
                      strstr(diag.text, "start that version here, or restore a backup"),
        "%s", diag.text);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 500; i++)
        fputs("this is not a database ", f);
    fclose(f);
    ck_assert_int_eq(wf_store_sqlite_open(path, &s, &diag), WEFT_E_DAMAGED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_store_replaces_by_key_and_removes, 0, 2);
    tcase_add_test(t, a_catalog_is_the_same_after_a_restart);
    tcase_add_loop_test(t, a_damaged_row_is_dropped_and_the_rest_stays, 0, (int)WF_COUNT(damages));
    tcase_add_test(t, what_is_held_is_written_in_one_piece);
    tcase_add_test(t, a_newer_format_and_a_foreign_file_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
