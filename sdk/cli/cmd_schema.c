// SPDX-License-Identifier: Apache-2.0
// weft schema decode|encode, weft config check: tools that need no mesh. Also where protoc is run.
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/schema/record_json.h"
#include "sdk/cli/problem.h"
#include "sdk/cli/protoc.h"
#include "sdk/cli/weftd.h"
#include "sdk/conf/file.h"
#include "sdk/json.h"

// ---- protoc ----------------------------------------------------------------------------------------------------------

// Where weft's own .proto files lie: where $WEFT_PROTO says, or beside this program's installation or build.
static void own_protos(char *out, size_t len)
{
    const char *env = getenv("WEFT_PROTO");
    char dir[4096];
    struct stat st;

    snprintf(out, len, "%s", env ? env : "");
    wf_own_dir(dir, sizeof dir);
    for (int up = 0; up < 3 && !env && dir[0]; up++) {
        if (snprintf(out, len, "%s/share/weft/proto", dir) < (int)len && stat(out, &st) == 0)
            return;
        char *slash = strrchr(dir, '/');
        if (slash)
            *slash = '\0';
    }
    if (!env)
        out[0] = '\0';
}

int wf_protoc(const char *proto, const char *out)
{
    char dir[4096], include[4200], own_include[4200], own[4096];
    const char *slash = strrchr(proto, '/');
    int status = 0;

    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - proto) : 1, slash ? proto : ".");
    snprintf(include, sizeof include, "-I%s", dir);
    own_protos(own, sizeof own);
    snprintf(own_include, sizeof own_include, "-I%s", own[0] ? own : dir);
    // A proto below weft's own tree is named by its path from there, or protoc takes it for two files.
    bool within = own[0] && strncmp(proto, own, strlen(own)) == 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (within)
            execlp("protoc", "protoc", own_include, "--include_imports", "-o", out, proto,
                (char *)NULL);
        else
            execlp("protoc", "protoc", include, own_include, "--include_imports", "-o", out, proto,
                (char *)NULL);
        fprintf(
            stderr, "weft: protoc can't be run (%s); install protobuf-compiler\n", strerror(errno));
        _exit(69);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return wf_cli_fail(WEFT_E_NOMEM, "protoc can't be started");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 69)
        return 69;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : wf_cli_fail(WEFT_E_MANIFEST, "%s: protoc refuses it (see above)", proto);
}

// ---- schema ----------------------------------------------------------------------------------------------------------

static int compile_proto(const char *proto, struct wf_buf *ret_set)
{
    char path[] = "/tmp/weft-schema-XXXXXX";
    int fd = mkstemp(path);
    struct wf_diag diag = { 0 };

    if (fd < 0)
        return wf_cli_fail(WEFT_E_IO, "no temporary file can be made: %s", strerror(errno));
    close(fd);
    int status = wf_protoc(proto, path);
    if (!status) {
        enum weft_err err = wf_file_read(path, WF_MAX_DOCUMENT, WF_FILE_ANY, ret_set, &diag);
        status = err ? wf_cli_diag(err, &diag, proto) : 0;
    }
    unlink(path);
    return status;
}

static int convert(bool decode, const struct wf_schema_message *m, struct wf_bytes in)
{
    struct wf_buf out = { 0 };
    struct wf_diag diag = { 0 };
    struct wf_json *json = NULL;
    enum weft_err err = WEFT_OK;

    if (decode) {
        err = wf_record_json(m, in, NULL, &out, &diag);
        if (!err)
            err = wf_buf_append_byte(&out, '\n');
    } else {
        err = wf_json_parse(in, &json, &diag);
        if (!err)
            err = wf_json_encode(m, json, WF_MAX_JSON, &out, &diag);
    }
    if (!err && fwrite(out.ptr, 1, out.len, stdout) != out.len)
        err = WEFT_E_IO;
    wf_json_free(json);
    wf_buf_fini(&out);
    if (err && diag.line)
        return wf_cli_fail(err, "stdin:%u:%u: %s", diag.line, diag.column, diag.text);
    return err ? wf_cli_fail(err, "stdin: %s", diag.text[0] ? diag.text : weft_err_text(err)) : 0;
}

static int schema_command(struct wf_cli *cli, int argc, char **argv, bool decode)
{
    const char *proto = NULL, *message = NULL, *set_path = NULL;
    const struct wf_opt opts[] = { { "proto", 0, .value = &proto },
        { "message", 0, .value = &message }, { "descriptor", 0, .value = &set_path } };
    struct wf_buf set = { 0 }, in = { 0 };
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count);

    if (status >= 0)
        return status;
    if (!message || (!proto && !set_path))
        return wf_cli_fail(
            WEFT_E_USAGE, "--message NAME and --proto FILE (or --descriptor FILE) are needed");
    if (proto)
        status = compile_proto(proto, &set);
    else {
        enum weft_err err = wf_file_read(set_path, WF_MAX_DOCUMENT, WF_FILE_ANY, &set, &diag);
        status = err ? wf_cli_diag(err, &diag, set_path) : 0;
    }
    if (!status && wf_schema_compile(wf_buf_view(&set), &schema, &diag))
        status = wf_cli_fail(WEFT_E_SCHEMA, "%s: %s", proto ? proto : set_path, diag.text);
    const struct wf_schema_message *m =
        status ? NULL : wf_schema_find_message(schema, wf_bytes_str(message));
    if (!status && !m)
        status = wf_cli_fail(WEFT_E_NOT_FOUND,
            "no message %s in it; write the full name, with its package", message);
    if (!status)
        status = wf_cli_stdin(WF_MAX_JSON, &in);
    if (!status)
        status = convert(decode, m, wf_buf_view(&in));
    wf_schema_free(schema);
    wf_buf_fini(&set);
    wf_buf_fini(&in);
    return status;
}

int wf_cmd_schema_decode(struct wf_cli *cli, int argc, char **argv)
{
    return schema_command(cli, argc, argv, true);
}

int wf_cmd_schema_encode(struct wf_cli *cli, int argc, char **argv)
{
    return schema_command(cli, argc, argv, false);
}

// ---- config check ----------------------------------------------------------------------------------------------------

// weftd alone knows its configuration, so it is asked.
int wf_cmd_config_check(struct wf_cli *cli, int argc, char **argv)
{
    char *file = NULL, in_dir[4200];
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 1, &file, &count);

    if (status >= 0)
        return status;
    snprintf(in_dir, sizeof in_dir, "%s/weftd.yaml", cli->dir ? cli->dir : "/etc/weft");
    char *conf = count ? file : in_dir;
    char *args[] = { (char[]){ "weftd" }, (char[]){ "--check" }, (char[]){ "-c" }, conf, NULL };
    pid_t pid = wf_weftd_start(args, NULL);
    if (pid < 0)
        return wf_cli_fail(WEFT_E_NOMEM, "weftd can't be started");
    status = wf_weftd_wait(pid);
    const struct wf_fact facts[] = { { "file", conf, false } };
    if (status)
        wf_cli_note_status(status, "the mistakes of %s are named on standard error", conf);
    else if (wf_cli_for_programs(cli))
        status = wf_cli_object("weft.config-check/v1", facts, WF_COUNT(facts));
    else
        printf("%s is fine\n", conf);
    return status;
}
