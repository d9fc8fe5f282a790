// SPDX-License-Identifier: Apache-2.0
// Who said it: every entry's header signature, payload hash and origin certificate, in this order, before the entry counts. Certificates and
// schemas are fetched by hash when a batch first cites them; what came together waits together. A certificate is judged once.
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "sdk/subscribe_int.h"

// ---- units -----------------------------------------------------------------------------------------------------------------

struct wf_sub_unit *wf_sub_unit_new(size_t entries, size_t losses)
{
    struct wf_sub_unit *u = calloc(1, sizeof *u);

    if (!u)
        return NULL;
    u->items = calloc(entries + 1, sizeof(struct wf_sub_item *));
    u->losses = calloc(losses + 1, sizeof *u->losses);
    if (!u->items || !u->losses) {
        wf_sub_unit_free(u);
        return NULL;
    }
    return u;
}

void wf_sub_unit_free(struct wf_sub_unit *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < u->item_count; i++)
        wf_sub_item_free(u->items[i]);
    free(u->items);
    free(u->losses);
    free(u);
}

// ---- entries ---------------------------------------------------------------------------------------------------------------

static enum weft_err open_batch(struct weft_subscription *s, struct wf_sub_item *i)
{
    enum weft_err err = wf_batch_open_header(i->entry.header, &i->header);

    if (!err && !wf_hash_eq(&i->header.product_id, &s->product_id))
        err = WEFT_E_PRODUCT;
    if (err)
        return err;
    // From here on the place is known to be a batch's: what is wrong with it is a loss of just its records.
    if (i->header.kind == WF_BATCH_DATA) {
        if (i->header.compression != WF_COMPRESS_NONE)
            wf_sub_spare_take(s, &i->raw);
        i->code = wf_batch_view_payload(
            &s->c->decompressor, &i->header, i->entry.payload, &i->raw, &i->records);
    }
    if (i->code == WEFT_E_NOMEM) // nothing is wrong with it
        return WEFT_E_NOMEM;
    if (i->code)
        wf_sub_count(s, &s->stats.verify_failures, 1);
    return WEFT_OK;
}

// The item's own memory of the entry. A large one is of records that were not compressed, as a rule; it is not copied where it has memory to
// itself, and buffers of such come round.
static enum weft_err parse(
    struct weft_subscription *s, struct wf_bytes packed, struct wf_buf *own, struct wf_sub_item *i)
{
    bool large = packed.len > WF_SUB_SPARE / 4;

    if (own && large) {
        i->bytes = *own;
        *own = (struct wf_buf){ 0 };
        return wf_entry_parse(packed, &i->entry);
    }
    if (large)
        wf_sub_spare_take(s, &i->bytes);
    enum weft_err err = wf_buf_append(&i->bytes, packed);

    return err ? err : wf_entry_parse(wf_buf_view(&i->bytes), &i->entry);
}

// Delivered already, or held of what frames bring: then it is neither copied nor verified again. How many records it has only its header would tell,
// so an entry that begins before our place counts as delivered only when our place is the end of an entry. Of a reply nothing held is left out: until
// its documents are here what is held may be dropped for want of room, and then its place would be a hole that nobody explains.
static bool is_known(const struct weft_subscription *s, const struct wf_entry *e, bool is_frame)
{
    struct wf_incarnation log_id;
    uint64_t next;

    if (e->is_reset || !s->started)
        return false;
    wf_repair_position(s->repair, &log_id, &next);
    if (!wf_incarnation_eq(&log_id, &e->log_id))
        return false;
    if (e->offset < next)
        return s->head_known && s->head.next_offset == next;
    return is_frame && !wf_repair_wants(s->repair, &e->log_id, e->offset, e->offset + 1);
}

enum weft_err wf_sub_take_entry(
    struct weft_subscription *s, struct wf_sub_unit *u, struct wf_bytes packed, struct wf_buf *own)
{
    struct wf_sub_item *i = calloc(1, sizeof *i);
    struct wf_entry e;
    enum weft_err err = i ? wf_entry_parse(packed, &e) : WEFT_E_NOMEM;

