// SPDX-License-Identifier: Apache-2.0
// weft product new|check|build|apply|remove: a domain team's path from an idea to a product. Only build runs protoc; nothing else of
// weft, and no weftd, ever does.
#include <stdlib.h>

#include "proto/schema/record.h"
#include "proto/schema/schema.h"
#include "sdk/cli/local.h"
#include "sdk/cli/monitor.h"
#include "sdk/cli/problem.h"
#include "sdk/cli/product.h"
#include "sdk/cli/protoc.h"
#include "sdk/conf/manifest.h"
#include "sdk/disk.h"

// ---- manifest and schema ---------------------------------------------------------------------------------------------

static int tell(enum weft_err err, struct wf_diags *diags)
{
    struct wf_buf text = { 0 };

    if (err && !wf_diags_print(diags, &text)) {
        fwrite(text.ptr, 1, text.len, stderr);
        while (text.len && text.ptr[text.len - 1] == '\n')
            text.len--;
        if (!wf_buf_append_byte(&text, 0))
            wf_cli_note(WEFT_E_MANIFEST, (const char *)text.ptr);
    }
    wf_buf_fini(&text);
    wf_diags_fini(diags);
    return err ? weft_err_exit(WEFT_E_MANIFEST) : 0;
}

static int load_manifest(const char *path, struct wf_manifest **ret)
{
    struct wf_diags diags;

    wf_diags_init(&diags, path);
    return tell(wf_manifest_load(path, WF_FILE_ANY, &diags, ret), &diags);
}

// The rules of alerts that come with it; none: empty. What they mean is a monitor's to say.
static int load_rules(const struct wf_manifest *m, const char *path, struct wf_buf *ret)
{
    struct wf_diags diags;

    if (!m->rules)
        return 0;
    wf_diags_init(&diags, m->rules);
    int status = tell(wf_manifest_rules(m, &diags, ret), &diags);
    return status ? status : wf_monitor_check(path);
}

static int fits(const struct wf_manifest *m, const struct wf_schema *s, const char *path)
{
    const struct wf_product *p = &m->product;

    if (p->kind == WF_PRODUCT_API)
        return wf_schema_find_service(s, wf_bytes_str(p->service))
                   ? 0
                   : wf_cli_fail(
                         WEFT_E_MANIFEST, "%s: the schema has no service %s", path, p->service);
    const struct wf_schema_message *msg = wf_schema_find_message(s, wf_bytes_str(p->message));
    if (!msg)
        return wf_cli_fail(WEFT_E_MANIFEST, "%s: the schema has no message %s", path, p->message);
    for (size_t i = 0; i < p->key_count; i++) {
        struct wf_record_path key;
        struct wf_diag diag = { 0 };
        if (wf_record_path_compile(msg, wf_bytes_str(p->keys[i]), &key, &diag))
            return wf_cli_fail(WEFT_E_MANIFEST, "%s: key %s: %s", path, p->keys[i], diag.text);
    }
    return 0;
}

static bool is_value(const struct wf_schema_field *f)
{
    if (f->role == WF_ROLE_HISTOGRAM)
        return true;
    if ((f->role != WF_ROLE_GAUGE && f->role != WF_ROLE_COUNTER) || f->repeated)
        return false;
    return f->type == WF_TYPE_MESSAGE ? f->message->known == WF_KNOWN_TIMESTAMP
                                      : f->type != WF_TYPE_STRING && f->type != WF_TYPE_BYTES;
}

// A metric of which no field says that it is a value is stored and queried as any other, and yet nobody's graph can have it.
static void advise(const struct wf_manifest *m, const struct wf_schema *s, const char *path)
{
    const struct wf_schema_message *msg =
        m->product.kind == WF_PRODUCT_METRIC
            ? wf_schema_find_message(s, wf_bytes_str(m->product.message))
            : NULL;
    bool has_value = !msg;

    for (uint32_t i = 0; msg && i < msg->field_count; i++)
        has_value = has_value || is_value(&msg->fields[i]);
    if (!has_value)
        fprintf(stderr,
            "weft: warning: %s: no field of %s has the role of a value, so remote write sends "
            "nothing of this metric\n"
            "weft: give its numbers one: double value = 2 [(weft.v1.role) = ROLE_GAUGE]; or "
            "ROLE_COUNTER, and what they are of ROLE_LABEL\n",
            path, m->product.message);
}

