// SPDX-License-Identifier: MIT
// Loads a configuration from its sources in order, and checks what no single value can show. Main
// thread only.
#include "config/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/reader.h"

#define ENVIRONMENT_PREFIX "GATHERD_"
#define NAME_MAX_BYTES     64

static int no_memory(struct err *e)
{
    return err_set(e, ERR_SYSTEM, "no memory for the configuration");
}

static int replace_origin(char **origin, const char *text, struct err *e)
{
    char *copy = strdup(text);
    if (!copy) {
        return no_memory(e);
    }
    free(*origin);
    *origin = copy;
    return 0;
}

// --- defaults ---

static int config_new(struct err *e, struct config **ret)
{
    struct config *c = calloc(1, sizeof(*c));
    if (c) {
        c->origin = calloc(option_count(), sizeof(char *));
    }
    if (!c || !c->origin) {
        free(c);
        return no_memory(e);
    }
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count(); i++) {
        if (option_set_text(&rows[i], c, rows[i].text, e) < 0) {
            config_free(&c);
            return -1;
        }
    }
    *ret = c;
    return 0;
}

void config_free(struct config **c)
{
    if (!*c) {
        return;
    }
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count(); i++) {
        option_clear(&rows[i], *c);
        free((*c)->origin[i]);
    }
    for (size_t i = 0; i < (*c)->n_hosts; i++) {
        for (size_t k = 0; k < HOST_CONFIG_KEYS; k++) {
            free((*c)->hosts[i].origin[k]);
        }
    }
    free((*c)->origin);
    free((*c)->hosts);
    free(*c);
    *c = NULL;
}

// --- files ---

// The block of the host that is written as `title`; made if there is none yet.
static struct host_config *host_block(struct config *c, const char *title, struct err *e)
{
    char name[HOST_MAX + 1];
    if (host_parse(title, strlen(title), name) != URL_OK) {
        err_set(e, ERR_CONFIG, "\"%.100s\" is no host name", title);
        return NULL;
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, name) == 0) {
            return &c->hosts[i];
        }
    }
    struct host_config *hosts = reallocarray(c->hosts, c->n_hosts + 1, sizeof(*hosts));
    if (!hosts) {
        no_memory(e);
        return NULL;
    }
    c->hosts = hosts;
    struct host_config *h = &hosts[c->n_hosts++];
    *h = (struct host_config){.concurrency = -1, .delay_ms = -1, .rate = -1, .robots = -1};
    memcpy(h->name, name, sizeof(name));
    return h;
}

static int apply_host_setting(struct config *c, const struct setting *s, struct err *e)
{
    struct host_config *h = host_block(c, s->host, e);
    if (!h) {
        return -1;
    }
    if (!s->key) {
        return 0;
    }
    const struct option *rows = host_option_table();
    const struct option *o = option_find(rows, HOST_CONFIG_KEYS, "host", s->key);
    if (!o) {
        return err_set(e, ERR_CONFIG, "there is no setting host.%s", s->key);
    }
    if (option_set(o, h, &s->values, e) < 0) {
        return -1;
    }
    return replace_origin(&h->origin[o - rows], s->origin, e);
}

// The reader's callback.
static int apply_setting(void *ctx, const struct setting *s, struct err *e)
{
    struct config *c = ctx;
    if (s->host) {
        return apply_host_setting(c, s, e);
    }
    const struct option *rows = option_table();
    const struct option *o = option_find(rows, option_count(), s->section, s->key);
    if (!o) {
        return err_set(e, ERR_CONFIG, "%s must stand in its section", s->key);
    }
    if (option_set(o, c, &s->values, e) < 0) {
        return -1;
    }
    return replace_origin(&c->origin[o - rows], s->origin, e);
}

