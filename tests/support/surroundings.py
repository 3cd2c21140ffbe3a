"""The surroundings that `tests/run` gives a suite.

ordinary: as in the run, with signals as in a terminal.

other: SIGINT and SIGQUIT ignored, as in a background script; a language with a decimal comma and another letter i;
a time zone 14 hours ahead; a temporary folder with a space and letters beyond ASCII.

user: a temporary ordinary user with a separate home. Without root, the run's own user.
"""

import fcntl
import functools
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.tree import ROOT, TARGET
from support.waiting import PATIENCE, until

LANGUAGE = "tr_TR.UTF-8"
LOCALES = TARGET / "locales"
INTERPRETER = ROOT / ".venv/bin/python"
WRITTEN = ("test-objects", "screenshots", "tmp")
# Locks of TARGET, which need write permission.
LOCKS = ("debug/.cargo-lock", "observatory.lock")


def locale() -> dict[str, str]:
    if not (LOCALES / LANGUAGE).exists():
        LOCALES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=LOCALES) as folder:
            made = Path(folder) / LANGUAGE
            done = subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", made], capture_output=True, text=True, timeout=PATIENCE)
            # The definition causes warnings and exit code 1.
            if not made.exists():
                raise OSError(f"localedef cannot make {LANGUAGE} (tools/apt.sh installs its sources): {done.stderr}")
            try:
                made.rename(LOCALES / LANGUAGE)
            except OSError:
                if not (LOCALES / LANGUAGE).exists():
                    raise
    return {"LOCPATH": str(LOCALES), "LANG": LANGUAGE, "LC_ALL": LANGUAGE}


def birth(pid: int) -> str | None:
    """Returns a process's start in ticks since boot, or None after its end."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def processes(uid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if re.search(rf"^Uid:.*\b{uid}\b", status, re.M) and not re.search(r"^State:\s+[ZX]", status, re.M):
            found.append(int(entry.name))
    return found


def remove_user(made: pwd.struct_passwd) -> None:
    def ended() -> bool:
        left = processes(made.pw_uid)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    until(f"the end of the processes of {made.pw_name}", ended)
    done = subprocess.run(["userdel", made.pw_name], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise OSError(f"userdel {made.pw_name}: {done.stderr}")


@contextmanager
def accounts() -> Iterator[None]:
    """Serializes account changes: useradd and userdel do not wait for each other."""
    with open(TARGET / "accounts.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# Waits for any end of its run, then cleans up like the next run.
GUARD = """
import pwd
import sys
sys.path.insert(0, sys.argv[1])
from support.surroundings import accounts, birth, remove_users_of_dead_runs
from support.waiting import until
sys.stdin.buffer.read()
# A killed process closes its pipes shortly before it ends. A living process has removed its user itself.
run, born, name = int(sys.argv[2]), sys.argv[3], sys.argv[4]
until("the end of the run", lambda: birth(run) != born or name not in {one.pw_name for one in pwd.getpwall()})
with accounts():
    remove_users_of_dead_runs()
"""


def remove_users_of_dead_runs() -> None:
    """A killed run leaves its user, running processes, and the suite's folder."""
    for made in pwd.getpwall():
        found = re.fullmatch(r"tests/run (\d+) (\d+) (/.+/lkt-\w+)", made.pw_gecos)
        if not re.fullmatch("linkspan-[0-9a-f]{6}", made.pw_name) or not found or birth(int(found[1])) == found[2]:
            continue
        remove_user(made)
        shutil.rmtree(found[3], ignore_errors=True)


@contextmanager
def user(folder: Path) -> Iterator[pwd.struct_passwd]:
    """Yields a temporary user, whose account names the run and the folder."""
    name = f"linkspan-{secrets.token_hex(3)}"
    comment = f"tests/run {os.getpid()} {birth(os.getpid())} {folder}"
    with accounts():
        remove_users_of_dead_runs()
        command = ["useradd", "--no-create-home", "--shell", "/bin/sh", "--comment", comment, name]
        subprocess.run(command, check=True, timeout=PATIENCE)
    made = pwd.getpwnam(name)
    # The pipe ends with the run, so the guard also removes the account after a kill.
    arguments = [str(Path(__file__).parents[1]), str(os.getpid()), str(birth(os.getpid())), name]
    guard = subprocess.Popen([sys.executable, "-c", GUARD, *arguments], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield made
    finally:
        with accounts():
            remove_user(made)
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(timeout=PATIENCE)


def toolchains() -> dict[str, str]:
    """Returns the variables of cargo's and rustup's folders, for programs with another home."""
    home = os.path.expanduser("~")
    found = {"CARGO_HOME": os.environ.get("CARGO_HOME", f"{home}/.cargo"), "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", f"{home}/.rustup")}
    return {name: folder for name, folder in found.items() if os.path.isdir(folder)}


