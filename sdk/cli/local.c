// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/local.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "sdk/disk.h"
#include "sdk/net/net.h"

char *wf_local_socket(const struct wf_cli *cli, const char *node)
{
    const char *env = getenv("WEFT_SOCKET");
    const char *dir = node ? node : cli->dir ? cli->dir : getenv("WEFT_DIR");
    char *path = NULL;
    enum weft_err err = WEFT_E_NOT_FOUND;

    if (!node && cli->socket)
        err = wf_bytes_strdup(wf_bytes_str(cli->socket), &path);
    else if (!node && !cli->dir && env && env[0])
        err = wf_bytes_strdup(wf_bytes_str(env), &path);
    else if (dir)
        err = wf_disk_join(dir, "run/weftd.sock", &path);
    if (err)
        err = wf_bytes_strdup(WF_STR("/run/weft/weftd.sock"), &path);
    return err ? NULL : path;
}

bool wf_local_is_up(const struct wf_cli *cli, const char *node)
{
    char *path = wf_local_socket(cli, node);
    bool up = path && access(path, F_OK) == 0;

    // A socket file may be what a killed weftd left: only an answer counts.
    if (up) {
        struct wf_net *net = NULL;
        struct wf_net_peer *peer = NULL;
        char where[WF_MAX_ADDR];
        snprintf(where, sizeof where, "ipc:%s", path);
        struct wf_net_peer_conf conf = { .where = where, .connect_ms = 2000 };
        struct wf_net_conf net_conf = { .watch_ms = -1 };
        up = !wf_net_new(&net_conf, &net) && !wf_net_peer_new(net, &conf, &peer) &&
             !wf_net_peer_wait(peer);
        wf_net_peer_free(peer);
        if (net)
            wf_net_free(net);
    }
    free(path);
    return up;
}

// Why an exchange failed.
struct trouble {
    char *text;
    size_t len;
    enum weft_err err;
};

__attribute__((format(printf, 3, 4))) static int say(
    struct trouble *t, enum weft_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(t->text, t->len, format, args);
    va_end(args);
    t->err = err;
    return weft_err_exit(err);
}

// NNG says "unreachable" for every reason; the file tells which.
static int no_answer(const char *path, enum weft_err err, struct trouble *t)
{
    int why = access(path, R_OK | W_OK) == 0 ? 0 : errno;

    if (why == EACCES || why == EPERM)
        return say(t, WEFT_E_PERMISSION,
            "%s belongs to another user: user %u may not open it; run weft as the user of that "
            "weftd, or let its administrator open the directory and name you under local: in "
            "weftd.yaml",
            path, (unsigned)geteuid());
    if (why)
        return say(t, err,
            "no weftd answers at %s (%s); is it running, and is --dir or --socket right?", path,
            why == ENOENT ? "there is no such socket" : strerror(why));
    return say(t, err,
        "no weftd answers at %s, though its socket is there (%s): it was killed, or it hangs; look "
        "at its log, or start it again",
        path, weft_err_text(err));
}

static int exchange(const char *path, struct wf_bytes packed, unsigned timeout_ms,
    struct wf_net_msg **ret, struct trouble *t)
{
    struct wf_net *net = NULL;
    struct wf_net_peer *peer = NULL;
    struct wf_net_msg *msg = NULL;
    char where[WF_MAX_ADDR];
    struct wf_net_conf net_conf = { .watch_ms = -1 };

    if (snprintf(where, sizeof where, "ipc:%s", path) >= (int)sizeof where)
        return say(t, WEFT_E_TOO_BIG, "%s: the socket's path is too long", path);
    struct wf_net_peer_conf conf = { .where = where, .connect_ms = 3000 };
    enum weft_err err = wf_net_new(&net_conf, &net);
    if (!err)
        err = wf_net_peer_new(net, &conf, &peer);
    if (!err)
        err = wf_net_peer_wait(peer);
    if (err) {
        wf_net_peer_free(peer);
        if (net)
            wf_net_free(net);
        return no_answer(path, err, t);
    }
    err = wf_net_msg_from(packed, &msg);
    if (!err)
        err = wf_net_request(peer, msg, timeout_ms, ret, NULL);
    wf_net_peer_free(peer);
    wf_net_free(net);
    return err ? say(t, err, "weftd at %s: %s", path, weft_err_text(err)) : 0;
}

