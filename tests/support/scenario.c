// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/support/fault.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LSAN 1
#endif
#endif
#ifdef HAS_LSAN
#include <sanitizer/lsan_interface.h>
#endif

#define MOST 200000 // calls of one body, by far

static const char *const names[WF_FAULT_KINDS] = { "allocations", "writes", "syncs", "reads" };

#define WHOLE 80 // of so many calls each fails, whatever the run
#define SOME  8

// At most so many failures of a kind that a body has so many calls of; 0 = all.
static long wanted(long calls)
{
    const char *text = getenv("WEFT_FAULT_CALLS");
    long n = text ? strtol(text, NULL, 10) : calls <= WHOLE ? 0 : SOME;

    ck_assert_msg(n >= 0, "WEFT_FAULT_CALLS=%s is no count", text);
    return n;
}

// One run with the nth call failing, or none. Returns the calls.
static long run(const struct wf_scenario *s, enum wf_fault kind, long nth, enum weft_err *ret)
{
    if (getenv("WEFT_FAULT_TRACE")) // the last line names the failure that a test died of
        fprintf(stderr, "%s: %ld of the %s\n", s->name, nth, names[kind]);
    s->begin();
    wf_fault_arm(kind, nth);
    *ret = s->body();
    long calls = wf_fault_disarm();
    s->end(*ret);
    return calls;
}

static void check_leaks(const char *name, const char *kind)
{
#ifdef HAS_LSAN
    ck_assert_msg(!__lsan_do_recoverable_leak_check(), "%s: leaks after failed %s", name, kind);
#else
    (void)name;
    (void)kind;
#endif
}

struct count {
    long failed, refused, calls;
};

static struct count fail_each(const struct wf_scenario *s, enum wf_fault kind)
{
    enum weft_err err = WEFT_OK;
    struct count c = { .calls = run(s, kind, 0, &err) };
    long most = wanted(c.calls), step = most && c.calls > most ? c.calls / most : 1;

    ck_assert_msg(!err, "%s: %s although nothing failed", s->name, weft_err_name(err));
    ck_assert_msg(c.calls > 0, "%s: no %s to fail", s->name, names[kind]);
    for (long n = 1; most == 0 || c.failed < most; n += step) {
        ck_assert_int_lt(n, MOST);
        if (run(s, kind, n, &err) < n)
            break; // there are no more
        ck_assert_msg(err || !(s->must_tell & 1u << kind), "%s: done although %ld of the %s failed",
            s->name, n, names[kind]);
        c.failed++;
        c.refused += err != WEFT_OK;
    }
    check_leaks(s->name, names[kind]);
    return c;
}

void wf_scenario_run(const struct wf_scenario *s)
{
    unsigned kinds = s->kinds ? s->kinds : WF_FAULT_ALL;
    enum weft_err err = WEFT_OK;

    (void)run(s, WF_FAULT_ALLOC, 0, &err); // what grows once and stays has grown

    printf("%s:", s->name);
    for (unsigned k = 0; k < WF_FAULT_KINDS; k++) {
        if (!(kinds & 1u << k))
            continue;
        struct count c = fail_each(s, (enum wf_fault)k);
        ck_assert_int_gt(c.failed, 0);
        printf(" %ld of %ld %s (%ld refused)", c.failed, c.calls, names[k], c.refused);
    }
    printf("\n");
}
