"""System calls of a waiting call, and the signal-handling thread after a fork."""

import collections
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading

import linkspan
import pytest

ROUNDS = 200


def traced(tmp_path, code):
    log = tmp_path / "calls"
    program = textwrap.dedent(code)
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=getpid,gettid,recvfrom", "-o", log, sys.executable, "-c", program],
        check=True, timeout=100,
    )
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.M))


def test_waiting_calls_read_the_thread_id_once(tmp_path):
    calls = traced(tmp_path, f"""
        import linkspan
        a = linkspan.open("unix:lab/one")
        b = linkspan.open("unix:lab/one")
        for n in range({ROUNDS}):
            a.send(n, timeout=60.0)
            assert b.recv(timeout=60.0).value == n
    """)
    assert calls["recvfrom"] >= ROUNDS, calls
    assert calls["getpid"] + calls["gettid"] < ROUNDS // 4, calls


def test_thread_that_forks_handles_signals_in_the_child(name="unix:lab/one"):
    """A signal ends the wait of a child whose thread was not the main thread before."""
    statuses = []

    def forks():
        a = linkspan.listen(f"{name}/before")
        try:
            a.accept(timeout=0.01)
        except linkspan.Timeout:
            pass
        child = os.fork()
        if child == 0:
            class Raised(Exception):
                pass

            def handler(*_):
                raise Raised

            try:
                signal.signal(signal.SIGALRM, handler)
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                linkspan.listen(f"{name}/child").accept(timeout=60.0)
            except Raised:
                os._exit(7)
            finally:
                os._exit(1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    thread = threading.Thread(target=forks)
    thread.start()
    thread.join(60)
    assert statuses == [7]


@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_second_publisher_of_a_name_asks_for_no_longer_wait_than_its_time_out(tmp_path, transport):
    """The requested wait equals the time-out; its duration depends on the machine."""
    log = tmp_path / "log"
    program = (
        f"import os, linkspan\nfirst = linkspan.publisher('{transport}:taken')\nos.getppid()\n"
        f"try: linkspan.publisher('{transport}:taken', timeout=0.1)\nexcept linkspan.AddressInUse: print('refused', os.getppid() > 0)"
    )
    traced = "trace=getppid,ppoll,poll,epoll_wait,epoll_pwait,epoll_pwait2,clock_nanosleep"
    command = ["strace", "-f", "-qq", "-e", traced, "-o", log, sys.executable, "-c", program]
    done = subprocess.run(command, env={**os.environ, "LINKSPAN_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=60)
    assert done.stdout == "refused True\n", done
    lines = log.read_text().splitlines()
    begin, end = (at for at, line in enumerate(lines) if "getppid(" in line)
    # Only the program's thread; the acceptor waits separately.
    own = [line for line in lines[begin:end] if line.split()[0] == lines[begin].split()[0]]
    waits = [int(seconds) * 10**9 + int(rest) for line in own for seconds, rest in re.findall(r"tv_sec=(\d+), tv_nsec=(\d+)", line)]
    assert waits and max(waits) <= 100_000_000, own
    assert not [line for line in own if re.search(r" (poll|epoll_\w+)\(", line)], own
