// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/trust/capability.h"

#define SECOND          1000u
#define MINUTE          (60u * SECOND)
#define HOUR            (60u * MINUTE)
#define DAY             (24ull * HOUR)
#define YEAR            (366u * DAY)

#define POLICY_GRANT_MS (24u * HOUR)
#define MAX_KEY_FIELDS  16u
#define MAX_TITLE       120u
#define MAX_CONTACT     200u

// The file as the tables read it; build() makes the product of it.
struct rule {
    const char *domain, *subject;
    WF_LIST(const char *) verbs, columns;
    uint64_t for_ms;
};

struct raw {
    int kind, classification, durability, packing, rows, when_full;
    const char *name, *version, *title, *description, *owner_name, *owner_contact;
    const char *descriptor, *proto, *message, *service, *retention_class, *rules;
    uint32_t major;
    uint64_t freshness_ms, retention_ms, retention_bytes, linger_ms, batch_bytes, every_ms;
    WF_LIST(const char *) key, regions, tags, run, serve, hosts;
    WF_LIST(struct rule) access;
};

enum { ROWS_OWN = 1, ROWS_SHARED };

// --- readers of single values

static enum weft_err look_at_field(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    (void)member;
    if (!wf_identifier_is_valid((const char *)node->text.ptr, false))
        wf_reader_error(r, WEFT_E_SYNTAX, node, "want the name of a field, such as mount_point");
    return WEFT_OK;
}

static enum weft_err look_at_full_name(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    (void)member;
    if (!wf_identifier_is_valid((const char *)node->text.ptr, true))
        wf_reader_error(
            r, WEFT_E_SYNTAX, node, "want a full name with its package, such as servers.v1.Cpu");
    return WEFT_OK;
}

static enum weft_err read_version(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct raw *raw = member;

    if (node->kind != WF_YAML_SCALAR || wf_version_major(node->text, &raw->major))
        wf_reader_error(r, WEFT_E_VERSION, node, "want a version MAJOR.MINOR.PATCH, such as 1.0.0");
    else
        raw->version = (const char *)node->text.ptr;
    return WEFT_OK;
}

static enum weft_err look_at_verb(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    enum wf_verb verb;
    struct wf_pattern method;

    (void)member;
    if (wf_verb_parse(node->text, &verb, &method))
        wf_reader_error(
            r, WEFT_E_VERB, node, "want subscribe, replay, query, call:METHOD, mirror or delegate");
    return WEFT_OK;
}

// --- tables

static const struct wf_key_word kinds[] = { { "metric", WF_PRODUCT_METRIC },
    { "event", WF_PRODUCT_EVENT }, { "inventory", WF_PRODUCT_INVENTORY }, { "api", WF_PRODUCT_API },
    { NULL, 0 } };
static const struct wf_key_word classes[] = { { "public", WF_CLASS_PUBLIC },
    { "internal", WF_CLASS_INTERNAL }, { "confidential", WF_CLASS_CONFIDENTIAL },
    { "personal", WF_CLASS_PERSONAL }, { NULL, 0 } };
static const struct wf_key_word durabilities[] = { { "disk", WF_DURABILITY_DISK },
    { "process", WF_DURABILITY_PROCESS }, { NULL, 0 } };
enum { FULL_BLOCK = 0, FULL_DROP };
static const struct wf_key_word full_words[] = { { "block", FULL_BLOCK }, { "drop", FULL_DROP },
    { NULL, 0 } };
static const struct wf_key_word packings[] = { { "none", WF_PACKING_NONE },
    { "lz4", WF_PACKING_LZ4 }, { "zstd", WF_PACKING_ZSTD }, { NULL, 0 } };
static const struct wf_key_word row_rules[] = { { "own", ROWS_OWN }, { "shared", ROWS_SHARED },
    { NULL, 0 } };

#define AT(member) offsetof(struct raw, member)

static const struct wf_key owner_keys[] = {
    { "name", WF_KEY_STRING, WF_KEY_REQUIRED, AT(owner_name), 1, MAX_TITLE,
        .hint = "who answers for the product" },
    { "contact", WF_KEY_STRING, WF_KEY_REQUIRED, AT(owner_contact), 1, MAX_CONTACT,
        .hint = "how to reach them" },
};
static const struct wf_key_table owner_table = { sizeof(struct raw), owner_keys,
    WF_COUNT(owner_keys), NULL };

