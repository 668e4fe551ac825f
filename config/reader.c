// SPDX-License-Identifier: MIT
// Reads configuration files with libconfuse. Every value is read as text, so that bounds and units
// are checked in one place (options.c). Main thread only.
#include "config/reader.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/plain_file.h"
#include "config/text.h"

#define FILE_MAX (1024 * 1024)

struct config_reader {
    setting_fn fn;
    void *ctx;
    cfg_t *cfg;
    // of the file that is being read
    const char *path;
    struct err *e;
    bool failed; // `e` is set
};

// libconfuse hands its callbacks no context of ours; set while it parses.
static struct config_reader *active;

static int fail(struct config_reader *r, int line, const char *why)
{
    if (r->failed) {
        return -1;
    }
    r->failed = true;
    return err_set(r->e, ERR_CONFIG, "%s:%d: %s", r->path, line, why);
}

static int fail_memory(struct config_reader *r)
{
    r->failed = true;
    return err_set(r->e, ERR_SYSTEM, "%s: no memory for the configuration", r->path);
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list args)
{
    char text[400];
    if (active) {
        vsnprintf(text, sizeof(text), format, args);
        fail(active, cfg->line, text);
    }
}

// Hands one setting to the caller; `opt` NULL: the end of a host block.
static int emit(struct config_reader *r, cfg_t *section, cfg_opt_t *opt, int line)
{
    char origin[PATH_MAX + 16];
    unsigned n = opt ? cfg_opt_size(opt) : 0;
    char **values = calloc(n + 1, sizeof(char *));
    if (!values) {
        return fail_memory(r);
    }
    for (unsigned i = 0; i < n; i++) {
        values[i] = cfg_opt_getnstr(opt, i);
    }
    if (line > 0) {
        snprintf(origin, sizeof(origin), "%s:%d", r->path, line);
    } else {
        snprintf(origin, sizeof(origin), "%s", r->path);
    }
    struct setting s = {.section = section->name,
                        .host = section->title,
                        .key = opt ? opt->name : NULL,
                        .values = {.v = values, .n = n},
                        .origin = origin};
    int rc = r->fn(r->ctx, &s, r->e);
    free(values);
    if (rc < 0) {
        err_prefix(r->e, "%s", origin);
        r->failed = true;
    }
    return rc;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    if (!active) {
        return 0; // libconfuse parses the default of a list
    }
    return emit(active, cfg, opt, cfg->line);
}

static int on_host_end(cfg_t *cfg, cfg_opt_t *opt)
{
    // Its last block, or one of the same title that was emitted before.
    return emit(active, cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1), NULL, cfg->line);
}

// The default of a list in the syntax of the file. The texts in the table hold no quotes.
static int list_default(const char *text, struct buf *out)
{
    buf_append_str(out, "{");
    const char *p = text;
    while (*p) {
        size_t n = strcspn(p, ",");
        buf_printf(out, "%s\"%.*s\"", p == text ? "" : ", ", (int)n, p);
        p += n + (p[n] ? 1 : 0);
    }
    return buf_append_str(out, "}");
}

static cfg_opt_t value_option(const struct option *o, char *list_text)
{
    cfg_opt_t scalar = CFG_STR(o->key, NULL, CFGF_NODEFAULT);
    cfg_opt_t list = CFG_STR_LIST(o->key, list_text, CFGF_NONE);
    cfg_opt_t opt = o->type == OPTION_STRINGS ? list : scalar;
    opt.validcb = on_value;
    return opt;
}

// The options of the `n` rows of one section; they borrow the list defaults from `texts`.
static void fill_section(const struct option *rows, size_t n, struct buf *texts, cfg_opt_t *ret)
{
    const cfg_opt_t end = CFG_END();
    for (size_t i = 0; i < n; i++) {
        if (rows[i].type == OPTION_STRINGS) {
            list_default(rows[i].text, &texts[i]);
        }
        ret[i] = value_option(&rows[i], texts[i].data);
    }
    ret[n] = end;
}

static size_t section_length(const struct option *rows, size_t n)
{
    size_t len = 1;
    while (len < n && strcmp(rows[len].section, rows[0].section) == 0) {
        len++;
    }
    return len;
}

#define SECTIONS_MAX 16

// What libconfuse needs to begin with; it copies all of it.
struct schema {
    cfg_opt_t root[SECTIONS_MAX + 2];
    cfg_opt_t *options; // of all sections, each ended by CFG_END
    struct buf *texts;  // of all rows
};

