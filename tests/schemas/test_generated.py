"""Values pass through the generated code of every two languages, both ways, and are unchanged."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from cases import CASES, REFUSED
from conftest import PEERS, SCHEMA, Started, run
from native import FULL, build, library  # noqa: F401, a fixture
from native import LANGUAGES as NATIVE

SERVERS = list(PEERS)
LANGUAGES = [*SERVERS, *NATIVE]
ENCODINGS = ["cbor", "json", "bson", "smile"]
# By day each language is paired with itself, and with Rust in both directions.
PAIRS = [both for both in itertools.product(LANGUAGES, LANGUAGES) if FULL or both[0] == both[1] or "rust" in both]


def canonical(value: Any, orders: bool) -> Any:
    """The value with floats and arrays by their bits, and maps without their order, so that it can be compared. Without
    `orders`, arrays with the same contents in two orders are equal."""
    match value:
        case dict():
            return {key: canonical(each, orders) for key, each in value.items()}
        case list():
            return [canonical(each, orders) for each in value]
        case np.ndarray():
            return ("array", value.dtype.str, value.shape, orders and value.flags.c_contiguous, value.tobytes("C"))
        case float():
            return ("float", np.float64(value).tobytes()) if value == value else "NaN"
        case _:
            return (type(value).__name__, value)


def check(through: Callable[[Any], Any], orders: bool = True) -> None:
    for name, (sent, back) in CASES.items():
        got = canonical(through(sent), orders)
        expected = canonical(back, orders)
        different = [key for key in {**got, **expected} if got.get(key) != expected.get(key)]
        assert not different, f"{name}: {[(key, got.get(key), expected.get(key)) for key in different]}"[:2000]


@pytest.fixture(scope="session")
def echoes(tmp_path_factory: pytest.TempPathFactory, library: Path) -> dict[str, Path]:  # noqa: F811
    """The programs of the compiled languages: `echo IN OUT`."""
    folder = tmp_path_factory.mktemp("echoes")
    return {language: build(SCHEMA, language, folder / language, library, others=False) for language in NATIVE}


def echo(program: Path, value: Any) -> Any:
    before, after = program.parent / "in.cbor", program.parent / "out.cbor"
    before.write_bytes(linkspan.encode(value))
    run(program, before, after)
    return linkspan.decode(after.read_bytes())


@pytest.mark.costly
@pytest.mark.parametrize(("writer", "reader"), PAIRS, ids=map("-".join, PAIRS))
def test_values_from_each_language_to_each(
    writer: str, reader: str, start: Callable[..., Started], echoes: dict[str, Path]
) -> None:
    first, last = f"unix:generated/{writer}-first", f"unix:generated/{reader}-last"
    if writer in SERVERS and reader in SERVERS:
        start(reader, last)
        chain = start(writer, first, following=last)
        check(lambda value: chain.call(value).value)
        return

    def stage(language: str, endpoint: str) -> Callable[[Any], Any]:
        if language in NATIVE:
            return lambda value: echo(echoes[language], value)
        peer = start(language, endpoint)
        return lambda value: peer.call(value).value

    written, read = stage(writer, first), stage(reader, last)
    # Fortran writes arrays in its own order.
    check(lambda value: read(written(value)), orders="fortran" not in (writer, reader))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("language", SERVERS)
def test_values_in_each_encoding(language: str, encoding: str, start: Callable[..., Started]) -> None:
    peer = start(language, f"unix:generated/{language}-{encoding}", encoding)
    check(lambda value: peer.call(value).value)


@pytest.mark.parametrize("language", SERVERS)
def test_values_that_do_not_fit_are_refused(language: str, start: Callable[..., Started]) -> None:
    peer = start(language, f"unix:generated/{language}-refused")
    for name, (value, kind, word) in REFUSED.items():
        with pytest.raises(linkspan.Remote) as raised:
            peer.call(value)
        text = str(raised.value)
        assert raised.value.remote_type == kind and word in text, f"{name}: {raised.value.remote_type} {text}"
