// SPDX-License-Identifier: Apache-2.0
// libweft: publish, subscribe, discover, describe, query, call and serve data products of a weft mesh.
//
// A client is one identity. Two kinds of connection stand behind it: the node's local socket (publishing, serving, discovery)
// and sessions of its own to the owners of products (subscribe, query, call), which the identity directory proves.
// One background thread belongs to each client. Every function may be called from any thread unless it says otherwise; an object made
// from a client must be closed before it. Strings are UTF-8 and NUL-ended. Times are unix microseconds (_us) or milliseconds (_ms).
// Functions that can fail return enum weft_err, write their results only on success, and fill *problem (which may be NULL) on failure.
// Environment: WEFT_DIR (identity directory), WEFT_SOCKET (local socket), used where the options leave them NULL.
//
// Examples are indented; a test compiles each. They take a client `c`, a `struct weft_problem problem` and, of what an earlier call made,
// a variable of that kind: catalog, product, publisher, subscription, event, record, rows, result, service.
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/err.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_API_VERSION 1

// ---- problems --------------------------------------------------------------------------------------------------------

// What went wrong, for people. All strings are NUL-ended and never hold secrets; empty where unknown.
struct weft_problem {
    enum weft_err err;
    char text[512];  // one line: where and what
    char caveat[32]; // the caveat that refused
    char asked[160], granted[160];
    char audit_id[40]; // the owner finds the refusal under it
    char hint[256];    // what to do next
};
//     if (weft_describe(c, "servers/cpu", &product, &problem) != WEFT_OK) {
//         fprintf(stderr, "%s\n%s\n", problem.text, problem.hint);
//         exit(weft_err_exit(problem.err));
//     }

// ---- client ----------------------------------------------------------------------------------------------------------

struct weft_client;
struct weft_options {
    // Identity directory; NULL: $WEFT_DIR, then $XDG_CONFIG_HOME/weft or ~/.config/weft. Local weftd; NULL: $WEFT_SOCKET, then the socket
    // named in the identity directory, then /run/weft/weftd.sock.
    const char *dir, *socket;
    unsigned flags;       // WEFT_LOCAL_ONLY, WEFT_REMOTE_ONLY
    unsigned deadline_ms; // of single requests; 0 = 10 s
};
#define WEFT_LOCAL_ONLY  1u // never read an identity directory; subject is the node's
#define WEFT_REMOTE_ONLY 2u // never use a local socket

// Connects lazily: succeeds when an identity or a local socket is there. IDENTITY when neither is.
//     struct weft_options options = { .dir = "/etc/weft", .deadline_ms = 3000 };
//     if (weft_connect(&options, &c, &problem) != WEFT_OK)
//         errx(weft_err_exit(problem.err), "%s", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_connect(
    const struct weft_options *options, struct weft_client **ret, struct weft_problem *problem);
// Flushes nothing: close publishers first. Bounded: returns within about a second. NULL is permitted.
//     weft_close(c);
WEFT_API void weft_close(struct weft_client *c);

struct weft_whoami {
    char domain[64], subject[64], kind[16], mesh[64], mesh_id[128], key[160], fingerprint[16];
    int64_t certificate_expires_ms;
    uint64_t charter_version;
};
// Who this client is: of its identity directory, else of the local node. IDENTITY, UNREACHABLE.
//     struct weft_whoami me;
//     if (weft_whoami(c, &me, &problem) == WEFT_OK)
//         printf("%s/%s (%s) of %s\n", me.domain, me.subject, me.kind, me.mesh);
WEFT_API WEFT_MUST_USE enum weft_err weft_whoami(
    struct weft_client *c, struct weft_whoami *ret, struct weft_problem *problem);

// ---- discover and describe -------------------------------------------------------------------------------------------

enum weft_product_kind { WEFT_METRIC = 1, WEFT_EVENT, WEFT_INVENTORY, WEFT_API_PRODUCT };

