// SPDX-License-Identifier: Apache-2.0
#include "node/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "node/node.h"
#include "proto/base/limits.h"
#include "proto/base/print.h"

#define SECOND       1000u
#define MINUTE       (60u * SECOND)
#define HOUR         (60u * MINUTE)
#define DAY          (24ull * HOUR)
#define YEAR         (366u * DAY)
#define GIB          (1024ull * WF_MIB)
#define CLASS_AGE_MS (7u * DAY)
#define CLASS_BYTES  GIB
#define LINGER_UNSET UINT64_MAX
#define SOCKET_PATH  (sizeof((struct sockaddr_un *)0)->sun_path - 1)

// --- readers of single values

// "weftdh1...", an X25519 public key.
static enum weft_err read_dh_key(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_buf data = { 0 };
    struct wf_dh_pub *key = member;
    enum weft_err err = node->kind == WF_YAML_SCALAR
                            ? wf_print_parse(WF_PREFIX_DH, node->text, &data)
                            : WEFT_E_TYPE;

    if (err == WEFT_E_NOMEM)
        return err;
    if (!err && data.len != sizeof key->b)
        err = WEFT_E_SYNTAX;
    if (err == WEFT_E_CHECKSUM)
        wf_reader_error(r, err, node, "mistyped: the checksum of the key does not fit");
    else if (err)
        wf_reader_error(r, err, node, "want a key " WF_PREFIX_DH "1... (weft key show)");
    else
        memcpy(key->b, data.ptr, sizeof key->b);
    wf_buf_fini(&data);
    return WEFT_OK;
}

// "17400-17999", "17400" or "any".
static enum weft_err read_ports(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_conf *c = member;
    const uint8_t *dash = node->text.len ? memchr(node->text.ptr, '-', node->text.len) : NULL;
    struct wf_bytes first = node->text, last = node->text;
    uint16_t from = 0, to = 0;

    if (wf_bytes_is(node->text, "any")) {
        c->streams.first = c->streams.last = 0;
        return WEFT_OK;
    }
    if (dash) {
        first.len = (size_t)(dash - first.ptr);
        last = wf_bytes(dash + 1, node->text.len - first.len - 1);
    }
    if (node->kind != WF_YAML_SCALAR || wf_port_parse(first, &from) || wf_port_parse(last, &to)) {
        wf_reader_error(r, WEFT_E_SYNTAX, node, "want ports FIRST-LAST within 1-65535, or any");
        return WEFT_OK;
    }
    if (from > to) {
        wf_reader_error(r, WEFT_E_RANGE, node, "the first port is above the last");
        return WEFT_OK;
    }
    c->streams.first = from;
    c->streams.last = to;
    return WEFT_OK;
}

// A loopback address, or "off".
static enum weft_err read_http(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_address *http = member;
    static const struct wf_key address = { "http", WF_KEY_ADDRESS };

    if (node->kind == WF_YAML_SCALAR && wf_bytes_is(node->text, "off")) {
        *http = (struct wf_address){ 0 };
        return WEFT_OK;
    }
    struct wf_address given = { 0 };
    enum weft_err err = wf_key_value(r, &address, node, &given);
    if (err || given.host[0] == '\0')
        return err;
    if (!wf_address_is_loopback(&given))
        wf_reader_error(r, WEFT_E_RANGE, node,
            "want a loopback address: what is served there is not protected");
    else
        *http = given;
    return WEFT_OK;
}

// --- tables

#define AT(member) offsetof(struct wf_conf, member)

static const struct wf_key_word roles[] = { { "node", WF_ROLE_NODE }, { "agent", WF_ROLE_AGENT },
    { NULL, 0 } };
static const struct wf_key_word formats[] = { { "logfmt", WF_LOG_LOGFMT }, { "json", WF_LOG_JSON },
    { NULL, 0 } };
static const struct wf_key_word levels[] = { { "debug", WF_LOG_DEBUG }, { "info", WF_LOG_INFO },
    { "warn", WF_LOG_WARN }, { "error", WF_LOG_ERROR }, { NULL, 0 } };
