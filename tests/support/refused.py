"""Runs programs with a refused system call (seccomp filter) or thread (user limit)."""

import contextlib
import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .compilers import compiled

#: Seconds; only a hang takes this long.
PATIENCE = 25
#: A user without programs, because the thread limit counts all threads of a user.
NOBODY = 61_234
#: System call numbers of this machine.
CALLS = {
    "x86_64": {"ppoll": 271, "epoll_pwait": 281, "accept4": 288, "inotify_init1": 294, "inotify_add_watch": 254, "connect": 42, "socket": 41, "bind": 49, "memfd_create": 319},
    "aarch64": {"ppoll": 73, "epoll_pwait": 22, "accept4": 242, "inotify_init1": 26, "inotify_add_watch": 27, "connect": 203, "socket": 198, "bind": 200, "memfd_create": 279},
}[platform.machine()]


def built(folder: Path) -> Path:
    """Builds `refuse`: refuse NUMBER ERRNO PROGRAM ARGUMENTS..."""
    return compiled("gcc", "-O1", "-Wall", Path(__file__).with_name("refuse.c"), out=folder / "refuse")


@contextlib.contextmanager
def folder_of_another() -> Iterator[tuple[Path, dict[str, str]]]:
    """Yields a folder that another user can reach, and that user's environment."""
    folder = Path(subprocess.run(["mktemp", "-d", "/var/tmp/refused-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        os.chown(folder, NOBODY, NOBODY)
        yield folder, {**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
    finally:
        shutil.rmtree(folder)


def begun_with(threads: int, command: list[object], folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Starts a program as an ordinary user with a thread limit."""

    def limited() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
        os.setuid(NOBODY)

    words = [str(word).replace("{threads}", str(threads)) for word in command]
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=limited, cwd=folder, env=environment
    )


def run_with(threads: int, command: list[object], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Runs such a program; ends it after a moment if it has all it needs."""
    child = begun_with(threads, command, folder, environment)
    try:
        try:
            text = child.communicate(timeout=3)[1]
        except subprocess.TimeoutExpired:
            child.terminate()
            text = child.communicate(timeout=PATIENCE)[1]
    finally:
        child.kill()
    assert "panicked" not in text, (threads, text)
    return child.returncode, text
