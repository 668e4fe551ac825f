# SPDX-License-Identifier: MIT
"""The client against the real daemon: every verb end to end, and its exit statuses."""
import json
import signal
import subprocess
import os
import time

import pytest

from harness import catches, eventually, program, run_gather

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED, NOT_FOUND, REJECTED, NOT_IN_TIME, FAILED_TASKS = range(9)


@pytest.fixture
def gather(daemon, api, tmp_path):
    """gather("verb", …) with a state folder of its own (for @last)."""
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*args, exit_code=OK, **more):
        done = run_gather(f"unix:{daemon.socket_path}", *args, env=env, **more)
        assert done.returncode == exit_code, done
        return done
    return run


@pytest.fixture
def url(origin, host):
    return lambda path: origin.url(path, host)


def submit(gather, *args, **more):
    return gather("submit", *args, **more).stdout.strip()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_fetch_prints_bodies_in_order(gather, url):
    done = gather("fetch", url("/delay/300"), url("/size/16"))
    assert done.stdout.startswith("after 300 ms\n0000000\n")


def test_fetch_with_headers(gather, url):
    assert "HTTP" in gather("fetch", "-i", url("/ok")).stdout


def test_fetch_into_a_file(gather, url, tmp_path):
    target = tmp_path / "out"
    gather("fetch", "-o", target, url("/size/100000"))
    assert target.stat().st_size == 100000


def test_fetch_as_json(gather, url):
    results = lines(gather("fetch", "--json", url("/ok"), url("/gzip")).stdout)
    assert [r["state"] for r in results] == ["succeeded"] * 2


def test_fetch_of_a_failure_exits_8_and_says_why(gather, url):
    done = gather("fetch", url("/status/404"), url("/ok"), exit_code=FAILED_TASKS)
    assert "404" in done.stderr


def test_submit_prints_the_id_and_wait_waits(gather, api, url):
    batch = submit(gather, "--name", "mine", "--priority", "7", url("/delay/300"))
    assert api.batch(batch)["name"] == "mine" and api.batch(batch)["priority"] == 7
    gather("wait", batch)
    assert api.batch(batch)["state"] == "finished"


@pytest.mark.parametrize("kind", ["text", "ndjson", "json"])
def test_submit_of_a_file(gather, api, url, tmp_path, kind):
    urls = [url(f"/ok?{i}") for i in range(5)]
    file = tmp_path / {"text": "urls.txt", "ndjson": "urls.ndjson", "json": "urls.json"}[kind]
    file.write_text({"text": "# mine\n" + "\n".join(urls), "ndjson": "".join(json.dumps(u) + "\n" for u in urls),
                     "json": json.dumps({"urls": urls})}[kind])
    assert api.wait(submit(gather, file))["counts"]["succeeded"] == 5


def test_submit_from_stdin(gather, api, url):
    batch = submit(gather, "-", stdin=f"{url('/ok')}\n{url('/gzip')}\n")
    assert api.wait(batch)["counts"]["succeeded"] == 2


def test_submit_and_wait(gather, api, url):
    assert api.batch(submit(gather, "--wait", url("/delay/300")))["state"] == "finished"


def test_a_dry_run_submits_nothing(gather, api, url):
    before = len(api.get_json("/v1/batches?limit=1000")["batches"])
    gather("submit", "-n", url("/ok"))
    assert len(api.get_json("/v1/batches?limit=1000")["batches"]) == before


def test_rejected_input_exits_6_and_says_what(gather):
    done = gather("submit", "ftp://h.example/", exit_code=REJECTED)
    assert "scheme" in done.stderr and done.stdout == ""


def test_ls_and_status(gather, url):
    batch = submit(gather, "--name", "listed", url("/ok"))
    assert batch in gather("ls").stdout or batch[:8] in gather("ls").stdout
    assert any(b["id"] == batch for b in lines(gather("--json", "ls").stdout))
    assert json.loads(gather("--json", "status", batch).stdout)["name"] == "listed"