static const struct wf_key schema_keys[] = {
    { "proto", WF_KEY_PATH, 0, AT(proto) },
    { "descriptor", WF_KEY_PATH, 0, AT(descriptor) },
    { "message", WF_KEY_STRING, 0, AT(message), 1, WF_MAX_FULL_NAME, .read = look_at_full_name },
    { "service", WF_KEY_STRING, 0, AT(service), 1, WF_MAX_FULL_NAME, .read = look_at_full_name },
};
static const struct wf_key_table schema_table = { sizeof(struct raw), schema_keys,
    WF_COUNT(schema_keys), NULL };

static const struct wf_key retention_keys[] = {
    { "class", WF_KEY_NAME, 0, AT(retention_class) },
    { "age", WF_KEY_DURATION, 0, AT(retention_ms), MINUTE, 100u * YEAR },
    { "bytes", WF_KEY_SIZE, 0, AT(retention_bytes), 1 },
};
static const struct wf_key_table retention_table = { sizeof(struct raw), retention_keys,
    WF_COUNT(retention_keys), NULL };

static const struct wf_key collect_keys[] = {
    { "run", WF_KEY_STRING, WF_KEY_REQUIRED | WF_KEY_LIST | WF_KEY_SINGLE | WF_KEY_REPEAT, AT(run),
        1, WF_MAX_TEXT, .items = WF_MAX_CAVEAT_ITEMS, .hint = "the program and its arguments" },
    { "every", WF_KEY_DURATION, 0, AT(every_ms), SECOND, 31u * DAY },
};
static const struct wf_key_table collect_table = { sizeof(struct raw), collect_keys,
    WF_COUNT(collect_keys), NULL };

static const struct wf_key serve_keys[] = {
    { "run", WF_KEY_STRING, WF_KEY_REQUIRED | WF_KEY_LIST | WF_KEY_SINGLE | WF_KEY_REPEAT,
        AT(serve), 1, WF_MAX_TEXT, .items = WF_MAX_CAVEAT_ITEMS,
        .hint = "the program and its arguments" },
};
static const struct wf_key_table serve_table = { sizeof(struct raw), serve_keys,
    WF_COUNT(serve_keys), NULL };

static const struct wf_key allow_keys[] = {
    { "domain", WF_KEY_NAME, WF_KEY_REQUIRED, offsetof(struct rule, domain) },
    { "subject", WF_KEY_PATTERN, 0, offsetof(struct rule, subject) },
};
static const struct wf_key_table allow_table = { sizeof(struct rule), allow_keys,
    WF_COUNT(allow_keys), NULL };

static enum weft_err check_rule(struct wf_reader *r, const struct wf_yaml_node *node, void *member);
static const struct wf_key rule_keys[] = {
    { "allow", WF_KEY_TABLE, WF_KEY_REQUIRED, 0, .table = &allow_table,
        .hint = "{domain: NAME, subject: PATTERN}" },
    { "verbs", WF_KEY_STRING, WF_KEY_REQUIRED | WF_KEY_LIST | WF_KEY_SINGLE,
        offsetof(struct rule, verbs), 1, WF_MAX_FULL_NAME, .items = WF_MAX_CAVEAT_ITEMS,
        .read = look_at_verb, .hint = "such as [subscribe, replay]" },
    { "for", WF_KEY_DURATION, 0, offsetof(struct rule, for_ms), MINUTE, YEAR },
    { "columns", WF_KEY_STRING, WF_KEY_LIST, offsetof(struct rule, columns), 1, WF_MAX_NAME,
        .items = WF_MAX_CAVEAT_ITEMS, .read = look_at_field },
};
static const struct wf_key_table rule_table = { sizeof(struct rule), rule_keys, WF_COUNT(rule_keys),
    check_rule };

static enum weft_err check_manifest(
    struct wf_reader *r, const struct wf_yaml_node *root, void *member);
