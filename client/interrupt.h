// SPDX-License-Identifier: MIT
// Ctrl-C, SIGTERM and SIGHUP. The first one sets a flag that every wait in the client looks at, so
// that it can say how to come back to the batch; the second one ends the program at once, whatever
// it is doing. One that was ignored when the client was started (nohup, a shell's &) stays ignored.
#pragma once

#include <stdbool.h>
#include <stdint.h>

void interrupt_install(void);
bool interrupt_seen(void);
int interrupt_signal(void); // its number; 0: none

// True once after the program was stopped (Ctrl-Z) and goes on: others have written to the
// terminal.
bool interrupt_continued(void);

// Sleeps; returns early (true) when interrupted.
bool interrupt_sleep_ms(int64_t ms);
