"""Output of started programs."""

import subprocess

#: Seconds; only guards against a hang.
SOON = 60.0


def lines(child: subprocess.Popen[str], timeout: float = SOON) -> list[str]:
    text, _ = child.communicate(timeout=timeout)
    assert child.returncode == 0, text
    return text.splitlines()
