// SPDX-License-Identifier: Apache-2.0
// A libweft without a mesh, for tests of the monitor: products with a log in memory, read through the functions of <weft/weft.h> that a
// subscriber calls. Schemas and records are the real ones. What a batch proves is a text with a sum, changed bytes are noticed.
// A cursor is one row: how many events of the log were read.
#ifndef WF_TESTS_FAKE_WEFT_H
#define WF_TESTS_FAKE_WEFT_H

#include <weft/weft.h>

#include "proto/base/bytes.h"

struct fake_product;

// Forgets everything.
void fake_reset(void);
// tests/domains/monitor/SCHEMA.proto; the key field is "host".
struct fake_product *fake_product(
    const char *name, enum weft_product_kind kind, const char *schema, const char *message);
// From now on batches have this schema.
void fake_schema(struct fake_product *p, const char *schema, const char *message);
struct weft_product_info *fake_info(struct fake_product *p);
// The described product of the schema in force; the caller frees it.
struct weft_product *fake_described(const struct fake_product *p);

// A message under construction.
void fake_varint(struct wf_buf *m, unsigned field, uint64_t v);
void fake_double(struct wf_buf *m, unsigned field, double v);
void fake_bytes(struct wf_buf *m, unsigned field, const void *ptr, size_t len);
void fake_text(struct wf_buf *m, unsigned field, const char *s);

// Appends a record to the batch that is being made; fake_batch ends it. The message is emptied.
void fake_record(struct fake_product *p, enum weft_op op, struct wf_buf *message, int64_t time_us);
void fake_batch(struct fake_product *p, const char *origin, int64_t append_ms);
// `count` batches of `each` records {host, load, tasks}, from origins web-0 and web-1 in turn.
void fake_fill(struct fake_product *p, unsigned count, unsigned each);
void fake_loss(struct fake_product *p, uint64_t from, uint64_t to);
void fake_state(
    struct fake_product *p, enum weft_stream_state state, enum weft_err err, const char *caveat);
uint64_t fake_records(const struct fake_product *p); // appended so far
// What this host signed is of one that was revoked as of its time, as far as weft_verify knows; NULL: nobody is.
extern const char *fake_revoked;
// Each subscription says once that nothing is there, before this event though more follow; 0: none does.
extern size_t fake_pause;
// After each event a subscription says once that nothing is there, as one does that reads over a slow line.
extern bool fake_slow;
// Of the records that wait, how many at most are known beside those handed over.
extern size_t fake_told;
// Is told of each event that a subscription hands over; NULL: nobody is.
extern void (*fake_handed)(size_t n);
// The nth event of the log as a subscription hands it over; valid until the next.
const struct weft_event *fake_event(struct fake_product *p, size_t n);

#endif
