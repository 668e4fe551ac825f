#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clang-tidy, cppcheck and gcc -fanalyzer over our own sources. Clean, or each finding stands in SUPPRESSED with
the reason why it is none.

    analysis.py BUILD [--jobs N] [--limit S] [TOOL...]      BUILD: a configured folder with compile_commands.json

-fanalyzer and clang follow every way through a function and may do so for hours: what takes longer than the limit is
named, as not analysed to its end. uthash's own hash function alone has thousands of ways, so they are shown its
simplest.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TIMED_OUT = 124  # the exit status of timeout
SCRATCH = tempfile.NamedTemporaryFile(suffix=".o")
TOP = pathlib.Path(__file__).resolve().parent.parent.parent
OURS = ("common/", "config/", "daemon/", "client/")
FINDING = re.compile(r"^(?P<file>[^\s:]+\.[ch]):(?P<line>\d+):(?:\d+:)? (?:warning|error|style|performance|portability)"
                     r": (?P<text>.*?) \[(?P<rule>[^\]]+)\]$")

SIMPLE_HASH = "-DHASH_FUNCTION=HASH_OAT"  # one loop

UTHASH = "uthash's loops set the variable by __typeof__, which cppcheck does not follow"
ADDRESS_ONLY = "only the address is taken: a place for a text that nobody reads"

UNLINKED = "what is taken out of a table or a list is not found there again, which clang does not follow"
KEPT = "a connection that is busy is not freed, which clang does not follow"
HELD = "clang takes a pointer for NULL that the caller has just filled in or asked for"
BOUNDED = "answers an error about an answer, at most once"

# (rule, file, part of the text): why it is no fault
SUPPRESSED = {
    **{("clang-analyzer-unix.Malloc", file, "after it is freed"): UNLINKED for file in (
        "client/dry_run.c", "client/verb_errors.c", "common/list.h", "daemon/api/snapshot_cache.c", "daemon/api/waiters.c",
        "daemon/fetch/batch_share.c", "daemon/fetch/dns_channel.c", "daemon/fetch/flight_hop.c", "daemon/fetch/resolver.c",
        "daemon/store/ledger.c", "daemon/store/live_batch.c", "daemon/store/store_copy.c", "daemon/store/store_hosts.c",
        "daemon/store/store_upload.c")},
    ("clang-analyzer-unix.Malloc", "daemon/fetch/dns_channel.c", "released memory"): UNLINKED,
    ("clang-analyzer-unix.Malloc", "daemon/api/http_server_conn.c", "after it is freed"): KEPT,
    ("clang-analyzer-unix.Malloc", "daemon/fetch/transfer.c", "leak"): "it stays in the list of those that run",
    **{(rule, file, ""): HELD for rule, file in (
        ("clang-analyzer-core.NullDereference", "client/completion.c"),
        ("clang-analyzer-core.NullDereference", "config/file.c"),
        ("clang-analyzer-core.NullDereference", "daemon/fetch/decoder.c"),
        ("clang-analyzer-core.NullDereference", "daemon/store/store_upload.c"),
        ("clang-analyzer-core.NonNullParamChecker", "client/address.c"),
        ("clang-analyzer-core.NonNullParamChecker", "client/args.c"))},
    **{(rule, "daemon/store/store_hosts.c", ""): "the row has just been made, so there is one to read" for rule in (
        "clang-analyzer-core.uninitialized.Assign", "clang-analyzer-core.CallAndMessage")},
    **{("clang-analyzer-core.UndefinedBinaryOperatorResult", file, ""): reason for file, reason in (
        ("daemon/fetch/robots.c", "both characters are hex digits by then"),
        ("daemon/api/cursor.c", "it is set whenever the cursor could be read"))},
    **{("analyzer-null-dereference", file, ""): HELD for file in (
        "config/file.c", "daemon/api/uplink.c")},
    ("analyzer-use-after-free", "daemon/fetch/dns_channel.c", ""): UNLINKED,
    ("analyzer-use-after-free", "daemon/api/http_server_conn.c", ""): KEPT,
    ("analyzer-use-after-free", "common/list.h", "stepped"): "what is moved to the back is none of those that ended",
    ("clang-analyzer-core.uninitialized.Assign", "daemon/store/ledger.c", ""): "the key's bytes, all of which are set",
    ("misc-no-recursion", "daemon/api/answer.c", ""): BOUNDED,
    ("misc-no-recursion", "daemon/fetch/decoder.c", ""): "a stage pulls from the one before, of which there are few",
    ("misc-no-recursion", "client/report.c", ""): "as deep as JSON may be nested",
    ("readability-non-const-parameter", "config/reader.c", "list_text"): "libconfuse takes it unqualified",
    ("readability-non-const-parameter", "client/conn.c", "line"): "libcurl's type of this function",
    ("readability-non-const-parameter", "daemon/fetch/transfer_callbacks.c", "local_ip"): "libcurl's type of this function",
    ("readability-non-const-parameter", "daemon/api/http_server_exchange.c", "space"): "it is written to, as a buffer",
    **{("bugprone-macro-parentheses", file, ""): "a type or a member's name" for file in (
        "common/list.h", "config/table.c")},
    **{("bugprone-sizeof-expression", file, ""): "an array of pointers" for file in (
        "daemon/fetch/fetch.c", "daemon/store/sqlite_db.c")},
    ("bugprone-suspicious-missing-comma", "daemon/store/store_halt.c", ""): "a statement in several lines",
    ("bugprone-branch-clone", "daemon/api/dispatch.c", ""): "steps in their order; two of them end alike",
    ("uninitvar", "common/url.c", "&unused"): ADDRESS_ONLY,
    ("uninitvar", "config/reader.c", "&unused"): ADDRESS_ONLY,
    ("uninitvar", "daemon/store/live_batch.c", "b."): UTHASH,
    ("uninitvar", "daemon/store/store_hosts.c", "d->"): UTHASH,
    ("uninitvar", "daemon/store/store_upload.c", "u"): UTHASH,
    ("uninitvar", "daemon/fetch/batch_share.c", "b."): UTHASH,
    ("uninitvar", "daemon/fetch/robots_cache.c", "e->"): UTHASH,
    ("uninitvar", "daemon/fetch/worker.c", "f."): UTHASH,
    ("uninitvar", "client/dry_run.c", "h->"): UTHASH,
    ("uninitvar", "client/verb_errors.c", "h->"): UTHASH,
    ("resourceLeak", "common/plain_file.c", "file"): "the caller closes it",
    ("leakReturnValNotUsed", "daemon/loop/running.c", "mmap"): "it is put where one was mapped before",
    ("comparePointers", "daemon/api/ops.c", ""): "both are symbols of one embedded file: its start and its end",
    ("arrayIndexOutOfBoundsCond", "client/address.c", ""): "the string is an argument; cppcheck takes one caller's literal",
    ("getpwuidCalled", "client/doctor_local.c", ""): "the client has one thread",
    ("getgrgidCalled", "client/doctor_local.c", ""): "the client has one thread",
}


