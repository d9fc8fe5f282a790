// SPDX-License-Identifier: Apache-2.0
// weft log show, verify, stats: a node's or agent's own stores, read from their files by `weftd --log`, so that it works when nothing
// runs. Here its lines become a table or JSON; what they mean is weftd's.
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/schema/json_out.h"
#include "sdk/cli/local.h"
#include "sdk/cli/weftd.h"
#include "sdk/conf/values.h"
#include "sdk/json.h"

#define ARGS_MAX    20
#define COLUMNS_MAX 12
#define ASK_MS      2000

struct column {
    const char *title, *key; // key: of the line's JSON
};

struct view { // of one kind of line
    const char *schema;
    const struct column *columns;
    size_t count;
};

static const struct column entry_columns[] = {
    { "offset", "offset" },
    { "records", "records" },
    { "time", "time" },
    { "origin", "origin" },
    { "kind", "kind" },
    { "size", "size" },
    { "sealed", "sealed" },
    { "why", "why" },
};
static const struct column record_columns[] = {
    { "offset", "offset" },
    { "time", "time" },
    { "origin", "origin" },
    { "op", "op" },
    { "record", "record" },
    { "why", "why" },
};
static const struct column flaw_columns[] = {
    { "problem", "problem" },
    { "segment", "segment" },
    { "at", "at" },
    { "bytes", "bytes" },
    { "product", "product" },
    { "first", "first" },
    { "end", "end" },
    { "what", "text" },
};
static const struct column stats_columns[] = {
    { "product", "product" },
    { "entries", "entries" },
    { "records", "records" },
    { "missing", "missing" },
    { "bytes", "bytes" },
    { "ratio", "ratio" },
    { "floor", "floor" },
    { "head", "head" },
    { "oldest", "oldest" },
    { "newest", "newest" },
    { "log", "log" },
};
static const struct view views[] = {
    { "weft.log.entry/v1", entry_columns, WF_COUNT(entry_columns) },
    { "weft.log.record/v1", record_columns, WF_COUNT(record_columns) },
    { "weft.log.flaw/v1", flaw_columns, WF_COUNT(flaw_columns) },
    { "weft.log.stats/v1", stats_columns, WF_COUNT(stats_columns) },
};

_Static_assert(WF_COUNT(stats_columns) <= COLUMNS_MAX, "the widest table");

struct printer {
    struct wf_cli *cli;
    const struct view *view; // of the table being filled
    struct wf_table *table;
    const char *titles[COLUMNS_MAX]; // of the table, which borrows them
    size_t lines;
    enum weft_err err;
};

// ---- tables ----------------------------------------------------------------------------------------------------------

static void end_table(struct printer *p)
{
    if (!p->table)
        return;
    enum weft_err err = wf_table_done(p->table);
    p->table = NULL;
    p->err = p->err ? p->err : err;
}

static void begin_table(struct printer *p, const struct view *v)
{
    end_table(p);
    for (size_t i = 0; i < v->count; i++)
        p->titles[i] = v->columns[i].title;
    p->view = v;
    p->err = p->err ? p->err : wf_table_new(p->cli, v->schema, p->titles, v->count, &p->table);
}

// A record is the last member of its line; in a table it stays the text that it is.
static struct wf_bytes record_text(const char *line, size_t len)
{
    static const char before[] = ",\"record\":";
    const char *at = memmem(line, len, before, sizeof before - 1);

    if (!at)
        return wf_bytes(NULL, 0);
    at += sizeof before - 1;
    return wf_bytes((const uint8_t *)at, (size_t)(line + len - 1 - at));
}

static void cell(struct wf_table *t, const struct wf_json *v)
{
    struct wf_bytes text = wf_json_string(v);

    switch (wf_json_type(v)) {
    case WF_JSON_INT:
        wf_table_number(t, wf_json_int(v));
        break;
    case WF_JSON_REAL:
        wf_table_textf(t, "%.2f", wf_json_real(v));
        break;
    case WF_JSON_BOOL:
        wf_table_text(t, wf_json_bool(v) ? "yes" : "");
        break;
    case WF_JSON_STRING:
        wf_table_textf(t, "%.*s", (int)text.len, (const char *)text.ptr);
        break;
    default:
        wf_table_text(t, NULL);
    }
}

static const char *text_of(const struct wf_json *line, const char *key, char out[256])
{
    struct wf_bytes text = wf_json_string(wf_json_get(line, key));

    snprintf(out, 256, "%.*s", (int)text.len, text.len ? (const char *)text.ptr : "");
    return out;
}

static long long number_of(const struct wf_json *line, const char *key)
{
    return (long long)wf_json_int(wf_json_get(line, key));
}

