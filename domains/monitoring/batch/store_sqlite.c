// SPDX-License-Identifier: Apache-2.0
// The database file: its mode, its lock, its tables, its transactions. One connection writes and checkpoints (PITFALLS of SQLite's WAL);
// every commit is synced, because a cursor that came back older than its rows would only cost time, but one newer would cost records.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_sqlite.h"

#define BUSY_MS                                                                                    \
    200 // how long a change waits for somebody else's lock before the monitor looks at its signals again
// Who only reads may just be reading the whole log of a process that was killed, 32 MiB of it, and holds the file meanwhile.
#define PATIENT_MS 5000

// A transaction of 20,000 records fits into the cache, and is written back once and not at each second commit: a quarter of the processor time of
// a record (tests/bench/ingest.sh). Larger pages halve the reads of a checkpoint; of a file that exists they stay what they are.
#define SIZES                                                                                      \
    "PRAGMA page_size = 8192; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4096"

// Times: _us unix microseconds, _ms unix milliseconds.
static const char tables_sql[] =
    "CREATE TABLE _monitor(id INTEGER PRIMARY KEY CHECK(id = 1), pid INTEGER, subject TEXT, state "
    "TEXT, problem TEXT, started_ms INTEGER, updated_ms INTEGER);"
    "CREATE TABLE _table(product TEXT PRIMARY KEY, tbl TEXT NOT NULL UNIQUE COLLATE NOCASE, "
    "kept_from_us INTEGER) WITHOUT ROWID;"
    "CREATE TABLE _columns(tbl TEXT, col TEXT COLLATE NOCASE, field TEXT, number INTEGER, type "
    "TEXT, unit TEXT, role TEXT, is_key INTEGER, description TEXT, PRIMARY KEY(tbl, col), "
    "UNIQUE(tbl, field, type)) WITHOUT ROWID;"
    "CREATE TABLE _schema(id INTEGER PRIMARY KEY, hash TEXT, message TEXT, keys TEXT, descriptor "
    "BLOB);"
    "CREATE TABLE _chain(id INTEGER PRIMARY KEY, sum INTEGER, bytes BLOB);"
    "CREATE INDEX _chain_sum ON _chain(sum);"
    "CREATE TABLE _batch(id INTEGER PRIMARY KEY, product TEXT NOT NULL, batch TEXT NOT NULL, "
    "origin TEXT, \"offset\" INTEGER, first_seq INTEGER, count INTEGER, append_ms INTEGER, way "
    "TEXT, skewed INTEGER, schema INTEGER, chain INTEGER, header BLOB, payload BLOB, "
    "last_time_us INTEGER, UNIQUE(batch, first_seq, product));"
    "CREATE INDEX _batch_time ON _batch(product, last_time_us);"
    "CREATE TABLE _origin(product TEXT, origin TEXT, records INTEGER, last_time_us INTEGER, "
    "last_append_ms INTEGER, PRIMARY KEY(product, origin)) WITHOUT ROWID;"
    "CREATE TABLE _cursor(product TEXT, key BLOB, value BLOB, PRIMARY KEY(product, key)) WITHOUT "
    "ROWID;"
    "CREATE TABLE _loss(id INTEGER PRIMARY KEY, product TEXT, \"from\" INTEGER, \"to\" INTEGER, "
    "code TEXT, at_ms INTEGER, by_origin TEXT, incarnation TEXT, told INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE _status(product TEXT PRIMARY KEY, kind TEXT, state TEXT, cause TEXT, problem "
    "TEXT, freshness_ms INTEGER, records INTEGER NOT NULL DEFAULT 0, batches INTEGER NOT NULL "
    "DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, repaired INTEGER NOT NULL DEFAULT 0, pulled "
    "INTEGER NOT NULL DEFAULT 0, history INTEGER NOT NULL DEFAULT 0, lost INTEGER "
    "NOT NULL DEFAULT 0, last_time_us INTEGER, last_append_ms INTEGER, last_received_ms INTEGER, "
    "head INTEGER, next INTEGER, lag INTEGER, gaps INTEGER, verify_failures INTEGER, duplicates "
    "INTEGER, token_expires_ms INTEGER, lease_expires_ms INTEGER, hosts INTEGER, hosts_late "
    "INTEGER, late TEXT, why TEXT, past TEXT, since_ms INTEGER, updated_ms INTEGER) WITHOUT ROWID;";

