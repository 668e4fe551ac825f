// SPDX-License-Identifier: MIT
// The checks of `doctor` that the daemon answers. Only asks: the calls that probe what the token
// allows name a batch that cannot exist.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/doctor.h"
#include "client/field.h"
#include "client/format.h"
#include "common/clock.h"

// Ids are UUIDs of version 7, so nothing ever has this one.
#define NO_BATCH "/v1/batches/00000000-0000-0000-0000-000000000000"

#define SKEW_MAX_MS   5000 // the Date field has whole seconds, and an answer takes its time
#define LOOKUPS_LEAST 20   // below, a share of failures says nothing
#define LOW_SPACE     (UINT64_C(1) << 30)
#define BACKLOG       1000 // messages for the store, which takes hundreds at once

#define REMEDY_REACH                                                                               \
    "systemctl status gatherd and journalctl -u gatherd say more; --server or "                    \
    "GATHER_SERVER name another place"
#define REMEDY_TOKEN                                                                               \
    "name a file with a token of this daemon: --token-file or GATHER_TOKEN_FILE "                  \
    "(gather token create makes one)"

// 0 with the reply of any status (the caller's to end), or -1.
static int ask(struct doctor *d, const char *method, const char *path, struct reply *reply,
               struct err *e)
{
    struct request r = {.method = method, .path = path, .accept = "*/*", .raw = true};
    int rc = conn_send(d->app->conn, &r, reply, e);
    if (rc != 0) {
        reply_done(reply);
    }
    return rc;
}

// ---- reach and access

static int check_reach(struct doctor *d, int64_t *ret_server_at, struct err *e)
{
    struct reply reply;
    if (ask(d, "GET", "/v1/stats", &reply, e) != 0) {
        int fault = (int)strcspn(e->text, ";"); // what follows are hints, which the remedy has
        doctor_fail(d, "daemon", REMEDY_REACH, "%.*s", fault, e->text);
        return -1;
    }
    doctor_ok(d, "daemon", "answers in %.1f ms", (double)reply.elapsed_us / 1000.0);
    *ret_server_at = reply.server_at;
    reply_done(&reply);
    return 0;
}

// True if the sender's scope lets it make the call, which then finds nothing to act on.
static bool may(struct doctor *d, const char *method, const char *path)
{
    struct reply reply;
    struct err ignored;
    if (ask(d, method, path, &reply, &ignored) != 0) {
        return false;
    }
    bool allowed = reply.status == 404;
    reply_done(&reply);
    return allowed;
}

// The statistics as a document, which needs the least scope there is; then what more is allowed.
static int check_access(struct doctor *d, json_t **ret_stats, struct err *e)
{
    *ret_stats = app_call(d->app, "GET", e, "/v1/stats");
    if (!*ret_stats) {
        bool refused = e->code == ERR_UNAUTHORIZED || e->code == ERR_FORBIDDEN;
        doctor_fail(d, refused ? "access" : "daemon", refused ? REMEDY_TOKEN : REMEDY_REACH, "%s",
                    e->text);
        return -1;
    }
    bool submit = may(d, "POST", NO_BATCH "/cancel"), admin = may(d, "DELETE", NO_BATCH);
    const char *scope = admin    ? "admin: everything"
                        : submit ? "submit: look, submit, cancel, retry"
                                 : "read: look";
    doctor_ok(d, "access", "%s", scope);
    return 0;
}

// ---- versions and clocks

static void check_version(struct doctor *d, const json_t *stats)
{
    const char *theirs = field_str(stats, "version");
    if (strcmp(theirs, GATHERD_VERSION) == 0) {
        doctor_ok(d, "version", "%s, as this client", theirs);
    } else {
        doctor_warn(d, "version", "install the same version of both",
                    "the daemon is %s, this client %s", *theirs ? theirs : "unknown",
                    GATHERD_VERSION);
    }
}

static void check_clock(struct doctor *d, int64_t server_at, int64_t asked_at)
{
    char text[FORMAT_SIZE];
    if (server_at < 0) {
        doctor_warn(d, "clock", "something between here and the daemon removes the Date field",
                    "the daemon does not tell its time");
        return;
    }
    int64_t skew = server_at + 500 - asked_at; // whole seconds, cut: half a second on average
    format_duration(llabs(skew), text);
    if (llabs(skew) <= SKEW_MAX_MS) {
        doctor_ok(d, "clock", "the daemon's agrees with this machine's");
    } else {
        doctor_warn(d, "clock",
                    "set both clocks by NTP (timedatectl): not_before and times shown are "
                    "the daemon's",
                    "the daemon's is %s %s this machine's", text, skew > 0 ? "ahead of" : "behind");
    }
}

// ---- its state

static void tell_failed_checks(struct doctor *d, const json_t *checks)
{
    size_t i;
    const json_t *check;
    json_array_foreach(checks, i, check)
    {
        if (!field_true(check, "ok")) {
            doctor_fail(d, "ready", "journalctl -u gatherd says why", "%s: %s",
                        field_str(check, "name"), field_str(check, "detail"));
        }
    }
}

