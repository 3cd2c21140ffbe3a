"""Foreign objects are accepted by their protocol or refused with a remedy; classes give schemas."""

import dataclasses
import datetime
import decimal
import enum
import typing
import uuid

import linkspan
import numpy as np
import numpy.typing as npt
import polars
import pyarrow
import pytest
from linkspan import Timestamp
from linkspan.generated import SchemaType
from linkspan.schemas import text_of

NOON = Timestamp.parse("2026-03-01T12:00:00.000000001Z")


def arrives(value):
    return linkspan.decode(linkspan.encode(value))


class ByDlpack:
    def __init__(self, elements, device=(1, 0)):
        self.elements, self.device = np.array(elements), device

    def __dlpack__(self, **how):
        return self.elements.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.device


class ByArray:
    def __init__(self, elements):
        self.elements = elements

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.elements, dtype=dtype)


class ByInterface:
    def __init__(self, elements):
        self.elements = np.array(elements)

    @property
    def __array_interface__(self):
        return self.elements.__array_interface__


class ByStream:
    """A table of neither pyarrow nor polars."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", [ByDlpack, ByArray, ByInterface])
def test_elements_of_another_library_arrive_as_an_array(kind):
    got = arrives({"in": [kind([[1.5, 2.5], [3.5, 4.5]])]})["in"][0]
    assert got.dtype == np.float64 and got.tolist() == [[1.5, 2.5], [3.5, 4.5]]


def test_what_gives_no_elements_is_refused_with_what_to_give():
    with pytest.raises(linkspan.Unsupported, match=r"ByDlpack is on a device: give a copy .* tensor.cpu\(\)") as refused:
        arrives({"a": ByDlpack([1], (2, 0))})
    assert refused.value.path == "a"

    class Refuses(ByDlpack):
        def __dlpack__(self, **how):
            raise BufferError("it requires a gradient")

    with pytest.raises(linkspan.Unsupported, match=r"by DLPack: it requires a gradient; give .* tensor.detach\(\)"):
        arrives(Refuses([1]))
    with pytest.raises(linkspan.Unsupported, match="gives no numbers by numpy.asarray"):
        arrives(ByArray([object()]))


class OfThisOne:
    """Has the attribute on objects but not on the class."""

    def __init__(self, elements):
        self.elements = np.array(elements)
        self.__array_interface__ = self.elements.__array_interface__


class ByOneArray:
    def __init__(self, column):
        self.column = column

    def __arrow_c_array__(self, requested_schema=None):
        return self.column.__arrow_c_array__(requested_schema)


def test_one_column_of_another_library_is_a_column():
    assert arrives(ByOneArray(pyarrow.array([1, 2]))).tolist() == [1, 2]
    assert arrives(ByOneArray(pyarrow.array(["a", None]))) == ["a", None]
    assert arrives(ByOneArray(pyarrow.record_batch({"a": [1, 2]})))["a"].tolist() == [1, 2]
    assert arrives(ByStream(pyarrow.chunked_array([[1], [2, 3]]))).tolist() == [1, 2, 3]
    assert arrives(OfThisOne([[1.5]])).tolist() == [[1.5]]


@pytest.mark.parametrize("given", [
    type("Capsule", (), {"__arrow_c_stream__": lambda self, requested_schema=None: 3})(),
    type("Pair", (), {"__arrow_c_array__": lambda self, requested_schema=None: 3})(),
    type("Raises", (), {"__arrow_c_stream__": lambda self, requested_schema=None: 1 / 0})(),
    type("Device", (), {"__dlpack__": lambda self: 5, "__dlpack_device__": lambda self: None})(),
    type("Fails", (), {"__dlpack__": lambda self: 5, "__dlpack_device__": lambda self: 1 / 0})(),
    type("Fields", (), {"__attrs_attrs__": (5,)})(),
    type("Dumps", (), {"model_fields": {}, "model_dump": lambda self: 1 / 0})(),
    polars.col("a"), polars.lit(1) + 1,
], ids=lambda given: type(given).__name__)
def test_object_that_breaks_its_protocol_is_an_error_of_linkspan(given):
    with pytest.raises(linkspan.Unsupported, match="give ") as refused:
        arrives({"a": [given]})
    assert refused.value.path == "a/0" and type(given).__name__ in str(refused.value)


COLUMNS = {
    "n": [1, 2], "x": [0.5, 1.5], "missing": [1, None], "text": ["a", None], "yes": [True, False], "of": [[1], [2, 3]],
    "at": [datetime.datetime(2026, 3, 1, 12), None],
}
ARRIVED = {**COLUMNS, "at": [Timestamp.parse("2026-03-01T12:00:00Z"), None]}


@pytest.mark.parametrize("table", [
    polars.DataFrame(COLUMNS), pyarrow.table(COLUMNS), pyarrow.record_batch(COLUMNS), ByStream(pyarrow.table(COLUMNS)), ByStream(polars.DataFrame(COLUMNS)),
], ids=["polars", "pyarrow", "batch", "a stream", "a stream of polars"])
def test_table_of_another_library_is_a_map_of_its_columns(table):
    got = arrives(table)
    assert list(got) == list(ARRIVED)
    assert isinstance(got["n"], np.ndarray) and isinstance(got["x"], np.ndarray)
    assert {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in got.items()} == ARRIVED


def test_single_column_is_a_column():
    assert arrives(polars.Series("n", [1, 2])).tolist() == [1, 2]
    assert arrives(polars.Series("n", ["a", None])) == ["a", None]
    assert arrives(pyarrow.array([1, 2])).tolist() == [1, 2]
    assert arrives(pyarrow.chunked_array([["a"], ["b", None]])) == ["a", "b", None]
    nanosecond = pyarrow.array([NOON.nanoseconds], pyarrow.timestamp("ns", tz="Europe/Berlin"))
    assert arrives(nanosecond) == [NOON]
    with pytest.raises(linkspan.Unsupported, match=r"give frame.collect\(\)"):
        arrives(polars.DataFrame(COLUMNS).lazy())
    with pytest.raises(linkspan.Unsupported, match="two columns of a table are called 'a'"):
        arrives(pyarrow.table([[1], [2]], names=["a", "a"]))


class Image:
    __module__ = "PIL.Image"

    def __init__(self, mode, elements):
        self.mode, self.elements = mode, np.array(elements, np.uint8)

    @property
    def __array_interface__(self):
        return self.elements.__array_interface__


DataArray = type("DataArray", (ByArray,), {"__module__": "xarray.core.dataarray"})


class Model:
    model_fields = {"watts": None}

    def __init__(self, watts):
        self.watts = watts

    def model_dump(self):
        return {"watts": self.watts, "twice": 2 * self.watts}


class WithAttrs:
    __attrs_attrs__ = (type("Attribute", (), {"name": "n"})(), type("Attribute", (), {"name": "at"})())

    def __init__(self):
        self.n, self.at = 5, NOON


def test_objects_with_fields_and_images():
    assert arrives(Image("RGB", [[[1, 2, 3]]])).tolist() == [[[1, 2, 3]]]
    with pytest.raises(linkspan.Unsupported, match=r'mode P has no form: give image.convert\("RGB"\)'):
        arrives(Image("P", [[1]]))
    with pytest.raises(linkspan.Unsupported, match=r'give data.to_dict\(data="array"\), .* or data.values'):
        arrives({"x": DataArray([1.0])})
    assert arrives(Model(2.5)) == {"watts": 2.5, "twice": 5.0}
    assert arrives(WithAttrs()) == {"n": 5, "at": NOON}


@pytest.mark.parametrize(("form", "text"), [("", str(NOON)), ("%H:%M", "12:00"), ("%Y-%m-%d", "2026-03-01"), (">40", str(NOON).rjust(40))])
def test_timestamp_is_formatted(form, text):
    assert format(NOON, form) == text


class Mode(enum.StrEnum):
    OFF = "off"
    ON = "on"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 7


@dataclasses.dataclass
class Inner:
    x: np.float32


@dataclasses.dataclass
class PowerReading:
    """One reading.

    Of the meter.
    """

    at: Timestamp
    watts: typing.Annotated[float, SchemaType(unit="W", range=(0, 20000))]
    mode: Mode
    level: Level = Level.LOW
    kind: typing.Literal["a", "b"] = "a"
    wave: npt.NDArray[np.float32] | None = None
    frame: typing.Annotated[np.ndarray, SchemaType(dtype="u8", shape=("h", 3))] | None = None
    inner: Inner | None = None
    items: list[Inner] = dataclasses.field(default_factory=list)
    tags: dict[str, int] = dataclasses.field(default_factory=dict)
    number: int | float = 0.5
    when: datetime.datetime | None = None
    id: uuid.UUID | None = None
    price: decimal.Decimal | None = None
    raw: bytes | None = None
    more: typing.Any = None


SCHEMA = """name = "power_reading"
doc = "One reading."

