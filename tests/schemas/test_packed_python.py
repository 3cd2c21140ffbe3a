"""Packed records in generated Python: bytes as in C and C++, checks with a path, and a view of many records in NumPy."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import linkspan
import numpy as np
import pytest
from conftest import HERE, generate, run
from native import echo, library  # noqa: F401, a fixture
from support.modules import loaded
from test_native_packed import PACKED, packed, packed_record  # noqa: F401, a fixture

SCHEMA = HERE / "schemas/packed.schema.toml"


@pytest.fixture(scope="module")
def motor(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The generated module, checked by mypy."""
    [file] = generate("python", SCHEMA, tmp_path_factory.mktemp("motor"))
    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", file.parent / "cache", file, cwd=file.parent)
    return loaded(file)


def state(motor: ModuleType) -> Any:
    """The record of `packed_record`."""
    return motor.MotorState.unpack(bytes(packed_record()))


@pytest.mark.costly
def test_bytes_are_read_and_written_unchanged(motor: ModuleType) -> None:
    read = state(motor)
    assert (read.on, read.at, read.mode, read.speed) == (True, linkspan.Timestamp(-1), motor.MotorStateMode.FAST, -3000)
    assert (read.place.x, read.place.y, read.id.bytes, read.last) == (-0.5, np.pi, bytes(range(16)), 255)
    assert read.waves.tolist() == [1 + 2j, -3j] and read.switches.tolist() == [True, False, True]
    assert read.pack() == bytes(packed_record())
    assert linkspan.encode(read) == linkspan.encode(read.pack())


def test_padding_between_the_fields_is_zero(motor: ModuleType) -> None:
    spoiled = packed_record()
    for at in [*range(1, 8), 17, *range(20, 24), *range(28, 32), *range(76, 80)]:
        spoiled[at] = 0xFF
    assert motor.MotorState.unpack(bytes(spoiled)).pack() == bytes(packed_record())


@pytest.mark.costly
def test_other_languages_read_and_write_the_same_bytes(motor: ModuleType, packed: Path) -> None:  # noqa: F811
    through = linkspan.decode(echo(packed, state(motor).pack()))
    assert motor.MotorState.unpack(through).pack() == bytes(packed_record())


@pytest.mark.parametrize(
    ("change", "kind", "path", "says"),
    [
        ((0, b"\x02"), linkspan.OutOfRange, "on", "truth value"),
        ((16, b"\x03"), linkspan.OutOfRange, "mode", "below 3"),
        ((73, b"\x02"), linkspan.OutOfRange, "switches", "truth value"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_a_path(
    motor: ModuleType, change: tuple[int, bytes], kind: type[linkspan.Error], path: str, says: str
) -> None:
    at, byte = change
    spoiled = packed_record()
    spoiled[at : at + 1] = byte
    with pytest.raises(kind, match=says) as raised:
        motor.MotorState.unpack(bytes(spoiled))
    assert raised.value.path == path


@pytest.mark.parametrize("value", [bytes(79), bytes(81), {"on": True}, None])
def test_bytes_that_are_no_record_are_refused(motor: ModuleType, value: object) -> None:
    with pytest.raises(linkspan.WrongType, match="expected"):
        motor.MotorState.unpack(value)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("last", 256, linkspan.OutOfRange),
        ("speed", 1.5, linkspan.WrongType),
        ("mode", "FAST", linkspan.WrongType),
        ("waves", np.zeros(3, np.complex64), linkspan.WrongType),
        ("at", 5, linkspan.WrongType),
    ],
)
def test_fields_that_do_not_fit_are_not_packed(motor: ModuleType, name: str, value: object, kind: type[linkspan.Error]) -> None:
    record = state(motor)
    setattr(record, name, value)
    with pytest.raises(kind) as raised:
        record.pack()
    assert raised.value.path == name


def test_numpy_views_contiguous_records(motor: ModuleType) -> None:
    dtype = motor.MotorState.numpy_dtype()
    assert dtype.itemsize == 80 and dtype["waves"].shape == (2,)
    assert {name: dtype.fields[name][1] for name in ("on", "at", "mode", "speed", "place", "id", "waves", "switches", "last")} == {
        "on": 0, "at": 8, "mode": 16, "speed": 18, "place": 24, "id": 40, "waves": 56, "switches": 72, "last": 75
    }  # fmt: skip
    block = bytes(packed_record()) * 3
    records, flat = np.frombuffer(block, dtype), np.frombuffer(block, PACKED)
    assert records["place"]["y"].tolist() == flat["y"].tolist() == [np.pi] * 3
    assert records["speed"].tolist() == [-3000] * 3
    assert records["at"][0] == np.datetime64(-1, "ns")


def test_instances_of_other_classes_are_packed_by_their_attributes(motor: ModuleType) -> None:
    class Louder(motor.MotorState):  # type: ignore[misc, name-defined]
        @property
        def last(self) -> int:
            return 7

        @last.setter
        def last(self, value: int) -> None:
            pass

    louder = Louder.unpack(bytes(packed_record()))
    assert type(louder) is Louder and louder.speed == -3000
    assert louder.pack() == bytes(packed_record())[:75] + bytes([7]) + bytes(4)

    class Place(motor.MotorStatePlace):  # type: ignore[misc, name-defined]
        x = 2.5

    record = state(motor)
    record.place = Place.__new__(Place)
    record.place.y = np.pi
    assert np.frombuffer(record.pack(), PACKED)["x"] == 2.5


def test_integers_are_accepted_for_floats_that_hold_them(motor: ModuleType) -> None:
    record = state(motor)
    record.place.x, record.place.y = 1 << 24, -(1 << 53)
    assert motor.MotorState.unpack(record.pack()).place.y == -(2.0**53)
    record.place.x = (1 << 24) + 1
    with pytest.raises(linkspan.OutOfRange) as raised:
        record.pack()
    assert raised.value.path == "place/x"


def test_missing_attributes_are_the_errors_of_python(motor: ModuleType) -> None:
    record = motor.MotorState.__new__(motor.MotorState)
    with pytest.raises(AttributeError, match="on"):
        record.pack()


def test_packing_leaks_no_references(motor: ModuleType) -> None:
    record, block = state(motor), bytes(packed_record())
    at, place = record.at, record.place
    held = sys.getrefcount(at), sys.getrefcount(place), sys.getrefcount(motor.MotorState), sys.getrefcount(motor.MotorStateMode.FAST)
    for _ in range(1000):
        record.pack()
        motor.MotorState.unpack(block)
    assert held == (
        sys.getrefcount(at), sys.getrefcount(place), sys.getrefcount(motor.MotorState), sys.getrefcount(motor.MotorStateMode.FAST)
    )  # fmt: skip
