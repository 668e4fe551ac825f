// SPDX-License-Identifier: MIT
// Builds and shares snapshots of the configuration. The only thing that changes in one is its
// reference count, which is atomic; everything else is read by all workers without a lock.
#include "daemon/fetch/settings.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/buf.h"
#include "common/log.h"

#define MAX_HEADER_BYTES (256 * 1024)
#define MEMORY_BODY      (256 * 1024)
#define MAX_TIMEOUT_MS   3600000
#define MAX_BODY         (INT64_C(1) << 30)
#define MAX_SERVERS_TEXT 4096

struct shared_settings {
    struct fetch_settings settings; // first: callers see this
    atomic_uint refs;
    struct host_rule *rules;
    char *user_agent, *ca_file, *spill_dir, *servers;
};

static void destroy(struct shared_settings *s)
{
    address_policy_done(&s->settings.policy);
    free(s->rules);
    free(s->user_agent);
    free(s->ca_file);
    free(s->spill_dir);
    free(s->servers);
    free(s);
}

// Bodies that do not fit in memory are spilled beside the database: the one place that is sure to
// be writable and on disk.
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return strdup(".");
    }
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static char *join(const struct string_list *l)
{
    struct buf b = BUF_INIT(MAX_SERVERS_TEXT);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0) {
            buf_append_char(&b, ',');
        }
        buf_append_str(&b, l->v[i]);
    }
    char *text = buf_steal(&b, NULL);
    buf_done(&b);
    return text;
}

static int copy_strings(struct shared_settings *s, const struct config *c)
{
    s->user_agent = strdup(config_user_agent(c));
    s->ca_file = strdup(c->fetch.ca_file ? c->fetch.ca_file : "");
    s->spill_dir = folder_of(c->store.path);
    s->servers = join(&c->fetch.resolver);
    return s->user_agent && s->ca_file && s->spill_dir && s->servers ? 0 : -1;
}

static int copy_rules(struct shared_settings *s, const struct config *c)
{
    s->rules = calloc(c->n_hosts ? c->n_hosts : 1, sizeof *s->rules);
    if (!s->rules) {
        return -1;
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct host_config *h = &c->hosts[i];
        struct host_rule *r = &s->rules[i];
        memcpy(r->name, h->name, sizeof r->name);
        r->limits = (struct host_limits){
            .max_concurrency = h->concurrency, .delay_ms = h->delay_ms, .rate_per_s = h->rate};
        r->robots = h->robots;
    }
    s->settings.rules = s->rules;
    s->settings.n_rules = c->n_hosts;
    return 0;
}

static int compile_policy(struct shared_settings *s, const struct fetch_config *f, struct err *e)
{
    struct address_policy_text text = {
        .allow = (const char *const *)f->allow_addresses.v,
        .deny = (const char *const *)f->deny_addresses.v,
        .ports = (const char *const *)f->allow_ports.v,
        .n_allow = f->allow_addresses.n,
        .n_deny = f->deny_addresses.n,
        .n_ports = f->allow_ports.n,
    };
    return address_policy_init(&s->settings.policy, &text, e);
}

// Connections kept for their next request, over all workers, where descriptors allow it. Were they
// as few as are in flight, none would live until its host's turn comes again among many hosts. A
// kept TLS connection takes some 40 KiB.
#define KEPT_CONNECTIONS 2048

// How many connections to origin servers there may be, in flight and kept. The rest of the
// descriptors is for the API, the database, spilled bodies and name servers; without it, kept
// connections could take the last one and nothing would ever move again.
static int64_t connections_possible(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT32_MAX) {
        return INT32_MAX;
    }
    int64_t n = (int64_t)limit.rlim_cur * 3 / 4 - 24;
    return n > 8 ? n : 8;
}

static void fill_connections(struct fetch_settings *t, int64_t concurrency, unsigned n_workers)
{
    int64_t all = connections_possible();
    int64_t kept = all / 2 < KEPT_CONNECTIONS ? all / 2 : KEPT_CONNECTIONS;
    int64_t possible = all - kept;
    if (concurrency > possible) {
        log_warn("fetch.concurrency is lowered: there are too few file descriptors (LimitNOFILE)"
                 " concurrency=%lld possible=%lld",
                 (long long)concurrency, (long long)possible);
    }
    t->concurrency = concurrency < possible ? concurrency : possible;
    t->transfer.max_idle_connections = (unsigned)(kept / n_workers > 2 ? kept / n_workers : 2);
}

