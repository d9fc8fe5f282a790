// SPDX-License-Identifier: Apache-2.0
// The backup as a file: what was put in comes out, and whatever was changed, cut, moved or left out is refused before anybody is given more
// than what stood before it.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/backup/archive.h"
#include "tests/support/memdisk.h"
#include "tests/support/support.h"

#define FILE_AT "/d/node.weftbackup"

static struct wf_memdisk *disk;
static struct wf_vfs vfs;
static const struct wf_backup_about about = {
    .created_ms = 1767225600000, .domain = "servers", .node = "node-1", .version = "0.1.0"
};

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    disk = wf_memdisk_new();
    vfs = wf_memdisk_vfs(disk);
    ck_assert_int_eq(vfs.mkdir(vfs.ctx, "/d"), WEFT_OK);
}

static void teardown(void)
{
    wf_memdisk_free(disk);
}

// ---- what comes out --------------------------------------------------------------------------------------------------

struct seen {
    struct wf_buf text; // "about servers/node-1;data/x=3;", with a hash for the bytes
    struct wf_hasher hash;
    char path[WF_MAX_BACKUP_PATH + 1];
    uint64_t bytes;
};

static enum weft_err on_about(void *arg, const struct wf_backup_about *a)
{
    return wf_buf_printf(
        &((struct seen *)arg)->text, "about %s/%s %s %d;", a->domain, a->node, a->version, a->logs);
}

static enum weft_err on_begin(void *arg, const struct wf_backup_file *f)
{
    struct seen *s = arg;

    memcpy(s->path, f->path, sizeof s->path);
    s->bytes = 0;
    wf_hasher_init(&s->hash, wf_bytes(NULL, 0), WF_HASH_LEN);
    return WEFT_OK;
}

static enum weft_err on_bytes(void *arg, struct wf_bytes piece)
{
    struct seen *s = arg;

    s->bytes += piece.len;
    wf_hasher_add(&s->hash, piece);
    return WEFT_OK;
}

static enum weft_err on_end(void *arg)
{
    struct seen *s = arg;
    uint8_t hash[WF_HASH_LEN];
    char hex[9];

    wf_hasher_done(&s->hash, hash, sizeof hash);
    wf_hex_put(wf_bytes(hash, 4), hex);
    return wf_buf_printf(&s->text, "%s=%llu %s;", s->path, (unsigned long long)s->bytes, hex);
}

static enum weft_err read_with(const char *pass, struct seen *s, struct wf_backup_totals *ret)
{
    const struct wf_backup_sink sink = { s, on_about, on_begin, on_bytes, on_end };
    struct wf_backup_reader r = {
        .vfs = &vfs, .path = FILE_AT, .passphrase = wf_bytes_str(pass), .sink = &sink
    };

    s->text.len = 0;
    enum weft_err err = wf_backup_read(&r);
    wf_secret_fini(&r.key);
    if (ret)
        *ret = r.totals;
    return err;
}

// ---- what goes in ----------------------------------------------------------------------------------------------------

static void put(struct wf_backup_writer *w, const char *path, size_t len, size_t piece)
{
    struct wf_backup_file f = { .size = len };
    uint8_t *bytes = malloc(len + 1);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 31 + len);
    snprintf(f.path, sizeof f.path, "%s", path);
    ck_assert_int_eq(wf_backup_add(w, &f), WEFT_OK);
    for (size_t at = 0; at < len; at += piece)
        ck_assert_int_eq(
            wf_backup_write(w, wf_bytes(bytes + at, len - at < piece ? len - at : piece)), WEFT_OK);
    free(bytes);
}

static void write_small(const char *pass)
{
    struct wf_backup_writer *w = NULL;
    struct wf_backup_totals totals;

    ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes_str(pass), &about, &w), WEFT_OK);
    put(w, "data/identity/node.key", 12, 5);
    put(w, "weftd.yaml", 0, 1);
    ck_assert_int_eq(wf_backup_commit(w, &totals), WEFT_OK);
}

