"""Remote programs send values as the module does, or get its kind of error; the connection continues."""

import array
import collections.abc
import ctypes
import datetime
import enum
import mmap
import random
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import linkspan
import numpy
import pandas
import polars
import pyarrow
import pytest
from conftest import Bench
from PIL import Image
from support.tree import ROOT
from support.waiting import PATIENCE

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import errors, forms, limits  # noqa: E402

RECORD = [("a", "i4"), ("b", "U3"), ("c", [("d", "f4")])]
MASKED = numpy.ma.array([1.0, -9999.0], mask=[0, 1])


class Colour(str, enum.Enum):
    RED = "red"


class Loud(str):
    def __str__(self) -> str:
        return "loud"


class Model:
    """Imitates a pydantic model."""

    model_fields: dict[str, object] = {}

    def model_dump(self) -> dict[str, int]:
        return {"n": 1}


class Attributed:
    """Imitates an attrs class."""

    __attrs_attrs__ = (type("Attribute", (), {"name": "n"})(),)
    n = 5


class Lent:
    """Holds its elements like an h5py data set."""

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return numpy.arange(3)


def taken() -> list[Any]:
    memory = mmap.mmap(-1, 4)
    return [
        numpy.datetime64("NaT"), numpy.datetime64(-1, "ns"), numpy.datetime64(1, "Y"), numpy.zeros((2, 2), "M8[s]"), numpy.array("2020-01-01", "M8[s]"),
        numpy.array(["2026-01-01", "NaT"], "M8[ns]"), numpy.timedelta64(5, "ms"), numpy.timedelta64("NaT"), numpy.array([1, "NaT"], "m8[s]"),
        numpy.zeros((2, 0), "m8[s]"), numpy.array(1, "m8[s]"), numpy.timedelta64(1, "as"), pandas.NaT, pandas.NA, pandas.Timestamp(1, tz="UTC"), pandas.Timedelta("1s"),
        numpy.array(["a", "bc"]), numpy.zeros((2, 2), "U3"), numpy.array("abc"), numpy.array([b"a"]), numpy.array([[1, None], ["a", 2.5]], dtype=object), numpy.array([], "U3"),
        numpy.zeros((), [("a", "i4")])[()], numpy.zeros((), RECORD), numpy.zeros((2, 2), RECORD), numpy.zeros(2, RECORD)[0], numpy.rec.array([(1, 2.0)], names="a,b"),
        numpy.ma.array([1, 2]),
        (ctypes.c_int * 2)(1, 2), ((ctypes.c_double * 2) * 3)(), (ctypes.c_bool * 2)(True, False), memory, memoryview(array.array("h", [1, -2])), Lent(),
        Image.new("RGB", (3, 2)), Image.new("L", (3, 2)), Image.new("1", (9, 2)), Model(), Attributed(),
        2**8192 - 1, -(2**8192 - 1), Decimal("1" * 1024), Decimal("-" + "9" * 1024), Decimal("1.5E+2147483647"), Decimal("1E-2147483648"), Decimal("-0E+5"),
        Decimal("NaN"), Decimal("-NaN"), Decimal("-Infinity"), numpy.zeros((1,) * 15), numpy.zeros((1,) * 20, object), numpy.zeros((0,) * 15),
        # Keys and texts keep their characters, even if their class prints others.
        {Colour.RED: 1}, {Loud("quiet"): Loud("quiet")},
    ]  # fmt: skip


