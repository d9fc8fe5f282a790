// SPDX-License-Identifier: Apache-2.0
// weft join: from a ticket to an identity directory.
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/print.h"
#include "sdk/cli/agents.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/join.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"

struct joining {
    struct wf_loop *loop;
    struct wf_net *net;
    struct wf_ticket ticket;
    struct wf_identity_dir *id;
    char *root, *dir; // as given; where the identity lies
    char name[WF_MAX_NAME + 1];
    bool made; // the keys are of this run
    enum weft_err err;
    char text[WF_DIAG_TEXT];
};

// ---- ticket and name -------------------------------------------------------------------------------------------------

static int read_ticket(const char *operand, const char *file, struct joining *j)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    if (!operand == !file)
        return wf_cli_fail(WEFT_E_USAGE, "give the ticket itself (wefttkt1…) or --file FILE");
    err = file ? wf_file_read(file, WF_MAX_TICKET, WF_FILE_ANY, &text, &diag)
               : wf_buf_append_str(&text, operand);
    if (err)
        return wf_cli_diag(err, &diag, file ? file : "the ticket");
    err = wf_ticket_parse(wf_buf_view(&text), &j->ticket);
    wf_wipe(text.ptr, text.len);
    wf_buf_fini(&text);
    if (err && !file && access(operand, F_OK) == 0)
        return wf_cli_fail(
            err, "%s is a file, and no ticket itself; try: weft join --file %s", operand, operand);
    return err ? wf_cli_fail(err, "this is no whole ticket (wefttkt1…): %s", weft_err_text(err))
               : 0;
}

// A person's name for a person, else the host's.
static void own_name(enum wf_identity_kind kind, char out[WF_MAX_NAME + 1])
{
    const struct passwd *p = kind == WF_ID_USER ? getpwuid(getuid()) : NULL;

    if (p)
        wf_join_name_from(p->pw_name, out);
    else
        wf_join_host_name(out);
}

static void choose_name(struct joining *j, const char *asked)
{
    if (asked)
        snprintf(j->name, sizeof j->name, "%s", asked);
    else if (!j->ticket.name.s[0])
        own_name(j->ticket.kind, j->name);
}

// ---- directory -------------------------------------------------------------------------------------------------------

static bool exists_in(const char *dir, const char *name)
{
    char *path = NULL;
    bool yes = wf_disk_join(dir, name, &path) == WEFT_OK && access(path, F_OK) == 0;

    free(path);
    return yes;
}

static bool is_daemon(const struct joining *j)
{
    return j->ticket.kind == WF_ID_NODE || j->ticket.kind == WF_ID_AGENT;
}

// A weftd's identity lies in its data directory, everybody else's in the directory itself.
static enum weft_err find_dir(const struct wf_cli *cli, struct joining *j)
{
    enum weft_err err = cli->dir ? wf_bytes_strdup(wf_bytes_str(cli->dir), &j->root)
                                 : wf_identity_default_dir(&j->root);

    if (err)
        return err;
    if (is_daemon(j) && !exists_in(j->root, "identity"))
        return wf_disk_join(j->root, "data", &j->dir);
    return wf_bytes_strdup(wf_bytes_str(j->root), &j->dir);
}

static enum weft_err open_dir(struct joining *j, struct wf_diag *diag)
{
    struct wf_keys keys = { 0 };
    enum weft_err err = wf_identity_load(j->dir, wf_cli_now_ms(), &j->id, diag);

    if (err != WEFT_E_IDENTITY)
        return err;
    diag->text[0] = '\0';
    err = wf_keys_new('N', &keys);
    if (!err)
        err = wf_identity_create(j->dir, &keys, diag);
    wf_keys_fini(&keys);
    j->made = !err;
    return err ? err : wf_identity_load(j->dir, wf_cli_now_ms(), &j->id, diag);
}

// A refusal took nothing of the ticket: keys that were made for it go again. After anything else they stay, for the ticket may be bound to
// them already and the same call with the same keys is answered again.
static void unmake(const struct joining *j)
{
    static const char *const inside[] = { "identity/node.key", "identity", "charter" };
    char *path = NULL;

    for (size_t i = 0; i < WF_COUNT(inside) && wf_disk_join(j->dir, inside[i], &path) == WEFT_OK;
         i++) {
        (void)remove(path); // what is not empty stays
        free(path);
    }
    (void)rmdir(j->dir);
}