START_TEST(what_was_put_in_comes_out_whatever_the_sizes)
{
    static const size_t sizes[] = { 0, 1, WF_BACKUP_CHUNK - 1, WF_BACKUP_CHUNK, WF_BACKUP_CHUNK + 1,
        3 * (size_t)WF_BACKUP_CHUNK + 7 };
    const char *pass = _i ? "a passphrase" : "";
    struct wf_backup_writer *w = NULL;
    struct wf_backup_totals put_in, came;
    struct seen s = { 0 };
    char want[64];

    ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes_str(pass), &about, &w), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(sizes); i++) {
        char path[32];
        snprintf(path, sizeof path, "data/log/file-%zu", i);
        put(w, path, sizes[i], 100000);
    }
    ck_assert_int_eq(wf_backup_commit(w, &put_in), WEFT_OK);
    ck_assert_int_eq(read_with(pass, &s, &came), WEFT_OK);
    ck_assert_int_eq(wf_buf_end(&s.text), WEFT_OK);
    ck_assert_msg(strncmp((char *)s.text.ptr, "about servers/node-1 0.1.0 0;", 29) == 0, "%s",
        (char *)s.text.ptr);
    for (size_t i = 0; i < WF_COUNT(sizes); i++) {
        snprintf(want, sizeof want, "data/log/file-%zu=%zu ", i, sizes[i]);
        ck_assert_msg(strstr((char *)s.text.ptr, want) != NULL, "%s: %s", want, (char *)s.text.ptr);
    }
    ck_assert_uint_eq(came.files, WF_COUNT(sizes));
    ck_assert_uint_eq(came.bytes, put_in.bytes);
    ck_assert_uint_eq(came.stored, put_in.stored);
    ck_assert(wf_hash_eq(&came.hash, &put_in.hash));
    wf_buf_fini(&s.text);
}
END_TEST

START_TEST(a_backup_cut_anywhere_is_refused)
{
    struct seen s = { 0 };
    size_t len = 0;

    write_small("");
    uint8_t *bytes = wf_memdisk_file(disk, FILE_AT, &len), *whole = malloc(len);
    ck_assert_ptr_nonnull(whole);
    memcpy(whole, bytes, len);
    for (size_t cut = 0; cut < len; cut++) {
        wf_memdisk_put(disk, FILE_AT, wf_bytes(whole, cut));
        ck_assert_int_eq(read_with("", &s, NULL), WEFT_E_TRUNCATED);
        ck_assert_uint_eq(s.text.len, 0); // the one chunk never opened
    }
    free(whole);
    wf_buf_fini(&s.text);
}
END_TEST

START_TEST(a_backup_with_any_bit_changed_is_refused)
{
    struct seen s = { 0 };
    size_t len = 0;

    write_small("");
    uint8_t *bytes = wf_memdisk_file(disk, FILE_AT, &len);
    for (size_t bit = 0; bit < 8 * len; bit += 7) { // each byte, each place within one
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum weft_err err = read_with("", &s, NULL);
        ck_assert_msg(err == WEFT_E_SYNTAX || err == WEFT_E_VERSION || err == WEFT_E_HASH ||
                          err == WEFT_E_AEAD || err == WEFT_E_TRUNCATED,
            "bit %zu: %s", bit, weft_err_name(err));
        ck_assert_uint_eq(s.text.len, 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_eq(read_with("", &s, NULL), WEFT_OK);
    wf_buf_fini(&s.text);
}
END_TEST

START_TEST(chunks_that_were_exchanged_repeated_or_left_out_are_refused)
{
    const size_t chunk = WF_BACKUP_CHUNK_MAX, at = WF_BACKUP_HEAD_LEN;
    struct wf_backup_writer *w = NULL;
    struct wf_backup_totals totals;
    struct seen s = { 0 };
    size_t len = 0;

    ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes(NULL, 0), &about, &w), WEFT_OK);
    put(w, "data/wall", 3 * (size_t)WF_BACKUP_CHUNK, 65536);
    ck_assert_int_eq(wf_backup_commit(w, &totals), WEFT_OK);
    uint8_t *bytes = wf_memdisk_file(disk, FILE_AT, &len), *other = malloc(len + chunk);
    ck_assert_ptr_nonnull(other);
    static const char *const why[] = { "exchanged", "repeated", "left out",
        "bytes behind the end" };
    for (size_t i = 0; i < WF_COUNT(why); i++) {
        size_t n = len;
        memcpy(other, bytes, len);
        if (i == 0) {
            memcpy(other + at, bytes + at + chunk, chunk);
            memcpy(other + at + chunk, bytes + at, chunk);
        } else if (i == 1) {
            memcpy(other + at + chunk, bytes + at, chunk);
        } else if (i == 2) {
            memcpy(other + at + chunk, bytes + at + 2 * chunk, len - at - 2 * chunk);
            n = len - chunk;
        } else {
            other[n++] = 0;
        }
        uint8_t *copy = malloc(len);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes, len);
        wf_memdisk_put(disk, FILE_AT, wf_bytes(other, n));
        ck_assert_msg(
            read_with("", &s, NULL) == (i == 3 ? WEFT_E_TRAILING : WEFT_E_AEAD), "%s", why[i]);
        wf_memdisk_put(disk, FILE_AT, wf_bytes(copy, len));
        bytes = wf_memdisk_file(disk, FILE_AT, &len);
        free(copy);
    }
    free(other);
    wf_buf_fini(&s.text);
}
END_TEST