def test_last_and_prefixes_name_batches(gather, url):
    batch = submit(gather, url("/ok"))
    for name in ("@last", batch[:30]):
        assert json.loads(gather("--json", "status", name).stdout)["id"] == batch


def test_wait_runs_out_with_7(gather, url):
    batch = submit(gather, url("/delay/3000"))
    gather("wait", "--timeout", "1s", batch, exit_code=NOT_IN_TIME)


def test_wait_for_failures_exits_8(gather, url):
    gather("wait", submit(gather, url("/status/404")), exit_code=FAILED_TASKS)


def test_results(gather, url):
    batch = submit(gather, "--wait", url("/delay/300"), url("/ok"))
    assert [r["index"] for r in lines(gather("results", "--json", batch).stdout)] == [1, 0]
    assert [r["index"] for r in lines(gather("results", "--json", "--order", "input", batch).stdout)] == [0, 1]
    full = lines(gather("results", "--json", "--include", "headers,body", batch).stdout)
    assert full[0]["body"] and full[0]["headers"]


def test_results_of_failures_only(gather, url):
    batch = submit(gather, url("/ok"), url("/status/404"))
    gather("wait", batch, exit_code=FAILED_TASKS)
    assert [r["status"] for r in lines(gather("results", "--json", "--failed", batch).stdout)] == [404]


def test_results_followed(gather, url):
    batch = submit(gather, url("/delay/800"), url("/ok"))
    assert [r["index"] for r in lines(gather("results", "--json", "--follow", batch).stdout)] == [1, 0]


