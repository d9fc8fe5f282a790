// SPDX-License-Identifier: Apache-2.0
// `weft log stats`: what each store and each product in it amounts to.
#include <stdio.h>
#include <stdlib.h>

#include "node/inspect/inspect.h"

#define READ_BYTES (1u * WF_MIB)

struct sum {
    struct wf_inspect *x;
    uint64_t entries, records, bytes, stored, raw, missing, sealed;
    int64_t oldest_ms, newest_ms;
    struct wf_incarnation last; // log id of a home, incarnation of a spool's chain
    uint64_t logs;              // how many log ids, or 1
};

static void add_item(struct sum *s, const struct wf_inspect_item *i)
{
    const struct wf_incarnation *id = s->x->is_spool ? &i->h.incarnation : &i->entry.log_id;

    if (!wf_incarnation_eq(id, &s->last))
        s->logs++;
    s->last = *id;
    if (i->is_reset)
        return;
    s->stored += i->h.stored_len;
    s->raw += i->h.kind == WF_BATCH_DATA ? i->h.raw_len : 0;
}

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct sum *s = arg;
    struct wf_inspect_item item;
    const char *what = "";

    if (v->status) {
        s->sealed += v->status == WEFT_E_KEY;
        s->missing += v->status == WEFT_E_KEY ? 0 : v->end - v->first;
        return true;
    }
    s->entries++;
    s->records += v->end - v->first;
    s->bytes += v->body.len;
    if (s->oldest_ms == 0 || v->time_ms < s->oldest_ms)
        s->oldest_ms = v->time_ms;
    if (v->time_ms > s->newest_ms)
        s->newest_ms = v->time_ms;
    if (!wf_inspect_parse(s->x, v, &item, &what))
        add_item(s, &item);
    return true;
}

static enum weft_err add_range(struct sum *s, const struct wf_inspect_range *r)
{
    uint64_t next = r->range.floor, at = 0;
    struct wf_log_reader reader = { .product = r->id,
        .max_bytes = READ_BYTES,
        .visit = on_view,
        .arg = s,
        .scratch = &s->x->scratch,
        .pass_unread = true };
    enum weft_err err = WEFT_OK;

    do {
        at = reader.from = next;
        err = wf_log_read(wf_log_look_log(s->x->look), &reader, &next);
    } while (!err && next > at && next < r->range.head);
    return err;
}

static void print_product(
    struct sum *s, const struct wf_hash *product, const struct wf_inspect_range *r)
{
    struct wf_json_out o;
    char id[WF_INCARNATION_TEXT];

    wf_inspect_line(s->x, &o, "weft.log.stats/v1");
    wf_json_out_member(&o, "product", wf_bytes_str(wf_inspect_product(s->x, product)));
    wf_json_out_member_int(&o, "floor", (int64_t)r->range.floor);
    wf_json_out_member_int(&o, "head", (int64_t)r->range.head);
    wf_json_out_member_int(&o, "entries", (int64_t)s->entries);
    wf_json_out_member_int(&o, "records", (int64_t)s->records);
    wf_json_out_member_int(&o, "missing", (int64_t)s->missing);
    wf_json_out_member_int(&o, "sealed", (int64_t)s->sealed);
    wf_json_out_member_int(&o, "bytes", (int64_t)s->bytes);
    wf_json_out_member_int(&o, "stored", (int64_t)s->stored);
    wf_json_out_member_int(&o, "raw", (int64_t)s->raw);
    if (s->stored > 0 && s->raw > 0) {
        wf_json_out_key(&o, WF_STR("ratio"));
        uint64_t hundredths = s->raw * 100 / s->stored;
        wf_json_out_double(&o, (double)hundredths / 100);
    }
    if (s->entries) {
        wf_inspect_time(&o, "oldest", s->oldest_ms);
        wf_inspect_time(&o, "newest", s->newest_ms);
    }
    if (!wf_incarnation_is_none(&s->last)) {
        wf_incarnation_print(&s->last, id);
        wf_json_out_member(&o, s->x->is_spool ? "incarnation" : "log", wf_bytes_str(id));
        wf_json_out_member_int(&o, "logs", (int64_t)s->logs);
    }
    wf_inspect_print(s->x, &o);
}

// Retention as configured: a spool's is its bound.
static void print_store(struct wf_inspect *x)
{
    const struct wf_conf_class *class =
        x->conf && !x->is_spool ? wf_conf_class_of(x->conf, wf_log_look_class(x->look)) : NULL;
    struct wf_log_stats stats;
    struct wf_json_out o;
    char number[24];

    wf_log_stats(wf_log_look_log(x->look), &stats);
    wf_inspect_line(x, &o, "weft.log.store/v1");
    wf_json_out_member(&o, "class", wf_bytes_str(wf_log_look_class(x->look)));
    wf_json_out_member_bool(&o, "spool", x->is_spool);
    wf_json_out_member_bool(&o, "inUse", wf_log_look_in_use(x->look));
    wf_json_out_member_int(&o, "segments", (int64_t)stats.segments);
    wf_json_out_member_int(&o, "items", (int64_t)stats.items);
    wf_json_out_member_int(&o, "bytes", (int64_t)stats.bytes);
    if (stats.segments) {
        snprintf(number, sizeof number, "%016llx", (unsigned long long)wf_log_look_oldest(x->look));
        wf_json_out_member(&o, "oldestSegment", wf_bytes_str(number));
        snprintf(number, sizeof number, "%016llx", (unsigned long long)wf_log_look_newest(x->look));
        wf_json_out_member(&o, "newestSegment", wf_bytes_str(number));
    }
    if (class || (x->conf && x->is_spool)) {
        uint64_t age = class ? class->age_ms : x->conf->spool.age_ms;
        uint64_t bytes = class ? class->bytes : x->conf->spool.bytes;
        wf_json_out_member_int(&o, "keepSeconds", (int64_t)(age / 1000));
        wf_json_out_member_int(&o, "keepBytes", (int64_t)bytes);
    }
    wf_inspect_print(x, &o);
}

static enum weft_err stats_of(struct wf_inspect *x, bool *found)
{
    struct wf_inspect_range *ranges = NULL;
    size_t count = 0;
    enum weft_err err = wf_inspect_ranges(x, &ranges, &count);

    for (size_t i = 0; i < count && !err; i++) {
        struct wf_hash product = wf_inspect_product_of(x, &ranges[i]);
        struct sum s = { .x = x };
        if (!wf_inspect_wants(x, &product))
            continue;
        *found = true;
        err = add_range(&s, &ranges[i]);
        if (!err)
            print_product(&s, &product, &ranges[i]);
    }
    free(ranges);
    if (!err)
        print_store(x);
    return err;
}

int wf_inspect_stats(struct wf_inspect *x)
{
    bool found = false;

    for (size_t i = 0; i < x->store_count; i++) {
        int status = wf_inspect_store(x, i);
        if (status)
            return status;
        enum weft_err err = stats_of(x, &found);
        if (err) {
            fprintf(stderr, "weft: %s: %s\n", x->stores[i], weft_err_text(err));
            return weft_err_exit(err);
        }
    }
    if (found || !x->product)
        return 0;
    fprintf(stderr, "weft: %s: nothing of it was ever appended here\n", x->product);
    return weft_err_exit(WEFT_E_NOT_FOUND);
}
