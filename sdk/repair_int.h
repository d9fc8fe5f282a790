// SPDX-License-Identifier: Apache-2.0
// What the files of the repair machine share: its state, and the step under way. Included by sdk/repair*.c only.
#ifndef WF_SDK_REPAIR_INT_H
#define WF_SDK_REPAIR_INT_H

#include "sdk/repair.h"

struct wf_repair_pending {
    uint32_t id; // 0 = free
    uint64_t from, to;
    struct wf_incarnation log_id; // when it was asked
    bool is_pull;
    int64_t asked_ms;
};

struct wf_repair {
    struct wf_repair_conf conf;
    enum wf_repair_mode mode;
    struct wf_incarnation log_id;
    uint64_t next;
    bool up, paused;              // a lease is there; the application has no room
    struct wf_repair_entry *held; // sorted by offset, no overlap, all of log_id
    size_t held_count, held_bytes;
    struct wf_repair_pending pending[WF_REPAIR_RANGES];
    uint32_t last_id;
    uint64_t head, floor; // of log_id, as far as known
    uint64_t told;    // the head of log_id that the home itself signed: so far records were there
    uint64_t claimed; // a head beyond it that unsigned places name, since claimed_ms; 0 = none
    int64_t claimed_ms;
    struct wf_repair_place older[WF_MAX_CURSOR_LOGS]; // read before log_id, newest last
    size_t older_count;
    uint64_t rumour;      // a higher head than the stream told, believed from rumour_at_ms on
    int64_t rumour_at_ms; // INT64_MAX = none
    bool heard;           // the stream, since the lease began or it fell silent
    int64_t heard_ms, due_beat_ms;
    int64_t retry_ms, retry_at_ms; // 0 = nothing is put off
    int64_t position_at_ms;        // when the next position is owed; INT64_MAX = none
    unsigned since_position;       // entries
    size_t bytes_since_position;
    bool silent;
    bool other_log; // something of another log was seen: the home must say how it follows ours
};

struct wf_repair_step_now {
    struct wf_repair *r;
    int64_t now;
    wf_repair_act_fn act;
    void *arg;
};

static inline bool wf_repair_same_log(
    const struct wf_repair *r, const struct wf_incarnation *log_id)
{
    return wf_incarnation_eq(&r->log_id, log_id);
}

// repair.c
void wf_repair_drop_item(struct wf_repair *r, struct wf_repair_entry *e);
void wf_repair_drop_held(struct wf_repair *r);
void wf_repair_forget_head(struct wf_repair *r, uint64_t head);
size_t wf_repair_held_at(
    const struct wf_repair *r, uint64_t offset); // the first that does not lie wholly before offset
void wf_repair_fall_back(struct wf_repair_step_now *s); // not live, for another reason than silence

// repair_order.c
void wf_repair_report_loss(
    struct wf_repair_step_now *s, uint64_t from, uint64_t to, enum weft_err code);
void wf_repair_deliver_held(struct wf_repair_step_now *s);
void wf_repair_enter_log(
    struct wf_repair_step_now *s, const struct wf_incarnation *log_id, uint64_t next);
// The home never had the log we read: it was rebuilt, or put back from a copy.
void wf_repair_unknown_log(struct wf_repair_step_now *s);
void wf_repair_leave_log(struct wf_repair *r, const struct wf_repair_place *place);
void wf_repair_meet_other_log(struct wf_repair_step_now *s);
void wf_repair_take_frame_entry(struct wf_repair_step_now *s, struct wf_repair_entry *e);
void wf_repair_take_asked_entry(
    struct wf_repair_step_now *s, struct wf_repair_entry *e, bool is_pull);

#endif
