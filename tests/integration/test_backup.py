# SPDX-License-Identifier: MIT
"""What the database offers to whoever looks after it: backups while the daemon writes, the views, earlier schemas."""
from contextlib import closing
import pathlib
import re
import shutil
import sqlite3
import threading

import pytest

from api import TEXT
from harness import TESTS, eventually, run_gatherd

SCHEMA = sorted((TESTS.parent / "schema").glob("*.sql"))


def rows(path, sql, *values):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()


# -- backup -------------------------------------------------------------------------------------
class Load:
    """Batches one after another, as long as the block lasts."""

    def __init__(self, daemon, origin, host):
        self.api, self.url, self.over, self.ids = daemon.api, origin.url("/size/20000", host), threading.Event(), []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            self.ids.append(self.api.submit([self.url] * 20)["id"])
            self.api.wait(self.ids[-1])

    def __enter__(self):
        self.thread.start()
        eventually(lambda: len(self.ids) >= 3, 20)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_a_backup_under_load_restores_to_all_that_was_finished(own_daemon, origin, hosts, tmp_path):
    daemon = own_daemon()
    file = tmp_path / "backup.db"
    with Load(daemon, origin, hosts.take()) as load:
        for _ in range(3):
            finished = load.ids[:-1]
            done = run_gatherd("--config", daemon.config, "--backup", file)
            assert done.returncode == 0 and not done.stderr, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.glob("backup*")] == ["backup.db"], "one file, complete by itself"
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    restored = own_daemon({"store": {"path": str(file)}}, name="restored")
    for batch in finished:
        assert restored.api.wait(batch)["counts"]["succeeded"] == 20
    assert len(restored.api.results(finished[-1])) == 20
    body = restored.api.get(f"/v1/batches/{finished[-1]}/tasks/7/body")
    assert body.body == daemon.api.get(f"/v1/batches/{finished[-1]}/tasks/7/body").body and len(body.body) == 20000


def test_a_backup_of_a_stopped_daemon_leaves_the_database_as_it_was(own_daemon, origin, hosts, tmp_path):
    daemon = own_daemon()
    batch = daemon.api.submit([origin.url("/ok", hosts.take())])["id"]
    daemon.api.wait(batch)
    daemon.kill()  # the log is not written back
    assert run_gatherd("--config", daemon.config, "--backup", tmp_path / "b").returncode == 0
    assert rows(tmp_path / "b", "SELECT state FROM results") == [("succeeded",)]
    assert daemon.start().api.wait(batch)["counts"]["succeeded"] == 1


@pytest.mark.parametrize("what", ["itself", "another name", "folder", "no such folder", "full"])
def test_a_backup_that_cannot_be_made_changes_nothing(own_daemon, tmp_path, what):
    daemon = own_daemon()
    path = pathlib.Path(daemon.db_path)
    (tmp_path / "link.db").hardlink_to(path)
    (tmp_path / "folder").mkdir()
    target = {"itself": path, "another name": tmp_path / "link.db", "folder": tmp_path / "folder",
              "no such folder": tmp_path / "none" / "b", "full": pathlib.Path("/dev/full")}[what]
    done = run_gatherd("--config", daemon.config, "--backup", target)
    assert done.returncode == 1 and str(target) in done.stderr, done
    assert daemon.api.get("/readyz").status == 200
    assert not list(tmp_path.glob("*.??????")) and not list(path.parent.glob("gatherd.db.??????"))


