# SPDX-License-Identifier: MIT
"""The database as a file: one daemon for it whatever it is called, what a start says when it cannot be used, and what
happens when it is taken away from a running daemon. Each ends with a message that says what to do, and an exit
status: 78 where only an administrator can help, 1 where the service manager may try again."""
from contextlib import closing
import http.client
import os
import pathlib
import sqlite3
import subprocess
import time

import pytest

import harness
from api import TEXT, assert_complete
from harness import eventually


GONE = (OSError, http.client.HTTPException)


def refusal(daemon):
    """Starts it in vain: the exit status, and what it said last."""
    daemon.spawn()
    try:
        code = daemon.process.wait(15)
    except subprocess.TimeoutExpired:
        daemon.kill()
        pytest.fail("it has started")
    daemon.process = None
    return code, daemon.log()


def beside(first, folder, path):
    """Another daemon with the first one's database under the name `path`."""
    return harness.Daemon(folder / "second", {"store": {"path": str(path)}})


# -- one daemon for one database ----------------------------------------------------------------
def by_the_same_name(first, folder):
    return first.db_path


def by_a_symbolic_link(first, folder):
    os.symlink(first.db_path, folder / "linked.db")
    return folder / "linked.db"


def by_a_linked_directory(first, folder):
    os.symlink(first.folder, folder / "linked")
    return folder / "linked" / "gatherd.db"


def by_a_detour(first, folder):
    return first.folder / ".." / first.folder.name / "gatherd.db"


@pytest.mark.parametrize("name", [by_the_same_name, by_a_symbolic_link, by_a_linked_directory, by_a_detour])
def test_a_second_daemon_on_the_same_database_is_refused(own_daemon, tmp_path, name):
    first = own_daemon()
    code, said = refusal(beside(first, tmp_path, name(first, tmp_path)))
    assert code == 78 and f"in use by process {first.process.pid} " in said, said
    assert first.api.get("/livez").status == 200


def test_a_second_daemon_is_refused_though_the_lock_file_is_gone(own_daemon, tmp_path):
    first = own_daemon()
    os.unlink(first.db_path + ".lock")
    code, said = refusal(beside(first, tmp_path, first.db_path))
    assert code == 78 and "in use by another process" in said, said
    assert first.api.get("/livez").status == 200


def test_a_database_with_two_hard_links_is_refused(own_daemon, origin, hosts, tmp_path):
    """Under the other name SQLite would look for another log, and miss what is in this one."""
    first = own_daemon()
    os.link(first.db_path, tmp_path / "other.db")
    code, said = refusal(beside(first, tmp_path, tmp_path / "other.db"))
    assert code == 78 and "hard links" in said, said
    batch_id = first.api.submit([origin.url("/ok", hosts.take())])["id"]
    first.kill()
    assert refusal(first)[0] == 78
    os.unlink(tmp_path / "other.db")
    first.start()
    assert first.api.wait(batch_id)["counts"]["succeeded"] == 1


def test_of_daemons_that_start_at_once_one_wins(tmp_path):
    """Also when the database is only made now."""
    for n in range(3):
        path = str(tmp_path / f"{n}.db")
        daemons = [harness.Daemon(tmp_path / f"{n}-{i}", {"store": {"path": path}}).spawn() for i in range(4)]
        running = [d for d in daemons if _is_ready_or_refused(d)]
        try:
            assert len(running) == 1, [d.log() for d in daemons]
        finally:
            for daemon in running:
                daemon.stop(at_once=True)


def _is_ready_or_refused(daemon):
    code = eventually(lambda: daemon.process.poll() or ("gatherd is ready" in daemon.log() and "ready"), 20)
    assert code in (78, "ready"), daemon.log()
    return code == "ready"


# -- what cannot be used ------------------------------------------------------------------------
def no_directory(path):
    return path.parent / "nowhere" / "gatherd.db"


def a_directory(path):
    path.mkdir()
    return path


def another_file(path):
    path.write_text("These are my notes. They are not a database.\n" * 100)
    return path


def a_spoilt_first_page(path):
    made_by_gatherd(path)
    with open(path, "r+b") as db:
        db.write(b"not a database at all")
    return path


