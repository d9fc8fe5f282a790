// SPDX-License-Identifier: Apache-2.0
// The table of agents: who was heard when, and what may be said to whom. Rows outlive restarts, so that a host which stays silent after one
// is still missed.
#include "node/agent/agents.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "node/join/room.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "proto/base/sorted.h"
#include "sdk/disk.h"

const char *wf_agent_state_name(enum wf_agent_state s)
{
    static const char *const names[] = { "unknown", "up", "late", "gone", "revoked", "cloned" };

    return (size_t)s < WF_COUNT(names) ? names[s] : names[0];
}

// ---- finding ---------------------------------------------------------------------------------------------------------

static int by_subject(const void *item, const void *subject)
{
    const struct wf_agent *const *a = item;

    return strcmp((*a)->row.subject.s, subject);
}

static size_t place_of(const struct wf_agents_room *r, const char *subject, bool *ret_found)
{
    const struct wf_sorted s = { r->by_name, r->count, sizeof(struct wf_agent *), by_subject };

    return wf_sorted_place(&s, subject, ret_found);
}

struct wf_agent *wf_agents_find(struct wf_node *n, const char *subject)
{
    bool found = false;
    size_t at = n->agents ? place_of(n->agents, subject, &found) : 0;

    return found ? n->agents->by_name[at] : NULL;
}

static enum weft_err grow(struct wf_agents_room *r)
{
    size_t cap = r->cap ? 2 * r->cap : 64;

    if (r->count < r->cap)
        return WEFT_OK;
    if (r->count >= WF_AGENTS_MAX)
        return WEFT_E_FULL;
    struct wf_agent **more = realloc(r->by_name, cap * sizeof(struct wf_agent *));
    if (!more)
        return WEFT_E_NOMEM;
    r->by_name = more;
    r->cap = cap;
    return WEFT_OK;
}

// Takes the row's buffer.
static enum weft_err add(
    struct wf_agents_room *r, const struct wf_agent_row *row, struct wf_agent **ret)
{
    bool found = false;
    size_t at = place_of(r, row->subject.s, &found);
    enum weft_err err = grow(r);
    struct wf_agent *a = err ? NULL : calloc(1, sizeof *a);

    if (!a)
        return err ? err : WEFT_E_NOMEM;
    a->row = *row;
    a->heard_ms = -1;
    memmove(r->by_name + at + 1, r->by_name + at, (r->count - at) * sizeof(struct wf_agent *));
    r->by_name[at] = a;
    r->count++;
    *ret = a;
    return WEFT_OK;
}

// ---- state -----------------------------------------------------------------------------------------------------------

enum wf_agent_state wf_agent_state_of(const struct wf_node *n, const struct wf_agent *a)
{
    int64_t silent = a->heard_ms < 0 ? INT64_MAX : wf_node_now_ms(n) - a->heard_ms;

    // Another node of the domain may have revoked it: the list says so here, too.
    if (a->row.revoked || wf_access_origin_revoked(n, &a->row.key, wf_node_now_unix_ms(n)))
        return WF_AGENT_REVOKED;
    if (a->row.cloned)
        return WF_AGENT_CLONED;
    if (silent <= WF_AGENT_UP_MS || a->poll)
        return WF_AGENT_UP;
    // After a restart of ours nobody has been heard yet: what the file says counts for as long.
    if (a->heard_ms < 0)
        silent = wf_node_now_unix_ms(n) - a->row.heard_unix_ms;
    return silent <= WF_AGENT_LATE_MS ? WF_AGENT_LATE : WF_AGENT_GONE;
}

enum wf_agent_state wf_agents_state(struct wf_node *n, const char *subject, int64_t *ret_heard_ms)
{
    struct wf_agent *a = wf_agents_find(n, subject);

    *ret_heard_ms = a ? a->row.heard_unix_ms : 0;
    return a ? wf_agent_state_of(n, a) : WF_AGENT_GONE;
}

