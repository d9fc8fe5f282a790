// SPDX-License-Identifier: Apache-2.0
// Which address an operator is shown for a listener, and which one others are told.
#include <check.h>
#include <stdlib.h>

#include "node/address.h"
#include "node/call.h"
#include "node/conf.h"
#include "tests/support/support.h"

static const struct address_row {
    const char *why, *listen, *advertise; // NULL: none
    uint16_t port;                        // that the system gave
    const char *shown, *told;
} addresses[] = {
    { "one address", "192.0.2.1:7400", NULL, 7400, "192.0.2.1:7400", "192.0.2.1:7400" },
    { "a port of the system's choice", "127.0.0.1:0", NULL, 40000, "127.0.0.1:40000",
        "127.0.0.1:40000" },
    { "every address is shown as the one that is told", "0.0.0.0:7400", "192.0.2.7:7400", 7400,
        "192.0.2.7:7400", "192.0.2.7:7400" },
    { "every address of IPv6, too", "[::]:7400", "[2001:db8::7]:7400", 7400, "[2001:db8::7]:7400",
        "[2001:db8::7]:7400" },
    { "behind address translation both are true", "192.168.0.2:7400", "node.example.org:443", 7400,
        "192.168.0.2:7400", "node.example.org:443" },
    { "an advertised port 0 is the listener's", "0.0.0.0:0", "192.0.2.7:0", 40000,
        "192.0.2.7:40000", "192.0.2.7:40000" },
    { "every address and none told: as it stands in weftd.yaml", "0.0.0.0:7400", NULL, 7400,
        "0.0.0.0:7400", "0.0.0.0:7400" },
    { "a literal of IPv6 is in brackets", "[::1]:0", NULL, 40000, "[::1]:40000", "[::1]:40000" },
};

START_TEST(a_listener_is_shown_by_an_address_that_others_can_use)
{
    const struct address_row *row = &addresses[_i];
    struct wf_conf conf = { 0 };
    struct wf_control control = { .port = row->port };
    struct wf_node node = { .conf = &conf, .control = &control };
    struct wf_address at;
    char text[WF_ADDRESS_TEXT];

    ck_assert_int_eq(wf_address_parse(wf_bytes_str(row->listen), &conf.listen), WEFT_OK);
    if (row->advertise)
        ck_assert_int_eq(wf_address_parse(wf_bytes_str(row->advertise), &conf.advertise), WEFT_OK);
    wf_node_shown_address(&node, &at);
    ck_assert_msg(strcmp(wf_address_text(&at, text), row->shown) == 0, "%s: %s", row->why, text);
    wf_node_told_address(&node, &at);
    ck_assert_msg(strcmp(wf_address_text(&at, text), row->told) == 0, "%s: %s", row->why, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(
        tc, a_listener_is_shown_by_an_address_that_others_can_use, 0, (int)WF_COUNT(addresses));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
