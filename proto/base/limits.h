// SPDX-License-Identifier: Apache-2.0
// Every number that a peer may choose has its limit here. A limit is enforced before memory is taken or a loop begins,
// has a reject code and a vector. Sizes are bytes unless the name says otherwise.
#ifndef WF_BASE_LIMITS_H
#define WF_BASE_LIMITS_H

#define WF_KIB (1024u)
#define WF_MIB (1024u * 1024u)

// Names: [a-z][a-z0-9-]*, subjects and domains and products.
#define WF_MAX_NAME 63u
#define WF_MAX_TEXT 1024u // titles, descriptions, purposes, reasons
#define WF_MAX_ADDR 256u  // an endpoint "host:port"
#define WF_MAX_PATH 4096u // a path, with its NUL

// Documents (DESIGN 4, 6; ATTACKS S1)
#define WF_MAX_DOCUMENT    (256u * WF_KIB) // body of one envelope: charter, advert, descriptor set
#define WF_MAX_ENVELOPE    (WF_MAX_DOCUMENT + 32u * WF_KIB)
#define WF_MAX_SIGNATURES  256u  // per envelope
#define WF_MAX_MEMBERS     256u  // domains of a charter
#define WF_MAX_SEEDS       16u   // per member or ticket
#define WF_MAX_CHARTER_RUN 1024u // charter versions walked in one update
#define WF_MAX_CERT        (4u * WF_KIB)
#define WF_MAX_CHAIN       2u // issuer certificate, subject certificate
#define WF_MAX_TICKET      (8u * WF_KIB)
#define WF_MAX_KEY_FILE    256u
#define WF_MAX_PATTERNS    64u // product patterns of a certificate or block

// Times of signed documents are unix ms from 0 to WF_MAX_TIME_MS, so that sums with them never overflow.
#define WF_MAX_ENTRY_LIFE_MS (90ll * 86400000) // of a registry document, from its signing on
#define WF_RENEW_GRACE_MS    (30ll * 86400000) // an expired certificate may still renew itself
#define WF_MAX_LIST_AGE_MS   (24ll * 3600000)  // nothing is decided on an older revocation list

// Capability tokens (DESIGN 5)
#define WF_MAX_TOKEN         (4u * WF_KIB)
#define WF_MAX_TOKEN_BLOCKS  8u
#define WF_MAX_CAVEAT_ITEMS  64u // columns, verbs, regions, row terms of one block
#define WF_MAX_NUMBER_TEXT   64u // a number in a row filter
#define WF_MAX_TOKEN_LIFE_MS (366ll * 86400000)
#define WF_MAX_REVOCATIONS   65536u

// Control plane (DESIGN 7)
#define WF_MAX_CONTROL          (1u * WF_MIB) // one message on the wire
#define WF_REPLAY_WINDOW        2048u         // nonces per direction
#define WF_MAX_IN_FLIGHT        64u           // requests per session
#define WF_HANDSHAKES_PER_S     50u           // of one address (WireGuard: 20-50)
#define WF_HANDSHAKE_BURST      200u
#define WF_KEY_HANDSHAKES_PER_S 5u // of one known key, whatever its address does
#define WF_KEY_HANDSHAKE_BURST  20u
#define WF_LOOKS_PER_S                                                                             \
    200u // who stands behind an address that has used up its own: two agreements each
#define WF_LOOK_BURST          200u
#define WF_SESSION_RENEW_MS    120000
#define WF_SESSION_WIPE_MS     180000
#define WF_CLOCK_TOLERANCE_MS  60000
#define WF_LONG_POLL_MS        25000
#define WF_REQUEST_DEADLINE_MS 10000
#define WF_MAX_DEADLINE_MS     3600000

// Backups of a node
#define WF_MAX_BACKUP_PATH  255u
#define WF_MAX_BACKUP_FILES 1000000u
#define WF_MAX_BACKUP_FILE  17592186044416ll // bytes of one file
#define WF_MAX_PASSPHRASE   1024u

