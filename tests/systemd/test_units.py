"""The unit files: systemd accepts every line, and the programs work under the restrictions."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import PATIENCE, PROGRAM, python
from support.tree import ROOT

FOLDER = ROOT / "examples/systemd"
UNITS = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.service"))
LOGGER = ROOT / "examples/logger/logger.py"

#: Stand-ins for installed files.
INSTALLED = {
    "/usr/local/lib/linkspan/venv/bin/python": sys.executable,
    "/usr/local/lib/linkspan/logger": str(LOGGER.parent),
    "/usr/local/lib/linkspan/adopted/%i": "/bin/sleep",
    "/usr/local/bin/linkspan-bridge": str(PROGRAM.with_name("linkspan-bridge")),
    "/usr/local/bin/linkspan-gateway": str(PROGRAM.with_name("linkspan-gateway")),
    "/usr/local/bin/linkspan": str(PROGRAM),
}


def analyze(*words, **env):
    done = subprocess.run(
        ["systemd-analyze", *map(str, words)], env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE,
    )
    return done.returncode, done.stdout + done.stderr


def installed(unit, folder):
    text = (FOLDER / unit).read_text()
    for there, here in INSTALLED.items():
        text = text.replace(there, here)
    assert "/usr/local" not in text, "a path of an installation by hand"
    path = folder / Path(unit).name.replace("@.", "@camera.")
    path.write_text(text)
    return path


def verify(unit, path):
    of_user = ["--user"] if unit.startswith("user/") else []
    # systemd also reads the sockets of the user's other units, and a socket's path has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="lk-", dir="/tmp") as runtime:
        return analyze(*of_user, "verify", "--man=no", path, XDG_RUNTIME_DIR=runtime)


def test_units_exist():
    system = ["linkspan-adopted@.service", "linkspan-bridge.service", "linkspan-logger.service"]
    assert UNITS == [*system, "user/linkspan-controller.service", "user/linkspan-gateway.service"]


@pytest.mark.parametrize("unit", [pytest.param(unit, marks=pytest.mark.bridge if "bridge" in unit else ()) for unit in UNITS])
def test_systemd_accepts_every_line(unit, tmp_path):
    path = installed(unit, tmp_path)
    assert verify(unit, path) == (0, "")
    path.write_text(path.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "Unknown key" in verify(unit, path)[1]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if not unit.startswith("user/")])
def test_services_of_the_system_are_hardened(unit, tmp_path):
    path = installed(unit, tmp_path)
    code, output = analyze("security", "--offline=true", "--threshold=20", "--no-pager", path)
    assert code == 0, output
    path.write_text("[Service]\nExecStart=/bin/true\n")
    assert analyze("security", "--offline=true", "--threshold=20", "--no-pager", path)[0] != 0


def allowed():
    """The system calls of `SystemCallFilter=@system-service` without `@privileged`."""
    sets, name = {}, None
    for line in analyze("syscall-filter", "--no-pager")[1].splitlines():
        line = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
        if re.match(r"@[a-z-]+$", line) and (name is None or not open_set):
            name, open_set = line, True
            sets[name] = set()
        elif not line:
            open_set = False
        elif name and not line.startswith("#"):
            sets[name].add(line)
    def expand(name):
        return {call for one in sets[name] for call in (expand(one) if one.startswith("@") else [one])}
    return (expand("@system-service") - expand("@privileged")) | expand("@default")


def bridge_configuration(folder):
    file = folder / "bridge.toml"
    file.write_text('service = "it"\nexport = ["lab/*"]\n[zenoh]\nlisten = ["tcp/127.0.0.1:0"]\n')
    return file


def words(kind, folder):
    return {
        "controller": [PROGRAM, "controller", "--no-tcp", "--quiet"],
        "bridge": [PROGRAM.with_name("linkspan-bridge"), "--config", bridge_configuration(folder)],
        "gateway": [PROGRAM.with_name("linkspan-gateway"), "--service", "it", "--listen", "127.0.0.1:0", "--no-start-token", "--tokens", folder / "tokens"],
        "adopted": [PROGRAM, "service", "run", "--name", "it", "--", "sleep", "1000"],
        "logger": [sys.executable, LOGGER, "--name", "it", "--every", "0.05", "--database", folder / "sensors.db"],
    }[kind]


@pytest.mark.parametrize("supervisor", ["path"], indirect=True)
@pytest.mark.parametrize("kind", ["controller", "adopted", "gateway", "logger", pytest.param("bridge", marks=pytest.mark.bridge)])
def test_system_call_filter_allows_what_services_do(kind, supervisor, tmp_path):
    calls = allowed()
    assert len(calls) > 200 and "mount" not in calls and "reboot" not in calls and "read" in calls
    trace = tmp_path / "trace"
    if kind != "controller":
        supervisor.start(PROGRAM, "controller", "--no-tcp", "--quiet", supervised=False)
    program = supervisor.start("strace", "-f", "-qq", "-o", trace, *words(kind, tmp_path), watchdog=1)
    supervisor.until("READY=1")
    if kind != "controller":
        supervisor.until_known()
        supervisor.linkspan("service", "get", "it", "--timeout", "60")
        supervisor.linkspan("service", "pause", "it", "--wait")
        supervisor.linkspan("service", "run", "it", "--wait")
    supervisor.until("WATCHDOG=1")
    traced = int(trace.read_text().split()[0])
    os.kill(traced, signal.SIGTERM)
    assert program.wait(PATIENCE) == 0
    made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace.read_text(), re.M))
    assert {"read", "execve", "epoll_wait"} & made and len(made) > 20, made
    # As root, SQLite gives its log to the database's owner; the units run as an ordinary user.
    assert made - calls - ({"fchown"} if os.geteuid() == 0 else set()) == set()


def deny_write_execute():
    """Has the effect of MemoryDenyWriteExecute=."""
    PR_SET_MDWE = 65
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_MDWE")


def test_services_need_no_writable_executable_memory(supervisor, tmp_path):
    try:
        subprocess.run(["true"], preexec_fn=deny_write_execute, check=True)
    except subprocess.SubprocessError:
        pytest.skip("the kernel has no PR_SET_MDWE (Linux 6.3 and later)")
    breaks = "import ctypes, mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    broken = subprocess.run(python(breaks), preexec_fn=deny_write_execute, stderr=subprocess.DEVNULL)
    assert broken.returncode != 0, "the kernel forbids it"
    supervisor.start(PROGRAM, "controller", "--no-tcp", "--quiet", preexec_fn=deny_write_execute)
    supervisor.until("READY=1")
    program = supervisor.start(*words("logger", tmp_path), preexec_fn=deny_write_execute)
    supervisor.until("STATUS=RUNNING")
    supervisor.until_known()
    supervisor.linkspan("service", "checkpoint", "it", "--wait")
    program.send_signal(signal.SIGTERM)
    assert program.wait(PATIENCE) == 0
