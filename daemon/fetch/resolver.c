// SPDX-License-Identifier: MIT
// Owns a worker's name lookups: the cache, the questions under way and who waits for each. Worker's
// thread only. No address leaves it without having passed the asker's policy, and no asker is
// called from inside its own call: answers are put in `ready` and told on the next turn of the
// loop. Of a burst of names some are held back: more packets at once than a socket's buffer takes
// are lost, here and at the server.
#include "daemon/fetch/resolver.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/list.h"
#include "daemon/fetch/dns_address.h"
#include "daemon/fetch/dns_cache.h"
#include "daemon/fetch/dns_channel.h"
#include "daemon/fetch/dns_merge.h"
#include "daemon/fetch/table.h"

// Questions that are younger than the time a server has to answer. Each is two packets, and Linux
// keeps some 270 for a socket by default. Older ones do not count, so that dead servers hold nobody
// back for longer.
#define MAX_YOUNG 100

struct query {
    UT_hash_handle hh;
    struct resolver *resolver;
    struct list waiting; // of resolver_lookup
    struct list link;    // in `held`, then in `young`, then in none
    bool young;
    int64_t asked_ms;
    char name[];
};

struct resolver_lookup {
    struct list link; // in a query's `waiting`, or in `ready`
    const struct address_policy *policy;
    resolver_done_fn *fn;
    void *ctx;
    struct resolved result; // once in `ready`
};

struct resolver {
    struct metrics *metrics;
    struct dns_channel *channel;
    struct dns_cache *cache;
    struct query *queries;
    struct list held, young; // both in the order of asking
    unsigned n_young;
    struct timer pace; // when something held may go
    struct list ready;
    struct timer tell;
    int64_t timeout_ms, min_ttl_ms, max_ttl_ms, negative_ttl_ms;
};

static void vet(const struct dns_answer *a, const struct address_policy *policy,
                struct resolved *ret)
{
    ret->error = a->error;
    ret->local_shortage = a->local_shortage;
    ret->n = 0;
    for (size_t i = 0; i < a->n && ret->n < RESOLVER_MAX_ADDRESSES; i++) {
        if (address_policy_allows(policy, &a->v[i])) {
            dns_address_to_sockaddr(&a->v[i], 0, &ret->addresses[ret->n++]);
        }
    }
    if (ret->error == TASK_OK && ret->n == 0) {
        ret->error = TASK_BLOCKED_ADDRESS;
    }
}

// Takes the lookup out of whatever list it is in. `answer` NULL: there was no memory for one.
static void make_ready(struct resolver *r, struct resolver_lookup *l,
                       const struct dns_answer *answer)
{
    if (answer) {
        vet(answer, l->policy, &l->result);
    } else {
        l->result = (struct resolved){.error = TASK_DNS_TEMPORARY, .local_shortage = true};
    }
    bool first = list_empty(&r->ready);
    list_remove(&l->link);
    list_push_back(&r->ready, &l->link);
    if (first) {
        timer_set_ms(&r->tell, 0);
    }
}

static void on_tell(void *ctx)
{
    struct resolver *r = ctx;
    struct list now; // an asker may ask again: that answer waits for the next turn
    list_init(&now);
    list_splice(&now, &r->ready);
    while (!list_empty(&now)) {
        struct resolver_lookup *l = list_entry(list_pop_front(&now), struct resolver_lookup, link);
        struct resolved result = l->result;
        resolver_done_fn *fn = l->fn;
        void *asker = l->ctx;
        free(l);
        fn(asker, &result);
    }
}

static void remember(struct resolver *r, const char *name, struct dns_answer *answer)
{
    int64_t ttl_ms = answer->ttl_ms;
    if (answer->error == TASK_DNS_NOT_FOUND) {
        ttl_ms = r->negative_ttl_ms;
    } else if (answer->error != TASK_OK) {
        free(answer);
        return;
    } else if (ttl_ms < r->min_ttl_ms) {
        ttl_ms = r->min_ttl_ms;
    } else if (ttl_ms > r->max_ttl_ms) {
        ttl_ms = r->max_ttl_ms;
    }
    if (answer->incomplete && ttl_ms > r->negative_ttl_ms) {
        ttl_ms = r->negative_ttl_ms; // half of it says that there is none
    }
    dns_cache_put(r->cache, name, answer, clock_monotonic_ms() + ttl_ms);
}

static void grow_old(struct query *q)
{
    list_remove(&q->link);
    q->resolver->n_young -= q->young ? 1 : 0;
    q->young = false;
}

static void on_answer(void *ctx, struct dns_answer *answer)
{
    struct query *q = ctx;
    struct resolver *r = q->resolver;
    grow_old(q);
    if (!list_empty(&r->held)) {
        timer_set_ms(&r->pace, 0);
    }
    if (!answer || answer->error != TASK_OK) {
        metrics_add(r->metrics, METRIC_DNS_FAILURES, 1);
    }
    while (!list_empty(&q->waiting)) {
        make_ready(r, list_entry(q->waiting.next, struct resolver_lookup, link), answer);
    }
    if (answer) {
        remember(r, q->name, answer);
    }
    HASH_DEL(r->queries, q);
    free(q);
}

// Not to a machine that has IPv6 alone, where the other answer is the one that counts; nor if none
// may be reached, which is said only of all addresses.
static bool on_ipv4(void *ctx, const struct dns_answer *four)
{
    struct query *q = ctx;
    list_for_each (it, &q->waiting) {
        const struct resolver_lookup *l = list_entry(it, struct resolver_lookup, link);
        for (size_t i = 0; i < four->n; i++) {
            if (address_policy_allows(l->policy, &four->v[i])) {
                return dns_has_route(&four->v[i]);
            }
        }
    }
    return false;
}

