// SPDX-License-Identifier: Apache-2.0
// What a collector is: a name, a shape and one function that appends the rows of one moment to an wf_out. Collectors
// know neither intervals nor output; domains/common/source runs them. Invariant: on an error the rows are thrown away,
// so a collector never needs to take any back. Thread rule: one thread.
#ifndef WF_COMMON_COLLECTOR_H
#define WF_COMMON_COLLECTOR_H

#include "domains/common/out.h"

#define WF_PROBLEM_LEN 320u

// The moment being collected. `state` belongs to the collector, starts NULL and lives from sample to sample.
struct wf_collect {
    const char *root; // prefix of every path, "" for the running host
    int64_t now_unix_ms;
    struct wf_out *out;
    void *state;
    char problem
        [WF_PROBLEM_LEN]; // set together with an error: where and what; with WEFT_OK: what is left out
};

enum wf_collector_kind { WF_COLLECT_METRIC, WF_COLLECT_INVENTORY };

struct wf_collector {
    const char *name;
    enum wf_collector_kind kind;
    const char *message; // full name of the protobuf message of its rows
    unsigned every_s;    // unless --every says otherwise
    bool kernel_only;    // asks the kernel by netlink, so that a root has no meaning
    const char *help;
    enum weft_err (*collect)(struct wf_collect *c);
    void (*forget)(void *state); // releases the state; NULL where free() does
};

// Fills c->problem and gives err back, so that a collector may end with `return wf_problem(...)`.
__attribute__((format(printf, 3, 4))) enum weft_err wf_problem(
    struct wf_collect *c, enum weft_err err, const char *format, ...);
// Reads root + path; the problem names the path.
WEFT_MUST_USE enum weft_err wf_collect_file(
    struct wf_collect *c, const char *path, size_t max, struct wf_file *ret);
// The same for a file that a host may lack: what is absent or unreadable is empty. NOMEM only.
WEFT_MUST_USE enum weft_err wf_collect_optional(
    struct wf_collect *c, const char *path, struct wf_file *ret);

enum weft_err wf_collect_cpu(struct wf_collect *c);
void wf_collect_cpu_forget(void *state);
enum weft_err wf_collect_memory(struct wf_collect *c);
enum weft_err wf_collect_load(struct wf_collect *c);
enum weft_err wf_collect_filesystems(struct wf_collect *c);
enum weft_err wf_collect_disks(struct wf_collect *c);
enum weft_err wf_collect_interfaces(struct wf_collect *c);
enum weft_err wf_collect_hosts(struct wf_collect *c);
enum weft_err wf_collect_packages(struct wf_collect *c);
enum weft_err wf_collect_mounts(struct wf_collect *c);
enum weft_err wf_collect_sockets(struct wf_collect *c);
enum weft_err wf_collect_listening(struct wf_collect *c);
enum weft_err wf_collect_users(struct wf_collect *c);

#endif
