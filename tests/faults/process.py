# SPDX-License-Identifier: MIT
"""A daemon seen from outside: what it uses, and how to start it in other circumstances."""
import os
import pathlib

import campaign  # noqa: F401 (finds the harness)
import harness

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(daemon):
    """Processor seconds used so far."""
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def threads(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


def start_through(folder, commands):
    """From now on daemons are started by a shell that runs `commands` first."""
    wrapper = folder / "gatherd-started"
    wrapper.write_text(f'#!/bin/sh\n{commands}\nexec "{harness.program("GATHERD_BIN")}" "$@"\n')
    wrapper.chmod(0o755)
    os.environ["GATHERD_BIN"] = str(wrapper)


def stop(daemon, *origins):
    """Whatever state they are in."""
    if daemon is not None and daemon.process is not None:
        daemon.kill()
    for origin in origins:
        origin.stop()
