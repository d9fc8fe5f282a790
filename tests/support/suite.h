// SPDX-License-Identifier: Apache-2.0
// A program that has one test, perhaps once for each row of a table. Test code.
#ifndef WF_TESTS_SUITE_H
#define WF_TESTS_SUITE_H

#include <check.h>

// Its main: the test with the numbers 0 to count - 1. Its status.
int wf_suite_main(const char *suite, const TTest *test, int count, double timeout_s);

#endif