def test_results_followed_through_a_restart_of_the_daemon(own_daemon, origin, host, tmp_path):
    daemon, shown = own_daemon(), tmp_path / "shown"
    urls = [origin.url(f"/delay/{300 + 100 * (i // 4)}?follow={i}", host) for i in range(40)]
    batch = daemon.api.submit({"urls": urls})
    command = [str(program("GATHER_BIN")), "--server", f"unix:{daemon.socket_path}", "results", batch["id"], "--follow"]
    with open(shown, "w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as following:
        eventually(lambda: shown.stat().st_size, what="a first result")
        daemon.kill()
        daemon.start()
        messages = following.communicate(timeout=60)[1]
    assert following.returncode == OK, messages
    results = lines(shown.read_text())
    assert [r["seq"] for r in results] == list(range(1, 41)) and {r["index"] for r in results} == set(range(40))


def test_errors_are_grouped_with_hints(gather, url):
    batch = submit(gather, url("/status/404?1"), url("/status/404?2"), url("/http09"))
    gather("wait", batch, exit_code=FAILED_TASKS)
    text = gather("errors", batch).stdout
    assert "http_status" in text and "http_protocol" in text and "2" in text


def test_show_and_cat(gather, url):
    batch = submit(gather, "--wait", url("/size/1000"))
    assert json.loads(gather("--json", "show", batch, "0").stdout)
    assert len(gather("cat", batch, "0").stdout) == 1000


def test_cat_of_no_body_exits_5(gather, url):
    batch = submit(gather, url("/empty"))
    gather("cat", batch, "7", exit_code=NOT_FOUND)


def test_retry(gather, api, url):
    batch = submit(gather, url(f"/flaky/3/client-{time.monotonic_ns()}"))
    eventually(lambda: api.batch(batch)["state"] == "finished" or api.post(f"/v1/batches/{batch}/cancel"), 5)
    api.wait(batch)
    again = gather("retry", batch).stdout.strip()
    assert api.batch(again)["retry_of"] == batch
    gather("cancel", again)


def test_pause_resume_cancel_and_rm(gather, api, url):
    batch = submit(gather, url("/never"))
    gather("pause", batch)
    assert api.batch(batch)["state"] == "paused"
    gather("resume", batch)
    assert api.batch(batch)["state"] == "running"
    gather("cancel", batch)
    assert api.wait(batch)["counts"]["cancelled"] == 1
    gather("rm", batch)
    assert api.get(f"/v1/batches/{batch}").status == 404


def test_hosts(gather, api, url, host):
    gather("wait", submit(gather, url("/ok")))
    assert host in gather("hosts").stdout
    gather("hosts", "set", host, "--concurrency", "3", "--delay", "50ms")
    assert (api.host(host)["max_concurrency"], api.host(host)["delay_ms"]) == (3, 50)
    gather("hosts", "pause", host)
    assert api.host(host)["paused"] is True
    gather("hosts", "resume", host)
    assert api.host(host)["paused"] is False


def test_ping_doctor_and_api(gather):
    gather("ping")
    gather("doctor")
    assert json.loads(gather("api", "/v1/stats").stdout)["version"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(gather, shell):
    text = gather("completion", shell).stdout
    assert "submit" in text
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_help_of_every_verb(gather):
    text = gather("help").stdout
    for verb in ("fetch", "submit", "ls", "status", "wait", "watch", "results", "errors", "show", "cat", "retry",
                 "cancel", "pause", "resume", "rm", "hosts", "ping", "doctor", "token", "api", "completion"):
        assert verb in text, verb
        assert gather("help", verb).stdout


def test_token_create_makes_a_line_that_the_daemon_knows(gather, own_daemon, tmp_path, origin):
    tokens, token = tmp_path / "tokens", tmp_path / "token"
    done = gather("token", "create", "ci", "--scope", "submit")
    line = next(l for l in (done.stdout + done.stderr).splitlines() if "sha256:" in l)
    line = line[line.index("ci submit sha256:"):].split("'")[0].strip()
    words = [w for w in (done.stdout + done.stderr).split() if "sha256" not in w and len(w) >= 20]
    tokens.write_text(line + "\n")
    tokens.chmod(0o600)
    daemon = own_daemon({"auth": {"allow_anonymous": False, "tokens_file": str(tokens)}})
    server = f"http://127.0.0.1:{daemon.tcp_port}"
    import hashlib
    secret = next(w for w in words if hashlib.sha256(w.encode()).hexdigest() in line)
    token.write_text(secret + "\n")
    token.chmod(0o600)
    assert run_gather(server, "--token-file", token, "ls").returncode == OK
    assert run_gather(server, "ls").returncode == UNAUTHORISED


def test_unreachable_exits_3(tmp_path):
    done = run_gather(f"unix:{tmp_path}/none.sock", "ls")
    assert done.returncode == UNREACHABLE and done.stderr


@pytest.mark.parametrize("args", [["nonsense"], ["status", "--nonsense"], ["wait"], ["show", "x"], ["submit"], [],
                                  ["submit", "http://a.example/", "--concurrency", "100001"],
                                  ["submit", "http://a.example/", "--deadline", "31d"]])
def test_wrong_usage_exits_2(gather, args):
    done = gather(*args, exit_code=USAGE)
    assert done.stderr and done.stdout == ""


def test_unknown_batches_exit_5(gather):
    gather("status", "00000000-0000-7000-8000-000000000000", exit_code=NOT_FOUND)


def test_ctrl_c_while_waiting_leaves_the_batch_running(daemon, gather, api, url):
    batch = submit(gather, url("/delay/2500"))
    env = {**os.environ, "GATHER_SERVER": f"unix:{daemon.socket_path}"}
    process = subprocess.Popen([program("GATHER_BIN"), "wait", batch], env=env, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    eventually(lambda: catches(process, signal.SIGINT))  # be it waiting already or not
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=10)
    assert process.returncode == 130
    assert batch in messages or "@last" in messages
    assert api.wait(batch)["counts"]["succeeded"] == 1


def test_messages_go_to_stderr_and_data_to_stdout(gather, url):
    done = gather("fetch", url("/size/10"))
    assert done.stdout == "0000000\n00"
    done = gather("--quiet", "submit", url("/ok"))
    assert done.stderr == "" and len(done.stdout.strip()) == 36