static const struct wf_key manifest_keys[] = {
    { "name", WF_KEY_NAME, WF_KEY_REQUIRED, AT(name) },
    { "kind", WF_KEY_ENUM, WF_KEY_REQUIRED, AT(kind), .words = kinds,
        .hint = "metric, event, inventory or api" },
    { "version", WF_KEY_CUSTOM, WF_KEY_REQUIRED, 0, .read = read_version, .hint = "such as 1.0.0" },
    { "title", WF_KEY_STRING, WF_KEY_REQUIRED, AT(title), 1, MAX_TITLE, .hint = "one line" },
    { "description", WF_KEY_STRING, 0, AT(description) },
    { "owner", WF_KEY_TABLE, WF_KEY_REQUIRED, 0, .table = &owner_table,
        .hint = "{name: TEAM, contact: HOW}" },
    { "schema", WF_KEY_TABLE, WF_KEY_REQUIRED, 0, .table = &schema_table,
        .hint = "{proto: FILE, message: FULL.NAME}" },
    { "key", WF_KEY_STRING, WF_KEY_LIST | WF_KEY_SINGLE, AT(key), 1, WF_MAX_NAME,
        .items = MAX_KEY_FIELDS, .read = look_at_field },
    { "classification", WF_KEY_ENUM, 0, AT(classification), .words = classes },
    { "regions", WF_KEY_NAME, WF_KEY_LIST | WF_KEY_SINGLE, AT(regions),
        .items = WF_MAX_CAVEAT_ITEMS },
    { "freshness", WF_KEY_DURATION, 0, AT(freshness_ms), SECOND, YEAR },
    { "retention", WF_KEY_TABLE, 0, 0, .table = &retention_table },
    { "tags", WF_KEY_NAME, WF_KEY_LIST | WF_KEY_SINGLE, AT(tags), .items = WF_MAX_CAVEAT_ITEMS },
    { "access", WF_KEY_TABLE, WF_KEY_LIST, AT(access), .table = &rule_table,
        .items = WF_MAX_ACCESS_RULES },
    { "rows", WF_KEY_ENUM, 0, AT(rows), .words = row_rules },
    { "durability", WF_KEY_ENUM, 0, AT(durability), .words = durabilities },
    { "compression", WF_KEY_ENUM, 0, AT(packing), .words = packings },
    { "when_full", WF_KEY_ENUM, 0, AT(when_full), .words = full_words },
    { "linger", WF_KEY_DURATION, 0, AT(linger_ms), 1, WF_MAX_LINGER_US / 1000u },
    { "batch", WF_KEY_SIZE, 0, AT(batch_bytes), WF_MIN_BATCH_BYTES, WF_MAX_BATCH_BYTES },
    { "rules", WF_KEY_PATH, 0, AT(rules) },
    { "collect", WF_KEY_TABLE, 0, 0, .table = &collect_table },
    { "serve", WF_KEY_TABLE, 0, 0, .table = &serve_table },
    { "hosts", WF_KEY_PATTERN, WF_KEY_LIST | WF_KEY_SINGLE, AT(hosts),
        .items = WF_MAX_CAVEAT_ITEMS },
};
static const struct wf_key_table manifest_table = { sizeof(struct raw), manifest_keys,
    WF_COUNT(manifest_keys), check_manifest };
#undef AT

// --- what keys mean together

static const struct wf_yaml_node *get(
    const struct wf_yaml_node *root, const char *outer, const char *inner)
{
    const struct wf_yaml_node *n = wf_yaml_get(root, outer);

    return n ? wf_yaml_get(n, inner) : NULL;
}

// A token with columns refuses to subscribe, so a rule that grants both would grant nothing.
static enum weft_err check_rule(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    const struct rule *rule = member;
    const struct wf_yaml_node *columns = wf_yaml_get(node, "columns");
    const struct wf_yaml_node *verbs = wf_yaml_get(node, "verbs");

    if (verbs && verbs->kind == WF_YAML_SEQ && verbs->count == 0)
        wf_reader_error(r, WEFT_E_MISSING_FIELD, verbs, "want at least one verb");
    for (size_t i = 0; columns && i < rule->verbs.count; i++) {
        const char *verb = rule->verbs.items[i];
        if (verb && (strcmp(verb, "subscribe") == 0 || strcmp(verb, "replay") == 0)) {
            wf_reader_error_key(r, WEFT_E_SYNTAX, columns,
                "columns limit query only, and this rule grants %s as well; make two rules", verb);
            break;
        }
    }
    return WEFT_OK;
}

