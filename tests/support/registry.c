// SPDX-License-Identifier: Apache-2.0
#include "tests/support/registry.h"

#include <check.h>

static const struct wf_test_domain *domain_of(
    const struct wf_test_mesh *m, const struct wf_test_entry *e)
{
    return &m->d[e->domain];
}

static int64_t end_of(const struct wf_test_entry *e)
{
    return (int64_t)e->sequence + (e->life_ms ? e->life_ms : WF_TEST_HOUR);
}

struct wf_buf wf_test_node_advert(const struct wf_test_mesh *m, const struct wf_test_entry *e)
{
    const struct wf_test_domain *d = domain_of(m, e);
    const char *address = e->variant ? e->variant : "192.0.2.1:7400";
    struct wf_buf out = { 0 };
    struct wf_node_fields f = { .mesh_id = m->charter->mesh_id,
        .domain = d->name,
        .subject = "node-1",
        .sequence = e->sequence,
        .expires_ms = end_of(e),
        .addresses = &address,
        .address_count = 1,
        .dh_key = d->node_dh_pub,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1,
        .leaving = e->removed };

    ck_assert_int_eq(wf_node_advert_sign(&f, &d->node, &out), WEFT_OK);
    return out;
}

struct wf_buf wf_test_home(const struct wf_test_mesh *m, const struct wf_test_entry *e)
{
    const struct wf_test_domain *d = domain_of(m, e);
    struct wf_buf out = { 0 };
    struct wf_home_fields f = { .mesh_id = m->charter->mesh_id,
        .domain = d->name,
        .product = e->name,
        .node = e->node ? e->node : "node-1",
        .term = e->term,
        .sequence = e->sequence,
        .expires_ms = end_of(e),
        .issuer_cert = wf_buf_view(&d->issuer_cert) };

    ck_assert_int_eq(wf_home_sign(&f, &d->issuer, &out), WEFT_OK);
    return out;
}

struct wf_buf wf_test_product_advert(const struct wf_test_mesh *m, const struct wf_test_entry *e)
{
    const struct wf_test_domain *d = domain_of(m, e);
    struct wf_product p = wf_test_product();
    struct wf_buf out = { 0 };
    struct wf_product_fields f = { .mesh_id = m->charter->mesh_id,
        .product = &p,
        .term = e->term,
        .sequence = e->sequence,
        .expires_ms = end_of(e),
        .node = e->node ? e->node : "node-1",
        .removed = e->removed,
        .chain = wf_buf_view(&d->node_chain) };

    p.domain = d->name;
    p.name = e->name;
    if (e->variant)
        p.title = e->variant;
    ck_assert_int_eq(wf_product_advert_sign(&f, &d->node, &out), WEFT_OK);
    return out;
}

struct wf_buf wf_test_list(const struct wf_test_mesh *m, const struct wf_test_entry *e)
{
    const struct wf_test_domain *d = domain_of(m, e);
    struct wf_revoked_token token = { .expires_ms = WF_TEST_NOW + WF_TEST_DAY };
    struct wf_revocations f = { .mesh_id = m->charter->mesh_id,
        .version = e->term,
        .issued_ms = (int64_t)e->sequence,
        .issuer_raw = wf_buf_view(&d->issuer_cert) };
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_name_from(wf_bytes_str(d->name), &f.domain), WEFT_OK);
    if (e->variant) {
        token.id = wf_test_hash(e->variant);
        f.tokens = &token;
        f.token_count = 1;
    }
    ck_assert_int_eq(wf_revocations_sign(&f, &d->issuer, &out), WEFT_OK);
    return out;
}
