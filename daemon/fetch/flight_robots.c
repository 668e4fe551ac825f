// SPDX-License-Identifier: MIT
// Before a hop to a host whose robots.txt is obeyed. The first flight that needs the file hands its
// slot to an errand: a flight of no task, which fetches the file under all the rules that hold for
// tasks, redirects to other workers' hosts included, and ends with a message to the worker it set
// out from. Meanwhile the flights that need the file are parked, without a slot and without their
// time running; then they wait for a slot again, before all fresh tasks. Worker's thread only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/fetch/flight.h"

#define MAX_REDIRECTS 5                   // RFC 9309 §2.3.1.2
#define NO_BATCH      0                   // no batch has this number
#define NO_TASK       (UINT64_C(1) << 63) // nor a task one with this bit
#define KEY_MAX       (3 * URL_MAX)

// What an errand is for, and in the end what came of it.
struct errand {
    struct message msg; // WORKER_ROBOTS
    unsigned home;      // the worker it set out from
    char *key;          // of the entry there
    enum task_error error;
    int status;
    bool redirected;
    char *text;
    size_t n;
    int64_t
        again_ms; // >= 0: nothing came of it for want of something here; try again so much later
};

static void free_message(struct message *m)
{
    struct errand *e = (struct errand *)m;
    flight_free_errand(&e);
}

void flight_free_errand(struct errand **e)
{
    if (*e) {
        free((*e)->key);
        free((*e)->text);
        free(*e);
        *e = NULL;
    }
}

// ---- setting out

// One file for each origin, and for each way to it: through a proxy, or past the certificate, it
// may be another.
static int make_key(const struct flight *f, struct buf *ret)
{
    const char *proxy = f->options.proxy;
    buf_append(ret, f->url_text.data, f->url.path_offset);
    buf_printf(ret, "%s%s%s", proxy ? " by " : "", proxy ? proxy : "",
               f->options.verify_tls ? "" : " unverified");
    return ret->failed ? -1 : 0;
}

static struct errand *errand_new(unsigned home, const char *key)
{
    struct errand *e = calloc(1, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->msg = (struct message){.kind = WORKER_ROBOTS, .free = free_message};
    list_init(&e->msg.link);
    e->home = home;
    e->again_ms = -1;
    e->key = strdup(key);
    if (!e->key) {
        flight_free_errand(&e);
    }
    return e;
}

static int set_request(struct flight *f, const struct flight *for_whom)
{
    const struct task_options *wanted = &for_whom->options;
    if (task_options_init(&f->options, &f->settings->task_limits) < 0) {
        return -1;
    }
    f->method = f->options.method;
    f->options.max_redirects = MAX_REDIRECTS;
    f->options.max_body_bytes = ROBOTS_MAX_BYTES + 1; // so that a longer file is known as one
    f->options.verify_tls = wanted->verify_tls;
    if (wanted->proxy) {
        f->options.proxy = strdup(wanted->proxy);
        if (!f->options.proxy) {
            return -1;
        }
    }
    struct buf text = BUF_INIT(URL_MAX + sizeof("/robots.txt"));
    buf_append(&text, for_whom->url_text.data, for_whom->url.path_offset);
    buf_append_str(&text, "/robots.txt");
    bool good =
        !text.failed && url_parse(text.data, text.len, &f->url, &f->url_text, NULL) == URL_OK;
    buf_done(&text);
    return good ? 0 : -1;
}

// A flight that holds nothing yet; NULL without memory.
static struct flight *new_flight(struct flight *for_whom, const char *key)
{
    struct worker *w = for_whom->worker;
    uint64_t number = NO_TASK | (uint64_t)w->number << 48 | w->n_errands++;
    struct batch_share *share = batch_shares_get(&w->batches, NO_BATCH, NULL);
    struct errand *e = errand_new(w->number, key);
    struct flight *f = share && e ? flight_new_errand(w, number, e) : NULL;
    if (!f) {
        flight_free_errand(&e);
    } else if (set_request(f, for_whom) < 0) {
        HASH_DEL(w->flights, f);
        flight_free(f);
        f = NULL;
    } else {
        f->batch = share;
        list_push_back(&share->flights, &f->in_batch);
        atomic_fetch_add(&w->shared->in_flight, 1);
        metrics_add(w->shared->metrics, METRIC_TRANSFERS_IN_FLIGHT, 1);
        return f;
    }
    if (share) {
        batch_shares_review(&w->batches, share);
    }
    return f;
}

// ---- parking

static void park(struct flight *f, struct robots_entry *e, struct host *h)
{
    flight_move(f, FLIGHT_PARKED);
    f->parked = e;
    e->host = h;
    list_push_back(&e->waiting, &f->link);
    h->queue.n_parked++;
}

void flight_unpark(struct flight *f)
{
    struct host *h = f->parked->host;
    list_remove(&f->link);
    f->parked = NULL;
    h->queue.n_parked--;
    worker_touch(f->worker, h);
}

static void wait_for_file(struct flight *f, struct robots_entry *e)
{
    struct host *h = f->host;
    if (e->fetching) {
        flight_release_slot(f);
        park(f, e, h);
        return;
    }
    struct flight *errand = new_flight(f, e->key);
    if (!errand) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    e->fetching = true;
    f->host = NULL; // its slot is the errand's now
    f->unsent = false;
    park(f, e, h);
    flight_go(errand, h);
}

bool flight_stopped_by_robots(struct flight *f)
{
    struct worker *w = f->worker;
    if (f->errand || !fetch_settings_obeys_robots(f->settings, f->url.host)) {
        return false;
    }
    struct buf key = BUF_INIT(KEY_MAX);
    struct robots_entry *e = make_key(f, &key) == 0 ? robots_cache_get(&w->robots, key.data) : NULL;
    buf_done(&key);
    if (!e) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return true;
    }
    const char *target = f->url_text.data + f->url.path_offset;
    switch (robots_cache_check(e, target, clock_monotonic_ms())) {
    case ROBOTS_ALLOWED: return false;
    case ROBOTS_UNKNOWN: wait_for_file(f, e); break;
    case ROBOTS_FORBIDDEN:
        flight_fail(f, e->error == TASK_OK ? TASK_BLOCKED_ROBOTS : e->error,
                    e->why[0] ? e->why : NULL);
        break;
    }
    return true;
}

