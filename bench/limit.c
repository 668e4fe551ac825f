// SPDX-License-Identifier: MIT
// The upper bound: what libcurl's multi socket interface on libevent and SQLite reach when nothing
// stands between them. No API, no scheduling, no retries, no name server, no limits.
//
//   bench_limit [-t THREADS] [-c CONNECTIONS] [-a CA_FILE] -i LIST DATABASE
//       fetches every URL of LIST; prints one JSON object when all results are durable
//   bench_limit -s -i LIST DATABASE
//       only inserts LIST, as a submission would have to
//
// DATABASE must not exist. Main thread: reads the list, starts the others, prints.
#include "limit.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    const char *list, *database, *ca_file;
    unsigned threads, connections;
    bool insert_only;
};

void limit_die(const char *what, const char *why)
{
    fprintf(stderr, "bench_limit: %s: %s\n", what, why);
    exit(1);
}

void *limit_realloc(void *old, size_t n)
{
    void *p = realloc(old, n);
    if (!p) {
        limit_die("memory", "none left");
    }
    return p;
}

double limit_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned parse_count(const char *text, const char *what)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || end == text || *end || v < 1 || v > 10000) {
        limit_die(what, "not a number from 1 to 10000");
    }
    return (unsigned)v;
}

static struct options parse_options(int argc, char **argv)
{
    struct options o = {.threads = 1, .connections = 64};
    int c;
    while ((c = getopt(argc, argv, "t:c:a:i:s")) != -1) {
        switch (c) {
        case 't': o.threads = parse_count(optarg, "-t"); break;
        case 'c': o.connections = parse_count(optarg, "-c"); break;
        case 'a': o.ca_file = optarg; break;
        case 'i': o.list = optarg; break;
        case 's': o.insert_only = true; break;
        default: exit(2);
        }
    }
    if (!o.list || optind != argc - 1) {
        limit_die("usage", "bench_limit [-s] [-t THREADS] [-c CONNECTIONS] -i LIST DATABASE");
    }
    o.database = argv[optind];
    return o;
}

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        limit_die(path, strerror(errno));
    }
    size_t length = 0, capacity = 1 << 20;
    char *text = limit_realloc(NULL, capacity + 1);
    size_t n;
    while ((n = fread(text + length, 1, capacity - length, f)) > 0) {
        length += n;
        if (length == capacity) {
            capacity *= 2;
            text = limit_realloc(text, capacity + 1);
        }
    }
    fclose(f);
    text[length] = '\0';
    *ret_length = length;
    return text;
}

static struct limit_list list_read(const char *path)
{
    size_t length, capacity = 0;
    struct limit_list list = {.text = read_file(path, &length)};
    char *end = list.text + length;
    for (char *line = list.text; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *stop = newline ? newline : end;
        *stop = '\0';
        if (stop > line) {
            if (list.n == capacity) {
                capacity = capacity ? capacity * 2 : 1024;
                list.urls = limit_realloc(list.urls, capacity * sizeof(list.urls[0]));
            }
            list.urls[list.n++] = line;
        }
        line = stop + 1;
    }
    return list;
}

static void fetch_all(const struct options *o, const struct limit_list *list, double start)
{
    struct limit_fetch_plan plan = {.list = list,
                                    .threads = o->threads,
                                    .connections = o->connections,
                                    .ca_file = o->ca_file,
                                    .store = limit_store_new(o->database, list)};
    limit_fetch(&plan);
    struct limit_store_totals t = limit_store_finish(plan.store);
    double seconds = t.finished_at - start;
    printf("{\"urls\": %zu, \"failed\": %zu, \"bytes\": %llu, \"commits\": %zu, "
           "\"seconds\": %.6f, \"urls_per_s\": %.0f}\n",
           t.stored, t.failed, (unsigned long long)t.bytes, t.commits, seconds,
           (double)t.stored / seconds);
}

int main(int argc, char **argv)
{
    struct options o = parse_options(argc, argv);
    double start = limit_now();
    struct limit_list list = list_read(o.list);
    if (o.insert_only) {
        limit_insert(o.database, &list);
        double seconds = limit_now() - start;
        printf("{\"urls\": %zu, \"seconds\": %.6f, \"urls_per_s\": %.0f}\n", list.n, seconds,
               (double)list.n / seconds);
    } else {
        fetch_all(&o, &list, start);
    }
    free(list.urls);
    free(list.text);
    return 0;
}
