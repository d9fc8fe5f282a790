// SPDX-License-Identifier: Apache-2.0
// What the tests of the signer begin with: a mesh, and the signer's child of its first domain, whose keys are borrowed from it.
#ifndef WF_TESTS_NODE_SIGNER_RIG_H
#define WF_TESTS_NODE_SIGNER_RIG_H

#include <check.h>

#include "node/signer/keeper.h"
#include "node/signer/signer.h"
#include "tests/support/trust_token.h"

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers;
static struct wf_signer_child child;
static struct wf_buf out;

static void set_up(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    child = (struct wf_signer_child){ .cert = wf_buf_view(&servers->issuer_cert) };
    child.keys.sign = servers->issuer; // borrowed
    child.keys.sign_pub = servers->issuer_pub;
    ck_assert_int_eq(wf_cert_open(child.cert, &child.issuer), WEFT_OK);
    out.len = 0;
}

static void tear_down(void)
{
    wf_buf_fini(&out);
    wf_test_mesh_fini(&mesh);
}

#endif
