// SPDX-License-Identifier: MIT
// A raw TCP server in threads of the test: what it sends is a script chosen by the request's path,
// "/N" being the N-th row, and it cuts its bytes as the test asks. Only tests include this.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum then {
    KEEP,    // wait for the next request on the connection
    SAY,     // `more`, 20 ms later, and then wait for the next request
    CLOSE,   // FIN
    RESET,   // RST
    HOLD,    // say nothing more until the client leaves
    DRIP,    // `more` again and again, 100 ms apart
    ENDLESS, // `more` again and again, as fast as the client reads
    REKEY,   // new TLS keys again and again
};

enum tls_play { TLS_NONE, TLS_SERVE, TLS_PLAIN, TLS_STALL, TLS_CLOSE };

struct script {
    const char *bytes;
    size_t n;
    enum then then;
    const char *more;
    int delay_ms; // before the first byte
};

struct scripted_server {
    int fd;
    uint16_t port;
    enum tls_play tls;
    SSL_CTX *ssl;
    const struct script *scripts;
    size_t n_scripts;
    unsigned cut; // 0: whole; else pieces of at most this many bytes, with pauses between some
    atomic_int connections;
    atomic_int live; // threads
    atomic_int said; // how often more came (SAY)
    atomic_bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
    char request[65536]; // the last one's head and what came with it
    size_t request_n;
};

struct peer {
    struct scripted_server *server;
    int fd;
    SSL *ssl;
    unsigned seed;
};

