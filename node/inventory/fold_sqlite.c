// SPDX-License-Identifier: Apache-2.0
// The fold's file. Column names come from the schema and are quoted; every value is bound.
#include "node/inventory/fold.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/schema/record.h"
#include "proto/schema/record_json.h"
#include "registry/db_sqlite.h"

#define FOLD_VERSION 1

struct wf_fold {
    sqlite3 *db;
    sqlite3_stmt *put, *erase, *begin, *sweep, *mark_origin, *position;
    const struct wf_schema_message *message;
    struct wf_record_path keys[16];
    size_t key_count;
    bool rows_shared, in_transaction;
    enum weft_err
        broken; // a commit failed: what was applied since the last one is gone, and the position beyond it
    bool moved; // the position, since the last commit
    struct wf_incarnation log_id;
    uint64_t offset, skipped;
    struct wf_buf key, json;
};

// A row that breaks a constraint exists nowhere: the file is not as we made it.
static enum weft_err code_of(int rc)
{
    return (rc & 0xff) == SQLITE_CONSTRAINT ? WEFT_E_IO : wf_db_code(rc);
}

static enum weft_err run(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return code_of(rc);
}

// ---- opening ---------------------------------------------------------------------------------------------------------

// "name" with quotes doubled: field names are identifiers, so none has any, but the rule costs nothing.
static enum weft_err add_name(struct wf_buf *sql, const char *name)
{
    enum weft_err err = wf_buf_append_byte(sql, '"');

    for (; *name && !err; name++) {
        err = wf_buf_append_byte(sql, (uint8_t)*name);
        if (!err && *name == '"')
            err = wf_buf_append_byte(sql, '"');
    }
    return err ? err : wf_buf_append_byte(sql, '"');
}

static enum weft_err table_sql(const struct wf_fold *f, struct wf_buf *sql)
{
    enum weft_err err = wf_buf_append_str(sql,
        "CREATE TABLE IF NOT EXISTS row(_key BLOB NOT NULL PRIMARY KEY, _origin TEXT NOT NULL, "
        "_time INTEGER NOT NULL, _append INTEGER NOT NULL, _generation INTEGER NOT NULL");

    for (uint32_t i = 0; i < f->message->field_count && !err; i++) {
        err = wf_buf_append_str(sql, ", ");
        if (!err)
            err = add_name(sql, f->message->fields[i].name);
    }
    return err ? err
               : wf_buf_append_str(sql, ") WITHOUT ROWID; CREATE INDEX IF NOT EXISTS row_origin ON "
                                        "row(_origin, _generation);"
                                        "CREATE TABLE IF NOT EXISTS origin(name TEXT PRIMARY KEY, "
                                        "last_ms INTEGER NOT NULL, snapshot_ms INTEGER NOT NULL, "
                                        "generation INTEGER NOT NULL, open INTEGER NOT NULL);"
                                        "CREATE TABLE IF NOT EXISTS fold(one INTEGER PRIMARY KEY "
                                        "CHECK(one=1), schema BLOB NOT NULL, counter INTEGER NOT "
                                        "NULL, random INTEGER NOT NULL, end INTEGER NOT NULL);");
}

static enum weft_err put_sql(const struct wf_fold *f, struct wf_buf *sql)
{
    enum weft_err err =
        wf_buf_append_str(sql, "INSERT OR REPLACE INTO row VALUES(?1,?2,?3,?4,coalesce((SELECT "
                               "generation FROM origin WHERE name=?2),0)");

    for (uint32_t i = 0; i < f->message->field_count && !err; i++)
        err = wf_buf_printf(sql, ",?%u", i + 5);
    return err ? err : wf_buf_append_str(sql, ")");
}