static int load_schema(const struct wf_manifest *m, const char *path, struct wf_buf *ret_set)
{
    struct wf_diag diag = { 0 };
    struct wf_buf set = { 0 };
    struct wf_schema *s = NULL;
    enum weft_err err =
        wf_file_read_unnamed(m->descriptor, WF_MAX_DOCUMENT, WF_FILE_ANY, &set, &diag);

    if (err == WEFT_E_NOT_FOUND)
        return wf_cli_fail(WEFT_E_MANIFEST,
            "%s: no descriptor set at %s; make it with: weft product build %s", path, m->descriptor,
            path);
    if (!err)
        err = wf_schema_compile(wf_buf_view(&set), &s, &diag);
    int status = err ? wf_cli_fail(WEFT_E_MANIFEST, "%s: the schema does not compile: %s",
                           m->descriptor, diag.text[0] ? diag.text : weft_err_text(err))
                     : fits(m, s, path);
    if (!status)
        advise(m, s, path);
    wf_schema_free(s);
    if (status)
        wf_buf_fini(&set);
    else
        *ret_set = set;
    return status;
}

// ---- new -------------------------------------------------------------------------------------------------------------

static enum weft_err write_new(const char *dir, const char *name, const char *suffix,
    const struct wf_buf *text, struct wf_diag *diag)
{
    char file[WF_MAX_NAME + 16], *path = NULL;

    snprintf(file, sizeof file, "%s%s", name, suffix);
    enum weft_err err = wf_disk_join(dir, file, &path);
    if (!err)
        err = wf_disk_create(path, wf_buf_view(text), diag);
    free(path);
    return err;
}

static const char new_api[] =
    "message GetRequest {\n  string id = 1;\n}\nmessage GetReply {\n  string text = "
    "1;\n}\n\nservice Api {\n  rpc Get(GetRequest) returns (GetReply);\n}\n";
static const char new_record[] = "message Record {\n  string id = 1;\n  double value = 2;\n}\n";
// Roles say what is measured, which numbers are it and when it was: without them nobody can graph it, and remote write has nothing to send.
static const char new_metric[] =
    "import \"google/protobuf/timestamp.proto\";\nimport \"weft/v1/options.proto\";\n\n"
    "message Record {\n"
    "  string id = 1 [(weft.v1.role) = ROLE_LABEL, (weft.v1.description) = \"What is "
    "measured.\"];\n"
    "  // A number that only grows is a ROLE_COUNTER. The unit is a UCUM code: s, By, Cel; 1 is "
    "none.\n"
    "  double value = 2 [(weft.v1.role) = ROLE_GAUGE, (weft.v1.unit) = \"1\"];\n"
    "  // Left out, it is the time of publishing.\n"
    "  google.protobuf.Timestamp at = 3 [(weft.v1.role) = ROLE_TIMESTAMP];\n"
    "}\n";

static enum weft_err render(
    const char *name, const char *kind, struct wf_buf *yaml, struct wf_buf *proto)
{
    char package[WF_MAX_NAME + 1];
    bool api = strcmp(kind, "api") == 0, inventory = strcmp(kind, "inventory") == 0;

    snprintf(package, sizeof package, "%s", name);
    for (char *p = package; *p; p++)
        if (*p == '-')
            *p = '_';
    enum weft_err err = wf_buf_printf(yaml,
        "name: %s\nkind: %s\nversion: 1.0.0\ntitle: One line for the catalog\ndescription: What it "
        "says, where it comes from, how to read it.\n"
        "owner: {name: The team, contact: team@example.org}\nschema: {proto: %s.proto, %s: "
        "%s.v1.%s}\n%sclassification: internal\n%s"
        "access:\n  - allow: {domain: monitoring}\n    verbs: [%s]\n    for: 24h\n",
        name, kind, name, api ? "service" : "message", package, api ? "Api" : "Record",
        inventory ? "key: [id]\n" : "", api ? "" : "freshness: 1m\n",
        api         ? "\"call:*\""
        : inventory ? "subscribe, query"
                    : "subscribe");
    if (err)
        return err;
    return wf_buf_printf(proto, "syntax = \"proto3\";\npackage %s.v1;\n\n%s", package,
        api                           ? new_api
        : strcmp(kind, "metric") == 0 ? new_metric
                                      : new_record);
}

