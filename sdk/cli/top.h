// SPDX-License-Identifier: Apache-2.0
// weft top as a function of two answers of STATUS: rates, lag, silence with its cause; as text of a given size or as one JSON object. Owns
// nothing and asks nobody; the terminal and the socket are cmd_top.c's. Invariant: a rate is told only between two answers of the same start
// of a weftd, so that a restart is never shown as a burst.
#ifndef WF_CLI_TOP_H
#define WF_CLI_TOP_H

#include <weft/screen.h>

#include "proto/base/pb_v1.h"
#include "sdk/cli/cli.h"

struct wf_top_sample {
    int64_t at_ms; // monotonic, when the answer came
    const Weft__V1__StatusReply *status;
};

enum wf_top_sort {
    WF_TOP_NAME,
    WF_TOP_RECORDS,
    WF_TOP_BYTES,
    WF_TOP_LAG,
    WF_TOP_AGE,
    WF_TOP_SORTS
};
extern const char *const wf_top_sort_names[WF_TOP_SORTS];

struct wf_top_view {
    enum wf_top_sort sort;
    const char *problem; // why nothing newer than `now` came; NULL = it is fresh
    int64_t problem_ms;  // for so long
};

#define WF_TOP_CAUSE 160u
// A product between two answers. before may lack it.
struct wf_top_product {
    const Weft__V1__ProductState *state;
    bool has_rates;
    double records_s, bytes_s, batches_s;
    int64_t age_ms;           // since its last record; -1 = there is none
    bool silent;              // wf_top_is_silent
    char cause[WF_TOP_CAUSE]; // of that
};
// What it said last is older than it promises, or it takes nothing: failing, or not begun yet. An API is never silent.
bool wf_top_is_silent(const Weft__V1__StatusReply *r, const Weft__V1__ProductState *p);
// Why nothing is heard of an agent, or what is wrong with it; "" where nothing is. Static text.
const char *wf_top_agent_cause(const Weft__V1__AgentInfo *a);
// In the order wanted; now->status->n_products of them are written. before may be NULL.
void wf_top_products(const struct wf_top_sample *before, const struct wf_top_sample *now,
    enum wf_top_sort sort, struct wf_top_product *out);
// Seconds between the two; 0 when no rate can be told.
double wf_top_interval_s(const struct wf_top_sample *before, const struct wf_top_sample *now);
// Records a second that a reader took, by the places it told; negative: not known (it told none, or another of its identity reads the same).
double wf_top_reader_s(const struct wf_top_sample *before, const struct wf_top_sample *now,
    const Weft__V1__ReaderState *reader);
// How a queue's drops rise, a second; negative: not known.
double wf_top_drops_s(const struct wf_top_sample *before, const struct wf_top_sample *now,
    const Weft__V1__QueueState *queue);

// Lines, as many and as long as the picture has room for; no control characters of others.
WF_MUST_USE enum weft_err wf_top_text(const struct wf_top_sample *before,
    const struct wf_top_sample *now, const struct wf_top_view *view, struct wf_picture *out);
// One line.
WF_MUST_USE enum weft_err wf_top_json(const struct wf_top_sample *before,
    const struct wf_top_sample *now, enum wf_top_sort sort, struct wf_buf *out);

int wf_cmd_top(struct wf_cli *cli, int argc, char **argv);

#endif
