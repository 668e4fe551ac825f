// SPDX-License-Identifier: MIT
// Loading: sources and their order, origins, faults and where they are, printing, the shipped file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"

struct fixture {
    char folder[64];
    char file[96];
};

// The block of a host, or NULL.
static const struct host_config *config_host(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, name) == 0) {
            return &c->hosts[i];
        }
    }
    return NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    snprintf(f->folder, sizeof(f->folder), "/tmp/gatherd-config-XXXXXX");
    if (!mkdtemp(f->folder)) {
        free(f);
        return -1;
    }
    snprintf(f->file, sizeof(f->file), "%s/main.conf", f->folder);
    *state = f;
    return 0;
}

static void remove_all(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char path[400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (unlink(path) < 0) {
            remove_all(path);
        }
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(folder);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove_all(f->folder);
    free(f);
    return 0;
}

static void put(const struct fixture *f, const char *name, const char *text, size_t n)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/conf.d", f->folder);
    if (strncmp(name, "conf.d/", 7) == 0) {
        mkdir(path, 0700);
    }
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static void put_text(const struct fixture *f, const char *name, const char *text)
{
    put(f, name, text, strlen(text));
}

static struct config *load(const struct config_sources *src)
{
    struct config *c = NULL;
    struct err e = {0};
    if (config_load(src, &e, &c) < 0) {
        fail_msg("%s", e.text);
    }
    return c;
}

static struct config *load_file(const struct fixture *f)
{
    return load(&(struct config_sources){.file = f->file});
}

static void reads_every_type(void **state)
{
    const struct fixture *f = *state;
    put_text(f, "main.conf",
             "listen { socket = \"\" tcp = {\"127.0.0.1:7070\", \"[::1]:7070\"}\n"
             "  allowed_hosts = {Example.COM.} max_connections = 5 }\n"
             "# a comment\n"
             "// another\n"
             "/* and\n one */\n"
             "store { retention = \"2h\"  min_free = 4096  synchronous = normal }\n"
             "fetch { host_rate = 0.25  host_delay = 0  timeout = '500ms' allow_ports = 81 }\n"
             "log { level = debug }\n"
             "host \"B.example\" { concurrency = 2  delay = \"500ms\" }\n"
             "host \"a.example\" { rate = 1.5 }\n");
    struct config *c = load_file(f);
    assert_string_equal(c->listen.socket, "");
    assert_int_equal(c->listen.tcp.n, 2);
    assert_string_equal(c->listen.tcp.v[1], "[::1]:7070");
    assert_int_equal(c->listen.allowed_hosts.n, 1);
    assert_string_equal(c->listen.allowed_hosts.v[0], "example.com");
    assert_int_equal(c->listen.max_connections, 5);
    assert_int_equal(c->store.retention_ms, 7200000);
    assert_int_equal(c->store.min_free, 4096);
    assert_int_equal(c->store.synchronous, STORE_SYNCHRONOUS_NORMAL);
    assert_true(c->fetch.host_rate > 0.249 && c->fetch.host_rate < 0.251);
    assert_int_equal(c->fetch.host_delay_ms, 0);
    assert_int_equal(c->fetch.timeout_ms, 500);
    assert_string_equal(c->fetch.allow_ports.v[0], "81");
    assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
    assert_int_equal(c->n_hosts, 2);
    const struct host_config *h = config_host(c, "b.example");
    assert_non_null(h);
    assert_int_equal(h->concurrency, 2);
    assert_int_equal(h->delay_ms, 500);
    assert_true(h->rate < 0);
    assert_non_null(config_host(c, "a.example"));
    assert_null(config_host(c, "c.example"));
    config_free(&c);
    assert_null(c);
}

static void later_sources_win_and_origins_are_kept(void **state)
{
    const struct fixture *f = *state;
    put_text(
        f, "main.conf",
        "fetch {\n  workers = 1\n  concurrency = 1\n  host_concurrency = 1\n  max_queued = 1\n}\n"
        "host \"h\" { concurrency = 1\n delay = \"1s\" }\n");
    put_text(f, "conf.d/20.conf", "fetch { host_concurrency = 20 max_queued = 20 }\n");
    put_text(f, "conf.d/10.conf",
             "# x\nfetch { concurrency = 10\n host_concurrency = 10 max_queued = 10 }\n"
             "host \"H\" { concurrency = 10 }\n");
    put_text(f, "conf.d/30.conf.bak", "nonsense");
    put_text(f, "conf.d/.40.conf", "nonsense");
    char *environment[] = {(char[]){"PATH=/bin"},
                           (char[]){"GATHERD_BIN=x"},
                           (char[]){"GATHERDX__Y=1"},
                           (char[]){"GATHERD_FETCH__MAX_QUEUED=30"},
                           (char[]){"GATHERD_LISTEN__TCP=127.0.0.1:1, 127.0.0.1:2"},
                           NULL};
    const char *set[] = {"fetch.byte_budget=1G", "store.path=/a=b"};
    struct config *c = load(&(struct config_sources){
        .file = f->file, .environment = environment, .set = set, .n_set = 2});
    assert_int_equal(c->fetch.workers, 1);
    assert_int_equal(c->fetch.concurrency, 10);
    assert_int_equal(c->fetch.host_concurrency, 20);
    assert_int_equal(c->fetch.max_queued, 30);
    assert_int_equal(c->fetch.byte_budget, 1 << 30);
    assert_int_equal(c->listen.tcp.n, 2);
    assert_string_equal(c->listen.tcp.v[1], "127.0.0.1:2");
    assert_string_equal(c->store.path, "/a=b");
    const struct host_config *h = config_host(c, "h");
    assert_int_equal(h->concurrency, 10);
    assert_int_equal(h->delay_ms, 1000); // blocks of one host are merged

    char expected[200];
    snprintf(expected, sizeof(expected), "%s:2", f->file);
    assert_string_equal(config_origin(c, "fetch", "workers"), expected);
    snprintf(expected, sizeof(expected), "%s/conf.d/10.conf:2", f->folder);
    assert_string_equal(config_origin(c, "fetch", "concurrency"), expected);
    snprintf(expected, sizeof(expected), "%s/conf.d/20.conf:1", f->folder);
    assert_string_equal(config_origin(c, "fetch", "host_concurrency"), expected);
    assert_string_equal(config_origin(c, "fetch", "max_queued"),
                        "environment GATHERD_FETCH__MAX_QUEUED");
    assert_string_equal(config_origin(c, "fetch", "byte_budget"), "--set");
    assert_string_equal(config_origin(c, "log", "level"), "default");
    config_free(&c);
}

static void lists_are_replaced_extended_and_emptied(void **state)
{
    const struct fixture *f = *state;
    put_text(f, "main.conf",
             "listen { allowed_hosts += {\"a\"} tcp = {\"127.0.0.1:1\"} }\n"
             "fetch { allow_ports = {\"81\"} deny_addresses = {} }\n");
    put_text(f, "conf.d/1.conf",
             "listen { allowed_hosts += {\"b\", \"c\"} }\nfetch { allow_ports = {} }\n");
    put_text(f, "conf.d/2.conf", "listen { tcp = {\"127.0.0.1:2\"} }\n");
    struct config *c = load_file(f);
    assert_int_equal(c->listen.allowed_hosts.n, 4);
    assert_string_equal(c->listen.allowed_hosts.v[0], "localhost");
    assert_string_equal(c->listen.allowed_hosts.v[3], "c");
    assert_int_equal(c->listen.tcp.n, 1);
    assert_string_equal(c->listen.tcp.v[0], "127.0.0.1:2");
    assert_int_equal(c->fetch.allow_ports.n, 0);
    assert_non_null(strstr(config_origin(c, "fetch", "allow_ports"), "conf.d/1.conf"));
    assert_int_equal(c->fetch.deny_addresses.n, 0);
    assert_non_null(strstr(config_origin(c, "fetch", "deny_addresses"), "main.conf"));
    config_free(&c);
}

// Every fault is refused, and the message says where it is.
static void faults_are_refused_with_file_and_line(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *text;
        int line;
        const char *word;
    } rows[] = {
        {"fetch {\n\n colour = 1\n}\n", 3, "colour"},
        {"\nfetsch { }\n", 2, "fetsch"},
        {"fetch { concurrency = many }\n", 1, "fetch.concurrency"},
        {"# comment\n\nfetch {\n timeout = 30\n}\n", 4, "fetch.timeout"},
        {"fetch { concurrency = 0 }", 1, "from 1 to 100000"},
        {"fetch { concurrency 8 }", 1, "equal sign"},
        {"fetch { concurrency = {1} }", 1, "unexpected"},
        {"fetch { concurrency += 1 }", 1, "append"},
        {"fetch concurrency = 8", 1, "brace"},
        {"concurrency = 8", 1, "concurrency"},
        {"fetch|concurrency = 8", 1, "section"},
        {"listen {\n tcp = {\n \"127.0.0.1:1\",\n \"nowhere\" }\n}", 4, "nowhere"},
        {"\nfetch {\n concurrency = 8\n", 2, "not closed"},
        {"fetch {\n allow_ports = {\n}\nlog { }\n", 1, "not closed"},
        {"fetch {\n user_agent = \"x\"\"\n concurrency = 8\n}\n", 2, "not closed"},
        {"fetch {\n user_agent = \"x\n}\n", 2, "not closed"},
        {"fetch {\n user_agent = 'x\\'\n}\n", 2, "not closed"},
        {"store {\n path = \"${HOME\"\n}\n", 2, "not closed"},
        {"store {\n path = ${HOME\n}\n", 2, "not closed"},
        {"fetch { concurrency = 8 }\n/* open\n", 2, "not closed"},
        {"fetch { } }\n", 1, "brace"},
        {"host { concurrency = 1 }\n", 1, "title"},
        {"host \"a b\" { concurrency = 1 }\n", 1, "a b"},
        {"host \"-\" {\n}\n", 2, "host"},
        {"host \"a\" { timeout = 1 }\n", 1, "timeout"},
        {"host \"a\" {\n concurrency = 0 }\n", 2, "host.concurrency"},
        {"include(\"x\")\n", 1, "include"},
        {"fetch { user_agent = \"a\\nb\" }\n", 1, "control"},
        {"# caf\xe9\nstore {\n path = \"/caf\xe9\"\n}\n", 3, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config *c = NULL;
        struct err e = {0};
        put_text(f, "main.conf", rows[i].text);
        if (config_load(&(struct config_sources){.file = f->file}, &e, &c) == 0) {
            fail_msg("accepted: %s", rows[i].text);
        }
        assert_null(c);
        assert_int_equal(e.code, ERR_CONFIG);
        char place[200];
        snprintf(place, sizeof(place), "%s:%d: ", f->file, rows[i].line);
        if (strncmp(e.text, place, strlen(place)) != 0 || !strstr(e.text, rows[i].word)) {
            fail_msg("row %zu: %s", i, e.text);
        }
        // A fault leaves nothing behind in libconfuse: what is good loads afterwards.
        put_text(f, "main.conf", "fetch { concurrency = 9 }\n");
        c = load_file(f);
        assert_int_equal(c->fetch.concurrency, 9);
        config_free(&c);
    }
}

static void faults_outside_of_files_are_refused(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *variable, *set, *text;
    } rows[] = {
        {"GATHERD_FETCH__COLOUR=1", NULL, "environment GATHERD_FETCH__COLOUR: "},
        {"GATHERD_FETCH__CONCURRENCY=x", NULL,
         "environment GATHERD_FETCH__CONCURRENCY: fetch.concurrency must be"},
        {"GATHERD__X=1", NULL, "environment GATHERD__X: "},
        {NULL, "fetch.colour=1", "--set fetch.colour=1: "},
        {NULL, "fetch.concurrency", "--set fetch.concurrency: "},
        {NULL, "concurrency=1", "--set concurrency=1: "},
        {NULL, "fetch.concurrency=0", "--set: fetch.concurrency must be"},
        {NULL, "", "--set : "},
        {NULL, "fetch.max_body=1G", "default: fetch.byte_budget must not"},
        {NULL, "limits.request_body=1G", "default: limits.upload_budget must not"},
    };
    put_text(f, "main.conf", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config *c = NULL;
        struct err e = {0};
        char variable[100];
        snprintf(variable, sizeof(variable), "%s", rows[i].variable ? rows[i].variable : "A=b");
        char *environment[] = {variable, NULL};
        const struct config_sources src = {.file = f->file,
                                           .environment = environment,
                                           .set = &rows[i].set,
                                           .n_set = rows[i].set ? 1 : 0};
        assert_int_equal(config_load(&src, &e, &c), -1);
        if (strncmp(e.text, rows[i].text, strlen(rows[i].text)) != 0) {
            fail_msg("row %zu: %s", i, e.text);
        }
        assert_int_equal(e.code, ERR_CONFIG);
    }
}