static void fill_schema(struct schema *s)
{
    const struct option *rows = option_table();
    size_t n = option_count();
    cfg_opt_t *options = s->options;
    size_t n_sections = 0;
    for (size_t i = 0; i < n;) {
        size_t len = section_length(rows + i, n - i);
        fill_section(rows + i, len, s->texts + i, options);
        const cfg_opt_t section = CFG_SEC(rows[i].section, options, CFGF_NONE);
        s->root[n_sections++] = section;
        options += len + 1;
        i += len;
    }
    fill_section(host_option_table(), HOST_CONFIG_KEYS, s->texts + n, options);
    const cfg_opt_t tail[] = {CFG_SEC("host", options, CFGF_MULTI | CFGF_TITLE), CFG_END()};
    memcpy(s->root + n_sections, tail, sizeof(tail));
    s->root[n_sections].validcb = on_host_end;
}

static cfg_t *make_parser(void)
{
    size_t n = option_count() + HOST_CONFIG_KEYS;
    struct schema s = {.options = calloc(n + SECTIONS_MAX + 1, sizeof(cfg_opt_t)),
                       .texts = calloc(n, sizeof(struct buf))};
    cfg_t *cfg = NULL;
    if (s.options && s.texts) {
        for (size_t i = 0; i < n; i++) {
            buf_init(&s.texts[i], 4096);
        }
        fill_schema(&s);
        bool whole = true;
        for (size_t i = 0; i < n; i++) {
            whole = whole && !s.texts[i].failed;
        }
        cfg = whole ? cfg_init(s.root, CFGF_NONE) : NULL;
        for (size_t i = 0; i < n; i++) {
            buf_done(&s.texts[i]);
        }
    }
    free(s.options);
    free(s.texts);
    return cfg;
}

int config_reader_new(setting_fn fn, void *ctx, struct err *e, struct config_reader **ret)
{
    struct config_reader *r = calloc(1, sizeof(*r));
    if (r) {
        r->cfg = make_parser();
    }
    if (!r || !r->cfg) {
        free(r);
        return err_set(e, ERR_SYSTEM, "no memory for the configuration");
    }
    cfg_set_error_function(r->cfg, on_error);
    r->fn = fn;
    r->ctx = ctx;
    *ret = r;
    return 0;
}

void config_reader_free(struct config_reader **r)
{
    if (*r) {
        cfg_free((*r)->cfg);
        free(*r);
        *r = NULL;
    }
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
    FILE *file = NULL;
    if (plain_file_open(path, e, &file) < 0) {
        return err_prefix(e, "cannot read %s", path);
    }
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && buf_append(out, chunk, n) == 0) {}
    int rc = 0;
    if (ferror(file)) {
        err_set_errno(e, errno, "cannot read %s", path);
        e->code = ERR_CONFIG;
        rc = -1;
    } else if (out->failed && out->len + n <= out->max) {
        rc = err_set(e, ERR_SYSTEM, "%s: no memory for the configuration", path);
    } else if (out->failed) {
        rc = err_set(e, ERR_CONFIG, "%s: the file is larger than 1 MiB", path);
    } else if (out->len > 0 && memchr(out->data, '\0', out->len)) {
        rc = err_set(e, ERR_CONFIG, "%s: the file contains a NUL byte", path);
    }
    fclose(file);
    return rc;
}

static void forget_modifications(cfg_t *cfg)
{
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count(); i++) {
        cfg_getopt(cfg_getsec(cfg, rows[i].section), rows[i].key)->flags &= ~CFGF_MODIFIED;
    }
}

// The assignment of an empty list calls no callback; it shows only afterwards, without its line.
static void emit_empty_lists(struct config_reader *r)
{
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count() && !r->failed; i++) {
        cfg_t *section = cfg_getsec(r->cfg, rows[i].section);
        cfg_opt_t *opt = cfg_getopt(section, rows[i].key);
        if ((opt->flags & CFGF_LIST) && (opt->flags & CFGF_MODIFIED) && cfg_opt_size(opt) == 0) {
            emit(r, section, opt, 0);
        }
    }
}

static int parse(struct config_reader *r, const struct buf *text)
{
    FILE *file = fmemopen(text->data, text->len, "r");
    if (!file) {
        return fail_memory(r);
    }
    forget_modifications(r->cfg);
    active = r;
    int rc = cfg_parse_fp(r->cfg, file);
    if (rc == CFG_SUCCESS && !r->failed) {
        emit_empty_lists(r);
    } else {
        fail(r, r->cfg->line, "the syntax is wrong"); // unless it was said better
    }
    active = NULL;
    fclose(file);
    return r->failed ? -1 : 0;
}

int config_reader_file(struct config_reader *r, const char *path, struct err *e)
{
    struct err unused;
    struct buf text = BUF_INIT(FILE_MAX);
    int line = 0;
    r->path = path;
    r->e = e ? e : &unused;
    r->failed = false;
    int rc = read_file(path, &text, r->e);
    if (rc == 0 && text.len > 0) {
        rc = config_text_prepare(&text, r->e, &line);
        rc = rc < 0 ? err_prefix(r->e, "%s:%d", path, line) : parse(r, &text);
    }
    buf_done(&text);
    return rc;
}
