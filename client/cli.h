// SPDX-License-Identifier: MIT
// The client from its command line to its exit status.
#pragma once

int cli_run(int argc, char **argv);
