// SPDX-License-Identifier: Apache-2.0
// The parent's side. Certificates and homes are plain values and travel as such between two copies of one program; tokens and revocation
// lists travel as documents signed by a throw-away issuer, which the child opens like any receiver and issues again.
#include "node/signer/signer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/signer/child.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

struct wf_signer {
    struct wf_watch gone; // first: the pipe's end
    struct wf_node *node;
    int fd;
    pid_t child;
    struct wf_buf cert;        // the issuer's certificate envelope
    struct wf_secret proposal; // the throw-away issuer's key
    struct wf_buf proposal_cert;
};

bool wf_signer_here(const struct wf_node *n)
{
    return n->signer && n->signer->fd >= 0;
}

enum weft_err wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret)
{
    if (!n->signer)
        return WEFT_E_STATE;
    *ret = wf_buf_view(&n->signer->cert);
    return WEFT_OK;
}

// A half-read answer would be taken for the next one's: the pipe is not used again. A process that NNG runs in can't fork another signer.
static void lose(struct wf_node *n)
{
    struct wf_signer *s = n->signer;

    if (s->gone.fd >= 0)
        wf_loop_unwatch(n->loop, &s->gone);
    s->gone.fd = -1;
    close(s->fd);
    s->fd = -1;
    wf_alarm(n, "signer",
        "the signer process is gone: no certificates, tokens or homes until a restart");
}

static void on_gone(struct wf_watch *w, uint32_t events)
{
    (void)events;
    lose(((struct wf_signer *)(void *)w)->node);
}

// ---- asking ----------------------------------------------------------------------------------------------------------

static enum weft_err ask(struct wf_node *n, char op, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_signer *s = n->signer;
    struct wf_buf answer = { 0 };

    if (!s || s->fd < 0)
        return s ? WEFT_E_UNREACHABLE : WEFT_E_STATE;
    enum weft_err err = wf_signer_send(s->fd, (uint32_t)(unsigned char)op, body);
    uint32_t code = 0;
    if (!err)
        err = wf_signer_receive(s->fd, WF_SIGNER_WAIT_MS, &code, &answer);
    if (err) {
        lose(n);
        err = WEFT_E_UNREACHABLE;
    } else if (code) {
        err = (enum weft_err)code;
    } else {
        err = wf_buf_append(out, wf_buf_view(&answer));
    }
    wf_buf_fini(&answer);
    return err;
}

enum weft_err wf_signer_issue(struct wf_node *n, const struct wf_cert *fields, struct wf_buf *out)
{
    return ask(n, WF_SIGNER_CERT, wf_bytes(fields, sizeof *fields), out);
}

enum weft_err wf_signer_home(struct wf_node *n, const struct wf_home_fields *f, struct wf_buf *out)
{
    struct wf_signer_home h = {
        .mesh_id = f->mesh_id, .term = f->term, .sequence = f->sequence, .expires_ms = f->expires_ms
    };
    enum weft_err err = wf_name_from(wf_bytes_str(f->domain), &h.domain);

    if (!err)
        err = wf_name_from(wf_bytes_str(f->product), &h.product);
    if (!err)
        err = wf_name_from(wf_bytes_str(f->node), &h.node);
    return err ? err : ask(n, WF_SIGNER_HOME, wf_bytes(&h, sizeof h), out);
}

enum weft_err wf_signer_grant(struct wf_node *n, const struct wf_block *fields, struct wf_buf *out)
{
    struct wf_buf proposal = { 0 };

    if (!n->signer)
        return WEFT_E_STATE;
    enum weft_err err = wf_token_grant(
        fields, wf_buf_view(&n->signer->proposal_cert), &n->signer->proposal, &proposal);
    if (!err)
        err = ask(n, WF_SIGNER_TOKEN, wf_buf_view(&proposal), out);
    wf_buf_fini(&proposal);
    return err;
}

enum weft_err wf_signer_revocations(
    struct wf_node *n, const struct wf_revocations *fields, struct wf_buf *out)
{
    struct wf_revocations f = *fields;
    struct wf_buf proposal = { 0 };