struct weft_product_info {
    const char *domain, *name, *version, *title, *description, *owner, *contact, *node;
    const char *message, *service, *classification;
    const char *schema;     // hash, printed
    const char *id, *rules; // printed: of its major in this mesh; of the rules with it; NULL: none
    enum weft_product_kind kind;
    int64_t freshness_ms, retention_ms;
    int64_t age_ms;   // since its owner signed the advert
    int64_t heard_ms; // since the answering node heard from the owner's node; -1 = never directly
    bool gone;        // the owner's node does not answer
    size_t mirrors;   // nodes that say they hold it for readers while the owner's node is away
    const char *const *tags, *const *regions, *const *keys;
    size_t tag_count, region_count, key_count;
};

struct weft_catalog;
// Everything the answering node knows, each advert verified against the charter here. `domain` and `text` narrow (NULL: all).
//     if (weft_discover(c, "servers", NULL, &catalog, &problem) == WEFT_OK)
//         weft_catalog_free(catalog);
WEFT_API WEFT_MUST_USE enum weft_err weft_discover(struct weft_client *c, const char *domain,
    const char *text, struct weft_catalog **ret, struct weft_problem *problem);
// How many products are in it.
//     for (size_t i = 0; i < weft_catalog_count(catalog); i++)
//         puts(weft_catalog_at(catalog, i)->name);
WEFT_API size_t weft_catalog_count(const struct weft_catalog *cat);
// One of them, as long as the catalog lives; NULL beyond the last.
//     const struct weft_product_info *first = weft_catalog_at(catalog, 0);
//     if (first && first->gone)
//         printf("%s/%s: heard %lld s ago\n", first->domain, first->name, (long long)first->heard_ms / 1000);
WEFT_API const struct weft_product_info *weft_catalog_at(
    const struct weft_catalog *cat, size_t index);
// When the answering node said so, by its clock: unix milliseconds.
//     printf("as of %lld\n", (long long)weft_catalog_as_of_ms(catalog));
WEFT_API int64_t weft_catalog_as_of_ms(const struct weft_catalog *cat);
// Releases it with all it lent. NULL is permitted.
//     weft_catalog_free(catalog);
WEFT_API void weft_catalog_free(struct weft_catalog *cat);

enum weft_type {
    WEFT_T_BOOL = 1,
    WEFT_T_INT,
    WEFT_T_UINT,
    WEFT_T_DOUBLE,
    WEFT_T_TEXT,
    WEFT_T_BYTES,
    WEFT_T_ENUM,
    WEFT_T_TIME,
    WEFT_T_JSON
};
enum weft_role {
    WEFT_ROLE_NONE = 0,
    WEFT_ROLE_LABEL,
    WEFT_ROLE_GAUGE,
    WEFT_ROLE_COUNTER,
    WEFT_ROLE_HISTOGRAM,
    WEFT_ROLE_TIMESTAMP,
    WEFT_ROLE_TEXT
};

// A column of a product: a top-level field of its message. Nested messages, maps and repeated fields are one JSON column.
struct weft_field {
    const char *name, *json_name, *unit, *description, *privacy;
    enum weft_type type;
    enum weft_role role;
    uint32_t number;
    bool key;
};

struct weft_product; // a described product: its info and its compiled schema
// Fetches a product's advert and schema from the mesh and verifies both. NOT_FOUND, UNREACHABLE.
//     if (weft_describe(c, "servers/cpu", &product, &problem) == WEFT_OK)
//         weft_product_free(product);
WEFT_API WEFT_MUST_USE enum weft_err weft_describe(struct weft_client *c, const char *product,
    struct weft_product **ret, struct weft_problem *problem);
// What its owner promises, as long as the product lives.
//     printf("kept for %lld days\n", (long long)weft_product_info(product)->retention_ms / 86400000);
WEFT_API const struct weft_product_info *weft_product_info(const struct weft_product *p);
// How many columns its message has; 0 for an api.
//     for (size_t i = 0; i < weft_product_field_count(product); i++)
//         puts(weft_product_field(product, i)->name);
WEFT_API size_t weft_product_field_count(const struct weft_product *p);
// One column, as long as the product lives; NULL beyond the last.
//     const struct weft_field *f = weft_product_field(product, 0);
//     printf("%s [%s]: %s\n", f->name, f->unit, f->description);
WEFT_API const struct weft_field *weft_product_field(const struct weft_product *p, size_t index);
// The schema as .proto text; release with free(). Of several files each begins with a line "// file: NAME"; those of protoc and weft are left out.
//     char *text;
//     if (weft_product_proto(product, &text) == WEFT_OK && fputs(text, stdout) >= 0)
//         free(text);
WEFT_API WEFT_MUST_USE enum weft_err weft_product_proto(
    const struct weft_product *p, char **ret_text);
