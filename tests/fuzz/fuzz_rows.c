// SPDX-License-Identifier: Apache-2.0
// Rows of any types and values in the databases of a node, each opened and asked as its room does: who was refused, agents, grants, tickets with their
// members, calls. Rows are {table, values}, a value is {kind and length, bytes}. What is no row of ours is passed over or refused, what is one keeps its
// bounds.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/access/grants.h"
#include "node/access/refused.h"
#include "node/agent/agents.h"
#include "node/join/tickets.h"
#include "node/provider/calls.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

#define NOW_MS   1767225600000
#define ROWS_MAX 4

enum file { REFUSED, AGENTS, GRANTS, TICKETS, CALLS, FILES };

static const struct table {
    enum file file;
    const char *name;
    int columns;
} tables[] = { { REFUSED, "refused", 9 }, { AGENTS, "agent", 14 }, { GRANTS, "access_grant", 19 },
    { GRANTS, "grant_warned", 2 }, { GRANTS, "signed_list", 2 }, { TICKETS, "ticket", 10 },
    { TICKETS, "member", 7 }, { CALLS, "call", 10 } };

static char paths[FILES][256];
static sqlite3 *others[FILES]; // a connection that writes what nobody checked
static struct wf_agents_db *agents;
static struct wf_grants *grants;
static struct wf_tickets *tickets;
static struct wf_calls *calls;

// No power fails here.
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static void must(bool right)
{
    if (!right)
        abort();
}

