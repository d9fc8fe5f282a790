// SPDX-License-Identifier: Apache-2.0
// A connection to PostgreSQL: how it is made and made again, statements with parameters, and what the server's codes mean here.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_pq.h"
#include "domains/monitoring/common/watch.h"

#define FIRST_WAIT_MS 500
#define MOST_WAIT_MS  5000

// ---- parameters --------------------------------------------------------------------------------------------------------

static void add(struct wf_mon_pq_args *a, const char *value, size_t len, int format)
{
    a->value[a->count] = value;
    a->len[a->count] = (int)len;
    a->format[a->count++] = format;
}

void wf_mon_pq_text(struct wf_mon_pq_args *a, const char *s)
{
    add(a, s, 0, 0);
}

void wf_mon_pq_int(struct wf_mon_pq_args *a, int64_t v)
{
    snprintf(a->digits[a->count], sizeof a->digits[0], "%lld", (long long)v);
    add(a, a->digits[a->count], 0, 0);
}

void wf_mon_pq_blob(struct wf_mon_pq_args *a, const void *ptr, size_t len)
{
    add(a, len ? ptr : NULL, len, 1);
}

void wf_mon_pq_null(struct wf_mon_pq_args *a)
{
    add(a, NULL, 0, 0);
}

void wf_mon_pq_add(struct wf_mon_pq_string *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || s->failed) {
        s->failed = true;
        return;
    }
    if (s->cap - s->len <= (size_t)len) {
        size_t cap = (s->cap + (size_t)len) * 2 + 64;
        char *bigger = realloc(s->ptr, cap);
        if (!bigger) {
            s->failed = true;
            return;
        }
        s->ptr = bigger;
        s->cap = cap;
    }
    va_start(args, format);
    vsnprintf(s->ptr + s->len, s->cap - s->len, format, args);
    va_end(args);
    s->len += (size_t)len;
}

const char *wf_mon_pq_quote(const char *name, char out[2 * WF_MON_NAME + 3])
{
    size_t at = 0;

    out[at++] = '"';
    for (; *name && at < 2 * (size_t)WF_MON_NAME; name++) {
        if (*name == '"')
            out[at++] = '"';
        out[at++] = *name;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

// ---- failures ----------------------------------------------------------------------------------------------------------

// SQLSTATE, its class or all of it -> ours. The first that fits.
static const struct {
    const char *state;
    enum weft_err err;
} states[] = {
    { "08", WEFT_E_IO },         // the connection
    { "57P", WEFT_E_IO },        // the server stops or starts
    { "25006", WEFT_E_IO },      // read-only: a standby
    { "40", WEFT_E_BUSY },       // serialization, deadlock
    { "55", WEFT_E_BUSY },       // a lock
    { "57", WEFT_E_BUSY },       // a statement's time is over
    { "23505", WEFT_E_BUSY },    // somebody else stored it meanwhile
    { "53100", WEFT_E_NOSPACE }, // a full disk
    { "53", WEFT_E_BUSY },       // memory, connections
    { "28", WEFT_E_PERMISSION },
    { "42501", WEFT_E_PERMISSION },
    { "XX001", WEFT_E_DAMAGED },
    { "XX002", WEFT_E_DAMAGED },
};

static enum weft_err code_of(const char *state)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return states[i].err;
    return WEFT_E_INTERNAL;
}

enum weft_err wf_mon_pq_err(struct wf_mon_pq_link *l, const PGresult *r, const char *doing)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    enum weft_err err = state ? code_of(state) : WEFT_E_IO;

    if (PQstatus(l->conn) != CONNECTION_OK)
        err = WEFT_E_IO;
    if (!text)
        text = PQerrorMessage(l->conn);
    snprintf(
        l->problem, l->problem_size, "database: %s: %.*s", doing, (int)strcspn(text, "\n"), text);
    return err;
}