static void head_of(uint8_t ret[WF_BACKUP_HEAD_LEN], struct wf_bytes *ret_chunk)
{
    size_t len = 0;
    uint8_t *bytes = wf_memdisk_file(disk, FILE_AT, &len);

    memcpy(ret, bytes, WF_BACKUP_HEAD_LEN);
    *ret_chunk = wf_bytes(bytes + WF_BACKUP_HEAD_LEN, len - WF_BACKUP_HEAD_LEN);
}

// As docs/protocol/backup.md has it, and no two with one key or one nonce: the same passphrase seals every backup of a node.
START_TEST(each_backup_is_sealed_under_a_salt_and_a_nonce_of_its_own)
{
    uint8_t first[WF_BACKUP_HEAD_LEN], head[WF_BACKUP_HEAD_LEN], key[WF_KEY_LEN];
    uint8_t nonce[WF_XNONCE_LEN] = { 0 }, ad[WF_HASH_LEN + 4], *plain = NULL;
    struct wf_bytes chunk;
    struct wf_hash hash;

    write_small("");
    head_of(first, &chunk);
    ck_assert_int_eq(vfs.unlink(vfs.ctx, FILE_AT), WEFT_OK);
    write_small("");
    head_of(head, &chunk);
    ck_assert_mem_ne(first + 32, head + 32, WF_SALT_LEN);
    ck_assert_mem_ne(first + 48, head + 48, WF_BACKUP_NONCE_LEN);
    wf_blake2b_keyed(
        wf_bytes(head + 32, WF_SALT_LEN), WF_STR("weft/backup/open/v1"), key, sizeof key);
    memcpy(nonce, head + 48, WF_BACKUP_NONCE_LEN);
    wf_blake2b(WF_BYTES(head), &hash);
    memcpy(ad, hash.b, WF_HASH_LEN);
    memcpy(ad + WF_HASH_LEN, chunk.ptr, 4);
    plain = malloc(chunk.len);
    ck_assert_ptr_nonnull(plain);
    ck_assert_int_eq(
        wf_xchacha_open(key, nonce, WF_BYTES(ad), wf_bytes(chunk.ptr + 4, chunk.len - 4), plain),
        WEFT_OK);
    ck_assert_uint_eq(plain[0], 1); // the record about
    free(plain);
}
END_TEST

START_TEST(a_sealed_backup_opens_with_its_passphrase_alone)
{
    struct seen s = { 0 };
    struct wf_backup_head h;
    size_t len = 0;

    write_small("right");
    uint8_t *bytes = wf_memdisk_file(disk, FILE_AT, &len);
    ck_assert_int_eq(wf_backup_peek(&vfs, FILE_AT, &h), WEFT_OK);
    ck_assert(h.sealed);
    ck_assert_int_eq(h.created_ms, about.created_ms);
    for (size_t i = 0; i + 7 < len; i++) // nothing of it lies in clear
        ck_assert(memcmp(bytes + i, "servers", 7) != 0);
    ck_assert_int_eq(read_with("wrong", &s, NULL), WEFT_E_PASSPHRASE);
    ck_assert_int_eq(read_with("", &s, NULL), WEFT_E_PASSPHRASE);
    ck_assert_uint_eq(s.text.len, 0);
    ck_assert_int_eq(read_with("right", &s, NULL), WEFT_OK);
    wf_buf_fini(&s.text);
}
END_TEST

