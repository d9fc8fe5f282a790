// SPDX-License-Identifier: Apache-2.0
// Sources: programs under supervision whose stdout is JSON lines (docs/internals/sources.md). A spawner process, forked before NNG starts,
// starts them (each under its own user where configured) and reports their end; this side reads their pipes, turns lines into records and
// restarts with back-off. One that dies takes nothing else down. Also runs provider programs: request on stdin, answer on stdout.
// Loop thread only.
#ifndef WF_NODE_SOURCE_ROOM_H
#define WF_NODE_SOURCE_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_source_room; // opens (forks the spawner) before control

// Which source runs for which product: replaces what ran under that name. run_count 0 stops it.
struct wf_source_spec {
    const char *product;
    const char *const *run; // program and arguments
    size_t run_count;
    int64_t every_ms; // 0: it loops by itself and is restarted when it ends
    uint32_t major;
};
WF_MUST_USE enum weft_err wf_source_set(struct wf_node *n, const struct wf_source_spec *spec);
void wf_source_remove(struct wf_node *n, const char *product);
// A whole snapshot of the inventory now, if a source of it runs (SIGHUP).
void wf_source_snapshot(struct wf_node *n, const char *product);
// For status and agents' polls: arena-allocated.
size_t wf_source_states(struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret);

// One run of a provider program: bytes to stdin, stdout back, at most WF_MAX_CALL each way and deadline_ms of time; then it is ended.
// status: exit status, or 128 + signal. stderr's first line is error_text.
typedef void (*wf_run_fn)(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error_text);
struct wf_run_spec {
    const char *const *run; // program and arguments
    size_t run_count;
    const char *const
        *env;              // "NAME=value", besides what every program gets; NULL-ended, may be NULL
    struct wf_bytes input; // copied
    int64_t deadline_ms;   // monotonic
};
WF_MUST_USE enum weft_err wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg);
#define WF_RUN_NOT_STARTED 127 // as a shell has it
// What a status other than 0 says of the request: SYNTAX (65), TIMEOUT (75), else PROVIDER; and why, from the first line of standard error.
enum weft_err wf_run_error(int status, const char *error_text, char *out, size_t len);
// The owner of this run goes away: the program is killed and fn is not called.
void wf_source_forget(struct wf_node *n, const void *arg);

#endif