static const struct wf_key_word verbs[] = { { "read", WF_MAY_READ }, { "publish", WF_MAY_PUBLISH },
    { "serve", WF_MAY_SERVE }, { "subscribe", WF_MAY_SUBSCRIBE }, { "query", WF_MAY_QUERY },
    { "call", WF_MAY_CALL }, { "admin", WF_MAY_ADMIN }, { NULL, 0 } };

static const struct wf_key peer_keys[] = {
    { "address", WF_KEY_ADDRESS, WF_KEY_REQUIRED, offsetof(struct wf_conf_peer, address), 1,
        .hint = "HOST:PORT" },
    { "key", WF_KEY_CUSTOM, WF_KEY_REQUIRED, offsetof(struct wf_conf_peer, key),
        .read = read_dh_key, .hint = WF_PREFIX_DH "1..." },
};
static const struct wf_key_table peer_table = { sizeof(struct wf_conf_peer), peer_keys,
    WF_COUNT(peer_keys), NULL };

static const struct wf_key stream_keys[] = {
    // The two ports are set together, so the reader gets the whole struct.
    { "ports", WF_KEY_CUSTOM, 0, 0, .read = read_ports },
    { "gate", WF_KEY_BOOL, 0, AT(streams.gate) },
};
static const struct wf_key_table stream_table = { sizeof(struct wf_conf), stream_keys,
    WF_COUNT(stream_keys), NULL };

static const struct wf_key log_keys[] = {
    { "format", WF_KEY_ENUM, 0, AT(log.format), .words = formats },
    { "level", WF_KEY_ENUM, 0, AT(log.level), .words = levels },
};
static const struct wf_key_table log_table = { sizeof(struct wf_conf), log_keys, WF_COUNT(log_keys),
    NULL };

static enum weft_err check_local(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member);
static const struct wf_key local_keys[] = {
    { "may", WF_KEY_ENUM, WF_KEY_REQUIRED | WF_KEY_LIST | WF_KEY_SINGLE,
        offsetof(struct wf_conf_local, words), .words = verbs,
        .hint = "a list of read, publish, serve, subscribe, query, call, admin" },
    { "products", WF_KEY_PATTERN, WF_KEY_LIST | WF_KEY_SINGLE,
        offsetof(struct wf_conf_local, products) },
};
static const struct wf_key_table local_table = { sizeof(struct wf_conf_local), local_keys,
    WF_COUNT(local_keys), check_local };

static const struct wf_key class_keys[] = {
    { "age", WF_KEY_DURATION, 0, offsetof(struct wf_conf_class, age_ms), MINUTE, 100u * YEAR },
    { "bytes", WF_KEY_SIZE, 0, offsetof(struct wf_conf_class, bytes), WF_MIB, 1024u * 1024u * GIB },
};
static enum weft_err check_class(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member);
static const struct wf_key_table class_table = { sizeof(struct wf_conf_class), class_keys,
    WF_COUNT(class_keys), check_class };

static const struct wf_key mirror_keys[] = {
    { "product", WF_KEY_STRING, WF_KEY_REQUIRED, offsetof(struct wf_conf_mirror, product), 1,
        2u * WF_MAX_NAME + 1u, .hint = "DOMAIN/PRODUCT" },
    { "age", WF_KEY_DURATION, 0, offsetof(struct wf_conf_mirror, age_ms), MINUTE, 100u * YEAR },
    { "bytes", WF_KEY_SIZE, 0, offsetof(struct wf_conf_mirror, bytes), WF_MIB,
        1024u * 1024u * GIB },
};
static enum weft_err check_mirror(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member);
static const struct wf_key_table mirror_table = { sizeof(struct wf_conf_mirror), mirror_keys,
    WF_COUNT(mirror_keys), check_mirror };

static const struct wf_key spool_keys[] = {
    { "age", WF_KEY_DURATION, 0, AT(spool.age_ms), 5 * SECOND, YEAR },
    { "bytes", WF_KEY_SIZE, 0, AT(spool.bytes), WF_MIB, 1024u * GIB },
};
static const struct wf_key_table spool_table = { sizeof(struct wf_conf), spool_keys,
    WF_COUNT(spool_keys), NULL };

