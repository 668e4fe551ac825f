// SPDX-License-Identifier: MIT
// The command line of gatherd. Main thread, before anything else.
#pragma once

#include <stddef.h>

#define EXIT_USAGE  2
#define EXIT_CONFIG 78 // EX_CONFIG of sysexits.h, which systemd names "CONFIG"

enum run_mode { RUN_DAEMON, RUN_CHECK_CONFIG, RUN_PRINT_CONFIG, RUN_BACKUP, RUN_VERSION, RUN_HELP };

#define MAX_SETTINGS 256

struct command_line {
    enum run_mode mode;
    const char *config_file;       // or NULL
    const char *backup_file;       // of RUN_BACKUP
    const char *set[MAX_SETTINGS]; // "section.key=value"
    size_t n_set;
};

// -1: wrong usage; a message was written to standard error.
int command_line_parse(int argc, char **argv, struct command_line *ret);
void command_line_help(void); // to standard output
