// SPDX-License-Identifier: Apache-2.0
// Asking the local weftd: one blocking request over its socket. For administration; everything else goes through libweft.
#ifndef WF_CLI_LOCAL_H
#define WF_CLI_LOCAL_H

#include "proto/base/pb_v1.h"
#include "sdk/cli/problem.h"

// Where the local weftd listens: --socket, $WEFT_SOCKET, NODE/run/weftd.sock (node, else --dir), /run/weft/weftd.sock. Free it; NULL
// when memory ran out.
char *wf_local_socket(const struct wf_cli *cli, const char *node);
bool wf_local_is_up(const struct wf_cli *cli, const char *node);

// Sends one request (an idempotency key is added) and waits. On failure says why and returns the exit status; a refusal is such a
// failure, printed with its hint. On success 0: *ret lives in the arena.
int wf_local_ask(const struct wf_cli *cli, const char *node, Weft__V1__Request *request,
    unsigned timeout_ms, struct wf_arena *arena, Weft__V1__Reply **ret);
// The same, but says nothing: why it failed goes to `why`. For who asks again and again.
int wf_local_try(const struct wf_cli *cli, const char *node, Weft__V1__Request *request,
    unsigned timeout_ms, struct wf_arena *arena, Weft__V1__Reply **ret, char *why, size_t why_len);
// The local weftd's status, lives in the arena; NULL (and an arena that needs no fini) when nobody answers. For hints, which may fail.
const Weft__V1__StatusReply *wf_local_status(const struct wf_cli *cli, struct wf_arena *arena);
int wf_local_commit(
    const struct wf_cli *cli, const char *node, struct wf_bytes charter, uint64_t *ret_version);

// Takes a charter file's envelope into a node: by its weftd when that runs, else into its directory. Both say to people what is in force
// then; to programs the caller does, by the version.
int wf_charter_install(
    struct wf_cli *cli, const char *node, struct wf_bytes envelope, uint64_t *ret_version);

int wf_cmd_node_status(struct wf_cli *cli, int argc, char **argv);

#endif
