# SPDX-License-Identifier: MIT
"""What must hold of the database of a daemon that is down, at whatever moment it was stopped."""
from contextlib import closing
import os
import shutil
import sqlite3

SHIFT = 24  # a task's row number is its batch's shifted so far, plus its index; a result's plus its seq
PART = 256 * 1024  # bytes of a body in one row
VISIBLE = "SELECT id FROM batch WHERE state IN (1, 2, 3)"  # not loading, not being removed

# Each finds rows that must not be there.
CONTRADICTIONS = {
    "a task both ready and done":
        f"SELECT 1 FROM ready JOIN result ON result.task = (ready.batch << {SHIFT}) + ready.idx",
    "a task neither ready nor done":
        f"SELECT 1 FROM task WHERE id >> {SHIFT} IN ({VISIBLE}) AND id NOT IN (SELECT task FROM result) "
        f"AND id NOT IN (SELECT (batch << {SHIFT}) + idx FROM ready)",
    "a ready row without a task":
        f"SELECT 1 FROM ready WHERE batch IN ({VISIBLE}) AND (batch << {SHIFT}) + idx NOT IN (SELECT id FROM task)",
    "a task with two results": "SELECT task FROM result GROUP BY task HAVING count(*) > 1",
    "a batch whose tasks are not numbered 0 to n - 1":
        f"SELECT batch.id FROM batch LEFT JOIN task ON task.id >> {SHIFT} = batch.id WHERE batch.id IN ({VISIBLE}) "
        f"GROUP BY batch.id HAVING count(task.id) <> total OR max(task.id) <> (batch.id << {SHIFT}) + total - 1",
    "a batch whose results are not numbered 1 to n":
        f"SELECT id >> {SHIFT} AS b FROM result WHERE b IN ({VISIBLE}) GROUP BY b "
        f"HAVING max(id) <> (b << {SHIFT}) + count(*) OR min(id) <> (b << {SHIFT}) + 1",
    "a batch whose counters are not its results":
        f"SELECT batch.id FROM batch LEFT JOIN result ON result.id >> {SHIFT} = batch.id "
        f"WHERE batch.id IN ({VISIBLE}) GROUP BY batch.id HAVING (succeeded, failed, cancelled, expired) <> "
        f"(total(result.state = 2), total(result.state = 3), total(result.state = 4), total(result.state = 5))",
    "a finished batch with unfinished tasks":
        "SELECT 1 FROM batch WHERE state = 3 AND succeeded + failed + cancelled + expired <> total",
    "a host whose queue is not its ready rows":
        "SELECT 1 FROM host WHERE queued <> (SELECT count(*) FROM ready WHERE ready.host = host.id)",
    "a host whose kept tasks are not those with a result":
        "SELECT 1 FROM host LEFT JOIN (SELECT task.host AS id, count(*) AS n FROM task "
        "JOIN result ON result.task = task.id GROUP BY task.host) AS k ON k.id = host.id WHERE kept <> coalesce(n, 0)",
    "a task without its host":
        f"SELECT 1 FROM task WHERE id >> {SHIFT} IN ({VISIBLE}) AND host NOT IN (SELECT id FROM host)",
    "two batches of one idempotency key":
        "SELECT 1 FROM batch WHERE state <> 4 AND idempotency_key IS NOT NULL GROUP BY idempotency_key "
        "HAVING count(*) > 1",
    "a result whose body is not there as a whole":
        f"SELECT 1 FROM (SELECT id, body AS first, (size + {PART - 1}) / {PART} AS n FROM result WHERE body > 0) AS r "
        f"WHERE r.id >> {SHIFT} IN ({VISIBLE}) AND n <> "
        "(SELECT count(*) FROM body WHERE body.id >= first AND body.id < first + n)",
    "a part of no body, neither of a result nor of one that was begun":
        f"WITH span AS (SELECT body AS first, body + (size + {PART - 1}) / {PART} AS end FROM result WHERE body > 0 "
        "UNION ALL SELECT first, first + parts FROM body_begun), "
        "place AS (SELECT first AS id, end, 0 AS part FROM span UNION ALL SELECT id, 0, 1 FROM body) "
        "SELECT 1 FROM (SELECT id, part, max(end) OVER (ORDER BY id, part) AS end FROM place) WHERE part AND id >= end",
}


def check_database(daemon):
    """Sound, and free of contradictions. A copy is looked at, since whoever opens the original recovers its
    write-ahead log, which is the daemon's to do at its next start."""
    folder = daemon.folder / "copy"
    folder.mkdir(exist_ok=True)
    for end in ("", "-wal", "-shm"):
        (folder / f"copy.db{end}").unlink(missing_ok=True)
    if not os.path.exists(daemon.db_path):
        return  # killed before it was made
    for end in ("", "-wal"):
        if os.path.exists(daemon.db_path + end):
            shutil.copy(daemon.db_path + end, folder / f"copy.db{end}")
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if db.execute("PRAGMA user_version").fetchone() == (0,):
            return  # killed before its tables were made
        for what, query in CONTRADICTIONS.items():
            found = db.execute(query).fetchone()
            assert found is None, f"{what}: {found} in {folder}"
