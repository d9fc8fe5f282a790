// SPDX-License-Identifier: Apache-2.0
// Requests of a subscription to its home: range, pull, position. Each ends in one callback; the machine hears of every one.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/subscribe_int.h"

struct ask_op {
    struct weft_subscription *s;
    uint32_t request;
    unsigned turn; // of a mirror; 0: the home
};

void wf_sub_met_node(struct weft_subscription *s)
{
    s->failures = 0;
    s->met_since_silent = true;
    s->net_down = false;
}

static bool is_network(enum weft_err err)
{
    return err == WEFT_E_TIMEOUT || err == WEFT_E_CLOSED || err == WEFT_E_UNREACHABLE ||
           err == WEFT_E_IO;
}

// The link reconnects by itself; the owner may have moved.
void wf_sub_missed_node(struct weft_subscription *s, enum weft_err err)
{
    struct weft_problem p;

    if (++s->failures < 2 && err != WEFT_E_TIMEOUT)
        return; // a node that was started anew closes once
    s->net_down = true;
    wf_problem_set(&p, err, "%s: its node does not answer: %s", s->name,
        s->stopping                            ? "it said that the node is stopping"
        : wf_link_state(s->link)->last_text[0] ? wf_link_state(s->link)->last_text
                                               : weft_err_text(err));
    wf_sub_state(s, WEFT_STREAM_UNREACHABLE, &p);
    wf_sub_mirror_try(s);
    if (s->failures % WF_SUB_FAILURES == 0)
        wf_sub_lease_lost(s, true);
}

// What stands in the way, for whoever sees that nothing comes: perhaps the home's disk.
static void note_refusal(struct weft_subscription *s, enum weft_err err, const char *why)
{
    if (!s->unread_since_ms)
        s->unread_since_ms = wf_sub_now(s);
    s->unread_err = err;
    snprintf(s->unread_why, sizeof s->unread_why, "%s", why && why[0] ? why : weft_err_text(err));
}

// reply: the home's refusal; NULL when none came.
static void on_failed(
    struct weft_subscription *s, uint32_t request, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_repair_event failed = { .kind = WF_REP_FAILED, .request = request, .err = err };
    bool refused = reply != NULL;

    if (refused)
        note_refusal(s, err, reply->refusal ? reply->refusal->text : NULL);
    wf_sub_step(s, &failed);
    if (refused)
        wf_sub_met_node(s);
    if (err == WEFT_E_LEASE || err == WEFT_E_NOT_HOME)
        wf_sub_lease_lost(s, err == WEFT_E_NOT_HOME);
    else if (!refused && is_network(err))
        wf_sub_missed_node(s, err);
}

static enum weft_err take_reply(
    struct weft_subscription *s, const Weft__V1__RangeReply *r, struct wf_sub_unit *u)
{
    enum weft_err err = WEFT_OK;

    u->next_offset = r->next;
    for (size_t i = 0; i < r->n_losses; i++) {
        const Weft__V1__Loss *l = r->losses[i];
        if (l->from < l->to)
            u->losses[u->loss_count++] =
                (struct wf_repair_loss){ l->from, l->to, (enum weft_err)l->code };
    }
    for (size_t i = 0; i < r->n_entries && !err; i++) {
        wf_sub_count(s, &s->stats.bytes, r->entries[i].len);
        err = wf_sub_take_entry(s, u, wf_pb_view(r->entries[i]), NULL);
    }
    u->has_beat = !wf_sub_heartbeat(s, wf_pb_view(r->heartbeat), &u->beat);
    return err;
}

static void on_mirrored(
    struct weft_subscription *s, uint32_t request, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_sub_unit *u =
        err ? NULL : wf_sub_unit_new(reply->range->n_entries, reply->range->n_losses);

    if (!err && !u)
        err = WEFT_E_NOMEM;
    if (err) {
        wf_sub_mirror_missed(s, err, reply && reply->refusal ? reply->refusal->text : NULL);
        return;
    }
    s->time_done = true;
    if (!wf_sub_mirror_take(s, reply->range, u)) {
        wf_sub_unit_free(u);
        return;
    }
    u->request = request;
    wf_sub_unit_go(s, u);
}

// While what came is verified the home reads on, unless the application may not have room for both.
static void read_ahead(struct weft_subscription *s, uint32_t request, const Weft__V1__RangeReply *r)
{
    struct wf_repair_event arrived = {
        .kind = WF_REP_ARRIVED, .request = request, .next = r->next
    };

    if (wf_sub_has_much_room(s))
        wf_sub_step(s, &arrived);
}

