// SPDX-License-Identifier: Apache-2.0
// packages: what is installed, from dpkg's status file (deb-control(5), dpkg(1)) and, where an rpm database exists, from
// `rpm -qa`, one row a package. Rows of dpkg are those of `dpkg-query -W`: every package that left something behind.
#include <stdio.h>
#include <unistd.h>

#include "domains/common/bounds.h"
#include "domains/common/child.h"
#include "domains/common/collector.h"
#include "domains/common/packages.h"

static const char rpm_program[] = "/usr/bin/rpm";

static bool exists(
    const char *root, const char *directory, const char *file, char path[WF_HOST_MAX_PATH])
{
    int n = snprintf(path, WF_HOST_MAX_PATH, "%s%s%s", root, directory, file);

    return n > 0 && (size_t)n < WF_HOST_MAX_PATH && access(path, R_OK) == 0;
}

// The folder of the rpm database below root into path; false where there is none.
static bool find_rpm_database(const char *root, char path[WF_HOST_MAX_PATH])
{
    static const char *const folders[] = { "/usr/lib/sysimage/rpm", "/var/lib/rpm" };
    static const char *const files[] = { "/rpmdb.sqlite", "/Packages.db", "/Packages" };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        for (size_t j = 0; j < sizeof files / sizeof files[0]; j++)
            if (exists(root, folders[i], files[j], path))
                return exists(root, folders[i], "", path);
    return false;
}

// Where dpkg is at home too, a database without its program is what rpm left behind; elsewhere the packages are unknown.
static bool is_left_behind(bool dpkg)
{
    return dpkg && access(rpm_program, X_OK) != 0;
}

static enum weft_err collect_rpm(struct wf_collect *c, const char *database)
{
    const char *const argv[] = { rpm_program, "--dbpath", database, "-qa", "--qf", wf_rpm_format,
        NULL };
    struct wf_file list;
    enum weft_err err = wf_child_read(argv, WF_HOST_MAX_FILE, WF_HOST_CHILD_MS, &list);

    if (err)
        return wf_problem(c, err, "%s: did not list the packages of %s", argv[0], database);
    err = wf_packages_rpm(c->out, wf_file_text(&list));
    wf_file_fini(&list);
    return err;
}

enum weft_err wf_collect_packages(struct wf_collect *c)
{
    char database[WF_HOST_MAX_PATH];
    struct wf_file status;
    bool rpm = find_rpm_database(c->root, database);
    enum weft_err err = wf_collect_file(c, "/var/lib/dpkg/status", WF_HOST_MAX_FILE, &status);

    if (err == WEFT_E_NOT_FOUND && !rpm)
        return wf_problem(c, WEFT_E_UNSUPPORTED,
            "neither dpkg's status file nor an rpm database below \"%s/\"", c->root);
    if (err && err != WEFT_E_NOT_FOUND)
        return err;
    rpm = rpm && !is_left_behind(!err);
    if (!err) {
        err = wf_packages_dpkg(c->out, wf_file_text(&status));
        wf_file_fini(&status);
        if (err)
            return err;
    }
    c->problem[0] = '\0'; // that dpkg's file is absent is none where rpm's is there
    return rpm ? collect_rpm(c, database) : WEFT_OK;
}
