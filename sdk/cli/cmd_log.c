// SPDX-License-Identifier: Apache-2.0
// weft log show, verify, stats: a node's or agent's own stores, read from their files by `weftd --log`, so that it works when nothing
// runs. Here its lines become a table or JSON; what they mean is weftd's.
#include <stdlib.h>
#include <unistd.h>

#include "sdk/cli/weftd.h"
#include "sdk/json.h"

#define ARGS_MAX    16
#define COLUMNS_MAX 12

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

static void print_line(struct printer *p, const struct wf_json *line)
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
        return;
    }
    if (!p->table || p->view != &views[i])
        begin_table(p, &views[i]);
    for (size_t k = 0; k < views[i].count && !p->err; k++)
        cell(p->table, wf_json_get(line, views[i].columns[k].key));
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
        print_line(p, line);
    wf_json_free(line);
    p->lines++;
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
    const char *product, *from, *to, *limit;
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
        { "--limit", a->limit },
    };
    const char *argv[ARGS_MAX] = { "weftd", "--log", verb };
    size_t n = 3;

    for (size_t i = 0; i < WF_COUNT(options); i++)
        if (options[i].value) {
            argv[n++] = options[i].name;
            argv[n++] = options[i].value;
        }
    return run(cli, verb, (char *const *)argv);
}

int wf_cmd_log_show(struct wf_cli *cli, int argc, char **argv)
{
    struct asked a = { .limit = "1000" };
    const struct wf_opt opts[] = { { .name = "from", .value = &a.from },
        { .name = "to", .value = &a.to }, { .name = "limit", .value = &a.limit } };
    char *product = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    a.product = product;
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
