"""Namespaces for programs that a test starts: mounts, networks and processes of their own.

An ordinary user may have them inside a user namespace, in which the program is root; where the kernel forbids that, too, only root can.
"""

import functools
import os
import subprocess

import pytest

from support.waiting import PATIENCE


def unshare(*words: str) -> list[str]:
    """The command that starts a program in namespaces, which are words of unshare(1)."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *words]


@functools.cache
def why_not(*words: str) -> str:
    """Why this process may not make these namespaces; empty where it may."""
    done = subprocess.run([*unshare(*words), "true"], capture_output=True, text=True, timeout=PATIENCE)
    return done.stderr.strip() if done.returncode else ""


def needed(*words: str) -> pytest.MarkDecorator:
    """Marks tests that need these namespaces. Root has them, or its test fails; a user who may not make them skips it and says so."""
    reason = "" if os.geteuid() == 0 else why_not(*words)
    return pytest.mark.skipif(bool(reason), reason=f"needs root, or user namespaces: {reason}")
