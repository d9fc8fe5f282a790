// SPDX-License-Identifier: Apache-2.0
// One batch that an agent pushes, in three steps: what costs (signature, hash, decompressing, records against the schema) touches nothing
// that changes, so that a worker may do it; what a worker can't know is looked up on the loop; the end is the loop's. Each check is dearer than
// the one before; nothing of a payload is looked at before its header verified, follows the origin's chain and names a schema of
// the product. Repeating a batch is harmless.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/restored.h"
#include "node/stream/priv.h"

static enum weft_err refuse(struct wf_diag *diag, enum weft_err err, const char *text)
{
    wf_diag_set(diag, 0, 0, "%s", text);
    return err;
}

// ---- before anything is opened ---------------------------------------------------------------------------------------

enum weft_err wf_accept_may(struct wf_node *n, const struct wf_home_product *p,
    const struct wf_identity *origin, struct wf_diag *diag)
{
    if (p->removed)
        return refuse(diag, WEFT_E_STOPPED, "the product was removed");
    if (wf_home_moves(p))
        return refuse(diag, WEFT_E_BUSY, "the product is on its way to another node");
    if (!wf_home_has_stream(p))
        return refuse(diag, WEFT_E_UNSUPPORTED, "an api has no records");
    if (wf_stream_is_built_in(p->collect->product.name))
        return refuse(diag, WEFT_E_POLICY, "built in: only the node itself writes it");
    if (n->draining || p->room->closed)
        return WEFT_E_CLOSED;
    if (n->outcast)
        return refuse(
            diag, WEFT_E_NOT_HOME, "this node was replaced: another machine has its place");
    if (wf_restored_waits(n))
        return refuse(diag, WEFT_E_BUSY, "restored: newer revocations are being asked for");
    return wf_access_origin_revoked(n, &origin->cert.sign_key, wf_node_now_unix_ms(n))
               ? refuse(diag, WEFT_E_REVOKED, "the origin is revoked")
               : WEFT_OK;
}

// ---- on a worker -----------------------------------------------------------------------------------------------------

static enum weft_err check_who(const struct wf_accept_set *s, const struct wf_accept *a)
{
    if (memcmp(a->h.signer.b, s->origin.cert.sign_key.b, WF_KEY_LEN) != 0)
        return refuse(s->diag, WEFT_E_UNKNOWN_KEY, "signed by another key than the session's");
    if (!wf_hash_eq(&a->h.product_id, &s->product->id))
        return refuse(s->diag, WEFT_E_TYPE, "the header names another product");
    if (strcmp(s->origin.cert.domain.s, s->product->domain) != 0)
        return refuse(s->diag, WEFT_E_WRONG_DOMAIN, "the origin is of another domain");
    return wf_cert_may_publish(&s->origin.cert, s->product->name)
               ? WEFT_OK
               : refuse(s->diag, WEFT_E_PRODUCT, "the certificate does not cover this product");
}

static enum weft_err check_chain(
    const struct wf_chain *ahead, bool lenient, struct wf_accept *a, struct wf_diag *diag)
{
    struct wf_chain_step s = wf_chain_check(ahead, &a->h);
    char text[96];

    a->known = s.verdict == WF_CHAIN_DUPLICATE;
    a->in_the_middle = s.verdict == WF_CHAIN_GAP && lenient;
    switch (s.verdict) {
    case WF_CHAIN_FOLLOWS:
    case WF_CHAIN_DUPLICATE:
        return WEFT_OK;
    case WF_CHAIN_GAP:
        if (lenient)
            return WEFT_OK;
        snprintf(text, sizeof text, "seq %llu is wanted", (unsigned long long)s.gap_from);
        return refuse(diag, WEFT_E_ORDER, text);
    case WF_CHAIN_OLD:
        return refuse(diag, WEFT_E_STALE, "a newer incarnation of this origin is known");
    case WF_CHAIN_FORK:
        break;
    }
    return refuse(diag, WEFT_E_EQUIVOCATION, "the origin signed two headers for one place");
}

static enum weft_err open_header(const struct wf_accept_set *s, struct wf_accept *a)
{
    if (a->batch.len > WF_SERVED_MAX)
        return refuse(s->diag, WEFT_E_TOO_BIG, "a batch must fit one reply of the control plane");
    enum weft_err err = wf_batch_split(a->batch, &a->envelope, &a->payload);
    if (!err)
        err = wf_batch_open_header(a->envelope, &a->h);
    if (!err)
        err = check_who(s, a);
    if (!err)
        a->opened = true;
    return err;
}

static enum weft_err check_payload(const struct wf_accept_set *s, struct wf_accept *a)
{
    enum weft_err err = wf_batch_open_payload(&a->h, a->payload, &a->raw);
    struct wf_records records = { .raw = a->raw, .base_us = a->h.base_us, .count = a->h.count };

    if (!err && a->h.kind == WF_BATCH_DATA)
        err = wf_batch_check_records(&a->h, wf_buf_view(&a->raw));
    if (!err && a->h.kind == WF_BATCH_DATA)
        err = wf_intake_check(s->product->kind, a->message, &records, s->diag);
    if (err || s->product->kind != WF_PRODUCT_INVENTORY)
        wf_buf_fini(&a->raw); // nobody else looks at the records
    return err;
}

enum weft_err wf_accept_run(struct wf_accept_set *s, struct wf_accept *a, bool *ret_ask)
{
    enum weft_err err = a->opened ? WEFT_OK : open_header(s, a);