static int say_new(const char *dir, const char *name)
{
    char yaml[4200], proto[4200];

    snprintf(yaml, sizeof yaml, "%s/%s.yaml", dir, name);
    snprintf(proto, sizeof proto, "%s/%s.proto", dir, name);
    const struct wf_fact facts[] = { { "product", name, false }, { "manifest", yaml, false },
        { "proto", proto, false } };
    return wf_cli_object("weft.product-new/v1", facts, WF_COUNT(facts));
}

int wf_cmd_product_new(struct wf_cli *cli, int argc, char **argv)
{
    const char *kind = "metric", *dir = ".";
    const struct wf_opt opts[] = { { "kind", 0, .value = &kind }, { "in", 0, .value = &dir } };
    struct wf_buf yaml = { 0 }, proto = { 0 };
    struct wf_diag diag = { 0 };
    enum wf_product_kind k;
    char *name = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &name, &count);

    if (status >= 0)
        return status;
    if (!wf_name_is_valid(wf_bytes_str(name)))
        return wf_cli_fail(WEFT_E_NAME, "\"%s\": %s", name, weft_err_doc(WEFT_E_NAME));
    if (wf_product_kind_parse(wf_bytes_str(kind), &k))
        return wf_cli_fail(WEFT_E_USAGE, "--kind %s: metric, event, inventory or api", kind);
    enum weft_err err = render(name, kind, &yaml, &proto);
    if (!err)
        err = write_new(dir, name, ".yaml", &yaml, &diag);
    if (!err)
        err = write_new(dir, name, ".proto", &proto, &diag);
    if (err)
        status = wf_cli_diag(err, &diag, name);
    else if (wf_cli_for_programs(cli))
        status = say_new(dir, name);
    else
        printf("%s/%s.yaml and %s/%s.proto: edit them, then\n  weft product build %s/%s.yaml\n  "
               "weft product apply %s/%s.yaml\n",
            dir, name, dir, name, dir, name, dir, name);
    wf_buf_fini(&yaml);
    wf_buf_fini(&proto);
    return err || status > 0 ? status : 0;
}

// ---- build -----------------------------------------------------------------------------------------------------------

static int say_built(const struct wf_cli *cli, const struct wf_manifest *m, size_t len)
{
    char bytes[24];

    snprintf(bytes, sizeof bytes, "%zu", len);
    const struct wf_fact facts[] = { { "product", m->product.name, false },
        { "descriptor", m->descriptor, false }, { "bytes", bytes, true } };
    if (wf_cli_for_programs(cli))
        return wf_cli_object("weft.product-build/v1", facts, WF_COUNT(facts));
    printf("%s: %zu bytes\n", m->descriptor, len);
    return 0;
}

int wf_cmd_product_build(struct wf_cli *cli, int argc, char **argv)
{
    struct wf_manifest *m = NULL;
    struct wf_buf set = { 0 };
    char *file = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &file, &count);

    if (status >= 0)
        return status;
    status = load_manifest(file, &m);
    if (!status && !m->proto)
        status = wf_cli_fail(WEFT_E_MANIFEST, "%s: schema names no proto: to build it from", file);
    if (!status)
        status = wf_protoc(m->proto, m->descriptor);
    if (!status)
        status = load_schema(m, file, &set);
    if (!status)
        status = say_built(cli, m, set.len);
    wf_buf_fini(&set);
    wf_manifest_free(m);
    return status;
}

// ---- check, apply, remove ------------------------------------------------------------------------------------------

// A row a file, also of one that is wrong; what is wrong with it stands on standard error.
static void say_checked(const struct wf_cli *cli, struct wf_table *t, const char *file,
    const struct wf_manifest *m, int status)
{
    const struct wf_product *p = m ? &m->product : NULL;

    if (t) {
        wf_table_text(t, file);
        wf_table_text(t, p ? p->name : NULL);
        wf_table_text(t, p ? wf_product_kind_name(p->kind) : NULL);
        wf_table_text(t, p ? p->version : NULL);
        wf_table_bool(t, status == 0);
    } else if (!status && !wf_cli_for_programs(cli)) {
        printf("%s: %s %s %s is fine\n", file, wf_product_kind_name(p->kind), p->name, p->version);
    }
}

