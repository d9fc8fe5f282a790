// SPDX-License-Identifier: Apache-2.0
// The inside of the store on PostgreSQL, shared by link_pq.c (connection, statements), store_pq.c (set-up, transactions), tables_pq.c
// (products, columns, partitions), rows_pq.c (what arrives), state_pq.c (status, leases). A transaction is held here, in rows ready for
// COPY, and sent as one when it is committed: the server holds no lock while the monitor waits for records.
#ifndef WF_MONITORING_STORE_PQ_H
#define WF_MONITORING_STORE_PQ_H

#include <libpq-fe.h>

#include "domains/monitoring/batch/copy.h"
#include "domains/monitoring/batch/store_ops.h"

#define WF_MON_PQ_VERSION 1
#define WF_MON_PQ_NAME                                                                             \
    48u // bytes of a table's or column's name: PostgreSQL cuts at 63, and partitions need some
#define WF_MON_PQ_MAX_FIELD  1500u // PostgreSQL has 1600 columns
#define WF_MON_PQ_ARGS       32u
#define WF_MON_PQ_LOCK       "5s" // how long a statement waits for somebody's lock
#define WF_MON_PQ_FREE_TURNS 5u   // claims after which anybody takes a free product
#define WF_MON_PQ_LEASE_MS                                                                         \
    15000 // a product is another process's to take this long after its holder was heard last

// One day of a product's rows.
#define WF_MON_DAY_US 86400000000

// The parameters of a statement. Texts and blobs are borrowed.
struct wf_mon_pq_args {
    int count;
    const char *value[WF_MON_PQ_ARGS];
    int len[WF_MON_PQ_ARGS], format[WF_MON_PQ_ARGS];
    char digits[WF_MON_PQ_ARGS][24];
};
void wf_mon_pq_text(struct wf_mon_pq_args *a, const char *s);
void wf_mon_pq_int(struct wf_mon_pq_args *a, int64_t v);
void wf_mon_pq_blob(struct wf_mon_pq_args *a, const void *ptr, size_t len); // NULL when it is empty
void wf_mon_pq_null(struct wf_mon_pq_args *a);

// A connection that says what went wrong with it. Both the writer and those who only look have one.
struct wf_mon_pq_link {
    PGconn *conn;
    char *conninfo;
    int64_t again_ms, wait_ms; // monotonic: not tried before; doubled each time
    char *problem;             // where failures are told, of `problem_size` bytes
    size_t problem_size;
};
// Refuses a password in the text, which everybody sees in the list of processes. CONFIG, NOMEM; as connect.
WEFT_MUST_USE enum weft_err wf_mon_pq_open(struct wf_mon_pq_link *l, const char *conninfo);
// Connects (again) when there is no connection. IO while it is not yet time, or when it fails.
WEFT_MUST_USE enum weft_err wf_mon_pq_connect(struct wf_mon_pq_link *l);
void wf_mon_pq_close(struct wf_mon_pq_link *l);
// Runs one statement; *ret (may be NULL) is its result, for PQclear. `binary`: cells come in the binary format.
WEFT_MUST_USE enum weft_err wf_mon_pq_ask(struct wf_mon_pq_link *l, const char *sql,
    const struct wf_mon_pq_args *a, bool binary, PGresult **ret);
WEFT_MUST_USE enum weft_err wf_mon_pq_do(
    struct wf_mon_pq_link *l, const char *sql); // may be several
// Notes what the server said and gives our code for it.
enum weft_err wf_mon_pq_err(struct wf_mon_pq_link *l, const PGresult *r, const char *doing);
int64_t wf_mon_pq_number(const PGresult *r, int row, int column); // of a text cell; 0 for NULL
// "NAME" with quotes; NAME is at most WF_MON_NAME.
const char *wf_mon_pq_quote(const char *name, char out[2 * WF_MON_NAME + 3]);

// ---- the writer --------------------------------------------------------------------------------------------------------

