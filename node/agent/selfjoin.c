// SPDX-License-Identifier: Apache-2.0
// An agent without a certificate joins by itself with the ticket of its configuration, again and again until it is taken; then the ticket
// file is deleted. The file is read anew for each try, so an operator can replace a spent one.
#include <stdio.h>

#include "node/agent/uplink.h"
#include "node/call.h"
#include "node/core.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

static void later(struct wf_node *n, const char *why)
{
    struct wf_uplink_room *u = n->uplink;
    char text[256];

    u->retry_ms = u->retry_ms ? u->retry_ms * 2 : WF_UPLINK_RETRY_MIN_MS;
    if (u->retry_ms > WF_UPLINK_RETRY_MAX_MS)
        u->retry_ms = WF_UPLINK_RETRY_MAX_MS;
    u->retry_at_ms = wf_node_now_ms(n) + u->retry_ms;
    snprintf(text, sizeof text, "not joined: %.220s", why);
    wf_alarm(n, "join", text);
}

static void forget_ticket(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    if (u->has_ticket)
        wf_ticket_fini(&u->ticket);
    u->has_ticket = false;
}

static void joined(struct wf_node *n)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_node_adopt(n, n->core->dir, &diag);

    if (err) {
        later(n, diag.text);
        return;
    }
    wf_alarm(n, "join", NULL);
    n->uplink->retry_ms = n->uplink->retry_at_ms = 0;
    wf_say(n, WF_LOG_INFO, "uplink", "joined", "domain", n->identity.cert.domain.s, "as",
        n->identity.cert.subject.s, NULL);
    if (wf_disk_remove(n->conf->ticket, &diag))
        wf_say(n, WF_LOG_WARN, "uplink", "the used ticket could not be deleted", "file",
            n->conf->ticket, "why", diag.text, NULL);
    wf_uplink_wake(n);
}

static void on_done(void *arg, enum weft_err err, const char *text)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;
    struct wf_join *j = u->join;

    u->join = NULL;
    if (err)
        later(n, text[0] ? text : weft_err_text(err));
    wf_join_free(j);
    forget_ticket(n);
    if (!err)
        joined(n);
}

static enum weft_err read_ticket(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf text = { 0 };
    enum weft_err err = wf_file_read(n->conf->ticket, WF_MAX_TICKET, WF_FILE_SECRET, &text, diag);

    if (err)
        return err;
    err = wf_ticket_parse(wf_buf_view(&text), &u->ticket);
    if (err)
        wf_diag_set(diag, 0, 0, "%s: no whole ticket: %s", n->conf->ticket, weft_err_text(err));
    u->has_ticket = err == WEFT_OK;
    wf_wipe(text.ptr, text.len);
    wf_buf_fini(&text);
    return err;
}

void wf_selfjoin_tick(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_diag diag = { 0 };
    char name[WF_MAX_NAME + 1];

    if (u->join || n->draining || wf_node_now_ms(n) < u->retry_at_ms)
        return;
    if (!n->conf->ticket) {
        later(n, "this agent has no certificate and weftd.yaml names no ticket; see: weft join");
        return;
    }
    enum weft_err err = read_ticket(n, &diag);
    if (!err && u->ticket.kind != WF_ID_AGENT) {
        wf_diag_set(&diag, 0, 0, "%s: a ticket for kind %s; an agent needs --kind agent",
            n->conf->ticket, wf_identity_kind_name(u->ticket.kind));
        err = WEFT_E_KIND;
    }
    wf_join_host_name(name);
    if (n->conf->name)
        snprintf(name, sizeof name, "%s", n->conf->name);
    if (!err && u->ticket.name.s[0] && !n->conf->name)
        name[0] = '\0'; // the ticket knows
    struct wf_join_conf conf = { .loop = n->loop,
        .net = n->control->net,
        .dir = n->core->dir,
        .ticket = &u->ticket,
        .name = name,
        .version = WEFT_VERSION };
    if (!err)
        err = wf_join_start(&conf, on_done, n, &u->join, &diag);
    if (err) {
        forget_ticket(n);
        later(n, diag.text[0] ? diag.text : weft_err_text(err));
    }
}
