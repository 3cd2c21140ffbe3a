"""Decision records have a status and an index entry; records that hold name existing files."""

import re
import sys

import pytest

from support.tree import ROOT, tracked

sys.path.insert(0, str(ROOT / "tools/book"))
import pages  # noqa: E402

# The end of a file's path is enough.
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:rs|py|md|toml|h|hpp|c|cpp|f90|php|phpt))(?:::\w+)?`")
# Paths of one machine, meaningless to readers.
MACHINE = re.compile(r"(?<![\w.])/(?:work|home|root|mnt)/")


@pytest.fixture(scope="module")
def records():
    found = list(pages.records())
    assert len(found) > 50
    return found


def gone(text, files):
    return sorted({name for name in FILE.findall(text) if not any(path == name or path.endswith(f"/{name}") for path in files)})


def test_index_has_every_record_with_its_status():
    assert pages.INDEX.read_text() == pages.decisions_page(), "python3 tools/book/pages.py writes it"


def test_replaced_records_name_records_that_exist_and_are_later(records):
    names = {path.name: number for path, number, _, _ in records}
    for path, number, _, status in records:
        named = re.findall(r"\[(\d{4})\]\(([^)]+)\)", status)
        assert all(names.get(file) == int(text) for text, file in named), f"{path}: {status}"
        if status.startswith("replaced by"):
            assert named and all(int(text) > number for text, _ in named), f"{path}: {status}"


def test_there_are_few_records_and_each_is_short(records):
    assert len(records) <= 72, "extend a record, or fold two into one"
    words = {path.name: len((ROOT / path).read_text().split()) for path, *_ in records}
    assert {name: count for name, count in words.items() if count > 400} == {}, "a record has at most 400 words"


def test_records_that_hold_name_files_that_exist(records):
    files = tracked()
    missing = {str(path): gone((ROOT / path).read_text(), files) for path, _, _, status in records if status.startswith("holds")}
    assert {path: names for path, names in missing.items() if names} == {}, "name what is there now, or change the status"


def test_records_name_no_path_of_a_machine(records):
    assert [str(path) for path, *_ in records if MACHINE.search((ROOT / path).read_text())] == []


def test_record_without_a_status_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "docs/decisions"
    folder.mkdir(parents=True)
    (folder / "0001-a.md").write_text("# 1. A title\n\n**Question.** Why?\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="0001-a.md"):
        list(pages.records())
    (folder / "0001-a.md").write_text("# 1. A title\n\nStatus: holds; see below.\n\n**Question.** Why?\n")
    assert [(number, status) for _, number, _, status in pages.records()] == [(1, "holds; see below")]


def test_file_that_is_gone_is_found():
    assert gone("`a/b.rs` and `b.rs::f`, `c.py`, not `d`", ["x/a/b.rs"]) == ["c.py"]
