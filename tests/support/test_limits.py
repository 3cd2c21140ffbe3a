"""A wait without a deadline fails and names the awaited condition."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.limits import within

# Seconds, far less than the waits here.
SHORT = 0.2
HANGS = """
import subprocess, sys, time

def test_waits_for_a_line():
    sleeper = subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE)
    try:
        sleeper.stdout.readline()
    finally:
        sleeper.kill()

def test_waits_in_spite_of_every_exception():
    while True:
        try:
            time.sleep(1000)
        except Exception:
            pass

def test_does_not_wait():
    assert time.monotonic() > 0
"""


def test_limit_ends_a_read_a_join_and_a_wait():
    reading, writing = os.pipe()
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    child = subprocess.Popen(["sleep", "1000"])
    try:
        for what, wait in (("a line", lambda: os.read(reading, 1)), ("a thread", thread.join), ("a child", child.wait)):
            with pytest.raises(pytest.fail.Exception, match=f"^{what}: not within 0 s$"), within(what, SHORT):
                wait()
    finally:
        released.set()
        child.kill()
        child.wait()
        os.close(reading)
        os.close(writing)


def test_limit_that_was_kept_ends_nothing():
    before = signal.getsignal(signal.SIGALRM)
    with within("nothing", SHORT):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] > SHORT


def test_limit_within_another_leaves_the_rest_of_the_outer_one():
    with pytest.raises(pytest.fail.Exception, match="^the outer one: "), within("the outer one", SHORT):
        with within("the inner one", 1000):
            time.sleep(0.01)
        threading.Event().wait()
    with pytest.raises(pytest.fail.Exception, match="^the inner one: "), within("the outer one", 1000):
        with within("the inner one", SHORT):
            threading.Event().wait()
    with pytest.raises(pytest.fail.Exception, match="^the outer one: "), within("the outer one", SHORT):
        with within("the inner one", 1000):
            threading.Event().wait()


def test_tests_that_hang_fail_and_the_others_pass(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "from support.limits import pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown\n"
    )
    (tmp_path / "test_hangs.py").write_text(HANGS)
    root = os.path.dirname(os.path.dirname(__file__))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "-c", os.devnull]
    command += ["-o", f"pythonpath={root}", "-o", "faulthandler_timeout=3", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "test_waits_for_a_line: not within 3 s" in done.stdout
    assert "sleeper.stdout.readline()" in done.stdout
