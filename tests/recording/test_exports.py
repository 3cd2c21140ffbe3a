"""Tables and exports of recordings.

Fields, names and files have unique places, omissions are reported, and no foreign code runs.
"""

import contextlib
import csv
import io
import itertools
import json
import math
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import linkspan
import numpy
import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from conftest import Lab, ended
from linkspan._export import export
from mcap.writer import Writer
from support.recordings import written
from support.tree import DEBUG, PROGRAM
from support.waiting import until

HOSTILE = ["a/b", "a~b", "a/0b", "a~0b", "x\0y", "x\0z", "x", "", ".", "..", "~", "%7E", "%", "t", "t.valid", "t.shape", "value", "name"]


@pytest.fixture
def exporting(lab: Lab) -> Lab:
    """A lab whose exports use this interpreter."""
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    return lab


def cells(text: str) -> list[dict[str, str]]:
    """Returns the rows of a table; two columns with one name are an error."""
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(set(head)) == len(head), head
    return [dict(zip(head, row, strict=True)) for row in rows]


def data_sets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    return {name: found for name, found in group.items() if isinstance(found, h5py.Dataset)}


@pytest.mark.costly
def test_message_whose_text_is_longer_than_a_message_may_be_is_written_beside_the_others(exporting: Lab):
    """Bytes in JSON are a third longer: 55 MiB exceed the 64 MiB of a message."""
    path = written(exporting.folder / "r.mcap", [("lab/a", {"short": 1}), ("lab/a", {"long": bytes(55 << 20)}), ("lab/b", {"i": 1})])
    exporting.recording("export", path, "--jsonl", "-o", "made.jsonl")
    exporting.recording("export", path, "--csv", "-o", "made")
    with (exporting.folder / "made.jsonl").open() as lines:
        assert [(json.loads(line)["name"], len(line) > 70 << 20) for line in lines] == [("lab/a", False), ("lab/a", True), ("lab/b", False)]
    sizes = {file.name: file.stat().st_size > 70 << 20 for file in (exporting.folder / "made").iterdir()}
    assert sizes == {"lab-a.csv": True, "lab-b.csv": False}


