// SPDX-License-Identifier: Apache-2.0
// Worker threads for what would hold up the loop: reading from disk, hashing, verifying, SQL. Owns the queue of jobs; a job is
// embedded in what it works on, so submitting allocates nothing. Live jobs go before control, control before repair; repair never
// takes the last of several workers, so that what is long (a stranger's SQL) never keeps what is short waiting.
// Invariant: an accepted job's `done` runs exactly once, on the loop's thread. Handing over costs more than small work does: callers
// keep that inline.
// Thread rule: the loop's thread only; `work` runs on a worker.
#ifndef WF_NODE_POOL_H
#define WF_NODE_POOL_H

#include "node/node.h"
#include "sdk/loop/loop.h"

struct wf_pool;

struct wf_job {
    void (*work)(
        struct wf_job *j); // on a worker: touches only what the job owns or what never changes
    // On the loop's thread: OK when it worked; CANCELLED: it did not, or nobody wants it any more. It may submit again or free the job.
    void (*done)(struct wf_job *j, enum weft_err err);
    enum wf_mail_class class
        ; // live: batches coming in; control: a bounded answer that is waited for; repair: what may take long
    size_t bytes; // what it keeps alive until done
    // The pool's.
    struct wf_job *next;
    bool ran;
};

struct wf_pool_conf {   // zero = the default in brackets
    unsigned workers;   // [one a core of this process's], at most that many
    unsigned max_count; // jobs of a class between submit and done [1024]
    size_t max_bytes;   // what those keep alive [64 MiB]; one job alone may exceed it
};

struct wf_pool_stats {
    unsigned workers, busy;
    unsigned max_count; // of a class
    size_t max_bytes;
    struct {
        size_t count, bytes; // between submit and done
        uint64_t accepted, refused;
    } of[WF_MAIL_CLASSES];
};

WF_MUST_USE enum weft_err wf_pool_new(
    struct wf_loop *l, const struct wf_pool_conf *conf, struct wf_pool **ret);
// FULL: the class has no room; CLOSED: after wf_pool_stop, or p is NULL. The job stays the caller's.
WF_MUST_USE enum weft_err wf_pool_submit(struct wf_pool *p, struct wf_job *j);
void wf_pool_get_stats(struct wf_pool *p, struct wf_pool_stats *ret);
// Ends what waits with CANCELLED, waits for what runs, and calls done for all of it before it returns: no job is left. Nothing is
// accepted any more.
void wf_pool_stop(struct wf_pool *p);
// Stops, too. Before the loop is freed. NULL is permitted.
void wf_pool_free(struct wf_pool *p);

// Starts the node's pool: after everything that forks. wf_pool_stop comes before the first room closes (life.c).
extern const struct wf_room wf_pool_room;

#endif
