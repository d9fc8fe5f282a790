// SPDX-License-Identifier: Apache-2.0
// `weft log verify`: every byte by the store's own hashes, then every item as a reader would judge it, then the small files beside the
// log. Each damage is a line with its place and the offsets it took; a line for each store sums up.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/inspect/inspect.h"
#include "node/log/meta.h"
#include "sdk/disk.h"

#define READ_BYTES (1u * WF_MIB)

static const char *text_of(const struct wf_log_flaw *f)
{
    static const char *const texts[WF_FLAW_COUNT] = {
        [WF_FLAW_TORN] = "an unfinished tail; the next start cuts it, none of it was acknowledged",
        [WF_FLAW_NO_INDEX] = "no index file; the next start makes it",
        [WF_FLAW_INDEX] = "the index file is damaged or does not fit; the next start makes it anew",
        [WF_FLAW_STORE] = "store.meta is damaged or missing; the next start writes it anew",
        [WF_FLAW_HEADER] =
            "part of the segment's start is damaged; one copy of the header is enough",
        [WF_FLAW_SEGMENT] = "nothing of the segment can be read from here on",
        [WF_FLAW_TRUNCATED] = "the segment is shorter than it was",
        [WF_FLAW_BYTES] = "damaged bytes where an item should begin",
        [WF_FLAW_ITEM] = "an item's body fails its hash",
        [WF_FLAW_SEALED] = "a sealed body does not open under the segment's key",
        [WF_FLAW_ORDER] = "an item that does not follow the one before",
        [WF_FLAW_LOST] = "these offsets are lost; readers are told so",
    };

    return texts[f->kind];
}

struct problem {
    const char *name, *text;
    enum weft_err err;
    bool damage;
    const struct wf_log_flaw *flaw; // place and offsets
};

static void tell(struct wf_inspect *x, const struct problem *p)
{
    const struct wf_log_flaw *f = p->flaw;
    struct wf_json_out o;

    x->damages += p->damage;
    x->others += !p->damage;
    wf_inspect_line(x, &o, "weft.log.flaw/v1");
    wf_json_out_member(&o, "problem", wf_bytes_str(p->name));
    wf_json_out_member_bool(&o, "damage", p->damage);
    if (f->segment) {
        char number[24];
        snprintf(number, sizeof number, "%016llx", (unsigned long long)f->segment);
        wf_json_out_member(&o, "segment", wf_bytes_str(number));
        wf_json_out_member_int(&o, "at", (int64_t)f->at);
        wf_json_out_member_int(&o, "bytes", (int64_t)f->len);
    }
    if (f->has_product) {
        wf_json_out_member(&o, "product", wf_bytes_str(wf_inspect_product(x, &f->product)));
        wf_json_out_member_int(&o, "first", (int64_t)f->first);
        wf_json_out_member_int(&o, "end", (int64_t)f->end);
    }
    wf_json_out_member(&o, "text", wf_bytes_str(p->text));
    if (p->err)
        wf_json_out_member(&o, "why", wf_bytes_str(weft_err_text(p->err)));
    wf_inspect_print(x, &o);
}

struct pass {
    struct wf_inspect *x;
    struct wf_inspect_chain chain;
    struct wf_hash shown; // the product, when the log's key is a chain of it
    uint64_t entries, records, sealed;
    const struct wf_inspect_range *ranges;
    const struct wf_hash *products;
    size_t range_count;
};

static const struct wf_hash *shown_of(const struct pass *p, const struct wf_hash *key)
{
    for (size_t i = 0; i < p->range_count; i++)
        if (wf_hash_eq(&p->ranges[i].id, key))
            return &p->products[i];
    return key;
}

static void on_flaw(void *arg, const struct wf_log_flaw *flaw)
{
    struct pass *p = arg;
    struct wf_log_flaw f = *flaw;

    if (f.has_product)
        f.product = *shown_of(p, &flaw->product);
    if (f.has_product && !wf_inspect_wants(p->x, &f.product))
        return;
    tell(p->x, &(struct problem){ .name = wf_log_flaw_name(f.kind),
                   .text = text_of(&f),
                   .err = f.err,
                   .damage = wf_log_flaw_is_damage(f.kind),
                   .flaw = &f });
}

// ---- as a reader would -----------------------------------------------------------------------------------------------

