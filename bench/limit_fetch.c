// SPDX-License-Identifier: MIT
// Threads that fetch: each runs libcurl's multi socket interface on its own libevent loop with its
// share of the connections, takes the next URL from a shared counter, and hands results to the
// store.
#include "limit.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct fetcher {
    pthread_t thread;
    const struct limit_fetch_plan *plan;
    atomic_size_t *next; // of the list, shared by all threads
    CURLM *multi;
    struct event_base *base;
    struct event *timer;
    const EVP_MD *sha256;
    struct slot *slots;
    unsigned n_slots, running;
    struct limit_record *done, **done_end; // since the last post
    size_t n_done;
};

// One transfer at a time; its easy handle is used again.
struct slot {
    CURL *easy;
    EVP_MD_CTX *hash;
    struct limit_record *record;
};

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void append(char **text, size_t *length, size_t *capacity, const struct iovec *add)
{
    if (*length + add->iov_len > *capacity) {
        *capacity = (*length + add->iov_len) * 2;
        *text = limit_realloc(*text, *capacity);
    }
    memcpy(*text + *length, add->iov_base, add->iov_len);
    *length += add->iov_len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct limit_record *r = ((struct slot *)arg)->record;
    struct iovec add = {data, size * n};
    append(&r->headers, &r->headers_length, &r->headers_capacity, &add);
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct slot *slot = arg;
    struct limit_record *r = slot->record;
    struct iovec add = {data, size * n};
    append(&r->body, &r->body_length, &r->body_capacity, &add);
    EVP_DigestUpdate(slot->hash, data, size * n);
    return size * n;
}

static void slot_init(struct fetcher *f, struct slot *slot)
{
    slot->easy = curl_easy_init();
    slot->hash = EVP_MD_CTX_new();
    if (!slot->easy || !slot->hash) {
        limit_die("libcurl", "cannot initialise");
    }
    curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(slot->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(slot->easy, CURLOPT_HEADERDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(slot->easy, CURLOPT_USERAGENT, "bench_limit");
    if (f->plan->ca_file) {
        curl_easy_setopt(slot->easy, CURLOPT_CAINFO, f->plan->ca_file);
    }
}

// Starts the next URL in `slot`; false if there is none.
static bool slot_start(struct fetcher *f, struct slot *slot)
{
    size_t index = atomic_fetch_add(f->next, 1);
    if (index >= f->plan->list->n) {
        return false;
    }
    slot->record = limit_realloc(NULL, sizeof(*slot->record));
    memset(slot->record, 0, sizeof(*slot->record));
    slot->record->index = index;
    slot->record->started_at_ms = wall_ms();
    EVP_DigestInit_ex(slot->hash, f->sha256, NULL);
    curl_easy_setopt(slot->easy, CURLOPT_URL, f->plan->list->urls[index]);
    if (curl_multi_add_handle(f->multi, slot->easy) != CURLM_OK) {
        limit_die("libcurl", "cannot add a transfer");
    }
    f->running++;
    return true;
}

static long info_ms(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, what, &us);
    return (long)(us / 1000);
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = from ? strnlen(from, size - 1) : 0;
    if (n) {
        memcpy(to, from, n);
    }
    to[n] = '\0';
}

static void slot_end(struct fetcher *f, struct slot *slot, CURLcode code)
{
    struct limit_record *r = slot->record;
    long status = 0, version = 0;
    char *text = NULL;
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(slot->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(slot->easy, CURLINFO_PRIMARY_IP, &text);
    copy_text(r->remote_ip, sizeof(r->remote_ip), text);
    text = NULL;
    curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_TYPE, &text);
    copy_text(r->content_type, sizeof(r->content_type), text);
    r->error = (int)code;
    r->status = (int)status;
    r->http_version = (int)version;
    r->finished_at_ms = wall_ms();
    r->dns_ms = info_ms(slot->easy, CURLINFO_NAMELOOKUP_TIME_T);
    r->connect_ms = info_ms(slot->easy, CURLINFO_CONNECT_TIME_T);
    r->tls_ms = info_ms(slot->easy, CURLINFO_APPCONNECT_TIME_T);
    r->first_byte_ms = info_ms(slot->easy, CURLINFO_STARTTRANSFER_TIME_T);
    r->total_ms = info_ms(slot->easy, CURLINFO_TOTAL_TIME_T);
    EVP_DigestFinal_ex(slot->hash, r->sha256, NULL);
    slot->record = NULL;
    *f->done_end = r;
    f->done_end = &r->next;
    f->n_done++;
}

static void drain(struct fetcher *f)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(f->multi, &left))) {
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        struct slot *slot = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&slot);
        slot_end(f, slot, code);
        curl_multi_remove_handle(f->multi, easy);
        f->running--;
        slot_start(f, slot);
    }
    if (f->n_done) {
        limit_store_post(f->plan->store, f->done, f->n_done);
        f->done = NULL;
        f->done_end = &f->done;
        f->n_done = 0;
    }
    if (f->running == 0) {
        event_base_loopbreak(f->base);
    }
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct fetcher *f = arg;
    int running;
    curl_multi_socket_action(f->multi, fd,
                             (what & EV_READ ? CURL_CSELECT_IN : 0) |
                                 (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
                             &running);
    drain(f);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct fetcher *f = arg;
    int running;
    (void)fd;
    (void)what;
    curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(f);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct fetcher *f = arg;
    struct event *ev = known;
    (void)easy;
    if (ev) {
        event_free(ev);
    }
    short events = EV_PERSIST;
    switch (what) {
    case CURL_POLL_IN: events |= EV_READ; break;
    case CURL_POLL_OUT: events |= EV_WRITE; break;
    case CURL_POLL_INOUT: events |= EV_READ | EV_WRITE; break;
    default: curl_multi_assign(f->multi, fd, NULL); return 0;
    }
    ev = event_new(f->base, fd, events, on_socket, f);
    if (!ev || event_add(ev, NULL) < 0) {
        limit_die("libevent", "cannot watch a socket");
    }
    curl_multi_assign(f->multi, fd, ev);
    return 0;
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct fetcher *f = arg;
    struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    (void)multi;
    return timeout_ms < 0 ? evtimer_del(f->timer) : evtimer_add(f->timer, &tv);
}

