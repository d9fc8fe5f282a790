// SPDX-License-Identifier: Apache-2.0
// readers SOCKET SECOND DIR PRODUCT COUNT PROGRESS: publishes COUNT records {"id": "a", "value": 0, 1, 2 ...} of DOMAIN/PRODUCT at SOCKET, from fourteen
// twentieths on at SECOND, once the file PROGRESS.moved is there; and reads them meanwhile as the identities in DIR: steadily, slowly with a small queue, with
// long pauses, and connecting anew all the time. A line is appended to PROGRESS for each twentieth published. The pausing one sleeps at eight of them until
// PROGRESS.away is there (PROGRESS.asleep says so), and makes PROGRESS.mirrored when it has read from a mirror.
// Status 0: each reader had every record once and in order, or was told of exactly as many losses as were missing.
// Built on the public headers alone.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#define PATIENCE_MS   60000 // without any event
#define FLUSH_RECORDS 1000  // so that there are many frames to lose
#define RECORD_LEN    12
#define ROWS          4 // of a cursor: one of logs, one of each node
#define TWENTIETHS    20
#define MOVES_AT      14
#define SLEEPS_AT     8

enum habit { STEADY = 0, SLOW, PAUSING, RECONNECTING, HABITS };
static const char *const habits[] = { "steady", "slow", "pausing", "reconnecting" };

struct row {
    unsigned char key[80], value[400];
    size_t key_len, value_len;
};

struct reader {
    enum habit habit;
    pthread_t thread;
    struct weft_client *client;
    struct weft_subscription *s;
    unsigned long next, lost, told; // the next value; left out; told as lost and not yet met
    unsigned long acted;            // value at which the habit showed last
    struct row rows[ROWS];
    size_t row_count;
    struct weft_stats sum;
    bool slept, mirrored;
    unsigned connects;
    bool failed;
};

static const char *sockets[2], *dir, *product, *progress;
static unsigned long count;