static void say_verified(const struct wf_json *line)
{
    char store[256];
    long long damages = number_of(line, "damages"), sealed = number_of(line, "sealed");

    printf("%s: ", text_of(line, "store", store));
    if (damages)
        printf("%lld damages", damages);
    else
        printf("whole");
    printf("; %lld segments, %lld bytes, %lld entries, %lld records", number_of(line, "segments"),
        number_of(line, "bytes"), number_of(line, "entries"), number_of(line, "records"));
    if (sealed)
        printf("; %lld sealed ones not opened", sealed);
    if (!wf_json_bool(wf_json_get(line, "certificates")))
        printf("; certificates not checked");
    printf("%s\n", wf_json_bool(wf_json_get(line, "inUse")) ? "; in use" : "");
}

static void say_store(const struct wf_json *line)
{
    char store[256], oldest[256], newest[256];
    long long age = number_of(line, "keepSeconds"), bytes = number_of(line, "keepBytes");

    printf("%s: %s%s, %lld segments, %lld bytes", text_of(line, "store", store),
        wf_json_bool(wf_json_get(line, "spool")) ? "spool" : "log",
        wf_json_bool(wf_json_get(line, "inUse")) ? " in use" : "", number_of(line, "segments"),
        number_of(line, "bytes"));
    if (number_of(line, "segments"))
        printf(" (%s to %s)", text_of(line, "oldestSegment", oldest),
            text_of(line, "newestSegment", newest));
    if (age || bytes)
        printf(", kept for %lld s or %lld bytes", age, bytes);
    putchar('\n');
}

static void say_syncs(const struct wf_json *line)
{
    char store[256];

    printf("%s: %lld syncs since weftd started: half took at most %.2f ms, 99%% at most %.2f, the "
           "longest %.2f; half covered at most %lld entries, 99%% at most %lld\n",
        text_of(line, "store", store), number_of(line, "syncs"),
        (double)number_of(line, "p50Us") / 1000, (double)number_of(line, "p99Us") / 1000,
        (double)number_of(line, "maxUs") / 1000, number_of(line, "itemsP50"),
        number_of(line, "itemsP99"));
}

static void put_text(struct printer *p, struct wf_bytes text)
{
    char *copy = NULL;

    p->err = wf_bytes_strdup(text, &copy);
    if (!p->err)
        wf_table_text(p->table, copy);
    free(copy);
}

static void print_line(struct printer *p, const struct wf_json *line, struct wf_bytes record)
{
    struct wf_bytes schema = wf_json_string(wf_json_get(line, "schema"));
    size_t i = 0;

    while (i < WF_COUNT(views) && !wf_bytes_is(schema, views[i].schema))
        i++;
    if (i == WF_COUNT(views)) {
        end_table(p);
        if (wf_bytes_is(schema, "weft.log.verified/v1"))
            say_verified(line);
        else if (wf_bytes_is(schema, "weft.log.store/v1"))
            say_store(line);
        else if (wf_bytes_is(schema, "weft.log.syncs/v1"))
            say_syncs(line);
        return;
    }
    if (!p->table || p->view != &views[i])
        begin_table(p, &views[i]);
    for (size_t k = 0; k < views[i].count && !p->err; k++) {
        if (record.len && strcmp(views[i].columns[k].key, "record") == 0)
            put_text(p, record);
        else
            cell(p->table, wf_json_get(line, views[i].columns[k].key));
    }
}

// ---- syncs: the one thing that a log's files do not tell ----------------------------------------------------------------

// The bound that so many hundredths of all lie at or below; the longest of all, where that is less.
static uint64_t at_most(const uint64_t *bounds, size_t bound_count, const uint64_t *counts,
    size_t count, unsigned hundredths, uint64_t longest)
{
    uint64_t all = 0, below = 0;

    for (size_t i = 0; i < count; i++)
        all += counts[i];
    for (size_t i = 0; i < count && i < bound_count; i++) {
        below += counts[i];
        if (below * 100 >= all * hundredths)
            return bounds[i] < longest ? bounds[i] : longest;
    }
    return longest;
}

static enum weft_err sync_line(const Weft__V1__LogState *l, struct wf_buf *out)
{
    static const struct {
        const char *key;
        unsigned hundredths;
        bool items;
    } parts[] = { { "p50Us", 50, false }, { "p99Us", 99, false }, { "maxUs", 100, false },
        { "itemsP50", 50, true }, { "itemsP99", 99, true }, { "itemsMax", 100, true } };
    struct wf_json_out o;

    wf_json_out_init(&o, out, 65536, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "schema", WF_STR("weft.log.syncs/v1"));
    wf_json_out_member(&o, "store", wf_bytes_str(l->directory));
    wf_json_out_member_int(&o, "syncs", (int64_t)l->syncs);
    for (size_t i = 0; i < WF_COUNT(parts); i++) {
        uint64_t v = parts[i].items
                         ? at_most(l->group_bounds, l->n_group_bounds, l->group_counts,
                               l->n_group_counts, parts[i].hundredths, l->group_max)
                         : at_most(l->sync_bounds_us, l->n_sync_bounds_us, l->sync_counts,
                               l->n_sync_counts, parts[i].hundredths, l->sync_max_us);
        wf_json_out_member_int(&o, parts[i].key, (int64_t)v);
    }
    wf_json_out_end(&o);
    return wf_json_out_done(&o);
}

