"""A received message is a value: it can be forwarded, compared, copied, matched, and read as a mapping."""

import collections.abc
import copy
import json
import os
import pickle
import threading
import uuid

import linkspan
import numpy as np
import pytest
from conftest import endpoint

VALUE = {"a": 1, "rows": [{"x": [1, 2]}], "wave": np.arange(40_000.0), "none": None}


@pytest.fixture(params=["shm", "unix"])
def link(request):
    with linkspan.listen(endpoint(request.param)) as listener, linkspan.connect(listener.endpoint) as one:
        with listener.accept() as two:
            yield one, two


def arrived(link, value):
    one, two = link
    # A full socket waits for its reader.
    sender = threading.Thread(target=one.send, args=[value])
    sender.start()
    message = two.recv(timeout=60.0)
    sender.join(10)
    return message


def test_message_is_sent_on_alone_and_nested(link):
    first = arrived(link, VALUE)
    for value in (first, {"of": first, "n": 1}, [first, first]):
        expected = VALUE if value is first else {"of": VALUE, "n": 1} if isinstance(value, dict) else [VALUE, VALUE]
        assert arrived(link, value) == expected
    assert linkspan.decode(linkspan.encode(first, "json"), "json")["rows"] == VALUE["rows"]


def test_request_is_answered_with_itself():
    name = endpoint("shm")
    with linkspan.serve(name) as server, linkspan.connect(name) as client:
        asked = client.start_call({"a": 1})
        request = server.next(timeout=60.0)
        request.reply({"echo": request})
        assert client.finish_call(asked, timeout=60.0) == {"echo": {"a": 1}}


def test_message_is_compared_with_its_content(link):
    message = arrived(link, VALUE)
    assert message == VALUE and VALUE == message and message == message
    assert message == arrived(link, VALUE)
    for other in ({**VALUE, "a": 2}, {**VALUE, "b": 1}, {**VALUE, "wave": np.zeros(40_000)}, {**VALUE, "wave": np.zeros(3)}, 5, [], None):
        assert message != other and not message == other
    assert arrived(link, [1, "x", [2]]) == [1, "x", [2]] and arrived(link, "text") == "text"
    assert arrived(link, [1]) != [1, 2] and arrived(link, "ab") != ["a", "b"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(message)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "deepcopy", "pickle"])
def test_message_is_copied_with_what_describes_it(link, copied):
    message = arrived(link, VALUE)
    again = copied(message)
    assert type(again) is linkspan.Message and again == message
    for name in ("sequence", "sent", "source", "encoding", "missed"):
        assert getattr(again, name) == getattr(message, name), name
    assert not np.shares_memory(again["wave"], message["wave"])


def test_pickle_of_other_bytes_is_malformed():
    for data in (b"", b"x" * 200):
        with pytest.raises(linkspan.Malformed):
            linkspan.Message._from_bytes(data)


def test_message_is_matched_and_taken_for_a_mapping(link):
    message = arrived(link, VALUE)
    match message:
        case {"a": 2}:
            pytest.fail("another value matched")
        case {"a": x, "rows": [{"x": [first, *_]}], **rest}:
            assert (x, first) == (1, 1) and set(rest) == {"wave", "none"}
        case _:
            pytest.fail("the message is no mapping for match")
    assert isinstance(message, collections.abc.Mapping)
    assert list({**message}) == list(VALUE) and dict(message).keys() == VALUE.keys()


def test_get_gives_what_a_dict_gives(link):
    message = arrived(link, {"a": {"b": 1}, "a/b": 2, "none": None})
    for key in ("a/b", "none", "missing"):
        assert message.get(key, 7) == message.value.get(key, 7) and message.get(key) == message.value.get(key)
    assert message.at("a/b") == 1 and message.get("a/c") is None and message.get("a/c", 5) == 5
    with pytest.raises(KeyError, match="missing"):
        message.at("missing")


def matched(subject):
    match subject:
        case {"a": x, **rest}:
            return "map", x, rest
        case {0: _} | {"a": _, "b": _}:
            return "another map"
        case _:
            return None


@pytest.mark.parametrize("value", [5, 1.5, True, None, "text", b"ab", [1, 2], {"b": 1}, np.arange(3.0), linkspan.Timestamp(0), uuid.UUID(int=1)], ids=repr)
def test_pattern_of_a_map_does_not_fit_a_message_without_the_key(link, value):
    message = arrived(link, value)
    assert matched(message) is None
    assert message.get("a") is None and message.get("a/b", 7) == 7 and message.get(5) is None and message.get(None, 7) == 7
    if not hasattr(message.value, "__len__"):
        assert len(message) == 0 and list(message) == [] and "a" not in message
        with pytest.raises(TypeError, match="the message is not a map"):
            dict(message)
    assert matched(arrived(link, {"a": 1, "c": 2})) == ("map", 1, {"c": 2})