static const struct wf_key access_keys[] = {
    { "notify", WF_KEY_STRING, WF_KEY_LIST | WF_KEY_SINGLE | WF_KEY_REPEAT, AT(notify), 1,
        WF_MAX_PATH },
    { "agents", WF_KEY_STRING, WF_KEY_LIST, AT(agents_for), 1, WF_MAX_NAME },
    { "signals", WF_KEY_STRING, WF_KEY_LIST, AT(signals_for), 1, WF_MAX_NAME },
};
static const struct wf_key_table access_table = { sizeof(struct wf_conf), access_keys,
    WF_COUNT(access_keys), NULL };

static const struct wf_key source_keys[] = {
    { "enabled", WF_KEY_BOOL, 0, AT(sources.enabled) },
    { "user", WF_KEY_STRING, 0, AT(sources.user), 1, WF_MAX_NAME },
};
static const struct wf_key_table source_table = { sizeof(struct wf_conf), source_keys,
    WF_COUNT(source_keys), NULL };

static enum weft_err check_conf(struct wf_reader *r, const struct wf_yaml_node *node, void *member);
static const struct wf_key conf_keys[] = {
    { "role", WF_KEY_ENUM, 0, AT(role), .words = roles },
    { "domain", WF_KEY_NAME, 0, AT(domain) },
    { "name", WF_KEY_NAME, 0, AT(name) },
    { "region", WF_KEY_NAME, 0, AT(region) },
    { "data", WF_KEY_PATH, 0, AT(data) },
    { "socket", WF_KEY_PATH, 0, AT(socket) },
    { "products", WF_KEY_PATH, 0, AT(products) },
    { "ticket", WF_KEY_PATH, 0, AT(ticket) },
    { "listen", WF_KEY_ADDRESS, 0, AT(listen) },
    { "advertise", WF_KEY_ADDRESS, 0, AT(advertise), 1 },
    { "http", WF_KEY_CUSTOM, 0, AT(http), .read = read_http },
    { "streams", WF_KEY_TABLE, 0, 0, .table = &stream_table },
    { "seeds", WF_KEY_TABLE, WF_KEY_LIST, AT(seeds), .table = &peer_table },
    { "uplinks", WF_KEY_TABLE, WF_KEY_LIST, AT(uplinks), .table = &peer_table },
    { "issuer", WF_KEY_BOOL, 0, AT(issuer) },
    { "log", WF_KEY_TABLE, 0, 0, .table = &log_table },
    { "local", WF_KEY_TABLE, WF_KEY_MAP, AT(local), .table = &local_table },
    { "retention", WF_KEY_TABLE, WF_KEY_MAP, AT(retention), .table = &class_table },
    { "mirror", WF_KEY_TABLE, WF_KEY_LIST, AT(mirror), .table = &mirror_table },
    { "spool", WF_KEY_TABLE, 0, 0, .table = &spool_table },
    { "epoch", WF_KEY_DURATION, 0, AT(epoch_ms), SECOND, DAY },
    { "lease", WF_KEY_DURATION, 0, AT(lease_ms), SECOND, DAY },
    { "linger", WF_KEY_DURATION, 0, AT(linger_ms), 0, MINUTE },
    { "drain", WF_KEY_DURATION, 0, AT(drain_ms), 100, 5u * MINUTE },
    { "min_free_percent", WF_KEY_U32, 0, AT(min_free_percent), 0, 50 },
    { "access", WF_KEY_TABLE, 0, 0, .table = &access_table },
    { "sources", WF_KEY_TABLE, 0, 0, .table = &source_table },
    { "workers", WF_KEY_U32, 0, AT(workers), 0, 64 },
};
static const struct wf_key_table conf_table = { sizeof(struct wf_conf), conf_keys,
    WF_COUNT(conf_keys), check_conf };
#undef AT

