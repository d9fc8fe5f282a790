// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>
#include <stdlib.h>

#include "node/access/grants.h"
#include "registry/db_sqlite.h"

#define COLUMNS                                                                                    \
    "id,request_id,token_id,holder,label,products,verbs,columns,rows,purpose,how,reason,rate,"     \
    "duration_ms,made_ms,issued_ms,expires_ms,state,token"

struct wf_grants {
    sqlite3 *db;
};

const char *wf_grant_state_name(enum wf_grant_state s)
{
    static const char *const names[] = { "", "pending", "granted", "denied", "revoked" };

    return s >= WF_GRANT_PENDING && s <= WF_GRANT_REVOKED ? names[s] : "";
}

enum weft_err wf_grants_open(const char *path, struct wf_grants **ret, struct wf_diag *diag)
{
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;"
        "CREATE TABLE IF NOT EXISTS access_grant(id INTEGER PRIMARY KEY, request_id BLOB UNIQUE, "
        "token_id BLOB UNIQUE, holder BLOB NOT NULL, label TEXT NOT NULL, products TEXT NOT NULL, "
        "verbs TEXT NOT NULL, columns TEXT NOT NULL, rows TEXT NOT NULL, purpose TEXT NOT NULL, "
        "how TEXT NOT NULL, reason TEXT NOT NULL, rate INTEGER NOT NULL, duration_ms INTEGER NOT "
        "NULL, made_ms INTEGER NOT NULL, issued_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, "
        "state INTEGER NOT NULL, token BLOB NOT NULL);"
        "CREATE INDEX IF NOT EXISTS access_grant_holder ON access_grant(holder, state);"
        "CREATE INDEX IF NOT EXISTS access_grant_hand ON access_grant(expires_ms) WHERE state=2 "
        "AND "
        "how<>'policy';" // looked through every few seconds: not all that rules gave in a month
        "CREATE TABLE IF NOT EXISTS grant_warned(id INTEGER PRIMARY KEY, percent INTEGER NOT NULL);"
        "CREATE TABLE IF NOT EXISTS signed_list(one INTEGER PRIMARY KEY CHECK(one=1), raw BLOB NOT "
        "NULL);"
        "PRAGMA user_version=1;";
    struct wf_grants *g = calloc(1, sizeof *g);

    if (!g)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_db_open(path, ddl, 1, &g->db, diag);
    if (err) {
        wf_grants_close(g);
        return err;
    }
    *ret = g;
    return WEFT_OK;
}

void wf_grants_close(struct wf_grants *g)
{
    if (!g)
        return;
    sqlite3_close(g->db);
    free(g);
}

static void bind_blob(sqlite3_stmt *st, int at, struct wf_bytes b)
{
    // An empty value is a value; a NULL pointer would make it an absent one.
    sqlite3_bind_blob64(st, at, b.len ? (const void *)b.ptr : "", b.len, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *st, int at, const char *s)
{
    sqlite3_bind_text(st, at, s ? s : "", -1, SQLITE_STATIC);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

enum weft_err wf_grants_put(struct wf_grants *g, struct wf_grant *row)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        row->id ? "UPDATE access_grant SET request_id=?2,token_id=?3,holder=?4,label=?5,"
                  "products=?6,verbs=?7,columns=?8,rows=?9,purpose=?10,how=?11,reason=?12,"
                  "rate=?13,duration_ms=?14,made_ms=?15,issued_ms=?16,expires_ms=?17,state=?18,"
                  "token=?19 WHERE id=?1"
                : "INSERT INTO access_grant(" COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,"
                  "?12,?13,?14,?15,?16,?17,?18,?19)",
        &st);

    if (err)
        return err;
    if (row->id)
        sqlite3_bind_int64(st, 1, row->id);
    if (row->has_request)
        bind_blob(st, 2, WF_BYTES(row->request_id));
    if (row->has_token)
        bind_blob(st, 3, wf_hash_view(&row->token_id));
    bind_blob(st, 4, WF_BYTES(row->holder.b));
    const char *texts[] = { row->label, row->products, row->verbs, row->columns, row->rows,
        row->purpose, row->how, row->reason };
    for (int i = 0; i < (int)WF_COUNT(texts); i++)
        bind_text(st, 5 + i, texts[i]);
    sqlite3_bind_int64(st, 13, row->rate_per_minute);
    const int64_t numbers[] = { row->duration_ms, row->made_ms, row->issued_ms, row->expires_ms,
        (int64_t)row->state };
    for (int i = 0; i < (int)WF_COUNT(numbers); i++)
        sqlite3_bind_int64(st, 14 + i, numbers[i]);
    bind_blob(st, 19, row->token);
    err = wf_db_run(st);
    if (!err && !row->id)
        row->id = sqlite3_last_insert_rowid(g->db);
    return err;
}

