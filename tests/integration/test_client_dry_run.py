# SPDX-License-Identifier: MIT
"""`gather submit --dry-run`: says what the daemon would say of an input, without asking it."""
import json

import pytest

from fake_client import api, client  # noqa: F401 (fixtures)

OK, REJECTED = 0, 6


def test_dry_run_judges_here_and_sends_nothing(client, api, tmp_path):
    (tmp_path / "l").write_text("http://a.example/\n\n# c\nftp://x/\nhttp://b.example/1\nhttp://b.example/2\nnope\n")
    done = client.run("submit", "-n", tmp_path / "l")
    assert done.returncode == REJECTED and not api.requests
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(r[0], r[1], r[2]) for r in rows] == [
        ("rejected", "4", "unsupported_scheme"), ("rejected", "7", "invalid_url"), ("host", "b.example", "2"),
        ("host", "a.example", "1")]
    assert "would be accepted: 3, rejected: 2" in done.stderr and "about 500ms" in done.stderr
    report = json.loads(client.run("submit", "-n", "--json", tmp_path / "l").stdout)
    assert report["accepted"] == 3 and report["hosts"] == {"a.example": 1, "b.example": 2}
    many = client.run("submit", "-n", "--json", "-", stdin="".join(f"http://b.example/{i}\n" for i in range(81))).stdout
    assert json.loads(many)["estimated_ms"] == 11 * 500
    assert client.run("submit", "-n", "http://a.example/").returncode == OK
    assert "at least one URL" in client.run("submit", "-n", "-", stdin="# none\n\n").stderr
    done = client.run("submit", "-n", "-", stdin='{"url": "http://a.example/"}\n{"uri": 1}\n{oops\n')
    assert done.returncode == REJECTED and "bad_json" in done.stdout and "wrong_type" in done.stdout
    (tmp_path / "odd.ndjson").write_bytes(b'"http://a.example/"\n\xff\xfe\n{"\xff": 1}\n')
    done = client.run("submit", "-n", "--json", tmp_path / "odd.ndjson")
    assert done.returncode == REJECTED and json.loads(done.stdout)["rejected"] == 2, done.stderr


@pytest.mark.parametrize("text, status, words", [
    ('["http://a.example/", "nope"]', REJECTED, "accepted: 1, rejected: 1"),
    ('{"urls": ["http://a.example/"]}', OK, "accepted: 1, rejected: 0"),
    ('{"tasks": [{"url": "http://a.example/"}, {"uri": 1}, 7]}', REJECTED, "accepted: 1, rejected: 2"),
    ('{"urls": ["http://a.example/"], "tasks": [{"url": "http://a.example/"}]}', REJECTED, 'either "urls" or "tasks"'),
    ('{"urls": "http://a.example/"}', REJECTED, "neither a list"),
    ('{"name": "x"}', REJECTED, "neither a list"),
    ('{oops', REJECTED, "line 1 column"),
    ("", REJECTED, "JSON is invalid"),
    ("[]", REJECTED, "at least one URL"),
    ('{"urls": []}', REJECTED, "at least one URL"),
])
def test_dry_run_judges_a_document_as_the_daemon_would(client, api, tmp_path, text, status, words):
    (tmp_path / "d.json").write_text(text)
    done = client.run("submit", "-n", tmp_path / "d.json")
    assert done.returncode == status and words in done.stderr and not api.requests
