-- SPDX-License-Identifier: MIT
-- Hosts that nothing needs any more are deleted. kept is the number of the host's tasks that have a
-- result; so queued + kept is how many rows refer to it, those of uploads under way apart. used_at is
-- when it was last used, or when its back-off will be over, 30 minutes after the block.
ALTER TABLE host ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
ALTER TABLE host ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
UPDATE host SET used_at = max(CAST(strftime('%s', 'now') AS INTEGER) * 1000, blocked_until + 1800000);
UPDATE host SET kept = n.kept
FROM (SELECT t.host, count(*) AS kept FROM result r JOIN task t ON t.id = r.task GROUP BY t.host) AS n
WHERE host.id = n.host;
CREATE INDEX host_unused ON host (used_at) WHERE queued = 0 AND kept = 0 AND max_concurrency = -1
    AND delay_ms = -1 AND rate_per_s = -1 AND paused = 0;