// The reply may be a refusal. On failure nothing is in the arena.
static int ask(const char *path, Weft__V1__Request *request, unsigned timeout_ms,
    struct wf_arena *arena, Weft__V1__Reply **ret, struct trouble *t)
{
    uint8_t key[16];
    struct wf_buf packed = { 0 };
    struct wf_net_msg *reply = NULL;

    wf_random(key, sizeof key);
    request->idempotency = wf_pb_bin(WF_BYTES(key));
    enum weft_err err = wf_pb_pack(request, &packed);
    int status = err ? say(t, err, "%s", weft_err_text(err))
                     : exchange(path, wf_buf_view(&packed),
                           timeout_ms ? timeout_ms : WF_REQUEST_DEADLINE_MS, &reply, t);
    if (!status) {
        wf_arena_init(arena, wf_pb_budget(wf_net_msg_len(reply)));
        err = wf_pb_unpack(
            &weft__v1__reply__descriptor, wf_net_msg_view(reply), WF_PB_STRICT, arena, ret);
        if (err) {
            status = say(t, err, "weftd's answer does not parse: %s (is it of another version?)",
                weft_err_text(err));
            wf_arena_fini(arena);
        }
    }
    wf_net_msg_free(reply);
    wf_wipe(packed.ptr, packed.len);
    wf_buf_fini(&packed);
    return status;
}

// Its options are what wf_local_ask has and the words. NOLINTNEXTLINE(readability-function-size)
int wf_local_try(const struct wf_cli *cli, const char *node, Weft__V1__Request *request,
    unsigned timeout_ms, struct wf_arena *arena, Weft__V1__Reply **ret, char *why, size_t why_len)
{
    struct trouble t = { why, why_len, WEFT_OK };
    char *path = wf_local_socket(cli, node);

    if (!path)
        return say(&t, WEFT_E_NOMEM, "out of memory");
    int status = ask(path, request, timeout_ms, arena, ret, &t);
    if (!status && (*ret)->refusal) {
        const Weft__V1__Refusal *r = (*ret)->refusal;
        status = say(&t, (enum weft_err)r->code, "refused: %s",
            r->text[0] ? r->text : weft_err_text((enum weft_err)r->code));
        wf_arena_fini(arena);
    }
    free(path);
    return status;
}

const Weft__V1__StatusReply *wf_local_status(const struct wf_cli *cli, struct wf_arena *arena)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest s = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    char why[128];

    q.kind_case = WEFT__V1__REQUEST__KIND_STATUS;
    q.status = &s;
    if (wf_local_try(cli, NULL, &q, 0, arena, &reply, why, sizeof why))
        return NULL;
    if (reply->kind_case == WEFT__V1__REPLY__KIND_STATUS)
        return reply->status;
    wf_arena_fini(arena);
    return NULL;
}

int wf_local_ask(const struct wf_cli *cli, const char *node, Weft__V1__Request *request,
    unsigned timeout_ms, struct wf_arena *arena, Weft__V1__Reply **ret)
{
    char why[512] = "";
    struct trouble t = { why, sizeof why, WEFT_OK };
    char *path = wf_local_socket(cli, node);

    if (!path)
        return wf_cli_fail(WEFT_E_NOMEM, "out of memory");
    int status = ask(path, request, timeout_ms, arena, ret, &t);
    free(path);
    if (status)
        return wf_cli_fail(t.err, "%s", why);
    if ((*ret)->refusal) {
        status = wf_cli_refused((*ret)->refusal, cli->command->name);
        wf_arena_fini(arena);
    }
    return status;
}

int wf_local_commit(
    const struct wf_cli *cli, const char *node, struct wf_bytes charter, uint64_t *ret_version)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__CharterRequest c = WEFT__V1__CHARTER_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;

    c.commit = wf_pb_bin(charter);
    q.kind_case = WEFT__V1__REQUEST__KIND_CHARTER;
    q.charter = &c;
    int status = wf_local_ask(cli, node, &q, 0, &arena, &reply);
    if (status)
        return status;
    if (reply->kind_case == WEFT__V1__REPLY__KIND_CHARTER)
        *ret_version = reply->charter->version;
    if (reply->kind_case == WEFT__V1__REPLY__KIND_CHARTER && !wf_cli_for_programs(cli))
        printf("charter version %llu is in force\n", (unsigned long long)reply->charter->version);
    wf_arena_fini(&arena);
    return 0;
}
