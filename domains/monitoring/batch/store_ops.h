// SPDX-License-Identifier: Apache-2.0
// The inside of the store that both databases share: what a back-end brings, and what is known of each product's table. store.c calls,
// *_sqlite.c and *_pq.c answer. Invariant: a table's name and counts are the database's as long as it is `loaded`.
#ifndef WF_MONITORING_STORE_OPS_H
#define WF_MONITORING_STORE_OPS_H

#include "domains/monitoring/batch/store.h"

#define WF_MON_FIXED        7 // _time _received _domain _origin _offset _batch _op

#define WF_MON_TRIM_ROWS    20000 // let go of at once
#define WF_MON_TRIM_BATCHES 2000

struct wf_mon_plan; // how records of one schema go into the table: each back-end has its own

struct wf_mon_table {
    struct wf_mon_table *next;
    char product[WF_MON_PRODUCT], domain[WF_MON_PRODUCT], name[WF_MON_NAME];
    bool loaded; // name and counts are the database's
    bool dirty;  // counts changed in this transaction
    uint64_t records, batches, live, repaired, pulled, history, lost;
    int64_t last_time_us, last_append_ms, last_received_ms;
    struct wf_mon_said said;
    struct wf_mon_plan *plan; // never NULL; made and released by the back-end
};

// See store.h for what each does. Each is called by store.c alone.
struct wf_mon_store_ops {
    void (*close)(struct wf_mon_store *s);
    enum weft_err (*ready)(struct wf_mon_store *s); // may be NULL: always
    enum weft_err (*begin)(struct wf_mon_store *s);
    enum weft_err (*commit)(struct wf_mon_store *s);
    void (*rollback)(struct wf_mon_store *s);
    enum weft_err (*load)(struct wf_mon_store *s, struct wf_mon_table *t); // name, counts
    enum weft_err (*shape)(
        struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p);
    enum weft_err (*records)(struct wf_mon_store *s, struct wf_mon_table *t,
        const struct weft_product *p, const struct weft_event *e, int64_t received_us);
    enum weft_err (*loss)(
        struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms);
    enum weft_err (*cursor)(struct wf_mon_store *s, const char *product,
        struct weft_cursor_row **ret, size_t *ret_count);
    enum weft_err (*status)(struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms);
    enum weft_err (*beat)(struct wf_mon_store *s, const struct wf_mon_beat *beat);
    enum weft_err (*late)(
        struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret);
    enum weft_err (*trim)(
        struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more);
    void (*be_guest)(struct wf_mon_store *s); // may be NULL: it looks anyway
    // May be NULL: one process stores all.
    enum weft_err (*claim)(struct wf_mon_store *s, const char *const *products, size_t count);
    bool (*holds)(struct wf_mon_store *s, const char *product);
    size_t (*bytes)(const struct wf_mon_store *s); // may be NULL: nothing is held in memory
    size_t plan_size;
    void (*plan_fini)(struct wf_mon_plan *plan); // leaves it empty
};

struct wf_mon_store { // the first member of each back-end's own
    const struct wf_mon_store_ops *ops;
    bool open; // a transaction is
    struct wf_mon_table *tables;
    char problem[400];
};

enum weft_err wf_mon_store_nomem(struct wf_mon_store *s); // notes it
// After a rollback nothing known of the tables holds.
void wf_mon_tables_forget(struct wf_mon_store *s);
void wf_mon_tables_fini(struct wf_mon_store *s);
// A RECORDS event of which `count` records were stored as one batch or a part of it.
void wf_mon_table_count(
    struct wf_mon_table *t, const struct weft_event *e, size_t count, int64_t received_us);

// What of a schema decides how its records go into the table. All NULL: nothing yet.
struct wf_mon_shape {
    char *hash, *message, *keys;
    size_t field_count;
    bool *is_key;              // of each field
    struct weft_value *values; // room for those of one record
};
// Empties the shape and takes that of `p`, with `keys` (from wf_mon_keys), which are its own in any case. NOMEM, noted.
WEFT_MUST_USE enum weft_err wf_mon_shape_take(
    struct wf_mon_store *s, struct wf_mon_shape *shape, const struct weft_product *p, char *keys);
// Is it that of `p` and `keys`?
bool wf_mon_shape_is(
    const struct wf_mon_shape *shape, const struct weft_product *p, const char *keys);
void wf_mon_shape_fini(struct wf_mon_shape *shape);

// FNV-1a of a chain, for the index alone: bytes are compared.
int64_t wf_mon_chain_sum(const void *chain, size_t len);

// A line of status as _status has it: the texts from `product` on, then the numbers from `freshness_ms` on.
#define WF_MON_LINE_TEXTS   7
#define WF_MON_LINE_NUMBERS 12
void wf_mon_line_columns(const struct wf_mon_line *line, const char *texts[WF_MON_LINE_TEXTS],
    int64_t numbers[WF_MON_LINE_NUMBERS]);

// The latest time of `count` records of an event.
int64_t wf_mon_last_us(const struct weft_event *e, size_t from, size_t count);
// Records [from, from + count) of an event.
struct wf_mon_range {
    size_t from, count;
};
#define WF_MON_RANGES 64u
// Takes out of the ranges what a stored part with these seqs of the same batch holds; gives how many are left. A batch in more pieces than
// there is room for loses its last ones here: they are asked for again at the next start.
size_t wf_mon_ranges_cut(struct wf_mon_range ranges[WF_MON_RANGES], size_t count,
    const struct weft_event *e, uint64_t first_seq, uint64_t seq_count);

// What DOMAIN/agents says of a host that is late.
enum wf_mon_agent { WF_MON_AGENT_UNKNOWN, WF_MON_AGENT_CUT, WF_MON_AGENT_ENDED };
enum wf_mon_agent wf_mon_agent_of(const char *state);
// One host that is late: named, or not waited for.
void wf_mon_late_add(struct wf_mon_late *late, const char *host, enum wf_mon_agent says);

// The back-ends' doors.
WEFT_MUST_USE enum weft_err wf_mon_pq_check(const char *conninfo, char *problem, size_t size);
WEFT_MUST_USE enum weft_err wf_mon_pq_store_open(
    const char *conninfo, struct wf_mon_store **ret, struct weft_problem *problem);
WEFT_MUST_USE enum weft_err wf_mon_sqlite_open(
    const char *path, struct wf_mon_store **ret, struct weft_problem *problem);

#endif
