"""Recordings for viewers: independent readers return every sent message.

The readers are mcap-ros2-support, rosbags, Rerun and Lichtblick.
"""

import base64
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import linkspan
import numpy
import pytest
from conftest import Lab, ended, sent
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from support.demo_values import values
from support.npm import npm
from support.recordings import value as any_value
from support.recordings import written
from support.tree import PROGRAM, ROOT

SEED = int(os.environ.get("LINKSPAN_SEED", random.randrange(2**32)))
HERE = Path(__file__).parent

#: Types of a name or field in schema notation, and values of each.
SCALARS = {
    "bool": lambda chance: chance.random() < 0.5,
    "i8": lambda chance: chance.randint(-128, 127),
    "i16": lambda chance: chance.randint(-(2**15), 2**15 - 1),
    "i32": lambda chance: chance.randint(-(2**31), 2**31 - 1),
    "i64": lambda chance: chance.choice([0, -(2**63), 2**63 - 1, chance.randint(-9, 9)]),
    "u8": lambda chance: chance.randint(0, 255),
    "u16": lambda chance: chance.randint(0, 2**16 - 1),
    "u32": lambda chance: chance.randint(0, 2**32 - 1),
    "u64": lambda chance: chance.choice([0, 2**64 - 1, chance.randint(0, 9)]),
    "f32": lambda chance: chance.choice([0.0, 1.5, -2.25, math.inf, math.nan]),
    "f64": lambda chance: chance.choice([0.1, -0.0, 1e300, -math.inf, math.nan, 5e-324]),
    "text": lambda chance: chance.choice(["", "a", "größer 🔥", "x" * chance.randint(0, 99)]),
    "bytes": lambda chance: chance.randbytes(chance.choice([0, 1, 7, 300])),
    # mcap-ros2-support reads seconds of times without a sign.
    "timestamp": lambda chance: linkspan.Timestamp(chance.randint(0, 2**31 * 10**9 - 1)),
    "uuid": lambda chance: uuid.UUID(int=chance.getrandbits(128)),
    "decimal": lambda chance: Decimal(chance.randint(-9999, 9999)).scaleb(-2),
}
DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"]
NAMES = {"i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64", "u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64", "f4": "f32", "f8": "f64", "c8": "c64", "c16": "c128", "bool": "bool"}


def array(chance: random.Random, dtype: str, shape: list[int]) -> numpy.ndarray:
    size = math.prod(shape)
    made = numpy.frombuffer(chance.randbytes(size * numpy.dtype(dtype).itemsize), dtype) if dtype != "bool" else numpy.array([chance.random() < 0.5 for _ in range(size)], bool)
    made = made.reshape(shape)
    return numpy.asfortranarray(made) if chance.random() < 0.3 else made


def made(chance: random.Random, depth: int = 0) -> tuple[dict[str, Any], Any]:
    kind = chance.choice(["scalar"] * 5 + ["ndarray", "image"] + ["list", "record", "optional"] * (depth < 3))
    if kind == "scalar":
        name = chance.choice(list(SCALARS))
        return {"type": name}, lambda: SCALARS[name](chance)
    if kind in ("ndarray", "image"):
        dtype = chance.choice(["u1", "u2"] if kind == "image" else DTYPES)
        shape = chance.choice([[2, 3], [2, 3, 3], [0, 4]] if kind == "image" else [[], [0], [5], [2, 2, 2, 2], [3, 1, 2]])
        return {"type": "ndarray", "dtype": NAMES[dtype], "shape": [*shape]}, lambda: array(chance, dtype, shape)
    if kind == "list":
        inner, one = made(chance, depth + 1)
        return {"type": "list", "of": inner}, lambda: [one() for _ in range(chance.choice([0, 1, 3]))]
    fields = {f"f{number}": made(chance, depth + 1) for number in range(chance.randint(1, 5))}
    table = {name: {**of, **({"optional": True} if kind == "optional" else {})} for name, (of, _) in fields.items()}

    def record() -> dict[str, Any]:
        return {name: one() for name, (_, one) in fields.items() if kind != "optional" or chance.random() < 0.6}

    return {"type": "record", "fields": table}, record


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def field(key: str) -> str:
    """Returns the field for a key; invalid field names change."""
    return key if key.isidentifier() and key.isascii() else re.sub("[^0-9a-z]+", "_", key.lower()).strip("_")


