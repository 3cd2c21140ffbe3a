"""Passes wrong values to each parameter of each public callable, by introspection.

Each refusal is a `linkspan.Error` in Linkspan's words that names the argument.
"""

import asyncio
import contextlib
import datetime
import inspect
import os
import re
import sqlite3

import linkspan
import linkspan.aio
import pytest
from conftest import Hub
from support.recordings import written


class Unprintable:
    def __repr__(self):
        raise LookupError("no repr")

    __str__ = __repr__


#: Values that most parameters refuse. Accepted ones are not examined further.
WRONG = [5, None, object(), "\0", b"", [], -1, 1 << 70, float("nan"), "zz", {}, [object()], "\udce9", 1.5, type, b"\xff" * 9, Unprintable()]

#: Texts of the interpreter, pyo3 and libraries about wrong arguments.
FOREIGN = re.compile(
    r"is not an instance of|not iterable|expected str, bytes|bytes-like object|cannot be (interpreted|converted|cast)|data type .* not understood"
    r"|PyCapsule|not supported between|has no attribute|not subscriptable|not callable|must be (str|real|an? |one of)|can't convert|unsupported operand"
    r"|argument '|too large to convert|out of range integral|extract|embedded null|surrogates not allowed|positional argument|unhashable"
)

#: Arguments that make a call return at once.
AT_ONCE = {"timeout": 0, "on_wait": lambda: False, "within": 0}
#: Valid values for parameters of these names.
GIVEN = {
    "value": 1, "values": [1], "data": b"\xf6", "from_": "cbor", "to": "json", "objects": [], "shape": 3, "layout": "u8 a", "offset": 0, "length": 1,
    "text": "x", "level": "info", "error": "x", "path": "x", "key": "x", "name": "lab/a", "column": "received", "field": None, "handler": print,
    "command": "PAUSE", "id": "a", "service": "w", "index": 0, "nanoseconds": 5, "message": None, "arguments": None,
}  # fmt: skip


class World:
    """A fresh object of each public class for each call."""

    def __init__(self, folder, controller):
        self.folder, self.controller, self.count = folder, controller, 0
        self.directory = os.environ["LINKSPAN_DIR"]
        self.file = written(folder / "r.mcap", [("lab/a", {"x": 1, "image": [1, 2]}), ("lab/a", {"x": 2, "image": [3, 4]})])
        (folder / "block").write_bytes(bytes(64))

    def name(self):
        self.count += 1
        return f"unix:w/{self.count}"

    def kept(self, ended, made):
        """Ends a made object afterwards, without waiting for consumption."""
        how = {} if isinstance(made, linkspan.Listener) else {"timeout": 0}

        def end():
            with contextlib.suppress(linkspan.Timeout):
                made.close(**how)

        ended.callback(end)
        return made

    def pair(self, ended):
        where = self.name()
        listener = self.kept(ended, linkspan.listen(where))
        client = self.kept(ended, linkspan.connect(where, timeout=60.0))
        return client, self.kept(ended, listener.accept(timeout=60.0))

    def served(self, ended):
        where = self.name()
        server = self.kept(ended, linkspan.serve(where))
        client = self.kept(ended, linkspan.connect(where, timeout=60.0))
        self.pending = client.start_call(1, timeout=60.0)
        return client, server.next(timeout=60.0)

    def message(self, ended):
        client, other = self.pair(ended)
        client.send({"a": [1, 2], "b": {"c": 1.5}})
        return other.recv(timeout=60.0)

    def task(self, ended):
        return ended.enter_context(linkspan.ServiceLoop(f"t{self.name()[7:]}", every=0)).next(timeout=60.0)

    def closed(self, server):
        getattr(server, "_inner", server).close()
        return server

    def objects(self):
        """Constructors by class; `ended` holds the objects to end."""
        opened = lambda make: lambda ended: ended.enter_context(make())  # noqa: E731
        return {
            linkspan.Channel: lambda ended: self.pair(ended)[0],
            linkspan.Listener: opened(lambda: linkspan.listen(self.name())),
            linkspan.Server: lambda _: self.closed(linkspan.serve(self.name())),
            linkspan.Shared: lambda _: self.closed(linkspan.share(linkspan.Timestamp(5), self.name())),
            linkspan.Publisher: opened(lambda: linkspan.publisher(self.name())),
            linkspan.Subscriber: opened(lambda: linkspan.subscribe(self.name())),
            linkspan.Message: self.message,
            linkspan.Request: lambda ended: self.served(ended)[1],
            linkspan.NdArray: lambda _: linkspan.NdArray(bytes(24), "f64", [3]),
            linkspan.BytesLoan: lambda ended: self.pair(ended)[0].loan_bytes(100),
            linkspan.Region: opened(lambda: linkspan.Region(str(self.folder / "block"))),
            linkspan.ServiceLoop: opened(lambda: linkspan.ServiceLoop(f"s{self.name()[7:]}")),
            linkspan.Task: self.task,
            linkspan.Controller: lambda _: self.controller,
            linkspan.ServiceHandle: lambda _: self.controller.service("w"),
            linkspan.Recording: lambda _: linkspan.Recording(self.file),
            linkspan.Table: lambda _: linkspan.Recording(self.file)["lab/a"],
            linkspan.RecordedMessage: lambda _: next(iter(linkspan.Recording(self.file))),
            linkspan.Timestamp: lambda _: linkspan.Timestamp(5),
            linkspan.aio.Channel: lambda ended: linkspan.aio.Channel(self.pair(ended)[0], {}),
            linkspan.aio.Listener: lambda ended: linkspan.aio.Listener(ended.enter_context(linkspan.listen(self.name())), {}),
            linkspan.aio.Subscriber: lambda ended: linkspan.aio.Subscriber(ended.enter_context(linkspan.subscribe(self.name())), {}),
            linkspan.aio.Publisher: lambda ended: linkspan.aio.Publisher(ended.enter_context(linkspan.publisher(self.name())), {}),
            linkspan.aio.Server: lambda _: self.closed(linkspan.aio.serve(self.name())),
        }


