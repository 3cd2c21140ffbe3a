"""Repeated dicts with equal keys use cached forms and equal uncached ones; other and repeated keys are noticed."""

import random
import threading
import types

import linkspan
import pytest

#: Constants like a program's; more keys than the cache holds, some too long for it.
KEYS = [f"key{at}" for at in range(300)] + ["", "$bytes", "$x", "é" * 10, "k" * 31, "k" * 32, "k" * 33, "k" * 64, "k" * 65, "k" * 200, 'a"b\\']
VALUES = [
    None, True, False, 0, -1, 24, 2**63 - 1, 2**63, 2**70, 0.5, -0.0, 1e300, float("inf"), "", "text", 'a "quoted" one\n', "é" * 40, b"\0\xff",
    linkspan.Timestamp(7), [1, "x"], (), {"key0": 1, "key1": {"key0": 2}}, {},
]  # fmt: skip
#: Exceeds the repetitions before a form is kept.
OFTEN = 40


def walked(value, encoding: str) -> bytes:
    """Encodes a dict by its items, without caches."""
    return linkspan.encode(types.MappingProxyType(value), encoding)


def pairs(*entries: tuple[str, object]) -> bytes:
    assert len(entries) < 24
    return bytes([0xA0 + len(entries)]) + b"".join(linkspan.encode(part) for entry in entries for part in entry)


def same(got: object, expected: object) -> bool:
    return repr(got) == repr(expected)


