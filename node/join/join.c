// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/address.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"
#include "sdk/disk.h"

#define DAY_MS          INT64_C(86400000)
#define USER_MS         (12 * INT64_C(3600000))
#define BACKDATE_MS     WF_CLOCK_TOLERANCE_MS
#define TICKET_MS       INT64_C(3600000)
#define PRUNE_EVERY_MS  3600000
#define NAMES_EVERY_MS  3000
#define TICKETS_AT_ONCE 1000u

static struct wf_join_room_state *state_of(struct wf_node *n)
{
    return n->join;
}

// ---- certificates ----------------------------------------------------------------------------------------------------

static int64_t lifetime_of(enum wf_identity_kind kind)
{
    return kind == WF_ID_USER ? USER_MS : 7 * DAY_MS;
}

enum weft_err wf_join_issue(
    struct wf_node *n, struct wf_cert *c, struct wf_arena *arena, struct wf_bytes *ret_chain)
{
    struct wf_join_room_state *s = state_of(n);
    struct wf_buf cert = { 0 }, chain = { 0 };
    struct wf_bytes parts[2] = { { 0 } };
    int64_t now = wf_node_now_unix_ms(n);

    c->serial = (uint64_t)now > s->last_serial ? (uint64_t)now : s->last_serial + 1;
    s->last_serial = c->serial;
    c->usages = wf_usages_of(c->kind);
    c->not_before_ms = now - BACKDATE_MS;
    c->not_after_ms = now + lifetime_of(c->kind);
    enum weft_err err = wf_signer_issue(n, c, &cert);
    if (!err)
        err = wf_signer_cert(n, &parts[1]);
    parts[0] = wf_buf_view(&cert);
    if (!err)
        err = wf_chain_pack(parts, 2, &chain);
    if (!err)
        err = wf_arena_dup(arena, wf_buf_view(&chain), ret_chain);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    return err;
}

static enum weft_err all_charters(
    struct wf_node *n, struct wf_arena *arena, ProtobufCBinaryData **ret, size_t *ret_count)
{
    size_t count = (size_t)n->charter->version;
    ProtobufCBinaryData *v = wf_arena_calloc(arena, count, sizeof *v);
    enum weft_err err = v ? WEFT_OK : wf_arena_err(arena);

    for (size_t i = 0; i < count && !err; i++) {
        struct wf_buf raw = { 0 };
        struct wf_bytes copy = { 0 };
        err = wf_identity_charter(n->core->dir, i + 1, &raw);
        if (!err)
            err = wf_arena_dup(arena, wf_buf_view(&raw), &copy);
        v[i] = wf_pb_bin(copy);
        wf_buf_fini(&raw);
    }
    *ret = v;
    *ret_count = count;
    return err;
}

// ---- join ------------------------------------------------------------------------------------------------------------

struct joining {
    const Weft__V1__JoinRequest *q;
    struct wf_ticket_row ticket;
    struct wf_cert cert;
    bool proven;     // its holder may be told, and the owner asks why
    char about[128]; // for both: what was asked, and what is wrong with it
};

static const char *asked_name(const struct joining *j)
{
    if (j->ticket.name.s[0] && !j->q->name[0])
        return j->ticket.name.s;
    return wf_name_is_valid(wf_bytes_str(j->q->name)) ? j->q->name : "(no name)";
}

static void explain(struct joining *j, enum weft_err err)
{
    const char *name = asked_name(j);

    if (!j->proven)
        return;
    if (err == WEFT_E_TICKET && j->ticket.name.s[0])
        snprintf(
            j->about, sizeof j->about, "join as %s: the ticket is for %s", name, j->ticket.name.s);
    else if (err == WEFT_E_TICKET &&
             strncmp(name, j->ticket.prefix.s, strlen(j->ticket.prefix.s)) != 0)
        snprintf(j->about, sizeof j->about, "join as %s: names of the ticket begin with %s", name,
            j->ticket.prefix.s);
    else if (err == WEFT_E_TICKET)
        snprintf(j->about, sizeof j->about, "join as %s: the ticket is for addresses in %s", name,
            j->ticket.from);
    else if (err == WEFT_E_TICKET_USED)
        snprintf(j->about, sizeof j->about, "join as %s: the ticket's %u uses are spent", name,
            j->ticket.uses);
    else
        snprintf(j->about, sizeof j->about, "join as %s", name);
}

