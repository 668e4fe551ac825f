# SPDX-License-Identifier: MIT
"""The documents show what happens: every console transcript is replayed (transcripts.py says how)."""
import shutil

import pytest

import transcripts
from harness import TESTS

TOP = TESTS.parent
DOCUMENTS = [TOP / "README.md", TOP / "docs" / "tutorial.md", TOP / "docs" / "api.md", TOP / "docs" / "from-asyncio.md"]


@pytest.mark.skipif(not shutil.which("jq", path="/usr/bin:/bin"), reason="needs jq")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_shows_what_happens(path, own_daemon, origin, tmp_path):
    shell = transcripts.Shell(own_daemon(), origin, tmp_path / "here")
    played = transcripts.replay(path, shell)
    assert played, "no transcript was found"
    for step, expected, actual in played:
        assert transcripts.plain(actual) == transcripts.plain(expected), step.command


def test_what_differs_is_noticed():
    lines = ["```console", "$ echo one \\", "    two", "one two", "$ true", "```", "$ no command", "```console", "$ x", "```"]
    found = transcripts.steps(lines)
    assert [(s.command, lines[s.first:s.last]) for s in found] == [("echo one two", ["one two"]), ("true", []), ("x", [])]
    assert transcripts.plain("took 12ms, 5 of 6") == transcripts.plain("took  9ms, 5 of 6")
    assert transcripts.plain("5 of 6") != transcripts.plain("6 of 6")
    assert transcripts.screen(b"\r\x1b[K1/2 50%\r\x1b[Kdone\r\n\x1b[32mok\x1b[0m") == "done\nok"