// What became of a statement; the result stays the caller's.
static enum weft_err judge(struct wf_mon_pq_link *l, const PGresult *r, const char *sql)
{
    ExecStatusType status = PQresultStatus(r);
    char doing[48];

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return WEFT_OK;
    snprintf(doing, sizeof doing, "%.40s", sql);
    return wf_mon_pq_err(l, r, doing);
}

enum weft_err wf_mon_pq_ask(struct wf_mon_pq_link *l, const char *sql,
    const struct wf_mon_pq_args *a, bool binary, PGresult **ret)
{
    PGresult *r = PQexecParams(l->conn, sql, a ? a->count : 0, NULL, a ? a->value : NULL,
        a ? a->len : NULL, a ? a->format : NULL, binary);
    enum weft_err err = judge(l, r, sql);

    if (!err && ret)
        *ret = r;
    else
        PQclear(r);
    return err;
}

enum weft_err wf_mon_pq_do(struct wf_mon_pq_link *l, const char *sql)
{
    PGresult *r = PQexec(l->conn, sql);
    enum weft_err err = judge(l, r, sql);

    PQclear(r);
    return err;
}

int64_t wf_mon_pq_number(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? 0 : strtoll(PQgetvalue(r, row, column), NULL, 10);
}

// ---- the connection ----------------------------------------------------------------------------------------------------

static void be_quiet(void *arg, const PGresult *r)
{
    (void)arg; // "relation exists already, skipping"
    (void)r;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val ? o->val : "";
    return "";
}

// Sockets' folders, this host's names and addresses. "" is libpq's own socket.
static bool is_here(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (host[0] == '\0' || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// The nth of a list with commas; "" behind its end.
static void nth_of(const char *list, size_t nth, char *out, size_t size)
{
    for (; nth > 0 && *list; nth--) {
        list += strcspn(list, ",");
        list += *list == ',';
    }
    snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
}

// The first server on another machine, by its address where it has one; "": none.
static void far_host(const PQconninfoOption *options, char *out, size_t size)
{
    const char *hosts = option(options, "host"), *addresses = option(options, "hostaddr");
    size_t count = 1;

    for (const char *at = hosts[0] ? hosts : addresses; *at; at++)
        count += *at == ',';
    for (size_t i = 0; i < count; i++) {
        nth_of(addresses, i, out, size);
        if (!out[0])
            nth_of(hosts, i, out, size);
        if (!is_here(out))
            return;
    }
    out[0] = '\0';
}

// With what libpq adds of environment and service file, and before it looks for anybody: nobody has port 0.
static PGconn *without_a_server(const char *conninfo)
{
    static const char *const keys[] = { "dbname", "port", NULL };
    const char *const values[] = { conninfo, "0", NULL };

    return PQconnectStartParams(keys, values, 1);
}

// libpq's own sslmode is `prefer`: whoever stands between says that there is no TLS, and gets all in clear.
static enum weft_err check_clear(const char *conninfo, bool written, char *problem, size_t size)
{
    const char *env = getenv("PGSSLMODE");
    PGconn *c = written || (env && env[0]) ? NULL : without_a_server(conninfo);
    PQconninfoOption *options = c ? PQconninfo(c) : NULL;
    char far[200] = "";

    if (strcmp(option(options, "sslmode"), "prefer") == 0 &&
        strcmp(option(options, "gssencmode"), "require") != 0)
        far_host(options, far, sizeof far);
    if (far[0])
        snprintf(problem, size,
            "database: nothing says that the way to %.100s is encrypted: write "
            "sslmode=verify-full with sslrootcert=FILE, or sslmode=disable where nobody else is "
            "on that network",
            far);
    PQconninfoFree(options);
    PQfinish(c);
    return far[0] ? WEFT_E_USAGE : WEFT_OK;
}

// A password in the text is one that `ps` shows.
enum weft_err wf_mon_pq_check(const char *conninfo, char *problem, size_t size)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);

    if (!options) {
        snprintf(
            problem, size, "database: %.*s", why ? (int)strcspn(why, "\n") : 0, why ? why : "");
        PQfreemem(why);
        return WEFT_E_USAGE;
    }
    bool password = option(options, "password")[0] || option(options, "sslpassword")[0];
    bool written = option(options, "sslmode")[0];
    PQconninfoFree(options);
    if (!password)
        return check_clear(conninfo, written, problem, size);
    snprintf(problem, size,
        "database: a password does not belong there, where others see it: put it into "
        "~/.pgpass or a service file");
    return WEFT_E_USAGE;
}

