// SPDX-License-Identifier: Apache-2.0
// Any bytes as a netlink answer: links, addresses and sockets are read within what was received.
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "domains/common/links.h"
#include "domains/common/netlink.h"
#include "domains/common/owners.h"
#include "domains/common/sockets.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_links links = { 0 };
    struct wf_out out = { 0 };
    struct wf_owners owners = { 0 };
    struct wf_sockets sockets = { .out = &out, .owners = &owners, .protocol = IPPROTO_TCP };
    struct wf_dump dumps[] = { { .message = wf_links_on_link, .context = &links },
        { .message = wf_links_on_address, .context = &links },
        { .message = wf_sockets_on_message, .context = &sockets } };
    bool done = false;

    // netlink(7) pads messages to four bytes, and libmnl reads that padding.
    uint8_t *copy = calloc(1, MNL_ALIGN(size) + 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    for (size_t i = 0; i < WF_COUNT(dumps); i++)
        (void)!wf_netlink_run(&dumps[i], copy, size, 0, 0, &done);
    for (size_t i = 0; i < links.count; i++) {
        wf_out_open_row(&out);
        wf_link_put(&out, &links, &links.list[i]);
        if (wf_out_close_row(&out))
            abort();
    }
    wf_links_fini(&links);
    wf_out_fini(&out);
    free(copy);
    return 0;
}
