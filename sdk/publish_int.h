// SPDX-License-Identifier: Apache-2.0
// What the files of a publisher share (sdk/publish*.c). Application threads pack records into the current batch under a short lock; the loop
// thread sends batches in order, from where they lie, a few at a time, and again after a failure until the node acknowledged them.
// Invariant: batches lie in the order of their sequences without a hole, and none is released before it was acknowledged.
#ifndef WF_SDK_PUBLISH_INT_H
#define WF_SDK_PUBLISH_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/schema/record.h"
#include "proto/stream/batch.h"
#include "sdk/client_int.h"

#define WF_PUB_LARGE     (64u * WF_KIB) // of such batches more may be under way
#define WF_PUB_GROWTH    8u // a batch grows to so many times its size while others wait to be sent
#define WF_PUB_ROOM      (512u * WF_KIB) // of a batch, its entry, its frame (ADR 36)
#define WF_PUB_HEAD      32u             // at most, of what a record has around its data
#define WF_PUB_SPARES    8u              // buffers kept for the batches to come
#define WF_PUB_QUEUE     (8u * WF_MIB)   // default of queue_bytes
#define WF_PUB_BLOCK_MS  10000u          // default of block_ms
#define WF_PUB_LINGER_US 1000u
#define WF_PUB_IN_FLIGHT 8u
// Of batches that were full, within so many bytes: a disk that takes long for a sync then has more to do in each.
#define WF_PUB_IN_FLIGHT_LARGE 16u
#define WF_PUB_IN_FLIGHT_BYTES (4u * WF_MIB)
// Of lingers up to here a tick reads the answers: that of the next one or, of short ones, one for those of four.
#define WF_PUB_PATIENCE_US 5000u
#define WF_PUB_TICKS       4u
#define WF_PUB_RETRY_MS    100
#define WF_PUB_RETRY_MAX   1000 // the node is on this machine: one that was restarted is found soon

struct wf_pub_batch {
    struct wf_pub_batch *next;
    struct wf_buf raw;
    int64_t base_us;
    uint64_t seq; // of its first record
    uint32_t count;
    bool sent, acked;
    struct weft_publisher *owner;
    unsigned lent; // loop thread: how often its records are on their way out
    bool patient;  // nobody waits for its answer
    bool lost;     // dropped: there are no records, but their numbers
    bool released; // and it is only kept for what is lent
};

struct weft_publisher {
    struct weft_client *c;
    atomic_uint refs;
    struct wf_name name;
    uint8_t id[WF_PUBLISHER_LEN];
    struct weft_product *product;
    uint64_t mark; // as the node told it when opening
    uint32_t linger_us;
    size_t target_bytes; // at which a batch leaves,
    size_t grown_bytes;  // and at which while others wait to be sent
    size_t queue_bytes;
    unsigned block_ms;
    bool is_inventory, drops;
    uint64_t dropped;

    pthread_mutex_t mutex;
    pthread_cond_t cond;       // room, acknowledgements, errors
    struct wf_records current; // records [current_seq, next_seq)
    uint64_t next_seq, current_seq, acked;
    struct wf_pub_batch *first, **last;
    size_t batch_bytes; // of all batches
    unsigned unsent;    // of them: not under way
    bool flushing;      // current leaves at once
    bool lingered;      // it is old enough to leave
    bool ticking;       // the linger's timer is set: a new batch needs no letter
    struct wf_buf spares[WF_PUB_SPARES];
    unsigned spare_count;
    enum weft_err err; // for good
    struct weft_problem problem;
    enum weft_err held_by; // why the node does not take what waits; OK once it does
    bool posted;           // the letter is on its way
    struct wf_mail mail;

    // loop thread
    struct wf_timer linger, retry;
    bool closed, waits_to_retry;
    unsigned in_flight;
    size_t in_flight_bytes;
    bool settled; // the node took a batch since the last failure: only then several go at once
    int64_t retry_ms;
};

// publish_send.c
void wf_pub_ref(struct weft_publisher *p);
void wf_pub_unref(struct weft_publisher *p);
// Lets the loop thread look. Call without the mutex.
void wf_pub_kick(struct weft_publisher *p);
void wf_pub_mail(struct wf_mail *m);
void wf_pub_drop(struct wf_mail *m);
void wf_pub_linger(struct wf_timer *t);
void wf_pub_retry(struct wf_timer *t);
// With the mutex held: does the answer find somebody awake at the next tick, and nobody waiting before it?
bool wf_pub_is_patient(const struct weft_publisher *p, const struct wf_pub_batch *b);
// How long that answer may lie unread: until the tick that reads it. 0: none comes.
uint32_t wf_pub_patience_us(const struct weft_publisher *p);
// The current records become a batch; with the mutex held.
WF_MUST_USE enum weft_err wf_pub_seal(struct weft_publisher *p);

#endif
