// SPDX-License-Identifier: Apache-2.0
// The application's half of subscribe.c: an SQLite file with the table `record` and, beside it, the cursor. Knows nothing of the mesh.
// Invariant: a record is in the file exactly when the cursor is beyond it, because one transaction stores both.
#ifndef EXAMPLE_ARCHIVE_H
#define EXAMPLE_ARCHIVE_H

#include <sqlite3.h>
#include <weft/weft.h>

struct archive {
    sqlite3 *db;
    sqlite3_stmt *record, *place;
    struct weft_cursor_row *cursor; // as the last run left it; empty the first time
    size_t cursor_count;
};

// False: archive_error says why. archive_close in either case.
bool archive_open(struct archive *a, const char *path);
void archive_close(struct archive *a);
const char *archive_error(const struct archive *a);

// All of an event or nothing.
bool archive_store(
    struct archive *a, const struct weft_product *product, const struct weft_event *event);

#endif