static const struct wf_conf defaults = {
    .role = WF_ROLE_NODE,
    .listen = { "0.0.0.0", 7400, .is_ipv4 = true },
    .http = { "127.0.0.1", 7500, .is_ipv4 = true },
    .streams = { 17400, 17999, true }, // a port a product that is read, and two nodes on a host
    .log = { WF_LOG_LOGFMT, WF_LOG_INFO },
    .spool = { 72u * HOUR, 256u * WF_MIB },
    .epoch_ms = 10u * MINUTE,
    .lease_ms = 10u * MINUTE,
    .linger_ms = LINGER_UNSET,
    .drain_ms = 10u * SECOND,
    .min_free_percent = 5,
    .sources = { .enabled = true },
};

// --- what keys mean together

static bool is_user_name(const char *s)
{
    for (const char *p = s; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        bool later = (*p >= '0' && *p <= '9') || *p == '-' || *p == '.';
        if (!letter && (p == s || !later))
            return false;
    }
    return *s != '\0';
}

static enum weft_err check_local(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_conf_local *l = member;
    uint64_t uid = 0;

    l->line = node->key_line;
    l->column = node->key_column;
    for (size_t i = 0; i < l->words.count; i++)
        l->may |= (unsigned)l->words.items[i];
    if (!wf_u64_parse(wf_bytes_str(l->user), &uid) && uid < UINT32_MAX) {
        l->uid = (uint32_t)uid;
        l->has_uid = true;
    } else if (!is_user_name(l->user)) {
        wf_reader_error_key(r, WEFT_E_NAME, node, "want a user's name or number");
    }
    return WEFT_OK;
}

static enum weft_err check_class(struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_conf_class *class = member;

    if (!wf_name_is_valid(wf_bytes_str(class->name)))
        wf_reader_error_key(r, WEFT_E_NAME, node, "want a name (a-z, 0-9 and -) for the class");
    if (class->age_ms == 0)
        class->age_ms = CLASS_AGE_MS;
    if (class->bytes == 0)
        class->bytes = CLASS_BYTES;
    return WEFT_OK;
}

static enum weft_err check_mirror(
    struct wf_reader *r, const struct wf_yaml_node *node, void *member)
{
    struct wf_conf_mirror *m = member;
    const char *slash = m->product ? strchr(m->product, '/') : NULL;

    if (m->product &&
        (!slash || !wf_name_is_valid(wf_bytes(m->product, (size_t)(slash - m->product))) ||
            !wf_name_is_valid(wf_bytes_str(slash + 1))))
        wf_reader_error(r, WEFT_E_NAME, wf_yaml_get(node, "product"), "want DOMAIN/PRODUCT");
    if (m->age_ms == 0)
        m->age_ms = CLASS_AGE_MS;
    if (m->bytes == 0)
        m->bytes = CLASS_BYTES;
    return WEFT_OK;
}

static void check_mirrors(
    struct wf_reader *r, const struct wf_yaml_node *list, const struct wf_conf *c)
{
    const struct wf_yaml_node *n = list ? list->child : NULL;

    if (c->mirror.count > WF_MAX_MIRRORS)
        wf_reader_error(r, WEFT_E_TOO_BIG, list, "at most %u products", WF_MAX_MIRRORS);
    for (size_t i = 0; n && i < c->mirror.count; n = n->next, i++)
        for (size_t j = 0; j < i; j++)
            if (c->mirror.items[i].product && c->mirror.items[j].product &&
                strcmp(c->mirror.items[i].product, c->mirror.items[j].product) == 0) {
                wf_reader_error(r, WEFT_E_DUPLICATE, wf_yaml_get(n, "product"),
                    "this product stands here twice");
                break;
            }
}

// Keys that mean something in one role only.
static const struct role_key {
    const char *name;
    int role;
} role_keys[] = {
    { "region", WF_ROLE_NODE },
    { "listen", WF_ROLE_NODE },
    { "advertise", WF_ROLE_NODE },
    { "http", WF_ROLE_NODE },
    { "streams", WF_ROLE_NODE },
    { "seeds", WF_ROLE_NODE },
    { "issuer", WF_ROLE_NODE },
    { "products", WF_ROLE_NODE },
    { "retention", WF_ROLE_NODE },
    { "mirror", WF_ROLE_NODE },
    { "epoch", WF_ROLE_NODE },
    { "lease", WF_ROLE_NODE },
    { "access", WF_ROLE_NODE },
    { "uplinks", WF_ROLE_AGENT },
    { "spool", WF_ROLE_AGENT },
};

