// SPDX-License-Identifier: Apache-2.0
// The outside of node/conf.h: the file, the user database; and what a configuration answers.
#include <pwd.h>

#include "node/conf.h"
#include "proto/base/limits.h"
#include "proto/trust/ident.h"

static enum weft_err find_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
    struct passwd pw, *found = NULL;
    char buf[16384];

    if (getpwnam_r(name, &pw, buf, sizeof buf, &found) != 0 || !found)
        return WEFT_E_NOT_FOUND;
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    return WEFT_OK;
}

static void find_users(struct wf_conf *c, struct wf_diags *diags)
{
    uint32_t gid = 0;

    for (size_t i = 0; i < c->local.count; i++) {
        struct wf_conf_local *l = &c->local.items[i];
        if (!l->has_uid && find_user(l->user, &l->uid, &gid)) {
            wf_diags_add(diags, WEFT_E_NOT_FOUND, l->line, l->column,
                "this system knows no user \"%s\"", l->user);
            continue;
        }
        l->has_uid = true;
        for (size_t j = 0; j < i; j++)
            if (c->local.items[j].has_uid && c->local.items[j].uid == l->uid)
                wf_diags_add(diags, WEFT_E_DUPLICATE, l->line, l->column, "the same user as \"%s\"",
                    c->local.items[j].user);
    }
    if (c->sources.user && find_user(c->sources.user, &c->sources.uid, &c->sources.gid))
        wf_diags_add(diags, WEFT_E_NOT_FOUND, c->sources.line, c->sources.column,
            "this system knows no user \"%s\"", c->sources.user);
}

enum weft_err wf_conf_load(const char *path, struct wf_diags *diags, struct wf_conf **ret_conf)
{
    struct wf_buf text = { 0 };
    struct wf_conf *c = NULL;
    char dir[WF_MAX_PATH];
    enum weft_err err = wf_file_read_yaml(path, WF_FILE_OWNED, diags, &text, dir);

    if (err)
        return err;
    err = wf_conf_parse(wf_buf_view(&text), dir, diags, &c);
    if (err)
        goto out;
    find_users(c, diags);
    err = wf_diags_err(diags);
    if (err)
        goto out;
    *ret_conf = c;
    c = NULL;
out:
    wf_conf_free(c);
    wf_buf_fini(&text);
    return err;
}

const struct wf_conf_local *wf_conf_local_of(
    const struct wf_conf *c, uint32_t uid, uint32_t own_uid)
{
    static const struct wf_conf_local everything = { .user = "",
        .may = WF_MAY_READ | WF_MAY_PUBLISH | WF_MAY_SERVE | WF_MAY_SUBSCRIBE | WF_MAY_QUERY |
               WF_MAY_CALL | WF_MAY_ADMIN };

    for (size_t i = 0; i < c->local.count; i++)
        if (c->local.items[i].uid == uid)
            return &c->local.items[i];
    return c->local.count == 0 && (uid == 0 || uid == own_uid) ? &everything : NULL;
}

bool wf_conf_local_product(const struct wf_conf_local *l, const char *product)
{
    struct wf_pattern pattern;

    for (size_t i = 0; l && i < l->products.count; i++)
        if (!wf_pattern_from(wf_bytes_str(l->products.items[i]), &pattern) &&
            wf_pattern_match(&pattern, product))
            return true;
    return l && l->products.count == 0;
}

const struct wf_conf_class *wf_conf_class_of(const struct wf_conf *c, const char *name)
{
    for (size_t i = 0; i < c->retention.count; i++)
        if (strcmp(c->retention.items[i].name, name) == 0)
            return &c->retention.items[i];
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

const char *wf_conf_needs_restart(const struct wf_conf *running, const struct wf_conf *wanted)
{
    if (running->role != wanted->role)
        return "role";
    if (!same_text(running->domain, wanted->domain))
        return "domain";
    if (!same_text(running->name, wanted->name))
        return "name";
    if (!same_text(running->data, wanted->data))
        return "data";
    if (!same_text(running->socket, wanted->socket))
        return "socket";
    if (!wf_address_eq(&running->listen, &wanted->listen))
        return "listen";
    if (!wf_address_eq(&running->http, &wanted->http))
        return "http";
    if (running->streams.first != wanted->streams.first ||
        running->streams.last != wanted->streams.last)
        return "streams.ports";
    if (running->issuer != wanted->issuer)
        return "issuer";
    if (running->sources.enabled != wanted->sources.enabled ||
        !same_text(running->sources.user, wanted->sources.user))
        return "sources";
    if (running->workers != wanted->workers)
        return "workers";
    return NULL;
}
