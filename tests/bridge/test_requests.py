"""Requests between machines: answers, failures, nobody there, servers and bridges that are killed."""

import pytest
from conftest import SOON, eventually, free_port, kill


def test_request_is_answered_by_the_other_machine(pair):
    north, south, _ = pair
    north.start("reply", "lab/echo", "--command", "cat")
    south.has("lab/echo")
    assert south.listed("lab/echo")["machine"] == "north"
    for value in ('{"a": [1, 2.5, "x"]}', "7", "null"):
        assert south.run("call", "lab/echo", value, "--json").strip() == value.replace(": ", ":").replace(", ", ",")
    assert eventually(lambda: north.status().get("requests_in") == 3, "they are counted")
    eventually(lambda: south.status().get("requests_out") == 3, "here, too")


def test_failure_of_the_handler_reaches_the_caller(pair):
    north, south, _ = pair
    north.start("reply", "lab/fails", "--shell", "--command", "echo broken >&2; exit 3")
    south.has("lab/fails")
    said = south.run("call", "lab/fails", "1", code=1)
    assert "Remote" in said and "broken" in said


def test_nobody_there_is_not_found_and_no_answer_is_timeout(pair):
    north, south, _ = pair
    assert "NotFound" in south.run("call", "lab/nobody", "1", "-t", "0.5", code=4)
    server = north.start("reply", "lab/slow", "--shell", "--command", "sleep 20")
    south.has("lab/slow")
    assert "Timeout" in south.run("call", "lab/slow", "1", "-t", "0.5", code=3)
    kill(server)
    eventually(lambda: south.listed("lab/slow") is None, "the name goes with its server")
    assert "NotFound" in south.run("call", "lab/slow", "1", "-t", "0.5", code=4)


@pytest.mark.parametrize("which", ["server", "bridge"])
def test_request_under_way_ends_where_its_other_end_is_killed(machines, which):
    north, south, port = machines("north"), machines("south"), free_port()
    bridge = north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    south.bridge("--import", "lab/*", "--peer", f"tcp/127.0.0.1:{port}")
    server = north.start("reply", "lab/slow", "--shell", "--command", "sleep 5")
    south.has("lab/slow")
    caller = south.start("call", "lab/slow", "1", "-t", "20")
    eventually(lambda: north.status().get("requests_in") == 1, "the request has come")
    kill(server if which == "server" else bridge)
    assert caller.wait(SOON) in (1, 4), south.said.read_text()
    assert "Disconnected" in south.said.read_text() or "NotFound" in south.said.read_text()