static void check_role(struct wf_reader *r, const struct wf_yaml_node *root, int role)
{
    for (size_t i = 0; i < WF_COUNT(role_keys); i++) {
        const struct wf_yaml_node *n = wf_yaml_get(root, role_keys[i].name);
        if (!n || role_keys[i].role == role)
            continue;
        wf_reader_error_key(r, WEFT_E_SYNTAX, n, "\"%s\" is for role: %s only", role_keys[i].name,
            role == WF_ROLE_AGENT ? "node" : "agent");
    }
}

// peers[i] was read from the i-th child of list; one without a good address has an empty host.
static void check_peers(struct wf_reader *r, const struct wf_yaml_node *list,
    const struct wf_conf_peer *peers, size_t count)
{
    const struct wf_yaml_node *n = list ? list->child : NULL;

    for (size_t i = 0; n && i < count; n = n->next, i++) {
        const struct wf_yaml_node *at = wf_yaml_get(n, "address");
        if (peers[i].address.host[0] == '\0')
            continue;
        if (wf_address_is_wildcard(&peers[i].address))
            wf_reader_error(r, WEFT_E_RANGE, at, "want the address of one node, not of any");
        size_t j = 0;
        while (j < i && !wf_address_eq(&peers[j].address, &peers[i].address))
            j++;
        if (j < i)
            wf_reader_error(r, WEFT_E_DUPLICATE, at, "this address stands here twice");
    }
}

static bool in_streams(const struct wf_conf *c, uint16_t port)
{
    return port != 0 && port >= c->streams.first && port <= c->streams.last;
}

static void check_ports(
    struct wf_reader *r, const struct wf_yaml_node *root, const struct wf_conf *c)
{
    const struct wf_yaml_node *listen = wf_yaml_get(root, "listen");
    const struct wf_yaml_node *http = wf_yaml_get(root, "http");
    const struct wf_yaml_node *advertise = wf_yaml_get(root, "advertise");
    const struct wf_yaml_node *streams = wf_yaml_get(root, "streams");
    const struct wf_yaml_node *ports = streams ? wf_yaml_get(streams, "ports") : NULL;

    if (in_streams(c, c->listen.port))
        wf_reader_error(r, WEFT_E_RANGE,
            listen  ? listen
            : ports ? ports
                    : root,
            "the listening port %u lies within the stream ports %u-%u", c->listen.port,
            c->streams.first, c->streams.last);
    if (c->http.host[0] && in_streams(c, c->http.port))
        wf_reader_error(r, WEFT_E_RANGE,
            http    ? http
            : ports ? ports
                    : root,
            "the http port %u lies within the stream ports %u-%u", c->http.port, c->streams.first,
            c->streams.last);
    if (c->http.host[0] && c->http.port != 0 && c->http.port == c->listen.port)
        wf_reader_error(r, WEFT_E_RANGE,
            http     ? http
            : listen ? listen
                     : root,
            "the http port is the listening port");
    if (advertise && wf_address_is_wildcard(&c->advertise))
        wf_reader_error(r, WEFT_E_RANGE, advertise, "want an address that others can reach");
}

static void check_domains(struct wf_reader *r, const struct wf_yaml_node *root, const char *key,
    const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!wf_name_is_valid(wf_bytes_str(names[i])))
            wf_reader_error(r, WEFT_E_NAME, wf_yaml_get(wf_yaml_get(root, "access"), key),
                "\"%s\" is not the name of a domain", names[i]);
}

static enum weft_err check_conf(struct wf_reader *r, const struct wf_yaml_node *root, void *member)
{
    struct wf_conf *c = member;
    const struct wf_yaml_node *socket = wf_yaml_get(root, "socket");
    const struct wf_yaml_node *sources = wf_yaml_get(root, "sources");
    const struct wf_yaml_node *user = sources ? wf_yaml_get(sources, "user") : NULL;

