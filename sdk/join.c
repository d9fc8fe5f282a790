// SPDX-License-Identifier: Apache-2.0
#include "sdk/join.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/link.h"
#include "sdk/loop/loop.h"

#define IDEMPOTENCY_LEN 16u

struct wf_join {
    struct wf_join_conf conf;
    char name[WF_MAX_NAME + 1];
    struct wf_link *link;
    size_t seed; // being tried
    uint8_t idempotency[IDEMPOTENCY_LEN];
    wf_join_fn done;
    void *arg;
};

// ---- what may be asked ----------------------------------------------------------------------------------------------

void wf_join_name_from(const char *text, char out[WF_MAX_NAME + 1])
{
    size_t len = 0;

    while (*text && *text != '.' && !isalnum((unsigned char)*text))
        text++;
    if (isdigit((unsigned char)*text)) {
        out[len++] = 'n';
        out[len++] = '-';
    }
    for (const char *c = text; *c && *c != '.' && len < WF_MAX_NAME; c++)
        out[len++] = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
    while (len > 0 && out[len - 1] == '-')
        len--;
    out[len] = '\0';
}

void wf_join_host_name(char out[WF_MAX_NAME + 1])
{
    char text[256] = "";

    if (gethostname(text, sizeof text - 1) != 0)
        text[0] = '\0';
    wf_join_name_from(text, out);
}

enum weft_err wf_join_check_name(const struct wf_ticket *t, const char *name)
{
    if (t->name.s[0])
        return name[0] == '\0' || strcmp(name, t->name.s) == 0 ? WEFT_OK : WEFT_E_TICKET;
    if (!wf_name_is_valid(wf_bytes_str(name)))
        return WEFT_E_NAME;
    return strncmp(name, t->name_prefix.s, strlen(t->name_prefix.s)) == 0 ? WEFT_OK : WEFT_E_TICKET;
}

static enum weft_err check_start(
    const struct wf_join_conf *c, const char *name, struct wf_diag *diag)
{
    const struct wf_ticket *t = c->ticket;

    if (!c->dir->keys.sign.ptr || !c->dir->keys.dh.ptr) {
        wf_diag_set(diag, 0, 0, "%s holds no keys", c->dir->dir);
        return WEFT_E_KEY;
    }
    if (c->dir->has_mesh && !wf_hash_eq(&c->dir->mesh_id, &t->mesh_id)) {
        wf_diag_set(diag, 0, 0, "%s belongs to another mesh than the ticket; use a new directory",
            c->dir->dir);
        return WEFT_E_WRONG_MESH;
    }
    if (wf_loop_now_unix_ms(c->loop) >= t->expires_ms) {
        wf_diag_set(diag, 0, 0, "the ticket has expired; ask for a new one: weft ticket create");
        return WEFT_E_EXPIRED;
    }
    if (!t->name.s[0] && !name[0]) {
        wf_diag_set(diag, 0, 0, "the ticket leaves the name open: give one with --name");
        return WEFT_E_MISSING_FIELD;
    }
    enum weft_err err = wf_join_check_name(t, name);
    if (err == WEFT_E_TICKET && t->name.s[0])
        wf_diag_set(diag, 0, 0, "the ticket is for %s, not for %s", t->name.s, name);
    else if (err == WEFT_E_TICKET)
        wf_diag_set(diag, 0, 0, "the ticket is for names that begin with \"%s\", not for %s",
            t->name_prefix.s, name);
    else if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", name, weft_err_doc(err));
    return err;
}

// ---- what comes back ------------------------------------------------------------------------------------------------

// Whom the chain certifies: ours, as the ticket says. The charter it is judged by was verified from the pinned genesis on.
static enum weft_err check_identity(
    const struct wf_identity_dir *dir, const struct wf_ticket *t, const struct wf_identity *id)
{
    if (memcmp(id->cert.sign_key.b, dir->keys.sign_pub.b, WF_KEY_LEN) != 0 ||
        memcmp(id->cert.dh_key.b, dir->keys.dh_pub.b, WF_KEY_LEN) != 0)
        return WEFT_E_KEY;
    if (!wf_name_eq(&id->cert.domain, &t->domain))
        return WEFT_E_WRONG_DOMAIN;
    if (id->cert.kind != t->kind)
        return WEFT_E_KIND;
    return wf_join_check_name(t, id->cert.subject.s) ? WEFT_E_NAME : WEFT_OK;
}

