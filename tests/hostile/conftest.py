"""Honest programs in a directory, and honest pairs that must keep working next to hostile peers."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# That folder has an independent implementation of the protocol.
sys.path.insert(0, str(HERE.parent / "independent"))

from party import EFFORT, Party  # noqa: E402
from scene import Scene  # noqa: E402
from support.drawn import drawn as some_of  # noqa: E402
from support.tree import PROGRAM  # noqa: E402


def drawn(cases: Iterable[str]) -> list[str]:
    """Returns a random half of the cases, or all if LINKSPAN_HOSTILE asks for more."""
    whole = list(cases)
    return whole if EFFORT > 1 else some_of(whole, len(whole) // 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile")
    (path / "run").mkdir(mode=0o700)
    (path / "state").mkdir(mode=0o700)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return folder / "run"


@pytest.fixture(scope="module")
def party(folder: Path) -> Iterator[Callable[..., Party]]:
    """Starts honest programs; at the end each must be alive with empty standard error."""
    parties: list[Party] = []

    def start(prepare: Callable[[], None] | None = None) -> Party:
        log = folder / f"party-{len(parties)}.log"
        parties.append(Party(folder / "run", folder / "state", log, prepare))
        return parties[-1]

    yield start
    try:
        for one in parties:
            one.check()
    finally:
        for one in parties:
            one.end()


@pytest.fixture(scope="module")
def scene(folder: Path, party: Callable[..., Party]) -> Callable[[str, str], Scene]:
    """Returns the honest pair of a pattern and transport, made once per file."""
    made: dict[tuple[str, str], Scene] = {}

    def of(transport: str, pattern: str) -> Scene:
        if (transport, pattern) not in made:
            made[transport, pattern] = Scene(folder / "run", transport, pattern, party(), party())
        return made[transport, pattern]

    return of


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """A random generator with a printed seed; LINKSPAN_SEED repeats it."""
    seed = int(os.environ.get("LINKSPAN_SEED") or int.from_bytes(os.urandom(4), "little"))
    print(f"LINKSPAN_SEED={seed} runs {request.node.name} again")
    return random.Random(seed)


@pytest.fixture
def linkspan(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state"), **more,
        }
        return subprocess.run(
            [PROGRAM, *words], env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
        )

    return run
