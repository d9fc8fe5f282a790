// SPDX-License-Identifier: Apache-2.0
// The book's file, its transactions, places, origins and baselines. See book.h.
#include "domains/monitoring/alert/book_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/monitoring/common/code_sqlite.h"

#define APPLICATION 0x77656661 // "wefa"
#define VERSION     2
#define BUSY_MS     50 // a lock of somebody's is not waited for: the next turn tries again
#define PATIENT_MS  5000

static const char tables_sql[] =
    "CREATE TABLE alert(id TEXT PRIMARY KEY, rule TEXT, product TEXT, severity INTEGER, state "
    "INTEGER, series BLOB, labels BLOB, summary TEXT, description TEXT, runbook TEXT, detail TEXT, "
    "value REAL, since_ms INTEGER, fired_ms INTEGER, resolved_ms INTEGER, updated_ms INTEGER, "
    "episode INTEGER, told INTEGER, told_ms INTEGER, "
    "began_product TEXT, began_origin TEXT, began_offset INTEGER, began_ms INTEGER, "
    "fired_product TEXT, fired_origin TEXT, fired_offset INTEGER, fired_time_ms INTEGER, "
    "last_product TEXT, last_origin TEXT, last_offset INTEGER, last_ms INTEGER, by TEXT, published "
    "INTEGER, rule_id INTEGER) WITHOUT ROWID;"
    "CREATE TABLE taken(product TEXT PRIMARY KEY, hash TEXT, version TEXT, by TEXT, text TEXT, "
    "taken_ms INTEGER, seen_ms INTEGER, rules INTEGER, problem TEXT) WITHOUT ROWID;"
    "CREATE TABLE outbox(n INTEGER PRIMARY KEY, op INTEGER, time_ms INTEGER, json TEXT);"
    "CREATE TABLE publisher(id INTEGER PRIMARY KEY CHECK(id = 1), key BLOB, product TEXT, next "
    "INTEGER, snapshot_ms INTEGER, lost INTEGER);"
    "CREATE TABLE ack(id TEXT PRIMARY KEY, episode INTEGER, at_ms INTEGER, until_ms INTEGER, by "
    "TEXT, note TEXT) WITHOUT ROWID;"
    "CREATE TABLE silence(id INTEGER PRIMARY KEY AUTOINCREMENT, match TEXT, begins_ms INTEGER, "
    "ends_ms INTEGER, by TEXT, note TEXT);"
    "CREATE TABLE place(product TEXT PRIMARY KEY, next INTEGER, append_ms INTEGER) WITHOUT ROWID;"
    "CREATE TABLE heard(product TEXT, origin TEXT, append_ms INTEGER, PRIMARY KEY(product, "
    "origin)) WITHOUT ROWID;"
    "CREATE TABLE baseline(series INTEGER, slot INTEGER, bytes BLOB, PRIMARY KEY(series, slot)) "
    "WITHOUT ROWID;"
    "CREATE TABLE beat(id INTEGER PRIMARY KEY CHECK(id = 1), pid INTEGER, started_ms INTEGER, "
    "updated_ms INTEGER, rules INTEGER, series INTEGER, bytes INTEGER, records INTEGER, refused "
    "INTEGER, late INTEGER, state TEXT, problem TEXT, sql_bytes INTEGER, sql_most INTEGER);";

// ---- errors and statements -------------------------------------------------------------------------------------------------

static enum weft_err fail(struct wf_book *b, int rc)
{
    enum weft_err err = wf_mon_sqlite_code(rc);

    if (err)
        snprintf(b->problem, sizeof b->problem, "alerts: %s",
            b->db ? sqlite3_errmsg(b->db) : sqlite3_errstr(rc));
    return err;
}

static int bind(sqlite3_stmt *st, int at, const struct wf_bind *v)
{
    switch (v->type) {
    case 't':
        return sqlite3_bind_text(st, at, v->ptr, -1, SQLITE_TRANSIENT);
    case 'b':
        return sqlite3_bind_blob(st, at, v->len ? v->ptr : "", (int)v->len, SQLITE_TRANSIENT);
    case 'r':
        return sqlite3_bind_double(st, at, v->real);
    default:
        return sqlite3_bind_int64(st, at, v->integer);
    }
}

enum weft_err wf_book_prepare(
    struct wf_book *b, const char *sql, const struct wf_bind *values, sqlite3_stmt **ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(b->db, sql, -1, &st, NULL);

    for (int i = 0; rc == SQLITE_OK && values && values[i].type; i++)
        rc = bind(st, i + 1, &values[i]);
    if (rc != SQLITE_OK) {
        sqlite3_finalize(st);
        return fail(b, rc);
    }
    *ret = st;
    return WEFT_OK;
}

