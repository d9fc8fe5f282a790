// SPDX-License-Identifier: Apache-2.0
// What every room leans on: identity, time, log lines, alarms, documents. No subject of its own.
#include "node/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/say.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

int64_t wf_node_now_ms(const struct wf_node *n)
{
    return wf_loop_now_ms(n->loop);
}

int64_t wf_node_now_unix_ms(const struct wf_node *n)
{
    int64_t now = wf_loop_now_unix_ms(n->loop);

    // A clock below what was once reached would make expired things live again.
    return now > n->core->wall_floor_ms ? now : n->core->wall_floor_ms;
}

// ---- log lines -------------------------------------------------------------------------------------------------------

#define SAY_SLOTS 64u
#define SAY_BURST 20u // lines of one (room, message) a minute; the rest is counted
struct say_slot {
    const char *room, *message; // literals: compared by address
    int64_t since_ms;
    unsigned said, held;
};
static struct say_slot say_slots[SAY_SLOTS]; // loop thread only, as everything here

static bool may_say(
    const struct wf_node *n, const char *room, const char *message, unsigned *ret_held)
{
    size_t at = ((uintptr_t)message >> 3 ^ (uintptr_t)room >> 3) % SAY_SLOTS;
    struct say_slot *s = &say_slots[at];
    int64_t now = n->loop ? wf_node_now_ms(n) : 0;

    *ret_held = 0;
    if (s->message != message || s->room != room || now - s->since_ms > 60000) {
        *ret_held = s->message == message && s->room == room ? s->held : 0;
        *s = (struct say_slot){ room, message, now, 0, 0 };
    }
    if (++s->said <= SAY_BURST)
        return true;
    s->held++;
    return false;
}

void wf_say(struct wf_node *n, enum wf_log_level level, const char *room, const char *message, ...)
{
    bool json = n->conf && n->conf->log.format == WF_LOG_JSON;
    unsigned held = 0;
    va_list pairs;

    if (n->conf && (int)level < n->conf->log.level)
        return;
    if (!may_say(n, room, message, &held))
        return;
    va_start(pairs, message);
    wf_say_write(json, level, (const char *const[]){ room, message }, pairs, held);
    va_end(pairs);
}

// ---- alarms ----------------------------------------------------------------------------------------------------------

void wf_alarm(struct wf_node *n, const char *name, const char *text)
{
    struct wf_alarm **at = &n->core->alarms;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!text) {
        struct wf_alarm *gone = *at;
        if (!gone)
            return;
        *at = gone->next;
        wf_say(n, WF_LOG_INFO, "alarm", "alarm cleared", "name", name, NULL);
        free(gone);
        return;
    }
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at)
            return; // the log line below still tells
        snprintf((*at)->name, sizeof(*at)->name, "%s", name);
        (*at)->since_unix_ms = wf_node_now_unix_ms(n);
    }
    if (!*at || strcmp((*at)->text, text) != 0)
        wf_say(n, WF_LOG_ERROR, "alarm", "alarm", "name", name, "text", text, NULL);
    if (*at)
        snprintf((*at)->text, sizeof(*at)->text, "%s", text);
}

// ---- documents -------------------------------------------------------------------------------------------------------

static enum weft_err document_path(const struct wf_node *n, const struct wf_hash *hash, char **ret)
{
    char hex[2 * WF_HASH_LEN + 1], name[sizeof hex + 16];

    wf_hex_put(wf_hash_view(hash), hex);
    snprintf(name, sizeof name, "documents/%s", hex);
    return wf_disk_join(n->conf->data, name, ret);
}

enum weft_err wf_documents_put(
    struct wf_node *n, struct wf_bytes content, const struct wf_hash *hash)
{
    char *path = NULL, *dir = NULL;
    struct wf_diag diag = { 0 };
    enum weft_err err =
        content.len <= WF_MAX_ENVELOPE ? document_path(n, hash, &path) : WEFT_E_TOO_BIG;

