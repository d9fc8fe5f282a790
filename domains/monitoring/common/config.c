// SPDX-License-Identifier: Apache-2.0
// See config.h.
#include "domains/monitoring/common/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/conf.h>

#include "domains/monitoring/batch/store.h"

#define KEEP_TEXT 200u

struct wf_mon_config {
    struct weft_conf *conf;
    char *texts[8]; // paths that were made from relative ones
    size_t text_count;
    char keeps[WF_MON_KEEPS][KEEP_TEXT];
};

struct reader {
    struct wf_mon_config *out;
    struct weft_conf *conf;
    struct wf_mon_options *o;
    const char *path;
    bool layer; // the command reads the mesh
};

__attribute__((format(printf, 3, 4))) static void mistake(
    struct reader *r, const struct weft_conf_node *n, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weft_conf_error(r->conf, n->line, n->column, "%s", text);
}

static const char *value(struct reader *r, const struct weft_conf_node *n, const char *what)
{
    if (n->kind == WEFT_CONF_VALUE && n->text[0])
        return n->text;
    mistake(r, n, "%s takes %s", n->key ? n->key : "it", what);
    return NULL;
}

// Absolute, or relative to the folder of the file. NULL: told.
static const char *path_of(struct reader *r, const struct weft_conf_node *n, const char *text)
{
    const char *slash = strrchr(r->path, '/');
    size_t folder = slash ? (size_t)(slash - r->path) + 1 : 0;
    char *out = NULL;

    if (!text || text[0] == '/' || !folder)
        return text;
    if (r->out->text_count < sizeof r->out->texts / sizeof *r->out->texts &&
        asprintf(&out, "%.*s%s", (int)folder, r->path, text) >= 0)
        r->out->texts[r->out->text_count++] = out;
    else
        mistake(r, n, "out of memory");
    return out;
}

static void copy_path(
    struct reader *r, const struct weft_conf_node *n, const char *text, char out[4096])
{
    const char *path = path_of(r, n, text);

    if (path && !out[0] && (size_t)snprintf(out, 4096, "%s", path) >= 4096) {
        out[0] = '\0';
        mistake(r, n, "the path is too long");
    }
}

// ---- keys --------------------------------------------------------------------------------------------------------------

static void read_dir(struct reader *r, const struct weft_conf_node *n)
{
    const char *dir = path_of(r, n, value(r, n, "an identity directory, as weft join makes it"));

    r->o->dir = r->o->dir ? r->o->dir : dir;
}

static void read_socket(struct reader *r, const struct weft_conf_node *n)
{
    const char *path = path_of(r, n, value(r, n, "the path of a weftd's socket"));

    r->o->socket = r->o->socket ? r->o->socket : path;
}

static void use_server(struct reader *r, const struct weft_conf_node *n, bool open)
{
    struct weft_problem problem = { 0 };

    if (!wf_mon_store_is_pq(n->text))
        mistake(r, n,
            "\"%.100s\" names no PostgreSQL database: postgresql://HOST/NAME, service=NAME "
            "or host=... dbname=...",
            n->text);
    else if (wf_mon_store_check(n->text, &problem))
        mistake(r, n, "%s", problem.text);
    else if (open)
        r->o->database = n->text;
}

static void read_database(struct reader *r, const struct weft_conf_node *n)
{
    static const char *const known[] = { "file", "postgresql", NULL };
    bool open = !r->o->database && !r->o->db[0];
    const struct weft_conf_node *one = n;

    if (n->kind == WEFT_CONF_MAP) {
        weft_conf_known(r->conf, n, known);
        one = n->count == 1 ? n->child : NULL;
    }
    if (!one || one->kind != WEFT_CONF_VALUE || !one->text[0])
        mistake(r, n,
            "database takes a path, a PostgreSQL address, or one of `file: PATH` and "
            "`postgresql: CONNINFO`");
    else if (one != n ? strcmp(one->key, "postgresql") == 0 : wf_mon_store_is_pq(one->text))
        use_server(r, one, open);
    else if (open)
        copy_path(r, one, one->text, r->o->db);
}

