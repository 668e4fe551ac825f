// SPDX-License-Identifier: MIT
// Owns reading of inputs that must be in memory as a whole. See slurp.h.
#include "client/slurp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int slurp_file(FILE *f, const char *name, struct buf *out, struct err *e)
{
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
        if (buf_append(out, piece, n) != 0) {
            return err_set(e, ERR_USAGE, "%s is larger than the %zu bytes allowed here", name,
                           out->max);
        }
    }
    return ferror(f) ? err_set_errno(e, errno, "cannot read %s", name) : 0;
}

int slurp_data(const char *data, struct buf *out, struct err *e)
{
    if (data[0] != '@') {
        size_t n = strlen(data);
        return buf_append(out, data, n) == 0
                   ? 0
                   : err_set(e, ERR_USAGE, "the data is larger than the %zu bytes allowed here",
                             out->max);
    }
    const char *name = data + 1;
    bool standard = strcmp(name, "-") == 0;
    FILE *f = standard ? stdin : fopen(name, "re");
    if (!f) {
        return err_set_errno(e, errno, "cannot read %s", name);
    }
    int rc = slurp_file(f, standard ? "standard input" : name, out, e);
    if (!standard) {
        fclose(f);
    }
    return rc;
}
