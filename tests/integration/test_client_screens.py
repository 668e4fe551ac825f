# SPDX-License-Identifier: MIT
"""What a person sees of the client: lists without entries, bodies on a terminal, the tokens file."""
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import unicodedata

import pytest

from fake_client import GATHER, api, client  # noqa: F401 (two are fixtures)

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED, NOT_FOUND = range(6)


@pytest.mark.parametrize("args, text", [
    (["ls"], "no batch yet"), (["ls", "--name", "other"], "no such batch"), (["hosts"], "no host yet"),
])
def test_an_empty_list_says_so_to_a_person_alone(client, args, text):
    assert text in client.terminal(*args)[1]
    done = client.run(*args)
    assert (done.returncode, done.stdout, done.stderr) == (OK, "", "")


def test_no_results_say_whether_some_may_come(client, api):
    batch = api.add(["http://a.example/"])
    assert "no such result\r\n" in client.terminal("results", batch.id, "--failed")[1]
    api.duration = 60
    assert "no such result yet" in client.terminal("results", api.add(["http://a.example/"]).id)[1]


def test_a_batch_that_starts_later_says_when(client, api):
    batch = api.add(["http://a.example/"], {"not_before": "2031-01-01T00:00:00.000Z"})
    assert "not before\t2031-01-01T00:00:00.000Z" in client.run("status", batch.id).stdout


def test_the_daemon_at_a_glance_fits_80_columns(client, api):
    status, text = client.terminal("status", "--no-color")
    assert status == OK and "version" in text and max(map(len, text.splitlines())) <= 80
    assert "version\t0.0-fake" in client.run("status").stdout


@pytest.mark.parametrize("columns", [40, 80])
def test_what_is_watched_is_drawn_over_what_was_there(client, api, columns):
    api.duration = 1
    batch = api.add(["http://a.example/", "http://b.example/"], {"name": "日本語 " * 30})
    text = client.terminal("watch", batch.id, "--no-color", columns=columns, env={"LC_ALL": "C.UTF-8"})[1]
    screens = [re.sub(r"\x1b\[\d+A", "", screen).split("\r\n")[:-1] for screen in text.split("\x1b[J")]
    assert len(screens) > 1
    for row in (row for screen in screens for row in screen):
        assert len(row) + sum(unicodedata.east_asian_width(c) == "W" for c in row) <= columns, row
    assert [int(up) for up in re.findall(r"\x1b\[(\d+)A", text)] == [len(screen) for screen in screens[:-1]]


def test_a_message_is_not_drawn_over(client, api):
    api.duration = 2
    batch = api.add(["http://a.example/"])
    api.cut_before += [r"wait=[1-9]"] * 3  # libcurl itself repeats a GET once on a kept connection
    text = client.terminal("watch", batch.id, "--no-color")[1]
    assert re.search(r"trying again\r\nbatch ", text), text


def test_what_is_watched_is_drawn_below_what_came_while_it_was_stopped(client, api):
    api.duration = 60
    master, slave = pty.openpty()
    process = subprocess.Popen([GATHER, "watch", api.add(["http://a.example/"]).id, "--no-color"], env=client.env, stdout=slave,
                               stderr=subprocess.DEVNULL)
    os.close(slave)

    def shows(pattern):
        text, deadline = "", time.monotonic() + 20
        while not re.search(pattern, text) and time.monotonic() < deadline:
            if select.select([master], [], [], 1)[0]:
                text += os.read(master, 65536).decode()
        return re.search(pattern, text)

    assert shows(r"\x1b\[\d+A")
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)
    assert shows(r"(?<!\x1b\[J)batch  ")
    process.kill()
    process.wait()
    os.close(master)


def test_a_terminal_without_a_cursor_gets_lines(client, api):
    api.duration = 1
    text = client.terminal("watch", api.add(["http://a.example/"]).id, env={"TERM": "dumb"})[1]
    assert "\x1b" not in text and all(json.loads(line) for line in text.split())


