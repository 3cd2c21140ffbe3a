"""Objects of other programs, which these have put on the air by `linkspan.share`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Self, Unpack

from ._members import ARGUMENTS, BETWEEN, HELP, KEYWORDS, word_of
from ._native import Channel, reply_schema, schema
from .errors import Error, Missing, Remote, Unsupported, WrongType
from .options import Options


def remote(endpoint: str, **options: Unpack[Options]) -> Any:
    """Returns an object that another program shares: `linkspan.remote("lab/dmm").voltage`.

    Its properties and methods are those of the object. Names come from the schema of the server. Exceptions of the
    object are `Remote`, and also of the built-in type that the object raised: `except ValueError` works. A call waits
    as long as the option `timeout` says, 30 seconds by default. If the sharing program ends during a call, the call
    ends in `Disconnected`; the next call goes to the next program that shares the name. Threads may use it together.
    `with` closes it.

    `NotFound` if no program has the name in time. `Unsupported` if the program there shares no object.
    """
    return RemoteObject(_Link(endpoint, options), "")


class _Link:
    """The channel to a shared object, and the names there."""

    def __init__(self, endpoint: str, options: Options) -> None:
        self.channel = Channel.connect(endpoint, **options)
        try:
            self.learn()
        except BaseException:
            self.channel.close()
            raise

    def learn(self) -> None:
        """Asks for the names. They change if another program shares another object."""
        try:
            verbs = _fields(schema(self.channel.endpoint)["type"])
            replies = _fields(reply_schema(self.channel.endpoint)["type"])
        except Missing:
            verbs = replies = {}
        if "help" not in verbs or HELP not in replies:
            raise Unsupported(f"{self.channel.endpoint}: the program there serves requests and shares no object: use linkspan.connect")
        self.writable = _fields(verbs.get("set", {})).keys()
        self.methods = {name: list(_fields(of)) for name, of in _fields(verbs.get("call", {})).items()}
        self.readable = replies.keys() - self.methods.keys() - {HELP}
        self.names = {*self.readable, *self.writable, *self.methods}

    def ask(self, request: dict[str, Any], name: str) -> Any:
        try:
            return self.channel.call(request).value.get(name)
        except Remote as error:
            _raise_as_built_in(error)

    def help(self, name: str) -> str:
        return str(self.ask({"help": name}, HELP))


def _fields(of: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one["type"] for one in of.get("fields", ())}


class RemoteObject:
    """An object of another program. Use `linkspan.remote`."""

    # No public name: all of them are the object's.
    __slots__ = ("_link", "_prefix")
    _link: _Link
    _prefix: str

    def __init__(self, link: _Link, prefix: str) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_prefix", prefix)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: only public members are shared", name=name, obj=self)
        link, whole = self._link, self._prefix + name
        for attempt in range(2):
            if whole in link.methods:
                return _method(link, whole, name)
            if whole in link.readable:
                return link.ask({"get": whole}, whole)
            if any(one.startswith(whole + BETWEEN) for one in link.names):
                return RemoteObject(link, whole + BETWEEN)
            if whole in link.writable:
                raise AttributeError(f"{link.channel.endpoint}: {whole} can only be set", name=name, obj=self)
            if attempt == 0:
                link.learn()
        raise AttributeError(f"{link.channel.endpoint} shares no {whole!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        link, whole = self._link, self._prefix + name
        if not name.startswith("_") and whole not in link.writable:
            link.learn()
        if name.startswith("_") or whole not in link.writable:
            why = "can only be read" if whole in link.readable else "is a method" if whole in link.methods else "is not shared"
            raise AttributeError(f"{link.channel.endpoint}: {whole} {why}", name=name, obj=self)
        link.ask({"set": {whole: value}}, whole)

    def __getitem__(self, key: str | int) -> Any:
        whole = f"{self._prefix}{word_of(key)}{BETWEEN}"
        if not self._prefix or not any(one.startswith(whole) for one in self._link.names):
            raise KeyError(key)
        return RemoteObject(self._link, whole)

    __iter__ = None

    def __dir__(self) -> list[str]:
        return sorted({one[len(self._prefix) :].split(BETWEEN, 1)[0] for one in self._link.names if one.startswith(self._prefix)})

    def __repr__(self) -> str:
        part = self._prefix.removesuffix(BETWEEN).replace(BETWEEN, ".")
        return f"<linkspan.remote {self._link.channel.endpoint}{' ' + part if part else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._link.channel.close()


def _method(link: _Link, whole: str, name: str) -> Callable[..., Any]:
    fields = link.methods[whole]
    by_position = fields[: fields.index(ARGUMENTS)] if ARGUMENTS in fields else [one for one in fields if one != KEYWORDS]

    def call(*args: Any, **kwargs: Any) -> Any:
        given: dict[str, Any] = dict(zip(by_position, args))
        if len(args) > len(by_position):
            if ARGUMENTS not in fields:
                raise WrongType(f"{link.channel.endpoint}: {whole} takes {len(by_position)} arguments, {len(args)} were given")
            given[ARGUMENTS] = list(args[len(by_position) :])
        for key, value in kwargs.items():
            if key in given:
                raise WrongType(f"{link.channel.endpoint}: {whole} got two values for {key!r}")
            if key in fields and key not in (ARGUMENTS, KEYWORDS):
                given[key] = value
            elif KEYWORDS in fields:
                given.setdefault(KEYWORDS, {})[key] = value
            else:
                raise WrongType(f"{link.channel.endpoint}: {whole} has no argument {key!r}: there are {', '.join(fields) or 'none'}")
        return link.ask({"call": {whole: given}}, whole)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f'`{whole}({", ".join(fields)})` of {link.channel.endpoint}; its documentation: {{"help": "{whole}"}}.'
    return call


#: Exceptions that a remote call may also be.
_ALSO: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, BufferError, ConnectionError, EOFError, FileNotFoundError, IndexError, KeyError, LookupError,
    NotImplementedError, OSError, OverflowError, PermissionError, RuntimeError, TimeoutError, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip
#: By name. Kinds of Linkspan stand for the built-in type of a local call.
_BUILT_IN = {kind.__name__: kind for kind in _ALSO} | {"WrongType": TypeError, "OutOfRange": ValueError, "Missing": TypeError}
_MADE: dict[str, type[Remote]] = {}


def _raise_as_built_in(error: Remote) -> NoReturn:
    kind = error.remote_type or ""
    if kind not in _BUILT_IN:
        raise error
    if kind not in _MADE:
        _MADE[kind] = type("Remote", (Remote, _BUILT_IN[kind]), {"__str__": Error.__str__, "__module__": "linkspan.errors", "__qualname__": "Remote"})
    raised = _MADE[kind](*error.args)
    vars(raised).update(vars(error))
    raise raised from None
