// SPDX-License-Identifier: Apache-2.0
// The commands of weft-monitor. Each returns the program's exit status and says on standard error what went wrong.
#ifndef WF_MONITORING_MONITOR_H
#define WF_MONITORING_MONITOR_H

#include "domains/monitoring/common/print.h"

#define WF_MON_PATTERNS 64u
#define WF_MON_WORDS    64u

#define WF_MON_KEEPS    16u

struct wf_mon_options {
    const char *dir, *socket; // NULL: libweft's own choice
    char db
        [4096]; // a file of SQLite; what run and status keep beside it is there with --database, too
    const char *database;                  // PostgreSQL instead; NULL: none
    const char *patterns[WF_MON_PATTERNS]; // fnmatch(3) over "domain/name"; none: all
    size_t pattern_count;
    const char *keeps[WF_MON_KEEPS]; // "30d", "servers/cpu=7d": see wf_mon_keep_us
    size_t keep_count;
    unsigned seconds; // 0 = until a signal
    bool once;
    unsigned discover_ms;
    int64_t every_ms; // top; 0 = its own
    uint64_t count;   // top: samples; 0 = until it is ended
    const char *sort; // top: one of wf_mon_sort_names, or NULL
    enum wf_mon_format format;
    const char *row; // verify: "TABLE:OFFSET"
    uint64_t most;   // verify: differences named
    const char *sql;
    const char *from;               // backfill: see wf_mon_place_parse
    const char *args[WF_MON_WORDS]; // what is no option, behind the command
    size_t word_count;
    bool rules_inside;                   // `rules` is the configuration itself
    const char *config;                  // its file; NULL: there is none
    const char *rules;                   // alert, run, alerts test: the file of rules
    char alerts[4096];                   // the book of alerts
    int64_t for_ms;                      // ack, silence
    const char *comment;                 // ack, silence
    const char *remote;                  // write, run: where samples go; NULL: nowhere
    const char *remote_auth, *remote_ca; // write: files; NULL: none
    char remote_state[4096];             // what write keeps
    char **words; // run: the command line behind "run", for its processes; ends with NULL
};

int wf_mon_cmd_run(const struct wf_mon_options *o);
int wf_mon_cmd_store(const struct wf_mon_options *o);
int wf_mon_cmd_write(const struct wf_mon_options *o);
int wf_mon_cmd_backfill(const struct wf_mon_options *o);
int wf_mon_cmd_status(const struct wf_mon_options *o);
int wf_mon_cmd_top(const struct wf_mon_options *o);
int wf_mon_cmd_sql(const struct wf_mon_options *o);
int wf_mon_cmd_verify(const struct wf_mon_options *o);
int wf_mon_cmd_alert(const struct wf_mon_options *o);
int wf_mon_cmd_alerts(const struct wf_mon_options *o);
int wf_mon_cmd_rules(const struct wf_mon_options *o);

// Whether a command has an option; run has those of the processes that it starts.
bool wf_mon_takes(const char *command, const char *option);
size_t wf_mon_words(const char *command); // most of what is no option
bool wf_mon_is_flag(const char *option);  // has no value
// "weft-monitor: TEXT" and a hint, on standard error; the exit status of err.
int wf_mon_fail(enum weft_err err, const char *text, const char *hint);
// Where the batch layer stores: the --database, else the file.
const char *wf_mon_where(const struct wf_mon_options *o);
// How long rows of a product are kept, in microseconds; 0 = for ever. The last --keep that fits counts; one without a pattern fits every
// product but inventories, whose oldest rows may be what is so today.
int64_t wf_mon_keep_us(const struct wf_mon_options *o, const char *product, bool inventory);
bool wf_mon_keep_is_good(const char *keep); // "[PATTERN=]NUMBER(s|m|h|d|w)", one day at least
bool wf_mon_wants(const struct wf_mon_options *o, const char *product);
// By its whole name: a pattern says where to look, not that it is there to be read.
bool wf_mon_names(const struct wf_mon_options *o, const char *product);

#endif
