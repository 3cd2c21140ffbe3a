"""Each of the four programs is killed and started again: the page says so, and the others go on untouched."""

import os
import signal

import pytest
from conftest import PARTS

# What moves on the page while a part is well.
MOVES = {
    "sensors": "histories.cpu.length && document.querySelector('#network b').textContent",
    "seismogram": "wave.last",
    "spectrum": "trigger.last",
    "statistics": "[...document.querySelectorAll('#network dd, #disk dd')].map(dd => dd.textContent).join()",
}


def moves(seen, part):
    before = seen.page.evaluate(MOVES[part])
    seen.wait(f"before => ({MOVES[part]}) !== before", before)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_is_missed_and_comes_back(live, observatory, part):
    before = observatory.pids()
    assert set(before) == {*PARTS, "page"}
    moves(live, part)
    os.kill(before[part], signal.SIGKILL)
    live.wait_state(part, "missing")
    name = live.page.get_attribute(f"[data-part={part}]", "data-name")
    live.wait("text => document.querySelector('#summary').textContent.startsWith(text)", f"{name} is missing since")
    states = {p: live.page.get_attribute(f"[data-part={p}]", "data-state") for p in PARTS if p != part}
    assert "missing" not in states.values()
    live.picture(f"{part}-missing")

    observatory.start_missing()
    live.wait_state(part, "back")
    live.wait("text => document.querySelector('#summary').textContent.startsWith(text)", f"{name} is back since")
    for each in PARTS:
        moves(live, each)
    live.picture(f"{part}-back")
    after = observatory.pids()
    assert after.pop(part) != before.pop(part)
    assert after == before, "the others are the same processes as before"
    live.wait_state(part, "live")


def test_the_form_says_when_nobody_answers(live, observatory):
    live.wait("() => document.querySelector('#window').textContent !== 'No answer yet.'")
    os.kill(observatory.pids()["spectrum"], signal.SIGKILL)
    live.wait_state("spectrum", "missing")
    live.page.fill("#length", "512")
    live.page.press("#length", "Enter")
    live.wait("() => document.querySelector('#answer').dataset.state === 'error'")
    assert "observatory/spectrum" in live.text("#answer")
    observatory.start_missing()
    live.wait_state("spectrum", "back")
    # It has heard enough for a spectrum again once there is a new one.
    before = live.page.evaluate("spectrum.data[1][5]")
    live.wait("before => spectrum.data[1][5] !== before", before)
    live.page.press("#length", "Enter")
    live.wait("() => document.querySelector('#answer').dataset.state === 'answer'")


def test_a_page_that_opens_while_all_are_missing_fills_when_they_come(view, observatory):
    for part in PARTS:
        os.kill(observatory.pids()[part], signal.SIGKILL)
    seen = view()
    for part in PARTS:
        seen.wait_state(part, "missing")
    observatory.start_missing()
    for part in PARTS:
        seen.wait_state(part, "back")
        moves(seen, part)