def commands(build):
    """Our own sources and how each is compiled."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        name = os.path.relpath(entry["file"], TOP)
        if name.startswith(OURS):
            yield name, shlex.split(entry["command"])


def flags_of(command):
    """The arguments that decide how a source is read: includes, definitions, the language."""
    flags, skip = [], False
    for i, word in enumerate(command[1:], 1):
        if skip:
            skip = False
        elif word == "-isystem":
            flags += [word, command[i + 1]]
            skip = True
        elif word.startswith(("-I", "-D", "-std=")):
            flags.append(word)
    return flags


def tidy(build, name, command):
    return ["clang-tidy", "--quiet", "-p", str(build), f"--extra-arg={SIMPLE_HASH}", name]


def cppcheck(build, name, command):
    flags = [f for f in flags_of(command) if f.startswith(("-I", "-D"))]
    return ["cppcheck", "--quiet", "--std=c11", "--language=c", "--enable=warning,performance,portability",
            "--inline-suppr", "--suppress=missingIncludeSystem", "--library=posix", "--library=gnu",
            "--template={file}:{line}: {severity}: {message} [{id}]", *flags, name]


def analyzer(build, name, command):
    # gcc 12 analyses nothing when its output is /dev/null. What is put into a table, a list or a caller's structure
    # it takes for lost; LeakSanitizer and faults.memory* see to leaks.
    return ["gcc", "-O1", "-fanalyzer", "-Wno-analyzer-malloc-leak", SIMPLE_HASH, *flags_of(command), "-c", name,
            "-o", SCRATCH.name]


TOOLS = {"clang-tidy": tidy, "cppcheck": cppcheck, "fanalyzer": analyzer}


def reason_for(found):
    for (rule, file, text), reason in SUPPRESSED.items():
        if rule in found["rule"] and found["file"] == file and text in found["text"]:
            return (rule, file, text), reason
    return None, None


def run(tool, build, limit_s, name, command):
    """The findings in one file, and the end of the output of a tool that failed without one. None, None: it took
    too long."""
    # timeout ends the compiler that the driver has started, too.
    done = subprocess.run(["timeout", str(limit_s), *TOOLS[tool](build, name, command)], cwd=TOP, text=True,
                          capture_output=True)
    if done.returncode == TIMED_OUT:
        return None, None
    found = {}
    for line in (done.stdout + done.stderr).split("\n"):
        match = FINDING.match(line)
        if match:
            where = os.path.relpath(TOP / match["file"], TOP)
            found[(where, match["line"], match["rule"])] = {**match.groupdict(), "file": where, "tool": tool}
    failed = done.returncode != 0 and not found
    return list(found.values()), (done.stderr or done.stdout)[-2000:] if failed else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, default=300, help="seconds for one source and tool")
    parser.add_argument("tools", nargs="*", help=", ".join(TOOLS))
    options = parser.parse_intermixed_args()
    build, tools = options.build.resolve(), options.tools or list(TOOLS)
    sources = list(commands(build))
    wrong, used = 0, set()
    for tool in tools:
        seen, unfinished = {}, []
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = pool.map(lambda s: run(tool, build, options.limit, *s), sources)
            for (name, _), (found, failure) in zip(sources, results):
                if found is None:
                    unfinished.append(name)
                    continue
                seen.update({(f["file"], f["line"], f["rule"]): f for f in found})
                if failure:
                    wrong += 1
                    print(f"{tool} failed: {failure}", file=sys.stderr)
        suppressed = 0
        for f in seen.values():
            key, reason = reason_for(f)
            used.add(key)
            if reason:
                suppressed += 1
            else:
                wrong += 1
                print(f"{f['file']}:{f['line']}: {f['text']} [{f['rule']}]")
        print(f"{tool}: {len(sources)} sources, {len(seen) - suppressed} findings, {suppressed} with a reason",
              flush=True)
        if unfinished:
            print(f"{tool}: not to the end within {options.limit} s: {' '.join(sorted(unfinished))}", flush=True)
    if set(tools) == set(TOOLS):
        for key in set(SUPPRESSED) - used:
            wrong += 1
            print(f"the reason for {key} is not needed any more")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
