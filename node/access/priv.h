// SPDX-License-Identifier: Apache-2.0
// The inside of the access room, shared by its files. Loop thread only.
#ifndef WF_NODE_ACCESS_PRIV_H
#define WF_NODE_ACCESS_PRIV_H

#include "node/access/grants.h"
#include "node/access/refused.h"
#include "node/access/room.h"
#include "proto/session/bucket.h"

#define WF_ACCESS_RESIGN_MS 3600000
#define WF_ACCESS_RATES     4096u // token buckets, direct-mapped by token id
#define WF_ACCESS_SOURCES                                                                          \
    32u // (source, code) pairs of a domain that are told apart within a minute
#define WF_ACCESS_GROUPS          (WF_MAX_MEMBERS + 2u)
#define WF_ACCESS_REFUSED_SAVE_MS 10000
#define WF_ACCESS_SINGLY          10u   // refusals of a pair a minute that are recorded one by one
#define WF_ACCESS_PENDING         4096u // requests that wait for a person, and of one holder
#define WF_ACCESS_PENDING_HOLDER  32u

struct wf_access_rate {
    struct wf_hash token;
    uint32_t per_minute;
    double level;
    int64_t filled_ms;
};
struct wf_access_source {
    char who[140];
    uint32_t code;
    int64_t since_ms;
    unsigned count, singly; // refusals, and those of them that were recorded
    char id[24];            // of the summary, once something was only counted
};
// A domain's; newcomers and local users are one. rest: of more pairs than there are places, only counted.
struct wf_access_group {
    char domain[WF_MAX_NAME + 1];
    struct wf_access_source each[WF_ACCESS_SOURCES], rest;
};

struct wf_access_room {
    struct wf_grants *grants;
    struct wf_access_rate *rates;
    struct wf_access_group *groups[WF_ACCESS_GROUPS],
        crowd; // crowd: of more domains than there are places
    size_t group_count;
    struct wf_refused *refused;
    int64_t refused_due_ms; // monotonic: the next save
    char audit_id[24];
    char audit_prefix[9]; // random, a run of this node
    uint64_t audit_last;
    int64_t resign_at_ms, prune_at_ms, ending_at_ms; // monotonic
    bool list_restored;       // what was signed here last is known, or there is none
    struct wf_hash list_hash; // of the entries of the own list that was acted upon
    struct wf_buf minted;     // the token made last: a row may point to it
    int64_t product_at_ms;    // when to try again
    bool has_product;         // DOMAIN/access stands
    struct {
        uint64_t granted, refused, rate, requests, by_policy, revoked;
    } count;
};

// ---- list.c: the domain's revocation list
// Signs the list in force with these additions and tells the mesh. NOT_OWNER when this node is not the issuer.
struct wf_access_additions {
    const struct wf_revoked_token *token;
    const struct wf_revoked_key *holder, *origin;
};
WF_MUST_USE enum weft_err wf_access_sign_list(
    struct wf_node *n, const struct wf_access_additions *add);
void wf_access_list_tick(struct wf_node *n);

// ---- sources.c: how often whom was refused why within the minute
// True: this refusal is only counted, under the id that audit_id now has.
bool wf_access_only_counted(struct wf_node *n, const char *who, enum weft_err code);
void wf_access_sources_tick(struct wf_node *n);
void wf_access_sources_free(struct wf_access_room *a);

// ---- audit.c
// The record of refusals that were only counted.
void wf_access_summary(struct wf_node *n, const struct wf_access_source *s, unsigned count);
void wf_access_next_id(struct wf_access_room *a, char out[24]);
void wf_access_audit_tick(struct wf_node *n);
void wf_access_product_tick(struct wf_node *n);

// ---- check.c
// "servers/packages query": what is asked, for people.
void wf_access_asked_text(const struct wf_access *asked, char *out, size_t len);

// ---- ending.c
// 75 or 90 percent of a grant's life that nothing renews: made by hand, and no later one like it stands. Else 0.
unsigned wf_access_over(struct wf_node *n, const struct wf_grant *row);
void wf_access_ending_tick(struct wf_node *n);

// ---- mint.c
void wf_access_region_tick(
    struct wf_node *n); // an alarm while the charter does not know the region

// Mints a token, keeps it. row: holder, label, products, verbs, columns, rows, purpose, rate, how, request id; its id, times and token are
// filled here. CHARTER_EXPIRED; NOT_OWNER when this node is not the issuer.
WF_MUST_USE enum weft_err wf_access_grant(
    struct wf_node *n, struct wf_grant *row, int64_t life_ms, struct wf_diag *diag);

#endif
