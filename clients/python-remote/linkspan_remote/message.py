"""Received messages, with the interface of `linkspan.Message`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from .errors import Missing, WrongType
from .timestamp import Timestamp


class Message(Mapping):  # type: ignore[type-arg]
    """A received value: `message["key"]`, `message.at("rows/0/name")`, `message.value`."""

    __slots__ = ("missed", "name", "sent", "sequence", "unseen", "value")

    def __init__(
        self, value: Any, name: Optional[str] = None, sequence: int = 0, sent: Optional[Timestamp] = None, missed: int = 0,
    ) -> None:
        self.value = value
        #: The name under which it was published.
        self.name = name
        #: The publisher's number, from 1.
        self.sequence = sequence
        #: When it was sent.
        self.sent = sent
        #: The number of messages of the name that were lost or skipped before it.
        self.missed = missed
        #: Whether a publisher of the name ended during a lost connection. An unknown number was then lost in
        #: addition.
        self.unseen = False

    def __linkspan_value__(self) -> Any:
        return self.value

    def at(self, path: str) -> Any:
        """Returns the value at a path; raises `Missing` without a value.

        Keys and positions are joined by `/`; in a key, `~1` stands for `/` and `~0` for `~`.
        """
        found = self.value
        for part in path.split("/") if path else []:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                there = ", ".join(list(found)[:8]) if isinstance(found, dict) else f"a {type(found).__name__}"
                error = Missing(f"{path}: there is no {key!r}; there is {there or 'an empty map'}")
                raise error
        return found

    def __getitem__(self, key: Any) -> Any:
        if isinstance(self.value, dict):
            try:
                return self.value[key]
            except KeyError:
                raise Missing(f"there is no {key!r}; there are {', '.join(list(self.value)[:8]) or 'no keys'}") from None
        if isinstance(self.value, (dict, list, str, bytes)) or hasattr(self.value, "shape"):
            return self.value[key]
        raise WrongType(f"the message is a {type(self.value).__name__}, which has no {key!r}: look at message.value")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value) if hasattr(self.value, "__iter__") else iter(())

    def __len__(self) -> int:
        return len(self.value) if hasattr(self.value, "__len__") else 0

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> Any:
        return self.value == (other.value if isinstance(other, Message) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        value = repr(self.value)
        where = f" {self.sequence} of {self.name}" if self.name else ""
        return f"<linkspan_remote.{type(self).__name__}{where}: {value if len(value) < 200 else value[:199] + '…'}>"