def test_help_is_for_every_terminal_and_lists_the_verbs_of_a_family(client):
    assert client.run("help").stdout.isascii() and client.run("help", "submit").stdout.isascii()
    shown = client.run("help", "hosts").stdout
    assert "List hosts" in shown and "  hosts set HOST" in shown and "  hosts resume HOST" in shown


def test_a_dry_run_without_faults_begins_with_the_hosts(client):
    assert client.terminal("submit", "-n", "http://a.example/", "--no-color")[1].startswith("urls  host\r\n")


def test_a_body_cannot_steer_the_terminal(client, api):
    batch = api.add(["http://a.example/control"])
    for args in (["cat", batch.id, "0"], ["fetch", "http://a.example/control"]):
        status, text = client.terminal(*args, "--no-color", "--quiet")
        assert status == OK and not set("\x1b\x07\x9b\u202e") & set(text), text
        assert "\\x1b]0;owned\\x07\\x9b31m\ttab\r\n\u00e9\\u{202e}\\u{009b}31m\r\n" in text
    assert "\x1b]0;owned" in client.run("cat", batch.id, "0", errors="replace").stdout


def test_a_binary_body_is_told_and_the_others_are_shown(client, api):
    status, text = client.terminal("fetch", "http://a.example/binary", "http://a.example/x")
    assert status == FAILURE and "/binary: the body is binary" in text and "body of /x" in text


def test_a_character_cut_between_two_pieces_is_shown_whole(client):
    text = client.terminal("fetch", "http://a.example/letters")[1]
    assert text.count("\u00e9") == 40000 and "\\x" not in text


def create(client, file, name, *more):
    return client.run("token", "create", name, "-f", file, *more)


def test_tokens_are_listed_and_revoked(client, tmp_path):
    file = tmp_path / "tokens"
    made = create(client, file, "ci")
    token = dict(line.split("\t") for line in made.stdout.splitlines())["token"]
    with open(file, "a") as f:
        f.write("# kept\n\n  cis read sha256:1")  # no line end
    assert create(client, file, "ops", "--scope", "admin").returncode == OK
    digest = hashlib.sha256(token.encode()).hexdigest()
    listed = client.run("token", "ls", "-f", file).stdout.splitlines()
    assert listed[0] == f"ci\tsubmit\tsha256:{digest}" and [l.split("\t")[:2] for l in listed[1:]] == [
        ["cis", "read"], ["ops", "admin"]]
    assert create(client, file, "ci").returncode == FAILURE
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert client.run("token", "revoke", "ci", "-f", link).returncode == OK
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    assert [l.split()[:2] for l in file.read_text().splitlines()] == [["#", "kept"], [], ["cis", "read"], ["ops", "admin"]]
    assert client.run("token", "revoke", "ci", "-f", file).returncode == NOT_FOUND
    assert sorted(p.name for p in tmp_path.glob("tokens*")) == ["tokens"]


@pytest.mark.parametrize("args", [["token", "ls"], ["token", "revoke", "x"]])
def test_a_tokens_file_that_is_not_there_is_named(client, tmp_path, args):
    done = client.run(*args, "-f", tmp_path / "none")
    assert done.returncode == FAILURE and "none: No such file" in done.stderr


@pytest.mark.parametrize("line, offered", [
    ("gather reta", []), ("gather ret", ["retry"]), ("gather hosts ", ["show", "set", "pause", "resume"]),
    ("gather token r", ["revoke"]), ("gather ls --st", ["--state"]), ("gather ls --state p", ["paused"]),
    ("gather retry -s ", ["failed", "cancelled", "expired"]), ("gather help comp", ["completion"]),
    ("gather submit ur", ["urls.txt"]), ("gather --token-file ur", ["urls.txt"]),
])
def test_bash_completes(client, tmp_path, line, offered):
    (tmp_path / "urls.txt").touch()
    words = line.split(" ")
    script = (client.run("completion", "bash").stdout + f"COMP_WORDS=({' '.join(w or chr(34) * 2 for w in words)})\n"
              f"COMP_CWORD={len(words) - 1}\n_gather\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True)
    assert done.stdout.split() == offered and not done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_is_understood(client, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here")
    script = client.run("completion", shell).stdout
    assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True).returncode == 0
