"""Recordings in the scope page: dropped or opened, any speed and time, losses, damage, compression."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import unicodedata
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import linkspan
import numpy as np
import pytest
from conftest import Bench, Gateway, go
from mcap.writer import CompressionType, Writer
from playwright.sync_api import Browser, Page, expect
from support.recordings import written
from support.tree import DEBUG, PROGRAM
from support.waiting import PATIENCE, next_line, until
from test_scope import SHOTS, Scope, browser  # noqa: F401

RECORD = DEBUG / "linkspan-record"
#: Publishes numbers with a unit, images, texts, HTML-like text, and the name in JSON.
LAB = """
import sys
import time
import numpy as np
import linkspan
SCHEMA = 'name = "lab.reading"\\n[fields.celsius]\\ntype = "f64"\\nunit = "Cel"\\n'
with (linkspan.publisher("lab/temperature", schema=SCHEMA) as temperature, linkspan.publisher("lab/camera") as camera,
      linkspan.publisher("lab/log", encoding="json") as log, linkspan.publisher("lab/smile", encoding="smile") as smile):
    print("there", flush=True)
    sys.stdin.readline()
    for i in range(200):
        temperature.send({"celsius": i * 0.5})
        log.send(f"line {i} <script>alert(1)</script>")
        if i % 20 == 0:
            camera.send(np.full((16, 24), i, np.uint16))
            smile.send(i)
            time.sleep(float(sys.argv[1]))
    print("sent", flush=True)
    sys.stdin.readline()
