"""Killing and restarting each of four programs: the page shows it, and the others continue."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import PARTS, PATIENCE, ROOT, children
from support.limits import within

OBSERVATORY = ROOT / "examples/observatory"

# Expressions that change while each program works.
CHANGING = {
    "sensors": "histories.cpu.length && document.querySelector('#network b').textContent",
    "seismogram": "wave.last",
    "spectrum": "trigger.last",
    "statistics": "[...document.querySelectorAll('#network dd, #disk dd')].map(dd => dd.textContent).join()",
}


def wait_for_change(seen, part):
    before = seen.page.evaluate(CHANGING[part])
    seen.wait(f"before => ({CHANGING[part]}) !== before", before)


@pytest.mark.parametrize("part", PARTS)
def test_killed_program_is_shown_as_missing_and_recovers(live, observatory, part):
    before = observatory.pids()
    assert set(before) == {*PARTS, "page"}
    wait_for_change(live, part)
    os.kill(before[part], signal.SIGKILL)
    live.wait_state(part, "missing")
    name = live.page.get_attribute(f"[data-part={part}]", "data-name")
    live.wait("text => document.querySelector('#summary').textContent.startsWith(text)", f"{name} has been missing since")
    states = {p: live.page.get_attribute(f"[data-part={p}]", "data-state") for p in PARTS if p != part}
    assert "missing" not in states.values()
    live.screenshot(f"{part}-missing")

    observatory.start_missing()
    live.wait_state(part, "back")
    live.wait("text => document.querySelector('#summary').textContent.startsWith(text)", f"{name} has been back since")
    for each in PARTS:
        wait_for_change(live, each)
    live.screenshot(f"{part}-back")
    after = observatory.pids()
    assert after.pop(part) != before.pop(part)
    assert after == before, "the others are the same processes as before"
    # The page shows `back` for some seconds; testing one program is enough.
    if part == PARTS[0]:
        live.wait_state(part, "live")


def gateway_of(observatory):
    (found,) = [pid for pid, command in children(observatory.process.pid).items() if Path(command[0]).name == "linkspan-gateway"]
    return found


def test_page_follows_the_gateway_and_says_when_it_does_not_answer(live, observatory):
    before = observatory.pids()
    killed = gateway_of(observatory)
    os.kill(killed, signal.SIGKILL)
    live.wait("() => document.querySelector('#summary').textContent.startsWith('The gateway has not answered since')")
    for part in PARTS:
        live.wait_state(part, "waiting")
    live.screenshot("without-gateway")
    assert observatory.pids() == before
    observatory.start_missing()
    for part in PARTS:
        live.wait_state(part, "live")
        wait_for_change(live, part)
    live.wait("() => document.querySelector('#summary').textContent === 'All four programs are live.'")
    assert gateway_of(observatory) != killed and observatory.pids() == before
    # The scope page's new token is printed.
    with within("the new address of the scope page", PATIENCE):
        while len(set(re.findall(r"scope page is at (\S+)", "".join(observatory.lines)))) < 2:
            observatory.lines.append(observatory.process.stdout.readline())


def test_driver_with_another_unit_is_refused_and_the_page_shows_why(live, observatory, tmp_path):
    pids = observatory.pids()
    words = Path(f"/proc/{pids['seismogram']}/environ").read_bytes().decode().split("\0")
    environment = dict(word.split("=", 1) for word in words if word)
    schema = (OBSERVATORY / "schemas/sensors.schema.toml").read_text()
    wrong = tmp_path / "wrong.schema.toml"
    wrong.write_text(schema.replace('unit = "kBy/s"', 'unit = "By/s"', 1))
    assert wrong.read_text() != schema

    os.kill(pids["sensors"], signal.SIGKILL)
    live.wait_state("sensors", "missing")
    driver = [ROOT / ".venv/bin/python", OBSERVATORY / "sensors.py", wrong]
    process = subprocess.Popen(driver, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        live.wait_state("sensors", "refused")
        why = "readings/network: the unit is By/s there and kBy/s here: 1 By/s is 0.001 kBy/s"
        live.wait("text => document.querySelector('#summary').textContent.includes(text)", why)
        live.screenshot("sensors-refused")
        # Values of the missing program are neither shown nor counted; its subscriber still runs.
        before = live.page.evaluate("histories.cpu.length")
        wait_for_change(live, "seismogram")
        wait_for_change(live, "spectrum")
        assert live.page.evaluate("histories.cpu.length") == before
        assert {p: pid for p, pid in observatory.pids().items() if p != "sensors"} == {p: pid for p, pid in pids.items() if p != "sensors"}
        assert live.page.get_attribute("[data-part=statistics]", "data-state") == "live"
    finally:
        process.kill()
        process.wait(PATIENCE)
    observatory.start_missing()
    live.wait_state("sensors", "back")
    for each in PARTS:
        wait_for_change(live, each)
    live.wait_state("sensors", "live")


def test_form_shows_an_error_when_the_server_is_missing(live, observatory):
    live.wait("() => document.querySelector('#window').textContent !== 'No spectrum yet.'")
    os.kill(observatory.pids()["spectrum"], signal.SIGKILL)
    live.wait_state("spectrum", "missing")
    live.page.fill("#length", "512")
    live.page.press("#length", "Enter")
    live.wait("() => document.querySelector('#answer').dataset.state === 'error'")
    assert "observatory/spectrum" in live.text("#answer")
    observatory.start_missing()
    live.wait_state("spectrum", "back")
    # A new spectrum proves enough received samples.
    before = live.page.evaluate("spectrum.data[1][5]")
    live.wait("before => spectrum.data[1][5] !== before", before)
    live.page.press("#length", "Enter")
    live.wait("() => document.querySelector('#answer').dataset.state === 'answer'")


def test_page_opened_while_all_programs_are_missing_fills_when_they_start(view, observatory):
    for part in PARTS:
        os.kill(observatory.pids()[part], signal.SIGKILL)
    seen = view()
    for part in PARTS:
        seen.wait_state(part, "missing")
    observatory.start_missing()
    for part in PARTS:
        seen.wait_state(part, "back")
        wait_for_change(seen, part)
