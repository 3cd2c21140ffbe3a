"""Compares public names, signatures and error kinds of linkspan-remote and linkspan.

Each difference has its reason here.
"""

import dataclasses
import inspect
import itertools
import pathlib
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import linkspan
import pytest
from conftest import Bench
from support.tree import ROOT
from support.waiting import PATIENCE
from test_remote import everything

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import Lab  # noqa: E402

MEMORY = "it is memory of this machine"
LOCAL = "it is a file or a process of the machine of the laboratory"
SERVICES = "services connect to their controller on its machine"
CHANNELS = "the gateway has calls, servers, publishers and subscribers, and no channels"
LOOPS = "the connection has a thread of its own, and no descriptor for each object"
JOINED = "the gateway publishes whether or not somebody subscribes"
VALUES = "values arrive decoded, in CBOR"

#: Names that only the module has.
MISSING = {
    **dict.fromkeys(("Channel", "Listener", "listen", "open"), CHANNELS),
    **dict.fromkeys(("BytesLoan", "Region"), MEMORY),
    **dict.fromkeys(("RecordedMessage", "RecordedName", "Recording", "Table", "sqlite_checkpoint"), LOCAL),
    **dict.fromkeys(("Command", "Controller", "Outcome", "Service", "ServiceHandle", "ServiceLoop", "ServiceOptions", "State", "Task", "View", "Answer", "run"), SERVICES),
    **dict.fromkeys(("Event", "wait"), LOOPS),
    **dict.fromkeys(("jsonable", "transcode"), "the client has one encoding"),
    "Options": "each verb of the client lists its own",
    **dict.fromkeys(("Shared", "remote", "share"), "a shared object is a server: the client calls it as any other"),
}
#: Names that only the client has.
MORE = {"Lab": "the connection to the gateway, whose methods are the verbs"}
#: Verbs of the module that are connection methods in the client.
VERBS = ("latest", "names", "publisher", "reply_schema", "schema", "serve", "subscribe")
#: Class members that only the module has.
MISSING_MEMBERS = {
    **dict.fromkeys(("Publisher.loan", "Publisher.loan_bytes", "Request.loan", "Request.loan_bytes", "Message.view", "Request.view"), MEMORY),
    **dict.fromkeys(("Publisher.subscribers", "Publisher.wait_for_subscribers", "Publisher.flush", "Subscriber.has_joined", "Subscriber.dial"), JOINED),
    **dict.fromkeys((f"{kind}.{name}" for kind in ("Publisher", "Server", "Subscriber") for name in ("events", "stats")), "the gateway counts them: linkspan ls, and its metrics"),
    **dict.fromkeys(("Server.fileno", "Subscriber.fileno"), LOOPS),
    **dict.fromkeys(("Subscriber.ack", "Request.ack"), "the gateway has no places of subscribers"),
    **dict.fromkeys(("Subscriber.recv_many", "Subscriber.try_iter"), "messages come one by one"),
    **dict.fromkeys((f"{kind}.{name}" for kind in ("Message", "Request") for name in ("source", "encoding", "check_fingerprint")), VALUES),
    **dict.fromkeys(("Message.incarnation", "Request.incarnation"), "the gateway numbers the messages of a name through all incarnations"),
}
#: Class members that only the client has.
MORE_MEMBERS = {
    "Message.unseen": "only a connection that was lost has publishers that nobody saw", "Request.unseen": "a request is a message",
    "Subscriber.names": "the module has them in stats()", "NdArray.data": "the bytes; the module has the buffer protocol",
    **dict.fromkeys((f"{kind}.connected" for kind in ("Publisher", "Server", "Subscriber")), "what the connection calls"),
    **dict.fromkeys((f"{kind}.disconnected" for kind in ("Publisher", "Server", "Subscriber")), "what the connection calls"),
    **dict.fromkeys((f"{kind}.received" for kind in ("Publisher", "Server", "Subscriber")), "what the connection calls"),
}
#: Parameters that only one side has.
PARAMETERS = {
    "on_wait": "the client has no callback of waits: another thread can close the object",
    "Publisher.send.timeout": "the client waits for the acknowledgement of the gateway",
    "Publisher.send_many.timeout": "the client waits for the acknowledgement of the gateway",
    "Publisher.close.timeout": "what was sent was acknowledged", "Server.close.timeout": "an answer is sent at once",
    "subscribe.rate": "the gateway thins out for slow networks",
    "names.pattern": "the gateway lists what a token may use", "names.timeout": "it asks over a network",
    "schema.timeout": "it asks over a network", "reply_schema.timeout": "it asks over a network",
    "schema.message": "the gateway has no journals of other schemas",
}
CLASSES = ("Message", "NdArray", "Publisher", "Request", "Server", "Subscriber", "Timestamp")