def shapes(random: random.Random, count: int) -> list[list[str]]:
    made = [random.sample(KEYS, random.randrange(26)) for _ in range(count)]
    for keys in made[: count // 2]:
        if len(keys) > 1:
            made.append([*keys[:-1], random.choice([key for key in KEYS if key not in keys])])
            made.append([keys[0], *random.sample(keys[1:], len(keys) - 1)])
    return made


@pytest.mark.parametrize("encoding", ["cbor", "json"])
def test_random_dicts_of_few_shapes_go_both_ways(encoding):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    known = shapes(draw, 12)
    for _ in range(1500):
        value = {key: draw.choice(VALUES[:11] if draw.random() < 0.8 else VALUES) for key in draw.choice(known)}
        if draw.random() < 0.2:
            value = {"outer": 1, "in": [value, {**value, "more": 1}], **value}
        block = linkspan.encode(value, encoding)
        assert block == walked(value, encoding)
        expected = linkspan.decode(linkspan.transcode(block, encoding, "bson"), "bson")
        assert same(linkspan.decode(block, encoding), expected)


def test_keys_that_are_new_objects_each_time_are_encoded():
    for at in range(10 * OFTEN):
        value = {f"key {at % 3}": at, f"other {at % 5}": str(at), "same": None}
        for encoding in ("cbor", "json"):
            assert linkspan.encode(value, encoding) == walked(value, encoding)


def test_a_dict_whose_kept_form_does_not_fit_is_walked():
    class Text(str):
        """A key that is not exactly text."""

    for encoding in ("cbor", "json"):
        for _ in range(OFTEN):
            linkspan.encode({"first": 1, "second": 2}, encoding)
        for value in ({"first": 1, "other": 2}, {"first": 1, Text("second"): 2}, {"first": 1, "second": [2]}, {"first": 1}, {"first": 1, "second": 2}):
            assert linkspan.encode(value, encoding) == walked(value, encoding)
        for refused in ({"first": 1, "second": object()}, {"first": 1, 2: 2}, {"first": 1, "second": "\ud800"}):
            with pytest.raises(linkspan.Unsupported) as info:
                linkspan.encode(refused, encoding)
            assert info.value.path == str(list(refused)[1])


def test_message_limit_holds_for_dicts_whose_form_is_kept():
    with linkspan.listen("unix:alike-limit") as listener, linkspan.connect("unix:alike-limit", max_message_size=2000) as channel:
        accepted = listener.accept()
        for at in range(OFTEN):
            channel.send({"first": at, "second": "x"})
            assert accepted.recv().value == {"first": at, "second": "x"}
        with pytest.raises(linkspan.TooLarge):
            channel.send({"first": 1, "second": "x" * 2000})
        accepted.close()


@pytest.mark.parametrize("length", [1, 2, 10, 20])
@pytest.mark.parametrize("warm", [0, OFTEN])
def test_repeated_keys_are_refused_at_each_place(length, warm):
    keys = [f"place {length} {warm} {at}" for at in range(length)]
    for _ in range(warm):
        assert linkspan.decode(pairs(*((key, at) for at, key in enumerate([*keys, "last"])))) == {**dict(zip(keys, range(length))), "last": length}
    for again in range(length):
        for between in (1, {keys[again]: 1}, {**dict.fromkeys(keys, 1), "last": 2}, [{"new": {keys[again]: 1}}]):
            block = pairs(*((key, between if at == length - 1 else at) for at, key in enumerate(keys)), (keys[again], 0))
            for _ in range(3):
                with pytest.raises(linkspan.Malformed, match="twice|repeat|more than once") as info:
                    linkspan.decode(block)
                assert info.value.path == keys[again]
    assert linkspan.decode(pairs(*((key, at) for at, key in enumerate(keys)))) == dict(zip(keys, range(length)))


def test_maps_inside_maps_with_the_same_keys_arrive():
    inner = {"a": 1, "b": 2, "c": 3}
    for at in range(OFTEN):
        value = {"a": inner, "b": [inner, {"a": at}, {"b": inner, "a": 2, "c": 3}], "c": {"a": {"a": {"a": at, "b": 1, "c": 0}, "b": 0, "c": 0}}}
        for encoding in ("cbor", "json", "smile", "bson"):
            assert same(linkspan.decode(linkspan.encode(value, encoding), encoding), value)


def test_kept_forms_belong_to_a_thread():
    failed = []

    def work(number: int) -> None:
        for at in range(10 * OFTEN):
            value = {"number": number, f"at{at % 3}": at, "text": "x" * (at % 50)}
            if linkspan.decode(linkspan.encode(value)) != value or linkspan.encode(value, "json") != walked(value, "json"):
                failed.append((number, at))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_what_arrives_is_the_programs_own():
    block = linkspan.encode({"a": 1, "b": [2]})
    arrived = [linkspan.decode(block) for _ in range(OFTEN)]
    arrived[-1]["a"], arrived[-1]["more"] = "changed", 3
    arrived[-2].clear()
    assert linkspan.decode(block) == {"a": 1, "b": [2]} == arrived[-3]


@pytest.mark.parametrize("encoding", ["cbor", "json"])
def test_dicts_in_dicts_are_encoded_as_by_a_walk(encoding):
    def nested(depth: int, at: int) -> dict:
        made = {"id": at, "name": f"n{at}", "empty": {}}
        return {**made, "in": nested(depth - 1, at + 1), "last": 0.5, "also": {"x": 1.5, "y": at}} if depth else made

    for depth in range(6):
        for at in range(10 * OFTEN):
            value = nested(depth, at)
            if at % 50 == 49:
                value["also"] = [{"x": 1}, {"y": None}]
            if at % 60 == 59:
                value["empty"] = {"x": 1, "$y": at, "other": b"x"}
            assert linkspan.encode(value, encoding) == walked(value, encoding)
    value = {"id": 1, "again": None}
    value["again"] = value
    for _ in range(10 * OFTEN):
        with pytest.raises(linkspan.TooLarge):
            linkspan.encode(value, encoding)
    # Every 32nd dict skips the walk; its length limit must also hold.
    text = "x" * 400_000
    inner = {f"key{at}": text for at in range(20)}
    outer = {f"key{at}": inner for at in range(20)}
    with pytest.raises(linkspan.TooLarge):
        linkspan.encode(outer, encoding)


def test_value_without_a_form_in_a_dict_in_a_dict_is_refused_with_its_path():
    for encoding in ("cbor", "json"):
        for at in range(10 * OFTEN):
            linkspan.encode({"id": at, "in": {"a": at, "b": {"c": at, "d": 0.5}}}, encoding)
        for refused in (object(), "\ud800"):
            with pytest.raises(linkspan.Unsupported) as info:
                linkspan.encode({"id": 1, "in": {"a": 1, "b": {"c": 1, "d": refused}}}, encoding)
            assert info.value.path == "in/b/d"


def outcome(block: bytes) -> str:
    try:
        return repr(linkspan.decode(block))
    except linkspan.Error as error:
        return f"{error.kind} {error.path} {error}"


def test_changed_bytes_of_a_known_map_are_decoded_as_those_of_an_unknown_one():
    values = [None, True, -300, 2.5, "text", "é" * 20, 2**63 - 1]
    value = {f"{'k' * at}{at}": values[at % 7] for at in range(14)}
    block = linkspan.encode(value)
    changed = [block[:at] for at in range(len(block))] + [block + b"\0", pairs(*value.items())[:-1] + b"\x62\xff\xff"]
    changed += [block[:at] + bytes([block[at] ^ 1 << bit]) + block[at + 1 :] for at in range(len(block)) for bit in range(8)]
    expected = []
    # A new thread has no cache, and too few consecutive maps begin alike.
    for at in range(0, len(changed), 4):
        thread = threading.Thread(target=lambda at=at: expected.extend(map(outcome, changed[at : at + 4])))
        thread.start()
        thread.join()
    for one, other in zip(changed, expected, strict=True):
        # After a refused map, 31 maps skip the cache.
        for _ in range(OFTEN):
            assert same(linkspan.decode(block), value)
        assert outcome(one) == other
