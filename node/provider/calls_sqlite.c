// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/provider/calls.h"
#include "registry/db_sqlite.h"

struct wf_calls {
    sqlite3 *db;
    struct wf_call_record *held[WF_CALLS_HELD]; // ended, and not on the disk yet
    size_t held_count;
};

const char *wf_call_state_name(enum wf_call_state s)
{
    static const char *const names[] = { "", "running", "done", "not-delivered", "unknown" };

    return s >= WF_CALL_RUNNING && s <= WF_CALL_UNKNOWN ? names[s] : "unknown";
}

void wf_call_record_fini(struct wf_call_record *r)
{
    wf_buf_fini(&r->result);
}

enum weft_err wf_calls_open(const char *path, struct wf_calls **ret, struct wf_diag *diag)
{
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;"
        "CREATE TABLE IF NOT EXISTS call(caller BLOB NOT NULL, key BLOB NOT NULL, request BLOB NOT "
        "NULL, state INTEGER NOT NULL, code INTEGER NOT NULL,"
        " started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, provider TEXT NOT NULL, error "
        "TEXT NOT NULL, result BLOB, PRIMARY KEY(caller, key)) WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS call_started ON call(started_ms);"
        "UPDATE call SET state=4 WHERE state=1; PRAGMA user_version=1;";
    struct wf_calls *c = calloc(1, sizeof *c);

    if (!c)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_db_open(path, ddl, 1, &c->db, diag);
    if (err) {
        wf_calls_close(c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

static enum weft_err write_record(
    struct wf_calls *c, const char *sql, const struct wf_call_record *r)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(c->db, sql, &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, r->caller, sizeof r->caller, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, r->key, sizeof r->key, SQLITE_STATIC);
    sqlite3_bind_blob(st, 3, r->request.b, WF_HASH_LEN, SQLITE_STATIC);
    sqlite3_bind_int(st, 4, (int)r->state);
    sqlite3_bind_int64(st, 5, r->code);
    sqlite3_bind_int64(st, 6, r->started_ms);
    sqlite3_bind_int64(st, 7, r->ended_ms);
    sqlite3_bind_text(st, 8, r->provider, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 9, r->error, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(st, 10, r->result.ptr, r->result.len, SQLITE_STATIC);
    return wf_db_run(st);
}

enum weft_err wf_calls_begin(struct wf_calls *c, const struct wf_call_record *r)
{
    return write_record(c, "INSERT INTO call VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)", r);
}

static enum weft_err write_end(struct wf_calls *c, const struct wf_call_record *r)
{
    return write_record(c, "INSERT OR REPLACE INTO call VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)", r);
}

static enum weft_err hold(struct wf_calls *c, const struct wf_call_record *r)
{
    struct wf_call_record *copy = c->held_count < WF_CALLS_HELD ? malloc(sizeof *copy) : NULL;

    if (!copy)
        return WEFT_E_NOMEM;
    *copy = *r;
    copy->result = (struct wf_buf){ 0 };
    enum weft_err err = wf_bytes_dup(wf_buf_view(&r->result), &copy->result);
    if (err)
        free(copy);
    else
        c->held[c->held_count++] = copy;
    return err;
}

enum weft_err wf_calls_end(struct wf_calls *c, const struct wf_call_record *r)
{
    enum weft_err err = write_end(c, r);

    return err && hold(c, r) ? err : WEFT_OK;
}

// In order, up to the first that the disk still does not take.
static void write_held(struct wf_calls *c)
{
    size_t done = 0;

    while (done < c->held_count && !write_end(c, c->held[done])) {
        wf_call_record_fini(c->held[done]);
        free(c->held[done++]);
    }
    c->held_count -= done;
    memmove(c->held, c->held + done, c->held_count * sizeof *c->held);
}

size_t wf_calls_held(const struct wf_calls *c)
{
    return c->held_count;
}

static const struct wf_call_record *find_held(
    const struct wf_calls *c, const uint8_t caller[WF_KEY_LEN], const uint8_t key[WF_CALL_KEY_LEN])
{
    for (size_t i = 0; i < c->held_count; i++)
        if (memcmp(c->held[i]->caller, caller, WF_KEY_LEN) == 0 &&
            memcmp(c->held[i]->key, key, WF_CALL_KEY_LEN) == 0)
            return c->held[i];
    return NULL;
}

void wf_calls_close(struct wf_calls *c)
{
    if (!c)
        return;
    write_held(c);
    for (size_t i = 0; i < c->held_count; i++) {
        wf_call_record_fini(c->held[i]);
        free(c->held[i]);
    }
    sqlite3_close(c->db);
    free(c);
}

static enum weft_err take(sqlite3_stmt *st, struct wf_call_record *r)
{
    const char *provider = (const char *)sqlite3_column_text(st, 5),
               *error = (const char *)sqlite3_column_text(st, 6);

    if (sqlite3_column_bytes(st, 0) != (int)WF_HASH_LEN)
        return WEFT_E_DAMAGED;
    memcpy(r->request.b, sqlite3_column_blob(st, 0), WF_HASH_LEN);
    r->state = (enum wf_call_state)sqlite3_column_int(st, 1);
    r->code = (uint32_t)sqlite3_column_int64(st, 2);
    r->started_ms = sqlite3_column_int64(st, 3);
    r->ended_ms = sqlite3_column_int64(st, 4);
    snprintf(r->provider, sizeof r->provider, "%s", provider ? provider : "");
    snprintf(r->error, sizeof r->error, "%s", error ? error : "");
    return wf_buf_append(
        &r->result, wf_bytes(sqlite3_column_blob(st, 7), (size_t)sqlite3_column_bytes(st, 7)));
}

enum weft_err wf_calls_get(struct wf_calls *c, const uint8_t caller[WF_KEY_LEN],
    const uint8_t key[WF_CALL_KEY_LEN], struct wf_call_record *ret)
{
    sqlite3_stmt *st = NULL;
    struct wf_call_record r = { 0 };
    const struct wf_call_record *held = find_held(c, caller, key);

    if (held) {
        r = *held;
        r.result = (struct wf_buf){ 0 };
        enum weft_err copied = wf_bytes_dup(wf_buf_view(&held->result), &r.result);
        if (!copied)
            *ret = r;
        return copied;
    }
    enum weft_err err = wf_db_prepare(c->db,
        "SELECT request,state,code,started_ms,ended_ms,provider,error,result FROM call WHERE "
        "caller=?1 AND key=?2",
        &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, caller, WF_KEY_LEN, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, key, WF_CALL_KEY_LEN, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    err = rc == SQLITE_ROW    ? take(st, &r)
          : rc == SQLITE_DONE ? WEFT_E_UNKNOWN_CALL
                              : wf_db_code(rc);
    sqlite3_finalize(st);
    memcpy(r.caller, caller, WF_KEY_LEN);
    memcpy(r.key, key, WF_CALL_KEY_LEN);
    if (err)
        wf_call_record_fini(&r);
    else
        *ret = r;
    return err;
}

void wf_calls_prune(struct wf_calls *c, int64_t now_unix_ms)
{
    sqlite3_stmt *st = NULL;

    write_held(c);
    if (wf_db_prepare(c->db, "DELETE FROM call WHERE started_ms < ?1 AND state <> 1", &st))
        return;
    sqlite3_bind_int64(st, 1, now_unix_ms - WF_CALLS_KEEP_MS);
    (void)!wf_db_run(st); // a failure is tried again at the next prune
}