def a_foreign_database(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")
        db.commit()
    return path


def a_newer_schema(path):
    made_by_gatherd(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9999")
    return path


def made_by_gatherd(path):
    with harness.Daemon(path.parent / "maker", {"store": {"path": str(path)}}):
        pass


UNUSABLE = {
    no_directory: (1, "nowhere/gatherd.db (store.path) for writing: No such file or directory"),
    a_directory: (1, "Is a directory"),
    another_file: (1, "restore it from a backup or move it away"),
    a_spoilt_first_page: (1, "restore it from a backup or move it away"),
    a_foreign_database: (78, "belongs to another program: set store.path"),
    a_newer_schema: (78, "schema version 9999, but this program knows only up to"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_database_that_cannot_be_used_is_refused_and_left_alone(tmp_path, what):
    path = what(tmp_path / "gatherd.db")
    before = path.read_bytes() if path.is_file() else None
    code, said = refusal(harness.Daemon(tmp_path / "gatherd", {"store": {"path": str(path)}}))
    assert (code, UNUSABLE[what][1] in said) == (UNUSABLE[what][0], True), (code, said)
    assert before is None or path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("file,directory", [(0o444, 0o777), (0o000, 0o777), (0o666, 0o555)])
def test_a_database_that_may_not_be_written_is_refused(own_daemon, tmp_path, file, directory):
    daemon = own_daemon()
    daemon.stop()
    os.chmod(daemon.db_path, file)
    os.chmod(daemon.folder, directory)
    os.chmod(daemon.config, 0o644)
    for folder in (daemon.folder.parents[0], daemon.folder.parents[1], daemon.folder.parents[2]):
        os.chmod(folder, 0o755)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                           harness.program("GATHERD_BIN"), "--config", daemon.config],
                          capture_output=True, text=True, timeout=15)
    assert done.returncode == 1 and daemon.db_path in done.stderr, done
    assert "ermission denied" in done.stderr or "are writable for this user" in done.stderr, done


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_start_while_another_program_holds_the_database_says_so(own_daemon, lock):
    daemon = own_daemon()
    daemon.stop()
    with closing(sqlite3.connect(daemon.db_path, isolation_level=None)) as db:
        if "EXCLUSIVE" in lock:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute(lock)
        code, said = refusal(daemon)
    assert code == 1 and "another program (a backup, a shell) holds it" in said, (code, said)
    daemon.start()


def test_a_log_that_lost_its_end_is_taken_up_to_there(own_daemon, origin, hosts):
    """What a file system that was repaired may leave: the transactions that are whole are there, nothing else is."""
    daemon = own_daemon()
    host = hosts.take()
    batches = [daemon.api.submit([origin.url(f"/ok?{n}-{i}", host) for i in range(5)])["id"] for n in range(30)]
    for batch_id in batches:
        daemon.api.wait(batch_id)
    daemon.kill()
    log = pathlib.Path(daemon.db_path + "-wal")
    os.truncate(log, log.stat().st_size * 2 // 3 + 100)
    daemon.start()
    left = [b["id"] for b in daemon.api.get_json("/v1/batches?limit=1000")["batches"]][::-1]
    assert 0 < len(left) and left == batches[:len(left)]
    for batch_id in left:
        assert daemon.api.wait(batch_id)["counts"]["succeeded"] == 5
        assert_complete(daemon.api, batch_id, 5)


# -- taken away while in use --------------------------------------------------------------------
def deleted(path):
    path.unlink()


def moved(path):
    path.rename(path.with_name("moved.db"))


def replaced(path):
    other = path.with_name("other.db")
    other.write_bytes(b"")
    other.rename(path)


def its_log_deleted(path):
    path.with_name("gatherd.db-wal").unlink()


def _ends_when_it_is_to_write(daemon, url):
    try:
        daemon.api.post("/v1/batches", [url])
    except GONE:
        pass
    return daemon.process.poll() is not None


@pytest.mark.parametrize("how", [deleted, moved, replaced, its_log_deleted])
def test_a_daemon_whose_database_is_taken_away_stops(own_daemon, origin, hosts, how):
    """It must not go on answering 202 for what nobody can open again."""
    daemon = own_daemon()
    host = hosts.take()
    batch = daemon.api.submit("".join(origin.url(f"/ok?{i}\n", host) for i in range(500)), media_type=TEXT)
    daemon.api.wait(batch["id"])
    how(pathlib.Path(daemon.db_path))
    eventually(lambda: _ends_when_it_is_to_write(daemon, origin.url("/ok", host)), 10, 0.1, "the daemon's end")
    assert daemon.process.wait() == 1
    daemon.process = None
    assert "was moved, replaced or deleted while in use" in daemon.log()
    if how is moved:  # what it had answered is in the file, wherever that is now
        for end in ("-wal", "-shm"):
            pathlib.Path(daemon.db_path + end).unlink(missing_ok=True)
        pathlib.Path(daemon.db_path).with_name("moved.db").rename(daemon.db_path)
    if how in (moved, its_log_deleted):
        daemon.start()
        assert len(assert_complete(daemon.api, batch["id"], 500)) == 500
