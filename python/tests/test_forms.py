"""Sent objects of NumPy, pandas and Python match each row of the table in docs/values.md."""

import collections
import datetime
import re
from pathlib import Path

import linkspan
import numpy as np
import pandas as pd
import pytest

TABLE = Path(__file__).parents[2] / "docs/values.md"
ENCODINGS = ["json", "cbor", "bson", "smile"]
DAY = linkspan.Timestamp.parse("2026-03-01T00:00:00Z")
SECOND = datetime.timedelta(seconds=1)


def same(a, b):
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=b.dtype.kind == "f")
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    return type(a) is type(b) and a == b


FORMS = [
    ("set", {7}, [7]),
    ("frozenset", frozenset("x"), ["x"]),
    ("deque", collections.deque([1, "x"]), [1, "x"]),
    ("range", range(3), [0, 1, 2]),
    ("UserList", collections.UserList([1]), [1]),
    ("date", datetime.date(2026, 3, 1), "2026-03-01"),
    ("timedelta", 1.5 * SECOND, 1.5),
    ("timedelta64", np.timedelta64(1500, "ms"), 1.5),
    ("timedelta64 NaT", np.timedelta64("NaT"), None),
    ("datetime64 NaT", np.datetime64("NaT"), None),
    ("datetime64 array", np.array(["2026-03-01", "NaT"], "M8[s]"), [DAY, None]),
    ("datetime64 array, two dimensions", np.array([["2026-03-01"], ["2026-03-01"]], "M8[D]"), [[DAY], [DAY]]),
    ("datetime64 array, column-major", np.asfortranarray(np.array([["2026-03-01", "NaT"]], "M8[D]").T), [[DAY], [None]]),
    ("datetime64 array, strided", np.array(["2026-03-01", "NaT", "2026-03-01"], "M8[ns]")[::2], [DAY, DAY]),
    ("datetime64 array, empty", np.array([], "M8[ns]"), []),
    ("timedelta64 array", np.array([1, 2500, "NaT"], "m8[ms]"), np.array([0.001, 2.5, np.nan])),
    ("text array", np.array([["a", "bcd"]]), [["a", "bcd"]]),
    ("bytes array", np.array([b"a"], "S3"), [b"a"]),
    ("object array", np.array([1, None, "x"], object), [1, None, "x"]),
    ("structured array", np.array([(1, 0.5), (2, 1.5)], "i4, f8"), {"f0": np.array([1, 2], "i4"), "f1": np.array([0.5, 1.5])}),
    ("structured scalar", np.array([(1, 0.5)], "i4, f8")[0], {"f0": 1, "f1": 0.5}),
    ("record array", np.rec.array([(1, "x")], dtype=[("n", "i8"), ("t", "U4")]), {"n": np.array([1]), "t": ["x"]}),
    ("pandas.NaT", pd.NaT, None),
    ("pandas.NA", pd.NA, None),
    ("pandas.Timestamp", pd.Timestamp("2026-03-01T00:00:00.000000001Z"), linkspan.Timestamp(DAY.nanoseconds + 1)),
    ("pandas.Timedelta", pd.Timedelta("1.5s"), 1.5),
    ("Series", pd.Series([1.5, 2.5]), np.array([1.5, 2.5])),
    ("Series with an index", pd.Series([1, 2], index=["x", "y"]), {"index": ["x", "y"], "value": np.array([1, 2])}),
    ("Series of text", pd.Series(["a", None]), ["a", None]),
    ("Series of Int64", pd.Series([1, 2], dtype="Int64"), np.array([1, 2])),
    ("Series of Int64 with NA", pd.Series([1, None], dtype="Int64"), [1, None]),
    ("Series of boolean", pd.Series([True, None], dtype="boolean"), [True, None]),
    ("categories", pd.Series(["u", "v", "u"], dtype="category"), ["u", "v", "u"]),
    ("zoned times", pd.Series(pd.to_datetime(["2026-03-01T01:00:00+01:00", None])), [DAY, None]),
    ("Index", pd.Index([1, 2]), np.array([1, 2])),
    ("MultiIndex", pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["n", "t"]), {"n": np.array([1, 2]), "t": ["x", "y"]}),
    ("MultiIndex without names", pd.MultiIndex.from_tuples([(1, 2)]), {"level_0": np.array([1]), "level_1": np.array([2])}),
    (
        "DataFrame",
        pd.DataFrame({"n": [1, 2], "t": pd.to_datetime(["2026-03-01", None]), "s": ["x", None]}),
        {"n": np.array([1, 2]), "t": [DAY, None], "s": ["x", None]},
    ),
    ("DataFrame with an index", pd.DataFrame({"n": [1]}, index=pd.Index(["k"], name="key")), {"key": ["k"], "n": np.array([1])}),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("given", "arrives"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_object_arrives_in_the_form_of_the_table(given, arrives, encoding):
    got = linkspan.decode(linkspan.encode({"v": [given]}, encoding), encoding)["v"][0]
    assert same(got, arrives), got


@pytest.mark.parametrize(
    ("given", "path", "part"),
    [
        (np.array(["3000-01-01"], "M8[D]"), "v", "3000-01-01 has no form"),
        (np.array([1], "M8[as]"), "v", "has no form"),
        (np.array([1], "m8[Y]"), "v", "no length in seconds"),
        (np.timedelta64(1, "M"), "v", "no length in seconds"),
        (datetime.datetime(2026, 3, 1), "v", "without a time zone"),
        (pd.DataFrame([[1]]), "v/0", "the keys of a map are text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "v", "two columns of a table are called 'a'"),
        (pd.DataFrame({"k": [1]}, index=pd.Index([1], name="k")), "v", "the index of a table"),
        (pd.DataFrame({"o": [object()]}), "v/o/0", "object has no form"),
        (pd.Timestamp("2026-03-01"), "v", "without a time zone"),
        (pd.Period("2026-03"), "v", "has no form"),
        (np.zeros(1, "V3"), "v", "dtype |V3 has no form"),
        (datetime.time(12), "v", "datetime.time has no form"),
        ({1, object()}, None, "object has no form"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_object_without_a_form_is_refused_with_its_path(given, path, part):
    with pytest.raises(linkspan.Unsupported, match=re.escape(part)) as caught:
        linkspan.encode({"v": given})
    assert path is None or caught.value.path == path and str(caught.value).endswith(f", at path {path}")
    assert path is None or not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("given", [range(10**12), range(10**20), range(linkspan._native.MAX_VALUES + 1)], ids=repr)
def test_range_longer_than_a_message_may_be_is_too_large(given):
    with pytest.raises(linkspan.TooLarge, match="a range of more than 1000000 items, .* array.*, at path v/0"):
        linkspan.encode({"v": [given]})


def test_each_kind_that_is_tried_has_a_row_in_the_table():
    text = TABLE.read_text()
    for name in ("set", "frozenset", "deque", "range", "date", "timedelta", "datetime64", "timedelta64", "NaT", "NA", "Series", "DataFrame"):
        assert f"`{name}" in text or f".{name}`" in text, name
    for kind in ("structured array", "text array", "object array"):
        assert kind in text, kind


def test_timedelta_is_a_time_out_everywhere():
    name = "shm:test/timedelta"
    with linkspan.listen(name, timeout=10 * SECOND) as listener:
        with pytest.raises(linkspan.Timeout, match=r"0\.005 s"):
            listener.accept(timeout=0.005 * SECOND)
        with pytest.raises(linkspan.Timeout):
            linkspan.wait([listener], timeout=0.001 * SECOND)
    with pytest.raises(linkspan.OutOfRange):
        linkspan.connect(name, timeout=-SECOND)


@pytest.mark.parametrize(
    ("objects", "kind", "part"),
    [([1], linkspan.WrongType, "at position 0 is int"), ([], linkspan.InvalidState, "nothing to wait for"), (5, linkspan.WrongType, "accepts a list")],
)
def test_wait_for_what_cannot_be_waited_for_says_so(objects, kind, part):
    with pytest.raises(kind, match=part):
        linkspan.wait(objects, timeout=0)


def test_wait_for_one_object_without_a_list_says_so():
    with linkspan.listen("shm:test/alone") as listener, pytest.raises(linkspan.WrongType, match="accepts a list"):
        linkspan.wait(listener, timeout=0)


def test_timestamps_are_taken_by_numpy_and_pandas():
    at = linkspan.Timestamp(DAY.nanoseconds + 1)
    assert linkspan.Timestamp.from_datetime64(at.to_datetime64()) == at
    zoned = pd.Timestamp(at.to_datetime64(), tz="UTC")
    assert zoned.nanosecond == 1 and linkspan.Timestamp.from_datetime(zoned) == at
    column = pd.Series([each.to_datetime64() for each in (at, DAY)])
    assert column.dtype == "M8[ns]" and linkspan.decode(linkspan.encode(column)) == [at, DAY]
    # Classes with nanoseconds keep them.
    rows = re.findall(r"^\| [^|]* \| `([^`]*)` \|$", TABLE.read_text().partition("### Instants of NumPy and pandas")[2].partition("\n## ")[0], re.M)
    made = [eval(row, {"at": at, "column": [at, DAY], "np": np, "pd": pd}) for row in rows]
    assert [type(one) for one in made] == [datetime.datetime, np.datetime64, np.ndarray, pd.Timestamp, pd.DatetimeIndex]
    assert [linkspan.decode(linkspan.encode(one)) for one in made] == [DAY, at, [at, DAY], at, [at, DAY]]
    for none in (np.datetime64("NaT"), np.timedelta64(1, "s")):
        with pytest.raises(linkspan.Unsupported, match="names no instant"):
            linkspan.Timestamp.from_datetime64(none)
