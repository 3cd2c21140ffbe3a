"""The base of subscribers, publishers and servers."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from . import errors
from .frames import Frame
from .link import Link


class End:
    """An object that the program opens on a connection. It keeps the connection open while it lives."""

    #: The type of the frame that ends it at the gateway.
    _farewell: ClassVar[str]
    #: The name.
    endpoint = ""
    _id: Optional[int] = None
    _is_closed = False

    def __init__(self, link: Link) -> None:
        self._link, self._tie = link, link.tie()

    # Called by the link, with its lock held.

    def connected(self) -> None:
        raise NotImplementedError

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        raise NotImplementedError

    def received(self, frame: Frame) -> None:
        raise NotImplementedError

    def _closing(self) -> None:
        """Drops the arrived messages. The caller holds the link's lock."""

    # Called by the program.

    def close(self) -> None:
        """Ends the object at the gateway, and other threads' waits for it."""
        link = self._link
        with link.changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._closing()
            if self._id is not None:
                link.remove(self._id)
                if not link.is_over:
                    link.send({"type": self._farewell, "id": self._id})
            link.changed.notify_all()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The garbage collector may run this in any thread, with any lock held.
        if not self._is_closed and self._id is not None:
            self._link.send_later({"type": self._farewell, "id": self._id})
