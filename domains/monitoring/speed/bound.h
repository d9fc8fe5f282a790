// SPDX-License-Identifier: Apache-2.0
// Tying rules to the shape of a product's records; see engine_int.h.
#ifndef WF_MONITORING_BOUND_H
#define WF_MONITORING_BOUND_H

#include "domains/monitoring/speed/engine_int.h"

// The rules that look at the shape, tied when first asked for. NULL without memory.
struct wf_bound *wf_bound_of(struct wf_engine *e, struct wf_shape *shape);
bool wf_bound_matches(const struct wf_rule *rule, const char *product);

#endif
