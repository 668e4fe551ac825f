# SPDX-License-Identifier: MIT
"""Cases in which every contender fetches the same list: URLs a second, processor time a URL, memory."""
import math

from . import peers
from .machine import BenchError
from .origin import HOSTS

CASES = {
    "small": "one host, 120 bytes each",
    "hosts": f"{HOSTS:,} hosts, 120 bytes each: names for gatherd, addresses for the others",
    "16k": "one host, 16 KiB each, a quarter of the count",
    "1m": "one host, 1 MiB each, a hundredth of the count",
    "https": "one host over TLS (HTTP/2 where a contender speaks it), 120 bytes each",
}


def urls_of(env, case, contender):
    n = env.options.count
    if case == "small":
        return env.nginx.urls("small", n)
    if case == "hosts":
        return env.nginx.hosts_urls("small", n, by_name=contender == "gatherd")
    if case == "16k":
        return env.nginx.urls("16k", math.ceil(n / 4))
    if case == "1m":
        return env.nginx.urls("1m", math.ceil(n / 100))
    return env.nginx.tls_urls("small", n)


def run(env, case, record):
    """One round: each contender once, gatherd's place moving on with the round."""
    ca_file = env.nginx.ca_file if case == "https" else None
    names = env.options.contenders
    turn = env.round % len(names)
    for name in names[turn:] + names[:turn]:
        job = peers.Job(urls_of(env, case, name), env.options.connections, env.options.timeout, env.new_folder(),
                        ca_file)
        try:
            n, took = peers.measure(env, name, job)
        except BenchError as fault:
            env.failed(case, name, fault)
            continue
        record(case, "rate", name, n / took.seconds, "URLs/s")
        record(case, "cpu", name, took.cpu_s / n * 1e6, "µs/URL", "less")
        record(case, "memory", name, took.rss_kib / 1024, "MiB", "less")
        env.progress(f"{case}: {name} {n / took.seconds:,.0f} URLs/s")