// The exact FileDescriptorSet bytes, owned by the product.
//     const void *set;
//     size_t len;
//     weft_product_descriptor(product, &set, &len);
//     fwrite(set, 1, len, stdout);
WEFT_API void weft_product_descriptor(
    const struct weft_product *p, const void **ret, size_t *ret_len);
// The rules of alerts that come with a product: YAML of weft-rules(5), a stranger's; release with free(). NOT_FOUND: none; UNREACHABLE.
//     char *text;
//     if (weft_product_rules(c, "servers/filesystems", &text, &problem) == WEFT_OK)
//         free(text);
WEFT_API WEFT_MUST_USE enum weft_err weft_product_rules(
    struct weft_client *c, const char *product, char **ret_text, struct weft_problem *problem);
// NULL is permitted. Products that a publisher or subscription lends are not released.
//     weft_product_free(product);
WEFT_API void weft_product_free(struct weft_product *p);

// ---- records -----------------------------------------------------------------------------------------------------------

enum weft_op { WEFT_PUT = 0, WEFT_DELETE, WEFT_SNAPSHOT_BEGIN, WEFT_SNAPSHOT_END };

struct weft_record {
    enum weft_op op;
    int64_t time_us;
    uint64_t offset;  // at the home
    uint64_t seq;     // in its origin's chain
    const void *data; // the protobuf message
    size_t len;
};

struct weft_bytes {
    const char *ptr; // until the next call on this product from this thread
    size_t len;
};
struct weft_value {
    enum weft_type type; // 0 = absent
    union {
        bool flag;
        int64_t integer; // INT, ENUM (number), TIME (unix microseconds)
        uint64_t natural;
        double real;
        struct weft_bytes bytes; // TEXT, BYTES, JSON
    };
    const char *name; // ENUM: the value's name, NULL when unknown
};

// One column of a record, read with bounds. WEFT_E_RECORD when the bytes do not fit the schema.
//     struct weft_value v;
//     if (weft_record_value(product, record, 0, &v) == WEFT_OK && v.type == WEFT_T_DOUBLE) printf("%g\n", v.real);
WEFT_API WEFT_MUST_USE enum weft_err weft_record_value(const struct weft_product *p,
    const struct weft_record *r, size_t field, struct weft_value *ret);
// The first `count` columns in one pass: cheaper where many are wanted. One that does not fit is absent; RECORD when the record does not.
//     struct weft_value all[2];
//     if (weft_record_values(product, record, all, 2) == WEFT_OK && all[1].type == WEFT_T_DOUBLE) printf("%g\n", all[1].real);
WEFT_API WEFT_MUST_USE enum weft_err weft_record_values(const struct weft_product *p,
    const struct weft_record *r, struct weft_value *ret_values, size_t count);
// The whole record as proto3 JSON (one line, no newline); release with free().
//     char *json;
//     if (weft_record_json(product, record, &json) == WEFT_OK && puts(json) >= 0)
//         free(json);
WEFT_API WEFT_MUST_USE enum weft_err weft_record_json(
    const struct weft_product *p, const struct weft_record *r, char **ret_text);
struct weft_subscription;
struct ProtobufCMessageDescriptor; // of <protobuf-c/protobuf-c.h>
// A record of the event at hand as the struct of protobuf-c's generated code, decoded when it is asked for. A peer's bytes choose neither its
// depth nor how much memory it takes. It lives until the next call or weft_next on this subscription and is not freed. ret_struct: address
// of a pointer. TYPE when the product's message is another one, RECORD when the bytes don't fit.
//     extern const struct ProtobufCMessageDescriptor acme__v1__queue__descriptor; // queue.pb-c.h, by protoc-c
//     const struct { void *base[3]; char *id; } *queue; // and there Acme__V1__Queue
//     if (weft_record_struct(subscription, record, &acme__v1__queue__descriptor, &queue) == WEFT_OK)
//         puts(queue->id);
WEFT_API WEFT_MUST_USE enum weft_err weft_record_struct(struct weft_subscription *s,
    const struct weft_record *r, const struct ProtobufCMessageDescriptor *type, void *ret_struct);

