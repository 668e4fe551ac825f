#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A load that touches every thread: 2,000 URLs, well and ill behaved, with cancels, waits, streams, retries, reloads and
a drain. For builds with sanitizers; what they report in the daemon's log is a failure.
"""
import re
import signal
import threading

import campaign
from api import NDJSON, TEXT, assert_complete
from harness import Daemon, Origin
import process

REPORT = re.compile(r"(WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error:).*")
PATHS = ("/ok", "/size/500", "/size/400000", "/chunked/3000", "/gzip", "/zstd", "/delay/30", "/status/404", "/redirect/2",
         "/reset", "/empty", "/cl-short", "/status/500")
QUICK = {"retry": {"max_attempts": 2, "min_backoff_ms": 20, "max_backoff_ms": 50}, "timeout_ms": 5000}


def client(daemon, origin, n, failures):
    try:
        api = daemon.api
        tasks = [{"url": origin.url(f"{PATHS[i % len(PATHS)]}?{n}-{i}", f"127.0.0.{2 + i % 12}")} for i in range(250)]
        batch_id = api.submit({"tasks": tasks, "defaults": QUICK, "concurrency": 50})["id"]
        one = f"/v1/batches/{batch_id}"
        if n % 2:
            stream = api.request("GET", one + "/results?follow=1&include=headers,body", timeout=120,
                                 headers={"Accept": NDJSON})
            assert len(stream.lines()) >= 250, stream
        else:
            api.get(one + "?wait=1&return_when=first_completed")
            api.post(one + "/pause")
            api.get_json(one + "/tasks/7")
            api.post(one + "/resume")
            if n % 4 == 0:
                api.post(one + "/cancel")
        api.wait(batch_id, 120)
        assert_complete(api, batch_id, 250)
        api.get_json("/v1/hosts")
        api.post(one + "/retry?state=failed")
        if n % 3 == 0:
            assert api.request("DELETE", one + "?force=1").status in (204, 409)
    except Exception as e:  # noqa: BLE001 (handed to the campaign)
        failures.append(e)


def loaded(chosen, folder):
    origin, daemon, failures = Origin(14), Daemon(folder / "daemon", {"fetch": {"host_concurrency": 20}}), []
    try:
        daemon.start()
        clients = [threading.Thread(target=client, args=(daemon, origin, n, failures)) for n in range(8)]
        for one in clients:
            one.start()
        for _ in range(5):
            daemon.signal(signal.SIGHUP)
            daemon.api.get("/metrics")
            daemon.api.get("/readyz?verbose")
        text = "".join(origin.url(f"/ok?text{i}\n", f"127.0.0.{2 + i % 12}") for i in range(2500))
        daemon.api.submit(text, media_type=TEXT)
        for one in clients:
            one.join(200)
        if failures:
            raise failures[0]
        daemon.stop()
        report = REPORT.search(daemon.log())
        assert not report, daemon.log()[report.start():report.start() + 6000]
    finally:
        process.stop(daemon, origin)
    return "8 clients with 2000 URLs and one upload of 2500; no report"


if __name__ == "__main__":
    campaign.run(loaded, campaign.options(__doc__.split("\n")[0]))