static void fetcher_init(struct fetcher *f)
{
    // The change list merges libcurl's "forget it, watch it again" of each request into nothing.
    struct event_config *config = event_config_new();
    if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) < 0) {
        limit_die("libevent", "cannot configure");
    }
    f->base = event_base_new_with_config(config);
    event_config_free(config);
    f->multi = curl_multi_init();
    f->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    f->timer = f->base ? evtimer_new(f->base, on_timer, f) : NULL;
    if (!f->multi || !f->timer || !f->sha256) {
        limit_die("fetch thread", "cannot initialise");
    }
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, 10000L);
    f->done_end = &f->done;
    f->slots = limit_realloc(NULL, f->n_slots * sizeof(f->slots[0]));
    memset(f->slots, 0, f->n_slots * sizeof(f->slots[0]));
}

static void *run(void *arg)
{
    struct fetcher *f = arg;
    fetcher_init(f);
    for (unsigned i = 0; i < f->n_slots; i++) {
        slot_init(f, &f->slots[i]);
        slot_start(f, &f->slots[i]);
    }
    if (f->running) {
        event_base_dispatch(f->base);
    }
    for (unsigned i = 0; i < f->n_slots; i++) {
        curl_easy_cleanup(f->slots[i].easy);
        EVP_MD_CTX_free(f->slots[i].hash);
    }
    curl_multi_cleanup(f->multi);
    event_free(f->timer);
    event_base_free(f->base);
    EVP_MD_free((EVP_MD *)(uintptr_t)f->sha256);
    free(f->slots);
    return NULL;
}

void limit_fetch(const struct limit_fetch_plan *plan)
{
    atomic_size_t next = 0;
    unsigned threads = plan->threads < plan->connections ? plan->threads : plan->connections;
    struct fetcher *fetchers = calloc(threads, sizeof(fetchers[0]));
    if (!fetchers || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        limit_die("libcurl", "cannot initialise");
    }
    for (unsigned i = 0; i < threads; i++) {
        struct fetcher *f = &fetchers[i];
        f->plan = plan;
        f->next = &next;
        f->n_slots = plan->connections / threads + (i < plan->connections % threads);
        if (pthread_create(&f->thread, NULL, run, f) != 0) {
            limit_die("thread", "cannot start");
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(fetchers[i].thread, NULL);
    }
    free(fetchers);
    curl_global_cleanup();
}