// ---- publish -----------------------------------------------------------------------------------------------------------

struct weft_publisher;
struct weft_publish_options {
    const uint8_t *
        id; // 16 bytes kept by the application, the first four not all zero: nothing is doubled after a crash; NULL: one of this process
    unsigned linger_us; // 0 = what the product or node says
    size_t queue_bytes; // most held unacknowledged; 0 = 8 MiB
    unsigned
        block_ms; // how long a publish waits when the queue is full before FULL; 0 = 10 s; of a product that drops it never does
};
// Through the local socket; `product` is a name of the node's domain. NOT_FOUND, PERMISSION.
//     if (weft_publisher_open(c, "queue-depth", NULL, &publisher, &problem) != WEFT_OK ||
//         weft_publish_json(publisher, "{\"id\":\"mail\",\"value\":7}", 0, &problem) != WEFT_OK ||
//         weft_publisher_close(publisher, 5000, &problem) != WEFT_OK)
//         errx(weft_err_exit(problem.err), "%s", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_publisher_open(struct weft_client *c, const char *product,
    const struct weft_publish_options *options, struct weft_publisher **ret,
    struct weft_problem *problem);
// The next publisher sequence the node wants: where an application with its own numbering goes on.
//     static const uint8_t id[16] = "the mail queue"; // drawn once, kept with the numbering
//     struct weft_publish_options options = { .id = id };
//     if (weft_publisher_open(c, "queue-depth", &options, &publisher, &problem) == WEFT_OK)
//         printf("goes on with %llu\n", (unsigned long long)weft_publisher_mark(publisher));
WEFT_API uint64_t weft_publisher_mark(const struct weft_publisher *p);
// One record, packed protobuf (a protobuf-c message: pack it first), copied once. time_us 0 = now. RECORD with the path of what does not fit.
//     uint8_t packed[] = { 0x0a, 0x01, 'a' }; // field 1, "a": what acme__v1__queue__pack() of protobuf-c writes
//     if (weft_publish(publisher, WEFT_PUT, packed, sizeof packed, 0, &problem) == WEFT_E_RECORD)
//         fprintf(stderr, "%s\n", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_publish(struct weft_publisher *p, enum weft_op op,
    const void *data, size_t len, int64_t time_us, struct weft_problem *problem);
// One record as proto3 JSON.
//     if (weft_publish_json(publisher, "{\"id\":\"mail\",\"value\":7}", 0, &problem) != WEFT_OK)
//         fprintf(stderr, "%s\n", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_publish_json(
    struct weft_publisher *p, const char *json, int64_t time_us, struct weft_problem *problem);
// The same with an operation: rows of an inventory that go, the marks around a snapshot of all rows (which have no record: json NULL).
//     if (weft_publish_json_op(publisher, WEFT_DELETE, "{\"id\":\"mail\"}", 0, &problem) != WEFT_OK)
//         fprintf(stderr, "%s\n", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_publish_json_op(struct weft_publisher *p, enum weft_op op,
    const char *json, int64_t time_us, struct weft_problem *problem);
// Waits until everything published so far is acknowledged (durable as the product promises). TIMEOUT tells how many are not.
//     if (weft_publisher_flush(publisher, 1000, &problem) == WEFT_E_TIMEOUT)
//         fprintf(stderr, "%s\n", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_publisher_flush(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem);
// How many records were dropped because the queue was full, where the product's manifest says `when_full: drop`; readers are told of as many.
//     printf("%llu dropped\n", (unsigned long long)weft_publisher_dropped(publisher));
WEFT_API uint64_t weft_publisher_dropped(const struct weft_publisher *p);
// The product with the schema that records are checked against, as long as the publisher lives.
//     puts(weft_product_info(weft_publisher_product(publisher))->message);
WEFT_API const struct weft_product *weft_publisher_product(const struct weft_publisher *p);
// Flushes, then releases in any case.
//     if (weft_publisher_close(publisher, 5000, &problem) != WEFT_OK)
//         fprintf(stderr, "not all is on disk: %s\n", problem.text);
WEFT_API enum weft_err weft_publisher_close(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem);

