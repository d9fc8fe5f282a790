// SPDX-License-Identifier: Apache-2.0
// One process's view of the mesh: its client, the catalog every few seconds, a feed for each product that is wanted, and the one poll over
// all of them and the signals that end it. Both layers run on it. Owns client, scout, feeds. Thread rule: one thread.
#ifndef WF_MONITORING_WATCH_H
#define WF_MONITORING_WATCH_H

#include <poll.h>

#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/common/pulse.h"

struct wf_mon_watch {
    const struct wf_mon_options *o;
    const struct wf_mon_sink *sink;
    struct weft_client *client;
    struct wf_mon_scout *scout;
    struct wf_mon_feed **feeds; // never removed, so an index stays a product's
    size_t count, most;         // feeds that are, and may be
    struct pollfd *polls;       // 0: signals, 1: scout, then one a feed
    // Instead of poll(2), for a layer that waits for something else as well; NULL: poll(2).
    int (*poll)(void *arg, struct pollfd *fds, size_t count, int ms);
    void *poll_arg;
    int signal_fd;
    bool stop, looked;          // a signal came; a catalog was seen
    bool hup;                   // SIGHUP came, of a sink that reloads
    char subject[160];          // "domain/name" of the identity, "" when it is not known
    char problem[320];          // of the catalog, "" when there is none
    char trouble[320];          // of the layer's own, such as its database
    struct wf_mon_pulse pulse;  // what was told last; the layer sets its counts
    int pulse_fd;               // -1: not made yet; -2: it can't be
    int64_t started_ms, end_ms; // unix; monotonic, 0 = never
};

int64_t wf_mon_now_ms(void);  // monotonic
int64_t wf_mon_unix_ms(void); // the wall's

// First of all, before any thread: SIGTERM and SIGINT come to the descriptor alone. `o` and `sink` must outlive the watch.
WEFT_MUST_USE enum weft_err wf_mon_watch_init(
    struct wf_mon_watch *w, const struct wf_mon_options *o, const struct wf_mon_sink *sink);
// Before a layer makes a file (NULL: tables on a server) that is not there: without an identity nothing is left behind.
WEFT_MUST_USE enum weft_err wf_mon_watch_may_make(
    struct wf_mon_watch *w, const char *path, struct weft_problem *problem);
// Connects and begins to look at the catalog.
WEFT_MUST_USE enum weft_err wf_mon_watch_start(
    struct wf_mon_watch *w, struct weft_problem *problem);
// Ends all; what init or start left half done, too.
void wf_mon_watch_fini(struct wf_mon_watch *w);

// Opens the feeds that are due; those with events that are not durable yet wait.
void wf_mon_watch_open(struct wf_mon_watch *w, int64_t now_ms);
// Waits for events, news or a signal until `due_ms` (monotonic); deaf: feeds are not listened to.
void wf_mon_watch_wait(struct wf_mon_watch *w, int64_t due_ms, bool deaf);
// The feed of a product; NULL: it is not watched.
struct wf_mon_feed *wf_mon_watch_feed(const struct wf_mon_watch *w, const char *product);
// After a wait: feed i has events, or its subscription ended.
bool wf_mon_watch_has(const struct wf_mon_watch *w, size_t i);
// After a wait and after the events were taken: new products become feeds.
void wf_mon_watch_catalog(struct wf_mon_watch *w);
// --seconds are over, or --once and all there is was taken.
bool wf_mon_watch_is_done(const struct wf_mon_watch *w, int64_t now_ms);
// Keeps what is wrong with the layer's own things for status and says it once on standard error; "" clears it.
void wf_mon_watch_trouble(struct wf_mon_watch *w, const char *what);
const char *wf_mon_watch_wrong(
    const struct wf_mon_watch *w); // trouble, else the catalog's problem, else ""
// About every second: that the process lives, for those who look. `name` as in weft-monitor NAME.
void wf_mon_watch_tell(struct wf_mon_watch *w, const char *name, const char *wrong);

#endif
