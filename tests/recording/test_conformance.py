"""MCAP's own conformance cases: the reader's result equals the description of each file."""

import base64
import json
from pathlib import Path

import pytest
from conftest import Lab

import linkspan

CASES = [json.loads(line) for line in (Path(__file__).parent / "conformance/cases.jsonl").read_text().splitlines()]


def test_all_cases_are_there() -> None:
    assert len(CASES) == 416 and len({case["name"] for case in CASES}) == 416


@pytest.mark.parametrize("kind", sorted({case["name"].partition("-")[0] for case in CASES}))
def test_files_of_the_kind_have_what_is_said_of_them(kind: str, tmp_path: Path) -> None:
    cases = [case for case in CASES if case["name"].partition("-")[0] == kind]
    assert cases
    for case in cases:
        path = tmp_path / f"{case['name']}.mcap"
        path.write_bytes(base64.b64decode(case["file"]))
        recording = linkspan.Recording(path)
        assert recording.problems == [], case["name"]
        # Linkspan does not know the encoding "a", so the value is the bytes.
        found = [
            [message.name, message.sequence, message.received.nanoseconds, message.sent.nanoseconds, bytes(message.value).hex()]
            for message in recording
        ]
        in_time = sorted(case["messages"], key=lambda message: message[2])
        assert found == in_time, case["name"]
        later = [message.sequence for message in recording.messages(begin=linkspan.Timestamp(5))]
        assert later == [sequence for _, sequence, received, _, _ in in_time if received >= 5], case["name"]
        assert set(recording.names) == {topic for topic, *_ in case["messages"]}, case["name"]


def test_attachments_and_metadata_are_read(lab: Lab) -> None:
    for name in ("OneAttachment-ax-st-sum", "OneMetadata-mdx-st-sum"):
        [case] = [case for case in CASES if case["name"] == name]
        path = lab.folder / f"{name}.mcap"
        path.write_bytes(base64.b64decode(case["file"]))
        printed = lab.recording("info", path)
        for attached, size in case["attachments"]:
            assert f"attached  {attached}  {size} bytes" in printed
        assert case["attachments"] or case["metadata"]
