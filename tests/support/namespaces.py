"""Mount, network and process namespaces for programs of a test.

An ordinary user needs a user namespace, which makes the program root. If the kernel forbids these, only root can
make namespaces.
"""

import functools
import os
import subprocess

import pytest

from support.waiting import PATIENCE


def unshare(*words: str) -> list[str]:
    """Returns the command that starts a program in these namespaces of unshare(1)."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *words]


@functools.cache
def why_not(*words: str) -> str:
    """Returns why this process may not make these namespaces, or an empty text."""
    done = subprocess.run([*unshare(*words), "true"], capture_output=True, text=True, timeout=PATIENCE)
    return done.stderr.strip() if done.returncode else ""


def needed(*words: str) -> pytest.MarkDecorator:
    """Marks tests that need these namespaces.

    As root they run. A user without the right skips them, and the report says so.
    """
    reason = "" if os.geteuid() == 0 else why_not(*words)
    return pytest.mark.skipif(bool(reason), reason=f"needs root, or user namespaces: {reason}")
