"""A report in a browser: texts of a recording neither run nor load anything."""

import json
import shutil
import struct

import pytest
from conftest import Lab, ended, sent
from mcap.writer import Writer
from playwright.sync_api import sync_playwright
from support.forged import MAGIC, record, text, texts

import linkspan

#: Texts that would run or load on a page without escaping or policy.
HOSTILE = [
    "<script>window.ran = 'script'</script>",
    "</script><script>window.ran = 'closed script'</script>",
    "</title></style><script>window.ran = 'closed title'</script>",
    "<img src=x onerror=\"window.ran = 'onerror'\">",
    "\" onmouseover=\"window.ran = 'attribute'\" autofocus onfocus=\"window.ran = 'focus'\" x=\"",
    "' onload='window.ran = 1' x='",
    "<svg/onload=window.ran='svg'>",
    "<a href=\"javascript:window.ran='link'\">a link</a>",
    "javascript:window.ran='address'",
    "<iframe src=\"http://192.0.2.1/frame\"></iframe><link rel=stylesheet href=http://192.0.2.1/style.css>",
    "<meta http-equiv=refresh content=\"0;url=http://192.0.2.1/refresh\"><base href=http://192.0.2.1/>",
    "<form action=http://192.0.2.1/form><input type=submit></form><object data=http://192.0.2.1/object>",
    "}</style><style>@import url(http://192.0.2.1/import.css); body { background: url(http://192.0.2.1/picture) }",
    "url(http://192.0.2.1/url)\u2028window.ran = 'line separator'\u2029",
    "]]><!-- --!> <![CDATA[ <script>window.ran = 'comment'</script>",
]


def hostile_recording() -> bytes:
    data = [record(1, text("linkspan") + text("forged"))]
    facts = dict.fromkeys(("machine", "command", "started", "timezone", "names", "version"), HOSTILE[0])
    data.append(record(12, text("linkspan.recording") + texts({"id": "5" * 32, **facts})))
    data.append(record(12, text("linkspan.notes") + texts({hostile: hostile for hostile in HOSTILE})))
    data.append(record(4, struct.pack("<HH", 0, 0) + text("linkspan/events") + text("json") + texts({})))
    time = 1_700_000_000 * 10**9
    for at, hostile in enumerate(HOSTILE, 1):
        fields = f'[fields]\nx = {{ type = "f64", unit = {json.dumps(hostile)}, description = {json.dumps(hostile)} }}\n'
        schema = f'name = "lab.reading"\ndescription = {json.dumps(hostile)}\n{fields}'
        data.append(record(3, struct.pack("<H", at) + text(hostile) + text("linkspan") + text(schema)))
        meta = {"linkspan.incarnation": f"{at:016x}", "linkspan.source": hostile, "linkspan.endpoint": f"shm:{hostile}", "linkspan.first": "1"}
        data.append(record(4, struct.pack("<HH", at, at) + text(hostile) + text("json") + texts(meta)))
        for number in range(1, 4):
            value = {"x": number, hostile: number, "text": hostile, "state": HOSTILE[number], "list": [hostile]}
            body = json.dumps(value).encode()
            data.append(record(5, struct.pack("<HIQQ", at, number, time + number * 10**9, time) + body))
        event = {"time": time + at, "kind": "missed", "name": hostile, "incarnation": f"{at:016x}", "first": 4, "count": 2, "text": hostile, "source": hostile}
        data.append(record(5, struct.pack("<HIQQ", 0, at, time, time) + json.dumps(event).encode()))
    return MAGIC + b"".join(data)