enum weft_err wf_grants_revoke_holder(struct wf_grants *g, const struct wf_sign_pub *holder)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        wf_db_prepare(g->db, "UPDATE access_grant SET state=4 WHERE holder=?1 AND state=2", &st);

    if (err)
        return err;
    bind_blob(st, 1, WF_BYTES(holder->b));
    return wf_db_run(st);
}

enum weft_err wf_grants_set_warned(struct wf_grants *g, int64_t id, unsigned percent)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        "INSERT INTO grant_warned VALUES(?1,?2) ON CONFLICT(id) DO UPDATE SET "
        "percent=excluded.percent",
        &st);

    if (err)
        return err;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int(st, 2, (int)percent);
    return wf_db_run(st);
}

void wf_grants_prune(struct wf_grants *g, int64_t expired_before_ms, int64_t made_before_ms)
{
    sqlite3_stmt *st = NULL;

    if (wf_db_prepare(g->db,
            "DELETE FROM access_grant WHERE (state IN (2,4) AND expires_ms<?1) OR (state IN (1,3) "
            "AND made_ms<?2)",
            &st))
        return; // nothing depends on it: the next time
    sqlite3_bind_int64(st, 1, expired_before_ms);
    sqlite3_bind_int64(st, 2, made_before_ms);
    sqlite3_step(st);
    sqlite3_finalize(st);
    // An id may be given again.
    sqlite3_exec(g->db, "DELETE FROM grant_warned WHERE id NOT IN (SELECT id FROM access_grant)",
        NULL, NULL, NULL);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static bool take_fixed(sqlite3_stmt *st, int column, void *out, size_t len)
{
    const void *blob = sqlite3_column_blob(st, column);

    if (!blob || (size_t)sqlite3_column_bytes(st, column) != len)
        return false;
    memcpy(out, blob, len);
    return true;
}

static enum weft_err take_row(sqlite3_stmt *st, struct wf_arena *arena, struct wf_grant *ret)
{
    struct wf_grant r = { .id = sqlite3_column_int64(st, 0) };
    const char **texts[] = { &r.label, &r.products, &r.verbs, &r.columns, &r.rows, &r.purpose,
        &r.how, &r.reason };
    enum weft_err err = WEFT_OK;

    r.has_request = take_fixed(st, 1, r.request_id, sizeof r.request_id);
    r.has_token = take_fixed(st, 2, r.token_id.b, WF_HASH_LEN);
    if (!take_fixed(st, 3, r.holder.b, WF_KEY_LEN))
        return WEFT_E_DAMAGED;
    for (int i = 0; i < (int)WF_COUNT(texts) && !err; i++) {
        const char *s = (const char *)sqlite3_column_text(st, 4 + i);
        err = s ? wf_arena_str(arena, wf_bytes_str(s), texts[i]) : WEFT_E_DAMAGED;
    }
    r.rate_per_minute = (uint32_t)sqlite3_column_int64(st, 12);
    r.duration_ms = sqlite3_column_int64(st, 13);
    r.made_ms = sqlite3_column_int64(st, 14);
    r.issued_ms = sqlite3_column_int64(st, 15);
    r.expires_ms = sqlite3_column_int64(st, 16);
    r.state = (enum wf_grant_state)sqlite3_column_int(st, 17);
    struct wf_bytes token =
        wf_bytes(sqlite3_column_blob(st, 18), (size_t)sqlite3_column_bytes(st, 18));
    if (!err)
        err = token.len <= WF_MAX_TOKEN ? wf_arena_dup(arena, token, &r.token) : WEFT_E_DAMAGED;
    if (!err)
        *ret = r;
    return err;
}

// One row or NOT_FOUND; ends the statement.
static enum weft_err one(sqlite3_stmt *st, struct wf_arena *arena, struct wf_grant *ret)
{
    int rc = sqlite3_step(st);
    enum weft_err err = rc == SQLITE_ROW    ? take_row(st, arena, ret)
                        : rc == SQLITE_DONE ? WEFT_E_NOT_FOUND
                                            : wf_db_code(rc);

    sqlite3_finalize(st);
    return err;
}

static enum weft_err by_blob(struct wf_grants *g, const char *sql, struct wf_bytes key,
    struct wf_arena *arena, struct wf_grant *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db, sql, &st);

    if (err)
        return err;
    bind_blob(st, 1, key);
    return one(st, arena, ret);
}

enum weft_err wf_grants_by_request(
    struct wf_grants *g, struct wf_bytes request_id, struct wf_arena *arena, struct wf_grant *ret)
{
    return by_blob(
        g, "SELECT " COLUMNS " FROM access_grant WHERE request_id=?1", request_id, arena, ret);
}

enum weft_err wf_grants_by_token(struct wf_grants *g, const struct wf_hash *token_id,
    struct wf_arena *arena, struct wf_grant *ret)
{
    return by_blob(g, "SELECT " COLUMNS " FROM access_grant WHERE token_id=?1",
        wf_hash_view(token_id), arena, ret);
}

