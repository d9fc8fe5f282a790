// SPDX-License-Identifier: Apache-2.0
// Proving what is stored: every batch against its origin's signature, every row against its batch. Needs the charters of the identity
// directory and no mesh. Thread rule: one thread.
#ifndef WF_MONITORING_VERIFY_H
#define WF_MONITORING_VERIFY_H

#include "domains/monitoring/batch/stored.h"

struct wf_mon_difference {
    const char *product, *table, *batch;
    bool has_offset;
    uint64_t offset;
    const char *column; // "" when it is not about one cell
    const char *text;   // "stored 5, proven 4"
};
typedef void (*wf_mon_difference_fn)(void *arg, const struct wf_mon_difference *d);

struct wf_mon_verify {
    struct weft_client *client;
    const char *product; // NULL: all
    const char *table;   // with offset: the batches of one row; NULL: all
    uint64_t offset;
    wf_mon_difference_fn fn; // called for each difference
    void *arg;
};
struct wf_mon_proof {
    uint64_t batches, records, rows, differences;
    char batch[80], origin[64], domain[64]; // of the batch proven last: whose certificate signed it
    uint64_t first_seq, last_seq;           // its records in that host's chain
    uint64_t
        left_out; // records of kept batches that were delivered with another batch or before the reader began
    uint64_t let_go;  // records whose rows were older than what is kept
    uint64_t revoked; // batches whose origin was revoked as of their time
};
// OK also with differences: they are counted. An error says that the database could not be read.
WEFT_MUST_USE enum weft_err wf_mon_prove(
    struct wf_mon_db *db, const struct wf_mon_verify *what, struct wf_mon_proof *ret);

#endif
