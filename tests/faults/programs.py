"""What programs that a test started have printed."""

import subprocess

#: Only guards against a hang.
SOON = 60.0


def lines(child: subprocess.Popen[str], timeout: float = SOON) -> list[str]:
    """What a program printed until its end, which has to be a good one."""
    text, _ = child.communicate(timeout=timeout)
    assert child.returncode == 0, text
    return text.splitlines()