static enum weft_err check_proof(struct wf_node *n, struct wf_call *c, struct joining *j)
{
    struct wf_live_session *s = wf_sessions_find(n->control->sessions, c->caller->session);
    uint8_t proof[WF_HASH_LEN];

    if (!s || j->q->ticket_id.len != WF_TICKET_ID_LEN || j->q->sign_key.len != WF_KEY_LEN ||
        j->q->dh_key.len != WF_KEY_LEN)
        return WEFT_E_SYNTAX;
    memcpy(j->cert.sign_key.b, j->q->sign_key.data, WF_KEY_LEN);
    memcpy(j->cert.dh_key.b, j->q->dh_key.data, WF_KEY_LEN);
    // The Noise key of the certificate is the one that shook hands: nobody else's can be certified.
    if (memcmp(j->cert.dh_key.b, s->s.peer.b, WF_KEY_LEN) != 0)
        return WEFT_E_KEY;
    enum weft_err err = wf_tickets_get(state_of(n)->tickets, j->q->ticket_id.data, &j->ticket);
    if (err) // an unknown ticket reads like a wrong proof
        return err == WEFT_E_NOT_FOUND ? WEFT_E_TICKET : err;
    wf_ticket_proof(WF_BYTES(j->ticket.secret), j->ticket.id, wf_session_handshake_hash(&s->s),
        &j->cert.sign_key, &j->cert.dh_key, proof);
    j->proven = wf_equal_ct(WF_BYTES(proof), wf_pb_view(j->q->proof));
    return j->proven ? WEFT_OK : WEFT_E_TICKET;
}

// The subject: what the ticket fixes, else what the newcomer asks for within the prefix.
static enum weft_err choose_name(struct joining *j)
{
    const char *want = j->ticket.name.s[0] ? j->ticket.name.s : j->q->name;

    if (j->ticket.name.s[0] && j->q->name[0] && strcmp(j->q->name, j->ticket.name.s) != 0)
        return WEFT_E_TICKET;
    if (strncmp(want, j->ticket.prefix.s, strlen(j->ticket.prefix.s)) != 0)
        return WEFT_E_TICKET;
    return wf_name_from(wf_bytes_str(want), &j->cert.subject);
}

static enum weft_err admit(struct wf_node *n, struct wf_call *c, struct joining *j)
{
    int64_t now = wf_node_now_unix_ms(n);
    enum weft_err err = wf_restored_waits(n) ? WEFT_E_BUSY : check_proof(n, c, j);

    if (err)
        return err;
    if (now >= j->ticket.expires_ms)
        return WEFT_E_EXPIRED;
    if (j->ticket.from[0] && !wf_cidr_contains(j->ticket.from, c->caller->address))
        return WEFT_E_TICKET;
    if (wf_charter_is_expired(n->charter, now))
        return WEFT_E_CHARTER_EXPIRED;
    err = choose_name(j);
    j->cert.domain = n->identity.cert.domain;
    j->cert.kind = j->ticket.kind;
    j->cert.pattern_count = j->ticket.pattern_count;
    memcpy(j->cert.patterns, j->ticket.patterns, sizeof j->cert.patterns);
    if (!err && wf_access_origin_revoked(n, &j->cert.sign_key, now))
        err = WEFT_E_REVOKED;
    if (!err)
        err = wf_names_take_over(n, &j->ticket, &j->cert.subject, &j->cert.sign_key, now);
    return err ? err
               : wf_tickets_use(
                     state_of(n)->tickets, j->ticket.id, &j->cert.sign_key, &j->cert.subject, now);
}

// about: also what the owner's list of refusals shows.
static void refuse(struct wf_call *c, enum weft_err err, const char *about)
{
    Weft__V1__Refusal r = WEFT__V1__REFUSAL__INIT;
    char text[256];

    snprintf(text, sizeof text, "%s: %s", about[0] ? about : "join", weft_err_text(err));
    r.code = (uint32_t)err;
    r.text = text;
    r.asked = wf_pb_str(about);
    wf_call_refuse_with(c, &r);
}