@functools.cache
def runner() -> str:
    host = subprocess.run(["rustc", "--print", "host-tuple"], capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    return f"CARGO_TARGET_{host.strip().upper().replace('-', '_')}_RUNNER"


def closed_parent(path: Path) -> Path | None:
    """Returns the first folder on the path that other users cannot enter."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def visible(needed: list[Path], folder: Path) -> list[str]:
    """Returns shell commands that open these paths in a mount namespace.

    An interpreter or toolchain may lie in root's closed home. An open folder with only these paths replaces the
    home.
    """
    closed = {path: parent for path in needed if (parent := closed_parent(path))}
    held = {path: folder / str(number) for number, path in enumerate(closed)}
    return [
        *(line for path, place in held.items() for line in (f"mkdir -p {place}", f"mount --rbind {quoted(path)} {place}")),
        *(f"mount -t tmpfs -o mode=755 tmpfs {quoted(parent)}" for parent in sorted(set(closed.values()))),
        *(line for path, place in held.items() for line in (f"mkdir -p {quoted(path)}", f"mount --rbind {place} {quoted(path)}")),
    ]


def writable(folder: Path, owner: pwd.struct_passwd) -> list[str]:
    """Returns shell commands that replace written parts of TARGET by files of this user."""
    commands = []
    for number, name in enumerate((*WRITTEN, *LOCKS)):
        own, replaced = folder / f"own-{number}", TARGET / name
        if name in LOCKS:
            replaced.touch()
            own.touch()
        else:
            replaced.mkdir(exist_ok=True)
            own.mkdir()
        os.chown(own, owner.pw_uid, owner.pw_gid)
        commands.append(f"mount --bind {own} {quoted(replaced)}")
    return commands


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


@contextmanager
def of_a_user(folder: Path, env: dict[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yields the surroundings of a temporary user; needs root."""
    with user(folder) as made:
        env = {**env, **toolchains(), "USER": made.pw_name, "LOGNAME": made.pw_name, "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/runtime"}
        for path in (env["HOME"], env["XDG_RUNTIME_DIR"]):
            os.mkdir(path, 0o700)
        for path in (env["HOME"], env["XDG_RUNTIME_DIR"], env["LINKSPAN_DIR"], folder):
            os.chown(path, made.pw_uid, made.pw_gid)
        needed = [ROOT, TARGET, INTERPRETER.resolve().parents[1], *map(Path, toolchains().values())]
        outermost = [path for path in needed if not any(other in path.parents for other in needed)]
        become = f"setpriv --pdeathsig KILL --reuid {made.pw_uid} --regid {made.pw_gid} --init-groups"
        # cargo writes in the build folder, so it stays root; rust_deadlines.py runs the program as the user.
        as_root = f"export LINKSPAN_TEST_USER={made.pw_uid}:{made.pw_gid}; exec setpriv --pdeathsig KILL"
        runs = f"case $1 in cargo|tests/sanitizers/run) {as_root} \"$@\";; *) exec {become} \"$@\";; esac"
        script = " && ".join([*visible(sorted(set(outermost)), folder), *writable(folder, made), f"cd {quoted(ROOT)}", runs])
        words = ["unshare", "--mount", "sh", "-c", script, "sh"]
        command = [*words, INTERPRETER, "-c", "import pytest"]
        seen = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=3 * PATIENCE)
        if seen.returncode != 0:
            raise OSError(f"an ordinary user cannot run tests in {ROOT}: {seen.stderr}")
        yield words, env


@contextmanager
def surroundings(condition: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yields words before a command, and runtime, state and temporary directories."""
    with tempfile.TemporaryDirectory(prefix="lkt-") as folder:
        temporary = f"{folder}/t ğ" if condition == "other" else f"{folder}/tmp"
        env = {"LINKSPAN_DIR": f"{folder}/run", "LINKSPAN_STATE_DIR": f"{folder}/state", "TMPDIR": temporary}
        os.mkdir(env["LINKSPAN_DIR"], 0o700)
        # Some tests run as other users.
        os.mkdir(temporary)
        os.chmod(temporary, 0o1777)
        os.chmod(folder, 0o755)
        if condition == "user" and os.geteuid() == 0:
            with of_a_user(Path(folder), env) as given:
                yield given
            return
        # The suite's processes end with this one, even after a kill.
        words = ["setpriv", "--pdeathsig", "KILL"]
        if condition == "other":
            env |= locale() | {"TZ": "Pacific/Kiritimati"}
            words += ["env", "--ignore-signal=INT,QUIT"]
        yield words, env