    if (user) {
        c->sources.line = user->line;
        c->sources.column = user->column;
    }
    check_role(r, root, c->role);
    check_domains(r, root, "agents", c->agents_for.items, c->agents_for.count);
    check_domains(r, root, "signals", c->signals_for.items, c->signals_for.count);
    check_peers(r, wf_yaml_get(root, "seeds"), c->seeds.items, c->seeds.count);
    check_peers(r, wf_yaml_get(root, "uplinks"), c->uplinks.items, c->uplinks.count);
    check_mirrors(r, wf_yaml_get(root, "mirror"), c);
    if (c->role == WF_ROLE_NODE)
        check_ports(r, root, c);
    if (socket && c->socket && strlen(c->socket) > SOCKET_PATH)
        wf_reader_error(r, WEFT_E_TOO_BIG, socket, "a socket's path has at most %zu bytes",
            (size_t)SOCKET_PATH);
    return WEFT_OK;
}

// --- after reading

static enum weft_err default_path(
    struct wf_conf *c, const char *dir, const char *name, const char **path)
{
    if (*path)
        return WEFT_OK;
    size_t size = strlen(dir) + strlen(name) + 2;
    char *p = wf_arena_alloc(&c->arena, size);
    if (!p)
        return wf_arena_err(&c->arena);
    snprintf(p, size, "%s%s%s", dir, dir[0] ? "/" : "", name);
    *path = p;
    return WEFT_OK;
}

static enum weft_err default_class(struct wf_conf *c)
{
    if (wf_conf_class_of(c, "default"))
        return WEFT_OK;
    size_t count = c->retention.count;
    struct wf_conf_class *all = wf_arena_calloc(&c->arena, count + 1, sizeof *all);
    if (!all)
        return wf_arena_err(&c->arena);
    if (count)
        memcpy(all, c->retention.items, count * sizeof *all);
    all[count] = (struct wf_conf_class){ "default", CLASS_AGE_MS, CLASS_BYTES };
    c->retention.items = all;
    c->retention.count = count + 1;
    return WEFT_OK;
}

static enum weft_err fill_defaults(struct wf_conf *c, const char *dir)
{
    enum weft_err err = default_path(c, dir, "data", &c->data);

    if (!err)
        err = default_path(c, dir, "run/weftd.sock", &c->socket);
    if (!err)
        err = default_path(c, dir, "products.d", &c->products);
    if (!err)
        err = default_class(c);
    if (c->linger_ms == LINGER_UNSET)
        c->linger_ms = c->role == WF_ROLE_AGENT ? SECOND : 1;
    if (c->role == WF_ROLE_AGENT)
        c->http = c->listen = (struct wf_address){ 0 };
    return err;
}

enum weft_err wf_conf_parse(
    struct wf_bytes text, const char *dir, struct wf_diags *diags, struct wf_conf **ret_conf)
{
    struct wf_yaml_doc doc;
    struct wf_conf *c = malloc(sizeof *c);
    enum weft_err err = WEFT_E_NOMEM;

    if (!c) {
        wf_diags_add(diags, err, 0, 0, "%s", weft_err_text(err));
        return err;
    }
    *c = defaults;
    wf_arena_init(&c->arena, WF_YAML_ARENA);
    err = wf_yaml_parse(text, &c->arena, diags, &doc);
    if (err)
        goto out;
    struct wf_reader reader = { &c->arena, diags, dir, doc.partial };
    err = wf_keys_read(&reader, doc.root, &conf_table, c);
    if (err)
        goto out;
    err = wf_diags_err(diags);
    if (err)
        goto out;
    err = fill_defaults(c, dir);
    if (err) {
        wf_diags_add(diags, err, 0, 0, "%s", weft_err_text(err));
        goto out;
    }
    *ret_conf = c;
    c = NULL;
out:
    wf_conf_free(c);
    return err;
}

void wf_conf_free(struct wf_conf *c)
{
    if (!c)
        return;
    wf_arena_fini(&c->arena);
    free(c);
}
