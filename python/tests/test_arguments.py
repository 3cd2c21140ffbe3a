"""Refused arguments name argument, value and remedy; stubs and parser accept equal types."""

import ast
import asyncio
import datetime
import decimal
import enum
import fractions
import pathlib
import typing

import linkspan
import linkspan.aio
import pytest
from linkspan import _native

SPAN = datetime.timedelta(seconds=0.25)
WRONG = [None, 5, b"lab/x", 1.5, object(), pathlib.Path("lab/x")]


class Unprintable:
    def __repr__(self):
        raise LookupError("no repr")


def refused(kind, name, call, *parts):
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert type(caught.value) is kind, text
    assert caught.value.path == name and text.startswith(f"{name}="), text
    assert ": give " in text, text
    assert "at path" not in text, text
    assert kind is not linkspan.OutOfRange or "is of type" not in text, text
    for part in parts:
        assert part in text
    return text


OPENERS = [
    linkspan.connect, linkspan.open, linkspan.listen, linkspan.serve, linkspan.publisher, linkspan.subscribe, linkspan.latest,
    linkspan.schema, linkspan.reply_schema,
]


@pytest.mark.parametrize("given", WRONG, ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("opener", OPENERS, ids=lambda opener: opener.__name__)
def test_endpoint_that_is_no_text_is_refused_by_name(opener, given):
    refused(linkspan.WrongType, "endpoint", lambda: opener(given), "as text")


@pytest.mark.parametrize("verb", ["connect", "open", "latest"])
def test_endpoint_of_asyncio_is_refused_by_name(verb):
    refused(linkspan.WrongType, "endpoint", lambda: asyncio.run(getattr(linkspan.aio, verb)(5)), "5", "int")


@pytest.mark.parametrize("opener", OPENERS, ids=lambda opener: opener.__name__)
def test_endpoint_without_utf8_is_malformed(opener):
    refused(linkspan.Malformed, "endpoint", lambda: opener("lab/\udce9"), "surrogate")


def test_what_has_no_repr_is_named_by_its_type():
    assert "Unprintable" in refused(linkspan.WrongType, "endpoint", lambda: linkspan.connect(Unprintable()))


def test_list_of_endpoints_names_the_position():
    refused(linkspan.WrongType, "endpoint[1]", lambda: linkspan.subscribe(["lab/a", 5]), "5")
    for several in (("lab/a", "lab/b"), {"lab/a", "lab/b"}, (name for name in ["lab/a", "lab/b"])):
        linkspan.subscribe(several).close()
    with pytest.raises(LookupError):
        linkspan.subscribe(name for name in [{}["x"]])


@pytest.mark.parametrize("path", ["lab/\ud800", pathlib.Path("lab/\ud800")], ids=["str", "Path"])
def test_path_without_bytes_is_malformed(path):
    refused(linkspan.Malformed, "path", lambda: linkspan.Recording(path), "surrogate")


def test_number_that_is_too_large_is_named_so():
    with linkspan.subscribe("unix:lab/x") as subscriber:
        refused(linkspan.OutOfRange, "max", lambda: subscriber.recv_many(2**70), "is too large, more than 18446744073709551615")
        text = refused(linkspan.OutOfRange, "max", lambda: subscriber.recv_many(-1))
        assert "too large" not in text
        for call in TIMED.values():
            refused(linkspan.OutOfRange, "timeout", lambda call=call: call(subscriber, 10**400), "is too large, more than 1.79")
            text = refused(linkspan.OutOfRange, "timeout", lambda call=call: call(subscriber, -(10**400)))
            assert "too large" not in text


@pytest.mark.parametrize(
    ("option", "given", "give"),
    [("mode", "x", "an integer"), ("allow_uids", "x", "an array"), ("durable", 3, "a bool"), ("encoding", 3, "text"), ("client_id", None, "text")],
)
def test_option_of_a_wrong_type_is_refused_by_name_with_what_was_given(option, given, give):
    refused(linkspan.WrongType, option, lambda: linkspan.subscribe("unix:lab/x", **{option: given}), repr(given), f"give {give}")


def test_option_with_a_keyword_of_its_own_is_named_by_it():
    with pytest.raises(linkspan.WrongType, match="^from_=b'x' is of type bytes: give an integer") as caught:
        linkspan.subscribe("journal:lab/x", from_=b"x")
    assert caught.value.path == "from"


TIMED = {
    "recv": lambda subscriber, given: subscriber.recv(timeout=given),
    "recv_many": lambda subscriber, given: subscriber.recv_many(timeout=given),
    "next": lambda subscriber, given: subscriber.next(timeout=given),
    "wait": lambda subscriber, given: linkspan.wait([subscriber], timeout=given),
    "option": lambda subscriber, given: linkspan.subscribe("unix:lab/x", timeout=given),
    "latest": lambda subscriber, given: linkspan.latest("unix:lab/x", timeout=given),
    "aio.recv": lambda subscriber, given: asyncio.run(received(given)),
    "aio.wait": lambda subscriber, given: asyncio.run(linkspan.aio.wait([subscriber], timeout=given)),
}


async def received(given):
    async with linkspan.aio.subscribe("unix:lab/x") as subscriber:
        return await subscriber.recv(timeout=given)


@pytest.mark.parametrize("call", list(TIMED))
def test_time_out_is_refused_by_name_and_a_length_of_time_accepted(call):
    with linkspan.subscribe("unix:lab/x") as subscriber:
        for given, kind in [("soon", linkspan.WrongType), ([1], linkspan.WrongType), (-1, linkspan.OutOfRange), (float("nan"), linkspan.OutOfRange), (-SPAN, linkspan.OutOfRange)]:
            refused(kind, "timeout", lambda: TIMED[call](subscriber, given), "seconds from 0 upwards, a timedelta, or None")
        if call != "option":
            with pytest.raises((linkspan.Timeout, linkspan.NotFound)):
                TIMED[call](subscriber, datetime.timedelta(milliseconds=1))


@pytest.mark.parametrize("given", [True, False])
def test_truth_value_is_no_number(given, controller):
    with linkspan.publisher("unix:lab/out") as out, linkspan.subscribe("unix:lab/out") as subscriber, linkspan.serve("unix:lab/serve") as server:
        for call in TIMED.values():
            refused(linkspan.WrongType, "timeout", lambda call=call: call(subscriber, given), f"{given} is of type bool")
        refused(linkspan.WrongType, "max", lambda: subscriber.recv_many(given))
        refused(linkspan.WrongType, "count", lambda: out.wait_for_subscribers(given))
        with pytest.raises(linkspan.WrongType, match=f"workers={given}: give") as caught:
            server.run(lambda request: request, workers=given)
        assert caught.value.path == "workers"
    refused(linkspan.WrongType, "nanoseconds", lambda: linkspan.Timestamp(given))
    refused(linkspan.WrongType, "within", lambda: controller.begin("x", "PAUSE", within=given))
    refused(linkspan.WrongType, "data_every", lambda: controller.watch(data_every=given))
    refused(linkspan.WrongType, "lines", lambda: controller.log(lines=given))
    numpy = pytest.importorskip("numpy")
    refused(linkspan.WrongType, "timeout", lambda: linkspan.latest("unix:lab/x", timeout=numpy.bool_(given)), "numpy.bool")
    numbers = [name for name, kind in typing.get_type_hints(linkspan.Options).items() if accepts(kind, 1) and not accepts(kind, given)]
    assert {"buffer", "mode", "spin"} <= set(numbers)
    for name in [*numbers, "timeout", "linger", "retain_seconds"]:
        with pytest.raises(linkspan.WrongType) as caught:
            linkspan.listen("unix:lab/options", **{name: given})
        assert caught.value.path == name.rstrip("_")


def test_other_lengths_of_time_are_refused_by_name(controller):
    refused(linkspan.WrongType, "within", lambda: controller.service("x").order("PAUSE", id="a", within="soon"))
    refused(linkspan.OutOfRange, "within", lambda: controller.begin("x", "PAUSE", within=-1))
    refused(linkspan.WrongType, "data_every", lambda: controller.watch(data_every="often"))
    refused(linkspan.WrongType, "service", lambda: controller.status(5))
    refused(linkspan.WrongType, "command", lambda: controller.service("x").command(5))
    refused(linkspan.WrongType, "lines", lambda: controller.log(lines="all"))
    refused(linkspan.WrongType, "name", lambda: linkspan.ServiceLoop(None))


def test_paths_and_numbers_are_refused_by_name(tmp_path):
    with linkspan.publisher("unix:lab/out") as out, linkspan.subscribe("unix:lab/out") as subscriber:
        out.send({"a": [1]})
        message = subscriber.recv()
        refused(linkspan.WrongType, "path", lambda: message.at(0))
        refused(linkspan.WrongType, "max", lambda: subscriber.recv_many("all"))
        refused(linkspan.OutOfRange, "max", lambda: subscriber.recv_many(-1))
        refused(linkspan.OutOfRange, "count", lambda: out.wait_for_subscribers(-1))
        refused(linkspan.WrongType, "encoding", lambda: linkspan.encode(1, 5))
        refused(linkspan.WrongType, "to", lambda: linkspan.transcode(b"1", "json", None))
        refused(linkspan.WrongType, "order", lambda: out.loan(3, order=None))
    refused(linkspan.WrongType, "source", lambda: linkspan.Region(5))
    refused(linkspan.WrongType, "layout", lambda: linkspan.Region.sizeof(None))
    refused(linkspan.WrongType, "path", lambda: _native.recording_outline(b"x.mcap"))
    refused(linkspan.WrongType, "text", lambda: linkspan.Timestamp.parse(5))


@pytest.mark.parametrize("given", [None, 5, "handler"])
def test_handler_that_cannot_be_called_is_refused_before_a_request_is_taken(given):
    with linkspan.serve("unix:lab/serve") as server, pytest.raises(linkspan.WrongType, match="handler=.*: give a function") as caught:
        server.run(given)
    assert caught.value.path == "handler"

    async def main():
        async with linkspan.aio.serve("unix:lab/serve") as server:
            await server.run(given)

    with pytest.raises(linkspan.WrongType, match="handler=.*: give a function"):
        asyncio.run(main())


def test_service_that_is_none_is_refused_at_the_door():
    class Logger(linkspan.Service):
        pass

    refused(linkspan.WrongType, "service", lambda: linkspan.run(None, "power"), "linkspan.Service")
    assert "Logger()" in refused(linkspan.WrongType, "service", lambda: linkspan.run(Logger, "power"))


@pytest.mark.parametrize(("given", "instead"), [
    ("2026-03-01T12:00:00Z", "Timestamp.parse"), (datetime.datetime.now(datetime.timezone.utc), "from_datetime"), (1.5, "Timestamp(0) + "), (None, "Timestamp.now"),
])
def test_timestamp_of_no_number_is_refused_and_says_what_makes_one(given, instead):
    refused(linkspan.WrongType, "nanoseconds", lambda: linkspan.Timestamp(given), instead)


def test_timestamp_that_does_not_fit_is_refused_where_it_is_made():
    for given in (2**63, -(2**63) - 1):
        with pytest.raises(linkspan.OutOfRange):
            linkspan.Timestamp(given)


# The parser and the stubs must agree about each possible option value.
SAMPLES = [None, True, 5, 0.5, SPAN, "text", pathlib.Path("text"), [1], datetime.datetime.now(datetime.timezone.utc), linkspan.Timestamp(5), decimal.Decimal("0.5"), fractions.Fraction(1, 2)]


def accepts(annotation, sample):
    """Whether a type checker accepts the sample."""
    origin, of = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is typing.Any:
        return True
    if origin is typing.Literal:
        return isinstance(sample, str) and sample in of
    if origin in (typing.Union, __import__("types").UnionType):
        return any(accepts(one, sample) for one in of)
    if origin is type:
        return isinstance(sample, type)
    if annotation in (None, type(None)):
        return sample is None
    if annotation is float:
        return isinstance(sample, (int, float))
    if annotation is bool or annotation is str:
        return type(sample) is annotation
    kind = origin or annotation
    if kind.__name__ == "Sequence":
        return isinstance(sample, list) and all(accepts(of[0], one) for one in sample)
    if kind.__name__ == "Callable":
        return callable(sample)
    return isinstance(sample, kind) and not (kind is int and isinstance(sample, bool))


@pytest.mark.parametrize("name", [name for name in linkspan.Options.__annotations__])
def test_annotation_of_an_option_is_what_the_parser_takes(name):
    annotation = typing.get_type_hints(linkspan.Options)[name]
    for sample in SAMPLES:
        try:
            linkspan.listen("unix:lab/options", **{name: sample}).close()
            taken = True
        except linkspan.WrongType:
            taken = False
        except linkspan.Error:
            continue  # the type is right; value or transport are not
        # Type checkers accept True as a number; at run time it is refused.
        assert sample is True or taken == accepts(annotation, sample), (name, sample)


def test_stubs_have_the_types_of_the_table():
    table = dict(_native.argument_types())
    stubs = pathlib.Path(linkspan.__file__).parent
    found = set()
    for file in ["_native.pyi", "aio.py", "verbs.py", "controller.py", "options.py", "sqlite.py"]:
        for node in ast.walk(ast.parse((stubs / file).read_text())):
            for one in [*node.args.args, *node.args.kwonlyargs] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []:
                if one.arg in table and one.annotation is not None:
                    said = ast.unparse(one.annotation)
                    found.add(one.arg)
                    assert table[one.arg] in said.split(" | "), (file, node.name, one.arg, said)
    assert found >= set(table) - {"path"}
