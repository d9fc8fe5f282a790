// SPDX-License-Identifier: Apache-2.0
// A node backed up and restored, with every allocation, write, sync and read failing in turn (tests/support/fault.h): a backup that was made has
// all that it should, a restore that was made is all of it and on the disk, and what was refused left nothing that stands in the next attempt's way.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/backup/backup.h"
#include "node/join/tickets.h"
#include "node/log/meta.h"
#include "node/restored.h"
#include "sdk/disk.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/iddir.h"
#include "tests/support/support.h"

static struct wf_test_mesh mesh;
static char node[300], file[300], part[300],
    back[300]; // directory, backup, its .part, restored directory
static struct wf_backup_about about;
static struct wf_backup_totals totals;

// ---- a node's directory ------------------------------------------------------------------------------------------------

// Besides its identity; each has its own path as content, the second one more than a piece of the copy.
static const char *const files[] = { "weftd.yaml", "data/log/default/1.seg", "data/meta/p-0a",
    "data/meta/e-0a", "data/documents/0a", "data/products/rows.yaml", "products.d/rows.yaml" };
#define LONG_FILE 1
#define LONG_LEN  (300u * WF_KIB)
static const char *const identity[] = { "data/identity/node.key", "data/identity/chain",
    "data/identity/mesh" };

static const char *in(const char *dir, const char *name)
{
    static char path[4][600];
    static unsigned turn;
    char *at = path[turn++ % 4];

    snprintf(at, sizeof path[0], "%s/%s", dir, name);
    return at;
}

static struct wf_buf content_of(size_t i)
{
    struct wf_buf b = { 0 };

    if (i == 0) // the configuration is looked at
        wf_test_must(wf_buf_append_str(&b, "role: node\ndata: data\nlisten: 127.0.0.1:0\n"));
    do
        wf_test_must(wf_buf_printf(&b, "# %s\n", files[i]));
    while (i == LONG_FILE && b.len < LONG_LEN);
    return b;
}

static void put_files(void)
{
    struct wf_diag diag = { 0 };

    for (size_t i = 0; i < WF_COUNT(files); i++) {
        const char *path = in(node, files[i]);
        char dir[600];
        snprintf(dir, sizeof dir, "%s", path);
        *strrchr(dir, '/') = '\0';
        struct wf_buf content = content_of(i);
        ck_assert_msg(!wf_disk_mkdir(dir, &diag), "%s", diag.text);
        ck_assert_msg(!wf_disk_create(path, wf_buf_view(&content), &diag), "%s", diag.text);
        wf_buf_fini(&content);
    }
}

static const uint8_t ticket_id[WF_TICKET_ID_LEN] = { 9 };

static bool has_ticket(const char *dir)
{
    struct wf_tickets *t = NULL;
    struct wf_ticket_row row;
    struct wf_diag diag = { 0 };

    ck_assert_msg(!wf_tickets_open(in(dir, "data/tickets.db"), &t, &diag), "%s", diag.text);
    enum weft_err err = wf_tickets_get(t, ticket_id, &row);
    wf_tickets_close(t);
    return !err;
}

static void put_ticket(void)
{
    struct wf_ticket_row row = { .kind = WF_ID_AGENT, .uses = 1, .expires_ms = INT64_MAX / 2 };
    struct wf_tickets *t = NULL;
    struct wf_diag diag = { 0 };

    memcpy(row.id, ticket_id, sizeof row.id);
    ck_assert_msg(!wf_tickets_open(in(node, "data/tickets.db"), &t, &diag), "%s", diag.text);
    ck_assert_int_eq(wf_tickets_add(t, &row), WEFT_OK);
    wf_tickets_close(t);
}

static void make_node(void)
{
    const char *tmp = wf_test_tmpdir();

    wf_test_must(wf_crypto_init());
    wf_test_mesh_init(&mesh);
    snprintf(node, sizeof node, "%s/node", tmp);
    snprintf(file, sizeof file, "%s/node.weftbackup", tmp);
    snprintf(part, sizeof part, "%s.part", file);
    snprintf(back, sizeof back, "%s/back", tmp);
    wf_identity_free(
        wf_test_identity_dir(&mesh, WF_TEST_SERVERS, in(node, "data"), wf_test_clock_unix_ms()));
    put_files();
    put_ticket();
}

// ---- what is on the disk -----------------------------------------------------------------------------------------------

static ino_t synced[64]; // directories, since the body began
static size_t synced_count;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        ck_assert_uint_lt(synced_count, WF_COUNT(synced));
        synced[synced_count++] = st.st_ino;
    }
    return __real_fsync(fd);
}

static int check_synced(const char *path, const struct stat *st, int type, struct FTW *at)
{
    size_t i = 0;

    (void)at;
    while (type == FTW_D && i < synced_count && synced[i] != st->st_ino)
        i++;
    ck_assert_msg(type != FTW_D || i < synced_count, "%s was not synced", path);
    return 0;
}

// ---- doing it ----------------------------------------------------------------------------------------------------------

