// SPDX-License-Identifier: Apache-2.0
// SQLite's heap asks as well (fault.h): its allocator is the library's own, before which a counter stands. Linked as a source into scenarios
// of programs that have a database; it is in force before main.
#include <sqlite3.h>
#include <stdlib.h>

#include "tests/support/fault.h"

static sqlite3_mem_methods own;

static void *failing_malloc(int size)
{
    return wf_fault_hits(WF_FAULT_ALLOC) ? NULL : own.xMalloc(size);
}

static void *failing_realloc(void *p, int size)
{
    return wf_fault_hits(WF_FAULT_ALLOC) ? NULL : own.xRealloc(p, size);
}

// The page cache takes its memory in pieces then, not once and for all: a page more is an allocation more.
__attribute__((constructor)) static void stand_before_sqlite(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) != SQLITE_OK)
        abort();
    sqlite3_mem_methods m = own;
    m.xMalloc = failing_malloc;
    m.xRealloc = failing_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &m) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0) != SQLITE_OK)
        abort();
}
