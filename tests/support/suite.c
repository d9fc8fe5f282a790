// SPDX-License-Identifier: Apache-2.0
#include "tests/support/suite.h"

int wf_suite_main(const char *suite, const TTest *test, int count, double timeout_s)
{
    Suite *s = suite_create(suite);
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, timeout_s);
    tcase_add_loop_test(t, test, 0, count);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
