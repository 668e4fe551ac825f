// SPDX-License-Identifier: MIT
// The table of settings. Data alone: whoever adds a setting adds a field in options.h, a row here
// and a paragraph in gatherd.conf (a test holds the three together).
#include <string.h>

#include "config/checks.h"
#include "config/options.h"

#define KIB    1024.0
#define MIB    (1024.0 * KIB)
#define GIB    (1024.0 * MIB)
#define SECOND 1000.0
#define HOUR   (3600.0 * SECOND)
#define DAY    (24.0 * HOUR)

#define AT(section, field) offsetof(struct config, section.field)
#define RELOADABLE         true
#define FIXED              false

static const struct option_choice synchronous_choices[] = {
    {"full", STORE_SYNCHRONOUS_FULL}, {"normal", STORE_SYNCHRONOUS_NORMAL}, {NULL, 0}};
static const struct option_choice robots_choices[] = {
    {"ignore", ROBOTS_IGNORE}, {"obey", ROBOTS_OBEY}, {NULL, 0}};
static const struct option_choice level_choices[] = {{"error", LOG_LEVEL_ERROR},
                                                     {"warn", LOG_LEVEL_WARN},
                                                     {"info", LOG_LEVEL_INFO},
                                                     {"debug", LOG_LEVEL_DEBUG},
                                                     {NULL, 0}};

static const struct option rows[] = {
    {"listen", "socket", OPTION_STRING, FIXED, AT(listen, socket), 0, 0,
     "/run/gatherd/gatherd.sock", NULL, NULL,
     "Path of the unix socket, made with mode 0660; empty for none."},
    {"listen", "tcp", OPTION_STRINGS, FIXED, AT(listen, tcp), 0, 0, "", NULL, check_listen_address,
     "Addresses and ports to listen on; needs tokens, or loopback and auth.allow_anonymous."},
    {"listen", "allowed_hosts", OPTION_STRINGS, RELOADABLE, AT(listen, allowed_hosts), 0, 0,
     "localhost", NULL, check_host,
     "Names that the Host field of a request may carry besides addresses."},
    {"listen", "max_connections", OPTION_INT, FIXED, AT(listen, max_connections), 1, 1000000,
     "1024", NULL, NULL, "Most API connections at once; one more is answered 503."},

    {"auth", "tokens_file", OPTION_STRING, RELOADABLE, AT(auth, tokens_file), 0, 0, "", NULL, NULL,
     "File of the bearer tokens, hashed (gather token create); empty for none."},
    {"auth", "allow_anonymous", OPTION_BOOL, FIXED, AT(auth, allow_anonymous), 0, 0, "false", NULL,
     NULL, "Whether TCP on loopback may be used by every local user without a token."},

    {"store", "path", OPTION_STRING, FIXED, AT(store, path), 0, 0, "/var/lib/gatherd/gatherd.db",
     NULL, check_not_empty, "The SQLite database file."},
    {"store", "retention", OPTION_DURATION, RELOADABLE, AT(store, retention_ms), 0, 36500 * DAY,
     "30d", NULL, NULL, "Age after which finished batches are deleted; 0 keeps them for ever."},
    {"store", "min_free", OPTION_SIZE, RELOADABLE, AT(store, min_free), 0, 1024 * GIB, "256M", NULL,
     NULL, "Free disk space below which new batches are refused with 507."},
    {"store", "synchronous", OPTION_ENUM, FIXED, AT(store, synchronous), 0, 0, "full",
     synchronous_choices, NULL,
     "full: what was accepted survives a power loss; normal: it survives a crash of the daemon."},

    {"fetch", "workers", OPTION_INT, FIXED, AT(fetch, workers), 0, 64, "0", NULL, NULL,
     "Threads that fetch; 0 for the number of cores, at most 4."},
    {"fetch", "concurrency", OPTION_INT, RELOADABLE, AT(fetch, concurrency), 1, 100000, "256", NULL,
     NULL, "Most requests in flight at once, over all hosts."},
    {"fetch", "host_concurrency", OPTION_INT, RELOADABLE, AT(fetch, host_concurrency), 1, 10000,
     "8", NULL, NULL, "Most requests in flight at once for one host."},
    {"fetch", "host_delay", OPTION_DURATION, RELOADABLE, AT(fetch, host_delay_ms), 0, DAY, "0s",
     NULL, NULL, "Least time between the starts of two requests to one host."},
    {"fetch", "host_rate", OPTION_REAL, RELOADABLE, AT(fetch, host_rate), 0, 1e6, "0", NULL, NULL,
     "Most requests a second to one host, with or without fraction; 0 for no limit."},
    {"fetch", "robots", OPTION_ENUM, RELOADABLE, AT(fetch, robots), 0, 0, "ignore", robots_choices,
     NULL, "obey: what a host's robots.txt forbids is not fetched; ignore: it is not asked for."},
    {"fetch", "timeout", OPTION_DURATION, RELOADABLE, AT(fetch, timeout_ms), 1, HOUR, "30s", NULL,
     NULL, "Most time for one attempt, where a task sets none."},
    {"fetch", "connect_timeout", OPTION_DURATION, RELOADABLE, AT(fetch, connect_timeout_ms), 1,
     HOUR, "10s", NULL, NULL, "Most time to connect, TLS included, where a task sets none."},
    {"fetch", "first_byte_timeout", OPTION_DURATION, RELOADABLE, AT(fetch, first_byte_timeout_ms),
     0, HOUR, "0", NULL, NULL,
     "Most time from the request to the first byte of the answer; 0 for the attempt's time-out."},
    {"fetch", "stall_timeout", OPTION_DURATION, RELOADABLE, AT(fetch, stall_timeout_ms), 0, HOUR,
     "10s", NULL, NULL,
     "Most time without a byte in the middle of an answer; 0 for the attempt's time-out."},
    {"fetch", "max_body", OPTION_SIZE, RELOADABLE, AT(fetch, max_body), 1, GIB, "10M", NULL, NULL,
     "Largest body, decompressed, where a task sets none."},
    {"fetch", "user_agent", OPTION_STRING, RELOADABLE, AT(fetch, user_agent), 0, 0, "", NULL,
     check_header_text, "The User-Agent field of requests; empty for gatherd/VERSION."},
    {"fetch", "allow_addresses", OPTION_STRINGS, RELOADABLE, AT(fetch, allow_addresses), 0, 0, "",
     NULL, check_address_range,
     "Addresses that may be fetched though they are private or special."},
    {"fetch", "deny_addresses", OPTION_STRINGS, RELOADABLE, AT(fetch, deny_addresses), 0, 0, "",
     NULL, check_address_range, "Addresses that may not be fetched; wins over allow_addresses."},
    {"fetch", "allow_ports", OPTION_STRINGS, RELOADABLE, AT(fetch, allow_ports), 0, 0, "", NULL,
     check_port_range,
     "Ports that may be fetched besides 80, 443 and those from 1024 that belong to no service."},
    {"fetch", "max_queued", OPTION_INT, RELOADABLE, AT(fetch, max_queued), 1, 1e9, "10000000", NULL,
     NULL, "Most unfinished tasks; a batch that would exceed it is refused with 429."},
    {"fetch", "byte_budget", OPTION_SIZE, RELOADABLE, AT(fetch, byte_budget), MIB, 1024 * GIB,
     "512M", NULL, NULL, "Bytes of bodies in flight beyond which nothing new is started."},
    {"fetch", "allow_insecure_tls", OPTION_BOOL, RELOADABLE, AT(fetch, allow_insecure_tls), 0, 0,
     "true", NULL, NULL, "Whether a task may set verify_tls to false."},
    {"fetch", "ca_file", OPTION_STRING, FIXED, AT(fetch, ca_file), 0, 0, "", NULL, NULL,
     "File of the certificate authorities (PEM) that are trusted; empty for the system's."},
    {"fetch", "resolver", OPTION_STRINGS, FIXED, AT(fetch, resolver), 0, 0, "", NULL,
     check_name_server, "Name servers to ask; none for those of /etc/resolv.conf."},

    {"limits", "request_body", OPTION_SIZE, RELOADABLE, AT(limits, request_body), KIB, 64 * GIB,
     "64M", NULL, NULL, "Largest body of an API request."},
    {"limits", "json_document", OPTION_SIZE, RELOADABLE, AT(limits, json_document), KIB, 256 * MIB,
     "4M", NULL, NULL, "Largest batch as one JSON document; larger ones come as NDJSON or text."},
    {"limits", "tasks_per_batch", OPTION_INT, RELOADABLE, AT(limits, tasks_per_batch), 1, 16777215,
     "1000000", NULL, NULL, "Most tasks in one batch."}, // numbered in 24 bits
    {"limits", "upload_budget", OPTION_SIZE, RELOADABLE, AT(limits, upload_budget), KIB, 1024 * GIB,
     "256M", NULL, NULL, "Bytes of uploads under way at once; beyond it 503 with Retry-After."},

    {"log", "level", OPTION_ENUM, RELOADABLE, AT(log, level), 0, 0, "info", level_choices, NULL,
     "The least important lines that are logged: error, warn, info or debug."},
};

