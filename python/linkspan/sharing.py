"""Objects on the air: any program reads and sets their properties and calls their methods."""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import re
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

from ._discovery import members_of
from ._members import HELP, Members
from ._native import Publisher, Request
from .errors import Error, OutOfRange, TooLarge, Unsupported, WrongType, refused
from .options import Options
from .schemas import toml
from .server import Server, number_of_workers
from .words import shown

_LOG = logging.getLogger("linkspan.sharing")
#: The most publications of a property per second.
_FASTEST = 10_000.0
_OWN = ("schema", "reply_schema", "validate", "shared")


def share(
    obj: Any,
    endpoint: str,
    *,
    allow: Sequence[str] | None = None,
    parts: Sequence[str] = (),
    publish: Mapping[str, float] | None = None,
    threads: int = 1,
    **options: Unpack[Options],
) -> Shared:
    """Puts an object on the air: programs in every language read its properties, set them and call its methods.

        dmm = linkspan.share(Keithley2000("GPIB::16"), "lab/dmm", publish={"voltage": 5.0})
        dmm.run()

    Requests are maps: `{"get": "voltage"}`, `{"set": {"range": 10.0}}`, `{"call": {"measure": {"samples": 10}}}`,
    `{"help": "measure"}`. The answer has the value under the name of the member; None gives an empty map. Python
    programs use `linkspan.remote`. Types and units come from annotations and docstrings. They are the schema of the
    server, which checks the arguments before the call.

    Only public members without a leading `_` are shared. `allow` narrows them to a list of names. `parts` names
    attributes whose members are also shared, such as channels: `"ch_1"`, `"ch_1.filter"`. A dict or list shares
    each of its values. The members of parts have names such as `ch_1__voltage`.

    `publish` publishes properties with the given number of readings per second, at `ENDPOINT/NAME`.

    One thread at a time uses the object: a call, a reading to publish, or the holder of `Shared.lock`. With `threads`
    above 1, that many threads call it at the same time, and the object has its own locks.

    Exceptions of the object arrive as `Remote` with type and text. `share` returns at once.
    `AddressInUse` if a living process has the name.
    """
    if not isinstance(endpoint, str):
        raise refused(WrongType, "endpoint", endpoint, "a name such as lab/dmm")
    if publish and "://" in endpoint:
        raise Unsupported(f"{endpoint}: publish needs a name, to which it adds the property's: share at shm:, or publish by linkspan.publisher")
    threads = number_of_workers(endpoint, threads, "threads that call the object")
    for option in _OWN:
        if option in options:
            raise WrongType(f"{endpoint}: {option} comes from the object itself: leave it out, or use linkspan.serve")
    return Shared(endpoint, members_of(obj, allow, parts), {} if publish is None else publish, threads, options)


