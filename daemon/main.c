// SPDX-License-Identifier: MIT
// gatherd: reads the command line and the configuration, then runs the daemon.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/command_line.h"
#include "daemon/daemon.h"

int main(int argc, char **argv)
{
    struct command_line line;
    if (command_line_parse(argc, argv, &line) < 0) {
        return EXIT_USAGE;
    }
    if (line.mode == RUN_VERSION) {
        puts("gatherd " GATHERD_VERSION);
        return EXIT_SUCCESS;
    }
    if (line.mode == RUN_HELP) {
        command_line_help();
        return EXIT_SUCCESS;
    }
    struct config_sources sources = {
        .file = line.config_file, .environment = environ, .set = line.set, .n_set = line.n_set};
    struct config *config = NULL;
    struct err e = {.code = ERR_OK};
    if (config_load(&sources, &e, &config) < 0) {
        fprintf(stderr, "gatherd: %s\n", e.text);
        return e.code == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILURE;
    }
    if (line.mode != RUN_DAEMON) {
        int status = line.mode == RUN_PRINT_CONFIG && config_print(config, stdout) < 0
                         ? EXIT_FAILURE
                         : EXIT_SUCCESS;
        config_free(&config);
        return status;
    }
    log_init(config->log.level);
    return daemon_run(&sources, config);
}
