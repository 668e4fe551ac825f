# SPDX-License-Identifier: MIT
"""The manual pages say what the programs have: every verb, option, setting, call and error code, and none besides."""
import json
import re
import shutil
import subprocess

import pytest

from harness import TESTS, program, run_gatherd

SOURCE = TESTS.parent
MAN = SOURCE / "docs" / "man"
PAGES = sorted(path.name for path in MAN.glob("*.scd"))


def page(name):
    return (MAN / name).read_text().replace("\\", "")


def sections(text, mark):
    """{heading: text} of the headings that begin with `mark`."""
    parts = re.split(rf"^({mark} .*|#+ .*)$", text, flags=re.M)
    return {parts[i][len(mark) + 1:]: parts[i + 1] for i in range(1, len(parts), 2) if parts[i].startswith(mark + " ")}


def gather_help(*verb):
    return subprocess.run([program("GATHER_BIN"), "help", *verb], capture_output=True, text=True, check=True).stdout


def options_of_help(text):
    """{"--name": "-n" or ""}"""
    return {m[2]: m[1] or "" for m in re.finditer(r"^  (?:(-\w), |    )(--[\w-]+)", text, re.M)}


def options_of_page(text):
    return {m[2]: m[1] or "" for m in re.finditer(r"^(?:\*(-\w)\*, )?\*(--[\w-]+)\*", text, re.M)}


def verbs_of_help():
    """{"hosts set": "HOST"}"""
    lines = re.search(r"^Verbs\n(.*?)\n\n", gather_help(), re.M | re.S)[1].splitlines()
    heads = [re.match(r"  (.*?)(?:   *|$)", line)[1] for line in lines]
    return {m[1]: m[2] for m in (re.match(r"((?:[a-z]+)(?: [a-z]+(?!\S))?) ?(.*)$", head) for head in heads)}


def test_gather_1_has_every_verb_with_its_arguments():
    headings = set(sections(page("gather.1.scd"), "##"))
    assert headings == {f"{verb} {rest}".strip() for verb, rest in verbs_of_help().items()}


def test_gather_1_has_every_option_of_every_verb():
    text = page("gather.1.scd")
    shared = options_of_page(sections(text, "#")["OPTIONS OF A BATCH AND OF ITS TASKS"])
    for heading, body in sections(text, "##").items():
        verb = re.match(r"[a-z]+(?: [a-z]+(?!\S))?", heading)[0].split()
        own = options_of_page(body)
        if verb[0] in ("fetch", "submit"):
            own.update(shared)
        assert own == options_of_help(gather_help(*verb)), heading
    assert options_of_page(sections(text, "#")["OPTIONS OF EVERY VERB"]) == options_of_help(gather_help())


def test_gatherd_8_has_every_option():
    told = set(re.findall(r"^  (--[\w-]+)", run_gatherd("--help").stdout, re.M))
    assert set(re.findall(r"^\*(--[\w-]+)\*", page("gatherd.8.scd"), re.M)) == told


def settings(text, pattern):
    return {(m[1], m[2].strip(), bool(m[3])) for m in re.finditer(pattern, text, re.M)}


def test_gatherd_conf_5_has_every_setting_with_its_default():
    section, reloadable, installed = None, False, set()
    for line in (SOURCE / "config" / "gatherd.conf").read_text().splitlines():
        if m := re.match(r"([a-z]+) \{$", line):
            section = m[1]
        elif m := re.match(r"    #([a-z_]+) = (.*)$", line):
            installed.add((f"{section}.{m[1]}", m[2], reloadable))
        elif not line.strip().startswith("#"):
            reloadable = False
        elif line.strip().startswith("# (r)"):
            reloadable = True
    text = page("gatherd.conf.5.scd")
    documented = {(m[1], m[2], bool(m[3])) for m in re.finditer(r"^\*([a-z]+\.[a-z_]+)\* = (.*?)( \(r\))?$", text, re.M)}
    assert documented == installed


def test_gatherd_conf_5_has_every_setting_of_the_daemon():
    printed, section = set(), None
    for line in run_gatherd("--config", "/dev/null", "--print-config").stdout.splitlines():
        if m := re.match(r"([a-z]+) \{$", line):
            section = m[1]
        elif m := re.match(r"    ([a-z_]+) = ", line):
            printed.add(f"{section}.{m[1]}")
    assert set(re.findall(r"^\*([a-z]+\.[a-z_]+)\* = ", page("gatherd.conf.5.scd"), re.M)) == printed


@pytest.fixture(scope="module")
def openapi():
    return json.loads((SOURCE / "schema" / "openapi.json").read_text())


def test_gatherd_api_7_has_every_call(openapi):
    calls = {f"{method.upper()} {path}" for path, item in openapi["paths"].items() for method in item
             if method != "parameters"}
    assert set(re.findall(r"^\*([A-Z]+ /\S+)\*$", page("gatherd-api.7.scd"), re.M)) == calls


def test_gatherd_api_7_has_every_error_code(openapi):
    schemas, parts = openapi["components"]["schemas"], sections(page("gatherd-api.7.scd"), "#")
    for part, codes in (("ERRORS OF A TASK", schemas["TaskErrorCode"]["enum"]),
                        ("ERRORS OF THE API", schemas["Problem"]["properties"]["code"]["enum"])):
        words = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"^[:|  ].*$", parts[part], re.M))))
        assert set(codes) <= words, part


def test_gatherd_api_7_has_every_task_option(openapi):
    literal = re.search(r"these options:\n\n```\n(.*?)```", page("gatherd-api.7.scd"), re.S)[1]
    retry = openapi["components"]["schemas"]["RetryPolicy"]["properties"]
    words = set(re.findall(r"^([a-z_]+(?:, [a-z_]+)?)  +", literal, re.M) + re.findall(r"^(body, body_base64)$", literal, re.M))
    names = {name for word in words for name in word.split(", ")} | set(re.findall(r'"(\w+)":', literal)) - {"Name"}
    assert names == set(openapi["components"]["schemas"]["TaskOptions"]["properties"]) | set(retry)


def test_metrics_md_has_every_metric_with_its_kind(api):
    served = set(re.findall(r"^# TYPE (\S+) (\S+)$", api.get("/metrics").body.decode(), re.M))
    documented = set(re.findall(r"^\| `(gatherd_\w+)` \| (counter|gauge) \|", (SOURCE / "docs" / "metrics.md").read_text(), re.M))
    assert documented == served


@pytest.mark.skipif(not shutil.which("scdoc") or not shutil.which("man"), reason="needs scdoc and man")
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_80_columns_and_render_without_a_warning(name, tmp_path):
    made = subprocess.run(["scdoc"], input=(MAN / name).read_text(), capture_output=True, text=True, check=True)
    (tmp_path / "page").write_text(made.stdout)
    shown = subprocess.run(["man", "--warnings", "-l", tmp_path / "page"], capture_output=True, text=True, check=True,
                           env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    text = re.sub(r".\x08", "", shown.stdout)
    assert not shown.stderr and max(map(len, text.splitlines())) <= 80
    assert "# " not in "".join(re.findall(r"^[A-Z#].*$", text, re.M)), "a heading that scdoc did not see"
