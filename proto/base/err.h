// SPDX-License-Identifier: Apache-2.0
// Error codes: one table gives number, name, exit status, text and meaning. Installed as <weft/err.h>.
// Numbers travel on the wire (Refusal.code), so a published number never changes meaning.
#ifndef WEFT_ERR_H
#define WEFT_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_API      __attribute__((visibility("default")))
#define WEFT_MUST_USE __attribute__((warn_unused_result))
#else
#define WEFT_API
#define WEFT_MUST_USE
#endif

// X(name, number, exit status of a command that ends with it, short text, meaning and what to do)
// clang-format off
#define WEFT_ERR_TABLE(X) \
    /* 1-99 general */ \
    X(NOMEM,          1, 75, "out of memory", "an allocation failed; nothing was changed") \
    X(IO,             2, 69, "input/output error", "a read or write failed; the cause is in the log or diagnostic") \
    X(NOSPACE,        3, 69, "no space left", "the disk or a quota is full; free space and retry") \
    X(TIMEOUT,        4, 75, "timed out", "no answer before the deadline; the outcome is unknown unless stated") \
    X(CANCELLED,      5, 75, "cancelled", "stopped by the caller or by shutdown") \
    X(CLOSED,         6, 69, "closed", "the connection, session or object is closed") \
    X(BUSY,           7, 75, "busy", "a limit of work in flight is reached; retry later") \
    X(UNREACHABLE,    8, 69, "unreachable", "the peer did not accept a connection") \
    X(NOT_FOUND,      9,  1, "not found", "no such object is known here") \
    X(EXISTS,        10,  1, "already exists", "the object exists and is never overwritten") \
    X(INTERNAL,      11, 70, "internal error", "a mistake of ours; please report it") \
    X(USAGE,         12, 64, "usage error", "the call or command line is wrong; see --help") \
    X(UNSUPPORTED,   13, 69, "not supported", "the peer or this build does not offer it") \
    X(PERMISSION,    14, 77, "permission denied", "the operating system refused access") \
    X(IN_USE,        15, 69, "in use", "another process holds the port, file or directory") \
    X(PARTIAL,       16,  2, "partial answer", "part of what was asked for is missing; the answer names it") \
    X(STATE,         17, 64, "wrong state", "the operation does not fit the current state") \
    X(READ_ONLY,     18, 69, "read-only disk", "the disk can only be read; it goes on by itself when it can be written again") \
    X(NO_FILES,      19, 75, "no file descriptor left", "the process has used up its file descriptors; it goes on by itself when some are free") \
    /* 100-199 encoding and limits */ \
    X(SYNTAX,       100, 65, "bad syntax", "the text or bytes do not parse") \
    X(RANGE,        101, 65, "out of range", "a number is outside its permitted range") \
    X(TOO_BIG,      102, 65, "too big", "a size, count or depth exceeds its named limit") \
    X(TRUNCATED,    103, 65, "truncated", "the bytes end before the value does") \
    X(TRAILING,     104, 65, "trailing bytes", "bytes follow after the end of the value") \
    X(NOT_CANONICAL,105, 65, "not canonical", "a control document differs from its canonical encoding") \
    X(UNKNOWN_FIELD,106, 65, "unknown field", "a control document has a field this version does not know") \
    X(MISSING_FIELD,107, 65, "missing field", "a required field is absent or empty") \
    X(BAD_UTF8,     108, 65, "bad UTF-8", "a string field is not valid UTF-8") \
    X(TOO_DEEP,     109, 65, "nested too deeply", "nesting exceeds the depth limit") \
    X(BUDGET,       110, 65, "budget exceeded", "decoding would use more memory, elements or time than allowed") \
    X(CHECKSUM,     111, 65, "bad checksum", "printed form mistyped or bytes damaged") \
    X(PREFIX,       112, 65, "wrong prefix", "a printed key, token or ticket of another type") \
    X(VERSION,      113, 65, "unknown version", "the format version is not supported") \
    X(TYPE,         114, 65, "wrong type", "the value has another type than required") \
    X(NAME,         115, 65, "bad name", "names are [a-z0-9-], 1 to 63 long, starting with a letter") \
    X(COMPRESSION,  116, 65, "bad compression", "compressed bytes are damaged, of unknown kind or beyond the ratio limit") \
    X(SCHEMA,       117, 65, "bad schema", "the descriptor set or message does not fit the rules") \
    X(RECORD,       118, 65, "bad record", "a record does not fit its schema") \
    /* 200-299 identity, envelope, charter */ \
    X(SIGNATURE,    200, 77, "bad signature", "the signature does not verify under the named key") \
    X(PURPOSE,      201, 77, "wrong purpose", "signed as another type of document, or the key may not sign this type") \
    X(KEY,          202, 77, "bad key", "a key is malformed or of small order") \
    X(UNKNOWN_KEY,  203, 77, "unknown key", "the signer is not known here") \
    X(EXPIRED,      204, 77, "expired", "past its not-after time") \
    X(NOT_YET,      205, 77, "not yet valid", "before its not-before time; check the clocks") \
    X(CHAIN,        206, 77, "broken certificate chain", "the chain does not lead to a member of the charter") \
    X(WRONG_MESH,   207, 77, "wrong mesh", "the document or peer belongs to another mesh") \
    X(WRONG_DOMAIN, 208, 77, "wrong domain", "the document or peer belongs to another domain") \
    X(REVOKED,      209, 77, "revoked", "the certificate, key or token was revoked by its domain") \
    X(QUORUM,       210, 77, "quorum not met", "too few valid signatures, or k is not a majority") \
    X(CHARTER_ORDER,211, 77, "charter out of order", "version, previous hash or predecessor does not follow") \
    X(FORK,         212, 77, "charter fork", "two different valid successors exist; both are kept as proof") \
    X(CHARTER_EXPIRED,213,77,"charter expired", "admissions and new grants stop until it is renewed") \
    X(TICKET_USED,  214, 77, "ticket used up", "the ticket's uses are spent or bound to another key") \
    X(TICKET,       215, 77, "bad ticket", "unknown, expired or not for this name, address or kind") \
    X(KIND,         216, 77, "wrong kind of identity", "this identity kind may not do that") \
    X(PASSPHRASE,   217, 77, "wrong passphrase", "the key file does not open") \
    X(CLONED,       218, 77, "cloned identity", "two machines present one key; both are quarantined") \
    /* 300-399 capability */ \
    X(NO_CAPABILITY,300, 77, "no capability", "no token for this product was shown; ask: weft access request") \
    X(SCOPE,        301, 77, "widened token", "a block grants more than its parent") \
    X(CAVEAT,       302, 77, "caveat refuses", "a caveat of the token does not permit the request") \
    X(UNKNOWN_CAVEAT,303,77, "unknown caveat", "a block carries a caveat this version does not know") \
    X(HOLDER,       304, 77, "not the holder", "the session's key is not the token's last holder") \
    X(VERB,         305, 77, "verb not granted", "the token does not grant this verb") \
    X(PRODUCT,      306, 77, "product not granted", "the token, or the publisher's certificate, does not cover this product") \
    X(COLUMN,       307, 77, "column not granted", "the token does not grant a column of the query") \
    X(REGION,       309, 77, "region not granted", "the token is limited to other regions") \
    X(RATE,         310, 77, "rate exceeded", "the token's rate is used up; wait") \
    X(STALE_LIST,   311, 77, "revocation list too old", "the deciding node refuses until its list is fresh") \
    X(PURPOSE_CLAIM,312, 77, "purpose not granted", "the token is for another purpose") \
    X(PENDING,      313,  1, "pending", "the owner has not decided yet") \
    X(DENIED,       314, 77, "denied", "the owner denied the request") \
    X(POLICY,       315, 77, "policy refuses", "the charter's or product's policy does not permit it") \
    /* 400-499 session and control plane */ \
    X(HANDSHAKE,    400, 77, "handshake failed", "keys, mesh or roles do not match; uniform before identity is proven") \
    X(MAC1,         401, 77, "bad mac1", "the first message was not made for this node's key") \
    X(REPLAY,       402, 77, "replayed", "a nonce or stamp was seen before or is too old") \
    X(AEAD,         403, 77, "decryption failed", "the ciphertext was not made under this key and context") \
    X(SESSION,      404, 77, "no such session", "the session id is unknown on this connection; open a new one") \
    X(SESSION_OLD,  405, 77, "session expired", "older than its life; open a new one") \
    X(FLOOD,        406, 75, "too many attempts", "the address is rate limited; retry later") \
    X(PROTOCOL,     407, 69, "protocol error", "the peer broke the protocol") \
    X(NOT_HOME,     408, 77, "not home", "another node owns the product now; the answer names it") \
    X(REQUEST,      409, 65, "unknown request", "the request kind is not known to this node") \
    X(NEED_JOIN,    410, 77, "not a member", "the session has no valid certificate; only join or renew is possible") \
    X(REFUSED,      411, 77, "refused", "uniform refusal before a certificate is verified") \
    X(IDEMPOTENCY,  412, 65, "idempotency conflict", "the same key was used for a different request") \
    /* 500-599 registry */ \
    X(STALE,        500, 77, "stale entry", "an entry of higher order is already known") \
    X(EQUIVOCATION, 501, 77, "equivocation", "two different entries of the same order; both are kept as proof") \
    X(FUTURE,       502, 77, "from the future", "signed more than the clock tolerance ahead") \
    X(QUOTA,        503, 77, "quota exceeded", "the domain's share of the registry is full") \
    X(NOT_OWNER,    504, 77, "not the owner", "only the home of the highest term may do this") \
    X(NO_HOME,      506, 69, "no home known", "no node of the owner is known for the product") \
    X(HASH,         507, 65, "hash mismatch", "the bytes are not those the hash names") \
    X(INCOMPATIBLE, 508, 77, "incompatible schema", "the schema change breaks readers; raise the major version") \
    /* 600-699 streams and logs */ \
    X(GAP,          600,  2, "gap", "records are missing and could not be repaired; the range is named") \
    X(LOST,         601,  2, "lost", "records are gone for good; the range is named") \
    X(ORDER,        602, 65, "out of order", "sequence, offset or previous hash does not follow") \
    X(DAMAGED,      603, 65, "damaged", "stored bytes fail their hash") \
    X(EPOCH,        604, 77, "unknown epoch", "no key for this epoch; renew the lease") \
    X(COMMITMENT,   605, 77, "key commitment mismatch", "the key does not match its published commitment") \
    X(LEASE,        606, 77, "no lease", "the lease is unknown or has ended") \
    X(RETENTION,    607,  2, "dropped by retention", "the range is older than what is kept") \
    X(DUPLICATE,    608, 65, "duplicate", "already appended under this publisher and sequence") \
    X(FULL,         609, 75, "queue full", "a bounded queue or spool is full") \
    X(LOG_ID,       610, 65, "unknown log", "the position names a log this node never had") \
    X(STOPPED,      611, 69, "stopped by owner", "the owner stopped or removed the product") \
    /* 700-799 inventory and API */ \
    X(SQL,          700, 65, "bad SQL", "the statement does not parse or is not a read-only SELECT") \
    X(METHOD,       702, 65, "unknown method", "the service has no such method") \
    X(PROVIDER,     703, 70, "provider error", "the provider answered with an error") \
    X(NO_PROVIDER,  704, 69, "no provider", "no provider serves this method now") \
    X(NOT_DELIVERED,705, 69, "not delivered", "the call never reached its provider") \
    X(RUNNING,      706,  1, "still running", "the call was delivered and has not ended") \
    X(UNKNOWN_CALL, 707,  1, "unknown call", "no call with this idempotency key is remembered") \
    X(NO_HOST,      708, 69, "no such host", "the named host is not behind this node") \
    /* 800-899 configuration and local files */ \
    X(CONFIG,       800, 78, "bad configuration", "the configuration is wrong; file, line and column are given") \
    X(FILE_MODE,    802, 78, "unsafe file mode", "the file must belong to this user and be private") \
    X(IDENTITY,     803, 78, "no identity", "this directory holds no identity; see: weft join") \
    X(STATE_DIR,    804, 78, "foreign state directory", "the directory belongs to another node") \
    X(MANIFEST,     806, 78, "bad manifest", "the product manifest is wrong; file, line and column are given")
// clang-format on

enum weft_err {
    WEFT_OK = 0,
#define WEFT_ERR_ENUM(name, number, exit_status, text, doc) WEFT_E_##name = number,
    WEFT_ERR_TABLE(WEFT_ERR_ENUM)
#undef WEFT_ERR_ENUM
};

// The four views of a code:
//     enum weft_err err = WEFT_E_EXPIRED;
//     fprintf(stderr, "%s (%s): %s\n", weft_err_text(err), weft_err_name(err), weft_err_doc(err));
//     exit(weft_err_exit(err));

// The short text of a code ("expired"); "unknown error" for a number of no code. Never NULL, static.
WEFT_API const char *weft_err_text(enum weft_err err);
// The symbolic name ("EXPIRED"), as printed in JSON and logs. Never NULL, static.
WEFT_API const char *weft_err_name(enum weft_err err);
// One sentence: what it means and what to do. Never NULL, static.
WEFT_API const char *weft_err_doc(enum weft_err err);
// The exit status of a command that ends with this code (DESIGN: 0, 1, 2, 64, 65, 69, 70, 75, 77, 78).
WEFT_API int weft_err_exit(enum weft_err err);

#ifdef __cplusplus
}
#endif
#endif
