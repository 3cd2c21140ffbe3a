"""Signals of a test and its programs."""

import os
import signal
from pathlib import Path

from support.waiting import until


def restore() -> None:
    """Restores SIGINT and SIGQUIT as in a terminal.

    A shell without job control starts background programs with both ignored, and children inherit this.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def stop(pid: int) -> None:
    """Stops a program by SIGSTOP; returns after all its threads have stopped."""
    os.kill(pid, signal.SIGSTOP)

    def is_stopped() -> bool:
        # The state follows the name, which may contain any character.
        states = [task.joinpath("stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
        return set(states) <= set("TZ")

    until(f"all threads of {pid} are stopped", is_stopped)
