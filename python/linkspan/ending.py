"""When a channel ends that has the option `linger` or `on_unconsumed`: with its last reference, by the garbage collector, or at the exit."""

from __future__ import annotations

import atexit
import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._native import ChannelEnd


class Ending:
    """Belongs to one channel, which alone refers to it.

    The interpreter calls `__del__` before it takes anything of a cycle apart, so that the callback and what it refers to are whole.
    """

    __slots__ = ("__weakref__", "_end")

    def __init__(self, end: ChannelEnd) -> None:
        self._end = end
        _open.add(self)

    # Names of the module may be gone when this runs.
    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # From then on no code of the program runs: what is left is reported on stderr alone.
        if not is_finalizing():
            self._end.report()


_open: weakref.WeakSet[Ending] = weakref.WeakSet()


def _at_exit() -> None:
    for ending in list(_open):
        ending._end.report()


# Registered with the first such channel, so that it runs before what the program had registered by then.
atexit.register(_at_exit)