static const char *content_text(const char *what)
{
    static const char *const texts[][2] = {
        { "entry", "not an entry, though its hash is right" },
        { "batch", "not a batch, though its hash is right" },
        { "header", "a batch's header does not stand" },
        { "place", "the entry is not what its place in the log says" },
        { "payload", "a batch's records are not those that its origin signed" },
        { "records", "a batch's records do not bear out its header" },
        { "certificate", "the origin's certificate does not stand" },
        { "order", "the entry does not follow the one before" },
    };

    for (size_t i = 0; i < WF_COUNT(texts); i++)
        if (strcmp(what, texts[i][0]) == 0)
            return texts[i][1];
    return what;
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct pass *p = arg;
    const char *what = "";

    if (v->status) { // told by the check of the store
        p->chain.known = false;
        p->sealed += v->status == WEFT_E_KEY;
        return true;
    }
    p->entries++;
    p->records += v->end - v->first;
    enum weft_err err = wf_inspect_judge(p->x, &p->chain, v, &what);
    if (!err)
        return true;
    struct wf_log_flaw f = {
        .has_product = true, .product = p->shown, .first = v->first, .end = v->end
    };
    (void)wf_log_look_find(p->x->look, &p->chain.key, v->first, &f.segment, &f.at);
    tell(p->x,
        &(struct problem){
            .name = what, .text = content_text(what), .err = err, .damage = true, .flaw = &f });
    return true;
}

static enum weft_err read_range(struct pass *p, const struct wf_inspect_range *r)
{
    struct wf_inspect *x = p->x;
    uint64_t next = r->range.floor, at = 0;
    struct wf_log_reader reader = { .product = r->id,
        .max_bytes = READ_BYTES,
        .visit = on_view,
        .arg = p,
        .scratch = &x->scratch,
        .pass_unread = true };
    enum weft_err err = WEFT_OK;

    p->chain = (struct wf_inspect_chain){ .product = p->shown, .key = r->id };
    do {
        at = reader.from = next;
        err = wf_log_read(wf_log_look_log(x->look), &reader, &next);
    } while (!err && next > at && next < r->range.head);
    return err == WEFT_E_RANGE ? WEFT_OK : err;
}

// ---- small files beside the log --------------------------------------------------------------------------------------

// A checkpoint that lies beyond the log's end: the log was put back from a copy, or lost what was acknowledged.
static void check_head(struct pass *p, const char *hex, struct wf_bytes value)
{
    char own[33];

    if (value.len < 16 || wf_log_look_in_use(p->x->look))
        return;
    uint64_t head = wf_load_be64(value.ptr + 8);
    for (size_t i = 0; i < p->range_count; i++) {
        const struct wf_inspect_range *r = &p->ranges[i];
        const struct wf_hash *product = &p->products[i];
        wf_hex_put(wf_bytes(product->b, 16), own);
        if (strcmp(own, hex) != 0 || head <= r->range.head || !wf_inspect_wants(p->x, product) ||
            !wf_hash_eq(&r->id, wf_inspect_key_of(p->x, product)))
            continue;
        struct wf_log_flaw f = {
            .has_product = true, .product = *product, .first = r->range.head, .end = head
        };
        tell(p->x,
            &(struct problem){ .name = "head",
                .text =
                    "the log ends before its checkpoint: it was put back from a copy, or its end "
                    "was cut off; readers are told by a new log that begins here",
                .damage = true,
                .flaw = &f });
    }
}

static void check_meta(struct pass *p, const char *dir, const char *file)
{
    struct wf_buf value = { 0 };
    struct wf_log_flaw none = { 0 };
    char name[WF_MAX_META_NAME + 1], text[WF_MAX_META_NAME + 80];
    size_t len = strlen(file);

    if (len <= 5 || len - 5 > WF_MAX_META_NAME || strcmp(file + len - 5, ".meta") != 0)
        return;
    memcpy(name, file, len - 5);
    name[len - 5] = '\0';
    enum weft_err err = wf_meta_get(&wf_vfs_posix, dir, name, &value);
    snprintf(text, sizeof text, "meta/%s: %s", file,
        strncmp(name, "e-", 2) == 0   ? "sealed epoch keys"
        : strncmp(name, "l-", 2) == 0 ? "what mirrors knew of a lost home"
                                      : "what the next start finds out from the log and the clock");
    if (err && err != WEFT_E_NOT_FOUND)
        tell(p->x, &(struct problem){
                       .name = "meta", .text = text, .err = err, .damage = true, .flaw = &none });
    else if (!err && name[0] == 'p' && name[1] == '-')
        check_head(p, name + 2, wf_buf_view(&value));
    wf_buf_fini(&value);
}

