// SPDX-License-Identifier: Apache-2.0
// Replaces the allocator of the test binary by one that fails on demand (linked with -Wl,--wrap=malloc,calloc,realloc).
#include "tests/support/fault.h"
#include "tests/support/support.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void wf_test_fail_alloc(long nth)
{
    wf_fault_arm(WF_FAULT_ALLOC, nth);
}

long wf_test_alloc_count(void)
{
    return wf_fault_calls();
}

static bool fails(void)
{
    return wf_fault_hits(WF_FAULT_ALLOC);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}