#define BIT(kind) (1u << (kind))
#define STREAMS   (BIT(WF_PRODUCT_METRIC) | BIT(WF_PRODUCT_EVENT) | BIT(WF_PRODUCT_INVENTORY))

// Keys that mean something for some kinds only.
static const struct kind_key {
    const char *name;
    unsigned kinds;
    const char *whose;
} kind_keys[] = {
    { "key", STREAMS, "metric, event and inventory" },
    { "freshness", STREAMS, "metric, event and inventory" },
    { "retention", STREAMS, "metric, event and inventory" },
    { "durability", STREAMS, "metric, event and inventory" },
    { "compression", STREAMS, "metric, event and inventory" },
    { "linger", STREAMS, "metric, event and inventory" },
    { "batch", STREAMS, "metric, event and inventory" },
    { "when_full", BIT(WF_PRODUCT_METRIC) | BIT(WF_PRODUCT_EVENT), "metric and event" },
    { "collect", STREAMS, "metric, event and inventory" },
    { "rules", STREAMS, "metric, event and inventory" },
    { "rows", BIT(WF_PRODUCT_INVENTORY), "inventory" },
    { "serve", BIT(WF_PRODUCT_API), "api" },
};

static void check_kind(struct wf_reader *r, const struct wf_yaml_node *root, const struct raw *raw)
{
    for (size_t i = 0; i < WF_COUNT(kind_keys); i++) {
        const struct wf_yaml_node *n = wf_yaml_get(root, kind_keys[i].name);
        if (n && !(kind_keys[i].kinds & BIT(raw->kind)))
            wf_reader_error_key(r, WEFT_E_SYNTAX, n, "\"%s\" is for kind: %s", kind_keys[i].name,
                kind_keys[i].whose);
    }
    if (raw->kind == WF_PRODUCT_INVENTORY && !wf_yaml_get(root, "key"))
        wf_reader_error(r, WEFT_E_MISSING_FIELD, root,
            "missing key \"key\" (the fields that tell one row of the inventory from another)");
}

static void check_schema(
    struct wf_reader *r, const struct wf_yaml_node *root, const struct raw *raw)
{
    const struct wf_yaml_node *schema = wf_yaml_get(root, "schema");
    bool api = raw->kind == WF_PRODUCT_API;
    const char *needed = api ? "service" : "message", *other = api ? "message" : "service";

    if (!schema || schema->kind != WF_YAML_MAP)
        return;
    if (!wf_yaml_get(schema, "proto") && !wf_yaml_get(schema, "descriptor"))
        wf_reader_error(r, WEFT_E_MISSING_FIELD, schema,
            "missing key \"proto\" (the schema's source; or descriptor: a compiled one)");
    if (raw->kind == 0)
        return;
    if (!wf_yaml_get(schema, needed))
        wf_reader_error(r, WEFT_E_MISSING_FIELD, schema, "missing key \"%s\" (full name)", needed);
    const struct wf_yaml_node *wrong = wf_yaml_get(schema, other);
    if (wrong)
        wf_reader_error_key(r, WEFT_E_SYNTAX, wrong, "\"%s\" is not for kind: %s; name a %s", other,
            kinds[raw->kind - 1].word, needed);
}

// An api is only called, and only an api is.
static void check_verbs(struct wf_reader *r, const struct wf_yaml_node *root, const struct raw *raw)
{
    const struct wf_yaml_node *rule = wf_yaml_get(root, "access");

    rule = rule && raw->access.items ? rule->child : NULL;
    for (size_t i = 0; rule && i < raw->access.count; i++, rule = rule->next) {
        const struct wf_yaml_node *verbs = wf_yaml_get(rule, "verbs");
        for (size_t v = 0; v < raw->access.items[i].verbs.count; v++) {
            const char *verb = raw->access.items[i].verbs.items[v];
            bool call = verb && strncmp(verb, "call:", 5) == 0;
            bool either = !verb || strcmp(verb, "delegate") == 0;
            if (!either && call != (raw->kind == WF_PRODUCT_API))
                wf_reader_error(r, WEFT_E_VERB, verbs, "%s has no meaning for kind: %s", verb,
                    kinds[raw->kind - 1].word);
        }
    }
}