static void check_metas(struct pass *p)
{
    struct wf_log_flaw none = { 0 };
    char *dir = NULL;
    const char *name = NULL;
    enum weft_err err = p->x->data ? wf_disk_join(p->x->data, "meta", &dir) : WEFT_OK;
    DIR *d = dir ? opendir(dir) : NULL;

    if (d)
        err = wf_disk_next(d, &name);
    else if (dir && errno != ENOENT)
        err = WEFT_E_IO;
    while (d && name && !err) {
        check_meta(p, dir, name);
        err = wf_disk_next(d, &name);
    }
    if (err) // what could not be looked at is not whole
        tell(p->x, &(struct problem){ .name = "meta",
                       .text = "meta: cannot be read",
                       .err = err,
                       .damage = true,
                       .flaw = &none });
    if (d)
        closedir(d);
    free(dir);
}

// ---- a store ---------------------------------------------------------------------------------------------------------

static void sum_up(struct pass *p, const struct wf_log_tally *tally, uint64_t damages)
{
    struct wf_inspect *x = p->x;
    bool certificates = x->identity && x->identity->charter;
    struct wf_json_out o;

    wf_inspect_line(x, &o, "weft.log.verified/v1");
    wf_json_out_member_bool(&o, "whole", damages == 0);
    wf_json_out_member_int(&o, "damages", (int64_t)damages);
    wf_json_out_member_int(&o, "segments", (int64_t)tally->segments);
    wf_json_out_member_int(&o, "bytes", (int64_t)tally->bytes);
    wf_json_out_member_int(&o, "entries", (int64_t)p->entries);
    wf_json_out_member_int(&o, "records", (int64_t)p->records);
    wf_json_out_member_int(&o, "sealed", (int64_t)p->sealed);
    wf_json_out_member_bool(&o, "certificates", certificates);
    wf_json_out_member_bool(&o, "inUse", wf_log_look_in_use(x->look));
    wf_inspect_print(x, &o);
}

static enum weft_err verify_store(struct wf_inspect *x)
{
    struct pass p = { .x = x };
    struct wf_inspect_range *ranges = NULL;
    struct wf_hash *products = NULL;
    struct wf_log_tally tally = { 0 };
    uint64_t before = x->damages;
    enum weft_err err = wf_inspect_ranges(x, &ranges, &p.range_count);

    if (!err) {
        products = calloc(p.range_count + 1, sizeof *products);
        err = products ? WEFT_OK : WEFT_E_NOMEM;
    }
    for (size_t i = 0; i < p.range_count && !err; i++)
        products[i] = wf_inspect_product_of(x, &ranges[i]);
    p.ranges = ranges;
    p.products = products;
    if (!err)
        err = wf_log_look_check(x->look, on_flaw, &p, &tally);
    for (size_t i = 0; i < p.range_count && !err; i++) {
        p.shown = products[i];
        if (wf_inspect_wants(x, &p.shown)) {
            x->found = true;
            err = read_range(&p, &ranges[i]);
        }
    }
    if (!err) {
        check_metas(&p);
        sum_up(&p, &tally, x->damages - before);
    }
    free(products);
    free(ranges);
    return err;
}

int wf_inspect_verify(struct wf_inspect *x)
{
    int worst = 0;

    for (size_t i = 0; i < x->store_count; i++) {
        int status = wf_inspect_store(x, i);
        enum weft_err err = status ? WEFT_OK : verify_store(x);
        if (err) {
            fprintf(stderr, "weft: %s: %s\n", x->stores[i], weft_err_text(err));
            status = weft_err_exit(err);
        }
        worst = status ? status : worst;
    }
    // Nothing read is nothing proven: a mistyped name must not look whole.
    if (!worst && !x->damages && x->product && !x->found) {
        fprintf(stderr, "weft: %s: nothing of it was ever appended here; see weft log stats\n",
            x->product);
        return weft_err_exit(WEFT_E_NOT_FOUND);
    }
    return worst ? worst : x->damages > 0;
}