def same(expected: Any, found: Any, path: str = "message") -> None:
    match expected:
        case dict():
            fields = {field(key): item for key, item in expected.items()}
            for key in [key for key in dir(found) if key.startswith("has_")]:
                assert getattr(found, key) == (key[4:] in fields), f"{path}.{key}"
            for key, item in fields.items():
                same(item, getattr(found, key), f"{path}.{key}")
        case list():
            items = getattr(found, "items", found)
            assert len(expected) == len(items), path
            for at, item in enumerate(expected):
                one = items[at]
                one = one.items if isinstance(item, list | bytes) and hasattr(one, "items") and not isinstance(one, numpy.ndarray) else one
                same(item, one, f"{path}[{at}]")
        case numpy.ndarray() if hasattr(found, "encoding"):
            assert (found.height, found.width, found.is_bigendian) == (*expected.shape[:2], 0), path
            channels = expected.shape[2] if expected.ndim == 3 else 1
            wide = expected.dtype.itemsize == 2
            assert found.encoding == {1: "mono16" if wide else "mono8", 3: "rgb16" if wide else "rgb8", 4: "rgba8"}[channels]
            assert found.step == expected.shape[1] * channels * expected.dtype.itemsize
            assert bytes(found.data) == expected.tobytes(), path
        case numpy.ndarray():
            assert list(found.shape) == list(expected.shape), path
            flat = expected.ravel()
            flat = flat.view("f4" if flat.dtype == "c8" else "f8") if flat.dtype.kind == "c" else flat
            data = numpy.frombuffer(found.data, flat.dtype) if isinstance(found.data, bytes) else numpy.array(found.data, flat.dtype)
            assert data.tobytes() == flat.tobytes() or numpy.array_equal(data, flat, equal_nan=flat.dtype.kind == "f"), path
        case bool():
            assert bool(found) == expected, path
        case float():
            assert found == expected or math.isnan(found) and math.isnan(expected), (path, expected, found)
        case bytes():
            assert bytes(found) == expected, path
        case linkspan.Timestamp():
            assert found.sec * 10**9 + found.nanosec == expected.nanoseconds, path
        case uuid.UUID() | Decimal():
            assert found == str(expected), path
        case _:
            assert found == expected, (path, expected, found)


def plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case numpy.ndarray():
            flat = value.ravel()
            flat = flat.view("f4" if flat.dtype == "c8" else "f8") if flat.dtype.kind == "c" else flat
            return {"shape": list(value.shape), "data": [plain(item) for item in flat.tolist()]}
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return base64.b64encode(value).decode()
        case linkspan.Timestamp():
            return {"sec": value.nanoseconds // 10**9, "nsec": value.nanoseconds % 10**9}
        case uuid.UUID() | Decimal():
            return str(value)
        case int() if not isinstance(value, bool) and not -(2**63) <= value < 2**64:
            return str(value)
    return value


def by_mcap(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Returns name, encoding and value of each message by mcap-ros2-support."""
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, message in reader.iter_messages(log_time_order=False):
            if channel.topic == "linkspan/events":
                continue
            if channel.message_encoding == "cdr":
                decoder = DecoderFactory().decoder_for("cdr", reader.get_summary().schemas[channel.schema_id])
                yield channel.topic, "cdr", decoder(message.data)
            else:
                assert (channel.message_encoding, channel.schema_id) == ("json", 0)
                yield channel.topic, "json", json.loads(message.data)


def by_rosbags(path: Path) -> Iterator[tuple[str, Any]]:
    """Returns name and value of each CDR message by rosbags."""
    store = get_typestore(Stores.EMPTY)
    with Reader(path) as reader:
        types = {}
        for connection in reader.connections:
            if connection.msgdef.data:
                types.update(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        store.register(types)
        for connection, _, data in reader.messages():
            if connection.msgdef.data:
                yield connection.topic, store.deserialize_cdr(data, connection.msgtype)


def by_lichtblick(path: Path) -> dict[str, list[Any]]:
    """Returns the CDR values of each name by Lichtblick's reader; values beyond JSON are texts."""
    done = subprocess.run(["node", HERE / "viewers.js", npm(), path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_lichtblick(found: Any) -> Any:
    """Returns a value of mcap-ros2-support in the script's output form."""
    if names := getattr(found, "__slots__", None):
        keys = {"nanosec": "nsec"} if set(names) == {"sec", "nanosec"} else {}
        return {keys.get(key, key): as_lichtblick(getattr(found, key)) for key in names}
    if isinstance(found, bytes | list) or hasattr(found, "tolist"):
        return [as_lichtblick(item) for item in found]
    if isinstance(found, float):
        return found if math.isfinite(found) else str(found).replace("inf", "Infinity").replace("nan", "NaN")
    return found


def checked(lab: Lab, source: Path, messages: list[tuple[str, Any]], is_cdr: bool | None = None) -> Path:
    path = lab.folder / f"{source.stem}-ros2.mcap"
    lab.recording("export", source, "--ros2", "-o", path, "--force")
    compare(path, messages, is_cdr)
    return path


def by_rerun(path: Path) -> dict[str, list[Any]]:
    """Returns the CDR values of each name by Rerun, which drops picture headers."""
    script = """
import json, sys
from rerun.chunk import McapReader
found = {}
for chunk in McapReader(sys.argv[1], decoders=["ros2msg", "ros2_reflection"]).stream():
    batch = chunk.to_record_batch()
    for name in batch.schema.names:
        is_picture = name.endswith("Image:buffer")
        if name.endswith(":message") or is_picture:
            times = [time.value for time in batch.column("message_log_time").to_pylist()]
            values = [{"data": list(bytes(row[0]))} if is_picture else row[0] for row in batch.column(name).to_pylist()]
            found.setdefault(str(chunk.entity_path), []).extend(zip(times, values, strict=True))
plain = {name: [value for _, value in sorted(rows, key=lambda row: row[0])] for name, rows in found.items()}
print(json.dumps(plain, default=list))
"""
    environment = {**os.environ, "HOME": str(path.parent)}
    done = subprocess.run([sys.executable, "-c", script, path], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(path: Path, messages: list[tuple[str, Any]], is_cdr: bool | None = None) -> None:
    ours: dict[str, list[tuple[str, Any]]] = {}
    for topic, encoding, found in by_mcap(path):
        ours.setdefault(topic, []).append((encoding, found))
    bags: dict[str, list[Any]] = {}
    for topic, found in by_rosbags(path):
        bags.setdefault(topic, []).append(found)
    lichtblick = by_lichtblick(path)
    given: dict[str, list[Any]] = {}
    for topic, value in messages:
        given.setdefault(topic, []).append(value)
    assert set(given) == set(ours)
    for topic, each in given.items():
        assert len(each) == len(ours[topic])
        in_cdr = 0
        for value, (encoding, found) in zip(each, ours[topic], strict=True):
            if encoding == "json":
                expected = plain(value)
                assert found == (expected if isinstance(expected, dict) else {"value": expected}), topic
                assert not is_cdr, (topic, value)
                continue
            assert is_cdr is not False, (topic, value)
            for one in (found, bags[topic][in_cdr]):
                is_whole = isinstance(value, dict) or isinstance(value, numpy.ndarray)
                same(value, one if is_whole else one.value, topic)
            assert lichtblick[topic][in_cdr] == json.loads(json.dumps(as_lichtblick(found))), topic
            in_cdr += 1
        assert len(bags.get(topic, [])) == len(lichtblick.get(topic, [])) == in_cdr


def test_random_types_with_schemas_are_the_same_for_three_readers(lab: Lab):
    print(f"LINKSPAN_SEED={SEED}")
    chance = random.Random(SEED)
    messages, schemas = [], {}
    for number in range(60):
        of, one = made(chance)
        top = "\n".join(f"{key} = {toml(item)}" for key, item in of.items() if (key, item) != ("type", "record"))
        schemas[f"lab/n{number}"] = f'name = "lab.n{number}"\n{top}\n'
        messages += [(f"lab/n{number}", one()) for _ in range(4)]
    path = checked(lab, written(lab.folder / "typed.mcap", messages, schemas), messages, is_cdr=True)
    info = lab.info(path.name)
    assert info


def test_random_types_are_inferred_from_all_messages(lab: Lab):
    print(f"LINKSPAN_SEED={SEED}")
    chance = random.Random(SEED)
    messages = []
    for number in range(60):
        of, one = made(chance)
        messages += [(f"lab/n{number}", one()) for _ in range(4)]
    checked(lab, written(lab.folder / "untyped.mcap", messages), messages)


def test_any_values_are_written_in_some_form(lab: Lab):
    print(f"LINKSPAN_SEED={SEED}")
    chance = random.Random(SEED)
    messages = [(f"lab/n{chance.randrange(20)}", any_value(chance)) for _ in range(300)]
    # Compares values after the codec, which changes NaNs and NumPy numbers.
    messages = [(topic, linkspan.decode(linkspan.encode(value))) for topic, value in messages]
    path = lab.folder / "any-ros2.mcap"
    lab.recording("export", written(lab.folder / "any.mcap", messages), "--ros2", "-o", path)
    assert sum(1 for _ in by_mcap(path)) == len(messages)
    assert sum(1 for _ in by_rosbags(path)) == sum(encoding == "cdr" for _, encoding, _ in by_mcap(path)) == sum(map(len, by_lichtblick(path).values()))


IN_JSON = ("observatory/statistics",)


def demonstration() -> list[tuple[str, Any]]:
    return [(name, value) for number in range(6) for name, (_, value) in values(number).items()]


def test_demonstration_is_shown_in_full_by_four_readers(lab: Lab):
    messages = demonstration()
    schemas = {name: schema.read_text() for name, (schema, _) in values(0).items() if schema}
    path = checked(lab, written(lab.folder / "demo.mcap", messages, schemas), messages)
    assert {topic for topic, encoding, _ in by_mcap(path) if encoding == "json"} == {*IN_JSON}
    rerun = by_rerun(path)
    for name in values(0):
        if name in IN_JSON:
            continue
        expected = [found for topic, _, found in by_mcap(path) if topic == name]
        if hasattr(expected[0], "encoding"):
            assert rerun["/" + name] == [{"data": list(one.data)} for one in expected], name
        else:
            assert rerun["/" + name] == json.loads(json.dumps([as_rerun(one) for one in expected])), name


def as_rerun(found: Any) -> Any:
    if names := getattr(found, "__slots__", None):
        return {key: as_rerun(getattr(found, key)) for key in names}
    return [as_rerun(item) for item in found] if isinstance(found, bytes | list) or hasattr(found, "tolist") else found


LAB = """
import sys
sys.path.insert(0, sys.argv[1])
import linkspan
from support.demo_values import values
publishers = {name: linkspan.publisher(name, **({"schema": str(schema)} if schema else {})) for name, (schema, _) in values(0).items()}
for publisher in publishers.values(): publisher.wait_for_subscribers(1, timeout=60)
for number in range(6):
    for name, (_, value) in values(number).items(): publishers[name].send(value)
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("encoding", ["ros2", "json"])
def test_recorder_writes_for_viewers_at_once(lab: Lab, encoding: str):
    names = len(values(0))
    recorder = lab.record("observatory/*", "lab/*", "-o", "live.mcap", "--encoding", encoding, "--messages", str(6 * names))
    publisher = lab.python(LAB, ROOT / "tests")
    ended(recorder)
    sent(publisher)
    path = lab.folder / "live.mcap"
    lab.recording("check", "live.mcap")
    if encoding == "ros2":
        compare(path, demonstration())
        assert lab.info("live.mcap")
        publisher.communicate(timeout=60)
        assert "cdr" in lab.run(PROGRAM, "replay", "live.mcap", "--as-fast-as-possible", code=1)
        return
    # JSON viewers read numbers, texts and maps; only a replay restores Linkspan's arrays and times.
    found: dict[str, list[Any]] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            if channel.topic != "linkspan/events":
                assert schema is None or schema.encoding == "jsonschema" and json.loads(schema.data)["type"] == "object"
                found.setdefault(channel.topic, []).append(json.loads(message.data))
    for name in ("lab/temperature", "lab/number", "lab/text", "lab/counts"):
        assert found[name] == [value for topic, value in demonstration() if topic == name], name
    assert len(found) == names and all(len(each) == 6 for each in found.values())


def test_types_that_change_go_on_in_further_channels(lab: Lab):
    script = """
import sys, linkspan
with linkspan.publisher("lab/a") as out:
    out.wait_for_subscribers(1, timeout=60)
    for value in ({"a": 1}, {"a": 1.5}, {"a": 2, "b": "x"}, {"a": None}, {"c d": [1, "x"]}, 7): out.send(value)
    sys.stdin.read()
"""
    recorder = lab.record("lab/a", "-o", "a.mcap", "--encoding", "ros2", "--messages", "6")
    lab.python(script)
    ended(recorder)
    lab.recording("check", "a.mcap")
    found = [(encoding, value) for _, encoding, value in by_mcap(lab.folder / "a.mcap")]
    assert [encoding for encoding, _ in found] == ["cdr", "cdr", "cdr", "cdr", "json", "json"]
    assert [value.a for _, value in found[:3]] == [1, 1.5, 2.0] and (found[2][1].has_b, found[2][1].b, found[3][1].has_a) == (True, "x", False)
    assert [value for _, value in found[4:]] == [{"c d": [1, "x"]}, {"value": 7}]


def test_names_that_ros_does_not_allow_are_changed_and_units_stand_in_comments(lab: Lab):
    schema = 'name = "lab.motor1"\ndoc = "A motor\'s [state]"\n[fields.maxTemp]\ntype = "f64"\nunit = "Cel"\ndoc = "of the # coil = hot"\n[fields._class]\ntype = "list of f64"\n[fields.class]\ntype = "f64"\nunit = "m[H2O]"\n'
    value = {"maxTemp": 21.5, "_class": [1.0], "class": 2.5}
    path = lab.folder / "o.mcap"
    lab.recording("export", written(lab.folder / "n.mcap", [("lab/motor", value)], {"lab/motor": schema}), "--ros2", "-o", path)
    ((_, _, found),) = by_mcap(path)
    assert (found.max_temp, found.class2, getattr(found, "class")) == (21.5, 2.5, [1.0])
    ((_, bag),) = by_rosbags(path)
    assert (bag.max_temp, bag.class2, list(bag.class_)) == (21.5, 2.5, [1.0])
    assert by_lichtblick(path) == {"lab/motor": [{"max_temp": 21.5, "class": [1], "class2": 2.5}]}
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    (text,) = [schema.data.decode() for schema in summary.schemas.values()]
    assert "float64 max_temp # maxTemp. of the # coil = hot [Cel]" in text and re.search(r"linkspan_msgs/msg/LabMotor1[0-9A-F]{8}", next(iter(summary.schemas.values())).name)
    (metadata,) = [channel.metadata for channel in summary.channels.values() if channel.topic == "lab/motor"]
    assert (metadata["linkspan.unit.maxTemp"], metadata["linkspan.unit.class"]) == ("Cel", "m[H2O]")


def test_packed_records_are_shown_by_their_fields(lab: Lab):
    schema = """name = "motor.state"
layout = "packed"
[fields]
on = "bool"
at = "timestamp"
mode = { type = "enum", values = ["OFF", "SLOW", "FAST"] }
speed = { type = "f32", unit = "/s" }
load = { type = "record", fields = { low = "i8", wave = { type = "ndarray", dtype = "u16", shape = [3] } } }
"""
    packed = struct.pack("<?7xqB3xfbx3H", True, 5_000_000_007, 2, 1.5, -7, 1, 2, 3)
    messages = [("lab/motor", packed), ("lab/motor", b"no record")]
    path = lab.folder / "o.mcap"
    lab.recording("export", written(lab.folder / "p.mcap", messages, {"lab/motor": schema}), "--ros2", "-o", path)
    (_, first, found), (_, second, other) = by_mcap(path)
    assert (first, found.on, found.at.sec, found.at.nanosec, found.mode, found.speed) == ("cdr", True, 5, 7, "FAST", 1.5)
    assert (found.load.low, list(found.load.wave.shape), list(found.load.wave.data)) == (-7, [3], [1, 2, 3])
    assert (second, bytes(other.value)) == ("cdr", b"no record")


def test_what_cannot_be_decoded_is_named_and_the_rest_is_written(lab: Lab):
    path = lab.folder / "bad.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        channel = writer.register_channel("lab/a", "cbor", 0)
        for number, body in enumerate([linkspan.encode({"x": 1}), b"\xb9", linkspan.encode({"x": 3})], 1):
            writer.add_message(channel, number * 10**9, body, number * 10**9, number)
        writer.finish()
    assert "message 2 of lab/a" in lab.recording("export", path, "--ros2", "-o", "out.mcap", code=1)
    assert [value.x for _, _, value in by_mcap(lab.folder / "out.mcap")] == [1, 3]


def test_window_and_names_are_chosen_and_files_stay(lab: Lab):
    source = written(lab.folder / "w.mcap", [(f"lab/{name}", {"x": number}) for number in range(5) for name in "ab"])
    lab.recording("export", source, "lab/a", "--from", "4", "--ros2", "-o", "a.mcap")
    found = [(topic, value.x) for topic, _, value in by_mcap(lab.folder / "a.mcap")]
    assert found == [("lab/a", 1), ("lab/a", 2), ("lab/a", 3), ("lab/a", 4)]
    lab.recording("export", source, "--ros2", "-o", "a.mcap", code=1)
    lab.recording("export", source, "--ros2", "-o", source, "--force", code=1)
    assert "--output" in lab.recording("export", source, "--ros2", code=2)
