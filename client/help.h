// SPDX-License-Identifier: MIT
// Help texts and usage lines, made from the verb table.
#pragma once

#include <stdio.h>

#include "client/verbs.h"

void help_overview(FILE *to);
void help_verb(FILE *to, const struct verb *v);
void help_usage_line(FILE *to, const struct verb *v); // "Usage: gather wait [OPTION...] BATCH"
