// SPDX-License-Identifier: Apache-2.0
// weft describe: a product as its owner promises it, and its schema: as columns, as .proto text, as files.
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/json_out.h"
#include "proto/schema/schema_proto.h"
#include "proto/trust/product.h"
#include "sdk/cli/client.h"
#include "sdk/cli/product.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

// ---- for people ------------------------------------------------------------------------------------------------------

static void print_info(const struct weft_product_info *i)
{
    char heard[48], age[48], freshness[48], retention[48];

    wf_cli_heard(i->heard_ms, heard);
    wf_cli_ago(i->age_ms, age);
    printf("%s/%s %s  (%s, %s)\n", i->domain, i->name, i->version,
        wf_product_kind_name((enum wf_product_kind)i->kind), i->classification);
    wf_cli_put(stdout, i->title, "");
    putchar('\n');
    wf_cli_put(stdout, i->description, "\n");
    printf("\n\nowner      ");
    wf_cli_put(stdout, i->owner, "");
    printf(" <");
    wf_cli_put(stdout, i->contact, "");
    printf(">\nhome       %s/%s%s\nsigned     %s ago; heard %s\n", i->domain, i->node,
        i->gone ? "  DOES NOT ANSWER" : "", age, heard);
    if (i->freshness_ms > 0) {
        wf_cli_ago(i->freshness_ms, freshness);
        printf("freshness  something new every %s\n", freshness);
    }
    if (i->retention_ms > 0) {
        wf_cli_ago(i->retention_ms, retention);
        printf("retention  %s\n", retention);
    }
    printf("schema     %s\n%s    %s\n", i->schema, i->service[0] ? "service" : "message",
        i->service[0] ? i->service : i->message);
    for (size_t k = 0; k < i->key_count; k++)
        printf("%s%s", k ? ", " : "key        ", i->keys[k]);
    if (i->key_count)
        putchar('\n');
    if (i->rules)
        printf("rules      %s  (weft describe %s/%s --rules)\n", i->rules, i->domain, i->name);
    putchar('\n');
}

// ---- for programs: its fields as rows, behind them the promise ----------------------------------------------------------

static void put_list(struct wf_json_out *o, const char *key, const char *const *items, size_t count)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_array(o);
    for (size_t i = 0; i < count; i++)
        wf_json_out_string(o, wf_bytes_str(items[i]));
    wf_json_out_end(o);
}

static void put_time(struct wf_json_out *o, const char *key, int64_t age_ms)
{
    char time[WF_CLI_TIME];

    if (age_ms < 0)
        return;
    wf_cli_time(wf_cli_now_ms() - age_ms, time);
    wf_json_out_member(o, key, wf_bytes_str(time));
}

static void put_text(struct wf_json_out *o, const char *key, const char *text)
{
    if (text && text[0])
        wf_json_out_member(o, key, wf_bytes_str(text));
}

static void put_info(struct wf_json_out *o, const struct weft_product_info *i)
{
    char name[2 * WF_MAX_NAME + 2];

    snprintf(name, sizeof name, "%s/%s", i->domain, i->name);
    wf_json_out_member(o, "product", wf_bytes_str(name));
    put_text(o, "id", i->id);
    wf_json_out_member(
        o, "kind", wf_bytes_str(wf_product_kind_name((enum wf_product_kind)i->kind)));
    wf_json_out_member(o, "version", wf_bytes_str(i->version));
    put_text(o, "class", i->classification);
    put_text(o, "title", i->title);
    put_text(o, "description", i->description);
    put_text(o, "owner", i->owner);
    put_text(o, "contact", i->contact);
    put_text(o, "node", i->node);
    wf_json_out_member(o, "state", wf_bytes_str(i->gone ? "owner silent" : "up"));
    put_time(o, "signed", i->age_ms);
    put_time(o, "heard", i->heard_ms);
    if (i->freshness_ms > 0)
        wf_json_out_member_int(o, "freshness_ms", i->freshness_ms);
    if (i->retention_ms > 0)
        wf_json_out_member_int(o, "retention_ms", i->retention_ms);
    put_text(o, "schema_hash", i->schema);
    put_text(o, "message", i->message);
    put_text(o, "service", i->service);
    put_text(o, "rules", i->rules);
    put_list(o, "keys", i->keys, i->key_count);
    put_list(o, "tags", i->tags, i->tag_count);
    put_list(o, "regions", i->regions, i->region_count);
}