#: Classes without constructors, without methods with arguments, or with methods that programs write.
WITHOUT = {linkspan.Answer, linkspan.Event, linkspan.RecordedName, linkspan.Options, linkspan.ServiceOptions, linkspan.Service}
MADE = {linkspan.NdArray, linkspan.Region, linkspan.ServiceLoop, linkspan.Recording, linkspan.Timestamp}
#: Python protocol methods with an argument. Sequence indexing raises Python's errors.
PROTOCOLS = {"__getitem__", "__contains__", "__arrow_c_stream__"}


def parameters(thing):
    try:
        found = inspect.signature(thing).parameters.values()
    except ValueError:
        return []
    return [one for one in found if one.kind is not inspect.Parameter.VAR_KEYWORD and one.name != "self"]


def calls():
    """(name, class or None, callable or method name, parameter) for everything public."""
    found = []
    for module in (linkspan, linkspan.aio):
        for name in linkspan.__all__ if module is linkspan else vars(module):
            thing = getattr(module, name)
            is_own = getattr(thing, "__module__", "").partition(".")[0] == "linkspan" and (module is linkspan or thing.__module__ == "linkspan.aio")
            if name.startswith("_") or not is_own or not callable(thing):
                continue
            called = f"{module.__name__}.{name}"
            if not inspect.isclass(thing) or thing in MADE:
                found += [(called, None, thing, one) for one in parameters(thing)]
            if not inspect.isclass(thing) or issubclass(thing, (BaseException, str)) or thing in WITHOUT:
                continue
            for method in dir(thing):
                made = getattr(thing, method)
                if callable(made) and (not method.startswith("_") or method in PROTOCOLS) and (thing, method) != (linkspan.NdArray, "__getitem__"):
                    found += [(f"{called}.{method}", thing, method, one) for one in parameters(made)]
    return found


def given(world, thing, one, ended):
    """Values for the other parameters, so the call would succeed."""
    match one.name:
        case "endpoint":
            return world.name()
        case "source":
            return str(world.folder / "block")
        case "path" if thing is linkspan.Recording:
            return str(world.file)
        case "path" if one.annotation is not inspect.Parameter.empty:  # of a file
            return str(world.folder / "made")
        case "db":
            return ended.enter_context(contextlib.closing(sqlite3.connect(":memory:")))
        case "asked":
            world.served(ended)
            return world.pending
        case "request":
            return world.message(ended)
        case "when":
            return datetime.datetime.now(datetime.timezone.utc)
        case "service" if thing is linkspan.run:
            return linkspan.Service()
    return AT_ONCE.get(one.name, GIVEN.get(one.name))


