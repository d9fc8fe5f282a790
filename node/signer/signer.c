// SPDX-License-Identifier: Apache-2.0
// The parent's side. Certificates, homes and moves are plain values and travel as such between two copies of one program; tokens and revocation
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
#include "node/metrics.h"
#include "node/signer/keeper.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

struct wf_signer {
    struct wf_watch gone;  // first: the pipe's end
    struct wf_watch kept;  // the keeper's word or end
    struct wf_timer again; // a new signer is asked for
    struct wf_node *node;
    int fd, keeper_fd; // -1: gone
    pid_t keeper;
    unsigned deaths; // in a row
    uint64_t starts;
    int64_t since_ms;          // the signer runs
    struct wf_buf cert;        // the issuer's certificate envelope
    struct wf_secret proposal; // the throw-away issuer's key
    struct wf_buf proposal_cert;
};

bool wf_signer_here(const struct wf_node *n)
{
    return n->signer != NULL;
}

enum weft_err wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret)
{
    if (!n->signer)
        return WEFT_E_STATE;
    *ret = wf_buf_view(&n->signer->cert);
    return WEFT_OK;
}

// ---- a signer that dies ----------------------------------------------------------------------------------------------

static void lose(struct wf_node *n);

static void on_gone(struct wf_watch *w, uint32_t events)
{
    (void)events;
    lose(((struct wf_signer *)(void *)w)->node);
}

static struct wf_signer *of_timer(struct wf_timer *t)
{
    return (struct wf_signer *)(void *)((char *)t - offsetof(struct wf_signer, again));
}

static struct wf_signer *of_kept(struct wf_watch *w)
{
    return (struct wf_signer *)(void *)((char *)w - offsetof(struct wf_signer, kept));
}

// Without its keeper no further signer comes; one that runs goes with it.
static void lose_keeper(struct wf_signer *s)
{
    if (s->kept.fd >= 0)
        wf_loop_unwatch(s->node->loop, &s->kept);
    s->kept.fd = -1;
    wf_timer_cancel(s->node->loop, &s->again);
    close(s->keeper_fd);
    s->keeper_fd = -1;
    wf_alarm(s->node, "signer",
        "the signer and its keeper are gone: no certificates, tokens, homes or lists until weftd "
        "is "
        "restarted");
}

static void ask_keeper(struct wf_timer *t)
{
    struct wf_signer *s = of_timer(t);

    if (wf_signer_keeper_ask(s->keeper_fd))
        lose_keeper(s);
}

// An idle signer that dies is told of at once, not at the next certificate.
static enum weft_err take_up(struct wf_signer *s, int fd)
{
    s->fd = fd;
    s->starts++;
    s->since_ms = wf_node_now_ms(s->node);
    s->gone = (struct wf_watch){ .ready = on_gone, .fd = fd };
    enum weft_err err = wf_loop_watch(s->node->loop, &s->gone, EPOLLRDHUP);
    if (err)
        s->gone.fd = -1;
    return err;
}

static void start_later(struct wf_signer *s)
{
    int64_t now = wf_node_now_ms(s->node);

    if (s->since_ms && now - s->since_ms >= WF_SIGNER_STEADY_MS)
        s->deaths = 0;
    s->deaths++;
    s->since_ms = 0;
    if (s->keeper_fd < 0)
        return;
    wf_alarm(s->node, "signer",
        "the signer process is gone: no certificates, tokens, homes or lists until a new one runs, "
        "which is being started");
    s->again.fire = ask_keeper;
    if (wf_timer_set(s->node->loop, &s->again, now + wf_signer_backoff_ms(s->deaths)))
        ask_keeper(&s->again);
}

// A half-read answer would be taken for the next one's: the pipe is not used again.
static void lose(struct wf_node *n)
{
    struct wf_signer *s = n->signer;

    if (s->gone.fd >= 0)
        wf_loop_unwatch(n->loop, &s->gone);
    s->gone.fd = -1;
    close(s->fd);
    s->fd = -1;
    start_later(s);
}

static void on_kept(struct wf_watch *w, uint32_t events)
{
    struct wf_signer *s = of_kept(w);
    int fd = -1;
    enum weft_err err = wf_signer_keeper_take(s->keeper_fd, 0, &fd);

    (void)events;
    if (err == WEFT_E_TIMEOUT)
        return;
    if (err == WEFT_E_CLOSED) {
        lose_keeper(s);
        return;
    }
    if (!err)
        err = take_up(s, fd);
    if (err && s->fd >= 0)
        lose(s->node);
    else if (err)
        start_later(s);
    else
        wf_alarm(s->node, "signer", NULL);
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

enum weft_err wf_signer_move(struct wf_node *n, const struct wf_move *fields, struct wf_buf *out)
{
    return ask(n, WF_SIGNER_MOVE, wf_bytes(fields, sizeof *fields), out);
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

static enum weft_err fork_keeper(struct wf_node *n, struct wf_signer_child *child)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return WEFT_E_IO;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        wf_keys_fini(&n->core->dir->keys); // the node's are not its business
        wf_signer_keeper_main(child, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return WEFT_E_IO;
    }
    n->signer->keeper_fd = pair[0];
    n->signer->keeper = pid;
    enum weft_err err = wf_signer_keeper_ask(pair[0]);
    return err ? err : wf_signer_keeper_take(pair[0], WF_SIGNER_START_MS, &n->signer->fd);
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
    n->signer->keeper_fd = n->signer->kept.fd = -1;
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
        err = fork_keeper(n, &child);
    if (!err)
        err = make_proposal_issuer(n->signer, &child.issuer);
    wf_keys_fini(&child.keys); // from here on only keeper and signer have it
    if (err && diag && !diag->text[0])
        wf_diag_set(diag, 0, 0, "%s/identity/issuer.*: %s", n->conf->data, weft_err_text(err));
    return err;
}

static enum weft_err signer_start(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_signer *s = n->signer;

    if (!s || s->fd < 0)
        return WEFT_OK;
    s->kept = (struct wf_watch){ .ready = on_kept, .fd = s->keeper_fd };
    enum weft_err err = wf_loop_watch(n->loop, &s->kept, EPOLLIN);
    if (err)
        s->kept.fd = -1;
    else
        err = take_up(s, s->fd);
    if (err)
        wf_diag_set(diag, 0, 0, "signer: %s", weft_err_text(err));
    return err;
}

static void signer_close(struct wf_node *n)
{
    struct wf_signer *s = n->signer;

    if (!s)
        return;
    if (s->gone.fd >= 0)
        wf_loop_unwatch(n->loop, &s->gone);
    if (s->kept.fd >= 0)
        wf_loop_unwatch(n->loop, &s->kept);
    if (n->loop)
        wf_timer_cancel(n->loop, &s->again);
    if (s->fd >= 0)
        close(s->fd);
    if (s->keeper_fd >= 0)
        close(s->keeper_fd); // the keeper reads its end, ends the signer and leaves
    if (s->keeper > 0)
        waitpid(s->keeper, NULL, 0);
    wf_secret_fini(&s->proposal);
    wf_buf_fini(&s->proposal_cert);
    wf_buf_fini(&s->cert);
    free(s);
    n->signer = NULL;
}

static void signer_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    if (!n->signer)
        return;
    wf_metric(m, WF_METRIC_SIGNER_UP, n->signer->fd >= 0);
    wf_metric(m, WF_METRIC_SIGNER_STARTS, (double)n->signer->starts);
}

const struct wf_room wf_signer_room = { .name = "signer",
    .open = signer_open,
    .start = signer_start,
    .close = signer_close,
    .metrics = signer_metrics };