static void check_ready(struct doctor *d)
{
    struct reply reply;
    struct err e;
    if (ask(d, "GET", "/readyz?verbose", &reply, &e) != 0) {
        doctor_fail(d, "ready", REMEDY_REACH, "%s", e.text);
        return;
    }
    json_t *document = reply_json(&reply, &e);
    unsigned before = d->failed;
    const json_t *checks = json_object_get(document, "checks");
    tell_failed_checks(d, checks);
    if (d->failed > before) {
        // told already
    } else if (reply.status == 200) {
        doctor_ok(d, "ready", "all of the daemon's own checks pass (%zu)", json_array_size(checks));
    } else {
        doctor_fail(d, "ready", "journalctl -u gatherd says why", "the daemon answers %ld",
                    reply.status);
    }
    json_decref(document);
    reply_done(&reply);
}

static void check_disk(struct doctor *d, const json_t *stats)
{
    const json_t *store = json_object_get(stats, "store");
    uint64_t free_bytes = (uint64_t)field_int(store, "free_bytes");
    char free_text[FORMAT_SIZE], used_text[FORMAT_SIZE];
    if (!field_has(store, "free_bytes")) {
        return; // an older daemon
    }
    format_size(free_bytes, free_text);
    format_size((uint64_t)field_int(store, "bytes"), used_text);
    if (field_true(store, "full")) {
        doctor_fail(d, "disk",
                    "make room on the database's file system, or delete batches (gather rm) and "
                    "shorten store.retention",
                    "new batches are refused: %s free, below store.min_free", free_text);
    } else if (free_bytes < LOW_SPACE) {
        doctor_warn(d, "disk", "make room on the database's file system",
                    "%s free, %s used by the database", free_text, used_text);
    } else {
        doctor_ok(d, "disk", "%s free, %s used by the database", free_text, used_text);
    }
}

static void check_database(struct doctor *d, const json_t *stats)
{
    struct reply reply;
    struct err e;
    int64_t waiting = field_int(json_object_get(stats, "store"), "messages_waiting");
    if (ask(d, "GET", "/v1/batches?limit=1", &reply, &e) != 0) {
        doctor_fail(d, "database", REMEDY_REACH, "%s", e.text);
        return;
    }
    if (reply.status != 200) {
        doctor_fail(d, "database",
                    "journalctl -u gatherd says why; gatherd --backup FILE copies and checks it",
                    "a query is answered %ld", reply.status);
    } else if (waiting > BACKLOG) {
        doctor_warn(d, "database",
                    "its disk is slow or busy: see iostat, and "
                    "gatherd_store_commit_seconds_total of /metrics",
                    "%" PRId64 " messages wait to be written", waiting);
    } else {
        doctor_ok(d, "database", "answers a query in %.1f ms", (double)reply.elapsed_us / 1000.0);
    }
    reply_done(&reply);
}

static void check_queue(struct doctor *d, const json_t *stats)
{
    const json_t *tasks = json_object_get(stats, "tasks");
    int64_t blocked = field_int(json_object_get(stats, "hosts"), "blocked");
    char unfinished[FORMAT_SIZE], flying[FORMAT_SIZE];
    format_count(field_int(tasks, "unfinished"), unfinished);
    format_count(field_int(tasks, "in_flight"), flying);
    doctor_ok(d, "queue", "%s unfinished, %s in flight", unfinished, flying);
    if (blocked > 0) {
        doctor_warn(d, "hosts",
                    "nothing, as a rule: they are asked again later; gather hosts shows when",
                    "%" PRId64 " asked to be left alone for a while", blocked);
    }
}

// The value of a metric without labels, or -1.
static double metric(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ') {
            return strtod(line + n, NULL);
        }
    }
    return -1;
}

// Names are looked up by the daemon, not here: only it can tell how that goes.
static void check_dns(struct doctor *d)
{
    struct reply reply;
    struct err ignored;
    if (ask(d, "GET", "/metrics", &reply, &ignored) != 0) {
        return;
    }
    const char *text = reply.body.data ? reply.body.data : "";
    double sent = metric(text, "gatherd_dns_lookups_total");
    double failed = metric(text, "gatherd_dns_failures_total");
    if (reply.status != 200 || sent < 0) {
        reply_done(&reply);
        return;
    }
    if (sent >= LOOKUPS_LEAST && failed > sent / 2) {
        doctor_warn(d, "dns",
                    "on the daemon's machine look at /etc/resolv.conf, or at fetch.resolver in "
                    "gatherd.conf",
                    "%.0f of the daemon's %.0f lookups failed", failed, sent);
    } else if (sent < 1) {
        doctor_ok(d, "dns", "the daemon has looked no name up yet");
    } else {
        doctor_ok(d, "dns", "%.0f of the daemon's %.0f lookups failed", failed, sent);
    }
    reply_done(&reply);
}

int doctor_check_daemon(struct doctor *d, struct err *e)
{
    int64_t server_at = -1, asked_at = clock_wall_at();
    json_t *stats;
    if (check_reach(d, &server_at, e) != 0 || check_access(d, &stats, e) != 0) {
        return -1;
    }
    check_version(d, stats);
    check_clock(d, server_at, asked_at);
    check_ready(d);
    check_disk(d, stats);
    check_database(d, stats);
    check_queue(d, stats);
    check_dns(d);
    json_decref(stats);
    return 0;
}