    *ret_ask = false;
    if (!err && !a->cert_known && !wf_hash_eq(&a->h.certificate, &s->origin.cert.id)) {
        *ret_ask = true;
        return WEFT_OK;
    }
    if (!err && !wf_incarnation_is_plausible(&a->h.incarnation, s->now_unix_ms))
        err = refuse(s->diag, WEFT_E_FUTURE, "the incarnation's counter is too far ahead");
    if (!err)
        err = check_chain(&s->ahead, s->lenient, a, s->diag);
    if (err || a->known)
        return err;
    if (!a->message && wf_hash_eq(&a->h.schema_hash, &s->product->schema_hash))
        a->message = s->message;
    if (!a->message) {
        *ret_ask = true;
        return WEFT_OK;
    }
    err = check_payload(s, a);
    if (!err) {
        wf_chain_accept(&s->ahead, &a->h);
        s->lenient = false;
    }
    return err;
}

// ---- on the loop -----------------------------------------------------------------------------------------------------

// A home that knows nothing of an origin (moved, or its log damaged), or not what it said between a backup and its restoring, can't ask for
// what was acknowledged elsewhere.
static bool may_begin_in_its_middle(
    const struct wf_node *n, const struct wf_home_product *p, const struct wf_origin *o)
{
    return !o || (p->damaged && !o->seen) || (!o->seen && o->last_ms < wf_restored_ms(n)) ||
           (!o->seen && o->last_ms < p->lost_ms);
}

void wf_accept_begin(struct wf_accept_set *s, struct wf_node *n, const struct wf_home_product *p)
{
    const struct wf_origin *o = wf_origin_find(p, &s->origin.cert.sign_key);

    s->product = &p->collect->product;
    s->message = p->message;
    s->now_unix_ms = wf_node_now_unix_ms(n);
    s->ahead = o ? o->ahead : (struct wf_chain){ 0 };
    s->lenient = may_begin_in_its_middle(n, p, o);
}

// A batch signed before its certificate was renewed cites the older one: same key, and we kept its chain.
static enum weft_err find_certificate(
    struct wf_node *n, const struct wf_accept *a, struct wf_diag *diag)
{
    struct wf_identity older;
    struct wf_arena arena;
    struct wf_bytes chain;

    wf_arena_init(&arena, WF_MAX_CERT * WF_MAX_CHAIN + 1024);
    enum weft_err err = wf_documents_get(n, &a->h.certificate, &arena, &chain);
    if (!err)
        err = wf_chain_verify(
            chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_ALLOW_EXPIRED, &older);
    if (!err && (!wf_hash_eq(&older.cert.id, &a->h.certificate) ||
                    memcmp(older.cert.sign_key.b, a->h.signer.b, WF_KEY_LEN) != 0))
        err = WEFT_E_CHAIN;
    wf_arena_fini(&arena);
    return err ? refuse(diag, WEFT_E_CHAIN, "the batch cites a certificate that is not known here")
               : WEFT_OK;
}

enum weft_err wf_accept_look_up(
    struct wf_node *n, struct wf_home_product *p, struct wf_accept_set *s, struct wf_accept *a)
{
    enum weft_err err = WEFT_OK;

    if (!a->cert_known && !wf_hash_eq(&a->h.certificate, &s->origin.cert.id)) {
        err = find_certificate(n, a, s->diag);
        a->cert_known = !err;
        return err;
    }
    a->message = wf_home_message_of(p, &a->h.schema_hash);
    return a->message ? WEFT_OK
                      : refuse(s->diag, WEFT_E_SCHEMA,
                            "the batch has a schema that this product never had");
}

static bool is_late(int64_t now, const struct wf_accept *a)
{
    int64_t at = a->h.max_us / 1000;

    return at > now + WF_CLOCK_TOLERANCE_MS || at < now - WF_CLOCK_TOLERANCE_MS;
}

// What came meanwhile over another connection of the origin may have taken the place.
static enum weft_err check_again(
    struct wf_node *n, struct wf_home_product *p, struct wf_accept *a, struct wf_diag *diag)
{
    static const struct wf_chain none;
    const struct wf_origin *o = wf_origin_find(p, &a->h.signer);
    bool was_known = a->known;
    enum weft_err err =
        check_chain(o ? &o->ahead : &none, may_begin_in_its_middle(n, p, o), a, diag);

    // The payload of what was known was not looked at; when its append failed meanwhile, it has to come again.
    return !err && was_known && !a->known ? WEFT_E_BUSY : err;
}

enum weft_err wf_accept_end(struct wf_node *n, struct wf_home_product *p, struct wf_accept *a,
    wf_stream_done_fn done, void *arg, struct wf_diag *diag)
{
    struct wf_to_append to = { .header = &a->h,
        .envelope = a->envelope,
        .stored = a->payload,
        .raw = &a->raw,
        .late = is_late(wf_node_now_unix_ms(n), a) };
    enum weft_err err = check_again(n, p, a, diag);

    if (err)
        return err;
    if (a->known)
        return wf_append_wait(p, done, arg);
    if (a->in_the_middle)
        wf_say(n, WF_LOG_WARN, "stream", "a chain begins in its middle", "product",
            p->collect->product.name, NULL);
    err = wf_waiter_new(done, arg, &to.waiters);
    if (!err)
        err = wf_append_batch(p, &to);
    if (err)
        free(to.waiters);
    return err;
}