static void files_that_cannot_be_read_are_refused(void **state)
{
    const struct fixture *f = *state;
    struct config *c = NULL;
    struct err e = {0};
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, &e, &c), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, f->file));
    assert_int_equal(config_load(&(struct config_sources){.file = f->folder}, &e, &c), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    put(f, "main.conf", "fetch { }\0", 10);
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, &e, &c), -1);
    assert_non_null(strstr(e.text, "NUL"));
    char *large = calloc(1, 1100000);
    assert_non_null(large);
    memset(large, '\n', 1100000);
    put(f, "main.conf", large, 1100000);
    free(large);
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, &e, &c), -1);
    assert_non_null(strstr(e.text, "larger"));
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, NULL, &c), -1);
}

static void a_pipe_is_refused_and_not_waited_for(void **state)
{
    const struct fixture *f = *state;
    struct config *c = NULL;
    struct err e = {0};
    assert_int_equal(mkfifo(f->file, 0600), 0);
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, &e, &c), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_true(strstr(e.text, f->file) && strstr(e.text, "is a pipe"));
    char folder[120], fragment[140];
    snprintf(folder, sizeof(folder), "%s/conf.d", f->folder);
    snprintf(fragment, sizeof(fragment), "%s/10-pipe.conf", folder);
    assert_int_equal(unlink(f->file), 0);
    put_text(f, "main.conf", "");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkfifo(fragment, 0600), 0);
    assert_int_equal(config_load(&(struct config_sources){.file = f->file}, &e, &c), -1);
    assert_non_null(strstr(e.text, fragment));
}

