"""Lent array memory: writable until sent, then viewed in place by the receiver."""

import threading

import numpy as np
import pytest
from conftest import endpoint

import linkspan

MIB = 1 << 20


def pair_over(transport, **options):
    name = endpoint(transport)
    listener = linkspan.listen(name, **options)
    one = linkspan.connect(listener.endpoint, timeout=60.0, **options)
    two = listener.accept(timeout=60.0)
    one.send(0)
    two.recv()
    listener.close()
    return one, two


def test_loan_is_written_sent_without_a_copy_and_read_only_then():
    # All slots hold eight arrays of 1 MiB; a copy would use a further slot.
    one, two = pair_over("shm", max_message_size=4 * MIB)
    views = []
    for seed in range(8):
        wave = one.loan((2, MIB // 16), "f8")
        assert wave.shape == (2, MIB // 16) and wave.dtype == np.float64 and wave.flags.writeable
        wave[:] = seed
        wave[1, -1] = -1
        one.send({"wave": wave})
        assert not wave.flags.writeable
        with pytest.raises(ValueError):
            wave[0, 0] = 1
        views.append(two.recv()["wave"])
    assert one.stats()["arrays_in_slots"] == 8 and one.stats()["arrays_without_slot"] == 0
    for seed, view in enumerate(views):
        assert view[0, 0] == seed and view[1, -1] == -1 and not view.flags.writeable
    del view, views, wave
    one.loan(MIB, "u1")[:] = 3


def test_loan_that_is_encoded_and_not_sent_can_still_be_written():
    one, two = pair_over("shm", max_message_size=4 * MIB)
    wave = one.loan(MIB // 8, "f8")
    wave[:] = 1
    for value in (wave, {"wave": wave}, wave[1:]):
        linkspan.encode(value)
        one.send("something else")
        assert two.recv().value == "something else"
        assert wave.flags.writeable
    wave[:] = 2
    one.send(wave)
    assert not wave.flags.writeable and (two.recv().value == 2).all()


def reshaped(wave):
    wave.shape = (8, -1, 1) if wave.flags.c_contiguous else wave.shape
    return wave


def retyped(wave):
    wave.dtype = "i8"
    return wave


@pytest.mark.parametrize(
    "altered",
    [
        lambda wave: wave,
        reshaped,
        retyped,
        lambda wave: wave[:-1],
        lambda wave: wave[::2],
        lambda wave: wave.T,
        lambda wave: wave.view("u8"),
        lambda wave: memoryview(wave),
        lambda wave: np.asarray(wave.base),
    ],
    ids=["same", "shape", "dtype", "part", "every_other", "transposed", "view", "memoryview", "other_array"],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_loan_sent_alone_has_the_form_that_the_program_gave_it(altered, order):
    one, two = pair_over("shm", max_message_size=4 * MIB)
    for _ in range(3):
        wave = one.loan((8, MIB // 64), "f8", order=order)
        wave.T[:] = np.arange(MIB // 8, dtype="f8").reshape(wave.T.shape)
        sent = altered(wave)
        expected = np.array(sent)
        one.send(sent)
        assert sent is not wave or not wave.flags.writeable
        got = two.recv().value
        assert got.dtype == expected.dtype and got.shape == expected.shape
        assert (got == expected).all() and not got.flags.writeable
        with pytest.raises(ValueError):
            got.setflags(write=True)
        del got, sent, expected, wave


def test_received_arrays_of_many_dimensions_have_lengths_and_strides():
    one, two = pair_over("unix")
    for rank in range(1, 10):
        for order in "CF":
            array = np.arange(2 * 3**2 * 2**6, dtype="i4").reshape([2, 3, 3, 2, 2, 2, 2, 2, 2][:rank] + [-1])
            array = np.asarray(array, order=order)
            one.send(array)
            got = two.recv().value
            assert got.shape == array.shape and got.strides == array.strides and (got == array).all()


def test_dropped_loan_frees_its_memory():
    one, two = pair_over("shm", max_message_size=4 * MIB)
    for _ in range(50):
        one.loan(MIB, np.uint8)[:] = 1
    part = one.loan(MIB, "u1")[100:200]
    part[:] = 7
    for _ in range(50):
        one.loan(MIB, "u1")[:] = 2
    assert (part == 7).all(), "a slice keeps the loan"
    one.send(part)
    assert (two.recv().value == 7).all()


@pytest.mark.parametrize("transport", ["shm", "unix"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", ">i4", bool, "c16", "u8", "f2", "M8[ns]"])
def test_each_type_has_loans_or_refuses_with_the_reason(transport, dtype):
    one, two = pair_over(transport)
    if dtype in (">i4", "f2", "M8[ns]"):
        with pytest.raises(linkspan.Unsupported, match="has no form"):
            one.loan(5, dtype)
        return
    array = one.loan((3, 40), dtype, order="F")
    assert array.dtype == np.dtype(dtype) and array.flags.f_contiguous
    array[:] = np.arange(120).reshape(3, 40) % 2
    one.send(array)
    assert not array.flags.writeable
    assert np.array_equal(two.recv().value, array)


def test_type_of_a_loan_that_is_named_again_is_the_same_type():
    one, two = pair_over("unix")
    for _ in range(2):
        for name in ("f8", "float64", "d", "<f8"):
            assert one.loan(3, name).dtype == np.float64
        assert one.loan(3).dtype == np.float64 and one.loan(3, "?").dtype == np.bool_
        with pytest.raises(linkspan.Unsupported):
            one.loan(3, ">f8")
    # Subclasses are still examined after NumPy's own type.
    one.send(np.arange(3))
    assert two.recv().value.tolist() == [0, 1, 2]
    with pytest.raises(linkspan.Unsupported):
        one.send(np.ma.array([1, 2], mask=[0, 1]))
    one.send(np.arange(3).view(type("Own", (np.ndarray,), {})))
    assert two.recv().value.tolist() == [0, 1, 2]


def test_loan_to_another_channel_is_copied():
    one, _two = pair_over("shm")
    other, far = pair_over("shm")
    wave = one.loan(MIB, "u1")
    wave[:] = 9
    other.send([wave, wave])
    assert not wave.flags.writeable
    first, second = far.recv().value
    assert (first == 9).all() and (second == 9).all()


@pytest.mark.parametrize(
    ("shape", "raised", "text"),
    [
        (-1, ValueError, "the shape -1 has a dimension that is negative"),
        ((3, -1), ValueError, r"the shape \(3, -1\) has a dimension that is negative"),
        ([1 << 64], ValueError, r"the shape \[18446744073709551616\] has a dimension that is negative or above 2\^64 - 1"),
        ((2, 1.5), TypeError, r"a shape is an integer or a sequence of integers, and not \(2, 1.5\)"),
        ("abc", TypeError, "and not 'abc'"),
        (None, TypeError, "and not None"),
    ],
)
def test_shape_that_is_none_is_refused_with_the_reason(shape, raised, text):
    with linkspan.Publisher(endpoint("shm")) as publisher, pytest.raises(raised, match=text):
        publisher.loan(shape, "f8")


def test_shapes_are_integers_of_numpy_too():
    with linkspan.Publisher(endpoint("shm")) as publisher:
        for shape, expected in [(np.int64(3), (3,)), (np.array([2, 5]), (2, 5)), ([4], (4,)), (range(1, 3), (1, 2)), ((), ())]:
            assert publisher.loan(shape, "u1").shape == expected


def test_object_that_is_no_loan_is_refused():
    one, _two = pair_over("shm", max_message_size=MIB)
    with pytest.raises(linkspan.TooLarge, match="allowed"):
        one.loan((2, MIB), "u1")
    with pytest.raises(linkspan.InvalidState, match="row-major"):
        one.loan(5, "f8", order="K")
    with pytest.raises(TypeError):
        one.loan("five")


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_loan_for_a_reply_is_viewed_by_the_client(transport):
    # All slots hold eight arrays of 1 MiB, and the client keeps its arrays.
    server = linkspan.Server(endpoint(transport), max_message_size=4 * MIB)
    replies, failed = [], []

    def ask():
        try:
            with linkspan.connect(server.endpoint, timeout=60.0, max_message_size=4 * MIB) as client:
                replies.extend(client.call(n, timeout=60.0).value for n in range(8))
        except Exception as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(8):
        request = server.next(timeout=60.0)
        wave = request.loan((2, MIB // 16))
        wave[:] = request.value
        request.reply(wave)
        assert not wave.flags.writeable
        with pytest.raises(linkspan.InvalidState, match="answered once"):
            request.loan(5)
    server.close(timeout=60.0)
    asking.join(20)
    assert not failed and [reply[1, -1] for reply in replies] == list(range(8))
    assert not any(reply.flags.writeable for reply in replies)
    stats = server.stats()
    assert (stats["arrays_in_slots"], stats["arrays_without_slot"]) == ((8, 0) if transport == "shm" else (0, 0))


def test_channel_that_replies_sends_a_loan_without_a_copy():
    one, two = pair_over("shm", max_message_size=4 * MIB)
    asked = one.start_call("wave")
    request = two.recv(timeout=60.0)
    waves = [two.loan(MIB, "u1") for _ in range(8)]
    waves[7][:] = 7
    two.reply(request, waves[7])
    assert not waves[7].flags.writeable and waves[6].flags.writeable
    assert (one.finish_call(asked, timeout=60.0).value == 7).all()
    # A copy would find no free slot.
    assert two.stats()["arrays_in_slots"] == 1 and two.stats()["arrays_without_slot"] == 0


def test_loan_of_a_publisher_is_read_only_once_it_is_published():
    with linkspan.Publisher(endpoint("shm")) as publisher, linkspan.Subscriber(publisher.endpoint) as subscriber:
        publisher.wait_for_subscribers(1, timeout=60.0)
        wave = publisher.loan((3, 100_000), order="F")
        wave[:] = 2.5
        publisher.send({"wave": wave})
        assert not wave.flags.writeable
        assert np.array_equal(subscriber.recv(timeout=60.0)["wave"], wave)
        assert publisher.stats()["arrays_in_slots"] == 1 and publisher.stats()["arrays_without_slot"] == 0
        publisher.close()
        with pytest.raises(linkspan.InvalidState, match="closed"):
            publisher.loan(5)


def test_views_of_subscribers_do_not_change():
    with linkspan.Publisher(endpoint("shm"), max_message_size=4 * MIB) as publisher:
        subscribers = [linkspan.Subscriber(publisher.endpoint, max_message_size=4 * MIB) for _ in range(3)]
        views = []
        for seed in range(40):
            wave = publisher.loan((2, MIB // 16), "f8")
            wave[:] = seed
            publisher.send({"wave": wave})
            views += [(seed, s.recv(timeout=60.0)["wave"]) for s in subscribers]
            assert not views[-1][1].flags.writeable
            # A subscriber copies beyond its share, so some keep four and others one at a time.
            views = [view for view in views if view[0] in (0, 3, 4, 9, 17) or view[0] > seed - 3]
            assert all((wave == of).all() for of, wave in views)
        assert publisher.stats()["arrays_in_slots"] == 40 and publisher.stats()["arrays_without_slot"] == 0
        for subscriber in subscribers:
            subscriber.close()
        publisher.close()
    assert all((wave == of).all() for of, wave in views)


def matrix_of(wave):
    return wave.view(np.matrix)


@pytest.mark.parametrize("pattern", ["channel", "publisher"])
@pytest.mark.parametrize(
    "keep",
    [lambda w: w[:], lambda w: w.reshape(2, -1), lambda w: w.T, memoryview, matrix_of, lambda w: np.asarray(w.base), lambda w: w.base[:]],
    ids=["slice", "reshaped", "transposed", "memoryview", "matrix", "base", "slice_of_base"],
)
@pytest.mark.parametrize("inside", [lambda w: w, lambda w: {"w": w}, lambda w: [w], lambda w: (w,)], ids=["alone", "map", "list", "tuple"])
def test_what_was_kept_of_a_loan_changes_nothing_that_was_sent(pattern, keep, inside):
    if pattern == "channel":
        one, two = pair_over("shm", max_message_size=4 * MIB)
    else:
        one = linkspan.publisher(endpoint("shm"), max_message_size=4 * MIB)
        two = linkspan.subscribe(one.endpoint, max_message_size=4 * MIB)
        one.send(0)
        two.recv()
    wave = one.loan(MIB // 8, "f8")
    wave[:] = 1
    kept = keep(wave)
    one.send(inside(wave))
    got = two.recv().value
    got = got["w"] if isinstance(got, dict) else got[0] if isinstance(got, list) else got
    try:
        np.asarray(kept).reshape(-1)[0] = 666
    except ValueError:
        assert not np.asarray(kept).flags.writeable
    with pytest.raises(ValueError):
        wave[0] = 666
    assert got.shape == (MIB // 8,) and (got == 1).all()


def test_loan_that_nothing_else_refers_to_is_not_copied():
    """Copies would exhaust the slots."""
    one, two = pair_over("shm", max_message_size=4 * MIB)
    for inside in (lambda w: w, lambda w: {"w": w}, lambda w: [w], lambda w: (w,)):
        views = []
        for _ in range(8):
            wave = one.loan(MIB, "u1")
            wave[:] = 1
            one.send(inside(wave))
            views.append(two.recv())
            views[-1].value
        assert one.stats()["arrays_without_slot"] == 0
        del views, wave
