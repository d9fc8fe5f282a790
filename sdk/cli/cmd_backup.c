// SPDX-License-Identifier: Apache-2.0
// weft node backup, weft node restore: asks for the passphrase, lets weftd do the work on its files, and says what to know about the result.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "sdk/cli/setup.h"
#include "sdk/cli/weftd.h"
#include "sdk/disk.h"
#include "sdk/json.h"

#define ARGS_MAX 12

struct job {
    struct wf_cli *cli;
    const char *verb, *dir, *file;
    bool logs, alone;
    struct wf_secret pass; // empty: not sealed; wiped as soon as weftd has it
};

// ---- weftd -----------------------------------------------------------------------------------------------------------

// The reading end of a pipe that holds the passphrase; weftd inherits it. -1: none is needed, or *ret_status says why not.
static int passphrase_pipe(const struct job *j, int *ret_status)
{
    int ends[2];

    if (j->pass.len == 0)
        return -1;
    if (j->pass.len > WF_MAX_PASSPHRASE) {
        *ret_status =
            wf_cli_fail(WEFT_E_TOO_BIG, "a passphrase is at most %u bytes long", WF_MAX_PASSPHRASE);
        return -1;
    }
    if (pipe(ends) != 0) {
        *ret_status = wf_cli_fail(WEFT_E_IO, "no pipe: %s", strerror(errno));
        return -1;
    }
    // It fits into an empty pipe.
    ssize_t n = write(ends[1], j->pass.ptr, j->pass.len);
    close(ends[1]);
    if (n != (ssize_t)j->pass.len) {
        close(ends[0]);
        *ret_status = wf_cli_fail(WEFT_E_IO, "the passphrase could not be handed over");
        return -1;
    }
    return ends[0];
}

static int ask_weftd(const struct job *j, struct wf_json **ret)
{
    char fd_text[16], *line = NULL;
    int status = 0, out = -1, fd = passphrase_pipe(j, &status);
    const char *argv[ARGS_MAX] = { "weftd", j->verb, "--dir", j->dir, "--file", j->file };
    size_t n = 6, cap = 0;

    if (status)
        return status;
    snprintf(fd_text, sizeof fd_text, "%d", fd);
    if (fd >= 0) {
        argv[n++] = "--passphrase-fd";
        argv[n++] = fd_text;
    }
    if (j->logs)
        argv[n++] = "--logs";
    if (j->alone)
        argv[n++] = "--alone";
    pid_t pid = wf_weftd_start((char *const *)argv, &out);
    if (fd >= 0)
        close(fd);
    FILE *answer = pid < 0 ? NULL : fdopen(out, "r");
    if (!answer)
        return wf_cli_fail(WEFT_E_NOMEM, "weftd can't be started");
    ssize_t len = getline(&line, &cap, answer);
    fclose(answer);
    status = wf_weftd_wait(pid);
    if (!status && (len <= 0 || wf_json_parse(wf_bytes(line, (size_t)len), ret, NULL)))
        status = wf_cli_fail(WEFT_E_PROTOCOL, "weftd's answer can't be read");
    if (!status && j->cli->format != WF_OUT_TABLE)
        printf("%s", line);
    free(line);
    return status;
}

// ---- what it says ----------------------------------------------------------------------------------------------------

static const char *text_of(const struct wf_json *r, const char *key, char out[256])
{
    struct wf_bytes t = wf_json_string(wf_json_get(r, key));

    snprintf(out, 256, "%.*s", (int)t.len, t.len ? (const char *)t.ptr : "");
    return out;
}

static long long number_of(const struct wf_json *r, const char *key)
{
    return (long long)wf_json_int(wf_json_get(r, key));
}

static void say_backup(const struct job *j, const struct wf_json *r, bool sealed)
{
    char domain[256], node[256], print[256], hash[256];

    printf(
        "%s: node %s/%s (fingerprint %s), %lld files, %lld bytes, read back whole\n  hash     %s\n",
        j->file, text_of(r, "domain", domain), text_of(r, "node", node),
        text_of(r, "fingerprint", print), number_of(r, "files"), number_of(r, "stored"),
        text_of(r, "hash", hash));
    printf("  records  %s\n",
        j->logs ? "in it, up to now"
                : "not in it (--logs): after a restore those that no agent still has are lost");
    if (sealed)
        printf("  sealed   under the passphrase: without it nobody opens this file\n");
    else
        printf("  NOT SEALED: whoever has this file is this node, and its issuer if it has one\n");
    printf("next: keep it off this machine; weft node restore %s --dir DIR\n", j->file);
}

