// SPDX-License-Identifier: MIT
// Entry of the client `gather`. All of it is in cli.c, so that tests can link everything but this.
#include "client/cli.h"

int main(int argc, char **argv)
{
    return cli_run(argc, argv);
}
