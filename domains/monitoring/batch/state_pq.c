// SPDX-License-Identifier: Apache-2.0
// What the writer tells those who look, which hosts are late, and which process stores which product. A product has one holder, by a lease
// that its holder renews every second: when it stops, another takes over from the stored cursor. The fence is not the lease's time but the
// row lock in each transaction (send_pq.c), so clocks decide who works and never what is stored. Times of leases are the database's.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_pq.h"

#define NOW "(extract(epoch from clock_timestamp()) * 1000)::bigint"

// ---- status ------------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_pq_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms)
{
    struct wf_mon_pq_args a = { 0 };
    const char *words[WF_MON_LINE_TEXTS];
    int64_t numbers[WF_MON_LINE_NUMBERS];

    if (!wf_mon_pq_holds(s, line->product))
        return WEFT_OK; // its holder tells
    wf_mon_line_columns(line, words, numbers);
    for (int i = 0; i < WF_MON_LINE_TEXTS; i++)
        wf_mon_pq_text(&a, words[i]);
    for (int i = 0; i < WF_MON_LINE_NUMBERS; i++)
        wf_mon_pq_int(&a, numbers[i]);
    wf_mon_pq_text(&a, line->late);
    wf_mon_pq_int(&a, now_ms);
    return wf_mon_pq_ask(&wf_mon_pq(s)->link,
        "UPDATE _status SET kind = $2, state = $3, cause = $4, problem = $5, why = $6, past = $7, "
        "freshness_ms = $8, head = $9, next = $10, lag = $11, gaps = $12, verify_failures = $13, "
        "duplicates = $14, token_expires_ms = $15, lease_expires_ms = $16, hosts = $17, "
        "hosts_late = $18, since_ms = $19, late = $20, updated_ms = $21 WHERE product = $1",
        &a, false, NULL);
}

enum weft_err wf_mon_pq_beat(struct wf_mon_store *s, const struct wf_mon_beat *beat)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct wf_mon_pq_args a = { 0 };

    wf_mon_pq_text(&a, q->process);
    wf_mon_pq_int(&a, beat->pid);
    wf_mon_pq_text(&a, beat->subject);
    wf_mon_pq_text(&a, beat->state);
    wf_mon_pq_text(&a, beat->problem);
    wf_mon_pq_int(&a, beat->started_ms);
    wf_mon_pq_text(&a, q->owner);
    return wf_mon_pq_ask(&q->link,
        "INSERT INTO _monitor(process, pid, subject, state, problem, started_ms, owner, "
        "updated_ms) "
        "VALUES($1, $2, $3, $4, $5, $6, $7, " NOW ") ON CONFLICT (process) DO UPDATE SET subject = "
        "excluded.subject, state = excluded.state, problem = excluded.problem, updated_ms = "
        "excluded.updated_ms",
        &a, false, NULL);
}

// ---- late hosts --------------------------------------------------------------------------------------------------------

// SELECT state of a host in DOMAIN/agents, when that is stored here; *ret = NULL otherwise. The caller frees it.
static enum weft_err agent_query(struct wf_mon_pq *q, const struct wf_mon_table *t, char **ret)
{
    char product[WF_MON_PRODUCT + 8], table[2 * WF_MON_NAME + 3], state[2 * WF_MON_NAME + 3],
        name[2 * WF_MON_NAME + 3];
    struct wf_mon_pq_args a = { 0 };
    struct wf_mon_pq_string text = { 0 };
    PGresult *r = NULL;

    snprintf(product, sizeof product, "%s/agents", t->domain);
    wf_mon_pq_text(&a, product);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT t.tbl, s.col, n.col FROM _table t JOIN _columns s ON s.tbl = t.tbl AND s.field = "
        "'state' JOIN _columns n ON n.tbl = t.tbl AND n.is_key = 1 WHERE t.product = $1 LIMIT 1",
        &a, false, &r);
    if (err)
        return err;
    if (PQntuples(r))
        wf_mon_pq_add(&text,
            "SELECT %s FROM %s WHERE %s = $1 AND _op = 'put' ORDER BY _batch DESC, _offset DESC "
            "LIMIT 1",
            wf_mon_pq_quote(PQgetvalue(r, 0, 1), state),
            wf_mon_pq_quote(PQgetvalue(r, 0, 0), table),
            wf_mon_pq_quote(PQgetvalue(r, 0, 2), name));
    PQclear(r);
    *ret = text.ptr;
    return text.failed ? wf_mon_store_nomem(&q->base) : WEFT_OK;
}

