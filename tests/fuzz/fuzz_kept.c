// SPDX-License-Identifier: Apache-2.0
// What a weftd, or anybody with an identity, finds on its own disk at a start, with the hash that it is kept under right: epoch keys, ends of chains,
// signers of manifests, the mark of a restore, publishers' marks, a mirror's state; and the files of an identity directory. The first byte picks. Whatever lies there, the start goes on
// or says why not, and what is believed is kept again as it was.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/agent/uplink.h"
#include "node/core.h"
#include "node/log/meta.h"
#include "node/mirror/priv.h"
#include "node/restored.h"
#include "node/stream/ends.h"
#include "node/stream/priv.h"
#include "sdk/identity.h"
#include "tests/support/memdisk.h"
#include "tests/support/support.h"
#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;
static struct wf_memdisk *disk;
static char meta_dir[] = "meta";

static void must(bool right)
{
    if (!right)
        abort();
}

static void put(const char *name, struct wf_bytes value)
{
    struct wf_vfs vfs = wf_memdisk_vfs(disk);

    must(wf_meta_put(&vfs, meta_dir, name, value) == WEFT_OK);
}

// ---- values of a node ------------------------------------------------------------------------------------------------

static void mark(struct wf_bytes in)
{
    struct wf_restored r;
    uint8_t out[WF_RESTORED_LEN];

    if (wf_restored_take(in, &r))
        return;
    wf_restored_put(&r, out);
    must(wf_bytes_eq(WF_BYTES(out), in));
}

static void epochs(struct wf_bytes in)
{
    struct wf_node node = { .log = NULL };
    struct wf_stream_room room = {
        .node = &node, .vfs = wf_memdisk_vfs(disk), .meta_dir = meta_dir
    };
    struct wf_collect collect = { .product = { .kind = WF_PRODUCT_EVENT } };
    struct wf_home_product p = { .room = &room, .collect = &collect, .tail = 1000 };
    struct wf_secret key = { 0 };
    char name[40] = "e-";

    must(wf_secret_new(WF_KEY_LEN, &room.storage_key) == WEFT_OK);
    wf_hex_put(wf_bytes(collect.product.id.b, 16), name + 2);
    put(name, in);
    if (wf_epochs_load(&p) == WEFT_OK) {
        must(p.kept_count > 0 || in.len == 1);
        for (size_t i = 0; i < p.kept_count; i++) {
            must(p.kept[i].end <= p.tail);
            if (i == 0) // not under our key
                must(wf_epochs_open(&p, p.kept[i].number, &key) != WEFT_OK);
        }
        wf_epochs_end(&p);
    }
    free(p.kept);
    wf_secret_fini(&room.storage_key);
}

// What two of them say together packs to what says the same.
static void ends(struct wf_bytes in)
{
    struct wf_ends *e = NULL, *again = NULL;
    struct wf_buf first = { 0 }, second = { 0 };
    struct wf_hash cert;

    must(wf_ends_new(&e) == WEFT_OK && wf_ends_new(&again) == WEFT_OK);
    if (wf_ends_merge(e, in) == WEFT_OK) {
        must(wf_ends_merge(e, in) == WEFT_OK);
        must(wf_ends_pack(e, &first) == WEFT_OK);
        must(wf_ends_merge(again, wf_buf_view(&first)) == WEFT_OK);
        must(wf_ends_pack(again, &second) == WEFT_OK);
        must(wf_bytes_eq(wf_buf_view(&first), wf_buf_view(&second)));
        for (size_t i = 0; wf_ends_certificate(e, i, &cert); i++)
            must(i < in.len);
    }
    wf_buf_fini(&first);
    wf_buf_fini(&second);
    wf_ends_free(e);
    wf_ends_free(again);
}

static void signers(struct wf_bytes in)
{
    static struct wf_uplink_room uplink;
    struct wf_node node = { .uplink = &uplink };

    uplink = (struct wf_uplink_room){ .vfs = wf_memdisk_vfs(disk), .meta_dir = meta_dir };
    put("signers", in);
    must(wf_retired_load(&node) == WEFT_OK);
    must(uplink.signer_count <= WF_UPLINK_SIGNERS &&
         uplink.signer_count <= in.len / (WF_KEY_LEN + 8));
}

// What is believed is kept as it was, and read the same again; marks of one publisher come once.
static void publishers(struct wf_bytes in)
{
    static struct wf_uplink_room uplink;
    struct wf_node node = { .uplink = &uplink };
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct wf_buf first = { 0 }, second = { 0 };

    uplink = (struct wf_uplink_room){ .vfs = vfs, .meta_dir = meta_dir };
    put("publisher-marks", in);
    for (int i = 0; i < 2; i++) {
        must(wf_spool_load_publishers(&node) == WEFT_OK);
        must(uplink.publisher_count <= WF_UPLINK_PUBLISHERS);
        for (size_t k = 0; k < uplink.publisher_count; k++)
            must(wf_spool_publisher(&node, &uplink.publishers[k].product_id,
                     uplink.publishers[k].id) == &uplink.publishers[k]);
        must(wf_spool_save_publishers(&node) == WEFT_OK);
        must(wf_meta_get(&vfs, meta_dir, "publisher-marks", i ? &second : &first) == WEFT_OK);
        free(uplink.publishers);
        uplink.publishers = NULL;
        uplink.publisher_count = 0;
    }
    must(wf_bytes_eq(wf_buf_view(&first), wf_buf_view(&second)));
    wf_buf_fini(&first);
    wf_buf_fini(&second);
}

