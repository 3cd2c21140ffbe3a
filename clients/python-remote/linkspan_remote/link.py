"""The WebSocket to the gateway, on one thread that reconnects it."""

from __future__ import annotations

import asyncio
import collections
import os
import random
import secrets
import socket
import ssl
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from . import errors, frames
from .address import Address
from .encoder import Encoded, encode, encode_within
from .limits import AROUND_BYTES, CONNECT, FIRST_PAUSE, FRAGMENTS, LAST_PAUSE, MESSAGE, OUTBOX, STEADY, Limits
from .proxy import PROXY_ERRORS, Proxy

#: The default time-out of a call, in seconds.
DEFAULT_TIMEOUT = 30.0
#: How often a waiting thread wakes, because an endless wait on Windows does not notice Ctrl-C.
_LOOK = 0.2
_SUBPROTOCOL = "linkspan.v1.cbor"
_PROXY_HINT = "correct the proxy of the system, or name the machine of the gateway in NO_PROXY"
#: Errors that make another attempt useless.
_LASTING = (errors.InvalidEndpoint, errors.InvalidState, errors.Internal, errors.Unsupported, errors.VersionMismatch, errors.WrongType)
#: TLS errors that mean: the server does not speak TLS.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "INVALID_RECORD_TYPE", "UNKNOWN_PROTOCOL", "BAD_RECORD_TYPE"}


_SECONDS = "give seconds from 0 upwards, a timedelta, or None to wait for ever"


class Deadline:
    """The end of a call."""

    def __init__(self, timeout: Any) -> None:
        self.seconds = timeout
        seconds = timeout.total_seconds() if hasattr(timeout, "total_seconds") else timeout
        if seconds is not None:
            try:
                if isinstance(seconds, (bool, str, bytes)):
                    raise TypeError
                seconds = float(seconds)
            except (ArithmeticError, TypeError, ValueError):
                raise errors.WrongType(f"timeout={errors.shown(timeout)}: {_SECONDS}", path="timeout") from None
            if not seconds >= 0:
                raise errors.OutOfRange(f"timeout={errors.shown(timeout)}: {_SECONDS}", path="timeout")
        self.at = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> Optional[float]:
        """The remaining seconds; None without an end."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def later(self, seconds: float) -> Deadline:
        """This deadline, extended by some seconds."""
        found = Deadline(self.seconds)
        found.at = None if self.at is None else self.at + seconds
        return found

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and a new one."""
        found = Deadline(seconds)
        found.at = found.at if self.at is None or found.at is None else min(found.at, self.at)
        return found

    def has_passed(self) -> bool:
        return self.at is not None and time.monotonic() >= self.at


#: The links of this process.
_links: "weakref.WeakSet[Link]" = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """Ends the connections in a forked child, which lacks their threads. Their locks may have been held at the fork.
    """
    for link in list(_links):
        link.changed = threading.Condition(threading.RLock())
        link.is_over, link.welcome = True, None
        link.problem = errors.InvalidState("the connection belongs to the process that made it; connect anew in this one")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


class Tie:
    """Held by the program's objects. The connection ends after the last one."""

    __slots__ = ("__weakref__",)