    if (!err && access(path, F_OK) == 0)
        goto out; // content is its hash: the same
    if (!err)
        err = wf_disk_join(n->conf->data, "documents", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, &diag);
    if (!err)
        err = wf_disk_replace(path, content, &diag);
    if (err)
        wf_say(
            n, WF_LOG_ERROR, "documents", "a document could not be kept", "why", diag.text, NULL);
out:
    free(dir);
    free(path);
    return err;
}

enum weft_err wf_documents_get(
    struct wf_node *n, const struct wf_hash *hash, struct wf_arena *arena, struct wf_bytes *ret)
{
    char *path = NULL;
    struct wf_buf file = { 0 };
    enum weft_err err = document_path(n, hash, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &file, NULL);
    if (!err)
        err = wf_arena_dup(arena, wf_buf_view(&file), ret);
    wf_buf_fini(&file);
    free(path);
    return err;
}

// ---- secrets ---------------------------------------------------------------------------------------------------------

bool wf_node_keys_locked(const struct wf_node *n)
{
    struct wf_secret fresh = { 0 };

    if (wf_secret_new(WF_KEY_LEN, &fresh))
        return false;
    bool locked =
        wf_secret_lock(&fresh) && wf_secret_lock(&n->keys.sign) && wf_secret_lock(&n->keys.dh);
    wf_secret_fini(&fresh);
    return locked;
}

// ---- identity --------------------------------------------------------------------------------------------------------

enum weft_err wf_node_adopt(struct wf_node *n, struct wf_identity_dir *d, struct wf_diag *diag)
{
    struct wf_buf chain = { 0 };
    // A domain that the charter does not name yet has a chain and no proof of it.
    bool is_proven = d->has_chain && d->charter && d->identity.cert.domain.s[0];
    enum weft_err err = wf_bytes_dup(wf_buf_view(&d->chain), &chain);

    if (err)
        return err;
    if (n->conf->domain && is_proven && strcmp(d->identity.cert.domain.s, n->conf->domain) != 0) {
        wf_buf_fini(&chain);
        wf_diag_set(diag, 0, 0, "%s belongs to domain %s, the configuration says %s", d->dir,
            d->identity.cert.domain.s, n->conf->domain);
        return WEFT_E_STATE_DIR;
    }
    if (n->conf->name && is_proven && strcmp(d->identity.cert.subject.s, n->conf->name) != 0) {
        wf_buf_fini(&chain);
        wf_diag_set(diag, 0, 0, "%s belongs to %s, the configuration says %s", d->dir,
            d->identity.cert.subject.s, n->conf->name);
        return WEFT_E_STATE_DIR;
    }
    n->core->dir = d;
    wf_buf_fini(&n->chain);
    n->chain = chain;
    n->keys = d->keys; // borrowed: the directory owns them
    n->identity = d->identity;
    n->mesh_id = d->mesh_id;
    n->charter = d->charter;
    n->has_certificate = is_proven && !d->identity.expired;
    return WEFT_OK;
}

enum weft_err wf_node_add_charter(struct wf_node *n, struct wf_bytes raw, struct wf_diag *diag)
{
    enum weft_err err = wf_identity_add_charter(n->core->dir, raw, diag);

    n->charter = n->core->dir->charter;
    n->mesh_id = n->core->dir->mesh_id;
    if (err == WEFT_E_FORK)
        wf_alarm(n, "charter-fork",
            "two different valid successors of one charter exist; both are kept in charter/");
    // A node that waited for its first charter can now prove who it is.
    if (!err && n->core->dir->has_chain && !n->has_certificate) {
        struct wf_buf chain = { 0 };
        err = wf_bytes_dup(wf_buf_view(&n->core->dir->chain), &chain);
        if (!err && wf_node_set_chain(n, wf_buf_view(&chain), diag))
            wf_say(n, WF_LOG_WARN, "identity", "no member of this charter certified this node",
                "why", diag->text, NULL);
        wf_buf_fini(&chain);
    }
    return err;
}

enum weft_err wf_node_set_chain(struct wf_node *n, struct wf_bytes chain, struct wf_diag *diag)
{
    enum weft_err err = wf_identity_set_chain(n->core->dir, chain, wf_node_now_unix_ms(n), diag);

    return err ? err : wf_node_adopt(n, n->core->dir, diag);
}
