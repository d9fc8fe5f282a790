// SPDX-License-Identifier: Apache-2.0
// A reader of the product "rows" of a rig: leases, ranges and pulls, shared by the tests of reading. Test code.
#ifndef WF_TESTS_STREAM_READER_H
#define WF_TESTS_STREAM_READER_H

#include <check.h>

#include "proto/base/pb_v1.h"
#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_home_product *product;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

static void publish(int64_t n, uint32_t count)
{
    size_t before = rig.done_count;

    ck_assert_int_eq(streamrig_publish(&rig, product, n, count, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    ck_assert_int_eq(rig.done_err, WEFT_OK);
}

// ---- requests --------------------------------------------------------------------------------------------------------

static struct streamrig_call *lease_asked(Weft__V1__LeaseRequest q)
{
    struct streamrig_call *c = streamrig_call(&rig);

    q.domain = wf_pb_str("servers");
    q.product = wf_pb_str("rows");
    c->request.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    c->request.lease = &q;
    streamrig_send(&rig, c, wf_lease_handle);
    ck_assert(c->answered);
    c->request.lease = NULL;
    return c;
}

static inline struct streamrig_call *lease_renewed(const ProtobufCBinaryData *id)
{
    Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;

    if (id)
        q.lease_id = *id;
    return lease_asked(q);
}

static struct streamrig_call *lease(void)
{
    struct streamrig_call *c = lease_renewed(NULL);

    ck_assert_msg(c->err == WEFT_OK, "%s", weft_err_name(c->err));
    return c;
}

#endif
