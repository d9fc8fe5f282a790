// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/weftd.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

void wf_own_dir(char *out, size_t len)
{
    ssize_t n = readlink("/proc/self/exe", out, len - 1);

    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

static void become_weftd(char *const argv[])
{
    static const char *const places[] = { "%s/weftd", "%s/../sbin/weftd", "%s/../node/weftd" };
    char dir[4096], path[4200];

    wf_own_dir(dir, sizeof dir);
    for (size_t i = 0; i < WF_COUNT(places) && dir[0]; i++) {
        snprintf(path, sizeof path, places[i], dir);
        execv(path, argv);
    }
    execvp("weftd", argv);
    fprintf(stderr,
        "weft: weftd is not installed here, and it alone knows its configuration and its files\n");
    _exit(69);
}

pid_t wf_weftd_start(char *const argv[], int *ret_out)
{
    int ends[2] = { -1, -1 };

    if (ret_out && pipe(ends) != 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (ret_out && dup2(ends[1], STDOUT_FILENO) < 0)
            _exit(70);
        if (ret_out) {
            close(ends[0]);
            close(ends[1]);
        }
        become_weftd(argv);
    }
    if (ret_out)
        close(ends[1]);
    if (ret_out && pid < 0)
        close(ends[0]);
    else if (ret_out)
        *ret_out = ends[0];
    return pid;
}

int wf_weftd_wait(pid_t pid)
{
    int status = 0;
    pid_t got;

    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}
