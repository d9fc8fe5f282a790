// SPDX-License-Identifier: Apache-2.0
// Publishing in a thread of its own, as opening and flushing may take as long as a node does not answer: numbered records in order, each once,
// by the marks of the local weftd. Owns the thread, the publisher and what was handed over. Invariant: a record is published under the
// number that it was handed over with, or not at all. Thread rule: all functions belong to one thread, which is not the sender's.
#ifndef WF_MONITORING_SENDER_H
#define WF_MONITORING_SENDER_H

#include <weft/weft.h>

#define WF_SENDER_QUEUE 256u

struct wf_sender_item {
    uint64_t n;
    enum weft_op op;
    int64_t time_us;
    char *json; // malloc'd; NULL of snapshot marks
};

struct wf_sender_state {
    uint64_t acked; // below that the node has all
    size_t room;    // items that it takes now
    bool broken;    // what the node has is not what was handed over: begin anew under another key
    bool connected;
    char problem[320];
};

struct wf_sender;
// numbers: of what is handed over first, and of what was not drawn yet. IO, NOMEM.
WEFT_MUST_USE enum weft_err wf_sender_start(struct weft_client *c, const char *product,
    const uint8_t key[16], const uint64_t numbers[2], struct wf_sender **ret);
// Takes the item, whose number follows the last one's; false: there is no room, and it stays the caller's.
bool wf_sender_put(struct wf_sender *s, const struct wf_sender_item *item);
void wf_sender_look(struct wf_sender *s, struct wf_sender_state *ret);
// Waits for what is under way, a deadline at most. NULL is permitted.
void wf_sender_stop(struct wf_sender *s);

#endif