void wf_join_handle(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__JoinReply r = WEFT__V1__JOIN_REPLY__INIT;
    struct joining j = { .q = c->request->join };
    struct wf_bytes chain = { 0 };
    enum weft_err err = wf_signer_here(n) ? admit(n, c, &j) : WEFT_E_STATE;

    wf_wipe(j.ticket.secret, sizeof j.ticket.secret);
    if (!err && j.ticket.replaces && j.cert.kind == WF_ID_NODE)
        wf_join_rehome(n, j.cert.subject.s);
    if (!err)
        err = wf_join_issue(n, &j.cert, c->arena, &chain);
    if (!err)
        err = all_charters(n, c->arena, &r.charters, &r.n_charters);
    if (err) {
        explain(&j, err);
        wf_say(n, WF_LOG_WARN, "join", "join refused", "from", c->caller->address, "name",
            j.q->name, "why", weft_err_name(err), "what", j.about, NULL);
        refuse(c, err, j.about);
        return;
    }
    wf_say(n, WF_LOG_INFO, "join", "joined", "from", c->caller->address, "subject",
        j.cert.subject.s, "kind", wf_identity_kind_name(j.cert.kind), NULL);
    r.chain = wf_pb_bin(chain);
    reply.kind_case = WEFT__V1__REPLY__KIND_JOIN;
    reply.join = &r;
    wf_call_reply(c, &reply);
}

// ---- tickets ---------------------------------------------------------------------------------------------------------

static enum weft_err fill_row(
    const Weft__V1__TicketRequest *q, int64_t now, struct wf_ticket_row *row)
{
    enum weft_err err = WEFT_OK;

    if (q->kind < WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_NODE ||
        q->kind > WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_USER)
        return WEFT_E_KIND;
    row->kind = (enum wf_identity_kind)q->kind;
    row->uses = q->uses ? q->uses : 1;
    row->expires_ms = now + (q->duration_ms > 0 ? q->duration_ms : TICKET_MS);
    if (q->name[0])
        err = wf_name_from(wf_bytes_str(q->name), &row->name);
    if (!err &&
        (strlen(q->name_prefix) >= sizeof row->prefix.s || strlen(q->from) >= sizeof row->from))
        err = WEFT_E_TOO_BIG;
    if (!err && q->from[0] && !wf_cidr_is_valid(q->from))
        err = WEFT_E_SYNTAX;
    if (err)
        return err;
    if (q->now && !q->replace)
        return WEFT_E_KIND;
    if (q->replace &&
        ((row->kind != WF_ID_AGENT && row->kind != WF_ID_NODE) || !q->name[0] || row->uses != 1))
        return WEFT_E_KIND;
    row->replaces = q->replace;
    memcpy(row->prefix.s, q->name_prefix, strlen(q->name_prefix) + 1);
    memcpy(row->from, q->from, strlen(q->from) + 1);
    // A named ticket is for one machine; what may be published defaults to everything its kind can publish.
    static char *const any[] = { (char *)"*" };
    bool publishes = row->kind == WF_ID_NODE || row->kind == WF_ID_AGENT;
    char *const *patterns = q->n_products ? q->products : any;
    size_t count = q->n_products ? q->n_products : publishes ? 1 : 0;
    if (count > WF_MAX_CERT_PATTERNS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < count && !err; i++)
        err = wf_pattern_from(wf_bytes_str(patterns[i]), &row->patterns[row->pattern_count++]);
    return err;
}

// Newcomers dial this node.
static void own_seed(const struct wf_node *n, struct wf_ticket *t)
{
    struct wf_address at;
    char text[WF_ADDRESS_TEXT];

    wf_node_told_address(n, &at);
    snprintf(t->seeds[0].address, sizeof t->seeds[0].address, "%.255s", wf_address_text(&at, text));
    t->seeds[0].dh_key = n->keys.dh_pub;
    t->seed_count = 1;
}

static enum weft_err make_one(
    struct wf_node *n, struct wf_ticket_row *row, struct wf_arena *arena, char **ret)
{
    struct wf_ticket t = { .mesh_id = n->mesh_id,
        .domain = n->identity.cert.domain,
        .name = row->name,
        .name_prefix = row->prefix,
        .kind = row->kind,
        .expires_ms = row->expires_ms };
    struct wf_buf text = { 0 };
    const char *copy = NULL;