static void on_range(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct ask_op *o = arg;
    struct weft_subscription *s = o->s;
    uint32_t request = o->request;
    unsigned turn = o->turn;
    struct wf_sub_unit *u = NULL;
    const Weft__V1__Reply *refusal = err ? reply : NULL;

    free(o);
    if (s->closed)
        goto out;
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_RANGE)
        err = WEFT_E_PROTOCOL;
    if (turn) {
        if (wf_sub_mirror_is_turn(s, turn))
            on_mirrored(s, request, err, reply);
        goto out;
    }
    if (!err) {
        wf_sub_met_node(s);
        s->unread_since_ms = 0;
        s->time_done = true;
        read_ahead(s, request, reply->range);
        u = wf_sub_unit_new(reply->range->n_entries, reply->range->n_losses);
        err = u ? take_reply(s, reply->range, u) : WEFT_E_NOMEM;
    }
    if (err) {
        wf_sub_unit_free(u);
        on_failed(s, request, err, refusal);
    } else {
        u->request = request;
        wf_sub_unit_go(s, u);
    }
out:
    wf_sub_unref(s);
}

static void put_incarnation(const struct wf_incarnation *from, Weft__V1__Incarnation *to)
{
    weft__v1__incarnation__init(to);
    to->counter = from->counter;
    to->random = from->random;
}

static void send_ask(struct weft_subscription *s, const struct wf_sub_ask *a, struct ask_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__RangeRequest range = WEFT__V1__RANGE_REQUEST__INIT;
    Weft__V1__PullRequest pull = WEFT__V1__PULL_REQUEST__INIT;
    Weft__V1__Incarnation log_id;
    int64_t wait_ms = !a->wait ? 0 : a->silent ? WF_SUB_SILENT_MS : WF_SUB_PULL_MS;
    struct wf_bytes lease;
    struct wf_link *link = wf_sub_source(s, &lease, &o->turn);

    put_incarnation(&a->log_id, &log_id);
    range.lease_id = wf_pb_bin(lease);
    if (!wf_incarnation_is_none(&a->log_id))
        range.log_id = &log_id;
    range.from = a->from;
    range.to = a->to;
    if (s->options.from == WEFT_FROM_TIME && !s->time_done) {
        range.start = WEFT__V1__RANGE_REQUEST__START__START_TIME;
        range.time_ms = s->options.time_ms;
    }
    pull.range = &range;
    pull.wait_ms = (uint32_t)wait_ms;
    q.kind_case = a->is_pull ? WEFT__V1__REQUEST__KIND_PULL : WEFT__V1__REQUEST__KIND_RANGE;
    if (a->is_pull)
        q.pull = &pull;
    else
        q.range = &range;
    wf_client_send(s->c, link, &q, wait_ms + WF_REQUEST_DEADLINE_MS, on_range, o);
}

// ---- position ------------------------------------------------------------------------------------------------------------

static void on_position(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct weft_subscription *s = arg;
    struct wf_sub_unit *u = NULL;

    s->position_asked = false;
    if (s->closed)
        goto out;
    if (err && !reply && is_network(err)) {
        wf_sub_missed_node(s, err);
    } else if (err == WEFT_E_LEASE) {
        wf_sub_lease_lost(s, false);
    } else if (!err && reply->kind_case == WEFT__V1__REPLY__KIND_POSITION) {
        wf_sub_met_node(s);
        u = reply->position->n_heartbeats ? wf_sub_unit_new(0, 0) : NULL;
        if (u) {
            u->has_beat =
                !wf_sub_heartbeat(s, wf_pb_view(reply->position->heartbeats[0]), &u->beat);
            wf_sub_unit_go(s, u);
        }
    }
out:
    wf_sub_unref(s);
}

static void ask_position(struct weft_subscription *s)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PositionRequest request = WEFT__V1__POSITION_REQUEST__INIT;
    Weft__V1__Position at = WEFT__V1__POSITION__INIT, *list[] = { &at };
    Weft__V1__Incarnation log_id;
    struct wf_incarnation log;

    if (s->position_asked || !s->leased)
        return;
    s->want_position = false;
    wf_repair_position(s->repair, &log, &at.offset);
    put_incarnation(&log, &log_id);
    at.lease_id = wf_pb_bin(WF_BYTES(s->lease_id));
    at.log_id = &log_id;
    request.n_positions = 1;
    request.positions = list;
    q.kind_case = WEFT__V1__REQUEST__KIND_POSITION;
    q.position = &request;
    s->position_asked = true;
    wf_sub_ref(s);
    wf_client_send(s->c, s->link, &q, 0, on_position, s);
}

void wf_sub_ask_all(struct weft_subscription *s)
{
    struct wf_sub_ask asks[WF_COUNT(s->asks)];
    size_t count = s->ask_count;

    // A request may end before it is sent, and step the machine anew.
    memcpy(asks, s->asks, sizeof asks);
    s->ask_count = 0;
    for (size_t i = 0; i < count && !s->closed; i++) {
        struct ask_op *o = calloc(1, sizeof *o);
        if (!o) {
            on_failed(s, asks[i].request, WEFT_E_NOMEM, NULL);
            continue;
        }
        *o = (struct ask_op){ s, asks[i].request, 0 };
        wf_sub_ref(s);
        send_ask(s, &asks[i], o);
    }
    if (s->want_position)
        ask_position(s);
}