static const struct option host_rows[HOST_CONFIG_KEYS] = {
    {"host", "concurrency", OPTION_INT, RELOADABLE, offsetof(struct host_config, concurrency), 1,
     10000, NULL, NULL, NULL, "Most requests in flight at once for this host."},
    {"host", "delay", OPTION_DURATION, RELOADABLE, offsetof(struct host_config, delay_ms), 0, DAY,
     NULL, NULL, NULL, "Least time between the starts of two requests to this host."},
    {"host", "rate", OPTION_REAL, RELOADABLE, offsetof(struct host_config, rate), 0, 1e6, NULL,
     NULL, NULL, "Most requests a second to this host; 0 for no limit."},
    {"host", "robots", OPTION_ENUM, RELOADABLE, offsetof(struct host_config, robots), 0, 0, NULL,
     robots_choices, NULL, "Whether this host's robots.txt is obeyed: obey or ignore."},
};

const struct option *option_table(void)
{
    return rows;
}

size_t option_count(void)
{
    return sizeof(rows) / sizeof(rows[0]);
}

const struct option *host_option_table(void)
{
    return host_rows;
}

const struct option *option_find(const struct option *table, size_t n, const char *section,
                                 const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].section, section) == 0 && strcmp(table[i].key, key) == 0) {
            return &table[i];
        }
    }
    return NULL;
}
