// SPDX-License-Identifier: Apache-2.0
// A machine that took a node's place has its name and none of its products: the issuer's node kept their manifests and is asked for them, once in the
// life of a data directory. They are applied as if by hand, and signed by this node's key.
#include <stdlib.h>

#include "node/gossip/room.h"
#include "node/signer/signer.h"
#include "node/stream/priv.h"

#define META "adopted"
// What does not pass by itself is asked for again all the same: its owner may mend it.
#define RETRY_MS     5000
#define RETRY_MAX_MS 300000

struct adoption {
    struct wf_node *node;
    Weft__V1__Request request;
    Weft__V1__HomeRequest home;
    struct wf_name after;
};

static void finish(struct wf_stream_room *r, const char *why, enum weft_err err)
{
    if (!err)
        err = wf_meta_put(&r->vfs, r->meta_dir, META, WF_STR("1"));
    r->adopting = false;
    r->adopted = !err;
    if (!err)
        return;
    r->adopt_pause_ms = r->adopt_pause_ms ? r->adopt_pause_ms * 2 : RETRY_MS;
    if (r->adopt_pause_ms > RETRY_MAX_MS)
        r->adopt_pause_ms = RETRY_MAX_MS;
    r->adopt_at_ms = wf_node_now_ms(r->node) + r->adopt_pause_ms;
    wf_say(r->node, WF_LOG_INFO, "stream",
        "manifests that are kept under this name are not all here yet; they are asked for again",
        "at", why[0] ? why : "the first", "why", weft_err_text(err), NULL);
}

// The disk or the memory was not there for it: the same may succeed later, and until then nobody is to believe that all was taken over.
static bool may_pass(enum weft_err err)
{
    return err == WEFT_E_NOMEM || err == WEFT_E_IO || err == WEFT_E_NOSPACE ||
           err == WEFT_E_READ_ONLY || err == WEFT_E_NO_FILES || err == WEFT_E_PERMISSION;
}

static enum weft_err take(struct wf_node *n, const struct wf_collect *c, struct wf_bytes schema)
{
    struct wf_buf changes = { 0 };
    struct wf_diag diag = { 0 };

    if (wf_stream_is_built_in(c->product.name) ||
        wf_stream_find(n, c->product.name, c->product.major))
        return WEFT_OK; // here already
    enum weft_err err = wf_stream_apply(n, c, schema, false, &changes, &diag);
    wf_say(n, err ? WF_LOG_ERROR : WF_LOG_INFO, "stream",
        !err ? "a product was taken over"
        : may_pass(err)
            ? "a product of this name is not taken over yet"
            : "a product of this name was not taken over; apply its manifest: weft product apply",
        "product", c->product.name, "why", err ? diag.text[0] ? diag.text : weft_err_text(err) : "",
        NULL);
    wf_buf_fini(&changes);
    return err;
}

// *at moves on to it, unless it has no name that can be read. What may succeed later is returned.
static enum weft_err adopt(
    struct wf_node *n, struct wf_bytes raw, struct wf_bytes schema, struct wf_name *at)
{
    struct wf_collect *c = NULL;
    struct wf_name name = *at;
    enum weft_err err = wf_collect_open(raw, &c);

    if (!err)
        err = wf_name_from(wf_bytes_str(c->product.name), &name);
    if (err)
        wf_say(n, WF_LOG_ERROR, "stream",
            "a manifest that the issuer's node kept can't be read, so a product of this name is "
            "not taken over; apply its manifest: weft product apply",
            "after", at->s, "why", weft_err_text(err), NULL);
    else
        err = take(n, c, schema);
    wf_collect_free(c);
    if (may_pass(err))
        return err;
    *at = name;
    return WEFT_OK;
}

static void ask(struct wf_stream_room *r, const struct wf_name *after);

static void on_kept(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct adoption *a = arg;
    struct wf_node *n = a->node;
    struct wf_stream_room *r = n->stream;
    struct wf_name at = a->after;

    free(a);
    if (!r || r->closed)
        return;
    if (!err && (reply->kind_case != WEFT__V1__REPLY__KIND_HOME ||
                    reply->home->n_schemas != reply->home->n_manifests))
        err = WEFT_E_PROTOCOL;
    bool more = !err && reply->home->n_manifests > 0;
    struct wf_name before = at;
    for (size_t i = 0; !err && i < reply->home->n_manifests; i++)
        err = adopt(
            n, wf_pb_view(reply->home->manifests[i]), wf_pb_view(reply->home->schemas[i]), &at);
    if (!err && more && strcmp(at.s, before.s) <= 0)
        err = WEFT_E_MANIFEST; // the next page would be this one again
    if (err || !more)
        finish(r, at.s, err);
    else
        ask(r, &at);
}

static void ask(struct wf_stream_room *r, const struct wf_name *after)
{
    struct adoption *a = calloc(1, sizeof *a);
    enum weft_err err = a ? WEFT_OK : WEFT_E_NOMEM;

    r->adopting = true;
    if (!err) {
        a->node = r->node;
        a->after = *after;
        weft__v1__home_request__init(&a->home);
        a->home.product = a->after.s;
        a->home.wants_manifests = true;
        weft__v1__request__init(&a->request);
        a->request.kind_case = WEFT__V1__REQUEST__KIND_HOME;
        a->request.home = &a->home;
        err = wf_gossip_ask_issuer(r->node, &a->request, on_kept, a);
        if (err)
            free(a);
    }
    if (err)
        finish(r, after->s, err);
}

void wf_adopt_load(struct wf_stream_room *r)
{
    struct wf_buf mark = { 0 };

    // What can't be read is asked for again: products that are here are left alone.
    r->adopted = wf_meta_get(&r->vfs, r->meta_dir, META, &mark) == WEFT_OK;
    wf_buf_fini(&mark);
}

void wf_adopt_tick(struct wf_stream_room *r)
{
    static const struct wf_name first;
    struct wf_node *n = r->node;

    if (r->adopted || r->adopting || !n->gossip || !n->has_certificate || wf_signer_here(n) ||
        wf_node_now_ms(n) < r->adopt_at_ms)
        return;
    ask(r, &first);
}
