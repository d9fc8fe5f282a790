// SPDX-License-Identifier: Apache-2.0
#include "node/built_in.h"

void wf_built_in_allow(struct wf_product *p, struct wf_access_rule rules[WF_MAX_ACCESS_RULES],
    const struct wf_built_in_readers *readers)
{
    p->rules = rules;
    p->rule_count = 0;
    for (size_t i = 0; i < readers->domain_count && p->rule_count < WF_MAX_ACCESS_RULES; i++)
        rules[p->rule_count++] = (struct wf_access_rule){ .domain = readers->domains[i],
            .subject = "",
            .verbs = readers->verbs,
            .verb_count = readers->verb_count,
            .duration_ms = 86400000 };
}
