// SPDX-License-Identifier: Apache-2.0
// Any bytes in place of the files that collectors read: never a crash, and every row is JSON.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/common/collectors.h"
#include "domains/common/packages.h"
#include "domains/common/rows.h"
#include "domains/common/volumes.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The files that collectors read: memory behind a link in the tree, so that a run costs no disk.
enum file {
    STAT,
    MEMINFO,
    LOADAVG,
    UPTIME,
    DISKSTATS,
    MOUNTINFO,
    CPUINFO,
    HOSTNAME,
    RELEASE,
    PASSWD,
    GROUP,
    STATUS,
    SIZE,
    FILES
};

static struct slot {
    const char *path, *usual; // what the file holds unless it is under attack
    int fd;
} slots[FILES] = {
    [STAT] = { "/proc/stat", "cpu 1 2 3 4\n", -1 },
    [MEMINFO] = { "/proc/meminfo", "MemTotal: 4 kB\n", -1 },
    [LOADAVG] = { "/proc/loadavg", "0.1 0.2 0.3 1/2 3\n", -1 },
    [UPTIME] = { "/proc/uptime", "1.0 1.0\n", -1 },
    [DISKSTATS] = { "/proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", -1 },
    [MOUNTINFO] = { "/proc/self/mountinfo", "", -1 },
    [CPUINFO] = { "/proc/cpuinfo", "", -1 },
    [HOSTNAME] = { "/proc/sys/kernel/hostname", "h\n", -1 },
    [RELEASE] = { "/etc/os-release", "ID=x\n", -1 },
    [PASSWD] = { "/etc/passwd", "a:x:1:1:a:/:/bin/sh\nb:x:2:2:b:/:\n", -1 },
    [GROUP] = { "/etc/group", "a:x:1:b\n", -1 },
    [STATUS] = { "/var/lib/dpkg/status", "", -1 },
    [SIZE] = { "/sys/block/sda/size", "8\n", -1 },
};

// The first byte of the input picks the collector and the file under attack.
static const struct target {
    const char *collector;
    enum file file;
} targets[] = {
    { "cpu", STAT },
    { "memory", MEMINFO },
    { "load", LOADAVG },
    { "disks", DISKSTATS },
    { "mounts", MOUNTINFO },
    { "users", PASSWD },
    { "users", GROUP },
    { "hosts", RELEASE },
    { "hosts", CPUINFO },
    { "packages", STATUS },
    { "load", STAT },
    { "load", UPTIME },
    { "disks", SIZE },
    { "hosts", HOSTNAME },
};

static void fill(enum file file, const void *data, size_t size)
{
    int fd = slots[file].fd;

    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
}

static void make_folders(const char *root, const char *path, char full[600])
{
    snprintf(full, 600, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        (void)mkdir(full, 0700); // may exist
        *p = '/';
    }
}

static const char *tree(void)
{
    static const char *root;
    char full[600], memory[64];

    if (root)
        return root;
    root = wf_test_tmpdir();
    for (enum file i = 0; i < FILES; i++) {
        slots[i].fd = memfd_create("file", MFD_CLOEXEC);
        make_folders(root, slots[i].path, full);
        snprintf(memory, sizeof memory, "/proc/self/fd/%d", slots[i].fd);
        if (slots[i].fd < 0 || symlink(memory, full) != 0)
            abort();
        fill(i, slots[i].usual, strlen(slots[i].usual));
    }
    return root;
}

static void check_rows(const struct wf_out *out)
{
    for (size_t i = 0; i < out->row_count; i++) {
        json_t *v = json_loadb(out->ptr + out->rows[i].start, out->rows[i].end - out->rows[i].start,
            JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!json_is_object(v))
            abort();
        json_decref(v);
    }
}

// What the collector does with a mount table but the looking, as if every mount had been found.
static void keep_volumes(const uint8_t *data, size_t size)
{
    struct wf_file file = { malloc(size + 1), size };
    struct wf_mounts mounts;
    struct wf_out out = { 0 };

    if (!file.ptr)
        abort();
    memcpy(file.ptr, data, size);
    if (wf_mounts_parse(&file, &mounts))
        return;
    struct wf_volume *v = calloc(mounts.count + 1, sizeof *v);
    size_t count = 0;
    for (size_t i = 0; v && i < mounts.count; i++)
        if (!wf_mount_is_behind_remote(&mounts, &mounts.list[i]))
            v[count++] = (struct wf_volume){
                .mount = &mounts.list[i], .found = true, .fs = { .f_blocks = i % 3, .f_bavail = i }
            };
    wf_volumes_keep(&mounts, v, &count);
    for (size_t i = 0; i < count; i++) {
        if (wf_mounts_find(&mounts, v[i].mount->point) != v[i].mount)
            abort(); // what is at a mount point is the mount itself
        if (wf_volume_put(&out, &v[i]))
            abort();
    }
    check_rows(&out);
    free(v);
    wf_mounts_fini(&mounts);
    wf_out_fini(&out);
}

static void run(const struct target *t, const uint8_t *data, size_t size)
{
    const char *root = tree();
    struct wf_out out = { 0 }, lines = { 0 };
    struct wf_collect c = { .root = root, .out = &out };

    fill(t->file, data, size);
    for (size_t i = 0; i < wf_collector_count; i++) {
        const struct wf_collector *k = &wf_collectors[i];
        if (strcmp(k->name, t->collector) != 0)
            continue;
        if (k->collect(&c) == WEFT_OK) {
            check_rows(&out);
            wf_rows_sort(&out);
            if (wf_rows_snapshot(&out, 0, &lines))
                abort();
        } else if (c.problem[0] == '\0' && !out.err) {
            abort();
        }
        if (k->forget)
            k->forget(c.state);
        else
            free(c.state);
    }
    fill(t->file, slots[t->file].usual, strlen(slots[t->file].usual));
    wf_out_fini(&out);
    wf_out_fini(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % (WF_COUNT(targets) + 1) == WF_COUNT(targets)) {
        struct wf_out out = { 0 };
        if (wf_packages_rpm(&out, (struct wf_text){ (const char *)data + 1, size - 1 }) == WEFT_OK)
            check_rows(&out);
        wf_out_fini(&out);
        return 0;
    }
    const struct target *t = &targets[data[0] % (WF_COUNT(targets) + 1)];
    run(t, data + 1, size - 1);
    if (t->file == MOUNTINFO)
        keep_volumes(data + 1, size - 1);
    return 0;
}
