# SPDX-License-Identifier: MIT
"""Running it: health, metrics, the schema, signals, the configuration, one daemon for one database."""
from contextlib import closing
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

import harness
from api import TEXT, assert_problem
from harness import eventually, run_gatherd


# -- health and metrics -------------------------------------------------------------------------
def test_livez_and_readyz(api):
    assert api.get("/livez").status == 200
    assert api.get("/readyz").status == 200
    assert api.get("/readyz?verbose").status == 200


def test_stats(api, origin, host):
    api.run([origin.url("/ok", host)] * 3)
    stats = api.get_json("/v1/stats")
    assert stats["version"] and stats["uptime_ms"] >= 0
    assert stats["tasks"]["succeeded"] >= 3 and stats["tasks"]["in_flight"] == 0


def test_stats_and_metrics_count_what_is_in_flight(api, origin, host):
    batch = api.submit([origin.url("/delay/700", host)] * 2)
    eventually(lambda: api.get_json("/v1/stats")["tasks"]["in_flight"] == 2, what="two transfers in flight")
    assert re.search(r"^gatherd_transfers_in_flight 2$", metrics(api), re.M)
    api.wait(batch["id"])
    assert api.get_json("/v1/stats")["tasks"]["in_flight"] == 0


SAMPLE = re.compile(r'^[a-z_:][a-z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+]?([0-9.e+-]+|Inf|NaN)$', re.I)


def metrics(api):
    response = api.get("/metrics")
    assert response.status == 200 and response.media_type == "text/plain"
    return response.body.decode()


def test_metrics_are_prometheus_text(api):
    text = metrics(api)
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith("# ") or SAMPLE.match(line), line
    typed = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    for name in re.findall(r"^([a-z_:][\w:]*)", "\n".join(l for l in text.splitlines() if l[0] != "#"), re.M):
        assert name in typed or re.sub(r"_(bucket|sum|count|total)$", "", name) in typed, name
    assert "gatherd_event_loop_lag_seconds" in text


def test_metrics_count_what_happens(api, origin, host):
    def count(state):
        return float(re.search(rf"^gatherd_tasks_{state}_total ([0-9.e+]+)$", metrics(api), re.M).group(1))

    before = count("succeeded"), count("failed")
    api.run([origin.url("/ok", host)] * 5 + [origin.url("/status/404", host)] * 2)
    assert (count("succeeded"), count("failed")) == (before[0] + 5, before[1] + 2)


def test_the_dashboard_asks_for_metrics_that_there_are(api):
    dashboard = json.loads((harness.TESTS.parent / "docs" / "grafana.json").read_text())
    asked = {name for panel in dashboard["panels"] for target in panel["targets"]
             for name in re.findall(r"\bgatherd_\w+", target["expr"])}
    there = set(re.findall(r"^# TYPE (\S+)", metrics(api), re.M))
    assert asked <= there, asked - there
    assert there - asked == {"gatherd_build_info", "gatherd_uptime_seconds", "gatherd_outcomes_stale_total",
                             "gatherd_tasks_accepted_total"}, "what is not worth a panel"