    if (!err && is_known(s, &e, u->is_frame))
        goto out;
    if (!err)
        err = parse(s, packed, own, i);
    if (!err && !e.is_reset)
        err = open_batch(s, i);
    if (!err && i->entry.offset > UINT64_MAX - i->header.count)
        err = WEFT_E_RANGE;
    if (err)
        goto out;
    i->size = sizeof *i + i->bytes.cap + i->raw.cap;
    u->items[u->item_count++] = i;
    i = NULL;
out:
    wf_sub_item_free(i);
    return err;
}

// ---- certificates --------------------------------------------------------------------------------------------------------

static struct wf_sub_origin *find_origin(
    const struct weft_subscription *s, const struct wf_hash *id)
{
    struct wf_sub_origin *o = s->origins[id->b[0] % WF_SUB_BUCKETS];

    while (o && !wf_hash_eq(&o->id, id))
        o = o->next;
    return o;
}

static enum weft_err judge(
    const struct weft_subscription *s, struct wf_bytes chain, struct wf_sub_origin *o)
{
    const struct wf_charter *charter = wf_client_charter(s->c);
    struct wf_identity who;
    struct wf_bytes certs[WF_MAX_CHAIN];
    size_t count = 0;
    enum weft_err err = wf_chain_split(chain, certs, &count);

    if (!err)
        err = wf_cert_open(certs[0], &o->cert);
    // The home took the batch while the certificate held or could still be renewed; by now it may long be over. What is asked here is
    // whether the chain was right in its time; each batch is compared with that time below.
    if (!err)
        err = wf_chain_verify(chain, charter, o->cert.not_before_ms, WF_CHAIN_ALLOW_EXPIRED, &who);
    if (!err && !wf_hash_eq(&who.cert.id, &o->id))
        err = WEFT_E_CHAIN;
    if (!err && strcmp(who.cert.domain.s, s->target.domain.s) != 0)
        err = WEFT_E_WRONG_DOMAIN;
    if (!err && !wf_cert_may_publish(&who.cert, s->target.product.s))
        err = WEFT_E_PRODUCT;
    return err;
}

static enum weft_err add_origin(
    struct weft_subscription *s, const struct wf_hash *id, struct wf_bytes chain)
{
    struct wf_sub_origin *o = s->origin_count < WF_SUB_ORIGINS ? calloc(1, sizeof *o) : NULL;

    if (!o || !wf_client_charter(s->c)) { // without a charter nothing can be judged yet
        free(o);
        return o ? WEFT_E_NOT_FOUND : WEFT_E_NOMEM;
    }
    o->id = *id;
    enum weft_err err = wf_bytes_dup(chain, &o->chain);
    if (err) {
        free(o);
        return err;
    }
    o->refused = judge(s, chain, o);
    if (o->refused == WEFT_E_NOMEM) { // no judgement: it is fetched and judged again
        wf_buf_fini(&o->chain);
        free(o);
        return WEFT_E_NOMEM;
    }
    o->next = s->origins[id->b[0] % WF_SUB_BUCKETS];
    s->origins[id->b[0] % WF_SUB_BUCKETS] = o;
    s->origin_count++;
    return WEFT_OK;
}

// May this certificate have signed this batch, at the time the home took it?
static enum weft_err judge_batch(const struct wf_sub_origin *o, const struct wf_sub_item *i)
{
    int64_t at = i->entry.append_ms;

