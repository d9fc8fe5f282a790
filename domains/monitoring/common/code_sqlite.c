// SPDX-License-Identifier: Apache-2.0
// See code_sqlite.h.
#include "domains/monitoring/common/code_sqlite.h"

#include <sqlite3.h>

enum weft_err wf_mon_sqlite_code(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return WEFT_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return WEFT_E_BUSY;
    case SQLITE_FULL:
        return WEFT_E_NOSPACE;
    case SQLITE_NOMEM:
        return WEFT_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WEFT_E_DAMAGED;
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return WEFT_E_PERMISSION;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
        return WEFT_E_IO;
    case SQLITE_TOOBIG:
        return WEFT_E_TOO_BIG;
    default:
        return WEFT_E_INTERNAL;
    }
}