Weft__V1__AgentState *wf_agent_last_state(const struct wf_agent *a, struct wf_arena *arena)
{
    Weft__V1__AgentState *s = NULL;

    if (!a->row.state.len || wf_pb_unpack(&weft__v1__agent_state__descriptor,
                                 wf_buf_view(&a->row.state), WF_PB_LENIENT, arena, &s))
        return NULL;
    return s;
}

void wf_agent_note_spool(struct wf_agent *a, const Weft__V1__AgentState *s)
{
    a->spool.bytes = s->spool_bytes;
    a->spool.records = s->spool_records;
    a->spool.lost = s->lost_records;
}

// ---- shut out --------------------------------------------------------------------------------------------------------

// Signed batches come from that key alone, so what it had not delivered can be told here and nowhere else.
static void note_left(struct wf_node *n, struct wf_agent *a)
{
    struct wf_arena arena;
    char count[24];

    wf_arena_init(&arena, wf_pb_budget(a->row.state.len));
    const Weft__V1__AgentState *s = wf_agent_last_state(a, &arena);
    a->row.left_records = s ? s->spool_records : 0;
    a->row.replaced_unix_ms = wf_node_now_unix_ms(n);
    wf_arena_fini(&arena);
    snprintf(count, sizeof count, "%llu", (unsigned long long)a->row.left_records);
    wf_say(n, WF_LOG_WARN, "agents", "a host's key is shut out; what waits there never comes",
        "agent", a->row.subject.s, "records", count, NULL);
}

void wf_agent_shut_out(struct wf_node *n, struct wf_agent *a)
{
    if (!a->row.revoked)
        note_left(n, a);
    a->row.revoked = true;
    a->dirty = true;
    wf_agent_poll_end(n, a);
    wf_agent_tasks_end(n, a, WEFT_E_REVOKED);
    wf_control_drop(n, &a->row.key);
    wf_agents_tell(n, a);
}

void wf_agents_shut_out(struct wf_node *n, const char *subject, const struct wf_sign_pub *key)
{
    struct wf_agent *a = wf_agents_find(n, subject);

    if (a && memcmp(a->row.key.b, key->b, WF_KEY_LEN) == 0)
        wf_agent_shut_out(n, a);
}

void wf_agent_quarantine(struct wf_node *n, struct wf_agent *a, const char *seen)
{
    char name[96], text[256];

    a->row.cloned = true;
    snprintf(a->row.why, sizeof a->row.why, "%s", seen);
    a->dirty = true;
    n->agents->counted.clones++;
    snprintf(name, sizeof name, "cloned-%s", a->row.subject.s);
    snprintf(text, sizeof text,
        "%.120s; both are shut out: weft agent replace %.64s for the one that keeps the name", seen,
        a->row.subject.s);
    wf_alarm(n, name, text);
    wf_agent_tasks_end(n, a, WEFT_E_CLONED);
    wf_agents_tell(n, a);
}

// ---- who calls -------------------------------------------------------------------------------------------------------

static enum weft_err make(struct wf_node *n, const struct wf_cert *cert, struct wf_agent **ret)
{
    struct wf_agent_row row = { .subject = cert->subject, .key = cert->sign_key };

    return add(n->agents, &row, ret);
}

// Another key under the name: a ticket bound it after the key before was revoked, so the old machine was replaced. When that was and what was
// left there stays with the name.
static void replace_key(struct wf_node *n, struct wf_agent *a, const struct wf_cert *cert)
{
    char name[96];

    snprintf(name, sizeof name, "cloned-%s", a->row.subject.s);
    wf_alarm(n, name, NULL);
    a->row.key = cert->sign_key;
    a->row.revoked = a->row.cloned = false;
    a->row.started_ms = 0;
    a->row.last_batch_unix_ms = 0;
    a->session = 0;
    memset(a->left, 0, sizeof a->left);
    wf_agent_poll_end(n, a);
    wf_agent_tasks_end(n, a, WEFT_E_REVOKED);
}

