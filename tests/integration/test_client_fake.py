# SPDX-License-Identifier: MIT
"""The client `gather` against a stand-in for the daemon: verbs, output forms, exit statuses, interruptions."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import fake_api
from fake_client import GATHER, Client, api, client  # noqa: F401 (two are fixtures)
from harness import catches, eventually

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED, NOT_FOUND, REJECTED, UNFINISHED, FAILED_TASKS = range(9)
INTERRUPTED = 130
BATCH = "01920000-0001-7000-8000-000000000001"


# ---- the command line ----

@pytest.mark.parametrize("args, text", [
    ([], "Usage: gather"),
    (["sumbit", "http://a.example/"], "did you mean submit?"),
    (["https://a.example/"], "gather fetch URL"),
    (["wait"], "wait needs BATCH"),
    (["ls", "extra"], "takes no argument"),
    (["hosts", "frobnicate"], "hosts set"),
    (["token"], "token create"),
    (["ls", "--limti", "3"], "did you mean --limit?"),
    (["ls", "--limit"], "needs a value"),
    (["ls", "--limit", "0"], "between 1"),
    (["ls", "--limit", "x"], "whole number"),
    (["ls", "--state", "bad"], "running|paused|finished"),
    (["ls", "--json=1"], "takes no value"),
    (["ls", "-Z"], "unknown option -Z"),
    (["wait", "@last", "--timeout", "soon"], "duration"),
    (["--server", "gopher://x", "ls"], "http://HOST:PORT"),
    (["show", "@last", "-1"], "-1"),
    (["show", "01920000-0001-7000-8000-000000000001", "x"], "position"),
    (["api", "v1/stats"], "slash"),
    (["hosts", "set", "a.example"], "nothing to set"),
    (["hosts", "show", "http://a.example/"], "no host"),
    (["submit", "no-such-file"], "neither a file"),
    (["completion", "tcsh"], "bash, zsh and fish"),
    (["help", "wiat"], "did you mean wait?"),
    (["--server", "unix:" + "x" * 200, "ls"], "socket's path"),
    (["wait", "@last", "--timeout", "9999d"], "between 0ms and 365d"),
    (["status", "xy"], "names no batch"),
    (["results", BATCH, "--follow", "--order", "input"], "--order input"),
    (["results", BATCH, "--failed", "--state", "succeeded"], "give one"),
    (["fetch", "--json", "-o", "x", "http://a.example/"], "do not go with it"),
    (["fetch", "-H", "no colon", "http://a.example/"], "Name: value"),
    (["fetch", "-H", "A: 1", "-H", "a: 2", "http://a.example/"], "given twice"),
    (["submit", "http://a.example/", "/dev/null"], "/dev/null is a file"),
    (["submit", "/"], "is a folder"),
    (["api", "/v1/a b"], "percent-encoded"),
    (["api", "/v1/stats", "-H", "no colon"], "-H needs"),
    (["hosts", "set", "a.example", "--rate", "fast"], "requests per second"),
    (["hosts", "pause", "a.example:80"], "no host"),
    (["token", "create", "a b"], "letters, digits"),
])
def test_wrong_usage_says_what_is_wrong_and_exits_2(client, args, text):
    done = client.run(*args)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert text in done.stderr


def test_help_goes_to_standard_output_and_names_every_verb(client):
    done = client.run("--help")
    assert done.returncode == OK and done.stderr == ""
    for verb in "fetch submit ls status wait watch results errors show cat retry cancel pause resume rm hosts".split():
        assert re.search(r"^  %s\b" % verb, done.stdout, re.M)
    assert "--fail-fast" in client.run("submit", "--help").stdout
    assert "--concurrency" in client.run("help", "hosts", "set").stdout


def test_options_may_stand_before_and_after_the_verb(client):
    assert client.run("--json", "status").stdout == client.run("status", "--json").stdout


@pytest.mark.parametrize("shell, checker", [("bash", ["bash", "-n"])])
def test_completion_is_valid_shell(client, shell, checker):
    script = client.run("completion", shell).stdout
    assert subprocess.run(checker, input=script, text=True, capture_output=True).returncode == 0
    words = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(gather ho); COMP_CWORD=1; _gather; "
                            "echo ${COMPREPLY[@]}"], text=True, capture_output=True)
    assert words.stdout.strip() == "hosts"


# ---- reaching the daemon ----

def test_unreachable_daemon_exits_3_and_says_what_to_do(client):
    done = client.run("--server", "http://127.0.0.1:1", "ls")
    assert done.returncode == UNREACHABLE
    assert "Connection refused" in done.stderr and "--server" in done.stderr
    assert "Come back" not in client.run("--server", "http://127.0.0.1:1", "wait", BATCH).stderr


def test_a_server_whose_name_is_unknown_was_never_reached(client):
    done = client.run("--server", "http://nowhere.invalid:7070", "ls")
    assert done.returncode == UNREACHABLE and "cannot reach gatherd at http://nowhere.invalid:7070" in done.stderr


def test_missing_socket_exits_3(client, tmp_path):
    done = client.run("--server", "unix:%s/none.sock" % tmp_path, "ping")
    assert done.returncode == UNREACHABLE and "none.sock" in done.stderr


def test_unix_socket(api, tmp_path):
    server, where = fake_api.serve(api, tmp_path / "api.sock")
    try:
        client = Client(api, where, tmp_path)
        done = client.run("ping")
        assert done.returncode == OK and "0.0-fake" in done.stdout and where in done.stdout
        assert client.run("fetch", "http://a.example/x").stdout == "body of /x\n"
    finally:
        server.shutdown()
        server.server_close()


def test_no_proxy_is_used_for_the_api(client):
    assert client.run("ping", env={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}).returncode == OK


def test_token_comes_from_file_or_environment(client, api, tmp_path):
    api.token = "sesame"
    done = client.run("ls")
    assert done.returncode == UNAUTHORISED and "--token-file" in done.stderr
    assert client.run("ls", env={"GATHER_TOKEN": "sesame"}).returncode == OK
    file = tmp_path / "token"
    file.write_text("sesame\n")
    assert client.run("ls", "--token-file", file).returncode == OK
    assert client.run("ls", env={"GATHER_TOKEN_FILE": str(file)}).returncode == OK
    file.write_text("two words\n")
    done = client.run("ls", "--token-file", file)
    assert done.returncode == USAGE and "two words" not in done.stderr


def test_answer_of_another_server_is_recognised(client, api):
    api.call = lambda *args: (404, b"<html>nginx</html>")
    done = client.run("ls")
    assert done.returncode == NOT_FOUND and "no answer of gatherd" in done.stderr


# ---- submit ----

def test_submit_prints_the_id_and_last_means_it(client):
    done = client.run("submit", "http://a.example/1", "http://a.example/2")
    assert done.returncode == OK and done.stderr == ""
    assert json.loads(client.run("status", "@last", "--json").stdout)["id"] == done.stdout.strip()


def test_submit_sends_options_in_the_document(client, api):
    client.run("submit", "http://a.example/", "--name", "n", "-p", "9", "--deadline", "10m", "--concurrency", "5",
               "--fail-fast", "--timeout", "5s", "--retries", "0", "--accept-status", "200", "-H", "X-A: b: c",
               "-H", 'X-"q: 1', "-X", "PUT", "-d", "hello")
    sent = json.loads(api.seen("POST", "^/v1/batches$")[0][3])
    assert sent == {"name": "n", "priority": 9, "deadline_ms": 600000, "concurrency": 5, "fail_fast": True,
                    "urls": ["http://a.example/"],
                    "defaults": {"method": "PUT", "timeout_ms": 5000, "accept_status": "200",
                                 "retry": {"max_attempts": 1}, "headers": {"X-A": "b: c", 'X-"q': "1"},
                                 "body": "hello"}}


def test_binary_request_body_is_sent_as_base64(client, api, tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\x00\x01")
    client.run("submit", "http://a.example/", "-d", "@%s/b" % tmp_path)
    defaults = json.loads(api.seen("POST", "batches")[0][3])["defaults"]
    assert defaults == {"method": "POST", "body_base64": "/wAB"}


@pytest.mark.parametrize("name, text, kind", [
    ("list.txt", "# c\n\nhttp://a.example/1\nhttp://a.example/2\n", "text/plain"),
    ("list", '{"url": "http://a.example/1"}\n', "application/x-ndjson"),
    ("list", ' "http://a.example/1"\n', "application/x-ndjson"),
    ("list.jsonl", '"http://a.example/1"\n', "application/x-ndjson"),
    ("list.json", '{"urls": ["http://a.example/1"]}', "application/json"),
    ("list", '["http://a.example/1"]', "application/json"),
])
def test_submit_file_is_sent_in_its_form(client, api, tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    done = client.run("submit", tmp_path / name)
    assert done.returncode == OK, done.stderr
    _, _, headers, body = api.seen("POST", "batches")[0]
    assert headers["Content-Type"] == kind and body.decode() == text
    assert headers["Content-Length"] == str(len(text)) and headers["Idempotency-Key"]


def test_submit_standard_input_is_streamed(client, api):
    text = "".join("http://a.example/%d\n" % i for i in range(20000))
    done = client.run("submit", "-", "--name", "a b&c", stdin=text)
    assert done.returncode == OK, done.stderr
    _, target, headers, body = api.seen("POST", "batches")[0]
    assert headers["Transfer-Encoding"] == "chunked" and body.decode() == text
    assert target == "/v1/batches?name=a%20b%26c"


def test_task_options_cannot_go_with_a_file(client, api, tmp_path):
    (tmp_path / "l").write_text("http://a.example/\n")
    done = client.run("submit", tmp_path / "l", "--timeout", "3s")
    assert done.returncode == USAGE and "--timeout" in done.stderr and not api.requests
    (tmp_path / "l.json").write_text("[]")
    done = client.run("submit", tmp_path / "l.json", "--name", "x")
    assert done.returncode == USAGE and not api.requests


def test_rejected_submission_lists_lines_and_exits_6(client, api, tmp_path):
    (tmp_path / "l").write_text("http://a.example/\nhttp://invalid/\n")
    done = client.run("submit", tmp_path / "l")
    assert (done.returncode, done.stdout) == (REJECTED, "")
    assert "line 2: invalid_url: this URL is invalid" in done.stderr
    done = client.run("submit", "http://a.example/", "http://invalid/", "--partial")
    assert done.returncode == OK and "1 entry was left out" in done.stderr
    assert "/urls/1" in done.stderr and done.stdout.strip() in api.batches


@pytest.mark.parametrize("knob", ["cut_before", "cut_after"])
def test_submission_cut_midway_is_sent_again_with_the_same_key(client, api, knob):
    getattr(api, knob).append("POST /v1/batches")
    done = client.run("submit", "http://a.example/")
    assert done.returncode == OK, done.stderr
    posts = api.seen("POST", "batches")
    assert len(posts) == 2 and posts[0][2]["Idempotency-Key"] == posts[1][2]["Idempotency-Key"]
    assert len(api.batches) == 1


def test_submission_from_a_pipe_is_not_sent_twice(client, api):
    api.cut_after.append("POST /v1/batches")
    done = client.run("submit", "-", stdin="http://a.example/\n")
    assert done.returncode == UNREACHABLE and len(api.seen("POST", "batches")) == 1
    key = api.seen("POST", "batches")[0][2]["Idempotency-Key"]
    assert key in done.stderr


# ---- waiting ----

def test_wait_tells_by_its_exit_status_what_became_of_the_batch(client, api):
    good = api.add(["http://a.example/"])
    bad = api.add(["http://a.example/", "http://a.example/fail"])
    done = client.run("wait", good.id)
    assert (done.returncode, done.stdout) == (OK, "") and "1 of 1 succeeded" in done.stderr
    done = client.run("wait", bad.id)
    assert done.returncode == FAILED_TASKS and "gather errors " + bad.id in done.stderr
    assert client.run("-q", "wait", bad.id).stderr == ""


def test_wait_gives_up_after_its_timeout(client, api):
    api.duration = 30
    batch = api.add(["http://a.example/"])
    start = time.monotonic()
    done = client.run("wait", batch.id, "--timeout", "300ms")
    assert done.returncode == UNFINISHED and time.monotonic() - start < 10
    assert "not finished in time" in done.stderr and not batch.finished()


def test_wait_survives_a_cut_connection(client, api):
    api.duration = 1.5
    batch = api.add(["http://a.example/"])
    api.cut_before += [r"wait=[1-9]"] * 3  # libcurl itself repeats a GET once on a kept connection
    done = client.run("wait", batch.id)
    assert done.returncode == OK and "trying again" in done.stderr


def test_interrupt_leaves_the_batch_and_says_how_to_come_back(client, api):
    api.duration = 60
    process = client.start("submit", "--wait", "http://a.example/")
    batch_id = process.stdout.readline().strip()
    deadline = time.monotonic() + 10
    while not api.seen("GET", batch_id + r"\?wait=60") and time.monotonic() < deadline:
        time.sleep(0.02)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED and time.monotonic() - start < 3
    assert "gather wait " + batch_id in messages and "gather results " + batch_id in messages
    assert not api.seen("POST", "cancel")


def test_interrupt_while_reading_a_slow_input_submits_nothing(client, api):
    process = client.start("submit", "-", stdin=subprocess.PIPE)
    process.stdin.write("http://a.example/\n")
    process.stdin.flush()
    eventually(lambda: catches(process, signal.SIGINT))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == INTERRUPTED and not api.batches
    messages = process.stderr.read()
    assert "interrupted" in messages and "may or may not" not in messages


def test_watch_in_a_pipe_prints_changes(client, api):
    api.duration = 1.2
    batch = api.add(["http://a.example/%d" % i for i in range(4)])
    done = client.run("watch", batch.id)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == OK and len(states) >= 2 and states[-1]["state"] == "finished"


# ---- fetch ----

def test_fetch_prints_bodies_in_the_order_of_the_urls(client):
    done = client.run("fetch", "http://a.example/2", "http://a.example/1")
    assert (done.returncode, done.stdout) == (OK, "body of /2\nbody of /1\n")
    done = client.run("fetch", "-i", "http://a.example/2")
    assert done.stdout.startswith("HTTP/1.1 200\n") and "X-Fake: 1" in done.stdout


def test_fetch_tells_failed_urls_and_exits_8(client):
    done = client.run("fetch", "http://a.example/1", "http://a.example/fail", "http://dns.example/")
    assert (done.returncode, done.stdout) == (FAILED_TASKS, "body of /1\n")
    assert "gather: http://a.example/fail: http_status: the server answered 503\n" in done.stderr
    assert "gather: http://dns.example/: dns_not_found: no such host\n" in done.stderr


def test_fetch_json_gives_results_with_bodies(client):
    done = client.run("fetch", "--json", *["http://a.example/%d" % i for i in range(25)])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["index"] for r in rows] == list(range(25)) and rows[3]["body"] == "body of /3\n"


def test_fetch_into_a_folder_names_files_safely(client, tmp_path):
    folder = str(tmp_path / "out") + "/"
    done = client.run("fetch", "-o", folder, "http://a.example/..%2f..%2fetc", "http://a.example/a/b.txt?x=/y",
                      "http://a.example/")
    assert done.returncode == OK, done.stderr
    assert sorted(os.listdir(folder)) == ["0-.._2f.._2fetc", "1-b.txt", "2-index"]
    assert open(folder + "1-b.txt").read() == "body of /a/b.txt\n"
    client.run("fetch", "-o", tmp_path / "one", "http://a.example/1", "http://a.example/2")
    assert (tmp_path / "one").read_text() == "body of /1\nbody of /2\n"


def test_a_file_keeps_what_is_in_it_until_there_is_something_else(client, api, tmp_path):
    kept, missing = tmp_path / "kept", tmp_path / "missing"
    batch = api.add(["http://a.example/x"])
    for args in (("fetch", "http://invalid/"), ("fetch", "http://a.example/", "--server", "http://127.0.0.1:1"),
                 ("cat", batch.id, "7")):
        kept.write_text("of worth")
        assert client.run(*args, "-o", kept).returncode not in (OK, FAILED_TASKS), args
        assert kept.read_text() == "of worth", args
        assert client.run(*args, "-o", missing).returncode not in (OK, FAILED_TASKS), args
        assert not missing.exists(), args
    for args in (("fetch", "http://a.example/1"), ("cat", batch.id, "0")):
        kept.write_text("longer than what comes " * 9)
        assert client.run(*args, "-o", kept).returncode == OK
        assert kept.read_text().startswith("body of ") and len(kept.read_text()) < 20
    assert client.run("fetch", "http://a.example/1", "-o", "/dev/null").returncode == OK
    assert client.run("cat", batch.id, "0", "-o", tmp_path / "no" / "where").returncode == FAILURE


@pytest.mark.parametrize("args, text", [
    (["--token-file", "missing", "ls"], "cannot read the token file missing"),
    (["fetch", "http://a.example/1", "-d", "@missing"], "cannot read missing"),
    (["fetch", "http://a.example/1", "-o", "/dev/full"], "cannot write the output"),
    (["fetch", "http://a.example/1", "-i", "-o", "/dev/full"], "cannot write the output"),
    (["fetch", "http://a.example/1", "-o", "missing/folder/"], "cannot make the folder"),
    (["fetch", "http://a.example/1", "-o", "missing/file"], "cannot write to missing/file"),
    (["token", "ls", "-f", "missing"], "cannot read missing"),
    (["token", "revoke", "one", "-f", "missing"], "cannot read missing"),
    (["token", "create", "one", "-f", "missing/file"], "cannot write to missing/file"),
])
def test_what_cannot_be_read_or_written_is_named(client, tmp_path, args, text):
    done = client.run(*args, cwd=tmp_path)
    assert done.returncode == FAILURE and text in done.stderr, done
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["state"])


def test_answers_that_are_none_are_failures(client, api):
    for answer, text in (((200, b"<html>"), "no JSON"), ((200, b""), "without a document"),
                         ((302, b""), "no answer of gatherd"), ((502, b"<html>"), "502")):
        api.call = lambda *args, answer=answer: answer
        for args in (["ls"], ["status", BATCH], ["submit", "http://a.example/"]):
            done = client.run(*args)
            assert (done.returncode, done.stdout) == (FAILURE, "") and text in done.stderr, (args, done)


# ---- lists and results ----

def test_ls_in_a_pipe_is_tsv_newest_first(client, api):
    first = api.add(["http://a.example/"], {"name": "tab\there"})
    second = api.add(["http://a.example/fail"] * 1500)
    rows = [line.split("\t") for line in client.run("ls").stdout.splitlines()]
    assert [r[0] for r in rows] == [second.id, first.id]
    assert rows[0][2:6] == ["finished", "1500/1500", "0", "1500"] and rows[1][1] == "tab\\there"
    assert len(client.run("ls", "-n", "1").stdout.splitlines()) == 1
    assert json.loads(client.run("ls", "--json", "-n1").stdout)["id"] == second.id


def test_listing_goes_over_all_pages(client, api):
    api.page_limit = 7
    for _ in range(30):
        api.add(["http://a.example/"])
    assert len(client.run("ls").stdout.splitlines()) == 30
    assert len(client.run("ls", "-n", "10").stdout.splitlines()) == 10


def test_results_in_a_pipe_are_ndjson_over_all_pages(client, api):
    api.page_limit = 100
    batch = api.add(["http://a.example/%s" % ("fail" if i % 10 == 0 else i) for i in range(1050)])
    rows = [json.loads(line) for line in client.run("results", batch.id).stdout.splitlines()]
    assert [r["seq"] for r in rows] == list(range(1, 1051))
    failed = client.run("results", batch.id, "--failed").stdout.splitlines()
    assert len(failed) == 105 and len(client.run("results", batch.id, "-n", "150").stdout.splitlines()) == 150
    client.run("results", batch.id, "--order", "input", "--include", "headers,body")
    assert api.seen("GET", "order=input&include=headers%2Cbody")


def test_results_follow_resumes_after_a_cut_without_loss_or_repetition(client, api):
    api.duration, api.page_limit = 1.5, 5
    batch = api.add(["http://a.example/%d" % i for i in range(40)])
    api.cut_after += ["after=c", "after=c", "after=c"]
    done = client.run("results", batch.id, "--follow")
    assert done.returncode == OK, done.stderr
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == list(range(1, 41))


def test_a_reader_that_has_enough_is_no_failure(client, api):
    batch = api.add(["http://a.example/%d" % i for i in range(3000)])
    process = client.start("results", batch.id)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == OK and process.stderr.read() == ""


def test_a_full_disk_is_a_failure(client, api):
    batch = api.add(["http://a.example/%d" % i for i in range(100)])
    with open("/dev/full", "w") as full:
        done = subprocess.run([GATHER, "results", batch.id], env=client.env, stdout=full, stderr=subprocess.PIPE,
                              text=True)
    assert done.returncode == FAILURE and "No space left" in done.stderr


def test_errors_are_grouped_by_cause_with_a_hint(client, api):
    batch = api.add(["http://a.example/fail"] * 3 + ["http://b.example/fail", "http://dns.example/", "http://c/"])
    rows = [line.split("\t") for line in client.run("errors", batch.id).stdout.splitlines()]
    assert [r[:3] for r in rows] == [["4", "http_status 503", "a.example (3), b.example"],
                                     ["1", "dns_not_found", "dns.example"]]
    assert all(len(r) == 5 and r[4] for r in rows)
    causes = [json.loads(line) for line in client.run("errors", batch.id, "--json").stdout.splitlines()]
    assert causes[0]["hosts"] == {"a.example": 3, "b.example": 1} and causes[0]["status"] == 503


def test_batch_may_be_named_by_a_unique_prefix(client, api):
    one, two = api.add(["http://a.example/"]), api.add(["http://a.example/"])
    assert one.id in client.run("status", one.id[:13]).stdout
    done = client.run("status", "01920000")
    assert done.returncode == USAGE and one.id in done.stderr and two.id in done.stderr
    assert client.run("status", "0193abcd").returncode == NOT_FOUND
    assert client.run("status", "019").returncode == USAGE
    assert two.id in client.run("status", "@last").stdout


def test_unknown_batch_exits_5(client):
    done = client.run("results", "01920000-ffff-7000-8000-000000000001")
    assert done.returncode == NOT_FOUND and "there is no batch" in done.stderr
    assert client.run("status", "@last").returncode == NOT_FOUND


def test_show_and_cat(client, api, tmp_path):
    batch = api.add(["http://a.example/x", "http://a.example/binary"])
    shown = client.run("show", batch.id, "0").stdout
    for text in ("url\thttp://a.example/x", "state\tsucceeded", "request\tGET; 30s", "\tX-Mine: 1",
                 "served by\t192.0.2.1, HTTP/1.1", "first byte\t40"):
        assert text in shown
    assert client.run("cat", batch.id, "0").stdout == "body of /x\n"
    assert client.run("cat", batch.id, "1", "-o", tmp_path / "b").returncode == OK
    assert (tmp_path / "b").read_bytes().startswith(b"\0\1\2")
    assert client.run("show", batch.id, "9").returncode == NOT_FOUND
    status, text = client.terminal("cat", batch.id, "1")
    assert status == FAILURE and "-o" in text and "\0" not in text


def test_actions_on_batches(client, api):
    api.duration = 60
    batch = api.add(["http://a.example/%d" % i for i in range(10)])
    assert "paused" in client.run("pause", batch.id).stderr and batch.paused
    assert client.run("resume", batch.id).returncode == OK and not batch.paused
    done = client.run("rm", batch.id)
    assert done.returncode == FAILURE and "--force" in done.stderr
    assert client.run("retry", batch.id).returncode == FAILURE
    assert client.run("cancel", batch.id).returncode == OK and batch.finished()
    assert client.run("wait", batch.id).returncode == FAILED_TASKS
    assert client.run("rm", batch.id).returncode == OK and batch.id not in api.batches
    api.duration = 0
    bad = api.add(["http://a.example/1", "http://a.example/fail"])
    done = client.run("retry", bad.id, "--wait")
    assert done.returncode == FAILED_TASKS and api.batches[done.stdout.strip()].urls == ["http://a.example/fail"]


def test_hosts(client, api):
    assert client.run("hosts", "set", "A.Example.", "--concurrency", "2", "--delay", "500ms", "--rate", "1.5").returncode == OK
    assert json.loads(api.seen("PATCH", "/v1/hosts/a.example$")[0][3]) == {"max_concurrency": 2, "delay_ms": 500,
                                                                           "rate_per_s": 1.5}
    client.run("hosts", "set", "a.example", "--reset", "--rate", "1.5", "-c", "2")
    assert json.loads(api.seen("PATCH", "/v1/hosts/a.example$")[1][3]) == {"max_concurrency": 2, "delay_ms": None,
                                                                           "rate_per_s": 1.5}
    api.hosts["a.example"]["delay_ms"] = 500
    client.run("hosts", "pause", "a.example")
    assert api.hosts["a.example"]["paused"] is True
    assert client.run("hosts").stdout == "a.example\t3\t1\t2\t500\t1.5\tpaused\n"
    client.run("hosts", "resume", "a.example")
    assert api.hosts["a.example"]["paused"] is False
    assert "max_concurrency\t2" in client.run("hosts", "show", "a.example").stdout


def test_api_prints_the_answer_and_exits_by_its_status(client, api):
    assert json.loads(client.run("api", "/v1/stats").stdout)["version"] == "0.0-fake"
    done = client.run("api", "/v1/nothing")
    assert done.returncode == NOT_FOUND and json.loads(done.stdout)["code"] == "not_found"
    done = client.run("api", "/v1/batches", "-d", '["http://a.example/"]', "-H", "X-Mine: 1")
    assert done.returncode == OK and len(api.batches) == 1
    assert api.requests[-1][2]["X-Mine"] == "1" and api.requests[-1][2]["Content-Type"] == "application/json"


def test_token_create_gives_a_token_and_its_hash(client):
    import hashlib
    done = client.run("token", "create", "ops", "--scope", "admin")
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    digest = hashlib.sha256(fields["token"].encode()).hexdigest()
    assert done.returncode == OK and fields["line"] == "ops admin sha256:" + digest
    assert client.run("token", "create", "two words").returncode == USAGE


# ---- on a terminal ----

def test_progress_line_is_drawn_on_a_terminal_only(client, api):
    api.duration = 2.5
    batch = api.add(["http://a.example/%s" % ("fail" if i % 9 == 0 else i) for i in range(1000)])
    status, text = client.terminal("wait", batch.id)
    assert status == FAILED_TASKS
    assert re.search(r"\d+/1,000 \d+% ▕", text) and "fail" in text and "eta" in text
    lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]", text)]
    assert max(len(line) for line in lines if "▕" in line) < 80
    assert "\r" not in client.run("wait", batch.id).stderr


def test_tables_fit_the_terminal(client, api):
    batch = api.add(["http://a.example/" + "long/" * 40, "http://a.example/fail"], {"name": "x" * 100})
    for columns in (80, 120):
        for args in (["ls"], ["results", batch.id], ["errors", batch.id]):
            status, text = client.terminal(*args, columns=columns)
            assert status == OK
            plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
            assert max(map(len, plain)) <= columns


def test_colours_only_when_wanted(client, api):
    batch = api.add(["http://a.example/"])
    assert "\x1b[" in client.terminal("status", batch.id)[1]
    assert "\x1b[" not in client.terminal("status", batch.id, "--no-color")[1]
    assert "\x1b[" not in client.terminal("status", batch.id, env={"NO_COLOR": "1"})[1]
    assert "\x1b[" not in client.run("status", batch.id).stdout


def test_text_of_servers_cannot_steer_the_terminal(client, api):
    batch = api.add(["http://a.example/steer"], {"name": "\x1b]0;owned\x07"})
    for args in (["ls"], ["errors", batch.id], ["show", batch.id, "0"], ["status", batch.id],
                 ["results", batch.id, "--json"], ["status", batch.id, "--json"]):
        text = client.terminal(*args, "--no-color")[1]
        assert "\x1b" not in text and "\x07" not in text, args
    done = client.run("fetch", "http://a.example/steer")
    assert "\\x1b[31mred" in done.stderr and "\x1b" not in done.stderr


def test_interrupt_on_a_terminal_removes_the_progress_line(client, api):
    api.duration = 60
    batch = api.add(["http://a.example/%d" % i for i in range(100)])
    status, text = client.terminal("wait", batch.id, until="▕")
    assert status == INTERRUPTED and "gather wait " + batch.id in text
