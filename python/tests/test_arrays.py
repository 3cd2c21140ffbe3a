"""N-d arrays: any buffer goes out, a read-only view of the message comes in."""

import array
import gc
import pickle
import subprocess
import sys

import linkspan
import numpy as np
import pytest
from linkspan import NdArray

ENCODINGS = ["json", "cbor", "bson", "smile"]
DTYPES = {
    "bool": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "u16": np.uint16,
    "u32": np.uint32, "u64": np.uint64, "f32": np.float32, "f64": np.float64, "c64": np.complex64, "c128": np.complex128,
}


def back(value, encoding="cbor"):
    return linkspan.decode(linkspan.encode(value, encoding), encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", DTYPES)
def test_every_element_type_shape_and_order(name, encoding):
    rng = np.random.default_rng(1)
    for shape in [(), (1,), (0,), (5,), (2, 3), (0, 4), (4, 0, 2), (2, 3, 4), (1, 7), (1,) * 15]:
        for order in "CF":
            given = np.array(rng.integers(0, 2, shape) * (1.5 if name[0] in "fc" else 1), order=order).astype(DTYPES[name], order=order)
            got = back(given, encoding)
            assert type(got) is np.ndarray and got.dtype == given.dtype and got.shape == given.shape
            assert np.array_equal(got, given)
            assert not got.flags.writeable
            if min(shape, default=0) > 1:
                assert got.flags.f_contiguous == given.flags.f_contiguous


def test_strided_and_foreign_order_are_copied_right():
    base = np.arange(24.0).reshape(4, 6)
    for view in [base[::2], base[:, 1::2], base[::-1], base.T[1:3], np.broadcast_to(np.float32(3), (2, 2))]:
        assert np.array_equal(back(view), view)
    big = np.arange(6, dtype=">i4").reshape(2, 3)
    assert np.array_equal(back(big), big) and back(big).dtype == np.int32
    assert np.array_equal(back(np.array([1 + 2j], dtype=">c16")), [1 + 2j])


def test_nan_payloads_survive():
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000000], dtype=np.uint64)
    assert np.array_equal(back(bits.view(np.float64)).view(np.uint64), bits)


def test_any_buffer_is_an_array():
    assert back(array.array("h", [1, 2, 3])).tolist() == [1, 2, 3]
    assert back(memoryview(b"abc")).tolist() == [97, 98, 99]
    assert back(memoryview(bytes(16)).cast("i", (2, 2))).shape == (2, 2)
    assert back(memoryview(b"abcdef")[::2]).tolist() == [97, 99, 101]


def test_numpy_scalars_are_numbers():
    for given, arrives in [
        (np.float64(0.5), 0.5), (np.float32(0.5), 0.5), (np.int8(-3), -3), (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True), (np.str_("x"), "x"), (np.bytes_(b"x"), b"x"),
    ]:
        got = back({"v": given})["v"]
        assert got == arrives and type(got) is type(arrives)


@pytest.mark.parametrize(
    "given",
    [np.array(["3000-01-01"], "M8[s]"), np.zeros(2, "m8[Y]"), np.array([object()]), np.zeros(2, "V3"),
     np.zeros(2, np.longdouble), np.zeros(2, np.clongdouble), np.datetime64("3000-01-01"),
     np.timedelta64(1, "M"), np.longdouble(1), np.ma.masked, np.ma.array([1, 2], mask=[0, 1])],
    ids=lambda g: str(g.dtype),
)
def test_value_without_an_element_type_is_refused_with_its_path(given):
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.encode({"a": [given]})
    assert caught.value.path in ("a/0", "a/0/0")


def test_long_array_is_a_view_that_keeps_its_message():
    data = linkspan.encode({"wave": np.arange(4096.0)})
    wave = linkspan.decode(data)["wave"]
    inside = np.frombuffer(data, np.uint8)
    assert np.shares_memory(wave, inside)
    del data, inside
    gc.collect()
    assert wave[4095] == 4095.0


def test_memory_is_freed_with_the_last_view():
    data = linkspan.encode(np.arange(4096.0))
    before = sys.getrefcount(data)
    wave = linkspan.decode(data)
    part = wave[10:20]
    del wave
    gc.collect()
    assert sys.getrefcount(data) == before + 1 and part[0] == 10.0
    del part
    gc.collect()
    assert sys.getrefcount(data) == before


def test_ndarray_lends_its_memory():
    lent = NdArray(np.arange(6, dtype=np.int16).reshape(2, 3))
    assert (lent.dtype, lent.shape, lent.order, lent.nbytes, len(lent)) == ("i16", (2, 3), "row", 12, 2)
    assert repr(lent) == "<linkspan.NdArray i16 [2, 3] row-major>"
    view = memoryview(lent)
    assert view.readonly and view.format == "h" and view.shape == (2, 3) and view[1, 2] == 5
    assert lent.tolist() == [[0, 1, 2], [3, 4, 5]] == view.tolist()
    assert pickle.loads(pickle.dumps(lent)) == lent
    assert lent == NdArray(bytes(view), "i16", [2, 3]) and lent != NdArray(b"ab")
    assert np.array_equal(back(lent), lent.tolist())
    with pytest.raises(ValueError, match="WRITEABLE"):
        np.asarray(lent).setflags(write=True)
    with pytest.raises(TypeError):
        view[0, 0] = 1