static const char *const sql[WF_MON_SQL_COUNT] = {
    [WF_MON_SQL_TABLE_GET] = "SELECT tbl FROM _table WHERE product = ?",
    [WF_MON_SQL_TABLE_ADD] = "INSERT OR IGNORE INTO _table(product, tbl) VALUES(?, ?)",
    [WF_MON_SQL_STATUS_ADD] = "INSERT OR IGNORE INTO _status(product) VALUES(?)",
    [WF_MON_SQL_COUNTS_GET] =
        "SELECT records, batches, live, repaired, pulled, history, lost, "
        "last_time_us, last_append_ms, "
        "last_received_ms, since_ms, why, cause, past FROM _status WHERE product = ?",
    [WF_MON_SQL_COUNTS_SET] =
        "UPDATE _status SET records = ?2, batches = ?3, live = ?4, repaired = ?5, pulled = ?6, "
        "history = ?7, lost = ?8, last_time_us = ?9, last_append_ms = ?10, "
        "last_received_ms = ?11 WHERE product = ?1",
    [WF_MON_SQL_COLUMN_GET] = "SELECT col FROM _columns WHERE tbl = ? AND field = ? AND type = ?",
    [WF_MON_SQL_COLUMN_ADD] =
        "INSERT OR IGNORE INTO _columns VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [WF_MON_SQL_SCHEMA_GET] = "SELECT id FROM _schema WHERE hash = ? AND message = ? AND keys = ? "
                              "AND descriptor IS ?",
    [WF_MON_SQL_SCHEMA_ADD] =
        "INSERT INTO _schema(hash, message, keys, descriptor) VALUES(?, ?, ?, ?)",
    [WF_MON_SQL_CHAIN_GET] = "SELECT id FROM _chain WHERE sum = ? AND bytes = ?",
    [WF_MON_SQL_CHAIN_ADD] = "INSERT INTO _chain(sum, bytes) VALUES(?, ?)",
    [WF_MON_SQL_BATCH_ADD] =
        "INSERT INTO _batch(product, batch, origin, \"offset\", first_seq, count, "
        "append_ms, way, skewed, schema, chain, header, payload, last_time_us) VALUES(?1, ?2, ?3, "
        "?4, "
        "?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    // The + keeps SQLite from walking all batches of the product by _batch_time.
    [WF_MON_SQL_BATCH_PARTS] =
        "SELECT first_seq, count FROM _batch WHERE batch = ?1 AND +product = ?2",
    [WF_MON_SQL_ORIGIN_SET] =
        "INSERT INTO _origin VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET records = "
        "records + ?3, last_time_us = max(last_time_us, ?4), last_append_ms = "
        "max(last_append_ms, ?5)",
    [WF_MON_SQL_CURSOR_SET] = "INSERT OR REPLACE INTO _cursor VALUES(?, ?, ?)",
    [WF_MON_SQL_CURSOR_GET] = "SELECT key, value FROM _cursor WHERE product = ? ORDER BY key",
    [WF_MON_SQL_LOSS_ADD] =
        "INSERT INTO _loss(product, \"from\", \"to\", code, at_ms, by_origin, incarnation, "
        "told) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    [WF_MON_SQL_STATUS_SET] =
        "UPDATE _status SET kind = ?2, state = ?3, cause = ?4, problem = ?5, why = ?6, past = ?7, "
        "freshness_ms = ?8, head = ?9, next = ?10, lag = ?11, gaps = ?12, verify_failures = ?13, "
        "duplicates = ?14, token_expires_ms = ?15, lease_expires_ms = ?16, hosts = ?17, "
        "hosts_late = ?18, since_ms = ?19, late = ?20, updated_ms = ?21 WHERE product = ?1",
    [WF_MON_SQL_BEAT_SET] = "INSERT OR REPLACE INTO _monitor VALUES(1, ?, ?, ?, ?, ?, ?)",
    [WF_MON_SQL_LATE_COUNT] = "SELECT count(*), coalesce(sum(last_append_ms < ?2), 0), "
                              "coalesce(max(last_append_ms), 0) FROM _origin WHERE product = ?1",
    [WF_MON_SQL_LATE_NAMES] = "SELECT origin FROM _origin WHERE product = ?1 AND last_append_ms < "
                              "?2 ORDER BY last_append_ms LIMIT 200",
    [WF_MON_SQL_KEPT_FROM] = "UPDATE _table SET kept_from_us = max(coalesce(kept_from_us, ?2), ?2) "
                             "WHERE product = ?1",
    [WF_MON_SQL_BATCH_TRIM] = "DELETE FROM _batch WHERE id IN (SELECT id FROM _batch WHERE product "
                              "= ?1 AND last_time_us < ?2 LIMIT ?3)",
    [WF_MON_SQL_AGENT_TABLE] =
        "SELECT t.tbl, s.col, n.col FROM _table t JOIN _columns s ON s.tbl = t.tbl AND s.field = "
        "'state' JOIN _columns n ON n.tbl = t.tbl AND n.is_key WHERE t.product = ?1 LIMIT 1",
};