static enum weft_err take(void)
{
    struct wf_backup_from from = { .dir = node, .logs = true, .file = file };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_backup_take(&from, &about, &totals, &diag);

    ck_assert_msg(
        !err || err == WEFT_E_NOMEM || diag.text[0], "%s without a reason", weft_err_name(err));
    return err;
}

static enum weft_err restore(void)
{
    struct wf_backup_to to = { .file = file, .dir = back };
    struct wf_diag diag = { 0 };

    synced_count = 0;
    enum weft_err err = wf_backup_restore(&to, &about, &totals, &diag);

    ck_assert_msg(
        !err || err == WEFT_E_NOMEM || diag.text[0], "%s without a reason", weft_err_name(err));
    return err;
}

// ---- what is there -----------------------------------------------------------------------------------------------------

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void same(const char *name)
{
    struct wf_buf was = wf_test_file(in(node, name)), is = wf_test_file(in(back, name));

    ck_assert_msg(wf_bytes_eq(wf_buf_view(&was), wf_buf_view(&is)), "%s", name);
    wf_buf_fini(&was);
    wf_buf_fini(&is);
}

// All that a backup should have is there as it was; tickets are forgotten, and the first start is told what happened.
static void check_restored(void)
{
    struct wf_identity_dir *id = NULL;
    struct wf_restored restored;
    struct wf_buf mark = { 0 };
    struct wf_diag diag = { 0 };

    for (size_t i = 0; i < WF_COUNT(files); i++)
        same(files[i]);
    for (size_t i = 0; i < WF_COUNT(identity); i++)
        same(identity[i]);
    ck_assert_msg(
        !wf_identity_load(in(back, "data"), wf_test_clock_unix_ms(), &id, &diag), "%s", diag.text);
    ck_assert(id->has_chain);
    wf_identity_free(id);
    ck_assert(has_ticket(node));
    ck_assert(!has_ticket(back));
    ck_assert_int_eq(
        wf_meta_get(&wf_vfs_posix, in(back, "data/meta"), WF_RESTORED_META, &mark), WEFT_OK);
    ck_assert_int_eq(wf_restored_take(wf_buf_view(&mark), &restored), WEFT_OK);
    ck_assert(restored.waits && restored.backup_ms == about.created_ms);
    wf_buf_fini(&mark);
    ck_assert_str_eq(about.node, "node-1");
    ck_assert(about.logs);
    ck_assert_int_eq(nftw(back, check_synced, 16, FTW_PHYS), 0); // no name is lost with the power
}

static void remove_restored(void)
{
    wf_test_empty(back);
    ck_assert_int_eq(rmdir(back), 0);
}

static void begin(void)
{
    if (!node[0])
        make_node();
}

// Made: it is whole. Refused: nothing is left of it, and it can be made.
static void end_backup(enum weft_err err)
{
    ck_assert(!is_there(part));
    if (err) {
        ck_assert_msg(!is_there(file), "refused (%s) and there", weft_err_name(err));
        ck_assert_int_eq(take(), WEFT_OK);
    }
    ck_assert_int_eq(restore(), WEFT_OK);
    check_restored();
    remove_restored();
    ck_assert_int_eq(remove(file), 0);
}

static void begin_restore(void)
{
    begin();
    if (!is_there(file))
        ck_assert_int_eq(take(), WEFT_OK);
}

static void end_restore(enum weft_err err)
{
    if (err) {
        ck_assert_msg(!is_there(back), "refused (%s) and there", weft_err_name(err));
        ck_assert_int_eq(restore(), WEFT_OK);
    }
    check_restored();
    remove_restored();
}

#define DISK (1u << WF_FAULT_WRITE | 1u << WF_FAULT_SYNC)

// Somebody's directory, with a file in it.
static void begin_used(void)
{
    struct wf_diag diag = { 0 };

    begin_restore();
    ck_assert_int_eq(wf_disk_mkdir(back, &diag), WEFT_OK);
    ck_assert_int_eq(wf_disk_create(in(back, "mine"), WF_STR("mine"), &diag), WEFT_OK);
}

static enum weft_err restore_over(void)
{
    enum weft_err err = restore();

    ck_assert_int_ne(err, WEFT_OK);
    return err == WEFT_E_EXISTS ? WEFT_OK : err;
}

static void end_used(enum weft_err err)
{
    (void)err;
    ck_assert(is_there(in(back, "mine")));
    remove_restored();
}

static const struct wf_scenario scenarios[] = {
    { "node backup", 0, begin, take, end_backup, .must_tell = DISK },
    // SQLite does not tell that the directory of its log was not synced; it is synced once more.
    { "node restore", 0, begin_restore, restore, end_restore, .must_tell = 1u << WF_FAULT_WRITE },
    { "node restore into a directory in use", 1u << WF_FAULT_READ, begin_used, restore_over,
        end_used },
};

START_TEST(what_was_made_is_whole_and_what_was_refused_is_gone)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main("node.fault_backup", what_was_made_is_whole_and_what_was_refused_is_gone,
        WF_COUNT(scenarios), 300);
}