int wf_cmd_product_check(struct wf_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "file", "product", "kind", "version", "fine" };
    char *files[64];
    struct wf_table *t = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 64, files, &count), worst = 0;

    if (status >= 0)
        return status;
    if (wf_cli_for_programs(cli) &&
        wf_table_new(cli, "weft.product-check/v1", columns, WF_COUNT(columns), &t))
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    for (int i = 0; i < count; i++) {
        struct wf_manifest *m = NULL;
        struct wf_buf set = { 0 }, rules = { 0 };
        status = load_manifest(files[i], &m);
        if (!status)
            status = load_schema(m, files[i], &set);
        if (!status)
            status = load_rules(m, files[i], &rules);
        say_checked(cli, t, files[i], m, status);
        worst = status ? status : worst;
        wf_buf_fini(&set);
        wf_buf_fini(&rules);
        wf_manifest_free(m);
    }
    enum weft_err err = t ? wf_table_done(t) : WEFT_OK;
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : worst;
}

static enum weft_err access_message(
    const struct wf_product *p, struct wf_arena *a, Weft__V1__ProductDescriptor *d)
{
    d->access = wf_arena_calloc(a, p->rule_count, sizeof *d->access);
    if (!d->access)
        return wf_arena_err(a);
    for (; d->n_access < p->rule_count; d->n_access++) {
        const struct wf_access_rule *from = &p->rules[d->n_access];
        Weft__V1__AccessRule *r = wf_arena_alloc(a, sizeof *r);
        if (!r)
            return wf_arena_err(a);
        weft__v1__access_rule__init(r);
        r->domain = wf_pb_str(from->domain);
        r->subject = wf_pb_str(from->subject);
        r->verbs = (char **)(uintptr_t)from->verbs;
        r->n_verbs = from->verb_count;
        r->columns = (char **)(uintptr_t)from->columns;
        r->n_columns = from->column_count;
        r->duration_ms = from->duration_ms;
        d->access[d->n_access] = r;
    }
    return WEFT_OK;
}

static void descriptor_message(
    const struct wf_product *p, Weft__V1__Owner *owner, Weft__V1__ProductDescriptor *d)
{
    d->name = wf_pb_str(p->name);
    d->kind = (Weft__V1__ProductKind)p->kind;
    d->version = wf_pb_str(p->version);
    d->title = wf_pb_str(p->title);
    d->description = wf_pb_str(p->description);
    owner->name = wf_pb_str(p->owner_name);
    owner->contact = wf_pb_str(p->owner_contact);
    d->owner = owner;
    d->message = wf_pb_str(p->message);
    d->service = wf_pb_str(p->service);
    d->key_fields = (char **)(uintptr_t)p->keys;
    d->n_key_fields = p->key_count;
    d->classification = (Weft__V1__Classification)p->classification;
    d->regions = (char **)(uintptr_t)p->regions;
    d->n_regions = p->region_count;
    d->tags = (char **)(uintptr_t)p->tags;
    d->n_tags = p->tag_count;
    d->freshness_ms = p->freshness_ms;
    d->retention_ms = p->retention_ms;
    d->retention_bytes = p->retention_bytes;
    d->durability = (Weft__V1__Durability)p->durability;
    d->packing = (Weft__V1__BatchPacking)p->packing;
    d->linger_us = p->linger_us;
    d->batch_bytes = p->batch_bytes;
    d->rows_shared = p->rows_shared;
    d->drops = p->drops;
}

// Rows of what changed, one a change; a product that stays as it is has one without.
static void say_changes(
    const struct wf_cli *cli, struct wf_table *t, const char *what, const Weft__V1__ApplyReply *r)
{
    if (t && r->n_changes == 0) {
        wf_table_text(t, what);
        wf_table_text(t, NULL);
    }
    for (size_t i = 0; t && i < r->n_changes; i++) {
        wf_table_text(t, what);
        wf_table_text(t, r->changes[i]);
    }
    if (wf_cli_for_programs(cli))
        return;
    if (r->n_changes == 0)
        printf("%s: no change\n", what);
    for (size_t i = 0; i < r->n_changes; i++)
        printf("%s: %s\n", what, r->changes[i]);
}

static int new_changes(const struct wf_cli *cli, struct wf_table **ret)
{
    static const char *const columns[] = { "product", "change" };

    return wf_cli_for_programs(cli) &&
                   wf_table_new(cli, "weft.product-apply/v1", columns, WF_COUNT(columns), ret)
               ? wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM))
               : 0;
}

