#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every error code of the API and of tasks was met by some integration test. They leave a file for each code that
an answer of the daemon named (api.record_codes).

    codes.py TOP FOLDER
"""
import pathlib
import re
import sys

# code: the test that meets it where no whole daemon can be brought to, or not every time
ELSEWHERE = {
    "draining": "tests/unit/api/test_api_submit.c:draining",
    "internal": "tests/unit/api/test_api_submit.c:ERR_INTERNAL",
    "connect_failed": "tests/unit/fetch/test_classify.c:TASK_CONNECT_FAILED",
    "timeout_total": "tests/unit/fetch/test_classify.c:TASK_TIMEOUT_TOTAL",
}


def codes(top):
    """The codes in the two tables; an API code has an HTTP status."""
    err = (top / "common" / "err.c").read_text()
    task = (top / "common" / "task_error.c").read_text()
    api = re.findall(r"\[ERR_\w+\]\s*=\s*\{\s*\"(\w+)\",\s*\"[^\"]*\",\s*([0-9]+)", err)
    return {name for name, status in api if int(status) >= 400} \
        | set(re.findall(r"\[TASK_\w+\]\s*=\s*\{\s*\"(\w+)\"", task))


def main():
    top, folder = map(pathlib.Path, sys.argv[1:])
    wanted = codes(top)
    met = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    wrong = [f"no test meets the error code {code}" for code in sorted(wanted - met - set(ELSEWHERE))]
    for code, place in ELSEWHERE.items():
        path, _, word = place.partition(":")
        if not (top / path).is_file() or word not in (top / path).read_text():
            wrong.append(f"{place} does not hold {code}")
    print("\n".join(wrong) or f"all {len(wanted)} error codes are met by tests")
    return 1 if wrong or len(wanted) < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
