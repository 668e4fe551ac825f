# SPDX-License-Identifier: MIT
"""hold.py PID THREAD: holds one thread of a process for ten seconds, as a debugger does (ptrace(2))."""
import ctypes
import os
import pathlib
import sys
import time

SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

tasks = pathlib.Path(f"/proc/{sys.argv[1]}/task").iterdir()
tid = next(int(t.name) for t in tasks if (t / "comm").read_text().strip() == sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, tid, None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(tid, WALL)
time.sleep(10)  # the end of this process lets go
