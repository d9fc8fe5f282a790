// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/join/tickets.h"
#include "registry/db_sqlite.h"

struct wf_tickets {
    sqlite3 *db;
};

enum weft_err wf_tickets_open(const char *path, struct wf_tickets **ret, struct wf_diag *diag)
{
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
        "trusted_schema=OFF; PRAGMA foreign_keys=ON;"
        "CREATE TABLE IF NOT EXISTS ticket(id BLOB PRIMARY KEY, secret BLOB "
        "NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,"
        " prefix TEXT NOT NULL, cidr TEXT NOT NULL, uses INTEGER NOT NULL, "
        "expires_ms INTEGER NOT NULL, patterns TEXT NOT NULL, old BLOB NOT NULL);"
        "CREATE TABLE IF NOT EXISTS member(key BLOB PRIMARY KEY, subject "
        "TEXT NOT NULL, ticket BLOB NOT NULL, at_ms INTEGER NOT NULL, "
        "released_ms INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL, ousts INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX IF NOT EXISTS member_subject ON "
        "member(subject) WHERE released_ms=0;"
        "PRAGMA user_version=4;";
    struct wf_tickets *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_db_open(path, ddl, 4, &t->db, diag);
    if (err) {
        wf_tickets_close(t);
        return err;
    }
    *ret = t;
    return WEFT_OK;
}

void wf_tickets_close(struct wf_tickets *t)
{
    if (!t)
        return;
    sqlite3_close(t->db);
    free(t);
}

enum weft_err wf_tickets_add(struct wf_tickets *t, const struct wf_ticket_row *row)
{
    sqlite3_stmt *st = NULL;
    char patterns[WF_MAX_CERT_PATTERNS * (WF_MAX_NAME + 2)] = "";
    size_t len = 0;

    for (size_t i = 0; i < row->pattern_count; i++)
        len += (size_t)snprintf(
            patterns + len, sizeof patterns - len, "%s%s", i ? " " : "", row->patterns[i].s);
    enum weft_err err =
        wf_db_prepare(t->db, "INSERT INTO ticket VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)", &st);
    if (err)
        return err;
    sqlite3_bind_blob(st, 1, row->id, sizeof row->id, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, row->secret, sizeof row->secret, SQLITE_STATIC);
    sqlite3_bind_int(st, 3, (int)row->kind);
    sqlite3_bind_text(st, 4, row->name.s, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 5, row->prefix.s, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 6, row->from, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 7, row->uses);
    sqlite3_bind_int64(st, 8, row->expires_ms);
    sqlite3_bind_text(st, 9, patterns, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 10, row->old.b, row->replaces ? WF_KEY_LEN : 0, SQLITE_STATIC);
    return wf_db_run(st);
}

static enum weft_err take_patterns(const char *text, struct wf_ticket_row *row)
{
    while (*text) {
        size_t len = strcspn(text, " ");
        if (row->pattern_count == WF_MAX_CERT_PATTERNS ||
            wf_pattern_from(wf_bytes(text, len), &row->patterns[row->pattern_count]))
            return WEFT_E_DAMAGED;
        row->pattern_count++;
        text += len + (text[len] == ' ');
    }
    return WEFT_OK;
}

static enum weft_err take_name(sqlite3_stmt *st, int column, struct wf_name *ret)
{
    const char *s = (const char *)sqlite3_column_text(st, column);

    if (!s || !s[0]) {
        ret->s[0] = '\0';
        return s ? WEFT_OK : WEFT_E_DAMAGED;
    }
    return strlen(s) < sizeof ret->s ? (memcpy(ret->s, s, strlen(s) + 1), WEFT_OK) : WEFT_E_DAMAGED;
}

static enum weft_err take_row(sqlite3_stmt *st, struct wf_ticket_row *row)
{
    const char *from = (const char *)sqlite3_column_text(st, 4),
               *patterns = (const char *)sqlite3_column_text(st, 7);
    enum weft_err err = take_name(st, 2, &row->name);

