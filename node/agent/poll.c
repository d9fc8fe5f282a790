// SPDX-License-Identifier: Apache-2.0
// Long polls of agents, and the tasks that travel in their answers: nothing ever connects to a host. A poll is answered at once when the
// agent's manifests are not those of its home or a task waits; else it is parked. Here clones are told: two machines with one key take turns.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/agents.h"
#include "node/provider/room.h"

// ---- manifests -------------------------------------------------------------------------------------------------------

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wf_hash));
}

// The ids of the manifests that select this agent, ascending, in the arena; and their root.
static enum weft_err manifests_of(struct wf_node *n, const struct wf_agent *a,
    struct wf_arena *arena, struct wf_hash **ret, size_t *ret_count)
{
    size_t count = 0, at = 0;

    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p))
        count += wf_collect_selects(wf_home_collect(p), a->row.subject.s, false);
    struct wf_hash *ids = wf_arena_calloc(arena, count, sizeof *ids);
    if (!ids)
        return wf_arena_err(arena);
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p && at < count;
         p = wf_stream_next(n, p))
        if (wf_collect_selects(wf_home_collect(p), a->row.subject.s, false))
            ids[at++] = wf_home_collect(p)->id;
    qsort(ids, at, sizeof *ids, by_hash);
    *ret = ids;
    *ret_count = at;
    return WEFT_OK;
}

static void manifests_root(const struct wf_hash *ids, size_t count, struct wf_hash *ret)
{
    wf_blake2b(wf_bytes(ids, count * sizeof *ids), ret);
}

// ---- tasks -----------------------------------------------------------------------------------------------------------

static void task_end(struct wf_node *n, struct wf_agent *a, struct wf_agent_task *t,
    enum weft_err err, struct wf_bytes result, const char *text)
{
    struct wf_agent_task **at = &a->tasks;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    t->fn(n, t->arg, err, result, text);
    wf_arena_fini(&t->arena);
    free(t);
}

void wf_agent_tasks_end(struct wf_node *n, struct wf_agent *a, enum weft_err err)
{
    char text[160];

    while (a->tasks) {
        struct wf_agent_task *t = a->tasks;
        snprintf(text, sizeof text, "%s: %s",
            t->handed ? "the host took the call" : "the host did not come for the call",
            weft_err_text(err));
        task_end(
            n, a, t, t->handed ? WEFT_E_TIMEOUT : WEFT_E_NOT_DELIVERED, wf_bytes(NULL, 0), text);
    }
}

static enum weft_err copy_task(struct wf_agent_task *t, const Weft__V1__Task *from)
{
    const char *product = NULL, *method = NULL, *caller = NULL;
    struct wf_bytes request = { 0 };
    enum weft_err err = wf_arena_str(&t->arena, wf_bytes_str(from->product), &product);

    if (!err)
        err = wf_arena_str(&t->arena, wf_bytes_str(from->method), &method);
    if (!err)
        err = wf_arena_str(&t->arena, wf_bytes_str(from->caller), &caller);
    if (!err)
        err = wf_arena_dup(&t->arena, wf_pb_view(from->request), &request);
    if (err)
        return err;
    weft__v1__task__init(&t->task);
    t->task.id = wf_pb_bin(WF_BYTES(t->id));
    t->task.product = wf_pb_str(product);
    t->task.method = wf_pb_str(method);
    t->task.caller = wf_pb_str(caller);
    t->task.request = wf_pb_bin(request);
    t->task.snapshot = from->snapshot;
    return WEFT_OK;
}

static void answer_parked(struct wf_node *n, struct wf_agent *a);

