"""Findings of `linkspan doctor` about the bridge, and their remedies."""

import json
import re
import shutil
import subprocess
import time

import pytest
from conftest import PROGRAM, SOON, Machine, free_port, kill, publish
from support.waiting import until
from test_hostile import ROOT, cbor, connected
from test_keys import keys, started


def findings(machine: Machine) -> list[dict]:
    # Problems give exit code 1, which this test does not check.
    done = subprocess.run(
        [str(PROGRAM), "doctor", "--json"], env=machine.env, capture_output=True, text=True, timeout=SOON
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def found(machine: Machine, text: str) -> dict:
    return until(
        f"doctor finds {text!r}", lambda: next((one for one in findings(machine) if text in one["what"]), None)
    )


def test_doctor_reports_an_unreachable_bridge(machines):
    south, port = machines("south"), free_port()
    south.bridge("--import", "lab/*", "--peer", f"tcp/127.0.0.1:{port}")
    finding = found(south, f"the bridge at tcp/127.0.0.1:{port} is not reached: Connection refused")
    assert finding["severity"] == "problem" and "start the bridge there" in finding["remedy"]
    north = machines("north")
    bridge = north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    assert found(south, "the bridge here reaches north")["severity"] == "fine"
    assert found(north, "the bridge here reaches south")["severity"] == "fine"
    kill(bridge)
    found(south, "is not reached")


@pytest.mark.parametrize("meeting", ["nats"], indirect=True)
def test_doctor_reports_an_unreachable_nats_server(machines, meeting):
    south = machines("south")
    south.bridge("--import", "lab/*", *meeting.connect())
    finding = found(south, f"{meeting.server.url} accepts connections, and no other bridge of our realm is known there")
    assert finding["severity"] == "note" and "--realm" in finding["remedy"]
    north = machines("north")
    north.bridge("--export", "lab/*", *meeting.connect())
    assert found(south, "the bridge here reaches north")["severity"] == "fine"
    meeting.server.kill()
    finding = found(south, f"the NATS server at {meeting.server.url} is not reached: Connection refused")
    assert finding["severity"] == "problem" and "start it there" in finding["remedy"]


def test_doctor_notes_listener_without_connections(machines):
    north, port = machines("north"), free_port()
    north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    finding = found(north, f"no other bridge has connected to tcp/127.0.0.1:{port}")
    assert finding["severity"] == "note" and "--peer" in finding["remedy"]


@pytest.mark.parametrize("what", ["another authority", "revoked", "not named"])
def test_doctor_reports_an_untrusted_certificate(machines, tmp_path, what):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        keys("init", folder)
        for machine in ("north", "south"):
            keys("issue", folder, machine)
    north, south, port = machines("north"), machines("south"), free_port()
    if what == "revoked":
        keys("revoke", ours, "south")
        shutil.copy(ours / "revoked", ours / "north.1/revoked")
    trusted = "west" if what == "not named" else "south"
    started(north, "--export", "*", "--listen", f"tls/127.0.0.1:{port}", "--tls", ours / "north.1", "--trust", trusted)
    folder = theirs if what == "another authority" else ours
    started(south, "--import", "*", "--peer", f"tls/127.0.0.1:{port}", "--tls", folder / "south.1", "--trust", "north")
    finding = found(south, f"tls/127.0.0.1:{port} accepts connections, and no bridge")
    assert finding["severity"] == "problem" and "linkspan bridge keys list" in finding["remedy"]


def test_doctor_reports_a_certificate_that_expires(machines, tmp_path):
    authority = tmp_path / "authority"
    keys("init", authority)
    keys("issue", authority, "north", "--days", "5")
    north = machines("north")
    started(north, "--export", "*", "--listen", f"tls/127.0.0.1:{free_port()}", "--tls", authority / "north.1", "--trust", "south")
    finding = found(north, "certificate north.1 expires at")
    assert finding["severity"] == "note" and "linkspan bridge keys issue" in finding["remedy"]
    assert "expires at" in north.log.read_text()


def test_doctor_reports_names_that_are_not_exported(machines):
    north = machines("north")
    north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{free_port()}")
    publish(north.publisher("lab/a"), 1)
    publish(north.publisher("other/b"), 1)
    until("lab/a is exported", lambda: north.status().get("exported") == ["lab/a"])
    finding = found(north, "the bridge does not export other/b")
    assert finding["severity"] == "note" and "--export 'other/b'" in finding["remedy"]
    assert not any("lab/a" in one["what"] for one in findings(north))


def test_doctor_reports_a_name_on_two_machines(pair):
    north, south, _ = pair
    publish(south.publisher("lab/mine"), 1)
    south.has("lab/mine")
    publish(north.publisher("lab/mine"), 2)
    assert found(south, "the bridge does not carry lab/mine")["severity"] == "problem"



def test_doctor_reports_a_clock_that_is_ahead(machines):
    south, port = machines("south"), free_port()
    south.bridge("--import", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    with connected(port) as session:
        token = session.liveliness().declare_token(f"{ROOT}/@alive/publish/fast/7/lab/x")
        south.has("lab/x")
        sent = time.time_ns() + 90_000_000_000
        session.put(f"{ROOT}/lab/x", b"1", encoding="application/json", attachment=cbor({"incarnation": 7, "sequence": 1, "sent": sent}))
        finding = found(south, "the clock of fast is ")
        assert finding["severity"] == "problem" and "NTP" in finding["remedy"]
        seconds = re.search(r"is (\d+\.\d) s ahead", finding["what"])
        assert seconds and 60 < float(seconds[1]) <= 90
        token.undeclare()