static void read_alerts(struct reader *r, const struct weft_conf_node *n)
{
    copy_path(r, n, value(r, n, "the path of the file that alerts are kept in"), r->o->alerts);
}

static void add_product(struct reader *r, const struct weft_conf_node *n, bool open)
{
    const char *pattern = value(r, n, "patterns over domain/name, as 'servers/*'");

    if (pattern && !strchr(pattern, '/') && strcmp(pattern, "*") != 0)
        mistake(r, n, "\"%.100s\" fits no product: a pattern is over domain/name, as '%.60s/*'",
            pattern, pattern);
    else if (pattern && open && r->o->pattern_count == WF_MON_PATTERNS)
        mistake(r, n, "more than %u patterns", WF_MON_PATTERNS);
    else if (pattern && open)
        r->o->patterns[r->o->pattern_count++] = pattern;
}

static void read_products(struct reader *r, const struct weft_conf_node *n)
{
    bool open = r->layer && r->o->pattern_count == 0;

    if (n->kind != WEFT_CONF_LIST) {
        add_product(r, n, open);
        return;
    }
    for (const struct weft_conf_node *c = n->child; c; c = c->next)
        add_product(r, c, open);
}

static void add_keep(
    struct reader *r, const struct weft_conf_node *n, const char *pattern, bool open)
{
    const char *time = value(r, n, "how long rows are kept, as 30d");
    char text[KEEP_TEXT];

    if (!time)
        return;
    int len =
        snprintf(text, sizeof text, "%s%s%s", pattern ? pattern : "", pattern ? "=" : "", time);
    if (len >= (int)sizeof text || !wf_mon_keep_is_good(text))
        mistake(r, n,
            "\"%.80s\" is no time that rows are kept: a number with s, m, h, d or w, a day at "
            "least",
            time);
    else if (open && r->o->keep_count == WF_MON_KEEPS)
        mistake(r, n, "more than %u times to keep", WF_MON_KEEPS);
    else if (open) {
        memcpy(r->out->keeps[r->o->keep_count], text, sizeof text);
        r->o->keeps[r->o->keep_count] = r->out->keeps[r->o->keep_count];
        r->o->keep_count++;
    }
}

static void read_keep(struct reader *r, const struct weft_conf_node *n)
{
    bool open = r->o->keep_count == 0;

    if (n->kind == WEFT_CONF_VALUE)
        add_keep(r, n, NULL, open);
    for (const struct weft_conf_node *c = n->child; c; c = c->next)
        add_keep(r, c, c->key, open);
}

static void read_every(struct reader *r, const struct weft_conf_node *n)
{
    const char *text = value(r, n, "the time between two looks at the catalog, as 10s");
    int64_t ms = 0;

    if (text && (weft_conf_duration(text, &ms) || ms < 100 || ms > 86400000))
        mistake(r, n, "\"%.80s\" is no time from 100ms to 1d", text);
    else if (text && !r->o->discover_ms)
        r->o->discover_ms = (unsigned)ms;
}

// A file of its own, or the rules themselves: then this file is read for them, too.
static void read_rules(struct reader *r, const struct weft_conf_node *n)
{
    const char *path = r->path;

    if (n->kind == WEFT_CONF_VALUE)
        path = path_of(r, n, value(r, n, "rules, or the path of a file of rules"));
    r->o->rules_inside = !r->o->rules && n->kind != WEFT_CONF_VALUE;
    r->o->rules = r->o->rules ? r->o->rules : path;
}

static void read_beside_rules(struct reader *r, const struct weft_conf_node *n)
{
    const struct weft_conf_node *rules = weft_conf_get(weft_conf_root(r->conf), "rules");

    if (!rules || rules->kind == WEFT_CONF_VALUE)
        mistake(r, n,
            "%s belongs to the rules: write it into their file, or the rules into this one",
            n->key);
}