static struct query *query_new(struct resolver *r, const char *name)
{
    size_t size = strlen(name) + 1;
    struct query *q = calloc(1, sizeof *q + size);
    if (!q) {
        return NULL;
    }
    memcpy(q->name, name, size);
    q->resolver = r;
    list_init(&q->waiting);
    list_init(&q->link);
    HASH_ADD_STR(r->queries, name, q);
    if (!TABLE_ADDED(q, hh)) {
        free(q);
        return NULL;
    }
    return q;
}

static void ask(struct query *q, int64_t now_ms)
{
    struct resolver *r = q->resolver;
    q->asked_ms = now_ms;
    q->young = true;
    r->n_young++;
    list_push_back(&r->young, &q->link);
    struct dns_asker asker = {.fn = on_answer, .suffices = on_ipv4, .ctx = q};
    if (dns_channel_ask(r->channel, q->name, &asker) < 0) {
        on_answer(q, NULL);
    }
}

static void on_pace(void *ctx)
{
    struct resolver *r = ctx;
    int64_t now_ms = clock_monotonic_ms(), left_ms = 0;
    while (!list_empty(&r->young)) {
        struct query *oldest = list_entry(r->young.next, struct query, link);
        left_ms = oldest->asked_ms + r->timeout_ms - now_ms;
        if (left_ms > 0) {
            break;
        }
        grow_old(oldest);
    }
    while (r->n_young < MAX_YOUNG && !list_empty(&r->held)) {
        ask(list_entry(list_pop_front(&r->held), struct query, link), now_ms);
    }
    if (!list_empty(&r->held)) {
        timer_set_ms(&r->pace, left_ms);
    }
}

// Joins a question under way or asks a new one, now or in its turn.
static int wait_for_answer(struct resolver *r, const char *host, struct resolver_lookup *l)
{
    struct query *q;
    HASH_FIND_STR(r->queries, host, q);
    if (q) {
        list_push_back(&q->waiting, &l->link);
        return 0;
    }
    q = query_new(r, host);
    if (!q) {
        return -1;
    }
    list_push_back(&q->waiting, &l->link);
    metrics_add(r->metrics, METRIC_DNS_LOOKUPS, 1);
    list_push_back(&r->held, &q->link);
    on_pace(r);
    return 0;
}

static struct dns_answer *literal_answer(const char *host)
{
    struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    struct in6_addr six;
    if (inet_pton(AF_INET6, host, &six) == 1) {
        a = six;
    } else if (inet_pton(AF_INET, host, &a.s6_addr[12]) != 1) {
        return NULL;
    }
    struct dns_answer *answer = dns_answer_new(1);
    if (answer) {
        answer->v[0] = a;
    }
    return answer;
}

int resolver_lookup(struct resolver *r, const char *host, const struct address_policy *policy,
                    resolver_done_fn *fn, void *ctx, struct resolver_lookup **ret)
{
    struct resolver_lookup *l = calloc(1, sizeof *l);
    if (!l) {
        return -1;
    }
    *l = (struct resolver_lookup){.policy = policy, .fn = fn, .ctx = ctx};
    list_init(&l->link);
    struct dns_answer *literal = literal_answer(host);
    const struct dns_answer *known =
        literal ? literal : dns_cache_get(r->cache, host, clock_monotonic_ms());
    if (known) {
        if (!literal) {
            metrics_add(r->metrics, METRIC_DNS_CACHE_HITS, 1);
        }
        make_ready(r, l, known);
        free(literal);
    } else if (wait_for_answer(r, host, l) < 0) {
        free(l);
        return -1;
    }
    *ret = l;
    return 0;
}

void resolver_cancel(struct resolver_lookup **l)
{
    if (!*l) {
        return;
    }
    // The question goes on: its answer will be of use to the next asker.
    list_remove(&(*l)->link);
    free(*l);
    *l = NULL;
}

int resolver_new(struct loop *loop, const struct resolver_settings *s, struct metrics *m,
                 struct err *e, struct resolver **ret)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    r->metrics = m;
    r->min_ttl_ms = s->min_ttl_ms;
    r->max_ttl_ms = s->max_ttl_ms;
    r->negative_ttl_ms = s->negative_ttl_ms;
    r->timeout_ms = s->timeout_ms;
    list_init(&r->ready);
    list_init(&r->held);
    list_init(&r->young);
    struct dns_channel_settings channel = {
        .servers = s->servers, .timeout_ms = s->timeout_ms, .tries = s->tries};
    if (timer_init(&r->tell, loop, on_tell, r, e) < 0 ||
        timer_init(&r->pace, loop, on_pace, r, e) < 0 ||
        dns_channel_new(loop, &channel, e, &r->channel) < 0) {
        resolver_free(&r);
        return -1;
    }
    if (dns_cache_new(s->max_entries, &r->cache) < 0) {
        resolver_free(&r);
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    *ret = r;
    return 0;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;
    if (!r) {
        return;
    }
    dns_channel_free(&r->channel);
    struct query *q, *next;
    HASH_ITER(hh, r->queries, q, next)
    {
        HASH_DEL(r->queries, q);
        free(q);
    }
    dns_cache_free(&r->cache);
    timer_done(&r->tell);
    timer_done(&r->pace);
    free(r);
    *resolver = NULL;
}
