"""The end of a channel with `linger` or `on_unconsumed`: with its last reference, or at exit."""

from __future__ import annotations

import atexit
import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._native import ChannelEnd


class Ending:
    """The end of one channel, which holds the only reference.

    The interpreter calls `__del__` before it clears a reference cycle, so the callback and its objects are intact.
    """

    __slots__ = ("__weakref__", "_end")

    def __init__(self, end: ChannelEnd) -> None:
        self._end = end
        _open.add(self)

    # Module names may be gone when this runs.
    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # After that, no code of the program runs. Unconsumed messages are reported only on stderr.
        if not is_finalizing():
            self._end.report()


_open: weakref.WeakSet[Ending] = weakref.WeakSet()


def _at_exit() -> None:
    for ending in list(_open):
        ending._end.report()


# Registered with the first such channel. It runs before functions that the program registered earlier.
atexit.register(_at_exit)
