// SPDX-License-Identifier: MIT
// A name server for tests, on the test's own loop: one UDP socket on a free port of 127.0.0.1. What
// it answers is in the name that is asked:
//   a-N.test         N addresses 8.8.x.y, TTL 60        ttl1.test        one address, TTL 1
//   mixed.test       10.0.0.1, 8.8.4.4, 127.0.0.1       private.test     10.0.0.1, 192.168.1.1
//   servfail.test    SERVFAIL                           refused.test     REFUSED
//   silent*.test     nothing                            loop.test        a CNAME to itself
//   six.test         2001:4860:4860::8888               late.test        one address, held back
//   both.test        8.8.8.8, 2001:4860:4860::8888      deaf6.test       8.8.8.8; AAAA: nothing
//   broken4.test     A: SERVFAIL; AAAA: none            broken6.test     A: none; AAAA: SERVFAIL
//   late6.test       10.0.0.1; AAAA: as six.test, held back
//   every other      NXDOMAIN
// A name without records of the asked type is answered with none.
#pragma once

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DNS_TYPE_A     1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_AAAA  28
#define DNS_MAX_ASKED  64

struct dns_question {
    uint8_t packet[512];
    size_t question_end;
    char name[256];
    unsigned type;
    struct sockaddr_in from;
};

struct dns_server {
    int fd;
    uint16_t port;
    struct event *event;
    struct {
        char name[64];
        unsigned n;
    } asked[DNS_MAX_ASKED];
    struct dns_question held[8];
    size_t n_held;
    unsigned n_asked;   // for IPv4 addresses, of whatever name
    unsigned n_packets; // for whatever
};

static int dns_read_question(struct dns_question *q, size_t n)
{
    size_t at = 12, out = 0;
    while (at < n && q->packet[at] != 0) {
        size_t len = q->packet[at++];
        if (at + len > n || out + len + 2 > sizeof q->name) {
            return -1;
        }
        if (out > 0) {
            q->name[out++] = '.';
        }
        memcpy(q->name + out, q->packet + at, len);
        out += len;
        at += len;
    }
    q->name[out] = 0;
    if (at + 5 > n) {
        return -1;
    }
    q->type = (unsigned)q->packet[at + 1] << 8 | q->packet[at + 2];
    q->question_end = at + 5;
    return 0;
}

struct dns_reply {
    uint8_t p[4096];
    size_t len;
    unsigned n_answers;
};

static void dns_add(struct dns_reply *r, unsigned type, uint32_t ttl, const void *data, size_t n)
{
    uint8_t head[12] = {0xc0, 12, 0, (uint8_t)type, 0, 1};
    head[6] = (uint8_t)(ttl >> 24);
    head[7] = (uint8_t)(ttl >> 16);
    head[8] = (uint8_t)(ttl >> 8);
    head[9] = (uint8_t)ttl;
    head[11] = (uint8_t)n;
    if (r->len + 12 + n <= sizeof r->p) {
        memcpy(r->p + r->len, head, 12);
        memcpy(r->p + r->len + 12, data, n);
        r->len += 12 + n;
        r->n_answers++;
    }
}

static void dns_add_a(struct dns_reply *r, uint32_t ttl, const char *address)
{
    struct in_addr a;
    inet_pton(AF_INET, address, &a);
    dns_add(r, DNS_TYPE_A, ttl, &a, 4);
}

static void dns_add_many(struct dns_reply *r, long n)
{
    for (long i = 0; i < n; i++) {
        uint8_t a[4] = {8, 8, (uint8_t)(i / 250), (uint8_t)(i % 250 + 1)};
        dns_add(r, DNS_TYPE_A, 60, a, 4);
    }
}

#define DNS_SIX "2001:4860:4860::8888"

// Adds an address if there is one. The rcode; -1: no answer at all.
static int dns_play(struct dns_reply *r, unsigned type, const char *play)
{
    struct in6_addr data;
    if (strcmp(play, "silent") == 0) {
        return -1;
    }
    if (strcmp(play, "servfail") == 0) {
        return 2;
    }
    if (*play) {
        inet_pton(type == DNS_TYPE_A ? AF_INET : AF_INET6, play, &data);
        dns_add(r, type, 60, &data, type == DNS_TYPE_A ? 4 : 16);
    }
    return 0;
}

