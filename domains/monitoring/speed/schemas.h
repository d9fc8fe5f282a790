// SPDX-License-Identifier: Apache-2.0
// The SQL of a file's rules against the columns that the batch layer's database has. Owns nothing. Thread rule: one thread.
#ifndef WF_MONITORING_SCHEMAS_H
#define WF_MONITORING_SCHEMAS_H

#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/speed/file.h"

// Compiles each rule that is SQL; mistakes are added to the file's. Products that the database does not have, or all without a database, are
// named on standard output: their columns are taken to be there. NOMEM, and why a database that is there cannot be read.
WEFT_MUST_USE enum weft_err wf_schemas_check(struct wf_rules_file *file, const char *path,
    const struct wf_mon_options *o, struct weft_problem *problem);

#endif
