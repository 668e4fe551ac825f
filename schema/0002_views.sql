-- SPDX-License-Identifier: MIT
-- Views for people who open the database read-only with sqlite3: results and failures, documented in
-- docs/operations.md. The daemon itself does not use them. A migration that adds an error code adds its row.

CREATE TABLE error_code (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO error_code (id, name) VALUES
    (1, 'dns_not_found'),
    (2, 'dns_temporary'),
    (3, 'connect_refused'),
    (4, 'connect_timeout'),
    (5, 'connect_failed'),
    (6, 'connection_reset'),
    (7, 'empty_reply'),
    (8, 'tls_verify'),
    (9, 'tls_handshake'),
    (10, 'timeout_first_byte'),
    (11, 'timeout_stall'),
    (12, 'timeout_total'),
    (13, 'http_protocol'),
    (14, 'http_status'),
    (15, 'header_too_large'),
    (16, 'body_too_large'),
    (17, 'truncated_body'),
    (18, 'content_encoding'),
    (19, 'too_many_redirects'),
    (20, 'redirect_invalid'),
    (21, 'redirect_scheme'),
    (22, 'blocked_address'),
    (23, 'blocked_port'),
    (24, 'proxy'),
    (25, 'cancelled'),
    (26, 'expired'),
    (27, 'interrupted'),
    (28, 'crash_loop'),
    (29, 'internal'),
    (30, 'blocked_robots');

-- id << 24 instead of >> of the result's, so that the results of one batch are found by their index.
CREATE VIEW results AS
SELECT
    lower(substr(hex(b.uuid), 1, 8) || '-' || substr(hex(b.uuid), 9, 4) || '-' || substr(hex(b.uuid), 13, 4)
        || '-' || substr(hex(b.uuid), 17, 4) || '-' || substr(hex(b.uuid), 21)) AS batch,
    b.name AS batch_name,
    r.id & 0xffffff AS seq,
    r.task & 0xffffff AS idx,
    t.ext_id AS id,
    h.name AS host,
    t.url,
    r.final_url,
    CASE r.state WHEN 2 THEN 'succeeded' WHEN 3 THEN 'failed' WHEN 4 THEN 'cancelled' ELSE 'expired' END AS state,
    nullif(r.status, 0) AS status,
    e.name AS error,
    r.message,
    r.attempts,
    r.size,
    r.content_type,
    nullif(lower(hex(r.sha256)), '') AS sha256,
    r.remote_ip,
    nullif(r.total_ms, -1) AS total_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', nullif(r.started_at, 0) / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') AS finished_at,
    r.headers
FROM batch b
JOIN result r ON r.id >= b.id << 24 AND r.id < (b.id + 1) << 24
JOIN task t ON t.id = r.task
LEFT JOIN host h ON h.id = t.host
LEFT JOIN error_code e ON e.id = nullif(r.error, 0)
WHERE b.state IN (1, 2, 3);

CREATE VIEW failures AS
SELECT batch, batch_name, seq, idx, id, host, url, status, error, message, attempts, finished_at
FROM results WHERE state = 'failed';