static enum weft_err ask_agent(
    struct wf_mon_pq *q, const char *query, const char *host, enum wf_mon_agent *ret)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    *ret = WF_MON_AGENT_UNKNOWN;
    if (!query)
        return WEFT_OK;
    wf_mon_pq_text(&a, host);
    enum weft_err err = wf_mon_pq_ask(&q->link, query, &a, false, &r);
    if (err)
        return err;
    if (PQntuples(r))
        *ret = wf_mon_agent_of(PQgetvalue(r, 0, 0));
    PQclear(r);
    return WEFT_OK;
}

static enum weft_err name_late(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct wf_mon_pq_args *a, struct wf_mon_late *ret)
{
    char *query = NULL;
    PGresult *r = NULL;
    enum weft_err err = agent_query(q, t, &query);

    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "SELECT origin FROM _origin WHERE product = $1 AND last_append_ms < $2 ORDER BY "
            "last_append_ms LIMIT 200",
            a, false, &r);
    for (int i = 0; !err && i < PQntuples(r); i++) {
        enum wf_mon_agent says;
        const char *host = PQgetvalue(r, i, 0);
        err = ask_agent(q, query, host, &says);
        if (!err)
            wf_mon_late_add(ret, host, says);
    }
    PQclear(r);
    free(query);
    return err;
}

enum weft_err wf_mon_pq_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct wf_mon_late late = { 0 };
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->product);
    wf_mon_pq_int(&a, before_ms);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT count(*), coalesce(sum(CASE WHEN last_append_ms < $2 THEN 1 ELSE 0 END), 0), "
        "coalesce(max(last_append_ms), 0) FROM _origin WHERE product = $1",
        &a, false, &r);
    if (err)
        return err;
    late.hosts = (uint64_t)wf_mon_pq_number(r, 0, 0);
    late.late = (uint64_t)wf_mon_pq_number(r, 0, 1);
    late.newest_ms = wf_mon_pq_number(r, 0, 2);
    PQclear(r);
    if (late.late)
        err = name_late(q, t, &a, &late);
    if (!err)
        *ret = late;
    return err;
}

// ---- who stores what ---------------------------------------------------------------------------------------------------

static struct wf_mon_table *find(struct wf_mon_store *s, const char *product)
{
    struct wf_mon_table *t = s->tables;

    while (t && strcmp(t->product, product) != 0)
        t = t->next;
    return t;
}

bool wf_mon_pq_holds(struct wf_mon_store *s, const char *product)
{
    const struct wf_mon_table *t = find(s, product);

    return t && t->plan->held;
}

// FNV-1a over both: each process finds the same order of processes for a product.
static uint64_t rank(const char *process, const char *product)
{
    uint64_t h = 14695981039346656037u;

    for (; *process; process++)
        h = (h ^ (uint8_t)*process) * 1099511628211u;
    for (; *product; product++)
        h = (h ^ (uint8_t)*product) * 1099511628211u;
    // FNV's upper bits move little with the last bytes: mixed once more (the finalizer of MurmurHash3).
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

// A process of this machine that is no more: nobody waits for its lease to run out.
static bool is_dead(const struct wf_mon_pq *q, const char *owner)
{
    size_t len = strlen(q->machine);

    if (!len || strncmp(owner, q->machine, len) != 0 || strcmp(owner, q->owner) == 0)
        return false;
    long pid = strtol(owner + len, NULL, 10);
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool is_preferred(const struct wf_mon_pq *q, const PGresult *live, const char *product)
{
    uint64_t mine = rank(q->process, product);

    for (int i = 0; i < PQntuples(live); i++) {
        const char *other = PQgetvalue(live, i, 0);
        if (strcmp(other, q->process) != 0 && rank(other, product) > mine &&
            !is_dead(q, PQgetvalue(live, i, 1)))
            return false;
    }
    return true;
}

// What the database says of one product's lease.
struct lease {
    bool mine, live;   // live: somebody's, and not run out
    const char *asked; // who would rather have it; "" for nobody
    const char *owner; // "" for nobody
};

static enum weft_err take_lease(struct wf_mon_pq *q, struct wf_mon_table *t, const struct lease *l)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->product);
    wf_mon_pq_text(&a, q->owner);
    wf_mon_pq_text(&a, q->process);
    wf_mon_pq_int(&a, WF_MON_PQ_LEASE_MS);
    wf_mon_pq_text(&a, l->owner); // known to be dead, or its time is over
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "INSERT INTO _lease(product, owner, process, until_ms) VALUES($1, $2, $3, " NOW
        " + $4::bigint) ON CONFLICT (product) DO UPDATE SET owner = excluded.owner, process = "
        "excluded.process, until_ms = excluded.until_ms, asked = NULL WHERE _lease.owner IS NULL "
        "OR _lease.owner = $5 OR _lease.until_ms <= " NOW,
        &a, false, &r);
    if (err)
        return err;
    t->plan->held = strcmp(PQcmdTuples(r), "1") == 0;
    PQclear(r);
    t->loaded = false;      // its last holder counted on
    q->next_id = q->end_id; // ids rise from one holder to the next
    return WEFT_OK;
}