class Shared:
    """An object on the air, until `close`, the end of `with`, SIGTERM or the end of the program."""

    def __init__(self, endpoint: str, members: Members, publish: Mapping[str, float], threads: int, options: Options) -> None:
        """Use `linkspan.share`."""
        self._members = members
        self.schema, self.reply_schema = members.schemas(_schema_name(endpoint))
        self.lock: contextlib.AbstractContextManager[Any] = threading.RLock() if threads == 1 else contextlib.nullcontext()
        self._ended = threading.Event()
        self._pid = os.getpid()
        rates = _checked_rates(members, publish)
        given: Options = {**options, "schema": self.schema, "reply_schema": self.reply_schema, "validate": "both"}
        try:
            self._server = Server(endpoint, **given)
        except TooLarge as error:
            count = len(members.properties) + len(members.methods)
            raise TooLarge(f"{endpoint}: the schema of {count} members is refused: {error}; narrow them by allow or parts") from None
        self._publishers: dict[str, Publisher] = {}
        try:
            for name in rates:
                self._publishers[name] = Publisher(f"{endpoint}/{name}", schema=_schema_of(name, members), validate="send")
        except BaseException:
            self._close()
            raise
        self._threads = [threading.Thread(target=self._serve, args=(threads,), name=f"linkspan-share {endpoint}", daemon=True)]
        if rates:
            self._threads.append(threading.Thread(target=self._publish, args=(rates,), name=f"linkspan-publish {endpoint}", daemon=True))
        for thread in self._threads:
            thread.start()
        _ALL.add(self)

    @property
    def endpoint(self) -> str:
        """The endpoint of the server."""
        return self._server.endpoint

    @property
    def names(self) -> list[str]:
        """The names of the shared members, sorted."""
        return sorted([*self._members.properties, *self._members.methods])

    @property
    def left_out(self) -> dict[str, str]:
        """The public members that are not shared, with the reason."""
        return dict(self._members.left_out)

    def stats(self) -> dict[str, Any]:
        """Returns the counters of the server."""
        return self._server.stats()

    def run(self) -> None:
        """Waits until the object is closed, SIGTERM or Ctrl-C; then takes it off the air."""
        try:
            while not self._ended.wait(3600):
                pass
        finally:
            self.close()

    def close(self) -> None:
        """Takes the object off the air. A running call is answered first."""
        _ALL.discard(self)
        if os.getpid() != self._pid:  # a forked child has none of the threads
            return
        self._close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _close(self) -> None:
        self._ended.set()
        self._server.close()
        for publisher in self._publishers.values():
            publisher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<linkspan.Shared {self.endpoint}: {len(self._members.properties)} properties, {len(self._members.methods)} methods>"

    def _serve(self, threads: int) -> None:
        try:
            self._server.run(self._answer, workers=threads)
        except Exception:
            _LOG.exception("%s: the object is off the air", self.endpoint)
        finally:
            self._ended.set()

    def _answer(self, request: Request) -> dict[str, Any]:
        # The schema has admitted the request: a map with one known verb.
        ((verb, what),) = request.value.items()
        if verb == "help":
            return {HELP: self._members.help(what)}
        try:
            with self.lock:
                if verb == "get":
                    name, result = what, self._members.readable(what).get()
                else:
                    ((name, value),) = what.items()
                    if verb == "set":
                        self._members.properties[name].set(value)
                        return {}
                    result = self._members.methods[name].call(value)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit would end the server without an answer
            raise RuntimeError(f"{what if verb == 'get' else name} raised {type(error).__name__}") from error
        return {} if result is None or verb == "call" and self._members.methods[name].returns is None else {name: result}

    def _publish(self, rates: Mapping[str, float]) -> None:
        due = dict.fromkeys(rates, time.monotonic())
        failing: dict[str, str] = {}
        while not self._ended.wait(max(0.0, min(due.values()) - time.monotonic())):
            now = time.monotonic()
            for name, rate in rates.items():
                if due[name] > now:
                    continue
                # A slow reading delays the next one; missed readings are not made up for.
                due[name] = max(due[name] + 1 / rate, now)
                try:
                    with self.lock:
                        value = self._members.properties[name].get()
                    self._publishers[name].send(value)
                    failing.pop(name, None)
                except Exception as error:
                    if self._ended.is_set():
                        return
                    if failing.get(name) != (said := f"{type(error).__name__}: {error}"):
                        failing[name] = said
                        _LOG.warning("%s: %s is not published: %s", self.endpoint, name, said)


_ALL: weakref.WeakSet[Shared] = weakref.WeakSet()
"""The objects on the air, so that the end of the program answers their last calls."""


@atexit.register
def _close_all() -> None:
    for shared in list(_ALL):
        with contextlib.suppress(Error):
            shared.close()


def _checked_rates(members: Members, publish: object) -> dict[str, float]:
    if not isinstance(publish, Mapping):
        raise WrongType(f'publish={shown(publish)}: give a dict of readings per second, such as publish={{"voltage": 5.0}}')
    rates: dict[str, float] = {}
    for name, rate in publish.items():
        members.readable(name)
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise WrongType(f"publish[{name!r}]={shown(rate)}: give the number of readings per second")
        if not math.isfinite(rate) or not 0 < rate <= _FASTEST:
            raise OutOfRange(f"publish[{name!r}]={shown(rate)}: give a number of readings per second above 0, at most {_FASTEST:.0f}")
        rates[name] = float(rate)
    return rates


def _schema_of(name: str, members: Members) -> str:
    keys = members.properties[name].keys
    return f"name = {toml(name)}\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


def _schema_name(endpoint: str) -> str:
    """Returns the words of an endpoint's name as the name of a schema: `shm:lab/dmm` gives `lab.dmm`."""
    words = re.findall(r"[A-Za-z0-9_]+", endpoint.split(":", 1)[-1])
    return ".".join(word if word[0].isalpha() else f"n{word}" for word in words)[:63].rstrip(".") or "object"
