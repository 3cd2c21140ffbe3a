"""Edge values in every scope view: long integers, non-finite and complex numbers, null, joined programs."""

import csv
import io
from pathlib import Path

import linkspan
import numpy as np
import pytest
from conftest import Bench, Gateway
from mcap.writer import CompressionType, Writer
from playwright.sync_api import Browser, expect
from test_scope import SHOTS, Scope, browser  # noqa: F401
from test_scope_recording import dropped, gateway  # noqa: F401

#: The time of the first message: its nanoseconds do not fit a float.
FIRST = 1_764_480_000_123_456_789
GREATEST = 2**64 - 1


def write(path: Path, messages: dict[str, list], period: int = 100_000_000, incarnations: dict[str, list[int]] | None = None, losses: dict[int, tuple[str, int]] | None = None) -> Path:
    """Writes a recording with a message per name every `period` nanoseconds.

    `incarnations` names the program that sends each message.
    """
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        events = writer.register_channel("linkspan/events", "json", 0, {})
        channels: dict[tuple[str, int], int] = {}
        for at in range(max(map(len, messages.values()))):
            now = FIRST + at * period
            if losses and at in losses:
                name, count = losses[at]
                writer.add_message(events, now, b'{"kind": "missed", "name": "%s", "count": %d}' % (name.encode(), count), now, at)
            for name, values in messages.items():
                if at >= len(values) or values[at] is ...:
                    continue
                program = (incarnations or {}).get(name, [1] * (at + 1))[at]
                if (name, program) not in channels:
                    channels[name, program] = writer.register_channel(name, "cbor", 0, {"linkspan.incarnation": f"{program:016x}", "linkspan.first": "1"})
                writer.add_message(channels[name, program], now, linkspan.encode(values[at]), now, at + 1)
        writer.finish()
    return path


def played(scope: Scope, file: Path) -> None:
    dropped(scope.page, file)
    expect(scope.page.locator("#state")).to_contain_text("messages of")
    scope.page.get_by_label("Speed").select_option("1000")
    scope.until("scope.player && !scope.player.isPlaying && scope.player.position === scope.player.recording.end")


def saved(scope: Scope, panel: int = 0) -> list[list[str]]:
    return list(csv.reader(io.StringIO(scope.page.evaluate(f"scope.panels[{panel}].table()"), newline="")))


