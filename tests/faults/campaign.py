# SPDX-License-Identifier: MIT
"""What the campaigns share: their command line, a folder that lives as long as they do, and the last line, which
says what was done. Run them by scripts/campaign."""
import argparse
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "origin")]

SKIPPED = 77  # the exit status that ctest takes as "could not run here"


class Skip(Exception):
    """The campaign cannot run on this machine; says why."""


def options(description, **defaults):
    """The command line: --cycles and --seconds as far as the campaign knows them, --seed, --keep."""
    parser = argparse.ArgumentParser(description=description)
    for name, value in defaults.items():
        parser.add_argument("--" + name, type=type(value), default=value)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="keep the folder with database and log")
    return parser.parse_args()


def run(body, chosen):
    """Runs `body(chosen, folder)`, which gives the line that sums it up. Never returns."""
    name = pathlib.Path(sys.argv[0]).stem
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"gatherd-{name}-"))
    began = time.monotonic()
    keep = chosen.keep
    try:
        print(f"{name}: {body(chosen, folder)}, {time.monotonic() - began:.0f} s", flush=True)
        code = 0
    except Skip as why:
        print(f"{name}: SKIPPED: {why}", flush=True)
        code = SKIPPED
    except BaseException:  # whatever it was, the seed and the folder are what is needed to look into it
        traceback.print_exc()
        print(f"{name}: FAILED with --seed {chosen.seed}; database and log are kept in {folder}", flush=True)
        code, keep = 1, True
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(code)  # threads that still wait for an answer must not hold the process


def progress(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)
