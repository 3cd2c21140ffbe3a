"""A waiting Rust test ends its program, and the output names the line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import ROOT
from support.waiting import PATIENCE

RUNNER = ROOT / "tests/support/rust_deadlines.py"
TESTS = """
#[test]
fn waits_for_a_message() {
    let (_sender, messages) = std::sync::mpsc::channel::<()>();
    messages.recv().unwrap();
}

#[test]
fn joins_a_thread() {
    std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(1000))).join().unwrap();
}

#[test]
fn leaves_a_thread() {
    std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(1000)));
}

// Each of them is done before the deadline, all of them are not: they follow each other in the two threads that libtest is given.
""" + "".join(f"#[test]\nfn is_done_in_time_{n}() {{ std::thread::sleep(std::time::Duration::from_secs(1)); }}\n" for n in range(16))


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rust")
    (folder / "waits.rs").write_text(TESTS)
    subprocess.run(["rustc", "--test", "-Cdebuginfo=line-tables-only", "waits.rs"], cwd=folder, check=True, timeout=3 * PATIENCE)
    return folder / "waits"


def run(program: Path, seconds: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [RUNNER, str(seconds), program, "--test-threads=2", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE)


@pytest.mark.parametrize("name, line", [("waits_for_a_message", 5), ("joins_a_thread", 10)])
def test_output_names_the_line_at_which_a_test_waits(program, name, line):
    done = run(program, 1, name)
    assert done.returncode == -signal.SIGKILL
    first, _, here = done.stderr.partition("\n")
    assert first == "a test was not done after 1 s; it waits here:"
    here, _, others = here.partition("another thread:")
    assert f"waits::{name}" in here and f"waits.rs:{line}:" in here
    assert "library/" not in "".join(here.splitlines()[1:]), "functions of the standard library"
    assert "waits::main" in others


def test_thread_that_a_test_left_ends_nothing(program):
    done = run(program, 6, "leaves", "is_done")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "17 passed; 0 failed" in done.stdout


def test_program_has_its_arguments_signals_exit_code_and_no_child(tmp_path):
    script = "import os, signal, sys\n"
    script += "try:\n    os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError:\n    print('no child')\n"
    script += "print(sys.argv[1:], [line.split()[1] for line in open('/proc/self/status') if line.startswith('SigIgn')])\nsys.exit(7)"
    plain = subprocess.run([sys.executable, "-c", script, "a b", "c"], capture_output=True, text=True, timeout=PATIENCE)
    below = subprocess.run([RUNNER, "600", sys.executable, "-c", script, "a b", "c"], capture_output=True, text=True, timeout=PATIENCE)
    assert (below.returncode, below.stdout) == (7, plain.stdout)
    assert below.stdout.startswith("no child\n['a b', 'c']")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_program_runs_as_the_user_that_is_named():
    env = {**os.environ, "LINKSPAN_TEST_USER": "65534:65534"}
    done = subprocess.run([RUNNER, "600", "sh", "-c", 'id -u; id -g; echo "${LINKSPAN_TEST_USER-}"'], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "65534\n65534\n\n"), done.stderr