// As an object of its own (jsonl: a line before those of the fields), or as what comes behind the rows: without its braces.
static enum weft_err info_json(const struct weft_product *p, const char *schema, struct wf_buf *out)
{
    struct wf_json_out o;
    char *proto = NULL;
    enum weft_err err =
        weft_product_field_count(p) ? WEFT_OK : weft_product_proto(p, &proto); // an api

    wf_json_out_init(&o, out, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    if (schema)
        wf_json_out_member(&o, "schema", wf_bytes_str(schema));
    put_info(&o, weft_product_info(p));
    put_text(&o, "proto", proto);
    wf_json_out_end(&o);
    if (!err)
        err = wf_json_out_done(&o);
    free(proto);
    return err;
}

static enum weft_err promise(
    const struct wf_cli *cli, const struct weft_product *p, struct wf_table *t)
{
    struct wf_buf text = { 0 };
    enum weft_err err = WEFT_OK;

    if (cli->format == WF_OUT_JSON) {
        err = info_json(p, NULL, &text);
        if (!err)
            wf_table_members(t, wf_bytes(text.ptr + 1, text.len - 2));
    } else if (cli->format == WF_OUT_JSONL) {
        err = info_json(p, "weft.describe/v1", &text);
        if (!err)
            printf("%.*s\n", (int)text.len, (const char *)text.ptr);
    }
    wf_buf_fini(&text);
    return err;
}

static enum weft_err field_rows(const struct wf_cli *cli, const struct weft_product *p)
{
    static const char *const columns[] = { "field", "type", "unit", "role", "privacy",
        "description" };
    static const char *const types[] = { "", "bool", "int", "uint", "double", "text", "bytes",
        "enum", "time", "json" };
    static const char *const roles[] = { NULL, "label", "gauge", "counter", "histogram",
        "timestamp", "text" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.fields/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < weft_product_field_count(p) && !err; i++) {
        const struct weft_field *f = weft_product_field(p, i);
        wf_table_text(t, f->name);
        wf_table_text(t, f->type < WF_COUNT(types) ? types[f->type] : "?");
        wf_table_text(t, f->unit && f->unit[0] ? f->unit : NULL);
        wf_table_text(t, f->role < WF_COUNT(roles) ? roles[f->role] : NULL);
        wf_table_text(t, f->privacy && f->privacy[0] ? f->privacy : NULL);
        wf_table_text(t, f->description && f->description[0] ? f->description : NULL);
    }
    if (t && !err)
        err = promise(cli, p, t);
    if (t) {
        enum weft_err printed = wf_table_done(t);
        err = err ? err : printed;
    }
    return err;
}

// ---- .proto files ----------------------------------------------------------------------------------------------------

enum found { ABSENT, SAME, OTHER };

struct proto_file {
    const char *name; // as imports spell it; the schema's
    char *path;
    struct wf_buf text;
    enum found found;
};

struct proto_files {
    struct wf_schema_proto *schema;
    struct proto_file *v;
    size_t count;
};

static void files_free(struct proto_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->v[i].path);
        wf_buf_fini(&f->v[i].text);
    }
    free(f->v);
    wf_schema_proto_close(f->schema);
}

// Compiling has refused absolute names and "..". A stranger's schema may fill a folder with .proto files and with nothing else: no
// hidden file or folder, nothing that some other program looks for.
static bool may_be_written(const char *name)
{
    size_t len = strlen(name), suffix = strlen(".proto");

    return len > suffix && strcmp(name + len - suffix, ".proto") == 0 && name[0] != '.' &&
           !strstr(name, "/.");
}

