// SPDX-License-Identifier: Apache-2.0
// When a subscription asks again: what failed is tried for ever with a growing pause. An owner that refuses is asked seldom, since each refusal costs
// it a decision and people a line to look at; what could change its mind is looked at meanwhile, and asks nobody. Loop thread only.
#include "sdk/subscribe_int.h"

#define RETRY_MS 100   // doubles; a node that was started anew is back in less than a second
#define LOOK_MS  5000  // while its owner refuses: is another token at hand?
#define NEWS_MS  30000 // and: has the owner said something else of the product?

void wf_sub_lease_at(struct weft_subscription *s, int64_t at_ms)
{
    enum weft_err err = wf_timer_set(wf_client_loop(s->c), &s->lease_timer, at_ms);

    if (err) { // without it the subscription would sleep for ever
        struct weft_problem p;
        wf_problem_set(&p, err, "%s: no memory for a timer; subscribe anew", s->name);
        wf_sub_state(s, WEFT_STREAM_UNREACHABLE, &p);
    }
}

// A refusal costs its owner a decision and a line of what people look at; the local node's own decide by uid, and cost nobody else.
static int64_t longest_pause(const struct weft_subscription *s)
{
    if (s->state != WEFT_STREAM_REFUSED)
        return WF_SUB_AGAIN_MAX;
    return wf_client_identity(s->c) ? WF_SUB_REFUSED_MAX : WF_SUB_RETRY_MAX;
}

static struct wf_hash advert_of(const struct weft_subscription *s)
{
    const struct wf_entry_doc *doc =
        wf_client_product_doc(s->c, s->target.domain.s, s->target.product.s);

    return doc ? doc->id : (struct wf_hash){ { 0 } };
}

// Until the owner is asked again what could change its mind is looked at, which asks nobody.
static void wait_for_turn(struct weft_subscription *s)
{
    int64_t look = wf_sub_now(s) + LOOK_MS;

    wf_sub_lease_at(s, s->refused && look < s->again_ms ? look : s->again_ms);
}

void wf_sub_try_later(struct weft_subscription *s)
{
    uint16_t spread = 0;
    int64_t most = longest_pause(s);

    s->acquiring = false;
    if (s->retry_ms < RETRY_MS)
        s->retry_ms = RETRY_MS;
    if (s->retry_ms > most)
        s->retry_ms = most;
    wf_random(&spread, sizeof spread);
    s->again_ms = wf_sub_now(s) + s->retry_ms + spread * s->retry_ms / (2 * UINT16_MAX);
    s->refused = s->state == WEFT_STREAM_REFUSED && wf_client_identity(s->c);
    s->refused_advert = advert_of(s);
    wait_for_turn(s);
    s->retry_ms *= 2;
}

// ---- while its owner refuses ---------------------------------------------------------------------------------------------

static void ask_now(struct weft_subscription *s)
{
    s->refused = false;
    wf_sub_acquire(s, false);
}

static void on_news(void *arg, enum weft_err err, const struct weft_problem *problem)
{
    struct weft_subscription *s = arg;
    struct wf_hash now = advert_of(s);

    (void)problem;
    if (!s->closed && s->refused && !s->acquiring) {
        if (!err && !wf_hash_eq(&now, &s->refused_advert))
            ask_now(s);
        else
            wait_for_turn(s);
    }
    wf_sub_unref(s);
}

// Another token, imported by whoever holds the identity, or another advert, with other rules: then its owner is asked at once.
static void look_for_change(struct weft_subscription *s)
{
    uint64_t stamp = wf_identity_tokens_stamp(wf_client_identity(s->c));
    int64_t now = wf_sub_now(s);

    if (stamp != s->tokens_seen) {
        s->tokens_seen = stamp;
        if (wf_client_has_other_token(s->c, &s->target, wf_sub_verb(s), wf_buf_view(&s->token))) {
            ask_now(s);
            return;
        }
    }
    if (now < s->news_at_ms) {
        wait_for_turn(s);
        return;
    }
    s->news_at_ms = now + NEWS_MS;
    wf_sub_ref(s);
    wf_client_refresh(s->c, false, on_news, s);
}

void wf_sub_lease_timer(struct wf_timer *t)
{
    struct weft_subscription *s =
        (struct weft_subscription *)(void *)((char *)t -
                                             offsetof(struct weft_subscription, lease_timer));

    if (s->leased && wf_sub_now(s) < s->lease_until_ms && !s->net_down)
        wf_sub_renew(s);
    else if (s->refused && wf_sub_now(s) < s->again_ms)
        look_for_change(s);
    else
        wf_sub_lease_lost(s, true);
}
