// SPDX-License-Identifier: Apache-2.0
// Batches that agents of this domain push. Each check is dearer than the one before; nothing of a payload is looked at before its
// header verified, follows the origin's chain and names a schema of the product. Repeating a batch is harmless.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/stream/priv.h"

struct accept {
    struct wf_node *n;
    struct wf_home_product *p;
    const struct wf_identity *origin;
    struct wf_batch_header h;
    const struct wf_schema_message *message;
    struct wf_bytes envelope, payload;
    struct wf_diag *diag;
};

static enum weft_err refuse(struct accept *a, enum weft_err err, const char *text)
{
    wf_diag_set(a->diag, 0, 0, "%s", text);
    return err;
}

// A batch signed before its certificate was renewed cites the older one: same key, and we kept its chain.
static enum weft_err check_certificate(struct accept *a)
{
    struct wf_identity older;
    struct wf_arena arena;
    struct wf_bytes chain;

    if (wf_hash_eq(&a->h.certificate, &a->origin->cert.id))
        return WEFT_OK;
    wf_arena_init(&arena, WF_MAX_CERT * WF_MAX_CHAIN + 1024);
    enum weft_err err = wf_documents_get(a->n, &a->h.certificate, &arena, &chain);
    if (!err)
        err = wf_chain_verify(
            chain, a->n->charter, wf_node_now_unix_ms(a->n), WF_CHAIN_ALLOW_EXPIRED, &older);
    if (!err && (!wf_hash_eq(&older.cert.id, &a->h.certificate) ||
                    memcmp(older.cert.sign_key.b, a->h.signer.b, WF_KEY_LEN) != 0))
        err = WEFT_E_CHAIN;
    wf_arena_fini(&arena);
    return err ? refuse(a, WEFT_E_CHAIN, "the batch cites a certificate that is not known here")
               : WEFT_OK;
}

static enum weft_err check_who(struct accept *a)
{
    const struct wf_product *d = &a->p->collect->product;

    if (memcmp(a->h.signer.b, a->origin->cert.sign_key.b, WF_KEY_LEN) != 0)
        return refuse(a, WEFT_E_UNKNOWN_KEY, "signed by another key than the session's");
    if (!wf_hash_eq(&a->h.product_id, &d->id))
        return refuse(a, WEFT_E_TYPE, "the header names another product");
    if (strcmp(a->origin->cert.domain.s, d->domain) != 0)
        return refuse(a, WEFT_E_WRONG_DOMAIN, "the origin is of another domain");
    if (!wf_cert_may_publish(&a->origin->cert, d->name))
        return refuse(a, WEFT_E_PRODUCT, "the certificate does not cover this product");
    if (wf_access_origin_revoked(a->n, &a->h.signer, wf_node_now_unix_ms(a->n)))
        return refuse(a, WEFT_E_REVOKED, "the origin is revoked");
    return check_certificate(a);
}

// *ret_known: it came before.
static enum weft_err check_chain(struct accept *a, bool *ret_known)
{
    static const struct wf_chain none;
    const struct wf_origin *o = wf_origin_find(a->p, &a->h.signer);
    struct wf_chain_step s = wf_chain_check(o ? &o->ahead : &none, &a->h);
    // A home that knows nothing of an origin (moved, or its log damaged) can't ask for what was acknowledged elsewhere.
    bool lenient = !o || (a->p->damaged && !o->seen);
    char text[96];

    *ret_known = s.verdict == WF_CHAIN_DUPLICATE;
    switch (s.verdict) {
    case WF_CHAIN_FOLLOWS:
    case WF_CHAIN_DUPLICATE:
        return WEFT_OK;
    case WF_CHAIN_GAP:
        if (lenient) {
            wf_say(a->n, WF_LOG_WARN, "stream", "a chain begins in its middle", "origin",
                a->origin->cert.subject.s, "product", a->p->collect->product.name, NULL);
            return WEFT_OK;
        }
        snprintf(text, sizeof text, "seq %llu is wanted", (unsigned long long)s.gap_from);
        return refuse(a, WEFT_E_ORDER, text);
    case WF_CHAIN_OLD:
        return refuse(a, WEFT_E_STALE, "a newer incarnation of this origin is known");
    case WF_CHAIN_FORK:
        break;
    }
    return refuse(a, WEFT_E_EQUIVOCATION, "the origin signed two headers for one place");
}