enum weft_err wf_agents_task(struct wf_node *n, const char *subject, const Weft__V1__Task *task,
    int64_t deadline_ms, wf_task_fn fn, void *arg)
{
    struct wf_agent *a = wf_agents_find(n, subject);
    size_t waiting = 0;

    if (!a || wf_agent_state_of(n, a) != WF_AGENT_UP)
        return WEFT_E_NO_HOST;
    for (const struct wf_agent_task *t = a->tasks; t; t = t->next)
        waiting++;
    if (waiting >= WF_AGENT_TASKS) {
        n->agents->counted.tasks_full++;
        return WEFT_E_BUSY;
    }
    if (task->request.len > WF_MAX_CALL)
        return WEFT_E_TOO_BIG;
    struct wf_agent_task *t = calloc(1, sizeof *t);
    if (!t)
        return WEFT_E_NOMEM;
    t->deadline_ms = deadline_ms;
    t->fn = fn;
    t->arg = arg;
    if (task->id.len == sizeof t->id)
        memcpy(t->id, task->id.data, sizeof t->id);
    else
        wf_random(t->id, sizeof t->id);
    wf_arena_init(&t->arena, WF_MAX_CALL + 4096);
    enum weft_err err = copy_task(t, task);
    if (err) {
        wf_arena_fini(&t->arena);
        free(t);
        return err;
    }
    struct wf_agent_task **end = &a->tasks;
    while (*end)
        end = &(*end)->next;
    *end = t;
    n->agents->counted.tasks++;
    if (a->poll)
        answer_parked(n, a);
    return WEFT_OK;
}

static void expire_tasks(struct wf_node *n, struct wf_agent *a, int64_t now)
{
    for (struct wf_agent_task *t = a->tasks, *next; t; t = next) {
        next = t->next;
        if (now < t->deadline_ms)
            continue;
        task_end(n, a, t, t->handed ? WEFT_E_TIMEOUT : WEFT_E_NOT_DELIVERED, wf_bytes(NULL, 0),
            t->handed ? "the host did not answer in time"
                      : "the host did not ask for work in time");
    }
}

static bool has_work(const struct wf_agent *a)
{
    for (const struct wf_agent_task *t = a->tasks; t; t = t->next)
        if (!t->handed)
            return true;
    return false;
}

// As many as fit one answer; the rest waits for the next poll, which comes at once.
static enum weft_err put_tasks(
    struct wf_node *n, struct wf_agent *a, struct wf_arena *arena, Weft__V1__PollReply *r)
{
    size_t bytes = 0;

    r->tasks = wf_arena_calloc(arena, WF_AGENT_TASKS, sizeof(Weft__V1__Task *));
    if (!r->tasks)
        return wf_arena_err(arena);
    for (struct wf_agent_task *t = a->tasks; t && r->n_tasks < WF_AGENT_TASKS; t = t->next) {
        if (t->handed)
            continue;
        bytes += t->task.request.len + 512;
        if (bytes > WF_AGENT_REPLY_BYTES)
            break;
        int64_t left = t->deadline_ms - wf_node_now_ms(n);
        t->task.deadline_ms = left > 0 ? left : 0;
        r->tasks[r->n_tasks++] = &t->task;
    }
    return WEFT_OK;
}

// ---- polls -----------------------------------------------------------------------------------------------------------

static void mark_handed(struct wf_agent *a, const Weft__V1__PollReply *r)
{
    for (size_t i = 0; i < r->n_tasks; i++)
        for (struct wf_agent_task *t = a->tasks; t; t = t->next)
            if (&t->task == r->tasks[i])
                t->handed = true;
}

static void reply_poll(struct wf_node *n, struct wf_agent *a, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PollReply r = WEFT__V1__POLL_REPLY__INIT;
    struct wf_hash *ids = NULL, root;
    size_t count = 0;
    enum weft_err err = manifests_of(n, a, c->arena, &ids, &count);

    if (!err) {
        manifests_root(ids, count, &root);
        r.manifests = wf_pb_bin(wf_hash_view(&root));
        if (!wf_bytes_eq(wf_pb_view(c->request->poll->manifests), wf_hash_view(&root))) {
            r.manifest_ids = wf_arena_calloc(c->arena, count, sizeof *r.manifest_ids);
            for (; r.manifest_ids && r.n_manifest_ids < count; r.n_manifest_ids++)
                r.manifest_ids[r.n_manifest_ids] = wf_pb_bin(wf_hash_view(&ids[r.n_manifest_ids]));
            err = r.manifest_ids ? WEFT_OK : wf_arena_err(c->arena);
        }
    }
    if (!err)
        err = put_tasks(n, a, c->arena, &r);
    if (!err)
        err = wf_agents_put_places(n, c->arena, wf_pb_view(c->request->poll->places), &r);
    if (err) {
        wf_call_refuse(c, err, "poll: %s", weft_err_text(err));
        return;
    }
    mark_handed(a, &r);
    a->places_told = n->agents->places;
    a->places_session = c->caller->session;
    reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply.poll = &r;
    wf_call_reply(c, &reply);
}

