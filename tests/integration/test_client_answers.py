# SPDX-License-Identifier: MIT
"""What the client `gather` makes of inputs and answers that are rare: marks and slow pipes, repeated attempts, forms of output."""
import json
import resource
import signal

import pytest

from fake_api import Problem, TITLES
from fake_client import api, client  # noqa: F401 (fixtures)
from harness import eventually

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED, NOT_FOUND, REJECTED, UNFINISHED, FAILED_TASKS = range(9)
URL = "http://a.example/"


# ---- inputs ----

@pytest.mark.parametrize("text, kind", [(URL + "\r\n", "text/plain"), (json.dumps({"url": URL}) + "\r\n", "application/x-ndjson"),
                                        (json.dumps([URL]), "application/json")])
def test_a_byte_order_mark_hides_no_form(client, api, text, kind):
    api.call = lambda *args: (400, b"")
    client.run("submit", "-", stdin="\ufeff" + text)
    assert api.requests[0][2]["Content-Type"] == kind and api.requests[0][3] == ("\ufeff" + text).encode()
    done = client.run("submit", "-n", "-", stdin="\ufeff" + text)
    # Of a document the daemon refuses the mark.
    assert ("1, rejected: 0" in done.stderr) == (kind != "application/json"), done


def test_a_url_of_megabytes_is_judged_as_any_other(client):
    done = client.run("submit", "-n", "-", stdin=URL + "a" * 2000000 + "\n")
    assert done.returncode == REJECTED and "longer than 8192 bytes" in done.stdout and len(done.stdout) < 9000


def test_an_input_that_cannot_be_read_is_named(client, api):
    for more in ([], ["-n"]):
        done = client.run("submit", *more, "/proc/self/mem")
        assert done.returncode == FAILURE and "/proc/self/mem: Input/output error" in done.stderr
    assert not api.requests


def test_an_input_that_came_too_slowly_is_told_what_to_do(client, api):
    api.call = lambda *args: (408, json.dumps({"code": "request_timeout", "detail": "the request body arrived too slowly"}).encode())
    done = client.run("submit", "-", stdin=URL)
    assert done.returncode == FAILURE and "standard input came too slowly" in done.stderr and "into a file" in done.stderr


@pytest.mark.parametrize("key", ["", "a\r\nX-Mine: 1"])
def test_an_idempotency_key_that_would_not_be_sent_is_refused(client, api, key):
    done = client.run("submit", "--idempotency-key", key, URL)
    assert done.returncode == USAGE and "--idempotency-key" in done.stderr and not api.requests


def test_a_file_called_dash_is_standard_output(client, api, tmp_path):
    batch = api.add([URL + "x"])
    for args in (["fetch", URL + "x"], ["cat", batch.id, "0"]):
        assert client.run(*args, "-o", "-", cwd=tmp_path).stdout == "body of /x\n"
    assert not (tmp_path / "-").exists()


def test_a_name_that_is_taken_in_the_folder_is_told(client, tmp_path):
    (tmp_path / "0-x").mkdir()
    (tmp_path / "0-y").symlink_to(tmp_path / "elsewhere")
    for path in ("x", "y"):
        done = client.run("fetch", "-o", tmp_path, URL + path)
        assert done.returncode == FAILURE and f"cannot write the file 0-{path}" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_home_nothing_is_remembered(client, api, tmp_path):
    first = api.add([URL])
    for env in ({"XDG_STATE_HOME": "", "HOME": ""}, {"XDG_STATE_HOME": "/proc/none"}):
        assert client.run("submit", URL, env=env).returncode == OK
    (tmp_path / "state" / "gather").mkdir(parents=True)
    for line in ("", "no-id", f"{first.id} http://other:1", f"x {client.where}"):
        (tmp_path / "state" / "gather" / "last").write_text(line)
        newest = list(api.batches)[-1]
        assert client.run("status", "@last").stdout.startswith("batch\t" + newest), line
    (tmp_path / "state" / "gather" / "last").write_text(f"{first.id} {client.where}\n")
    assert client.run("status", "@last").stdout.startswith("batch\t" + first.id)


# ---- answers ----

