// SPDX-License-Identifier: Apache-2.0
// What a reader may know, for a test that must know what nobody else may. Uses the inside of a subscription: no program of ours prints a key.
//   epochs keys DIR PRODUCT        reads as the identity of DIR and prints each epoch key that its leases bring (hex), until SIGTERM
//   epochs open KEYS STREAM        opens every frame in a captured TCP stream that one of the keys opens; what was inside goes to stdout
// The second shows that the keys are those of the frames on the wire, and that what they hide is what a scan for plain text would find.
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/subscribe_int.h"

#define SP_HEAD    8 // NNG's greeting on a TCP connection: 0 S P 0, protocol, reserved
#define SP_LEN     8 // then each message behind its length
#define MAX_KEYS   32
#define MAX_STREAM (64u * WF_MIB)

static volatile sig_atomic_t ending;

static void on_term(int number)
{
    (void)number;
    ending = 1;
}

// ---- keys ----------------------------------------------------------------------------------------------------------------

struct look {
    struct wf_mail mail;
    struct weft_subscription *s;
    uint64_t told[WF_SUB_KEYS]; // epochs
    sem_t done;
};

// On the loop's thread, which owns the keys.
static void print_keys(struct wf_mail *m)
{
    struct look *l = (struct look *)(void *)m;
    char hex[2 * WF_KEY_LEN + 1];

    for (size_t i = 0; i < WF_SUB_KEYS; i++) {
        if (!l->s->keys[i].epoch || l->s->keys[i].epoch == l->told[i])
            continue;
        l->told[i] = l->s->keys[i].epoch;
        wf_hex_put(wf_secret_view(&l->s->keys[i].key), hex);
        puts(hex);
    }
    fflush(stdout);
    sem_post(&l->done);
}

static void dropped(struct wf_mail *m)
{
    sem_post(&((struct look *)(void *)m)->done);
}

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "epochs: %s\n", p->text);
    return 1;
}

static int keys(const char *dir, const char *product)
{
    struct weft_options options = { .dir = dir };
    struct weft_subscribe_options how = { .from = WEFT_FROM_LATEST };
    struct weft_problem p = { 0 };
    struct weft_client *c = NULL;
    struct weft_subscription *s = NULL;
    const struct weft_event *e;
    struct look l = { .mail = { .open = print_keys, .drop = dropped, .must = true } };

    if (weft_connect(&options, &c, &p))
        return fail(&p);
    if (weft_subscribe(c, product, &how, &s, &p)) {
        weft_close(c);
        return fail(&p);
    }
    l.s = s;
    sem_init(&l.done, 0, 0);
    while (!ending) {
        enum weft_err err = weft_next(s, 100, &e, &p);
        if (err && err != WEFT_E_TIMEOUT)
            break;
        if (wf_loop_post(wf_client_loop(c), &l.mail))
            break;
        while (sem_wait(&l.done) != 0)
            continue;
    }
    weft_unsubscribe(s);
    weft_close(c);
    sem_destroy(&l.done);
    return ending ? 0 : fail(&p);
}

// ---- frames --------------------------------------------------------------------------------------------------------------

static int read_file(const char *path, struct wf_buf *ret)
{
    uint8_t block[65536];
    FILE *f = fopen(path, "rb");
    enum weft_err err = f ? WEFT_OK : WEFT_E_IO;

    for (size_t n = 1; !err && n && ret->len < MAX_STREAM;) {
        n = fread(block, 1, sizeof block, f);
        err = wf_buf_append(ret, wf_bytes(block, n));
    }
    if (f)
        fclose(f);
    return err != WEFT_OK;
}

static size_t read_keys(const char *path, struct wf_secret *to)
{
    char line[2 * WF_KEY_LEN + 2];
    FILE *f = fopen(path, "r");
    size_t n = 0;

    while (f && n < MAX_KEYS && fgets(line, sizeof line, f)) {
        struct wf_buf raw = { 0 };
        line[strcspn(line, "\n")] = '\0';
        if (!wf_hex_take(wf_bytes_str(line), &raw) && !wf_secret_copy(wf_buf_view(&raw), &to[n]))
            n++;
        wf_buf_fini(&raw);
    }
    if (f)
        fclose(f);
    return n;
}

static bool show_frame(struct wf_bytes frame, const struct wf_secret *keys, size_t count)
{
    struct wf_frame *content = malloc(sizeof *content);
    bool opened = false;

    for (size_t i = 0; content && i < count && !opened; i++) {
        struct wf_buf plain = { 0 };
        opened = wf_frame_open(frame, &keys[i], &plain, content) == WEFT_OK;
        if (opened && fwrite(plain.ptr, 1, plain.len, stdout) != plain.len)
            opened = false;
        wf_buf_fini(&plain);
    }
    free(content);
    return opened;
}

static int open_frames(const char *keys_path, const char *stream_path)
{
    static struct wf_secret keys[MAX_KEYS];
    struct wf_buf stream = { 0 };
    size_t count = read_keys(keys_path, keys), opened = 0, seen = 0;
    int status = read_file(stream_path, &stream);
    size_t at = SP_HEAD;

    while (!status && at + SP_LEN <= stream.len) {
        uint64_t len = wf_load_be64(stream.ptr + at);
        at += SP_LEN;
        if (len > stream.len - at) // the capture ends here, or this was no stream of ours
            break;
        seen++;
        opened += show_frame(wf_bytes(stream.ptr + at, (size_t)len), keys, count);
        at += (size_t)len;
    }
    fprintf(stderr, "%zu of %zu messages opened\n", opened, seen);
    for (size_t i = 0; i < count; i++)
        wf_secret_fini(&keys[i]);
    wf_buf_fini(&stream);
    return status;
}

int main(int argc, char **argv)
{
    struct sigaction term = { .sa_handler = on_term };

    if (wf_crypto_init())
        return 1;
    sigaction(SIGTERM, &term, NULL);
    if (argc == 4 && strcmp(argv[1], "keys") == 0)
        return keys(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "open") == 0)
        return open_frames(argv[2], argv[3]);
    fputs("usage: epochs keys DIR PRODUCT | open KEYS STREAM\n", stderr);
    return 64;
}
