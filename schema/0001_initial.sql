-- SPDX-License-Identifier: MIT
-- The first schema. Times are Unix milliseconds, 0 = none. A task's number is batch << 24 | idx, a
-- result's is batch << 24 | seq, so that what belongs to one batch lies side by side.

-- state: 0 loading (invisible, removed at start), 1 running, 2 paused, 3 finished, 4 removed
-- (invisible, its rows are being deleted). halt: the task state that what is unfinished is to end with
-- (4 cancelled, 5 expired), or 0. A batch's last seq is the sum of its four terminal counters.
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE,
    state INTEGER NOT NULL,
    halt INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    fail_fast INTEGER NOT NULL,
    created_at INTEGER NOT NULL DEFAULT 0,
    not_before_at INTEGER NOT NULL DEFAULT 0,
    deadline_at INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER NOT NULL DEFAULT 0,
    cancel_requested_at INTEGER NOT NULL DEFAULT 0,
    retry_of BLOB,
    name TEXT,
    idempotency_key TEXT,
    metadata TEXT,
    defaults TEXT
);
CREATE INDEX batch_state ON batch (state, id);
CREATE INDEX batch_name ON batch (name, id) WHERE name IS NOT NULL;
CREATE INDEX batch_not_before ON batch (not_before_at) WHERE not_before_at > 0;
CREATE INDEX batch_deadline ON batch (deadline_at) WHERE deadline_at > 0 AND halt = 0 AND state < 3;
CREATE INDEX batch_halting ON batch (id) WHERE halt > 0 AND state < 3;
CREATE INDEX batch_finished ON batch (finished_at) WHERE state = 3;

-- queued is the number of the host's ready rows, those of loading batches included.
CREATE TABLE host (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    max_concurrency INTEGER NOT NULL DEFAULT -1,
    delay_ms INTEGER NOT NULL DEFAULT -1,
    rate_per_s REAL NOT NULL DEFAULT -1,
    paused INTEGER NOT NULL DEFAULT 0,
    blocked_until INTEGER NOT NULL DEFAULT 0,
    backoff_level INTEGER NOT NULL DEFAULT 0,
    queued INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    bytes_received INTEGER NOT NULL DEFAULT 0
);

-- Never changed after the insert.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    host INTEGER NOT NULL,
    url TEXT NOT NULL,
    ext_id TEXT,
    metadata TEXT,
    spec TEXT
);

-- One narrow row per unfinished task: the promise. It is deleted in the transaction that inserts the
-- result. prio is 9 - priority; attempt is the number of attempts made; not_before is set while a retry
-- waits; sent marks a request that must not be repeated.
CREATE TABLE ready (
    host INTEGER NOT NULL,
    prio INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (host, prio, batch, idx)
) WITHOUT ROWID;
CREATE INDEX ready_retry ON ready (host, not_before) WHERE not_before > 0;
CREATE INDEX ready_due ON ready (not_before) WHERE not_before > 0;
CREATE INDEX ready_sent ON ready (sent) WHERE sent > 0;

-- body is the first row of table body that holds a part of the body, 0 if there is none.
CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    state INTEGER NOT NULL,
    status INTEGER NOT NULL,
    error INTEGER NOT NULL,
    retryable INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    has_body INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    size INTEGER NOT NULL,
    body INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL,
    connect_ms INTEGER NOT NULL,
    tls_ms INTEGER NOT NULL,
    first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    message TEXT,
    final_url TEXT,
    redirects TEXT,
    http_version TEXT,
    remote_ip TEXT,
    content_type TEXT,
    sha256 BLOB,
    headers TEXT
);
CREATE INDEX result_task ON result (task, state);
CREATE INDEX result_state ON result (state, id);

-- Bodies in parts of 256 KiB with consecutive numbers, so that any offset is reached at once.
CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- Attempts that were not the last one; the last is in the result.
CREATE TABLE attempt (
    task INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    error INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL,
    connect_ms INTEGER NOT NULL,
    tls_ms INTEGER NOT NULL,
    first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    message TEXT,
    remote_ip TEXT,
    PRIMARY KEY (task, number)
) WITHOUT ROWID;

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    batch INTEGER NOT NULL,
    hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