static void say_restore(const struct job *j, const struct wf_json *r)
{
    char domain[256], node[256], print[256], when[WF_CLI_AT];

    wf_cli_at(number_of(r, "createdMs"), when);
    printf("node %s/%s (fingerprint %s) as of %s: %lld files in %s\n", text_of(r, "domain", domain),
        text_of(r, "node", node), text_of(r, "fingerprint", print), when, number_of(r, "files"),
        j->dir);
    printf("  the old one must not run again: two nodes with one key contradict each other\n"
           "  its tickets are void: weft ticket create\n");
    if (j->alone)
        printf("  what was revoked after the backup is NOT revoked here: do it again\n");
    else
        printf("  it grants, leases and takes nothing until other nodes told what was revoked "
               "since\n");
    printf(
        "  %s\n", wf_json_bool(wf_json_get(r, "logs"))
                      ? "records: as far as the backup has them"
                      : "records: none; readers go on at their cursors and are told what is lost");
    printf(
        "next: look at %s/weftd.yaml (data:, listen:, advertise:), then: weftd -c %s/weftd.yaml\n",
        j->dir, j->dir);
}

static int run(struct job *j)
{
    struct wf_json *answer = NULL;
    bool sealed = j->pass.len > 0, is_table = j->cli->format == WF_OUT_TABLE;
    int status = ask_weftd(j, &answer);

    wf_secret_fini(&j->pass);
    if (!status && is_table && strcmp(j->verb, "--backup") == 0)
        say_backup(j, answer, sealed);
    else if (!status && is_table)
        say_restore(j, answer);
    wf_json_free(answer);
    return status;
}

// ---- commands --------------------------------------------------------------------------------------------------------

// A directory gets a file named by the time.
static enum weft_err file_in(const char *operand, char **ret)
{
    struct stat st;
    struct timespec now;
    struct tm utc;
    char name[64];

    if (stat(operand, &st) != 0 || !S_ISDIR(st.st_mode))
        return wf_bytes_strdup(wf_bytes_str(operand), ret);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(name, sizeof name, "node-%Y%m%dT%H%M%SZ.weftbackup", &utc);
    return wf_disk_join(operand, name, ret);
}

int wf_cmd_node_backup(struct wf_cli *cli, int argc, char **argv)
{
    struct job j = { .cli = cli, .verb = "--backup" };
    const char *pass_file = NULL, *env = getenv("WEFT_DIR");
    bool plain = false;
    const struct wf_opt opts[] = {
        { "logs", 0, .flag = &j.logs },
        { "passphrase-file", 0, .value = &pass_file },
        { "no-passphrase", 0, .flag = &plain },
    };
    char *operand = NULL, *file = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &operand, &count);

    if (status >= 0)
        return status;
    if (plain && pass_file)
        return wf_cli_fail(WEFT_E_USAGE, "--no-passphrase and --passphrase-file contradict");
    j.dir = cli->dir ? cli->dir : env && env[0] ? env : "/etc/weft";
    enum weft_err err = file_in(operand, &file);
    if (!err && !plain)
        err = wf_cli_passphrase(pass_file, "New passphrase for the backup: ", true, &j.pass);
    j.file = file;
    status = err ? weft_err_exit(err) : run(&j);
    wf_secret_fini(&j.pass);
    free(file);
    return status;
}

// Byte 27 of the header: is it sealed under a passphrase? weftd judges the file; here it only decides whether to ask.
static bool wants_passphrase(const char *file)
{
    unsigned char head[28] = { 0 };
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof head);

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)sizeof head && memcmp(head, "WEFTBAK1", 8) == 0 && head[27] == 1;
}

int wf_cmd_node_restore(struct wf_cli *cli, int argc, char **argv)
{
    struct job j = { .cli = cli, .verb = "--restore" };
    const char *pass_file = NULL;
    const struct wf_opt opts[] = {
        { "passphrase-file", 0, .value = &pass_file },
        { "alone", 0, .flag = &j.alone },
    };
    char *file = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &file, &count);
    enum weft_err err = WEFT_OK;

    if (status >= 0)
        return status;
    if (!cli->dir)
        return wf_cli_fail(WEFT_E_USAGE, "weft node restore FILE --dir DIR: both are needed");
    j.dir = cli->dir;
    j.file = file;
    if (wants_passphrase(file))
        err = wf_cli_passphrase(pass_file, "Passphrase of the backup: ", false, &j.pass);
    status = err ? weft_err_exit(err) : run(&j);
    wf_secret_fini(&j.pass);
    return status;
}