def test_a_problem_of_a_later_version_is_told_in_its_words(client, api):
    api.call = lambda *args: (409, json.dumps({"code": "not_yet_invented", "detail": "come back on Monday"}).encode())
    done = client.run("ls")
    assert done.returncode == FAILURE and done.stderr == "gather: come back on Monday\n"


def test_show_tells_of_every_attempt(client, api):
    batch = api.add([URL])
    ordinary = api.task

    def task(*args):
        answer = ordinary(*args)
        answer.update(id="row-17", waiting_for={"reason": "host_blocked", "until": "2031-01-01T00:00:00.000Z", "host": "a.example"},
                      attempts=[{"started_at": "T1", "timing_ms": {"total": 5}, "error": {"code": "timeout_stall", "message": "slow"}},
                                {"number": 2, "started_at": "T2", "timing_ms": {"total": 7}, "status": 200}])
        answer["request"].update(method="POST", body_size=2048, verify_tls=False, proxied=True, max_redirects=1,
                                 retry={"max_attempts": 1})
        answer["result"].update(complete=False, redirects=[{"status": 301, "url": URL + "old"}])
        return answer

    api.task = task
    shown = client.terminal("show", batch.id, "0", "--no-color", columns=160)[1].replace("\r", "")
    for line in ("id              row-17", "waiting for     host_blocked until 2031-01-01T00:00:00.000Z (a.example)",
                 "attempt 1       T1  5ms  timeout_stall: slow", "attempt 2       T2  7ms  200", "redirects       301 " + URL + "old",
                 "request         POST with a body of 2.0 KiB; 30s each, at most 1 attempt, 1 redirect, 10 MiB, through a proxy, "
                 "any certificate", "size            10 B (incomplete)"):
        assert line + "\n" in shown, (line, shown)


def test_lists_say_what_they_leave_out(client, api):
    for i in range(3):
        api.add([URL], {"name": "n%d" % i})
    assert "there are more: gather ls --all" in client.terminal("ls", "-n", "2")[1]
    assert "more" not in client.terminal("ls", "-n", "3")[1]
    assert client.run("ls", "--state", "finished", "--name", "n1").stdout.split("\t")[1] == "n1"
    assert client.run("ls", "--state", "paused").stdout == ""


def test_json_gives_the_daemons_own_documents(client, api, tmp_path):
    bad = api.add([URL + "fail"])
    for args, key in ((["submit", URL], "id"), (["submit", "-w", URL], "id"), (["retry", bad.id], "id"), (["cancel", bad.id], "id"),
                      (["wait", bad.id], "id"), (["ping"], "version"), (["hosts", "show", "a.example"], "host"), (["hosts"], "host"),
                      (["token", "create", "x"], "token"), (["token", "create", "y", "-f", tmp_path / "t"], "token"),
                      (["token", "ls", "-f", tmp_path / "t"], "hash"), (["show", bad.id, "0"], "request")):
        done = client.run(*args, "--json")
        assert json.loads(done.stdout)[key], (args, done)


def test_causes_beyond_the_first_three_are_counted(client, api):
    batch = api.add(["http://h%d.example/fail" % i for i in range(6)])
    ordinary = batch.result
    batch.result = lambda i: {**ordinary(i), "error": {"code": "body_too_large", "message": "%d bytes" % i}}
    text = client.terminal("errors", batch.id, "--no-color", "--quiet")[1]
    assert "and 3 more hosts" in text and "3: other messages" in text and "gather retry" not in text
    assert "has failed" in client.run("errors", api.add([URL]).id).stderr


def test_a_body_that_json_leaves_out_is_told(client, api):
    ordinary = api.results

    def results(*args):
        page = ordinary(*args)
        for row in page["results"]:
            row.pop("body", None)
            row["body_omitted"] = True
        return page

    api.results = results
    done = client.run("fetch", "--json", URL)
    assert done.returncode == OK and "too large for JSON; gather cat " + next(iter(api.batches)) + " 0 prints it" in done.stderr


