// SPDX-License-Identifier: Apache-2.0
// A stolen weftd can ask this process to sign; it can't take the key away, can't have it sign for another domain, and can't make another
// issuer with it.
#include "node/signer/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/trust/product.h"

// ---- the pipe --------------------------------------------------------------------------------------------------------

static enum weft_err write_all(int fd, const uint8_t *p, size_t len)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WEFT_E_CLOSED;
        p += n;
        len -= (size_t)n;
    }
    return WEFT_OK;
}

enum weft_err wf_signer_send(int fd, uint32_t head, struct wf_bytes body)
{
    uint8_t fixed[8];

    if (body.len > WF_SIGNER_MAX)
        return WEFT_E_TOO_BIG;
    wf_store_be32(fixed, head);
    wf_store_be32(fixed + 4, (uint32_t)body.len);
    enum weft_err err = write_all(fd, fixed, sizeof fixed);
    return err ? err : write_all(fd, body.ptr, body.len);
}

static enum weft_err read_all(int fd, int wait_ms, uint8_t *p, size_t len)
{
    while (len) {
        struct pollfd pf = { .fd = fd, .events = POLLIN };
        int ready = poll(&pf, 1, wait_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready == 0 ? WEFT_E_TIMEOUT : WEFT_E_IO;
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WEFT_E_CLOSED;
        p += n;
        len -= (size_t)n;
    }
    return WEFT_OK;
}

enum weft_err wf_signer_receive(int fd, int wait_ms, uint32_t *ret_head, struct wf_buf *ret_body)
{
    uint8_t fixed[8];
    struct wf_buf body = { 0 };
    enum weft_err err = read_all(fd, wait_ms, fixed, sizeof fixed);

