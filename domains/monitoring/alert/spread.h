// SPDX-License-Identifier: Apache-2.0
// Alerts as the product DOMAIN/alerts: what of an alert is worth a record, the records in the order of the changes, numbered and in the book before
// they leave, so that each is published once whatever dies. Owns what the book does not have yet, and the sender. A book or a node that
// takes nothing holds up nobody; what can't be kept is counted and told, and a snapshot of all makes up for it. Invariant: a number is
// given in the transaction that keeps its record. Thread rule: one owner.
#ifndef WF_MONITORING_SPREAD_H
#define WF_MONITORING_SPREAD_H

#include "domains/monitoring/alert/book.h"

#define WF_SPREAD_PENDING 50000u  // records that the book does not take yet
#define WF_SPREAD_KEPT    100000u // records that the node does not take yet

struct wf_spread;
// monitor: "domain/subject" of who judges. NULL without memory.
struct wf_spread *wf_spread_new(const char *monitor);
// Stops the sender.
void wf_spread_free(struct wf_spread *s);

// From now on as this product of the local node's domain; "": not at all. An error of the book.
WEFT_MUST_USE enum weft_err wf_spread_use(
    struct wf_spread *s, struct wf_book *b, struct weft_client *c, const char *product);
// An alert that fired or was resolved. True: there is something to write.
bool wf_spread_note(
    struct wf_spread *s, struct wf_alert *a, const struct wf_silence *silence, int64_t now_ms);
// One that is forgotten.
bool wf_spread_forget(struct wf_spread *s, const struct wf_alert *a, int64_t now_ms);

struct wf_spread_view {
    struct wf_alerts *alerts;
    const struct wf_silence *silences;
    size_t silence_count;
    int64_t now_ms;
};
// What people said, what time did, and the snapshot that is due. About every second.
bool wf_spread_look(struct wf_spread *s, const struct wf_spread_view *v);

// In the transaction of the alerts; and after it was committed.
WEFT_MUST_USE enum weft_err wf_spread_write(struct wf_spread *s, struct wf_book *b);
void wf_spread_written(struct wf_spread *s);
// Hands over what the book has and the node does not. True: there is something to write.
bool wf_spread_turn(struct wf_spread *s, struct wf_book *b);
// Why the node does not have all; "".
const char *wf_spread_problem(struct wf_spread *s);
// The node has all.
bool wf_spread_is_idle(struct wf_spread *s);

// record.c

// An alert as proto3 JSON of weft.monitoring.v1.Alert; its key alone. malloc'd, NULL without memory.
char *wf_alert_record(
    const char *monitor, const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms);
char *wf_alert_record_key(const char *monitor, const char *id);
// Of what makes a record worth telling: state, severity, what people said; never 0.
uint64_t wf_alert_sum(const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms);

#endif