// protoc brings google/protobuf itself; all else is written, weft's options too, so that the folder is enough.
static bool comes_with_protoc(const char *name)
{
    return strncmp(name, "google/protobuf/", strlen("google/protobuf/")) == 0;
}

static enum weft_err look(struct proto_file *f, struct wf_diag *diag)
{
    struct wf_buf there = { 0 };
    enum weft_err err = wf_file_read(f->path, WF_MAX_SCHEMA_TEXT, WF_FILE_ANY, &there, diag);

    if (err == WEFT_E_NOT_FOUND || err == WEFT_E_TOO_BIG) {
        f->found = err == WEFT_E_TOO_BIG ? OTHER : ABSENT;
        return WEFT_OK;
    }
    if (!err)
        f->found = wf_bytes_eq(wf_buf_view(&there), wf_buf_view(&f->text)) ? SAME : OTHER;
    wf_buf_fini(&there);
    return err;
}

static enum weft_err add_file(
    struct proto_files *f, size_t i, const char *dir, struct wf_diag *diag)
{
    const char *name = wf_schema_proto_name(f->schema, i);
    struct proto_file *p = &f->v[f->count];

    if (!may_be_written(name)) {
        wf_diag_set(diag, 0, 0,
            "the schema has a file \"%s\"; only names that end in .proto, with no part that begins "
            "with a dot, are written",
            name);
        return WEFT_E_NAME;
    }
    f->count++;
    p->name = name;
    enum weft_err err = wf_schema_proto_print(f->schema, i, &p->text);
    if (!err)
        err = wf_disk_join(dir, name, &p->path);
    return err ? err : look(p, diag);
}

static enum weft_err gather(
    struct proto_files *f, struct wf_bytes set, const char *dir, struct wf_diag *diag)
{
    enum weft_err err = wf_schema_proto_open(set, &f->schema, diag);

    if (err)
        return err;
    size_t count = wf_schema_proto_count(f->schema);
    f->v = calloc(count ? count : 1, sizeof *f->v);
    if (!f->v)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < count && !err; i++)
        if (!comes_with_protoc(wf_schema_proto_name(f->schema, i)))
            err = add_file(f, i, dir, diag);
    return err;
}

static enum weft_err write_file(const struct proto_file *f, struct wf_diag *diag)
{
    char *slash = strrchr(f->path, '/');

    if (f->found == SAME)
        return WEFT_OK;
    *slash = '\0';
    enum weft_err err = wf_disk_mkdir(f->path[0] ? f->path : "/", diag);
    *slash = '/';
    if (err)
        return err;
    return f->found == OTHER ? wf_disk_replace(f->path, wf_buf_view(&f->text), diag)
                             : wf_disk_create(f->path, wf_buf_view(&f->text), diag);
}

static enum weft_err tell_files(const struct wf_cli *cli, const struct proto_files *f)
{
    static const char *const columns[] = { "file", "result" };
    static const char *const results[] = { "written", "unchanged", "replaced" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.proto-files/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < f->count && !err; i++) {
        wf_table_text(t, f->v[i].path);
        wf_table_text(t, results[f->v[i].found]);
    }
    return err ? err : wf_table_done(t);
}

// Everything is looked at before anything is written: a file that is there with other content stops all, or --yes replaces it.
static int write_files(const struct wf_cli *cli, struct wf_bytes set, const char *dir)
{
    struct proto_files f = { 0 };
    struct wf_diag diag = { 0 };
    size_t others = 0;
    int status = 0;
    enum weft_err err = gather(&f, set, dir, &diag);

    for (size_t i = 0; i < f.count && !err && !cli->yes; i++)
        if (f.v[i].found == OTHER && ++others)
            fprintf(stderr, "weft: %s is there and has other content\n", f.v[i].path);
    for (size_t i = 0; i < f.count && !err && !others; i++)
        err = write_file(&f.v[i], &diag);
    if (!err && !others)
        err = tell_files(cli, &f);
    if (err)
        status = wf_cli_diag(err, &diag, dir);
    else if (others)
        status = wf_cli_fail(WEFT_E_EXISTS, "nothing was written; --yes replaces what is there");
    files_free(&f);
    return status;
}

