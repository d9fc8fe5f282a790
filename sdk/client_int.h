// SPDX-License-Identifier: Apache-2.0
// What the files of the client share: the state behind struct weft_client. Included by sdk/client*.c and the files named in
// docs/internals/client.md only; everybody else uses sdk/client.h.
// Invariant: nothing here has a lock, because nobody but the loop thread touches it (and weft_connect before it runs).
#ifndef WF_SDK_CLIENT_INT_H
#define WF_SDK_CLIENT_INT_H

#include <pthread.h>

#include "proto/stream/batch_compress.h"
#include "sdk/client.h"
#include "sdk/loop/loop.h"

#define WF_CATALOG_FRESH_MS 3000   // how long an answer to discovery is used again
#define WF_CATALOG_ENTRIES  65536u // digests taken from one answer
#define WF_CATALOG_TOLD                                                                            \
    (4 * WF_CATALOG_ENTRIES) // and looked at: a product has a home and its proof beside it

struct wf_client_link { // one a node, until weft_close
    struct wf_client_link *next;
    struct wf_link *link;
    struct wf_dh_pub peer;
    char address[WF_MAX_ADDR];
};

struct wf_seen { // an entry of the registry as a node told of it
    enum wf_entry_kind kind;
    struct wf_hash id;
    struct wf_entry_doc *doc; // verified; NULL while it is on its way
    bool known;               // the catalog in use has it
    int64_t age_ms, heard_ms;
    bool gone;
};

struct wf_seen_list { // sorted by (kind, domain, name) once complete
    struct wf_seen *v;
    size_t count, cap;
    int64_t as_of_ms;   // the answering node's clock
    int64_t fetched_ms; // monotonic; -1 = never
    size_t refused;     // documents that did not verify
};
void wf_seen_list_fini(struct wf_seen_list *list);

struct wf_client_refresh; // catalog.c
struct wf_client_renewal; // client_renew.c

#define WF_CLIENT_DOCUMENTS 64u
struct wf_client_cached { // documents by hash, the oldest replaced first
    struct wf_hash hash;
    struct wf_buf content;
};

struct wf_client_list { // a domain's revocation list
    struct wf_name domain;
    struct wf_hash id;           // of the newest that was told of
    bool wanted;                 // and not here yet
    struct wf_revocations *list; // verified; NULL before the first
};

struct weft_client {
    struct wf_loop *loop;
    struct wf_net *net;
    pthread_t thread;
    bool has_thread, closing;
    unsigned farewells; // requests that weft_close waits for
    struct wf_client_wait *close_waits;
    struct wf_identity_dir *identity; // NULL: local only
    struct wf_charter *charter;       // without identity: as the local node tells it
    struct wf_link *local;
    char *local_address; // "ipc:/path"
    int64_t deadline_ms;
    struct wf_client_link *links;
    size_t rotor; // which address of a node is tried next
    struct wf_seen_list catalog;
    struct wf_client_refresh *refresh;
    struct wf_client_renewal *renewal;
    int64_t renew_not_before_ms;
    struct wf_timer tick;
    struct wf_client_cached documents[WF_CLIENT_DOCUMENTS];
    size_t next_document;
    struct wf_client_list lists[WF_MAX_MEMBERS];
    size_t list_count;
    int64_t lists_asked_ms;              // by a verification, monotonic; -1 = never
    struct wf_decompressor decompressor; // of all subscriptions
};

// ---- revoked.c
// A node told of this list.
void wf_client_list_seen(
    struct weft_client *c, const struct wf_name *domain, const struct wf_hash *id);
// Fetches the lists that are wanted from this node. done is called once, with whatever came.
typedef void (*wf_client_lists_fn)(void *arg);
void wf_client_lists_fetch(
    struct weft_client *c, struct wf_link *from, wf_client_lists_fn done, void *arg);
// Was this key revoked as of that time, as far as this client knows?
bool wf_client_is_revoked(
    const struct weft_client *c, const char *domain, const struct wf_sign_pub *key, int64_t at_ms);
void wf_client_lists_fini(struct weft_client *c);

// The charter in force as this client knows it; NULL before the first.
const struct wf_charter *wf_client_charter(const struct weft_client *c);

// A session of our own to this node, made when needed. IDENTITY without one.
WF_MUST_USE enum weft_err wf_client_link_to(
    struct weft_client *c, const char *address, const struct wf_dh_pub *peer, struct wf_link **ret);
// The same by its advert: an address that works, else one that has not failed yet, else the next in turn. NO_HOME without any.
struct wf_entry_doc;
WF_MUST_USE enum weft_err wf_client_link_to_node(
    struct weft_client *c, const struct wf_entry_doc *node, struct wf_link **ret);
// Does a node's advert say that it mirrors "domain/product"?
bool wf_node_doc_mirrors(const struct wf_entry_doc *node, const char *product);
// Whom to ask what anyone may answer: the local node, the identity's seeds, the members' seeds, each once. NULL at the end.
struct wf_link *wf_client_source(struct weft_client *c, size_t index);

// Ends in exactly one call of done, possibly before it returns. deadline_ms 0: the client's.
void wf_client_send(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q,
    int64_t deadline_ms, wf_link_fn done, void *arg);
// The same with a bytes field that is sent from where it lies: back is called exactly once, when it is not needed any more, perhaps after done.
void wf_client_send_lent(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg);
// A last word over a link that is up: nobody waits for the answer, but weft_close for its leaving.
void wf_client_part(struct weft_client *c, struct wf_link *l, Weft__V1__Request *q);
// A fresh idempotency key into q, kept in room (16 bytes).
void wf_client_key(Weft__V1__Request *q, uint8_t room[16]);

// Brings our charters up to `version` from this node. done is called once.
typedef void (*wf_client_walk_fn)(void *arg, enum weft_err err);
void wf_client_walk(struct weft_client *c, struct wf_link *from, uint64_t version,
    wf_client_walk_fn done, void *arg);

// The certificate of a service or user renews itself from a third of its life on. ready is called at once unless the certificate has
// expired, then when the renewal ended.
typedef void (*wf_client_ready_fn)(void *arg, enum weft_err err);
void wf_client_renew_if_due(struct weft_client *c, wf_client_ready_fn ready, void *arg);

// Where the identity and the socket are. Either may come back NULL; both NULL is the caller's IDENTITY.
struct wf_client_places {
    char *identity; // directory; NULL when it holds no identity
    char *socket;   // path
    char *tried;    // the directory that was looked at, for messages
};
WF_MUST_USE enum weft_err wf_client_places(
    const struct weft_options *options, struct wf_client_places *ret);
void wf_client_places_fini(struct wf_client_places *p);

#endif