// ---- subscribe ---------------------------------------------------------------------------------------------------------

// A row of a cursor, for the application to store in its own transaction: replace by key.
struct weft_cursor_row {
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
};

enum weft_from {
    WEFT_FROM_CURSOR = 0,
    WEFT_FROM_EARLIEST,
    WEFT_FROM_LATEST,
    WEFT_FROM_OFFSET,
    WEFT_FROM_TIME
};
struct weft_event;
// Takes an event, valid until it returns, on the client's own thread: sooner than weft_next, which is refused then (STATE). It waits for
// nothing, for it holds up all else of the client; it may end its subscription, and is not called after weft_unsubscribe returned.
typedef void (*weft_event_fn)(void *arg, struct weft_subscription *, const struct weft_event *);
struct weft_subscribe_options {
    enum weft_from from; // CURSOR: from the rows given, earliest when there are none
    uint64_t offset;     // of FROM_OFFSET
    int64_t time_ms;     // of FROM_TIME (append time)
    const struct weft_cursor_row *cursor; // all rows stored so far
    size_t cursor_count;
    size_t queue_bytes; // most held ahead of the application; 0 = 16 MiB
    bool proofs;        // hand over what verifies a batch later (header, stored bytes, chain)
    bool history;       // no live stream, all by pull: `replay` alone will do, and is asked for
    // What is handed over; the rest is read, verified and counted all the same, and moves the cursor.
    const char *const *origins; // subjects; origin_count 0: all
    size_t origin_count;        // at most 1,024
    int64_t since_us, until_us; // records of a time in [since, until); 0: without bound
    weft_event_fn on_event;     // NULL: weft_next
    void *arg;                  // its own
};

enum weft_event_kind {
    WEFT_EV_RECORDS = 1, // one batch; with a filter perhaps nothing of it, and the cursor moves
    WEFT_EV_LOSS,        // records that will never come: [from, to) with a code
    WEFT_EV_STATE,       // the connection's condition changed: see `state`
};
enum weft_stream_state {
    WEFT_STREAM_CONNECTING = 0,
    WEFT_STREAM_LIVE, // records arrive as frames
    WEFT_STREAM_PULL, // the stream port is unreachable or the reader is behind: records arrive by pull
    WEFT_STREAM_UNREACHABLE, // the owner's node does not answer
    WEFT_STREAM_REFUSED,     // see problem
    WEFT_STREAM_STOPPED,     // stopped by its owner
    WEFT_STREAM_SILENT,      // nothing new for longer than the product's freshness promise
};

// How records came.
enum weft_way {
    WEFT_WAY_LIVE = 0, // in a frame of the stream
    WEFT_WAY_RANGE,    // a hole in the stream, asked for and repaired
    WEFT_WAY_PULL,     // asked for, though the stream could have brought them
    WEFT_WAY_HISTORY // appended before this subscription heard the stream: none could have brought them
};

struct weft_event {
    enum weft_event_kind kind;
    const char *product; // "domain/name"
    // RECORDS
    const struct weft_record *records; // valid until the next event of this subscription
    size_t record_count;
    const char *origin; // subject of the certificate that signed
    const char *batch;  // printed id
    uint64_t offset;    // of the first record
    int64_t append_ms;
    bool late; // the origin's clock was off when it was appended
    enum weft_way way;
    // with options.proofs
    const void *header, *payload, *chain;
    size_t header_len, payload_len, chain_len;
    // LOSS
    uint64_t loss_from, loss_to; // offsets, or seqs of `origin` in loss_incarnation when by_origin
    bool by_origin;
    const char *loss_incarnation; // printed; NULL unless by_origin
    bool loss_told; // by_origin: was told by offsets, and counted, before it was known whose it is
    enum weft_err loss_code;
    // STATE
    enum weft_stream_state state;
    struct weft_problem problem;
    // after RECORDS and LOSS: store these in the same transaction
    const struct weft_cursor_row *cursor;
    size_t cursor_count;
};