    if (o->refused)
        return o->refused;
    if (memcmp(o->cert.sign_key.b, i->header.signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    if (at < o->cert.not_before_ms - WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_NOT_YET;
    return at >= o->cert.not_after_ms + WF_RENEW_GRACE_MS ? WEFT_E_EXPIRED : WEFT_OK;
}

// ---- schemas ---------------------------------------------------------------------------------------------------------------

static struct weft_product *find_schema(
    const struct weft_subscription *s, const struct wf_hash *hash)
{
    for (size_t i = 0; i < s->schema_count; i++)
        if (wf_hash_eq(&s->schemas[i].hash, hash))
            return s->schemas[i].product;
    return NULL;
}

static enum weft_err add_schema(
    struct weft_subscription *s, const struct wf_hash *hash, struct wf_bytes content)
{
    const struct wf_entry_doc *doc =
        wf_client_product_doc(s->c, s->target.domain.s, s->target.product.s);
    struct weft_product *p = NULL;

    if (s->schema_count == WF_SUB_SCHEMAS)
        return WEFT_E_TOO_BIG;
    if (!doc)
        return WEFT_E_NOT_FOUND;
    enum weft_err err = wf_product_object(&doc->product.product, doc, content, &p, NULL);
    if (err)
        return err;
    s->schemas[s->schema_count++] = (struct wf_sub_schema){ *hash, p };
    pthread_mutex_lock(&s->mutex);
    if (!s->product) {
        wf_product_ref(p);
        s->product = p;
    }
    pthread_mutex_unlock(&s->mutex);
    return WEFT_OK;
}

// ---- fetching --------------------------------------------------------------------------------------------------------------

static void look_through_units(struct weft_subscription *s);
static void ask_needs(struct weft_subscription *s);

static void remove_need(struct weft_subscription *s, struct wf_sub_need *n)
{
    struct wf_sub_need **at = &s->needs;

    while (*at && *at != n)
        at = &(*at)->next;
    if (*at)
        *at = n->next;
}

// Units that need it fail: a reply is asked for again later, a frame is repaired.
static void fail_units(struct weft_subscription *s, const struct wf_sub_need *n)
{
    for (struct wf_sub_unit *u = s->units; u; u = u->next)
        for (size_t i = 0; i < u->item_count; i++) {
            const struct wf_batch_header *h = &u->items[i]->header;
            if (!u->items[i]->entry.is_reset &&
                wf_hash_eq(n->is_chain ? &h->certificate : &h->schema_hash, &n->hash))
                u->failed = true;
        }
}

static void drop_needs(struct weft_subscription *s)
{
    for (struct wf_sub_need *n = s->needs, *next; n; n = next) {
        next = n->next;
        if (n->asked)
            continue;
        remove_need(s, n);
        free(n);
        wf_sub_unref(s); // never the last one: who calls holds one
    }
}

static void on_document(void *arg, enum weft_err err, struct wf_bytes content)
{
    struct wf_sub_need *n = arg;
    struct weft_subscription *s = n->s;

    remove_need(s, n);
    if (!s->closed) {
        if (!err)
            err = n->is_chain ? add_origin(s, &n->hash, content) : add_schema(s, &n->hash, content);
        if (err)
            fail_units(s, n);
        look_through_units(s);
        ask_needs(s);
    } else {
        drop_needs(s);
    }
    free(n);
    wf_sub_unref(s);
}

// One request at a time: what is found missing meanwhile goes together with the next, be it a thousand origins.
static void ask_needs(struct weft_subscription *s)
{
    struct wf_client_wanted wanted[WF_MAX_GET];
    size_t count = 0;
    struct wf_bytes lease;
    unsigned turn;

    for (const struct wf_sub_need *n = s->needs; n; n = n->next)
        if (n->asked)
            return;
    for (struct wf_sub_need *n = s->needs; n && count < WF_MAX_GET; n = n->next) {
        n->asked = true;
        wanted[count++] = (struct wf_client_wanted){ n->hash, n };
    }
    if (count)
        wf_client_documents(s->c, wf_sub_source(s, &lease, &turn), wanted, count, on_document);
}

static void need(struct weft_subscription *s, const struct wf_hash *hash, bool is_chain)
{
    for (const struct wf_sub_need *n = s->needs; n; n = n->next)
        if (n->is_chain == is_chain && wf_hash_eq(&n->hash, hash))
            return;
    struct wf_sub_need *n = calloc(1, sizeof *n);
    if (!n)
        return; // the unit is looked at again with the next
    *n = (struct wf_sub_need){ s->needs, s, *hash, is_chain, false };
    s->needs = n;
    wf_sub_ref(s);
}

void wf_sub_need_product(struct weft_subscription *s, const struct wf_hash *schema)
{
    if (find_schema(s, schema))
        return;
    need(s, schema, false);
    ask_needs(s);
}

// ---- from documents to the machine -----------------------------------------------------------------------------------------

// What the item still lacks is asked for. True when nothing does.
static bool settle(struct weft_subscription *s, struct wf_sub_item *i)
{
    if (i->entry.is_reset || i->code)
        return true;
    const struct wf_sub_origin *o = find_origin(s, &i->header.certificate);
    if (!o) {
        need(s, &i->header.certificate, true);
        if (i->header.kind == WF_BATCH_DATA && !find_schema(s, &i->header.schema_hash))
            need(s, &i->header.schema_hash, false); // in the same request
        return false;
    }
    i->code = judge_batch(o, i);
    if (i->code) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        return true;
    }
    i->origin = o;
    if (i->header.kind != WF_BATCH_DATA || i->product)
        return true;
    struct weft_product *p = find_schema(s, &i->header.schema_hash);
    if (!p) {
        need(s, &i->header.schema_hash, false);
        return false;
    }
    wf_product_ref(p);
    i->product = p;
    return true;
}

static bool is_settled(struct weft_subscription *s, struct wf_sub_unit *u)
{
    bool all = true;

    for (size_t i = 0; i < u->item_count && !u->failed; i++)
        all = settle(s, u->items[i]) && all;
    return all || u->failed;
}

// Asking may end at once and come back here, so the list is taken off first and what still waits is put back.
static void look_through_units(struct weft_subscription *s)
{
    struct wf_sub_unit *u = s->units;

    s->units = NULL;
    s->units_tail = &s->units;
    s->unit_count = 0;
    while (u) {
        struct wf_sub_unit *next = u->next;
        wf_sub_unit_go(s, u);
        u = next;
    }
}

static bool any_asked(const struct weft_subscription *s)
{
    const struct wf_sub_need *n = s->needs;

    while (n && !n->asked)
        n = n->next;
    return n != NULL;
}

void wf_sub_unit_go(struct weft_subscription *s, struct wf_sub_unit *u)
{
    u->next = NULL;
    bool settled = is_settled(s, u);
    if (!settled) { // documents at hand come back at once: a second look finds them
        ask_needs(s);
        settled = is_settled(s, u);
    }
    if (settled) {
        wf_sub_step_unit(s, u);
        return;
    }
    // Asking may have failed at once, and the second look named what is missing anew: nothing is on its way then, and nobody would come back.
    bool waits = any_asked(s);
    if (!waits)
        drop_needs(s);
    if (s->unit_count == WF_SUB_UNITS || !waits) {
        u->failed = true;
        wf_sub_step_unit(s, u);
        return;
    }
    *s->units_tail = u;
    s->units_tail = &u->next;
    s->unit_count++;
}

void wf_sub_proof_fini(struct weft_subscription *s)
{
    for (size_t b = 0; b < WF_SUB_BUCKETS; b++)
        while (s->origins[b]) {
            struct wf_sub_origin *next = s->origins[b]->next;
            wf_buf_fini(&s->origins[b]->chain);
            free(s->origins[b]);
            s->origins[b] = next;
        }
    for (size_t i = 0; i < s->schema_count; i++)
        weft_product_free(s->schemas[i].product);
    while (s->units) {
        struct wf_sub_unit *next = s->units->next;
        wf_sub_unit_free(s->units);
        s->units = next;
    }
}
