// SPDX-License-Identifier: MIT
// The settings of the daemon: one struct with typed fields, and one table that knows of each
// setting its name, type, bounds, default, meaning and whether a reload applies it. Loaded by
// config/file.h on the main thread; immutable afterwards, so any thread may read it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/log.h"
#include "common/url.h"

#define CONFIG_DEFAULT_FILE "/etc/gatherd/gatherd.conf"

struct string_list {
    char **v;
    size_t n;
};

enum store_synchronous { STORE_SYNCHRONOUS_FULL, STORE_SYNCHRONOUS_NORMAL };

enum robots_mode { ROBOTS_IGNORE, ROBOTS_OBEY };

struct listen_config {
    char *socket;                     // path of the unix socket; "": none
    struct string_list tcp;           // "127.0.0.1:7070", "[::1]:7070"
    struct string_list allowed_hosts; // names accepted in the Host field; canonical (host_parse)
    int max_connections;
};

struct auth_config {
    char *tokens_file; // "": none
    bool allow_anonymous;
};

struct store_config {
    char *path;
    int64_t retention_ms; // 0: for ever
    uint64_t min_free;    // bytes
    enum store_synchronous synchronous;
};

struct fetch_config {
    int workers; // 0: see config_workers
    int concurrency;
    int host_concurrency;
    int64_t host_delay_ms;
    double host_rate; // requests a second; 0: no limit
    enum robots_mode robots;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms; // 0: the task's timeout alone
    int64_t stall_timeout_ms;      // 0: the task's timeout alone
    uint64_t max_body;
    char *user_agent;                                                // "": see config_user_agent
    struct string_list allow_addresses, deny_addresses, allow_ports; // as address_policy_init reads
    int max_queued;
    uint64_t byte_budget;
    bool allow_insecure_tls;
    char *ca_file; // "": the system's
    struct string_list
        resolver; // "192.0.2.53", "192.0.2.53:53", "[2001:db8::53]:53"; none: the system's
};

struct limits_config {
    uint64_t request_body, json_document, upload_budget;
    int tasks_per_batch;
};

struct log_config {
    enum log_level level;
};

#define HOST_CONFIG_KEYS 4

// A `host "NAME" { ... }` block.
struct host_config {
    char name[HOST_MAX + 1];        // canonical (host_parse)
    int concurrency;                // -1: fetch.host_concurrency
    int64_t delay_ms;               // -1: fetch.host_delay
    double rate;                    // -1: fetch.host_rate
    int robots;                     // enum robots_mode; -1: fetch.robots
    char *origin[HOST_CONFIG_KEYS]; // by the order of the keys in the table; NULL: not set
};

struct config {
    struct listen_config listen;
    struct auth_config auth;
    struct store_config store;
    struct fetch_config fetch;
    struct limits_config limits;
    struct log_config log;
    struct host_config *hosts; // sorted by name
    size_t n_hosts;
    char **
        origin; // of each row of the table: "FILE:LINE", "environment NAME", "--set"; NULL: default
};

// --- the table ---

enum option_type {
    OPTION_STRING,   // char *
    OPTION_STRINGS,  // struct string_list
    OPTION_INT,      // int
    OPTION_REAL,     // double
    OPTION_DURATION, // int64_t, milliseconds
    OPTION_SIZE,     // uint64_t, bytes
    OPTION_BOOL,     // bool
    OPTION_ENUM,     // an enum
};

struct option_choice {
    const char *name; // NULL ends the list
    int value;
};

struct option {
    const char *section, *key;
    enum option_type type;
    bool reloadable;
    size_t offset;                       // in struct config, or in struct host_config
    double min, max;                     // of numbers, in the unit of the field
    const char *text;                    // the default, as option_set_text reads it; NULL: not set
    const struct option_choice *choices; // of an enum
    int (*check)(const char *value,
                 struct err *e); // of a string, or each string of a list; or NULL
    const char *doc;             // one sentence
};

// The rows; ordered by section. `option_table()[i]` for i < option_count().
const struct option *option_table(void);
size_t option_count(void);

// The rows of a host block, HOST_CONFIG_KEYS of them.
const struct option *host_option_table(void);

// The row of "section" and "key" among `n` rows, or NULL.
const struct option *option_find(const struct option *rows, size_t n, const char *section,
                                 const char *key);

// Parses the values (one, but for a list) into the field of `o` in `base`, which is replaced. -1
// with ERR_CONFIG and a text that names the setting and says what is expected; the field is
// unchanged then.
int option_set(const struct option *o, void *base, const struct string_list *values, struct err *e);

// As option_set, from one text; for a list the values stand between commas and "" is the empty
// list.
int option_set_text(const struct option *o, void *base, const char *text, struct err *e);

// True if the field of `o` has the same value in both.
bool option_equal(const struct option *o, const void *a, const void *b);

void option_clear(const struct option *o, void *base); // frees what the field owns

// --- what is derived from settings ---

unsigned config_workers(const struct config *c);       // fetch.workers; 0: the cores, at most 4
const char *config_user_agent(const struct config *c); // fetch.user_agent; "": "gatherd/VERSION"

// "FILE:LINE", "environment GATHERD_...", "--set" or "default" of "section.key"; for messages about
// a value.
const char *config_origin(const struct config *c, const char *section, const char *key);

void string_list_done(struct string_list *l);
int string_list_add(struct string_list *l, const char *s); // copies; -1 without memory
