// SPDX-License-Identifier: Apache-2.0
// Runs collectors as a source program (docs/internals/sources.md): arguments, the interval, standard output, signals.
// The only part of weft-host with a clock. Invariant: standard output holds whole lines only, and a sample whose
// collector failed is not printed at all. One thread; ends with SIGTERM or SIGINT, or when the reader closes.
#ifndef WF_COMMON_SOURCE_H
#define WF_COMMON_SOURCE_H

#include "domains/common/collector.h"

struct wf_source {
    const char *program;
    const char *usage; // the text of --help
    const struct wf_collector *collectors;
    size_t collector_count;
};

// The whole of main(). Returns the exit status.
int wf_source_main(const struct wf_source *source, int argc, char **argv);
// The exit status for a code (DESIGN: 0, 64, 65, 69, 70, 75, 77, 78).
int wf_source_exit(enum weft_err err);

#endif
