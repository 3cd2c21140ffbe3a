"""The demonstration for viewers: scope page, and a recording that ROS 2 readers decode value by value."""

import json
import re
import subprocess
from pathlib import Path

import linkspan
import numpy
import pytest
from conftest import PATIENCE
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader
from support.limits import within
from support.tree import DEBUG

NAMES = {"observatory/sensors", "observatory/statistics", "observatory/triggers", "observatory/waveform"}


@pytest.mark.costly
def test_scope_page_shows_every_name_of_the_demonstration(observatory, browser):
    with within("the address of the scope page", PATIENCE):
        while not (found := re.findall(r"scope page is at (\S+)", "".join(observatory.lines))):
            observatory.lines.append(observatory.process.stdout.readline())
    context = browser.new_context()
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{found[-1]}&panel=time~observatory/sensors!cpu&panel=line~observatory/waveform!samples")
    for name in NAMES:
        page.get_by_role("table").get_by_role("button", name=name, exact=True).wait_for(timeout=PATIENCE * 1000)
    for what in ("scope.panels[0].lines[0]?.series.end >= 3", "scope.panels[1].lines[0]?.data?.length > 0"):
        with within(what, PATIENCE):
            while not page.evaluate(what):
                page.wait_for_timeout(50)
    context.close()
    assert errors == []


def compared(sent, found, path="message"):
    """Compares a value with a ROS 2 reader's result; returns the number of its parts."""
    match sent:
        case dict():
            of = found.__getitem__ if isinstance(found, dict) else lambda key: getattr(found, key)
            return sum(compared(part, of(key), f"{path}.{key}") for key, part in sent.items())
        case numpy.ndarray():
            assert list(found.shape) == list(sent.shape), path
            assert numpy.array_equal(numpy.array(found.data, sent.dtype).reshape(sent.shape), sent, equal_nan=sent.dtype.kind == "f"), path
            return sent.size
        case list():
            items = getattr(found, "items", found)
            assert len(items) == len(sent), path
            return sum(compared(part, items[at], f"{path}[{at}]") for at, part in enumerate(sent))
        case linkspan.Timestamp() if isinstance(found, dict):
            assert found["sec"] * 10**9 + found["nsec"] == sent.nanoseconds, path
        case linkspan.Timestamp():
            assert found.sec * 10**9 + found.nanosec == sent.nanoseconds, path
        case None:
            return 0
        case float():
            assert found == sent or (found != found and sent != sent), (path, sent, found)
        case _:
            assert found == sent, (path, sent, found)
    return 1


def decoded(reader, name):
    """Returns number and value of each message: CDR, or JSON if a map has no fixed keys."""
    factory = DecoderFactory()
    for schema, channel, message in reader.iter_messages([name]):
        if channel.message_encoding == "json":
            yield message.sequence, json.loads(message.data)
        else:
            assert (channel.message_encoding, schema.encoding) == ("cdr", "ros2msg")
            yield message.sequence, factory.decoder_for("cdr", schema)(message.data)


@pytest.mark.costly
def test_recording_of_the_demonstration_is_decoded_value_by_value(observatory, tmp_path):
    environ = Path(f"/proc/{observatory.pids()['sensors']}/environ").read_bytes().decode().split("\0")
    env = dict(word.split("=", 1) for word in environ if word)
    words = [DEBUG / "linkspan-record", "record", "observatory/*", "-o", "demo.mcap", "--for", "4s", "--quiet"]
    subprocess.run(words, cwd=tmp_path, env=env, check=True, timeout=PATIENCE)
    subprocess.run([DEBUG / "linkspan-record", "recording", "export", "demo.mcap", "--ros2", "-o", "ros2.mcap"], cwd=tmp_path, env=env, check=True, timeout=PATIENCE)
    info = json.loads(subprocess.run([DEBUG / "linkspan-record", "recording", "info", "demo.mcap", "--json"], cwd=tmp_path, env=env, check=True, capture_output=True, timeout=PATIENCE).stdout)
    assert set(info["names"]) == NAMES
    with linkspan.Recording(tmp_path / "demo.mcap") as recording, (tmp_path / "ros2.mcap").open("rb") as file:
        reader = make_reader(file)
        for name in sorted(NAMES):
            sent = [(message.sequence, message.value) for message in recording.messages(name)]
            found = list(decoded(reader, name))
            assert [number for number, _ in sent] == [number for number, _ in found] and len(sent) == info["names"][name]["messages"] > 0
            assert sum(compared(value, other, name) for (_, value), (_, other) in zip(sent, found, strict=True)) > len(sent)
    # A bag reader finds as many messages of each name.
    with Reader(tmp_path / "ros2.mcap") as bag:
        counts = {connection.topic: connection.msgcount for connection in bag.connections}
    assert {name: counts[name] for name in NAMES} == {name: info["names"][name]["messages"] for name in NAMES}
