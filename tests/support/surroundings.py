"""The surroundings in which `tests/run` starts a suite.

ordinary: those of the run itself, with signals as in a terminal.
other: as a script starts it in the background, with SIGINT and SIGQUIT ignored; a language with a decimal comma and an i of its own;
    a time zone 14 hours ahead; temporary files in a folder whose name has a space and letters beyond ASCII.
user: an ordinary user, made for it and removed, with a home of its own; where the run itself has no root, it is one already.
"""

import os
import pwd
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.tree import ROOT, TARGET

LANGUAGE = "tr_TR.UTF-8"
LOCALES = TARGET / "locales"
# What runs the tests that are written in Python.
INTERPRETER = ROOT / ".venv/bin/python"
# Folders of TARGET in which tests write: an ordinary user has empty ones in their place.
WRITTEN = ("test-objects", "screenshots", "tmp")
# The locks of TARGET; who may not open them for writing cannot take them.
LOCKS = ("debug/.cargo-lock", "observatory.lock")


def locale() -> dict[str, str]:
    """What makes LANGUAGE the language of a program; it is compiled where it is not there."""
    if not (LOCALES / LANGUAGE).exists():
        LOCALES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=LOCALES) as folder:
            made = Path(folder) / LANGUAGE
            done = subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", made], capture_output=True, text=True)
            # It warns of what the definition itself leaves open, and then ends with 1.
            if not made.exists():
                raise OSError(f"localedef cannot make {LANGUAGE} (tools/apt.sh installs its sources): {done.stderr}")
            try:
                made.rename(LOCALES / LANGUAGE)
            except OSError:
                # Another thread was first.
                if not (LOCALES / LANGUAGE).exists():
                    raise
    return {"LOCPATH": str(LOCALES), "LANG": LANGUAGE, "LC_ALL": LANGUAGE}


@contextmanager
def user() -> Iterator[pwd.struct_passwd]:
    """A user of this machine for so long."""
    name = f"linkspan-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], check=True, stderr=subprocess.DEVNULL)


def toolchains() -> dict[str, str]:
    """Where cargo and rustup keep what they have, for programs with another home."""
    home = os.path.expanduser("~")
    found = {"CARGO_HOME": os.environ.get("CARGO_HOME", f"{home}/.cargo"), "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", f"{home}/.rustup")}
    return {name: folder for name, folder in found.items() if os.path.isdir(folder)}


def closed_parent(path: Path) -> Path | None:
    """The first folder on the way to a path through which other users may not go."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def visible(needed: list[Path], folder: Path) -> list[str]:
    """Shell commands that open the way to these paths in a mount namespace.

    An interpreter or a toolchain may lie in root's home, which others may not enter: an open folder takes the place of the home, with
    nothing in it but these paths.
    """
    closed = {path: parent for path in needed if (parent := closed_parent(path))}
    held = {path: folder / str(number) for number, path in enumerate(closed)}
    return [
        *(line for path, place in held.items() for line in (f"mkdir -p {place}", f"mount --rbind {quoted(path)} {place}")),
        *(f"mount -t tmpfs -o mode=755 tmpfs {quoted(parent)}" for parent in sorted(set(closed.values()))),
        *(line for path, place in held.items() for line in (f"mkdir -p {quoted(path)}", f"mount --rbind {place} {quoted(path)}")),
    ]


def writable(folder: Path, owner: pwd.struct_passwd) -> list[str]:
    """Shell commands that put files and folders of this user in place of those of TARGET that tests change."""
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
    """What `surroundings` gives for a user that is made for it; needs root."""
    with user() as made:
        env = {**env, **toolchains(), "HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/runtime", "PYTHONDONTWRITEBYTECODE": "1"}
        for path in (env["HOME"], env["XDG_RUNTIME_DIR"]):
            os.mkdir(path, 0o700)
        for path in (env["HOME"], env["XDG_RUNTIME_DIR"], env["LINKSPAN_DIR"], folder):
            os.chown(path, made.pw_uid, made.pw_gid)
        needed = [ROOT, TARGET, INTERPRETER.resolve().parents[1], *map(Path, toolchains().values())]
        outermost = [path for path in needed if not any(other in path.parents for other in needed)]
        script = " && ".join([*visible(sorted(set(outermost)), folder), *writable(folder, made), f"cd {quoted(ROOT)}", 'exec "$@"'])
        words = ["unshare", "--mount", "sh", "-c", script, "sh", "setpriv", "--pdeathsig", "KILL"]
        words += ["--reuid", str(made.pw_uid), "--regid", str(made.pw_gid), "--init-groups"]
        seen = subprocess.run([*words, INTERPRETER, "-c", "import pytest"], env={**os.environ, **env}, capture_output=True, text=True)
        if seen.returncode != 0:
            raise OSError(f"an ordinary user cannot run tests in {ROOT}: {seen.stderr}")
        yield words, env


@contextmanager
def surroundings(condition: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words before a command, and its runtime directory, state directory and folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="lkt-") as folder:
        temporary = f"{folder}/t ğ" if condition == "other" else f"{folder}/tmp"
        env = {"LINKSPAN_DIR": f"{folder}/run", "LINKSPAN_STATE_DIR": f"{folder}/state", "TMPDIR": temporary}
        os.mkdir(env["LINKSPAN_DIR"], 0o700)
        # Open to the other users that some tests run as.
        os.mkdir(temporary)
        os.chmod(temporary, 0o1777)
        os.chmod(folder, 0o755)
        if condition == "user" and os.geteuid() == 0:
            with of_a_user(Path(folder), env) as given:
                yield given
            return
        # What it starts ends when this process does, even where that is killed.
        words = ["setpriv", "--pdeathsig", "KILL"]
        if condition == "other":
            env |= locale() | {"TZ": "Pacific/Kiritimati"}
            words += ["env", "--ignore-signal=INT,QUIT"]
        yield words, env
