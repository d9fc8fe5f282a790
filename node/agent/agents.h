// SPDX-License-Identifier: Apache-2.0
// The inside of the agents room (the node's side): the table of agents in memory and its file, what its parts share. Loop thread only.
// Invariant: an agent has at most one parked poll, and a task is told of exactly once.
#ifndef WF_NODE_AGENT_AGENTS_H
#define WF_NODE_AGENT_AGENTS_H

#include "node/agent/room.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"

#define WF_AGENTS_MAX          65536u
#define WF_AGENT_UP_MS         30000           // a poll comes at least every 25 s
#define WF_AGENT_LATE_MS       300000          // then it is gone
#define WF_AGENT_TASKS         256u            // waiting for one agent
#define WF_AGENT_REPLY_BYTES   (900u * WF_KIB) // of tasks in one poll's answer
#define WF_AGENT_SESSIONS      4u              // left behind, and remembered to tell a clone
#define WF_AGENT_STATE_MAX     (64u * WF_KIB)
#define WF_AGENT_SAVE_MS       60000
#define WF_AGENT_SNAPSHOT_MS   3600000
#define WF_AGENT_SOURCES_SHOWN 256u

struct wf_agent_task {
    struct wf_agent_task *next;
    uint8_t id[WF_AGENT_TASK_ID_LEN];
    struct wf_arena arena; // of what task points to
    Weft__V1__Task task;
    int64_t deadline_ms;
    bool handed;
    wf_task_fn fn;
    void *arg;
};

// What outlives a restart of the node.
struct wf_agent_row {
    struct wf_name subject;
    struct wf_sign_pub key;
    int64_t heard_unix_ms, certificate_expires_ms, skew_ms, started_ms, last_batch_unix_ms;
    char address[64];
    bool revoked, cloned;
    char why[160]; // cloned: what was seen
    // of the key before
    int64_t replaced_unix_ms; // 0: there was none
    uint64_t left_records;    // waited there when it was heard last
    struct wf_buf state;      // AgentState as it was heard last, packed
};

struct wf_agent {
    struct wf_agent_row row;
    int64_t heard_ms; // monotonic; -1 = not since this start
    uint64_t session, left[WF_AGENT_SESSIONS];
    char session_from[64]; // address
    size_t left_next;
    enum wf_agent_state told;
    bool dirty;
    struct {
        uint64_t bytes, records, lost;
    } spool; // by its state, as it was heard last
    struct wf_call *poll;
    int64_t poll_due_ms;
    struct wf_hash places_told; // and in which session
    uint64_t places_session;
    struct wf_agent_task *tasks;
};

struct wf_agents_db;
struct wf_agents_room {
    struct wf_agents_db *db;
    struct wf_agent **by_name; // sorted by subject
    size_t count, cap;
    int64_t save_due_ms, snapshot_due_ms;
    struct wf_hash places;          // what agents are told of the domain's nodes, by its hash
    int64_t places_ms;              // gathered anew from then on
    bool has_inventory;             // the built-in product stands
    const struct wf_conf *rules_of; // the configuration whose rules it has
    struct {
        uint64_t polls, batches, refused, tasks, tasks_full, clones;
    } counted;
};

// agents_sqlite.c
WF_MUST_USE enum weft_err wf_agents_db_open(
    const char *path, struct wf_agents_db **ret, struct wf_diag *diag);
void wf_agents_db_close(struct wf_agents_db *db);
// fn takes the row's buffer. Stops at its first error.
typedef enum weft_err (*wf_agents_row_fn)(void *arg, struct wf_agent_row *row);
WF_MUST_USE enum weft_err wf_agents_db_load(
    struct wf_agents_db *db, wf_agents_row_fn fn, void *arg);
WF_MUST_USE enum weft_err wf_agents_db_begin(struct wf_agents_db *db);
WF_MUST_USE enum weft_err wf_agents_db_put(struct wf_agents_db *db, const struct wf_agent_row *row);
WF_MUST_USE enum weft_err wf_agents_db_commit(struct wf_agents_db *db);

// agents.c
struct wf_agent *wf_agents_find(struct wf_node *n, const char *subject);
// The agent behind a call, made when it is new; NULL after the call was refused (no agent, revoked, cloned, table full).
struct wf_agent *wf_agents_caller(struct wf_node *n, struct wf_call *c);
enum wf_agent_state wf_agent_state_of(const struct wf_node *n, const struct wf_agent *a);
// seen: what tells that two machines have its key.
void wf_agent_quarantine(struct wf_node *n, struct wf_agent *a, const char *seen);
// It is revoked: all that it has here ends.
void wf_agent_shut_out(struct wf_node *n, struct wf_agent *a);
// What it said last; NULL when it said nothing, or damage on the disk took it.
Weft__V1__AgentState *wf_agent_last_state(const struct wf_agent *a, struct wf_arena *arena);
void wf_agent_note_spool(struct wf_agent *a, const Weft__V1__AgentState *s);

// poll.c
void wf_agent_polls_tick(struct wf_node *n);
void wf_agent_poll_end(struct wf_node *n, struct wf_agent *a);
void wf_agent_tasks_end(struct wf_node *n, struct wf_agent *a, enum weft_err err);

// told.c
bool wf_agents_has_news(
    struct wf_node *n, struct wf_bytes had); // had: the hash that the agent gave
// Nothing when there is none.
WF_MUST_USE enum weft_err wf_agents_put_places(
    struct wf_node *n, struct wf_arena *arena, struct wf_bytes had, Weft__V1__PollReply *r);

// inventory.c: DOMAIN/agents
void wf_agents_tell(struct wf_node *n, struct wf_agent *a); // its row, if its state is another
void wf_agents_inventory_tick(struct wf_node *n);

#endif
