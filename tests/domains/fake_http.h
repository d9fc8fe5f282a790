// SPDX-License-Identifier: Apache-2.0
// A receiver of HTTP on loopback that a test drives by itself: what was asked, in order, and an answer for it, none, or a closed line. One request
// a connection. Thread rule: the test's thread; nothing here waits.
#ifndef WF_TESTS_FAKE_HTTP_H
#define WF_TESTS_FAKE_HTTP_H

#include <stddef.h>

struct fake_request {
    char *head; // "POST /path HTTP/1.1\r\n..." up to the empty line
    char *body;
};

struct fake_http;
struct fake_http *fake_http_new(void);
void fake_http_free(struct fake_http *h); // it listens no more
unsigned fake_http_port(const struct fake_http *h);
// From now on: a status with a body and perhaps a header ("Location: x"); 0: nothing, and the line stays open; -1: the line is closed.
void fake_http_answers(struct fake_http *h, int status, const char *header, const char *body);
// Goes on with what it can.
void fake_http_turn(struct fake_http *h);
size_t fake_http_count(const struct fake_http *h); // requests that came whole
const struct fake_request *fake_http_at(const struct fake_http *h, size_t i);

#endif
