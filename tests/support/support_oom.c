// SPDX-License-Identifier: Apache-2.0
// Replaces the allocator of the test binary by one that fails on demand (linked with -Wl,--wrap=malloc,calloc,realloc).
#include "tests/support/support.h"

#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static atomic_long fail_at = -1, seen; // libraries allocate on threads of their own

void wf_test_fail_alloc(long nth)
{
    fail_at = nth;
    seen = 0;
}

long wf_test_alloc_count(void)
{
    return seen;
}

static bool fails(void)
{
    return atomic_fetch_add(&seen, 1) + 1 == atomic_load(&fail_at);
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
