// SPDX-License-Identifier: Apache-2.0
// A small mesh for tests: the domains network, security and servers, each with root, issuer and one node, under a charter that all
// three signed. Deterministic: keys come from the labels "DOMAIN/root", "DOMAIN/issuer", "DOMAIN/node", times from WF_TEST_NOW.
#ifndef WF_TESTS_TRUST_MESH_H
#define WF_TESTS_TRUST_MESH_H

#include "proto/trust/charter.h"
#include "tests/support/trust.h"

#define WF_TEST_NOW  1767225600000ll // 2026-01-01T00:00:00Z
#define WF_TEST_HOUR 3600000ll
#define WF_TEST_DAY  86400000ll

enum { WF_TEST_NETWORK, WF_TEST_SECURITY, WF_TEST_SERVERS, WF_TEST_DOMAINS };

struct wf_test_domain {
    const char *name;
    struct wf_secret root, issuer, node, node_dh;
    struct wf_sign_pub root_pub, issuer_pub, node_pub;
    struct wf_dh_pub node_dh_pub;
    struct wf_buf issuer_cert,
        node_cert; // envelopes: issuer valid a year, node ("node-1", products "*") seven days, both from an hour ago
    struct wf_buf issuer_chain, node_chain;
};
struct wf_test_mesh {
    struct wf_test_domain d[WF_TEST_DOMAINS];
    struct wf_charter *charter; // version 1, quorum 2
};
void wf_test_mesh_init(struct wf_test_mesh *m);
void wf_test_mesh_fini(struct wf_test_mesh *m);

// A filled certificate to vary: of this domain, kind and subject, with keys from "DOMAIN/SUBJECT", the kind's usages, patterns "*"
// where it may publish, and the times above.
struct wf_cert wf_test_cert(const char *domain, enum wf_identity_kind kind, const char *subject);
struct wf_buf wf_test_cert_issue(const struct wf_cert *fields, const struct wf_secret *signer);
// A chain of one or two certificate envelopes (issuer.len == 0: one).
struct wf_buf wf_test_chain(struct wf_bytes cert, struct wf_bytes issuer);

#endif
