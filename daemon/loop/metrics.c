// SPDX-License-Identifier: MIT
// The table of metric names. Pure data.
#include "daemon/loop/metrics.h"

static const struct metric_info table[METRIC__COUNT] = {
    [METRIC_BATCHES_ACCEPTED] = {"gatherd_batches_accepted_total", METRIC_COUNTER,
                                 "Batches accepted."},
    [METRIC_BATCHES_FINISHED] = {"gatherd_batches_finished_total", METRIC_COUNTER,
                                 "Batches whose last task ended."},
    [METRIC_TASKS_ACCEPTED] = {"gatherd_tasks_accepted_total", METRIC_COUNTER, "Tasks accepted."},
    [METRIC_TASKS_SUCCEEDED] = {"gatherd_tasks_succeeded_total", METRIC_COUNTER,
                                "Tasks that ended as succeeded."},
    [METRIC_TASKS_FAILED] = {"gatherd_tasks_failed_total", METRIC_COUNTER,
                             "Tasks that ended as failed."},
    [METRIC_TASKS_CANCELLED] = {"gatherd_tasks_cancelled_total", METRIC_COUNTER,
                                "Tasks that ended as cancelled."},
    [METRIC_TASKS_EXPIRED] = {"gatherd_tasks_expired_total", METRIC_COUNTER,
                              "Tasks that ended as expired."},
    [METRIC_TASKS_UNFINISHED] = {"gatherd_tasks_unfinished", METRIC_GAUGE,
                                 "Tasks accepted that have no result yet."},
    [METRIC_OUTCOMES_STALE] = {"gatherd_outcomes_stale_total", METRIC_COUNTER,
                               "Outcomes dropped because the task had ended meanwhile."},
    [METRIC_ATTEMPTS] = {"gatherd_attempts_total", METRIC_COUNTER, "Attempts begun."},
    [METRIC_ATTEMPTS_RETRIED] = {"gatherd_attempts_retried_total", METRIC_COUNTER,
                                 "Attempts that failed and were put back for another."},
    [METRIC_REDIRECT_HOPS] = {"gatherd_redirect_hops_total", METRIC_COUNTER, "Redirects followed."},
    [METRIC_TRANSFERS_IN_FLIGHT] = {"gatherd_transfers_in_flight", METRIC_GAUGE,
                                    "Transfers under way."},
    [METRIC_TASKS_IN_WINDOWS] = {"gatherd_tasks_in_windows", METRIC_GAUGE,
                                 "Tasks claimed by a worker that wait for their host."},
    [METRIC_HOSTS_ACTIVE] = {"gatherd_hosts_active", METRIC_GAUGE, "Hosts held by the workers."},
    [METRIC_HOSTS_BLOCKED] = {"gatherd_hosts_blocked", METRIC_GAUGE,
                              "Hosts that asked to be left alone for a while."},
    [METRIC_BYTES_RECEIVED] = {"gatherd_received_bytes_total", METRIC_COUNTER,
                               "Body bytes received from origin servers."},
    [METRIC_BODY_BYTES_HELD] = {"gatherd_body_bytes", METRIC_GAUGE,
                                "Bytes of bodies in flight, in memory or spilled."},
    [METRIC_DNS_LOOKUPS] = {"gatherd_dns_lookups_total", METRIC_COUNTER, "DNS lookups sent."},
    [METRIC_DNS_CACHE_HITS] = {"gatherd_dns_cache_hits_total", METRIC_COUNTER,
                               "Names answered from the cache."},
    [METRIC_DNS_FAILURES] = {"gatherd_dns_failures_total", METRIC_COUNTER,
                             "DNS lookups that failed."},
    [METRIC_ADDRESSES_BLOCKED] = {"gatherd_addresses_blocked_total", METRIC_COUNTER,
                                  "Connections refused by the address policy."},
    [METRIC_STORE_COMMITS] = {"gatherd_store_commits_total", METRIC_COUNTER,
                              "Transactions committed."},
    [METRIC_STORE_COMMIT_US] = {"gatherd_store_commit_seconds_total", METRIC_COUNTER,
                                "Time spent in commits."},
    [METRIC_STORE_ROWS_WRITTEN] = {"gatherd_store_rows_written_total", METRIC_COUNTER,
                                   "Tasks inserted and results recorded."},
    [METRIC_STORE_MAILBOX] = {"gatherd_store_mailbox_messages", METRIC_GAUGE,
                              "Messages that wait for the store."},
    [METRIC_STORE_BYTES] = {"gatherd_store_bytes", METRIC_GAUGE,
                            "Size of the database and its write-ahead log."},
    [METRIC_STORE_FREE_BYTES] = {"gatherd_store_free_bytes", METRIC_GAUGE,
                                 "Free space on the database's file system."},
    [METRIC_HTTP_REQUESTS] = {"gatherd_http_requests_total", METRIC_COUNTER,
                              "API requests answered."},
    [METRIC_HTTP_ERRORS_4XX] = {"gatherd_http_client_errors_total", METRIC_COUNTER,
                                "API requests answered 4xx."},
    [METRIC_HTTP_ERRORS_5XX] = {"gatherd_http_server_errors_total", METRIC_COUNTER,
                                "API requests answered 5xx."},
    [METRIC_HTTP_CONNECTIONS] = {"gatherd_http_connections", METRIC_GAUGE, "Open API connections."},
    [METRIC_HTTP_WAITERS] = {"gatherd_http_waiters", METRIC_GAUGE,
                             "API requests that wait for a batch or follow one."},
    [METRIC_UPLOAD_BYTES] = {"gatherd_upload_bytes", METRIC_GAUGE,
                             "Bytes of submissions under way."},
};

const struct metric_info *metric_info(enum metric id)
{
    return &table[id];
}

double metrics_value(struct metrics *m, enum metric id)
{
    double v = (double)metrics_get(m, id);
    return id == METRIC_STORE_COMMIT_US ? v / 1e6 : v; // Prometheus wants base units
}