// ---- errors ------------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_sqlite_err(struct wf_mon_store *s, int rc, const char *doing)
{
    enum weft_err err = wf_mon_sqlite_code(rc);

    if (err)
        snprintf(s->problem, sizeof s->problem, "database: %s: %s", doing,
            wf_mon_sqlite(s)->db ? sqlite3_errmsg(wf_mon_sqlite(s)->db) : sqlite3_errstr(rc));
    return err;
}

// ---- statements --------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_sqlite_get(struct wf_mon_store *s, enum wf_mon_sql which, sqlite3_stmt **ret)
{
    if (!wf_mon_sqlite(s)->sql[which]) {
        int rc = sqlite3_prepare_v3(wf_mon_sqlite(s)->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
            &wf_mon_sqlite(s)->sql[which], NULL);
        if (rc != SQLITE_OK)
            return wf_mon_sqlite_err(s, rc, "prepare");
    }
    sqlite3_reset(wf_mon_sqlite(s)->sql[which]);
    sqlite3_clear_bindings(wf_mon_sqlite(s)->sql[which]);
    *ret = wf_mon_sqlite(s)->sql[which];
    return WEFT_OK;
}

enum weft_err wf_mon_sqlite_run(struct wf_mon_store *s, sqlite3_stmt *st, const char *doing)
{
    enum weft_err err = wf_mon_sqlite_err(s, sqlite3_step(st), doing);

    sqlite3_reset(st);
    return err;
}

enum weft_err wf_mon_sqlite_exec(struct wf_mon_store *s, const char *text, const char *doing)
{
    return wf_mon_sqlite_err(s, sqlite3_exec(wf_mon_sqlite(s)->db, text, NULL, NULL, NULL), doing);
}

// The first column of the first row of a pragma or the like.
static enum weft_err ask(struct wf_mon_store *s, const char *text, char *ret, size_t size)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(wf_mon_sqlite(s)->db, text, -1, &st, NULL);

    ret[0] = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : "";
    snprintf(ret, size, "%s", said ? said : "");
    enum weft_err err = said ? wf_mon_sqlite_err(s, rc, text) : wf_mon_store_nomem(s);
    sqlite3_finalize(st);
    return err;
}

// ---- the file ----------------------------------------------------------------------------------------------------------

