// SPDX-License-Identifier: MIT
// The service manager's protocols: sd_notify(3) datagrams, the watchdog's period, and passed
// sockets (sd_listen_fds(3)). Written here because it is three system calls, and a library would
// bring its own dependencies into the daemon. Main thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Sends STATE ("READY=1", "STOPPING=1\nSTATUS=..."); nothing if there is no service manager. Waits
// for a manager that does not read for a second at most.
void notify_state(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Sends WATCHDOG=1 without waiting: what finds no room is sent again in time.
void notify_alive(void);

// How often the manager wants WATCHDOG=1, in ms; 0: no watchdog for this process.
int64_t notify_watchdog_ms(void);

// The sockets passed to this process, as numbers from *ret_first on; 0 if none. They are made
// close-on-exec.
size_t notify_passed_sockets(int *ret_first);