struct weft_stats {
    // records = live + range + pulled + history: one counter for each way
    uint64_t records, live_records, range_records, pulled_records, history_records;
    uint64_t filtered_records; // of these, left out by origins, since_us and until_us
    uint64_t mirrored_records; // of them, read from a mirror while the owner's node was away
    uint64_t batches, bytes, gaps_repaired, lost_records, verify_failures, duplicates;
    uint64_t head_offset, next_offset; // lag = head - next
    uint64_t history_end;              // the head when the first lease came; UINT64_MAX until then
    int64_t last_append_ms, last_heard_ms;
    int64_t token_expires_ms, lease_expires_ms;
    enum weft_stream_state state;
};

// Asks the owner by policy for a token when none is at hand. Fails at once only for bad arguments or identity; everything else arrives
// as STATE events and is retried for ever, because a reader must survive its network.
//     struct weft_subscribe_options options = { .from = WEFT_FROM_LATEST };
//     if (weft_subscribe(c, "servers/cpu", &options, &subscription, &problem) == WEFT_OK)
//         while (weft_next(subscription, -1, &event, &problem) == WEFT_OK)
//             if (event->kind == WEFT_EV_RECORDS)
//                 printf("%zu records of %s\n", event->record_count, event->origin);
WEFT_API WEFT_MUST_USE enum weft_err weft_subscribe(struct weft_client *c, const char *product,
    const struct weft_subscribe_options *options, struct weft_subscription **ret,
    struct weft_problem *problem);
// The next event in order; each record once. timeout_ms < 0 waits for ever; TIMEOUT: none came; CANCELLED: weft_wake; NOMEM: it is still there.
//     enum weft_err err = weft_next(subscription, 1000, &event, &problem);
//     if (err == WEFT_OK && event->kind == WEFT_EV_STATE && event->state == WEFT_STREAM_REFUSED)
//         errx(weft_err_exit(event->problem.err), "%s", event->problem.text);
//     if (err == WEFT_OK)
//         for (size_t i = 0; i < event->cursor_count; i++)
//             printf("a row of %zu bytes to store\n", event->cursor[i].value_len);
WEFT_API WEFT_MUST_USE enum weft_err weft_next(struct weft_subscription *s, int timeout_ms,
    const struct weft_event **ret, struct weft_problem *problem);
// Makes a waiting or the next weft_next return CANCELLED. Async-signal-safe.
//     weft_wake(subscription);
WEFT_API void weft_wake(struct weft_subscription *s);
// A descriptor that is readable while an event waits, for poll().
//     struct pollfd fd = { .fd = weft_subscription_fd(subscription), .events = POLLIN };
//     while (poll(&fd, 1, -1) == 1 && weft_next(subscription, 0, &event, &problem) == WEFT_OK)
//         puts(event->product);
WEFT_API int weft_subscription_fd(const struct weft_subscription *s);
// Counts since it began, and how far behind it is.
//     struct weft_stats stats;
//     weft_subscription_stats(subscription, &stats);
//     printf("%llu records behind\n", (unsigned long long)(stats.head_offset - stats.next_offset));
WEFT_API void weft_subscription_stats(const struct weft_subscription *s, struct weft_stats *ret);
// The schema of the records handed over last. NULL before the first lease.
//     char *json;
//     if (weft_record_json(weft_subscription_product(subscription), &event->records[0], &json) == WEFT_OK)
//         free(json);
WEFT_API const struct weft_product *weft_subscription_product(const struct weft_subscription *s);
// Ends it; never waits for the network. No other thread may be in a call on it. NULL is permitted.
//     weft_unsubscribe(subscription);
WEFT_API void weft_unsubscribe(struct weft_subscription *s);

// ---- proofs kept by an application -------------------------------------------------------------------------------------

