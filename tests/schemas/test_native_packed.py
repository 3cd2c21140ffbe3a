"""Generated C, C++ and Fortran: packed records are kept byte for byte."""

import math
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from native import HERE, LANGUAGES, build, echo, library, refused  # noqa: F401, a fixture

#: In the layout that `linkspan schema show` prints.
PACKED = np.dtype(
    {
        "names": ["on", "at", "mode", "speed", "x", "y", "id", "waves", "switches", "last"],
        "formats": ["?", "<i8", "u1", "<i2", "<f4", "<f8", "V16", ("<c8", 2), ("?", 3), "u1"],
        "offsets": [0, 8, 16, 18, 24, 32, 40, 56, 72, 75],
        "itemsize": 80,
    }
)


@pytest.fixture(scope="session", params=LANGUAGES)
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("packed") / request.param
    return build(HERE / "schemas/packed.schema.toml", request.param, folder, library)


def packed_record() -> bytearray:
    record = np.zeros(1, PACKED)
    values = (True, -1, 2, -3000, -0.5, math.pi, bytes(range(16)), [1 + 2j, -3j], [True, False, True], 255)
    record[0] = values
    return bytearray(record.tobytes())


@pytest.mark.costly
def test_packed_bytes_are_kept_and_padding_is_zero(packed: Path) -> None:
    value = bytes(packed_record())
    assert echo(packed, value) == linkspan.encode(value, "cbor")
    spoiled = bytearray(value)
    for at in [*range(1, 8), 17, *range(20, 24), *range(28, 32), *range(76, 80)]:
        spoiled[at] = 0xFF
    assert echo(packed, bytes(spoiled)) == linkspan.encode(value, "cbor")


@pytest.mark.costly
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda value: value[:79], "80 packed bytes are expected"),
        (lambda value: b"\x02" + value[1:], "truth value"),
        (lambda value: value[:16] + b"\x03" + value[17:], "enum's number"),
        (lambda value: value[:73] + b"\x02" + value[74:], "truth value"),
        (lambda value: {"on": True}, "expected bytes, found a map"),
    ],
    ids=["short", "bool", "enum", "array of bool", "map"],
)
def test_packed_bytes_that_do_not_fit_are_refused(packed: Path, change: Any, says: str) -> None:
    assert says in refused(packed, change(bytes(packed_record())))