static enum weft_err check_manifest(
    struct wf_reader *r, const struct wf_yaml_node *root, void *member)
{
    const struct raw *raw = member;
    const struct wf_yaml_node *run = get(root, "collect", "run");

    check_schema(r, root, raw);
    if (raw->kind != 0) {
        check_kind(r, root, raw);
        check_verbs(r, root, raw);
    }
    if (!run)
        run = get(root, "serve", "run");
    if (run && run->kind == WF_YAML_SEQ && run->count == 0)
        wf_reader_error(r, WEFT_E_MISSING_FIELD, run, "want a program");
    return WEFT_OK;
}

// --- from the file's form to the product's

// "dir/cpu.proto" -> "dir/cpu.desc", where `weft product build` puts it.
static enum weft_err derive_descriptor(struct wf_manifest *m, const struct raw *raw)
{
    if (raw->descriptor) {
        m->descriptor = raw->descriptor;
        return WEFT_OK;
    }
    struct wf_bytes stem = wf_bytes_str(raw->proto);
    if (stem.len > 6 && strcmp(raw->proto + stem.len - 6, ".proto") == 0)
        stem.len -= 6;
    char *path = wf_arena_alloc(&m->arena, stem.len + sizeof ".desc");
    if (!path)
        return wf_arena_err(&m->arena);
    snprintf(path, stem.len + sizeof ".desc", "%.*s.desc", (int)stem.len, raw->proto);
    m->descriptor = path;
    return WEFT_OK;
}

static enum weft_err build_rules(struct wf_manifest *m, const struct raw *raw)
{
    struct wf_access_rule *rules =
        wf_arena_calloc(&m->arena, raw->access.count, sizeof *m->product.rules);

    if (!rules)
        return wf_arena_err(&m->arena);
    for (size_t i = 0; i < raw->access.count; i++) {
        const struct rule *from = &raw->access.items[i];
        rules[i] = (struct wf_access_rule){
            .domain = from->domain,
            .subject = from->subject ? from->subject : "",
            .verb_count = from->verbs.count,
            .verbs = from->verbs.items,
            .column_count = from->columns.count,
            .columns = from->columns.items,
            .duration_ms = (int64_t)(from->for_ms ? from->for_ms : POLICY_GRANT_MS),
        };
    }
    m->product.rules = rules;
    m->product.rule_count = raw->access.count;
    return WEFT_OK;
}

static enum weft_err default_hosts(struct wf_manifest *m)
{
    if (m->hosts.count)
        return WEFT_OK;
    const char **hosts = wf_arena_alloc(&m->arena, sizeof *hosts);
    if (!hosts)
        return wf_arena_err(&m->arena);
    hosts[0] = m->product.kind == WF_PRODUCT_API ? "node" : "all";
    m->hosts.items = hosts;
    m->hosts.count = 1;
    return WEFT_OK;
}

static const char *text_or_none(const char *s)
{
    return s ? s : "";
}

static enum weft_err build(struct wf_manifest *m, const struct raw *raw)
{
    m->product = (struct wf_product){
        .domain = "",
        .name = raw->name,
        .version = raw->version,
        .major = raw->major,
        .title = raw->title,
        .description = text_or_none(raw->description),
        .owner_name = raw->owner_name,
        .owner_contact = raw->owner_contact,
        .kind = (enum wf_product_kind)raw->kind,
        .message = text_or_none(raw->message),
        .service = text_or_none(raw->service),
        .key_count = raw->key.count,
        .keys = raw->key.items,
        .region_count = raw->regions.count,
        .regions = raw->regions.items,
        .tag_count = raw->tags.count,
        .tags = raw->tags.items,
        .classification = (enum wf_classification)raw->classification,
        .freshness_ms = (int64_t)raw->freshness_ms,
        .retention_ms = (int64_t)raw->retention_ms,
        .retention_bytes = raw->retention_bytes,
        .durability = (enum wf_durability)raw->durability,
        .packing = (enum wf_packing)raw->packing,
        .linger_us = (uint32_t)raw->linger_ms * 1000u,
        .batch_bytes = (uint32_t)raw->batch_bytes,
        .rows_shared = raw->rows == ROWS_SHARED,
        .drops = raw->when_full == FULL_DROP,
    };
    m->proto = raw->proto;
    m->retention_class = raw->retention_class;
    m->rules = raw->rules;
    m->run.items = raw->run.items;
    m->run.count = raw->run.count;
    m->every_ms = raw->every_ms;
    m->serve.items = raw->serve.items;
    m->serve.count = raw->serve.count;
    m->hosts.items = raw->hosts.items;
    m->hosts.count = raw->hosts.count;
    enum weft_err err = derive_descriptor(m, raw);
    if (!err)
        err = build_rules(m, raw);
    if (!err)
        err = default_hosts(m);
    return err;
}