// A revoked key neither speaks nor takes its successor's row back.
static bool key_stands(struct wf_node *n, struct wf_call *c)
{
    const struct wf_cert *cert = &c->caller->identity.cert;

    if (!wf_access_origin_revoked(n, &cert->sign_key, wf_node_now_unix_ms(n)))
        return true;
    wf_call_refuse(c, WEFT_E_REVOKED, "%s is revoked", cert->subject.s);
    return false;
}

static bool may_speak(struct wf_call *c, const struct wf_agent *a)
{
    if (a->row.revoked) {
        wf_call_refuse(c, WEFT_E_REVOKED,
            "%s is revoked by its domain; only a new ticket lets this machine in again",
            a->row.subject.s);
        return false;
    }
    if (a->row.cloned) {
        wf_call_refuse(c, WEFT_E_CLONED,
            "two machines use the key of %s, so both are shut out; the owner says which keeps the "
            "name: weft agent replace %s",
            a->row.subject.s, a->row.subject.s);
        return false;
    }
    return true;
}

struct wf_agent *wf_agents_caller(struct wf_node *n, struct wf_call *c)
{
    const struct wf_cert *cert = &c->caller->identity.cert;
    struct wf_agent *a = NULL;

    if (!c->caller->has_identity || cert->kind != WF_ID_AGENT) {
        wf_call_refuse(c, WEFT_E_KIND, "only agents do this; %s is none", c->caller->label);
        return NULL;
    }
    a = wf_agents_find(n, cert->subject.s);
    if (!a || memcmp(a->row.key.b, cert->sign_key.b, WF_KEY_LEN) != 0)
        wf_join_meet(n, cert);
    if (!key_stands(n, c))
        return NULL;
    enum weft_err err = a ? WEFT_OK : make(n, cert, &a);
    if (err) {
        wf_call_refuse(c, err, "the table of agents: %s", weft_err_text(err));
        return NULL;
    }
    if (memcmp(a->row.key.b, cert->sign_key.b, WF_KEY_LEN) != 0)
        replace_key(n, a, cert);
    if (!may_speak(c, a))
        return NULL;
    a->heard_ms = wf_node_now_ms(n);
    a->row.heard_unix_ms = wf_node_now_unix_ms(n);
    a->row.certificate_expires_ms = cert->not_after_ms;
    snprintf(a->row.address, sizeof a->row.address, "%s", c->caller->address);
    a->dirty = true;
    return a;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err load_row(void *arg, struct wf_agent_row *row)
{
    struct wf_agent *a = NULL;
    enum weft_err err = add(arg, row, &a);

    if (err)
        return err;
    a->told = 0;
    struct wf_arena arena;
    wf_arena_init(&arena, wf_pb_budget(a->row.state.len));
    const Weft__V1__AgentState *s = wf_agent_last_state(a, &arena);
    if (s)
        wf_agent_note_spool(a, s);
    wf_arena_fini(&arena);
    return WEFT_OK;
}

static enum weft_err agents_open(struct wf_node *n, struct wf_diag *diag)
{
    char *path = NULL;

