// SPDX-License-Identifier: Apache-2.0
// From a product's schema to a table, and from a record to its cells: names, SQL types, values. What run stores and what verify
// compares with comes from here, so both are the same by construction. Owns nothing, no SQLite, no I/O.
// Invariant: names made here are [A-Za-z0-9_]; a cell of a record depends on the record, the schema and the key fields alone.
// Thread rule: pure functions, but weft_record_value's rule on the life of its bytes holds for cells.
#ifndef WF_MONITORING_TABLE_H
#define WF_MONITORING_TABLE_H

#include <weft/weft.h>

#define WF_MON_PRODUCT   136u  // "domain/name" with its NUL
#define WF_MON_NAME      192u  // a table or column with its NUL
#define WF_MON_MAX_FIELD 1900u // columns of one product; SQLite has 2000

enum wf_mon_class { WF_MON_NULL = 0, WF_MON_INTEGER, WF_MON_REAL, WF_MON_TEXT, WF_MON_BLOB };

// A value as SQLite keeps it. ptr may point into digits: never copied by assignment.
struct wf_mon_cell {
    enum wf_mon_class class;
    int64_t integer;
    double real;
    const char *ptr;
    size_t len;
    char digits[24];
};

// "domain/some-name" -> "domain_some_name". Two products may share it: see wf_mon_numbered.
void wf_mon_table_name(const char *product, char ret[WF_MON_NAME]);
// A field's name; one that begins with '_' gets an "f" before it, as such names are the monitor's own.
void wf_mon_column_name(const char *field, char ret[WF_MON_NAME]);
// The nth choice for a name that is taken: NAME, NAME_2, NAME_3.
void wf_mon_numbered(const char *name, unsigned nth, char ret[WF_MON_NAME]);

// The declared type: INTEGER (bool, int, uint, time in unix microseconds), REAL, TEXT (text, names of enum values, JSON), BLOB.
const char *wf_mon_sql_type(enum weft_type type);
const char *wf_mon_type_name(enum weft_type type); // "uint"
const char *wf_mon_role_name(enum weft_role role); // "gauge"
const char *wf_mon_kind_name(enum weft_product_kind kind);
const char *wf_mon_op_name(enum weft_op op);    // "put"
const char *wf_mon_way_name(enum weft_way way); // "live"

// One column of a record. NULL where the record has no value, where it does not fit its schema, in snapshot marks, and outside the
// key of a delete. NOMEM is the only error.
// uint beyond 2^63-1: 20 digits as a BLOB, which SQLite neither rounds nor sorts wrongly. NaN: the text "NaN".
WEFT_MUST_USE enum weft_err wf_mon_record_cell(const struct weft_product *p,
    const struct weft_record *r, size_t field, bool key, struct wf_mon_cell *ret);
// The same of a record's first `count` columns, read in one pass: values for wf_mon_value_cell. `is_key`: of each column.
WEFT_MUST_USE enum weft_err wf_mon_record_values(const struct weft_product *p,
    const struct weft_record *r, const bool *is_key, struct weft_value *ret, size_t count);
void wf_mon_value_cell(const struct weft_value *v, struct wf_mon_cell *ret);
struct wf_mon_cell wf_mon_integer(int64_t v);
struct wf_mon_cell wf_mon_text(const char *s);
bool wf_mon_cell_eq(const struct wf_mon_cell *a, const struct wf_mon_cell *b);
// For people, cut to the room: 5, 0.25, 'text', x'00ff', NULL.
void wf_mon_cell_print(const struct wf_mon_cell *c, char *out, size_t size);

// Key fields of a product as "a,b" (malloc'd), in the order of fields; NULL without memory.
char *wf_mon_keys(const struct weft_product *p);
bool wf_mon_keys_have(const char *keys, const char *field);

#endif