enum weft_err wf_book_step(struct wf_book *b, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    return rc == SQLITE_ROW ? WEFT_OK : rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(b, rc);
}

enum weft_err wf_book_run(struct wf_book *b, const char *sql, const struct wf_bind *values)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_book_prepare(b, sql, values, &st);

    if (!err)
        err = wf_book_step(b, st);
    sqlite3_finalize(st);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

void wf_book_text(sqlite3_stmt *st, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(st, column);

    snprintf(out, size, "%s", text ? text : "");
}

const char *wf_book_problem(const struct wf_book *b)
{
    return b->problem;
}

// ---- the file ---------------------------------------------------------------------------------------------------------------

static enum weft_err lock_file(struct wf_book *b, const char *path)
{
    char name[4200];

    snprintf(name, sizeof name, "%s-lock", path);
    b->lock_fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (b->lock_fd < 0)
        return WEFT_E_IO;
    if (flock(b->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return WEFT_OK;
    snprintf(b->problem, sizeof b->problem, "%.200s: another weft-monitor alert uses it", path);
    return WEFT_E_IN_USE;
}

// Made with its mode before SQLite writes to it: it holds what was granted to this identity.
static enum weft_err check_file(struct wf_book *b, const char *path, enum wf_book_mode mode)
{
    struct stat st;
    int flags = (mode == WF_BOOK_KEEP ? O_CREAT : 0) | O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0600);

    if (fd < 0) {
        snprintf(b->problem, sizeof b->problem, "%.200s: %s", path, strerror(errno));
        return errno == ENOENT ? WEFT_E_NOT_FOUND : errno == EACCES ? WEFT_E_PERMISSION : WEFT_E_IO;
    }
    bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0;
    close(fd);
    if (ours)
        return WEFT_OK;
    snprintf(b->problem, sizeof b->problem, "%.200s: others may read it; want mode 0600", path);
    return WEFT_E_FILE_MODE;
}

static enum weft_err number_of(struct wf_book *b, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_book_prepare(b, sql, NULL, &st);

    if (!err)
        err = wf_book_step(b, st);
    if (!err)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return err;
}

static enum weft_err make_tables(struct wf_book *b)
{
    char pragmas[96];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
        APPLICATION, VERSION);
    int rc = sqlite3_exec(b->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(b->db, tables_sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(b->db, pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL);
    return fail(b, rc);
}

static enum weft_err check_tables(struct wf_book *b, const char *path, enum wf_book_mode mode)
{
    int64_t application = 0, version = 0;
    enum weft_err err = number_of(b, "PRAGMA application_id", &application);

    if (!err)
        err = number_of(b, "PRAGMA user_version", &version);
    if (err || (application == APPLICATION && version == VERSION))
        return err;
    if (application == 0 && version == 0 && mode == WF_BOOK_KEEP) {
        int64_t tables = 1;
        err = number_of(b, "SELECT count(*) FROM sqlite_master", &tables);
        if (err || tables == 0)
            return err ? err : make_tables(b);
    }
    snprintf(b->problem, sizeof b->problem,
        "%.200s: not alerts of this program, or of another version", path);
    return WEFT_E_VERSION;
}

static enum weft_err open_file(struct wf_book *b, const char *path, enum wf_book_mode mode)
{
    // Who only looks may still have to undo what a killed process left half done.
    int rc = sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(b->db, PATIENT_MS);
    if (rc == SQLITE_OK && mode != WF_BOOK_LOOK)
        rc = sqlite3_exec(
            b->db, "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL;", NULL, NULL, NULL);
    if (rc == SQLITE_OK && mode == WF_BOOK_LOOK)
        rc = sqlite3_exec(b->db, "PRAGMA query_only=1", NULL, NULL, NULL);
    enum weft_err err = fail(b, rc);
    if (!err)
        err = check_tables(b, path, mode);
    if (!err && mode == WF_BOOK_KEEP)
        sqlite3_busy_timeout(b->db, BUSY_MS);
    return err;
}

enum weft_err wf_book_open(
    const char *path, enum wf_book_mode mode, struct wf_book **ret, struct weft_problem *problem)
{
    struct wf_book *b = calloc(1, sizeof *b);
    enum weft_err err = b ? WEFT_OK : WEFT_E_NOMEM;

    if (b)
        b->lock_fd = -1;
    if (!err && mode == WF_BOOK_KEEP)
        err = lock_file(b, path);
    if (!err)
        err = check_file(b, path, mode);
    if (!err)
        err = open_file(b, path, mode);
    if (!err) {
        *ret = b;
        return WEFT_OK;
    }
    if (problem) {
        *problem = (struct weft_problem){ .err = err };
        snprintf(problem->text, sizeof problem->text, "%s",
            b && b->problem[0] ? b->problem : weft_err_text(err));
        if (err == WEFT_E_NOT_FOUND)
            snprintf(problem->hint, sizeof problem->hint,
                "weft-monitor alert --rules FILE makes it; another place: --alerts FILE");
    }
    wf_book_close(b);
    return err;
}

void wf_book_close(struct wf_book *b)
{
    if (!b)
        return;
    sqlite3_close(b->db);
    if (b->lock_fd >= 0)
        close(b->lock_fd);
    free(b);
}

enum weft_err wf_book_begin(struct wf_book *b)
{
    return wf_book_run(b, "BEGIN IMMEDIATE", NULL);
}

enum weft_err wf_book_commit(struct wf_book *b)
{
    return wf_book_run(b, "COMMIT", NULL);
}

void wf_book_rollback(struct wf_book *b)
{
    if (!sqlite3_get_autocommit(b->db))
        sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
}

bool wf_book_changed(struct wf_book *b)
{
    int64_t version = 0;

    if (number_of(b, "PRAGMA data_version", &version) || version == b->version)
        return false;
    b->version = version;
    return true;
}

// ---- places -----------------------------------------------------------------------------------------------------

enum weft_err wf_book_place_set(
    struct wf_book *b, const char *product, const struct wf_book_place *place)
{
    const struct wf_bind values[] = { WF_T(product), WF_I(place->next), WF_I(place->append_ms),
        WF_END };

    return wf_book_run(b, "INSERT OR REPLACE INTO place VALUES(?, ?, ?)", values);
}

enum weft_err wf_book_place(struct wf_book *b, const char *product, struct wf_book_place *ret)
{
    const struct wf_bind values[] = { WF_T(product), WF_END };
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        wf_book_prepare(b, "SELECT next, append_ms FROM place WHERE product = ?", values, &st);

    if (!err)
        err = wf_book_step(b, st);
    if (!err)
        *ret = (struct wf_book_place){ .next = (uint64_t)sqlite3_column_int64(st, 0),
            .append_ms = sqlite3_column_int64(st, 1) };
    sqlite3_finalize(st);
    return err;
}

// ---- origins and baselines --------------------------------------------------------------------------------------------------

enum weft_err wf_book_heard_set(
    struct wf_book *b, const char *product, const char *origin, int64_t append_ms)
{
    const struct wf_bind values[] = { WF_T(product), WF_T(origin), WF_I(append_ms), WF_END };

    return wf_book_run(b, "INSERT OR REPLACE INTO heard VALUES(?, ?, ?)", values);
}

enum weft_err wf_book_heard(struct wf_book *b, const char *product, wf_book_heard_fn fn, void *arg)
{
    const struct wf_bind values[] = { WF_T(product), WF_END };
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        wf_book_prepare(b, "SELECT origin, append_ms FROM heard WHERE product = ?", values, &st);

    for (err = err ? err : wf_book_step(b, st); !err;) {
        char origin[64];
        wf_book_text(st, 0, origin, sizeof origin);
        err = fn(arg, origin, sqlite3_column_int64(st, 1));
        if (!err)
            err = wf_book_step(b, st);
    }
    sqlite3_finalize(st);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

enum weft_err wf_book_baseline_set(
    struct wf_book *b, uint64_t series, unsigned slot, const struct wf_baseline *base)
{
    void *bytes = NULL;
    size_t len = 0;

    if (!wf_baseline_pack(base, &bytes, &len))
        return WEFT_E_NOMEM;
    const struct wf_bind values[] = { WF_I(series), WF_I(slot), WF_B(bytes, len), WF_END };
    enum weft_err err = wf_book_run(b, "INSERT OR REPLACE INTO baseline VALUES(?, ?, ?)", values);
    free(bytes);
    return err;
}

enum weft_err wf_book_baseline(
    struct wf_book *b, uint64_t series, unsigned slot, struct wf_baseline *ret)
{
    const struct wf_bind values[] = { WF_I(series), WF_I(slot), WF_END };
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        wf_book_prepare(b, "SELECT bytes FROM baseline WHERE series = ? AND slot = ?", values, &st);

    if (!err)
        err = wf_book_step(b, st);
    if (!err &&
        !wf_baseline_unpack(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), ret))
        err = WEFT_E_DAMAGED;
    sqlite3_finalize(st);
    return err;
}
