// SPDX-License-Identifier: Apache-2.0
// What the tests of remote write share: a product of tests/domains/monitor/meter.proto, the series and the batch that its records become.
#ifndef WF_TESTS_REMOTE_RIG_H
#define WF_TESTS_REMOTE_RIG_H

#include <check.h>

#include "domains/monitoring/remote/series.h"
#include "tests/domains/fake_weft.h"

#define T0 1700000000000 // ms

extern struct wf_remote_table *table;
extern struct wf_remote_product *own;
extern struct wf_remote_batch batch;
extern struct fake_product *meter;

void remote_begin(void);
void remote_end(void);
// One record of host `host` with a size, at T0 + ms.
void size_at(const char *host, double size, int64_t ms);
// Ends the batch of records and takes it at `now_ms`.
void take(int64_t append_ms, int64_t now_ms);

#endif
