"""A channel as a file: one program writes a stream of bytes, and another one reads it."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ._native import wait_seconds
from .errors import Disconnected, InvalidState, Timeout, WrongType
from .options import Seconds
from .words import shown

if TYPE_CHECKING:
    from ._native import Channel

#: Bytes of a message of a stream. From this length on, the body of a message over `shm:` lies in a slot.
CHUNK = 1 << 16
_MODES = ("rb", "wb", "r", "w")


class FileOptions(TypedDict, total=False):
    """The options of a file."""

    timeout: Seconds


class TextOptions(FileOptions, total=False):
    """The options of a file of text, as in `io.TextIOWrapper`; the encoding is UTF-8 by default."""

    encoding: str | None
    errors: str | None
    newline: str | None


def makefile(channel: Channel, mode: str = "rb", **how: Unpack[TextOptions]) -> io.BufferedIOBase | io.TextIOWrapper:
    """Returns the file of `Channel.makefile`."""
    place = channel.endpoint
    if mode not in _MODES:
        raise WrongType(f"{place}: mode={shown(mode)}: give one of {', '.join(_MODES)}")
    known = (TextOptions if "b" not in mode else FileOptions).__annotations__
    if unknown := sorted(set(how) - set(known)):
        raise WrongType(f"{place}: a file with the mode {mode} has no option {unknown[0]}: it has {', '.join(known)}")
    waits: dict[str, Any] = {"timeout": how.pop("timeout")} if "timeout" in how else {}
    wait_seconds(**waits)
    is_text = "b" not in mode
    file = (Reader if "r" in mode else Writer)(channel, waits, is_text)
    return TextFile(file, **{"encoding": "utf-8", **how}) if is_text else file  # type: ignore[arg-type]


class _File(io.BufferedIOBase):
    """The common part of both directions: the channel, the time-out, and the pipe for programs that need a descriptor."""

    def __init__(self, channel: Channel, waits: dict[str, Any], is_text: bool) -> None:
        self._channel, self._wait = channel, waits
        self._pump: _Pump | None = None
        # TextIOWrapper loses characters when a read or a write fails, so nothing may follow.
        self._is_text, self._has_failed = is_text, False

    @property
    def name(self) -> str:
        """The endpoint of the channel."""
        return self._channel.endpoint

    @contextmanager
    def _used(self) -> Iterator[None]:
        if self.closed:
            raise ValueError(f"I/O operation on a closed file of {self.name}")
        if self._pump is not None:
            raise InvalidState(f"{self.name}: a pipe has this stream, because fileno() was called: use either the descriptor or the file")
        if self._has_failed:
            raise InvalidState(f"{self.name}: an earlier call failed, and text was lost: open the stream with 'b' in its mode to go on after a time-out")
        try:
            yield
        except BaseException:
            self._has_failed = self._is_text
            raise


class Reader(_File):
    """Reads a stream. `b""` is the end that the writer has given it by `close`; an end without that is `Disconnected`."""

    def __init__(self, channel: Channel, waits: dict[str, Any], is_text: bool) -> None:
        super().__init__(channel, waits, is_text)
        self._held = b""
        self._is_over = False
        self._incarnation: str | None = None

    def readable(self) -> bool:
        return True

    def _next(self, **more: Any) -> bytes:
        """Returns the next bytes; none at the end of the stream."""
        if self._is_over:
            return b""
        message = self._channel.recv(**{**self._wait, **more})
        if self._incarnation not in (None, message.incarnation):
            self._is_over = True
            raise Disconnected(f"{self.name}: the writer ended before the end of its stream, and another one began")
        self._incarnation = message.incarnation
        value = message.value
        if value is None:
            self._is_over = True
            raise Disconnected(f"{self.name}: the writer gave up its stream because of an error: what was read is not all of it")
        if not isinstance(value, bytes):
            raise WrongType(f"{self.name}: message {message.sequence} is {type(value).__name__}, and a file reads bytes: use recv for values")
        self._is_over = not value
        return value

    def _some(self) -> bytes:
        """Returns the held bytes, or else the next bytes."""
        held, self._held = self._held or self._next(), b""
        return held

    def _gather(self, enough: Callable[[bytes], int | None]) -> bytes:
        """Reads until `enough` gives the number of bytes to take of the last part. A failure keeps all parts for the next read."""
        parts: list[bytes] = []
        try:
            while part := self._some():
                if (count := enough(part)) is not None:
                    parts.append(part[:count])
                    self._held = part[count:]
                    break
                parts.append(part)
        except BaseException:
            self._held = b"".join(parts) + self._held
            raise
        return b"".join(parts)

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns `size` bytes, or all up to the end of the stream. Fewer bytes mean that the stream is at its end."""
        with self._used():
            if size is None or size < 0:
                return self._gather(lambda part: None)
            if size == 0:
                return b""
            left = size

            def enough(part: bytes) -> int | None:
                nonlocal left
                if len(part) >= left:
                    return left
                left -= len(part)
                return None

            return self._gather(enough)

    def read1(self, size: int = -1, /) -> bytes:
        """Returns at least one byte and at most `size`, after at most one wait; `b""` at the end."""
        with self._used():
            if size == 0:
                return b""
            some = self._some()
            if size > 0:
                some, self._held = some[:size], some[size:]
            return some

    def readinto1(self, buffer: Any, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as into:
            some = self.read1(len(into))
            into[: len(some)] = some
            return len(some)

    def peek(self, size: int = 0, /) -> bytes:
        """Returns bytes that the next read returns as well."""
        with self._used():
            self._held = self._some()
            return self._held

    def readline(self, size: int | None = -1, /) -> bytes:
        with self._used():
            left = -1 if size is None or size < 0 else size
            if left == 0:
                return b""

            def enough(part: bytes) -> int | None:
                nonlocal left
                end = part.find(b"\n", 0, None if left < 0 else left) + 1
                if end or len(part) >= left > 0:
                    return end or left
                left -= len(part) if left > 0 else 0
                return None

            return self._gather(enough)

    def fileno(self) -> int:
        """Returns the descriptor of a pipe that a thread fills, for programs such as those of `subprocess`."""
        if self._pump is None:
            with self._used():
                self._pump = _Pump(self._fill, give="r")
        return self._pump.descriptor

    def _fill(self, pump: _Pump, into: int) -> None:
        while pump.goes_on() and (part := self._held or self._next(on_wait=pump.goes_on, timeout=None)):
            self._held = part
            while self._held:
                self._held = self._held[os.write(into, self._held) :]

    def close(self) -> None:
        """Ends the reading. Raises the error of a thread that filled a pipe."""
        if not self.closed:
            super().close()
            if self._pump is not None:
                self._pump.end(stops=True)


class Writer(_File):
    """Writes a stream. `close` writes the rest and the end; the end of a `with` block by an exception tells the reader so instead."""

    def __init__(self, channel: Channel, waits: dict[str, Any], is_text: bool) -> None:
        super().__init__(channel, waits, is_text)
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Takes all bytes and returns their number. A write that raises `Timeout` has taken no bytes, so it can be repeated."""
        with self._used(), memoryview(data) as view, view.cast("B") as bytes_:
            count = len(bytes_)
            if len(self._held) + count > CHUNK:
                self._send_held()
            at = 0
            try:
                while count - at >= CHUNK:
                    self._channel.send(bytes(bytes_[at : at + CHUNK]), **self._wait)
                    at += CHUNK
            except Timeout:
                if at == 0:
                    raise
            self._held += bytes_[at:]
            return count

    def flush(self) -> None:
        """Sends the bytes that a message of `CHUNK` bytes waits for."""
        with self._used():
            self._send_held()

    def _send_held(self) -> None:
        while self._held:
            self._channel.send(bytes(self._held[:CHUNK]), **self._wait)
            del self._held[:CHUNK]

    def fileno(self) -> int:
        """Returns the descriptor of a pipe that a thread empties, for programs such as those of `subprocess`."""
        if self._pump is None:
            with self._used():
                self._send_held()
                self._pump = _Pump(self._drain, give="w")
        return self._pump.descriptor

    def _drain(self, pump: _Pump, of: int) -> None:
        while part := os.read(of, CHUNK):
            self._channel.send(part, on_wait=pump.goes_on, timeout=None)

    def close(self) -> None:
        """Sends the rest and the end of the stream. After a failure the file is closed, and the reader gets no end."""
        self._end(b"")

    def abort(self) -> None:
        """Closes the file without an end of the stream: the reader gets `Disconnected`."""
        self._held.clear()
        self._has_failed = False
        self._end(None)

    def _end(self, last: bytes | None) -> None:
        """Closes the file after this last message."""
        if self.closed:
            return
        try:
            if self._pump is not None:
                pump, self._pump = self._pump, None
                pump.end(stops=last is None)
            with self._used():
                self._send_held()
                self._channel.send(last, **self._wait)
        finally:
            self._held.clear()
            super().close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        """Sends nothing: an unclosed file lacks its end, and a destructor does not wait."""


class TextFile(io.TextIOWrapper):
    """The text of a stream. A `with` block that ends by an exception gives a written stream no end."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None and isinstance(self.buffer, Writer):
            self.buffer.abort()
        self.close()

    def __del__(self) -> None:
        """Sends nothing, as the file below it."""


class _Pump:
    """A pipe whose other end a thread fills or empties."""

    def __init__(self, work: Callable[[_Pump, int], None], give: str) -> None:
        read, write = os.pipe()
        self.descriptor, self._own = (read, write) if give == "r" else (write, read)
        self._is_stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name="linkspan-file", daemon=True)
        self._thread.start()

    def goes_on(self) -> bool:
        """Returns whether the thread shall go on. Its waits ask about every 100 ms."""
        return not self._is_stopped

    def _run(self, work: Callable[[_Pump, int], None]) -> None:
        try:
            work(self, self._own)
        except BrokenPipeError:
            # The other program has closed its input, as it may.
            pass
        except BaseException as error:  # noqa: BLE001 - `close` raises it
            if self.goes_on():
                self._error = error
        finally:
            os.close(self._own)

    def end(self, stops: bool) -> None:
        """Closes the descriptor, waits for the thread, and raises its error."""
        self._is_stopped = stops
        os.close(self.descriptor)
        self._thread.join()
        if self._error is not None:
            raise self._error