def refused() -> list[tuple[Any, str, str]]:
    return [
        (MASKED, "Unsupported", "array.filled"), (numpy.ma.masked, "Unsupported", "array.filled"), (numpy.ma.array(["a"], mask=[1]), "Unsupported", "array.filled"),
        (numpy.ma.array([(1,)], mask=[(1,)], dtype=[("a", "i4")]), "Unsupported", "array.filled"),
        (numpy.datetime64(1500, "ps"), "Unsupported", "nanoseconds"), (numpy.zeros(2, "M8[fs]"), "Unsupported", "nanoseconds"),
        (numpy.datetime64("3000-01-01"), "Unsupported", "2262"), (numpy.array(["3000-01-01"], "M8[s]"), "Unsupported", "2262"),
        (numpy.datetime64(2**62, "Y"), "Unsupported", "2262"), (numpy.timedelta64(1, "Y"), "Unsupported", "weeks downwards"),
        (numpy.timedelta64(1), "Unsupported", "timedelta64[s]"),
        (numpy.zeros(2, "m8[M]"), "Unsupported", "weeks downwards"), (pandas.Timestamp("2020"), "Unsupported", "time zone"),
        (numpy.longdouble(1.5), "Unsupported", "astype(float)"), (numpy.zeros(1, "g"), "Unsupported", "astype(float)"),
        (numpy.clongdouble(1), "Unsupported", "astype(complex)"), (numpy.zeros((), [("a", "g")])[()], "Unsupported", "astype(float)"),
        (numpy.zeros((), "V4")[()], "Unsupported", "tolist()"),
        (Decimal("sNaN"), "Unsupported", "sNaN"), (Decimal("NaN5"), "Unsupported", "NaN5"), (Decimal("1E+9999999999"), "Unsupported", "2147483647"),
        (Decimal("1.5E-2147483648"), "Unsupported", "2147483647"), (Decimal("1.5E+2147483648"), "Unsupported", "2147483647"),
        (Decimal("0E+2147483648"), "Unsupported", "2147483647"), (Decimal("-0E+99999999999"), "Unsupported", "2147483647"),
        (Decimal("1" * 1025), "Unsupported", "1024"), (Decimal("1" * 5000), "Unsupported", "1024"),
        (numpy.zeros((1,) * 16), "TooLarge", "16 dimensions asked, 15 allowed"), (numpy.zeros((0,) * 16), "TooLarge", "16 dimensions asked, 15 allowed"),
        (numpy.zeros((1,) * 16, "M8[s]"), "TooLarge", "16 dimensions asked, 15 allowed"), (numpy.zeros((1,) * 16, "m8[s]"), "TooLarge", "15 allowed"),
        (2**8192, "TooLarge", "1025 bytes asked, 1024 allowed"), (-(2**8192), "TooLarge", "1025 bytes asked, 1024 allowed"), (range(2**70), "TooLarge", "1000000"),
        (Image.new("P", (2, 2)), "Unsupported", 'convert("RGB")'),
    ]  # fmt: skip


def said_by(encode: Any, value: Any) -> Any:
    try:
        return encode(value)
    except (linkspan.Error, errors.Error) as error:
        return error.kind


@pytest.mark.parametrize("value", taken(), ids=lambda value: type(value).__name__)
def test_it_is_encoded_as_the_module_encodes_it(value: Any) -> None:
    for whole in (value, {"v": [value]}):
        assert linkspan_remote.encode(whole) == linkspan.encode(whole)


@pytest.mark.parametrize(("value", "kind", "text"), refused(), ids=lambda part: part if isinstance(part, str) else "")
def test_it_is_refused_with_the_kind_of_the_module_its_path_and_what_to_give(value: Any, kind: str, text: str) -> None:
    assert said_by(linkspan.encode, {"v": [value]}) == kind
    with pytest.raises(errors.KINDS[kind]) as raised:
        linkspan_remote.encode({"v": [value]})
    assert text in str(raised.value) and str(raised.value).startswith("v/0"), raised.value


def test_records_with_a_mask_are_sent_where_nothing_is_masked() -> None:
    """The module refuses the first with a NumPy error."""
    records = numpy.ma.array([(1, 2.0)], mask=[(0, 0)], dtype=[("a", "i4"), ("b", "f8")])
    assert linkspan_remote.encode(records) == linkspan.encode(records.data)
    records["b"][0] = numpy.ma.masked
    for masked in (records, records[0]):
        with pytest.raises(errors.Unsupported) as raised:
            linkspan_remote.encode(masked)
        assert str(raised.value).startswith("b: ") and "array.filled" in str(raised.value)


def test_tables_and_columns_are_refused_and_what_to_give_is_taken() -> None:
    series, frame = pandas.Series([1, 2], index=["a", "b"]), pandas.DataFrame({"a": [1, 2]})
    few, table = polars.Series([1, 2]), polars.DataFrame({"a": [1, 2]})
    column, columns = pyarrow.array([1, 2]), pyarrow.table({"a": [1, 2]})
    for value in (series, frame, series.index, few, table, table.lazy(), column, columns):
        with pytest.raises(errors.Unsupported) as raised:
            linkspan_remote.encode({"v": value})
        library = type(value).__module__.partition(".")[0]
        assert str(raised.value).startswith(f"v: {library}.") and "to_numpy()" in str(raised.value), raised.value
    names = {"series": series, "frame": frame}
    given = ["series.to_numpy()", "{name: frame[name].to_numpy() for name in frame}"]
    for form in given:
        linkspan_remote.encode(eval(form, dict(names)))
    linkspan_remote.encode([few.to_numpy(), table.to_dict(as_series=False), column.to_numpy(), columns.to_pydict()])
    readme = (ROOT / "clients/python-remote/README.md").read_text()
    for library, instead in forms._INSTEAD.items():
        row = next(line for line in readme.splitlines() if line.lower().startswith(f"| {library}"))
        assert all(form in row for form in instead.split(", or ")), row


