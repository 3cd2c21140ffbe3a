"""linkspan top in a terminal: its display, its keys, and the terminal's state at the end."""

import shlex
from pathlib import Path

import pytest

from conftest import PROGRAM

LOGGER = Path(__file__).with_name("logger.py")
METER = Path(__file__).with_name("meter.py")
TITLE = "linkspan top"


@pytest.fixture
def laboratory(machine, python):
    machine.start(python, METER, "lab/traffic")
    machine.start(PROGRAM, "controller", "--no-tcp", "--quiet")
    machine.start(python, LOGGER, "lab/logger")
    return machine


def row(lines, name):
    """Returns the cells of the line that begins with this name; None if there is none."""
    for line in lines:
        if line.startswith(name):
            return line.split()
    return None


def number(lines, name, column):
    """Returns the number in a cell, by its position from the right or left; 0 if there is none yet."""
    cells = row(lines, name) or []
    try:
        return float(cells[column])
    except (IndexError, ValueError):
        return 0.0


def is_open(lines):
    return bool(lines) and lines[0].startswith(TITLE)


def at_prompt(lines):
    """Returns whether the shell waits for a command; earlier lines also have a prompt."""
    filled = [line.rstrip() for line in lines if line.strip()]
    return not is_open(lines) and bool(filled) and filled[-1] == "ready>"


def test_top_shows_rates_and_states_and_reacts_to_keys(laboratory, terminal):
    terminal.open(100, 30)
    before = terminal("display-message", "-p", "-t", "screen", "#{alternate_on} #{cursor_flag}")
    terminal.write(f"stty -g > {shlex.quote(terminal.words[2])}.before; {PROGRAM} top --every 0.3\n")

    lines = terminal.wait_for(lambda lines: number(lines, "shm:lab/traffic", 5) > 0, "a rate of messages")
    assert is_open(lines)
    assert row(lines, "shm:lab/traffic")[1:3] == ["publish", "meter"]
    assert "ENDPOINT" in lines[1] and "MSG/S" in lines[1] and "BEHIND" in lines[1]
    # From the right, because the current work's time is optional.
    lines = terminal.wait_for(lambda lines: number(lines, "lab/logger", -3) > 0, "a rate of steps")
    assert row(lines, "lab/logger")[1:3] == ["RUNNING", "CONNECTED"]

    laboratory.linkspan("service", "pause", "lab/logger", "--wait")
    terminal.wait_for(lambda lines: (row(lines, "lab/logger") or ["", ""])[1] == "PAUSED", "PAUSED")
    laboratory.linkspan("service", "run", "lab/logger", "--wait")
    terminal.wait_for(lambda lines: (row(lines, "lab/logger") or ["", ""])[1] == "RUNNING", "RUNNING")

    terminal.write("/traff")
    lines = terminal.wait_for(lambda lines: lines[-1].startswith("filter: traff"), "the filter")
    terminal.wait_for(lambda lines: not row(lines, "lab/logger") and row(lines, "shm:lab/traffic"), "one row")
    terminal.press("Enter")
    terminal.wait_for(lambda lines: "only traff" in lines[0], "the filter's name")
    terminal.press("Escape")
    terminal.wait_for(lambda lines: row(lines, "lab/logger"), "all rows")

    terminal.write("s")
    terminal.wait_for(lambda lines: "PATTERN↓" in lines[1], "another order")
    terminal.write("r")
    terminal.wait_for(lambda lines: "PATTERN↑" in lines[1], "the order turned")

    terminal.press("Tab")
    terminal.write("s")
    terminal.wait_for(lambda lines: any("STATE↓" in line for line in lines), "another order below")

    # While it is paused, the display is unchanged.
    terminal.write("p")
    held = terminal.wait_for(lambda lines: "HELD" in lines[0], "HELD")
    laboratory.linkspan("service", "pause", "lab/logger", "--wait")
    assert row(terminal.lines(), "shm:lab/traffic") == row(held, "shm:lab/traffic")
    assert row(terminal.lines(), "lab/logger")[1] == "RUNNING"
    terminal.write("p")
    terminal.wait_for(lambda lines: row(lines, "lab/logger")[1] == "PAUSED", "what came meanwhile")

    terminal.write("?")
    terminal.wait_for(lambda lines: any("q Esc Ctrl-C" in line for line in lines), "the help")
    terminal.write("x")
    terminal.wait_for(lambda lines: not any("q Esc Ctrl-C" in line for line in lines), "the help's end")

    terminal("resize-window", "-t", "screen", "-x", "40", "-y", "10")
    lines = terminal.wait_for(lambda lines: len(lines) == 10 and "PROGRAM" not in lines[1], "a small screen")
    # The terminal may be read while a frame is drawn.
    lines = terminal.wait_for(lambda lines: row(lines, "lab/logger") and row(lines, "ENDPOINT"), "its rows")
    assert row(lines, "lab/logger")[1] == "PAUSED"
    assert row(lines, "ENDPOINT") == ["ENDPOINT", "MSG/S", "BEHIND"]
    terminal("resize-window", "-t", "screen", "-x", "80", "-y", "24")
    terminal.wait_for(lambda lines: len(lines) == 24 and "MESSAGES" in lines[1], "an ordinary screen")

    terminal.write("q")
    terminal.wait_for(at_prompt, "the shell")
    assert terminal("display-message", "-p", "-t", "screen", "#{alternate_on} #{cursor_flag}") == before
    terminal.write(f"stty -g > {shlex.quote(terminal.words[2])}.after; echo ended with $?\n")
    terminal.wait_for(lambda lines: any(line.startswith("ended with 0") for line in lines), "an answer")
    assert Path(terminal.words[2] + ".after").read_text() == Path(terminal.words[2] + ".before").read_text()


def test_top_outlives_its_controller(machine, terminal):
    terminal.open(80, 24)
    terminal.write(f"{PROGRAM} top --every 0.3\n")
    nobody = lambda lines: any("no controller at unix:controller" in line for line in lines)  # noqa: E731
    terminal.wait_for(nobody, "the missing controller")
    controller = machine.start(PROGRAM, "controller", "--no-tcp", "--quiet")
    terminal.wait_for(lambda lines: any(line == "no services" for line in lines), "a controller without services")
    controller.terminate()
    controller.wait()
    terminal.wait_for(nobody, "the missing controller again")
    terminal.press("C-c")
    terminal.wait_for(at_prompt, "the shell")


def test_top_scrolls_many_rows(machine, terminal):
    names = [f"lab/many{n:02}" for n in range(30)]
    for name in names:
        machine.start(PROGRAM, "pub", name, "1")
    terminal.open(60, 16)
    terminal.write(f"{PROGRAM} top --every 0.3\n")
    terminal.wait_for(lambda lines: lines[0].startswith(f"{TITLE}  30 endpoints"), "all of them")
    terminal.press("End")
    terminal.wait_for(lambda lines: row(lines, "shm:lab/many29"), "the last one")
    terminal.press("PPage", "PPage", "PPage", "PPage", "PPage")
    terminal.wait_for(lambda lines: row(lines, "shm:lab/many00"), "the first one")
    terminal.press("Down")
    terminal.write("r")
    terminal.wait_for(lambda lines: row(lines, "shm:lab/many29") and not row(lines, "shm:lab/many00"), "the order turned")
    terminal.press("Escape")
    terminal.wait_for(at_prompt, "the shell")
