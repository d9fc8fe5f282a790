// SPDX-License-Identifier: Apache-2.0
// disks: the kernel's counters of every whole block device that holds a medium, from /proc/diskstats
// (Documentation/admin-guide/iostats.rst) and /sys/block. Partitions are parts of what is counted and left out.
#include <stdio.h>
#include <sys/stat.h>

#include "domains/common/bounds.h"
#include "domains/common/collector.h"

#define SECTOR                                                                                     \
    512u // the unit of /proc/diskstats and of /sys/block/*/size, whatever the device's own

enum unit { COUNT, SECTORS, MILLISECONDS };

// Columns 4 and following; older kernels end after 14 (before discards) or 18 (before flushes).
static const struct column {
    const char *field;
    enum unit unit;
} columns[] = {
    { "reads", COUNT },
    { "readsMerged", COUNT },
    { "readBytes", SECTORS },
    { "readTime", MILLISECONDS },
    { "writes", COUNT },
    { "writesMerged", COUNT },
    { "writtenBytes", SECTORS },
    { "writeTime", MILLISECONDS },
    { "inFlight", COUNT },
    { "ioTime", MILLISECONDS },
    { "weightedTime", MILLISECONDS },
    { "discards", COUNT },
    { "discardsMerged", COUNT },
    { "discardedBytes", SECTORS },
    { "discardTime", MILLISECONDS },
    { "flushes", COUNT },
    { "flushTime", MILLISECONDS },
};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])
enum { OLDEST_COLUMNS = 11 };

struct disk {
    char name[64];
    size_t known;
    uint64_t values[COLUMN_COUNT];
};

static bool parse_line(struct wf_text line, struct disk *ret)
{
    struct wf_text word;
    struct disk d = { .known = 0 };

    for (int i = 0; i < 3; i++) // major, minor, name
        if (!wf_text_word(&line, &word))
            return false;
    if (wf_text_copy(word, d.name, sizeof d.name) || strstr(d.name, "..") != NULL)
        return false;
    while (d.known < COLUMN_COUNT && wf_text_word(&line, &word)) {
        if (wf_text_u64(word, &d.values[d.known]))
            return false;
        d.known++;
    }
    if (d.known < OLDEST_COLUMNS)
        return false;
    *ret = d;
    return true;
}

// The size in bytes of a whole device; 0 for a partition, an empty reader, an unused loop device.
static enum weft_err medium_size(struct wf_collect *c, const char *name, uint64_t *ret)
{
    char path[128];
    struct wf_file file;
    struct wf_text line = { NULL, 0 };
    uint64_t sectors = 0;

    snprintf(path, sizeof path, "/sys/block/%s/size", name);
    // sysfs has '!' where a device name has '/'.
    for (char *p = path + strlen("/sys/block/"); p < path + strlen(path) - strlen("/size"); p++)
        if (*p == '/')
            *p = '!';
    enum weft_err err = wf_collect_optional(c, path, &file);
    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    if (!wf_text_line(&text, &line) || wf_text_u64(wf_text_trim(line), &sectors) ||
        sectors > UINT64_MAX / SECTOR)
        sectors = 0;
    wf_file_fini(&file);
    *ret = sectors * SECTOR;
    return WEFT_OK;
}

static enum weft_err put_row(struct wf_out *out, const struct disk *d, uint64_t size)
{
    wf_out_open_row(out);
    wf_out_str(out, "device", wf_text(d->name));
    wf_out_u64(out, "size", size);
    for (size_t i = 0; i < d->known; i++) {
        uint64_t v = d->values[i];
        if (columns[i].unit == COUNT)
            wf_out_u64(out, columns[i].field, v);
        else if (columns[i].unit == SECTORS)
            wf_out_u64(out, columns[i].field, v > UINT64_MAX / SECTOR ? UINT64_MAX : v * SECTOR);
        else
            wf_out_double(out, columns[i].field, (double)v / 1000.0);
    }
    return wf_out_close_row(out);
}

enum weft_err wf_collect_disks(struct wf_collect *c)
{
    struct wf_file file;
    struct wf_text line;
    enum weft_err err = wf_collect_file(c, "/proc/diskstats", WF_HOST_MAX_PROC, &file);

    if (err)
        return err;
    struct wf_text text = wf_file_text(&file);
    while (!err && wf_text_line(&text, &line)) {
        struct disk d;
        if (!parse_line(line, &d))
            continue;
        uint64_t size = 0;
        err = medium_size(c, d.name, &size);
        if (!err && size > 0)
            err = put_row(c->out, &d, size);
    }
    wf_file_fini(&file);
    return err;
}
