// SPDX-License-Identifier: Apache-2.0
// serve PRODUCT: answers the calls of an api product of the local node, until Ctrl-C.
//
// The product is examples/products/tally.yaml: its one method, Add, adds a number to a total. The node checks who may call, checks the
// request against the schema, and answers a repeated idempotency key from its own store, so Add runs once a key.
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

// Runs on libweft's thread, one call at a time.
static enum weft_err add(
    void *arg, const struct weft_request *request, char **ret_json, char **ret_error)
{
    long long *total = arg;
    json_int_t by = 0; // protobuf JSON leaves a zero out
    json_error_t where;
    json_t *call = json_loads(request->json, 0, &where), *reply;

    if (strcmp(request->method, "Add") != 0) {
        json_decref(call);
        return WEFT_E_METHOD;
    }
    if (json_unpack_ex(call, &where, 0, "{s?I}", "by", &by) != 0 || by < 1) {
        json_decref(call);
        *ret_error = strdup("by: expected a number from 1");
        return WEFT_E_PROVIDER;
    }
    json_decref(call);
    *total += by;
    printf("%s added %lld\n", request->caller, (long long)by);
    reply = json_pack("{s:I, s:s}", "total", (json_int_t)*total, "by", request->caller);
    *ret_json = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    return *ret_json ? WEFT_OK : WEFT_E_NOMEM;
}

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "serve: %s\n", p->text);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

int main(int argc, char **argv)
{
    struct weft_client *client;
    struct weft_service *service;
    struct weft_problem problem;
    long long total = 0;
    sigset_t signals;
    int number;

    if (argc != 2) {
        fprintf(stderr, "usage: serve PRODUCT\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);

    // Blocked before libweft starts its threads, which inherit that; this thread waits for one.
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);
    if (weft_serve(client, argv[1], add, &total, &service, &problem)) {
        weft_close(client);
        return fail(&problem);
    }
    printf("serving %s\n", argv[1]);
    sigwait(&signals, &number);
    weft_service_stop(service); // waits for the call at work
    weft_close(client);
    printf("total %lld\n", total);
    return 0;
}