[fields]
at = { type = "timestamp" }
watts = { type = "f64", unit = "W", range = [0, 20000] }
mode = { type = "enum", values = ["off", "on"] }
level = { type = "i64", range = [1, 7], default = 1 }
kind = { type = "enum", values = ["a", "b"], default = "a" }
wave = { type = "ndarray", dtype = "f32", optional = true }
frame = { type = "ndarray", shape = ["h", 3], dtype = "u8", optional = true }
inner = { type = "record", fields = { x = { type = "f32" } }, optional = true }
items = { type = "list", of = { type = "record", fields = { x = { type = "f32" } } } }
tags = { type = "map", of = { type = "i64" } }
number = { type = "f64", default = 0.5 }
when = { type = "timestamp", optional = true }
id = { type = "uuid", optional = true }
price = { type = "decimal", optional = true }
raw = { type = "bytes", optional = true }
more = { type = "any" }
"""


def test_schema_of_a_dataclass_is_that_of_its_annotations():
    assert text_of("schema", PowerReading) == SCHEMA
    reading = PowerReading(NOON, 5.0, Mode.ON, wave=np.zeros(2, "f4"), inner=Inner(np.float32(1)), items=[Inner(np.float32(2))])
    with linkspan.publisher("unix:lab/schema", schema=PowerReading, validate="send") as out:
        with linkspan.subscribe("unix:lab/schema", schema=PowerReading, validate="receive", timeout=60.0) as reader:
            out.send(reading)
            assert reader.recv()["inner"] == {"x": 1.0}
        with pytest.raises(linkspan.Error, match="watts"):
            out.send(dataclasses.replace(reading, watts=-1.0))
        fields = linkspan.schema("unix:lab/schema")["type"]["fields"]
        assert [field["name"] for field in fields] == [field.name for field in dataclasses.fields(PowerReading)]


def test_schemas_of_other_classes():
    class Some(typing.TypedDict):
        a: int
        b: typing.NotRequired[str]

    assert text_of("schema", Some) == 'name = "some"\n\n[fields]\na = { type = "i64" }\nb = { type = "text", optional = true }\n'

    class Bound:
        def __init__(self, **bounds):
            self.ge, self.le = bounds.get("ge"), bounds.get("le")

    class Field:
        def __init__(self, annotation, *metadata, default=type("PydanticUndefinedType", (), {})(), description=None):
            self.annotation, self.metadata, self.default, self.description = annotation, metadata, default, description

    class Reading:
        model_fields = {
            "watts": Field(float, Bound(ge=0), Bound(le=10), description="power"), "n": Field(int, Bound(ge=0), default=3), "x": Field(float, Bound(ge=0)),
            "name": Field(typing.Optional[str], default=None),
        }

    assert text_of("schema", Reading) == (
        'name = "reading"\n\n[fields]\nwatts = { type = "f64", range = [0, 10], doc = "power" }\n'
        'n = { type = "i64", range = [0, 9223372036854775807], default = 3 }\nx = { type = "f64" }\nname = { type = "text", optional = true }\n'
    )


@pytest.mark.parametrize(("annotation", "part"), [
    ("int | str", "a union of 2 types"), ("list[int | None]", "items that may be None"), ("dict[int, str]", "keys of a map are text"), ("set[int]", "has no form"),
    ("np.ndarray", "an array needs its element type"), ("tuple[int, str]", "a tuple of several types"), ("complex", "has no form"),
])
def test_field_that_a_schema_cannot_describe_is_refused_by_name(annotation, part):
    made = dataclasses.make_dataclass("Made", [("field", eval(annotation))])
    with pytest.raises(linkspan.Unsupported, match=rf"^Made\.field: .*{part}"):
        linkspan.publisher("unix:lab/schema", schema=made)


def test_default_of_what_has_any_type_means_that_it_may_be_left_out():
    made = dataclasses.make_dataclass("Made", [("field", typing.Any, 1)])
    assert text_of("schema", made) == 'name = "made"\n\n[fields]\nfield = { type = "any", optional = true }\n'
    attribute = type("Attribute", (), {"name": "x", "default": 1})
    untyped = type("Untyped", (), {"__attrs_attrs__": (attribute,)})  # attr.ib(1) without an annotation
    with linkspan.publisher("unix:lab/schema", schema=untyped) as out:
        out.send({"x": 1})


@pytest.mark.parametrize(("annotation", "default", "part"), [
    (uuid.UUID, "x", "has no default"), (int, 1.5, ""), (bytes, "x", "base64"), (typing.Literal["a", "b"], "c", "this default does not fit"),
    (Timestamp, "noon", ""), (decimal.Decimal, "x", ""), (typing.Annotated[int, SchemaType(range=(0, 3))], 7, "this default does not fit"),
    (typing.Annotated[float, SchemaType(unit="no unit")], 1.0, "unit"),
])
def test_field_that_the_notation_refuses_is_named_with_its_class(annotation, default, part):
    """The error names no position in a text that the program did not write."""
    inner = dataclasses.make_dataclass("Inner", [("field", annotation, default)])
    outer = dataclasses.make_dataclass("Outer", [("inner", inner)])
    for given in (inner, outer):
        with pytest.raises(linkspan.Unsupported, match=rf"^Inner\.field: .*{part}") as refused:
            linkspan.publisher("unix:lab/schema", schema=given)
        assert "schema:" not in str(refused.value)


def test_arrays_of_this_library_are_taken_by_the_protocols_of_others():
    """Includes arrays received without NumPy and forwarded."""
    for dtype, order in [("f64", "row"), ("f32", "column"), ("u8", "row"), ("c64", "row"), ("i16", "column")]:
        size = np.dtype(dtype.replace("c64", "c8").replace("f64", "f8").replace("f32", "f4").replace("u8", "u1").replace("i16", "i2"))
        expected = np.arange(6).astype(size).reshape((2, 3), order="C" if order == "row" else "F")
        array = linkspan.NdArray(expected.tobytes(order="A"), dtype, [2, 3], order)
        assert np.array_equal(array.__array__(), expected) and np.array_equal(np.from_dlpack(array), expected)
        assert array.__array__(np.dtype("c16")).dtype == np.dtype("c16")
        assert array.__array__(copy=True).flags.writeable and not array.__array__().flags.writeable
        assert array.__dlpack_device__() == (1, 0)
        assert "dltensor" in repr(array.__dlpack__())


def test_class_that_contains_itself_is_refused():
    @dataclasses.dataclass
    class Node:
        next: "list[Node]"

    Node.__annotations__ = {"next": list[Node]}
    with pytest.raises(linkspan.Unsupported, match="contains itself"):
        text_of("schema", Node)


@pytest.mark.parametrize("given", [5, object(), int, [1]])
def test_what_is_no_class_with_fields_is_refused_by_the_name_of_the_option(given):
    for option in ("schema", "reply_schema"):
        with pytest.raises(linkspan.WrongType, match=f"^{option}=") as refused:
            linkspan.serve("unix:lab/schema", **{option: given})
        assert refused.value.path == option