struct weft_verified {
    char domain[64], origin[64], batch[80], schema[80];
    char product_id[80]; // weft_product_info.id of the product that it belongs to
    uint64_t first_seq;
    uint32_t count;
    int64_t min_us, max_us;
    bool revoked; // the origin was revoked as of that time, as far as this client knows
    struct weft_record *records; // decoded; offsets are 0; valid until weft_verified_free
    size_t record_count;
    void *owned;
};
// Verifies kept bytes: header signature, payload hash, the chain against the charters of this client; with `product` records by their schema.
//     struct weft_verified v; // of an event of a subscription with .proofs = true
//     if (weft_verify(c, product, event->header, event->header_len, event->payload, event->payload_len, event->chain,
//             event->chain_len, &v, &problem) == WEFT_OK) {
//         printf("%zu records signed by %s\n", v.record_count, v.origin);
//         weft_verified_free(&v);
//     }
WEFT_API WEFT_MUST_USE enum weft_err weft_verify(struct weft_client *c,
    const struct weft_product *product, const void *header, size_t header_len, const void *payload,
    size_t payload_len, const void *chain, size_t chain_len, struct weft_verified *ret,
    struct weft_problem *problem);
// Whether its signed header names this product, "domain/name", in a major version up to 9999. Two products with one schema differ in nothing else.
//     puts(weft_verified_is_of(&(struct weft_verified){ 0 }, "servers/cpu") ? "of it" : "of another product");
WEFT_API bool weft_verified_is_of(const struct weft_verified *v, const char *product);
// Releases what weft_verify filled; not for one that failed.
//     weft_verified_free(&(struct weft_verified){ 0 });
WEFT_API void weft_verified_free(struct weft_verified *v);
// A product from kept bytes: a FileDescriptorSet and the message's full name; for reading records without the mesh.
//     const void *set;
//     size_t len;
//     struct weft_product *kept;
//     weft_product_descriptor(product, &set, &len);
//     if (weft_product_from_descriptor(set, len, "weft.common.v1.Cpu", &kept, &problem) == WEFT_OK)
//         weft_product_free(kept);
WEFT_API WEFT_MUST_USE enum weft_err weft_product_from_descriptor(const void *set, size_t len,
    const char *message, struct weft_product **ret, struct weft_problem *problem);

// ---- query -------------------------------------------------------------------------------------------------------------

struct weft_rows;
struct weft_query_options {
    unsigned max_rows; // the answer ends there, PARTIAL if more are left; 0 = owner's cap
    const char *purpose;
};
struct weft_coverage {
    const char *origin, *state; // up | late | gone
    int64_t last_ms, snapshot_ms;
    uint64_t rows;
};
// A read-only SELECT over the inventory's granted columns and rows. PARTIAL still fills *ret.
//     enum weft_err err = weft_query(c, "servers/hosts", "SELECT name, os FROM hosts", NULL, &rows, &problem);
//     if (err == WEFT_OK || err == WEFT_E_PARTIAL) {
//         printf("%zu hosts\n", weft_rows_count(rows));
//         weft_rows_free(rows);
//     }
WEFT_API WEFT_MUST_USE enum weft_err weft_query(struct weft_client *c, const char *product,
    const char *sql, const struct weft_query_options *options, struct weft_rows **ret,
    struct weft_problem *problem);
// How many rows and columns there are, and what a column is called.
//     for (size_t column = 0; column < weft_rows_columns(rows); column++)
//         printf("%s: %zu values\n", weft_rows_name(rows, column), weft_rows_count(rows));
WEFT_API size_t weft_rows_count(const struct weft_rows *r);
WEFT_API size_t weft_rows_columns(const struct weft_rows *r);
WEFT_API const char *weft_rows_name(const struct weft_rows *r, size_t column);
// type 0 = NULL. Views live as long as the rows.
//     struct weft_value v;
//     weft_rows_value(rows, 0, 0, &v);
//     if (v.type == WEFT_T_TEXT)
//         printf("%.*s\n", (int)v.bytes.len, v.bytes.ptr);
WEFT_API void weft_rows_value(
    const struct weft_rows *r, size_t row, size_t column, struct weft_value *ret);
