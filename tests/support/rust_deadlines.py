#!/usr/bin/env python3
"""Runs a Rust test program with a deadline for each test, as cargo's runner.

Usage: `rust_deadlines.py SECONDS PROGRAM ARGUMENT...`

libtest has no deadlines. A separate process checks the age of the program's threads. After a late test it prints
the waiting place of each thread, and ends the program. `tests/run` sets LINKSPAN_TEST_USER (UID:GID) if the program runs as
another user.

libtest runs each test in a separate thread. With a single test thread it does not, and only the suite's deadline
applies.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# The libtest function that calls a test, in both manglings of Rust.
RUNS_TEST = re.compile(r"4test8run_test(?![a-z_])|\btest::run_test\b(?!s)")
# Source paths of the standard libraries of Rust and C, which the output omits.
STANDARD = re.compile(r"library/|/rustc/|\S*/lib/rustlib/src/rust/|\.\./sysdeps/|\./nptl/")


def begun(pid: int, thread: str) -> float | None:
    """Returns a thread's start in seconds since boot, or None after its end."""
    try:
        fields = Path(f"/proc/{pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def old_threads(pid: int, seconds: float) -> set[str]:
    """Returns the program's threads of at least this age, except the main thread."""
    latest = time.clock_gettime(time.CLOCK_BOOTTIME) - seconds
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return set()
    return {thread for thread in threads if thread != str(pid) and (begun(pid, thread) or latest) < latest}


def stacks(pid: int) -> dict[str, str]:
    if shutil.which("eu-stack") is None:
        return {}
    read = subprocess.run(["eu-stack", "--source", "--pid", str(pid)], capture_output=True, text=True, errors="replace")
    parts = re.split(r"^TID (\d+):\n", read.stdout, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def shown(stack: str) -> str:
    """Returns the innermost function and all outside Rust's standard library."""
    frames = [" ".join(frame.split()) for frame in re.split(r"^(?=#)", stack, flags=re.M) if frame]
    ours = [frame for frame in frames[1:] if not STANDARD.match(frame.rsplit(" ", 1)[-1])]
    return "\n".join(f"    {frame}" for frame in [*frames[:1], *ours])


def watch(pid: int, ended: int, seconds: float) -> None:
    """Ends the program if a test exceeds its seconds; returns after the program's end."""
    end = select.poll()
    end.register(ended, select.POLLIN)
    # Threads that tests left running, or that belong to no test.
    others: set[str] = set()
    while not end.poll(50 * seconds):
        others &= (old := old_threads(pid, seconds))
        if not old - others:
            continue
        threads = stacks(pid)
        if overdue := [thread for thread in old if RUNS_TEST.search(threads.get(thread, ""))]:
            lines = [f"a test was not done after {seconds:.0f} s; it waits here:", *(shown(threads[thread]) for thread in overdue)]
            lines += (f"another thread:\n{shown(stack)}" for thread, stack in threads.items() if thread not in overdue)
            print("\n".join(lines), file=sys.stderr, flush=True)
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            return
        others |= old


def main() -> None:
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    pid = os.getpid()
    # The descriptor stays valid after `exec`.
    ended = os.pidfd_open(pid)
    # Forks twice, so the program does not get an unexpected child.
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            watch(pid, ended, seconds)
        os._exit(0)
    os.waitpid(child, 0)
    if user := os.environ.pop("LINKSPAN_TEST_USER", None):
        uid, gid = user.split(":")
        command = ["setpriv", "--pdeathsig", "KILL", "--reuid", uid, "--regid", gid, "--init-groups", *command]
    # Python ignores these signals; the program expects cargo's settings.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
