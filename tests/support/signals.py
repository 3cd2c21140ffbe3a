"""What signals do in a test and in the programs that it starts."""

import signal


def restore() -> None:
    """SIGINT and SIGQUIT act as in a terminal.

    A shell without job control starts a program in the background with both ignored, and what that starts has them ignored, too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
