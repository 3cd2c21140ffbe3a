"""Recording tools: empty arguments, and a repeated command."""

import hashlib
import sys

import pytest
from conftest import Lab
from support.recordings import written
from support.tree import DEBUG

TOOL = DEBUG / "linkspan-record"


@pytest.mark.parametrize(
    "words",
    [
        ["record", "", "-o", "b.mcap"], ["record", "lab/a", "-o", ""], ["record", "lab/a", "-o", "b.mcap", "--on", ""],
        ["replay", ""], ["replay", "a.mcap", ""], ["replay", "a.mcap", "--rename", ""], ["replay", "a.mcap", "--wait-for", ""], ["replay", "a.mcap", "--from", ""],
        ["recording", "info", ""], ["recording", "check", ""], ["recording", "report", "a.mcap", "-o", ""], ["recording", "view", ""],
        ["recording", "cut", "a.mcap", "", "-o", "b.mcap"], ["recording", "cut", "a.mcap", "-o", ""], ["recording", "split", "a.mcap", "--at", "", "-o", "b.mcap"],
        ["recording", "merge", "a.mcap", "", "-o", "b.mcap"], ["recording", "export", "a.mcap", "", "--csv"], ["recording", "export", "a.mcap", "--jsonl", "-o", ""],
    ],
    ids=" ".join,
)  # fmt: skip
def test_empty_argument_is_refused_and_leaves_no_file(lab: Lab, words: list[str]) -> None:
    written(lab.folder / "a.mcap", [("lab/a", {"x": 1})])
    before = set(lab.folder.rglob("*"))
    done = lab.start(TOOL, *words)
    out, err = done.communicate("", timeout=60)
    assert done.returncode in (1, 2) and out == "", (done.returncode, out, err)
    assert err and "panicked" not in err and "Internal" not in err, err
    assert set(lab.folder.rglob("*")) == before


def asked(lab: Lab, *words: str) -> tuple[int, str, str]:
    done = lab.start(TOOL, "recording", *words)
    out, err = done.communicate("", timeout=60)
    return done.returncode, out, err


def test_same_question_twice_has_the_same_answer_and_changes_nothing(lab: Lab) -> None:
    path = written(lab.folder / "a.mcap", [("lab/a", {"x": i}) for i in range(20)])
    facts = lambda: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest())  # noqa: E731
    before = facts()
    for words in (["info"], ["info", "--json"], ["check"], ["export", "--csv"], ["report", "-o", "r.html", "--force"]):
        first, second = (asked(lab, words[0], "a.mcap", *words[1:]) for _ in range(2))
        assert first == second, words
    assert facts() == before


def test_same_copy_twice_has_the_same_messages_and_replaces_nothing_unasked(lab: Lab) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    written(lab.folder / "a.mcap", [("lab/a", {"x": i}) for i in range(20)])
    written(lab.folder / "b.mcap", [("lab/b", {"x": i}) for i in range(20)])
    for words in (["cut", "a.mcap"], ["split", "a.mcap", "--at", "10s"], ["merge", "a.mcap", "b.mcap"]):
        lab.recording(*words, "-o", "copy.mcap", "--force")
        first = lab.info("copy.mcap")["names"]
        kept = (lab.folder / "copy.mcap").read_bytes()
        assert "AddressInUse" in lab.recording(*words, "-o", "copy.mcap", code=1)
        assert (lab.folder / "copy.mcap").read_bytes() == kept
        lab.recording(*words, "-o", "copy.mcap", "--force")
        assert lab.info("copy.mcap")["names"] == first