enum weft_err wf_manifest_parse(
    struct wf_bytes text, const char *dir, struct wf_diags *diags, struct wf_manifest **ret)
{
    struct raw raw = {
        .classification = WF_CLASS_INTERNAL,
        .durability = WF_DURABILITY_DISK,
        .rows = ROWS_OWN,
        .retention_class = "default",
    };
    struct wf_yaml_doc doc;
    struct wf_manifest *m = calloc(1, sizeof *m);
    enum weft_err err = WEFT_E_NOMEM;

    if (!m) {
        wf_diags_add(diags, err, 0, 0, "%s", weft_err_text(err));
        return err;
    }
    wf_arena_init(&m->arena, WF_YAML_ARENA);
    err = wf_yaml_parse(text, &m->arena, diags, &doc);
    if (err)
        goto out;
    struct wf_reader reader = { &m->arena, diags, dir, doc.partial };
    err = wf_keys_read(&reader, doc.root, &manifest_table, &raw);
    if (err)
        goto out;
    err = wf_diags_err(diags);
    if (err)
        goto out;
    err = build(m, &raw);
    if (err) {
        wf_diags_add(diags, err, 0, 0, "%s", weft_err_text(err));
        goto out;
    }
    *ret = m;
    m = NULL;
out:
    wf_manifest_free(m);
    return err;
}

enum weft_err wf_manifest_load(
    const char *path, enum wf_file_trust trust, struct wf_diags *diags, struct wf_manifest **ret)
{
    struct wf_buf text = { 0 };
    char dir[WF_MAX_PATH];
    enum weft_err err = wf_file_read_yaml(path, trust, diags, &text, dir);

    if (err)
        return err;
    err = wf_manifest_parse(wf_buf_view(&text), dir, diags, ret);
    wf_buf_fini(&text);
    return err;
}

// Read again as what it is: YAML of a mapping. Mistakes have their place in the rules' own file.
static enum weft_err check_rules_text(struct wf_bytes text, struct wf_diags *diags)
{
    struct wf_arena arena;
    struct wf_yaml_doc doc;

    wf_arena_init(&arena, WF_YAML_ARENA);
    enum weft_err err = wf_yaml_parse(text, &arena, diags, &doc);
    if (!err && (doc.root->kind != WF_YAML_MAP || !wf_yaml_get(doc.root, "rules"))) {
        err = WEFT_E_MANIFEST;
        wf_diags_add(diags, err, 1, 1, "want \"rules:\" with the rules below it");
    }
    wf_arena_fini(&arena);
    return err ? err : wf_diags_err(diags);
}

enum weft_err wf_manifest_rules(
    const struct wf_manifest *m, struct wf_diags *diags, struct wf_buf *ret)
{
    struct wf_diag diag = { 0 };
    struct wf_buf text = { 0 };
    enum weft_err err = wf_file_read_unnamed(m->rules, WF_MAX_RULES, WF_FILE_ANY, &text, &diag);

    if (err == WEFT_E_TOO_BIG)
        wf_diags_add(
            diags, err, 0, 0, "rules that come with a product have at most %u bytes", WF_MAX_RULES);
    else if (err)
        wf_diags_add(diags, err, 0, 0, "%s", diag.text[0] ? diag.text : weft_err_text(err));
    else
        err = check_rules_text(wf_buf_view(&text), diags);
    if (err) {
        wf_buf_fini(&text);
        return err;
    }
    *ret = text;
    return WEFT_OK;
}

void wf_manifest_free(struct wf_manifest *m)
{
    if (!m)
        return;
    wf_arena_fini(&m->arena);
    free(m);
}
