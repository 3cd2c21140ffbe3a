"""Users of suites end with `tests/run`, also after a kill."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.surroundings import accounts, processes, remove_users_of_dead_runs
from support.tree import ROOT
from support.waiting import next_line, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
RUN = """
import subprocess, sys
from pathlib import Path
from support.surroundings import user
with user(Path(sys.argv[1])) as made:
    subprocess.Popen(["sleep", "1000"], user=made.pw_uid, stdout=subprocess.DEVNULL, start_new_session=True)
    print(made.pw_name, flush=True)
    sys.stdin.read()
"""


def names():
    return {one.pw_name for one in pwd.getpwall()}


@pytest.fixture
def run():
    started = []

    def start():
        folder = Path(tempfile.mkdtemp(prefix="lkt-", dir="/tmp"))
        command = [sys.executable, "-c", RUN, str(folder)]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        started.append(subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        name = next_line(started[-1].stdout, "the user of a run").rstrip("\n")
        return started[-1], pwd.getpwnam(name), folder

    yield start
    for process in started:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
    with accounts():
        remove_users_of_dead_runs()


def test_user_of_a_run_that_ends_goes_with_its_processes(run):
    process, made, folder = run()
    until("a process of the user", lambda: processes(made.pw_uid))
    process.stdin.close()
    assert process.wait(60) == 0
    assert made.pw_name not in names() and processes(made.pw_uid) == []
    folder.rmdir()


def test_user_of_a_killed_run_goes_without_another_run_and_one_of_a_living_run_stays(run):
    killed, lost, folder = run()
    living, kept, place = run()
    for made in (lost, kept):
        until("a process of the user", lambda made=made: processes(made.pw_uid))
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    until("the end of the user of the killed run", lambda: lost.pw_name not in names() and not folder.exists())
    assert processes(lost.pw_uid) == []
    assert kept.pw_name in names() and processes(kept.pw_uid) != [] and place.exists()
    living.stdin.close()
    assert living.wait(60) == 0
    place.rmdir()
