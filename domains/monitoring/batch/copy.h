// SPDX-License-Identifier: Apache-2.0
// Rows for PostgreSQL's COPY in its binary format (postgresql.org, "COPY, Binary Format": header, then a row as a count of fields and
// each field as a length with its bytes in network order). Owns its buffer; no I/O. Invariant: after a failure the buffer says so and
// nothing is added. Thread rule: one owner.
#ifndef WF_MONITORING_COPY_H
#define WF_MONITORING_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_MON_COPY_HEADER     "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define WF_MON_COPY_HEADER_LEN 19u
#define WF_MON_COPY_END        "\377\377" // after the last row
#define WF_MON_COPY_END_LEN    2u

struct wf_mon_copy {
    char *ptr;
    size_t len, cap;
    bool failed; // without memory, or a field beyond 1 GiB
};

void wf_mon_copy_fini(struct wf_mon_copy *c);
void wf_mon_copy_row(struct wf_mon_copy *c, unsigned fields); // its fields follow
void wf_mon_copy_null(struct wf_mon_copy *c);
void wf_mon_copy_int(struct wf_mon_copy *c, int64_t v);                    // BIGINT
void wf_mon_copy_bool(struct wf_mon_copy *c, bool v);                      // BOOLEAN
void wf_mon_copy_real(struct wf_mon_copy *c, double v);                    // DOUBLE PRECISION
void wf_mon_copy_uint(struct wf_mon_copy *c, uint64_t v);                  // NUMERIC
void wf_mon_copy_blob(struct wf_mon_copy *c, const void *ptr, size_t len); // BYTEA
// TEXT, which can't hold U+0000: each becomes U+FFFD.
void wf_mon_copy_text(struct wf_mon_copy *c, const char *ptr, size_t len);

#endif