static void answer_parked(struct wf_node *n, struct wf_agent *a)
{
    struct wf_call *c = a->poll;

    a->poll = NULL;
    c->on_gone = NULL;
    reply_poll(n, a, c);
}

void wf_agent_poll_end(struct wf_node *n, struct wf_agent *a)
{
    if (a->poll)
        answer_parked(n, a);
}

static void on_gone(struct wf_call *c, void *arg)
{
    struct wf_agent *a = arg;

    if (a->poll == c)
        a->poll = NULL;
}

// Who does not take what it is told of the domain's nodes, because it is older than that or can't, hears it with every answer, and of each
// change once at once: else its polls would go round as fast as both of us can.
static bool has_places_for(struct wf_node *n, const struct wf_agent *a, const struct wf_call *c)
{
    return wf_agents_has_news(n, wf_pb_view(c->request->poll->places)) &&
           !(a->places_session == c->caller->session &&
               wf_hash_eq(&a->places_told, &n->agents->places));
}

static bool needs_answer(struct wf_node *n, const struct wf_agent *a, struct wf_call *c)
{
    struct wf_hash *ids = NULL, root;
    size_t count = 0;

    if (has_work(a) || manifests_of(n, a, c->arena, &ids, &count))
        return true;
    manifests_root(ids, count, &root);
    return !wf_bytes_eq(wf_pb_view(c->request->poll->manifests), wf_hash_view(&root)) ||
           has_places_for(n, a, c);
}

