# SPDX-License-Identifier: MIT
"""Cases about what gatherd does besides fetching: accepting, answering, streaming, queueing, waiting, resting."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import threading
import time

from . import machine
from .daemon import Gatherd
from .machine import BenchError, run_timed

NEVER = "?not_before=2099-01-01T00:00:00Z"
BATCH_MAX = 1000000
PROBES = 50
GROWTH_PROBES = 5  # one second each: other load on the machine changes a single one by a fifth
SETTLE_S = 75  # the rates of the last minute are sampled for as long
PEER_WAITERS = machine.TOP / "bench" / "peer_waiters.py"


def daemon(env, **sections):
    return Gatherd(env.gatherd, env.new_folder(), sections)


def submit(env, record):
    """Seconds from the first byte of a text/plain POST to the 202, against the bare inserts."""
    n = min(env.options.queued, BATCH_MAX)
    urls = env.nginx.urls("small", n)
    with daemon(env) as d:
        body = "\n".join(urls).encode()
        machine.reset_peak(d.pid)
        before, cpu = machine.memory_kib(d.pid), machine.cpu_seconds(d.pid)
        start = time.perf_counter()
        batch = d.submit(body, NEVER)
        seconds = time.perf_counter() - start
        if batch["counts"]["queued"] != n:
            raise BenchError(f"not everything is queued: {batch['counts']}")
        record("submit", "accepted", "gatherd", n / seconds, "URLs/s")
        record("submit", "CPU", "gatherd", (machine.cpu_seconds(d.pid) - cpu) / n * 1e6, "µs/URL", "less")
        record("submit", "memory added, at most", "gatherd",
               (machine.memory_kib(d.pid, "VmHWM") - before) / 1024, "MiB", "less")
    folder = env.new_folder()
    folder.mkdir()
    (folder / "urls").write_text("\n".join(urls) + "\n")
    took = run_timed([env.limit, "-s", "-i", folder / "urls", folder / "insert.db"], env.options.timeout)
    record("submit", "accepted", "bare inserts", n / json.loads(took.output)["seconds"], "URLs/s")
    record("submit", "CPU", "bare inserts", took.cpu_s / n * 1e6, "µs/URL", "less")


def wrk(env, url):
    took = run_timed(["wrk", "-t1", "-c64", f"-d{env.options.seconds}s", "--latency", url],
                     env.options.seconds + 30)
    if "Non-2xx" in took.output or "Socket errors" in took.output:
        raise BenchError(f"wrk met errors: {took.output}")
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", took.output)
    scale = {"us": 0.001, "ms": 1, "s": 1000}[p99.group(2)]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", took.output).group(1)), float(p99.group(1)) * scale


@contextlib.contextmanager
def peer_server(command):
    """A server that prints its port and ends with its standard input. Gives its process number and port."""
    peer = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield peer.pid, int(peer.stdout.readline())
    finally:
        peer.stdin.close()
        peer.wait(10)
        peer.stdout.close()


def status(env, record):
    """GET of a finished batch by 64 connections, against libevhtp answering the same bytes from memory."""
    with daemon(env) as d:
        batch = d.wait(d.submit(env.nginx.urls("small", 100)), env.options.timeout)
        path = f"/v1/batches/{batch['id']}"
        answer = d.folder / "answer.json"
        answer.write_bytes(d.call("GET", path)[1])
        rate, p99 = wrk(env, f"http://127.0.0.1:{d.port}{path}")
        with peer_server([env.evhtp_constant, answer]) as (_, port):
            bare_rate, bare_p99 = wrk(env, f"http://127.0.0.1:{port}{path}")
    for name, requests, slowest in ("gatherd", rate, p99), ("bare libevhtp", bare_rate, bare_p99):
        record("status", "answered", name, requests, "requests/s")
        record("status", "p99", name, slowest, "ms", "less")


def stream(env, record):
    """All results as NDJSON to curl, against the sqlite3 program reading the same rows from the same file."""
    n = env.options.rows
    with daemon(env) as d:
        batch = d.wait(d.submit(env.nginx.urls("small", n)), env.options.timeout)
        url = f"http://127.0.0.1:{d.port}/v1/batches/{batch['id']}/results"
        command = ["curl", "-q", "-sS", "-f", "-H", "Accept: application/x-ndjson", url, "-o"]
        check = d.folder / "rows"
        run_timed([*command, check], env.options.timeout)
        with open(check, "rb") as rows:
            lines = sum(1 for _ in rows)
        if lines != n:
            raise BenchError(f"{lines} rows of {n}")
        machine.reset_peak(d.pid)
        before, cpu = machine.memory_kib(d.pid), machine.cpu_seconds(d.pid)
        took = run_timed([*command, "/dev/null"], env.options.timeout)
        record("stream", "read", "gatherd", n / took.seconds, "rows/s")
        record("stream", "CPU", "gatherd", (machine.cpu_seconds(d.pid) - cpu) / n * 1e6, "µs/row", "less")
        record("stream", "memory added, at most", "gatherd",
               (machine.memory_kib(d.pid, "VmHWM") - before) / 1024, "MiB", "less")
        sql = "SELECT r.*, t.url, t.metadata FROM result r JOIN task t ON t.id = r.task ORDER BY r.id"
        took = run_timed(["sqlite3", "-readonly", "-json", "-cmd", ".output /dev/null",
                          d.sections["store"]["path"], sql], env.options.timeout)
        record("stream", "read", "sqlite3 -json", n / took.seconds, "rows/s")
        record("stream", "CPU", "sqlite3 -json", took.cpu_s / n * 1e6, "µs/row", "less")


def queue(env, record):
    """Memory with everything queued, what fetching then loses, and a restart with it."""
    n = env.options.queued
    probe = env.nginx.urls("small", min(env.options.count, 50000))
    with daemon(env, fetch={"max_queued": max(2 * n, 10000000)}) as d:
        alone = [d.fetch(probe, env.options.timeout) for _ in range(3)]
        for first in range(0, n, BATCH_MAX):
            d.submit(env.nginx.urls("small", min(BATCH_MAX, n - first)), NEVER)
        record("queue", f"memory with {n:,} queued", "gatherd", machine.memory_kib(d.pid) / 1024, "MiB", "less")
        beside = [d.fetch(probe, env.options.timeout) for _ in range(3)]
        record("queue", "rate with them, of that without", "gatherd",
               statistics.median(alone) / statistics.median(beside), "×")
        record("queue", "memory, at most", "gatherd", machine.memory_kib(d.pid, "VmHWM") / 1024, "MiB", "less")
        record("queue", "database", "gatherd", d.database_bytes() / n, "bytes/URL", "less")
        d.stop()
        d.start()
        record("queue", "restart to ready", "gatherd", d.ready_s, "s", "less")
        record("queue", "memory after restart", "gatherd", machine.memory_kib(d.pid) / 1024, "MiB", "less")


def status_times_until(d, batch, connection, until):
    """Milliseconds of GETs of the batch, one each 10 ms until `until(batch)` is true."""
    spans = []
    while not until(batch):
        time.sleep(0.01)
        start = time.perf_counter()
        batch = d.json("GET", f"/v1/batches/{batch['id']}", connection=connection)
        spans.append((time.perf_counter() - start) * 1000)
        if len(spans) > 30000:
            raise BenchError(f"still not there: {batch['counts']}")
    return batch, spans


class MostUnderWay:
    """`seen`: the most requests that the origin server was seen to work on at once."""

    def __init__(self, nginx):
        self.nginx, self.seen, self._stop = nginx, 0, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.wait(0.1):
            self.seen = max(self.seen, self.nginx.under_way())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)


def parallel(env, record):
    """Transfers that are all in flight together, to a server that answers after five seconds."""
    n = env.options.transfers
    with daemon(env, fetch={"concurrency": n, "host_concurrency": n}) as d, MostUnderWay(env.nginx) as most:
        d.fetch(env.nginx.urls("small", 1000), env.options.timeout)
        before = machine.memory_kib(d.pid)
        connection = d.connect()
        start = time.perf_counter()
        batch = d.submit(env.nginx.slow_urls(5, n), connection=connection)
        batch, spans = status_times_until(d, batch, connection, lambda b: b["state"] == "finished")
        seconds = time.perf_counter() - start
        connection.close()
        if batch["counts"]["succeeded"] != n:
            raise BenchError(f"not everything was fetched: {batch['counts']}")
        record("parallel", "in flight at once", "gatherd", most.seen, "")
        record("parallel", "all done after", "gatherd", seconds, "s", "less")
        record("parallel", "memory for each, at most", "gatherd",
               (machine.memory_kib(d.pid, "VmHWM") - before) / n, "KiB", "less")
        record("parallel", "status meanwhile, p99", "gatherd", sorted(spans)[len(spans) * 99 // 100], "ms", "less")


def one_url_latencies(env, d):
    """Milliseconds of one-URL batches, submitted one after another, each answered when finished."""
    connection = d.connect()
    spans = []
    for url in env.nginx.urls("small", PROBES):
        start = time.perf_counter()
        batch = d.submit([url], "?wait=30", connection)
        spans.append((time.perf_counter() - start) * 1000)
        if batch["state"] != "finished":
            raise BenchError(f"a one-URL batch did not finish: {batch['counts']}")
    connection.close()
    return sorted(spans)


def slow(env, record):
    """One-URL batches for one host, alone and beside a slow host with everything queued."""
    with daemon(env, fetch={"concurrency": 256, "host_concurrency": 8}) as d:
        alone = one_url_latencies(env, d)
        batch = d.submit(env.nginx.slow_urls(1, min(env.options.queued, BATCH_MAX)))
        time.sleep(1.5)
        beside = one_url_latencies(env, d)
        record("slow", "memory with it queued", "gatherd", machine.memory_kib(d.pid) / 1024, "MiB", "less")
        d.json("POST", f"/v1/batches/{batch['id']}/cancel")
    record("slow", "one URL alone, median", "gatherd", statistics.median(alone), "ms", "less")
    record("slow", "one URL beside it, median", "gatherd", statistics.median(beside), "ms", "less")
    record("slow", "one URL beside it, slowest", "gatherd", beside[-1], "ms", "less")
    record("slow", "added, median", "gatherd", statistics.median(beside) - statistics.median(alone), "ms", "less")


def ask_waiters(env, pid, port, batch_id):
    """Seconds of the clients' answers (p50, p99, max), and the server's own processor time for one client."""
    cpu = machine.cpu_seconds(pid)
    took = run_timed([env.waiters, env.options.clients, port, batch_id], env.options.timeout)
    return {**json.loads(took.output), "cpu": (machine.cpu_seconds(pid) - cpu) / env.options.clients}


def waiters(env, record):
    """Long-polling clients of one batch that is then cancelled, against an aiohttp server and a loop over send()."""
    with daemon(env, listen={"max_connections": env.options.clients + 100}) as d:
        before = machine.memory_kib(d.pid)
        batch = d.submit(env.nginx.urls("small", 1), NEVER)
        answers = {"gatherd": ask_waiters(env, d.pid, d.port, batch["id"])}
        answer = d.folder / "answer.json"
        answer.write_bytes(d.call("GET", f"/v1/batches/{batch['id']}")[1])
        record("waiters", "memory per client", "gatherd",
               (machine.memory_kib(d.pid, "VmHWM") - before) / env.options.clients, "KiB", "less")
        for name, command in {"bare send()": [env.send_constant, answer],
                              "aiohttp server": ["/usr/bin/python3", "-B", PEER_WAITERS]}.items():
            with peer_server(command) as (pid, port):
                answers[name] = ask_waiters(env, pid, port, "1")
    for name, spans in answers.items():
        for which in "p50", "p99", "max":
            record("waiters", f"{which} of {env.options.clients:,}", name, spans[which] * 1000, "ms", "less")
        record("waiters", "CPU per client", name, spans["cpu"] * 1e6, "µs", "less")


def idle(env, record):
    """What a daemon costs that has nothing to do, after it has worked."""
    with daemon(env) as d:
        d.wait(d.submit(env.nginx.urls("small", 1000)), env.options.timeout)
        time.sleep(SETTLE_S)
        cpu, woken = machine.cpu_seconds(d.pid), machine.switches(d.pid)
        time.sleep(env.options.seconds)
        record("idle", "processor", "gatherd",
               (machine.cpu_seconds(d.pid) - cpu) / env.options.seconds * 100, "%", "less")
        record("idle", "wake-ups", "gatherd", (machine.switches(d.pid) - woken) / env.options.seconds, "1/s", "less")
        record("idle", "memory", "gatherd", machine.memory_kib(d.pid) / 1024, "MiB", "less")
        record("idle", "threads", "gatherd", len(os.listdir(f"/proc/{d.pid}/task")), "", "less")


def growth(env, record):
    """The rate of the same batch in a database that has more and more results, in the median of some such batches."""
    probe = min(env.options.count, 20000)
    with daemon(env) as d:
        recorded = 0
        for mark in (0, 10**4, 10**5, 10**6, 10**7):
            if mark > env.options.growth:
                break
            while recorded < mark:
                n = min(mark - recorded, 100000)
                d.fetch(env.nginx.urls("small", n), env.options.timeout)
                recorded += n
            os.sync()  # or the writing back of what was just recorded is measured, too
            cpu = machine.cpu_seconds(d.pid)
            spans = [d.fetch(env.nginx.urls("small", probe), env.options.timeout) for _ in range(GROWTH_PROBES)]
            cpu = (machine.cpu_seconds(d.pid) - cpu) / (probe * GROWTH_PROBES) * 1e6
            rate = probe / statistics.median(spans)
            recorded += probe * GROWTH_PROBES
            record("growth", f"rate after {mark:,} results", "gatherd", rate, "URLs/s")
            record("growth", f"CPU after {mark:,} results", "gatherd", cpu, "µs/URL", "less")
            env.progress(f"growth: {mark:,}: {rate:,.0f} URLs/s, {cpu:.1f} µs of processor each")
        record("growth", "memory", "gatherd", machine.memory_kib(d.pid) / 1024, "MiB", "less")
        record("growth", "database", "gatherd", d.database_bytes() / recorded, "bytes/result", "less")
        log = (d.folder / "gatherd.db-wal").stat().st_size
        record("growth", "write-ahead log", "gatherd", log / 2**20, "MiB", "less")


CASES = {f.__name__: f for f in (submit, status, stream, queue, parallel, slow, waiters, idle, growth)}
