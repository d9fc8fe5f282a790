// SPDX-License-Identifier: Apache-2.0
// What the speed layer keeps over a restart, in a file of its own: alerts, how far each product was judged, when each origin was heard, what is
// usual for a series; and what people say: acknowledgements and silences. Nothing of the batch layer is asked or waited for.
// Owns the connection. A rollback journal instead of WAL, as several programs write this file. A book that is busy or full holds up nothing: its
// owner goes on in memory and writes later. Thread rule: one thread. SQLite is spoken in *_sqlite.c alone.
#ifndef WF_MONITORING_BOOK_H
#define WF_MONITORING_BOOK_H

#include "domains/monitoring/alert/alert.h"
#include "domains/monitoring/alert/taken.h"

struct wf_book;

enum wf_book_mode {
    WF_BOOK_KEEP,  // the one alert process: creates the file, locks out a second one
    WF_BOOK_WRITE, // a person's word
    WF_BOOK_LOOK,
};
// IN_USE: another alert process has it; NOT_FOUND: there is none yet; FILE_MODE, VERSION, DAMAGED, IO, NOSPACE, PERMISSION, NOMEM.
WEFT_MUST_USE enum weft_err wf_book_open(
    const char *path, enum wf_book_mode mode, struct wf_book **ret, struct weft_problem *problem);
void wf_book_close(struct wf_book *b);
const char *wf_book_problem(const struct wf_book *b);

WEFT_MUST_USE enum weft_err wf_book_begin(struct wf_book *b);
WEFT_MUST_USE enum weft_err wf_book_commit(struct wf_book *b);
void wf_book_rollback(struct wf_book *b);

WEFT_MUST_USE enum weft_err wf_book_put(struct wf_book *b, const struct wf_alert *a);
WEFT_MUST_USE enum weft_err wf_book_drop(struct wf_book *b, const char *id);
// All that wait: those that still do are put again.
WEFT_MUST_USE enum weft_err wf_book_drop_pending(struct wf_book *b);
// Each alert; an error of fn ends it.
typedef enum weft_err (*wf_book_alert_fn)(void *arg, const struct wf_alert *a);
WEFT_MUST_USE enum weft_err wf_book_alerts(struct wf_book *b, wf_book_alert_fn fn, void *arg);

// How far a product was judged. NOT_FOUND: never.
struct wf_book_place {
    uint64_t next; // offset
    int64_t append_ms;
};
WEFT_MUST_USE enum weft_err wf_book_place_set(
    struct wf_book *b, const char *product, const struct wf_book_place *place);
WEFT_MUST_USE enum weft_err wf_book_place(
    struct wf_book *b, const char *product, struct wf_book_place *ret);

WEFT_MUST_USE enum weft_err wf_book_heard_set(
    struct wf_book *b, const char *product, const char *origin, int64_t append_ms);
typedef enum weft_err (*wf_book_heard_fn)(void *arg, const char *origin, int64_t append_ms);
WEFT_MUST_USE enum weft_err wf_book_heard(
    struct wf_book *b, const char *product, wf_book_heard_fn fn, void *arg);

WEFT_MUST_USE enum weft_err wf_book_baseline_set(
    struct wf_book *b, uint64_t series, unsigned slot, const struct wf_baseline *base);
// NOT_FOUND.
WEFT_MUST_USE enum weft_err wf_book_baseline(
    struct wf_book *b, uint64_t series, unsigned slot, struct wf_baseline *ret);

// A person's word on an alert; until_ms 0 takes it back. NOT_FOUND: no such alert.
struct wf_book_ack {
    char id[WF_ALERT_ID], by[64], note[WF_ALERT_NOTE];
    int64_t at_ms, until_ms;
};
WEFT_MUST_USE enum weft_err wf_book_ack(struct wf_book *b, const struct wf_book_ack *ack);
WEFT_MUST_USE enum weft_err wf_book_silence(
    struct wf_book *b, const struct wf_silence *s, uint64_t *ret_id);
WEFT_MUST_USE enum weft_err wf_book_unsilence(struct wf_book *b, uint64_t id, int64_t now_ms);
// The newest first, at most `most`; with `now_ms` only those that are not over.
WEFT_MUST_USE enum weft_err wf_book_silences(
    struct wf_book *b, int64_t now_ms, struct wf_silence *ret, size_t most, size_t *ret_count);
// Whether another program wrote since the last question.
bool wf_book_changed(struct wf_book *b);

// What was taken of products (taken.h); each: the first error of fn ends it.
WEFT_MUST_USE enum weft_err wf_book_taken_put(struct wf_book *b, struct wf_taken *t); // all
// rules: how many of it are taken, as put last.
typedef enum weft_err (*wf_book_taken_fn)(
    void *arg, const struct wf_taken_item *item, uint64_t rules);
WEFT_MUST_USE enum weft_err wf_book_taken(struct wf_book *b, wf_book_taken_fn fn, void *arg);

// What is to be published, in order, kept until the node has it; and as whom.
struct wf_book_publisher {
    uint8_t key[16];
    char product[64];
    uint64_t next;       // number
    int64_t snapshot_ms; // of the last snapshot of all
    uint64_t lost;       // changes that are in no history, as they could not be kept or told
};
// NOT_FOUND: nothing was ever published from this book.
WEFT_MUST_USE enum weft_err wf_book_publisher(struct wf_book *b, struct wf_book_publisher *ret);
WEFT_MUST_USE enum weft_err wf_book_publisher_set(
    struct wf_book *b, const struct wf_book_publisher *p);
struct wf_book_change {
    uint64_t n;
    int op; // enum weft_op
    int64_t time_ms;
    char *json; // NULL of snapshot marks
};
WEFT_MUST_USE enum weft_err wf_book_change_put(struct wf_book *b, const struct wf_book_change *c);
// Below n; UINT64_MAX: all.
WEFT_MUST_USE enum weft_err wf_book_changes_drop(struct wf_book *b, uint64_t n);
// From n on, at most `most`. fn takes the json.
typedef enum weft_err (*wf_book_change_fn)(void *arg, const struct wf_book_change *c);
WEFT_MUST_USE enum weft_err wf_book_changes(
    struct wf_book *b, uint64_t n, size_t most, wf_book_change_fn fn, void *arg);

// That the process is alive, and what it has to say.
struct wf_book_beat {
    int64_t pid, started_ms, updated_ms;
    uint64_t rules, series, bytes, records, refused, late; // late: out of order
    uint64_t sql_bytes,
        sql_most; // windows of rules that are SQL: of the fullest set, and its bound
    char state[16], problem[320];
};
WEFT_MUST_USE enum weft_err wf_book_beat_set(struct wf_book *b, const struct wf_book_beat *beat);
WEFT_MUST_USE enum weft_err wf_book_beat(struct wf_book *b, struct wf_book_beat *ret);

#endif