class Link:
    """The connection that a program's objects share. `changed` guards its state and the objects' received messages.
    """

    def __init__(self, address: Address, token: str, tls: Optional[ssl.SSLContext], longest: int) -> None:
        self.address, self._token, self._tls = address, token, tls
        #: The longest accepted value, in bytes.
        self.longest = longest
        self.changed = threading.Condition(threading.RLock())
        #: The gateway's first frame; None without a connection.
        self.welcome: Optional[Dict[str, Any]] = None
        #: Counts connections. Frames for an older connection are obsolete.
        self.generation = 0
        #: Why there is no connection now, and whether attempts have ended.
        self.problem: Optional[errors.Error] = None
        self.is_over = False
        #: Whether the program closed it; loops then end without an error.
        self.is_closed = False
        #: Weak, because the program owns these objects.
        self._ends: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()
        self._last = 0
        #: The gateway moves names from an older connection of this client id to a newer one.
        self._client = secrets.token_hex(16)
        self._tie: Any = None
        #: Frames of destructors, each with its generation.
        self._farewells: Deque[Tuple[int, Dict[str, Any]]] = collections.deque()
        self._outbox: List[bytes] = []
        self._outbox_bytes = 0
        self._loop = asyncio.new_event_loop()
        self._wake: Optional[asyncio.Event] = None
        self._thread = threading.Thread(target=self._run, name="linkspan-remote", daemon=True)
        _links.add(self)
        self._thread.start()

    # Called by destructors, so these take no locks and do not wait.

    def send_later(self, frame: Dict[str, Any], generation: Optional[int] = None) -> None:
        """Queues a destructor's frame, which is dropped after a reconnect."""
        if not self.is_over:
            self._farewells.append((self.generation if generation is None else generation, frame))
            self._call_soon(self._wake_up)

    def _abandon(self) -> None:
        self.is_over = self.is_closed = True
        self._wake_up()

    def _call_soon(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop has ended
            pass

    # Called by the program's threads.

    def tie(self) -> Tie:
        """Returns this connection's tie, for an object of the program."""
        tie: Optional[Tie] = self._tie and self._tie()
        if tie is None:
            tie = Tie()
            self._tie = weakref.ref(tie, lambda _: self._call_soon(self._abandon))
        return tie

    def encoded(self, value: Any) -> Encoded:
        """Encodes a value. This runs code of the program, so no lock may be held."""
        return Encoded(encode_within(value, Limits.of((self.welcome or {}).get("limits", {}))))

    def wait_for(self, what: Callable[[], Any], deadline: Deadline) -> Any:
        """Waits, with `changed` held, until `what` is true, and returns it; false after the deadline."""
        while not (found := what()):
            remaining = deadline.remaining()
            if remaining == 0:
                return what()
            self.changed.wait(_LOOK if remaining is None else min(remaining, _LOOK))
        return found

    def check(self) -> None:
        """Raises if the connection has ended."""
        if self.is_closed:
            raise errors.InvalidState(f"{self.address.url}: the program has closed the connection")
        if self.is_over:
            raise self.problem or errors.InvalidState("the connection to the gateway has ended")

    def wait_until_up(self, deadline: Deadline) -> Dict[str, Any]:
        """Waits for a connection, or raises the reason of its failure."""
        with self.changed:
            self.wait_for(lambda: self.welcome is not None or self.is_over, deadline)
            self.check()
            if self.welcome is None:
                raise self.problem or errors.Timeout(f"{self.address.url}: the gateway did not answer in time; look whether it runs")
            return self.welcome

    def add(self, end: Any) -> int:
        """Gives an end its id and routes frames with this id to it."""
        with self.changed:
            self.check()
            self._last += 1
            self._ends[self._last] = end
            return self._last

    def remove(self, id: int) -> None:
        with self.changed:
            self._ends.pop(id, None)

    def send(self, frame: Dict[str, Any], deadline: Optional[Deadline] = None, still: Optional[Callable[[], bool]] = None) -> bool:
        """Sends a frame; returns whether it was queued.

        With a deadline, waits for a connection and for room; without, queues at once. Drops the frame without a
        connection, or if `still` is false after the wait: the sender then starts again with the next connection.
        """
        limits = (self.welcome or {}).get("limits", {})
        data = _fitting(frame, limits)
        with self.changed:
            self.check()
            if deadline is not None:
                self.wait_until_up(deadline)
                if not self.wait_for(lambda: self._outbox_bytes < OUTBOX or self.is_over, deadline):
                    raise errors.Timeout(f"{self.address.url}: {self._outbox_bytes} bytes wait to be sent; the gateway or the network takes them too slowly")
                self.check()
            # The limits may be those of another gateway after the wait.
            now = (self.welcome or {}).get("limits", {})
            if now != limits:
                data = _fitting(frame, now)
            if self.welcome is None or (still is not None and not still()):
                return False
            self._put(data)
            return True

    def _put(self, data: bytes) -> None:
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        self._call_soon(self._wake_up)

    def close(self) -> None:
        """Ends the connection after at most about a second for unsent frames."""
        with self.changed:
            # The last frames, such as the end of a publisher, are still sent.
            self.wait_for(lambda: not self._outbox_bytes or self.welcome is None, Deadline(1.0))
            self.is_over = self.is_closed = True
            self.changed.notify_all()
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._call_soon(self._wake_up)
            self._thread.join(3.0)

    # Called by the link's own thread.

    def _wake_up(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._stay_connected())
        except Exception as error:  # a program that waits would wait for ever
            self._lost(errors.Internal(f"the thread of the connection failed: {error!r}"), is_last=True)
        finally:
            self._loop.close()

    async def _stay_connected(self) -> None:
        self._wake = asyncio.Event()
        pause = FIRST_PAUSE
        while not self.is_over:
            began = time.monotonic()
            try:
                await self._session()
            except errors.Error as error:
                is_last = isinstance(error, _LASTING) or isinstance(error, errors.PermissionDenied) and not error.retryable
                self._lost(error, is_last)
            # A gateway that greets and then sends nonsense keeps the long pause.
            if time.monotonic() - began > STEADY:
                pause = FIRST_PAUSE
            # Random, to spread the clients of a restarted gateway.
            await self._pause(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LAST_PAUSE)
        self._lost(self.problem, is_last=True)

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.is_over and (remaining := until - time.monotonic()) > 0:
            self._wake.clear()  # type: ignore[union-attr]
            try:
                await asyncio.wait_for(self._wake.wait(), remaining)  # type: ignore[union-attr]
            except asyncio.TimeoutError:
                return

    async def _session(self) -> None:
        """Runs one connection from hello to its end; raises why it ended."""
        url = self.address.url
        more: Dict[str, Any] = {"ssl": self._tls} if self.address.is_tls and self._tls is not None else {}
        proxy = Proxy(url)
        more.update(proxy.options)
        try:
            most = self.longest + AROUND_BYTES
            opened = open_socket(
                url, subprotocols=[_SUBPROTOCOL], max_size=most, max_queue=2, compression=None, open_timeout=CONNECT, close_timeout=1,  # type: ignore[list-item]
                ping_interval=_PING, ping_timeout=2 * _PING, create_connection=_Connection, **more,
            )
            async with opened as ws:
                await ws.send(encode({"type": "hello", "version": 1, "token": self._token, "client": self._client}))
                frame = frames.received(await asyncio.wait_for(_whole(ws), CONNECT), self.longest)
                if frame["type"] == "error":
                    raise errors.of_frame(frame, url)
                if frame["type"] != "welcome" or frame["version"] != 1:
                    raise errors.VersionMismatch(f"{url} does not speak version 1 of the gateway's protocol; look at both versions")
                self._up(frame)
                sending = asyncio.ensure_future(self._send(ws))
                try:
                    while True:
                        self._received(await _whole(ws))
                finally:
                    sending.cancel()
        except errors.Error:  # some of them are OSError, too
            raise
        except PROXY_ERRORS as error:
            raise errors.Disconnected(f"{url}: the proxy {proxy} refused: {error}; {_PROXY_HINT}") from None
        except ImportError as error:  # a proxy of SOCKS needs another package
            raise errors.Unsupported(f"{url}: the proxy {proxy}: {error}; install it") from None
        except websockets.exceptions.InvalidStatus as error:
            raise _refusal(url, error) from None
        except (websockets.exceptions.InvalidHandshake, websockets.exceptions.InvalidMessage) as error:
            hint = "give the address that `linkspan gateway` prints" if self.address.is_tls else "give the address that `linkspan gateway` prints, wss:// where it has a certificate"
            raise errors.InvalidEndpoint(f"{url} is no gateway: {error}; {hint}") from None
        except ssl.SSLCertVerificationError as error:
            raise errors.PermissionDenied(f"{url}: {error}; give certificate= with the file of the certificate that the gateway has") from None
        except ssl.SSLError as error:
            if error.reason in _NO_TLS:
                raise errors.InvalidEndpoint(f"{url}: no TLS answers there; give ws://, or start the gateway with --certificate") from None
            raise errors.PermissionDenied(f"{url}: {error}; look which TLS and which certificate the gateway, or a proxy before it, has") from None
        except socket.gaierror as error:
            if proxy:
                raise errors.Disconnected(f"{url}: the proxy {proxy} is not known: {error.strerror}; {_PROXY_HINT}") from None
            raise errors.NotFound(f"{url}: {error.strerror}; correct the name of the machine") from None
        except (asyncio.TimeoutError, TimeoutError):
            raise errors.Timeout(f"{url}: no answer within {CONNECT:g} s; look whether the gateway runs and the network lets it through") from None
        except ConnectionRefusedError:
            raise _nothing_listens(url, proxy) from None
        except websockets.exceptions.ConnectionClosed as error:
            if _is_too_large(error):
                raise errors.TooLarge(f"{url}: the gateway sent more than {self.longest} bytes; max_message_size= of connect raises that") from None
            raise _closed(url, error) from None
        except OSError as error:
            if "Connect call failed" in str(error):  # each address of a name of a machine
                raise _nothing_listens(url, proxy) from None
            raise errors.Disconnected(f"{url}: {error.strerror or error}; the connection is tried again") from None

    def _up(self, welcome: Dict[str, Any]) -> None:
        said = welcome.get("limits") or {}
        welcome["limits"] = {name: limit for name, limit in said.items() if type(limit) in (int, float)}
        with self.changed:
            self.welcome, self.problem = welcome, None
            self.generation += 1
            self._outbox.clear()
            self._outbox_bytes = 0
            for end in list(self._ends.values()):
                end.connected()
            self.changed.notify_all()

    def _lost(self, problem: Optional[errors.Error], is_last: bool) -> None:
        with self.changed:
            self.welcome, self.problem = None, problem
            self.is_over = self.is_over or is_last
            self._outbox.clear()
            self._outbox_bytes = 0
            for end in list(self._ends.values()):
                end.disconnected(problem)
            self.changed.notify_all()

    async def _send(self, ws: Any) -> None:
        while True:
            with self.changed:
                frames, self._outbox = self._outbox, []
                while self._farewells:
                    generation, frame = self._farewells.popleft()
                    if generation == self.generation:
                        frames.append(encode(frame))
                        self._outbox_bytes += len(frames[-1])
            for data in frames:
                await ws.send(data)
                with self.changed:
                    self._outbox_bytes -= len(data)
                    self.changed.notify_all()
            if self.is_over and not self._outbox and not self._farewells:
                await ws.close()
                return
            if not self._outbox:
                self._wake.clear()  # type: ignore[union-attr]
                if not self._outbox and not self._farewells and not self.is_over:
                    await self._wake.wait()  # type: ignore[union-attr]

    def _received(self, data: Any) -> None:
        frame = frames.received(data, self.longest)
        with self.changed:
            end = self._ends.get(frame.get("id", -1))
            if end is not None:
                end.received(frame)
                self.changed.notify_all()


class _Connection(ClientConnection):
    """A WebSocket with a limit of unsent bytes. Pongs for a gateway that reads nothing would grow without one."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.get_write_buffer_size() > _UNREAD:
            self.transport.abort()


#: Seconds between pings. A dead network is noticed after three.
_PING = 3.0
#: Larger than this client's longest message.
_UNREAD = 2 * MESSAGE + OUTBOX


async def _whole(ws: Any) -> bytes:
    """Returns the next WebSocket message, whose pieces are bounded."""
    pieces: List[bytes] = []
    async for piece in ws.recv_streaming():
        if isinstance(piece, str):
            raise errors.Malformed("a message of text; the frames of this protocol are bytes")
        pieces.append(piece)
        if len(pieces) > FRAGMENTS:
            raise errors.TooLarge(f"a message of more than {FRAGMENTS} pieces")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _is_too_large(error: Any) -> bool:
    """Whether this client ended the connection because of a message beyond its limit."""
    return error.sent is not None and error.sent.code == 1009 and not error.rcvd_then_sent


def _fitting(frame: Dict[str, Any], limits: Dict[str, Any]) -> bytes:
    """Encodes a frame. Raises above the gateway's limits, because the gateway would end the connection."""
    values: List[Dict[str, Any]] = [frame, frame.get("failure") or {}]
    for part, key in zip(values, ("value", "data")):
        if key in part:
            part[key] = Encoded(encode_within(part[key], Limits.of(limits)))
    data = encode(frame)
    most = limits.get("message")
    if most is not None and len(data) > most:
        raise errors.TooLarge(f"a message of {len(data)} bytes; the gateway takes {most}, which `linkspan gateway --max-message-size` raises")
    return data


def _nothing_listens(url: str, proxy: Proxy) -> errors.Error:
    if proxy:
        return errors.Disconnected(f"{url}: the proxy {proxy} does not answer; {_PROXY_HINT}")
    return errors.NotFound(f"{url}: nothing listens there; start `linkspan gateway`, or correct the address")


def _closed(url: str, error: Any) -> errors.Error:
    """Returns why the gateway ended the connection."""
    received = error.rcvd
    if received is not None and received.code == 1008:
        return errors.PermissionDenied(f"{url}: {received.reason}; ask for another token")
    reason = f"{received.reason or received.code}" if received is not None else "the connection broke"
    return errors.Disconnected(f"{url}: {reason}; the connection is tried again")


def _refusal(url: str, error: Any) -> errors.Error:
    """Returns why the gateway, or a proxy before it, refused the WebSocket."""
    status = error.response.status_code
    if status in (401, 403, 421):
        return errors.PermissionDenied(f"{url}: refused with {status}; look at the token, and at --origin and the name of the machine there")
    if status in (429, 502, 503, 504):
        return errors.Full(f"{url}: refused with {status}; it is tried again")
    return errors.InvalidEndpoint(f"{url}: refused with {status}; give the address that `linkspan gateway` prints")


def parse_certificate(certificate: Any) -> Optional[ssl.SSLContext]:
    """Returns the context of trusted certificates: as given, or from a PEM file."""
    if certificate is None or isinstance(certificate, ssl.SSLContext):
        return certificate
    try:
        return ssl.create_default_context(cafile=os.fspath(certificate))
    except (OSError, TypeError) as error:
        raise errors.InvalidState(f"certificate={certificate!r}: {error}; give a file in PEM, or an ssl.SSLContext") from None
