// SPDX-License-Identifier: Apache-2.0
// What a reader asks of a mirror: a lease, a range. On mirror_rig.h, whose terms hold.
#ifndef WF_TESTS_MIRROR_ASK_H
#define WF_TESTS_MIRROR_ASK_H

#include "tests/node/mirror_rig.h"

struct asked {
    struct wf_caller caller;
    Weft__V1__Request q;
    Weft__V1__PullRequest pull;
    Weft__V1__RangeRequest range;
    struct wf_call c;
    struct wf_arena arena, kept;
    Weft__V1__Reply *reply;
};

static void ask(struct asked *a, wf_handler_fn handler)
{
    wf_arena_init(&a->arena, 8u * WF_MIB);
    wf_arena_init(&a->kept, 8u * WF_MIB);
    a->caller.has_identity = !a->caller.local;
    a->c =
        (struct wf_call){ .node = &n, .caller = &a->caller, .request = &a->q, .arena = &a->arena };
    a->c.deadline_ms = wf_node_now_ms(&n) + 60000;
    at_home = false;
    replied.len = 0;
    handler(&n, &a->c);
    a->reply = NULL;
    wf_fault_spare(true);
    if (replied.len)
        ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&replied),
                             WF_PB_STRICT, &a->kept, &a->reply),
            WEFT_OK);
    wf_fault_spare(false);
}

static void asked_fini(struct asked *a)
{
    wf_arena_fini(&a->arena);
    wf_arena_fini(&a->kept);
}

static enum weft_err code_of(const struct asked *a)
{
    ck_assert_ptr_nonnull(a->reply);
    return a->reply->refusal ? (enum weft_err)a->reply->refusal->code : WEFT_OK;
}

static void ask_lease(struct asked *a, const struct wf_sign_pub *holder, const char *product)
{
    static Weft__V1__LeaseRequest q;

    memset(a, 0, sizeof *a);
    weft__v1__lease_request__init(&q);
    weft__v1__request__init(&a->q);
    q.domain = wf_pb_str("network");
    q.product = wf_pb_str(product);
    q.purpose = WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_AT_MIRROR;
    a->q.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    a->q.lease = &q;
    if (holder)
        a->caller.identity.cert.sign_key = *holder;
    else
        a->caller.local = true;
    ask(a, wf_mirror_lease_handle);
}

static void ask_range(
    struct asked *a, const struct wf_sign_pub *holder, ProtobufCBinaryData lease, uint64_t from)
{
    static Weft__V1__RangeRequest q;

    memset(a, 0, sizeof *a);
    weft__v1__range_request__init(&q);
    weft__v1__request__init(&a->q);
    q.lease_id = lease;
    q.from = from;
    a->q.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
    a->q.range = &q;
    a->caller.identity.cert.sign_key = *holder;
    ask(a, wf_mirror_range_handle);
}

#endif
