// SPDX-License-Identifier: Apache-2.0
// Why something is not seen, as a word for programs and as what to do for people. Pure.
#ifndef WF_MONITORING_WHY_H
#define WF_MONITORING_WHY_H

#include <stddef.h>

// X(name, word, what to do)
// clang-format off
#define WF_MON_WHY_TABLE(X) \
    X(SEEN,          "",                 "") \
    X(HOST_SILENT,   "host-silent",      "are these hosts up, and do their sources run? `weft top` on each shows it") \
    X(CUT_OFF,       "agent-cut-off",    "is weftd up on these hosts, and is there a way from them to their node? `weft agent list` there says since when") \
    X(UNREACHABLE,   "node-unreachable", "is its owner's node up, and is there a way to it? It is asked again by itself, and nothing is lost while the owner keeps it") \
    X(BEHIND,        "behind",           "it catches up by itself; if the number grows, this process or the disk below it is too slow for what it reads: `weft-monitor top`, and another store or split") \
    X(REVOKED,       "token-revoked",    "ask its owner why; with a new token, or a rule that grants it, reading goes on where it stopped: `weft access request PRODUCT --verb subscribe`") \
    X(TOKEN_ENDED,   "token-ended",      "ask its owner for a new token (`weft access request PRODUCT --verb subscribe`), or bring one: `weft access import`") \
    X(NO_TOKEN,      "no-token",         "ask its owner: `weft access request PRODUCT --verb subscribe`") \
    X(WAITS,         "request-waits",    "its owner has to decide on the request: remind its contact") \
    X(REFUSED,       "refused",          "the token does not permit it: ask its owner for one that does: `weft access request PRODUCT --verb subscribe`") \
    X(STOPPED,       "stopped",          "its owner stopped or removed it: ask there whether it comes back") \
    X(NOT_STORED,    "not-stored",       "the store's own trouble: it is named here, and is tried again by itself") \
    X(NO_PROCESS,    "no-process",       "start a store that takes it: `weft-monitor store`, and look at its --product patterns") \
    X(BEGINS,        "begins",           "it was asked for just now: look again in some seconds") \
    X(NEVER_RAN,     "never-ran",        "start it: `weft-monitor run`") \
    X(NOT_RUNNING,   "not-running",      "start it again, and look at its last words: `weft-monitor run`; of a process that is not wanted any more remove DB-pulse-NAME") \
    X(QUIET,         "quiet",            "it lives and tells nothing: what it says is wrong comes first, then its log") \
    X(AGAIN,         "started-again",    "it ends again and again: its log says why") \
    X(FAILED,        "failed",           "no start can help it: correct its options or its identity, then start `weft-monitor run` again") \
    X(DATABASE,      "database",         "the database takes nothing: who holds its lock, is the disk full, does the server answer? A damaged file is moved away: what the owners still keep is fetched again") \
    X(CATALOG,       "catalog",          "no catalog, so new products are not found: does a node of this domain answer? `weft products`") \
    X(UNWATCHED,     "unwatched",        "narrow what this process reads with --product patterns, and start another process for the rest") \
    X(NOTHING,       "nothing",          "nothing is granted to this identity yet: `weft products`, then `weft access request PRODUCT --verb subscribe`") \
    X(TROUBLE,       "trouble",          "what it says is what is wrong; it goes on meanwhile with what it can") \
    X(RULES,         "rules",            "correct the rules (`weft-monitor rules check`), or give them more room; then SIGHUP") \
    X(NOT_JUDGED,    "not-judged",       "no alert can fire: start `weft-monitor alert`, or move the file of alerts away when it is not wanted any more") \
    X(NOT_WRITTEN,   "not-written",      "what the receiver said is named, and nothing is lost meanwhile: is it up, are its address (--remote) and the credentials right? Or move --remote-state away when it is not wanted any more") \
    X(DROPPED,       "dropped",          "the receiver has no such samples: `weft-monitor sql --db DIR/remote.db 'SELECT * FROM _drop'` has all; the records are in the database of store") \
    X(NOT_SENT,      "not-sent",         "its schema has to say which numbers are values: its owner gives them the role gauge or counter (`weft product check` says so, too). Or leave it out of `write` by its --product patterns; it is stored all the same") \
    X(TOKEN_ENDS,    "token-ends",       "renew it in time: `weft access request PRODUCT --verb subscribe`, or a longer rule of its owner") \
    X(LOST,          "lost",             "these records never come: `weft-monitor sql 'SELECT * FROM _loss'` has them all; --keep and the owner's retention decide on more")
// clang-format on

enum wf_mon_why {
#define X(name, word, todo) WF_MON_##name,
    WF_MON_WHY_TABLE(X)
#undef X
        WF_MON_WHYS
};

const char *wf_mon_why_name(enum wf_mon_why why); // "host-silent"; "" for SEEN
// What to do; PRODUCT in it stands for the product of the finding, see below.
const char *wf_mon_why_todo(enum wf_mon_why why);
// The same as it is typed. product "": of nobody's.
void wf_mon_why_todo_of(enum wf_mon_why why, const char *product, char *out, size_t size);
enum wf_mon_why wf_mon_why_of(const char *name); // TROUBLE for words of nobody

#endif
