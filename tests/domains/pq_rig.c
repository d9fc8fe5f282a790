// SPDX-License-Identifier: Apache-2.0
// See pq_rig.h.
#include <check.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/domains/monitor_rig.h"
#include "tests/domains/pq_rig.h"

#define DEADLINE_MS 30000

static char directory[64], programs[256];
static pid_t server;

// The newest of Debian's versions.
static bool find_programs(void)
{
    glob_t found;
    bool any = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0;

    if (any) {
        const char *path = found.gl_pathv[found.gl_pathc - 1];
        snprintf(programs, sizeof programs, "%.*s", (int)(strrchr(path, '/') - path), path);
    }
    globfree(&found);
    return any;
}

static const struct passwd *unprivileged(void)
{
    const struct passwd *p = getpwnam("postgres");

    return p ? p : getpwnam("nobody");
}

// words[0] is set to the whole path: PostgreSQL's programs look for each other beside it, or in a PATH that need not have them.
static pid_t start(const char *program, const char **words)
{
    char path[320];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(path, sizeof path, "%s/%s", programs, program);
    words[0] = path;
    const struct passwd *p = unprivileged();
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(p->pw_gid) || setuid(p->pw_uid)))
        _exit(126);
    if (chdir(directory) || !freopen("log", "a", stdout) || dup2(1, 2) < 0)
        _exit(125);
    prctl(PR_SET_PDEATHSIG, SIGQUIT); // a test that is ended early leaves no server
    unsetenv("LD_PRELOAD");
    execv(path, (char *const *)words);
    _exit(127);
}

// Before the first test nobody would hear an assertion.
static void must(bool ok, const char *what)
{
    char path[96], line[256];

    if (ok)
        return;
    fprintf(stderr, "PostgreSQL of this test: %s failed\n", what);
    snprintf(path, sizeof path, "%s/log", directory);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        fputs(line, stderr);
    exit(1);
}

static bool finish(pid_t pid)
{
    int status = -1;

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void wait_ready(void)
{
    char where[160];
    PGPing answer = PQPING_NO_RESPONSE;

    snprintf(where, sizeof where, "host=%s user=weft dbname=postgres", directory);
    for (int waited = 0; waited < DEADLINE_MS && answer != PQPING_OK; waited += 10) {
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        answer = PQping(where);
    }
    must(answer == PQPING_OK, "an answer of the server");
}

static void serve(void)
{
    const char *words[] = { NULL, "-D", "data", "-k", directory, "-c", "listen_addresses=", "-c",
        "fsync=off", "-c", "max_connections=40", NULL };

    server = start("postgres", words);
    must(server > 0, "fork");
    wait_ready();
}

bool pq_rig_start(void)
{
    const char *words[] = { NULL, "-D", "data", "-A", "trust", "-U", "weft", "-E", "UTF8",
        "--locale=C", "--no-sync", NULL };

    if (!find_programs() || !unprivileged()) {
        fprintf(stderr, "no PostgreSQL in /usr/lib/postgresql: see cmake/install-deps.sh test\n");
        return false;
    }
    snprintf(directory, sizeof directory, "/tmp/weft-pq.XXXXXX");
    must(mkdtemp(directory) != NULL, "mkdtemp");
    if (geteuid() == 0)
        must(chown(directory, unprivileged()->pw_uid, unprivileged()->pw_gid) == 0, "chown");
    must(finish(start("initdb", words)), "initdb");
    serve();
    return true;
}

void pq_rig_kill(void)
{
    char path[128], line[32] = "";

    snprintf(path, sizeof path, "%s/data/postmaster.pid", directory);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    fclose(f);
    pid_t pid = (pid_t)strtol(line, NULL, 10);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid); // this process started it
}

void pq_rig_again(void)
{
    // Its children may still be about: a new server refuses while they are.
    for (int waited = 0; waited < DEADLINE_MS; waited += 50) {
        int status = 0;
        const char *words[] = { NULL, "-D", "data", "-k", directory, "-c",
            "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=40", NULL };
        server = start("postgres", words);
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        if (waitpid(server, &status, WNOHANG) == 0)
            break;
    }
    wait_ready();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void pq_rig_stop(void)
{
    char path[128], line[32] = "";

    if (!directory[0])
        return;
    snprintf(path, sizeof path, "%s/data/postmaster.pid", directory);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f))
        kill((pid_t)strtol(line, NULL, 10), SIGQUIT);
    if (f)
        fclose(f);
    waitpid(server, NULL, 0);
    for (int waited = 0; waited < DEADLINE_MS && access(path, F_OK) == 0; waited += 10)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void change(const char *where, const char *sql)
{
    PGconn *c = PQconnectdb(where);
    PGresult *r = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(r);

    ck_assert_msg(
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

const char *pq_rig_where(void)
{
    static char texts[4][240];
    static unsigned n;
    char sql[64], plain[160];
    char *where = texts[n % 4];

    snprintf(plain, sizeof plain, "host=%s user=weft dbname=postgres", directory);
    snprintf(sql, sizeof sql, "CREATE SCHEMA t%ld_%u", (long)getpid(), n);
    change(plain, sql);
    snprintf(
        where, sizeof texts[0], "%s options='-c search_path=t%ld_%u'", plain, (long)getpid(), n);
    n++;
    return where;
}

const char *pq_rig_place(int back_end)
{
    return back_end ? pq_rig_where() : rig_path();
}

void pq_rig_change(const char *where, const char *sql)
{
    if (wf_mon_store_is_pq(where))
        change(where, sql);
    else
        rig_change(where, sql);
}

const char *pq_rig_ask(const char *where, const char *sql)
{
    static char out[256];
    PGconn *c = PQconnectdb(where);
    PGresult *r = PQexec(c, sql);

    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
    snprintf(out, sizeof out, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(c);
    return out;
}

long long pq_rig_number(const char *where, const char *sql)
{
    return strtoll(pq_rig_ask(where, sql), NULL, 10);
}
