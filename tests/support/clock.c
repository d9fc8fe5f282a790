// SPDX-License-Identifier: Apache-2.0
#include "tests/support/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "tests/support/trust_mesh.h"

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static atomic_llong skipped_ms, stepped_ms, began_ns,
    frozen_ns; // frozen_ns: 0 while the clock runs

static int64_t real_ns(clockid_t id)
{
    struct timespec ts;

    __real_clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    long long none = 0;

    if (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME)
        return __real_clock_gettime(id, ts);
    int64_t now = atomic_load(&frozen_ns);
    if (now == 0)
        now = real_ns(CLOCK_BOOTTIME);
    atomic_compare_exchange_strong(&began_ns, &none, now);
    if (id == CLOCK_REALTIME)
        now += (WF_TEST_NOW + atomic_load(&stepped_ms)) * 1000000 - atomic_load(&began_ns);
    now += atomic_load(&skipped_ms) * 1000000;
    ts->tv_sec = (time_t)(now / 1000000000);
    ts->tv_nsec = (long)(now % 1000000000);
    return 0;
}

void wf_test_clock_freeze(bool frozen)
{
    atomic_store(&frozen_ns, frozen ? real_ns(CLOCK_BOOTTIME) : 0);
}

void wf_test_clock_skip(int64_t ms)
{
    atomic_fetch_add(&skipped_ms, ms);
}

void wf_test_clock_step(int64_t ms)
{
    atomic_fetch_add(&stepped_ms, ms);
}

int64_t wf_test_clock_unix_ms(void)
{
    struct timespec ts;

    __wrap_clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