enum weft_err wf_mon_pq_open(struct wf_mon_pq_link *l, const char *conninfo)
{
    l->conninfo = strdup(conninfo);
    if (!l->conninfo)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_mon_pq_check(conninfo, l->problem, l->problem_size);

    return err ? err : wf_mon_pq_connect(l);
}

// What the text leaves open: bounds for a server that does not answer, and our name.
static PGconn *dial(const char *conninfo)
{
    static const char *const keys[] = { "connect_timeout", "tcp_user_timeout", "keepalives_idle",
        "fallback_application_name", "dbname", NULL };
    // dbname comes last and is expanded, so that what it says stands.
    const char *const values[] = { "5", "15000", "10", "weft-monitor", conninfo, NULL };

    return PQconnectdbParams(keys, values, 1);
}

static enum weft_err check_session(struct wf_mon_pq_link *l)
{
    const char *encoding = PQparameterStatus(l->conn, "server_encoding");

    if (encoding && strcmp(encoding, "UTF8") != 0) {
        snprintf(l->problem, l->problem_size,
            "database: its encoding is %.40s; create it with ENCODING 'UTF8'", encoding);
        return WEFT_E_VERSION;
    }
    return wf_mon_pq_do(l, "SET client_encoding = 'UTF8'; SET statement_timeout = '60s'; SET "
                           "lock_timeout = '" WF_MON_PQ_LOCK
                           "'; SET client_min_messages = warning; SET bytea_output = hex");
}

// libpq passes over a file of passwords that others may read with a word on standard error alone.
static void explain_password(struct wf_mon_pq_link *l)
{
    struct stat st;
    PQconninfoOption *options = PQconninfo(l->conn);
    const char *path = option(options, "passfile");
    const char *why = stat(path, &st) != 0      ? "is not there"
                      : (st.st_mode & 077) != 0 ? "is left alone, as others may read it: chmod 600"
                      : access(path, R_OK) != 0 ? "can't be read"
                                                : "has none for this server, database and user";
    snprintf(l->problem, l->problem_size,
        "database: connect: the server wants a password, and %.160s %s", path, why);
    PQconninfoFree(options);
}

enum weft_err wf_mon_pq_connect(struct wf_mon_pq_link *l)
{
    int64_t now_ms = wf_mon_now_ms();

    if (l->conn && PQstatus(l->conn) == CONNECTION_OK)
        return WEFT_OK;
    if (now_ms < l->again_ms)
        return WEFT_E_IO;
    PQfinish(l->conn);
    l->conn = dial(l->conninfo);
    enum weft_err err = WEFT_OK;
    if (PQstatus(l->conn) != CONNECTION_OK) {
        err = wf_mon_pq_err(l, NULL, "connect");
        if (PQconnectionNeedsPassword(l->conn))
            explain_password(l);
    } else {
        PQsetNoticeReceiver(l->conn, be_quiet, NULL);
        err = check_session(l);
    }
    if (!err) {
        l->wait_ms = 0;
        return WEFT_OK;
    }
    PQfinish(l->conn);
    l->conn = NULL;
    l->wait_ms = l->wait_ms ? l->wait_ms * 2 : FIRST_WAIT_MS;
    if (l->wait_ms > MOST_WAIT_MS)
        l->wait_ms = MOST_WAIT_MS;
    l->again_ms = now_ms + l->wait_ms;
    return err;
}

void wf_mon_pq_close(struct wf_mon_pq_link *l)
{
    PQfinish(l->conn);
    free(l->conninfo);
    l->conn = NULL;
    l->conninfo = NULL;
}
