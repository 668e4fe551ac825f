# SPDX-License-Identifier: MIT
"""The second half of scripts/quickstart: runs the daemon that was built and shows what it does.

Needs nothing but Python's standard library. Everything it writes is under build/quickstart/.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
FOLDER = TOP / "build" / "quickstart"
GATHERD = TOP / "build" / "release" / "gatherd"
READY_S = 20


class Failure(Exception):
    """Something to tell the person, without a traceback."""


def start_origin():
    """The test server; returns (process, URLs of a mixed list)."""
    origin = subprocess.Popen([sys.executable, str(TOP / "tests/origin/origin.py"), "--stdin"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              start_new_session=True)
    ports = json.loads(origin.stdout.readline())["ports"]
    paths = ["/ok", "/redirect/2", "/status/404", "/delay/1500", "/gzip", "/size/100000",
             f"/flaky/1/{time.time_ns()}"]
    urls = [f"http://127.0.0.1:{ports['http']}{path}" for path in paths]
    return origin, urls + [f"http://127.0.0.1:{ports['closed']}/refused"]


def start_daemon(fetch_loopback):
    """gatherd on a port of the kernel's choice; returns (process, base URL)."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    config, log_path = FOLDER / "gatherd.conf", FOLDER / "gatherd.log"
    allow = 'fetch { allow_addresses = {"127.0.0.0/8"} }\n' if fetch_loopback else ""
    config.write_text('listen { socket = ""  tcp = {"127.0.0.1:0"} }\n'
                      "auth { allow_anonymous = true }\n"
                      f'store {{ path = "{FOLDER}/gatherd.db" }}\n' + allow)
    with open(log_path, "wb") as log:
        daemon = subprocess.Popen([str(GATHERD), "--config", str(config)], stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and daemon.poll() is None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log_path.read_text(errors="replace"))
        if found and is_ready(f"http://{found.group(1)}"):
            return daemon, f"http://{found.group(1)}"
        time.sleep(0.05)
    daemon.kill()
    raise Failure(f"gatherd did not start:\n{log_path.read_text(errors='replace')}")


def is_ready(base):
    try:
        with urllib.request.urlopen(base + "/readyz", timeout=5):
            return True
    except OSError:
        return False


def call(url, document=None):
    """A JSON request; a refusal is shown in the API's own words."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        problem = json.load(e)
        lines = [f"{problem['title']}: {problem.get('detail', '')}"]
        lines += [f"  {error['pointer']}: {error['detail']}" for error in problem.get("errors", [])]
        raise Failure("\n".join(lines)) from None


def show_progress(base, batch):
    """Follows the batch until it is finished: a moving line on a terminal, silence in a pipe."""
    while True:
        counts = batch["counts"]
        done = counts["total"] - counts["queued"] - counts["running"]
        if sys.stdout.isatty():
            print(f"\r{done}/{counts['total']} done, {counts['running']} running, "
                  f"{counts['failed']} failed ", end="", flush=True)
        if batch["state"] == "finished":
            print("\r\033[K" if sys.stdout.isatty() else "", end="", flush=True)
            return batch
        time.sleep(0.1)
        batch = call(f"{base}/v1/batches/{batch['id']}")


def show_results(base, batch):
    """The table, in the order in which the URLs were given."""
    row = "{:>3}  {:<9}  {:>6}  {:>8}  {:>6}  {:>5}  {:<17}  {}"
    print(row.format("#", "state", "status", "bytes", "ms", "tries", "error", "url"))
    after = ""
    while True:
        page = call(f"{base}/v1/batches/{batch['id']}/results?order=input&limit=1000{after}")
        for r in page["results"]:
            print(row.format(r["index"], r["state"], r["status"] or "-", r["size"] or 0,
                             max(r["timing_ms"]["total"] or 0, 0), r["attempts"],
                             r["error"]["code"] if r["error"] else "", r["url"]))
        if not page["more"]:
            break
        after = "&after=" + page["next"]
    counts = batch["counts"]
    print(f"\n{counts['total']} URLs: {counts['succeeded']} succeeded, {counts['failed']} failed.")


def show_next_steps(base, batch, url):
    address = f"{base}/v1/batches"
    print(f"""
To go on:
  curl {base}/v1/stats
  curl {address}/{batch['id']}
  curl '{address}/{batch['id']}/results?include=headers'
  curl {address}/{batch['id']}/tasks/0/body
  curl {address} -H 'Content-Type: application/json' -H 'Prefer: wait=30' -d '["{url}"]'
  {GATHERD.parent}/gather --server {base} ls""")


def stop(daemon):
    if daemon and daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(40)


def wait_for_ctrl_c(daemon):
    print("\nThe daemon runs until Ctrl-C.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        code = daemon.wait()
    except KeyboardInterrupt:
        print("\nStopping.")
        return
    raise Failure(f"gatherd ended by itself with {code}; its log is {FOLDER}/gatherd.log")


def main():
    parser = argparse.ArgumentParser(prog="quickstart")
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--once", action="store_true", help="stop at the end instead of at Ctrl-C")
    options = parser.parse_args()
    origin = daemon = None
    try:
        urls = options.urls
        if not urls:
            origin, urls = start_origin()
            print("No URLs given: a test server on loopback plays a mixed list.")
        daemon, base = start_daemon(fetch_loopback=origin is not None)
        print(f"gatherd listens on {base}; its database and log are in {FOLDER}\n")
        batch = show_progress(base, call(base + "/v1/batches", {"urls": urls, "name": "quickstart"}))
        show_results(base, batch)
        show_next_steps(base, batch, urls[0])
        if not options.once:
            wait_for_ctrl_c(daemon)
    except Failure as failure:
        print(f"quickstart: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stop(daemon)
        if origin:
            origin.stdin.close()
            origin.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