static int is_fragment(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_fragment(struct config_reader *r, const char *folder, const char *name,
                         struct err *e)
{
    struct buf path = BUF_INIT(8192);
    int rc = buf_printf(&path, "%s/%s", folder, name);
    rc = rc < 0 ? no_memory(e) : config_reader_file(r, path.data, e);
    buf_done(&path);
    return rc;
}

// Reads FOLDER/*.conf in order of name; a folder that is not there has none.
static int read_folder(struct config_reader *r, const char *folder, struct err *e)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_fragment, by_name);
    if (n < 0 && errno != ENOENT) {
        err_set_errno(e, errno, "cannot read %s", folder);
        if (e) {
            e->code = ERR_CONFIG;
        }
        return -1;
    }
    int rc = 0;
    for (int i = 0; i < n; i++) {
        rc = rc < 0 ? rc : read_fragment(r, folder, entries[i]->d_name, e);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int read_files(struct config_reader *r, const char *file, struct err *e)
{
    const char *path = file ? file : CONFIG_DEFAULT_FILE;
    bool missing = !file && access(path, F_OK) < 0 && errno == ENOENT;
    if (!missing && config_reader_file(r, path, e) < 0) {
        return -1;
    }
    const char *slash = strrchr(path, '/');
    struct buf folder = BUF_INIT(8192);
    int rc = buf_printf(&folder, "%.*sconf.d", slash ? (int)(slash - path + 1) : 0, path);
    rc = rc < 0 ? no_memory(e) : read_folder(r, folder.data, e);
    buf_done(&folder);
    return rc;
}

static int load_files(struct config *c, const char *file, struct err *e)
{
    struct config_reader *r = NULL;
    if (config_reader_new(apply_setting, c, e, &r) < 0) {
        return -1;
    }
    int rc = read_files(r, file, e);
    config_reader_free(&r);
    return rc;
}

// --- environment and --set ---

static int apply_text(struct config *c, const struct option *o, const char *value,
                      const char *origin, struct err *e)
{
    if (option_set_text(o, c, value, e) < 0) {
        return err_prefix(e, "%s", origin);
    }
    return replace_origin(&c->origin[o - option_table()], origin, e);
}

// GATHERD_FETCH__HOST_DELAY=1s. Variables without the double underscore are none of ours.
static int apply_variable(struct config *c, const char *variable, struct err *e)
{
    const size_t prefix = strlen(ENVIRONMENT_PREFIX);
    const char *equals = strchr(variable, '=');
    if (!equals || strncmp(variable, ENVIRONMENT_PREFIX, prefix) != 0) {
        return 0;
    }
    char name[NAME_MAX_BYTES] = "";
    size_t n = (size_t)(equals - variable) - prefix;
    if (!memmem(variable, (size_t)(equals - variable), "__", 2)) {
        return 0;
    }
    for (size_t i = 0; i < n && n < sizeof(name); i++) {
        name[i] = (char)tolower((unsigned char)variable[prefix + i]);
    }
    char *key = strstr(name, "__");
    const struct option *o = NULL;
    if (key) {
        *key = '\0';
        o = option_find(option_table(), option_count(), name, key + 2);
    }
    char origin[32 + NAME_MAX_BYTES];
    snprintf(origin, sizeof(origin), "environment %.*s", (int)(equals - variable), variable);
    return o ? apply_text(c, o, equals + 1, origin, e)
             : err_set(e, ERR_CONFIG, "%s: there is no such setting", origin);
}

static int apply_assignment(struct config *c, const char *text, struct err *e)
{
    char section[NAME_MAX_BYTES] = "";
    char key[NAME_MAX_BYTES] = "";
    const char *equals = strchr(text, '=');
    const char *dot = strchr(text, '.');
    if (!equals || !dot || dot > equals) {
        return err_set(e, ERR_CONFIG, "--set %.100s: must be section.key=value", text);
    }
    snprintf(section, sizeof(section), "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof(key), "%.*s", (int)(equals - dot - 1), dot + 1);
    const struct option *o = option_find(option_table(), option_count(), section, key);
    if (!o) {
        return err_set(e, ERR_CONFIG, "--set %.100s: there is no such setting", text);
    }
    return apply_text(c, o, equals + 1, "--set", e);
}

// --- the whole ---

static int canonicalise_hosts(struct string_list *names, struct err *e)
{
    for (size_t i = 0; i < names->n; i++) {
        char canonical[HOST_MAX + 1] = "";
        host_parse(names->v[i], strlen(names->v[i]), canonical); // checked when it was set
        char *copy = strdup(canonical);
        if (!copy) {
            return no_memory(e);
        }
        free(names->v[i]);
        names->v[i] = copy;
    }
    return 0;
}

// What one value alone does not show.
static int check_together(const struct config *c, struct err *e)
{
    if (c->fetch.byte_budget < c->fetch.max_body) {
        return err_set(
            e, ERR_CONFIG, "%s: fetch.byte_budget must not be less than fetch.max_body (%s)",
            config_origin(c, "fetch", "byte_budget"), config_origin(c, "fetch", "max_body"));
    }
    if (c->limits.upload_budget < c->limits.request_body) {
        return err_set(e, ERR_CONFIG,
                       "%s: limits.upload_budget must not be less than limits.request_body (%s)",
                       config_origin(c, "limits", "upload_budget"),
                       config_origin(c, "limits", "request_body"));
    }
    return 0;
}

static int hosts_by_name(const void *a, const void *b)
{
    return strcmp(((const struct host_config *)a)->name, ((const struct host_config *)b)->name);
}

static int load_into(struct config *c, const struct config_sources *src, struct err *e)
{
    if (load_files(c, src->file, e) < 0) {
        return -1;
    }
    for (char *const *variable = src->environment; variable && *variable; variable++) {
        if (apply_variable(c, *variable, e) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < src->n_set; i++) {
        if (apply_assignment(c, src->set[i], e) < 0) {
            return -1;
        }
    }
    if (c->n_hosts > 1) {
        qsort(c->hosts, c->n_hosts, sizeof(c->hosts[0]), hosts_by_name);
    }
    if (canonicalise_hosts(&c->listen.allowed_hosts, e) < 0) {
        return -1;
    }
    return check_together(c, e);
}

int config_load(const struct config_sources *src, struct err *e, struct config **ret)
{
    struct config *c = NULL;
    if (config_new(e, &c) < 0) {
        return -1;
    }
    if (load_into(c, src, e) < 0) {
        config_free(&c);
        return -1;
    }
    *ret = c;
    return 0;
}

size_t config_changed(const struct config *old, const struct config *new, struct buf *names)
{
    size_t n = 0;
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count(); i++) {
        if (rows[i].reloadable || option_equal(&rows[i], old, new)) {
            continue;
        }
        if (names) {
            buf_printf(names, "%s%s.%s", n > 0 ? ", " : "", rows[i].section, rows[i].key);
        }
        n++;
    }
    return n;
}
