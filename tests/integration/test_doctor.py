# SPDX-License-Identifier: MIT
"""`gather doctor` against a stand-in for the daemon: what it finds, its remedies, its exit statuses."""
import json
import subprocess

import pytest

import fake_api
from fake_client import GATHER, Client, api, client  # noqa: F401 (two are fixtures)

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED = range(5)


def findings(done):
    """{check: (status, detail, remedy)} of `doctor --json`."""
    return {f["check"]: (f["status"], f["detail"], f["remedy"]) for f in json.loads(done.stdout)}


def version():
    return subprocess.run([GATHER, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


@pytest.fixture
def healthy(api):
    api.stats = {"version": version(), "tasks": {"unfinished": 7, "in_flight": 2}, "hosts": {"blocked": 0},
                 "store": {"bytes": 4096, "free_bytes": 1 << 40, "full": False}}
    return api


def test_doctor_finds_nothing_where_nothing_is_wrong(client, healthy):
    done = client.run("doctor", "--json")
    found = findings(done)
    assert done.returncode == OK and {f[0] for f in found.values()} == {"ok"}, found
    assert {"server", "token", "daemon", "access", "version", "clock", "ready", "disk", "database", "queue"} <= set(found)
    assert "GATHER_SERVER" in found["server"][1] and found["access"][1].startswith("admin")


def test_doctor_in_a_pipe_is_tsv(client, healthy):
    rows = [line.split("\t") for line in client.run("doctor").stdout.splitlines()]
    assert all(len(row) == 4 and row[0] == "ok" for row in rows), rows


@pytest.mark.parametrize("check, status, word, change", [
    ("version", "warn", "0.0-other", lambda api: api.stats.update(version="0.0-other")),
    ("clock", "warn", "ahead", lambda api: setattr(api, "clock_ahead", 3600)),
    ("clock", "warn", "behind", lambda api: setattr(api, "clock_ahead", -3600)),
    ("ready", "fail", "threads: one is stuck", lambda api: api.unready.append(("threads", "one is stuck"))),
    ("disk", "fail", "refused", lambda api: api.stats["store"].update(full=True)),
    ("disk", "warn", "100 MiB free", lambda api: api.stats["store"].update(free_bytes=100 << 20)),
    ("database", "fail", "answered 500", lambda api: api.broken.append("/v1/batches?limit=1")),
    ("database", "warn", "5000 messages", lambda api: api.stats["store"].update(messages_waiting=5000)),
    ("hosts", "warn", "3 asked", lambda api: api.stats["hosts"].update(blocked=3)),
])
def test_doctor_finds_a_fault_and_names_a_remedy(client, healthy, check, status, word, change):
    change(healthy)
    done = client.run("doctor", "--json")
    found = findings(done)
    assert found[check][0] == status and word in found[check][1] and found[check][2], found
    assert done.returncode == (FAILURE if status == "fail" else OK)
    assert [name for name, f in found.items() if f[0] != "ok"] == [check]


@pytest.mark.parametrize("scope, word", [(1, "read"), (2, "submit"), (3, "admin")])
def test_doctor_tells_what_the_token_allows_and_changes_nothing(client, healthy, scope, word):
    healthy.scope = scope
    batch = healthy.add(["http://a.example/"])
    assert findings(client.run("doctor", "--json"))["access"][1].startswith(word + ":")
    assert list(healthy.batches) == [batch.id]


def test_doctor_without_a_daemon_exits_3(client, tmp_path):
    gone = client.run("--server", "unix:%s/none.sock" % tmp_path, "doctor", "--json")
    found = findings(gone)
    assert gone.returncode == UNREACHABLE and found["socket"][0] == found["daemon"][0] == "fail"
    assert "--server" in found["server"][1] and found["socket"][2]


def test_doctor_without_the_right_token_exits_4(client, healthy):
    healthy.token = "the-right-one"
    refused = client.run("doctor", "--json", env={"GATHER_TOKEN": "another"})
    found = findings(refused)
    assert refused.returncode == UNAUTHORISED and found["access"][0] == "fail" and "token" in found["access"][2]
    assert "another" not in refused.stdout + refused.stderr
    assert client.run("doctor", env={"GATHER_TOKEN": "the-right-one"}).returncode == OK


def test_doctor_at_another_server_exits_1(client, healthy):
    done = client.run("--server", client.where + "/elsewhere", "doctor", "--json")
    assert done.returncode == FAILURE and "no such route" in findings(done)["daemon"][1]


def test_doctor_minds_who_can_read_the_token(client, healthy, tmp_path):
    file = tmp_path / "token"
    file.write_text("secret-token\n")
    for mode, status in ((0o644, "warn"), (0o600, "ok")):
        file.chmod(mode)
        found = findings(client.run("--token-file", file, "doctor", "--json"))
        assert found["token"][0] == status and str(file) in found["token"][1]


def test_doctor_looks_at_the_socket(healthy, tmp_path):
    path = tmp_path / "gatherd.sock"
    server, where = fake_api.serve(healthy, path)
    here = Client(healthy, where, tmp_path)
    for mode, status in ((0o660, "ok"), (0o666, "warn")):
        path.chmod(mode)
        found = findings(here.run("doctor", "--json"))
        assert found["socket"][0] == status and "%04o" % mode in found["socket"][1]
    server.shutdown()
    server.server_close()
