// SPDX-License-Identifier: Apache-2.0
// The monitor's own file: what it fills in, what the command line has already, and each mistake with its line and what to do.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weft/conf.h>

#include "domains/monitoring/common/config.h"
#include "domains/monitoring/speed/file.h"
#include "tests/domains/monitor_rig.h"
#include "tests/support/support.h"

static char folder[500], file[600];

static void put(const char *text)
{
    if (!folder[0])
        snprintf(folder, sizeof folder, "%s", wf_test_tmpdir());
    snprintf(file, sizeof file, "%s/weft-monitor.yaml", folder);
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_int_eq(chmod(file, 0600), 0);
}

// What is told on standard error while the file is read.
static int read_file(const char *text, const char *command, struct wf_mon_options *o,
    struct wf_mon_config **config, char *said, size_t size)
{
    char path[600];
    int kept = dup(STDERR_FILENO);

    put(text);
    snprintf(path, sizeof path, "%s/said", folder);
    fflush(stderr);
    ck_assert_ptr_nonnull(freopen(path, "w+", stderr));
    int status = wf_mon_config_read(file, command, o, config);
    fflush(stderr);
    rewind(stderr);
    size_t len = fread(said, 1, size - 1, stderr);
    said[len] = '\0';
    dup2(kept, STDERR_FILENO);
    close(kept);
    return status;
}

static const char whole[] = "dir: identity\n"
                            "database: {postgresql: 'service=weft'}\n"
                            "products: ['servers/*', network/flows]\n"
                            "keep: {'servers/*': 7d}\n"
                            "every: 5s\n"
                            "alerts: /srv/alerts.db\n"
                            "remote: {url: 'http://h/w', auth: secret}\n"
                            "rules:\n"
                            "  full:\n"
                            "    servers/disks: used > 0.9 by host\n"
                            "notify:\n"
                            "  to:\n"
                            "    - stdout\n";

START_TEST(one_file_says_all_and_paths_are_those_of_its_folder)
{
    struct wf_mon_options o = { 0 };
    struct wf_mon_config *c = NULL;
    struct wf_rules_file rules = { 0 };
    char said[2000], want[700];

    ck_assert_int_eq(read_file(whole, "run", &o, &c, said, sizeof said), 0);
    ck_assert_str_eq(said, "");
    snprintf(want, sizeof want, "%s/identity", folder);
    ck_assert_str_eq(o.dir, want);
    ck_assert_str_eq(o.database, "service=weft");
    ck_assert_str_eq(o.db, "");
    ck_assert_uint_eq(o.pattern_count, 2);
    ck_assert_str_eq(o.patterns[1], "network/flows");
    ck_assert_uint_eq(o.keep_count, 1);
    ck_assert_str_eq(o.keeps[0], "servers/*=7d");
    ck_assert_uint_eq(o.discover_ms, 5000);
    ck_assert_str_eq(o.alerts, "/srv/alerts.db");
    ck_assert_str_eq(o.remote, "http://h/w");
    snprintf(want, sizeof want, "%s/secret", folder);
    ck_assert_str_eq(o.remote_auth, want);
    ck_assert_str_eq(o.rules, file);
    ck_assert(o.rules_inside);
    ck_assert_int_eq(wf_rules_file_open(o.rules, wf_rules_flags(&o), &rules), 0);
    ck_assert_uint_eq(rules.rules->count, 1);
    wf_rules_file_close(&rules);
    wf_mon_config_free(c);
}
END_TEST

