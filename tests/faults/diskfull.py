#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The file system of the database fills up: 507 before it happens, results go on being recorded, and everything resumes
by itself when there is space again. Needs to mount a small tmpfs, so root.
"""
import os
import subprocess
import threading
import time

import campaign
from api import assert_complete, assert_problem
from database import check_database
from harness import Daemon, Origin, eventually
import process

SIZE_MIB, RESERVE_MIB = 64, 16


class SmallDisk:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", folder], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise campaign.Skip("a tmpfs cannot be mounted here: " + done.stderr.strip())
        self.filler = folder / "filler"

    def free(self):
        about = os.statvfs(self.folder)
        return about.f_bavail * about.f_frsize

    def leave(self, n):
        """Fills it up but for n bytes."""
        with open(self.filler, "ab") as file:
            while self.free() > n:
                try:
                    file.write(bytes(min(1 << 20, self.free() - n)))
                    file.flush()
                except OSError:
                    return

    def make_room(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.folder], check=False)


def status_of_submission(daemon, url):
    return daemon.api.post("/v1/batches", [url]).status


def log_size(daemon):
    return os.stat(daemon.db_path + "-wal").st_size


def gives_back_what_its_log_takes(daemon, origin, disk):
    """The write-ahead log holds pages many times over: near the watermark it is written back and cut off. A daemon with
    nothing to do sleeps, so it is asked something."""
    while log_size(daemon) < 6 << 20:
        daemon.api.run([origin.url(f"/ok?{i}", f"127.0.0.{2 + i % 8}") for i in range(8)])
    disk.leave((RESERVE_MIB - 4) << 20)
    url = origin.url("/ok", "127.0.0.2")
    eventually(lambda: status_of_submission(daemon, url) == 507 and log_size(daemon) < 1 << 20, 5, what="a log that gave its "
               "space back")
    disk.make_room()


def refuses_before_it_is_full(daemon, origin, disk):
    url = origin.url("/ok", "127.0.0.2")
    eventually(lambda: status_of_submission(daemon, url) == 202, 5, what="202 when there is space again")
    running = daemon.api.submit([origin.url(f"/delay/2000?{i}", f"127.0.0.{2 + i % 8}") for i in range(40)])["id"]
    queued = daemon.api.submit([origin.url(f"/size/1000?{i}", f"127.0.0.{2 + i % 8}") for i in range(400)])["id"]
    disk.leave((RESERVE_MIB - 4) << 20)
    eventually(lambda: status_of_submission(daemon, url) == 507, 5, what="507 before the disk is full")
    problem = assert_problem(daemon.api.post("/v1/batches", [url]), 507, "storage_full")
    assert problem["detail"]
    for batch_id, n in ((running, 40), (queued, 400)):
        assert daemon.api.wait(batch_id, 30)["counts"]["succeeded"] == n
    disk.make_room()
    eventually(lambda: status_of_submission(daemon, url) == 202, 5, what="202 when there is space again")


def results_are_kept_while_it_is_full(daemon, origin, disk):
    """Not a byte is left: what ends is recorded with the ballast, or waits; the daemon lives, answers, does not spin."""
    ids = [daemon.api.submit([origin.url(f"/delay/{400 + i}?{i}{n}", f"127.0.0.{2 + i % 8}") for i in range(40)])["id"]
           for n in range(2)]
    large = daemon.api.submit([origin.url(f"/size/400000?ms=1000&{i}", f"127.0.0.{2 + i % 8}")
                                 for i in range(30)])["id"]
    disk.leave(0)
    time.sleep(3)
    before = process.cpu_s(daemon)
    time.sleep(2)
    used = (process.cpu_s(daemon) - before) / 2
    assert used < 0.5, f"it uses {used:.0%} of a core while the disk is full"
    assert daemon.api.get("/livez").status == 200
    for batch_id in [*ids, large]:
        daemon.api.batch(batch_id)
    assert status_of_submission(daemon, origin.url("/ok")) == 507
    eventually(lambda: 'will be tried again reason="No space left on device"' in daemon.log(), what="word of the large bodies")
    disk.make_room()
    for batch_id in ids:
        assert daemon.api.wait(batch_id, 30)["counts"]["succeeded"] == 40
        assert_complete(daemon.api, batch_id, 40)
    daemon.api.wait(large, 60)
    return used, daemon.api.batch(large)["counts"]


class Client(threading.Thread):
    """Submits without a pause; nothing but 202 and 507 may come back."""

    def __init__(self, daemon, urls, stop):
        super().__init__(daemon=True)
        self.api, self.urls, self.stop = daemon.api, urls, stop
        self.accepted, self.refused, self.failure = [], 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                response = self.api.post("/v1/batches", self.urls)
                if response.status == 202:
                    self.accepted.append(response.json()["id"])
                    time.sleep(0.01)  # what is accepted must fit when the filler has gone
                else:
                    assert_problem(response, 507, "storage_full")
                    self.refused += 1
                    time.sleep(0.01)
        except Exception as e:  # noqa: BLE001
            self.failure = e


def filling_and_emptying(daemon, origin, disk, rounds):
    stop = threading.Event()
    clients = [Client(daemon, [origin.url(f"/size/300?{i}", f"127.0.0.{n + 2}") for i in range(3)], stop)
               for n in range(3)]
    for client in clients:
        client.start()
    for n in range(rounds):
        disk.leave(0 if n % 2 else 2 << 20)
        time.sleep(1.5)
        disk.make_room()
        time.sleep(1.5)
    stop.set()
    accepted = []
    for client in clients:
        client.join(30)
        if client.failure:
            raise client.failure
        accepted += client.accepted
    for batch_id in accepted:
        assert daemon.api.wait(batch_id, 60)["counts"]["succeeded"] == 3
        assert_complete(daemon.api, batch_id, 3)
    refused = sum(c.refused for c in clients)
    assert accepted and refused
    return len(accepted), refused


def starts_while_it_is_full(daemon, origin, disk):
    """In what the ballast gives, after a stop as after a kill: what is there can be read, and space alone is lacking."""
    batch_id = daemon.api.submit([origin.url("/ok?kept", "127.0.0.2")])["id"]
    daemon.api.wait(batch_id)
    for end in (daemon.stop, daemon.kill):
        end()
        disk.leave(0)
        daemon.start()
        assert daemon.api.batch(batch_id)["counts"]["succeeded"] == 1
        eventually(lambda: status_of_submission(daemon, origin.url("/ok")) == 507, 5, what="507 after the start")
        disk.make_room()
        eventually(lambda: status_of_submission(daemon, origin.url("/ok")) == 202, 5, what="202 when there is space again")
        eventually(lambda: os.path.exists(daemon.db_path + ".ballast"), 5, what="the ballast")


def says_that_it_cannot_be_made(folder, disk):
    disk.leave(0)
    daemon = Daemon(folder / "late", {"store": {"path": str(disk.folder / "late.db")}}).spawn()
    assert daemon.process.wait(10) == 1
    assert "No space left on device" in daemon.log() or "its file system is full: make space" in daemon.log(), daemon.log()
    disk.make_room()


def fill_up(chosen, folder):
    disk = SmallDisk(folder / "disk")
    origin, daemon = Origin(10), None
    try:
        daemon = Daemon(folder / "daemon", {"store": {"path": str(disk.folder / "gatherd.db"),
                                                      "min_free": f"{RESERVE_MIB}M"}})
        daemon.start()
        gives_back_what_its_log_takes(daemon, origin, disk)
        refuses_before_it_is_full(daemon, origin, disk)
        used, counts = results_are_kept_while_it_is_full(daemon, origin, disk)
        assert counts["succeeded"] == counts["total"], counts
        daemon.restart()
        for batch in daemon.api.get_json("/v1/batches?limit=1000")["batches"]:
            assert daemon.api.request("DELETE", f"/v1/batches/{batch['id']}?force=1").status == 204
        starts_while_it_is_full(daemon, origin, disk)
        says_that_it_cannot_be_made(folder, disk)
        accepted, refused = filling_and_emptying(daemon, origin, disk, chosen.cycles)
        daemon.stop()
        check_database(daemon)
    finally:
        process.stop(daemon, origin)
        disk.unmount()
    return (f"507 in time; {used:.0%} of a core while full; {chosen.cycles} times filled and emptied: {accepted} batches "
            f"accepted and whole, {refused} refused")


if __name__ == "__main__":
    campaign.run(fill_up, campaign.options(__doc__.split("\n")[0], cycles=4))
