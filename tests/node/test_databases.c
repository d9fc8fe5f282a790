// SPDX-License-Identifier: Apache-2.0
// Each database of a node with a damaged page is refused with its file when it is opened, not at the row that lies there.
#include <check.h>
#include <stdio.h>

#include "node/access/grants.h"
#include "node/access/refused.h"
#include "node/agent/agents.h"
#include "node/join/tickets.h"
#include "node/provider/calls.h"
#include "tests/support/support.h"

static char path[512];
static struct wf_diag diag;

static enum weft_err grants(void)
{
    struct wf_grants *g = NULL;
    enum weft_err err = wf_grants_open(path, &g, &diag);

    wf_grants_close(g);
    return err;
}

static enum weft_err tickets(void)
{
    struct wf_tickets *t = NULL;
    enum weft_err err = wf_tickets_open(path, &t, &diag);

    wf_tickets_close(t);
    return err;
}

static enum weft_err calls(void)
{
    struct wf_calls *c = NULL;
    enum weft_err err = wf_calls_open(path, &c, &diag);

    wf_calls_close(c);
    return err;
}

static enum weft_err agents(void)
{
    struct wf_agents_db *db = NULL;
    enum weft_err err = wf_agents_db_open(path, &db, &diag);

    wf_agents_db_close(db);
    return err;
}

static enum weft_err refused(void)
{
    struct wf_refused_db *db = NULL;
    enum weft_err err = wf_refused_db_open(path, &db, &diag);

    wf_refused_db_close(db);
    return err;
}

static const struct database {
    const char *name;
    enum weft_err (*open)(void);
} databases[] = { { "access.db", grants }, { "tickets.db", tickets }, { "calls.db", calls },
    { "agents.db", agents }, { "refused.db", refused } };

START_TEST(a_damaged_page_is_found_at_the_start)
{
    const struct database *d = &databases[_i];

    snprintf(path, sizeof path, "%s/%s", wf_test_tmpdir(), d->name);
    (void)remove(path);
    diag = (struct wf_diag){ 0 };
    ck_assert_int_eq(d->open(), WEFT_OK);
    ck_assert_int_eq(d->open(), WEFT_OK); // as it was left
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(
        fseek(f, 4096, SEEK_SET), 0); // the first table's; the schema on page 1 is whole
    for (unsigned i = 0; i < 4096; i++)
        ck_assert_int_eq(fputc(0xa5, f), 0xa5);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(d->open() == WEFT_E_DAMAGED, "%s: %s", d->name, diag.text);
    ck_assert_msg(strstr(diag.text, path) == diag.text, "%s", diag.text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.databases");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, a_damaged_page_is_found_at_the_start, 0, (int)WF_COUNT(databases));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
