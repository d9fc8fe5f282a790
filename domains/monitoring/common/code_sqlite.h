// SPDX-License-Identifier: Apache-2.0
// What SQLite's codes mean to every database of the monitor. Pure.
#ifndef WF_MONITORING_CODE_SQLITE_H
#define WF_MONITORING_CODE_SQLITE_H

#include <weft/weft.h>

// Extended codes count as their primary one. What passes by itself or with somebody's help is BUSY, NOSPACE, NOMEM or IO; a statement or a use
// of ours that SQLite refuses is INTERNAL: it would be refused again and again, and to try is no help.
enum weft_err wf_mon_sqlite_code(int rc);

#endif
