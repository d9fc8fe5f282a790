// SPDX-License-Identifier: Apache-2.0
// A clock that tests push forward. Link with support/clock.c and -Wl,--wrap=clock_gettime: CLOCK_BOOTTIME and CLOCK_REALTIME then
// run from where they are by what was skipped, the latter from WF_TEST_NOW, when the documents of trust_mesh.h are valid.
#ifndef WF_TESTS_CLOCK_H
#define WF_TESTS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// Until it is let run again, time passes by wf_test_clock_skip alone, however long the machine takes for what happens meanwhile. Timers of a
// few milliseconds that something else lives on stand still, too.
void wf_test_clock_freeze(bool frozen);
// Moves both clocks forward, for every thread. Loops that sleep notice with their next turn.
void wf_test_clock_skip(int64_t ms);
// Sets the wall clock alone, forward or back.
void wf_test_clock_step(int64_t ms);
int64_t wf_test_clock_unix_ms(void);

#endif