// ---- coming back

// The whole body as text; NULL without memory, or if it cannot be read back.
static char *text_of(struct body *b)
{
    char *text = b->data;
    if (text || b->size == 0) {
        b->data = NULL;
        return text ? text : strdup("");
    }
    text = malloc((size_t)b->size);
    size_t n = 0;
    while (text && n < b->size) {
        ssize_t got = pread(b->fd, text + n, (size_t)b->size - n, (off_t)n);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        n += (size_t)got;
    }
    return text;
}

static void send_home(struct flight *f)
{
    struct errand *e = f->errand;
    f->errand = NULL;
    mailbox_post(f->worker->shared->mailboxes[e->home], &e->msg);
}

void flight_end_errand(struct flight *f, struct transfer_result *r)
{
    struct errand *e = f->errand;
    e->error = r->error == TASK_HTTP_STATUS ? TASK_OK : r->error;
    e->status = r->status;
    e->redirected = f->hops > 0;
    if (r->has_body) {
        e->n = (size_t)r->body.size;
        e->text = text_of(&r->body);
        e->again_ms = e->text ? -1 : FLIGHT_SHORTAGE_MS;
    }
    send_home(f);
}

void flight_postpone_errand(struct flight *f, int64_t delay_ms)
{
    f->errand->again_ms = delay_ms;
    send_home(f);
}

void flight_on_robots(struct worker *w, const struct message *m)
{
    const struct errand *e = (const struct errand *)m;
    struct robots_entry *entry = robots_cache_get(&w->robots, e->key);
    if (!entry) {
        return; // cannot be: it was being fetched, and those are kept
    }
    struct robots_answer answer = {.error = e->error,
                                   .status = e->status,
                                   .text = e->text,
                                   .n = e->n,
                                   .redirected = e->redirected};
    char token[ROBOTS_TOKEN_MAX + 1];
    robots_product_token(w->settings->transfer.user_agent, token);
    int64_t again_ms = e->again_ms;
    if (again_ms < 0 &&
        robots_cache_learn(&w->robots, entry, &answer, token, clock_monotonic_ms()) < 0) {
        again_ms = FLIGHT_SHORTAGE_MS;
    }
    entry->fetching = false;
    struct list *link;
    while ((link = list_pop_front(&entry->waiting))) {
        struct flight *f = list_entry(link, struct flight, link);
        struct host *h = entry->host;
        flight_unpark(f);
        if (again_ms >= 0) {
            flight_give_back(f, again_ms);
        } else {
            flight_wait_for_host(f, h);
        }
    }
    worker_want_turn(w);
}
