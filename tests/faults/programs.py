"""The output of programs that a test started."""

import subprocess

#: Only guards against a hang.
SOON = 60.0


def lines(child: subprocess.Popen[str], timeout: float = SOON) -> list[str]:
    """Returns the output of a program after its end, which must be successful."""
    text, _ = child.communicate(timeout=timeout)
    assert child.returncode == 0, text
    return text.splitlines()
