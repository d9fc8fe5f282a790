// SPDX-License-Identifier: Apache-2.0
// One telling of a node's signals: rows that become records of proto/weft/v1/signal_record.proto. Owns the records in the making; what is
// done with them is whoever tells's. Loop thread only.
#ifndef WF_NODE_SIGNALS_ROWS_H
#define WF_NODE_SIGNALS_ROWS_H

#include "node/signals/room.h"
#include "proto/schema/schema.h"
#include "proto/stream/records.h"

struct wf_signals {
    struct wf_node *node;
    const struct wf_schema_message *message;
    enum weft_err (*full)(struct wf_signals *s); // takes the rows, which are then empty
    int64_t now_us;
    struct wf_records rows;
    struct wf_buf json, record; // of one row
    enum weft_err err;          // the first; nothing is added after it
};

#endif