    if (!err)
        err = take_name(st, 3, &row->prefix);
    if (err || sqlite3_column_bytes(st, 0) != WF_TICKET_SECRET_LEN || !from ||
        strlen(from) >= sizeof row->from || !patterns)
        return WEFT_E_DAMAGED;
    memcpy(row->secret, sqlite3_column_blob(st, 0), WF_TICKET_SECRET_LEN);
    memcpy(row->from, from, strlen(from) + 1);
    row->kind = (enum wf_identity_kind)sqlite3_column_int(st, 1);
    row->uses = (uint32_t)sqlite3_column_int64(st, 5);
    row->expires_ms = sqlite3_column_int64(st, 6);
    row->used = (uint32_t)sqlite3_column_int64(st, 8);
    row->replaces = sqlite3_column_bytes(st, 9) == WF_KEY_LEN;
    if (row->replaces)
        memcpy(row->old.b, sqlite3_column_blob(st, 9), WF_KEY_LEN);
    return take_patterns(patterns, row);
}

enum weft_err wf_tickets_get(
    struct wf_tickets *t, const uint8_t id[WF_TICKET_ID_LEN], struct wf_ticket_row *ret)
{
    sqlite3_stmt *st = NULL;
    struct wf_ticket_row row = { 0 };
    enum weft_err err = wf_db_prepare(t->db,
        "SELECT secret,kind,name,prefix,cidr,uses,expires_ms,patterns,(SELECT count(*) FROM member "
        "WHERE ticket=?1),old FROM ticket WHERE id=?1",
        &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, id, WF_TICKET_ID_LEN, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    err = rc == SQLITE_ROW    ? take_row(st, &row)
          : rc == SQLITE_DONE ? WEFT_E_TICKET
                              : wf_db_code(rc);
    sqlite3_finalize(st);
    memcpy(row.id, id, WF_TICKET_ID_LEN);
    if (!err)
        *ret = row;
    wf_wipe(&row, sizeof row);
    return err;
}

enum weft_err wf_tickets_subject(
    struct wf_tickets *t, const struct wf_sign_pub *key, struct wf_name *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(t->db, "SELECT subject FROM member WHERE key=?1", &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, key->b, WF_KEY_LEN, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    err = rc == SQLITE_ROW    ? take_name(st, 0, ret)
          : rc == SQLITE_DONE ? WEFT_E_NOT_FOUND
                              : wf_db_code(rc);
    sqlite3_finalize(st);
    return err;
}

enum weft_err wf_tickets_named(
    struct wf_tickets *t, const struct wf_name *subject, struct wf_named *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(t->db,
        "SELECT key,kind,at_ms,length(ticket)=0,ousts FROM member WHERE subject=?1 AND "
        "released_ms=0",
        &st);

    if (err)
        return err;
    sqlite3_bind_text(st, 1, subject->s, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    err = rc == SQLITE_ROW ? WEFT_OK : rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : wf_db_code(rc);
    if (!err && sqlite3_column_bytes(st, 0) != WF_KEY_LEN)
        err = WEFT_E_DAMAGED;
    if (!err) {
        memcpy(ret->key.b, sqlite3_column_blob(st, 0), WF_KEY_LEN);
        ret->kind = (enum wf_identity_kind)sqlite3_column_int(st, 1);
        ret->since_ms = sqlite3_column_int64(st, 2);
        ret->heard = sqlite3_column_int(st, 3);
        ret->ousts = sqlite3_column_int(st, 4);
    }
    sqlite3_finalize(st);
    return err;
}

static enum weft_err insert(struct wf_tickets *t, const struct wf_named *m,
    const struct wf_name *subject, struct wf_bytes ticket, int64_t now)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(t->db, "INSERT INTO member VALUES(?1,?2,?3,?4,0,?5,?6)", &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, m->key.b, WF_KEY_LEN, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, subject->s, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 3, ticket.ptr, (int)ticket.len, SQLITE_STATIC);
    sqlite3_bind_int64(st, 4, now);
    sqlite3_bind_int(st, 5, (int)m->kind);
    sqlite3_bind_int(st, 6, m->ousts);
    return wf_db_run(st);
}

enum weft_err wf_tickets_adopt(struct wf_tickets *t, const struct wf_named *m,
    const struct wf_name *subject, int64_t now_unix_ms)
{
    return insert(t, m, subject, WF_STR(""), now_unix_ms);
}

enum weft_err wf_tickets_release(
    struct wf_tickets *t, const struct wf_sign_pub *key, int64_t now_unix_ms)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(
        t->db, "UPDATE member SET released_ms=?2 WHERE key=?1 AND released_ms=0", &st);

    if (err)
        return err;
    sqlite3_bind_blob(st, 1, key->b, WF_KEY_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, now_unix_ms);
    return wf_db_run(st);
}

static enum weft_err use_in_transaction(struct wf_tickets *t, const uint8_t id[WF_TICKET_ID_LEN],
    const struct wf_sign_pub *key, const struct wf_name *subject, int64_t now)
{
    static const struct wf_sign_pub nobody;
    struct wf_ticket_row row;
    struct wf_name known;
    enum weft_err err = wf_tickets_subject(t, key, &known);

    if (!err)
        return strcmp(known.s, subject->s) == 0 ? WEFT_OK : WEFT_E_EXISTS;
    if (err != WEFT_E_NOT_FOUND)
        return err;
    err = wf_tickets_get(t, id, &row);
    if (err)
        return err;
    wf_wipe(row.secret, sizeof row.secret);
    if (row.used >= row.uses)
        return WEFT_E_TICKET_USED;
    const struct wf_named m = { .key = *key,
        .kind = row.kind,
        .ousts = row.replaces && memcmp(row.old.b, nobody.b, WF_KEY_LEN) == 0 };
    return insert(t, &m, subject, wf_bytes(id, WF_TICKET_ID_LEN), now);
}

enum weft_err wf_tickets_use(struct wf_tickets *t, const uint8_t id[WF_TICKET_ID_LEN],
    const struct wf_sign_pub *key, const struct wf_name *subject, int64_t now_unix_ms)
{
    enum weft_err err = wf_db_code(sqlite3_exec(t->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));

    if (err)
        return err;
    err = use_in_transaction(t, id, key, subject, now_unix_ms);
    enum weft_err ended =
        wf_db_code(sqlite3_exec(t->db, err ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL));
    return err ? err : ended;
}

void wf_tickets_prune(struct wf_tickets *t, int64_t now_unix_ms)
{
    sqlite3_stmt *st = NULL;

    // Members stay: a subject is another key's only after a release.
    if (wf_db_prepare(t->db, "DELETE FROM ticket WHERE expires_ms < ?1", &st))
        return;
    sqlite3_bind_int64(st, 1, now_unix_ms - 86400000);
    if (wf_db_run(st))
        return; // the next prune tries again
}

// ---- CIDR ------------------------------------------------------------------------------------------------------------

static bool parse_address(const char *text, size_t len, int *ret_family, uint8_t ret[16])
{
    char copy[64];

    if (len && text[0] == '[') { // "[v6]:port"
        const char *end = memchr(text, ']', len);
        if (!end)
            return false;
        text++;
        len = (size_t)(end - text);
    }
    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *colon = strchr(copy, ':');
    if (colon && strchr(colon + 1, ':') == NULL)
        *colon = '\0'; // "v4:port"
    if (inet_pton(AF_INET, copy, ret) == 1) {
        *ret_family = AF_INET;
        return true;
    }
    *ret_family = AF_INET6;
    return inet_pton(AF_INET6, copy, ret) == 1;
}

bool wf_cidr_is_valid(const char *cidr)
{
    char address[64];
    size_t len = strcspn(cidr, "/");

    if (len >= sizeof address)
        return false;
    memcpy(address, cidr, len);
    address[len] = '\0';
    return wf_cidr_contains(cidr, address); // its own address is within it, if it is one
}

bool wf_cidr_contains(const char *cidr, const char *address)
{
    const char *slash = strchr(cidr, '/');
    uint8_t net[16], ip[16];
    int net_family = 0, ip_family = 0;
    char *end = NULL;

    if (!slash || !parse_address(cidr, (size_t)(slash - cidr), &net_family, net) ||
        !parse_address(address, strlen(address), &ip_family, ip) || net_family != ip_family)
        return false;
    long bits = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end || bits < 0 || bits > (net_family == AF_INET ? 32 : 128))
        return false;
    for (long i = 0; i < bits; i++)
        if ((net[i / 8] ^ ip[i / 8]) & 0x80 >> i % 8)
            return false;
    return true;
}
