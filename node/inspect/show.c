// SPDX-License-Identifier: Apache-2.0
// `weft log show`: the entries of a product, one line each, or with --records what they hold; and what is missing between them.
#include <stdio.h>
#include <stdlib.h>

#include "node/inspect/inspect.h"
#include "proto/schema/known.h"
#include "proto/schema/number.h"

#define READ_BYTES (256u * WF_KIB)

struct bound { // --from, --to
    bool set, is_time;
    uint64_t offset;
    int64_t ms;
};

struct view {
    struct wf_inspect *x;
    struct wf_hash product; // shown
    struct bound from, to;
    struct wf_inspect_slice slice;
    bool found, stopped; // stopped: behind --to, or nobody reads
};

static int bound_of(const char *option, const char *text, struct bound *ret)
{
    struct wf_moment m;

    if (!text)
        return 0;
    ret->set = true;
    if (!wf_number_uint(wf_bytes_str(text), &ret->offset))
        return 0;
    if (!wf_timestamp_parse(wf_bytes_str(text), &m)) {
        ret->is_time = true;
        ret->ms = m.seconds * 1000 + m.nanos / 1000000;
        return 0;
    }
    fprintf(stderr, "weft: --%s %s: expected an offset or a time such as 2026-01-01T00:00:00Z\n",
        option, text);
    return 64;
}

static const char *kind_of(const struct wf_inspect_item *i)
{
    static const char *const kinds[] = {
        [WF_BATCH_DATA] = "data", [WF_BATCH_LOSS] = "loss", [WF_BATCH_RESET] = "restart"
    };

    return i->is_reset ? "reset" : kinds[i->h.kind];
}

static void put_incarnation(struct wf_json_out *o, const char *key, const struct wf_incarnation *i)
{
    char text[WF_INCARNATION_TEXT];

    wf_incarnation_print(i, text);
    wf_json_out_member(o, key, wf_bytes_str(text));
}

static void put_batch(struct wf_inspect *x, struct wf_json_out *o, const struct wf_batch_header *h)
{
    static const char *const compressions[] = { "none", "lz4", "zstd" };
    const struct wf_inspect_origin *origin =
        wf_inspect_origin(x, &h->certificate, h->max_us / 1000);
    char hex[2 * WF_HASH_LEN + 1];

    wf_hex_put(wf_hash_view(&h->certificate), hex);
    wf_json_out_member(o, "origin", wf_bytes_str(origin->text[0] ? origin->text : hex));
    put_incarnation(o, "incarnation", &h->incarnation);
    wf_json_out_member_int(o, "seq", (int64_t)h->first_seq);
    wf_json_out_member_int(o, "stored", (int64_t)h->stored_len);
    wf_json_out_member_int(o, "raw", (int64_t)h->raw_len);
    if ((size_t)h->compression < WF_COUNT(compressions))
        wf_json_out_member(o, "compression", wf_bytes_str(compressions[h->compression]));
    wf_hex_put(wf_hash_view(&h->id), hex);
    wf_json_out_member(o, "batch", wf_bytes_str(hex));
    if (h->kind == WF_BATCH_LOSS)
        wf_json_out_member(o, "why", wf_bytes_str(h->loss_reason));
}

static void put_parsed(
    struct view *w, struct wf_json_out *o, const struct wf_inspect_item *item, enum weft_err err)
{
    if (err) {
        wf_json_out_member(o, "kind", WF_STR("damaged"));
        wf_json_out_member(o, "why", wf_bytes_str(weft_err_text(err)));
        return;
    }
    wf_json_out_member(o, "kind", wf_bytes_str(kind_of(item)));
    if (!w->x->is_spool) {
        put_incarnation(o, "log", &item->entry.log_id);
        wf_json_out_member_int(o, "epoch", (int64_t)item->entry.epoch);
        wf_json_out_member_bool(o, "late", item->entry.late);
    }
    if (!item->is_reset)
        put_batch(w->x, o, &item->h);
}

// "servers/web-1", "web-1", or the beginning of its certificate's hash. What nobody can say of (a gap, a sealed entry) is shown.
static bool is_of_origin(struct view *w, const struct wf_inspect_item *item)
{
    const char *wanted = w->x->origin;
    char hex[2 * WF_HASH_LEN + 1];

    if (!wanted)
        return true;
    if (item->is_reset)
        return false;
    const struct wf_inspect_origin *o =
        wf_inspect_origin(w->x, &item->h.certificate, item->h.max_us / 1000);
    const char *slash = strchr(o->text, '/');
    wf_hex_put(wf_hash_view(&item->h.certificate), hex);
    return strcmp(o->text, wanted) == 0 || (slash && strcmp(slash + 1, wanted) == 0) ||
           (strlen(wanted) >= 8 && strncmp(hex, wanted, strlen(wanted)) == 0);
}

static bool ends(const struct view *w, const struct wf_log_view *v)
{
    if (!w->to.set)
        return false;
    return w->to.is_time ? v->time_ms >= w->to.ms && v->time_ms > 0 : v->first >= w->to.offset;
}

static void put_unreadable(struct view *w, struct wf_json_out *o, const struct wf_log_view *v)
{
    bool closed = v->status == WEFT_E_KEY || v->status == WEFT_E_AEAD;
    bool keyless = v->status == WEFT_E_KEY && !w->x->key.ptr;

    wf_json_out_member(o, "kind", closed ? WF_STR("sealed") : WF_STR("gap"));
    wf_json_out_member(
        o, "why", keyless ? WF_STR("no storage key here") : wf_bytes_str(weft_err_text(v->status)));
}