static void a_device_is_read_like_a_file(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err e = {0};
    assert_int_equal(config_load(&(struct config_sources){.file = "/dev/null"}, &e, &c), 0);
    config_free(&c);
    assert_int_equal(config_load(&(struct config_sources){.file = "/dev/zero"}, &e, &c), -1);
    assert_int_equal(e.code, ERR_CONFIG);
}

static void without_a_file_the_defaults_hold(void **state)
{
    (void)state;
    if (access(CONFIG_DEFAULT_FILE, F_OK) == 0) {
        skip(); // gatherd is installed here
    }
    struct config *c = load(&(struct config_sources){.file = NULL});
    assert_int_equal(c->fetch.concurrency, 256);
    assert_string_equal(config_origin(c, "fetch", "concurrency"), "default");
    config_free(&c);
}

static void environment_variables_are_replaced_in_strings(void **state)
{
    const struct fixture *f = *state;
    setenv("GATHERD_TEST_PLACE", "/srv/x", 1);
    put_text(f, "main.conf", "store { path = \"${GATHERD_TEST_PLACE}/g.db\" }\n");
    struct config *c = load_file(f);
    assert_string_equal(c->store.path, "/srv/x/g.db");
    config_free(&c);
    unsetenv("GATHERD_TEST_PLACE");
}

