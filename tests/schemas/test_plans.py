"""Python: `decode` uses a plan from a message's bytes to an instance. Results and errors equal `from_value`."""

import copy
import dataclasses
import random
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import linkspan
import numpy as np
import pytest
from cases import CASES, PLAIN, REFUSED, Value
from conftest import SCHEMA, generate
from support.modules import loaded

SOON = 60.0
#: One value of each kind, and those at the ends of the ranges of types.
OTHERS: list[Any] = [
    None, True, 0, 1, -1, 127, 128, 2**15, 2**31, 2**53, 2**53 + 1, 2**24 + 1, 2**63, 2**64 - 1, -(2**63), 2**70, 0.5, 1e300, float("inf"),
    3.4028235677973364e38, 3.4028235677973366e38, "", "ON", "none", b"", b"x", [], [1], [0.5], ["x"], [None], {}, {"x": 1.0, "y": 1}, {"x": 1.0}, {"battery": 1},
    {"grid": {"x": 1, "y": 2, "z": [{"a": 1}]}}, {"none": True, "battery": 1.0}, {"other": 1}, {"a": {"x": 0.5, "y": 0.5}}, linkspan.Timestamp(7), UUID(int=7),
    Decimal("1.5"), np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(3, np.uint8), np.zeros((2, 3), order="F"), np.array(1, np.int32),
    {"t": [], "v": np.zeros(1, np.float32)},
]  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    [file] = generate("python", SCHEMA, tmp_path_factory.mktemp("plans"))
    return loaded(file)


class Carrier:
    """Sends values through a channel: each comes back as a message."""

    def __init__(self, encoding: str) -> None:
        self.out = linkspan.publisher(f"unix:plans/{encoding}", encoding=encoding)
        self.subscriber = linkspan.subscribe(f"unix:plans/{encoding}")

    def message(self, value: Any) -> linkspan.Message:
        self.out.send(value)
        return self.subscriber.recv(timeout=SOON)

    def close(self) -> None:
        self.subscriber.close()
        self.out.close()


@pytest.fixture(params=["cbor", "json", "bson", "smile"])
def carrier(request: pytest.FixtureRequest) -> Iterator[Carrier]:
    made = Carrier(request.param)
    yield made
    made.close()


def plain(value: Any) -> Any:
    """A form of a value that can be compared: arrays and floats by their bits, instances with their class."""
    match value:
        case np.ndarray():
            return ("array", value.dtype.str, value.shape, value.flags.c_contiguous, value.flags.writeable, value.tobytes("C"))
        case float():
            return ("float", np.float64(value).tobytes())
        case list():
            return [plain(each) for each in value]
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case _ if dataclasses.is_dataclass(value):
            names = [each.name for each in dataclasses.fields(value)]
            return (type(value).__name__, [plain(getattr(value, name)) for name in names])
        case _:
            return (type(value).__name__, value)


def outcome(make: Any) -> Any:
    """Returns the result of a call, or the error that it raises."""
    try:
        return plain(make())
    except linkspan.Error as error:
        return (type(error).__name__, str(error), error.path)


def changed(seed: random.Random) -> Value:
    """Returns a value with one to three random changes: keys removed, renamed or added, values of other kinds."""
    value = copy.deepcopy(PLAIN)
    for _ in range(seed.randint(1, 3)):
        within: Any = value
        while isinstance(within, dict) and within and seed.random() < 0.4:
            deeper = [each for each in within.values() if isinstance(each, (dict, list)) and each]
            if not deeper:
                break
            within = seed.choice(deeper)
        other = copy.deepcopy(seed.choice(OTHERS))
        if isinstance(within, list):
            within[seed.randrange(len(within))] = other
            continue
        key = seed.choice(list(within)) if within else "new"
        match seed.randrange(5):
            case 0:
                within.pop(key, None)
            case 1:
                within[seed.choice(["new", "medium", "mid", "more", "type", "class", "stop"])] = other
            case 2:
                within[seed.choice(["medium", "mid", "new"])] = within.pop(key, 1)
            case _:
                within[key] = other
    return value


def test_instances_are_made_by_the_plan_alone(grid: ModuleType, carrier: Carrier) -> None:
    root, plan = grid.GridEverything, grid._PLAN__GRID_EVERYTHING
    for name, (sent, _) in CASES.items():
        message = carrier.message(sent)
        made = plan.decode(root, message)
        assert made is not None and type(made) is root, name
        assert plain(made) == plain(root.from_value(message.value)), name
    # A class with its own constructor is instantiated by calling it.
    assert plan.decode(type("Other", (root,), {}), carrier.message(PLAIN)) is None


def test_values_that_do_not_fit_are_refused_as_from_value_refuses_them(grid: ModuleType, carrier: Carrier) -> None:
    root = grid.GridEverything
    for name, refused in REFUSED.items():
        message = carrier.message(refused[0])
        assert outcome(lambda: root.decode(message)) == outcome(lambda: root.from_value(message.value)), name


def test_changed_values_have_one_outcome_both_ways(grid: ModuleType, carrier: Carrier) -> None:
    root, by_plan, refused = grid.GridEverything, 0, 0
    start = random.randrange(1 << 32)
    for number in range(400):
        value = changed(random.Random(start + number))
        try:
            message = carrier.message(value)
        except linkspan.Error:  # An encoding need not have a form for every value.
            continue
        found, expected = outcome(lambda: root.decode(message)), outcome(lambda: root.from_value(message.value))
        assert found == expected, f"seed {start + number}: {value}"
        refused += found[0] != "GridEverything"
        by_plan += grid._PLAN__GRID_EVERYTHING.decode(root, message) is not None
    assert by_plan > 0 and refused > 20, (start, by_plan, refused)


def test_instances_are_sent_with_their_current_attributes(grid: ModuleType) -> None:
    root = grid.GridEverything
    for name, (sent, _) in CASES.items():
        made = root.from_value(linkspan.decode(linkspan.encode(sent)))
        for _ in range(2):  # the first time of a class, and the others
            assert plain(root.from_value(linkspan.decode(linkspan.encode([made]))[0])) == plain(made), name
        made.tiny = -7
        assert linkspan.decode(linkspan.encode(made))["tiny"] == -7, name
        made.start.note = None
        assert "note" not in linkspan.decode(linkspan.encode(made))["start"], name
        del made.tiny
        with pytest.raises(AttributeError):
            linkspan.encode([made])

    class Doubled(root):  # type: ignore[misc, valid-type]
        """Has a dict in addition to the slots, and an attribute outside the slots."""

        @property
        def small(self) -> int:
            return 42

    plan = {each.name: getattr(root.from_value(linkspan.decode(linkspan.encode(PLAIN))), each.name) for each in dataclasses.fields(root)}
    other = object.__new__(Doubled)
    for key, value in plan.items():
        if key != "small":
            setattr(other, key, value)
    assert linkspan.decode(linkspan.encode(other))["small"] == 42