static int dns_answer_for(const struct dns_question *q, struct dns_reply *r)
{
    static const char *const known[] = {"ttl1.test", "mixed.test", "private.test", "late.test"};
    static const struct {
        const char *name, *four, *six;
    } pairs[] = {
        {"six.test", "", DNS_SIX},           {"both.test", "8.8.8.8", DNS_SIX},
        {"deaf6.test", "8.8.8.8", "silent"}, {"broken4.test", "servfail", ""},
        {"broken6.test", "", "servfail"},    {"late6.test", "10.0.0.1", DNS_SIX},
    };
    bool a = q->type == DNS_TYPE_A;
    if (strcmp(q->name, "servfail.test") == 0) {
        return 2;
    }
    if (strcmp(q->name, "refused.test") == 0) {
        return 5;
    }
    if (strncmp(q->name, "silent", strlen("silent")) == 0) {
        return -1;
    }
    if (strcmp(q->name, "loop.test") == 0) {
        dns_add(r, DNS_TYPE_CNAME, 60, "\xc0\x0c", 2);
        return 0;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(q->name, pairs[i].name) == 0) {
            return dns_play(r, q->type, a ? pairs[i].four : pairs[i].six);
        }
    }
    if (strncmp(q->name, "a-", 2) == 0) {
        dns_add_many(r, a ? strtol(q->name + 2, NULL, 10) : 0);
        return 0;
    }
    static const char *const addresses[][3] = {{"8.8.8.8"},
                                               {"10.0.0.1", "8.8.4.4", "127.0.0.1"},
                                               {"10.0.0.1", "192.168.1.1"},
                                               {"8.8.8.8"}};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(q->name, known[i]) != 0) {
            continue;
        }
        for (size_t j = 0; a && j < 3 && addresses[i][j]; j++) {
            dns_add_a(r, i == 0 ? 1 : 60, addresses[i][j]);
        }
        return 0;
    }
    return 3;
}

static void dns_reply_to(struct dns_server *s, const struct dns_question *q)
{
    struct dns_reply r = {.len = q->question_end};
    memcpy(r.p, q->packet, q->question_end);
    int rcode = dns_answer_for(q, &r);
    if (rcode < 0) {
        return;
    }
    r.p[2] = 0x81;
    r.p[3] = (uint8_t)(0x80 | rcode);
    r.p[6] = (uint8_t)(r.n_answers >> 8);
    r.p[7] = (uint8_t)r.n_answers;
    memset(r.p + 8, 0, 4);
    sendto(s->fd, r.p, r.len, 0, (const struct sockaddr *)&q->from, sizeof q->from);
}

static void dns_count(struct dns_server *s, const char *name)
{
    for (size_t i = 0; i < DNS_MAX_ASKED; i++) {
        if (s->asked[i].n == 0) {
            assert_true(strlen(name) < sizeof s->asked[i].name);
            memcpy(s->asked[i].name, name, strlen(name) + 1);
        }
        if (strcmp(s->asked[i].name, name) == 0) {
            s->asked[i].n++;
            return;
        }
    }
}

static void dns_on_packet(evutil_socket_t fd, short what, void *ctx)
{
    struct dns_server *s = ctx;
    (void)what;
    struct dns_question q = {.type = 0};
    socklen_t from_len = sizeof q.from;
    ssize_t n = recvfrom(fd, q.packet, sizeof q.packet, 0, (struct sockaddr *)&q.from, &from_len);
    if (n < 17 || dns_read_question(&q, (size_t)n) < 0) {
        return;
    }
    s->n_packets++;
    if (q.type == DNS_TYPE_A) {
        s->n_asked++;
        dns_count(s, q.name);
    }
    bool late = strcmp(q.name, "late.test") == 0 ||
                (strcmp(q.name, "late6.test") == 0 && q.type == DNS_TYPE_AAAA);
    if (late && s->n_held < 8) {
        s->held[s->n_held++] = q;
        return;
    }
    dns_reply_to(s, &q);
}

static struct dns_server *dns_server_new(struct event_base *base)
{
    struct dns_server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(s->fd, (struct sockaddr *)&sa, len));
    assert_int_equal(0, getsockname(s->fd, (struct sockaddr *)&sa, &len));
    s->port = ntohs(sa.sin_port);
    s->event = event_new(base, s->fd, EV_READ | EV_PERSIST, dns_on_packet, s);
    assert_int_equal(0, event_add(s->event, NULL));
    return s;
}

static void dns_server_free(struct dns_server *s)
{
    event_free(s->event);
    close(s->fd);
    free(s);
}

static uint16_t dns_server_port(const struct dns_server *s)
{
    return s->port;
}

static unsigned dns_server_asked(const struct dns_server *s, const char *name)
{
    for (size_t i = 0; i < DNS_MAX_ASKED; i++) {
        if (strcmp(s->asked[i].name, name) == 0) {
            return s->asked[i].n;
        }
    }
    return 0;
}

static void dns_server_release(struct dns_server *s)
{
    for (size_t i = 0; i < s->n_held; i++) {
        dns_reply_to(s, &s->held[i]);
    }
    s->n_held = 0;
}