    n->agents = calloc(1, sizeof *n->agents);
    if (!n->agents)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_disk_join(n->conf->data, "agents.db", &path);
    if (!err)
        err = wf_agents_db_open(path, &n->agents->db, diag);
    if (!err) {
        err = wf_agents_db_load(n->agents->db, load_row, n->agents);
        if (err)
            wf_diag_set(diag, 0, 0, "%s: %s", path, weft_err_text(err));
    }
    free(path);
    return err;
}

static void save(struct wf_node *n)
{
    struct wf_agents_room *r = n->agents;
    enum weft_err err = wf_agents_db_begin(r->db);

    for (size_t i = 0; i < r->count && !err; i++) {
        if (!r->by_name[i]->dirty)
            continue;
        err = wf_agents_db_put(r->db, &r->by_name[i]->row);
        r->by_name[i]->dirty = err != WEFT_OK;
    }
    if (!err)
        err = wf_agents_db_commit(r->db);
    if (err)
        wf_say(n, WF_LOG_WARN, "agents", "the table could not be saved", "why", weft_err_text(err),
            NULL);
}

static void agents_tick(struct wf_node *n)
{
    struct wf_agents_room *r = n->agents;
    int64_t now = wf_node_now_ms(n);

    wf_agent_polls_tick(n);
    wf_agents_inventory_tick(n);
    if (now >= r->save_due_ms) {
        save(n);
        r->save_due_ms = now + WF_AGENT_SAVE_MS;
    }
}

static void agents_drain(struct wf_node *n)
{
    for (size_t i = 0; i < n->agents->count; i++)
        wf_agent_poll_end(n, n->agents->by_name[i]);
}

static void agents_close(struct wf_node *n)
{
    struct wf_agents_room *r = n->agents;

    if (!r)
        return;
    if (r->db)
        save(n);
    // Before the first one goes: whoever is told may look for any of them.
    for (size_t i = 0; i < r->count; i++) {
        wf_agent_poll_end(n, r->by_name[i]);
        wf_agent_tasks_end(n, r->by_name[i], WEFT_E_CLOSED);
    }
    for (size_t i = 0; i < r->count; i++) {
        wf_buf_fini(&r->by_name[i]->row.state);
        free(r->by_name[i]);
    }
    free(r->by_name);
    wf_agents_db_close(r->db);
    free(r);
    n->agents = NULL;
}

static void agents_queues(const struct wf_node *n, struct wf_queues *out)
{
    struct wf_queue q = { .name = "tasks", .dropped = n->agents->counted.tasks_full };

    for (size_t i = 0; i < n->agents->count; i++)
        for (const struct wf_agent_task *t = n->agents->by_name[i]->tasks; t; t = t->next) {
            q.items++;
            q.bytes += t->arena.used;
        }
    q.max_items = (uint64_t)n->agents->count * WF_AGENT_TASKS;
    wf_queues_add(out, &q);
}

static void agents_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    const struct wf_agents_room *r = n->agents;
    size_t states[WF_AGENT_CLONED + 1] = { 0 };
    int64_t skew = 0;
    double bytes = 0, records = 0, lost = 0;

    for (size_t i = 0; i < r->count; i++) {
        enum wf_agent_state s = wf_agent_state_of(n, r->by_name[i]);
        bytes += (double)r->by_name[i]->spool.bytes;
        records += (double)r->by_name[i]->spool.records;
        lost += (double)r->by_name[i]->spool.lost;
        int64_t off = r->by_name[i]->row.skew_ms;
        states[s]++;
        off = off < 0 ? -off : off;
        skew = s == WF_AGENT_UP && off > skew ? off : skew;
    }
    wf_metric_head(m, WF_METRIC_AGENTS);
    for (int s = WF_AGENT_UP; s <= WF_AGENT_CLONED; s++)
        wf_metric_of(m, WF_METRIC_AGENTS, (double)states[s], "state=\"%s\"",
            wf_agent_state_name((enum wf_agent_state)s));
    wf_metric(m, WF_METRIC_AGENT_POLLS, (double)r->counted.polls);
    wf_metric(m, WF_METRIC_AGENT_BATCHES, (double)r->counted.batches);
    wf_metric(m, WF_METRIC_AGENT_REFUSED, (double)r->counted.refused);
    wf_metric(m, WF_METRIC_AGENT_SKEW, (double)skew / 1000);
    wf_metric(m, WF_METRIC_AGENTS_SPOOL_BYTES, bytes);
    wf_metric(m, WF_METRIC_AGENTS_SPOOL_RECORDS, records);
    wf_metric(m, WF_METRIC_AGENTS_LOST, lost);
}

const struct wf_room wf_agents_room = { .name = "agents",
    .open = agents_open,
    .tick = agents_tick,
    .drain = agents_drain,
    .close = agents_close,
    .metrics = agents_metrics,
    .queues = agents_queues };
