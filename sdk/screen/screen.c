// SPDX-License-Identifier: Apache-2.0
// The terminal. See screen.h. Signals that end or resize are blocked but while it waits, so that the terminal is restored on every way out;
// threads that begin later inherit that.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <weft/screen.h>

static volatile sig_atomic_t ended, resized, paused;
static struct termios was;
static bool has_keys;

int64_t wf_screen_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void wf_screen_sleep_until(int64_t due_ms)
{
    int64_t left = due_ms - wf_screen_now_ms();
    struct timespec ts = { left / 1000, (left % 1000) * 1000000 };

    while (left > 0 && nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        paused = 1;
    else
        ended = 1;
}

static void catch_signals(sigset_t *ret_open)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };
    struct sigaction act = { .sa_handler = on_signal };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        sigaction(caught[i], &act, NULL);
        sigaddset(&set, caught[i]);
    }
    sigprocmask(SIG_BLOCK, &set, ret_open);
}

static void say(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static void take_screen(void)
{
    struct termios raw = was;

    if (has_keys) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    say("\033[?1049h\033[?25l\033[2J"); // the other screen, no cursor, clear
}

static void give_screen_back(void)
{
    say("\033[?25h\033[?1049l");
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &was);
}

static struct wf_picture new_picture(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2 || size.ws_col < 20)
        size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    // the last row tells the keys
    return (struct wf_picture){ .rows = size.ws_row - 1u, .columns = size.ws_col };
}

// Over what stands there, each line cleared behind its end, so that nothing flickers.
static enum weft_err draw(const struct wf_screen *s)
{
    struct wf_picture p = new_picture();
    unsigned rows = p.rows;
    char keys[160] = "";
    enum weft_err err = s->draw(s->arg, &p);

    if (!err)
        err = p.err;
    if (!err) {
        fputs("\033[H", stdout);
        for (size_t i = 0; i < p.len; i++) {
            if (p.text[i] == '\n')
                fputs("\033[K\r\n", stdout);
            else
                putchar(p.text[i]);
        }
        s->keys(s->arg, keys, sizeof keys);
        printf("\033[J\033[%u;1H\033[7m q quit  %s \033[0m\033[K", rows + 1, keys);
        fflush(stdout);
        err = ferror(stdout) ? WEFT_E_IO : WEFT_OK;
    }
    wf_picture_fini(&p);
    return err;
}

static void stop_here(void)
{
    paused = 0;
    give_screen_back();
    raise(SIGSTOP);
    take_screen();
}

// Waits for the next question; keys and a new size are served at once. False: the user wants out.
static bool wait_on_screen(const struct wf_screen *s, int64_t due_ms, const sigset_t *open)
{
    for (int64_t left = due_ms - wf_screen_now_ms(); left > 0 && !ended;
         left = due_ms - wf_screen_now_ms()) {
        struct timespec ts = { left / 1000, (left % 1000) * 1000000 };
        struct pollfd p = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
        char key = 0;
        if (ppoll(&p, 1, &ts, open) > 0 && read(STDIN_FILENO, &key, 1) <= 0)
            has_keys = false; // the terminal hung up
        if (paused)
            stop_here();
        if (key == 'q' || key == 'Q')
            return false;
        if (key)
            s->key(s->arg, key);
        if ((key || resized) && draw(s))
            return false;
        resized = 0;
    }
    return !ended;
}

enum weft_err wf_screen_run(const struct wf_screen *s)
{
    sigset_t open;
    enum weft_err err = WEFT_OK;

    has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &was) == 0;
    catch_signals(&open);
    take_screen();
    for (;;) {
        int64_t due = wf_screen_now_ms() + s->every_ms;
        err = draw(s);
        if (err || !wait_on_screen(s, due, &open))
            break;
        s->ask(s->arg); // it may come back: the picture says since when nothing came
    }
    give_screen_back();
    return err;
}
