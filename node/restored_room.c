// SPDX-License-Identifier: Apache-2.0
// The room of a restored node: reads the mark, waits until others agree, says what it does not know.
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/log/meta.h"
#include "node/restored.h"
#include "sdk/disk.h"

#define PATIENCE_MS 60000 // for those that do not answer, once one did

static void keep(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;
    uint8_t bytes[WF_RESTORED_LEN];

    wf_restored_put(&r->mark, bytes);
    enum weft_err err = wf_meta_put(&wf_vfs_posix, r->meta_dir, WF_RESTORED_META, WF_BYTES(bytes));
    if (err) // the next start asks again: that costs nothing but its time
        wf_say(n, WF_LOG_WARN, "restored", "it could not be kept that others were asked", "why",
            weft_err_text(err), NULL);
}

static void date(int64_t unix_ms, char out[32])
{
    int64_t hours = (unix_ms < 0 ? 0 : unix_ms) / 3600000;

    snprintf(out, 32, "%lld h %lld min ago", (long long)hours,
        (long long)((unix_ms < 0 ? 0 : unix_ms) / 60000 % 60));
}

static void tell_nobody(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;
    char when[32], text[256];

    date(wf_node_now_unix_ms(n) - r->mark.backup_ms, when);
    snprintf(text, sizeof text,
        "restored from a backup made %s, and no other node was asked what was revoked since: "
        "revoke it "
        "again (weft agent revoke, weft access revoke). Gone at the next start",
        when);
    wf_alarm(n, "restored", text);
    r->mark.told = true;
}

static void settle(struct wf_node *n, size_t known)
{
    struct wf_restored_room *r = n->restored;
    char count[24];

    r->mark.waits = false;
    wf_alarm(n, "restored", NULL);
    if (known == 0)
        tell_nobody(n);
    r->mark.told = true;
    keep(n);
    snprintf(count, sizeof count, "%zu of %zu", r->agreed_count, known);
    wf_say(n, WF_LOG_INFO, "restored", "what this node may have forgotten was asked for", "nodes",
        count, NULL);
}

static void tell_waiting(struct wf_node *n, size_t known)
{
    char when[32], text[256];

    date(wf_node_now_unix_ms(n) - n->restored->mark.backup_ms, when);
    snprintf(text, sizeof text,
        "restored from a backup made %s: nothing is granted, leased or taken until other nodes "
        "were "
        "asked what was revoked since (%zu of %zu agree). If all are lost: weft node restore "
        "--alone",
        when, n->restored->agreed_count, known);
    wf_alarm(n, "restored", text);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err restored_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_restored_room *r = calloc(1, sizeof *r);
    struct wf_buf kept = { 0 };

    if (!r)
        return WEFT_E_NOMEM;
    n->restored = r;
    enum weft_err err = wf_disk_join(n->conf->data, "meta", &r->meta_dir);
    if (!err)
        err = wf_meta_get(&wf_vfs_posix, r->meta_dir, WF_RESTORED_META, &kept);
    if (!err)
        err = wf_restored_take(wf_buf_view(&kept), &r->mark);
    wf_buf_fini(&kept);
    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (err)
        wf_diag_set(diag, 0, 0, "%s/" WF_RESTORED_META ": %s", r->meta_dir, weft_err_text(err));
    return err;
}

static void restored_tick(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;

    if (!r->mark.waits) {
        if (r->mark.restored_ms && !r->mark.told) { // --alone
            tell_nobody(n);
            keep(n);
        }
        return;
    }
    size_t known = wf_gossip_peer_count(n);
    bool patient = wf_node_now_ms(n) - r->first_ms < PATIENCE_MS;
    if (known == 0 || r->agreed_count >= known || (r->agreed_count > 0 && !patient))
        settle(n, known);
    else
        tell_waiting(n, known);
}

static void restored_close(struct wf_node *n)
{
    if (!n->restored)
        return;
    free(n->restored->meta_dir);
    free(n->restored);
    n->restored = NULL;
}

const struct wf_room wf_restored_room = {
    .name = "restored",
    .open = restored_open,
    .tick = restored_tick,
    .close = restored_close,
};