def test_message_beyond_the_limit_of_its_reader_is_named_and_the_others_are_written(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/a", "x" * 3000), ("lab/a", {"i": 1}), ("lab/b", {"i": 2})])
    said = exporting.recording("export", path, "--jsonl", "-o", "made.jsonl", "--max-message-size", "2kB", code=1)
    assert "message 1 of lab/a" in said and "max_message_size" in said, said
    assert len((exporting.folder / "made.jsonl").read_text().splitlines()) == 2


def test_value_that_is_no_map_and_a_field_called_value_are_two_columns(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", 21.4), ("lab/t", {"value": 3}), ("lab/t", {"value": None, "sent": "x"})])
    table = linkspan.Recording(path).table("lab/t")
    assert table.columns[5:] == ["~value", "value", "value/sent"]
    assert table["value"] == [None, 3, None] and table["~value"].tolist()[0] == 21.4
    exporting.recording("export", path, "--parquet", "-o", "t.parquet")
    assert pyarrow.parquet.read_table(exporting.folder / "t.parquet")["value"].to_pylist() == [None, 3, None]
    assert polars.read_parquet(exporting.folder / "t.parquet")["~value"].to_list() == [21.4, None, None]
    exporting.recording("export", path, "--hdf5", "-o", "t.h5")
    with h5py.File(exporting.folder / "t.h5") as file:
        assert {found.shape[0] for found in data_sets(file["lab/t"]).values()} == {3}
        assert file["lab/t/value"][1] == 3 and file["lab/t/%7Evalue"][0] == 21.4
    rows = cells(exporting.recording("export", path, "--csv"))
    assert [(row["~value"], row["value"], row["value/sent"]) for row in rows] == [("21.4", "", ""), ("", "3", ""), ("", "", "x")]


#: Two values for each column type, and null.
KINDS: dict[str, list[Any]] = {
    "null": [None, None],
    "integer": [20, -7],
    "digits": [(1 << 53) + 1, -(1 << 63)],
    "unsigned": [(1 << 64) - 1, 1 << 63],
    "float": [21.5, -0.25],
    "truth": [True, False],
    "instant": [linkspan.Timestamp(1_700_000_000_000_000_001), linkspan.Timestamp(7)],
    "text": ["a", ""],
    "bytes": [b"a", b""],
}


def plain(value: Any) -> Any:
    """Returns a common form: instants in nanoseconds since 1970, null as `None`."""
    if isinstance(value, linkspan.Timestamp):
        return value.nanoseconds
    if isinstance(value, numpy.datetime64):
        return None if numpy.isnat(value) else int(value.astype("datetime64[ns]").astype("i8"))
    if value is None or value is pandas.NaT or value is pandas.NA or isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, pandas.Timestamp):
        return value.value
    if isinstance(value, numpy.ndarray):
        return value.tobytes()
    return value.item() if isinstance(value, numpy.generic) else value


def test_values_and_nulls_are_equal_in_every_form_in_every_order_of_types(exporting: Lab):
    """Each order of three types or nulls has a column, compared value by value."""
    orders = {".".join(order): order for order in itertools.product(KINDS, repeat=3)}
    rows = [{name: KINDS[order[row]][row % 2] for name, order in orders.items()} for row in range(3)]
    path = written(exporting.folder / "r.mcap", [("lab/t", row) for row in rows])
    table = linkspan.Recording(path).table("lab/t")
    arrow, frame = table.to_arrow(), table.to_pandas()
    batches = list(linkspan.Recording(path).batches("lab/t", rows=1))
    exporting.recording("export", path, "--hdf5", "-o", "t.h5")
    exporting.recording("export", path, "--parquet", "-o", "t.parquet")
    parquet = pyarrow.parquet.read_table(exporting.folder / "t.parquet")
    with h5py.File(exporting.folder / "t.h5") as file:
        group = file["lab/t"]
        for name in orders:
            values = [row[name] for row in rows]
            is_json = (arrow.schema.field(name).metadata or {}).get(b"encoding") == b"json"
            # Values without a common type become JSON text that every form reads back.
            of = (lambda text: text if text is None else linkspan.decode(text.encode(), "json")) if is_json else (lambda value: value)
            expected = [as_json(value) if is_json else plain(value) for value in values]
            nanoseconds = (lambda column: column.cast("int64")) if pyarrow.types.is_timestamp(arrow.schema.field(name).type) else (lambda column: column)
            valid = group[f"{name}.valid"][:].tolist() if f"{name}.valid" in group else [True] * 3
            stored = [value.decode() if isinstance(value, bytes) else value for value in group[name][:]]
            found = {
                "numpy": [plain(of(value)) for value in table[name]],
                "arrow": [plain(of(value)) for value in nanoseconds(arrow[name]).to_pylist()],
                "pandas": [plain(of(plain(value))) for value in frame[name]],
                "parquet": [plain(of(value)) for value in nanoseconds(parquet[name]).to_pylist()],
                "batches": [plain(of(value)) for batch in batches for value in batch[name]],
                "hdf5": [plain(of(value)) if is_there else None for value, is_there in zip(stored, valid, strict=True)],
            }
            assert found == dict.fromkeys(found, expected), name
            if set(orders[name]) <= {"null", "instant"} and "instant" in orders[name]:
                assert table[name].dtype == "datetime64[ns]" and str(frame[name].dtype) == "datetime64[ns, UTC]"
                assert group[name].attrs["unit"].startswith("ns since 1970")


def as_json(value: Any) -> Any:
    return None if value is None else plain(linkspan.decode(linkspan.encode(value, "json"), "json"))


def test_map_without_keys_is_told_from_null_in_every_form(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", {}), ("lab/t", None), ("lab/t", {"a": {}}), ("lab/t", {"a": None})])
    expected = {"value": ["{}", None, None, None], "a": [None, None, "{}", None]}
    table = linkspan.Recording(path).table("lab/t")
    assert {column: table[column] for column in table.columns[5:]} == expected
    exporting.recording("export", path, "--parquet", "-o", "t.parquet")
    read = pyarrow.parquet.read_table(exporting.folder / "t.parquet")
    assert {column: read[column].to_pylist() for column in expected} == expected
    exporting.recording("export", path, "--hdf5", "-o", "t.h5")
    with h5py.File(exporting.folder / "t.h5") as file:
        assert file["lab/t/value"][0] == b"{}" and file["lab/t/value.valid"][:].tolist() == [True, False, False, False]
    rows = cells(exporting.recording("export", path, "--csv"))
    assert {column: [row[column] or None for row in rows] for column in expected} == expected


def test_keys_of_any_text_have_a_column_each_in_every_form(exporting: Lab):
    """Each value is a different number, so losses and duplicates show."""
    inner = {key: 100 + at for at, key in enumerate(HOSTILE)}
    message = {**{key: at for at, key in enumerate(HOSTILE)}, "in": inner}
    path = written(exporting.folder / "r.mcap", [("lab/t", message), ("lab/t", {**message, "t": None}), ("lab/t", message)])
    expected = sorted([*range(len(HOSTILE)), *inner.values()])
    table = linkspan.Recording(path).table("lab/t")
    assert sorted(int(table[column][0]) for column in table.columns[5:]) == expected
    arrow = pyarrow.table(table)
    arrow.validate(full=True)
    assert len(set(arrow.column_names)) == len(arrow.column_names)
    for form in ("parquet", "arrow", "hdf5"):
        exporting.recording("export", path, f"--{form}", "-o", f"t.{form}")
    assert sorted(pyarrow.parquet.read_table(exporting.folder / "t.parquet").slice(0, 1).to_pylist()[0].values(), key=str)
    row = pyarrow.parquet.read_table(exporting.folder / "t.parquet").to_pylist()[0]
    assert sorted(value for column, value in row.items() if column not in table.columns[:5]) == expected
    with h5py.File(exporting.folder / "t.hdf5") as file:
        sets = data_sets(file["lab/t"])
        assert {found.shape[0] for found in sets.values()} == {3}
        values = [int(found[0]) for name, found in sets.items() if found.dtype == "i8" and name not in ("received", "sent")]
        assert sorted(values) == expected
        assert sets["t.valid"][:].tolist() == [True, False, True]
    [head, *_] = cells(exporting.recording("export", path, "--csv"))
    assert sorted(int(value) for column, value in head.items() if column not in table.columns[:5]) == expected


def test_names_of_any_text_have_a_group_and_a_file_each(exporting: Lab):
    names = ["lab/t-1", "lab/t/1", "lab/t", "lab/t/status", "/points", "points", "a//b", "a/b", "..", ".", "", "x\0y", "x", "lab/*", "t.valid", "%2F"]
    messages = [(name, {"status": at, "t": None if at % 2 else at}) for at, name in enumerate(names)]
    path = written(exporting.folder / "r.mcap", messages)
    for form in ("csv", "parquet", "arrow"):
        exporting.recording("export", path, f"--{form}", "-o", f"all-{form}")
        files = sorted((exporting.folder / f"all-{form}").iterdir())
        assert len(files) == len(names), files
        assert not [file for file in files if file.name.startswith(".")], files
    found = [cells(file.read_text()) for file in (exporting.folder / "all-csv").iterdir()]
    assert sorted(int(rows[0]["status"]) for rows in found) == list(range(len(names)))
    tables = [pyarrow.parquet.read_table(file) for file in (exporting.folder / "all-parquet").iterdir()]
    assert sorted(table["status"][0].as_py() for table in tables) == list(range(len(names)))
    exporting.recording("export", path, "--hdf5", "-o", "all.h5")
    with h5py.File(exporting.folder / "all.h5") as file:
        seen: list[tuple[str, int]] = []

        def visit(place: str, found: h5py.Group | h5py.Dataset) -> None:
            if isinstance(found, h5py.Dataset) and place.rpartition("/")[2].endswith("status"):
                assert found.shape == (1,)
                seen.append((place, int(found[0])))

        file.visititems(visit)
        assert sorted(value for _, value in seen) == list(range(len(names))), seen
        assert file["lab/t/%2Fstatus"][0] == 2 and file["lab/t/status/status"][0] == 3 and file["lab/t-1/status"][0] == 0
    # An existing name with a star is a name.
    assert [message["status"] for message in linkspan.Recording(path).messages("lab/*")] == [13]
    assert len(linkspan.Recording(path).table("lab/t*")) == 4


def test_images_keep_their_shapes_with_one_missing_and_where_they_differ(exporting: Lab):
    image = numpy.arange(6, dtype="u2").reshape(2, 3)
    turned = numpy.asfortranarray(image)
    missing = [{"image": image}, {"image": None}, {"image": turned}]
    several = [{"image": image}, {"image": turned[:, :2]}, {"image": image[0]}, {"image": None}]
    path = written(exporting.folder / "r.mcap", [("a", row) for row in missing] + [("b", row) for row in several])
    recording = linkspan.Recording(path)
    for name, rows in (("a", missing), ("b", several)):
        found = recording.table(name)["image"]
        for row, array in zip(rows, found, strict=True):
            if row["image"] is None:
                assert array is None
            else:
                assert array.dtype == "u2" and array.shape == row["image"].shape and (array == row["image"]).all()
    assert recording.table("b").to_arrow()["image~shape"].to_pylist() == [[2, 3], [2, 2], [3], None]
    assert recording.table("a").to_arrow().schema.field("image").metadata[b"shape"] == b"[2,3]"
    exporting.recording("export", path, "--hdf5", "-o", "r.h5")
    with h5py.File(exporting.folder / "r.h5") as file:
        assert file["a/image"].shape == (3, 2, 3) and (file["a/image"][2] == image).all()
        assert file["a/image.valid"][:].tolist() == [True, False, True]
        assert [shape.tolist() for shape in file["b/image.shape"]] == [[2, 3], [2, 2], [3], []]
        assert file["b/image"][1].tolist() == [0, 1, 3, 4]
    exporting.recording("export", path, "b", "--parquet", "-o", "b.parquet")
    assert pyarrow.parquet.read_table(exporting.folder / "b.parquet")["image"].to_pylist()[1] == [0, 1, 3, 4]


def test_types_of_the_schema_are_those_of_the_columns(exporting: Lab):
    schema = 'name = "count"\n\n[fields]\nn = "u64"\nx = "f64"\n'
    path = written(exporting.folder / "r.mcap", [("a", {"n": 1, "x": 1})], {"a": schema})
    arrow = linkspan.Recording(path).table("a").to_arrow()
    assert (arrow.schema.field("n").type, arrow.schema.field("x").type) == (pyarrow.uint64(), pyarrow.float64())
    assert linkspan.Recording(path).table("a")["n"].dtype == "u8"


def test_cells_have_every_value_and_no_formula(exporting: Lab):
    known = uuid.UUID(int=7)
    texts = ["=1+1", " =1", "\u00a0=1", "\ufeff=1", "\uff1d1", "\u22121+1", "@x", "'=1", "'plain", "", "-1", "-inf", "a,\"b\"\nc"]
    rows = [{"s": text, "id": known, "list": [1, "a"], "raw": b"\0\xff", "image": numpy.arange(2, dtype="u1"), "none": None} for text in texts]
    path = written(exporting.folder / "r.mcap", [("a", row) for row in rows])
    found = cells(exporting.recording("export", path, "--csv"))
    shown = [row["s"] for row in found]
    # One `'` before a possible formula, so programs can restore each text.
    assert [re.sub(r"^'(?='*[^'\w]*[=@\uff1d\u2212+-])", "", text) for text in shown] == texts
    assert [text.startswith("'") for text in shown] == [True] * 9 + [False, False, True, False]
    assert {row["id"] for row in found} == {str(known)} and {row["list"] for row in found} == {'[1,"a"]'}
    assert all("$bytes" in row["raw"] and "$ndarray" in row["image"] and row["none"] == "" for row in found)


def test_more_fields_than_columns_are_refused_with_the_name(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/wide", {f"f{at}": at for at in range(4_097)})])
    for form in ("csv", "parquet", "arrow", "hdf5"):
        text = exporting.recording("export", path, f"--{form}", "-o", f"t.{form}", code=1)
        assert "TooLarge" in text and "lab/wide" in text and "4096" in text, text
        assert not (exporting.folder / f"t.{form}").exists()
    assert exporting.recording("export", path, "--jsonl").count("f4096") == 1


@pytest.mark.costly
def test_errors_of_exports_are_one_line_with_the_name(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", {"k" * 65_000: 1})])
    exporting.recording("export", path, "--hdf5", "-o", "long.h5")
    python = exporting.folder / "python"
    broken = "import h5py\ndef fail(*_, **__): raise {}\nh5py.Group.create_dataset = fail\nfrom linkspan._export import main\nmain()"
    for program, expected in [
        (f"exec {sys.executable} -c '{broken.format('ValueError(chr(10).join((chr(27), chr(98))))')}'", "lab/t: ValueError: \\u001b\\nb"),
        (f"exec {sys.executable} -c '{broken.format('MemoryError(7)')}'", "lab/t: MemoryError: 7"),
        (f"exec {sys.executable} -c '{broken.format('SystemError(7)')}'", "lab/t: SystemError: 7"),
        ("kill -ABRT $$", "signal 6 ended it"),
        ("exit 3", "it ended with exit status: 3"),
        ("echo No module named linkspan >&2; exit 1", "pip install linkspan"),
    ]:
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
        exporting.env["LINKSPAN_PYTHON"] = str(python)
        text = exporting.recording("export", path, "--hdf5", "-o", "t.h5", code=1)
        assert len(text.splitlines()) == 1 and expected in text and "Traceback" not in text, text
        assert list(exporting.folder.glob("*t.h5*")) == []
    exporting.env["LINKSPAN_PYTHON"] = sys.executable
    zero = written(exporting.folder / "z.mcap", [("lab/\0t", {"a\0": "b\0c", "b": "c"})])
    for form in ("csv", "jsonl", "parquet", "arrow", "hdf5"):
        exporting.recording("export", zero, f"--{form}", "-o", f"z.{form}")
    with h5py.File(exporting.folder / "z.hdf5") as file:
        [group] = file["lab"].values()
        assert group.attrs["name.json"] == '"lab/\\u0000t"' and group["a%7E2.json"].asstr()[0] == '"b\\u0000c"'


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow", "hdf5"])
def test_export_of_a_damaged_recording_has_what_is_whole_and_says_so(exporting: Lab, form: str):
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": at, "text": "x" * 100}) for at in range(50)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "not whole" in exporting.recording("export", path, f"--{form}", "-o", f"d.{form}", code=1)
    assert (exporting.folder / f"d.{form}").stat().st_size > 1_000
    path.write_bytes(path.read_bytes()[:100])
    assert "no name" in exporting.recording("export", path, f"--{form}", "-o", f"e.{form}", code=1) or form == "jsonl"
    assert not (exporting.folder / f"e.{form}").is_dir()


@pytest.mark.costly
def test_files_that_exist_are_kept_unless_they_are_to_be_replaced(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1})])
    for form in ("csv", "jsonl", "parquet", "arrow", "hdf5"):
        target = exporting.folder / f"t.{form}"
        target.write_text("mine")
        assert "exists" in exporting.recording("export", path, f"--{form}", "-o", target, code=1)
        assert target.read_text() == "mine"
        assert exporting.recording("export", path, f"--{form}", "-o", target, "--force") == ""
        assert target.stat().st_size > 4 and target.stat().st_mode & 0o777 == 0o600
        before = path.read_bytes()
        assert "which is read" in exporting.recording("export", path, f"--{form}", "-o", path, "--force", code=1)
        assert path.read_bytes() == before
        target.unlink()
        target.symlink_to(exporting.folder / "elsewhere")
        assert "a link" in exporting.recording("export", path, f"--{form}", "-o", target, "--force", code=1)
    assert not (exporting.folder / "elsewhere").exists()
    # Several names become files in a folder, whose place may be taken.
    several = written(exporting.folder / "s.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    (file := exporting.folder / "file").write_text("mine")
    for form in ("csv", "parquet", "arrow"):
        for output in (file, file / "below", Path("/dev/null")):
            error = exporting.recording("export", several, f"--{form}", "-o", output, "--force", code=1)
            assert "AddressInUse (105)" in error and "name a folder" in error, (form, output, error)
    for form in ("hdf5", "jsonl", "ros2"):
        assert "AddressInUse (105)" in exporting.recording("export", several, f"--{form}", "-o", file, code=1), form
    assert file.read_text() == "mine"


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_link_in_the_place_of_the_folder_of_tables_is_not_followed(exporting: Lab, form: str):
    """Otherwise another user with write access would choose the place of created and replaced files."""
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    (folder := exporting.folder / "private").mkdir()
    (exporting.folder / "out").symlink_to(folder)
    (folder / f"lab-t.{form}").write_text("mine")
    for output in ("out", "out/", "out/.", exporting.folder / "out"):
        for force in ([], ["--force"]):
            said = exporting.recording("export", path, f"--{form}", "-o", output, *force, code=1)
            assert "AddressInUse (105)" in said and "is a link" in said and "name a folder" in said, said
            assert [(found.name, found.read_text()) for found in folder.iterdir()] == [(f"lab-t.{form}", "mine")]
    # A link above the folder belongs to the given path.
    exporting.recording("export", path, f"--{form}", "-o", "out/tables")
    exporting.recording("export", path, f"--{form}", "-o", "out/tables/", "--force")
    assert len(list((folder / "tables").iterdir())) == 2


#: Obstacles that another user may plant at the output path.
PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "symbolic link": lambda place, private: place.symlink_to(private),
    "link to nothing": lambda place, private: place.symlink_to(private.with_name("nothing")),
    "hard link": lambda place, private: place.hardlink_to(private),
    "FIFO": lambda place, private: os.mkfifo(place),
    "folder": lambda place, private: place.mkdir(),
}


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow", "hdf5"])
def test_what_is_planted_in_the_place_of_a_file_is_neither_followed_nor_waited_for(exporting: Lab, form: str, planted: str):
    """With or without a folder, another user's file stays unwritten and no export waits."""
    one = written(exporting.folder / "one.mcap", [("lab/t", {"a": 1})])
    several = written(exporting.folder / "several.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    (private := exporting.folder / "private").write_text("mine")
    (folder := exporting.folder / "out").mkdir()
    cases = [(one, exporting.folder / f"t.{form}", exporting.folder / f"t.{form}")]
    if form in ("csv", "parquet", "arrow"):
        cases.append((several, folder, folder / f"lab-t.{form}"))
    for recording, output, place in cases:
        for force in ([], ["--force"]):
            PLANTED[planted](place, private)
            found = place.lstat()
            replaces = planted == "hard link" and force
            said = exporting.recording("export", recording, f"--{form}", "-o", output, *force, code=0 if replaces else 1)
            if replaces:
                assert place.lstat().st_ino != private.stat().st_ino and place.lstat().st_nlink == 1, said
            else:
                assert "AddressInUse (105)" in said, said
                assert (place.lstat().st_ino, place.lstat().st_mode) == (found.st_ino, found.st_mode)
            assert private.read_text() == "mine" and not private.with_name("nothing").exists()
            if planted == "folder":
                assert not list(place.iterdir())
                place.rmdir()
            else:
                place.unlink()
            for path in folder.iterdir():
                path.unlink()


@pytest.mark.parametrize("form", ["parquet", "arrow", "hdf5"])
@pytest.mark.parametrize("planted", ["symbolic link", "link to nothing", "hard link", "FIFO"])
def test_what_is_planted_while_an_export_is_written_is_not_followed(exporting: Lab, form: str, planted: str):
    """The Python module starts after the check of the file and knows its path."""
    path = written(exporting.folder / "one.mcap", [("lab/t", {"a": 1})])
    (private := exporting.folder / "private").write_text("mine")
    place = exporting.folder / f"t.{form}"
    plant = {"symbolic link": f"ln -s '{private}' '{place}'", "link to nothing": f"ln -s nothing '{place}'", "hard link": f"ln '{private}' '{place}'", "FIFO": f"mkfifo '{place}'"}[planted]
    (python := exporting.folder / "python").write_text(f"#!/bin/sh\n{plant} && exec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    exporting.env["LINKSPAN_PYTHON"] = str(python)
    for force in ([], ["--force"]):
        replaces = planted == "hard link" and force
        said = exporting.recording("export", path, f"--{form}", "-o", place, *force, code=0 if replaces else 1)
        assert replaces or "AddressInUse (105)" in said, said
        assert private.read_text() == "mine" and not private.with_name("nothing").exists()
        assert not [found for found in exporting.folder.iterdir() if found.name.startswith(".")]
        place.unlink()


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_link_that_takes_the_place_of_the_folder_during_an_export_is_not_followed(exporting: Lab, form: str):
    """The Python module starts after the check of the folder."""
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    (private := exporting.folder / "private").mkdir()
    (out := exporting.folder / "out").mkdir()
    (python := exporting.folder / "python").write_text(f"#!/bin/sh\nmv '{out}' '{out}.away' && ln -s '{private}' '{out}' && exec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    exporting.env["LINKSPAN_PYTHON"] = str(python)
    said = exporting.recording("export", path, f"--{form}", "-o", "out", "--force", code=1)
    assert out.is_symlink() and "is a link" in said and "AddressInUse" in said, said
    assert not list(private.iterdir())


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_link_that_takes_the_place_of_the_unfinished_folder_is_not_followed(exporting: Lab, form: str):
    """The hidden name is visible to all users while files are written."""
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    (private := exporting.folder / "private").mkdir()
    hidden = f"'{exporting.folder}'/.out.*.unfinished"
    (python := exporting.folder / "python").write_text(f"#!/bin/sh\nset -- {hidden} \"$@\"; mv \"$1\" '{exporting.folder}/away' && ln -s '{private}' \"$1\" && shift && exec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    exporting.env["LINKSPAN_PYTHON"] = str(python)
    said = exporting.recording("export", path, f"--{form}", "-o", "out", code=1)
    assert (exporting.folder / "away").is_dir() and not list(private.iterdir()) and not (exporting.folder / "out").exists(), said
    assert "is a link" in said, said


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "hdf5"])
@pytest.mark.parametrize("bad", ["first", "last", "both ends and the middle"])
def test_messages_that_cannot_be_written_cost_no_other_one_its_row(exporting: Lab, form: str, bad: str):
    """The bad messages: no value, unknown encoding, too many fields; in batches also."""
    count = 2_500
    places = {"first": [0], "last": [count], "both ends and the middle": [0, 1, 2, 1_100, 1_101, count]}[bad]
    path = exporting.folder / "r.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=10_000)
        writer.start(profile="linkspan")
        metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.source": "s", "linkspan.first": "1"}
        channels = {(name, encoding): writer.register_channel(name, encoding, 0, metadata) for name in ("lab/a", "lab/b") for encoding in ("cbor", "none")}
        wide = linkspan.encode({"a": 1, **{f"f{at}": at for at in range(4_097)}})
        wrong = [("cbor", b"\xff"), ("none", b"\x01"), ("cbor", wide)]
        for at in range(count + 1):
            time = (1_000 + at) * 1_000_000_000
            if at in places:
                for encoding, body in wrong:
                    writer.add_message(channels["lab/a", encoding], time, body, time, at)
            writer.add_message(channels["lab/a", "cbor"], time, linkspan.encode({"a": at}), time, at)
            writer.add_message(channels["lab/b", "cbor"], time, linkspan.encode({"b": at}), time, at)
        writer.finish()
    left = 3 * len(places)
    said = exporting.recording("export", path, f"--{form}", "-o", "made", code=1)
    assert f"{left} messages of {path} could not be written" in said, said
    assert "of lab/a" in said and "lab/b" not in said, said
    read: dict[str, Callable[[str], list[int]]] = {
        "csv": lambda name: [int(row[name[-1]]) for row in cells((exporting.folder / f"made/lab-{name[-1]}.csv").read_text())],
        "parquet": lambda name: pyarrow.parquet.read_table(exporting.folder / f"made/lab-{name[-1]}.parquet")[name[-1]].to_pylist(),
        "arrow": lambda name: pyarrow.ipc.open_file(exporting.folder / f"made/lab-{name[-1]}.arrow").read_all()[name[-1]].to_pylist(),
        "hdf5": lambda name: list(h5py.File(exporting.folder / "made")[name][name[-1]]),
    }
    assert read[form]("lab/a") == list(range(count + 1)) and read[form]("lab/b") == list(range(count + 1))
    # A program that asks for a table gets all of it or an error.
    with linkspan.Recording(path) as recording, pytest.raises(linkspan.Error):
        recording.write_hdf5(exporting.folder / "t.h5")
    assert not (exporting.folder / "t.h5").exists()


FULL = """
import resource, sys
import linkspan
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    getattr(linkspan.Recording(sys.argv[1]), sys.argv[2])(*sys.argv[3:])
except OSError as error:
    print("refused:", error, type(error) is linkspan.NoSpace)
import gc; gc.collect()
print("goes on", flush=True)
"""


@pytest.mark.costly
@pytest.mark.parametrize("form", ["hdf5", "parquet", "arrow"])
def test_full_disk_is_an_error_and_the_interpreter_goes_on(exporting: Lab, form: str):
    rng = numpy.random.default_rng(1)
    path = written(exporting.folder / "r.mcap", [("a", {"x": rng.random(4_000), "t": "text" * 100}) for _ in range(100)])
    target = exporting.folder / "t.out"
    words = [target, "a"] if form == "hdf5" else ["a", target]
    program = exporting.python(FULL, path, f"write_{form}", *words)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out.count("goes on"), out.count("refused:")) == (0, 1, 1), (program.returncode, out, err)
    assert "File too large" in out and "True" in out, out
    assert not target.exists()
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # noqa: E731
    command = [sys.executable, "-c", "import os, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"]
    done = subprocess.run(
        [*command, str(DEBUG / "linkspan-record"), "recording", "export", str(path), f"--{form}", "-o", str(target)],
        env=exporting.env, cwd=exporting.folder, capture_output=True, text=True, preexec_fn=full, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "File too large" in done.stderr, done
    assert not target.exists()


def test_exports_run_no_code_of_the_folder_or_the_environment(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1})])
    touched = exporting.folder / "touched"
    evil = exporting.folder / "evil"
    site = evil / ".local/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    code = f"open({str(touched)!r}, 'a').write(__file__ + chr(10))\n"
    for folder in (exporting.folder, evil):
        for name in ("linkspan", "numpy", "h5py", "pyarrow", "json", "sitecustomize", "usercustomize"):
            (folder / f"{name}.py").write_text(code)
    (site / "usercustomize.py").write_text(code)
    (site / "evil.pth").write_text(f"import sys; exec(open({str(evil / 'json.py')!r}).read(), {{'__file__': 'pth'}})\n")
    script = f"#!/bin/sh\necho $0 >> {touched}\nexit 1\n"
    for folder in (exporting.folder, evil):
        (folder / "python3").write_text(script)
        (folder / "python3").chmod(0o755)
        (folder / "linkspan-record").write_text(script)
        (folder / "linkspan-record").chmod(0o755)
    exporting.env |= {"PYTHONPATH": str(evil), "PYTHONSTARTUP": str(evil / "json.py"), "PYTHONUSERBASE": str(evil / ".local"), "HOME": str(evil)}
    exporting.env["HDF5_PLUGIN_PATH"] = str(evil)
    # Variables of Python on a Mac, of virtual environments and of OpenSSL can name code.
    (evil / "bin").mkdir()
    (evil / "bin/python3").symlink_to(sys.executable)
    (evil / "pyvenv.cfg").write_text("home = /usr/bin\n")
    beside = evil / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    beside.mkdir(parents=True)
    (beside / "evil.pth").write_text((site / "evil.pth").read_text())
    exporting.env |= {"__PYVENV_LAUNCHER__": str(evil / "bin/python3"), "VIRTUAL_ENV": str(evil), "OPENSSL_CONF": str(evil / "openssl.cnf")}
    for form in ("parquet", "arrow", "hdf5"):
        exporting.recording("export", path, f"--{form}", "-o", f"t.{form}")
    # A relative folder of PATH depends on the current folder.
    exporting.env["PATH"] = f":.:{exporting.folder.name}:" + os.environ["PATH"]
    del exporting.env["LINKSPAN_PYTHON"]
    for program in (PROGRAM, DEBUG / "linkspan-record"):
        done = subprocess.run(
            [program, "recording", "export", path, "--hdf5", "-o", "u.h5", "--force"],
            env=exporting.env, cwd=exporting.folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "exit status: 1" not in done.stderr, done
    alone = exporting.folder / "alone"
    alone.mkdir()
    shutil.copy(PROGRAM, alone / "linkspan")
    done = subprocess.run([alone / "linkspan", "recording", "info", path], env=exporting.env, cwd=exporting.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "neither beside this one nor in PATH" in done.stderr, done
    for name in ("./python3", "evil/python3"):
        exporting.env["LINKSPAN_PYTHON"] = name
        assert "give its whole path" in exporting.recording("export", path, "--hdf5", "-o", "v.h5", code=1)
    assert not touched.exists(), touched.read_text()


def test_interpreter_gets_what_is_listed_and_no_other_variable(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/t", {"a": 1})])
    python = exporting.folder / "python"
    python.write_text(f"#!/bin/sh\n/usr/bin/env > '{exporting.folder}/environment'\nexit 1\n")
    python.chmod(0o755)
    own, shared = exporting.folder / "own", exporting.folder / "shared"
    own.mkdir(mode=0o700)
    shared.mkdir()
    shared.chmod(0o777)
    exporting.env |= {"LINKSPAN_PYTHON": str(python), "LC_TIME": "C", "TZ": "UTC", "NEW_PLUGIN_PATH": "/x", "LD_BIND_NOW": "1", "XDG_CONFIG_HOME": "/x"}
    for folder, passes in ((own, True), (shared, False)):
        exporting.env["TMPDIR"] = str(folder)
        exporting.recording("export", path, "--hdf5", "-o", "t.h5", code=1)
        found = dict(line.split("=", 1) for line in (exporting.folder / "environment").read_text().splitlines())
        # A shell sets some variables itself.
        assert set(found) - {"PWD", "SHLVL", "_", "OLDPWD"} <= {"PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_TIME", "TZ", "TMPDIR"}, found
        assert found["TZ"] == "UTC" and found["LC_TIME"] == "C" and ("TMPDIR" in found) == passes, found


def test_names_without_a_message_in_these_times_have_no_table(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("lab/a", 1), ("lab/b", 2), ("lab/c", 3)])
    exporting.recording("export", path, "--parquet", "-o", "tables", "--from", "0.5")
    assert {file.name for file in (exporting.folder / "tables").iterdir()} == {"lab-b.parquet", "lab-c.parquet"}
    assert "no message of lab/" in exporting.recording("export", path, "--parquet", "-o", "none", "--from", "50", code=1)


def test_relative_paths_are_those_of_the_current_folder(exporting: Lab):
    written(exporting.folder / "r.mcap", [("lab/t", {"a": 1}), ("lab/u", {"a": 1})])
    exporting.recording("export", "r.mcap", "--parquet", "-o", "out/tables")
    assert {path.name for path in Path(exporting.folder / "out/tables").iterdir()} == {"lab-t.parquet", "lab-u.parquet"}


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "hdf5"])
def test_name_or_field_that_has_no_place_costs_no_other_table(exporting: Lab, form: str):
    long, deep = "a" * 300, {"x": 1}
    for _ in range(30):
        deep = {"k" * 65_535: deep}
    wide = {f"{at:04}" + "w" * 1_000: at for at in range(2_000)}
    many = {f"f{at}": at for at in range(4_097)}
    messages = [("lab/t", {"a": 1}), (long, {"a": 1}), ("lab/deep", deep), ("lab/wide", wide), ("lab/many", many), ("lab/u", {"a": 1})]
    path = written(exporting.folder / "r.mcap", messages)
    said = exporting.recording("export", path, f"--{form}", "-o", "tables", code=1)
    if form == "hdf5":
        # Only file names have this length limit.
        with h5py.File(exporting.folder / "tables") as file:
            assert set(file) == {"lab", long} and set(file["lab"]) == {"t", "u"}
            assert [file[name]["a"][0] for name in ("lab/t", "lab/u", long)] == [1, 1, 1]
    else:
        assert {file.name for file in (exporting.folder / "tables").iterdir()} == {f"lab-t.{form}", f"lab-u.{form}"}
        assert f"{301 + len(form)} bytes" in said, said
    assert "lab/deep" in said and "longer than 65536 bytes" in said, said
    assert "lab/wide" in said and "1048576 bytes together" in said, said
    assert "lab/many" in said and "4096" in said, said
    assert f"{3 if form == 'hdf5' else 4} tables" in said, said


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.costly
@pytest.mark.parametrize("form", ["parquet", "arrow", "hdf5"])
def test_recording_is_read_a_few_times_however_many_names_it_has(tmp_path: Path, form: str):
    """Once for all columns, and once for each 128 files, or for one HDF5 file."""
    names = [f"lab/{at}" for at in range(300)]
    # The blocks outweigh other reads of the export.
    path = written(tmp_path / "r.mcap", [(name, {"a": at, "block": os.urandom(3_000)}) for at in range(4) for name in names])

    def exported(some: list[str], folder: Path) -> dict[str, object]:
        folder.mkdir()
        file = (lambda at: folder / "all.h5") if form == "hdf5" else (lambda at: folder / f"{at}.{form}")
        request = {
            "form": form, "recording": str(path), "begin": 0, "end": 2**64 - 1, "replace": False, "mode": None,
            "tables": [[name, str(file(at))] for at, name in enumerate(some)],
        }  # fmt: skip
        return export(request, io.StringIO())

    assert exported(names[:2], tmp_path / "two") == {"refused": []}
    before = bytes_read()
    assert exported(names, tmp_path / "all") == {"refused": []}
    times = (bytes_read() - before) / path.stat().st_size
    assert times < 8, f"the recording was read {times:.1f} times"
    if form == "hdf5":
        with h5py.File(tmp_path / "all/all.h5") as file:
            assert [list(file[name]["a"]) for name in names] == [[0, 1, 2, 3]] * 300
        return
    read = pyarrow.parquet.read_table if form == "parquet" else (lambda file: pyarrow.ipc.open_file(file).read_all())
    for at in range(300):
        assert read(str(tmp_path / f"all/{at}.{form}"))["a"].to_pylist() == [0, 1, 2, 3]


