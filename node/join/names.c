// SPDX-License-Identifier: Apache-2.0
// Whose a name of the domain is, as the node with its issuer knows: by the tickets that it made, and, of those that were named before it was there (it was
// made anew from the root), by what members show: adverts, renewals, calls. Invariant: two keys never have one name with this node's word.
#include <stdio.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"

#define LISTED_MAX 8u

static bool is_none(const struct wf_sign_pub *key)
{
    static const struct wf_sign_pub none;

    return memcmp(key->b, none.b, WF_KEY_LEN) == 0;
}

static bool same(const struct wf_sign_pub *a, const struct wf_sign_pub *b)
{
    return memcmp(a->b, b->b, WF_KEY_LEN) == 0;
}

// ---- what the registry shows -----------------------------------------------------------------------------------------

// A node by its advert, or, when that has run out, by one of its products'.
static const struct wf_cert *node_of(const struct wf_node *n, const struct wf_known *k)
{
    if (!k->doc || !wf_name_eq(&k->domain, &n->identity.cert.domain))
        return NULL;
    return k->kind == WF_ENTRY_NODE      ? &k->doc->node.identity.cert
           : k->kind == WF_ENTRY_PRODUCT ? &k->doc->product.identity.cert
                                         : NULL;
}

static enum weft_err seen_in_registry(
    struct wf_node *n, const struct wf_name *subject, struct wf_named *ret)
{
    struct wf_catalog *c = wf_gossip_catalog(n);
    const struct wf_cert *best = NULL;

    for (const struct wf_known *k = c ? wf_catalog_next(c, NULL) : NULL; k;
         k = wf_catalog_next(c, k)) {
        const struct wf_cert *cert = node_of(n, k);
        if (cert && wf_name_eq(&cert->subject, subject) &&
            !wf_access_origin_revoked(n, &cert->sign_key, wf_node_now_unix_ms(n)) &&
            (!best || cert->serial > best->serial))
            best = cert;
    }
    if (!best)
        return WEFT_E_NOT_FOUND;
    *ret = (struct wf_named){ .key = best->sign_key, .kind = WF_ID_NODE, .heard = true };
    return WEFT_OK;
}

// Kept, so that it is known when nobody shows it any more.
static enum weft_err keep(struct wf_node *n, const struct wf_name *subject, struct wf_named *m)
{
    struct wf_name other;
    enum weft_err err = wf_tickets_subject(n->join->tickets, &m->key, &other);

    if (!err)
        return WEFT_E_NOT_FOUND; // it had a name and gave it up
    return err == WEFT_E_NOT_FOUND
               ? wf_tickets_adopt(n->join->tickets, m, subject, wf_node_now_unix_ms(n))
               : err;
}

static enum weft_err member_of(
    struct wf_node *n, const struct wf_name *subject, struct wf_named *ret)
{
    enum weft_err err = wf_tickets_named(n->join->tickets, subject, ret);

    if (err != WEFT_E_NOT_FOUND)
        return err;
    err = seen_in_registry(n, subject, ret);
    return err ? err : keep(n, subject, ret);
}

// ---- a newcomer ------------------------------------------------------------------------------------------------------

static enum weft_err shut_out(
    struct wf_node *n, const char *subject, const struct wf_named *m, int64_t now)
{
    enum weft_err err = wf_access_revoke_origin(n, &m->key, now);

    if (!err && m->kind != WF_ID_NODE)
        wf_agents_shut_out(n, subject, &m->key);
    return err;
}

// Of `weft agent replace` or `weft node replace`, not yet used, and the name is still that machine's; or nobody's that was known then.
static bool replaces(
    const struct wf_ticket_row *t, const struct wf_named *m, const struct wf_sign_pub *newcomer)
{
    return t->replaces && t->used < t->uses && !same(&m->key, newcomer) &&
           (same(&m->key, &t->old) || (is_none(&t->old) && m->heard));
}

enum weft_err wf_names_take_over(struct wf_node *n, const struct wf_ticket_row *t,
    const struct wf_name *subject, const struct wf_sign_pub *newcomer, int64_t now)
{
    struct wf_named m;

    if (wf_name_eq(subject, &n->identity.cert.subject))
        return WEFT_E_EXISTS; // this node's own
    enum weft_err err = member_of(n, subject, &m);
    if (err)
        return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
    if (!wf_access_origin_revoked(n, &m.key, now)) {
        if (!replaces(t, &m, newcomer))
            return WEFT_OK; // whose it is, wf_tickets_use says
        err = shut_out(n, subject->s, &m, now);
        if (err)
            return err;
    }
    return wf_tickets_release(n->join->tickets, &m.key, now);
}

// ---- a ticket that replaces somebody ---------------------------------------------------------------------------------

static void list_nodes(struct wf_node *n, char *out, size_t cap)
{
    struct wf_catalog *c = wf_gossip_catalog(n);
    size_t len = 0, count = 0;

    out[0] = '\0';
    for (const struct wf_known *k = c ? wf_catalog_next(c, NULL) : NULL; k;
         k = wf_catalog_next(c, k)) {
        if (k->kind != WF_ENTRY_NODE || !wf_name_eq(&k->domain, &n->identity.cert.domain) ||
            count == LISTED_MAX)
            continue;
        int more =
            snprintf(out + len, cap - len, "%s%s", count++ ? ", " : " Known nodes: ", k->name.s);
        len += more > 0 && (size_t)more < cap - len ? (size_t)more : 0;
    }
}

