"""Type checkers find each public name and accept ordinary programs in strict mode."""

import pathlib
import subprocess
import sys

import linkspan
from linkspan import errors
from linkspan._native import error_table

PROGRAM = """
from collections.abc import Iterator

import linkspan
import linkspan.aio


def read(name: str) -> Iterator[float]:
    try:
        with linkspan.connect(name, timeout=1.0, encoding="json") as channel:
            yield float(channel.call({"n": 1}).get("x", 0.0))
    except linkspan.Timeout as error:
        print(error.code, error.endpoint)
    except (linkspan.Remote, linkspan.NotFound, linkspan.Lagged):
        raise


def elements(message: linkspan.Message, array: linkspan.NdArray) -> list[object]:
    return [key for key in message] + [x for x in array] + list(dict(message.items())) + [array[0, 1], "x" in message]


async def ask(name: str) -> linkspan.Message:
    async with await linkspan.aio.connect(name, timeout=2) as channel:
        return await channel.call(1, timeout=None)
"""


def test_typed_exceptions_are_those_of_the_table():
    assert errors.__all__ == ["Error", *(name for _, name, _, _, _ in error_table())]
    assert set(errors.__all__) <= set(linkspan.__all__)
    assert all(hasattr(linkspan, name) for name in linkspan.__all__)


def test_strict_type_checking_takes_the_package_and_a_program(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    above = pathlib.Path(linkspan.__file__).parents[1]
    # mypy finds installed modules automatically, and accepts no other module from their folder.
    here = tmp_path if above.name == "site-packages" else above
    for checked in [["-p", "linkspan"], [str(program)]]:
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", *checked],
            capture_output=True, text=True, cwd=here,
        )
        assert done.returncode == 0, done.stdout + done.stderr
