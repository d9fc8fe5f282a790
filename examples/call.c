// SPDX-License-Identifier: Apache-2.0
// call DOMAIN/API/METHOD JSON [KEY]: calls another team's API and prints its reply.
//
// The idempotency key makes it safe to ask again: a call that carries the key of an earlier one never acts twice, it gets the earlier
// outcome. So the key is said before the call is made: whoever is interrupted calls again with it as KEY.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weft/weft.h>

#define KEY_LEN 16

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "call: %s\n", p->text);
    if (p->caveat[0])
        fprintf(stderr, "  asked: %s; granted: %s\n", p->asked, p->granted);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

static bool read_key(const char *hex, uint8_t key[KEY_LEN])
{
    if (strlen(hex) != 2 * KEY_LEN || strspn(hex, "0123456789abcdef") != 2 * KEY_LEN)
        return false;
    for (size_t i = 0; i < KEY_LEN; i++) {
        const char digits[] = { hex[2 * i], hex[2 * i + 1], '\0' };
        key[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

static void print_key(const uint8_t key[KEY_LEN])
{
    fprintf(stderr, "key ");
    for (size_t i = 0; i < KEY_LEN; i++)
        fprintf(stderr, "%02x", key[i]);
    fprintf(stderr, "\n");
}

// The call reached its provider and its end is not known yet.
static bool is_open(const struct weft_result *r)
{
    return strcmp(r->state, "running") == 0 || strcmp(r->state, "unknown") == 0;
}

int main(int argc, char **argv)
{
    uint8_t key[KEY_LEN];
    struct weft_call_options options = { .key = key, .timeout_ms = 5000 };
    struct weft_client *client;
    struct weft_result result = { 0 };
    struct weft_problem problem;

    if (argc < 3 || argc > 4 || (argc == 4 && !read_key(argv[3], key))) {
        fprintf(stderr, "usage: call DOMAIN/API/METHOD JSON [KEY of 32 hexadecimal digits]\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    if (argc == 3 && getrandom(key, sizeof key, 0) != sizeof key)
        return weft_err_exit(WEFT_E_IO);
    if (argc == 3)
        print_key(key);

    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);
    enum weft_err err = weft_call(client, argv[1], argv[2], &options, &result, &problem);
    if (err &&
        is_open(&result)) { // no answer in time: ask what became of it, rather than call anew
        weft_result_fini(&result);
        err = weft_call_status(client, argv[1], key, 30000, &result, &problem);
    }
    if (!err)
        puts(result.json);
    weft_result_fini(&result);
    weft_close(client);
    return err ? fail(&problem) : 0;
}
