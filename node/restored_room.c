// SPDX-License-Identifier: Apache-2.0
// The room of a node that was put back or made anew: reads the mark, waits until others agree, says what it does not know.
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/log/meta.h"
#include "node/restored.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/identity.h"

#define PATIENCE_MS 60000            // for those that do not answer, once one did
#define OWN_MS      (7ll * 86400000) // so long it is told what nobody here knows

static enum weft_err keep(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;
    uint8_t bytes[WF_RESTORED_LEN];

    wf_restored_put(&r->mark, bytes);
    enum weft_err err = wf_meta_put(&wf_vfs_posix, r->meta_dir, WF_RESTORED_META, WF_BYTES(bytes));
    if (err) // the next start asks again: that costs nothing but its time
        wf_say(n, WF_LOG_WARN, "restored", "it could not be kept that others were asked", "why",
            weft_err_text(err), NULL);
    return err;
}

static void date(int64_t unix_ms, char out[32])
{
    int64_t hours = (unix_ms < 0 ? 0 : unix_ms) / 3600000;

    snprintf(out, 32, "%lld h %lld min ago", (long long)hours,
        (long long)((unix_ms < 0 ? 0 : unix_ms) / 60000 % 60));
}

// "made anew from the domain's root", or "restored from a backup made 3 h 5 min ago".
static void whence(const struct wf_node *n, char out[96])
{
    const struct wf_restored *m = &n->restored->mark;
    char when[32];

    date(wf_node_now_unix_ms(n) - m->backup_ms, when);
    if (m->anew)
        snprintf(out, 96, "made anew from the domain's root");
    else
        snprintf(out, 96, "restored from a backup made %s", when);
}

static void tell_nobody(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;
    char from[96], text[256];

    whence(n, from);
    snprintf(text, sizeof text,
        "%s, and no other node was asked what was revoked since: revoke it again (weft agent "
        "revoke, weft access revoke). Gone at the next start",
        from);
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
    (void)keep(n);
    snprintf(count, sizeof count, "%zu of %zu", r->agreed_count, known);
    wf_say(n, WF_LOG_INFO, "restored", "what this node may have forgotten was asked for", "nodes",
        count, NULL);
}

static void tell_waiting(struct wf_node *n, size_t known)
{
    const struct wf_restored_room *r = n->restored;
    char from[96], text[256], count[40];

    whence(n, from);
    snprintf(count, sizeof count,
        known ? "%zu of %zu agree" : "none is known: seeds:", r->agreed_count, known);
    snprintf(text, sizeof text,
        "%s: nothing is granted, leased or taken until other nodes were asked what was revoked "
        "since (%s). If all are lost: %s",
        from, count, r->mark.anew ? "weft node init --now" : "weft node restore --alone");
    wf_alarm(n, "restored", text);
}

// The numbers of other origins show what is missing. Those of this node begin anew with each start, so nothing shows what it said itself.
static void tell_own(struct wf_node *n)
{
    const struct wf_restored *m = &n->restored->mark;
    int64_t now = wf_node_now_unix_ms(n);
    char made[32], put_back[32], text[256];

    if (!m->restored_ms)
        return;
    date(now - m->backup_ms, made);
    date(now - m->restored_ms, put_back);
    snprintf(text, sizeof text,
        "put back %s from a backup made %s: how far this node's own records had gone is not known "
        "here; what of them is missing is told to nobody by number",
        put_back, made);
    wf_alarm(n, "restored-own", now - m->restored_ms < OWN_MS ? text : NULL);
}

// ---- life ------------------------------------------------------------------------------------------------------------

// DATA/anew, of weft node init: this domain had an issuer before. "ask" or "now"; it becomes the mark.
static enum weft_err take_anew(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_restored *m = &n->restored->mark;
    struct wf_buf word = { 0 };
    char *path = NULL;
    enum weft_err err = wf_disk_join(n->conf->data, WF_ANEW_FILE, &path);

    if (!err)
        err = wf_file_read(path, 16, WF_FILE_OWNED, &word, NULL);
    if (err == WEFT_E_NOT_FOUND) { // as nearly always
        free(path);
        return WEFT_OK;
    }
    if (!err) {
        m->anew = true;
        m->waits = !wf_bytes_eq(wf_buf_view(&word), WF_STR(WF_ANEW_NOW));
        err = wf_disk_mkdir(n->restored->meta_dir, diag);
    }
    if (!err)
        err = keep(n);
    if (!err)
        err = wf_disk_remove(path, diag);
    wf_buf_fini(&word);
    free(path);
    return err;
}

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
        return take_anew(n, diag);
    if (err)
        wf_diag_set(diag, 0, 0, "%s/" WF_RESTORED_META ": %s", r->meta_dir, weft_err_text(err));
    return err;
}

static void restored_tick(struct wf_node *n)
{
    struct wf_restored_room *r = n->restored;

    tell_own(n);
    if (!r->mark.waits) {
        if ((r->mark.restored_ms || r->mark.anew) && !r->mark.told) { // --alone, --now
            tell_nobody(n);
            (void)keep(n);
        }
        return;
    }
    size_t known = wf_gossip_peer_count(n);
    bool patient = wf_node_now_ms(n) - r->first_ms < PATIENCE_MS;
    // Who was made anew knows nobody but whom it was given; who was put back knows whom it knew.
    bool alone = known == 0 && !r->mark.anew;
    bool all = known > 0 && r->agreed_count >= known;
    if (alone || all || (r->agreed_count > 0 && !patient))
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