static void fill(struct shared_settings *s, const struct fetch_config *f, unsigned n_workers)
{
    struct fetch_settings *t = &s->settings;
    t->host_defaults = (struct host_limits){.max_concurrency = f->host_concurrency,
                                            .delay_ms = f->host_delay_ms,
                                            .rate_per_s = f->host_rate};
    t->robots = f->robots;
    // What was accepted once stays accepted, so only the defaults matter here: bounds are widest.
    t->task_limits = (struct task_limits){.timeout_ms = f->timeout_ms,
                                          .connect_timeout_ms = f->connect_timeout_ms,
                                          .max_body_bytes = (int64_t)f->max_body,
                                          .max_timeout_ms = MAX_TIMEOUT_MS,
                                          .max_max_body_bytes = MAX_BODY,
                                          .allow_insecure_tls = true};
    t->transfer = (struct transfer_settings){.user_agent = s->user_agent,
                                             .ca_file = s->ca_file,
                                             .first_byte_timeout_ms = f->first_byte_timeout_ms,
                                             .stall_timeout_ms = f->stall_timeout_ms,
                                             .max_header_bytes = MAX_HEADER_BYTES,
                                             .memory_body = MEMORY_BODY,
                                             .spill_dir = s->spill_dir};
    t->resolver_servers = s->servers;
    fill_connections(t, f->concurrency, n_workers);
    t->byte_budget = (int64_t)f->byte_budget;
}

int fetch_settings_new(const struct config *c, struct err *e, const struct fetch_settings **ret)
{
    struct shared_settings *s = calloc(1, sizeof *s);
    if (!s) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    atomic_init(&s->refs, 1);
    if (compile_policy(s, &c->fetch, e) < 0) {
        destroy(s);
        return -1;
    }
    if (copy_strings(s, c) < 0 || copy_rules(s, c) < 0) {
        destroy(s);
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    fill(s, &c->fetch, config_workers(c));
    *ret = &s->settings;
    return 0;
}

static struct shared_settings *shared(const struct fetch_settings *s)
{
    return (struct shared_settings *)(uintptr_t)s;
}

const struct fetch_settings *fetch_settings_ref(const struct fetch_settings *s)
{
    atomic_fetch_add_explicit(&shared(s)->refs, 1, memory_order_relaxed);
    return s;
}

void fetch_settings_unref(const struct fetch_settings **s)
{
    if (*s && atomic_fetch_sub(&shared(*s)->refs, 1) == 1) {
        destroy(shared(*s));
    }
    *s = NULL;
}

static int compare_rule(const void *name, const void *rule)
{
    return strcmp(name, ((const struct host_rule *)rule)->name);
}

static const struct host_rule *find_rule(const struct fetch_settings *s, const char *host)
{
    return bsearch(host, s->rules, s->n_rules, sizeof *s->rules, compare_rule);
}

static void override(struct host_limits *l, const struct host_limits *by)
{
    if (by->max_concurrency >= 0) {
        l->max_concurrency = by->max_concurrency;
    }
    if (by->delay_ms >= 0) {
        l->delay_ms = by->delay_ms;
    }
    if (by->rate_per_s >= 0) {
        l->rate_per_s = by->rate_per_s;
    }
    l->paused = by->paused;
}

struct host_limits fetch_settings_limits(const struct fetch_settings *s, const char *host,
                                         const struct host_limits *admin)
{
    struct host_limits l = s->host_defaults;
    const struct host_rule *rule = find_rule(s, host);
    if (rule) {
        override(&l, &rule->limits);
    }
    override(&l, admin);
    return l;
}

bool fetch_settings_obeys_robots(const struct fetch_settings *s, const char *host)
{
    const struct host_rule *rule = find_rule(s, host);
    return (rule && rule->robots >= 0 ? rule->robots : (int)s->robots) == ROBOTS_OBEY;
}