    wf_random(row->id, sizeof row->id);
    wf_random(row->secret, sizeof row->secret);
    memcpy(t.id, row->id, sizeof t.id);
    own_seed(n, &t);
    enum weft_err err = wf_secret_copy(WF_BYTES(row->secret), &t.secret);
    if (!err)
        err = wf_ticket_print(&t, &text);
    if (!err)
        err = wf_tickets_add(state_of(n)->tickets, row);
    if (!err)
        err = wf_arena_str(arena, wf_buf_view(&text), &copy);
    if (!err)
        *ret = wf_pb_str(copy);
    wf_wipe(text.ptr, text.len);
    wf_buf_fini(&text);
    wf_ticket_fini(&t);
    wf_wipe(row->secret, sizeof row->secret);
    return err;
}

void wf_ticket_handle(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__TicketReply r = WEFT__V1__TICKET_REPLY__INIT;
    const Weft__V1__TicketRequest *q = c->request->ticket;
    struct wf_ticket_row row = { 0 };
    struct wf_names_said said = { "", "" };
    uint32_t count = q->count ? q->count : 1;
    enum weft_err err = wf_signer_here(n) ? WEFT_OK : WEFT_E_STATE;

    if (!err && (count > TICKETS_AT_ONCE || (count > 1 && q->name[0])))
        err = WEFT_E_RANGE;
    if (!err)
        err = fill_row(q, wf_node_now_unix_ms(n), &row);
    if (!err)
        err = row.replaces ? wf_names_replaced(n, &row, q->now, &said) : WEFT_OK;
    r.tickets = err ? NULL : wf_arena_calloc(c->arena, count, sizeof *r.tickets);
    if (!err && !r.tickets)
        err = wf_arena_err(c->arena);
    for (; r.n_tickets < count && !err; r.n_tickets++)
        err = make_one(n, &row, c->arena, &r.tickets[r.n_tickets]);
    if (err) {
        wf_call_refuse(c, err, "ticket: %s",
            said.why[0] ? said.why
            : err == WEFT_E_STATE
                ? "this node is not the domain's issuer (weftd.yaml: issuer: true)"
                : weft_err_text(err));
        return;
    }
    r.note = said.note;
    reply.kind_case = WEFT__V1__REPLY__KIND_TICKET;
    reply.ticket = &r;
    wf_call_reply(c, &reply);
}

// ---- charters by hand --------------------------------------------------------------------------------------------------

void wf_charter_handle(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__CharterReply r = WEFT__V1__CHARTER_REPLY__INIT;
    struct wf_diag diag = { 0 };
    enum weft_err err = c->request->charter->commit.len
                            ? wf_node_add_charter(n, wf_pb_view(c->request->charter->commit), &diag)
                            : WEFT_OK;

    if (err) {
        wf_call_refuse(c, err, "charter: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    r.version = n->charter ? n->charter->version : 0;
    reply.kind_case = WEFT__V1__REPLY__KIND_CHARTER;
    reply.charter = &r;
    wf_call_reply(c, &reply);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err join_open(struct wf_node *n, struct wf_diag *diag)
{
    char *path = NULL;

    n->join = calloc(1, sizeof *n->join);
    if (!n->join)
        return WEFT_E_NOMEM;
    wf_join_homes_open(n);
    enum weft_err err = wf_disk_join(n->conf->data, "tickets.db", &path);
    if (!err)
        err = wf_tickets_open(path, &n->join->tickets, diag);
    free(path);
    return err;
}

static void join_tick(struct wf_node *n)
{
    struct wf_join_room_state *s = state_of(n);
    int64_t now = wf_node_now_ms(n);

    wf_join_renew_tick(n);
    if (now >= s->names_at_ms) {
        wf_names_tick(n);
        s->names_at_ms = now + NAMES_EVERY_MS;
    }
    if (now < s->prune_at_ms)
        return;
    wf_tickets_prune(s->tickets, wf_node_now_unix_ms(n));
    s->prune_at_ms = now + PRUNE_EVERY_MS;
}

static void join_close(struct wf_node *n)
{
    if (!n->join)
        return;
    wf_join_homes_close(n);
    wf_tickets_close(n->join->tickets);
    free(n->join);
    n->join = NULL;
}

const struct wf_room wf_join_room = {
    .name = "join", .open = join_open, .tick = join_tick, .close = join_close
};