def chosen(chance: random.Random, levels: int) -> Any:
    """Returns a random value, mostly near a limit or of a rare type."""
    kind = chance.randrange(9 if levels else 7)
    if kind == 0:
        return chance.choice([-1, 1]) * (1 << chance.choice([63, 64, 65, 1023, 8191, 8192])) + chance.randrange(-1, 2)
    if kind == 1:
        digits = "".join(chance.choice("019") for _ in range(chance.choice([1, 2, 1023, 1024, 1025])))
        return Decimal(f"{chance.choice(['', '-'])}{digits}E{chance.choice([0, -3, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]) + chance.randrange(-1025, 3)}")
    if kind == 2:
        return Decimal(chance.choice(["NaN", "-NaN", "sNaN", "NaN7", "Infinity", "-Infinity", "-0.00", "1.50"]))
    if kind == 3:
        shape = [chance.choice([0, 1, 1, 1, 2]) for _ in range(chance.choice([0, 1, 2, 15, 16]))]
        dtype = chance.choice(["?", "i1", ">i2", "u8", "f2", ">f4", "f8", "c8", "g", "U2", "S2", "V2", "O", "M8[s]", "M8[ps]", "M8[Y]", "m8[ns]", "m8[M]", "i4,U2", "M8"])
        array = numpy.zeros(shape, dtype, order=chance.choice(["C", "F"]))  # type: ignore[call-overload]
        masked = numpy.ma.array(array, mask=chance.choice([False, True])) if chance.random() < 0.1 and array.dtype.names is None else array
        return masked[()] if chance.random() < 0.3 else masked
    if kind == 4:
        unit = chance.choice(["Y", "M", "W", "D", "s", "ms", "ns", "ps", "as"])
        return getattr(numpy, chance.choice(["datetime64", "timedelta64"]))(chance.choice([0, 1, -1, 999, 2**40, -(2**62), 2**63 - 1]), unit)
    if kind == 5:
        return chance.choice([pandas.NaT, pandas.NA, Colour.RED, Loud("x"), "\ud800", object(), 1j, numpy.str_("x"), numpy.longdouble(1), numpy.float16(2)])
    if kind == 6:
        return chance.choice([numpy.zeros((), RECORD)[()], (ctypes.c_long * 2)(), ctypes.c_int(5), ctypes.c_wchar("a"), array_of(chance), memoryview(b"ab")[::-1]])
    if kind == 7:
        return [chosen(chance, levels - 1) for _ in range(chance.randrange(3))]
    return {chance.choice("abc"): chosen(chance, levels - 1) for _ in range(chance.randrange(3))}


def array_of(chance: random.Random) -> Any:
    return array.array(chance.choice("bBhHiIlLqQfd"), [1, 2])


def test_random_values_are_encoded_or_refused_as_by_the_module_and_taken_by_its_decoder() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    encoded = 0
    for _ in range(5_000):
        value = chosen(chance, 2)
        here, there = said_by(linkspan_remote.encode, value), said_by(linkspan.encode, value)
        assert here == there, (value, here, there)
        if isinstance(here, bytes):
            linkspan.decode(here)
            linkspan_remote.decode(here)
            encoded += 1
    assert 1_000 < encoded < 4_500, encoded