// The hosts that the answer rests on, as long as the rows live: how many.
//     const struct weft_coverage *hosts;
//     size_t count = weft_rows_coverage(rows, &hosts);
//     for (size_t i = 0; i < count; i++)
//         printf("%s is %s\n", hosts[i].origin, hosts[i].state);
WEFT_API size_t weft_rows_coverage(const struct weft_rows *r, const struct weft_coverage **ret);
// Whether rows are missing, and why (may be NULL).
//     const char *why;
//     if (weft_rows_partial(rows, &why))
//         fprintf(stderr, "partial: %s\n", why);
WEFT_API bool weft_rows_partial(const struct weft_rows *r, const char **ret_reason);
// The state of the inventory that was asked: up to which offset of its log, and when (unix milliseconds, the owner's clock).
//     printf("offset %llu, as of %lld\n", (unsigned long long)weft_rows_offset(rows),
//         (long long)weft_rows_as_of_ms(rows));
WEFT_API uint64_t weft_rows_offset(const struct weft_rows *r);
WEFT_API int64_t weft_rows_as_of_ms(const struct weft_rows *r);
// NULL is permitted.
//     weft_rows_free(rows);
WEFT_API void weft_rows_free(struct weft_rows *r);

// ---- call and serve ----------------------------------------------------------------------------------------------------

struct weft_call_options {
    const char *host;    // a host behind the owner's node; NULL = the node decides
    const uint8_t *key;  // 16 bytes: the same key never acts twice; NULL: made here, see result
    unsigned timeout_ms; // 0 = 10 s
};
struct weft_result {
    char *json;     // the reply message as JSON; NULL on failure
    char state[16]; // done | running | not-delivered | unknown
    char provider[136];
    uint8_t key[16];
    int64_t started_ms, ended_ms;
};
// target = "domain/product[@major]/Method". *ret is written on failure, too: its key and state tell how to go on. PROVIDER with the
// provider's text in problem; TIMEOUT leaves state running or unknown: ask with weft_call_status.
//     if (weft_call(c, "network/ports/Describe", "{\"name\":\"eth0\"}", NULL, &result, &problem) == WEFT_OK)
//         puts(result.json);
//     weft_result_fini(&result);
WEFT_API WEFT_MUST_USE enum weft_err weft_call(struct weft_client *c, const char *target,
    const char *json, const struct weft_call_options *options, struct weft_result *ret,
    struct weft_problem *problem);
// The state of an earlier call at the same owner. target = "domain/product[@major]/Method" of the call.
//     uint8_t key[16];
//     memcpy(key, result.key, sizeof key);
//     weft_result_fini(&result);
//     if (weft_call_status(c, "network/ports/SetNote", key, 30000, &result, &problem) == WEFT_OK)
//         puts(result.json);
WEFT_API WEFT_MUST_USE enum weft_err weft_call_status(struct weft_client *c, const char *target,
    const uint8_t key[16], unsigned wait_ms, struct weft_result *ret, struct weft_problem *problem);
// Releases what a call filled, also a call that failed. Once is enough, twice is harmless.
//     weft_result_fini(&result);
WEFT_API void weft_result_fini(struct weft_result *r);

struct weft_request {
    const char *method, *caller; // caller = "domain/subject", proven by its session
    const char *json;            // the request message
    int64_t deadline_ms;         // left when it was handed over
};
// Fills *ret_json (malloc'd, the reply message as JSON) and returns WEFT_OK, or returns an error and may set *ret_error (malloc'd text).
typedef enum weft_err (*weft_serve_fn)(
    void *arg, const struct weft_request *request, char **ret_json, char **ret_error);
struct weft_service;
// Serves an api product over the socket of the local weftd, of a node or of an agent (then callers name the host); the handler runs on a
// thread of its own, one call at a time. Several programs may serve one product: they share its calls.
//     if (weft_serve(c, "tally", handler, NULL, &service, &problem) != WEFT_OK) // handler: a weft_serve_fn
//         errx(weft_err_exit(problem.err), "%s", problem.text);
WEFT_API WEFT_MUST_USE enum weft_err weft_serve(struct weft_client *c, const char *product,
    weft_serve_fn handler, void *arg, struct weft_service **ret, struct weft_problem *problem);
// Takes no further call and waits for the one at work. NULL is permitted.
//     weft_service_stop(service);
WEFT_API void weft_service_stop(struct weft_service *s);

#ifdef __cplusplus
}
#endif
#endif