// ---- lines -----------------------------------------------------------------------------------------------------------

static void take_line(struct printer *p, const char *text, size_t len)
{
    struct wf_json *line = NULL;

    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (p->cli->format == WF_OUT_JSONL)
        printf("%.*s\n", (int)len, text);
    else if (p->cli->format == WF_OUT_JSON)
        printf("%s%.*s", p->lines ? "," : "", (int)len, text);
    else if (!p->err)
        p->err = wf_json_parse(wf_bytes(text, len), &line, NULL);
    if (line)
        print_line(p, line, record_text(text, len));
    wf_json_free(line);
    p->lines++;
}

// A running weftd is asked; without one there is nothing to say.
static void ask_syncs(struct printer *p)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest status = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    struct wf_buf line = { 0 };
    char why[200];

    wf_arena_init(&arena, WF_MAX_UNPACK);
    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &status;
    if (wf_local_is_up(p->cli, NULL) &&
        !wf_local_try(p->cli, NULL, &q, ASK_MS, &arena, &reply, why, sizeof why) &&
        reply->status->log && reply->status->log->syncs && !sync_line(reply->status->log, &line))
        take_line(p, (const char *)line.ptr, line.len);
    wf_buf_fini(&line);
    wf_arena_fini(&arena);
}

static int run(struct wf_cli *cli, const char *verb, char *const argv[])
{
    struct printer p = { .cli = cli };
    char *text = NULL;
    size_t cap = 0;
    int out = -1;
    pid_t pid = wf_weftd_start(argv, &out);
    FILE *lines = pid < 0 ? NULL : fdopen(out, "r");

    if (!lines) {
        if (out >= 0)
            close(out);
        return wf_cli_fail(WEFT_E_NOMEM, "weftd can't be started");
    }
    if (cli->format == WF_OUT_JSON)
        printf("{\"schema\":\"weft.log.%s/v1\",\"rows\":[", verb);
    for (ssize_t n = getline(&text, &cap, lines); n > 0; n = getline(&text, &cap, lines))
        take_line(&p, text, (size_t)n);
    if (strcmp(verb, "stats") == 0)
        ask_syncs(&p);
    end_table(&p);
    if (cli->format == WF_OUT_JSON)
        printf("]}\n");
    free(text);
    fclose(lines);
    int status = wf_weftd_wait(pid);
    return p.err ? wf_cli_fail(p.err, "weftd's answer: %s", weft_err_text(p.err)) : status;
}

// ---- commands --------------------------------------------------------------------------------------------------------

struct asked {
    const char *product, *from, *to, *origin, *limit;
    bool records;
};

static int ask(struct wf_cli *cli, const char *verb, const struct asked *a)
{
    const char *env = getenv("WEFT_DIR");
    const char *dir = cli->dir ? cli->dir : env && env[0] ? env : "/etc/weft";
    const struct {
        const char *name, *value;
    } options[] = {
        { "--dir", dir },
        { "--product", a->product },
        { "--from", a->from },
        { "--to", a->to },
        { "--origin", a->origin },
        { "--limit", a->limit },
    };
    const char *argv[ARGS_MAX] = { "weftd", "--log", verb };
    size_t n = 3;

    for (size_t i = 0; i < WF_COUNT(options); i++)
        if (options[i].value) {
            argv[n++] = options[i].name;
            argv[n++] = options[i].value;
        }
    if (a->records)
        argv[n++] = "--records";
    return run(cli, verb, (char *const *)argv);
}

int wf_cmd_log_show(struct wf_cli *cli, int argc, char **argv)
{
    struct asked a = { .limit = "1000" };
    const struct wf_opt opts[] = { { .name = "from", .value = &a.from },
        { .name = "to", .value = &a.to }, { .name = "origin", .value = &a.origin },
        { .name = "limit", .value = &a.limit }, { .name = "records", .flag = &a.records } };
    char *product = NULL;
    uint64_t limit = 0;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    a.product = product;
    if (status < 0 && wf_u64_parse(wf_bytes_str(a.limit), &limit))
        status = wf_cli_fail(WEFT_E_USAGE, "--limit %s: a number of lines, 0 for all", a.limit);
    return status >= 0 ? status : ask(cli, "show", &a);
}

static int without_options(struct wf_cli *cli, int argc, char **argv, const char *verb)
{
    struct asked a = { 0 };
    char *product = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 1, &product, &count);

    a.product = count ? product : NULL;
    return status >= 0 ? status : ask(cli, verb, &a);
}

int wf_cmd_log_verify(struct wf_cli *cli, int argc, char **argv)
{
    return without_options(cli, argc, argv, "verify");
}

int wf_cmd_log_stats(struct wf_cli *cli, int argc, char **argv)
{
    return without_options(cli, argc, argv, "stats");
}