    if (err)
        return err;
    uint32_t len = wf_load_be32(fixed + 4);
    if (len > WF_SIGNER_MAX)
        return WEFT_E_TOO_BIG;
    err = wf_buf_reserve(&body, (size_t)len + 1);
    if (!err)
        err = read_all(fd, wait_ms, body.ptr, len);
    if (err) {
        wf_buf_fini(&body);
        return err;
    }
    body.len = len;
    *ret_head = wf_load_be32(fixed);
    *ret_body = body;
    return WEFT_OK;
}

// ---- what it signs ---------------------------------------------------------------------------------------------------

static bool ends_within(const struct wf_name *name)
{
    return memchr(name->s, '\0', sizeof name->s) && wf_name_is_valid(wf_bytes_str(name->s));
}

static enum weft_err sign_cert(
    const struct wf_signer_child *c, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_cert f;

    if (body.len != sizeof f)
        return WEFT_E_SYNTAX;
    memcpy(&f, body.ptr, sizeof f);
    if (!ends_within(&f.domain) || !ends_within(&f.subject) ||
        f.pattern_count > WF_MAX_CERT_PATTERNS)
        return WEFT_E_NAME;
    for (size_t i = 0; i < f.pattern_count; i++)
        if (!memchr(f.patterns[i].s, '\0', sizeof f.patterns[i].s))
            return WEFT_E_NAME;
    if (!wf_name_eq(&f.domain, &c->issuer.domain))
        return WEFT_E_WRONG_DOMAIN;
    if (f.kind == WF_ID_ISSUER)
        return WEFT_E_KIND; // only the root key makes issuers
    return wf_cert_issue(&f, &c->keys.sign, out);
}

static enum weft_err sign_home(
    const struct wf_signer_child *c, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_signer_home h;

    if (body.len != sizeof h)
        return WEFT_E_SYNTAX;
    memcpy(&h, body.ptr, sizeof h);
    if (!ends_within(&h.domain) || !ends_within(&h.product) || !ends_within(&h.node))
        return WEFT_E_NAME;
    if (!wf_name_eq(&h.domain, &c->issuer.domain))
        return WEFT_E_WRONG_DOMAIN;
    struct wf_home_fields f = { h.mesh_id, h.domain.s, h.product.s, h.node.s, h.term, h.sequence,
        h.expires_ms, c->cert };
    return wf_home_sign(&f, &c->keys.sign, out);
}

static enum weft_err sign_move(
    const struct wf_signer_child *c, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_move m;

    // A bool that is neither would be anything to the compiler.
    if (body.len != sizeof m || body.ptr[offsetof(struct wf_move, lost)] > 1)
        return WEFT_E_SYNTAX;
    memcpy(&m, body.ptr, sizeof m);
    if (!ends_within(&m.domain) || !ends_within(&m.product) || !ends_within(&m.from) ||
        !ends_within(&m.to))
        return WEFT_E_NAME;
    if (!wf_name_eq(&m.domain, &c->issuer.domain))
        return WEFT_E_WRONG_DOMAIN;
    return wf_move_sign(&m, c->cert, &c->keys.sign, out);
}

static enum weft_err sign_token(
    const struct wf_signer_child *c, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_token *t = NULL;
    enum weft_err err = wf_token_open(body, &t, NULL);

    if (!err && t->block_count != 1)
        err = WEFT_E_SYNTAX;
    if (!err && !wf_name_eq(&t->blocks[0].domain, &c->issuer.domain))
        err = WEFT_E_WRONG_DOMAIN;
    if (!err)
        err = wf_token_grant(&t->blocks[0], c->cert, &c->keys.sign, out);
    wf_token_free(t);
    return err;
}

static enum weft_err sign_revocations(
    const struct wf_signer_child *c, struct wf_bytes body, struct wf_buf *out)
{
    struct wf_revocations *r = NULL;
    enum weft_err err = wf_revocations_open(body, &r);

    if (!err && !wf_name_eq(&r->domain, &c->issuer.domain))
        err = WEFT_E_WRONG_DOMAIN;
    if (!err) {
        r->issuer_raw = c->cert;
        err = wf_revocations_sign(r, &c->keys.sign, out);
    }
    wf_revocations_free(r);
    return err;
}

enum weft_err wf_signer_answer(
    const struct wf_signer_child *c, uint32_t op, struct wf_bytes body, struct wf_buf *out)
{
    switch (op) {
    case WF_SIGNER_CERT:
        return sign_cert(c, body, out);
    case WF_SIGNER_HOME:
        return sign_home(c, body, out);
    case WF_SIGNER_MOVE:
        return sign_move(c, body, out);
    case WF_SIGNER_TOKEN:
        return sign_token(c, body, out);
    case WF_SIGNER_REVOCATIONS:
        return sign_revocations(c, body, out);
    default:
        return WEFT_E_REQUEST;
    }
}

// ---- the process -----------------------------------------------------------------------------------------------------

// Nothing but the pipe and stderr stays open, no new file or process can be made, and nobody may look into it.
static void confine(int fd)
{
    struct rlimit none = { 0, 0 };
    struct rlimit files = { (rlim_t)fd + 1, (rlim_t)fd + 1 };

    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "weftd-signer");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (int i = 3; i < 1024; i++)
        if (i != fd)
            close(i);
    setrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_NPROC, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_CORE, &none);
}

void wf_signer_child_main(const struct wf_signer_child *c, int fd)
{
    confine(fd);
    (void)wf_secret_lock(
        &c->keys.sign); // locks do not survive fork; its keeper has told where that is not possible
    for (;;) {
        struct wf_buf body = { 0 }, out = { 0 };
        uint32_t op = 0;
        enum weft_err err = wf_signer_receive(fd, -1, &op, &body);
        if (err)
            _exit(err == WEFT_E_CLOSED ? 0 : 1);
        err = wf_signer_answer(c, op, wf_buf_view(&body), &out);
        if (wf_signer_send(fd, (uint32_t)err, err ? wf_bytes(NULL, 0) : wf_buf_view(&out)))
            _exit(1);
        wf_buf_fini(&body);
        wf_buf_fini(&out);
    }
}