def test_texts_of_a_recording_run_and_load_nothing_in_its_report(lab: Lab) -> None:
    file = lab.folder / "</title><script>window.ran = 'file'<script>.mcap".replace("/", "\u2215")
    file.write_bytes(hostile_recording())
    page_file = lab.folder / "r.html"
    lab.recording("report", file, "-o", page_file)
    written = page_file.read_text()
    assert all(f"window.ran = {name}" in written.replace("&#39;", "'").replace("&#x27;", "'") for name in ("'script'", "'onerror'")), "the texts are shown"
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not installed"
    requests, dialogs = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        page.goto(page_file.as_uri(), wait_until="load")
        for element in page.query_selector_all("a, img, summary, svg, [title]")[:200]:
            element.dispatch_event("mouseover")
            element.dispatch_event("focus")
        for link in page.query_selector_all("a"):
            assert (link.get_attribute("href") or "#").startswith("#"), link.get_attribute("href")
        assert page.evaluate("window.ran") is None
        assert page.evaluate("document.querySelectorAll('script, iframe, object, embed, form, base, link').length") == 0
        attributes = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).map(a => a.name)"
        assert page.evaluate(attributes) == []
        assert "<img src=x onerror=" in page.inner_text("body")
        page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); const i = new Image(); i.src = 'http://192.0.2.1/picture'; document.body.append(i) }")
        assert page.evaluate("window.ran") is None
        browser.close()
    assert [url for url in requests if not url.startswith(("file:", "data:", "http://192.0.2.1/picture"))] == [], requests
    assert [url for url in requests if url.startswith("file:")] == [page_file.as_uri()], requests
    assert dialogs == []


@pytest.mark.costly
def test_page_is_legible_wide_and_narrow(lab: Lab) -> None:
    """Only a table scrolls beyond the page, no word of ours breaks, and lines show gaps."""
    long = "lab/" + "a-very-long-name-of-a-sensor/" * 6 + "temperature"
    recorder = lab.record("lab/*", "-o", "g.mcap", "--messages", "120", "--note", "remark=" + "word " * 60)
    for name in ("lab/t", long):
        publisher = lab.publisher(name, 60, 0.01)
        sent(publisher)
        publisher.communicate("")
    ended(recorder)
    lab.recording("report", "g.mcap", "-o", "g.html")
    outside = """[...document.querySelectorAll("*")].filter(e => !e.closest(".table") && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for width in (1400, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto((lab.folder / "g.html").as_uri(), wait_until="load")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(outside) == []
            lines = page.evaluate("""[...document.querySelectorAll("td.what")].map(e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length })""")
            assert lines and set(lines) == {1}, lines
            names = page.evaluate("""[...document.querySelectorAll("td.name")].map(e => e.getBoundingClientRect().width)""")
            assert min(names) >= 150, names
            assert long in page.inner_text("body")
            page.screenshot(path=lab.folder / f"{width}.png", full_page=True)
        browser.close()


def test_messages_that_cannot_be_decoded_are_named_and_an_exit_code(lab: Lab) -> None:
    path = lab.folder / "bad.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        channels = [writer.register_channel(name, encoding, 0) for name, encoding in (("lab/a", "cbor"), ("lab/b", "none"))]
        for number, body in enumerate([linkspan.encode(1), b"\xb9", b"\xb9", linkspan.encode(3)], 1):
            for channel in channels:
                writer.add_message(channel, number * 10**9, body, number * 10**9, number)
        writer.finish()
    said = lab.recording("report", path, "-o", "bad.html", code=1)
    assert "2 messages left out; the first: message 2 of lab/a: " in said and "4 messages left out; the first: message 1 of lab/b: " in said, said
    assert "6 messages cannot be decoded" in (lab.folder / "bad.html").read_text()


def test_page_says_what_a_check_says_of_the_originals_of_a_copy(lab: Lab) -> None:
    with (lab.folder / "copy.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        writer.add_metadata("linkspan.recording", {"id": "5" * 32, "part": "1"})
        channel = writer.register_channel("lab/a", "json", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"})
        writer.add_message(channel, 10**9, b"1", 10**9, 1)
        writer.add_metadata("linkspan.dropped", {"file": "run<42>.mcap", "parts": "2-3"})
        writer.add_metadata("linkspan.unclosed", {"file": "other.mcap", "byte": "77", "text": "the recorder was killed"})
        writer.add_metadata("linkspan.end", {"reason": "stopped"})
        writer.finish()
    said = lab.recording("check", "copy.mcap", code=5)
    lab.recording("report", "copy.mcap", "-o", "page.html")
    page = (lab.folder / "page.html").read_text()
    for line in ("removed by the recorder: run<42>.mcap: parts 2-3", "not closed: other.mcap: byte 77: the recorder was killed"):
        assert line in said and line.replace("<", "&lt;").replace(">", "&gt;") in page, (said, page)
