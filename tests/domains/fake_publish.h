// SPDX-License-Identifier: Apache-2.0
// A local weftd that takes records, beside fake_weft: what it took in order, its marks by publisher, and what can go wrong with it. Any thread.
#ifndef WF_TESTS_FAKE_PUBLISH_H
#define WF_TESTS_FAKE_PUBLISH_H

#include <weft/weft.h>

void fake_node_reset(void);
void fake_node_away(bool away);   // opens and flushes fail; what was not flushed is lost
void fake_node_deaf(bool deaf);   // it takes what is flushed, and the answer is lost
void fake_node_hangs(bool hangs); // opens and flushes do not return
size_t fake_node_hanging(void);   // calls that have begun to hang
void fake_node_forgets(void);     // its log is gone, with its marks
size_t fake_node_count(void);
// What it took: "put {...}", "delete {...}", "begin", "end"; "" beyond. Valid until fake_node_reset.
const char *fake_node_at(size_t i);
size_t fake_node_publishers(void); // ids that it met

#endif