static void print_to_file(const struct config *c, const struct fixture *f, const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(config_print(c, out), 0);
    assert_int_equal(fclose(out), 0);
}

// What is printed, loaded and printed again differs in nothing but the origins.
static void what_is_printed_loads_to_the_same(void **state)
{
    const struct fixture *f = *state;
    put_text(
        f, "main.conf",
        "listen { socket = \"/a b/\\\"q\\\"\\\\x/\\${HOME}#c\" tcp = {\"127.0.0.1:1\", "
        "\"[::1]:2\"} }\n"
        "fetch { host_rate = 0.1 host_delay = \"1500ms\" max_body = 12345 byte_budget = \"3M\" }\n"
        "store { retention = \"36h\" synchronous = normal }\n"
        "host \"z\" { rate = 0.5 }\nhost \"[::1]\" { delay = \"2m\" }\n");
    struct config *first = load_file(f);
    print_to_file(first, f, "main.conf");
    struct config *second = load_file(f);
    assert_int_equal(first->n_hosts, second->n_hosts);
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *o = &option_table()[i];
        if (!option_equal(o, first, second)) {
            fail_msg("%s.%s differs", o->section, o->key);
        }
    }
    for (size_t i = 0; i < first->n_hosts; i++) {
        assert_string_equal(first->hosts[i].name, second->hosts[i].name);
        for (size_t k = 0; k < HOST_CONFIG_KEYS; k++) {
            const struct option *o = &host_option_table()[k];
            assert_true(option_equal(o, &first->hosts[i], &second->hosts[i]));
        }
    }
    assert_string_equal(second->listen.socket, "/a b/\"q\"\\x/${HOME}#c");
    config_free(&first);
    config_free(&second);
}

