// SPDX-License-Identifier: Apache-2.0
// The inside of struct weft_client: one loop thread, one identity, one link a node, what is known of the mesh. The public functions of
// libweft are thin: they post a command to the loop thread and wait. Everything below runs on that thread unless it says otherwise.
// Invariant: nothing but the loop thread touches links, identity or catalog.
#ifndef WF_SDK_CLIENT_H
#define WF_SDK_CLIENT_H

#include <weft/weft.h>

#include "proto/trust/product.h"
#include "sdk/identity.h"
#include "sdk/link.h"

struct wf_loop;
struct wf_net;
struct wf_schema;
struct wf_schema_message;

// ---- from application threads ----------------------------------------------------------------------------------------

// Runs fn on the loop thread and waits until it (or, for an asynchronous one, wf_client_done) is finished. problem may be NULL.
struct wf_client_wait;
typedef void (*wf_client_fn)(struct weft_client *c, struct wf_client_wait *w, void *arg);
WF_MUST_USE enum weft_err wf_client_run(
    struct weft_client *c, wf_client_fn fn, void *arg, struct weft_problem *problem);
// Ends the waiting call; exactly once. problem may be NULL (the code's text is used).
void wf_client_done(
    struct wf_client_wait *w, enum weft_err err, const struct weft_problem *problem);

// ---- on the loop thread ----------------------------------------------------------------------------------------------

struct wf_loop *wf_client_loop(struct weft_client *c);
struct wf_net *wf_client_net(struct weft_client *c);
struct wf_identity_dir *wf_client_identity(struct weft_client *c); // NULL: local only
// The local node's link; NULL when there is no local socket.
struct wf_link *wf_client_local(struct weft_client *c);

// A problem from a code, a refusal, a diagnostic.
void wf_problem_set(struct weft_problem *p, enum weft_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void wf_problem_from_reply(
    struct weft_problem *p, enum weft_err err, const Weft__V1__Reply *reply, const char *what);

// "domain/product[@major][/method]" taken apart. SYNTAX with a problem text.
struct wf_target {
    struct wf_name domain, product;
    uint32_t major;   // 0 = newest
    char method[128]; // empty when not given
};
WF_MUST_USE enum weft_err wf_target_parse(
    const char *text, bool want_method, struct wf_target *ret, struct weft_problem *problem);

// One round of discovery: digests from the local node, or the seeds in turn, then documents by hash, each verified. The result stays
// cached for a few seconds; fresh = true asks again.
typedef void (*wf_client_catalog_fn)(
    void *arg, enum weft_err err, const struct weft_problem *problem);
void wf_client_refresh(struct weft_client *c, bool fresh, wf_client_catalog_fn done, void *arg);
// What is cached; NULL. Documents live until the next refresh.
const struct wf_entry_doc *wf_client_product_doc(
    struct weft_client *c, const char *domain, const char *product);
// The product that was probably meant, which is not cached: near in its name, or of another domain; NULL. *ret_domain: the domain has some.
const struct wf_entry_doc *wf_client_product_like(
    const struct weft_client *c, const char *domain, const char *product, bool *ret_domain);
const struct wf_entry_doc *wf_client_node_doc(
    struct weft_client *c, const char *domain, const char *subject);

// A session of our own to the node that owns the product (refreshes the catalog when it must). The link is the client's and stays
// until weft_close; product lives during the callback. Without an identity it is the local node's link. The session itself may fail
// later: requests on the link tell.
typedef void (*wf_client_owner_fn)(void *arg, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product);
void wf_client_owner(
    struct weft_client *c, const struct wf_target *t, wf_client_owner_fn done, void *arg);
// The same with a catalog fetched now: after NOT_HOME, or when the owner does not answer.
void wf_client_owner_again(
    struct weft_client *c, const struct wf_target *t, wf_client_owner_fn done, void *arg);

// The token to show: one at hand, else asked for by policy (and stored). NO_CAPABILITY, PENDING, DENIED with a hint. token is NULL on error
// and over the local socket (OK: the node decides by uid); it lives during the callback. renew: asks even if one is at hand.
typedef void (*wf_client_token_fn)(
    void *arg, enum weft_err err, const struct weft_problem *problem, const struct wf_token *token);
void wf_client_token(struct weft_client *c, struct wf_link *owner, const struct wf_target *t,
    enum wf_verb verb, bool renew, wf_client_token_fn done, void *arg);
// Is one at hand that is not this one (empty: none)? With an identity only.
bool wf_client_has_other_token(const struct weft_client *c, const struct wf_target *t,
    enum wf_verb verb, struct wf_bytes than);

// Documents by hash from any node that has them, schemas above all: local cache, then the link, then seeds. The bytes were checked
// against the hash and live during the callback.
typedef void (*wf_client_document_fn)(void *arg, enum weft_err err, struct wf_bytes content);
void wf_client_document(struct weft_client *c, struct wf_link *prefer, const struct wf_hash *hash,
    wf_client_document_fn done, void *arg);
// Several in one request, at most WF_MAX_GET (BUSY for those above); done comes for each, in any order, some perhaps before this returns.
struct wf_client_wanted {
    struct wf_hash hash;
    void *arg;
};
void wf_client_documents(struct weft_client *c, struct wf_link *prefer,
    const struct wf_client_wanted *wanted, size_t count, wf_client_document_fn done);

// The product as an object with its schema: owner, then document. product is the callee's to free; NULL on error.
typedef void (*wf_client_product_fn)(
    void *arg, enum weft_err err, const struct weft_problem *problem, struct weft_product *product);
void wf_client_describe(
    struct weft_client *c, const struct wf_target *t, wf_client_product_fn done, void *arg);

// ---- products --------------------------------------------------------------------------------------------------------

// The public product object from an advert and its schema bytes (copied). Any thread.
WF_MUST_USE enum weft_err wf_product_object(const struct wf_product *descriptor,
    const struct wf_entry_doc *advert, struct wf_bytes schema, struct weft_product **ret,
    struct weft_problem *problem);
const struct wf_schema_message *wf_product_message(const struct weft_product *p);
const struct wf_schema *wf_product_schema(const struct weft_product *p);
// Shared ownership: a subscription and an application may hold one product.
void wf_product_ref(struct weft_product *p);

#endif
