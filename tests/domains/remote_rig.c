// SPDX-License-Identifier: Apache-2.0
// See remote_rig.h.
#include "tests/domains/remote_rig.h"

struct wf_remote_table *table;
struct wf_remote_product *own;
struct wf_remote_batch batch;
struct fake_product *meter;
static size_t events; // taken

void remote_begin(void)
{
    events = 0;
    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    table = wf_remote_table_new(7);
    own = wf_remote_product(table, "servers/meter");
    own->freshness_ms = 1000;
    batch = (struct wf_remote_batch){ 0 };
}

void remote_end(void)
{
    wf_remote_batch_fini(&batch);
    wf_remote_table_free(table);
    fake_reset();
}

void size_at(const char *host, double size, int64_t ms)
{
    struct wf_buf m = { 0 };

    fake_text(&m, 1, host);
    fake_double(&m, 6, size);
    fake_record(meter, WEFT_PUT, &m, (T0 + ms) * 1000 + 999);
    wf_buf_fini(&m);
}

void take(int64_t append_ms, int64_t now_ms)
{
    struct weft_product *p = fake_described(meter);

    fake_batch(meter, "web-0", append_ms);
    ck_assert_int_eq(wf_remote_use(own, p), WEFT_OK);
    ck_assert_int_eq(
        wf_remote_take(table, own, p, fake_event(meter, events++), now_ms, &batch), WEFT_OK);
    weft_product_free(p);
}