"""


def peers(bench: Bench) -> dict[str, int]:
    told = map(json.loads, bench.command(PROGRAM, "ls", "--json").splitlines())
    return {one["endpoint"].removeprefix("shm:"): one["peers"] or 0 for one in told}


def recorded(bench: Bench, *names: str) -> None:
    until("the recorder has the names", lambda: all(peers(bench).get(name, 0) for name in names))


def record(bench: Bench, *words: str, pause: float = 0.0) -> Path:
    file = bench.folder / "run42.mcap"
    publisher = bench.python(LAB, pause)
    recorder = bench.start(RECORD, "record", "lab/*", "-o", file, "--messages", "420", "--quiet", *words)
    recorded(bench, "lab/temperature", "lab/camera", "lab/log", "lab/smile")
    go(publisher)
    assert recorder.wait(PATIENCE) == 0, recorder.communicate()[1]
    return file


def dropped(page: Page, *files: Path, begin: int = 0) -> None:
    given = [[file.name, base64.b64encode(file.read_bytes()[begin:]).decode()] for file in files]
    page.evaluate(
        """(files) => {
            const carried = new DataTransfer();
            for (const [name, text] of files) carried.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
            for (const type of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        given,
    )


@pytest.fixture
def gateway(bench: Bench) -> Iterator[Gateway]:
    yield bench.gateway()


def drawn(scope: Scope, panel: int) -> list[float]:
    return scope.page.evaluate(f"(() => {{ const {{ series }} = scope.panels[{panel}].lines[0]; return [...series.values.slice(0, series.end)]; }})()")


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_dropped_recording_plays_every_message_at_any_speed_and_from_any_time(bench: Bench, gateway: Gateway, browser: Browser, compression: str) -> None:  # noqa: F811
    file = record(bench, "--compression", compression)
    scope = Scope(browser, gateway, ["time~lab/temperature", "image~lab/camera", "log~lab/log"])
    page = scope.page
    dropped(page, file)
    expect(page.get_by_role("region", name="Recording")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("run42.mcap: 420 messages of 4 names")
    page.get_by_label("Speed").select_option("1/10")
    scope.until("scope.player.position >= scope.player.recording.end || scope.player.position > scope.player.recording.begin")
    page.get_by_label("Speed").select_option("1000")
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 200")
    with linkspan.Recording(file) as recording:
        told = [message.value for message in recording.messages("lab/temperature")]
    assert drawn(scope, 0) == [one["celsius"] for one in told] == [i * 0.5 for i in range(200)]
    scope.until("scope.panels[0].plot.unit === 'Cel'")
    assert page.evaluate("scope.panels[2].body.childElementCount") == 200
    assert "line 199 <script>alert(1)</script>" in page.locator(".log").inner_text()
    scope.until("scope.panels[1].array?.data[0] === 180")
    expect(page.get_by_role("img", name="Image of lab/camera: u16 16 × 24, 180 to 180")).to_be_visible()
    # The table lists every name, and the reason if the page cannot decode it.
    table = page.locator("#names")
    for name in ("lab/temperature", "lab/camera", "lab/log", "lab/smile"):
        expect(table.get_by_role("button", name=name, exact=True)).to_be_visible()
    expect(table.locator("tr", has_text="lab/smile")).to_contain_text("a page shows no smile")
    page.screenshot(path=SHOTS / f"scope-recording-{compression}.png", full_page=True)
    # The keyboard moves to the beginning, which shows only the first message, and to the end.
    slider = page.get_by_role("slider", name="Time in the recording")
    slider.focus()
    page.keyboard.press("Home")
    scope.until("scope.player.position === scope.player.recording.begin && scope.panels[0].lines[0]?.series.end < 200")
    assert 1 <= len(drawn(scope, 0)) < 200
    page.keyboard.press("End")
    scope.until("scope.panels[0].lines[0]?.series.end === 200")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d:\d\d:\d\d"))
    page.get_by_role("button", name="Play").press("Enter")
    scope.until("scope.player.isPlaying || scope.player.position === scope.player.recording.end")
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 200")
    page.get_by_role("button", name="Back to what is published now").click()
    expect(page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE * 1000)
    scope.end()


def test_recording_opens_without_a_token_and_by_keyboard_alone(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench)
    context = browser.new_context()
    page = context.new_page()
    page.goto(gateway.address)
    expect(page.locator("#state")).to_contain_text("Open this page by the address")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open recording").press("Enter")
    chooser.value.set_files(file)
    expect(page.locator("#state")).to_contain_text("420 messages of 4 names")
    expect(page.get_by_role("img", name="Against time")).to_be_visible()
    page.get_by_role("button", name="lab/temperature", exact=True).press("Enter")
    expect(page.get_by_role("img", name="Against time")).to_have_count(2)
    unnamed = page.evaluate("[...document.querySelectorAll('button, input, select, [tabindex]')].filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)")
    assert unnamed == []
    context.close()


class Refused(Exception):
    """An ended program: its error output and exit code."""


class Shown(Gateway):
    """`linkspan recording view`: address and token of a page that has only a recording."""

    def __init__(self, bench: Bench, *words: object, through: tuple[object, ...] = ()) -> None:
        self.bench, self.child = bench, bench.start(*through, RECORD, "recording", "view", *words)
        line = next_line(self.child.stdout, "the address of the page").strip()
        if not line:
            raise Refused(self.child.communicate(timeout=PATIENCE)[1], self.child.returncode)
        self.link = line
        self.address, _, behind = line.partition("/#token=")
        self.token, _, rest = behind.partition("&")
        self.port = int(self.address.rsplit(":", 1)[1])
        assert rest == "recording=1" and self.address.startswith("http://127.0.0.1:")


def test_recording_is_viewed_from_the_command_line_with_all_its_parts_and_nothing_else(bench: Bench, browser: Browser) -> None:  # noqa: F811
    file = record(bench, "--split", "4KiB", "--sync", "20ms", pause=0.1)
    parts = sorted(bench.folder.glob("run42*.mcap"))
    assert len(parts) > 2 and parts[-1] == file
    go(bench.publisher("secret/now", 1))
    shown = Shown(bench, file)
    status, listed, _ = shown.request("/api/recording", shown.token)
    assert status == 200 and listed == {"files": [{"name": part.name, "size": part.stat().st_size} for part in [file, *parts[:-1]]]}
    errors: list[str] = []
    for width, scheme in ((1280, "light"), (390, "dark")):
        context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{shown.link}&panel=time~lab/temperature")
        expect(page.locator("#state")).to_contain_text("420 messages of 4 names", timeout=PATIENCE * 1000)
        page.get_by_label("Speed").select_option("1000")
        until("all of it was played", lambda: page.evaluate("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 200"))
        expect(page.locator("#names")).not_to_contain_text("secret")
        # There is no live view to return to. A reload shows the recording again, and the token has left the address.
        expect(page.get_by_role("button", name="Back to what is published now")).to_be_hidden()
        assert shown.token not in page.url and "recording=1" in page.url
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=SHOTS / f"scope-view-{width}-{scheme}.png", full_page=True)
        page.reload()
        expect(page.locator("#state")).to_contain_text("420 messages of 4 names", timeout=PATIENCE * 1000)
        context.close()
    assert errors == []
    # Only a page of this address with the token gets the files; names and other files stay hidden.
    for path in ("/api/recording", "/api/recording/0"):
        for token, headers in ((None, {}), ("0" * 64, {}), (shown.token, {"Origin": "http://evil.example"}), (shown.token, {"Host": "evil.example"}), (shown.token, {"Sec-Fetch-Site": "cross-site"})):
            assert shown.request(path, token, headers=headers)[0] in (401, 403, 421), (path, headers)
        # A token in an address is refused, because logs and histories keep addresses.
        assert shown.request(f"{path}?token={shown.token}")[0] == 403
    for path in (f"/api/recording/{len(parts)}", "/api/recording/-1", "/api/recording/../recording", "/api/recording/%2e%2e%2ftokens.json", "/api/recording/18446744073709551616", "/api/recording/x"):
        assert shown.request(path, shown.token)[0] in (400, 404), path
    for path in ("/api/latest/secret/now", "/api/events?name=*", "/api/events?name=secret/now", "/metrics"):
        assert shown.request(path, shown.token)[0] == 403, path
    assert shown.request("/api/names", shown.token)[:2] == (200, {"names": []})
    # The program ends at the first signal and leaves nothing; no program sees it as a service or a name.
    assert not any("gateway" in name for name in peers(bench))
    assert shown.stop() == ""


def test_recording_that_is_none_or_for_other_machines_is_not_viewed(bench: Bench) -> None:
    (bench.folder / "notes.txt").write_text("no recording")
    file = record(bench)
    for words, kind in [
        (["notes.txt"], ""), (["none.mcap"], "NotFound"), ([bench.folder], "Unsupported"), ([file, "--listen", "0.0.0.0:0"], "PermissionDenied"), ([file, "--listen", "here"], "InvalidEndpoint"),
    ]:
        done = subprocess.run([RECORD, "recording", "view", *words], cwd=bench.folder, env=bench.env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and kind in done.stderr and done.stdout == "", (words, done)
    gateway = bench.gateway()
    status, body, _ = gateway.request("/api/recording", gateway.token)
    assert status == 404 and "linkspan recording view" in str(body)


def test_recording_that_is_written_or_cut_off_meanwhile_is_viewed_as_far_as_it_is(bench: Bench) -> None:
    file = record(bench)
    shown = Shown(bench, file)
    size = file.stat().st_size
    with file.open("ab") as more:
        more.write(b"x" * 1000)
    status, listed, _ = shown.request("/api/recording", shown.token)
    assert status == 200 and listed["files"][0]["size"] == size + 1000
    # The viewer keeps the opened file, not its replacement.
    file.rename(bench.folder / "moved.mcap")
    file.write_text("another one")
    request = urllib.request.Request(f"{shown.address}/api/recording/0", headers={"Authorization": f"Bearer {shown.token}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        assert response.read() == (bench.folder / "moved.mcap").read_bytes()
    with (bench.folder / "moved.mcap").open("ab") as more:
        more.truncate(64 << 20)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        assert len(response.read(1000)) == 1000
        os.truncate(bench.folder / "moved.mcap", 1000)
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    assert shown.stop() == ""


FLOOD = """
import itertools, sys
import linkspan
with linkspan.publisher("lab/a") as out:
    print("there", flush=True)
    sys.stdin.readline()
    for i in range(1, 20_001):
        out.send({"i": i, "body": bytes(2000)})
    print("sent", flush=True)
    for i in itertools.count(20_001):
        sys.stdin.readline()
        out.send({"i": i, "body": b""})
"""


def test_what_the_recorder_missed_is_marked_where_it_happened(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = bench.folder / "missed.mcap"
    publisher = bench.python(FLOOD)
    recorder = bench.start(RECORD, "record", "lab/a", "-o", file, "--buffer", "1MiB", "--quiet")
    recorded(bench, "lab/a")
    recorder.send_signal(signal.SIGSTOP)
    go(publisher)
    assert next_line(publisher.stdout, "the end of publishing") == "sent\n"
    recorder.send_signal(signal.SIGCONT)

    def recorded_numbers() -> list[int]:
        with linkspan.Recording(file) as recording:
            return [message.value["i"] for message in recording.messages()]

    def recorded_one_more() -> bool:
        go(publisher)
        return file.exists() and recorded_numbers()[-1:] > [20_000]

    # A recorder that ends early, or whose buffer is full, has its losses after its last message.
    until("a message behind the flood is in the file", recorded_one_more)
    recorder.terminate()
    recorder.wait(PATIENCE)
    numbers = recorded_numbers()
    assert len(numbers) < 20_000
    scope = Scope(browser, gateway, ["time~lab/a!i"])
    dropped(scope.page, file)
    scope.page.get_by_label("Speed").select_option("1000")
    scope.until(f"scope.panels[0].lines[0]?.series.end === {len(numbers)}")
    marked = scope.page.evaluate("scope.panels[0].lines[0].series.missed.reduce((sum, one) => sum + one, 0)")
    # Losses after the last message have no message to mark.
    assert marked == numbers[-1] - len(numbers) > 0
    scope.end()


def test_files_that_are_damaged_compressed_otherwise_or_none_say_so(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench)
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    state = scope.page.locator("#state")
    none = bench.folder / "none.mcap"
    none.write_bytes(b"<script>alert(1)</script>")
    dropped(scope.page, none)
    expect(state).to_contain_text("none.mcap is no recording")
    whole = file.read_bytes()
    cut = bench.folder / "cut.mcap"
    cut.write_bytes(whole[: whole.index(b"lab/temperature")])
    dropped(scope.page, cut)
    expect(state).to_contain_text("cut.mcap")
    # A flipped bit of a message changes the checksum of its chunk.
    at = whole.index(b"line 100")
    cut.write_bytes(whole[:at] + b"lime" + whole[at + 4 :])
    dropped(scope.page, cut)
    expect(state).to_contain_text("its sum is another one")
    # A killed recorder leaves the file without its last record.
    at = whole.rindex(b"line 199")
    cut.write_bytes(whole[:at])
    dropped(scope.page, cut)
    expect(state).to_contain_text("cut.mcap")
    # The file is whole up to the record after all messages, and lacks its end.
    cut.write_bytes(whole[: whole.rindex(b"\x0f\x04\0\0\0\0\0\0\0")])
    dropped(scope.page, cut)
    expect(state).to_contain_text("cut.mcap: it was not closed: its recorder was killed, or is still at work")
    expect(state).to_contain_text("420 messages")
    dropped(scope.page, file)
    expect(state).not_to_contain_text("not closed")
    expect(state).to_contain_text("420 messages")
    scope.end()


@pytest.mark.parametrize("numbers", [[0] * 6, [2**32 - 1 - i for i in range(6)]], ids=["no numbers", "falling"])
def test_file_of_another_writer_is_played_whole(bench: Bench, gateway: Gateway, browser: Browser, numbers: list[int]) -> None:  # noqa: F811
    file = bench.folder / "other.mcap"
    with file.open("wb") as out:
        writer = Writer(out, compression=CompressionType.LZ4)
        writer.start(profile="")
        points, other = writer.register_channel("lab/points", "json", 0), writer.register_channel("lab/other", "protobuf", 0)
        for i, number in enumerate(numbers):
            for channel, body in ((points, json.dumps({"x": i}).encode()), (other, bytes([8, i]))):
                writer.add_message(channel, (i + 1) * 10**8, body, (i + 1) * 10**8, number)
        writer.finish()
    scope = Scope(browser, gateway, ["time~lab/points"])
    dropped(scope.page, file)
    expect(scope.page.locator("#state")).to_contain_text("other.mcap: 12 messages of 2 names")
    scope.page.get_by_label("Speed").select_option("1000")
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 6")
    assert drawn(scope, 0) == list(range(6))
    # Its losses are unknown.
    assert scope.page.evaluate("[...scope.panels[0].lines[0].series.missed.slice(0, 6)]") == [0] * 6
    scope.end()


def test_chunks_in_zstd_say_how_to_write_others(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench, "--compression", "zstd")
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    dropped(scope.page, file)
    expect(scope.page.locator("#state")).to_contain_text("compressed by zstd")
    many = bench.folder / "many.mcap"
    with many.open("wb") as out:
        writer = Writer(out, chunk_size=100, compression=CompressionType.ZSTD)
        writer.start(profile="")
        channel = writer.register_channel("lab/a", "json", 0)
        for i in range(40):
            writer.add_message(channel, i, b'"' + bytes([97]) * 200 + b'"', i)
        writer.finish()
    dropped(scope.page, many)
    expect(scope.page.locator("#state")).to_contain_text("a file without (40 times)")
    bench.command(RECORD, "recording", "cut", file, "--compression", "none", "-o", bench.folder / "plain.mcap")
    dropped(scope.page, bench.folder / "plain.mcap")
    expect(scope.page.locator("#state")).to_contain_text("420 messages")
    scope.end()


def test_hostile_files_harm_the_page_at_no_place(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    """Changes each byte of a file, many at a time. The page reports the damage or plays the file, and continues."""
    file = record(bench, "--compression", "lz4")
    whole = file.read_bytes()
    seed = int.from_bytes(np.random.bytes(4))
    print(f"seed {seed}")
    draw = np.random.default_rng(seed)
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    changed = [base64.b64encode(bytes(np.where(draw.random(len(whole)) < 3 / len(whole), draw.integers(0, 256, len(whole)), np.frombuffer(whole, np.uint8)).astype(np.uint8))).decode() for _ in range(200)]
    told = scope.page.evaluate(
        """async (files) => {
            const { Recording } = await import("/recording.js");
            const told = [];
            for (const text of files) {
                try {
                    const made = await Recording.open([new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], "a.mcap")]);
                    for (let at = 0; at < made.count; at++) made.message(at);
                    told.push(null);
                } catch (error) { told.push([error.name, error.kind ?? "", error.message]); }
            }
            return told;
        }""",
        changed,
    )
    wrong = [one for one in told if one and one[0] != "LinkspanError"]
    assert not wrong and len(told) == 200, json.dumps(wrong[:5])
    scope.end()


#: Characters that reorder text, are invisible or end a line: raw and as shown.
ODD = "\u202egnp.exe\u2066a\u200bb\ufeff\U000e0041c\x1b[2J\u2028d\x85e"
ESCAPED = "\\u202egnp.exe\\u2066a\\u200bb\\ufeff\\udb40\\udc41c\\u001b[2J\\u2028d\\u0085e"
#: Everything that the page shows, including texts for screen readers.
SEEN = """(() => {
    const found = [];
    for (const one of document.querySelectorAll("*")) {
        for (const name of ["aria-label", "aria-valuetext", "title", "placeholder", "alt"]) if (one.hasAttribute(name)) found.push(one.getAttribute(name));
        for (const child of one.childNodes) if (child.nodeType === Node.TEXT_NODE && one.localName !== "script") found.push(child.data);
    }
    return [...found, ...globalThis.drawn];
})()"""


@pytest.mark.costly
def test_text_that_a_page_would_turn_or_hide_is_shown_escaped_everywhere(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    """Covers names, labels, units, axes, logs, trees, cells and errors. A saved table has the original text."""
    number, log, image = f"lab/n{ODD}", f"lab/l{ODD}", f"lab/i{ODD}"
    notation = f'name = "lab.reading"\n[fields.celsius]\ntype = "f64"\nunit = "C{ODD}"\n'
    file = bench.folder / f"run{ODD.replace(chr(0x1B), '')}.mcap"
    with file.open("wb") as out:
        writer = Writer(out, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        schema = writer.register_schema(f"lab.s{ODD}", "linkspan", notation.encode())
        of = {name: writer.register_channel(name, "cbor", schema, {"linkspan.incarnation": "7" * 16, "linkspan.first": "1"}) for name in (number, log, image)}
        wrong = writer.register_channel(f"lab/w{ODD}", f"smile{ODD}", 0, {})
        for second in range(1, 20):
            values = {number: {"celsius": second * 0.5, f"x{ODD}": second, "text": ODD, f"map{ODD}": {f"key{ODD}": ODD}}, log: f"first {ODD}\n12:00:00 second", image: np.full((4, 4), second, np.uint8)}
            for name, value in values.items():
                writer.add_message(of[name], second * 10**8, linkspan.encode(value), second * 10**8, second)
        writer.add_message(wrong, 2 * 10**9, b"", 2 * 10**9, 1)
        writer.finish()
    scope = Scope(browser, gateway, [])
    page = scope.page
    page.evaluate("""(() => {
        globalThis.drawn = [];
        const draw = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...more) { drawn.push(text); return draw.call(this, text, ...more); };
    })()""")
    dropped(page, file)
    expect(page.locator("#state")).to_contain_text("58 messages of 4 names")
    scope.opened(number)
    for view, name in [("time", number), ("line", number), ("spectrum", number), ("image", image), ("tree", number), ("tree", log), ("log", log), ("log", number), ("image", number)]:
        page.evaluate("([view, name]) => { scope.open({ view, sources: [{ name }] }); }", [view, name])
    page.evaluate("names => { scope.open({ view: 'log', sources: names.map((name) => ({ name })) }); scope.open({ view: 'time', sources: names.map((name) => ({ name })) }); }", [log, number])
    page.get_by_label("Speed").select_option("1000")
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[1]?.series.end === 19 && scope.panels[0].plot.unit && scope.panels.every((panel) => panel.view !== 'log' || panel.body.childElementCount >= 19)")
    page.get_by_label("Add a name to this panel").first.focus()
    page.get_by_role("img", name="Against time").first.focus()
    page.keyboard.press("ArrowLeft")
    scope.until("scope.panels[0].plot.top.ariaLabel.includes('gnp.exe')")
    scope.until("drawn.some((text) => text.includes('gnp.exe'))")
    expect(page.locator("#names")).to_contain_text("a page shows no smile", timeout=PATIENCE * 1000)
    for name in ("n", "l", "i", "w"):
        expect(page.get_by_role("button", name=f"lab/{name}{ESCAPED}", exact=True)).to_be_visible()
    page.get_by_label("Names", exact=True).first.fill("lab/n*")
    expect(page.get_by_role("button", name=f"lab/n{ESCAPED}", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=f"lab/l{ESCAPED}", exact=True)).to_be_hidden()
    page.get_by_label("Names", exact=True).first.fill("")
    wide = page.evaluate("[...document.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 200))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), wide
    seen = page.evaluate(SEEN)
    wrong_ones = [text for text in seen if any(unicodedata.category(c) in ("Cf", "Zl", "Zp") or (unicodedata.category(c) == "Cc" and c not in "\n\t") for c in text)]
    assert not wrong_ones, [ascii(text)[:200] for text in wrong_ones]
    for what in (f"lab/n{ESCAPED}", f"lab.s{ESCAPED}", f"C{ESCAPED}", f"x{ESCAPED}", f"map{ESCAPED}", f"key{ESCAPED}: {ESCAPED}", f"first {ESCAPED}\n12:00:00 second", f"smile{ESCAPED}"):
        assert any(what in text for text in seen), what
    assert any(ESCAPED.replace("\\u001b", "") in text for text in seen if text.startswith("run")), "the name of the file"
    # The second line of a text is indented, so it looks like no other text.
    line, second = page.evaluate("""(() => {
        const row = document.querySelector(".log p"), text = row.lastChild;
        const left = (at) => { const range = document.createRange(); range.setStart(text, at); range.setEnd(text, at + 1); return range.getBoundingClientRect().left; };
        return [row.getBoundingClientRect().left, left(text.data.indexOf("12:00:00"))];
    })()""")
    assert second > line + 10
    page.screenshot(path=SHOTS / "scope-foreign-text.png", full_page=True)
    saved = page.evaluate("scope.panels.map((panel) => panel.table())")
    assert f"lab/n{ODD} x{ODD}" in saved[0] and f"map{ODD}/key{ODD},{ODD}" in saved[4] and f"first {ODD}\n12:00:00 second" in saved[6]
    scope.end()


def test_page_says_which_parts_are_not_there(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    whole = written(bench.folder / "whole.mcap", [("lab/a", {"i": i}) for i in range(40)])
    bench.command(RECORD, "recording", "split", whole, "--at", "10s", "--compression", "none", "-o", bench.folder / "p.mcap")
    first, *others = [bench.folder / "p.mcap", *(bench.folder / f"p.{number:04}.mcap" for number in (2, 3, 4))]
    for folder, part in (("renamed", others[1]), ("copied", first)):
        (bench.folder / folder).mkdir()
        shutil.copy(part, bench.folder / folder / "p.0002.mcap")
    renamed, copied = bench.folder / "renamed/p.0002.mcap", bench.folder / "copied/p.0002.mcap"
    scope = Scope(browser, gateway, ["time~lab/a"])
    for files, said in (
        ([first, *others], None),
        ([first, others[2]], "p.mcap: the recording goes on in 2 parts that are not there"),
        ([first, others[0]], "p.0002.mcap: the recording goes on in p.0003.mcap, which is not there"),
        # The content of a part states its number; the file name does not count.
        ([first, renamed], "p.0002.mcap: it says that it is part 3 of the recording, and is in the place of part 2"),
        ([first, copied, others[1]], "p.0002.mcap: it says that it is part 1 of the recording, which is none that comes here"),
    ):
        dropped(scope.page, *files)
        expect(scope.page.locator("#state")).to_contain_text(f"{(len(files) - files.count(copied)) * 10} messages of 1 names")
        if said is None:
            expect(scope.page.locator("#state")).not_to_contain_text("not there")
        else:
            expect(scope.page.locator("#state")).to_contain_text(said)
    # A part may repeat one message per name from the previous part; other repetitions are shown.
    with (hiding := bench.folder / "q.0002.mcap").open("wb") as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        writer.add_metadata("linkspan.recording", {"id": "6" * 32, "part": "2"})
        channel = writer.register_channel("lab/a", "cbor", 0, {"linkspan.first": "1", "linkspan.repeated": "true"})
        for i in range(1, 6):
            writer.add_message(channel, (2_000 + i) * 10**9, linkspan.encode({"i": i}), 0, i)
        writer.finish()
    dropped(scope.page, first, hiding)
    expect(scope.page.locator("#state")).to_contain_text("14 messages of 1 names")
    expect(scope.page.locator("#state")).to_contain_text("q.0002.mcap: messages of lab/a are said to be repeated where none can be")
    # A publisher may use the name of the recorder's events: its messages count nothing as missed.
    with (named := bench.folder / "events.mcap").open("wb") as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        events = writer.register_channel("linkspan/events", "json", 0, {"linkspan.incarnation": "7" * 16, "linkspan.first": "1"})
        channel = writer.register_channel("lab/a", "cbor", 0, {"linkspan.incarnation": "8" * 16, "linkspan.first": "1"})
        writer.add_message(events, 10**9, b'{"kind": "missed", "name": "lab/a", "count": 7}', 0, 1)
        own = writer.register_channel("linkspan/events", "json", 0, {})
        writer.add_message(own, 10**9 + 1, b'{"kind": "missed", "name": "lab/a", "count": -7}', 0, 1)
        writer.add_message(channel, 2 * 10**9, linkspan.encode(1), 0, 1)
        writer.finish()
    dropped(scope.page, named)
    expect(scope.page.locator("#state")).to_contain_text("2 messages of 2 names")
    assert scope.page.evaluate("[0, 1].map((at) => [scope.player.recording.nameAt(at), scope.player.recording.message(at).missed])") == [["linkspan/events", 0], ["lab/a", 0]]
    scope.end()
