"""A received message is a value: it is sent on, compared, copied, matched, and read as any mapping."""

import collections.abc
import copy
import json
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
    # What a socket has no room for waits for its reader.
    sender = threading.Thread(target=one.send, args=[value])
    sender.start()
    message = two.recv(timeout=10)
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
        request = server.next(timeout=10)
        request.reply({"echo": request})
        assert client.finish_call(asked, timeout=10) == {"echo": {"a": 1}}


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
