// SPDX-License-Identifier: MIT
// The checks of `doctor` that this machine can answer. Must send nothing.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/doctor.h"

// One connection, standard streams, an input and an output file, libcurl's own: few are enough.
#define DESCRIPTORS_LEAST 32

#define REMEDY_SOCKET                                                                              \
    "is the daemon running (systemctl status gatherd)? Its configuration names the socket "        \
    "(listen.socket; gatherd --print-config shows it)"

void doctor_check_server(struct doctor *d)
{
    const struct address *a = conn_address(d->app->conn);
    doctor_ok(d, "server", "%s (%s)", a->shown, a->why);
}

void doctor_check_token_file(struct doctor *d, const char *option)
{
    const char *file, *source = token_source(option, &file);
    struct stat st;
    if (!source) {
        doctor_ok(d, "token", "none given");
    } else if (!file) {
        doctor_ok(d, "token", "from %s", source);
    } else if (stat(file, &st) == 0 && (st.st_mode & 077) != 0) {
        doctor_warn(d, "token",
                    "keep it to its owner: chmod 600 on the file, and a new token if others may "
                    "have read it",
                    "from %s, named by %s, has mode %04o: others can read or change it", file,
                    source, (unsigned)st.st_mode & 07777);
    } else {
        doctor_ok(d, "token", "from %s, named by %s", file, source);
    }
}

void doctor_check_descriptors(struct doctor *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    unsigned long long n = limit.rlim_cur;
    if (n < DESCRIPTORS_LEAST) {
        doctor_warn(d, "descriptors", "raise the limit of open files of this shell: ulimit -n 1024",
                    "this shell allows %llu open files", n);
    } else {
        doctor_ok(d, "descriptors", "this shell allows %llu open files", n);
    }
}

// "mode 0660, owner _gatherd, group _gatherd".
static void describe(const struct stat *st, char *ret, size_t size)
{
    const struct passwd *owner = getpwuid(st->st_uid);
    const struct group *group = getgrgid(st->st_gid);
    char uid[16], gid[16];
    snprintf(uid, sizeof uid, "%u", (unsigned)st->st_uid);
    snprintf(gid, sizeof gid, "%u", (unsigned)st->st_gid);
    snprintf(ret, size, "mode %04o, owner %s, group %s", (unsigned)st->st_mode & 07777,
             owner ? owner->pw_name : uid, group ? group->gr_name : gid);
}

void doctor_check_socket(struct doctor *d)
{
    const char *path = conn_address(d->app->conn)->socket;
    struct stat st;
    char about[160];
    if (!*path) {
        return; // TCP
    }
    if (stat(path, &st) != 0) {
        const char *remedy = errno == EACCES ? "you may not look into its folder; be a member of "
                                               "the group that owns it"
                                             : REMEDY_SOCKET;
        doctor_fail(d, "socket", remedy, "%s: %s", path, strerror(errno));
        return;
    }
    describe(&st, about, sizeof about);
    if (!S_ISSOCK(st.st_mode)) {
        doctor_fail(d, "socket", REMEDY_SOCKET, "%s is no socket (%s)", path, about);
    } else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0) {
        doctor_fail(d, "socket",
                    "join the socket's group (as root: usermod -aG GROUP USER) and log in again",
                    "you may not open %s (%s)", path, about);
    } else if (st.st_mode & 0002) {
        doctor_warn(d, "socket",
                    "whoever opens it needs no token and may do everything: mode 0660 and a group "
                    "of those who may",
                    "every local user may open %s (%s)", path, about);
    } else {
        doctor_ok(d, "socket", "%s, which you may open", about);
    }
}
