// SPDX-License-Identifier: Apache-2.0
// A line of the log on standard error, in the form that log: of weftd.yaml asks for. wf_say (node/node.h) is for the loop thread and limits
// how often; this is for everybody else: other threads, processes forked from weftd, and what is said before a node is there or without it.
// Owns the form that is in force; nothing here is locked, a line is one write.
#ifndef WF_NODE_SAY_H
#define WF_NODE_SAY_H

#include <stdarg.h>

#include "node/node.h"

// enum wf_log_format and the least level that is said. Until then logfmt and all levels.
void wf_say_form(int format, int level);
bool wf_say_is_json(void);
// Pairs of key and value end with NULL, as with wf_say. Any thread; not limited in number.
void wf_say_line(enum wf_log_level level, const char *room, const char *message, ...)
    __attribute__((sentinel));
// The line itself, whatever the form in force; held: lines like it that were not said, 0 for none.
void wf_say_write(
    bool json, enum wf_log_level level, const char *const about[2], va_list pairs, unsigned held);

#endif