def raised(world, kind, thing, parameter, wrong):
    """Returns `None` if the call accepts the argument."""
    with contextlib.ExitStack() as ended:
        if kind is not None:
            thing = getattr(world.objects()[kind](ended), thing)
        positional, named = [], {}
        for one in parameters(thing):
            if one.name != parameter.name and one.name not in AT_ONCE and one.default is not inspect.Parameter.empty:
                continue
            if one.name != parameter.name and one.kind is inspect.Parameter.VAR_POSITIONAL:
                continue
            value = wrong if one.name == parameter.name else given(world, thing, one, ended)
            if one.kind is inspect.Parameter.KEYWORD_ONLY:
                named[one.name] = value
            else:
                positional.append(value)
        if getattr(thing, "__name__", "") == "connect":
            # Otherwise a name without a program would wait.
            named["timeout"] = 0
        try:
            outcome = thing(*positional, **named)
            if inspect.isawaitable(outcome):
                asyncio.run(awaited(outcome))
            elif type(outcome).__name__ in ("RecordingReader", "_Batches"):
                next(iter(outcome), None)
        except BaseException as error:
            return error
    return None


async def awaited(outcome):
    waiting = asyncio.ensure_future(outcome)
    await asyncio.wait([waiting], timeout=0.05)
    if not waiting.done():
        waiting.cancel()
        await asyncio.wait([waiting])
    elif waiting.exception() is not None:
        raise waiting.exception()


#: Durations that bound the call.
LENGTHS = {"timeout", "within", "data_every"}
#: Endless calls after accepted arguments, with the parameters that are still tested.
ENDLESS = {"linkspan.run": {"service"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One for all calls, each with separate names."""
    directory = tmp_path_factory.mktemp("ls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKSPAN_DIR", str(directory))
        hub = Hub()
        hub.start()
        try:
            with linkspan.Controller() as controller:
                yield World(tmp_path_factory.mktemp("files"), controller)
        finally:
            hub.kill()


CALLS = sorted({name for name, *_ in calls()})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.costly
@pytest.mark.parametrize("called", CALLS)
def test_wrong_argument_is_refused_in_words_of_linkspan(called, world, monkeypatch):
    monkeypatch.setenv("LINKSPAN_DIR", str(world.directory))
    foreign = []
    for name, kind, thing, parameter in calls():
        if name != called or parameter.name not in ENDLESS.get(name, {parameter.name}):
            continue
        for wrong in WRONG:
            if parameter.name in LENGTHS and (wrong is None or type(wrong) in (int, float) and wrong > 0):
                continue
            error = raised(world, kind, thing, parameter, wrong)
            if error is None:
                continue
            text = str(error)
            if not isinstance(error, linkspan.Error) or error.kind == "Internal" or FOREIGN.search(text):
                foreign.append(f"{parameter.name}: {type(error).__name__}: {text}")
    assert not foreign, "\n".join(foreign)


@pytest.mark.parametrize("option", linkspan.ServiceOptions.__annotations__ | linkspan.Options.__annotations__)
def test_wrong_option_is_refused_in_words_of_linkspan(option, world, monkeypatch):
    monkeypatch.setenv("LINKSPAN_DIR", str(world.directory))
    foreign = []
    openers = [linkspan.listen, linkspan.publisher, linkspan.subscribe, linkspan.aio.subscribe]
    if option in linkspan.ServiceOptions.__annotations__:
        openers.append(lambda _, **options: linkspan.ServiceLoop("w", **options))
    for wrong in WRONG:
        for opener in openers:
            try:
                made = opener(world.name(), **{option: wrong})
            except BaseException as error:
                if not isinstance(error, linkspan.Error) or error.kind == "Internal" or FOREIGN.search(str(error)):
                    foreign.append(f"{type(error).__name__}: {error}")
            else:
                getattr(made, "_inner", made).close()
    assert not foreign, "\n".join(foreign)


def test_all_that_is_public_is_called():
    """Every class must be made here or listed as without arguments."""
    kinds = {kind for _, kind, _, _ in calls() if kind is not None}
    assert len(CALLS) > 130
    assert kinds <= {*World.objects(World.__new__(World))}
