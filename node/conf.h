// SPDX-License-Identifier: Apache-2.0
// weftd.yaml: one file to one immutable struct, with defaults, every error at once, and nothing half-applied. Owns all texts
// in its arena; freed as a whole. Reads files and the user database only in wf_conf_load; wf_conf_parse is pure.
// Every key stands in docs/man/weftd.yaml.5.
#ifndef WF_NODE_CONF_H
#define WF_NODE_CONF_H

#include "proto/base/crypto.h"
#include "sdk/conf/file.h"
#include "sdk/conf/keys.h"

enum wf_node_role { WF_ROLE_NODE = 1, WF_ROLE_AGENT };
enum wf_log_format { WF_LOG_LOGFMT = 1, WF_LOG_JSON };

// What a local user may do over the node's socket.
enum wf_may {
    WF_MAY_READ = 1 << 0, // catalog, describe, status
    WF_MAY_PUBLISH = 1 << 1,
    WF_MAY_SERVE = 1 << 2,
    WF_MAY_SUBSCRIBE = 1 << 3,
    WF_MAY_QUERY = 1 << 4,
    WF_MAY_CALL = 1 << 5,
    WF_MAY_ADMIN = 1 << 6,
};

struct wf_conf_peer {
    struct wf_address address;
    struct wf_dh_pub key; // X25519, for the handshake
};

struct wf_conf_local {
    const char *user; // as written: a name or a number
    uint32_t uid;     // set by wf_conf_load, or by wf_conf_parse for a number
    bool has_uid;
    unsigned may;                   // enum wf_may bits
    WF_LIST(const char *) products; // patterns; empty = all
    WF_LIST(int) words;             // `may` as read
    unsigned line, column;          // where it stands
};

struct wf_conf_class {
    const char *name;
    uint64_t age_ms, bytes;
};

// Another domain's product, or another node's of the own, that this node holds sealed.
struct wf_conf_mirror {
    const char *product; // DOMAIN/NAME
    uint64_t age_ms, bytes;
};

struct wf_conf {
    int role;                  // enum wf_node_role
    const char *domain, *name; // NULL: whatever the certificate says; else they must agree
    const char
        *region; // where this node stands, as tokens' caveats and charters name it; NULL = not said
    const char *data, *socket,
        *products;               // absolute, or relative to the working directory as the file was
    const char *ticket;          // file to join with, NULL = none
    struct wf_address listen;    // port 0: the system chooses
    struct wf_address advertise; // host "" = the listening address
    struct wf_address http;      // host "" = off
    struct {
        uint16_t first, last; // 0, 0: the system chooses each
        bool gate;
    } streams;
    WF_LIST(struct wf_conf_peer) seeds, uplinks;
    bool issuer;
    struct {
        int format, level; // enum wf_log_format, enum wf_log_level of node/node.h
    } log;
    WF_LIST(struct wf_conf_local) local;
    WF_LIST(struct wf_conf_class) retention; // the class "default" is always there
    WF_LIST(struct wf_conf_mirror) mirror;
    struct {
        uint64_t age_ms, bytes;
    } spool;
    uint64_t epoch_ms, lease_ms, linger_ms;
    uint64_t drain_ms;         // at most from SIGTERM to the end
    uint32_t min_free_percent; // of the file system of data: below it nothing new is accepted
    WF_LIST(const char *)
    notify; // program and arguments, run for each access request; empty = none
    WF_LIST(const char *) agents_for;  // domains that a rule lets read DOMAIN/agents
    WF_LIST(const char *) signals_for; // the same of DOMAIN/signals-NODE
    struct {
        bool enabled;
        const char *user;      // to run sources as when weftd is root, NULL = its own
        uint32_t uid, gid;     // of that user, set by wf_conf_load
        unsigned line, column; // where the user stands
    } sources;
    uint32_t workers; // 0 = one a core
    struct wf_arena arena;
};

// text is shown as diags->file; relative paths begin at dir. On any error *ret_conf is untouched and diags tells all of them.
WF_MUST_USE enum weft_err wf_conf_parse(
    struct wf_bytes text, const char *dir, struct wf_diags *diags, struct wf_conf **ret_conf);
// Reads the file (which only we or root may have written), parses, and looks up the users it names.
WF_MUST_USE enum weft_err wf_conf_load(
    const char *path, struct wf_diags *diags, struct wf_conf **ret_conf);
void wf_conf_free(struct wf_conf *c);

// What uid may do and with which products, or NULL for nothing. Without `local:` root and weftd's own user may do everything.
const struct wf_conf_local *wf_conf_local_of(
    const struct wf_conf *c, uint32_t uid, uint32_t own_uid);
// Does that include this product? l may be NULL: no.
bool wf_conf_local_product(const struct wf_conf_local *l, const char *product);
const struct wf_conf_class *wf_conf_class_of(const struct wf_conf *c, const char *name);
// The first key that a running weftd can't take over from a new configuration, or NULL when all of it can be.
const char *wf_conf_needs_restart(const struct wf_conf *running, const struct wf_conf *wanted);

#endif