// item: NULL when the bytes are not there.
static void put_entry(struct view *w, const struct wf_log_view *v,
    const struct wf_inspect_item *item, enum weft_err err)
{
    struct wf_json_out o;

    if (w->x->limit && w->slice.shown == w->x->limit) {
        w->slice.full = true;
        w->slice.next = v->first;
        return;
    }
    w->slice.shown++;
    wf_inspect_line(w->x, &o, "weft.log.entry/v1");
    wf_json_out_member(&o, "product", wf_bytes_str(wf_inspect_product(w->x, &w->product)));
    wf_json_out_member_int(&o, "offset", (int64_t)v->first);
    wf_json_out_member_int(&o, "records", (int64_t)(v->end - v->first));
    if (v->time_ms)
        wf_inspect_time(&o, "time", v->time_ms);
    wf_json_out_member_bool(&o, "sealed", v->sealed);
    if (item) {
        wf_json_out_member_int(&o, "size", (int64_t)v->body.len);
        put_parsed(w, &o, item, err);
    } else {
        put_unreadable(w, &o, v);
    }
    wf_inspect_print(w->x, &o);
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct view *w = arg;
    struct wf_inspect_item item = { 0 };
    const char *what = "";

    w->stopped = ends(w, v);
    if (w->stopped)
        return false;
    enum weft_err err = v->status ? WEFT_OK : wf_inspect_parse(w->x, v, &item, &what);
    if (v->status) {
        put_entry(w, v, NULL, WEFT_OK);
    } else if (err) {
        put_entry(w, v, &item, err);
    } else if (is_of_origin(w, &item)) {
        bool records = w->x->records && !item.is_reset && item.h.kind == WF_BATCH_DATA;
        if (records)
            err = wf_inspect_put_records(w->x, &item, v->first, &w->slice);
        if (!records || err)
            put_entry(w, v, &item, err);
    }
    w->stopped = w->slice.full || w->x->failed_output;
    return !w->stopped;
}

static enum weft_err start_of(struct view *w, const struct wf_inspect_range *r, uint64_t *ret)
{
    *ret = r->range.floor;
    if (!w->from.set)
        return WEFT_OK;
    if (w->from.is_time)
        return wf_log_find_time(
            wf_log_look_log(w->x->look), &r->id, w->from.ms, &w->x->scratch, ret);
    *ret = w->from.offset < r->range.head ? w->from.offset : r->range.head;
    return WEFT_OK;
}

static enum weft_err show_range(struct view *w, const struct wf_inspect_range *r)
{
    uint64_t next = 0, at = 0;
    struct wf_log_reader reader = { .product = r->id,
        .max_bytes = READ_BYTES,
        .visit = on_view,
        .arg = w,
        .scratch = &w->x->scratch,
        .pass_unread = true };
    enum weft_err err = start_of(w, r, &next);

    while (!err && !w->slice.full) {
        at = reader.from = next;
        w->stopped = false;
        err = wf_log_read(wf_log_look_log(w->x->look), &reader, &next);
        if (next == at || w->stopped)
            break;
    }
    return err;
}

static enum weft_err show_store(struct view *w)
{
    struct wf_inspect_range *ranges = NULL;
    size_t count = 0;
    enum weft_err err = wf_inspect_ranges(w->x, &ranges, &count);

    for (size_t i = 0; i < count && !err && !w->slice.full; i++) {
        w->product = wf_inspect_product_of(w->x, &ranges[i]);
        if (!wf_inspect_wants(w->x, &w->product))
            continue;
        w->found = true;
        err = show_range(w, &ranges[i]);
    }
    free(ranges);
    return err;
}

int wf_inspect_show(struct wf_inspect *x)
{
    struct view w = { .x = x, .slice = { .to = UINT64_MAX, .limit = x->limit } };
    int status = bound_of("from", x->from, &w.from);

    if (!status)
        status = bound_of("to", x->to, &w.to);
    if (w.from.set && !w.from.is_time)
        w.slice.from = w.from.offset;
    if (w.to.set && !w.to.is_time)
        w.slice.to = w.to.offset;
    for (size_t i = 0; i < x->store_count && !status && !w.slice.full; i++) {
        status = wf_inspect_store(x, i);
        enum weft_err err = status ? WEFT_OK : show_store(&w);
        if (err) {
            fprintf(stderr, "weft: %s: %s\n", x->stores[i], weft_err_text(err));
            status = weft_err_exit(err);
        }
    }
    if (status)
        return status;
    if (!w.found) {
        fprintf(stderr, "weft: %s: nothing of it was ever appended here; see weft log stats\n",
            x->product);
        return weft_err_exit(WEFT_E_NOT_FOUND);
    }
    if (w.slice.shown == 0)
        fprintf(stderr,
            "weft: nothing of %s fits what was asked; see weft log stats for its offsets and "
            "times\n",
            x->product);
    if (w.slice.full)
        fprintf(stderr, "weft: %llu shown, more follow: --from %llu, or --limit 0 for all\n",
            (unsigned long long)w.slice.shown, (unsigned long long)w.slice.next);
    return 0;
}