// Streams (DESIGN 8)
#define WF_MAX_RECORD        (256u * WF_KIB)
#define WF_MAX_BATCH_RAW     (4u * WF_MIB)
#define WF_MAX_BATCH_STORED  (4u * WF_MIB + 64u * WF_KIB)
#define WF_MAX_BATCH_HEADER  (4u * WF_KIB)
#define WF_MAX_BATCH_RECORDS (1u << 20)
#define WF_MAX_RATIO         100u // raw length / stored length
#define WF_MAX_INPUTS        16u
#define WF_MAX_FRAME_ENTRIES 64u
#define WF_MAX_FRAME         (5u * WF_MIB)
#define WF_MAX_CURSOR_LOGS   8u
#define WF_MAX_CURSOR_MARKS  4096u // origins of one product
#define WF_MAX_CURSOR        (512u * WF_KIB)
#define WF_MAX_ENTRY         (WF_MAX_BATCH_HEADER + WF_MAX_BATCH_STORED + 512u)
#define WF_MAX_SEALED        (WF_MAX_ENTRY + 128u) // an entry in the form that mirrors hold
#define WF_MAX_LOSS_RECORDS  (1u << 30)            // seqs that one loss batch consumes
#define WF_MAX_RESET_LOST    4096u // chains of which a log's reset says what was lost
#define WF_MAX_RESET         (WF_MAX_RESET_LOST * 164u + 512u) // such an entry
#define WF_MAX_LOSS_REASON   63u
#define WF_MAX_AHEAD_MS                                                                            \
    31622400000LL // 366 days: an incarnation's counter over the clock of who accepts it
#define WF_MAX_HEARTBEAT    WF_KIB                 // its envelope
#define WF_MAX_HEARTBEAT_MS 60000                  // from one heartbeat to the next
#define WF_MIN_TIME_US      (-62135596800000000LL) // 0001-01-01T00:00:00Z, what RFC 3339 can say
#define WF_MAX_TIME_US      253402300799999999LL   // 9999-12-31T23:59:59.999999Z
#define WF_MAX_TIME_MS      253402300799999LL

// Dynamic schemas and records (DESIGN 8)
#define WF_MAX_SCHEMA_FILES    64u
#define WF_MAX_SCHEMA_MESSAGES 1024u
#define WF_MAX_SCHEMA_FIELDS   8192u // in all messages together
#define WF_MAX_SCHEMA_ENUMS    4096u // values in all enums together
#define WF_MAX_SCHEMA_METHODS  256u
#define WF_MAX_SCHEMA_NAME     127u          // one identifier
#define WF_MAX_SCHEMA_PATH     255u          // a full name or a file name
#define WF_MAX_SCHEMA_TABLE    (8u * WF_MIB) // memory of a compiled schema
#define WF_MAX_SCHEMA_TEXT     (8u * WF_MIB) // a set printed as .proto
#define WF_MAX_RECORD_DEPTH    64u
#define WF_MAX_RECORD_ELEMENTS 65536u         // fields and list elements visited in one record
#define WF_MAX_RECORD_SCRATCH  (16u * WF_MIB) // memory for reading one record
#define WF_MAX_RECORD_PATH     16u            // parts of a dotted field path
#define WF_MAX_UNPACK_FACTOR   64u            // memory of a decoded control document / its size
#define WF_MAX_UNPACK          (16u * WF_MIB)
#define WF_MAX_PB_DEPTH        16u // nesting of our own (not peers') message types
#define WF_MAX_PB_TREE_DEPTH   64u // nesting of descriptor sets

// Registry (DESIGN 6)
#define WF_MAX_ADDRESSES      16u            // of one node
#define WF_MAX_MIRRORS        64u            // products that one node mirrors
#define WF_MAX_EARLIER        256u           // earlier schemas of one major version
#define WF_MAX_RULES          (32u * WF_KIB) // rules of alerts that come with a product
#define WF_MAX_ACCESS_RULES   64u
#define WF_MAX_TAG            63u
#define WF_MAX_FULL_NAME      255u // of a protobuf message or service
#define WF_MAX_LINGER_US      60000000u
#define WF_MIN_BATCH_BYTES    WF_KIB          // that a product lets its batches gather
#define WF_MAX_BATCH_BYTES    (504u * WF_KIB) // with header and entry it is one frame
#define WF_MAX_DIGESTS        1024u           // per digest message
#define WF_MAX_GET            256u            // hashes per get request
#define WF_MAX_DOMAIN_ENTRIES 4096u
#define WF_MAX_DOMAIN_BYTES   (64u * WF_MIB)

// Files people write (DESIGN 11)
#define WF_MAX_YAML       (1u * WF_MIB)
#define WF_MAX_YAML_DEPTH 32u
#define WF_MAX_YAML_NODES 65536u
#define WF_MAX_YAML_KEYS  1024u // of one mapping
#define WF_MAX_JSON       (4u * WF_MIB)
#define WF_MAX_JSON_DEPTH 128u    // objects and arrays within one another
#define WF_MAX_JSON_NODES 262144u // values of one text: about 130 bytes of memory each

// Inventory and API (DESIGN 8)
#define WF_MAX_SQL         (64u * WF_KIB)
#define WF_MAX_QUERY_ROWS  100000u
#define WF_MAX_QUERY_BYTES (64u * WF_MIB)
#define WF_QUERY_BUDGET_MS 5000
#define WF_MAX_CALL        (512u * WF_KIB) // request or result of an API call

#endif
