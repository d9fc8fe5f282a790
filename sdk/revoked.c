// SPDX-License-Identifier: Apache-2.0
// The domains' revocation lists as this client knows them: their digests come with a round of discovery, the lists by hash. Invariant: a list
// that verified is replaced only by a newer one of its domain.
#include <stdlib.h>

#include "sdk/client_int.h"

struct fetch {
    struct weft_client *c;
    struct wf_link *link;
    wf_client_lists_fn done;
    void *arg;
    size_t wanted_count; // when asked last
};

void wf_client_lists_fini(struct weft_client *c)
{
    for (size_t i = 0; i < c->list_count; i++)
        wf_revocations_free(c->lists[i].list);
    c->list_count = 0;
}

void wf_client_list_seen(
    struct weft_client *c, const struct wf_name *domain, const struct wf_hash *id)
{
    struct wf_client_list *l = NULL;

    for (size_t i = 0; i < c->list_count && !l; i++)
        if (wf_name_eq(&c->lists[i].domain, domain))
            l = &c->lists[i];
    if (!l && c->list_count < WF_MAX_MEMBERS) {
        l = &c->lists[c->list_count++];
        *l = (struct wf_client_list){ .domain = *domain };
    }
    if (l && !wf_hash_eq(&l->id, id)) {
        l->id = *id;
        l->wanted = true;
    }
}

static void take(struct weft_client *c, const Weft__V1__Document *d)
{
    struct wf_revocations *list = NULL;
    struct wf_client_list *l = NULL;

    for (size_t i = 0; i < c->list_count && !l; i++)
        if (c->lists[i].wanted && wf_bytes_eq(wf_hash_view(&c->lists[i].id), wf_pb_view(d->hash)))
            l = &c->lists[i];
    if (!l)
        return;
    l->wanted = false; // whatever it is: it is not asked for again
    enum weft_err err = wf_revocations_open(wf_pb_view(d->content), &list);
    if (!err)
        err = wf_revocations_verify(list, wf_client_charter(c), wf_loop_now_unix_ms(c->loop));
    if (err || !wf_name_eq(&list->domain, &l->domain) ||
        (l->list && l->list->version >= list->version)) {
        wf_revocations_free(err && !list ? NULL : list);
        return;
    }
    wf_revocations_free(l->list);
    l->list = list;
}

static void ask(struct fetch *f);

static void on_lists(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct fetch *f = arg;

    for (size_t i = 0; !err && reply->get && i < reply->get->n_documents; i++)
        take(f->c, reply->get->documents[i]);
    if (!err && reply->get && reply->get->n_documents)
        ask(f);
    else {
        wf_client_lists_fn done = f->done;
        arg = f->arg;
        free(f);
        done(arg);
    }
}

static void ask(struct fetch *f)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest get = WEFT__V1__GET_REQUEST__INIT;
    ProtobufCBinaryData hashes[WF_MAX_GET];

    for (size_t i = 0; i < f->c->list_count && get.n_hashes < WF_MAX_GET; i++)
        if (f->c->lists[i].wanted)
            hashes[get.n_hashes++] = wf_pb_bin(wf_hash_view(&f->c->lists[i].id));
    if (get.n_hashes == 0 || (f->wanted_count && get.n_hashes >= f->wanted_count)) {
        wf_client_lists_fn done = f->done; // all here, or no progress
        void *arg = f->arg;
        free(f);
        done(arg);
        return;
    }
    f->wanted_count = get.n_hashes;
    get.hashes = hashes;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &get;
    wf_client_send(f->c, f->link, &q, 0, on_lists, f);
}

void wf_client_lists_fetch(
    struct weft_client *c, struct wf_link *from, wf_client_lists_fn done, void *arg)
{
    struct fetch *f = calloc(1, sizeof *f);

    if (!f) {
        done(arg);
        return;
    }
    *f = (struct fetch){ .c = c, .link = from, .done = done, .arg = arg };
    ask(f);
}

bool wf_client_is_revoked(
    const struct weft_client *c, const char *domain, const struct wf_sign_pub *key, int64_t at_ms)
{
    for (size_t i = 0; i < c->list_count; i++)
        if (strcmp(c->lists[i].domain.s, domain) == 0)
            return c->lists[i].list && wf_revocations_has_origin(c->lists[i].list, key, at_ms);
    return false;
}