def test_promtool_finds_nothing_to_say(api):
    if not shutil.which("promtool"):
        pytest.skip("promtool (Debian package prometheus) is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics(api), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done


# -- configuration ------------------------------------------------------------------------------
def config(tmp_path, text):
    path = tmp_path / "gatherd.conf"
    path.write_text(text)
    return path


BAD_CONFIGS = {
    "unknown key": ('fetch {\n  colour = "red"\n}\n', 2, "colour"),
    "unknown section": ("\nnonsense {\n}\n", 2, "nonsense"),
    "bad duration": ('fetch {\n\n  timeout = "soon"\n}\n', 3, "timeout"),
    "bad size": ('limits { \n request_body = "much"\n}\n', 2, "request_body"),
    "out of range": ("fetch {\n  concurrency = 0\n}\n", 2, "concurrency"),
    "bad address range": ('fetch {\n  allow_addresses = {"10.0.0.0/40"}\n}\n', 2, "allow_addresses"),
    "bad enum": ('store {\n  synchronous = "perhaps"\n}\n', 2, "synchronous"),
    "no end": ("fetch {\n", None, ""),
    "text for a number": ('fetch {\n  concurrency = "many"\n}\n', 2, ""),
}


@pytest.mark.parametrize("what", BAD_CONFIGS)
@pytest.mark.parametrize("check", [True, False])
def test_a_bad_configuration_exits_78_with_its_place(tmp_path, what, check):
    text, line, word = BAD_CONFIGS[what]
    path = config(tmp_path, text)
    done = run_gatherd("--config", path, *(["--check-config"] if check else []))
    assert done.returncode == 78, done
    assert (f"{path}:{line}" if line else str(path)) in done.stderr and word in done.stderr, done.stderr


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("auth,word", [("", "needs tokens"), ('tokens_file = "/nonexistent/tokens"', "/nonexistent/tokens")])
def test_a_configuration_that_lets_nobody_in_exits_78(tmp_path, auth, word, check):
    store = f'store {{ path = "{tmp_path}/gatherd.db" }}\n'
    path = config(tmp_path, store + f'listen {{ socket = "" tcp = {{"127.0.0.1:0"}} }}\nauth {{ {auth} }}\n')
    done = run_gatherd("--config", path, *(["--check-config"] if check else []))
    assert done.returncode == 78 and word in done.stderr, done


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("contents", [None, "no certificate\n"])
def test_a_ca_file_without_certificates_exits_78(tmp_path, contents, check):
    ca_file = tmp_path / "ca.pem"
    if contents:
        ca_file.write_text(contents)
    path = config(tmp_path, f'store {{ path = "{tmp_path}/gatherd.db" }}\nlisten {{ socket = "{tmp_path}/socket" }}\n'
                            f'fetch {{ ca_file = "{ca_file}" }}\n')
    done = run_gatherd("--config", path, *(["--check-config"] if check else []))
    assert done.returncode == 78 and str(ca_file) in done.stderr, done


def test_a_good_configuration_passes_the_check(tmp_path):
    path = config(tmp_path, 'fetch { concurrency = 512 }\nhost "api.example.com" { concurrency = 2 delay = "500ms" }\n')
    done = run_gatherd("--config", path, "--check-config")
    assert done.returncode == 0, done


def test_settings_come_from_file_directory_environment_and_command_line(tmp_path):
    path = config(tmp_path, "fetch {\n  concurrency = 11\n  host_concurrency = 12\n  workers = 1\n"
                  "  max_queued = 14\n}\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.conf").write_text("fetch { host_concurrency = 22 workers = 2 max_queued = 24 }\n")
    done = run_gatherd("--config", path, "--set", "fetch.max_queued=44", "--print-config",
                       env={"GATHERD_FETCH__WORKERS": "3", "GATHERD_FETCH__MAX_QUEUED": "34"})
    assert done.returncode == 0, done
    for key, value, source in (("concurrency", 11, f"{path}:2"), ("host_concurrency", 22, "10.conf"),
                               ("workers", 3, "GATHERD_FETCH__WORKERS"), ("max_queued", 44, "--set")):
        match = re.search(rf"^.*(?<!_){key}\s*=\s*{value}\b.*$", done.stdout, re.M)
        assert match, (key, done.stdout)
        where = done.stdout[:match.end()].rsplit("\n", 2)[-2:]
        assert source in "\n".join(where), where


@pytest.mark.parametrize("args,env", [(["--set", "fetch.colour=red"], {}), (["--set", "nonsense"], {}),
                                      (["--config", "/nonexistent/gatherd.conf"], {}),
                                      ([], {"GATHERD_FETCH__COLOUR": "red"}),
                                      ([], {"GATHERD_FETCH__CONCURRENCY": "x"})])
def test_other_bad_settings_exit_78(tmp_path, args, env):
    path = config(tmp_path, "")
    full = ["--config", path, *args] if "--config" not in args else args
    assert run_gatherd(*full, "--check-config", env=env).returncode == 78


def test_version_and_help():
    assert re.search(r"\d+\.\d+\.\d+", run_gatherd("--version").stdout)
    done = run_gatherd("--help")
    assert done.returncode == 0 and "--check-config" in done.stdout


def test_an_unknown_option_is_refused():
    done = run_gatherd("--nonsense")
    assert done.returncode not in (0, 78) and "nonsense" in done.stderr


# -- signals ------------------------------------------------------------------------------------
def test_sighup_applies_what_is_reloadable(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon({"limits": {"request_body": "2K"}})
    large = b"#" * 3000 + b"\n" + origin.url("/ok", host).encode()
    as_text = {"Content-Type": TEXT}
    assert_problem(daemon.api.post("/v1/batches", large, as_text), 413, "payload_too_large")
    daemon.sections["fetch"]["host_concurrency"] = 2
    daemon.sections["limits"]["request_body"] = "4K"
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    eventually(lambda: daemon.api.run([origin.url("/ok", host)]) and daemon.api.host(host)["max_concurrency"] == 2, 10,
               what="the new host_concurrency")
    daemon.api.run([origin.url(f"/delay/30?{i}", host) for i in range(20)])
    assert origin.record()["peak"][host] <= 2
    assert daemon.api.post("/v1/batches", large, as_text).status == 202


def test_sighup_with_a_bad_file_keeps_the_old_configuration(own_daemon, origin, hosts):
    daemon = own_daemon()
    daemon.config.write_text("fetch {\n  colour = 1\n}\n")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: f"{daemon.config}:2" in daemon.log(), 5, what="a complaint with file and line in the log")
    assert daemon.api.run([origin.url("/ok", hosts.take())])[0]["state"] == "succeeded"


def _large(path):
    with open(path, "wb") as file:
        file.truncate(100 << 20)


# What stands where the configuration is expected, and what is said of it.
NO_FILES = {
    "a pipe": (os.mkfifo, "is a pipe"),
    "a folder": (os.mkdir, "Is a directory"),
    "a link to itself": (lambda path: os.symlink(path, path), "Too many levels"),
    "a device without end": (lambda path: os.symlink("/dev/zero", path), "larger than 1 MiB"),
    "100 MiB": (_large, "larger than 1 MiB"),
    "UTF-16": (lambda path: path.write_text("log { }", encoding="utf-16"), "NUL byte"),
    "Latin-1": (lambda path: path.write_text('store {\n path = "/é" }', encoding="latin-1"), ":2: this is not UTF-8"),
    "nothing": (lambda path: None, "No such file"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_configuration_file_is_told_at_start_and_kept_out_at_reload(own_daemon, what):
    make, said = NO_FILES[what]
    daemon = own_daemon()
    daemon.config.unlink()
    make(daemon.config)
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "reload failed, keeping the old configuration" in daemon.log(), 10, what="the failed reload")
    assert f"{daemon.config}" in daemon.log() and said in daemon.log()
    assert daemon.api.get("/readyz").status == 200
    done = run_gatherd("--config", daemon.config)
    assert done.returncode == 78 and str(daemon.config) in done.stderr and said in done.stderr, done


def test_sigterm_lets_what_is_in_flight_finish(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    urls = [origin.url(f"/delay/1500?drain{i}", host) for i in range(4)] + \
           [origin.url(f"/delay/10?later{i}", host) for i in range(50)]
    daemon.api.set_host(host, max_concurrency=4)
    batch_id = daemon.api.submit(urls)["id"]
    eventually(lambda: len(origin.requests("/delay/1500?drain")) == 4)
    daemon.stop()
    assert origin.requests("/delay/10?later") == [], "something new was started while draining"
    daemon.start()
    results = daemon.api.results(batch_id)
    assert len([r for r in results if "drain" in r["url"]]) == 4, "what was in flight was not recorded"
    daemon.api.wait(batch_id)
    assert len(origin.requests("/delay/1500?drain")) == 4, "something was fetched twice"


def test_a_second_sigterm_stops_at_once(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    batch_id = daemon.api.submit([origin.url("/never", host)])["id"]
    eventually(lambda: daemon.api.batch(batch_id)["counts"]["running"] == 1)
    daemon.signal(signal.SIGTERM)
    time.sleep(0.3)  # still draining: the fetch never ends
    assert daemon.process.poll() is None
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 3
    daemon.start()
    assert daemon.api.batch(batch_id)["counts"]["total"] == 1


def _spawn_up_to_its_signals(daemon):
    """A daemon that has only just begun, and takes note of signals."""
    daemon.spawn()
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status")
    eventually(lambda: int(re.search(r"^SigBlk:\s+(\w+)", status.read_text(), re.M).group(1), 16) & 1, 10, 0.0005,
               "the mask of the main thread")


def test_sighup_during_the_start_is_a_reload(own_daemon, origin, hosts):
    daemon = own_daemon()
    daemon.stop()
    for _ in range(5):
        _spawn_up_to_its_signals(daemon)
        for _ in range(50):
            daemon.signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in daemon.log(), 10, what="the reload")
        assert daemon.api.run([origin.url("/ok", hosts.take())])[0]["state"] == "succeeded"
        daemon.stop()


def test_sigterm_during_the_start_is_a_stop(own_daemon):
    daemon = own_daemon()
    daemon.stop()
    for _ in range(5):
        _spawn_up_to_its_signals(daemon)
        daemon.stop()  # with exit status 0
    daemon.start()


def test_a_draining_daemon_takes_no_submissions_and_releases_waiters(own_daemon, origin, hosts):
    import threading
    daemon = own_daemon()
    url = origin.url("/never", hosts.take())
    batch_id = daemon.api.submit([url])["id"]
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(daemon.api.get(f"/v1/batches/{batch_id}?wait=30")))
    thread.start()
    eventually(lambda: daemon.api.batch(batch_id)["counts"]["running"] == 1)
    eventually(lambda: "\ngatherd_http_waiters 1\n" in metrics(daemon.api))
    kept = _kept_connection(daemon)
    daemon.signal(signal.SIGTERM)
    thread.join(5)
    assert waiting and waiting[0].status in (200, 503)
    refused = _ask(kept, "POST", "/v1/batches", json.dumps([url]).encode())
    assert refused is None or refused == 503
    kept.close()


def _kept_connection(daemon):
    import http.client
    from api import connect
    kept = http.client.HTTPConnection("localhost", timeout=5)
    kept.sock = connect(("unix", daemon.socket_path), 5)
    kept.request("GET", "/livez")
    kept.getresponse().read()
    return kept


def _ask(kept, method, target, body):
    import http.client
    try:
        kept.request(method, target, body, {"Content-Type": "application/json"})
        return kept.getresponse().status
    except (OSError, http.client.HTTPException):
        return None  # closed: the client must find another daemon


# -- the log ------------------------------------------------------------------------------------
def test_a_batch_gets_one_line_when_it_finishes(own_daemon, origin, hosts):
    daemon = own_daemon()
    host = hosts.take()
    urls = [origin.url("/ok", host)] * 3 + [origin.url("/status/404", host)] * 2
    batch = daemon.api.submit({"urls": urls, "name": "nightly"})
    done = daemon.api.wait(batch["id"])
    line = f'batch finished batch={batch["id"]} name="nightly" total=5 succeeded=3 failed=2 cancelled=0 expired=0 ' \
           f'bytes={done["bytes_received"]} duration_ms='
    eventually(lambda: line in daemon.log(), what="the line")
    assert daemon.log().count(batch["id"]) == 1


def test_no_name_forges_a_field(own_daemon, origin, hosts):
    daemon = own_daemon()
    batch = daemon.api.submit({"urls": [origin.url("/ok", hosts.take())], "name": 'x" failed=9 y="\\\u2028'})
    daemon.api.wait(batch["id"])
    line = eventually(lambda: [l for l in daemon.log().splitlines() if batch["id"] in l], what="the line")[0]
    assert r'name="x\" failed=9 y=\"\\\xe2\x80\xa8" total=1 ' in line


# -- sharing ------------------------------------------------------------------------------------
def test_a_second_daemon_on_the_same_socket_is_refused(own_daemon, tmp_path):
    first = own_daemon()
    second = harness.Daemon(tmp_path / "second", {"listen": {"socket": first.socket_path}}).spawn()
    assert second.process.wait(10) != 0
    second.process = None
    assert first.api.get("/livez").status == 200


def test_a_dead_socket_file_is_replaced(own_daemon):
    daemon = own_daemon()
    daemon.kill()
    with pytest.raises(OSError):
        socket.socket(socket.AF_UNIX).connect(daemon.socket_path)
    daemon.start()


def test_a_full_queue_is_429(own_daemon, origin, hosts):
    daemon = own_daemon({"fetch": {"max_queued": 100}})
    url = origin.url("/never\n", hosts.take())
    daemon.api.submit(url * 80, media_type=TEXT)
    response = daemon.api.post("/v1/batches", url * 30, {"Content-Type": TEXT})
    problem = assert_problem(response, 429, "quota_exceeded")
    assert problem["detail"] and response.header("retry-after")
    daemon.api.submit(url * 10, media_type=TEXT)


def test_low_disk_space_refuses_new_batches_only(own_daemon, origin, hosts):
    daemon = own_daemon()
    url = origin.url("/ok", hosts.take())
    batch_id = daemon.api.submit([url])["id"]
    daemon.sections["store"]["min_free"] = "1023G"
    daemon.restart()
    eventually(lambda: daemon.api.post("/v1/batches", [url]).status == 507, 10, what="507")
    assert_problem(daemon.api.post("/v1/batches", [url]), 507, "storage_full")
    assert daemon.api.wait(batch_id)["counts"]["succeeded"] == 1


def test_a_locked_database_is_waited_for_or_refused_but_nothing_is_lost(own_daemon, origin, hosts):
    """A backup program holds the database for six seconds while batches are submitted and fetched."""
    daemon = own_daemon()
    url = origin.url("/delay/200", hosts.take())
    running = daemon.api.submit([url] * 20)["id"]
    with closing(sqlite3.connect(daemon.db_path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        response = daemon.api.post("/v1/batches", [url], timeout=30)
        held = time.monotonic() - began
        assert daemon.api.get("/livez").status == 200
        assert daemon.api.batch(running)["counts"]["total"] == 20
        while time.monotonic() - began < 6:
            time.sleep(0.1)
        db.execute("ROLLBACK")
    assert_problem(response, 503)
    assert held < 20, "the answer must not wait for ever"
    assert daemon.api.wait(running, 30)["counts"]["succeeded"] == 20
    assert daemon.api.run([url])[0]["state"] == "succeeded"
    assert len(daemon.api.get_json("/v1/batches")["batches"]) == 2


def test_a_backup_while_running_is_whole(own_daemon, origin, hosts, tmp_path):
    daemon = own_daemon()
    host = hosts.take()
    batch = daemon.api.submit("".join(origin.url(f"/ok?{i}\n", host) for i in range(2000)), media_type=TEXT)
    with closing(sqlite3.connect(daemon.db_path)) as db, closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        db.backup(copy)
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT total FROM batch").fetchall() == [(2000,)]
    assert daemon.api.wait(batch["id"])["counts"]["succeeded"] == 2000


def test_old_batches_are_forgotten_after_their_retention(own_daemon, origin, hosts):
    daemon = own_daemon({"store": {"retention": "1s"}})
    batch_id = daemon.api.submit([origin.url("/ok", hosts.take())])["id"]
    daemon.api.wait(batch_id)
    eventually(lambda: daemon.api.get(f"/v1/batches/{batch_id}").status == 404, 90, 0.5, what="retention")