def test_a_host_that_is_left_alone_says_until_when(client, api):
    api.host("a.example").update(blocked_until="2031-01-01T00:00:00.000Z", rate_per_s=2.5, delay_ms=500, paused=False,
                                 overrides={"rate_per_s": 2.5})
    assert "blocked until 2031" in client.terminal("hosts", columns=120)[1]
    text = client.terminal("hosts", "show", "a.example")[1]
    api.host("b.example").update(rate_per_s=0.1)
    assert '"rate_per_s":0.1,' in client.run("hosts", "show", "b.example", "--json").stdout
    assert "left alone until 2031" in text and "500ms between starts, at most 2.5/s (set by hand)" in text
    client.run("hosts", "set", "a.example", "--reset")
    assert json.loads(api.seen("PATCH", "a.example")[0][3]) == {"max_concurrency": None, "delay_ms": None, "rate_per_s": None}


def test_a_dry_run_on_a_terminal_shows_the_first_of_many(client, tmp_path):
    (tmp_path / "l").write_text("".join("http://h%d.example/\nftp://x/\n" % i for i in range(30)))
    text = client.terminal("submit", "-n", tmp_path / "l")[1]
    assert "and 10 hosts more" in text and "and 10 rejected more" in text


def test_text_of_any_answer_is_safe_on_a_terminal(client, api):
    api.call = lambda *args: (200, b"a 1\nb\x1b[31m 2\n\nlast")
    assert client.terminal("api", "/metrics")[1] == "a 1\r\nb\\x1b[31m 2\r\n\r\nlast\r\n"
    api.call = lambda *args: (200, json.dumps({"a": "\x1b"}).encode())
    assert client.terminal("api", "/x")[1] == '{\r\n  "a": "\\u001B"\r\n}\r\n'


def test_a_page_without_results_is_not_asked_for_in_a_tight_loop(client, api):
    api.duration = 60
    batch = api.add([URL])
    api.wait = lambda *args: None
    process = client.start("results", "-f", batch.id)
    eventually(lambda: len(api.seen("GET", "wait=30")) >= 3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130 and len(api.seen("GET", "results")) < 20


def test_what_waits_is_patient_with_an_overloaded_daemon_that_it_has_reached(client, api):
    batch, ordinary = api.add([URL]), api.call
    api.duration = batch.duration = 0.5

    def call(method, target, *rest):
        if len(api.requests) in (2, 3):
            raise Problem(("overloaded", "draining")[len(api.requests) - 2], "not now")
        return ordinary(method, target, *rest)

    TITLES["draining"] = 503
    api.call = call
    done = client.run("wait", batch.id)
    assert done.returncode == OK and "not now; trying again" in done.stderr


# ---- doctor ----

def test_doctor_tells_of_names_space_and_silence(client, api):
    ordinary = api.call
    api.stats["store"] = {"free_bytes": 1 << 20, "bytes": 4096, "messages_waiting": 5000}
    answers = {"/metrics": (200, b"gatherd_dns_lookups_total 100\ngatherd_dns_failures_total 80\n"), "/readyz?verbose": (503, b"<html>")}
    api.call = lambda method, target, *rest: answers.get(target) or ordinary(method, target, *rest)
    done = client.run("doctor")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    found = {(row[0], row[1]): row[2] for row in rows}
    assert "80 of the daemon's 100 lookups failed" in found["warn", "dns"] and "the daemon answers 503" in found["fail", "ready"]
    assert "1.0 MiB free" in found["warn", "disk"] and "5000 messages" in found["warn", "database"] and done.returncode == FAILURE
    answers["/metrics"] = (200, b"gatherd_dns_lookups_total 100\ngatherd_dns_failures_total 1\n")
    api.cut_before += ["readyz"] * 2 + ["batches.limit"] * 2
    rows = [line.split("\t") for line in client.run("doctor").stdout.splitlines()]
    assert ["ok", "dns"] in [row[:2] for row in rows] and [row[:2] for row in rows].count(["fail", "database"]) == 1


def test_doctor_tells_of_a_file_that_is_no_socket_and_of_few_descriptors(client, tmp_path):
    (tmp_path / "plain").touch()
    done = client.run("--server", "unix:%s" % (tmp_path / "plain"), "doctor")
    assert done.returncode == UNREACHABLE and "plain is no socket" in done.stdout
    done = client.run("doctor", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)))
    assert "warn\tdescriptors" in done.stdout
