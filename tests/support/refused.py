"""Programs to which the kernel refuses one system call, by a filter as a sandbox has one."""

import platform
from pathlib import Path

from .compilers import compiled

#: The numbers of system calls on this machine.
CALLS = {
    "x86_64": {"ppoll": 271, "epoll_pwait": 281, "accept4": 288, "inotify_init1": 294, "inotify_add_watch": 254, "connect": 42, "socket": 41, "bind": 49, "memfd_create": 319},
    "aarch64": {"ppoll": 73, "epoll_pwait": 22, "accept4": 242, "inotify_init1": 26, "inotify_add_watch": 27, "connect": 203, "socket": 198, "bind": 200, "memfd_create": 279},
}[platform.machine()]


def built(folder: Path) -> Path:
    """The program `refuse`: refuse NUMBER ERRNO PROGRAM ARGUMENTS..."""
    return compiled("gcc", "-O1", "-Wall", Path(__file__).with_name("refuse.c"), out=folder / "refuse")