#: Numbers for unused names: a name that one side closed may linger for a moment.
NUMBERS = itertools.count()


def public(cls: type) -> set[str]:
    return {name for name in (*dir(cls), *getattr(cls, "__dataclass_fields__", ())) if not name.startswith("_")}


def test_public_names_are_those_of_the_module_or_have_a_reason() -> None:
    there, here = set(linkspan.__all__), set(linkspan_remote.__all__) | {"__version__"} | set(VERBS)
    assert there - here == MISSING.keys()
    assert here - there == MORE.keys()
    assert public(Lab) >= set(VERBS)


@pytest.mark.parametrize("name", CLASSES)
def test_members_of_classes_are_those_of_the_module_or_have_a_reason(name: str) -> None:
    there, here = public(getattr(linkspan, name)), public(getattr(linkspan_remote, name))
    expect = lambda table: {key.partition(".")[2] for key in table if key.startswith(f"{name}.")}  # noqa: E731
    assert there - here == expect(MISSING_MEMBERS)
    assert here - there == expect(MORE_MEMBERS)


def test_attributes_of_errors_are_those_of_the_module() -> None:
    assert public(linkspan.Error) == public(linkspan_remote.Error)
    assert public(linkspan.Remote) == public(linkspan_remote.Remote)


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: one for name, one in inspect.signature(function).parameters.items() if name != "self"}


def signatures() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    for name in CLASSES:
        there, here = getattr(linkspan, name), getattr(linkspan_remote, name)
        for member in sorted(public(there) & public(here)):
            of = [inspect.getattr_static(cls, member, None) for cls in (there, here)]
            if callable(getattr(there, member, None)) and not any(isinstance(one, property) for one in of):
                yield f"{name}.{member}", getattr(there, member), getattr(here, member)
    for verb in VERBS:
        yield verb, getattr(linkspan, verb), getattr(Lab, verb)
    yield "encode", linkspan.encode, linkspan_remote.encode
    yield "decode", linkspan.decode, linkspan_remote.decode
    yield "NdArray", linkspan.NdArray, linkspan_remote.NdArray


def test_signatures_are_those_of_the_module_or_have_a_reason() -> None:
    used, seen = set(), 0
    for name, there, here in signatures():
        try:
            of_module, of_client = parameters(there), parameters(here)
        except ValueError:  # a method of a built-in class without a signature
            continue
        seen += 1
        takes_options = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in of_module.values())
        known = {*of_module, *(linkspan.Options.__annotations__ if takes_options else ())}
        for parameter in of_client.keys() - known:
            if of_client[parameter].kind is not inspect.Parameter.VAR_KEYWORD:
                used.add(key := f"{name}.{parameter}")
                assert key in PARAMETERS, f"{key} is no parameter of the module"
        for parameter in of_module.keys() - of_client.keys():
            if of_module[parameter].kind is not inspect.Parameter.VAR_KEYWORD:
                used.add(key := parameter if parameter == "on_wait" else f"{name}.{parameter}")
                assert key in PARAMETERS, f"{key} is missing"
        by_place = lambda of: [one.name for one in of.values() if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]  # noqa: E731
        both = [(a, b) for a, b in zip(by_place(of_module), by_place(of_client)) if f"{name}.{a}" not in PARAMETERS]
        assert all(a == b or f"{name}.{b}" in PARAMETERS for a, b in both), (name, both)
    assert seen > 30
    assert used == PARAMETERS.keys()


@dataclasses.dataclass
class Side:
    """The module, or the client with a connection."""

    verbs: Any
    module: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.verbs if name in VERBS else self.module, name)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


async def coroutine(_request: Any) -> None: ...


def sending(value: Any) -> Callable[[Side], Any]:
    def send(side: Side) -> Any:
        with side.publisher(f"parity/{next(NUMBERS)}") as out:
            return out.send(value)

    return send


def with_one(verb: str, what: Callable[[Any], Any], closed: bool = False) -> Callable[[Side], Any]:
    def call(side: Side) -> Any:
        with getattr(side, verb)(f"parity/{next(NUMBERS)}") as one:
            if closed:
                one.close()
            return what(one)

    return call