// run starts an alert process again unless it ends with 78: no start of its own mends any of these.
START_TEST(rules_that_are_wrong_or_not_there_or_of_others_are_the_same_end)
{
    struct wf_rules_file rules;
    char path[700];

    snprintf(path, sizeof path, "%s/nowhere.yaml", folder);
    ck_assert_int_eq(wf_rules_file_open(path, 0, &rules), 78);
    wf_rules_file_close(&rules);
    snprintf(path, sizeof path, "%s/wrong.yaml", folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("rulse: []\n", f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(wf_rules_file_open(path, 0, &rules), 78);
    wf_rules_file_close(&rules);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(wf_rules_file_open(path, WEFT_CONF_OWNED, &rules), 78);
    wf_rules_file_close(&rules);
}
END_TEST

START_TEST(a_path_alone_is_a_file_of_sqlite_and_rules_may_lie_elsewhere)
{
    struct wf_mon_options o = { 0 };
    struct wf_mon_config *c = NULL;
    char said[2000], want[700];

    ck_assert_int_eq(read_file("database: m.db\nrules: r/rules.yaml\nkeep: 30d\nproducts: '*'\n",
                         "store", &o, &c, said, sizeof said),
        0);
    snprintf(want, sizeof want, "%s/m.db", folder);
    ck_assert_str_eq(o.db, want);
    ck_assert_ptr_null(o.database);
    snprintf(want, sizeof want, "%s/r/rules.yaml", folder);
    ck_assert_str_eq(o.rules, want);
    ck_assert(!o.rules_inside);
    ck_assert_str_eq(o.keeps[0], "30d");
    wf_mon_config_free(c);
}
END_TEST

START_TEST(the_command_line_stands_before_the_file)
{
    struct wf_mon_options o = { .dir = "/d",
        .db = "/x.db",
        .alerts = "/a.db",
        .patterns = { "a/b" },
        .pattern_count = 1,
        .keeps = { "9d" },
        .keep_count = 1,
        .discover_ms = 77,
        .remote = "http://other/w",
        .rules = "/r.yaml" };
    struct wf_mon_config *c = NULL;
    char said[2000];

    ck_assert_int_eq(read_file(whole, "run", &o, &c, said, sizeof said), 0);
    ck_assert_str_eq(o.dir, "/d");
    ck_assert_str_eq(o.db, "/x.db");
    ck_assert_ptr_null(o.database);
    ck_assert_str_eq(o.alerts, "/a.db");
    ck_assert_uint_eq(o.pattern_count, 1);
    ck_assert_str_eq(o.patterns[0], "a/b");
    ck_assert_uint_eq(o.keep_count, 1);
    ck_assert_str_eq(o.keeps[0], "9d");
    ck_assert_uint_eq(o.discover_ms, 77);
    ck_assert_str_eq(o.rules, "/r.yaml");
    ck_assert(!o.rules_inside);
    ck_assert_str_eq(o.remote, "http://other/w");
    ck_assert_ptr_null(o.remote_auth); // that of another receiver
    wf_mon_config_free(c);
}
END_TEST

START_TEST(verify_proves_all_whatever_products_are_read)
{
    struct wf_mon_options o = { 0 };
    struct wf_mon_config *c = NULL;
    char said[2000];

    ck_assert_int_eq(read_file(whole, "verify", &o, &c, said, sizeof said), 0);
    ck_assert_uint_eq(o.pattern_count, 0);
    ck_assert_str_eq(o.database, "service=weft");
    wf_mon_config_free(c);
}
END_TEST

START_TEST(each_mistake_is_told_with_its_line_and_what_to_do)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        { "\ndatabse: x\n", ":2:1: " },
        { "\ndatabse: x\n", "database" },
        { "database: []\n", ":1:11: database takes a path, a PostgreSQL address" },
        { "database: {}\n", "one of `file: PATH`" },
        { "database: {file: a, postgresql: service=w}\n", "one of `file: PATH`" },
        { "database: {sqlite: a}\n", "sqlite" },
        { "database: {postgresql: weft}\n",
            "\"weft\" names no PostgreSQL database: postgresql://" },
        { "dir: d\ndatabase: postgresql://me:secret@h/n\n",
            ":2:11: database: a password does not belong there" },
        { "database: 'host=h password=secret'\n", "~/.pgpass" },
        { "database: 'host=h nonsense=1'\n", "nonsense" },
        { "products: servers\n", "as 'servers/*'" },
        { "products:\n  - servers/*\n  - {a: b}\n", ":3:5: it takes patterns" },
        { "keep: 5h\n", "\"5h\" is no time that rows are kept" },
        { "keep: {'servers/*': soon}\n", "a day at least" },
        { "every: 5\n", "\"5\" is no time from 100ms" },
        { "dir: {a: b}\n", "dir takes an identity directory" },
        { "rules: r.yaml\nnotify: {to: [stdout]}\n", ":2:9: notify belongs to the rules" },
        { "remote: {auth: a}\n", "remote takes `url: URL`" },
        { "- a\n", "a configuration is a mapping" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_mon_options o = { 0 };
        struct wf_mon_config *c = NULL;
        char said[2000];
        ck_assert_int_eq(read_file(rows[i].text, "run", &o, &c, said, sizeof said), 78);
        ck_assert_msg(strstr(said, rows[i].said) != NULL && strncmp(said, file, strlen(file)) == 0,
            "row %zu: %s", i, said);
        ck_assert_msg(strstr(said, "secret") == NULL, "row %zu shows the password: %s", i, said);
        wf_mon_config_free(c);
    }
}
END_TEST

START_TEST(a_file_that_others_may_write_is_not_followed)
{
    struct wf_mon_options o = { 0 };
    struct wf_mon_config *c = NULL;

    put(whole);
    ck_assert_int_eq(chmod(file, 0666), 0);
    ck_assert_int_ne(wf_mon_config_read(file, "run", &o, &c), 0);
    ck_assert_ptr_null(c);
    ck_assert_ptr_null(o.dir);
    ck_assert_int_eq(wf_mon_config_read("/nonexistent/x.yaml", "run", &o, &c), 78);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_config");
    TCase *c = tcase_create("config");

    tcase_add_test(c, one_file_says_all_and_paths_are_those_of_its_folder);
    tcase_add_test(c, rules_that_are_wrong_or_not_there_or_of_others_are_the_same_end);
    tcase_add_test(c, a_path_alone_is_a_file_of_sqlite_and_rules_may_lie_elsewhere);
    tcase_add_test(c, the_command_line_stands_before_the_file);
    tcase_add_test(c, verify_proves_all_whatever_products_are_read);
    tcase_add_test(c, each_mistake_is_told_with_its_line_and_what_to_do);
    tcase_add_test(c, a_file_that_others_may_write_is_not_followed);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad != 0;
}