static void read_remote(struct reader *r, const struct weft_conf_node *n)
{
    static const char *const known[] = { "url", "auth", "ca", "state", NULL };
    static const char what[] = "the path of a file";
    const struct weft_conf_node *url = n->kind == WEFT_CONF_MAP ? weft_conf_get(n, "url") : n;
    const struct weft_conf_node *auth = weft_conf_get(n, "auth"), *ca = weft_conf_get(n, "ca"),
                                *state = weft_conf_get(n, "state");
    struct wf_mon_options *o = r->o;

    if (n->kind == WEFT_CONF_MAP)
        weft_conf_known(r->conf, n, known);
    if (!url)
        mistake(r, n, "remote takes `url: URL`, and besides auth, ca and state");
    const char *to =
        url ? value(r, url, "the address of a receiver, as http://host:9090/api/v1/write") : NULL;
    const char *secret = auth ? path_of(r, auth, value(r, auth, what)) : NULL;
    const char *roots = ca ? path_of(r, ca, value(r, ca, what)) : NULL;
    if (state)
        copy_path(r, state, value(r, state, what), o->remote_state);
    // Credentials are those of their receiver: of another one than the file's they are not.
    if (!o->remote && !o->remote_auth)
        o->remote_auth = secret;
    o->remote_ca = o->remote_ca ? o->remote_ca : roots;
    o->remote = o->remote ? o->remote : to;
}

static const struct {
    const char *key;
    void (*read)(struct reader *r, const struct weft_conf_node *n);
} keys[] = {
    { "dir", read_dir },
    { "socket", read_socket },
    { "products", read_products },
    { "database", read_database },
    { "keep", read_keep },
    { "every", read_every },
    { "alerts", read_alerts },
    { "rules", read_rules },
    { "notify", read_beside_rules },
    { "take", read_beside_rules },
    { "publish", read_beside_rules },
    { "remote", read_remote },
};
#define KEYS (sizeof keys / sizeof *keys)

const char *const wf_mon_config_keys[] = { "dir", "socket", "products", "database", "keep", "every",
    "alerts", "rules", "notify", "take", "publish", "remote", NULL };

// ---- the file ----------------------------------------------------------------------------------------------------------

static void read_all(struct reader *r)
{
    const struct weft_conf_node *root = weft_conf_root(r->conf);

    if (root->kind != WEFT_CONF_MAP) {
        mistake(r, root, "a configuration is a mapping, as `database: service=weft`");
        return;
    }
    weft_conf_known(r->conf, root, wf_mon_config_keys);
    for (const struct weft_conf_node *n = root->child; n; n = n->next)
        for (size_t i = 0; i < KEYS; i++)
            if (strcmp(n->key, keys[i].key) == 0)
                keys[i].read(r, n);
}

int wf_mon_config_read(
    const char *path, const char *command, struct wf_mon_options *o, struct wf_mon_config **ret)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_config *c = calloc(1, sizeof *c);

    if (!c)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    enum weft_err err = weft_conf_open(path, WEFT_CONF_OWNED, &c->conf, &problem);
    if (err) {
        wf_mon_config_free(c);
        int status = wf_mon_fail(err, problem.text, problem.hint);
        return err == WEFT_E_NOMEM ? status : weft_err_exit(WEFT_E_CONFIG);
    }
    struct reader r = { .out = c,
        .conf = c->conf,
        .o = o,
        .path = path,
        .layer = wf_mon_takes(command, "--every") && strcmp(command, "top") != 0 };
    read_all(&r);
    *ret = c;
    const char *errors = weft_conf_errors(c->conf);
    fputs(errors, stderr);
    return errors[0] ? weft_err_exit(WEFT_E_CONFIG) : 0;
}

void wf_mon_config_free(struct wf_mon_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->text_count; i++)
        free(c->texts[i]);
    weft_conf_free(c->conf);
    free(c);
}