static void prints_where_values_come_from(void **state)
{
    const struct fixture *f = *state;
    put_text(f, "main.conf", "\nfetch { concurrency = 7 }\n");
    const char *set[] = {"log.level=warn"};
    struct config *c = load(&(struct config_sources){.file = f->file, .set = set, .n_set = 1});
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(config_print(c, out), 0);
    fclose(out);
    char expected[300];
    snprintf(expected, sizeof(expected), "    concurrency = 7  # %s:2\n", f->file);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "    level = \"warn\"  # --set\n"));
    assert_non_null(strstr(text, "    timeout = \"30s\"  # default\n"));
    free(text);
    config_free(&c);
}

static void knows_what_a_reload_cannot_change(void **state)
{
    const struct fixture *f = *state;
    put_text(f, "main.conf", "fetch { concurrency = 7 }\n");
    struct config *old = load_file(f);
    put_text(f, "main.conf",
             "fetch { concurrency = 8 workers = 3 }\nlisten { tcp = {\"127.0.0.1:1\"} }\n"
             "host \"a\" { rate = 1 }\n");
    struct config *new = load_file(f);
    struct buf names = BUF_INIT(200);
    assert_int_equal(config_changed(old, new, &names), 2);
    assert_string_equal(names.data, "listen.tcp, fetch.workers");
    assert_int_equal(config_changed(old, old, NULL), 0);
    buf_done(&names);
    config_free(&old);
    config_free(&new);
}

static char *read_whole(const char *path)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char *text = calloc(1, 100000);
    assert_non_null(text);
    assert_true(fread(text, 1, 99999, in) > 0);
    fclose(in);
    return text;
}

static void assert_defaults(const struct config *c)
{
    struct config *defaults = load(&(struct config_sources){.file = "/dev/null"});
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *o = &option_table()[i];
        if (!option_equal(o, c, defaults)) {
            fail_msg("%s.%s is not the default", o->section, o->key);
        }
    }
    assert_int_equal(c->n_hosts, 0);
    config_free(&defaults);
}

// In the shipped file "#key = value" is a setting that is commented out, "# text" is prose.
static void the_shipped_file_documents_every_setting_with_its_default(void **state)
{
    const struct fixture *f = *state;
    struct config *c =
        load(&(struct config_sources){.file = GATHERD_SOURCE_DIR "/config/gatherd.conf"});
    assert_defaults(c);
    config_free(&c);

    char *text = read_whole(GATHERD_SOURCE_DIR "/config/gatherd.conf");
    for (char *p = text; *p; p++) {
        if (*p == '#' && p[1] >= 'a' && p[1] <= 'z') {
            *p = ' ';
        }
    }
    put_text(f, "main.conf", text);
    free(text);
    c = load_file(f);
    assert_defaults(c);
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *o = &option_table()[i];
        if (!c->origin[i]) {
            fail_msg("%s.%s is not in gatherd.conf", o->section, o->key);
        }
    }
    config_free(&c);
}

// "(r)" in the shipped file says what the table says.
static void the_shipped_file_marks_what_a_reload_changes(void **state)
{
    (void)state;
    char *text = read_whole(GATHERD_SOURCE_DIR "/config/gatherd.conf");
    const char *section = text;
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *o = &option_table()[i];
        char mark[64];
        snprintf(mark, sizeof(mark), "\n%s {", o->section);
        section = strstr(text, mark);
        assert_non_null(section);
        snprintf(mark, sizeof(mark), "\n    #%s = ", o->key);
        const char *setting = strstr(section, mark);
        assert_non_null(setting);
        const char *paragraph = section;
        for (const char *p = section; p < setting; p++) {
            if (strncmp(p, "\n\n", 2) == 0) {
                paragraph = p + 1;
            }
        }
        const char *prose = strstr(paragraph, "    # ");
        assert_non_null(prose);
        assert_int_equal(strncmp(prose, "    # (r) ", 10) == 0, o->reloadable);
    }
    free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_every_type),
        TEST(later_sources_win_and_origins_are_kept),
        TEST(lists_are_replaced_extended_and_emptied),
        TEST(faults_are_refused_with_file_and_line),
        TEST(faults_outside_of_files_are_refused),
        TEST(files_that_cannot_be_read_are_refused),
        TEST(a_pipe_is_refused_and_not_waited_for),
        TEST(a_device_is_read_like_a_file),
        TEST(without_a_file_the_defaults_hold),
        TEST(environment_variables_are_replaced_in_strings),
        TEST(what_is_printed_loads_to_the_same),
        TEST(prints_where_values_come_from),
        TEST(knows_what_a_reload_cannot_change),
        TEST(the_shipped_file_documents_every_setting_with_its_default),
        TEST(the_shipped_file_marks_what_a_reload_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