// A text that grows; "" when it is new.
struct wf_mon_pq_string {
    char *ptr;
    size_t len, cap;
    bool failed;
};
void wf_mon_pq_add(struct wf_mon_pq_string *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct wf_mon_pq_mark { // a cursor row of the open transaction
    char *key, *value;
    size_t key_len, value_len;
};

struct wf_mon_plan {
    struct wf_mon_shape shape;
    int64_t schema_id;
    enum weft_type *types;
    char *copy;    // NULL: no plan; "COPY ... FROM STDIN (FORMAT binary)"
    size_t chunk;  // where its rows go in this transaction, 1 = the first; 0 = nowhere yet
    int32_t *days; // whose partitions are known to be there
    size_t day_count;
    struct wf_mon_pq_mark *marks;
    size_t mark_count;
    bool touched;        // this transaction has something of the product
    bool held;           // by this process's lease
    unsigned free_turns; // claims for which it was nobody's
    uint64_t told[7];    // counts as the database has them
};

struct wf_mon_pq_chunk { // rows of one table and one set of columns
    char *copy;
    struct wf_mon_copy rows;
};
struct wf_mon_pq_part { // a batch, or a part of one, of the open transaction
    struct wf_mon_table *table;
    size_t chunk, rows_from, rows_to, batch_from, batch_to; // places in the chunk and in `batches`
    size_t name;                                            // place of the batch's id in `names`
    int64_t id;
    uint64_t first_seq, count;
    enum weft_way way;
    bool known; // stored before
};
struct wf_mon_pq_chain {
    int64_t id;
    void *bytes;
    size_t len;
};

struct wf_mon_pq {
    struct wf_mon_store base;
    struct wf_mon_pq_link link;
    bool partitions;   // the server has them
    bool guest;        // adds what is missing, and holds no product
    bool careful;      // look before storing: part of a batch was there already
    char machine[20];  // "1a2b3c4d5e6f7a8b-": where process ids are the same ones
    char owner[64];    // of leases: MACHINE-PID-RANDOM
    char process[128]; // "host:pid:0123", for people and for the split
    int64_t next_id, end_id;
    struct wf_mon_pq_chain *chains;
    size_t chain_count;
    // The open transaction.
    struct wf_mon_pq_chunk *chunks;
    struct wf_mon_pq_part *parts;
    size_t chunk_count, part_count, part_room;
    struct wf_mon_copy batches; // rows of _batch
    struct wf_mon_pq_string names, statements;
    size_t bytes; // held in all of it
};
static inline struct wf_mon_pq *wf_mon_pq(struct wf_mon_store *s)
{
    return (struct wf_mon_pq *)s;
}

// The next id of batches, chains, schemas: taken from the database a thousand at a time.
WEFT_MUST_USE enum weft_err wf_mon_pq_id(struct wf_mon_pq *q, int64_t *ret);
// Everything of the open transaction is dropped.
void wf_mon_pq_forget(struct wf_mon_pq *q);
// Sends the rows and batches of the transaction that is open at the server; duplicates are found and left out before.
WEFT_MUST_USE enum weft_err wf_mon_pq_find_known(struct wf_mon_pq *q);
WEFT_MUST_USE enum weft_err wf_mon_pq_send(struct wf_mon_pq *q);
// Products of the transaction are this process's: locks their leases. BUSY: one is not any more.
WEFT_MUST_USE enum weft_err wf_mon_pq_lock(struct wf_mon_pq *q);
// The records of the event that are stored in no part of its batch yet; the caller's ranges hold all of them.
WEFT_MUST_USE enum weft_err wf_mon_pq_uncovered(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct weft_event *e, struct wf_mon_range ranges[WF_MON_RANGES], size_t *ret_count);
// The partition for rows of this day, where there are partitions.
WEFT_MUST_USE enum weft_err wf_mon_pq_day(
    struct wf_mon_pq *q, struct wf_mon_table *t, int64_t time_us);

// The parts of wf_mon_store_ops.
enum weft_err wf_mon_pq_load(struct wf_mon_store *s, struct wf_mon_table *t);
enum weft_err wf_mon_pq_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p);
enum weft_err wf_mon_pq_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us);
enum weft_err wf_mon_pq_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms);
enum weft_err wf_mon_pq_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count);
enum weft_err wf_mon_pq_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms);
enum weft_err wf_mon_pq_beat(struct wf_mon_store *s, const struct wf_mon_beat *beat);
enum weft_err wf_mon_pq_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret);
enum weft_err wf_mon_pq_claim(struct wf_mon_store *s, const char *const *products, size_t count);
bool wf_mon_pq_holds(struct wf_mon_store *s, const char *product);
size_t wf_mon_pq_bytes(const struct wf_mon_store *s);
enum weft_err wf_mon_pq_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more);
void wf_mon_pq_plan_fini(struct wf_mon_plan *p);

#endif