@pytest.mark.costly
@pytest.mark.parametrize("form", ["parquet", "hdf5"])
def test_export_of_many_names_needs_no_descriptor_a_name(exporting: Lab, form: str):
    path = written(exporting.folder / "r.mcap", [(f"lab/{at}", {"a": at}) for at in range(600)])
    done = subprocess.run(
        [DEBUG / "linkspan-record", "recording", "export", path, f"--{form}", "-o", "out"], env=exporting.env, cwd=exporting.folder, capture_output=True,
        text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert form == "hdf5" or len(list((exporting.folder / "out").iterdir())) == 600


def test_export_that_failed_leaves_no_folder(exporting: Lab):
    path = written(exporting.folder / "r.mcap", [("a" * 300, {"a": 1}), ("b" * 300, {"a": 1})])
    before = set(exporting.folder.iterdir())
    for output in ("tables", "new/tables"):
        exporting.recording("export", path, "--csv", "-o", output, code=1)
        assert set(exporting.folder.iterdir()) == before


def on_a_terminal(lab: Lab, *words: object) -> tuple[int, str]:
    """Runs `recording` with a terminal as standard error; returns exit code and display."""
    ours, theirs = pty.openpty()
    command = [str(word) for word in (PROGRAM, "recording", *words)]
    shown = bytearray()
    with subprocess.Popen(command, cwd=lab.folder, env=lab.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs) as child:
        os.close(theirs)
        # Reading after the other end's last close is an error.
        with contextlib.suppress(OSError):
            while some := os.read(ours, 4096):
                shown += some
        child.wait(60)
    os.close(ours)
    return child.returncode, shown.decode()


@pytest.mark.costly
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow", "hdf5"])
def test_each_export_shows_on_a_terminal_how_far_it_has_come(exporting: Lab, form: str) -> None:
    path = written(exporting.folder / "r.mcap", [(f"lab/{i % 2}", {"i": i, "text": "x" * 200}) for i in range(20_000)])
    output = "out" if form in ("csv", "parquet", "arrow") else f"out.{form}"
    code, shown = on_a_terminal(exporting, "export", path, f"--{form}", "-o", output)
    parts = [int(part) for part in re.findall(r"export: (\d+) %", shown)]
    assert code == 0 and parts and all(0 <= part <= 100 for part in parts), shown
    assert shown.endswith("\r\x1b[K"), shown[-200:]
    assert any((exporting.folder / output).iterdir()) if (exporting.folder / output).is_dir() else (exporting.folder / output).stat().st_size
    assert "%" not in exporting.recording("export", path, f"--{form}", "-o", output, "--force")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_arrays_of_truth_values_are_truth_values(exporting: Lab, form: str):
    values = [[True, False, True], [False, True, True]] * 20
    several = [[True] * (i % 5) for i in range(40)]
    path = written(
        exporting.folder / "r.mcap", [("lab/t", {"one": numpy.array(a), "several": numpy.array(b, bool), "grid": numpy.eye(3, dtype=bool)}) for a, b in zip(values, several)]
    )
    exporting.recording("export", path, f"--{form}", "-o", f"t.{form}")
    for table in (pyarrow.table(linkspan.Recording(path)["lab/t"]), read(exporting.folder / f"t.{form}")):
        assert {table.schema.field(name).type.value_type for name in ("one", "several", "grid")} == {pyarrow.bool_()}
        assert table["one"].to_pylist() == values and table["several"].to_pylist() == several
        assert table["grid"].to_pylist() == [numpy.eye(3, dtype=bool).ravel().tolist()] * 40


def read(path: Path) -> pyarrow.Table:
    return pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.ipc.open_file(path).read_all()


def opened(program: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{program}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(entry))
    return found


def state(program: int) -> str:
    """Returns the state letter of /proc/PID/stat."""
    return Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[0]


#: A writer that stops itself after creating a file without a name.
STOPS = """import os, signal
from linkspan import _native
from linkspan._export import main
make = _native.NewFile
def stops(*given):
    made = make(*given)
    os.kill(os.getpid(), signal.SIGSTOP)
    return made
_native.NewFile = stops
main()"""


@pytest.mark.parametrize("form", ["hdf5", "parquet"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_export_whose_program_alone_is_ended_makes_no_file(exporting: Lab, form: str, number: int):
    path = written(exporting.folder / "r.mcap", [("lab/a", {"x": 1})])
    python = exporting.folder / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -P -E -c '{STOPS}'\n")
    python.chmod(0o755)
    exporting.env["LINKSPAN_PYTHON"] = str(python)
    before = set(exporting.folder.iterdir())
    program = exporting.start(DEBUG / "linkspan-record", "recording", "export", path, f"--{form}", "-o", "made")
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    until("the writer is started", lambda: children.read_text() != "" or program.poll() is not None)
    [writer] = map(int, children.read_text().split())
    with contextlib.closing(os.fdopen(os.pidfd_open(writer), "rb", buffering=0)) as ended:
        until("the writer has stopped", lambda: state(writer) == "T")
        assert any("(deleted)" in name and str(exporting.folder) in name for name in opened(writer))
        os.kill(program.pid, number)
        program.communicate(timeout=60)
        assert program.returncode == -number
        assert set(exporting.folder.iterdir()) == before
        os.kill(writer, signal.SIGCONT)
        assert select.select([ended], [], [], 60)[0], "the writer goes on"
    assert set(exporting.folder.iterdir()) == before


def is_stopped_while(program: int, condition: Callable[[], object]) -> bool:
    """Stops a program while the condition holds; otherwise lets it continue. The stop keeps the moment."""
    os.kill(program, signal.SIGSTOP)
    until("the program is stopped", lambda: state(program) in "TZ")
    if condition():
        return True
    os.kill(program, signal.SIGCONT)
    return False


@pytest.mark.parametrize("form", ["hdf5", "parquet", "arrow"])
def test_writer_whose_program_has_ended_gives_no_file_its_name(exporting: Lab, form: str):
    """Here the writer gets no signal at its parent's end, as if the signal came after its last file."""
    path = written(exporting.folder / "r.mcap", [("lab/a", {"x": 1})])
    before = set(exporting.folder.iterdir())
    request = {
        "form": form, "recording": str(path), "begin": 0, "end": 2**64 - 1, "replace": False, "mode": None,
        "tables": [["lab/a", str(exporting.folder / "made")]],
    }  # fmt: skip
    script = "from linkspan import _export\n_export._end_with_reader = lambda out: None\n_export.main()"
    with subprocess.Popen([sys.executable, "-c", script], env=exporting.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin and writer.stdout
        writer.stdout.close()
        writer.stdin.write(json.dumps(request))
        writer.stdin.close()
        assert writer.wait(60) == 128 + signal.SIGTERM
    assert set(exporting.folder.iterdir()) == before


def unfinished(folder: Path, name: str) -> list[Path]:
    """Returns the unfinished output of an export of a folder."""
    return list(folder.glob(f".{name}.*.unfinished"))


@pytest.mark.costly
@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_killed_export_makes_no_folder(exporting: Lab, form: str):
    path = written(exporting.folder / "r.mcap", [(f"lab/{i % 40}", {f"x{j}": i for j in range(20)}) for i in range(20_000)])
    before = set(exporting.folder.iterdir())
    program = exporting.start(DEBUG / "linkspan-record", "recording", "export", path, f"--{form}", "-o", "made")
    until("the folder is made", lambda: is_stopped_while(program.pid, lambda: unfinished(exporting.folder, "made")))
    program.kill()
    program.communicate(timeout=60)
    assert set(exporting.folder.iterdir()) - before == set(unfinished(exporting.folder, "made"))
    exporting.recording("export", path, f"--{form}", "-o", "made")
    assert len(list((exporting.folder / "made").iterdir())) == 40


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_interrupted_export_leaves_no_folder(exporting: Lab, form: str):
    path = written(exporting.folder / "r.mcap", [(f"lab/{i % 40}", {f"x{j}": i for j in range(20)}) for i in range(20_000)])
    before = set(exporting.folder.iterdir())
    program = exporting.start(DEBUG / "linkspan-record", "recording", "export", path, f"--{form}", "-o", "made")
    until("the folder is made", lambda: is_stopped_while(program.pid, lambda: unfinished(exporting.folder, "made")))
    # Ctrl-C signals all programs of the terminal.
    os.killpg(program.pid, signal.SIGINT)
    program.send_signal(signal.SIGCONT)
    program.communicate(timeout=60)
    assert program.returncode == -signal.SIGINT and set(exporting.folder.iterdir()) == before


def many_keys(path: Path, count: int) -> None:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="")
        channel = writer.register_channel("lab/a", "json", 0)
        for i in range(count):
            writer.add_message(channel, 10**18 + i, json.dumps({f"k{i}": i / 2, f"t{i}": f"{i}"}).encode(), 10**18 + i)
        writer.finish()


def test_hdf5_of_twice_as_many_keys_takes_about_twice_the_work_and_room(lab: Lab) -> None:
    took, size = [], []
    for count in (150, 300, 600):
        many_keys(lab.folder / "k.mcap", count)
        before = time.process_time()
        linkspan.Recording(lab.folder / "k.mcap").write_hdf5(lab.folder / "k.h5", replace=True)
        took.append(time.process_time() - before)
        size.append((lab.folder / "k.h5").stat().st_size)
        with h5py.File(lab.folder / "k.h5") as made:
            group = made["lab/a"]
            for i in (0, count // 2, count - 1):
                assert group[f"k{i}"].shape == (count,) and group[f"k{i}"][i] == i / 2 and numpy.isnan(group[f"k{i}"][:]).sum() == count - 1
                assert group[f"t{i}"][i] == f"{i}".encode() and group[f"t{i}.valid"][:].nonzero()[0].tolist() == [i]
    # The first run pays the one-time costs.
    assert took[2] < 3 * took[1] and size[2] < 3 * size[1], (took, size)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a link to another user")
def test_folder_that_is_a_link_of_another_user_is_followed_on_no_part_of_a_path(lab: Lab) -> None:
    written(lab.folder / "a.mcap", [(name, {"i": 1}) for name in ("lab/a", "lab/b")])
    (lab.folder / "theirs/inner").mkdir(parents=True)
    for link, target in (("own", "theirs"), ("foreign", "theirs"), ("nested", "foreign/inner")):
        (lab.folder / link).symlink_to(target)
    os.lchown(lab.folder / "foreign", 12_345, 12_345)
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    commands = (["cut", "a.mcap"], ["export", "a.mcap", "lab/a", "--csv"], ["export", "a.mcap", "--hdf5"], ["report", "a.mcap"])
    for i, command in enumerate(commands):
        for path in ("foreign", "foreign/inner", "nested", "nested/new"):
            said = lab.recording(*command, "-o", f"{path}/{i}", code=1)
            assert "PermissionDenied" in said and "foreign is a link of another user (uid 12345)" in said, said
    for path in ("foreign/inner", "foreign/new", "nested/new/newer"):
        assert "is a link of another user" in lab.recording("export", "a.mcap", "--csv", "-o", path, code=1)
    recorder = lab.record("lab/*", "-o", "foreign/r.mcap", "--for", "1")
    assert "is a link of another user" in ended(recorder, 1)
    assert [*(lab.folder / "theirs").rglob("*")] == [lab.folder / "theirs/inner"]
    lab.recording("cut", "a.mcap", "-o", "own/cut.mcap")
    assert (lab.folder / "theirs/cut.mcap").exists()