static inline bool peer_send(struct peer *p, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = p->ssl ? SSL_write(p->ssl, bytes, (int)n) : send(p->fd, bytes, n, MSG_NOSIGNAL);
        if (k <= 0) {
            return false;
        }
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

static inline bool peer_send_cut(struct peer *p, const char *bytes, size_t n)
{
    unsigned cut = p->server->cut;
    if (cut == 0 || n > 20000) {
        return peer_send(p, bytes, n);
    }
    while (n > 0) {
        size_t k = 1 + (size_t)rand_r(&p->seed) % cut;
        k = k < n ? k : n;
        if (!peer_send(p, bytes, k)) {
            return false;
        }
        bytes += k;
        n -= k;
        if (rand_r(&p->seed) % 4 == 0) {
            usleep(500);
        }
    }
    return true;
}

static inline ssize_t peer_receive(struct peer *p, char *to, size_t n)
{
    return p->ssl ? SSL_read(p->ssl, to, (int)n) : recv(p->fd, to, n, 0);
}

// Waits until the client is gone or the server stops.
static inline void peer_hold(struct peer *p)
{
    char byte;
    while (!atomic_load(&p->server->stop)) {
        struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
        if (poll(&pfd, 1, 20) > 0 && recv(p->fd, &byte, 1, 0) <= 0) {
            return;
        }
    }
}

// Many at a time: a system call each would keep the machine from the client.
static inline void peer_send_endless(struct peer *p, const char *more)
{
    char many[16384];
    size_t n = 0, size = strlen(more);
    for (; n + size <= sizeof(many); n += size) {
        memcpy(many + n, more, size);
    }
    while (!atomic_load(&p->server->stop) && peer_send(p, many, n)) {}
}

static inline bool peer_then(struct peer *p, const struct script *s)
{
    switch (s->then) {
    case KEEP: return true;
    case SAY: {
        usleep(20000);
        bool said = peer_send(p, s->more, strlen(s->more));
        atomic_fetch_add(&p->server->said, 1);
        return said;
    }
    case CLOSE: break;
    case RESET: {
        usleep(s->n > 0 ? 100000 : 0); // an RST throws away what the client has not read yet
        struct linger now = {.l_onoff = 1};
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        break;
    }
    case HOLD: peer_hold(p); break;
    case DRIP:
        while (!atomic_load(&p->server->stop) && peer_send(p, s->more, strlen(s->more))) {
            usleep(100000);
        }
        break;
    case ENDLESS: peer_send_endless(p, s->more); break;
    case REKEY:
        while (!atomic_load(&p->server->stop) &&
               SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
               SSL_do_handshake(p->ssl) == 1) {}
        break;
    }
    return false;
}

// Reads one request, its body too if it has a Content-Length. False: the client is gone.
static inline bool peer_read_request(struct peer *p, char *text, size_t space)
{
    size_t n = 0, want = 0;
    do {
        ssize_t k = peer_receive(p, text + n, space - 1 - n);
        if (k <= 0) {
            return false;
        }
        n += (size_t)k;
        text[n] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        want = end ? (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0)
                   : SIZE_MAX;
    } while (n < want && n < space - 1);
    pthread_mutex_lock(&p->server->lock);
    memcpy(p->server->request, text, n + 1);
    p->server->request_n = n;
    pthread_mutex_unlock(&p->server->lock);
    return true;
}

static inline void peer_serve(struct peer *p)
{
    static const struct script none = {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45,
                                       CLOSE, NULL, 0};
    char *text = malloc(65536);
    while (text && peer_read_request(p, text, 65536)) {
        const char *path = strchr(text, '/');
        unsigned long row = path ? strtoul(path + 1, NULL, 10) : SIZE_MAX;
        const struct script *s = row < p->server->n_scripts ? &p->server->scripts[row] : &none;
        if (s->delay_ms > 0) {
            usleep((useconds_t)s->delay_ms * 1000);
        }
        if (!peer_send_cut(p, s->bytes, s->n) || !peer_then(p, s)) {
            break;
        }
    }
    free(text);
}

static inline void *peer_run(void *arg)
{
    struct peer *p = arg;
    struct scripted_server *server = p->server;
    struct timeval patience = {.tv_sec = 20};
    char byte[100];
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    switch (server->tls) {
    case TLS_SERVE:
        p->ssl = SSL_new(server->ssl);
        SSL_set_fd(p->ssl, p->fd);
        if (SSL_accept(p->ssl) == 1) {
            peer_serve(p);
        }
        break;
    case TLS_PLAIN:
        peer_send(p, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 47);
        break;
    case TLS_STALL: peer_hold(p); break;
    case TLS_CLOSE: (void)!recv(p->fd, byte, sizeof(byte), 0); break;
    case TLS_NONE: peer_serve(p); break;
    }
    if (p->ssl) {
        SSL_free(p->ssl);
    }
    close(p->fd);
    free(p);
    atomic_fetch_sub(&server->live, 1);
    return NULL;
}

static inline void *scripted_server_run(void *arg)
{
    struct scripted_server *s = arg;
    while (!atomic_load(&s->stop)) {
        struct pollfd pfd = {.fd = s->fd, .events = POLLIN};
        int fd = poll(&pfd, 1, 20) > 0 ? accept(s->fd, NULL, NULL) : -1;
        struct peer *p = fd >= 0 ? calloc(1, sizeof(*p)) : NULL;
        pthread_t thread;
        if (!p) {
            continue;
        }
        *p = (struct peer){
            .server = s, .fd = fd, .seed = (unsigned)atomic_fetch_add(&s->connections, 1)};
        atomic_fetch_add(&s->live, 1);
        if (pthread_create(&thread, NULL, peer_run, p) == 0) {
            pthread_detach(thread);
        } else {
            abort();
        }
    }
    return NULL;
}

// Listens on 127.0.0.1. The scripts must outlive it.
static inline int scripted_server_start(struct scripted_server *s, const struct script *scripts,
                                        size_t n)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->scripts = scripts;
    s->n_scripts = n;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    pthread_mutex_init(&s->lock, NULL);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->fd, 512) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0) {
        return -1;
    }
    s->port = ntohs(a.sin_port);
    return pthread_create(&s->thread, NULL, scripted_server_run, s);
}

static inline void scripted_server_stop(struct scripted_server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    while (atomic_load(&s->live) > 0) {
        usleep(1000);
    }
    close(s->fd);
    SSL_CTX_free(s->ssl);
    pthread_mutex_destroy(&s->lock);
}
