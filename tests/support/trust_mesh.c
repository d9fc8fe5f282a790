// SPDX-License-Identifier: Apache-2.0
#include "tests/support/trust_mesh.h"

#include <stdio.h>

static struct wf_name name(const char *s)
{
    struct wf_name n = { { 0 } };

    wf_test_must(wf_name_from(wf_bytes_str(s), &n));
    return n;
}

struct wf_cert wf_test_cert(const char *domain, enum wf_identity_kind kind, const char *subject)
{
    char label[160];
    struct wf_cert c = { .domain = name(domain), .subject = name(subject), .kind = kind };

    snprintf(label, sizeof label, "%s/%s", domain, subject);
    struct wf_secret sign = wf_test_sign_key(label, &c.sign_key);
    struct wf_secret dh = wf_test_dh_key(label, &c.dh_key);
    wf_secret_fini(&sign);
    wf_secret_fini(&dh);
    c.usages = wf_usages_of(kind);
    c.serial = WF_TEST_NOW;
    c.not_before_ms = WF_TEST_NOW - WF_TEST_HOUR;
    c.not_after_ms = c.not_before_ms + (kind == WF_ID_ISSUER ? 365 : 7) * WF_TEST_DAY;
    if (c.usages & WF_USE_BATCH) {
        c.pattern_count = 1;
        wf_test_must(wf_pattern_from(WF_STR("*"), &c.patterns[0]));
    }
    return c;
}

struct wf_buf wf_test_cert_issue(const struct wf_cert *fields, const struct wf_secret *signer)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_cert_issue(fields, signer, &out);

    wf_test_must(err);
    return out;
}

struct wf_buf wf_test_chain(struct wf_bytes cert, struct wf_bytes issuer)
{
    struct wf_buf out = { 0 };
    struct wf_bytes both[] = { cert, issuer };

    wf_test_must(wf_chain_pack(both, issuer.len ? 2 : 1, &out));
    return out;
}

static void domain_init(struct wf_test_domain *d, const char *domain)
{
    char label[96];
    struct wf_cert issuer = wf_test_cert(domain, WF_ID_ISSUER, "issuer");
    struct wf_cert node = wf_test_cert(domain, WF_ID_NODE, "node");

    *d = (struct wf_test_domain){ .name = domain };
    snprintf(label, sizeof label, "%s/root", domain);
    d->root = wf_test_sign_key(label, &d->root_pub);
    snprintf(label, sizeof label, "%s/issuer", domain);
    d->issuer = wf_test_sign_key(label, &d->issuer_pub);
    snprintf(label, sizeof label, "%s/node", domain);
    d->node = wf_test_sign_key(label, &d->node_pub);
    d->node_dh = wf_test_dh_key(label, &d->node_dh_pub);
    node.subject = name("node-1");
    d->issuer_cert = wf_test_cert_issue(&issuer, &d->root);
    d->node_cert = wf_test_cert_issue(&node, &d->issuer);
    d->issuer_chain = wf_test_chain(wf_buf_view(&d->issuer_cert), wf_bytes(NULL, 0));
    d->node_chain = wf_test_chain(wf_buf_view(&d->node_cert), wf_buf_view(&d->issuer_cert));
}

static struct wf_charter *genesis(const struct wf_test_mesh *m)
{
    struct wf_member members[WF_TEST_DOMAINS];
    struct wf_charter fields = { .mesh = "example",
        .version = 1,
        .quorum = 2,
        .member_count = WF_TEST_DOMAINS,
        .members = members,
        .min_protocol = 1,
        .created_ms = WF_TEST_NOW - WF_TEST_DAY,
        .expires_ms = WF_TEST_NOW + 365 * WF_TEST_DAY };
    struct wf_buf body = { 0 }, envelope = { 0 };
    struct wf_charter *charter = NULL;

    for (size_t i = 0; i < WF_TEST_DOMAINS; i++)
        members[i] = (struct wf_member){ .name = name(m->d[i].name), .root_key = m->d[i].root_pub };
    wf_test_must(wf_charter_body(&fields, &body));
    wf_test_must(wf_charter_sign(wf_buf_view(&body), false, &m->d[0].root, &envelope));
    for (size_t i = 1; i < WF_TEST_DOMAINS; i++) {
        struct wf_buf more = { 0 };
        wf_test_must(wf_charter_sign(wf_buf_view(&envelope), true, &m->d[i].root, &more));
        wf_buf_fini(&envelope);
        envelope = more;
    }
    wf_test_must(wf_charter_open_genesis(wf_buf_view(&envelope), NULL, &charter));
    wf_buf_fini(&body);
    wf_buf_fini(&envelope);
    return charter;
}

void wf_test_mesh_init(struct wf_test_mesh *m)
{
    static const char *const domains[WF_TEST_DOMAINS] = { "network", "security", "servers" };

    wf_test_must(wf_crypto_init());
    for (size_t i = 0; i < WF_TEST_DOMAINS; i++)
        domain_init(&m->d[i], domains[i]);
    m->charter = genesis(m);
}

void wf_test_mesh_fini(struct wf_test_mesh *m)
{
    for (size_t i = 0; i < WF_TEST_DOMAINS; i++) {
        struct wf_test_domain *d = &m->d[i];
        wf_secret_fini(&d->root);
        wf_secret_fini(&d->issuer);
        wf_secret_fini(&d->node);
        wf_secret_fini(&d->node_dh);
        wf_buf_fini(&d->issuer_cert);
        wf_buf_fini(&d->node_cert);
        wf_buf_fini(&d->issuer_chain);
        wf_buf_fini(&d->node_chain);
    }
    wf_charter_free(m->charter);
    m->charter = NULL;
}
