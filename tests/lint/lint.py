#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of docs/architecture.md and docs/style.md that a program can check. Part of the test run.

    lint.py [TOP]        prints FILE:LINE: what is wrong; exit 1 if anything is

Each rule is a function that yields (line, text) for one file. The tables below hold what the rules know:
layers, who may include which library, banned calls and words, and who may write which state.
"""
import pathlib
import re
import shutil
import subprocess
import sys

MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 600, 60, 5

C_FOLDERS = ("common", "config", "daemon", "client", "bench", "tests")
ALL_FOLDERS = C_FOLDERS + ("schema", "docs", "scripts", "systemd", "debian", "cmake")

# folder -> folders it may include from (itself always). The longest matching folder counts.
LAYERS = {
    "common": (),
    "config": ("common",),
    "daemon/loop": ("common", "config"),
    "daemon/task": ("common", "config", "daemon/loop"),
    "daemon/store": ("common", "config", "daemon/loop", "daemon/task"),
    "daemon/fetch": ("common", "config", "daemon/loop", "daemon/task"),
    "daemon/api": ("common", "config", "daemon/loop", "daemon/task"),
    "daemon": ("common", "config", "daemon/loop", "daemon/task", "daemon/store", "daemon/fetch", "daemon/api"),
    "client": ("common",),
}

# library header -> path prefixes that may include it
LIBRARIES = {
    "evhtp.h": ("daemon/api/http_server_evhtp.c", "daemon/api/http_server_private.h"),
    "evhtp/": ("daemon/api/http_server_evhtp.c", "daemon/api/http_server_private.h"),
    "sqlite3.h": ("daemon/store/",),
    "curl/curl.h": ("daemon/fetch/", "client/"),
    "ares.h": ("daemon/fetch/",),
    "confuse.h": ("config/",),
}

BANNED_CALLS = ("strcpy", "strcat", "sprintf", "vsprintf", "gets", "atoi", "atol", "atof", "strtok", "system",
                "alloca")

# state that one function alone moves: (the member as it is written, where it may be met, the file of that function)
ONE_WRITER = (
    ("c->state", "daemon/api/http_server", "daemon/api/http_server_conn.c"),
    ("f->state", "daemon/fetch/flight", "daemon/fetch/flight.c"),
    ("b->state", "daemon/store/", "daemon/store/live_batch.c"),
    ("d->phase", "daemon/", "daemon/daemon.c"),
)

FORBIDDEN_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
WORDS_EXEMPT = ("tests/lint/lint.py",)


# -- reading C ----------------------------------------------------------------------------------
def strip_c(text):
    """`text` with comments, strings and character constants blanked; offsets and lines stay."""
    def blank(match):
        token = match.group(0)
        return re.sub(r"[^\n]", " ", token)
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def functions(code):
    """(first line, last line, parameter text) of each function: its `{` and `}` stand in column 0."""
    lines = code.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line.startswith("{") and start is None:
            start = i
        elif line.startswith("}") and start is not None:
            signature = signature_before(lines, start)
            if signature:
                yield start + 1, i + 1, signature
            start = None


def signature_before(lines, brace):
    """The parameter list of the definition whose body begins on line `brace`."""
    text = ""
    for i in range(brace - 1, -1, -1):
        line = lines[i]
        if not line.strip() or line.rstrip().endswith((";", "}")) or line.startswith("#"):
            break
        text = line + "\n" + text
    end = text.rfind(")")
    depth = 0
    for i in range(end, -1, -1):
        depth += (text[i] == ")") - (text[i] == "(")
        if depth == 0:
            return text[i + 1:end] if end > 0 else None
    return None


def parameter_count(text):
    """How many things a reader must keep apart: `ctx` belongs to its callback and a length (`n`, `n_x`) to its
    array, and `struct err *` is in every function that can fail; these are not counted."""
    if text.strip() in ("", "void"):
        return 0
    return sum(not re.search(r"\b(ctx|n|n_\w+)\s*$|\bstruct (err|input_error) \*\w*$", one.strip())
               for one in split_parameters(text))


def split_parameters(text):
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


# -- rules for C --------------------------------------------------------------------------------
def rule_size(path, text, code):
    lines = text.count("\n")
    if lines > MAX_FILE:
        yield lines, f"file of {lines} lines (at most {MAX_FILE})"
    for first, last, parameters in functions(code):
        if last - first - 1 > MAX_FUNCTION:
            yield first, f"function of {last - first - 1} lines (at most {MAX_FUNCTION})"
        if parameter_count(parameters) > MAX_PARAMETERS:
            yield first, f"{parameter_count(parameters)} parameters (at most {MAX_PARAMETERS})"


def rule_banned_calls(path, text, code):
    for match in re.finditer(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED_CALLS), code):
        yield code.count("\n", 0, match.start()) + 1, f"{match.group(1)}() is banned"


def layer_of(path):
    matching = [folder for folder in LAYERS if path.startswith(folder + "/")]
    return max(matching, key=len) if matching else None


def includes(text):
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def rule_layers(path, text, code):
    layer = layer_of(path)
    if layer is None:
        return
    for number, quote, target in includes(text):
        if quote == "<":
            continue
        below = layer_of(target)
        if below is None:
            yield number, f'"{target}" is not given from the top of the project'
        elif below != layer and below not in LAYERS[layer]:
            yield number, f"{layer} must not include {target}: includes go down only"


def rule_libraries(path, text, code):
    for number, _, target in includes(text):
        for library, allowed in LIBRARIES.items():
            hit = target == library or (library.endswith("/") and target.startswith(library))
            if hit and not path.startswith(allowed + ("tests/", "bench/")):
                yield number, f"<{target}> belongs to {', '.join(allowed)}"


def rule_header(path, text, code):
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.M):
        yield 1, "a header needs #pragma once"


def rule_one_writer(path, text, code):
    for member, prefix, writer in ONE_WRITER:
        if not path.startswith(prefix) or path == writer:
            continue
        for match in re.finditer(r"\b%s\s*(?:=[^=]|\+\+|--|[-+|&]=)" % re.escape(member), code):
            yield code.count("\n", 0, match.start()) + 1, f"only {writer} moves {member}"


C_RULES = (rule_size, rule_banned_calls, rule_layers, rule_libraries, rule_header, rule_one_writer)


# -- rules for every text -----------------------------------------------------------------------
def rule_spdx(path, text):
    if "SPDX-License-Identifier: MIT" not in "\n".join(text.split("\n")[:3]):
        yield 1, "the SPDX line is missing"


def rule_words(path, text):
    if path in WORDS_EXEMPT:
        return
    for match in FORBIDDEN_WORDS.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, f"the word {match.group(0)!r} does not belong here"


def rule_python_size(path, text):
    if path.endswith(".py") and text.count("\n") > MAX_FILE:
        yield 1, f"file of more than {MAX_FILE} lines"


def needs_spdx(path):
    return path.endswith((".c", ".h", ".py", ".sh", ".cmake", ".sql", "CMakeLists.txt"))


# -- running ------------------------------------------------------------------------------------
def files_below(top, folders):
    for folder in folders:
        for path in sorted((top / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def check(top):
    findings = []

    def add(path, found):
        findings.extend(f"{path}:{line}: {what}" for line, what in found)

    c_files = []
    for file in files_below(top, ALL_FOLDERS):
        path = str(file.relative_to(top))
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # corpus files of the fuzzers are not text
        add(path, rule_words(path, text))
        add(path, rule_python_size(path, text))
        if needs_spdx(path):
            add(path, rule_spdx(path, text))
        if path.endswith((".c", ".h")) and path.split("/")[0] in C_FOLDERS:
            c_files.append(path)
            code = strip_c(text)
            for rule in C_RULES:
                add(path, rule(path, text, code))
    return findings + check_format(top, c_files)


def check_format(top, c_files):
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        return ["clang-format is not installed (scripts/install-deps --test)"]
    run = subprocess.run([program, "--dry-run", "-Werror", "--ferror-limit=1", *c_files], cwd=top,
                         capture_output=True, text=True)
    return [line for line in run.stderr.split("\n") if ": error: " in line]


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    findings = check(top)
    for finding in findings:
        print(finding)
    print(f"lint: {len(findings)} findings" if findings else "lint: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
