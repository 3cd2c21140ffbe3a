"""A recorder records the program that takes a name later, after any outcome of its first attempts."""

from pathlib import Path

import pytest
from conftest import Lab, ended, sent
from support import obstacles
from support.waiting import until

SOCKETS = {obstacle.__name__: obstacle for obstacle in obstacles.ALL}


@pytest.mark.costly
@pytest.mark.parametrize("met", SOCKETS)
@pytest.mark.parametrize("names", [["{0}"], ["lab/other", "{0}"], ["lab/*"]], ids=["a name", "a list", "a pattern"])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_recorder_wakes_for_the_next_publisher(lab: Lab, transport: str, names: list[str], met: str) -> None:
    name = f"{transport}:lab/x"
    with SOCKETS[met](Path(lab.env["LINKSPAN_DIR"], f"lab@x.{transport}")) as has_met:
        recorder = lab.record(*[each.format(name) for each in names], "-o", "a.mcap", "--messages", "3")
        until("the recorder has begun", (lab.folder / "a.mcap").exists)
        until("it has met that", lambda: has_met is None or has_met.is_set())
    publisher = lab.publisher(name, 3)
    sent(publisher)
    ended(recorder)
    publisher.communicate("")
    assert lab.info("a.mcap")["names"]["lab/x"]["messages"] == 3
