// SPDX-License-Identifier: Apache-2.0
// A node that the fuzzer plays, seen over links: each reply is packed as an honest node gives it, and then a line of the script leaves it,
// changes bytes of it, replaces it, refuses, or lets the request fail. sdk/link.h is wrapped (played_link in tests/fuzz/CMakeLists.txt), so
// no socket is opened. One thread asks and is answered by its loop; a script that has ended leaves every reply as it is.
#ifndef WF_TESTS_FUZZ_PLAYED_H
#define WF_TESTS_FUZZ_PLAYED_H

#include "sdk/link.h"
#include "tests/support/fakenode.h"

#define WF_PLAYED_REPLIES 200 // then the node is gone

extern struct wf_played {
    wf_fake_fn answer; // the honest node
    void *arg;
    const char *caller;
    struct wf_link_state state; // of every link made from now on
    struct wf_bytes script;
    unsigned replies; // given so far
    unsigned on_way;  // replies that the loop has not read
    bool hold;        // set by answer: this request is not answered before wf_played_let_go
    struct
        wf_played_known { // what is drawn or computed can't stand in a corpus: a run of the mark in a
        char mark;        // replaced reply, as long as the bytes, stands for them
        struct wf_bytes bytes;
    } known[4];
} played;

void wf_played_let_go(void);
void must(bool right); // aborts otherwise

#endif
