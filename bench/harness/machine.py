# SPDX-License-Identifier: MIT
"""The machine: packages, programs, processes and what /proc says of them."""
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]

# program -> Debian package
PACKAGES = {"nginx": "nginx-light", "curl": "curl", "wget2": "wget2", "aria2c": "aria2", "wrk": "wrk",
            "sqlite3": "sqlite3", "openssl": "openssl", "cmake": "cmake", "ninja": "ninja-build"}
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# file -> Debian package, of what is no program
AIOHTTP = "/usr/lib/python3/dist-packages/aiohttp"
ECHO_MODULE = "/usr/lib/nginx/modules/ngx_http_echo_module.so"  # for answers that take their time
FILES = {AIOHTTP: "python3-aiohttp", ECHO_MODULE: "libnginx-mod-http-echo"}


class BenchError(Exception):
    """A measurement that cannot be made, or went wrong and therefore has no result."""


def program(name):
    found = shutil.which(name, path=SEARCH)
    if not found:
        raise BenchError(f"{name} is not installed")
    return found


# -- packages -----------------------------------------------------------------------------------
def install_missing():
    """Installs the Debian packages of the peers that are missing; the build's own are scripts/install-deps'."""
    missing = [package for name, package in PACKAGES.items() if not shutil.which(name, path=SEARCH)]
    missing += [package for file, package in FILES.items() if not pathlib.Path(file).exists()]
    if not missing:
        return
    print("Installing:", *missing, flush=True)
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    script = f"printf '#!/bin/sh\\nexit 101\\n' >{policy} && chmod 755 {policy}"
    quiet = not policy.exists()  # nginx brings a service, which nobody wants started
    try:
        if quiet:
            subprocess.run([*prefix, "sh", "-c", script], check=True)
        subprocess.run([*prefix, "apt-get", "update", "-qq"], check=True, timeout=600)
        subprocess.run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y",
                        "--no-install-recommends", *missing], check=True, timeout=1200)
    except (OSError, subprocess.SubprocessError) as fault:
        raise BenchError(f"cannot install {' '.join(missing)}: {fault}") from None
    finally:
        if quiet:
            subprocess.run([*prefix, "rm", "-f", str(policy)], check=False)


def build(folder, targets):
    """Configures and builds a release with the benchmark programs."""
    if "gatherd" in targets:
        subprocess.run([TOP / "scripts" / "install-deps"], check=True)
    log = folder / "build.log"
    folder.mkdir(parents=True, exist_ok=True)
    steps = (["cmake", "-S", TOP, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
              "-DGATHERD_TESTS=OFF", "-DGATHERD_BENCH=ON", "-UGATHERD_PARTS"],
             ["cmake", "--build", folder, "--target", *targets])
    with open(log, "wb") as out:
        for step in steps:
            if subprocess.run(step, stdout=out, stderr=out, timeout=1800, check=False).returncode:
                raise BenchError(f"the build failed; see {log}:\n{log.read_text(errors='replace')[-3000:]}")


# -- facts --------------------------------------------------------------------------------------
def first_line(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "missing"
    lines = (run.stdout + run.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def field(path, name):
    match = re.search(rf"^{name}\s*:\s*(.+)$", pathlib.Path(path).read_text(), re.M)
    return match.group(1).strip() if match else "unknown"


def fsync_ms(folder, times=50):
    """Median milliseconds of a 4 KiB append made durable: what every commit pays."""
    path = pathlib.Path(folder) / "fsync"
    spans = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(times):
            os.write(fd, b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(fd)
            spans.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(fd)
        path.unlink()
    return sorted(spans)[times // 2]


def facts(folder):
    return {"cores": os.cpu_count(), "cpu": field("/proc/cpuinfo", "model name"),
            "kernel": os.uname().release, "memory": field("/proc/meminfo", "MemTotal"),
            "filesystem": first_line("stat", "-f", "-c", "%T", str(folder)),
            "fsync_ms": round(fsync_ms(folder), 3), "load_at_start": os.getloadavg()[0]}


def versions(gatherd):
    def word(line, pattern=r"\d+\.\d[\w.+~-]*"):
        match = re.search(pattern, line)
        return match.group(0) if match else line

    found = {"nginx": word(first_line(program("nginx"), "-v")), "curl": word(first_line("curl", "--version")),
             "wget2": word(first_line("wget2", "--version")), "aria2c": word(first_line("aria2c", "--version")),
             "wrk": word(first_line("wrk", "-v")), "sqlite3": word(first_line("sqlite3", "--version")),
             "python": word(first_line("/usr/bin/python3", "--version")),
             "aiohttp": first_line("/usr/bin/python3", "-c", "import aiohttp; print(aiohttp.__version__)"),
             "commit": first_line("git", "-C", str(TOP), "describe", "--always", "--dirty")}
    if gatherd:
        found["gatherd"] = first_line(str(gatherd), "--version")
    return found


# -- processes ----------------------------------------------------------------------------------
@dataclasses.dataclass
class Used:
    """What a finished process took."""
    seconds: float
    cpu_s: float
    rss_kib: int
    output: str


class Watcher(threading.Thread):
    """Follows a child's memory, and kills it when its time is over.

    rusage's maxrss will not do for memory: a child starts with its parent's.
    """
    EVERY_S = 0.02

    def __init__(self, child, timeout):
        super().__init__(daemon=True)
        self.child, self.deadline = child, time.monotonic() + timeout
        self.over, self.killed, self.rss_kib = threading.Event(), False, 0

    def run(self):
        while not self.over.wait(self.EVERY_S):
            try:
                self.rss_kib = memory_kib(self.child.pid, "VmHWM")
            except (OSError, BenchError):
                continue  # it has just ended
            if time.monotonic() > self.deadline and not self.killed:
                self.killed = True
                os.kill(self.child.pid, signal.SIGKILL)


def run_timed(command, timeout):
    """Runs a program to its end. A time-out or an exit status other than 0 is a BenchError."""
    start = time.perf_counter()
    child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    watcher = Watcher(child, timeout)
    watcher.start()
    try:
        output = child.stdout.read().decode(errors="replace")
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # its number stays taken until wait4
        seconds = time.perf_counter() - start
    except BaseException:
        child.kill()
        raise
    finally:
        watcher.over.set()
        watcher.join()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stdout.close()
    name = pathlib.Path(str(command[0])).name
    if watcher.killed:
        raise BenchError(f"{name} did not end within {timeout} s")
    if child.returncode:
        raise BenchError(f"{name} ended with {child.returncode}: {output.strip()[-500:]}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, watcher.rss_kib, output)


def stop(process, patience=40):
    """SIGTERM, then SIGKILL after `patience` seconds."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def eventually(condition, timeout, what):
    """Polls until `condition()` is true and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise BenchError(f"{what} did not come within {timeout} s")
        time.sleep(0.005)


# -- /proc --------------------------------------------------------------------------------------
def memory_kib(pid, name="VmRSS"):
    words = field(f"/proc/{pid}/status", name).split()
    if not words[0].isdigit():
        raise BenchError(f"process {pid} has ended")
    return int(words[0])


def reset_peak(pid):
    """VmHWM starts again from the present VmRSS."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid):
    numbers = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def switches(pid):
    """Voluntary context switches of all threads: how often anything woke."""
    return sum(int(field(task / "status", "voluntary_ctxt_switches"))
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())