// Opens every charter before the first is stored, so that a false answer leaves no trace.
static enum weft_err walk_charters(const struct wf_ticket *t, const struct wf_bytes *charters,
    size_t count, struct wf_charter **ret)
{
    struct wf_charter *c = NULL, *next = NULL;
    enum weft_err err = count == 0                   ? WEFT_E_MISSING_FIELD
                        : count > WF_MAX_CHARTER_RUN ? WEFT_E_TOO_BIG
                                                     : WEFT_OK;

    if (!err)
        err = wf_charter_open_genesis(charters[0], &t->mesh_id, &c);
    for (size_t i = 1; i < count && !err; i++) {
        err = wf_charter_open_next(charters[i], c, &next);
        if (err)
            break;
        wf_charter_free(c);
        c = next;
    }
    if (err) {
        wf_charter_free(c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

static enum weft_err store(struct wf_identity_dir *dir, const struct wf_ticket *t,
    const struct wf_bytes *charters, size_t count, struct wf_diag *diag)
{
    enum weft_err err = wf_identity_set_mesh(dir, &t->mesh_id, diag);

    for (size_t i = 0; i < count && !err; i++)
        err = wf_identity_add_charter(dir, charters[i], diag);
    if (!err)
        err = wf_identity_set_seeds(dir, t->seeds, t->seed_count, diag);
    return err;
}

enum weft_err wf_join_accept(struct wf_identity_dir *dir, const struct wf_ticket *t,
    const struct wf_bytes *charters, size_t charter_count, struct wf_bytes chain,
    int64_t now_unix_ms, struct wf_diag *diag)
{
    struct wf_charter *newest = NULL;
    struct wf_identity id;
    enum weft_err err = walk_charters(t, charters, charter_count, &newest);

    if (err) {
        wf_diag_set(diag, 0, 0, "the charters in the answer: %s", weft_err_text(err));
        return err;
    }
    err = wf_chain_verify(chain, newest, now_unix_ms, WF_CHAIN_STRICT, &id);
    if (!err)
        err = check_identity(dir, t, &id);
    wf_charter_free(newest);
    if (err) {
        wf_diag_set(diag, 0, 0, "the certificate in the answer: %s", weft_err_text(err));
        return err;
    }
    err = store(dir, t, charters, charter_count, diag);
    return err ? err : wf_identity_set_chain(dir, chain, now_unix_ms, diag);
}

// ---- the conversation -----------------------------------------------------------------------------------------------

static void try_seed(struct wf_join *j, enum weft_err last, const char *last_text);

static void end(struct wf_join *j, enum weft_err err, const char *text)
{
    wf_join_fn done = j->done;

    j->done = NULL;
    if (done)
        done(j->arg, err, text);
}

// The next seed may do better, unless this one has decided.
static void failed(struct wf_join *j, enum weft_err err, const Weft__V1__Reply *reply)
{
    char text[320];
    const char *at = j->conf.ticket->seeds[j->seed].address;
    bool decided = reply && reply->refusal && err != WEFT_E_STATE && err != WEFT_E_BUSY;

    if (reply && reply->refusal)
        snprintf(text, sizeof text, "%.200s refuses: %.100s", at,
            reply->refusal->text[0] ? reply->refusal->text : weft_err_text(err));
    else
        snprintf(text, sizeof text, "%.200s: %s", at, weft_err_text(err));
    if (decided) {
        end(j, err, text);
        return;
    }
    j->seed++;
    try_seed(j, err, text);
}

static void accept_reply(struct wf_join *j, const Weft__V1__JoinReply *r)
{
    struct wf_bytes *charters = calloc(r->n_charters ? r->n_charters : 1, sizeof *charters);
    struct wf_diag diag = { 0 };

    if (!charters) {
        end(j, WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM));
        return;
    }
    for (size_t i = 0; i < r->n_charters; i++)
        charters[i] = wf_pb_view(r->charters[i]);
    enum weft_err err = wf_join_accept(j->conf.dir, j->conf.ticket, charters, r->n_charters,
        wf_pb_view(r->chain), wf_loop_now_unix_ms(j->conf.loop), &diag);
    free(charters);
    end(j, err, err && !diag.text[0] ? weft_err_text(err) : diag.text);
}

static void on_joined(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_join *j = arg;

    if (!j->done)
        return;
    if (err)
        failed(j, err, reply);
    else if (reply->kind_case != WEFT__V1__REPLY__KIND_JOIN)
        failed(j, WEFT_E_PROTOCOL, NULL);
    else
        accept_reply(j, reply->join);
}

static enum weft_err ask(struct wf_join *j)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__JoinRequest m = WEFT__V1__JOIN_REQUEST__INIT;
    const struct wf_ticket *t = j->conf.ticket;
    const struct wf_keys *k = &j->conf.dir->keys;
    uint8_t proof[WF_HASH_LEN];

    wf_ticket_proof(wf_secret_view(&t->secret), t->id,
        WF_BYTES(wf_link_state(j->link)->handshake_hash), &k->sign_pub, &k->dh_pub, proof);
    m.ticket_id = wf_pb_bin(WF_BYTES(t->id));
    m.proof = wf_pb_bin(WF_BYTES(proof));
    m.sign_key = wf_pb_bin(WF_BYTES(k->sign_pub.b));
    m.dh_key = wf_pb_bin(WF_BYTES(k->dh_pub.b));
    m.name = wf_pb_str(j->name);
    q.idempotency = wf_pb_bin(WF_BYTES(j->idempotency));
    q.kind_case = WEFT__V1__REQUEST__KIND_JOIN;
    q.join = &m;
    return wf_link_request(j->link, &q, 0, on_joined, j);
}

static void on_open(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_join *j = arg;

    if (!j->done)
        return;
    if (!err)
        err = ask(j);
    if (err)
        failed(j, err, reply);
}

static enum weft_err dial(struct wf_join *j)
{
    const struct wf_seed *s = &j->conf.ticket->seeds[j->seed];
    struct wf_link_conf conf = { .loop = j->conf.loop,
        .net = j->conf.net,
        .mesh_id = j->conf.ticket->mesh_id,
        .keys = &j->conf.dir->keys,
        .address = s->address,
        .peer = s->dh_key,
        .version = j->conf.version };
    enum weft_err err = wf_link_new(&conf, &j->link);

    return err ? err : wf_link_open(j->link, on_open, j);
}

static void try_seed(struct wf_join *j, enum weft_err last, const char *last_text)
{
    struct wf_link *old = j->link;

    j->link = NULL;
    // Frees itself when the callback we may stand in has returned; nothing of it calls us any more.
    wf_link_free(old);
    if (j->seed >= j->conf.ticket->seed_count) {
        end(j, last, last_text);
        return;
    }
    enum weft_err err = dial(j);
    if (err)
        failed(j, err, NULL);
}

// ---- public ----------------------------------------------------------------------------------------------------------

enum weft_err wf_join_start(const struct wf_join_conf *conf, wf_join_fn done, void *arg,
    struct wf_join **ret, struct wf_diag *diag)
{
    const char *name = conf->name ? conf->name : "";
    struct wf_join *j = NULL;
    enum weft_err err = check_start(conf, name, diag);

    if (err)
        return err;
    j = calloc(1, sizeof *j);
    if (!j)
        return WEFT_E_NOMEM;
    j->conf = *conf;
    j->done = done;
    j->arg = arg;
    snprintf(j->name, sizeof j->name, "%s", name);
    wf_random(j->idempotency, sizeof j->idempotency);
    *ret = j; // before the first callback, which may come at once
    err = conf->ticket->seed_count ? dial(j) : WEFT_E_UNREACHABLE;
    if (err) {
        wf_diag_set(diag, 0, 0, "the ticket's first node: %s", weft_err_text(err));
        *ret = NULL;
        wf_join_free(j);
    }
    return err;
}

void wf_join_free(struct wf_join *j)
{
    if (!j)
        return;
    j->done = NULL;
    wf_link_free(j->link);
    free(j);
}
