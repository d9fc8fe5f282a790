// SPDX-License-Identifier: Apache-2.0
#include "tests/support/trust_product.h"

struct wf_product wf_test_product(void)
{
    static const char *keys[] = { "host" }, *regions[] = { "eu-west" }, *tags[] = { "hosts", "os" };
    static const char *verbs[] = { "query", "call:Get*" }, *columns[] = { "host", "os.name" };
    static struct wf_access_rule rules[1];
    static struct wf_hash earlier[1];

    rules[0] = (struct wf_access_rule){ .domain = "monitoring",
        .subject = "mon-*",
        .verb_count = WF_COUNT(verbs),
        .verbs = verbs,
        .column_count = WF_COUNT(columns),
        .columns = columns,
        .duration_ms = 24 * WF_TEST_HOUR };
    earlier[0] = wf_test_hash("an earlier schema");
    return (struct wf_product){ .domain = "servers",
        .name = "hosts",
        .version = "1.4.2",
        .title = "Hosts",
        .description = "Every host of the domain",
        .owner_name = "Server team",
        .owner_contact = "servers@example.org",
        .kind = WF_PRODUCT_INVENTORY,
        .major = 1,
        .schema_hash = wf_test_hash("a schema"),
        .message = "weft.common.v1.Host",
        .key_count = WF_COUNT(keys),
        .keys = keys,
        .region_count = WF_COUNT(regions),
        .regions = regions,
        .tag_count = WF_COUNT(tags),
        .tags = tags,
        .rule_count = 1,
        .rules = rules,
        .earlier_count = 1,
        .earlier = earlier,
        .classification = WF_CLASS_INTERNAL,
        .freshness_ms = 60000,
        .retention_ms = 7 * WF_TEST_DAY,
        .retention_bytes = 1u << 30,
        .durability = WF_DURABILITY_PROCESS,
        .linger_us = 1000,
        .rows_shared = true };
}
