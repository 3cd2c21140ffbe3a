"""Recordings and tables as Python containers: `in`, `len`, `[]`, `with`, notebook display, round trips."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import linkspan
import numpy
import pandas
import pytest
from support.recordings import written
from support.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [("lab/a", {"i": i, "name": f"n{i}"}) for i in range(20)]
    return written(tmp_path / "r.mcap", [*rows, ("lab/b", 1.5), ("lab/*", {"i": 99}), ("<b>\x1b[2J", None)])


def test_recording_is_a_container(path: Path) -> None:
    with linkspan.Recording(path) as recording:
        assert len(recording) == len(list(recording)) == 23
        assert "lab/a" in recording and "lab/" not in recording and 3 not in recording
        assert recording["lab/a"].columns == recording.table("lab/a").columns
        assert recording["lab/b"]["value"].tolist() == [1.5]
        with pytest.raises(KeyError, match="lab/none fits no name"):
            recording["lab/none"]
        assert set(recording._ipython_key_completions_()) == set(recording.names)
        messages = recording.messages()
        assert repr(messages) == f"<linkspan.RecordingReader at byte 8 of {path}>" and next(messages)["i"] == 0
        assert repr(messages) != f"<linkspan.RecordingReader at byte 8 of {path}>"
        assert "rows each" in repr(linkspan._native.RecordingTables(str(path), ["lab/a"], 0, 9, 5, False))
        assert repr(recording) == f"<linkspan.Recording {path}: 23 messages of 4 names>"
    for use in (lambda: len(recording), lambda: recording.table("lab/a"), lambda: recording.messages(), lambda: recording.events):
        with pytest.raises(linkspan.InvalidState, match="is closed"):
            use()
    assert repr(recording) == f"<linkspan.Recording {path}, closed>"
    assert next(messages)["i"] == 1


def test_repr_says_what_is_known_and_never_fails(path: Path, tmp_path: Path) -> None:
    recording = linkspan.Recording(path)
    assert repr(recording) == f"<linkspan.Recording {path}: 4 names>"
    path.rename(tmp_path / "elsewhere")
    fresh = linkspan.Recording(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").unlink()
    assert "elsewhere" in repr(fresh) and "No such file" in repr(fresh)


def test_table_is_a_container_of_columns(path: Path) -> None:
    with linkspan.Recording(path)["lab/a"] as table:
        assert "i" in table and "j" not in table and list(table) == table.columns and len(table) == 20
        assert table._ipython_key_completions_() == table.columns
        array = table["i"]
        with pytest.raises(KeyError, match='no column is called "j"'):
            table["j"]
    assert array.tolist() == list(range(20)) and repr(table) == "<linkspan.Table, closed>"
    with pytest.raises(linkspan.InvalidState, match="closed"):
        table["i"]


def test_table_is_a_mapping_and_no_array(path: Path) -> None:
    table = linkspan.Recording(path)["lab/a"]
    assert list(dict(table)) == table.columns and list(dict(**table)) == table.columns
    for taken in (pandas.DataFrame, numpy.asarray):
        with pytest.raises(linkspan.Unsupported, match=r"give table.to_pandas\(\)"):
            taken(table)


def test_table_of_a_pattern_says_of_which_name_each_row_is(path: Path) -> None:
    recording = linkspan.Recording(path)
    table = recording.table("lab/?")
    assert table.columns == ["name", "received", "sent", "sequence", "source", "incarnation", "i", "value/name", "value"]
    assert recording["lab/*"]["i"].tolist() == [99] and "name" not in recording["lab/*"]
    assert table["name"] == ["lab/a"] * 20 + ["lab/b", "lab/*"]
    assert table["value/name"][:2] == ["n0", "n1"]
    batches = list(recording.batches("lab/?", rows=8))
    assert [name for batch in batches for name in batch["name"]] == table["name"]


def test_table_is_read_without_numpy(tmp_path: Path) -> None:
    rows = [("a", {"i": None if at == 1 else at, "x": at / 2, "v": numpy.arange(at), "t": linkspan.Timestamp(at), "m": numpy.ones((2, 2))}) for at in range(3)]
    path = written(tmp_path / "r.mcap", rows)
    program = (
        "import sys; sys.modules['numpy'] = None; import linkspan; t = linkspan.Recording(sys.argv[1])['a']; "
        "print(t['i'], t['x'].tolist(), t['v'], t['t'].tolist(), t['m'].shape, len(t._repr_html_()) > 100)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[0, None, 2] [0.0, 0.5, 1.0] [[], [0], [0, 1]] [0, 1, 2] (3, 2, 2) True\n", done


def test_notebook_forms_show_rows_and_escape_foreign_text(path: Path) -> None:
    recording = linkspan.Recording(path)
    page = recording._repr_html_()
    assert "23 messages of 4 names" in page and "&lt;b&gt;" in page and "<b>" not in page and "\x1b" not in page
    page = recording["lab/a"]._repr_html_()
    assert page.count("<tr>") == 9 and "n7" in page and "n8" not in page and "20 rows" in page
    assert "closed" in linkspan.Recording.__repr__(closed := linkspan.Recording(path)) or closed.close() is None
    assert "closed" in closed._repr_html_()


def test_times_that_the_library_gives_are_taken_back(path: Path) -> None:
    recording = linkspan.Recording(path)
    third = list(recording.messages("lab/a"))[2]
    table = recording["lab/a"]
    frame = table.to_pandas()
    instants = [third.received, table["received"][2], frame["received"][2], third.received.to_datetime(), third.received.to_datetime64()]
    spans = [2, 2.0, timedelta(seconds=2), numpy.float32(2), numpy.int64(2), table["received"][2] - table["received"][0], pandas.Timedelta(seconds=2)]
    for begin in instants + spans:
        assert next(recording.messages("lab/a", begin=begin))["i"] == 2, begin
    assert recording.begin == next(iter(recording)).received
    assert [len(recording.table("lab/a", end=recording.begin)), len(list(recording.messages(begin=recording.end)))] == [1, 1]
    for wrong in (third.received.nanoseconds, numpy.datetime64("NaT"), numpy.str_("soon"), float("nan")):
        with pytest.raises(linkspan.Unsupported, match="is no time|names no instant"):
            recording.messages(begin=wrong)
    assert list(recording.messages(begin=float("inf"))) == []


def test_times_of_events_are_instants(lab) -> None:
    recorder = lab.record("lab/a", "-o", "r.mcap")
    until("it records", lambda: (lab.folder / "r.mcap").exists())
    lab.stop(recorder)
    recording = linkspan.Recording(lab.folder / "r.mcap")
    events = recording.events
    assert events and all(isinstance(event["time"], linkspan.Timestamp) for event in events)
    assert list(recording.messages(begin=events[0]["time"])) == []
    assert recording.begin == events[0]["time"]


@pytest.mark.costly
def test_what_a_name_is_called_costs_no_search(tmp_path: Path) -> None:
    """Looking up each of many names does not compare it with all others."""
    path = written(tmp_path / "r.mcap", [(f"n{at}", at) for at in range(5_000)])
    recording = linkspan.Recording(path)
    names = list(recording.names)
    assert [message.value for message in recording.messages(*names)] == list(range(5_000))
    with pytest.raises(linkspan.NotFound, match=r"and 4980 more") as raised:
        recording.table("other")
    assert sys.getsizeof(str(raised.value)) < 2_000
