"""Questions and calls: a frame and its answer."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from . import errors
from .frames import Frame
from .link import Deadline, Link

#: Extra seconds for the gateway's answer after a call's time is over.
GRACE = 2.0


class Question:
    """A frame that one frame with an equal id answers."""

    def __init__(self, link: Link, name: str, answer: str = "reply", fields: Tuple[str, ...] = (), withdraws: bool = False) -> None:
        self._link, self._name, self._withdraws = link, name, withdraws
        #: The type of the answer, and its fields that must not be null.
        self._kind, self._fields = answer, fields
        self._answer: Optional[Frame] = None
        self._problem: Optional[errors.Error] = None
        self._id = link.add(self)

    def connected(self) -> None: ...

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        if self._problem is not None:
            return
        why = f": {problem}" if problem is not None else ""
        self._problem = errors.Disconnected(f"{self._name}: the connection to the gateway was lost before the answer came{why}")
        # A call may already be carried out.
        self._problem.retryable = not self._withdraws

    def received(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "closed":
            frame = Frame(frame.get("error") or {"kind": "Disconnected", "text": "the gateway ended it"}, type="error")
        elif kind != "error" and (kind != self._kind or any(frame.get(field) is None for field in self._fields)):
            self._problem = errors.Malformed(f"{self._name}: the gateway answered with a frame {kind[:64]}, or without {', '.join(self._fields) or 'its fields'}")
            raise self._problem
        self._answer = frame

    def ask(self, frame: Dict[str, Any], deadline: Deadline) -> Frame:
        """Sends the frame and returns its answer, or raises its error."""
        link = self._link
        try:
            link.send({**frame, "id": self._id}, deadline)
            with link.changed:
                # The gateway keeps the time of a call and reports why there is no answer: no program has the name, or
                # it is slow.
                until = deadline.later(GRACE) if self._withdraws else deadline
                link.wait_for(lambda: self._answer or self._problem or link.is_over, until)
            if self._answer is not None and self._answer["type"] == "error":
                raise errors.of_frame(self._answer, self._name)
            if self._answer is not None:
                return self._answer
            if self._problem is not None:
                raise self._problem
            link.check()
            error = errors.Timeout(f"{self._name}: no answer within {deadline.seconds} s; give a longer timeout=, or look at the program that answers")
            error.endpoint, error.retryable = self._name, not self._withdraws
            raise error
        finally:
            link.remove(self._id)
            if self._withdraws and self._answer is None and self._problem is None and not link.is_over:
                link.send({"type": "cancel", "id": self._id})