START_TEST(no_backup_is_overwritten_and_none_is_left_half)
{
    struct wf_backup_writer *w = NULL;
    struct wf_backup_totals totals;
    struct wf_backup_file f = { .path = "data/wall", .size = 3 };

    write_small("");
    ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes(NULL, 0), &about, &w), WEFT_E_EXISTS);
    ck_assert_int_eq(vfs.unlink(vfs.ctx, FILE_AT), WEFT_OK);
    static const enum wf_memdisk_op ops[] = { WF_MEM_WRITE, WF_MEM_SYNC, WF_MEM_READ,
        WF_MEM_RENAME };
    for (size_t i = 0; i < WF_COUNT(ops); i++) {
        ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes(NULL, 0), &about, &w), WEFT_OK);
        ck_assert_int_eq(wf_backup_add(w, &f), WEFT_OK);
        ck_assert_int_eq(wf_backup_write(w, WF_STR("abc")), WEFT_OK);
        wf_memdisk_fail(disk, ops[i], 1, 1, WEFT_E_IO);
        ck_assert_int_eq(wf_backup_commit(w, &totals), WEFT_E_IO);
        wf_memdisk_fail(disk, ops[i], 1, 0, WEFT_E_IO);
        ck_assert_ptr_null(wf_memdisk_name(disk, 0, ".weftbackup"));
        ck_assert_ptr_null(wf_memdisk_name(disk, 0, ".part"));
    }
    ck_assert_int_eq(wf_backup_create(&vfs, FILE_AT, wf_bytes(NULL, 0), &about, &w), WEFT_OK);
    ck_assert_int_eq(wf_backup_add(w, &f), WEFT_OK);
    ck_assert_int_eq(wf_backup_write(w, WF_STR("abcd")), WEFT_E_STATE); // more than it said
    ck_assert_int_eq(wf_backup_commit(w, &totals), WEFT_E_STATE);       // and less
}
END_TEST

static const struct {
    const char *why, *path;
    bool valid;
} paths[] = {
    { "the configuration", "weftd.yaml", true },
    { "a manifest's source", "products.d/cpu.yaml", true },
    { "a key", "data/identity/node.key", true },
    { "another file beside the data", "weftd.yml", false },
    { "a way out", "data/../../etc/passwd", false },
    { "a hidden file", "data/.ssh/authorized_keys", false },
    { "an absolute one", "/etc/passwd", false },
    { "a directory", "data/", false },
    { "no name between", "data//wall", false },
    { "a folder of products.d", "products.d/a/b", false },
    { "the folder itself", "data", false },
    { "a letter that no file of ours has", "data/a b", false },
    { "too deep", "data/1/2/3/4/5/6/7/8", false },
    { "none", "", false },
};

START_TEST(a_path_stays_below_the_nodes_directory)
{
    ck_assert_msg(wf_backup_path_is_valid(paths[_i].path) == paths[_i].valid, "%s", paths[_i].why);
}
END_TEST

// ---- the stream within -----------------------------------------------------------------------------------------------

static enum weft_err parse(const struct wf_buf *stream, size_t piece)
{
    struct seen s = { 0 };
    const struct wf_backup_sink sink = { &s, on_about, on_begin, on_bytes, on_end };
    struct wf_backup_parser p = { .sink = &sink };
    enum weft_err err = WEFT_OK;

    for (size_t at = 0; at < stream->len && !err; at += piece)
        err = wf_backup_parse(
            &p, wf_bytes(stream->ptr + at, stream->len - at < piece ? stream->len - at : piece));
    if (!err)
        err = wf_backup_parse_end(&p);
    wf_backup_parser_fini(&p);
    wf_buf_fini(&s.text);
    return err;
}