// Only this user may read it: it holds what owners granted to this identity alone.
static enum weft_err check_file(struct wf_mon_store *s, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd < 0) {
        enum weft_err err = errno == EACCES   ? WEFT_E_PERMISSION
                            : errno == ENOSPC ? WEFT_E_NOSPACE
                                              : WEFT_E_IO;
        snprintf(s->problem, sizeof s->problem, "%.200s: %s", path, strerror(errno));
        return err;
    }
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                (st.st_mode & 077) == 0;
    // Closed before SQLite opens it: closing later would drop SQLite's own locks.
    close(fd);
    if (good)
        return WEFT_OK;
    snprintf(s->problem, sizeof s->problem,
        "%.200s: must be a file of this user with mode 0600: chown, then chmod 600", path);
    return WEFT_E_FILE_MODE;
}

static enum weft_err take_lock(struct wf_mon_store *s, const char *path)
{
    char name[4096];

    if ((size_t)snprintf(name, sizeof name, "%s-lock", path) >= sizeof name)
        return WEFT_E_TOO_BIG;
    wf_mon_sqlite(s)->lock_fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (wf_mon_sqlite(s)->lock_fd >= 0 && flock(wf_mon_sqlite(s)->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return WEFT_OK;
    bool held = wf_mon_sqlite(s)->lock_fd >= 0 && errno == EWOULDBLOCK;
    snprintf(s->problem, sizeof s->problem, "%.200s: %s", path,
        held ? "another weft-monitor store writes it" : strerror(errno));
    return held ? WEFT_E_IN_USE : WEFT_E_IO;
}

static enum weft_err check_version(struct wf_mon_store *s, bool *ret_fresh)
{
    char application[32], version[32], count[32];
    enum weft_err err = ask(s, "PRAGMA application_id", application, sizeof application);

    if (!err)
        err = ask(s, "PRAGMA user_version", version, sizeof version);
    if (!err)
        err = ask(s, "SELECT count(*) FROM sqlite_schema", count, sizeof count);
    if (err)
        return err;
    *ret_fresh = strcmp(count, "0") == 0 && strcmp(version, "0") == 0;
    if (*ret_fresh)
        return WEFT_OK;
    char want[32], format[32];
    snprintf(want, sizeof want, "%d", WF_MON_APPLICATION);
    snprintf(format, sizeof format, "%d", WF_MON_VERSION);
    if (strcmp(application, want) == 0 && strcmp(version, format) == 0)
        return WEFT_OK;
    snprintf(s->problem, sizeof s->problem,
        "database: not one of this weft-monitor (application %s, format %s, want %s): use another "
        "--db",
        application, version, format);
    return WEFT_E_VERSION;
}

// Damage says so twice; a read that failed once does not, and nobody is told to throw the database away for it.
static enum weft_err check_health(struct wf_mon_store *s)
{
    char said[200], again[200];
    enum weft_err err = ask(s, "PRAGMA quick_check(1)", said, sizeof said);

    if (err || strcmp(said, "ok") == 0)
        return err;
    err = ask(s, "PRAGMA quick_check(1)", again, sizeof again);
    if (err)
        return err;
    bool read_failed = strcmp(again, "ok") == 0 || strstr(again, "unable to get the page");
    snprintf(s->problem, sizeof s->problem,
        read_failed
            ? "database: it can't be read: %s"
            : "database: damaged: %s. Move it away and start anew: what the owners still keep is "
              "fetched again",
        said);
    return read_failed ? WEFT_E_IO : WEFT_E_DAMAGED;
}

static enum weft_err make_tables(struct wf_mon_store *s)
{
    char pragmas[96];
    enum weft_err err = wf_mon_sqlite_exec(s, "BEGIN IMMEDIATE", "begin");

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
        WF_MON_APPLICATION, WF_MON_VERSION);
    if (!err)
        err = wf_mon_sqlite_exec(s, tables_sql, "make tables");
    if (!err)
        err = wf_mon_sqlite_exec(s, pragmas, "make tables");
    return err ? err : wf_mon_sqlite_exec(s, "COMMIT", "commit");
}

static enum weft_err set_up(struct wf_mon_store *s, const char *path)
{
    bool fresh = false;
    char mode[32];
    int rc = sqlite3_open_v2(path, &wf_mon_sqlite(s)->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    enum weft_err err = wf_mon_sqlite_err(s, rc, "open");

    if (err)
        return err;
    sqlite3_extended_result_codes(wf_mon_sqlite(s)->db, 1);
    sqlite3_busy_timeout(wf_mon_sqlite(s)->db, PATIENT_MS);
    sqlite3_db_config(wf_mon_sqlite(s)->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(wf_mon_sqlite(s)->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    err = wf_mon_sqlite_exec(
        s, "PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL; " SIZES, "set up");
    if (!err)
        err = check_version(s, &fresh);
    if (!err)
        err = ask(s, "PRAGMA journal_mode = WAL", mode, sizeof mode);
    if (!err && strcmp(mode, "wal") != 0) {
        snprintf(s->problem, sizeof s->problem, "database: its file system has no WAL (%s)", mode);
        err = WEFT_E_UNSUPPORTED;
    }
    if (!err)
        err = fresh ? make_tables(s) : check_health(s);
    if (!err)
        sqlite3_busy_timeout(wf_mon_sqlite(s)->db, BUSY_MS);
    return err;
}

// ---- transactions ------------------------------------------------------------------------------------------------------

static enum weft_err begin(struct wf_mon_store *s)
{
    return wf_mon_sqlite_exec(s, "BEGIN IMMEDIATE", "begin");
}

static enum weft_err commit(struct wf_mon_store *s)
{
    enum weft_err err = wf_mon_sqlite_flush(s);

    return err ? err : wf_mon_sqlite_exec(s, "COMMIT", "commit");
}

static void rollback(struct wf_mon_store *s)
{
    // SQLite may have rolled back by itself; then this fails, which is as good.
    for (size_t i = 0; i < WF_MON_SQL_COUNT; i++)
        sqlite3_reset(wf_mon_sqlite(s)->sql[i]);
    sqlite3_exec(wf_mon_sqlite(s)->db, "ROLLBACK", NULL, NULL, NULL);
}

static void finish(struct wf_mon_store *s)
{
    struct wf_mon_sqlite *q = wf_mon_sqlite(s);

    wf_mon_tables_fini(s);
    for (size_t i = 0; i < WF_MON_SQL_COUNT; i++)
        sqlite3_finalize(q->sql[i]);
    sqlite3_close(q->db);
    if (q->lock_fd >= 0)
        close(q->lock_fd);
    free(q);
}

static const struct wf_mon_store_ops ops = { .close = finish,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .load = wf_mon_sqlite_load,
    .shape = wf_mon_sqlite_shape,
    .records = wf_mon_sqlite_records,
    .loss = wf_mon_sqlite_loss,
    .cursor = wf_mon_sqlite_cursor,
    .status = wf_mon_sqlite_status,
    .beat = wf_mon_sqlite_beat,
    .late = wf_mon_sqlite_late,
    .trim = wf_mon_sqlite_trim,
    .plan_size = sizeof(struct wf_mon_plan),
    .plan_fini = wf_mon_sqlite_plan_fini };

enum weft_err wf_mon_sqlite_open(
    const char *path, struct wf_mon_store **ret, struct weft_problem *problem)
{
    struct wf_mon_sqlite *q = calloc(1, sizeof *q);

    if (!q)
        return WEFT_E_NOMEM;
    struct wf_mon_store *s = &q->base;
    s->ops = &ops;
    q->lock_fd = -1;
    enum weft_err err = take_lock(s, path);
    if (!err)
        err = check_file(s, path);
    if (!err)
        err = set_up(s, path);
    if (err) {
        if (problem) {
            *problem = (struct weft_problem){ .err = err };
            snprintf(problem->text, sizeof problem->text, "%.255s", s->problem);
        }
        finish(s);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}