static enum weft_err drop_lease(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    struct wf_mon_pq_args a = { 0 };

    t->plan->held = false;
    wf_mon_pq_text(&a, t->product);
    wf_mon_pq_text(&a, q->owner);
    return wf_mon_pq_ask(&q->link,
        "UPDATE _lease SET owner = NULL, until_ms = 0 WHERE product = $1 AND owner = $2", &a, false,
        NULL);
}

static enum weft_err ask_for(struct wf_mon_pq *q, const struct wf_mon_table *t)
{
    struct wf_mon_pq_args a = { 0 };

    wf_mon_pq_text(&a, t->product);
    wf_mon_pq_text(&a, q->process);
    return wf_mon_pq_ask(
        &q->link, "UPDATE _lease SET asked = $2 WHERE product = $1", &a, false, NULL);
}

static bool is_live(const PGresult *live, const char *process)
{
    for (int i = 0; i < PQntuples(live); i++)
        if (strcmp(PQgetvalue(live, i, 0), process) == 0)
            return true;
    return false;
}

// A free product goes to the live process that the hash prefers, and after a while to whoever wants it: the preferred one may be set to
// other products. A holder gives way when the preferred one asks.
static enum weft_err decide(
    struct wf_mon_pq *q, struct wf_mon_table *t, const struct lease *l, const PGresult *live)
{
    bool preferred = is_preferred(q, live, t->product);

    t->plan->free_turns = l->live ? 0 : t->plan->free_turns + 1;
    if (l->mine && l->live) {
        bool gives_way =
            l->asked[0] && strcmp(l->asked, q->process) != 0 && is_live(live, l->asked);
        t->plan->held = true;
        return gives_way && !t->plan->touched ? drop_lease(q, t) : WEFT_OK;
    }
    t->plan->held = false;
    if (!l->live && (preferred || t->plan->free_turns > WF_MON_PQ_FREE_TURNS))
        return take_lease(q, t, l);
    if (l->live && preferred && strcmp(l->asked, q->process) != 0)
        return ask_for(q, t);
    return WEFT_OK;
}

static enum weft_err decide_all(struct wf_mon_pq *q, const char *const *products, size_t count,
    const PGresult *leases, const PGresult *live)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0, at = 0; i < count && !err; i++) {
        struct wf_mon_table *t = NULL;
        struct lease l = { .asked = "", .owner = "" };
        int rows = PQntuples(leases);
        // Both lists go by product, but the caller's order is its own: a hint first, then a search.
        int row = (int)at < rows && strcmp(PQgetvalue(leases, (int)at, 0), products[i]) == 0
                      ? (int)at
                      : 0;
        while (row < rows && strcmp(PQgetvalue(leases, row, 0), products[i]) != 0)
            row++;
        if (row < rows) {
            at = (size_t)row + 1;
            l.mine = strcmp(PQgetvalue(leases, row, 1), q->owner) == 0;
            l.owner = PQgetvalue(leases, row, 1);
            l.live = strcmp(PQgetvalue(leases, row, 2), "t") == 0 && !is_dead(q, l.owner);
            l.asked = PQgetvalue(leases, row, 3);
        }
        err = wf_mon_store_table(&q->base, products[i], &t);
        if (!err)
            err = decide(q, t, &l, live);
    }
    return err;
}

enum weft_err wf_mon_pq_claim(struct wf_mon_store *s, const char *const *products, size_t count)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct wf_mon_pq_args a = { 0 }, owner = { 0 };
    PGresult *live = NULL, *leases = NULL;

    wf_mon_pq_int(&a, WF_MON_PQ_LEASE_MS);
    wf_mon_pq_text(&owner, q->owner);
    wf_mon_pq_int(&owner, WF_MON_PQ_LEASE_MS);
    enum weft_err err = wf_mon_pq_connect(&q->link);
    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "UPDATE _lease SET until_ms = " NOW " + $2::bigint WHERE owner = $1", &owner, false,
            NULL);
    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "SELECT process, owner FROM _monitor WHERE state = 'running' AND updated_ms > " NOW
            " - $1::bigint",
            &a, false, &live);
    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "SELECT product, coalesce(owner, ''), (owner IS NOT NULL AND until_ms > " NOW
            "), coalesce(asked, '') FROM _lease ORDER BY product",
            NULL, false, &leases);
    if (!err)
        err = decide_all(q, products, count, leases, live);
    PQclear(live);
    PQclear(leases);
    return err;
}