static enum weft_err prepare(struct wf_fold *f)
{
    static const struct {
        const char *sql;
        size_t at;
    } fixed[] = {
        { "DELETE FROM row WHERE _key=?1", offsetof(struct wf_fold, erase) },
        { "INSERT INTO origin VALUES(?1,?2,0,1,1) ON CONFLICT(name) DO UPDATE SET "
          "generation=generation+1, open=1, last_ms=?2",
            offsetof(struct wf_fold, begin) },
        { "DELETE FROM row WHERE _origin=?1 AND _generation < (SELECT generation FROM origin WHERE "
          "name=?1)",
            offsetof(struct wf_fold, sweep) },
        { "INSERT INTO origin VALUES(?1,?2,?3,0,0) ON CONFLICT(name) DO UPDATE SET "
          "last_ms=max(last_ms,?2), snapshot_ms=max(snapshot_ms,?3), open=CASE WHEN ?3>0 THEN 0 "
          "ELSE open END",
            offsetof(struct wf_fold, mark_origin) },
        { "UPDATE fold SET counter=?1, random=?2, end=?3", offsetof(struct wf_fold, position) },
    };
    struct wf_buf sql = { 0 };
    enum weft_err err = put_sql(f, &sql);

    if (!err)
        err = wf_buf_end(&sql);
    if (!err)
        err = code_of(sqlite3_prepare_v2(f->db, (const char *)sql.ptr, -1, &f->put, NULL));
    wf_buf_fini(&sql);
    for (size_t i = 0; i < WF_COUNT(fixed) && !err; i++)
        err = code_of(sqlite3_prepare_v2(
            f->db, fixed[i].sql, -1, (sqlite3_stmt **)(void *)((char *)f + fixed[i].at), NULL));
    return err;
}

// Reads the position; NOT_FOUND for a new file, VERSION for another schema's.
static enum weft_err load_position(struct wf_fold *f, const struct wf_hash *schema)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = code_of(
        sqlite3_prepare_v2(f->db, "SELECT schema,counter,random,end FROM fold", -1, &st, NULL));

    if (err)
        return err;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        bool same = sqlite3_column_bytes(st, 0) == (int)WF_HASH_LEN &&
                    memcmp(sqlite3_column_blob(st, 0), schema->b, WF_HASH_LEN) == 0;
        f->log_id.counter = (uint64_t)sqlite3_column_int64(st, 1);
        f->log_id.random = (uint64_t)sqlite3_column_int64(st, 2);
        f->offset = (uint64_t)sqlite3_column_int64(st, 3);
        err = same ? WEFT_OK : WEFT_E_VERSION;
    } else {
        err = rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : code_of(rc);
    }
    sqlite3_finalize(st);
    return err;
}

static enum weft_err first_position(struct wf_fold *f, const struct wf_hash *schema)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        code_of(sqlite3_prepare_v2(f->db, "INSERT INTO fold VALUES(1,?1,0,0,0)", -1, &st, NULL));

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, schema->b, WF_HASH_LEN, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return code_of(rc);
}

// A cache of the log: losing its last seconds only means folding them again, so it need not be synced at each commit.
static enum weft_err open_file(struct wf_fold *f, const char *path, const struct wf_hash *schema)
{
    struct wf_buf sql = { 0 };
    mode_t before = umask(077);
    enum weft_err err =
        code_of(sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL));

    umask(before);
    if (!err)
        err = code_of(sqlite3_exec(f->db,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF;", NULL,
            NULL, NULL));
    if (!err)
        err = table_sql(f, &sql);
    if (!err)
        err = wf_buf_end(&sql);
    if (!err)
        err = code_of(sqlite3_exec(f->db, (const char *)sql.ptr, NULL, NULL, NULL));
    wf_buf_fini(&sql);
    if (!err)
        err = load_position(f, schema);
    if (err == WEFT_E_NOT_FOUND)
        err = first_position(f, schema);
    return err ? err : prepare(f);
}

static void close_file(struct wf_fold *f)
{
    sqlite3_stmt **all[] = { &f->put, &f->erase, &f->begin, &f->sweep, &f->mark_origin,
        &f->position };

    for (size_t i = 0; i < WF_COUNT(all); i++) {
        sqlite3_finalize(*all[i]);
        *all[i] = NULL;
    }
    sqlite3_close(f->db);
    f->db = NULL;
}

