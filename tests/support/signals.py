"""What signals do in a test and in the programs that it starts."""

import os
import signal
from pathlib import Path

from support.waiting import until


def restore() -> None:
    """SIGINT and SIGQUIT act as in a terminal.

    A shell without job control starts a program in the background with both ignored, and what that starts has them ignored, too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def stop(pid: int) -> None:
    """Stops a program by SIGSTOP, which is a request to each of its threads: returns when all have obeyed."""
    os.kill(pid, signal.SIGSTOP)

    def is_stopped() -> bool:
        # Behind the name, which may have any character.
        states = [task.joinpath("stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
        return set(states) <= set("TZ")

    until(f"all threads of {pid} are stopped", is_stopped)