static void mirror(struct wf_bytes in)
{
    struct wf_mirror_room room = { .vfs = wf_memdisk_vfs(disk) };
    struct wf_mirror m = { .room = &room, .dir = meta_dir };

    put("state", in);
    must(wf_mirror_load(&m) == WEFT_OK);
    if (m.has_beat) { // it is signed, and of what is in the store
        must(wf_hash_eq(&m.said.product_id, &m.stored_id) && m.beat.len > 0);
        must(m.beat.len < in.len);
    }
    wf_buf_fini(&m.beat);
}

// ---- an identity directory -------------------------------------------------------------------------------------------

static const char *identity_dir(void)
{
    static const char *dir;
    struct wf_identity_dir *d = NULL;
    struct wf_keys keys = { 0 };
    struct wf_diag diag = { 0 };

    if (dir)
        return dir;
    dir = wf_test_tmpdir();
    keys.sign = wf_test_sign_key("servers/node", &keys.sign_pub);
    keys.dh = wf_test_dh_key("servers/node", &keys.dh_pub);
    must(wf_identity_create(dir, &keys, &diag) == WEFT_OK);
    must(wf_identity_load(dir, WF_TEST_NOW, &d, &diag) == WEFT_OK);
    must(wf_identity_set_mesh(d, &mesh.charter->mesh_id, &diag) == WEFT_OK);
    must(wf_identity_add_charter(d, wf_buf_view(&mesh.charter->raw), &diag) == WEFT_OK);
    must(wf_identity_set_chain(
             d, wf_buf_view(&mesh.d[WF_TEST_SERVERS].node_chain), WF_TEST_NOW, &diag) == WEFT_OK);
    wf_identity_free(d);
    wf_secret_fini(&keys.sign);
    wf_secret_fini(&keys.dh);
    return dir;
}

static void write_file(int dir, const char *path, struct wf_bytes content)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0 && (!content.len || write(fd, content.ptr, content.len) == (ssize_t)content.len));
    close(fd);
}

// One file of it is the input, the others are right; it is put back behind it.
static void identity(const char *file, struct wf_bytes in)
{
    struct wf_identity_dir *d = NULL;
    struct wf_diag diag = { 0 };
    struct wf_buf before = { 0 };
    int dir = open(identity_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool there = faccessat(dir, file, F_OK, 0) == 0;

    must(dir >= 0);
    if (there) {
        uint8_t block[8192];
        int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, block, sizeof block);
        must(n >= 0 && wf_buf_append(&before, wf_bytes(block, (size_t)n)) == WEFT_OK);
        close(fd);
    }
    write_file(dir, file, in);
    enum weft_err err = wf_identity_load(identity_dir(), WF_TEST_NOW, &d, &diag);
    must(err != WEFT_E_INTERNAL && err != WEFT_E_NOMEM);
    if (!err) {
        must(d->seed_count <= WF_MAX_SEEDS);
        must(!d->has_mesh || !d->charter || wf_hash_eq(&d->mesh_id, &d->charter->mesh_id));
        for (size_t i = 0; i < d->seed_count; i++)
            must(wf_address_check(wf_bytes_str(d->seeds[i].address)) == WEFT_OK);
    } else {
        must(diag.text[0] != '\0');
    }
    wf_identity_free(d);
    if (there)
        write_file(dir, file, wf_buf_view(&before));
    else
        must(unlinkat(dir, file, 0) == 0);
    close(dir);
    wf_buf_fini(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const values[])(
        struct wf_bytes) = { mark, epochs, ends, signers, publishers, mirror };
    static const char *const files[] = { "seeds", "identity/mesh", "identity/chain",
        "charter/000002" };

    if (!disk) {
        struct wf_vfs vfs;
        must(wf_crypto_init() == WEFT_OK);
        wf_test_mesh_init(&mesh);
        disk = wf_memdisk_new();
        vfs = wf_memdisk_vfs(disk);
        must(vfs.mkdir(vfs.ctx, meta_dir) == WEFT_OK);
    }
    if (size == 0 || size > WF_MAX_META)
        return 0;
    struct wf_bytes in = wf_bytes(data + 1, size - 1);
    size_t what = data[0] % (WF_COUNT(values) + WF_COUNT(files));
    if (what < WF_COUNT(values))
        values[what](in);
    else
        identity(files[what - WF_COUNT(values)], in);
    return 0;
}
