#!/usr/bin/env python3
"""Runs a Rust test program with a deadline for each of its tests: `rust_deadlines.py SECONDS PROGRAM ARGUMENT...`, as cargo's runner.

libtest has no deadlines. A process beside the program looks at the age of its threads. Where a test is not done in time, it prints the
functions and lines at which the test and the other threads of the program wait, and ends the program. `tests/run` names in LINKSPAN_TEST_USER the user
(UID:GID) that the program runs as, where this is another one.

libtest runs each test in a thread of its own, except with one test thread alone: then the deadline of the suite is the only one.
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

# The function of libtest that calls a test, in both manglings of Rust's names.
RUNS_TEST = re.compile(r"4test8run_test(?![a-z_])|\btest::run_test\b(?!s)")
# Where the sources of Rust's standard library were compiled, or lie if they are installed, and those of C's; what they
# do is of no interest here.
STANDARD = re.compile(r"library/|/rustc/|\S*/lib/rustlib/src/rust/|\.\./sysdeps/|\./nptl/")


def begun(pid: int, thread: str) -> float | None:
    """When a thread began, in seconds since the machine did; none where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def old_threads(pid: int, seconds: float) -> set[str]:
    """The threads of a program that have been there for so long, without its main thread."""
    latest = time.clock_gettime(time.CLOCK_BOOTTIME) - seconds
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return set()
    return {thread for thread in threads if thread != str(pid) and (begun(pid, thread) or latest) < latest}


def stacks(pid: int) -> dict[str, str]:
    """For each thread of a program the functions that it is in, the innermost first."""
    if shutil.which("eu-stack") is None:
        return {}
    read = subprocess.run(["eu-stack", "--source", "--pid", str(pid)], capture_output=True, text=True, errors="replace")
    parts = re.split(r"^TID (\d+):\n", read.stdout, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def shown(stack: str) -> str:
    """The innermost function, and those that are not of Rust's standard library."""
    frames = [" ".join(frame.split()) for frame in re.split(r"^(?=#)", stack, flags=re.M) if frame]
    ours = [frame for frame in frames[1:] if not STANDARD.match(frame.rsplit(" ", 1)[-1])]
    return "\n".join(f"    {frame}" for frame in [*frames[:1], *ours])


def watch(pid: int, ended: int, seconds: float) -> None:
    """Returns when the program has ended, or ends it where one of its tests is not done after so many seconds."""
    end = select.poll()
    end.register(ended, select.POLLIN)
    # Threads that tests left behind, or that belong to no test.
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
    # It is the program's after `exec`, too.
    ended = os.pidfd_open(pid)
    # A child of a child: to the program it is no child that it did not start.
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            watch(pid, ended, seconds)
        os._exit(0)
    os.waitpid(child, 0)
    if user := os.environ.pop("LINKSPAN_TEST_USER", None):
        uid, gid = user.split(":")
        command = ["setpriv", "--pdeathsig", "KILL", "--reuid", uid, "--regid", gid, "--init-groups", *command]
    # Python ignores them; the program is to find them as cargo left them.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