// A first configuration for a weftd that has none: it can be started as it is.
static enum weft_err write_config(const struct joining *j, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    char *path = NULL;

    if (!is_daemon(j) || strcmp(j->root, j->dir) == 0 || exists_in(j->root, "weftd.yaml"))
        return WEFT_OK;
    enum weft_err err = wf_disk_join(j->root, "weftd.yaml", &path);
    if (!err)
        err = wf_buf_printf(&text,
            "# weftd.yaml(5) explains every key; weft config check FILE tells what is wrong\n"
            "role: %s\ndomain: %s\nname: %s\ndata: data\nsocket: run/weftd.sock\n",
            wf_identity_kind_name(j->ticket.kind), j->id->identity.cert.domain.s,
            j->id->identity.cert.subject.s);
    if (!err && j->ticket.kind == WF_ID_NODE)
        err = wf_buf_append_str(&text,
            "products: products.d\nlisten: \"0.0.0.0:7400\"\n"
            "# Where other nodes and agents reach it; status warns while it is missing.\n"
            "# advertise: HOST:7400\n"
            "# these domains may read DOMAIN/signals-NAME (how this node does); take out what you "
            "do not want\naccess: {signals: [monitoring]}\n");
    if (!err)
        err = wf_disk_create(path, wf_buf_view(&text), diag);
    wf_buf_fini(&text);
    free(path);
    return err;
}

// ---- joining ---------------------------------------------------------------------------------------------------------

static void on_done(void *arg, enum weft_err err, const char *text)
{
    struct joining *j = arg;

    j->err = err;
    snprintf(j->text, sizeof j->text, "%s", text);
    wf_loop_stop(j->loop);
}

static int converse(struct joining *j)
{
    struct wf_net_conf net_conf = { .watch_ms = -1 };
    struct wf_join *join = NULL;
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_loop_new(NULL, &j->loop);

    if (!err)
        err = wf_net_new(&net_conf, &j->net);
    if (!err) {
        struct wf_join_conf conf = { .loop = j->loop,
            .net = j->net,
            .dir = j->id,
            .ticket = &j->ticket,
            .name = j->name,
            .version = WEFT_VERSION };
        err = wf_join_start(&conf, on_done, j, &join, &diag);
    }
    if (!err) {
        wf_loop_run(j->loop);
        err = j->err;
        snprintf(diag.text, sizeof diag.text, "%s", j->text);
    }
    wf_join_free(join);
    if (j->net)
        wf_net_free(j->net);
    wf_loop_free(j->loop);
    if (err)
        return wf_cli_fail(err, "not joined: %s", diag.text[0] ? diag.text : weft_err_text(err));
    return 0;
}

static int say_joined(const struct wf_cli *cli, struct joining *j)
{
    struct wf_diag diag = { 0 };
    const struct wf_cert *c = &j->id->identity.cert;
    char print[WF_FINGERPRINT_LEN], when[WF_CLI_AT], until[WF_CLI_TIME];
    enum weft_err err = write_config(j, &diag);

    if (err)
        return wf_cli_diag(err, &diag, j->root);
    wf_fingerprint(WF_BYTES(c->sign_key.b), print);
    wf_cli_at(c->not_after_ms, when);
    if (wf_cli_for_programs(cli)) {
        wf_cli_time(c->not_after_ms, until);
        const struct wf_fact facts[] = { { "mesh", j->id->charter->mesh, false },
            { "domain", c->domain.s, false }, { "name", c->subject.s, false },
            { "kind", wf_identity_kind_name(c->kind), false }, { "fingerprint", print, false },
            { "expires", until, false }, { "dir", j->dir, false } };
        return wf_cli_object("weft.join/v1", facts, WF_COUNT(facts));
    }
    printf("%s/%s joined mesh %s as %s, fingerprint %s, certificate expires %s\n%s\n", c->domain.s,
        c->subject.s, j->id->charter->mesh, wf_identity_kind_name(c->kind), print, when, j->dir);
    return 0;
}

int wf_cmd_join(struct wf_cli *cli, int argc, char **argv)
{
    const char *name = NULL, *file = NULL;
    const struct wf_opt opts[] = { { "name", 0, .value = &name }, { "file", 0, .value = &file } };
    struct joining j = { 0 };
    struct wf_diag diag = { 0 };
    char *operand = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 1, &operand, &count);

    if (status >= 0)
        return status;
    status = read_ticket(count ? operand : NULL, file, &j);
    if (!status) {
        choose_name(&j, name);
        enum weft_err err = find_dir(cli, &j);
        if (!err)
            err = open_dir(&j, &diag);
        status = err ? wf_cli_diag(err, &diag, j.dir ? j.dir : "~") : 0;
    }
    if (!status && j.id->has_chain && !j.id->identity.expired)
        status = wf_cli_fail(WEFT_E_EXISTS, "%s has joined already, as %s/%s; use another --dir",
            j.dir, j.id->identity.cert.domain.s, j.id->identity.cert.subject.s);
    if (!status)
        status = converse(&j);
    if (j.made && status == weft_err_exit(WEFT_E_REFUSED))
        unmake(&j);
    if (!status)
        status = say_joined(cli, &j);
    wf_identity_free(j.id);
    wf_ticket_fini(&j.ticket);
    free(j.root);
    free(j.dir);
    return status;
}