    if (!n->signer)
        return WEFT_E_STATE;
    f.issuer_raw = wf_buf_view(&n->signer->proposal_cert);
    enum weft_err err = wf_revocations_sign(&f, &n->signer->proposal, &proposal);
    if (!err)
        err = ask(n, WF_SIGNER_REVOCATIONS, wf_buf_view(&proposal), out);
    wf_buf_fini(&proposal);
    return err;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static enum weft_err read_issuer(struct wf_node *n, const char *name, enum wf_file_trust trust,
    struct wf_buf *ret, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(n->conf->data, name, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_CERT + 4096, trust, ret, diag);
    free(path);
    return err;
}

// A key never certifies itself, so even a throw-away issuer needs a root: one that nobody keeps.
static enum weft_err make_proposal_issuer(struct wf_signer *s, const struct wf_cert *issuer)
{
    struct wf_cert c = *issuer;
    struct wf_secret root = { 0 };
    struct wf_sign_pub root_pub;
    enum weft_err err = wf_sign_keygen(&s->proposal, &c.sign_key);

    if (!err)
        err = wf_sign_keygen(&root, &root_pub);
    if (!err)
        err = wf_cert_issue(&c, &root, &s->proposal_cert);
    wf_secret_fini(&root);
    return err;
}

static enum weft_err fork_child(struct wf_node *n, struct wf_signer_child *child)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return WEFT_E_IO;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        wf_keys_fini(&n->core->dir->keys); // the node's are not its business
        if (!wf_secret_lock(&child->keys.sign))
            fprintf(stderr,
                "level=warn room=signer msg=\"the issuer's key is not in locked memory; "
                "raise RLIMIT_MEMLOCK\"\n");
        wf_signer_child_main(child, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return WEFT_E_IO;
    }
    n->signer->fd = pair[0];
    n->signer->child = pid;
    return WEFT_OK;
}

static enum weft_err signer_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_signer_child child = { 0 };
    struct wf_buf file = { 0 };

    if (!n->conf->issuer)
        return WEFT_OK;
    n->signer = calloc(1, sizeof *n->signer);
    if (!n->signer)
        return WEFT_E_NOMEM;
    n->signer->node = n;
    n->signer->fd = n->signer->gone.fd = -1;
    enum weft_err err = read_issuer(n, "identity/issuer.key", WF_FILE_SECRET, &file, diag);
    if (!err)
        err = wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &child.keys);
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    if (!err)
        err = read_issuer(n, "identity/issuer.cert", WF_FILE_OWNED, &n->signer->cert, diag);
    if (!err)
        err = wf_cert_open(wf_buf_view(&n->signer->cert), &child.issuer);
    if (!err && memcmp(child.issuer.sign_key.b, child.keys.sign_pub.b, WF_KEY_LEN) != 0)
        err = WEFT_E_KEY;
    child.cert = wf_buf_view(&n->signer->cert);
    if (!err)
        err = fork_child(n, &child);
    if (!err)
        err = make_proposal_issuer(n->signer, &child.issuer);
    wf_keys_fini(&child.keys); // from here on only the child has it
    if (err && diag && !diag->text[0])
        wf_diag_set(diag, 0, 0, "%s/identity/issuer.*: %s", n->conf->data, weft_err_text(err));
    return err;
}

// An idle signer that dies is told of at once, not at the next certificate.
static enum weft_err signer_start(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_signer *s = n->signer;

    if (!s || s->fd < 0)
        return WEFT_OK;
    s->gone = (struct wf_watch){ .ready = on_gone, .fd = s->fd };
    enum weft_err err = wf_loop_watch(n->loop, &s->gone, EPOLLRDHUP);
    if (err) {
        s->gone.fd = -1;
        wf_diag_set(diag, 0, 0, "signer: %s", weft_err_text(err));
    }
    return err;
}

static void signer_close(struct wf_node *n)
{
    struct wf_signer *s = n->signer;

    if (!s)
        return;
    if (s->gone.fd >= 0)
        wf_loop_unwatch(n->loop, &s->gone);
    if (s->fd >= 0)
        close(s->fd); // the child reads its end and leaves
    if (s->child > 0)
        waitpid(s->child, NULL, 0);
    wf_secret_fini(&s->proposal);
    wf_buf_fini(&s->proposal_cert);
    wf_buf_fini(&s->cert);
    free(s);
    n->signer = NULL;
}

const struct wf_room wf_signer_room = {
    .name = "signer", .open = signer_open, .start = signer_start, .close = signer_close
};
