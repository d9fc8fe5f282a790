// SPDX-License-Identifier: Apache-2.0
// Any bytes, to both ends of a session at every stage. Nothing may crash, and nothing may open but the few messages that the
// other end really made: whatever else opens is a forgery and aborts.
#include <stdlib.h>

#include "tests/support/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sw w;
static struct wf_buf request, empty_request, last_request, reply;

static struct wf_buf request_with_nonce(uint64_t nonce, const char *text)
{
    struct wf_buf out = { 0 };

    w.client.next_nonce = nonce;
    if (wf_session_seal_request(&w.client, SW_NOW, wf_bytes_str(text), &out, &nonce))
        abort();
    return out;
}

static void setup(void)
{
    if (wf_crypto_init())
        abort();
    sw_init(&w);
    sw_establish(&w);
    request = request_with_nonce(0, "request one");
    empty_request = request_with_nonce(1, "");
    last_request = request_with_nonce(UINT64_MAX - (1u << 13) - 1, "last");
    w.client.next_nonce =
        3; // a session at the last nonce would be over, and a copy of it must not wipe the keys
    w.node.confirmed = true;
    if (wf_session_seal_reply(&w.node, 0, SW_NOW, WF_STR("reply one"), &reply))
        abort();
}

static bool is(struct wf_bytes message, const struct wf_buf *genuine)
{
    return wf_bytes_eq(message, wf_buf_view(genuine));
}

static void to_node(struct wf_bytes message)
{
    struct wf_session s = w.node; // a copy: every input meets the same window
    struct wf_buf plain = { 0 };
    uint64_t nonce = 0;

    if (wf_session_open_request(&s, message, SW_NOW, &plain, &nonce) == WEFT_OK &&
        !is(message, &request) && !is(message, &empty_request) && !is(message, &last_request))
        abort();
    wf_buf_fini(&plain);
}

static void to_client(struct wf_bytes message)
{
    struct wf_session s = w.client;
    struct wf_buf plain = { 0 };

    if (wf_session_open_reply(&s, 0, message, SW_NOW, &plain) == WEFT_OK && !is(message, &reply))
        abort();
    wf_buf_fini(&plain);
}

static void handshake(struct wf_bytes message)
{
    struct wf_session_init init;
    struct wf_session_caller caller;
    struct wf_session s = { .id = 0 };

    if (wf_session_check_mac1(&w.responder, message, &init) == WEFT_OK &&
        wf_session_identify(&w.responder, &init, &caller) == WEFT_OK) {
        if (!wf_bytes_eq(message, WF_BYTES(w.init)))
            abort();
        wf_session_caller_fini(&caller);
    }
    if (wf_session_finish(&w.initiator, &w.dialing, message, SW_NOW, &s) == WEFT_OK &&
        !wf_bytes_eq(message, WF_BYTES(w.response)))
        abort();
    wf_session_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes message = wf_bytes(data, size);
    struct wf_session_head head;
    struct wf_session_refusal refusal;
    uint8_t init[WF_SESSION_INIT_LEN];

    if (!w.responder.dh_secret)
        setup();
    handshake(message);
    if (size == sizeof init && data[0] == WF_SESSION_INIT) {
        // MAC1 needs no secret, so an attacker has it right.
        memcpy(init, data, sizeof init);
        sw_fix_mac1(&w.responder.dh_pub, init);
        handshake(WF_BYTES(init));
    }
    to_node(message);
    to_client(message);
    if (wf_session_peek(message, &head) == WEFT_OK && head.type != WF_SESSION_REQUEST &&
        head.type != WF_SESSION_REPLY && head.session_id != 0)
        abort();
    if (wf_session_refusal_read(message, &refusal) == WEFT_OK && refusal.code == WEFT_OK)
        abort();
    return 0;
}
