// SPDX-License-Identifier: Apache-2.0
// What one item of a store says, and whether it stands: as a reader judges an entry of a home, as a home judges a batch of a spool.
#include "node/agent/uplink.h"
#include "node/inspect/inspect.h"

static enum weft_err parse_body(
    struct wf_inspect *x, struct wf_bytes body, struct wf_inspect_item *ret)
{
    if (x->is_spool)
        return wf_batch_split(body, &ret->header, &ret->payload);
    enum weft_err err = wf_entry_parse(body, &ret->entry);
    if (err)
        return err;
    ret->is_reset = ret->entry.is_reset;
    ret->header = ret->entry.header;
    ret->payload = ret->entry.payload;
    return WEFT_OK;
}

enum weft_err wf_inspect_parse(struct wf_inspect *x, const struct wf_log_view *v,
    struct wf_inspect_item *ret, const char **ret_what)
{
    *ret = (struct wf_inspect_item){ 0 };
    *ret_what = x->is_spool ? "batch" : "entry";
    enum weft_err err = parse_body(x, v->body, ret);
    if (err || ret->is_reset)
        return err;
    *ret_what = "header";
    return wf_batch_open_header(ret->header, &ret->h);
}

// Is the item what its place in the log says?
static enum weft_err judge_place(struct wf_inspect *x, const struct wf_inspect_chain *chain,
    const struct wf_log_view *v, const struct wf_inspect_item *item)
{
    const struct wf_hash *wanted = x->is_spool ? &chain->key : &chain->product;
    struct wf_hash key = item->h.product_id;
    uint64_t first = x->is_spool ? item->h.first_seq : item->entry.offset;
    uint64_t count = item->is_reset ? 0 : item->h.count;

    if (x->is_spool)
        wf_spool_key(&item->h.product_id, &item->h.incarnation, &key);
    if (!item->is_reset && !wf_hash_eq(&key, wanted))
        return WEFT_E_PRODUCT;
    return v->end - v->first == count && first == v->first ? WEFT_OK : WEFT_E_ORDER;
}

static enum weft_err judge_origin(struct wf_inspect *x, const struct wf_batch_header *h)
{
    const struct wf_inspect_origin *o = wf_inspect_origin(x, &h->certificate, h->max_us / 1000);

    if (o->err == WEFT_E_NOT_FOUND && !x->data)
        return WEFT_OK; // a store alone has no certificates beside it
    if (o->err)
        return o->err;
    if (memcmp(o->key.b, h->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    return o->usages & WF_USE_BATCH ? WEFT_OK : WEFT_E_PURPOSE;
}

static enum weft_err judge_content(
    struct wf_inspect *x, const struct wf_inspect_item *item, const char **ret_what)
{
    x->raw.len = 0;
    *ret_what = "payload";
    enum weft_err err = wf_batch_open_payload(&item->h, item->payload, &x->raw);
    if (!err && item->h.kind == WF_BATCH_DATA) {
        *ret_what = "records";
        err = wf_batch_check_records(&item->h, wf_buf_view(&x->raw));
    }
    if (!err) {
        *ret_what = "certificate";
        err = judge_origin(x, &item->h);
    }
    return err;
}

static enum weft_err judge_order(
    struct wf_inspect *x, struct wf_inspect_chain *chain, const struct wf_inspect_item *item)
{
    enum weft_err err = WEFT_OK;

    if (x->is_spool) {
        if (chain->known)
            err = wf_batch_follows(&chain->last, &item->h);
        chain->last = item->h;
    } else {
        if (chain->known)
            err = wf_entry_follows(&chain->head, &item->entry);
        chain->head = (struct wf_log_head){ .log_id = item->entry.log_id,
            .next_offset = item->entry.offset + (item->is_reset ? 0 : item->h.count) };
        wf_entry_hash(
            &item->entry, &chain->product, item->is_reset ? NULL : &item->h.id, &chain->head.hash);
    }
    chain->known = true;
    return err;
}

enum weft_err wf_inspect_judge(struct wf_inspect *x, struct wf_inspect_chain *chain,
    const struct wf_log_view *v, const char **ret_what)
{
    struct wf_inspect_item item;
    enum weft_err err = wf_inspect_parse(x, v, &item, ret_what);

    if (err) {
        chain->known = false;
        return err;
    }
    *ret_what = "place";
    err = judge_place(x, chain, v, &item);
    if (!err && !item.is_reset)
        err = judge_content(x, &item, ret_what);
    enum weft_err order = judge_order(x, chain, &item);
    if (!err && order) {
        *ret_what = "order";
        err = order;
    }
    return err;
}
