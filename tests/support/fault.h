// SPDX-License-Identifier: Apache-2.0
// The one place where tests make calls fail on demand: the nth allocation, write, sync or read from now. What can fail asks here: the wrapped
// allocator (support_oom.c), the disk in memory (memdisk.c), the C library and the libraries above it (fault_libs.c). Calls count from any
// thread; only one kind is armed at a time. Test code.
#ifndef WF_TESTS_FAULT_H
#define WF_TESTS_FAULT_H

#include <check.h>

#include "tests/support/memdisk.h"
#include "tests/support/suite.h"

enum wf_fault { WF_FAULT_ALLOC, WF_FAULT_WRITE, WF_FAULT_SYNC, WF_FAULT_READ };
#define WF_FAULT_KINDS 4u
#define WF_FAULT_ALL   0xfu // every kind, as bits

// The nth call of this kind from now (1 = the next) fails; nothing else does. nth below 1: none, but calls are counted.
void wf_fault_arm(enum wf_fault kind, long nth);
// Calls of the armed kind since then.
long wf_fault_calls(void);
// Nothing fails any more. Returns the calls.
long wf_fault_disarm(void);
// Until the same with false, this thread is the test itself: what it does is neither counted nor failed. Nests.
void wf_fault_spare(bool on);

// Asked by what can fail: does this call? A disk's operation is a write, a sync or a read.
bool wf_fault_hits(enum wf_fault kind);
bool wf_fault_hits_disk(enum wf_memdisk_op op);

// ---- scenarios (scenario.c) ----------------------------------------------------------------------------------------------

// Something a program does that must survive the failure of any call it makes.
struct wf_scenario {
    const char *name;
    unsigned kinds;              // bits of enum wf_fault: what it does at all
    void (*begin)(void);         // nothing fails here
    enum weft_err (*body)(void); // here one call fails; asserts only what holds in any case
    void (*end)(
        enum weft_err err); // nothing fails: what was acknowledged is there, and all is given back
    unsigned
        must_tell; // bits of the kinds of which the body may not do without a single call: it fails with each
};

// The body with its 1st, 2nd, 3rd, ... call of each kind failing until it makes no more. WEFT_FAULT_CALLS: at most so many of each kind,
// evenly spread over all (default 8; 0 = every one). WEFT_FAULT_TRACE: says beforehand what fails, and then where. Fails when the body fails although no call did, when nothing could be failed, and when
// anything was leaked. Prints the counts.
void wf_scenario_run(const struct wf_scenario *s);

#endif
