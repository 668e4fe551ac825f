// SPDX-License-Identifier: MIT
#include "daemon/command_line.h"

#include <getopt.h>
#include <stdio.h>

enum { OPT_CONFIG = 256, OPT_SET, OPT_CHECK, OPT_PRINT, OPT_BACKUP, OPT_VERSION };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"set", required_argument, NULL, OPT_SET},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"print-config", no_argument, NULL, OPT_PRINT},
    {"backup", required_argument, NULL, OPT_BACKUP},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void command_line_help(void)
{
    fputs(
        "Usage: gatherd [OPTION...]\n"
        "Fetches batches of URLs concurrently, keeps every result, and serves a JSON REST API.\n\n"
        "  --config FILE            read FILE, and conf.d/*.conf beside it, instead of\n"
        "                           /etc/gatherd/gatherd.conf\n"
        "  --set SECTION.KEY=VALUE  set one value over the files and the environment\n"
        "  --check-config           check the configuration and exit: 0, or 78 if it is wrong\n"
        "  --print-config           print every setting and where it comes from, and exit\n"
        "  --backup FILE            copy the database to FILE, also while a daemon runs, and exit\n"
        "  --version                print the version and exit\n"
        "  --help                   print this and exit\n",
        stdout);
}

int command_line_parse(int argc, char **argv, struct command_line *ret)
{
    *ret = (struct command_line){.mode = RUN_DAEMON};
    for (;;) {
        int c = getopt_long(argc, argv, "h", long_options, NULL);
        if (c == -1) {
            break;
        }
        switch (c) {
        case OPT_CONFIG: ret->config_file = optarg; break;
        case OPT_SET:
            if (ret->n_set == MAX_SETTINGS) {
                fprintf(stderr, "gatherd: at most %d --set options\n", MAX_SETTINGS);
                return -1;
            }
            ret->set[ret->n_set++] = optarg;
            break;
        case OPT_CHECK: ret->mode = RUN_CHECK_CONFIG; break;
        case OPT_PRINT: ret->mode = RUN_PRINT_CONFIG; break;
        case OPT_BACKUP:
            ret->mode = RUN_BACKUP;
            ret->backup_file = optarg;
            break;
        case OPT_VERSION: ret->mode = RUN_VERSION; break;
        case 'h': ret->mode = RUN_HELP; break;
        default: fputs("Try 'gatherd --help'.\n", stderr); return -1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "gatherd: unexpected argument: %s\nTry 'gatherd --help'.\n", argv[optind]);
        return -1;
    }
    return 0;
}
