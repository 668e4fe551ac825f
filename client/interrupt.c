// SPDX-License-Identifier: MIT
// Owns the client's signal flags. The handlers only set them; they must never print or call
// libcurl.
#include "client/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t seen, continued;

static void on_interrupt(int number)
{
    seen = number;
}

static void on_continue(int number)
{
    continued = number;
}

void interrupt_install(void)
{
    // No SA_RESTART: a read from a slow standard input must return. SA_RESETHAND: the second Ctrl-C
    // kills.
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    struct sigaction go_on = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
    sigemptyset(&go_on.sa_mask);
    sigaction(SIGCONT, &go_on, NULL);
    // A closed pipe is seen as EPIPE where it is written to.
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool interrupt_seen(void)
{
    return seen != 0;
}

int interrupt_signal(void)
{
    return seen;
}

bool interrupt_continued(void)
{
    bool yes = continued != 0;
    continued = 0;
    return yes;
}

bool interrupt_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    if (!interrupt_seen()) {
        nanosleep(&t, NULL);
    }
    return interrupt_seen();
}