def twice(verb: str) -> Callable[[Side], Any]:
    def call(side: Side) -> Any:
        name = f"parity/{next(NUMBERS)}"
        with getattr(side, verb)(name):
            return getattr(side, verb)(name)

    return call


def replaced(side: Side) -> Any:
    name = f"parity/{next(NUMBERS)}"
    with side.publisher(name) as out, side.publisher(name, replace=True):
        return out.send(1)


def empty(**more: Any) -> Callable[[Side], Any]:
    def call(side: Side) -> Any:
        name = f"parity/{next(NUMBERS)}"
        with side.publisher(name):
            return side.latest(name, **more)

    return call


#: Calls that fail equally on both sides: kind, retry and path.
FAILURES: dict[str, Callable[[Side], Any]] = {
    "unknown option of a subscriber": lambda side: side.subscribe("a/b", nothing=1),
    "unknown option of a publisher": lambda side: side.publisher("a/b", nothing=1),
    "unknown option of a server": lambda side: side.serve("a/b", nothing=1),
    "unknown option of latest": lambda side: side.latest("a/b", nothing=1),
    "no publisher": lambda side: side.latest("a/none"),
    "no publisher in time": lambda side: side.latest("a/none", timeout=0.2),
    "no message": empty(), "no message in time": empty(timeout=0.2),
    "unknown delivery": lambda side: side.subscribe("a/b", delivery="all"),
    "delivery of another type": lambda side: side.subscribe("a/b", delivery=5),
    "delivery that is none": lambda side: side.subscribe("a/b", delivery=None),
    "delivery that a channel has": lambda side: side.subscribe("a/b", delivery="at_least_once"),
    "time-out of another type": lambda side: side.subscribe("a/b", timeout="soon"),
    "time-out that is a truth value": lambda side: side.subscribe("a/b", timeout=True),
    "time-out below zero": lambda side: side.subscribe("a/b", timeout=-1),
    "time-out that is none": lambda side: side.subscribe("a/b", timeout=float("nan")),
    "names of another type": lambda side: side.subscribe(5),
    "a name of another type": lambda side: side.subscribe(["a", 5]),
    "no names": lambda side: side.subscribe([]),
    "name of a publisher of another type": lambda side: side.publisher(None),
    "name of a server of another type": lambda side: side.serve(5),
    "empty name": lambda side: side.publisher(""),
    "schema of a file that is not there": lambda side: side.publisher("a/s", schema="nowhere.toml"),
    "schema by a path that is not there": lambda side: side.publisher("a/s", schema=pathlib.Path("/nowhere/x.toml")),
    "schema of another type": lambda side: side.publisher("a/s", schema=5),
    "schema that is wrong": lambda side: side.publisher("a/s", schema="name = 1"),
    "no schema of a name that is not there": lambda side: side.schema("a/none"),
    "a publisher twice": twice("publisher"), "a server twice": twice("serve"), "a publisher that was replaced": replaced,
    "value without a form": sending({"a": [1, object()]}), "key that is no text": sending({1: 2}), "half a surrogate": sending("\ud800"),
    "decimal with many digits": sending(Decimal("1" * 2000)), "decimal that signals": sending(Decimal("sNaN")), "large integer": sending(1 << 9000),
    "many levels": sending(nested(65)), "many values": sending([None] * 1_000_001),
    "values that are no iterable": with_one("publisher", lambda one: one.send_many(5)),
    "closed publisher": with_one("publisher", lambda one: one.send(1), closed=True),
    "closed publisher of many": with_one("publisher", lambda one: one.send_many([1]), closed=True),
    "nothing comes": with_one("subscribe", lambda one: one.recv(timeout=0.1)),
    "nothing came": with_one("subscribe", lambda one: one.try_recv()),
    "no next message": with_one("subscribe", lambda one: one.next(timeout=0.1)),
    "closed subscriber": with_one("subscribe", lambda one: one.recv(timeout=0.1), closed=True),
    "closed subscriber at once": with_one("subscribe", lambda one: one.try_recv(), closed=True),
    "closed subscriber polled": with_one("subscribe", lambda one: one.poll(), closed=True),
    "no request": with_one("serve", lambda one: one.next(timeout=0.1)),
    "handler of another type": with_one("serve", lambda one: one.run(5)),
    "handler that is a coroutine": with_one("serve", lambda one: one.run(coroutine)),
    "no workers": with_one("serve", lambda one: one.run(print, workers=0)),
    "workers of another type": with_one("serve", lambda one: one.run(print, workers="x")),
    "workers that are a truth value": with_one("serve", lambda one: one.run(print, workers=True)),
    "bytes that are no value": lambda side: side.decode(b"\xff"), "no bytes": lambda side: side.decode(b""), "no buffer": lambda side: side.decode(5),
    "bytes after a value": lambda side: side.decode(b"\x01\x01"), "key that comes twice": lambda side: side.decode(bytes.fromhex("a2616101616102")),
    "long integer": lambda side: side.decode(b"\xc2\x59\x05\x00" + b"\xff" * 1280), "deep bytes": lambda side: side.decode(b"\x81" * 70 + b"\x01"),
    "unknown encoding": lambda side: side.encode(1, "bogus"), "encoding of another type": lambda side: side.encode(1, 5),
    "instant of another type": lambda side: side.Timestamp("x"), "instant that is a truth value": lambda side: side.Timestamp(True),
    "instant beyond": lambda side: side.Timestamp(2**63), "text that is no instant": lambda side: side.Timestamp.parse("x"),
    "no text": lambda side: side.Timestamp.parse(5), "no datetime": lambda side: side.Timestamp.from_datetime(5),
    "elements that are missing": lambda side: side.NdArray(b"x", "u8", (5,)), "unknown element type": lambda side: side.NdArray(b"x", "zz"),
    "element type of another type": lambda side: side.NdArray(b"x", 5), "unknown order": lambda side: side.NdArray(b"x", "u8", (1,), "C"),
    "shape of another type": lambda side: side.NdArray(b"x", "u8", "a"), "shape below zero": lambda side: side.NdArray(b"x", "u8", (-2,)),
    "many dimensions": lambda side: side.NdArray(b"x", "u8", (1,) * 16),
}
#: Errors with different paths, and the reason.
PATHS = {
    "many levels": "the client names the map or list, and the module its first item",
    "deep bytes": "the client's decoder keeps no path", "key that comes twice": "the client's decoder keeps no path",
    "schema that is wrong": "the gateway reads the schema, and does not know the option's name",
}
#: Calls that succeed on both sides with equal results.
RESULTS: dict[str, Callable[[Side], Any]] = {
    "another delivery": lambda side: side.subscribe("a/b", delivery="best_effort").close(),
    "a time-out that is long": lambda side: side.subscribe("a/b", timeout=float("inf")).close(),
    "many values": with_one("publisher", lambda one: one.send_many([1, 2, 3])), "no values": with_one("publisher", lambda one: one.send_many([])),
    "first and second": with_one("publisher", lambda one: [one.send(1), one.send(2)]),
    "closed twice": with_one("publisher", lambda one: one.close(), closed=True),
    "loop of a closed subscriber": with_one("subscribe", list, closed=True), "next of a closed subscriber": with_one("subscribe", lambda one: one.next(), closed=True),
    "loop of a closed server": with_one("serve", list, closed=True), "run of a closed server": with_one("serve", lambda one: one.run(print), closed=True),
    "element of an array": lambda side: side.NdArray(b"abcd", None, (2, 2))[1, 1], "order of an array": lambda side: side.NdArray(bytes(4), "u8", (2, 2), "column").order,
    "bytes of an array": lambda side: side.NdArray(bytes(16), "f64").nbytes, "iterated array": lambda side: list(side.NdArray(bytes(range(3)))),
}


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    bench = Bench(tmp_path_factory.mktemp("parity"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LINKSPAN_DIR", "LINKSPAN_STATE_DIR"):
            patch.setenv(name, bench.env[name])
        token = everything(bench)
        with linkspan_remote.connect(bench.gateway().address, token=token, timeout=PATIENCE) as lab:
            yield Side(linkspan, linkspan), Side(lab, linkspan_remote)
        bench.end()


@pytest.mark.parametrize("case", FAILURES)
def test_calls_fail_as_in_the_module(case: str, sides: tuple[Side, Side]) -> None:
    said = []
    for side in sides:
        with pytest.raises(Exception) as raised:
            FAILURES[case](side)
        error: Any = raised.value
        assert isinstance(error, side.module.Error), error
        said.append((error.kind, error.code, error.retryable, *(() if case in PATHS else (error.path,))))
        print(error.kind, error.path, error)
    assert said[0] == said[1]


@pytest.mark.parametrize("case", RESULTS)
def test_calls_succeed_as_in_the_module(case: str, sides: tuple[Side, Side]) -> None:
    there, here = [RESULTS[case](side) for side in sides]
    assert there == here