def test_column_order_keeps_its_indices():
    lent = NdArray(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert lent.order == "column" and lent.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert memoryview(lent).tolist() == lent.tolist()
    assert memoryview(lent).f_contiguous and not memoryview(lent).c_contiguous
    assert NdArray(bytes(48), "f64", [2, 3], "column").order == "column"


def test_bad_shapes_and_names_are_refused():
    with pytest.raises(linkspan.Malformed):
        NdArray(b"abc", "u8", [2])
    with pytest.raises(linkspan.Unsupported):
        NdArray(b"abc", "f16")
    with pytest.raises(linkspan.Malformed):
        NdArray(memoryview(b"\x02").cast("?"))
    with pytest.raises(TypeError):
        NdArray([1, 2])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint64, np.float32, np.float64, np.complex64, np.complex128])
def test_ndarray_indexes_and_iterates_as_numpy_does(dtype, order):
    whole = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    lent = NdArray(whole)
    assert lent.tolist() == whole.tolist()
    for index in [(0, 0, 0), (1, 2, 3), (-1, -3, -4), (np.int64(1), 0, 2)]:
        assert lent[index] == whole[index] and type(lent[index]) is type(whole[index].item())
    for index in [0, -1, (1, 2), (0, -1)]:
        assert type(lent[index]) is NdArray and lent[index].tolist() == whole[index].tolist()
    assert [part.tolist() for part in lent] == whole.tolist()
    assert sum(NdArray(whole.ravel())) == sum(whole.ravel().tolist())
    assert np.array_equal(np.asarray(lent[1]), whole[1])


def test_ndarray_index_beyond_a_dimension_is_refused():
    lent = NdArray(np.zeros((2, 3)))
    for index, what in [(2, "dimension 0"), (-3, "dimension 0"), ((1, 3), "dimension 1"), ((0, 0, 0), "2 dimensions")]:
        with pytest.raises(IndexError, match=what):
            lent[index]
    for index in [1.0, "x", slice(0, 1), None, (0, slice(1))]:
        with pytest.raises(TypeError, match="integer"):
            lent[index]
    assert NdArray(np.float64(2.5)).tolist() == 2.5 == NdArray(np.float64(2.5))[()]
    with pytest.raises(IndexError):
        NdArray(np.float64(2.5))[0]


def test_ndarray_that_is_empty_is_no_endless_list():
    assert NdArray(np.zeros((2, 0, 3))).tolist() == [[], []]
    assert NdArray(b"", "f64", [0, 2**60]).tolist() == []
    with pytest.raises(ValueError, match="empty lists"):
        NdArray(b"", "f64", [2**60, 0]).tolist()


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import array, linkspan
got = linkspan.decode(linkspan.encode({"a": array.array("d", [1.5] * 100)}))["a"]
assert type(got) is linkspan.NdArray, type(got)
assert memoryview(got)[99] == 1.5 and memoryview(got).readonly
assert linkspan.decode(linkspan.encode(got)) == got
assert sum(got) == 150.0 and got[-1] == 1.5
"""


def test_without_numpy_an_ndarray_arrives():
    subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], check=True)


def test_numpy_is_not_imported_before_the_first_array():
    code = "import sys, linkspan; linkspan.decode(linkspan.encode({'a': [1]})); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_empty_array_with_a_length_beyond_a_buffer_is_kept_and_not_lent():
    array = linkspan.decode(bytes.fromhex("d82882821bffffffffffffffff00d85640"), "cbor")
    assert array.shape == (2**64 - 1, 0)
    with pytest.raises(BufferError, match="too long for a buffer"):
        memoryview(array)
    with pytest.raises(OverflowError):
        len(array)
    assert linkspan.decode(linkspan.encode(array, "bson"), "bson") == array


def test_list_that_holds_itself_is_refused_as_an_option():
    endless = []
    endless.append(endless)
    with pytest.raises(linkspan.TooLarge, match="depth"):
        linkspan.connect("shm:test/endless", allow_uids=endless, timeout=0)


@pytest.mark.parametrize("given", [np.zeros(2, "V3"), np.zeros(2, np.clongdouble), np.zeros(2, np.longdouble)])
def test_refusal_names_the_dtype_and_the_way_out(given):
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.encode(given)
    assert f"dtype {given.dtype}" in str(caught.value) and "send " in str(caught.value)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_float16_is_widened(encoding):
    given = np.array([[0.5, -1.25, np.inf], [65504, 6e-8, 0]], np.float16)
    got = back(given, encoding)
    assert got.dtype == np.float32 and np.array_equal(got, given)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_complex_scalars_are_arrays_without_dimensions(encoding):
    for given in [1.5 - 2j, np.complex128(1.5 - 2j), np.complex64(1.5 - 2j)]:
        got = back({"z": given}, encoding)["z"]
        assert got.shape == () and complex(got) == 1.5 - 2j


def test_datetime64_is_a_timestamp():
    for given, nanoseconds in [
        (np.datetime64("2026-01-01T00:00:00.123456789"), 1767225600123456789), (np.datetime64("1969-12-31T23:59:59", "s"), -10**9),
        (np.datetime64("1970-01-02", "D"), 86400 * 10**9),
    ]:
        assert back({"at": given})["at"] == linkspan.Timestamp(nanoseconds)


def test_masked_array_without_masked_elements_is_an_array():
    assert back(np.ma.array([1.5, 2.5])).tolist() == [1.5, 2.5]
    assert back(np.ma.array([1, 2], mask=[0, 0])).tolist() == [1, 2]
    with pytest.raises(linkspan.Unsupported, match=r"array\.filled"):
        linkspan.encode(np.ma.array([1, 2], mask=[0, 1]))
