# SPDX-License-Identifier: MIT
"""Replays the console transcripts of documents: what a reader types is typed, on a terminal of 80 columns, and what
they are told they see must come.

In the documents the daemon is on port 7070, the test origin on 8080, and nothing is on 8081. Ids, times, durations,
rates and sizes of the database differ from run to run and are not compared. An id that a transcript shows stands for
the real one in the commands that follow.

    transcripts.py FILE…    rewrites what is shown in these documents from a run of now (needs GATHERD_BIN, GATHER_BIN)
"""
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

import harness

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
SHORT_ID = r"\b01[0-9a-f]{6}-[0-9a-f]{4}\b(?!-)"
VARYING = [
    (ID, "<id>"),
    (SHORT_ID, "<short id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"(?m)^(date|etag): .*$", r"\1: <value>"),
    (r'"timing_ms": ?\{[^}]*\}', '"timing_ms": <timing>'),
    (r'"(next|version)": ?"[^"]*"', r'"\1": <value>'),
    (r"gatherd \d[\w.~+-]*", "gatherd <version>"),
    (r"( B|iB) +[\d,]+ ", r"\1 <ms> "),
    (r"\b[\d.]+ [KMGT]iB", "<size>"),
    (r"\b(\d+[hm] )?\d+(\.\d+)? ?m?s\b", "<duration>"),
    (r"\b\d+(\.\d+)?/s\b", "<rate>"),
    (r"gth_[0-9a-f]{64}|sha256:[0-9a-f]{64}", "<secret>"),
    (r"[▏▎▍▌▋▊▉█]+", "<bar>"),
    (r"[ \t]+", " "),
    (r"(?m) $", ""),
]


class Step:
    """A command of a document, and what it shows as lines [first, last) of the document."""

    def __init__(self, command, first):
        self.command, self.first, self.last = command, first, first


def steps(lines):
    found, inside = [], False
    for i, line in enumerate(lines, 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Step(line[2:], i))
        elif inside and found[-1].command.endswith("\\"):
            found[-1] = Step(found[-1].command[:-1] + line.strip(), i)
        elif inside:
            found[-1].last = i
    return found


def plain(text):
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return text.strip("\n")


def screen(data):
    """What a terminal shows in the end: without colours, and without progress lines that were wiped out."""
    text = re.sub(r"\r+\n", "\n", data.decode())
    text = re.sub(r"[^\n]*\r\x1b\[K", "", text)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


class Shell:
    """Runs commands one after the other in one folder, each on a terminal of its own."""

    def __init__(self, daemon, origin, folder):
        self.ports = {"7070": daemon.tcp_port, "8080": origin.ports["http"], "8081": origin.ports["closed"]}
        self.folder, self.status, self.ids = pathlib.Path(folder), 0, {}
        self.folder.mkdir()
        (self.folder.parent / "variables").touch()
        programs = harness.program("GATHER_BIN").parent
        self.env = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": "xterm",
                    "NO_COLOR": "1", "GATHER_SERVER": f"http://127.0.0.1:{daemon.tcp_port}"}

    def real(self, text):
        for shown, port in self.ports.items():
            text = re.sub(rf"(127\.0\.0\.1|localhost):{shown}\b", rf"\1:{port}", text)
        for shown, used in self.ids.items():
            text = text.replace(shown, used)
        return text

    def shown(self, text):
        for shown, port in self.ports.items():
            lost = " " * (len(str(port)) - len(shown))  # so that columns stay below one another
            text = re.sub(rf"(?<=127\.0\.0\.1:){port}\b(\S*)(?=  )", rf"{shown}\1{lost}", text)
            text = re.sub(rf"(127\.0\.0\.1|localhost):{port}\b", rf"\1:{shown}", text)
        return text

    def run(self, command):
        master, slave = pty.openpty()
        subprocess.run(["stty", "cols", "80"], stdin=slave, check=True)
        # Variables in capitals live on, as does the exit status.
        script = (f"trap 'declare -p | grep \"^declare -- [A-Z]*=\" >../variables' EXIT; . ../variables; "
                  f"(exit {self.status}); {self.real(command)}")
        process = subprocess.Popen(["bash", "-c", script], cwd=self.folder,
                                   env=self.env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
        os.close(slave)
        data = b""
        try:
            while piece := os.read(master, 65536):
                data += piece
        except OSError:
            pass  # the terminal is closed when the last that had it open ends
        os.close(master)
        self.status = process.wait(60)
        return self.shown(screen(data))

    def bind(self, expected, actual):
        for pattern in (ID, SHORT_ID):
            self.ids.update(zip(re.findall(pattern, expected), re.findall(pattern, actual)))


def replay(path, shell):
    """[(Step, what the document shows, what came)]"""
    lines, played = path.read_text().split("\n"), []
    for step in steps(lines):
        expected = "\n".join(lines[step.first:step.last])
        actual = shell.run(step.command)
        shell.bind(expected, actual)
        played.append((step, expected, actual.strip("\n")))
    return played


def rewrite(path, shell):
    lines = path.read_text().split("\n")
    for step, expected, actual in reversed(replay(path, shell)):
        if plain(expected) != plain(actual):
            lines[step.first:step.last] = actual.split("\n") if actual else []
    path.write_text("\n".join(lines))


def main():
    origin = harness.Origin()
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder, harness.Daemon(folder + "/daemon") as daemon:
            rewrite(pathlib.Path(name), Shell(daemon, origin, folder + "/here"))
    origin.stop()


if __name__ == "__main__":
    main()