static void remove_files(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char name[4200];

    for (size_t i = 0; i < WF_COUNT(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static enum weft_err compile_keys(
    struct wf_fold *f, const struct wf_product *p, struct wf_diag *diag)
{
    enum weft_err err = p->key_count <= WF_COUNT(f->keys) ? WEFT_OK : WEFT_E_TOO_BIG;

    for (; f->key_count < p->key_count && !err; f->key_count++)
        err = wf_record_path_compile(
            f->message, wf_bytes_str(p->keys[f->key_count]), &f->keys[f->key_count], diag);
    return err;
}

enum weft_err wf_fold_open(
    const struct wf_fold_conf *conf, struct wf_fold **ret, struct wf_diag *diag)
{
    struct wf_fold *f = calloc(1, sizeof *f);

    if (!f)
        return WEFT_E_NOMEM;
    f->message = conf->message;
    f->rows_shared = conf->product->rows_shared;
    enum weft_err err = compile_keys(f, conf->product, diag);
    if (!err) {
        err = open_file(f, conf->path, &conf->product->schema_hash);
        if (err && err != WEFT_E_NOMEM && err != WEFT_E_NOSPACE) {
            close_file(f);
            remove_files(conf->path);
            f->offset = 0;
            f->log_id = (struct wf_incarnation){ 0 };
            err = open_file(f, conf->path, &conf->product->schema_hash);
        }
    }
    if (err) {
        wf_diag_set(
            diag, 0, 0, "%s: %s", conf->path, f->db ? sqlite3_errmsg(f->db) : weft_err_text(err));
        wf_fold_close(f);
        return err;
    }
    *ret = f;
    return WEFT_OK;
}

void wf_fold_close(struct wf_fold *f)
{
    if (!f)
        return;
    close_file(f);
    wf_buf_fini(&f->key);
    wf_buf_fini(&f->json);
    free(f);
}

enum weft_err wf_fold_clear(struct wf_fold *f)
{
    enum weft_err err = code_of(sqlite3_exec(f->db,
        "BEGIN; DELETE FROM row; DELETE FROM origin; UPDATE fold SET counter=0, random=0, end=0; "
        "COMMIT",
        NULL, NULL, NULL));

    if (!err) {
        f->log_id = (struct wf_incarnation){ 0 };
        f->offset = 0;
    }
    return err;
}

void wf_fold_position(const struct wf_fold *f, struct wf_incarnation *ret_log, uint64_t *ret_offset)
{
    *ret_log = f->log_id;
    *ret_offset = f->offset;
}

// ---- folding -----------------------------------------------------------------------------------------------------------

static enum weft_err add_length(struct wf_buf *out, size_t len)
{
    uint8_t b[4];

    wf_store_be32(b, (uint32_t)len);
    return wf_buf_append(out, WF_BYTES(b));
}

// The row's key: each part with its length, so that no two different keys have the same bytes.
static enum weft_err build_key(struct wf_fold *f, const char *origin, struct wf_bytes record)
{
    enum weft_err err = WEFT_OK;

    f->key.len = 0;
    if (!f->rows_shared) {
        err = add_length(&f->key, strlen(origin));
        if (!err)
            err = wf_buf_append_str(&f->key, origin);
    }
    for (size_t i = 0; i < f->key_count && !err; i++) {
        struct wf_value v;
        uint8_t number[8];
        err = wf_record_get(&f->keys[i], record, &v, NULL);
        if (err)
            return err;
        struct wf_bytes part =
            v.kind == WF_VALUE_STRING || v.kind == WF_VALUE_BYTES ? v.bytes : WF_BYTES(number);
        wf_store_be64(number, v.kind == WF_VALUE_BOOL   ? v.b
                              : v.kind == WF_VALUE_ENUM ? (uint64_t)(int64_t)v.number
                                                        : v.u);
        err = add_length(&f->key, part.len);
        if (!err)
            err = wf_buf_append(&f->key, part);
    }
    return err;
}

static enum weft_err bind_nested(
    struct wf_fold *f, int column, const struct wf_schema_field *field, struct wf_bytes record)
{
    f->json.len = 0;
    enum weft_err err = wf_record_field_json(f->message, field, record, &f->json, NULL);
    if (!err && wf_bytes_is(wf_buf_view(&f->json), "null"))
        return code_of(sqlite3_bind_null(f->put, column));
    return err ? err
               : code_of(sqlite3_bind_text64(f->put, column, (const char *)f->json.ptr, f->json.len,
                     SQLITE_TRANSIENT, SQLITE_UTF8));
}

static enum weft_err bind_scalar(
    struct wf_fold *f, int column, const struct wf_schema_field *field, const struct wf_value *v)
{
    const struct wf_schema_enum_value *name = NULL;

    switch (v->kind) {
    case WF_VALUE_BOOL:
        return code_of(sqlite3_bind_int(f->put, column, v->b));
    case WF_VALUE_INT:
        return code_of(sqlite3_bind_int64(f->put, column, v->i));
    case WF_VALUE_UINT: // beyond 2^63 SQLite has no integer: as text it is at least right
        if (v->u <= INT64_MAX)
            return code_of(sqlite3_bind_int64(f->put, column, (int64_t)v->u));
        f->json.len = 0;
        if (wf_buf_printf(&f->json, "%llu", (unsigned long long)v->u))
            return WEFT_E_NOMEM;
        return code_of(
            sqlite3_bind_text(f->put, column, (const char *)f->json.ptr, -1, SQLITE_TRANSIENT));
    case WF_VALUE_FLOAT:
        return code_of(sqlite3_bind_double(f->put, column, (double)v->f));
    case WF_VALUE_DOUBLE:
        return code_of(sqlite3_bind_double(f->put, column, v->d));
    case WF_VALUE_ENUM:
        name = wf_schema_enum_by_number(field->enumeration, v->number);
        return code_of(name ? sqlite3_bind_text(f->put, column, name->name, -1, SQLITE_STATIC)
                            : sqlite3_bind_int(f->put, column, v->number));
    case WF_VALUE_STRING:
        return code_of(sqlite3_bind_text64(f->put, column, (const char *)v->bytes.ptr, v->bytes.len,
            SQLITE_TRANSIENT, SQLITE_UTF8));
    case WF_VALUE_BYTES:
        return code_of(
            sqlite3_bind_blob64(f->put, column, v->bytes.ptr, v->bytes.len, SQLITE_TRANSIENT));
    default:
        return code_of(sqlite3_bind_null(f->put, column));
    }
}

static enum weft_err bind_fields(struct wf_fold *f, struct wf_bytes record)
{
    enum weft_err err = WEFT_OK;

    for (uint32_t i = 0; i < f->message->field_count && !err; i++) {
        const struct wf_schema_field *field = &f->message->fields[i];
        struct wf_record_path path = { .message = f->message, .fields = { field }, .count = 1 };
        struct wf_value v;
        bool present = false;
        if (field->repeated || field->type == WF_TYPE_MESSAGE) {
            err = bind_nested(f, (int)i + 5, field, record);
            continue;
        }
        err = wf_record_get(&path, record, &v, &present);
        if (!err && field->presence && !present)
            v.kind = WF_VALUE_NONE;
        if (!err)
            err = bind_scalar(f, (int)i + 5, field, &v);
    }
    return err;
}

static enum weft_err put_row(
    struct wf_fold *f, const struct wf_fold_entry *e, const struct wf_record_view *r)
{
    enum weft_err err = build_key(f, e->origin, r->data);

    if (!err)
        err = bind_fields(f, r->data);
    if (err) {
        sqlite3_clear_bindings(f->put);
        return err;
    }
    sqlite3_bind_blob64(f->put, 1, f->key.ptr, f->key.len, SQLITE_STATIC);
    sqlite3_bind_text(f->put, 2, e->origin, -1, SQLITE_STATIC);
    sqlite3_bind_int64(f->put, 3, r->time_us);
    sqlite3_bind_int64(f->put, 4, e->append_ms);
    return run(f->put);
}

static enum weft_err mark_origin(
    struct wf_fold *f, const struct wf_fold_entry *e, int64_t snapshot_ms)
{
    sqlite3_bind_text(f->mark_origin, 1, e->origin, -1, SQLITE_STATIC);
    sqlite3_bind_int64(f->mark_origin, 2, e->append_ms);
    sqlite3_bind_int64(f->mark_origin, 3, snapshot_ms);
    return run(f->mark_origin);
}

static enum weft_err fold_record(
    struct wf_fold *f, const struct wf_fold_entry *e, const struct wf_record_view *r)
{
    enum weft_err err = WEFT_OK;

    switch (r->op) {
    case WF_OP_PUT:
        return put_row(f, e, r);
    case WF_OP_DELETE:
        err = build_key(f, e->origin, r->data);
        if (!err)
            sqlite3_bind_blob64(f->erase, 1, f->key.ptr, f->key.len, SQLITE_STATIC);
        return err ? err : run(f->erase);
    case WF_OP_SNAPSHOT_BEGIN:
        sqlite3_bind_text(f->begin, 1, e->origin, -1, SQLITE_STATIC);
        sqlite3_bind_int64(f->begin, 2, e->append_ms);
        return run(f->begin);
    case WF_OP_SNAPSHOT_END:
        sqlite3_bind_text(f->sweep, 1, e->origin, -1, SQLITE_STATIC);
        err = run(f->sweep);
        return err ? err : mark_origin(f, e, e->append_ms);
    }
    return WEFT_E_RECORD;
}

enum weft_err wf_fold_apply(struct wf_fold *f, const struct wf_fold_entry *e)
{
    struct wf_bytes rest = e->raw;
    struct wf_record_view r;
    uint64_t at = e->offset;
    enum weft_err err = f->broken ? f->broken
                        : f->in_transaction
                            ? WEFT_OK
                            : code_of(sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL));

    if (err)
        return err;
    f->in_transaction = true;
    for (; rest.len && !err; at++) {
        err = wf_records_next(&rest, e->base_us, &r);
        // An entry that begins before the position was folded in part.
        if (err || (wf_incarnation_eq(&e->log_id, &f->log_id) && at < f->offset))
            continue;
        enum weft_err one = fold_record(f, e, &r);
        if (one == WEFT_E_NOMEM || one == WEFT_E_IO || one == WEFT_E_NOSPACE ||
            one == WEFT_E_DAMAGED)
            err = one;
        else if (one)
            f->skipped++;
    }
    if (!err)
        err = mark_origin(f, e, 0);
    if (!err)
        wf_fold_pass(f, &e->log_id, at);
    return err;
}

void wf_fold_pass(struct wf_fold *f, const struct wf_incarnation *log_id, uint64_t end)
{
    if (wf_incarnation_eq(log_id, &f->log_id) && end <= f->offset)
        return;
    f->log_id = *log_id;
    f->offset = end;
    f->moved = true;
}

enum weft_err wf_fold_commit(struct wf_fold *f)
{
    if (f->broken)
        return f->broken;
    if (!f->in_transaction && !f->moved)
        return WEFT_OK;
    if (!f->in_transaction) {
        enum weft_err begun = code_of(sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL));
        if (begun)
            return begun;
    }
    f->moved = false;
    sqlite3_bind_int64(f->position, 1, (int64_t)f->log_id.counter);
    sqlite3_bind_int64(f->position, 2, (int64_t)f->log_id.random);
    sqlite3_bind_int64(f->position, 3, (int64_t)f->offset);
    enum weft_err err = run(f->position);
    if (!err)
        err = code_of(sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL));
    f->in_transaction = false;
    f->broken = err;
    return err;
}
