"""Recorded names of another machine, with machine and network losses."""

import json
import signal
import subprocess
from pathlib import Path

from conftest import SOON, kill, publish
from mcap.reader import make_reader
from support.waiting import until


def test_names_of_another_machine_are_recorded_with_it_and_with_what_was_lost_on_the_way(machines, meeting, tmp_path: Path) -> None:
    north, south = machines("north"), machines("south")
    exports = ("--export", "lab/*", *meeting.listen())
    exporting = north.bridge(*exports)
    south.bridge("--import", "lab/*", *meeting.connect())
    publisher = north.publisher("lab/count")
    publish(publisher, 0)
    south.has("lab/count")
    file = tmp_path / "run.mcap"
    recorder = south.start("record", "lab/*", "-o", file, "--sync", "0.1", "--quiet", stdin=subprocess.DEVNULL)
    until("the recorder writes", file.exists)

    def counted() -> dict[str, int]:
        return json.loads(south.run("recording", "info", file, "--json"))["names"].get("lab/count", {"messages": 0, "missed": 0})

    publish(publisher, *range(1, 101))
    until("a hundred are recorded", lambda: counted()["messages"] == 101)
    kill(exporting)
    until("the name goes with the bridge", lambda: south.listed("lab/count") is None)
    publish(publisher, *range(101, 111))
    north.bridge(*exports)
    south.has("lab/count")
    publish(publisher, *range(111, 121))
    until("each message was recorded or missed", lambda: counted()["messages"] + counted()["missed"] == 121)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(SOON) == 0
    found = counted()
    assert found["missed"] > 0 and found["messages"] > 101, found
    said = south.run("recording", "check", file)
    assert said.startswith(f"complete: {found['messages']} messages, {found['missed']} missed"), said
    with file.open("rb") as stream:
        channels = [channel for _, channel, _ in make_reader(stream).iter_messages(["lab/count"])]
    assert channels and {channel.metadata.get("linkspan.machine") for channel in channels} == {"north"}, [channel.metadata for channel in channels][:3]
    lines = south.run("recording", "export", file, "--csv").splitlines()
    assert all(line.split(",")[3].endswith("@north") for line in lines[1:]), lines[:3]
