// SPDX-License-Identifier: Apache-2.0
// The home of servers/readings for tests of readers and publishers, on top of support/fakemesh: a log of signed batches by two agents,
// epochs, frames and heartbeats over a real PUB socket, leases, range, pull, position; and the receiving end of PUBLISH and POLL. A thread
// of its own sends a heartbeat every 100 ms. Every function may be called from the test's thread.
#ifndef WF_TESTS_FAKEHOME_H
#define WF_TESTS_FAKEHOME_H

#include <pthread.h>

#include "proto/stream/chain.h"
#include "proto/stream/entry.h"
#include "proto/stream/frame.h"
#include "proto/stream/heartbeat.h"
#include "sdk/net/net.h"
#include "tests/support/fakemesh.h"

#define WF_HOME_ORIGINS 2u
#define WF_HOME_ENTRIES 4096u
#define WF_HOME_RECORDS 65536u

struct wf_home_entry {
    struct wf_buf packed;
    struct wf_incarnation log_id;
    uint64_t offset, end;
    bool reset;
};

struct wf_fakehome {
    struct wf_fakemesh *m;
    pthread_mutex_t mutex;
    pthread_t thread;
    bool ending;
    struct wf_hash product_id, schema;
    struct wf_home_origin {
        struct wf_secret key;
        struct wf_sign_pub pub;
        struct wf_hash cert;
        struct wf_incarnation incarnation;
        uint64_t seq;
        struct wf_hash last;
    } origins[WF_HOME_ORIGINS];
    struct wf_home_entry log[WF_HOME_ENTRIES];
    size_t count;
    struct wf_incarnation log_id;
    uint64_t old_ends[16];
    unsigned logs;
    uint64_t head, floor;
    struct wf_hash head_hash;
    struct wf_net_pub *pub;
    uint16_t port;
    struct wf_secret key, next_key;
    uint64_t epoch;
    struct wf_frame_sealer sealer;
    // What goes wrong.
    atomic_bool mute;             // no frames at all
    atomic_int drop;              // so many next frames are lost
    atomic_int refuse_lease;      // code
    atomic_llong lease_ms;        // 0: ten minutes
    atomic_bool forget;           // every lease id is unknown, once
    atomic_bool busy_ranges;      // every RANGE is refused
    atomic_int hold_after_pull;   // this PULL is answered, and what is asked behind it is held
    atomic_int refuse_reads;      // code: every RANGE and PULL is refused with it
    atomic_bool no_stream;        // leases without an endpoint
    atomic_bool knows_lost;       // a log that begins below where one was says what went
    atomic_bool stopping;         // heartbeats say that the home ends
    atomic_bool stopped;          // heartbeats say so
    atomic_bool wrong_commitment; // leases carry one of another key
    atomic_int leases, ranges, pulls, positions; // counted
    atomic_int given_back, replaced;             // leases
    // PUBLISH
    uint64_t mark;
    uint8_t publisher[16];
    struct wf_buf seen[WF_HOME_RECORDS]; // by publisher sequence
    atomic_int take_first;               // so many are taken before refusals begin
    atomic_int refuse_publish;           // so many next ones, with publish_code
    atomic_int publish_code;
    atomic_bool drops;       // the product says so
    atomic_uint batch_bytes; // as it does this
    uint64_t dropped;        // as publishers said
    atomic_bool lose_reply;  // takes the next records and answers as if it were full
    atomic_int published;    // requests
    atomic_bool then_hold;   // the next one is answered, and those behind it are held
    atomic_size_t largest;   // bytes of records in one of them
    // POLL: tasks to hand out, answers received
    atomic_int tasks;
    char task_method[32];
    struct wf_buf task_request, answer;
    char answer_error[200];
    atomic_int answers, answer_code;
};

void wf_fakehome_init(struct wf_fakehome *h, struct wf_fakemesh *m);
void wf_fakehome_fini(struct wf_fakehome *h);
// One batch of readings by that agent: stations "<agent>-<seq>". Appended and, unless the stream is mute, sent.
void wf_fakehome_append(struct wf_fakehome *h, unsigned origin, uint32_t count);
// A batch that its origin has lost.
void wf_fakehome_append_loss(struct wf_fakehome *h, unsigned origin, uint32_t count);
// The home starts anew; its last `lost` entries were not on disk, and their origins send them again (to be appended by the caller:
// their chains go back).
void wf_fakehome_restart(struct wf_fakehome *h, size_t lost);
// The home's log is put back from a copy of its first `keep` entries: what came later is gone, and so are the logs that began later. Origins
// go on where they were.
void wf_fakehome_put_back(struct wf_fakehome *h, size_t keep);
// A new epoch key at once. told: leases learn it; the old one is gone.
void wf_fakehome_rotate(struct wf_fakehome *h);
void wf_fakehome_drop_below(struct wf_fakehome *h, uint64_t floor);
// Sends these entries (by index in the log) again as one frame under the epoch key, as anybody who holds it could.
void wf_fakehome_send(struct wf_fakehome *h, size_t first, size_t count);
// A frame with an entry of a reader's making: the batch of an old entry in the place after the head.
void wf_fakehome_forge(struct wf_fakehome *h, size_t batch_of);

// fakehome_serve.c, and what it needs of fakehome.c.
Weft__V1__ProductDescriptor *wf_fakehome_descriptor(
    struct wf_fakehome *h, const struct wf_fake_call *c, const char *product);
void wf_fakehome_publish(
    struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply);
void wf_fakehome_poll(struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply);
void wf_fakehome_answer(
    struct wf_fakehome *h, const struct wf_fake_call *c, Weft__V1__Reply *reply);

#endif