static enum weft_err check_header(struct accept *a, bool *ret_known)
{
    int64_t now = wf_node_now_unix_ms(a->n);
    enum weft_err err = check_who(a);

    *ret_known = false;
    if (err)
        return err;
    if (!wf_incarnation_is_plausible(&a->h.incarnation, now))
        return refuse(a, WEFT_E_FUTURE, "the incarnation's counter is too far ahead");
    err = check_chain(a, ret_known);
    if (err || *ret_known)
        return err;
    a->message = wf_home_message_of(a->p, &a->h.schema_hash);
    return a->message
               ? WEFT_OK
               : refuse(a, WEFT_E_SCHEMA, "the batch has a schema that this product never had");
}

static enum weft_err check_payload(struct accept *a, struct wf_buf *raw)
{
    enum weft_err err = wf_batch_open_payload(&a->h, a->payload, raw);
    struct wf_records records = { .raw = *raw, .base_us = a->h.base_us, .count = a->h.count };

    if (!err && a->h.kind == WF_BATCH_DATA)
        err = wf_batch_check_records(&a->h, wf_buf_view(raw));
    if (!err && a->h.kind == WF_BATCH_DATA)
        err = wf_intake_check(a->p, a->message, &records, a->diag);
    return err;
}

static bool is_late(const struct accept *a)
{
    int64_t now = wf_node_now_unix_ms(a->n), at = a->h.max_us / 1000;

    return at > now + WF_CLOCK_TOLERANCE_MS || at < now - WF_CLOCK_TOLERANCE_MS;
}

static enum weft_err take(struct accept *a, wf_stream_done_fn done, void *arg)
{
    struct wf_buf raw = { 0 };
    struct wf_to_append to = { .header = &a->h,
        .envelope = a->envelope,
        .stored = a->payload,
        .raw = &raw,
        .late = is_late(a) };
    enum weft_err err = check_payload(a, &raw);

    if (!err)
        err = wf_waiter_new(done, arg, &to.waiters);
    if (!err) {
        err = wf_append_batch(a->p, &to);
        if (err)
            free(to.waiters);
    }
    wf_buf_fini(&raw);
    return err;
}

enum weft_err wf_stream_accept(struct wf_node *n, struct wf_home_product *p,
    const struct wf_identity *origin, struct wf_bytes batch, wf_stream_done_fn done, void *arg,
    struct wf_diag *diag)
{
    struct accept a = { .n = n, .p = p, .origin = origin, .diag = diag };
    bool known = false;
    enum weft_err err = WEFT_OK;

    if (p->removed)
        err = refuse(&a, WEFT_E_STOPPED, "the product was removed");
    else if (!wf_home_has_stream(p))
        err = refuse(&a, WEFT_E_UNSUPPORTED, "an api has no records");
    else if (wf_stream_is_built_in(p->collect->product.name))
        err = refuse(&a, WEFT_E_POLICY, "built in: only the node itself writes it");
    else if (n->draining || p->room->closed)
        err = WEFT_E_CLOSED;
    else if (batch.len > WF_SERVED_MAX)
        err = refuse(&a, WEFT_E_TOO_BIG, "a batch must fit one reply of the control plane");
    if (!err)
        err = wf_batch_split(batch, &a.envelope, &a.payload);
    if (!err)
        err = wf_batch_open_header(a.envelope, &a.h);
    if (!err)
        err = check_header(&a, &known);
    if (!err)
        err = known ? wf_append_wait(p, done, arg) : take(&a, done, arg);
    if (err)
        p->count.refused++;
    return err;
}
