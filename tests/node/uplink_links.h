// SPDX-License-Identifier: Apache-2.0
// sdk/link.h played: a link's requests wait in one list until the test serves or ends them. A part of uplink_rig.h, which includes it.
#ifndef WF_TESTS_UPLINK_LINKS_H
#define WF_TESTS_UPLINK_LINKS_H

// ---- links ----------------------------------------------------------------------------------------------------------------------------

struct rig_link {
    size_t node;
    struct wf_link_state state;
    char address[32];
};
struct rig_request {
    struct rig_request *next;
    struct rig_link *link;
    struct wf_buf packed; // empty: open the session
    wf_link_fn done;
    void *arg;
    int64_t asked_ms;
};
static struct rig_request *rig_requests, **rig_requests_end = &rig_requests;

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret);
void __wrap_wf_link_free(struct wf_link *l);
enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_open(struct wf_link *l, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version);
const struct wf_link_state *__wrap_wf_link_state(const struct wf_link *l);
const char *__wrap_wf_link_address(const struct wf_link *l);

static struct rig_link *rig_link(const struct wf_link *l)
{
    return (struct rig_link *)(uintptr_t)l;
}

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret)
{
    wf_fault_spare(true);
    struct rig_link *l = calloc(1, sizeof *l);
    wf_fault_spare(false);

    ck_assert_ptr_nonnull(l);
    snprintf(l->address, sizeof l->address, "%s", conf->address);
    l->node = (size_t)(strchr(conf->address, ':')[1] - '1'); // 127.0.0.1:1 and on
    ck_assert_uint_lt(l->node, RIG_NODES);
    at[l->node].dialled++;
    l->state = (struct wf_link_state){ .heard_ms = -1,
        .peer_charter_version = 1,
        .peer_version = "0",
        .peer_chain =
            wf_buf_view(is_second(l->node) ? &second_chain : &mesh.d[WF_TEST_SERVERS].node_chain) };
    *ret = (struct wf_link *)(void *)l;
    return WEFT_OK;
}

static void rig_end(struct rig_request *r, enum weft_err err, const Weft__V1__Reply *reply)
{
    wf_fault_spare(false); // what the agent does with it is not the rig's
    r->done(r->arg, err, reply);
    wf_fault_spare(true);
    wf_buf_fini(&r->packed);
    free(r);
}

static struct rig_request *rig_take(struct rig_request **at_)
{
    struct rig_request *r = *at_;

    *at_ = r->next;
    if (!r->next)
        rig_requests_end = at_;
    return r;
}

void __wrap_wf_link_free(struct wf_link *pub)
{
    struct rig_link *l = rig_link(pub);

    for (struct rig_request **r = &rig_requests; l && *r;) {
        if ((*r)->link != l) {
            r = &(*r)->next;
            continue;
        }
        rig_end(rig_take(r), WEFT_E_CLOSED, NULL);
        r = &rig_requests; // more may have been asked
    }
    free(l);
}

static enum weft_err rig_ask(
    struct wf_link *l, const Weft__V1__Request *q, wf_link_fn done, void *arg)
{
    wf_fault_spare(true);
    struct rig_request *r = calloc(1, sizeof *r);

    ck_assert_ptr_nonnull(r);
    *r = (struct rig_request){
        .link = rig_link(l), .done = done, .arg = arg, .asked_ms = wf_node_now_ms(&node)
    };
    if (q)
        ck_assert_int_eq(wf_pb_pack(q, &r->packed), WEFT_OK);
    *rig_requests_end = r;
    rig_requests_end = &r->next;
    wf_fault_spare(false);
    return WEFT_OK;
}

enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg)
{
    (void)deadline_ms;
    return rig_ask(l, q, done, arg);
}

enum weft_err __wrap_wf_link_open(struct wf_link *l, wf_link_fn done, void *arg)
{
    return rig_ask(l, NULL, done, arg);
}

enum weft_err __wrap_wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version)
{
    (void)l, (void)chain, (void)charter_version;
    return WEFT_OK;
}

const struct wf_link_state *__wrap_wf_link_state(const struct wf_link *l)
{
    return &rig_link(l)->state;
}

const char *__wrap_wf_link_address(const struct wf_link *l)
{
    return rig_link(l)->address;
}

#endif