// Its own nodes are silent: perhaps they are elsewhere now. Who may poll at all was looked at.
static void reply_places(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PollReply r = WEFT__V1__POLL_REPLY__INIT;
    enum weft_err err = wf_agents_put_places(n, c->arena, wf_pb_view(c->request->poll->places), &r);

    if (err) {
        wf_call_refuse(c, err, "poll: %s", weft_err_text(err));
        return;
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply.poll = &r;
    wf_call_reply(c, &reply);
}

// ---- clones ----------------------------------------------------------------------------------------------------------

// One weftd uses one session after another and never goes back to one it has left. Two with one key take turns, since the poll of each ends
// the other's.
static bool is_clone(const struct wf_agent *a, uint64_t session)
{
    if (a->session == session)
        return false;
    for (size_t i = 0; i < WF_AGENT_SESSIONS; i++)
        if (a->left[i] == session)
            return true;
    return false;
}

static void note_session(struct wf_agent *a, const struct wf_caller *from)
{
    uint64_t session = from->session;

    if (a->session == session)
        return;
    snprintf(a->session_from, sizeof a->session_from, "%s", from->address);
    if (a->session)
        a->left[a->left_next++ % WF_AGENT_SESSIONS] = a->session;
    a->session = session;
}

static enum weft_err keep_state(
    struct wf_node *n, struct wf_agent *a, const Weft__V1__AgentState *s)
{
    struct wf_buf packed = { 0 };

    if (!s)
        return WEFT_OK;
    if (s->n_sources > WF_AGENT_SOURCES_SHOWN)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_pb_pack(s, &packed);
    if (!err && packed.len > WF_AGENT_STATE_MAX)
        err = WEFT_E_TOO_BIG;
    if (err) {
        wf_buf_fini(&packed);
        return err;
    }
    wf_buf_fini(&a->row.state);
    a->row.state = packed;
    a->row.skew_ms = s->time_ms - wf_node_now_unix_ms(n);
    a->row.started_ms = s->started_ms;
    wf_agent_note_spool(a, s);
    return WEFT_OK;
}

// ---- requests --------------------------------------------------------------------------------------------------------

static void park(struct wf_node *n, struct wf_agent *a, struct wf_call *c)
{
    uint32_t wait = c->request->poll->wait_ms;

    if (wait > WF_LONG_POLL_MS)
        wait = WF_LONG_POLL_MS;
    if (wait == 0 || n->draining || wf_call_park(c, on_gone, a)) {
        reply_poll(n, a, c);
        return;
    }
    a->poll = c;
    a->poll_due_ms = wf_node_now_ms(n) + wait;
}

void wf_poll_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PollRequest *q = c->request->poll;
    struct wf_agent *a = wf_provider_poll(n, c) ? NULL : wf_agents_caller(n, c);

    if (!a)
        return;
    if (n->outcast) { // the agent goes on to its next uplink
        wf_call_refuse(c, WEFT_E_NOT_HOME, "this node was replaced by another machine");
        return;
    }
    if (q->places_only) {
        reply_places(n, c);
        return;
    }
    if (is_clone(a, c->caller->session)) {
        char seen[160];
        snprintf(seen, sizeof seen, "two machines use the key of %.30s, at %.50s and at %.50s",
            a->row.subject.s, a->session_from, c->caller->address);
        wf_agent_quarantine(n, a, seen);
        wf_agent_poll_end(n, a);
        wf_call_refuse(c, WEFT_E_CLONED, "two machines use the key of %s", a->row.subject.s);
        return;
    }
    n->agents->counted.polls++;
    note_session(a, c->caller);
    enum weft_err err = keep_state(n, a, q->state);
    if (err) {
        wf_call_refuse(c, err, "the state of %s: %s", a->row.subject.s, weft_err_text(err));
        return;
    }
    if (a->poll)
        answer_parked(n, a); // one at a time
    wf_agents_tell(n, a);
    if (needs_answer(n, a, c))
        reply_poll(n, a, c);
    else
        park(n, a, c);
}

void wf_answer_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AnswerRequest *q = c->request->answer;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AnswerReply r = WEFT__V1__ANSWER_REPLY__INIT;
    struct wf_agent *a =
        c->caller->local && wf_provider_answer(n, c) ? NULL : wf_agents_caller(n, c);

    if (!a)
        return;
    struct wf_agent_task *t = a->tasks;
    while (t && (!t->handed || q->task_id.len != sizeof t->id ||
                    memcmp(t->id, q->task_id.data, sizeof t->id) != 0))
        t = t->next;
    if (!t) {
        wf_call_refuse(
            c, WEFT_E_UNKNOWN_CALL, "no such task waits for an answer of %s", a->row.subject.s);
        return;
    }
    enum weft_err err = q->code ? (enum weft_err)q->code : q->error[0] ? WEFT_E_PROVIDER : WEFT_OK;
    task_end(n, a, t, err, wf_pb_view(q->result), q->error);
    reply.kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    reply.answer = &r;
    wf_call_reply(c, &reply);
}

void wf_agents_manifests_changed(struct wf_node *n)
{
    if (n->agents)
        n->agents->places_ms = 0; // who lost a product learns with the same answer where it is
    for (size_t i = 0; n->agents && i < n->agents->count; i++) {
        struct wf_agent *a = n->agents->by_name[i];
        if (a->poll && needs_answer(n, a, a->poll))
            answer_parked(n, a);
    }
}

void wf_agent_polls_tick(struct wf_node *n)
{
    int64_t now = wf_node_now_ms(n);

    for (size_t i = 0; i < n->agents->count; i++) {
        struct wf_agent *a = n->agents->by_name[i];
        if (a->tasks)
            expire_tasks(n, a, now);
        if (a->poll && now >= a->poll_due_ms)
            answer_parked(n, a);
        wf_agents_tell(n, a);
    }
}
