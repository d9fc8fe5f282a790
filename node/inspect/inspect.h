// SPDX-License-Identifier: Apache-2.0
// `weftd --log`: what `weft log show|verify|stats` prints of a node's or agent's own stores, as JSON lines on stdout. Works on the
// files, whether weftd runs or not, and changes none. Owns what it loaded of the directory. Single-threaded.
#ifndef WF_NODE_INSPECT_H
#define WF_NODE_INSPECT_H

#include "node/conf.h"
#include "node/log/look.h"
#include "proto/schema/json_out.h"
#include "proto/stream/entry.h"
#include "sdk/identity.h"

#define WF_INSPECT_STORES  16u
#define WF_INSPECT_ORIGINS 4096u
#define WF_INSPECT_NAME    (2u * WF_MAX_NAME + 16u)

// argv[0] is "--log", argv[1] the verb. The exit status.
int wf_inspect_main(int argc, char **argv);

struct wf_inspect_name { // of a product: domain/name@major
    struct wf_hash id;
    struct wf_hash key; // its name in the node's log: the id, until it moved here
    char text[WF_INSPECT_NAME];
    char *message; // of its records; NULL: it has none
};
struct wf_inspect_origin { // of a certificate
    struct wf_hash certificate;
    char text[2 * WF_MAX_NAME + 2]; // domain/subject; empty when its chain is not here
    struct wf_sign_pub key;
    int64_t not_before_ms;
    uint32_t usages;
    enum weft_err err; // why its chain does not stand
};

struct wf_inspect {
    // asked for
    const char *verb, *dir, *product, *from, *to, *origin;
    uint64_t limit; // 0 = none
    bool records;   // not entries
    // of the directory
    char *data; // NULL: the directory is a store itself
    struct wf_conf *conf;
    struct wf_identity_dir *identity; // NULL: names and chains are not known
    struct wf_secret key;
    size_t store_count;
    char *stores[WF_INSPECT_STORES]; // directories
    struct wf_inspect_name *names;
    size_t name_count;
    struct wf_inspect_origin *origins;
    size_t origin_count;
    struct wf_inspect_schema *schemas;
    size_t schema_count;
    // at work
    struct wf_log_look *look; // of the store at hand
    size_t store_at;
    bool is_spool;
    uint64_t damages, others;
    bool found; // something of the product that was asked for
    struct wf_buf line, scratch, raw, json;
    bool failed_output;
};

// ---- place.c: what the directory holds ---------------------------------------------------------------------------------

// 0, or the exit status after saying why on stderr.
int wf_inspect_open(struct wf_inspect *x);
void wf_inspect_fini(struct wf_inspect *x);
// Opens a store; says why not.
int wf_inspect_store(struct wf_inspect *x, size_t i);
// "servers/cpu@1", or the id in hex when nothing here knows it. Valid until the next call.
const char *wf_inspect_product(const struct wf_inspect *x, const struct wf_hash *id);
// The message of its records; NULL when nothing here says it.
const char *wf_inspect_message(const struct wf_inspect *x, const struct wf_hash *id);
// The product whose log this is the name of, and the reverse; the same hash when nothing here knows it.
const struct wf_hash *wf_inspect_of_key(const struct wf_inspect *x, const struct wf_hash *key);
const struct wf_hash *wf_inspect_key_of(const struct wf_inspect *x, const struct wf_hash *id);
// Is this product id asked for? Everything is when no product was named.
bool wf_inspect_wants(const struct wf_inspect *x, const struct wf_hash *id);
const struct wf_inspect_origin *wf_inspect_origin(
    struct wf_inspect *x, const struct wf_hash *certificate, int64_t at_ms);

// ---- batch.c: one item of a store --------------------------------------------------------------------------------------

struct wf_inspect_item {
    bool is_reset;
    struct wf_entry entry; // of a home; views into the item's body
    struct wf_bytes header, payload;
    struct wf_batch_header h; // unless is_reset
};
// Parses without believing; what is wrong with the header's signature is told. *ret_what says what was wrong.
WF_MUST_USE enum weft_err wf_inspect_parse(struct wf_inspect *x, const struct wf_log_view *v,
    struct wf_inspect_item *ret, const char **ret_what);

struct wf_inspect_chain {        // of one product, from item to item
    struct wf_hash product, key; // key: the log's
    bool known;                  // head or last hold
    struct wf_log_head head;
    struct wf_batch_header last;
};
// As a reader judges it: signature, payload, records, certificate, and that it follows the item before. *ret_what says what failed.
WF_MUST_USE enum weft_err wf_inspect_judge(struct wf_inspect *x, struct wf_inspect_chain *chain,
    const struct wf_log_view *v, const char **ret_what);

// ---- records.c: what a batch holds ---------------------------------------------------------------------------------------

struct wf_inspect_slice { // what is to be printed, and what was
    uint64_t from, to;    // offsets
    uint64_t limit;       // lines; 0 = none
    uint64_t shown, next; // next: where it goes on, after the limit
    bool full;
};
// Its records within the slice, a line each; the first has the offset. HASH, COMPRESSION and what else is wrong with the payload.
WF_MUST_USE enum weft_err wf_inspect_put_records(struct wf_inspect *x,
    const struct wf_inspect_item *item, uint64_t offset, struct wf_inspect_slice *s);
void wf_inspect_schemas_fini(struct wf_inspect *x);

// ---- the verbs ---------------------------------------------------------------------------------------------------------

int wf_inspect_show(struct wf_inspect *x);
int wf_inspect_verify(struct wf_inspect *x);
int wf_inspect_stats(struct wf_inspect *x);

// ---- main.c: output ----------------------------------------------------------------------------------------------------

// Begins a line of a schema in x->line, with the store's name as its first member; and prints it.
void wf_inspect_line(struct wf_inspect *x, struct wf_json_out *o, const char *schema);
void wf_inspect_print(struct wf_inspect *x, struct wf_json_out *o);
void wf_inspect_time(struct wf_json_out *o, const char *key, int64_t unix_ms);
// Products of the store at hand, by name; free the list.
struct wf_inspect_range {
    struct wf_hash id;
    struct wf_log_range range;
};
WF_MUST_USE enum weft_err wf_inspect_ranges(
    struct wf_inspect *x, struct wf_inspect_range **ret, size_t *ret_count);
// The product that an entry of the store belongs to: a spool's key is one per chain, so its first whole item is asked.
struct wf_hash wf_inspect_product_of(struct wf_inspect *x, const struct wf_inspect_range *r);

#endif