// ---- .proto text -----------------------------------------------------------------------------------------------------

// Only text that protoc takes: several files are no text.
static int print_text(const struct weft_product *product, struct wf_bytes set, const char *name)
{
    struct wf_schema_proto *p = NULL;
    struct wf_diag diag = { 0 };
    char *text = NULL;
    size_t own = 0;
    enum weft_err err = wf_schema_proto_open(set, &p, &diag);

    if (err)
        return wf_cli_diag(err, &diag, name);
    for (size_t i = 0; i < wf_schema_proto_count(p); i++)
        own += !wf_schema_proto_is_standard(p, i);
    wf_schema_proto_close(p);
    if (own > 1)
        return wf_cli_fail(WEFT_E_USAGE,
            "the schema of %s is %zu files, which one text can't hold; write them: weft describe "
            "%s --proto-dir DIR",
            name, own, name);
    err = weft_product_proto(product, &text);
    if (err)
        return wf_cli_fail(err, "%s: %s", name, weft_err_text(err));
    fputs(text, stdout);
    free(text);
    return 0;
}

// An api has methods instead of columns: its text says it best, of however many files.
static int print_all(const struct wf_cli *cli, const struct weft_product *product, const char *name)
{
    bool columns = weft_product_field_count(product) != 0;
    char *text = NULL;
    enum weft_err err = WEFT_OK;

    if (cli->format == WF_OUT_TABLE)
        print_info(weft_product_info(product));
    err = columns || cli->format != WF_OUT_TABLE ? field_rows(cli, product)
                                                 : weft_product_proto(product, &text);
    if (text)
        fputs(text, stdout);
    free(text);
    return err ? wf_cli_fail(err, "%s: %s", name, weft_err_text(err)) : 0;
}

// Another domain's text: what a terminal would obey is shown as a question mark.
static int print_rules(struct weft_client *c, const char *name)
{
    struct weft_problem p = { 0 };
    char *text = NULL;

    if (weft_product_rules(c, name, &text, &p))
        return wf_cli_problem(&p);
    wf_text_clean(text, "\n\t");
    fputs(text, stdout);
    free(text);
    return 0;
}

int wf_cmd_describe(struct wf_cli *cli, int argc, char **argv)
{
    bool proto = false, rules = false;
    const char *proto_dir = NULL;
    const struct wf_opt opts[] = { { "proto", 0, .flag = &proto }, { "rules", 0, .flag = &rules },
        { "proto-dir", 0, .value = &proto_dir } };
    struct weft_client *c = NULL;
    struct weft_product *product = NULL;
    struct weft_problem p = { 0 };
    const void *set = NULL;
    size_t len = 0;
    char *name = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &name, &count);

    if (status >= 0)
        return status;
    if ((int)proto + (int)rules + (proto_dir != NULL) > 1)
        return wf_cli_fail(
            WEFT_E_USAGE, "--proto and --rules print, --proto-dir writes: give one of them");
    status = wf_cli_connect(cli, &c);
    if (!status && rules)
        status = print_rules(c, name);
    else if (!status && weft_describe(c, name, &product, &p))
        status = wf_cli_problem(&p);
    if (!status && product) {
        weft_product_descriptor(product, &set, &len);
        status = proto_dir ? write_files(cli, wf_bytes(set, len), proto_dir)
                 : proto   ? print_text(product, wf_bytes(set, len), name)
                           : print_all(cli, product, name);
    }
    weft_product_free(product);
    weft_close(c);
    return status;
}
