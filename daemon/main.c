// SPDX-License-Identifier: MIT
// gatherd: reads the command line and the configuration, then runs the daemon.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/api/api.h"
#include "daemon/command_line.h"
#include "daemon/daemon.h"
#include "daemon/fetch/fetch.h"
#include "daemon/store/backup.h"

// What ends by itself.
static int run_once(const struct command_line *line, const struct config *config)
{
    struct err e = {.code = ERR_OK};
    if (line->mode == RUN_PRINT_CONFIG) {
        return config_print(config, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    if (line->mode == RUN_CHECK_CONFIG &&
        (api_check_config(config, &e) < 0 || fetch_check_config(config, &e) < 0)) {
        fprintf(stderr, "gatherd: %s\n", e.text);
        return e.code == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILURE;
    }
    if (line->mode == RUN_BACKUP && store_backup(config->store.path, line->backup_file, &e) < 0) {
        fprintf(stderr, "gatherd: %s\n", e.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

// Whoever started this may have closed them. Their numbers would go to the next files and sockets,
// which log lines would then be written to.
static int take_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct command_line line;
    if (take_standard_descriptors() < 0) {
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN); // also of a log that nobody reads any more
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
    log_init(LOG_LEVEL_INFO);
    struct config_sources sources = {
        .file = line.config_file, .environment = environ, .set = line.set, .n_set = line.n_set};
    struct config *config = NULL;
    struct err e = {.code = ERR_OK};
    if (config_load(&sources, &e, &config) < 0) {
        if (line.mode == RUN_DAEMON) {
            log_error("%s", e.text);
        } else {
            fprintf(stderr, "gatherd: %s\n", e.text);
        }
        return e.code == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILURE;
    }
    if (line.mode != RUN_DAEMON) {
        int status = run_once(&line, config);
        config_free(&config);
        return status;
    }
    log_set_level(config->log.level);
    return daemon_run(&sources, config);
}
