// SPDX-License-Identifier: Apache-2.0
// The home's signed word: what counts as one, and what is kept of it.
#include "node/core.h"
#include "node/mirror/priv.h"

enum weft_err wf_mirror_take_beat(struct wf_mirror *m, struct wf_bytes envelope)
{
    struct wf_heartbeat h;
    struct wf_buf copy = { 0 };
    enum weft_err err = wf_heartbeat_open(envelope, &h);

    if (!err && !wf_hash_eq(&h.product_id, &m->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && memcmp(h.signer.b, m->home_key.b, WF_KEY_LEN) != 0)
        err = WEFT_E_SIGNATURE;
    bool same_home = m->has_beat && memcmp(h.signer.b, m->said.signer.b, WF_KEY_LEN) == 0;
    if (!err && same_home && h.time_ms < m->said.time_ms)
        err = WEFT_E_STALE;
    if (!err && m->linked && wf_incarnation_eq(&h.log_id, &m->head.log_id) &&
        h.head_offset == m->head.next_offset && !wf_hash_eq(&h.head_hash, &m->head.hash))
        err = WEFT_E_ORDER;
    if (!err)
        err = wf_bytes_dup(envelope, &copy);
    if (err)
        return err;
    wf_buf_fini(&m->beat);
    m->beat = copy;
    m->said = h;
    m->has_beat = m->beat_dirty = true;
    m->heard_ms = wf_node_now_ms(m->room->node);
    return WEFT_OK;
}