// Who was made anew can't know whom the issuer before it named: its owner does.
static enum weft_err unknown(struct wf_node *n, const char *name, struct wf_names_said *said)
{
    char nodes[LISTED_MAX * (WF_MAX_NAME + 2) + 32];

    if (!n->restored || !n->restored->mark.anew) {
        snprintf(said->why, sizeof said->why,
            "no machine has that name, so there is none to replace; see: weft agent list, weft "
            "peers");
        return WEFT_E_NOT_FOUND;
    }
    list_nodes(n, nodes, sizeof nodes);
    snprintf(said->note, sizeof said->note,
        "the key that had the name %s is not known here: this issuer was made anew. Nothing of it "
        "is refused before it shows itself to this node; then it is.%s",
        name, nodes);
    return WEFT_OK;
}

static enum weft_err refuse(struct wf_names_said *said, enum weft_err err, const char *text)
{
    snprintf(said->why, sizeof said->why, "%s", text);
    return err;
}

static enum weft_err check_kind(
    const struct wf_ticket_row *row, const struct wf_named *m, struct wf_names_said *said)
{
    if (m->kind == row->kind)
        return WEFT_OK;
    const char *kind = wf_identity_kind_name(m->kind), *name = row->name.s;
    if (m->kind == WF_ID_NODE || m->kind == WF_ID_AGENT)
        snprintf(said->why, sizeof said->why, "the name %s is of kind %s; see: weft %s replace %s",
            name, kind, kind, name);
    else
        snprintf(said->why, sizeof said->why,
            "the name %s is of kind %s: only nodes and agents are replaced", name, kind);
    return WEFT_E_KIND;
}

enum weft_err wf_names_replaced(
    struct wf_node *n, struct wf_ticket_row *row, bool now_at_once, struct wf_names_said *said)
{
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_named m;

    if (wf_restored_waits(n))
        return refuse(said, WEFT_E_BUSY,
            "this node asks the others first what was revoked, and who is there; see: weft node "
            "status");
    if (wf_name_eq(&row->name, &n->identity.cert.subject))
        return refuse(said, WEFT_E_POLICY,
            "that is this node, which has the domain's issuer: weft node restore puts it back from "
            "a backup, weft node init makes it anew from the root");
    enum weft_err err = member_of(n, &row->name, &m);
    if (err == WEFT_E_NOT_FOUND)
        return unknown(n, row->name.s, said);
    if (!err)
        err = check_kind(row, &m, said);
    if (err)
        return err;
    row->old = m.key;
    return now_at_once && !wf_access_origin_revoked(n, &m.key, now)
               ? shut_out(n, row->name.s, &m, now)
               : WEFT_OK;
}

// ---- a member shows itself -------------------------------------------------------------------------------------------

// Another machine was given the name by a ticket that replaces, and nobody knew yet whose it was.
static void oust(struct wf_node *n, const struct wf_cert *cert, int64_t now)
{
    struct wf_named old = { .key = cert->sign_key, .kind = cert->kind };
    enum weft_err err = shut_out(n, cert->subject.s, &old, now);

    wf_say(n, WF_LOG_WARN, "join",
        err ? "the machine that had a name before could not be refused"
            : "the machine that had a name before shows itself: its key is refused from now on",
        "subject", cert->subject.s, "why", weft_err_text(err), NULL);
    if (!err && cert->kind == WF_ID_NODE)
        wf_join_rehome(n, cert->subject.s);
}

void wf_join_meet(struct wf_node *n, const struct wf_cert *cert)
{
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_named m;

    if (!n->join || !wf_signer_here(n) || wf_restored_waits(n) || cert->kind == WF_ID_ISSUER ||
        !wf_name_eq(&cert->domain, &n->identity.cert.domain) ||
        wf_name_eq(&cert->subject, &n->identity.cert.subject) ||
        wf_access_origin_revoked(n, &cert->sign_key, now))
        return;
    enum weft_err err = wf_tickets_named(n->join->tickets, &cert->subject, &m);
    if (err == WEFT_E_NOT_FOUND) {
        m = (struct wf_named){ .key = cert->sign_key, .kind = cert->kind, .heard = true };
        err = keep(n, &cert->subject, &m);
        if (err && err != WEFT_E_NOT_FOUND)
            wf_say(n, WF_LOG_WARN, "join", "a member's name could not be kept", "subject",
                cert->subject.s, "why", weft_err_text(err), NULL);
    } else if (!err && m.ousts && !same(&m.key, &cert->sign_key) &&
               cert->not_before_ms < m.since_ms) {
        oust(n, cert, now);
    }
}

// Learning what it leads to moves the entries, so one a turn changes something at most; the rest come with the next.
void wf_names_tick(struct wf_node *n)
{
    struct wf_catalog *c = n->gossip && wf_signer_here(n) ? wf_gossip_catalog(n) : NULL;
    struct wf_cert shown[LISTED_MAX];
    size_t count = 0;

    for (const struct wf_known *k = c ? wf_catalog_next(c, NULL) : NULL; k && count < LISTED_MAX;
         k = wf_catalog_next(c, k)) {
        const struct wf_cert *cert = k->kind == WF_ENTRY_NODE ? node_of(n, k) : NULL;
        struct wf_named m;
        if (!cert)
            continue;
        enum weft_err err = wf_tickets_named(n->join->tickets, &cert->subject, &m);
        if (err == WEFT_E_NOT_FOUND || (!err && !same(&m.key, &cert->sign_key)))
            shown[count++] = *cert;
    }
    for (size_t i = 0; i < count; i++)
        wf_join_meet(n, &shown[i]);
}
