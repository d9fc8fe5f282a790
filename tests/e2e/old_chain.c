// SPDX-License-Identifier: Apache-2.0
// old_chain ROOT NODE MEMBER FROM UNTIL: gives the member (a data directory) a certificate as its issuer would have signed it at another time:
// the same keys and name, valid FROM to UNTIL seconds from now. The issuer's own certificate is dated back as well, by the root key.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sdk/disk.h"
#include "sdk/identity.h"
#include "tests/support/support.h"

#define DAY_MS INT64_C(86400000)

static void must(enum weft_err err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "old_chain: %s: %s\n", what, weft_err_text(err));
    exit(1);
}

static struct wf_buf file_in(const char *dir, const char *name)
{
    char *path = NULL;

    must(wf_disk_join(dir, name, &path), name);
    struct wf_buf file = wf_test_file(path);
    free(path);
    return file;
}

static void load_keys(const char *dir, const char *name, struct wf_keys *ret)
{
    struct wf_buf file = file_in(dir, name);

    must(wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), ret), name);
    wf_buf_fini(&file);
}

int main(int argc, char **argv)
{
    struct wf_keys root = { 0 }, issuer = { 0 };
    struct wf_cert issuer_cert, cert;
    struct wf_buf signed_issuer = { 0 }, signed_cert = { 0 }, chain = { 0 };
    struct wf_identity_dir *member = NULL;
    struct wf_diag diag = { 0 };
    struct timespec ts;
    char *path = NULL;

    if (argc != 6)
        return 64;
    must(wf_crypto_init(), "crypto");
    clock_gettime(CLOCK_REALTIME, &ts);
    int64_t now = (int64_t)ts.tv_sec * 1000;
    load_keys(argv[1], "root.key", &root);
    load_keys(argv[2], "identity/issuer.key", &issuer);
    struct wf_buf file = file_in(argv[2], "identity/issuer.cert");
    must(wf_cert_open(wf_buf_view(&file), &issuer_cert), "issuer.cert");
    must(wf_identity_load(argv[3], now, &member, &diag), argv[3]);
    issuer_cert.not_before_ms = now - 90 * DAY_MS;
    must(wf_cert_issue(&issuer_cert, &root.sign, &signed_issuer), "issuer");
    cert = member->identity.cert;
    cert.not_before_ms = now + strtoll(argv[4], NULL, 10) * 1000;
    cert.not_after_ms = now + strtoll(argv[5], NULL, 10) * 1000;
    must(wf_cert_issue(&cert, &issuer.sign, &signed_cert), "certificate");
    struct wf_bytes parts[] = { wf_buf_view(&signed_cert), wf_buf_view(&signed_issuer) };
    must(wf_chain_pack(parts, 2, &chain), "chain");
    must(wf_disk_join(argv[3], "identity/chain", &path), "path");
    must(wf_disk_replace(path, wf_buf_view(&chain), &diag), path);
    free(path);
    wf_buf_fini(&file);
    wf_buf_fini(&chain);
    wf_buf_fini(&signed_cert);
    wf_buf_fini(&signed_issuer);
    wf_identity_free(member);
    wf_keys_fini(&root);
    wf_keys_fini(&issuer);
    return 0;
}