def test_get_gives_the_default_below_a_value_that_holds_no_others(link):
    message = arrived(link, {"n": 5, "none": None, "text": "abc", "l": [1, None]})
    for path in ("n/q", "none/q", "text/0", "l/0/x", "l/1/x", "l/x", "\ud800"):
        assert message.get(path) is None and message.get(path, 7) == 7
    assert message.get("l/0") == 1 and message.get("none", 7) is None
    with pytest.raises(linkspan.WrongType, match="n/q"):
        message.at("n/q")


def test_json_dumps_takes_a_message(link):
    value = {**VALUE, "at": linkspan.Timestamp(0), "id": uuid.UUID(int=1), "raw": b"ab", "wave": np.arange(3.0), "z": np.complex128(1 + 2j)}
    text = json.dumps(arrived(link, value), default=linkspan.jsonable)
    assert json.loads(text) == {
        "a": 1, "rows": [{"x": [1, 2]}], "none": None, "wave": [0.0, 1.0, 2.0], "at": "1970-01-01T00:00:00Z",
        "id": str(uuid.UUID(int=1)), "raw": "YWI=", "z": [1.0, 2.0],
    }
    with pytest.raises(linkspan.WrongType, match="object has no form in JSON"):
        json.dumps(object(), default=linkspan.jsonable)


def place(view: memoryview) -> int:
    return np.frombuffer(view, "u1").__array_interface__["data"][0]


def test_long_bytes_are_viewed_where_the_message_has_them(link):
    image = bytes(range(251)) * 1000
    message = arrived(link, {"camera": "left", "rows": [{"image": image}], "wave": np.arange(40_000.0)})
    view = message.view("rows/0/image")
    assert view.readonly and view.format == "B" and view.shape == (len(image),) and view == image
    with pytest.raises(TypeError):
        view[0] = 1
    # A second view shares the memory; `value` has its own.
    assert place(view) == place(message.view("rows/0/image"))
    assert message["rows"][0]["image"] == image and type(message["rows"][0]["image"]) is bytes
    assert place(memoryview(message["rows"][0]["image"])) != place(view)
    wave = message.view("wave")
    assert wave.readonly and wave.format == "d" and wave[39_999] == 39_999.0
    assert place(wave) == message["wave"].__array_interface__["data"][0]
    assert arrived(link, b"short").view() == b"short"
    for path, error, text in (
        ("camera", linkspan.WrongType, "expected bytes or an array, found text, at path camera"),
        ("rows", linkspan.WrongType, "found an array"),
        ("rows/1/image", linkspan.Missing, "rows/1"),
        (1, linkspan.WrongType, "path"),
    ):
        with pytest.raises(error, match=text):
            message.view(path)


@pytest.mark.parametrize("encoding", ["cbor", "raw", "json", "bson", "smile"])
def test_bytes_of_each_encoding_are_viewed(encoding):
    image = bytes(range(251)) * 1000
    with linkspan.listen(endpoint("shm"), encoding=encoding) as listener, linkspan.connect(listener.endpoint, encoding=encoding) as one:
        with listener.accept() as two:
            message = arrived((one, two), image if encoding == "raw" else {"image": image})
            assert message.view("" if encoding == "raw" else "image") == image


def test_view_of_bytes_outlives_message_channel_and_sender_and_is_read_in_a_child():
    with linkspan.listen(endpoint("shm")) as listener, linkspan.connect(listener.endpoint) as one, listener.accept() as two:
        message = arrived((one, two), {"image": b"\5" * 1_000_000})
        view = message.view("image")
        del message
        # Later messages do not reuse its memory.
        for seed in range(10):
            assert arrived((one, two), {"image": bytes([seed]) * 1_000_000})["image"][0] == seed
    assert view == b"\5" * 1_000_000
    child = os.fork()
    if child == 0:
        right = view == b"\5" * 1_000_000
        del view
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert view == b"\5" * 1_000_000


def test_bytes_that_are_published_or_asked_for_are_viewed():
    name = endpoint("shm")
    with linkspan.publisher(name) as publisher, linkspan.subscribe(name) as subscriber:
        publisher.send({"image": b"\6" * 500_000})
        assert subscriber.recv(timeout=60.0).view("image") == b"\6" * 500_000
    with linkspan.serve(endpoint("shm", "lab/served")) as server, linkspan.connect(server.endpoint) as client:
        asked = client.start_call(b"\7" * 500_000)
        request = server.next(timeout=60.0)
        request.reply({"image": request.view()})
        assert (client.finish_call(asked, timeout=60.0)["image"] == 7).all()