def test_saved_tables_and_legends_have_every_digit(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    numbers = [{"big": GREATEST - i, "float": 0.1 + i / 3, "small": -5e-324 * (i + 1)} for i in range(5)]
    image = np.array([[GREATEST, 1], [2, 3]], np.uint64)
    array = np.array([1 / 3, 1e-17, 12345678.87654321])
    file = write(bench.folder / "digits.mcap", {"lab/n": numbers, "lab/image": [image] * 5, "lab/array": [array] * 5, "lab/long": [GREATEST] * 5})
    scope = Scope(browser, gateway, ["time~lab/n", "image~lab/image", "line~lab/array", "log~lab/n", "tree~lab/n"])
    played(scope, file)
    scope.until("scope.panels[0].lines.length === 3 && scope.panels[0].lines.every(({ series }) => series.end === 5) && scope.panels[1].array && scope.panels[2].lines[0]?.data && scope.panels[4].newest.size")
    head, *rows = saved(scope)
    assert head == ["time", "name", "value", "missed"]
    times = [str(linkspan.Timestamp(FIRST + i * 100_000_000)) for i in range(5)]
    assert [row[0] for row in rows] == times * 3
    assert [int(row[2]) for row in rows[:5]] == [one["big"] for one in numbers]
    assert [float(row[2]) for row in rows[5:]] == [one["float"] for one in numbers] + [one["small"] for one in numbers]
    assert saved(scope, 1) == [[str(GREATEST), "1"], ["2", "3"]]
    assert [float(row[1]) for row in saved(scope, 2)[1:]] == list(array)
    assert [row[0] for row in saved(scope, 3)[1:]] == times and str(GREATEST) in saved(scope, 3)[1][1]
    assert ["lab/n", "big", str(GREATEST - 4)] in saved(scope, 4)
    legend = scope.page.locator("article").first.locator(".legend")
    expect(legend).to_contain_text(str(GREATEST - 4))
    scope.page.get_by_role("img", name="Against time").focus()
    for _ in range(60):
        scope.page.keyboard.press("ArrowLeft")
    scope.until("scope.cursor !== undefined")
    expect(scope.page.get_by_role("img", name=f"Image of lab/image: u64 2 × 2, 1 to {GREATEST}")).to_be_visible()
    expect(scope.page.locator("#names tr", has_text="lab/long")).to_contain_text(str(GREATEST), timeout=30_000)
    scope.end()


#: Whether a box of a plot's data, in screen pixels, has ink.
INKED = """([panel, left, top, right, bottom]) => {
    const { plot } = scope.panels[panel], ratio = plot.ratio;
    const { data } = plot.layers[1].getContext("2d").getImageData(left * ratio, top * ratio, (right - left) * ratio, (bottom - top) * ratio);
    return data.some((part) => part !== 0);
}"""


def test_what_is_not_finite_is_marked_and_has_no_part_in_a_scale(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    inf, nan = float("inf"), float("nan")
    values = [1.0, 2.0, inf, 3.0, nan, 2.0, -inf, 1.0]
    image = np.array([[0.0, 1.0], [inf, nan], [-inf, 0.5]])
    # Several of these elements share a screen column; a peak stands between two NaN.
    dense = np.zeros(100_000)
    dense[49_990:50_010] = nan
    dense[50_000] = 7.0
    line = np.array([1.0, inf, 2.0, nan, 3.0, -inf, 2.0])
    file = write(bench.folder / "odd.mcap", {"lab/n": values, "lab/image": [image] * 8, "lab/dense": [dense] * 2, "lab/line": [line] * 8}, 3_000_000_000)
    scope = Scope(browser, gateway, ["time~lab/n", "image~lab/image", "line~lab/dense", "line~lab/line"])
    played(scope, file)
    scope.until("scope.panels[0].lines[0]?.series.end === 8 && scope.panels[1].array && scope.panels[2].lines[0]?.data && scope.panels[3].lines[0]?.data && scope.panels.every(({ plot }) => !plot || plot.range)")
    for panel in (0, 3):
        scope.until(f"scope.panels[{panel}].plot.range.every(Number.isFinite) && scope.panels[{panel}].plot.range[1] < 4 && scope.panels[{panel}].plot.range[0] > 0")
    # Infinities are at the edges. Below the lower edge this line has nothing else.
    x = scope.page.evaluate("[2, 4, 6].map((at) => { const { plot, lines: [{ series }] } = scope.panels[0]; return plot.x(series.times[at]); })")
    index = scope.page.evaluate("[1, 3, 5].map((at) => scope.panels[3].plot.x(at))")
    height = scope.page.evaluate("scope.panels[0].plot.height")
    edges = [(8, 15), (height - 36, height - 30), (height - 26, height - 22)]
    for panel, places in ((0, x), (3, index)):
        inked = [[scope.page.evaluate(INKED, [panel, place - 3, top, place + 3, bottom]) for top, bottom in edges] for place in places]
        assert inked[0][0] and not inked[0][2] and inked[1][1] and not inked[1][0] and inked[2][2] and not inked[2][0], (panel, inked)
    top = scope.page.evaluate("scope.panels[2].plot.y(7)")
    middle = scope.page.evaluate("scope.panels[2].plot.x(50000)")
    assert scope.page.evaluate(INKED, [2, middle - 2, top - 2, middle + 2, top + 2]), "the peak between two NaN"
    colours = scope.page.evaluate("""(() => { const { data } = scope.panels[1].canvas.getContext("2d").getImageData(0, 0, 2, 3); return Array.from({ length: 6 }, (_, at) => [...data.slice(4 * at, 4 * at + 3)].join()); })()""")
    assert len(set(colours)) == 6 and colours[0] == "68,1,84", colours
    expect(scope.page.get_by_role("img", name="Image of lab/image: f64 3 × 2, 0 to 1; 1 ∞ (red), 1 NaN (grey), 1 −∞ (light blue)")).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    scope.page.screenshot(path=SHOTS / "scope-not-finite.png", full_page=True)
    scope.end()


def test_complex_arrays_are_real_imaginary_and_magnitude(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    array = np.array([3 + 4j, -1j, 2], np.complex64)
    file = write(bench.folder / "complex.mcap", {"lab/c": [array] * 3, "lab/picture": [np.array([[3 + 4j, 0], [1j, 1]])] * 3})
    scope = Scope(browser, gateway, ["line~lab/c", "image~lab/picture"])
    played(scope, file)
    scope.until("scope.panels[0].lines.length && scope.panels[1].array")
    assert scope.page.evaluate("scope.panels[0].lines.map(({ label, data }) => [label, [...data]])") == [["lab/c real", [3, 0, 2]], ["lab/c imaginary", [4, -1, 0]], ["lab/c magnitude", [5, 1, 2]]]
    assert saved(scope)[:2] == [["index", "lab/c real", "lab/c imaginary", "lab/c magnitude"], ["0", "3", "4", "5"]]
    assert saved(scope, 1) == [["5", "0"], ["1", "1"]]
    expect(scope.page.get_by_role("img", name="Image of lab/picture: magnitude of c128 2 × 2, 0 to 5")).to_be_visible()
    scope.end()


def test_panel_whose_first_messages_have_null_shows_the_numbers_that_come(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = write(bench.folder / "null.mcap", {"lab/map": [{"a": None}, {"a": None, "b": 1}, {"a": 2.5, "b": 2}], "lab/one": [None, 5, None]})
    scope = Scope(browser, gateway, ["time~lab/map~lab/one"])
    played(scope, file)
    scope.until("scope.panels[0].lines.length === 3")
    scope.until("scope.panels[0].lines.every(({ series }) => series.end)")
    values = sorted((row[1], row[2]) for row in saved(scope)[1:])
    assert values == [("lab/map a", "2.5"), ("lab/map b", "1"), ("lab/map b", "2"), ("lab/one", ""), ("lab/one", "5")]
    scope.end()


@pytest.mark.parametrize("low, step", [(1e6, 1), (1_764_480_000, 0.25), (2**53 - 100, 1), (-3e12, 1e6), (0, 1e-9), (0, 0.1), (-5, 1), (0, 1e30), (1e-7, 1e-12)])
def test_marks_of_an_axis_are_told_apart(bench: Bench, gateway: Gateway, browser: Browser, low: float, step: float) -> None:  # noqa: F811
    values = [low + step * (i % 5) for i in range(20)]
    scope = Scope(browser, gateway, ["time~lab/n"])
    played(scope, write(bench.folder / "axis.mcap", {"lab/n": values}))
    scope.until("scope.panels[0].plot.marks?.length >= 2 && scope.panels[0].lines[0]?.series.end === 20 && scope.panels[0].plot.range[1] !== 1")
    marks = scope.page.evaluate("scope.panels[0].plot.marks")
    assert len(set(marks)) == len(marks) and max(map(len, marks)) <= 10, marks
    scope.end()


def test_spectrum_has_a_sine_at_its_frequency_with_its_amplitude(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    time = np.arange(3_000)
    real = 2.5 * np.sin(2 * np.pi * 0.125 * time)
    file = write(bench.folder / "sine.mcap", {"lab/real": [real] * 2, "lab/complex": [np.exp(-2j * np.pi * 0.25 * time)] * 2, "lab/long": [np.resize(real, 70_000)] * 2, "lab/odd": [np.append(real, np.nan)] * 2})
    scope = Scope(browser, gateway, ["spectrum~lab/real", "spectrum~lab/complex", "spectrum~lab/long", "spectrum~lab/odd", "logarithmic~lab/real"])
    played(scope, file)
    scope.until("scope.panels.every(({ plot, newest }) => plot.marks && newest.size)")
    for panel, frequency, amplitude in ((0, 0.125, 2.5), (1, -0.25, 1.0)):
        head, *rows = saved(scope, panel)
        assert head == ["cycles per element", "name", "magnitude"]
        found, _, most = max(rows, key=lambda row: float(row[2]))
        assert abs(float(found) - frequency) <= 1 / 4096 and abs(float(most) - amplitude) < 0.1 * amplitude, (found, most)
    cuts = scope.page.locator(".cuts")
    expect(cuts.nth(2)).to_contain_text("the spectrum is of the first 65536 elements")
    expect(cuts.nth(3)).to_contain_text("no spectrum, because an element is not finite")
    assert saved(scope, 4)[0] == ["index", "lab/real"]
    scope.end()