def test_a_damaged_database_makes_no_backup(own_daemon, origin, hosts, tmp_path):
    daemon = own_daemon()
    daemon.api.run([origin.url("/size/200000", hosts.take())] * 10)
    daemon.stop()
    size = pathlib.Path(daemon.db_path).stat().st_size
    with open(daemon.db_path, "r+b") as file:
        for page in range(2, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    (tmp_path / "b").write_bytes(b"the last good one")
    done = run_gatherd("--config", daemon.config, "--backup", tmp_path / "b")
    assert done.returncode == 1 and "damaged" in done.stderr or "malformed" in done.stderr, done
    assert (tmp_path / "b").read_bytes() == b"the last good one"


# -- retention ----------------------------------------------------------------------------------
def test_what_is_deleted_gives_its_space_back(own_daemon, origin, hosts):
    daemon = own_daemon()
    host = hosts.take()
    kept = daemon.api.submit([origin.url("/size/1000", host)])["id"]
    large = daemon.api.submit([origin.url("/size/1000000", host)] * 60)["id"]
    later = daemon.api.submit([origin.url("/size/2000", host)])["id"]
    for batch in (kept, large, later):
        assert daemon.api.wait(batch)["counts"]["failed"] == 0
    file = pathlib.Path(daemon.db_path)
    eventually(lambda: file.stat().st_size > 30 << 20, what="a large database")
    assert daemon.api.request("DELETE", f"/v1/batches/{large}").status == 204
    eventually(lambda: file.stat().st_size < 20 << 20, what="a small database")
    assert len(daemon.api.get(f"/v1/batches/{later}/tasks/0/body").body) == 2000
    assert rows(daemon.db_path, "PRAGMA integrity_check") == [("ok",)]


# -- views --------------------------------------------------------------------------------------
def test_the_views_tell_what_the_api_tells(own_daemon, origin, hosts):
    daemon = own_daemon()
    host = hosts.take()
    tasks = [{"url": origin.url("/ok", host), "id": "first"}, {"url": origin.url("/status/404", host)},
             {"url": origin.url("/redirect/2", host)},
             {"url": origin.url("/", port="closed"), "retry": {"max_attempts": 1}}]
    batch = daemon.api.submit({"tasks": tasks, "name": "views"})["id"]
    daemon.api.wait(batch)
    daemon.api.run([origin.url("/ok", host)])  # another batch
    told = {r["index"]: r for r in daemon.api.results(batch)}
    columns = ("idx", "seq", "id", "url", "state", "status", "attempts", "size", "content_type", "sha256", "remote_ip",
               "started_at", "finished_at", "error", "host")
    seen = rows(daemon.db_path, f"SELECT {', '.join(columns)} FROM results WHERE batch = ? AND batch_name = 'views'", batch)
    assert len(seen) == 4
    for row in (dict(zip(columns, values)) for values in seen):
        result = told[row.pop("idx")]
        error = result["error"]
        assert row.pop("error") == (error and error["code"])
        assert row.pop("host") in (host, "127.0.0.1")
        assert row == {key: result[key] for key in row}
    failures = rows(daemon.db_path, "SELECT error, status, host FROM failures WHERE batch_name = 'views' ORDER BY error")
    assert failures == [("connect_refused", None, "127.0.0.1"), ("http_status", 404, host)]
    plan = rows(daemon.db_path, "EXPLAIN QUERY PLAN SELECT * FROM results WHERE batch_name = 'views'")
    assert any("SEARCH r USING INTEGER PRIMARY KEY" in step[3] for step in plan), plan


def test_the_views_hide_what_the_api_hides(own_daemon, origin, hosts):
    daemon = own_daemon()
    batch = daemon.api.submit([origin.url("/ok", hosts.take())])["id"]
    daemon.api.wait(batch)
    daemon.stop()
    with closing(sqlite3.connect(daemon.db_path)) as db:
        assert db.execute("SELECT count(*) FROM results").fetchone() == (1,)
        db.execute("UPDATE batch SET state = 4")
        assert db.execute("SELECT count(*) FROM results").fetchone() == (0,)
        db.rollback()


def test_every_error_code_has_its_name_in_the_database(own_daemon):
    header = (TESTS.parent / "common" / "task_error.h").read_text()
    codes = re.findall(r"^    (TASK_[A-Z_0-9]+?)(?: = 0)?,", header[header.index("enum task_error {"):], re.M)
    names = dict(re.findall(r'\[(TASK_\w+)\]\s*=\s*\{"(\w+)"', (TESTS.parent / "common" / "task_error.c").read_text()))
    codes = codes[:codes.index("TASK_OK") + len(names) + 1]
    expected = [(number, names[code]) for number, code in enumerate(codes) if code != "TASK_OK"]
    assert rows(own_daemon().db_path, "SELECT id, name FROM error_code ORDER BY id") == expected and expected


# -- earlier schemas ----------------------------------------------------------------------------
@pytest.mark.parametrize("version", range(1, len(SCHEMA)))
def test_a_database_of_an_earlier_version_is_brought_up_to_date(own_daemon, origin, hosts, tmp_path, version):
    daemon = own_daemon()
    batch = daemon.api.submit({"urls": [origin.url("/ok", hosts.take())] * 5, "name": "before"})["id"]
    daemon.api.wait(batch)
    results = daemon.api.results(batch)
    waiting = daemon.api.submit({"urls": [origin.url("/ok", hosts.take())], "not_before": "2999-01-01T00:00:00Z"})["id"]
    daemon.stop()
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        for file in SCHEMA[:version]:
            db.executescript(file.read_text())
        db.execute("ATTACH ? AS new", (daemon.db_path,))
        for (table,) in db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'"
                                   " AND name NOT LIKE 'sqlite_%'").fetchall():
            columns = ", ".join(c[1] for c in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT OR REPLACE INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
        db.execute(f"PRAGMA user_version = {version}")
    shutil.move(old, daemon.db_path)
    daemon.start()
    assert rows(daemon.db_path, "PRAGMA user_version") == [(len(SCHEMA),)]
    assert daemon.api.results(batch) == results
    assert rows(daemon.db_path, "SELECT count(*) FROM results WHERE batch = ?", batch) == [(5,)]
    assert daemon.api.batch(waiting)["counts"]["queued"] == 1
    assert rows(daemon.db_path, "SELECT queued, kept, used_at > 0 FROM host ORDER BY kept") == [(1, 0, 1), (0, 5, 1)]
    assert daemon.api.run([origin.url("/ok", hosts.take())])[0]["state"] == "succeeded"
