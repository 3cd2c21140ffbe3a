"""Limits the memory of a process by a control group or its address space."""

import contextlib
import os
import resource
import subprocess
from pathlib import Path

import pytest


class Group:
    """A control group with a memory limit, or None if the system forbids it."""

    def __init__(self) -> None:
        self.folder = None
        for root, limit, used in (
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ):
            path = Path(root) / f"linkspan-load-{os.getpid()}"
            with contextlib.suppress(OSError):
                path.mkdir()
                if (path / limit).exists():
                    self.folder, self.limit, self.used = path, path / limit, path / used
                    return
                path.rmdir()

    def take(self, pid: int) -> None:
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(pid))

    def leave_only(self, size: int) -> None:
        """Leaves this many bytes to the processes in the group."""
        if self.folder:
            self.limit.write_text(str(int(self.used.read_text()) + size))

    def end(self) -> None:
        if self.folder:
            self.folder.rmdir()


def limit_memory(pid: int, size: int) -> None:
    """Limits this process to this many additional bytes, without a control group."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    total = pages * resource.getpagesize() + size
    resource.prlimit(pid, resource.RLIMIT_AS, (total, total))


def leave(kind: str, process: subprocess.Popen, group: Group, size: int) -> None:
    if kind == "control group":
        if group.folder is None:
            pytest.skip("this system lets us make no control group with a limit on memory")
        group.take(process.pid)
        group.leave_only(size)
    else:
        limit_memory(process.pid, size)
