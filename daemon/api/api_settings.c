// SPDX-License-Identifier: MIT
// Compiles settings from the configuration. Main thread; nothing here changes a setting after
// api_settings_new.
#include "daemon/api/api_settings.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TIMEOUT_MS INT64_C(3600000)
#define MAX_BODY_BYTES (INT64_C(1) << 30)

static struct address_policy_text policy_text(const struct fetch_config *f)
{
    return (struct address_policy_text){
        .allow = (const char *const *)f->allow_addresses.v,
        .n_allow = f->allow_addresses.n,
        .deny = (const char *const *)f->deny_addresses.v,
        .n_deny = f->deny_addresses.n,
        .ports = (const char *const *)f->allow_ports.v,
        .n_ports = f->allow_ports.n,
    };
}

static int copy_allowed_hosts(struct api_settings *s, const struct string_list *names,
                              struct err *e)
{
    s->allowed_hosts = calloc(names->n + 1, sizeof(*s->allowed_hosts));
    if (!s->allowed_hosts) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    for (size_t i = 0; i < names->n; i++) {
        s->allowed_hosts[i] = strdup(names->v[i]);
        if (!s->allowed_hosts[i]) {
            return err_set(e, ERR_SYSTEM, "out of memory");
        }
        s->n_allowed_hosts++;
    }
    return 0;
}

static int copy_hosts(struct api_settings *s, const struct config *c, struct err *e)
{
    s->hosts = calloc(c->n_hosts + 1, sizeof(*s->hosts));
    if (!s->hosts) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        s->hosts[i] = c->hosts[i];
        memset(s->hosts[i].origin, 0, sizeof(s->hosts[i].origin)); // belongs to the configuration
    }
    s->n_hosts = c->n_hosts;
    return 0;
}

static void copy_numbers(struct api_settings *s, const struct config *c)
{
    s->allow_anonymous = c->auth.allow_anonymous;
    s->request_body = c->limits.request_body;
    s->json_document = c->limits.json_document;
    s->upload_budget = c->limits.upload_budget;
    s->tasks_per_batch = (uint64_t)c->limits.tasks_per_batch;
    s->task_limits = (struct task_limits){
        .timeout_ms = c->fetch.timeout_ms,
        .connect_timeout_ms = c->fetch.connect_timeout_ms,
        .max_body_bytes = (int64_t)c->fetch.max_body,
        .max_timeout_ms = MAX_TIMEOUT_MS,
        .max_max_body_bytes = MAX_BODY_BYTES,
        .allow_insecure_tls = c->fetch.allow_insecure_tls,
    };
    s->host_default = (struct host_limits){
        .max_concurrency = c->fetch.host_concurrency,
        .delay_ms = c->fetch.host_delay_ms,
        .rate_per_s = c->fetch.host_rate,
    };
}

int api_settings_new(const struct config *config, struct err *e, struct api_settings **ret)
{
    struct api_settings *s = calloc(1, sizeof(*s));
    if (!s) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    s->refs = 1;
    copy_numbers(s, config);
    struct address_policy_text text = policy_text(&config->fetch);
    if (copy_allowed_hosts(s, &config->listen.allowed_hosts, e) < 0 ||
        copy_hosts(s, config, e) < 0 ||
        token_set_load(config->auth.tokens_file, e, &s->tokens) < 0 ||
        address_policy_init(&s->policy, &text, e) < 0) {
        api_settings_unref(&s);
        return -1;
    }
    *ret = s;
    return 0;
}

struct api_settings *api_settings_ref(struct api_settings *s)
{
    s->refs++;
    return s;
}

void api_settings_unref(struct api_settings **settings)
{
    struct api_settings *s = *settings;
    *settings = NULL;
    if (!s || --s->refs > 0) {
        return;
    }
    for (size_t i = 0; i < s->n_allowed_hosts; i++) {
        free(s->allowed_hosts[i]);
    }
    free(s->allowed_hosts);
    free(s->hosts);
    token_set_free(&s->tokens);
    address_policy_done(&s->policy);
    free(s);
}

static const struct host_config *find_host(const struct api_settings *s, const char *name)
{
    for (size_t i = 0; i < s->n_hosts; i++) {
        if (strcmp(s->hosts[i].name, name) == 0) {
            return &s->hosts[i];
        }
    }
    return NULL;
}

struct host_limits api_settings_host_limits(const struct api_settings *s, const char *host,
                                            const struct host_limits *set)
{
    struct host_limits l = s->host_default;
    const struct host_config *block = find_host(s, host);
    if (block) {
        l.max_concurrency = block->concurrency >= 0 ? block->concurrency : l.max_concurrency;
        l.delay_ms = block->delay_ms >= 0 ? block->delay_ms : l.delay_ms;
        l.rate_per_s = block->rate >= 0 ? block->rate : l.rate_per_s;
    }
    l.max_concurrency = set->max_concurrency >= 0 ? set->max_concurrency : l.max_concurrency;
    l.delay_ms = set->delay_ms >= 0 ? set->delay_ms : l.delay_ms;
    l.rate_per_s = set->rate_per_s >= 0 ? set->rate_per_s : l.rate_per_s;
    l.paused = set->paused;
    return l;
}

// "127.…" and "[::1]:…"; listeners take addresses only, so that a name cannot deceive here.
static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

int api_settings_check_listener(const struct api_settings *s, const char *address, struct err *e)
{
    if (token_set_size(s->tokens) > 0 || (is_loopback(address) && s->allow_anonymous)) {
        return 0;
    }
    return err_set(
        e, ERR_CONFIG,
        "listen.tcp %s needs tokens: set auth.tokens_file to a file with at least one token%s",
        address, is_loopback(address) ? ", or auth.allow_anonymous = true" : "");
}
