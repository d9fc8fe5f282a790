// SPDX-License-Identifier: Apache-2.0
// The ledger of tests in which the power goes: writers whose records are numbered from 0, what they were told, how the disk ends. Static, for
// one binary. Test code.
#ifndef WF_TESTS_POWER_H
#define WF_TESTS_POWER_H

#include <check.h>
#include <stdlib.h>

#include "node/node.h"
#include "tests/support/memroom.h"
#include "tests/support/support.h"

#define WRITERS 3      // of a product
#define LIFE    10     // losses of one disk
#define HALF_S  600000 // beyond the log's pause before it syncs what may wait

static struct wf_memdisk *disk;
static size_t outstanding;
static struct {
    uint64_t power, process, acknowledged, lost, refused;
} sum;

// asked: handed over; told: acknowledged; safe: acknowledged before the last sync of what may wait.
struct writer {
    uint64_t asked, told, safe;
};

struct letter {
    struct writer *w;
    uint64_t end;
};

static struct letter *letter(struct writer *w, uint64_t end)
{
    struct letter *l = malloc(sizeof *l);

    ck_assert_ptr_nonnull(l);
    *l = (struct letter){ w, end };
    outstanding++;
    return l;
}

static void on_done(struct wf_node *n, void *arg, enum weft_err err)
{
    struct letter *l = arg;

    (void)n;
    outstanding--;
    if (!err && l->w->told < l->end) {
        sum.acknowledged += l->end - l->w->told;
        l->w->told = l->end;
    }
    sum.refused += err != WEFT_OK;
    free(l);
}

static void writer_id(size_t who, uint8_t id[WF_PUBLISHER_LEN])
{
    memset(id, 0, WF_PUBLISHER_LEN);
    id[0] = (uint8_t)(who + 1);
}

// The power is still there.
static bool works(void)
{
    int fd = -1;
    struct wf_vfs vfs = wf_memdisk_vfs(disk);

    if (vfs.open(vfs.ctx, "/probe", WF_VFS_REPLACE, &fd))
        return false;
    vfs.close(vfs.ctx, fd);
    return true;
}

// The end of the process, or of the power with it; `close` closes what was open.
static void crash(bool power, uint64_t *seed, void (*close)(void))
{
    wf_memdisk_crash(disk, 0);
    close();
    ck_assert_uint_eq(outstanding, 0); // closing settles everything
    wf_memdisk_restart(disk, power, seed);
    sum.power += power;
    sum.process += !power;
}

// WEFT_FAULT_POWER: how many losses.
static long losses_wanted(void)
{
    const char *text = getenv("WEFT_FAULT_POWER");
    long losses = text ? strtol(text, NULL, 10) : 100;

    ck_assert_msg(losses > 0, "WEFT_FAULT_POWER=%s is no count", text);
    return losses;
}

#endif
