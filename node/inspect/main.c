// SPDX-License-Identifier: Apache-2.0
// Options and output of `weftd --log`. `weft log` is what people use; it prints these lines as they like them.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/inspect/inspect.h"
#include "proto/schema/known.h"
#include "proto/schema/number.h"

#define LINE_MAX_BYTES (WF_MAX_JSON + 65536u)

void wf_inspect_line(struct wf_inspect *x, struct wf_json_out *o, const char *schema)
{
    x->line.len = 0;
    wf_json_out_init(o, &x->line, LINE_MAX_BYTES, 0);
    wf_json_out_object(o);
    wf_json_out_member(o, "schema", wf_bytes_str(schema));
    wf_json_out_member(o, "store", wf_bytes_str(x->stores[x->store_at]));
}

void wf_inspect_print(struct wf_inspect *x, struct wf_json_out *o)
{
    wf_json_out_end(o);
    enum weft_err err = wf_json_out_done(o);

    if (!err)
        err = wf_buf_append_byte(&x->line, '\n');
    if (err || fwrite(x->line.ptr, 1, x->line.len, stdout) != x->line.len)
        x->failed_output = true;
}

void wf_inspect_time(struct wf_json_out *o, const char *key, int64_t unix_ms)
{
    struct wf_moment m = { .seconds = unix_ms / 1000,
        .nanos = (int32_t)(unix_ms % 1000) * 1000000 };
    char text[WF_MOMENT_TEXT];

    if (unix_ms < 0 || !wf_timestamp_is_valid(m))
        return;
    size_t len = wf_timestamp_print(m, text);
    wf_json_out_member(o, key, wf_bytes(text, len));
}

// ---- products of a store ---------------------------------------------------------------------------------------------

struct listing {
    struct wf_inspect_range *all;
    size_t count, cap;
    bool nomem;
};

static void on_product(void *arg, const struct wf_hash *id, const struct wf_log_range *range)
{
    struct listing *l = arg;

    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 32;
        struct wf_inspect_range *more = realloc(l->all, cap * sizeof *more);
        l->nomem = l->nomem || !more;
        if (!more)
            return;
        l->all = more;
        l->cap = cap;
    }
    l->all[l->count++] = (struct wf_inspect_range){ *id, *range };
}

static int by_id(const void *a, const void *b)
{
    const struct wf_inspect_range *x = a, *y = b;

    return memcmp(x->id.b, y->id.b, WF_HASH_LEN);
}

enum weft_err wf_inspect_ranges(
    struct wf_inspect *x, struct wf_inspect_range **ret, size_t *ret_count)
{
    struct listing l = { 0 };

    wf_log_products(wf_log_look_log(x->look), on_product, &l);
    if (l.nomem) {
        free(l.all);
        return WEFT_E_NOMEM;
    }
    if (l.count)
        qsort(l.all, l.count, sizeof *l.all, by_id);
    *ret = l.all;
    *ret_count = l.count;
    return WEFT_OK;
}

struct asking {
    struct wf_inspect *x;
    struct wf_hash product;
};

static bool ask(void *arg, const struct wf_log_view *v)
{
    struct asking *a = arg;
    struct wf_inspect_item item;
    const char *what = "";

    if (v->status || wf_inspect_parse(a->x, v, &item, &what))
        return true;
    a->product = item.h.product_id;
    return false;
}

struct wf_hash wf_inspect_product_of(struct wf_inspect *x, const struct wf_inspect_range *r)
{
    struct asking a = { .x = x, .product = r->id };
    uint64_t next = 0;
    struct wf_log_reader reader = { .product = r->id,
        .from = r->range.floor,
        .max_bytes = 1,
        .visit = ask,
        .arg = &a,
        .scratch = &x->scratch,
        .pass_unread = true };

    if (!x->is_spool)
        return *wf_inspect_of_key(x, &r->id);
    if (wf_log_read(wf_log_look_log(x->look), &reader, &next))
        a.product = r->id;
    return a.product;
}

// ---- options ---------------------------------------------------------------------------------------------------------

static int options_of(struct wf_inspect *x, int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "product", required_argument, NULL, 'p' },
        { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 't' },
        { "origin", required_argument, NULL, 'o' },
        { "limit", required_argument, NULL, 'l' },
        { "records", no_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };

    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        const char **to = c == 'd'   ? &x->dir
                          : c == 'p' ? &x->product
                          : c == 'f' ? &x->from
                          : c == 't' ? &x->to
                          : c == 'o' ? &x->origin
                                     : NULL;
        if (to)
            *to = optarg;
        else if (c == 'r')
            x->records = true;
        else if (c != 'l' || wf_number_uint(wf_bytes_str(optarg), &x->limit))
            return 64;
    }
    return optind == argc && x->dir && x->verb ? 0 : 64;
}

int wf_inspect_main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct wf_inspect *x);
    } verbs[] = {
        { "show", wf_inspect_show },
        { "verify", wf_inspect_verify },
        { "stats", wf_inspect_stats },
    };
    struct wf_inspect x = { .verb = argc > 1 ? argv[1] : NULL };
    int status = argc > 1 ? options_of(&x, argc - 1, argv + 1) : 64;
    size_t i = 0;

    while (!status && i < WF_COUNT(verbs) && strcmp(verbs[i].name, x.verb) != 0)
        i++;
    if (status || i == WF_COUNT(verbs)) {
        fputs("weftd: --log is asked by weft log show|verify|stats; see weft(1)\n", stderr);
        return 64;
    }
    status = wf_inspect_open(&x);
    if (!status)
        status = verbs[i].run(&x);
    if (fflush(stdout) != 0 || x.failed_output) {
        fprintf(stderr, "weft: the output could not be written: %s\n", strerror(errno));
        status = 69;
    }
    wf_inspect_fini(&x);
    return status;
}