enum part { ABOUT = 1, FILE3, BYTES3, END1, UNKNOWN, BIG, LONG, OUTSIDE, BAD_NAME };
static const struct {
    const char *why;
    enum part parts[6];
    enum weft_err want;
} streams[] = {
    { "one file", { ABOUT, FILE3, BYTES3, END1 }, WEFT_OK },
    { "nothing at all", { 0 }, WEFT_E_TRUNCATED },
    { "no end", { ABOUT, FILE3, BYTES3 }, WEFT_E_TRUNCATED },
    { "a file ends early", { ABOUT, FILE3 }, WEFT_E_TRUNCATED },
    { "a file before what it is of", { FILE3, BYTES3, END1 }, WEFT_E_ORDER },
    { "two abouts", { ABOUT, ABOUT }, WEFT_E_ORDER },
    { "fewer files than counted", { ABOUT, END1 }, WEFT_E_RANGE },
    { "more files than counted", { ABOUT, FILE3, BYTES3, FILE3, BYTES3, END1 }, WEFT_E_RANGE },
    { "bytes behind the end", { ABOUT, FILE3, BYTES3, END1, ABOUT }, WEFT_E_TRAILING },
    { "a kind that does not exist", { ABOUT, UNKNOWN }, WEFT_E_TYPE },
    { "a file larger than any", { ABOUT, BIG }, WEFT_E_TOO_BIG },
    { "a path longer than any", { ABOUT, LONG }, WEFT_E_TOO_BIG },
    { "a path to elsewhere", { ABOUT, OUTSIDE }, WEFT_E_NAME },
    { "a domain that is no name", { BAD_NAME }, WEFT_E_RANGE },
};

static void add_part(struct wf_buf *out, enum part part)
{
    struct wf_backup_about bad = { .domain = "Servers", .node = "n", .version = "1" };
    struct wf_backup_file f = { .path = "data/wall", .size = 3 };
    const uint8_t long_path[3] = { 2, 0x10, 0 };
    size_t at = out->len;
    enum weft_err err = WEFT_OK;

    if (part == BIG)
        f.size = WF_MAX_BACKUP_FILE + 1;
    if (part == ABOUT || part == BAD_NAME)
        err = wf_backup_put_about(part == ABOUT ? &about : &bad, out);
    else if (part == FILE3 || part == BIG || part == OUTSIDE)
        err = wf_backup_put_file(&f, out);
    else if (part == BYTES3)
        err = wf_buf_append(out, WF_STR("abc"));
    else if (part == END1)
        err = wf_backup_put_end(1, 3, out);
    else if (part == UNKNOWN)
        err = wf_buf_append_byte(out, 9);
    else if (part == LONG)
        err = wf_buf_append(out, WF_BYTES(long_path));
    ck_assert_int_eq(err, WEFT_OK);
    if (part == OUTSIDE)
        memcpy(out->ptr + at + 11, "data/../x", 9);
}

START_TEST(a_stream_is_judged_record_by_record)
{
    struct wf_buf stream = { 0 };

    for (size_t i = 0; i < WF_COUNT(streams[_i].parts) && streams[_i].parts[i]; i++)
        add_part(&stream, streams[_i].parts[i]);
    for (size_t piece = 1; piece <= stream.len + 1; piece++)
        ck_assert_msg(parse(&stream, piece) == streams[_i].want, "%s in pieces of %zu: %s",
            streams[_i].why, piece, weft_err_name(parse(&stream, piece)));
    wf_buf_fini(&stream);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backup");
    TCase *t = tcase_create("backup");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_was_put_in_comes_out_whatever_the_sizes, 0, 2);
    tcase_add_test(t, a_backup_cut_anywhere_is_refused);
    tcase_add_test(t, a_backup_with_any_bit_changed_is_refused);
    tcase_add_test(t, chunks_that_were_exchanged_repeated_or_left_out_are_refused);
    tcase_add_test(t, each_backup_is_sealed_under_a_salt_and_a_nonce_of_its_own);
    tcase_add_test(t, a_sealed_backup_opens_with_its_passphrase_alone);
    tcase_add_test(t, no_backup_is_overwritten_and_none_is_left_half);
    tcase_add_loop_test(t, a_path_stays_below_the_nodes_directory, 0, WF_COUNT(paths));
    tcase_add_loop_test(t, a_stream_is_judged_record_by_record, 0, WF_COUNT(streams));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