static int end_changes(struct wf_table *t, int status)
{
    enum weft_err err = t ? wf_table_done(t) : WEFT_OK;

    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : status;
}

static int send_apply(
    const struct wf_cli *cli, Weft__V1__ApplyRequest *apply, const char *what, struct wf_table *t)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;

    q.kind_case = WEFT__V1__REQUEST__KIND_APPLY;
    q.apply = apply;
    int status = wf_local_ask(cli, NULL, &q, 0, &arena, &reply);
    if (status)
        return status;
    if (reply->kind_case == WEFT__V1__REPLY__KIND_APPLY)
        say_changes(cli, t, what, reply->apply);
    wf_arena_fini(&arena);
    return 0;
}

static int apply_one(const struct wf_cli *cli, const char *file, bool dry_run, struct wf_table *t)
{
    Weft__V1__ApplyRequest apply = WEFT__V1__APPLY_REQUEST__INIT;
    Weft__V1__Manifest manifest = WEFT__V1__MANIFEST__INIT;
    Weft__V1__ProductDescriptor d = WEFT__V1__PRODUCT_DESCRIPTOR__INIT;
    Weft__V1__Owner owner = WEFT__V1__OWNER__INIT;
    struct wf_manifest *m = NULL;
    struct wf_buf set = { 0 }, rules = { 0 };
    struct wf_arena arena;
    int status = load_manifest(file, &m);

    wf_arena_init(&arena, 65536);
    if (!status)
        status = load_schema(m, file, &set);
    if (!status)
        status = load_rules(m, file, &rules);
    if (!status && access_message(&m->product, &arena, &d))
        status = wf_cli_fail(WEFT_E_NOMEM, "out of memory");
    if (!status) {
        descriptor_message(&m->product, &owner, &d);
        manifest.product = &d;
        manifest.run = (char **)(uintptr_t)m->run.items;
        manifest.n_run = m->run.count;
        manifest.serve = (char **)(uintptr_t)m->serve.items;
        manifest.n_serve = m->serve.count;
        manifest.hosts = (char **)(uintptr_t)m->hosts.items;
        manifest.n_hosts = m->hosts.count;
        manifest.every_ms = (int64_t)m->every_ms;
        manifest.rules = wf_pb_bin(wf_buf_view(&rules));
        apply.manifest = &manifest;
        apply.schema = wf_pb_bin(wf_buf_view(&set));
        apply.dry_run = dry_run;
        status = send_apply(cli, &apply, m->product.name, t);
    }
    wf_arena_fini(&arena);
    wf_buf_fini(&set);
    wf_buf_fini(&rules);
    wf_manifest_free(m);
    return status;
}

int wf_cmd_product_apply(struct wf_cli *cli, int argc, char **argv)
{
    bool dry_run = false;
    const struct wf_opt opts[] = { { "dry-run", 'n', .flag = &dry_run } };
    char *files[64];
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 64, files, &count),
        worst = 0;

    if (status >= 0)
        return status;
    struct wf_table *t = NULL;
    status = new_changes(cli, &t);
    if (status)
        return status;
    for (int i = 0; i < count; i++) {
        status = apply_one(cli, files[i], dry_run, t);
        worst = status ? status : worst;
    }
    return end_changes(t, worst);
}

int wf_cmd_product_remove(struct wf_cli *cli, int argc, char **argv)
{
    Weft__V1__ApplyRequest apply = WEFT__V1__APPLY_REQUEST__INIT;
    Weft__V1__Manifest manifest = WEFT__V1__MANIFEST__INIT;
    Weft__V1__ProductDescriptor d = WEFT__V1__PRODUCT_DESCRIPTOR__INIT;
    char *name = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &name, &count);

    if (status >= 0)
        return status;
    if (!cli->yes)
        return wf_cli_fail(
            WEFT_E_USAGE, "%s will stop for all its readers, who are told so; add --yes", name);
    d.name = name;
    manifest.product = &d;
    manifest.removed = true;
    apply.manifest = &manifest;
    struct wf_table *t = NULL;
    status = new_changes(cli, &t);
    return status ? status : end_changes(t, send_apply(cli, &apply, name, t));
}