enum weft_err wf_grants_like(struct wf_grants *g, const struct wf_grant *like,
    enum wf_grant_state state, struct wf_arena *arena, struct wf_grant *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        "SELECT " COLUMNS " FROM access_grant WHERE holder=?1 AND state=?2 AND products=?3 AND "
        "verbs=?4 AND columns=?5 AND (?6 IS NULL OR purpose=?6) ORDER BY id DESC LIMIT 1",
        &st);

    if (err)
        return err;
    bind_blob(st, 1, WF_BYTES(like->holder.b));
    sqlite3_bind_int(st, 2, (int)state);
    bind_text(st, 3, like->products);
    bind_text(st, 4, like->verbs);
    bind_text(st, 5, like->columns);
    if (like->purpose)
        bind_text(st, 6, like->purpose);
    return one(st, arena, ret);
}

// Ends the statement.
static enum weft_err each_row(sqlite3_stmt *st, wf_grants_fn fn, void *arg)
{
    struct wf_arena arena;
    struct wf_grant row;
    enum weft_err err = WEFT_OK;
    int rc;

    wf_arena_init(&arena, 64u * WF_KIB);
    for (rc = sqlite3_step(st); rc == SQLITE_ROW && !err; rc = sqlite3_step(st)) {
        wf_arena_reset(&arena);
        err = take_row(st, &arena, &row);
        if (!err)
            err = fn(arg, &row);
    }
    sqlite3_finalize(st);
    wf_arena_fini(&arena);
    return err ? err : wf_db_code(rc);
}

enum weft_err wf_grants_each(
    struct wf_grants *g, enum wf_grant_state state, wf_grants_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(
        g->db, "SELECT " COLUMNS " FROM access_grant WHERE ?1=0 OR state=?1 ORDER BY id DESC", &st);

    if (err)
        return err;
    sqlite3_bind_int(st, 1, (int)state);
    return each_row(st, fn, arg);
}

enum weft_err wf_grants_by_hand(struct wf_grants *g, int64_t now_ms, wf_grants_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        "SELECT " COLUMNS
        " FROM access_grant INDEXED BY access_grant_hand WHERE state=2 AND how<>'policy' AND "
        "expires_ms>?1 ORDER BY id DESC",
        &st);

    if (err)
        return err;
    sqlite3_bind_int64(st, 1, now_ms);
    return each_row(st, fn, arg);
}

enum weft_err wf_grants_warned(struct wf_grants *g, int64_t id, unsigned *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db, "SELECT percent FROM grant_warned WHERE id=?1", &st);

    if (err)
        return err;
    sqlite3_bind_int64(st, 1, id);
    int rc = sqlite3_step(st);
    unsigned percent = rc == SQLITE_ROW ? (unsigned)sqlite3_column_int(st, 0) : 0;
    sqlite3_finalize(st);
    err = wf_db_code(rc);
    if (!err)
        *ret = percent;
    return err;
}

enum weft_err wf_grants_pending(struct wf_grants *g, const struct wf_sign_pub *holder, size_t *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        "SELECT count(*) FROM access_grant WHERE state=1 AND (?1 IS NULL OR holder=?1)", &st);

    if (err)
        return err;
    if (holder)
        bind_blob(st, 1, WF_BYTES(holder->b));
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = (size_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? WEFT_OK : wf_db_code(rc);
}

enum weft_err wf_grants_was_revoked(
    struct wf_grants *g, const struct wf_sign_pub *holder, const char *product, bool *ret)
{
    sqlite3_stmt *st = NULL;
    // A list of products has blanks between; one with a pattern counts for all.
    enum weft_err err = wf_db_prepare(g->db,
        "SELECT 1 FROM access_grant WHERE holder=?1 AND state=4 AND (instr(products,'*')>0 OR "
        "instr(' '||products||' ',' '||?2||' ')>0) LIMIT 1",
        &st);

    if (err)
        return err;
    bind_blob(st, 1, WF_BYTES(holder->b));
    bind_text(st, 2, product);
    int rc = sqlite3_step(st);
    sqlite3_finalize(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return wf_db_code(rc);
    *ret = rc == SQLITE_ROW;
    return WEFT_OK;
}

// ---- the list --------------------------------------------------------------------------------------------------------

enum weft_err wf_grants_put_list(struct wf_grants *g, struct wf_bytes raw)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db,
        "INSERT INTO signed_list VALUES(1,?1) ON CONFLICT(one) DO UPDATE SET raw=excluded.raw",
        &st);

    if (err)
        return err;
    bind_blob(st, 1, raw);
    return wf_db_run(st);
}

enum weft_err wf_grants_get_list(struct wf_grants *g, struct wf_buf *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(g->db, "SELECT raw FROM signed_list", &st);

    if (err)
        return err;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        err = wf_bytes_dup(
            wf_bytes(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)), ret);
    else
        err = rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : wf_db_code(rc);
    sqlite3_finalize(st);
    return err;
}
