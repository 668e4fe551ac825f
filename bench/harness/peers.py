# SPDX-License-Identifier: MIT
"""The contenders of the fetch cases: each fetches a list of URLs once and says what it took."""
import dataclasses
import json
import pathlib
import shutil
import tempfile

from . import machine
from .daemon import Gatherd
from .machine import BenchError, run_timed

PEER_AIOHTTP = machine.TOP / "bench" / "peer_aiohttp.py"


@dataclasses.dataclass
class Job:
    """What is to be fetched."""
    urls: list
    connections: int
    timeout: float
    folder: pathlib.Path       # empty, for this run alone
    ca_file: pathlib.Path = None


@dataclasses.dataclass
class Run:
    seconds: float
    cpu_s: float
    rss_kib: int


def list_file(job):
    path = job.folder / "urls"
    path.write_text("\n".join(job.urls) + "\n")
    return path


def of_process(used):
    return Run(used.seconds, used.cpu_s, used.rss_kib)


def of_report(used):
    """A program that prints its own span, which leaves out its start and end."""
    report = json.loads(used.output.splitlines()[-1])
    if report.get("failed"):
        raise BenchError(f"{report['failed']} URLs failed")
    return Run(report["seconds"], used.cpu_s, used.rss_kib)


# -- contenders ---------------------------------------------------------------------------------
def wget2(env, job):
    tls = ["--ca-certificate", job.ca_file, "--no-ocsp"] if job.ca_file else []
    return of_process(run_timed(
        ["wget2", "--no-config", "-q", "--no-hsts", "--tries=1", f"--max-threads={job.connections}", *tls,
         "-O", "/dev/null", "-i", list_file(job)], job.timeout))


def curl(env, job):
    config = job.folder / "curl.conf"
    config.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in job.urls))
    tls = ["--cacert", job.ca_file] if job.ca_file else []
    return of_process(run_timed(["curl", "-q", "-sS", "-f", "-Z", "--parallel-max", job.connections, *tls,
                                 "-K", config], job.timeout))


def aria2c(env, job):
    """Cannot throw bodies away: it writes files, here into memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="gatherd-bench-") as files:
        path = job.folder / "urls"
        path.write_text("".join(f"{url}\n  out={i}\n" for i, url in enumerate(job.urls)))
        tls = [f"--ca-certificate={job.ca_file}"] if job.ca_file else []
        return of_process(run_timed(
            ["aria2c", "--no-conf=true", "-q", f"-j{job.connections}", "-s1", "-x1", f"--dir={files}", *tls,
             "--file-allocation=none", "--download-result=hide", "--enable-dht=false", "-i", path], job.timeout))


def aiohttp(env, job, database=None):
    tls = ["--ca-file", job.ca_file] if job.ca_file else []
    keep = ["--database", database] if database else []
    return of_report(run_timed(["/usr/bin/python3", "-B", PEER_AIOHTTP, "--connections", job.connections,
                                *tls, *keep, list_file(job)], job.timeout))


def aiohttp_sqlite(env, job):
    return aiohttp(env, job, job.folder / "aiohttp.db")


def limit(env, job, threads=1):
    tls = ["-a", job.ca_file] if job.ca_file else []
    return of_report(run_timed([env.limit, "-t", threads, "-c", job.connections, *tls, "-i", list_file(job),
                                job.folder / "limit.db"], job.timeout))


def limit2(env, job):
    return limit(env, job, 2)


def gatherd(env, job):
    """A new daemon with an empty database; its start and stop are not in the span."""
    fetch = {"concurrency": job.connections, "host_concurrency": job.connections, "resolver": [env.names.address]}
    if job.ca_file:
        fetch["ca_file"] = str(job.ca_file)
    with Gatherd(env.gatherd, job.folder / "gatherd", {"fetch": fetch}) as daemon:
        before = machine.cpu_seconds(daemon.pid)
        seconds = daemon.fetch(job.urls, job.timeout)
        return Run(seconds, machine.cpu_seconds(daemon.pid) - before,
                   machine.memory_kib(daemon.pid, "VmHWM"))


# name -> (function, most URLs it is given; its rate is what counts)
CONTENDERS = {
    "gatherd": (gatherd, None),
    "limit1": (limit, None),
    "limit2": (limit2, None),
    "wget2": (wget2, None),
    "curl": (curl, None),
    "aiohttp": (aiohttp, 20000),
    "aiohttp+sqlite": (aiohttp_sqlite, 20000),
    "aria2c": (aria2c, 2000),
}


def measure(env, name, job):
    """One run of a contender in a folder that is removed; the origin server must have seen every URL."""
    function, most = CONTENDERS[name]
    if most:
        job = dataclasses.replace(job, urls=job.urls[:env.options.peer_count or most])
    job.folder.mkdir(parents=True)
    try:
        before = env.nginx.requests()
        run = function(env, job)
        seen = env.nginx.requests() - before
    finally:
        shutil.rmtree(job.folder)
    if seen != len(job.urls):
        raise BenchError(f"{name} made {seen} requests for {len(job.urls)} URLs")
    return len(job.urls), run
