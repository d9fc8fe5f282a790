// SPDX-License-Identifier: Apache-2.0
// Nodes that are no more: when each signer of manifests was last in session with this agent, kept in meta `signers` (rows of {key, be64 unix
// ms}). A node that left its domain would else have its sources run here for ever, into a spool that nobody takes. Loop thread only.
#include <stdlib.h>

#include "node/agent/uplink.h"

#define ROW     (WF_KEY_LEN + 8u)
#define SAVE_MS 86400000ll // a day more or less of a month

static struct wf_manifest_signer *find(struct wf_uplink_room *u, const struct wf_sign_pub *key)
{
    for (size_t i = 0; i < u->signer_count; i++)
        if (memcmp(u->signers[i].key.b, key->b, WF_KEY_LEN) == 0)
            return &u->signers[i];
    return NULL;
}

// One that is new counts from now on.
static struct wf_manifest_signer *need(
    struct wf_uplink_room *u, const struct wf_sign_pub *key, int64_t now)
{
    struct wf_manifest_signer *s = find(u, key);

    if (s && s->seen_unix_ms > now)
        s->seen_unix_ms = now; // the clock was ahead
    if (s)
        return s;
    s = &u->signers[0];
    if (u->signer_count < WF_UPLINK_SIGNERS)
        s = &u->signers[u->signer_count++];
    else
        for (size_t i = 1; i < u->signer_count; i++)
            if (u->signers[i].seen_unix_ms < s->seen_unix_ms)
                s = &u->signers[i];
    *s = (struct wf_manifest_signer){ .key = *key, .seen_unix_ms = now };
    return s;
}

enum weft_err wf_retired_load(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf kept = { 0 };
    enum weft_err err = wf_meta_get(&u->vfs, u->meta_dir, "signers", &kept);

    // Lost or damaged: every signer counts from now on.
    for (size_t at = 0; !err && at + ROW <= kept.len && u->signer_count < WF_UPLINK_SIGNERS;
         at += ROW) {
        struct wf_manifest_signer *s = &u->signers[u->signer_count++];
        memcpy(s->key.b, kept.ptr + at, WF_KEY_LEN);
        s->seen_unix_ms = s->kept_unix_ms = (int64_t)wf_load_be64(kept.ptr + at + WF_KEY_LEN);
    }
    wf_buf_fini(&kept);
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

static bool is_due(const struct wf_uplink_room *u)
{
    for (size_t i = 0; i < u->signer_count; i++)
        if (u->signers[i].seen_unix_ms - u->signers[i].kept_unix_ms >= SAVE_MS)
            return true;
    return false;
}

static void save(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    uint8_t rows[WF_UPLINK_SIGNERS * ROW];

    if (!is_due(u))
        return;
    for (size_t i = 0; i < u->signer_count; i++) {
        memcpy(rows + i * ROW, u->signers[i].key.b, WF_KEY_LEN);
        wf_store_be64(rows + i * ROW + WF_KEY_LEN, (uint64_t)u->signers[i].seen_unix_ms);
    }
    enum weft_err err =
        wf_meta_put(&u->vfs, u->meta_dir, "signers", wf_bytes(rows, u->signer_count * ROW));
    if (err)
        wf_say(n, WF_LOG_WARN, "uplink", "when nodes were heard could not be kept", "why",
            weft_err_text(err), NULL);
    for (size_t i = 0; i < u->signer_count; i++)
        u->signers[i].kept_unix_ms = u->signers[i].seen_unix_ms; // also on failure: not each poll
}

void wf_retired_heard(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_sign_pub here;
    bool gone = false;

    if (wf_manifests_signer(n, &here))
        return;
    need(u, &here, now)->seen_unix_ms = now;
    for (struct wf_agent_product *p = u->products; p; p = p->next) {
        if (p->removed ||
            now - need(u, &p->collect->signer, now)->seen_unix_ms < WF_MANIFEST_LIFE_MS)
            continue;
        wf_say(n, WF_LOG_WARN, "uplink",
            "a manifest of a node that is not heard any more is out of force", "product",
            p->collect->product.name, NULL);
        wf_manifests_drop(n, p);
        gone = true;
    }
    save(n);
    if (gone)
        wf_manifests_sources(n);
}