static void nap(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

static void put(unsigned char out[RECORD_LEN], unsigned long n)
{
    double value = (double)n;

    memcpy(out, "\x0a\x01\x61\x11", 4);
    memcpy(out + 4, &value, sizeof value); // little-endian here, as in protobuf
}

// ---- the publisher -----------------------------------------------------------------------------------------------------------

static bool publish_part(struct weft_publisher *p, unsigned long from, unsigned long to, int file,
    struct weft_problem *problem)
{
    unsigned char record[RECORD_LEN];
    unsigned long step = count / TWENTIETHS;

    for (unsigned long n = from; n < to; n++) {
        put(record, n);
        if (weft_publish(p, WEFT_PUT, record, sizeof record, 0, problem))
            return false;
        if (n % FLUSH_RECORDS == FLUSH_RECORDS - 1 && weft_publisher_flush(p, PATIENCE_MS, problem))
            return false;
        if (n % step == step - 1 && write(file, ".\n", 2) != 2)
            return false;
    }
    return weft_publisher_flush(p, PATIENCE_MS, problem) == WEFT_OK;
}

static bool publish_at(const char *where, unsigned long from, unsigned long to, int file)
{
    struct weft_options o = { .socket = where, .flags = WEFT_LOCAL_ONLY };
    struct weft_problem problem = { 0 };
    struct weft_client *c = NULL;
    struct weft_publisher *p = NULL;

    bool done = !weft_connect(&o, &c, &problem) &&
                !weft_publisher_open(c, strchr(product, '/') + 1, NULL, &p, &problem) &&
                publish_part(p, from, to, file, &problem);
    if (!done)
        fprintf(stderr, "publisher: %s\n", problem.text);
    if (p && weft_publisher_close(p, PATIENCE_MS, &problem))
        done = false;
    weft_close(c);
    return done;
}

static bool say(const char *what)
{
    char path[4096];

    snprintf(path, sizeof path, "%s.%s", progress, what);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return file >= 0 && close(file) == 0;
}

// Until the script says so, by the file PROGRESS.WHAT.
static bool wait_for(const char *what)
{
    char path[4096];

    snprintf(path, sizeof path, "%s.%s", progress, what);
    for (int left = 2 * PATIENCE_MS; left > 0; left -= 20) {
        if (access(path, F_OK) == 0)
            return true;
        nap(20);
    }
    fprintf(stderr, "in vain: %s\n", path);
    return false;
}

static bool publish(void)
{
    unsigned long middle = count / TWENTIETHS * MOVES_AT;
    int file = open(progress, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    bool done = file >= 0 && publish_at(sockets[0], 0, middle, file) && wait_for("moved") &&
                publish_at(sockets[1], middle, count, file);
    if (file >= 0)
        close(file);
    return done;
}

// ---- a reader ----------------------------------------------------------------------------------------------------------------

static bool complain(struct reader *r, const char *what)
{
    fprintf(stderr, "%s at %lu: %s\n", habits[r->habit], r->next, what);
    r->failed = true;
    return false;
}

static bool begin(struct reader *r)
{
    char path[4096];
    struct weft_options o = { .dir = path, .flags = WEFT_REMOTE_ONLY };
    struct weft_cursor_row given[ROWS];
    struct weft_subscribe_options so = { .cursor = given, .cursor_count = r->row_count };
    struct weft_problem problem = { 0 };

    snprintf(path, sizeof path, "%s/%s", dir, habits[r->habit]);
    if (r->habit == SLOW || r->habit == PAUSING) // else it would have everything in its queue
        so.queue_bytes = 256 * 1024;
    for (size_t i = 0; i < r->row_count; i++)
        given[i] = (struct weft_cursor_row){ r->rows[i].key, r->rows[i].key_len, r->rows[i].value,
            r->rows[i].value_len };
    r->connects++;
    if (weft_connect(&o, &r->client, &problem) ||
        weft_subscribe(r->client, product, &so, &r->s, &problem))
        return complain(r, problem.text);
    return true;
}

static void end(struct reader *r)
{
    struct weft_stats st = { 0 };

    if (r->s)
        weft_subscription_stats(r->s, &st);
    r->sum.live_records += st.live_records;
    r->sum.range_records += st.range_records;
    r->sum.pulled_records += st.pulled_records + st.history_records;
    r->sum.mirrored_records += st.mirrored_records;
    r->sum.gaps_repaired += st.gaps_repaired;
    r->sum.verify_failures += st.verify_failures;
    weft_unsubscribe(r->s);
    weft_close(r->client);
    r->s = NULL;
    r->client = NULL;
}

static bool keep(struct reader *r, const struct weft_cursor_row *from)
{
    size_t i = 0;

    while (i < r->row_count && (r->rows[i].key_len != from->key_len ||
                                   memcmp(r->rows[i].key, from->key, from->key_len) != 0))
        i++;
    if (i == ROWS || from->key_len > sizeof r->rows[i].key ||
        from->value_len > sizeof r->rows[i].value)
        return complain(r, "a cursor larger than one node's");
    memcpy(r->rows[i].key, from->key, from->key_len);
    memcpy(r->rows[i].value, from->value, from->value_len);
    r->rows[i].key_len = from->key_len;
    r->rows[i].value_len = from->value_len;
    r->row_count += i == r->row_count;
    return true;
}

// The next value, or one beyond as many as were told to be lost.
static bool take_record(struct reader *r, const struct weft_record *record)
{
    unsigned char want[RECORD_LEN];
    double value = 0;

    put(want, r->next);
    if (record->len == RECORD_LEN && memcmp(record->data, want, RECORD_LEN) == 0) {
        r->next++;
        return true;
    }
    if (record->len != RECORD_LEN || memcmp(record->data, want, 4) != 0)
        return complain(r, "not a record that was published");
    memcpy(&value, (const unsigned char *)record->data + 4, sizeof value);
    unsigned long gap = (unsigned long)value - r->next;
    if (value < (double)r->next || gap > r->told)
        return complain(r, value < (double)r->next ? "a record came again" : "records are missing");
    r->told -= gap;
    r->lost += gap;
    r->next += gap + 1;
    return true;
}

static bool take(struct reader *r)
{
    const struct weft_event *e = NULL;
    struct weft_problem problem = { 0 };

    if (weft_next(r->s, PATIENCE_MS, &e, &problem))
        return complain(r, problem.text);
    if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_REFUSED)
        return complain(r, e->problem.text);
    if (e->kind == WEFT_EV_LOSS)
        printf("%s at %lu: lost %s%llu to %llu: %s%s\n", habits[r->habit], r->next,
            e->by_origin ? e->origin : "offsets ", (unsigned long long)e->loss_from,
            (unsigned long long)e->loss_to, weft_err_name(e->loss_code),
            e->loss_told ? ", told before" : "");
    if (e->kind == WEFT_EV_LOSS && !e->loss_told)
        r->told += e->loss_to - e->loss_from;
    for (size_t i = 0; i < e->record_count; i++)
        if (!take_record(r, &e->records[i]))
            return false;
    for (size_t i = 0; i < e->cursor_count; i++)
        if (!keep(r, &e->cursor[i]))
            return false;
    return true;
}

static bool look_at_mirror(struct reader *r)
{
    struct weft_stats st = { 0 };

    weft_subscription_stats(r->s, &st);
    if (!st.mirrored_records)
        return true;
    r->mirrored = true;
    return say("mirrored") || complain(r, "no file");
}

static bool show_habit(struct reader *r)
{
    if (r->habit == PAUSING && !r->slept && r->next >= count / TWENTIETHS * SLEEPS_AT) {
        r->slept = true;
        if (!say("asleep"))
            return complain(r, "no file");
        return wait_for("away") || complain(r, "slept too long");
    }
    if (r->slept && !r->mirrored && !look_at_mirror(r))
        return false;
    if (r->habit == SLOW && r->next - r->acted >= count / 200) {
        r->acted = r->next;
        nap(8);
    } else if (r->habit == PAUSING && r->next - r->acted >= count / 6) {
        r->acted = r->next;
        nap(600);
    } else if (r->habit == RECONNECTING && r->next - r->acted >= count / 12) {
        r->acted = r->next;
        end(r);
        nap(30);
        return begin(r);
    }
    return true;
}

static void *read_all(void *arg)
{
    struct reader *r = arg;

    bool going = begin(r);
    while (going && r->next + r->told < count)
        going = take(r) && show_habit(r);
    end(r);
    r->lost += r->told;
    return NULL;
}

static void report(const struct reader *r)
{
    const struct weft_stats *s = &r->sum;

    printf("%s: %lu of %lu delivered once and in order, %lu named as lost; read by frames %llu, "
           "range %llu, pull %llu (%llu from the mirror); %llu gaps repaired, %u connections, %llu "
           "verification failures\n",
        habits[r->habit], r->next - (r->lost - r->told), count, r->lost,
        (unsigned long long)s->live_records, (unsigned long long)s->range_records,
        (unsigned long long)s->pulled_records, (unsigned long long)s->mirrored_records,
        (unsigned long long)s->gaps_repaired, r->connects, (unsigned long long)s->verify_failures);
}

int main(int argc, char **argv)
{
    static struct reader readers[HABITS];
    bool failed = false;

    if (argc != 7) {
        fputs("usage: readers SOCKET SECOND DIR DOMAIN/PRODUCT COUNT PROGRESS\n", stderr);
        return 64;
    }
    sockets[0] = argv[1];
    sockets[1] = argv[2];
    dir = argv[3];
    product = argv[4];
    count = strtoul(argv[5], NULL, 10);
    progress = argv[6];
    for (int i = 0; i < HABITS; i++) {
        readers[i].habit = (enum habit)i;
        if (pthread_create(&readers[i].thread, NULL, read_all, &readers[i]) != 0)
            return 1;
    }
    failed = !publish();
    for (int i = 0; i < HABITS; i++) {
        pthread_join(readers[i].thread, NULL);
        report(&readers[i]);
        failed = failed || readers[i].failed || readers[i].sum.verify_failures;
    }
    return failed;
}