class Fails(collections.abc.Mapping):  # type: ignore[type-arg]
    """A map that fails on reading or reports a wrong length."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        if self.error is not None:
            raise self.error
        return iter(["a", "b"])

    def __len__(self) -> int:
        return 5


class Endless:
    @property
    def __linkspan_value__(self) -> Any:
        return lambda: self


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError


class Lies(collections.abc.Sequence):  # type: ignore[type-arg]
    def __getitem__(self, at: Any) -> Any:
        if at > 1:
            raise IndexError
        return at

    def __len__(self) -> int:
        return 7


class Zone(datetime.tzinfo):
    def utcoffset(self, when: object) -> datetime.timedelta:
        raise KeyError("no zone")


@pytest.mark.parametrize(
    "value", [Fails(ValueError("torn")), Fails(RecursionError()), Fails(Mute()), Endless(), datetime.datetime(2026, 1, 1, tzinfo=Zone())],
    ids=["fails", "deep", "mute", "endless", "zone"],
)  # fmt: skip
def test_an_exception_of_an_object_is_unsupported_with_its_path(value: Any) -> None:
    with pytest.raises(errors.Unsupported) as raised:
        linkspan_remote.encode({"a": [0, value]})
    assert str(raised.value).startswith("a/1: it cannot be read: ") and raised.value.__cause__ is not None
    with pytest.raises(errors.OutOfMemory):
        linkspan_remote.encode({"a": Fails(MemoryError())})
    with pytest.raises(KeyboardInterrupt):
        linkspan_remote.encode({"a": Fails(KeyboardInterrupt())})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00+05:60", "2026-03-01T12:00:00+05:99", "2026-03-01T12:00:00-00:60", "２０２６-03-01T12:00:00Z", "2026-03-01T12:00:00.\u0665Z"])
def test_times_with_other_digits_or_sixty_minutes_of_offset_are_refused_as_by_the_module(text: str) -> None:
    with pytest.raises(linkspan.Malformed):
        linkspan.Timestamp.parse(text)
    with pytest.raises(errors.Malformed):
        linkspan_remote.Timestamp.parse(text)


def test_lengths_are_those_of_what_came_and_keys_come_once() -> None:
    assert linkspan_remote.decode(linkspan_remote.encode([Fails(None), Lies()])) == [{"a": 1, "b": 1}, [0, 1]]

    class Other(str):
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(errors.Unsupported) as raised:
        linkspan_remote.encode({Other("a"): 1, "a": 2})
    assert "two keys are 'a'" in str(raised.value)


def test_arrays_of_its_own_class_are_checked_as_the_decoder_checks_them() -> None:
    of = linkspan_remote.NdArray
    assert linkspan_remote.decode(linkspan_remote.encode(of(bytes(16), "c64", (2,)))).shape == (2,)
    cases: list[tuple[type[Exception], tuple[Any, ...]]] = [
        (errors.Malformed, (b"x", "u8", (5,))), (errors.Unsupported, (b"x", "u9", (1,))), (errors.OutOfRange, (bytes(8), "f64", (-1, -1))),
        (errors.WrongType, (b"x", "u8", (1.5,))), (errors.WrongType, ("x",)), (errors.Unsupported, (b"x", "u8", (1,), "C")),
        (errors.TooLarge, (b"x", "u8", (1,) * 16)), (errors.TooLarge, (b"", "u8", (0, 2**33, 2**33))), (errors.TooLarge, (b"", "f64", (2**62,))),
    ]
    for kind, words in cases:
        with pytest.raises(kind):
            of(*words)


def test_bad_value_is_the_error_of_its_call_and_calls_of_others_are_answered(bench: Bench) -> None:
    """Before, the gateway's decoder ended the connection and every call under way."""
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    connect = lambda: linkspan_remote.connect(gateway.address, token=token, timeout=PATIENCE)  # noqa: E731
    with connect() as lab, connect() as other, other.serve("ui/slow") as server, lab.publisher("ui/bad") as out:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(lab.call("ui/slow", 1, timeout=PATIENCE).value))
        thread.start()
        request = server.next(timeout=PATIENCE)
        assert request is not None
        bad = [Decimal("sNaN"), Decimal("NaN5"), Decimal("1E+9999999999"), numpy.zeros((1,) * 16), -(2**8192), MASKED]
        for value in bad:
            for send in (out.send, lambda value: lab.call("ui/slow", value)):
                with pytest.raises((errors.Unsupported, errors.TooLarge)) as raised:
                    send({"v": value})
                assert not raised.value.retryable and str(raised.value).startswith("v: "), raised.value
        for number, value in enumerate([Decimal("1.5E+2147483647"), numpy.zeros((1,) * 15), -(2**8192 - 1), Fails(None), Decimal("1" * limits.DIGITS)], 1):
            assert out.send({"v": value}) == number
        with request:
            request.reply("done")
        thread.join(PATIENCE)
        assert answers == ["done"] and lab._link.generation == 1


SECRET = "s3cret"


@pytest.mark.parametrize(
    "address",
    [
        "ws://h:1/?token=s3cret&a=s3cret", "ws://user:s3cret@h", "ws://:s3cret@h", "user:s3cret@h", "ws://user:s3cret/x@h", "ws://user:s3cret?x@h", "ws://user:s3cret#x@h",
        "ws://[::1/?token=s3cret", "ws://h:s3cret@x:port", "ftp://a?token=s3cret", "ftp://a#token=s3cret", "ws://u:s3cret\u2100@h", "s3cret@h://x", "ws://a:s3cret://x@h?x",
        "ws://h:port/?token=a@s3cret", b"ws://u:s3cret@h",
    ],
)  # fmt: skip
def test_address_in_a_text_hides_what_may_be_secret(address: Any) -> None:
    with pytest.raises((errors.InvalidEndpoint, errors.WrongType)) as raised:
        linkspan_remote.connect(address, token="x")
    assert SECRET not in str(raised.value) and "ws://HOST:PORT" in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_the_viewers_form_of_an_address_has_a_token(bench: Bench) -> None:
    gateway = bench.gateway()
    host = gateway.address.partition("#")[0].rstrip("/")
    with linkspan_remote.connect(f"{host}/?token={gateway.token}", timeout=PATIENCE) as lab:
        assert gateway.token not in repr(lab) and lab.rights["read"] == ["*"]
    with pytest.raises(errors.PermissionDenied) as refused_one:
        linkspan_remote.connect(f"{host}/?token={'x' * 40}", timeout=PATIENCE)
    assert "x" * 40 not in str(refused_one.value)