static void open_all(void)
{
    struct wf_diag diag = { 0 };
    struct wf_refused *refused = NULL;
    const char *dir = wf_test_tmpdir();

    must(wf_crypto_init() == WEFT_OK);
    for (unsigned i = 0; i < FILES; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%u.db", dir, i);
    must(wf_refused_open(paths[REFUSED], &refused, &diag) == WEFT_OK);
    wf_refused_close(refused);
    must(wf_agents_db_open(paths[AGENTS], &agents, &diag) == WEFT_OK);
    must(wf_grants_open(paths[GRANTS], &grants, &diag) == WEFT_OK);
    must(wf_tickets_open(paths[TICKETS], &tickets, &diag) == WEFT_OK);
    must(wf_calls_open(paths[CALLS], &calls, &diag) == WEFT_OK);
    for (unsigned i = 0; i < FILES; i++)
        must(sqlite3_open(paths[i], &others[i]) == SQLITE_OK);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

static unsigned next_byte(struct wf_bytes *in)
{
    unsigned b = in->len ? in->ptr[0] : 0;

    if (in->len)
        *in = wf_bytes(in->ptr + 1, in->len - 1);
    return b;
}

static int bind_next(sqlite3_stmt *st, int at, struct wf_bytes *in)
{
    unsigned kind = next_byte(in);
    size_t len = kind >> 2 < in->len ? kind >> 2 : in->len;
    const void *bytes = in->len ? (const void *)in->ptr : "";
    int64_t number = 0;

    if ((kind & 3) == 0) // small ones, so that kinds and states are met
        return sqlite3_bind_int64(st, at, (int64_t)(kind >> 2) - 4);
    if ((kind & 3) == 3) {
        len = in->len < 8 ? in->len : 8;
        memcpy(&number, bytes, len);
    }
    if (len)
        *in = wf_bytes(in->ptr + len, in->len - len);
    return (kind & 3) == 1   ? sqlite3_bind_text(st, at, bytes, (int)len, SQLITE_TRANSIENT)
           : (kind & 3) == 2 ? sqlite3_bind_blob(st, at, bytes, (int)len, SQLITE_TRANSIENT)
           : kind & 4        ? sqlite3_bind_double(st, at, (double)number)
                             : sqlite3_bind_int64(st, at, number);
}

static void write_row(const struct table *t, struct wf_bytes *in)
{
    sqlite3_stmt *st = NULL;
    char sql[160];
    int len = snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s VALUES(?", t->name);

    for (int i = 1; i < t->columns; i++)
        len += snprintf(sql + len, sizeof sql - (size_t)len, ",?");
    snprintf(sql + len, sizeof sql - (size_t)len, ")");
    must(sqlite3_prepare_v2(others[t->file], sql, -1, &st, NULL) == SQLITE_OK);
    for (int i = 0; i < t->columns; i++)
        must(bind_next(st, i + 1, in) == SQLITE_OK);
    (void)sqlite3_step(st); // a value that the table does not take is refused
    sqlite3_finalize(st);
}

static void clear(unsigned written)
{
    char sql[64];

    for (size_t i = 0; i < WF_COUNT(tables); i++) {
        if (!(written >> tables[i].file & 1))
            continue;
        snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i].name);
        must(sqlite3_exec(others[tables[i].file], sql, NULL, NULL, NULL) == SQLITE_OK);
    }
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static enum weft_err on_agent(void *arg, struct wf_agent_row *row)
{
    (void)arg;
    must(wf_name_is_valid(wf_bytes_str(row->subject.s)) && row->state.len <= WF_AGENT_STATE_MAX);
    must(strlen(row->address) < sizeof row->address && strlen(row->why) < sizeof row->why);
    wf_buf_fini(&row->state);
    return WEFT_OK;
}

static void read_agents(void)
{
    (void)!wf_agents_db_load(agents, on_agent, NULL);
}

static void read_refused(void)
{
    struct wf_diag diag = { 0 };
    struct wf_refused *r = NULL;
    struct wf_refused_row fresh = { .who = "servers/web-1",
        .what = "servers/disks query",
        .code = WEFT_E_VERB,
        .count = 1,
        .first_ms = NOW_MS,
        .last_ms = NOW_MS };
    const struct wf_refused_row *seen[32];

    if (wf_refused_open(paths[REFUSED], &r, &diag))
        return;
    wf_refused_note(r, &fresh);
    must(wf_refused_recent(r, seen, WF_COUNT(seen)) >= 1);
    wf_refused_prune(r, NOW_MS);
    wf_refused_close(r); // saved
}

static enum weft_err on_grant(void *arg, const struct wf_grant *row)
{
    (void)arg;
    must(row->label && row->products && row->verbs && row->columns && row->rows && row->purpose);
    must(row->token.len <= WF_MAX_TOKEN);
    (void)wf_grant_state_name(row->state);
    return WEFT_OK;
}

static void read_grants(void)
{
    struct wf_sign_pub holder = { { 0 } };
    struct wf_buf list = { 0 };
    size_t count = 0;
    unsigned percent = 0;
    bool revoked = false;

    for (int state = 0; state <= WF_GRANT_REVOKED; state++)
        (void)!wf_grants_each(grants, (enum wf_grant_state)state, on_grant, NULL);
    (void)!wf_grants_by_hand(grants, NOW_MS, on_grant, NULL);
    (void)!wf_grants_pending(grants, NULL, &count);
    (void)!wf_grants_was_revoked(grants, &holder, "disks", &revoked);
    (void)!wf_grants_warned(grants, 1, &percent);
    (void)!wf_grants_get_list(grants, &list);
    wf_grants_prune(grants, NOW_MS, NOW_MS);
    wf_buf_fini(&list);
}

static void read_tickets(void)
{
    static const uint8_t id[WF_TICKET_ID_LEN];
    static const struct wf_sign_pub key;
    struct wf_name subject = { "web-1" }, found;
    struct wf_ticket_row row;
    struct wf_named named;

    if (wf_tickets_get(tickets, id, &row) == WEFT_OK)
        must(row.pattern_count <= WF_MAX_CERT_PATTERNS && strlen(row.name.s) < sizeof row.name.s &&
             strlen(row.from) < sizeof row.from);
    if (wf_tickets_subject(tickets, &key, &found) == WEFT_OK)
        must(strlen(found.s) < sizeof found.s);
    (void)!wf_tickets_named(tickets, &subject, &named);
    wf_tickets_prune(tickets, NOW_MS);
}

static void read_call(void)
{
    static const uint8_t caller[WF_KEY_LEN], key[WF_CALL_KEY_LEN];
    struct wf_call_record r;

    if (wf_calls_get(calls, caller, key, &r) != WEFT_OK)
        return;
    must(strlen(r.provider) < sizeof r.provider && strlen(r.error) < sizeof r.error);
    must(wf_call_state_name(r.state) != NULL);
    wf_call_record_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[FILES])(
        void) = { read_refused, read_agents, read_grants, read_tickets, read_call };
    struct wf_bytes in = wf_bytes(data, size);
    unsigned written = 0; // files

    if (!agents)
        open_all();
    for (unsigned i = 0; in.len && i < ROWS_MAX; i++) {
        const struct table *t = &tables[next_byte(&in) % WF_COUNT(tables)];
        write_row(t, &in);
        written |= 1u << t->file;
    }
    for (unsigned i = 0; i < FILES; i++)
        if (written >> i & 1)
            readers[i]();
    clear(written);
    return 0;
}
