// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault.h"

#include <stdatomic.h>
#include <stdlib.h>

void __sanitizer_print_stack_trace(void) __attribute__((weak));

static bool traced;
static atomic_int armed = -1; // kind
static atomic_long fail_at, seen;
static _Thread_local int spared;

void wf_fault_arm(enum wf_fault kind, long nth)
{
    traced = getenv("WEFT_FAULT_TRACE") != NULL;
    fail_at = nth;
    seen = 0;
    armed = (int)kind;
}

long wf_fault_calls(void)
{
    return seen;
}

long wf_fault_disarm(void)
{
    armed = -1;
    return seen;
}

void wf_fault_spare(bool on)
{
    spared += on ? 1 : -1;
}

bool wf_fault_hits_disk(enum wf_memdisk_op op)
{
    switch (op) {
    case WF_MEM_WRITE:
    case WF_MEM_TRUNCATE:
    case WF_MEM_RENAME:
    case WF_MEM_UNLINK:
    case WF_MEM_MKDIR:
        return wf_fault_hits(WF_FAULT_WRITE);
    case WF_MEM_SYNC:
    case WF_MEM_SYNC_DIR:
        return wf_fault_hits(WF_FAULT_SYNC);
    default:
        return wf_fault_hits(WF_FAULT_READ);
    }
}

bool wf_fault_hits(enum wf_fault kind)
{
    if (atomic_load(&armed) != (int)kind || spared > 0)
        return false;
    bool hit = atomic_fetch_add(&seen, 1) + 1 == atomic_load(&fail_at);
    if (hit && traced && __sanitizer_print_stack_trace) {
        spared++;
        __sanitizer_print_stack_trace();
        spared--;
    }
    return hit;
}
