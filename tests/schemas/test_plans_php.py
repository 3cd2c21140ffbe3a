"""PHP: `decode` by a plan equals `fromWire`, errors included; an instance is sent as its `toWire`."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import linkspan
import pytest
from cases import CASES, REFUSED
from conftest import HERE, SCHEMA, generate, php_command
from test_plans import changed

SOON = 60.0


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("php-plans")
    generate("php", SCHEMA, out)
    return out


@pytest.fixture(params=["cbor", "json", "bson", "smile"])
def peer(request: pytest.FixtureRequest, generated: Path) -> Iterator[linkspan.Channel]:
    endpoint = f"unix:php-plans/{request.param}"
    command = [*php_command(), str(HERE / "peers/plans.php"), endpoint]
    process = subprocess.Popen(command, env={**os.environ, "GENERATED": str(generated)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        channel = linkspan.connect(endpoint, encoding=request.param, timeout=SOON)
        yield channel
        channel.call(None)
        channel.close()
    except linkspan.Error:
        process.kill()
        raise
    finally:
        out, err = process.communicate(timeout=SOON)
    assert (process.returncode, out, err) == (0, "ready\n", "")


def answer(peer: linkspan.Channel, value: Any, about: object) -> dict[str, Any]:
    found: dict[str, Any] = peer.call(value).value
    assert found["decoded"] == found["read"], about
    assert found["sent_alike"], about
    return found


def test_php_instances_are_made_by_the_plan_alone(peer: linkspan.Channel) -> None:
    for name, (sent, _) in CASES.items():
        found = answer(peer, sent, name)
        assert found["by_plan"] and found["decoded"].startswith("{"), (name, found)


def test_php_refused_values_have_the_errors_of_from_wire(peer: linkspan.Channel) -> None:
    for name, (sent, *_) in REFUSED.items():
        found = answer(peer, sent, name)
        assert not found["by_plan"] and "Exception" in found["decoded"], (name, found)


def test_php_changed_values_become_what_from_wire_makes_of_them(peer: linkspan.Channel) -> None:
    start = int(os.environ.get("LINKSPAN_SEED") or random.SystemRandom().randrange(2**32))
    by_plan = refused = 0
    for number in range(200):
        value = changed(random.Random(start + number))
        try:
            found = answer(peer, value, f"seed {start + number}: {value}")
        except linkspan.Unsupported:
            continue  # the encoding has no form for it
        by_plan += found["by_plan"]
        refused += not found["decoded"].startswith("{")
    assert by_plan > 0 and refused > 20, (start, by_plan, refused)
